"""What must hold between streams, tables, alerts and topics, apart from their expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from streams.names import alerts_topic, changelog_topic, dead_letters_topic, emit_topic, key_label
from streams.needs import described
from streams.notes import Notes
from streams.problems import Path, suggest
from streams.settings import KafkaSettings
from streams.spec import Alert, Declaration, Stream
from tables.spec import DAY, Table

LONGEST_TOPIC = 249
_LABEL = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")


def settings(declaration: Declaration, notes: Notes) -> None:
    """Note Kafka settings that are unknown or cannot be."""
    for problem in KafkaSettings.mistakes(declaration.kafka):
        notes.wrong(("kafka", problem.name), problem.message)


def table(declaration: Declaration, table: Table, notes: Notes) -> None:
    """Note what is wrong with a table among the others."""
    path: Path = ("tables", table.name)
    stream = declaration.streams.get(table.from_)
    if stream is None:
        _no_stream(declaration, table, notes)
    else:
        _key(stream, table, notes)
    if table.standby:
        message = f"standby replicas are not available yet; set standby to 0, not {table.standby}"
        notes.wrong((*path, "standby"), message)
    if not table.aggregates:
        message = "a table needs at least one aggregate; write for example requests: count()"
        notes.wrong((*path, "aggregates"), message)
    _columns(table, notes)
    _window(table, notes)


def _no_stream(declaration: Declaration, table: Table, notes: Notes) -> None:
    """Note a table that reads what is no stream."""
    path: Path = ("tables", table.name, "from")
    if table.from_ in declaration.tables:
        source = declaration.tables[table.from_]
        remedy = f"read the stream {source.from_!r}, or emit {source.name!r} to a topic and declare a stream of it"
        notes.wrong(path, f"{table.from_!r} is a table, and a table cannot read a table yet; {remedy}")
    else:
        near = suggest(table.from_, declaration.streams)
        notes.wrong(path, f"there is no stream {table.from_!r}{near}", given=[("streams",)] if not declaration.streams else ())


def _key(stream: Stream, table: Table, notes: Notes) -> None:
    """Note a table that would need a re-key: its keys are spread over the partitions, and its counts would be partial."""
    path: Path = ("tables", table.name, "key")
    if table.key == stream.key:
        return
    wanted = ", ".join(table.key)
    has = f"the stream {stream.name!r} is keyed by {', '.join(stream.key)}" if stream.key else f"the stream {stream.name!r} declares no key"
    remedy = (
        f"(1) if the producers of topic {stream.topic!r} use {wanted} as record key, say so in the stream: key: [{wanted}]; "
        f"(2) else let them, or produce a topic that is keyed by it"
    )
    if stream.key:
        remedy += f"; or group by key: [{', '.join(stream.key)}]"
    message = f"a table by {wanted} would need a re-key, which is not available yet, because {has}"
    notes.wrong(path, f"{message}; {remedy}", given=[("streams", stream.name, "key")])


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
    labels: dict[str, str] = {}
    for index, field in enumerate(table.key):
        label = key_label(field)
        if not _LABEL.fullmatch(label) or label == "alertname":
            message = f"the key field {field!r} makes no label name ({label!r}); derive a field with another name from it"
            notes.wrong((*path, "key", index), message)
        elif label in labels:
            message = f"the key fields {labels[label]!r} and {field!r} would both be the label {label!r}; derive another name"
            notes.wrong((*path, "key", index), message)
        labels[label] = field


def _window(table: Table, notes: Notes) -> None:
    """Note options that mean nothing with the table's window, or without one."""
    path: Path = ("tables", table.name)
    if table.to is not None and table.emit == "none":
        message = f"`to` names a topic for rows, but none are emitted; add emit: close or emit: update, or leave `to` out"
        notes.wrong((*path, "to"), message, given=[(*path, "emit")])
    if table.window is not None:
        return
    broken = [(*path, "window")]
    if table.emit == "close":
        message = "without a window no row is ever final; use emit: update, or give the table a window"
        notes.wrong((*path, "emit"), message, given=broken)
    if table.late is not None:
        message = "without a window no row is ever late; leave `late` out, or give the table a window"
        notes.wrong((*path, "late"), message, given=broken)
    if table.keep != DAY:
        message = "without a window the running totals are kept for ever; leave `keep` out, or give the table a window"
        notes.wrong((*path, "keep"), message, given=broken)


def alert(declaration: Declaration, index: int, alert: Alert, notes: Notes) -> None:
    """Note what is wrong with an alert among the tables."""
    path: Path = ("alerts", index)
    table = declaration.tables.get(alert.table)
    if table is None:
        kind = " (it is a stream; alerts judge the rows of tables)" if alert.table in declaration.streams else ""
        near = kind or suggest(alert.table, declaration.tables)
        given = () if declaration.tables else [("tables",)]
        notes.wrong((*path, "table"), f"there is no table {alert.table!r}{near}", given=given)
        return
    if alert.judge == "close" and table.window is None:
        message = f"the table {table.name!r} has no window, so its rows never close; use judge: update, or give it a window"
        notes.wrong((*path, "judge"), message, given=[("tables", table.name, "window")])
    labels = {key_label(field): field for field in table.key}
    for label in alert.labels.keys() & labels.keys():
        message = f"the label {label!r} is already the key field {labels[label]!r} of the table; rename it"
        notes.wrong((*path, "labels", label), message)


def topics(declaration: Declaration, notes: Notes) -> None:
    """Note topics that are used for two things that exclude each other, and names that are too long."""
    inputs = {stream.topic: ("streams", name, "topic") for name, stream in declaration.streams.items()}
    owners: dict[str, Path] = dict(inputs)
    for path, topic in _outputs(declaration):
        if len(topic) > LONGEST_TOPIC:
            notes.wrong(path, f"the topic name {topic!r} is longer than {LONGEST_TOPIC} characters; give it a shorter one")
    owners |= {topic: path for path, topic in _outputs(declaration)}
    for name, each in declaration.tables.items():
        _changelog(declaration, name, each, owners, notes)
        stream = declaration.streams.get(each.from_)
        for path, topic in _rows(declaration, each):
            if stream and topic == stream.topic:
                message = f"topic {topic!r} is what the table reads, so that it would feed itself; name another one"
                notes.wrong(path, message, other=("streams", stream.name, "topic"))


def _changelog(declaration: Declaration, name: str, table: Table, owners: dict[str, Path], notes: Notes) -> None:
    """Note a changelog that is also something else; remember it in `owners`."""
    topic = changelog_topic(declaration.app, table)
    path: Path = ("tables", name, "changelog")
    if len(topic) > LONGEST_TOPIC:
        notes.wrong(path, f"the topic name {topic!r} is longer than {LONGEST_TOPIC} characters; give it a shorter one")
    if topic in owners:
        message = f"topic {topic!r} is also {described(owners[topic])}, and a changelog is its table's alone; name another one"
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
