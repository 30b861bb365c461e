# fmt: off
"""Executable specification of the exactly-once state protocol (rules 1-10), checked by seeded random schedules.

One seed is one schedule: owners of partitions take batches of any size, are killed at any step, are overtaken while
they go on (zombies), their produces land late, fail, or land while the acknowledgement is lost; changelogs are compacted
at any time, local stores survive or not, commits lag. At the end everything is restored once more from the compacted
changelogs alone and compared with an oracle that folds the input once. `Rules` has one switch for each part of a rule:
`check` runs with all on; `without NAME` shows what that part prevents.

    python protocol_model.py check 100000 [--seed S]             every rule on
    python protocol_model.py without NAME[,NAME] 2000 [--seed S]  those parts off; prints the smallest failing schedule
    python protocol_model.py mutants 1000                        each part off in turn
    python protocol_model.py show SEED [NAME ...]                the trace of one schedule
"""
import random
import sys
from dataclasses import dataclass, fields, replace

STEP = 10                                   # length of a pane; a window is `span` panes, it ends with its last step
PARTS = (0, 1)                              # partitions of the input topic, and of the repartition topic
NEVER = -1


@dataclass(frozen=True)
class Rules:
    fence: bool = True          # 2  the broker refuses an epoch older than the last claim
    claim_first: bool = True    # 2  claim, then restore
    wait_other: bool = True     # 2  the last writes under another producer id, which no epoch fences, are waited for
    wait_again: bool = True     # 2  ... by the last write, or the first claim: who claimed last may not have waited
    one_batch: bool = True      # 3  a write lands whole or not at all
    one_in_flight: bool = True  # 3  nothing is handed over before the write in front of it is acknowledged
    events_acked: bool = True   # 3  ... and its events are
    cut_steps: bool = True      # 3  a write is also cut between steps and between keys of one step
    late_tombs: bool = True     # 3  a tombstone only for a cell whose windows were all judged in an earlier write
    origin_vector: bool = True  # 4  progress has z and watermark of every origin
    origin_idle: bool = True    # 4  ... and whether it is idle
    table_wm: bool = True       # 4  ... and the table's own watermark, which never goes back
    judged: bool = True         # 4  ... and the last step (and key) judged
    state_first: bool = True    # 5  state, then events
    outbox: bool = True         # 5  alert events of the last write are sent again after a restore
    rows_again: bool = True     # 5  closed and updated rows of the last write are, too
    out_slots: bool = True      # 5  an outbox record's key is its index in the write, not the alert
    store_last: bool = True     # 5  the local store is written after the acknowledgements
    store_own: bool = True      # 5  its offset is that after the own last record, not the end of the changelog
    store_age: bool = True      # 5  a store older than the tombstones is not used
    start_min: bool = True      # 6  reading starts at the least progress of the tables, not at the commit
    start_commit: bool = True   # 6  ... and not behind the commit if the input is re-keyed
    commit_first: bool = True   # 6  the commit is read before the claim (else it may be ahead of what was restored)
    new_first: bool = True      # 6  a new table writes its progress before its first event
    skip_z: bool = True         # 6  8  offsets <= z are skipped
    close_owed: bool = True     # 6  steps between judged and watermark are closed before anything is read
    tick_first: bool = True     # 7  a tick is acknowledged as progress before it closes anything
    blocks_all: bool = True     # 8  each batch sends a block to every destination
    blocks_acked: bool = True   # 8  the range is released after the blocks are acknowledged
    row_running: bool = True    # 8  each row carries its origin's running watermark
    running_anew: bool = True   # 8  after a restart that runs from nothing, and the receiver takes the greater
    own_origin: bool = True     # 8  lateness by the own origin, not by the minimum
    closed_stays: bool = True   # 8  ... but a window that is closed (an idle origin, a tick) stays closed
    idle_fresh: bool = True     # 8  a block behind z says nothing, not even idle
    first_block: bool = True    # 8  an origin's first block sets its z, whatever its lo
    row_ids: bool = True        # 9  closed rows: (table, partition, window end, key)
    update_n: bool = True       # 9  updated rows: the same and n, the greatest counts
    second_cell: bool = True    # section 7: late for some windows of the pane only, so in a cell of its own


@dataclass(frozen=True)
class Shape:
    span: int                   # panes per window: 1 tumbling, 2 or 3 hopping
    grace: int
    hold: int                   # `for`, in steps
    keep: int
    limit: int                  # records per write
    idle: bool                  # whether origins ever say `idle`


