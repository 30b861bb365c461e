"""Where glibc's allocator keeps what the threads of a worker free."""

from __future__ import annotations

import ctypes
import os

_ARENA_MAX = -8
"""`M_ARENA_MAX` of glibc's `malloc.h`; see mallopt(3)."""
VARIABLE = "MALLOC_ARENA_MAX"


def share_arena() -> bool:
    """Let all threads take memory from one arena, and return whether that could be said.

    glibc gives each thread its own, and what one frees does not help the others: answers are received in one thread,
    batches made in another, and stores filled in a third, so that a worker takes a tenth more than it uses. Threads
    that hold the interpreter's lock have no use for arenas of their own. To be called before there are threads; whoever
    sets `MALLOC_ARENA_MAX` knows better, and other C libraries have nothing of the kind.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or VARIABLE in os.environ:
        return False
    return bool(mallopt(_ARENA_MAX, 1))
