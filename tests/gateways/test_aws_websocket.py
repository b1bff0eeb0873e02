"""AWS WebSocket APIs."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

import flask
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slsadapt import ApplicationError, BadEventError, Response, SocketMessage, wrap
from slsadapt.gateways import aws_websocket
from slsadapt.testing.losses import grouped
from tests.conftest import load_case
from tests.gateways.corpus import cases, changed

if TYPE_CHECKING:
    from slsadapt.message import SocketKind

CONNECT = "aws_websocket/pt_connect"
MESSAGE = "aws_websocket/go_message"
DISCONNECT = "aws_websocket/rs_disconnect"
HOST = "abcd1234.execute-api.us-east-1.amazonaws.com"
MALFORMED = Response(
    502, [("Content-Type", "application/json")], b'{"message": "Internal server error"}'
)

EXPECTED = {
    CONNECT: SocketMessage(
        "connect",
        "BFHPhfCWIAMCKlQ=",
        extensions=["permessage-deflate; client_max_window_bits"],
        headers=[
            ("host", HOST),
            ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
            ("sec-websocket-key", "+W5xw47OHh3OTFsWKjGu9Q=="),
            ("sec-websocket-version", "13"),
            ("x-amzn-trace-id", "Root=1-6731ebfc-08e1e656421db73c5d2eef31"),
            ("x-forwarded-for", "203.0.113.18"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-proto", "https"),
        ],
        client=("203.0.113.18", 0),
        endpoint=f"{HOST}/prod",
        stage="prod",
        request_id="BFHPhFe3IAMF95g=",
        connected_at_ms=1731324924553,
    ),
    # Half of it is a REST API's: its headers are not the handshake's.
    "aws_websocket/go_connect": SocketMessage(
        "connect",
        "TWegAcC4EowCHnA=",
        extensions=["permessage-deflate; client_max_window_bits"],
        path="/hello/world",
        query="name=me",
        headers=[
            ("host", "*.execute-api.eu-central-1.amazonaws.com"),
            ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
            ("sec-websocket-key", "*"),
            ("sec-websocket-version", "13"),
            ("x-amzn-trace-id", "Root=*"),
            ("x-forwarded-for", "*.*.*.*"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-proto", "https"),
        ],
        client=("192.168.196.186", 0),
        endpoint="*.execute-api.eu-central-1.amazonaws.com/testStage",
        stage="testStage",
        request_id="deef4878-7910-11e6-8f14-25afc3e9ae33",
        user="admin",
        connected_at_ms=1547230720092,
    ),
    MESSAGE: SocketMessage(
        "message",
        "R1kmxc2VNjMCFIA=",
        '{\r\n\t"a": 1\r\n}',
        client=("49.105.91.154", 0),
        endpoint="dl7ptocha9.execute-api.ap-northeast-1.amazonaws.com/prod",
        stage="prod",
        request_id="R1knPH17NjMFftw=",
        connected_at_ms=1705751697419,
    ),
    "aws_websocket/rule_binary_message": SocketMessage(
        "message",
        "R1kmxc2VNjMCFIA=",
        b"\x00\x01\xff",
        client=("49.105.91.154", 0),
        endpoint="dl7ptocha9.execute-api.ap-northeast-1.amazonaws.com/prod",
        stage="prod",
        request_id="R1knPH17NjMFftw=",
        connected_at_ms=1705751697419,
    ),
    "aws_websocket/pt_message_custom_route": SocketMessage(
        "message",
        "BFaT_fALIAMCKug=",
        '{"action": "chat", "message": "Hello from client"}',
        client=("203.0.113.18", 0),
        endpoint=f"{HOST}/prod",
        stage="prod",
        request_id="BFaVtH2HoAMFZEQ=",
        connected_at_ms=1731332735513,
    ),
    "aws_websocket/go_disconnect": SocketMessage(
        "disconnect",
        "R1kmxc2VNjMCFIA=",
        headers=[
            ("host", "dl7ptocha9.execute-api.ap-northeast-1.amazonaws.com"),
            ("x-api-key", ""),
            ("x-forwarded-for", ""),
            ("x-restapi", ""),
        ],
        client=("49.105.91.154", 0),
        endpoint="dl7ptocha9.execute-api.ap-northeast-1.amazonaws.com/prod",
        stage="prod",
        request_id="R1koeHsUtjMFbRw=",
        connected_at_ms=1705751697419,
        code=1001,
    ),
    DISCONNECT: SocketMessage(
        "disconnect",
        "AAAA1234=",
        headers=[("host", HOST), ("x-api-key", ""), ("x-forwarded-for", ""), ("x-restapi", "")],
        client=("192.0.2.1", 0),
        endpoint=f"{HOST}/prod",
        stage="prod",
        request_id="ABCD1234=",
        connected_at_ms=1707503007396,
        code=1005,
        reason="Client-side close frame status not set",
    ),
    "aws_emulated/so_ws_message": SocketMessage(
        "message",
        "04ab9273-ec8e-41e6-bdb6-4fff6dbc872e",
        '{"action": "foo", "d": 1}',
        client=("127.0.0.1", 0),
        endpoint="localhost",
        stage="local",
        request_id="bb48e64e-6e49-4159-b665-9e3f263f0658",
        connected_at_ms=1795208013269,
    ),
    "aws_emulated/so_ws_message_default": SocketMessage(
        "message",
        "04ab9273-ec8e-41e6-bdb6-4fff6dbc872e",
        "not json",
        client=("127.0.0.1", 0),
        endpoint="localhost",
        stage="local",
        request_id="d0657307-a2b2-4e0e-ad27-8a45f7425523",
        connected_at_ms=1795208013269,
    ),
    "aws_emulated/so_ws_disconnect": SocketMessage(
        "disconnect",
        "04ab9273-ec8e-41e6-bdb6-4fff6dbc872e",
        headers=[("host", "localhost"), ("x-api-key", ""), ("x-restapi", "")],
        client=("127.0.0.1", 0),
        endpoint="localhost",
        stage="local",
        request_id="e1b7a8e2-25ed-424d-8ca2-7124de81b27d",
        connected_at_ms=1795208013269,
    ),
}


def decoded(changes: dict[str, Any], case: str = CONNECT) -> SocketMessage:
    return aws_websocket.decode_event(changed(case, changes))


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


# Events


def test_every_recorded_event_is_expected() -> None:
    emulated = {case for case in cases("aws_emulated") if "/so_ws_" in case}
    assert EXPECTED.keys() == {*cases("aws_websocket")} | emulated


@pytest.mark.parametrize("case", EXPECTED)
def test_recorded_event_is_read(case: str) -> None:
    event = load_case(case)["event"]
    before = copy.deepcopy(event)
    assert aws_websocket.matches(event)
    assert aws_websocket.decode_event(event) == EXPECTED[case]
    assert event == before


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(load_case("aws_other/pt_websocket_authorizer")["event"], id="authorizer"),
        pytest.param(changed(CONNECT, {"requestContext.eventType": "JOIN"}), id="other event"),
        pytest.param(changed(CONNECT, {"requestContext.eventType": ["CONNECT"]}), id="a list"),
        pytest.param(changed(CONNECT, {"requestContext.eventType": ...}), id="no type"),
        pytest.param(changed(CONNECT, {"requestContext.connectionId": ...}), id="no connection"),
        # Yandex' gateway sends all else.
        pytest.param(changed(CONNECT, {"requestContext.routeKey": ...}), id="no route"),
        pytest.param(changed(CONNECT, {"requestContext": []}), id="context a list"),
        pytest.param({}, id="nothing"),
        pytest.param([{"requestContext": {}}], id="list"),
        pytest.param(b"{}", id="bytes"),
        pytest.param(None, id="none"),
    ],
)
def test_foreign_event_is_not_claimed(event: Any) -> None:
    assert not aws_websocket.matches(event)


def test_route_that_the_client_selects_does_not_tell_the_kind() -> None:
    # {"action": "$connect"} selects it where the API routes by "action".
    message = decoded({"requestContext.routeKey": "$connect"}, MESSAGE)
    assert (message.kind, message.data) == ("message", '{\r\n\t"a": 1\r\n}')


@pytest.mark.parametrize(
    ("lists", "offered"),
    [
        pytest.param({"Sec-WebSocket-Protocol": ["chat.v2, chat.v1"]}, True, id="one header"),
        pytest.param({"Sec-WebSocket-Protocol": ["chat.v2,chat.v1"]}, True, id="no space"),
        pytest.param({"Sec-WebSocket-Protocol": ["chat.v2", "chat.v1"]}, True, id="two headers"),
        pytest.param(
            {"sec-websocket-protocol": [" chat.v2,, chat.v1 ,"]}, True, id="empty members"
        ),
        pytest.param({"Sec-WebSocket-Protocol": [""]}, False, id="empty"),
        pytest.param({"Sec-WebSocket-Version": ["13"]}, False, id="none"),
    ],
)
def test_subprotocols_are_listed_in_the_clients_order(
    lists: dict[str, list[str]], offered: bool
) -> None:
    message = decoded({"multiValueHeaders": lists})
    assert message.subprotocols == (("chat.v2", "chat.v1") if offered else ())


@pytest.mark.parametrize("lists", [..., None, {}])
def test_headers_of_an_event_without_lists_are_read(lists: Any) -> None:
    headers = {"Sec-WebSocket-Protocol": "chat", "Content-Length": 0}
    message = decoded({"multiValueHeaders": lists, "headers": headers})
    assert message.headers == (("sec-websocket-protocol", "chat"), ("content-length", "0"))
    assert message.subprotocols == ("chat",)


def test_nulls_of_older_captures_are_nothing() -> None:
    # As gateways sent them in 2020.
    nulls = dict.fromkeys(
        [
            "requestContext.disconnectStatusCode",
            "requestContext.disconnectReason",
            "requestContext.messageId",
            "requestContext.authorizer",
            "requestContext.identity.userArn",
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "body",
        ]
    )
    assert decoded(nulls) == EXPECTED[CONNECT]


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param(
            {
                "queryStringParameters": {"room": "b", "a&b": "é +"},
                "multiValueQueryStringParameters": {"room": ["a", "b"], "a&b": ["é +"]},
            },
            "room=a&room=b&a%26b=%C3%A9%20%2B",
            id="lists",
        ),
        pytest.param({"queryStringParameters": {"room": "b c"}}, "room=b%20c", id="last values"),
        pytest.param({"multiValueQueryStringParameters": {}}, "", id="none"),
    ],
)
def test_query_is_encoded_again(fields: dict[str, Any], query: str) -> None:
    assert decoded(fields).query == query


@pytest.mark.parametrize(
    ("context", "endpoint"),
    [
        pytest.param({"domainName": HOST}, f"{HOST}/prod", id="default host"),
        pytest.param(
            {"domainName": "a1.execute-api.cn-north-1.amazonaws.com.cn"},
            "a1.execute-api.cn-north-1.amazonaws.com.cn/prod",
            id="China",
        ),
        # The mapping's path stands in the stage's place, and is not told.
        pytest.param({"domainName": "ws.example.com"}, "ws.example.com", id="custom domain"),
        pytest.param({"domainName": HOST, "stage": ""}, HOST, id="no stage"),
        pytest.param({"domainName": ...}, "", id="not told"),
    ],
)
def test_endpoint_has_the_stage_on_the_default_host(context: dict[str, Any], endpoint: str) -> None:
    changes = {f"requestContext.{name}": value for name, value in context.items()}
    assert decoded(changes).endpoint == endpoint


@pytest.mark.parametrize(
    ("context", "user"),
    [
        pytest.param({"authorizer": {"principalId": "ann"}}, "ann", id="authorizer"),
        pytest.param({"authorizer": {"tenant": 1}}, None, id="authorizer without principal"),
        pytest.param(
            {"identity": {"userArn": "arn:aws:iam::1:user/ann"}},
            "arn:aws:iam::1:user/ann",
            id="IAM",
        ),
        pytest.param({}, None, id="nobody"),
    ],
)
def test_user_is_the_principal(context: dict[str, Any], user: str | None) -> None:
    changes = {f"requestContext.{name}": value for name, value in context.items()}
    assert decoded(changes).user == user


def test_client_is_whom_the_gateway_names() -> None:
    spoofed = {"multiValueHeaders.X-Forwarded-For": ["10.0.0.1"]}
    assert decoded(spoofed).client == ("203.0.113.18", 0)
    assert decoded({"requestContext.identity": {}}).client is None


@pytest.mark.parametrize(
    ("body", "is_base64", "data"),
    [
        pytest.param("aGVsbG8=", False, "aGVsbG8=", id="text"),
        pytest.param("aGVsbG8=", ..., "aGVsbG8=", id="no flag"),
        pytest.param("aGVsbG8=", "false", "aGVsbG8=", id="flag in words"),
        pytest.param("aGVsbG8=", True, b"hello", id="binary"),
        pytest.param("aGVsbG8=", "true", b"hello", id="binary in words"),
        pytest.param("", True, b"", id="empty binary"),
        pytest.param("", False, "", id="empty text"),
        pytest.param(None, False, "", id="null"),
        pytest.param(..., False, "", id="no body"),
    ],
)
def test_message_is_text_or_octets(body: Any, is_base64: Any, data: str | bytes) -> None:
    message = decoded({"body": body, "isBase64Encoded": is_base64}, MESSAGE)
    assert type(message.data) is type(data)
    assert message.data == data


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"requestContext": ...}, "'requestContext' must be dict, got NoneType"),
        ({"requestContext.eventType": 1}, "'requestContext.eventType' must be one of CONNECT, "),
        ({"requestContext.eventType": []}, "'requestContext.eventType' must be str, got list"),
        ({"requestContext.connectionId": None}, "'requestContext.connectionId' must be str"),
        ({"requestContext.identity": "x"}, "'requestContext.identity' must be dict, got str"),
        ({"requestContext.identity.sourceIp": 1}, "'requestContext.identity.sourceIp' must be str"),
        ({"requestContext.authorizer": "ann"}, "'requestContext.authorizer' must be dict, got str"),
        ({"requestContext.domainName": 1}, "'requestContext.domainName' must be str, got int"),
        ({"requestContext.stage": 1}, "'requestContext.stage' must be str, got int"),
        ({"requestContext.requestId": 1}, "'requestContext.requestId' must be str, got int"),
        ({"requestContext.connectedAt": "1"}, "'requestContext.connectedAt' must be int, got str"),
        ({"requestContext.connectedAt": 1.5}, "'requestContext.connectedAt' must be int"),
        (
            {"requestContext.disconnectStatusCode": "1000"},
            "'requestContext.disconnectStatusCode' must be int, got str",
        ),
        ({"requestContext.disconnectReason": 1}, "'requestContext.disconnectReason' must be str"),
        ({"path": 1}, "'path' must be str, got int"),
        ({"body": 1}, "'body' must be str, got int"),
        ({"body": {}, "isBase64Encoded": True}, "'body' must be str, got dict"),
        ({"body": "a", "isBase64Encoded": True}, "'body' must be base64"),
        ({"isBase64Encoded": 1}, "'isBase64Encoded' must be bool, got int"),
        ({"headers": ["a"]}, "'headers' must be dict, got list"),
        ({"headers": {"a": None}}, "'headers.a' must be str, got NoneType"),
        ({"multiValueHeaders": "x"}, "'multiValueHeaders' must be dict, got str"),
        ({"multiValueHeaders": {"a": "b"}}, "'multiValueHeaders.a' must be list, got str"),
        ({"multiValueHeaders": {"a": [None]}}, "'multiValueHeaders.a' must be str, got NoneType"),
        ({"queryStringParameters": "a=b"}, "'queryStringParameters' must be dict, got str"),
        ({"queryStringParameters": {"a": {}}}, "'queryStringParameters.a' must be str, got dict"),
        (
            {"multiValueQueryStringParameters": {"a": "b"}},
            "'multiValueQueryStringParameters.a' must be list, got str",
        ),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_wrong_field_is_named(changes: dict[str, Any], error: str) -> None:
    with pytest.raises(BadEventError, match=error):
        decoded(changes, MESSAGE)


def test_event_that_is_no_object_is_refused() -> None:
    with pytest.raises(BadEventError, match="the event must be a JSON object, got list"):
        aws_websocket.decode_event([])  # type: ignore[arg-type]


# Written events


@pytest.mark.parametrize("case", [CONNECT, MESSAGE, DISCONNECT])
def test_event_is_written_with_the_fields_that_the_gateway_sends(case: str) -> None:
    recorded = load_case(case)["event"]
    written = aws_websocket.encode_event(EXPECTED[case])
    assert written.keys() == recorded.keys()
    assert written["requestContext"].keys() == recorded["requestContext"].keys()
    same = {
        "routeKey",
        "eventType",
        "messageDirection",
        "stage",
        "connectedAt",
        "requestId",
        "extendedRequestId",
        "domainName",
        "connectionId",
        "disconnectStatusCode",
        "disconnectReason",
    }
    for name in same & recorded["requestContext"].keys():
        assert written["requestContext"][name] == recorded["requestContext"][name]
    assert written.get("body") == recorded.get("body")
    for name in ("headers", "multiValueHeaders"):
        assert written.get(name) == recorded.get(name)


@pytest.mark.parametrize("kind", ["connect", "message", "disconnect"])
def test_every_event_tells_the_clients_user_agent(kind: SocketKind) -> None:
    event = aws_websocket.encode_event(SocketMessage(kind, "1"), user_agent="chat/1.0")
    assert event["requestContext"]["identity"] == {"userAgent": "chat/1.0", "sourceIp": None}


def test_offers_that_no_header_holds_are_written_as_headers() -> None:
    offer = SocketMessage(
        "connect", "1", subprotocols=["v2", "v1"], extensions=["x-log; level=1", "x-zip"]
    )
    event = aws_websocket.encode_event(offer)
    assert event["multiValueHeaders"] == {
        "Sec-WebSocket-Protocol": ["v2, v1"],
        "Sec-WebSocket-Extensions": ["x-log; level=1, x-zip"],
    }
    read = aws_websocket.decode_event(event)
    assert (read.subprotocols, read.extensions) == (offer.subprotocols, offer.extensions)


def test_binary_message_is_written_as_base64() -> None:
    event = aws_websocket.encode_event(SocketMessage("message", "1", b"\x00\x01\xff"))
    assert (event["body"], event["isBase64Encoded"]) == ("AAH/", True)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TOKENS = st.from_regex(r"[a-z][a-z0-9.-]{0,5}", fullmatch=True)
PARAMETERS = st.sampled_from(["", "; client_max_window_bits", "; level=1; mode=fast"])
OFFERS = st.lists(TOKENS, max_size=3)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=6)
HEADERS = st.lists(st.tuples(TOKENS.map(lambda name: f"x-{name}"), VALUES), max_size=4)


KINDS: list[SocketKind] = ["connect", "message", "disconnect"]


@st.composite
def messages(draw: st.DrawFn) -> SocketMessage:
    """Draw what the gateway can tell of any client."""
    kind = draw(st.sampled_from(KINDS))
    stage = draw(st.sampled_from(["prod", "v-1_a"]))
    message = SocketMessage(
        kind,
        draw(st.text(st.sampled_from("aZ09_-+/="), min_size=1, max_size=8)),
        client=draw(st.sampled_from([None, ("203.0.113.18", 0), ("2001:db8::7", 0)])),
        endpoint=draw(st.sampled_from([f"{HOST}/{stage}", "ws.example.com", ""])),
        stage=stage,
        request_id=draw(st.sampled_from(["", "BFHPhFe3IAMF95g="])),
        user=draw(st.sampled_from([None, "ann", "zoë"])),
        connected_at_ms=draw(st.none() | st.integers(0, 2**42)),
    )
    if kind == "message":
        return message.replace(data=draw(TEXT | st.binary(max_size=64)))
    if kind == "disconnect":
        return message.replace(code=draw(st.none() | st.integers(1000, 4999)), reason=draw(TEXT))
    subprotocols, extensions = draw(OFFERS), draw(OFFERS)
    extensions = [extension + draw(PARAMETERS) for extension in extensions]
    headers = [*draw(HEADERS), *[("sec-websocket-protocol", each) for each in subprotocols]]
    if extensions:
        headers.append(("sec-websocket-extensions", ", ".join(extensions)))
    query = draw(st.lists(st.tuples(st.sampled_from(["a", "b", "é&"]), TEXT), max_size=4))
    return message.replace(
        subprotocols=subprotocols,
        extensions=extensions,
        headers=headers,
        query="&".join(f"{quote(key)}={quote(value)}" for key, value in query),
    )


def carried(message: SocketMessage) -> SocketMessage:
    """Put in order what maps do not keep in order."""
    headers = [
        (name, value)
        for name, values in sorted(grouped([*message.headers]).items())
        for value in values
    ]
    pairs = grouped(parse_qsl(message.query, keep_blank_values=True))
    return message.replace(headers=headers, query=repr(sorted(pairs.items())))


@settings(derandomize=True, max_examples=150, deadline=None)
@given(messages())
def test_event_brings_back_the_message(message: SocketMessage) -> None:
    event = through_json(aws_websocket.encode_event(message))
    assert aws_websocket.matches(event)
    assert carried(aws_websocket.decode_event(event)) == carried(message)


@pytest.mark.parametrize(
    ("loss", "change"),
    [
        ("path", {"path": "/chat"}),
        ("query_order", {"query": "b=1&a=2&b=3"}),
        ("query_escapes", {"query": "a=b+c"}),
        ("query_flags", {"query": "a"}),
        ("client_port", {"client": ("203.0.113.18", 54321)}),
        ("base_path", {"endpoint": "ws.example.com/orders"}),
    ],
)
def test_declared_loss_is_a_loss(loss: str, change: dict[str, Any]) -> None:
    assert loss in aws_websocket.LOSES
    message = EXPECTED[CONNECT].replace(**change)
    assert aws_websocket.decode_event(aws_websocket.encode_event(message)) != message


# Results


def test_handshake_is_accepted_with_the_chosen_subprotocol() -> None:
    response = Response(200, [("Sec-WebSocket-Protocol", "chat.v1")])
    result = aws_websocket.encode_result(response, load_case(CONNECT)["event"])
    # What the developer guide's function returns, and empty text.
    assert result == {
        "statusCode": 200,
        "headers": {"Sec-WebSocket-Protocol": "chat.v1"},
        "body": "",
        "isBase64Encoded": False,
    }
    assert aws_websocket.decode_result(through_json(result)) == response


def test_handshake_is_refused_with_the_responses_status() -> None:
    response = Response(401, [("WWW-Authenticate", "Bearer")], b"who are you?")
    result = aws_websocket.encode_result(response, load_case(CONNECT)["event"])
    assert (result["statusCode"], result["body"]) == (401, "who are you?")
    assert aws_websocket.decode_result(through_json(result)) == response


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("sec-websocket-protocol", "v2, v1")], id="joined"),
        pytest.param(
            [("Sec-WebSocket-Protocol", "v2"), ("SEC-WEBSOCKET-PROTOCOL", "v1")], id="two"
        ),
    ],
)
def test_several_subprotocols_are_no_choice(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(ApplicationError, match="'sec-websocket-protocol' must choose one.* got 2"):
        aws_websocket.encode_result(Response(200, headers), {})


@pytest.mark.parametrize("content_type", ["application/octet-stream", "text/plain"])
def test_reply_is_text_whatever_its_type(content_type: str) -> None:
    response = Response(200, [("Content-Type", content_type)], "é✓".encode())
    result = aws_websocket.encode_result(response, load_case(MESSAGE)["event"])
    assert (result["body"], result["isBase64Encoded"]) == ("é✓", False)
    assert aws_websocket.decode_result(through_json(result)) == response


def test_reply_that_is_no_text_is_refused() -> None:
    with pytest.raises(ApplicationError, match="no binary reply; the body must be UTF-8"):
        aws_websocket.encode_result(Response(200, (), b"\xff"), load_case(MESSAGE)["event"])


def test_repeated_header_is_joined() -> None:
    response = Response(401, [("X-Tag", "a"), ("X-Tag", "b"), ("Set-Cookie", "c=1")])
    result = aws_websocket.encode_result(response, {})
    assert result["headers"] == {"X-Tag": "a, b", "set-cookie": "c=1"}


@pytest.mark.parametrize(
    ("result", "response"),
    [
        pytest.param({"statusCode": 200}, Response(200), id="least"),
        pytest.param({"statusCode": "403"}, Response(403), id="status in words"),
        pytest.param(
            {"statusCode": 200, "body": "AAH/", "isBase64Encoded": True},
            Response(200, (), b"\x00\x01\xff"),
            id="base64",
        ),
        pytest.param(None, MALFORMED, id="none"),
        pytest.param("ok", MALFORMED, id="text"),
        pytest.param({"statusCode": "ok"}, MALFORMED, id="no status"),
        pytest.param({"statusCode": 1000}, MALFORMED, id="closing code"),
        pytest.param({"statusCode": 200, "headers": ["a"]}, MALFORMED, id="headers a list"),
        pytest.param({"statusCode": 200, "body": {"a": 1}}, MALFORMED, id="body an object"),
    ],
)
def test_result_is_read_as_the_gateway_reads_it(result: Any, response: Response) -> None:
    assert aws_websocket.decode_result(result) == response


# Pushing to a client


@pytest.mark.parametrize(
    ("connection_id", "path"),
    [
        # The developer guide's own, whose "@" may be escaped or not.
        ("R0oXAdfD0kwCH6w=", "/@connections/R0oXAdfD0kwCH6w%3D"),
        ("BFaT_fALIAMCKug=", "/@connections/BFaT_fALIAMCKug%3D"),
        ("a/b?c#d%e f+é", "/@connections/a%2Fb%3Fc%23d%25e%20f%2B%C3%A9"),
        ("04ab9273-ec8e-41e6", "/@connections/04ab9273-ec8e-41e6"),
    ],
)
def test_connection_has_a_path(connection_id: str, path: str) -> None:
    assert aws_websocket.encode_connection_path(connection_id) == path
    assert aws_websocket.decode_connection_path(path) == connection_id
    assert aws_websocket.decode_connection_path(f"/prod{path}") == connection_id


@pytest.mark.parametrize(
    ("path", "connection_id"),
    [
        ("/prod/%40connections/R0oXAdfD0kwCH6w%3D", "R0oXAdfD0kwCH6w="),
        ("/prod/@connections/R0oXAdfD0kwCH6w=", "R0oXAdfD0kwCH6w="),
        ("/prod/@connections/", None),
        ("/prod/@connections", None),
        ("/prod/connections/1", None),
        ("/@connections/1/2", None),
        ("@connections/1", None),
        ("/", None),
        ("", None),
    ],
)
def test_path_tells_the_connection(path: str, connection_id: str | None) -> None:
    assert aws_websocket.decode_connection_path(path) == connection_id


# A whole function


def test_function_serves_requests_and_a_chat() -> None:
    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "hello")
    rooms: dict[str, str] = {}

    def chat(event: dict[str, Any], context: Any) -> Any:
        message = aws_websocket.decode_event(event)
        if message.kind == "connect":
            if "chat.v1" not in message.subprotocols:
                return aws_websocket.encode_result(Response(400), event)
            rooms[message.connection_id] = message.query
            chosen = [("Sec-WebSocket-Protocol", "chat.v1")]
            return aws_websocket.encode_result(Response(200, chosen), event)
        if message.kind == "disconnect":
            del rooms[message.connection_id]
            return aws_websocket.encode_result(Response(200), event)
        reply = f"{rooms[message.connection_id]}: {message.data!r}".encode()
        return aws_websocket.encode_result(Response(200, (), reply), event)

    handler = wrap(app, events={"websocket": chat})

    def call(message: SocketMessage) -> Response:
        event = through_json(aws_websocket.encode_event(message))
        return aws_websocket.decode_result(through_json(handler(event, None)))

    connect = SocketMessage("connect", "1=", query="room=a", endpoint=f"{HOST}/prod", stage="prod")
    assert call(connect).status == 400
    assert call(connect.replace(subprotocols=["chat.v2", "chat.v1"])) == Response(
        200, [("Sec-WebSocket-Protocol", "chat.v1")]
    )
    assert call(SocketMessage("message", "1=", "héllo")).body == "room=a: 'héllo'".encode()
    assert call(SocketMessage("disconnect", "1=", code=1001)).status == 200
    assert rooms == {}
    request = changed(
        "aws_rest/live_rest_encoded_path_repeated", {"path": "/", "httpMethod": "GET"}
    )
    assert handler(request, None)["body"] == "hello"
