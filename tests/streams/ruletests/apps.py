"""A small app and its tests, as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from click.testing import CliRunner, Result

from streams.cli import main
from streams.load import loads
from streams.ruletests.compare import Failure
from streams.ruletests.play import play

APP = """
app: t
streams:
  s: {topic: s, time: {field: at.ts, unit: s}, key: host}
  free: {topic: free, key: word, codec: raw, derive: {word: value}, idle: never}
  logs: {topic: logs, codec: nginx, time: time, key: client}
tables:
  c: {from: s, key: host, window: {tumbling: 1m, grace: 5s}, aggregates: {n: count(), top: max("x"), mid: mean("x")}}
  pairs: {from: s, key: [host, port], aggregates: {n: count()}}
  words: {from: free, key: word, window: {tumbling: 1m, grace: 0s}, aggregates: {n: count()}}
  clients: {from: logs, key: client, window: {tumbling: 1h, grace: 0s}, aggregates: {n: count(), sent: sum("bytes")}}
alerts:
  - alert: Many
    table: c
    expr: n >= 3
    for: 1m
    labels: {severity: page}
    annotations: {text: "{{ n }} of {{ host }}"}
  - {alert: Any, table: c, expr: top > 100}
"""


def failures(tests: str) -> Sequence[Failure]:
    """Return what the one test of `APP` finds."""
    declaration = loads(f"{APP}tests:\n{tests}")
    (test,) = declaration.tests
    return play(test, declaration)


def streams(*arguments: str | Path) -> Result:
    """Return what the command line does."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])
