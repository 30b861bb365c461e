"""What happens between a worker and its broker: slow, cut, silent. Each fault returns when all is well again."""

from __future__ import annotations

import time

from tests.crash.app import WORKERS
from tests.crash.proxy import FROM, TO
from tests.crash.scene import SESSION, Scene


def slow_network(scene: Scene) -> None:
    """Half a second of delay, and 20 kB/s, for every worker."""
    for proxy in scene.proxies.values():
        proxy.slow(scene.random.uniform(0.1, 0.5), 20_000)
    scene.sleep(4, 10)
    _heal(scene)


def connections_cut(scene: Scene) -> None:
    """Every connection of a worker, or of all, is reset some times in quick succession, in the middle of a batch."""
    names = scene.random.choice((WORKERS, (scene.pick(),)))
    for _ in range(scene.random.randrange(2, 6)):
        scene.app.burst()
        scene.sleep(0.1, 0.6)
        for name in names:
            scene.proxies[name].cut()
        scene.sleep(0.2, 2)


def half_open(scene: Scene) -> None:
    """Nothing passes between a worker and its broker for longer than the session, and nobody closes a connection.

    What was under way arrives late, when others have its partitions, or never: its connections are reset.
    """
    proxy = scene.proxies[scene.pick()]
    scene.app.burst()
    scene.sleep(0.1, 0.6)
    proxy.hold(TO, FROM)
    time.sleep(SESSION)
    scene.sleep(1, 8)
    if scene.random.random() < 0.5:
        proxy.cut()
    proxy.heal()


def answers_lost(scene: Scene) -> None:
    """A broker takes what a worker sends, and no answer arrives: written or not, the worker cannot know."""
    name = scene.pick()
    proxy = scene.proxies[name]
    scene.app.burst()
    scene.sleep(0.1, 0.6)
    proxy.hold(FROM)
    scene.sleep(2, SESSION + 4)
    proxy.cut()
    if scene.random.random() < 0.5:
        scene.app.workers[name].kill()
        scene.app.worker(name)
    proxy.heal()


def _heal(scene: Scene) -> None:
    for proxy in scene.proxies.values():
        proxy.heal()
