"""Changelog records of one table partition: their keys and values. The local store mirrors the compacted changelog.

| key | value |
|---|---|
| `c` pane first key-bytes | a cell: n and the aggregates' state |
| `a` rule NUL key-bytes | the state of an alert |
| `o` index | an event that write n owes (an outbox slot; only those with n = progress.n count) |
| `p` | progress |
| `f` | the claim of an owner |
| `u` n | the ids of the rows that write n counted, each with its event time, 24 bytes each |
| `s` number | a shape of the state: what its cells mean, and how they are laid out |

In tables with windows that follow the rows, `pane` is a drawer, `first` is 0, and the key bytes are a name; see
`tables.unaligned.names`.

Keys sort by pane first, so that the cells of a window lie together and those that expire do too.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import NamedTuple

import msgspec

PROGRESS = b"p"
CLAIM = b"f"
CELL = b"c"
ALERT = b"a"
OUTBOX = b"o"
SHAPE = b"s"
IDS = b"u"
_GROUP = struct.Struct(">cQQ")
GROUP_BYTES = _GROUP.size
"""Length of what the keys of a group's cells begin with."""
_SIGN = 1 << 63
NEVER = -(1 << 62)
"""The watermark of an input in which nothing was seen."""


def group_prefix(pane: int, first: int) -> bytes:
    """Return what the keys of all cells of a pane that count from window `first` on begin with (17 bytes)."""
    return _GROUP.pack(CELL, pane + _SIGN, first + _SIGN)


def cell_key(pane: int, first: int, key: bytes) -> bytes:
    """Return the changelog key of a cell; `pane` and `first` are pane and window numbers."""
    return group_prefix(pane, first) + key


def split_cell_key(record_key: bytes) -> tuple[int, int, bytes]:
    """Return (pane, first, key bytes) of a cell's changelog key."""
    _, pane, first = _GROUP.unpack_from(record_key)
    return pane - _SIGN, first - _SIGN, record_key[_GROUP.size :]


def alert_key(rule: str, key: bytes) -> bytes:
    """Return the changelog key of the state of one rule's alert for one table key."""
    return ALERT + rule.encode() + b"\0" + key


def split_alert_key(record_key: bytes) -> tuple[str, bytes]:
    """Return (rule, table key) of an alert state's changelog key."""
    rule, _, key = record_key[1:].partition(b"\0")
    return rule.decode(), key


def outbox_key(index: int) -> bytes:
    """Return the changelog key of the `index`-th event of a write."""
    return OUTBOX + struct.pack(">I", index)


class Origin(msgspec.Struct, array_like=True):
    """What a table partition knows of one input partition: last offset folded, watermark, whether it is silent."""

    z: int
    watermark: int = NEVER
    idle: bool = False


class Progress(msgspec.Struct):
    """How far a table partition has come: the last record of every write.

    Args:
        n: number of the write.
        origins: by input partition, `topic-partition`.
        watermark: the table's own, ms; it never goes back.
        judged: (window number, key): everything up to it is judged. The key is `=` and the latin-1 text of its bytes;
            empty text is before every key.
        before: `judged` at the write before.
        withdrawn: (window number, key), as `judged`: up to it emitted rows have expired and were withdrawn.
        withdrawn_before: `withdrawn` at the write before.
        shown: numbers of the last two writes with which gathered updates of rows went out.
        fingerprint: of the declared table whose state this is.
        base: of the generation that it is: tables with another base cannot go on with it.
        shape: number of the shape in which it is written.
        owner: the claim under which it was written; no two claims are equal.
        producer: the producer id under which it was written; -1 where the broker cannot fence, or an older version
            wrote it.
        floor: changelog offset from which on the log holds everything that is alive.
        rewritten: wall clock, ms, at which everything that is alive was written again; 0 is never.
        blocks: the last two writes that closed windows: the one before, and the last one. Tables that read this one
            were told of them.
    """

    n: int = 0
    origins: dict[str, Origin] = msgspec.field(default_factory=dict)
    watermark: int = NEVER
    judged: tuple[int, str] = (NEVER, "")
    before: tuple[int, str] = (NEVER, "")
    withdrawn: tuple[int, str] = (NEVER, "")
    withdrawn_before: tuple[int, str] = (NEVER, "")
    shown: tuple[int, int] = (0, 0)
    fingerprint: str = ""
    base: str = ""
    shape: int = 0
    owner: str = ""
    producer: int = -1
    floor: int = 0
    rewritten: int = 0
    blocks: tuple[int, int] = (0, 0)

    @property
    def silent_watermark(self) -> int:
        """The watermark, ms, from which the clock goes on where all inputs are silent; `NEVER` if nothing was seen.

        An input without any record may have been the last to be silent, and have held the table's own back until then.
        """
        seen = [origin.watermark for origin in self.origins.values() if origin.watermark > NEVER]
        return max(self.watermark, min(seen, default=NEVER))

    def encode(self) -> bytes:
        """Return the record value."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, value: bytes) -> Progress:
        """Return the progress that a record value says."""
        return msgspec.json.decode(value, type=cls)


class Record(NamedTuple):
    """One changelog record; a value of None is a tombstone."""

    key: bytes
    value: bytes | None


as_record = partial(tuple.__new__, Record)
"""Make a record of (key, value), without a call of Python as `Record._make` is."""
