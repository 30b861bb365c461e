"""The changelog write that is being filled: what changed since the one before, and whether more fits."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from streams.effects import Event
from tables.records import OUTBOX, Record, as_record, outbox_key

if TYPE_CHECKING:
    from streams.rules.rule import Change
    from tables.ids import Marks
    from tables.store import Store

_NUMBER = struct.Struct("<Q")
RECORD_BYTES = 24
"""What Kafka adds to a record of a batch, at most."""
_SLOTS: list[bytes] = []
"""Keys of the outbox, as many as any write has needed."""
_pack = msgspec.msgpack.Encoder().encode
_Slot = tuple[str, bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]
_unpack = msgspec.msgpack.Decoder(_Slot).decode


@dataclass(slots=True)
class Draft:
    """What the next write holds besides cells and progress.

    Args:
        states: records of alert states by record key; None is a tombstone.
        owed: alert events, encoded for the outbox, with the events themselves.
        rows: emitted rows.
        letters: dead letters and late rows.
        closed: how many rows of closed windows go to tables that read this one.
        ids: of the rows that are counted.
        size: bytes of `states` and `owed` as records.
    """

    states: dict[bytes, bytes | None] = field(default_factory=dict)
    owed: list[tuple[Event, bytes]] = field(default_factory=list)
    rows: list[Event] = field(default_factory=list)
    letters: list[Event] = field(default_factory=list)
    closed: int = 0
    ids: list[Marks] = field(default_factory=list)
    size: int = 0

    def __bool__(self) -> bool:
        """Return whether there is anything in it."""
        return bool(self.states or self.owed or self.rows or self.letters)

    @property
    def records(self) -> int:
        """How many changelog records it makes."""
        return len(self.states) + len(self.owed) + bool(self.ids)

    @property
    def id_bytes(self) -> int:
        """How many bytes the record of the ids takes."""
        return sum(each.nbytes for each in self.ids)

    def put(self, key: bytes, value: bytes | None) -> None:
        """Add the record of an alert's state."""
        self.states[key] = value
        self.size += RECORD_BYTES + len(key) + len(value or b"")

    def change(self, change: Change) -> None:
        """Add what a judgement changed."""
        if change.saved:
            value = None if change.after is None else change.after.encode()
            self.put(change.rule.prefix + change.key, value)
        for _, event in change.events:
            packed = _pack((event.topic, event.key, event.value, event.headers))
            self.owed.append((event, packed))
            self.size += 2 * RECORD_BYTES + len(packed)

    def encode(self, n: int) -> list[Record]:
        """Return the records of write `n`: states by key, then the outbox.

        The outbox's keys are the events' numbers within the write, so that the next write replaces them; the value
        says n, and after a restore only those of the last write count.
        """
        number = _NUMBER.pack(n)
        _SLOTS.extend(map(outbox_key, range(len(_SLOTS), len(self.owed))))
        owed = zip(_SLOTS, [number + packed for _, packed in self.owed], strict=False)
        return [*map(as_record, sorted(self.states.items())), *map(as_record, owed)]


def outbox(store: Store, n: int) -> list[Event]:
    """Return the alert events that write `n` owes, from the store."""
    found = [value for _, value in store.scan(OUTBOX) if _NUMBER.unpack_from(value)[0] == n]
    return [Event(*_unpack(value[_NUMBER.size :])) for value in found]
