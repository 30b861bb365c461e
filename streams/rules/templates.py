"""Templates of labels and annotations: `{{ $labels.host }}`, `{{ $value | humanize }}`, `{{ errors }}`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from streams.expr.errors import ExpressionError, did_you_mean

MAX_BYTES = 8192
"""Most bytes (UTF-8) of a rendered text; what is longer is cut."""

_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_WORD = re.compile(r"\||\$?[^\s|]+")
_COLUMN = re.compile(r"[^\W\d]\w*(\.\w+)*")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PLAIN = range(-4, 6)
_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")


def humanize(value: float) -> str:
    """Return four significant digits with a metric prefix: `1.235M`; as Prometheus' `humanize`."""
    if value == 0 or not math.isfinite(value) or abs(value) < 1:
        return _small(value)
    prefix = ""
    for larger in _LARGE:
        if abs(value) < 1000:  # noqa: PLR2004 - the step of metric prefixes
            break
        prefix, value = larger, value / 1000
    return _digits(value) + prefix


def humanize_percentage(value: float) -> str:
    """Return a ratio as a percentage of four significant digits: `12.35%`; as Prometheus' `humanizePercentage`."""
    return _digits(value * 100) + "%"


def humanize_duration(value: float) -> str:
    """Return seconds as `1d 2h 3m 4s`, or `123.5ms`; as Prometheus' `humanizeDuration`."""
    if not math.isfinite(value):
        return _digits(value)
    if abs(value) < 1:
        return _small(value) + "s"
    sign, value = "-" if value < 0 else "", abs(value)
    minutes, seconds = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{_digits(value)}s"


def _small(value: float) -> str:
    """Return four significant digits of a value below one, with a metric prefix unless it is 0."""
    prefix = ""
    for smaller in _SMALL:
        if value == 0 or abs(value) >= 1 or not math.isfinite(value):
            break
        prefix, value = smaller, value * 1000
    return _digits(value) + prefix


def _digits(value: float) -> str:
    """Return Go's `%.4g`, which is C's but for the names of what is not finite."""
    return f"{value:.4g}" if math.isfinite(value) else show(value)


def show(value: object) -> str:
    """Return a value as Prometheus prints it: an integer in full, a float as short as it can be, null as `null`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _show_float(value) if isinstance(value, float) else str(value)


def _show_float(value: float) -> str:
    """Return Go's `%v` of a float64: the fewest digits that read back, with an exponent below 1e-4 and from 1e6."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    exact = Decimal(repr(value)).normalize()
    exponent = exact.adjusted() if value else 0
    if exponent in _PLAIN:
        return f"{exact:f}"
    first, *others = exact.as_tuple().digits
    digits = f"{first}." + "".join(map(str, others)) if others else str(first)
    return f"{'-' if value < 0 else ''}{digits}e{exponent:+03d}"


_Word = tuple[str, int]
_FUNCTIONS: dict[str, Callable[[float], str]] = {
    "humanize": humanize,
    "humanizePercentage": humanize_percentage,
    "humanizeDuration": humanize_duration,
}


@dataclass(frozen=True)
class _Action:
    """One `{{ ... }}`: what it names (`kind` is value, label or column) and the function that shows it."""

    kind: str
    name: str
    function: str | None
    column: int = field(compare=False)

    def render(self, labels: Mapping[str, str], value: object, columns: Mapping[str, Any]) -> str:
        """Return its text."""
        found = value if self.kind == "value" else (labels if self.kind == "label" else columns).get(self.name)
        if self.function is None:
            return show(found)
        if isinstance(found, str) and _NUMBER.fullmatch(found):
            found = float(found)
        if isinstance(found, bool) or not isinstance(found, int | float):
            return show(found)
        return _FUNCTIONS[self.function](float(found))


