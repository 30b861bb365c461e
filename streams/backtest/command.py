"""The commands `streams backtest` and `streams run`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from streams.backtest import text
from streams.backtest.curves import Recorder
from streams.backtest.difference import Pair, pairs
from streams.backtest.files import Unreadable
from streams.backtest.job import Input, Job, Outcome
from streams.backtest.output import emitting, outputs
from streams.backtest.picture import Page
from streams.backtest.sources import Files
from streams.load import load
from streams.plan import plan
from streams.rfc3339 import milliseconds

if TYPE_CHECKING:
    from streams.backtest.timeline import Episode
    from streams.spec import Declaration

_INPUT = click.option(
    "--input", "files", multiple=True, metavar="STREAM=PATH",
    help="Read a stream from a file: .csv, or one record a line; .gz and .zst too. May be repeated.",
)  # fmt: skip
_FLUSH = click.option("--flush/--no-flush", default=True, help="Close all windows at the end of the input.")


class _Failed(click.ClickException):
    """What was asked for cannot be done; exit code 1."""


@click.command()
@click.argument("file")
@_INPUT
@click.option("--bootstrap", metavar="HOST:PORT", help="Read the streams' topics from this broker instead.")
@click.option("--from", "from_", metavar="TIME", help="First Kafka timestamp, RFC 3339; else the log's beginning.")
@click.option("--to", metavar="TIME", help="Kafka timestamp to end before; else the log's end.")
@click.option("--compare", metavar="OTHER", help="Show which alerts another declaration would raise.")
@click.option("--json", "json_", metavar="PATH", help="Write alerts (or the comparison) as JSON.")
@click.option("--html", metavar="PATH", help="Write a page with curves, thresholds, pending and firing times.")
@click.option("--pending", is_flag=True, help="Show alerts, too, that were pending and never fired.")
@_FLUSH
def backtest(  # noqa: PLR0913 - one for each option
    *,
    file: str,
    files: tuple[str, ...],
    bootstrap: str | None,
    from_: str | None,
    to: str | None,
    compare: str | None,
    json_: str | None,
    html: str | None,
    pending: bool,
    flush: bool,
) -> None:
    """Show the alerts that the declaration in FILE would have raised over files or topics. Nothing is produced."""
    declaration = load(file)
    other = None if compare is None else load(compare)
    with _told():
        job = Job(_input(declaration, files, bootstrap, _time(from_), _time(to)), flush, time.perf_counter)
        recorder = Recorder(plan(declaration))
        outcome = _run(job, declaration, file, on_close=recorder.closed if html else None)
        second = None if other is None else _run(job, other, str(compare))
        _show(outcome, second, pending=pending)
        if json_ is not None:
            _write(json_, _json(outcome, second))
        if html is not None:
            title = f"{declaration.app}: alerts over {', '.join(files) or bootstrap}"
            others = None if second is None else second.episodes
            _write(html, _page(title, outcome, recorder, others).html())


@click.command()
@click.argument("file")
@_INPUT
@click.option(
    "--output", "tables", multiple=True, required=True, metavar="TABLE=PATH",
    help="Write a table's final rows: .csv, or one JSON object a line; .gz too. May be repeated.",
)  # fmt: skip
@_FLUSH
def run(*, file: str, files: tuple[str, ...], tables: tuple[str, ...], flush: bool) -> None:
    """Run the declaration in FILE over files, as a batch job that writes tables to files. Nothing is produced."""
    declaration = load(file)
    with _told(), ExitStack() as stack:
        paths = {name: Path(found[-1]) for name, found in _pairs(tables, "--output").items()}
        job = Job(_input(declaration, files, None, None, None), flush, time.perf_counter)
        writing = emitting(declaration, paths)
        opened = [stack.enter_context(each) for each in outputs(plan(writing), paths)]
        sinks = {each.plan.emit_topic: each.event for each in opened if each.plan.emit_topic and each.plan.table.window}
        outcome = _run(job, writing, file, sinks=sinks)
        for each in opened:
            if each.plan.table.window is None:
                each.totals(outcome.replay)
            click.echo(f"{each.path}: {each.rows:,} rows of table {each.plan.name}")
        click.echo("\n".join(outcome.summary()))


# what is read


def _input(
    declaration: Declaration, files: tuple[str, ...], bootstrap: str | None, from_: int | None, to: int | None
) -> Input:  # fmt: skip
    if files and bootstrap:
        raise click.UsageError("give --input or --bootstrap, not both")
    if not files and not bootstrap:
        raise click.UsageError("give --input STREAM=PATH, or --bootstrap HOST:PORT, so that there is something to read")
    if files and (from_ is not None or to is not None):
        raise click.UsageError("--from and --to are for topics (--bootstrap); files are read whole")
    if files:
        given = {name: [Path(path) for path in paths] for name, paths in _pairs(files, "--input").items()}
        found = Files(given)
        found.check(plan(declaration))
        return Input(files=found)
    return _topics(declaration, str(bootstrap), from_, to)


def _topics(declaration: Declaration, bootstrap: str, from_: int | None, to: int | None) -> Input:
    from streams.backtest.topics import Topics  # noqa: PLC0415 - files need no Kafka client
    from streams.settings import kafka_settings  # noqa: PLC0415 - as above

    given = {**declaration.kafka, "bootstrap.servers": bootstrap}
    environ = {name: value for name, value in os.environ.items() if not name.endswith("BOOTSTRAP_SERVERS")}
    topics = Topics(kafka_settings(declaration.app, given, environ).aiokafka(), from_, to)
    return Input(topics=topics, stretches=topics.stretches(plan(declaration)))


def _pairs(given: tuple[str, ...], option: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in given:
        name, equals, path = each.partition("=")
        if not (name and equals and path):
            raise click.UsageError(f"{option} is NAME=PATH, not {each!r}")
        found.setdefault(name, []).append(path)
    return found


def _time(given: str | None) -> int | None:
    if given is None:
        return None
    times, valid = milliseconds([given])
    if not valid[0]:
        raise click.UsageError(f"{given!r} is no time such as 2026-01-31T12:00:00Z")
    return int(times[0])


# running


def _run(job: Job, declaration: Declaration, name: str, **options: Any) -> Outcome:
    with _bar(name, job.input.size) as progress:
        return job.run(declaration, progress, **options)


@contextmanager
def _bar(name: str, size: int) -> Iterator[Callable[[int], object]]:
    """Show how far a run has come, on standard error, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=size)
        yield lambda read: bar.advance(task, read)


