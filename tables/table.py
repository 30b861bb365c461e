"""A faust.Table whose state lives in cells: Faust knows its changelog, so that assignment and routing do too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import faust
from faust.stores import memory
from faust.types import EventT, TopicT

from tables.spec import Table


class CellStore(memory.Store[Any, Any]):
    """What Faust sees as the table's store: it holds nothing itself, the partitions' stores do.

    Faust's own recovery finds nothing to recover (`tables.recovery` restores the partitions), and nobody can write a
    single key through it.
    """

    def apply_changelog_batch(
        self, batch: Iterable[EventT[Any]], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Refuse single changelog records.

        Raises:
            TypeError: always; `tables.recovery` reads whole record batches.
        """
        del batch, to_key, to_value
        raise TypeError(f"the changelog of {self.table_name} is restored by tables.recovery, not by single records")

    def __setitem__(self, key: Any, value: Any) -> None:
        """Refuse single writes.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"rows of {self.table_name} come from its stream; they cannot be set one by one")

    def __hash__(self) -> int:
        """Return the identity hash: a service is itself."""
        return object.__hash__(self)


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
        help_text = f"{', '.join(spec.aggregates)} by {', '.join(spec.key)}"
        super().__init__(app, name=spec.name, key_type=bytes, value_type=bytes, help=help_text, **options)

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
