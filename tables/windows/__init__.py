"""The kinds of windows, one file each: what is added is found by `registry`, and by the laws that all must keep."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import TYPE_CHECKING

from tables.windows.base import Window
from tables.windows.panes import FOREVER, Panes, Steps, Whole

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FOREVER", "Panes", "Steps", "Window", "panes", "registry", "steps"]


@cache
def registry() -> Mapping[str, type[Window]]:
    """Return the kinds of windows by the key that names them in a declaration, such as `tumbling`."""
    found: dict[str, type[Window]] = {}
    for module in iter_modules(__path__, f"{__name__}."):
        for part in vars(import_module(module.name)).values():
            if isinstance(part, type) and issubclass(part, Window) and "kind" in vars(part):
                found[part.kind] = part
    return MappingProxyType(dict(sorted(found.items())))


def steps(window: Window | None) -> Steps:
    """Return the windows of a table by number; `window` None is one window that never ends."""
    return Whole() if window is None else window.panes()


def panes(window: Window | None) -> Panes:
    """Return the same for windows that all keys share.

    Raises:
        TypeError: each key has windows of its own.
    """
    found = steps(window)
    if not isinstance(found, Panes):
        raise TypeError(f"{window} is not made of panes: each key has windows of its own")
    return found