class Stopped(Exception):
    pass


class Log:
    """A topic partition: (offset, key, value). Compaction keeps the last record of each key."""
    def __init__(self, name):
        self.name, self.records, self.end, self.epochs, self.dropped, self.pid = name, [], 0, {}, 0, 0

    def append(self, records):
        for key, value in records:
            self.records.append((self.end, key, value))
            self.end += 1

    def compact(self, upto, drop_tombs):
        if not any(key == ("progress",) for _, key, _ in self.records):
            return                              # claims alone: what is compacted is older than any wait
        last = {key: offset for offset, key, _ in self.records if offset < upto}
        gone = {o for o, key, value in self.records if drop_tombs and o < upto and value is None and last[key] == o}
        self.dropped = max([self.dropped, *(offset + 1 for offset in gone)])
        self.records = [r for r in self.records if r[0] >= upto or (last[r[1]] == r[0] and r[0] not in gone)]


class Table:
    """The pure engine of one table partition. A block is (origin, lo, hi, rows, watermark, idle), a row (offset, key,
    time, running watermark). A generator yields where the write is full: write, acknowledge, go on."""
    def __init__(self, name, origins, shape, rules):
        self.name, self.origins, self.shape, self.rules = name, origins, shape, rules
        self.has_alerts, self.emits = name == "A", {"A": "closed", "B": "closed", "C": "updates"}[name]
        self.cells, self.alerts, self.outbox = {}, {}, {}    # (key, pane, first) -> (n, events); key -> (status, since)
        self.z, self.idle, self.wm = {}, set(), dict.fromkeys(origins, NEVER)
        self.table_wm, self.n = NEVER, 0
        self.producer, self.written_by, self.claims = None, None, []    # producer ids: ours, the last write's, of claims
        self.judged = self.before = (0, "")     # (step, key): before this all is judged; `before` is that of write n - 1
        self.fresh()

    def fresh(self):
        self.rows, self.updated, self.events, self.dirty, self.dirty_alerts = [], [], [], set(), set()
        self.unsent = False                                  # whether something is folded that no write has

    def passed(self, watermark):                             # the first step that this watermark does not close
        return (watermark - self.shape.grace) // STEP

    def holdable(self):
        """Rule 3: whether nobody waits for the write, so that what is folded next may go with it."""
        told = self.rows or self.events or self.dirty_alerts or self.judged != self.before
        return self.emits == "closed" and not told

    def full(self):
        return len(self.dirty) + len(self.dirty_alerts) + len(self.events) + 3 > self.shape.limit

    def heard(self, origin, z, watermark, idle):
        self.z[origin], self.wm[origin], self.unsent = z, max(self.wm[origin], watermark), True
        (self.idle.add if idle else self.idle.discard)(origin)
        least = min((w for o, w in self.wm.items() if o not in self.idle), default=NEVER)
        self.table_wm = max(self.table_wm, least)            # rule 4: if all are idle only a tick moves it

    def fold(self, block):
        rules, (origin, lo, hi, rows, watermark, idle) = self.rules, block
        if self.z.setdefault(origin, lo - 1 if rules.first_block else NEVER) < lo - 1:
            raise AssertionError(f"{self.name}: gap before {block}")                                    # rule 8
        began = self.z[origin]
        for offset, key, time, running in rows:
            if offset <= self.z[origin] and rules.skip_z:                                               # rules 6, 8
                continue
            if self.full():
                yield
            old, pane, last = self.table_wm, time // STEP, time // STEP + self.shape.span - 1
            self.heard(origin, offset, running if rules.row_running else NEVER, False)
            first = max(pane, self.passed(self.wm[origin] if rules.own_origin else old))                # section 3
            if rules.closed_stays:
                first = max(first, self.judged[0])
            if first <= last:
                cell = (key, pane, first if rules.second_cell else pane)
                self.cells[cell] = (0, tuple(sorted(self.cells.get(cell, (0, ()))[1] + ((origin, offset),))))
                self.dirty.add(cell)
            yield from self.close()
        if hi - 1 > began or idle and (hi - 1 == began or not rules.idle_fresh):
            self.heard(origin, max(began, hi - 1), watermark, idle)
            yield from self.close()

    def window(self, step):
        found = {}
        for (key, pane, first), (_, events) in self.cells.items():
            if step - self.shape.span < pane <= step and first <= step:
                found[key] = tuple(sorted(found.get(key, ()) + events))
        return found

    def close(self):
        while self.judged[0] < self.passed(self.table_wm):
            step, found = self.judged[0], self.window(self.judged[0])
            for key in sorted(set(found) | set(self.alerts)):
                if (step, key) > self.judged:
                    if self.full() and self.rules.cut_steps:
                        yield
                    if key in found and self.emits == "closed":
                        self.rows.append((step, key, found[key]))
                    if self.has_alerts:
                        self.judge(step, key, len(found.get(key, ())) >= 2)
                    self.judged = (step, key)
            self.judged = (step + 1, "")

    def judge(self, step, key, holds):                       # section 4
        old = status, since = self.alerts.get(key, ("inactive", NEVER))
        if holds:
            if status == "inactive":
                status, since = "pending", step
            if status == "pending" and step - since >= self.shape.hold:
                status, since = "firing", step
                self.events.append((key, since, "firing"))
            self.alerts[key] = (status, since)
        else:
            if status == "firing":
                self.events.append((key, since, "resolved"))
            self.alerts.pop(key, None)
        if self.alerts.get(key, ("inactive", NEVER)) != old:
            self.dirty_alerts.add(key)

    def flush(self):
        """Rule 3: the records of one write, progress last."""
        self.n += 1
        for cell in self.dirty:
            self.cells[cell] = (self.n, self.cells[cell][1])
        records = [(("cell", *cell), self.cells[cell]) for cell in sorted(self.dirty)]
        records += [(("alert", key), self.alerts.get(key)) for key in sorted(self.dirty_alerts)]
        records += [(("out", i if self.rules.out_slots else event[0]), (self.n, event))
                    for i, event in enumerate(self.events)]
        self.updated = self.updates()
        for cell in sorted(self.cells):
            end = cell[1] + self.shape.span                  # the step after the cell's last window
            judged = (self.before if self.rules.late_tombs else self.judged)[0]
            if end <= judged and end * STEP + self.shape.keep <= self.table_wm and len(records) + 1 < self.shape.limit:
                del self.cells[cell]
                records.append((("cell", *cell), None))
        if len(records) + 1 > self.shape.limit:
            raise AssertionError(f"{self.name}: a write of {len(records) + 1} records is too large")
        return [*records, self.progress()]

    def progress(self):
        wm = dict(self.wm) if self.rules.origin_vector else dict.fromkeys(self.wm, min(self.wm.values()))
        idle = frozenset(self.idle if self.rules.origin_idle else ())
        return ("progress",), (self.n, dict(self.z), wm, idle, self.table_wm, self.judged, self.before, self.producer)

    def load(self, key, value):
        if key[0] == "progress":
            self.n, z, wm, idle, self.table_wm, self.judged, self.before, self.written_by = value
            self.z, self.wm, self.idle = dict(z), dict(wm), set(idle)
            if not self.rules.table_wm:
                self.table_wm = min((w for o, w in wm.items() if o not in idle), default=NEVER)
            if not self.rules.judged:
                self.judged = self.before = (max(0, self.passed(self.table_wm)), "")
        elif key[0] == "claim":
            self.claims.append(value[1])
        else:
            state = {"cell": self.cells, "alert": self.alerts, "out": self.outbox}[key[0]]
            name = key[1:] if key[0] == "cell" else key[1]
            state.pop(name, None) if value is None else state.update({name: value})

    def owed(self):
        """Rule 5: what the last write may still owe, from the restored state alone."""
        if self.rules.outbox:
            self.events = [event for _, (n, event) in sorted(self.outbox.items()) if n == self.n]
        if self.rules.rows_again and self.emits == "closed":
            for step in range(self.before[0], self.judged[0] + 1):
                self.rows += [(step, key, events) for key, events in sorted(self.window(step).items())
                              if self.before < (step, key) <= self.judged]
        if self.rules.rows_again:
            self.dirty = {cell for cell, (n, _) in self.cells.items() if n == self.n}
        self.updated = self.updates()

    def updates(self):
        steps = {(s, key) for key, pane, first in self.dirty for s in range(first, pane + self.shape.span)}
        return [(step, key, self.n, self.window(step).get(key, ())) for step, key in sorted(steps)]

    def image(self):
        return dict(self.cells), dict(self.alerts), self.progress()[1][:6] + (self.judged, self.producer)


