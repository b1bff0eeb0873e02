"""How Scaleway behaves around a function: its runtime behind Envoy and Knative.

- limits: 300 s and 256 MB for a new function, 1 hour:
  https://www.scaleway.com/en/docs/serverless-functions/reference-content/functions-limitations/,
  https://www.scaleway.com/en/developers/api/serverless-functions/
- what a client receives for a function that raises, and for a request that is too large, as Go's
  http.Error writes it; CORS headers where the application sets none; environment:
  https://github.com/scaleway/scaleway-functions-runtimes, the runtime's own code
- what Knative answers for a time limit and for too many requests, and Envoy for a process that
  ended: https://github.com/knative/serving, https://github.com/envoyproxy/envoy
- request headers: https://github.com/scaleway/serverless-functions-go, local/infra.go
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...message import Response
from . import Cloud
from ._answers import TRANSPORT, told, with_headers
from ._headers import append_client, new_uuid, without

if TYPE_CHECKING:
    from typing import Any

    from ...message import Request
    from ..function import Function
    from ..outcome import Failure, FailureKind
    from . import Arrival

    JSON = dict[str, Any]

__all__ = ["CLOUDS"]

_CORS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Headers", "Content-Type"),
)


def _receive(request: Request, arrival: Arrival) -> Request:
    name, hops = append_client(request.headers, arrival.client)
    added = {
        "forwarded": f"for={arrival.client[0]};proto={request.scheme}",
        "k-proxy-request": "activator",
        name: hops.replace(", ", ","),
    }
    return with_headers(request, added)


def _respond(response: Response, arrival: Arrival) -> Response:
    headers = without(response.headers, TRANSPORT)
    names = {name.lower() for name, _ in headers}
    return response.replace(
        headers=[*headers, *[pair for pair in _CORS if pair[0].lower() not in names]]
    )


_RESET = (
    "upstream connect error or disconnect/reset before headers. "
    "reset reason: connection termination"
)
# By Envoy and Knative, (status, text).
_ANSWERS: dict[FailureKind, tuple[int, str]] = {
    "exit": (503, _RESET),
    "timeout": (504, "request timeout"),
    "memory": (503, _RESET),
    "init": (503, "no healthy upstream"),
    "throttled": (503, "pending request queue full"),
    "gateway_timeout": (504, "upstream request timeout"),
    "headers_too_large": (431, "Request Header Fields Too Large"),
    "url_too_long": (414, "URI Too Long"),
    "result_headers_too_large": (502, "upstream connect error or disconnect/reset before headers"),
    "not_found": (404, "Not Found"),
}


def _text(failure: Failure) -> str:
    if failure.kind == "request_too_large":
        return "Request payload too large, max payload size = 6291456 bytes"
    message = failure.error.get("errorMessage", failure.message)
    # Spelt as the runtime does.
    return f"An error occured during handler execution: {message}"


def _fail(failure: Failure) -> Response:
    if failure.kind in _ANSWERS:
        status, text = _ANSWERS[failure.kind]
        return Response(status, (("Content-Type", "text/plain"),), text.encode())
    headers = (
        *_CORS,
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
    )
    status = 413 if failure.kind == "request_too_large" else 500
    return Response(status, headers, f"{_text(failure)}\n".encode("utf-8", "surrogatepass"))


def _error(failure: Failure) -> JSON:
    return told(failure, failure.kind, _ANSWERS.get(failure.kind, (0, _text(failure)))[1])


def _environment(function: Function, instance: str) -> dict[str, str]:
    return {
        "PORT": "8080",
        "SCW_APPLICATION_MEMORY": str(function.memory_mb),
        "SCW_APPLICATION_NAME": function.function_name,
        "SCW_APPLICATION_VERSION": "1",
        "SCW_HANDLER_NAME": function.name,
        "SCW_HANDLER_PATH": str(function.folder / function.module.replace(".", "/")),
    }


CLOUDS: dict[str, Cloud] = {
    "scaleway": Cloud(
        dialect="scaleway",
        platform="Scaleway Serverless Functions",
        timeout_s=300.0,
        timeout_limit_s=3600.0,
        memory_mb=256,
        request_id=new_uuid,
        receive=_receive,
        respond=_respond,
        fail=_fail,
        error=_error,
        environment=_environment,
    )
}
