"""The worker's web views: state of tables, alerts and rules, health, and one plain page."""

from __future__ import annotations

from streams.views.access import Access
from streams.views.application import application
from streams.views.provider import Provider, Reader
from streams.views.server import ListenError, Server

__all__ = ["Access", "ListenError", "Provider", "Reader", "Server", "application"]
