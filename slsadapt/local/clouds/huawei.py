"""How Huawei Cloud behaves around a function: FunctionGraph behind API Gateway (APIG).

- limits: 3 s and 128 MB for a new function, 259,200 s:
  https://support.huaweicloud.com/intl/en-us/productdesc-functiongraph/functiongraph_01_0150.html,
  https://support.huaweicloud.com/en-us/functiongraph_faq/functiongraph_03_0250.html; APIG waits
  5 s unless the trigger says otherwise.
- APIG's errors and sizes, 32 KB of URL and 128 KB of headers, whose excess is a 494:
  https://support.huaweicloud.com/intl/en-us/usermanual-apig/apig-ug-180530090.html; their JSON
  as people saw it
- A function that fails is taken to be APIG's unexpected error, as a malformed result is:
  https://support.huaweicloud.com/functiongraph_faq/functiongraph_03_0290.html
- FunctionGraph's errors:
  https://support.huaweicloud.com/intl/en-us/my-kualalumpur-1-api-functiongraph/ErrorCode.html,
  their texts, and the codes that the page has not, as in openYuanrong, which the vendor made of
  its kernel: https://docs.openyuanrong.org
- request headers: as captured; environment: the variables that the vendor's runtime reads,
  https://github.com/opentelekomcloud-community/otc-functiongraph-python-runtime, context.py
- ``X-Request-Id`` on responses:
  https://support.huaweicloud.com/intl/en-us/usermanual-apig/apig_03_0047.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from . import Cloud
from ._answers import TRANSPORT, answer, with_headers
from ._headers import append_client, without

if TYPE_CHECKING:
    from typing import Any

    from ...message import Request, Response
    from ..function import Function
    from ..outcome import Failure, FailureKind
    from . import Arrival

    JSON = dict[str, Any]

__all__ = ["CLOUDS"]


def _hex_id() -> str:
    return uuid4().hex


def _receive(request: Request, arrival: Arrival) -> Request:
    name, hops = append_client(request.headers, arrival.client)
    host = dict(request.headers).get("host", arrival.server[0])
    added = {name: hops, "x-forwarded-host": host, "x-request-id": arrival.request_id}
    return with_headers(request, added)


def _respond(response: Response, arrival: Arrival) -> Response:
    headers = without(response.headers, TRANSPORT)
    return response.replace(headers=[*headers, ("X-Request-Id", arrival.request_id)])


_APIG_ERRORS: dict[FailureKind, tuple[int, str, str]] = {
    "throttled": (429, "FSS.0429", "Too many requests."),
    "gateway_timeout": (504, "APIG.0201", "Backend timeout."),
    "request_too_large": (413, "APIG.0201", "Request entity too large."),
    "headers_too_large": (494, "APIG.0201", "Request headers too large."),
    "url_too_long": (414, "APIG.0201", "Request URI too large."),
    "not_found": (
        404,
        "APIG.0101",
        "The API does not exist or has not been published in the environment",
    ),
}


def _fail(failure: Failure) -> Response:
    unexpected = (500, "APIG.0201", "An unexpected error occurred")
    status, code, message = _APIG_ERRORS.get(failure.kind, unexpected)
    # Of the gateway's own form, which FunctionGraph's is not.
    request_id = failure.request_id.replace("-", "")
    told = {"error_msg": message, "error_code": code, "request_id": request_id}
    return answer(status, told, (("X-Request-Id", request_id),))


_FSS_ERRORS: dict[FailureKind, tuple[str, str]] = {
    "error": ("FSS.4002", "function invocation exception"),
    "exit": ("FSS.4204", "runtime process is exited"),
    "memory": ("FSS.4205", "runtime memory limit exceeded"),
    "init": ("FSS.4201", "function initialization failed"),
    "result_too_large": ("FSS.4004", "response body size exceeds the limit of 6291456"),
    "throttled": ("FSS.0429", "Too many requests."),
    "request_too_large": ("FSS.0413", "The request body is too large."),
}


def _error(failure: Failure) -> JSON:
    code, message = _FSS_ERRORS.get(failure.kind, ("FSS.0500", failure.message))
    if failure.kind == "timeout":
        code, message = "FSS.4010", f"call invoke timeout {failure.timeout_s or 0:g}s"
    if failure.error:
        kind, text = failure.error.get("errorType", ""), failure.error.get("errorMessage", "")
        message = f"{message}: {kind}: {text}"
    return {"error_code": code, "error_msg": message}


def _environment(function: Function, instance: str) -> dict[str, str]:
    return {
        "RUNTIME_CODE_ROOT": str(function.folder),
        "RUNTIME_CPU": "300",
        "RUNTIME_FUNC_NAME": function.function_name,
        "RUNTIME_FUNC_VERSION": "latest",
        "RUNTIME_HANDLER": f"{function.module}.{function.name}",
        "RUNTIME_MEMORY": str(function.memory_mb),
        "RUNTIME_PACKAGE": "default",
        "RUNTIME_PROJECT_ID": "0123456789abcdef0123456789abcdef",
        "RUNTIME_TIMEOUT": f"{function.timeout_s or 0:g}",
        "RUNTIME_USERDATA": "{}",
    }


CLOUDS: dict[str, Cloud] = {
    "huawei_apig": Cloud(
        dialect="huawei_apig",
        platform="Huawei FunctionGraph",
        timeout_s=3.0,
        timeout_limit_s=259_200.0,
        memory_mb=128,
        gateway_timeout_s=5.0,
        headers_limit_bytes=128 * 1024,
        url_limit_bytes=32 * 1024,
        request_id=_hex_id,
        stage="RELEASE",
        receive=_receive,
        respond=_respond,
        fail=_fail,
        error=_error,
        environment=_environment,
    )
}
