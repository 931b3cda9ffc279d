"""Draws which room of the package imports which: ``python docs/rooms.py`` writes docs/rooms.svg (needs import-linter)."""

from __future__ import annotations

import html
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
CELL, LEFT, TOP = 38, 110, 100


def rooms() -> list[str]:
    """Return the rooms, the lowest first, as the contract of import-linter names them."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = contract["tool"]["importlinter"]["contracts"][0]["layers"]
    return [layer.removeprefix("ftkit.") for layer in reversed(layers)]


def imports() -> Counter[tuple[str, str]]:
    """Return how many modules of the first room import one of the second, each pair of modules once."""
    import grimp

    graph, counts = grimp.build_graph("ftkit"), Counter[tuple[str, str]]()
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            pair = tuple(name.split(".")[1] if "." in name else "" for name in (module, other))
            counts[pair] += pair[0] != pair[1]
    return counts


def draw(names: list[str], counts: Counter[tuple[str, str]]) -> str:
    """Return the picture as SVG: a row imports the columns in which it has a number."""
    size = LEFT + CELL * len(names) + 10, TOP + CELL * len(names) + 10
    most = max(counts.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" font-family="sans-serif" font-size="12">',
        f'<rect width="{size[0]}" height="{size[1]}" fill="#fff"/>',
    ]
    for i, name in enumerate(names):
        at = TOP + CELL * i + CELL // 2 + 4
        parts.append(f'<text x="{LEFT - 8}" y="{at}" text-anchor="end">{html.escape(name)}</text>')
        x = LEFT + CELL * i + CELL // 2
        parts.append(
            f'<text transform="translate({x + 4},{TOP - 8}) rotate(-60)">{html.escape(name)}</text>'
        )
        for j, other in enumerate(names):
            count = counts[name, other]
            shade = f"rgba(37,99,235,{0.15 + 0.6 * count / most:.2f})" if count else "#f4f4f5"
            fill = "#d4d4d8" if i == j else shade
            left, top = LEFT + CELL * j, TOP + CELL * i
            parts.append(
                f'<rect x="{left + 1}" y="{top + 1}" width="{CELL - 2}" height="{CELL - 2}" fill="{fill}"/>'
            )
            if count:
                parts.append(
                    f'<text x="{left + CELL // 2}" y="{at}" text-anchor="middle">{count}</text>'
                )
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    (ROOT / "docs" / "rooms.svg").write_text(draw(rooms(), imports()), encoding="utf-8")
