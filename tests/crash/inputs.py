"""The input of the torture run: without end, full of poison and late records, and with a result that its keys tell.

As in Kafka Streams' SmokeTestDriver a key can be the range of the numbers that it gets: the records of span `200-249`
carry the steps 200 to 249, each once, in an order that is shuffled a little. What count, least, greatest and sum of a
span must be follows from its name; no other program has to say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from tests.integration.scenario import BASE, HOSTS, PARTITIONS, POISON
from tests.outside import Sent

USERS = 14
SPAN = 50
"""Steps of a span."""
SHUFFLED = 10
"""How far from its place a step may come."""
MOOD = 300
"""Records after which another host of the partition, and another user, has most to say."""
POISONED = 0.025


@dataclass
class Input:
    """Records of every host, by the same seed always the same ones.

    Args:
        seed: of the input.

    Attributes:
        spans: of each host, those begun.
    """

    seed: int
    spans: list[int] = field(default_factory=lambda: [0] * HOSTS)
    _steps: list[list[int]] = field(default_factory=lambda: [[] for _ in range(HOSTS)])
    _clock: list[int] = field(default_factory=lambda: [BASE + number * 777 for number in range(PARTITIONS)])
    _made: int = 0

    def __post_init__(self) -> None:
        """Begin."""
        self._random = Random(self.seed)  # noqa: S311 - test data, no secret
        self._loud = list(range(PARTITIONS))
        self._user = 0

    def records(self) -> Iterator[Sent]:
        """Yield records without end; the first ones are good, one of each partition."""
        for number in range(PARTITIONS):
            yield self._good(number)
        while True:
            yield self._next()

    def rest(self) -> Iterator[Sent]:
        """Yield what is missing, so that every host has had the same spans, each of them whole."""
        last = max(self.spans)
        for host in range(HOSTS):
            while self._steps[host] or self.spans[host] < last:
                yield self._good(host)

    def _next(self) -> Sent:
        random = self._random
        self._made += 1
        if self._made % MOOD == 0:
            self._loud = [number + PARTITIONS * random.randrange(HOSTS // PARTITIONS) for number in range(PARTITIONS)]
            self._user = random.randrange(USERS)
        host = random.choice(self._loud) if random.random() < 0.3 else random.randrange(HOSTS)
        if random.random() < POISONED:
            return Sent(host % PARTITIONS, f"h{host}".encode(), random.choice(list(POISON)))
        return self._good(host)

    def _good(self, host: int) -> Sent:
        random, partition = self._random, host % PARTITIONS
        self._clock[partition] += random.choice((0, 20, 80, 180, 500))
        step = self._step(host)
        value = {
            "host": f"h{host}",
            "user": f"user-{self._user if random.random() < 0.2 else random.randrange(USERS)}",
            "ts": self._clock[partition] - random.choice((0, 0, 0, 0, 100, 1_000, 4_000, 12_000, 60_000)),
            "bytes": random.randrange(-50, 1000),
            "span": name(step // SPAN),
            "step": step,
        }
        return Sent(partition, f"h{host}".encode(), json.dumps(value).encode())

    def _step(self, host: int) -> int:
        """Return the host's next step; when a span has had all of its steps the next one begins."""
        if not self._steps[host]:
            first = self.spans[host] * SPAN
            self._steps[host] = sorted(
                range(first, first + SPAN), key=lambda step: step + self._random.uniform(0, SHUFFLED), reverse=True
            )
            self.spans[host] += 1
        return self._steps[host].pop()


def name(number: int) -> str:
    """Return the name of a span, which says what it gets."""
    return f"{number * SPAN}-{number * SPAN + SPAN - 1}"


def told(span: str, times: int = 1) -> dict[str, int]:
    """Return what a span must come to, as its name says.

    Args:
        span: `first-last`.
        times: how many hosts have sent each of its steps.
    """
    first, last = map(int, span.split("-"))
    n = (last - first + 1) * times
    return {"n": n, "total": (first + last) * n // 2, "low": first, "high": last}


def local_spans(spans: int) -> dict[tuple[str, str], dict[str, int]]:
    """Return (host, span) -> row, where every host has had this many spans."""
    return {(f"h{host}", name(number)): told(name(number)) for host in range(HOSTS) for number in range(spans)}


def all_spans(spans: int) -> dict[str, dict[str, int]]:
    """Return span -> row over all hosts."""
    return {name(number): told(name(number), HOSTS) for number in range(spans)}
