"""A faust.Table whose state lives in cells: Faust knows its changelog, so that assignment and routing do too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import faust
from faust.stores.base import Store
from faust.types import TP, EventT, TopicT

from tables.spec import Table


class CellStore(Store):
    """What Faust sees as the table's store: it holds nothing itself, the partitions' stores do.

    Faust's own recovery is told that there is nothing to recover (`tables.recovery` restores the partitions), and
    nobody can write a single key through it.
    """

    def persisted_offset(self, tp: TP) -> int | None:
        """Return None: the offset stands in the partition's own store."""
        del tp
        return None

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Ignore Faust's idea of the offset: it is written with the cells, in the same atomic write."""

    async def need_active_standby_for(self, tp: TP) -> bool:
        """Return False: Faust runs no standbys for cells."""
        del tp
        return False

    def apply_changelog_batch(
        self, batch: Iterable[EventT], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Refuse single changelog records.

        Raises:
            TypeError: always; `tables.recovery` reads whole record batches.
        """
        raise TypeError(f"the changelog of {self.table_name} is restored by tables.recovery, not by single records")

    def reset_state(self) -> None:
        """Do nothing: there is no state here."""

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Do nothing: the runtime opens and closes the partitions' stores."""

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Do nothing: nothing was recovered here."""

    def __getitem__(self, key: Any) -> Any:
        """Refuse: rows are read through the views.

        Raises:
            KeyError: always.
        """
        raise KeyError(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Refuse single writes.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"rows of {self.table_name} come from its stream; they cannot be set one by one")

    def __delitem__(self, key: Any) -> None:
        """Refuse single deletes.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"rows of {self.table_name} expire by its `keep`; they cannot be deleted one by one")

    def __iter__(self) -> Iterator[Any]:
        """Return an empty iterator."""
        return iter(())

    def __len__(self) -> int:
        """Return 0."""
        return 0

    def __hash__(self) -> int:
        """Return the identity hash: a service is itself."""
        return object.__hash__(self)

    def __bool__(self) -> bool:
        """Return True: the store exists though it is empty for Faust."""
        return True


class CellTable(faust.Table[Any, Any]):
    """A declared table as Faust sees it.

    Args:
        app: the Faust app.
        spec: the declared table.
        changelog: name of its changelog topic.
    """

    def __init__(self, app: Any, *, spec: Table, changelog: str, **options: Any) -> None:
        self.spec = spec
        self._changelog_name = changelog
        super().__init__(app, name=spec.name, key_type=bytes, value_type=bytes, **options)

    def _new_store(self) -> CellStore:
        return CellStore("cells://", self.app, self, table_name=self.name)

    def _changelog_topic_name(self) -> str:
        return self._changelog_name

    async def on_start(self) -> None:
        """Start the store; the changelog topic is made before the app starts, with the source's partitions."""
        await self.add_runtime_dependency(self.data)

    def _new_changelog_topic(self, **options: Any) -> TopicT:
        """Return the changelog topic, which Faust may subscribe to but not create."""
        del options
        return self.app.topic(
            self._changelog_name, key_type=bytes, value_type=bytes, acks=False, internal=False, allow_empty=True
        )

    def __hash__(self) -> int:
        """Return the identity hash: Faust keeps tables in sets."""
        return object.__hash__(self)
