"""The executable specification of the exactly-once protocol holds, and notices when one of its rules is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.model.protocol_model import Rules, runs

SCHEDULES = 400
# Rules whose absence a few hundred schedules are enough to notice.
NOTICED = ("skip_z", "own_origin", "row_running", "cut_steps", "late_tombs", "judged", "second_cell", "blocks_all")


def test_the_rules_hold() -> None:
    """Under random kills, zombies, failed writes and compaction, every schedule ends equal to a fault-free run."""
    failed, smallest, faults = runs(Rules(), 0, SCHEDULES)
    assert not failed, smallest
    assert faults > SCHEDULES


@pytest.mark.parametrize(("rule", "seed"), [("wait_other", 2671), ("wait_again", 691)])
def test_an_owner_that_no_epoch_fences_is_waited_for(rule: str, seed: int) -> None:
    """A producer id that was forgotten comes back as another: without the wait, one schedule in thousands breaks."""
    assert not runs(Rules(), seed, 1)[0]
    assert runs(replace(Rules(), **{rule: False}), seed, 1)[0]


@pytest.mark.parametrize("rule", NOTICED)
def test_a_missing_rule_is_noticed(rule: str) -> None:
    """With one part of a rule left out, some schedule differs from the fault-free run."""
    for first in range(0, SCHEDULES, 20):
        failed, _, _ = runs(replace(Rules(), **{rule: False}), first, 20)
        if failed:
            return
    pytest.fail(f"nothing went wrong in {SCHEDULES} schedules without {rule}")
