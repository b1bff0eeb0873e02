"""How Tencent Cloud behaves around a function: SCF, and the gateways that invoke it.

SCF:

- limits: 3 s and 128 MB for a new function, 900 s:
  https://cloud.tencent.com/document/product/583/11637; CloudBase gives a new one 256 MB,
  https://docs.cloudbase.net/cloud-function/function-configuration/config
- environment: https://docs.cloudbase.net/cloud-function/function-configuration/env, and what
  functions have read of it; CloudBase's namespace is its environment, also ``TCB_ENV``
- errors, whose ``statusCode`` stands in JSON that a direct invocation and the gateways give:
  https://cloud.tencent.com/document/product/583/42611, and texts as people saw them. Which of the
  codes stands for a module that cannot be imported is not documented; 443 is taken,
  ``UserCodeError``.

``tencent_apigw``:

- request headers, the ``endpoint-timeout`` of 15 s among them, ``Connection`` not taken off: as
  captured
- a function that fails is a 200 with SCF's JSON: https://cloud.tencent.com/document/product/583/12513
  says so of a timeout, and the same is taken of all else.
- the gateway's own errors: https://cloud.tencent.com/document/product/628/31717, each
  ``{"message": ...}``; of sizes nothing is documented.

``tencent_function_url``:

- size, 4 KB of a response's headers: https://cloud.tencent.com/document/product/583/56124, of web
  functions; of a request's headers and URL nothing is documented.
- a function that fails is answered with SCF's status code as HTTP's, and its JSON: documented of
  web functions, taken of all.
- No capture has a scheme, for URLs are https. Where the client speaks http, as on one's own
  machine, ``X-Forwarded-Proto`` says so all the same.

``tencent_cloudbase``: request headers as captured, behind the CDN that serves custom domains;
errors, with statuses that are not documented: https://docs.cloudbase.net/error-code/service

``tencent_websocket``: https://cloud.tencent.com/document/product/583/32553. No limit is documented.
After a failed message the gateway ends the connection without a code, for which 1011 stands.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from ...message import Response
from . import Cloud, SocketRules
from ._answers import TRANSPORT, answer, traceback_text, with_headers
from ._headers import HOP_BY_HOP, new_uuid, without

if TYPE_CHECKING:
    from typing import Any

    from ...message import Request
    from ..function import Function
    from ..outcome import Failure, FailureKind
    from . import Arrival

    JSON = dict[str, Any]

__all__ = ["CLOUDS"]

_ENVIRONMENT_ID = "slsadapt-0g"
# Tencent's API Gateway passes on what it need not.
_DECODED = frozenset({"transfer-encoding", "te", "trailer"})
_CODES: dict[FailureKind, int] = {
    "error": 430,
    "exit": 439,
    "timeout": 433,
    "memory": 434,
    "init": 443,
    "result_too_large": 407,
    "throttled": 432,
    "request_too_large": 406,
}


def _text(failure: Failure) -> str:
    if failure.kind == "timeout":
        return f"Invoking task timed out after {failure.timeout_s or 0:g} seconds"
    if failure.kind == "memory":
        return f"Task memory exceeded {failure.memory_mb} MB"
    texts: dict[FailureKind, str] = {
        "error": "user code exception caught",
        "exit": "User process exit when running",
        "init": "user code exception caught",
        "result_too_large": "The size of response exceeds the upper limit (6MB)",
        "throttled": "concurrency exceeded reserved quota",
        "request_too_large": "RequestTooLarge",
    }
    return texts.get(failure.kind, failure.message)


def _error(failure: Failure) -> JSON:
    """Write SCF's JSON, its keys in order."""
    told: JSON = {
        "errorCode": -1,
        "errorMessage": _text(failure),
        "requestId": failure.request_id,
    }
    if failure.error.get("stackTrace"):
        told["stackTrace"] = traceback_text(failure.error)
    return {**told, "statusCode": _CODES.get(failure.kind, 500)}


def _environment(function: Function, instance: str) -> dict[str, str]:
    return {
        "SCF_FUNCTIONNAME": function.function_name,
        "SCF_FUNCTIONVERSION": "$LATEST",
        "SCF_NAMESPACE": "default",
        "TENCENTCLOUD_APPID": "1250000000",
        "TENCENTCLOUD_REGION": "ap-guangzhou",
        "TENCENTCLOUD_RUNENV": "SCF",
        "TENCENTCLOUD_UIN": "100000000001",
        "USER_CODE_ROOT": f"{function.folder}/",
    }


def _environment_cloudbase(function: Function, instance: str) -> dict[str, str]:
    variables = {"SCF_NAMESPACE": _ENVIRONMENT_ID, "TCB_ENV": _ENVIRONMENT_ID}
    return _environment(function, instance) | variables


def _hex_id() -> str:
    return uuid4().hex


# API Gateway.


def _receive_apigw(request: Request, arrival: Arrival) -> Request:
    added = {
        "endpoint-timeout": "15",
        "requestsource": "APIGW",
        "x-anonymous-consumer": "true",
        "x-b3-traceid": arrival.request_id,
        "x-qualifier": "$DEFAULT",
    }
    return with_headers(request, added, _DECODED)


def _respond_apigw(response: Response, arrival: Arrival) -> Response:
    headers = without(response.headers, TRANSPORT)
    return response.replace(headers=[*headers, ("X-Api-RequestId", arrival.request_id)])


