"""Lookups: rows of files joined by key, whole columns at a time, null where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import App
from streams.codecs.base import FieldType
from streams.codecs.extract import column
from streams.load import loads
from streams.lookup import Lookup
from streams.lookup_files import LookupUnreadable, read
from streams.spec import LookupTable
from streams.testing import Harness
from tables import count
from tables.keys import key_bytes

APP = """
app: t
lookups:
  hosts: {{file: {file}, key: host}}
streams:
  s:
    topic: s
    key: host
    join: {{hosts: host}}
    where: hosts.live
    derive: {{team: "coalesce(hosts.team, 'nobody')"}}
tables:
  teams: {{from: s, key: team, aggregates: {{n: count(), cores: sum("hosts.size.cores"), best: max("v")}}}}
  raw: {{from: s, key: hosts.team, aggregates: {{n: count()}}}}
"""
JSON = [
    {"host": "a", "team": "red", "live": True, "size": {"cores": 4}},
    {"host": "b", "team": "blue", "live": True, "size": {"cores": 2.5}},
    {"host": "c", "live": True, "size": 7},
    {"host": "d", "team": "red", "live": False},
    {"host": "b", "team": "green", "live": True, "size": {"cores": "many"}},
    {"host": 404, "team": "odd", "live": True},
]
keys = st.one_of(st.sampled_from(["a", "b", "3", "zz"]), st.integers(0, 4), st.none(), st.booleans(), st.floats(0, 3))
found = st.one_of(st.none(), st.integers(-(1 << 70), 1 << 70), st.text(max_size=2), st.booleans(), st.floats(0, 1))
TYPES: dict[FieldType, tuple[type, ...]] = {
    "number": (int, float),
    "text": (str,),
    "bool": (bool,),
    "key": (int, float, str),
}


def lookup_file(folder: Path) -> Path:
    """Return a file of JSON lines."""
    path = folder / "hosts.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in JSON))
    return path


@given(st.dictionaries(keys.filter(lambda key: key is not None and not isinstance(key, bool)), found), st.lists(keys),
       st.sampled_from(list(TYPES)))  # fmt: skip
def test_a_join_is_a_look_up_by_key(rows: dict[Any, Any], wanted: list[Any], type_: FieldType) -> None:
    """Each row has the field of the row with its key; null without one, and where the value is of another type."""
    plain = {key_bytes((key,)): value for key, value in rows.items()}
    lookup = Lookup((key, {"of": {"x": value}}) for key, value in plain.items())
    on = column(wanted, "any")
    made = lookup.join(on, {"of.x": type_, "missing": "text"})
    expected = []
    for key in wanted:
        value = None if key is None or isinstance(key, bool) else plain.get(key_bytes((key,)))
        fits = type(value) in TYPES[type_] and not (type(value) is int and abs(value) >= 1 << 63)
        expected.append(value if fits else None)
    assert made["of.x"].tolist() == expected
    assert made["missing"].tolist() == [None] * len(wanted)


def test_fields_of_a_lookup_are_fields_of_the_stream(tmp_path: Path) -> None:
    """Conditions, derived fields, keys and aggregates use them; rows without a match have null."""
    harness = Harness(loads(APP.format(file=lookup_file(tmp_path))), start=1_700_000_000_000)
    harness.feed_many("s", [{"host": host, "v": v} for v, host in enumerate(["a", "b", "c", "d", "zz", "a", 404])])
    rows = {row.key: row.values for row in harness.table("teams").rows()}
    assert rows == {
        "red": {"n": 2, "cores": 8, "best": 5}, "green": {"n": 1, "cores": 0, "best": 1},
        "nobody": {"n": 1, "cores": 0, "best": 2}, "odd": {"n": 1, "cores": 0, "best": 6},
    }  # fmt: skip
    assert {row.key: row.values["n"] for row in harness.table("raw").rows()} == {"red": 2, "green": 1, "odd": 1}
    assert len(harness.emitted("t-dead-letters")) == 1


def test_both_spellings_are_equal(tmp_path: Path) -> None:
    """Python declares lookups and joins as YAML does."""
    text = """
app: t
lookups: {hosts: {file: hosts.csv, key: host, max_rows: 5}}
streams: {s: {topic: s, key: host, join: {hosts: host}}}
tables: {teams: {from: s, key: hosts.team, aggregates: {n: count()}}}
"""
    app = App("t", datadir=str(tmp_path))
    app.lookup("hosts", file="hosts.csv", key="host", max_rows=5)
    stream = app.stream("s", topic="s", key="host", join={"hosts": "host"})
    app.table("teams", from_=stream, key="hosts.team", n=count())
    assert app.declaration == loads(text)


def test_csv_cells_are_what_they_look_like(tmp_path: Path) -> None:
    """Numbers, true and false are such, an empty cell is null, everything else is text; a key is compared as text."""
    path = tmp_path / "x.csv"
    path.write_text('\ufeffcode,n,live,name\n007,1.5,true,"a,b"\n3,,false,1e3\n', encoding="utf-8")
    lookup = read(LookupTable(name="x", file=str(path), key="code"))
    on = column(["007", "3", 3, "7"], "any")
    made = lookup.join(on, {"n": "number", "live": "bool", "name": "any"})
    assert made["n"].tolist() == [1.5, None, None, None]
    assert made["live"].tolist() == [True, False, False, None]
    assert made["name"].tolist() == ["a,b", 1000.0, 1000.0, None]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("missing.csv", None, "No such file"),
        ("a.jsonl", '{"code": 1}\nnonsense\n', "malformed"),
        ("a.jsonl", "[1]\n", "row 1 is no mapping of fields"),
        ("a.jsonl", '{"code": 1}\n{"cod": 2}\n', "row 2 has no 'code'"),
        ("a.jsonl", '{"code": true}\n', "neither text nor a number"),
        ("a.csv", "name\nx\n", "row 1 has no 'code'"),
        ("a.csv", "code\n1\n2\n3\n", "has 3 rows; raise `max_rows` 2"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    """What is wrong with a file is told with the lookup, the file and the row."""
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(LookupUnreadable, match=message) as caught:
        read(LookupTable(name="codes", file=str(path), key="code", max_rows=2))
    assert str(caught.value).startswith(f"lookup codes: {path} ")


def test_a_join_forgets_what_it_has_seen_when_there_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that were looked up are remembered, up to a bound; the answers are the same."""
    monkeypatch.setattr("streams.lookup.REMEMBERED", 2)
    lookup = Lookup([(b"a", {"x": 1})])
    for _ in range(3):
        assert lookup.join(column(["a", "b", "c", "d"], "text"), {"x": "number"})["x"].tolist() == [1, None, None, None]
    assert len(lookup) == 1
    assert np.array_equal(lookup.join(column(["a"], "text"), {"x": "number"})["x"].values, [1])
