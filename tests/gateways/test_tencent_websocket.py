"""WebSocket APIs of Tencent's API Gateway."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import flask
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slsadapt import ApplicationError, BadEventError, Response, SocketMessage, wrap
from slsadapt.gateways import tencent_websocket
from tests.conftest import load_case
from tests.gateways.corpus import cases, changed

if TYPE_CHECKING:
    from slsadapt.message import SocketKind

CONNECT = "tencent_websocket/connect"
MESSAGE = "tencent_websocket/message_text"
BINARY = "tencent_websocket/message_binary"
CLOSING = "tencent_websocket/closing"
ID = "xawexasdfewezdfsdfeasdfffa=="

EXPECTED = {
    CONNECT: SocketMessage(
        "connect",
        ID,
        subprotocols=["chat", "binary"],
        extensions=["extension1", "extension2"],
        client=("10.0.2.14", 0),
        stage="prod",
        request_id="c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
    ),
    "tencent_websocket/connect_no_protocol": SocketMessage(
        "connect",
        ID,
        client=("10.0.2.14", 0),
        stage="release",
        request_id="c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
    ),
    MESSAGE: SocketMessage("message", ID, "xxx"),
    BINARY: SocketMessage("message", ID, b"\x00\x01\x02\xff"),
    CLOSING: SocketMessage("disconnect", ID),
}


def decoded(changes: dict[str, Any], case: str = MESSAGE) -> SocketMessage:
    return tencent_websocket.decode_event(changed(case, changes))


def recorded_response(case: str) -> Any:
    return load_case(f"tencent_websocket/{case}")["response"]


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


# Events


def test_every_recorded_event_is_expected() -> None:
    assert EXPECTED.keys() == {*cases("tencent_websocket")}


@pytest.mark.parametrize("case", EXPECTED)
def test_recorded_event_is_read(case: str) -> None:
    event = load_case(case)["event"]
    before = copy.deepcopy(event)
    assert tencent_websocket.matches(event)
    assert tencent_websocket.decode_event(event) == EXPECTED[case]
    assert event == before


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(changed(MESSAGE, {"websocket.action": "ping"}), id="other action"),
        pytest.param(changed(MESSAGE, {"websocket.action": ["closing"]}), id="a list"),
        pytest.param(changed(MESSAGE, {"websocket.action": ...}), id="no action"),
        pytest.param(changed(MESSAGE, {"websocket.secConnectionID": ...}), id="no connection"),
        pytest.param({"websocket": "closing"}, id="text"),
        pytest.param({}, id="nothing"),
        pytest.param(["websocket"], id="list"),
        pytest.param(None, id="none"),
    ],
)
def test_foreign_event_is_not_claimed(event: Any) -> None:
    assert not tencent_websocket.matches(event)


@pytest.mark.parametrize(
    ("field", "offered"),
    [
        pytest.param("chat.v2,chat.v1", ("chat.v2", "chat.v1"), id="as documented"),
        pytest.param("chat.v2, chat.v1", ("chat.v2", "chat.v1"), id="as browsers write"),
        pytest.param("chat", ("chat",), id="one"),
        pytest.param("", (), id="empty"),
        pytest.param(None, (), id="null"),
        pytest.param(..., (), id="absent"),
    ],
)
def test_offers_are_listed_in_the_clients_order(field: Any, offered: tuple[str, ...]) -> None:
    fields = ("secWebSocketProtocol", "secWebSocketExtensions")
    message = decoded({f"websocket.{name}": field for name in fields}, CONNECT)
    assert (message.subprotocols, message.extensions) == (offered, offered)


def test_extension_keeps_its_parameters() -> None:
    # What the vendor's registration function takes apart.
    offered = "permessage-deflate; client_max_window_bits"
    message = decoded({"websocket.secWebSocketExtensions": offered}, CONNECT)
    assert message.extensions == (offered,)


def test_path_of_the_api_is_not_taken_for_the_clients() -> None:
    # It is "/test/{testvar}", whatever the client asked for.
    assert decoded({}, CONNECT).path == ""


def test_handshake_without_a_context_is_read() -> None:
    message = decoded({"requestContext": ...}, CONNECT)
    assert (message.client, message.stage, message.request_id) == (None, "", "")


@pytest.mark.parametrize("data", ["", None, ...])
def test_message_without_data_is_empty(data: Any) -> None:
    assert decoded({"websocket.data": data}).data == ""
    assert decoded({"websocket.data": data}, BINARY).data == b""


def test_text_that_looks_like_base64_stays() -> None:
    assert decoded({"websocket.data": "aGVsbG8="}).data == "aGVsbG8="


@pytest.mark.parametrize(
    ("case", "changes", "error"),
    [
        (MESSAGE, {"websocket": None}, "'websocket' must be dict, got NoneType"),
        (MESSAGE, {"websocket": "x"}, "'websocket' must be dict, got str"),
        (MESSAGE, {"websocket.action": ...}, "'websocket.action' must be str, got NoneType"),
        (MESSAGE, {"websocket.action": {}}, "'websocket.action' must be str, got dict"),
        (MESSAGE, {"websocket.action": "x"}, "'websocket.action' must be one of connecting, data"),
        (MESSAGE, {"websocket.secConnectionID": 1}, "'websocket.secConnectionID' must be str"),
        (MESSAGE, {"websocket.dataType": "json"}, "'websocket.dataType' must be text or binary"),
        (MESSAGE, {"websocket.dataType": ...}, "'websocket.dataType' must be text or binary"),
        (MESSAGE, {"websocket.dataType": ["text"]}, "'websocket.dataType' must be text or binary"),
        (MESSAGE, {"websocket.data": 1}, "'websocket.data' must be str, got int"),
        (MESSAGE, {"websocket.data": []}, "'websocket.data' must be str, got list"),
        (BINARY, {"websocket.data": "xxx"}, "'websocket.data' must be base64"),
        (
            CONNECT,
            {"websocket.secWebSocketProtocol": ["chat"]},
            "'websocket.secWebSocketProtocol' must be str, got list",
        ),
        (
            CONNECT,
            {"websocket.secWebSocketExtensions": 1},
            "'websocket.secWebSocketExtensions' must be str, got int",
        ),
        (CONNECT, {"requestContext": "x"}, "'requestContext' must be dict, got str"),
        (CONNECT, {"requestContext.sourceIp": 1}, "'requestContext.sourceIp' must be str, got int"),
        (CONNECT, {"requestContext.stage": ["a"]}, "'requestContext.stage' must be str, got list"),
        (CONNECT, {"requestContext.requestId": 1}, "'requestContext.requestId' must be str"),
    ],
)
def test_wrong_field_is_named(case: str, changes: dict[str, Any], error: str) -> None:
    with pytest.raises(BadEventError, match=error):
        decoded(changes, case)


def test_event_that_is_no_object_is_refused() -> None:
    with pytest.raises(BadEventError, match="the event must be a JSON object, got str"):
        tencent_websocket.decode_event("closing")  # type: ignore[arg-type]


# Written events


@pytest.mark.parametrize("case", [MESSAGE, BINARY, CLOSING])
def test_event_is_written_as_recorded(case: str) -> None:
    assert tencent_websocket.encode_event(EXPECTED[case]) == load_case(case)["event"]


@pytest.mark.parametrize("case", [CONNECT, "tencent_websocket/connect_no_protocol"])
def test_handshake_is_written_with_the_fields_that_the_gateway_sends(case: str) -> None:
    recorded = load_case(case)["event"]
    written = tencent_websocket.encode_event(EXPECTED[case])
    assert written["websocket"] == recorded["websocket"]
    for name in ("requestId", "sourceIp", "stage", "websocketEnable"):
        assert written["requestContext"][name] == recorded["requestContext"][name]
    # The Go runtime's type has serviceId, the page serviceName.
    renamed = {
        "serviceId" if name == "serviceName" else name for name in recorded["requestContext"]
    }
    assert written["requestContext"].keys() == renamed


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
OFFERS = st.lists(
    st.from_regex(r"[a-z][a-z0-9.-]{0,5}(; ?[a-z]{1,3}(=[0-9]{1,2})?)?", fullmatch=True), max_size=3
)
KINDS: list[SocketKind] = ["connect", "message", "disconnect"]


@st.composite
def messages(draw: st.DrawFn) -> SocketMessage:
    """Draw what the gateway can tell of any client."""
    connection_id = draw(st.text(st.sampled_from("aZ09+/="), min_size=1, max_size=8))
    message = SocketMessage(draw(st.sampled_from(KINDS)), connection_id)
    if message.kind == "message":
        return message.replace(data=draw(TEXT | st.binary(max_size=64)))
    if message.kind == "disconnect":
        return message
    return message.replace(
        subprotocols=draw(OFFERS),
        extensions=draw(OFFERS),
        client=draw(st.sampled_from([None, ("203.0.113.18", 0), ("2001:db8::7", 0)])),
        stage=draw(st.sampled_from(["", "release"])),
        request_id=draw(st.sampled_from(["", "c6af9ac6-7b61-11e6"])),
    )


@settings(derandomize=True, max_examples=150, deadline=None)
@given(messages())
def test_event_brings_back_the_message(message: SocketMessage) -> None:
    event = through_json(tencent_websocket.encode_event(message))
    assert tencent_websocket.matches(event)
    assert tencent_websocket.decode_event(event) == message


@pytest.mark.parametrize(
    ("loss", "case", "change"),
    [
        ("path", CONNECT, {"path": "/chat"}),
        ("query", CONNECT, {"query": "room=a"}),
        ("headers", CONNECT, {"headers": [("origin", "https://shop.example")]}),
        ("client_port", CONNECT, {"client": ("203.0.113.18", 54321)}),
        ("user", CONNECT, {"user": "ann"}),
        ("close_code", CLOSING, {"code": 1001, "reason": "going away"}),
    ],
)
def test_declared_loss_is_a_loss(loss: str, case: str, change: dict[str, Any]) -> None:
    assert loss in tencent_websocket.LOSES
    message = EXPECTED[case].replace(**change)
    assert tencent_websocket.decode_event(tencent_websocket.encode_event(message)) != message


# Results


def test_handshake_is_accepted_with_one_subprotocol_and_one_extension() -> None:
    response = Response(
        200,
        [("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Extensions", "extension1")],
    )
    result = tencent_websocket.encode_result(response, load_case(CONNECT)["event"])
    documented = recorded_response("connect_response_accept")
    choice = {"secWebSocketProtocol": "chat", "secWebSocketExtensions": "extension1"}
    assert result == documented | {"websocket": documented["websocket"] | choice}
    assert tencent_websocket.decode_result(through_json(result)) == response


def test_documented_acceptance_is_read() -> None:
    # The page's sample returns both lists whole, against its own table.
    assert tencent_websocket.decode_result(
        recorded_response("connect_response_accept")
    ) == Response(
        200,
        [
            ("Sec-WebSocket-Protocol", "chat,binary"),
            ("Sec-WebSocket-Extensions", "extension1,extension2"),
        ],
    )


def test_acceptance_without_a_choice_names_the_connection_alone() -> None:
    result = tencent_websocket.encode_result(
        Response(204, [("X-Tag", "a")]), load_case(CONNECT)["event"]
    )
    assert result["websocket"] == {"action": "connecting", "secConnectionID": ID}
    assert tencent_websocket.decode_result(result) == Response(200)


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (Response(403, (), b"no room"), {"errNo": 403, "errMsg": "no room"}),
        (Response(500, (), "zu spät".encode()), {"errNo": 500, "errMsg": "zu spät"}),
    ],
)
def test_refusal_carries_status_and_reason(response: Response, result: dict[str, Any]) -> None:
    event = load_case(CONNECT)["event"]
    assert tencent_websocket.encode_result(response, event) == result
    assert tencent_websocket.decode_result(result) == response


def test_refusal_always_has_a_reason_since_the_gateway_asks_for_one() -> None:
    result = tencent_websocket.encode_result(Response(404), load_case(CONNECT)["event"])
    assert result == {"errNo": 404, "errMsg": "refused"}


@pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "sec-websocket-extensions"])
def test_several_of_an_offer_are_no_choice(name: str) -> None:
    with pytest.raises(ApplicationError, match=f"'{name.lower()}' must choose one.* got 2"):
        tencent_websocket.encode_result(
            Response(200, [(name, "a, b")]), load_case(CONNECT)["event"]
        )


@pytest.mark.parametrize("case", [MESSAGE, BINARY, CLOSING])
def test_other_events_are_answered_with_nothing_but_success(case: str) -> None:
    result = tencent_websocket.encode_result(
        Response(200, (), b"ignored"), load_case(case)["event"]
    )
    assert result == {"errNo": 0, "errMsg": "ok"}
    assert tencent_websocket.decode_result(result) == Response(200)


@pytest.mark.parametrize(
    ("result", "status"),
    [
        pytest.param(recorded_response("connect_response_reject"), 403, id="documented"),
        pytest.param({"errNo": -1, "errMsg": "x"}, 403, id="negative"),
        pytest.param({"errNo": 200, "errMsg": "x"}, 403, id="number of success"),
        pytest.param({"errNo": 429}, 429, id="status, no reason"),
        pytest.param({"errMsg": "ok"}, 403, id="no number"),
        pytest.param({"errNo": "0"}, 403, id="number in words"),
        pytest.param({"errNo": 0, "websocket": "x"}, 403, id="websocket is text"),
        pytest.param(
            {"errNo": 0, "websocket": {"secWebSocketProtocol": ["a"]}}, 403, id="choice is a list"
        ),
        pytest.param({"errNo": 1, "errMsg": ["a"]}, 403, id="reason is a list"),
        pytest.param(None, 403, id="none"),
        pytest.param("ok", 403, id="text"),
    ],
)
def test_result_that_does_not_accept_refuses(result: Any, status: int) -> None:
    assert tencent_websocket.decode_result(result).status == status


def test_documented_reason_of_a_refusal_is_read() -> None:
    response = tencent_websocket.decode_result(recorded_response("connect_response_reject"))
    assert response.body == b"not found websocket"


# Pushing to a client


def test_documented_pushes_are_written_and_read() -> None:
    push, close = recorded_response("push_data"), recorded_response("push_close")
    assert tencent_websocket.encode_push(ID, "xxx") == push
    assert tencent_websocket.encode_close(ID) == close
    assert tencent_websocket.decode_push(push) == SocketMessage("message", ID, "xxx")
    assert tencent_websocket.decode_push(close) == SocketMessage("disconnect", ID)


@pytest.mark.parametrize("data", ["", "é✓\x00", b"", b"\x00\xff", bytes(range(256))])
def test_push_brings_its_data(data: str | bytes) -> None:
    push = through_json(tencent_websocket.encode_push("1", data))
    assert tencent_websocket.decode_push(push) == SocketMessage("message", "1", data)


def test_handshake_cannot_be_pushed() -> None:
    with pytest.raises(BadEventError, match="'websocket.action' must be one of data send, closing"):
        tencent_websocket.decode_push(load_case(CONNECT)["event"])


def test_push_with_a_wrong_field_is_refused() -> None:
    with pytest.raises(BadEventError, match="'websocket.dataType' must be text or binary"):
        tencent_websocket.decode_push(changed(MESSAGE, {"websocket.dataType": None}))


@pytest.mark.parametrize(
    ("result", "read"),
    [
        (recorded_response("push_result"), (0, "ok")),
        ({"errNo": 0}, (0, "")),
        # What the vendor's sample functions answer to malformed events.
        ({"errNo": 101, "errMsg": "not found request context"}, (101, "not found request context")),
        ({"errNo": 102, "errMsg": "not found websocket"}, (102, "not found websocket")),
    ],
)
def test_answer_to_a_push_is_number_and_reason(
    result: dict[str, Any], read: tuple[int, str]
) -> None:
    assert tencent_websocket.decode_push_result(result) == read


@pytest.mark.parametrize(
    ("result", "error"),
    [
        ({}, "'errNo' must be int, got NoneType"),
        ({"errNo": "0"}, "'errNo' must be int, got str"),
        ({"errNo": 0, "errMsg": 1}, "'errMsg' must be str, got int"),
        ([], "must be a JSON object, got list"),
    ],
)
def test_malformed_answer_to_a_push_is_refused(result: Any, error: str) -> None:
    with pytest.raises(BadEventError, match=error):
        tencent_websocket.decode_push_result(result)


# A whole function


def test_function_serves_requests_and_an_echo() -> None:
    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "hello")
    pushed: list[Any] = []

    def echo(event: dict[str, Any], context: Any) -> Any:
        message = tencent_websocket.decode_event(event)
        response = Response(200)
        if message.kind == "connect":
            chosen = [each for each in message.subprotocols if each == "chat"]
            response = Response(200 if chosen else 400, [("Sec-WebSocket-Protocol", "chat")])
        elif message.data is not None:
            pushed.append(tencent_websocket.encode_push(message.connection_id, message.data))
        return tencent_websocket.encode_result(response, event)

    handler = wrap(app, events={"websocket": echo})

    def call(message: SocketMessage) -> Response:
        event = through_json(tencent_websocket.encode_event(message))
        return tencent_websocket.decode_result(through_json(handler(event, None)))

    assert call(SocketMessage("connect", "1")).status == 400
    assert call(SocketMessage("connect", "1", subprotocols=["log", "chat"])) == Response(
        200, [("Sec-WebSocket-Protocol", "chat")]
    )
    assert call(SocketMessage("message", "1", b"\xff")).status == 200
    assert call(SocketMessage("disconnect", "1")).status == 200
    assert [tencent_websocket.decode_push(push).data for push in pushed] == [b"\xff"]
    request = changed("tencent_apigw/get_no_body_minimal", {"path": "/"})
    assert handler(request, None)["body"] == "hello"
