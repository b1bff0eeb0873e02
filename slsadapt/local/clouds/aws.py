"""How AWS behaves around a function: Lambda, and the gateways that invoke it.

Lambda:

- limits, 900 s, 3 s and 128 MB for a new function:
  https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html,
  https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html; initialization is billed
  since August 2025:
  https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
- environment: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
- what a direct invocation receives for a failure: run with the Runtime Interface Emulator,
  https://github.com/aws/aws-lambda-runtime-interface-emulator, and
  https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
- throttled, too large: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html

``aws_rest``:

- 29 s, 10,240 octets of request line and headers:
  https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
- request headers that it keeps to itself, response headers that it renames to
  ``x-amzn-Remapped-*``: "important notes",
  https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html, and
  what LocalStack recorded on AWS, https://github.com/localstack/localstack, header_utils.py
- errors: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html;
  a throttled function is a 500, https://repost.aws/questions/QUfI6bsdd0SOiPeyimzxSkfQ. What it
  says where request line or headers are too large is not documented.

``aws_http``:

- 30 s, and sizes: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
- errors, as people saw them: a function that fails or is killed is a 500, one that is throttled or
  takes longer than the gateway waits a 503. What is too large is not documented.
- A request without a body arrives with ``content-length: 0``, in AWS's own captures.

``aws_function_url``:

- It waits for as long as the function may take:
  https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
- ``X-Forwarded-*`` of the client's is overwritten. Response headers are renamed as by REST APIs.
- errors, as people saw them: a function that fails or is killed is a 502.

``aws_alb``:

- sizes: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
- errors: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html;
  the pages are nginx's without its signature.
- ``X-Amzn-Trace-Id`` where the client sends one:
  https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html

``aws_edge``:

- sizes, 30 s: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
- request headers: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html;
  all others are taken to be forwarded by the origin request policy.
- errors: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-edge-testing-debugging.html

``aws_lattice``: https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html. What
Lattice answers where the function does not is not documented.

``kong``: https://github.com/Kong/kong, kong/plugins/aws-lambda/handler.lua, kong/error_handlers.lua
and kong/tools/http.lua, for clients that accept JSON. The plugin passes on the headers of Lambda's
own answer. Kong keeps no limits of its own, and nginx its usual ones.

``aws_websocket``: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html;
what a client is sent after a message for which the function failed, and the code 1001 after too
long a time, as people saw them.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING
from uuid import uuid4

from ...gateways import aws_edge, aws_rest, kong
from ...gateways._aws import RESULT_LIMIT_BYTES, extended_id
from ...message import Response
from . import Cloud, SocketRules
from ._headers import HOP_BY_HOP, append_client, new_uuid, without

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypedDict

    from ...message import Pairs, Request
    from ..function import Function
    from ..outcome import Failure, FailureKind
    from . import Arrival

    JSON = dict[str, Any]

    class Platform(TypedDict):
        platform: str
        timeout_s: float
        timeout_limit_s: float
        memory_mb: int
        bills_init: bool
        error: Callable[[Failure], JSON]
        environment: Callable[[Function, str], Mapping[str, str]]


__all__ = ["CLOUDS"]

_REGION = "us-east-1"

# Lambda.


def _error(failure: Failure) -> JSON:
    """Write what a direct invocation receives for a failure."""
    request_id = failure.request_id
    if failure.kind == "timeout":
        text = f"Task timed out after {failure.timeout_s or 0:.2f} seconds"
        return _told("Sandbox.Timedout", f"RequestId: {request_id} Error: {text}")
    if failure.kind == "memory":
        text = "Runtime exited with error: signal: killed"
        return _told("Runtime.OutOfMemory", f"RequestId: {request_id} Error: {text}")
    if failure.kind == "result_too_large":
        text = "Response payload size exceeded maximum allowed payload size"
        return _told("Function.ResponseSizeTooLarge", f"{text} ({RESULT_LIMIT_BYTES} bytes).")
    if failure.kind == "throttled":
        return {
            "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
            "Type": "User",
            "message": "Rate Exceeded.",
        }
    if failure.error:
        # Before its first invocation a runtime knows no ID, and tells an empty one.
        told = {"requestId": "" if failure.kind == "init" else request_id, **failure.error}
        order = ("errorMessage", "errorType", "requestId", "stackTrace")
        return {name: told[name] for name in order if name in told}
    if failure.kind in ("exit", "init"):
        text = _how_ended(failure.status)
        return _told("Runtime.ExitError", f"RequestId: {request_id} Error: {text}")
    return _told("Unknown", failure.message)


def _how_ended(status: int | None) -> str:
    """Write how a process ended as Lambda does."""
    if not status:
        return "Runtime exited without providing a reason"
    if status > 0:
        return f"Runtime exited with error: exit status {status}"
    text = signal.strsignal(-status) or str(-status)
    return f"Runtime exited with error: signal: {text.lower()}"


def _told(kind: str, message: str) -> JSON:
    return {"errorType": kind, "errorMessage": message}


def _environment(function: Function, instance: str) -> dict[str, str]:
    """Give Lambda's variables, but those that name what is not on this machine."""
    name = function.function_name
    variables = {
        "AWS_DEFAULT_REGION": _REGION,
        "AWS_REGION": _REGION,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": time.strftime("%Y/%m/%d/[$LATEST]", time.gmtime())
        + uuid4().hex,
        "LAMBDA_TASK_ROOT": str(function.folder),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "_HANDLER": f"{function.module}.{function.name}",
    }
    if not function.bootstrap:
        # Lambda's own runtimes have it, others do not.
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        variables["AWS_EXECUTION_ENV"] = f"AWS_Lambda_python{python}"
    return variables


