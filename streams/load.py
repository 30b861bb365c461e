"""A YAML file -> its `Declaration`, or every mistake in it at once."""

from __future__ import annotations

import errno
from pathlib import Path

from streams.check import check
from streams.fields import FILE
from streams.kinds import BROKEN, Report
from streams.located import located
from streams.nodes import Node
from streams.problems import DeclarationError, Problem
from streams.ruletests.check import check_tests
from streams.spec import Declaration
from streams.yaml_nodes import MAX_BYTES, decode, read

_UNREADABLE = {
    errno.ENOENT: "there is no such file; check the path",
    errno.EISDIR: "this is a directory; name the YAML file in it",
    errno.EACCES: "it may not be read by this user; check its permissions",
}


def load(path: str | Path) -> Declaration:
    """Return the declaration that a YAML file holds.

    Raises:
        DeclarationError: every mistake in it, as `file:line:column: what`; a file that cannot be read is one.
    """
    return loads(text_of(path), str(path))


def text_of(path: str | Path) -> str:
    """Return the text of a file.

    Raises:
        DeclarationError: it cannot be read, is too long or no UTF-8.
    """
    file = str(path)
    try:
        with Path(path).open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        message = _UNREADABLE.get(number or 0, f"it cannot be read: {error}")
        raise DeclarationError([Problem(1, 1, message, file)]) from error
    return decode(raw, file)


def loads(text: str, file: str = "<text>") -> Declaration:
    """Return the declaration that YAML text holds; `file` is what messages call it.

    Raises:
        DeclarationError: every mistake in it.
    """
    node, problems = read(text, file)
    report = Report(problems)
    declaration = from_node(node, report)
    report.stop()
    return declaration


def from_node(node: Node, report: Report) -> Declaration:
    """Return the declaration of a node as far as it can be made; `report` has its mistakes."""
    made = FILE.read(node, (), report)
    if made is BROKEN:
        report.stop()
    declaration: Declaration = made
    found = check(declaration, report.broken)
    if not report.broken:
        found += check_tests(declaration.tests, declaration)
    report.problems += [located(each, report.nodes) for each in found]
    return declaration
