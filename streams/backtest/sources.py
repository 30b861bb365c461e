"""Where history comes from: files by stream; all are read together, the one that is behind in event time first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streams.backtest.files import Chunk, Unreadable, chunks
from streams.problems import suggest

if TYPE_CHECKING:
    from streams.backtest.replay import Replay
    from streams.planned import Plan

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Files:
    """Files of each stream, which follow each other as one partition.

    Args:
        paths: by stream, in order.
    """

    paths: Mapping[str, Sequence[Path]]

    @property
    def size(self) -> int:
        """Return the bytes of all files as they lie on disk; 0 for those that are not there."""
        return sum(path.stat().st_size for paths in self.paths.values() for path in paths if path.is_file())

    def check(self, plan: Plan) -> None:
        """Refuse streams that are not declared, or have no time of their own.

        Raises:
            Unreadable: with what is wrong.
        """
        for name, lookup in plan.lookups.items():
            raise Unreadable(
                f"lookup {name} is read from topic {lookup.topic}, and there is no broker: use `streams backtest "
                f"--bootstrap HOST:PORT`, or declare a `file` for the lookup"
            )
        for name in self.paths:
            if name not in plan.streams:
                raise Unreadable(f"there is no stream {name!r} to read files{suggest(name, plan.streams)}")
            if plan.streams[name].stream.time is None:
                raise Unreadable(f"stream {name} has no `time`, and files carry no Kafka timestamps; declare its field")

    def play(self, replay: Replay, progress: Progress) -> None:
        """Feed everything to a replay.

        Args:
            replay: of the declaration, one partition.
            progress: is told the bytes that were read since it was told last.

        Raises:
            Unreadable: a file is missing or damaged, or no such stream can read it.
        """
        self.check(replay.plan)
        topics = {name: replay.plan.streams[name].stream.topic for name in self.paths}
        replay.only(topics.values())
        waiting = {name: self._chunks(name, replay.plan) for name in self.paths}
        while waiting:
            name = min(waiting, key=lambda each: replay.reached(topics[each], 0))
            chunk = next(waiting[name], None)
            if chunk is None:
                del waiting[name]
                continue
            replay.take(topics[name], 0, list(chunk.values))
            progress(chunk.read)

    def _chunks(self, name: str, plan: Plan) -> Iterator[Chunk]:
        """Yield the values of a stream's files; `read` is since the chunk before."""
        for path in self.paths[name]:
            before = 0
            for chunk in chunks(path, plan.streams[name]):
                yield Chunk(chunk.values, chunk.read - before)
                before = chunk.read
