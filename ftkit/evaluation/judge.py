"""A model as judge of free text, held against human labels: its errors are measured, corrected for, and widen the intervals.

A judge that calls right answers right with probability ``sensitivity`` and wrong ones wrong with ``specificity`` turns a
true share ``a`` into ``a × sensitivity + (1 - a) × (1 - specificity)``; solved for ``a`` this is the estimator of Rogan and
Gladen (1978, "Estimating prevalence from the results of a screening test"). Both rates come from labels of the team's own,
so their uncertainty goes into every interval by the delta method. They are taken to be the same for all
strategies, with an allowance in differences; where the grades name the strategy, ``judge_by_strategy`` takes their place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from ftkit.core.errors import FtkitError
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.parameters.preference import PreferenceParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import Comparison, Evaluation, JudgeCheck, Selective
from ftkit.core.statistics import wilson
from ftkit.data.personal_data import mask
from ftkit.evaluation.judge_by_strategy import corrected_by_strategy, unknown_bias
from ftkit.evaluation.seed_variance import error_of, wider
from ftkit.models.chat import ChatModel, Messages, Reply
from ftkit.models.endpoint.model import Endpoint, EndpointModel
from ftkit.scoring.text import normalise

Progress = Callable[[int, int], None]
Triple = tuple[str, str, str]  # question, right answer, answer to judge
SMALLEST = 1e-3
UNEQUAL = 0.05
ROOM = 16  # tokens of a verdict: the least that some servers take
NONSENSE = 0.1  # share of verdicts that may be neither word
Z = 1.959964
RULES = (
    "You check answers. An answer is right if it says what the reference says, in whatever words, and adds nothing that "
    "contradicts it. Reply with one word: right or wrong."
)


def open_judge(
    p: EvaluationParameters | PreferenceParameters, stage: str, cache: Path
) -> EndpointModel:
    """Return the judge that a stage names; ``cache`` keeps its verdicts, so that a stopped run pays for none twice."""
    endpoint = Endpoint(
        url=p.judge_url,
        model=p.judge_model,
        named=f"{stage}.judge",
        answer_tokens=ROOM,
        prices=p.judge_prices,
        price_file=p.price_file,
        most_usd=p.judge_most_usd,
        connection=p.judge_connection,
        may_leave=p.data_may_leave,
    )
    return EndpointModel(endpoint, cache=cache, hide=mask)


def ask(triple: Triple, task: str, swapped: bool) -> Messages:
    """Return what the judge is asked about one answer; ``swapped`` puts the answer before the reference."""
    question, reference, answer = triple
    parts = [f"Reference: {reference}", f"Answer: {answer}"]
    text = "\n\n".join(
        [
            f"Task: {task}",
            f"Question: {question}",
            *(parts[::-1] if swapped else parts),
            "Is the answer right or wrong?",
        ]
    )
    return [{"role": "system", "content": RULES}, {"role": "user", "content": text}]


def verdicts(
    judge: ChatModel, triples: Sequence[Triple], task: str, progress: Progress | None = None
) -> tuple[list[bool], float]:
    """Return for every answer whether the judge calls it right in both orders, and how often the orders disagree.

    Raises:
        FtkitError: More than a tenth of its replies are neither word, or are missing.
    """
    replies = judge.answer(
        [ask(t, task, swapped) for t in triples for swapped in (False, True)], progress
    )
    said = [_word(reply.text) for reply in replies]
    check_heard(replies, said, "evaluation.judge_model", "one word, right or wrong")
    pairs = list(zip(said[::2], said[1::2], strict=True))
    return [a is True and b is True for a, b in pairs], sum(a is not b for a, b in pairs) / max(
        1, len(pairs)
    )


def check_heard(
    replies: Sequence[Reply], said: Sequence[object | None], where: str, wanted: str
) -> None:
    """Refuse a judge that gives no verdicts.

    Raises:
        FtkitError: More than a tenth of what it said is None.
    """
    lost = [
        repr(reply.text[:40]) if reply.is_answer else f"{reply.outcome}: {reply.detail}"
        for reply, verdict in zip(replies, said, strict=True)
        if verdict is None
    ]
    if len(lost) > NONSENSE * len(said):
        raise FtkitError(
            f"the judge gave no verdict to {len(lost)} of {len(said)} questions, e.g. {lost[0]}",
            where=where,
            todo=f"take a model that answers with {wanted}",
        )


def _word(text: str) -> bool | None:
    first = normalise(text).split()[:1]
    return True if first == ["right"] else False if first == ["wrong"] else None


def calibrate(
    name: str, human: Sequence[bool], judged: Sequence[bool], swapped: float = 0.0
) -> JudgeCheck:
    """Return how the judge does against people.

    Raises:
        FtkitError: It tells right from wrong no better than chance, so no correction can help.
    """
    yes, no = (
        [j for h, j in zip(human, judged, strict=True) if h],
        [j for h, j in zip(human, judged, strict=True) if not h],
    )
    sensitivity, specificity = wilson(sum(yes), len(yes)), wilson(len(no) - sum(no), len(no))
    both = sum(h == j for h, j in zip(human, judged, strict=True)) / len(human)
    share = [sum(x) / len(human) for x in (human, judged)]
    chance = share[0] * share[1] + (1 - share[0]) * (1 - share[1])
    check = JudgeCheck(
        judge=name,
        labels=len(human),
        sensitivity=sensitivity,
        specificity=specificity,
        kappa=(both - chance) / (1 - chance) if chance < 1 else 0.0,
        disagreement=swapped,
    )
    gap, spread = _power(check)
    if gap - Z * spread <= 0:
        raise FtkitError(
            f"the judge {name} tells right from wrong no better than chance: it calls {sensitivity.value:.0%} of the right answers right "
            f"and {1 - specificity.value:.0%} of the wrong ones",
            where="evaluation.judge_model",
            todo="take a better judge, or leave judge_model empty",
        )
    return check


def _rates(check: JudgeCheck) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return sensitivity and specificity, each with its variance; two pseudo-labels keep a perfect count from being sure."""
    found = []
    for e in (check.sensitivity, check.specificity):
        share = (e.value * e.n + 1) / (e.n + 2)
        found.append((e.value, share * (1 - share) / (e.n + 2)))
    return found[0], found[1]


