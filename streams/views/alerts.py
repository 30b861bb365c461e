"""`/api/v1/alerts` and `/api/v1/rules`, in the form of Prometheus' HTTP API, so that its clients can read them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

from aiohttp import web

from streams.views.errors import QueryError, success
from streams.views.params import is_local
from streams.views.rows import Answer, in_all, missing

if TYPE_CHECKING:
    from streams.plan import TablePlan
    from streams.planned import RulePlan
    from streams.rules.judge import AlertView
    from streams.views.peers import Peers
    from streams.views.provider import Provider

ALERTS, RULES = "/api/v1/alerts", "/api/v1/rules"
_NEVER = "0001-01-01T00:00:00Z"


class AlertViews:
    """The views of alerts and rules.

    Args:
        provider: this worker.
        peers: the others.
    """

    def __init__(self, provider: Provider, peers: Peers) -> None:
        """Keep whom to ask."""
        self._provider, self._peers = provider, peers

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of these views."""
        return [web.get(ALERTS, self.alerts), web.get(RULES, self.rules)]

    async def alerts(self, request: web.Request) -> web.Response:
        """Answer all live alerts. Asked for this worker only, each says the id of its rule."""
        if is_local(request):
            return success(self._local())
        answer = await self.live()
        return success({**answer, "alerts": [_prometheus(alert) for alert in answer["alerts"]]})

    async def rules(self, request: web.Request) -> web.Response:
        """Answer all rules with their live alerts; one group for each table."""
        kind = request.query.get("type", "alert")
        if kind not in {"alert", "record"}:
            raise QueryError(400, f"type={kind[:100]!r}: alert or record is possible")
        answer = self._local() if is_local(request) else await self.live()
        plans = [plan for plan in self._provider.plan.tables.values() if plan.rules and kind == "alert"]
        groups = [self._group(plan, answer["alerts"]) for plan in plans]
        return success({"groups": groups, "missing_partitions": answer["missing_partitions"]})

    async def live(self) -> Answer:
        """Return the live alerts of the whole app, each with the id of its rule."""
        answers = [self._local()]
        answers += filter(None, await self._peers.ask_all(self._provider.peers(), ALERTS, {}))
        alerts = [alert for answer in answers for alert in answer["alerts"]]
        alerts.sort(key=lambda alert: (alert["rule"], sorted(alert["labels"].items())))
        return {"alerts": alerts, "missing_partitions": in_all([each["missing_partitions"] for each in answers])}

    def _local(self) -> Answer:
        judged = [plan.name for plan in self._provider.plan.tables.values() if plan.rules]
        alerts = [_alert(view) for view in self._provider.alerts()]
        return {"alerts": alerts, "missing_partitions": missing(self._provider, judged)}

    def _group(self, plan: TablePlan, alerts: list[dict[str, Any]]) -> dict[str, Any]:
        window = plan.table.window
        return {
            "name": plan.name,
            "file": self._provider.plan.declaration.app,
            "interval": 0 if window is None else window.interval / 1000,
            "limit": 0,
            "rules": [_rule(rule, [each for each in alerts if each["rule"] == rule.id]) for rule in plan.rules],
            "evaluationTime": 0,
            "lastEvaluation": _NEVER,
        }


def _rule(rule: RulePlan, alerts: list[dict[str, Any]]) -> dict[str, Any]:
    states = {alert["state"] for alert in alerts}
    return {
        "type": "alerting",
        "name": rule.alert.alert,
        "query": rule.alert.expr,
        "duration": rule.alert.for_ / 1000,
        "keepFiringFor": rule.alert.keep_firing_for / 1000,
        "labels": dict(rule.alert.labels),
        "annotations": dict(rule.alert.annotations),
        "alerts": [_prometheus(alert) for alert in alerts],
        "state": next((state for state in ("firing", "pending") if state in states), "inactive"),
        "health": "ok",
        "evaluationTime": 0,
        "lastEvaluation": _NEVER,
    }


def _alert(view: AlertView) -> dict[str, Any]:
    return {
        "rule": view.rule,
        "labels": view.labels,
        "annotations": view.annotations,
        "state": view.state,
        "activeAt": rfc3339(view.active_at),
        "value": go_float(view.value),
    }


def _prometheus(alert: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in alert.items() if name != "rule"}


def rfc3339(ms: int) -> str:
    """Return ms since the epoch as Go writes a time in UTC: no digits of a second that are not needed."""
    seconds, rest = divmod(ms, 1000)
    fraction = f".{rest:03}".rstrip("0") if rest else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def go_float(value: Any) -> str:
    """Return a number as Prometheus writes an alert's value (Go's `%e`, shortest); what is no number is 1: it holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "1e+00"
    if isinstance(value, float) and not isfinite(value):
        return "NaN" if isnan(value) else ("+Inf" if value > 0 else "-Inf")
    sign, digits, _ = Decimal(repr(float(value))).normalize().as_tuple()
    exponent = Decimal(repr(float(value))).adjusted() if value else 0
    mantissa = "".join(map(str, digits))
    fraction = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
    return f"{'-' if sign else ''}{mantissa[0]}{fraction}e{exponent:+03}"
