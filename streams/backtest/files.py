"""Files as record values, in big blocks: JSON lines, CSV, access logs; plain, .gz or .zst."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast
from zlib import error as zlib_error

import cramjam

from streams.backtest.table import Rows

if TYPE_CHECKING:
    from streams.planned import StreamPlan

BLOCK = 4 << 20
"""Bytes that are read at once."""
ROWS = 20_000
"""Rows of a CSV file that are read at once."""
_BOM = b"\xef\xbb\xbf"


class Unreadable(Exception):  # noqa: N818 - the name says what is the matter
    """A file cannot be read; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some record values, and how many bytes of the file they have taken so far."""

    values: list[bytes]
    read: int


def chunks(path: Path, plan: StreamPlan) -> Iterator[Chunk]:
    """Yield a file's record values, in order.

    Args:
        path: `.csv` is CSV with a header; else each line is a record value of the stream's codec, but for empty ones.
            A further ending `.gz` or `.zst` is how it is packed.
        plan: of the stream that reads them.

    Raises:
        Unreadable: there is no such file, it is damaged, or no such stream can read it.
    """
    try:
        with path.open("rb") as raw:
            unpacked = _unpacked(path, raw)
            suffixes = [each.lower() for each in path.suffixes if each.lower() not in (".gz", ".zst")]
            if suffixes[-1:] == [".parquet"]:
                raise Unreadable(f"{path}: Parquet is not read here; write it as .csv or as JSON lines first")
            values = _csv(unpacked, plan, path) if suffixes[-1:] == [".csv"] else _lines(unpacked)
            for each in values:
                yield Chunk(each, raw.tell())
    except (OSError, EOFError, zlib_error, cramjam.DecompressionError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "it ends too early"
        raise Unreadable(f"{path} cannot be read: {reason}") from error


def _unpacked(path: Path, raw: BinaryIO) -> BinaryIO:
    ending = path.suffix.lower()
    if ending == ".gz":
        return cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    if ending == ".zst":
        return io.BytesIO(bytes(cramjam.zstd.decompress(raw.read())))
    return raw


def _lines(file: BinaryIO) -> Iterator[list[bytes]]:
    """Yield the lines of a file without their ends; those that are empty are left out."""
    rest, first = b"", True
    while block := file.read(BLOCK):
        if first:
            block, first = block.removeprefix(_BOM), False
        *lines, rest = (rest + block).split(b"\n")
        yield _without_ends(lines)
    if last := _without_ends([rest]):
        yield last


def _without_ends(lines: list[bytes]) -> list[bytes]:
    return [stripped for line in lines if (stripped := line.removesuffix(b"\r"))]


def _csv(file: BinaryIO, plan: StreamPlan, path: Path) -> Iterator[list[bytes]]:
    if plan.stream.codec != "json":
        raise Unreadable(f"{path}: rows of a CSV file are read as JSON; stream {plan.name} has codec {plan.codec.name}")
    with io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        try:
            rows = Rows(text, plan)
            while values := rows.take(ROWS):
                yield values
        except ValueError as error:
            raise Unreadable(f"{path}: {error}") from error
