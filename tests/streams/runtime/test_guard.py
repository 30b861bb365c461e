"""What a worker makes sure of before it starts."""

from __future__ import annotations

import asyncio
import errno
import io
import logging
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import faust
import pytest

from streams.runtime.guard import LOCK, Refused, Worker, lock_directory


@contextmanager
def no_space() -> Iterator[None]:
    """Let no file grow, as on a full disk; what pytest itself writes is outside."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_directory_is_taken_once(tmp_path: Path) -> None:
    """The second worker of a directory is refused, by the process id of the first; after its end it is free again."""
    with lock_directory(tmp_path / "state"), pytest.raises(Refused, match=f"process id {os.getpid()}"):
        lock_directory(tmp_path / "state")
    with lock_directory(tmp_path / "state"):
        assert (tmp_path / "state" / LOCK).read_text() == str(os.getpid())


def test_a_directory_without_space_is_named(tmp_path: Path) -> None:
    """Where not even the lock can be written the worker says which directory, and what to do."""
    with no_space(), pytest.raises(Refused, match=r"state cannot be written .*space left"):
        lock_directory(tmp_path / "state")


class Unread(io.StringIO):
    """An output whose reader is gone."""

    def write(self, text: str) -> int:
        """Refuse."""
        raise BrokenPipeError(errno.EPIPE, f"{len(text)} characters for nobody")


def test_a_line_that_cannot_be_written_makes_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker whose log nobody reads any more goes on without; Python's own report of that would be a line too."""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    logger = logging.Logger("root")  # noqa: LOG001 - not the process's own
    logger.addHandler(logging.StreamHandler(Unread()))
    app = faust.App("unread", datadir=str(tmp_path), loop=asyncio.new_event_loop())
    logger.warning("before")
    assert "for nobody" in capsys.readouterr().err
    worker = Worker(app, quiet=True, stdout=sys.__stdout__, stderr=sys.__stderr__)
    worker.on_setup_root_logger(logger, logging.WARNING)
    logger.warning("now")
    assert not capsys.readouterr().err


@pytest.mark.parametrize("level", [logging.WARNING, logging.INFO])
def test_no_line_is_made_that_nobody_is_shown(level: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust's spinner has every debug line made, at each request to Kafka; a worker of ours makes those it shows."""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    logger = logging.Logger("root")  # noqa: LOG001 - not the process's own
    logger.addHandler(logging.NullHandler())
    app = faust.App("quiet", datadir=str(tmp_path), loop=asyncio.new_event_loop())
    stock, ours = faust.Worker(app, quiet=False), Worker(app, quiet=False)
    stock.on_setup_root_logger(logger, level)
    assert logger.level == (logging.DEBUG if level == logging.WARNING else logging.NOTSET)
    ours.on_setup_root_logger(logger, level)
    assert logger.level == level