@contextmanager
def _told() -> Iterator[None]:
    """Tell what could not be read in one line."""
    try:
        yield
    except Unreadable as error:
        raise _Failed(str(error)) from error
    except Exception as error:
        from streams.transport.errors import TransportError  # noqa: PLC0415 - files need no Kafka client

        if isinstance(error, TransportError):
            raise _Failed(str(error)) from error
        raise


# showing


def _show(outcome: Outcome, second: Outcome | None, *, pending: bool) -> None:
    if second is None:
        shown = [each for each in outcome.episodes if pending or each.fired_at is not None]
        for line in text.timeline(shown, outcome.end) if shown else ():
            click.echo(line)
    else:
        found, end = _difference(outcome, second)
        for line in text.difference(found, end) if found else ():
            click.echo(line)
        counts = {kind: sum(pair.kind == kind for pair in found) for kind in ("same", "changed", "removed", "added")}
        click.echo(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    click.echo("\n".join(outcome.summary()))


def _difference(outcome: Outcome, second: Outcome) -> tuple[list[Pair], int]:
    end = max(outcome.end, second.end)
    return pairs(outcome.episodes, second.episodes, end), end


def _json(outcome: Outcome, second: Outcome | None) -> str:
    body = outcome.as_json()
    if second is not None:
        found, _ = _difference(outcome, second)
        body = {"before": body, "after": second.as_json(), "changes": [pair.as_json() for pair in found]}
    return json.dumps(body, indent=2, default=str) + "\n"


def _page(title: str, outcome: Outcome, recorder: Recorder, others: Sequence[Episode] | None) -> Page:
    return Page(
        title=title,
        summary=outcome.summary(),
        episodes=outcome.episodes,
        recorder=recorder,
        span=outcome.span,
        others=others,
    )


def _write(path: str, content: str) -> None:
    try:
        Path(path).write_text(content, encoding="utf-8")
    except OSError as error:
        raise Unreadable(f"{path} cannot be written: {error.strerror}") from error
