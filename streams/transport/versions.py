"""Self-check at import: the transport reaches into private parts of these libraries, so it wants exact versions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WANTED: Mapping[str, str] = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0", "mode-streaming": "0.7.1"}
"""Distribution name -> the one version whose private parts were read and tested."""


class UnsupportedVersion(ImportError):  # noqa: N818 - the name says what is the matter
    """A library is missing or has another version than the one the transport was written against."""


def check(wanted: Mapping[str, str] = WANTED, installed: Callable[[str], str] = version) -> None:
    """Compare the installed versions with those that are wanted.

    Args:
        wanted: distribution name -> version.
        installed: returns the version of an installed distribution.

    Raises:
        UnsupportedVersion: names every distribution that differs, the version found and the one wanted.
    """
    found = {name: _found(name, installed) for name in wanted}
    wrong = [
        f"{name} {found[name]} is installed, {wanted[name]} is wanted" for name in wanted if found[name] != wanted[name]
    ]
    if wrong:
        fix = " ".join(f"{name}=={wanted[name]}" for name in wanted)
        raise UnsupportedVersion(f"{'; '.join(wrong)}. Fix: pip install {fix}")


def _found(name: str, installed: Callable[[str], str]) -> str:
    try:
        return installed(name)
    except PackageNotFoundError:
        return "(nothing)"


check()
