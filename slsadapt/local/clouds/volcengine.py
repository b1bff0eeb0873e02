"""How Volcengine behaves around a function: veFaaS behind its API gateway.

- what the runtime answers for a function that fails, a 500 with ``X-Faas-Response-Error-Code`` and
  no body: https://github.com/volcengine/vefaas-golang-runtime, utils/response.go; a process that
  ends is taken for a panic
- What the platform answers where the runtime cannot, and its sizes, are not documented: 504 for a
  time limit, 429 for no free instance, 502 for no process, with codes in the runtime's manner.
- limits: 900 s are the runtime's own, entry.go there; 30 s are in the samples of
  https://www.pulumi.com/registry/packages/volcengine/api-docs/vefaas/function, and 512 MB are taken
  for a new function.
- environment: what the vendor's samples read,
  https://github.com/vefaas-dev/code-examples, and functions have told of
- Go's client, which the gateway is, asks for gzip where the client does not, as in the captured
  event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...message import Response
from . import Cloud
from ._answers import TRANSPORT, told, with_headers
from ._headers import new_uuid, without

if TYPE_CHECKING:
    from typing import Any

    from ...message import Request
    from ..function import Function
    from ..outcome import Failure, FailureKind
    from . import Arrival

    JSON = dict[str, Any]

__all__ = ["CLOUDS"]


def _receive(request: Request, arrival: Arrival) -> Request:
    added = {"accept-encoding": dict(request.headers).get("accept-encoding", "gzip")}
    return with_headers(request, added)


def _respond(response: Response, arrival: Arrival) -> Response:
    return response.replace(headers=without(response.headers, TRANSPORT))


_PANIC = "Function panic, please check log for more details."
_ERRORS: dict[FailureKind, tuple[int, str, str]] = {
    "exit": (500, "function_panic", _PANIC),
    "timeout": (504, "function_timeout", "Function execution timed out."),
    "memory": (502, "function_oom", "Function ran out of memory."),
    "init": (500, "function_initialize_error", "Function initialization failed."),
    "throttled": (429, "function_throttled", "Too many requests."),
    "gateway_timeout": (504, "gateway_timeout", "Gateway timeout."),
    "request_too_large": (413, "request_too_large", "The request is too large."),
    "headers_too_large": (431, "headers_too_large", "The request's headers are too large."),
    "url_too_long": (414, "url_too_long", "The request's URL is too long."),
    "not_found": (404, "not_found", "The function is not found."),
}


def _told(failure: Failure) -> tuple[int, str, str]:
    if failure.kind in _ERRORS:
        return _ERRORS[failure.kind]
    text = failure.error.get("errorMessage", failure.message)
    return 500, "function_execution_error", f"Function returns error, {text}."


def _fail(failure: Failure) -> Response:
    status, code, message = _told(failure)
    # A header's value has no line ends, and Go writes spaces in their place.
    message = " ".join(message.splitlines()).encode("utf-8", "replace").decode("latin-1")
    headers = (
        ("X-Faas-Response-Error-Code", code),
        ("X-Faas-Response-Error-Message", message),
        ("X-Faas-Request-Id", failure.request_id),
    )
    return Response(status, headers)


def _error(failure: Failure) -> JSON:
    _, code, message = _told(failure)
    return told(failure, code, message)


def _environment(function: Function, instance: str) -> dict[str, str]:
    return {
        "_FAAS_FUNC_ID": function.function_name,
        "_FAAS_FUNC_TIMEOUT": f"{function.timeout_s or 0:g}",
        "_FAAS_RUNTIME_PORT": "8000",
    }


CLOUDS: dict[str, Cloud] = {
    "volcengine": Cloud(
        dialect="volcengine",
        platform="Volcengine veFaaS",
        timeout_s=30.0,
        timeout_limit_s=900.0,
        memory_mb=512,
        request_id=new_uuid,
        receive=_receive,
        respond=_respond,
        fail=_fail,
        error=_error,
        environment=_environment,
    )
}
