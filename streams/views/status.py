"""`/-/healthy`, `/-/ready` of this worker, and `/api/v1/status` of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from streams.views.errors import success
from streams.views.params import is_local
from streams.views.rows import Answer, in_all, missing

if TYPE_CHECKING:
    from streams.views.peers import Peers
    from streams.views.provider import Provider

STATUS = "/api/v1/status"


class StatusViews:
    """The views of workers.

    Args:
        provider: this worker.
        peers: the others.
    """

    def __init__(self, provider: Provider, peers: Peers) -> None:
        """Keep whom to ask."""
        self._provider, self._peers = provider, peers

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of these views."""
        return [
            web.get("/-/healthy", self.healthy),
            web.get("/-/ready", self.ready),
            web.get(STATUS, self.status),
        ]

    async def healthy(self, _: web.Request) -> web.Response:
        """Answer that the event loop turns."""
        return web.Response(text="healthy\n")

    async def ready(self, _: web.Request) -> web.Response:
        """Answer 200 when this worker's partitions are restored and running, else 503 and what is waited for."""
        ready, reason = self._provider.ready()
        return web.Response(text="ready\n" if ready else f"{reason}\n", status=200 if ready else 503)

    async def status(self, request: web.Request) -> web.Response:
        """Answer readiness and lag of every worker."""
        return success(self._local() if is_local(request) else await self.gathered())

    async def gathered(self) -> Answer:
        """Return readiness and lag of every worker, and the partitions that nobody answers for."""
        bases = list(self._provider.peers())
        given = await self._peers.ask_all(bases, STATUS, {})
        silent = [_silent(base) for base, answer in zip(bases, given, strict=True) if answer is None]
        answers = [self._local(), *filter(None, given)]
        workers = [worker for answer in answers for worker in answer["workers"]] + silent
        absent = in_all([answer["missing_partitions"] for answer in answers])
        return {"workers": sorted(workers, key=lambda worker: worker["worker"]), "missing_partitions": absent}

    def _local(self) -> Answer:
        ready, reason = self._provider.ready()
        worker = {"worker": self._provider.worker, "ready": ready, "reason": reason, "lag": dict(self._provider.lag())}
        return {"workers": [worker], "missing_partitions": missing(self._provider, self._provider.plan.tables)}


def _silent(base: str) -> dict[str, Any]:
    return {"worker": base, "ready": False, "reason": "it did not answer", "lag": {}}
