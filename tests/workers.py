"""`faust worker` processes for tests: started as a user starts them, asked over HTTP, ended by their own pid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from streams.embedded import free_port

READY_SECONDS = 90.0


class Worker:
    """One worker of a YAML declaration.

    Args:
        declaration: its file.
        bootstrap: address of the broker.
        folder: for its state and its output; a worker with the same folder goes on where the last one ended.
        settings: more environment variables.
    """

    app = "streams.worker"

    def __init__(self, declaration: Path, bootstrap: str, folder: Path, **settings: str) -> None:
        """Choose a port; nothing runs yet."""
        self.port = free_port()
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("STREAMS_")},
            "STREAMS_FILE": str(declaration),
            "STREAMS_DATA_DIR": str(folder / "state"),
            "STREAMS_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "STREAMS_WEB_PORT": str(self.port),
            **settings,
        }

    @property
    def url(self) -> str:
        """The address of its views."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    @property
    def output(self) -> str:
        """What it has printed."""
        return (self.folder / "output").read_text(errors="replace")

    def start(self) -> Self:
        """Start the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "faust", "-A", self.app, "worker", "-l", "info"]
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                command, env=self._environ, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        return self

    def get(self, path: str) -> Any:
        """Return the JSON that the worker answers."""
        return json.loads(self.text(path))

    def patient(self, path: str, seconds: float = 30.0) -> Any:
        """Return the JSON that the worker answers; ask again while it is not ready (503), as clients do."""
        until = time.monotonic() + seconds
        while True:
            try:
                return self.get(path)
            except urllib.error.HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > until:
                    raise
            time.sleep(0.2)

    def text(self, path: str) -> str:
        """Return the text that the worker answers."""
        with urllib.request.urlopen(self.url + path, timeout=10) as reply:  # noqa: S310 - always http, see `url`
            return str(reply.read().decode())

    def wait_ready(self, seconds: float = READY_SECONDS) -> Self:
        """Return when it is ready.

        Raises:
            AssertionError: it ended, or was not ready in time; the text is the end of its output.
        """
        until = time.monotonic() + seconds
        while not self.ready():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > until:
                raise AssertionError(f"the worker {'ended' if ended else 'is not ready'}: {self.output[-3000:]}")
            time.sleep(0.2)
        return self

    def ready(self) -> bool:
        """Return whether it says that it is ready."""
        return self.answers("/-/ready")

    def answers(self, path: str = "/-/healthy") -> bool:
        """Return whether it answers there, and with success."""
        try:
            self.text(path)
        except (urllib.error.URLError, OSError):
            return False
        return True

    def ended(self, seconds: float = READY_SECONDS) -> int:
        """Wait until it ends by itself and return its exit code."""
        assert self._process is not None, "it was not started"
        return self._process.wait(seconds)

    def why(self) -> str:
        """Return what it says that it waits for; empty if it is ready or does not answer."""
        try:
            self.text("/-/ready")
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError:
            return ""
        return ""

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, seconds: float = 30.0) -> int:
        """End it in order (SIGTERM) and return its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"not stopped after {seconds} s: {self.output[-3000:]}") from None

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
