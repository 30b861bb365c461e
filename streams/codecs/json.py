"""The `json` codec: one JSON object per record (RFC 8259), fields by dotted path.

Only the fields that a declaration uses are decoded; what stands in others is skipped unseen, as long as the record is
JSON. Where a name stands twice in an object, the last one counts. A missing field is null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, ClassVar

import msgspec

from streams import fast, reasons
from streams.codecs.base import BadRow, Codec, Decoded, Decoder, FieldType
from streams.codecs.extract import column, out_of_range
from streams.codecs.fastjson import FastJson
from streams.codecs.rows import decode_each, explain_text, good_rows
from streams.packed import Packed
from tables.columns import Column

_TYPES: Mapping[FieldType, Any] = {
    "number": int | float | None,
    "text": str | None,
    "bool": bool | None,
    "key": str | int | float | None,
    "time": str | int | float | None,
    "any": Any,
}
FEW = 96
"""Values that are scanned at least: what a scan costs by itself is more than msgspec takes for fewer."""
_NOT_A_NUMBER = re.compile(rb"[:\[,]\s*[-+]?(?:nan|inf(?:inity)?)\s*[,}\]]", re.IGNORECASE)
_AT = re.compile(r"(.*) - at `\$\.?(.*)`")

# A list comprehension over a fixed attribute name takes half the time of `map(attrgetter(name), rows)`.
_GETTERS: tuple[Callable[[list[Any]], list[Any]], ...] = (
    lambda rows: [row.f0 for row in rows],
    lambda rows: [row.f1 for row in rows],
    lambda rows: [row.f2 for row in rows],
    lambda rows: [row.f3 for row in rows],
    lambda rows: [row.f4 for row in rows],
    lambda rows: [row.f5 for row in rows],
)


class Json(Codec):
    """JSON objects."""

    name: ClassVar[str] = "json"

    def compile(self, fields: Mapping[str, FieldType]) -> Decoder:
        """Return a decoder for these dotted paths.

        Raises:
            ValueError: a path is used both as a value and as an object, or a name cannot stand in a JSON path.
        """
        return JsonDecoder(fields)

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """Return a JSON object with these fields, dotted paths nested (NaN as `NaN`, as many producers write it)."""
        return json.dumps(_nested(values), separators=(",", ":")).encode()


class JsonDecoder(Decoder):
    """Decodes the used fields of JSON objects to columns."""

    def __init__(self, fields: Mapping[str, FieldType]) -> None:
        """Build the type that holds these fields and nothing else."""
        self._fields = dict(fields)
        self._root = _Object.of(fields)
        self._decode: Callable[[Any], Any] = msgspec.json.Decoder(self._root.type).decode
        self._fast: FastJson | None = None

    def decode(self, values: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None) -> Decoded:  # noqa: ARG002 - of the interface
        """Return the columns of the good rows, and the bad rows."""
        if isinstance(values, Packed):
            found = self._scanned(values)
            return self._plain(values.tolist()) if found is None else found
        return self._plain(values)

    def _scanned(self, values: Packed) -> Decoded | None:
        """Return what compiled loops make of the values; None where there are none, or msgspec does it better."""
        kernels = fast.kernels() if len(values) >= FEW else None
        if self._fast is None and kernels is not None:
            self._fast = FastJson(self._fields, self._plain, kernels)
        return (
            self._fast.decode(values) if kernels is not None and self._fast is not None and self._fast.wants else None
        )

    def _plain(self, values: Sequence[bytes | None]) -> Decoded:
        rows, bad = decode_each(self._decode, values, _explain)
        try:
            columns = self._columns(rows)
        except OverflowError:
            rows, bad = self._within_64_bits(rows, bad, len(values))
            columns = self._columns(rows)
        return Decoded(columns, good_rows(len(values), bad), bad)

    def _columns(self, rows: list[Any]) -> dict[str, Column]:
        return {path: column(items, self._fields[path]) for path, items in self._root.items(rows)}

    def _within_64_bits(self, rows: list[Any], bad: list[BadRow], n: int) -> tuple[list[Any], list[BadRow]]:
        """Return the rows without those that hold a larger integer, and all bad rows, by index."""
        where = good_rows(n, bad)
        found: dict[int, BadRow] = {}
        for path, items in self._root.items(rows):
            for row in out_of_range(items):
                index = row if where is None else int(where[row])
                message = f"field `{path}`: an integer must fit in 64 bits; send it as text or as a float"
                found.setdefault(row, BadRow(index, reasons.NUMBER_OUT_OF_RANGE, message))
        kept = [item for row, item in enumerate(rows) if row not in found]
        return kept, sorted([*bad, *found.values()], key=attrgetter("index"))


@dataclass
class _Object:
    """One level of the used fields: its leaves by name, and the objects in it."""

    path: str
    leaves: dict[str, FieldType] = field(default_factory=dict)
    objects: dict[str, _Object] = field(default_factory=dict)
    type: Any = None
    empty: Any = None

    @classmethod
    def of(cls, fields: Mapping[str, FieldType]) -> _Object:
        """Return the tree of these dotted paths, with its types made."""
        root = cls("")
        for path, want in fields.items():
            *parents, name = path.split(".")
            level = root
            for parent in parents:
                level = level.objects.setdefault(parent, cls(f"{level.path}{parent}."))
            level.leaves[name] = want
        root._make()
        return root

    def _make(self) -> None:
        both = sorted(self.leaves.keys() & self.objects.keys())
        if both:
            raise ValueError(f"field `{self.path}{both[0]}` is used both as a value and as an object with fields")
        for level in self.objects.values():
            level._make()
        kinds = [
            *(_TYPES[want] for want in self.leaves.values()),
            *(level.type | None for level in self.objects.values()),
        ]
        names = [*self.leaves, *self.objects]
        self.type = msgspec.defstruct(
            "Fields",
            [
                (f"f{at}", kind, msgspec.field(default=None, name=name))
                for at, (kind, name) in enumerate(zip(kinds, names, strict=True))
            ],
            gc=False,
        )
        self.empty = self.type()

    def items(self, rows: list[Any]) -> Iterator[tuple[str, list[Any]]]:
        """Yield each leaf's dotted path with its values over `rows`, None where missing."""
        for at, name in enumerate(self.leaves):
            yield self.path + name, _attribute(rows, at)
        for at, level in enumerate(self.objects.values(), len(self.leaves)):
            found = _attribute(rows, at)
            yield from level.items([level.empty if item is None else item for item in found])


