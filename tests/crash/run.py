"""A run: the faults of one broker on one, those of three on three, and one report of both."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from streams.embedded import EmbeddedBroker
from tests.brokers import KafkaCluster
from tests.crash import faults, views
from tests.crash.app import WORKERS, Setup, Tortured
from tests.crash.check import Verdict, Wanted, check
from tests.crash.disk import NoDisk, SmallDisk
from tests.crash.faults import disks
from tests.crash.proxy import Proxy
from tests.crash.scene import Scene

RECOVERY_SECONDS = 150.0
OVERLAPPING = 0.25
"""How often the next fault does not wait until all is caught up."""


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


@dataclass
class Result:
    """What runs came to.

    Args:
        injected: names of the faults that happened, in order.
        recoveries: seconds from the end of a fault, or of several that overlap, until all was caught up.
        verdict: of all comparisons.
        left_out: faults that cannot be had here, and why.
    """

    injected: list[str] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, other: Result) -> None:
        """Join another run's."""
        self.injected += other.injected
        self.recoveries += other.recoveries
        self.left_out |= other.left_out
        for name in ("events", "lost", "duplicated", "wrong", "rows", "alerts", "letters", "repeated", "differences"):
            setattr(self.verdict, name, getattr(self.verdict, name) + getattr(other.verdict, name))

    def report(self) -> dict[str, Any]:
        """Return what is written to the report file."""
        verdict, seconds = self.verdict, self.recoveries or [0.0]
        return {
            "faults": len(self.injected),
            "events": verdict.events,
            "lost": verdict.lost,
            "duplicated": verdict.duplicated,
            "wrong": verdict.wrong,
            "recovery_seconds_p50": round(statistics.median(seconds), 1),
            "recovery_seconds_max": round(max(seconds), 1),
            "rows_compared": verdict.rows,
            "alert_events_compared": verdict.alerts,
            "alert_events_repeated": verdict.repeated,
            "dead_letters_compared": verdict.letters,
            "recoveries": len(self.recoveries),
            "left_out": self.left_out,
            "injected": self.injected,
            "differences": verdict.differences,
        }


@dataclass(frozen=True)
class Phase:
    """One app on one cluster, and what happens to it.

    Args:
        name: of the app.
        brokers: how many; 0 is the embedded broker.
        names: of the faults, in order.
        seed: of input and chance.
        careless: whether the skip rule is off.
        standby: whether each table partition is followed by a second worker.
        memory: of each worker for its open cells; empty sets no bound.
        seconds: after which no further fault begins; None for no bound.
    """

    name: str
    brokers: int
    names: Sequence[str]
    seed: int
    careless: bool = False
    standby: bool = False
    memory: str = ""
    seconds: float | None = None


def torture(phase: Phase, folder: Path, report: Callable[[str], None] = say) -> Result:
    """Run a phase, and compare.

    Args:
        phase: what is run.
        folder: for state and output.
        report: takes a line now and then.

    Raises:
        AssertionError: something did not come in time, or a worker did not end as it must.
        BrokerUnavailable: there is no Apache Kafka here.
    """
    result = Result()
    with staged(phase, folder) as scene:
        app = scene.app
        app.begin()
        hurt(scene, phase, result, report)
        app.end()
        app.wait_caught_up(RECOVERY_SECONDS)
        for name in WORKERS:
            app.workers[name].wait_ready(RECOVERY_SECONDS)
        wanted = Wanted.of(app)
        looked_at = Verdict()
        views.compare(looked_at, app.workers[scene.pick()], wanted)
        for name in WORKERS:
            scene.leave(name)
        result.verdict = check(app, wanted)
        result.add(Result(verdict=looked_at))
    return result


def hurt(scene: Scene, phase: Phase, result: Result, report: Callable[[str], None]) -> None:
    """Inject the faults one after the other; some do not wait until the one before is over."""
    began = time.monotonic()
    for number, name in enumerate(phase.names, 1):
        if phase.seconds is not None and time.monotonic() - began > phase.seconds:
            return
        scene.sleep(0.3, 1.5)
        faults.FAULTS[name](scene)
        result.injected.append(name)
        if number < len(phase.names) and scene.random.random() < OVERLAPPING:
            report(f"{number}/{len(phase.names)} {name}: and the next one at once")
            continue
        ended = time.monotonic()
        scene.app.wait_fed(RECOVERY_SECONDS)
        scene.app.wait_caught_up(RECOVERY_SECONDS)
        result.recoveries.append(time.monotonic() - ended)
        report(f"{number}/{len(phase.names)} {name}: caught up after {result.recoveries[-1]:.1f} s")
        for each in WORKERS:
            scene.app.workers[each].wait_ready(RECOVERY_SECONDS)


@contextmanager
def staged(phase: Phase, folder: Path) -> Iterator[Scene]:
    """Build the scene of a phase; all of it ends with the context."""
    folder.mkdir(parents=True)
    random = Random(f"{phase.name} {phase.seed}")  # noqa: S311 - a schedule, no secret
    with ExitStack() as stack:
        disk = _small_disk(folder, stack) if disks.disk_full.__name__ in phase.names else None
        scene = _on_kafka(phase, folder, random, stack) if phase.brokers else _on_embedded(phase, folder, random, stack)
        scene.disk = disk
        stack.callback(_end, scene.app)
        yield scene


def _end(app: Tortured) -> None:
    app.kill()
    app.abandon()


def _on_embedded(phase: Phase, folder: Path, random: Random, stack: ExitStack) -> Scene:
    broker = stack.enter_context(EmbeddedBroker())
    setup = Setup(phase.seed, phase.name, {}, careless=phase.careless, standby=phase.standby, memory=phase.memory)
    return Scene(Tortured(broker.bootstrap, folder, setup), [], random)


def _on_kafka(phase: Phase, folder: Path, random: Random, stack: ExitStack) -> Scene:
    several = phase.brokers > 1
    cluster = KafkaCluster(phase.brokers, doors=[name.upper() for name in WORKERS])
    stack.callback(cluster.stop)
    cluster.start()
    proxies, ways = {}, {}
    for name in WORKERS:
        doors = [broker.doors[name.upper()] for broker in cluster.brokers]
        proxies[name] = Proxy([(door.advertised, door.port) for door in doors]).start()
        stack.callback(proxies[name].stop)
        ways[name] = ",".join(door.bootstrap for door in doors)
    copies = 3 if several else 1
    setup = Setup(
        phase.seed, phase.name, ways, static=several, careless=phase.careless, copies=copies, standby=phase.standby,
        memory=phase.memory,
    )  # fmt: skip
    return Scene(Tortured(cluster.bootstrap, folder, setup), cluster.brokers, random, proxies)


def _small_disk(folder: Path, stack: ExitStack) -> SmallDisk:
    disk = SmallDisk(folder / disks.NAME / "state").mount()
    stack.callback(disk.unmount)
    return disk


def missing_disk(folder: Path) -> str:
    """Return why no small disk can be had here; empty if it can."""
    try:
        SmallDisk(folder / "probe").mount().unmount()
    except NoDisk as error:
        return str(error)
    return ""
