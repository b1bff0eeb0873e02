"""How Yandex Cloud behaves around a function: Cloud Functions behind API Gateway.

- limits: 1 hour, with the first initialization in it:
  https://yandex.cloud/en/docs/functions/concepts/limits; 3 s and 128 MB for a new function:
  https://yandex.cloud/en/docs/functions/concepts/function
- what a client receives for a function that fails, ``X-Function-Error``, statuses, request headers
  that are removed, response headers that are:
  https://yandex.cloud/en/docs/functions/concepts/function-invoke. Authorization and cookies are
  taken to reach a function behind API Gateway, of which that page does not speak.
- The platform's own errors are ``errorCode``, ``errorMessage`` and ``errorType``, as people saw
  it of 413; other texts, and what stands for a process that ended, are not documented.
- headers that API Gateway adds to requests and to responses: as captured
- Nothing is documented of a function's environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from . import Cloud
from ._answers import FUNCTIONS_OWN, TRANSPORT, answer, told, with_headers
from ._headers import append_client, new_uuid, without

if TYPE_CHECKING:
    from typing import Any

    from ...message import Request, Response
    from ..function import Function
    from ..outcome import Failure, FailureKind
    from . import Arrival

    JSON = dict[str, Any]

__all__ = ["CLOUDS"]

_GATEWAY_ID = "d5dslsadapt0000000000"
_REQUEST_REMOVED = frozenset(
    {
        "connection",
        "content-md5",
        "expect",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    }
)
_RESPONSE_REMOVED = frozenset(
    {*TRANSPORT, "authorization", "cookie", "host", "max-forwards", "user-agent"}
)


def _receive(request: Request, arrival: Arrival) -> Request:
    host, port = arrival.client
    name, hops = append_client(request.headers, arrival.client)
    added = {
        name: hops,
        "x-api-gateway-function-id": "d4eslsadapt0000000000",
        "x-envoy-external-address": host,
        "x-envoy-original-path": request.path + (f"?{request.query}" if request.query else ""),
        "x-real-remote-address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "x-request-id": arrival.request_id,
        "x-serverless-certificate-ids": "{}",
        "x-serverless-gateway-id": _GATEWAY_ID,
        "x-trace-id": str(UUID(arrival.trace_id)),
    }
    return with_headers(request, added, _REQUEST_REMOVED)


def _respond(response: Response, arrival: Arrival) -> Response:
    headers = without(response.headers, _RESPONSE_REMOVED)
    own = (
        ("X-Request-Id", arrival.request_id),
        ("X-Serverless-Gateway-Id", _GATEWAY_ID),
        ("X-Serverless-Gateway-Path", "/{path+}"),
    )
    return response.replace(headers=[*headers, *own])


_ERRORS: dict[FailureKind, tuple[int, str]] = {
    "timeout": (504, "function execution timeout"),
    "throttled": (429, "too many requests"),
    "gateway_timeout": (504, "gateway timeout"),
    "request_too_large": (413, "request entity is larger than limits (3670016)"),
    "headers_too_large": (431, "request header fields are too large"),
    "url_too_long": (414, "request uri is too long"),
    "result_too_large": (502, "response is larger than limits (3670016)"),
    "result_headers_too_large": (502, "response header fields are too large"),
    "not_found": (404, "not found"),
}


def _error(failure: Failure) -> JSON:
    if failure.kind in _ERRORS:
        status, message = _ERRORS[failure.kind]
        return {"errorCode": status, "errorMessage": message, "errorType": "ProxyIntegrationError"}
    return told(failure, "UserCodeError", failure.message)


def _fail(failure: Failure) -> Response:
    headers = [("X-Request-Id", failure.request_id)]
    if failure.kind in FUNCTIONS_OWN:
        headers.insert(0, ("X-Function-Error", "true"))
    status = _ERRORS.get(failure.kind, (502, ""))[0]
    return answer(status, _error(failure), headers)


def _environment(function: Function, instance: str) -> dict[str, str]:
    return {}


CLOUDS: dict[str, Cloud] = {
    "yandex": Cloud(
        dialect="yandex",
        platform="Yandex Cloud Functions",
        timeout_s=3.0,
        timeout_limit_s=3600.0,
        memory_mb=128,
        request_id=new_uuid,
        receive=_receive,
        respond=_respond,
        fail=_fail,
        error=_error,
        environment=_environment,
    )
}
