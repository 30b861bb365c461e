"""The views of two real workers: one app, whichever of them is asked."""

from __future__ import annotations

import csv
import io
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.embedded import EmbeddedBroker, free_port
from tests.integration.pairs import (
    BASE,
    KEYS,
    MINUTE,
    PARTITIONS,
    QUICK,
    ROUTES,
    SCRIPT,
    SESSION,
    Pair,
    ask,
    expected_rows,
    key_path,
)  # fmt: skip
from tests.outside import until
from tests.workers import Worker

pytestmark = pytest.mark.embedded
TOKENS = {
    "STREAMS_WEB_BIND": "0.0.0.0",  # noqa: S104 - listening beyond loopback is what is tested
    "STREAMS_WEB_HOST": "127.0.0.1",
    "STREAMS_WEB_TOKENS": "for-people,for-prometheus",
    "STREAMS_SERVICE_TOKEN": "among-workers",
}
BEARER = {"Authorization": "Bearer for-people"}


def same(answers: list[Any]) -> Any:
    """Return what all say, apart from who says it."""
    found = [{name: value for name, value in answer.items() if name != "worker"} for answer in answers]
    assert all(each == found[0] for each in found)
    return found[0]


def healthy(worker: Worker) -> bool:
    """Return whether it listens."""
    try:
        return ask(worker, "/-/healthy").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("page", KEYS, ids=[ascii(key)[:20] for key in KEYS])
def test_both_workers_say_the_same_of_any_key(pair: Pair, page: str) -> None:
    """Slashes, dots, percent signs, other scripts, 1,500 characters: all rows of the key, equal to a plain count."""
    data = same([ask(worker, key_path("pages", page)).data for worker in pair.workers])
    assert data["missing_partitions"] == []
    rows = {(row["key"]["page"], row["start"]): row["values"] for row in data["rows"]}
    assert rows == {row: values for row, values in expected_rows().items() if row[0] == page}
    assert [row["end"] - row["start"] for row in data["rows"]] == [MINUTE] * len(rows)
    assert all(row["closed"] for row in data["rows"])


def test_a_key_is_found_where_another_producer_put_it(pair: Pair) -> None:
    """A key that does not lie where murmur2 would have put it is found by asking all."""
    for number in range(40):
        data = same([ask(worker, key_path("pages", f"end-{number}")).data for worker in pair.workers])
        assert [row["values"]["requests"] for row in data["rows"]] == [1]
        assert [row["closed"] for row in data["rows"]] == [False]


@pytest.mark.parametrize("route", ROUTES, ids=[ascii(route) for route in ROUTES])
def test_a_key_of_several_fields_is_joined_by_commas(pair: Pair, route: tuple[str, Any]) -> None:
    """Commas and percent signs within a field are told from those between, a number is found as one."""
    data = same([ask(worker, key_path("routes", *route)).data for worker in pair.workers])
    (row,) = data["rows"]
    assert row["key"] == {"page": route[0], "code": route[1]}
    assert row["values"] == {"requests": 1}


def test_unknown_and_impossible_keys_are_refused(pair: Pair) -> None:
    """404 for what is not there, 400 for what cannot be one, and a URL beyond all measure is refused, not served."""
    for worker in pair.workers:
        assert ask(worker, key_path("pages", "nobody")).error[0] == "not_found"
        assert ask(worker, "/api/v1/tables/nothing/x").error[0] == "not_found"
        assert ask(worker, "/api/v1/tables/pages/%ff%fe").error[0] == "bad_data"
        assert ask(worker, "/api/v1/tables/routes/one").error[0] == "bad_data"
        assert ask(worker, key_path("pages", "x" * 100_000)).status in {400, 414, 431}
        assert ask(worker, "/-/healthy").status == 200


def test_pages_hold_every_key_once(pair: Pair) -> None:
    """From `next` to `next`, either worker gives all keys in the order of their bytes."""
    for worker in pair.workers:
        keys, after = [], ""
        while True:
            data = ask(worker, f"/api/v1/tables/pages?limit=7{after}").data
            assert data["missing_partitions"] == []
            keys += [row["key"]["page"] for row in data["rows"]]
            if data["next"] is None:
                break
            after = f"&after={data['next']}"
        assert keys == sorted([*KEYS, *(f"end-{number}" for number in range(40))], key=str.encode)