_LAMBDA: Platform = {
    "platform": "AWS Lambda",
    "timeout_s": 3.0,
    "timeout_limit_s": 900.0,
    "memory_mb": 128,
    "bills_init": True,
    "error": _error,
    "environment": _environment,
}

_EDGE: Platform = {**_LAMBDA, "platform": "AWS Lambda@Edge", "timeout_limit_s": 30.0}

# What the gateways share.

_API_LIMIT_BYTES = 10_240
_KILLED: tuple[FailureKind, ...] = (
    "error",
    "exit",
    "timeout",
    "memory",
    "init",
    "result_too_large",
    "result_headers_too_large",
)


def _extended() -> str:
    """Make an ID as API Gateway does, ``"ATfSdF7nPHcErRA="``."""
    return urlsafe_b64encode(os.urandom(11)).decode()


def _answers(killed: tuple[int, str], **others: tuple[int, str]) -> Mapping[str, tuple[int, str]]:
    """Tell (status, text) by the kind of failure; all in which the function fails have one."""
    return {**dict.fromkeys(_KILLED, killed), **others}


def _root(arrival: Arrival) -> str:
    """Write X-Ray's ID of a trace; its first digits are the time."""
    return f"Root=1-{arrival.trace_id[:8]}-{arrival.trace_id[8:]}"


def _trace(headers: Pairs, root: str) -> tuple[str, str]:
    """Write ``X-Amzn-Trace-Id``: the gateway's own ID beside a client's where that has one."""
    for name, value in headers:
        if name == "x-amzn-trace-id" and "Root=" in value:
            return name, f"{root.replace('Root=', 'Self=', 1)};{value}"
    return "x-amzn-trace-id", root


_ADDED = ("x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto")

# REST, WebSocket and HTTP APIs.

_REST_KEPT = frozenset(
    {
        *HOP_BY_HOP,
        *_ADDED,
        "content-length",
        "content-md5",
        "expect",
        "max-forwards",
        "server",
        "www-authenticate",
    }
) - {"proxy-authorization"}
_REMAPPED = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "content-md5",
        "date",
        "expect",
        "host",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "trailer",
        "upgrade",
        "user-agent",
        "www-authenticate",
        "x-amzn-requestid",
    }
)


def _receive_rest(request: Request, arrival: Arrival) -> Request:
    headers = without(request.headers, _REST_KEPT)
    headers.append(_trace(request.headers, _root(arrival)))
    headers.append(append_client(request.headers, arrival.client))
    return request.replace(headers=headers)


def _remapped(headers: Pairs) -> list[tuple[str, str]]:
    """Rename what may not come from a function."""
    kept = []
    for name, value in headers:
        lower = name.lower()
        if lower in _REMAPPED:
            name = f"x-amzn-Remapped-{name}"
        if lower != "transfer-encoding":
            kept.append((name, value))
    return kept


