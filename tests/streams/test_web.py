"""What a worker tells its views, over the worker's own runtime without a broker."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from kafka.partitioner.default import murmur2

from streams.runtime.partition import State
from streams.web import WorkerProvider
from tests.streams.worker_bench import Bench, fill, run

HERE, THERE = "http://127.0.0.1:6066", "http://127.0.0.1:6067"


def provider(bench: Bench, **distribution: dict[str, list[int]]) -> WorkerProvider:
    """Return the provider of a worker; `here` and `there` are what the group's leader distributed."""
    assigned = {{"here": f"{HERE}/", "there": f"{THERE}/"}[name]: topics for name, topics in distribution.items()}
    app: Any = SimpleNamespace(
        runtime=bench.runtime,
        conf=SimpleNamespace(canonical_url=f"{HERE}/"),
        assignor=SimpleNamespace(changelog_distribution=assigned),
    )
    return WorkerProvider(app)


def test_the_group_says_who_has_a_partition(tmp_path: Path) -> None:
    """Owners are those of the table's changelog partitions; peers are all workers but this one, by the same names."""

    async def test(bench: Bench) -> None:
        shared = {"here": {"ops-traffic-changelog": [0, 2]}, "there": {"ops-traffic-changelog": [1]}}
        made = provider(bench, **shared)
        assert made.worker == HERE
        assert list(made.peers()) == [THERE]
        assert [made.owner("traffic", number) for number in range(4)] == [HERE, THERE, HERE, None]
        assert made.owner("totals", 0) is None

    run(test, tmp_path)


def test_before_the_first_assignment_nobody_is_known(tmp_path: Path) -> None:
    """No peers, no owners, no partitions; not ready, and it is said why."""

    async def test(bench: Bench) -> None:
        made = provider(bench)
        assert list(made.peers()) == []
        assert made.owner("traffic", 0) is None
        assert made.partition_count("traffic") == 0
        assert made.partitions("traffic") == {}
        assert made.ready() == (False, "waiting to join the consumer group")

    run(test, tmp_path)


@pytest.mark.parametrize(
    ("state", "answers"),
    [
        (State.RUNNING, True),
        (State.PAUSED, True),
        (State.RESTORING, False),
        (State.FENCED, False),
        (State.FAILED, False),
        (State.CLOSED, False),
    ],
)
def test_only_a_restored_partition_of_ours_answers(tmp_path: Path, state: State, answers: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Rows and alerts of a partition that restores, failed, or went to another worker are not shown."""

    async def test(bench: Bench) -> None:
        await fill(bench)
        made = provider(bench)
        bench.partition(0).state = state
        readers = {number: reader is not None for number, (reader, _) in made.partitions("traffic").items()}
        assert readers == {0: answers, 1: True}
        assert made.partitions("traffic")[0][1] == state.value
        assert bool(list(made.alerts())) is answers

    run(test, tmp_path)


def test_lag_is_of_every_local_input(tmp_path: Path) -> None:
    """By input partition; None where no fetch was answered yet."""

    async def test(bench: Bench) -> None:
        await fill(bench)
        bench.app.consumer.ends[TP("web.access", 1)] = 8
        assert provider(bench).lag() == {"web.access-0": None, "web.access-1": 7}

    run(test, tmp_path)


@pytest.mark.parametrize("key", ["a", "", "snow\u2603man", "x" * 1500, "\U0001f600/,%"])
def test_the_guess_is_where_the_java_producer_puts_a_key(tmp_path: Path, key: str) -> None:
    """murmur2 as Java computes it, checked against another client's implementation."""

    async def test(bench: Bench) -> None:
        bench.runtime.counts = {"access": 7}
        assert provider(bench).guess("traffic", key.encode()) == (murmur2(key.encode()) & 0x7FFFFFFF) % 7

    run(test, tmp_path)
