"""Loops over aggregate state that numba compiles (extra `fast`). Whoever has numba loaded says so with `use`.

What is here has a twin in NumPy that does the same without it, and is tested against that twin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


class _Loaded:
    """The kernels once they are compiled."""

    kernels: ModuleType | None = None


def kernels() -> ModuleType | None:
    """Return the compiled loops; None where all goes by NumPy."""
    return _Loaded.kernels


def use(module: ModuleType | None) -> None:
    """Take the compiled loops, which are `tables.fast.compiled`; None goes by NumPy from now on."""
    _Loaded.kernels = module
