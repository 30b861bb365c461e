"""The self-check of library versions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from streams.transport.versions import WANTED, UnsupportedVersion, check


def test_what_is_installed_here_is_what_is_wanted() -> None:
    """The environment has exactly the versions whose private parts the transport uses."""
    check()
    assert set(WANTED) == {"faust-streaming", "aiokafka", "mode-streaming"}


def test_another_version_is_refused_by_name() -> None:
    """The error names what is installed, what is wanted, and the command that fixes it."""
    with pytest.raises(UnsupportedVersion, match=r"aiokafka 0\.15\.0 is installed, 0\.14\.0 is wanted") as caught:
        check({"aiokafka": "0.14.0"}, lambda _: "0.15.0")
    assert "pip install aiokafka==0.14.0" in str(caught.value)


def test_a_missing_library_is_refused() -> None:
    """Not installed is told as such."""

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    with pytest.raises(UnsupportedVersion, match=r"aiokafka \(nothing\) is installed"):
        check({"aiokafka": "0.14.0"}, missing)
