"""The application as a whole: health, page, tokens, headers, errors, and how workers ask each other."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

import pytest
from aiohttp import web

from streams.views import Access, application, peers
from streams.views.peers import Peers
from tests.streams.views.workers import FakeWorker, Get, alert, ask, row, served

EMPTY: dict[int, Any] = {0: [], 1: [], 2: [], 3: []}
ALL = {"traffic": EMPTY, "routes": EMPTY}


def test_health_is_of_this_worker() -> None:
    """Healthy as long as the loop turns; ready only when the worker says so, else 503 with what is waited for."""

    async def test(get: Get) -> None:
        assert (await get("/-/healthy"))[0] == 200
        status, body, _ = await get("/-/ready")
        assert (status, body) == (503, "waiting for the broker\n")
        worker.state = (True, "")
        assert (await get("/-/ready"))[0] == 200

    worker = FakeWorker({})
    worker.state = (False, "waiting for the broker")
    ask(test, worker)


def test_status_shows_every_worker() -> None:
    """Readiness and lag of both workers, and of one that does not answer that it does not."""

    async def test(get: Get) -> None:
        first.others.append("http://127.0.0.1:9")
        _, body, _ = await get("/api/v1/status")
        workers = {each.pop("worker"): each for each in body["data"]["workers"]}
        assert workers == {
            first.worker: {"ready": True, "reason": "", "lag": {"web.access-0": 7, "web.access-1": None}},
            second.worker: {"ready": False, "reason": "restoring", "lag": {"web.access-0": 7, "web.access-1": None}},
            "http://127.0.0.1:9": {"ready": False, "reason": "it did not answer", "lag": {}},
        }
        assert body["data"]["missing_partitions"] == []

    first, second = FakeWorker(ALL), FakeWorker({})
    second.state = (False, "restoring")
    ask(test, first, second)


def test_the_page_shows_all_and_runs_nothing() -> None:
    """Tables, alerts and lag of the app, refreshed by itself; whatever is in labels stays text; no script."""

    async def test(get: Get) -> None:
        status, body, headers = await get("/")
        assert status == 200
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        for text in ("traffic", "routes", "firing", "web.access-0", "1m", 'http-equiv="refresh"', "traffic-3"):
            assert text in body
        assert "<script" not in body
        assert "style=" not in body
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body
        assert (await get("/page.css"))[2]["Content-Type"] == "text/css; charset=utf-8"

    some = {**ALL, "traffic": {0: [], 1: [], 2: []}}
    ask(test, FakeWorker(some, [alert("<script>alert(1)</script>")]))


def test_every_answer_carries_the_security_headers() -> None:
    """Pages, data, errors and refusals alike."""

    async def test(get: Get) -> None:
        for path, expected in (("/", 200), ("/api/v1/tables", 200), ("/nothing", 404), ("/api/v1/tables/x", 404)):
            status, _, headers = await get(path)
            assert status == expected
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cache-Control"] == "no-store"
            assert "aiohttp" not in headers["Server"]

    ask(test, FakeWorker(ALL))


def test_errors_are_json_and_tell_nothing_of_the_inside() -> None:
    """Unknown paths and failures answer as Prometheus does; what failed stands in the log only."""

    async def test(get: Get) -> None:
        status, body, _ = await get("/nothing")
        assert (status, body["status"], body["errorType"]) == (404, "error", "not_found")
        status, body, _ = await get("/api/v1/alerts")
        assert (status, body["errorType"]) == (500, "internal")
        assert "secret" not in body["error"]

    worker = FakeWorker(ALL)
    nothing: dict[str, Any] = {}
    worker.alerts = lambda: nothing["secret"]  # type: ignore[method-assign] # it fails
    ask(test, worker)


def test_tokens_are_asked_for() -> None:
    """With tokens set, only who shows one may read; health needs none; the workers show each other their own."""
    access = Access(("first", "second"), "among-us")

    def basic(password: str) -> str:
        return "Basic " + b64encode(f"anyone:{password}".encode()).decode()

    async def test(get: Get) -> None:
        for wrong in (
            "",
            "Bearer",
            "Bearer ",
            "Bearer third",
            "Bearer among-us",
            "Basic x",
            basic("third"),
            "Bearer ü",
        ):
            status, body, headers = await get("/api/v1/alerts", Authorization=wrong)
            assert (status, body["errorType"]) == (401, "unauthorized")
            assert "Bearer" in headers["WWW-Authenticate"]
        for right in ("Bearer first", "bearer second", basic("second")):
            status, body, _ = await get("/api/v1/alerts", Authorization=right)
            assert (status, len(body["data"]["alerts"])) == (200, 2)
        assert (await get("/", Authorization="Bearer wrong"))[0] == 401
        assert (await get("/-/healthy"))[0] == (await get("/-/ready"))[0] == 200
        headers = {"X-Streams-Service-Token": "wrong"}
        assert (await get("/api/v1/alerts", **headers))[0] == 401

    ask(test, FakeWorker(ALL, [alert("a")]), FakeWorker({}, [alert("b")]), access=access)


def test_nothing_of_a_request_is_handed_on() -> None:
    """Another worker gets the service token and `scope=local`, no header of the client; redirects are ignored."""
    seen: list[web.Request] = []

    async def record(request: web.Request) -> web.Response:
        seen.append(request)
        raise web.HTTPFound("http://127.0.0.1:9/elsewhere")

    async def test(get: Get) -> None:
        other = web.Application()
        other.router.add_get("/{rest:.*}", record)
        async with served(other) as base:
            worker.others.append(base)
            headers = {"Authorization": "Bearer mine", "Cookie": "a=b", "X-Forwarded-For": "1.2.3.4"}
            status, body, _ = await get("/api/v1/tables/traffic/a%2Fb?from=5&format=csv", **headers)
        assert (status, body["missing_partitions"]) == (503, ["traffic-1", "traffic-2", "traffic-3"])
        (request,) = seen
        assert request.raw_path == "/api/v1/tables/traffic/a%2Fb?from=5&scope=local"
        assert {*request.headers} <= {"Host", "Accept", "Accept-Encoding", "X-Streams-Service-Token"}
        assert request.headers["X-Streams-Service-Token"] == "among-us"

    worker = FakeWorker({"traffic": {0: [row("x", 0)]}})
    ask(test, worker, access=Access(("mine",), "among-us"))


def test_a_slow_or_endless_worker_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that does not come in time, is too large, or is no JSON is no answer."""
    monkeypatch.setattr(peers, "DEADLINE", 0.2)
    monkeypatch.setattr(peers, "MOST_BYTES", 1000)

    async def reply(request: web.Request) -> web.StreamResponse:
        kind = request.match_info["kind"]
        if kind == "slow":
            await asyncio.sleep(5)
        return web.Response(
            body={"large": b'{"data":"' + b"x" * 2000 + b'"}', "good": b'{"data":1}'}.get(kind, b"<html>")
        )

    async def test() -> None:
        other = web.Application()
        other.router.add_get("/{kind}", reply)
        asking = Peers(Access())
        await asking.start()
        async with served(other) as base:
            answers = {kind: await asking.ask(base, f"/{kind}", {}) for kind in ("slow", "large", "html", "good")}
        await asking.stop()
        assert answers == {"slow": None, "large": None, "html": None, "good": 1}
        assert await Peers(Access()).ask("not a url", "/x", {}) is None

    asyncio.run(test())


def test_further_routes_are_under_the_same_rules() -> None:
    """What the app adds (metrics) needs the token and gets the headers too."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text="up 1\n")

    async def test() -> None:
        app = application(FakeWorker(ALL), Access(("mine",)), [web.get("/metrics", metrics)])
        async with served(app) as base:
            from aiohttp import ClientSession  # noqa: PLC0415 - the client of this test only

            async with ClientSession() as session:
                async with session.get(f"{base}/metrics") as response:
                    assert response.status == 401
                async with session.get(f"{base}/metrics", headers={"Authorization": "Bearer mine"}) as response:
                    assert (response.status, await response.text()) == (200, "up 1\n")
                    assert response.headers["X-Frame-Options"] == "DENY"

    asyncio.run(test())


def test_only_reading_is_possible() -> None:
    """Other methods are refused as JSON that says so."""

    async def test() -> None:
        async with served(application(FakeWorker(ALL))) as base:
            from aiohttp import ClientSession  # noqa: PLC0415 - the client of this test only

            async with ClientSession() as session, session.post(f"{base}/api/v1/tables", data=b"x") as response:
                assert response.status == 405
                assert (await response.json())["errorType"] == "bad_method"
                assert response.headers["Allow"]

    asyncio.run(test())
