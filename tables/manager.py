"""Faust's table manager, told to leave tables of cells to our own restore."""

from __future__ import annotations

from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP
from faust.types.tables import CollectionT

from tables.table import CellTable


class StockRecovery(Recovery):
    """Recovers the changelogs of stock tables only."""

    def add_active(self, table: CollectionT, tp: TP) -> None:
        """Take a changelog partition to be recovered, unless it holds cells."""
        if not isinstance(table, CellTable):
            super().add_active(table, tp)

    def add_standby(self, table: CollectionT, tp: TP) -> None:
        """Take a changelog partition to be followed, unless it holds cells."""
        if not isinstance(table, CellTable):
            super().add_standby(table, tp)


class CellTableManager(TableManager):
    """Manages stock tables; tables of cells are only known to it."""

    @property
    def recovery(self) -> Recovery:
        """Recovery of stock tables."""
        if self._recovery is None:
            self._recovery = StockRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """Start without Faust's pause of a second: all tables are declared before the app starts."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()
