"""Asking the other workers of the app: one hop, a short time, nothing of the client's request handed on."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.views.access import Access

log = logging.getLogger(__name__)
DEADLINE = 2.0
"""Seconds that another worker has for its answer."""
MOST_BYTES = 32 << 20
"""Most bytes of an answer."""


class Peers:
    """The other workers, as a client.

    Args:
        access: holds what workers show each other.
    """

    def __init__(self, access: Access) -> None:
        """Prepare without connecting."""
        self._headers = access.service_headers()
        self._session: ClientSession | None = None

    async def start(self) -> None:
        """Open the session; must run in the loop that asks."""
        timeout = ClientTimeout(total=DEADLINE)
        self._session = ClientSession(timeout=timeout, cookie_jar=DummyCookieJar(), trust_env=False)

    async def stop(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, base: str, path: str, parameters: Mapping[str, str]) -> Any:
        """Return the `data` of another worker's own answer, None if it gave none.

        Args:
            base: base URL of the worker.
            path: percent-encoded path.
            parameters: of the query; `scope=local` is added.
        """
        try:
            # Put together as text: `join` would take the dots of the key `..` for a way up.
            url = URL(f"{URL(base).origin()}{path}", encoded=True)
            return await self._ask(url, {**parameters, "scope": "local"})
        except (ClientError, TimeoutError, OSError, ValueError, msgspec.MsgspecError) as error:
            log.warning("worker %s did not answer %s: %s", base, path.partition("?")[0][:100], repr(error))
            return None

    async def ask_all(self, bases: Iterable[str], path: str, parameters: Mapping[str, str]) -> list[Any]:
        """Return the answers of several workers, asked at the same time, in their order."""
        return list(await asyncio.gather(*(self.ask(base, path, parameters) for base in bases)))

    async def _ask(self, url: URL, parameters: Mapping[str, str]) -> Any:
        if self._session is None:
            raise ClientError("this worker is not started")
        async with self._session.get(
            url, params=parameters, headers=self._headers, allow_redirects=False, skip_auto_headers=("User-Agent",)
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > MOST_BYTES:
                    raise ClientError(f"the answer is larger than {MOST_BYTES} bytes")
            if response.status != 200:  # noqa: PLR2004 - OK
                raise ClientError(f"status {response.status}: {bytes(body[:200])!r}")
            return msgspec.json.decode(body)["data"]
