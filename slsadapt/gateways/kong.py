"""Kong's aws-lambda plugin, ``awsgateway_compatible`` and ``is_proxy_integration`` on.

Source: https://github.com/Kong/kong, kong/plugins/aws-lambda/request-util.lua, which is followed

- Versions: a ``requestContext``, which has no stage, came with Kong 3.1, ``"version": "1.0"``
  in 2024. Some versions leave out ``resource``.
- Path: percent-encoded, as it would go upstream, so without what ``strip_path`` took off;
  ``resource`` is the route's pattern.
- Query: maps of **decoded** keys and values, so it is encoded again. A key without ``=`` is
  true. The order among different keys is lost, and all after the hundredth.
- Repeats: complete in ``multiValueHeaders`` and ``multiValueQueryStringParameters``; the single
  maps hold the **first** value. Maps that are empty may be lists. A hundred headers at most.
- Body: base64 as a rule, ``""`` without one. With ``skip_large_bodies``, which is on, Kong leaves
  out bodies that nginx kept on disk: a request that tells of a body that is not there is refused.
- Client: ``requestContext.identity.sourceIp``, which is Kong's peer. ``X-Forwarded-For`` and
  ``-Proto`` are the client's own words, so older plugins tell no client, and none the scheme.
- Host: ``Host``, or ``requestContext.domainName``. Request id: ``requestContext.requestId``.
- User: none. Kong's authentication adds ``X-Consumer-*`` headers, but a route without it lets
  those of a client through.
- Response: headers that repeat go to ``multiValueHeaders``, which replace the single ones. The
  status is 100 to 599, the base64 flag a boolean; all else is a 502. Its ``error`` names what is
  wrong; here it is always the status, which a function's error lacks.
- Limits: 6 MB each way (Lambda's).
"""

from __future__ import annotations

from binascii import b2a_base64

from ..errors import BadEventError
from ..message import Request, Response
from ._aws import REQUEST_LIMIT_BYTES, RESULT_LIMIT_BYTES, clock, result_bytes
from ._aws import annotate_anonymous as annotate
from ._body import decode_body
from ._fields import (
    LISTS,
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
    rooted_path,
)
from ._query import encode_map, split
from ._result import encode_multi, read_result

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

TITLE = "Kong, aws-lambda plugin"
KEYS = "multiValueQueryStringParameters, and resource or requestContext without stage"
LOSES = (
    "query_order",
    "query_escapes",
    "scheme",
    "port",
    "client_port",
    "stage",
    "root_path",
    "user",
)

_FIELDS = (
    ("requestContext", OBJECT_OR_NONE),
    ("requestContext.identity", OBJECT_OR_NONE),
    ("requestContext.identity.sourceIp", TEXT_OR_NONE),
    ("requestContext.domainName", TEXT_OR_NONE),
    ("requestContext.requestId", TEXT_OR_NONE),
    ("httpMethod", TEXT),
    ("path", TEXT),
    ("headers", OBJECT_OR_NONE, SCALARS),
    ("multiValueHeaders", OBJECT_OR_NONE, LISTS),
    ("queryStringParameters", OBJECT_OR_NONE, SCALARS_OR_LISTS),
    ("multiValueQueryStringParameters", OBJECT_OR_NONE, SCALARS_OR_LISTS),
)
_MALFORMED = Response(
    502,
    (("Content-Type", "application/json; charset=utf-8"),),
    b'{"message":"Bad Gateway","error":"could not JSON decode Lambda function response: '
    b'statusCode validation failed"}',
)


def matches(event: Any) -> bool:
    """Tell the plugin's events from API Gateway's, which they imitate but for the stage."""
    if (
        not isinstance(event, dict)
        or "httpMethod" not in event
        or "multiValueHeaders" not in event
        or "multiValueQueryStringParameters" not in event
        or "type" in event
        or event.get("version", "1.0") != "1.0"
    ):
        return False
    if "requestContext" not in event:
        return "resource" in event
    context = event["requestContext"]
    return (
        isinstance(context, dict)
        and "domainName" in context
        and "resourcePath" in context
        and context.keys().isdisjoint(("stage", "accountId", "connectionId", "elb"))
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
        lists = event.get("multiValueHeaders")
        headers = header_lists(lists) if lists else header_pairs(event.get("headers") or {})
        fields = {name.lower(): value for name, value in headers}
        body = decode_body(event.get("body"), event.get("isBase64Encoded"))
        if not body and fields.get("content-length", "0") != "0":
            raise BadEventError(
                "'body' must be there, since the request has one; Kong leaves out large bodies "
                "unless the plugin's skip_large_bodies is false"
            )
        source = (context.get("identity") or {}).get("sourceIp") or ""
        domain = context.get("domainName") or ""
        request_id = context.get("requestId") or ""
        "" + request_id + source + domain  # raises where one is no text
        return build(
            event["httpMethod"].upper(),
            rooted_path(path),
            encode_map(
                event.get("multiValueQueryStringParameters")
                or event.get("queryStringParameters")
                or {}
            ),
            deliverable(headers, fields, body),
            body,
            "https",
            (source, 0) if source else None,
            address(fields.get("host") or domain, None, "https"),
            "",
            "",
            request_id,
            None,
        )
    except WRONG as error:
        if isinstance(event, dict):
            # An empty map that is a list is no fault.
            event = {name: each for name, each in event.items() if each != []}
        raise bad_event(event, _FIELDS, error) from None


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a result: ``multiValueHeaders`` only for what repeats."""
    return encode_multi(response, text_mime_types)


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event of the current plugin."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name, []).append(value)
    host = host_of(request.server)
    headers.setdefault("host", [host])
    query: dict[str, list[str | bool]] = {}
    for key, text in split(request.query):
        query.setdefault(key, []).append(True if text is None else text)
    identity = {"userAgent": headers.get("user-agent", [""])[0]}
    if request.client:
        identity["sourceIp"] = request.client[0]
    return {
        "version": "1.0",
        "resource": "/",
        "path": request.path,
        "httpMethod": request.method,
        "headers": {name: values[0] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "pathParameters": {},
        "queryStringParameters": {key: values[0] for key, values in query.items()},
        "multiValueQueryStringParameters": query,
        "body": b2a_base64(request.body, newline=False).decode(),
        "isBase64Encoded": True,
        "requestContext": {
            "path": request.path,
            "protocol": "HTTP/1.1",
            "httpMethod": request.method,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "identity": identity,
            "requestId": request.request_id,
            "requestTime": clock(received_ms),
            "requestTimeEpoch": received_ms,
            "resourcePath": request.path,
        },
    }


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive."""
    # In Lua a null is neither nothing nor of the right type.
    if not isinstance(result, dict) or "statusCode" not in result or None in result.values():
        return _MALFORMED
    if type(result.get("isBase64Encoded", False)) is not bool:
        return _MALFORMED
    fields, lists = result.get("headers", {}), result.get("multiValueHeaders", {})
    if isinstance(fields, dict) and isinstance(lists, dict):
        result = {**result, "headers": {n: v for n, v in fields.items() if n not in lists}}
    return read_result(result, lists=True) or _MALFORMED