def test_a_time_and_a_prefix_choose_rows(pair: Pair) -> None:
    """`from` and `to` choose windows by their start, `prefix` keys by their beginning."""
    query = f"from={BASE + MINUTE}&to={BASE + 2 * MINUTE}&prefix=a&limit=100"
    data = same([ask(worker, f"/api/v1/tables/pages?{query}").data for worker in pair.workers])
    rows = {(row["key"]["page"], row["start"]): row["values"] for row in data["rows"]}
    wanted = {row: values for row, values in expected_rows().items() if row[1] == BASE + MINUTE}
    assert rows == {row: values for row, values in wanted.items() if row[0].startswith("a")}
    path = f"{key_path('pages', 'plain')}?from=2023-11-14T22:14:00Z"
    assert [row["start"] for row in ask(pair.workers[0], path).data["rows"]] == [BASE + MINUTE, BASE + 2 * MINUTE]


def test_scope_local_is_one_worker(pair: Pair) -> None:
    """Each worker alone has some keys and names the partitions that it does not have; together they have all, once."""
    answers = [ask(worker, "/api/v1/tables/pages?scope=local&limit=1000").data for worker in pair.workers]
    keys = [{row["key"]["page"] for row in answer["rows"]} for answer in answers]
    assert all(keys)
    assert not keys[0] & keys[1]
    assert keys[0] | keys[1] == {*KEYS, *(f"end-{number}" for number in range(40))}
    absent = [set(answer["missing_partitions"]) for answer in answers]
    assert not absent[0] & absent[1]
    assert absent[0] | absent[1] == {f"pages-{number}" for number in range(PARTITIONS)}


def test_the_report_is_csv(pair: Pair) -> None:
    """The same rows as JSON, with a heading; what a spreadsheet would run as a formula is text."""
    for worker in pair.workers:
        answer = ask(worker, f"{key_path('pages', '=1+1')}?format=csv")
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        heading, *rows = csv.reader(io.StringIO(answer.body.decode(), newline=""))
        assert heading == ["page", "start", "end", "closed", "requests", "bytes", "agent"]
        assert rows == [
            ["'=1+1", str(start), str(start + MINUTE), "true", str(values["requests"]), str(values["bytes"]), "'=cmd"]
            for (page, start), values in sorted(expected_rows().items())
            if page == "=1+1"
        ]


def test_alerts_are_in_prometheus_form_on_both(pair: Pair) -> None:
    """One live alert, of the page that was asked for most; the rule says that it fires."""
    data = same([ask(worker, "/api/v1/alerts").data for worker in pair.workers])
    (alert,) = data["alerts"]
    count = expected_rows()[SCRIPT, BASE + 2 * MINUTE]["requests"]
    assert alert == {
        "labels": {"alertname": "Popular", "page": SCRIPT, "severity": "page"},
        "annotations": {"summary": f"{SCRIPT} was asked for {count} times"},
        "state": "firing",
        "activeAt": "2023-11-14T22:16:00Z",
        "value": f"{count / 10}e+01",
    }
    rules = same([ask(worker, "/api/v1/rules").data for worker in pair.workers])
    assert [(rule["name"], rule["state"]) for group in rules["groups"] for rule in group["rules"]] == [
        ("Popular", "firing")
    ]


