"""`/`: one plain page that shows tables, alerts and lag, and loads itself again. No script, nothing inline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tables.durations import render

if TYPE_CHECKING:
    from streams.views.alerts import AlertViews
    from streams.views.provider import Provider
    from streams.views.status import StatusViews
    from streams.views.tables import TableViews

REFRESH = 5
"""Seconds after which the page loads itself again."""
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #d8dee4; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.firing { color: #b3261e; font-weight: 600; } .pending { color: #8a5a00; } .quiet { color: #57606a; }
.warning { background: #fff3cd; padding: .5rem .8rem; }
"""


class Page:
    """The page at `/`.

    Args:
        provider: this worker.
        tables: asked for tables.
        alerts: asked for alerts.
        status: asked for lag.
    """

    def __init__(self, provider: Provider, tables: TableViews, alerts: AlertViews, status: StatusViews) -> None:
        """Keep whom to ask."""
        self._provider, self._tables, self._alerts, self._status = provider, tables, alerts, status

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the page and of its style."""
        return [web.get("/", self.page), web.get("/page.css", self.style)]

    async def style(self, _: web.Request) -> web.Response:
        """Answer the style sheet."""
        return web.Response(text=_STYLE, content_type="text/css", charset="utf-8")

    async def page(self, _: web.Request) -> web.Response:
        """Answer the page, over the whole app."""
        tables, alerts, status = await asyncio.gather(
            self._tables.described(local=False), self._alerts.live(), self._status.gathered()
        )
        body = "".join(
            [
                _missing(status["missing_partitions"]),
                _section("Alerts", ("Alert", "State", "Since", "Value", "What"), map(_alert, alerts["alerts"])),
                _section("Tables", ("Table", "Window", "Key", "Columns", "Partitions"), map(_table, tables["tables"])),
                _section("Workers", ("Worker", "State"), map(_worker, status["workers"])),
                _section("Lag", ("Input", "Worker", "Records to read"), _lag(status["workers"])),
            ]
        )
        return web.Response(text=_document(self._provider.plan.declaration.app, body), content_type="text/html")


def _document(app: str, body: str) -> str:
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{REFRESH}">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(app)}</title>'
        f'<link rel="stylesheet" href="/page.css"></head><body><h1>{escape(app)}</h1>{body}</body></html>\n'
    )


def _section(title: str, heads: Sequence[str], rows: Iterable[str]) -> str:
    lines = "".join(f"<tr>{row}</tr>" for row in rows)
    if not lines:
        return f'<h2>{escape(title)}</h2><p class="quiet">None.</p>'
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    return f"<h2>{escape(title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _td(*values: Any, kind: str = "") -> str:
    mark = f' class="{escape(kind)}"' if kind else ""
    return "".join(f"<td{mark}>{escape(str(value))}</td>" for value in values)


def _alert(alert: dict[str, Any]) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in alert["labels"].items() if name != "alertname")
    what = alert["annotations"].get("summary", labels)
    name = f"{alert['labels'].get('alertname', '')} ({labels})" if labels else alert["labels"].get("alertname", "")
    return _td(name) + _td(alert["state"], kind=alert["state"]) + _td(alert["activeAt"], alert["value"], what)


def _table(table: dict[str, Any]) -> str:
    window = table["window"]
    size = "none" if window is None else render(window["size"])
    if window is not None and window["every"] != window["size"]:
        size += f" every {render(window['every'])}"
    link = f'<td><a href="/api/v1/tables/{escape(table["name"])}">{escape(table["name"])}</a></td>'
    return link + _td(size, ", ".join(table["key"]), ", ".join(table["columns"]), table["partitions"])


def _worker(worker: dict[str, Any]) -> str:
    return _td(worker["worker"], "ready" if worker["ready"] else worker["reason"])


def _lag(workers: Sequence[dict[str, Any]]) -> list[str]:
    found = sorted((name, worker["worker"], lag) for worker in workers for name, lag in worker["lag"].items())
    return [
        _td(name, worker) + _td("not known yet" if lag is None else lag, kind="number") for name, worker, lag in found
    ]


def _missing(names: Sequence[str]) -> str:
    return f'<p class="warning">No worker answers for: {escape(", ".join(names))}</p>' if names else ""
