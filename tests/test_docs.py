"""The documents are complete and true: all parts, keys, commands, settings and metrics; and their examples run."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams import codecs, reasons
from streams.check import plan_or_findings
from streams.cli import main
from streams.fields import ALERT, APP, EMIT, FILE, STREAM, TABLE, TIME
from streams.load import load
from streams.settings import KafkaSettings, WorkerSettings
from streams.shapes import Section
from streams.spec import Declaration, Stream
from streams.window_keys import WINDOW
from tables import aggregates, windows
from tables.aggregates.base import Aggregate, Fixed
from tables.spec import Table
from tests.crash.faults import FAULTS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "deploy" / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def page(name: str) -> str:
    """Return a page of the documents."""
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def cell(text: str) -> str:
    """Return text as it may stand in a table."""
    return f"`{text}`" if text else "unset"


@pytest.mark.parametrize("option", KafkaSettings.options().values(), ids=lambda option: option.name)
def test_every_kafka_setting_is_documented(option: Any) -> None:
    """Name, aliases, default and meaning of each setting stand in one row of the operations page."""
    names = ", ".join(f"`{name}`" for name in (option.name, *option.aliases))
    assert f"| {names} | {cell(option.default or '')} | {option.doc} |" in page("operations.md")


@pytest.mark.parametrize("option", WorkerSettings.options().values(), ids=lambda option: option.name)
def test_every_worker_setting_is_documented(option: Any) -> None:
    """Variables, default and meaning of each setting stand in one row of the operations page."""
    ours = WorkerSettings.variable(option.name)
    variables = (ours, *([f"{ours}_FILE"] if option.secret else []), *option.environment)
    names = ", ".join(f"`{name}`" for name in variables)
    assert f"| {names} | {cell(option.default or '')} | {option.doc} |" in page("operations.md")


def metric_names() -> list[str]:
    """Return the names of all metrics as they are scraped."""
    sources = [*(ROOT / "streams").glob("metrics*.py"), *(ROOT / "streams" / "metrics").glob("*.py")]
    source = "".join(path.read_text(encoding="utf-8") for path in sources)
    counters = set(re.findall(r'_counter\(\s*"(streams_[a-z_]+)"', source))
    names = set(re.findall(r'"(streams_[a-z_]+[a-z])"', source))
    return sorted(f"{name}_total" if name in counters else name for name in names)


@pytest.mark.parametrize("name", metric_names())
def test_every_metric_is_documented(name: str) -> None:
    """Each metric has a row in the operations page."""
    assert f"| `{name}` |" in page("operations.md")


@pytest.mark.parametrize("name", sorted(reasons.REASONS))
def test_every_reason_is_documented(name: str) -> None:
    """Each reason of a dead letter is explained on the page of the codecs."""
    assert f"`{name}`" in page("codecs.md")


@pytest.mark.parametrize("name", sorted(codecs.registry()))
def test_every_codec_is_documented(name: str) -> None:
    """Each codec is on the page of the codecs."""
    assert f"`{name}`" in page("codecs.md")


def table_rows(text: str) -> list[list[str]]:
    """Return the cells of all rows of all tables of a page."""
    return [row.strip("|").split(" | ") for row in re.findall(r"^\| .* \|$", text, re.MULTILINE)]


def about(name: str) -> list[str]:
    """Return what the page of the aggregates says of one: error, bytes, time and windows that it refuses."""
    text = page("aggregates.md").partition("\n## Error, size and cost\n")[2]
    (found,) = [parts for first, *parts in table_rows(text) if name in first.strip().split(", ")]
    return [part.strip() for part in found]


@pytest.mark.parametrize("name", sorted(aggregates.registry()))
def test_every_aggregate_is_documented(name: str) -> None:
    """Each aggregate has a row, as the call it is, with its formula and its result of nothing."""
    found = [parts for first, *parts in table_rows(page("aggregates.md")) if first.startswith(f" `{name}(")]
    assert found
    assert all(part.strip() for parts in found for part in parts)


@pytest.mark.parametrize("name", sorted(aggregates.registry()))
def test_every_aggregate_has_its_error_and_cost(name: str) -> None:
    """Each aggregate has its error, bytes a cell (the true ones where no state grows) and ns an event, as numbers."""
    error, size, cost, _ = about(name)
    assert error == "none" or re.search(r"\d|rounding", error)
    assert re.search(r"\d", cost)
    for example in aggregates.registry()[name].examples():
        kinds = example.columns().values()
        fixed = sum(np.dtype(kind.dtype).itemsize for kind in kinds if isinstance(kind, Fixed))
        assert str(fixed) in size.split(", ") or re.search(r"\d+ a |JSON", size)


@pytest.mark.parametrize("name", sorted(aggregates.registry()))
def test_every_aggregate_says_which_windows_it_refuses(name: str) -> None:
    """The page names the windows with which a declaration of the aggregate has a mistake, or none."""
    kinds = {"without": None} | {kind: each.examples()[0] for kind, each in windows.registry().items()}
    refused = {
        kind
        for kind, window in kinds.items()
        for example in aggregates.registry()[name].examples()
        if findings(example, window)
    }
    *_, said = about(name)
    assert {kind for kind in kinds if re.search(rf"\b{kind}\b", said)} == refused
    assert (said == "none") != bool(refused)


def findings(aggregate: Aggregate, window: windows.Window | None) -> object:
    """Return what is wrong with a table of this column and these windows."""
    stream = Stream(name="s", topic="s", key=("host",))
    table = Table(name="t", from_="s", key=("host",), window=window, aggregates={"c": aggregate})
    return plan_or_findings(Declaration(app="d", streams={"s": stream}, tables={"t": table}))[1]


def keys() -> list[str]:
    """Return every key of a declaration as `section.key`."""
    sections: dict[str, Section] = {
        "file": FILE, "app": APP, "stream": STREAM, "time": TIME, "table": TABLE, "emit": EMIT, "window": WINDOW,
        "alert": ALERT,
    }  # fmt: skip
    return [f"{name}.{key.name}" for name, section in sections.items() for key in section.keys]


@pytest.mark.parametrize("name", keys())
def test_every_key_is_documented(name: str) -> None:
    """Each key of a declaration has a row in its reference."""
    assert f"| `{name.split('.')[1]}` |" in page("declaration.md")


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_is_documented(name: str) -> None:
    """Each subcommand is on the operations page."""
    assert f"`streams {name}" in page("operations.md")


def routes() -> list[str]:
    """Return the paths that the views have, as their modules write them."""
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "streams" / "views").glob("*.py"))]
    return sorted({path for source in sources for path in re.findall(r'"(/(?:api/v1|-)/[a-z]+|/metrics)"', source)})


@pytest.mark.parametrize("path", routes())
def test_every_path_is_documented(path: str) -> None:
    """Each path that a worker answers is on the operations page."""
    assert f"`{path}`" in page("operations.md")


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_is_documented(name: str) -> None:
    """Each fault of the torture run is explained on the page about exactly-once."""
    assert re.search(rf"^\| [^|]*`{name}`", page("exactly-once.md"), re.MULTILINE)


def test_the_fault_matrix_names_what_exists() -> None:
    """The 25 rows are there in order, and what proves a row is a test file or a fault of the torture run."""
    rows = re.findall(r"^\| (\d+) \|(.*)$", page("exactly-once.md"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 26))
    for number, row in rows:
        *_, result, proof, _ = row.split("|")
        named = re.findall(r"`([^`]+)`", proof)
        assert bool(named) != result.strip().startswith("open"), f"row {number}"
        assert [name for name in named if name not in FAULTS and not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """A relative link of a page is a file or folder of the project."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.fixture
def readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the README's declaration in both spellings, as ops.yaml and ops.py."""
    (tmp_path / "ops.yaml").write_text(blocks(PAGES[0], "yaml")[0])
    (tmp_path / "readme_ops.py").write_text(blocks(PAGES[0], "python")[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_readme_declares_the_same_twice(readme: Path) -> None:
    """The YAML and the Python of the README build equal declarations."""
    assert import_module("readme_ops").app.declaration == load(readme / "ops.yaml")


@pytest.mark.usefixtures("readme")
def test_the_readme_tests_itself() -> None:
    """The README's test of its declaration runs as it stands there."""
    namespace: dict[str, Any] = {}
    exec(compile(blocks(PAGES[0], "python")[1], "README.md", "exec"), namespace)  # noqa: S102 - our own document
    assert namespace["harness"].alerts()


def test_the_readme_begins_with_two_commands() -> None:
    """A stranger finds first how to see it work and how to test it."""
    assert blocks(PAGES[0], "console")[0] == "$ make demo\n$ make test\n"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_yaml_blocks_that_declare_an_app_load(path: Path, tmp_path: Path) -> None:
    """A block that is a whole declaration has no mistake."""
    for number, block in enumerate(blocks(path, "yaml")):
        if block.startswith("app:"):
            (tmp_path / f"{number}.yaml").write_text(block)
            assert load(tmp_path / f"{number}.yaml").app
