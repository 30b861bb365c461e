"""Where the reading of an input partition starts (DESIGN section 5, rule 6)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.table_engine import TableEngine

log = logging.getLogger(__name__)


def start_offset(
    origin: str, engines: Sequence[TableEngine], committed: int | None, first: int, *, rekeyed: bool
) -> int:  # fmt: skip
    """Return the least progress of the tables; the commit if none has any, or if it is less and rows are re-keyed.

    Args:
        origin: the input partition, `topic-partition`.
        engines: of the tables that it feeds, loaded.
        committed: the offset that the group has committed; None for none.
        first: stands for the commit where there is none.
        rekeyed: whether rows of it are sent on to re-keyed tables.
    """
    known = [engine.progress.origins.get(origin) for engine in engines]
    have = [progress.z + 1 for progress in known if progress is not None]
    for engine, progress in zip(engines, known, strict=True):
        if progress is None and committed is not None:
            log.error(
                "%s: offset %d is committed, but table %s has no state in its changelog: it starts empty there. "
                "If it is not new, its state was lost; to count what the topic still has, set the group's offsets "
                "back (kafka-consumer-groups --reset-offsets --to-earliest) while no worker runs",
                origin,
                committed,
                engine.plan.table.name,
            )
    commit = first if committed is None else committed
    return min([*have, commit]) if rekeyed else min(have, default=commit)
