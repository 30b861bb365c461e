"""What the consumer's thread says of work that nobody waits for any more."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest
from aiokafka.errors import UnknownMemberIdError

from streams.transport.consumer import _told_briefly


async def _alone(error: Exception) -> None:
    asyncio.get_running_loop().set_exception_handler(_told_briefly)

    async def fail() -> None:
        raise error

    task = asyncio.ensure_future(fail())
    await asyncio.wait([task])
    del task
    gc.collect()


def test_a_commit_that_fails_alone_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """An error of Kafka's is told without a traceback."""
    asyncio.run(_alone(UnknownMemberIdError("group")))
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "UnknownMemberIdError" in record.getMessage()
    assert record.exc_info is None


def test_any_other_error_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """What is not foreseen is told in full."""
    asyncio.run(_alone(ZeroDivisionError("odd")))
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.exc_info is not None
