"""A form made from a parameter model: help, units and limits come from the same description as the YAML's comments."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import ValidationError

from ftkit.core.parameters import shared
from ftkit.core.parameters.models import MODELS
from ftkit.report import theme

HIDDEN = ("run", "seed")
LONG = 60
"""Texts from this length on get a box of several lines."""


class Form:
    """The fields of one stage's parameters, or of the model's (``shared.SECTION``), validated while typing.

    Args:
        stage: Name of the stage, e.g. ``task``. What it inherits from the model's form is not shown.
        values: Values that differ from the defaults; also what *reset* goes back to.
        first: Names shown at once, in this order; the others are folded under "more".
        changed: Called after each change.
    """

    def __init__(
        self,
        stage: str,
        values: dict[str, Any],
        first: Sequence[str] = (),
        changed: Callable[[], None] | None = None,
    ) -> None:
        import ipywidgets as widgets

        self.stage, self.given, self.changed = stage, dict(values), changed
        above = stage == shared.SECTION
        self.model = shared.MODEL if above else MODELS[stage]
        inherited = () if above else [n for n in shared.names() if n not in values]
        hidden = (*HIDDEN, *inherited)
        names = [name for name in self.model.model_fields if name not in hidden]
        self.fields = {name: self._control(name) for name in names}
        self.notes = {
            name: widgets.HTML(layout=widgets.Layout(margin="0 0 6px 190px")) for name in names
        }
        for control in self.fields.values():
            control.observe(self._edited, names="value")
        rows = {name: widgets.VBox([self.fields[name], self.notes[name]]) for name in names}
        shown = [rows[name] for name in first] or list(rows.values())
        rest = [rows[name] for name in names if name not in first] if first else []
        back = widgets.Button(
            description="Reset these", tooltip=f"{stage}: back to what was guessed or read"
        )
        back.on_click(lambda _: self.reset())
        parts: list[Any] = [*shown]
        if rest:
            more = widgets.Accordion(children=[widgets.VBox(rest)], selected_index=None)
            more.set_title(0, f"{len(rest)} more settings of this step")
            parts.append(more)
        self.box = widgets.VBox([*parts, back])
        self._tell()

    def _control(self, name: str) -> Any:
        import ipywidgets as widgets

        field, layout = self.model.model_fields[name], widgets.Layout(width="min(100%, 640px)")
        more = {
            "description": name.replace("_", " "),
            "style": {"description_width": "180px"},
            "layout": layout,
            "tooltip": name,
        }
        value = self.given.get(name, field.default)
        if get_origin(field.annotation) is Literal:
            return widgets.Dropdown(options=list(get_args(field.annotation)), value=value, **more)
        if field.annotation is bool:
            return widgets.Checkbox(value=bool(value), **{**more, "indent": True})
        text = _text(value)
        if len(text) > LONG or "\n" in text:
            height = f"{min(9, 1 + max(text.count(chr(10)) + 1, len(text) // 80 + 1)) * 20 + 12}px"
            more["layout"] = widgets.Layout(width="min(100%, 640px)", height=height)
            return widgets.Textarea(value=text, continuous_update=True, **more)
        return widgets.Text(value=text, continuous_update=True, **more)

    def raw(self) -> dict[str, Any]:
        """Return what stands in the fields, lists and maps taken apart, not yet checked."""
        found: dict[str, Any] = {}
        for name, control in self.fields.items():
            default = self.model.model_fields[name].default
            value = control.value
            if isinstance(value, str) and isinstance(default, list | dict):
                value = _parsed(value, default)
            found[name] = value
        return found

    def faults(self) -> dict[str, str]:
        """Return what is wrong, by field; empty where everything fits."""
        try:
            self.model.model_validate(self.raw())
        except ValidationError as error:
            return {str(fault["loc"][0]): str(fault["msg"]) for fault in error.errors()}
        return {}

    def values(self) -> dict[str, Any]:
        """Return the checked values that differ from the defaults, as they go into the parameter file.

        Raises:
            ValidationError: A field does not fit.
        """
        built = self.model.model_validate(self.raw()).model_dump(
            mode="json", include=set(self.fields)
        )
        keep = {name: self.given[name] for name in HIDDEN if name in self.given}
        return keep | {
            name: value
            for name, value in built.items()
            if value != self.model.model_fields[name].default
        }

    def reset(self) -> None:
        """Go back to the values that the form was made with."""
        for name, control in self.fields.items():
            value = self.given.get(name, self.model.model_fields[name].default)
            control.value = (
                value
                if not isinstance(control.value, str) or isinstance(value, str)
                else _text(value)
            )

    def _edited(self, _: Any) -> None:
        self._tell()
        if self.changed:
            self.changed()

    def _tell(self) -> None:
        faults, now = self.faults(), self.raw()
        for name, note in self.notes.items():
            field = self.model.model_fields[name]
            was = _text(self.given.get(name, field.default))
            mark = f" <b style='color:{theme.LINK_TEXT}'>changed</b> from {html.escape(was.replace(chr(10), ', ') or 'nothing')}"
            said = html.escape(str(field.description)) + (
                mark if _text(now[name]) != was and name not in faults else ""
            )
            if name in faults:
                said = f"<span role='alert' style='color:{theme.BAD_TEXT}'>{html.escape(faults[name])}</span> · {said}"
            text = f"<span style='color:{theme.SOFT_TEXT};font:12px/1.35 {theme.FONT};overflow-wrap:anywhere'>{said}</span>"
            if note.value != text:
                note.value = text


def _text(value: Any) -> str:
    """Return a value as it stands in a field: a list one item a line, a map as YAML."""
    if isinstance(value, dict):
        return (
            yaml.safe_dump(
                value, default_flow_style=None, allow_unicode=True, sort_keys=False, width=10_000
            ).strip()
            if value
            else ""
        )
    if isinstance(value, list):
        return (
            "\n".join(str(x) for x in value)
            if any(isinstance(x, str) for x in value)
            else ", ".join(str(x) for x in value)
        )
    return str(value)


def _parsed(text: str, default: Any) -> Any:
    """Return a list or map out of a field's text; a text that is neither comes back as it is, for the model to refuse."""
    if not text.strip():
        return type(default)()
    if isinstance(default, list):
        parts = (
            text.split("\n")
            if "\n" in text or (default and isinstance(default[0], str))
            else text.replace("\n", ",").split(",")
        )
        return [part.strip() for part in parts if part.strip()]
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
