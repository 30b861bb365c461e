"""The `json` codec over packed values, by compiled loops: no object a record; msgspec for what they are not sure of.

The columns are those of `streams.codecs.json`, whatever the way; `tests/streams/codecs/test_fastjson.py` holds the one
against the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.codecs import scanned
from streams.codecs.base import Decoded, FieldType
from streams.fast.kinds import FALSE, FLOAT, FLOAT_TEXT, INT, LENGTH_BITS, MAX_ENTRIES, NULL, TEXT, TRUE
from streams.fast.names import Names
from streams.packed import Packed
from tables.columns import Column

_TAKEN: Mapping[FieldType, tuple[int, ...]] = {
    "number": (NULL, INT, FLOAT),
    "text": (NULL, TEXT),
    "bool": (NULL, TRUE, FALSE),
    "key": (NULL, INT, FLOAT, TEXT),
    "time": (NULL, INT, FLOAT, TEXT),
    "any": (NULL, INT, FLOAT, TEXT, TRUE, FALSE),
}
"""What of the kinds that the scan knows a field may hold; the rest is left to msgspec, which says what is wrong."""
UNSURE_SHARE = 8
"""If more than one row in so many is left to msgspec, all are, and for some batches nothing is scanned."""
REST = 50
"""Batches until it is tried again."""
_BITS = np.left_shift(1, np.arange(8)).astype(np.uint8)
_FLOAT_TEXTS = 1 << FLOAT_TEXT
Decode = Callable[[list[bytes | None]], Decoded]


class FastJson:
    """Decodes the used fields of packed JSON objects.

    Args:
        fields: dotted paths, with what they must be.
        plain: decodes values the plain way.
        kernels: the compiled loops.
    """

    def __init__(self, fields: Mapping[str, FieldType], plain: Decode, kernels: ModuleType) -> None:
        """Lay out names and objects for the scan."""
        self._fields, self._plain, self._kernels = dict(fields), plain, kernels
        self._names, self._entries = _layout(list(fields))
        self._outlines = kernels.outlines()
        self._known = [Names(kernels) for _ in fields]
        self._refused = [0xFF & ~sum(1 << kind for kind in _TAKEN[want]) for want in fields.values()]
        self._rest = 0

    @property
    def wants(self) -> bool:
        """Whether the next batch is worth a try."""
        self._rest -= self._rest > 0
        return not self._rest and len(self._entries) <= MAX_ENTRIES

    def decode(self, values: Packed) -> Decoded | None:
        """Return the columns of the good rows, and the bad rows; None if it is better done the plain way."""
        n = len(values)
        kinds, bits = np.empty((n, len(self._fields)), np.int8), np.empty((n, len(self._fields)), np.int64)
        unsure = np.empty(n, bool)
        where = values.array, values.start, values.length
        self._kernels.scan(*where, self._names, self._entries, self._outlines, kinds, bits, unsure)
        kinds = kinds.T.copy()
        seen = _seen(kinds)
        if any(each & _FLOAT_TEXTS for each in seen):
            self._read_floats(values.buffer, kinds, bits, unsure)
            seen = _seen(kinds)
        for at, each in enumerate(seen):
            if each & self._refused[at]:
                unsure |= (_BITS.take(kinds[at]) & self._refused[at]) > 0
        left = unsure.nonzero()[0]
        if len(left) * UNSURE_SHARE > n:
            self._rest = REST
            return None
        if not len(left):
            return Decoded(self._columns(values.array, kinds, bits, seen))
        sure = np.flatnonzero(~unsure)
        kinds = kinds.take(sure, axis=1)
        columns = self._columns(values.array, kinds, bits[sure], _seen(kinds))
        return scanned.merged(n, sure, columns, left, self._plain(values.take(left).tolist()))

    def _read_floats(
        self, buffer: bytes, kinds: NDArray[np.int8], bits: NDArray[np.int64], unsure: NDArray[np.bool_]
    ) -> None:
        """Read the floats that need more than one rounding, which Python's own reader does right."""
        fields, rows = ((kinds == FLOAT_TEXT) & ~unsure).nonzero()
        if not len(rows):
            return
        places = bits[rows, fields]
        start = places >> LENGTH_BITS
        end = start + (places & ((1 << LENGTH_BITS) - 1))
        found = np.array([float(buffer[a:b]) for a, b in zip(start.tolist(), end.tolist(), strict=True)])
        bits[rows, fields], kinds[fields, rows] = found.view(np.int64), FLOAT
        unsure[rows[~np.isfinite(found)]] = True

    def _columns(
        self, buffer: NDArray[np.uint8], kinds: NDArray[np.int8], bits: NDArray[np.int64], seen: list[int]
    ) -> dict[str, Column]:
        """Return the columns; kinds go by field and row, bits by row and field, and `seen` is what `_seen` says."""
        columns = {}
        for at, (path, want) in enumerate(self._fields.items()):
            make = _COLUMNS[want] if want == "any" else _UNIFORM.get(seen[at], _COLUMNS[want])
            columns[path] = make(kinds[at], np.ascontiguousarray(bits[:, at]), buffer, self._known[at])
        return columns


