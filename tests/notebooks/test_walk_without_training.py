"""The walk with nothing trained: prompts and passages only, to the export and the report."""

import nbformat
from test_walk import ftkit, papermill

from ftkit.core import run_folder
from ftkit.core.records.decision import Decision
from ftkit.core.records.deployment import DeploymentCard
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.training import PreferenceCard, TrainingCard

SMALL = """run: {run}
task: {{name: Fellmoor, instruction: Answer the customer message in the house format.}}
data: {{demo_examples: 120, meaning_rows: 0}}
prompting: {{validation_items: 5, shots: [2], threads: 1}}
evaluation: {{n_resamples: 200, injection_items: 0, threads: 1}}
deployment: {{parity_items: 4, fault_items: 0, load_clients: [], threads: 1}}
"""


def test_without_training_the_walk_ends_with_a_verdict_among_prompts_and_passages(tmp_path):
    file, run = tmp_path / "small.yaml", tmp_path / "run"
    file.write_text(SMALL.format(run=run))
    done = ftkit("run", file, "--without", "training", "--until", "deployment")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "off: nothing was trained" in done.stdout

    def read(place, kind):
        return run_folder.read_record(run / place, kind)

    assert not read("training/training.json", TrainingCard).trained
    assert not (run / "training" / "adapter").exists()
    assert "05 trained nothing" in read("preference/preference.json", PreferenceCard).reason
    evaluation = read("evaluation/evaluation.json", Evaluation)
    assert {r.spec.model for r in evaluation.results} == {"base"} and len(evaluation.results) >= 2
    assert evaluation.probe_items == 0 and "nothing was tuned" in evaluation.probe_note
    decision = read("decision/decision.json", Decision)
    ceiling = decision.tuning_ceiling
    assert ceiling is not None and ceiling.strategy == decision.best_measured
    card = read("deployment/deployment.json", DeploymentCard)
    assert card.form == "base" and all(p.passed for p in card.parity)
    assert not list((run / "deployment" / "export").rglob("*.safetensors"))
    page = (run / "report.html").read_text()
    assert "Nothing was trained" in page and "could add at most" in page
    book = nbformat.read(run / "notebooks" / "05_training.ipynb", 4)
    outputs = [o for cell in book.cells for o in cell.get("outputs", [])]
    assert outputs and all(o.output_type == "display_data" for o in outputs), "no error is shown"
    alone = papermill("training", tmp_path / "05.ipynb", run, "-p", "method", "none")
    assert alone.returncode == 0, alone.stderr
