"""A re-keyed table against plain Python: any cut, any order between origins, restarts and crashes anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.effects import Limits
from streams.planned import Plan
from tests.streams.oracle import Event, Oracle, Shape, aggregates
from tests.streams.rekey.recount import recount
from tests.streams.rekey.world import BASE, Receiver, World, encode, planned

SECOND = 1000
SHAPES = [Shape(10, 10, 0), Shape(10, 10, 7), Shape(20, 10, 5), Shape(30, 20, 0), Shape(30, 10, 12)]
USERS = ["ann", "bob", "cy", "dee"]
moved = st.one_of(st.integers(-25, 12), st.sampled_from([0, 30, 200]))
steps = st.lists(st.tuples(st.sampled_from(USERS), moved, st.integers(-3, 3)), max_size=25)
inputs = st.lists(steps, min_size=1, max_size=3)
Row = tuple[str, int, int]


def plan_of(shape: Shape) -> Plan:
    """Return the plan of a table by user, in these windows (seconds)."""
    return planned(f"""
app: t
streams:
  access: {{topic: access, time: {{field: ts, unit: ms}}, key: user}}
tables:
  traffic:
    from: access
    key: user
    where: v > -3
    window: {{hopping: {shape.size}s, every: {shape.every}s, grace: {shape.grace}s}}
    keep: 4w
    emit: close
    late: late
    aggregates: {{n: count(), total: sum("v"), low: min("v"), high: max("v"), final: last("v")}}
alerts:
  - {{alert: Many, table: traffic, expr: n >= 2, for: {shape.hold}s}}
""")


def timed(moves: Sequence[Row]) -> list[Row]:
    """Return rows whose time moves from one to the next by seconds, now and then backwards."""
    time, rows = BASE, []
    for user, move, value in moves:
        time = max(BASE - 100 * SECOND, time + move * SECOND)
        rows.append((user, time, value))
    return rows


def in_ms(shape: Shape) -> Shape:
    """Return the shape in ms."""
    return Shape(shape.size * SECOND, shape.every * SECOND, shape.grace * SECOND, shape.hold * SECOND)


def oracle_of(shape: Shape, logs: Sequence[list[Row]], partition: int) -> Oracle:
    """Return what one table partition must be."""
    events = [[(Event(at, *row), row[2] > -3) for at, row in enumerate(log)] for log in logs]
    return recount(shape, events, partition)


def check(receiver: Receiver, oracle: Oracle) -> None:
    """Compare everything that is left of a table partition with the oracle."""
    assert receiver.table() == {at: aggregates(events) for at, events in oracle.rows.items()}
    assert receiver.rows() == oracle.closed
    assert sorted(receiver.alerts("user"), key=str) == sorted(oracle.alerts, key=str)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shape=st.sampled_from(SHAPES), moves=inputs, random=st.randoms(use_true_random=False))
def test_any_cut_and_order_gives_the_same(shape: Shape, moves: list[list[Row]], random: Random) -> None:
    """Rows, closed rows and alerts hang on the input alone, not on cuts or on how blocks of origins interleave."""
    logs = [timed(each) for each in moves]
    world = World(plan_of(shape), [encode([{"user": u, "ts": t, "v": v} for u, t, v in log]) for log in logs], random)
    for partition, receiver in enumerate(world.run()):
        oracle = oracle_of(in_ms(shape), logs, partition)
        check(receiver, oracle)
        assert receiver.engine.stats.late == len(oracle.late)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    shape=st.sampled_from(SHAPES),
    hold=st.sampled_from([0, 10]),
    moves=inputs,
    random=st.randoms(use_true_random=False),
    records=st.sampled_from([4, 8, 20_000]),
    limit=st.sampled_from([1300, 1 << 20]),
)
def test_restarts_and_crashes_lose_and_repeat_nothing(  # noqa: PLR0913, PLR0917 - what may go wrong
    shape: Shape, hold: int, moves: list[list[Row]], random: Random, records: int, limit: int
) -> None:
    """Senders begin anew at their commit, receivers die at any step: nothing is lost or counted twice."""
    logs = [timed(each) for each in moves]
    values = [encode([{"user": u, "ts": t, "v": v} for u, t, v in log]) for log in logs]
    shape = Shape(shape.size, shape.every, shape.grace, hold)
    world = World(plan_of(shape), values, random, 6, 4, limit, Limits(records))
    for partition, receiver in enumerate(world.run()):
        check(receiver, oracle_of(in_ms(shape), logs, partition))
        assert receiver.largest <= max(records, 4)
