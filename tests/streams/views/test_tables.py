"""The views of tables, over one worker and over two that ask each other."""

from __future__ import annotations

import csv
import io

import pytest

from tables.keys import key_bytes
from tables.query import Row
from tables.store import StoreClosed
from tests.streams.views.workers import MINUTE, FakeReader, FakeWorker, Get, ask, row

HOSTS = [f"web-{number:02}" for number in range(25)]
START = 1_732_275_600_000
STARTS = [START, START + MINUTE, START + 2 * MINUTE]


def traffic(hosts: list[str]) -> list[Row]:
    """Return three windows of each host; the host's number is its count in the first."""
    return [row(each, STARTS[at], requests=int(each[-2:]) + at, slowest=0.5) for each in hosts for at in range(3)]


def two_workers() -> tuple[FakeWorker, FakeWorker]:
    """Return two workers with two partitions each, hosts spread over all."""
    parts = {number: traffic(HOSTS[number::4]) for number in range(4)}
    empty: list[Row] = []
    return (
        FakeWorker({"traffic": {0: parts[0], 1: parts[1]}, "routes": {0: empty, 1: empty}}),
        FakeWorker({"traffic": {2: parts[2], 3: parts[3]}, "routes": {2: empty, 3: empty}}),
    )


@pytest.mark.parametrize("limit", [1, 3, 7, 25, 100])
def test_pages_of_the_whole_app_hold_every_key_once(limit: int) -> None:
    """Going from `next` to `next`, either worker gives all keys of both, in order, with their latest rows."""

    async def test(get: Get) -> None:
        for worker in (0, 1):
            rows, after = [], ""
            while True:
                status, body, _ = await get(f"/api/v1/tables/traffic?limit={limit}{after}", worker)
                assert status == 200
                assert body["data"]["missing_partitions"] == []
                assert len(body["data"]["rows"]) <= limit
                rows += body["data"]["rows"]
                if body["data"]["next"] is None:
                    break
                after = f"&after={body['data']['next']}"
            assert [each["key"] for each in rows] == [{"host": host} for host in HOSTS]
            assert [each["values"]["requests"] for each in rows] == [number + 2 for number in range(25)]
            assert {each["start"] for each in rows} == {STARTS[2]}

    ask(test, *two_workers())


def test_a_page_takes_prefix_and_time() -> None:
    """`prefix` chooses keys; `from` and `to` choose windows by their start."""

    async def test(get: Get) -> None:
        query = f"prefix=web-0&from={STARTS[1]}&to=2024-11-22T11:42:00Z&limit=1000"
        _, body, _ = await get(f"/api/v1/tables/traffic?{query}")
        assert [(each["key"]["host"], each["start"]) for each in body["data"]["rows"]] == [
            (host, STARTS[1]) for host in HOSTS[:10]
        ]

    ask(test, *two_workers())


@pytest.mark.parametrize("limit", [1, 4, 25])
def test_pages_over_a_time_hold_every_row_once(limit: int) -> None:
    """With `from` and `to` the pages hold all rows of all windows in between, each once, by key."""

    async def test(get: Get) -> None:
        rows, after = [], ""
        while True:
            _, body, _ = await get(f"/api/v1/tables/traffic?from={STARTS[1]}&limit={limit}{after}")
            rows += body["data"]["rows"]
            if body["data"]["next"] is None:
                break
            after = f"&after={body['data']['next']}"
        assert [(each["key"]["host"], each["start"]) for each in rows] == [
            (host, start) for host in HOSTS for start in STARTS[1:]
        ]

    ask(test, *two_workers())


def test_a_page_over_too_long_a_time_is_refused() -> None:
    """A page looks at 500 windows at most; one key may be asked for all of them."""

    async def test(get: Get) -> None:
        status, body, _ = await get("/api/v1/tables/traffic?from=1")
        assert (status, body["errorType"]) == (400, "bad_data")
        assert "501 windows" in body["error"]
        _, body, _ = await get("/api/v1/tables/traffic/a?from=1")
        assert len(body["data"]["rows"]) == 501

    rows = [row("a", START + at * MINUTE, requests=1) for at in range(501)]
    ask(test, FakeWorker({"traffic": {0: rows, 1: [], 2: [], 3: []}}))


