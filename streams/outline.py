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
        yield from _stream(plan, stream)
    for table in plan.tables.values():
        if table.source not in plan.streams:
            yield ""
            yield from _table(plan, table, "")
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
    if not plan.rekeyed:
        yield "re-keys: none"
        return
    yield "re-keys"
    for topic, table in plan.rekeyed.items():
        keyed = "; ".join(_comes(plan, name) for name in table.table.sources)
        yield f"  {topic}: rows of {table.name}, by {', '.join(table.key)}; {keyed}"
        yield f"    {_partitions(plan, table)}"
        for name, value in table.repartition_config.items():
            yield f"    {name} = {value}{_spoken(name, value)}"


def _comes(plan: Plan, name: str) -> str:
    """Return how the rows of a source are keyed."""
    if name not in plan.streams:
        return f"closed rows of table {name} come by {', '.join(plan.tables[name].key)}"
    key = plan.streams[name].stream.key
    return f"{name} comes by {', '.join(key)}" if key else f"{name} comes without a key"


def _partitions(plan: Plan, table: TablePlan) -> str:
    topics = [plan.streams[name].stream.topic for name in table.streams]
    return f"as many partitions as {topics[0] if len(topics) == 1 else 'the largest of ' + ', '.join(topics)}"


def _stream(whole: Plan, plan: StreamPlan) -> Iterator[str]:
    stream = plan.stream
    yield ""
    yield f"stream {plan.name}: topic {stream.topic}, codec {stream.codec}"
    unit = f" in {stream.time.unit}" if stream.time and stream.time.unit else ""
    yield f"  event time: {f'field {stream.time.field}{unit}' if stream.time else 'the Kafka timestamp'}"
    fields = ", ".join(f"{name} ({kind})" for name, kind in sorted(plan.fields.items()))
    yield f"  fields read: {fields or 'none'}"
    for name, on in stream.join.items():
        found = ", ".join(sorted(plan.joins.get(name, {}))) or "nothing"
        yield f"  joined: {name} ({whole.declaration.lookups[name].source}) by {on}, for {found}"
    for name, text in stream.derive.items():
        yield f"  derived: {name} = {text}"
    if stream.where:
        yield f"  only where {stream.where}"
    for table in plan.tables:
        if whole.tables[table.name].source == plan.name:
            yield from _table(whole, table, "  ")
        else:
            yield f"  table {table.name}: see stream {whole.tables[table.name].source}"


def _table(whole: Plan, plan: TablePlan, indent: str) -> Iterator[str]:
    yield from (f"{indent}{line}" for line in _of_table(whole, plan))


def _of_table(whole: Plan, plan: TablePlan) -> Iterator[str]:
    table = plan.table
    yield f"table {plan.name}: by {', '.join(plan.key)}, {_window(table.window)}"
    if len(table.sources) > 1 or plan.source not in whole.streams:
        names = [name if name in whole.streams else f"table {name}" for name in table.sources]
        yield f"  reads: {' and '.join(names)}"
    for each in plan.aggregates:
        yield f"  {each.name} = {each.aggregate.describe()}"
    if table.unique:
        ids, within = ", ".join(table.unique), render(table.within or 0)
        yield f"  unique: by {ids} within {within}, at most {table.max_ids} ids per partition"
    kept = f"closed rows for {render(table.keep)}" if table.window else "running totals"
    yield f"  state: {kept}, at most {table.max_keys} keys per partition"
    yield f"  changelog: {plan.changelog}, {_partitions(whole, plan)}"
    for name, value in plan.changelog_config.items():
        yield f"    {name} = {value}{_spoken(name, value)}"
    if followers := _followers(whole, plan):
        who = "1 other worker follows" if followers == 1 else f"{followers} other workers follow"
        yield f"  standby: {who} each partition"
    for rule in plan.rules:
        yield _rule(rule)


def _followers(whole: Plan, plan: TablePlan) -> int:
    """Return how many workers follow each partition: as many as a table asks for that shares a stream with this one."""
    beside = [each for stream in whole.streams.values() if plan in stream.tables for each in stream.tables]
    return max(each.table.standby for each in (plan, *beside))


def _window(window: Window | None) -> str:
    return "no window" if window is None else f"{window.words()}, grace {render(window.grace)}"


def _spoken(name: str, value: str) -> str:
    return f" ({render(int(value))})" if name == "retention.ms" else ""


def _rule(rule: RulePlan) -> str:
    held = f", for {render(rule.alert.for_)}" if rule.alert.for_ else ""
    when = "when a window closes" if rule.judge == "close" else "at each update"
    return f"  alert {rule.id}: {rule.alert.expr}{held}, judged {when} -> {rule.topic}"


def _topics(table: TablePlan) -> Iterator[str]:
    if table.emit_topic:
        rows = "final rows" if table.table.emit.when == "close" else "updated rows"
        yield f"  {table.emit_topic}: {rows} of {table.name}"
    if table.late_topic:
        yield f"  {table.late_topic}: late rows of {table.name}"
    for rule in table.rules:
        if rule.alert.to:
            yield f"  {rule.alert.to}: events of alert {rule.id}"
