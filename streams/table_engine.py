"""The engine of one table partition: batches and ticks in, changelog writes and events out. No clock, no I/O.

It is `Table` of the protocol model (`tests/model/protocol_model.py`), a whole batch at a time; the rules are those of
`deploy/docs/exactly-once.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from streams.cutting import Cutter
from streams.draft import Draft
from streams.effects import Event, Limits, Write
from streams.emit import Emitter
from streams.expiring import Withdrawals
from streams.intake import Receiver
from streams.owed import owed, told
from streams.parts import parts
from streams.rekey.closed import ClosedRows
from streams.rewriting import Rewriting
from streams.room import Room
from streams.stats import TableStats
from streams.updating import Updates
from streams.upgrading import adopt
from tables.ids import Ids
from tables.records import ALERT, NEVER, PROGRESS, Origin, Progress, Record
from tables.shapes import Shapes, shape_key
from tables.unaligned.cells import UnalignedCells

if TYPE_CHECKING:
    from streams.effects import Batch
    from streams.intake import Intake
    from streams.planned import TablePlan
    from streams.rekey.sender import Sender
    from streams.rules.judge import AlertView
    from streams.rules.rows import Rows
    from streams.rules.rule import Change
    from tables.budget import Share
    from tables.cells import Cells
    from tables.loading import Loader
    from tables.store import Store


class TableEngine:
    """One partition of one table.

    All that brings writes is a generator. It is iterated on when the write just yielded is acknowledged, its events
    are too, and it is in the store. One that was not run to its end makes the engine useless: the partition is then
    restored with a new engine. The order of a life is `load`, `start` for each origin without progress, `resume`, and
    then `fold` and `tick`.

    Args:
        plan: of the table.
        partition: its number.
        limits: what one write may hold.
        senders: one for each table that reads its closed rows.
        cells: where they were loaded from the changelog; None makes empty ones.
        share: how much memory its open cells may take; None sets no bound.

    Attributes:
        progress: how far it has come.
        behind: whether the store lacks something: then nothing expires, and no row is withdrawn, yet.
        cells: the open cells.
        stats: what it counts.
        shapes: of its cells, the present one and former ones.
        cutter: says what fits in a write.
        closer: closes windows.
        room: the memory that its open cells have.
        draft: the write that is being filled.
        feeds: sends closed rows to the tables that read them.
        updates: which updated rows go out with a write.
        withdrawals: the expiry of emitted rows.
        ids: of the rows that it counted lately, where the table has some.
        ended: keys whose alerts ended since open rows were judged last.
        on_change: is told each change of an alert, just before it happens.
        on_close: is told the rows of each window that is judged as it closes.
    """

    def __init__(  # noqa: PLR0913 - most have a default
        self, plan: TablePlan, partition: int, limits: Limits | None = None, senders: Sequence[Sender] = (), *,
        cells: Cells | None = None, share: Share | None = None,
    ) -> None:  # fmt: skip
        """Begin without state; `load` must follow."""
        self.plan, self.partition = plan, partition
        self.stats = TableStats()
        self.progress = Progress()
        self.shapes = Shapes()
        self.closer, self.cells, self.judge = parts(self, plan, cells, share)
        self.emitter = Emitter(plan, self.cells.panes)
        self.feeds = ClosedRows(senders, self.cells.panes, self.emitter)
        self.draft = Draft()
        self.ids = Ids(plan.table.within or 0)
        self.ended: set[bytes] = set()
        self.on_change: Callable[[Change], object] = _ignore
        self.on_close: Callable[[Rows], object] = _ignore
        self._receiver = Receiver(self)
        self.cutter = Cutter(self.cells, limits or Limits())
        self.updates, self.withdrawals = Updates(self), Withdrawals(self)
        self.room = Room(self, self.updates)
        self._store: Store | None = None
        self._kept: Store | None = None
        self.behind = False
        self._restored = self._unsent = False
        self._written_by = -1
        self._limits = limits or Limits()
        # Updates go out with each write; eager rules of unaligned windows look again at all that the last one lacks.
        eager = self.judge.eager and isinstance(self.cells, UnalignedCells)
        self._waited_for = bool(self.feeds or self.room or eager or plan.table.emit.when == "update")
        self._rewriting: Rewriting | None = None

    # a life begins

    def load(self, store: Store) -> None:
        """Take the state out of the partition's store, all of `loading`. The engine goes on reading: it stays open."""
        for _ in self.loading(store):
            pass

    def loading(self, store: Store, loader: Loader | None = None) -> Iterator[int]:
        """Do what `load` does in pieces, and yield the number of cells after each, so that others may run between.

        Args:
            store: of the partition.
            loader: has loaded the cells, and what else the changelog says; the store is read later. None reads it now.

        Raises:
            StateMismatch: the state is that of another declaration of the table.
        """
        self._store, self._kept = store, (kept := store if loader is None else loader.kept)
        (value,) = kept.get_many([PROGRESS])
        if value is not None:
            self.progress = Progress.decode(value)
            self._restored, self._written_by = True, self.progress.producer
        self.shapes, new = adopt(self.plan, self.progress, kept)
        if new is not None:
            self.draft.put(shape_key(self.progress.shape), new)
        self.cells.adopt(self.shapes)
        if loader is None:
            self.room.keep()
            yield from self.cells.loading(store, self.progress.before[0])
        else:
            loader.finish()
        self.ids.load(kept, self.progress.watermark)
        self.judge.load(kept, ALERT)

    def start(self, origin: str, z: int) -> Iterator[Write]:
        """Write down that an input begins, before its first event.

        Args:
            origin: the input partition, `topic-partition`.
            z: the offset before the first that will be folded.
        """
        self.progress.origins[origin] = Origin(z)
        yield from self.send()

    def expect(self, origins: Sequence[str]) -> Iterator[Write]:
        """Write down all inputs of a re-keyed table: one that was not heard yet holds the watermark back.

        Inputs that are not among them (of a stream that was renamed) are forgotten.

        Args:
            origins: `topic-partition` each.
        """
        known = self.progress.origins
        expected = {origin: known.get(origin) or Origin(NEVER) for origin in origins}
        if expected != known:
            self.progress.origins = expected
            yield from self.send()

    def resume(self) -> Iterator[Write]:
        """Send the events of the last write again (a write without records), then close what is owed.

        Where the last write was under another producer id, one under ours says that that one's were waited for.
        """
        if self._restored:
            self._restored = False
            store = self._opened()
            events = owed(self, store, self._kept or store)
            if events:
                yield Write(self.progress.n, [], events)
            self._acknowledged()
        self._kept = None
        for record_key in self.judge.orphans:
            self.draft.put(record_key, None)
        self.judge.orphans.clear()
        self.updates.resume()
        yield from self._settle(everything=True)
        yield from self._rest()
        if self.progress.n and self._written_by != self.progress.producer:
            yield from self.send()
        self.room.make()

    def _opened(self) -> Store:
        if self._store is None:
            raise RuntimeError(f"table {self.plan.name}, partition {self.partition}: nothing was loaded")
        return self._store

    # input

    def fold(self, batch: Batch) -> Iterator[Write]:
        """Fold a batch of one origin, close what its watermark passes, judge, and write."""
        return self.fold_all((batch,))

    def fold_all(self, batches: Iterable[Batch], *, hold: bool = False) -> Iterator[Write]:
        """Fold batches, of any origins, one after the other; small ones share a write.

        Args:
            batches: each is asked for when the one before is folded.
            hold: let what they changed last wait for the next write, if nobody but readers of the table waits for it.
        """
        for batch in batches:
            yield from self._fold(batch)
            yield from self.room.pause(len(batch))
        if not (hold and self._holdable):
            yield from self.flush()

    def flush(self) -> Iterator[Write]:
        """Write what is held."""
        if self._unsent:
            yield from self.send(last=not self.room)
            self.room.make()

    @property
    def held(self) -> bool:
        """Whether something is folded that no write has yet; a life that ends now folds it once more."""
        return self._unsent

    @property
    def _holdable(self) -> bool:
        """Whether the write that is filled would bring others nothing: no alert, row, letter, or closed window."""
        draft, progress = self.draft, self.progress
        quiet = not draft and not draft.closed and progress.judged == progress.before
        return quiet and not self._waited_for

    def _fold(self, batch: Batch) -> Iterator[Write]:
        """Fold a batch; what it changes last is left to the next write.

        A part of the batch that fits one write is folded as a whole before anything closes. That is the same as record
        by record: the first window of a row is decided by the running watermark up to that row, so that no row counts
        in a window that a row before it has closed.
        """
        known = self.progress.origins.get(batch.origin) or Origin(NEVER)
        if known.z == NEVER:  # its first batch says where it begins
            known = Origin(batch.lo - 1, known.watermark, known.idle)
        last = batch.hi - 1
        if last < known.z or (last == known.z and not batch.idle):
            self.stats.skipped += len(batch)
            return
        rows = self._receiver.receive(batch, known.z, known.watermark, self.progress.judged[0])
        self.draft.letters += rows.letters
        while (stop := self.cutter.fitting(rows, self.draft)) < len(rows):
            if stop:
                part, rows = rows.split(stop)
                self._take(part, batch.origin)
                yield from self._heard(batch.origin, Origin(int(part.offset[-1]), part.watermark))
            yield from self.send()
        self._take(rows, batch.origin)
        yield from self._heard(batch.origin, Origin(last, rows.watermark, batch.idle))
        self.cutter.reclaim()
        self.room.make()

    def tick(self, watermark: int) -> Iterator[Write]:
        """Advance the table's watermark after silence, in ms: written down first, then windows close."""
        if watermark <= self.progress.watermark:
            return
        self.progress.watermark = watermark
        yield from self.send()
        yield from self._settle()
        yield from self._rest()
        self.room.make()

    def rewrite(self, began: int, floor: int) -> Iterator[Write]:
        """Write a part of what lives again; to be called between batches until `progress.rewritten` says it is done.

        Args:
            began: wall clock, ms; it counts at the first call of a pass only.
            floor: the next offset of the changelog; it counts at the first call of a pass only.
        """
        self._rewriting = self._rewriting or Rewriting(began, floor)
        self._rewriting.fill(self.draft, self._opened(), self._limits)
        if self._rewriting.done(self.progress):
            self._rewriting = None
        yield from self.send()

    def _take(self, rows: Intake, origin: str) -> None:
        """Fold rows. Offsets of several origins are told apart, so that first and last do not hang on arrival."""
        if not len(rows):
            return
        offset, origins = rows.offset, self.progress.origins
        if len(origins) > 1:
            offset = offset * len(origins) + sorted(origins).index(origin)
        self.cells.fold(rows.codes, rows.pane, rows.first, rows.inputs, rows.time, offset)
        if rows.ids is not None:
            self.draft.ids.append(rows.ids[rows.ids["time"] > NEVER])
            self.ids.add(rows.ids, self.progress.watermark)

    def _heard(self, name: str, origin: Origin) -> Iterator[Write]:
        """Note how far an origin has come, and do what follows from it."""
        progress = self.progress
        progress.origins[name] = origin
        least = min((each.watermark for each in progress.origins.values() if not each.idle), default=NEVER)
        progress.watermark = max(progress.watermark, least)
        yield from self._settle()
        self._unsent = True

    def _settle(self, *, everything: bool = False) -> Iterator[Write]:
        """Do what follows from the table's watermark; `everything` judges all open rows, after a restore."""
        yield from self.closer.settle(everything=everything)
        if not self.behind:
            yield from self.withdrawals.settle(self._opened())

    # output

    def full(self, work: Sequence[Change | Event | None]) -> bool:
        """Return whether what one key brings, two records an item at most as a rule, has no room in the write."""
        return self.cutter.full(self.draft, 2 * len(work))

    def enter(self, item: Change | Event | None) -> None:
        """Let a change happen, or a row go out, with the write that is being filled.

        Args:
            item: None is a row that only tables which read this one are told of.
        """
        if item is None:
            self.draft.closed += 1
            return
        if isinstance(item, Event):
            self.draft.rows.append(item)
            return
        self.on_change(item)
        item.rule.apply(item)
        self.draft.change(item)
        for status, _ in item.events:
            self.stats.alerts[item.rule.plan.id, status] += 1
        if item.after is None and item.rule.plan.judge == "update":
            self.ended.add(item.key)

    def send(self, *, last: bool = False) -> Iterator[Write]:
        """Yield the write as it is filled, and begin the next one; `last` says that nothing is computed behind it."""
        write = self._write(last=last)
        self._unsent = False
        yield write
        self._acknowledged()

    def _rest(self) -> Iterator[Write]:
        if self.draft or self.progress.judged != self.progress.before:
            yield from self.send()

    def _acknowledged(self) -> None:
        self.progress.before, self.progress.withdrawn_before = self.progress.judged, self.progress.withdrawn
        self.cells.evict(self.progress.before[0])
        self.updates.acknowledged()

    def _write(self, *, last: bool) -> Write:
        """Return the records of one write, progress last, and what it owes."""
        progress, draft = self.progress, self.draft
        size = draft.size + draft.id_bytes + self.cells.pending_bytes
        self.draft = Draft()
        progress.n += 1
        self._written_by = progress.producer
        rows = self.updates.rows() + draft.rows
        blocks, letters = told(self)
        records = self.cells.flush(progress.n)
        records.others += draft.encode(progress.n)
        if draft.id_bytes:
            records.others.append(self.ids.written(progress.n, np.concatenate(draft.ids)))
        records.others += self.withdrawals.tombstones(None if self.behind else self._store, len(records), size)
        records.others.append(Record(PROGRESS, progress.encode()))
        self.stats.wrote(records, len(rows))
        events = [event for event, _ in draft.owed] + rows + blocks
        return Write(progress.n, records, events, draft.letters + letters, last)

    # what others look at

    def idle(self) -> list[Event]:
        """Return, once in a silence, what tells the tables that read this one that nothing is open or comes."""
        return self.feeds.idle(self.progress) if self.feeds and self.closer.next_close() is None else []

    def next_close(self) -> int | None:
        """Return the least watermark (ms) at which anything would close or change by time; None if nothing would."""
        found = [self.closer.next_close(), self.updates.next()]
        if self.withdrawals.wanted and not self.behind:
            found.append(self.cells.next_expiry())
        return min((each for each in found if each is not None), default=None)

    def last_close(self) -> int | None:
        """Return the watermark (ms) at which the last open window that has a row closes; None if there is none."""
        return self.closer.last_close()

    def alerts(self) -> list[AlertView]:
        """Return the live alerts, by rule and key."""
        return self.judge.views()


def _ignore(seen: Change | Rows) -> None:
    del seen
