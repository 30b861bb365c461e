"""Makes the plan of a declaration, and notes every mistake on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from streams import codecs
from streams.codecs.base import Codec, FieldType
from streams.expr import OF_TYPES, Expression, ExpressionError, compile  # noqa: A004 - the language's own word
from streams.fingerprint import shape
from streams.names import (
    alerts_topic,
    changelog_config,
    changelog_topic,
    dead_letters_topic,
    emit_topic,
    key_label,
    repartition_config,
    repartition_topic,
)
from streams.needs import Needs, described
from streams.notes import Notes
from streams.planned import AggregatePlan, LookupPlan, Plan, RulePlan, StreamPlan, TablePlan
from streams.problems import Finding, Path, suggest
from streams.reading import WINDOW_END, WINDOW_START, Part, Source, agree, ordered
from streams.rekey.local import is_local
from streams.rules import templates
from streams.scope import Scope
from streams.spec import Alert, Declaration, Stream
from tables.aggregates.base import Aggregate
from tables.spec import Table


def make_plan(declaration: Declaration, notes: Notes) -> Plan:
    """Return the plan; it is whole only if nothing was noted."""
    return _Planner(declaration, notes).plan()


class _Planner:
    """Plans streams, then tables; each table adds to the fields that what it reads must have."""

    def __init__(self, declaration: Declaration, notes: Notes) -> None:
        self.declaration = declaration
        self.notes = notes
        self.dead_letters = dead_letters_topic(declaration)
        self.rule_ids = _rule_ids(declaration.alerts)
        self.streams: dict[str, Source] = {}
        self.rows: dict[str, Source] = {}
        self.parts: dict[str, list[Part]] = {}

    def plan(self) -> Plan:
        """Return the plan of the declaration."""
        drafts = [self.stream(name, stream) for name, stream in self.declaration.streams.items()]
        names = ordered(self.declaration)
        for name in names:
            self.table(name, self.declaration.tables[name])
        agree(self.parts, self.notes)
        for source in (*self.streams.values(), *self.rows.values()):
            for scope in (source.scope, *source.inner):
                self.collisions(scope)
        made = {name: [self.typed(part) for part in self.parts.get(name, ())] for name in names}
        parts = [part for each in made.values() for part in each]
        return Plan(
            declaration=self.declaration,
            streams={draft.name: self.fed(draft, parts) for draft in drafts},
            tables={name: each[0] for name, each in made.items() if each},
            feeds={
                name: tuple(part for part in parts if part.source == name) for name in self.rows.keys() - self.streams
            },
            alerts_topic=alerts_topic(self.declaration),
            dead_letters=self.dead_letters,
            lookups=self.lookups(),
        )

    def lookups(self) -> dict[str, LookupPlan]:
        """Return the plans of the lookups that are read from topics."""
        made = {}
        for name, lookup in self.declaration.lookups.items():
            if lookup.topic is None:
                continue
            path: Path = ("lookups", name)
            codec = self.codec(lookup.codec, path) or codecs.registry()["json"]
            joined = [each.scope.joined[name] for each in self.streams.values() if name in each.scope.joined]
            fields = tuple(sorted({field.partition(".")[2] for each in joined for field in each.types}))
            try:
                codec.compile(dict.fromkeys(fields, "any"))
            except ValueError as error:
                self.notes.wrong(path, str(error))
            made[name] = LookupPlan(lookup=lookup, topic=lookup.topic, codec=codec, fields=fields)
        return made

    def codec(self, name: str, path: Path) -> Codec | None:
        """Return a codec; None if there is none of that name, which is noted."""
        found = codecs.registry().get(name)
        if found is None:
            near = suggest(name, codecs.registry())
            self.notes.wrong((*path, "codec"), f"there is no codec {name!r}{near}")
        return found

    def stream(self, name: str, stream: Stream) -> StreamPlan:
        """Return the plan of a stream, without fields and tables."""
        path: Path = ("streams", name)
        codec = self.codec(stream.codec, path)
        needs = Needs(codec.fields, f"codec {codec.name}") if codec else Needs(None)
        scope = Scope(needs, self.notes)
        self.event_time(stream, codec, needs)
        for lookup, on in stream.join.items():
            scope.ask(on, "key", (*path, "join", lookup))
            scope.joined[lookup] = Needs(self.known(lookup), f"lookup {lookup}")
        derive = scope.derive(stream.derive, (*path, "derive"))
        where = scope.condition(stream.where, (*path, "where"))
        self.streams[name] = Source(name, stream, scope, (name,))
        return StreamPlan(
            name=name,
            stream=stream,
            codec=codec or codecs.registry()["json"],
            fields={},
            derive=derive,
            where=where,
            tables=(),
            dead_letters=self.dead_letters,
        )

    def known(self, name: str) -> dict[str, FieldType] | None:
        """Return the fields of a lookup as they are named in streams; None if it may have any."""
        lookup = self.declaration.lookups.get(name)
        codec = codecs.registry().get(lookup.codec) if lookup else None
        if codec is None or codec.fields is None:
            return None
        return {f"{name}.{field}": type_ for field, type_ in codec.fields.items()}

    def fed(self, draft: StreamPlan, parts: Iterable[TablePlan]) -> StreamPlan:
        """Return the plan of a stream with its tables, and the fields that it must read for them."""
        fields = dict(self.streams[draft.name].scope.needs.types)
        try:
            if draft.stream.codec in codecs.registry():
                draft.codec.compile(fields)
        except ValueError as error:
            self.notes.wrong(("streams", draft.name), str(error))
        joined = self.streams[draft.name].scope.joined
        joins = {
            name: {field.partition(".")[2]: type_ for field, type_ in each.types.items()}
            for name, each in joined.items()
        }
        return replace(
            draft, fields=fields, joins=joins, tables=tuple(part for part in parts if part.source == draft.name)
        )

    def event_time(self, stream: Stream, codec: Codec | None, needs: Needs) -> None:
        """Note what the field of event time must be; a codec that reads times itself has one, and needs no unit."""
        if stream.time is None:
            return
        path: Path = ("streams", stream.name, "time")
        self.notes.add(needs.add(stream.time.field, "time", path))
        own = codec.time_field if codec else None
        if codec is None or own is None or stream.time.field not in (codec.fields or ()):
            return
        if stream.time.field != own:
            message = f"codec {codec.name} has the time in `{own}`, not in `{stream.time.field}`; write time: {own}"
            self.notes.wrong(path, message)
        elif stream.time.unit is not None:
            message = f"codec {codec.name} knows the unit of `{own}`; leave `unit` out"
            self.notes.wrong((*path, "unit"), message)

    def collisions(self, scope: Scope) -> None:
        """Note derived fields whose name is also read as a field of the records."""
        for name in sorted(scope.derived.keys() & scope.needs.types.keys()):
            place = scope.needs.places[name]
            message = f"`{name}` is derived, and is also read as a field of the records by {described(place)}"
            self.notes.wrong(scope.places[name], f"{message}; rename what is derived", other=place)
        for name in sorted(scope.derived.keys() & (scope.needs.known or {}).keys()):
            message = f"`{name}` is already a field of {scope.needs.said}; rename what is derived"
            self.notes.wrong(scope.places[name], message)

    def table(self, name: str, table: Table) -> None:
        """Plan a table over each of its sources, and note what its rows have for those that read them."""
        found = [self.streams.get(each) or self.rows.get(each) for each in table.sources]
        sources = [each for each in found if each is not None]
        if not sources:
            return
        parts = [self.part(name, table, source, sources) for source in sources]
        types = _column_types(parts[0].plan, parts[0].scope)
        self.exposed(table, types)
        rules = self.rules(parts[0].plan, types)
        self.parts[name] = [replace(part, plan=replace(part.plan, rules=rules)) for part in parts]
        fields = {**types, WINDOW_START: "number", WINDOW_END: "number"} if table.window else types
        plan = self.parts[name][0].plan
        self.rows[name] = Source(name, plan, Scope(Needs(fields, f"table {name}"), self.notes), plan.streams)

    def part(self, name: str, table: Table, source: Source, sources: Sequence[Source]) -> Part:
        """Return the plan of a table over one of its sources."""
        path: Path = ("tables", name)
        scope = source.open()
        outer = frozenset(scope.derived)
        derive = scope.derive(table.derive, (*path, "derive"))
        where = scope.condition(table.where, (*path, "where"))
        for index, field in enumerate(table.key):
            self.key_field(field, (*path, "key", index), scope)
        for index, field in enumerate(table.unique):
            self.key_field(field, (*path, "unique", index), scope, "an id")
        aggregates = tuple(self.aggregate(column, each, path, scope) for column, each in table.aggregates.items())
        taken = [part for each in aggregates for part in (each.of, each.by, each.where)]
        used = _used([*derive.values(), where, *taken])
        app, read = self.declaration.app, [each.of for each in sources]
        local = is_local(read, table)
        made = TablePlan(
            name=name,
            table=table,
            source=source.name,
            streams=tuple(dict.fromkeys(stream for each in sources for stream in each.streams)),
            key=table.key,
            key_labels=tuple((key_label(field), field) for field in table.key),
            derive=derive,
            where=where,
            aggregates=aggregates,
            rules=(),
            needs=frozenset((used | {*table.key, *table.unique}) - (scope.derived.keys() - outer)),
            types={},
            changelog=changelog_topic(app, table),
            changelog_config=changelog_config(table),
            emit_topic=emit_topic(app, table),
            late_topic=table.late,
            dead_letters=self.dead_letters,
            shape=shape([each if isinstance(each, Stream) else each.shape for each in read], table),
            repartition=None if local else repartition_topic(app, table),
            repartition_config={} if local else repartition_config(),
        )
        return Part(made, scope, outer)

    def typed(self, part: Part) -> TablePlan:
        """Return the plan of a part with the types that all uses of its fields agree on."""
        types = part.scope.needs.types
        return replace(part.plan, types={name: types[name] for name in sorted(part.plan.needs & types.keys())})

    def exposed(self, table: Table, types: Mapping[str, FieldType]) -> None:
        """Note exposed columns that hold no number."""
        for index, column in enumerate(table.expose):
            if types.get(column) == "text":
                message = f"column {column!r} holds text, and Prometheus takes numbers; leave it out"
                self.notes.wrong(("tables", table.name, "expose", index), message)
            elif column in table.aggregates and table.aggregates[column].gives == "any":
                message = f"column {column!r} holds lists or objects, and Prometheus takes numbers; leave it out"
                self.notes.wrong(("tables", table.name, "expose", index), message)

    def key_field(self, field: str, path: Path, scope: Scope, what: str = "a key") -> None:
        """Note what a key field, or one of an id, must be."""
        if field not in scope.derived:
            scope.ask(field, "key", path)
        elif scope.derived[field] == "bool":
            message = f"`{field}` is true or false, and {what} is made of texts and numbers"
            self.notes.wrong(path, f"{message}; derive a text from it", other=scope.places[field])

    def aggregate(self, column: str, aggregate: Aggregate, table: Path, scope: Scope) -> AggregatePlan:
        """Return the plan of one column."""
        path: Path = (*table, "aggregates", column)
        of = scope.compile(aggregate.of, path, OF_TYPES.get(aggregate.needs), "of")
        takes_by = "by" in aggregate.expressions
        by = scope.compile(getattr(aggregate, "by", None), path, "number", "by") if takes_by else None
        where = scope.condition(aggregate.where, path, "where")
        return AggregatePlan(name=column, aggregate=aggregate, of=of, by=by, where=where)

    def rules(self, table: TablePlan, types: dict[str, FieldType]) -> tuple[RulePlan, ...]:
        """Return the plans of a table's alerts."""
        made = []
        for index, alert in enumerate(self.declaration.alerts):
            if alert.table == table.name and (rule := self.rule(index, alert, table, types)):
                made.append(rule)
        return tuple(made)

    def rule(self, index: int, alert: Alert, table: TablePlan, types: dict[str, FieldType]) -> RulePlan | None:
        """Return the plan of one alert; None if its condition is wrong."""
        path: Path = ("alerts", index)
        unknown = any(self.notes.is_broken(("tables", table.name, part)) for part in ("aggregates", "key"))
        expr = self.condition(alert, (*path, "expr"), types, None if unknown else types)
        has_value = expr is None or expr.value is not None
        compiled = partial(self.templates, columns=None if unknown else types, value=has_value)
        keys = {label for label, _ in table.key_labels}
        labels = compiled(alert.labels, (*path, "labels"), None if unknown else keys)
        known = {*keys, *alert.labels, "alertname"}
        annotations = compiled(alert.annotations, (*path, "annotations"), None if unknown else known)
        if expr is None:
            return None
        return RulePlan(
            id=self.rule_ids[index],
            alert=alert,
            expr=expr,
            value=expr.value,
            judge=alert.judge or ("close" if table.table.window else "update"),
            topic=alert.to or alerts_topic(self.declaration),
            labels=labels,
            annotations=annotations,
        )

    def condition(
        self, alert: Alert, path: Path, types: Mapping[str, FieldType], known: Collection[str] | None
    ) -> Expression | None:
        """Return the compiled condition of an alert; None if it is wrong."""
        try:
            return compile(alert.expr, types, expect="bool", known=known)
        except ExpressionError as error:
            self.notes.add(Finding(path, error.message, error.column - 1))
            return None

    def templates(
        self,
        texts: Mapping[str, str],
        path: Path,
        labels: Collection[str] | None,
        *,
        columns: Collection[str] | None,
        value: bool,
    ) -> dict[str, templates.Template]:
        """Return the compiled templates by name, without those that are wrong."""
        made = {}
        for name, text in texts.items():
            try:
                made[name] = templates.compile(text, labels, columns, value=value)
            except ExpressionError as error:
                self.notes.add(Finding((*path, name), error.message, error.column - 1))
        return made


def _rule_ids(alerts: Collection[Alert]) -> list[str]:
    """Return a distinct id for each alert: its name, with `#2` for the second of that name."""
    seen: Counter[str] = Counter()
    ids = []
    for alert in alerts:
        seen[alert.alert] += 1
        ids.append(alert.alert if seen[alert.alert] == 1 else f"{alert.alert}#{seen[alert.alert]}")
    return ids


def _used(expressions: Collection[Expression | None]) -> set[str]:
    """Return the fields that any of the expressions reads."""
    return {name for each in expressions if each for name in each.fields}


def _column_types(table: TablePlan, scope: Scope) -> dict[str, FieldType]:
    """Return the types of what an alert may name: key fields and columns."""
    types: dict[str, FieldType] = {}
    for name in table.key:
        types[name] = scope.type_of(name)
    for each in table.aggregates:
        gives = each.aggregate.gives
        types[each.name] = (each.of.type if each.of else "any") if gives == "of" else gives
    return types
