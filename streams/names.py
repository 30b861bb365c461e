"""The topics of an app by their default names, and what they are made with."""

from __future__ import annotations

from streams.spec import Declaration
from tables.spec import Table

CHANGELOG_BATCH = 8 * 1024 * 1024
"""`max.message.bytes` of the changelogs that we create: one write is one record batch."""
REPARTITION_RETENTION = 7 * 86_400_000
"""How long blocks wait for their table, in ms; those that were not folded by then are lost, which stops the table."""
CHANGELOG_SLACK = 7 * 86_400_000
"""How much longer than its rows a windowed changelog is retained, in ms."""


def alerts_topic(declaration: Declaration) -> str:
    """Return the topic of alert events that name no other."""
    return declaration.topics.get("alerts") or f"{declaration.app}-alerts"


def dead_letters_topic(declaration: Declaration) -> str:
    """Return the topic of records that could not be used."""
    return declaration.topics.get("dead_letters") or f"{declaration.app}-dead-letters"


def changelog_topic(app: str, table: Table) -> str:
    """Return the changelog topic of a table."""
    return table.changelog or f"{app}-{table.name}-changelog"


def emit_topic(app: str, table: Table) -> str | None:
    """Return the topic of a table's emitted rows; None if it emits none."""
    return None if table.emit.when == "none" else table.to or f"{app}-{table.name}"


def repartition_topic(app: str, table: Table) -> str:
    """Return the topic through which a table's rows go that is keyed otherwise than its stream."""
    return f"{app}-{table.name}-repartition"


def repartition_config() -> dict[str, str]:
    """Return the settings of a repartition topic, by Kafka's names for topics."""
    return {
        "cleanup.policy": "delete",
        "max.message.bytes": str(CHANGELOG_BATCH),
        "retention.ms": str(REPARTITION_RETENTION),
    }


def changelog_config(table: Table) -> dict[str, str]:
    """Return the settings of a table's changelog topic, by Kafka's names for topics."""
    config = {"cleanup.policy": "compact", "max.message.bytes": str(CHANGELOG_BATCH)}
    if table.window is not None:
        lifetime = max(table.window.longest + table.window.grace + table.keep, 2 * (table.within or 0))
        config |= {"cleanup.policy": "compact,delete", "retention.ms": str(lifetime + CHANGELOG_SLACK)}
    return config


def key_label(field: str) -> str:
    """Return the label that a key field becomes."""
    return field.replace(".", "_")
