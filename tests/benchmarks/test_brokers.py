"""Benchmarks leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.benchmarks.measured import ROOT

STARTED = """
import sys, time
from tests.benchmarks.brokers import stoppable
from tests.benchmarks.measured import Measured
with stoppable(), Measured([sys.executable, "-c", "import time; time.sleep(600)"], core=None) as process:
    print(process.pid, flush=True)
    time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Return whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_a_stopped_benchmark_has_started_ends_with_it() -> None:
    """SIGTERM, which Python obeys at once, lets a benchmark stop its processes first."""
    command = [sys.executable, "-c", STARTED]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as bench:
        assert bench.stdout is not None
        pid = int(bench.stdout.readline())
        assert alive(pid)
        bench.send_signal(signal.SIGTERM)
        assert bench.wait(60) == 128 + signal.SIGTERM
    assert not alive(pid)
