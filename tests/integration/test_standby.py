"""Real workers whose tables are followed by others: one is killed, and the other goes on with what it has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.brokers import KafkaCluster
from tests.integration.app_run import Run
from tests.integration.scenario import DECLARATION, PARTITIONS
from tests.outside import until

NUMBERS = count(1)
"""Tells the apps of the tests apart, which share a broker."""
TABLES = ("totals", "traffic")
COUNT = 6_000
PER_SECOND = 500
STANDBYS, LAG = "streams_standby_partitions", "streams_standby_lag_records"
AGE, PROMOTIONS = "streams_standby_lag_seconds", "streams_promotions_total"
FOLLOWED = DECLARATION.replace("    key: host\n    window", "    key: host\n    standby: 1\n    window")

pytestmark = [pytest.mark.embedded, pytest.mark.kafka]


@pytest.fixture(params=["embedded", "kafka"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """Return an app on each of the brokers, with one follower of each partition."""
    bootstrap = request.getfixturevalue(request.param).bootstrap
    each = Run(bootstrap, f"standby{next(NUMBERS)}", tmp_path, text=FOLLOWED)
    yield each
    each.kill()


def both(run: Run) -> None:
    """Start two workers, and return when each has a half and follows the other."""
    for name in "ab":
        run.worker(name)
    until(lambda: all(halved(run, name) for name in "ab"), lambda: f"two halves\n{run.said()}")


def halved(run: Run, name: str) -> bool:
    """Return whether a worker has half of the partitions, and follows the tables of the others to their end."""
    if not run.workers[name].ready():
        return False
    running, ready = sample(run, name, "streams_partitions", "running"), sample(run, name, STANDBYS, "ready")
    return (running, ready) == (PARTITIONS / 2, len(TABLES) * PARTITIONS / 2)


def sample(run: Run, name: str, metric: str, *labels: str) -> float:
    """Return the sum of a worker's samples of a metric that have these label values."""
    lines = [
        line
        for line in run.workers[name].text("/metrics").splitlines()
        if line.startswith((f"{metric}{{", f"{metric} "))
    ]
    return sum(float(line.split()[-1]) for line in lines if all(f'="{label}"' in line for label in labels))


def test_a_killed_worker_is_replaced_by_its_standby(run: Run) -> None:
    """Killed midway: all tables, alerts and dead letters are those of a plain recount."""
    both(run)
    feeding = threading.Thread(target=run.produce, args=(COUNT, 7, PER_SECOND))
    feeding.start()
    until(lambda: sum(run.committed()) > COUNT // 5, lambda: f"a fifth of the input committed\n{run.said()}")
    run.workers["a"].kill()
    until(lambda: sum(run.committed()) > COUNT // 2, lambda: f"half of the input committed\n{run.said()}")
    run.worker("c").wait_ready()
    until(lambda: sum(run.committed()) > COUNT * 3 // 4, lambda: f"three quarters committed\n{run.said()}")
    run.workers["b"].kill()
    feeding.join()
    run.wait_done()
    assert run.workers["c"].stop() == 0, run.said()
    wanted = run.compare()
    assert len(wanted.alerts) > 20, "the input must make alerts fire and resolve"


def test_a_promotion_reads_the_claim_alone_and_views_answer_meanwhile(run: Run) -> None:
    """What was followed is not read again: one record of each partition; `stale=ok` has all rows throughout."""
    both(run)
    run.produce(COUNT // 3, 3)
    run.wait_done()
    until(lambda: all(sample(run, name, LAG) == 0 for name in "ab"), lambda: f"all to be followed\n{run.said()}")
    before, promoted = totals_of(run, "b", ""), sample(run, "b", PROMOTIONS)
    taken = {int(each.rpartition("-")[2]) for each in lag(run, "a")}
    run.workers["a"].kill()
    stale = run.workers["b"].get("/api/v1/tables/totals?stale=ok&limit=1000")["data"]
    assert {each["key"]["host"]: each["values"] for each in stale["rows"]} == before
    assert stale["missing_partitions"] == []
    assert {each["partition"] for each in stale["standby"]} == taken
    assert {each["records"] for each in stale["standby"]} == {0}
    fresh = run.workers["b"].get("/api/v1/tables/totals?limit=1000")["data"]
    assert {int(each.rpartition("-")[2]) for each in fresh["missing_partitions"]} == taken
    assert "standby" not in fresh
    until(lambda: sample(run, "b", "streams_partitions", "running") == PARTITIONS, lambda: f"all\n{run.said()}")
    assert sample(run, "b", PROMOTIONS) - promoted == len(TABLES) * len(taken)
    read = {(table, p): sample(run, "b", "streams_restored_records", table, str(p)) for table in TABLES for p in taken}
    assert read == dict.fromkeys(read, 1.0), run.said()
    until(lambda: totals_of(run, "b", "") == before, "the rows of all partitions")
    run.produce(COUNT // 3, 4)
    run.wait_done()
    assert run.workers["b"].stop() == 0, run.said()
    run.compare()


def totals_of(run: Run, name: str, more: str) -> dict[str, dict[str, float]]:
    """Return host -> columns, as a worker's view of the running totals says."""
    data = run.workers[name].get(f"/api/v1/tables/totals?limit=1000{more}")["data"]
    return {each["key"]["host"]: each["values"] for each in data["rows"]}


def lag(run: Run, name: str) -> dict[str, int]:
    """Return the inputs of a worker."""
    found: dict[str, int] = run.workers[name].get("/api/v1/status?scope=local")["data"]["workers"][0]["lag"]
    return found


def test_a_broker_that_goes_and_comes_back_is_followed_on(
    own_kafka: Callable[..., KafkaCluster], tmp_path: Path
) -> None:
    """After SIGKILL of the broker and its return owners and followers go on; a killed owner is replaced exactly."""
    cluster = own_kafka()
    run = Run(cluster.bootstrap, "standbyoutage", tmp_path, text=FOLLOWED)
    try:
        both(run)
        run.produce(COUNT // 4, 1)
        until(lambda: sum(run.committed()) > 0, "the first commit")
        cluster.brokers[0].kill()
        until(lambda: not run.workers["a"].running or sample(run, "a", AGE) > 2, "time to pass without a broker")
        cluster.brokers[0].start()
        run.produce(COUNT // 4, 2)
        run.wait_done()
        until(lambda: all(halved(run, name) for name in "ab"), lambda: f"all to be followed again\n{run.said()}")
        until(lambda: all(sample(run, name, LAG) == 0 for name in "ab"), "followers at the end")
        run.workers["a"].kill()
        run.produce(COUNT // 4, 3)
        run.wait_done()
        assert run.workers["b"].stop() == 0, run.said()
        run.compare()
    finally:
        run.kill()
