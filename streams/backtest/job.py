"""One run of a declaration over history, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.backtest.replay import Replay, Sink
from streams.backtest.sources import Files
from streams.backtest.text import short

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.backtest.replay import Closed
    from streams.backtest.timeline import Episode
    from streams.backtest.topics import Topics
    from streams.spec import Declaration
    from streams.transport.history import Stretch

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Input:
    """What is read: files, or stretches of topics.

    Args:
        files: where records come from files.
        topics: where they come from a broker.
        stretches: of the topics.
    """

    files: Files | None = None
    topics: Topics | None = None
    stretches: Sequence[Stretch] = ()

    @property
    def size(self) -> int:
        """Return how much there is: bytes of files, or offsets of topics."""
        if self.files is not None:
            return self.files.size
        return sum(each.hi - each.lo for each in self.stretches)

    @property
    def partitions(self) -> int:
        """Return of how many partitions the topics are."""
        return 1 + max((each.partition for each in self.stretches), default=0)

    def play(self, replay: Replay, progress: Progress) -> None:
        """Feed everything to a replay."""
        if self.files is not None:
            self.files.play(replay, progress)
        elif self.topics is not None:
            self.topics.play(replay, self.stretches, progress)


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Args:
        replay: after it.
        seconds: how long it took.
    """

    replay: Replay
    seconds: float

    @property
    def episodes(self) -> list[Episode]:
        """Return the alerts, in order."""
        return self.replay.timeline.sorted()

    @property
    def span(self) -> tuple[int, int]:
        """Return least and greatest event time of what is shown, in ms."""
        begun = [each.active_at for each in self.episodes]
        return min([self.replay.first or self.end, *begun]), self.end

    @property
    def end(self) -> int:
        """Return where the input ends, in ms of event time."""
        ends = [each.ended_at or each.fired_at or each.active_at for each in self.episodes]
        return max([self.replay.last, *ends])

    def summary(self) -> list[str]:
        """Return lines that say what was read."""
        replay, fired = self.replay, sum(each.fired_at is not None for each in self.episodes)
        rate = replay.records / self.seconds if self.seconds else 0.0
        lines = [f"{replay.records:,} records in {self.seconds:.2f} s ({rate:,.0f}/s)"]
        if replay.first is not None:
            lines[0] += f", from {short(replay.first)} to {short(replay.last)}"
        lines.append(f"{fired} {_plural(fired, 'alert')} fired, {len(self.episodes) - fired} only pending")
        dead = ", ".join(f"{count:,} {reason}" for reason, count in sorted(replay.dead.items()))
        lines.append(f"{replay.late_rows:,} late rows, dead letters: {dead or 'none'}")
        return lines

    def as_json(self) -> dict[str, Any]:
        """Return counts and alerts as plain JSON."""
        replay = self.replay
        return {
            "app": replay.declaration.app,
            "records": replay.records,
            "late": replay.late_rows,
            "deadLetters": dict(replay.dead),
            "from": None if replay.first is None else short(replay.first),
            "to": None if replay.first is None else short(replay.last),
            "alerts": [each.as_json() for each in self.episodes],
        }


@dataclass(frozen=True)
class Job:
    """How a declaration is run.

    Args:
        input: what is read.
        flush: whether all windows are closed at the end.
        clock: returns seconds.
    """

    input: Input
    flush: bool
    clock: Callable[[], float]

    def run(
        self,
        declaration: Declaration,
        progress: Progress,
        *,
        sinks: Mapping[str, Sink] | None = None,
        on_close: Closed | None = None,
    ) -> Outcome:
        """Run it and return what came of it."""
        began = self.clock()
        ahead = self.input.topics is not None
        replay = Replay(declaration, self.input.partitions, ahead=ahead, sinks=sinks, on_close=on_close)
        self.input.play(replay, progress)
        if self.flush:
            replay.finish()
        return Outcome(replay, self.clock() - began)


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
