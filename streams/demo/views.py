"""Reading the demo's tables back over HTTP, as any user would."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import aiohttp

from streams.demo.log import SITE, Counts


class NotAnswered(Exception):  # noqa: N818 - the name says what is the matter
    """A worker did not answer, or not for all partitions."""


async def counts(session: aiohttp.ClientSession, worker: str, table: str, key: str, span: tuple[int, int]) -> Counts:
    """Return what a worker says of all keys of a table in the windows that start in `[from, to)` ms.

    Raises:
        NotAnswered: it did not, or for some partitions only.
    """
    found: Counts = {}
    after: str | None = ""
    while after is not None:
        query = {"from": span[0], "to": span[1], "limit": 1000} | _after(after)
        data = await _get(session, worker, f"tables/{table}", query)
        found.update(_cell(row, key) for row in data["rows"])
        after = data["next"]
    return found


async def total(session: aiohttp.ClientSession, worker: str) -> int:
    """Return how many requests the table `site` has counted, 0 while it has none.

    Raises:
        NotAnswered: the worker did not answer.
    """
    try:
        data = await _get(session, worker, f"tables/site/{quote(SITE, safe='')}", {})
    except NotAnswered:
        return 0
    return sum(row["values"]["requests"] for row in data["rows"])


def _after(after: str) -> dict[str, str]:
    return {"after": after} if after else {}


def _cell(row: dict[str, Any], key: str) -> tuple[tuple[str, int], tuple[int, int, int]]:
    values = row["values"]
    return (row["key"][key], row["start"]), (values["requests"], values["refused"], values["bytes"])


async def _get(session: aiohttp.ClientSession, worker: str, path: str, query: dict[str, Any]) -> dict[str, Any]:
    try:
        async with session.get(f"{worker}/api/v1/{path}", params=query, timeout=aiohttp.ClientTimeout(10)) as response:
            body: dict[str, Any] = await response.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise NotAnswered(f"{worker}: {error!r}") from error
    if body.get("status") != "success":
        raise NotAnswered(f"{worker}/{path}: {body.get('error')}")
    data: dict[str, Any] = body["data"]
    if data.get("missing_partitions"):
        raise NotAnswered(f"{worker}/{path}: no answer for {', '.join(data['missing_partitions'])}")
    return data