_APIGW_ANSWERS: dict[FailureKind, tuple[int, str]] = {
    "gateway_timeout": (504, "Gateway Time-out"),
    "request_too_large": (413, "Request Entity Too Large"),
    "headers_too_large": (400, "Request Header Or Cookie Too Large"),
    "url_too_long": (414, "Request-URI Too Large"),
    "result_headers_too_large": (502, "Bad Gateway"),
    "not_found": (404, "Found no api"),
}


def _fail_apigw(failure: Failure) -> Response:
    # Of the gateway's own form, which SCF's is not.
    headers = (("X-Api-RequestId", failure.request_id.replace("-", "")),)
    if failure.kind in _APIGW_ANSWERS:
        status, message = _APIGW_ANSWERS[failure.kind]
        return answer(status, {"message": message}, headers)
    return answer(200, _error(failure), headers)


_APIGW = Cloud(
    dialect="tencent_apigw",
    platform="Tencent SCF",
    timeout_s=3.0,
    timeout_limit_s=900.0,
    memory_mb=128,
    gateway_timeout_s=15.0,
    request_id=_hex_id,
    stage="release",
    is_stage_in_url=True,
    receive=_receive_apigw,
    respond=_respond_apigw,
    fail=_fail_apigw,
    error=_error,
    environment=_environment,
)

# Function URLs.


def _receive_url(request: Request, arrival: Arrival) -> Request:
    added = {"x-forwarded-proto": "http"} if request.scheme == "http" else {}
    return with_headers(request, added, {*_DECODED, "x-forwarded-proto"})


def _respond_url(response: Response, arrival: Arrival) -> Response:
    headers = without(response.headers, TRANSPORT)
    return response.replace(headers=[*headers, ("X-Scf-Request-Id", arrival.request_id)])


_URL_STATUSES: dict[FailureKind, int] = {
    "headers_too_large": 400,
    "url_too_long": 400,
    "result_headers_too_large": 502,
    "not_found": 404,
}


def _fail_url(failure: Failure) -> Response:
    status = _URL_STATUSES.get(failure.kind, _CODES.get(failure.kind, 504))
    told = {**_error(failure), "statusCode": status}
    return answer(status, told, (("X-Scf-Request-Id", failure.request_id),))


_URL = replace(
    _APIGW,
    dialect="tencent_function_url",
    gateway_timeout_s=None,
    result_headers_limit_bytes=4096,
    request_id=new_uuid,
    stage="",
    is_stage_in_url=False,
    receive=_receive_url,
    respond=_respond_url,
    fail=_fail_url,
)

# CloudBase.


def _receive_cloudbase(request: Request, arrival: Arrival) -> Request:
    added = {
        "x-client-proto": request.scheme,
        "x-client-proto-ver": "HTTP/1.1",
        "x-daa-tunnel": "hop_count=1",
        "x-nws-log-uuid": str(uuid4()),
        "x-real-ip": arrival.client[0],
        "x-stgw-time": f"{arrival.received_ms / 1000:.3f}",
        "x-tencent-ua": "Qcloud",
    }
    return with_headers(request, added, _DECODED)


def _respond_cloudbase(response: Response, arrival: Arrival) -> Response:
    headers = without(response.headers, TRANSPORT)
    return response.replace(headers=[*headers, ("X-Request-Id", arrival.request_id)])


_PAGE = "For more information, please refer to https://docs.cloudbase.net/error-code/service"
_CLOUDBASE_ANSWERS: dict[FailureKind, tuple[int, str]] = {
    "timeout": (504, "FUNCTION_TIME_LIMIT_EXCEEDED"),
    "memory": (500, "FUNCTION_MEMORY_LIMIT_EXCEEDED"),
    "throttled": (429, "FUNCTION_EXCEED_RESOURCE_LIMIT"),
    "gateway_timeout": (504, "FUNCTION_TIME_LIMIT_EXCEEDED"),
    "request_too_large": (413, "INVALID_REQUEST"),
    "headers_too_large": (431, "INVALID_REQUEST"),
    "url_too_long": (414, "INVALID_REQUEST"),
    "not_found": (404, "INVALID_PATH"),
}


def _fail_cloudbase(failure: Failure) -> Response:
    status, code = _CLOUDBASE_ANSWERS.get(failure.kind, (500, "FUNCTION_INVOCATION_FAILED"))
    if failure.kind in ("error", "init") and failure.error:
        text = f"Function code exception caught ({failure.error.get('errorMessage', '')})."
    else:
        text = f"{_text(failure).rstrip('.')}."
    told = {"code": code, "message": f"{text} {_PAGE}", "requestId": failure.request_id}
    return answer(status, told, (("X-Request-Id", failure.request_id),))


_CLOUDBASE = replace(
    _URL,
    dialect="tencent_cloudbase",
    platform="Tencent CloudBase",
    memory_mb=256,
    result_headers_limit_bytes=None,
    receive=_receive_cloudbase,
    respond=_respond_cloudbase,
    fail=_fail_cloudbase,
    environment=_environment_cloudbase,
)

# WebSocket APIs: of a handshake the function gets no headers, so that none need be added.


def _receive_websocket(request: Request, arrival: Arrival) -> Request:
    return request.replace(headers=without(request.headers, HOP_BY_HOP))


CLOUDS: dict[str, Cloud] = {
    "tencent_apigw": _APIGW,
    "tencent_function_url": _URL,
    "tencent_cloudbase": _CLOUDBASE,
    "tencent_websocket": replace(
        _APIGW,
        dialect="tencent_websocket",
        receive=_receive_websocket,
        sockets=SocketRules(
            message_bytes=None,
            frame_bytes=None,
            idle_s=None,
            total_s=None,
            takes_binary=True,
            failure_code=1011,
        ),
    ),
}
