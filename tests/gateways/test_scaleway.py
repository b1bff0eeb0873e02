"""Scaleway Serverless Functions."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route

from slsadapt import BadEventError, Request, Response, wrap
from slsadapt.gateways import scaleway
from slsadapt.testing.losses import grouped
from tests.conftest import load_case
from tests.gateways.corpus import cases, changed, values

EMULATED = "scaleway/get_query"
RUNTIME = "scaleway/runtime_post_repeats"


def decoded(changes: dict[str, Any], case: str = RUNTIME) -> Request:
    return scaleway.decode_event(changed(case, changes))


@pytest.mark.parametrize("case", cases("scaleway", "expect"))
def test_recorded_event_is_the_clients_request(case: str) -> None:
    recorded = load_case(case)
    expect = recorded["expect"]
    assert scaleway.matches(recorded["event"])
    request = scaleway.decode_event(recorded["event"])
    assert request.method == expect["method"]
    assert request.path == expect.get("raw_path", expect["path"])
    assert parse_qsl(request.query) == [tuple(pair) for pair in expect["query"]]
    assert request.body == expect["body"].encode()
    assert request.client == (expect["client"], 0)
    assert request.scheme == expect.get("scheme", "http")
    assert request.request_id == recorded["event"]["headers"]["X-Request-Id"]
    assert (request.root_path, request.stage, request.user) == ("", "", None)


@pytest.mark.parametrize(
    ("case", "server"), [(EMULATED, ("localhost", 80)), (RUNTIME, ("localhost", 443))]
)
def test_server_is_the_host_or_localhost(case: str, server: tuple[str, int]) -> None:
    assert decoded({}, case).server == server


def test_host_is_whom_the_client_asked() -> None:
    assert decoded({"headers.Host": "fn.example.com"}).server == ("fn.example.com", 443)


@pytest.mark.parametrize(
    ("body", "flag"),
    [
        pytest.param("dGVzdA==", True, id="base64 by chance"),
        pytest.param("abcd", True, id="a word"),
        pytest.param("", True, id="nothing"),
        pytest.param('{"a": 1}', ..., id="no flag"),
        pytest.param("λ", ..., id="text"),
    ],
)
def test_flag_is_not_believed(body: str, flag: Any) -> None:
    request = decoded({"body": body, "isBase64Encoded": flag, "headers.Content-Length": ...})
    assert request.body == body.encode()
    assert values(request, "content-length") == ([str(len(body.encode()))] if body else [])


def test_null_body_is_none() -> None:
    assert decoded({"body": None}).body == b""


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("/a b/你", "/a%20b/%E4%BD%A0", id="letters"),
        pytest.param("/100%25", "/100%2525", id="percent sign"),
        pytest.param("/a?b", "/a%3Fb", id="question mark"),
        pytest.param("", "/", id="empty"),
        pytest.param("a", "/a", id="no slash"),
    ],
)
def test_decoded_path_is_encoded_again(raw: str, path: str) -> None:
    assert decoded({"path": raw}).path == path


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param({"a": "x y+z&", "b": ""}, "a=x%20y%2Bz%26&b=", id="decoded"),
        pytest.param({}, "", id="none"),
        pytest.param(None, "", id="null"),
    ],
)
def test_query_is_encoded_again(fields: Any, query: str) -> None:
    assert decoded({"queryStringParameters": fields}).query == query


def test_client_is_not_whom_the_client_names() -> None:
    changes = {"headers.X-Forwarded-For": "10.0.0.1", "headers.X-Real-Ip": "10.0.0.1"}
    assert decoded(changes).client == ("203.0.113.9", 0)
    assert decoded({**changes, "headers.X-Envoy-External-Address": ...}).client is None


def test_joined_header_arrives_as_it_is() -> None:
    assert values(decoded({}), "x-tag") == ["one,two"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("multiValueHeaders", {}, id="AWS, Kong, Yandex"),
        pytest.param("multiValueHeaders", ..., id="Baidu, Huawei"),
        pytest.param("requestContext.stage", "test-invoke-stage", id="AWS console"),
        pytest.param("requestContext.apiId", "abc", id="an API"),
        pytest.param("requestContext.accountId", ..., id="no account"),
        pytest.param("requestContext", "", id="context no object"),
        pytest.param("requestContext", ..., id="no context"),
        pytest.param("httpMethod", ..., id="no method"),
    ],
)
def test_event_of_another_gateway_is_not_claimed(key: str, value: Any) -> None:
    assert not scaleway.matches(changed(EMULATED, {key: value}))


@pytest.mark.parametrize("key", ["stageVariable", "stageVariables", "resource"])
def test_keys_that_runtime_and_emulator_spell_differently_do_not_count(key: str) -> None:
    assert scaleway.matches(changed(EMULATED, {key: ...}))
    assert scaleway.matches(changed(RUNTIME, {key: ...}))


@pytest.mark.parametrize(
    "thing", [None, 5, "httpMethod", [], pytest.param(object(), id="object")], ids=repr
)
def test_what_is_no_object_is_not_claimed(thing: object) -> None:
    assert not scaleway.matches(thing)


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


@pytest.mark.parametrize(
    ("case", "headers"),
    [
        (
            "response_lists_doc",
            [("Content-Type", "application/json"), ("your-header", "your-value")],
        ),
        ("response_text_doc", [("Content-Type", "application/json")]),
    ],
)
def test_documented_result_is_read(case: str, headers: list[tuple[str, str]]) -> None:
    response = scaleway.decode_result(load_case(f"scaleway/{case}")["response"])
    assert (response.status, [*response.headers]) == (200, headers)
    assert response.body == b'{"message": "hello world"}'


def test_documented_result_is_written() -> None:
    body = b'{"message": "hello world"}'
    result = scaleway.encode_result(Response(200, [("Content-Type", "application/json")], body), {})
    documented = load_case("scaleway/response_text_doc")["response"]
    # The page lists a single value too, which is the same to the runtime.
    one = {"headers": {"Content-Type": "application/json"}, "isBase64Encoded": False}
    assert result == {**documented, **one}


def test_result_lists_what_repeats() -> None:
    headers = [("Content-Type", "image/png"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    assert scaleway.encode_result(Response(201, headers, b"\x89PNG"), {}) == {
        "statusCode": 201,
        "headers": {"Content-Type": "image/png", "Set-Cookie": ["a=1", "b=2"]},
        "body": "iVBORw==",
        "isBase64Encoded": True,
    }


@pytest.mark.parametrize(
    ("result", "body"),
    [
        pytest.param("Hello World", b"Hello World", id="text"),
        pytest.param({"message": "中"}, '{"message": "中"}'.encode(), id="object"),
        pytest.param({"body": "Hello"}, b"Hello", id="body alone"),
        pytest.param({"statusCode": 200}, b'{"statusCode": 200}', id="status alone"),
        pytest.param(None, b"", id="null"),
        pytest.param([1], b"[1]", id="list"),
    ],
)
def test_result_of_few_words_is_a_200(result: object, body: bytes) -> None:
    response = scaleway.decode_result(result)
    assert (response.status, response.body) == (200, body)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"statusCode": 99, "body": ""}, id="status too low"),
        pytest.param({"body": "no base64!", "isBase64Encoded": True}, id="wrong base64"),
    ],
)
def test_malformed_result_is_a_500(result: object) -> None:
    assert scaleway.decode_result(result).status == 500


def test_event_is_written_as_the_runtime_does() -> None:
    request = Request(
        "POST",
        "/caf%C3%A9/100%25",
        "b=x%26y&a=1&a=2",
        [("content-type", "text/plain"), ("x-tag", "one"), ("x-tag", "two")],
        b"abcd",
        client=("203.0.113.9", 0),
        server=("fn.example.com", 443),
        request_id="7a0a4a0e-93d2-4f7c-9d53-0a4b7e1c2d3f",
    )
    event = scaleway.encode_event(request)
    recorded = load_case(RUNTIME)["event"]
    assert {**event, "headers": {}} == {**recorded, "headers": {}}
    assert [*event["queryStringParameters"]] == ["a", "b"]
    assert event["headers"] == {
        "Content-Type": "text/plain",
        "Host": "fn.example.com",
        "X-Envoy-External-Address": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Request-Id": "7a0a4a0e-93d2-4f7c-9d53-0a4b7e1c2d3f",
        "X-Tag": "one,two",
    }


@pytest.mark.parametrize(
    ("body", "flagged"), [(b"", True), (b"abcd", True), (b"abc", False), (b'{"a": 1}', False)]
)
def test_event_is_flagged_when_the_text_could_be_base64(body: bytes, flagged: bool) -> None:
    event = scaleway.encode_event(Request("POST", "/", body=body))
    assert event["body"] == body.decode()
    assert event.get("isBase64Encoded", False) is flagged


def test_octets_that_are_no_text_are_lost_on_the_way() -> None:
    event = scaleway.encode_event(Request("POST", "/%FF", body=b"a\xffb"))
    assert event["body"] == "a\N{REPLACEMENT CHARACTER}b"
    assert event["path"] == "/\N{REPLACEMENT CHARACTER}"


def test_starlette_application_is_served() -> None:
    async def answer(request: StarletteRequest) -> StarletteResponse:
        assert request.scope["serverless.event"]["stageVariables"] == {}
        assert request.scope["serverless.context"] == {"functionName": "handle"}
        assert request.scope["serverless.authorizer"] is None
        assert request.client is not None
        seen = [
            request.path_params["rest"],
            request.query_params.getlist("a"),
            request.query_params["b"],
            request.url.hostname,
            request.client.host,
            (await request.body()).decode(),
        ]
        response = StarletteResponse(repr(seen), 202)
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    app = Starlette(routes=[Route("/café/{rest:path}", answer, methods=["POST"])])
    event = changed(RUNTIME, {"headers.Host": "fn.example.com"})
    result = wrap(app)(event, {"functionName": "handle"})
    assert (result["statusCode"], result["body"]) == (
        202,
        "['100%', ['2'], 'x&y', 'fn.example.com', '203.0.113.9', 'abcd']",
    )
    response = scaleway.decode_result(json.loads(json.dumps(result)))
    assert grouped([*response.headers])["set-cookie"] == [
        "a=1; Path=/; SameSite=lax",
        "b=2; Path=/; SameSite=lax",
    ]
