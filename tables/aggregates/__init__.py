"""The aggregates, one file each. A file that is added is found by `registry`, and by the laws that all must keep."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import TYPE_CHECKING

from tables.aggregates.base import Aggregate

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def registry() -> Mapping[str, type[Aggregate]]:
    """Return the aggregate classes by the name they are called by in a declaration, such as `count`."""
    found: dict[str, type[Aggregate]] = {}
    for module in iter_modules(__path__, f"{__name__}."):
        for part in vars(import_module(module.name)).values():
            if isinstance(part, type) and issubclass(part, Aggregate) and "kind" in vars(part):
                found[part.kind] = part
    return MappingProxyType(dict(sorted(found.items())))
