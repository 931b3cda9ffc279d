"""The start page: what a click sets stands in the parameter file, and what stands there is shown."""

import datetime
import json
import time
from pathlib import Path

import psutil
import pytest
import yaml
from made_run import make_run

from ftkit import cli
from ftkit.core.errors import BadInput, NotReady
from ftkit.core.parameters import shared
from ftkit.core.parameters.files import build, load
from ftkit.core.parameters.models import MODELS
from ftkit.notebook.form import Form
from ftkit.notebook.runs_panel import RunsPanel
from ftkit.notebook.start_page import NEW, Start, data_files
from ftkit.workflow import project, run_state
from ftkit.workflow.ask_run import AskRun
from ftkit.workflow.run_list import remove


def looked_at(name="desk", file="desk.csv"):
    page = Start()
    page.name.value, page.file.value = name, file
    page.look.click()
    return page


def test_a_file_becomes_the_same_parameters_as_on_the_command_line(project_folder):
    assert data_files() == ["desk.csv"]
    page = looked_at()
    assert "label" in page.said.value and list(page.forms) == [shared.SECTION, *MODELS]
    page.save.click()
    assert (
        "Saved" in page.state.value
        and page.what.value == "desk"
        and "A run would do all notebooks" in page.state.value
    )
    clicked = {stage: p.model_dump() for stage, p in load(Path("params/desk.yaml")).items()}
    assert cli.main(["new", "desk", "--data", "desk.csv", "--force"]) == 0
    assert clicked == {stage: p.model_dump() for stage, p in load(Path("params/desk.yaml")).items()}


def test_what_is_changed_is_marked_saved_and_read_back(project_folder):
    page = looked_at()
    form = page.forms["training"]
    form.fields["num_train_epochs"].value = "3"
    form.fields["curve_shares"].value = "0.25, 0.5"
    page.forms["task"].fields["labels"].value = "delivery\nreturns\nbilling, late"
    assert "changed" in form.notes["num_train_epochs"].value
    page.save.click()
    read = load(Path("params/desk.yaml"))
    assert (read["training"].num_train_epochs, read["training"].curve_shares) == (3.0, [0.25, 0.5])
    assert read["task"].labels == ["delivery", "returns", "billing, late"]
    again = Start()
    again.what.value = "desk"
    again.look.click()
    assert again.forms["training"].fields["num_train_epochs"].value == "3.0"
    again.forms["training"].fields["num_train_epochs"].value = "5"
    again.forms["training"].reset()
    assert again.forms["training"].fields["num_train_epochs"].value == "3.0"
    head = Path("params/desk.yaml").read_text().splitlines()[:2]
    again.save.click()
    assert Path("params/desk.yaml").read_text().splitlines()[:2] == head, (
        "the comment at the head stays"
    )


def test_a_wrong_value_is_told_while_typing_and_keeps_the_buttons_off(project_folder):
    page = looked_at()
    assert not page.save.disabled
    field = page.forms["data"].fields["test_share"]
    field.value = "lots"
    assert (
        "role='alert'" in page.forms["data"].notes["test_share"].value
        and page.save.disabled
        and page.go.disabled
    )
    field.value = "0.7"
    assert "less than 0.5" in page.forms["data"].notes["test_share"].value
    field.value = "0.25"
    assert "alert" not in page.forms["data"].notes["test_share"].value and not page.save.disabled
    page.forms["task"].fields["enums"].value = "{a: ["
    assert page.save.disabled


@pytest.mark.parametrize(
    ("name", "file", "told"),
    [
        ("no name!", "desk.csv", "cannot be a project"),
        ("desk", "", "no file is named"),
        ("desk", "gone.csv", "gone.csv"),
    ],
)
def test_bad_input_is_told_on_the_page(project_folder, name, file, told):
    page = looked_at(name, file)
    assert (
        told in page.state.value
        and "role='alert'" in page.state.value
        and not page.forms
        and page.save.disabled
    )


def test_a_name_that_is_taken_is_not_written_over(project_folder):
    looked_at().save.click()
    assert "is there already" in looked_at().state.value


def test_every_form_holds_every_parameter_with_its_help():
    for stage, model in {shared.SECTION: shared.MODEL, **MODELS}.items():
        form = Form(stage, {})
        inherited = set() if stage == shared.SECTION else set(shared.names())
        assert set(form.fields) == set(model.model_fields) - {"run", "seed"} - inherited
        assert form.values() == {} and form.faults() == {}
        assert all(form.notes[name].value for name in form.fields)


def test_the_model_is_chosen_once_on_the_page_and_holds_in_every_step(project_folder):
    page = looked_at()
    page.forms[shared.SECTION].fields["base_model"].value = "org/one"
    page.save.click()
    text = Path("params/desk.yaml").read_text()
    assert text.count("base_model: ") == 1 and "\nbase_model: org/one" in text
    read = load(Path("params/desk.yaml"))
    assert read["training"].base_model == read["deployment"].base_model == "org/one"
    again = Start("desk")
    assert again.forms[shared.SECTION].fields["base_model"].value == "org/one"


