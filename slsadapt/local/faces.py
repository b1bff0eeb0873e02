"""What the WebSocket gateways of two clouds do differently; ``sockets`` has the sources."""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from base64 import b64encode, urlsafe_b64encode
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING
from uuid import uuid4

from ..errors import BadEventError
from ..gateways import aws_websocket, tencent_websocket
from ..message import Request, Response, SocketMessage
from .clouds import Arrival

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..message import Pairs
    from .clouds import Cloud
    from .connections import Connection

    JSON = dict[str, Any]

__all__ = ["FACES", "Face"]

_JSON_TYPE = ("content-type", "application/json")


class Face(ABC):
    """What one cloud's gateway does that the other's does not.

    Attributes:
        title: of the dialect.
        tells_own_closes: whether the function is told of connections that the gateway closes.
        reasons: of closes for which the client gives none, by code.
        push_path: of ``Sockets.push_url``.
    """

    title: str
    push_path: str
    tells_own_closes = False
    reasons: Mapping[int, str] = {}

    @abstractmethod
    def __init__(self, cloud: Cloud, mount: str) -> None:
        """Be made for a stage or base path."""

    @abstractmethod
    def connection_id(self) -> str:
        """Make an ID as the gateway does."""

    @abstractmethod
    def environment(self, push_url: str) -> Mapping[str, str]:
        """Give what instances have in their environment to find the push-back address."""

    def receive(self, request: Request) -> Request:
        """Add to a handshake what the event is to tell, and the dialect does not write."""
        return request

    @abstractmethod
    def event(self, message: SocketMessage, received_ms: int, connection: Connection) -> JSON:
        """Write an event."""

    def invocation_headers(self, arrival: Arrival) -> Mapping[str, str]:
        """Give what the instance gets beside the event."""
        return {}

    def disconnect_headers(self, host: str) -> Pairs:
        """Give the headers of a disconnect event."""
        return ()

    @abstractmethod
    def is_path(self, below: str | None) -> bool:
        """Tell whether clients may connect there, below the stage or base path."""

    @abstractmethod
    def answer(self, result: Any) -> tuple[Response, str]:
        """Read the result of a handshake: (2xx to accept it or a refusal, what is malformed)."""

    def reply(self, result: Any) -> tuple[str | None, str]:
        """Read the result of a message: (text for the client, what is malformed)."""
        return None, ""

    @abstractmethod
    def takes(self, method: str, path: str) -> bool:
        """Tell whether a request is a function's."""

    @abstractmethod
    async def push(
        self,
        method: str,
        path: str,
        below: str | None,
        body: bytes | None,
        connections: Mapping[str, Connection],
    ) -> tuple[Response, Connection | None]:
        """Do what a function asks for.

        ``below`` is the path below stage or base path, None outside of them; ``body`` is None
        where it is above the limit of messages.
        """


class _Aws(Face):
    title = aws_websocket.TITLE
    tells_own_closes = True
    reasons: Mapping[int, str] = {1005: "Client-side close frame status not set"}

    def __init__(self, cloud: Cloud, mount: str) -> None:
        self.push_path = mount
        self._request_id = cloud.request_id
        # What the dialect makes of this it makes of all malformed results.
        self._malformed = aws_websocket.decode_result(None)

    def connection_id(self) -> str:
        # 16 characters, "L0SM9cOFvHcCIhw="; the ninth octet was 2 in all that were seen.
        return urlsafe_b64encode(token_bytes(8) + b"\x02" + token_bytes(2)).decode("ascii")

    def environment(self, push_url: str) -> Mapping[str, str]:
        # Read by AWS's SDKs, where no endpoint is given.
        variables = {"AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": push_url}
        sources = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
        folder = Path.home() / ".aws"
        if not any(name in os.environ for name in sources) and not folder.exists():
            # Who has no keys could not sign; signatures are not looked at here.
            variables |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        return variables

    def receive(self, request: Request) -> Request:
        port, scheme = str(request.server[1]), request.scheme
        own = {"x-forwarded-port": port, "x-forwarded-proto": scheme}
        kept = [(name, value) for name, value in request.headers if name not in own]
        return request.replace(headers=[*kept, *own.items()])

    def event(self, message: SocketMessage, received_ms: int, connection: Connection) -> JSON:
        return aws_websocket.encode_event(
            message, received_ms=received_ms, user_agent=connection.user_agent
        )

    def invocation_headers(self, arrival: Arrival) -> Mapping[str, str]:
        # An invocation has a trace of its own, whichever the handshake had.
        trace_id = arrival.trace_id
        return {"Lambda-Runtime-Trace-Id": f"Root=1-{trace_id[:8]}-{trace_id[8:]}"}

    def disconnect_headers(self, host: str) -> Pairs:
        # As recorded, empty values and all.
        return ("host", host), ("x-api-key", ""), ("x-forwarded-for", ""), ("x-restapi", "")

    def is_path(self, below: str | None) -> bool:
        # A WebSocket API has no paths but those of its stages.
        return below in ("", "/")

    def answer(self, result: Any) -> tuple[Response, str]:
        response = aws_websocket.decode_result(result)
        if response == self._malformed:
            return response, _note(result)
        return (response if response.status < 300 else Response(response.status)), ""

    def reply(self, result: Any) -> tuple[str | None, str]:
        response = aws_websocket.decode_result(result)
        if response == self._malformed:
            return None, _note(result)
        return response.body.decode("utf-8", "replace") or None, ""

    def takes(self, method: str, path: str) -> bool:
        return aws_websocket.decode_connection_path(path) is not None

    async def push(
        self,
        method: str,
        path: str,
        below: str | None,
        body: bytes | None,
        connections: Mapping[str, Connection],
    ) -> tuple[Response, Connection | None]:
        connection_id = aws_websocket.decode_connection_path(path) or ""
        if below is None or below.count("/") != 2 or method not in ("GET", "POST", "DELETE"):
            return self._error(403, "ForbiddenException", "Forbidden"), None
        if not _AWS_ID.fullmatch(connection_id):
            message = f"Invalid connectionId: {connection_id}"
            return self._error(400, "BadRequestException", message), None
        connection = connections.get(connection_id)
        if connection is None or connection.closed_by_us is not None:
            return self._error(410, "GoneException"), None
        if method == "GET":
            return self._response(200, _described(connection)), connection
        if method == "DELETE":
            await connection.close(1000)
            return self._response(204, b""), connection
        if body is None:
            return self._error(413, "PayloadTooLargeException", "Message too long"), connection
        data: str | bytes = body
        with suppress(UnicodeDecodeError):
            # A text message must be UTF-8 (RFC 6455 5.6).
            data = body.decode()
        is_sent = await connection.post(data)
        if is_sent:
            return self._response(200, b""), connection
        if is_sent is None:
            return self._error(429, "LimitExceededException"), connection
        return self._error(410, "GoneException"), connection

    def _error(self, status: int, kind: str, message: str = "") -> Response:
        body = json.dumps({"message": message}, separators=(",", ":")).encode() if message else b""
        return self._response(status, body, ("x-amzn-errortype", kind))

    def _response(self, status: int, body: bytes, *more: tuple[str, str]) -> Response:
        headers = [
            ("x-amzn-requestid", str(uuid4())),
            *more,
            ("x-amz-apigw-id", self._request_id()),
        ]
        return Response(status, headers if status == 204 else [_JSON_TYPE, *headers], body)


