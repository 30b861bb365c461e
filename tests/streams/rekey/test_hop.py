"""Both ends of a re-key: what is sent to whom, what is refused where, and what stops the receiving end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from streams import reasons
from streams.engine import StreamEngine
from streams.load import loads
from streams.plan import Plan, plan
from streams.rekey.blocks import Block, BlockError, decode, unpack
from streams.rekey.receiver import BlockReceiver, Gap, OtherDeclaration
from streams.rekey.sender import MARGIN, Sender, Sent
from streams.table_engine import TableEngine
from streams.testing.driven import LaneTable
from streams.testing.murmur import partition_of
from tables.records import NEVER, Origin
from tests.streams.rekey.world import BASE, encode, records

ORIGINS = ["s-0", "s-1"]


def planned(table: str = "", aggregates: str = "n: count()") -> Plan:
    """Return the plan of a table by user over a stream without key, 10 s windows."""
    return plan(
        loads(f"""
app: t
streams: {{s: {{topic: s, time: {{field: ts, unit: ms}}}}}}
tables:
  c: {{from: s, key: user, window: {{tumbling: 10s, grace: 0s}}, {table} aggregates: {{{aggregates}}}}}
""")
    )


def event(second: int, user: Any = "ann", **more: Any) -> dict[str, Any]:
    """Return an event at a second after `BASE`."""
    return {"user": user, "ts": BASE + second * 1000, **more}


class Hop:
    """Two input partitions, and the one of two table partitions that gets the user ann."""

    def __init__(self, plan: Plan, limit: int = 1 << 20) -> None:
        """Open both ends."""
        (self.stream,) = plan.streams.values()
        (self.plan,) = self.stream.tables
        self.place = partition_of(b"ann", 2)
        self.senders = [Sender(self.plan, origin, 2, limit) for origin in ORIGINS]
        self.table = LaneTable.opened(TableEngine(self.plan, self.place))
        self.receiver = BlockReceiver(self.table.engine, ORIGINS, self.place)
        self.events = list(self.table.drive(self.receiver.start()))
        list(self.table.drive(self.table.engine.resume()))
        self.offsets = [0, 0]

    @property
    def progress(self) -> Any:
        """The table's progress."""
        return self.table.engine.progress

    def sent(self, origin: int, *events: dict[str, Any]) -> Sent:
        """Return what a batch of one origin comes to."""
        at = self.offsets[origin]
        self.offsets[origin] = at + len(events)
        values = [None] * at + encode(events)
        batch, _ = StreamEngine(self.stream, origin).decode(records(values, at, at + len(events)))
        return self.senders[origin].send(batch)

    def feed(self, origin: int, *events: dict[str, Any]) -> list[Any]:
        """Send a batch of one origin and receive it."""
        return self.receive([each.value for each in self.sent(origin, *events).blocks if each.partition == self.place])

    def idle(self, origin: int) -> None:
        """Let an origin say that it is silent."""
        blocks = self.senders[origin].idle(self.offsets[origin])
        self.receive([each.value for each in blocks if each.partition == self.place])

    def receive(self, values: Sequence[bytes | None]) -> list[Any]:
        """Receive records of the repartition topic, and return the dead letters."""
        blocks, letters = self.receiver.receive(records(values, 0, len(values)))
        self.events += self.table.drive(self.receiver.fold(blocks))
        return letters

    def rows(self) -> int:
        """Return how many rows were folded."""
        return int(self.table.engine.stats.folded)


def test_every_destination_gets_a_block_of_every_batch() -> None:
    """Rows or none: range, watermark and origin go to all, each row to the place of its key."""
    sent = Hop(planned()).sent(0, event(1), event(5, "bob"), event(3))
    blocks = {each.partition: decode(each.value) for each in sent.blocks}
    assert {(b.origin, b.lo, b.hi, b.watermark, b.idle) for b in blocks.values()} == {("s-0", 0, 3, BASE + 5000, False)}
    assert len(blocks) == 2
    users = {key: place for place, block in blocks.items() for key in block.keys}
    assert users == {user: partition_of(user, 2) for user in (b"ann", b"bob")}
    ann = unpack(blocks[users[b"ann"]])
    assert (ann.running - BASE).tolist()[-2:] == [1000, 5000] or (ann.running - BASE).tolist() == [1000, 5000, 5000]


def test_a_row_without_key_is_refused_where_it_is_read() -> None:
    """It becomes a dead letter with its original bytes; its time counts all the same."""
    sent = Hop(planned()).sent(0, event(1), event(9, None))
    (letter,) = sent.letters
    assert dict(letter.headers)["__streams.errors.exception"] == reasons.NULL_KEY.encode()
    assert json.loads(letter.value or b"") == event(9, None)
    assert decode(sent.blocks[0].value).watermark == BASE + 9000


