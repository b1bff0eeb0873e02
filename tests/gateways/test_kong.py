"""Kong's aws-lambda plugin, before and after it had a request context."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from flask import Flask, request
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from slsadapt import BadEventError, Request, Response, gateways, wrap
from slsadapt.gateways import kong
from tests.conftest import load_case
from tests.gateways.corpus import changed, claims, values

LEGACY = "kong/get_regex_legacy"
CURRENT = "kong/spec_plain_route"
POST = "kong/post_current"

every_version = pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"requestContext": ..., "version": ...}, id="before 3.1"),
        pytest.param({"version": ...}, id="before 2024"),
        pytest.param({"resource": ...}, id="without resource"),
        pytest.param({}, id="current"),
    ],
)


def decoded(case: str, changes: dict[str, Any]) -> Request:
    return kong.decode_event(changed(case, changes))


@every_version
def test_every_version_is_claimed_by_this_dialect_alone(changes: dict[str, Any]) -> None:
    event = changed(CURRENT, changes)
    assert claims(event) == ["kong"]
    assert gateways.detect(event).TITLE == kong.TITLE


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"requestContext.stage": "prod"}, id="API Gateway"),
        pytest.param({"requestContext.stage": "prod", "version": ...}, id="REST API"),
        pytest.param({"requestContext.stage": "", "requestContext.accountId": ""}, id="Scaleway"),
        pytest.param({"requestContext.connectionId": "a"}, id="WebSocket"),
        pytest.param({"requestContext.elb": {}}, id="load balancer"),
        pytest.param({"requestContext.resourcePath": ...}, id="Yandex"),
        pytest.param({"requestContext": None}, id="null"),
        pytest.param({"type": "REQUEST"}, id="authorizer"),
        pytest.param({"version": "2.0"}, id="payload 2.0"),
        pytest.param({"requestContext": ..., "resource": ...}, id="neither context nor resource"),
        pytest.param({"httpMethod": ...}, id="no method"),
    ],
)
def test_what_only_looks_alike_is_not_claimed(changes: dict[str, Any]) -> None:
    assert not kong.matches(changed(CURRENT, changes))


@pytest.mark.parametrize(
    "event", [[], None, 5, {}, load_case("kong/forward_request_binary")["event"]]
)
def test_other_events_are_not_claimed(event: Any) -> None:
    assert not kong.matches(event)


@every_version
@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("/a%2Fb%3F%2525", "/a%2Fb%3F%2525", id="escapes stay"),
        pytest.param("/a+b//", "/a+b//", id="plus and slashes"),
        pytest.param("/é", "/%C3%A9", id="stray letter"),
        pytest.param("", "/", id="empty"),
    ],
)
def test_path_is_encoded_already(changes: dict[str, Any], raw: str, path: str) -> None:
    request = decoded(CURRENT, changes | {"path": raw})
    assert (request.root_path, request.path) == ("", path)


@pytest.mark.parametrize(
    ("lists", "query"),
    [
        pytest.param({"flag": [True]}, "flag", id="bare key"),
        pytest.param({"a": [True, "", "1"]}, "a&a=&a=1", id="bare key among others"),
        pytest.param({"a": ["first", "second"]}, "a=first&a=second", id="repeated"),
        pytest.param({"a b": ["c+d&e=f"]}, "a%20b=c%2Bd%26e%3Df", id="encoded again"),
        pytest.param({}, "", id="none"),
        pytest.param([], "", id="none, as list"),
    ],
)
def test_query_is_written_again(lists: Any, query: str) -> None:
    changes = {"multiValueQueryStringParameters": lists, "queryStringParameters": lists}
    assert decoded(CURRENT, changes).query == query


@pytest.mark.parametrize("text", ["100%25", "日本 é", "#?/:@[]"])
def test_decoded_query_brings_back_any_text(text: str) -> None:
    query = decoded(CURRENT, {"multiValueQueryStringParameters": {text: [text]}}).query
    assert query.isascii()
    assert parse_qsl(query) == [(text, text)]


def test_single_maps_hold_the_first_value_and_are_not_read() -> None:
    request = decoded(CURRENT, {})
    assert values(request, "multi-header") == ["first", "second"]
    assert request.query.count("multi-query") == 2


def test_single_maps_serve_where_there_are_no_lists() -> None:
    changes: dict[str, Any] = {"multiValueHeaders": [], "multiValueQueryStringParameters": []}
    request = decoded(CURRENT, changes | {"queryStringParameters": {"a": True, "b": "1"}})
    assert values(request, "multi-header") == ["first"]
    assert request.query == "a&b=1"


def test_empty_maps_may_be_lists() -> None:
    maps = ("headers", "multiValueHeaders", "pathParameters", "queryStringParameters")
    request = decoded(CURRENT, {key: [] for key in (*maps, "multiValueQueryStringParameters")})
    assert (request.headers, request.query) == ((("content-length", "4"),), "")


def test_client_is_kongs_peer_and_never_a_headers_word() -> None:
    forged = {"multiValueHeaders.x-forwarded-for": ["192.0.2.66"]}
    forged |= {"multiValueHeaders.x-forwarded-proto": ["http"]}
    assert decoded(CURRENT, forged).client == ("123.123.123.123", 0)
    assert decoded(CURRENT, forged).scheme == "https"
    assert decoded(LEGACY, forged).client is None


@pytest.mark.parametrize(
    ("host", "domain", "server"),
    [
        pytest.param(["a.example:8443"], "a.example", ("a.example", 8443), id="port"),
        pytest.param(..., "a.example", ("a.example", 443), id="no host header"),
        pytest.param(..., "[2001:db8::1]", ("2001:db8::1", 443), id="ipv6"),
        pytest.param(..., ..., ("localhost", 443), id="nothing"),
    ],
)
def test_server_is_host_or_domain_name(host: Any, domain: Any, server: tuple[str, int]) -> None:
    changes = {"multiValueHeaders.host": host, "requestContext.domainName": domain}
    assert decoded(CURRENT, changes).server == server


@pytest.mark.parametrize(
    ("body", "flag", "octets"),
    [
        pytest.param("AP8=", True, b"\x00\xff", id="base64"),
        pytest.param("AP8=", False, b"AP8=", id="base64_encode_body off"),
        pytest.param("", True, b"", id="empty"),
        pytest.param(None, False, b"", id="null"),
        pytest.param(..., ..., b"", id="absent"),
    ],
)
def test_body(body: Any, flag: Any, octets: bytes) -> None:
    assert decoded(CURRENT, {"body": body, "isBase64Encoded": flag}).body == octets


@pytest.mark.parametrize(
    ("sent", "length"),
    [
        pytest.param(["4"], ["4"], id="right"),
        pytest.param(["5"], ["4"], id="wrong"),
        pytest.param(..., ["4"], id="absent"),
    ],
)
def test_content_length_is_the_bodys(sent: Any, length: list[str]) -> None:
    request = decoded(CURRENT, {"multiValueHeaders.content-length": sent})
    assert values(request, "content-length") == length


@pytest.mark.parametrize("body", ["", None, ...], ids=["empty", "null", "absent"])
def test_large_body_that_kong_left_out_is_not_taken_for_none(body: Any) -> None:
    changes = {"body": body, "multiValueHeaders.content-length": ["9000"]}
    with pytest.raises(BadEventError, match="'body' must be there.*skip_large_bodies"):
        decoded(POST, changes)
    changes["multiValueHeaders.content-length"] = ["0"]
    assert values(decoded(POST, changes), "content-length") == ["0"]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("requestContext", "text"),
        ("requestContext.identity", "text"),
        ("requestContext.identity.sourceIp", 5),
        ("requestContext.domainName", 5),
        ("requestContext.requestId", 5),
        ("httpMethod", 5),
        ("httpMethod", ...),
        ("path", ["/"]),
        ("path", ...),
        ("headers", "text"),
        ("headers", ["text"]),
        ("headers.user-agent", None),
        ("multiValueHeaders", "text"),
        ("multiValueHeaders", ["text"]),
        ("multiValueHeaders.user-agent", "text"),
        ("multiValueHeaders.user-agent", [{}]),
        ("queryStringParameters", "a=b"),
        ("queryStringParameters.boolean", {}),
        ("multiValueQueryStringParameters", ["a=b"]),
        ("multiValueQueryStringParameters.boolean", [{}]),
        ("body", 5),
        ("isBase64Encoded", 5),
    ],
)
def test_wrong_field_is_named(field: str, wrong: Any) -> None:
    single = field.partition(".")[0] in ("headers", "queryStringParameters")
    # The single maps count only where there are no lists.
    lists = ("multiValueHeaders", "multiValueQueryStringParameters")
    changes: dict[str, Any] = {key: {} for key in lists} if single else {}
    with pytest.raises(BadEventError, match=f"'{field}' must be "):
        decoded(CURRENT, changes | {field: wrong})


@pytest.mark.parametrize("event", [[], None, "text"], ids=repr)
def test_event_that_is_no_object_is_refused(event: Any) -> None:
    with pytest.raises(BadEventError, match="the event must be a JSON object"):
        kong.decode_event(event)


def test_wrong_base64_is_named() -> None:
    with pytest.raises(BadEventError, match="'body' must be base64"):
        decoded(CURRENT, {"body": "AAE"})


def test_port_that_is_none_is_named() -> None:
    with pytest.raises(BadEventError, match="headers.host"):
        decoded(CURRENT, {"multiValueHeaders.host": ["example.org:x"]})


def test_recorded_result_is_read_and_written() -> None:
    result = load_case("kong/response_headers")["response"]
    headers = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Type", "text/plain")]
    response = Response(200, headers, b"ok")
    assert kong.decode_result(result) == response
    assert kong.encode_result(response, {}) == result


def test_flag_of_a_result_is_a_boolean() -> None:
    result = kong.encode_result(Response(200, [("Content-Type", "image/png")], b"\x89PNG"), {})
    assert result["isBase64Encoded"] is True
    assert kong.encode_result(Response(200), {})["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("result", "status", "headers", "body"),
    [
        pytest.param({"statusCode": "201"}, 201, [], b"", id="status as text"),
        pytest.param(
            {"statusCode": 200, "body": "YQ==", "isBase64Encoded": True}, 200, [], b"a", id="base64"
        ),
        pytest.param(
            {"statusCode": 200, "headers": {"A": "0"}, "multiValueHeaders": {"A": ["1", "2"]}},
            200,
            [("A", "1"), ("A", "2")],
            b"",
            id="lists replace",
        ),
    ],
)
def test_result_is_read(
    result: Any, status: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    assert kong.decode_result(result) == Response(status, headers, body)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param({"body": "a"}, id="no status"),
        pytest.param({"statusCode": "ok"}, id="status no number"),
        pytest.param({"statusCode": 99}, id="status too low"),
        pytest.param({"statusCode": 600}, id="status too high"),
        pytest.param({"statusCode": 200, "headers": "a"}, id="headers no object"),
        pytest.param({"statusCode": 200, "body": 5}, id="body no text"),
        pytest.param({"statusCode": 200, "isBase64Encoded": "true"}, id="flag as text"),
        pytest.param({"statusCode": 200, "isBase64Encoded": 1}, id="flag as number"),
        pytest.param({"statusCode": 200, "isBase64Encoded": None}, id="flag null"),
        pytest.param({"statusCode": 200, "body": None}, id="body null"),
        pytest.param({"statusCode": 200, "multiValueHeaders": None}, id="lists null"),
        pytest.param({"statusCode": 200, "body": "AAE", "isBase64Encoded": True}, id="base64"),
    ],
)
def test_malformed_result_is_a_502(result: object) -> None:
    response = kong.decode_result(result)
    assert (response.status, response.body) == (
        502,
        b'{"message":"Bad Gateway","error":"could not JSON decode Lambda function response: '
        b'statusCode validation failed"}',
    )


@every_version
def test_flask_is_served(changes: dict[str, Any]) -> None:
    app = Flask("shop")

    @app.get("/plain/strip/more")
    def more() -> Any:
        answer = app.json.response(
            args=request.args.to_dict(flat=False),
            headers=request.headers["Multi-Header"],
            body=request.get_data(as_text=True),
        )
        answer.set_cookie("a", "1")
        answer.set_cookie("b", "2")
        return answer

    result = wrap(app)(changed(CURRENT, changes))
    assert result["multiValueHeaders"] == {"Set-Cookie": ["a=1; Path=/", "b=2; Path=/"]}
    assert app.json.loads(result["body"]) == {
        "args": {
            "boolean": [""],
            "multi-query": ["first", "second"],
            "single-query": ["hello world"],
        },
        "headers": "first, second",
        "body": "text",
    }


def test_starlette_is_served() -> None:
    async def create(request: StarletteRequest) -> PlainTextResponse:
        assert request.client
        sent = await request.json()
        return PlainTextResponse(f"{sent['a']} from {request.client.host} at {request.url}")

    app = Starlette(routes=[Route("/api/x", create, methods=["POST"])])
    result = wrap(app)(load_case(POST)["event"])
    assert result["statusCode"] == 200
    assert result["body"] == "1 from 203.0.113.5 at https://kong.example.com/api/x"


@pytest.mark.parametrize("case", [LEGACY, CURRENT])
def test_application_finds_event_and_context(case: str) -> None:
    event, context = load_case(case)["event"], object()
    environ: dict[str, Any] = {}
    kong.annotate(environ, event, context)
    assert environ == {
        "serverless.event": event,
        "serverless.context": context,
        "serverless.authorizer": None,
        "aws.event": event,
        "aws.context": context,
    }
