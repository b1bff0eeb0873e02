"""Tencent API Gateway triggers of cloud functions, integrated response on.

Source: https://cloud.tencent.com/document/product/583/12513

- Path: ``path`` without the stage, with the API's own path. Whether it is encoded is not
  documented; the vendor's own Flask component unquotes it, so it is taken as encoded.
- Stage: in the URL on the default hosts, not on a custom domain.
- Query: ``queryString`` is complete and **decoded**; ``queryStringParameters`` repeats what the
  API declares and is not read. A repeated key is a list, a key without ``=`` is true. The
  order among different keys is lost.
- Headers: one string a name, lower-case in every capture. ``x-api-scheme`` tells the scheme,
  ``x-api-requestid`` the request's id, ``requestContext.sourceIp`` the client.
- Body: a string, absent without one; base64 only where the API's switch is on, with a flag that
  is a boolean or a string, and that one vendor page sets beside plain text, so what is flagged
  and no base64 is text.
- Response: a header that repeats is a list. A malformed result is a 403.
- Limits: 6 MB each way.
"""

from __future__ import annotations

from ..message import Request
from ._body import encode_body
from ._fields import (
    OBJECT,
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
    scalar_text,
)
from ._query import decode_map, encode_map
from ._tencent import (
    CREDENTIALS,
    REQUEST_LIMIT_BYTES,
    RESULT_LIMIT_BYTES,
    annotate,
    decode_result,
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

TITLE = "Tencent API Gateway trigger"
KEYS = "queryString and requestContext.serviceId"
LOSES = (
    "query_order",
    "query_escapes",
    "header_repeats",
    "port",
    "client_port",
    "base_path",
    "user",
)

_FIELDS = (
    ("requestContext", OBJECT),
    ("requestContext.stage", TEXT_OR_NONE),
    ("requestContext.sourceIp", TEXT_OR_NONE),
    ("requestContext.requestId", TEXT_OR_NONE),
    ("httpMethod", TEXT),
    ("path", TEXT),
    ("queryString", OBJECT, SCALARS_OR_LISTS),
    ("headers", OBJECT, SCALARS),
)
# The console's default hosts through the years.
_DEFAULT_HOSTS = (
    ".apigw.tencentcs.com",
    ".apigateway.myqcloud.com",
    ".tencentapigw.com",
    ".tencentapigw.cn",
)


def matches(event: JSON) -> bool:
    """Claim events with a complete query and a gateway service."""
    context = event.get("requestContext")
    return "queryString" in event and isinstance(context, dict) and "serviceId" in context


def decode_event(event: JSON) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    return decode_into(event, Request)


def decode_into(event: JSON, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    try:
        context = event["requestContext"]
        path = event["path"]
        query = event["queryString"]
        headers = header_pairs(event["headers"])
        fields = {name.lower(): value for name, value in headers}
        scheme = "http" if fields.get("x-api-scheme") == "http" else "https"
        server = address(fields.get("host"), fields.get("x-forwarded-port"), scheme)
        stage = context.get("stage") or ""
        source = context.get("sourceIp") or ""
        request_id = context.get("requestId") or scalar_text(fields.get("x-api-requestid", ""))
        "" + request_id + stage + source  # raises where one is no text
        body = decode_tolerant_body(event.get("body"), event.get("isBase64Encoded"))
        return build(
            event["httpMethod"].upper(),
            rooted_path(path),
            encode_map(query) if query else "",
            deliverable(headers, fields, body, CREDENTIALS),
            body,
            scheme,
            (source, 0) if source else None,
            server,
            f"/{stage}" if stage and server[0].lower().endswith(_DEFAULT_HOSTS) else "",
            stage,
            request_id,
            None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that the gateway would send, for an API bound at ``/``."""
    headers = joined_headers(request)
    headers["x-api-scheme"] = request.scheme
    headers["x-api-requestid"] = request.request_id
    event: JSON = {
        "requestContext": {
            "serviceId": "service-slsadapt",
            "path": "/",
            "httpMethod": "ANY",
            "identity": {},
            "sourceIp": request.client[0] if request.client else "",
            "stage": request.stage or "release",
        },
        "headers": headers,
        "pathParameters": {},
        "queryStringParameters": {},
        "headerParameters": {},
        "path": request.path,
        "queryString": decode_map(request.query),
        "httpMethod": request.method,
    }
    if request.body:
        event["body"], event["isBase64Encoded"] = encode_body(
            request.body,
            headers.get("content-type", ""),
            headers.get("content-encoding", ""),
            (),
        )
    return event
