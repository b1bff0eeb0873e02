"""Events and results written by a dialect, through JSON, and read again.

What a client may send, any gateway is given. What comes back may differ by what the dialect's
``LOSES`` names, and by nothing else; and whatever it names is lost indeed.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from slsadapt import ApplicationError, Request, Response, gateways
from slsadapt.gateways.losses import LOSSES
from slsadapt.testing import strategies
from slsadapt.testing.losses import REFUSED, carried, is_refused, received
from tests.gateways.corpus import claims, through_json, values

pytestmark = pytest.mark.once

REPEATABLE = settings(
    derandomize=True,
    max_examples=75,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

LARGE = [
    pytest.param(b"0123456789abcde\n" * 65536, id="text"),
    pytest.param(bytes(range(256)) * 4096, id="binary"),
]


def brought_back(dialect: str, request: Request) -> Request:
    """Send a request through its event; what the gateway adds to the headers is taken off."""
    module = gateways.load(dialect)
    event = through_json(dialect, module.encode_event(request))
    assert claims(event) == [dialect]
    decoded = module.decode_event(event)
    length = str(len(decoded.body))
    assert values(decoded, "content-length") in ([[length]] if decoded.body else [[], ["0"]])
    added = strategies.GATEWAYS[dialect].adds | {"host"} - {name for name, _ in request.headers}
    return decoded.replace(headers=[pair for pair in decoded.headers if pair[0] not in added])


@pytest.mark.parametrize("dialect", gateways.NAMES)
def test_event_brings_back_the_request(dialect: str) -> None:
    losses = gateways.load(dialect).LOSES

    @REPEATABLE
    @given(strategies.requests(dialect))
    def check(request: Request) -> None:
        assert carried(losses, brought_back(dialect, request)) == carried(losses, request)

    check()


@pytest.mark.parametrize("dialect", gateways.NAMES)
@pytest.mark.parametrize("body", LARGE)
def test_event_brings_back_a_body_of_1_mb(dialect: str, body: bytes) -> None:
    losses = gateways.load(dialect).LOSES
    request = plain(dialect, method="PUT", body=body)
    assert carried(losses, brought_back(dialect, request)) == carried(losses, request)


@pytest.mark.parametrize("dialect", gateways.NAMES)
def test_wrong_length_is_set_right(dialect: str) -> None:
    headers = [("content-length", "15"), ("content-type", "text/plain")]
    request = plain(dialect, method="POST", headers=headers, body=b"hello")
    assert brought_back(dialect, request).body == b"hello"


def plain(dialect: str, **changes: Any) -> Request:
    """Give a request to the gateway's own host, without any header."""
    host, stage, root_path = strategies.GATEWAYS[dialect].mounts[0]
    request = Request("GET", "/", server=(host, 443), root_path=root_path, stage=stage)
    return request.replace(**changes)


# What shows each loss of a request, beside ``plain``.
REQUEST_LOSSES: dict[str, dict[str, Any]] = {
    "path_escapes": {"path": "/a%2Fb"},
    "path_slashes": {"path": "//a"},
    "path_octets": {"path": "/%FF"},
    "query_order": {"query": "b=1&a=2&b=3"},
    "query_escapes": {"query": "a=b+c"},
    "query_flags": {"query": "a"},
    "query_semicolons": {"query": "a=1;b=2"},
    "query_last": {"query": "a=1&a=2"},
    "query_commas": {"query": "a=1&a=2"},
    "header_repeats": {"headers": [("x-tag", "1"), ("x-tag", "2")]},
    "header_last": {"headers": [("x-tag", "1"), ("x-tag", "2")]},
    "binary_body": {"headers": [("content-type", "text/plain")], "body": b"\xff"},
    "scheme": {"scheme": "http", "server": ("api.example.com", 80)},
    "port": {"server": ("api.example.com", 8443)},
    "server": {"server": ("api.example.com", 443)},
    "client": {"client": ("203.0.113.18", 0)},
    "client_port": {"client": ("203.0.113.18", 54321)},
    "stage": {"stage": "live"},
    "root_path": {"root_path": "/orders"},
    "base_path": {"root_path": "/orders"},
    "request_id": {"request_id": "c6af9ac6-7b61-11e6"},
    "user": {"user": "ann"},
}
RESPONSE_LOSSES: dict[str, dict[str, Any]] = {
    "response_repeats": {"headers": [("link", "</1>"), ("link", "</2>")]},
    "response_octets": {"headers": [("content-type", "text/plain")], "body": b"\xff"},
    "response_binary": {"headers": [("content-type", "image/png")], "body": b"\xff"},
}
# Of WebSocket messages, which are no HTTP requests.
SOCKET_LOSSES = {"path", "headers", "query", "close_code"}


def test_every_loss_is_shown() -> None:
    assert REQUEST_LOSSES.keys() | RESPONSE_LOSSES.keys() | SOCKET_LOSSES == LOSSES.keys()
    lost = {loss for dialect in gateways.NAMES for loss in gateways.load(dialect).LOSES}
    assert SOCKET_LOSSES.isdisjoint(lost)


@pytest.mark.parametrize(
    ("dialect", "loss"),
    [(name, loss) for name in gateways.NAMES for loss in gateways.load(name).LOSES],
)
def test_declared_loss_is_a_loss(dialect: str, loss: str) -> None:
    others = set(gateways.load(dialect).LOSES) - {loss}
    if loss in RESPONSE_LOSSES:
        response = Response(200, **RESPONSE_LOSSES[loss])
        assert received(others, answered(dialect, response)) != received(others, response)
    else:
        request = plain(dialect, **REQUEST_LOSSES[loss])
        assert carried(others, brought_back(dialect, request)) != carried(others, request)


def answered(dialect: str, response: Response) -> Response:
    """Send a response through its result; what the gateway adds to the headers is taken off."""
    module = gateways.load(dialect)
    event = module.encode_event(plain(dialect))
    if is_refused(module.LOSES, response):
        with pytest.raises(ApplicationError, match="UTF-8"):
            module.encode_result(response, event)
        return REFUSED
    result = module.encode_result(response, event)
    read = module.decode_result(through_json(dialect, result))
    if any(name.lower() == "content-type" for name, _ in response.headers):
        return read
    added = ("content-type", strategies.GATEWAYS[dialect].content_type)
    headers = [(name, value) for name, value in read.headers if (name.lower(), value) != added]
    return read.replace(headers=headers)


@pytest.mark.parametrize("dialect", gateways.NAMES)
def test_result_brings_back_the_response(dialect: str) -> None:
    losses = gateways.load(dialect).LOSES

    @REPEATABLE
    @given(strategies.responses())
    def check(response: Response) -> None:
        assert received(losses, answered(dialect, response)) == received(losses, response)

    check()


@pytest.mark.parametrize("dialect", gateways.NAMES)
@pytest.mark.parametrize("body", LARGE)
def test_result_brings_back_a_body_of_1_mb(dialect: str, body: bytes) -> None:
    losses = gateways.load(dialect).LOSES
    response = Response(200, [("content-type", "image/png")], body)
    assert received(losses, answered(dialect, response)) == received(losses, response)
