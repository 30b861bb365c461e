"""Findings while a declaration is checked: what only follows from a mistake that is known already is left out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from streams.problems import Finding, Path


@dataclass
class Notes:
    """What was found, and what could not be read.

    Args:
        broken: the parts that could not be read, each reported already.
        findings: the mistakes found so far.
    """

    broken: Collection[Path] = ()
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding | None, *, given: Iterable[Path] = ()) -> None:
        """Keep a finding, unless it may only follow from a broken part: its own, the other one's, or one of `given`."""
        if finding is None or self.is_broken(finding.path) or (finding.other and self.is_broken(finding.other)):
            return
        if finding not in self.findings and not any(self.is_broken(path) for path in given):
            self.findings.append(finding)

    def wrong(self, path: Path, message: str, *, given: Iterable[Path] = (), other: Path | None = None) -> None:
        """Keep the finding `message` at `path`; see `add`."""
        self.add(Finding(path, message, other=other), given=given)

    def is_broken(self, path: Path) -> bool:
        """Whether a part, something in it, or something that it is in, could not be read."""
        for each in self.broken:
            shared = min(len(each), len(path))
            if each[:shared] == path[:shared]:
                return True
        return False
