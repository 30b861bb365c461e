"""The page of semantics is true: its declarations pass the tests in them, and its defaults are those that are used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.fields import ALERT, STREAM, TABLE
from streams.window_keys import WINDOW
from tables import windows
from tests.streams.ruletests.apps import streams

PAGE = (Path(__file__).parents[1] / "deploy" / "docs" / "semantics.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_hold(number: int, tmp_path: Path) -> None:
    """Each declaration's own tests pass."""
    (tmp_path / "example.yaml").write_text(EXAMPLES[number])
    result = streams("test", str(tmp_path / "example.yaml"))
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("kind", windows.registry())
def test_every_kind_of_windows_is_drawn(kind: str) -> None:
    """Behind each kind's own word, in its own part of the page, comes a drawing."""
    assert re.search(rf"`[^`]*{{{kind}: [^`]*`(?:(?!\n\*\*|\n## |```yaml).)*?```text", PAGE, re.DOTALL)


@pytest.mark.parametrize("name", ["max_ahead", "idle", "offset", "zone", "grace", "keep", "emit"])
def test_the_defaults_are_those_of_the_reference(name: str) -> None:
    """A default that both pages tell is the same."""
    keys = {key.name: key for section in (ALERT, WINDOW, TABLE, STREAM) for key in section.keys}
    assert re.search(rf"^\| `{name}`.* \| {keys[name].default}", PAGE, re.MULTILINE)
