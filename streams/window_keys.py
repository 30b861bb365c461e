"""The mapping that declares a window, made of what the kinds of windows say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streams.kinds import Choice, Duration, Integer, Json, Kind, Report
from streams.nodes import Node, Scalar
from streams.problems import Path
from streams.shapes import Key, Section
from tables.windows import Window, registry
from tables.windows.base import GRACE_OPTION, Option
from tables.windows.zones import zone_of


def make_window(**values: Any) -> Window:
    """Return the window that a mapping says, whose keys are `values`.

    Raises:
        ValueError: it is of no kind or of several, or has keys that are not of its kind.
    """
    named = [registry()[name] for name in values if name in registry()]
    if len(named) != 1:
        example = registry()["tumbling"].example
        raise ValueError(f"a window is of one kind ({', '.join(registry())}); write for example {example}")
    (kind,) = named
    options = {option.name: option for option in kind.options}
    for name in values.keys() - options.keys():
        if name in kind.refuses:
            raise ValueError(f"{kind.kind} windows have no `{name}`: {kind.refuses[name]}; write {kind.example}")
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


@dataclass
class ZoneName(Kind):
    """The name of a time zone of the IANA database."""

    @property
    def words(self) -> str:
        """Return what it is."""
        return "a time zone such as Europe/Berlin"

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the name, if there is such a zone."""
        if not isinstance(node, Scalar):
            return self.wrong(node, path, report)
        try:
            zone_of(node.text)
        except ValueError as error:
            return report.wrong(path, node, str(error))
        return node.text

    def schema(self) -> Json:
        """Return the schema."""
        return {"type": "string", "minLength": 1}


def _read_as(option: Option) -> Kind:
    kinds: dict[str, Kind] = {
        "duration": Duration(least=option.least),
        "choice": Choice(option.choices),
        "zone": ZoneName(),
        "number": Integer(least=option.least),
    }
    return kinds[option.takes]


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
