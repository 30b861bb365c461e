"""The generator writes what the arrays say: read back by aiokafka's own parser, and by Python's `json`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.batches import PACKED, record_batch
from tests.benchmarks.forms import FORMS
from tests.benchmarks.pieces import Piece, decimal, joined, listed, rounded
from tests.benchmarks.workload import Workload

STAMP = 1_732_275_600_123
WORKLOAD = Workload.make(2_000, 50)


def read(batch: bytes) -> list[tuple[bytes | None, bytes | None, int, int]]:
    """Return key, value, offset and timestamp of each record, as aiokafka reads them."""
    found = DefaultRecordBatch(batch)
    assert found.validate_crc()
    return [(each.key, each.value, each.offset, each.timestamp) for each in found]


@given(st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300)), min_size=1, max_size=40))
def test_records_of_any_size_are_read_back(pairs: list[tuple[bytes, bytes]]) -> None:
    """Keys and values of any length, empty ones too, come back in order, with offsets from the base on."""
    keys, values = zip(*pairs, strict=True)
    batch = record_batch(listed(keys), listed(values), STAMP, base=7)
    assert read(batch) == [(key, value, 7 + n, STAMP) for n, (key, value) in enumerate(pairs)]


@pytest.mark.parametrize("compression", PACKED)
def test_compressed_batches_hold_the_same_records(compression: str) -> None:
    """A compression changes the bytes of a batch, not its records."""
    plain = next(WORKLOAD.batches(0, STAMP))
    packed = next(WORKLOAD.batches(0, STAMP, compression))
    assert len(packed) < len(plain)
    assert read(packed) == read(plain)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_writes_the_same_events(form: str) -> None:
    """Each partition has its events in order, with the service as record key."""
    found = [record for part in range(WORKLOAD.partitions) for record in _records(WORKLOAD.written(form), part)]
    assert len(found) == len(WORKLOAD)
    assert all(key in value for key, value in found)


def _records(workload: Workload, partition: int) -> list[tuple[bytes, bytes]]:
    return [
        (key or b"", value or b"") for batch in workload.batches(partition, STAMP) for key, value, *_ in read(batch)
    ]


def test_flat_events_are_the_arrays() -> None:
    """What `json` reads is service, host, value and time of each event, the value as Python writes it."""
    for partition in range(WORKLOAD.partitions):
        mine = np.flatnonzero(WORKLOAD.partition_of[WORKLOAD.service] == partition)
        for (key, value), row in zip(_records(WORKLOAD, partition), mine.tolist(), strict=True):
            service, at = int(WORKLOAD.service[row]), int(WORKLOAD.time[row])
            assert json.loads(value) == {
                "service": key.decode(), "host": f"web-{service % 100}", "metric": "latency_ms",
                "value": WORKLOAD.value[row], "ts": at / 1000,
            }  # fmt: skip
            assert key == b"checkout-%06d" % service
            assert f'"value":{float(WORKLOAD.value[row])!r},'.encode() in value


@given(st.lists(st.integers(0, 10**12), min_size=1), st.integers(1, 6))
def test_numbers_are_written_in_decimal(numbers: list[int], digits: int) -> None:
    """A number is written as Python does it, with zeros in front up to the digits asked for."""
    assert decimal(np.array(numbers), digits).rows() == [b"%0*d" % (digits, number) for number in numbers]


@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_rounded_values_are_written_as_floats(thousandths: list[int]) -> None:
    """A value of three decimals is written as `repr` writes it, up to its trailing zeros."""
    values = np.array(thousandths) / 1000
    assert rounded(values).rows() == [repr(value).encode() for value in values.tolist()]


def test_parts_stand_side_by_side() -> None:
    """What is the same in each row is written in each row, between what is not."""
    texts = ["a", "", "ccc"]
    made: Piece = joined([b"<", listed([text.encode() for text in texts]), b">"], 3)
    assert made.rows() == [b"<a>", b"<>", b"<ccc>"]
    assert made.sizes.tolist() == [3, 2, 5]
