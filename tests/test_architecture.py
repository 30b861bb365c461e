"""The shape of the house: who may import what, who may read a clock, and what no file may hold."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import streams
import tables
from streams import codecs
from tables import aggregates, windows

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(path for package in ("streams", "tables") for path in (ROOT / package).rglob("*.py"))
CONDITIONS = ROOT / "streams" / "rules" / "conditions"
NAMES = [path.relative_to(ROOT).as_posix() for path in MODULES]

RUNTIME = ("streams/app.py", "streams/worker.py", "streams/runtime/", "streams/transport/")
STORE = ("tables/table.py", "tables/manager.py", "tables/recovery.py")
# A library, and the only places that may import it. What ends in a slash is a folder, a star stands for any ending.
ROOMS = {
    "faust": (*RUNTIME, *STORE, "streams/settings.py"),
    "aiokafka": (*RUNTIME, "tables/recovery.py", "streams/settings.py", "streams/demo/"),
    "mode": (*RUNTIME, *STORE, "streams/web.py"),
    "aiohttp": ("streams/web.py", "streams/views/", "streams/demo/"),
    "prometheus_client": ("streams/metrics.py", "streams/metrics/"),
    "rocksdict": ("tables/rocks.py", "tables/recovery.py"),
    "yaml": ("streams/load.py", "streams/yaml_nodes.py"),
    "re2": ("streams/expr/",),
    "psutil": ("streams/demo/",),
    "rich": ("streams/backtest/command.py", "streams/cli.py", "streams/cli/", "streams/demo/"),
}
# What reads clocks: it talks to the world. All else is handed the time.
CLOCKS = (
    *RUNTIME,
    "streams/cli.py",
    "streams/cli/",
    "streams/demo/",
    "streams/embedded.py",
    "streams/metrics.py",
    "streams/backtest/command.py",
    "streams/ruletests/command.py",
    "streams/views/",
    "tables/recovery.py",
    "tables/rocks.py",
)
CLOCK_CALLS = {
    ("time", "time"), ("time", "time_ns"), ("time", "monotonic"), ("time", "monotonic_ns"), ("time", "perf_counter"),
    ("time", "perf_counter_ns"), ("time", "sleep"), ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"),
    ("date", "today"),
}  # fmt: skip
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
MOST_LINES = 400


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(path.relative_to(ROOT).parts[: -node.level]) if node.level else ""
            yield f"{package}.{node.module or ''}".strip(".")


def lies_in(name: str, places: tuple[str, ...]) -> bool:
    """Tell whether a module is one of the places, or in one of the folders."""
    return any(name == place or (place.endswith("/") and name.startswith(place)) for place in places)


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_tables_never_imports_streams(path: Path) -> None:
    """What is remembered does not know what happens: `tables` imports nothing of `streams`."""
    if path.is_relative_to(ROOT / "tables"):
        assert not [name for name in imports(path) if name.split(".")[0] == "streams"]


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    """Each outside library with state or private parts is imported where it is at home, and nowhere else."""
    name = path.relative_to(ROOT).as_posix()
    libraries = {imported.split(".")[0] for imported in imports(path)}
    strangers = [library for library in libraries & ROOMS.keys() if not lies_in(name, ROOMS[library])]
    assert not strangers


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_pure_rooms_read_no_clock(path: Path) -> None:
    """Time is an argument: engine, rules, windows and cells neither ask what time it is nor wait."""
    if lies_in(path.relative_to(ROOT).as_posix(), CLOCKS):
        return
    called = [
        f"line {node.lineno}: {node.value.id}.{node.attr}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if (node.value.id, node.attr) in CLOCK_CALLS
    ]
    from_time = [
        f"line {node.lineno}: from time"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.module == "time"
    ]
    assert not called + from_time


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_text_becomes_code(path: Path) -> None:
    """Nothing is evaluated, executed or unpickled, whatever a declaration or a record says."""
    ours = {alias.name for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom) for alias in node.names}
    forbidden = FORBIDDEN_CALLS - (ours if "streams.expr" in imports(path) else set())
    calls = [
        f"line {node.lineno}: {node.func.id}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in forbidden
    ]
    modules = [name for name in imports(path) if name.split(".")[0] in FORBIDDEN_MODULES]
    assert not calls + modules


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_modules_stay_small_and_finished(path: Path) -> None:
    """A module has at most 400 lines, says what it is for, and leaves nothing to be done."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert ast.get_docstring(tree(path))
    assert not re.findall(r"\b(TODO|FIXME|XXX|HACK)\b", text)


def test_the_packages_are_ours() -> None:
    """PyTables is also called `tables`: what is imported lies in this checkout."""
    assert Path(tables.__file__ or "").is_relative_to(ROOT)
    assert Path(streams.__file__ or "").is_relative_to(ROOT)


def tracked() -> list[Path]:
    """Return every file that belongs to the project."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607 - git is found by the path
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_machine_or_a_registry() -> None:
    """Files hold neither paths of somebody's machine nor hosts of registries: they differ from place to place."""
    # Each is written so that this line does not hold it.
    names = ("py-pi org", "python-hosted org", "npm-js ", "repo1? maven", "crates io", "deb debian")
    hosts = tuple(name.replace("-", "").replace(" ", "[.]") for name in names)
    paths = (r"/[h]ome/\w", r"/[U]sers/\w", "/[r]oot/", "/[w]ork/", "/[o]pt/wheels", "--[f]ind-links ")
    pattern = re.compile("|".join((*hosts, *paths)).encode())
    found = [
        f"{path.relative_to(ROOT)}: {match.group().decode()}"
        for path in tracked()
        if path.suffix not in {".gz", ".zst", ".png"}
        for match in pattern.finditer(path.read_bytes())
    ]
    assert not found


def test_the_lock_has_a_hash_for_everything() -> None:
    """Each locked requirement is one exact version with at least one hash."""
    text = (ROOT / "deploy" / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    locked = re.compile(r"[a-z0-9._-]+==[^ ]+( ; [^-]+)?\s+--hash=sha256:[0-9a-f]{64}")
    assert not [line for line in lines if not locked.match(line)]


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_exceptions_to_the_rules_give_their_reason(path: Path) -> None:
    """A line that a lint rule does not hold for says why: `noqa: RULE - reason`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    bare = re.compile(r"# noqa(?!: [A-Z0-9, ]+ - \S)")
    assert not [f"line {number}: {line.strip()}" for number, line in enumerate(lines, 1) if bare.search(line)]


def test_every_part_has_its_test() -> None:
    """A codec, an aggregate, a kind of windows or a condition is one file and its test, of the same name."""
    modules = {aggregate.__module__ for aggregate in aggregates.registry().values()}
    modules |= {kind.__module__ for kind in windows.registry().values()}
    modules |= {type(codec).__module__ for codec in codecs.registry().values()}
    modules |= {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in CONDITIONS.glob("[!_]*.py")}
    parts = [module.split(".") for module in sorted(modules) if not module.endswith(".base")]
    expected = [ROOT.joinpath("tests", *part[:-1], f"test_{part[-1]}.py") for part in parts]
    assert [path.relative_to(ROOT).as_posix() for path in expected if not path.is_file()] == []
