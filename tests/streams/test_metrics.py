"""What a worker says of itself, over the worker's own runtime without a broker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from faust.types import TP
from prometheus_client.parser import text_string_to_metric_families

from streams import exposed, metrics
from streams.effects import Write
from streams.metrics import exposition
from streams.runtime.follower import Follower
from streams.runtime.partition import State
from streams.runtime.standing import Standing
from tables.recovery import RestoreProgress
from tables.store import StoreClosed
from tests.streams.worker_bench import BASE, Bench, MemoryPartition, fill, hit, run

Sample = tuple[str, frozenset[tuple[str, str]]]


def sample(name: str, **labels: str) -> Sample:
    """Return how a sample is found."""
    return name, frozenset(labels.items())


async def scrape(bench: Bench) -> dict[Sample, float]:
    """Return the samples of a scrape, by name and labels."""
    text = (await exposition(bench.runtime, "1.2.3")).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples), "a series is there twice"
    return found


def test_records_are_counted_by_outcome(tmp_path: Path) -> None:
    """A record is accepted, filtered or a dead letter; a letter has its reason, and the table that refused its row."""

    async def test(bench: Bench) -> None:
        await fill(bench)
        found = await scrape(bench)
        assert found[sample("streams_records_total", stream="access", outcome="accepted")] == 9
        assert found[sample("streams_records_total", stream="access", outcome="filtered")] == 1
        assert found[sample("streams_records_total", stream="access", outcome="dead_letter")] == 2
        letters = {labels: value for (name, labels), value in found.items() if name == "streams_dead_letters_total"}
        assert letters == {
            frozenset({("stream", "access"), ("table", table), ("reason", reason)}): 1
            for table, reason in (
                ("", "invalid_json"),
                ("", "bad_time"),
                ("traffic", "null_key"),
                ("totals", "null_key"),
            )
        }
        good = [hit("a", 0), hit("a", 1), hit("a", 2, 503), hit("b", 3), hit("b", 4, 0), hit("b", 5, 1)]
        good += [hit(None, 6), {"host": "a", "status": 200}, hit("c", 12.5), hit("a", 2), hit("d", 1)]
        size = len(b"{") + sum(len(json.dumps(each)) for each in good)
        assert found[sample("streams_record_bytes_total", stream="access")] == size

    run(test, tmp_path)


def test_rows_of_a_table_are_counted_by_outcome(tmp_path: Path) -> None:
    """Rows are folded, filtered by the table's `where`, or late; windows that closed with a row are counted."""

    async def test(bench: Bench) -> None:
        await fill(bench)
        found = await scrape(bench)
        rows = {outcome: sample("streams_table_rows_total", table="traffic", outcome=outcome)
                for outcome in ("folded", "filtered", "late", "skipped")}  # fmt: skip
        assert {outcome: found[key] for outcome, key in rows.items()} == {
            "folded": 6, "filtered": 1, "late": 1, "skipped": 0,
        }  # fmt: skip
        assert found[sample("streams_late_records_total", table="traffic")] == 1
        assert found[sample("streams_late_records_total", table="totals")] == 0
        assert found[sample("streams_windows_closed_total", table="traffic")] == 1

    run(test, tmp_path)


def test_partitions_have_lag_watermark_and_cells(tmp_path: Path) -> None:
    """Lag is what the topic's end is ahead of the folded offset; cells are open or kept; an empty table has no mark."""

    async def test(bench: Bench) -> None:
        await fill(bench)
        bench.app.consumer.ends[TP("web.access", 0)] = 111
        found = await scrape(bench)
        assert found[sample("streams_lag_records", topic="web.access", partition="0")] == 100
        assert sample("streams_lag_records", topic="web.access", partition="1") not in found
        marks = {labels: value for (name, labels), value in found.items() if name.startswith("streams_watermark")}
        assert marks == {
            frozenset({("table", table), ("partition", partition)}): BASE / 1000 + second
            for table in ("traffic", "totals")
            for partition, second in (("0", 12.5), ("1", 1))
        }
        cells = {state: found[sample("streams_cells", table="traffic", partition="0", state=state)]
                 for state in ("open", "kept")}  # fmt: skip
        store = bench.partition(0).tables[0].store
        assert cells["open"] == 1
        assert store is not None
        assert cells["kept"] == store.estimated_records() - 1
        assert found[sample("streams_cells", table="totals", partition="0", state="open")] == 3
        assert found[sample("streams_partitions", state="running")] == 2
        assert found[sample("streams_partitions", state="failed")] == 0
        assert found[sample("streams_ready")] == 1
        assert found[sample("streams_rebalances_total")] == 1
        assert found[sample("streams_build_info", version="1.2.3")] == 1

    run(test, tmp_path)


