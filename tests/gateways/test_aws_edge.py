"""Lambda@Edge: viewer and origin requests, bodies, and what CloudFront does not take."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from flask import Flask, request
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from slsadapt import ApplicationError, BadEventError, Request, Response, ResultTooLargeError, wrap
from slsadapt.gateways import aws_edge
from tests.conftest import load_case
from tests.gateways.corpus import values

BODY = "aws_edge/rule_body"
ORIGIN = "aws_edge/doc_origin_request"
TRUNCATED = "aws_edge/rule_body_truncated"
VIEWER = "aws_edge/doc_viewer_request"

REQUEST = "Records.0.cf.request"


def changed(case: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Read an event with fields set, named by dotted paths below ``cf``; ``...`` takes one out."""
    event: dict[str, Any] = load_case(case)["event"]
    for path, value in changes.items():
        *parents, name = path.split(".")
        holder = event["Records"][0]["cf"]
        for parent in parents:
            holder = holder[parent]
        if value is ...:
            del holder[name]
        else:
            holder[name] = value
    return event


def decoded(case: str, changes: dict[str, Any]) -> Request:
    return aws_edge.decode_event(changed(case, changes))


def header(name: str, *texts: str) -> dict[str, Any]:
    """Set a request header."""
    lines = [{"key": name.title(), "value": text} for text in texts]
    return {f"request.headers.{name}": lines}


@pytest.mark.parametrize("event_type", ["viewer-request", "origin-request"])
def test_request_events_are_claimed(event_type: str) -> None:
    assert aws_edge.matches(changed(VIEWER, {"config.eventType": event_type}))


@pytest.mark.parametrize(
    "event",
    [
        load_case("aws_other/doc_cf_viewer_response")["event"],
        load_case("aws_other/doc_cf_origin_response")["event"],
        load_case("aws_other/go_sqs")["event"],
        {"Records": []},
        {"Records": [None]},
        {"Records": [{"cf": None}]},
        {"Records": [{"cf": {"response": {}}}]},
        {"Records": {"0": {"cf": {"request": {}}}}},
        {"Records": "cf"},
        [],
        None,
    ],
    ids=lambda event: str(event)[:50],
)
def test_other_events_are_not_claimed(event: Any) -> None:
    assert not aws_edge.matches(event)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        pytest.param("/a%2Fb%3F%2525", "/a%2Fb%3F%2525", id="escapes stay"),
        pytest.param("/a+b//", "/a+b//", id="plus and slashes"),
        pytest.param("/é", "/%C3%A9", id="stray letter"),
        pytest.param("", "/", id="empty"),
    ],
)
def test_path_is_encoded_already(uri: str, path: str) -> None:
    assert decoded(VIEWER, {"request.uri": uri}).path == path


@pytest.mark.parametrize(
    ("text", "query"),
    [
        pytest.param("b=%20&a=+&b&c[]=;", "b=%20&a=+&b&c[]=;", id="as sent"),
        pytest.param("q=é", "q=%C3%A9", id="stray letter"),
        pytest.param("", "", id="none"),
        pytest.param(..., "", id="absent"),
    ],
)
def test_query_stays_as_sent(text: Any, query: str) -> None:
    assert decoded(VIEWER, {"request.querystring": text}).query == query


def test_header_that_repeats_stays_apart() -> None:
    repeated = decoded(VIEWER, header("x-tag", "a,b", "c") | header("cookie", "a=1", "b=2"))
    assert values(repeated, "x-tag") == ["a,b", "c"]
    assert values(repeated, "cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("event_type", "proto", "scheme", "port"),
    [
        pytest.param("origin-request", ["http"], "http", 80, id="http to the origin"),
        pytest.param("origin-request", ["https"], "https", 443, id="https to the origin"),
        pytest.param("origin-request", [], "https", 443, id="not told"),
        pytest.param("viewer-request", ["http"], "https", 443, id="the client's own word"),
    ],
)
def test_scheme_is_cloudfronts_word(
    event_type: str, proto: list[str], scheme: str, port: int
) -> None:
    changes = header("cloudfront-forwarded-proto", *proto) | {"config.eventType": event_type}
    request = decoded(ORIGIN, changes)
    assert (request.scheme, request.server) == (scheme, ("example.org", port))


