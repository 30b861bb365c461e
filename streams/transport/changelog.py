"""Reading a changelog partition in bulk, and taking it over: fence, then restore."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest

from streams.transport import recordbatch
from streams.transport.appender import DELIVERY_SECONDS
from streams.transport.client import BACKOFF_SECONDS, Client
from streams.transport.errors import ReadFailed, Unreachable
from streams.transport.produce import Claim
from tables.chunk import Chunk
from tables.recovery import OffsetsGone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from types import TracebackType

    from streams.transport.produce import FencedWriter
    from tables.recovery import RestoreResult

log = logging.getLogger(__name__)
T = TypeVar("T")
FETCH_BYTES = 4 << 20
"""The most that one answer brings, but for a single batch that is larger. One is in work, and one on its way."""
STALL_SECONDS = 60.0
_PARSING = ThreadPoolExecutor(1, "parse")
"""Parses for all restores of a worker: whole arrays leave the interpreter to the thread that fills cells or stores."""
_WAIT_MS = 100
_UNCOMMITTED = 0
_EARLIEST = -2
_LATEST = -1
_FOLLOWER = -1


class ChangelogReader:
    """Reads one changelog partition over a connection of its own, outside of every group.

    Args:
        settings: aiokafka's connection arguments.
        topic: the changelog.
        partition: of it.
    """

    def __init__(self, settings: Mapping[str, Any], topic: str, partition: int) -> None:
        """Keep the arguments; `async with` connects."""
        self._client = Client(settings)
        self._topic, self._partition = topic, partition
        self.earliest = 0
        """The first offset that the log has, as it was when reading began."""
        self.end = 0
        """The offset after the last record, as the last answer said (the high watermark)."""

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            Unreachable: no broker answered.
        """
        await self._client.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._client.stop()

    async def read(self, start: int | None, until: int) -> AsyncIterator[Chunk]:
        """Yield the records from `start` (None: the first there is) until the position is `until` or more.

        Raises:
            OffsetsGone: the log does not have the offset `start`.
            ReadFailed: a batch is damaged, or nothing came for a minute though the log should go on.
        """
        position = await self._begin(start)
        asked = asyncio.ensure_future(self._fetch(position)) if position < until else None
        moved = time.monotonic()
        try:
            while asked is not None:
                answer = await asked
                found, asked = list(recordbatch.batches(answer, until)), None
                began, position = position, found[-1].head.next_offset if found else position
                if position < until:
                    asked = asyncio.ensure_future(self._fetch(position))
                if found:
                    moved = time.monotonic()
                else:
                    self._stalled(position, until, time.monotonic() - moved)
                async for chunk in self._chunks(answer, found, began):
                    yield chunk
        finally:
            if asked is not None:
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)

    async def _chunks(self, answer: bytes, found: list[recordbatch.Batch], start: int) -> AsyncIterator[Chunk]:
        """Yield the records of an answer: while a part of it is in work, the next is parsed."""
        loop, ahead = asyncio.get_running_loop(), deque[asyncio.Future["Chunk"]]()
        try:
            for part in recordbatch.portions(found):
                ahead.append(loop.run_in_executor(_PARSING, recordbatch.parsed, answer, part, start))
                if len(ahead) > 1:
                    yield await self._parsed(ahead.popleft())
            while ahead:
                yield await self._parsed(ahead.popleft())
        finally:
            for each in ahead:
                each.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    async def _parsed(self, part: Awaitable[Chunk]) -> Chunk:
        try:
            return await part
        except ReadFailed as error:
            raise ReadFailed(f"{self._name} at {self._client.address}: {error}") from error

    async def bounds(self) -> tuple[int, int]:
        """Return the first offset that the log has, and the end of what can be read of it.

        The embedded broker tells an end that is too low, within the last batch.

        Raises:
            ReadFailed: the broker refuses for good, or did not answer for a minute.
        """
        begin = await self._begin(None)
        return begin, max(begin, await self._retried(lambda: self._ask_offset(_LATEST)))

    async def _begin(self, start: int | None) -> int:
        self.earliest = earliest = await self._retried(lambda: self._ask_offset(_EARLIEST))
        if start is not None and start < earliest:
            raise OffsetsGone(f"{self._name} begins at offset {earliest}, {start} is asked for")
        return earliest if start is None else start

    async def _ask_offset(self, which: int) -> int:
        request = OffsetRequest(_FOLLOWER, _UNCOMMITTED, [(self._topic, [(self._partition, which)])])
        _, code, _, offset, *_ = (await self._send(request)).topics[0][1][0]
        self._check(code)
        return int(offset)

    async def _fetch(self, position: int) -> bytes:
        """Return what the log has from a position on: as many batches as fit, the last one cut off; or nothing yet."""
        return await self._retried(lambda: self._ask(position))

    async def _ask(self, position: int) -> bytes:
        wanted = [(self._topic, [(self._partition, position, FETCH_BYTES)])]
        reply = await self._send(FetchRequest(_WAIT_MS, 1, 2 * FETCH_BYTES, _UNCOMMITTED, wanted))
        found = reply.topics[0][1][0]
        self._check(found[1])
        self.end = found[2]
        return found[-1] or b""

    async def _send(self, request: Any) -> Any:
        node = await self._client.leader(self._topic, self._partition)
        if node is None:
            raise Unreachable(f"{self._name} has no leader")
        reply = await self._client.raw.send(node, request)
        self._client.widen()
        return reply

    def _check(self, code: int) -> None:
        if code:
            raise for_code(code)(self._name)

    async def _retried(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer; leaders move, and brokers come back.

        Raises:
            OffsetsGone: the log does not have the offset.
            ReadFailed: the broker refuses for good, or did not answer for a minute.
        """
        until = time.monotonic() + STALL_SECONDS
        while True:
            try:
                return await ask()
            except OffsetOutOfRangeError as error:
                raise OffsetsGone(f"{self._name}: {error}") from error
            except (KafkaError, Unreachable, OSError) as error:
                for_good = isinstance(error, KafkaError) and not error.retriable
                if for_good or time.monotonic() > until:
                    raise ReadFailed(f"{self._name} at {self._client.address} cannot be read: {error!r}") from error
            await asyncio.sleep(BACKOFF_SECONDS)
            await self._client.refresh()

    def _stalled(self, position: int, until: int, seconds: float) -> None:
        if seconds > STALL_SECONDS:
            raise ReadFailed(
                f"{self._name} at {self._client.address}: nothing came for {seconds:.0f} s at offset {position}, "
                f"though it was acknowledged up to {until} (its end is said to be {self.end}): is the partition's "
                f"leader alive, or has the log lost its end?"
            )

    @property
    def _name(self) -> str:
        return f"changelog {self._topic}-{self._partition}"


async def take_over(
    writer: FencedWriter,
    restored: Callable[[int], Awaitable[RestoreResult]],
    *,
    wait_seconds: float = DELIVERY_SECONDS + 10.0,
    waiting: Callable[[str], None] | None = None,
) -> RestoreResult:
    """Take a changelog partition over: claim it, then restore its state up to the claim.

    Read the input's commit before: one read later may be a zombie's, ahead of the restored state.

    Args:
        writer: of the partition; it may write when this returns.
        restored: brings the state up to the claim at this offset, from wherever it stands.
        wait_seconds: how long a former owner may still write under a producer id that ours does not fence
            (delivery timeout and session timeout).
        waiting: is told why, before such a wait; cancelling the call ends it.

    Raises:
        TransportError: the partition cannot be had or read.
    """
    name = f"{writer.topic}-{writer.partition}"
    try:
        result = await restored(await writer.claim())
        if writer.fenced and _other_producer(result, writer.producer_id):
            why = (
                f"who wrote last had another producer id, which our claim does not fence: waiting {wait_seconds:.0f} s "
                f"for its last writes"
            )
            log.warning("%s: %s", name, why)
            if waiting is not None:
                waiting(why)
            await asyncio.sleep(wait_seconds)
            return await restored(await writer.claim())
    except OffsetsGone as error:
        raise ReadFailed(f"{error}: the log loses its beginning faster than it can be read") from error
    return result


def _other_producer(result: RestoreResult, producer_id: int) -> bool:
    """Return whether an earlier owner's writes escape our fence: the broker knows it by another producer id.

    The last *write* says so, not the last claim: whoever claimed since, and lost the partition before it had waited,
    wrote nothing. A producer id is never given out twice: if the last write is under ours, all claims since are, too.
    """
    if result.producer >= 0 or result.previous is None:
        return result.producer not in {-1, producer_id}
    earlier = msgspec.json.decode(result.previous, type=Claim)
    return earlier.producer_id not in {-1, producer_id}
