"""The worker processes of the demo: plain `faust worker`s, ended with it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from streams.embedded import answers, free_port

FIRST_PORT = 6066
GRACE = 15.0
"""Seconds that a worker may take to end."""
QUICK = {
    "STREAMS_KAFKA_SESSION_TIMEOUT_MS": "6000",
    "STREAMS_KAFKA_HEARTBEAT_INTERVAL_MS": "1000",
    "STREAMS_KAFKA_REBALANCE_TIMEOUT_MS": "3000",
    "STREAMS_KAFKA_FETCH_WAIT_MAX_MS": "50",
}
"""Short times: the embedded broker waits half a rebalance timeout for members, and its long poll does not wake up."""


class Workers:
    """Runs `count` workers of the demo's declaration.

    Args:
        bootstrap: address of the broker.
        folder: for their state and their logs.
        count: how many.
    """

    def __init__(self, bootstrap: str, folder: Path, count: int = 2) -> None:
        self.bootstrap, self.folder = bootstrap, folder
        self.ports = _ports(count)
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def urls(self) -> list[str]:
        """Where their views are."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def start(self) -> None:
        """Start all of them."""
        self._processes = [self._start(number, port) for number, port in enumerate(self.ports, 1)]

    def _start(self, number: int, port: int) -> subprocess.Popen[bytes]:
        environment = os.environ | QUICK
        environment |= {
            "STREAMS_FILE": str(files("streams.demo").joinpath("demo.yaml")),
            "STREAMS_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "APP_DATADIR": str(self.folder / f"worker-{number}"),
            "STREAMS_WEB_PORT": str(port),
        }
        command = [sys.executable, "-m", "faust", "-A", "streams.worker", "worker", "--web-port", str(port)]
        with self.log(number).open("wb") as output:
            return subprocess.Popen(  # noqa: S603 - our own program
                [*command, "-l", "warn"],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self, number: int) -> Path:
        """Return the file with the output of worker `number`."""
        return self.folder / f"worker-{number}.log"

    def ended(self) -> int | None:
        """Return the number of a worker that has ended, None if all run."""
        return next((n for n, process in enumerate(self._processes, 1) if process.poll() is not None), None)

    async def stop(self) -> None:
        """End all of them, in order; by force after `GRACE` seconds."""
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        await asyncio.gather(*(asyncio.to_thread(_end, process) for process in self._processes))


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _ports(count: int) -> list[int]:
    """Return the usual ports, or free ones where they are taken."""
    usual = range(FIRST_PORT, FIRST_PORT + count)
    return [free_port() if answers(port, 0.2) else port for port in usual]
