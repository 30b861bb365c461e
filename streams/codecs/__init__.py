"""Codecs: record values to columns. One file is one codec; the registry finds it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from streams.codecs.base import Codec


@cache
def registry() -> Mapping[str, Codec]:
    """Return every codec of this package by its name.

    Raises:
        ValueError: two files define a codec of the same name.
    """
    found: dict[str, Codec] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if not issubclass(kind, Codec) or inspect.isabstract(kind) or kind.__module__ != module.__name__:
                continue
            if kind.name in found:
                raise ValueError(f"codec {kind.name!r} is defined twice; the second time in {module.__name__}")
            found[kind.name] = kind()
    return MappingProxyType(found)
