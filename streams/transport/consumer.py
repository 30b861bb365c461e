"""Faust's consumer, in batches: whole fetched record batches go to the agent of their stream as one event.

Faust reads one record at a time on its main loop (about 250 us each). Here a topic that a stream declares is read by
`streams.transport.fetch` in the consumer's thread, and one message carries all records of one take. Ranges of offsets
are released by the runtime when everything they caused is acknowledged; the commit is what was released. Other topics
of the app (stock agents) keep Faust's own path.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import aiokafka
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import Service
from mode.utils.logging import get_logger

from streams.settings import ANSWER_BYTES, FETCH_BYTES
from streams.transport import group, unpacking
from streams.transport.bell import Bell
from streams.transport.errors import TransportError, Unreachable
from streams.transport.producer import WaitingProducer
from streams.transport.pump import Pump

logger = get_logger(__name__)

RETRY = 1.0
"""Seconds after a fetch that failed."""
FLOW_INTERVAL = 0.02
"""Seconds between looks at whether a rebalance is over."""
LEAVE_TIMEOUT = 3.0
"""Seconds that leaving the group may take."""
COMMIT_TIMEOUT = 3.0
"""Seconds that a commit may take; a broker that is away must hold up neither a rebalance nor the end of the worker."""


def _told_briefly(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody waits for any more; an error of Kafka's (a commit that was given up) in one line.

    aiokafka shields a commit from being cancelled: after `COMMIT_TIMEOUT` it goes on alone, and may fail alone.
    """
    error = context.get("exception")
    if isinstance(error, KafkaError):
        logger.warning("the broker refused what was given up before: %r", error)
    else:
        loop.default_exception_handler(context)


