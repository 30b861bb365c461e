"""The socket that a worker's views are served on."""

from __future__ import annotations

import errno

from aiohttp import web

_REASONS = {
    errno.EADDRINUSE: "is in use, perhaps by another worker; choose another by --web-port or STREAMS_WEB_PORT",
    errno.EADDRNOTAVAIL: "is no address of this machine; set STREAMS_WEB_BIND",
    errno.EACCES: "may not be listened on by this user; choose a port above 1023 by --web-port or STREAMS_WEB_PORT",
}


class ListenError(Exception):
    """The worker cannot listen where it was told to; says where, why and what to change."""


class Server:
    """Serves an application on one address.

    Args:
        app: what `application` returned.
        host: address to listen on.
        port: TCP port; 0 takes a free one.
    """

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        """Prepare without listening."""
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=15.0, shutdown_timeout=1.0)
        self._host, self._port = host, port

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        """Listen.

        Raises:
            ListenError: that is not possible.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            reason = _REASONS.get(error.errno or 0, f"cannot be listened on: {error}")
            raise ListenError(f"web server: {self._host}:{self._port} {reason}") from error

    async def stop(self) -> None:
        """Stop listening; requests in progress get one second."""
        await self._runner.cleanup()
