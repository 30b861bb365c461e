"""Files as record values: lines and CSV, packed or not, in blocks of any size; and what cannot be read."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.backtest import files
from streams.backtest.files import Unreadable, chunks
from streams.backtest.table import Rows
from streams.load import loads
from streams.plan import plan
from streams.planned import StreamPlan

APP = """
app: t
streams:
  s: {topic: s, time: {field: at}, key: host}
  raw: {topic: raw, codec: raw, key: value}
tables:
  c:
    from: s
    key: host
    where: ok
    aggregates:
      n: count()
      x: sum("x.y")
      odd: count(where="startswith(kind, 'a')")
"""


def stream(name: str = "s") -> StreamPlan:
    """Return the plan of a stream."""
    return plan(loads(APP)).streams[name]


def read(path: Path, name: str = "s") -> list[bytes]:
    """Return all values of a file."""
    return [value for chunk in chunks(path, stream(name)) for value in chunk.values]


def packed(path: Path, content: bytes) -> Path:
    """Write a file as its ending says."""
    if path.suffix == ".gz":
        content = gzip.compress(content)
    if path.suffix == ".zst":
        content = bytes(cramjam.zstd.compress(content))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, block: int) -> None:
    """Each line is a value, whatever ends it and wherever a block ends; empty ones and a mark of UTF-8 are none."""
    monkeypatch.setattr(files, "BLOCK", block)
    content = b'{"a": 1}\n\n{"b": "\xc3\xa9"}\r\n\r\nno json\n{"last": 1}'
    content = b"\xef\xbb\xbf" + content if block > 2 else content
    path = packed(tmp_path / f"x.jsonl{ending}", content)
    assert read(path) == [b'{"a": 1}', b'{"b": "\xc3\xa9"}', b"no json", b'{"last": 1}']


def test_progress_is_in_bytes_of_the_file(tmp_path: Path) -> None:
    """The last chunk has read all of the file, packed or not."""
    for name in ("x.jsonl", "x.jsonl.gz", "x.csv.zst"):
        path = packed(tmp_path / name, b"at,host\n" + b"1,2\n" * 10_000)
        assert list(chunks(path, stream()))[-1].read == path.stat().st_size


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_csv(tmp_path: Path, ending: str) -> None:
    """Columns that are used are typed as they are used; the others are left out; names with dots lead inside."""
    lines = (
        "other,at,host,x.y,kind,ok",
        "1,2014-04-10 00:04:00,a,1.5,7,true",
        '2,2014-04-10T00:04:00.25+02:00,"b, ""c""",-3,,0',
        "3,1397088240,12,007,é,maybe",
        "4,,,,,",
        "short,row",
    )
    content = "\n".join(lines)
    first, second, third, fourth, short = read(packed(tmp_path / f"x.csv{ending}", content.encode()))
    assert json.loads(first) == {"at": "2014-04-10 00:04:00Z", "host": "a", "x": {"y": 1.5}, "kind": "7", "ok": True}
    assert json.loads(second) == {
        "at": "2014-04-10T00:04:00.25+02:00", "host": 'b, "c"', "x": {"y": -3}, "kind": None, "ok": False,
    }  # fmt: skip
    assert json.loads(third) == {"at": 1397088240, "host": 12, "x": {"y": "007"}, "kind": "é", "ok": "maybe"}
    assert json.loads(fourth) == {"at": None, "host": None, "x": {"y": None}, "kind": None, "ok": None}
    assert short == b"short,row"


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=30), st.integers(1, 7))
def test_texts_of_csv_come_through(rows: list[tuple[str, str]], count: int) -> None:
    """Whatever text a cell holds is the text of the field; nothing is null."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("kind", "other"), *rows])
    text.seek(0)
    reader, found = Rows(text, stream()), list[Any]()
    while values := reader.take(count):
        found += [json.loads(value)["kind"] for value in values]
    assert found == [kind or None for kind, _ in rows]


@pytest.mark.parametrize(
    ("name", "content", "stream_name", "message"),
    [
        ("gone.csv", None, "s", "No such file or directory"),
        ("x.csv", b"a,b\n1,2\n", "s", "the first line must name the columns; none of"),
        ("x.csv", b"", "s", "the first line must name the columns"),
        ("x.csv", b"at,host\n1,2\n", "raw", "stream raw has codec raw"),
        ("x.csv", b"at,host\n" + b"1," + b"x" * 200_000 + b"\n", "s", "line 2 is no CSV: field larger than"),
        ("x.parquet", b"PAR1", "s", "Parquet is not read here"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, stream_name: str, message: str) -> None:
    """A file that cannot be read is named, with the reason."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unreadable, match=message) as error:
        read(path, stream_name)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_damaged_files(tmp_path: Path, ending: str) -> None:
    """A packed file that is cut off or is none is named, with the reason."""
    path = packed(tmp_path / f"x.jsonl{ending}", b"".join(b'{"a": %d}\n' % at for at in range(5000)))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Unreadable, match="cannot be read: "):
        read(path)
    path.write_bytes(b"plain text")
    with pytest.raises(Unreadable, match="cannot be read: "):
        read(path)
