"""Keys and cursors of URLs, as laws."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from streams.views.params import cursor, key_candidates, key_of, prefix_candidates, split_key
from tables.keys import key_bytes

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBER = st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False, allow_infinity=False)


def in_url(values: list[str | float]) -> str:
    """Return the key as the page about HTTP says it is written."""
    texts = [each if isinstance(each, str) else key_bytes([each]).decode() for each in values]
    return quote(texts[0] if len(texts) == 1 else ",".join(quote(text, safe="") for text in texts), safe="")


@given(st.lists(TEXT | NUMBER, min_size=1, max_size=4))
def test_every_key_can_be_written_in_a_url(values: list[str | float]) -> None:
    """Among the candidates of what stands in the URL is the key, and the candidates begin with all parts as text."""
    candidates = key_candidates(split_key(in_url(values), len(values)))
    assert key_bytes(values) in candidates
    texts = [each if isinstance(each, str) else key_bytes([each]).decode() for each in values]
    assert candidates[0] == key_bytes(texts)


@given(st.lists(TEXT, min_size=1, max_size=3), st.data())
def test_a_prefix_finds_the_keys_that_begin_with_it(values: list[str], data: st.DataObject) -> None:
    """Cutting a key anywhere within a part gives a prefix of its bytes (text parts, as `split_key` writes them)."""
    parts = data.draw(st.integers(1, len(values)))
    *whole, last = values[:parts]
    cut = [*whole, last[: data.draw(st.integers(0, len(last)))]]
    text = cut[0] if len(values) == 1 else ",".join(quote(part, safe="") for part in cut)
    key = key_bytes(values)
    assert any(key.startswith(prefix) for prefix in prefix_candidates(text, len(values)))


@given(st.binary())
def test_a_cursor_is_any_key(key: bytes) -> None:
    """What `next` says is understood as `after`, and needs no encoding in a URL."""
    assert key_of(cursor(key)) == key
    assert quote(cursor(key), safe="") == cursor(key)
