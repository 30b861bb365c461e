"""The compiled way of the `json` codec is the plain way, column by column and bad row by bad row."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import fast
from streams.codecs import fastjson
from streams.codecs import json as codec
from streams.codecs.base import Decoded, FieldType
from streams.codecs.json import JsonDecoder
from streams.packed import NULL, Packed

FIELDS: dict[str, FieldType] = {
    "n": "number", "t": "text", "b": "bool", "k": "key", "ts": "time", "x": "any", "o.n": "number", "o.p.t": "text",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is there, it scans a few rows too, and rows that are left to msgspec never make it give up."""
    assert fast.load() is not None, "the extra `fast` is not installed"
    monkeypatch.setattr(fastjson, "UNSURE_SHARE", 0)
    monkeypatch.setattr(codec, "FEW", 0)


def packed(values: list[bytes | None]) -> Packed:
    """Return the values in one buffer, with other bytes between them."""
    buffer, start, length = bytearray(b'"x'), [], []
    for value in values:
        start.append(len(buffer))
        length.append(NULL if value is None else len(value))
        buffer += (value or b"") + b'9"}'
    return Packed(bytes(buffer), np.array(start, np.int64), np.array(length, np.int64))


def plain(decoded: Decoded) -> tuple[Any, ...]:
    """Return what a decoded batch says, to compare: floats by their bits."""
    columns = {
        path: (column.kind, [_exact(item) for item in column.tolist()], column.values.dtype)
        for path, column in decoded.columns.items()
    }
    good = None if decoded.good is None else decoded.good.tolist()
    return columns, good, decoded.bad


def _exact(item: Any) -> Any:
    return item.hex() if isinstance(item, float) else item


def check(values: list[bytes | None], fields: dict[str, FieldType] = FIELDS) -> None:
    """Decode both ways and compare."""
    assert plain(JsonDecoder(fields).decode(packed(values))) == plain(JsonDecoder(fields).decode(values))


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.integers(-9, 9), st.floats(allow_nan=True),
    st.floats(0, 1e6).map(lambda number: round(number, 3)), st.text(max_size=8), st.sampled_from(["", "a", "é",
    "𝄞", '"']),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
names = st.sampled_from(["n", "t", "b", "k", "ts", "x", "o", "p", "other", "\u00e9", ""])
objects = st.dictionaries(names, values | st.dictionaries(names, values, max_size=3), max_size=8)
records = st.builds(
    lambda found, ascii_, tight: json.dumps(
        found, ensure_ascii=ascii_, separators=(",", ":") if tight else (" ,\n", "\t: ")
    ).encode("utf-8", "surrogatepass"),
    objects, st.booleans(), st.booleans(),
)  # fmt: skip
damaged = st.builds(
    lambda record, at, byte: record[: at % len(record)] + byte + record[at % len(record) + 1 :],
    records, st.integers(0, 500), st.binary(max_size=2),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(records, damaged, st.binary(max_size=6), st.none()), max_size=8))
def test_any_bytes_give_the_same_columns_and_the_same_bad_rows(found: list[bytes | None]) -> None:
    """Whatever a record holds, sound or damaged, both ways make the same of it."""
    check(found)


clean = st.fixed_dictionaries(
    {"n": st.none() | st.integers(-5, 5) | st.floats(-1e9, 1e9)},
    optional={
        "t": st.sampled_from(["a", "b", "é"]), "b": st.booleans(), "k": st.sampled_from(["x", 1, 1.5, None]),
        "ts": st.integers(0, 2**40), "x": st.none() | st.just("s") | st.booleans() | st.integers(0, 3),
        "o": st.none() | st.fixed_dictionaries({"n": st.integers(0, 3)}, optional={"p": st.just({"t": "deep"})}),
    },
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(clean, min_size=1, max_size=12), st.lists(st.integers(0, 11), max_size=3))
def test_sound_records_give_the_same_columns_also_beside_bad_ones(found: list[dict[str, Any]], bad: list[int]) -> None:
    """Kinds of columns follow from all rows, also where some of them went the plain way."""
    encoded: list[bytes | None] = [json.dumps(each).encode() for each in found]
    for at in bad:
        encoded.insert(at, b'{"t":"\\u00e9","n":1}' if at % 2 else b"{")
    check(encoded)


