"""Declarative stream processing of operational metrics on Kafka: a declaration in, windowed tables and alerts out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams.app import App
    from streams.load import load, loads
    from streams.problems import DeclarationError
    from streams.spec import Alert, Declaration, Stream, TimeField

__all__ = ["Alert", "App", "Declaration", "DeclarationError", "Stream", "TimeField", "load", "loads"]
_HOMES = {
    "Alert": "streams.spec",
    "App": "streams.app",
    "Declaration": "streams.spec",
    "DeclarationError": "streams.problems",
    "Stream": "streams.spec",
    "TimeField": "streams.spec",
    "load": "streams.load",
    "loads": "streams.load",
}


def __getattr__(name: str) -> Any:
    """Return a public name from its module, which is imported only now: checking a file needs no Faust."""
    if name not in _HOMES:
        raise AttributeError(f"module 'streams' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
