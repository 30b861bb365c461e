"""Which alerts two versions of a declaration raise over the same input."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from streams.backtest.timeline import Episode


@dataclass(frozen=True)
class Pair:
    """An alert of the first declaration, of the other one, or of both, where the times overlap."""

    before: Episode | None
    after: Episode | None

    @property
    def kind(self) -> Literal["same", "changed", "removed", "added"]:
        """Return what became of it."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "same" if _times(self.before) == _times(self.after) else "changed"

    @property
    def time(self) -> int:
        """Return when it fires first, in ms."""
        fired = [each.fired_at for each in (self.before, self.after) if each is not None and each.fired_at is not None]
        return min(fired)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        before, after = (None if each is None else each.as_json() for each in (self.before, self.after))
        return {"change": self.kind, "before": before, "after": after}


def pairs(before: Sequence[Episode], after: Sequence[Episode], end: int) -> list[Pair]:
    """Return the alerts that fired, those of one rule and key that overlap in time together.

    Rules are matched by their ids, keys by their bytes: a label that only one version has does not part them.

    Args:
        before: episodes of the first declaration.
        after: those of the other one.
        end: where the input ends, in ms.
    """
    waiting: dict[tuple[str, int, bytes], list[Episode]] = defaultdict(list)
    for episode in after:
        if episode.fired_at is not None:
            waiting[_place(episode)].append(episode)
    found = []
    for episode in before:
        if episode.fired_at is None:
            continue
        others = waiting[_place(episode)]
        other = next((each for each in others if _overlap(episode, each, end)), None)
        if other is not None:
            others.remove(other)
        found.append(Pair(episode, other))
    found += [Pair(None, episode) for others in waiting.values() for episode in others]
    return sorted(found, key=lambda pair: pair.time)


def _place(episode: Episode) -> tuple[str, int, bytes]:
    return episode.rule, episode.partition, episode.key


def _times(episode: Episode) -> tuple[int, int | None, int | None]:
    return episode.active_at, episode.fired_at, episode.ended_at


def _overlap(one: Episode, other: Episode, end: int) -> bool:
    """Return whether two alerts were live at the same time, pending or firing."""
    return one.active_at <= other.until(end) and other.active_at <= one.until(end)