_AWS_ID = re.compile("[A-Za-z0-9_-]{15}=")


def _described(connection: Connection) -> bytes:
    """Write what ``GetConnection`` answers, spaces and all."""
    answer = {
        "identity": {"sourceIp": connection.client[0], "userAgent": connection.user_agent},
        "connectedAt": _iso(connection.connected_at_ms),
        "lastActiveAt": _iso(connection.active_ms),
    }
    text = json.dumps(answer, ensure_ascii=False, indent=2, separators=(",", " : "))
    return text.encode("utf-8", "replace")


def _iso(unix_ms: int) -> str:
    seconds, milliseconds = divmod(unix_ms, 1000)
    at = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"


def _note(result: Any) -> str:
    """Tell what is wrong with a result that API Gateway finds malformed."""
    if not isinstance(result, dict):
        kind = "null" if result is None else type(result).__name__
        return f"the result must be an object with a statusCode, got {kind}"
    if "statusCode" not in result:
        return f"the result has no statusCode, only {', '.join(sorted(result)) or 'nothing'}"
    return "the result is malformed: statusCode must be a number, headers a map, body text"


class _Tencent(Face):
    title = tencent_websocket.TITLE
    push_path = "/api-slsadapt"

    def __init__(self, cloud: Cloud, mount: str) -> None:
        """Need neither."""

    def connection_id(self) -> str:
        # 28 characters, "xawexasdfewezdfsdfeasdfffa==".
        return b64encode(token_bytes(19)).decode("ascii")

    def environment(self, push_url: str) -> Mapping[str, str]:
        # The cloud has no variable for what its console shows.
        return {"SLSADAPT_PUSH_URL": push_url}

    def event(self, message: SocketMessage, received_ms: int, connection: Connection) -> JSON:
        return tencent_websocket.encode_event(message, received_ms=received_ms)

    def is_path(self, below: str | None) -> bool:
        # An API has a path of its own there, which is not known here.
        return below is not None

    def answer(self, result: Any) -> tuple[Response, str]:
        return tencent_websocket.decode_result(result), ""

    def takes(self, method: str, path: str) -> bool:
        return method == "POST" and path == self.push_path

    async def push(
        self,
        method: str,
        path: str,
        below: str | None,
        body: bytes | None,
        connections: Mapping[str, Connection],
    ) -> tuple[Response, Connection | None]:
        try:
            message = tencent_websocket.decode_push(json.loads(body or b""))
            if isinstance(message.data, str):
                # Raises for what JSON can write, and a text message cannot hold.
                message.data.encode()
        except BadEventError as error:
            return _numbered(400, str(error)), None
        except ValueError:
            return _numbered(400, "the body must be JSON, in UTF-8"), None
        connection = connections.get(message.connection_id)
        if connection is None or connection.closed_by_us is not None:
            return _numbered(404, "there is no such connection"), None
        if message.kind == "disconnect":
            await connection.close(1000)
        elif not await connection.post("" if message.data is None else message.data):
            return _numbered(404, "the client is gone"), connection
        return _numbered(0, "ok"), connection


def _numbered(number: int, reason: str) -> Response:
    answer = {"errNo": number, "errMsg": reason}
    return Response(200, [_JSON_TYPE], json.dumps(answer, separators=(",", ":")).encode())


FACES: dict[str, type[Face]] = {"aws_websocket": _Aws, "tencent_websocket": _Tencent}
