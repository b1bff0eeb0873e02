"""Lambda function URLs: payload 2.0 with another path and doubled cookies."""

from __future__ import annotations

from typing import Any

import pytest

from slsadapt import Request, Response
from slsadapt.gateways import aws_function_url
from tests.gateways.corpus import LIVE, changed, values


def decoded(changes: dict[str, Any]) -> Request:
    return aws_function_url.decode_event(changed(LIVE["aws_function_url"], changes))


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param(
            "/capture/100%2525%20a%2520b", "/capture/100%2525%20a%2520b", id="encoded once"
        ),
        pytest.param("/a%2Fb%3Fc", "/a%2Fb%3Fc", id="escaped delimiters"),
        pytest.param("/%FF%00", "/%FF%00", id="octets that are no UTF-8"),
        pytest.param("/a+b//", "/a+b//", id="plus and slashes"),
        pytest.param("/é%20", "/%C3%A9%20", id="stray letter"),
        pytest.param("", "/", id="empty"),
    ],
)
def test_raw_path_is_encoded_already(raw: str, path: str) -> None:
    # The decoded copy in requestContext.http.path is not read.
    request = decoded({"rawPath": raw, "requestContext.http.path": "/elsewhere"})
    assert (request.root_path, request.path) == ("", path)


@pytest.mark.parametrize(
    ("cookies", "header", "lines"),
    [
        pytest.param(["a=1", "b=2"], "a=1; b=2", ["a=1; b=2"], id="twice, as captured"),
        pytest.param(["a=1", "b=2"], ..., ["a=1; b=2"], id="list alone, as documented"),
        pytest.param(["a=1"], "z=9", ["z=9"], id="the header counts"),
        pytest.param(..., "a=1", ["a=1"], id="header alone"),
        pytest.param(..., ..., [], id="none"),
    ],
)
def test_cookies_are_not_doubled(cookies: Any, header: Any, lines: list[str]) -> None:
    request = decoded({"cookies": cookies, "headers.cookie": header})
    assert values(request, "cookie") == lines


def test_stage_is_none_whatever_the_event_says() -> None:
    request = decoded({"rawPath": "/live/a", "requestContext.stage": "live"})
    assert (request.root_path, request.path, request.stage) == ("", "/live/a", "")


def test_query_stays_as_sent() -> None:
    assert decoded({"rawQueryString": "a=%20+;b|&flag"}).query == "a=%20+;b|&flag"


def test_result_keeps_cookies_apart() -> None:
    response = Response(200, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-A", "1")], b"ok")
    assert aws_function_url.encode_result(response, {}) == {
        "statusCode": 200,
        "headers": {"x-a": "1"},
        "cookies": ["a=1", "b=2"],
        "body": "ok",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    "result",
    [{"statusCode": "ok"}, {"statusCode": 200, "headers": ["a"]}, {"statusCode": 700}],
    ids=str,
)
def test_malformed_result_is_a_502(result: object) -> None:
    response = aws_function_url.decode_result(result)
    assert (response.status, response.body) == (502, b"Internal Server Error")
