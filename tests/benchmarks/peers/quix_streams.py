"""Quix Streams at the same work, without the quantile: count, sum, min and max per key and 10 s window.

It runs in an environment of its own, so it imports nothing of ours: `quix_streams.py BOOTSTRAP TOPIC GROUP OUT FOLDER`.
Windows lie in RocksDB with a changelog; closed ones go to the topic OUT.
"""

from __future__ import annotations

import sys
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows.aggregations import Count, Max, Min, Sum

bootstrap, source, group, out, folder = sys.argv[1:]
began = False


def event_time(value: Any, headers: Any, timestamp: float, kind: Any) -> int:
    """Return the event time in ms; the first call is the beginning of the run."""
    del headers, timestamp, kind
    global began  # noqa: PLW0603 - it is said once
    if not began:
        began = True
        sys.stdout.write("BEGAN\n")
        sys.stdout.flush()
    return round(value["ts"] * 1000)


app = Application(
    broker_address=bootstrap,
    consumer_group=group,
    auto_offset_reset="earliest",
    commit_interval=1.0,
    state_dir=folder,
    loglevel="WARNING",
    consumer_extra_config={"fetch.queue.backoff.ms": 1, "queued.max.messages.kbytes": 65536},
    producer_extra_config={"linger.ms": 50, "batch.size": 1 << 20},
)
events = app.topic(source, value_deserializer="json", timestamp_extractor=event_time)
closed = app.topic(out, value_serializer="json")
rows = app.dataframe(events).tumbling_window(duration_ms=10_000, grace_ms=5_000)
aggregates = {"count": Count(), "total": Sum("value"), "least": Min("value"), "most": Max("value")}
rows.agg(**aggregates).final(closing_strategy="partition").to_topic(closed)
app.run()
