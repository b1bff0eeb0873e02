"""Events that a client's octets become in the local cloud, against those that real clouds sent.

Each recorded event is taken apart into what its client sent: the decoded request without the
headers that the gateway had added. That is sent over a socket, at the recorded time and under the
recorded ID, as if from the recorded address and over TLS where it was so. All of the event that the
function gets must be what was recorded, but for what ``DIFFERENCES`` names, and all that this names
must be there.
"""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import Response, gateways
from slsadapt.local import clouds, objects
from slsadapt.local.gateway import Gateway
from slsadapt.percent import encode_path
from slsadapt.testing.losses import grouped
from tests.conftest import load_case
from tests.gateways.corpus import cases
from tests.local.wire import KeepingPool, Wire, function, write_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slsadapt import Request
    from tests.local.wire import Reply

pytestmark = pytest.mark.once

# Captures where there are any, otherwise what vendors document; "rule_" are captures changed by
# hand for what they do not show.
CASES = {
    "aws_rest": (
        "aws_rest/live_rest_encoded_path_repeated",
        "aws_rest/rule_base_path_mapping",
        "aws_rest/rule_binary_body",
        "aws_rest/rule_root_nulls",
    ),
    "aws_http": (
        "aws_http/live_httpapi_encoded_path_repeated",
        "aws_http/rule_binary_body",
        "aws_http/rule_double_decode_trap",
        "aws_http/rule_get_no_optional_keys",
        "aws_http/rule_named_stage",
    ),
    "aws_function_url": (
        "aws_function_url/live_url_encoded_path_repeated",
        "aws_function_url/rule_binary_body",
        "aws_function_url/rule_double_decode_trap",
    ),
    "aws_alb": ("aws_alb/live_multivalue_encoded", "aws_alb/rule_binary_body"),
    "aws_edge": ("aws_edge/doc_origin_request", "aws_edge/rule_body"),
    "aws_lattice": ("aws_lattice_v2/rule_query_on_path",),
    "kong": ("kong/post_current", "kong/spec_plain_route"),
    "tencent_apigw": (
        "tencent_apigw/get_api_path_prefix",
        "tencent_apigw/get_repeated_query_and_flag",
        "tencent_apigw/get_unicode_encoded_path",
        "tencent_apigw/post_form_custom_domain_real",
        "tencent_apigw/post_plain_curl_real",
    ),
    "tencent_cloudbase": (
        "tencent_cloudbase/get_repeated_query",
        "tencent_cloudbase/get_with_base64_body",
    ),
    "tencent_function_url": (
        "tencent_function_url/get_minimal",
        "tencent_function_url/post_json_doc",
    ),
    "alibaba_fc3": (
        "alibaba_fc3/get_query_doc",
        "alibaba_fc3/get_repeated_headers_query_xff",
        "alibaba_fc3/get_unicode_path",
        "alibaba_fc3/post_binary",
        "alibaba_fc3/post_json_doc",
    ),
    "alibaba_apigw": ("alibaba_apigw/post_form_text", "alibaba_apigw/post_json_base64"),
    "huawei_apig": (
        "huawei_apig/get_base64_body",
        "huawei_apig/get_path_prefix_real",
        "huawei_apig/get_repeated_query_lubanops",
    ),
    "volcengine": ("volcengine/get_doc", "volcengine/post_form_event_type"),
    "baidu_cfc": (
        "baidu_cfc/post_binary",
        "baidu_cfc/post_proxy_template",
        "baidu_cfc/post_text",
    ),
    "yandex": ("yandex/apigw_v01_get_query_real", "yandex/apigw_v01_greedy_path_real"),
    "scaleway": ("scaleway/get_query", "scaleway/post_json", "scaleway/runtime_post_repeats"),
    "openwhisk": (
        "openwhisk/raw_get_repeated_query",
        "openwhisk/raw_post_binary",
        "openwhisk/raw_post_form",
    ),
    "digitalocean": (
        "digitalocean/raw_get",
        "digitalocean/raw_post_form",
        "digitalocean/raw_post_json",
    ),
}
# Headers that the gateway adds, and no client sends.
ADDED = {
    "aws_edge": ("cloudfront-*", "via", "x-forwarded-for"),
    "aws_function_url": ("x-amzn-*", "x-forwarded-*"),
    "baidu_cfc": ("app", "x-bce-request-id"),
    "huawei_apig": ("x-forwarded-*", "x-real-ip", "x-request-id"),
    "kong": (),
    "openwhisk": ("x-request-id",),
    "digitalocean": ("x-forwarded-*", "x-request-id"),
    "scaleway": ("x-envoy-*", "x-forwarded-*", "x-request-id"),
    "tencent_apigw": (
        "endpoint-timeout",
        "requestsource",
        "x-anonymous-consumer",
        "x-api-*",
        "x-b3-traceid",
        "x-qualifier",
    ),
    "tencent_cloudbase": (
        "x-client-proto*",
        "x-forwarded-*",
        "x-nws-log-uuid",
        "x-real-ip",
        "x-stgw-time",
    ),
    "tencent_function_url": ("x-scf-*",),
    "volcengine": ("x-faas-*", "x-real-*"),
    "yandex": (
        "x-api-gateway-*",
        "x-envoy-*",
        "x-forwarded-*",
        "x-real-remote-address",
        "x-serverless-*",
        "x-trace-id",
    ),
    "alibaba_apigw": ("x-ca-*", "x-forwarded-*"),
    "alibaba_fc3": (),
}
USUAL = ("x-amzn-trace-id", "x-forwarded-*")
ACCOUNT = "the account's own"
API = "as the API is defined, here by a prefix or {proxy+}"
NEW = "new with each request"
RECORDER = "empty fields, which the recording tool wrote of its own types"
SAMPLE = "the source has no such line, or another, and captures of the same gateway have it"
# What remains between recorded events and ours, and why.
DIFFERENCES: dict[str, dict[str, str]] = {
    "aws_rest": {
        "~ headers.X-Amzn-Trace-Id": NEW,
        "~ multiValueHeaders.X-Amzn-Trace-Id[0]": NEW,
        "~ requestContext.extendedRequestId": NEW,
        "~ requestContext.apiId": ACCOUNT,
        "~ requestContext.resourceId": ACCOUNT,
        "+ requestContext.deploymentId": "newer than the recording tool",
        "! requestContext.identity.*": "null, for which the recording tool wrote ''",
        "- requestContext.identity.apiKey*": RECORDER,
        "- requestContext.identity.clientCert": RECORDER,
        "- requestContext.authorizer": RECORDER,
        "- requestContext.operationName": RECORDER,
    },
    "aws_http": {
        "~ headers.x-amzn-trace-id": NEW,
        "~ requestContext.apiId": ACCOUNT,
        "- pathParameters": RECORDER,
        "- stageVariables": RECORDER,
        "- requestContext.authentication": RECORDER,
        "- requestContext.authorizer": RECORDER,
        "+ headers.content-length": "of a request without a body it is 0 in captures",
    },
    "aws_function_url": {
        "~ headers.x-amzn-trace-id": NEW,
        "- pathParameters": RECORDER,
        "- stageVariables": RECORDER,
        "- requestContext.authentication": RECORDER,
        "- requestContext.authorizer": RECORDER,
    },
    "aws_alb": {
        "~ requestContext.elb.targetGroupArn": ACCOUNT,
        "- headers": RECORDER,
        "- queryStringParameters": RECORDER,
    },
    "aws_edge": {
        "~ Records[0].cf.config.distributionId": ACCOUNT,
        "~ Records[0].cf.request.origin.custom.sslProtocols": "as the origin is configured",
        "~ Records[0].cf.request.headers.via[0].value": "begins with the client's HTTP version",
        "+ Records[0].cf.request.body": "as the association is configured",
        "+ Records[0].cf.request.headers.cloudfront-forwarded-proto": "as the policy is configured",
    },
    "aws_lattice": {
        "~ requestContext.*Arn": ACCOUNT,
        "~ requestContext.region": ACCOUNT,
        "~ requestContext.timeEpoch": "in us, and the clock here gives ms",
        "- requestContext.identity.*": "of a client that AWS authorized",
        "+ body": SAMPLE,
    },
    "kong": {
        "~ resource": "the route's pattern",
        "! requestContext.requestTimeEpoch": "in ms and their parts, and the clock here gives ms",
        "~ requestContext.protocol": "the recorded client spoke HTTP/1.0",
        "+ headers.host": "the recorded client sent none",
        "+ multiValueHeaders.host": "the recorded client sent none",
        "+ headers.content-length": SAMPLE,
        "+ multiValueHeaders.content-length": SAMPLE,
    },
    "tencent_apigw": {
        "~ requestContext.serviceId": ACCOUNT,
        "~ requestContext.path": API,
        "~ headers.content-length": "personal data was replaced in the body",
        "+ headers.endpoint-timeout": SAMPLE,
        "+ headers.requestsource": SAMPLE,
        "+ headers.x-anonymous-consumer": SAMPLE,
        "+ headers.x-api-requestid": SAMPLE,
        "+ headers.x-api-scheme": SAMPLE,
        "+ headers.x-b3-traceid": SAMPLE,
        "+ headers.x-qualifier": SAMPLE,
        "~ headers.x-qualifier": "as the trigger is configured",
        "+ isBase64Encoded": "comes where the API's switch for base64 is on, as here",
        "- isBase64Encoded": "of a request without a body",
    },
    "tencent_cloudbase": {
        "~ headers.x-nws-log-uuid": NEW,
        "~ multiValueHeaders.x-nws-log-uuid[0]": NEW,
        "~ headers.x-stgw-time": NEW,
        "~ multiValueHeaders.x-stgw-time[0]": NEW,
        "~ headers.x-forwarded-for": "the client sent one, which has no part in the test",
        "~ multiValueHeaders.x-forwarded-for[0]": "the client sent one",
        "~ requestContext.appId": ACCOUNT,
        "~ requestContext.envId": ACCOUNT,
        "~ requestContext.uin": ACCOUNT,
    },
    "tencent_function_url": {
        "~ headers.content-length": "the documented one is not that of the body",
        "+ headers.host": SAMPLE,
    },
    "alibaba_fc3": {
        "~ requestContext.accountId": ACCOUNT,
        "~ requestContext.http.userAgent": "the documented one is not that of the headers",
        "+ headers.Host": SAMPLE,
        "+ headers.X-Forwarded-Proto": SAMPLE,
    },
    "alibaba_apigw": {
        "- pathParameters.id": API,
        "+ headers.*": "documented events have next to no headers",
    },
    "huawei_apig": {
        "~ requestContext.apiId": ACCOUNT,
        "~ headers.x-request-id": "twice in the event, and masked once",
        "- lubanops-*": "of the vendor's tracing, where it is on",
        "~ pathParameters.": API,
        "+ pathParameters.": API,
        "+ headers.content-length": SAMPLE,
        "+ headers.x-forwarded-host": SAMPLE,
        "+ headers.x-request-id": SAMPLE,
    },
    "volcengine": {
        "- pathParameters.path": API,
        "+ eventType": SAMPLE,
        "+ headers.*": SAMPLE,
    },
    "baidu_cfc": {
        "~ resource": API,
        "+ pathParameters.path": API,
        "- pathParameters.id": API,
        "~ headers.Content-Length": "the sample's is not that of its body",
        "+ headers.Connection": SAMPLE,
        "+ headers.Content-Length": SAMPLE,
        "+ headers.Host": SAMPLE,
    },
    "yandex": {
        "~ path": API,
        "+ *arams.path": API,
        "- *arams.name": API,
        "~ *eaders.X-Trace-Id*": NEW,
        "~ *eaders.X-Api-Gateway-Function-Id*": ACCOUNT,
        "~ *eaders.X-Serverless-Gateway-Id*": ACCOUNT,
        "~ *eaders.X-Real-Remote-Address*": "the client's port is told nowhere else",
        "+ *eaders.*": "left out by who recorded, in one of two",
    },
    "scaleway": {
        "+ resource": "the vendor's emulator has none, its runtime does",
        "+ stageVariables": "'stageVariable' in the emulator",
        "- stageVariable": "'stageVariables' in the runtime",
        "+ headers.Content-Length": SAMPLE,
        "+ headers.Host": "the runtime leaves it out, the emulator does not",
        "~ headers.X-Forwarded-For": "begins with what the client wrote, and has inner hops",
    },
    "openwhisk": {
        "+ __ow_headers.x-request-id": "newer than what was recorded",
        "- __ow_headers.connection": "written by the router of another deployment",
        "~ __ow_headers.host": "a machine inside the platform",
    },
    "digitalocean": {
        "+ http.headers.*": "documented events have few headers",
        "+ http.isBase64Encoded": SAMPLE,
    },
}


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    serving = Wire()
    yield serving
    serving.close()


