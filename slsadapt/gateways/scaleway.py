"""Scaleway Serverless Functions.

Sources: https://github.com/scaleway/serverless-functions-go (framework/core, the runtime's own
code), https://github.com/scaleway/serverless-functions-python (the vendor's emulator),
https://www.scaleway.com/en/docs/serverless-functions/reference-content/code-examples/,
https://www.scaleway.com/en/docs/serverless-functions/reference-content/request-headers/

- Shape: an AWS REST event whose ``multiValue*`` maps are null and whose context holds empty
  strings. The runtime writes ``stageVariables`` and an empty ``resource``, the Python emulator
  ``stageVariable`` and no ``resource``; both are claimed.
- Path: ``path``, decoded.
- Query: a map of decoded values; of a key that repeats the last value arrives.
- Headers: one string a name, ``Canonical-Case``, repeats joined with ``,``. The runtime's code
  leaves ``Host`` out, the emulator does not; without it the server is ``localhost``.
- Body: the client's, as text, always. ``isBase64Encoded`` says that the text *could* be decoded,
  which is so for ``""`` and for many a word; the runtime encodes nothing, and the vendor's
  upload examples decode nothing, so the flag is not read. Octets that are not UTF-8 are lost.
- Client: ``X-Envoy-External-Address``, which the vendor's page names for filtering, since
  ``X-Forwarded-For`` begins with what the client wrote. Scheme: ``X-Forwarded-Proto``. Request's
  id: ``X-Request-Id``.
- Response: a header that repeats is a list. A result whose ``statusCode`` is no whole number is a
  200, and one without ``body`` is a body itself; a body that is no text is sent as JSON. Whatever
  else has another type than documented is passed over. The runtime adds CORS headers where the
  application sets none.
- Limits: 6 MiB a request. ``/favicon.ico`` and ``/robots.txt`` never arrive; what a CRON trigger
  sends looks like a request, and is served as one.
"""

from __future__ import annotations

from ..message import Request, Response
from ..percent import decode, encode_path
from ._body import decode_base64, decode_body
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
from ._result import annotate, encode_lists, read_result, result_bytes

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

TITLE = "Scaleway Serverless Functions"
KEYS = 'httpMethod, multiValueHeaders null and requestContext.apiId ""'
REQUEST_LIMIT_BYTES = 6 * 1024 * 1024
RESULT_LIMIT_BYTES = None
LOSES = (
    "path_escapes",
    "query_order",
    "query_escapes",
    "query_flags",
    "query_last",
    "header_repeats",
    "binary_body",
    "port",
    "client_port",
    "stage",
    "root_path",
    "user",
)

_FIELDS = (
    ("httpMethod", TEXT),
    ("path", TEXT),
    ("queryStringParameters", OBJECT_OR_NONE, SCALARS),
    ("headers", OBJECT, SCALARS),
)
# What Go's http.Error writes, less a message that names the runtime's own fault.
_FAILED = Response(500, (("Content-Type", "text/plain; charset=utf-8"),))


def matches(event: Any) -> bool:
    """Tell the empty strings of this context from AWS's filled ones, which it imitates."""
    if not isinstance(event, dict) or "httpMethod" not in event:
        return False
    context = event.get("requestContext")
    return (
        event.get("multiValueHeaders", "") is None
        and isinstance(context, dict)
        and context.get("apiId") == context.get("stage") == context.get("accountId") == ""
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
        query = event.get("queryStringParameters")
        headers = header_pairs(event["headers"])
        fields = {name.lower(): value for name, value in headers}
        scheme = "http" if fields.get("x-forwarded-proto") == "http" else "https"
        client = fields.get("x-envoy-external-address")
        body = decode_body(event.get("body"), False)
        return build(
            event["httpMethod"].upper(),
            rooted_path(encode_path(event["path"])),
            encode_map(query) if query else "",
            deliverable(headers, fields, body),
            body,
            scheme,
            (client, 0) if client else None,
            address(fields.get("host"), None, scheme),
            "",
            "",
            fields.get("x-request-id", ""),
            None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that the runtime would send, with the ``Host`` that its emulator sends."""
    headers = {name.title(): value for name, value in joined_headers(request).items()}
    headers["X-Forwarded-Proto"] = request.scheme
    headers["X-Request-Id"] = request.request_id
    if request.client:
        headers["X-Envoy-External-Address"] = request.client[0]
    text = request.body.decode("utf-8", "replace")
    event: JSON = {
        "resource": "",
        "path": decode(request.path).decode("utf-8", "replace"),
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": None,
        # Go writes a map in the order of its keys.
        "queryStringParameters": {
            key: values[-1] for key, values in sorted(decode_lists(request.query).items())
        },
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": {},
        "requestContext": {
            "accountId": "",
            "resourceId": "",
            "stage": "",
            "requestId": "",
            "resourcePath": "",
            "authorizer": None,
            "httpMethod": request.method,
            "apiId": "",
        },
        "body": text,
    }
    if decode_base64(text) is not None:
        event["isBase64Encoded"] = True
    return event


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a result where a header that repeats is a list of strings."""
    return encode_lists(response, text_mime_types)


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive: a 200 where the result says no more."""
    import json

    whole = result if isinstance(result, dict) else {}
    fields = whole.get("headers")
    read: JSON = {"headers": _known(fields) if isinstance(fields, dict) else {}}
    if type(whole.get("statusCode")) is int:
        read["statusCode"] = whole["statusCode"]
    body = whole.get("body", result)
    if not isinstance(body, str | None):
        body = json.dumps(body, ensure_ascii=False)
    read["body"], read["isBase64Encoded"] = body, whole.get("isBase64Encoded") is True
    return read_result(read, lists=True) or _FAILED


def _known(fields: JSON) -> JSON:
    """Leave out what is neither text nor a list of it."""
    return {
        name: value
        for name, value in fields.items()
        if isinstance(value, str)
        or (isinstance(value, list) and all(isinstance(each, str) for each in value))
    }
