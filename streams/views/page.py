"""`/`: one plain page that shows tables, alerts and lag, and loads itself again. No script, nothing inline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from streams.views.alerts import AlertViews
    from streams.views.provider import Provider
    from streams.views.status import StatusViews
    from streams.views.tables import TableViews

REFRESH = 5
"""Seconds after which the page loads itself again."""
MOST_ALERTS = 100
"""Alerts that the page shows; `/api/v1/alerts` has all."""
_STYLE = """
:root { color-scheme: light dark; --back: #f4f5f7; --card: #fff; --text: #1b1f24; --quiet: #5b6470; --line: #e1e5ea;
  --bad: #b3261e; --warn: #8a5a00; --good: #1a7f37; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --back: #14171b; --card: #1d2126; --text: #e6e9ed; --quiet: #9aa4b1;
  --line: #31373f; --bad: #ff8a80; --warn: #f2c14e; --good: #6fdd8b; --link: #8ab4f8; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 3rem;
  color: var(--text); background: var(--back); }
a { color: var(--link); }
h1 { font-size: 1.5rem; margin: 0 0 1rem; } h2 { font-size: 1rem; margin: 0 0 .5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem 1.2rem;
  margin-top: 1rem; overflow-x: auto; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; margin: 0; list-style: none; }
.figures li { flex: 1 1 9rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .7rem 1.2rem; color: var(--quiet); font-weight: 400; }
.figures b { display: block; font-size: 1.6rem; line-height: 1.2; color: var(--text); }
.figures .bad b { color: var(--bad); } .figures .good b { color: var(--good); }
table { border-collapse: collapse; width: 100%; } table:has(th:nth-child(4)) { min-width: 42rem; }
th { color: var(--quiet); font-weight: 500; font-size: .85rem; }
th, td { text-align: left; padding: .35rem 1rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; } tbody tr:last-child td { border-bottom: 0; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td { overflow-wrap: anywhere; } td.time, td.firing, td.pending { white-space: nowrap; }
.firing, .bad { color: var(--bad); font-weight: 600; } .pending { color: var(--warn); font-weight: 600; }
.good { color: var(--good); } .quiet { color: var(--quiet); margin: 0; }
.label { display: inline-block; border: 1px solid var(--line); border-radius: .3rem; padding: 0 .4rem;
  margin: 0 .3rem .2rem 0; font-size: .85rem; color: var(--quiet); }
.warning { background: var(--card); border: 1px solid var(--warn); color: var(--warn); border-radius: .5rem;
  padding: .6rem 1.2rem; margin: 1rem 0 0; }
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
        app, live, workers = self._provider.plan.declaration.app, alerts["alerts"], status["workers"]
        firing = sum(alert["state"] == "firing" for alert in live)
        body = "".join(
            [
                _figures(firing, len(live) - firing, workers),
                _missing(status["missing_partitions"]),
                _section("Alerts", ("Alert", "State", "Since (event time)", "#Value", "What"), _alerts(live)),
                _section("Tables", ("Table", "Window", "Key", "Columns", "#Partitions"), map(_table, tables["tables"])),
                _section("Workers", ("Worker", "State"), map(_worker, workers)),
                _section("Lag", ("Input", "Worker", "#Records to read"), _lag(workers)),
            ]
        )
        title = f"{firing} firing - {app}" if firing else app
        return web.Response(text=_document(app, title, body), content_type="text/html")


def _document(app: str, title: str, body: str) -> str:
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{REFRESH}">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f'<link rel="stylesheet" href="/page.css"></head><body><h1>{escape(app)}</h1>{body}</body></html>\n'
    )


def _figures(firing: int, pending: int, workers: Sequence[dict[str, Any]]) -> str:
    """Return the four numbers that say whether all is well."""
    ready = sum(worker["ready"] for worker in workers)
    lags = [lag for worker in workers for lag in worker["lag"].values()]
    total = f"{sum(filter(None, lags)):,}" + ("+?" if None in lags else "")
    figures = (
        ("bad" if firing else "good", firing, "alerts firing"),
        ("", pending, "alerts pending"),
        ("good" if ready == len(workers) else "bad", f"{ready} of {len(workers)}", "workers ready"),
        ("", total, "records to read"),
    )
    items = (f'<li class="{kind}"><b>{escape(str(value))}</b>{name}</li>' for kind, value, name in figures)
    return f'<ul class="figures">{"".join(items)}</ul>'


def _section(title: str, heads: Sequence[str], rows: Iterable[str]) -> str:
    """Return a titled table; the head of a column of numbers begins with `#`."""
    lines = "".join(f"<tr>{row}</tr>" for row in rows)
    if not lines:
        return f'<section><h2>{escape(title)}</h2><p class="quiet">None.</p></section>'
    head = "".join(
        f'<th class="number">{escape(name[1:])}</th>' if name.startswith("#") else f"<th>{escape(name)}</th>"
        for name in heads
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
    return f"<section><h2>{escape(title)}</h2>{table}</section>"


def _td(*values: Any, kind: str = "") -> str:
    mark = f' class="{escape(kind)}"' if kind else ""
    return "".join(f"<td{mark}>{escape(str(value))}</td>" for value in values)


def _alerts(alerts: Sequence[dict[str, Any]]) -> list[str]:
    """Return the rows of the first alerts, those that fire before those that are pending."""
    rows = [_alert(alert) for alert in sorted(alerts, key=lambda alert: alert["state"] != "firing")[:MOST_ALERTS]]
    more = len(alerts) - len(rows)
    return [*rows, f'<td colspan="5" class="quiet">and {more:,} more: see /api/v1/alerts</td>'] if more else rows


def _alert(alert: dict[str, Any]) -> str:
    names = [(name, value) for name, value in alert["labels"].items() if name != "alertname"]
    labels = "".join(f'<span class="label">{escape(f"{name}={value}")}</span>' for name, value in names)
    return (
        f"<td>{escape(alert['labels'].get('alertname', ''))}<br>{labels}</td>"
        + _td(alert["state"], kind=alert["state"])
        + _td(alert["activeAt"].replace("T", " ").removesuffix("Z"), kind="time")
        + _td(f"{float(alert['value']):,.6g}", kind="number")
        + _td(alert["annotations"].get("summary", ""))
    )


def _table(table: dict[str, Any]) -> str:
    window = "none" if table["window"] is None else table["window"]["text"]
    link = f'<td><a href="/api/v1/tables/{escape(table["name"])}">{escape(table["name"])}</a></td>'
    return (
        link
        + _td(window, ", ".join(table["key"]), ", ".join(table["columns"]))
        + _td(table["partitions"], kind="number")
    )


def _worker(worker: dict[str, Any]) -> str:
    return _td(worker["worker"]) + (
        _td("ready", kind="good") if worker["ready"] else _td(f"not ready: {worker['reason']}", kind="bad")
    )


def _lag(workers: Sequence[dict[str, Any]]) -> list[str]:
    found = sorted((name, worker["worker"], lag) for worker in workers for name, lag in worker["lag"].items())
    return [
        _td(name, worker) + _td("not known yet" if lag is None else f"{lag:,}", kind="number")
        for name, worker, lag in found
    ]


def _missing(names: Sequence[str]) -> str:
    return f'<p class="warning">No worker answers for: {escape(", ".join(names))}</p>' if names else ""
