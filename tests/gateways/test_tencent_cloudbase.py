"""Tencent CloudBase, HTTP access to cloud functions."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import flask
import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from slsadapt import BadEventError, Request, Response, gateways, wrap
from slsadapt.gateways import tencent_cloudbase
from slsadapt.testing.losses import grouped
from tests.conftest import load_case
from tests.gateways.corpus import cases, changed, claims, values

LIVE = "tencent_cloudbase/get_repeated_query"
# The documented event has no lists of headers.
DOCUMENTED = {
    "path": "/",
    "httpMethod": "GET",
    "headers": {
        "host": "env-id.service.tcloudbase.com",
        "connection": "close",
        "accept-encoding": "gzip, deflate, br",
    },
    "requestContext": {
        "requestId": "cdbb96328072184d19d3fcd243e8cc4d",
        "envId": "env-id",
        "appId": 123456789,
        "uin": 123456789,
    },
    "isBase64Encoded": False,
    "body": "",
}


def decoded(changes: dict[str, Any]) -> Request:
    return tencent_cloudbase.decode_event(changed(LIVE, changes))


@pytest.mark.parametrize("case", cases("tencent_cloudbase"))
def test_recorded_event_is_the_clients_request(case: str) -> None:
    recorded = load_case(case)
    event, expect = recorded["event"], recorded["expect"]
    request = tencent_cloudbase.decode_event(event)
    assert (request.method, request.path) == (expect["method"], expect["path"])
    assert parse_qsl(request.query) == [tuple(pair) for pair in expect["query"]]
    assert request.body == expect["body"].encode()
    assert (request.scheme, request.server) == (expect["scheme"], ("cloud.example.cn", 443))
    assert request.request_id == event["requestContext"]["requestId"]
    assert (request.root_path, request.stage, request.user) == ("", "", None)
    assert dict(request.headers) == event["headers"]
    # The file counts the first address of X-Forwarded-For, which any client may write.
    assert request.client == ("198.51.100.43", 0)


def test_documented_event_is_the_clients_request() -> None:
    assert tencent_cloudbase.decode_event(DOCUMENTED) == Request(
        "GET",
        "/",
        headers=[
            ("host", "env-id.service.tcloudbase.com"),
            ("connection", "close"),
            ("accept-encoding", "gzip, deflate, br"),
        ],
        server=("env-id.service.tcloudbase.com", 443),
        request_id="cdbb96328072184d19d3fcd243e8cc4d",
    )


@pytest.mark.parametrize(
    "event",
    [pytest.param(load_case(case)["event"], id=case) for case in cases("tencent_cloudbase")]
    + [pytest.param(DOCUMENTED, id="documented")],
)
def test_event_is_claimed_by_this_dialect_alone(event: Any) -> None:
    assert claims(event) == ["tencent_cloudbase"]
    assert gateways.detect(event).TITLE == tencent_cloudbase.TITLE


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"httpMethod": ...}, id="no method"),
        pytest.param({"requestContext.envId": ...}, id="no environment"),
        pytest.param({"requestContext": ...}, id="no context"),
        pytest.param({"requestContext": None}, id="context null"),
        pytest.param({"requestContext": "envId"}, id="context no object"),
    ],
)
def test_what_only_looks_alike_is_not_claimed(changes: dict[str, Any]) -> None:
    assert not tencent_cloudbase.matches(changed(LIVE, changes))


@pytest.mark.parametrize("thing", [None, 5, "httpMethod", ["httpMethod"]], ids=repr)
def test_what_is_no_object_is_not_claimed(thing: object) -> None:
    assert not tencent_cloudbase.matches(thing)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("/%E4%BD%A0/a%20b%2Fc", "/%E4%BD%A0/a%20b%2Fc", id="encoded"),
        pytest.param("/你/a b", "/%E4%BD%A0/a%20b", id="decoded"),
        pytest.param("", "/", id="empty"),
        pytest.param("a", "/a", id="no slash"),
    ],
)
def test_path_is_taken_as_encoded(raw: str, path: str) -> None:
    assert decoded({"path": raw}).path == path


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param({"a": ["1", "2"], "b": "3"}, "a=1&a=2&b=3", id="repeated key"),
        pytest.param({"q": "a b&c=d+e%"}, "q=a%20b%26c%3Dd%2Be%25", id="decoded"),
        pytest.param({"": "x", "flag": True}, "=x&flag", id="empty key and a key alone"),
        pytest.param({}, "", id="none"),
        pytest.param(None, "", id="null"),
        pytest.param(..., "", id="absent"),
    ],
)
def test_query_is_encoded_again(fields: Any, query: str) -> None:
    assert decoded({"queryStringParameters": fields}).query == query


def test_lists_of_headers_count_before_single_values() -> None:
    request = decoded({"multiValueHeaders.x-tag": ["1", "2"], "headers.x-tag": "2"})
    assert values(request, "x-tag") == ["1", "2"]
    request = decoded({"multiValueHeaders": {}, "headers.x-tag": "2"})
    assert values(request, "x-tag") == ["2"]
    assert values(request, "host") == ["cloud.example.cn"]


@pytest.mark.parametrize(
    ("body", "flag", "octets"),
    [
        pytest.param("/wA=", True, b"\xff\x00", id="octets"),
        pytest.param("/wA=", "true", b"\xff\x00", id="flag as text"),
        pytest.param("Nzg5", "false", b"Nzg5", id="no flag as text"),
        pytest.param("Nzg5", False, b"Nzg5", id="text that looks like base64"),
        pytest.param("", True, b"", id="flag beside nothing"),
        pytest.param(None, False, b"", id="null"),
        pytest.param(..., ..., b"", id="neither"),
    ],
)
def test_body_is_what_the_flag_says(body: Any, flag: Any, octets: bytes) -> None:
    request = decoded({"body": body, "isBase64Encoded": flag})
    assert request.body == octets
    # The client's three octets are told in the headers.
    assert values(request, "content-length") == [str(len(octets))]


def test_length_is_added() -> None:
    assert values(decoded({"multiValueHeaders.content-length": ...}), "content-length") == ["3"]


def test_client_is_the_last_hop() -> None:
    forged = {"multiValueHeaders.x-real-ip": ["10.0.0.1"]}
    assert decoded(forged).client == ("198.51.100.43", 0)
    assert decoded(forged | {"multiValueHeaders.x-forwarded-for": ...}).client is None


@pytest.mark.parametrize(
    ("proto", "host", "scheme", "server"),
    [
        pytest.param(["http"], ["a.example"], "http", ("a.example", 80), id="http"),
        pytest.param(["https"], ["a.example:8443"], "https", ("a.example", 8443), id="port"),
        pytest.param(..., ..., "https", ("localhost", 443), id="untold"),
    ],
)
def test_scheme_and_server(proto: Any, host: Any, scheme: str, server: tuple[str, int]) -> None:
    changes = {"multiValueHeaders.x-forwarded-proto": proto, "multiValueHeaders.host": host}
    request = decoded(changes)
    assert (request.scheme, request.server) == (scheme, server)


def test_credentials_of_the_role_do_not_reach_the_application() -> None:
    names = ["X-Scf-Secret-Id", "x-scf-secret-key", "X-Scf-Session-Token"]
    request = decoded({f"multiValueHeaders.{name}": ["hunter2"] for name in names})
    assert "hunter2" not in repr(request)
    assert values(decoded({"multiValueHeaders.X-Scf-Name": ["a"]}), "x-scf-name") == ["a"]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("requestContext", 5),
        ("requestContext", ...),
        ("requestContext.requestId", 5),
        ("httpMethod", None),
        ("httpMethod", 5),
        ("path", ...),
        ("path", ["/"]),
        ("queryStringParameters", "a=1"),
        ("queryStringParameters.content", None),
        ("queryStringParameters.content", {}),
        ("queryStringParameters.content", [{}]),
        ("headers", ["host"]),
        ("headers.host", None),
        ("multiValueHeaders", "text"),
        ("multiValueHeaders.accept", "*/*"),
        ("multiValueHeaders.accept", [None]),
        ("body", 5),
        ("body", "!"),
        ("isBase64Encoded", 2),
    ],
)
def test_wrong_field_is_named(field: str, wrong: Any) -> None:
    # The single values count only where there are no lists.
    changes: dict[str, Any] = {"multiValueHeaders": {}} if field.startswith("headers") else {}
    with pytest.raises(BadEventError, match=f"'{field}' must be "):
        decoded(changes | {field: wrong})


def test_wrong_port_is_refused() -> None:
    with pytest.raises(BadEventError, match="'headers.host' must end in a port"):
        decoded({"multiValueHeaders.host": ["a:b"]})


@pytest.mark.parametrize("event", [[], None, "text"], ids=repr)
def test_event_that_is_no_object_is_refused(event: Any) -> None:
    with pytest.raises(BadEventError, match="the event must be a JSON object"):
        tencent_cloudbase.decode_event(event)


def test_result_lists_what_repeats() -> None:
    headers = [("Content-Type", "image/png"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    response = Response(200, headers, b"\x89PNG")
    result = {
        "statusCode": 200,
        "headers": {"Content-Type": "image/png", "Set-Cookie": ["a=1", "b=2"]},
        "body": "iVBORw==",
        "isBase64Encoded": True,
    }
    assert tencent_cloudbase.encode_result(response, {}) == result
    assert tencent_cloudbase.decode_result(result) == response
    assert tencent_cloudbase.result_bytes(result) == len(json.dumps(result))


TEXT, JSON = "text/plain; charset=utf-8", "application/json"


@pytest.mark.parametrize(
    ("result", "content_type", "body"),
    [
        pytest.param("hello gateway", TEXT, b"hello gateway", id="text"),
        pytest.param(5, TEXT, b"5", id="number"),
        pytest.param({"foo": "bé"}, JSON, '{"foo": "bé"}'.encode(), id="object"),
        pytest.param([1], JSON, b"[1]", id="list"),
    ],
)
def test_value_without_a_status_is_the_body_of_a_200(
    result: Any, content_type: str, body: bytes
) -> None:
    response = tencent_cloudbase.decode_result(result)
    assert (response.status, response.body) == (200, body)
    assert [*response.headers] == [("content-type", content_type)]


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"statusCode": "ok"}, id="status no number"),
        pytest.param({"statusCode": 99}, id="status too low"),
        pytest.param({"statusCode": 200, "headers": "a"}, id="headers no object"),
        pytest.param({"statusCode": 200, "body": 5}, id="body no text"),
        pytest.param({"statusCode": 200, "body": "!", "isBase64Encoded": True}, id="no base64"),
    ],
)
def test_malformed_result_is_a_403_as_in_tencents_other_gateways(result: object) -> None:
    response = tencent_cloudbase.decode_result(result)
    assert response.status == 403
    assert json.loads(response.body)["errno"] == 403


def test_event_is_written_as_the_gateway_does() -> None:
    request = Request(
        "PUT",
        "/a%2Fb",
        "k=1&flag&k=b+c",
        [("x-tag", "1"), ("x-tag", "2")],
        b"\xff",
        client=("203.0.113.7", 4711),
        server=("env-id.service.tcloudbase.com", 443),
        request_id="22b83952",
    )
    event = tencent_cloudbase.encode_event(request)
    captured = load_case(LIVE)["event"]
    assert event.keys() == captured.keys()
    assert event["requestContext"].keys() == captured["requestContext"].keys()
    assert event["requestContext"]["requestId"] == "22b83952"
    assert (event["body"], event["isBase64Encoded"]) == ("/w==", True)
    assert event["queryStringParameters"] == {"k": ["1", "b c"], "flag": True}
    assert (event["httpMethod"], event["path"]) == ("PUT", "/a%2Fb")
    assert event["multiValueHeaders"] == {
        "host": ["env-id.service.tcloudbase.com"],
        "x-tag": ["1", "2"],
        "x-forwarded-for": ["203.0.113.7"],
        "x-forwarded-proto": ["https"],
    }
    assert event["headers"] == {
        "host": "env-id.service.tcloudbase.com",
        "x-tag": "2",
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-proto": "https",
    }


@pytest.mark.parametrize("gateway", ["auto", "tencent_cloudbase"])
def test_flask_is_served(gateway: str) -> None:
    app = flask.Flask(__name__)

    @app.get("/text")
    def answer() -> flask.Response:
        sent = flask.request
        assert sent.environ["serverless.event"] == event
        assert sent.environ["serverless.context"] == "context"
        assert sent.environ["serverless.authorizer"] is None
        response = flask.Response(sent.get_data() + b"\xff", mimetype="application/octet-stream")
        response.headers["X-Seen"] = f"{sent.args.getlist('content')} {sent.remote_addr}"
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    event = load_case(LIVE)["event"]
    result = wrap(app, gateway=gateway)(event, "context")
    assert (result["statusCode"], result["body"]) == (200, "Nzg5/w==")
    assert result["headers"]["X-Seen"] == "['78', '788'] 198.51.100.43"
    response = tencent_cloudbase.decode_result(json.loads(json.dumps(result)))
    assert response.body == b"789\xff"
    assert grouped([*response.headers])["Set-Cookie"] == ["a=1; Path=/", "b=2; Path=/"]


def test_starlette_is_served() -> None:
    async def answer(request: StarletteRequest) -> PlainTextResponse:
        assert request.client
        body = await request.body()
        return PlainTextResponse(f"{body.decode()} {request.client.host} {request.url}")

    handler = wrap(Starlette(routes=[Route("/text", answer)]))
    result = handler(load_case(LIVE)["event"])
    url = "https://cloud.example.cn/text?content=78&content=788"
    assert result["body"] == f"789 198.51.100.43 {url}"
    handler.pre_stop()
