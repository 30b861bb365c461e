"""Real workers that have no memory for open cells: all of them are in the local stores only. Nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.integration.app_run import Run
from tests.integration.scenario import PARTITIONS, records
from tests.integration.test_standby import COUNT, FOLLOWED, PER_SECOND, both, halved, sample
from tests.outside import Sent, produce, until

NUMBERS = count(1)

pytestmark = [pytest.mark.embedded, pytest.mark.kafka]


@pytest.fixture(params=["embedded", "kafka"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """Return an app on each of the brokers, followed, with a budget that the caches of the stores use up."""
    bootstrap = request.getfixturevalue(request.param).bootstrap
    name = f"cold{next(NUMBERS)}"
    each = Run(bootstrap, name, tmp_path, text=FOLLOWED, STREAMS_STATE_MEMORY="1MiB")
    yield each
    each.kill()


def fed(run: Run, events: list[Sent]) -> threading.Thread:
    """Begin to produce events, at a pace that leaves time to hurt workers meanwhile."""
    feeding = threading.Thread(
        target=produce, args=(run.bootstrap, run.topic, events), kwargs={"per_second": PER_SECOND}
    )
    feeding.start()
    return feeding


def test_killed_restarted_and_replaced_without_memory(run: Run) -> None:
    """One worker is killed and comes back with its stores, one is replaced by its follower: all is as recounted."""
    both(run)
    events = list(records(COUNT, 7))
    feeding = fed(run, events[: COUNT // 2])
    until(lambda: sum(run.committed()) > COUNT // 5, lambda: f"a fifth of the input committed\n{run.said()}")
    run.workers["a"].kill()
    run.worker("a")
    until(lambda: all(halved(run, name) for name in "ab"), lambda: f"two halves again\n{run.said()}")
    assert sample(run, "a", "streams_state_memory_bytes") == 1 << 20
    feeding.join()
    feeding = fed(run, events[COUNT // 2 :])
    until(lambda: sum(run.committed()) > COUNT * 3 // 4, lambda: f"most of the input committed\n{run.said()}")
    run.workers["b"].kill()
    feeding.join()
    run.wait_done()
    until(lambda: sample(run, "a", "streams_partitions", "running") == PARTITIONS, lambda: f"one has all\n{run.said()}")
    cold, open_ = (
        sample(run, "a", name, *labels) for name, *labels in (("streams_cells_cold",), ("streams_cells", "open"))
    )
    assert cold == open_ > 0
    assert sample(run, "a", "streams_cells_loaded_total") > 0
    assert run.workers["a"].stop() == 0, run.said()
    wanted = run.compare()
    assert len(wanted.alerts) > 20, "the input must make alerts fire and resolve"
