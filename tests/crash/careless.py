"""The worker's app with the skip rule switched off: what was folded before is folded again. The run must notice."""

from __future__ import annotations

from collections.abc import Iterator

from streams.effects import Batch, Write
from streams.table_engine import TableEngine
from streams.worker import app
from tables.records import Origin

__all__ = ["app"]
_fold = TableEngine._fold  # noqa: SLF001 - the rule has no switch, so that no user can turn it off


def _fold_again(engine: TableEngine, batch: Batch) -> Iterator[Write]:
    """Fold a batch as if none of it had been folded."""
    known = engine.progress.origins.get(batch.origin)
    if known is not None and known.z >= batch.lo:
        engine.progress.origins[batch.origin] = Origin(batch.lo - 1, known.watermark, known.idle)
    return _fold(engine, batch)


TableEngine._fold = _fold_again  # type: ignore[assignment,method-assign]  # noqa: SLF001 - as above
