"""Who computes."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from streams.runtime.turns import PASSES, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


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


def order(*works: Callable[[Turn, list[str]], Coroutine[None, None, None]]) -> list[str]:
    """Return who had the turn, in order, where several do their work at the same time."""
    found = list[str]()

    async def check() -> None:
        turn = Turn()
        await asyncio.gather(*(work(turn, found) for work in works))

    asyncio.run(check())
    return found


def turns(*names: str, step: bool) -> Callable[[Turn, list[str]], Coroutine[None, None, None]]:
    """Return work that has the turn several times, as a step or not."""

    async def work(turn: Turn, found: list[str]) -> None:
        with turn.step() if step else nullcontext():
            for name in names:
                async with turn:
                    found.append(name)
                await asyncio.sleep(0)

    return work


def test_a_step_that_began_first_ends_first() -> None:
    """A batch of a backlog has all its turns before those that began later, so only few are begun and not ended."""
    works = [turns("a1", "a2", step=True), turns("b1", "b2", step=True), turns("c1", "c2", step=True)]
    assert order(*works) == ["a1", "a2", "b1", "b2", "c1", "c2"]


def test_small_work_has_its_turns_in_the_order_of_the_line() -> None:
    """Whoever comes again stands behind all that wait, those that only begin a step among them."""
    works = [turns("a1", "a2", step=False), turns("b1", "b2", step=False), turns("c1", "c2", step=True)]
    assert order(*works) == ["a1", "b1", "c1", "c2", "a2", "b2"]


def test_tasks_belong_to_the_step_in_which_they_were_made() -> None:
    """Tables that one partition folds at the same time come before a partition that began later."""

    async def tables(turn: Turn, found: list[str]) -> None:
        with turn.step():
            await turns("a", step=False)(turn, found)
            await asyncio.gather(*(turns(name, step=False)(turn, found) for name in "bc"))

    assert order(tables, turns("d", "e", step=True)) == ["a", "b", "c", "d", "e"]


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