@pytest.mark.parametrize(
    "text",
    [
        "0", "-0", "-0.0", "0.0", "1e5", "1E+5", "1e-5", "-1.5e3", "1.", ".5", "01", "+1", "-", "1e", "1e+",
        "--1", "1.e3",
        "0.1", "123456789012345678", "1234567890123456789", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808", "9007199254740993.0", "9007199254740992.0", "0.30000000000000004", "1e22", "1e23",
        "4.9e-324", "2.2250738585072011e-308", "1.7976931348623157e308", "1e309", "1e280", "1e281",
        "123456789012345678.5",
        "0.000000000000000000000000000001", "1732275600.123", "1e0005", "12345678901234567890.0", "NaN", "Infinity",
    ],
)  # fmt: skip
def test_numbers_are_the_nearest_or_what_msgspec_says(text: str) -> None:
    """Every way to write a number gives the same bits, or the same complaint; used or not."""
    check([b'{"n":%s}' % text.encode(), b'{"x":%s,"n":1}' % text.encode(), b'{"unused":%s,"n":2}' % text.encode()])


@settings(max_examples=500, deadline=None)
@given(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["{!r}", "{:.3f}", "{:e}", "{:.17g}", "{:.25f}"])
)
def test_floats_are_read_exactly(number: float, form: str) -> None:
    """However a float is written, it is read as the nearest one."""
    (column,) = (
        JsonDecoder({"n": "number"}).decode(packed([b'{"n":%s}' % form.format(number).encode()])).columns.values()
    )
    assert math.isclose(float(form.format(number)), float(column.values[0]), rel_tol=0.0, abs_tol=0.0)


@pytest.mark.parametrize(
    "record",
    [
        b'{"n":1,"n":2}', b'{"o":{"n":1},"o":{"p":{"t":"a"}}}', b'{"o":null}', b'{"o":1}', b'{"o":[]}', b'{"o":{}}',
        b'{"n":{"a":[1,{"b":[]}]}}', b'{"z":[[[{"a":{}}]]],"n":1}', b'{"z":[1,],"n":1}', b'{"z":{"a":1,},"n":1}',
        b'{"z":[}],"n":1}', b'{"n":1,}', b'{,"n":1}', b'{"n":1}}', b'{"n":1} {"n":2}', b' {"n" : 1 } ', b"[]",
        b"1", b"{}",
        b'{"\\u006e":1}', b'{"t":"a\\nb"}', b'{"z":"\\ud800","n":1}', b'{"z":"\xff","n":1}',
        b'{"z":"\xed\xa0\x80","n":1}',
        b'{"t":"\xf0\x9d\x84\x9e"}', b'{"t":"\xc0\x80"}', b'{"t":"a\x01"}', b'{"t":"\x7f"}', b'{"n":1',
        b'{"n":tru}', b'{"b":tru',
        b'{"z":' + b"[" * 61 + b"]" * 61 + b',"n":1}', b'{"z":' + b'{"a":' * 70 + b"1" + b"}" * 70 + b"}",
        b'\xef\xbb\xbf{"n":1}',
        b'{"n":1}\0', b'{"n"1}', b'{"n":}', b"{n:1}", b"{'n':1}", b'{"z":"\\q"}', b'{"z":"\\',
        b'{"t":"' + b"x" * 70_000 + b'"}',
    ],
)  # fmt: skip
def test_the_corners_of_json(record: bytes) -> None:
    """Names twice, wrong types, cut-off, trailing and deep input are the same both ways."""
    check([record, b'{"n":3,"t":"after"}'])


