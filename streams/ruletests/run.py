"""All tests of some files, run one after the other; results are plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from streams.problems import DeclarationError, Problem
from streams.ruletests.compare import Failure
from streams.ruletests.load import Suite, load_tests
from streams.ruletests.play import play
from streams.ruletests.spec import RuleTest


@dataclass(frozen=True)
class Result:
    """What came of one test.

    Args:
        suite: the file that it stands in.
        test: the test.
        index: which of the file's it is.
        failures: what was not as it was expected.
        seconds: how long it ran.
    """

    suite: Suite
    test: RuleTest
    index: int
    failures: Sequence[Failure]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not self.failures


def load_all(files: Iterable[str]) -> list[Suite]:
    """Return the suites of files.

    Raises:
        DeclarationError: every mistake in all of them.
    """
    suites: list[Suite] = []
    problems: list[Problem] = []
    for file in files:
        try:
            suites.append(load_tests(file))
        except DeclarationError as error:
            problems += error.problems
    if problems:
        raise DeclarationError(problems)
    return suites


def run(suites: Iterable[Suite], clock: Callable[[], float], wanted: str = "") -> Iterator[Result]:
    """Run tests and yield what came of each.

    Args:
        suites: of files.
        clock: returns seconds, for how long a test runs.
        wanted: only tests with this text in their name.
    """
    for suite in suites:
        for index, test in enumerate(suite.tests):
            if wanted.lower() in test.name.lower():
                began = clock()
                failures = play(test, suite.declaration)
                yield Result(suite, test, index, failures, clock() - began)
