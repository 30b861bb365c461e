"""The commands that ask a cluster: what becomes of kept state, and starting over."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from streams.runtime.kept import compare
from streams.runtime.resetting import carry_out, planned_reset
from streams.settings import kafka_settings
from streams.transport.client import Client
from streams.transport.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from streams.planned import Plan


def show_kept(plan: Plan, bootstrap: str | None) -> None:
    """Print what becomes of the state that the cluster keeps.

    Args:
        plan: of the declaration.
        bootstrap: address of the cluster; None is as declared, or in the environment.
    """
    _run(_show_kept(plan, bootstrap))


def reset(plan: Plan, bootstrap: str | None, *, yes: bool, everything: bool) -> None:
    """Start an app over, after telling what that deletes.

    Args:
        plan: of the declaration.
        bootstrap: address of the cluster; None is as declared, or in the environment.
        yes: do not ask.
        everything: outputs too.
    """
    _run(_reset(plan, bootstrap, yes=yes, everything=everything))


async def _show_kept(plan: Plan, bootstrap: str | None) -> None:
    async with _connected(plan, bootstrap) as client:
        click.echo()
        async for line in compare(client, plan):
            click.echo(line)


async def _reset(plan: Plan, bootstrap: str | None, *, yes: bool, everything: bool) -> None:
    async with _connected(plan, bootstrap) as client:
        found = await planned_reset(client, plan, everything=everything)
        click.echo(f"deletes at {client.address}:")
        for topic in found.topics:
            click.echo(f"  topic {topic}")
        click.echo(f"  the committed offsets of group {found.group}: its input is read as `auto.offset.reset` says")
        if yes or click.confirm("Start over?"):
            await carry_out(client, found)
            click.echo("done; local state is dropped when a worker finds its changelog gone")
        else:
            click.echo("nothing was deleted")


@asynccontextmanager
async def _connected(plan: Plan, bootstrap: str | None) -> AsyncIterator[Client]:
    given = dict(plan.declaration.kafka)
    environ = dict(os.environ)
    if bootstrap:
        environ["STREAMS_KAFKA_BOOTSTRAP_SERVERS"] = bootstrap
    client = Client(kafka_settings(plan.declaration.app, given, environ).aiokafka())
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


def _run(work: Coroutine[None, None, None]) -> None:
    try:
        asyncio.run(work)
    except TransportError as error:
        raise click.ClickException(str(error)) from None
