r"""The escapes of access logs: `\"` and `\xNN` as nginx writes them, and Apache's `\\`, `\n`, `\t` and their kin."""

from __future__ import annotations

import re

_ESCAPED = re.compile(r"((?:\\x[0-9A-Fa-f]{2})+)|\\([\"\\abfnrtv])")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_QUOTED = re.compile(r"[\x00-\x1f\"\\\x7f]|[^\x00-\x7f]+")
_BARE = re.compile(r"[\x00-\x20\"\[\]\\\x7f]|[^\x00-\x7f]+")


def unescape(text: str) -> str:
    r"""Return the text that was escaped. Bytes that are not UTF-8 stay as `\xNN`."""
    return _ESCAPED.sub(_character, text)


def escape(text: str, *, bare: bool = False) -> str:
    r"""Return `text` as nginx writes it, everything unsafe as `\xNN`; `bare` where no quotes stand around it."""
    if text == "-":
        return r"\x2D"
    return (_BARE if bare else _QUOTED).sub(_hexadecimal, text)


def _character(found: re.Match[str]) -> str:
    if found[1]:
        return bytes.fromhex(found[1].replace(r"\x", "")).decode(errors="backslashreplace")
    return _LETTERS.get(found[2], found[2])


def _hexadecimal(found: re.Match[str]) -> str:
    return "".join(rf"\x{byte:02X}" for byte in found[0].encode())
