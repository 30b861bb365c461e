"""Checks: what one field must be in all of its uses, what is re-keyed, and what is not there yet."""

from __future__ import annotations

from itertools import permutations, product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import codecs
from streams.check import check
from streams.codecs.base import FieldType
from streams.load import loads
from streams.needs import Needs, narrower
from streams.notes import Notes
from streams.plan import plan
from streams.problems import DeclarationError, nearest, suggest
from streams.spec import Declaration, Stream
from tables import count
from tables import sum as total
from tables.spec import Table

TYPES: tuple[FieldType, ...] = get_args(FieldType)
# What a value may be for each type; `time` stands apart, since event time is read in its own way.
VALUES: dict[FieldType, set[str]] = {
    "number": {"number"}, "text": {"text"}, "bool": {"bool"}, "key": {"number", "text"}, "time": {"time"},
    "any": {"number", "text", "bool", "time"},
}  # fmt: skip


def declared(stream: Stream, *made: Table) -> Declaration:
    """Return a declaration of one stream and some tables."""
    return Declaration(app="ops", streams={stream.name: stream}, tables={table.name: table for table in made})


def messages(stream: Stream, *made: Table) -> list[str]:
    """Return what is wrong with a declaration of one stream and some tables."""
    return [finding.message for finding in check(declared(stream, *made))]


@pytest.mark.parametrize(("one", "two"), list(product(TYPES, TYPES)))
def test_types_meet_in_what_both_allow(one: FieldType, two: FieldType) -> None:
    """Two uses of a field agree on the type of the values that both allow, and on none if there are no such values."""
    both = VALUES[one] & VALUES[two]
    merged = narrower(one, two)
    assert (VALUES[merged] if merged else set()) == both
    assert merged == narrower(two, one)


@given(st.lists(st.sampled_from(TYPES), min_size=1, max_size=4))
def test_types_do_not_depend_on_order(uses: list[FieldType]) -> None:
    """What a field must be, and whether its uses agree, does not depend on the order of the uses."""
    found = set()
    for order in permutations(uses):
        needs = Needs(None)
        wrong = [needs.add("x", use, ("streams", "s", index)) for index, use in enumerate(order)]
        found.add("conflict" if any(wrong) else needs.types["x"])
    assert len(found) == 1


def test_conflict_names_both_places() -> None:
    """Uses that disagree are told with both of their places, in the message and as lines."""
    text = """app: ops
streams: {s: {topic: t, key: k}}
tables:
  one: {from: s, key: k, aggregates: {n: sum("x")}}
  two: {from: s, key: k, aggregates: {n: count(where="x == 'a'")}}
"""
    with pytest.raises(DeclarationError) as caught:
        loads(text)
    (problem,) = caught.value.problems
    assert problem.line == 5
    assert problem.message.startswith("field `x` is needed as text here and as a number by `tables.one.aggregates.n`")
    assert problem.message.endswith("(see line 4)")


def test_derived_fields_are_checked_against_their_types() -> None:
    """What is derived has the type of its expression, in the stream and in its tables."""
    stream = Stream(name="s", topic="t", key=("k",), derive={"short": "lower(name)"})
    table = Table(name="t", from_="s", key=("k",), aggregates={"n": total("short")})
    (message,) = messages(stream, table)
    assert "`short` is text" in message


def test_constant_key() -> None:
    """A table over all records is keyed by a derived constant, which is then the stream's key, too."""
    stream = Stream(name="s", topic="t", key=("site",), derive={"site": "'main'"})
    assert messages(stream, Table(name="t", from_="s", key=("site",), aggregates={"n": count()})) == []


@pytest.mark.parametrize(
    ("stream_key", "table_key", "rekeyed"),
    [
        ((), ("a",), True),
        (("a",), ("b",), True),
        (("a", "b"), ("a",), True),
        (("a", "b"), ("b", "c"), True),
        (("a",), ("a",), False),
        (("a",), ("b", "a"), False),
        (("a", "b"), ("b", "a"), False),
    ],
)
def test_a_table_is_rekeyed_unless_its_key_holds_the_streams(
    stream_key: tuple[str, ...], table_key: tuple[str, ...], *, rekeyed: bool
) -> None:
    """Rows that agree in all fields of the stream's key lie in one partition; others go through a topic."""
    stream = Stream(name="s", topic="in", key=stream_key)
    table = Table(name="t", from_="s", key=table_key, aggregates={"n": count()})
    assert messages(stream, table) == []
    made = plan(Declaration(app="ops", streams={"s": stream}, tables={"t": table})).tables["t"]
    assert made.repartition == ("ops-t-repartition" if rekeyed else None)


