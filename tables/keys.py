"""Keys of table rows: field values to key bytes to small integer codes, and back.

One text field is its UTF-8, a number its shortest decimal, several fields a JSON array. A number that is whole is
written without fraction, so that 3 and 3.0 are one key; a text "3" alone is the same key as the number 3, since the
producers' record keys do not tell them apart either (inside an array they differ).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from tables import fast
from tables.keypool import KeyPool
from tables.pieces import Pieces
from tables.reductions import some, summed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tables.columns import Column

Codes = NDArray[np.int64]
BAD = -1
"""Code of a row that has no key: a null part, or one that is neither text nor a finite number."""
FULL = -2
"""Code of a row whose key would be one more than the table may have."""
_INT64 = 1 << 63
_NEW = -3
_json = msgspec.json.Encoder().encode


def number_text(value: float) -> str:
    """Return the shortest decimal of a finite number: `3` for 3 and 3.0, `0.5` for 0.5, `1e+300` for 1e300.

    Raises:
        ValueError: the number is NaN, infinite, or an integer beyond 64 bits.
    """
    whole = isinstance(value, int) or value.is_integer()
    if whole and -_INT64 <= value < _INT64:
        return str(int(value))
    if isinstance(value, int) or value - value != 0:
        raise ValueError(f"{value} is no number that a key can hold")
    return repr(value)


def part_bytes(value: Any) -> bytes:
    """Return one key part as JSON.

    Raises:
        ValueError: it is neither text nor a number that `number_text` takes.
    """
    if isinstance(value, str):
        return _json(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is neither text nor a number")  # noqa: TRY004 - one error for all bad values
    return number_text(value).encode()


def key_bytes(values: Sequence[Any]) -> bytes:
    """Return the key bytes of the values of a table's key fields.

    Raises:
        ValueError: a value is null, no text and no finite number, or text that has no UTF-8.
    """
    if len(values) > 1:
        return b"[" + b",".join(map(part_bytes, values)) + b"]"
    (value,) = values
    return value.encode() if isinstance(value, str) else part_bytes(value)


def key_values(key: bytes, fields: int) -> tuple[Any, ...]:
    """Return the values of `fields` key fields for display; a single one is text, whatever it was."""
    if fields == 1:
        return (key.decode(errors="replace"),)
    return tuple(msgspec.json.decode(key))


def keyless(columns: Sequence[Column]) -> NDArray[np.bool_]:
    """Return which rows have no key, without giving codes to the others.

    Args:
        columns: the key fields in order, each over the same n rows.
    """
    bad = np.zeros(len(columns[0]), bool)
    for column in columns:
        if column.null is not None:
            bad |= column.null
        if column.kind == "bool":
            bad[:] = True
        elif column.kind == "any":
            bad |= np.array([not _is_part(value) for value in column.values.tolist()], bool)
        elif column.kind in ("float", "mixed"):
            bad |= ~np.isfinite(column.values)
    return bad


def _is_part(value: Any) -> bool:
    try:
        part_bytes(value)
    except ValueError:
        return False
    return True


class _Front(dict[Any, int]):
    """Field values -> code, in front of key bytes -> code: what was seen costs one look-up, done in C."""

    def __init__(self, learn: Callable[[Any], int]) -> None:
        super().__init__()
        self._learn = learn

    def __missing__(self, value: Any) -> int:
        code = self._learn(value)
        if code >= 0:
            self[value] = code
        return code


class KeyCodes:
    """The dictionary of one table partition: key bytes <-> codes 0, 1, 2, ...

    Args:
        limit: most keys; rows of a further one get the code `FULL`.
    """

    def __init__(self, limit: int = 1_000_000) -> None:
        """Start empty."""
        self.limit = limit
        self._codes: dict[bytes, int] = {}
        self._keys: list[bytes | None] = []
        self._lengths: NDArray[np.int64] = np.empty(1024, np.int64)
        self._pool = KeyPool(self._keys)
        self.bytes = 0
        """Bytes of all keys that have a code."""
        self.longest = 0
        """Bytes of the longest key that there was."""
        self._free: list[int] = []
        self._single = _Front(self._learn_one)
        self._several = _Front(self._learn)
        self._order: NDArray[np.int64] | None = np.empty(0, np.int64)
        self._numbered: NDArray[Any] | None = None
        self._numbers: Codes = np.empty(0, np.int64)

    def __len__(self) -> int:
        """Return the number of keys that have a code."""
        return len(self._codes)

    @property
    def size(self) -> int:
        """All codes are smaller than this."""
        return len(self._keys)

    def encode(self, columns: Sequence[Column]) -> Codes:
        """Return the code of each row's key, giving new keys new codes.

        Args:
            columns: the key fields in order, each over the same n rows.

        Returns:
            Shape (n,): codes; `BAD` where a part is null or of a wrong type, `FULL` above the limit.
        """
        null = _any_null(columns)
        if null is None:
            return self._encode(columns)
        codes = np.full(len(columns[0]), BAD, np.int64)
        good = np.flatnonzero(~null)
        codes[good] = self._encode([column.take(good) for column in columns])
        return codes

    def _encode(self, columns: Sequence[Column]) -> Codes:
        n = len(columns[0])
        if any(column.kind == "bool" for column in columns):
            return np.full(n, BAD, np.int64)
        if len(columns) == 1 and columns[0].codes is not None and columns[0].texts is not None:
            return self._translated(columns[0].codes, columns[0].texts)
        values = [_hashable(column) for column in columns]
        if len(values) > 1:
            return np.fromiter(map(self._several.__getitem__, zip(*values, strict=True)), np.int64, n)
        return self._looked_up(values[0])

    def _translated(self, codes: Codes, texts: NDArray[Any]) -> Codes:
        """Return the codes of rows whose texts have numbers already: each text is looked up once."""
        known = self._by_number(texts)
        found = known.take(codes)
        if not some(found < 0):
            return found
        new = np.unique(codes[found < 0])
        known[new] = self._looked_up(texts[new].tolist())
        found = known.take(codes)
        known[new[known[new] < 0]] = _NEW  # what has no room now may have some later
        return found

    def _by_number(self, texts: NDArray[Any]) -> Codes:
        """Return the codes of texts by their number, `_NEW` where none is known; they are kept from batch to batch."""
        if texts.base is None or texts.base is not self._numbered:
            self._numbered, self._numbers = texts.base, np.empty(0, np.int64)
        missing = len(texts) - len(self._numbers)
        if missing > 0:
            grown = max(missing, len(self._numbers))
            self._numbers = np.concatenate((self._numbers, np.full(grown, _NEW)))
        return self._numbers

    def _looked_up(self, values: list[Any]) -> Codes:
        codes = np.fromiter(map(self._single.get, values, repeat(_NEW)), np.int64, len(values))
        new = (codes == _NEW).nonzero()[0]
        if len(new):
            codes[new] = self._learn_many([values[row] for row in new.tolist()])
        return codes

    def _learn_many(self, values: list[Any]) -> list[int]:
        """Return the codes of values not seen lately; ASCII texts are learnt together, for that takes half the time.

        They get rising codes in the order of their bytes, and lie in memory so: the records of a write, which go by
        code, then come nearly sorted to the store, which halves its time.
        """
        names = list(dict.fromkeys([text for text in values if type(text) is str and text.isascii()]))
        if len(names) <= self.limit - len(self):  # else the first to come are taken
            names.sort()
        keys = [text.encode() for text in names]
        unknown = [key for key in keys if key not in self._codes]
        given = self._give(unknown[: max(0, self.limit - len(self))])
        if len(given) == len(names):
            self._single.update(zip(names, given, strict=True))
        else:
            known = zip(names, map(self._codes.get, keys), strict=True)
            self._single.update((text, code) for text, code in known if code is not None)
        return list(map(self._single.__getitem__, values))

    def _learn_one(self, value: Any) -> int:
        return self._learn((value,))

    def _learn(self, values: tuple[Any, ...]) -> int:
        try:
            return self.add(key_bytes(values))
        except ValueError:
            return BAD

    def add(self, key: bytes) -> int:
        """Return the code of a key, giving it one if it has none; `FULL` if there are too many."""
        code = self._codes.get(key)
        if code is not None:
            return code
        if len(self._codes) >= self.limit:
            return FULL
        return self._give([key])[0]

    def add_all(self, keys: Sequence[bytes]) -> Codes:
        """Return the codes of distinct keys, giving new ones a code; `FULL` for those above the limit."""
        known = self._codes
        unknown = [key for key in keys if key not in known]
        self._give(unknown[: max(0, self.limit - len(self))])
        return np.array([known.get(key, FULL) for key in keys], np.int64)

    def restore(self, keys: Sequence[bytes]) -> Codes:
        """Return the codes of distinct keys that the table holds already; the limit does not count here."""
        known = self._codes
        new = self._give([key for key in keys if key not in known])
        return np.array(new if len(new) == len(keys) else [known[key] for key in keys], np.int64)

    def learn(self, keys: Sequence[bytes]) -> Codes:
        """Return the codes of keys that the table holds already, the same ones among them; the limit does not count."""
        codes = np.fromiter(map(self._codes.get, keys, repeat(_NEW)), np.int64, len(keys))
        new = (codes == _NEW).nonzero()[0]
        if len(new):
            names = [keys[row] for row in new.tolist()]
            self._give(list(dict.fromkeys(names)))
            codes[new] = np.fromiter(map(self._codes.__getitem__, names), np.int64, len(names))
        return codes

    def _give(self, keys: list[bytes]) -> list[int]:
        """Give codes to new, distinct keys: those that were taken back first."""
        if not keys:
            return []
        reused = [self._free.pop() for _ in range(min(len(self._free), len(keys)))]
        codes = [*reused, *range(self.size, self.size + len(keys) - len(reused))]
        for code, key in zip(reused, keys, strict=False):
            self._keys[code] = key
        self._keys += keys[len(reused) :]
        self._codes.update(zip(keys, codes, strict=True))
        if self.size > len(self._lengths):
            self._lengths = np.resize(self._lengths, 2 * self.size)
        self._lengths[codes] = lengths = list(map(len, keys))
        self._pool.note(codes)
        self.bytes += sum(lengths)
        self.longest, self._order = max(self.longest, *lengths), None
        return codes

    def code(self, key: bytes) -> int | None:
        """Return the code of a key, None if it has none."""
        return self._codes.get(key)

    def codes(self) -> Codes:
        """Return all codes in use, in no order."""
        return np.fromiter(self._codes.values(), np.int64, len(self._codes))

    def keys(self, codes: Codes, prefix: bytes = b"") -> list[bytes]:
        """Return the key bytes of codes that are in use, each behind `prefix`."""
        keys: Any = self._keys
        return [prefix + keys[code] for code in codes.tolist()]

    def block(self, codes: Codes, prefix: bytes) -> Pieces:
        """Return the same in one block."""
        if (loops := fast.kernels()) is None:
            return Pieces.of(self.keys(codes, prefix))
        sizes = self._lengths[codes] + len(prefix)
        into, places = np.empty(summed(sizes), np.uint8), sizes.cumsum() - sizes
        loops.repeat(np.frombuffer(prefix, np.uint8), into, places)
        self._pool.write(loops, codes, into, places)
        return Pieces(into.tobytes(), sizes)

    def lengths(self, codes: Codes) -> NDArray[np.int64]:
        """Return the number of key bytes of each code in use."""
        return self._lengths[codes]

    def ordered(self, codes: Codes) -> Codes:
        """Return these distinct codes in the order of their key bytes."""
        if len(codes) * 8 < len(self):
            return codes[np.array(sorted(range(len(codes)), key=self.keys(codes).__getitem__), np.intp)]
        order = self._in_order()
        wanted = np.zeros(self.size, bool)
        wanted[codes] = True
        return order[wanted[order]]

    def _in_order(self) -> Codes:
        if self._order is None:
            names: Any = self._keys
            self._order = np.array(sorted(self._codes.values(), key=names.__getitem__), np.int64)
        return self._order

    def keep_only(self, used: NDArray[np.bool_]) -> int:
        """Take all codes back but those of `used`, a mask of shape (size,); return how many."""
        codes = self.codes()
        unused = codes[~used[codes]]
        self.forget(unused)
        return len(unused)

    def forget(self, codes: Codes) -> None:
        """Take these codes back: nothing refers to them any more, and they may be given to other keys."""
        for code, key in zip(codes.tolist(), self.keys(codes), strict=True):
            del self._codes[key]
            self._keys[code] = None
            self._free.append(code)
        if len(codes):
            self._pool.forget(codes)
            self.bytes -= int(self._lengths[codes].sum())
            self._order = None
            self._single.clear()
            self._several.clear()
            self._numbered = None


class Named(Sequence[bytes]):
    """The key bytes of codes in use, each looked up when somebody asks for it.

    Args:
        keys: of the table partition.
        codes: shape (n,).
    """

    def __init__(self, keys: KeyCodes, codes: Codes) -> None:
        """Look nothing up."""
        self._keys, self._codes = keys, codes

    def __len__(self) -> int:
        """Return n."""
        return len(self._codes)

    @overload
    def __getitem__(self, at: int) -> bytes: ...

    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...

    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        """Return one, or some."""
        found = self._keys.keys(np.atleast_1d(self._codes[at]))
        return found if isinstance(at, slice) else found[0]

    def __iter__(self) -> Iterator[bytes]:
        """Yield all."""
        return iter(self._keys.keys(self._codes))


def _any_null(columns: Sequence[Column]) -> NDArray[np.bool_] | None:
    masks = [column.null for column in columns if column.null is not None]
    return np.logical_or.reduce(masks) if masks else None


def _hashable(column: Column) -> list[Any]:
    """Return the values so that equal hashes mean equal keys: True is not 1, and what cannot be a key is None."""
    values = column.tolist()
    if column.kind == "any" and not set(map(type, values)) <= {str, int, float}:
        return [value if type(value) in (str, int, float) else None for value in values]
    return values
