"""The declarations under test: the workload's table, and what the cost curves vary of it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.benchmarks.forms import FORMS
from tests.benchmarks.workload import TOPIC

AGGREGATES = (
    "events: count()",
    'total: sum("value")',
    'least: min("value")',
    'most: max("value")',
    'p95: quantile(0.95, "value")',
    'average: mean("value")',
    'newest: last("value")',
    'oldest: first("value")',
    'spread: stddev("value")',
    'change: delta("value")',
    'slow: count(where="value > 50")',
    'hosts: distinct("host")',
    'p50: quantile(0.5, "value")',
    'p99: quantile(0.99, "value")',
    'noise: variance("value")',
    'worst: max_by("host", by="value")',
)
"""Aggregates in the order in which the cost curve adds them; the first five are the workload's."""


@dataclass(frozen=True)
class Declared:
    """What a declaration holds.

    Args:
        tables: how many, `load`, `load1`, ... alike, over one stream.
        aggregates: how many of `AGGREGATES` each has.
        rules: how many alerts the first table has; they never hold.
        form: how the events are written, one of `FORMS`.
        window: of the tables.
    """

    tables: int = 1
    aggregates: int = 5
    rules: int = 1
    form: str = "flat"
    window: str = "{tumbling: 10s, grace: 5s}"


def declaration(app: str, topic: str = TOPIC, declared: Declared = Declared()) -> str:
    """Return a declaration as YAML, of an app of this name over this topic."""
    form = FORMS[declared.form]
    lines = [f"app: {app}", "streams:", f"  events: {{topic: {topic}, {form.stream}}}", "tables:"]
    for number in range(declared.tables):
        lines += [f"  load{number or ''}:", "    from: events", f"    key: {form.service}"]
        lines += [f"    window: {declared.window}", "    aggregates:"]
        lines += [f"      {each}".replace('"value', f'"{form.value}') for each in AGGREGATES[: declared.aggregates]]
    lines += ["alerts:"] if declared.rules else []
    rule = "p95 > 1000000{n}" if declared.aggregates >= 5 else "events > 1000000{n}"
    for number in range(declared.rules):
        expression = rule.replace("{n}", str(number))
        lines.append(f"  - {{alert: SlowService{number}, table: load, expr: {expression}, labels: {{severity: page}}}}")
    return "\n".join(lines) + "\n"
