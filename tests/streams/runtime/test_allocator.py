"""`streams.runtime.allocator`: threads share what they free."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys, threading
from streams.runtime.allocator import share_arena
said = share_arena()
libc, lock = ctypes.CDLL(None), threading.Barrier(5)
libc.malloc.restype = ctypes.c_void_p
def allocate():
    lock.wait()
    libc.malloc(1000)
    lock.wait()
threads = [threading.Thread(target=allocate) for _ in range(4)]
[each.start() for each in threads]
lock.wait(); lock.wait()
print("SAID", said, flush=True)
libc.malloc_stats()
"""


@pytest.mark.parametrize(("variable", "said"), [({}, "True"), ({"MALLOC_ARENA_MAX": "8"}, "False")])
def test_threads_share_an_arena_unless_somebody_says_otherwise(variable: dict[str, str], said: str) -> None:
    """After it threads make no arenas of their own; a setting of the user is left alone."""
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("this C library has no arenas")
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=_environ(variable))
    assert f"SAID {said}" in done.stdout
    arenas = len(re.findall(r"^Arena \d+:", done.stderr, re.MULTILINE))
    assert (arenas > 1) == bool(variable)


def _environ(more: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"} | more
