"""Every key that a test may have, in the declaration's own way: one list drives reading, schema and reference."""

from __future__ import annotations

from streams.kinds import Choice, Duration, Integer, Text
from streams.ruletests.kinds import Flag, Instant, KeyValue, Series, Share, Time, Value
from streams.ruletests.spec import Expect, ExpectedAlert, ExpectedRow, Feed, RuleTest
from streams.shapes import ByName, Key, ListOf, Section

TEXT = Text()
INPUT = Section(
    "an input",
    (
        Key("stream", TEXT, "The stream that reads the records."),
        Key("at", Duration(), "Event time of the first record, since the start of the test.", "0s"),
        Key("every", Duration(least=1), "Time between two records.", "one record"),
        Key("for", Duration(least=1), "Records come as long as this, its end not included: `{every: 2s, for: 6m}` are "
            "180 records, the last at 5m58s.", "as long as `series`", "for_"),
        Key("count", Integer(1), "How many equal records come each time.", "1"),
        Key("value", Value(), "Fields of each record, which the stream's codec encodes; or text, which is the record's "
            "value as it is. A time field that is not given is filled in.", "no fields"),
        Key("series", ByName(TEXT, Series(), "a mapping of fields to series"),
            "Fields that are numbers in Prometheus' series notation, one number for each record.", "none"),
        Key("delay", Duration(), "Time from the event to the arrival of its record, which is its Kafka timestamp.",
            "0s"),
        Key("key", TEXT, "Record key.", "none"),
        Key("partition", Integer(), "Partition of the topic.", "0"),
    ),
    Feed,
)  # fmt: skip
ROW = Section(
    "a row",
    (
        Key("table", TEXT, "The table."),
        Key("key", KeyValue(), "The key of the row."),
        Key("window", Instant(), "The start of its window.", "the table has no window"),
        Key("values", ByName(TEXT, Value(), "a mapping of columns to values"), "Columns that must be so.", "any"),
        Key("closed", Flag(), "Whether the window must be closed.", "either"),
        Key("tolerance", Share(), "How far numbers may be off, in parts of max(1, expected).", "1e-9"),
        Key("absent", Flag(), "There must be no such row.", "false"),
    ),
    ExpectedRow,
)
ALERT = Section(
    "an expected alert",
    (
        Key("alert", TEXT, "Its name."),
        Key("state", Choice(("pending", "firing", "resolved", "inactive")), "Its state; `inactive` is neither pending "
            "nor firing.", "firing"),
        Key("labels", ByName(TEXT, TEXT, "a mapping of labels to texts"), "Labels that it must have.", "any"),
        Key("annotations", ByName(TEXT, TEXT, "a mapping of names to texts"), "Annotations that it must have.", "any"),
        Key("active_at", Instant(), "Since when the condition must hold.", "any"),
        Key("fired_at", Instant(), "Since when it must fire.", "any"),
        Key("resolved_at", Instant(), "When it must have been resolved.", "any"),
    ),
    ExpectedAlert,
)  # fmt: skip
EXPECT = Section(
    "an expectation",
    (
        Key("at", Instant(), "When to look: the clock is moved there.", "the end of the test"),
        Key("alerts", ListOf(ALERT, "a list of expected alerts"), "The pending and firing alerts of each name in the "
            "list, all of them, and resolved ones; `[]` is no alert at all.", "any"),
        Key("rows", ListOf(ROW, "a list of rows"), "Rows of tables; there may be others.", "any"),
        Key("dead_letters", ByName(TEXT, Integer(), "a mapping of reasons to numbers"),
            "All dead letters so far, by reason; `{}` is none.", "any"),
        Key("late", ByName(TEXT, Integer(), "a mapping of tables to numbers"),
            "Late rows so far, by table.", "any"),
    ),
    Expect,
)  # fmt: skip
TEST = Section(
    "a test",
    (
        Key("name", TEXT, "What it shows."),
        Key("start", Time(), "When it begins.", "2004-07-01T00:00:00Z"),
        Key("partitions", Integer(1), "Partitions of each topic.", "1"),
        Key("input", ListOf(INPUT, "a list of inputs"), "The records that come in, each in its time.", "none"),
        Key("advance", Duration(), "How long the clock goes on at the end, while nothing comes in.", "0s"),
        Key("expect", ListOf(EXPECT, "a list of expectations"), "What must be seen."),
    ),
    RuleTest,
)
TESTS = ListOf(TEST, "a list of tests")
