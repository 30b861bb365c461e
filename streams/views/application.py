"""The web application of a worker: its views, who may see them, and how they fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

from aiohttp import web

from streams.views.access import Access, guard, harden
from streams.views.alerts import AlertViews
from streams.views.errors import errors
from streams.views.page import Page
from streams.views.peers import Peers
from streams.views.status import StatusViews
from streams.views.tables import TableViews

if TYPE_CHECKING:
    from streams.views.provider import Provider


def application(
    provider: Provider, access: Access | None = None, routes: Iterable[web.AbstractRouteDef] = ()
) -> web.Application:  # fmt: skip
    """Return the aiohttp application of a worker.

    Args:
        provider: the worker.
        access: tokens; None lets everybody read (for loopback only).
        routes: further routes under the same rules, such as `/metrics`.
    """
    access = access or Access()
    peers = Peers(access)
    app = web.Application(middlewares=[errors, guard(access)], client_max_size=1024)
    tables, alerts, status = TableViews(provider, peers), AlertViews(provider, peers), StatusViews(provider, peers)
    for views in (tables, alerts, status, Page(provider, tables, alerts, status)):
        app.add_routes(views.routes())
    app.add_routes(routes)
    app.on_response_prepare.append(harden)

    async def connected(_: web.Application) -> AsyncIterator[None]:
        await peers.start()
        yield
        await peers.stop()

    app.cleanup_ctx.append(connected)
    return app
