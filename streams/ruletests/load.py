"""Files with tests -> suites: a declaration with `tests`, a file beside it, or Prometheus' layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from streams.kinds import Report
from streams.load import from_node, load, text_of
from streams.located import located
from streams.nodes import Node, Pairs
from streams.problems import Path, Place
from streams.ruletests.check import check_tests
from streams.ruletests.fields import TESTS, TEXT
from streams.ruletests.promtool import PROMTOOL, read_promtool
from streams.ruletests.spec import RuleTest
from streams.shapes import Key, Section
from streams.spec import Declaration
from streams.yaml_nodes import read

BESIDE = Section(
    "a file of tests",
    (
        Key("declaration", TEXT, "The file with the declaration that is tested; from where this file is."),
        Key("tests", TESTS, "The tests."),
    ),
    lambda declaration, tests: (declaration, tests),
)
_PROMTOOL = frozenset(key.name for key in PROMTOOL.keys) - {"tests"}


@dataclass(frozen=True)
class Suite:
    """The tests of one file.

    Args:
        file: its path.
        declaration: what is tested.
        tests: the tests.
        nodes: what stands where in the file.
    """

    file: str
    declaration: Declaration
    tests: Sequence[RuleTest]
    nodes: Mapping[Path, Node]

    def place(self, path: Path) -> Place:
        """Return where in the file a part of a test stands; the nearest part above it if it does not."""
        while path and path not in self.nodes:
            path = path[:-1]
        return self.nodes[path].place if path in self.nodes else Place(self.file, 1, 1)


def load_tests(path: str | FilePath) -> Suite:
    """Return the tests that a file holds.

    Raises:
        DeclarationError: every mistake in it, or in the declaration that it names.
    """
    file = str(path)
    node, problems = read(text_of(path), file)
    report = Report(problems)
    names = {name.text for name, _ in node.entries} if isinstance(node, Pairs) else set()
    if "declaration" in names:
        suite = _beside(node, report, file)
    elif names & _PROMTOOL:
        suite = _promtool(node, report, file)
    else:
        declaration = from_node(node, report)
        suite = Suite(file, declaration, declaration.tests, report.nodes)
    report.stop()
    return suite


def _beside(node: Node, report: Report, file: str) -> Suite:
    name, tests = BESIDE.read(node, (), report)
    report.stop()
    declaration = _declaration(name, file, ("declaration",), report)
    return _suite(file, declaration, tests, report)


def _promtool(node: Node, report: Report, file: str) -> Suite:
    made = PROMTOOL.read(node, (), report)
    report.stop()
    declaration = _declaration(made.rule_files[0], file, ("rule_files", 0), report)
    tests, findings = read_promtool(made, declaration)
    report.problems += [located(each, report.nodes) for each in findings]
    report.stop()
    looks = {path: node for path, node in report.nodes.items() if "alert_rule_test" in path}
    for path, found in looks.items():
        report.nodes[tuple("expect" if part == "alert_rule_test" else part for part in path)] = found
    return _suite(file, declaration, tests, report)


def _suite(file: str, declaration: Declaration, tests: Sequence[RuleTest], report: Report) -> Suite:
    report.problems += [located(each, report.nodes) for each in check_tests(tests, declaration)]
    return Suite(file, declaration, tests, report.nodes)


def _declaration(name: str, file: str, path: Path, report: Report) -> Declaration:
    """Return the declaration that a file of tests names; one that cannot be read is told with where it is named."""
    target = FilePath(file).parent / name
    if not target.is_file():
        report.wrong(path, report.nodes[path], f"there is no file {str(target)!r}; the path goes from here")
        report.stop()
    return load(target)
