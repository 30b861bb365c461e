"""The compiled loops. Imported where numba is installed and wanted alone: it takes its time to load."""

from __future__ import annotations

import numpy as np

from tables.fast.buckets import count_in
from tables.fast.sums import float_sums

__all__ = ["count_in", "float_sums", "warm"]


def warm() -> None:
    """Compile the loops, or take them out of numba's cache, by running each once with the types it is called with."""
    none, places = np.empty(0, np.int64), np.empty(0, np.intp)
    count_in(none, none, none, places, none, 0)
    float_sums(places, np.empty(0, np.float64), 0)
