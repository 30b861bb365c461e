"""Whole record batches out of an aiokafka consumer, without one object per record.

It reads the fetcher of one consumer *instance*; nothing of aiokafka is patched. What a fetch brought (`FetchResult`) is
read either here or by aiokafka's own `getmany`, never by both. Call it in the thread and loop that run the consumer,
and `keep` once before, so that the bytes of answers are there.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from cramjam import DecompressionError

from streams.transport import answers, unpacking
from streams.transport import versions as _versions  # noqa: F401 - its import is the check
from streams.transport.asking import Asking
from streams.transport.errors import ReadFailed
from streams.transport.reading import DAMAGE, Objects, read
from streams.transport.wire import is_readable, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from aiokafka import TopicPartition

    from streams.effects import Records

_DAMAGE = (*DAMAGE, ReadFailed, DecompressionError)
"""What checks, decoders and decompressors raise for bytes that are no record batch."""
MAX_BYTES = 4 << 20
MAX_RECORDS = 100_000


def take(  # noqa: PLR0913 - four bounds, all with a default
    fetcher: Any,
    partitions: Collection[TopicPartition] | None = None,
    max_bytes: int = MAX_BYTES,
    max_records: int = MAX_RECORDS,
    *,
    max_batch_bytes: int = unpacking.MAX_BYTES,
    room: int = sys.maxsize,
) -> dict[TopicPartition, Records]:
    """Take what was fetched, as whole record batches, and move the positions behind it.

    Args:
        fetcher: of a started consumer.
        partitions: those to take from; None means all.
        max_bytes: of values per partition; the batch that passes it is the last. The rest stays for the next call.
        max_records: the same, in records.
        max_batch_bytes: what the records of one batch may take when they are decompressed; those of a larger one are
            left out, and `Records.lost` says so.
        room: bytes of values in all; the partition that passes it is the last.

    Returns:
        By partition, the records of `[position, next position)`. They may be none, where all was control records.

    Raises:
        ReadFailed: a batch is damaged; what lay before it was returned by the call before.
        KafkaError: what aiokafka found while it fetched (authorization, offset out of range).
    """
    taken: dict[TopicPartition, Records] = {}
    for tp, result in ready(fetcher, partitions):
        if not isinstance(result, FetchResult):
            if taken:
                break
            drop(fetcher, tp)
            result.check_raise()
        try:
            taken[tp] = _take_one(fetcher, tp, result, (max_bytes, max_records, max_batch_bytes))
        except ReadFailed:
            if not taken:
                raise
            break  # it is fetched again, and raised by a later call
        room -= taken[tp].size()
        if room <= 0:
            break
    return taken


keep = answers.keep


def ask(fetcher: Any, least: int, wait: int, counted: Callable[[], Collection[TopicPartition]]) -> None:
    """Let requests name few partitions in a backlog (`streams.transport.asking`). Call it after `keep`, again or once.

    Args:
        fetcher: of a started consumer.
        least: bytes that a request waits for where nothing came last time.
        wait: how long at most, in ms.
        counted: returns the partitions whose answers are read, sooner or later.
    """
    tap = fetcher._client
    if tap.asking is not None:
        return

    def lag(tp: TopicPartition) -> int:
        return position(fetcher, tp).lag if tap.topics is None or tp.topic in tap.topics else 0

    tap.ask(Asking(lag, least, wait), counted)


def ready(fetcher: Any, partitions: Collection[TopicPartition] | None) -> list[tuple[TopicPartition, Any]]:
    """Return the fetched results that may be read now: none during a rebalance, none of partitions we lost."""
    if fetcher._subscriptions.reassignment_in_progress:
        return []
    found = [(tp, result) for tp, result in fetcher._records.items() if partitions is None or tp in partitions]
    for tp, result in found:
        if isinstance(result, FetchResult) and not (result.has_more() and result.check_assignment(tp)):
            drop(fetcher, tp)
    return [(tp, result) for tp, result in found if tp in fetcher._records]


async def wait(fetcher: Any, seconds: float, partitions: Collection[TopicPartition] | None = None) -> bool:
    """Wait until something more was fetched.

    Args:
        fetcher: of a started consumer.
        seconds: how long at most.
        partitions: return at once if there is something of these; None waits for what comes next in any case.

    Returns:
        Whether something came.

    Raises:
        KafkaError: the group or the authorization failed.
    """
    if partitions is not None and ready(fetcher, partitions):
        return True
    waiter = fetcher._create_fetch_waiter()
    try:
        done, _ = await asyncio.wait([waiter], timeout=seconds)
        if done:
            waiter.result()
        return bool(done)
    finally:
        waiter.cancel()


@dataclass(frozen=True, slots=True)
class Position:
    """Where a consumer stands in a partition.

    Args:
        position: the next offset it reads; None before it is known.
        highwater: the end of the log at the last fetch answer; None before the first.
        answered: wall clock of that answer, ms; None before the first.
    """

    position: int | None
    highwater: int | None
    answered: int | None

    @property
    def lag(self) -> int:
        """How many offsets it lacks, 0 where that is not known."""
        return 0 if self.position is None or self.highwater is None else max(0, self.highwater - self.position)

    @property
    def at_end(self) -> bool:
        """Whether everything was read that the last answer knew of."""
        return self.position is not None and self.highwater is not None and self.position >= self.highwater


def position(fetcher: Any, tp: TopicPartition) -> Position:
    """Return where a consumer stands; the end comes from fetch answers, which all brokers give correctly."""
    subscription = fetcher._subscriptions.subscription
    assignment = subscription.assignment if subscription else None
    if assignment is None or tp not in assignment.tps:
        return Position(None, None, None)
    state = assignment.state_value(tp)
    return Position(state.position if state.has_valid_position else None, state.highwater, state.timestamp)


class Cursor:
    """Reads one fetch result batch by batch; the consumer's position follows each batch that was read whole.

    Args:
        fetcher: of the consumer.
        tp: the partition.
        result: what was fetched of it.

    Raises:
        ReadFailed: aiokafka's own reader has begun this result.
    """

    def __init__(self, fetcher: Any, tp: TopicPartition, result: Any) -> None:
        """Look at the result; nothing is read yet."""
        self._fetcher = fetcher
        self._result = result
        self._part = result._partition_records
        self.tp = tp
        if inspect.getgeneratorstate(self._part._records_iterator) != inspect.GEN_CREATED:
            raise ReadFailed(f"{tp}: another reader has begun this fetch result")

    @property
    def position(self) -> int:
        """The next offset that is read."""
        return int(self._part.next_fetch_offset)

    def read(self, add: Callable[[Any], None]) -> bool:
        """Hand the next batch to `add`, unless it is without data, and move behind it.

        Returns:
            Whether there may be another; if not, the fetcher has been told to fetch more.

        Raises:
            ReadFailed: the batch is damaged; from there on it is fetched again.
        """
        records = self._part._records
        if records.has_next():
            try:
                self._next(records.next_batch(), add)
            except _DAMAGE as error:
                drop(self._fetcher, self.tp)
                raise ReadFailed(f"{self.tp.topic}-{self.tp.partition} at offset {self.position}: {error}") from error
            if records.has_next():
                return True
        drop(self._fetcher, self.tp)
        return False

    def _next(self, batch: Any, add: Callable[[Any], None]) -> None:
        if not batch.validate_crc():
            raise ReadFailed(f"the record batch at offset {batch.base_offset} is damaged (its checksum is wrong)")
        if not _without_data(self._part, batch):
            add(batch)
        self.move(max(batch.next_offset, self._part.next_fetch_offset))

    def move(self, offset: int) -> None:
        """Set the consumer's position."""
        self._part.next_fetch_offset = offset
        self._result._update_position()


