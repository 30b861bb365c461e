"""A partition of a table whose declaration was changed: which kept state it may go on with, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tables.records import NEVER
from tables.shapes import Shapes, difference, evolved, kept_shapes
from tables.windows.counted import Counted

if TYPE_CHECKING:
    from streams.planned import TablePlan
    from tables.records import Progress
    from tables.shapes import Difference, Shape
    from tables.store import Store

_WORDS = {
    "key": "the key",
    "window": "the window",
    "time": "the event time",
    "where": "a condition (where)",
    "derive": "a derived field of the key or of a condition",
    "tables": "a table that it reads",
    "join": "a join with a lookup",
    "unique": "what is unique",
    "rekeyed": "the partitions in which its keys lie (re-keyed or not)",
}


class StateMismatch(ValueError):  # noqa: N818 - the name says what is the matter
    """The kept state is that of another declaration of the table."""


def adopt(plan: TablePlan, progress: Progress, store: Store) -> tuple[Shapes, bytes | None]:
    """Return the shapes of a partition's state as its table is declared now.

    Args:
        plan: of the table.
        progress: of the state; its `shape`, `base` and `fingerprint` become those of the plan.
        store: of the partition.

    Returns:
        The shapes, and the record value of the present one if it is new and has to be written with the next write.

    Raises:
        StateMismatch: the state is of a table that this one cannot go on from.
    """
    all_shapes = kept_shapes(store)
    last = all_shapes.get(progress.shape)
    new = None
    if last is None and progress.fingerprint:
        raise StateMismatch(f"table {plan.name}: its state does not say what it is; forget it with `streams reset`")
    if last is None:
        all_shapes[0] = new = plan.shape
    elif not last.same(plan.shape):
        progress.shape = max(all_shapes) + 1
        all_shapes[progress.shape] = new = _follow(plan, last, progress, store)
    progress.base, progress.fingerprint = plan.shape.base_digest, plan.fingerprint
    return Shapes.of(all_shapes, progress.shape), None if new is None else new.encode()


def _follow(plan: TablePlan, last: Shape, progress: Progress, store: Store) -> Shape:
    """Return the declared shape as it goes on from the last one."""
    changed = difference(last, plan.shape).base
    if changed:
        raise StateMismatch(
            f"table {plan.name}: its kept state is of another declaration: {words(changed)} changed. A worker that is "
            f"started now begins a changelog of its own for it (see `streams plan`); this one must be restarted"
        )
    return evolved(last, plan.shape, progress.shape, _boundary(plan, progress, store))


def _boundary(plan: TablePlan, progress: Progress, store: Store) -> int:
    """Return the first pane of which nothing was seen yet; of windows of rows, the number of the next one to begin."""
    if isinstance(plan.table.window, Counted):
        return progress.judged[0]
    seen = [pane for pane, _ in store.groups()]
    return max(seen) + 1 if plan.table.window is not None and seen else NEVER


def words(names: tuple[str, ...]) -> str:
    """Return the names of a base's parts as words."""
    return " and ".join(_WORDS.get(name, name) for name in names)


def told(changed: Difference) -> str:
    """Return in words what becomes of the columns."""
    parts = []
    if changed.added:
        parts.append(f"begins {', '.join(changed.added)}")
    if changed.removed:
        parts.append(f"forgets {', '.join(changed.removed)}")
    return " and ".join(parts) or "keeps its columns, and writes them in another order or form"
