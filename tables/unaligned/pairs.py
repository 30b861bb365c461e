"""Pairs of key code and time as single numbers, which sort and are searched in much less time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
_MOST = 1 << 62


def pairs(*parts: tuple[Ints, Ints]) -> list[Ints]:
    """Return a number for each pair of all parts, so that numbers are in the order of the pairs.

    Args:
        parts: key codes and times, of the same shape each; codes are 0 or greater.
    """
    times = [time for _, time in parts if len(time)]
    low, high = min((int(time.min()) for time in times), default=0), max((int(time.max()) for time in times), default=0)
    most = max((int(code.max()) for code, _ in parts if len(code)), default=0) + 1
    width = high - low + 1
    if most * width < _MOST:
        return [code * width + (time - low) for code, time in parts]
    rank = np.unique(np.concatenate(times), return_inverse=True)[1]
    ranks = np.split(rank, np.cumsum([len(time) for _, time in parts])[:-1])
    return [code * len(rank) + each for (code, _), each in zip(parts, ranks, strict=True)]
