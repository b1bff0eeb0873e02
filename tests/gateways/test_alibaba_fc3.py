"""Alibaba Function Compute 3.0, HTTP triggers."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl, unquote

import flask
import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from slsadapt import BadEventError, Request, Response, gateways, wrap
from slsadapt.gateways import alibaba_fc3
from tests.conftest import load_case
from tests.gateways.corpus import cases, changed, claims, values

GET = "alibaba_fc3/get_query_doc"
POST = "alibaba_fc3/post_json_doc"
BINARY = "alibaba_fc3/post_binary"


def decoded(changes: dict[str, Any], case: str = GET) -> Request:
    return alibaba_fc3.decode_event(changed(case, changes))


@pytest.mark.parametrize(
    "case", [case for case in cases("alibaba_fc3") if "expect" in load_case(case)]
)
def test_recorded_event_is_the_clients_request(case: str) -> None:
    recorded = load_case(case)
    event, expect = recorded["event"], recorded["expect"]
    request = alibaba_fc3.decode_event(event)
    assert request.method == expect["method"]
    assert unquote(request.path) == expect["path"]
    assert request.path == expect.get("raw_path", expect["path"])
    assert parse_qsl(request.query) == [tuple(pair) for pair in expect["query"]]
    octets = b64decode(expect.get("body_base64", ""))
    assert request.body == (octets or expect.get("body", "").encode())
    if "client" in expect:
        assert request.client == (expect["client"], 0)
    assert request.server == (event["requestContext"]["domainName"], 443)
    assert request.request_id == event["requestContext"]["requestId"]
    assert (request.scheme, request.root_path, request.stage, request.user) == (
        "https",
        "",
        "",
        None,
    )


def test_captured_event_of_a_signed_call() -> None:
    request = decoded({}, "alibaba_fc3/invoke_api_event")
    name = "fc3-event-test-http-trigger-Darwin-x86_64"
    assert request.method == "POST"
    assert request.path == f"/2023-03-30/functions/{name}/invocations"
    # The flag counts, and not the type, which is application/octet-stream.
    assert (request.body, request.query, request.request_id) == (b"haha", "", "")
    assert request.client == ("112.10.236.5", 0)
    assert request.server == ("143**********149.cn-huhehaote.fc.aliyuncs.com", 443)
    assert values(request, "x-acs-action") == ["InvokeFunction"]
    assert values(request, "content-length") == ["4"]


@pytest.mark.parametrize("case", cases("alibaba_fc3"))
def test_event_is_claimed_by_this_dialect_alone(case: str) -> None:
    event = load_case(case)["event"]
    assert claims(event) == ["alibaba_fc3"]
    assert gateways.detect(event).TITLE == alibaba_fc3.TITLE


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"version": "2.0"}, id="AWS"),
        pytest.param({"version": ...}, id="no version"),
        pytest.param({"version": ["v1"]}, id="version no text"),
        pytest.param({"requestContext": ...}, id="no context"),
        pytest.param({"requestContext": "http"}, id="context no object"),
        pytest.param({"requestContext.http": ...}, id="no http"),
    ],
)
def test_what_only_looks_alike_is_not_claimed(changes: dict[str, Any]) -> None:
    assert not alibaba_fc3.matches(changed(GET, changes))


@pytest.mark.parametrize(
    "thing", [None, 5, "version", [], pytest.param(object(), id="object")], ids=repr
)
def test_what_is_no_object_is_not_claimed(thing: object) -> None:
    assert not alibaba_fc3.matches(thing)


def test_timer_is_not_claimed() -> None:
    assert not alibaba_fc3.matches(load_case("alibaba_timer/timer_doc")["event"])


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("/a%2Fb%3F%2525", "/a%2Fb%3F%2525", id="escapes stay"),
        pytest.param("/%FF+b//", "/%FF+b//", id="octets, plus and slashes"),
        pytest.param("/é", "/%C3%A9", id="stray letter"),
        pytest.param("", "/", id="empty"),
        pytest.param("a", "/a", id="no slash"),
    ],
)
def test_raw_path_counts_and_not_its_decoded_copy(raw: str, path: str) -> None:
    changes = {"rawPath": raw, "requestContext.http.path": "/elsewhere"}
    assert decoded(changes).path == path


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param({"q": "a b&c=d+e%"}, "q=a%20b%26c%3Dd%2Be%25", id="decoded"),
        pytest.param({"k": "1,2"}, "k=1,2", id="comma or repeat"),
        pytest.param({"": "x", "flag": ""}, "=x&flag=", id="empty key and value"),
        pytest.param({"你": "é"}, "%E4%BD%A0=%C3%A9", id="letters"),
        pytest.param({}, "", id="none"),
        pytest.param(None, "", id="null"),
        pytest.param(..., "", id="absent"),
    ],
)
def test_query_is_encoded_again(fields: Any, query: str) -> None:
    assert decoded({"queryParameters": fields}).query == query


@pytest.mark.parametrize(
    ("body", "flag", "octets"),
    [
        pytest.param("", True, b"", id="flag beside nothing"),
        pytest.param(None, True, b"", id="flag beside null"),
        pytest.param(..., ..., b"", id="neither"),
        pytest.param("/wA=", True, b"\xff\x00", id="octets"),
        pytest.param("YT0x", True, b"a=1", id="form"),
        pytest.param("YT0x", False, b"YT0x", id="text that looks like base64"),
        pytest.param("YT0x", "true", b"a=1", id="flag as text"),
        pytest.param("YT0x", "false", b"YT0x", id="no flag as text"),
        pytest.param("λ", False, b"\xce\xbb", id="text"),
    ],
)
def test_body_is_what_the_flag_says(body: Any, flag: Any, octets: bytes) -> None:
    request = decoded({"body": body, "isBase64Encoded": flag})
    assert request.body == octets
    assert values(request, "content-length") == ([str(len(octets))] if octets else [])


def test_length_of_the_base64_is_set_right() -> None:
    assert values(decoded({"headers.Content-Length": "8"}, BINARY), "content-length") == ["4"]


def test_client_is_not_whom_the_client_names() -> None:
    forged = {"headers.X-Forwarded-For": "10.0.0.1", "headers.X-Real-Ip": "10.0.0.1"}
    assert decoded(forged).client == ("40.0.0.1", 0)
    assert decoded(forged | {"requestContext.http.sourceIp": ""}).client is None


@pytest.mark.parametrize(
    ("changes", "scheme", "server"),
    [
        pytest.param({}, "https", ("example.cn-hangzhou.fcapp.run", 443), id="trigger's domain"),
        pytest.param({"headers.Host": "a.example"}, "https", ("a.example", 443), id="host"),
        pytest.param({"headers.Host": "[::1]:8443"}, "https", ("::1", 8443), id="ipv6 host, port"),
        pytest.param(
            {"headers.Host": "a.example", "headers.X-Forwarded-Proto": "http"},
            "http",
            ("a.example", 80),
            id="http",
        ),
        pytest.param({"requestContext.domainName": ...}, "https", ("localhost", 443), id="untold"),
    ],
)
def test_scheme_and_server(changes: dict[str, Any], scheme: str, server: tuple[str, int]) -> None:
    request = decoded(changes)
    assert (request.scheme, request.server) == (scheme, server)


def test_credentials_of_the_role_do_not_reach_the_application() -> None:
    names = ["X-Fc-Access-Key-Id", "x-fc-access-key-secret", "X-Fc-Security-Token"]
    request = decoded({f"headers.{name}": "hunter2" for name in names})
    assert "hunter2" not in repr(request)
    assert values(decoded({"headers.X-Fc-Log-Type": "Tail"}), "x-fc-log-type") == ["Tail"]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("requestContext", 5),
        ("requestContext", ...),
        ("requestContext.http", "GET"),
        ("requestContext.http", ...),
        ("requestContext.http.method", None),
        ("requestContext.http.method", 5),
        ("requestContext.http.sourceIp", 5),
        ("requestContext.requestId", 5),
        ("requestContext.domainName", 5),
        ("requestContext.domainName", {"a": 1}),
        ("rawPath", ...),
        ("rawPath", ["/"]),
        ("queryParameters", "a=1"),
        ("queryParameters.parameter1", None),
        ("queryParameters.parameter1", {}),
        ("headers", ["Accept"]),
        ("headers.Accept", None),
        ("headers.Accept", ["*/*"]),
        ("body", 5),
        ("body", {"a": 1}),
        ("isBase64Encoded", 2),
    ],
)
def test_wrong_field_is_named(field: str, wrong: Any) -> None:
    with pytest.raises(BadEventError, match=f"'{field}' must be "):
        decoded({"body": "AA==", field: wrong})


def test_numbers_that_add_up_are_no_texts() -> None:
    context = ("requestId", "domainName", "http.sourceIp")
    with pytest.raises(BadEventError, match="'requestContext.http.sourceIp' must be str, got int"):
        decoded({f"requestContext.{name}": 5 for name in context})


@pytest.mark.parametrize("body", ["AAE", "!", "AA==AA==", "é"])
def test_wrong_base64_is_refused(body: str) -> None:
    with pytest.raises(BadEventError, match="'body' must be base64"):
        decoded({"body": body})


def test_wrong_port_is_refused() -> None:
    with pytest.raises(BadEventError, match="'headers.host' must end in a port"):
        decoded({"headers.Host": "a:b"})


@pytest.mark.parametrize("event", [[], None, "text"], ids=repr)
def test_event_that_is_no_object_is_refused(event: Any) -> None:
    with pytest.raises(BadEventError, match="the event must be a JSON object"):
        alibaba_fc3.decode_event(event)


def test_recorded_result_is_read_and_written() -> None:
    result = load_case("alibaba_fc3/response_text")["response"]
    headers = [("Content-Type", "application/json"), ("Custom-Header-1", "Custom Value")]
    response = Response(200, headers, b'{"message":"Hello FC!"}')
    assert alibaba_fc3.decode_result(result) == response
    assert alibaba_fc3.encode_result(response, {}) == result


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"statusCode": "ok"}, id="status no number"),
        pytest.param({"statusCode": 99}, id="status too low"),
        pytest.param({"statusCode": 600}, id="status too high"),
        pytest.param({"statusCode": 200, "headers": "a"}, id="headers no object"),
        pytest.param({"statusCode": 200, "headers": {"A": ["1", "2"]}}, id="header list"),
    ],
)
def test_malformed_result_is_the_documented_502(result: object) -> None:
    http = load_case("alibaba_fc3/error_function")["http"]
    response = alibaba_fc3.decode_result(result)
    assert response.status == http["status"]
    assert [*response.headers] == [("Content-Type", http["headers"]["Content-Type"])]
    assert response.body == http["body"].encode()


def test_result_joins_what_repeats_and_spells_each_cookie_anew() -> None:
    headers = [
        ("Content-Type", "image/png"),
        ("Link", "</1>"),
        ("Set-Cookie", "a=1"),
        ("Link", "</2>"),
        ("Set-Cookie", "b=2"),
        ("Set-Cookie", "c=3"),
    ]
    result = alibaba_fc3.encode_result(Response(200, headers, b"\x89PNG"), {})
    assert result == {
        "statusCode": 200,
        "headers": {
            "Content-Type": "image/png",
            "Link": "</1>, </2>",
            "set-cookie": "a=1",
            "Set-cookie": "b=2",
            "sEt-cookie": "c=3",
        },
        "body": "iVBORw==",
        "isBase64Encoded": True,
    }
    read = [pair for pair in alibaba_fc3.decode_result(result).headers if "ookie" in pair[0]]
    assert [value for _, value in read] == ["a=1", "b=2", "c=3"]


def test_result_bytes_are_those_of_the_json() -> None:
    result = alibaba_fc3.encode_result(Response(200, [], b"hello"), {})
    assert alibaba_fc3.result_bytes(result) == len(json.dumps(result))


def test_headers_that_the_platform_keeps_to_itself_are_ignored() -> None:
    kept = {"Content-Type": "text/html", "X-Tag": "1", "X-Fcx": "2"}
    ignored = (
        "Connection",
        "content-length",
        "Date",
        "Keep-Alive",
        "SERVER",
        "Content-Disposition",
        "X-Fc-Request-Id",
        "x-fc-status",
    )
    result = {"statusCode": 200, "headers": kept | dict.fromkeys(ignored, "x"), "body": ""}
    assert dict(alibaba_fc3.decode_result(result).headers) == kept


@pytest.mark.parametrize(
    ("result", "status", "body"),
    [
        pytest.param("Hello World!", 200, b"Hello World!", id="text"),
        pytest.param(b"\xff", 200, b"\xff", id="octets"),
        pytest.param({"message": "a"}, 200, b'{"message": "a"}', id="object"),
        pytest.param('{"message":"a"}', 200, b'{"message":"a"}', id="its JSON"),
        pytest.param("5", 200, b"5", id="number's JSON"),
        pytest.param(None, 200, b"null", id="null"),
        pytest.param(
            {"statusCode": 201, "body": {"a": "é"}}, 201, '{"a": "é"}'.encode(), id="body"
        ),
        pytest.param('{"statusCode": 201, "body": "a"}', 201, b"a", id="result as JSON"),
        pytest.param(b'{"statusCode": 201, "body": "a"}', 201, b"a", id="result as octets"),
        pytest.param({"statusCode": "404"}, 404, b"", id="status as text"),
    ],
)
def test_type_is_json_where_the_result_has_none(result: Any, status: int, body: bytes) -> None:
    headers = [("Content-Type", "application/json")]
    assert alibaba_fc3.decode_result(result) == Response(status, headers, body)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        pytest.param("/wA=", b"\xff\x00", id="base64"),
        pytest.param("no base64!", b"no base64!", id="none, which goes out as it is"),
        pytest.param("é", "é".encode(), id="no ASCII"),
        pytest.param(None, b"", id="null"),
    ],
)
def test_body_of_a_result_is_decoded_where_it_can(text: Any, body: bytes) -> None:
    result = {"statusCode": 200, "body": text, "isBase64Encoded": True}
    assert alibaba_fc3.decode_result(result).body == body


@pytest.mark.parametrize(
    ("content_type", "body", "text", "flag"),
    [
        pytest.param("text/plain; charset=gbk", b"a", "a", False, id="text"),
        pytest.param("Application/JSON", b"{}", "{}", False, id="JSON"),
        pytest.param("application/atom+xml", b"<a/>", "<a/>", False, id="Atom"),
        pytest.param("text/plain", b"\xff", "\ufffd", False, id="text that is none"),
        pytest.param("application/problem+json", b"{}", "e30=", True, id="another JSON"),
        pytest.param("image/svg+xml", b"<a/>", "PGEvPg==", True, id="another XML"),
        pytest.param("application/x-www-form-urlencoded", b"a=1", "YT0x", True, id="form"),
        pytest.param("", b"a=1", "YT0x", True, id="no type"),
        pytest.param("", b"", "", True, id="nothing"),
    ],
)
def test_type_decides_how_a_body_is_written(
    content_type: str, body: bytes, text: str, flag: bool
) -> None:
    headers = [("content-type", content_type)] if content_type else []
    event = alibaba_fc3.encode_event(Request("POST", "/", "", headers, body))
    assert (event["body"], event["isBase64Encoded"]) == (text, flag)


def test_event_is_written_as_the_trigger_does() -> None:
    request = Request(
        "PUT",
        "/a%2Fb%C3%A9",
        "k=1&z&k=2&b=%2C+",
        [("x-tag", "1"), ("x-tag", "2"), ("user-agent", "t"), ("x-a.b-3c", "")],
        b"\xff",
        client=("203.0.113.7", 4711),
        server=("shop-abc.cn-hangzhou.fcapp.run", 443),
        request_id="1-64f6cd87",
    )
    event = alibaba_fc3.encode_event(request)
    documented = load_case("alibaba_fc3/struct_doc")["event"]
    assert event.keys() == documented.keys()
    context = event["requestContext"]
    assert context.keys() == documented["requestContext"].keys()
    assert context["requestId"] == "1-64f6cd87"
    assert context["domainName"] == "shop-abc.cn-hangzhou.fcapp.run"
    assert context["domainPrefix"] == "shop-abc"
    assert context["http"] == {
        "method": "PUT",
        "path": "/a/bé",
        "protocol": "HTTP/1.1",
        "sourceIp": "203.0.113.7",
        "userAgent": "t",
    }
    assert (event["version"], event["rawPath"]) == ("v1", "/a%2Fb%C3%A9")
    assert [*event["queryParameters"].items()] == [("b", ", "), ("k", "1,2"), ("z", "")]
    assert event["headers"] == {
        "Host": "shop-abc.cn-hangzhou.fcapp.run",
        "X-Tag": "1,2",
        "User-Agent": "t",
        "X-A.b-3c": "",
        "X-Forwarded-Proto": "https",
    }


@pytest.mark.parametrize("gateway", ["auto", "alibaba_fc3"])
@pytest.mark.parametrize("kind", [bytes, bytearray, str, dict])
def test_flask_is_served_of_an_event_of_any_kind(kind: type, gateway: str) -> None:
    app = flask.Flask(__name__)

    @app.post("/upload/<name>")
    def answer(name: str) -> flask.Response:
        sent = flask.request
        assert sent.environ["serverless.event"] == event
        assert sent.environ["serverless.context"] == "context"
        assert sent.environ["serverless.authorizer"] is None
        response = flask.Response(sent.data[::-1], 201, content_type="application/octet-stream")
        response.headers["X-Seen"] = f"{name} {sent.args.getlist('a')} {sent.remote_addr}"
        response.headers["Location"] = flask.url_for("answer", name="x", _external=True)
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    event = changed(BINARY, {"rawPath": "/upload/caf%C3%A9%20b", "queryParameters": {"a": "x y,z"}})
    text = json.dumps(event)
    sent: Any = event if kind is dict else text if kind is str else kind(text.encode())
    handler = wrap(app, gateway=gateway)
    for _ in range(2):
        result = handler(sent, "context")
        assert (result["statusCode"], result["body"]) == (201, "Af7/AA==")
        assert result["isBase64Encoded"] is True
        assert result["headers"]["X-Seen"] == "café b ['x y,z'] 40.0.0.1"
        location = "https://example.cn-hangzhou.fcapp.run/upload/x"
        assert result["headers"]["Location"] == location
        assert result["headers"]["set-cookie"] == "a=1; Path=/"
        assert result["headers"]["Set-cookie"] == "b=2; Path=/"
    assert alibaba_fc3.decode_result(json.loads(json.dumps(result))).body == b"\x01\xfe\xff\x00"


def test_starlette_is_served_of_octets() -> None:
    async def message(request: StarletteRequest) -> PlainTextResponse:
        sent = await request.json()
        assert request.client
        return PlainTextResponse(f"{sent['message']} {request.client.host} {request.url}")

    app = Starlette(routes=[Route("/", message, methods=["POST"])])
    handler = wrap(app)
    result = handler(json.dumps(load_case(POST)["event"]).encode())
    assert result["body"] == "Hello 40.0.0.1 https://example.cn-hangzhou.fcapp.run/"
    assert handler(json.dumps(changed(POST, {"rawPath": 5})).encode())["statusCode"] == 400
    handler.pre_stop()


@pytest.mark.parametrize("event", [b"", b"{", b"\xff", b"[]", b'"v1"'], ids=repr)
def test_octets_that_are_no_object_are_refused(event: bytes) -> None:
    with pytest.raises(BadEventError, match="the event must be"):
        wrap(flask.Flask(__name__), gateway="alibaba_fc3")(event)
