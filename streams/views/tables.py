"""`/api/v1/tables`: what tables there are, their keys page by page, and all rows of one key."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from streams.views.errors import QueryError, success
from streams.views.params import Query, is_local, key_candidates, split_key
from streams.views.rows import Answer, Local, as_csv, in_all, local_page, local_rows, merged_page, missing
from streams.views.stale import Followers, header

if TYPE_CHECKING:
    from streams.plan import TablePlan
    from streams.views.peers import Peers
    from streams.views.provider import Provider

PATH = "/api/v1/tables"


class TableViews:
    """The views of tables.

    Args:
        provider: this worker.
        peers: the others.
    """

    def __init__(self, provider: Provider, peers: Peers) -> None:
        """Keep whom to ask."""
        self._provider, self._peers = provider, peers
        self._followers = Followers(provider, peers)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of these views."""
        return [
            web.get(PATH, self.index),
            web.get(f"{PATH}/{{table}}", self.table),
            web.get(f"{PATH}/{{table}}/{{key:[\\s\\S]*}}", self.key),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """Answer what tables there are."""
        return success(await self.described(local=is_local(request)))

    async def described(self, *, local: bool) -> Answer:
        """Return all tables, and the partitions that nobody answers for."""
        provider = self._provider
        plans = provider.plan.tables
        absent = [missing(provider, plans)]
        if not local:
            absent += [each["missing_partitions"] for each in await self._ask_all(PATH, {}, provider.peers())]
        tables = [{**describe(plan), "partitions": provider.partition_count(name)} for name, plan in plans.items()]
        return {"tables": tables, "missing_partitions": in_all(absent)}

    async def table(self, request: web.Request) -> web.Response:
        """Answer one page of the keys of a table."""
        query, plan = Query.of(request), self._plan(request)
        answers = [await asyncio.to_thread(local_page, Local.of(self._provider, plan, query), query)]
        if query.local:
            return _answer(plan, answers[0], query)
        parameters = {name: value for name, value in request.query.items() if name not in {"scope", "format", "stale"}}
        path = f"{PATH}/{plan.name}"
        answers += await self._ask_all(path, parameters, self._provider.peers())
        absent = in_all([answer["missing_partitions"] for answer in answers])
        if query.stale and absent:
            read = partial(local_page, query=query)
            answers += await self._followers.answers(plan, absent, read, (path, parameters))
        return _answer(plan, merged_page(plan, answers, query), query)

    async def key(self, request: web.Request) -> web.Response:
        """Answer the rows of one key, whoever has it."""
        query, plan = Query.of(request), self._plan(request)
        raw = request.rel_url.raw_path.removeprefix(f"{PATH}/{plan.name}/")
        keys = key_candidates(split_key(raw, len(plan.key)))
        guess = self._provider.guess(plan.name, keys[0])
        read = partial(local_rows, keys=keys, guess=guess, query=query)
        here = await asyncio.to_thread(read, Local.of(self._provider, plan, query))
        if query.local:
            return _answer(plan, here, query)
        answers = [here] if _is_from(here, guess) else await self._elsewhere(request, guess, here)
        if query.stale and not any(_is_from(answer, guess) for answer in answers):
            absent = in_all([answer["missing_partitions"] for answer in answers])
            answers += await self._followers.answers(plan, absent, read, (request.rel_url.raw_path, _times(request)))
        found = [answer for answer in answers if answer["rows"]]
        absent = in_all([answer["missing_partitions"] for answer in answers])
        if not found:
            raise _not_found(plan, raw, absent)
        best = min(found, key=lambda answer: (answer["partition"] != guess, answer["partition"]))
        if query.stale:
            standby = [each for each in best.get("standby", ()) if each["partition"] == best["partition"]]
            best = {**best, "standby": standby}
        return _answer(plan, {**best, "missing_partitions": absent if best["partition"] != guess else []}, query)

    async def _elsewhere(self, request: web.Request, guess: int, here: Answer) -> list[Answer]:
        """Return what the other workers say of a key: the owner of murmur2's partition alone if it has it, else all."""
        parameters = _times(request)
        others, path = list(self._provider.peers()), request.rel_url.raw_path
        owner = self._provider.owner(request.match_info["table"], guess)
        first = await self._ask_all(path, parameters, [base for base in others if base == owner])
        if any(_is_from(answer, guess) for answer in first):
            return first
        return [here, *first, *await self._ask_all(path, parameters, [base for base in others if base != owner])]

    async def _ask_all(self, path: str, parameters: dict[str, str], bases: Any) -> list[Answer]:
        return [answer for answer in await self._peers.ask_all(bases, path, parameters) if answer is not None]

    def _plan(self, request: web.Request) -> TablePlan:
        name = request.match_info["table"]
        plan = self._provider.plan.tables.get(name)
        if plan is None:
            known = ", ".join(self._provider.plan.tables)
            raise QueryError(404, f"there is no table {name!r:.100}; the app has: {known or 'none'}")
        if self._provider.partition_count(name) == 0:
            raise QueryError(
                503, f"the number of partitions of table {name!r} is not known yet: waiting for the broker"
            )
        return plan


def describe(plan: TablePlan) -> dict[str, Any]:
    """Return what a table is: where it reads, its key, its columns, its window (durations in ms)."""
    window = plan.table.window
    return {
        "name": plan.name,
        "from": plan.table.from_,
        "key": list(plan.key),
        "columns": [aggregate.name for aggregate in plan.aggregates],
        "window": None if window is None else window.describe(),
        "keep": plan.table.keep,
    }


def _times(request: web.Request) -> dict[str, str]:
    return {name: request.query[name] for name in ("from", "to") if name in request.query}


def _is_from(answer: Answer, partition: int) -> bool:
    return bool(answer["rows"]) and answer["partition"] == partition


def _answer(plan: TablePlan, answer: Answer, query: Query) -> web.Response:
    headers = header(plan, answer)
    if not query.csv:
        response = success(answer)
        response.headers.update(headers)
        return response
    headers["Content-Disposition"] = f'inline; filename="{plan.name}.csv"'
    if answer["missing_partitions"]:
        headers["X-Streams-Missing-Partitions"] = ",".join(answer["missing_partitions"])
    if answer.get("next"):
        headers["X-Streams-Next"] = answer["next"]
    return web.Response(text=as_csv(plan, answer["rows"]), headers=headers, content_type="text/csv", charset="utf-8")


def _not_found(plan: TablePlan, raw: str, absent: list[str]) -> QueryError:
    if not absent:
        return QueryError(404, f"table {plan.name!r} has no rows of key {raw!r:.200} in that time")
    message = f"no worker that answered has rows of key {raw!r:.200} of table {plan.name!r}"
    return QueryError(
        503, f"{message}; these partitions did not answer: {', '.join(absent)}", missing_partitions=absent
    )
