"""The mapping that declares a window, made of what the kinds of windows say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streams.kinds import Choice, Duration, Json, Kind
from streams.shapes import Key, Section
from tables.windows import Window, registry
from tables.windows.base import GRACE_OPTION, Option


def make_window(**values: Any) -> Window:
    """Return the window that a mapping says, whose keys are `values`.

    Raises:
        ValueError: it is of no kind or of several, or has keys that are not of its kind.
    """
    named = [registry()[name] for name in values if name in registry()]
    if len(named) != 1:
        first, *others = (kind.example for kind in registry().values())
        raise ValueError(f"a window is of one kind ({', '.join(registry())}); write {', '.join(others)} or {first}")
    (kind,) = named
    options = {option.name: option for option in kind.options}
    for name in values.keys() - options.keys():
        raise ValueError(f"{kind.kind} windows have no `{name}` (but {', '.join(options)}); write {kind.example}")
    for name, option in options.items():
        if option.default is None and name not in values:
            raise ValueError(f"{kind.kind} windows need `{name}`; write {kind.example}")
    return kind(**{options[name].field: value for name, value in values.items()})


def _options() -> Iterator[Option]:
    """Yield every option once: those that name a kind, then the others, grace last."""
    kinds = registry().values()
    yield from (kind.options[0] for kind in kinds)
    yield from dict.fromkeys(each for kind in kinds for each in kind.options[1:] if each is not GRACE_OPTION)
    yield GRACE_OPTION


def _read_as(option: Option) -> Kind:
    return Choice(option.choices) if option.takes == "choice" else Duration(least=option.least)


def _key(option: Option, default: str | None) -> Key:
    return Key(option.name, _read_as(option), option.doc, default)


class WindowSection(Section):
    """The keys of all kinds of windows; each mapping has those of one."""

    def schema(self) -> Json:
        """Return the schema: one of the kinds."""
        return {"anyOf": [_of(kind).schema() for kind in registry().values()]}


def _of(kind: type[Window]) -> Section:
    keys = tuple(_key(option, option.default) for option in kind.options)
    return Section(f"a {kind.kind} window", keys, make_window)


WINDOW = WindowSection("window", tuple(_key(option, option.default or "none") for option in _options()), make_window)
