"""Fetched batches on Faust's way from the consumer to the agent of their stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import faust
from faust.types import TP, ConsumerMessage

if TYPE_CHECKING:
    from streams.effects import Records


def messages(app: Any, taken: Mapping[TP, Records]) -> Iterator[ConsumerMessage]:
    """Yield a message for each topic; its value has what was fetched, by partition: the way is long for one of each.

    Args:
        app: the Faust app.
        taken: what one take brought.
    """
    by_topic: dict[str, dict[TP, Records]] = {}
    for tp, records in taken.items():
        by_topic.setdefault(tp.topic, {})[tp] = records
    for parts in by_topic.values():
        yield _message(app, parts)


def _message(app: Any, parts: Mapping[TP, Records]) -> ConsumerMessage:
    now, inbound = time.time(), time.monotonic()
    app.monitor.stream_inbound_time.update(dict.fromkeys(parts, inbound))
    tp, records = next(iter(parts.items()))
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        records.hi - 1,
        now,
        0,
        None,
        None,
        cast("Any", parts),
        None,
        0,
        0,
        tp,
        generation_id=app.consumer_generation_id,
    )


class BatchSchema(faust.Schema[Any, Any]):
    """Hands a message through as the event's value, undecoded."""

    def compile(self, app: Any, **options: Any) -> Callable[..., Any]:
        """Return a decode function that only wraps the message into an event."""
        del options
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            del propagate
            return create_event(None, message.value, message.headers, message)

        return decode
