"""How OpenWhisk behaves around an action: the controller behind nginx.

Source: https://github.com/apache/openwhisk

- limits, 60 s and 256 MB for a new action, 5 minutes, 60 s that the controller waits, 8 KB of URL:
  application.conf of common/scala and of core/controller
- What a client receives: WebActions.scala, ErrorResponse.scala, ActivationResult.scala. An action
  that raises has an error that is no response, and so is a 400; one that is killed or does not
  start is a 400 of its own. spray-json prints an error's keys in order, with two spaces. A number
  that a text has there is left out where it is not known here.
- Error of a URL that is too long: Pekko HTTP's, https://github.com/apache/pekko-http
- Headers of every response: CORS, as for actions without the annotation ``web-custom-options``
  (CorsSettings.scala), the transaction's and the activation's ID.
- request headers: nginx names its upstream as the host and keeps ``Connection``
  (ansible/roles/nginx/templates/nginx.conf.j2)
- environment: docs/actions.md; what belongs to one activation is not the platform's to set before
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

from ...message import Response
from . import Cloud
from ._answers import TRANSPORT, with_headers
from ._headers import without

if TYPE_CHECKING:
    from typing import Any

    from ...message import Request
    from ..function import Function
    from ..outcome import Failure, FailureKind
    from . import Arrival

    JSON = dict[str, Any]

__all__ = ["CLOUDS", "environment", "error", "fail", "hex_id", "respond"]

_CORS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH"),
    (
        "Access-Control-Allow-Headers",
        "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent",
    ),
)


def hex_id() -> str:
    """Make an ID as nginx does, 32 hexadecimal digits."""
    return uuid4().hex


def _receive(request: Request, arrival: Arrival) -> Request:
    return with_headers(request, {"host": "controllers"})


def respond(response: Response, arrival: Arrival) -> Response:
    """Add CORS and IDs; an action's header of the same name comes beside the controller's."""
    headers = without(response.headers, TRANSPORT)
    own = (
        ("x-openwhisk-activation-id", arrival.request_id.replace("-", "")),
        ("X-Request-ID", arrival.request_id),
    )
    return response.replace(headers=[*headers, *_CORS, *own])


_INVALID = "Response is not valid 'message/http'."
_PROCESSING = "There was an error processing your request."
_ANSWERS: dict[FailureKind, tuple[int, str]] = {
    "error": (400, _INVALID),
    "exit": (400, _PROCESSING),
    "timeout": (400, _PROCESSING),
    "memory": (400, _PROCESSING),
    "init": (400, _PROCESSING),
    "result_too_large": (400, _INVALID),
    "throttled": (429, "Too many concurrent requests in flight."),
    "gateway_timeout": (202, "Response not yet ready."),
    "request_too_large": (413, "Request larger than allowed."),
    "not_found": (404, "The requested resource does not exist."),
}
_PLAIN: dict[FailureKind, tuple[int, str]] = {
    "headers_too_large": (431, "HTTP header value exceeds the configured limit of 8192 characters"),
    "url_too_long": (414, "URI length exceeds the configured limit of 8192 characters"),
    "result_headers_too_large": (500, "There was an internal server error."),
}


def fail(failure: Failure) -> Response:
    """Give what the controller answers, or its HTTP server."""
    request_id = failure.request_id.replace("-", "")
    if failure.kind in _PLAIN:
        status, text = _PLAIN[failure.kind]
        return Response(status, (("Content-Type", "text/plain; charset=UTF-8"),), text.encode())
    status, text = _ANSWERS[failure.kind]
    headers = [("Content-Type", "application/json"), *_CORS, ("X-Request-ID", request_id)]
    if status in (202, 400):
        headers.append(("x-openwhisk-activation-id", request_id))
    body = json.dumps({"code": request_id, "error": text}, indent=2)
    return Response(status, headers, body.encode())


def error(failure: Failure) -> JSON:
    """Give an activation's result, whose one key is the error."""
    milliseconds = f"{(failure.timeout_s or 0) * 1000:.0f}"
    texts: dict[FailureKind, str] = {
        "exit": "The action did not produce a valid response and exited unexpectedly.",
        "timeout": f"The action exceeded its time limits of {milliseconds} milliseconds.",
        "memory": "The action exhausted its memory and was aborted.",
        "init": "The action did not initialize and exited unexpectedly.",
        "result_too_large": "The action produced a response that exceeded the allowed length.",
    }
    told = failure.error.get("errorMessage", failure.message)
    text = _ANSWERS.get(failure.kind, (0, failure.message))[1]
    return {"error": texts.get(failure.kind, told if failure.kind == "error" else text)}


def environment(function: Function, instance: str) -> dict[str, str]:
    """Give what an action finds of itself, beside what belongs to one activation."""
    return {
        "__OW_ACTION_NAME": f"/guest/{function.function_name}",
        "__OW_ACTION_VERSION": "0.0.1",
        "__OW_API_HOST": "http://localhost",
        "__OW_NAMESPACE": "guest",
    }


CLOUDS: dict[str, Cloud] = {
    "openwhisk": Cloud(
        dialect="openwhisk",
        platform="Apache OpenWhisk",
        timeout_s=60.0,
        timeout_limit_s=300.0,
        memory_mb=256,
        gateway_timeout_s=60.0,
        url_limit_bytes=8192,
        request_id=hex_id,
        receive=_receive,
        respond=respond,
        fail=fail,
        error=error,
        environment=environment,
    )
}
