"""Starting an app over: its changelogs, its repartition topics and its committed offsets are deleted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka.client import CoordinationType
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import DeleteGroupsRequest, DeleteTopicsRequest, DescribeGroupsRequest

from streams.runtime.kept import changelogs
from streams.runtime.preflight import outputs
from streams.transport.errors import TransportError, Unreachable

if TYPE_CHECKING:
    from streams.planned import Plan
    from streams.transport.client import Client

TIMEOUT_MS = 30_000
_ALIVE = {"Stable", "PreparingRebalance", "CompletingRebalance", "Reconciling", "Assigning"}
_ABSENT = {"GroupIdNotFound", "UnknownTopicOrPartitionError"}


class GroupAlive(TransportError):  # noqa: N818 - the name says what is the matter
    """Workers of the app are running."""


@dataclass(frozen=True)
class Reset:
    """What starting over would delete.

    Args:
        group: the consumer group, with its committed offsets.
        topics: by name.
    """

    group: str
    topics: tuple[str, ...]


async def planned_reset(client: Client, plan: Plan, *, everything: bool = False) -> Reset:
    """Return what starting over deletes.

    Args:
        client: a started client.
        plan: of the declaration.
        everything: outputs too: alerts, dead letters, emitted rows.

    Raises:
        GroupAlive: workers of the app are running.
        TransportError: the cluster cannot be read.
    """
    group = plan.declaration.app
    node = await _coordinator(client, group)
    reply = await client.send(DescribeGroupsRequest([group]), node)
    _, _, state, _, _, members, *_ = reply.groups[0]
    if members or state in _ALIVE:
        raise GroupAlive(
            f"group {group!r} has {len(members)} running workers (it is {state}); stop them all, and wait for the "
            f"session timeout of those that were killed"
        )
    found = sorted(await client.topics())
    repartition = re.compile(rf"{re.escape(group)}-[a-z][a-z0-9_]*-repartition(-[0-9a-f]+)?")
    chosen = [*changelogs(found, plan), *(topic for topic in found if repartition.fullmatch(topic))]
    if everything:
        chosen += [topic for topic in outputs(plan) if topic in found]
    inputs = {stream.stream.topic for stream in plan.streams.values()}
    return Reset(group, tuple(topic for topic in dict.fromkeys(chosen) if topic not in inputs))


async def carry_out(client: Client, reset: Reset) -> None:
    """Delete what is planned; what is gone already is passed over.

    Raises:
        TransportError: the cluster refuses; what was deleted before stays deleted, and the rest can be tried again.
    """
    if reset.topics:
        controller = client.raw.cluster.controller
        request = DeleteTopicsRequest(list(reset.topics), TIMEOUT_MS)
        reply = await client.send(request, controller.nodeId if controller else None)
        for topic, code in reply.topic_error_codes:
            _check(f"topic {topic!r}", code)
    reply = await client.send(DeleteGroupsRequest([reset.group]), await _coordinator(client, reset.group))
    for group, code in reply.results:
        _check(f"the offsets of group {group!r}", code)


async def _coordinator(client: Client, group: str) -> int:
    try:
        return int(await client.raw.coordinator_lookup(CoordinationType.GROUP, group))
    except (KafkaError, OSError) as error:
        raise Unreachable(f"no coordinator of group {group!r} at {client.address}: {error!r}") from error


def _check(what: str, code: int) -> None:
    name = for_code(code).__name__
    if code and name not in _ABSENT:
        raise TransportError(f"{what} cannot be deleted: {name}")
