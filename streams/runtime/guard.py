"""What a worker makes sure of before it starts: its data directory, its port, and who may reach it."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import faust
from faust.types._env import DATADIR

from streams.runtime.allocator import share_arena

if TYPE_CHECKING:
    from streams.app import App
    from streams.settings import WorkerSettings

EX_FAILED = 1
"""Exit code of a worker that cannot have its directory or its port."""
FLAG_DIRECTORY = "F_DATADIR"
"""Where Faust's command line leaves `--datadir`, after it has imported the app; without the flag it is `DATADIR`."""
LOCK = "worker.lock"
"""File in the data directory that its worker holds locked."""


class Refused(Exception):  # noqa: N818 - the name says what happened
    """The worker cannot start here; the text says why and which flag helps."""


class Worker(faust.Worker):
    """Faust's worker; it ends at once, without a traceback, where it cannot have what it needs of its machine."""

    app: App
    _lock: IO[bytes] | None = None

    def __init__(self, app: App, *args: Any, **options: Any) -> None:
        directory = os.environ.get(FLAG_DIRECTORY)
        if directory and directory != str(DATADIR):
            app.conf.datadir = Path(directory)
        super().__init__(app, *args, **options)

    def execute_from_commandline(self) -> NoReturn:
        """Check, then run until stopped."""
        share_arena()
        conf, settings = self.app.conf, self.app.worker_settings
        try:
            self._lock = lock_directory(Path(conf.datadir))
            if conf.web_enabled:
                check_doors(settings, conf.web_bind)
                check_port(conf.web_bind, conf.web_port)
        except Refused as refusal:
            sys.stderr.write(f"{refusal}\n")
            raise SystemExit(EX_FAILED) from None
        super().execute_from_commandline()

    def on_setup_root_logger(self, logger: logging.Logger, level: int) -> None:
        """Let no line be made that nobody is shown, and none of lines that cannot be written.

        Faust has its spinner turn at each, and for that makes all that there are: two for each request to Kafka. And
        where nobody reads its output any more, Python says so for each line, on an output that Faust makes lines of.
        """
        logging.raiseExceptions = False
        super().on_setup_root_logger(logger, level)
        if level:
            logger.setLevel(level)


def lock_directory(directory: Path) -> IO[bytes]:
    """Take a data directory for this process; the lock ends with it, however it ends.

    Raises:
        Refused: another worker has it, or it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / LOCK).open("ab+", buffering=0)
        try:
            _lock(lock, directory)
        except BaseException:
            lock.close()
            raise
    except OSError as error:
        raise Refused(
            f"data directory {directory} cannot be written ({error.strerror}): give the worker one that it owns, with "
            "space left, by `faust --datadir DIR ...` or STREAMS_DATA_DIR"
        ) from error
    return lock


def _lock(lock: IO[bytes], directory: Path) -> None:
    """Lock the file of a directory, and write down whose it is."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        owner = lock.read().decode(errors="replace").strip() or "unknown"
        raise Refused(
            f"data directory {directory} is in use by the worker with process id {owner}: give this one its own by "
            "`faust --datadir DIR ...` or STREAMS_DATA_DIR"
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()).encode())


def check_doors(settings: WorkerSettings, bind: str) -> None:
    """Look once more at who may reach the views: a flag may have changed where they are bound.

    Raises:
        Refused: they would be open to other machines without tokens.
    """
    for problem in replace(settings, web_bind=bind).check():
        raise Refused(f"--web-bind {problem.message}")


def check_port(host: str, port: int) -> None:
    """Look whether an address can be listened on.

    Raises:
        Refused: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refused(_why(host, port, error)) from error


def _why(host: str, port: int, error: OSError) -> str:
    reason: Any = error.strerror or error
    if error.errno == errno.EADDRINUSE:
        return (
            f"web port {port} on {host} is in use: choose another by --web-port or STREAMS_WEB_PORT, or --without-web"
        )
    if error.errno == errno.EACCES:
        return f"web port {port} on {host} is not for this user ({reason}): choose one above 1023 by --web-port"
    return (
        f"web address {host}:{port} cannot be listened on ({reason}): choose another by --web-bind or STREAMS_WEB_BIND"
    )
