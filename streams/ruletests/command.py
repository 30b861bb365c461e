"""The command `streams test`."""

from __future__ import annotations

import time
from itertools import groupby
from pathlib import Path

import click

from streams.ruletests import report
from streams.ruletests.load import Suite
from streams.ruletests.run import Result, load_all, run


@click.command("test")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-v", "--verbose", is_flag=True, help="One line for each test.")
@click.option("-k", "wanted", default="", metavar="TEXT", help="Only tests with this text in their name.")
@click.option("--junit", metavar="PATH", type=click.Path(dir_okay=False), help="Write the results as JUnit XML, too.")
def test(files: tuple[str, ...], *, verbose: bool, wanted: str, junit: str | None) -> None:
    """Run the tests in each FILE: a declaration, a file of tests beside it, or promtool's layout.

    Ends with 0 if all pass, 1 if one fails or none runs, 78 if a file has mistakes.
    """
    began = time.perf_counter()
    results = _shown(load_all(files), wanted, verbose=verbose)
    for text in report.failures(results):
        click.echo(text)
    click.echo(report.summary(results, time.perf_counter() - began))
    if junit is not None:
        _write(junit, report.junit(results))
    if not results or not all(result.passed for result in results):
        raise SystemExit(1)


def _shown(suites: list[Suite], wanted: str, *, verbose: bool) -> list[Result]:
    """Run the tests and show each as soon as it is through."""
    results = []
    for file, each in groupby(run(suites, time.perf_counter, wanted), key=lambda result: result.suite.file):
        if not verbose:
            click.echo(f"{file} ", nl=False)
        for result in each:
            results.append(result)
            click.echo(report.line(result) if verbose else report.mark(result), nl=verbose)
        if not verbose:
            click.echo()
    return results


def _write(path: str, content: bytes) -> None:
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}; give --junit another path") from error
