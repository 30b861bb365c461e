"""Answers of followers (`stale=ok`): for partitions that no owner answers for, each with how old it may be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from streams.views.rows import Local, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from streams.plan import TablePlan
    from streams.views.peers import Peers
    from streams.views.provider import Provider
    from streams.views.rows import Answer

HEADER = "X-Streams-Standby"


class Followers:
    """The followers of the app's partitions, asked one after the other.

    Args:
        provider: this worker.
        peers: the others.
    """

    def __init__(self, provider: Provider, peers: Peers) -> None:
        """Keep whom to ask."""
        self._provider, self._peers = provider, peers

    async def answers(
        self,
        plan: TablePlan,
        absent: Collection[str],
        read: Callable[[Local], Answer],
        request: tuple[str, Mapping[str, str]],
    ) -> list[Answer]:
        """Return what followers have of partitions that nobody answers for; this worker's own are read first.

        Args:
            plan: of the table.
            absent: names of the partitions.
            read: makes this worker's answer; blocking.
            request: path and parameters for another worker.
        """
        numbers = range(self._provider.partition_count(plan.name))
        missing = {number for number in numbers if name_of(plan.name, number) in absent}
        left = {url: set(numbers) for url, numbers in self._provider.followers(plan.name).items()}
        found: list[Answer] = []
        while shared := _shared(missing, left, self._provider.worker):
            for answer in await asyncio.gather(
                *(self._answer(url, plan, numbers, read, request) for url, numbers in shared.items())
            ):
                found += [] if answer is None else [answer]
                missing -= set() if answer is None else {each["partition"] for each in answer["standby"]}
            left = {url: numbers for url, numbers in left.items() if url not in shared}
        return found

    async def _answer(
        self,
        url: str,
        plan: TablePlan,
        numbers: Collection[int],
        read: Callable[[Local], Answer],
        request: tuple[str, Mapping[str, str]],
    ) -> Any:
        if url == self._provider.worker:
            return await asyncio.to_thread(read, Local.followed(self._provider, plan, numbers))
        path, parameters = request
        return await self._peers.ask(url, path, {**parameters, "standby": ",".join(map(str, sorted(numbers)))})


def _shared(missing: Collection[int], left: Mapping[str, Collection[int]], here: str) -> dict[str, list[int]]:
    """Return whom to ask for which of the missing partitions: this worker before all others."""
    found: dict[str, list[int]] = {}
    for number in sorted(missing):
        urls = [url for url, numbers in left.items() if number in numbers]
        if urls:
            found.setdefault(min(urls, key=lambda url: (url != here, url)), []).append(number)
    return found


def header(plan: TablePlan, answer: Answer) -> dict[str, str]:
    """Return the header that says which partitions were answered by followers, and how far these are behind."""
    parts = [
        f"{name_of(plan.name, each['partition'])};worker={each['worker']};records={each['records']};ms={each['ms']}"
        for each in answer.get("standby", ())
    ]
    return {HEADER: ", ".join(parts)} if parts else {}