def _seen(kinds: NDArray[np.int8]) -> list[int]:
    """Return which kinds each field has in any row: bit k stands for kind k, and bit 7 for unsure."""
    found: list[int] = np.bitwise_or.reduce(_BITS.take(kinds), axis=1).tolist()
    return found


def _layout(paths: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the names and entries that `streams.fast.scan` asks for."""
    nodes: dict[tuple[str, ...], int] = {(): 0}
    names, entries = bytearray(), []

    def enter(parents: tuple[str, ...], name: str, number: int) -> None:
        entries.append((nodes[parents], len(names), len(name.encode()), number))
        names.extend(name.encode())

    for field, path in enumerate(paths):
        *parents, name = path.split(".")
        for depth in range(len(parents)):
            if tuple(parents[: depth + 1]) not in nodes:
                nodes[tuple(parents[: depth + 1])] = len(nodes)
                enter(tuple(parents[:depth]), parents[depth], -nodes[tuple(parents[: depth + 1])])
        enter(tuple(parents), name, field)
    return np.frombuffer(bytes(names) or b"\0", np.uint8), np.array(entries, np.int64).reshape(-1, 4)


def _floats(_: Any, bits: NDArray[np.int64], __: Any, ___: Any) -> Column:
    return Column("float", bits.view(np.float64))


def _number(kinds: NDArray[np.int8], bits: NDArray[np.int64], _: Any, __: Any) -> Column:
    null, integer = scanned.null(kinds), kinds == INT
    bits = bits if null is None else np.where(null, 0, bits)
    if not integer.any():
        return Column("float", bits.view(np.float64), null)
    floats = kinds == FLOAT
    if not floats.any():
        return Column("int", bits, null)
    values = np.where(floats, bits.view(np.float64), bits)
    return Column("mixed", values, null, np.where(integer, bits, 0), integer)


def _bool(kinds: NDArray[np.int8], _: Any, __: Any, ___: Any) -> Column:
    return Column("bool", kinds == TRUE, scanned.null(kinds))


def _text_or_number(
    kinds: NDArray[np.int8], bits: NDArray[np.int64], buffer: NDArray[np.uint8], names: Names
) -> Column:
    text = kinds == TEXT
    if not text.any():
        return (
            _number(kinds, bits, buffer, names) if (kinds != NULL).any() else scanned.text(kinds, bits, buffer, names)
        )
    if (text | (kinds == NULL)).all():
        return scanned.text(kinds, bits, buffer, names)
    return _any(kinds, bits, buffer, names)


def _any(kinds: NDArray[np.int8], bits: NDArray[np.int64], buffer: NDArray[np.uint8], names: Names) -> Column:
    values = np.full(len(kinds), None, object)
    codes, texts = names.codes(buffer, kinds, bits)
    for kind, of in ((INT, bits), (FLOAT, bits.view(np.float64))):
        rows = np.flatnonzero(kinds == kind)
        values[rows] = np.fromiter(of[rows].tolist(), object, len(rows))
    values[kinds == TRUE], values[kinds == FALSE] = True, False
    rows = np.flatnonzero(kinds == TEXT)
    values[rows] = texts[codes[rows]]
    return Column("any", values, scanned.null(kinds))


_COLUMNS: Mapping[FieldType, Callable[..., Column]] = {
    "number": _number,
    "text": scanned.text,
    "bool": _bool,
    "key": _text_or_number,
    "time": _text_or_number,
    "any": _any,
}
_UNIFORM: Mapping[int, Callable[..., Column]] = {1 << FLOAT: _floats, 1 << TEXT: scanned.texts}
"""By what is seen: columns without null or other kinds, of which nothing has to be found out row by row."""
