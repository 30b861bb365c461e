"""Appending a batch to a topic that was just made."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiokafka.errors import LeaderNotAvailableError

from streams.transport.appender import Refused, append_batch
from streams.transport.client import BACKOFF_SECONDS

if TYPE_CHECKING:
    from streams.transport.client import Client

SECONDS = 30.0
"""How long a broker may take over a batch."""


async def append(client: Client, topic: str, partition: int, batch: bytes) -> int:
    """Append a batch and return its base offset; a broker may have said that it leads before it knew it itself.

    Raises:
        Refused: for a reason that does not pass, or did not in 30 s.
    """
    until = time.monotonic() + SECONDS
    while True:
        try:
            return await append_batch(client, topic, partition, batch, SECONDS)
        except (Refused, LeaderNotAvailableError) as refusal:
            passes = isinstance(refusal, LeaderNotAvailableError) or refusal.error.retriable
            if not passes or time.monotonic() > until:
                raise
        await asyncio.sleep(BACKOFF_SECONDS)
        await client.refresh()
