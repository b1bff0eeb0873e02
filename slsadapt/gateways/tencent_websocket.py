"""Tencent API Gateway WebSocket APIs: registration, transmission and cleanup functions.

Sources: https://cloud.tencent.com/document/product/583/32553 (how it works),
https://cloud.tencent.com/document/product/583/32552 (functions)

- Handshake, ``"connecting"``: ``requestContext`` and what the client offers, each a list with
  commas, absent without one. No headers, query, cookies or path: ``requestContext.path`` is the
  API's own, with the names of its variables.
- Message, ``"data send"``: ``dataType`` is ``"text"``, or ``"binary"`` with ``data`` in base64.
- Disconnect, ``"closing"``: only what the client closed itself, without code or reason.
- Client, stage and request id: in ``requestContext``, which comes with the handshake alone.
- Result: of a handshake ``errNo`` 0 accepts, with **one** subprotocol and one extension, though
  the vendor's sample returns the whole lists; any other ``errNo``, a failure or a timeout
  refuses. The client's status is not documented, 403 is taken where ``errNo`` is none. Of other
  events nothing is read but that the function did not fail; a failure closes the connection.
- Messages to a client are posted as JSON to the API's push-back address, which the console
  shows and no event tells. ``encode_push`` and ``encode_close`` write them,
  ``decode_push_result`` reads the answer.
- Error numbers: 0 is success, and the only number that is documented. The vendor's sample
  functions answer 101 to an event without ``requestContext`` and 102 without ``websocket``.
- Limits: none is documented.
"""

from __future__ import annotations

from binascii import b2a_base64

from ..errors import BadEventError
from ..message import Response, SocketMessage
from ._body import decode_base64
from ._fields import (
    OBJECT,
    OBJECT_OR_NONE,
    TEXT,
    TEXT_OR_NONE,
    WRONG,
    bad_event,
    list_members,
)
from ._result import chosen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..message import SocketKind

    JSON = dict[str, Any]

__all__ = [
    "KEYS",
    "LOSES",
    "REQUEST_LIMIT_BYTES",
    "RESULT_LIMIT_BYTES",
    "TITLE",
    "decode_event",
    "decode_push",
    "decode_push_result",
    "decode_result",
    "encode_close",
    "encode_event",
    "encode_push",
    "encode_result",
    "matches",
]

TITLE = "Tencent API Gateway WebSocket API"
KEYS = "websocket.action and .secConnectionID"
REQUEST_LIMIT_BYTES: int | None = None
RESULT_LIMIT_BYTES: int | None = None
LOSES: tuple[str, ...] = ("path", "query", "headers", "client_port", "user", "close_code")

_FIELDS = (
    ("websocket", OBJECT),
    ("websocket.action", TEXT),
    ("websocket.secConnectionID", TEXT),
    ("websocket.secWebSocketProtocol", TEXT_OR_NONE),
    ("websocket.secWebSocketExtensions", TEXT_OR_NONE),
    ("websocket.data", TEXT_OR_NONE),
    ("requestContext", OBJECT_OR_NONE),
    ("requestContext.sourceIp", TEXT_OR_NONE),
    ("requestContext.stage", TEXT_OR_NONE),
    ("requestContext.requestId", TEXT_OR_NONE),
)
_PUSH_RESULT_FIELDS = (("errNo", (int,)), ("errMsg", TEXT_OR_NONE))
_KINDS: dict[str, SocketKind] = {
    "connecting": "connect",
    "data send": "message",
    "closing": "disconnect",
}
_ACCEPTED = {"errNo": 0, "errMsg": "ok"}
# What the reply to a handshake chooses: field and header.
_CHOICES = (
    ("secWebSocketProtocol", "Sec-WebSocket-Protocol"),
    ("secWebSocketExtensions", "Sec-WebSocket-Extensions"),
)


def matches(event: Any) -> bool:
    """Claim what happens to a connection."""
    socket = event.get("websocket") if isinstance(event, dict) else None
    return (
        isinstance(socket, dict)
        and "secConnectionID" in socket
        and socket.get("action") in [*_KINDS]
    )


