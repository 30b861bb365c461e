"""A stock `faust worker` process that says when all of its partitions may first be fetched.

Run by `end_to_end.py` as `python -m tests.benchmarks.worker`. With `BENCH_STALLS` set it also says, every second, how
long its event loops were held at most since then (`stalls.py`).
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from faust.cli.faust import cli

from streams import fast
from streams.worker import app
from tests.benchmarks import stalls


def _begin_together() -> None:
    """Let no partition be fetched before all that the worker has are restored, and say it then.

    What it takes to open a partition is no part of what an event costs.
    """
    consumer: Any = type(app.consumer)
    start_at, ready = consumer.start_at, asyncio.Event()
    waiting: set[Any] = set()

    async def together(self: Any, tp: Any, offset: int) -> None:
        waiting.add(tp)
        if not ready.is_set() and waiting >= app.runtime.partitions.keys():
            consumer.start_at = start_at
            _say("BEGAN")
            ready.set()
        await ready.wait()
        await start_at(self, tp, offset)

    consumer.start_at = together


def _say(line: str) -> None:
    """Write past the loggers, which own stdout by now."""
    assert sys.__stdout__ is not None
    sys.__stdout__.write(line + "\n")
    sys.__stdout__.flush()


if __name__ == "__main__":
    if os.environ.get(fast.ENVIRONMENT) == "1":
        fast.load()  # a worker that runs for days has done so long ago
    _begin_together()
    if os.environ.get("BENCH_STALLS"):
        stalls.watch(app, _say)
    web = [] if os.environ.get("STREAMS_WEB_PORT") else ["--without-web"]
    sys.argv = ["faust", "-A", "streams.worker", "worker", *web, "-l", os.environ.get("BENCH_LOG", "warn")]
    cli()
