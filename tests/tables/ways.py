"""Both ways in which state is worked on: by NumPy, and by the compiled loops of the extra `fast`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from tables import fast

WAYS = ("NumPy", "compiled")


def compiled_loops() -> ModuleType:
    """Return the compiled loops; the test is skipped where numba is not installed."""
    pytest.importorskip("numba")
    from tables.fast import compiled  # noqa: PLC0415 - where numba is installed

    compiled.warm()
    return compiled


@contextmanager
def going(way: str) -> Iterator[None]:
    """Let all go one way, and in the end as it went before."""
    before = fast.kernels()
    fast.use(compiled_loops() if way == "compiled" else None)
    try:
        yield
    finally:
        fast.use(before)
