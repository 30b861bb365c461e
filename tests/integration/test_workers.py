"""Two real `faust worker` processes over poisoned input; one is killed midway and one is added. Nothing is lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import KafkaCluster
from tests.integration.app_run import Run
from tests.outside import until

COUNT = 6_000
PER_SECOND = 500

pytestmark = [pytest.mark.embedded, pytest.mark.kafka]


@pytest.fixture(params=["embedded", "kafka"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """Return an app on each of the brokers."""
    bootstrap = request.getfixturevalue(request.param).bootstrap
    each = Run(bootstrap, f"w{request.param}", tmp_path)
    yield each
    each.kill()


def test_a_killed_worker_and_a_new_one_change_nothing(run: Run) -> None:
    """One worker is killed midway, one is added: tables, alerts and dead letters are those of a plain recount."""
    run.worker("a")
    run.worker("b")
    run.workers["a"].wait_ready()
    run.workers["b"].wait_ready()
    feeding = threading.Thread(target=run.produce, args=(COUNT, 7, PER_SECOND))
    feeding.start()
    until(lambda: sum(run.committed()) > COUNT // 5, lambda: f"a fifth of the input committed\n{run.said()}")
    run.workers["a"].kill()
    until(lambda: sum(run.committed()) > COUNT // 2, lambda: f"half of the input committed\n{run.said()}")
    run.worker("c").wait_ready()
    feeding.join()
    run.wait_done()
    assert [run.workers[name].stop() for name in "bc"] == [0, 0], run.said()
    wanted = run.compare()
    assert len(wanted.alerts) > 20, "the input must make alerts fire and resolve"
    assert len(wanted.late) > 20, "some records must be late"
    assert len(set(wanted.letters.values())) > 8, "all kinds of poison must be among the input"


def test_a_stop_commits_all_and_a_restart_folds_nothing_again(kafka: KafkaCluster, tmp_path: Path) -> None:
    """SIGTERM ends a worker within seconds, with code 0 and all committed; the next one goes on from there."""
    run = Run(kafka.bootstrap, "stopped", tmp_path)
    try:
        run.produce(2_000, 3)
        worker = run.worker("a").wait_ready()
        until(lambda: table_rows(run, "a", "folded") >= len_good(run), "all folded")
        began = time.monotonic()
        assert worker.stop() == 0, run.said()
        assert time.monotonic() - began < 10
        assert run.committed() == run.ends()
        run.worker("a").wait_ready()
        assert table_rows(run, "a", "folded") == 0
        assert table_rows(run, "a", "skipped") == 0
        run.produce(500, 4)
        run.wait_done()
        assert run.workers["a"].stop() == 0, run.said()
        run.compare()
    finally:
        run.kill()


def test_a_worker_that_was_asleep_does_no_harm(kafka: KafkaCluster, tmp_path: Path) -> None:
    """A worker that stands still for longer than its session wakes as a zombie: another has its partitions."""
    run = Run(kafka.bootstrap, "asleep", tmp_path)
    try:
        run.worker("a").wait_ready()
        run.worker("b").wait_ready()
        feeding = threading.Thread(target=run.produce, args=(COUNT // 2, 5, PER_SECOND))
        feeding.start()
        until(lambda: sum(run.committed()) > COUNT // 20, lambda: f"the beginning committed\n{run.said()}")
        run.workers["a"].send(signal.SIGSTOP)
        feeding.join()
        run.wait_done()
        run.workers["a"].send(signal.SIGCONT)
        run.produce(500, 6)
        run.wait_done()
        run.workers["a"].wait_ready()
        assert [run.workers[name].stop() for name in "ab"] == [0, 0], run.said()
        run.compare()
    finally:
        run.kill()


def table_rows(run: Run, name: str, outcome: str) -> float:
    """Return how many rows of the running totals a worker has counted under an outcome."""
    lines = run.workers[name].text("/metrics").splitlines()
    labels = f'{{outcome="{outcome}",table="totals"}}', f'{{table="totals",outcome="{outcome}"}}'
    found = [
        line.split()[-1] for line in lines if line.startswith(tuple(f"streams_table_rows_total{x}" for x in labels))
    ]
    return float(found[0])


def len_good(run: Run) -> int:
    """Return how many records of the input are no poison."""
    return sum(run.ends()) - len(run.expected().letters)
