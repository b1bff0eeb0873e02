"""Tencent API Gateway triggers."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest

from slsadapt import Request, Response
from slsadapt.gateways import tencent_apigw
from tests.gateways.corpus import LIVE, changed, values


def decoded(changes: dict[str, Any]) -> Request:
    return tencent_apigw.decode_event(changed(LIVE["tencent_apigw"], changes))


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param({"a": ["b", "c"], "x": "y", "i": True}, "a=b&a=c&x=y&i", id="as documented"),
        pytest.param({"i": [True, "", "1"]}, "i&i=&i=1", id="valueless among others"),
        pytest.param({"empty": ""}, "empty=", id="empty"),
        pytest.param({"": "a"}, "=a", id="empty key"),
        pytest.param({"n": 5, "b": False}, "n=5&b=false", id="number and boolean"),
        pytest.param({}, "", id="none"),
        pytest.param(None, "", id="null"),
    ],
)
def test_query_is_written_again(fields: Any, query: str) -> None:
    assert decoded({"queryString": fields}).query == query


@pytest.mark.parametrize("text", ["/admin/tag/", "a b+c", "a&b=c;d#e", "100%25", "中文"])
def test_decoded_query_is_encoded_again(text: str) -> None:
    query = decoded({"queryString": {f"k{text}": [text, text]}}).query
    assert query.isascii()
    assert parse_qsl(query) == [(f"k{text}", text)] * 2


def test_declared_parameters_do_not_count_twice() -> None:
    request = decoded(
        {
            "queryString": {"foo": "bar", "bob": "alice"},
            "queryStringParameters": {"foo": "bar"},
            "headerParameters": {"Refer": "10.0.2.14"},
            "pathParameters": {"path": "value"},
        }
    )
    assert request.query == "foo=bar&bob=alice"
    assert values(request, "refer") == []


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("/%E4%BD%A0/a%20b%2Fc", "/%E4%BD%A0/a%20b%2Fc", id="encoded"),
        pytest.param("/你/a%20b", "/%E4%BD%A0/a%20b", id="stray letters"),
        pytest.param("/%FF", "/%FF", id="octet that is no UTF-8"),
        pytest.param("", "/", id="empty"),
    ],
)
def test_path_is_taken_as_encoded(raw: str, path: str) -> None:
    assert decoded({"path": raw}).path == path


@pytest.mark.parametrize(
    ("host", "root_path"),
    [
        pytest.param("service-a-1300000000.gz.apigw.tencentcs.com", "/release", id="current"),
        pytest.param("service-a-1300000000.ap-x.apigateway.myqcloud.com", "/release", id="old"),
        pytest.param("a-1300000000.ap-guangzhou.tencentapigw.com", "/release", id="newest"),
        pytest.param("service-a.gz.apigw.tencentcs.com:443", "/release", id="with port"),
        pytest.param("Service-A.GZ.ApiGW.TencentCS.com", "/release", id="in capitals"),
        pytest.param("blog.example.com", "", id="custom domain"),
        pytest.param("apigw.tencentcs.com.example.com", "", id="lookalike"),
        pytest.param("myapigw.tencentcs.com", "", id="another lookalike"),
    ],
)
def test_stage_stands_in_the_url_of_default_hosts(host: str, root_path: str) -> None:
    request = decoded({"headers.host": host})
    assert (request.root_path, request.path, request.stage) == (
        root_path,
        "/admin/tag/new/",
        "release",
    )


@pytest.mark.parametrize(
    ("context", "header", "request_id"),
    [
        pytest.param("c6af9ac6", "656622f3", "c6af9ac6", id="as documented"),
        pytest.param(..., "656622f3", "656622f3", id="as captured"),
        pytest.param("c6af9ac6", ..., "c6af9ac6", id="context alone"),
        pytest.param(..., ..., "", id="none"),
    ],
)
def test_request_id(context: Any, header: Any, request_id: str) -> None:
    changes = {"requestContext.requestId": context, "headers.x-api-requestid": header}
    assert decoded(changes).request_id == request_id


@pytest.mark.parametrize(
    ("scheme", "server"), [("http", ("blog.example.com", 80)), ("https", ("blog.example.com", 443))]
)
def test_scheme_is_the_gateways(scheme: str, server: tuple[str, int]) -> None:
    request = decoded({"headers.x-api-scheme": scheme})
    assert (request.scheme, request.server) == (scheme, server)


@pytest.mark.parametrize("flag", [True, "true"])
def test_flag_beside_plain_text_is_not_believed(flag: object) -> None:
    # One vendor page prints "true" there.
    event = changed(LIVE["tencent_apigw"], {"isBase64Encoded": flag, "body": '{"test":"body"}'})
    request = tencent_apigw.decode_event(event)
    assert request.body == b'{"test":"body"}'
    assert values(request, "content-length") == ["15"]


@pytest.mark.parametrize(
    ("body", "length"),
    [
        pytest.param("3.5,0.2,3,0.2,...", "17", id="as captured"),
        pytest.param("λ", "2", id="octets"),
        pytest.param(..., "0", id="no body"),
    ],
)
def test_wrong_content_length_is_set_right(body: Any, length: str) -> None:
    request = decoded({"body": body, "headers.content-length": "11"})
    assert values(request, "content-length") == [length]


def test_credentials_of_the_platform_do_not_reach_the_application() -> None:
    names = ["X-Scf-Secret-Id", "x-scf-secret-key", "X-SCF-SESSION-TOKEN"]
    request = decoded({f"headers.{name}": "hunter2" for name in names})
    assert "hunter2" not in repr(request)
    assert values(request, "x-b3-traceid") == ["656622f3b008a0d406a376809b03b52c"]


def test_result_lists_what_repeats() -> None:
    response = Response(
        200,
        [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Set-Cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("Set-Cookie", "c=3"),
            ("X-One", "1"),
        ],
        "<p>中文</p>".encode(),
    )
    assert tencent_apigw.encode_result(response, {}) == {
        "isBase64Encoded": False,
        "statusCode": 200,
        "headers": {
            "Content-Type": "text/html; charset=utf-8",
            "Set-Cookie": ["a=1", "b=2", "c=3"],
            "X-One": "1",
        },
        "body": "<p>中文</p>",
    }


def test_empty_result() -> None:
    assert tencent_apigw.encode_result(Response(204), {}) == {
        "isBase64Encoded": False,
        "statusCode": 204,
        "headers": {},
        "body": "",
    }


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param({"body": "a"}, id="no status"),
        pytest.param({"statusCode": "ok"}, id="status no number"),
        pytest.param({"statusCode": 600}, id="status too high"),
        pytest.param({"statusCode": 200, "headers": ["a"]}, id="headers no object"),
        pytest.param({"statusCode": 200, "headers": {"a": {"b": "c"}}}, id="header no text"),
        pytest.param({"statusCode": 200, "body": {"a": 1}}, id="body no text"),
        pytest.param(
            {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True}, id="wrong base64"
        ),
    ],
)
def test_malformed_result_is_a_403(result: object) -> None:
    response = tencent_apigw.decode_result(result)
    assert response.status == 403
    assert b'"errno":403' in response.body


def test_flag_of_a_result_may_be_text() -> None:
    result = {"statusCode": 200, "headers": None, "body": "Zm9v", "isBase64Encoded": "true"}
    assert tencent_apigw.decode_result(result).body == b"foo"