def test_client_is_not_who_a_header_says() -> None:
    assert decoded(VIEWER, header("x-forwarded-for", "192.0.2.66")).client == ("203.0.113.178", 0)


def test_truncated_body_is_refused_with_413() -> None:
    with pytest.raises(BadEventError, match=r"truncated.*40 KB.*1 MB.*object storage") as caught:
        aws_edge.decode_event(load_case(TRUNCATED)["event"])
    assert caught.value.status_hint == 413
    assert BadEventError.status_hint == 400


def test_body_that_is_not_included_is_refused() -> None:
    changes = {"request.body": ...} | header("content-length", "256")
    with pytest.raises(BadEventError, match=rf"'{REQUEST}.body' must be .*include it"):
        decoded(BODY, changes)


@pytest.mark.parametrize(
    ("body", "lengths", "expected"),
    [
        pytest.param(..., [], [], id="not included, none sent"),
        pytest.param(..., ["0"], ["0"], id="not included, empty"),
        pytest.param(None, [], [], id="null"),
        pytest.param({"data": "", "inputTruncated": False}, [], [], id="included, none sent"),
        pytest.param({"data": "abc", "encoding": "text"}, [], ["3"], id="text"),
        pytest.param({"data": "YWJj", "encoding": "base64"}, [], ["3"], id="length absent"),
        pytest.param({"data": "YWJj", "encoding": "base64"}, ["9"], ["3"], id="length wrong"),
    ],
)
def test_body_and_its_length(body: Any, lengths: list[str], expected: list[str]) -> None:
    request = decoded(BODY, {"request.body": body} | header("content-length", *lengths))
    assert values(request, "content-length") == expected
    assert request.body == (b"abc" if expected == ["3"] else b"")


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("config", "text"),
        ("config.requestId", 5),
        ("request", "text"),
        ("request.method", 5),
        ("request.method", ...),
        ("request.uri", ["/"]),
        ("request.uri", None),
        ("request.querystring", 5),
        ("request.clientIp", 5),
        ("request.headers", ["host"]),
        ("request.headers", ...),
        ("request.headers.host", "example.org"),
        ("request.headers.host", {}),
        ("request.headers.host", ["example.org"]),
        ("request.headers.host", [{"key": "Host"}]),
        ("request.headers.host", [{"value": 5}]),
        ("request.body", "AAE="),
        ("request.body.data", 5),
        ("request.body", {"encoding": "text", "data": ["a"]}),
        ("request.body.data", "AAE"),
        ("request.body.inputTruncated", "yes"),
    ],
)
def test_wrong_field_is_named(path: str, wrong: Any) -> None:
    with pytest.raises(BadEventError, match=f"'Records.0.cf.{path}[a-zA-Z.]*' must be "):
        decoded(BODY, {path: wrong})


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({}, "Records"),
        ({"Records": {}}, "Records"),
        ({"Records": []}, "Records.0"),
        ({"Records": ["cf"]}, "Records.0"),
        ({"Records": [{}]}, "Records.0.cf"),
        ({"Records": [{"cf": []}]}, "Records.0.cf"),
        ({"Records": [{"cf": {}}]}, "Records.0.cf.request"),
    ],
    ids=str,
)
def test_wrong_envelope_is_named(event: Any, field: str) -> None:
    with pytest.raises(BadEventError, match=f"'{field}' must be "):
        aws_edge.decode_event(event)
    assert aws_edge.encode_result(Response(400), event)["status"] == "400"


def test_port_that_is_none_is_named() -> None:
    with pytest.raises(BadEventError, match="headers.host"):
        decoded(VIEWER, header("host", "example.org:x"))


