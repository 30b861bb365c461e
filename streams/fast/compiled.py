"""Compiled loops over bytes. Imported by `streams.fast.load` alone: numba is an extra, and takes its time to load."""

from __future__ import annotations

from streams.fast.frames import frames
from streams.fast.intern import SECRETS, intern, slots
from streams.fast.outlines import empty as outlines
from streams.fast.records import records
from streams.fast.scan import scan
from streams.fast.warming import warm
from tables.fast import compiled as tables

__all__ = ["SECRETS", "frames", "intern", "outlines", "records", "scan", "slots", "tables", "warm"]
