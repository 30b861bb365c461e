"""Every key that a declaration may have: one list drives reading, JSON Schema and the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.expr import ExpressionError, call
from streams.kinds import Choice, Duration, Integer, Json, Kind, Report, Text
from streams.nodes import Given, Node, Scalar
from streams.problems import Path
from streams.ruletests.fields import TESTS
from streams.shapes import ByName, Either, Key, ListOf, Names, Section
from streams.spec import Alert, Declaration, LookupTable, Stream, TimeField
from streams.window_keys import WINDOW
from tables.aggregates.base import Aggregate
from tables.spec import Emit, Table
from tables.windows import Window

NAME = Text("a name", "[a-z][a-z0-9_]*", "write small letters, digits and _, a letter first")
RULE_NAME = Text("an alert's name", "[A-Za-z_][A-Za-z0-9_]*", "write letters, digits and _, no digit first")
LABEL = Text("a label name", "(?!__)[A-Za-z_][A-Za-z0-9_]*", "write letters, digits and _, no digit and no __ first")
TOPIC = Text("a topic name", r"(?!\.\.?$)[A-Za-z0-9._-]{1,249}", "write at most 249 letters, digits, dots, _ and -")
FIELD = Text("a field name", r"[^\s.,'\"(){}\[\]]+(\.[^\s.,'\"(){}\[\]]+)*", "write names with dots between them")
EXPRESSION = Text("an expression", r"\s*\S[\s\S]*", "write for example status >= 500")
TEXT = Text()
WORDS = dict.fromkeys(("and", "or", "not", "in", "true", "false", "null"), "it is a word of the expression language")
DERIVE = ByName(NAME, EXPRESSION, "a mapping of new field names to expressions", WORDS)


class AggregateCall(Kind):
    """One aggregate, as a call in the expression grammar."""

    @property
    def words(self) -> str:
        """Return what a call looks like."""
        return 'an aggregate such as count() or quantile(0.95, "request_time")'

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the aggregate."""
        if isinstance(node, Given) and isinstance(node.value, Aggregate):
            return node.value
        if not isinstance(node, Scalar):
            return self.wrong(node, path, report)
        try:
            return call(node.text)
        except ExpressionError as error:
            return report.wrong(path, node, error.message, error.column - 1)

    def schema(self) -> Json:
        """Return the schema."""
        return {"type": "string", "pattern": r"^\s*[a-z_]+\s*\("}


