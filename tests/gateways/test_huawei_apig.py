"""Huawei FunctionGraph behind APIG."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qsl

import flask
import pytest

from slsadapt import BadEventError, Request, Response, wrap
from slsadapt.gateways import huawei_apig
from slsadapt.testing.losses import grouped
from tests.conftest import load_case
from tests.gateways.corpus import cases, changed, values

LIVE = "huawei_apig/get_path_prefix_real"
POST = "huawei_apig/post_json_text"


def decoded(changes: dict[str, Any], case: str = LIVE) -> Request:
    return huawei_apig.decode_event(changed(case, changes))


@pytest.mark.parametrize("case", cases("huawei_apig"))
def test_recorded_event_is_the_clients_request(case: str) -> None:
    recorded = load_case(case)
    expect = recorded["expect"]
    assert huawei_apig.matches(recorded["event"])
    request = huawei_apig.decode_event(recorded["event"])
    assert (request.method, request.path) == (expect["method"], expect["path"])
    assert parse_qsl(request.query) == [tuple(pair) for pair in expect["query"]]
    assert request.body == expect["body"].encode()
    assert request.client == (expect["client"], 0)
    assert (request.scheme, request.server[1], request.stage) == ("https", 443, "RELEASE")
    assert request.request_id == recorded["event"]["requestContext"]["requestId"]
    assert (request.root_path, request.user) == ("", None)


def test_host_is_the_gateways() -> None:
    host = "dde39b6334e34bbabed439eccfd29e7b.apic.eu-de.otc.t-systems.com"
    assert decoded({}).server == (host, 443)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("resource", "/", id="AWS REST, Baidu"),
        pytest.param("multiValueHeaders", {}, id="AWS, Kong, Yandex"),
        pytest.param("queryString", {}, id="Tencent"),
        pytest.param("rawPath", "/", id="AWS HTTP"),
        pytest.param("requestContext.serviceId", "service-1", id="Tencent's service"),
        pytest.param("requestContext.envId", "env-1", id="Tencent's environment"),
        pytest.param("requestContext.elb", {}, id="AWS ALB"),
        pytest.param("requestContext.stage", ..., id="no stage"),
        pytest.param("requestContext.apiId", ..., id="no API"),
        pytest.param("requestContext", None, id="context null"),
        pytest.param("requestContext", "stage apiId", id="context no object"),
        pytest.param("requestContext", ..., id="no context"),
        pytest.param("httpMethod", ..., id="no method"),
    ],
)
def test_event_of_another_gateway_is_not_claimed(key: str, value: Any) -> None:
    assert not huawei_apig.matches(changed(LIVE, {key: value}))


@pytest.mark.parametrize(
    "thing", [None, 5, "httpMethod", [], pytest.param(object(), id="object")], ids=repr
)
def test_what_is_no_object_is_not_claimed(thing: object) -> None:
    assert not huawei_apig.matches(thing)


def test_timer_is_not_claimed() -> None:
    assert not huawei_apig.matches(load_case("huawei_timer/timer")["event"])


@pytest.mark.parametrize(
    ("body", "flag", "octets"),
    [
        pytest.param("", True, b"", id="flag beside nothing"),
        pytest.param(None, True, b"", id="flag beside null"),
        pytest.param(..., True, b"", id="flag alone"),
        pytest.param("/wA=", True, b"\xff\x00", id="octets"),
        pytest.param("dGVzdA==", False, b"dGVzdA==", id="text that looks like base64"),
        pytest.param("dGVzdA==", ..., b"dGVzdA==", id="no flag"),
        pytest.param("dGVzdA==", "true", b"test", id="flag as text"),
        pytest.param("λ", False, b"\xce\xbb", id="text"),
    ],
)
def test_body_is_what_the_flag_says(body: Any, flag: Any, octets: bytes) -> None:
    assert decoded({"body": body, "isBase64Encoded": flag}).body == octets


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param({"page": ["1", "2"]}, "page=1&page=2", id="list"),
        pytest.param({"name": "2"}, "name=2", id="string"),
        pytest.param({"q": "a b&c=d+e%"}, "q=a%20b%26c%3Dd%2Be%25", id="decoded"),
        pytest.param({"": "x", "flag": True}, "=x&flag", id="empty key and a key alone"),
        pytest.param({}, "", id="none"),
        pytest.param(None, "", id="null"),
    ],
)
def test_query_is_encoded_again(fields: Any, query: str) -> None:
    assert decoded({"queryStringParameters": fields}).query == query


def test_path_parameters_are_not_read() -> None:
    request = decoded({"pathParameters": {"": "elsewhere", "id": 5}})
    assert request.path == "/PathParameterTest/helloWorld/Test"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("/%E4%BD%A0/a%20b%2Fc", "/%E4%BD%A0/a%20b%2Fc", id="encoded"),
        pytest.param("/你/a b", "/%E4%BD%A0/a%20b", id="decoded"),
        pytest.param("", "/", id="empty"),
        pytest.param("a", "/a", id="no slash"),
    ],
)
def test_path_is_taken_as_encoded(raw: str, path: str) -> None:
    assert decoded({"path": raw}).path == path


def test_client_is_not_whom_the_client_names() -> None:
    assert decoded({"headers.x-forwarded-for": "10.0.0.1"}).client == ("203.0.113.12", 0)
    assert decoded({"headers.x-real-ip": ...}).client is None


@pytest.mark.parametrize(
    ("proto", "port", "scheme", "server_port"),
    [
        pytest.param("http", ..., "http", 80, id="http"),
        pytest.param("https", ..., "https", 443, id="https"),
        pytest.param("https", "8443", "https", 8443, id="another port"),
        pytest.param(..., ..., "https", 443, id="untold"),
    ],
)
def test_scheme_and_port_are_the_gateways(
    proto: Any, port: Any, scheme: str, server_port: int
) -> None:
    request = decoded({"headers.x-forwarded-proto": proto, "headers.x-forwarded-port": port})
    assert (request.scheme, request.server[1]) == (scheme, server_port)


def test_header_may_be_a_list() -> None:
    request = decoded({"headers.x-tag": ["one", "two"]})
    assert values(request, "x-tag") == ["one", "two"]
    assert values(request, "x-real-ip") == ["203.0.113.12"]


@pytest.mark.parametrize(
    ("sent", "lengths"),
    [
        pytest.param(..., ["24"], id="absent"),
        pytest.param("32", ["24"], id="that of the base64"),
        pytest.param("24", ["24"], id="right"),
    ],
)
def test_length_is_that_of_the_octets(sent: Any, lengths: list[str]) -> None:
    body = b64encode(b'{"name": "Hello, World"}').decode()
    changes = {"body": body, "isBase64Encoded": True, "headers.content-length": sent}
    assert values(decoded(changes, POST), "content-length") == lengths


def test_credentials_of_the_agency_do_not_reach_the_application() -> None:
    names = [
        "x-cff-auth-token",
        "X-Cff-Security-Access-Key",
        "x-cff-security-secret-key",
        "x-cff-security-token",
    ]
    request = decoded({f"headers.{name}": "hunter2" for name in names})
    assert "hunter2" not in repr(request)
    assert values(decoded({"headers.x-cff-request-id": "1"}), "x-cff-request-id") == ["1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"requestContext": 5}, "'requestContext' must be dict, got int", id="context"),
        pytest.param({"requestContext": ...}, "'requestContext' must be dict, got None", id="none"),
        pytest.param({"requestContext.stage": 5}, "'requestContext.stage' must be str", id="stage"),
        pytest.param(
            {"requestContext.requestId": 5}, "'requestContext.requestId' must be str", id="id"
        ),
        pytest.param({"httpMethod": None}, "'httpMethod' must be str", id="method"),
        pytest.param({"path": ["/"]}, "'path' must be str, got list", id="path"),
        pytest.param({"path": ...}, "'path' must be str, got NoneType", id="no path"),
        pytest.param({"queryStringParameters": "a=1"}, "'queryStringParameters' must", id="query"),
        pytest.param({"queryStringParameters": {"a": {}}}, "'queryStringParameters.a'", id="value"),
        pytest.param(
            {"queryStringParameters": {"a": [None]}}, "'queryStringParameters.a' must", id="values"
        ),
        pytest.param({"headers": []}, "'headers' must be dict, got list", id="headers"),
        pytest.param({"headers": {"a": None}}, "'headers.a' must be str", id="header"),
        pytest.param({"headers": {"a": [{}]}}, "'headers.a' must be str", id="header list"),
        pytest.param({"headers.host": "h:x"}, "'headers.host' must end in a port", id="host"),
        pytest.param({"body": {}}, "'body' must be str, got dict", id="body"),
        pytest.param({"body": "!"}, "'body' must be base64", id="no base64"),
        pytest.param(
            {"body": "AA==", "isBase64Encoded": 2}, "'isBase64Encoded' must be bool", id="flag"
        ),
    ],
)
def test_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadEventError, match=message):
        decoded(changes)


@pytest.mark.parametrize(
    ("case", "headers", "body"),
    [
        ("response_base64", [("Content-Type", "application/json")], b"Hello OpenTelekomCloud"),
        (
            "response_lists_http_function",
            [
                ("Content-Type", "application/json"),
                ("Date", "Fri, 03 Jul 2026 09:17:28 GMT"),
                ("Server", "BaseHTTP/0.6 Python/3.10.0"),
            ],
            b'{"message": "Hello, John!"}',
        ),
    ],
)
def test_recorded_result_is_read(case: str, headers: list[tuple[str, str]], body: bytes) -> None:
    response = huawei_apig.decode_result(load_case(f"huawei_apig/{case}")["response"])
    assert (response.status, [*response.headers], response.body) == (200, headers, body)


def test_recorded_result_is_written() -> None:
    # The sample sends as base64 what is text.
    result = load_case("huawei_apig/response_base64")["response"]
    response = Response(200, [("Content-Type", "application/json")], b"Hello OpenTelekomCloud")
    text = {"body": "Hello OpenTelekomCloud", "isBase64Encoded": False}
    assert huawei_apig.encode_result(response, {}) == {**result, **text}


def test_result_lists_what_repeats() -> None:
    headers = [("Content-Type", "image/png"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    assert huawei_apig.encode_result(Response(200, headers, b"\x89PNG"), {}) == {
        "statusCode": 200,
        "headers": {"Content-Type": "image/png", "Set-Cookie": ["a=1", "b=2"]},
        "body": "iVBORw==",
        "isBase64Encoded": True,
    }


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param({"body": "a"}, id="no status"),
        pytest.param({"statusCode": 99}, id="status too low"),
        pytest.param({"statusCode": 200, "headers": "a"}, id="headers no object"),
        pytest.param({"statusCode": 200, "body": {"a": 1}}, id="body no text"),
    ],
)
def test_malformed_result_is_a_500(result: object) -> None:
    response = huawei_apig.decode_result(result)
    assert response.status == 500
    assert json.loads(response.body)["error_code"] == "APIG.0201"


def test_event_is_written_as_the_gateway_does() -> None:
    request = Request(
        "PUT",
        "/a%2Fb",
        "k=1&k=2&flag",
        [("host", "api.example.com"), ("x-tag", "1"), ("x-tag", "2")],
        b"\xff",
        client=("203.0.113.7", 0),
        server=("api.example.com", 443),
        stage="RELEASE",
        request_id="a31d3d70",
    )
    event = huawei_apig.encode_event(request)
    assert event.keys() == load_case(LIVE)["event"].keys()
    assert (event["body"], event["isBase64Encoded"]) == ("/w==", True)
    assert event["queryStringParameters"] == {"k": ["1", "2"], "flag": True}
    assert event["headers"]["x-tag"] == "1,2"
    assert event["headers"]["x-real-ip"] == "203.0.113.7"
    assert (event["path"], event["pathParameters"]) == ("/a%2Fb", {"": "a%2Fb"})
    assert event["requestContext"] == {
        "apiId": "slsadapt",
        "requestId": "a31d3d70",
        "stage": "RELEASE",
    }


def test_event_without_a_client_names_none() -> None:
    assert "x-real-ip" not in huawei_apig.encode_event(Request("GET", "/"))["headers"]


def test_flask_application_is_served() -> None:
    app = flask.Flask(__name__)

    @app.post("/PathParameterTest/<path:rest>")
    def answer(rest: str) -> flask.Response:
        sent = flask.request
        assert sent.environ["serverless.event"]["lubanops-gtrace-id"] == ""
        assert sent.environ["serverless.context"] == "context"
        assert sent.environ["serverless.authorizer"] is None
        response = flask.Response(sent.data[::-1], 201, content_type="application/octet-stream")
        response.headers["X-Seen"] = f"{rest} {sent.args.getlist('a')} {sent.remote_addr}"
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    event = changed(
        LIVE,
        {
            "httpMethod": "POST",
            "path": "/PathParameterTest/caf%C3%A9",
            "queryStringParameters": {"a": ["x y", "z"]},
            "lubanops-gtrace-id": "",
            "body": "AP8=",
        },
    )
    result = wrap(app)(event, "context")
    assert (result["statusCode"], result["body"]) == (201, "/wA=")
    assert result["isBase64Encoded"] is True
    assert result["headers"]["Set-Cookie"] == ["a=1; Path=/", "b=2; Path=/"]
    assert result["headers"]["X-Seen"] == "café ['x y', 'z'] 203.0.113.12"
    response = huawei_apig.decode_result(json.loads(json.dumps(result)))
    assert response.body == b"\xff\x00"
    assert grouped([*response.headers])["Set-Cookie"] == ["a=1; Path=/", "b=2; Path=/"]
