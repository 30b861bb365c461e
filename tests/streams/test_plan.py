"""Plans: fields and their types, topics by their default names, rules, fingerprints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.load import load, loads
from streams.outline import outline
from streams.plan import plan
from streams.problems import DeclarationError
from streams.spec import Declaration
from tables import count, hopping, tumbling
from tables import sum as total
from tables.columns import Column
from tables.spec import Emit, Table

GOLDEN = Path(__file__).parent.parent / "declarations"
OPS = load(GOLDEN / "ops.good.yaml")
SHOP = load(GOLDEN / "everything.good.yaml")


def changed(declaration: Declaration, name: str, **options: Any) -> Declaration:
    """Return the declaration with other options of one table."""
    made = replace(declaration.tables[name], **options)
    return replace(declaration, tables={**declaration.tables, name: made})


def fingerprint(declaration: Declaration, name: str) -> str:
    """Return the fingerprint of one table."""
    return plan(declaration).tables[name].fingerprint


def test_fields_are_those_used() -> None:
    """The decoder is asked for what the declaration names and for nothing else, each with its type."""
    assert plan(OPS).streams["access"].fields == {
        "ts": "time", "host": "key", "status": "number", "request_time": "number",
    }  # fmt: skip
    assert plan(SHOP).streams["orders"].fields == {
        "placed.at": "time", "amount": "number", "test": "bool", "status": "text", "shop.id": "key", "region": "key",
    }  # fmt: skip


def test_a_key_takes_the_type_of_other_uses() -> None:
    """A key field that is also compared with a text is text, so that no number gets in."""
    text = """
app: a
streams: {s: {topic: t, key: k}}
tables: {t: {from: s, key: k, where: k != '', aggregates: {n: count()}}}
"""
    assert plan(loads(text)).streams["s"].fields == {"k": "text"}


def test_needs_of_a_table() -> None:
    """A table needs of a batch what it reads: fields, and what the stream derives, but not what it derives itself."""
    sales = plan(SHOP).tables["sales"]
    assert sales.needs == {"shop.id", "region", "status", "euros", "big"}
    assert list(sales.derive) == ["vat"]


def test_default_topics() -> None:
    """Topics have the names that others rely on."""
    made = plan(OPS)
    table = made.tables["traffic"]
    assert (made.alerts_topic, made.dead_letters) == ("ops-alerts", "ops-dead-letters")
    assert (table.changelog, table.emit_topic, table.late_topic) == ("ops-traffic-changelog", None, None)
    assert table.rules[0].topic == "ops-alerts"
    assert table.dead_letters == made.streams["access"].dead_letters == "ops-dead-letters"
    assert plan(changed(OPS, "traffic", emit=Emit("close"))).tables["traffic"].emit_topic == "ops-traffic"


def test_renamed_topics() -> None:
    """Each topic can be renamed."""
    made = plan(SHOP)
    sales = made.tables["sales"]
    assert (made.alerts_topic, made.dead_letters) == ("shop.alarms", "shop.rejected")
    assert (sales.changelog, sales.emit_topic) == ("shop.sales.state", "shop.sales")
    assert sales.late_topic == "shop.sales.late"
    assert [rule.topic for rule in sales.rules] == ["shop.sales.alarms", "shop.alarms"]


def test_changelog_settings() -> None:
    """A windowed changelog is kept for size + grace + keep + 7 days; one without window is only compacted."""
    minute, day = 60_000, 86_400_000
    made = plan(SHOP).tables
    assert made["sales"].changelog_config == {
        "cleanup.policy": "compact,delete", "max.message.bytes": "8388608",
        "retention.ms": str(minute + 2000 + 2 * day + 7 * day),
    }  # fmt: skip
    assert made["clients"].changelog_config == {"cleanup.policy": "compact", "max.message.bytes": "8388608"}


def test_rules() -> None:
    """A rule has its alert's name, numbered if repeated; rows are judged at close, without a window at update."""
    made = plan(SHOP).tables
    assert [rule.id for rule in made["sales"].rules] == ["FewSales", "FewSales#2"]
    assert [rule.judge for table in made.values() for rule in table.rules] == ["close", "close", "update"]
    value = made["sales"].rules[0].value
    assert value is not None
    assert value.text == "turnover"


def test_labels_of_keys() -> None:
    """A key field's label has an underscore for each dot."""
    assert plan(SHOP).tables["sales"].key_labels == (("shop_id", "shop.id"), ("region", "region"))


def test_derived_key_is_evaluated() -> None:
    """A constant key is derived for every row, and is not asked of the codec."""
    stream = plan(load(GOLDEN / "constant_key.good.yaml")).streams["access"]
    assert "site" not in stream.fields
    assert stream.derive["site"].evaluate({}, 3).tolist() == ["main"] * 3
    assert stream.tables[0].needs == {"site", "status"}


