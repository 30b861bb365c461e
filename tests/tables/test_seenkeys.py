"""Codes of keys by whole arrays, held against the dictionary asked one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables import seenkeys
from tables.chunk import Chunk
from tables.keys import KeyCodes
from tables.seenkeys import FEW, MOST_WORDS, WORD, SeenKeys
from tests.tables.ways import WAYS, going

if TYPE_CHECKING:
    from collections.abc import Iterator

names = st.one_of(
    st.binary(max_size=3),
    st.text("ab\0", max_size=20).map(str.encode),
    st.binary(min_size=MOST_WORDS * WORD - 1, max_size=MOST_WORDS * WORD + 2),
)


@pytest.fixture(scope="module", autouse=True, params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Find keys by NumPy, and by the compiled loop."""
    with going(request.param):
        yield


def codes(seen: SeenKeys, keys: list[bytes]) -> list[int]:
    """Return what is found of keys that lie in one block, with something behind them."""
    chunk = Chunk.of(keys, [b"x" * MOST_WORDS * WORD], 0)
    return seen.codes(chunk.blob, chunk.keys).tolist()


@settings(deadline=None)
@given(st.lists(st.lists(names, min_size=1, max_size=12), min_size=1, max_size=8), st.integers(1, 40))
def test_codes_are_those_of_the_dictionary(chunks: list[list[bytes]], most: int) -> None:
    """Rule: however keys repeat, end in zeros, share slots or do not fit, each has the code of the dictionary."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seenkeys, "FEW", 1)
        patch.setattr(seenkeys, "MOST_KEYS", most)
        keys, plain = KeyCodes(), dict[bytes, int]()
        seen = SeenKeys(keys)
        for chunk in chunks:
            found = codes(seen, chunk)
            assert found == [keys.code(key) for key in chunk]
            assert all(plain.setdefault(key, code) == code for key, code in zip(chunk, found, strict=True))
        assert sorted(plain.values()) == list(range(len(plain)))


def test_what_was_seen_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: of many keys that come again, in any order, nearly all are found without the dictionary."""
    keys = KeyCodes()
    seen, many = SeenKeys(keys), [b"host-%d" % n for n in range(20 * FEW)]
    first, asked = codes(seen, many), list[bytes]()
    learn = keys.learn
    monkeypatch.setattr(keys, "learn", lambda names: asked.extend(names) or learn(names))
    assert codes(seen, many[::-1]) == first[::-1]
    assert len(asked) < len(many) // 10


def test_keys_at_the_end_of_the_block_are_not_read_beyond_it() -> None:
    """Rule: where a whole word would reach beyond the block, the dictionary is asked."""
    keys = [b"%d" % n for n in range(2 * FEW)]
    chunk = Chunk.of(keys, [None] * len(keys), 0)
    assert SeenKeys(KeyCodes()).codes(chunk.blob, chunk.keys).tolist() == list(range(len(keys)))


def test_short_keys_behind_long_ones_are_not_read_beyond_the_block() -> None:
    """Rule: that also holds where longer keys were seen before, of which more words are read."""
    seen = SeenKeys(KeyCodes())
    codes(seen, [b"%040d" % n for n in range(FEW)])
    chunk = Chunk.of([b"%08d" % n for n in range(FEW)], [None] * FEW, 0)
    assert seen.codes(chunk.blob, chunk.keys).tolist() == list(range(FEW, 2 * FEW))
