"""The cyclic garbage collector, set for records that come and go by the ten thousand."""

from __future__ import annotations

import gc

YOUNG = 100_000
"""Objects made and not freed before the young ones are looked at: more than one batch makes."""


def spare() -> None:
    """Let the collector leave alone what was made at start, and look at new objects seldom.

    Python's own thresholds (700, 10, 10) have it go through the objects of every batch, and through all modules every
    few batches, which takes 30 ms at a time. Records and rows are freed by their reference counts, without it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 10)
