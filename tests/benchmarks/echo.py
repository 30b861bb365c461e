"""The least that any consumer in Python does: aiokafka reads every record, and sends a record for each trigger.

Run by `latency.py` as `python -m tests.benchmarks.echo BOOTSTRAP TOPIC TARGET`. It keeps nothing and decodes nothing.
"""

from __future__ import annotations

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def main(bootstrap: str, topic: str, target: str) -> None:
    """Echo until the process is ended."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"{topic}-echo", auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await consumer.start()
    await producer.start()
    await consumer.seek_to_beginning()
    sys.stdout.write("BEGAN\n")
    sys.stdout.flush()
    while True:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            for record in records:
                if record.key.startswith(b"trigger"):
                    await producer.send(target, key=record.key, value=record.value)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