lasting = st.fixed_dictionaries({
    "z": scalars, "n": st.none() | st.floats(-1e9, 1e9) | st.integers(-9, 9), "long": st.text('ab"\\é', max_size=20),
    "t": st.sampled_from(["", "a", "exactly8", "more than eight", "\x7f", "é"]), "y": values,
    "o": st.fixed_dictionaries({"m": scalars, "n": st.none() | st.integers(0, 3)}, optional={"p": st.just({"t": "x"})}),
})  # fmt: skip
alike = st.builds(lambda found, indent: json.dumps(found, ensure_ascii=False, indent=indent).encode("utf-8",
    "surrogatepass"), lasting, st.sampled_from([None, None, 1]))  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.lists(alike, min_size=2, max_size=12),
    st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=2)), max_size=6),
)
def test_records_like_those_before_are_read_as_if_they_were_the_first(
    found: list[bytes], damage: list[tuple[int, bytes]]
) -> None:
    """What was learnt from records changes nothing in what the next ones mean, whether they are sound or damaged."""
    base = found[0]
    wrong = [base[: at % len(base)] + byte + base[at % len(base) + 1 :] for at, byte in damage]
    check([*found, *wrong, *found])


@pytest.mark.parametrize(
    "record",
    [
        b'{"t":"b","n":2', b'{"t":"b","n":2}}', b'{"t":"b","n":2} ', b'{"t":"b","n":2,}', b'{"t":"b","n":}',
        b'{"t":"b","n":"2"}', b'{"t":2,"n":2}', b'{"t":null,"n":null}', b'{"t":"b" ,"n":2}', b'{"t":"b","N":2}',
        b'{"t":"b","n":2e}', b'{"t":"b\\n","n":2}', b'{"t":"b","n":[2]}', b'{"t":"b","n":2,"n":3}', b'{"t":"b',
        b'{"t":"', b'{"t":', b'{"t":"b","n":', b'{"t":"b","n":1', b'{"t":"b"}',
        b'{"t":"b","n":0.1000000000000000055511151231257827}',
    ],
)  # fmt: skip
def test_a_record_that_leaves_the_path_of_those_before_is_read_anew(record: bytes) -> None:
    """Cut off, with more behind, with another type or name: each is seen, and the records after it are as before."""
    fields: dict[str, FieldType] = {"t": "text", "n": "number"}
    check([b'{"t":"a","n":1}'] * 3 + [record] * 2 + [b'{"t":"c","n":3.5}'], fields)
    values: list[bytes | None] = [b'{"t":"a","n":1}', record]
    buffer = b"".join(value for value in values if value)
    last = Packed(buffer, np.array([0, len(values[0] or b"")]), np.array([len(value or b"") for value in values]))
    assert plain(JsonDecoder(fields).decode(last)) == plain(JsonDecoder(fields).decode(values))


def test_each_byte_of_a_record_counts() -> None:
    """Whichever byte of a record differs from the one before, it is seen; and every byte at every place of a text."""
    record = b'{"a name of some length":{"t":"some text","n":12.25,"rest":[1,{"b":null}]},"t":"x"}'
    changed = [record[:at] + byte + record[at + 1 :] for at in range(len(record)) for byte in (b"", b"!", b"0", b'"')]
    check(
        [record, *changed, record],
        {"a name of some length.t": "text", "a name of some length.n": "number", "t": "text"},
    )
    texts = [
        b"abcdefghijklmnopq"[:at] + bytes([byte]) + b"abcdefghi"[: at % 9] for at in range(17) for byte in range(256)
    ]
    check([b'{"t":"%s"}' % text for text in texts], {"t": "text"})
    check([b'{"t":"%s"}' % text for text in texts], {"n": "number"})