def test_the_parameter_files_of_the_project_survive_the_form():
    for path in sorted((Path(__file__).parents[2] / "params").glob("*.yaml")):
        sections, read = yaml.safe_load(path.read_text()), load(path)
        for stage in MODELS:
            form = Form(stage, sections.get(stage) or {})
            assert build(stage, form.values()).model_dump(exclude={"run", *INHERITED}) == read[
                stage
            ].model_dump(exclude={"run", *INHERITED})


INHERITED = {"base_model", "batch_size", "max_new_tokens", "threads"}


def test_a_run_started_from_the_page_in_a_real_kernel_stops_within_three_seconds(project_folder):
    """The kernel ignores SIGINT, and what it starts inherits that."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", cwd=str(project_folder))
    try:
        told = run_in(client, STARTED)
        state = Path("outputs/desk/.run.json")
        wait(lambda: state.exists() and '"stage":"data"' in state.read_text().replace(" ", ""))
        pid = json.loads(state.read_text())["pid"]
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        assert len(family) > 1, "a notebook's kernel works"
        began = time.monotonic()
        told = run_in(client, "page.stop.click(); print(page.panel.status.value)")
        assert "Stopping" in told
        _, left = psutil.wait_procs(family, timeout=3)
        alive = [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        assert not alive and time.monotonic() - began <= 3.5, "with the time to look"
        told = run_in(client, "time.sleep(1); print(page.state.value, page.go.disabled)")
        assert "Stopped. Run goes on from there." in told and "False" in told
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    ended = run_state.read_state(state.parent)
    assert ended is not None and ended.state == "stopped", "also where it had to be ended"


STARTED = """
import time
from ftkit.notebook.start_page import Start
page = Start()
page.name.value, page.file.value = "desk", "desk.csv"
page.look.click()
page.go.click()
print(page.state.value)
"""


def run_in(client, code):
    """Run code in a kernel and return what it printed."""
    lines = []
    reply = client.execute_interactive(
        code, timeout=120, output_hook=lambda m: lines.append(m["content"].get("text", ""))
    )
    assert reply["content"]["status"] == "ok", reply["content"]
    return "".join(lines)


def test_a_run_is_found_again_by_a_page_that_was_opened_after_it(project_folder):
    looked_at().save.click()
    folder = Path("outputs/desk")
    process = run_state.start(Path("params/desk.yaml"), folder)
    wait(lambda: (folder / ".run.json").exists())
    page = Start("desk")
    assert page.panel.running and page.go.disabled and not page.stop.disabled
    wait(lambda: "01_task" in page.panel.log.value)
    page.stop.click()
    process.wait(10)
    wait(lambda: not page.go.disabled)
    assert "Stopped" in page.state.value and page.stop.disabled


def test_my_data_are_checked_without_the_rest(project_folder):
    lines = (Path(__file__).parents[2] / "ftkit/demo/prompting.csv").read_text().splitlines()[:120]
    Path("desk.csv").write_text("\n".join(lines) + "\n")
    page = looked_at()
    page.check.click()
    assert page.check.disabled and page.go.disabled
    wait(lambda: not page.panel.running and not page.check.disabled, 240)
    done = {path.parent.name for path in Path("outputs/desk").glob("*/manifest.json")}
    assert done == {"task", "data"} and "The run is done." in page.state.value
    assert ">partial</td>" in page.runs.table.value


def test_what_a_run_fails_with_is_told_on_the_page(project_folder):
    page = looked_at()
    page.forms["retrieval"].fields["handbook"].value = "gone"
    page.go.click()
    wait(lambda: not page.panel.running and not page.go.disabled)
    assert "gone" in page.state.value and "Traceback" not in page.state.value


def wait(done, seconds=120):
    for _ in range(10 * seconds):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come")


def test_runs_are_listed_with_verdict_and_report(project_folder, capsys):
    assert "No runs yet" in RunsPanel().table.value
    make_run(project_folder / "outputs" / "first", until="decision")
    make_run(project_folder / "outputs" / "<b>", until="task")
    shown = RunsPanel().table.value
    assert (
        "2 runs" in shown
        and "Use hybrid" in shown
        and "next: 02_data" in shown
        and "<b></td>" not in shown
    )
    assert cli.main(["runs", "--json"]) == 0
    told = yaml.safe_load(capsys.readouterr().out)
    assert {run["name"] for run in told} == {"first", "<b>"} and all(run["mib"] > 0 for run in told)


def test_runs_are_sorted_by_what_was_chosen(project_folder):
    make_run(project_folder / "outputs" / "b", until="decision")
    make_run(project_folder / "outputs" / "a", until="task")
    page = RunsPanel()
    page.order.value = "name"
    assert page.table.value.index(">a</td>") < page.table.value.index(">b</td>")
    page.order.value = "state"
    assert page.table.value.index("done") < page.table.value.index("partial")


def test_two_runs_are_compared_on_a_page_of_their_own(project_folder):
    make_run(project_folder / "outputs" / "first", n=60)
    assert RunsPanel().comparison.layout.display == "none", "one run has nothing beside it"
    make_run(project_folder / "outputs" / "second", n=60)
    page = RunsPanel()
    assert page.comparison.layout.display == ""
    assert {page.first.value, page.second.value} == {"first", "second"}
    page.first.value, page.second.value = "first", "second"
    page.against.click()
    assert "second/against_first.html" in page.said.value
    assert (project_folder / "outputs" / "second" / "against_first.html").exists()
    page.first.value = "second"
    page.against.click()
    assert "one and the same run" in page.said.value


def test_a_run_that_is_not_measured_cannot_be_asked(project_folder):
    make_run(project_folder / "outputs" / "first", until="training")
    assert RunsPanel().asking.layout.display == "none"
    with pytest.raises(NotReady, match="not been measured"):
        AskRun(project_folder / "outputs" / "first")


def test_an_uploaded_file_is_saved_and_never_over_another(project_folder):
    page = Start()
    when = datetime.datetime.now(datetime.UTC)
    sent = {"name": "../tickets.csv", "type": "text/csv", "size": 8, "last_modified": when}
    sent["content"] = memoryview(b"a,b\n1,2\n")
    page.upload.value = (sent,)
    assert (
        page.file.value == "data/tickets.csv"
        and Path("data/tickets.csv").read_bytes()[:3] == b"a,b"
    )
    page.upload.value = (sent | {"content": memoryview(b"other")},)
    assert "is there already" in page.state.value
    assert Path("data/tickets.csv").read_bytes()[:3] == b"a,b"


def test_clean_deletes_a_run_only_when_it_is_sure_and_nothing_else(project_folder, capsys):
    run = make_run(project_folder / "outputs" / "first", until="data")
    assert cli.main(["clean", "outputs/first"]) == 0 and run.exists()
    assert "Would delete" in capsys.readouterr().out
    assert cli.main(["clean", "params", "--yes"]) == 2 and Path("params").is_dir()
    assert cli.main(["clean", "outputs/first", "--yes"]) == 0 and not run.exists()


def test_a_run_that_works_is_not_deleted(project_folder):
    from ftkit.core import run_folder
    from ftkit.core.errors import Busy

    run = make_run(project_folder / "outputs" / "first", until="task")
    with run_folder.locked(run), pytest.raises(Busy):
        remove(run, True)
    assert (run / "task" / "manifest.json").exists()


def test_new_is_the_first_choice_and_projects_follow(project_folder):
    looked_at().save.click()
    assert list(Start().what.options) == [NEW, "desk"] and project.known() == ["desk"]


def test_a_project_is_opened_at_once_by_its_name(project_folder):
    looked_at().save.click()
    page = Start("desk")
    assert (
        page.what.value == "desk"
        and list(page.forms) == [shared.SECTION, *MODELS]
        and not page.go.disabled
    )
    with pytest.raises(BadInput, match="no project 'dsk'; did you mean 'desk'"):
        Start("dsk")


def test_the_first_notebook_is_one_that_papermill_can_set():
    from papermill.inspection import inspect_notebook

    found = inspect_notebook(str(Path(__file__).parents[2] / "notebooks" / "00_start.ipynb"))
    assert list(found) == ["project"] and found["project"]["default"] == '""'


def test_a_project_is_copied_under_another_name_and_the_first_one_stays(project_folder):
    page = looked_at()
    page.save.click()
    before = Path("params/desk.yaml").read_text()
    assert page.copy.layout.display == "" and page.copy.layout is not page.name.layout
    assert page.name.layout.display is None, "hiding one field hides no other"
    page.forms["training"].fields["lora_r"].value = "8"
    page.copy.value = "desk"
    page.save.click()
    page.copy.value = "desk-small"
    page.save.click()
    assert (
        page.what.value == "desk-small"
        and "Saved params/desk-small.yaml" in page.state.value
        and page.copy.value == ""
    )
    assert load(Path("params/desk-small.yaml"))["training"].lora_r == 8
    assert load(Path("params/desk-small.yaml"))["task"].run == "outputs/desk-small"
    again = Start("desk-small")
    again.copy.value = "desk"
    again.save.click()
    assert "is there already" in again.state.value
    again.what.value = NEW
    assert again.copy.layout.display == "none" and again.copy.value == ""
    assert Path("params/desk.yaml").read_text() != before, (
        "the same name changes the project itself"
    )
