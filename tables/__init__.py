"""What is remembered: windowed tables, their aggregates and their state. Everything a declaration needs is here.

`sum`, `min` and `max` are the aggregates; import them by name where the builtins of the same names are not needed.
"""

from __future__ import annotations

from tables.aggregates.count import count
from tables.aggregates.last import last
from tables.aggregates.max import max  # noqa: A004 - the word that a declaration uses
from tables.aggregates.mean import mean
from tables.aggregates.min import min  # noqa: A004 - the word that a declaration uses
from tables.aggregates.quantile import quantile
from tables.aggregates.sum import sum  # noqa: A004 - the word that a declaration uses
from tables.spec import Table, Window, hopping, tumbling

__all__ = ["Table", "Window", "count", "hopping", "last", "max", "mean", "min", "quantile", "sum", "tumbling"]
