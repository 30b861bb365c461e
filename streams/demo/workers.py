"""The worker processes of the demo: plain `faust worker`s, ended with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

from streams.embedded import free_port

FIRST_PORT = 6066
GRACE = 15.0
"""Seconds that the workers may take to end."""
QUICK = {
    "STREAMS_KAFKA_SESSION_TIMEOUT_MS": "6000",
    "STREAMS_KAFKA_HEARTBEAT_INTERVAL_MS": "1000",
    "STREAMS_KAFKA_REBALANCE_TIMEOUT_MS": "3000",
    "STREAMS_KAFKA_FETCH_WAIT_MAX_MS": "50",
}
"""Short times: the embedded broker waits half a rebalance timeout for members, and its long poll does not wake up."""
_FOREIGN = ("STREAMS_", "FAUST_", "F_", "APP_DATADIR", "WEB_")
"""What settings of another app begin with; they are not handed on."""


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
        for number, port in enumerate(self.ports, 1):
            self._processes.append(self._start(number, port))

    def _start(self, number: int, port: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "faust", "-A", "streams.worker", "worker", "--web-port", str(port)]
        with self.log(number).open("wb") as output:
            return subprocess.Popen(  # noqa: S603 - our own program
                [*command, "-l", "warn"],
                env=self._environment(number, port),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _environment(self, number: int, port: int) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return ours | QUICK | {
            "STREAMS_FILE": str(files("streams.demo").joinpath("demo.yaml")),
            "STREAMS_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "STREAMS_DATA_DIR": str(self.folder / f"worker-{number}"),
            "STREAMS_WEB_PORT": str(port),
        }  # fmt: skip

    def log(self, number: int) -> Path:
        """Return the file with the output of worker `number`."""
        return self.folder / f"worker-{number}.log"

    def ended(self) -> tuple[int, int] | None:
        """Return number and exit code of a worker that has ended, None if all run."""
        polled = ((number, process.poll()) for number, process in enumerate(self._processes, 1))
        return next(((number, code) for number, code in polled if code is not None), None)

    def stop(self) -> None:
        """End all of them, in order; by force after `GRACE` seconds, or at once if this is interrupted."""
        try:
            for process in self._processes:
                process.send_signal(signal.SIGTERM)
            until = time.monotonic() + GRACE
            for process in self._processes:
                _wait(process, until - time.monotonic())
        finally:
            for process in self._processes:
                process.kill()
                process.wait()
            self._processes.clear()


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        return


def _ports(count: int) -> list[int]:
    """Return the usual ports, or free ones where they are taken."""
    return [port if _is_free(port) else free_port() for port in range(FIRST_PORT, FIRST_PORT + count)]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
