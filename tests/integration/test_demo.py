"""`streams demo` as a user runs it: to its end, interrupted, and when something goes wrong."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os import environ
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.embedded, pytest.mark.usefixtures("embedded")]
SECONDS = 120.0


class Demo:
    """A running `streams demo`, with a folder of its own for temporary files."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        """Start it."""
        self.temporary, self.output = folder / "temporary", folder / "output"
        self.temporary.mkdir()
        command = [sys.executable, "-m", "streams.cli", "demo", *arguments]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environ | {"TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1"} | environment,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        """What it has printed."""
        return self.output.read_text(errors="replace")

    def until(self, text: str) -> None:
        """Wait for a text in the output."""
        end = time.monotonic() + SECONDS
        while text not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < end, self.text
            time.sleep(0.05)

    def children(self) -> list[psutil.Process]:
        """Return the broker and the workers."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        assert [sum(what in each.cmdline() for each in found) for what in ("broker", "streams.worker")] == [1, 2]
        return found

    def wait(self) -> int:
        """Return the exit code."""
        return self.process.wait(SECONDS)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Start a demo; whatever the test does, it and all that it started ends."""
    started: list[Demo] = []

    def begin(*arguments: str, **environment: str) -> Demo:
        started.append(Demo(tmp_path, *arguments, **environment))
        return started[-1]

    yield begin
    for demo in started:
        if demo.process.poll() is None:
            demo.process.terminate()
            demo.wait()


@contextmanager
def other_program_on(port: int) -> Iterator[None]:
    """Have a program listen on a port; one that is there already will do."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            listener.bind(("127.0.0.1", port))
            listener.listen()
        yield


def assert_nothing_is_left(demo: Demo, children: list[psutil.Process]) -> None:
    """No process and no file."""
    assert demo.process.returncode is not None
    assert not [each for each in children if each.is_running()]
    assert list(demo.temporary.iterdir()) == []


def test_once_shows_everything_and_checks_it(start: Callable[..., Demo]) -> None:
    """Counts, an alert that fires and is resolved, both workers equal to the recount; a taken port stays taken."""
    with other_program_on(6066):
        demo = start("--once")
        code = demo.wait()
    text = demo.text
    assert code == 0, text
    assert len(re.findall(r"^\[ *[\d.]+ s\] +firing: ManyRefusedRequests at 2015-", text, re.MULTILINE)) == 1
    assert len(re.findall(r"^\[ *[\d.]+ s\] +resolved: ManyRefusedRequests at 2015-", text, re.MULTILINE)) == 1
    equal = re.findall(r"(http://127.0.0.1:\d+): ([\d,]+) rows of table (\w+) equal a plain recount", text)
    assert len({url for url, _, _ in equal}) == 2
    assert sorted((table, rows) for _, rows, table in equal) == 2 * [("clients", "3,052")] + 2 * [("site", "84")]
    assert "http://127.0.0.1:6066" not in text
    assert re.search(r"replayed +\d,\d{3} of 10,000 lines, counted +[\d,]+ requests", text)
    assert "Counted: 9,999 requests of 1,753 clients" in text
    assert re.search(r"Look at: http://127.0.0.1:\d+/ .*/api/v1/tables/site .*/api/v1/alerts .*/metrics", text)
    assert_nothing_is_left(demo, [])


def test_ctrl_c_leaves_nothing_behind(start: Callable[..., Demo]) -> None:
    """Without --once it stays up after its check; SIGINT ends all and removes every file, with code 0."""
    demo = start("--rate", "50000")
    demo.until("until Ctrl-C")
    children = demo.children()
    demo.process.send_signal(signal.SIGINT)
    assert demo.wait() == 0, demo.text
    assert "Traceback" not in demo.text
    assert_nothing_is_left(demo, children)


def test_sigterm_in_the_middle_leaves_nothing_behind(start: Callable[..., Demo]) -> None:
    """A demo that was ended before its check says so, by its exit code too."""
    demo = start("--once", "--rate", "100")
    demo.until("replayed")
    children = demo.children()
    demo.process.send_signal(signal.SIGTERM)
    assert demo.wait() == 1
    assert "stopped before what was counted could be checked" in demo.text
    assert "Traceback" not in demo.text
    assert_nothing_is_left(demo, children)


@pytest.mark.parametrize(
    ("program", "reason"),
    [("streams.worker", r"worker [12] was killed by signal 9"), ("broker", "the embedded broker ended")],
)
def test_a_process_that_dies_ends_the_demo(start: Callable[..., Demo], program: str, reason: str) -> None:
    """The exit code is 1, the reason is told, and the others are ended."""
    demo = start("--rate", "100")
    demo.until("replayed")
    children = demo.children()
    next(each for each in children if program in each.cmdline()).send_signal(signal.SIGKILL)
    assert demo.wait() == 1
    assert re.search(reason, demo.text)
    assert "Traceback" not in demo.text
    assert_nothing_is_left(demo, children)


@pytest.mark.parametrize("program", ["/bin/true", "/nowhere"])
def test_a_broker_that_does_not_start_is_told(start: Callable[..., Demo], program: str) -> None:
    """One sentence, exit code 1, no traceback and no file."""
    demo = start("--once", CALF_TANSU_BIN=program)
    assert demo.wait() == 1
    assert "the embedded broker did not start" in demo.text or "CALF_TANSU_BIN='/nowhere' is no program" in demo.text
    assert "Traceback" not in demo.text
    assert_nothing_is_left(demo, [])
