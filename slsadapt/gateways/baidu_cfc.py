"""Baidu Cloud Function Compute (CFC), HTTP triggers.

Sources: https://cloud.baidu.com/doc/CFC/s/kjzmgugty, the sample event of the vendor's
bce-sam-cli, and https://github.com/baidu/EasyFaaS (pkg/httptrigger), which the vendor made of CFC

- Shape: an AWS REST event without ``multiValue*`` maps, its ``requestContext`` empty in every
  sample. ``App: HTTP-Trigger`` and ``X-Bce-Request-Id`` among the headers tell it apart.
- Path: ``path``. Whether it is encoded is not documented; taken as encoded, since
  aws-serverless-express is used with it unchanged.
- Query: a map of **decoded** values. How a key that repeats arrives is not documented: a list is
  read, one value is taken for the last.
- Headers: one string a name. ``X-Bce-Request-Id`` is the request's id; nothing that a client
  could not write tells its address.
- Body: a string, base64 where the trigger's option for binary bodies is on.
- Response: one string a header. Repeats are joined with ``,``, and each ``Set-Cookie`` has a
  spelling of its own, as aws-serverless-express writes them. What is not of the documented types
  is the body of a 200, as JSON: text/plain, or application/json where only the status is wrong
  or the body no base64.
- Limits: 6 MB a synchronous call.
"""

from __future__ import annotations

from ..message import Request, Response
from ._body import decode_body, encode_body
from ._fields import (
    NONE,
    OBJECT,
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
    rooted_path,
)
from ._query import decode_lists, encode_map
from ._result import annotate, encode_joined, is_typed, read_result, result_bytes

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

TITLE = "Baidu CFC, HTTP trigger"
KEYS = "httpMethod, resource and a header X-Bce-Request-Id or App: HTTP-Trigger"
REQUEST_LIMIT_BYTES = RESULT_LIMIT_BYTES = 6 * 1024 * 1024
LOSES = (
    "query_order",
    "query_escapes",
    "query_flags",
    "query_last",
    "header_repeats",
    "scheme",
    "port",
    "client",
    "stage",
    "root_path",
    "user",
    "response_repeats",
)

_FIELDS = (
    ("httpMethod", TEXT),
    ("path", TEXT),
    ("queryStringParameters", OBJECT_OR_NONE, SCALARS_OR_LISTS),
    ("headers", OBJECT, SCALARS),
)
_KEYS = frozenset({"httpMethod", "resource", "requestContext"})
_RESULT_TYPES = {
    "statusCode": (int, NONE),
    "headers": (dict, NONE),
    "body": (str, NONE),
    "isBase64Encoded": (bool, NONE),
}


def matches(event: Any) -> bool:
    """Tell this imitation of AWS by its own headers, where AWS's own keys are missing."""
    if not isinstance(event, dict) or not event.keys() >= _KEYS:
        return False
    context = event.get("requestContext") or {}
    headers = event.get("headers")
    return (
        "multiValueHeaders" not in event
        and isinstance(context, dict)
        and "stage" not in context
        and isinstance(headers, dict)
        and (
            "X-Bce-Request-Id" in headers
            or "x-bce-request-id" in headers
            or headers.get("App") == "HTTP-Trigger"
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
        body = decode_body(event.get("body"), event.get("isBase64Encoded"))
        return build(
            event["httpMethod"].upper(),
            rooted_path(path),
            encode_map(query) if query else "",
            deliverable(headers, fields, body),
            body,
            "https",
            None,
            address(fields.get("host"), None, "https"),
            "",
            "",
            fields.get("x-bce-request-id", ""),
            None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that a trigger on ``/{path+}`` would send, with binary bodies on."""
    headers = {name.title(): value for name, value in joined_headers(request).items()}
    headers["App"] = "HTTP-Trigger"
    headers["X-Bce-Request-Id"] = request.request_id
    body, is_base64 = encode_body(
        request.body,
        headers.get("Content-Type", ""),
        headers.get("Content-Encoding", ""),
        (),
    )
    return {
        "resource": "/{path+}",
        "path": request.path,
        "httpMethod": request.method,
        "headers": headers,
        # Nothing is said of the order in which keys arrive.
        "queryStringParameters": {
            key: values[-1] for key, values in sorted(decode_lists(request.query).items())
        },
        "pathParameters": {"path": request.path.removeprefix("/")},
        "requestContext": {},
        "body": body,
        "isBase64Encoded": is_base64,
    }


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a result of one string a header."""
    return encode_joined(response, text_mime_types)


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive: the result itself where it is malformed."""
    is_right = (
        isinstance(result, dict)
        and is_typed(result, _RESULT_TYPES)
        and all(isinstance(value, str) for value in (result.get("headers") or {}).values())
    )
    response = read_result(result) if is_right and result.get("statusCode") else None
    if response is not None:
        return response
    import json

    content_type = "application/json" if is_right else "text/plain"
    body = json.dumps(result, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Response(200, (("Content-Type", content_type),), body)
