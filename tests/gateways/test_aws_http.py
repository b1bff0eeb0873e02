"""HTTP APIs, payload 2.0."""

from __future__ import annotations

from typing import Any

import pytest

from slsadapt import Request, Response
from slsadapt.gateways import aws_http
from tests.gateways.corpus import LIVE, changed, values


def decoded(changes: dict[str, Any]) -> Request:
    return aws_http.decode_event(changed(LIVE["aws_http"], changes))


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("/a b", "/a%20b", id="space"),
        pytest.param("/100%25 a%20b", "/100%2525%20a%2520b", id="double decode trap"),
        pytest.param("/a%2Fb", "/a%252Fb", id="escaped slash was escaped twice"),
        pytest.param("/100%", "/100%25", id="percent sign"),
        pytest.param("/日本/é", "/%E6%97%A5%E6%9C%AC/%C3%A9", id="beyond ASCII"),
        pytest.param("/a?b#c", "/a%3Fb%23c", id="delimiters"),
        pytest.param("/a+b;c=1,2:@!$&'()*~", "/a+b;c=1,2:@!$&'()*~", id="path characters"),
        pytest.param("//a//", "//a//", id="slashes"),
        pytest.param("/a\r\nb\0", "/a%0D%0Ab%00", id="control characters"),
        pytest.param("", "/", id="empty"),
    ],
)
def test_raw_path_came_decoded_and_is_encoded_again(raw: str, path: str) -> None:
    assert decoded({"rawPath": raw}).path == path


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("a=1&a=2&b=%20+%2B", id="escapes and repeats"),
        pytest.param("flag&empty=&=value&&", id="odd pieces"),
        pytest.param("a=1;b=2|c", id="semicolon and bar"),
        pytest.param("%zz=%&a=%ff", id="broken escapes and octets"),
        pytest.param("a[]=1&a[b]=c", id="brackets"),
        pytest.param("", id="none"),
    ],
)
def test_query_stays_as_sent(query: str) -> None:
    assert decoded({"rawQueryString": query}).query == query


def test_stray_letter_in_the_query_is_escaped() -> None:
    # WSGI has no place for it (PEP 3333: latin-1), and werkzeug raises.
    assert decoded({"rawQueryString": "q=日&r=%20+"}).query == "q=%E6%97%A5&r=%20+"


def test_parsed_query_is_not_read() -> None:
    assert decoded({"rawQueryString": "", "queryStringParameters": {"a": "1"}}).query == ""


@pytest.mark.parametrize(
    ("cookies", "header", "lines"),
    [
        pytest.param(["a=1", "b=2"], ..., ["a=1; b=2"], id="list"),
        pytest.param(["a=1"], ..., ["a=1"], id="one"),
        pytest.param(["a=1", "b=2"], "a=1; b=2", ["a=1; b=2"], id="list and header"),
        pytest.param(..., "a=1", ["a=1"], id="header alone"),
        pytest.param([], "a=1", ["a=1"], id="empty list and header"),
        pytest.param([], ..., [], id="empty list"),
        pytest.param(None, ..., [], id="null"),
        pytest.param(..., ..., [], id="none"),
        pytest.param(["a=1,2", "b"], ..., ["a=1,2; b"], id="comma in a cookie"),
    ],
)
def test_cookies_become_one_line(cookies: Any, header: Any, lines: list[str]) -> None:
    request = decoded({"cookies": cookies, "headers.cookie": header})
    assert values(request, "cookie") == lines


def test_joined_header_stays_joined() -> None:
    # Which commas are the gateway's and which the client's cannot be told.
    assert values(decoded({}), "x-voker-probe") == ["first,second"]


@pytest.mark.parametrize(
    ("raw", "mount", "path"),
    [
        pytest.param("/prod/a b", "/prod", "/a%20b", id="below the stage"),
        pytest.param("/prod", "/prod", "/", id="the stage itself"),
        pytest.param("/prod/", "/prod", "/", id="the stage itself, slash"),
        pytest.param("/prod/prod", "/prod", "/prod", id="stage twice"),
    ],
)
def test_named_stage_is_taken_off(raw: str, mount: str, path: str) -> None:
    request = decoded({"rawPath": raw, "requestContext.stage": "prod"})
    assert (request.root_path, request.path, request.stage) == (mount, path, "prod")


@pytest.mark.parametrize("raw", ["/products", "/production/a", "/prod%", "/"])
def test_stage_is_a_whole_segment(raw: str) -> None:
    request = decoded({"rawPath": raw, "requestContext.stage": "prod"})
    assert request.path == raw.replace("%", "%25")