def test_blocks_are_cut_to_the_topics_limit() -> None:
    """Rows that fit in no block are spread over several with adjoining ranges; a row alone too large is refused."""
    hop = Hop(planned(aggregates="last: last('note')"), limit=MARGIN + 400)
    notes = [f"{at:0100}" for at in range(20)]
    sent = hop.sent(0, *[event(at, note=note) for at, note in enumerate(notes)], event(21, note="x" * 1000))
    ours = [decode(each.value) for each in sent.blocks if each.partition == hop.place]
    assert len(ours) > 5
    assert all(len(each.value or b"") <= 400 for each in sent.blocks)
    assert [block.lo for block in ours[1:]] == [block.hi for block in ours[:-1]]
    assert (ours[0].lo, ours[-1].hi) == (0, 21)
    (letter,) = sent.letters
    assert dict(letter.headers)["__streams.errors.exception"] == reasons.TOO_LARGE.encode()
    hop.receive([each.value for each in sent.blocks if each.partition == hop.place])
    assert hop.rows() == 20


def test_an_origin_that_was_not_heard_holds_the_watermark_back() -> None:
    """All partitions of the source stand in progress before the first block; the least of them counts."""
    hop = Hop(planned("emit: close,"))
    assert hop.progress.origins == {origin: Origin(NEVER) for origin in ORIGINS}
    hop.feed(0, event(1), event(99))
    assert (hop.progress.watermark, hop.events) == (NEVER, [])
    hop.feed(1, event(20))
    assert hop.progress.watermark == BASE + 20_000
    assert len(hop.events) == 1


def test_an_idle_origin_holds_nothing_back_until_it_speaks_again() -> None:
    """Only an origin's own word takes it out of the minimum, and its next row puts it back."""
    hop = Hop(planned("emit: close,"))
    hop.feed(0, event(1), event(50))
    assert not hop.receiver.silent
    hop.idle(1)
    assert hop.progress.watermark == BASE + 50_000
    hop.feed(1, event(60))
    hop.feed(0, event(99))
    assert hop.progress.watermark == BASE + 60_000
    hop.idle(0)
    hop.idle(1)
    assert hop.receiver.silent


def test_the_clock_goes_on_from_what_was_seen() -> None:
    """An origin without any record may be the last to be silent: it has held the watermark back, and not the clock."""
    hop = Hop(planned("emit: close,"))
    assert hop.progress.silent_watermark == NEVER
    hop.feed(0, event(1), event(50))
    hop.idle(0)
    hop.idle(1)
    assert hop.receiver.silent
    assert hop.progress.watermark == NEVER
    assert hop.progress.silent_watermark == BASE + 50_000
    hop.events += hop.table.drive(hop.table.engine.tick(BASE + 55_000))
    assert len(hop.events) == 1
    assert hop.progress.silent_watermark == BASE + 55_000
    hop.feed(1, event(60))
    hop.idle(1)
    assert hop.progress.silent_watermark == BASE + 60_000


def test_an_old_word_of_silence_says_nothing() -> None:
    """An idle block that lands behind newer rows of its origin is out of date."""
    hop = Hop(planned())
    said = [each.value for each in hop.senders[0].idle(0) if each.partition == hop.place]
    hop.feed(0, event(1))
    hop.receive(said)
    assert not hop.progress.origins["s-0"].idle


def test_what_was_folded_is_not_folded_again() -> None:
    """The same rows in other blocks, from a sender that knows no earlier time, are known by their offsets."""
    hop = Hop(planned())
    hop.feed(0, event(1), event(30), event(2))
    hop.senders[0], hop.offsets[0] = Sender(hop.plan, "s-0", 2, 1 << 20), 2
    hop.feed(0, event(2), event(3))
    assert (hop.rows(), hop.table.engine.stats.late) == (2, 2)


def test_missing_offsets_stop_the_table() -> None:
    """A first block says where its origin begins; after that a block that leaves offsets out is an error."""
    hop = Hop(planned())
    hop.offsets[0] = 7
    hop.feed(0, event(1))
    assert hop.progress.origins["s-0"].z == 7
    hop.offsets[0] = 9
    with pytest.raises(Gap, match=r"after offset 7 of s-0 comes 9"):
        hop.feed(0, event(2))