def _attribute(rows: list[Any], at: int) -> list[Any]:
    return _GETTERS[at](rows) if at < len(_GETTERS) else list(map(attrgetter(f"f{at}"), rows))


def _explain(error: Exception, value: bytes | None) -> tuple[str, str]:
    if not value:
        return reasons.EMPTY_VALUE, "the record has no value"
    if isinstance(error, msgspec.ValidationError):
        return _explain_type(str(error))
    if isinstance(error, RecursionError):
        return reasons.TOO_DEEP, "arrays or objects are nested too deeply"
    try:
        bytes(value).decode()
    except UnicodeDecodeError as where:
        return explain_text(where, value)
    if _NOT_A_NUMBER.search(value):
        return reasons.NOT_FINITE, "NaN and Infinity are not JSON; send null"
    return reasons.INVALID_JSON, str(error)


def _explain_type(text: str) -> tuple[str, str]:
    found = _AT.fullmatch(text)
    if found is None:
        return reasons.NOT_AN_OBJECT, text.replace("`", "")
    what, path = found.groups()
    message = f"field `{path}`: {what}".replace(" | null", "")
    if what.startswith("Number out of range"):
        return reasons.NOT_FINITE, message
    if what.startswith("Integer value out of range"):
        return reasons.NUMBER_OUT_OF_RANGE, message
    return reasons.WRONG_TYPE, message


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object whose dotted paths are these; mappings that are values stay as they are."""
    root: dict[str, Any] = {}
    for path, value in values.items():
        *parents, name = path.split(".")
        level = root
        for parent in parents:
            level = level.setdefault(parent, {})
        if isinstance(value, Mapping):
            level.setdefault(name, {}).update(value)
        else:
            level[name] = value
    return root
