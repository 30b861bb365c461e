"""Extremes of floats; the twins of what `tables.aggregates.extremes.Extreme` does without them."""

from __future__ import annotations

from tables.fast.loop import loop


@loop
def fold_extremes(reals, rows, index, values, least):
    """Keep in each row the extreme of what it has and its values, in place; -0.0 becomes 0.0.

    Args:
        reals: float64, by row.
        rows: shape (m,) intp, unique.
        index: shape (n,) intp, the position in `rows` of each value.
        values: shape (n,) float64, finite.
        least: whether the least is kept; else the greatest.
    """
    for at in range(len(values)):
        row = rows[index[at]]
        reals[row] = min(reals[row], values[at]) if least else max(reals[row], values[at])
    for row in rows:
        reals[row] += 0.0