def test_what_is_no_block_goes_to_the_dead_letters() -> None:
    """Foreign bytes, another version, an unknown origin, contradictions: none of them stops the partition."""
    hop = Hop(planned())
    good = decode(hop.sent(0, event(1)).blocks[hop.place].value)
    far = msgspec.structs.replace(good, hi=good.lo)
    wrong = [
        None, b"", b"{}", b"\x93\x01\x02", good.encode()[:-3],
        msgspec.structs.replace(good, version=2).encode(),
        msgspec.structs.replace(good, origin="elsewhere-0").encode(),
        msgspec.structs.replace(good, count=5).encode(), msgspec.structs.replace(good, keys=[]).encode(), far.encode(),
    ]  # fmt: skip
    letters = hop.receive(wrong)
    assert {dict(each.headers)["__streams.errors.exception"] for each in letters} == {reasons.NO_BLOCK.encode()}
    assert [each.value for each in letters] == wrong
    assert hop.table.engine.stats.dead == {reasons.NO_BLOCK: len(wrong)}
    with pytest.raises(BlockError, match="version 2"):
        decode(wrong[5])


def test_blocks_of_a_former_declaration_are_passed_over() -> None:
    """What another key or window sent before this one's first block was for the former table; later it is an error."""
    hop, former = Hop(planned()), planned("where: user != 'bob',").tables["c"]
    old = Sender(former, "s-0", 2, 1 << 20)
    batch, _ = StreamEngine(hop.stream, 0).decode(records(encode([event(1)]), 0, 1))
    hop.receive([old.send(batch).blocks[hop.place].value])
    assert (hop.rows(), hop.progress.origins["s-0"].z) == (0, NEVER)
    hop.offsets[0] = 1
    hop.feed(0, event(2))
    batch, _ = StreamEngine(hop.stream, 0).decode(records(encode([event(1)] * 3), 2, 3))
    with pytest.raises(OtherDeclaration, match="another declaration of table c"):
        hop.receive([old.send(batch).blocks[hop.place].value])


def test_a_column_that_is_derived_anew_is_null_in_old_blocks() -> None:
    """A block on its way holds the old derived field, which must not pass for the new one of its name."""
    before, after = (planned(f"derive: {{d: v * {by}}},", "n: count(), t: sum('d'), v: sum('v')") for by in (2, 3))
    hop = Hop(after)
    old = Sender(before.tables["c"], "s-0", 2, 1 << 20)
    batch, _ = StreamEngine(hop.stream, 0).decode(records(encode([event(1, v=10)]), 0, 1))
    hop.receive([old.send(batch).blocks[hop.place].value])
    hop.offsets[0] = 1
    hop.feed(0, event(2, v=100))
    cells = hop.table.engine.cells
    results = cells.results(BASE // 10_000, cells.window(BASE // 10_000))
    assert {name: column.tolist() for name, column in results.items()} == {"n": [2], "t": [300], "v": [110]}


@pytest.mark.parametrize("first", [0, 1])
def test_ties_between_origins_do_not_hang_on_arrival(first: int) -> None:
    """Rows of equal time and offset in two origins have one last value, whichever comes first."""
    hop = Hop(planned(aggregates="final: last('v')"))
    for origin in (first, 1 - first):
        hop.feed(origin, event(1, v=origin))
    cells = hop.table.engine.cells
    window = BASE // 10_000
    assert cells.results(window, cells.window(window))["final"].tolist() == [1]


@pytest.mark.parametrize("late", ["", "late: too_late,"])
def test_letters_of_the_receiving_end(late: str) -> None:
    """They name the original record; with a topic for late rows its bytes came along, else what the table needs."""
    hop = Hop(planned(f"max_keys: 1, {late}", "t: sum('v')"))
    hop.feed(0, event(30, v=1, note="first"))
    other = next(f"u{n}" for n in range(99) if partition_of(b"u%d" % n, 2) == hop.place)
    hop.feed(0, event(30, other, v=2, note="second"), event(1, v=3, note="third"))
    letters = {dict(each.headers)["__streams.errors.exception"]: each for each in hop.events}
    full = letters[reasons.TOO_MANY_KEYS.encode()]
    assert json.loads(full.value) == (event(30, other, v=2, note="second") if late else {"v": 2})
    assert full.key == (b"k1" if late else other.encode())
    assert dict(full.headers)["__streams.errors.topic"] == b"s"
    assert dict(full.headers)["__streams.errors.offset"] == b"1"
    if late:
        assert json.loads(letters[b"late"].value) == event(1, v=3, note="third")
    assert hop.table.engine.stats.late == 1


def test_blocks_survive_their_encoding() -> None:
    """A block that is decoded and encoded again is the same bytes."""
    value = Hop(planned()).sent(0, event(1), event(2)).blocks[0].value
    assert isinstance(decode(value), Block)
    assert decode(value).encode() == value
