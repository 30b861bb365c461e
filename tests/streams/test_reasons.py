"""The reason codes and their page."""

from __future__ import annotations

from pathlib import Path

from streams import reasons

PAGE = Path(__file__).parents[2] / "deploy" / "docs" / "codecs.md"


def test_every_code_is_documented() -> None:
    """Each constant has a sentence, and the page for users holds code and sentence."""
    codes = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
    assert codes == set(reasons.REASONS)
    page = PAGE.read_text()
    assert [code for code, meaning in reasons.REASONS.items() if f"| `{code}` | {meaning} |" not in page] == []