def test_either_worker_gives_the_same_rows_of_a_key() -> None:
    """All kept windows of a key, and the worker and partition that have it, whichever worker is asked."""

    async def test(get: Get) -> None:
        for host in HOSTS:
            answers = [(await get(f"/api/v1/tables/traffic/{host}", worker))[:2] for worker in (0, 1)]
            assert answers[0] == answers[1]
            status, body = answers[0]
            assert status == 200
            assert [each["start"] for each in body["data"]["rows"]] == STARTS
            assert body["data"]["partition"] == HOSTS.index(host) % 4
            assert body["data"]["worker"] == workers[body["data"]["partition"] // 2].worker

    workers = two_workers()
    ask(test, *workers)


def test_only_the_owner_is_asked_when_it_is_known() -> None:
    """With the owner of murmur2's partition known, its answer is enough: the others are not waited for."""

    async def test(get: Get) -> None:
        first, second = workers
        first.owners = {2: second.worker}
        first.others.append("http://127.0.0.1:9")
        status, body, _ = await get("/api/v1/tables/traffic/web-02")
        assert (status, body["data"]["partition"], body["data"]["missing_partitions"]) == (200, 2, [])

    workers = two_workers()
    for worker in workers:
        worker.guess = lambda table, key: int(key[-2:]) % 4  # type: ignore[method-assign] # noqa: ARG005
    ask(test, *workers)


def test_a_key_of_two_producers_is_answered_alike_everywhere() -> None:
    """A key in two partitions (producers that hash differently) gives murmur2's, else the lowest, from every worker."""

    async def test(get: Get) -> None:
        for worker in (0, 1):
            _, body, _ = await get("/api/v1/tables/traffic/web-99", worker)
            assert body["data"]["partition"] == len("web-99") % 4
            _, body, _ = await get("/api/v1/tables/traffic/web-999", worker)
            assert body["data"]["partition"] == 1

    twice, also = traffic(["web-99"]), traffic(["web-999"])
    first = FakeWorker({"traffic": {0: twice, 1: also}})
    ask(test, first, FakeWorker({"traffic": {2: twice + also, 3: []}}))


def test_partitions_that_do_not_answer_are_named() -> None:
    """Without the other worker its partitions are named, and an unknown key is not said to be absent."""

    async def test(get: Get) -> None:
        _, body, _ = await get("/api/v1/tables/traffic?limit=1000")
        assert body["data"]["missing_partitions"] == ["traffic-2", "traffic-3"]
        _, body, _ = await get("/api/v1/tables")
        assert body["data"]["missing_partitions"] == ["traffic-2", "traffic-3", "routes-2", "routes-3"]
        status, body, _ = await get("/api/v1/tables/traffic/web-02")
        assert (status, body["errorType"]) == (503, "unavailable")
        assert body["missing_partitions"] == ["traffic-2", "traffic-3"]

    worker = two_workers()[0]
    worker.others = ["http://127.0.0.1:9"]
    ask(test, worker)


def test_a_partition_that_is_taken_away_is_missing() -> None:
    """A store that was closed under the reader, or a partition that is being restored, does not fail the query."""

    class Closed(FakeReader):
        def latest(self, *_: object) -> None:  # type: ignore[override] # it never returns
            raise StoreClosed("store", "it was closed", "ask again")  # type: ignore[arg-type] # any name

        def get(self, *_: object) -> None:  # type: ignore[override] # it never returns
            self.latest()

    async def test(get: Get) -> None:
        _, body, _ = await get("/api/v1/tables/traffic")
        assert body["data"]["missing_partitions"] == ["traffic-2", "traffic-3", "traffic-1"]
        status, _, _ = await get("/api/v1/tables/traffic/web-01")
        assert status == 503

    worker = two_workers()[0]
    worker.readers["traffic"][1] = (Closed([]), "running")
    worker.readers["traffic"][3] = (None, "restoring")  # type: ignore[assignment] # as the interface says
    ask(test, worker)


def test_an_unknown_key_is_not_found_when_all_answered() -> None:
    """404 only if every partition said no; also where the time leaves nothing."""

    async def test(get: Get) -> None:
        status, body, _ = await get("/api/v1/tables/traffic/nobody")
        assert (status, body["status"], body["errorType"]) == (404, "error", "not_found")
        status, _, _ = await get("/api/v1/tables/traffic/web-01?to=5")
        assert status == 404
        status, body, _ = await get("/api/v1/tables/nothing")
        assert (status, body["errorType"]) == (404, "not_found")
        assert "traffic" in body["error"]

    ask(test, *two_workers())


def test_scope_local_asks_nobody() -> None:
    """`scope=local` answers from this worker alone and names what it has not."""

    async def test(get: Get) -> None:
        _, body, _ = await get("/api/v1/tables/traffic?scope=local&limit=1000")
        assert {each["key"]["host"] for each in body["data"]["rows"]} == {*HOSTS[0::4], *HOSTS[1::4]}
        assert body["data"]["missing_partitions"] == ["traffic-2", "traffic-3"]
        status, body, _ = await get("/api/v1/tables/traffic/web-02?scope=local")
        assert (status, body["data"]["rows"]) == (200, [])

    ask(test, *two_workers())


ODD = [
    "/a/b",
    "a/../b",
    "..",
    "50%",
    "a,b",
    "ü €",
    "a+b",
    "a b",
    "%2F",
    "%252C",
    "?x#y",
    '"quoted"',
    "<script>",
    "",
    "=",
]


@pytest.mark.parametrize("odd", ODD)
def test_any_text_can_be_a_key(odd: str) -> None:
    """A key is percent-encoded text: slashes, dots, percent signs and commas come through, alone or as a part."""
    from urllib.parse import quote  # noqa: PLC0415 - the oracle, not the code under test

    async def test(get: Get) -> None:
        for worker in (0, 1):
            single = quote(odd, safe="").replace(".", "%2E")
            status, body, _ = await get(f"/api/v1/tables/traffic/{single}", worker)
            assert (status, body["data"]["rows"][0]["key"]) == (200, {"host": odd})
            several = quote(f"{quote(odd, safe='')},{quote(odd, safe='')}", safe="").replace(".", "%2E")
            status, body, _ = await get(f"/api/v1/tables/routes/{several}", worker)
            assert (status, body["data"]["rows"][0]["key"]) == (200, {"host": odd, "code": odd})

    rows = {"traffic": {0: [row(odd, START, requests=1)]}, "routes": {0: [row((odd, odd), None, requests=2)]}}
    ask(test, FakeWorker(rows), FakeWorker({}))


def test_numbers_in_keys_of_several_fields() -> None:
    """A URL does not tell 5 from "5": text is tried first, then the number; the key comes back as what it is."""

    async def test(get: Get) -> None:
        for path, code, requests in (("a%2C5", 5, 1), ("b%2C5", "5", 2), ("a%2C0.5", 0.5, 3)):
            _, body, _ = await get(f"/api/v1/tables/routes/{path}")
            (found,) = body["data"]["rows"]
            assert (found["key"]["code"], found["values"]["requests"], found["start"]) == (code, requests, None)
        status, body, _ = await get("/api/v1/tables/routes/a")
        assert (status, body["errorType"]) == (400, "bad_data")
        assert "%252C" in body["error"]
        _, body, _ = await get("/api/v1/tables/routes?prefix=a,")
        assert [each["key"]["code"] for each in body["data"]["rows"]] == ["x", 0.5, 5]
        _, body, _ = await get("/api/v1/tables/routes?prefix=a,0")
        assert [each["key"]["code"] for each in body["data"]["rows"]] == [0.5]

    rows = [
        row(("a", 5), None, requests=1),
        row(("b", "5"), None, requests=2),
        row(("a", 0.5), None, requests=3),
        row(("a", "x"), None, requests=4),
    ]
    ask(test, FakeWorker({"routes": {0: rows, 1: [], 2: [], 3: []}}))


def test_csv_is_a_report_that_no_spreadsheet_runs() -> None:
    """`format=csv` gives the same rows with a heading; text that looks like a formula is defused, numbers are not."""

    async def test(get: Get) -> None:
        status, body, headers = await get("/api/v1/tables/traffic?format=csv")
        assert status == 200
        assert headers["Content-Type"] == "text/csv; charset=utf-8"
        assert headers["X-Streams-Missing-Partitions"] == "traffic-1,traffic-2,traffic-3"
        assert list(csv.reader(io.StringIO(body))) == [
            ["host", "start", "end", "closed", "requests", "slowest"],
            ["'=cmd|' /C calc'!A0", str(START), str(START + MINUTE), "true", "-1", ""],
            ['a,"b"', str(START), str(START + MINUTE), "true", "2", "'+1"],
        ]

    rows = [row("=cmd|' /C calc'!A0", START, requests=-1, slowest=None), row('a,"b"', START, requests=2, slowest="+1")]
    ask(test, FakeWorker({"traffic": {0: rows}}))


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=1001", "limit=x", "limit=99999999999999999999", "from=yesterday", "to=2024-13-01T00:00:00Z",
        "from=20&to=10", "after=%21%21", "scope=all", "format=xml", "unknown=1",
    ],
)  # fmt: skip
def test_wrong_parameters_are_named(query: str) -> None:
    """Each wrong parameter is a 400 that names it, on both views of a table."""

    async def test(get: Get) -> None:
        for path in ("/api/v1/tables/traffic", "/api/v1/tables/traffic/web-01"):
            status, body, _ = await get(f"{path}?{query}")
            assert (status, body["status"], body["errorType"]) == (400, "error", "bad_data")
            assert query.partition("=")[0] in body["error"]

    ask(test, two_workers()[0])


