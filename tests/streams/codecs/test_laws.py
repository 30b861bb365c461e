"""Laws of every registered codec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codecs import registry
from streams.codecs.base import Codec, FieldType
from streams.reasons import REASONS

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
INT = st.integers(-(1 << 63), (1 << 63) - 1)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
JSON_FIELDS: Mapping[str, FieldType] = {
    "service": "key",
    "value": "number",
    "ts": "time",
    "up": "bool",
    "http.status": "number",
    "http.request.path": "text",
    "extra": "any",
    "größe in m²": "text",
}
VALUES: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "json": {
        "service": TEXT | INT,
        "value": INT | FLOAT,
        "ts": TEXT | FLOAT,
        "up": st.booleans(),
        "http.status": INT,
        "http.request.path": TEXT,
        "extra": st.recursive(TEXT | INT | st.booleans(), lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)),
        "größe in m²": TEXT,
    },
    "nginx": {
        "client": WORD,
        "ident": WORD,
        "user": WORD,
        "time": st.integers(100_000_000, 253_402_300_799).map(lambda seconds: seconds * 1000),
        "method": st.sampled_from(["GET", "POST", "PROPFIND", "get"]),
        "path": WORD,
        "protocol": st.sampled_from(["HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3"]),
        "status": st.integers(100, 599),
        "bytes": st.integers(0, 10**18 - 1),
        "referrer": TEXT,
        "agent": TEXT,
    },
    "raw": {"value": TEXT},
}
POISON = [None, b"", b"\xff", b'{"value": NaN}', b"[" * 5000, b'{"value": 1e999}', b"\xef\xbb\xbf{}", b"\x00", b'"']


def fields_of(codec: Codec) -> Mapping[str, FieldType]:
    """Return the fields that the laws use: all that the format has, or a nested sample where any name goes."""
    return JSON_FIELDS if codec.fields is None else codec.fields


def names() -> st.SearchStrategy[str]:
    """Return the names of the registered codecs."""
    return st.sampled_from(sorted(registry()))


def test_every_codec_is_under_the_laws() -> None:
    """A codec that is added without values for the laws fails here."""
    assert set(VALUES) == set(registry())
    assert all(codec.name == name for name, codec in registry().items())


@given(st.data(), names())
def test_decoding_gives_what_was_encoded(data: st.DataObject, name: str) -> None:
    """decode(encode(values)) == values, for a whole batch."""
    codec = registry()[name]
    rows = data.draw(st.lists(st.fixed_dictionaries(dict(VALUES[name])), max_size=5))
    decoded = codec.compile({field: fields_of(codec)[field] for field in VALUES[name]}).decode(
        [codec.encode(row) for row in rows]
    )
    assert decoded.bad == []
    assert decoded.good is None
    columns = {field: column.tolist() for field, column in decoded.columns.items()}
    assert columns == {field: [row[field] for row in rows] for field in VALUES[name]}


@given(st.data(), names())
def test_bad_rows_disturb_no_others(data: st.DataObject, name: str) -> None:
    """The good rows of a batch come out the same with poison between them, and good and bad rows make up the batch."""
    codec = registry()[name]
    rows = data.draw(st.lists(st.fixed_dictionaries(dict(VALUES[name])), max_size=5))
    batch: list[bytes | None] = [codec.encode(row) for row in rows]
    decoder = codec.compile(fields_of(codec))
    alone = {field: column.tolist() for field, column in decoder.decode(batch).columns.items()}
    for value in data.draw(st.lists(st.sampled_from(POISON), min_size=1, max_size=5)):
        if decoder.decode([value]).bad:
            batch.insert(data.draw(st.integers(0, len(batch))), value)
    decoded = decoder.decode(batch)
    assert {field: column.tolist() for field, column in decoded.columns.items()} == alone
    good = list(range(len(batch))) if decoded.good is None else decoded.good.tolist()
    assert sorted(good + [row.index for row in decoded.bad]) == list(range(len(batch)))
    assert [row.index for row in decoded.bad] == sorted(row.index for row in decoded.bad)


@given(st.lists(st.none() | st.binary() | st.sampled_from(POISON)), names())
def test_no_bytes_make_a_codec_raise(values: list[bytes | None], name: str) -> None:
    """Any values end as good rows or as bad rows with a documented reason and a message."""
    codec = registry()[name]
    decoded = codec.compile(fields_of(codec)).decode(values, values)
    assert all(row.reason in REASONS and row.message for row in decoded.bad)
    expected = len(values) - len(decoded.bad)
    assert {len(column) for column in decoded.columns.values()} == {expected}


@pytest.mark.parametrize("name", sorted(registry()))
def test_an_empty_batch_is_an_empty_result(name: str) -> None:
    """Nothing in, nothing out, for every field."""
    codec = registry()[name]
    decoded = codec.compile(fields_of(codec)).decode([], [])
    assert set(decoded.columns) == set(fields_of(codec))
    assert [len(column) for column in decoded.columns.values()] == [0] * len(decoded.columns)
