"""Destinations: murmur2 over many keys is that over each; a dictionary that was begun anew places all as before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.codecs.extract import column
from streams.rekey.placing import Places, murmur2, places
from streams.testing.murmur import murmur2 as murmur2_of_one
from streams.testing.murmur import partition_of
from tables.keys import BAD


@given(st.lists(st.binary(max_size=20)))
def test_hashes_are_those_of_single_keys(keys: list[bytes]) -> None:
    """Hashing together gives what hashing one by one gives, whatever the lengths."""
    assert murmur2(keys).tolist() == [murmur2_of_one(key) for key in keys]


def test_hashes_are_those_of_java() -> None:
    """Known pairs of Apache Kafka's UtilsTest.testMurmur2."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536,
             b"a-little-bit-longer-string": -1486304829, b"abc": 479470107}  # fmt: skip
    assert [(value + (1 << 31)) % (1 << 32) - (1 << 31) for value in murmur2(list(known)).tolist()] == list(
        known.values()
    )


@given(st.lists(st.lists(st.text(max_size=3))), st.integers(1, 9))
def test_a_new_dictionary_places_as_before(batches: list[list[str]], partitions: int) -> None:
    """Every key goes where Java's producer would put it, also after the dictionary was begun anew."""
    made = Places(partitions, forget=3)
    for texts in batches:
        codes = made.encode([column(list(texts), "text")])
        assert made.of(codes).tolist() == [partition_of(text.encode(), partitions) for text in texts]
        assert len(made.keys) <= 3 + len(texts)


def test_rows_without_key_have_no_place() -> None:
    """A null part has the code that says so."""
    assert Places(4).encode([column(["a", None], "text")]).tolist() == [0, BAD]
    assert places([], 4).tolist() == []
