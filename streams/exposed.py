"""The exposed rows of tables: which ones /metrics shows, and no more of them than a scrape can bear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tables.keys import key_values
from tables.store import StoreError

if TYPE_CHECKING:
    from streams.plan import TablePlan
    from tables.query import Row
    from tables.reading import AnyReader

MAX_SERIES = 1000
"""Most series of one exposed column and worker; `streams_exposed_truncated_partitions` says when it bit."""


@dataclass(frozen=True)
class Exposed:
    """What a worker exposes of one table, taken in the event loop and read in a thread.

    Args:
        plan: of the table.
        readers: of its running partitions.
    """

    plan: TablePlan
    readers: Sequence[AnyReader]

    @property
    def labels(self) -> list[str]:
        """Return the label names: the key fields."""
        return [label for label, _ in self.plan.key_labels]

    def read(self, most: int = MAX_SERIES) -> tuple[list[Row], int]:
        """Return the rows, and how many partitions had more of them; blocking.

        Args:
            most: most rows over all partitions.
        """
        rows: list[Row] = []
        cut_off = 0
        for reader in self.readers:
            room = most - len(rows)
            try:
                found = _rows(reader, room + 1)
            except StoreError:  # the partition goes to another worker, which exposes it
                continue
            cut_off += len(found) > room
            rows += found[:room]
        return rows, cut_off

    def samples(self, rows: Iterable[Row]) -> Mapping[str, list[tuple[list[str], float]]]:
        """Return label values and value of each row by exposed column; a null, or a text, is no sample."""
        columns: dict[str, list[tuple[list[str], float]]] = {column: [] for column in self.plan.table.expose}
        for row in rows:
            key = [str(part) for part in key_values(row.key, len(self.plan.key_labels))]
            for column, samples in columns.items():
                value = row.values.get(column)
                if isinstance(value, int | float):
                    samples.append((key, float(value)))
        return columns


def _rows(reader: AnyReader, limit: int) -> list[Row]:
    """Return the first rows of the latest closed window; of a table without window, its totals."""
    return reader.latest(limit=limit).rows if reader.table.window is None else reader.closed(limit)
