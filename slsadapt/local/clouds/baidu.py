"""How Baidu Cloud behaves around a function: CFC and its HTTP triggers.

- what a client and a direct invocation receive: https://github.com/baidu/EasyFaaS, which the vendor
  made of CFC: a function that fails is a 500 with its ``errorMessage`` alone
  (pkg/httptrigger/httptrigger.go, pkg/controller/rtctrl), the platform's own errors are the JSON
  of pkg/error. It kills no function for its memory by itself; the process has ended then.
- The sizes of URL and headers, and what is answered to what is too large, are not documented: the
  platform's JSON with the status of HTTP.
- limits: 300 s and no less than 128 MB: https://cloud.baidu.com/doc/CFC/s/Vlw0ana7r; 3 s are those
  of a new function in the vendor's tools.
- request headers, ``Connection: close`` among them: as in the vendor's sample event
- environment: https://github.com/baidu/EasyFaaS, pkg/funclet/warmup.go, less its sockets
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...message import Response
from . import Cloud
from ._answers import FUNCTIONS_OWN, TRANSPORT, answer, with_headers, write
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
    return with_headers(request, {"connection": "close"})


def _respond(response: Response, arrival: Arrival) -> Response:
    headers = without(response.headers, TRANSPORT)
    return response.replace(headers=[*headers, ("X-Bce-Request-Id", arrival.request_id)])


_REFUSALS: dict[FailureKind, tuple[int, str, str]] = {
    "throttled": (429, "TooManyRequestsException", "Too many requests"),
    "gateway_timeout": (504, "RequestTimeoutException", "Gateway timeout"),
    "request_too_large": (413, "RequestTooLargeException", "Request entity too large"),
    "headers_too_large": (431, "RequestTooLargeException", "Request headers too large"),
    "url_too_long": (414, "RequestTooLargeException", "Request URI too long"),
    "result_headers_too_large": (502, "ServiceException", "Response headers too large"),
    "not_found": (
        404,
        "ResourceNotFoundException",
        "The resource specified in the request does not exist",
    ),
}


def _error(failure: Failure) -> JSON:
    if failure.kind in _REFUSALS:
        status, code, message = _REFUSALS[failure.kind]
        kind = "User" if status < 500 else "Server"
        return {"Code": code, "Message": message, "Status": status, "Type": kind}
    if failure.kind == "timeout":
        seconds = f"{failure.timeout_s or 0:g}"
        return {"errorMessage": f"{failure.request_id} Task timed out after {seconds} seconds"}
    if failure.kind in ("exit", "memory"):
        text = "Process exited before completing request"
        return {"errorMessage": f"RequestID: {failure.request_id} {text}"}
    return {"errorMessage": failure.error.get("errorMessage", failure.message)}


def _fail(failure: Failure) -> Response:
    own = ("X-Bce-Request-Id", failure.request_id)
    if failure.kind in FUNCTIONS_OWN:
        type_ = ("Content-Type", "application/json; charset=utf-8")
        return Response(500, (type_, own), write(_error(failure)))
    return answer(_REFUSALS[failure.kind][0], _error(failure), (own,))


def _environment(function: Function, instance: str) -> dict[str, str]:
    return {
        "BCE_RUNTIME_NAME": f"local-{instance}",
        "BCE_USER_CODE_ROOT": str(function.folder),
    }


CLOUDS: dict[str, Cloud] = {
    "baidu_cfc": Cloud(
        dialect="baidu_cfc",
        platform="Baidu CFC",
        timeout_s=3.0,
        timeout_limit_s=300.0,
        memory_mb=128,
        request_id=new_uuid,
        receive=_receive,
        respond=_respond,
        fail=_fail,
        error=_error,
        environment=_environment,
    )
}
