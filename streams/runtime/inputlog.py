"""Whether the log of an input goes on where it was read to: it may lose its beginning or its end, or be made anew.

Where an offset is not in the log, aiokafka goes to `auto.offset.reset` and says nothing. What is read then lies before
what was read already, and would be passed over as if it were known; or, where nothing comes, nobody would notice.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from streams.transport.errors import InputReplaced, Unreachable

if TYPE_CHECKING:
    from faust.types import TP

    from streams.effects import Records
    from streams.runtime.runtime import Runtime

log = logging.getLogger(__name__)


class InputLog:
    """What is known of one input partition's log.

    Args:
        runtime: what all partitions of the worker share.
        tp: the partition.
        origin: its name, `topic-partition`.
    """

    def __init__(self, runtime: Runtime, tp: TP, origin: str) -> None:
        self._runtime, self._tp, self._origin = runtime, tp, origin
        self._sought: list[int] = []
        self._came: int | None = None
        self._odd: float | None = None
        self._replaced = ""

    def sought(self, offset: int) -> None:
        """Note that reading was begun at an offset; what was fetched before may still come."""
        self._sought = [*self._sought[-1:], offset]
        self._odd = None

    def took(self, records: Records) -> None:
        """Look where a fetched batch lies: it follows on the one before, or begins where reading was begun."""
        known = min(self._sought, default=self._came)
        if records.lo in self._sought:
            self._sought = self._sought[self._sought.index(records.lo) + 1 :]
        elif known is not None and records.lo < known:
            self._replace(f"it was read on at offset {records.lo}, though it was read up to {known}")
        self._came = records.hi

    def check(self) -> None:
        """See that the log is the one that was read.

        Raises:
            InputReplaced: it is not.
        """
        if self._replaced:
            raise InputReplaced(self._replaced)

    async def lost(self, position: int) -> bool:
        """Return whether the log has lost what is to be read next; to be asked while nothing comes.

        A broker that does not answer is asked again later: an outage is no reason to stop.

        Args:
            position: the next offset.

        Raises:
            InputReplaced: it ends before that.
        """
        end, now = self._runtime.consumer.highwater(self._tp), time.monotonic()
        if end is None or end == position:
            self._odd = None
            return False
        self._odd = self._odd or now
        if now - self._odd < self._runtime.answer_timeout:
            return False
        self._odd = None
        try:
            await self.reaches(position)
            return end > position and await self._runtime.consumer.beginning(self._tp) > position
        except Unreachable:
            return False

    async def reaches(self, position: int) -> None:
        """See that the log does not end before what is to be read next.

        Args:
            position: the next offset.

        Raises:
            InputReplaced: it does.
            Unreachable: the broker does not answer.
        """
        end = self._runtime.consumer.highwater(self._tp)
        if end is not None and end < position:  # a new leader may know of less for a moment
            end = max(end, await self._runtime.consumer.end(self._tp))
            if end < position:
                self._replace(f"it ends at offset {end}, though it was read up to {position}")
        self.check()

    def _replace(self, why: str) -> None:
        self._replaced = self._replaced or (
            f"{self._origin} is not the log that was read: {why}. Was the topic deleted and made anew, or did its "
            f"brokers lose its end? Nothing more is counted, since records would be passed over. `streams reset` "
            f"starts the app over with the topic as it is now"
        )

    def say_deleted(self, start: int, begin: int) -> None:
        """Say that the log has lost what is to be read next, and count it.

        Args:
            start: the next offset.
            begin: the first that the log has.
        """
        self._runtime.stats.deleted += begin - start
        log.error(
            "%s: offsets %d to %d were deleted from the topic before they were read (is its retention shorter than we "
            "were away?); what they held is missing in the tables; reading goes on at %d",
            self._origin,
            start,
            begin - 1,
            begin,
        )
