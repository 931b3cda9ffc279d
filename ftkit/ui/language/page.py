"""A finished page, rewritten: its texts in another language, everything else as it was."""

from __future__ import annotations

import html
import json
from html.parser import HTMLParser

from ftkit.ui.language import Language, figure_texts
from ftkit.ui.language.catalogue import SHOWN_ATTRIBUTES
from ftkit.ui.report.charts import for_script

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "circle", "line"}
KEPT = {"script", "style", "pre", "code", "bdi"}


class Page(HTMLParser):
    """Reads a page and keeps it in ``out``; what is data (``translate="no"``, ``pre``) is left as it is."""

    def __init__(self, language: Language) -> None:
        super().__init__(convert_charrefs=False)
        self.language, self.out = language, list[str]()
        self.kept, self.chart, self.words = 0, False, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._flush()
        text, given = self.get_starttag_text() or "", dict(attrs)
        self.chart = tag == "script" and given.get("type") == "application/json"
        if tag == "html":
            signs = f' data-point="{self.language.point}" data-group="{self.language.group}"'
            text = text.replace('lang="en"', f'lang="{self.language.name}"{signs}')
        if self.kept:
            self.kept += tag not in VOID
        elif tag in KEPT or given.get("translate") == "no":
            self.kept = int(tag not in VOID)
        else:
            for name in SHOWN_ATTRIBUTES:
                if value := given.get(name):
                    text = text.replace(
                        f'{name}="{html.escape(value)}"', f'{name}="{html.escape(self.language.say(value))}"'
                    ).replace(f"{name}='{html.escape(value)}'", f"{name}='{html.escape(self.language.say(value))}'")
        self.out.append(text)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._flush()
        self.out.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        self._flush()
        self.kept -= bool(self.kept)
        self.chart = False
        self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self.chart:
            self.out.append(for_script(figure_texts(json.loads(data), self.language)))
        elif self.kept:
            self.out.append(data)
        else:
            self.words += data

    def handle_entityref(self, name: str) -> None:
        self._reference(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._reference(f"&#{name};")

    def _reference(self, text: str) -> None:
        if self.kept:
            self.out.append(text)
        else:
            self.words += html.unescape(text)

    def handle_decl(self, decl: str) -> None:
        self.out.append(f"<!{decl}>")

    def close(self) -> None:
        super().close()
        self._flush()

    def _flush(self) -> None:
        if self.words:
            self.out.append(html.escape(self.language.say(self.words), quote=False) if self.words.strip() else self.words)
            self.words = ""
