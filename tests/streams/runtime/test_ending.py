"""Ending tasks that do not end at once, or at all at the first try."""

from __future__ import annotations

import asyncio

import pytest

from streams.runtime import ending
from streams.runtime.ending import ended


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "AGAIN_SECONDS", 0.01)


async def _losing(losses: int) -> None:
    """Lose so many cancellations, as a timeout does that runs out at the same moment."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if not losses:
                raise
            losses -= 1


async def _failing() -> None:
    try:
        await asyncio.sleep(3600)
    finally:
        raise ValueError


async def _slow(said: list[str]) -> None:
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0)
        said.append("tidy")


@pytest.mark.parametrize("losses", [0, 1, 3])
def test_a_task_that_loses_its_cancellation_ends(losses: int) -> None:
    """A cancellation is repeated until the task has ended."""

    async def work() -> bool:
        task = asyncio.create_task(_losing(losses))
        await asyncio.sleep(0)
        await asyncio.wait_for(ended(task), 5)
        return task.cancelled()

    assert asyncio.run(work())


def test_what_a_task_fails_with_is_not_raised() -> None:
    """Tasks that fail while they end, and those that ended before, are as good as others; each tidies up."""

    async def work() -> list[str]:
        said: list[str] = []
        tasks = [asyncio.create_task(each) for each in (_failing(), _slow(said), asyncio.sleep(0))]
        await asyncio.sleep(0.01)
        await ended(*tasks)
        assert all(task.done() for task in tasks)
        return said

    assert asyncio.run(work()) == ["tidy"]


def test_a_caller_that_is_cancelled_waits_all_the_same() -> None:
    """Whoever ends tasks does not leave one behind, and is cancelled when they have ended."""

    async def work() -> tuple[bool, bool]:
        task = asyncio.create_task(_losing(2))
        await asyncio.sleep(0)
        caller = asyncio.create_task(ended(task))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        return task.done(), caller.cancelled()

    assert asyncio.run(work()) == (True, True)
