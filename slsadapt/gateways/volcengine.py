"""Volcengine veFaaS (BytePlus FaaS), API Gateway triggers of event functions.

Sources: https://www.volcengine.com/docs/6662/127868 (events),
https://www.volcengine.com/docs/6662/107430 (results),
https://github.com/volcengine/vefaas-golang-runtime and
https://github.com/vefaas-dev/code-examples, since the Python runtime is not published

- Path: ``path``. Whether it is encoded is not documented; taken as encoded.
- Query: a map of **decoded** values; the values of a key that repeats are joined with ``,``.
- Headers: one string a name, ``Canonical-Case``, repeats joined with ``,``. ``X-Real-Ip`` and
  ``X-Real-Port`` are the client's address, ``X-Faas-Request-Id`` is the request's id. ``Host`` may
  name a machine inside the platform. The keys and the token of the function's role do not reach
  the application.
- Body: a string, and nothing says when it is base64, so it is text; a binary body is lost.
- Response: ``statusCode``, ``headers`` and ``body`` alone are used. One string a header: repeats
  are joined with ``,``, and each ``Set-Cookie`` has a spelling of its own, which is not documented
  to work. ``body`` is text: the runtimes of other languages take octets too, Python's is not
  known to, so a body that is not UTF-8, compressed ones among them, is an error rather than noise.
  Native functions, which run a web server, have no such limit. No result is an empty 200; the
  runtimes answer a malformed one with a 500.
- Limits: the vendor names none.
"""

from __future__ import annotations

from ..errors import ApplicationError
from ..message import Request, Response
from ._body import decode_body
from ._fields import (
    OBJECT,
    OBJECT_OR_NONE,
    SCALARS,
    TEXT,
    WRONG,
    address,
    bad_event,
    deliverable,
    header_pairs,
    joined_headers,
    rooted_path,
)
from ._query import decode_lists, encode_map
from ._result import annotate, encode_joined, read_result

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

TITLE = "Volcengine veFaaS"
KEYS = 'httpMethod and eventType "http" or a header X-Faas-Request-Id, no requestContext'
REQUEST_LIMIT_BYTES = RESULT_LIMIT_BYTES = None
LOSES = (
    "query_order",
    "query_escapes",
    "query_flags",
    "query_commas",
    "header_repeats",
    "binary_body",
    "scheme",
    "port",
    "stage",
    "root_path",
    "user",
    "response_repeats",
    "response_binary",
)

_FIELDS = (
    ("httpMethod", TEXT),
    ("path", TEXT),
    ("queryStringParameters", OBJECT_OR_NONE, SCALARS),
    ("headers", OBJECT, SCALARS),
)
# Keys that every other gateway with an ``httpMethod`` sends one of.
_FOREIGN = frozenset(
    {"requestContext", "isBase64Encoded", "queryString", "queryParameters", "resource"}
)
_CREDENTIALS = (
    "x-faas-access-key-id",
    "x-faas-secret-access-key",
    "x-faas-session-token",
)
_RESULT_KEYS = ("statusCode", "headers", "body")
_FAILED = Response(500, (("X-Faas-Response-Error-Code", "function_execution_error"),))


def matches(event: Any) -> bool:
    """Claim what the platform marks as its own, and no other sends its keys with."""
    if not isinstance(event, dict) or "httpMethod" not in event:
        return False
    headers = event.get("headers")
    return _FOREIGN.isdisjoint(event) and (
        event.get("eventType") == "http"
        or (
            isinstance(headers, dict)
            and ("X-Faas-Request-Id" in headers or "x-faas-request-id" in headers)
        )
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
        path = event["path"]
        query = event.get("queryStringParameters")
        headers = header_pairs(event["headers"])
        fields = {name.lower(): value for name, value in headers}
        host = fields.get("x-real-ip")
        body = decode_body(event.get("body"), False)
        return build(
            event["httpMethod"].upper(),
            rooted_path(path),
            encode_map(query) if query else "",
            deliverable(headers, fields, body, _CREDENTIALS),
            body,
            "https",
            (host, _port(fields.get("x-real-port", ""))) if host else None,
            address(fields.get("host"), None, "https"),
            "",
            "",
            fields.get("x-faas-request-id", ""),
            None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def _port(text: str) -> int:
    return int(text) if len(text) < 6 and text.isascii() and text.isdigit() else 0


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that the runtime would pass; a body that is not UTF-8 suffers."""
    headers = {name.title(): value for name, value in joined_headers(request).items()}
    headers["X-Faas-Event-Type"] = "http"
    headers["X-Faas-Request-Id"] = request.request_id
    if request.client:
        headers["X-Real-Ip"] = request.client[0]
        headers["X-Real-Port"] = str(request.client[1])
    return {
        "eventType": "http",
        "httpMethod": request.method,
        "path": request.path,
        "pathParameters": {},
        # Go writes a map in the order of its keys.
        "queryStringParameters": {
            key: ",".join(values) for key, values in sorted(decode_lists(request.query).items())
        },
        "headers": headers,
        "body": request.body.decode("utf-8", "replace"),
    }


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a result of text.

    Raises:
        ApplicationError: the body is not UTF-8, and so cannot be sent.
    """
    try:
        text = response.body.decode()
    except UnicodeDecodeError:
        raise ApplicationError(
            "veFaaS takes results of text alone, and the response's body is not UTF-8: "
            "leave it uncompressed, redirect to object storage, or deploy a native function"
        ) from None
    result = encode_joined(response.replace(body=b""), ())
    return {
        "statusCode": result["statusCode"],
        "headers": result["headers"],
        "body": text,
    }


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive, of the three keys that count."""
    if result is None:
        return Response(200)
    if not isinstance(result, dict):
        return _FAILED
    return read_result({key: result[key] for key in _RESULT_KEYS if key in result}) or _FAILED


def result_bytes(result: JSON) -> int:
    """Measure a result as JSON in ASCII, the json module's default."""
    import json

    return len(json.dumps(result))