@pytest.mark.parametrize(
    "path",
    ["/table/", "/table/pages/", "/table/pages/plain/", "/router/", "/router/pages/plain/", "/graph/", "/stats/"],
)
def test_pages_of_stock_faust_are_not_served(pair: Pair, path: str) -> None:
    """Faust's open views of tables, routers and itself are off."""
    for worker in pair.workers:
        assert ask(worker, path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/api/v1/tables", "/api/v1/tables/pages/plain", "/metrics", "/-/ready"])
def test_nothing_can_be_changed(pair: Pair, method: str, path: str) -> None:
    """Whatever is not read is refused, and says what is allowed."""
    answer = ask(pair.workers[0], path, method)
    assert (answer.status, answer.error[0]) == (405, "bad_method")
    assert "GET" in answer.headers["Allow"]


def test_metrics_are_of_one_worker(pair: Pair) -> None:
    """Each counts its own records; together they are all that was sent."""
    accepted = 0.0
    for worker in pair.workers:
        lines = ask(worker, "/metrics").body.decode().splitlines()
        here = [line for line in lines if line.startswith('streams_records_total{outcome="accepted",stream="pages"}')]
        accepted += sum(float(line.split()[-1]) for line in here)
    assert accepted == sum(values["requests"] for values in expected_rows().values()) + 40


def test_by_default_only_this_machine_is_served(pair: Pair) -> None:
    """Without settings a worker listens on 127.0.0.1: another address of the machine is not answered."""
    with pytest.raises(OSError, match="refused"):
        ask(pair.workers[0], "/-/healthy", host="127.0.0.2")


# Beyond loopback, and with a worker that goes away


@pytest.fixture(scope="module")
def guarded(embedded: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two workers that listen beyond loopback, with tokens; the last test ends one."""
    made = Pair("guarded", embedded.bootstrap, tmp_path_factory.mktemp("guarded"), **TOKENS)
    try:
        yield made.start().wait_settled(**BEARER)
    finally:
        made.stop()


def test_beyond_loopback_tokens_must_be_set(tmp_path: Path, pair: Pair) -> None:
    """A worker that would be open to other machines does not start, and says what to set."""
    worker = Worker(pair.declaration, pair.bootstrap, tmp_path, STREAMS_WEB_BIND=TOKENS["STREAMS_WEB_BIND"]).start()
    assert worker.ended() == 78
    assert "STREAMS_WEB_TOKENS" in worker.output
    assert "STREAMS_SERVICE_TOKEN" in worker.output
    assert "Traceback" not in worker.output


def test_who_shows_no_token_sees_nothing(guarded: Pair) -> None:
    """Every view and /metrics ask for a token; health does not; any of the tokens will do."""
    for worker in guarded.workers:
        for path in ("/", "/api/v1/tables", key_path("pages", "plain"), "/api/v1/alerts", "/metrics", "/page.css"):
            for wrong in ({}, {"Authorization": "Bearer among-workers"}, {"Authorization": "Bearer for-peopl"}):
                assert ask(worker, path, **wrong).status == 401
            assert ask(worker, path, **BEARER).status == 200
        assert ask(worker, "/metrics", Authorization="Bearer for-prometheus").status == 200
        assert ask(worker, "/-/ready").status == 200
        assert "for-people" not in worker.output
        assert "among-workers" not in worker.output


def test_workers_ask_each_other_with_their_own_token(guarded: Pair) -> None:
    """With tokens set, either worker still answers for the whole app."""
    for page in KEYS[:6]:
        data = same([ask(worker, key_path("pages", page), **BEARER).data for worker in guarded.workers])
        assert len(data["rows"]) == 3


def test_a_worker_that_is_gone_is_missed_then_replaced(guarded: Pair) -> None:
    """One that hangs costs 2 s and its partitions are named; when it is dead, the other has them all after a while."""
    stays, goes = guarded.workers
    lost = set(ask(stays, "/api/v1/tables/pages?scope=local", **BEARER).data["missing_partitions"])
    assert lost
    os.kill(goes.pid, signal.SIGSTOP)
    began = time.monotonic()
    data = ask(stays, "/api/v1/tables/pages?limit=1000", **BEARER).data
    assert time.monotonic() - began < 10, "the time limit of a request to another worker is 2 s"
    assert set(data["missing_partitions"]) == lost
    goes.kill()
    data = ask(stays, "/api/v1/tables", **BEARER).data
    assert {name for name in data["missing_partitions"] if name.startswith("pages-")} in (lost, set())
    until(
        lambda: not ask(stays, "/api/v1/tables/pages?limit=1000", **BEARER).data["missing_partitions"],
        lambda: stays.output[-3000:],
        seconds=10 * SESSION,
    )
    rows: dict[Any, Any] = {}
    for page in KEYS:
        data = ask(stays, key_path("pages", page), **BEARER).data
        rows |= {(row["key"]["page"], row["start"]): row["values"] for row in data["rows"]}
    assert rows == expected_rows()


# Before it is ready


def test_ready_says_what_is_waited_for(tmp_path: Path, pair: Pair) -> None:
    """While the broker is away a worker is healthy, not ready, and answers 503; with the broker there it gets ready."""
    broker = EmbeddedBroker(free_port())
    worker = Worker(pair.declaration, broker.bootstrap, tmp_path, **QUICK).start()
    try:
        until(lambda: healthy(worker), lambda: worker.output[-3000:])
        until(lambda: broker.bootstrap.encode() in ask(worker, "/-/ready").body, lambda: worker.output[-3000:])
        assert ask(worker, "/-/ready").status == 503
        assert ask(worker, "/api/v1/tables/pages").error[0] == "unavailable"
        assert ask(worker, "/metrics").status == 200
        assert ask(worker, "/").status == 200
        broker.start()
        until(lambda: b"topic" in ask(worker, "/-/ready").body, lambda: worker.output[-3000:])
        assert ask(worker, "/-/ready").status == 503
    finally:
        worker.kill()
        broker.stop()
