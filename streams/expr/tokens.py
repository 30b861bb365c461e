"""Cuts the text of an expression into tokens."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from streams.expr.errors import ExpressionError

MAX_TEXT = 4096
"""Most characters of an expression."""

_DIGITS = len(str(2**63))
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>[^\W\d]\w*(?:\.\w+)*)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<op>===|!==|=~|!~|==|!=|<=|>=|<>|&&|\|\||\*\*|//|[-+*/%<>()\[\],=!&|])""",
    re.VERBOSE | re.DOTALL,
)
_INSTEAD = {
    "=": "==", "===": "==", "!==": "!=", "<>": "!=", "&&": "and", "&": "and", "||": "or", "|": "or", "!": "not",
    "=~": "matches(x, 're')", "!~": "not matches(x, 're')", "**": "a product", "//": "/",
}  # fmt: skip
_ESCAPES = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Token:
    """One token: its text as written and its place, from 0."""

    kind: Literal["number", "name", "text", "op", "end"]
    text: str
    start: int

    @property
    def end(self) -> int:
        """The place after it."""
        return self.start + len(self.text)

    @property
    def column(self) -> int:
        """The place counted from 1."""
        return self.start + 1


def tokenize(text: str, *, instead: bool = True) -> list[Token]:
    """Return the tokens of `text`, the last of kind `end`.

    Args:
        text: an expression or an aggregate call.
        instead: refuse other languages' operators, naming ours; an aggregate call has `=`.

    Raises:
        ExpressionError: a character that begins no token, or a text that is too long.
    """
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"{len(text)} characters are more than the {MAX_TEXT} an expression may have", 1)
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        token = _next(text, at)
        if token is not None:
            if instead and token.kind == "op" and token.text in _INSTEAD:
                raise ExpressionError(f"`{token.text}` is not known; write `{_INSTEAD[token.text]}`", token.column)
            tokens.append(token)
            at = token.end
        else:
            at = _TOKEN.match(text, at).end()  # type: ignore[union-attr] # it matched white space
    return [*tokens, Token("end", "", len(text))]


def _next(text: str, at: int) -> Token | None:
    """Return the token at `at`, None for white space."""
    match = _TOKEN.match(text, at)
    if match is None:
        if text[at] in "'\"":
            raise ExpressionError(f"the text that begins here has no closing {text[at]}", at + 1)
        raise ExpressionError(f"{text[at]!r} is not part of the language", at + 1)
    kind = match.lastgroup
    if kind == "space":
        return None
    return Token(kind, match.group(), at)  # type: ignore[arg-type] # the groups are the kinds


def number(token: Token) -> int | float:
    """Return the value of a number token: an int where it is written as one and fits 64 bits, else a float."""
    if token.text.isdecimal() and len(token.text) <= _DIGITS and int(token.text) < 2**63:
        return int(token.text)
    value = float(token.text)
    if not math.isfinite(value):
        raise ExpressionError(f"{token.text} is too large for a number", token.column)
    return value


def unescape(token: Token) -> tuple[str, list[int]]:
    r"""Return the value of a text token, and for each of its characters (and the end) the place in the source.

    Only `\\ \" \' \n \t \r` are escapes; any other backslash stands for itself, so that `'\d+'` is a pattern.
    """
    raw, at = token.text, 1
    chars: list[str] = []
    places: list[int] = []
    while at < len(raw) - 1:
        escape = _ESCAPES.get(raw[at + 1]) if raw[at] == "\\" else None
        chars.append(raw[at] if escape is None else escape)
        places.append(token.start + at)
        at += 1 if escape is None else 2
    return "".join(chars), [*places, token.start + at]
