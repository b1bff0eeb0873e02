"""The WebSocket gateway of a local cloud: it holds the connections, the function gets events.

An ASGI application for uvicorn, which ``server_options`` configures, for it is uvicorn that counts
the octets of frames. Functions send to a connection and close it by HTTP, as in the cloud.

AWS, sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html
and its pages on ``$connect``, quotas, binary media types and ``@connections``;
https://github.com/brefphp/bref/tree/master/tests/Websocket/Samples, recorded answers of
``@connections``; https://repost.aws/questions/QUbewEWvRiSr62tfjwg0ENGQ on the handshake's headers.

- ``@connections`` is taken below the stage and, as on a custom domain, without it. Signatures
  are not checked.
- Of what the function answers to ``$connect`` the client gets the status of a refusal, or the
  subprotocol, and nothing else. Before the handshake has ended ``@connections`` answers 410.
- An answer to a message is sent where the API has route responses, and is malformed or not all
  the same.
- Each message is an invocation of its own. They begin in the client's order and do not wait for
  each other, nor ``$disconnect`` for them.
- Pings of the client are answered and do not count as activity, and the gateway sends none.

Tencent, sources: https://cloud.tencent.com/document/product/583/32553 and 583/32552.

- The push-back address, which the console shows there, is ``push_url`` here.
- The client is refused with the status of ``decode_result``. A choice of extensions is not passed
  on, since no extension is spoken here.
- The vendor documents no error number of a push; 400 and 404 stand for what HTTP means by them.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import suppress
from dataclasses import replace
from random import getrandbits
from typing import TYPE_CHECKING
from uuid import uuid4

from ..errors import BadEventError, LocalError
from ..gateways._fields import address, header_members
from ..message import Request, Response, SocketMessage
from ..percent import encode_path
from .clouds import Arrival
from .connections import GONE, Connection
from .faces import FACES
from .notices import Answered
from .outcome import Failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping
    from typing import Any, Protocol

    from ..message import Address, SocketKind
    from .clouds import Cloud, SocketRules
    from .notices import Told
    from .outcome import FailureKind, Outcome, Record

    JSON = dict[str, Any]
    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

    class Pool(Protocol):
        """Runs events; see ``pool.Pool``."""

        def invoke(
            self, payload: bytes, *, request_id: str, headers: Mapping[str, str] = ...
        ) -> Awaitable[Outcome]:
            """Run one event."""


__all__ = ["Sockets", "server_options"]

_JSON_TYPE = ("content-type", "application/json")
# How long closing connections may take.
_CLOSE_S = 5.0
_UNPRINTABLE = re.compile("[^ -~]")


def server_options(cloud: Cloud) -> dict[str, Any]:
    """Give what ``uvicorn.Config`` needs to keep to a cloud's limits on WebSocket connections.

    Closes with 1009 what is too large, sends no pings and speaks no extension, as the clouds do.
    """
    rules = _rules(cloud)
    return {
        # Alone of uvicorn's to know a limit of frames beside that of messages.
        "ws": "websockets-sansio",
        "ws_max_size": (rules.message_bytes, rules.frame_bytes),
        "ws_ping_interval": None,
        "ws_ping_timeout": None,
        "ws_per_message_deflate": False,
    }


def _rules(cloud: Cloud) -> SocketRules:
    if cloud.sockets is None:
        raise LocalError(f"{cloud.dialect} has no WebSocket gateway; {' and '.join(FACES)} have")
    return cloud.sockets


class Sockets:
    """Serve a function's WebSocket gateway as an ASGI 3 application.

    Args:
        cloud: how the gateway behaves.
        pool: runs the events.
        told: called with an ``Answered`` after each event and push.
        stage: begins the URL where the cloud's gateway has it there; ``""`` is ``cloud.stage``.
        base_path: what a custom domain's mapping has in front, ``"/chat"``; a stage is in no URL
            then.
        endpoint: where clients reach the gateway, ``"127.0.0.1:9000"``.
        replies: whether what the function answers to a message is sent to the client, as by an
            AWS API with route responses.
        record: called after each invocation, with (event, request ID, outcome, ms that it took,
            dialect).
        clock: tells Unix time in seconds.

    Attributes:
        push_url: below which, or to which, functions post what clients shall receive, without
            ``/`` at the end.
        environment: by which functions find it.

    Raises:
        LocalError: the cloud has no WebSocket gateway.
    """

    def __init__(
        self,
        cloud: Cloud,
        pool: Pool,
        told: Told,
        *,
        stage: str = "",
        base_path: str = "",
        endpoint: str,
        replies: bool = False,
        record: Record | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = _rules(cloud)
        self._cloud = cloud
        self._pool = pool
        self._told = told
        self._stage = stage or cloud.stage
        # A stage may be left out, as on a custom domain; a base path may not.
        mounts = [""]
        if base_path := base_path.strip("/"):
            mounts = [f"/{base_path}"]
        elif cloud.is_stage_in_url and self._stage:
            mounts.insert(0, f"/{self._stage}")
        self._mounts = [encode_path(mount) for mount in mounts]
        self._endpoint = endpoint
        self._replies = replies
        self._record = record
        self._clock = clock
        self._face = FACES[cloud.dialect](cloud, self._mounts[0])
        self.push_url = f"http://{endpoint}{self._face.push_path}"
        self.environment = self._face.environment(self.push_url)
        self._connections: dict[str, Connection] = {}
        self._sessions: set[asyncio.Task[Any]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection, or answer a request by HTTP."""
        if scope["type"] != "websocket":
            await self.push(scope, receive, send)
            return
        session = asyncio.current_task()
        assert session is not None
        self._sessions.add(session)
        try:
            await self._serve(scope, receive, send)
        finally:
            self._sessions.discard(session)

    async def close(self, code: int = 1001, wait_s: float = _CLOSE_S) -> None:
        """Close all connections, and tell the function where the cloud would.

        Args:
            code: that clients receive.
            wait_s: for what the function does, at most.
        """
        self._is_closing = True
        closings = [each.close(code) for each in self._connections.values()]
        await asyncio.gather(*closings)
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=wait_s)

    # Connections

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if self._is_closing:
            await _refuse(send, Response(503))
            return
        connection, response = await self._connect(scope, send)
        if response is not None:
            await _refuse(send, response)
            return
        reader = connection.reader = asyncio.ensure_future(self._listen(connection, receive))
        self._connections[connection.id] = connection
        self._watch(connection)
        if self._is_closing:
            await connection.close(1001)
        try:
            await asyncio.wait((reader,))
        finally:
            reader.cancel()
            del self._connections[connection.id]
            connection.unwatch()
        ended = {} if reader.cancelled() else reader.result()
        await asyncio.gather(self._disconnect(connection, ended), *connection.messages)

    async def _listen(self, connection: Connection, receive: Receive) -> Message:
        """Start an invocation for each message, until the connection ends.

        Returns:
            ``websocket.disconnect``.
        """
        while (message := await receive())["type"] != "websocket.disconnect":
            # What a client sends after it was told to go is lost, as in the cloud.
            if connection.closed_by_us is None:
                connection.touch()
                data = message.get("text")
                if data is None:
                    data = message["bytes"]
                if isinstance(data, str) or self._rules.takes_binary:
                    task = asyncio.ensure_future(self._message(connection, data))
                    connection.messages.add(task)
                    task.add_done_callback(connection.messages.discard)
                else:
                    await connection.close(self._rules.binary_code)
        return message

    async def _connect(self, scope: Scope, send: Send) -> tuple[Connection, Response | None]:
        """Ask the function whether a client may connect.

        Returns:
            (connection, how the client is refused, or None where it is accepted).
        """
        started_s = time.perf_counter()
        arrival = self._arrival(scope)
        request = Request(
            "GET",
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
            scheme="https" if scope["scheme"] == "wss" else "http",
            client=arrival.client,
            server=arrival.server,
            stage=self._stage,
            request_id=arrival.request_id,
        )
        connection = Connection(self._face.connection_id(), request, send, self._clock)
        failure = self._refused(request)
        request_id = note = ""
        response = None
        if failure is None:
            passed = self._face.receive(self._cloud.receive(request, arrival))
            event = self._event(
                "connect",
                connection,
                arrival,
                subprotocols=header_members(passed.headers, "sec-websocket-protocol"),
                extensions=header_members(passed.headers, "sec-websocket-extensions"),
                path=passed.path,
                query=passed.query,
                headers=passed.headers,
            )
            request_id, outcome, failure = await self._invoke(event, arrival)
        if failure is not None:
            response = self._cloud.fail(replace(failure, request_id=arrival.request_id))
        else:
            answer, note = self._face.answer(_read(outcome))
            subprotocol = _subprotocol(answer)
            if not 200 <= answer.status <= 299:
                response = self._cloud.respond(answer, arrival)
            elif _UNPRINTABLE.search(subprotocol):
                note = "Sec-WebSocket-Protocol may hold printable ASCII alone"
                response = Response(502)
            else:
                await connection.accept(subprotocol)
        status, sent_bytes = (101, 0) if response is None else (response.status, len(response.body))
        line = f"connect {connection.path}"
        self._tell(request_id, line, status, sent_bytes, started_s, failure, note)
        return connection, response

    def _refused(self, request: Request) -> Failure | None:
        """Tell what the gateway refuses of a handshake by itself."""
        kind: FailureKind
        url_bytes = len(request.path) + len(request.query) + bool(request.query)
        url_limit_bytes = self._cloud.url_limit_bytes
        headers_bytes = sum([len(name) + len(value) + 4 for name, value in request.headers])
        headers_limit_bytes = self._cloud.headers_limit_bytes
        if url_limit_bytes is not None and url_bytes > url_limit_bytes:
            kind = "url_too_long"
            message = f"a URL may have {url_limit_bytes:,} octets, got {url_bytes:,}"
        elif headers_limit_bytes is not None and headers_bytes > headers_limit_bytes:
            kind = "headers_too_large"
            message = f"headers may have {headers_limit_bytes:,} octets, got {headers_bytes:,}"
        elif not self._face.is_path(self._below(request.path)):
            kind = "not_found"
            url = f"ws://{self._endpoint}{self._mounts[0]}"
            message = f"clients connect to {url}, got {request.path}"
        else:
            return None
        return Failure(kind=kind, request_id=request.request_id, error={}, message=message)

    def _below(self, path: str) -> str | None:
        """Take stage or base path off a path; None where it is outside of them."""
        for mount in self._mounts:
            if path == mount or path.startswith(f"{mount}/"):
                return path[len(mount) :]
        return None

    async def _message(self, connection: Connection, data: str | bytes) -> None:
        """Tell the function a message, and the client what comes of it."""
        started_s = time.perf_counter()
        arrival = self._arrival()
        event = self._event("message", connection, arrival, data=data)
        request_id, outcome, failure = await self._invoke(event, arrival)
        note, code, reply, failed = "", None, None, failure
        if failed is None:
            answer, note = self._face.reply(_read(outcome))
            if note:
                failed = Failure(kind="error", request_id=request_id, error={}, message=note)
            elif self._replies:
                reply = answer
        if failed is not None:
            failed = replace(failed, request_id=arrival.request_id)
            reply = self._rules.failure_message(failed, connection.id)
            code = self._rules.failure_code
        sent_bytes = 0
        if reply is not None and await connection.post(reply):
            sent_bytes = len(reply.encode())
        line = f"message {connection.path}"
        self._tell(request_id, line, code, sent_bytes, started_s, failure, note)
        if code is not None:
            await connection.close(code)

    async def _disconnect(self, connection: Connection, message: Message) -> None:
        """Tell the function that a connection has ended, where the cloud would."""
        started_s = time.perf_counter()
        if connection.closed_by_us is not None:
            code, reason = connection.closed_by_us
        else:
            code, reason = message.get("code") or 1005, message.get("reason") or ""
            if code == 1005 and "reason" not in message:
                # uvicorn's way to tell that no close frame came: RFC 6455 7.1.5 has 1006.
                code = 1006
        request_id, failure = "", None
        if connection.closed_by_us is None or self._face.tells_own_closes:
            arrival = self._arrival()
            event = self._event(
                "disconnect",
                connection,
                arrival,
                headers=self._face.disconnect_headers(self._endpoint),
                code=code,
                reason=reason or self._face.reasons.get(code, ""),
            )
            request_id, _, failure = await self._invoke(event, arrival)
        self._tell(request_id, f"disconnect {connection.path}", code, 0, started_s, failure)

    def _event(
        self, kind: SocketKind, connection: Connection, arrival: Arrival, **more: Any
    ) -> JSON:
        """Write an event of a connection."""
        message = SocketMessage(
            kind,
            connection.id,
            client=connection.client,
            endpoint=self._endpoint,
            stage=self._stage,
            request_id=arrival.request_id,
            connected_at_ms=connection.connected_at_ms,
            **more,
        )
        return self._face.event(message, arrival.received_ms, connection)

    def _arrival(self, scope: Scope | None = None) -> Arrival:
        received_s = self._clock()
        client: Address = ("127.0.0.1", 0)
        server: Address = ("127.0.0.1", 80)
        if scope is not None:
            client = tuple(scope["client"] or client)
            server = _server(scope)
        trace_id = f"{int(received_s):08x}{getrandbits(96):024x}"
        return Arrival(int(received_s * 1000), self._cloud.request_id(), client, server, trace_id)

    # Invocations

    async def _invoke(
        self, event: JSON, arrival: Arrival
    ) -> tuple[str, Outcome | None, Failure | None]:
        """Run an event, for as long as the gateway waits.

        Returns:
            (request ID, outcome or None where it is awaited no longer, what failed or None).
        """
        request_id = str(uuid4())
        invocation = asyncio.ensure_future(self._run(event, request_id, arrival))
        self._tasks.add(invocation)
        invocation.add_done_callback(self._tasks.discard)
        wait_s = self._cloud.gateway_timeout_s
        done, _ = await asyncio.wait((invocation,), timeout=wait_s)
        if done:
            outcome = invocation.result()
            return request_id, outcome, outcome.failure
        invocation.add_done_callback(_forget)
        message = f"{self._face.title} waits {wait_s:g} s for a function; this one goes on"
        failure = Failure(kind="gateway_timeout", request_id=request_id, error={}, message=message)
        return request_id, None, failure

    async def _run(self, event: JSON, request_id: str, arrival: Arrival) -> Outcome:
        started_s = time.perf_counter()
        payload = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        outcome = await self._pool.invoke(
            payload.encode("utf-8", "surrogatepass"),
            request_id=request_id,
            headers=self._face.invocation_headers(arrival),
        )
        if self._record is not None:
            took_ms = (time.perf_counter() - started_s) * 1000
            self._record(event, request_id, outcome, took_ms, self._cloud.dialect)
        return outcome

    def _tell(
        self,
        request_id: str,
        line: str,
        status: int | None,
        body_bytes: int,
        started_s: float,
        failure: Failure | None = None,
        note: str = "",
    ) -> None:
        took_ms = (time.perf_counter() - started_s) * 1000
        self._told(
            Answered(self._clock(), request_id, line, status, body_bytes, took_ms, failure, note)
        )

    # Limits of time

    def _watch(self, connection: Connection) -> None:
        """Close a connection that is idle, or has been there, for too long; else look again."""
        rules, now_s = self._rules, asyncio.get_running_loop().time()
        ends = []
        for limit_s, since_s, code in (
            (rules.total_s, connection.opened_s, rules.total_code),
            (rules.idle_s, connection.active_s, rules.idle_code),
        ):
            if limit_s is not None:
                if now_s >= since_s + limit_s:
                    closing = asyncio.ensure_future(connection.close(code))
                    self._tasks.add(closing)
                    closing.add_done_callback(self._tasks.discard)
                    return
                ends.append(since_s + limit_s)
        if ends:
            loop = asyncio.get_running_loop()
            connection.timer = loop.call_at(min(ends), self._watch, connection)

    # Pushes

    def takes(self, scope: Scope) -> bool:
        """Tell requests by which functions send to connections from those to an application."""
        return self._face.takes(scope["method"], scope["raw_path"].decode("latin-1"))

    async def push(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send to a connection, close it or describe it; answer 426 to any other request."""
        started_s = time.perf_counter()
        path = scope["raw_path"].decode("latin-1")
        if self.takes(scope):
            body = await _read_body(receive, self._rules.message_bytes)
            below = self._below(path)
            response, connection = await self._face.push(
                scope["method"], path, below, body, self._connections
            )
            line = f"push {path if connection is None else connection.path}"
        else:
            response = Response(426, (("upgrade", "websocket"),), b"Upgrade Required")
            line = f"{scope['method']} {path}"
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in response.headers
        ]
        if response.status != 204:
            headers.append((b"content-length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})
        self._tell("", line, response.status, len(body), started_s)


def _forget(invocation: asyncio.Task[Outcome]) -> None:
    """Take note of how an invocation ended that nobody awaits any longer."""
    if not invocation.cancelled():
        invocation.exception()


def _read(outcome: Outcome | None) -> Any:
    """Read a result; what is no JSON is as malformed as nothing."""
    try:
        return None if outcome is None else json.loads(outcome.payload)
    except ValueError:
        return None


def _subprotocol(response: Response) -> str:
    """Read which subprotocol a function chose, ``""`` for none."""
    fields = {name.lower(): value for name, value in response.headers}
    return fields.get("sec-websocket-protocol", "")


def _server(scope: Scope) -> Address:
    """Read the (host, port) that a client's ``Host`` names."""
    host = next((value for name, value in scope["headers"] if name.lower() == b"host"), b"")
    try:
        return address(
            host.decode("latin-1"), None, "https" if scope["scheme"] == "wss" else "http"
        )
    except BadEventError:
        server: Address = tuple(scope["server"])
        return server


async def _refuse(send: Send, response: Response) -> None:
    """Answer a handshake by HTTP."""
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.headers
    ]
    start = {"type": "websocket.http.response.start", "status": response.status}
    with suppress(*GONE):
        await send({**start, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": response.body})


async def _read_body(receive: Receive, limit_bytes: int | None) -> bytes | None:
    """Read a request's body; None where it is above the limit, or its sender left."""
    body = bytearray()
    while (message := await receive())["type"] == "http.request":
        if limit_bytes is None or len(body) <= limit_bytes:
            body += message.get("body", b"")
        if not message.get("more_body"):
            return None if limit_bytes is not None and len(body) > limit_bytes else bytes(body)
    return None
