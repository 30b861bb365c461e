"""The torture run in its short form, on Apache Kafka: nothing is lost or doubled, unless the skip rule is off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.run import Phase, torture

pytestmark = pytest.mark.kafka
SEED = 11
NAMES = (
    "kill",
    "answers_lost",
    "zombie",
    "broker_killed",
    "damage_state",
    "half_open",
    "kill_in_rebalance",
    "connections_cut",
)
SECONDS = 45.0
"""After this no further fault begins: all of this file takes about two minutes."""
LEAST = 3


@pytest.mark.usefixtures("kafka")
def test_two_minutes_of_faults_change_nothing(tmp_path: Path) -> None:
    """Killed, asleep, cut off, without answers: tables, alerts, late rows and letters are those of the recount."""
    result = torture(Phase("torture", 1, NAMES, SEED, seconds=SECONDS), tmp_path / "torture")
    assert result.verdict.good, result.report()
    assert len(result.injected) >= LEAST
    assert result.verdict.alerts > 20, "the input must make alerts fire and resolve"
    assert result.verdict.letters > 50, "there must be poison among the input"


@pytest.mark.usefixtures("kafka")
def test_without_the_skip_rule_the_same_run_fails(tmp_path: Path) -> None:
    """Workers that fold again what was folded before: the comparison finds doubled events, and none that is lost."""
    result = torture(Phase("careless", 1, ("kill_all",), SEED, careless=True), tmp_path / "careless")
    assert result.verdict.duplicated > 0, result.report()
    assert not result.verdict.good
