"""Findings in a declaration -> problems at places in its source."""

from __future__ import annotations

from collections.abc import Mapping

from streams.nodes import Node, Scalar
from streams.problems import Finding, Path, Place, Problem


def located(finding: Finding, nodes: Mapping[Path, Node]) -> Problem:
    """Return the problem that a finding is, given what stands at each path; the nearest part above it stands for it."""
    path, node = _nearest(finding.path, nodes)
    exact = path == finding.path and isinstance(node, Scalar)
    place = node.inside(finding.offset) if exact and isinstance(node, Scalar) else node.place
    message = finding.message
    if finding.other is not None:
        other = _nearest(finding.other, nodes)[1].place
        message += f" (see {other if other.file != place.file else f'line {other.line}'})"
    return Problem.at(place, message)


def _nearest(path: Path, nodes: Mapping[Path, Node]) -> tuple[Path, Node]:
    """Return the longest beginning of `path` that has a node, and the node."""
    for length in range(len(path), -1, -1):
        if (node := nodes.get(path[:length])) is not None:
            return path[:length], node
    return (), Scalar("", Place("<declaration>", 1, 1))