def sent_by_client(name: str, request: Request) -> bytes:
    """Write what the client sent of a request that a gateway passed on."""
    added = (*ADDED.get(name, USUAL), "content-length")
    headers = [
        pair
        for pair in request.headers
        if not any(fnmatchcase(pair[0], pattern) for pattern in added)
    ]
    target = encode_path(request.root_path) + request.path
    if request.query:
        target += f"?{request.query}"
    return write_request(request.method, target, headers, request.body, request.server[0])


def received_ms(event: Any) -> int | None:
    """Find when a recorded request came; clouds count in s, ms, us or ns."""
    if isinstance(event, dict):
        for key, value in event.items():
            if key in ("timeEpoch", "requestTimeEpoch"):
                text = str(int(float(value)))
                return int(text[:13].ljust(13, "0")) if float(value) else 0
            if (found := received_ms(value)) is not None:
                return found
    return None


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """Name what differs: ``-`` for what is not there, ``+`` for what should not, ``~`` for a value
    of the same type, ``!`` for one of another.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            below = f"{path}.{key}" if path else key
            if key not in found:
                yield f"- {below}"
            elif key not in expected:
                yield f"+ {below}"
            else:
                yield from differences(expected[key], found[key], below)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif type(expected) is not type(found):
        yield f"! {path}"
    elif expected != found:
        yield f"~ {path}"


def through_the_gateway(wire: Wire, name: str, case: str) -> list[str]:
    """Send what a recorded event's client sent, and compare."""
    event = load_case(case)["event"]
    request = gateways.load(name).decode_event(event)
    cloud = clouds.load(name)
    arrived_ms = received_ms(event) or 0
    pool = KeepingPool()
    gateway = Gateway(
        function(name),
        replace(cloud, request_id=lambda: request.request_id or "recorded-none"),
        pool,
        lambda notice: None,
        stage=request.stage if request.root_path or not cloud.is_stage_in_url else "",
        base_path="" if request.root_path == f"/{request.stage}" else request.root_path,
        clock=lambda: arrived_ms / 1000 + 0.0001,
    )

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope |= {"scheme": request.scheme, "client": request.client or ("127.0.0.1", 50000)}
        await gateway(scope, receive, send)

    wire.app = app
    wire.send(sent_by_client(name, request))
    return [*differences(event, pool.event)]


