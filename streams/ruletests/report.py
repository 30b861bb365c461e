"""What came of tests, for people (as pytest shows it) and for build servers (JUnit XML)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

import click

from streams.ruletests.compare import Failure, instant
from streams.ruletests.run import Result

WIDTH = 100
_NOT_IN_XML = dict.fromkeys((*range(9), 11, 12, *range(14, 32)), "?")


def line(result: Result) -> str:
    """Return one line for a test."""
    word = click.style("PASSED", fg="green") if result.passed else click.style("FAILED", fg="red")
    return f"{result.suite.file}::{result.test.name} {word}"


def mark(result: Result) -> str:
    """Return one character for a test."""
    return click.style(".", fg="green") if result.passed else click.style("F", fg="red")


def failures(results: Sequence[Result]) -> Iterator[str]:
    """Yield the lines that show every failure."""
    failed = [result for result in results if not result.passed]
    if failed:
        yield _ruled("FAILURES", "=")
    for result in failed:
        yield click.style(_ruled(f"{result.suite.file}::{result.test.name}", "_"), fg="red")
        for each in result.failures:
            yield from _failure(result, each)


def _failure(result: Result, failure: Failure) -> Iterator[str]:
    yield f"{_place(result, failure)}: at {instant(failure.at, result.test.start)}: {failure.what}"
    yield from (click.style(f"E   - expected  {text}", fg="red") for text in failure.expected)
    yield from (click.style(f"E   + came      {text}", fg="red") for text in failure.came)


def _place(result: Result, failure: Failure) -> str:
    return str(result.suite.place(("tests", result.index, *failure.path)))


def summary(results: Sequence[Result], seconds: float) -> str:
    """Return the last line."""
    failed = sum(not result.passed for result in results)
    passed = len(results) - failed
    parts = [f"{count} {word}" for count, word in ((failed, "failed"), (passed, "passed")) if count]
    text = f"{', '.join(parts) or 'no tests ran'} in {seconds:.2f}s"
    return click.style(_ruled(text, "="), fg="red" if failed or not results else "green")


def _ruled(text: str, character: str) -> str:
    return f" {text} ".center(WIDTH, character)


def junit(results: Sequence[Result]) -> bytes:
    """Return the results as JUnit XML: a suite for each file, a case for each test."""
    root = ET.Element("testsuites")
    for file, each in groupby(results, key=lambda result: result.suite.file):
        found = list(each)
        failed, seconds = sum(not result.passed for result in found), sum(result.seconds for result in found)
        counts = {"tests": str(len(found)), "failures": str(failed), "errors": "0", "time": f"{seconds:.6f}"}
        suite = ET.SubElement(root, "testsuite", {"name": _clean(file), **counts})
        for result in found:
            _case(suite, result)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _case(suite: ET.Element, result: Result) -> None:
    names = {"classname": _clean(result.suite.file), "name": _clean(result.test.name)}
    place = result.suite.place(("tests", result.index))
    case = ET.SubElement(suite, "testcase", {**names, "line": str(place.line), "time": f"{result.seconds:.6f}"})
    if result.failures:
        first = f"{_place(result, result.failures[0])}: {result.failures[0].what}"
        text = "\n".join(click.unstyle(shown) for each in result.failures for shown in _failure(result, each))
        ET.SubElement(case, "failure", {"message": _clean(first)}).text = _clean(text)


def _clean(text: str) -> str:
    """Return text without the characters that XML cannot hold."""
    return text.translate(_NOT_IN_XML)
