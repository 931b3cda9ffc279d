"""Knowledge or behaviour? What a wrong answer lacked, told by asking again with one thing given at a time.

The plain prompt answers five times: as it is, with the passages that the search found, with the right article put in front,
with the format shown (the best examples and constrained decoding of 03), and with article and format both. What mends a
wrong part names its cause. Facts are what retrieval brings, behaviour is what examples and tuning bring.

Chance mends too: a field with few values turns right in one answer of several whatever is shown. So a part that is no
fact counts as knowledge only where *both* answers with the right article have it and the one with the format has not,
and how many right parts turned wrong is told beside the causes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from ftkit.core.records.base import Estimate
from ftkit.core.records.prompting import Prompt, PromptBook
from ftkit.core.records.retrieval import ErrorAttribution
from ftkit.core.records.task import TaskCard
from ftkit.core.statistics import wilson
from ftkit.models.chat import ChatModel
from ftkit.retrieval.search_quality import right_for, with_right_article
from ftkit.scoring.parse import parse
from ftkit.scoring.score import field_matches, judge
from ftkit.scoring.text import contains
from ftkit.strategies.grid import Finder, Progress, answer_with
from ftkit.strategies.prompt_candidates import TASK_ONLY
from ftkit.strategies.prompt_choice import ranked

if TYPE_CHECKING:
    from ftkit.retrieval.index import Searcher

Asked = Literal["plain", "found", "given", "shown", "both"]
ASKED: tuple[Asked, ...] = get_args(Asked)
"""As it is; with the passages found; with the right article; with the format shown; with article and format."""
CAUSES = {
    "knowledge": "missing knowledge: the passages that are found mend it",
    "search": "retrieval: only the right article mends it, and the search does not find that",
    "reading": "reading: wrong though the article and the format were given",
    "behaviour": "behaviour: the format shown mends it, or no prompt does",
    "both": "knowledge and behaviour: it takes both",
    "label": "doubtful label: 02 suspects the right answer itself",
}
FACTS = ("knowledge", "search", "reading")
ANSWER = "answer"
MOST_WORDS = 40
"""A longer answer may hold the right words by chance."""
"""Name of the one part of a label or text."""


@dataclass
class Part:
    """One wrong part of one answer.

    Attributes:
        item: Id of the item.
        name: Field of the record, or ``answer``.
        cause: Key of ``CAUSES``.
    """

    item: str
    name: str
    cause: str


@dataclass
class Attribution:
    """What was found about the answers.

    Attributes:
        parts: Every wrong part with its cause, in the order of the items.
        right: Parts that the plain prompt had right.
        harmed: Of these, parts wrong with the right article in front.
        items: Items asked.
    """

    parts: list[Part]
    right: int
    harmed: int
    items: int

    def by_item(self) -> dict[str, str]:
        """Return the cause of every wrong item: what all its wrong parts take together."""
        causes: dict[str, set[str]] = {}
        for part in self.parts:
            causes.setdefault(part.item, set()).add(part.cause)
        return {item: _together(found) for item, found in causes.items()}


def look(
    card: TaskCard,
    items: Any,
    answers: Mapping[Asked, Sequence[str]],
    *,
    knows: Collection[str],
    doubtful: Collection[tuple[str, str]] = (),
) -> Attribution:
    """Return the cause of every wrong part of the plain prompt's answers.

    Args:
        card: The task; its key fields are the parts of a record.
        items: Examples with their right answers (``id`` and ``output`` are read).
        answers: Answers to the items in their order, for each way of asking.
        knows: Ids of the items whose right article is known.
        doubtful: Item and field of the right answers that 02 suspects.
    """
    found = Attribution([], 0, 0, len(items))
    for index, (item, output) in enumerate(zip(items["id"], items["output"], strict=True)):
        texts: dict[Asked, str] = {how: str(answers[how][index] or "") for how in ASKED}
        right = {how: _right(card, text, output) for how, text in texts.items()}
        usable = parse(card, texts["both"]).format != "failed"
        for name in right["plain"]:
            at: dict[Asked, bool] = {how: right[how][name] for how in ASKED}
            content: set[Asked] = {
                how for how in ASKED if at[how] or _says(card, texts[how], output, name)
            }
            if at["plain"]:
                found.right, found.harmed = found.right + 1, found.harmed + (not at["given"])
                continue
            fact = item in knows and (name == card.knowledge_field or card.kind == "text")
            cause = (
                "label"
                if (item, _doubted(card, name)) in doubtful
                else _cause(at, content, fact, item in knows, usable)
            )
            found.parts.append(Part(item, name, cause))
    return found


def _right(card: TaskCard, text: str, output: str) -> dict[str, bool]:
    parsed, truth = parse(card, text), parse(card, output)
    if card.kind != "fields":
        return {ANSWER: judge(card, parsed, truth)[0]}
    matches = field_matches(card, parsed, truth)
    return {name: matches.get(name, False) for name in card.key_fields or card.fields}


def _doubted(card: TaskCard, name: str) -> str:
    return "label" if card.kind == "label" else name


def _says(card: TaskCard, text: str, output: str, name: str) -> bool:
    """Return whether an answer says the right thing in whatever form: its words hold those of the right one."""
    parsed, truth = parse(card, text), parse(card, output)
    said = parsed.fields.get(name, "") if card.kind == "fields" else text
    wanted = truth.fields.get(name, "") if card.kind == "fields" else output
    return len(said.split()) <= MOST_WORDS and contains(said, wanted)


def _cause(
    at: Mapping[Asked, bool], content: Collection[Asked], fact: bool, known: bool, usable: bool
) -> str:
    """Return the cause of one wrong part.

    Args:
        at: Which ways of asking got it right.
        content: Which said the right thing, in the right form or not.
        fact: Whether the part is a fact.
        known: Whether its right article is known.
        usable: Whether the answer with article and format could be read.
    """
    if fact and "plain" in content:
        return "behaviour"  # it knows the fact and says it in another form
    if fact:
        if at["found"] or at["given"]:
            return "knowledge" if at["found"] else "search"
        if at["shown"]:
            return "behaviour"
        if "found" in content or "given" in content or "both" in content:
            return "both"  # with the article it says the right thing, so what it still lacks is the form
        return "reading" if usable else "behaviour"
    if known and at["given"] and at["both"] and not at["shown"]:
        return "knowledge" if at["found"] else "search"
    return "behaviour"


def _together(causes: set[str]) -> str:
    if causes == {"label"}:
        return "label"
    facts = [cause for cause in FACTS if cause in causes]
    if "both" in causes or (facts and "behaviour" in causes):
        return "both"
    return facts[-1] if facts else "behaviour"


def summarise(found: Attribution, prompt: str, shown: str) -> ErrorAttribution:
    """Return the shares of the wrong answers by cause, with intervals.

    Args:
        found: What :func:`look` found.
        prompt: Name of the plain prompt.
        shown: Name of the prompt that shows the format; empty: there is none.
    """
    by_item = found.by_item()
    counts, wrong = Counter(by_item.values()), len(by_item)
    parts: dict[str, dict[str, int]] = {}
    for part in found.parts:
        parts.setdefault(part.name, dict.fromkeys(CAUSES, 0))[part.cause] += 1
    causes: dict[str, Estimate] = (
        {cause: wilson(counts[cause], wrong) for cause in CAUSES} if wrong else {}
    )
    harmed = wilson(found.harmed, found.right) if found.right else None
    return ErrorAttribution(
        prompt=prompt,
        shown=shown,
        items=found.items,
        wrong=wrong,
        causes=causes,
        parts=parts,
        harmed=harmed,
    )


def mends(error_attribution: ErrorAttribution) -> dict[str, Estimate]:
    """Return the share of the wrong answers that each way out can mend at most, by the causes that it removes."""
    counts = {cause: round(e.value * e.n) for cause, e in error_attribution.causes.items()}
    ways = {"retrieval": ("knowledge", "search"), "examples or tuning": ("behaviour",)}
    ways["both together"] = ("knowledge", "search", "behaviour", "both", "reading")
    return (
        {
            way: wilson(sum(counts[c] for c in removes), error_attribution.wrong)
            for way, removes in ways.items()
        }
        if error_attribution.wrong
        else {}
    )


def learned(error_attribution: ErrorAttribution) -> str:
    """Return the triage as one sentence; empty where nothing was wrong."""
    found = {
        way: f"{e.value:.0%} ({e.low:.0%} to {e.high:.0%})"
        for way, e in mends(error_attribution).items()
    }
    if not found:
        return ""
    e = error_attribution.causes["label"]
    doubtful = f" In {e.value:.0%} the right answer itself is doubtful." if e.value else ""
    return (
        f"Of {error_attribution.wrong} wrong answers of the plain prompt, facts alone would mend {found['retrieval']} (RAG), the format or "
        f"behaviour alone {found['examples or tuning']} (examples, fine-tuning), both together up to {found['both together']}.{doubtful}"
    )


def look_for_causes(
    model: ChatModel,
    card: TaskCard,
    items: Any,
    *,
    book: PromptBook,
    examples: Any,
    searcher: Searcher,
    citation_field: str,
    before: Any,
    found: Any = None,
    doubtful: Collection[tuple[str, str]] = (),
    shot_passages: bool = False,
    progress: Callable[[str], Progress] | None = None,
) -> Attribution:
    """Ask the plain prompt again with one thing given at a time, and tell what each wrong answer lacked.

    Args:
        model: The base model.
        card: The task.
        items: Validation examples.
        book: All prompts.
        examples: Training examples, for the few-shot texts.
        searcher: The search in use.
        citation_field: Field of the right answer that names the article.
        before: Answers of 03 without passages (several prompts; at least these items).
        found: Answers of the plain prompt with the passages found, if they are there already.
        doubtful: Item and field of right answers that 02 suspects.
        shot_passages: Whether the examples of the prompt that shows the format come with passages of their own.
        progress: Makes a progress callable from a label.
    """
    tell = progress or (lambda label: lambda done, of: None)
    plain, shown = (book.get(name) if name else None for name in plain_and_shown(book))
    assert plain is not None
    right = with_right_article(searcher, card, items, citation_field)

    def ask(prompt: Prompt, finder: Finder, what: str, shots: bool = False) -> Any:
        return answer_with(
            prompt.name, prompt, model, items, examples, finder, tell(what), shot_passages=shots
        )

    def kept(prompt: Prompt) -> Any:
        return before[before["strategy"] == prompt.name].set_index("item_id").loc[items["id"]]

    given = ask(plain, right, "answers, right article in front")
    answers: dict[Asked, Any] = {
        "plain": kept(plain),
        "given": given,
        "shown": kept(shown or plain),
        "found": ask(plain, searcher, "answers, passages found") if found is None else found,
        "both": ask(
            shown, right, "answers, article and format", shot_passages and bool(shown.shots)
        )
        if shown
        else given,
    }
    knows = [
        item
        for item, text, output in zip(items["id"], items["input"], items["output"], strict=True)
        if right_for(
            card, text, output, searcher.index.passages, citation_field, searcher.index.filters
        )[0]
    ]
    texts: dict[Asked, list[str]] = {how: table["text"].tolist() for how, table in answers.items()}
    return look(card, items, texts, knows=knows, doubtful=doubtful)


def plain_and_shown(book: PromptBook) -> tuple[str, str]:
    """Return the best zero-shot prompt that writes freely, and the best that shows the format by examples or constraint."""
    tried = [t for t in ranked(book.trials) if t.prompt.name != TASK_ONLY]
    plain = next(t for t in tried if not t.prompt.few_shot and t.prompt.response_format is None)
    shows = [t.prompt.name for t in tried if t.prompt.few_shot] or [
        t.prompt.name for t in tried if t.prompt.response_format
    ]
    return plain.prompt.name, next(iter(shows), "")
