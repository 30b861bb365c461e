"""`stale=ok`: what no owner answers for is answered by a follower, which says how far behind it is."""

from __future__ import annotations

import pytest

from tables.query import Row
from tests.streams.views.workers import FakeWorker, Get, ask, row

OLD, NEW = 1, 2
HOSTS = ("a", "bb", "ccc", "dddd")
"""By the fakes' guess, host of length n lies in partition n % 4."""


def rows(partition: int, count: int) -> list[Row]:
    """Return the only row of a partition."""
    return [row(host, 0, requests=count) for host in HOSTS if len(host) % 4 == partition]


def crew() -> tuple[FakeWorker, FakeWorker, FakeWorker]:
    """Return three workers: nobody has partition 3; the second and the third follow it, and the first partition 1."""
    first = FakeWorker({"traffic": {0: rows(0, NEW)}})
    second = FakeWorker({"traffic": {1: rows(1, NEW), 2: rows(2, NEW)}})
    third = FakeWorker({"traffic": {}})
    first.follow("traffic", 1, rows(1, OLD), 5, 100)
    second.follow("traffic", 3, rows(3, OLD), 7, 250)
    third.follow("traffic", 3, rows(3, OLD), 9, 350)
    return first, second, third


def test_a_missing_partition_is_answered_by_a_follower() -> None:
    """A page has its rows, says so in the answer and in a header; partitions with an owner are its owner's."""

    async def test(get: Get) -> None:
        for worker in (0, 1, 2):
            _, body, headers = await get("/api/v1/tables/traffic?stale=ok", worker)
            data = body["data"]
            assert {each["key"]["host"]: each["values"]["requests"] for each in data["rows"]} == {
                "a": NEW, "bb": NEW, "ccc": OLD, "dddd": NEW,
            }  # fmt: skip
            assert data["missing_partitions"] == []
            (said,) = data["standby"]
            lag = {"records": 9, "ms": 350} if said["worker"] == third.worker else {"records": 7, "ms": 250}
            assert said == {"partition": 3, "worker": said["worker"], **lag}
            assert worker == 0 or said["worker"] == (second, third)[worker - 1].worker, "its own answer comes first"
            expected = f"traffic-3;worker={said['worker']};records={lag['records']};ms={lag['ms']}"
            assert headers["X-Streams-Standby"] == expected

    first, second, third = crew()
    ask(test, first, second, third)


@pytest.mark.parametrize("query", ["", "?stale=no"])
def test_without_it_nothing_is_answered_by_followers(query: str) -> None:
    """The page says that the partition is missing, the key is unavailable, and no answer speaks of followers."""

    async def test(get: Get) -> None:
        _, body, headers = await get(f"/api/v1/tables/traffic{query}")
        assert {each["key"]["host"] for each in body["data"]["rows"]} == {"a", "bb", "dddd"}
        assert body["data"]["missing_partitions"] == ["traffic-3"]
        assert "standby" not in body["data"]
        assert "X-Streams-Standby" not in headers
        assert (await get(f"/api/v1/tables/traffic/ccc{query}"))[0] == 503

    ask(test, *crew())


def test_a_key_is_answered_by_a_follower_while_its_owner_is_away() -> None:
    """Its answer says how far behind it is; a key with an owner is answered by it, and says that it is not behind."""

    async def test(get: Get) -> None:
        for worker in (0, 1, 2):
            status, body, headers = await get("/api/v1/tables/traffic/ccc?stale=ok", worker)
            assert (status, body["data"]["rows"][0]["values"]["requests"]) == (200, OLD)
            assert body["data"]["partition"] == 3
            assert body["data"]["missing_partitions"] == []
            assert body["data"]["standby"][0]["records"] in {7, 9}
            assert headers["X-Streams-Standby"].startswith("traffic-3;")
            status, body, headers = await get("/api/v1/tables/traffic/a?stale=ok", worker)
            assert (status, body["data"]["rows"][0]["values"]["requests"], body["data"]["standby"]) == (200, NEW, [])
            assert "X-Streams-Standby" not in headers
        assert (await get("/api/v1/tables/traffic/zzz?stale=ok"))[0] == 404, "the follower has no such key"

    ask(test, *crew())


def test_a_follower_that_does_not_answer_is_passed_over() -> None:
    """The next follower is asked; when none is left the partition is missing."""

    async def test(get: Get) -> None:
        second.follows.clear()
        _, body, _ = await get("/api/v1/tables/traffic?stale=ok")
        assert [each["worker"] for each in body["data"]["standby"]] == [third.worker]
        third.follows.clear()
        _, body, _ = await get("/api/v1/tables/traffic?stale=ok")
        assert body["data"]["standby"] == []
        assert body["data"]["missing_partitions"] == ["traffic-3"]

    first, second, third = crew()
    listed = {3}
    first.followers = lambda table: {second.worker: listed, third.worker: listed} if table else {}  # type: ignore[method-assign]
    ask(test, first, second, third)


def test_one_worker_alone_answers_what_it_follows() -> None:
    """With `scope=local` its own partitions and those that it follows are there; CSV says it in the header."""

    async def test(get: Get) -> None:
        _, body, _ = await get("/api/v1/tables/traffic?scope=local&stale=ok")
        assert {each["key"]["host"]: each["values"]["requests"] for each in body["data"]["rows"]} == {
            "dddd": NEW,
            "a": OLD,
        }
        assert body["data"]["missing_partitions"] == ["traffic-2", "traffic-3"]
        _, text, headers = await get("/api/v1/tables/traffic?scope=local&stale=ok&format=csv")
        assert len(text.splitlines()) == 3
        assert headers["X-Streams-Standby"].startswith("traffic-1;")

    ask(test, *crew())


@pytest.mark.parametrize("query", ["stale=yes", "standby=x"])
def test_wrong_parameters_are_told(query: str) -> None:
    """Only `ok` and `no` are possible; partitions are numbers."""

    async def test(get: Get) -> None:
        status, body, _ = await get(f"/api/v1/tables/traffic?{query}")
        assert status == 400
        assert query.partition("=")[0] in body["error"]

    ask(test, *crew())
