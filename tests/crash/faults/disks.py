"""What happens to a worker's disk."""

from __future__ import annotations

from tests.crash.app import WORKERS
from tests.crash.scene import Scene

NAME = WORKERS[-1]
"""The worker whose state lies on a small disk."""


def disk_full(scene: Scene) -> None:
    """No space is left for the state of a worker; by chance it is killed and has to start so. Then there is space."""
    assert scene.disk is not None
    scene.app.burst()
    scene.disk.fill()
    scene.sleep(1, 4)
    if scene.random.random() < 0.7:
        scene.kill_at_work(NAME)
        scene.app.worker(NAME)
        scene.sleep(5, 9)
    said = scene.app.workers[NAME].output
    scene.disk.free()
    if not scene.app.workers[NAME].running:
        assert "No space left on device" in said, f"the worker ended for another reason\n{said[-3000:]}"
        scene.app.worker(NAME)
