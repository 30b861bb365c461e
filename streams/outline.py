"""A plan in words: what is read, what is kept and where, what is produced."""

from __future__ import annotations

from collections.abc import Iterator

from streams.planned import Plan, RulePlan, StreamPlan, TablePlan
from tables.durations import render
from tables.windows import Window


def outline(plan: Plan) -> str:
    """Return the plan as indented lines."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    yield f"app {plan.declaration.app} (consumer group {plan.declaration.app})"
    for stream in plan.streams.values():
        yield from _stream(stream)
    yield ""
    yield "topics it produces to"
    yield f"  {plan.alerts_topic}: alert events"
    yield f"  {plan.dead_letters}: records that could not be used"
    for table in plan.tables.values():
        yield from _topics(table)
    yield ""
    yield from _rekeys(plan)


def _rekeys(plan: Plan) -> Iterator[str]:
    """Yield through which topics rows go to where their keys live."""
    rekeyed = [(stream, table) for stream in plan.streams.values() for table in stream.rekeyed]
    if not rekeyed:
        yield "re-keys: none"
        return
    yield "re-keys"
    for stream, table in rekeyed:
        keyed = f"by {', '.join(stream.stream.key)}" if stream.stream.key else "without a key"
        yield f"  {table.repartition}: rows of {table.name}, by {', '.join(table.key)}; {stream.name} comes {keyed}"
        yield f"    as many partitions as {stream.stream.topic}"
        for name, value in table.repartition_config.items():
            yield f"    {name} = {value}{_spoken(name, value)}"


def _stream(plan: StreamPlan) -> Iterator[str]:
    stream = plan.stream
    yield ""
    yield f"stream {plan.name}: topic {stream.topic}, codec {stream.codec}"
    unit = f" in {stream.time.unit}" if stream.time and stream.time.unit else ""
    yield f"  event time: {f'field {stream.time.field}{unit}' if stream.time else 'the Kafka timestamp'}"
    fields = ", ".join(f"{name} ({kind})" for name, kind in sorted(plan.fields.items()))
    yield f"  fields read: {fields or 'none'}"
    for name, text in stream.derive.items():
        yield f"  derived: {name} = {text}"
    if stream.where:
        yield f"  only where {stream.where}"
    for table in plan.tables:
        yield from _table(table, stream.topic)


def _table(plan: TablePlan, topic: str) -> Iterator[str]:
    table = plan.table
    yield f"  table {plan.name}: by {', '.join(plan.key)}, {_window(table.window)}"
    for each in plan.aggregates:
        yield f"    {each.name} = {each.aggregate.describe()}"
    kept = f"closed rows for {render(table.keep)}" if table.window else "running totals"
    yield f"    state: {kept}, at most {table.max_keys} keys per partition"
    yield f"    changelog: {plan.changelog}, as many partitions as {topic}"
    for name, value in plan.changelog_config.items():
        yield f"      {name} = {value}{_spoken(name, value)}"
    for rule in plan.rules:
        yield _rule(rule)


def _window(window: Window | None) -> str:
    return "no window" if window is None else f"{window.words()}, grace {render(window.grace)}"


def _spoken(name: str, value: str) -> str:
    return f" ({render(int(value))})" if name == "retention.ms" else ""


def _rule(rule: RulePlan) -> str:
    held = f", for {render(rule.alert.for_)}" if rule.alert.for_ else ""
    when = "when a window closes" if rule.judge == "close" else "at each update"
    return f"    alert {rule.id}: {rule.alert.expr}{held}, judged {when} -> {rule.topic}"


def _topics(table: TablePlan) -> Iterator[str]:
    if table.emit_topic:
        rows = "final rows" if table.table.emit == "close" else "updated rows"
        yield f"  {table.emit_topic}: {rows} of {table.name}"
    if table.late_topic:
        yield f"  {table.late_topic}: late rows of {table.name}"
    for rule in table.rules:
        if rule.alert.to:
            yield f"  {rule.alert.to}: events of alert {rule.id}"