def test_changelog_records_and_bytes_are_those_that_were_written(tmp_path: Path) -> None:
    """Writes, their records, and the bytes of keys and values, as the driver got them."""
    written: list[Write] = []

    async def test(bench: Bench) -> None:
        await fill(bench)
        found = await scrape(bench)
        mine = [write for write in written if write.records]
        records = [record for write in mine for record in write.records]
        assert found[sample("streams_changelog_writes_total", table="totals")] == len(mine) == 5
        assert found[sample("streams_changelog_records_total", table="totals")] == len(records)
        size = sum(len(record.key) + len(record.value or b"") for record in records)
        assert found[sample("streams_changelog_bytes_total", table="totals")] == size

    original = MemoryPartition.deliver

    async def deliver(self: MemoryPartition, write: Write) -> None:
        if self.plan.name == "totals":
            written.append(write)
        await original(self, write)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryPartition, "deliver", deliver)
        run(test, tmp_path)


def test_batches_are_histograms(tmp_path: Path) -> None:
    """Sizes are cumulative per bound and sum up to the records; each batch has one duration."""

    async def test(bench: Bench) -> None:
        await fill(bench)
        found = await scrape(bench)
        counts = {bound: found[sample("streams_batch_records_bucket", le=bound)] for bound in ("1", "10", "+Inf")}
        assert counts == {"1": 1, "10": 3, "+Inf": 3}
        assert found[sample("streams_batch_records_sum")] == 12
        assert found[sample("streams_batch_duration_seconds_count")] == 3
        assert 0 < found[sample("streams_batch_duration_seconds_sum")] < 60

    run(test, tmp_path)


def test_alerts_are_as_in_prometheus(tmp_path: Path) -> None:
    """A series per live alert with its labels, name and state; the same alert of two rules is one series."""

    async def test(bench: Bench) -> None:
        await fill(bench)
        found = await scrape(bench)
        assert {labels for name, labels in found if name == "streams_alerts"} == {
            frozenset({("alertname", "Busy"), ("alertstate", "firing"), ("host", "a"), ("severity", "page")}),
            frozenset({("alertname", "Broken"), ("alertstate", "pending"), ("host", "a")}),
        }
        assert found[sample("streams_alerts_hidden")] == 0

    run(test, tmp_path)


