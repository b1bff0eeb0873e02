"""Tencent cloud functions' own URLs.

Source: https://cloud.tencent.com/document/product/583/96099

- Events are those of ``tencent_apigw`` without ``requestContext``, ``isBase64Encoded`` and the
  declared parameters. A report of 2026 sees a ``requestContext`` with ``sourceIp``; it is used
  where it is, and the header ``x-scf-remote-addr`` otherwise.
- Path: taken as encoded, as in ``tencent_apigw``. No stage.
- Query: ``queryString``, complete and decoded; the order among different keys is lost.
- Headers: one string a name.
- Body: a string; no documented way to receive octets that are not UTF-8. A flag, should one
  come, is honoured.
- Response: as ``tencent_apigw``, but any value without ``statusCode`` is the body of a 200.
- Limits: 6 MB each way.
"""

from __future__ import annotations

from ..message import Request, Response
from . import _tencent
from ._fields import (
    OBJECT,
    OBJECT_OR_NONE,
    SCALARS,
    SCALARS_OR_LISTS,
    TEXT,
    TEXT_OR_NONE,
    WRONG,
    address,
    bad_event,
    deliverable,
    header_pairs,
    joined_headers,
    rooted_path,
)
from ._query import decode_map, encode_map
from ._tencent import (
    CREDENTIALS,
    REQUEST_LIMIT_BYTES,
    RESULT_LIMIT_BYTES,
    annotate,
    decode_tolerant_body,
    encode_result,
    result_bytes,
)

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

TITLE = "Tencent function URL"
KEYS = "httpMethod and queryString, no requestContext.serviceId"
LOSES = (
    "query_order",
    "query_escapes",
    "header_repeats",
    "binary_body",
    "scheme",
    "port",
    "client_port",
    "stage",
    "root_path",
    "request_id",
    "user",
)

_FIELDS = (
    ("requestContext", OBJECT_OR_NONE),
    ("requestContext.sourceIp", TEXT_OR_NONE),
    ("requestContext.requestId", TEXT_OR_NONE),
    ("httpMethod", TEXT),
    ("path", TEXT),
    ("queryString", OBJECT, SCALARS_OR_LISTS),
    ("headers", OBJECT, SCALARS),
)


def matches(event: JSON) -> bool:
    """Claim events with a complete query and no gateway service."""
    context = event.get("requestContext") or {}
    return (
        "queryString" in event
        and "httpMethod" in event
        and isinstance(context, dict)
        and "serviceId" not in context
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
        context = event.get("requestContext") or {}
        path = event["path"]
        query = event["queryString"]
        headers = header_pairs(event["headers"])
        fields = {name.lower(): value for name, value in headers}
        scheme = "http" if fields.get("x-forwarded-proto") == "http" else "https"
        source = context.get("sourceIp") or fields.get("x-scf-remote-addr", "")
        request_id = context.get("requestId") or fields.get("x-scf-request-id", "")
        "" + request_id + source  # raises where one is no text
        body = decode_tolerant_body(event.get("body"), event.get("isBase64Encoded"))
        return build(
            event["httpMethod"].upper(),
            rooted_path(path),
            encode_map(query) if query else "",
            deliverable(headers, fields, body, CREDENTIALS),
            body,
            scheme,
            (source, 0) if source else None,
            address(fields.get("host"), fields.get("x-forwarded-port"), scheme),
            "",
            "",
            request_id,
            None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that the URL would send.

    The body goes as text; octets that are not UTF-8 are replaced by U+FFFD, since the event
    has no flag for base64.
    """
    headers = joined_headers(request)
    if request.client:
        headers["x-scf-remote-addr"] = request.client[0]
    event: JSON = {
        "headers": headers,
        "httpMethod": request.method,
        "path": request.path,
        "queryString": decode_map(request.query),
    }
    if request.body:
        event["body"] = request.body.decode("utf-8", "replace")
    return event


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive; without ``statusCode`` it is a 200."""
    if isinstance(result, dict) and "statusCode" in result:
        return _tencent.decode_result(result)
    import json

    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    body = text.encode("utf-8", "surrogatepass")
    return Response(200, (("content-type", "application/json"),), body)
