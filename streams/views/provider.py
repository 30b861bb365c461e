"""What the views ask of their worker: nothing here knows of Kafka, Faust or RocksDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from streams.plan import Plan
    from streams.rules.judge import AlertView
    from streams.runtime.standing import Behind
    from tables.query import Page, Row


class Reader(Protocol):
    """Reads acknowledged rows of one table partition (`tables.query.Reader`); called in threads."""

    def get(self, key: bytes, from_: int | None = None, to: int | None = None) -> list[Row]:
        """Return the rows of a key for the windows that start in `[from_, to)` (ms), oldest first."""

    def latest(self, prefix: bytes = b"", after: bytes | None = None, limit: int = 100) -> Page:
        """Return the row of the latest window of each key with this prefix behind `after`, in the order of keys."""

    def between(
        self,
        from_: int | None,
        to: int | None,
        after: bytes | None = None,
        limit: int = 100,
        prefix: bytes = b"",
    ) -> list[Page]:
        """Return the rows of windows that start in `[from_, to)` (ms) of keys with this prefix behind `after`, by key.

        Raises:
            TooManyWindows: there are more of them than a page can hold.
        """


class Provider(Protocol):
    """One worker of an app."""

    @property
    def plan(self) -> Plan:
        """The plan of the app."""

    @property
    def worker(self) -> str:
        """Base URL of this worker, by which the others know it."""

    def partition_count(self, table: str) -> int:
        """Return the number of partitions of a table, 0 while the broker was not asked."""

    def partitions(self, table: str) -> Mapping[int, tuple[Reader | None, str]]:
        """Return this worker's partitions of a table: reader (None while it must not answer) and state."""

    def followed(self, table: str) -> Mapping[int, tuple[Reader, Behind]]:
        """Return the partitions that this worker follows and does not have: reader, and how old its rows may be."""

    def followers(self, table: str) -> Mapping[str, Collection[int]]:
        """Return base URL -> partitions of a table that each worker of the group follows, this one too."""

    def guess(self, table: str, key: bytes) -> int:
        """Return the partition in which Java's producer would have put the key (murmur2)."""

    def owner(self, table: str, partition: int) -> str | None:
        """Return the base URL of the worker that has a partition, None if that is not known."""

    def alerts(self) -> Iterable[AlertView]:
        """Return the live alerts of this worker's partitions."""

    def lag(self) -> Mapping[str, int | None]:
        """Return how many records of each local input partition are not folded yet, by `topic-partition`."""

    def ready(self) -> tuple[bool, str]:
        """Return whether all assigned partitions are restored and running, and if not, what is waited for."""

    def peers(self) -> Iterable[str]:
        """Return the base URLs of the other workers."""
