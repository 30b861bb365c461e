"""Alerts and rules in the form of Prometheus' HTTP API."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from streams.views.alerts import go_float, rfc3339
from tests.streams.views.workers import FakeWorker, Get, alert, ask

EMPTY: dict[int, Any] = {0: [], 1: [], 2: [], 3: []}


def test_alerts_of_all_workers_in_prometheus_form() -> None:
    """Live alerts of both workers, each with exactly the fields that Prometheus gives."""

    async def test(get: Get) -> None:
        for worker in (0, 1):
            status, body, _ = await get("/api/v1/alerts", worker)
            assert (status, body["status"]) == (200, "success")
            assert [each["labels"]["host"] for each in body["data"]["alerts"]] == ["web-1", "web-2"]
            assert body["data"]["alerts"][0] == {
                "labels": {"alertname": "Busy", "host": "web-1"},
                "annotations": {"summary": "<b>web-1</b>"},
                "state": "firing",
                "activeAt": "2018-07-04T20:27:04.606Z",
                "value": "1.2e+02",
            }
            assert body["data"]["missing_partitions"] == ["traffic-3"]

    first = FakeWorker({"traffic": {0: [], 1: []}}, [alert("web-2", "pending")])
    ask(test, first, FakeWorker({"traffic": {2: []}}, [alert("web-1")]))


def test_rules_hold_their_alerts() -> None:
    """A group for each table, rules of one name apart, times in seconds, the state the worst of the alerts."""

    async def test(get: Get) -> None:
        _, body, _ = await get("/api/v1/rules?type=alert")
        (group,) = body["data"]["groups"]
        assert (group["name"], group["file"], group["interval"], group["limit"]) == ("traffic", "ops", 60, 0)
        busy, busier = group["rules"]
        assert busy["type"] == "alerting"
        assert (busy["name"], busy["query"], busy["duration"]) == ("Busy", "requests > 100", 120)
        assert (busy["labels"], busy["keepFiringFor"], busy["health"]) == ({"severity": "page"}, 0, "ok")
        assert (busy["state"], busier["state"]) == ("firing", "pending")
        assert [each["labels"]["host"] for each in busy["alerts"]] == ["web-1", "web-2"]
        assert [each["labels"]["host"] for each in busier["alerts"]] == ["web-3"]
        assert "rule" not in busy["alerts"][0]
        _, body, _ = await get("/api/v1/rules?type=record")
        assert body["data"]["groups"] == []
        status, _, _ = await get("/api/v1/rules?type=all")
        assert status == 400

    first = FakeWorker({"traffic": EMPTY}, [alert("web-2", "pending"), alert("web-3", "pending", rule="Busy#2")])
    ask(test, first, FakeWorker({}, [alert("web-1")]))


def test_a_rule_without_alerts_is_inactive() -> None:
    """Nothing live is `inactive`, with an empty list."""

    async def test(get: Get) -> None:
        _, body, _ = await get("/api/v1/rules")
        assert [(rule["state"], rule["alerts"]) for rule in body["data"]["groups"][0]["rules"]] == [
            ("inactive", [])
        ] * 2

    ask(test, FakeWorker({"traffic": EMPTY}))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0e+00"), (1, "1e+00"), (-0.05, "-5e-02"), (0.0512, "5.12e-02"), (120, "1.2e+02"), (1e300, "1e+300"),
        (123456789, "1.23456789e+08"), (5e-324, "5e-324"), (nan, "NaN"), (inf, "+Inf"), (-inf, "-Inf"),
        (True, "1e+00"), (None, "1e+00"), ("text", "1e+00"), (0.1 + 0.2, "3.0000000000000004e-01"),
    ],
)  # fmt: skip
def test_values_are_written_as_go_writes_them(value: Any, text: str) -> None:
    """Go's strconv.FormatFloat(value, 'e', -1, 64), as Prometheus' API documentation shows."""
    assert go_float(value) == text


def test_times_are_written_as_go_writes_them() -> None:
    """RFC 3339 in UTC; a fraction only as long as needed."""
    assert rfc3339(1_530_736_024_000) == "2018-07-04T20:27:04Z"
    assert rfc3339(1_530_736_024_600) == "2018-07-04T20:27:04.6Z"
    assert rfc3339(1_530_736_024_006) == "2018-07-04T20:27:04.006Z"