PAGE = Response(
    200,
    [
        ("Content-Type", "text/html;charset=UTF-8"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ],
    b"content",
)


def test_documented_result_is_read_and_written() -> None:
    result = load_case("aws_edge_response/doc_shape")["handler_result"]
    assert aws_edge.encode_result(PAGE, load_case(VIEWER)["event"]) == result
    assert aws_edge.decode_result(result) == PAGE


def test_binary_result_is_base64() -> None:
    result = aws_edge.encode_result(Response(200, [("Content-Type", "image/png")], b"\x89PNG"), {})
    assert (result["body"], result["bodyEncoding"]) == ("iVBORw==", "base64")


def test_compressed_text_is_base64() -> None:
    headers = [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")]
    assert aws_edge.encode_result(Response(200, headers, b"ab"), {})["bodyEncoding"] == "base64"


def test_result_without_body_has_none_not_even_an_empty_one() -> None:
    assert aws_edge.encode_result(Response(204, [("X-A", "1")]), {}) == {
        "status": "204",
        "statusDescription": "No Content",
        "headers": {"x-a": [{"key": "X-A", "value": "1"}]},
    }


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "Content-Length",
        "Keep-Alive",
        "Proxy-Connection",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "X-Accel-Buffering",
    ],
)
def test_header_of_the_connection_is_left_out(name: str) -> None:
    response = PAGE.replace(headers=[*PAGE.headers, (name, "7")])
    assert aws_edge.encode_result(response, {}) == aws_edge.encode_result(PAGE, {})


@pytest.mark.parametrize(
    "name",
    [
        "Accept-Encoding",
        "Expect",
        "Host",
        "If-Modified-Since",
        "If-None-Match",
        "If-Range",
        "If-Unmodified-Since",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Via",
        "X-Accel-Charset",
        "X-Accel-Limit-Rate",
        "X-Accel-Redirect",
        "X-Amz-Cf-Pop",
        "X-Amzn-Auth",
        "X-Amzn-Cf-Billing",
        "X-Amzn-Cf-Id",
        "X-Amzn-Cf-Xff",
        "X-Amzn-ErrorType",
        "X-Amzn-Fle-Profile",
        "X-Amzn-Header-Count",
        "X-Amzn-Header-Order",
        "X-Amzn-Lambda-Integration-Tag",
        "X-Amzn-RequestId",
        "X-Cache",
        "X-Edge-Location",
        "X-Forwarded-Proto",
        "X-Real-IP",
    ],
)
def test_header_that_cloudfront_refuses_is_an_error_that_names_it(name: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), (name, "hit")])
        return [b"served"]

    event = load_case(ORIGIN)["event"]
    with pytest.raises(ApplicationError, match=name.lower()):
        wrap(app, on_error="raise")(event)
    assert wrap(app)(event)["status"] == "500"
    assert wrap(app, exclude_headers=[name])(event)["body"] == "served"


def answering(size: int, kind: str = "text/plain") -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", kind)])
        return [b"a" * size]

    return app


# "Content-Type", "text/plain" and what stands around them take 26 octets of each limit.
@pytest.mark.parametrize(
    ("case", "size", "status"),
    [
        pytest.param(VIEWER, 40 * 1024 - 26, "200", id="viewer, just fits"),
        pytest.param(VIEWER, 40 * 1024 - 25, "500", id="viewer, one octet more"),
        pytest.param(ORIGIN, 40 * 1024, "200", id="origin, too large for a viewer"),
        pytest.param(ORIGIN, 1024 * 1024 - 26, "200", id="origin, just fits"),
        pytest.param(ORIGIN, 1024 * 1024 - 25, "500", id="origin, one octet more"),
    ],
)
def test_result_is_measured_by_the_event_type(case: str, size: int, status: str) -> None:
    event = load_case(case)["event"]
    assert wrap(answering(size), request_id=False)(event)["status"] == status
    if status == "500":
        with pytest.raises(ResultTooLargeError, match=f"{size + 26:,}"):
            wrap(answering(size), on_error="raise", request_id=False)(event)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 40 * 1024 - 25])
