"""Yandex Cloud Functions, called directly or behind API Gateway.

Sources: https://yandex.cloud/en/docs/functions/concepts/function-invoke,
https://yandex.cloud/en/docs/api-gateway/concepts/extensions/cloud-functions

- Path: a direct call has none. Behind API Gateway ``url`` holds it (payload 0.1, where ``path``
  is the template that matched, ``/orders/{id}``, and captures show a ``?`` and the query behind
  it), or ``path`` does (payload 1.0). Whether it is encoded is not documented; taken as encoded.
- Query: maps of **decoded** values; ``multiValueQueryStringParameters`` is complete, the single
  map holds the last value. The platform keeps ``tag`` and ``integration`` for itself.
- Headers: ``multiValueHeaders`` is complete. Of a direct call the platform takes
  ``Authorization`` and ``Cookie`` off. The client is ``requestContext.identity.sourceIp``, the
  scheme ``X-Forwarded-Proto``.
- User: the subject (``sub``) that the gateway's JWT authorizer found.
- Body: JSON stays text, all else is base64; the flag is true beside ``""`` too.
- Response: repeats in ``multiValueHeaders``, which win over ``headers``. The platform answers
  ``Proxy-Authenticate``, ``Transfer-Encoding`` and ``Via`` with an error, so they are left out:
  they are a proxy's, and the framing is the platform's. It renames ``Content-Md5``, ``Date``,
  ``Server`` and ``Www-Authenticate`` to ``X-Yf-Remapped-*``; an older page has the last among
  the errors. A malformed result is a 502 with ``X-Function-Error``: one where a field has another
  JSON type than documented, a header's value among them.
- Limits: 3.5 MB of JSON each way.
"""

from __future__ import annotations

from binascii import b2a_base64