_REST_INVALID = aws_rest.decode_result(None)


def _respond_rest(response: Response, arrival: Arrival) -> Response:
    headers = _remapped(response.headers)
    headers += [
        ("x-amzn-RequestId", arrival.request_id),
        ("x-amz-apigw-id", extended_id(arrival.request_id)),
    ]
    if response is not _REST_INVALID:
        # Its own answers have none.
        headers.append(("X-Amzn-Trace-Id", f"{_root(arrival)};Sampled=0"))
    return response.replace(headers=headers)


_REST_ERRORS = {
    403: "ForbiddenException",
    413: "RequestTooLongException",
    500: "InternalServerErrorException",
    502: "InternalServerErrorException",
    504: "InternalServerErrorException",
}
_REST_ANSWERS = _answers(
    (502, '{"message": "Internal server error"}'),
    throttled=(500, '{"message": "Internal server error"}'),
    gateway_timeout=(504, '{"message": "Endpoint request timed out"}'),
    request_too_large=(413, '{"message":"Request Too Long"}'),
    headers_too_large=(431, '{"message":"Request Header Fields Too Large"}'),
    url_too_long=(414, '{"message":"Request-URI Too Long"}'),
    not_found=(403, '{"message":"Forbidden"}'),
)


def _fail_rest(failure: Failure) -> Response:
    status, text = _REST_ANSWERS[failure.kind]
    headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", failure.request_id)]
    if kind := _REST_ERRORS.get(status):
        headers.append(("x-amzn-ErrorType", kind))
    headers.append(("x-amz-apigw-id", extended_id(failure.request_id)))
    return Response(status, headers, text.encode())


_HTTP_KEPT = frozenset({*HOP_BY_HOP, *_ADDED})
_RESULT_KEPT = frozenset({*HOP_BY_HOP, "content-length"}) - {"proxy-authenticate"}


def _receive_http(request: Request, arrival: Arrival) -> Request:
    headers = without(request.headers, _HTTP_KEPT)
    if not any(name == "content-length" for name, _ in headers):
        headers.append(("content-length", str(len(request.body))))
    headers.append(_trace(request.headers, _root(arrival)))
    headers.append(append_client(request.headers, arrival.client))
    return request.replace(headers=headers)


def _respond_http(response: Response, arrival: Arrival) -> Response:
    headers = without(response.headers, _RESULT_KEPT)
    headers.append(("Apigw-Requestid", arrival.request_id))
    return response.replace(headers=headers)


_HTTP_ANSWERS = _answers(
    (500, "Internal Server Error"),
    throttled=(503, "Service Unavailable"),
    gateway_timeout=(503, "Service Unavailable"),
    request_too_large=(413, "Request Entity Too Large"),
    headers_too_large=(431, "Request Header Fields Too Large"),
    url_too_long=(414, "URI Too Long"),
    not_found=(404, "Not Found"),
)


def _fail_http(failure: Failure) -> Response:
    status, text = _HTTP_ANSWERS[failure.kind]
    headers = (
        ("content-type", "application/json"),
        ("Apigw-Requestid", extended_id(failure.request_id)),
    )
    return Response(status, headers, f'{{"message":"{text}"}}'.encode())


# Function URLs.


def _receive_url(request: Request, arrival: Arrival) -> Request:
    headers = without(request.headers, _HTTP_KEPT)
    headers.append(_trace(request.headers, _root(arrival)))
    headers.append(("x-forwarded-for", arrival.client[0]))
    if request.scheme == "https":
        headers.append(("x-amzn-tls-cipher-suite", "TLS_AES_128_GCM_SHA256"))
        headers.append(("x-amzn-tls-version", "TLSv1.3"))
    return request.replace(headers=headers)


def _respond_url(response: Response, arrival: Arrival) -> Response:
    headers = _remapped(response.headers)
    headers.append(("x-amzn-RequestId", arrival.request_id))
    headers.append(("X-Amzn-Trace-Id", f"{_root(arrival).lower()};sampled=0"))
    return response.replace(headers=headers)