def test_a_field_derived_anew_is_not_the_streams() -> None:
    """A table that derives a field of the stream's name is keyed by something else than the producers used."""
    table = Table(name="t", from_="s", key=("a",), derive={"a": "lower(b)"}, aggregates={"n": count()})
    made = plan(Declaration(app="ops", streams={"s": Stream(name="s", topic="in", key=("a",))}, tables={"t": table}))
    assert made.tables["t"].repartition == "ops-t-repartition"


def test_a_repartition_topic_is_its_tables_alone() -> None:
    """Nothing else may be read from it or sent to it, and its name must be one that Kafka takes."""
    stream = Stream(name="s", topic="ops-t-repartition", key=("a",))
    table = Table(name="t", from_="s", key=("b",), aggregates={"n": count()})
    assert "which is also `streams.s.topic`; rename that" in messages(stream, table)[0]
    longest = 249 - len("ops--repartition")
    for length, refused in ((longest, False), (longest + 1, True)):
        table = Table(name="x" * length, from_="s", key=("b",), aggregates={"n": count()})
        found = messages(Stream(name="s", topic="in", key=("a",)), table)
        assert [("is longer than 249" in message) for message in found] == [True] * refused


def test_fields_of_the_codec_are_known() -> None:
    """A codec with fixed fields refuses others, wherever they are used."""
    stream = Stream(name="s", topic="t", codec="nginx", key=("client",), where="stat > 1")
    table = Table(name="t", from_="s", key=("client",), where="agnt == 'x'", aggregates={"n": total("byts")})
    assert ["stat" in messages(stream, table)[0], "agnt" in messages(stream, table)[1]] == [True, True]
    assert "did you mean `bytes`?" in messages(stream, table)[2]


def test_each_codec_takes_its_own_fields() -> None:
    """Every field that a codec has can be counted."""
    for name, codec in codecs.registry().items():
        fields = codec.fields or {"x": "any"}
        key = next(field for field, kind in fields.items() if kind in ("text", "any"))
        stream = Stream(name="s", topic="t", codec=name, key=(key,))
        counts = {f"n{index}": count(field) for index, field in enumerate(fields)}
        assert messages(stream, Table(name="t", from_="s", key=(key,), aggregates=counts)) == []


def test_long_topic_names() -> None:
    """A topic name that is made of other names is refused where Kafka would refuse it."""
    stream = Stream(name="s", topic="t", key=("k",))
    longest = 249 - len("ops--changelog")
    for length, refused in ((longest, False), (longest + 1, True)):
        table = Table(name="x" * length, from_="s", key=("k",), aggregates={"n": count()})
        assert [("is longer than 249" in message) for message in messages(stream, table)] == [True] * refused


def test_notes_leave_out_what_follows() -> None:
    """A finding at, above or below a broken part, or given only with one, is left out; all others are kept."""
    notes = Notes([("tables", "t", "key")])
    notes.wrong(("tables", "t", "key", 0), "below")
    notes.wrong(("tables", "t"), "above")
    notes.wrong(("tables", "u"), "given", given=[("tables", "t", "key")])
    notes.wrong(("tables", "u"), "other", other=("tables", "t", "key"))
    notes.wrong(("tables", "t", "where"), "beside")
    assert [each.message for each in notes.findings] == ["beside"]


def test_suggestions() -> None:
    """A near name is suggested, else all are listed, unless they are too many."""
    assert suggest("quantil", ["quantile", "count"]) == "; did you mean 'quantile'?"
    assert suggest("x", ["quantile", "count"]) == "; known: count, quantile"
    assert suggest("x", []) == ""
    assert suggest("x", [f"name_{index}" for index in range(21)]) == ""
    assert nearest("x", ["quantile"]) is None
