"""Alibaba Function Compute 3.0, HTTP triggers.

Source: https://help.aliyun.com/zh/functioncompute/fc/http-trigger-invoking-function

- The event comes as bytes of JSON, which the handler reads.
- Path: ``rawPath``, percent-encoded; ``requestContext.http.path`` is the decoded copy. No stage.
  The documented events have no ``Host``, for which ``requestContext.domainName`` stands.
- Query: ``queryParameters``, whose values are taken as **decoded**, since the page does not say;
  the values of a key that repeats are joined with ``,``, and the query itself does not come.
- Headers: ``Canonical-Case``, repeats joined with ``,``. The client is
  ``requestContext.http.sourceIp``, the last hop, while ``X-Forwarded-For`` holds what anybody
  wrote. The keys of the function's role do not reach the application.
- Body: text for text/* and some types of JSON, XML and JavaScript, whatever their octets, so that
  compressed ones are lost; base64 for all else, forms and requests without a type among them,
  whose flag is true beside ``""`` too. A vendor's captured event has text of another type with a
  flag that says so: the flag counts.
- Response: one string a header. Repeats are joined, and each ``Set-Cookie`` has a spelling of its
  own, which is not documented to work. What has no ``statusCode`` is a 200's body, what is no
  base64 goes out as it is. The platform ignores ``X-Fc-*``, ``Connection``,
  ``Content-Disposition``, ``Content-Length``, ``Date``, ``Keep-Alive`` and ``Server``.
- Limits: 32 MB a request, 8 KB of headers each way, 4 KB of path and query.
"""

from __future__ import annotations

from binascii import b2a_base64

from ..message import Request, Response
from ..percent import decode
from ._alibaba import CREDENTIALS, with_text_body
from ._body import decode_base64, decode_body
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
    host_of,
    joined_headers,
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

TITLE = "Alibaba Function Compute 3.0, HTTP trigger"
KEYS = 'version "v1" and requestContext.http'
REQUEST_LIMIT_BYTES = 32 * 1024 * 1024
RESULT_LIMIT_BYTES: int | None = None
LOSES = (
    "query_order",
    "query_escapes",
    "query_flags",
    "query_commas",
    "header_repeats",
    "binary_body",
    "port",
    "client_port",
    "stage",
    "root_path",
    "user",
    "response_repeats",
)

_FIELDS = (
    ("requestContext", OBJECT),
    ("requestContext.http", OBJECT),
    ("requestContext.http.method", TEXT),
    ("requestContext.http.sourceIp", TEXT_OR_NONE),
    ("requestContext.requestId", TEXT_OR_NONE),
    ("requestContext.domainName", TEXT_OR_NONE),
    ("rawPath", TEXT),
    ("queryParameters", OBJECT_OR_NONE, SCALARS_OR_LISTS),
    ("headers", OBJECT_OR_NONE, SCALARS),
)
# Beside text/*: types whose bodies come as text.
_TEXT_TYPES = (
    "application/atom+xml",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/xhtml+xml",
    "application/xml",
)
_IGNORED = (
    "connection",
    "content-disposition",
    "content-length",
    "date",
    "keep-alive",
    "server",
)
_DEFAULT_TYPE = ("Content-Type", "application/json")
_FAILED = Response(502, (_DEFAULT_TYPE,), b"Internal Server Error")


def matches(event: Any) -> bool:
    """Tell this payload by its version, where AWS's says ``"2.0"``."""
    if not isinstance(event, dict) or event.get("version") != "v1":
        return False
    context = event.get("requestContext")
    return isinstance(context, dict) and "http" in context


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
        http = context["http"]
        query = event.get("queryParameters")
        headers = header_pairs(event.get("headers") or {})
        fields = {name.lower(): value for name, value in headers}
        scheme = "http" if fields.get("x-forwarded-proto") == "http" else "https"
        source = http.get("sourceIp") or ""
        domain = context.get("domainName") or ""
        request_id = context.get("requestId") or ""
        "" + request_id + source + domain  # raises where one is no text
        body = decode_body(event.get("body"), event.get("isBase64Encoded"))
        return build(
            http["method"].upper(),
            rooted_path(event["rawPath"]),
            encode_map(query) if query else "",
            deliverable(headers, fields, body, CREDENTIALS),
            body,
            scheme,
            (source, 0) if source else None,
            address(fields.get("host") or domain, None, scheme),
            "",
            "",
            request_id,
            None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that the trigger would send, less the bytes around it."""
    from time import gmtime, strftime

    headers = {
        "-".join([part.capitalize() for part in name.split("-")]): value
        for name, value in joined_headers(request).items()
    }
    headers["X-Forwarded-Proto"] = request.scheme
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_text = content_type.startswith("text/") or content_type in _TEXT_TYPES
    host = host_of(request.server)
    return {
        "version": "v1",
        "rawPath": request.path,
        "headers": headers,
        # Go writes a map in the order of its keys.
        "queryParameters": {
            key: ",".join(values) for key, values in sorted(decode_lists(request.query).items())
        },
        "body": (
            request.body.decode("utf-8", "replace")
            if is_text
            else b2a_base64(request.body, newline=False).decode("ascii")
        ),
        "isBase64Encoded": not is_text,
        "requestContext": {
            "accountId": "123456789012345",
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "requestId": request.request_id,
            "time": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(received_ms // 1000)),
            "timeEpoch": str(received_ms),
            "http": {
                "method": request.method,
                "path": decode(request.path).decode("utf-8", "replace"),
                "protocol": "HTTP/1.1",
                "sourceIp": request.client[0] if request.client else "",
                "userAgent": headers.get("User-Agent", ""),
            },
        },
    }


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a result of one string a header."""
    return encode_joined(response, text_mime_types)


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive: a 200 where the result says no more."""
    import json

    parsed = result
    if isinstance(result, (bytes, str)):
        try:
            parsed = json.loads(result)
        except ValueError:
            pass
    if not isinstance(parsed, dict) or "statusCode" not in parsed:
        text = result if isinstance(result, (bytes, str)) else json.dumps(result)
        body = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        return Response(200, (_DEFAULT_TYPE,), body)
    parsed = with_text_body(parsed)
    if decode_base64(parsed.get("body") or "") is None:
        parsed = {**parsed, "isBase64Encoded": False}
    response = read_result(parsed)
    if response is None:
        return _FAILED
    headers = [
        (name, value)
        for name, value in response.headers
        if name.lower() not in _IGNORED and not name.lower().startswith("x-fc-")
    ]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(_DEFAULT_TYPE)
    return response.replace(headers=headers)
