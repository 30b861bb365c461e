"""The fields that a stream's declaration uses, and the one type that all uses of a field agree on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.codecs.base import FieldType
from streams.problems import Finding, Path, suggest

SAID: Mapping[str, str] = {
    "number": "a number",
    "text": "text",
    "bool": "true or false",
    "key": "part of a key (text or a number)",
    "time": "the event time",
    "any": "anything",
}


def narrower(one: FieldType, two: FieldType) -> FieldType | None:
    """Return what a field must be that must be both; None if nothing is both."""
    if two in (one, "any"):
        return one
    if one == "any":
        return two
    for general, special in ((one, two), (two, one)):
        if general == "key" and special in ("text", "number"):
            return special
    return None


@dataclass
class Needs:
    """Fields by name, each with its type and the place of the use that gave it.

    Args:
        known: the fields that there are, by name; None if any may be asked for.
        said: how a message names what has them.
    """

    known: Mapping[str, FieldType] | None
    said: str = "the codec"
    types: dict[str, FieldType] = field(default_factory=dict)
    places: dict[str, Path] = field(default_factory=dict)

    def add(self, name: str, type_: FieldType, path: Path) -> Finding | None:
        """Note that the part at `path` needs field `name` to be `type_`; return its disagreement with another."""
        if self.known is not None and name not in self.known:
            return Finding(path, f"{self.said} has no field `{name}`{suggest(name, self.known)}")
        if name not in self.types:
            self.types[name], self.places[name] = type_, path
            return None
        merged = narrower(self.types[name], type_)
        if merged is None:
            first, place = self.types[name], self.places[name]
            message = f"field `{name}` is needed as {SAID[type_]} here and as {SAID[first]} by {described(place)}"
            return Finding(path, f"{message}; use one of them, or another field", other=place)
        if merged != self.types[name]:
            self.types[name], self.places[name] = merged, path
        return None


def described(path: Path) -> str:
    """Return a path as a message says it: `tables.traffic.where`."""
    return "`" + ".".join(str(part) for part in path) + "`"
