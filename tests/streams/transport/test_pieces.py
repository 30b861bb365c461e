"""`streams.transport.pieces`: whole frames out of pieces, whatever pieces they come in."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.pieces import PIECE_BYTES, READER_BYTES, PieceReader, widen


class Transport:
    """Remembers whether reading is paused."""

    def __init__(self) -> None:
        self.paused = False

    def pause_reading(self) -> None:
        """Pause."""
        self.paused = True

    def resume_reading(self) -> None:
        """Go on."""
        self.paused = False


async def _reader(before: bytes = b"") -> PieceReader:
    reader = asyncio.StreamReader()
    if before:
        reader.feed_data(before)
    return PieceReader.instead_of(reader)


@given(st.lists(st.binary(max_size=40), max_size=12), st.lists(st.integers(1, 60), max_size=8), st.integers(0, 20))
def test_frames_are_what_was_sent(frames: list[bytes], cuts: list[int], before: int) -> None:
    """Frames are the same in whatever pieces they come, and whenever the reader is exchanged."""

    async def run() -> list[bytes]:
        sent = b"".join(frames)
        reader = await _reader(sent[:before])
        sizes = [len(frame) for frame in frames]
        reading = asyncio.create_task(_read(reader, sizes))
        at = len(sent[:before])
        for cut in [*cuts, len(sent)]:
            await asyncio.sleep(0)
            if sent[at : at + cut]:
                reader.feed_data(sent[at : at + cut])
            at += cut
        return await reading

    assert asyncio.run(run()) == frames


async def _read(reader: asyncio.StreamReader, sizes: list[int]) -> list[bytes]:
    return [await reader.readexactly(size) for size in sizes]


def test_a_call_that_waits_ends_as_it_began() -> None:
    """A reader may be exchanged while somebody waits for the rest of a frame: nothing of it is lost."""

    async def run() -> list[bytes]:
        reader = asyncio.StreamReader()
        reading = asyncio.create_task(_read(reader, [4, 6, 2]))
        reader.feed_data(b"ab")
        await asyncio.sleep(0)
        PieceReader.instead_of(reader)
        for piece in (b"c", b"defg", b"hijkl"):
            reader.feed_data(piece)
            await asyncio.sleep(0)
        return await reading

    assert asyncio.run(run()) == [b"abcd", b"efghij", b"kl"]


def test_an_end_within_a_frame_is_told_with_what_came() -> None:
    """A connection that ends within a frame says so; one that ends behind it is at its end once all was read."""

    async def run() -> tuple[bytes, list[bool]]:
        reader = await _reader(b"abcd")
        reader.feed_eof()
        ends = [reader.at_eof()]
        assert await reader.readexactly(2) == b"ab"
        ends.append(reader.at_eof())
        with pytest.raises(asyncio.IncompleteReadError) as raised:
            await reader.readexactly(3)
        return raised.value.partial, [*ends, reader.at_eof()]

    assert asyncio.run(run()) == (b"cd", [False, False, True])


def test_a_broken_connection_is_raised() -> None:
    """What broke the connection is raised to whoever reads, waiting or not."""

    async def run() -> None:
        reader = await _reader()
        await _switched(reader)
        reading = asyncio.create_task(reader.readexactly(3))
        await asyncio.sleep(0)
        reader.set_exception(ConnectionResetError("gone"))
        with pytest.raises(ConnectionResetError):
            await reading
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(0)

    asyncio.run(run())


async def _switched(reader: PieceReader) -> None:
    reader.feed_data(b"x")
    assert await reader.readexactly(1) == b"x"


@pytest.mark.parametrize("whole", [3 * READER_BYTES, READER_BYTES // 2])
def test_a_full_reader_pauses_its_connection_until_it_is_read(whole: int) -> None:
    """Beyond twice the limit nothing is received; a frame larger than that comes all the same."""

    async def run() -> tuple[bool, bool, int]:
        reader, transport, piece = await _reader(), Transport(), bytes(READER_BYTES // 2)
        reader.set_transport(transport)  # type: ignore[arg-type]
        await _switched(reader)
        fed = 0
        while not transport.paused:
            reader.feed_data(piece)
            fed += len(piece)
        paused = transport.paused
        reading = asyncio.create_task(reader.readexactly(whole))
        await asyncio.sleep(0)
        while fed < whole:
            assert not transport.paused
            reader.feed_data(piece)
            fed += len(piece)
        size = len(await reading)
        while fed - size > READER_BYTES:
            size += len(await reader.readexactly(len(piece)))
        return paused, transport.paused, size % len(piece)

    assert asyncio.run(run()) == (True, False, 0)


def test_connections_are_widened_once() -> None:
    """Each open connection of a client gets such a reader, those that are closed or have one stay."""

    async def run() -> None:
        writer: Any = SimpleNamespace(transport=SimpleNamespace(max_size=1))
        open_, closed = SimpleNamespace(_reader=asyncio.StreamReader(), _writer=writer), SimpleNamespace(_reader=None)
        client = SimpleNamespace(_conns={1: open_, 2: closed})
        widen(client)
        reader = vars(open_)["_reader"]
        assert (type(reader), writer.transport.max_size) == (PieceReader, PIECE_BYTES)
        reader.feed_data(b"abc")
        assert await reader.readexactly(2) == b"ab"
        widen(client)
        assert await reader.readexactly(1) == b"c"

    asyncio.run(run())


def test_a_transport_that_decides_for_itself_keeps_its_pieces() -> None:
    """A transport without such a bound, as that of uvloop (`faust -L uvloop`), gets the reader all the same."""

    async def run() -> None:
        transport = object()  # no attribute can be set on it
        connection: Any = SimpleNamespace(_reader=asyncio.StreamReader(), _writer=SimpleNamespace(transport=transport))
        widen(SimpleNamespace(_conns={1: connection}))
        assert type(vars(connection)["_reader"]) is PieceReader

    asyncio.run(run())
