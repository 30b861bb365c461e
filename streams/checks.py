"""What must hold between streams, tables, alerts and topics, apart from their expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from streams.names import alerts_topic, changelog_topic, dead_letters_topic, emit_topic, key_label, repartition_topic
from streams.needs import described
from streams.notes import Notes
from streams.problems import Path, suggest
from streams.reading import circle
from streams.rekey.local import is_local
from streams.settings import KafkaSettings
from streams.spec import Alert, Declaration, Stream
from tables.spec import DAY, Table
from tables.windows.counted import Counted

LONGEST_TOPIC = 249
MOST_LIMIT = 10_000
_LABEL = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")


def settings(declaration: Declaration, notes: Notes) -> None:
    """Note Kafka settings that are unknown or cannot be."""
    for problem in KafkaSettings.mistakes(declaration.kafka):
        notes.wrong(("kafka", problem.name), problem.message)


def stream(declaration: Declaration, stream: Stream, notes: Notes) -> None:
    """Note joins of what is no lookup, or by what is a field of one."""
    for name, on in stream.join.items():
        path: Path = ("streams", stream.name, "join", name)
        if name not in declaration.lookups:
            near = suggest(name, declaration.lookups)
            given: list[Path] = [("lookups", name) if declaration.lookups else ("lookups",)]
            notes.wrong(path, f"there is no lookup {name!r}{near}", given=given)
        if on in stream.derive or on.partition(".")[0] in stream.join:
            notes.wrong(path, f"{on!r} is no field of the record, and a lookup is joined before anything is derived")


def table(declaration: Declaration, table: Table, notes: Notes) -> None:
    """Note what is wrong with a table among the others."""
    path: Path = ("tables", table.name)
    for index, source in enumerate(table.sources):
        if source not in declaration.streams:
            _no_stream(declaration, table, source, index, notes)
    if not table.aggregates:
        message = "a table needs at least one aggregate; write for example requests: count()"
        notes.wrong((*path, "aggregates"), message)
    _columns(table, notes)
    _window(table, notes)
    _unique(table, notes)


def _unique(table: Table, notes: Notes) -> None:
    """Note an id without a time for which it is remembered, and a time without id."""
    path: Path = ("tables", table.name)
    if table.unique and table.within is None:
        message = "`unique` needs `within`, for how long an id is remembered; write for example within: 10m"
        notes.wrong((*path, "unique"), message, given=[(*path, "within")])
    if table.within is not None and not table.unique:
        message = "`within` says for how long ids are remembered; write for example unique: request_id, or leave it out"
        notes.wrong((*path, "within"), message, given=[(*path, "unique")])


def _no_stream(declaration: Declaration, table: Table, source: str, index: int, notes: Notes) -> None:
    """Note a table that reads what is no stream, and no table whose rows are final."""
    path: Path = ("tables", table.name, "from", index)
    if source not in declaration.tables:
        given: list[Path] = [("streams", source) if declaration.streams else ("streams",), ("tables", source)]
        others = [name for name, each in declaration.tables.items() if each.window and name != table.name]
        near = suggest(source, [*declaration.streams, *others])
        notes.wrong(path, f"there is no stream {source!r}{near}", given=given)
    elif round_ := circle(declaration, table.name):
        message = f"table {table.name!r} would read itself ({' <- '.join(round_)}); let one of them read a stream"
        notes.wrong(path, message)
    elif declaration.tables[source].window is None:
        message = f"table {source!r} has no window, so that its rows are never final and cannot be counted"
        remedy = f"give {source!r} a window, or read what it reads"
        notes.wrong(path, f"{message}; {remedy}", given=[("tables", source, "window")])


def _columns(table: Table, notes: Notes) -> None:
    """Note columns and labels that clash, and exposed columns that are not there."""
    path: Path = ("tables", table.name)
    for column in table.aggregates:
        if column in table.key:
            message = f"{column!r} is already a key field; rename the column"
            notes.wrong((*path, "aggregates", column), message)
        if column in table.derive:
            message = f"{column!r} is already a derived field; rename one of them"
            notes.wrong((*path, "aggregates", column), message, other=(*path, "derive", column))
    for index, column in enumerate(table.expose):
        if column not in table.aggregates:
            message = f"the table has no column {column!r} to expose{suggest(column, table.aggregates)}"
            notes.wrong((*path, "expose", index), message, given=[(*path, "aggregates")])
    _labels(table, notes)


def _labels(table: Table, notes: Notes) -> None:
    """Note key fields of which no label can be made, or twice the same."""
    labels: dict[str, str] = {}
    for index, field in enumerate(table.key):
        label = key_label(field)
        path: Path = ("tables", table.name, "key", index)
        if not _LABEL.fullmatch(label) or label == "alertname":
            message = f"the key field {field!r} makes no label name ({label!r}); derive one with another name"
            notes.wrong(path, message)
        elif label in labels:
            message = f"the key fields {labels[label]!r} and {field!r} would both be the label {label!r}"
            notes.wrong(path, f"{message}; derive a field with another name from one of them")
        labels[label] = field


def _window(table: Table, notes: Notes) -> None:
    """Note options that mean nothing with the table's window, or without one."""
    path: Path = ("tables", table.name)
    if table.to is not None and table.emit.when == "none":
        message = "`to` names a topic for rows, but none are emitted; add emit: close or emit: update, or leave it out"
        notes.wrong((*path, "to"), message, given=[(*path, "emit")])
    if table.window is not None:
        if table.late is not None and isinstance(table.window, Counted):
            message = "a window of rows is full with its last one, whatever its time, and no row is ever late"
            notes.wrong((*path, "late"), f"{message}; leave `late` out", given=[(*path, "window")])
        return
    broken = [(*path, "window")]
    for column, each in table.aggregates.items():
        if each.needs_window:
            message = f"{each.describe()} needs to know where its window ends, and the table has no window"
            remedy = "give the table a window, or leave `extrapolate` out"
            notes.wrong((*path, "aggregates", column), f"{message}; {remedy}", given=broken)
    if table.emit.when == "close":
        message = "without a window no row is ever final; use emit: update, or give the table a window"
        notes.wrong((*path, "emit"), message, given=broken)
    if table.late is not None:
        message = "without a window no row is ever late; leave `late` out, or give the table a window"
        notes.wrong((*path, "late"), message, given=broken)
    if table.keep != DAY:
        message = "without a window the running totals are kept for ever; leave `keep` out, or give the table a window"
        notes.wrong((*path, "keep"), message, given=broken)


