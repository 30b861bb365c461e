"""A table of two streams against plain Python: any cut, any order between origins, restarts and crashes anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.effects import Limits
from streams.load import loads
from streams.plan import Plan, plan
from tests.streams.oracle import Event, Shape
from tests.streams.rekey.chain import merged
from tests.streams.rekey.recount import recount
from tests.streams.rekey.test_rekey_oracle import SHAPES, Row, check, in_ms, steps, timed
from tests.streams.rekey.world import Receiver, World, encode

two = st.integers(1, 2).flatmap(lambda count: st.tuples(*[st.lists(steps, min_size=count, max_size=count)] * 2))


def plan_of(shape: Shape) -> Plan:
    """Return the plan of a table by user of two streams that spell everything otherwise."""
    return plan(
        loads(f"""
app: t
streams:
  access: {{topic: access, time: {{field: ts, unit: ms}}, key: user}}
  clicks: {{topic: clicks, time: {{field: at, unit: s}}, derive: {{v: w / 2, user: who}}, where: w > -5}}
tables:
  traffic:
    from: [access, clicks]
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
    )


class Side(World):
    """One of the two streams."""

    name: str = "access"

    @property
    def stream(self) -> Any:
        """The plan of the stream."""
        return self.plan.streams[self.name]


class OtherSide(Side):
    """The other stream."""

    name = "clicks"


class Both(World):
    """The two streams, as the table's partitions see them."""

    @property
    def table(self) -> Any:
        """The plan of the table."""
        return self.plan.tables["traffic"]

    @property
    def origins(self) -> list[str]:
        """The names of all input partitions."""
        return self.plan.origins("traffic", dict.fromkeys(self.plan.streams, len(self.inputs)))


def access(log: Sequence[Row]) -> list[bytes | None]:
    """Return the log of a partition of the first stream."""
    return encode([{"user": u, "ts": t, "v": v} for u, t, v in log])


def clicks(log: Sequence[Row]) -> list[bytes | None]:
    """Return the log of a partition of the second."""
    return encode([{"who": u, "at": t / 1000, "w": 2 * v} for u, t, v in log])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    shape=st.sampled_from(SHAPES),
    moves=two,
    random=st.randoms(use_true_random=False),
    limit=st.sampled_from([4, 20_000]),
    faults=st.sampled_from([0, 5]),
)
def test_two_streams_are_one_table(
    shape: Shape, moves: tuple[list[Any], list[Any]], random: Random, limit: int, faults: int
) -> None:
    """Rows, closed rows and alerts hang on the input of both streams alone, whoever dies, and each row counts once."""
    made, logs = plan_of(shape), [[timed(each) for each in side] for side in moves]
    sides = [
        Side(made, [access(log) for log in logs[0]], random, restarts=faults),
        OtherSide(made, [clicks(log) for log in logs[1]], random, restarts=faults),
    ]
    count = len(logs[0])
    both = Both(made, [[]] * count, random, faults, limits=Limits(limit))
    for side in sides:
        for partition in range(count):
            for _ in side.sending(partition):
                pass
    both.logs = [merged([side.logs[at] for side in sides], random) for at in range(count)]
    events = [[(Event(at, *row), row[2] > -3) for at, row in enumerate(log)] for log in (*logs[0], *logs[1])]
    for partition in range(count):
        check(Receiver(both, partition).run(), recount(in_ms(shape), events, partition, count))