@dataclass(frozen=True)
class Template:
    """A compiled template; equal to another of the same text."""

    text: str
    parts: tuple[str | _Action, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns and key fields that it shows."""
        return frozenset(part.name for part in self.parts if isinstance(part, _Action) and part.kind == "column")

    def render(self, labels: Mapping[str, str], value: float | None, columns: Mapping[str, Any]) -> str:
        """Return the text for one row, at most `MAX_BYTES` long.

        Args:
            labels: the alert's labels.
            value: what `$value` is; None is null.
            columns: the row's columns and key fields; one that is missing is null.
        """
        shown = [part if isinstance(part, str) else part.render(labels, value, columns) for part in self.parts]
        return "".join(shown).encode(errors="replace")[:MAX_BYTES].decode(errors="ignore")


def compile(  # noqa: A001 - as for expressions
    text: str,
    labels: Collection[str] | None = None,
    columns: Collection[str] | None = None,
    *,
    value: bool = True,
) -> Template:
    """Parse a template and check its names.

    Args:
        text: the template.
        labels: the names that `$labels` has; None allows any.
        columns: the table's columns and key fields; None allows any.
        value: whether there is a `$value`.

    Raises:
        ExpressionError: with the column of the first mistake.
    """
    parts: list[str | _Action] = []
    at = 0
    for match in _ACTION.finditer(text):
        action = _action(match.group(1), match.start(1))
        _check(action, labels, columns, value=value)
        parts += [text[at : match.start()], action]
        at = match.end()
    if (opening := text.find("{{", at)) >= 0:
        raise ExpressionError("`{{` has no closing `}}`", opening + 1)
    return Template(text, tuple(part for part in (*parts, text[at:]) if part != ""))


def _action(body: str, start: int) -> _Action:
    """Parse `operand`, `operand | function` or `function operand`; `start` is the place of the body, from 0."""
    words = [(word.group(), start + word.start() + 1) for word in _WORD.finditer(body)]
    match words:
        case [operand]:
            return _operand(operand, None)
        case [operand, ("|", _), function] if operand[0] != "|" != function[0]:
            return _operand(operand, _function(function))
        case [function, operand] if function[0] != "|" != operand[0]:
            return _operand(operand, _function(function))
        case _:
            usage = "`{{ name }}`, `{{ $value | humanize }}` or `{{ humanize $value }}`"
            raise ExpressionError(f"`{body.strip()}` is not what a template holds; write {usage}", start + 1)


def _function(word: _Word) -> str:
    name, column = word
    if name not in _FUNCTIONS:
        raise ExpressionError(f"unknown function `{name}`{did_you_mean(name, _FUNCTIONS)}", column)
    return name


def _operand(word: _Word, function: str | None) -> _Action:
    """Return the action that shows `$value`, `$labels.name` or a column."""
    operand, column = word
    if operand == "$value":
        return _Action("value", "", function, column)
    if operand.startswith("$labels."):
        return _Action("label", operand.removeprefix("$labels."), function, column)
    if operand == "$labels":
        raise ExpressionError("name one label, as in `$labels.host`", column)
    if operand.startswith("$"):
        raise ExpressionError(f"unknown variable `{operand}`; there are `$value` and `$labels`", column)
    if operand.startswith((".Labels", ".Value")):
        raise ExpressionError(f"`{operand}` is not known; write `${operand[1:].lower()}`", column)
    if not _COLUMN.fullmatch(operand):
        raise ExpressionError(f"`{operand}` is neither a column nor `$value` nor `$labels.name`", column)
    return _Action("column", operand, function, column)


def _check(action: _Action, labels: Collection[str] | None, columns: Collection[str] | None, *, value: bool) -> None:
    """Refuse names that are not there."""
    if action.kind == "value" and not value:
        raise ExpressionError("there is no `$value`: `expr` compares nothing; name a column", action.column)
    known = {"label": labels, "column": columns}.get(action.kind)
    if known is not None and action.name not in known:
        hint = did_you_mean(action.name, known)
        raise ExpressionError(f"there is no {action.kind} `{action.name}`{hint}", action.column)
