"""Checks that the parts of a declaration fit together, whether it came from Python or from YAML."""

from __future__ import annotations

from collections.abc import Collection

from streams import checks
from streams.notes import Notes
from streams.planned import Plan
from streams.planner import make_plan
from streams.problems import Finding, Path
from streams.spec import Declaration


def check(declaration: Declaration, broken: Collection[Path] = ()) -> list[Finding]:
    """Return every mistake in a declaration.

    Args:
        declaration: what was declared.
        broken: the parts that could not be read; what may only follow from them is not reported.
    """
    return plan_or_findings(declaration, broken)[1]


def plan_or_findings(declaration: Declaration, broken: Collection[Path] = ()) -> tuple[Plan | None, list[Finding]]:
    """Return the plan of a declaration, or None and every mistake in it; see `check`."""
    notes = Notes(broken)
    checks.settings(declaration, notes)
    for stream in declaration.streams.values():
        checks.stream(declaration, stream, notes)
    for table in declaration.tables.values():
        checks.table(declaration, table, notes)
    checks.exposed(declaration, notes)
    for index, alert in enumerate(declaration.alerts):
        checks.alert(declaration, index, alert, notes)
    checks.topics(declaration, notes)
    made = make_plan(declaration, notes)
    return (None if notes.findings else made), notes.findings
