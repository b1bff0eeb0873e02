"""AWS's gateways and Lambda around a function, against what AWS documents and people recorded."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from slsadapt import gateways
from slsadapt.local.clouds import Arrival, load
from slsadapt.local.clouds.aws import CLOUDS
from slsadapt.local.function import Function
from slsadapt.local.outcome import Failure, FailureKind
from slsadapt.message import Request, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.once

HTTP_NAMES = (
    "aws_rest",
    "aws_http",
    "aws_function_url",
    "aws_alb",
    "aws_edge",
    "aws_lattice",
    "kong",
)
KINDS = get_args(FailureKind)
UUID = "7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0"
# The last eleven octets of the UUID, f3 42 b5 8a 6d 9f fc 74 e3 b9 e0.
EXTENDED = "80K1im2f_HTjueA="
TRACE = "Root=1-6a5145a8-536f3e792f6be9b44c1f46fa"
SELF = "Self=1-6a5145a8-536f3e792f6be9b44c1f46fa"
ARRIVAL = Arrival(
    received_ms=1783711144836,
    request_id=UUID,
    client=("203.0.113.18", 49152),
    server=("127.0.0.1", 9000),
    trace_id="6a5145a8536f3e792f6be9b44c1f46fa",
)


def failure(kind: FailureKind, **fields: Any) -> Failure:
    return Failure(**{"kind": kind, "request_id": UUID, "error": {}, "message": "", **fields})


def received(
    name: str,
    headers: Sequence[tuple[str, str]] = (),
    *,
    scheme: str = "http",
    request_id: str = UUID,
    body: bytes = b"",
) -> Request:
    """Give a request as the gateway passes it on."""
    request = Request(
        "POST",
        "/orders",
        "page=2",
        [("host", "127.0.0.1:9000"), *headers],
        body,
        scheme,
        ARRIVAL.client,
        ARRIVAL.server,
        "",
        load(name).stage,
        request_id,
    )
    arrival = Arrival(
        ARRIVAL.received_ms, request_id, ARRIVAL.client, ARRIVAL.server, ARRIVAL.trace_id
    )
    return load(name).receive(request, arrival)


def written(name: str, request: Request) -> Any:
    return gateways.load(name).encode_event(request, received_ms=ARRIVAL.received_ms)


def header(pairs: Sequence[tuple[str, str]], name: str) -> list[str]:
    return [value for each, value in pairs if each.lower() == name]


# All of them


def test_all_of_awss_gateways_are_there() -> None:
    names = {name for name in gateways.NAMES if name.startswith("aws_")}
    assert CLOUDS.keys() == names | {"aws_websocket", "kong"}
    assert all(cloud.dialect == name for name, cloud in CLOUDS.items())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CLOUDS)
def test_every_failure_is_an_error_to_client_and_caller(name: str, kind: FailureKind) -> None:
    cloud = load(name)
    response = cloud.fail(failure(kind, timeout_s=3.0))
    assert 400 <= response.status <= 599
    assert response.body
    names = [each.lower() for each, _ in response.headers]
    assert names.count("content-type") == 1
    assert not {"date", "content-length", "connection"}.intersection(names)
    assert json.dumps(cloud.error(failure(kind, timeout_s=3.0)))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("aws_rest", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("aws_http", r"[A-Za-z0-9_-]{15}="),
        ("aws_function_url", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("aws_alb", r"1-[0-9a-f]{8}-[0-9a-f]{24}"),
        ("aws_edge", r"[A-Za-z0-9_-]{54}=="),
        ("aws_lattice", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("kong", r"[0-9a-f]{32}"),
        ("aws_websocket", r"[A-Za-z0-9_-]{15}="),
    ],
)
def test_request_ids_have_the_gateways_form(name: str, form: str) -> None:
    ids = {load(name).request_id() for _ in range(3)}
    assert len(ids) == 3
    for each in ids:
        assert re.fullmatch(form, each)


# Failures, to the octet

HTML_502 = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
)
HTML_413 = (
    b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n"
    b"<center><h1>413 Request Entity Too Large</h1></center>\r\n</body>\r\n</html>\r\n"
)
KONG_INVALID = (
    b'{"message":"Bad Gateway","error":"could not JSON decode Lambda function response: '
    b'statusCode validation failed"}'
)
KONG_UNEXPECTED = (
    b'{\n  "message":"An unexpected error occurred",\n'
    b'  "request_id":"7c2af7db31f342b58a6d9ffc74e3b9e0"\n}'
)


@pytest.mark.parametrize(
    ("name", "kind", "status", "body"),
    [
        ("aws_rest", "error", 502, b'{"message": "Internal server error"}'),
        ("aws_rest", "timeout", 502, b'{"message": "Internal server error"}'),
        ("aws_rest", "throttled", 500, b'{"message": "Internal server error"}'),
        ("aws_rest", "gateway_timeout", 504, b'{"message": "Endpoint request timed out"}'),
        ("aws_rest", "request_too_large", 413, b'{"message":"Request Too Long"}'),
        ("aws_rest", "not_found", 403, b'{"message":"Forbidden"}'),
        ("aws_http", "error", 500, b'{"message":"Internal Server Error"}'),
        ("aws_http", "timeout", 500, b'{"message":"Internal Server Error"}'),
        ("aws_http", "throttled", 503, b'{"message":"Service Unavailable"}'),
        ("aws_http", "gateway_timeout", 503, b'{"message":"Service Unavailable"}'),
        ("aws_http", "not_found", 404, b'{"message":"Not Found"}'),
        ("aws_function_url", "error", 502, b"Internal Server Error"),
        ("aws_function_url", "timeout", 502, b"Internal Server Error"),
        (
            "aws_function_url",
            "throttled",
            429,
            b'{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User",'
            b'"message":"Rate Exceeded."}',
        ),
        (
            "aws_function_url",
            "request_too_large",
            413,
            b'{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction '
            b'operation"}',
        ),
        ("aws_alb", "error", 502, HTML_502),
        ("aws_alb", "throttled", 502, HTML_502),
        ("aws_alb", "result_headers_too_large", 502, HTML_502),
        ("aws_alb", "request_too_large", 413, HTML_413),
        ("kong", "error", 502, KONG_INVALID),
        ("kong", "throttled", 500, KONG_UNEXPECTED),
    ],
)
def test_client_receives_the_gateways_own_answer(
    name: str, kind: FailureKind, status: int, body: bytes
) -> None:
    response = load(name).fail(failure(kind))
    assert (response.status, response.body) == (status, body)


@pytest.mark.parametrize(
    ("name", "kind", "headers"),
    [
        (
            "aws_rest",
            "error",
            [
                ("Content-Type", "application/json"),
                ("x-amzn-RequestId", UUID),
                ("x-amzn-ErrorType", "InternalServerErrorException"),
                ("x-amz-apigw-id", EXTENDED),
            ],
        ),
        (
            "aws_rest",
            "not_found",
            [
                ("Content-Type", "application/json"),
                ("x-amzn-RequestId", UUID),
                ("x-amzn-ErrorType", "ForbiddenException"),
                ("x-amz-apigw-id", EXTENDED),
            ],
        ),
        (
            "aws_http",
            "error",
            [("content-type", "application/json"), ("Apigw-Requestid", EXTENDED)],
        ),
        (
            "aws_function_url",
            "throttled",
            [
                ("Content-Type", "application/json"),
                ("x-amzn-RequestId", UUID),
                ("x-amzn-ErrorType", "TooManyRequestsException"),
            ],
        ),
        ("aws_alb", "exit", [("Content-Type", "text/html"), ("Server", "awselb/2.0")]),
        (
            "kong",
            "error",
            [
                ("Content-Type", "application/json; charset=utf-8"),
                ("Server", "kong/3.9.1"),
                ("X-Kong-Request-Id", UUID.replace("-", "")),
            ],
        ),
    ],
)
def test_client_receives_the_gateways_own_headers(
    name: str, kind: FailureKind, headers: list[tuple[str, str]]
) -> None:
    assert list(load(name).fail(failure(kind)).headers) == headers


def test_cloudfronts_page_has_the_length_of_a_real_one() -> None:
    # A recorded 403 of CloudFront's with this sentence has 1,053 octets.
    from slsadapt.gateways.aws_edge import error_page

    page = error_page(
        403,
        "This distribution is not configured to allow the HTTP request method that was used for "
        "this request. The distribution supports only cachable requests.",
        "woErst67sOWp08pmN3nptCs9N0NZk7Vo-0KIyag1CDnlnRReKzXHmg==",
    )
    assert len(page) == 1053


@pytest.mark.parametrize(
    ("kind", "status", "result", "sentence"),
    [
        (
            "error",
            503,
            "LambdaExecutionError",
            "is invalid or doesn't have the required permissions.",
        ),
        ("throttled", 503, "LambdaLimitExceeded", "was throttled."),
    ],
)
def test_cloudfront_tells_what_kind_of_error_it_is(
    kind: FailureKind, status: int, result: str, sentence: str
) -> None:
    response = load("aws_edge").fail(failure(kind))
    text = response.body.decode()
    assert response.status == status
    assert header(response.headers, "x-cache") == [f"{result} from cloudfront"]
    assert f"<H1>{status} ERROR</H1>" in text
    assert f"\nThe Lambda function associated with the CloudFront distribution {sentence}\n" in text
    assert f"\nRequest ID: {UUID}\n" in text


# Lambda's own errors


@pytest.mark.parametrize(
    ("given", "error"),
    [
        pytest.param(
            failure("timeout", timeout_s=3.0),
            {
                "errorType": "Sandbox.Timedout",
                "errorMessage": f"RequestId: {UUID} Error: Task timed out after 3.00 seconds",
            },
            id="timeout",
        ),
        pytest.param(
            failure("memory", memory_mb=128),
            {
                "errorType": "Runtime.OutOfMemory",
                "errorMessage": f"RequestId: {UUID} Error: Runtime exited with error: "
                "signal: killed",
            },
            id="memory",
        ),
        pytest.param(
            failure("exit", status=3),
            {
                "errorType": "Runtime.ExitError",
                "errorMessage": f"RequestId: {UUID} Error: Runtime exited with error: "
                "exit status 3",
            },
            id="exit status",
        ),
        pytest.param(
            failure("exit", status=0),
            {
                "errorType": "Runtime.ExitError",
                "errorMessage": f"RequestId: {UUID} Error: Runtime exited without providing "
                "a reason",
            },
            id="exit status 0",
        ),
        pytest.param(
            failure("exit", status=-9),
            {
                "errorType": "Runtime.ExitError",
                "errorMessage": f"RequestId: {UUID} Error: Runtime exited with error: "
                "signal: killed",
            },
            id="signal",
        ),
        pytest.param(
            failure(
                "error",
                error={"errorType": "ValueError", "errorMessage": "no", "stackTrace": ["  a\n"]},
            ),
            {
                "errorMessage": "no",
                "errorType": "ValueError",
                "requestId": UUID,
                "stackTrace": ["  a\n"],
            },
            id="the function's",
        ),
        pytest.param(
            failure(
                "init",
                error={"errorType": "Runtime.ImportModuleError", "errorMessage": "no module"},
            ),
            {
                "errorMessage": "no module",
                "errorType": "Runtime.ImportModuleError",
                "requestId": "",
            },
            id="init",
        ),
        pytest.param(
            failure("result_too_large"),
            {
                "errorType": "Function.ResponseSizeTooLarge",
                "errorMessage": "Response payload size exceeded maximum allowed payload size "
                "(6291556 bytes).",
            },
            id="result too large",
        ),
    ],
)
def test_a_direct_invocation_receives_lambdas_error(given: Failure, error: Any) -> None:
    assert list(load("aws_rest").error(given).items()) == list(error.items())


# Requests


@pytest.mark.parametrize("name", [*HTTP_NAMES, "aws_websocket"])
def test_headers_of_the_connection_do_not_reach_the_function(name: str) -> None:
    dropped = [("te", "trailers"), ("transfer-encoding", "chunked"), ("upgrade", "h2c")]
    request = received(name, [*dropped, ("accept", "*/*")])
    names = {each for each, _ in request.headers}
    assert "accept" in names
    # Kong's plugin reads the client's own.
    assert names.isdisjoint(dict(dropped)) == (name != "kong")


@pytest.mark.parametrize(
    ("name", "hops"),
    [
        ("aws_rest", "198.51.100.7, 203.0.113.18"),
        ("aws_http", "198.51.100.7, 203.0.113.18"),
        ("aws_function_url", "203.0.113.18"),
        ("aws_alb", "198.51.100.7, 203.0.113.18"),
        ("aws_edge", "198.51.100.7, 203.0.113.18"),
        ("aws_lattice", "198.51.100.7, 203.0.113.18"),
        ("kong", "198.51.100.7"),
    ],
)
def test_client_is_last_in_x_forwarded_for(name: str, hops: str) -> None:
    event = written(name, received(name, [("x-forwarded-for", "198.51.100.7")]))
    dialect = gateways.load(name)
    assert header(dialect.decode_event(event).headers, "x-forwarded-for") == [hops]


def test_scheme_and_port_are_the_requests() -> None:
    sent = [("x-forwarded-proto", "https"), ("x-forwarded-port", "443")]
    for name in ("aws_rest", "aws_http", "aws_function_url", "aws_alb", "aws_lattice"):
        request = gateways.load(name).decode_event(written(name, received(name, sent)))
        assert (request.scheme, request.server[1]) == ("http", 9000), name
        assert header(request.headers, "x-forwarded-proto") == ["http"]
        assert header(request.headers, "x-forwarded-port") == ["9000"]


@pytest.mark.parametrize("name", ["aws_rest", "aws_http", "aws_function_url"])
@pytest.mark.parametrize(
    ("sent", "trace"),
    [
        pytest.param([], TRACE, id="the gateway's own"),
        pytest.param(
            [("x-amzn-trace-id", "Root=1-00000001-000000000000000000000002;Sampled=1")],
            f"{SELF};Root=1-00000001-000000000000000000000002;Sampled=1",
            id="beside the client's",
        ),
        pytest.param([("x-amzn-trace-id", "nonsense")], TRACE, id="instead of nonsense"),
    ],
)
def test_requests_are_traced(name: str, sent: list[tuple[str, str]], trace: str) -> None:
    assert header(received(name, sent).headers, "x-amzn-trace-id") == [trace]


@pytest.mark.parametrize(
    ("sent", "trace"),
    [
        ([], "Root=1-6a5145a7-5c3686ff7df3149177a89157"),
        (
            [("x-amzn-trace-id", "Root=1-00000001-000000000000000000000002")],
            "Self=1-6a5145a7-5c3686ff7df3149177a89157;Root=1-00000001-000000000000000000000002",
        ),
    ],
)
def test_a_load_balancers_trace_is_its_request_id(sent: list[tuple[str, str]], trace: str) -> None:
    request_id = "1-6a5145a7-5c3686ff7df3149177a89157"
    event = written("aws_alb", received("aws_alb", sent, request_id=request_id))
    assert event["multiValueHeaders"]["x-amzn-trace-id"] == [trace]
    assert gateways.load("aws_alb").decode_event(event).request_id == request_id


def test_rest_apis_keep_some_headers_to_themselves() -> None:
    kept = ["content-md5", "expect", "max-forwards", "server", "www-authenticate"]
    request = received("aws_rest", [(name, "x") for name in kept] + [("accept", "*/*")])
    event = written("aws_rest", request)
    assert event["headers"] == {
        "Host": "127.0.0.1:9000",
        "accept": "*/*",
        "X-Amzn-Trace-Id": TRACE,
        "X-Forwarded-For": "203.0.113.18",
        "X-Forwarded-Port": "9000",
        "X-Forwarded-Proto": "http",
    }


def test_http_apis_tell_the_length_of_no_body() -> None:
    event = written("aws_http", received("aws_http"))
    assert event["headers"]["content-length"] == "0"
    assert "body" not in event


def test_function_urls_tell_of_tls() -> None:
    def names(scheme: str) -> set[str]:
        headers = received("aws_function_url", scheme=scheme).headers
        return {name for name, _ in headers if name.startswith("x-amzn-tls-")}

    assert names("https") == {"x-amzn-tls-cipher-suite", "x-amzn-tls-version"}
    assert names("http") == set()


def test_cloudfront_takes_out_what_is_its_own() -> None:
    sent = ["x-amz-cf-id", "x-edge-location", "x-real-ip", "x-cache", "expect", "via"]
    request = received("aws_edge", [(name, "x") for name in sent])
    assert [name for name, _ in request.headers] == ["host", "x-forwarded-for", "via"]
    assert re.fullmatch(
        r"1\.1 [0-9a-f]{32}\.cloudfront\.net \(CloudFront\)", dict(request.headers)["via"]
    )


def test_lattice_takes_out_a_clients_identity() -> None:
    request = received("aws_lattice", [("x-amzn-lattice-identity", "Principal=root")])
    assert "x-amzn-lattice-identity" not in dict(request.headers)


def test_kong_reads_a_hundred_headers() -> None:
    assert len(received("kong", [(f"x-{n}", "a") for n in range(120)]).headers) == 100


# Responses

ANSWERED = Response(
    401,
    [
        ("www-authenticate", "Basic"),
        ("Date", "Sat, 21 Nov 2026 00:00:00 GMT"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("x-own", "1"),
    ],
)


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        (
            "aws_rest",
            [
                ("x-amzn-Remapped-www-authenticate", "Basic"),
                ("x-amzn-Remapped-Date", "Sat, 21 Nov 2026 00:00:00 GMT"),
                ("x-amzn-Remapped-Content-Length", "0"),
                ("x-own", "1"),
                ("x-amzn-RequestId", UUID),
                ("x-amz-apigw-id", EXTENDED),
                ("X-Amzn-Trace-Id", f"{TRACE};Sampled=0"),
            ],
        ),
        (
            "aws_http",
            [
                ("www-authenticate", "Basic"),
                ("Date", "Sat, 21 Nov 2026 00:00:00 GMT"),
                ("x-own", "1"),
                ("Apigw-Requestid", UUID),
            ],
        ),
        (
            "aws_function_url",
            [
                ("x-amzn-Remapped-www-authenticate", "Basic"),
                ("x-amzn-Remapped-Date", "Sat, 21 Nov 2026 00:00:00 GMT"),
                ("x-amzn-Remapped-Content-Length", "0"),
                ("x-own", "1"),
                ("x-amzn-RequestId", UUID),
                ("X-Amzn-Trace-Id", f"{TRACE.lower()};sampled=0"),
            ],
        ),
        (
            "aws_alb",
            [
                ("www-authenticate", "Basic"),
                ("Date", "Sat, 21 Nov 2026 00:00:00 GMT"),
                ("x-own", "1"),
                ("Content-Type", "application/octet-stream"),
                ("Server", "awselb/2.0"),
            ],
        ),
        (
            "aws_lattice",
            [
                ("www-authenticate", "Basic"),
                ("Date", "Sat, 21 Nov 2026 00:00:00 GMT"),
                ("x-own", "1"),
            ],
        ),
        (
            "kong",
            [
                ("www-authenticate", "Basic"),
                ("Date", "Sat, 21 Nov 2026 00:00:00 GMT"),
                ("x-own", "1"),
                ("Content-Type", "application/json"),
                ("x-amzn-Remapped-Content-Length", "0"),
                ("X-Amz-Executed-Version", "$LATEST"),
                ("X-Amzn-Trace-Id", f"{TRACE.lower()};sampled=0"),
                ("Via", "1.1 kong/3.9.1"),
                ("Server", "kong/3.9.1"),
                ("X-Kong-Request-Id", UUID),
            ],
        ),
    ],
)
def test_gateways_rename_drop_and_add_headers(name: str, headers: list[tuple[str, str]]) -> None:
    response = load(name).respond(ANSWERED, ARRIVAL)
    assert (response.status, list(response.headers)) == (401, headers)


def test_cloudfront_signs_what_a_function_generated() -> None:
    response = load("aws_edge").respond(Response(200, [("X-Own", "1")]), ARRIVAL)
    fields = dict(response.headers)
    assert fields["X-Own"] == "1"
    assert fields["Server"] == "CloudFront"
    assert fields["X-Cache"] == "LambdaGeneratedResponse from cloudfront"
    assert fields["X-Amz-Cf-Id"] == UUID


@pytest.mark.parametrize(
    ("name", "added"),
    [
        ("aws_rest", {"x-amzn-ErrorType": "InternalServerErrorException"}),
        ("aws_edge", {"X-Cache": "LambdaValidationError from cloudfront"}),
        ("kong", {"Content-Type": "application/json; charset=utf-8", "Server": "kong/3.9.1"}),
    ],
)
def test_answer_to_a_malformed_result_is_told_apart(name: str, added: dict[str, str]) -> None:
    cloud = load(name)
    response = cloud.respond(gateways.load(name).decode_result(None), ARRIVAL)
    assert response.status == 502
    assert added.items() <= dict(response.headers).items()
    assert "X-Amzn-Trace-Id" not in dict(response.headers)


def test_cloudfronts_page_for_a_malformed_result_names_the_request() -> None:
    cloud = load("aws_edge")
    response = cloud.respond(gateways.load("aws_edge").decode_result(None), ARRIVAL)
    assert f"Request ID: {UUID}\n".encode() in response.body


def test_extended_id_of_event_and_response_are_one() -> None:
    event = written("aws_rest", received("aws_rest"))
    assert event["requestContext"]["extendedRequestId"] == EXTENDED


# What else is configured


@pytest.mark.parametrize(
    ("name", "timeout_s"),
    [
        ("aws_rest", 29.0),
        ("aws_http", 30.0),
        ("aws_function_url", None),
        ("aws_alb", None),
        ("kong", 60.0),
        ("aws_websocket", 29.0),
    ],
)
def test_gateways_wait_for_as_long_as_documented(name: str, timeout_s: float | None) -> None:
    assert load(name).gateway_timeout_s == timeout_s


def test_a_new_function_has_lambdas_defaults() -> None:
    for name, cloud in CLOUDS.items():
        assert (cloud.timeout_s, cloud.memory_mb, cloud.bills_init) == (3.0, 128, True)
        assert cloud.timeout_limit_s == (30.0 if name == "aws_edge" else 900.0)


def test_environment_is_lambdas() -> None:
    function = Function(
        label="app:app",
        folder=Path("/srv/app"),
        module="app",
        name="app",
        dialect="aws_rest",
        function_name="orders",
        memory_mb=512,
    )
    environment = dict(load("aws_rest").environment(function, "1"))
    stream = environment.pop("AWS_LAMBDA_LOG_STREAM_NAME")
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream)
    assert environment == {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python3.{sys.version_info[1]}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": "/srv/app",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "_HANDLER": "app.app",
    }


@pytest.mark.parametrize(
    ("kind", "text"),
    [("error", "Internal server error"), ("gateway_timeout", "Endpoint request timed out")],
)
def test_socket_client_is_told_that_its_message_failed(kind: FailureKind, text: str) -> None:
    rules = load("aws_websocket").sockets
    assert rules is not None
    told = rules.failure_message(failure(kind, request_id="Qyi3UG41tjMFlUg="), "Qyi07eCbtjMCJKw=")
    assert told == (
        f'{{"message": "{text}", "connectionId":"Qyi07eCbtjMCJKw=", '
        '"requestId":"Qyi3UG41tjMFlUg="}'
    )
    assert rules.failure_code is None


def test_sockets_have_awss_limits() -> None:
    rules = load("aws_websocket").sockets
    assert rules is not None
    assert (rules.message_bytes, rules.frame_bytes) == (131_072, 32_768)
    assert (rules.idle_s, rules.total_s) == (600.0, 7200.0)
    assert not rules.takes_binary
    codes = (rules.binary_code, rules.idle_code, rules.total_code)
    assert codes == (1003, 1001, 1001)
