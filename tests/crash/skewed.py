"""The worker's app on a machine whose clock is wrong: `CLOCK_SKEW_SECONDS` are added to the wall clock."""

from __future__ import annotations

import os
import time

_now = time.time
_skew = float(os.environ["CLOCK_SKEW_SECONDS"])
time.time = lambda: _now() + _skew

from streams.worker import app  # noqa: E402 - the clock is wrong before anything looks at it

__all__ = ["app"]
