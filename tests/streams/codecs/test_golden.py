"""The codecs against files written by hand: what each record is, or why it is bad."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streams.codecs import registry
from streams.codecs.base import Decoded

GOLDEN = Path(__file__).parents[2] / "codecs"
FILES = sorted(GOLDEN.glob("*.in"))


def outcomes(decoded: Decoded, n: int) -> list[Any]:
    """Return one line of a golden file per record: its fields that are not null, or a reason code."""
    result: list[Any] = [None] * n
    for row in decoded.bad:
        result[row.index] = row.reason
    good = range(n) if decoded.good is None else decoded.good.tolist()
    lists = {name: column.tolist() for name, column in decoded.columns.items()}
    for position, index in enumerate(good):
        result[index] = {name: items[position] for name, items in lists.items() if items[position] is not None}
    return result


def read(path: Path) -> tuple[dict[str, Any], list[bytes], list[Any]]:
    """Return the used fields, the records and what is expected of them."""
    head, *expected = (json.loads(line) for line in path.with_suffix(".out").read_text().splitlines())
    return head["fields"], path.read_bytes().split(b"\n")[:-1], expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_batch_gives_what_the_file_says(path: Path) -> None:
    """Every record of a batch comes out as written by hand, bad ones among good ones."""
    fields, values, expected = read(path)
    codec = registry()[path.stem.partition("-")[0]]
    assert outcomes(codec.compile(fields).decode(values), len(values)) == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_record_alone_gives_the_same(path: Path) -> None:
    """What a record is does not depend on its neighbours."""
    fields, values, expected = read(path)
    decoder = registry()[path.stem.partition("-")[0]].compile(fields)
    assert [outcomes(decoder.decode([value]), 1)[0] for value in values] == expected


def test_every_codec_has_a_golden_file() -> None:
    """A codec that is added without a golden file fails here."""
    assert {path.stem.partition("-")[0] for path in FILES} == set(registry())
