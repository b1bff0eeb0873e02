"""Other clouds' gateways around a function, against what vendors document and people recorded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from slsadapt import gateways
from slsadapt.local.clouds import Arrival, load
from slsadapt.local.function import Function
from slsadapt.local.outcome import Failure, FailureKind
from slsadapt.message import Request, Response
from tests.conftest import load_case

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.once

NAMES = [
    name
    for name in (*gateways.NAMES, *gateways.SOCKET_NAMES)
    if not name.startswith("aws_") and name != "kong"
]
KINDS: tuple[FailureKind, ...] = get_args(FailureKind)
UUID = "7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0"
HEX = "7c2af7db31f342b58a6d9ffc74e3b9e0"
ARRIVAL = Arrival(
    received_ms=1783711144836,
    request_id=UUID,
    client=("203.0.113.18", 49152),
    server=("127.0.0.1", 9000),
    trace_id="6a5145a8536f3e792f6be9b44c1f46fa",
)
RAISED = {
    "errorMessage": "err msg",
    "errorType": "Exception",
    "stackTrace": ['  File "index.py", line 4, in main_handler\n    raise Exception("err msg")\n'],
}
# What the server in front of the client writes itself.
TRANSPORT = {"connection", "content-length", "date", "keep-alive", "transfer-encoding"}


def failure(kind: FailureKind, **fields: Any) -> Failure:
    return Failure(**{"kind": kind, "request_id": UUID, "error": {}, "message": "", **fields})


def received(
    name: str,
    headers: Sequence[tuple[str, str]] = (),
    *,
    scheme: str = "http",
    path: str = "/a%20b",
) -> Request:
    """Give a request as the gateway passes it on."""
    cloud = load(name)
    request = Request(
        "POST",
        path,
        "page=2",
        [("host", "127.0.0.1:9000"), *headers],
        b"",
        scheme,
        ARRIVAL.client,
        ARRIVAL.server,
        "",
        cloud.stage,
        UUID,
    )
    return cloud.receive(request, ARRIVAL)


def arrived(name: str, headers: Sequence[tuple[str, str]] = (), scheme: str = "http") -> Request:
    """Give a request as the application behind the gateway finds it."""
    module = gateways.load(name)
    request = received(name, headers, scheme=scheme)
    event = module.encode_event(request, received_ms=ARRIVAL.received_ms)
    return module.decode_event(event)


def header(pairs: Sequence[tuple[str, str]], name: str) -> list[str]:
    return [value for each, value in pairs if each.lower() == name]


# All of them


def test_every_gateway_is_behind_a_cloud() -> None:
    assert len(NAMES) == 16
    for name in NAMES:
        assert load(name).dialect == name
        assert load(name).timeout_s <= load(name).timeout_limit_s


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_every_failure_is_answered(name: str, kind: FailureKind) -> None:
    cloud = load(name)
    for error in ({}, RAISED):
        told = failure(kind, timeout_s=3.0, memory_mb=128, error=error, message="It failed.")
        response = cloud.fail(told)
        assert 200 <= response.status <= 599
        names = [each.lower() for each, _ in response.headers]
        assert len(names) == len(set(names))
        assert not TRANSPORT.intersection(names)
        assert ("content-type" in names) == bool(response.body)
        assert json.loads(json.dumps(cloud.error(told)))


# Tencent's gateway, and OpenWhisk's for one that takes too long, do not call it an error.
@pytest.mark.parametrize("name", [each for each in NAMES if "tencent" not in each])
def test_a_function_that_fails_is_an_error(name: str) -> None:
    for kind in ("error", "exit", "timeout", "memory", "init", "result_too_large", "throttled"):
        assert load(name).fail(failure(kind)).status >= 400


@pytest.mark.parametrize("name", NAMES)
def test_clients_ends_of_a_connection_are_not_the_responses(name: str) -> None:
    given = Response(
        201,
        (
            ("Content-Type", "text/plain"),
            ("Connection", "close"),
            ("Content-Length", "1"),
            ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
        ),
        b"x",
    )
    response = load(name).respond(given, ARRIVAL)
    assert (response.status, response.body) == (201, b"x")
    assert header(response.headers, "set-cookie") == ["a=1", "b=2"]
    assert header(response.headers, "content-type") == ["text/plain"]
    assert not TRANSPORT.intersection(each.lower() for each, _ in response.headers)


@pytest.mark.parametrize("name", NAMES)
def test_environment_has_text_and_no_credentials(name: str, tmp_path: Path) -> None:
    function = Function(
        label="app:app", folder=tmp_path, module="shop.app", name="app", dialect=name
    )
    variables = load(name).environment(function, "1")
    assert all(type(value) is str for value in variables.values())
    assert not re.search("KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL", " ".join(variables))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("tencent_apigw", r"[0-9a-f]{32}"),
        ("tencent_function_url", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("tencent_cloudbase", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("alibaba_fc3", r"1-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}"),
        ("alibaba_fc2", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("alibaba_apigw", r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}"),
        ("huawei_apig", r"[0-9a-f]{32}"),
        ("openwhisk", r"[0-9a-f]{32}"),
        ("digitalocean", r"[0-9a-f]{32}"),
        ("gcp", r"[0-9a-z]{12}"),
        ("yandex", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    ],
)
def test_request_ids_have_the_gateways_form(name: str, form: str) -> None:
    ids = {load(name).request_id() for _ in range(3)}
    assert len(ids) == 3
    for each in ids:
        assert re.fullmatch(form, each)


# Failures, to the octet

TENCENT_TIMEOUT = (
    b'{"errorCode":-1,"errorMessage":"Invoking task timed out after 3 seconds",'
    b'"requestId":"7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0","statusCode":433}'
)
FC_TOO_LARGE = (
    b'{"errorCode":"EntityTooLarge",'
    b'"errorMessage":"payload size exceeds maximum allowed size (33554432 bytes)"}'
)
APIG_UNEXPECTED = (
    b'{"error_msg":"An unexpected error occurred","error_code":"APIG.0201",'
    b'"request_id":"7c2af7db31f342b58a6d9ffc74e3b9e0"}'
)
APIG_TIMEOUT = APIG_UNEXPECTED.replace(b"An unexpected error occurred", b"Backend timeout.")
WHISK_INVALID = (
    b'{\n  "code": "7c2af7db31f342b58a6d9ffc74e3b9e0",\n'
    b'  "error": "Response is not valid \'message/http\'."\n}'
)
WHISK_KILLED = WHISK_INVALID.replace(
    b"Response is not valid 'message/http'.", b"There was an error processing your request."
)
YANDEX_TOO_LARGE = (
    b'{"errorCode":413,"errorMessage":"request entity is larger than limits (3670016)",'
    b'"errorType":"ProxyIntegrationError"}'
)
GOOGLE_CRASH = (
    b"500 Internal Server Error: The server encountered an internal error and was unable to "
    b"complete your request. Either the server is overloaded or there is an error in the "
    b"application."
)


@pytest.mark.parametrize(
    ("name", "kind", "status", "body"),
    [
        ("tencent_apigw", "timeout", 200, TENCENT_TIMEOUT),
        ("tencent_apigw", "not_found", 404, b'{"message":"Found no api"}'),
        ("tencent_apigw", "gateway_timeout", 504, b'{"message":"Gateway Time-out"}'),
        ("tencent_function_url", "timeout", 433, TENCENT_TIMEOUT),
        ("alibaba_fc3", "error", 502, b"Internal Server Error"),
        ("alibaba_fc3", "request_too_large", 400, FC_TOO_LARGE),
        ("alibaba_apigw", "error", 502, b""),
        ("huawei_apig", "error", 500, APIG_UNEXPECTED),
        ("huawei_apig", "gateway_timeout", 504, APIG_TIMEOUT),
        ("baidu_cfc", "error", 500, b'{"errorMessage":"err msg"}'),
        (
            "baidu_cfc",
            "throttled",
            429,
            b'{"Code":"TooManyRequestsException","Message":"Too many requests","Status":429,'
            b'"Type":"User"}',
        ),
        ("volcengine", "error", 500, b""),
        ("azure", "error", 500, b""),
        ("gcp", "error", 500, GOOGLE_CRASH),
        ("gcp", "timeout", 504, b"upstream request timeout"),
        ("gcp", "throttled", 429, b"Rate exceeded."),
        ("openwhisk", "error", 400, WHISK_INVALID),
        ("openwhisk", "timeout", 400, WHISK_KILLED),
        ("digitalocean", "timeout", 400, WHISK_KILLED),
        (
            "openwhisk",
            "url_too_long",
            414,
            b"URI length exceeds the configured limit of 8192 characters",
        ),
        (
            "yandex",
            "error",
            502,
            b'{"errorMessage":"err msg","errorType":"Exception","stackTrace":["  File '
            b'\\"index.py\\", line 4, in main_handler\\n    raise Exception(\\"err msg\\")\\n"]}',
        ),
        ("yandex", "request_too_large", 413, YANDEX_TOO_LARGE),
        (
            "scaleway",
            "error",
            500,
            b"An error occured during handler execution: err msg\n",
        ),
        (
            "scaleway",
            "request_too_large",
            413,
            b"Request payload too large, max payload size = 6291456 bytes\n",
        ),
        ("scaleway", "timeout", 504, b"request timeout"),
    ],
)
def test_client_receives_the_gateways_own_answer(
    name: str, kind: FailureKind, status: int, body: bytes
) -> None:
    error = RAISED if kind == "error" else {}
    response = load(name).fail(failure(kind, error=error, timeout_s=3.0))
    assert (response.status, response.body) == (status, body)


@pytest.mark.parametrize(
    ("name", "kind", "headers"),
    [
        (
            "tencent_apigw",
            "error",
            [("Content-Type", "application/json"), ("X-Api-RequestId", HEX)],
        ),
        (
            "alibaba_fc3",
            "exit",
            [
                ("Content-Type", "application/json"),
                ("X-Fc-Error-Type", "UnhandledInvocationError"),
                ("X-Fc-Request-Id", UUID),
            ],
        ),
        (
            "alibaba_fc3",
            "throttled",
            [
                ("Content-Type", "application/json"),
                ("X-Fc-Error-Type", "FcCommonError"),
                ("X-Fc-Request-Id", UUID),
            ],
        ),
        (
            "alibaba_apigw",
            "request_too_large",
            [
                ("X-Ca-Error-Code", "I413RL"),
                ("X-Ca-Error-Message", "Request body too Large"),
                ("X-Ca-Request-Id", UUID.upper()),
            ],
        ),
        (
            "volcengine",
            "exit",
            [
                ("X-Faas-Response-Error-Code", "function_panic"),
                (
                    "X-Faas-Response-Error-Message",
                    "Function panic, please check log for more details.",
                ),
                ("X-Faas-Request-Id", UUID),
            ],
        ),
        (
            "openwhisk",
            "timeout",
            [
                ("Content-Type", "application/json"),
                ("Access-Control-Allow-Origin", "*"),
                ("Access-Control-Allow-Methods", "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH"),
                (
                    "Access-Control-Allow-Headers",
                    "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent",
                ),
                ("X-Request-ID", HEX),
                ("x-openwhisk-activation-id", HEX),
            ],
        ),
        (
            "yandex",
            "error",
            [
                ("X-Function-Error", "true"),
                ("Content-Type", "application/json"),
                ("X-Request-Id", UUID),
            ],
        ),
        (
            "yandex",
            "throttled",
            [("Content-Type", "application/json"), ("X-Request-Id", UUID)],
        ),
        (
            "gcp",
            "error",
            [("Content-Type", "text/html; charset=utf-8"), ("X-Google-Status", "crash")],
        ),
    ],
)
def test_client_receives_the_gateways_own_headers(
    name: str, kind: FailureKind, headers: list[tuple[str, str]]
) -> None:
    assert sorted(load(name).fail(failure(kind)).headers) == sorted(headers)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("error", 430),
        ("exit", 439),
        ("timeout", 433),
        ("memory", 434),
        ("throttled", 432),
        ("result_too_large", 407),
        ("request_too_large", 406),
    ],
)
def test_tencents_function_url_answers_with_scfs_codes(kind: FailureKind, status: int) -> None:
    response = load("tencent_function_url").fail(failure(kind))
    assert response.status == json.loads(response.body)["statusCode"] == status


def test_tencents_error_is_as_recorded() -> None:
    recorded = load_case("tencent_apigw/error_user_exception")["response"]
    raised = failure("error", error=RAISED, request_id=recorded["requestId"])
    told = load("tencent_apigw").error(raised)
    assert told == recorded
    assert [*told] == [*recorded]


def test_cloudbases_error_names_a_code() -> None:
    response = load("tencent_cloudbase").fail(failure("timeout", timeout_s=3.0))
    assert (response.status, json.loads(response.body)) == (
        504,
        {
            "code": "FUNCTION_TIME_LIMIT_EXCEEDED",
            "message": "Invoking task timed out after 3 seconds. For more information, please "
            "refer to https://docs.cloudbase.net/error-code/service",
            "requestId": UUID,
        },
    )


def test_line_ends_of_an_error_end_no_header() -> None:
    raised = failure("error", error={"errorMessage": "no\r\nSet-Cookie: a=1"})
    for name in NAMES:
        for _, value in load(name).fail(raised).headers:
            assert "\r" not in value
            assert "\n" not in value


@pytest.mark.parametrize("name", NAMES)
def test_text_of_an_error_may_be_any(name: str) -> None:
    raised = failure("error", error={"errorMessage": "naïve 猫 \ud800", "errorType": "E"})
    response = load(name).fail(raised)
    for each, value in response.headers:
        assert f"{each}: {value}".encode("latin-1")


# Errors that a direct invocation gives


@pytest.mark.parametrize(
    ("name", "given", "error"),
    [
        pytest.param(
            "alibaba_fc3",
            failure("error", error=RAISED),
            {
                "errorMessage": "err msg",
                "errorType": "Exception",
                "stackTrace": [
                    [
                        'File "index.py"',
                        "line 4",
                        "in main_handler",
                        'raise Exception("err msg")',
                    ]
                ],
            },
            id="Alibaba's of one that raised",
        ),
        pytest.param(
            "alibaba_fc3",
            failure("memory"),
            {"errorMessage": "Process exited unexpectedly before completing request"},
            id="Alibaba's of one that was killed",
        ),
        pytest.param(
            "alibaba_fc3",
            failure("timeout", timeout_s=2.5),
            {"errorMessage": "Function timed out after 2.5 seconds"},
            id="Alibaba's of a time limit",
        ),
        pytest.param(
            "huawei_apig",
            failure("memory"),
            {"error_code": "FSS.4205", "error_msg": "runtime memory limit exceeded"},
            id="Huawei's",
        ),
        pytest.param(
            "baidu_cfc",
            failure("timeout", timeout_s=3.0),
            {"errorMessage": f"{UUID} Task timed out after 3 seconds"},
            id="Baidu's",
        ),
        pytest.param(
            "openwhisk",
            failure("timeout", timeout_s=60.0),
            {"error": "The action exceeded its time limits of 60000 milliseconds."},
            id="OpenWhisk's",
        ),
        pytest.param(
            "openwhisk",
            failure("memory"),
            {"error": "The action exhausted its memory and was aborted."},
            id="OpenWhisk's of memory",
        ),
        pytest.param(
            "gcp",
            failure("error", error={"errorMessage": "err msg", "errorType": "Exception"}),
            {"errorMessage": "err msg", "errorType": "Exception"},
            id="the runtime's",
        ),
    ],
)
def test_who_invokes_a_function_receives_the_platforms_error(
    name: str, given: Failure, error: dict[str, Any]
) -> None:
    assert load(name).error(given) == error


# Requests


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        (
            "tencent_apigw",
            {
                "endpoint-timeout": "15",
                "requestsource": "APIGW",
                "x-anonymous-consumer": "true",
                "x-b3-traceid": UUID,
                "x-qualifier": "$DEFAULT",
            },
        ),
        ("tencent_function_url", {"x-forwarded-proto": "http"}),
        (
            "tencent_cloudbase",
            {
                "x-client-proto": "http",
                "x-client-proto-ver": "HTTP/1.1",
                "x-real-ip": "203.0.113.18",
                "x-stgw-time": "1783711144.836",
            },
        ),
        ("alibaba_apigw", {"x-forwarded-for": "198.51.100.7, 203.0.113.18"}),
        (
            "huawei_apig",
            {
                "x-forwarded-for": "198.51.100.7, 203.0.113.18",
                "x-forwarded-host": "127.0.0.1:9000",
                "x-request-id": UUID,
            },
        ),
        ("volcengine", {"accept-encoding": "gzip"}),
        ("baidu_cfc", {"connection": "close"}),
        (
            "azure",
            {
                "client-ip": "203.0.113.18:49152",
                "disguised-host": "127.0.0.1:9000",
                "max-forwards": "9",
                "x-appservice-proto": "http",
                "x-original-url": "/a%20b?page=2",
                "x-waws-unencoded-url": "/a%20b?page=2",
            },
        ),
        (
            "gcp",
            {
                "forwarded": 'for="203.0.113.18";proto=http',
                "traceparent": "00-6a5145a8536f3e792f6be9b44c1f46fa-06a5145a8536f3e7-01",
                # The same span, as a decimal number.
                "x-cloud-trace-context": f"{ARRIVAL.trace_id}/{0x06A5145A8536F3E7};o=1",
            },
        ),
        ("openwhisk", {"host": "controllers"}),
        ("digitalocean", {"accept-encoding": "gzip", "host": "ccontroller"}),
        (
            "yandex",
            {
                "x-forwarded-for": "198.51.100.7, 203.0.113.18",
                "x-envoy-external-address": "203.0.113.18",
                "x-envoy-original-path": "/a%20b?page=2",
                "x-real-remote-address": "203.0.113.18:49152",
                "x-request-id": UUID,
                "x-serverless-certificate-ids": "{}",
                "x-trace-id": "6a5145a8-536f-3e79-2f6b-e9b44c1f46fa",
            },
        ),
        (
            "scaleway",
            {
                "forwarded": "for=203.0.113.18;proto=http",
                "k-proxy-request": "activator",
                "x-forwarded-for": "198.51.100.7,203.0.113.18",
            },
        ),
    ],
)
def test_gateway_adds_headers_over_a_clients_own(name: str, headers: dict[str, str]) -> None:
    forged = [(each, "forged") for each in headers if each not in ("accept-encoding", "host")]
    client = [pair for pair in forged if pair[0] != "x-forwarded-for"]
    request = received(name, [*client, ("x-forwarded-for", "198.51.100.7"), ("x-mine", "1")])
    for each, value in headers.items():
        assert header(request.headers, each) == [value]
    assert header(request.headers, "x-mine") == ["1"]


@pytest.mark.parametrize("name", [each for each in NAMES if each not in gateways.SOCKET_NAMES])
def test_application_finds_each_header_once(name: str) -> None:
    client = [("x-mine", "1"), ("x-forwarded-for", "198.51.100.7"), ("accept", "*/*")]
    names = [each.lower() for each, _ in arrived(name, client).headers]
    assert len(names) == len(set(names))
    assert {"x-mine", "accept"}.issubset(names)


@pytest.mark.parametrize(
    "name",
    [
        "tencent_function_url",
        "tencent_cloudbase",
        "alibaba_apigw",
        "alibaba_fc2",
        "alibaba_fc3",
        "azure",
        "gcp",
        "scaleway",
        "yandex",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_application_finds_the_clients_scheme(name: str, scheme: str) -> None:
    # What a client says of it is not believed.
    forged = [("x-forwarded-proto", "ftp"), ("x-client-proto", "ftp")]
    assert arrived(name, forged, scheme).scheme == scheme


@pytest.mark.parametrize(
    "name",
    [
        "alibaba_apigw",
        "alibaba_fc2",
        "alibaba_fc3",
        "azure",
        "digitalocean",
        "gcp",
        "huawei_apig",
        "scaleway",
        "yandex",
    ],
)
def test_what_is_of_one_connection_goes_no_further(name: str) -> None:
    client = [("connection", "keep-alive"), ("transfer-encoding", "chunked"), ("te", "trailers")]
    names = {each for each, _ in received(name, client).headers}
    assert names.isdisjoint({"connection", "transfer-encoding", "te"})


def test_tencents_gateway_passes_connection_on() -> None:
    request = received("tencent_apigw", [("connection", "keep-alive"), ("te", "trailers")])
    assert header(request.headers, "connection") == ["keep-alive"]
    assert header(request.headers, "te") == []


def test_function_compute_believes_none_of_its_own_headers() -> None:
    client = [("x-fc-request-id", "forged"), ("x-fc-access-key-id", "forged")]
    for name in ("alibaba_fc3", "alibaba_fc2"):
        assert not [each for each, _ in received(name, client).headers if each[:5] == "x-fc-"]


def test_addresses_of_ipv6_are_bracketed() -> None:
    arrival = Arrival(1783711144836, UUID, ("2001:db8::1", 49152), ("::1", 9000), ARRIVAL.trace_id)
    request = Request("GET", "/", "", [], b"", "http", arrival.client, arrival.server)
    headers = dict(load("gcp").receive(request, arrival).headers)
    assert headers["forwarded"] == 'for="[2001:db8::1]";proto=http'
    headers = dict(load("yandex").receive(request, arrival).headers)
    assert headers["x-real-remote-address"] == "[2001:db8::1]:49152"


def test_times_are_the_requests() -> None:
    event = gateways.load("yandex").encode_event(
        received("yandex"), received_ms=ARRIVAL.received_ms
    )
    context = event["requestContext"]
    assert context["requestTime"] == "10/Jul/2026:19:19:04 +0000"
    assert context["requestTimeEpoch"] == 1783711144
    event = gateways.load("alibaba_fc3").encode_event(
        received("alibaba_fc3"), received_ms=ARRIVAL.received_ms
    )
    context = event["requestContext"]
    assert (context["time"], context["timeEpoch"]) == ("2026-07-10T19:19:04Z", "1783711144836")


# Responses


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("tencent_apigw", [("X-Api-RequestId", UUID)]),
        ("tencent_function_url", [("X-Scf-Request-Id", UUID)]),
        ("tencent_cloudbase", [("X-Request-Id", UUID)]),
        ("alibaba_fc3", [("X-Fc-Request-Id", UUID)]),
        ("alibaba_apigw", [("X-Ca-Request-Id", UUID)]),
        ("huawei_apig", [("X-Request-Id", UUID)]),
        ("baidu_cfc", [("X-Bce-Request-Id", UUID)]),
        ("volcengine", []),
        ("azure", []),
        ("gcp", [("X-Cloud-Trace-Context", "6a5145a8536f3e792f6be9b44c1f46fa;o=1")]),
        (
            "scaleway",
            [
                ("Access-Control-Allow-Origin", "*"),
                ("Access-Control-Allow-Headers", "Content-Type"),
            ],
        ),
    ],
)
def test_gateway_adds_headers_to_a_response(name: str, headers: list[tuple[str, str]]) -> None:
    response = load(name).respond(Response(200, (("X-Mine", "1"),)), ARRIVAL)
    assert [*response.headers] == [("X-Mine", "1"), *headers]


def test_scaleway_leaves_an_applications_cors_alone() -> None:
    own = (("access-control-allow-origin", "https://example.com"),)
    response = load("scaleway").respond(Response(200, own), ARRIVAL)
    assert [*response.headers] == [*own, ("Access-Control-Allow-Headers", "Content-Type")]


def test_openwhisk_sends_its_cors_beside_an_applications() -> None:
    own = (("Access-Control-Allow-Origin", "https://example.com"),)
    response = load("openwhisk").respond(Response(200, own), ARRIVAL)
    origins = header(response.headers, "access-control-allow-origin")
    assert origins == ["https://example.com", "*"]


def test_yandex_takes_a_requests_headers_off_a_response() -> None:
    own = (("Authorization", "x"), ("Cookie", "a=1"), ("User-Agent", "x"), ("X-Mine", "1"))
    names = {name for name, _ in load("yandex").respond(Response(200, own), ARRIVAL).headers}
    assert names == {
        "X-Mine",
        "X-Request-Id",
        "X-Serverless-Gateway-Id",
        "X-Serverless-Gateway-Path",
    }


# Limits


@pytest.mark.parametrize(
    ("name", "timeout_s", "timeout_limit_s", "memory_mb", "gateway_timeout_s"),
    [
        ("tencent_apigw", 3, 900, 128, 15),
        ("tencent_function_url", 3, 900, 128, None),
        ("tencent_cloudbase", 3, 900, 256, None),
        ("alibaba_fc3", 60, 86400, 512, None),
        ("alibaba_apigw", 60, 86400, 512, 10),
        ("huawei_apig", 3, 259200, 128, 5),
        ("baidu_cfc", 3, 300, 128, None),
        ("volcengine", 30, 900, 512, None),
        ("azure", 300, 600, 1536, 230),
        ("gcp", 60, 3600, 256, None),
        ("openwhisk", 60, 300, 256, 60),
        ("digitalocean", 3, 900, 256, 60),
        ("yandex", 3, 3600, 128, None),
        ("scaleway", 300, 3600, 256, None),
    ],
)
def test_new_functions_have_the_platforms_limits(
    name: str,
    timeout_s: float,
    timeout_limit_s: float,
    memory_mb: int,
    gateway_timeout_s: float | None,
) -> None:
    cloud = load(name)
    assert (cloud.timeout_s, cloud.timeout_limit_s) == (timeout_s, timeout_limit_s)
    assert (cloud.memory_mb, cloud.gateway_timeout_s) == (memory_mb, gateway_timeout_s)


def test_sizes_are_the_documented_ones() -> None:
    sizes = {
        name: (
            load(name).headers_limit_bytes,
            load(name).url_limit_bytes,
            load(name).result_headers_limit_bytes,
        )
        for name in NAMES
    }
    assert {name: limits for name, limits in sizes.items() if any(limits)} == {
        "alibaba_apigw": (8192, 8192, None),
        "alibaba_fc2": (8192, 4096, 8192),
        "alibaba_fc3": (8192, 4096, 8192),
        "digitalocean": (None, 8192, None),
        "gcp": (32768, None, 32768),
        "huawei_apig": (131072, 32768, None),
        "openwhisk": (None, 8192, None),
        "tencent_function_url": (None, None, 4096),
    }


def test_only_websocket_gateways_have_rules_of_sockets() -> None:
    assert [name for name in NAMES if load(name).sockets] == ["tencent_websocket"]
    rules = load("tencent_websocket").sockets
    assert rules is not None
    assert (rules.takes_binary, rules.failure_code, rules.message_bytes) == (True, 1011, None)


# Environment


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        (
            "tencent_apigw",
            {"SCF_FUNCTIONNAME": "shop", "SCF_NAMESPACE": "default", "TENCENTCLOUD_RUNENV": "SCF"},
        ),
        ("tencent_cloudbase", {"SCF_NAMESPACE": "slsadapt-0g", "TCB_ENV": "slsadapt-0g"}),
        (
            "alibaba_fc3",
            {
                "FC_FUNCTION_HANDLER": "web.api.app",
                "FC_FUNCTION_MEMORY_SIZE": "192",
                "FC_FUNC_CODE_PATH": "/srv/shop",
                "FC_INSTANCE_ID": "c-local-2",
            },
        ),
        (
            "huawei_apig",
            {"RUNTIME_FUNC_NAME": "shop", "RUNTIME_MEMORY": "192", "RUNTIME_TIMEOUT": "7"},
        ),
        ("baidu_cfc", {"BCE_USER_CODE_ROOT": "/srv/shop"}),
        ("volcengine", {"_FAAS_FUNC_TIMEOUT": "7"}),
        ("azure", {"WEBSITE_HOSTNAME": "shop.azurewebsites.net"}),
        ("gcp", {"FUNCTION_TARGET": "app", "K_SERVICE": "shop"}),
        ("openwhisk", {"__OW_ACTION_NAME": "/guest/shop"}),
        (
            "scaleway",
            {"SCW_HANDLER_NAME": "app", "SCW_HANDLER_PATH": "/srv/shop/web/api"},
        ),
    ],
)
def test_environment_tells_of_the_function(name: str, variables: dict[str, str]) -> None:
    function = Function(
        label="web.api:app",
        folder=Path("/srv/shop"),
        module="web.api",
        name="app",
        dialect=name,
        function_name="shop",
        timeout_s=7.0,
        memory_mb=192,
    )
    assert variables.items() <= load(name).environment(function, "2").items()
