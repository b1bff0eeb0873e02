"""Yandex Cloud Functions, called directly and behind API Gateway."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route

from slsadapt import BadEventError, Request, Response, wrap
from slsadapt.gateways import yandex
from slsadapt.testing.losses import grouped
from tests.conftest import load_case
from tests.gateways.corpus import cases, changed, values

DIRECT = "yandex/post_json_doc"
TEMPLATE = "yandex/apigw_v01_greedy_path_real"
PAYLOAD_1 = "yandex/apigw_v1_get_real"


def decoded(changes: dict[str, Any], case: str = PAYLOAD_1) -> Request:
    return yandex.decode_event(changed(case, changes))


@pytest.mark.parametrize("case", cases("yandex"))
def test_recorded_event_is_the_clients_request(case: str) -> None:
    recorded = load_case(case)
    expect = recorded["expect"]
    assert yandex.matches(recorded["event"])
    request = yandex.decode_event(recorded["event"])
    assert (request.method, request.path) == (expect["method"], expect["path"] or "/")
    assert parse_qsl(request.query) == [tuple(pair) for pair in expect["query"]]
    assert request.body == expect["body"].encode()
    assert request.client == (expect["client"], 0)
    assert request.request_id == recorded["event"]["requestContext"]["requestId"]
    assert (request.scheme, request.root_path, request.stage) == ("https", "", "")
    assert request.user is None


@pytest.mark.parametrize(
    ("case", "host"),
    [
        (DIRECT, "functions.yandexcloud.net"),
        (TEMPLATE, "d5d0000000000000000k.apigw.yandexcloud.net"),
        (PAYLOAD_1, "bot.example.com"),
    ],
)
def test_host_is_whom_the_client_asked(case: str, host: str) -> None:
    assert decoded({}, case).server == (host, 443)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        pytest.param({"url": "", "path": ""}, "/", id="direct call"),
        pytest.param({"url": "", "path": ...}, "/", id="direct call of today"),
        pytest.param({"url": "/a/203?", "path": "/a/{id}"}, "/a/203", id="url, no query"),
        pytest.param({"url": "/a/203?b=/?c", "path": "/a/{id}"}, "/a/203", id="url and query"),
        pytest.param({"url": "/a", "path": "/a"}, "/a", id="url alone"),
        pytest.param({"url": ..., "path": "/a/203"}, "/a/203", id="payload 1.0"),
        pytest.param({"url": "/%E4%BD%A0%2Fb?"}, "/%E4%BD%A0%2Fb", id="encoded"),
        pytest.param({"url": "/你 b?"}, "/%E4%BD%A0%20b", id="decoded"),
    ],
)
def test_path_is_the_real_one(changes: dict[str, Any], path: str) -> None:
    assert decoded(changes).path == path


def test_repeated_query_key_is_not_its_last_value() -> None:
    request = decoded({}, "yandex/post_repeated_query_doc")
    assert request.query == "a=1&a=2&b=1"


@pytest.mark.parametrize(
    ("lists", "fields", "query"),
    [
        pytest.param({"a": ["1", ""], "b": ["x&y z"]}, {}, "a=1&a=&b=x%26y%20z", id="lists"),
        pytest.param(..., {"a": "1"}, "a=1", id="single map alone"),
        pytest.param({}, {}, "", id="none"),
        pytest.param(None, None, "", id="null"),
    ],
)
def test_query_is_encoded_again(lists: Any, fields: Any, query: str) -> None:
    changes = {"multiValueQueryStringParameters": lists, "queryStringParameters": fields}
    assert decoded(changes).query == query


@pytest.mark.parametrize(
    ("lists", "fields", "tags"),
    [
        pytest.param({"X-Tag": ["1", "2"]}, {"X-Tag": "2"}, ["1", "2"], id="lists"),
        pytest.param(..., {"X-Tag": "2"}, ["2"], id="single map alone"),
        pytest.param(None, {"X-Tag": 2}, ["2"], id="number"),
        pytest.param({}, ..., [], id="none"),
    ],
)
def test_headers_are_complete(lists: Any, fields: Any, tags: list[str]) -> None:
    request = decoded({"multiValueHeaders": lists, "headers": fields})
    assert values(request, "x-tag") == tags


@pytest.mark.parametrize(
    ("body", "flag", "octets"),
    [
        pytest.param("", True, b"", id="flag beside nothing"),
        pytest.param('{"a": 1}', False, b'{"a": 1}', id="JSON"),
        pytest.param("/wA=", True, b"\xff\x00", id="octets"),
        pytest.param("dGVzdA==", False, b"dGVzdA==", id="text that looks like base64"),
    ],
)
def test_body_is_what_the_flag_says(body: str, flag: bool, octets: bytes) -> None:
    assert decoded({"body": body, "isBase64Encoded": flag}).body == octets


def test_length_is_that_of_the_octets() -> None:
    changes = {"multiValueHeaders.Content-Length": ["18"], "body": "/wA=", "isBase64Encoded": True}
    assert values(decoded(changes, DIRECT), "content-length") == ["2"]
    assert values(decoded({}, DIRECT), "content-length") == ["18"]


def test_client_is_not_whom_the_client_names() -> None:
    spoofed = {
        "multiValueHeaders.X-Forwarded-For": ["10.0.0.1, 203.0.113.25"],
        "multiValueHeaders.X-Real-Ip": ["10.0.0.1"],
    }
    assert decoded(spoofed).client == ("203.0.113.25", 0)
    assert decoded({"requestContext.identity": None}).client is None


def test_scheme_is_the_gateways() -> None:
    request = decoded({"multiValueHeaders.X-Forwarded-Proto": ["http"]})
    assert (request.scheme, request.server) == ("http", ("bot.example.com", 80))


@pytest.mark.parametrize(
    ("authorizer", "user"),
    [
        pytest.param({"jwt": {"claims": {"sub": "ann"}, "scopes": []}}, "ann", id="JWT"),
        pytest.param({"jwt": {"claims": {"sub": 5}}}, "5", id="number"),
        pytest.param({"jwt": {"claims": {"iss": "me"}}}, None, id="JWT without subject"),
        pytest.param({"role": "admin"}, None, id="function as authorizer"),
        pytest.param(None, None, id="null"),
    ],
)
def test_user_is_the_subject_of_the_token(authorizer: Any, user: str | None) -> None:
    event = changed(PAYLOAD_1, {"requestContext.authorizer": authorizer})
    assert yandex.decode_event(event).user == user
    environ: dict[str, Any] = {}
    yandex.annotate(environ, event, "context")
    assert environ == {
        "serverless.event": event,
        "serverless.context": "context",
        "serverless.authorizer": authorizer,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("requestContext.stage", "live", id="AWS REST"),
        pytest.param("requestContext.domainName", "kong.example.com", id="Kong"),
        pytest.param("requestContext.elb", {}, id="AWS ALB"),
        pytest.param("requestContext.apiId", "1", id="an API of others"),
        pytest.param("requestContext.connectionId", "1", id="WebSocket"),
        pytest.param("requestContext.identity", ..., id="no identity"),
        pytest.param("requestContext.requestTimeEpoch", ..., id="no time"),
        pytest.param("requestContext", ["identity", "requestTimeEpoch"], id="context no object"),
        pytest.param("requestContext", ..., id="no context"),
        pytest.param("multiValueHeaders", ..., id="no lists"),
        pytest.param("httpMethod", ..., id="no method"),
    ],
)
def test_event_of_another_gateway_is_not_claimed(key: str, value: Any) -> None:
    assert not yandex.matches(changed(PAYLOAD_1, {key: value}))


@pytest.mark.parametrize("case", cases("kong"))
def test_kong_is_not_claimed(case: str) -> None:
    assert not yandex.matches(load_case(case)["event"])


@pytest.mark.parametrize(
    "thing", [None, 5, "httpMethod", [], pytest.param(object(), id="object")], ids=repr
)
def test_what_is_no_object_is_not_claimed(thing: object) -> None:
    assert not yandex.matches(thing)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"requestContext": 5}, "'requestContext' must be dict, got int", id="context"),
        pytest.param(
            {"requestContext.identity": "a"}, "'requestContext.identity' must", id="identity"
        ),
        pytest.param(
            {"requestContext.identity.sourceIp": 5},
            "'requestContext.identity.sourceIp' must be str, got int",
            id="address",
        ),
        pytest.param(
            {"requestContext.requestId": 5}, "'requestContext.requestId' must be str", id="id"
        ),
        pytest.param(
            {"requestContext.authorizer": "a"}, "'requestContext.authorizer' must", id="authorizer"
        ),
        pytest.param(
            {"requestContext.authorizer": {"jwt": "a"}},
            "'requestContext.authorizer.jwt' must be dict",
            id="token",
        ),
        pytest.param(
            {"requestContext.authorizer": {"jwt": {"claims": "a"}}},
            "'requestContext.authorizer.jwt.claims' must be dict",
            id="claims",
        ),
        pytest.param({"httpMethod": 5}, "'httpMethod' must be str", id="method"),
        pytest.param({"url": 5}, "'url' must be str, got int", id="url"),
        pytest.param({"path": ["/"]}, "'path' must be str, got list", id="path"),
        pytest.param(
            {"headers": "a", "multiValueHeaders": None}, "'headers' must be dict", id="headers"
        ),
        pytest.param(
            {"headers": {"a": []}, "multiValueHeaders": None}, "'headers.a' must", id="header"
        ),
        pytest.param({"multiValueHeaders": "a"}, "'multiValueHeaders' must", id="header lists"),
        pytest.param(
            {"multiValueHeaders": {"a": "b"}}, "'multiValueHeaders.a' must be list", id="no list"
        ),
        pytest.param(
            {"multiValueHeaders": {"a": [None]}}, "'multiValueHeaders.a' must be str", id="listed"
        ),
        pytest.param(
            {"multiValueHeaders.Host": ["h:x"]}, "'headers.host' must end in a port", id="host"
        ),
        pytest.param({"queryStringParameters": "a"}, "'queryStringParameters' must", id="query"),
        pytest.param(
            {"queryStringParameters": {"a": {}}}, "'queryStringParameters.a' must", id="value"
        ),
        pytest.param(
            {"multiValueQueryStringParameters": {"a": "b"}},
            "'multiValueQueryStringParameters.a' must be list",
            id="values",
        ),
        pytest.param({"body": 5}, "'body' must be str, got int", id="body"),
        pytest.param({"body": "!"}, "'body' must be base64", id="no base64"),
    ],
)
def test_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadEventError, match=message):
        decoded(changes)


def test_result_has_repeats_in_lists() -> None:
    headers = [("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    result = yandex.encode_result(Response(200, headers, b"a"), {})
    assert result == {
        "statusCode": 200,
        "headers": {"Content-Type": "text/plain"},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
        "body": "a",
        "isBase64Encoded": False,
    }
    assert [*yandex.decode_result(result).headers] == [*headers[1:], headers[0]]


def test_header_of_both_maps_is_that_of_the_lists() -> None:
    result = {
        "statusCode": 200,
        "headers": {"x-tag": "0", "X-One": "1"},
        "multiValueHeaders": {"X-Tag": ["1", "2"]},
    }
    response = yandex.decode_result(result)
    assert [*response.headers] == [("X-Tag", "1"), ("X-Tag", "2"), ("X-One", "1")]


@pytest.mark.parametrize("name", ["Transfer-Encoding", "via", "Proxy-Authenticate"])
def test_header_that_the_platform_refuses_is_left_out(name: str) -> None:
    headers = [(name, "chunked"), ("X-Tag", "1")]
    assert yandex.encode_result(Response(200, headers), {})["headers"] == {"X-Tag": "1"}
    for key, value in (("headers", "chunked"), ("multiValueHeaders", ["chunked"])):
        assert yandex.decode_result({"statusCode": 200, key: {name: value}}).status == 502


@pytest.mark.parametrize("name", ["Date", "Server", "Content-Md5", "Www-Authenticate"])
def test_header_that_the_platform_renames_is_renamed(name: str) -> None:
    response = Response(401, [(name, "Basic"), ("X-Tag", "1")])
    result = yandex.encode_result(response, {})
    assert result["headers"] == {name: "Basic", "X-Tag": "1"}
    read = [*yandex.decode_result(result).headers]
    assert read == [(f"X-Yf-Remapped-{name}", "Basic"), ("X-Tag", "1")]


def test_result_without_status_is_a_200() -> None:
    response = yandex.decode_result({"body": "AA==", "isBase64Encoded": True})
    assert (response.status, response.body) == (200, b"\x00")


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param({"statusCode": "ok"}, id="status no number"),
        pytest.param({"statusCode": 200, "headers": "a"}, id="headers no object"),
        pytest.param({"statusCode": 200, "multiValueHeaders": {"a": "b"}}, id="header no list"),
        pytest.param({"statusCode": 200, "body": {"a": 1}}, id="body no text"),
    ],
)
def test_malformed_result_is_the_documented_502(result: object) -> None:
    http = load_case("yandex/error_malformed")["http"]
    response = yandex.decode_result(result)
    assert response.status == http["status"]
    assert (
        http["headers"].items() <= {name.title(): value for name, value in response.headers}.items()
    )
    assert json.loads(response.body) == http["body"]


def test_error_of_the_function_looks_like_that_of_its_result() -> None:
    http = load_case("yandex/error_function")["http"]
    response = yandex.decode_result(None)
    assert response.status == http["status"]
    assert ("X-Function-Error", http["headers"]["X-Function-Error"]) in response.headers
    assert {"errorMessage", "errorType"} <= http["body"].keys() & json.loads(response.body).keys()


@pytest.mark.parametrize(
    ("content_type", "body", "text", "flag"),
    [
        pytest.param("application/json", b'{"a": 1}', '{"a": 1}', False, id="JSON"),
        pytest.param("application/json", b"\xff", "/w==", True, id="JSON that is no text"),
        pytest.param("text/plain", b"text", "dGV4dA==", True, id="other text"),
        pytest.param("application/json", b"", "", True, id="nothing"),
    ],
)
def test_event_has_text_for_json_alone(
    content_type: str, body: bytes, text: str, flag: bool
) -> None:
    request = Request("POST", "/", headers=[("content-type", content_type)], body=body)
    event = yandex.encode_event(request)
    assert (event["body"], event["isBase64Encoded"]) == (text, flag)


def test_event_is_written_as_the_gateway_does() -> None:
    request = Request(
        "GET",
        "/a%2Fb",
        "k=1&k=2",
        [("host", "api.example.com"), ("x-tag", "1"), ("x-tag", "2")],
        client=("203.0.113.7", 0),
        server=("api.example.com", 443),
        request_id="efc2d519",
    )
    event = yandex.encode_event(request)
    recorded = load_case(TEMPLATE)["event"]
    assert event.keys() == recorded.keys()
    assert event["requestContext"].keys() == recorded["requestContext"].keys()
    assert (event["url"], event["path"]) == ("/a%2Fb?k=1&k=2", "/{path+}")
    assert (event["pathParams"], event["params"]) == ({"path": "a%2Fb"}, {"path": "a%2Fb"})
    assert event["headers"]["X-Tag"] == "2"
    assert event["multiValueHeaders"]["X-Tag"] == ["1", "2"]
    assert event["queryStringParameters"] == {"k": "2"}
    assert event["multiValueQueryStringParameters"] == {"k": ["1", "2"]}
    assert event["requestContext"]["identity"]["sourceIp"] == "203.0.113.7"


def test_event_names_the_user_as_the_authorizer_does() -> None:
    event = yandex.encode_event(Request("GET", "/", user="ann"))
    assert event["requestContext"]["authorizer"]["jwt"]["claims"] == {"sub": "ann"}
    assert event["requestContext"]["identity"]["sourceIp"] == ""


def test_starlette_application_is_served() -> None:
    async def answer(request: StarletteRequest) -> StarletteResponse:
        assert request.scope["serverless.event"]["path"] == "/telegram_bot/{name+}"
        assert request.client is not None
        seen = [
            request.path_params["name"],
            request.query_params.getlist("a"),
            request.client.host,
            (await request.body()).hex(),
        ]
        response = PlainTextResponse(repr(seen), headers={"Via": "1.1 proxy"})
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    app = Starlette(routes=[Route("/telegram_bot/{name}", answer, methods=["POST"])])
    event = changed(
        TEMPLATE,
        {
            "httpMethod": "POST",
            "url": "/telegram_bot/caf%C3%A9?a=1&a=2",
            "multiValueQueryStringParameters": {"a": ["1", "2"]},
            "body": "AP8=",
        },
    )
    result = wrap(app)(event, None)
    assert (result["statusCode"], result["body"]) == (
        200,
        "['café', ['1', '2'], '203.0.113.195', '00ff']",
    )
    assert "via" not in result["headers"]
    response = yandex.decode_result(json.loads(json.dumps(result)))
    assert grouped([*response.headers])["set-cookie"] == [
        "a=1; Path=/; SameSite=lax",
        "b=2; Path=/; SameSite=lax",
    ]
