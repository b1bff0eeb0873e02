"""DigitalOcean Functions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route

from slsadapt import BadEventError, Request, Response, gateways, wrap
from slsadapt.gateways import digitalocean
from tests.conftest import load_case
from tests.gateways.corpus import changed, values

GET = "digitalocean/raw_get"
JSON_POST = "digitalocean/raw_post_json"
OLD = "digitalocean/legacy_ow_post"

# As printed at https://docs.digitalocean.com/products/functions/reference/runtimes/python/.
PARSED: dict[str, Any] = {
    "http": {
        "headers": {
            "accept": "*/*",
            "accept-encoding": "gzip",
            "user-agent": "curl/7.85.0",
            "x-forwarded-for": "203.0.113.11",
            "x-forwarded-proto": "https",
            "x-request-id": "5df6f6b0d00b58217439c8376fcae23a",
        },
        "method": "POST",
        "path": "",
    },
    "shark": "hammerhead",
}
RAW: dict[str, Any] = {
    "http": {
        **PARSED["http"],
        "body": "shark=hammerhead",
        "isBase64Encoded": False,
        "queryString": "a=1&a=2",
    },
    "parameter": "of project.yml",
}


def decoded(changes: dict[str, Any], case: str = JSON_POST) -> Request:
    return digitalocean.decode_event(changed(case, changes))


def raw(**changes: Any) -> dict[str, Any]:
    return RAW | {"http": RAW["http"] | changes}


def test_raw_request_is_read() -> None:
    assert digitalocean.decode_event(RAW) == Request(
        "POST",
        "/",
        "a=1&a=2",
        [
            ("accept", "*/*"),
            ("user-agent", "curl/7.85.0"),
            ("x-forwarded-for", "203.0.113.11"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "5df6f6b0d00b58217439c8376fcae23a"),
            ("content-length", "16"),
        ],
        b"shark=hammerhead",
        "https",
        ("203.0.113.11", 0),
        ("localhost", 443),
        request_id="5df6f6b0d00b58217439c8376fcae23a",
    )


def test_request_in_the_old_shape_is_read() -> None:
    request = decoded({"__ow_query": "a=1"}, OLD)
    assert (request.method, request.path, request.query) == ("POST", "/users", "a=1")
    assert request.body == b'{"name":"test"}'
    assert (request.client, request.server) == (("203.0.113.44", 0), ("ccontroller", 443))


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(PARSED, id="as documented"),
        pytest.param(
            PARSED
            | {
                "__ow_headers": PARSED["http"]["headers"],
                "__ow_method": "post",
                "__ow_path": "",
            },
            id="with legacy keys",
        ),
    ],
)
def test_function_that_is_not_raw_is_told_which_switch_to_set(event: dict[str, Any]) -> None:
    assert gateways.detect(event) is gateways.load("digitalocean")
    with pytest.raises(BadEventError, match=r"'http.queryString' .*`web: raw` in project.yml"):
        digitalocean.decode_event(event)


def test_function_of_old_that_is_not_raw_is_told_which_switch_to_set() -> None:
    with pytest.raises(BadEventError, match="'__ow_query' .*`web: raw` in project.yml"):
        decoded({"__ow_query": ...}, OLD)


def test_shape_of_today_counts_where_both_are() -> None:
    old = load_case(OLD)["event"] | {"__ow_query": "old=1"}
    event = old | RAW
    assert gateways.detect(event) is gateways.load("digitalocean")
    assert digitalocean.decode_event(event).query == "a=1&a=2"


def test_parameter_called_http_is_no_request() -> None:
    event = load_case(OLD)["event"] | {"http": {"proxy": "on"}}
    assert gateways.detect(event) is gateways.load("digitalocean")
    assert digitalocean.decode_event(event).path == "/users"


@pytest.mark.parametrize(
    ("text", "flag", "body"),
    [
        pytest.param("AP8=", True, b"\x00\xff", id="base64"),
        pytest.param("AP8=", "true", b"\x00\xff", id="flag in text"),
        pytest.param("AP8=", False, b"AP8=", id="text"),
        pytest.param("AP8=", "false", b"AP8=", id="flag in text, false"),
        pytest.param("AP8=", "", b"AP8=", id="empty flag"),
        pytest.param("AP8=", ..., b"AP8=", id="no flag"),
        pytest.param('{"a":1}', True, b'{"a":1}', id="text beside a true flag"),
        pytest.param("é", False, b"\xc3\xa9", id="beyond ASCII"),
        pytest.param(None, True, b"", id="null"),
        pytest.param(..., ..., b"", id="none"),
    ],
)
@pytest.mark.parametrize(("case", "names"), [(JSON_POST, "http.{}"), (OLD, "__ow_{}")])
def test_flag_tells_whether_a_body_is_base64(
    case: str, names: str, text: Any, flag: Any, body: bytes
) -> None:
    # Without its flag the old shape is OpenWhisk's.
    flag = None if flag is ... and case == OLD else flag
    changes = {names.format("body"): text, names.format("isBase64Encoded"): flag}
    assert decoded(changes, case).body == body


@pytest.mark.parametrize("method", ["GET", "get"])
def test_method_is_upper_case(method: str) -> None:
    assert decoded({"http.method": method}).method == "GET"


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        pytest.param("203.0.113.11", ("203.0.113.11", 0), id="as documented"),
        pytest.param("6.6.6.6, 203.0.113.11", ("203.0.113.11", 0), id="spoofed"),
        pytest.param("6.6.6.6,2001:db8::7", ("2001:db8::7", 0), id="ipv6"),
        pytest.param(..., None, id="none"),
        pytest.param("", None, id="empty"),
        pytest.param("203.0.113.11, ", None, id="empty last"),
    ],
)
def test_client_is_the_last_hop(hops: Any, client: Any) -> None:
    assert decoded({"http.headers.x-forwarded-for": hops}).client == client


@pytest.mark.parametrize(
    ("proto", "server"), [("http", ("ccontroller", 80)), ("https", ("ccontroller", 443))]
)
def test_scheme_is_the_gateways(proto: str, server: tuple[str, int]) -> None:
    headers = {"x-forwarded-proto": proto, "host": "ccontroller"}
    request = decoded({"http.headers": headers})
    assert (request.scheme, request.server) == (proto, server)


def test_password_of_the_function_does_not_reach_the_application() -> None:
    request = decoded({"http.headers.x-require-whisk-auth": "hunter2"})
    assert "hunter2" not in repr(request)


def test_application_is_not_invited_to_compress() -> None:
    assert values(decoded({"http.headers.accept-encoding": "gzip"}), "accept-encoding") == []


@pytest.mark.parametrize(
    ("case", "changes", "field"),
    [
        (JSON_POST, {"http": None}, "'http' must be dict, got NoneType"),
        (JSON_POST, {"http.method": 5}, "'http.method' must be str, got int"),
        (JSON_POST, {"http.path": ...}, "'http.path' must be str, got NoneType"),
        (JSON_POST, {"http.queryString": {}}, "'http.queryString' must be str, got dict"),
        (JSON_POST, {"http.headers": []}, "'http.headers' must be dict, got list"),
        (JSON_POST, {"http.headers.accept": None}, "'http.headers.accept' must be str"),
        (JSON_POST, {"http.body": 5}, "'http.body' must be str, got int"),
        (JSON_POST, {"http.isBase64Encoded": 1}, "'http.isBase64Encoded' must be bool or str"),
        (OLD, {"__ow_method": 5}, "'__ow_method' must be str, got int"),
        (OLD, {"__ow_path": None}, "'__ow_path' must be str, got NoneType"),
        (OLD, {"__ow_query": 5}, "'__ow_query' must be str, got int"),
        (OLD, {"__ow_headers": "none"}, "'__ow_headers' must be dict, got str"),
        (OLD, {"__ow_headers.accept": []}, "'__ow_headers.accept' must be str, got list"),
        (OLD, {"__ow_body": []}, "'__ow_body' must be str, got list"),
        (OLD, {"__ow_isBase64Encoded": {}}, "'__ow_isBase64Encoded' must be bool or str"),
    ],
)
def test_wrong_field_is_named(case: str, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadEventError, match=field):
        decoded(changes, case)


@pytest.mark.parametrize("event", [{}, {"http": 5}, {"http": {}}, {"__ow_method": "get"}])
def test_other_events_are_not_claimed(event: dict[str, Any]) -> None:
    assert not digitalocean.matches(event)


def test_event_is_written_as_documented() -> None:
    request = Request(
        "PUT",
        "/up",
        "a=1&a=2",
        [("content-type", "image/png"), ("x-tag", "1"), ("x-tag", "2")],
        b"\x00\xff",
        "http",
        ("203.0.113.11", 54321),
        ("api.example.com", 80),
        request_id="5df6f6b0",
    )
    assert digitalocean.encode_event(request) == {
        "http": {
            "body": "AP8=",
            "headers": {
                "content-type": "image/png",
                "x-tag": "1,2",
                "host": "api.example.com",
                "x-forwarded-proto": "http",
                "x-forwarded-for": "203.0.113.11",
                "x-request-id": "5df6f6b0",
            },
            "isBase64Encoded": True,
            "method": "PUT",
            "path": "/up",
            "queryString": "a=1&a=2",
        }
    }


def test_json_is_text_unlike_openwhisks() -> None:
    request = Request("POST", "/", headers=[("content-type", "application/json")], body=b"{}")
    web = digitalocean.encode_event(request)["http"]
    assert (web["body"], web["isBase64Encoded"]) == ("{}", False)


def test_documented_image_is_read_and_written() -> None:
    # https://docs.digitalocean.com/products/functions/reference/runtimes/python/#return-an-image
    result = {
        "headers": {"Content-Type": "image/gif"},
        "statusCode": 200,
        "body": "R0lGODlhAQABAAD/ACwAAAAAAQABAAACADs=",
    }
    response = digitalocean.decode_result(result)
    assert response.body.startswith(b"GIF89a")
    assert len(response.body) == 26
    assert digitalocean.encode_result(response, {}) == result


def test_documented_redirect_is_read() -> None:
    response = digitalocean.decode_result(
        {"headers": {"location": "https://example.com"}, "statusCode": 302}
    )
    assert response == Response(302, [("location", "https://example.com")])


def test_application_finds_the_event() -> None:
    environ: dict[str, Any] = {}
    digitalocean.annotate(environ, RAW, "context")
    assert environ == {
        "serverless.event": RAW,
        "serverless.context": "context",
        "serverless.authorizer": None,
    }


def test_starlette_application_that_compresses_is_served() -> None:
    async def echo(request: StarletteRequest) -> StarletteResponse:
        body = await request.body()
        return JSONResponse(
            {
                "path": request.url.path,
                "query": request.query_params.multi_items(),
                "body": body.decode(),
                "client": request.client.host if request.client else None,
            }
        )

    async def page(request: StarletteRequest) -> StarletteResponse:
        return PlainTextResponse("a long page " * 100)

    handler = wrap(
        Starlette(
            routes=[Route("/echo", echo, methods=["POST"]), Route("/page", page)],
            middleware=[Middleware(GZipMiddleware, minimum_size=100)],
        )
    )
    try:
        result = handler(raw(path="/echo"))
        assert result["statusCode"] == 200
        assert json.loads(result["body"]) == {
            "path": "/echo",
            "query": [["a", "1"], ["a", "2"]],
            "body": "shark=hammerhead",
            "client": "203.0.113.11",
        }
        result = handler(raw(path="/page", method="GET", body=""))
        assert result["body"] == "a long page " * 100
        assert "content-encoding" not in result["headers"]
    finally:
        handler.pre_stop()
