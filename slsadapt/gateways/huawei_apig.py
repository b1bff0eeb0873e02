"""Huawei FunctionGraph behind API Gateway (APIG), also as T Cloud Public runs them.

Sources: https://support.huaweicloud.com/intl/en-us/devg-functiongraph/functiongraph_02_0420.html,
https://github.com/opentelekomcloud-community/otc-functiongraph-python-runtime,
https://support.huaweicloud.com/intl/en-us/productdesc-functiongraph/functiongraph_01_0150.html,
https://support.huaweicloud.com/functiongraph_faq/functiongraph_03_0290.html (results),
https://support.huaweicloud.com/intl/en-us/usermanual-apig/apig-ug-180530090.html (errors)

- Path: ``path`` with the API's own path, without the stage, which a client names in a header.
  Whether it is encoded is not documented; taken as encoded. ``pathParameters`` repeats parts of
  it, under an empty key where the API matches by prefix, and is not read.
- Query: a map of **decoded** values, a list where a key repeats, true where it has no ``=``.
- Headers: one string a name, lower-case; a list is read too, as of a query. ``x-real-ip`` is the
  client's address (``x-forwarded-for`` begins with what the client wrote),
  ``x-forwarded-proto`` and ``-port`` tell the scheme and the port.
- Stage and the request's id: ``requestContext``. APIG tells of no authorizer.
- Body: a string, base64 unless a switch of the gateway is off: the flag is true beside ``""`` too.
- Beside these come ``lubanops-*`` keys of the vendor's tracing. The keys and tokens of the
  function's agency, which HTTP functions find in headers, do not reach the application.
- Response: a header that repeats is a list, as the vendor's own HTTP functions answer APIG. All
  of ``statusCode``, ``headers``, ``body`` and ``isBase64Encoded`` must be there, a number, a map, a
  string and a boolean; of any other result, such as a string, the vendor's FAQ says that clients
  get a 500. What it holds is not documented, APIG's own unexpected error stands for it.
- Limits: 4 MB a request through APIG, 6 MB a result.
"""

from __future__ import annotations

from binascii import b2a_base64

from ..message import Request, Response
from ._body import decode_body
from ._fields import (
    OBJECT,
    OBJECT_OR_NONE,
    SCALARS_OR_LISTS,
    TEXT,
    TEXT_OR_NONE,
    WRONG,
    address,
    bad_event,
    deliverable,
    header_lists,
    header_pairs,
    joined_headers,
    rooted_path,
)
from ._query import decode_map, encode_map
from ._result import annotate, encode_lists, is_typed, read_result, result_bytes

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

TITLE = "Huawei FunctionGraph, APIG trigger"
KEYS = "httpMethod, requestContext.apiId and .stage, no resource"
REQUEST_LIMIT_BYTES = 4 * 1024 * 1024
RESULT_LIMIT_BYTES = 6 * 1024 * 1024
LOSES = (
    "query_order",
    "query_escapes",
    "header_repeats",
    "client_port",
    "root_path",
    "user",
)

_FIELDS = (
    ("requestContext", OBJECT),
    ("requestContext.stage", TEXT_OR_NONE),
    ("requestContext.requestId", TEXT_OR_NONE),
    ("httpMethod", TEXT),
    ("path", TEXT),
    ("queryStringParameters", OBJECT_OR_NONE, SCALARS_OR_LISTS),
    ("headers", OBJECT, SCALARS_OR_LISTS),
)
# Keys of AWS's and of Tencent's events, some of which have an API and a stage too.
_FOREIGN = frozenset(
    {"resource", "multiValueHeaders", "queryString", "rawPath", "serviceId", "elb", "envId"}
)
_CREDENTIALS = (
    "x-cff-auth-token",
    "x-cff-security-access-key",
    "x-cff-security-secret-key",
    "x-cff-security-token",
)
_RESULT_TYPES = {
    "statusCode": (int,),
    "headers": (dict,),
    "body": (str,),
    "isBase64Encoded": (bool,),
}
_MALFORMED = Response(
    500,
    (("Content-Type", "application/json"),),
    b'{"error_msg":"An unexpected error occurred","error_code":"APIG.0201"}',
)


def matches(event: Any) -> bool:
    """Claim events of an API and its stage that lack what AWS and Tencent send beside these."""
    if not isinstance(event, dict) or "httpMethod" not in event:
        return False
    context = event.get("requestContext")
    return (
        isinstance(context, dict)
        and "apiId" in context
        and "stage" in context
        and _FOREIGN.isdisjoint(context)
        and _FOREIGN.isdisjoint(event)
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
        path = event["path"]
        query = event.get("queryStringParameters")
        named = event["headers"]
        if list in map(type, named.values()):
            lists = {name: each if type(each) is list else [each] for name, each in named.items()}
            headers = header_lists(lists)
        else:
            headers = header_pairs(named)
        fields = {name.lower(): value for name, value in headers}
        scheme = "http" if fields.get("x-forwarded-proto") == "http" else "https"
        client = fields.get("x-real-ip")
        stage = context.get("stage") or ""
        request_id = context.get("requestId") or ""
        "" + request_id + stage  # raises where one is no text
        body = decode_body(event.get("body"), event.get("isBase64Encoded"))
        return build(
            event["httpMethod"].upper(),
            rooted_path(path),
            encode_map(query) if query else "",
            deliverable(headers, fields, body, _CREDENTIALS),
            body,
            scheme,
            (client, 0) if client else None,
            address(fields.get("host"), fields.get("x-forwarded-port"), scheme),
            "",
            stage,
            request_id,
            None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that the gateway would send, for an API that matches ``/`` by prefix."""
    headers = joined_headers(request)
    headers["x-forwarded-proto"] = request.scheme
    headers["x-forwarded-port"] = str(request.server[1])
    if request.client:
        headers["x-real-ip"] = request.client[0]
    return {
        "body": b2a_base64(request.body, newline=False).decode(),
        "requestContext": {
            "apiId": "slsadapt",
            "requestId": request.request_id,
            "stage": request.stage,
        },
        "queryStringParameters": decode_map(request.query),
        "httpMethod": request.method,
        "pathParameters": {"": request.path.removeprefix("/")},
        "headers": headers,
        "path": request.path,
        "isBase64Encoded": True,
    }


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a result where a header that repeats is a list of strings."""
    return encode_lists(response, text_mime_types)


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive."""
    if not isinstance(result, dict) or not is_typed(result, _RESULT_TYPES):
        return _MALFORMED
    return read_result(result, lists=True) or _MALFORMED
