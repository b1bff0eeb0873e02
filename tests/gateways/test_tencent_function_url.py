"""Tencent cloud functions' own URLs."""

from __future__ import annotations

from typing import Any

import pytest

from slsadapt import Request, Response
from slsadapt.gateways import tencent_function_url
from tests.gateways.corpus import LIVE, changed, values


def decoded(changes: dict[str, Any]) -> Request:
    return tencent_function_url.decode_event(changed(LIVE["tencent_function_url"], changes))


@pytest.mark.parametrize(
    ("context", "header", "client"),
    [
        pytest.param(..., "203.0.113.18", ("203.0.113.18", 0), id="as documented"),
        pytest.param(
            {"sourceIp": "203.0.113.9"}, "6.6.6.6", ("203.0.113.9", 0), id="context first"
        ),
        pytest.param({"sourceIp": ""}, "203.0.113.18", ("203.0.113.18", 0), id="empty context"),
        pytest.param({}, "203.0.113.18", ("203.0.113.18", 0), id="context without it"),
        pytest.param(None, "2001:db8::7", ("2001:db8::7", 0), id="context null, ipv6"),
        pytest.param(..., ..., None, id="none"),
    ],
)
def test_client(context: Any, header: Any, client: tuple[str, int] | None) -> None:
    changes = {"requestContext": context, "headers.x-scf-remote-addr": header}
    assert decoded(changes | {"headers.x-forwarded-for": "6.6.6.6"}).client == client


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param({"a": ["b", "c"], "i": True}, "a=b&a=c&i", id="repeated and valueless"),
        pytest.param({"q": "中 &"}, "q=%E4%B8%AD%20%26", id="decoded by the gateway"),
    ],
)
def test_query_is_written_again(fields: Any, query: str) -> None:
    assert decoded({"queryString": fields}).query == query


def test_no_stage() -> None:
    host = "1300000000-abcdefghij.ap-guangzhou.tencentscf.com"
    request = decoded({"path": "/release/a", "headers.host": host})
    assert (request.root_path, request.path, request.stage) == ("", "/release/a", "")


def test_wrong_content_length_is_set_right() -> None:
    assert values(decoded({}), "content-length") == ["22"]


def test_credentials_of_the_platform_do_not_reach_the_application() -> None:
    request = decoded({"headers.X-Scf-Secret-Key": "hunter2"})
    assert "hunter2" not in repr(request)


def test_flag_is_honoured_where_one_comes() -> None:
    event = changed(LIVE["tencent_function_url"], {"isBase64Encoded": True, "body": "//8A"})
    assert tencent_function_url.decode_event(event).body == b"\xff\xff\x00"


def test_octets_that_are_no_text_are_lost_on_the_way() -> None:
    event = tencent_function_url.encode_event(Request("POST", "/", body=b"a\xffb"))
    assert event["body"] == "a\N{REPLACEMENT CHARACTER}b"
    assert "isBase64Encoded" not in event


def test_result_is_that_of_the_gateway() -> None:
    response = Response(200, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], b"\x89PNG")
    assert tencent_function_url.encode_result(response, {}) == {
        "isBase64Encoded": True,
        "statusCode": 200,
        "headers": {"Set-Cookie": ["a=1", "b=2"]},
        "body": "iVBORw==",
    }


@pytest.mark.parametrize(
    ("result", "body"),
    [
        pytest.param("Hello, world!", b"Hello, world!", id="text"),
        pytest.param(None, b"null", id="null"),
        pytest.param([1, "中"], '[1, "中"]'.encode(), id="list"),
        pytest.param({"a": 1}, b'{"a": 1}', id="object"),
    ],
)
def test_result_without_status_is_the_body(result: object, body: bytes) -> None:
    response = tencent_function_url.decode_result(result)
    assert (response.status, response.body) == (200, body)
    assert [*response.headers] == [("content-type", "application/json")]


def test_malformed_result_is_a_403() -> None:
    assert tencent_function_url.decode_result({"statusCode": "ok"}).status == 403
