"""REST APIs, and HTTP APIs with payload 1.0."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest

from slsadapt import Request, Response
from slsadapt.gateways import aws_rest
from tests.gateways.corpus import LIVE, changed, values

DEFAULT_HOST = "5h7pqvr9u4.execute-api.us-west-2.amazonaws.com"


def decoded(changes: dict[str, Any]) -> Request:
    return aws_rest.decode_event(changed(LIVE["aws_rest"], changes))


def with_path(path: str) -> dict[str, Any]:
    return {"path": path, "requestContext.path": f"/live{path}"}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/a%2Fb", id="escaped slash"),
        pytest.param("/a%252Fb", id="escaped percent sign"),
        pytest.param("/test%2Balias/test+alias", id="plus both ways"),
        pytest.param("/caf%C3%A9/%e6%97%a5", id="letters beyond ASCII"),
        pytest.param("/%FF%00", id="octets that are no UTF-8"),
        pytest.param("/a%3Fb=1%23", id="escaped delimiters"),
        pytest.param("/a;b=1,2:@!$&'()*", id="path characters"),
        pytest.param("/a//b/", id="double and trailing slash"),
        pytest.param("/100%", id="lone percent sign"),
    ],
)
def test_rest_path_stays_as_sent(path: str) -> None:
    request = decoded(with_path(path))
    assert (request.root_path, request.path) == ("/live", path)


def test_stray_letter_in_a_rest_path_is_escaped() -> None:
    assert decoded(with_path("/café/%20")).path == "/caf%C3%A9/%20"


@pytest.mark.parametrize(
    ("path", "encoded"),
    [
        pytest.param("/capture/a b", "/capture/a%20b", id="space"),
        pytest.param("/100%25", "/100%2525", id="double decode trap"),
        pytest.param("/日本?", "/%E6%97%A5%E6%9C%AC%3F", id="beyond ASCII"),
    ],
)
def test_path_of_payload_1_http_api_is_encoded_again(path: str, encoded: str) -> None:
    changes = {"version": "1.0", "path": path, "requestContext.path": path}
    assert decoded(changes | {"requestContext.stage": "$default"}).path == encoded


@pytest.mark.parametrize(
    ("path", "mount", "inner"),
    [
        pytest.param("/prod/a", "/prod", "/a", id="below the stage"),
        pytest.param("/prod", "/prod", "/", id="the stage itself"),
        pytest.param("/prod/", "/prod", "/", id="the stage itself, slash"),
        pytest.param("/prod/prod/a", "/prod", "/prod/a", id="stage twice"),
        pytest.param("/products", "/prod", "/products", id="stage eats whole segments only"),
    ],
)
def test_named_stage_of_payload_1_http_api_is_taken_off(path: str, mount: str, inner: str) -> None:
    stage = {"requestContext.stage": "prod", "requestContext.path": path}
    request = decoded({"version": "1.0", "path": path} | stage)
    assert (request.root_path, request.path, request.stage) == (mount, inner, "prod")


def test_default_stage_is_none() -> None:
    changes = {"requestContext.stage": "$default", "requestContext.path": "/capture/space%20value"}
    request = decoded(changes)
    assert (request.root_path, request.stage) == ("", "")


@pytest.mark.parametrize(
    ("path", "resource", "parameters", "mount", "inner"),
    [
        pytest.param("/a/b", "/{proxy+}", {"proxy": "a/b"}, "", "/a/b", id="none"),
        pytest.param("/shop/a", "/{proxy+}", {"proxy": "a"}, "/shop", "/a", id="one segment"),
        pytest.param("/shop/v2/a", "/{proxy+}", {"proxy": "a"}, "/shop/v2", "/a", id="two"),
        pytest.param("/shop/a/", "/{proxy+}", {"proxy": "a"}, "/shop", "/a/", id="trailing slash"),
        pytest.param("/shop", "/", None, "/shop", "/", id="root resource"),
        pytest.param("/shop/", "/", None, "/shop", "/", id="root resource, slash"),
        pytest.param("/shop/items", "/items", None, "/shop", "/items", id="fixed resource"),
        pytest.param(
            "/shop/items/a%20b",
            "/items/{id}",
            {"id": "a%20b"},
            "/shop",
            "/items/a%20b",
            id="variable",
        ),
        pytest.param("/%E5%BA%97/a", "/{proxy+}", {"proxy": "a"}, "/店", "/a", id="beyond ASCII"),
        pytest.param("/shop/ab", "/{proxy+}", {"proxy": "b"}, "", "/shop/ab", id="whole segments"),
        pytest.param("/shop/a", "/{proxy+}", None, "", "/shop/a", id="unknown variable"),
    ],
)
def test_base_path_of_a_custom_domain_is_what_the_resource_leaves(
    path: str, resource: str, parameters: dict[str, str] | None, mount: str, inner: str
) -> None:
    request = decoded(
        {
            "path": path,
            "resource": resource,
            "pathParameters": parameters,
            "requestContext.path": path,
            "requestContext.domainName": "api.example.com",
        }
    )
    assert (request.root_path, request.path, request.stage) == (mount, inner, "live")


def test_custom_domain_without_base_path_has_no_stage() -> None:
    path = {"path": "/capture/space%20value", "requestContext.path": "/capture/space%20value"}
    request = decoded(path | {"requestContext.domainName": "api.example.com"})
    assert (request.root_path, request.path) == ("", "/capture/space%20value")


def test_default_host_has_the_stage_even_where_the_context_does_not_say() -> None:
    request = decoded({"requestContext.path": ..., "requestContext.domainName": ...})
    assert request.root_path == "/live"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a b", id="space"),
        pytest.param("a+b", id="plus"),
        pytest.param("a&b=c;d", id="separators"),
        pytest.param("100%25", id="percent sign"),
        pytest.param("日本 é", id="beyond ASCII"),
        pytest.param('#?/:@[]{}|\\^`"<>', id="punctuation"),
        pytest.param("", id="empty"),
        pytest.param("\ud800", id="lone surrogate"),
    ],
)
@pytest.mark.parametrize("field", ["multiValueQueryStringParameters", "queryStringParameters"])
def test_decoded_query_is_encoded_again(field: str, text: str) -> None:
    changes: dict[str, Any] = {"multiValueQueryStringParameters": None}
    changes[field] = {f"k{text}": [text] if field.startswith("multi") else text}
    query = decoded(changes).query
    assert query.isascii()
    assert not {*' +"<>[]{}|\\^`#;'} & {*query}
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogatepass")
    assert pairs == [(f"k{text}", text)]


def test_repeated_query_key_comes_from_the_lists() -> None:
    request = decoded({"multiValueQueryStringParameters": {"b": ["2", "1"], "a": ["", "3"]}})
    assert request.query == "b=2&b=1&a=&a=3"


def test_query_value_may_be_a_number() -> None:
    assert decoded({"multiValueQueryStringParameters": {"n": [5, 1.5]}}).query == "n=5&n=1.5"


@pytest.mark.parametrize("empty", [None, {}, ...], ids=["null", "empty", "absent"])
def test_request_without_query(empty: Any) -> None:
    changes = {"queryStringParameters": empty, "multiValueQueryStringParameters": empty}
    assert decoded(changes).query == ""


def test_repeated_header_and_cookie_stay_apart() -> None:
    request = decoded(
        {
            "multiValueHeaders.X-Tag": ["a", "b,c"],
            "multiValueHeaders.cookie": ["a=1", "b=2"],
            "headers.X-Tag": "b,c",
            "headers.cookie": "b=2",
        }
    )
    assert values(request, "x-tag") == ["a", "b,c"]
    assert values(request, "cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("lists", [None, {}, ...], ids=["null", "empty", "absent"])
def test_single_headers_serve_where_there_are_no_lists(lists: Any) -> None:
    request = decoded({"multiValueHeaders": lists})
    assert values(request, "x-voker-probe") == ["second"]
    assert values(request, "content-length") == ["66"]


@pytest.mark.parametrize("name", ["Content-Length", "content-length"])
@pytest.mark.parametrize("length", ["66", 66], ids=["text", "number"])
def test_content_length_that_comes_is_not_doubled(name: str, length: object) -> None:
    lists = {f"multiValueHeaders.{name}": [length], f"headers.{name}": length}
    assert values(decoded(lists), "content-length") == ["66"]
    assert values(decoded(lists | {"multiValueHeaders": None}), "content-length") == ["66"]


def test_request_without_body_gets_no_content_length() -> None:
    assert values(decoded({"body": None}), "content-length") == []


def test_header_lists_alone_are_enough() -> None:
    request = decoded({"headers": None, "multiValueHeaders.Host": ["example.com:8443"]})
    assert request.server == ("example.com", 8443)
    assert values(request, "x-voker-probe") == ["first", "second"]


def test_test_call_of_the_console_has_no_headers() -> None:
    request = decoded(
        {
            "headers": None,
            "multiValueHeaders": None,
            "queryStringParameters": None,
            "multiValueQueryStringParameters": None,
            "requestContext.path": "/capture/space%20value",
            "requestContext.stage": "test-invoke-stage",
            "requestContext.domainName": "testPrefix.testDomainName",
            "requestContext.identity.sourceIp": "test-invoke-source-ip",
            "body": None,
        }
    )
    assert request == Request(
        "POST",
        "/capture/space%20value",
        client=("test-invoke-source-ip", 0),
        stage="test-invoke-stage",
        request_id="7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0",
    )


@pytest.mark.parametrize(
    ("changes", "user"),
    [
        pytest.param({"authorizer": {"principalId": "ann"}}, "ann", id="authorizer"),
        pytest.param({"authorizer": {"principalId": 7}}, "7", id="number"),
        pytest.param({"authorizer": {"claims": {"sub": "ann"}}}, "ann", id="user pool"),
        pytest.param({"authorizer": {"claims": None}}, None, id="no claims"),
        pytest.param({"authorizer": {}}, None, id="nothing said"),
        pytest.param(
            {"identity": {"userArn": "arn:aws:iam::1:user/ann"}},
            "arn:aws:iam::1:user/ann",
            id="iam",
        ),
        pytest.param({"authorizer": ...}, None, id="none"),
    ],
)
def test_user_is_who_the_gateway_authorized(changes: dict[str, Any], user: str | None) -> None:
    assert decoded({f"requestContext.{name}": each for name, each in changes.items()}).user == user


def test_result_holds_only_the_keys_the_gateway_knows() -> None:
    response = Response(
        201,
        [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Set-Cookie", "a=1; Path=/"),
            ("X-One", "1"),
            ("Set-Cookie", "b=2"),
        ],
        "<p>é</p>".encode(),
    )
    assert aws_rest.encode_result(response, {}) == {
        "statusCode": 201,
        "headers": {"Content-Type": "text/html; charset=utf-8", "X-One": "1"},
        "multiValueHeaders": {"Set-Cookie": ["a=1; Path=/", "b=2"]},
        "body": "<p>é</p>",
        "isBase64Encoded": False,
    }


def test_result_without_repeats_has_single_headers_alone() -> None:
    response = Response(200, [("content-type", "image/png")], b"\x89PNG")
    assert aws_rest.encode_result(response, {}) == {
        "statusCode": 200,
        "headers": {"content-type": "image/png"},
        "body": "iVBORw==",
        "isBase64Encoded": True,
    }


def test_empty_result() -> None:
    assert aws_rest.encode_result(Response(204), {}) == {
        "statusCode": 204,
        "headers": {},
        "body": "",
        "isBase64Encoded": False,
    }


def test_first_spelling_of_a_repeated_header_stands_for_all() -> None:
    response = Response(200, [("Vary", "a"), ("vary", "b"), ("VARY", "c"), ("x-Y", "1")])
    result = aws_rest.encode_result(response, {})
    assert result["headers"] == {"x-Y": "1"}
    assert result["multiValueHeaders"] == {"Vary": ["a", "b", "c"]}


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param(["a"], id="list"),
        pytest.param({"statusCode": 200, "cookies": ["a=1"]}, id="cookies of payload 2.0"),
        pytest.param({"statusCode": 200, "multiValueHeaders": {"a": "b"}}, id="no list"),
        pytest.param({"statusCode": 200, "headers": {"a": ["b"]}}, id="list of single values"),
        pytest.param({"statusCode": 200, "headers": ["a"]}, id="headers no object"),
        pytest.param({"statusCode": "ok"}, id="status no number"),
        pytest.param({"statusCode": None}, id="status null"),
        pytest.param({"statusCode": 99}, id="status too low"),
        pytest.param({"statusCode": 600}, id="status too high"),
        pytest.param({"statusCode": 200, "body": {"a": 1}}, id="body no text"),
        pytest.param({"body": "no base64!", "isBase64Encoded": True}, id="wrong base64"),
    ],
)
def test_malformed_result_is_a_502(result: object) -> None:
    response = aws_rest.decode_result(result)
    assert response.status == 502
    assert response.body == b'{"message": "Internal server error"}'


def test_result_without_content_type_is_json_to_the_client() -> None:
    response = aws_rest.decode_result({"statusCode": 200, "body": "<p>"})
    assert [*response.headers] == [("Content-Type", "application/json")]
    typed = aws_rest.decode_result({"headers": {"CONTENT-TYPE": "text/html"}})
    assert [*typed.headers] == [("CONTENT-TYPE", "text/html")]


def test_doubled_value_beside_an_empty_list_is_not_lost(event: Any) -> None:
    sent = event("aws_rest/rule_root_nulls")
    sent["headers"] = {"Host": "api.example.com", "X-None": "", "X-Two": "b"}
    sent["multiValueHeaders"] = {"Host": ["api.example.com"], "X-None": [], "X-Two": ["a", "b"]}
    headers = aws_rest.decode_event(sent).headers
    assert [value for name, value in headers if name == "x-two"] == ["a", "b"]