def exposed(declaration: Declaration, notes: Notes) -> None:
    """Note exposed columns of two tables that would be one metric."""
    owners: dict[str, Path] = {}
    for name, each in declaration.tables.items():
        for index, column in enumerate(each.expose):
            metric, path = f"streams_table_{name}_{column}", ("tables", name, "expose", index)
            if metric in owners:
                message = f"column {column!r} of table {name!r} would be the metric {metric!r}, as another table's is"
                notes.wrong(path, f"{message}; rename one of them", other=owners[metric])
            owners.setdefault(metric, path)


def alert(declaration: Declaration, index: int, alert: Alert, notes: Notes) -> None:
    """Note what is wrong with an alert among the tables."""
    path: Path = ("alerts", index)
    table = declaration.tables.get(alert.table)
    if table is None:
        kind = " (it is a stream; alerts judge the rows of tables)" if alert.table in declaration.streams else ""
        near = kind or suggest(alert.table, declaration.tables)
        given: list[Path] = [("tables", alert.table) if declaration.tables else ("tables",)]
        notes.wrong((*path, "table"), f"there is no table {alert.table!r}{near}", given=given)
        return
    if alert.judge == "close" and table.window is None:
        message = f"the table {table.name!r} has no window, so that no row closes; judge: update, or add a window"
        notes.wrong((*path, "judge"), message, given=[("tables", table.name, "window")])
    if table.window is not None and table.window.unaligned and alert.limit > MOST_LIMIT:
        message = (
            f"with {table.window.kind} windows all alerts of a rule are dropped in one write, {MOST_LIMIT} at most"
        )
        notes.wrong((*path, "limit"), f"{message}; write a `limit` of no more than that, or none")
    labels = {key_label(field): field for field in table.key}
    for label in alert.labels.keys() & labels.keys():
        message = f"the label {label!r} is already the key field {labels[label]!r} of the table; rename it"
        notes.wrong((*path, "labels", label), message)


