"""AWS WebSocket APIs of API Gateway: ``$connect``, messages and ``$disconnect``.

Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-overview.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-connect-route-subprotocol.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html;
captures at https://github.com/aws-powertools/powertools-lambda-python/tree/develop/tests/events

- Handshake: headers and query arrive with ``$connect`` alone, both in maps of lists beside maps
  of last values. The query is taken as decoded, as REST APIs send it. No capture has a path;
  the Go runtime's type names one, and it is read where it is there.
- Message: ``body``, text. The gateway refuses binary frames and closes with 1003, but a flag
  says that ``body`` is base64, and is believed. ``routeKey`` is what the client's message
  selects, so ``eventType`` alone tells what happens.
- Disconnect: on a best effort, with code and reason; its headers are the gateway's own.
- Client: ``requestContext.identity.sourceIp``, with every event, as are the stage, the time of
  connection, and ``authorizer.principalId`` or the IAM identity.
- Result: to ``$connect`` 2xx accepts and any other status refuses; a ``Sec-WebSocket-Protocol``
  header chooses of what the client offers. To a message the body is the reply, text, where the
  route has a route response; it is ignored elsewhere. A malformed result is a 502.
- Messages to a client are posted, signed, to ``https://`` + ``endpoint`` +
  ``encode_connection_path(connection_id)``, which answers 410 when the client is gone; DELETE
  closes the connection. On the default host ``endpoint`` has the stage. A custom domain has its
  mapping's path there, which no event tells.
- Limits: 128 KB a message, in frames of 32 KB; 10 minutes idle, 2 hours in all.
"""

from __future__ import annotations

from ..errors import ApplicationError, BadEventError
from ..message import Response, SocketMessage
from ..percent import decode, encode_component
from ._aws import API_ID, DEFAULT_HOST, clock
from ._body import decode_body
from ._fields import (
    LISTS,
    NUMBER_OR_NONE,
    OBJECT,
    OBJECT_OR_NONE,
    SCALARS,
    TEXT,
    TEXT_OR_NONE,
    WRONG,
    bad_event,
    header_lists,
    header_members,
    header_pairs,
    rooted_path,
)
from ._query import decode_lists, encode_lists, encode_map
from ._result import chosen, encode_joined, read_result

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
    "decode_connection_path",
    "decode_event",
    "decode_result",
    "encode_connection_path",
    "encode_event",
    "encode_result",
    "matches",
]

TITLE = "AWS WebSocket API"
KEYS = "requestContext.connectionId, .routeKey and .eventType"
REQUEST_LIMIT_BYTES: int | None = 128 * 1024
RESULT_LIMIT_BYTES: int | None = 128 * 1024
LOSES: tuple[str, ...] = (
    "path",
    "query_order",
    "query_escapes",
    "query_flags",
    "binary_body",
    "client_port",
    "base_path",
    "response_repeats",
    "response_binary",
)

_FIELDS = (
    ("requestContext", OBJECT),
    ("requestContext.eventType", TEXT),
    ("requestContext.connectionId", TEXT),
    ("requestContext.identity", OBJECT_OR_NONE),
    ("requestContext.identity.sourceIp", TEXT_OR_NONE),
    ("requestContext.authorizer", OBJECT_OR_NONE),
    ("requestContext.domainName", TEXT_OR_NONE),
    ("requestContext.stage", TEXT_OR_NONE),
    ("requestContext.requestId", TEXT_OR_NONE),
    ("requestContext.connectedAt", NUMBER_OR_NONE),
    ("requestContext.disconnectStatusCode", NUMBER_OR_NONE),
    ("requestContext.disconnectReason", TEXT_OR_NONE),
    ("path", TEXT_OR_NONE),
    ("body", TEXT_OR_NONE),
    ("headers", OBJECT_OR_NONE, SCALARS),
    ("multiValueHeaders", OBJECT_OR_NONE, LISTS),
    ("queryStringParameters", OBJECT_OR_NONE, SCALARS),
    ("multiValueQueryStringParameters", OBJECT_OR_NONE, LISTS),
)
_KINDS: dict[str, SocketKind] = {
    "CONNECT": "connect",
    "MESSAGE": "message",
    "DISCONNECT": "disconnect",
}
_ROUTES = {"connect": "$connect", "message": "$default", "disconnect": "$disconnect"}
_CONNECTIONS = "@connections"
_MALFORMED = Response(
    502, (("Content-Type", "application/json"),), b'{"message": "Internal server error"}'
)


def matches(event: Any) -> bool:
    """Claim what happens to a connection, but not the input of the API's authorizer.

    Yandex' gateway names a connection and the type of event too, but no route.
    """
    context = event.get("requestContext") if isinstance(event, dict) else None
    return (
        isinstance(context, dict)
        and "connectionId" in context
        and "routeKey" in context
        and context.get("eventType") in [*_KINDS]
        and "methodArn" not in event
    )