def test_compiled_parts() -> None:
    """Conditions and aggregates come compiled, ready for arrays."""
    table = plan(OPS).tables["traffic"]
    errors = table.aggregates[1]
    assert errors.where is not None
    status = Column("int", np.array([200, 500, 503]))
    assert errors.where.holds({"status": status}, 3).tolist() == [False, True, True]
    rendered = table.rules[0].annotations["summary"].render({"host": "web1"}, 60, {"errors": 7, "requests": 60})
    assert rendered == "web1: 7 of 60 failed"


def test_a_stream_goes_before_a_table_of_its_name() -> None:
    """A table named like the stream that it reads feeds nobody: what says `from` that name reads the stream."""
    declaration = loads("""
app: pages
streams:
  pages: {topic: pages, key: page}
tables:
  pages: {from: pages, key: page, window: {tumbling: 1m}, aggregates: {requests: count()}}
""")
    made = plan(declaration)
    assert not made.feeds
    assert [table.name for table in made.streams["pages"].tables] == ["pages"]


def test_a_plan_needs_a_right_declaration() -> None:
    """A declaration whose parts do not fit has no plan."""
    with pytest.raises(DeclarationError, match="there is no stream 'other'; known: access"):
        plan(changed(OPS, "traffic", from_="other"))


@pytest.mark.parametrize(
    "options",
    [
        {"keep": 1000},
        {"window": hopping("5m", every="30s", grace="1h")},
        {"expose": ("requests",)},
        {"late": "late.rows"},
        {"emit": Emit("close")},
        {"changelog": "other"},
        {"max_keys": 5},
    ],
)
def test_fingerprint_stays(options: dict[str, Any]) -> None:
    """What does not shape the kept state does not change its fingerprint."""
    assert fingerprint(changed(OPS, "traffic", **options), "traffic") == fingerprint(OPS, "traffic")


@pytest.mark.parametrize(
    "options",
    [
        {"window": hopping("5m", every="1m")},
        {"window": tumbling("5m")},
        {"window": None},
        {"where": "status > 0"},
        {"aggregates": {**OPS.tables["traffic"].aggregates, "errors": count(where="status >= 501")}},
        {"aggregates": {**OPS.tables["traffic"].aggregates, "bytes": total("bytes")}},
    ],
)
def test_fingerprint_changes(options: dict[str, Any]) -> None:
    """What shapes the kept state changes its fingerprint."""
    assert fingerprint(changed(OPS, "traffic", **options), "traffic") != fingerprint(OPS, "traffic")


def test_fingerprint_follows_what_is_used() -> None:
    """A derived field counts if the table uses it, also by way of another; one that it does not use does not."""
    stream = SHOP.streams["orders"]
    before = fingerprint(SHOP, "sales")
    for derive, same in (
        ({**stream.derive, "unused": "amount * 2"}, True),
        ({"euros": "amount / 1000", "big": "euros >= 1000"}, False),
        ({"euros": "amount / 100", "big": "euros >= 2000"}, False),
    ):
        streams = {**SHOP.streams, "orders": replace(stream, derive=derive)}
        assert (fingerprint(replace(SHOP, streams=streams), "sales") == before) is same


def test_fingerprint_does_not_depend_on_the_form() -> None:
    """The order of the columns does not change what is kept."""
    table: Table = OPS.tables["traffic"]
    turned = dict(reversed(table.aggregates.items()))
    assert fingerprint(changed(OPS, "traffic", aggregates=turned), "traffic") == fingerprint(OPS, "traffic")


def test_outline_tells_all_topics_and_columns() -> None:
    """The plan in words names every topic, column and rule."""
    text = outline(plan(SHOP))
    for topic in ("shop.orders", "shop.visits", "shop.sales", "shop.sales.late", "shop.sales.state", "shop-clients",
                  "shop-clients-changelog", "shop.alarms", "shop.rejected", "shop.sales.alarms"):  # fmt: skip
        assert topic in text
    for table in SHOP.tables.values():
        for name, each in table.aggregates.items():
            assert f"{name} = {each.describe()}" in text
    assert "FewSales#2" in text
    assert "re-keys: none" in text


def test_outline_tells_what_is_rekeyed() -> None:
    """A table keyed otherwise than its stream is named with its topic, its partitions and their settings."""
    text = outline(plan(load(GOLDEN / "rekey.good.yaml")))
    assert "  ops-by_user-repartition: rows of by_user, by user; access comes by host" in text
    assert "  ops-by_page-repartition: rows of by_page, by page; visits comes without a key" in text
    assert "    as many partitions as web.visits" in text
    assert "    cleanup.policy = delete" in text
    assert "ops-by_host-repartition" not in text


def test_outline_tells_who_follows() -> None:
    """All tables of a stream have as many followers as one of them asks for; others have none."""
    lines = outline(plan(SHOP)).splitlines()
    (at,) = [number for number, line in enumerate(lines) if "standby" in line]
    assert lines[at].strip() == "standby: 1 other worker follows each partition"
    assert any("table sales" in line for line in lines[:at])
    assert not any("table clients" in line for line in lines[:at])