def test_texts_of_any_length_that_differ_in_one_byte_are_different() -> None:
    """A text keeps its code whatever its length is, also where it is longer than what is hashed at once."""
    lengths = [*range(1, 40), *range(500, 540), 1024, 1025, 4096]
    texts = [b"a" * at + b"b" + b"a" * (n - at - 1) for n in lengths for at in {0, n // 2, n - 1}] + [
        b"a" * n for n in lengths
    ]
    check([b'{"t":"%s"}' % text for text in texts + texts[::-1]], {"t": "text"})


def test_more_kinds_of_records_than_are_remembered_are_all_read() -> None:
    """Names that never come twice fill what is remembered of records, which is then forgotten and learnt anew."""
    fields: dict[str, FieldType] = {"n": "number"}
    decoder = JsonDecoder(fields)
    for begin in range(0, 12_000, 3000):
        records: list[bytes | None] = [b'{"%d":"x","n":%d}' % (n, n) for n in range(begin, begin + 3000)]
        assert decoder.decode(packed(records)).columns["n"].values.tolist() == list(range(begin, begin + 3000))
    assert decoder._fast._outlines[2][0] < 50, "one gap after the other was tried for each record"  # type: ignore[union-attr] # noqa: SLF001
    wide = json.dumps({**{f"f{n}": n for n in range(200)}, "n": 5}).encode()
    assert decoder.decode(packed([wide] * 3)).columns["n"].values.tolist() == [5] * 3


def test_what_was_between_the_values_of_records_is_only_compared_from_then_on() -> None:
    """A record whose names come in the order of one before leaves nothing to be learnt; another is learnt once."""
    decoder = JsonDecoder({"n": "number", "o.n": "number"})
    decoder.decode(packed([b'{"n":1,"o":{"n":2},"z":[1]}', b'{"o":{"n":2},"n":1,"z":{}}'] * 5))
    learnt = decoder._fast._outlines[2].tolist()  # type: ignore[union-attr] # noqa: SLF001 - shows nowhere else
    decoder.decode(packed([b'{"n":null,"o":{"n":4},"z":"text"}', b'{"o":{"n":1.5},"n":7,"z":null}'] * 50))
    assert decoder._fast._outlines[2].tolist() == learnt  # type: ignore[union-attr] # noqa: SLF001 - as above
    assert learnt[2] == 2, "records that were read name by name"


def test_many_texts_keep_their_codes_and_are_forgotten_when_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of texts grows within a batch, and begins anew between two."""
    monkeypatch.setattr("streams.fast.names.MAX_CODES", 5000)
    decoder, base, before = JsonDecoder({"t": "text"}), None, []
    for begin in (0, 2000, 9000, 0):
        texts = [f"text {number % 7000} {'x' * (number % 40)}" for number in range(begin, begin + 9000)]
        column = decoder.decode(packed([json.dumps({"t": text}).encode() for text in texts])).columns["t"]
        assert column.values.tolist() == texts
        assert column.codes is not None
        assert column.texts is not None
        assert column.texts[column.codes].tolist() == texts
        if column.texts.base is base:  # who keeps something by number may go on
            assert column.texts[: len(before)].tolist() == before
        base, before = column.texts.base, column.texts.tolist()


def test_a_stream_of_unsure_rows_goes_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where many rows must be left to msgspec, scanning them first is given up for a while."""
    monkeypatch.setattr(fastjson, "UNSURE_SHARE", 8)
    decoder = JsonDecoder({"t": "text"})
    escaped = packed([b'{"t":"\\u00e9"}'] * 20)
    assert decoder.decode(escaped).columns["t"].values.tolist() == ["é"] * 20
    assert decoder._fast is not None  # noqa: SLF001 - what is tested is that it rests
    assert [decoder._fast.wants for _ in range(fastjson.REST)] == [False] * (fastjson.REST - 1) + [True]  # noqa: SLF001


def test_few_values_are_left_to_msgspec(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a scan costs by itself is more than msgspec takes for a few values: only more of them are scanned."""
    monkeypatch.setattr(codec, "FEW", 3)
    decoder, value = JsonDecoder({"n": "number"}), b'{"n":1.5}'
    assert decoder.decode(packed([value] * 2)).columns["n"].values.tolist() == [1.5] * 2
    assert decoder._fast is None  # noqa: SLF001 - which way it went shows nowhere else
    assert decoder.decode(packed([value] * 3)).columns["n"].values.tolist() == [1.5] * 3
    assert decoder._fast is not None  # noqa: SLF001
