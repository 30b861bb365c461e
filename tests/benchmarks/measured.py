"""A process under measurement: pinned to a core, its lines heard, its CPU time and memory read from outside.

Every system is measured alike: the clock begins when the process says `BEGAN`, and ends when what is waited for is
there.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

ROOT = Path(__file__).parents[2]
SECONDS = 300.0
"""The longest that one run may take."""
POLL = 0.02
"""Seconds between looks at whether a run is over."""
_STOP_SECONDS = 30.0


class RunFailed(RuntimeError):  # noqa: N818 - the name says what happened
    """A process ended, or did not come to its end in time; the text holds what it said last."""


@dataclass(frozen=True)
class Spent:
    """What a run took.

    Args:
        seconds: by the wall clock.
        cpu_seconds: user and system time of all processes.
        peak_mib: resident memory at most, in MiB; of the largest process.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


class Measured:
    """A process whose output is read line by line.

    Args:
        command: program and arguments.
        core: the only core it may use; None for any.
        environ: variables beside our own.
    """

    def __init__(
        self, command: Sequence[str], *, core: int | None = 0, environ: Mapping[str, str] | None = None
    ) -> None:
        """Start it."""
        pinned = ["taskset", "-c", str(core), *command] if core is not None else list(command)
        own = {name: value for name, value in os.environ.items() if not name.startswith("STREAMS_")}
        variables = {**own, "PYTHONPATH": str(ROOT), **(environ or {})}
        self._process = subprocess.Popen(
            pinned, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._last: list[str] = []
        self.began: tuple[float, float] | None = None
        """Time (`time.perf_counter`) and CPU seconds at which it said that it began."""
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if line.startswith("BEGAN"):
                self.began = time.perf_counter(), self.cpu()
            self._last = [*self._last[-30:], line]
            self._lines.put(line)
        self._lines.put("")

    def heard(self, word: str, seconds: float = SECONDS) -> str:
        """Wait for a line that begins with a word, and return what follows it.

        Raises:
            RunFailed: the process ended, or the line did not come in time.
        """
        until = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise self.failed(f"did not say {word} in {seconds:.0f} s") from None
            if not line:
                raise self.failed(f"ended without saying {word}")
            if line.startswith(word):
                return line.removeprefix(word).strip()

    def said(self, word: str) -> list[str]:
        """Return what followed a word in the lines since the last call or `heard`, without waiting."""
        found = []
        while not self._lines.empty():
            line = self._lines.get()
            if line.startswith(word):
                found.append(line.removeprefix(word).strip())
        return found

    def check(self) -> None:
        """See that it still runs.

        Raises:
            RunFailed: it does not.
        """
        if self._process.poll() is not None:
            raise self.failed("ended")

    def failed(self, what: str) -> RunFailed:
        """Return the error that tells what became of it."""
        return RunFailed(f"process {self.pid} {what} (exit code {self._process.poll()}):\n{''.join(self._last)}")

    def cpu(self) -> float:
        """Return user and system seconds so far; 0 when it has ended."""
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def rss_mib(self) -> float:
        """Return the resident memory now."""
        return float(psutil.Process(self.pid).memory_info().rss) / 2**20

    def peak_mib(self) -> float:
        """Return the greatest resident memory so far, as the kernel keeps it."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)

    def stop(self) -> None:
        """End it: in order, then by force."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        """Use it; it runs already."""
        return self

    def __exit__(self, *error: object) -> None:
        """End it."""
        self.stop()


def timed(processes: Sequence[Measured], done: Callable[[], bool], seconds: float = SECONDS) -> Spent:
    """Wait until all have begun and a run is over, and return what it took from the first beginning.

    Args:
        processes: each says `BEGAN`.
        done: whether the run is over; asked every `POLL` seconds.
        seconds: how long it may take.

    Raises:
        RunFailed: a process ended, or it took longer.
    """
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise processes[0].failed(f"was not done in {seconds:.0f} s")
        for process in processes:
            process.check()
        time.sleep(POLL)
    now = time.perf_counter()
    begun = [process.began or (now, process.cpu()) for process in processes]
    cpu = sum(process.cpu() - before for process, (_, before) in zip(processes, begun, strict=True))
    return Spent(now - min(at for at, _ in begun), cpu, max(process.peak_mib() for process in processes))


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of ours."""
    return [sys.executable, "-u", "-m", module, *arguments]