class BatchThread(driver.AIOKafkaConsumerThread):
    """The thread that owns the aiokafka consumer."""

    consumer: BatchConsumer

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        for name, value in self.consumer.fetch_settings.items():
            setattr(consumer, f"_{name}", value)
        self._assignor = self.consumer.app.assignor
        consumer._partition_assignment_strategy = [self._assignor]  # also while the app has no tables
        self._nudged = Bell()
        asyncio.get_running_loop().set_exception_handler(_told_briefly)
        return consumer

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Stop fetching our partitions until the runtime has restored them and says where to read."""
        ours = [tp for tp in assigned if self.consumer.owns(tp)]
        if ours:
            self._ensure_consumer().pause(*map(_aiokafka_tp, ours))
        await super().on_partitions_assigned(assigned, generation_id)

    def join_again(self) -> None:
        """Ask the group for a new assignment; call it in this thread."""
        self._ensure_consumer()._coordinator.request_rejoin()

    async def on_thread_stop(self) -> None:
        """Leave the group; a broker that is away must not keep the worker from ending.

        aiokafka's own tasks, cancelled while they wait for a broker, throw that cancellation back at us.
        """
        try:
            await asyncio.wait_for(super().on_thread_stop(), LEAVE_TIMEOUT)
        except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
            logger.warning("the group was not left in order, it will notice by the session timeout: %r", error)

    def nudge(self) -> None:
        """Say from the main thread that other partitions are wanted now."""
        self.thread_loop.call_soon_threadsafe(self._nudged.ring)

    async def in_thread(self, coroutine: Any) -> Any:
        """Run a coroutine in the consumer's thread and wait for it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.thread_loop))

    async def fetched(self, fetcher: Any, seconds: float) -> None:
        """Wait until more was fetched, or other partitions are wanted; call it in this thread.

        Raises:
            KafkaError: the group or the authorization failed.
        """
        waiter = fetcher._create_fetch_waiter()
        waiter.add_done_callback(lambda done: None if done.cancelled() else self._nudged.ring())
        try:
            await self._nudged.wait(seconds)
            if waiter.done():
                waiter.result()
        finally:
            waiter.cancel()

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit; a broker that is away must not end the worker: what was released is committed the next time."""
        consumer = self._ensure_consumer()
        try:
            here = {_aiokafka_tp(tp): offset for tp, offset in offsets.items() if tp in self.assignment()}
            done = consumer.commit({tp: aiokafka.structs.OffsetAndMetadata(offset, "") for tp, offset in here.items()})
            await asyncio.wait_for(done, COMMIT_TIMEOUT)
        except (KafkaError, TimeoutError) as error:
            logger.warning("commit did not succeed and is tried again: %s", error)
            return False
        return True


class BatchConsumer(driver.Consumer):
    """Faust's consumer with batch topics beside the stock ones."""

    fetch_settings: ClassVar[dict[str, int]] = {
        "fetch_min_bytes": 1,
        "fetch_max_wait_ms": 500,
        "fetch_max_bytes": ANSWER_BYTES,
        "max_partition_fetch_bytes": FETCH_BYTES,
    }
    """Settings of the aiokafka consumer that Faust hard-codes or does not know."""
    max_take_bytes = 8 << 20
    max_fetch_bytes: int | None = None
    """What an answer may hold of one partition; None is what the settings say."""
    max_batch_bytes = unpacking.MAX_BYTES
    """What the records of one fetched batch may take when they are decompressed."""
    app: Any
    _thread: BatchThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._released: dict[TP, int] = {}
        super().__init__(*args, **kwargs)
        self.wanted: Callable[[], set[TP]] = set
        self.running: Callable[[], set[TP]] = set
        self.behind: Callable[[], bool] = bool
        self.busy: Callable[[], bool] = bool
        self.room: Callable[[], int] = lambda: sys.maxsize
        self.drained: Callable[[], Any] | None = None

    @property
    def batch_topics(self) -> frozenset[str]:
        """Topics that streams of the declaration read."""
        return frozenset(self.app.batch_topics)

    @property
    def changelogs(self) -> frozenset[str]:
        """Changelog topics of declared tables: assigned with their source, never fetched by this consumer."""
        return frozenset(self.app.cell_changelogs)

    def nudge(self) -> None:
        """Say that other partitions are wanted now."""
        self._thread.nudge()

    def owns(self, tp: TP) -> bool:
        """Return whether the runtime, not Faust, decides where this partition is read."""
        return tp.topic in self.batch_topics or tp.topic in self.changelogs

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    @Service.task
    async def _watch_group(self) -> None:
        await group.watch(self, self._thread)

    def join_again(self) -> None:
        """Ask the group for a new assignment; call it in the consumer's thread."""
        self._thread.join_again()

    def ask_again(self) -> None:
        """Ask the group for a new assignment; call it in the main thread."""
        self._thread.thread_loop.call_soon_threadsafe(self._thread.join_again)

    def _set_active_tps(self, tps: set[TP]) -> set[TP]:
        return super()._set_active_tps({tp for tp in tps if not self.owns(tp)})

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Resume stock partitions; the runtime starts ours."""
        super().resume_partitions({tp for tp in tps if not self.owns(tp)})

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek stock partitions to their commit; ours are sought by the runtime, to their progress."""
        stock = [tp for tp in self.assignment() if not self.owns(tp)]
        found: dict[TP, int] = {}
        for tp in stock:
            offset = await self.committed(tp)
            if offset is not None:
                await self._seek(tp, offset)
                found[tp] = offset
        return found

    async def committed(self, tp: TP) -> int | None:
        """Return the group's committed offset of a partition, None if there is none."""
        consumer = self._thread._ensure_consumer()
        found: int | None = await self._asked(
            consumer.committed(_aiokafka_tp(tp)), f"the commit of {tp.topic}-{tp.partition}"
        )
        return found

    async def _asked(self, question: Any, what: str) -> Any:
        try:
            return await self._thread.in_thread(question)
        except KafkaError as error:
            raise Unreachable(f"Kafka does not tell {what}: {error!r}") from error

    async def beginning(self, tp: TP) -> int:
        """Return the first offset that the partition still has."""
        found = await self._offsets(tp, "beginning_offsets")
        return int(found)

    async def end(self, tp: TP) -> int:
        """Return the partition's end (by ListOffsets; the embedded broker answers too low)."""
        found = await self._offsets(tp, "end_offsets")
        return int(found)

    async def _offsets(self, tp: TP, method: str) -> int:
        consumer = self._thread._ensure_consumer()
        asked = getattr(consumer, method)([_aiokafka_tp(tp)])
        found = await self._asked(asked, f"the {method.replace('_', ' ')} of {tp.topic}-{tp.partition}")
        return int(found[_aiokafka_tp(tp)])

    async def start_at(self, tp: TP, offset: int) -> None:
        """Seek a batch partition and let it be fetched."""

        async def seek() -> None:
            consumer = self._thread._ensure_consumer()
            consumer.seek(_aiokafka_tp(tp), offset)
            consumer.resume(_aiokafka_tp(tp))

        await self._thread.in_thread(seek())
        self._released[tp] = offset
        self._committed_offset[tp] = None

    def caught_up(self, tp: TP, position: int) -> float | None:
        """Return when (wall clock, seconds) a fetch was last answered, if nothing is beyond `position`; else None."""
        consumer = self._thread._ensure_consumer()
        assignment = consumer._subscription.subscription and consumer._subscription.subscription.assignment
        if not assignment or _aiokafka_tp(tp) not in assignment.tps:
            return None
        state = assignment.state_value(_aiokafka_tp(tp))
        if state.highwater is None or state.timestamp is None or state.highwater > position:
            return None
        return float(state.timestamp) / 1000

    def highwater(self, tp: TP) -> int | None:  # type: ignore[override] # faust says int, aiokafka answers None too
        """Return the last known end of the partition, None before the first fetch."""
        consumer = self._thread._ensure_consumer()
        try:
            found: int | None = consumer.highwater(_aiokafka_tp(tp))
        except (AssertionError, KeyError, AttributeError):
            return None
        return found

    def release(self, tp: TP, hi: int) -> None:
        """Say that everything before offset `hi` is done; it may be committed."""
        self._released[tp] = hi

    def committed_here(self, tp: TP) -> int | None:
        """Return what this worker committed last."""
        return self._committed_offset[tp]

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        yield from super()._filter_tps_with_pending_acks(topics)
        for tp in list(self._released):
            if topics is None or tp in topics or tp.topic in topics:
                yield tp

    def _new_offset(self, tp: TP) -> int | None:
        return self._released.get(tp) if self.owns(tp) else super()._new_offset(tp)

    def _should_commit(self, tp: TP, offset: int) -> bool:
        if not self.owns(tp):
            return super()._should_commit(tp, offset)
        return offset != self._committed_offset[tp]

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002 - faust's signature
        before = {tp: self._committed_offset[tp] for tp in offsets}
        done = await super()._commit_offsets(offsets, start_new_transaction)
        if not done:
            self._committed_offset.update(before)
        return done

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget what was released only after it was committed."""
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._released.pop(tp, None)

    async def wait_empty(self) -> None:
        """Let the batches that are being processed end, within the runtime's deadline, then commit."""
        if self.drained is not None:
            await self.drained()
        await self.commit_and_end_transactions()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Look for stuck stock partitions only; ours are watched by their lag."""
        if not self.owns(tp):
            super().verify_event_path(now, tp)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Read stock and batch topics until Faust's fetcher stops; its cancelling us at the end is no error."""
        try:
            await asyncio.gather(super()._drain_messages(fetcher), self._drain_batches(fetcher))
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def _drain_batches(self, fetcher: Any) -> None:
        def going() -> bool:
            return self.flow_active and not ended()

        def ended() -> bool:
            return bool(self._stopped.is_set() or fetcher._stopped.is_set())

        while not ended():
            if not self.flow_active:
                await asyncio.sleep(FLOW_INTERVAL)
                continue
            try:
                await Pump(self, self._thread, going).run()
            except (KafkaError, TransportError) as error:
                logger.warning("fetching failed and is tried again: %s", error)
                await asyncio.sleep(RETRY)
            except Exception:
                logger.exception("fetching failed for a reason that is not foreseen; it is tried again")
                await asyncio.sleep(RETRY)

    async def hand_over(self, message: ConsumerMessage) -> None:
        """Put a message into the queue of its agent, unless a rebalance comes in between."""
        handing = asyncio.ensure_future(self.callback(message))
        await asyncio.sleep(0)
        if handing.done():  # always, but in a rebalance, or where the agent is far behind
            handing.result()
        else:
            await self.wait_first(handing, self.suspend_flow.wait())


class BatchTransport(driver.Transport):
    """Faust's aiokafka transport with the batch consumer."""

    Consumer = BatchConsumer
    Producer = WaitingProducer


def _aiokafka_tp(tp: TP) -> aiokafka.TopicPartition:
    return aiokafka.TopicPartition(tp.topic, tp.partition)
