"""Who computes."""

from __future__ import annotations

import asyncio

import pytest

from streams.runtime.turns import PASSES, Turn


def test_one_computes_at_a_time_and_short_work_goes_between() -> None:
    """Between two computations, what is woken pass by pass of the event loop gets on."""

    async def check() -> None:
        turn, order = Turn(), list[str]()

        async def compute(name: str) -> None:
            async with turn:
                order.append(name)

        async def short() -> None:
            for step in range(PASSES):
                await asyncio.sleep(0)
                order.append(str(step))

        await asyncio.gather(compute("a"), compute("b"), short())
        assert order == ["a", *map(str, range(PASSES)), "b"]

    asyncio.run(check())


def test_a_computation_that_fails_gives_its_turn_away() -> None:
    """An error in one partition does not stop the others; the turn is taken until some passes later, and then free."""

    async def check() -> None:
        turn = Turn()
        with pytest.raises(ValueError, match="mine"):
            async with turn:
                raise ValueError("mine")
        async with asyncio.timeout(5), turn:
            assert turn.taken
        assert turn.taken
        for _ in range(PASSES + 1):
            await asyncio.sleep(0)
        assert not turn.taken

    asyncio.run(check())
