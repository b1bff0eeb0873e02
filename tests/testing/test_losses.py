"""What of one request or response a gateway lost, by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from slsadapt import ApplicationError, Request, Response, gateways, wrap
from slsadapt.gateways.losses import LOSSES
from slsadapt.testing import strategies
from slsadapt.testing.losses import carried, lost_in_request, lost_in_response, received
from tests.gateways.corpus import through_json

pytestmark = pytest.mark.once

REPEATABLE = settings(
    derandomize=True,
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
every_dialect = pytest.mark.parametrize("dialect", gateways.NAMES)


def arrived(dialect: str, request: Request) -> Request:
    module = gateways.load(dialect)
    return module.decode_event(through_json(dialect, module.encode_event(request)))


def to_gateway(dialect: str, **changes: Any) -> Request:
    """Give a request to the gateway's own host, without any header."""
    host, stage, root_path = strategies.GATEWAYS[dialect].mounts[0]
    request = Request("GET", "/", server=(host, 443), root_path=root_path, stage=stage)
    return request.replace(**changes)


def fields_of(request: Request, names: set[str]) -> tuple[Any, ...]:
    """List what any gateway could carry, and of the headers those that are named."""
    cookies = "; ".join(value for name, value in request.headers if name == "cookie")
    headers = [pair for pair in request.headers if pair[0] in names - {"cookie", "content-length"}]
    host, port = request.server
    return (
        request.method,
        request.path,
        [piece for piece in request.query.split("&") if piece],
        sorted(headers, key=lambda pair: pair[0]),
        cookies,
        request.body,
        request.scheme,
        request.client,
        host,
        0 if port == {"https": 443, "http": 80}[request.scheme] else port,
        request.root_path,
        request.stage,
        request.request_id,
        request.user,
    )


REPEATED = [("x-tag", "1"), ("x-tag", "2")]
TEXT = [("content-type", "text/plain")]

REQUEST_CASES = [
    ("aws_http", {"path": "/a%2Fb"}, ("path_escapes",)),
    ("aws_rest", {"path": "//a"}, ("path_slashes",)),
    ("openwhisk", {"path": "/%FF"}, ("path_octets",)),
    ("aws_alb", {"query": "b=1&a=2&b=3"}, ("query_order",)),
    ("aws_rest", {"query": "a=b+c"}, ("query_escapes",)),
    ("aws_alb", {"query": "a"}, ("query_flags",)),
    ("aws_rest", {"query": "a=1;b=2"}, ("query_semicolons",)),
    ("scaleway", {"query": "a=1&a=2"}, ("query_last",)),
    ("volcengine", {"query": "a=1&a=2"}, ("query_commas",)),
    ("aws_http", {"headers": REPEATED}, ("header_repeats",)),
    ("openwhisk", {"headers": REPEATED}, ("header_last",)),
    ("openwhisk", {"headers": TEXT, "body": b"\xff"}, ("binary_body",)),
    ("kong", {"scheme": "http", "server": ("api.example.com", 80)}, ("scheme",)),
    ("aws_edge", {"server": ("api.example.com", 8443)}, ("port",)),
    ("aws_function_url", {"server": ("api.example.com", 443)}, ("server",)),
    ("openwhisk", {"client": ("203.0.113.18", 0)}, ("client",)),
    ("aws_http", {"client": ("203.0.113.18", 54321)}, ("client_port",)),
    ("gcp", {"stage": "live"}, ("stage",)),
    ("aws_lattice", {"root_path": "/orders"}, ("root_path",)),
    (
        "aws_http",
        {"server": ("api.example.com", 443), "stage": "", "root_path": "/orders"},
        ("base_path",),
    ),
    ("aws_lattice", {"request_id": "c6af9ac6-7b61-11e6"}, ("request_id",)),
    ("gcp", {"user": "ann"}, ("user",)),
]


def test_the_cases_show_every_loss_of_requests() -> None:
    responses = {"response_repeats", "response_octets", "response_binary"}
    sockets = {"path", "headers", "query", "close_code"}
    shown = {loss for _, _, lost in REQUEST_CASES for loss in lost}
    assert shown == LOSSES.keys() - responses - sockets


@pytest.mark.parametrize(
    ("dialect", "changes", "lost"),
    [pytest.param(*case, id=f"{case[0]}, {case[2][0]}") for case in REQUEST_CASES],
)
def test_loss_is_named(dialect: str, changes: dict[str, Any], lost: tuple[str, ...]) -> None:
    sent = to_gateway(dialect, **changes)
    assert lost_in_request(gateways.load(dialect), sent, arrived(dialect, sent)) == lost


