"""All texts that a report can show, collected from where the code says them: ``python -m ftkit.ui.language.catalogue de``.

A sentence with figures in it is one text with places, ``{0} of {1} rows are used``. The command brings a language's
file up to date: new texts come in untranslated, texts that the code does not say any more go out.
"""

from __future__ import annotations

import ast
import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ftkit import runs
from ftkit.decision.prices import ASSUMED

PACKAGE = Path(__file__).parents[2]
HERE = Path(__file__).parent
SAID_IN = (
    "ui/report", "ui/figures", "ui/theme.py", "decision", "evaluation", "training/tell.py", "training/verdict.py", "training/prefer.py",
    "training/mix.py", "retrieval/quality.py", "deployment", "monitoring", "task/fit.py", "task/card.py", "data/card.py", "data/curated.py", "data/clean.py", "data/held.py", "data/coverage.py",
    "data/meaning.py", "leakage.py", "triage.py", "editions.py", "strength.py", "learning_curve.py", "judging.py", "frontier.py", "watch.py",
    "errors.py",
)  # fmt: skip
"""What a report's words come from; records hold their sentences in English."""
PAGE = PACKAGE / "ui" / "report" / "page.html"
SHOWN_ATTRIBUTES = ("aria-label", "title", "data-sort-word")
NOTE = "Translated from the English report, sentence by sentence: the English one is what the run wrote. What has no translation stays English."
WORDS = (
    NOTE,
    "and", "to", "prompting", "few-shot", "RAG", "fine-tuned", "hybrid", "endpoint", "endpoint RAG",
    "Recommended", "accuracy", "format", "hallucination", "latency", "privacy", "regression", "cost", "✓ passed", "✗ failed", "? open", "answering",
    "asked", "because", "median", "words", "yes", "no", "series", "shown", "at", "value", "any", "all", "paraphrases", "spend", "name", "unit of at",
    "never", "rarely", "yearly", "quarterly", "monthly", "weekly", "daily", "none", "some", "much", "the decision", "may leave", "must stay",
    "plain", "role and rules", "format first", "your own", "label choice", "pattern from {0} examples", "answer from a passage", "saying not there",
    "JSON valid and right", "exact copying", "length kept", "extraction", "tone", "two turns", "requirements changing {0}", "facts changing {0}", "wrong", "right", "wrong format", "unsupported", "no answer", "Questions", "Wrong in", "Failed by",
    "Answers of all strategies side by side", "examples", "from the exported files", "through the server", "fault", "chat template", "end token", "adapter not applied",
    "adapter applied twice", "low precision", "stale index",  "needs at least {0}", "less", "more", "similar", "similar examples", "differing examples", "with passages", "with their passages", "other order", "model parameters", "parameters",
)  # fmt: skip
"""Words that are shown and that no text of the code holds by themselves."""
PLOT = {
    "color",
    "size",
    "width",
    "symbol",
    "text",
    "x",
    "y",
    "l",
    "r",
    "t",
    "font",
    "type",
    "thickness",
    "dash",
    "orientation",
    "array",
    "family",
    "bgcolor",
}
"""Keys of a dict that describes a drawing, and no table."""
SHOW = {"Section", "Block", "Figure", "Dot", "points", "more", "table", "code", "text", "style", "First"}
"""What is called with words that are shown."""
CODE = re.compile(r"[a-z]+(_[a-z]+)+|[a-z_.]+\.[a-z_.]+|[a-z]+\+[a-z+]+|.*%\{.*|--.*|[\w*.{}-]+/[\w*.{}/-]+")
NO_WORDS = re.compile(
    r"<|https?:|^[\W\d_]*$|^\.|^[^ ]+\.(json|parquet|yaml|jsonl|html|csv|py)$|^#|rgba|\dpx|[a-z]:[^ ]+;|;[a-z]+:|^ (and|or|of|in) $"
)


