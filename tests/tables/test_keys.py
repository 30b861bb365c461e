"""Keys: bytes, codes, order."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tables.columns import Column
from tables.keys import BAD, FULL, KeyCodes, key_bytes, key_values, number_text
from tests.tables.ways import WAYS, going


def text(*values: str) -> Column:
    """Return a text column without nulls."""
    return Column("text", np.array(values, object))


def anything(values: list[Any]) -> Column:
    """Return an `any` column; None is null."""
    array = np.empty(len(values), object)
    array[:] = values
    return Column("any", array, np.array([v is None for v in values]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("web-1",), b"web-1"),
        (("zürich/é",), "zürich/é".encode()),
        (("",), b""),
        ((3,), b"3"),
        ((3.0,), b"3"),
        ((-0.0,), b"0"),
        ((0.1,), b"0.1"),
        ((1e300,), b"1e+300"),
        (((1 << 63) - 1,), b"9223372036854775807"),
        (("a", 3, 3.0, 0.5), b'["a",3,3,0.5]'),
        (('q"\n', "é"), '["q\\"\\n","é"]'.encode()),
    ],
)
def test_key_bytes_are_as_documented(values: tuple[Any, ...], expected: bytes) -> None:
    """One text is its UTF-8, a number its shortest decimal, several fields a JSON array."""
    assert key_bytes(values) == expected


@pytest.mark.parametrize("value", [None, True, [1], {"a": 1}, math.nan, math.inf, -math.inf, 1 << 70, "\ud800"])
def test_what_cannot_be_a_key_is_refused(value: Any) -> None:
    """Null, booleans, lists, objects, numbers that are no numbers and text without UTF-8 are no keys."""
    for values in [(value,), ("a", value)]:
        with pytest.raises(ValueError, match=r"."):
            key_bytes(values)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_back_from_its_text(value: float) -> None:
    """The decimal of a number is exact, and the same for an integer and the float that equals it."""
    assert float(number_text(value)) == value
    if value.is_integer() and abs(value) < 2**63:
        assert number_text(int(value)) == number_text(value)


parts = st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(st.tuples(parts, parts), max_size=30))
def test_rows_share_a_code_if_and_only_if_their_key_bytes_are_equal(rows: list[tuple[Any, Any]]) -> None:
    """Codes stand for key bytes: equal codes, equal bytes; and the bytes are those of the values."""
    codes = KeyCodes()
    given_codes = codes.encode([anything([a for a, _ in rows]), anything([b for _, b in rows])])
    expected: list[bytes | None] = []
    for row in rows:
        try:
            expected.append(key_bytes(row))
        except ValueError:
            expected.append(None)
    assert [None if c == BAD else codes.keys(np.array([c]))[0] for c in given_codes.tolist()] == expected
    assert len(codes) == len(set(expected) - {None})


def test_single_texts_and_numbers_are_coded_by_their_bytes() -> None:
    """The same key has the same code in every batch and column kind."""
    codes = KeyCodes()
    first = codes.encode([text("a", "b", "a", "3")])
    again = codes.encode([Column("int", np.array([3, 7], np.int64))])
    floats = codes.encode([Column("float", np.array([3.0, 7.0, 0.5]))])
    mixed = Column("mixed", np.array([3.0, 0.5]), None, np.array([3, 0]), np.array([True, False]))
    assert first.tolist() == [1, 2, 1, 0]
    assert again.tolist() == [0, 3]
    assert floats.tolist() == [0, 3, 4]
    assert codes.encode([mixed]).tolist() == [0, 4]


def test_new_texts_get_codes_in_the_order_of_their_bytes_and_the_first_to_come_get_the_last_ones() -> None:
    """Codes rise with the bytes of what is learnt together; where not all fit, arrival decides who has one."""
    codes = KeyCodes(4)
    assert codes.encode([text("c", "a", "b", "a")]).tolist() == [2, 0, 1, 0]
    assert codes.encode([text("z", "c", "d")]).tolist() == [3, 2, FULL]


def test_bad_rows_are_told_apart_and_the_others_keep_their_codes() -> None:
    """A null or wrong part makes its own row bad; True is not taken for 1."""
    codes = KeyCodes()
    values = ["a", None, True, 1, [2], {"b": 1}, math.nan, 1.0, "\ud800"]
    result = codes.encode([anything(values)])
    assert result.tolist() == [0, BAD, BAD, 1, BAD, BAD, BAD, 1, BAD]
    booleans = Column("bool", np.array([True, False]))
    assert codes.encode([text("a", "b"), booleans]).tolist() == [BAD, BAD]
    assert len(codes) == 2


def test_nulls_of_any_part_make_the_row_bad() -> None:
    """With several key fields one null part is enough."""
    codes = KeyCodes()
    nulls = Column("int", np.array([1, 0, 2]), np.array([False, True, False]))
    assert codes.encode([text("a", "b", "c"), nulls]).tolist() == [0, BAD, 1]
    assert codes.keys(np.array([0, 1])) == [b'["a",1]', b'["c",2]']


def test_above_the_limit_only_new_keys_are_refused() -> None:
    """Known keys go on; a further one is `FULL` until a code is given back."""
    codes = KeyCodes(limit=2)
    assert codes.encode([text("a", "b", "c", "a", "d")]).tolist() == [0, 1, FULL, 0, FULL]
    codes.forget(np.array([0]))
    assert codes.encode([text("c", "b", "a")]).tolist() == [0, 1, FULL]
    assert codes.restore([b"b", b"z"]).tolist() == [1, 2]


@given(st.lists(st.binary(max_size=3), unique=True, max_size=20), st.data())
def test_codes_are_ordered_by_key_bytes(keys: list[bytes], data: st.DataObject) -> None:
    """`ordered` sorts any subset of codes as their bytes sort, also after keys were forgotten and added."""
    codes = KeyCodes()
    numbers = codes.restore(keys)
    gone = data.draw(st.sets(st.sampled_from(numbers.tolist()))) if keys else set()
    codes.forget(np.array(sorted(gone), np.int64))
    left = [n for n in numbers.tolist() if n not in gone]
    new = codes.restore([b"new", b"\x00\x01\x02\x03"])
    chosen = data.draw(st.lists(st.sampled_from(left + new.tolist()), unique=True))
    ordered = codes.keys(codes.ordered(np.array(chosen, np.int64)))
    assert ordered == sorted(codes.keys(np.array(chosen, np.int64)))


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Put keys together by NumPy, and by the compiled loops."""
    with going(request.param):
        yield


