"""The rows of a window, as rules see them."""

from __future__ import annotations

import numpy as np

from streams.rules.rows import Rows
from tables.columns import Column


def rows(keys: list[bytes], fields: tuple[str, ...]) -> Rows:
    """Return rows with one aggregate, `n`, that counts from 0."""
    return Rows(0, keys, {"n": Column("int", np.arange(len(keys)))}, fields)


def test_a_key_field_is_what_the_expression_needs() -> None:
    """The key 404 is a number where a number is needed, and text where text is; no number is null."""
    found = rows([b"404", b"5e1", b"x", b"1" * 30], ("status",))
    assert found.columns({"status": "number"})["status"].tolist() == [404, 50.0, None, float("1" * 30)]
    assert found.columns({"status": "text"})["status"].tolist() == ["404", "5e1", "x", "1" * 30]


def test_several_key_fields_are_told_apart() -> None:
    """Of a key of several fields each is a column; those that nobody uses are not made."""
    found = rows([b'["a",1]', b'["b",2]'], ("host", "port"))
    columns = found.columns({"port": "number", "n": "number"})
    assert columns["port"].tolist() == [1, 2]
    assert columns.keys() == {"port", "n"}


def test_take_and_values() -> None:
    """Taking rows takes keys and values along."""
    found = rows([b"a", b"b", b"c"], ("host",)).take(np.array([0, 2]))
    assert (found.keys, list(found.values()), len(found)) == ([b"a", b"c"], [{"n": 0}, {"n": 2}], 2)
