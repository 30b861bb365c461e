"""What is remembered: windowed tables, their aggregates and their state. Everything a declaration needs is here.

`sum`, `min` and `max` are the aggregates; import them by name where the builtins of the same names are not needed.
"""

from __future__ import annotations

from tables.aggregates.collect_list import collect_list
from tables.aggregates.collect_set import collect_set
from tables.aggregates.count import count
from tables.aggregates.delta import delta
from tables.aggregates.derivative import derivative
from tables.aggregates.distinct import distinct
from tables.aggregates.ewma import ewma
from tables.aggregates.first import first
from tables.aggregates.histogram import histogram
from tables.aggregates.increase import increase
from tables.aggregates.last import last
from tables.aggregates.max import max  # noqa: A004 - the word that a declaration uses
from tables.aggregates.max_by import max_by
from tables.aggregates.mean import mean
from tables.aggregates.min import min  # noqa: A004 - the word that a declaration uses
from tables.aggregates.min_by import min_by
from tables.aggregates.quantile import quantile
from tables.aggregates.quantiles import quantiles
from tables.aggregates.rate import rate
from tables.aggregates.ratio import ratio
from tables.aggregates.stddev import stddev
from tables.aggregates.sum import sum  # noqa: A004 - the word that a declaration uses
from tables.aggregates.top_k import top_k
from tables.aggregates.variance import variance
from tables.spec import Table
from tables.windows import Window
from tables.windows.calendar import calendar
from tables.windows.counted import counted
from tables.windows.hopping import hopping
from tables.windows.session import session
from tables.windows.sliding import sliding
from tables.windows.tumbling import tumbling

__all__ = [
    "Table",
    "Window",
    "calendar",
    "collect_list",
    "collect_set",
    "count",
    "counted",
    "delta",
    "derivative",
    "distinct",
    "ewma",
    "first",
    "histogram",
    "hopping",
    "increase",
    "last",
    "max",
    "max_by",
    "mean",
    "min",
    "min_by",
    "quantile",
    "quantiles",
    "rate",
    "ratio",
    "session",
    "sliding",
    "stddev",
    "sum",
    "top_k",
    "tumbling",
    "variance",
]
