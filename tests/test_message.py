"""The values between gateways and engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import Request, Response, SocketMessage

if TYPE_CHECKING:
    from slsadapt.message import Pairs

PAIRS = (("accept", "*/*"), ("x-tag", "a"), ("x-tag", "b"))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(PAIRS, id="tuple"),
        pytest.param([*PAIRS], id="list"),
        pytest.param(
            [("Accept", "*/*"), ("X-Tag", "a"), ("x-taG", "b")], id="in the client's case"
        ),
    ],
)
def test_request_holds_lower_case_names_in_arrival_order(headers: Pairs) -> None:
    assert Request("GET", "/", headers=headers).headers == PAIRS
    assert Request("GET", "/", headers=headers) == Request("GET", "/", headers=PAIRS)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((), id="none"),
        pytest.param(PAIRS[:2], id="fewer"),
        pytest.param((PAIRS[0], PAIRS[2], PAIRS[1]), id="other order"),
    ],
)
def test_order_and_number_of_headers_count(headers: Pairs) -> None:
    assert Request("GET", "/", headers=headers) != Request("GET", "/", headers=PAIRS)


def test_request_needs_only_method_and_path() -> None:
    request = Request("GET", "/")
    assert request == Request(
        method="GET",
        path="/",
        query="",
        headers=[],
        body=b"",
        scheme="https",
        client=None,
        server=("localhost", 443),
        root_path="",
        stage="",
        request_id="",
        user=None,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST"},
        {"path": "/b"},
        {"query": "q=1"},
        {"headers": (("accept", "text/html"),)},
        {"body": b"x"},
        {"scheme": "http"},
        {"client": ("203.0.113.18", 0)},
        {"server": ("example.com", 443)},
        {"root_path": "/live"},
        {"stage": "live"},
        {"request_id": "1"},
        {"user": "ann"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_a_request_counts_and_can_be_replaced(change: dict[str, Any]) -> None:
    request = Request("GET", "/a", headers=PAIRS)
    changed = request.replace(**change)
    assert changed != request
    assert request == Request("GET", "/a", headers=PAIRS), "the original stays"
    for name in Request.__slots__:
        assert getattr(changed, name) == change.get(name, getattr(request, name))


def test_websocket_message_needs_only_kind_and_connection() -> None:
    message = SocketMessage("connect", "L0SM9cOFvHcCIhw=")
    assert message == SocketMessage(
        kind="connect",
        connection_id="L0SM9cOFvHcCIhw=",
        data=None,
        subprotocols=[],
        extensions=[],
        path="",
        query="",
        headers=[],
        client=None,
        endpoint="",
        stage="",
        request_id="",
        user=None,
        connected_at_ms=None,
        code=None,
        reason="",
    )
    assert (message.subprotocols, message.extensions, message.headers) == ((), (), ())


def test_websocket_message_keeps_the_order_of_offers_and_headers() -> None:
    message = SocketMessage(
        "connect",
        "1",
        subprotocols=["chat.v2", "chat.v1"],
        extensions=["permessage-deflate; client_max_window_bits", "x-log"],
        headers=[("Accept", "*/*"), ("X-Tag", "a"), ("x-taG", "b")],
    )
    assert message.subprotocols == ("chat.v2", "chat.v1")
    assert message.extensions == ("permessage-deflate; client_max_window_bits", "x-log")
    assert message.headers == PAIRS


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "disconnect"},
        {"connection_id": "2"},
        {"data": b"hello"},
        {"subprotocols": ("chat",)},
        {"extensions": ("permessage-deflate",)},
        {"path": "/chat"},
        {"query": "room=1"},
        {"headers": (("accept", "text/html"),)},
        {"client": ("203.0.113.18", 0)},
        {"endpoint": "ws.example.com"},
        {"stage": "live"},
        {"request_id": "1"},
        {"user": "ann"},
        {"connected_at_ms": 1731324924553},
        {"code": 1001},
        {"reason": "going away"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_a_websocket_message_counts(change: dict[str, Any]) -> None:
    message = SocketMessage("message", "1", "hello", headers=PAIRS)
    changed = message.replace(**change)
    assert changed != message
    assert message == SocketMessage("message", "1", "hello", headers=PAIRS), "the original stays"
    for name in SocketMessage.__slots__:
        assert getattr(changed, name) == change.get(name, getattr(message, name))


def test_replaced_request_shares_no_identity_but_equals() -> None:
    request = Request("GET", "/a", headers=PAIRS, body=b"x")
    assert request.replace() == request
    assert request.replace() is not request


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Response(404, [("a", "b")], b"x"), id="status"),
        pytest.param(Response(200, [], b"x"), id="headers"),
        pytest.param(Response(200, [("a", "b")], b"y"), id="body"),
        pytest.param(Request("GET", "/"), id="request"),
        pytest.param((200, [("a", "b")], b"x"), id="tuple"),
    ],
)
def test_response_equals_by_value_and_type(other: object) -> None:
    assert Response(200, [("a", "b")], b"x") == Response(200, [("a", "b")], b"x")
    assert Response(200, [("a", "b")], b"x") != other


def test_repr_shows_every_field() -> None:
    assert repr(Response(200, [("a", "b")], b"x")) == (
        "Response(status=200, headers=(('a', 'b'),), body=b'x')"
    )
    assert repr(Request("GET", "/a", "q=1", [("a", "b")], client=("::1", 0))) == (
        "Request(method='GET', path='/a', query='q=1', headers=(('a', 'b'),), body=b'', "
        "scheme='https', client=('::1', 0), server=('localhost', 443), root_path='', stage='', "
        "request_id='', user=None)"
    )
    assert repr(SocketMessage("message", "1", b"x", user="ann")) == (
        "SocketMessage(kind='message', connection_id='1', data=b'x', subprotocols=(), "
        "extensions=(), path='', query='', headers=(), client=None, endpoint='', stage='', "
        "request_id='', user='ann', connected_at_ms=None, code=None, reason='')"
    )


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(Request("GET", "/"), id="request"),
        pytest.param(Response(200), id="response"),
        pytest.param(SocketMessage("disconnect", "1"), id="WebSocket message"),
    ],
)
def test_values_are_no_keys(value: object) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)


def test_misspelt_field_is_an_error() -> None:
    with pytest.raises(AttributeError):
        Response(200).stauts = 404  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="stauts"):
        Response(200).replace(stauts=404)
