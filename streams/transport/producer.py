"""Faust's producer, which waits for a broker that is away: Faust's own ends the worker."""

from __future__ import annotations

import asyncio

import aiokafka
from aiokafka.errors import KafkaConnectionError
from faust.transport.drivers import aiokafka as driver
from mode.utils.logging import get_logger

logger = get_logger(__name__)

RETRY = 1.0
"""Seconds between two attempts to connect."""


class WaitingClient(aiokafka.AIOKafkaProducer):  # type: ignore[misc] # aiokafka has no types
    """aiokafka's producer."""

    async def start(self) -> None:
        """Connect, however long that takes, unless it is stopped."""
        said = False
        while not self._closed:
            try:
                await super().start()
            except KafkaConnectionError as error:
                if not said:
                    logger.warning("%s; it is tried again every %.0f s", error, RETRY)
                said = True
                await asyncio.sleep(RETRY)
            else:
                return


class WaitingProducer(driver.Producer):
    """Produces what Faust itself sends: stock agents of the same app."""

    _producer_type = WaitingClient
