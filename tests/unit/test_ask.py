"""The box that asks all strategies, and the pictures of changed facts and of swinging prices."""

from ftkit.core.errors import BadInput
from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import KnowledgeUpdate, KnowledgeUpdateArm
from ftkit.notebook import ask as asking
from ftkit.report.figures import challenges as figures


def estimate(value, half=0.1):
    return Estimate(
        value=value, low=max(0, value - half), high=min(1, value + half), n=30, method="planted"
    )


def rows(message):
    return [
        {
            "strategy": "hybrid",
            "answer": f"<b>{message}</b>",
            "passages that it was given": "[H-1] T. x",
            "seconds": "0.10",
        }
    ]


def test_a_typed_message_is_answered_by_all_and_nothing_from_it_runs():
    box = asking.widget(rows)
    text, button, shown = box.children
    text.value = "<script>alert(1)</script>"
    button.click()
    assert (
        "hybrid" in shown.value
        and "<script>" not in shown.value
        and "<b>" + "<script>" not in shown.value
    )
    assert not button.disabled


def test_an_empty_message_and_a_fault_are_told_in_the_box():
    def broken(message):
        raise BadInput("the endpoint is down", where="url", todo="start it")

    text, button, shown = asking.widget(broken).children
    button.click()
    assert "Type a message first" in shown.value
    text.value = "hello"
    button.click()
    assert "the endpoint is down" in shown.value and not button.disabled


def edition(tuned_past=0.3):
    arms = [
        KnowledgeUpdateArm(
            strategy="fine-tuned",
            family="fine-tuned",
            before=estimate(0.3),
            after=estimate(0),
            from_the_past=estimate(tuned_past),
        ),
        KnowledgeUpdateArm(
            strategy="hybrid",
            family="hybrid",
            before=estimate(0.6),
            after=estimate(0.6),
            from_the_past=estimate(0),
        ),
    ]
    return KnowledgeUpdate(questions=33, arms=arms)


def test_the_picture_of_changed_facts_says_who_is_up_to_date_and_who_lives_in_the_past():
    figure = figures.edition(edition())
    title = figure.layout.title.text.replace("<br>", " ")
    assert (
        "hybrid states 60% (50 to 70) of the facts as they are now" in title
        and "fine-tuned lives in the past" in title
    )
    assert [tuple(trace.y) for trace in figure.data] == [("hybrid", "fine-tuned")] * 2
    assert figure.data[0].error_x.array is not None
    assert "past" not in figures.edition(edition(0.05)).layout.title.text, (
        "an interval that touches 5% proves nothing"
    )
    assert figures.edition(None) is None and figures.edition_rows(None) == []
    assert figures.edition_rows(edition())[0]["still says the old one"] == "30% (20 to 40)"
