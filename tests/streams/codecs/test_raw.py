"""The raw codec: text of values and keys."""

from __future__ import annotations

from streams import reasons
from streams.codecs import registry

CODEC = registry()["raw"]


def test_keys_are_text_or_null() -> None:
    """A missing record key is null; a key that is not UTF-8 makes the row bad."""
    decoder = CODEC.compile({"value": "text", "key": "text"})
    assert decoder.wants_keys
    decoded = decoder.decode([b"a", b"b", b"c", None], [b"k", None, b"\xff", b"k"])
    assert decoded.columns["value"].tolist() == ["a", "b"]
    assert decoded.columns["key"].tolist() == ["k", None]
    assert [(row.index, row.reason) for row in decoded.bad] == [(2, reasons.INVALID_UTF8), (3, reasons.EMPTY_VALUE)]
    assert "key" in decoded.bad[0].message


def test_keys_are_not_asked_for_without_need() -> None:
    """Where only `value` is used, keys need not be fetched."""
    assert not CODEC.compile({"value": "text"}).wants_keys


def test_an_empty_value_is_a_text_and_a_tombstone_is_bad() -> None:
    """No bytes are the empty text; no value is a bad row."""
    decoded = CODEC.compile({"value": "text"}).decode([b"", None])
    assert decoded.columns["value"].tolist() == [""]
    assert [(row.index, row.reason) for row in decoded.bad] == [(1, reasons.EMPTY_VALUE)]