from ..message import Request, Response
from ._body import decode_body
from ._fields import (
    LISTS,
    NONE,
    OBJECT,
    OBJECT_OR_NONE,
    SCALARS,
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
from ._query import decode_lists, encode_lists, encode_map
from ._result import encode_multi, is_typed, read_result, result_bytes

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

TITLE = "Yandex Cloud Functions, direct and behind API Gateway"
KEYS = "httpMethod, requestContext.identity and .requestTimeEpoch, no stage or domainName"
REQUEST_LIMIT_BYTES = RESULT_LIMIT_BYTES = 3_670_016
LOSES = (
    "query_order",
    "query_escapes",
    "query_flags",
    "port",
    "client_port",
    "stage",
    "root_path",
)

_FIELDS = (
    ("requestContext", OBJECT),
    ("requestContext.identity", OBJECT_OR_NONE),
    ("requestContext.identity.sourceIp", TEXT_OR_NONE),
    ("requestContext.requestId", TEXT_OR_NONE),
    ("requestContext.authorizer", OBJECT_OR_NONE),
    ("requestContext.authorizer.jwt", OBJECT_OR_NONE),
    ("requestContext.authorizer.jwt.claims", OBJECT_OR_NONE),
    ("httpMethod", TEXT),
    ("url", TEXT_OR_NONE),
    ("path", TEXT_OR_NONE),
    ("headers", OBJECT_OR_NONE, SCALARS),
    ("multiValueHeaders", OBJECT_OR_NONE, LISTS),
    ("queryStringParameters", OBJECT_OR_NONE, SCALARS),
    ("multiValueQueryStringParameters", OBJECT_OR_NONE, LISTS),
)
# Of the gateways whose context has an identity and a time too: AWS's, Kong's, and the WebSocket
# messages of Yandex.
_FOREIGN = frozenset({"stage", "domainName", "resourcePath", "apiId", "elb", "connectionId"})
_REFUSED = frozenset({"proxy-authenticate", "transfer-encoding", "via"})
_RENAMED = frozenset({"content-md5", "date", "server", "www-authenticate"})
_RESULT_TYPES = {
    "statusCode": (int, NONE),
    "headers": (dict, NONE),
    "multiValueHeaders": (dict, NONE),
    "body": (str, NONE),
    "isBase64Encoded": (bool, NONE),
}
_MALFORMED = Response(
    502,
    (("Content-Type", "application/json"), ("X-Function-Error", "true")),
    b'{"errorMessage":"Malformed serverless function response: not a valid json",'
    b'"errorType":"ProxyIntegrationError"}',
)


def matches(event: Any) -> bool:
    """Claim events whose context has an identity and a time, and no API."""
    if not isinstance(event, dict) or "httpMethod" not in event:
        return False
    context = event.get("requestContext")
    return (
        isinstance(context, dict)
        and "identity" in context
        and "requestTimeEpoch" in context
        and "multiValueHeaders" in event
        and _FOREIGN.isdisjoint(context)
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
        context = event["requestContext"]
        path = (event.get("url") or "").partition("?")[0] or event.get("path") or ""
        if lists := event.get("multiValueQueryStringParameters"):
            query = encode_lists(lists)
        else:
            query = encode_map(event.get("queryStringParameters") or {})
        if lists := event.get("multiValueHeaders"):
            headers = header_lists(lists)
        else:
            headers = header_pairs(event.get("headers") or {})
        fields = {name.lower(): value for name, value in headers}
        scheme = "http" if fields.get("x-forwarded-proto") == "http" else "https"
        source = (context.get("identity") or {}).get("sourceIp") or ""
        request_id = context.get("requestId") or ""
        "" + request_id + source  # raises where one is no text
        body = decode_body(event.get("body"), event.get("isBase64Encoded"))
        authorizer = context.get("authorizer")
        return build(
            event["httpMethod"].upper(),
            rooted_path(path),
            query,
            deliverable(headers, fields, body),
            body,
            scheme,
            (source, 0) if source else None,
            address(fields.get("host"), None, scheme),
            "",
            "",
            request_id,
            _subject(authorizer) if authorizer else None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def _subject(authorizer: JSON) -> str | None:
    """Name who the JWT authorizer found; a function as authorizer has no name for it."""
    subject = ((authorizer.get("jwt") or {}).get("claims") or {}).get("sub")
    return str(subject) if subject else None


def annotate(environ: JSON, event: JSON, context: object) -> None:
    """Add event, context and what the gateway's authorizer found."""
    environ["serverless.event"] = event
    environ["serverless.context"] = context
    environ["serverless.authorizer"] = event["requestContext"].get("authorizer")


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that API Gateway would send, payload 0.1, for a path ``/{path+}``."""
    from ._aws import clock

    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name.title(), []).append(value)
    headers.setdefault("Host", [host_of(request.server)])
    headers["X-Forwarded-Proto"] = [request.scheme]
    query = decode_lists(request.query)
    rest = request.path.removeprefix("/")
    # JSON is the one type whose bodies stay text.
    is_json = headers.get("Content-Type", [""])[-1].startswith("application/json")
    try:
        text = request.body.decode() if is_json and request.body else None
    except UnicodeDecodeError:
        text = None
    context: JSON = {
        "identity": {
            "sourceIp": request.client[0] if request.client else "",
            "userAgent": headers.get("User-Agent", [""])[-1],
        },
        "httpMethod": request.method,
        "requestId": request.request_id,
        "requestTime": clock(received_ms),
        "requestTimeEpoch": received_ms // 1000,
    }
    if request.user:
        context["authorizer"] = {"jwt": {"claims": {"sub": request.user}, "scopes": []}}
    return {
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "url": f"{request.path}?{request.query}",
        "params": {"path": rest},
        "multiValueParams": {"path": [rest]},
        "pathParams": {"path": rest},
        "multiValueHeaders": headers,
        "queryStringParameters": {key: values[-1] for key, values in query.items()},
        "multiValueQueryStringParameters": query,
        "requestContext": context,
        "body": b2a_base64(request.body, newline=False).decode() if text is None else text,
        "isBase64Encoded": text is None,
        "path": "/{path+}",
    }


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a result without the headers that the platform answers with an error."""
    headers = [pair for pair in response.headers if pair[0].lower() not in _REFUSED]
    return encode_multi(response.replace(headers=headers), text_mime_types)


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive, some headers renamed."""
    if not isinstance(result, dict) or not is_typed(result, _RESULT_TYPES):
        return _MALFORMED
    lists, fields = result.get("multiValueHeaders") or {}, result.get("headers") or {}
    for values in ([*fields.values()], *lists.values()):
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            return _MALFORMED
    names = {name.lower() for name in lists}
    fields = {name: value for name, value in fields.items() if name.lower() not in names}
    status = 200 if result.get("statusCode") is None else result["statusCode"]
    response = read_result({**result, "statusCode": status, "headers": fields})
    if response is None or any(name.lower() in _REFUSED for name, _ in response.headers):
        return _MALFORMED
    return response.replace(
        headers=[
            (f"X-Yf-Remapped-{name}" if name.lower() in _RENAMED else name, value)
            for name, value in response.headers
        ]
    )