def _power(check: JudgeCheck) -> tuple[float, float]:
    (sensitivity, a), (specificity, b) = _rates(check)
    return sensitivity + specificity - 1, math.sqrt(a + b)


def corrected_share(e: Estimate, check: JudgeCheck) -> Estimate:
    """Return a judged share corrected for the judge's errors, its interval with theirs."""
    (sensitivity, a), (specificity, b) = _rates(check)
    gap = sensitivity + specificity - 1
    true = min(1.0, max(0.0, (e.value + specificity - 1) / gap))
    own = ((e.high - e.low) / (2 * Z)) ** 2
    half = Z * math.sqrt(own + (1 - true) ** 2 * b + true**2 * a) / gap
    return Estimate(
        value=true,
        low=max(0.0, true - half),
        high=min(1.0, true + half),
        n=e.n,
        method=f"{e.method}, judge corrected",
    )


def corrected_difference(e: Estimate, check: JudgeCheck, most: float = 1.0) -> Estimate:
    """Return a difference of judged shares, at most ``most``, corrected for the judge's errors, its interval with theirs."""
    gap, spread = _power(check)
    value = e.value / gap
    half = Z * math.sqrt(((e.high - e.low) / (2 * Z)) ** 2 + (value * spread) ** 2) / gap
    value = min(most, max(-most, value))
    return Estimate(
        value=value,
        low=max(-most, value - half),
        high=min(most, value + half),
        n=e.n,
        method=f"{e.method}, judge corrected",
    )


def corrected_selective(s: Selective, check: JudgeCheck) -> Selective:
    """Return what a strategy may answer alone with its curves corrected; the promise itself allows for the judge already.

    The judge's two rates are taken to be the same for sure and unsure answers.
    """
    curve = [
        p.model_copy(update={"wrong": _less(1.0, corrected_share(_less(1.0, p.wrong), check))})
        for p in s.curve
    ]
    parts = [p.model_copy(update={"right": corrected_share(p.right, check)}) for p in s.reliability]
    judged = _less(s.confidence, s.overconfidence)
    true = corrected_share(judged, check)
    update = {"curve": curve, "reliability": parts, "overconfidence": _less(s.confidence, true)}
    return s.model_copy(
        update=update | {"auroc": corrected_auroc(s.auroc, true.value, check) if s.auroc else None}
    )


