"""What a request asks for: its parameters, checked."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from streams.event_time import LATEST
from streams.rfc3339 import milliseconds
from streams.views.errors import QueryError
from tables.keys import key_bytes, part_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

MOST_KEYS = 1000
"""Largest `limit`."""
_PARAMETERS = ("from", "to", "limit", "after", "prefix", "scope", "format", "stale")
_MOST_PARTS = 8
_MOST_DIGITS = 19


@dataclass(frozen=True)
class Query:
    """The parameters that all views of tables take.

    Args:
        from_: ms; windows that start before it are left out.
        to: ms; windows that start at or after it are left out.
        limit: most keys.
        after: key bytes behind which the page begins.
        prefix: beginning of the key, as text.
        local: ask only this worker.
        csv: answer as CSV.
        stale: partitions that no owner answers for may be answered by a follower.
        standby: answer only for these partitions, from what this worker follows; what workers ask each other.
    """

    from_: int | None
    to: int | None
    limit: int
    after: bytes | None
    prefix: str
    local: bool
    csv: bool
    stale: bool = False
    standby: tuple[int, ...] | None = None

    @classmethod
    def of(cls, request: web.Request) -> Query:
        """Return the parameters of a request.

        Raises:
            QueryError: one of them is wrong or unknown.
        """
        given = dict(request.query)
        unknown = sorted(given.keys() - {*_PARAMETERS, "standby"})
        if unknown:
            raise QueryError(400, f"unknown parameter {unknown[0][:100]!r}: {', '.join(_PARAMETERS)}")
        query = cls(
            from_=_time("from", given.get("from")),
            to=_time("to", given.get("to")),
            limit=_limit(given.get("limit", "100")),
            after=_after(given.get("after")),
            prefix=given.get("prefix", ""),
            local=is_local(request),
            csv=_choice("format", given.get("format", "json"), ("json", "csv")) == "csv",
            stale=_choice("stale", given.get("stale", "no"), ("no", "ok")) == "ok",
            standby=_numbers_of(given.get("standby")),
        )
        if query.from_ is not None and query.to is not None and query.from_ >= query.to:
            raise QueryError(400, f"from={given['from']!r:.40} must lie before to={given['to']!r:.40}")
        return query


def is_local(request: web.Request) -> bool:
    """Tell whether only this worker is asked (`scope=local`)."""
    return _choice("scope", request.query.get("scope", "app"), ("app", "local")) == "local"


def cursor(key: bytes) -> str:
    """Return what `after` must be for the page that begins behind this key."""
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


def key_of(text: str) -> bytes:
    """Return the key bytes of a cursor.

    Raises:
        ValueError: the text is no cursor.
    """
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def split_key(raw: str, fields: int) -> list[str]:
    """Return the parts of a key as a URL holds it.

    The text is percent-decoded; of several fields, it is then split at commas and each part is decoded again, so that
    a comma within a part is written `%252C` and a percent sign `%2525`.

    Args:
        raw: percent-encoded text.
        fields: number of key fields.

    Raises:
        QueryError: it is not UTF-8, or has another number of parts.
    """
    text = _unquote(raw)
    if fields == 1:
        return [text]
    parts = [_unquote(part) for part in text.split(",")]
    if len(parts) != fields:
        message = f"the key {text!r:.200} has {len(parts)} parts, the table's key {fields}; join them by %2C"
        raise QueryError(400, f"{message} and write a comma within a part as %252C")
    return parts


def key_candidates(parts: list[str]) -> list[bytes]:
    """Return the key bytes that these texts can stand for, the likeliest first.

    A single key is its text. In a key of several fields a text and a number differ, and a URL does not tell which is
    meant: a part that reads as a number is tried as both.
    """
    if len(parts) == 1:
        return [parts[0].encode()]
    return [key_bytes(values) for values in product(*([part, *_numbers(part)] for part in parts[:_MOST_PARTS]))]


def prefix_candidates(text: str, fields: int) -> list[bytes]:
    """Return what the key bytes of keys that begin with this text can begin with.

    For a key of several fields the text holds complete parts and the beginning of one, split as in `split_key`.
    """
    if fields == 1 or not text:
        return [text.encode()]
    *whole, last = [_unquote(part) for part in text.split(",")]
    heads = product(*([part, *_numbers(part)] for part in whole[:_MOST_PARTS]))
    tails = [part_bytes(last)[:-1], last.encode()] if last else [b""]
    return [b"[" + b"".join(part_bytes(value) + b"," for value in head) + tail for head in heads for tail in tails]


def _numbers(part: str) -> Iterator[Any]:
    for kind in (int, float):
        try:
            value = kind(part)
            if part_bytes(value) == part.encode():
                yield value
                return
        except ValueError:
            continue


def _unquote(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise QueryError(400, f"the key {text[:200]!r} is not percent-encoded UTF-8") from error


def _time(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if _is_number(text) and int(text) <= LATEST:
        return int(text)
    # An unencoded `+` of an offset arrives as a space.
    (ms,), (valid,) = milliseconds([text[:11] + text[11:].replace(" ", "+")])
    if not valid:
        raise QueryError(400, f"{name}={text[:100]!r} is neither an RFC 3339 time nor ms since the epoch")
    return int(ms)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS


def _limit(text: str) -> int:
    if _is_number(text) and 1 <= int(text) <= MOST_KEYS:
        return int(text)
    raise QueryError(400, f"limit={text[:100]!r} is not a number from 1 to {MOST_KEYS}; page with `after`")


def _numbers_of(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.split(",")
    if not all(map(_is_number, parts)):
        raise QueryError(400, f"standby={text[:100]!r} is no list of partition numbers")
    return tuple(map(int, parts))


def _after(text: str | None) -> bytes | None:
    try:
        return None if text is None else key_of(text)
    except (binascii.Error, ValueError) as error:
        raise QueryError(400, f"after={text!r:.100} is no cursor; take `next` of the page before") from error


def _choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise QueryError(400, f"{name}={text[:100]!r}: {' or '.join(choices)} is possible")
    return text