def test_binary_result_is_measured_decoded(size: int) -> None:
    result = wrap(answering(size, "image/png"), request_id=False)(load_case(VIEWER)["event"])
    assert (result["status"], aws_edge.result_bytes(result)) == ("200", size + 25)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param({"statusCode": 200}, id="no status"),
        pytest.param({"status": "ok"}, id="status no number"),
        pytest.param({"status": "101"}, id="status too low"),
        pytest.param({"status": "600"}, id="status too high"),
        pytest.param({"status": "204", "body": ""}, id="body of a 204"),
        pytest.param({"status": "200", "body": 5}, id="body no text"),
        pytest.param({"status": "200", "body": "a", "bodyEncoding": "gzip"}, id="encoding"),
        pytest.param({"status": "200", "body": "AAE", "bodyEncoding": "base64"}, id="base64"),
        pytest.param({"status": "200", "headers": {"a": "b"}}, id="headers no lists"),
        pytest.param({"status": "200", "headers": {"a": [{"value": 1}]}}, id="value no text"),
        pytest.param({"status": "200", "headers": {"a": [{"key": "a"}]}}, id="no value"),
        pytest.param(
            {"status": "200", "headers": {"a": [{"key": "B", "value": ""}]}}, id="another key"
        ),
        pytest.param({"status": "200", "headers": {"X-Cache": []}}, id="disallowed header"),
        pytest.param({"status": "200", "headers": {"content-length": []}}, id="read-only header"),
    ],
)
def test_result_that_fails_validation_is_a_502(result: object) -> None:
    assert aws_edge.decode_result(result).status == 502


def test_header_without_key_is_capitalized() -> None:
    result = {"status": 200, "headers": {"content-type": [{"value": "text/html"}]}, "body": "a"}
    response = Response(200, [("Content-Type", "text/html")], b"a")
    assert aws_edge.decode_result(result) == response


def test_event_is_written_as_cloudfront_truncates() -> None:
    event = aws_edge.encode_event(Request("PUT", "/", body=b"a" * (1024 * 1024 + 1)))
    body = event["Records"][0]["cf"]["request"]["body"]
    assert body["inputTruncated"]
    assert body["data"] == b64encode(b"a" * (1024 * 1024)).decode()


def test_flask_is_served() -> None:
    app = Flask("shop")

    @app.post("/capture/<name>")
    def capture(name: str) -> Any:
        answer = app.json.response(
            name=name,
            args=request.args.to_dict(flat=False),
            cookies=request.cookies,
            octets=len(request.get_data()),
            url=request.base_url,
            client=request.remote_addr,
        )
        answer.set_cookie("a", "2")
        return answer

    answer = aws_edge.decode_result(wrap(app)(load_case(BODY)["event"]))
    assert answer.status == 200
    assert app.json.loads(answer.body) == {
        "name": "space value",
        "args": {"repeat": ["one", "two"], "encodedPlus": ["a+b"]},
        "cookies": {"a": "1", "b": "2"},
        "octets": 256,
        "url": "http://example.org/capture/space%20value",
        "client": "203.0.113.178",
    }
    assert ("Set-Cookie", "a=2; Path=/") in answer.headers


def test_starlette_is_served() -> None:
    async def test(request: StarletteRequest) -> JSONResponse:
        assert request.client
        return JSONResponse([request.client.host, str(request.url)])

    app = Starlette(routes=[Route("/test", test)])
    handler = wrap(app, request_id=False)
    result = handler(load_case("aws_edge/sam_simple_remote_call")["event"])
    assert result == {
        "status": "200",
        "statusDescription": "OK",
        "headers": {"content-type": [{"key": "content-type", "value": "application/json"}]},
        "body": '["2001:cdba::3257:9652","https://d123.cf.net/test"]',
        "bodyEncoding": "text",
    }


def test_truncated_request_is_answered_with_the_reason() -> None:
    result = wrap(answering(1))(load_case(TRUNCATED)["event"])
    assert (result["status"], "truncated" in result["body"]) == ("413", True)


def test_application_finds_event_and_context() -> None:
    event, context = load_case(VIEWER)["event"], object()
    environ: dict[str, Any] = {}
    aws_edge.annotate(environ, event, context)
    assert environ == {
        "serverless.event": event,
        "serverless.context": context,
        "serverless.authorizer": None,
        "aws.event": event,
        "aws.context": context,
    }
