"""The torture run's own judgement: its schedule repeats, and its comparison sees what is lost, doubled or wrong."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from tests.crash.app import inputs
from tests.crash.check import Verdict
from tests.crash.faults import FAULTS, schedule

ROW = {"n": 3, "total": 30}


def test_a_seed_repeats_its_faults_and_its_input() -> None:
    """The same seed draws the same faults, every kind among them, and the same records; another seed does not."""
    first, again, other = (schedule(40, Random(seed)) for seed in (1, 1, 2))  # noqa: S311 - a schedule, no secret
    assert first == again != other
    assert len(first) == 40
    assert set(first[: len(FAULTS)]) == set(FAULTS)
    one, same, another = (list(islice(inputs(seed), 500)) for seed in (1, 1, 2))
    assert one == same != another


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
    verdict.rows("table", found, {"a": ROW})
    assert (verdict.lost, verdict.duplicated, verdict.wrong) == (lost, duplicated, wrong)
    assert verdict.good == (found == {"a": ROW})
    assert bool(verdict.differences) != verdict.good


def test_missing_and_unwanted_members_are_told_apart() -> None:
    """What is missing counts as lost, what nobody wanted as doubled."""
    verdict = Verdict()
    verdict.members("alert", {1, 2}, {2, 3, 4})
    assert (verdict.lost, verdict.duplicated) == (2, 1)
    assert verdict.differences == ["alert missing: 3", "alert missing: 4", "alert not wanted: 1"]
