"""AWS Application Load Balancers with a Lambda function as target.

Sources: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html

- Path: ``path`` percent-encoded as the client sent it. There is no stage.
- Query: maps whose keys and values are **not** decoded, so they are joined as they stand. The
  order among different keys is lost, and ``?a`` arrives as ``?a=``.
- Repeats: where the target group has multi-value headers on, complete in ``multiValueHeaders``
  and ``multiValueQueryStringParameters``, the single maps being null or absent; where it is off,
  ``headers`` and ``queryStringParameters`` hold the **last** value of each.
- Header names are lower-case.
- Body: ``""`` without one; base64 unless the type is text/*, JSON, JavaScript or XML and there
  is no ``Content-Encoding``.
- Client: the last entry of ``X-Forwarded-For``, which the load balancer appends, with the port
  if ``xff_client_port`` is on. Set to ``preserve``, the load balancer leaves the header to the
  client, whose word it then is. Scheme and port: ``X-Forwarded-Proto`` and ``-Port``.
- Request id: of ``X-Amzn-Trace-Id`` the ``Self``, which is the load balancer's own, or else the
  ``Root``.
- User: none. A listener that authenticates sends ``X-Amzn-Oidc-*``, but one that does not lets
  those of a client through, so applications have to verify their signature.
- Health checks are requests like any other, with ``User-Agent: ELB-HealthChecker/2.0`` and no
  other header, ``Host`` included.
- Response: ``multiValueHeaders`` if the event had them, ``headers`` otherwise; the load balancer
  reads only the one of its mode, and answers a value that is no string with a 502, as it does a
  status that is no number. The single mode takes one value a header, so repeats are joined, and
  each ``Set-Cookie`` has a spelling of its own. Repeats may reach the client in another order.
- Limits: 1 MB of request body, 1 MB of result.
"""

from __future__ import annotations

from ..message import Request, Response
from ..percent import encode_stray
from ._aws import ACCOUNT_ID, annotate, encode_request_body, reason, result_bytes
from ._body import decode_body
from ._fields import (
    LISTS,
    OBJECT,
    OBJECT_OR_NONE,
    SCALARS,
    SCALARS_OR_LISTS,
    TEXT,
    WRONG,
    address,
    bad_event,
    deliverable,
    group_headers,
    header_lists,
    header_pairs,
    host_of,
    last_forwarded,
    rooted_path,
)
from ._query import join_map, split_lists
from ._result import encode_flat, encode_joined, read_result

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

TITLE = "AWS Application Load Balancer"
KEYS = "requestContext.elb"
REQUEST_LIMIT_BYTES = RESULT_LIMIT_BYTES = 1024 * 1024
LOSES = ("query_order", "query_flags", "client_port", "stage", "root_path", "user")

_FIELDS = (
    ("requestContext", OBJECT),
    ("httpMethod", TEXT),
    ("path", TEXT),
    ("headers", OBJECT_OR_NONE, SCALARS),
    ("multiValueHeaders", OBJECT_OR_NONE, LISTS),
    ("queryStringParameters", OBJECT_OR_NONE, SCALARS_OR_LISTS),
    ("multiValueQueryStringParameters", OBJECT_OR_NONE, SCALARS_OR_LISTS),
)
_MALFORMED = Response(
    502,
    (("Content-Type", "text/html"),),
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n",
)


def matches(event: Any) -> bool:
    """Claim what a load balancer signs with its target group."""
    if not isinstance(event, dict) or "httpMethod" not in event:
        return False
    context = event.get("requestContext")
    return isinstance(context, dict) and "elb" in context


def decode_event(event: JSON) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    return decode_into(event, Request)


def decode_into(event: JSON, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    try:
        if type(event["requestContext"]) is not dict:
            raise TypeError("requestContext")
        path = event["path"]
        lists = event.get("multiValueHeaders")
        headers = header_lists(lists) if lists else header_pairs(event.get("headers") or {})
        fields = {name.lower(): value for name, value in headers}
        body = decode_body(event.get("body"), event.get("isBase64Encoded"))
        query = join_map(
            event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}
        )
        scheme = "http" if fields.get("x-forwarded-proto") == "http" else "https"
        return build(
            event["httpMethod"].upper(),
            rooted_path(path),
            query if query.isascii() else encode_stray(query),
            deliverable(headers, fields, body),
            body,
            scheme,
            last_forwarded(fields.get("x-forwarded-for", "")),
            address(fields.get("host"), fields.get("x-forwarded-port"), scheme),
            "",
            "",
            _trace_id(fields.get("x-amzn-trace-id", "")),
            None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def _trace_id(header: str) -> str:
    """Find the id in ``Root=1-67891233-abcdef012345678912345678``."""
    ids = dict([part.strip().partition("=")[::2] for part in header.split(";")])
    return ids.get("Self") or ids.get("Root") or ""


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a result in the mode of ``event``."""
    if event.get("multiValueHeaders") is None:
        result = encode_joined(response, text_mime_types)
    else:
        result, _ = encode_flat(response, text_mime_types)
        del result["headers"]
        result["multiValueHeaders"] = group_headers(response.headers)
    result["statusDescription"] = f"{response.status} {reason(response.status)}"
    return result


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that a target group with multi-value headers would be sent."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name, []).append(value)
    headers.setdefault("host", [host_of(request.server)])
    headers["x-forwarded-proto"] = [request.scheme]
    headers["x-forwarded-port"] = [str(request.server[1])]
    # Both may name what the client's own hold beside.
    hop = last_forwarded(headers.get("x-forwarded-for", [""])[-1])
    if request.client and (hop is None or hop[0] != request.client[0]):
        headers["x-forwarded-for"] = [request.client[0]]
    trace_id = _trace_id(headers.get("x-amzn-trace-id", [""])[-1])
    if request.request_id and trace_id != request.request_id:
        headers["x-amzn-trace-id"] = [f"Root={request.request_id}"]
    body, is_base64 = encode_request_body(
        request.body,
        headers.get("content-type", [""])[-1],
        headers.get("content-encoding", [""])[-1],
    )
    return {
        "requestContext": {
            "elb": {
                "targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:"
                f"{ACCOUNT_ID}:targetgroup/slsadapt/0123456789abcdef"
            }
        },
        "httpMethod": request.method,
        "path": request.path,
        "multiValueQueryStringParameters": split_lists(request.query),
        "multiValueHeaders": headers,
        "body": body,
        "isBase64Encoded": is_base64,
    }


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive, in the mode of the result."""
    if not isinstance(result, dict) or type(result.get("statusCode")) is not int:
        return _MALFORMED
    lists, fields = result.get("multiValueHeaders"), result.get("headers")
    if lists is not None:
        fields = None
    for value in _values(lists) + _values(fields):
        if type(value) is not str:
            return _MALFORMED
    return read_result({**result, "headers": fields}) or _MALFORMED


def _values(fields: Any) -> list[Any]:
    """List the values of headers, lists of values taken apart."""
    if not isinstance(fields, dict):
        return []
    return [
        value
        for values in fields.values()
        for value in (values if isinstance(values, list) else (values,))
    ]
