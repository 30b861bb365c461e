"""The json codec: columns by type, and bad rows at every place."""

from __future__ import annotations

import pytest

from streams import reasons
from streams.codecs import registry
from streams.codecs.base import FieldType

CODEC = registry()["json"]


def kind_of(values: list[bytes | None], want: FieldType) -> str:
    """Return the kind of column that these values of field `x` make."""
    return CODEC.compile({"x": want}).decode(values).columns["x"].kind


def test_a_number_column_is_as_narrow_as_its_values() -> None:
    """Integers stay integers; floats are floats; both together keep each integer exactly."""
    assert kind_of([b'{"x":1}', b'{"x":null}'], "number") == "int"
    assert kind_of([b'{"x":1.0}', b"{}"], "number") == "float"
    mixed = CODEC.compile({"x": "number"}).decode([b'{"x":9007199254740993}', b'{"x":0.5}', b"{}"]).columns["x"]
    assert mixed.kind == "mixed"
    assert mixed.tolist() == [9007199254740993, 0.5, None]


def test_a_key_or_time_column_is_text_or_numbers_or_both() -> None:
    """The kind of a key or time column tells what stood in it."""
    assert kind_of([b'{"x":"a"}'], "key") == "text"
    assert kind_of([b'{"x":1}'], "time") == "int"
    assert kind_of([b'{"x":1}', b'{"x":"a"}'], "key") == "any"


def test_many_fields_and_many_levels() -> None:
    """Field names need not be identifiers, and there may be any number of them."""
    fields: dict[str, FieldType] = {f"lag p{at}%.ms": "number" for at in range(20)}
    values = {path: at for at, path in enumerate(fields)}
    columns = CODEC.compile(fields).decode([CODEC.encode(values)]).columns
    assert {path: column.tolist() for path, column in columns.items()} == {path: [at] for path, at in values.items()}


def test_a_path_cannot_be_value_and_object() -> None:
    """`a` and `a.b` together are refused with both named."""
    with pytest.raises(ValueError, match="`a` is used both as a value and as an object"):
        CODEC.compile({"a": "number", "a.b": "number"})


def test_a_large_integer_is_one_bad_row_between_other_bad_rows() -> None:
    """An integer beyond 64 bits is found by its own index, in every type that takes numbers."""
    values = [b"x", b'{"x":1}', b'{"x":9223372036854775808}', None, b'{"x":2}', b'{"x":-9223372036854775809}']
    wants: tuple[FieldType, ...] = ("number", "key", "time", "any")
    for want in wants:
        decoded = CODEC.compile({"x": want}).decode(values)
        assert [(row.index, row.reason) for row in decoded.bad] == [
            (0, reasons.INVALID_JSON),
            (2, reasons.NUMBER_OUT_OF_RANGE),
            (3, reasons.EMPTY_VALUE),
            (5, reasons.NUMBER_OUT_OF_RANGE),
        ]
        assert decoded.columns["x"].tolist() == [1, 2]


def test_messages_name_the_field() -> None:
    """A wrong type is told with the path, what is wanted and what was found."""
    (row,) = CODEC.compile({"http.status": "number"}).decode([b'{"http":{"status":"x"}}']).bad
    assert row.message == "field `http.status`: Expected `int | float`, got `str`"


def test_unused_fields_are_not_looked_at() -> None:
    """What stands in fields that nobody uses does not make a record bad."""
    assert CODEC.compile({"x": "number"}).decode([b'{"y":1e999,"z":"\xff","x":3}']).bad == []


def test_hostile_numbers_are_bad_rows() -> None:
    """Numbers of thousands of digits neither raise nor pass."""
    decoded = CODEC.compile({"x": "number"}).decode([b'{"x":' + b"9" * 5000 + b"}", b'{"x":' + b"9" * 400 + b".0}"])
    assert [row.reason for row in decoded.bad] == [reasons.NUMBER_OUT_OF_RANGE, reasons.NOT_FINITE]


def test_encode_nests_paths_and_mappings_alike() -> None:
    """A dict may name a nested field by its path or hold the object itself."""
    assert CODEC.encode({"a.b": 1, "a": {"c": 2}}) == b'{"a":{"b":1,"c":2}}'
