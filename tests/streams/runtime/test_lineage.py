"""A log that goes on, and one of the same name that does not."""

from __future__ import annotations

import msgspec
import pytest

from streams.runtime.lineage import Lineage
from streams.transport.produce import Claim
from tables.chunk import Chunk
from tables.records import CLAIM, PROGRESS, Progress, Record
from tables.recovery import OtherLog
from tables.store import MemoryStore

ONE, TWO = Claim(7, 0, "a", 1_000), Claim(7, 1, "b", 2_000)


def claim(of: Claim) -> Record:
    """Return a claim record."""
    return Record(CLAIM, msgspec.json.encode(of))


def write(n: int, owner: str) -> Record:
    """Return the progress of a write."""
    return Record(PROGRESS, Progress(n=n, owner=owner).encode())


def chunk(*records: Record) -> Chunk:
    """Return records as they are read, with cells before them."""
    all_ = [Record(b"cell", b"value"), *records]
    return Chunk.of([each.key for each in all_], [each.value for each in all_], 10)


def lineage(*records: Record) -> Lineage:
    """Return the lineage of a store that holds these."""
    store = MemoryStore()
    store.write(records, 5)
    return Lineage(store)


def test_writes_of_the_owner_and_of_the_next_go_on() -> None:
    """Numbers rise, with holes where compaction was; a claim names the owner from there on."""
    seen = lineage(claim(ONE), write(4, ONE.owner))
    seen.follow(chunk(write(5, ONE.owner), write(9, ONE.owner)))
    seen.follow(chunk(claim(TWO), write(10, TWO.owner)))


@pytest.mark.parametrize(
    "records",
    [
        pytest.param((write(5, TWO.owner),), id="another owner"),
        pytest.param((write(4, ONE.owner),), id="the same number"),
        pytest.param((claim(TWO), write(3, TWO.owner)), id="a smaller number"),
        pytest.param((claim(TWO), write(6, ONE.owner)), id="the former owner"),
    ],
)
def test_anything_else_is_another_log(records: tuple[Record, ...]) -> None:
    """An owner that did not claim, or a number that does not rise, is of another topic."""
    seen = lineage(claim(ONE), write(4, ONE.owner))
    with pytest.raises(OtherLog, match="does not go on from write 4"):
        seen.follow(chunk(*records))


def test_an_empty_store_goes_on_with_anything() -> None:
    """Nothing was seen: whatever comes first is the beginning."""
    seen = lineage()
    seen.follow(chunk(write(8, ONE.owner)))
    seen.follow(chunk(claim(TWO), write(9, TWO.owner)))
