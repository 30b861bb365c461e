"""Loops compiled by numba (extra `fast`), loaded in the background when a worker has much to do.

What is here has a twin that does the same without it, and is tested against that twin: `frames` reads the records of
batches as aiokafka's reader does, `scan` reads JSON as msgspec does and hands on what it is not sure of. Without the
extra, and until it is loaded, all goes the plain way. `STREAMS_FAST=0` never loads it, `STREAMS_FAST=1` at the start.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import threading
from functools import cache
from types import ModuleType

from tables import fast as tables_fast

log = logging.getLogger(__name__)
ENVIRONMENT = "STREAMS_FAST"
WORTH = 200_000
"""Records after which a worker loads the compiled loops: they take 130 MiB, and half a second to load."""


class _Loading:
    """The kernels once they are compiled."""

    kernels: ModuleType | None = None


def kernels() -> ModuleType | None:
    """Return the compiled loops; None where numba is not installed, is turned off, or has not yet compiled them."""
    return _Loading.kernels


def installed() -> bool:
    """Return whether numba is there and not turned off."""
    return os.environ.get(ENVIRONMENT) != "0" and importlib.util.find_spec("numba") is not None


def wanted(records: int) -> bool:
    """Return whether it is time to load them, for a process that has read so many records."""
    return records >= WORTH or os.environ.get(ENVIRONMENT) == "1"


@cache
def prepare() -> threading.Thread | None:
    """Begin to load and compile in the background, once in a process; until it is done, all goes the plain way.

    Returns:
        The thread, to be joined by who wants to wait; None where there is nothing to load.
    """
    if not installed():
        return None
    thread = threading.Thread(target=load, name="fast", daemon=True)
    thread.start()
    return thread


def load() -> ModuleType | None:
    """Load, and compile what is not in numba's cache; an installation that does not work is told and left alone."""
    if _Loading.kernels is None and installed():
        try:
            module = importlib.import_module("streams.fast.compiled")
            module.warm()
        except Exception as error:  # noqa: BLE001 - an extra that cannot be used must not stop the worker
            log.warning("the extra `fast` cannot be used, all goes on without it: %r", error)
        else:
            _Loading.kernels = module
            tables_fast.use(module.tables)
    return _Loading.kernels
