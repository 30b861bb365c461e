"""From a declaration to its plan, and the plan in words. Pure: no broker is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.check import plan_or_findings
from streams.planned import AggregatePlan, Plan, RulePlan, StreamPlan, TablePlan
from streams.problems import DeclarationError, Problem

if TYPE_CHECKING:
    from streams.spec import Declaration

__all__ = ["AggregatePlan", "Plan", "RulePlan", "StreamPlan", "TablePlan", "plan"]


def plan(declaration: Declaration) -> Plan:
    """Return the plan of a declaration.

    Raises:
        DeclarationError: the parts of the declaration do not fit together.
    """
    result, findings = plan_or_findings(declaration)
    if result is None:
        raise DeclarationError(Problem(0, 0, each.message, declaration.app) for each in findings)
    return result