@pytest.mark.parametrize(
    ("dialect", "changes"),
    [
        pytest.param("aws_http", {"path": "/a%20b/%E4%BD%A0"}, id="escapes that come back"),
        pytest.param("aws_http", {"query": "b=1&a=2&b=3&a=+&c"}, id="query as the client wrote it"),
        pytest.param("aws_rest", {"query": "a=1&a=2&b=3"}, id="query in order"),
        # Whose only loss of a query is how it was escaped.
        pytest.param("openwhisk", {"query": "&a=1&&b=2&"}, id="empty pieces of a query"),
        pytest.param("aws_rest", {"headers": REPEATED}, id="repeats in a list"),
        pytest.param("aws_http", {"headers": [("x-tag", "1")]}, id="header that comes once"),
        pytest.param("aws_http", {"headers": [("x-tag", "1, 2")]}, id="header with a comma"),
        pytest.param(
            "aws_http", {"headers": [("cookie", "a=1"), ("cookie", "b=2")]}, id="cookies, joined"
        ),
        pytest.param(
            "aws_rest", {"headers": [("b", "1"), ("a", "2"), ("b", "3")]}, id="order of headers"
        ),
        pytest.param("openwhisk", {"headers": TEXT, "body": "é".encode()}, id="body in UTF-8"),
        pytest.param(
            "openwhisk",
            {"server": ("api.example.com", 8443), "headers": [("host", "api.example.com:8443")]},
            id="port that Host names",
        ),
    ],
)
def test_what_a_gateway_could_lose_but_did_not_is_not_named(
    dialect: str, changes: dict[str, Any]
) -> None:
    sent = to_gateway(dialect, **changes)
    assert lost_in_request(gateways.load(dialect), sent, arrived(dialect, sent)) == ()


@every_dialect
def test_what_arrived_as_it_was_sent_lost_nothing(dialect: str) -> None:
    sent = to_gateway(
        dialect,
        path="//a%2Fb/%FF",
        query="b=+;&a&&a=2&b=3",
        headers=[*REPEATED, *TEXT],
        body=b"\xff",
        scheme="http",
        client=("203.0.113.18", 54321),
        request_id="c6af9ac6-7b61-11e6",
        user="ann",
    )
    assert lost_in_request(gateways.load(dialect), sent, sent) == ()
    response = Response(200, [("Link", "</1>"), ("Link", "</2>"), *TEXT], b"\xff")
    assert lost_in_response(gateways.load(dialect), response, response) == ()


def test_several_losses_come_in_the_order_of_the_dialect() -> None:
    sent = to_gateway(
        "aws_rest", client=("203.0.113.18", 54321), query="b=%2f&a;b=+", path="///orders"
    )
    assert lost_in_request(gateways.load("aws_rest"), sent, arrived("aws_rest", sent)) == (
        "path_slashes",
        "query_order",
        "query_escapes",
        "query_flags",
        "query_semicolons",
        "client_port",
    )


@every_dialect
def test_headers_that_a_gateway_adds_are_no_loss(dialect: str) -> None:
    sent = to_gateway(dialect)
    received = arrived(dialect, sent)
    assert "host" in dict(received.headers)
    assert lost_in_request(gateways.load(dialect), sent, received) == ()


@every_dialect
def test_headers_that_a_gateway_overwrites_or_drops_are_no_loss(dialect: str) -> None:
    host = strategies.GATEWAYS[dialect].mounts[0][0]
    headers = [
        ("host", host),
        ("proxy", "http://192.0.2.66/"),
        ("x-forwarded-for", "192.0.2.66"),
        ("x-forwarded-proto", "gopher"),
        ("x-real-ip", "192.0.2.66"),
        ("x-request-id", "mine"),
    ]
    sent = to_gateway(dialect, headers=headers)
    assert lost_in_request(gateways.load(dialect), sent, arrived(dialect, sent)) == ()


def test_overwritten_header_hides_no_loss_of_another() -> None:
    sent = to_gateway("aws_http", headers=[("x-forwarded-proto", "gopher"), *REPEATED])
    received = arrived("aws_http", sent)
    assert ("x-forwarded-proto", "https") in received.headers
    assert lost_in_request(gateways.load("aws_http"), sent, received) == ("header_repeats",)


@every_dialect
def test_a_loss_is_named_exactly_when_something_of_the_request_changed(dialect: str) -> None:
    @REPEATABLE
    @given(strategies.requests(dialect))
    def check(sent: Request) -> None:
        read = arrived(dialect, sent)
        names = {name for name, _ in sent.headers}
        lost = lost_in_request(gateways.load(dialect), sent, read)
        assert bool(lost) == (fields_of(sent, names) != fields_of(read, names))

    check()


# Responses


