"""Give requests their IDs on any ASGI server.

>>> app.add_middleware(RequestIDMiddleware, trust=["X-Request-ID"])  # Starlette, FastAPI
>>> application = RequestIDMiddleware(application)  # any other

Source: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

from .request_id import RequestIDs, begin_request, new_request_id, outer_request_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping
    from typing import Any

    # As Starlette has them, whose applications and servers fit so.
    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["RequestIDMiddleware"]

# Where a response, or the answer to a handshake, has its headers.
_STARTS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}


class RequestIDMiddleware:
    """Put the ID of a request, or of a WebSocket's handshake, into log context and response.

    An exception that passes through becomes the server's own 500, which has no ID. Inside of
    ``wrap``, or of another one, the ID that is there stays.

    Args:
        app: an ASGI 3 application.
        trust: as ``RequestIDs`` takes it, and so the other two.
        header: name of the response header, or None to answer without.
        generate: makes an ID.
    """

    # Each by its name, since Starlette's types take no **options beside app.
    def __init__(
        self,
        app: AsgiApp,
        *,
        trust: Iterable[str] = (),
        header: str | None = "X-Request-ID",
        generate: Callable[[], object] = new_request_id,
    ) -> None:
        self._app = app
        self._ids = RequestIDs(trust=trust, header=header, generate=generate)
        self._name = (self._ids.header or "").lower().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if outer := outer_request_id(scope):
            await self._app(scope, receive, self._sending(send, outer))
            return
        request_id = self._ids.choose(_headers_of(scope))
        end = begin_request(scope, request_id)
        try:
            await self._app(scope, receive, self._sending(send, request_id))
        finally:
            end()

    def _sending(self, send: Send, request_id: str) -> Send:
        """Make a ``send`` that adds the header."""
        if not self._name:
            return send
        pair = self._name, request_id.encode()

        async def send_with_header(message: Message) -> None:
            if message["type"] in _STARTS:
                headers = [*message.get("headers", ())]
                if all(name.lower() != self._name for name, _ in headers):
                    message = {**message, "headers": [*headers, pair]}
            await send(message)

        return send_with_header


def _headers_of(scope: Scope) -> Callable[[str], str | None]:
    def get(name: str) -> str | None:
        octets = name.encode("latin-1", "replace")
        values = [value for each, value in scope["headers"] if each.lower() == octets]
        return b", ".join(values).decode("latin-1") if values else None

    return get