class Owner:
    """One life of one worker on one partition: a generator that stops at every step where it can be killed."""
    def __init__(self, world, task, host, tables):
        self.world, self.task, self.rules, self.rng, self.host = world, task, world.rules, world.rng, host
        (self.topic, self.part), self.names, self.number = task, tables, world.next()
        self.id = f"{self.topic}{self.part}#{self.number}"
        self.flights, self.idle, self.start, self.running, self.ends, self.loose = [], False, 0, NEVER, {}, []
        self.said_idle, self.epochs = False, {}
        self.life = self.run()

    def run(self):
        world, rng = self.world, self.rng
        self.committed = world.committed.get(self.task) if self.rules.commit_first else None     # rule 6: before the claim
        self.tables = [world.table(name, self.part) for name in self.names]
        steps = (self.claim, self.restore) if self.rules.claim_first else (self.restore, self.claim)       # rule 2
        for step in steps:
            yield from step()
        if self.rules.wait_other and any(map(self.escapes, self.tables)):
            while any(map(self.unfenced, self.tables)):
                yield
            self.tables = [world.table(name, self.part) for name in self.names]
            for step in steps:
                yield from step()
        self.begin()
        for table in self.tables:
            if self.topic == "in" and not table.z:           # rule 6: a new table
                table.z = {self.part: self.start - 1}
                if self.rules.new_first:
                    yield from self.write(table)
            else:
                table.owed()
                yield from self.send(table)                  # rule 5
                table.fresh()
                table.before = table.judged
            if self.rules.close_owed:
                yield from self.drain(table, table.close())  # rule 6
                if table.judged != table.before or table.written_by not in {None, table.producer}:
                    yield from self.write(table)         # it says that the former producer was waited for
        while True:
            batch = self.read()
            self.idle = not batch and not self.held()
            if not batch:
                yield
                for table in self.tables:                    # rule 3: what is held is written before a tick
                    if table.unsent:
                        yield from self.write(table)
                if world.faults and rng.random() < 0.3:
                    yield from self.silent()
                continue
            self.said_idle = False
            blocks = self.rekey(batch[0]) if self.topic == "in" else []
            late = rng.random() < 0.5                        # blocks before or after the writes: both are right
            if blocks and not late:
                yield from self.produce(blocks)
            for table in self.tables:
                for block in batch:
                    yield from self.drain(table, table.fold(block))
                if self.topic == "re" or not table.holdable() or rng.random() < 0.5:
                    yield from self.write(table)
            if not self.rules.blocks_acked:
                self.commit()
                yield
            if blocks and late:
                yield from self.produce(blocks)
            yield
            if not self.held():
                self.commit()                                # rules 1, 5, 8: released

    def held(self):
        return any(table.unsent for table in self.tables)

    def drain(self, table, work):
        for _ in work:
            yield from self.write(table)

    def read(self):
        size = self.rng.choice((1, 1, 2, 3, 5, 8))
        if self.topic == "re":
            batch = [value for _, _, value in self.world.repartition[self.part].records[self.pos:self.pos + size]]
            self.pos += len(batch)
            return batch
        events = [event for event in self.world.arrived[self.part] if event[0] >= self.pos][:size]
        if not events:
            return []
        lo, self.pos = self.pos, events[-1][0] + 1
        return [(self.part, lo, self.pos, tuple((o, key, time, time) for o, key, time, _ in events), NEVER, False)]

    def begin(self):                                         # rule 6
        for table in self.tables:
            table.producer = self.epochs[self.world.changelog(table.name, self.part).name][0]
        commit = self.committed if self.rules.commit_first else self.world.committed.get(self.task)
        if self.topic == "re":
            self.pos = commit or 0                           # z of the origins drops what was folded
            return
        commit = self.world.input[self.part][0][0] if commit is None else commit
        known = [table.z[self.part] + 1 for table in self.tables if table.z]
        starts = (known if self.rules.start_min else []) + ([commit] if self.rules.start_commit or not known else [])
        self.pos = self.start = min(starts) if starts else commit
        if not self.rules.running_anew:
            self.running = self.tables[0].wm[self.part]

    def claim(self):
        for table in self.tables:
            log = self.world.changelog(table.name, self.part)
            if self.world.faults and log.name not in self.epochs and self.rng.random() < 0.05:
                log.pid += 1                                 # the broker has forgotten the id
            self.epochs[log.name] = log.pid, self.world.next()
            yield from self.produce([(log, [(("claim",), (self.number, log.pid))], True)])

    def restore(self):
        for table in self.tables:
            log = self.world.changelog(table.name, self.part)
            image, offset = self.world.stores.get((self.host, table.name, self.part), (None, 0))
            if image and (offset >= log.dropped or not self.rules.store_age):
                table.cells, table.alerts = dict(image[0]), dict(image[1])
                table.load(("progress",), image[2])
            else:
                offset = 0
            for at, key, value in log.records:
                if at >= offset:
                    table.load(key, value)
            self.ends[log.name] = log.end
            yield

    def escapes(self, table):
        """Whether writes of an earlier owner may be on their way that our claim does not fence."""
        ours = self.epochs[self.world.changelog(table.name, self.part).name][0]
        if not self.rules.wait_again:
            return table.claims[-2:-1] not in ([], [ours])
        return (table.claims[0] if table.written_by is None else table.written_by) != ours

    def unfenced(self, table):
        """Whether such an owner, or a write of one, is still there: the wait is as long as both can live."""
        log, world = self.world.changelog(table.name, self.part), self.world
        pid, epoch = self.epochs[log.name]
        others = [owner.epochs.get(log.name, (pid, 0)) for owner in [*world.owner.values(), *world.zombies]]
        others += [flight.key for flight in world.flights if flight.log is log and flight.fenced]
        return any(other != pid and number < epoch for other, number in others)

    def silent(self):
        """The input is read to its end. An origin says so to B; a table whose inputs are all idle takes a tick."""
        if self.topic == "in" and self.world.shape.idle and not self.said_idle and self.rng.random() < 0.5:
            self.said_idle = True
            block = (self.part, self.pos, self.pos, (), self.running, True)
            yield from self.produce([(self.world.repartition[dest], [(None, block)], False) for dest in PARTS])
            return
        table = self.rng.choice(self.tables)
        if self.topic == "re" and len(table.idle) < len(PARTS) or not table.z or self.rng.random() < 0.5:
            return
        moved = max(table.table_wm, 0) + self.rng.choice((5, 15, 25))
        self.ticking = (table.name, self.part, dict(table.z), moved)
        table.table_wm = moved
        if self.rules.tick_first:                            # rule 7
            yield from self.write(table, self.ticking)
            yield from self.drain(table, table.close())
            yield from self.write(table)
        else:
            for _ in table.close():
                pass
            yield from self.send(table)
            yield from self.write(table, self.ticking)

    def rekey(self, block):                                  # rule 8
        rows, (origin, lo, hi, source, _, _) = {dest: [] for dest in PARTS}, block
        for offset, _, time, _ in source:
            self.running = max(self.running, time)
            other = self.world.others[origin, offset]
            rows[other % len(PARTS)].append((offset, f"k{other}", time, self.running))
        return [(self.world.repartition[dest], [(None, (origin, lo, hi, tuple(part), self.running, False))], False)
                for dest, part in rows.items() if part or self.rules.blocks_all]

    def write(self, table, tick=None):
        """Rules 3 and 5: one batch, acknowledged; its events, acknowledged; the local store."""
        log, rules = self.world.changelog(table.name, self.part), self.rules
        if not rules.state_first:
            table.n += 1
            table.updated = table.updates()
            table.n -= 1
            yield from self.send(table)
        records = table.flush()
        if not rules.store_last:
            self.world.stores[self.host, table.name, self.part] = (table.image(), log.end)
        parts = [records] if rules.one_batch else [records[i:i + 2] for i in range(0, len(records), 2)]
        for part in parts:
            job = [(log, part, True, tick, table)]
            if rules.one_in_flight or self.rng.random() < 0.5:
                yield from self.produce(job)
            else:
                self.loose.append(self.world.launch(self, *job[0]))
                yield
        if rules.state_first and rules.events_acked:
            yield from self.send(table)
        elif rules.state_first:
            self.loose += [self.world.launch(self, *job) for job in self.outgoing(table)]
        table.before = table.judged
        table.fresh()
        offset = self.ends.get(log.name, 0) if rules.store_own else log.end
        self.world.stores[self.host, table.name, self.part] = (table.image(), offset)
        yield

    def outgoing(self, table):
        rows = [(None, row) for row in (table.updated if table.emits == "updates" else table.rows)]
        jobs = [(self.world.emitted[table.name, self.part], rows, False)] if rows else []
        events = [(None, (self.part, *event)) for event in table.events]
        return jobs + ([(self.world.alerted, events, False)] if events else [])

    def send(self, table):
        yield from self.produce(self.outgoing(table))

    def produce(self, jobs):
        flights = [self.world.launch(self, *job) for job in jobs]
        while not all(flight.done for flight in flights):
            yield
        if any(flight.failed for flight in flights + [f for f in self.loose if f.done]):
            raise Stopped
        self.loose = [flight for flight in self.loose if not flight.done]

    def commit(self):
        if (self.world.owner.get(self.task) is self or self.rng.random() < 0.3) and self.rng.random() < 0.7:
            self.world.committed[self.task] = self.pos


