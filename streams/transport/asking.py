"""What a fetch asks for: in a backlog of many partitions, much of a few of them at a time.

A broker fills an answer from the partitions that are named first (KIP-74), and aiokafka names all that it has nothing
of: each of them costs both sides something in every request, and most bring nothing. It also goes on until it has
something of all of them. So a fetch names those that were read to their end, which cost nothing and must not wait, and
of the others as many as fill an answer; and it waits where enough lies here unread.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Part = tuple[int, int, int]
    """A partition as a request has it: number, offset, bytes at most."""

KEPT_BYTES = 24 << 20
"""What may lie here unread; more only by one answer."""
RECORD_BYTES = 64
"""What a record takes, about: so much is expected for each that a partition lacks."""


class Asking:
    """Cuts the fetch requests of one consumer.

    Args:
        lag: returns how many offsets a partition lacks, by the last answer; 0 where that is not known yet, and of
            partitions that are always asked for.
        least: bytes that a request waits for where nothing came last time.
        wait: how long at most, in ms.
    """

    def __init__(self, lag: Callable[[TopicPartition], int], least: int, wait: int) -> None:
        """Know of no answers."""
        self._lag = lag
        self._patient = wait, least
        self._turns: dict[TopicPartition, int] = {}
        self._count = itertools.count(1)
        self._silent: set[Any] = set()

    def cut(self, node: Any, request: Any, kept: int) -> None:
        """Leave out of a request what would bring nothing, and be patient where nothing came.

        Args:
            node: that is asked.
            request: aiokafka's, not sent yet.
            kept: bytes that lie here unread.
        """
        parts = {TopicPartition(topic, part[0]): part for topic, parts in request.topics for part in parts}
        request._topics = _by_topic({tp: parts[tp] for tp in self._chosen(parts, request._max_bytes, kept)})
        if node in self._silent and not kept:
            request._max_wait_ms, request._min_bytes = self._patient

    def answered(self, node: Any, size: int) -> None:
        """Take how many bytes of records an answer has brought."""
        if size:
            self._silent.discard(node)
        else:
            self._silent.add(node)

    def _chosen(self, parts: Mapping[TopicPartition, Part], most: int, kept: int) -> list[TopicPartition]:
        """Return the partitions to name: of those that lack something, first who was named longest ago.

        Who was never named comes in the order of the request: each order that is left to chance would be another run.
        """
        lags = {tp: self._lag(tp) for tp in parts}
        chosen = [tp for tp in parts if not lags[tp]]
        expected, most = 0, min(most, KEPT_BYTES - kept)
        for tp in sorted(filter(lags.get, parts), key=lambda tp: self._turns.get(tp, 0)):
            chosen.append(tp)
            self._turns[tp] = next(self._count)
            expected += min(parts[tp][2], lags[tp] * RECORD_BYTES)
            if expected >= most:
                break
        return chosen


def _by_topic(parts: Mapping[TopicPartition, Part]) -> list[tuple[str, list[Part]]]:
    found: dict[str, list[Part]] = {}
    for tp, part in parts.items():
        found.setdefault(tp.topic, []).append(part)
    return list(found.items())
