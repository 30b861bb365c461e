"""The access log of the demo, and what it holds by a plain recount: no code of the engine takes part."""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.resources import files

SITE = "semicomplete.com"
HOUR = 3_600_000
_LINE = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] ".*?(?<!\\)" (\d{3}) (\d+|-) ".*?" ".*?"$')

Counts = dict[tuple[str, int], tuple[int, int, int]]
"""(key, start of the hour in ms) -> (requests, requests refused with 4xx, bytes sent)."""


def lines() -> list[bytes]:
    """Return the lines of the log, without their ends."""
    packed = files("streams").joinpath("data", "access_log.gz").read_bytes()
    return gzip.decompress(packed).splitlines()


def client_of(line: bytes) -> bytes:
    """Return the client that a line begins with."""
    return line.partition(b" ")[0]


def recount(log: Iterable[bytes]) -> tuple[Counts, Counts, int]:
    """Return counts by site, counts by client, and the number of lines that are no access log lines."""
    sites: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    clients: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    broken = 0
    for raw in log:
        found = _LINE.match(raw.decode())
        if found is None:
            broken += 1
            continue
        client, hour, refused, sent = _read(found)
        for cell in (sites[SITE, hour], clients[client, hour]):
            cell[0] += 1
            cell[1] += refused
            cell[2] += sent
    return _frozen(sites), _frozen(clients), broken


def _read(found: re.Match[str]) -> tuple[str, int, bool, int]:
    client, stamp, status, sent = found.groups()
    time = int(datetime.strptime(stamp, "%d/%b/%Y:%H:%M:%S %z").timestamp()) * 1000
    return client, time - time % HOUR, status.startswith("4"), 0 if sent == "-" else int(sent)


def _frozen(cells: dict[tuple[str, int], list[int]]) -> Counts:
    return {key: (requests, refused, sent) for key, (requests, refused, sent) in cells.items()}


def expected_alerts(sites: Counts) -> Iterator[tuple[str, int]]:
    """Yield (status, window end in ms) of each transition of ManyRefusedRequests that the log's closed hours bring."""
    firing = False
    hours = sorted(hour for _, hour in sites)
    for hour in range(hours[0], hours[-1], HOUR):
        requests, refused, _ = sites.get((SITE, hour), (0, 0, 0))
        holds = requests >= 50 and refused / requests > 0.1  # noqa: PLR2004 - the rule of demo.yaml
        if holds != firing:
            firing = holds
            yield ("firing" if holds else "resolved"), hour + HOUR
