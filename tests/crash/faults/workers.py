"""What happens to workers: killed, asleep, restarted, without their state; each fault returns when all run again."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

from kafka import OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import NoError

from tests.crash.app import WORKERS
from tests.crash.scene import SESSION, Scene
from tests.integration.scenario import PARTITIONS
from tests.outside import until

SKEW_SECONDS = 2_700
"""How wrong a clock may be: Apache Kafka refuses records from more than an hour ahead."""
JOINS = 8
"""Workers that come and go in a storm."""


def kill(scene: Scene) -> None:
    """SIGKILL in the middle of a batch; the worker comes back a little later."""
    name = scene.pick()
    scene.kill_at_work(name)
    scene.sleep(0, 3)
    scene.app.worker(name)


def kill_all(scene: Scene) -> None:
    """SIGKILL of all workers at once."""
    scene.app.burst()
    scene.sleep(0.1, 0.6)
    for name in WORKERS:
        scene.app.workers[name].kill()
    for name in WORKERS:
        scene.app.worker(name)


def zombie(scene: Scene) -> None:
    """SIGSTOP for longer than the session, then SIGCONT: it wakes while another has its partitions."""
    worker = scene.app.workers[scene.pick()]
    scene.app.burst()
    scene.sleep(0.1, 0.6)
    worker.send(signal.SIGSTOP)
    time.sleep(SESSION)
    scene.sleep(1, 6)
    scene.app.burst()
    worker.send(signal.SIGCONT)


def rolling_restart(scene: Scene) -> None:
    """SIGTERM and a new start of each worker in turn; each must end with code 0."""
    for name in scene.random.sample(WORKERS, len(WORKERS)):
        scene.leave(name)
        scene.app.worker(name).wait_ready()


def rolling_restart_of_static_members(scene: Scene) -> None:
    """The same where the group keeps the place of a member that ends, until its session is over."""
    assert scene.app.setup.static
    rolling_restart(scene)


def kill_in_rebalance(scene: Scene) -> None:
    """Two SIGKILLs in quick succession: the second hits the rebalance that the first one's successor began."""
    first, second = scene.random.sample(WORKERS, 2)
    scene.kill_at_work(first)
    scene.app.worker(first)
    scene.sleep(1, 4)
    scene.app.workers[second].kill()
    scene.app.worker(second)


def kill_in_restore(scene: Scene) -> None:
    """A worker without local state is killed again while it starts, claims and restores."""
    name = scene.pick()
    for _life in range(2):
        scene.app.workers[name].kill()
        _forget(state(scene, name))
        scene.app.worker(name)
        scene.sleep(1, 5)
    scene.app.workers[name].kill()
    scene.app.worker(name)


def delete_state(scene: Scene) -> None:
    """The local state is gone after a SIGKILL."""
    name = scene.pick()
    scene.kill_at_work(name)
    _forget(state(scene, name))
    scene.app.worker(name)


def damage_state(scene: Scene) -> None:
    """Half of a data file or manifest of each store is gone after a SIGKILL of a worker that has stores."""
    names = scene.random.sample(WORKERS, len(WORKERS))
    name = max(names, key=lambda each: any(state(scene, each).rglob("CURRENT")))
    scene.kill_at_work(name)
    for current in sorted(state(scene, name).rglob("CURRENT")):
        files = sorted([*current.parent.glob("*.sst"), *current.parent.glob("MANIFEST-*")])
        if files:
            halve(scene.random.choice(files))
    scene.app.worker(name)


def state(scene: Scene, name: str) -> Path:
    """Return the directory of a worker's state."""
    return scene.app.folder / name / "state"


def _forget(folder: Path) -> None:
    """Delete what is in a folder, which may be a file system's root."""
    for each in folder.iterdir() if folder.exists() else ():
        if each.is_dir():
            shutil.rmtree(each)
        else:
            each.unlink()


def halve(path: Path) -> None:
    """Cut a file in half."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def scale(scene: Scene) -> None:
    """One worker, three, two, and three again, while records come."""
    names = scene.random.sample(WORKERS, 3)
    for name in names[1:]:
        scene.leave(name)
    scene.sleep(1, 4)
    for name in names[1:]:
        scene.app.worker(name)
    scene.sleep(3, 8)
    scene.leave(names[0])
    scene.sleep(1, 4)
    scene.app.worker(names[0])


def storm(scene: Scene) -> None:
    """Further workers join every two seconds, and leave or are killed soon after."""
    for number in range(JOINS):
        name = "de"[number % 2]
        if name in scene.app.workers:
            _part(scene, name)
        scene.app.worker(name)
        scene.sleep(1, 3)
    for name in "de":
        _part(scene, name)


def _part(scene: Scene, name: str) -> None:
    """End a worker that came for a while: in order, or not."""
    if scene.random.random() < 0.5:
        scene.app.workers[name].kill()
    else:
        scene.leave(name)
    del scene.app.workers[name]  # the next storm begins with workers that are not there


def clock_skewed(scene: Scene) -> None:
    """A worker comes back on a machine whose clock is 45 minutes ahead or behind, works there, and is killed."""
    name = scene.pick()
    scene.app.workers[name].kill()
    scene.app.skewed_worker(name, scene.random.choice((-SKEW_SECONDS, SKEW_SECONDS)))
    scene.sleep(6, 10)
    scene.kill_at_work(name)
    scene.app.worker(name)


def offsets_reset(scene: Scene) -> None:
    """While no worker runs, the group's offsets are set back to the beginning: all of it is read again."""
    for name in WORKERS:
        scene.leave(name)
    admin = KafkaAdminClient(bootstrap_servers=scene.app.bootstrap)
    partitions = [TopicPartition(topic, number) for topic in scene.app.topics for number in range(PARTITIONS)]
    zero = dict.fromkeys(partitions, OffsetAndMetadata(0, "", -1))
    until(
        lambda: set(admin.alter_group_offsets(scene.app.app, zero).values()) == {NoError},
        "the offsets to be set back: has the group members?",
        2 * SESSION,
    )
    admin.close()
    for name in WORKERS:
        scene.app.worker(name)
