"""The page at `/`: what it says at a glance, and how much of it."""

from __future__ import annotations

import re

from streams.views.page import MOST_ALERTS
from tests.streams.views.workers import FakeWorker, Get, alert, ask

ALL = {"traffic": {0: [], 1: [], 2: [], 3: []}, "routes": {0: [], 1: [], 2: [], 3: []}}


def figures(body: str) -> dict[str, tuple[str, str]]:
    """Return class and number of each figure by its name."""
    found = re.findall(r'<li class="(\w*)"><b>([^<]+)</b>([^<]+)</li>', body)
    return {name: (kind, number) for kind, number, name in found}


def test_figures_say_that_all_is_well() -> None:
    """No alert, every worker ready; a lag that is not known of every input is at least what is known."""

    async def test(get: Get) -> None:
        body = (await get("/"))[1]
        assert figures(body) == {
            "alerts firing": ("good", "0"), "alerts pending": ("", "0"), "workers ready": ("good", "2 of 2"),
            "records to read": ("", "14+?"),
        }  # fmt: skip
        assert "<title>ops</title>" in body

    ask(test, FakeWorker(ALL), FakeWorker(ALL))


def test_figures_say_what_is_wrong() -> None:
    """Alerts that fire, those that are pending, and a worker that is not ready, with its reason as text."""

    async def test(get: Get) -> None:
        body = (await get("/"))[1]
        found = figures(body)
        assert (found["alerts firing"], found["alerts pending"]) == (("bad", "1"), ("", "2"))
        assert found["workers ready"] == ("bad", "0 of 1")
        assert "not ready: &lt;i&gt;restoring" in body
        assert "<title>1 firing - ops</title>" in body
        assert body.index('class="firing">firing') < body.index('class="pending">pending')

    worker = FakeWorker(ALL, [alert("a", "pending"), alert("b", "pending"), alert("c")])
    worker.state = (False, "<i>restoring")
    ask(test, worker)


def test_the_page_stays_small() -> None:
    """Of many alerts the first are shown, those that fire before all others, and how many more there are."""

    async def test(get: Get) -> None:
        body = (await get("/"))[1]
        assert body.count("&lt;b&gt;web-") == MOST_ALERTS
        assert body.count('class="firing">firing') == 1
        assert "and 1,151 more: see /api/v1/alerts" in body

    pending = [alert(f"web-{number:04}", "pending") for number in range(1250)]
    ask(test, FakeWorker(ALL, [*pending, alert("web-9999")]))
