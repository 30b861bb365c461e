"""How the cells of unaligned windows are named in changelog and store.

A cell's key is `c`, the drawer that it lies in, 0, and then the key bytes and the cell's first time. A drawer holds the
cells that end within `drawer` ms, so that those that expire lie together: (drawer, 0) is what (pane, first) is for
panes. Within a drawer cells are in the order of their keys, and then of time: a zero byte in a key is written as two
bytes, 0 and 255, and two zero bytes end it.
"""

from __future__ import annotations

import struct

from tables.records import group_prefix

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


def named(drawer: int, key: bytes, first: int) -> bytes:
    """Return the changelog key of a cell.

    Args:
        drawer: number of the drawer.
        key: key bytes.
        first: the cell's first time, ms.
    """
    return group_prefix(drawer, 0) + of_key(key) + _TIME.pack(first + _SIGN)


def split(name: bytes) -> tuple[bytes, int]:
    """Return key bytes and first time of a name without the drawer's prefix."""
    key = name[:-NAME_BYTES]
    return key.replace(_ESCAPED, _ZERO) if _ZERO in key else key, _TIME.unpack_from(name, len(name) - 8)[0] - _SIGN


def named_from(drawer: int, key: bytes, time: int, counts: int) -> bytes:
    """Return the changelog key of a cell of sliding windows.

    Args:
        drawer: number of the drawer.
        key: key bytes.
        time: of the cell's rows, ms.
        counts: the least end of a window that they count in, ms.
    """
    return group_prefix(drawer, 0) + of_key(key) + _TIMES.pack(time + _SIGN, counts + _SIGN)


def split_from(name: bytes) -> tuple[bytes, int, int]:
    """Return key bytes, time and `counts` of such a name without the drawer's prefix."""
    key, _ = split(name[: -_TIME.size])
    time, counts = _TIMES.unpack_from(name, len(name) - _TIMES.size)
    return key, time - _SIGN, counts - _SIGN
