"""The faults: each takes the app and its broker and a seeded source of chance, and returns when all runs again."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from tests.brokers import KafkaBroker
from tests.crash.app import WORKERS, Tortured
from tests.integration.app_run import SETTINGS

SESSION = int(SETTINGS["STREAMS_KAFKA_SESSION_TIMEOUT_MS"]) / 1_000
STOP_SECONDS = 45.0
Fault = Callable[[Tortured, KafkaBroker, Random], None]


def kill(app: Tortured, _: KafkaBroker, random: Random) -> None:
    """SIGKILL in the middle of a batch; the worker comes back a little later."""
    name = random.choice(WORKERS)
    app.workers[name].kill()
    time.sleep(random.uniform(0, 3))
    app.worker(name)


def zombie(app: Tortured, _: KafkaBroker, random: Random) -> None:
    """SIGSTOP for longer than the session, then SIGCONT: it wakes while another has its partitions."""
    worker = app.workers[random.choice(WORKERS)]
    worker.send(signal.SIGSTOP)
    time.sleep(SESSION + random.uniform(1, 6))
    worker.send(signal.SIGCONT)


def restart(app: Tortured, _: KafkaBroker, random: Random) -> None:
    """SIGTERM, which ends a worker with code 0, and a new start."""
    name = random.choice(WORKERS)
    leave(app, name)
    app.worker(name)


def kill_in_rebalance(app: Tortured, _: KafkaBroker, random: Random) -> None:
    """Two SIGKILLs in quick succession: the second hits the rebalance that the first one's successor began."""
    first, second = random.sample(WORKERS, 2)
    app.workers[first].kill()
    app.worker(first)
    time.sleep(random.uniform(1, 4))
    app.workers[second].kill()
    app.worker(second)


def kill_in_restore(app: Tortured, _: KafkaBroker, random: Random) -> None:
    """A worker without local state is killed again while it starts, claims and restores."""
    name = random.choice(WORKERS)
    for _life in range(2):
        app.workers[name].kill()
        shutil.rmtree(app.folder / name / "state", ignore_errors=True)
        app.worker(name)
        time.sleep(random.uniform(1, 5))
    app.workers[name].kill()
    app.worker(name)


def delete_state(app: Tortured, _: KafkaBroker, random: Random) -> None:
    """The local state is gone after a SIGKILL."""
    name = random.choice(WORKERS)
    app.workers[name].kill()
    shutil.rmtree(app.folder / name / "state", ignore_errors=True)
    app.worker(name)


def damage_state(app: Tortured, _: KafkaBroker, random: Random) -> None:
    """Half of a data file or manifest of each store is gone after a SIGKILL of a worker that has stores."""
    names = random.sample(WORKERS, len(WORKERS))
    name = max(names, key=lambda each: any((app.folder / each / "state").rglob("CURRENT")))
    app.workers[name].kill()
    for current in sorted((app.folder / name / "state").rglob("CURRENT")):
        files = sorted([*current.parent.glob("*.sst"), *current.parent.glob("MANIFEST-*")])
        if files:
            halve(random.choice(files))
    app.worker(name)


def halve(path: Path) -> None:
    """Cut a file in half."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def broker_killed(_: Tortured, broker: KafkaBroker, random: Random) -> None:
    """SIGKILL of the broker, which comes back with what it had."""
    broker.kill()
    time.sleep(random.uniform(0, 8))
    broker.start()


def scale(app: Tortured, _: KafkaBroker, random: Random) -> None:
    """One worker, three, two, and three again, while records come."""
    names = random.sample(WORKERS, 3)
    for name in names[1:]:
        leave(app, name)
    time.sleep(random.uniform(1, 4))
    for name in names[1:]:
        app.worker(name)
    time.sleep(random.uniform(3, 8))
    leave(app, names[0])
    time.sleep(random.uniform(1, 4))
    app.worker(names[0])


def leave(app: Tortured, name: str) -> None:
    """End a worker in order.

    Raises:
        AssertionError: it did not end in time, or not with code 0.
    """
    code = app.workers[name].stop(STOP_SECONDS)
    assert code == 0, f"worker {name} ended with code {code} on SIGTERM\n{app.workers[name].output[-3000:]}"


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill,
        zombie,
        restart,
        kill_in_rebalance,
        kill_in_restore,
        delete_state,
        damage_state,
        broker_killed,
        scale,
    )
}


def schedule(count: int, random: Random, only: Sequence[str] | None = None) -> list[str]:
    """Return names of faults: every kind (or those of `only`) as often as the others, in an order of chance."""
    kinds = sorted(only or FAULTS)
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += random.sample(kinds, len(kinds))
    return drawn[:count]
