"""Tables that read tables against plain Python: any cut, any order between origins, crashes anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.effects import Limits
from streams.load import loads
from streams.plan import Plan, plan
from tests.streams.lives import BASE
from tests.streams.oracle import Event, Oracle, Shape
from tests.streams.rekey.chain import Feeding, run
from tests.streams.rekey.recount import Rows, following
from tests.streams.rekey.test_rekey_oracle import in_ms

SECOND = 1000
NAMES = ["hosts", "sites", "all"]
SHAPES = [
    (Shape(10, 10, 0), Shape(20, 20, 0), Shape(60, 60, 0)),
    (Shape(10, 10, 5), Shape(30, 10, 5), Shape(60, 60, 10)),
    (Shape(20, 10, 3), Shape(40, 20, 0), Shape(40, 40, 0)),
    (Shape(10, 10, 0), Shape(10, 10, 0), Shape(10, 10, 0)),
]
HOSTS = [("de", "a"), ("de", "b"), ("us", "a"), ("us", "c")]
moved = st.one_of(st.integers(-25, 12), st.sampled_from([0, 30, 200]))
steps = st.lists(st.tuples(st.sampled_from(HOSTS), moved, st.integers(-3, 3)), max_size=25)
inputs = st.lists(steps, min_size=1, max_size=3)


def window(shape: Shape) -> str:
    """Return a window of a declaration; the shape is in seconds."""
    return f"{{hopping: {shape.size}s, every: {shape.every}s, grace: {shape.grace}s}}"


def chain(shapes: Sequence[Shape]) -> Plan:
    """Return the plan of a table by site and host, one of its rows by site, and one of those."""
    one, two, three = map(window, shapes)
    kept = 'n: sum("n"), total: sum("total"), low: min("low"), high: max("high")'
    return plan(
        loads(f"""
app: t
streams:
  access: {{topic: access, time: {{field: ts, unit: ms}}, key: host}}
tables:
  hosts:
    from: access
    key: [site, host]
    window: {one}
    keep: 4w
    emit: close
    aggregates: {{n: count(), total: sum("v"), low: min("v"), high: max("v")}}
  sites: {{from: hosts, key: site, window: {two}, keep: 4w, emit: close, aggregates: {{{kept}}}}}
  all:
    from: sites
    key: whole
    derive: {{whole: "'all'"}}
    where: n > 0
    window: {three}
    keep: 4w
    emit: close
    aggregates: {{{kept}}}
alerts:
  - {{alert: Many, table: hosts, expr: n >= 2}}
""")
    )


def timed(moves: Sequence[Any]) -> list[tuple[str, str, int, int]]:
    """Return (site, host, time, value) of rows whose time moves from one to the next by seconds."""
    time, rows = BASE, []
    for (site, host), move, value in moves:
        time = max(BASE - 100 * SECOND, time + move * SECOND)
        rows.append((site, host, time, value))
    return rows


def first(shape: Shape, log: Sequence[Any]) -> tuple[Rows, int | None]:
    """Return the closed rows of one partition of the first table, and the end of its first open window."""
    oracle = Oracle(in_ms(shape))
    oracle.read(Event(at, json.dumps([s, h], separators=(",", ":")), t, v) for at, (s, h, t, v) in enumerate(log))
    kept = ("n", "total", "low", "high")
    rows = {at: {name: row[name] for name in kept} for at, row in oracle.closed.items()}
    return rows, oracle.judged_to


def check(levels: Sequence[Sequence[Feeding]], shapes: Sequence[Shape], logs: Sequence[Any]) -> None:
    """Compare each table of the chain with what the closed rows of the one before make."""
    made = [first(shapes[0], log) for log in logs]
    closed, ends = [rows for rows, _ in made], [end for _, end in made]
    for link, rows in zip(levels[0], closed, strict=True):
        assert link.rows() == rows
    for level, key in ((1, lambda name: json.loads(name)[0]), (2, lambda _: "all")):
        one, two = in_ms(shapes[level - 1]), in_ms(shapes[level])
        found = [following(one, two, closed, ends, key, at) for at in range(len(logs))]
        for link, (every, done, _) in zip(levels[level], found, strict=True):
            assert link.table() == every
            assert link.rows() == done
            assert link.engine.stats.late == 0
            assert not link.letters
        closed, ends = [done for _, done, _ in found], [end for _, _, end in found]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    shapes=st.sampled_from(SHAPES),
    moves=inputs,
    random=st.randoms(use_true_random=False),
    limit=st.sampled_from([4, 8, 20_000]),
    crashes=st.sampled_from([0, 6]),
)
def test_a_chain_of_three_is_exact(
    shapes: tuple[Shape, Shape, Shape], moves: list[Any], random: Random, limit: int, crashes: int
) -> None:
    """However input is cut and workers die: each table holds what the closed rows of the one before make, once."""
    logs = [timed(each) for each in moves]
    values = [[json.dumps({"site": s, "host": h, "ts": t, "v": v}).encode() for s, h, t, v in log] for log in logs]
    levels = run(chain(shapes), values, random, crashes, Limits(limit), NAMES)
    check(levels, shapes, logs)