def corrected_auroc(e: Estimate, right: float, check: JudgeCheck) -> Estimate | None:
    """Return the chance that a right answer is surer than a wrong one, corrected; None where no answer, or every one, is right.

    Of the answers called right a share ``PPV`` is right, of those called wrong a share ``NPV`` is wrong: both are mixtures, and the
    judged AUROC lies ``PPV + NPV - 1`` times as far from a half as the true one.

    Args:
        e: The judged one.
        right: True share of right answers, 0..1.
        check: The judge's rates.
    """

    def pull(sensitivity: float, specificity: float) -> float:
        said = right * sensitivity + (1 - right) * (1 - specificity)
        return (
            right * sensitivity / said + (1 - right) * specificity / (1 - said) - 1
            if 0 < said < 1
            else 0.0
        )

    (sensitivity, a), (specificity, b) = _rates(check)
    found = pull(sensitivity, specificity)
    if found < SMALLEST:
        return None
    away = (e.value - 0.5) / found
    slopes = (
        (pull(sensitivity - SMALLEST, specificity) - found) / SMALLEST,
        (pull(sensitivity, specificity - SMALLEST) - found) / SMALLEST,
    )
    spread = abs(away) * math.sqrt(slopes[0] ** 2 * a + slopes[1] ** 2 * b)
    half = Z * math.sqrt(((e.high - e.low) / (2 * Z)) ** 2 + spread**2) / found
    value = min(1.0, max(0.0, 0.5 + away))
    return Estimate(
        value=value,
        low=max(0.0, value - half),
        high=min(1.0, value + half),
        n=e.n,
        method=f"{e.method}, judge corrected",
    )


def _less(whole: float, e: Estimate) -> Estimate:
    """Return ``whole`` minus a share."""
    return e.model_copy(
        update={"value": whole - e.value, "low": whole - e.high, "high": whole - e.low}
    )


def worth(e: Estimate) -> int:
    """Return how many answers graded by hand would give an interval as narrow as this one."""
    half, share = (e.high - e.low) / 2, min(0.95, max(0.05, e.value))
    return round(share * (1 - share) * (Z / half) ** 2) if half else e.n


def _unsure(c: Comparison, right: dict[str, float], check: JudgeCheck) -> Estimate:
    """Return a corrected difference, wider for what the judge may favour: grades did not name the strategies."""
    d = corrected_difference(c.difference, check)
    share = (right.get(c.a, 0.5) + right.get(c.b, 0.5)) / 2
    more = Z * math.sqrt(unknown_bias(share, _power(check)[0]))
    return wider(d, more, -1.0).model_copy(update={"method": d.method})


def _by_strategy(result: Evaluation, check: JudgeCheck) -> Evaluation:
    found = corrected_by_strategy(result, check)
    told = (
        f"The judge {check.judge} said which answers are right; {check.labels} grades by people, "
        f"{min(g.right_called_right + g.right_called_wrong + g.wrong_called_right + g.wrong_called_wrong for g in check.grades)} "
        "or more of each strategy, take its bias away strategy by strategy (PPI++), and intervals hold their number."
    )
    if check.unequal_p is not None and check.unequal_p < UNEQUAL:
        told += (
            " It errs unequally: it favours or disfavours some strategies; that is corrected for."
        )
    told += f" Its {check.bill}." if check.bill else ""
    selective = [corrected_selective(s, check) for s in result.selective]
    return found.model_copy(
        update={"judge": check, "notes": [told, *result.notes], "selective": selective}
    )


def corrected(result: Evaluation, check: JudgeCheck | None) -> Evaluation:
    """Return the evaluation with accuracies, differences and curves corrected for the judge's errors; without a judge as it is."""
    if check is None:
        return result
    if check.grades:
        return _by_strategy(result, check)
    results = [
        r.model_copy(update={"accuracy": corrected_share(r.accuracy, check)})
        for r in result.results
    ]
    right = {r.spec.name: r.accuracy.value for r in results}
    comparisons = [
        c.model_copy(
            update={"difference": (d := _unsure(c, right, check)), **error_of(c, d, "judge")}
        )
        for c in result.comparisons
    ]
    effects = [
        e.model_copy(update={"difference": corrected_difference(e.difference, check, 2.0)})
        for e in result.effects
    ]
    told = (
        f"The judge {check.judge} said which answers are right. Against {check.labels} human labels it calls {check.sensitivity.value:.0%} of the right "
        f"ones right and {check.specificity.value:.0%} of the wrong ones wrong (kappa {check.kappa:.2f}); shares and differences are corrected "
        f"for that, and intervals hold it. In {check.disagreement:.0%} of the labelled answers its verdict changed with the order of answer and reference."
    )
    told += f" Its bill: {check.bill}." if check.bill else ""
    if results:
        least = min(results, key=lambda r: worth(r.accuracy))
        told += f" So corrected, the {least.accuracy.n} judged answers of '{least.spec.name}' tell as much as {worth(least.accuracy)} graded by hand."
    update = {
        "results": results,
        "comparisons": comparisons,
        "effects": effects,
        "judge": check,
        "notes": [told, *result.notes],
    }
    return result.model_copy(
        update=update | {"selective": [corrected_selective(s, check) for s in result.selective]}
    )
