"""How a loop is compiled: `loop` and `allocating` for what Python calls, `part` for what only loops call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from numba import njit

P = ParamSpec("P")
T = TypeVar("T")
_UNCOUNTED: dict[str, Any] = {"_nrt": False}
"""References to arrays are not counted, which is two atomic additions an array and call: no array can be made."""


def loop(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that is compiled when it is first called, and then kept in numba's cache.

    It can make no arrays, nor call what does.
    """
    return _kept(function, **_UNCOUNTED)


def allocating(function: Callable[P, T]) -> Callable[P, T]:
    """Return the same for a function that makes arrays."""
    return _kept(function)


def part(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that becomes part of each loop that calls it.

    An array is passed to a compiled function as seven numbers or more: that takes longer than what is done to a few
    bytes.
    """
    made: Callable[P, T] = njit(nogil=True, forceinline=True, **_UNCOUNTED)(function)
    return made


def _kept(function: Callable[P, T], **options: Any) -> Callable[P, T]:
    # numba compiles anew if a function's own file has changed, and does not look at those of its parts.
    function.__qualname__ += f"_{_digest(Path(function.__code__.co_filename).parent)}"
    made: Callable[P, T] = njit(cache=True, nogil=True, **options)(function)
    return made


@cache
def _digest(folder: Path) -> str:
    """Return a digest of the modules of a folder, and of this one, which has parts for all."""
    found = hashlib.sha256()
    for path in [*sorted(folder.glob("*.py")), *sorted(Path(__file__).parent.glob("*.py"))]:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
