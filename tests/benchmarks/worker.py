"""A stock `faust worker` process that says when it may first fetch.

Run by `end_to_end.py` as `python -m tests.benchmarks.worker`. With `BENCH_STALLS` set it also says, every second, how
long its event loops were held at most since then (`stalls.py`).
"""

from __future__ import annotations

import os
import sys
from typing import Any

from faust.cli.faust import cli

from streams import fast
from streams.worker import app
from tests.benchmarks import stalls


def _say_the_first_seek() -> None:
    """Say it when the first partition may be fetched."""
    consumer: Any = type(app.consumer)
    start_at = consumer.start_at

    async def noted(self: Any, tp: Any, offset: int) -> None:
        consumer.start_at = start_at
        _say("BEGAN")
        await start_at(self, tp, offset)

    consumer.start_at = noted


def _say(line: str) -> None:
    """Write past the loggers, which own stdout by now."""
    assert sys.__stdout__ is not None
    sys.__stdout__.write(line + "\n")
    sys.__stdout__.flush()


if __name__ == "__main__":
    if os.environ.get(fast.ENVIRONMENT) == "1":
        fast.load()  # a worker that runs for days has done so long ago
    _say_the_first_seek()
    if os.environ.get("BENCH_STALLS"):
        stalls.watch(app, _say)
    web = [] if os.environ.get("STREAMS_WEB_PORT") else ["--without-web"]
    sys.argv = ["faust", "-A", "streams.worker", "worker", *web, "-l", os.environ.get("BENCH_LOG", "warn")]
    cli()