def test_alerts_are_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond `MAX_ALERTS` they are not shown, and it is said how many; those that fire are shown first."""
    monkeypatch.setattr(metrics, "MAX_ALERTS", 4)

    async def test(bench: Bench) -> None:
        await bench.assign(0)
        await bench.feed(
            0, *(hit(f"h{number}", 1, 500) for number in range(7)), hit("z", 1), hit("z", 2), hit("z", 3), hit("z", 11)
        )
        found = await scrape(bench)
        states = sorted(dict(labels)["alertstate"] for name, labels in found if name == "streams_alerts")
        assert states == ["firing", "pending", "pending", "pending"]
        assert found[sample("streams_alerts_hidden")] == 4

    run(test, tmp_path)


def test_exposed_columns_show_the_latest_closed_window(tmp_path: Path) -> None:
    """One series per key of the latest window that is closed; open windows, text and nulls are not shown."""

    async def test(bench: Bench) -> None:
        await bench.assign(0, 1)
        await bench.feed(0, hit("a", 1), hit("a", 2, 404), hit("old", 3), hit("a", 11, 302), hit("b", 12), hit("c", 25))
        await bench.feed(1, hit("d", 1))
        found = await scrape(bench)
        assert {(name, labels): value for (name, labels), value in found.items() if "_table_traffic" in name} == {
            sample("streams_table_traffic_requests", host="a"): 1,
            sample("streams_table_traffic_requests", host="b"): 1,
            sample("streams_table_traffic_worst", host="a"): 302,
            sample("streams_table_traffic_worst", host="b"): 200,
        }
        seen = {labels: value for (name, labels), value in found.items() if name == "streams_table_totals_seen"}
        assert seen == {frozenset({("host", host)}): count
                        for host, count in (("a", 3), ("old", 1), ("b", 1), ("c", 1), ("d", 1))}  # fmt: skip

    run(test, tmp_path)


@pytest.mark.parametrize(("most", "shown", "truncated"), [(7, 7, 0), (6, 6, 1), (4, 4, 1), (3, 3, 2), (0, 0, 2)])
def test_exposed_series_are_capped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, shown: int, truncated: int
) -> None:
    """No more than the cap over all partitions; the gauge counts the partitions of which keys are missing."""
    monkeypatch.setattr(exposed.Exposed.read, "__defaults__", (most,))

    async def test(bench: Bench) -> None:
        await bench.assign(0, 1)
        await bench.feed(0, *(hit(f"a{number}", 1) for number in range(4)))
        await bench.feed(1, *(hit(f"b{number}", 1) for number in range(3)))
        found = await scrape(bench)
        assert len([name for name, _ in found if name == "streams_table_totals_seen"]) == shown
        assert found[sample("streams_exposed_truncated_partitions", table="totals")] == truncated
        assert found[sample("streams_exposed_truncated_partitions", table="traffic")] == 0

    run(test, tmp_path)


@pytest.mark.parametrize("state", [State.RESTORING, State.FENCED, State.FAILED])
def test_a_partition_that_is_not_ours_or_not_restored_shows_nothing(tmp_path: Path, state: State) -> None:
    """Its alerts and exposed rows may be old, or another worker's; its state is counted."""

    async def test(bench: Bench) -> None:
        await fill(bench)
        bench.partition(0).state = state
        found = await scrape(bench)
        assert not [name for name, _ in found if name == "streams_alerts"]
        assert {labels for name, labels in found if name == "streams_table_totals_seen"} == {frozenset({("host", "d")})}
        assert found[sample("streams_partitions", state=state.value)] == 1
        assert found[sample("streams_ready")] == 0

    run(test, tmp_path)


def test_a_store_that_was_closed_does_not_spoil_the_scrape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a partition goes to another worker the rest is shown."""

    def closed(*_: Any) -> Any:
        raise StoreClosed(tmp_path, "it is closed", "ask again")

    async def test(bench: Bench) -> None:
        await fill(bench)
        store = bench.partition(0).tables[1].store
        for name in ("groups", "estimated_records"):
            monkeypatch.setattr(store, name, closed)
        found = await scrape(bench)
        assert {labels for name, labels in found if name == "streams_table_totals_seen"} == {frozenset({("host", "d")})}
        assert sample("streams_cells", table="totals", partition="0", state="kept") not in found
        assert sample("streams_cells", table="totals", partition="0", state="open") in found

    run(test, tmp_path)


def test_counters_do_not_go_down_when_a_partition_leaves(tmp_path: Path) -> None:
    """What a counter has counted stays when the partition is closed, and when it comes back."""

    async def test(bench: Bench) -> None:
        await fill(bench)
        before = await scrape(bench)
        await bench.assign(0)
        left = await scrape(bench)
        assert left[sample("streams_partitions", state="running")] == 1
        bench.next[1] = 0
        await bench.assign(0, 1)
        await bench.feed(1, hit("d", 2))
        back = await scrape(bench)
        counters = [key for key in before if key[0].endswith(("_total", "_bucket", "_count", "_sum"))]
        assert len(counters) > 30
        for key in counters:
            if not key[0].startswith("process_"):
                assert before[key] <= left[key] <= back[key], key
        accepted = sample("streams_records_total", stream="access", outcome="accepted")
        assert (before[accepted], left[accepted], back[accepted]) == (9, 9, 10)

    run(test, tmp_path)


def test_commit_age_begins_with_the_first_work_that_is_not_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 before any work and whenever all is committed, however long ago; else the age of what waits for a commit."""
    now = 1000.0
    age = sample("streams_commit_age_seconds", topic="web.access", partition="0")

    async def test(bench: Bench) -> None:
        nonlocal now
        monkeypatch.setattr("streams.runtime.partition.time.time", lambda: now)
        commits, tp = bench.app.consumer.commits, TP("web.access", 0)
        await bench.assign(0)
        now += 500
        assert (await scrape(bench))[age] == 0
        await bench.feed(0, hit("a", 1))
        now += 7
        await bench.feed(0, hit("a", 2))
        now += 3
        assert (await scrape(bench))[age] == 10
        commits[tp] = 1
        await bench.feed(0, hit("a", 3))
        now += 2
        assert (await scrape(bench))[age] == 2
        commits[tp] = 3
        now += 500
        assert (await scrape(bench))[age] == 0

    run(test, tmp_path)


