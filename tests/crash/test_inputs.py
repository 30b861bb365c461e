"""The input of the torture run: repeatable, and what its spans come to follows from their names."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import islice

from tests.crash.inputs import SPAN, Input, all_spans, local_spans, told
from tests.integration.scenario import HOSTS, PARTITIONS, POISON


def test_a_seed_repeats_its_input() -> None:
    """The same seed gives the same records, another one others; the first go to every partition, and are good."""
    one, same, another = (list(islice(Input(seed).records(), 500)) for seed in (1, 1, 2))
    assert one == same != another
    assert {each.partition for each in one[:PARTITIONS]} == set(range(PARTITIONS))
    assert not {each.value for each in one[:PARTITIONS]} & set(POISON)
    assert {each.value for each in islice(Input(1).records(), 20_000)} >= set(POISON)


def test_names_tell_what_a_plain_count_finds() -> None:
    """Once completed, every span of every host has count, sum, least and greatest step that its name says."""
    given = Input(3)
    log = [*islice(given.records(), 7_000), *given.rest()]
    steps: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in log:
        if each.value not in POISON:
            value = json.loads(each.value or b"")
            steps[value["host"], value["span"]].append(value["step"])
    counted = {at: {"n": len(x), "total": sum(x), "low": min(x), "high": max(x)} for at, x in steps.items()}
    spans = max(given.spans)
    assert counted == local_spans(spans)
    assert len(counted) == HOSTS * spans
    assert any(found != sorted(found) for found in steps.values()), "steps come out of order"
    assert all_spans(spans)[f"{SPAN}-{2 * SPAN - 1}"] == told(f"{SPAN}-{2 * SPAN - 1}", HOSTS)


def test_a_name_is_enough() -> None:
    """The closed form: n values from first to last, each as often as hosts sent it."""
    assert told("2-4") == {"n": 3, "total": 9, "low": 2, "high": 4}
    assert told("0-49", 2) == {"n": 100, "total": 2450, "low": 0, "high": 49}
