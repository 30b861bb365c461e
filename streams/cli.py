"""The command `streams`: check a declaration, show its plan, print its JSON Schema.

A `DeclarationError` that is not caught is shown by click, and ends the program with exit code 78.
"""

from __future__ import annotations

import json

import click

from streams.backtest.command import backtest, run
from streams.load import load
from streams.outline import outline
from streams.plan import plan
from streams.ruletests.command import test
from streams.schema import schema
from streams.version import installed_version


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version(), prog_name="streams", message="%(prog)s %(version)s")
def main() -> None:
    """Declarative stream processing of operational metrics on Kafka."""


for command in (test, backtest, run):
    main.add_command(command)


@main.command()
@click.argument("file")
def check(file: str) -> None:
    """Check the declaration in FILE; every mistake is told with line and column."""
    made = load(file)
    parts = (_count(len(made.streams), "stream"), _count(len(made.tables), "table"), _count(len(made.alerts), "alert"))
    click.echo(f"{file}: ok, {', '.join(parts)}")


@main.command("plan")
@click.argument("file")
@click.option("--kept", is_flag=True, help="Ask the cluster too what becomes of the state that it keeps.")
@click.option("--bootstrap", help="Address of the cluster, if not as declared or in the environment; means --kept.")
def show_plan(file: str, bootstrap: str | None, *, kept: bool) -> None:
    """Show what the declaration in FILE comes to: topics, partitions, state, rules. Nothing is changed."""
    made = plan(load(file))
    click.echo(outline(made))
    if kept or bootstrap:
        from streams.runtime.commands import show_kept  # noqa: PLC0415 - without a cluster, no Kafka client is needed

        show_kept(made, bootstrap)


@main.command("reset")
@click.argument("file")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--all", "everything", is_flag=True, help="Outputs too: alerts, dead letters, emitted and late rows.")
@click.option("--bootstrap", help="Address of the cluster, if not as declared or in the environment.")
def start_over(file: str, bootstrap: str | None, *, yes: bool, everything: bool) -> None:
    """Start the app in FILE over: delete its state and its committed offsets. All workers must be stopped."""
    from streams.runtime.commands import reset  # noqa: PLC0415 - without a cluster, no Kafka client is needed

    reset(plan(load(file)), bootstrap, yes=yes, everything=everything)


@main.command("schema")
def show_schema() -> None:
    """Print the JSON Schema of a declaration, for editors."""
    click.echo(json.dumps(schema(), indent=2))


@main.command("demo")
@click.option("--once", is_flag=True, help="End by itself: 0 if what both workers say equals a recount of the file.")
@click.option("--rate", default=1500, show_default=True, type=click.IntRange(1), help="Lines of the log per second.")
def show_demo(*, once: bool, rate: int) -> None:
    """Watch two workers count a real access log, on an embedded broker."""
    from streams.demo.run import demo  # noqa: PLC0415 - checking a file needs no broker

    failure = demo(click.echo, once=once, rate=rate)
    if failure:
        click.echo(failure, err=True)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
