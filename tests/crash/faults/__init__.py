"""The faults: each takes the scene, hurts it by its seeded source of chance, and returns when all runs again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from tests.crash.faults import brokers, disks, network, workers
from tests.crash.scene import Scene

Fault = Callable[[Scene], None]
OF_WORKERS: tuple[Fault, ...] = (
    workers.kill,
    workers.kill_all,
    workers.rolling_restart,
    workers.kill_in_rebalance,
    workers.kill_in_restore,
    workers.delete_state,
    workers.damage_state,
    workers.scale,
    workers.storm,
)
"""What the embedded broker can show too: there nothing holds a zombie off, and a broker that ends has nothing left."""
ON_ONE_BROKER: tuple[Fault, ...] = (
    *OF_WORKERS,
    workers.zombie,
    workers.clock_skewed,
    workers.offsets_reset,
    brokers.broker_killed,
    brokers.broker_away,
    network.slow_network,
    network.connections_cut,
    network.half_open,
    network.answers_lost,
    disks.disk_full,
)
ON_THREE_BROKERS: tuple[Fault, ...] = (
    brokers.leader_killed,
    brokers.leader_moved,
    brokers.brokers_in_turn,
    brokers.two_brokers_killed,
    workers.rolling_restart_of_static_members,
)
FAULTS: dict[str, Fault] = {fault.__name__: fault for fault in (*ON_ONE_BROKER, *ON_THREE_BROKERS)}


def names(faults: Sequence[Fault]) -> list[str]:
    """Return the names of faults."""
    return [fault.__name__ for fault in faults]


def schedule(count: int, random: Random, kinds: Sequence[str]) -> list[str]:
    """Return names of faults: every kind as often as the others, in an order of chance."""
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += random.sample(sorted(kinds), len(kinds))
    return drawn[:count]
