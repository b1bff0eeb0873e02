"""How Alibaba Cloud behaves around a function: Function Compute, and what invokes it.

Function Compute:

- limit, 24 hours:
  https://www.alibabacloud.com/help/en/functioncompute/fc/what-can-i-do-if-my-function-exceeds-the-timeout-period-1;
  60 s and 512 MB are what the console gives a new function.
- The time in which an instance starts is taken to be billed, as initializers are:
  https://www.alibabacloud.com/help/en/functioncompute/fc/user-guide/function-instance-lifecycle
- environment:
  https://www.alibabacloud.com/help/en/functioncompute/fc-2-0/user-guide/fc-environment-variables
- errors of a direct invocation:
  https://www.alibabacloud.com/help/en/functioncompute/fc/user-guide/error-handling-1-1 and the
  pages about other runtimes' errors, less the durations and sizes in them; a process that is
  killed for its memory is one that exited. Of a timeout the text is as people saw it.
- error codes: https://help.aliyun.com/zh/fc/developer-reference/error-codes

``alibaba_fc3``, ``alibaba_fc2``:

- sizes, 8 KB of headers each way and 4 KB of path and query, a 400 ``InvalidArgument`` above them
  and a 502 for a response's: https://www.alibabacloud.com/help/en/functioncompute/web-functions
- a function that fails is a 502: https://help.aliyun.com/zh/functioncompute/fc/http-trigger-invoking-function;
  ``X-Fc-Error-Type``, 429: https://help.aliyun.com/document_detail/85445.html. The texts of 400
  and 404 are not documented.
- ``X-Fc-*``, ``Connection`` and ``Keep-Alive`` of a client's do not arrive.
- ``Content-Disposition: attachment``, with which the default domain has browsers save instead of
  show, is not added, as it is not on custom domains.
- What FC 2 adds to a response: https://github.com/alibaba/funcraft, less durations and sizes.

``alibaba_apigw``:

- errors, in ``X-Ca-Error-Code`` and ``X-Ca-Error-Message``: a function that fails or is throttled
  is ``D502FC``, whose text is not documented; nor is a body, there is none:
  https://www.alibabacloud.com/help/en/api-gateway/traditional-api-gateway/support/api-gateway-error-code-table
- 8 KB of URL and headers together, of which each is held to it here:
  https://www.alibabacloud.com/help/en/api-gateway/traditional-api-gateway/product-overview/limits;
  10 s are the backend's time limit in the vendor's samples.
- ``X-Ca-Request-Id`` on responses: the same pages
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from ...message import Response
from . import Cloud
from ._answers import TRANSPORT, answer, told, with_headers
from ._headers import HOP_BY_HOP, append_client, new_uuid, without

if TYPE_CHECKING:
    from typing import Any

    from ...message import Request
    from ..function import Function
    from ..outcome import Failure, FailureKind
    from . import Arrival

    JSON = dict[str, Any]

__all__ = ["CLOUDS"]


def _fc_id() -> str:
    """Make an ID as Function Compute does, ``"1-67aee50c-1520da26-bf73bbb91b69"``."""
    digits = os.urandom(10).hex()
    return f"1-{int(time.time()):08x}-{digits[:8]}-{digits[8:]}"


_EXITED = "Process exited unexpectedly before completing request"
_REFUSALS: dict[FailureKind, tuple[int, str, str]] = {
    "throttled": (429, "ResourceExhausted", "Reserve resource exceeded limit"),
    "request_too_large": (
        400,
        "EntityTooLarge",
        "payload size exceeds maximum allowed size (33554432 bytes)",
    ),
    "headers_too_large": (400, "InvalidArgument", "the size of headers exceeds the limit of 8KB"),
    "url_too_long": (400, "InvalidArgument", "the size of path exceeds the limit of 4KB"),
    "not_found": (404, "DomainRouteNotFound", "no route found for the path"),
}


def _frame(text: str) -> list[str]:
    """Split a frame as the runtime does: file, line, function, source."""
    place, *source = text.strip().splitlines()
    return [*place.rsplit(", ", 2), *[line.strip() for line in source]]


def _error(failure: Failure) -> JSON:
    if failure.kind in _REFUSALS:
        _, code, message = _REFUSALS[failure.kind]
        return {"errorCode": code, "errorMessage": message}
    if failure.kind == "timeout":
        seconds = f"{failure.timeout_s or 0:g}"
        return {"errorMessage": f"Function timed out after {seconds} seconds"}
    if failure.kind in ("exit", "memory") or not failure.error:
        is_exit = failure.kind in ("exit", "memory", "init")
        return {"errorMessage": _EXITED if is_exit else failure.message}
    error = told(failure, "", "")
    if "stackTrace" in error:
        error["stackTrace"] = [_frame(text) for text in error["stackTrace"]]
    return error


def _environment(function: Function, instance: str) -> dict[str, str]:
    return {
        "FC_ACCOUNT_ID": "123456789012345",
        "FC_FUNCTION_HANDLER": f"{function.module}.{function.name}",
        "FC_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "FC_FUNCTION_NAME": function.function_name,
        "FC_FUNC_CODE_PATH": str(function.folder),
        "FC_INSTANCE_ID": f"c-local-{instance}",
        "FC_QUALIFIER": "LATEST",
        "FC_REGION": "cn-hangzhou",
    }


# HTTP triggers.


def _receive_http(request: Request, arrival: Arrival) -> Request:
    own = {name for name, _ in request.headers if name.startswith("x-fc-")}
    return with_headers(request, {}, {*HOP_BY_HOP, *own})


def _respond_fc3(response: Response, arrival: Arrival) -> Response:
    headers = without(response.headers, TRANSPORT)
    return response.replace(headers=[*headers, ("X-Fc-Request-Id", arrival.request_id)])


def _respond_fc2(response: Response, arrival: Arrival) -> Response:
    exposed = (
        "Date,x-fc-request-id,x-fc-error-type,x-fc-code-checksum,x-fc-invocation-duration,"
        "x-fc-max-memory-usage,x-fc-log-result,x-fc-invocation-code-version"
    )
    headers = without(response.headers, TRANSPORT)
    headers.append(("Access-Control-Expose-Headers", exposed))
    return response.replace(headers=[*headers, ("X-Fc-Request-Id", arrival.request_id)])


def _fail_http(failure: Failure) -> Response:
    if failure.kind in _REFUSALS:
        status = _REFUSALS[failure.kind][0]
        kind = "FcCommonError"
        response = answer(status, _error(failure))
    else:
        kind = "UnhandledInvocationError"
        type_ = ("Content-Type", "application/json")
        response = Response(502, (type_,), b"Internal Server Error")
    own = (("X-Fc-Error-Type", kind), ("X-Fc-Request-Id", failure.request_id))
    return response.replace(headers=[*response.headers, *own])


_FC3 = Cloud(
    dialect="alibaba_fc3",
    platform="Alibaba Function Compute",
    timeout_s=60.0,
    timeout_limit_s=86_400.0,
    memory_mb=512,
    bills_init=True,
    headers_limit_bytes=8192,
    url_limit_bytes=4096,
    result_headers_limit_bytes=8192,
    request_id=_fc_id,
    receive=_receive_http,
    respond=_respond_fc3,
    fail=_fail_http,
    error=_error,
    environment=_environment,
)

# API Gateway.


def _receive_apigw(request: Request, arrival: Arrival) -> Request:
    name, hops = append_client(request.headers, arrival.client)
    return with_headers(request, {name: hops})


def _respond_apigw(response: Response, arrival: Arrival) -> Response:
    headers = without(response.headers, TRANSPORT)
    return response.replace(headers=[*headers, ("X-Ca-Request-Id", arrival.request_id)])


_APIGW_ERRORS: dict[FailureKind, tuple[int, str, str]] = {
    "gateway_timeout": (504, "D504TO", "Backend service request timeout"),
    "request_too_large": (413, "I413RL", "Request body too Large"),
    "headers_too_large": (400, "I400HD", "Invalid Header"),
    "url_too_long": (413, "I413UL", "Request URL too Large"),
    "not_found": (404, "I404NF", "API not found"),
}


def _fail_apigw(failure: Failure) -> Response:
    failed = (502, "D502FC", "Retrieve response from FunctionCompute failed")
    status, code, message = _APIGW_ERRORS.get(failure.kind, failed)
    headers = (
        ("X-Ca-Error-Code", code),
        ("X-Ca-Error-Message", message),
        ("X-Ca-Request-Id", failure.request_id.upper()),
    )
    return Response(status, headers)


def _ca_id() -> str:
    """Make an ID as API Gateway does, ``"7AD052CB-EE8B-4DFD-BBAF-EFB340E0A5AF"``."""
    return str(uuid4()).upper()


CLOUDS: dict[str, Cloud] = {
    "alibaba_fc3": _FC3,
    "alibaba_fc2": replace(_FC3, dialect="alibaba_fc2", request_id=new_uuid, respond=_respond_fc2),
    "alibaba_apigw": replace(
        _FC3,
        dialect="alibaba_apigw",
        gateway_timeout_s=10.0,
        url_limit_bytes=8192,
        result_headers_limit_bytes=None,
        request_id=_ca_id,
        stage="RELEASE",
        receive=_receive_apigw,
        respond=_respond_apigw,
        fail=_fail_apigw,
    ),
}
