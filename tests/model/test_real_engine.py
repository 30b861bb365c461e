"""The engines, senders and receivers of the product keep the protocol, and the schedules notice a rule left out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.model.real_logs import Rules
from tests.model.real_world import World
from tests.model.recounted import compare

SCHEDULES = 30
# Rules of which so many schedules are enough to notice the absence.
NOTICED = {"skip_z": 5, "outbox": 10, "start_min": 30, "fence": 60, "claim_first": 60}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The runtime's own search for the first offset tells of tables without state, over and over."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("memory", [None, 0], ids=["in-memory", "in-the-store"])
def test_the_real_engines_keep_the_rules(memory: int | None) -> None:
    """Kills, zombies, failed and late writes, compaction, lost and old stores: all ends as in a plain recount."""
    faults = 0
    for seed in range(SCHEDULES):
        world = World(seed, Rules(), memory).run()
        compare(world)
        faults += world.fault_count
    assert faults > 5 * SCHEDULES


@pytest.mark.parametrize(("rule", "schedules"), NOTICED.items())
def test_a_missing_rule_is_noticed(rule: str, schedules: int) -> None:
    """With one part of a rule left out, some schedule differs from the recount."""
    for seed in range(schedules):
        try:
            compare(World(seed, replace(Rules(), **{rule: False})).run())
        except AssertionError:
            return
    pytest.fail(f"nothing went wrong in {schedules} schedules without {rule}")
