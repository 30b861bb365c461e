"""Columns of what a scan over many rows found, and of the rows that it left to a reader of single ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streams.codecs.base import Decoded
from streams.fast.kinds import NULL
from streams.fast.names import Names
from tables.columns import Column, Mask, join


def null(kinds: NDArray[np.int8]) -> Mask | None:
    """Return which rows are null; None if none is."""
    found: Mask = kinds == NULL
    return found if found.any() else None


def text(kinds: NDArray[np.int8], bits: NDArray[np.int64], buffer: NDArray[np.uint8], names: Names) -> Column:
    """Return a column of texts that lie in a buffer, each distinct one made once.

    Args:
        kinds: shape (n,), of `streams.fast.kinds`.
        bits: shape (n,), where each text lies.
        buffer: uint8.
        names: the texts of this field so far.
    """
    nulls = null(kinds)
    if nulls is None:
        return texts(kinds, bits, buffer, names)
    codes, known = names.codes(buffer, kinds, bits)
    values = np.full(len(kinds), "", object)
    values[~nulls] = known[codes[~nulls]]
    return Column("text", values, nulls)


def texts(kinds: NDArray[np.int8], bits: NDArray[np.int64], buffer: NDArray[np.uint8], names: Names) -> Column:
    """Return the same of rows that all have a text."""
    codes, known = names.codes(buffer, kinds, bits)
    return Column("text", known[codes], codes=codes, texts=known)


def merged(
    n: int, sure: NDArray[np.intp], columns: dict[str, Column], left: NDArray[np.intp], plain: Decoded
) -> Decoded:
    """Return what was scanned and what was made of the rows that were left, by row.

    Args:
        n: how many rows there are.
        sure: the rows of `columns`.
        columns: what was scanned.
        left: the other rows.
        plain: what was made of them.
    """
    bad = [replace(each, index=int(left[each.index])) for each in plain.bad]
    rows = left if plain.good is None else left[plain.good]
    order = np.argsort(np.concatenate((sure, rows)), kind="stable")
    joined = {path: join(column, plain.columns[path]).take(order) for path, column in columns.items()}
    good = None if not bad else np.delete(np.arange(n, dtype=np.intp), [each.index for each in bad])
    return Decoded(joined, good, bad)