_URL_ERRORS = {
    403: "AccessDeniedException",
    413: "RequestEntityTooLargeException",
    429: "TooManyRequestsException",
}
_URL_ANSWERS = _answers(
    (502, "Internal Server Error"),
    throttled=(
        429,
        '{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User",'
        '"message":"Rate Exceeded."}',
    ),
    gateway_timeout=(502, "Internal Server Error"),
    request_too_large=(
        413,
        '{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}',
    ),
    headers_too_large=(431, '{"Message":null}'),
    url_too_long=(414, '{"Message":null}'),
    not_found=(403, '{"Message":null}'),
)


def _fail_url(failure: Failure) -> Response:
    status, text = _URL_ANSWERS[failure.kind]
    headers = [
        ("Content-Type", "application/json"),
        ("x-amzn-RequestId", failure.request_id),
    ]
    if kind := _URL_ERRORS.get(status):
        headers.append(("x-amzn-ErrorType", kind))
    return Response(status, headers, text.encode())


# Load balancers.

# The client's Connection reaches the function, in AWS's own captures.
_ALB_KEPT = frozenset({*HOP_BY_HOP, *_ADDED}) - {"connection", "keep-alive", "proxy-authorization"}


def _alb_id() -> str:
    """Make an ID of a trace, which is what a load balancer gives its requests."""
    return f"1-{int(time.time()):08x}-{os.urandom(12).hex()}"


def _receive_alb(request: Request, arrival: Arrival) -> Request:
    headers = without(request.headers, _ALB_KEPT)
    headers.append(_trace(request.headers, f"Root={arrival.request_id}"))
    headers.append(append_client(request.headers, arrival.client))
    return request.replace(headers=headers)


def _respond_alb(response: Response, arrival: Arrival) -> Response:
    headers = without(response.headers, _RESULT_KEPT)
    names = {name.lower() for name, _ in headers}
    if "content-type" not in names:
        headers.append(("Content-Type", "application/octet-stream"))
    if "server" not in names:
        headers.append(("Server", "awselb/2.0"))
    return response.replace(headers=headers)


_ALB_ANSWERS = _answers(
    (502, "Bad Gateway"),
    throttled=(502, "Bad Gateway"),
    gateway_timeout=(504, "Gateway Time-out"),
    request_too_large=(413, "Request Entity Too Large"),
    headers_too_large=(400, "Bad Request"),
    url_too_long=(400, "Bad Request"),
    not_found=(404, "Not Found"),
)


def _fail_alb(failure: Failure) -> Response:
    status, text = _ALB_ANSWERS[failure.kind]
    title = f"{status} {text}"
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    headers = (("Content-Type", "text/html"), ("Server", "awselb/2.0"))
    return Response(status, headers, page.encode())


# CloudFront.

_EDGE_KEPT = frozenset(
    {
        *HOP_BY_HOP,
        "cloudfront-forwarded-proto",
        "expect",
        "via",
        "x-cache",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-http-method-override",
        "x-real-ip",
    }
)
_EDGE_KEPT_FAMILIES = ("x-amz-cf-", "x-edge-")
_VIA = "2afae0d44e2540f472c0635ab62c232b.cloudfront.net (CloudFront)"
_POP = "IAD89-C1"


def _edge_id() -> str:
    """Make an ID as CloudFront does, 56 characters of base64."""
    return urlsafe_b64encode(os.urandom(40)).decode()


def _receive_edge(request: Request, arrival: Arrival) -> Request:
    headers = [
        pair
        for pair in without(request.headers, _EDGE_KEPT)
        if not pair[0].startswith(_EDGE_KEPT_FAMILIES)
    ]
    headers.append(append_client(request.headers, arrival.client))
    # With the client's version of HTTP, which is 1.1 here.
    headers.append(("via", f"1.1 {_VIA}"))
    return request.replace(headers=headers)


_EDGE_INVALID = aws_edge.decode_result(None)


def _respond_edge(response: Response, arrival: Arrival) -> Response:
    names = {name.lower() for name, _ in response.headers}
    headers = [*response.headers]
    if "server" not in names:
        headers.append(("Server", "CloudFront"))
    result = "LambdaGeneratedResponse"
    if response is _EDGE_INVALID:
        result = "LambdaValidationError"
        page = aws_edge.error_page(502, aws_edge.INVALID, arrival.request_id)
        response = response.replace(body=page)
    return response.replace(headers=headers + _edge_headers(arrival.request_id, result))


