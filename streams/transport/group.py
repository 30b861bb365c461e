"""What keeps a worker out of its consumer group: said in the log, and tried again.

aiokafka keeps such an error until somebody asks for records, and does not go on before; Faust asks its fetcher, which
never hands the error on. So it would wait for ever, also when the cause is long gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.errors import GroupAuthorizationFailedError, InconsistentGroupProtocolError, KafkaError
from mode.utils.logging import get_logger

from streams.transport.errors import GroupFailed

if TYPE_CHECKING:
    from streams.transport.consumer import BatchConsumer, BatchThread

logger = get_logger(__name__)

INTERVAL = 2.0
"""Seconds between two looks, and so between two attempts to join."""
FIXES: dict[type[KafkaError], str] = {
    InconsistentGroupProtocolError: "its members use another assignment protocol: they are of another client, or of "
    "this app run by plain Faust. Stop them, or give this app another name",
    GroupAuthorizationFailedError: "the broker refuses this user the group. Allow it to read group and topics",
}
"""What is behind an error, and the likely fix."""


async def watch(consumer: BatchConsumer, thread: BatchThread) -> None:
    """Look after the membership until the consumer stops.

    Args:
        consumer: whose membership it is.
        thread: in which its aiokafka consumer runs.

    Raises:
        GroupFailed: aiokafka has given up; only a new process can join.
    """
    group, said = consumer.app.conf.id, ""
    while not consumer.should_stop:
        await consumer.sleep(INTERVAL)
        if thread.should_stop:
            return
        error = await thread.in_thread(_failure(thread))
        text = "" if error is None else explain(group, error)
        if text and text != said:
            logger.error("%s; it is tried again every %.0f s", text, INTERVAL)
        said = text or said


def explain(group: str, error: KafkaError) -> str:
    """Return what is wrong with a group, and the likely fix.

    Args:
        group: its name.
        error: what joining it, or a heartbeat, came to.
    """
    return f"cannot join group {group}: {FIXES.get(type(error)) or repr(error)}"


async def _failure(thread: BatchThread) -> KafkaError | None:
    """Take the error of the membership, which lets aiokafka try again."""
    coordinator = thread._ensure_consumer()._coordinator if thread._consumer else None
    if coordinator is None or coordinator._closing.done():
        return None
    try:
        coordinator.check_errors()
    except KafkaError as error:
        if coordinator._coordination_task.done():
            raise GroupFailed(f"the group membership has ended: {error!r}; start the worker again") from error
        return error
    return None
