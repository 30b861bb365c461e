"""Which partitions a fetch names, by the laws of what a broker does with a request."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v4, FetchRequest_v11
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.asking import KEPT_BYTES, RECORD_BYTES, Asking

MOST, SHARE = 8 << 20, 4 << 20
FAR = 10 * SHARE // RECORD_BYTES
"""A lag that fills any answer."""


def request(partitions: int) -> Any:
    """Return a request for so many partitions of one topic."""
    return FetchRequest(10, 1_000, MOST, 0, [("in", [(each, 0, SHARE) for each in range(partitions)])])


def named(cut: Any) -> list[int]:
    """Return the partitions that a request names."""
    return [part[0] for _, parts in cut.topics for part in parts]


def cut(asking: Asking, partitions: int, kept: int = 0) -> list[int]:
    """Return what is named of so many partitions."""
    made = request(partitions)
    asking.cut(1, made, kept)
    return named(made)


def test_in_a_backlog_as_many_are_named_as_fill_an_answer() -> None:
    """The first of a request fill the answer; the others would only cost."""
    assert len(cut(Asking(lambda _: FAR, 1, 500), 64)) == MOST // SHARE


def test_each_has_its_turn() -> None:
    """However far behind all are, each is named as often as the others."""
    asking = Asking(lambda _: FAR, 1, 500)
    seen = [each for _ in range(8) for each in cut(asking, 8)]
    assert sorted(seen) == sorted(list(range(8)) * 2)


def test_the_first_turn_is_in_the_order_of_the_request() -> None:
    """What is named first is no matter of how names are hashed: two runs over the same topics ask for the same."""
    asking = Asking(lambda _: FAR, 1, 500)
    assert [each for _ in range(32) for each in cut(asking, 64)] == list(range(64))


def test_who_was_read_to_the_end_is_always_named() -> None:
    """What comes live must not wait for the backlog of others, and comes first in the answer."""
    asking = Asking(lambda tp: 0 if tp.partition >= 4 else FAR, 1, 500)
    for _ in range(3):
        found = cut(asking, 16)
        assert found[:12] == list(range(4, 16))
        assert len(found) == 14


@given(st.lists(st.integers(0, FAR), min_size=1, max_size=40), st.integers(0, 2 * KEPT_BYTES))
def test_a_request_is_as_large_as_it_need_be(lags: list[int], kept: int) -> None:
    """Something is always named; more of those that lack something only while the answer, and the room, is not full."""
    found = cut(Asking(lambda tp: lags[tp.partition], 1, 500), len(lags), kept)
    behind = [min(SHARE, lags[each] * RECORD_BYTES) for each in found if lags[each]]
    left = [each for each in range(len(lags)) if each not in found]
    room = min(MOST, KEPT_BYTES - kept)
    assert found
    assert all(lags[each] for each in left)
    assert sum(behind[:-1]) < max(room, 1)
    assert not left or sum(behind) >= room


def test_topics_keep_their_partitions() -> None:
    """Two topics with the same partition numbers are asked for each by its own name and offset."""
    made = FetchRequest(10, 1_000, MOST, 0, [("a", [(0, 5, SHARE)]), ("b", [(0, 7, SHARE), (1, 8, SHARE)])])
    Asking(lambda tp: FAR if tp == TopicPartition("b", 1) else 0, 1, 500).cut(1, made, 0)
    assert made.topics == [("a", [(0, 5, SHARE)]), ("b", [(0, 7, SHARE), (1, 8, SHARE)])]


def test_where_nothing_came_the_next_request_waits() -> None:
    """A broker that had nothing is asked to answer as soon as it has anything, not every few ms."""
    asking, seen = Asking(lambda _: 0, 1, 500), []
    for size, kept in ((0, 0), (0, 9), (9, 0)):
        asking.answered(1, size)
        for node in (1, 2):
            made = request(1)
            asking.cut(node, made, kept)
            seen.append((made._max_wait_ms, made._min_bytes))  # noqa: SLF001 - aiokafka has no getter
    assert seen == [(500, 1), *[(10, 1_000)] * 5]


@pytest.mark.parametrize("version", [FetchRequest_v4, FetchRequest_v11])
def test_aiokafka_sends_what_was_cut(version: Any) -> None:
    """The request that goes out is the one that was cut, whichever version the broker speaks."""
    asking, made = Asking(lambda _: FAR, 1, 500), request(64)
    asking.cut(1, made, 0)
    sent = version.decode(made.build(version).encode())
    assert [len(parts) for _, parts in sent.topics] == [MOST // SHARE]
