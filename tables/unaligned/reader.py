"""Rows of unaligned windows read out of a store: acknowledged state only."""

from __future__ import annotations

from collections import defaultdict
from itertools import compress, groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tables.aggregates.base import Bounds
from tables.query import BUDGET, MOST_ROWS, SEEK, BaseReader, Page, Row, first_keys
from tables.store import cells_of
from tables.unaligned.names import after_key, escaped, of_key, split
from tables.unaligned.span import SPAN, columns_of
from tables.windows import FOREVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tables.shapes import Shapes
    from tables.spec import Table
    from tables.store import Store
    from tables.windows.ends import Ends
    from tables.windows.filled import Filled

    Ints = NDArray[np.int64]
    Cell = tuple[bytes, int, bytes]
    """Key bytes, what tells the cell from others of the key (its first time, ms), and value."""

AT_ONCE = 500
"""Cells that are looked at together."""
T = TypeVar("T", bound=tuple[Any, ...])


class SessionReader(BaseReader):
    """Reads the rows of one table partition with unaligned windows, one cell each.

    Args:
        table: the declared table.
        store: its partition's store.
        steps: of its windows.
        shapes: of the state as its engine writes it; None takes what the store says.
    """

    def __init__(self, table: Table, store: Store, steps: Ends | Filled, shapes: Shapes | None = None) -> None:
        """Look at a store; no cell is read yet."""
        super().__init__(table, store, columns_of(table), shapes)
        self._steps = steps

    def get(self, key: bytes, from_: int | None = None, to: int | None = None, limit: int = MOST_ROWS) -> list[Row]:
        """Return the rows of one key for the windows that start in `[from_, to)`, oldest first.

        Args:
            key: key bytes.
            from_: ms; None is as far back as is kept.
            to: ms; None is as new as there is.
            limit: most windows to look at, the newest.
        """
        prefix = of_key(key)
        cells = [cell for drawer in self._drawers(from_) for cell in self._scan(drawer, prefix=prefix)]
        return self._rows(sorted(self._within(cells, from_, to), key=itemgetter(1))[-limit:])

    def between(  # noqa: PLR0913, PLR0917 - what to look for, and how far
        self,
        from_: int | None,
        to: int | None,
        after: bytes | None = None,
        limit: int = MOST_ROWS,
        prefix: bytes = b"",
        budget: int = BUDGET,
    ) -> list[Page]:
        """Return the rows of the windows that start in `[from_, to)`, by key and time, for at most `limit` keys.

        Args:
            from_: ms; None is as far back as is kept.
            to: ms; None is as new as there is.
            after: only keys after this one.
            limit: most keys.
            prefix: only keys that begin with it.
            budget: most cells to look at, the newest; where it is cut off, the page says that it is not complete.
        """
        found: dict[bytes, list[Cell]] = defaultdict(list)
        ends: list[bytes] = []
        complete = True
        for drawer in reversed(self._drawers(from_)):
            if complete := budget > 0:
                budget -= SEEK + collect(self._scan(drawer, after, escaped(prefix)), limit, budget, found, ends)
        bound = min(ends, default=None)
        page, last = first_keys((key for key in found if bound is None or key < bound), limit)
        last = last or (None if bound is None else max(page, default=None))
        cells = [cell for key in page for cell in sorted(found[key], key=itemgetter(1))]
        return [Page(self._rows(self._within(cells, from_, to)), last, complete)]

    def latest(
        self, prefix: bytes = b"", after: bytes | None = None, limit: int = 100, budget: int = BUDGET
    ) -> Page:  # fmt: skip
        """Return for each key the row of its latest window, in key order; see `Reader.latest`."""
        newest, complete = self._newest(prefix, after, limit, budget)
        page, last = first_keys(newest, limit)
        return Page(self._rows([newest[key] for key in page]), last, complete)

    def closed(self, limit: int = 100, budget: int = BUDGET) -> list[Row]:
        """Return for the first keys the row of their latest closed window."""
        judged = self._judged()

        def are_closed(cells: Sequence[Cell]) -> Iterator[Cell]:
            return compress(cells, self._numbers(cells) < judged)

        newest, _ = self._newest(b"", None, limit, budget, are_closed)
        return self._rows([newest[key] for key in first_keys(newest, limit)[0]])

    def count_keys(self, budget: int = BUDGET) -> tuple[int, bool]:
        """Return how many keys have rows, and whether all windows were searched within the budget."""
        newest, complete = self._newest(b"", None, None, budget)
        return len(newest), complete

    def _newest(
        self, prefix: bytes, after: bytes | None, limit: int | None, budget: int,
        counting: Callable[[Sequence[Cell]], Iterable[Cell]] | None = None,
    ) -> tuple[dict[bytes, Cell], bool]:  # fmt: skip
        """Return key -> its latest cell that counts, for at least the first `limit` keys, and if that is sure."""
        newest: dict[bytes, Cell] = {}
        for drawer in reversed(self._drawers(None) if counting is None else self._closable()):
            here: dict[bytes, Cell] = {}
            cells = self._scan(drawer, after, escaped(prefix))
            while (limit is None or len(here) <= limit) and (some := list(islice(cells, min(AT_ONCE, budget)))):
                budget -= len(some)
                here.update((cell[0], cell) for cell in (some if counting is None else counting(some)))
            newest = here | newest
            budget -= SEEK
            if budget <= 0:
                return newest, False
        return newest, True

    def _closable(self) -> list[int]:
        """Return the drawers that may have closed windows, rising."""
        return [drawer for drawer in self._drawers(None) if self._steps.drawn_to(drawer) < FOREVER]

    def _drawers(self, from_: int | None) -> list[int]:
        """Return the drawers that may have windows that start at `from_` (ms) or later, rising."""
        least = None if from_ is None else self._steps.drawer(self._steps.ending_from(from_))
        return sorted(drawer for drawer, _ in self._store.groups() if least is None or drawer >= least)

    def _scan(self, drawer: int, after: bytes | None = None, prefix: bytes = b"") -> Iterator[Cell]:
        """Yield cells of a drawer by key and time: those of keys after `after` whose names begin with `prefix`."""
        start = None if after is None else after_key(after)
        for name, value in cells_of(self._store, drawer, 0, start, prefix):
            key, first = split(name)
            yield key, first, value

    def _within(self, cells: Iterable[Cell], from_: int | None, to: int | None) -> list[Cell]:
        """Return the cells of windows that start in `[from_, to)`."""
        return [cell for cell in cells if (from_ is None or cell[1] >= from_) and (to is None or cell[1] < to)]

    def _numbers(self, cells: Sequence[Cell]) -> Ints:
        """Return the numbers of the cells' windows."""
        state = self._empty.like()
        rows, _ = state.decode([value for _, _, value in cells])
        numbers: Ints = self._steps.last_of(state.of(SPAN)["last"][rows])
        return numbers

    def _rows(self, cells: Sequence[Cell]) -> list[Row]:
        """Return the rows of cells, in this order."""
        if not cells:
            return []
        state = self._empty.like()
        at, _ = state.decode([value for _, _, value in cells])
        ends = self._steps.last_of(state.of(SPAN)["last"][at])
        firsts = np.array([first for _, first, _ in cells], np.int64)
        keys = [key for key, _, _ in cells]
        return self._listed(keys, state, at, Bounds(firsts, ends), self._steps.drawer(firsts), ends)


def collect(cells: Iterator[T], limit: int | None, budget: int, found: dict[bytes, list[T]], ends: list[bytes]) -> int:
    """Take the cells of the first keys; note the key before which they end, if they do; return how many.

    Args:
        cells: tuples that begin with their key bytes, by key.
        limit: most keys; None is any number.
        budget: after how many cells no other key is begun.
        found: gets the cells by key.
        ends: gets the key from which on cells were left out.
    """
    taken = 0
    for number, (key, group) in enumerate(groupby(cells, key=itemgetter(0))):
        if number == limit or taken >= budget:
            ends.append(key)
            break
        part = list(group)
        found[key] += part
        taken += len(part)
    return taken
