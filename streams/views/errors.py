"""Errors of the views, as JSON in the form of Prometheus' HTTP API."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

log = logging.getLogger(__name__)
_TYPES = {400: "bad_data", 401: "unauthorized", 404: "not_found", 405: "bad_method", 503: "unavailable"}


class QueryError(Exception):
    """A query that cannot be answered.

    Args:
        status: HTTP status.
        message: a sentence that names the thing, the value and the likely fix.
        more: further fields of the answer.
    """

    def __init__(self, status: int, message: str, **more: Any) -> None:
        """Keep all for the response."""
        super().__init__(message)
        self.status, self.message, self.more = status, message, more

    def response(self) -> web.Response:
        """Return the answer to the client."""
        kind = _TYPES.get(self.status, "internal" if self.status >= 500 else "bad_data")  # noqa: PLR2004 - server errors
        body = {"status": "error", "errorType": kind, "error": self.message, **self.more}
        return json_response(body, self.status)


def json_response(body: Any, status: int = 200) -> web.Response:
    """Return `body` as JSON."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json", charset="utf-8")


def success(data: Any) -> web.Response:
    """Return the answer that holds `data`."""
    return json_response({"status": "success", "data": data})


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error as JSON; what nobody foresaw is logged and not told."""
    try:
        return await handler(request)
    except QueryError as error:
        return error.response()
    except web.HTTPException as error:
        response = QueryError(error.status, f"{request.method} {request.path[:200]}: {error.reason}").response()
        response.headers.update({name: value for name, value in error.headers.items() if name == "Allow"})
        return response
    except Exception:
        log.exception("view %s failed", request.match_info.route.resource)
        return QueryError(500, "the worker could not answer; its log says why").response()
