"""Where the faults happen: an app, its brokers, and what stands between them."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from random import Random

from tests.brokers import KafkaBroker
from tests.crash.app import WORKERS, Tortured
from tests.crash.disk import SmallDisk
from tests.crash.proxy import Proxy
from tests.integration.app_run import SETTINGS

SESSION = int(SETTINGS["STREAMS_KAFKA_SESSION_TIMEOUT_MS"]) / 1_000
STOP_SECONDS = 45.0


@dataclass
class Scene:
    """What a fault may touch.

    Args:
        app: with its workers.
        brokers: of the cluster.
        random: of the schedule.
        proxies: worker -> the proxy between it and the brokers.
        disk: the small disk that the last of the workers has its state on; None where there can be none.
    """

    app: Tortured
    brokers: list[KafkaBroker]
    random: Random
    proxies: dict[str, Proxy] = field(default_factory=dict)
    disk: SmallDisk | None = None

    def sleep(self, least: float, most: float) -> None:
        """Let a time of chance pass, in seconds."""
        time.sleep(self.random.uniform(least, most))

    def pick(self) -> str:
        """Return one of the workers."""
        return self.random.choice(WORKERS)

    def kill_at_work(self, name: str) -> None:
        """SIGKILL a worker while it has much to do."""
        self.app.burst()
        self.sleep(0.1, 0.6)
        self.app.workers[name].kill()

    def leave(self, name: str) -> None:
        """End a worker by SIGTERM. One that has hardly begun has no order yet to end in.

        Raises:
            AssertionError: it did not end in time, or with another code than 0 though it had answered before.
        """
        worker = self.app.workers[name]
        codes = {0} if worker.answers() else {0, -signal.SIGTERM}
        code = worker.stop(STOP_SECONDS)
        assert code in codes, f"worker {name} ended with code {code} on SIGTERM\n{worker.output[-3000:]}"
