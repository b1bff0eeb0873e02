"""AWS Lambda function URLs: payload 2.0 with the path encoded.

Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html

- Path: ``rawPath``, percent-encoded as sent; ``requestContext.http.path`` is the decoded copy.
- Stage: always ``$default``; no base path.
- Query: ``rawQueryString``, as sent.
- Repeats: headers joined with ``,``. Cookies come **twice**, in the ``cookies`` list and in the
  header; the header alone is read. The documentation does not say; a live capture of July 2026
  does. (Documents' samples hold only the list, which then counts.)
- Body: as ``aws_http``.
- User: none, and the account ``anonymous``, or else an IAM identity.
- Response: as ``aws_http``. A malformed result is a 502.
- Limits: 6 MB each way, the function's own timeout.
"""

from __future__ import annotations

from ..message import Request, Response
from . import _aws_payload2 as payload2
from ._aws import REQUEST_LIMIT_BYTES, RESULT_LIMIT_BYTES, annotate, result_bytes
from ._aws_payload2 import encode_result

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

TITLE = "AWS Lambda function URL"
KEYS = 'version "2.0", requestContext.http and a .lambda-url. host'
LOSES = (
    "header_repeats",
    "server",
    "client_port",
    "stage",
    "root_path",
    "response_repeats",
)

_MALFORMED = Response(502, (("content-type", "application/json"),), b"Internal Server Error")


def matches(event: JSON) -> bool:
    """Tell function URLs from HTTP APIs, by the host."""
    context = event.get("requestContext")
    if type(context) is not dict:
        return False
    domain = context.get("domainName")
    return (
        type(domain) is str
        and ".lambda-url." in domain
        and "http" in context
        and event.get("version") == "2.0"
    )


def decode_event(event: JSON) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    return decode_into(event, Request)


def decode_into(event: JSON, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    return payload2.decode_into(event, build, path_is_encoded=True)


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that the gateway would send for ``request``."""
    host = request.server[0]
    if ".lambda-url." not in host:
        # A domain of one's own stands in front as a proxy, and the event names the URL's host.
        host = "slsadapt00.lambda-url.us-east-1.on.aws"
    event = payload2.encode_event(request, request.path, host, True, received_ms)
    context = event["requestContext"]
    context["apiId"] = context["domainPrefix"]
    if request.user is None:
        context["accountId"] = "anonymous"
    else:
        # The only ones that a function URL authorizes.
        context["authorizer"] = {"iam": {"userArn": request.user}}
    return event


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive."""
    return payload2.decode_result(result, _MALFORMED)
