"""The item browser of 07 and of the report: all strategies' answers to one question beside each other."""

from __future__ import annotations

import html
import json
from typing import Any

from ftkit.report import theme

KINDS = [("differ", ""), ("all wrong", "all wrong"), ("all right", "all right")]


FAULTS = ["wrong", "wrong format", "unsupported", "no answer"]


BROWSER_CSS = (
    f".ib{{font-family:{theme.FONT};font-size:12px}}.ib input{{margin:0 .3em 0 .8em}}.ib table{{border-collapse:collapse;margin-top:.6em;font-size:12px;line-height:1.35}}"
    ".ib th,.ib td{padding:.35em .6em;border-bottom:1px solid rgba(127,127,127,.3);text-align:left!important;vertical-align:top;"
    "min-width:92px;max-width:220px;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".ib .g{display:inline-block;min-width:5.5em;font-weight:600}"
    f".ib .ok{{border-left:4px solid {theme.GOOD}}}.ib .no{{border-left:4px solid {theme.BAD}}}"
    f".ib .m{{display:block;font-weight:600;font-size:11px}}.ib .ok .m{{color:{theme.GOOD_TEXT}}}.ib .no .m{{color:{theme.BAD_TEXT}}}{theme.DARK_CSS}"
)


def browser_html(
    table: Any, strategies: list[str], limit: int = 60, differ: str = "strategies differ"
) -> str:
    """Return all answers to one question beside each other as HTML, filtered by radio buttons without any script.

    Args:
        table: From ``evaluation.browse``.
        strategies: Strategy names in order.
        limit: Most rows.
        differ: What a question is called that is not answered alike.
    """
    rows = table.head(limit).to_dict("records")
    classes = [_classes(row, strategies) for row in rows]
    faults = [mark for mark in FAULTS if any(_class(mark) in found for found in classes)]
    groups = [
        (
            "ib",
            "Questions",
            [("all", "all"), *((_class(kind), words or differ) for kind, words in KINDS)],
        ),
        (
            "is",
            "Wrong in",
            [("any", "any"), *((f"w{k}", name) for k, name in enumerate(strategies))],
        ),
        ("if", "Failed by", [("any", "any"), *((_class(mark), mark) for mark in faults)]),
    ]
    buttons = "".join(_group(*group, classes) for group in groups if len(group[2]) > 1)
    rules = "".join(
        f"#{name}-{key}:checked~div tr.q:not(.{key}){{display:none}}"
        for name, _, choices in groups
        for key, _ in choices[1:]
    )
    head = "".join(f"<th>{html.escape(h)}</th>" for h in ["question", "right answer", *strategies])
    body = "".join(
        _browser_row(row, strategies, " ".join(sorted(found)))
        for row, found in zip(rows, classes, strict=True)
    )
    return (
        f"<style>{BROWSER_CSS}{rules}</style><div class='ib'>{buttons}<div style='overflow-x:auto' tabindex='0' role='region' aria-label='Answers of all strategies side by side'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div></div>"
    )


def show_browser(table: Any, strategies: list[str]) -> None:
    """Show the item browser in a notebook."""
    theme._display(browser_html(table, strategies), "all strategies' answers side by side")


def _class(words: str) -> str:
    return words.replace(" ", "-")


def _classes(row: dict[str, Any], strategies: list[str]) -> set[str]:
    """Return what a question can be filtered by: its kind, who is wrong on it, and how."""
    wrong = {f"w{k}" for k, name in enumerate(strategies) if row[f"{name} mark"] != "right"}
    return (
        {_class(row["kind"])}
        | wrong
        | {_class(row[f"{name} mark"]) for name in strategies if row[f"{name} mark"] != "right"}
    )


def _group(name: str, label: str, choices: list[tuple[str, str]], classes: list[set[str]]) -> str:
    """Return one line of radio buttons, each with how many questions it leaves by itself."""
    buttons = "".join(
        f"<input type='radio' name='{name}' id='{name}-{key}'{' checked' if k == 0 else ''}>"
        f"<label for='{name}-{key}'>{html.escape(words)} ({sum(k == 0 or key in found for found in classes)})</label> "
        for k, (key, words) in enumerate(choices)
    )
    return f"<b class='g'>{label}:</b>{buttons}<br>"


def _browser_row(row: dict[str, Any], strategies: list[str], classes: str) -> str:
    cells = "".join(
        f"<td translate='no'>{html.escape(_short(row[name]))}</td>" for name in ("input", "truth")
    )
    for name in strategies:
        mark = row[f"{name} mark"]
        kind = "ok" if mark == "right" else "no"
        cells += f"<td class='{kind}'><span class='m'>{html.escape(mark)}</span><span translate='no'>{html.escape(_short(row[name]))}</span></td>"
    return f"<tr class='q {classes}'>{cells}</tr>"


def _short(text: Any, at_most: int = 220) -> str:
    whole = _lines(str(text))
    return whole if len(whole) <= at_most else whole[: at_most - 1] + "…"


def _lines(text: str) -> str:
    """Return a JSON record as one line per field, anything else as it is."""
    try:
        record = json.loads(text)
    except ValueError:
        return text
    return (
        "\n".join(f"{key}: {value}" for key, value in record.items())
        if isinstance(record, dict)
        else text
    )
