"""How long what is folded may wait for its write.

A write costs nearly the same for one cell as for some hundred, and many batches bring nothing that anybody is told of:
their write waits for those of the next batches, which change mostly the same cells. Only readers of the table see that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SOON = 0.1
"""Seconds after which what is folded is written."""
LATER = 2.0
"""The same for an input that is far behind: what readers see is older than that anyhow."""
FAR = 3
"""How many times the records in work such an input lacks."""


class Hold:
    """Says when what one input partition has folded must be written.

    Args:
        clock: returns seconds that only rise.

    Attributes:
        since: when the first of it was folded; None where everything is written.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Hold nothing."""
        self.since: float | None = None
        self._clock = clock

    def may(self, lag: int, work: int) -> bool:
        """Return whether what is folded now may wait too.

        Args:
            lag: records that the input lacks, those in work among them.
            work: records that are in work.
        """
        return self.since is None or self._clock() - self.since < (LATER if lag > FAR * work else SOON)

    def note(self, *, held: bool) -> None:
        """Take whether anything is held by now."""
        if not held:
            self.since = None
        elif self.since is None:
            self.since = self._clock()

    def left(self, most: float) -> float:
        """Return for how many seconds more input may be waited for, at most so many."""
        return most if self.since is None else max(0.0, min(most, self.since + SOON - self._clock()))
