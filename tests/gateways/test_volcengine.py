"""Volcengine veFaaS."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import parse_qsl

import flask
import pytest

from slsadapt import ApplicationError, BadEventError, Request, Response, wrap
from slsadapt.gateways import volcengine
from tests.conftest import load_case
from tests.gateways.corpus import cases, changed, values

FORM = "volcengine/post_form_event_type"
DOC = "volcengine/get_doc"
REQUESTS = cases("volcengine", "expect")
PNG = Response(200, [("Content-Type", "image/png")], b"\x89PNG")


def decoded(changes: dict[str, Any], case: str = FORM) -> Request:
    return volcengine.decode_event(changed(case, changes))


@pytest.mark.parametrize("case", REQUESTS)
def test_recorded_event_is_the_clients_request(case: str) -> None:
    recorded = load_case(case)
    expect = recorded["expect"]
    assert volcengine.matches(recorded["event"])
    request = volcengine.decode_event(recorded["event"])
    assert (request.method, request.path) == (expect["method"], expect["path"])
    assert parse_qsl(request.query) == [tuple(pair) for pair in expect["query"]]
    assert request.body == expect["body"].encode()
    assert request.request_id == recorded["event"]["headers"]["X-Faas-Request-Id"]
    assert (request.root_path, request.stage, request.user) == ("", "", None)


def test_repeated_query_key_arrives_joined() -> None:
    assert decoded({}).query == "k=1,2"


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        pytest.param({}, ("203.0.113.5", 1234), id="address and port"),
        pytest.param({"X-Real-Port": ...}, ("203.0.113.5", 0), id="no port"),
        pytest.param({"X-Real-Port": "9" * 5000}, ("203.0.113.5", 0), id="endless port"),
        pytest.param({"X-Real-Port": "²"}, ("203.0.113.5", 0), id="port no number"),
        pytest.param({"X-Real-Ip": "2001:db8::7"}, ("2001:db8::7", 1234), id="ipv6"),
        pytest.param({"X-Real-Ip": ...}, None, id="no address"),
        pytest.param({"X-Forwarded-For": "10.0.0.1"}, ("203.0.113.5", 1234), id="spoofed"),
    ],
)
def test_client_is_whom_the_platform_names(
    headers: dict[str, Any], client: tuple[str, int] | None
) -> None:
    changes = {f"headers.{name}": value for name, value in headers.items()}
    assert decoded(changes).client == client


@pytest.mark.parametrize(
    ("host", "server"),
    [
        pytest.param("10.243.0.1:9001", ("10.243.0.1", 9001), id="inside the platform"),
        pytest.param("fn.example.com", ("fn.example.com", 443), id="custom domain"),
        pytest.param(..., ("localhost", 443), id="none"),
    ],
)
def test_server_is_the_host(host: Any, server: tuple[str, int]) -> None:
    assert decoded({"headers.Host": host}).server == server


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("/%E4%BD%A0/a%20b", "/%E4%BD%A0/a%20b", id="encoded"),
        pytest.param("/你/a b", "/%E4%BD%A0/a%20b", id="decoded"),
        pytest.param("", "/", id="empty"),
    ],
)
def test_path_is_taken_as_encoded(raw: str, path: str) -> None:
    assert decoded({"path": raw}).path == path


@pytest.mark.parametrize(
    ("fields", "query"),
    [({"a": "x y&", "b": ""}, "a=x%20y%26&b="), ({}, ""), (None, "")],
)
def test_query_is_encoded_again(fields: Any, query: str) -> None:
    assert decoded({"queryStringParameters": fields}).query == query


@pytest.mark.parametrize(
    ("body", "octets", "lengths"),
    [
        pytest.param("a=1&b=λ", "a=1&b=λ".encode(), ["8"], id="text"),
        pytest.param("dGVzdA==", b"dGVzdA==", ["8"], id="text that looks like base64"),
        pytest.param("", b"", [], id="empty"),
        pytest.param(None, b"", [], id="null"),
        pytest.param(..., b"", [], id="none"),
    ],
)
def test_body_is_text(body: Any, octets: bytes, lengths: list[str]) -> None:
    request = decoded({"body": body})
    assert request.body == octets
    assert values(request, "content-length") == lengths


def test_credentials_of_the_role_do_not_reach_the_application() -> None:
    names = ["X-Faas-Access-Key-Id", "x-faas-secret-access-key", "X-Faas-Session-Token"]
    request = decoded({f"headers.{name}": "hunter2" for name in names})
    assert "hunter2" not in repr(request)
    assert values(request, "x-faas-request-id") == ["xxx"]


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        pytest.param(FORM, {"headers": {}}, id="type alone"),
        pytest.param(FORM, {"headers": None}, id="type without headers"),
        pytest.param(FORM, {"eventType": ...}, id="request id alone"),
        pytest.param(DOC, {"headers": {"x-faas-request-id": "1"}}, id="request id in lower case"),
    ],
)
def test_either_sign_of_the_platform_is_enough(case: str, changes: dict[str, Any]) -> None:
    assert volcengine.matches(changed(case, changes))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"eventType": "timer", "headers": {}}, id="another type"),
        pytest.param({"eventType": ..., "headers": {}}, id="no sign"),
        pytest.param({"eventType": ..., "headers": "X-Faas-Request-Id"}, id="headers no object"),
        pytest.param({"requestContext": {}}, id="AWS and others"),
        pytest.param({"isBase64Encoded": False}, id="Kong, Netlify"),
        pytest.param({"queryString": {}}, id="Tencent"),
        pytest.param({"queryParameters": {}}, id="Alibaba"),
        pytest.param({"httpMethod": ...}, id="no method"),
    ],
)
def test_event_of_another_gateway_is_not_claimed(changes: dict[str, Any]) -> None:
    assert not volcengine.matches(changed(FORM, changes))


def test_timer_is_not_claimed() -> None:
    assert not volcengine.matches(load_case("volcengine/timer_doc")["event"])


@pytest.mark.parametrize(
    "thing", [None, 5, "httpMethod", [], pytest.param(object(), id="object")], ids=repr
)
def test_what_is_no_object_is_not_claimed(thing: object) -> None:
    assert not volcengine.matches(thing)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"httpMethod": 5}, "'httpMethod' must be str, got int", id="method"),
        pytest.param({"path": None}, "'path' must be str, got NoneType", id="path"),
        pytest.param({"queryStringParameters": "a"}, "'queryStringParameters' must", id="query"),
        pytest.param(
            {"queryStringParameters": {"a": {}}}, "'queryStringParameters.a' must", id="value"
        ),
        pytest.param({"headers": None}, "'headers' must be dict, got NoneType", id="headers"),
        pytest.param({"headers": {"a": ["b"]}}, "'headers.a' must be str", id="header"),
        pytest.param({"headers.Host": "h:x"}, "'headers.host' must end in a port", id="host"),
        pytest.param({"body": {"a": 1}}, "'body' must be str, got dict", id="body"),
    ],
)
def test_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadEventError, match=message):
        decoded(changes)


def test_documented_result_is_read_and_written() -> None:
    result = load_case("volcengine/response_json")["response"]
    response = volcengine.decode_result(result)
    headers = [("Content-Type", "application/json")]
    assert (response.status, [*response.headers]) == (200, headers)
    assert response.body == b'{"message": "Hello veFaaS!"}'
    body = b'{"message": "Hello veFaaS!"}'
    assert volcengine.encode_result(Response(200, headers, body), {}) == result


def test_result_has_one_string_a_header() -> None:
    headers = [
        ("Link", "</1>"),
        ("Link", "</2>"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ]
    result = volcengine.encode_result(Response(204, headers), {})
    cookies = {"set-cookie": "a=1", "Set-cookie": "b=2"}
    assert result == {"statusCode": 204, "headers": {"Link": "</1>, </2>", **cookies}, "body": ""}


@pytest.mark.parametrize("content_type", ["text/plain", "application/pdf", ""])
def test_text_of_any_type_is_text(content_type: str) -> None:
    response = Response(200, [("Content-Type", content_type)], "<λ>".encode())
    assert volcengine.encode_result(response, {})["body"] == "<λ>"


def test_binary_response_is_an_error_and_no_noise() -> None:
    with pytest.raises(ApplicationError, match="text alone"):
        volcengine.encode_result(PNG, {})


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"statusCode": 200, "body": "AA==", "isBase64Encoded": True}, id="flag"),
        pytest.param({"body": "AA==", "multiValueHeaders": {"a": ["b"]}}, id="lists of headers"),
    ],
)
def test_keys_that_the_platform_does_not_use_do_not_count(result: dict[str, Any]) -> None:
    response = volcengine.decode_result(result)
    assert (response.status, [*response.headers], response.body) == (200, [], b"AA==")


def test_no_result_is_an_empty_200() -> None:
    assert volcengine.decode_result(None) == Response(200)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param("text", id="text"),
        pytest.param({"statusCode": "ok"}, id="status no number"),
        pytest.param({"statusCode": 200, "headers": ["a"]}, id="headers no object"),
        pytest.param({"statusCode": 200, "headers": {"a": ["b"]}}, id="header no text"),
        pytest.param({"statusCode": 200, "body": {"a": 1}}, id="body no text"),
    ],
)
def test_malformed_result_is_a_500(result: object) -> None:
    response = volcengine.decode_result(result)
    assert response.status == 500
    assert ("X-Faas-Response-Error-Code", "function_execution_error") in response.headers


@pytest.mark.parametrize(
    "result", [{"statusCode": 200, "headers": {}, "body": "é"}, {"body": "\x00" * 100}]
)
def test_result_is_measured_as_json(result: dict[str, Any]) -> None:
    assert volcengine.result_bytes(result) == len(json.dumps(result).encode())


def test_event_is_written_as_the_runtime_does() -> None:
    request = Request(
        "POST",
        "/form",
        "k=1&k=2",
        [("content-type", "application/x-www-form-urlencoded")],
        b"a=1&b=2",
        client=("203.0.113.5", 1234),
        server=("fn.example.com", 443),
        request_id="xxx",
    )
    event = volcengine.encode_event(request)
    recorded = load_case(FORM)["event"]
    assert event == {**recorded, "headers": {**recorded["headers"], "Host": "fn.example.com"}}


def test_octets_that_are_no_text_are_lost_on_the_way() -> None:
    event = volcengine.encode_event(Request("POST", "/", body=b"a\xffb"))
    assert event["body"] == "a\N{REPLACEMENT CHARACTER}b"


@pytest.fixture
def app() -> flask.Flask:
    application = flask.Flask(__name__)

    @application.post("/form")
    def form() -> flask.Response:
        sent = flask.request
        assert sent.environ["serverless.event"]["eventType"] == "http"
        assert sent.environ["serverless.context"] == "context"
        assert sent.environ["serverless.authorizer"] is None
        port = sent.environ["REMOTE_PORT"]
        response = flask.Response(f"{sent.form['b']} {sent.args['k']} {sent.remote_addr} {port}")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    @application.get("/logo")
    def logo() -> flask.Response:
        return flask.Response(PNG.body, content_type="image/png")

    return application


def test_flask_application_is_served(app: flask.Flask) -> None:
    result = wrap(app)(load_case(FORM)["event"], "context")
    assert result.keys() == {"statusCode", "headers", "body"}
    assert (result["statusCode"], result["body"]) == (200, "2 1,2 203.0.113.5 1234")
    response = volcengine.decode_result(json.loads(json.dumps(result)))
    cookies = [value for name, value in response.headers if name.lower() == "set-cookie"]
    assert cookies == ["a=1; Path=/", "b=2; Path=/"]


def test_binary_response_becomes_a_500_with_the_reason_in_the_log(
    app: flask.Flask, caplog: pytest.LogCaptureFixture
) -> None:
    event = changed(FORM, {"httpMethod": "GET", "path": "/logo"})
    with caplog.at_level(logging.ERROR, "slsadapt"):
        result = wrap(app)(event, None)
    assert (result["statusCode"], result["body"]) == (500, "Internal Server Error")
    assert "veFaaS takes results of text alone" in caplog.text