def topics(declaration: Declaration, notes: Notes) -> None:
    """Note topics that are used for two things that exclude each other, and names that are too long."""
    owners: dict[str, Path] = {}
    for name, source in declaration.streams.items():
        where: Path = ("streams", name, "topic")
        if source.topic in owners:
            message = f"topic {source.topic!r} is already read by another stream, and one topic is one stream"
            remedy = "let the tables of both read that one, each with its own `where` and `derive`"
            notes.wrong(where, f"{message}; {remedy}", other=owners[source.topic])
        owners[source.topic] = where
    if (rejected := dead_letters_topic(declaration)) in owners:
        message = f"topic {rejected!r} is read by a stream, so that a bad record would come back for ever; rename it"
        notes.wrong(("app", "dead_letters"), message, other=owners[rejected])
    for path, topic in _outputs(declaration):
        _length(path, topic, notes)
    owners |= {topic: path for path, topic in _outputs(declaration)}
    for name, each in declaration.tables.items():
        _changelog(declaration, name, each, owners, notes)
        read = {stream.topic: stream for stream in _streams(declaration, each)}
        for path, topic in _rows(declaration, each):
            if topic in read:
                message = f"topic {topic!r} is what the table reads, so that it would feed itself; name another one"
                notes.wrong(path, message, other=("streams", read[topic].name, "topic"))


def _streams(declaration: Declaration, table: Table) -> list[Stream]:
    """Return the streams that a table reads itself."""
    return [declaration.streams[name] for name in table.sources if name in declaration.streams]


def _length(path: Path, topic: str, notes: Notes) -> None:
    """Note a topic name that Kafka refuses; one that was made of other names may be too long."""
    if len(topic) > LONGEST_TOPIC:
        notes.wrong(path, f"the topic name {topic!r} is longer than {LONGEST_TOPIC} characters; give it a shorter one")


def _changelog(declaration: Declaration, name: str, table: Table, owners: dict[str, Path], notes: Notes) -> None:
    """Note a changelog that is also something else; remember it in `owners`."""
    topic = changelog_topic(declaration.app, table)
    path: Path = ("tables", name, "changelog")
    _length(path, topic, notes)
    if not is_local([declaration.streams.get(each, each) for each in table.sources], table):
        _repartition(declaration, table, owners, notes)
    if topic in owners:
        message = f"topic {topic!r} is also {described(owners[topic])}; a changelog is its table's alone, rename it"
        notes.wrong(path, message, other=owners[topic])
    owners[topic] = path


def _repartition(declaration: Declaration, table: Table, owners: dict[str, Path], notes: Notes) -> None:
    """Note a repartition topic that is also something else; remember it in `owners`."""
    topic = repartition_topic(declaration.app, table)
    path: Path = ("tables", table.name, "key")
    _length(path, topic, notes)
    if topic in owners:
        message = f"its rows go through topic {topic!r}, which is also {described(owners[topic])}; rename that"
        notes.wrong(path, message, other=owners[topic])
    owners[topic] = path


def _rows(declaration: Declaration, table: Table) -> Iterator[tuple[Path, str]]:
    """Yield the topics to which a table sends rows, and where each is declared."""
    if table.late is not None:
        yield ("tables", table.name, "late"), table.late
    if (topic := emit_topic(declaration.app, table)) is not None:
        yield ("tables", table.name, "to"), topic


def _outputs(declaration: Declaration) -> Iterator[tuple[Path, str]]:
    """Yield every topic that the app produces to, apart from changelogs, and where each is declared."""
    yield ("app", "alerts"), alerts_topic(declaration)
    yield ("app", "dead_letters"), dead_letters_topic(declaration)
    for each in declaration.tables.values():
        yield from _rows(declaration, each)
    for index, alert in enumerate(declaration.alerts):
        if alert.to is not None:
            yield ("alerts", index, "to"), alert.to
