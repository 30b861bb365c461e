"""The `raw` codec: the record value as UTF-8 text in `value`, the record key as text in `key`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from streams import reasons
from streams.codecs.base import Codec, Decoded, Decoder, FieldType
from streams.codecs.extract import column
from streams.codecs.rows import decode_each, explain_text, good_rows

Pair = tuple[bytes | None, bytes | None]


class Raw(Codec):
    """Text as it is."""

    name: ClassVar[str] = "raw"
    fields: ClassVar[Mapping[str, FieldType] | None] = MappingProxyType({"value": "text", "key": "text"})

    def compile(self, fields: Mapping[str, FieldType]) -> Decoder:
        """Return a decoder for `value`, `key` or both."""
        return KeyedTextDecoder(fields) if "key" in fields else TextDecoder()

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """Return the record value; the record key is no part of it."""
        return str(values["value"]).encode()


class TextDecoder(Decoder):
    """Decodes record values as UTF-8."""

    def decode(self, values: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None) -> Decoded:  # noqa: ARG002 - of the interface
        """Return the texts of the good rows, and the bad rows."""
        texts, bad = decode_each(bytes.decode, values, explain_text)  # type: ignore[arg-type] # None is a bad row
        return Decoded({"value": column(texts, "text")}, good_rows(len(values), bad), bad)


class KeyedTextDecoder(Decoder):
    """Decodes record keys, and values where they are used, as UTF-8."""

    wants_keys: ClassVar[bool] = True

    def __init__(self, fields: Mapping[str, FieldType]) -> None:
        """Remember which fields are used."""
        self._fields = frozenset(fields)

    def decode(self, values: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None) -> Decoded:
        """Return the texts of the good rows, and the bad rows."""
        pairs = list(zip(values, keys or [None] * len(values), strict=True))
        rows, bad = decode_each(_texts, pairs, _explain_pair)
        made: dict[str, list[Any]] = {"value": [value for value, _ in rows], "key": [key for _, key in rows]}
        columns = {name: column(made[name], "text") for name in made if name in self._fields}
        return Decoded(columns, good_rows(len(values), bad), bad)


class _KeyError(Exception):
    """The key, not the value, could not be read."""


def _texts(pair: Pair) -> tuple[str, str | None]:
    value, key = pair
    text = bytes.decode(value)  # type: ignore[arg-type] # None is a bad row
    try:
        return text, None if key is None else key.decode()
    except UnicodeDecodeError as error:
        raise _KeyError(str(error)) from error


def _explain_pair(error: Exception, pair: Pair) -> tuple[str, str]:
    if isinstance(error, _KeyError):
        return reasons.INVALID_UTF8, f"the record key is not UTF-8 text: {error}"
    return explain_text(error, pair[0])
