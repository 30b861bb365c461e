"""What a connection receives, kept in the pieces in which it comes, and joined once when an answer is whole.

asyncio's reader copies each piece to the end of one growing buffer, and the answer out of it again: of a fetch answer
of 4 MiB, that is twice as much copying, and a growing buffer is moved as well.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

READER_BYTES = 16 << 20
"""What may be received before it is parsed: with aiokafka's own 64 KiB, a large answer stops and goes on 30 times."""
PIECE_BYTES = 1 << 20
"""What is received at once; asyncio's own 256 KiB means four times as many waits for the interpreter lock."""


def widen(client: Any) -> None:
    """Let the connections of an aiokafka client receive large answers in few, large pieces.

    To be called again when there may be new connections; for those that were met before it costs next to nothing.
    """
    for each in client._conns.values():
        if type(each._reader) is asyncio.StreamReader:
            PieceReader.instead_of(each._reader)
            _take_more(each._writer.transport)


def _take_more(transport: Any) -> None:
    """Let a transport receive more at once; that of uvloop decides for itself."""
    if hasattr(transport, "max_size"):
        transport.max_size = PIECE_BYTES


class PieceReader(asyncio.StreamReader):
    """A stream reader that reads whole frames: `readexactly` is all that it has."""

    _pieces: deque[bytes]
    _at: int
    _size: int
    _instead: bool
    # asyncio's own, which its type stubs leave out
    _buffer: bytearray
    _eof: bool
    _exception: BaseException | None
    _limit: int
    _paused: bool
    _transport: Any
    _wait_for_data: Callable[[str], Awaitable[None]]
    _wakeup_waiter: Callable[[], None]

    @classmethod
    def instead_of(cls, reader: asyncio.StreamReader) -> PieceReader:
        """Turn a reader into one of these, also while somebody waits for what it reads; that call ends as it began."""
        reader.__class__ = cls
        mine = cast("PieceReader", reader)
        mine._pieces, mine._at, mine._size, mine._instead = deque(), 0, 0, False
        mine._limit = READER_BYTES
        return mine

    def feed_data(self, data: Any) -> None:
        """Take what was received; beyond twice the limit, nothing more is received until something is read."""
        if not self._instead:
            super().feed_data(data)
            return
        self._pieces.append(bytes(data))
        self._size += len(data)
        self._wakeup_waiter()
        if self._size > 2 * self._limit and not self._paused:
            self._transport.pause_reading()
            self._paused = True

    def at_eof(self) -> bool:
        """Return whether all was read, and nothing more will come."""
        return super().at_eof() and not self._size

    async def readexactly(self, n: int) -> bytes:
        """Return the next `n` bytes.

        Raises:
            asyncio.IncompleteReadError: the connection ended before.
        """
        if not self._instead:
            self._take_over()
        if self._exception is not None:
            raise self._exception
        while self._size < n:
            if self._eof:
                raise asyncio.IncompleteReadError(self._cut(self._size), n)
            await self._wait_for_data("readexactly")
        found = self._cut(n)
        if self._paused and self._size <= self._limit:
            self._paused = False
            self._transport.resume_reading()
        return found

    def _take_over(self) -> None:
        """Go on with what the former reader had received."""
        self._instead = True
        if self._buffer:
            self._pieces.append(bytes(self._buffer))
            self._size = len(self._buffer)
            self._buffer.clear()

    def _cut(self, n: int) -> bytes:
        """Take the next `n` bytes out of the pieces; what is left of a piece is not moved."""
        found: list[memoryview] = []
        self._size -= n
        while n:
            piece = memoryview(self._pieces[0])[self._at : self._at + n]
            found.append(piece)
            n -= len(piece)
            self._at += len(piece)
            if self._at == len(self._pieces[0]):
                self._pieces.popleft()
                self._at = 0
        return b"".join(found)
