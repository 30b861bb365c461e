"""The JSON Schema for editors, held against the golden declarations; and the reference, held against the keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from streams.fields import ALERT, APP, EMIT, FILE, STREAM, TABLE, TIME
from streams.kinds import BROKEN, Duration, Integer, Report
from streams.nodes import Scalar
from streams.problems import Place
from streams.schema import schema
from streams.shapes import Key, Section
from streams.spec import Alert, Stream
from streams.window_keys import WINDOW
from tables import windows
from tables.spec import Table

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "declarations"
REFERENCE = ROOT / "deploy" / "docs" / "declaration.md"
SECTIONS = {
    "File": FILE,
    "App": APP,
    "Stream": STREAM,
    "Time": TIME,
    "Table": TABLE,
    "Emit": EMIT,
    "Window": WINDOW,
    "Alert": ALERT,
}
MADE: dict[str, type] = {"Stream": Stream, "Table": Table, "Alert": Alert}
# Files that are wrong in their form; other mistakes are not to be seen without reading the whole.
MISSHAPEN = ("names", "durations", "keys", "shapes", "empty")


class Editor(yaml.SafeLoader):
    """Reads YAML 1.2's core schema, as editors do: no dates, no yes and no, no base 60."""


Editor.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.endswith((":null", ":float", ":int"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def seen(path: Path) -> Any:
    """Return a file as an editor reads it."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=Editor)  # noqa: S506 - a SafeLoader


def rows(section: Section) -> Iterator[str]:
    """Yield the reference's table of a section."""
    yield "| key | what it must be | default | meaning |"
    yield "|---|---|---|---|"
    for key in section.keys:
        default = "required" if key.default is None else key.default
        words = key.kind.words.replace("|", "\\|")
        yield f"| `{key.name}` | {words} | {default} | {key.doc} |"


def defaults() -> Iterator[tuple[str, Key]]:
    """Yield the keys whose default is one value, with the section they are in."""
    for name in MADE:
        for key in SECTIONS[name].keys:
            if key.default is not None and isinstance(key.kind, Duration | Integer) and key.default != "none":
                yield name, key


def test_schema_is_one() -> None:
    """The schema is a valid JSON Schema of draft 2020-12, and JSON."""
    jsonschema.Draft202012Validator.check_schema(schema())
    assert json.loads(json.dumps(schema())) == schema()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.good.yaml")), ids=lambda path: path.stem)
def test_good_files_follow_the_schema(path: Path) -> None:
    """An editor marks nothing in a good file, unless it relies on text that editors read as something else."""
    if path.stem != "text.good":
        jsonschema.Draft202012Validator(schema()).validate(seen(path))


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_follow_the_schema(path: Path) -> None:
    """An editor marks nothing in the examples."""
    jsonschema.Draft202012Validator(schema()).validate(seen(path))


@pytest.mark.parametrize("name", MISSHAPEN)
def test_misshapen_files_do_not_follow_the_schema(name: str) -> None:
    """An editor marks keys, names and forms that are wrong."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema()).validate(seen(GOLDEN / f"{name}.bad.yaml"))


@pytest.mark.parametrize(("section", "key"), list(defaults()), ids=lambda each: getattr(each, "name", each))
def test_defaults_are_as_documented(section: str, key: Key) -> None:
    """The default that the reference tells is the one that is used."""
    value = key.kind.read(Scalar(str(key.default), Place("reference", 1)), (key.name,), Report())
    assert value is not BROKEN
    fields = MADE[section].__dataclass_fields__  # type: ignore[attr-defined] # all of MADE are dataclasses
    assert fields[key.argument or key.name].default == value


@pytest.mark.parametrize("kind", windows.registry().values(), ids=lambda kind: kind.kind)
def test_defaults_of_windows_are_as_documented(kind: type[windows.Window]) -> None:
    """The default that the reference tells of an option of a kind of windows is the one that is used."""
    fields = kind.__dataclass_fields__
    for option in kind.options[1:]:
        if option.default is not None:
            (key,) = (each for each in WINDOW.keys if each.name == option.name)
            value = key.kind.read(Scalar(option.default, Place("reference", 1)), (key.name,), Report())
            assert fields[option.field].default == value


@pytest.mark.parametrize("window", [{"tumbling": "1m", "every": "1s"}, {"hopping": "1m"}, {"grace": "1s"}])
def test_a_window_has_the_keys_of_its_kind(window: dict[str, str]) -> None:
    """An editor marks a window that mixes kinds, lacks what its kind needs, or is of none."""
    validator = jsonschema.Draft202012Validator(WINDOW.schema())
    assert validator.is_valid({"hopping": "1m", "every": "30s", "offset": "1s", "grace": "0s"})
    assert not validator.is_valid(window)


@pytest.mark.parametrize("name", SECTIONS)
def test_reference_has_every_key(name: str) -> None:
    """The reference has the table of each section: every key with what it must be, its default and its meaning."""
    text = REFERENCE.read_text(encoding="utf-8")
    _, _, rest = text.partition(f"\n## {name}\n")
    assert "\n".join(rows(SECTIONS[name])) in rest.partition("\n## ")[0]