def test_a_restore_shows_its_progress(tmp_path: Path) -> None:
    """While it runs: records so far and the time that is left; afterwards the records of the last one."""

    async def test(bench: Bench) -> None:
        await bench.assign(0)
        table = bench.partition(0).tables[0]
        labels = {"table": "traffic", "partition": "0"}
        table.restored = 12
        found = await scrape(bench)
        assert found[sample("streams_restored_records", **labels)] == 12
        assert sample("streams_restore_remaining_seconds", **labels) not in found
        table.restoring = RestoreProgress(5, 100, 4.5)
        found = await scrape(bench)
        assert found[sample("streams_restored_records", **labels)] == 5
        assert found[sample("streams_restore_remaining_seconds", **labels)] == 4.5

    run(test, tmp_path)


def test_followed_partitions_show_how_far_behind_they_are(tmp_path: Path) -> None:
    """Those that could take over and those that could not, records and seconds behind, and what was taken over."""

    async def test(bench: Bench) -> None:
        await bench.assign(0)
        plan = bench.partition(0).tables[0].plan
        for number, (position, end) in enumerate(((90, 100), (0, 50_000)), start=2):
            table = bench.runtime.table(plan, number)
            table.standing = Standing(position, end, time.time() - 5)
            bench.runtime.following.followers[table] = Follower(table, bench.runtime.following)
        bench.runtime.stats.promotions = 3
        found = await scrape(bench)
        assert found[sample("streams_standby_partitions", state="ready")] == 1
        assert found[sample("streams_standby_partitions", state="behind")] == 1
        assert found[sample("streams_standby_lag_records", table="traffic", partition="2")] == 10
        assert found[sample("streams_standby_lag_records", table="traffic", partition="3")] == 50_000
        assert 5 <= found[sample("streams_standby_lag_seconds", table="traffic", partition="2")] < 10
        assert found[sample("streams_promotions_total")] == 3
        bench.runtime.following.followers.clear()

    run(test, tmp_path)


def test_label_values_are_escaped(tmp_path: Path) -> None:
    """Quotes, backslashes, line ends and other scripts in a key come back as they were, in rows and in alerts."""
    odd = ['say "hi"', "back\\slash\\n", "two\nlines", "snow\u2603man", '{a="b"} 1']

    async def test(bench: Bench) -> None:
        await bench.assign(0)
        await bench.feed(0, *(hit(host, 1, 500) for host in odd), hit("z", 11))
        found = await scrape(bench)
        for name in ("streams_alerts", "streams_table_traffic_requests"):
            assert {dict(labels)["host"] for each, labels in found if each == name} == set(odd)

    run(test, tmp_path)


def test_a_worker_without_partitions_is_scraped(tmp_path: Path) -> None:
    """Before the first assignment everything is there, at zero."""

    async def test(bench: Bench) -> None:
        found = await scrape(bench)
        assert found[sample("streams_ready")] == 0
        assert found[sample("streams_records_total", stream="access", outcome="accepted")] == 0
        assert found[sample("streams_exposed_truncated_partitions", table="totals")] == 0

    run(test, tmp_path)


@pytest.mark.prometheus
def test_promtool_finds_no_fault(tmp_path: Path) -> None:
    """Names, types, help and text follow Prometheus' conventions, whatever stands in the labels."""
    if shutil.which("promtool") is None:
        why = "NO PROMTOOL, the conventions of /metrics stay unchecked here: apt-get install prometheus"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    texts: list[bytes] = []

    async def test(bench: Bench) -> None:
        await fill(bench)
        await bench.feed(0, hit('odd "key"\n', 14, 500), hit("z", 30))
        texts.append(await exposition(bench.runtime, "1.2.3"))

    run(test, tmp_path)
    command = ["promtool", "check", "metrics"]
    checked = subprocess.run(command, input=texts[0], check=False, capture_output=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
