"""How the cells of unaligned windows are named in changelog and store.

A cell's key is `c`, the drawer that it lies in, 0, and then the key bytes and the cell's first time. A drawer holds the
cells that end within `drawer` ms, so that those that expire lie together: (drawer, 0) is what (pane, first) is for
panes. Within a drawer cells are in the order of their keys, and then of time: a zero byte in a key is written as two
bytes, 0 and 255, and two zero bytes end it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from tables.records import group_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_ZERO, _ESCAPED, _END = b"\0", b"\0\xff", b"\0\0"
_TIME = struct.Struct(">Q")
_TIMES = struct.Struct(">QQ")
_SIGN = 1 << 63
NAME_BYTES = len(_END) + _TIME.size
"""What a name takes besides the drawer's prefix and the key's bytes, of which no more than half may be escapes."""


def escaped(key: bytes) -> bytes:
    """Return key bytes so that names sort as keys do."""
    return key.replace(_ZERO, _ESCAPED) if _ZERO in key else key


def of_key(key: bytes) -> bytes:
    """Return what the names of all cells of a key begin with, in any drawer."""
    return escaped(key) + _END


def after_key(key: bytes) -> bytes:
    """Return what comes after all names of a key, and before those of the next key."""
    return escaped(key) + b"\0\1"


def named(drawers: Ints, keys: Sequence[bytes], *times: Ints) -> list[bytes]:
    """Return the changelog keys of n cells.

    Args:
        drawers: shape (n,), number of the drawer of each.
        keys: key bytes of each.
        times: shape (n,) each: the first time of each cell, ms; of a cell of sliding windows the time of its rows, and
            the least end of a window that they count in.
    """
    signed = np.stack(times, axis=1).astype(np.int64) ^ np.int64(-_SIGN)
    tails = signed.astype(">i8").view(f"V{_TIME.size * len(times)}").ravel().tolist()
    inside = map(escaped, keys) if _ZERO in b"".join(keys) else keys
    heads = {drawer: group_prefix(drawer, 0) for drawer in set(drawers.tolist())}
    each = zip(drawers.tolist(), inside, tails, strict=True)
    return [heads[drawer] + key + _END + tail for drawer, key, tail in each]


def split(name: bytes) -> tuple[bytes, int]:
    """Return key bytes and first time of a name without the drawer's prefix."""
    key = name[:-NAME_BYTES]
    return key.replace(_ESCAPED, _ZERO) if _ZERO in key else key, _TIME.unpack_from(name, len(name) - 8)[0] - _SIGN


def split_from(name: bytes) -> tuple[bytes, int, int]:
    """Return key bytes, time and `counts` of such a name without the drawer's prefix."""
    key, _ = split(name[: -_TIME.size])
    time, counts = _TIMES.unpack_from(name, len(name) - _TIMES.size)
    return key, time - _SIGN, counts - _SIGN
