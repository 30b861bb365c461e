"""One call per record, and the records for which the call fails told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from streams import reasons
from streams.codecs.base import BadRow

Given = TypeVar("Given")
Made = TypeVar("Made")
Explain = Callable[[Exception, Given], tuple[str, str]]
"""From what was raised and the value: a reason code and a sentence."""


def decode_each(
    function: Callable[[Given], Made],
    values: Sequence[Given],
    explain: Explain[Given],
) -> tuple[list[Made], list[BadRow]]:
    """Return what `function` makes of each value, and a `BadRow` for each value for which it raises.

    A failure costs its exception and nothing more: `list.extend` keeps what it got before the iterator raised, and the
    iterator goes on with the next value. So the results are those of the good rows, in order.

    Args:
        function: called once per value.
        values: n values.
        explain: makes reason and message of an exception.
    """
    made: list[Made] = []
    bad: list[BadRow] = []
    iterator = map(function, values)
    while True:
        try:
            made.extend(iterator)
        except Exception as error:  # noqa: BLE001 - whatever a record makes a parser raise, it is that record's fault
            index = len(made) + len(bad)
            bad.append(BadRow(index, *explain(error, values[index])))
        else:
            return made, bad


def good_rows(n: int, bad: Iterable[BadRow]) -> NDArray[np.intp] | None:
    """Return the indices below `n` that are not bad, or None if none is bad."""
    indices = [row.index for row in bad]
    return np.delete(np.arange(n, dtype=np.intp), indices) if indices else None


def explain_text(error: Exception, value: bytes | None) -> tuple[str, str]:
    """Return reason and message for a value that could not be read as UTF-8 text."""
    if not value:
        return reasons.EMPTY_VALUE, "the record has no value"
    if isinstance(error, UnicodeDecodeError):
        return reasons.INVALID_UTF8, f"byte {error.start} of the value is not UTF-8 ({error.reason})"
    return reasons.WRONG_TYPE, f"the value cannot be read as text: {error}"