lives = st.lists(st.tuples(st.lists(st.binary(max_size=6), max_size=8), st.integers(0, 3), st.booleans()), max_size=8)


@pytest.mark.usefixtures("way")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lives, st.binary(max_size=3))
def test_a_block_has_the_key_bytes_of_each_code(life: list[tuple[list[bytes], int, bool]], prefix: bytes) -> None:
    """In any order, as codes are given, taken back and given to other keys, whether or not they were asked for."""
    codes = KeyCodes()
    for keys, kept, asks in life:
        codes.add_all(list(dict.fromkeys(keys)))
        if asks:
            used = codes.codes()[::-1]
            assert codes.block(used, prefix).cut() == [prefix + key for key in codes.keys(used)]
        used_ = np.arange(codes.size) % 4 < kept
        codes.keep_only(used_)
    used = codes.codes()
    assert codes.block(used, prefix).cut() == codes.keys(used, prefix)


def test_key_values_are_for_display() -> None:
    """A single key reads as text; several as the values they were."""
    assert key_values(b"3", 1) == ("3",)
    assert key_values(key_bytes(("a", 3, 0.5)), 3) == ("a", 3, 0.5)
    assert json.loads(key_bytes(("a", 3))) == ["a", 3]


numbered = st.lists(
    st.tuples(
        st.lists(st.integers(0, 30), max_size=20),  # numbers of texts in a batch
        st.sampled_from(["go on", "go on", "forget", "begin anew"]),
    ),
    max_size=12,
)


@given(numbered, st.integers(5, 40))
def test_texts_that_have_numbers_get_the_codes_of_their_bytes(steps: list[tuple[list[int], str]], limit: int) -> None:
    """Whatever is kept of them from batch to batch: keys that were forgotten, or had no room, are asked for again."""
    keys, words = KeyCodes(limit), "abc"
    room, known = np.empty(64, object), 0
    for numbers, then in steps:
        known = max([known, *[number + 1 for number in numbers]])
        room[:known] = [f"{words}{number % 40}" for number in range(known)]
        texts, codes = room[:known], np.array(numbers, np.int64)
        got = keys.encode([Column("text", texts[codes], codes=codes, texts=texts)])
        assert got.tolist() == keys.encode([text(*texts[codes].tolist())]).tolist()
        assert len(keys) == min(limit, len(keys) + len(set(texts[codes[got == FULL]])))
        named = [key.decode() for key in keys.keys(got[got >= 0])]
        assert named == [word for word, code in zip(texts[codes], got, strict=True) if code >= 0]
        if then == "forget":
            keys.keep_only(np.zeros(keys.size, bool))
        if then == "begin anew":
            room, known, words = np.empty(64, object), 0, words[::-1]