def decode_event(event: JSON) -> SocketMessage:
    """Read one event of a connection.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    try:
        context = event["requestContext"]
        kind = _KINDS.get(context["eventType"])
        if kind is None:
            raise BadEventError(f"'requestContext.eventType' must be one of {', '.join(_KINDS)}")
        lists = event.get("multiValueHeaders")
        headers = header_lists(lists) if lists else header_pairs(event.get("headers") or {})
        path = event.get("path") or ""
        identity = context.get("identity") or {}
        source = identity.get("sourceIp") or ""
        domain = context.get("domainName") or ""
        stage = context.get("stage") or ""
        request_id = context.get("requestId") or ""
        reason = context.get("disconnectReason") or ""
        connection_id = context["connectionId"]
        # Raises where one is no text.
        "".join((connection_id, source, domain, stage, request_id, reason))
        user = (context.get("authorizer") or {}).get("principalId") or identity.get("userArn")
        return SocketMessage(
            kind,
            connection_id,
            _data(event) if kind == "message" else None,
            header_members(headers, "sec-websocket-protocol"),
            header_members(headers, "sec-websocket-extensions"),
            rooted_path(path) if path else "",
            _query(event),
            headers,
            (source, 0) if source else None,
            f"{domain}/{stage}" if DEFAULT_HOST in domain and stage else domain,
            stage,
            request_id,
            str(user) if user else None,
            _number(context.get("connectedAt")),
            _number(context.get("disconnectStatusCode")),
            reason,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def _data(event: JSON) -> str | bytes:
    body, is_base64 = event.get("body"), event.get("isBase64Encoded")
    if is_base64 and is_base64 != "false":
        return decode_body(body, is_base64)
    return "" if body is None else body + ""


def _query(event: JSON) -> str:
    """Encode the decoded query again."""
    if lists := event.get("multiValueQueryStringParameters"):
        return encode_lists(lists)
    return encode_map(event.get("queryStringParameters") or {})


def _number(value: int | None) -> int | None:
    return None if value is None else value.__index__()


def encode_result(response: Response, event: JSON) -> JSON:
    """Write what the function answers: of ``$connect`` whether it accepts, else a reply.

    Raises:
        ApplicationError: several subprotocols, or a reply that is not UTF-8, which the gateway
            cannot carry.
    """
    chosen(response, "sec-websocket-protocol")
    try:
        text = response.body.decode()
    except UnicodeDecodeError:
        raise ApplicationError(
            "API Gateway sends no binary reply; the body must be UTF-8"
        ) from None
    return encode_joined(response.replace(body=b""), ()) | {"body": text}


def decode_result(result: Any) -> Response:
    """Read what the function answered; 2xx accepts a handshake. A malformed result is a 502."""
    return read_result(result) or _MALFORMED


def encode_event(message: SocketMessage, *, received_ms: int = 0, user_agent: str = "") -> JSON:
    """Write the event that the gateway would send, for an API without routes of its own.

    What is offered joins the headers where these do not have it. All events have the
    ``user_agent`` of the handshake, where the client told one.
    """
    identity: JSON = {"userAgent": user_agent} if user_agent else {}
    context: JSON = {
        "routeKey": _ROUTES[message.kind],
        "eventType": message.kind.upper(),
        "extendedRequestId": message.request_id,
        "requestTime": clock(received_ms),
        "messageDirection": "IN",
        "stage": message.stage,
        "connectedAt": message.connected_at_ms,
        "requestTimeEpoch": received_ms,
        "identity": identity | {"sourceIp": message.client[0] if message.client else None},
        "requestId": message.request_id,
        "domainName": message.endpoint.partition("/")[0],
        "connectionId": message.connection_id,
        "apiId": API_ID,
    }
    if message.user is not None:
        context["authorizer"] = {"principalId": message.user}
    event: JSON = {"requestContext": context, "isBase64Encoded": isinstance(message.data, bytes)}
    if message.kind == "message":
        context["messageId"] = message.request_id
        event["body"] = message.data
        if isinstance(message.data, bytes):
            from binascii import b2a_base64

            event["body"] = b2a_base64(message.data, newline=False).decode("ascii")
    elif message.kind == "disconnect":
        context["disconnectStatusCode"] = message.code
        context["disconnectReason"] = message.reason
    headers: dict[str, list[str]] = {}
    for name, value in message.headers:
        headers.setdefault(_spelled(name), []).append(value)
    for name, offered in (
        ("Sec-WebSocket-Protocol", message.subprotocols),
        ("Sec-WebSocket-Extensions", message.extensions),
    ):
        if offered:
            headers.setdefault(name, [", ".join(offered)])
    if headers:
        event["headers"] = {name: values[-1] for name, values in headers.items()}
        event["multiValueHeaders"] = headers
    if query := decode_lists(message.query):
        event["queryStringParameters"] = {key: values[-1] for key, values in query.items()}
        event["multiValueQueryStringParameters"] = query
    return event


def _spelled(name: str) -> str:
    """Write a header's name as clients of HTTP/1.1 do, and as a disconnect event does."""
    if name in ("x-api-key", "x-restapi"):
        return name
    return "-".join([part.capitalize() for part in name.split("-")]).replace("Webs", "WebS")


def encode_connection_path(connection_id: str) -> str:
    """Write the path, below the endpoint, that stands for a connection."""
    # The ids end in "=", which must be escaped, as must all that has a meaning in a path.
    escaped = encode_component(connection_id).replace("/", "%2F").replace("?", "%3F")
    return f"/{_CONNECTIONS}/{escaped}"


def decode_connection_path(path: str) -> str | None:
    """Read the connection's id from a path, below whatever stage; None where it is another path."""
    segments = path.split("/")
    if len(segments) < 3 or decode(segments[-2]) != _CONNECTIONS.encode():
        return None
    return decode(segments[-1]).decode("utf-8", "replace") or None