def collect() -> dict[str, str]:
    """Return every text with the first file that says it, in the order of files."""
    found: dict[str, str] = {}
    for text in _page_texts(PAGE.read_text(encoding="utf-8")):
        found.setdefault(text, "ui/report/page.html")
    for said in SAID_IN:
        path = PACKAGE / said
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            shown = file.relative_to(PACKAGE).as_posix()
            for text in _said(ast.parse(file.read_text(encoding="utf-8")), words=said.startswith("ui/")):
                found.setdefault(text, shown)
    for text in (*WORDS, *(name.replace("_", " ") for name in ASSUMED)):
        found.setdefault(text, "ui/language/catalogue.py")
    for file in sorted((PACKAGE / "records").glob("*.py")):
        for text in _literals(ast.parse(file.read_text(encoding="utf-8"))):
            found.setdefault(text, file.relative_to(PACKAGE).as_posix())
    return found


def _said(tree: ast.Module, words: bool) -> Iterator[str]:
    """Return the texts of a module in order; single words only where ``words``, and only the heads of columns and sections."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    inside |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # what describes the code
    faults = [node for node in ast.walk(tree) if isinstance(node, ast.Raise) or _fault(node)]
    inside |= {id(part) for node in faults for part in ast.walk(node)}
    tables = [
        node for node in ast.walk(tree) if words and isinstance(node, ast.Dict) and not PLOT & {_text(key) for key in node.keys}
    ]
    heads = {id(key) for node in tables for key in node.keys if key}
    heads |= {
        id(arg) for node in ast.walk(tree) if words and isinstance(node, ast.Call) and _name(node) in SHOW for arg in node.args
    }
    for node in ast.walk(tree):
        if id(node) in inside:
            continue
        if isinstance(node, ast.JoinedStr):
            text = template_of(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value.replace("{", "{{").replace("}", "}}")
        else:
            continue
        letters = sum(c.isalpha() for c in re.sub(r"\{\d+\}", "", text))
        if NO_WORDS.search(text) or CODE.fullmatch(text) or letters < 2 or (" " not in text.strip() and id(node) not in heads):
            continue
        yield text.removeprefix("; ").strip()


def _text(node: ast.expr | None) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ""


def _name(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _fault(node: ast.AST) -> bool:
    """Return whether an error is made here: errors are no part of a report."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("BadInput", "FtkitError", "NotReady", "RunFailed")
    )


def template_of(node: ast.JoinedStr) -> str:
    """Return an f-string as a text with places, counted from 0."""
    parts, places = [], 0
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value).replace("{", "{{").replace("}", "}}"))
        else:
            parts.append(f"{{{places}}}")
            places += 1
    return "".join(parts)


def _literals(tree: ast.Module) -> Iterator[str]:
    """Return the values that a record's field may take: verdicts and states are shown as they are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal":
            for part in ast.walk(node.slice):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def _page_texts(template: str) -> list[str]:
    """Return the texts of the page's template; what it puts in is a place."""
    plain = re.sub(r"\{\{.*?\}\}", "\1", re.sub(r"\{%.*?%\}", "\0", template, flags=re.S), flags=re.S)
    shown = [told for name in SHOWN_ATTRIBUTES for told in re.findall(rf'{name}="([^"]*)"', plain)]
    shown += re.split(r"<[^<>]*>|\0", plain)
    found = []
    for text in shown:
        count = iter(range(text.count("\1")))
        told = html.unescape(re.sub("\1", lambda _, count=count: f"{{{next(count)}}}", text)).strip()
        if sum(c.isalpha() for c in told) > 1:
            found.append(told)
    return found


def main(language: str) -> None:
    """Bring a language's file up to date and say how much of it is translated."""
    from io import BytesIO

    from babel.messages.catalog import Catalog
    from babel.messages.pofile import read_po, write_po

    path, texts = HERE / f"{language}.po", collect()
    old = read_po(path.open("rb"), locale=language) if path.exists() else Catalog(locale=language)
    new = Catalog(locale=language, project="ftkit", header_comment="# Texts of ftkit's report. {0}, {1} ... are what the code puts in; use each where it belongs.")  # fmt: skip
    for text, file in texts.items():
        known = old.get(text)
        new.add(text, known.string if known else "", locations=[(file, 0)])
    out = BytesIO()
    write_po(out, new, width=0, omit_header=False, include_lineno=False)
    kept = [line for line in out.getvalue().decode().splitlines() if not re.match(r'"(POT-Creation|PO-Revision)-Date', line)]
    runs.write_text(path, "\n".join(kept) + "\n")
    done = sum(bool(message.string) for message in new if message.id)
    print(f"{path}: {done} of {len(texts)} texts translated")


if __name__ == "__main__":
    main(sys.argv[1])