def _edge_headers(request_id: str, result: str) -> list[tuple[str, str]]:
    return [
        ("X-Cache", f"{result} from cloudfront"),
        ("Via", f"1.1 {_VIA}"),
        ("X-Amz-Cf-Pop", _POP),
        ("X-Amz-Cf-Id", request_id),
    ]


_FUNCTION = "The Lambda function associated with the CloudFront distribution"
_EDGE_ANSWERS = _answers(
    (503, f"{_FUNCTION} is invalid or doesn't have the required permissions."),
    result_too_large=(502, aws_edge.INVALID),
    result_headers_too_large=(502, aws_edge.INVALID),
    throttled=(503, f"{_FUNCTION} was throttled."),
    gateway_timeout=(503, f"{_FUNCTION} is invalid or doesn't have the required permissions."),
    request_too_large=(413, "Bad request."),
    headers_too_large=(413, "Bad request."),
    url_too_long=(413, "Bad request."),
    not_found=(404, "Bad request."),
)
_EDGE_ERRORS = {502: "LambdaValidationError", 503: "LambdaExecutionError"}


def _fail_edge(failure: Failure) -> Response:
    status, sentence = _EDGE_ANSWERS[failure.kind]
    error = _EDGE_ERRORS.get(status, "Error")
    if failure.kind == "throttled":
        error = "LambdaLimitExceeded"
    headers = [("Content-Type", "text/html"), ("Server", "CloudFront")]
    headers += _edge_headers(failure.request_id, error)
    return Response(status, headers, aws_edge.error_page(status, sentence, failure.request_id))


# Lattice.


def _receive_lattice(request: Request, arrival: Arrival) -> Request:
    headers = [
        pair
        for pair in without(request.headers, _ALB_KEPT - {"x-amzn-trace-id"})
        if not pair[0].startswith("x-amzn-lattice-")
    ]
    headers.append(append_client(request.headers, arrival.client))
    return request.replace(headers=headers)


def _respond_lattice(response: Response, arrival: Arrival) -> Response:
    return response.replace(headers=without(response.headers, _RESULT_KEPT))


_LATTICE_ANSWERS = _answers(
    (502, "Bad Gateway"),
    throttled=(503, "Service Unavailable"),
    gateway_timeout=(504, "Gateway Timeout"),
    request_too_large=(413, "Payload Too Large"),
    headers_too_large=(431, "Request Header Fields Too Large"),
    url_too_long=(414, "URI Too Long"),
    not_found=(404, "Not Found"),
)


def _fail_lattice(failure: Failure) -> Response:
    status, text = _LATTICE_ANSWERS[failure.kind]
    return Response(status, (("Content-Type", "text/plain"),), text.encode())


# Kong.

_KONG = "kong/3.9.1"
# ngx.req.get_headers() reads no more.
_KONG_HEADERS = 100


def _receive_kong(request: Request, arrival: Arrival) -> Request:
    return request.replace(headers=request.headers[:_KONG_HEADERS])


_KONG_INVALID = kong.decode_result(None)


def _respond_kong(response: Response, arrival: Arrival) -> Response:
    own = [("Server", _KONG), ("X-Kong-Request-Id", arrival.request_id)]
    if response is _KONG_INVALID:
        return response.replace(headers=[*response.headers, *own])
    headers = without(response.headers, _RESULT_KEPT)
    if "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Type", "application/json"))
    headers += [
        ("x-amzn-Remapped-Content-Length", "0"),
        ("X-Amz-Executed-Version", "$LATEST"),
        ("X-Amzn-Trace-Id", f"{_root(arrival).lower()};sampled=0"),
        ("Via", f"1.1 {_KONG}"),
    ]
    return response.replace(headers=headers + own)


_UNEXPECTED = "An unexpected error occurred"
_KONG_ANSWERS = _answers(
    (502, ""),
    result_headers_too_large=(500, _UNEXPECTED),
    throttled=(500, _UNEXPECTED),
    gateway_timeout=(500, _UNEXPECTED),
    request_too_large=(500, _UNEXPECTED),
    headers_too_large=(400, "Request header or cookie too large"),
    url_too_long=(414, "URI too long"),
    not_found=(404, "no Route matched with those values"),
)


