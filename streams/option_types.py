"""Parsers of option values: text in; the value, or ValueError with a message that reads on after the value."""

from __future__ import annotations

import re
from collections.abc import Callable

from streams.options import Secret

MAX_PORT = 65_535
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?")


def number(low: int, high: int = 2**31 - 1) -> Callable[[str], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise ValueError(f"is not a whole number from {low} to {high}")
        return int(text)

    return parse


def size(least: int) -> Callable[[str], int]:
    """Return a parser of sizes such as `512MiB` to bytes, of at least `least` MiB."""

    def parse(text: str) -> int:
        found = re.fullmatch(r"([0-9]{1,6})(MiB|GiB)", text)
        if not found:
            raise ValueError("is not a size; write for example 512MiB or 2GiB")
        bytes_ = int(found[1]) << (20 if found[2] == "MiB" else 30)
        if bytes_ < least << 20:
            raise ValueError(f"is too little; write at least {least}MiB")
        return bytes_

    return parse


def choice(*known: str, **same: str) -> Callable[[str], str]:
    """Return a parser of the `known` names in any case; `same` maps further names to them."""
    names = {name.lower(): name for name in known} | same

    def parse(text: str) -> str:
        if text.lower() not in names:
            raise ValueError(f"is not one of {', '.join(known)}")
        return names[text.lower()]

    return parse


def flag(text: str) -> bool:
    """Parse `true` or `false`."""
    return choice("true", "false")(text) == "true"


def servers(text: str) -> tuple[str, ...]:
    """Parse `host:port` separated by commas (or, as Faust's URLs, by semicolons); the port is 9092 if left out."""
    if "@" in text:
        raise ValueError("holds a user or password; use sasl.username and sasl.password")
    parts = [re.sub(r"^[a-z]+://", "", part.strip()) for part in re.split("[,;]", text)]
    found = tuple(_server(part) for part in parts if part)
    if not found:
        raise ValueError("names no broker; write at least one host:port")
    return found


def text(text: str) -> str:
    """Refuse empty text."""
    if not text.strip():
        raise ValueError("is empty")
    return text


def secrets(text: str) -> tuple[Secret, ...]:
    """Parse secrets separated by commas or white space."""
    return tuple(map(Secret, text.replace(",", " ").split()))


def _server(text: str) -> str:
    found = _HOST.fullmatch(text)
    if not found or not 1 <= int(found["port"] or 9092) <= MAX_PORT:
        raise ValueError(f"holds {text!r}, which is not host:port")
    return f"{found['host']}:{found['port'] or 9092}"
