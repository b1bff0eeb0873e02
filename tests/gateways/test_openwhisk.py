"""Apache OpenWhisk web actions."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

import flask
import pytest

from slsadapt import BadEventError, Request, Response, gateways, wrap
from slsadapt.gateways import openwhisk
from tests.conftest import load_case
from tests.gateways.corpus import changed, values

GET = "openwhisk/raw_get_repeated_query"
FORM = "openwhisk/raw_post_form"


def decoded(changes: dict[str, Any], case: str = GET) -> Request:
    return openwhisk.decode_event(changed(case, changes))


def encoded(content_type: str, body: bytes) -> dict[str, Any]:
    headers = [("Content-Type", content_type)] if content_type else []
    result: dict[str, Any] = openwhisk.encode_result(Response(200, headers, body), {})
    return result


def test_raw_request_is_read() -> None:
    event = load_case(GET)["event"] | {"__ow_user": "guest"}
    assert openwhisk.decode_event(event) == Request(
        "GET",
        "/x/%E4%BD%A0",
        "a=1&a=2&q=%E4%BD%A0",
        [
            ("accept", "*/*"),
            ("connection", "close"),
            ("host", "172.17.0.1"),
            ("user-agent", "curl/7.43.0"),
        ],
        b"",
        "https",
        None,
        ("172.17.0.1", 443),
        user="guest",
    )


@pytest.mark.parametrize("case", ["parsed_get", "parsed_post_form", "parsed_post_text"])
def test_action_that_is_not_raw_is_told_which_switch_to_set(case: str) -> None:
    event = load_case(f"openwhisk/{case}")["event"]
    assert gateways.detect(event) is gateways.load("openwhisk")
    with pytest.raises(BadEventError, match="`wsk action update NAME --web raw`"):
        openwhisk.decode_event(event)


def test_action_that_is_not_raw_is_answered_with_400() -> None:
    app = flask.Flask("shop")
    result = wrap(app)(load_case("openwhisk/parsed_get")["event"])
    assert result["statusCode"] == 400
    assert "--web raw" in result["body"]


@pytest.mark.parametrize(
    ("content_type", "text", "body"),
    [
        pytest.param("application/octet-stream", "AP8=", b"\x00\xff", id="binary"),
        pytest.param("image/png", "iVBORw0KGgo=", b"\x89PNG\r\n\x1a\n", id="image"),
        pytest.param("multipart/form-data; boundary=x", "LS14", b"--x", id="multipart"),
        pytest.param("image/svg+xml", "PHN2Zz4=", b"<svg>", id="svg is binary"),
        pytest.param("application/ld+json", "e30=", b"{}", id="unknown type is binary"),
        pytest.param("text/x-yaml", "YTogMQ==", b"a: 1", id="unknown text is binary"),
        pytest.param(..., "aGk=", b"hi", id="no type is binary"),
        pytest.param("application/json", "eyJhIjoxfQ==", b'{"a":1}', id="json"),
        pytest.param("Application/JSON; charset=utf-8", "MTIzNA==", b"1234", id="json, charset"),
        pytest.param("application/json", '{"a":1}', b'{"a":1}', id="json not encoded"),
        pytest.param("application/json", "1234", b"\xd7m\xf8", id="json that looks encoded is"),
        pytest.param("application/x-www-form-urlencoded", "a=1234", b"a=1234", id="form"),
        pytest.param("text/plain; charset=UTF-8", "Jane", b"Jane", id="text of four letters"),
        pytest.param("text/x-yaml; charset=UTF-8", "Jane", b"Jane", id="unknown text, charset"),
        pytest.param("application/x-a; charset=UTF-8", "Jane", b"Jane", id="unknown, charset"),
        pytest.param("application/problem+json", "1234", b"1234", id="known +json is text"),
        pytest.param("application/xml", "<é/>", "<é/>".encode(), id="xml"),
        pytest.param("text/plain", "", b"", id="empty"),
        pytest.param("text/plain", None, b"", id="null"),
    ],
)
def test_type_tells_whether_a_body_is_base64(content_type: Any, text: Any, body: bytes) -> None:
    request = decoded({"__ow_body": text, "__ow_headers.content-type": content_type}, FORM)
    assert request.body == body
    assert values(request, "content-length") == ([str(len(body))] if body else [])


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("", "/", id="nothing behind the action"),
        pytest.param("/", "/", id="slash"),
        pytest.param("/a%2Fb%20c", "/a%2Fb%20c", id="encoded"),
        pytest.param("/%FF", "/%FF", id="octet that is no UTF-8"),
        pytest.param("/é ü", "/%C3%A9%20%C3%BC", id="stray letters"),
        pytest.param("a", "/a", id="no slash"),
    ],
)
def test_path_is_taken_as_encoded(raw: str, path: str) -> None:
    assert decoded({"__ow_path": raw}).path == path


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        pytest.param("a=1&a=2&b", "a=1&a=2&b", id="repeats and bare key"),
        pytest.param("a=b+c&d=%2B", "a=b+c&d=%2B", id="as it came"),
        pytest.param("q=é", "q=%C3%A9", id="stray letter"),
    ],
)
def test_query_is_taken_as_encoded(raw: str, query: str) -> None:
    assert decoded({"__ow_query": raw}).query == query


@pytest.mark.parametrize("name", ["x-require-whisk-auth", "X-Require-Whisk-Auth"])
def test_password_of_the_action_does_not_reach_the_application(name: str) -> None:
    request = decoded({f"__ow_headers.{name}": "hunter2", "__ow_headers.x-kept": "yes"})
    assert "hunter2" not in repr(request)
    assert values(request, "x-kept") == ["yes"]


def test_application_is_not_invited_to_compress() -> None:
    assert values(decoded({"__ow_headers.accept-encoding": "gzip, br"}), "accept-encoding") == []


def test_wrong_content_length_is_set_right() -> None:
    request = decoded({"__ow_headers.content-length": "700"}, FORM)
    assert values(request, "content-length") == ["7"]


def test_client_is_not_what_a_client_can_write() -> None:
    headers = {"__ow_headers.x-forwarded-for": "6.6.6.6", "__ow_headers.x-forwarded-proto": "http"}
    request = decoded(headers)
    assert (request.client, request.scheme) == (None, "https")


def test_request_id_is_the_platforms() -> None:
    assert decoded({"__ow_headers.x-request-id": "5df6f6b0"}).request_id == "5df6f6b0"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"__ow_method": 5}, "'__ow_method' must be str, got int"),
        ({"__ow_path": None}, "'__ow_path' must be str, got NoneType"),
        ({"__ow_query": ["a"]}, "'__ow_query' must be str, got list"),
        ({"__ow_query": None}, "'__ow_query' must be str, got NoneType"),
        ({"__ow_headers": "none"}, "'__ow_headers' must be dict, got str"),
        ({"__ow_headers.accept": {}}, "'__ow_headers.accept' must be str, got dict"),
        ({"__ow_headers.host": "h:port"}, "'headers.host' must end in a port number"),
        ({"__ow_body": {"a": 1}}, "'__ow_body' must be str, got dict"),
        ({"__ow_user": 5}, "'__ow_user' must be str, got int"),
        ({"__ow_method": ...}, "'__ow_method' must be str, got NoneType"),
    ],
)
def test_wrong_field_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadEventError, match=field):
        decoded(changes)


@pytest.mark.parametrize(
    ("event", "claimed"),
    [
        ({"__ow_method": "get"}, True),
        ({"__ow_method": "get", "http": "a parameter"}, True),
        ({"__ow_method": "get", "__ow_isBase64Encoded": False}, False),
        ({"__ow_method": "get", "http": {"method": "GET", "headers": {}}}, False),
        ({"__ow_headers": {}}, False),
        ({}, False),
    ],
)
def test_web_actions_are_claimed(event: dict[str, Any], claimed: bool) -> None:
    assert openwhisk.matches(event) is claimed


def test_event_is_written_as_documented() -> None:
    request = Request(
        "POST",
        "/a%2Fb",
        "name=Jane&b",
        [("accept", "*/*"), ("x-tag", "1"), ("x-tag", "2"), ("content-type", "application/json")],
        b'{"name":"Jane"}',
        request_id="5df6f6b0",
        user="guest",
    )
    assert openwhisk.encode_event(request) == {
        "__ow_method": "post",
        "__ow_query": "name=Jane&b",
        "__ow_body": "eyJuYW1lIjoiSmFuZSJ9",
        "__ow_headers": {
            "accept": "*/*",
            "x-tag": "2",
            "content-type": "application/json",
            "host": "localhost",
            "x-request-id": "5df6f6b0",
        },
        "__ow_path": "/a%2Fb",
        "__ow_user": "guest",
    }


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/%FF%2f%41/%2f", "/%EF%BF%BD%2FA/%2f"),
        ("/%E4%BD%A0%e4%bd%a0", "/%E4%BD%A0%e4%bd%a0"),
        ("/", ""),
    ],
)
def test_octets_that_are_no_utf8_are_replaced_in_paths_alone(path: str, written: str) -> None:
    assert openwhisk.encode_event(Request("GET", path))["__ow_path"] == written


def test_documented_cookies_are_read_and_written() -> None:
    result = load_case("openwhisk/response_cookies")["response"]
    response = openwhisk.decode_result(result)
    assert response == Response(
        200,
        [
            ("Set-Cookie", "UserID=Jane; Max-Age=3600; Version="),
            ("Set-Cookie", "SessionID=asdfgh123456; Path = /"),
            ("Content-Type", "text/html"),
        ],
        b"<html><body><h3>hello</h3></body></html>",
    )
    assert openwhisk.encode_result(response, {}) == result


def test_documented_image_is_read_and_written() -> None:
    result = load_case("openwhisk/response_png")["response"]
    response = openwhisk.decode_result(result)
    assert response.body == b"\x89PNG\r\n\x1a\n"
    assert openwhisk.encode_result(response, {}) == result


@pytest.mark.parametrize(
    ("content_type", "body", "written"),
    [
        pytest.param("text/html; charset=utf-8", "中".encode(), "中", id="text"),
        pytest.param("text/plain", b"AAAA", "AAAA", id="text that looks base64"),
        pytest.param("application/json", b'{"a": 1}', '{"a": 1}', id="json"),
        pytest.param("application/json", b"true", "dHJ1ZQ==", id="json that looks base64"),
        pytest.param("application/json", b" 1234\n", "IDEyMzQK", id="with blanks around"),
        pytest.param("application/problem+json", b"1234", "MTIzNA==", id="+json that looks so"),
        pytest.param("application/json", b"\x1f\x8b", "H4s=", id="json in octets"),
        pytest.param("application/ld+json", b"{}", "e30=", id="+json unknown"),
        pytest.param("application/ld+json; charset=utf-8", b"{}", "{}", id="+json, charset"),
        pytest.param("image/svg+xml; charset=utf-8", b"<svg>", "PHN2Zz4=", id="svg is binary"),
        pytest.param("text/javascript", b"a()", "YSgp", id="unknown text is binary"),
        pytest.param("text/javascript; charset=utf-8", b"a()", "a()", id="unknown text, charset"),
        pytest.param("application/pdf", b"%PDF", "JVBERg==", id="binary that is UTF-8"),
        pytest.param("", b"<p>hi</p>", "<p>hi</p>", id="no type"),
        pytest.param("text/html; charset=gbk", b"\xc4\xe3", "\ufffd\ufffd", id="other charset"),
        pytest.param("image/png", b"", "", id="empty"),
    ],
)
def test_type_tells_how_a_body_is_written(content_type: str, body: bytes, written: str) -> None:
    result = encoded(content_type, body)
    assert result["body"] == written
    if "\ufffd" not in written:
        assert openwhisk.decode_result(result).body == body


@pytest.mark.parametrize(
    ("given", "announced"),
    [
        pytest.param("application/sql; charset=utf-8", "application/sql", id="charset is dropped"),
        pytest.param("application/sql;charset=utf-8; v=1", "application/sql; v=1", id="it alone"),
        pytest.param("text/html; charset=utf-8", "text/html; charset=utf-8", id="of a text stays"),
        pytest.param("text/x-a; charset=utf-8", "text/x-a; charset=utf-8", id="of any text stays"),
        pytest.param("multipart/mixed; boundary=x", "multipart/mixed; boundary=x", id="boundary"),
    ],
)
def test_charset_makes_no_text_of_a_binary_type(given: str, announced: str) -> None:
    assert encoded(given, b"x")["headers"] == {"Content-Type": announced}


def test_octets_without_a_type_survive() -> None:
    result = encoded("", b"\xff")
    assert result["headers"] == {"Content-Type": "application/octet-stream"}
    assert openwhisk.decode_result(result).body == b"\xff"


def test_text_mime_types_cannot_overrule_the_gateway() -> None:
    response = Response(200, [("Content-Type", "application/x-foo")], b"foo")
    assert openwhisk.encode_result(response, {}, ("application/x-foo",))["body"] == "Zm9v"


@pytest.mark.parametrize("status", [200, 204, 304, 404])
def test_empty_result_has_its_status(status: int) -> None:
    result = openwhisk.encode_result(Response(status), {})
    assert result == {"statusCode": status, "headers": {}, "body": ""}
    assert openwhisk.decode_result(result).status == status


@pytest.mark.parametrize(
    ("result", "response"),
    [
        pytest.param({}, Response(204), id="nothing"),
        pytest.param({"body": ""}, Response(204), id="empty body"),
        pytest.param({"body": None}, Response(204), id="null body"),
        pytest.param({"body": "hi"}, Response(200, [], b"hi"), id="no status"),
        pytest.param({"statusCode": "302"}, Response(302), id="status in text"),
        pytest.param(
            {"body": {"a": "é"}},
            Response(200, [("Content-Type", "application/json")], '{"a": "é"}'.encode()),
            id="json body",
        ),
        pytest.param(
            {"body": [1], "headers": {"content-type": "application/hal+json"}},
            Response(200, [("content-type", "application/hal+json")], b"[1]"),
            id="+json body",
        ),
        pytest.param(
            {"headers": {"a": True, "b": 5, "c": ["x", "y"]}, "body": "t"},
            Response(200, [("a", "true"), ("b", "5"), ("c", "x"), ("c", "y")], b"t"),
            id="header types",
        ),
        pytest.param(
            {"headers": {"Content-Type": "application/json"}, "body": "MTIzNA=="},
            Response(200, [("Content-Type", "application/json")], b"1234"),
            id="base64 under json",
        ),
        pytest.param(
            {"headers": {"content-type": []}, "body": "t"}, Response(200, [], b"t"), id="no type"
        ),
        pytest.param(
            {"error": {"statusCode": 404, "body": "no"}}, Response(404, [], b"no"), id="error"
        ),
    ],
)
def test_result_is_read_as_the_controller_does(result: Any, response: Response) -> None:
    received = openwhisk.decode_result(result)
    assert (received.status, [*received.headers], received.body) == (
        response.status,
        [*response.headers],
        response.body,
    )


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param([], id="list"),
        pytest.param({"statusCode": "ok"}, id="status no number"),
        pytest.param({"statusCode": True}, id="status boolean"),
        pytest.param({"statusCode": 600}, id="status too high"),
        pytest.param({"headers": ["a"], "body": "b"}, id="headers no object"),
        pytest.param({"headers": {"a": {"b": "c"}}, "body": "d"}, id="header no text"),
        pytest.param({"headers": {"content-type": {}}, "body": "d"}, id="type no text"),
        pytest.param({"error": "it broke"}, id="error no object"),
        pytest.param({"body": {"a": b""}}, id="no JSON"),
    ],
)
def test_malformed_result_is_the_documented_400(result: object) -> None:
    response = openwhisk.decode_result(result)
    assert response.status == load_case("openwhisk/error_bad_shape")["http"]["status"]
    assert json.loads(response.body) == {"error": "Response is not valid 'message/http'."}


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"headers": {"content-type": "image/png"}, "body": "<>"}, id="no base64"),
        pytest.param({"headers": {"content-type": "text/html"}, "body": {}}, id="json as html"),
    ],
)
def test_body_of_another_type_than_announced_is_a_400(result: object) -> None:
    response = openwhisk.decode_result(result)
    assert response.status == 400
    message = "Response type in header did not match generated content type."
    assert json.loads(response.body) == {"error": message}


def test_result_is_measured_as_the_runtime_writes_it() -> None:
    # {"statusCode": 200, "headers": {}, "body": "é"}, é as two octets.
    assert openwhisk.result_bytes({"statusCode": 200, "headers": {}, "body": "é"}) == 48


@pytest.mark.parametrize(
    ("size", "status"),
    [pytest.param(1_048_000, 200, id="fits"), pytest.param(1_049_000, 500, id="1 MB")],
)
def test_result_over_the_limit_is_refused(size: int, status: int) -> None:
    app = flask.Flask("shop")
    app.add_url_rule("/<path:rest>", view_func=lambda rest: "x" * size)
    assert wrap(app)(load_case(GET)["event"])["statusCode"] == status


def test_application_finds_the_event() -> None:
    environ: dict[str, Any] = {}
    event = {"__ow_method": "get"}
    openwhisk.annotate(environ, event, None)
    assert environ == {
        "serverless.event": event,
        "serverless.context": None,
        "serverless.authorizer": None,
    }


def test_flask_application_is_served() -> None:
    app = flask.Flask("shop")

    @app.post("/orders/<path:name>")
    def order(name: str) -> flask.Response:
        got = flask.request
        response = flask.jsonify(name=name, args=got.args.getlist("a"), sent=got.get_json())
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    @app.get("/picture")
    def picture() -> flask.Response:
        return flask.Response(bytes(range(256)), mimetype="image/png")

    handler = wrap(app)
    event = {
        "__ow_method": "post",
        "__ow_query": "a=1&a=%E4%BD%A0",
        "__ow_body": b64encode(b'{"n": 1}').decode(),
        "__ow_headers": {"host": "controllers", "content-type": "application/json"},
        "__ow_path": "/orders/x%2Fy",
    }
    result = handler(event)
    assert result["statusCode"] == 200
    assert json.loads(result["body"]) == {"name": "x/y", "args": ["1", "你"], "sent": {"n": 1}}
    assert result["headers"]["Set-Cookie"] == ["a=1; Path=/", "b=2; Path=/"]
    result = handler(event | {"__ow_method": "get", "__ow_path": "/picture", "__ow_body": ""})
    assert b64decode(result["body"]) == bytes(range(256))
