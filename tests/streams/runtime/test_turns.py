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


def test_who_began_first_is_next() -> None:
    """A step that takes several turns has them before those that began later, whoever of them waits longer."""

    async def check() -> None:
        turn, order = Turn(), list[str]()

        async def step(name: str) -> None:
            turn.begin()
            for part in "12":
                async with turn:
                    order.append(name + part)

        await asyncio.gather(step("a"), step("b"), step("c"))
        assert order == ["a1", "a2", "b1", "b2", "c1", "c2"]

    asyncio.run(check())


def test_tasks_belong_to_the_step_in_which_they_were_made() -> None:
    """Tables that one partition folds at the same time come before a partition that began later."""

    async def check() -> None:
        turn, order = Turn(), list[str]()

        async def one(name: str) -> None:
            async with turn:
                order.append(name)

        async def step(*names: str) -> None:
            turn.begin()
            await one(names[0])
            await asyncio.gather(*map(one, names[1:]))

        await asyncio.gather(step("a", "b", "c"), step("d", "e"))
        assert order == ["a", "b", "c", "d", "e"]

    asyncio.run(check())


@pytest.mark.parametrize("passes", range(2 * PASSES + 2))
def test_who_is_cancelled_leaves_the_turn_to_others(passes: int) -> None:
    """Cancelled while it waits, as it is given the turn, or with it: the next one computes in any case."""

    async def check() -> None:
        turn = Turn()

        async def compute() -> None:
            async with turn:
                await asyncio.sleep(0)

        first, second, third = (asyncio.create_task(compute()) for _ in range(3))
        for _ in range(passes):
            await asyncio.sleep(0)
        second.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(first, third)
            async with turn:
                pass
        assert second.done()

    asyncio.run(check())