class Flight:
    def __init__(self, owner, log, records, fenced, tick, table):
        self.owner, self.log, self.records, self.fenced, self.tick, self.table = owner, log, records, fenced, tick, table
        self.done = self.failed = False
        self.key = owner.epochs.get(log.name, (0, 0)) if fenced else None          # producer id and epoch


class World:
    def __init__(self, seed, rules, trace=False):
        self.rng = rng = random.Random(seed)
        self.rules, self.trace, self.faults, self.count, self.fault_count = rules, [] if trace else None, True, 0, 0
        self.shape = Shape(rng.choice((1, 1, 2, 3)), rng.choice((0, 5)), rng.choice((0, 1)), rng.choice((0, 10, 20)),
                           rng.choice((4, 5, 7, 99)), rng.random() < 0.4)
        self.input, self.others, self.fresh_hosts = {}, {}, rng.choice((0.1, 0.5))
        for part in PARTS:
            time, offset, keys = rng.randrange(0, 8), rng.choice((0, 0, 3)), rng.choice(("a", "ab", "abc"))
            self.input[part] = []
            for _ in range(rng.randrange(2, 11)):
                time += rng.choice((0, 2, 4, 8, 14, 30) if rng.random() < 0.9 else (50,))
                at = max(0, time - rng.choice((0, 0, 0, 5, 12, 25)))
                self.others[part, offset] = rng.randrange(4)                 # the key that B groups by
                self.input[part].append((offset, rng.choice(keys), at, self.others[part, offset]))
                offset += rng.choice((1, 1, 1, 2))                           # rule 1: holes
        self.arrived = {part: [] for part in PARTS}
        self.repartition = {dest: Log(f"repartition{dest}") for dest in PARTS}
        self.emitted = {(name, part): Log(f"emitted-{name}{part}") for name in "ABC" for part in PARTS}
        self.alerted, self.changelogs, self.stores, self.committed = Log("alerts"), {}, {}, {}
        self.flights, self.owner, self.zombies, self.hosts, self.ticks, self.began = [], {}, [], 0, [], {}
        self.tasks = [("in", part) for part in PARTS] + [("re", dest) for dest in PARTS]

    def note(self, text):
        if self.trace is not None:
            self.trace.append(text)

    def next(self):
        self.count += 1
        return self.count

    def changelog(self, name, part):
        return self.changelogs.setdefault((name, part), Log(f"changelog-{name}{part}"))

    def table(self, name, part):
        return Table(name, PARTS if name == "B" else (part,), self.shape, self.rules)

    # what can happen

    def launch(self, owner, log, records, fenced=False, tick=None, table=None):
        flight = Flight(owner, log, records, fenced, tick, table)
        self.flights.append(flight)
        owner.flights.append(flight)
        return flight

    def land(self, flight):
        owner, log, records, dice = flight.owner, flight.log, flight.records, self.rng.random() if self.faults else 1
        flight.done = True
        self.flights.remove(flight)
        if flight.fenced and self.rules.fence and log.epochs.get(flight.key[0], 0) > flight.key[1]:     # rule 2
            flight.failed = True
            self.note(f"{owner.id}: {log.name} refuses {records}")
            return
        if dice < 0.02:                                      # never lands, or lands with the acknowledgement lost
            flight.failed = True
            self.fault_count += 1
            records = records if dice < 0.01 else [] if flight.fenced else records[:self.rng.randrange(len(records))]
        elif dice < 0.04 and not flight.fenced:
            records = records * 2                            # sent twice
        self.note(f"{owner.id}: {log.name}@{log.end} {records}{' FAILED' * flight.failed}")
        log.append(records)
        if flight.fenced and records:
            owner.ends[log.name] = log.end
            if flight.table is None:
                log.epochs[flight.key[0]] = flight.key[1]
            else:
                if flight.tick and records[-1][0] == ("progress",):
                    self.ticks.append(flight.tick)
                for name in owner.names:                     # where the oracle of a table begins
                    if name == flight.table.name or any(key[0] == "cell" and value for key, value in records):
                        self.began.setdefault((name, owner.part), owner.start)

    def start(self, task, fresh=False):
        tables = ["B"] if task[0] == "re" else ["A"] if self.faults and self.rng.random() < 0.25 else ["A", "C"]
        alive = {owner.host for owner in [*self.owner.values(), *self.zombies]}
        old = [host for host in range(self.hosts) if host not in alive]
        if fresh or not old or self.rng.random() < self.fresh_hosts:
            self.hosts += 1
            old = [self.hosts - 1]
        self.owner[task] = Owner(self, task, self.rng.choice(old), tables)
        self.note(f"{self.owner[task].id} begins on host {self.owner[task].host}, tables {tables}")

    def end(self, owner):
        """The process is gone. What it had sent may still land."""
        if self.owner.get(owner.task) is owner:
            del self.owner[owner.task]
        if owner in self.zombies:
            self.zombies.remove(owner)
        self.flights = [f for f in self.flights if f.owner is not owner or self.rng.random() < 0.5]

    def advance(self, owner):
        try:
            next(owner.life)
        except Stopped:
            self.note(f"{owner.id} stops: refused or failed")
            self.end(owner)

    def happen(self):
        rng, live, dice = self.rng, [*self.owner.values(), *self.zombies], self.rng.random()
        if dice < 0.08:
            part = rng.choice(PARTS)
            self.arrived[part] += self.input[part][len(self.arrived[part]):][:rng.choice((1, 2, 4))]
        elif dice < 0.18:
            missing = [task for task in self.tasks if task not in self.owner]
            missing and self.start(rng.choice(missing))
        elif dice < 0.60:
            live and self.advance(rng.choice(live))
        elif dice < 0.95 and self.flights:                   # in order per producer and log, in any order across
            flight = rng.choice(self.flights)
            self.land(next(f for f in self.flights if f.owner is flight.owner and f.log is flight.log))
        elif 0.95 <= dice < 0.965 and live:
            owner = rng.choice(live)
            self.fault_count += 1
            self.note(f"{owner.id} is killed")
            self.end(owner)
        elif 0.965 <= dice < 0.98 and self.owner:
            task = rng.choice(list(self.owner))
            self.fault_count += 1
            self.zombies.append(self.owner.pop(task))
            self.note(f"{self.zombies[-1].id} is a zombie now")
            self.start(task)
        elif dice >= 0.98 and self.changelogs:
            log = rng.choice(list(self.changelogs.values()))
            self.fault_count += 1
            log.compact(rng.randrange(log.end + 1), rng.random() < 0.5)
            self.note(f"{log.name} is compacted")

    def settle(self):
        for _ in range(3000):
            for task in self.tasks:
                if task not in self.owner:
                    self.start(task, fresh=True)
            while self.flights:
                self.land(self.flights[0])
            for task in self.tasks:
                task in self.owner and self.advance(self.owner[task])
            if len(self.owner) == len(self.tasks) and not self.flights and all(o.idle for o in self.owner.values()):
                return
        raise AssertionError("does not come to rest")

    def run(self):
        try:
            for _ in range(self.rng.choice((60, 120, 240, 400))):
                self.happen()
            self.faults = False
            self.note("--- faults end")
            for owner in list(self.zombies):
                self.end(owner)
            for part in PARTS:
                self.arrived[part] = self.input[part]
            self.settle()
            for owner in list(self.owner.values()):
                self.end(owner)
            for log in self.changelogs.values():
                log.compact(log.end, True)
            self.note("--- all restored from the compacted changelogs alone")
            self.settle()
        except AssertionError as error:
            return [str(error)]
        return self.compare()

    # the oracle

    def once(self, name, part, blocks, z):
        table = Table(name, PARTS if name == "B" else (part,), replace(self.shape, limit=10 ** 9), Rules())
        table.z = z
        ticks = [(z, wm) for n, p, z, wm in self.ticks if (n, p) == (name, part)]
        def clock():
            while ticks and ticks[0][0] == table.z:
                table.table_wm = max(table.table_wm, ticks.pop(0)[1])
                list(table.close())
        clock()
        for block in blocks:
            list(table.fold(block))
            clock()
        return table

    def blocks(self, name, part):
        """The blocks of the fault-free run, one event each: for B from both origins, one after the other."""
        if name != "B":
            lo = self.began[name, part]
            for offset, key, time, _ in self.input[part]:
                if offset >= lo:
                    yield part, lo, offset + 1, ((offset, key, time, time),), NEVER, False
                    lo = offset + 1
            return
        for origin in PARTS:
            lo, running = self.input[origin][0][0], NEVER
            for offset, _, time, other in self.input[origin]:
                running = max(running, time)
                rows = ((offset, f"k{other}", time, running),) if other % len(PARTS) == part else ()
                yield origin, lo, offset + 1, rows, running, False
                lo = offset + 1

    def distinct(self, part):
        """The repartition log without what was sent again: each offset of an origin once, in the order of the log."""
        z = {}
        for _, _, (origin, lo, hi, rows, watermark, idle) in self.repartition[part].records:
            have = z.get(origin, lo - 1)
            if hi - 1 > have or idle and hi - 1 == have:
                yield origin, have + 1, hi, tuple(row for row in rows if row[0] > have), watermark, idle
                z[origin] = hi - 1

    def compare(self):
        wrong, expected = [], set()
        for table, part, start in [(t, o.part, o.start) for o in self.owner.values() for t in o.tables]:
            name, oracles = table.name, []
            self.began.setdefault((name, part), start)
            if name != "B":
                z = {part: self.began[name, part] - 1}
                oracles.append(("input", self.once(name, part, self.blocks(name, part), z)))
            else:
                oracles.append(("log", self.once(name, part, self.distinct(part), {})))
                if not self.shape.idle:                      # then B is a function of the input alone
                    oracles.append(("input", self.once(name, part, self.blocks(name, part), {})))
            for which, oracle in oracles:
                kept = lambda t: {c: e for c, (_, e) in t.cells.items()
                                  if (c[1] + self.shape.span) * STEP + self.shape.keep > oracle.table_wm}
                pairs = [("cells", kept(table), kept(oracle)),
                         ("table watermark", table.table_wm, oracle.table_wm), ("judged", table.judged, oracle.judged)]
                read = [value for _, _, value in self.emitted[name, part].records]
                if table.emits == "closed":
                    seen = {}
                    for step, key, events in read:           # rule 9: a reader that drops repeats
                        seen.setdefault((step, key) if self.rules.row_ids else (key, events), (step, key, events))
                    pairs.append(("rows", sorted(seen.values()), sorted(oracle.rows)))
                    pairs.append(("rows, repeats that differ", sorted(set(read)), sorted(oracle.rows)))
                else:
                    seen = {}
                    for step, key, n, events in sorted(read) if self.rules.update_n else read:
                        if self.rules.update_n or (step, key) not in seen:
                            seen[step, key] = events
                    pairs.append(("updates", seen, {u[:2]: u[3] for u in oracle.updates()}))
                wrong += [f"{name}{part} {what} by {which}: {got} but once: {want}"
                          for what, got, want in pairs if got != want]
                if name == "A":
                    expected |= {(part, *event) for event in oracle.events}
        events = {value for _, _, value in self.alerted.records}
        if events != expected:
            wrong.append(f"alerts: {sorted(events - expected)} but once: {sorted(expected - events)}")
        return wrong


