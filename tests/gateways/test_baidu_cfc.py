"""Baidu CFC behind HTTP triggers."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl

import flask
import pytest

from slsadapt import BadEventError, Request, Response, wrap
from slsadapt.gateways import baidu_cfc
from tests.conftest import load_case
from tests.gateways.corpus import cases, changed, values

TEXT = "baidu_cfc/post_text"
BINARY = "baidu_cfc/post_binary"


def decoded(changes: dict[str, Any], case: str = TEXT) -> Request:
    return baidu_cfc.decode_event(changed(case, changes))


@pytest.mark.parametrize("case", cases("baidu_cfc"))
def test_recorded_event_is_the_clients_request(case: str) -> None:
    recorded = load_case(case)
    expect = recorded["expect"]
    assert baidu_cfc.matches(recorded["event"])
    request = baidu_cfc.decode_event(recorded["event"])
    assert (request.method, request.path) == (expect["method"], expect["path"])
    assert parse_qsl(request.query) == [tuple(pair) for pair in expect["query"]]
    body = expect.get("body", "").encode() or b64decode(expect["body_base64"])
    assert request.body == body
    assert values(request, "content-length") == [str(len(body))]
    assert request.request_id == recorded["event"]["headers"]["X-Bce-Request-Id"]
    assert (request.scheme, request.client) == ("https", None)
    assert (request.root_path, request.stage, request.user) == ("", "", None)


@pytest.mark.parametrize(
    ("body", "flag", "octets"),
    [
        pytest.param("AP8=", True, b"\x00\xff", id="binary bodies on"),
        pytest.param("AP8=", False, b"AP8=", id="text that looks like base64"),
        pytest.param("λ", False, b"\xce\xbb", id="text"),
        pytest.param("", False, b"", id="empty"),
        pytest.param(None, False, b"", id="null"),
    ],
)
def test_body_is_what_the_flag_says(body: Any, flag: bool, octets: bytes) -> None:
    assert decoded({"body": body, "isBase64Encoded": flag}).body == octets


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param({"foo": "a b&c"}, "foo=a%20b%26c", id="decoded"),
        pytest.param({"foo": ["1", "2"]}, "foo=1&foo=2", id="list"),
        pytest.param({}, "", id="none"),
        pytest.param(None, "", id="null"),
    ],
)
def test_query_is_encoded_again(fields: Any, query: str) -> None:
    assert decoded({"queryStringParameters": fields}).query == query


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


def test_client_is_nobody_since_clients_write_all_headers() -> None:
    names = ["X-Forwarded-For", "X-Real-Ip"]
    assert decoded({f"headers.{name}": "10.0.0.1" for name in names}).client is None


def test_host_is_whom_the_client_asked() -> None:
    assert decoded({"headers.Host": "fn.example.com"}).server == ("fn.example.com", 443)
    assert decoded({}).server == ("localhost", 443)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"headers": {"App": "HTTP-Trigger"}}, id="trigger alone"),
        pytest.param({"headers": {"X-Bce-Request-Id": "1"}}, id="request id alone"),
        pytest.param({"headers": {"x-bce-request-id": "1"}}, id="in lower case"),
        pytest.param({"requestContext": None}, id="context null"),
        pytest.param({"requestContext": {"sourceIp": "10.0.0.1"}}, id="context filled"),
    ],
)
def test_event_with_a_sign_of_the_platform_is_claimed(changes: dict[str, Any]) -> None:
    assert baidu_cfc.matches(changed(TEXT, changes))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("headers", {"App": "mine"}, id="no sign"),
        pytest.param("headers", "App", id="headers no object"),
        pytest.param("requestContext.stage", "live", id="AWS, its client pretending"),
        pytest.param("multiValueHeaders", {}, id="Kong, its client pretending"),
        pytest.param("multiValueHeaders", None, id="Scaleway, its client pretending"),
        pytest.param("requestContext", "stage", id="context no object"),
        pytest.param("requestContext", ..., id="no context"),
        pytest.param("resource", ..., id="no resource"),
        pytest.param("httpMethod", ..., id="no method"),
    ],
)
def test_event_of_another_gateway_is_not_claimed(key: str, value: Any) -> None:
    assert not baidu_cfc.matches(changed(TEXT, {key: value}))


@pytest.mark.parametrize(
    "thing", [None, 5, "httpMethod resource", [], pytest.param(object(), id="object")], ids=repr
)
def test_what_is_no_object_is_not_claimed(thing: object) -> None:
    assert not baidu_cfc.matches(thing)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"httpMethod": 5}, "'httpMethod' must be str, got int", id="method"),
        pytest.param({"path": None}, "'path' must be str, got NoneType", id="path"),
        pytest.param({"queryStringParameters": "a"}, "'queryStringParameters' must", id="query"),
        pytest.param(
            {"queryStringParameters": {"a": {}}}, "'queryStringParameters.a' must", id="value"
        ),
        pytest.param(
            {"queryStringParameters": {"a": [{}]}}, "'queryStringParameters.a' must", id="listed"
        ),
        pytest.param({"headers": None}, "'headers' must be dict, got NoneType", id="headers"),
        pytest.param({"headers": {"a": ["b"]}}, "'headers.a' must be str", id="header"),
        pytest.param({"headers.Host": "h:x"}, "'headers.host' must end in a port", id="host"),
        pytest.param({"body": {"a": 1}}, "'body' must be str, got dict", id="body"),
        pytest.param(
            {"body": "!", "isBase64Encoded": True}, "'body' must be base64", id="no base64"
        ),
    ],
)
def test_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadEventError, match=message):
        decoded(changes)


def test_result_has_one_string_a_header() -> None:
    headers = [
        ("Content-Type", "image/png"),
        ("Link", "</1>"),
        ("Link", "</2>"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ]
    result = baidu_cfc.encode_result(Response(201, headers, b"\x89PNG"), {})
    assert result == {
        "statusCode": 201,
        "headers": {
            "Content-Type": "image/png",
            "Link": "</1>, </2>",
            "set-cookie": "a=1",
            "Set-cookie": "b=2",
        },
        "body": "iVBORw==",
        "isBase64Encoded": True,
    }
    response = baidu_cfc.decode_result(result)
    assert (response.status, response.body) == (201, b"\x89PNG")
    assert [value for _, value in response.headers] == ["image/png", "</1>, </2>", "a=1", "b=2"]


@pytest.mark.parametrize(
    ("result", "body"),
    [
        pytest.param(None, b"null", id="null"),
        pytest.param("text", b'"text"', id="text"),
        pytest.param({"statusCode": "ok"}, b'{"statusCode": "ok"}', id="status no number"),
        pytest.param({"headers": {"a": ["b"]}}, b'{"headers": {"a": ["b"]}}', id="header no text"),
        pytest.param({"body": {"a": 1}}, b'{"body": {"a": 1}}', id="body no text"),
    ],
)
def test_malformed_result_is_a_body_itself(result: object, body: bytes) -> None:
    response = baidu_cfc.decode_result(result)
    assert (response.status, response.body) == (200, body)
    assert response.headers == (("Content-Type", "text/plain"),)


def test_event_is_written_as_the_trigger_does() -> None:
    request = Request(
        "PUT",
        "/up/load",
        "b=1&a=2&a=3",
        [("content-type", "application/octet-stream"), ("host", "fn.example.com")],
        b"\x00\xff",
        server=("fn.example.com", 443),
        request_id="x",
    )
    event = baidu_cfc.encode_event(request)
    recorded = load_case(BINARY)["event"]
    assert event == {
        **recorded,
        "headers": {**recorded["headers"], "Host": "fn.example.com"},
        "queryStringParameters": {"a": "3", "b": "1"},
    }


def test_flask_application_is_served() -> None:
    app = flask.Flask(__name__)

    @app.put("/up/<name>")
    def answer(name: str) -> flask.Response:
        sent = flask.request
        assert sent.environ["serverless.event"]["resource"] == "/{path+}"
        assert sent.environ["serverless.context"] == "context"
        assert sent.environ["serverless.authorizer"] is None
        response = flask.Response(sent.data[::-1], content_type="application/octet-stream")
        response.headers["X-Seen"] = f"{name} {sent.url}"
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    event = changed(BINARY, {"headers.Host": "fn.example.com"})
    result = wrap(app)(event, "context")
    assert (result["statusCode"], result["body"]) == (200, "/wA=")
    assert result["headers"]["X-Seen"] == "load https://fn.example.com/up/load"
    response = baidu_cfc.decode_result(json.loads(json.dumps(result)))
    cookies = [value for name, value in response.headers if name.lower() == "set-cookie"]
    assert cookies == ["a=1; Path=/", "b=2; Path=/"]
