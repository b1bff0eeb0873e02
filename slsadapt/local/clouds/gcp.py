"""How Google Cloud behaves around a function: Cloud Run functions behind Google's front end.

- limits: 60 s and 256 MB for a new function, 3,600 s:
  https://cloud.google.com/run/quotas, https://cloud.google.com/functions/docs/configuring/timeout;
  the time in which an instance starts is billed: https://cloud.google.com/run/pricing
- A function that raises is the framework's 500: https://github.com/GoogleCloudPlatform/functions-framework-python,
  crash_handler, whose text is Werkzeug's.
- 504 after the time limit, 429 where no instance may be started, 503 where one does not start or
  ends: https://cloud.google.com/run/docs/troubleshooting; texts as people saw them. Google's pages
  for what is too large or not found are not written here.
- Headers of 32 KB of request, 32 KB of response: https://cloud.google.com/load-balancing/docs/quotas
- request headers: https://cloud.google.com/functions/docs/reference/headers
- environment: https://cloud.google.com/run/docs/container-contract#env-vars,
  https://cloud.google.com/functions/docs/configuring/env-var
"""

from __future__ import annotations

import random
import string
from typing import TYPE_CHECKING

from ...message import Response
from . import Cloud
from ._answers import TRANSPORT, told, with_headers
from ._headers import without

if TYPE_CHECKING:
    from typing import Any

    from ...message import Request
    from ..function import Function
    from ..outcome import Failure, FailureKind
    from . import Arrival

    JSON = dict[str, Any]

__all__ = ["CLOUDS"]

_CRASHED = (
    "500 Internal Server Error: The server encountered an internal error and was unable to "
    "complete your request. Either the server is overloaded or there is an error in the "
    "application."
)


def _execution_id() -> str:
    """Make an ID as the framework does, ``"b8ldf0gz9xkq"``."""
    # An ID is no secret.
    return "".join(random.choices(string.ascii_lowercase + string.digits, k=12))  # noqa: S311


def _receive(request: Request, arrival: Arrival) -> Request:
    trace_id, host = arrival.trace_id, arrival.client[0]
    span = int(trace_id[:15], 16)
    hop = f'"[{host}]"' if ":" in host else f'"{host}"'
    added = {
        "forwarded": f"for={hop};proto={request.scheme}",
        "traceparent": f"00-{trace_id}-{span:016x}-01",
        "x-cloud-trace-context": f"{trace_id}/{span};o=1",
    }
    return with_headers(request, added)


def _respond(response: Response, arrival: Arrival) -> Response:
    headers = without(response.headers, TRANSPORT)
    trace = ("X-Cloud-Trace-Context", f"{arrival.trace_id};o=1")
    return response.replace(headers=[*headers, trace])


_ANSWERS: dict[FailureKind, tuple[int, str]] = {
    "exit": (503, "upstream connect error or disconnect/reset before headers"),
    "timeout": (504, "upstream request timeout"),
    "memory": (503, "upstream connect error or disconnect/reset before headers"),
    "init": (503, "Service Unavailable"),
    "result_too_large": (500, "Internal Server Error"),
    "throttled": (429, "Rate exceeded."),
    "gateway_timeout": (504, "upstream request timeout"),
    "request_too_large": (413, "Request Entity Too Large"),
    "headers_too_large": (431, "Request Header Fields Too Large"),
    "url_too_long": (414, "URI Too Long"),
    "result_headers_too_large": (502, "Bad Gateway"),
    "not_found": (404, "Not Found"),
}


def _fail(failure: Failure) -> Response:
    if failure.kind == "error":
        headers = (("Content-Type", "text/html; charset=utf-8"), ("X-Google-Status", "crash"))
        return Response(500, headers, _CRASHED.encode())
    status, text = _ANSWERS[failure.kind]
    return Response(status, (("Content-Type", "text/plain"),), text.encode())


def _error(failure: Failure) -> JSON:
    return told(failure, failure.kind, _ANSWERS.get(failure.kind, (500, _CRASHED))[1])


def _environment(function: Function, instance: str) -> dict[str, str]:
    name = function.function_name
    return {
        "FUNCTION_SIGNATURE_TYPE": "http",
        "FUNCTION_TARGET": function.name,
        "K_CONFIGURATION": name,
        "K_REVISION": f"{name}-00001-lcl",
        "K_SERVICE": name,
        "PORT": "8080",
    }


CLOUDS: dict[str, Cloud] = {
    "gcp": Cloud(
        dialect="gcp",
        platform="Google Cloud Functions",
        timeout_s=60.0,
        timeout_limit_s=3600.0,
        memory_mb=256,
        bills_init=True,
        headers_limit_bytes=32 * 1024,
        result_headers_limit_bytes=32 * 1024,
        request_id=_execution_id,
        receive=_receive,
        respond=_respond,
        fail=_fail,
        error=_error,
        environment=_environment,
    )
}
