"""What a worker says and does when something is missing or breaks: it names it, loses nothing, and goes on."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from streams.letters import OFFSET, REASON, TRUNCATED
from tables.records import CLAIM
from tests.brokers import KafkaCluster
from tests.integration.app_run import SETTINGS, Run
from tests.integration.scenario import BASE, PARTITIONS
from tests.outside import Sent, create_topic, produce, read, until
from tests.workers import Worker

pytestmark = pytest.mark.kafka
STOP_SECONDS = 15


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Make apps whose workers end with the test."""
    made: list[Run] = []

    def make(bootstrap: str, app: str, *, topic: bool = True) -> Run:
        made.append(Run(bootstrap, app, tmp_path, topic=topic))
        return made[-1]

    yield make
    for run in made:
        run.kill()


def test_a_broker_and_a_topic_are_waited_for_and_a_lost_broker_loses_nothing(
    own_kafka: Callable[..., KafkaCluster], start: Callable[..., Run]
) -> None:
    """Broker away at start, topic missing, broker lost for a while: named, outlived, exact; SIGTERM still ends it."""
    cluster = own_kafka()
    broker = cluster.brokers[0]
    run = start(cluster.bootstrap, "outage", topic=False)
    broker.stop()
    worker = run.worker("a")
    until(lambda: cluster.bootstrap in worker.why(), lambda: f"the broker named: {worker.why()}\n{run.said()}", 30)
    broker.start()
    until(lambda: f"topic '{run.topic}' does not exist" in worker.why(), lambda: f"the topic named: {worker.why()}", 30)
    run.create_topic()
    worker.wait_ready()
    run.produce(1_500, 1)
    until(lambda: sum(run.committed()) > 0, "the first commit")
    broker.kill()
    time.sleep(6)
    assert worker.running, run.said()
    broker.start()
    run.produce(1_500, 2)
    run.wait_done()
    broker.kill()
    assert worker.stop(STOP_SECONDS) == 0, run.said()
    broker.start()
    run.compare()


def test_an_input_that_is_made_anew_under_a_worker_is_told(kafka: KafkaCluster, start: Callable[..., Run]) -> None:
    """Of another topic of its name nothing is counted or passed over: its partitions stop, at a later start too."""
    run = start(kafka.bootstrap, "remade")
    worker = run.worker("a").wait_ready()
    run.produce(2_000, 1)
    run.wait_done()
    admin, ends = KafkaAdminClient(bootstrap_servers=kafka.bootstrap), run.ends()
    admin.delete_topics([run.topic])
    create_topic(kafka.bootstrap, run.topic, PARTITIONS)
    run.produce(50, 3)
    until(lambda: f"{run.topic}-0 is not the log that was read" in worker.output, run.said, 90)
    assert run.committed() == ends
    assert worker.stop() == 0
    worker = run.worker("a")
    until(lambda: f"{run.topic}-0 is not the log that was read" in worker.output, run.said, 60)
    admin.close()


def test_records_deleted_under_a_quiet_worker_are_told(kafka: KafkaCluster, start: Callable[..., Run]) -> None:
    """Where retention passes what a worker has not read yet, it says so and counts it, though nothing new comes."""
    run = start(kafka.bootstrap, "emptied")
    worker = run.worker("a").wait_ready()
    run.produce(1_000, 1)
    run.wait_done()
    worker.send(signal.SIGSTOP)
    run.produce(1_000, 2)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.delete_records({TopicPartition(run.topic, number): end for number, end in enumerate(run.ends())})
    admin.close()
    worker.send(signal.SIGCONT)
    until(lambda: "were deleted from the topic before they were read" in worker.output, run.said, 60)
    assert "streams_deleted_offsets_total" in worker.text("/metrics")
    assert "streams_deleted_offsets_total 0.0" not in worker.text("/metrics")


def test_a_changelog_of_other_partitions_is_refused(kafka: KafkaCluster, start: Callable[..., Run]) -> None:
    """A changelog must have its source's partitions; the worker says which topic has not, and does not begin."""
    run = start(kafka.bootstrap, "counts")
    create_topic(kafka.bootstrap, "counts-totals-changelog", PARTITIONS + 1)
    worker = run.worker("a")
    wanted = f"'counts-totals-changelog' must have {PARTITIONS} partitions"
    until(lambda: wanted in worker.why(), lambda: f"the topic named: {worker.why()}\n{run.said()}", 30)
    assert worker.stop() == 0


def test_state_of_another_declaration_is_told_and_never_mixed(kafka: KafkaCluster, start: Callable[..., Run]) -> None:
    """A table that now counts other rows says so by name, and does not touch the state that it kept."""
    run = start(kafka.bootstrap, "changed")
    run.produce(500, 1)
    run.worker("a").wait_ready()
    run.wait_done()
    assert run.workers["a"].stop() == 0
    before = state_records(run)
    declared = run.declaration.read_text()
    run.declaration.write_text(declared.replace("  totals:\n", "  totals:\n    where: bytes > 100\n"))
    worker = run.worker("a")
    told = r"table totals: .*state of another declaration|table totals: its kept state is of another declaration"
    until(lambda: re.search(told, worker.output), run.said, 60)
    run.produce(500, 2)
    time.sleep(3)
    assert worker.stop() == 0
    assert "Traceback" not in worker.output
    assert state_records(run) == before


def state_records(run: Run) -> list[tuple[bytes, bytes]]:
    """Return what the changelog of the running totals says, claims apart."""
    return [(each.key, each.value) for each in read(run.bootstrap, f"{run.app}-totals-changelog") if each.key != CLAIM]


def test_a_letter_that_does_not_fit_goes_without_its_value(kafka: KafkaCluster, start: Callable[..., Run]) -> None:
    """Poison that is larger than its dead letter may be stops nothing: the letter says where the original lies."""
    run = start(kafka.bootstrap, "large")
    create_topic(kafka.bootstrap, "large-dead-letters", 1, max_message_bytes="2000")
    big = b"[" * 9_000
    good = b'{"host":"h0","ts":%d,"bytes":1}' % BASE
    produce(
        kafka.bootstrap,
        run.topic,
        [Sent(0, b"h0", good), Sent(0, b"h0", big), Sent(0, b"h0", b"{"), Sent(0, b"h0", good)],
    )
    run.worker("a").wait_ready()
    run.wait_done()
    found = {int(dict(each.headers)[OFFSET]): each for each in read(kafka.bootstrap, "large-dead-letters")}
    assert found.keys() == {1, 2}
    assert found[1].value is None
    assert found[1].key == b"h0"
    assert dict(found[1].headers)[TRUNCATED] == b"9000"
    assert dict(found[1].headers)[REASON]
    assert found[2].value == b"{"


def test_a_directory_or_a_port_in_use_ends_a_worker_at_once(kafka: KafkaCluster, start: Callable[..., Run]) -> None:
    """The second worker of a directory, or of a port, ends with code 1 and names the flag, without a traceback."""
    run = start(kafka.bootstrap, "places")
    first = run.worker("a").wait_ready()
    folder, port = run.folder / "b", {"STREAMS_WEB_PORT": str(first.port)}
    for flag, settings in (("--datadir", {"STREAMS_DATA_DIR": str(first.folder / "state")}), ("--web-port", port)):
        second = Worker(run.declaration, kafka.bootstrap, folder, **SETTINGS, **settings).start()
        until(lambda second=second: not second.running, "the second worker's end", 30)
        assert second.stop() == 1
        assert flag in second.output
    assert "Traceback" not in second.output
