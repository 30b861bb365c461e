"""End to end: a loaded topic, workers on one core, until everything is committed; checked from the changelog."""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.brokers import WORKER_CORE
from tests.benchmarks.commits import Commits
from tests.benchmarks.declarations import Declared, declaration
from tests.benchmarks.measured import Measured, Spent, python, timed
from tests.benchmarks.verify import cells, wrong_cells
from tests.benchmarks.workload import TOPIC, Workload, load

_apps = itertools.count()


@dataclass(frozen=True)
class Figures:
    """What one run measured.

    Args:
        events: in the topic.
        spent: from the first fetch to the last commit.
        wrong: cells that differ from the expected ones; None where nothing was compared.
        warm: CPU seconds per million events after the first quarter of them; None where that was not taken.
    """

    events: int
    spent: Spent
    wrong: int | None
    warm: float | None = None

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.spent.seconds

    @property
    def cpu_per_million(self) -> float:
        """CPU seconds per million events."""
        return self.spent.cpu_seconds / self.events * 1e6


@dataclass(frozen=True)
class Medians:
    """The medians of several runs."""

    rate: float
    cpu_per_million: float
    peak_mib: float
    wrong: int | None
    runs: int

    @classmethod
    def of(cls, runs: Sequence[Figures]) -> Medians:
        """Return the medians; wrong cells are added up."""
        wrong = None if any(run.wrong is None for run in runs) else sum(run.wrong or 0 for run in runs)
        rate, cpu = (statistics.median(getattr(run, name) for run in runs) for name in ("rate", "cpu_per_million"))
        return cls(rate, cpu, statistics.median(run.spent.peak_mib for run in runs), wrong, len(runs))


@contextmanager
def workers(
    bootstrap: str, text: str, count: int = 1, *, core: int | None = WORKER_CORE, **more: str
) -> Iterator[list[Measured]]:
    """Run worker processes of a declaration, and end them.

    Args:
        bootstrap: address of the broker.
        text: the declaration, as YAML.
        count: how many workers.
        core: where they run.
        more: more environment variables.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "bench.yaml").write_text(text)
        settings = {
            "STREAMS_FILE": str(folder / "bench.yaml"),
            "STREAMS_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "STREAMS_KAFKA_SESSION_TIMEOUT_MS": "6000",
            "STREAMS_KAFKA_REBALANCE_TIMEOUT_MS": "4000",
            "STREAMS_KAFKA_HEARTBEAT_INTERVAL_MS": "1000",
            "STREAMS_KAFKA_AUTO_COMMIT_INTERVAL_MS": "100",
            "STREAMS_FAST": os.environ.get("STREAMS_FAST", "1"),
        }
        command = python("tests.benchmarks.worker")
        yield [
            stack.enter_context(
                Measured(command, core=core, environ=settings | {"STREAMS_DATA_DIR": str(folder / str(number))} | more)
            )
            for number in range(count)
        ]


@dataclass(frozen=True)
class Backlog:
    """What workers took for a backlog.

    Args:
        whole: for all of it.
        warm: CPU seconds per million events after the first quarter, in which a worker takes its memory; None where
            none were left.
    """

    whole: Spent
    warm: float | None


def run_workers(bootstrap: str, events: int, text: str, *, topic: str = TOPIC, count: int = 1) -> Backlog:
    """Run workers until they have committed `events` records, and return what it took."""
    app = text.split()[1]
    with workers(bootstrap, text, count) as processes, Commits(bootstrap, app, topic) as commits:
        processes[0].heard("BEGAN")
        first = timed(processes, lambda: commits.total() >= events // 4)
        done = commits.total()
        whole = timed(processes, lambda: commits.total() >= events)
    left = events - done
    return Backlog(whole, (whole.cpu_seconds - first.cpu_seconds) / left * 1e6 if left > 0 else None)


def run_stock(bootstrap: str, events: int, topic: str = TOPIC) -> Figures:
    """Run stock Faust over a topic of `events` records, and return what it took; its result is not checked."""
    app = f"stock{next(_apps)}"
    return Figures(events, run_faust(bootstrap, app, events, topic), None)


def run_faust(bootstrap: str, app: str, events: int, topic: str = TOPIC) -> Spent:
    """Run stock Faust over a topic of `events` records."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {"BENCH_BOOTSTRAP": bootstrap, "BENCH_APP": app, "BENCH_TOPIC": topic, "APP_DATADIR": folder}
        with (
            Measured(python("tests.benchmarks.stock"), core=WORKER_CORE, environ=environ) as process,
            Commits(bootstrap, app, topic) as commits,
        ):
            process.heard("BEGAN")
            return timed([process], lambda: commits.total() >= events)


def loaded(bootstrap: str, workload: Workload, topic: str = TOPIC, **options: Any) -> None:
    """Write the workload to its topic; options are those of `workload.load`."""
    asyncio.run(load(bootstrap, workload, topic, **options))


def measure(
    bootstrap: str, workload: Workload, runs: int = 1, *, topic: str = TOPIC, count: int = 1, **declared: Any
) -> list[Figures]:
    """Run workers of a new app over a loaded topic and check the result, `runs` times.

    Args:
        bootstrap: address of the broker.
        workload: what the topic holds.
        runs: how many.
        topic: its name.
        count: of workers.
        declared: what the declaration has: `tables`, `aggregates`, `rules`, `window`.
    """
    found = []
    for _ in range(runs):
        text = declaration(f"bench{next(_apps)}", topic, Declared(**declared, form=workload.form))
        spent = run_workers(bootstrap, len(workload), text, topic=topic, count=count)
        wrong = wrong_cells(cells(bootstrap, text), workload.expected)
        found.append(Figures(len(workload), spent.whole, wrong, spent.warm))
    return found
