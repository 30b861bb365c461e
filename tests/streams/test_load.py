"""YAML declarations: golden files good and bad, what is read as text, and what is refused before it is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.load import load, loads
from streams.nodes import Pairs, Scalar
from streams.problems import DeclarationError
from streams.spec import Declaration, Stream, TimeField
from streams.yaml_nodes import MAX_BYTES, MAX_DEPTH, read

GOLDEN = Path(__file__).parent.parent / "declarations"
GOOD = sorted(GOLDEN.glob("*.good.yaml"))
BAD = sorted(GOLDEN.glob("*.bad.yaml"))


def lines(error: DeclarationError) -> list[str]:
    """Return each mistake as `line:column: message`."""
    return [f"{each.line}:{each.column}: {each.message}" for each in error.problems]


def refused(text: str) -> list[str]:
    """Return the mistakes in a declaration that must have some."""
    with pytest.raises(DeclarationError) as caught:
        loads(text)
    return lines(caught.value)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_files_are_accepted(path: Path) -> None:
    """A good file is a declaration, and reading it again gives an equal one."""
    assert isinstance(load(path), Declaration)
    assert load(path) == load(path)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_files_tell_every_mistake(path: Path) -> None:
    """A bad file is refused with all of its mistakes, in the order of the file, each with line and column."""
    with pytest.raises(DeclarationError) as caught:
        load(path)
    assert lines(caught.value) == path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith(f"{path}:") for line in str(caught.value).splitlines())


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_places_are_in_the_file(path: Path) -> None:
    """Each line and column names a character of the file, or the end of one of its lines."""
    text = path.read_text(encoding="utf-8").splitlines()
    with pytest.raises(DeclarationError) as caught:
        load(path)
    for problem in caught.value.problems:
        assert 1 <= problem.line <= len(text)
        assert 1 <= problem.column <= len(text[problem.line - 1]) + 1


def test_scalars_are_text() -> None:
    """No scalar is a boolean, a date, a number in base 60, an octal or null by how it looks."""
    made = load(GOLDEN / "text.good.yaml")
    assert made.app == "on"
    assert made.streams["yes"] == Stream(name="yes", topic="0o17", time=TimeField(field="12:30:45"), key=("no",))
    assert made.alerts[0].alert == "NO"
    assert dict(made.alerts[0].labels) == {
        "version": "1.10", "since": "2024-01-01", "at": "190:20:30", "enabled": "true", "nothing": "null", "empty": "",
    }  # fmt: skip


def test_short_and_long_forms_are_equal() -> None:
    """A short form says the same as its long form."""
    short = """
app: ops
streams: {a: {topic: t, time: ts, key: k}}
tables: {t: {from: a, key: k, aggregates: {n: count()}}}
"""
    long = """
app: {id: ops}
streams: {a: {topic: t, time: {field: ts}, key: [k], codec: json, idle: 60s, max_ahead: 60m}}
tables: {t: {from: a, key: [k], window: none, keep: 1d, emit: none, standby: 0, aggregates: {n: count( )}}}
"""
    assert loads(short) == loads(long)


@pytest.mark.parametrize("scalar", ["a: x * 2", "a: 'x * 2'", 'a: "x * 2"'])
def test_places_inside_text(scalar: str) -> None:
    """A place inside a plain or quoted text is the file's column of that character."""
    node, _ = read(scalar, "f.yaml")
    assert isinstance(node, Pairs)
    text = node.entries[0][1]
    assert isinstance(text, Scalar)
    assert text.inside(2).column == scalar.index("*") + 1


@pytest.mark.parametrize("scalar", ['a: "x\\u0020* 2"', "a: >\n  x\n  * 2\n", "a: 'it''s *'"])
def test_places_inside_text_that_does_not_stand_as_it_is(scalar: str) -> None:
    """Where a text is escaped or folded, a place inside it is the place where it begins."""
    node, _ = read(scalar, "f.yaml")
    assert isinstance(node, Pairs)
    text = node.entries[0][1]
    assert isinstance(text, Scalar)
    assert text.inside(2) == text.place


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is a mistake with a place, not a traceback."""
    path = tmp_path / "none.yaml"
    with pytest.raises(DeclarationError, match=r"none\.yaml:1:1: there is no such file"):
        load(path)


def test_directory(tmp_path: Path) -> None:
    """A directory is not a declaration."""
    with pytest.raises(DeclarationError, match="this is a directory; name the YAML file in it"):
        load(tmp_path)


def test_path_that_can_be_none() -> None:
    """A path with a NUL in it is refused like one that is not there."""
    with pytest.raises(DeclarationError, match=":1:1: it cannot be read"):
        load("a\0b")


def test_bad_utf8(tmp_path: Path) -> None:
    """A byte that is not UTF-8 is named with its line and column, in characters."""
    path = tmp_path / "latin.yaml"
    path.write_bytes("app: ops\n# é: ".encode() + b"\xe9\n")
    with pytest.raises(DeclarationError, match=r":2:6: byte 0xe9 is not UTF-8"):
        load(path)


def test_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark, as some editors write it, is no part of the text."""
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfapp: ops\n")
    assert load(path) == Declaration(app="ops")