def test_tables_are_described() -> None:
    """The list says key, columns and window of each table."""

    async def test(get: Get) -> None:
        _, body, _ = await get("/api/v1/tables")
        traffic, routes = body["data"]["tables"]
        assert traffic["name"] == "traffic"
        assert traffic["columns"] == ["requests", "slowest"]
        assert traffic["window"] == {
            "kind": "tumbling", "size": MINUTE, "offset": 0, "grace": 10_000,
            "text": "tumbling windows of 1m, grace 10s",
        }  # fmt: skip
        assert (traffic["partitions"], traffic["key"]) == (4, ["host"])
        assert routes["window"] is None
        assert body["data"]["missing_partitions"] == []

    ask(test, *two_workers())


def test_before_the_broker_answered_nothing_is_said_of_rows() -> None:
    """While the number of partitions is not known, a table answers 503 instead of an empty page."""

    async def test(get: Get) -> None:
        status, body, _ = await get("/api/v1/tables/traffic")
        assert (status, body["errorType"]) == (503, "unavailable")

    worker = FakeWorker({})
    worker.counts["traffic"] = 0
    ask(test, worker)


def test_the_keys_of_the_tests_are_the_tables_own() -> None:
    """What the fakes hold is keyed as tables key it."""
    assert row(("a", 5), None).key == key_bytes(("a", 5)) == b'["a",5]'
