"""The demo itself: start everything, show what happens, check it, clean up."""

from __future__ import annotations

import asyncio
import logging
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from streams.demo.alerts import TOPIC, Alerts, Transition
from streams.demo.log import HOUR, Counts, expected_alerts, lines, recount
from streams.demo.sources import Sources
from streams.demo.views import NotAnswered, counts, total
from streams.demo.workers import Workers
from streams.embedded import EmbeddedBroker
from streams.transport import topics
from streams.transport.client import Client
from streams.transport.errors import TransportError

PARTITIONS = 4
DEADLINE = 90.0
"""Seconds after which the demo gives up waiting for the result."""
GOODBYE = 5.0
"""Seconds that closing a connection may take."""
SILENCE = 1.0
"""Seconds after which progress is shown though nothing changed."""
RULE = "ManyRefusedRequests"


class DemoFailed(Exception):  # noqa: N818 - the name says what is the matter
    """The demo could not be shown to its end; the text says why."""


class Demo:
    """One run of the demo.

    Args:
        show: prints a line.
        folder: for state and output of the workers.
        rate: lines of the log per second.
    """

    def __init__(self, show: Callable[[str], None], folder: Path, rate: int) -> None:
        self.show = show
        self.log = lines()
        self.sites, self.clients, self.broken = recount(self.log)
        self.broker = EmbeddedBroker()
        self.workers = Workers(self.broker.bootstrap, folder)
        self.checked = False
        self.began = time.monotonic()
        self.transitions: list[Transition] = []
        self._rate = rate

    async def run(self, *, once: bool) -> None:
        """Show the demo; unless `once`, stay until cancelled.

        Raises:
            DemoFailed: a worker ended, or what was read back differs from the recount.
        """
        self.broker.start()
        self.show(f"embedded broker on {self.broker.bootstrap}: in memory, for trying out only")
        self.sources = Sources(self.broker.bootstrap, self.log, self._rate)
        self.alerts = Alerts(self.broker.bootstrap, PARTITIONS)
        await self._topics()
        self.workers.start()
        try:
            await self.alerts.start()
            await self.sources.start()
            await self._shown(once=once)
        finally:
            await self._disconnect()

    async def _disconnect(self) -> None:
        """Close our own connections; a broker that is gone must not keep us."""
        closing = [asyncio.create_task(each.stop()) for each in (self.sources, self.alerts)]
        _, slow = await asyncio.wait(closing, timeout=GOODBYE)
        for task in slow:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)

    async def _shown(self, *, once: bool) -> None:
        async with aiohttp.ClientSession() as session:
            await self._watch(session)
            await self._verify(session)
        self._summary()
        if not once:
            self.show("\nAll stays up, and this machine goes on being measured, until Ctrl-C.")
        while not once:
            await self._alerts()
            self._alive()
            await asyncio.sleep(0.5)

    def clean(self) -> None:
        """End workers and broker."""
        try:
            self.workers.stop()
        finally:
            self.broker.stop()

    async def _topics(self) -> None:
        client = await Client({"bootstrap_servers": self.broker.bootstrap}).start()
        try:
            for topic in ("demo.access", "demo.visits", "demo.machine", TOPIC):
                await topics.ensure(client, topic, PARTITIONS)
        finally:
            await client.stop()
        self.show(f"two workers start: {' and '.join(self.workers.urls)}")
        self.show(f"replaying {len(self.log):,} lines of a real access log, and what this machine does right now")

    async def _watch(self, session: aiohttp.ClientSession) -> None:
        """Show progress until every good line is counted and the alert has come and gone."""
        good, counted, shown = len(self.log) - self.broken, -1, self.began
        wanted = len(list(expected_alerts(self.sites)))
        while counted < good or len(self._real()) < wanted:
            await self._alerts()
            self._alive()
            now = await total(session, self.workers.urls[0])
            if now != counted or time.monotonic() - shown > SILENCE:
                counted, shown = now, time.monotonic()
                done = f"replayed {self.sources.sent:>6,} of {len(self.log):,} lines"
                self.show(f"{self._clock()} {done}, counted {counted:>6,} requests")
            if time.monotonic() - self.began > DEADLINE:
                raise DemoFailed(f"after {DEADLINE:.0f} s {counted:,} of {good:,} requests are counted")
            await asyncio.sleep(0.4)

    def _alive(self) -> None:
        if not self.broker.running:
            raise DemoFailed("the embedded broker ended")
        ended = self.workers.ended()
        if ended is not None:
            number, code = ended
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            said = self.workers.log(number).read_text(errors="replace")[-2000:].strip()
            raise DemoFailed(f"worker {number} {how}; it said:\n{said or 'nothing'}")
        if self.sources.failed is not None:
            raise DemoFailed(f"the input ended: {self.sources.failed!r}")

    async def _alerts(self) -> None:
        async for each in self.alerts.poll():
            self.transitions.append(each)
            self.show(f"{self._clock()} {each.status:>8}: {each.name} at {each.at}: {each.summary}")

    def _real(self) -> list[Transition]:
        return [each for each in self.transitions if each.name == RULE]

    async def _verify(self, session: aiohttp.ClientSession) -> None:
        """Compare what the views of both workers say with the recount, per key and window."""
        for worker in self.workers.urls:
            for table, key, expected in (("site", "site", self.sites), ("clients", "client", self.clients)):
                self._compare(worker, table, await self._read(session, worker, table, key), expected)
        found = sorted((each.milliseconds, each.status) for each in self._real())
        if found != sorted((end, status) for status, end in expected_alerts(self.sites)):
            raise DemoFailed(f"the alerts differ from the recount: {found}")
        self.checked = True

    async def _read(self, session: aiohttp.ClientSession, worker: str, table: str, key: str) -> Counts:
        hours = [hour for _, hour in self.sites]
        span = (min(hours), max(hours) + HOUR)
        for _ in range(10):
            self._alive()
            try:
                return await counts(session, worker, table, key, span)
            except NotAnswered as error:
                reason = str(error)
                await asyncio.sleep(1)
        raise DemoFailed(reason)

    def _compare(self, worker: str, table: str, found: Counts, expected: Counts) -> None:
        wrong = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
        if wrong:
            first = min(wrong)
            raise DemoFailed(
                f"{worker}: {len(wrong)} rows of {table} differ from the recount, the first is {first}: "
                f"{found.get(first)} instead of {expected.get(first)}"
            )
        self.show(f"{self._clock()} {worker}: {len(found):,} rows of table {table} equal a plain recount of the file")

    def _summary(self) -> None:
        requests = sum(count for count, _, _ in self.sites.values())
        refused = sum(count for _, count, _ in self.sites.values())
        keys = {key for key, _ in self.clients}
        self.show("")
        self.show(f"Counted: {requests:,} requests of {len(keys):,} clients in {len(self.sites)} hours,")
        self.show(f"         {refused} of them refused (4xx); {self.broken} broken line is in topic demo-dead-letters")
        for each in self._real():
            self.show(f"Alert:   {each.name} {each.status} at {each.at}: {each.summary}")
        for url in self.workers.urls:
            self.show(f"Look at: {url}/  {url}/api/v1/tables/site  {url}/api/v1/alerts  {url}/metrics")

    def _clock(self) -> str:
        return f"[{time.monotonic() - self.began:5.1f} s]"


def demo(show: Callable[[str], None], *, once: bool, rate: int) -> str:
    """Run the demo until it ends, or until Ctrl-C; return why it failed, empty if it did not.

    Args:
        show: prints a line.
        once: end by itself after the check.
        rate: lines of the log per second.
    """
    interrupted = False
    for chatter in ("aiokafka", "asyncio"):  # what they would say of a broker that is gone, the demo says in a line
        logging.getLogger(chatter).setLevel(logging.CRITICAL)
    with (
        _interruptible(),
        tempfile.TemporaryDirectory(prefix="ops-streams-demo-", ignore_cleanup_errors=True) as folder,
    ):
        made = Demo(show, Path(folder), rate)
        try:
            asyncio.run(made.run(once=once))
        except (DemoFailed, TransportError) as error:
            return str(error)
        except KeyboardInterrupt:
            interrupted = True
            show("stopping")
        finally:
            made.clean()
    if interrupted:
        show("stopped; nothing is left behind")
    return "" if made.checked and not (once and interrupted) else "stopped before what was counted could be checked"


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM and the end of the terminal do what Ctrl-C does, and Ctrl-C that where a shell has it ignored."""
    handlers: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: _interrupt,
        signal.SIGHUP: _interrupt,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)