def runs(rules, first, count):
    failed, smallest, total = 0, None, 0
    for seed in range(first, first + count):
        world = World(seed, rules)
        wrong = world.run()
        total += world.fault_count
        if wrong:
            failed += 1
            found = ((world.fault_count, sum(map(len, world.input.values())), seed), wrong)
            smallest = min(smallest or found, found)
    return failed, smallest, total


def main(command, *arguments):
    first = int(arguments[arguments.index("--seed") + 1]) if "--seed" in arguments else 0
    if command == "show":
        world = World(int(arguments[0]), replace(Rules(), **dict.fromkeys(arguments[1:], False)), trace=True)
        wrong = world.run()
        print(world.shape, world.input, *world.trace, *(wrong or ["equal to the oracle"]), sep="\n")
        return 0
    if command == "mutants":
        for name in [field.name for field in fields(Rules)]:
            failed, smallest, _ = runs(replace(Rules(), **{name: False}), first, int(arguments[0]))
            print(f"{name:14} {failed:6} of {arguments[0]} fail", f"smallest {smallest[0]}" if smallest else "", flush=True)
        return 0
    off = arguments[0].split(",") if command == "without" else ()
    count = int(arguments[command == "without"])
    failed, smallest, total = runs(replace(Rules(), **dict.fromkeys(off, False)), first, count)
    print(f"{command} {','.join(off)}: {count} schedules from seed {first}, {total} faults, {failed} schedules failed")
    if smallest:
        print(f"smallest: (faults, events, seed) {smallest[0]}", *smallest[1], sep="\n  ")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
