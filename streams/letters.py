"""Dead letters and late rows: the original records with headers that say what happened (KIP-1034's names)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams import reasons
from streams.effects import Event

if TYPE_CHECKING:
    from streams.effects import Lost, Records

REASON = "__streams.errors.exception"
MESSAGE = "__streams.errors.message"
TOPIC = "__streams.errors.topic"
PARTITION = "__streams.errors.partition"
OFFSET = "__streams.errors.offset"
TRUNCATED = "__streams.errors.truncated"
"""How many bytes the value has that is left out, for the letter's topic does not take it."""
LATE = "late"
"""The reason code of a row that was late for all its windows, in the late topic."""


def letter(  # noqa: PLR0913 - a letter says this much
    records: Records, index: int, *, to: str, topic: str, partition: int, reason: str, message: str
) -> Event:
    """Return the event that carries one fetched record on, with its original key and value bytes.

    Args:
        records: as fetched.
        index: of the record among them.
        to: topic of the letter.
        topic: where the record came from.
        partition: of that topic.
        reason: a code of `streams.reasons`, or `late`.
        message: a sentence for people.
    """
    headers = _headers(reason, message, topic, partition, int(records.offsets[index]))
    return Event(to, records.key(index), records.values[index], headers)


def lost_letter(lost: Lost, to: str, topic: str, partition: int) -> Event:
    """Return the event that stands for all records of a batch that was left out; it has neither key nor value.

    Args:
        lost: the batch.
        to: topic of the letter.
        topic: where the batch lies.
        partition: of that topic.
    """
    message = f"{lost.count} records, offsets {lost.lo} to {lost.hi - 1}, were left out: {lost.message}"
    headers = _headers(reasons.BATCH_TOO_LARGE, message, topic, partition, lost.lo)
    return Event(to, None, None, (*headers, (TRUNCATED, b"%d" % lost.size)))


def _headers(reason: str, message: str, topic: str, partition: int, offset: int) -> tuple[tuple[str, bytes], ...]:
    named = ((REASON, reason), (MESSAGE, message), (TOPIC, topic), (PARTITION, str(partition)), (OFFSET, str(offset)))
    return tuple((name, text.encode(errors="replace")) for name, text in named)