@pytest.mark.parametrize("name", CASES)
def test_client_octets_become_the_recorded_event(wire: Wire, name: str) -> None:
    unused = set(DIFFERENCES[name])
    unexplained = []
    for case in CASES[name]:
        for difference in through_the_gateway(wire, name, case):
            matching = {each for each in DIFFERENCES[name] if fnmatchcase(difference, escape(each))}
            unused -= matching
            if not matching:
                unexplained.append(f"{case}: {difference}")
    assert unexplained == []
    assert unused == set()


def escape(pattern: str) -> str:
    """Let brackets stand for themselves, and ``*`` for anything."""
    return pattern.replace("[", "[[]")


# Headers of responses that the gateway adds, with values of each response's own or of the server.
GATEWAYS_OWN = {
    "aws_rest": ("x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id", "x-amzn-errortype"),
    "aws_http": ("apigw-requestid",),
    "aws_function_url": ("x-amzn-requestid", "x-amzn-trace-id"),
    "aws_alb": ("server",),
    "aws_edge": ("server", "via", "x-cache", "x-amz-cf-pop", "x-amz-cf-id"),
    "kong": (
        "server",
        "via",
        "x-amz-executed-version",
        "x-amzn-remapped-content-length",
        "x-amzn-trace-id",
        "x-kong-request-id",
    ),
    "tencent_apigw": ("x-api-requestid",),
    "tencent_function_url": ("x-scf-request-id",),
    "alibaba_fc3": ("x-fc-request-id",),
    "alibaba_apigw": ("x-ca-request-id",),
    "huawei_apig": ("x-request-id",),
    "scaleway": ("access-control-allow-origin", "access-control-allow-headers"),
    "openwhisk": (
        "access-control-allow-origin",
        "access-control-allow-methods",
        "access-control-allow-headers",
        "x-openwhisk-activation-id",
        "x-request-id",
    ),
}
JSON_TYPE = ("content-type", "application/json")
HTML_TYPE = ("content-type", "text/html")
PNG = b"\x89PNG\r\n\x1a\n"
# What clients receive of the results that vendors document, written by hand.
RECEIVED: dict[str, tuple[int, list[tuple[str, str]], bytes]] = {
    "aws_http_response/doc_infer_json": (200, [JSON_TYPE], b'{"message":"Hello from Lambda!"}'),
    "aws_http_response/doc_infer_string": (200, [JSON_TYPE], b"Hello from Lambda!"),
    "aws_function_url_response/doc_response": (
        201,
        [
            JSON_TYPE,
            ("my-custom-header", "Custom Value"),
            ("set-cookie", "Cookie_1=Value1; Expires=21 Oct 2021 07:48 GMT"),
            ("set-cookie", "Cookie_2=Value2; Max-Age=78000"),
        ],
        b'{ "message": "Hello, world!" }',
    ),
    "aws_alb_response/go_response": (
        200,
        [
            ("set-cookie", "cookie-name=cookie-value;Domain=myweb.com;Secure;HttpOnly"),
            ("set-cookie", "cookie-name=cookie-value;Expires=May 8, 2019"),
            JSON_TYPE,
        ],
        b"Hello from Lambda",
    ),
    "aws_lattice_response/doc_shape": (
        200,
        [("set-cookie", "cookies"), JSON_TYPE],
        b"Hello from Lambda (optional)",
    ),
    "aws_edge_response/doc_shape": (
        200,
        [
            ("content-type", "text/html;charset=UTF-8"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ],
        b"content",
    ),
    "kong/response_headers": (
        200,
        [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("content-type", "text/plain")],
        b"ok",
    ),
    "tencent_apigw/response_binary": (200, [("content-type", "image/png")], PNG),
    "tencent_apigw/response_multi_value_header": (
        200,
        [HTML_TYPE, ("key", "value1"), ("key", "value2"), ("key", "value3")],
        b"<html><body><h1>Heading</h1><p>Paragraph.</p></body></html>",
    ),
    "tencent_function_url/response_inferred": (200, [JSON_TYPE], b"Hello, world!"),
    "tencent_function_url/response_json": (
        200,
        [JSON_TYPE, ("my-custom-header", "Custom Value")],
        b'{ "message": "Hello, world!" }',
    ),
    "alibaba_fc3/response_text": (
        200,
        [JSON_TYPE, ("custom-header-1", "Custom Value")],
        b'{"message":"Hello FC!"}',
    ),
    "alibaba_apigw/response_json": (200, [("x-custom-header", "no")], b"..."),
    "huawei_apig/response_base64": (200, [JSON_TYPE], b"Hello OpenTelekomCloud"),
    "scaleway/response_lists_doc": (
        200,
        [JSON_TYPE, ("your-header", "your-value")],
        b'{"message": "hello world"}',
    ),
    "openwhisk/response_cookies": (
        200,
        [
            ("set-cookie", "UserID=Jane; Max-Age=3600; Version="),
            ("set-cookie", "SessionID=asdfgh123456; Path = /"),
            HTML_TYPE,
        ],
        b"<html><body><h3>hello</h3></body></html>",
    ),
    "openwhisk/response_png": (200, [("content-type", "image/png")], PNG),
    "volcengine/response_json": (200, [JSON_TYPE], b'{"message": "Hello veFaaS!"}'),
}


def returned(wire: Wire, case: str) -> tuple[Reply, list[tuple[str, str]]]:
    """Let a function return a recorded result.

    Returns:
        (what the client receives, its headers without the gateway's and the server's own).
    """
    recorded = load_case(case)
    name = case.partition("/")[0].removesuffix("_response")
    result = recorded.get("handler_result", recorded.get("response"))
    wire.app = Gateway(function(name), clouds.load(name), KeepingPool(result), lambda notice: None)
    reply = wire.send(write_request("GET", "/"))
    assert reply.values("content-length") == [str(len(reply.body))]
    assert len(reply.values("date")) == 1
    own = {"content-length", "date", *GATEWAYS_OWN.get(name, ())}
    return reply, [pair for pair in reply.headers if pair[0] not in own]


@pytest.mark.parametrize("case", RECEIVED)
def test_client_receives_the_documented_result(wire: Wire, case: str) -> None:
    reply, headers = returned(wire, case)
    assert (reply.status, headers, reply.body) == RECEIVED[case]


@pytest.mark.parametrize(
    "case",
    [
        case
        for name in ("aws_rest", "aws_http", "aws_function_url")
        for case in cases(f"{name}_response", "http")
    ],
)
def test_client_receives_what_was_recorded(wire: Wire, case: str) -> None:
    recorded = load_case(case)["http"]
    reply, headers = returned(wire, case)
    assert reply.status == recorded["status"]
    if isinstance(recorded["body"], str):
        assert reply.body == recorded["body"].encode()
    else:
        assert json.loads(reply.body) == recorded["body"]
    if "headers" in recorded:
        assert {name: ", ".join(values) for name, values in grouped(headers).items()} == {
            name.lower(): value
            for name, value in recorded["headers"].items()
            if name != "Content-Length"
        }


def test_azure_gets_the_recorded_request_object(wire: Wire) -> None:
    pytest.importorskip("azure.functions")
    event = load_case("azure/get_browser_real_headers")["event"]
    pool = KeepingPool(objects.pack_response(Response(200)))
    gateway = Gateway(
        function("azure"),
        replace(clouds.load("azure"), request_id=lambda: "recorded-none"),
        pool,
        lambda notice: None,
        base_path="/api/fn",
    )

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await gateway(scope | {"scheme": "https", "client": ("3.3.3.3", 49196)}, receive, send)

    wire.app = app
    octets = write_request("GET", "/api/fn/users?a=1&a=2", host="app.azurewebsites.net")
    assert wire.send(octets).status == 200
    (payload,) = pool.payloads
    found: Any = gateways.load("azure").encode_event(objects.unpack_request(payload))
    assert found.method == event["method"]
    assert found.url == event["url"]
    assert found.params == event["params"]
    assert found.route_params == event["route_params"]
    assert found.get_body() == b""
    assert [*differences(event["headers"], dict(found.headers))] == [
        "~ client-ip",  # that of a front end before Azure's
        "+ x-arr-log-id",
    ]
