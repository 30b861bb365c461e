"""The torture run's own judgement: its schedule repeats, and its comparison sees what is lost, doubled or wrong."""

from __future__ import annotations

from random import Random

import pytest

from tests.crash.check import Verdict
from tests.crash.faults import FAULTS, ON_ONE_BROKER, ON_THREE_BROKERS, schedule
from tests.crash.run import Result

ROW = {"n": 3, "total": 30}


def test_a_seed_repeats_its_faults() -> None:
    """The same seed draws the same faults, every kind as often as the others; another seed does not."""
    first, again, other = (schedule(60, Random(seed), list(FAULTS)) for seed in (1, 1, 2))  # noqa: S311 - no secret
    assert first == again != other
    assert len(first) == 60
    assert set(first[: len(FAULTS)]) == set(FAULTS) == {each.__name__ for each in (*ON_ONE_BROKER, *ON_THREE_BROKERS)}


@pytest.mark.parametrize(
    ("found", "lost", "duplicated", "wrong"),
    [
        ({"a": ROW}, 0, 0, 0),
        ({}, 3, 0, 0),
        ({"a": {"n": 2, "total": 30}}, 1, 0, 0),
        ({"a": {"n": 5, "total": 30}}, 0, 2, 0),
        ({"a": {"n": 3, "total": 29}}, 0, 0, 1),
        ({"a": ROW, "b": {"n": 1, "total": 1}}, 0, 1, 0),
    ],
)
def test_rows_are_judged_by_their_counts(
    found: dict[str, dict[str, int]], lost: int, duplicated: int, wrong: int
) -> None:
    """Too small a count is lost events, too great a count doubled ones, and the rest of a row must be equal."""
    verdict = Verdict()
    verdict.table("table", found, {"a": ROW})
    assert (verdict.lost, verdict.duplicated, verdict.wrong) == (lost, duplicated, wrong)
    assert verdict.good == (found == {"a": ROW})
    assert bool(verdict.differences) != verdict.good


def test_missing_and_unwanted_members_are_told_apart() -> None:
    """What is missing counts as lost, what nobody wanted as doubled."""
    verdict = Verdict()
    verdict.members("alert", {1, 2}, {2, 3, 4})
    assert (verdict.lost, verdict.duplicated) == (2, 1)
    assert verdict.differences == ["alert missing: 3", "alert missing: 4", "alert not wanted: 1"]


def test_runs_add_up() -> None:
    """The report is of all runs: faults, events, losses, and the median and greatest time of recovery."""
    both = Result(["kill"], [2.0, 4.0], Verdict(events=10, lost=1))
    both.add(Result(["zombie"], [9.0], Verdict(events=5, duplicated=2), {"disk_full": "not root"}))
    said = both.report()
    assert (said["faults"], said["events"], said["lost"], said["duplicated"]) == (2, 15, 1, 2)
    assert (said["recovery_seconds_p50"], said["recovery_seconds_max"]) == (4.0, 9.0)
    assert said["left_out"] == {"disk_full": "not root"}
