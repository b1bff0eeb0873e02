"""A WebSocket connection of a client, as its gateway holds it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    from ..message import Request

    JSON = dict[str, Any]
    Message = MutableMapping[str, Any]
    Send = Callable[[Message], Awaitable[None]]

__all__ = ["GONE", "Connection"]

# How long a client may leave what it is sent unread before the sender is told.
_PATIENCE_S = 5.0
# ASGI has OSError for a client that is gone; uvicorn has RuntimeError for one that left during the
# handshake, or that was told to go.
GONE = (OSError, RuntimeError)
# Recorded as the disconnectReason of a connection that had been idle.
_REASONS = {1001: "Going away"}


class Connection:
    """A client's connection, once it is accepted.

    Attributes:
        client: its address.
        path: of the handshake, for people.
        opened_s, active_s: of the event loop's clock.
        active_ms: when a message came or went, as ``connected_at_ms`` Unix time.
        closed_by_us: code and reason of a close that is not the client's, else None.
        messages: that are being served.
        reader: waits for the client.
        timer: when the limits of time are looked at, or None.
    """

    def __init__(
        self, connection_id: str, request: Request, send: Send, clock: Callable[[], float]
    ) -> None:
        assert request.client is not None
        self.id = connection_id
        self.client = request.client
        self.path = request.path
        self.user_agent = next(
            (value for name, value in request.headers if name.lower() == "user-agent"), ""
        )
        self.opened_s = self.active_s = asyncio.get_running_loop().time()
        self.connected_at_ms = self.active_ms = int(clock() * 1000)
        self.closed_by_us: tuple[int, str] | None = None
        self.messages: set[asyncio.Task[None]] = set()
        self.reader: asyncio.Task[Message] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self._send = send
        self._clock = clock

    def touch(self) -> None:
        """Count as active from now on."""
        self.active_s = asyncio.get_running_loop().time()
        self.active_ms = int(self._clock() * 1000)

    def unwatch(self) -> None:
        """Look at no limits of time any more."""
        if self.timer is not None:
            self.timer.cancel()

    async def accept(self, subprotocol: str) -> None:
        """Accept the handshake."""
        # Without a pause: a push may come as soon as the client knows.
        with suppress(*GONE):
            await self._send({"type": "websocket.accept", "subprotocol": subprotocol or None})

    async def post(self, data: str | bytes) -> bool | None:
        """Send a message.

        Returns:
            True; False where the client is gone; None where it does not read what it is sent.
        """
        if self.closed_by_us is not None:
            return False
        self.touch()
        return await self._try(
            {"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data}
        )

    async def close(self, code: int) -> None:
        """Close as the gateway, unless it has done so before."""
        if self.closed_by_us is None:
            reason = _REASONS.get(code, "")
            self.closed_by_us = code, reason
            message = {"type": "websocket.close", "code": code, "reason": reason}
            if await self._try(message) is None and self.reader is not None:
                # It reads nothing, and so will never answer.
                self.reader.cancel()

    async def _try(self, message: JSON) -> bool | None:
        try:
            await asyncio.wait_for(self._send(message), _PATIENCE_S)
        except asyncio.TimeoutError:
            return None
        except GONE:
            return False
        return True