TIME = Section(
    "time",
    (
        Key("field", FIELD, "The field that holds event time."),
        Key("unit", Choice(("s", "ms", "us", "ns")), "Unit of a number; without it, its size tells.", "by its size"),
    ),
    TimeField,
)
EMIT = Section(
    "emit",
    (Key("update", Duration(least=1), "Event time for which updates are gathered; of a row the newest goes out."),),
    lambda update: Emit("update", update),
)
STREAM = Section(
    "a stream",
    (
        Key("topic", TOPIC, "The Kafka topic to read."),
        Key("codec", TEXT, "The format of its record values: json, nginx (combined access logs) or raw.", "json"),
        Key(
            "time",
            Either(FIELD, TIME, lambda name: TimeField(field=name), TimeField),
            "The field that holds event time: RFC 3339 text, the codec's own format, or a number whose unit its size "
            "tells. Without it, event time is the record's Kafka timestamp.",
            "the Kafka timestamp",
        ),
        Key(
            "key",
            Names(FIELD),
            "The field, or fields, that the producers use as record key; they may be derived.",
            "unknown",
        ),
        Key("where", EXPRESSION, "Records that do not hold it are dropped before any table.", "all"),
        Key(
            "derive",
            DERIVE,
            "Further fields, each an expression over the fields and over those derived above it.",
            "none",
        ),
        Key("idle", Duration(never=True), "Silence after which an input partition holds no window open.", "1m"),
        Key(
            "max_ahead",
            Duration(),
            "How far event time may be ahead of the record's Kafka timestamp; a record "
            "that is further ahead goes to the dead letters.",
            "1h",
        ),
        Key(
            "join",
            ByName(NAME, FIELD, "a mapping of lookups to the fields that hold their keys"),
            "Lookups, each with the field of the record that holds its key; their fields are `lookup.field`.",
            "none",
        ),
    ),
    Stream,
    named=True,
)
LOOKUP = Section(
    "a lookup",
    (
        Key(
            "file",
            TEXT,
            "A file that is read when a worker starts: .csv with a header, else JSON lines.",
            "the topic",
        ),
        Key("topic", TOPIC, "A compacted topic that every worker reads whole, and follows.", "the file"),
        Key("codec", TEXT, "The format of the topic's record values.", "json"),
        Key("key", FIELD, "The field that is its key; in a topic it is the record key."),
        Key("max_rows", Integer(1), "Most rows; further keys of a topic are refused.", "1000000"),
    ),
    LookupTable,
    named=True,
)
OPTIONS = (
    "name",
    "from",
    "key",
    "where",
    "derive",
    "window",
    "keep",
    "late",
    "expose",
    "standby",
    "emit",
    "to",
    "changelog",
    "max_keys",
    "unique",
    "within",
    "max_ids",
    "aggregates",
)
RESERVED: Mapping[str, str] = WORDS | dict.fromkeys(OPTIONS, "it is an option of a table")
TABLE = Section(
    "a table",
    (
        Key(
            "from",
            Names(NAME, least=1),
            "The stream that it reads, or the table whose closed rows it reads, or a list of several.",
            argument="from_",
        ),
        Key("key", Names(FIELD, least=1), "The field, or fields, to group by; may be derived."),
        Key("where", EXPRESSION, "Rows that do not hold it are not counted.", "all"),
        Key("derive", DERIVE, "Further fields for this table only, as in a stream.", "none"),
        Key(
            "window",
            Either(Choice(("none",)), WINDOW, lambda _: None, Window),
            "Windows of one kind; `none` keeps one running total per key.",
            "none",
        ),
        Key("keep", Duration(least=1), "How long closed rows can be asked for, in event time.", "24h"),
        Key(
            "late",
            TOPIC,
            "Topic for rows that are late for all their windows; without it they are only counted.",
            "none",
        ),
        Key("expose", Names(NAME), "Columns whose latest closed rows are shown to Prometheus.", "none"),
        Key(
            "standby",
            Integer(),
            "Number of other workers that follow each partition, ready to take it over; all tables of a stream get as "
            "many as one of them asks for.",
            "0",
        ),
        Key(
            "emit",
            Either(Choice(("none", "close", "update")), EMIT, Emit, Emit),
            "Rows that are produced to a topic: none, final rows when a window closes, or every update, which "
            "`{update: 10s}` gathers.",
            "none",
        ),
        Key("to", TOPIC, "Topic of the emitted rows.", "`<app>-<table>`"),
        Key("changelog", TOPIC, "Name of the changelog topic.", "`<app>-<table>-changelog`"),
        Key("max_keys", Integer(1), "Most keys per partition; rows of further keys go to the dead letters.", "1000000"),
        Key(
            "unique",
            Names(FIELD, least=1),
            "The field, or fields, that are the id of a row: one that was counted with the same key before is dropped.",
            "none",
        ),
        Key("within", Duration(least=1), "How far apart in event time two rows of one id are the same row.", "none"),
        Key("max_ids", Integer(1), "Most ids per partition; rows of further ids go to the dead letters.", "4000000"),
        Key(
            "aggregates",
            ByName(NAME, AggregateCall(), "a mapping of column names to aggregates", RESERVED),
            "The columns: what is kept of the rows of each key and window.",
        ),
    ),
    Table,
    named=True,
)
ALERT = Section(
    "an alert",
    (
        Key("alert", RULE_NAME, "Its name; it may be used again, for example for another severity."),
        Key("table", NAME, "The table whose rows are judged."),
        Key("expr", EXPRESSION, "The condition, over the table's columns and key fields."),
        Key("for", Duration(), "How long it must hold before the alert fires.", "0s", "for_"),
        Key("keep_firing_for", Duration(), "How long it goes on firing after the condition stopped holding.", "0s"),
        Key("limit", Integer(), "Most live alerts of this rule in one partition; 0 is no limit.", "0"),
        Key(
            "judge",
            Choice(("close", "update")),
            "When rows are judged: when their window closes, or at each update.",
            "close; update without a window",
        ),
        Key(
            "labels",
            ByName(LABEL, TEXT, "a mapping of label names to texts", {"alertname": "it is the alert's name"}),
            "Further labels of the alert; templates.",
            "none",
        ),
        Key("annotations", ByName(LABEL, TEXT, "a mapping of names to texts"), "Texts for people; templates.", "none"),
        Key("to", TOPIC, "Topic of the alert's events.", "the app's alerts topic"),
    ),
    Alert,
)
APP = Section(
    "app",
    (
        Key("id", NAME, "The app's name: its consumer group, and the prefix of the topics that it makes."),
        Key("alerts", TOPIC, "Topic of alert events.", "`<app>-alerts`"),
        Key("dead_letters", TOPIC, "Topic of records that could not be used.", "`<app>-dead-letters`"),
    ),
    lambda **parts: (parts.pop("id"), parts),
)


def make_declaration(app: tuple[str, Mapping[str, str]] | str, **parts: Any) -> Declaration:
    """Return the declaration of a file's parts."""
    name, topics = app if isinstance(app, tuple) else (app, {})
    return Declaration(app=name, topics=topics, **parts)


FILE = Section(
    "a declaration",
    (
        Key(
            "app",
            Either(NAME, APP, lambda name: (name, {})),
            "The app's name, or a mapping that renames its topics, too.",
        ),
        Key(
            "kafka",
            ByName(TEXT, TEXT, "a mapping of librdkafka's names to values"),
            "Settings of the Kafka clients; environment variables win over them.",
            "none",
        ),
        Key("streams", ByName(NAME, STREAM, "a mapping of stream names to streams"), "The streams by name.", "none"),
        Key("lookups", ByName(NAME, LOOKUP, "a mapping of lookup names to lookups"), "Lookups by name.", "none"),
        Key("tables", ByName(NAME, TABLE, "a mapping of table names to tables"), "The tables by name.", "none"),
        Key("alerts", ListOf(ALERT, "a list of alerts"), "The alert rules.", "none"),
        Key("tests", TESTS, "Tests of the rules, which `streams test` runs.", "none"),
    ),
    make_declaration,
)
