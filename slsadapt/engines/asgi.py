"""Run an ASGI 3 application: HTTP and lifespan, on a private loop.

Source: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from contextvars import ContextVar, copy_context

from ..errors import ApplicationError, DeadlineError
from ..message import Response
from ..percent import decode, encode_path
from .headers import check_response_headers, is_dropped
from .lifespan import Lifespan
from .loop import INSIDE, Expiry, InstanceLoop, beside_loops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from contextvars import Context
    from typing import Any

    from ..message import Address, Pairs, T
    from .lifespan import Mode

    Scope = dict[str, Any]
    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["AsgiEngine"]

# From a header's name, as gateways spell it, to its octets in lower case; what no application
# may see is never in it. Clients choose the names, so the memory is bounded.
_name_octets: dict[str, bytes] = {}
_REMEMBERED_NAMES = 512


def _header_octets(headers: Pairs) -> list[tuple[bytes, bytes]]:
    octets = _name_octets
    try:
        return [(octets[name], value.encode("latin-1")) for name, value in headers]
    except KeyError:
        pass
    pairs = []
    for name, value in headers:
        lower = name.lower()
        if not is_dropped(lower):
            pair = lower.encode("latin-1", "replace"), value.encode("latin-1")
            pairs.append(pair)
            if len(octets) < _REMEMBERED_NAMES:
                octets[name] = pair[0]
    return pairs


class AsgiEngine:
    """Run one ASGI application; safe to call from several threads.

    Loop and lifespan begin with the first request, or with ``initialize``, and end with
    ``close`` or the interpreter. A request after ``close`` begins them anew.
    """

    def __init__(self, app: AsgiApp, lifespan: Mode, lifespan_timeout_s: float) -> None:
        self._app = app
        self._mode = lifespan
        self._timeout_s = lifespan_timeout_s
        self._changing = threading.Lock()
        self._closes_at_exit = False
        self._loop: InstanceLoop | None = None
        self._lifespan: Lifespan | None = None

    @property
    def loop(self) -> InstanceLoop | None:
        """Give the loop that runs the application, None before the first request."""
        return self._loop

    def prepare(
        self,
        method: str,
        path: str,
        query: str,
        headers: Pairs,
        body: bytes,
        scheme: str,
        client: Address | None,
        server: Address,
        root_path: str,
        stage: str,
        request_id: str,
        user: str | None,
    ) -> Exchange:
        """Write a request's fields as a scope."""
        text = decode(path).decode("utf-8", "replace") if "%" in path else path
        raw_path = path.encode("ascii")
        if root_path:
            text = root_path + text
            raw_path = encode_path(root_path).encode("ascii") + raw_path
        return Exchange(
            {
                "type": "http",
                # 2.4: send() raises OSError where the client is gone, which it never is here.
                "asgi": {"version": "3.0", "spec_version": "2.4"},
                "http_version": "1.1",
                "method": method,
                "scheme": scheme,
                "path": text,
                "raw_path": raw_path,
                "query_string": query.encode("utf-8", "surrogatepass"),
                "root_path": root_path,
                "headers": _header_octets(headers),
                "client": client,
                "server": server,
            },
            path,
            body,
            request_id,
        )

    def run(self, exchange: Exchange) -> Response:
        """Run the application once.

        Raises:
            ApplicationError: the application breaks ASGI.
            DeadlineError: its time was over before its response was complete.
            LifespanError: its start-up failed; the next request tries again.
            Exception: whatever the application raises.
        """
        loop = self._loop or self._start()
        if self._lifespan is not None:
            exchange.environ["state"] = self._lifespan.state.copy()
        try:
            loop.run(exchange.serve(self._app), exchange.expiry)
        except (Exception, asyncio.CancelledError) as error:
            if exchange.is_late():
                raise DeadlineError("the application had no time left to answer") from error
            cancelled = isinstance(error, asyncio.CancelledError)
            if not exchange.complete:
                if cancelled:
                    raise ApplicationError("the application cancelled its own request") from None
                raise
            if not cancelled:
                # The client has its whole answer: what failed is work that went on behind it.
                (exchange.context or copy_context()).run(_log_failure, error)
        if exchange.is_late():
            raise DeadlineError("the application had no time left to answer")
        return exchange.response()

    def run_coroutine(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run what is asynchronous beside the application, on its loop and after its start-up."""
        return (self._loop or self._start()).run(coroutine)

    def initialize(self) -> None:
        """Start the loop and the application's lifespan, unless they run already."""
        if self._loop is None:
            self._start()

    def close(self) -> None:
        """Run the application's shutdown and close the loop."""
        self._refuse_inside()
        with self._changing:
            loop, lifespan = self._loop, self._lifespan
            self._loop = self._lifespan = None
            if loop is not None:
                try:
                    if lifespan is not None:
                        loop.run(self._within(lifespan.stop()))
                finally:
                    beside_loops(loop.shut_down)

    def _start(self) -> InstanceLoop:
        self._refuse_inside()
        with self._changing:
            if self._loop is None:
                loop = InstanceLoop()
                lifespan = None
                try:
                    if self._mode != "off":
                        lifespan = Lifespan(self._app, self._mode, self._timeout_s)
                        loop.run(self._within(lifespan.start()))
                except BaseException:
                    beside_loops(loop.shut_down)
                    raise
                if not self._closes_at_exit:
                    self._closes_at_exit = True
                    atexit.register(self.close)
                self._loop, self._lifespan = loop, lifespan
            return self._loop

    async def _within(self, step: Coroutine[Any, Any, None]) -> None:
        """Run start-up or shutdown so that calls from inside it can be told."""
        _changing_engine.set(self)
        await step

    def _refuse_inside(self) -> None:
        """Refuse to wait for what waits for the caller: its own loop, start-up or shutdown."""
        if asyncio._get_running_loop() is self._loop is not None or (
            _changing_engine.get() is self and self._changing.locked()
        ):
            raise RuntimeError(INSIDE)


# The engine whose start-up or shutdown runs in this context.
_changing_engine: ContextVar[AsgiEngine | None] = ContextVar("_changing_engine", default=None)


def _log_failure(error: BaseException) -> None:
    """Log what failed after the response was complete."""
    import logging

    logging.getLogger("slsadapt").error(
        "the application failed after its response was complete", exc_info=error
    )


class Exchange:
    """One scope, and what passes through ``receive`` and ``send``."""

    __slots__ = (
        "environ",
        "method",
        "path",
        "body_bytes",
        "body",
        "request_id",
        "context",
        "expiry",
        "status",
        "headers",
        "chunks",
        "complete",
        "waiters",
    )

    # As of the WSGI engine; the scope tells it.
    request = None

    def __init__(self, scope: Scope, path: str, body: bytes, request_id: str) -> None:
        # Dialects write their annotations into either engine's, so both call it the same.
        self.environ = scope
        # Of the request, since the application may change its scope as it likes.
        self.method: str = scope["method"]
        self.path = path
        self.body_bytes = len(body)
        self.body: bytes | None = body
        self.request_id = request_id
        # The application's own, once it is done.
        self.context: Context | None = None
        self.expiry: Expiry | None = None
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.chunks: list[bytes] = []
        self.complete = False
        self.waiters: list[asyncio.Future[None]] = []

    def header(self, name: str) -> str | None:
        """Give a request header by its lower-case name, repeats joined."""
        octets = name.encode("latin-1", "replace")
        values = [value for each, value in self.environ["headers"] if each == octets]
        return b", ".join(values).decode("latin-1") if values else None

    def expirable(self, grace_s: float) -> Expiry:
        """Give what cancels the application from another thread, and waits so long for it."""
        self.expiry = Expiry(grace_s)
        return self.expiry

    def is_late(self) -> bool:
        """Tell whether time was over before the response was complete."""
        return self.expiry is not None and self.expiry.expired and not self.complete

    async def serve(self, app: AsgiApp) -> None:
        """Run the application, and keep its context for what is logged of it later."""
        try:
            await app(self.environ, self.receive, self.send)
        finally:
            self.context = copy_context()

    async def receive(self) -> Message:
        body = self.body
        if body is not None:
            self.body = None
            return {"type": "http.request", "body": body, "more_body": False}
        if not self.complete:
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            await waiter
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            if self.status:
                raise ApplicationError("http.response.start was sent twice")
            try:
                self.headers = [
                    (name.decode("latin-1"), value.decode("latin-1"))
                    for name, value in message.get("headers", ())
                ]
                status = message["status"]
                if not isinstance(status, int):
                    raise TypeError
            except (KeyError, TypeError, ValueError, AttributeError):
                raise ApplicationError(
                    "http.response.start takes 'status' as int and 'headers' as pairs of bytes"
                ) from None
            if not 100 <= status <= 599:
                raise ApplicationError(f"'status' must be from 100 to 599, got {status}")
            check_response_headers(self.headers)
            self.status = int(status)
        elif kind == "http.response.body":
            if not self.status:
                raise ApplicationError("http.response.body was sent before http.response.start")
            if self.complete:
                raise ApplicationError("http.response.body was sent after the last one")
            chunk = message.get("body", b"")
            if not isinstance(chunk, (bytes, bytearray, memoryview)):
                raise ApplicationError(f"'body' must be bytes, got {type(chunk).__name__}")
            if chunk:
                self.chunks.append(bytes(chunk))
            if not message.get("more_body", False):
                self.complete = True
                for waiter in self.waiters:
                    if not waiter.done():
                        waiter.set_result(None)
        else:
            raise ApplicationError(f"no such message in HTTP: {kind!r}")

    def response(self) -> Response:
        if not self.complete:
            started = "did not finish its" if self.status else "sent no"
            raise ApplicationError(f"the application returned but {started} response")
        if self.method == "HEAD" or self.status in (204, 304):
            return Response(self.status, self.headers)
        chunks = self.chunks
        return Response(
            self.status, self.headers, chunks[0] if len(chunks) == 1 else b"".join(chunks)
        )
