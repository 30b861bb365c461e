"""Names of cells: what they say is what was said, and they sort as keys and times do."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tables.records import GROUP_BYTES, split_cell_key
from tables.unaligned.names import after_key, escaped, named, of_key, split, split_from

keys = st.one_of(st.binary(max_size=6), st.lists(st.sampled_from([b"\0", b"\1", b"\xff", b"a"])).map(b"".join))
times = st.integers(-(1 << 60), 1 << 60)


def name_of(drawer: int, key: bytes, *at: int) -> bytes:
    """Return the name of one cell."""
    (name,) = named(np.array([drawer]), [key], *(np.array([each]) for each in at))
    return name


@given(key=keys, time=times, drawer=st.integers(-100, 100))
def test_a_name_says_key_time_and_drawer(key: bytes, time: int, drawer: int) -> None:
    """A name is read back as what it was made of, whatever bytes the key has."""
    name = name_of(drawer, key, time)
    assert split(name[GROUP_BYTES:]) == (key, time)
    assert split_cell_key(name)[:2] == (drawer, 0)


@given(key=keys, time=times, counts=times, drawer=st.integers(-100, 100))
def test_a_name_of_two_times(key: bytes, time: int, counts: int, drawer: int) -> None:
    """So is a name of a cell of sliding windows, which begins as all names of its key do."""
    name = name_of(drawer, key, time, counts)
    assert split_from(name[GROUP_BYTES:]) == (key, time, counts)
    assert split_cell_key(name)[:2] == (drawer, 0)
    assert name[GROUP_BYTES:].startswith(of_key(key))


@given(one=st.tuples(keys, times), other=st.tuples(keys, times))
def test_names_sort_as_keys_and_then_times(one: tuple[bytes, int], other: tuple[bytes, int]) -> None:
    """Within a drawer the order of the names is that of the keys, and of one key that of the times."""
    assert (name_of(0, *one) < name_of(0, *other)) == (one < other)


@given(key=keys, other=keys, time=times)
def test_what_comes_after_a_key(key: bytes, other: bytes, time: int) -> None:
    """All names of a key begin alike, and those of later keys, and no others, come after `after_key`."""
    name = name_of(0, other, time)[GROUP_BYTES:]
    assert name.startswith(of_key(key)) == (key == other)
    assert (name > after_key(key)) == (other > key)
    assert name.startswith(escaped(key)) == other.startswith(key) or key.endswith(b"\0")


@given(cells=st.lists(st.tuples(st.integers(-3, 3), keys, times), min_size=1))
def test_names_of_many_cells(cells: list[tuple[int, bytes, int]]) -> None:
    """Names that are made together are those of each by itself."""
    drawers, keys_, at = zip(*cells, strict=True)
    assert named(np.array(drawers), keys_, np.array(at)) == [name_of(*each) for each in cells]
