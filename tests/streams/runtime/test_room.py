"""How much input all partitions of a worker hold, and who is told when there is room again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streams.effects import Records
from streams.runtime import runtime as module
from streams.runtime.inbox import Inbox
from streams.runtime.runtime import Runtime


def records(size: int) -> Records:
    """Return one record of so many bytes."""
    return Records(0, 1, np.zeros(1, np.int64), np.zeros(1, np.int64), [b"x" * size])


def test_room_is_shared_and_its_return_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partitions hold so many bytes together, in work or not; the consumer is woken by the work that makes room."""
    monkeypatch.setattr(module, "INPUT_BYTES", 100)
    parts: list[Any] = [SimpleNamespace(inbox=Inbox(), wants=lambda: True) for _ in range(3)]
    told: list[int] = []
    worker: Any = SimpleNamespace(partitions=dict(enumerate(parts)), changed=lambda: told.append(worker.room()))
    worker.room = lambda: Runtime.room(worker)
    for part, size in zip(parts, (30, 50, 20), strict=True):
        part.inbox.put(records(size))
    assert worker.room() == 0
    for part in parts:
        assert len(Runtime.work_of(worker, part)) == 1
    assert worker.room() == 0
    for part in parts:
        Runtime.worked(worker, part)
    assert (told, worker.room()) == ([30], 100)


def test_a_partition_that_had_no_room_of_its_own_lets_more_come() -> None:
    """The consumer is woken before the work begins, so that it takes meanwhile."""
    told: list[str] = []
    worker: Any = SimpleNamespace(changed=lambda: told.append("woken"))
    part: Any = SimpleNamespace(inbox=Inbox(), wants=lambda: not len(part.inbox))
    part.inbox.put(records(5))
    assert len(Runtime.work_of(worker, part)) == 1
    assert told == ["woken"]
