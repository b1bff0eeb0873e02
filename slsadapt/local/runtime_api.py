"""AWS's Lambda Runtime API, served to one instance.

Each instance has a port of its own, so that no instance can ask for, or answer, what is another's.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html; for statuses and bodies of
errors https://github.com/aws/aws-lambda-runtime-interface-emulator
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import unquote

from httptools import HttpParserError, HttpRequestParser

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    JSON = dict[str, Any]

    class Event(Protocol):
        """An invocation on its way to the instance."""

        request_id: str
        payload: bytes
        headers: Mapping[str, str]

    class Owner(Protocol):
        """Whoever is told what the instance asks for and answers."""

        def asked(self) -> None:
            """Learn that the instance waits for an event."""

        def delivering(self, event: Any) -> None:
            """Learn that an event is sent to the instance in the next moment."""

        def answered(self, request_id: str, payload: bytes) -> bool:
            """Take a result; False where no such event is on its way."""

        def failed(self, request_id: str, error: JSON, *, too_large_bytes: int = 0) -> bool:
            """Take an error of the function; False where no such event is on its way."""

        def init_failed(self, error: JSON) -> None:
            """Take the error for which the function cannot be started."""


__all__ = ["RuntimeApi"]

_PREFIX = "/2018-06-01/runtime/"
_NEXT = f"{_PREFIX}invocation/next"
_INVOCATION = f"{_PREFIX}invocation/"
_INIT_ERROR = f"{_PREFIX}init/error"
# What a function without a time limit is told, for clients count down from a deadline.
_NO_LIMIT_S = 24 * 3600.0
_ARN = "arn:aws:lambda:us-east-1:123456789012:function:"
_OK = b'{"status":"OK"}\n'
_PHRASES = {200: b"OK", 202: b"Accepted", 400: b"Bad Request", 403: b"Forbidden", 404: b"Not Found"}
_PHRASES |= {405: b"Method Not Allowed", 413: b"Request Entity Too Large"}


class RuntimeApi:
    """Hands events to one instance and takes what it answers.

    Args:
        owner: is told what happens, in the event loop.
        function_name: for the ARN that each event carries.
        timeout_s: from which each event's deadline follows, None for no limit.
        result_limit_bytes: above which a result is refused, None for no limit.
    """

    def __init__(
        self,
        owner: Owner,
        function_name: str,
        timeout_s: float | None,
        result_limit_bytes: int | None,
    ) -> None:
        self.owner = owner
        self.result_limit_bytes = result_limit_bytes
        self._timeout_s = _NO_LIMIT_S if timeout_s is None else timeout_s
        self._head = (
            f"Lambda-Runtime-Invoked-Function-Arn: {_ARN}{function_name}\r\n"
            "Content-Type: application/json\r\n"
        )
        self._pending: deque[Event] = deque()
        self._askers: deque[_Connection] = deque()
        self._connections: set[_Connection] = set()
        self._is_released = False
        self._server: asyncio.Server | None = None

    async def open(self) -> str:
        """Listen on a free port of the loopback interface; give ``"127.0.0.1:port"``."""
        loop = asyncio.get_running_loop()
        server = self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", 0, backlog=64
        )
        host, port = server.sockets[0].getsockname()
        return f"{host}:{port}"

    def release(self) -> None:
        """Let events go from now on; an instance may ask before its owner knows its process."""
        self._is_released = True
        while self._askers and self._pending:
            self._send(self._askers.popleft(), self._pending.popleft())
        if self._askers:
            self.owner.asked()

    def give(self, event: Event) -> None:
        """Send an event to the instance, now or as soon as it asks."""
        if self._askers and self._is_released:
            self._send(self._askers.popleft(), event)
        else:
            self._pending.append(event)

    def close(self) -> None:
        """Stop listening and drop the connections; what was not sent is lost."""
        if self._server is not None:
            self._server.close()
        for connection in [*self._connections]:
            connection.transport.abort()

    def joined(self, connection: _Connection) -> None:
        """Keep a new connection."""
        self._connections.add(connection)

    def left(self, connection: _Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        if connection in self._askers:
            self._askers.remove(connection)

    def ask(self, connection: _Connection) -> None:
        """Answer ``next`` with the event that waits, or as soon as one comes."""
        if self._pending and self._is_released:
            self._send(connection, self._pending.popleft())
            return
        connection.is_asking = True
        self._askers.append(connection)
        if self._is_released:
            self.owner.asked()

    def _send(self, connection: _Connection, event: Event) -> None:
        deadline_ms = int((time.time() + self._timeout_s) * 1000)
        further = "".join([f"{name}: {value}\r\n" for name, value in event.headers.items()])
        head = (
            f"HTTP/1.1 200 OK\r\n{self._head}"
            f"Lambda-Runtime-Aws-Request-Id: {event.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\n{further}"
            f"Content-Length: {len(event.payload)}\r\n\r\n"
        )
        # Before, for the instance may work on it sooner than this goes on.
        self.owner.delivering(event)
        connection.is_asking = False
        connection.write(head.encode("latin-1") + event.payload)


class _Connection(asyncio.Protocol):
    """One of the instance's connections, on which it sends a request at a time."""

    transport: asyncio.Transport

    def __init__(self, api: RuntimeApi) -> None:
        self._api = api
        self._parser = HttpRequestParser(self)
        # Whether it waits for an event; what it is sent until then can wait, too.
        self.is_asking = False
        self._held = b""
        self.on_message_begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Which uvloop's transports are, without saying so.
        self.transport = transport  # type: ignore[assignment]
        self._api.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._api.left(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._refuse(400, "InvalidRequest", f"this is no HTTP: {error}")
            self.write(b"")
            self.transport.close()
            return
        if self._held and not self.is_asking:
            self.write(b"")

    def write(self, octets: bytes) -> None:
        """Send octets, behind what was held back."""
        self.transport.write(self._held + octets)
        self._held = b""

    def on_message_begin(self) -> None:
        self._url = b""
        self._mode = b""
        self._error_type = b""
        self._parts: list[bytes] = []
        self._size_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"lambda-runtime-function-response-mode":
            self._mode = value
        elif name == b"lambda-runtime-function-error-type":
            self._error_type = value
        elif name == b"expect" and value.lower() == b"100-continue":
            self._held += b"HTTP/1.1 100 Continue\r\n\r\n"

    def on_body(self, body: bytes) -> None:
        self._size_bytes += len(body)
        limit_bytes = self._api.result_limit_bytes
        if limit_bytes is None or self._size_bytes <= limit_bytes:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        api, owner = self._api, self._api.owner
        path = self._url.decode("latin-1").partition("?")[0]
        if path == _NEXT:
            if self._parser.get_method() == b"GET":
                api.ask(self)
            else:
                self._refuse(405, "MethodNotAllowed", "ask for the next event with GET")
            return
        if self._parser.get_method() != b"POST":
            self._respond(404, b"404 page not found\n", b"text/plain; charset=utf-8")
            return
        limit_bytes = api.result_limit_bytes
        is_too_large = limit_bytes is not None and self._size_bytes > limit_bytes
        if path == _INIT_ERROR:
            owner.init_failed(self._error())
            self._respond(202, _OK)
        elif path.startswith(_INVOCATION) and path.endswith(("/response", "/error")):
            request_id, _, kind = path[len(_INVOCATION) :].rpartition("/")
            request_id = unquote(request_id)
            if kind == "error":
                is_known = owner.failed(request_id, self._error())
            elif self._mode not in (b"", b"streaming"):
                self._refuse(400, "InvalidFunctionResponseMode", "the mode must be streaming")
                return
            elif is_too_large:
                is_known = owner.failed(request_id, {}, too_large_bytes=self._size_bytes)
            else:
                is_known = owner.answered(request_id, b"".join(self._parts))
            if not is_known:
                self._refuse(400, "InvalidRequestID", "Invalid request ID")
            elif is_too_large:
                self._refuse(
                    413,
                    "RequestEntityTooLarge",
                    f"Exceeded maximum allowed payload size ({limit_bytes} bytes).",
                )
            else:
                self._respond(202, _OK)
        else:
            self._respond(404, b"404 page not found\n", b"text/plain; charset=utf-8")
        self._parts = []

    def _error(self) -> JSON:
        """Read what the runtime tells of an error, with the type from its header if need be."""
        try:
            error = json.loads(b"".join(self._parts) or b"{}")
        except ValueError:
            error = None
        told: JSON = error if isinstance(error, dict) else {}
        if self._error_type and not told.get("errorType"):
            told["errorType"] = self._error_type.decode("latin-1")
        return told

    def _refuse(self, status: int, kind: str, message: str) -> None:
        body = json.dumps({"errorMessage": message, "errorType": kind}, separators=(",", ":"))
        self._respond(status, body.encode() + b"\n")

    def _respond(self, status: int, body: bytes, kind: bytes = b"application/json") -> None:
        self._held += b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (
            status,
            _PHRASES[status],
            kind,
            len(body),
            body,
        )
