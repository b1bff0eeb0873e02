"""An HTTP server on a free port, and octets to and from it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from slsadapt.local.function import Function
from slsadapt.local.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HELLO = {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "hello"}


class Reply:
    """What a client received: ``headers`` in order, with lower-case names and their repeats."""

    def __init__(self, received: HTTPResponse) -> None:
        self.status = received.status
        self.reason = received.reason
        self.headers = [(name.lower(), value) for name, value in received.getheaders()]
        self.body = received.read()

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each == name]


class Wire:
    """A server whose application each test sets.

    Attributes:
        app: the ASGI application.
        port: on 127.0.0.1.
    """

    app: Any = None

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        config = uvicorn.Config(
            self._call,
            http="httptools",
            interface="asgi3",
            proxy_headers=False,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._is_decided = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._is_decided.wait()
        if not self._server.started:
            self.close()
            raise RuntimeError("the server did not start")

    def _run(self) -> None:
        async def serve() -> None:
            serving = asyncio.ensure_future(self._server.serve([self._listening]))
            while not (self._server.started or serving.done()):
                await asyncio.sleep(0.001)
            self._is_decided.set()
            await serving

        asyncio.run(serve())

    async def _call(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            yield connection

    def send(self, *octets: bytes, method: str = "GET") -> Reply:
        """Send octets, and read one response; ``method`` tells whether it has a body."""
        with self.connected() as connection:
            connection.sendall(b"".join(octets))
            return read_reply(connection, method)


def read_reply(connection: socket.socket, method: str = "GET") -> Reply:
    received = HTTPResponse(connection, method=method)
    received.begin()
    return Reply(received)


def write_request(
    method: str,
    target: str,
    headers: list[tuple[str, str]] | None = None,
    body: bytes = b"",
    host: str = "shop.example",
) -> bytes:
    """Write a request as HTTP/1.1, with the length that a body has."""
    lines = [f"{method} {target} HTTP/1.1"]
    fields = list(headers or ())
    names = {name.lower() for name, _ in fields}
    if "host" not in names:
        fields.insert(0, ("Host", host))
    if body and not names & {"content-length", "transfer-encoding"}:
        fields.append(("Content-Length", str(len(body))))
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class KeepingPool:
    """Keeps what it is to run, and gives one result.

    Args:
        result: the function's, JSON or octets.
        outcome: in its place, how the invocation ends.
    """

    def __init__(self, result: Any = HELLO, outcome: Outcome | None = None) -> None:
        payload = result if isinstance(result, bytes) else json.dumps(result).encode()
        self.outcome = outcome or Outcome(request_id="", payload=payload)
        self.payloads: list[bytes] = []
        self.request_ids: list[str] = []
        self.headers: list[dict[str, str]] = []

    @property
    def event(self) -> Any:
        """The only event so far."""
        (payload,) = self.payloads
        return json.loads(payload)

    async def invoke(
        self, payload: bytes, *, request_id: str, headers: Mapping[str, str] | None = None
    ) -> Outcome:
        self.payloads.append(payload)
        self.request_ids.append(request_id)
        self.headers.append(dict(headers or {}))
        return self.outcome


def function(dialect: str) -> Function:
    return Function(
        label="shop:app", folder=Path(), module="shop", name="app", dialect=dialect, timeout_s=3.0
    )