def _fail_kong(failure: Failure) -> Response:
    status, text = _KONG_ANSWERS[failure.kind]
    request_id = failure.request_id.replace("-", "")
    headers = (
        ("Content-Type", "application/json; charset=utf-8"),
        ("Server", _KONG),
        ("X-Kong-Request-Id", request_id),
    )
    # What Lambda tells of a function's error is a result to Kong, though a malformed one.
    body = _KONG_INVALID.body
    if text:
        body = f'{{\n  "message":"{text}",\n  "request_id":"{request_id}"\n}}'.encode()
    return Response(status, headers, body)


# WebSocket APIs.


def _failure_message(failure: Failure, connection_id: str) -> str:
    """Write what a client is sent for a message that failed; the spaces are the gateway's."""
    text = "Internal server error"
    if failure.kind == "gateway_timeout":
        text = "Endpoint request timed out"
    return (
        f'{{"message": "{text}", "connectionId":"{connection_id}", '
        f'"requestId":"{extended_id(failure.request_id)}"}}'
    )


_SOCKETS = SocketRules(
    message_bytes=128 * 1024,
    frame_bytes=32 * 1024,
    idle_s=600.0,
    total_s=7200.0,
    takes_binary=False,
    failure_message=_failure_message,
)


def _respond_socket(response: Response, arrival: Arrival) -> Response:
    return response.replace(headers=without(response.headers, _RESULT_KEPT))


CLOUDS: dict[str, Cloud] = {
    "aws_rest": Cloud(
        dialect="aws_rest",
        **_LAMBDA,
        gateway_timeout_s=29.0,
        headers_limit_bytes=_API_LIMIT_BYTES,
        url_limit_bytes=_API_LIMIT_BYTES,
        request_id=new_uuid,
        stage="prod",
        is_stage_in_url=True,
        receive=_receive_rest,
        respond=_respond_rest,
        fail=_fail_rest,
    ),
    "aws_http": Cloud(
        dialect="aws_http",
        **_LAMBDA,
        gateway_timeout_s=30.0,
        headers_limit_bytes=_API_LIMIT_BYTES,
        url_limit_bytes=_API_LIMIT_BYTES,
        request_id=_extended,
        is_stage_in_url=True,
        receive=_receive_http,
        respond=_respond_http,
        fail=_fail_http,
    ),
    "aws_function_url": Cloud(
        dialect="aws_function_url",
        **_LAMBDA,
        request_id=new_uuid,
        receive=_receive_url,
        respond=_respond_url,
        fail=_fail_url,
    ),
    "aws_alb": Cloud(
        dialect="aws_alb",
        **_LAMBDA,
        headers_limit_bytes=64 * 1024,
        url_limit_bytes=16 * 1024,
        result_headers_limit_bytes=32 * 1024,
        request_id=_alb_id,
        receive=_receive_alb,
        respond=_respond_alb,
        fail=_fail_alb,
    ),
    "aws_edge": Cloud(
        dialect="aws_edge",
        **_EDGE,
        headers_limit_bytes=32_768,
        url_limit_bytes=8192,
        request_id=_edge_id,
        receive=_receive_edge,
        respond=_respond_edge,
        fail=_fail_edge,
    ),
    "aws_lattice": Cloud(
        dialect="aws_lattice",
        **_LAMBDA,
        request_id=new_uuid,
        receive=_receive_lattice,
        respond=_respond_lattice,
        fail=_fail_lattice,
    ),
    "kong": Cloud(
        dialect="kong",
        **_LAMBDA,
        gateway_timeout_s=60.0,
        headers_limit_bytes=32 * 1024,
        url_limit_bytes=8 * 1024,
        request_id=lambda: uuid4().hex,
        receive=_receive_kong,
        respond=_respond_kong,
        fail=_fail_kong,
    ),
    "aws_websocket": Cloud(
        dialect="aws_websocket",
        **_LAMBDA,
        gateway_timeout_s=29.0,
        headers_limit_bytes=_API_LIMIT_BYTES,
        url_limit_bytes=4096,
        request_id=_extended,
        stage="prod",
        is_stage_in_url=True,
        receive=_receive_rest,
        respond=_respond_socket,
        fail=_fail_rest,
        sockets=_SOCKETS,
    ),
}
