"""Who is woken."""

from __future__ import annotations

import asyncio

from streams.transport.bell import Bell


def test_a_bell_wakes_who_waits() -> None:
    """It is rung once for one wait: before it or in it; without, the wait ends in time."""

    async def check() -> None:
        bell = Bell()
        assert not await bell.wait(0.001)
        bell.ring()
        bell.ring()
        assert await bell.wait(10)
        assert not await bell.wait(0.001)
        asyncio.get_running_loop().call_soon(bell.ring)
        assert await bell.wait(10)
        assert not await bell.wait(0.001)

    asyncio.run(check())


def test_a_wait_that_is_cancelled_leaves_the_bell_in_order() -> None:
    """The next wait hears what was rung meanwhile."""

    async def check() -> None:
        bell = Bell()
        waiting = asyncio.ensure_future(bell.wait(10))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        bell.ring()
        assert await bell.wait(10)

    asyncio.run(check())
