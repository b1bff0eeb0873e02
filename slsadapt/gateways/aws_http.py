"""AWS HTTP APIs, payload 2.0.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

- Path: ``rawPath`` comes **decoded once**, so it is encoded again and never decoded twice. The
  gateway loses what told ``%2F`` from ``/``, cuts the path at a decoded ``?``, and octets that
  are not UTF-8. The documentation does not say; a live capture of July 2026 does.
- Stage: a named stage is the first segment of ``rawPath``, also on a custom domain, where the
  client did not send it (``$default`` never is). On the default host the client did.
- Base path: the mapping key of a custom domain is nowhere in the event; name it in
  ``base_path``.
- Query: ``rawQueryString``, as sent.
- Repeats: headers joined with ``,``; cookies a list of their own.
- Body: absent without one; base64 unless its type is text/*, JSON, JavaScript or XML and there
  is no ``Content-Encoding``, so also that of a form.
- Response: one string a header, cookies apart, no ``multiValueHeaders``. A malformed result
  is a 500, and so is one without status that has an ``errorMessage``.
- Limits: 6 MB each way (Lambda's), 10,240 octets of headers, 30 s.
"""

from __future__ import annotations

from ..message import Request, Response
from ..percent import decode
from . import _aws_payload2 as payload2
from ._aws import REQUEST_LIMIT_BYTES, RESULT_LIMIT_BYTES, annotate, result_bytes
from ._aws_payload2 import encode_result
from ._fields import host_of

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

TITLE = "AWS HTTP API, payload 2.0"
KEYS = 'version "2.0" and requestContext.http, no .lambda-url. host'
LOSES = (
    "path_escapes",
    "header_repeats",
    "client_port",
    "base_path",
    "response_repeats",
)

_MALFORMED = Response(
    500, (("content-type", "application/json"),), b'{"message":"Internal Server Error"}'
)


def matches(event: JSON) -> bool:
    """Tell HTTP APIs from function URLs, by the host, and from authorizers' input."""
    context = event.get("requestContext")
    if type(context) is not dict:
        return False
    domain = context.get("domainName")
    if type(domain) is str and ".lambda-url." in domain:
        return False
    return "http" in context and event.get("version") == "2.0" and "routeArn" not in event


def decode_event(event: JSON) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    return decode_into(event, Request)


def decode_into(event: JSON, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    return payload2.decode_into(event, build, path_is_encoded=False)


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that the gateway would send for ``request``.

    A stage goes in front of the path, as the gateway puts it; a base path does not appear.
    """
    path = decode(request.path).decode("utf-8", "replace")
    return payload2.encode_event(
        request,
        f"/{request.stage}{path}" if request.stage else path,
        host_of(request.server),
        keep_cookie=False,
        received_ms=received_ms,
    )


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive."""
    if isinstance(result, dict) and "errorMessage" in result and "statusCode" not in result:
        # Taken for what a function that failed leaves, as recorded on AWS.
        return _MALFORMED
    return payload2.decode_result(result, _MALFORMED)
