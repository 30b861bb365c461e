"""A stock `faust worker` process that notes when it first fetched and when all was committed, then ends.

Run by `end_to_end.py` as `python -m tests.benchmarks.worker EVENTS`; it prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from typing import Any

from faust.cli.faust import cli

from streams import fast
from streams.worker import app

EVENTS = int(sys.argv.pop())
began = 0.0


@app.task
async def watch() -> None:
    """Print the figures when every record is committed."""
    while not began:  # noqa: ASYNC110 - it is watched from outside
        await asyncio.sleep(0.001)
    cpu = time.process_time()
    while _committed() < EVENTS:  # noqa: ASYNC110 - it is watched from outside
        await asyncio.sleep(0.005)
    spent = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"seconds": spent, "cpu_seconds": time.process_time() - cpu, "peak_mib": peak}
    assert sys.__stdout__ is not None
    sys.__stdout__.write("FIGURES " + json.dumps(figures) + "\n")
    sys.__stdout__.flush()


def _committed() -> int:
    offsets = app.consumer._committed_offset  # noqa: SLF001 - a benchmark looks inside
    return sum(offset or 0 for tp, offset in offsets.items() if tp.topic in app.batch_topics)


def _note_the_first_seek() -> None:
    """Begin the clock when the first partition may be fetched."""
    consumer: Any = type(app.consumer)
    start_at = consumer.start_at

    async def noted(self: Any, tp: Any, offset: int) -> None:
        global began  # noqa: PLW0603 - one process, one figure
        began = began or time.perf_counter()
        await start_at(self, tp, offset)

    consumer.start_at = noted


if __name__ == "__main__":
    if os.environ.get(fast.ENVIRONMENT) == "1":
        fast.load()  # a worker that runs for days has done so long ago
    _note_the_first_seek()
    sys.argv = ["faust", "-A", "streams.worker", "worker", "--without-web", "-l", "warn"]
    cli()
