"""Tencent CloudBase, HTTP access to cloud functions.

Sources: https://cloud.tencent.com/document/product/876/41776,
https://docs.cloudbase.net/service/access-cloud-function

- Path: ``path``, in captures without the route's prefix, which nothing tells. Whether it is encoded
  is not documented; taken as encoded.
- Query: ``queryStringParameters``, values **decoded**; a key that repeats has a list.
- Headers: ``multiValueHeaders`` is complete, ``headers`` has single values; older events have the
  latter alone. The client is the last entry of ``X-Forwarded-For``, the scheme
  ``X-Forwarded-Proto``, the request's id ``requestContext.requestId``. The keys of the function's
  role do not reach the application.
- Body: with a flag; documented as base64 where it is binary, in captures where it is text too.
- Response: a header that repeats is a list, as in Tencent's other gateways, which is not
  documented here. What has no ``statusCode`` is the body of a 200: text/plain, an object JSON.
- Limits: 6 MB each way, of a cloud function's.
"""

from __future__ import annotations

from binascii import b2a_base64

from ..message import Request, Response
from . import _tencent
from ._body import decode_body
from ._fields import (
    LISTS,
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
    header_lists,
    header_pairs,
    host_of,
    last_forwarded,
    rooted_path,
)
from ._query import decode_map, encode_map
from ._result import annotate
from ._tencent import (
    CREDENTIALS,
    REQUEST_LIMIT_BYTES,
    RESULT_LIMIT_BYTES,
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

TITLE = "Tencent CloudBase, HTTP access"
KEYS = "httpMethod and requestContext.envId"
LOSES = (
    "query_order",
    "query_escapes",
    "port",
    "client_port",
    "stage",
    "root_path",
    "user",
)

_FIELDS = (
    ("requestContext", OBJECT),
    ("requestContext.requestId", TEXT_OR_NONE),
    ("httpMethod", TEXT),
    ("path", TEXT),
    ("queryStringParameters", OBJECT_OR_NONE, SCALARS_OR_LISTS),
    ("headers", OBJECT_OR_NONE, SCALARS),
    ("multiValueHeaders", OBJECT_OR_NONE, LISTS),
)


def matches(event: Any) -> bool:
    """Claim events whose context names an environment of CloudBase."""
    if not isinstance(event, dict) or "httpMethod" not in event:
        return False
    context = event.get("requestContext")
    return isinstance(context, dict) and "envId" in context


def decode_event(event: JSON) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    return decode_into(event, Request)


def decode_into(event: JSON, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    try:
        query = event.get("queryStringParameters")
        if lists := event.get("multiValueHeaders"):
            headers = header_lists(lists)
        else:
            headers = header_pairs(event.get("headers") or {})
        fields = {name.lower(): value for name, value in headers}
        scheme = "http" if fields.get("x-forwarded-proto") == "http" else "https"
        request_id = event["requestContext"].get("requestId") or ""
        body = decode_body(event.get("body"), event.get("isBase64Encoded"))
        return build(
            event["httpMethod"].upper(),
            rooted_path(event["path"]),
            encode_map(query) if query else "",
            deliverable(headers, fields, body, CREDENTIALS),
            body,
            scheme,
            last_forwarded(fields.get("x-forwarded-for", "")),
            address(fields.get("host"), None, scheme),
            "",
            "",
            request_id + "",
            None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that HTTP access would send."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name, []).append(value)
    headers.setdefault("host", [host_of(request.server)])
    headers["x-forwarded-proto"] = [request.scheme]
    if request.client:
        headers["x-forwarded-for"] = [request.client[0]]
    return {
        "body": b2a_base64(request.body, newline=False).decode("ascii"),
        "headers": {name: values[-1] for name, values in headers.items()},
        "httpMethod": request.method,
        "isBase64Encoded": True,
        "multiValueHeaders": headers,
        "path": request.path,
        "queryStringParameters": decode_map(request.query),
        "requestContext": {
            "appId": "1300000000",
            "envId": "slsadapt-0g",
            "requestId": request.request_id,
            "uin": "100000000001",
        },
    }


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive; without ``statusCode`` it is a 200."""
    if isinstance(result, dict) and "statusCode" in result:
        return _tencent.decode_result(result)
    import json

    if isinstance(result, (dict, list)):
        content_type, text = "application/json", json.dumps(result, ensure_ascii=False)
    else:
        content_type = "text/plain; charset=utf-8"
        text = result if isinstance(result, str) else json.dumps(result)
    body = text.encode("utf-8", "surrogatepass")
    return Response(200, (("content-type", content_type),), body)
