"""What a run leaves in the README."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks import report
from tests.benchmarks.report import BEGIN, END, Part, contribute

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_run_replaces_its_own_part_and_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fresh clone nothing is known of earlier runs but what the README says, which must not be lost."""
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n\n{BEGIN}\n{END}\n\nafter\n")
    monkeypatch.setattr(report, "README", readme)

    def run(clone: str, name: str, value: int) -> str:
        monkeypatch.setattr(report, "RESULTS", tmp_path / clone / "bench.json")
        contribute(Part(name, f"About {name}", "Words.", [{"x": value}]))
        return readme.read_text()

    run("a", "memory", 1)
    run("a", "other", 2)
    found = run("b", "memory", 3)
    assert found.count("### About memory") == found.count("### About other") == 1
    assert "| 3 |" in found
    assert "| 2 |" in found
    assert "| 1 |" not in found
    assert found.startswith("before\n")
    assert found.endswith(f"{END}\n\nafter\n")
    assert run("b", "memory", 3) == found