def test_largest_file(tmp_path: Path) -> None:
    """A file of the most bytes is read; with one byte more it is refused."""
    path = tmp_path / "large.yaml"
    head = b"app: ops\n#"
    path.write_bytes(head + b"x" * (MAX_BYTES - len(head)))
    assert load(path).app == "ops"
    path.write_bytes(head + b"x" * (MAX_BYTES - len(head) + 1))
    with pytest.raises(DeclarationError, match=f"longer than the {MAX_BYTES} bytes"):
        load(path)


def test_deepest_nesting() -> None:
    """Nesting is followed to the greatest depth and refused below it, however deep it goes."""
    head = "app: ops\nstreams: {s: {topic: s}}\ntests: [{name: x, expect: [], input: [{stream: s, value: {v: "
    inner = MAX_DEPTH - 7
    assert loads(f"{head}{'[' * inner}x{']' * inner}}}}}]}}]").app == "ops"
    place, too_deep = len(head.splitlines()[-1]) + 1, ": nested deeper than 64 levels"
    deeper = f"{head}{'[' * (inner + 1)}x{']' * (inner + 1)}}}}}]}}]"
    assert refused(deeper) == [f"3:{place + inner + 1}{too_deep}"]
    assert refused(f"{head}{'[' * 100_000}") == [f"3:{place + inner + 1}{too_deep}"]


def test_alias_bomb_is_refused() -> None:
    """Aliases that would multiply are refused where they stand."""
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    assert [line for line in refused(bomb) if "alias" in line] == [
        f"{place}: the alias *{name} is not allowed here; write the value out"
        for place, name in (("2:8", "a"), ("2:12", "a"), ("3:5", "b"), ("3:9", "b"))
    ]


def test_no_tag_makes_objects() -> None:
    """A tag that would make a Python object is refused."""
    assert refused('app: !!python/object/apply:os.system ["true"]')[0].startswith("1:6: the tag !!python/object/apply")


def test_what_follows_from_a_mistake_is_not_reported() -> None:
    """A broken part is reported once: not again by what refers to it."""
    text = """
app: ops
streams: {a: {topic: t, key: [k, ""]}}
tables: {t: {from: a, key: k, expose: [m], aggregates: {m: cuont()}}, u: {from: b, key: k, aggregates: {n: count()}}}
alerts: [{alert: A, table: t, expr: m > 5, annotations: {x: "{{ m }}"}}]
"""
    assert refused(text) == [
        "3:34: '' is not a field name; write names with dots between them",
        "4:60: unknown aggregate `cuont`; did you mean `count`?",
        "4:81: there is no stream 'b'; known: a",
    ]


SOURCES = [path.read_text(encoding="utf-8") for path in (*GOOD, *BAD)]
PIECES = [
    ": ", "- ", "{", "}", "[", "]", "(", ")", "{{ ", "}}", ", ", "# ", "? ", "5", "null", "a.b", "*a", "&a ", "!!x ",
    "---\n", "%YAML 1.1", "'", '"', "é", "\n", "  ", "|\n", ">\n", "\x00", "\x85", "\ud7ff", "",
]  # fmt: skip
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 20), st.sampled_from(PIECES)), min_size=1, max_size=4)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SOURCES), EDITS)
def test_no_text_is_a_traceback(text: str, edits: list[tuple[float, int, str]]) -> None:
    """Whatever is cut out of a file or put into it, it is a declaration or has mistakes with places."""
    for where, cut, piece in edits:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + cut :]
    places = [(1, 1)]
    try:
        loads(text)
    except DeclarationError as error:
        places = [(problem.line, problem.column) for problem in error.problems]
    assert places
    assert min(map(min, places)) >= 1
