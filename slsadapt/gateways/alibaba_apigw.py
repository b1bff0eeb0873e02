"""Alibaba API Gateway, with Function Compute as its backend.

Source: https://help.aliyun.com/zh/functioncompute/fc-3-0/user-guide/api-gateway-trigger

- The event comes as bytes of JSON, which the handler reads: seven keys, no context.
- Path: ``path``. Whether it is encoded is not documented; taken as encoded.
- Query: a map of values, taken as **decoded**; of a key that repeats one value arrives.
- Headers: one string a name, repeats taken as joined with ``,``. ``X-Forwarded-For`` ends with the
  address that the gateway saw, ``X-Ca-Request-Id`` is its id of the request, ``X-Ca-Stage`` the
  stage, ``X-Forwarded-Proto`` the scheme, ``CA-Host`` the host where there is no ``Host``; none of
  them is documented for this backend. The keys of the function's role do not reach the
  application.
- Body: base64 for all but forms whose fields the API declares.
- Response: one string a header; of several ``Set-Cookie``, each has a spelling of its own, which
  is not documented to work. Samples write ``"false"`` and ``"200"`` as text, and bodies that are
  objects. A result of another shape is a 502.
- Limits: the vendor names none for the event; the gateway's own are 8 MB of body, 32 MB on
  dedicated instances.
"""

from __future__ import annotations

from binascii import b2a_base64

from ..message import Request, Response
from ._alibaba import CREDENTIALS, with_text_body
from ._body import decode_body
from ._fields import (
    OBJECT_OR_NONE,
    SCALARS,
    SCALARS_OR_LISTS,
    TEXT,
    WRONG,
    address,
    bad_event,
    deliverable,
    header_pairs,
    joined_headers,
    last_forwarded,
    rooted_path,
)
from ._query import decode_lists, encode_map
from ._result import annotate, encode_joined, read_result, result_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..message import Build, T

    JSON = dict[str, Any]

__all__ = [
    "KEYS",
    "LOSES",
    "REQUEST_LIMIT_BYTES",
    "RESULT_LIMIT_BYTES",
    "TITLE",
    "annotate",
    "decode_event",
    "decode_into",
    "decode_result",
    "encode_event",
    "encode_result",
    "matches",
    "result_bytes",
]

TITLE = "Alibaba API Gateway"
KEYS = "httpMethod and queryParameters, no requestContext"
REQUEST_LIMIT_BYTES: int | None = None
RESULT_LIMIT_BYTES: int | None = None
LOSES = (
    "query_order",
    "query_escapes",
    "query_flags",
    "query_last",
    "header_repeats",
    "port",
    "client_port",
    "root_path",
    "user",
    "response_repeats",
)

_FIELDS = (
    ("httpMethod", TEXT),
    ("path", TEXT),
    ("queryParameters", OBJECT_OR_NONE, SCALARS_OR_LISTS),
    ("headers", OBJECT_OR_NONE, SCALARS),
)
_FAILED = Response(502)


def matches(event: Any) -> bool:
    """Claim events with this gateway's name for the query, and no context."""
    return (
        isinstance(event, dict)
        and "httpMethod" in event
        and "queryParameters" in event
        and "requestContext" not in event
    )


def decode_event(event: JSON) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    return decode_into(event, Request)


def decode_into(event: JSON, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    try:
        query = event.get("queryParameters")
        headers = header_pairs(event.get("headers") or {})
        fields = {name.lower(): value for name, value in headers}
        scheme = "http" if fields.get("x-forwarded-proto") == "http" else "https"
        body = decode_body(event.get("body"), event.get("isBase64Encoded"))
        return build(
            event["httpMethod"].upper(),
            rooted_path(event["path"]),
            encode_map(query) if query else "",
            deliverable(headers, fields, body, CREDENTIALS),
            body,
            scheme,
            last_forwarded(fields.get("x-forwarded-for", "")),
            address(fields.get("host") or fields.get("ca-host"), None, scheme),
            "",
            fields.get("x-ca-stage", ""),
            fields.get("x-ca-request-id", ""),
            None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that the gateway would send, with its own headers passed on."""
    headers = joined_headers(request)
    headers["x-forwarded-proto"] = request.scheme
    headers["x-ca-request-id"] = request.request_id
    headers["x-ca-stage"] = request.stage
    if request.client:
        headers["x-forwarded-for"] = request.client[0]
    is_text = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    try:
        body = request.body.decode() if is_text else ""
    except UnicodeDecodeError:
        is_text = False
    if not is_text:
        body = b2a_base64(request.body, newline=False).decode("ascii")
    return {
        "path": request.path,
        "httpMethod": request.method,
        "headers": headers,
        "queryParameters": {
            key: values[-1] for key, values in sorted(decode_lists(request.query).items())
        },
        "pathParameters": {},
        "body": body,
        "isBase64Encoded": not is_text,
    }


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a result of one string a header."""
    return encode_joined(response, text_mime_types)


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive; functions may return it as JSON."""
    if isinstance(result, (str, bytes)):
        import json

        try:
            result = json.loads(result)
        except ValueError:
            return _FAILED
    if not isinstance(result, dict) or "statusCode" not in result:
        return _FAILED
    return read_result(with_text_body(result)) or _FAILED
