"""Results as strictly as AWS's gateways take them, and events with the time they were received.

What HTTP APIs and REST APIs take was recorded on AWS by LocalStack's tests,
https://github.com/localstack/localstack, tests/aws/services/apigateway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import gateways
from slsadapt.gateways import aws_websocket
from slsadapt.message import Request, SocketMessage

if TYPE_CHECKING:
    from slsadapt.message import Response

pytestmark = pytest.mark.once

RECEIVED_MS = 1783711144836
CLOCK = "10/Jul/2026:19:19:04 +0000"


def decoded(name: str, result: Any) -> Response:
    return gateways.load(name).decode_result(result)


# Results


@pytest.mark.parametrize("body", [{}, [], 0, False, 5, {"a": 1}], ids=repr)
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("aws_rest", 502),
        ("aws_http", 500),
        ("aws_function_url", 502),
        ("aws_alb", 502),
        ("aws_lattice", 502),
        ("kong", 502),
    ],
)
def test_a_body_is_text(name: str, status: int, body: object) -> None:
    assert decoded(name, {"statusCode": 200, "body": body}).status == status


@pytest.mark.parametrize("body", [{}, [], 0, False, 5], ids=repr)
def test_cloudfront_takes_text_for_a_body(body: object) -> None:
    assert decoded("aws_edge", {"status": "200", "body": body}).status == 502


@pytest.mark.parametrize("key", ["headers", "multiValueHeaders"])
@pytest.mark.parametrize("fields", [[], "", 0, False, "text"], ids=repr)
def test_rest_apis_take_an_object_for_headers(key: str, fields: object) -> None:
    assert decoded("aws_rest", {"statusCode": 200, key: fields}).status == 502


@pytest.mark.parametrize(
    ("result", "status"),
    [
        pytest.param({"statusCode": 200}, 200, id="no body"),
        pytest.param({"statusCode": 200, "headers": None}, 200, id="headers null"),
        pytest.param({"statusCode": 200, "headers": {"a": True}}, 200, id="flag for a header"),
        pytest.param({"headers": {"a": "b"}}, 200, id="headers alone"),
        pytest.param({}, 200, id="nothing"),
        pytest.param({"statusCode": "201"}, 201, id="status as text"),
        pytest.param({"statusCode": "test"}, 502, id="status no number"),
        pytest.param({"statusCode": 200, "wrongValue": "value"}, 502, id="unknown key"),
        pytest.param({"statusCode": 200, "cookies": ["a=b"]}, 502, id="payload 2.0's cookies"),
        pytest.param({"statusCode": 200, "multiValueHeaders": {"a": "b"}}, 502, id="no list"),
        pytest.param({"errorMessage": "no"}, 502, id="error"),
        pytest.param("justAString", 502, id="text"),
        pytest.param(None, 502, id="null"),
    ],
)
def test_rest_apis_take_what_they_take_on_aws(result: object, status: int) -> None:
    assert decoded("aws_rest", result).status == status


@pytest.mark.parametrize(
    ("result", "status", "body"),
    [
        pytest.param({"statusCode": 200}, 200, b"", id="no body"),
        pytest.param({"statusCode": 200, "headers": {"a": True}}, 200, b"", id="flag for a header"),
        pytest.param({"statusCode": 200, "wrongValue": "a"}, 200, b"", id="unknown key"),
        pytest.param({}, 200, b"{}", id="nothing"),
        pytest.param({"statusCode": "201"}, 201, b"", id="status as text"),
        pytest.param("justAString", 200, b"justAString", id="text"),
        pytest.param("errorMessage", 200, b"errorMessage", id="text like an error"),
        pytest.param("", 200, b"", id="empty text"),
        pytest.param(None, 200, b"null", id="null"),
        pytest.param({"a": {"b": "c"}}, 200, b'{"a":{"b":"c"}}', id="JSON"),
        pytest.param({"a": "\u03bb"}, 200, b'{"a":"\xce\xbb"}', id="JSON beyond ASCII"),
        pytest.param({"headers": {"a": "b"}}, 200, b'{"headers":{"a":"b"}}', id="no status"),
    ],
)
def test_http_apis_take_what_they_take_on_aws(result: object, status: int, body: bytes) -> None:
    response = decoded("aws_http", result)
    assert (response.status, response.body) == (status, body)
    assert dict(response.headers)["content-type"] == "application/json"


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"statusCode": "test"}, id="status no number"),
        pytest.param({"statusCode": 200, "cookies": {"a": "b"}}, id="cookies no list"),
        pytest.param({"errorMessage": "test fake error message"}, id="like an error"),
    ],
)
def test_http_apis_refuse_what_they_refuse_on_aws(result: object) -> None:
    response = decoded("aws_http", result)
    assert (response.status, response.body) == (500, b'{"message":"Internal Server Error"}')


@pytest.mark.parametrize("status", ["200", True, 200.0, None], ids=repr)
def test_load_balancers_take_a_number_for_the_status(status: object) -> None:
    assert decoded("aws_alb", {"statusCode": status, "body": "a"}).status == 502
    assert decoded("aws_alb", {"statusCode": 200, "body": "a"}).status == 200


# Bodies of requests


@pytest.mark.parametrize("name", ["aws_http", "aws_function_url", "aws_alb"])
@pytest.mark.parametrize(
    ("headers", "is_base64"),
    [
        pytest.param([("content-type", "text/csv; charset=utf-8")], False, id="text"),
        pytest.param([("content-type", "application/json")], False, id="JSON"),
        pytest.param([("content-type", "application/x-www-form-urlencoded")], True, id="form"),
        pytest.param([("content-type", "multipart/form-data; boundary=a")], True, id="multipart"),
        pytest.param(
            [("content-type", "text/plain"), ("content-encoding", "gzip")], True, id="coded"
        ),
    ],
)
def test_body_is_base64_by_its_type(
    name: str, headers: list[tuple[str, str]], is_base64: bool
) -> None:
    event = gateways.load(name).encode_event(Request("POST", "/", "", headers, b"a=b"))
    body = "YT1i" if is_base64 else "a=b"
    assert (event["body"], event["isBase64Encoded"]) == (body, is_base64)


# Who called, and when


def test_function_urls_without_authorization_are_anonymous() -> None:
    server = ("abc.lambda-url.us-east-1.on.aws", 443)
    event = gateways.load("aws_function_url").encode_event(Request("GET", "/", server=server))
    context = event["requestContext"]
    assert (context["accountId"], context["apiId"]) == ("anonymous", "abc")
    assert "authorizer" not in context


def test_user_of_a_function_url_is_an_identity() -> None:
    dialect = gateways.load("aws_function_url")
    arn = "arn:aws:iam::123456789012:user/ann"
    event = dialect.encode_event(Request("GET", "/", user=arn))
    assert event["requestContext"]["authorizer"] == {"iam": {"userArn": arn}}
    assert event["requestContext"]["accountId"] == "123456789012"
    assert dialect.decode_event(event).user == arn


def test_rest_apis_without_authorizer_tell_of_none() -> None:
    dialect = gateways.load("aws_rest")
    assert "authorizer" not in dialect.encode_event(Request("GET", "/"))["requestContext"]


@pytest.mark.parametrize(
    ("name", "clock", "epoch"),
    [
        ("aws_rest", "requestTime", "requestTimeEpoch"),
        ("aws_http", "time", "timeEpoch"),
        ("aws_function_url", "time", "timeEpoch"),
        ("kong", "requestTime", "requestTimeEpoch"),
    ],
)
def test_event_tells_when_the_request_was_received(name: str, clock: str, epoch: str) -> None:
    dialect = gateways.load(name)
    context = dialect.encode_event(Request("GET", "/"), received_ms=RECEIVED_MS)["requestContext"]
    assert (context[clock], context[epoch]) == (CLOCK, RECEIVED_MS)
    context = dialect.encode_event(Request("GET", "/"))["requestContext"]
    assert (context[clock], context[epoch]) == ("01/Jan/1970:00:00:00 +0000", 0)


def test_lattice_counts_microseconds() -> None:
    event = gateways.load("aws_lattice").encode_event(Request("GET", "/"), received_ms=RECEIVED_MS)
    assert event["requestContext"]["timeEpoch"] == "1783711144836000"


def test_socket_event_tells_when_it_was_received() -> None:
    event = aws_websocket.encode_event(SocketMessage("connect", "a="), received_ms=RECEIVED_MS)
    context = event["requestContext"]
    assert (context["requestTime"], context["requestTimeEpoch"]) == (CLOCK, RECEIVED_MS)


@pytest.mark.parametrize("name", ["aws_alb", "aws_edge"])
def test_dialects_without_a_clock_take_the_time_all_the_same(name: str) -> None:
    dialect = gateways.load(name)
    request = Request("GET", "/")
    assert dialect.encode_event(request, received_ms=RECEIVED_MS) == dialect.encode_event(request)