def answered(dialect: str, response: Response) -> Response:
    """Send a response through its result; where there can be none, the handler answers."""
    module = gateways.load(dialect)
    event = through_json(dialect, module.encode_event(to_gateway(dialect)))
    try:
        result = module.encode_result(response, event)
    except ApplicationError:

        def app(environ: Any, start_response: Any) -> list[bytes]:
            start_response(f"{response.status} Said", [*response.headers])
            return [response.body]

        result = wrap(app, gateway=dialect)(event, None)
    return module.decode_result(through_json(dialect, result))


PNG = [("Content-Type", "image/png")]


@pytest.mark.parametrize(
    ("dialect", "sent", "lost"),
    [
        pytest.param(
            "aws_http",
            Response(200, [("Link", "</1>"), ("Link", "</2>")]),
            ("response_repeats",),
            id="aws_http, repeats",
        ),
        pytest.param(
            "aws_rest", Response(200, [("Link", "</1>"), ("Link", "</2>")]), (), id="repeats kept"
        ),
        pytest.param(
            "aws_http",
            Response(200, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]),
            (),
            id="cookies apart",
        ),
        pytest.param("aws_http", Response(200, body=b"hello"), (), id="type that is added"),
        pytest.param("aws_http", Response(200, PNG, b"\xff"), (), id="base64"),
        pytest.param(
            "openwhisk",
            Response(200, [("Content-Type", "text/plain")], b"\xff"),
            ("response_octets",),
            id="openwhisk, octets of a text",
        ),
        pytest.param("openwhisk", Response(200, PNG, b"\xff"), (), id="octets of an image"),
        pytest.param(
            "volcengine", Response(200, PNG, b"\xff"), ("response_binary",), id="refused image"
        ),
        pytest.param(
            "volcengine",
            Response(200, [*PNG, ("Link", "</1>"), ("Link", "</2>")], b"\xff"),
            ("response_binary",),
            id="refused with all its headers",
        ),
        pytest.param(
            "volcengine", Response(500, (), b"\xff"), ("response_binary",), id="refused failure"
        ),
        pytest.param("volcengine", Response(200, TEXT, "é".encode()), (), id="text"),
    ],
)
def test_loss_of_a_response_is_named(dialect: str, sent: Response, lost: tuple[str, ...]) -> None:
    assert lost_in_response(gateways.load(dialect), sent, answered(dialect, sent)) == lost


def test_another_answer_is_no_loss() -> None:
    sent = Response(200, [("Link", "</1>"), ("Link", "</2>")], b"a" * 7_000_000)
    too_large = Response(500, TEXT, b"the result is too large")
    assert lost_in_response(gateways.load("aws_http"), sent, too_large) == ()


@every_dialect
def test_a_loss_is_named_exactly_when_something_of_the_response_changed(dialect: str) -> None:
    def fields_of(response: Response, names: set[str]) -> tuple[Any, ...]:
        pairs = [(name.lower(), value) for name, value in response.headers]
        headers = sorted((pair for pair in pairs if pair[0] in names), key=lambda pair: pair[0])
        return response.status, headers, response.body

    @REPEATABLE
    @given(strategies.responses())
    def check(sent: Response) -> None:
        read = answered(dialect, sent)
        names = {name.lower() for name, _ in sent.headers}
        lost = lost_in_response(gateways.load(dialect), sent, read)
        assert bool(lost) == (fields_of(sent, names) != fields_of(read, names))

    check()


# What is left


def test_without_losses_all_of_a_request_is_carried() -> None:
    request = Request(
        "PUT",
        "//a%2Fb",
        "b=1&a;c&b=2",
        [("x-tag", "1"), ("cookie", "a=1"), ("x-tag", "2, 3"), ("cookie", "b=2")],
        b"\xff",
        "http",
        ("203.0.113.18", 54321),
        ("api.example.com", 8080),
        "/orders",
        "live",
        "c6af9ac6-7b61-11e6",
        "ann",
    )
    assert carried((), request) == {
        "method": "PUT",
        "path": "//a%2Fb",
        "query": "b=1&a;c&b=2",
        "headers": {"x-tag": ["1", "2, 3"], "cookie": ["a=1; b=2"]},
        "body": b"\xff",
        "scheme": "http",
        "client": ("203.0.113.18", 54321),
        "server": ("api.example.com", 8080),
        "root_path": "/orders",
        "stage": "live",
        "request_id": "c6af9ac6-7b61-11e6",
        "user": "ann",
    }


def test_without_losses_all_of_a_response_is_received() -> None:
    response = Response(404, [("Link", "</1>"), ("link", "</2>, </3>")], b"\xff")
    assert received((), response) == {
        "status": 404,
        "headers": {"link": ["</1>", "</2>, </3>"]},
        "body": b"\xff",
    }
