"""Distinct: exact for few values, a HyperLogLog for many."""

from __future__ import annotations

import random
import uuid
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from datasketches import hll_sketch

from tables import distinct
from tables.aggregates.distinct import MAX_EXACT, REGISTERS, RELATIVE_ERROR, estimate, registers_of
from tables.aggregates.hashes import hashes, plain
from tests.tables.bench import Bench, Event, column

BITS = 1 << 32


def oracle(_: Any, events: list[Any]) -> int:
    """Return the number of different values; true and 1 differ, 1 and 1.0 do not."""
    return len({(type(plain(event.value)), plain(event.value)) for event in events if event.value is not None})


def numbers(rng: random.Random, n: int) -> list[Any]:
    """Return random integers."""
    return [rng.randrange(1 << 60) for _ in range(n)]


SHAPES: dict[str, tuple[str, Any]] = {
    "counter": ("int", lambda _, n: list(range(n))),
    "random": ("int", numbers),
    "fractions": ("float", lambda _, n: [value / 7 for value in range(n)]),
    "names": ("text", lambda _, n: [f"user-{value}" for value in range(n)]),
    "addresses": ("text", lambda _, n: [f"10.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}" for a in range(n)]),
    "uuids": ("text", lambda rng, n: [str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(n)]),
    "any": ("any", lambda _, n: [[value, "x"] for value in range(n)]),
}


@pytest.mark.parametrize("n", [1, 100, MAX_EXACT, 3_000, 100_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_exact_for_few_and_close_for_many(shape: str, n: int) -> None:
    """Rule: up to 1,024 values are counted exactly; more within 4 standard errors, as the known library does."""
    kind, make = SHAPES[shape]
    values = make(random.Random(shape), n)  # noqa: S311 - test data
    events = [Event(0, value, by=None) for value in values] * (1 if n > MAX_EXACT else 2)
    got = Bench(distinct("x"), kind, cells=1).fold(events, range(0, n, 20_000)).results()[0]
    library = hll_sketch(12)
    for value in values:
        library.update(str(value))
    assert got == n or (n > MAX_EXACT and abs(got - n) <= 4 * RELATIVE_ERROR * n)
    assert abs(library.get_estimate() - got) <= 8 * RELATIVE_ERROR * n


def test_the_error_is_the_stated_one() -> None:
    """Rule: over 300 sets of random hashes the root mean square error is 1.63 %, and there is no bias."""
    rng = np.random.default_rng(1)
    for n in (1_500, 6_000, 20_000):
        group, hashed = np.repeat(np.arange(300), n), rng.integers(0, BITS, 300 * n)
        errors = estimate(registers_of(group, hashed, 300)) / n - 1
        assert np.sqrt((errors**2).mean()) < 1.15 * RELATIVE_ERROR
        assert abs(errors.mean()) < 4 * RELATIVE_ERROR / np.sqrt(300)


def test_cells_merge_whatever_form_they_have() -> None:
    """Rule: few with few, few with many and many with many come to what all of them together come to."""
    parts = [list(range(800)), list(range(500, 1300)), list(range(5000)), list(range(4000, 9000))]
    for one in parts:
        for other in parts:
            left, right = (
                Bench(distinct("x"), "int").fold([Event(1, value) for value in part]) for part in (one, other)
            )
            whole = Bench(distinct("x"), "int").fold([Event(1, value) for value in one + other], (100, 3000))
            merged = left.merge(right)
            assert merged.results() == whole.results()
            assert merged.state.encode(merged.rows, 0) == whole.state.encode(whole.rows, 0)


def test_no_cell_grows_beyond_4_kib() -> None:
    """Rule: a cell of any number of values takes at most 4 KiB, and goes on where it was after a restart."""
    bench = Bench(distinct("x"), "int", cells=1).fold([Event(0, value) for value in range(30_000)])
    (cell,) = bench.state.encode(bench.rows, 0)
    assert len(cell) <= REGISTERS + 32
    again = Bench(distinct("x"), "int", cells=0)
    again.rows, _ = again.state.decode([cell])
    assert again.results() == bench.results()
    more = [Event(0, value) for value in range(30_000, 60_000)]
    assert again.fold(more).results() == bench.fold(more).results()


def test_hashes_are_the_same_everywhere() -> None:
    """Rule: what is in a changelog is read by another process: hashes are those of the published functions."""
    rows = np.arange(3)
    texts = [murmur_mixed(crc32(text)) for text in (b'""', b'"a"', b'"user-1"')]
    ints = [split_mixed(value) >> 32 for value in (0, 1, (1 << 64) - 1)]
    assert split_mixed(0) == 0xE220A8397B1DCDAF
    assert hashes(column("text", ["", "a", "user-1"]), rows).tolist() == texts
    assert hashes(column("int", [0, 1, -1]), rows).tolist() == ints
    assert hashes(column("any", ["", "a", 1.0]), rows).tolist() == [*texts[:2], ints[1]]
    assert hashes(column("float", [-0.0, 1.0, -1.0]), rows).tolist() == ints


def murmur_mixed(value: int) -> int:
    """Return MurmurHash3's 32-bit finalizer in plain Python."""
    value = (value ^ value >> 16) * 0x85EBCA6B % BITS
    value = (value ^ value >> 13) * 0xC2B2AE35 % BITS
    return value ^ value >> 16


def split_mixed(value: int) -> int:
    """Return the next number of SplitMix64 in plain Python."""
    value = (value + 0x9E3779B97F4A7C15) % (1 << 64)
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % (1 << 64)
    value = (value ^ value >> 27) * 0x94D049BB133111EB % (1 << 64)
    return value ^ value >> 31
