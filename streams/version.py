"""The version of this package as it is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Return the version of the installed distribution; a checkout that is not installed has none."""
    try:
        return version("ops-streams")
    except PackageNotFoundError:
        return "not installed"
