"""Who may read the views, how many at once, and the headers that keep browsers from doing harm."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from streams.views.errors import QueryError

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

SERVICE_TOKEN = "X-Streams-Service-Token"  # noqa: S105 - the name of a header
MOST_REQUESTS = 64
"""Requests that one worker answers at the same time."""
_OPEN = frozenset({"/-/healthy", "/-/ready"})
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Access:
    """Tokens of the views.

    Args:
        tokens: any of these lets read; none: all may read.
        service: what workers show each other; None if they need nothing.
    """

    tokens: tuple[str, ...] = ()
    service: str | None = None

    def allows(self, request: web.Request) -> bool:
        """Tell whether a request may read: bearer token, password of basic authentication, or service token."""
        if not self.tokens:
            return True
        shown = _shown(request.headers.get("Authorization", ""))
        if sum(_same(shown, token) for token in self.tokens):
            return True
        return self.service is not None and _same(request.headers.get(SERVICE_TOKEN, ""), self.service)

    def service_headers(self) -> dict[str, str]:
        """Return the headers of a request to another worker: these and no others."""
        return {"Accept": "application/json"} | ({SERVICE_TOKEN: self.service} if self.service else {})


def guard(access: Access) -> Middleware:
    """Return the middleware that refuses who may not read, and requests beyond `MOST_REQUESTS`."""
    running = 0

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal running
        if request.path in _OPEN:
            return await handler(request)
        if not access.allows(request):
            raise QueryError(401, "a token is needed: send the header `Authorization: Bearer TOKEN`")
        if running >= MOST_REQUESTS:
            raise QueryError(503, f"the worker is answering {running} requests already; try again in a moment")
        running += 1
        try:
            return await handler(request)
        finally:
            running -= 1

    return guarded


async def harden(_: web.Request, response: web.StreamResponse) -> None:
    """Set the security headers of every response."""
    response.headers.update(_HEADERS)
    response.headers["Server"] = "streams"
    if response.status == 401:  # noqa: PLR2004 - unauthorized
        response.headers["WWW-Authenticate"] = 'Bearer realm="streams", Basic realm="streams"'


def _shown(authorization: str) -> str:
    """Return the token of an `Authorization` header, empty if it has none."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _same(shown: str, token: str) -> bool:
    """Compare in a time that does not tell how much is right."""
    return hmac.compare_digest(shown.encode(errors="surrogateescape"), token.encode())
