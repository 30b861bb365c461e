"""Lookups from topics: the last good record of each key counts, whatever comes between; held against a plain dict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from streams import App
from streams.backtest.command import backtest
from streams.codecs.extract import column
from streams.load import loads
from streams.lookup_topic import TopicLookup
from streams.plan import plan
from streams.testing import Harness
from tables import count

APP = """
app: t
lookups: {{hosts: {{topic: host-info, key: host, max_rows: {most}}}}}
streams: {{s: {{topic: s, key: host, time: ts, join: {{hosts: host}}, where: "hosts.live or host != 'gone'"}}}}
tables:
  teams: {{from: s, key: host, aggregates: {{team: last("hosts.team"), cores: last("hosts.size.cores"), n: count()}}}}
"""
NAMES = ("a", "b", "c", "d", "e")
BAD = (b"nonsense", b"[1]", b"\xff", b"")
rows = st.fixed_dictionaries({}, optional={
    "team": st.sampled_from(["red", "blue", 7, None]), "size": st.sampled_from([{"cores": 4}, {"cores": 2.5}, 1, {}]),
})  # fmt: skip
values = st.one_of(st.none(), st.sampled_from(BAD), rows)
records = st.lists(st.tuples(st.sampled_from([*NAMES, None]), values), max_size=12)


def made(most: int = 1000) -> TopicLookup:
    """Return the lookup of the app above."""
    return TopicLookup(plan(loads(APP.format(most=most))).lookups["hosts"])


def encoded(value: Any) -> bytes | None:
    """Return a record value."""
    return json.dumps(value).encode() if isinstance(value, dict) else value


def counted(batch: list[Any], kept: dict[str, Any], most: int) -> int:
    """Let a batch count in a plain dict, and return how many records changed nothing though they should."""
    refused = 0
    for key, value in batch:
        good = isinstance(value, dict) and isinstance(value.get("size", {}), dict)
        if key is None or (value is not None and not good) or (good and key not in kept and len(kept) >= most):
            refused += 1
        elif value is None:
            kept.pop(key, None)
        else:
            kept[key] = value
    return refused


@given(st.lists(records, max_size=6), st.integers(1, 5))
def test_the_last_good_record_of_a_key_counts(batches: list[Any], most: int) -> None:
    """After each batch a join is what a dict says: deletions delete, bad records and keys beyond the bound do not."""
    lookup, kept = made(most), dict[str, Any]()
    for batch in batches:
        refused = lookup.apply([key and key.encode() for key, _ in batch], [encoded(value) for _, value in batch])
        assert len(refused) == counted(batch, kept, most)
        found = lookup.join(column([*NAMES, "a", None], "text"), {"team": "text", "size.cores": "number"})
        wanted = [kept.get(name or "", {}) for name in (*NAMES, "a", None)]
        assert found["team"].tolist() == [
            row.get("team") if isinstance(row.get("team"), str) else None for row in wanted
        ]
        assert found["size.cores"].tolist() == [row.get("size", {}).get("cores") for row in wanted]
        assert len(lookup) == len(kept)


@given(records, records)
def test_rows_read_anew_replace_the_old_ones(first: list[Any], second: list[Any]) -> None:
    """What is read anew stands for all that was there before; errors of both are counted."""
    old, new, kept = made(), made(), dict[str, Any]()
    for lookup, batch in ((old, first), (new, second)):
        lookup.apply([key and key.encode() for key, _ in batch], [encoded(value) for _, value in batch])
    bad = counted(first, {}, 1000) + counted(second, kept, 1000)
    old.join(column([*NAMES], "text"), {"team": "text"})
    old.take_over(new)
    teams = [kept.get(name, {}).get("team") for name in NAMES]
    found = old.join(column([*NAMES], "text"), {"team": "text"})["team"].tolist()
    assert found == [team if isinstance(team, str) else None for team in teams]
    assert (len(old), old.errors.total()) == (len(kept), bad)


def test_a_harness_is_fed_rows_before_records() -> None:
    """A row that is fed counts for the records after it; without key, its own field is its key."""
    harness = Harness(loads(APP.format(most=10)), start=1_700_000_000_000)

    def team() -> Any:
        harness.feed("s", {"host": "a", "ts": 1_700_000_000})
        return harness.table("teams").rows("a")[0].values["team"]

    assert team() is None
    harness.feed("host-info", {"host": "a", "team": "red"})
    assert team() == "red"
    harness.feed("host-info", {"team": "blue"}, key="a")
    assert team() == "blue"
    harness.feed("host-info", b"nonsense", key="a")
    harness.feed("host-info", None, key="a")
    harness.feed("host-info", {"host": "b", "team": "red"})
    harness.feed("s", {"host": "b", "ts": 1_700_000_000})
    assert harness.table("teams").rows("b")[0].values["team"] == "red"
    with pytest.raises(ValueError, match="there are host-info, s"):
        harness.feed("x", {})


def test_both_spellings_are_equal(tmp_path: Path) -> None:
    """Python declares lookups from topics as YAML does."""
    text = """
app: t
lookups: {hosts: {topic: host-info, codec: nginx, key: host, max_rows: 5}}
streams: {s: {topic: s, key: host, join: {hosts: host}}}
tables: {teams: {from: s, key: hosts.path, aggregates: {n: count()}}}
"""
    app = App("t", datadir=str(tmp_path))
    app.lookup("hosts", topic="host-info", codec="nginx", key="host", max_rows=5)
    stream = app.stream("s", topic="s", key="host", join={"hosts": "host"})
    app.table("teams", from_=stream, key="hosts.path", n=count())
    assert app.declaration == loads(text)


def test_over_files_a_topic_is_refused(tmp_path: Path) -> None:
    """A backtest without broker says that the lookup's topic cannot be read."""
    (tmp_path / "app.yaml").write_text(APP.format(most=5))
    (tmp_path / "s.jsonl").write_text('{"host": "a", "ts": 1700000000}\n')
    result = CliRunner().invoke(backtest, [str(tmp_path / "app.yaml"), "--input", f"s={tmp_path / 's.jsonl'}"])
    assert result.exit_code == 1
    assert "lookup hosts is read from topic host-info, and there is no broker" in result.output
