"""Compiled loops are kept from one process to the next, as long as what they are made of is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOP = """
from tables.fast.loop import loop
from piece import piece
@loop
def whole(number):
    return piece(number)
"""
PIECE = """
from tables.fast.loop import part
@part
def piece(number):
    return number + {}
"""
ASK = "from whole import whole; print(whole(1), sum(whole.stats.cache_hits.values()))"


def test_a_loop_is_kept_and_compiled_anew_when_one_of_its_parts_has_changed(tmp_path: Path) -> None:
    """What numba keeps of a loop is found again, and not taken for the loop when a part in another file has changed."""
    pytest.importorskip("numba")
    (tmp_path / "whole.py").write_text(LOOP)

    def run(more: int) -> list[int]:
        (tmp_path / "piece.py").write_text(PIECE.format(more))
        path = os.pathsep.join([str(tmp_path), *sys.path])
        env = {
            **os.environ,
            "PYTHONPATH": path,
            "NUMBA_CACHE_DIR": str(tmp_path / "kept"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run([sys.executable, "-c", ASK], env=env, stdout=subprocess.PIPE, text=True, check=True)
        return [int(word) for word in done.stdout.split()]

    assert [run(1), run(1), run(2), run(1)] == [[2, 0], [2, 1], [3, 0], [2, 1]]