def decode_event(event: JSON) -> SocketMessage:
    """Read one event of a connection.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    try:
        socket = event["websocket"]
        kind = _KINDS.get(socket["action"])
        if kind is None:
            raise BadEventError(f"'websocket.action' must be one of {', '.join(_KINDS)}")
        context = event.get("requestContext") or {}
        source = context.get("sourceIp") or ""
        stage = context.get("stage") or ""
        request_id = context.get("requestId") or ""
        connection_id = socket["secConnectionID"]
        # Raises where one is no text.
        "".join((connection_id, source, stage, request_id))
        return SocketMessage(
            kind,
            connection_id,
            _data(socket) if kind == "message" else None,
            list_members(socket.get("secWebSocketProtocol") or ""),
            list_members(socket.get("secWebSocketExtensions") or ""),
            client=(source, 0) if source else None,
            stage=stage,
            request_id=request_id,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def _data(socket: JSON) -> str | bytes:
    data: str = "" if socket.get("data") is None else socket["data"] + ""
    if socket.get("dataType") == "text":
        return data
    if socket.get("dataType") != "binary":
        raise BadEventError("'websocket.dataType' must be text or binary")
    octets = decode_base64(data)
    if octets is None:
        raise BadEventError("'websocket.data' must be base64, since 'websocket.dataType' is binary")
    return octets


def encode_result(response: Response, event: JSON) -> JSON:
    """Write what the function answers: of a handshake whether it accepts, which 2xx does.

    ``Sec-WebSocket-Protocol`` and ``Sec-WebSocket-Extensions`` choose of what the client offers.
    A refusal carries status and body as number and reason. Of other events the gateway reads no
    answer: a reply has to be pushed.

    Raises:
        ApplicationError: several subprotocols or extensions.
    """
    socket = event["websocket"]
    if socket["action"] != "connecting":
        return {**_ACCEPTED}
    if not 200 <= response.status <= 299:
        reason = response.body.decode("utf-8", "replace")
        return {"errNo": response.status, "errMsg": reason or "refused"}
    accepted: JSON = {"action": "connecting", "secConnectionID": socket["secConnectionID"]}
    for field, name in _CHOICES:
        if choice := chosen(response, name.lower()):
            accepted[field] = choice
    return {**_ACCEPTED, "websocket": accepted}


def decode_result(result: Any) -> Response:
    """Read an answer to a handshake: 200 and what was chosen, or the refusal and its reason."""
    try:
        number = result["errNo"].__index__()
        socket = result.get("websocket") or {}
        if number == 0:
            return Response(
                200, [(name, socket[each] + "") for each, name in _CHOICES if socket.get(each)]
            )
        reason = (result.get("errMsg") or "").encode("utf-8", "surrogatepass")
    except WRONG:
        return Response(403, (), b"malformed result")
    return Response(number if 300 <= number <= 599 else 403, (), reason)


def encode_event(message: SocketMessage, *, received_ms: int = 0) -> JSON:
    """Write the event that the gateway would send."""
    if message.kind == "message":
        return encode_push(message.connection_id, "" if message.data is None else message.data)
    if message.kind == "disconnect":
        return encode_close(message.connection_id)
    socket = {"action": "connecting", "secConnectionID": message.connection_id}
    for (field, _), offered in zip(
        _CHOICES, (message.subprotocols, message.extensions), strict=True
    ):
        if offered:
            socket[field] = ",".join(offered)
    return {
        "requestContext": {
            "serviceId": "service-slsadapt",
            "path": "/",
            "httpMethod": "GET",
            "requestId": message.request_id,
            "identity": {},
            "sourceIp": message.client[0] if message.client else "",
            "stage": message.stage,
            "websocketEnable": True,
        },
        "websocket": socket,
    }


def encode_push(connection_id: str, data: str | bytes) -> JSON:
    """Write what is posted to the push-back address to send a client text or octets."""
    socket = {"action": "data send", "secConnectionID": connection_id}
    if isinstance(data, str):
        socket |= {"dataType": "text", "data": data}
    else:
        octets = b2a_base64(data, newline=False).decode("ascii")
        socket |= {"dataType": "binary", "data": octets}
    return {"websocket": socket}


def encode_close(connection_id: str) -> JSON:
    """Write what is posted to the push-back address to close a connection."""
    return {"websocket": {"action": "closing", "secConnectionID": connection_id}}


def decode_push(push: JSON) -> SocketMessage:
    """Read what was posted: a message to the client, or a disconnect.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    message = decode_event(push)
    if message.kind == "connect":
        raise BadEventError("'websocket.action' must be one of data send, closing")
    return message


def decode_push_result(result: JSON) -> tuple[int, str]:
    """Read the gateway's answer to a push: (error number, its reason), of which 0 is success.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    try:
        return result["errNo"].__index__(), (result.get("errMsg") or "") + ""
    except WRONG as error:
        raise bad_event(result, _PUSH_RESULT_FIELDS, error) from None