def test_stage_on_a_custom_domain_is_not_in_the_clients_url() -> None:
    domain = {"requestContext.domainName": "api.example.com", "headers.host": "api.example.com"}
    request = decoded({"rawPath": "/prod/a", "requestContext.stage": "prod"} | domain)
    assert (request.root_path, request.path, request.stage) == ("", "/a", "prod")


@pytest.mark.parametrize("stage", ["$default", None, ...], ids=["default", "null", "absent"])
def test_default_stage_is_none(stage: Any) -> None:
    request = decoded({"requestContext.stage": stage})
    assert (request.root_path, request.path, request.stage) == ("", "/capture/space%20value", "")


@pytest.mark.parametrize(
    ("authorizer", "user"),
    [
        pytest.param({"lambda": {"principalId": "ann"}}, "ann", id="lambda"),
        pytest.param({"lambda": {"key": "value"}}, None, id="lambda without a principal"),
        pytest.param({"lambda": None}, None, id="lambda, null"),
        pytest.param({"jwt": {"claims": {"sub": "ann"}, "scopes": None}}, "ann", id="token"),
        pytest.param({"jwt": {"claims": None, "scopes": None}}, None, id="token without claims"),
        pytest.param(
            {"iam": {"userArn": "arn:aws:iam::1:user/ann"}}, "arn:aws:iam::1:user/ann", id="iam"
        ),
        pytest.param(
            {"iam": {"userArn": ""}, "jwt": {"claims": {"sub": "b"}}}, "b", id="empty arn"
        ),
        pytest.param({}, None, id="empty"),
        pytest.param(None, None, id="null"),
        pytest.param(..., None, id="none"),
    ],
)
def test_user_is_who_the_gateway_authorized(authorizer: Any, user: str | None) -> None:
    assert decoded({"requestContext.authorizer": authorizer}).user == user


def test_result_keeps_cookies_apart_and_joins_other_repeats() -> None:
    response = Response(
        201,
        [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Set-Cookie", "a=1; Path=/"),
            ("Link", "</a>; rel=next"),
            ("SET-COOKIE", "b=2"),
            ("link", "</b>; rel=prev"),
        ],
        "<p>é</p>".encode(),
    )
    assert aws_http.encode_result(response, {}) == {
        "statusCode": 201,
        "headers": {
            "content-type": "text/html; charset=utf-8",
            "link": "</a>; rel=next, </b>; rel=prev",
        },
        "cookies": ["a=1; Path=/", "b=2"],
        "body": "<p>é</p>",
        "isBase64Encoded": False,
    }


def test_binary_result_is_base64() -> None:
    response = Response(200, [("content-type", "image/png")], b"\x89PNG")
    assert aws_http.encode_result(response, {}) == {
        "statusCode": 200,
        "headers": {"content-type": "image/png"},
        "body": "iVBORw==",
        "isBase64Encoded": True,
    }


def test_empty_result() -> None:
    assert aws_http.encode_result(Response(304), {}) == {
        "statusCode": 304,
        "headers": {},
        "body": "",
        "isBase64Encoded": False,
    }


MALFORMED = [
    pytest.param({"statusCode": "ok"}, id="status no number"),
    pytest.param({"statusCode": None}, id="status null"),
    pytest.param({"statusCode": 99}, id="status too low"),
    pytest.param({"statusCode": 600}, id="status too high"),
    pytest.param({"statusCode": 200, "headers": ["a"]}, id="headers no object"),
    pytest.param({"statusCode": 200, "headers": {"a": ["b"]}}, id="list of values"),
    pytest.param({"statusCode": 200, "cookies": "a=1"}, id="cookies no list"),
    pytest.param({"statusCode": 200, "cookies": [5]}, id="cookie no text"),
    pytest.param({"statusCode": 200, "body": {"a": 1}}, id="body no text"),
    pytest.param(
        {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True}, id="wrong base64"
    ),
]


@pytest.mark.parametrize("result", MALFORMED)
def test_malformed_result_is_a_500(result: object) -> None:
    response = aws_http.decode_result(result)
    assert response.status == 500
    assert response.body == b'{"message":"Internal Server Error"}'


@pytest.mark.parametrize(
    ("result", "body"),
    [
        pytest.param(None, b"null", id="null"),
        pytest.param("text", b"text", id="text"),
        pytest.param({"body": "a", "headers": {}}, b'{"body":"a","headers":{}}', id="no status"),
    ],
)
def test_result_without_status_is_the_body(result: object, body: bytes) -> None:
    response = aws_http.decode_result(result)
    assert (response.status, response.body) == (200, body)
    assert [*response.headers] == [("content-type", "application/json")]