def _take_one(fetcher: Any, tp: TopicPartition, result: Any, bounds: tuple[int, int, int]) -> Records:
    """Take from one fetch result; the bounds are those of `take`."""
    cursor = Cursor(fetcher, tp, result)
    answer = answers.of(fetcher, tp, cursor.position)
    if answer is None or not is_readable(answer):
        return _take_old(cursor, *bounds[:2])
    lo = cursor.position
    found = walk(result._partition_records, answer, *bounds)
    records = read(found, lo)
    if found.failure is not None or not found.more or found.at >= len(answer.data):
        drop(fetcher, tp)
    answer.at, answer.offset = found.at, found.position
    cursor.move(found.position)
    if found.failure is not None and found.position == lo:
        raise ReadFailed(f"{tp.topic}-{tp.partition} at offset {lo}: {found.failure}") from found.failure
    return records


def _take_old(cursor: Cursor, max_bytes: int, max_records: int) -> Records:
    """Take batches of formats 0 and 1, and what was fetched before anybody kept its bytes."""
    part, more, lo = Objects(), True, cursor.position
    while more and part.size < max_bytes and len(part) < max_records:
        try:
            more = cursor.read(part.add)
        except ReadFailed:
            if cursor.position == lo:
                raise
            break
    return part.records(lo, cursor.position)


def _without_data(part: Any, batch: Any) -> bool:
    """Return whether a batch is a control batch, or of a transaction that was aborted (under read_committed)."""
    if part._isolation_level == READ_COMMITTED and batch.producer_id is not None:
        part._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and part._contains_abort_marker(batch):
            part._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in part._aborted_producers:
            return True
    return bool(batch.is_control_batch)


def drop(fetcher: Any, tp: TopicPartition) -> None:
    """Forget a fetch result and wake the fetcher."""
    answers.forget(fetcher, tp)
    result = fetcher._records.pop(tp)
    part = getattr(result, "_partition_records", None)
    if part is not None:
        # Its generator refers to it in turn: without this the fetched bytes stay until the garbage collector runs.
        part._records_iterator.close()
    fetcher._notify(fetcher._wait_consume_future)
