"""The WebSocket gateways with real clients, a real server and functions in this process."""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
import uvicorn
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from slsadapt import wrap
from slsadapt.errors import LocalError
from slsadapt.local import clouds
from slsadapt.local.clouds import Cloud
from slsadapt.local.notices import Answered
from slsadapt.local.outcome import Failure, Outcome
from slsadapt.local.sockets import Sockets, server_options

pytestmark = pytest.mark.once

JSON = dict[str, Any]
WAIT_S = 20.0
EVENTS = Path(__file__).parents[1] / "events"
HANDSHAKE = (
    b"GET /prod HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
OK: JSON = {"statusCode": 200}
ACCEPTED: JSON = {"errNo": 0, "errMsg": "ok"}


def shop(environ: Any, start_response: Any) -> list[bytes]:
    """Be the application that the WebSocket function stands beside."""
    start_response("200 OK", [])
    return [b""]


class Threads:
    """Runs a handler in threads, as the pool does in processes."""

    def __init__(self, handler: Callable[[Any, Any], Any]) -> None:
        self.handler = handler
        self.headers: list[Mapping[str, str]] = []
        self.events: list[JSON] = []
        self.executor = ThreadPoolExecutor(64)

    async def invoke(
        self, payload: bytes, *, request_id: str, headers: Mapping[str, str] = {}
    ) -> Outcome:
        self.headers.append(headers)
        event = json.loads(payload)
        self.events.append(event)
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(self.executor, self.handler, event, None)
        except Exception as error:
            failure = Failure(
                kind="error", request_id=request_id, error={}, message=f"it raised {error!r}"
            )
            return Outcome(request_id=request_id, failure=failure)
        return Outcome(request_id=request_id, payload=json.dumps(result).encode())


class Local:
    """A gateway that is being served, and what has happened there."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.events: queue.Queue[JSON] = queue.Queue()
        self.told: queue.Queue[Any] = queue.Queue()
        self.records: list[tuple[Any, ...]] = []
        self.open = self.invocations_told = 0
        self.changed = threading.Condition()
        self.sockets: Sockets
        self.pool: Threads
        self.loop: asyncio.AbstractEventLoop

    def connect(self, path: str = "/prod", **options: Any) -> ClientConnection:
        options.setdefault("proxy", None)
        client: ClientConnection = connect(f"ws://{self.address}{path}", **options)
        return client

    def event(self) -> JSON:
        return self.events.get(timeout=WAIT_S)

    def next_told(self, beginning: str) -> Answered:
        while True:
            notice: Answered = self.told.get(timeout=WAIT_S)
            if notice.line.startswith(beginning):
                return notice

    def connections(self, path: str = "/prod") -> Any:
        """Make boto3's client of ``@connections``, which does not try again."""
        return boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=f"http://{self.address}{path}",
            region_name="eu-west-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="no-secret-but-a-test",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def tell(self, notice: Any) -> None:
        with self.changed:
            if notice.status == 101:
                self.open += 1
            elif notice.line.startswith("disconnect"):
                self.open -= 1
            self.invocations_told += bool(notice.request_id)
            self.changed.notify()
        self.told.put(notice)

    def record(self, *record: Any) -> None:
        with self.changed:
            self.records.append(record)
            self.changed.notify()

    def wait_for_records(self, number: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.records) >= number, WAIT_S)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.sockets.close(), self.loop).result(WAIT_S)


@contextmanager
def serving(
    function: Callable[[JSON, Local], Any], cloud: Cloud, **options: Any
) -> Iterator[Local]:
    """Serve a function of (event, the gateway) behind a cloud's WebSocket gateway."""
    listener = socket.create_server(("127.0.0.1", 0))
    local = Local(listener.getsockname()[1])

    def called(event: JSON, context: Any) -> Any:
        local.events.put(event)
        return function(event, local)

    handler = wrap(shop, events={"websocket": called})
    started = threading.Event()
    local.pool = Threads(handler)

    async def serve() -> None:
        local.loop = asyncio.get_running_loop()
        local.sockets = Sockets(
            cloud,
            local.pool,
            local.tell,
            endpoint=local.address,
            record=local.record,
            **options,
        )
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.001)
        started.set()
        await serving

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await local.sockets(scope, receive, send)

    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
        **server_options(cloud),
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(WAIT_S)
        yield local
        local.close()
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        local.pool.executor.shutdown()
    assert not thread.is_alive()


def accepting(event: JSON, local: Local) -> JSON:
    return OK


def action(event: JSON) -> str:
    name: str = event["requestContext"]["eventType"]
    return name


AWS = clouds.load("aws_websocket")
TENCENT = clouds.load("tencent_websocket")


def with_rules(cloud: Cloud, **rules: Any) -> Cloud:
    assert cloud.sockets is not None
    return replace(cloud, sockets=replace(cloud.sockets, **rules))


@pytest.fixture(scope="module")
def echo() -> Iterator[Local]:
    """Answer each message by boto3 with its own text, and fail where it says so."""

    def function(event: JSON, local: Local) -> Any:
        body = event.get("body")
        if body == "fail":
            raise ValueError("out of stock")
        if body == "nothing":
            return None
        if body is not None:
            local.connections().post_to_connection(
                ConnectionId=event["requestContext"]["connectionId"], Data=body.encode()
            )
        return OK

    with serving(function, AWS) as local:
        yield local


def drained(local: Local) -> Local:
    """Forget what happened before, once it has ended."""

    def has_ended() -> bool:
        return not local.open and local.invocations_told == len(local.pool.events)

    with local.changed:
        assert local.changed.wait_for(has_ended, WAIT_S)
    while not local.events.empty():
        local.events.get()
    while not local.told.empty():
        local.told.get()
    local.records.clear()
    local.pool.headers.clear()
    return local


# AWS: the handshake


def test_handshake_is_an_event_with_headers_and_query() -> None:
    url = "/prod?room=7&room=8"
    with (
        serving(accepting, AWS) as local,
        local.connect(url, user_agent_header="chat/1.0") as client,
    ):
        event = local.event()
        told = local.next_told("connect")
        assert client.subprotocol is None
        # API Gateway speaks no extension.
        assert client.response is not None
        assert "sec-websocket-extensions" not in client.response.headers
    context = event["requestContext"]
    assert (context["eventType"], context["routeKey"]) == ("CONNECT", "$connect")
    assert re.fullmatch("[A-Za-z0-9_-]{15}=", context["connectionId"])
    assert (context["domainName"], context["stage"]) == (local.address, AWS.stage)
    assert context["identity"] == {"userAgent": "chat/1.0", "sourceIp": "127.0.0.1"}
    assert context["requestTimeEpoch"] >= context["connectedAt"] > 1_700_000_000_000
    assert event["headers"]["Host"] == local.address
    assert event["queryStringParameters"] == {"room": "8"}
    assert event["multiValueQueryStringParameters"] == {"room": ["7", "8"]}
    assert (told.line, told.status, told.failure) == ("connect /prod", 101, None)
    assert told.request_id not in ("", context["requestId"])


def test_handshake_has_the_headers_of_a_recorded_one() -> None:
    recorded = json.loads((EVENTS / "aws_websocket" / "pt_connect.json").read_text())["event"]
    with serving(accepting, AWS) as local:
        request = "GET /prod HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        for name in ("Host", "Sec-WebSocket-Extensions", "Sec-WebSocket-Key"):
            request += f"{name}: {recorded['headers'][name]}\r\n"
        request += "Sec-WebSocket-Version: 13\r\n\r\n"
        with raw_client(local.port, request.encode()):
            event = local.event()
    assert event.keys() == recorded.keys()
    assert event["requestContext"].keys() == recorded["requestContext"].keys()
    for kind in ("headers", "multiValueHeaders"):
        assert event[kind].keys() == recorded[kind].keys()
        for name in ("Host", "Sec-WebSocket-Extensions", "Sec-WebSocket-Key"):
            assert event[kind][name] == recorded[kind][name]
    assert event["headers"]["X-Forwarded-Proto"] == "http"


def test_trace_goes_to_the_instance_as_a_header_of_the_runtime_api() -> None:
    with serving(accepting, AWS) as local, local.connect():
        local.event()
        trace = local.pool.headers[0]["Lambda-Runtime-Trace-Id"]
    assert re.fullmatch("Root=1-[0-9a-f]{8}-[0-9a-f]{24}.*", trace)


def test_subprotocol_is_the_one_that_the_function_chooses() -> None:
    def function(event: JSON, local: Local) -> JSON:
        return {
            "statusCode": 200,
            "headers": {"Sec-WebSocket-Protocol": "v1", "Set-Cookie": "a=b", "X-Mine": "1"},
        }

    offered = [Subprotocol("v2"), Subprotocol("v1")]
    with serving(function, AWS) as local, local.connect(subprotocols=offered) as client:
        assert client.subprotocol == "v1"
        assert client.response is not None
        assert not {"set-cookie", "x-mine"} & {name.lower() for name in client.response.headers}


def raising(event: JSON, local: Local) -> JSON:
    raise ValueError("out of stock")


@pytest.mark.parametrize(
    ("function", "status", "body"),
    [
        pytest.param(lambda e, _: {"statusCode": 401, "body": "no"}, 401, b"", id="refused"),
        pytest.param(lambda e, _: {"statusCode": 302}, 302, b"", id="redirected"),
        pytest.param(raising, 502, b"Internal server error", id="failed"),
        pytest.param(lambda e, _: None, 502, b"Internal server error", id="nothing"),
        pytest.param(lambda e, _: {"statusCode": "x"}, 502, b"Internal", id="malformed"),
        pytest.param(
            lambda e, _: {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "a\r\nb: c"}},
            502,
            b"",
            id="line break in the subprotocol",
        ),
    ],
)
def test_refusal_has_the_status_that_api_gateway_gives(
    function: Callable[[JSON, Local], Any], status: int, body: bytes
) -> None:
    with serving(function, AWS) as local:
        with pytest.raises(InvalidStatus) as refusal:
            local.connect()
        told = local.next_told("connect")
        assert local.event()["requestContext"]["eventType"] == "CONNECT"
    assert refusal.value.response.status_code == status
    assert body in (refusal.value.response.body or b"")
    assert bool(refusal.value.response.body) == bool(body)
    assert told.status == status
    # No disconnect follows a handshake that was refused.
    assert local.events.empty()


@pytest.mark.parametrize(
    ("options", "path"),
    [
        pytest.param({"stage": "live"}, "/live", id="stage"),
        pytest.param({"stage": "live"}, "/live/", id="stage, slash"),
        pytest.param({"stage": "live"}, "/", id="no stage, as on a custom domain"),
        pytest.param({"base_path": "/chat"}, "/chat", id="base path"),
    ],
)
def test_connection_begins_at_stage_or_base_path(options: JSON, path: str) -> None:
    with serving(accepting, AWS, **options) as local, local.connect(path):
        assert local.event()["requestContext"]["stage"] == options.get("stage", AWS.stage)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        pytest.param({"stage": "live"}, "/prod", id="another stage"),
        pytest.param({"stage": "live"}, "/livery", id="half a segment"),
        pytest.param({"stage": "live"}, "/live/x", id="below the stage"),
        pytest.param({"base_path": "/chat"}, "/", id="without the base path"),
    ],
)
def test_connection_elsewhere_is_refused_and_calls_nothing(options: JSON, path: str) -> None:
    with serving(accepting, AWS, **options) as local:
        with pytest.raises(InvalidStatus) as refusal:
            local.connect(path)
        told = local.next_told("connect")
    assert refusal.value.response.status_code == 403
    assert told.failure is not None
    assert told.failure.kind == "not_found"
    assert path in told.failure.message
    assert local.events.empty()


def test_too_long_url_is_refused() -> None:
    cloud = replace(AWS, url_limit_bytes=4096)
    with serving(accepting, cloud) as local:
        with local.connect("/prod?" + "q" * (4096 - 6)):
            assert action(local.event()) == "CONNECT"
        with pytest.raises(InvalidStatus):
            local.connect("/prod?" + "q" * (4096 - 5))
        told = local.next_told("connect /prod")
        while told.failure is None:
            told = local.next_told("connect /prod")
    assert told.failure.kind == "url_too_long"


def test_too_large_headers_are_refused() -> None:
    with serving(accepting, replace(AWS, headers_limit_bytes=4096)) as local:
        with pytest.raises(InvalidStatus):
            local.connect(additional_headers={"X-Long": "a" * 4096})
        told = local.next_told("connect /prod")
    assert told.failure is not None
    assert told.failure.kind == "headers_too_large"


# AWS: messages


def test_message_is_an_event_and_its_answer_is_pushed(echo: Local) -> None:
    drained(echo)
    with echo.connect(user_agent_header="chat/1.0") as client:
        connected = echo.event()
        client.send('{"action": "chat", "text": "城"}')
        assert client.recv(timeout=WAIT_S) == '{"action": "chat", "text": "城"}'
        event = echo.event()
        told = echo.next_told("message")
    context = event["requestContext"]
    assert (context["eventType"], context["routeKey"]) == ("MESSAGE", "$default")
    assert context["connectionId"] == connected["requestContext"]["connectionId"]
    assert context["connectedAt"] == connected["requestContext"]["connectedAt"]
    assert context["messageId"] == context["requestId"]
    assert context["identity"] == {"userAgent": "chat/1.0", "sourceIp": "127.0.0.1"}
    assert event["body"] == '{"action": "chat", "text": "城"}'
    assert event["isBase64Encoded"] is False
    assert "headers" not in event
    assert (told.line, told.status, told.failure) == ("message /prod", None, None)


@pytest.mark.parametrize("text", ["fail", "nothing"])
def test_client_is_told_that_the_function_failed_and_stays(echo: Local, text: str) -> None:
    drained(echo)
    with echo.connect() as client:
        client.send(text)
        answer = json.loads(client.recv(timeout=WAIT_S))
        echo.event()
        context = echo.event()["requestContext"]
        told = echo.next_told("message")
        client.send("still here")
        assert client.recv(timeout=WAIT_S) == "still here"
    assert answer == {
        "message": "Internal server error",
        "connectionId": context["connectionId"],
        "requestId": context["requestId"],
    }
    if text == "fail":
        assert told.failure is not None
        assert "out of stock" in told.failure.message
    else:
        assert (told.failure, told.note) == (
            None,
            "the result must be an object with a statusCode, got null",
        )


@pytest.mark.parametrize("replies", [False, True], ids=["one way", "route responses"])
def test_answer_to_a_message_is_sent_where_the_api_has_route_responses(replies: bool) -> None:
    def function(event: JSON, local: Local) -> JSON:
        return {"statusCode": 200, "body": f"got {event.get('body')}"}

    with serving(function, AWS, replies=replies) as local, local.connect() as client:
        client.send("1")
        assert local.next_told("message").body_bytes == (5 if replies else 0)
        local.event()
        connection_id = local.event()["requestContext"]["connectionId"]
        local.connections().post_to_connection(ConnectionId=connection_id, Data=b"pushed")
        received = [client.recv(timeout=WAIT_S) for _ in range(2 if replies else 1)]
    assert received == (["got 1", "pushed"] if replies else ["pushed"])


def test_messages_begin_in_the_clients_order_and_do_not_wait_for_each_other() -> None:
    last = threading.Event()

    def function(event: JSON, local: Local) -> JSON:
        if event.get("body") == "9":
            last.set()
        elif action(event) == "MESSAGE":
            assert last.wait(WAIT_S)
        return OK

    with serving(function, AWS) as local, local.connect() as client:
        local.event()
        for number in range(10):
            client.send(str(number))
        for _ in range(10):
            assert local.next_told("message").failure is None
        assert [event["body"] for event in local.pool.events[1:]] == [*"0123456789"]


def test_gateway_answers_for_a_function_that_takes_too_long() -> None:
    released = threading.Event()

    def function(event: JSON, local: Local) -> JSON:
        if action(event) == "MESSAGE":
            assert released.wait(WAIT_S)
        return OK

    cloud = replace(AWS, gateway_timeout_s=0.05)
    with serving(function, cloud) as local, local.connect() as client:
        client.send("slow")
        assert json.loads(client.recv(timeout=WAIT_S))["message"] == "Endpoint request timed out"
        told = local.next_told("message")
        assert len(local.records) == 1
        released.set()
        # The function went on, and its end is on record.
        local.wait_for_records(2)
    assert told.failure is not None
    assert told.failure.kind == "gateway_timeout"


# AWS: limits


def test_message_of_small_frames_may_be_128_kb(echo: Local) -> None:
    drained(echo)
    frames = ["a" * 32768] * 4
    with echo.connect() as client:
        client.send(iter(frames))
        assert client.recv(timeout=WAIT_S) == "a" * 131072


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(["a" * 32769], id="frame"),
        pytest.param(["a" * 32768] * 4 + ["a"], id="message"),
        pytest.param(["é" * 16385], id="octets, not characters"),
    ],
)
def test_too_large_message_closes_with_1009(echo: Local, frames: list[str]) -> None:
    drained(echo)

    def talk() -> None:
        with echo.connect() as client:
            # The gateway may close before the client has sent all of it.
            client.send(iter(frames))
            client.recv(timeout=WAIT_S)

    with pytest.raises(ConnectionClosed) as closed:
        talk()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    assert action(echo.event()) == "CONNECT"
    event = echo.event()
    assert action(event) == "DISCONNECT"
    assert event["requestContext"]["disconnectStatusCode"] == 1009


def test_binary_message_closes_with_1003(echo: Local) -> None:
    drained(echo)
    with echo.connect() as client:
        client.send(b"\x00\xff")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=WAIT_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1003
    assert [action(echo.event()) for _ in range(2)] == ["CONNECT", "DISCONNECT"]
    assert echo.next_told("disconnect").status == 1003


@pytest.mark.parametrize("limit", ["idle_s", "total_s"])
def test_connection_ends_when_its_time_is_over(limit: str) -> None:
    with serving(accepting, with_rules(AWS, **{limit: 0.1})) as local:
        with local.connect() as client, pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=WAIT_S)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "Going away")
        local.event()
        context = local.event()["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1001, "Going away")


def test_messages_of_either_side_keep_a_connection_from_being_idle() -> None:
    with serving(accepting, with_rules(AWS, idle_s=1.0)) as local, local.connect() as client:
        connection_id = local.event()["requestContext"]["connectionId"]
        connections = local.connections()
        opened = connections.get_connection(ConnectionId=connection_id)
        moments = [opened["LastActiveAt"]]
        client.send("from the client")
        local.next_told("message")
        moments.append(connections.get_connection(ConnectionId=connection_id)["LastActiveAt"])
        connections.post_to_connection(ConnectionId=connection_id, Data=b"from the function")
        moments.append(connections.get_connection(ConnectionId=connection_id)["LastActiveAt"])
        assert client.recv(timeout=WAIT_S) == "from the function"
    assert opened["ConnectedAt"] <= moments[0] < moments[1] < moments[2]


# AWS: ends


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        pytest.param(1000, "done", (1000, "done"), id="with a reason"),
        pytest.param(4001, "", (4001, ""), id="the application's own"),
    ],
)
def test_disconnect_tells_the_clients_code_and_reason(
    echo: Local, code: int, reason: str, expected: tuple[int, str]
) -> None:
    drained(echo)
    with echo.connect() as client:
        connected = echo.event()["requestContext"]
        client.close(code, reason)
        event = echo.event()
        told = echo.next_told("disconnect")
    context = event["requestContext"]
    assert (context["routeKey"], context["eventType"]) == ("$disconnect", "DISCONNECT")
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == expected
    assert context["connectionId"] == connected["connectionId"]
    assert event["headers"] == {
        "Host": echo.address,
        "x-api-key": "",
        "X-Forwarded-For": "",
        "x-restapi": "",
    }
    assert (told.line, told.status) == ("disconnect /prod", code)


def test_disconnect_without_a_code_is_1005(echo: Local) -> None:
    drained(echo)
    with raw_client(echo.port) as client:
        echo.event()
        # RFC 6455 5.5.1: a close frame without a body, masked with zeros.
        client.sendall(b"\x88\x80\x00\x00\x00\x00")
        context = echo.event()["requestContext"]
    assert context["disconnectStatusCode"] == 1005
    assert context["disconnectReason"] == "Client-side close frame status not set"


def test_client_that_vanishes_is_1006(echo: Local) -> None:
    drained(echo)
    with raw_client(echo.port):
        echo.event()
    assert echo.event()["requestContext"]["disconnectStatusCode"] == 1006


@contextmanager
def raw_client(port: int, request: bytes = HANDSHAKE) -> Iterator[socket.socket]:
    """Shake hands by hand, and leave without a word."""
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as client:
        client.sendall(request)
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1024)
        assert head.startswith(b"HTTP/1.1 101 ")
        yield client


def test_client_that_leaves_before_it_is_accepted_is_disconnected() -> None:
    left = threading.Event()

    def function(event: JSON, local: Local) -> JSON:
        if action(event) == "CONNECT":
            assert left.wait(WAIT_S)
        return OK

    with serving(function, AWS) as local:
        with socket.create_connection(("127.0.0.1", local.port), WAIT_S) as client:
            client.sendall(HANDSHAKE)
            assert action(local.event()) == "CONNECT"
        left.set()
        context = local.event()["requestContext"]
    assert (context["eventType"], context["disconnectStatusCode"]) == ("DISCONNECT", 1006)


def test_connection_that_closes_while_its_message_is_served_loses_nothing() -> None:
    disconnected = threading.Event()

    def function(event: JSON, local: Local) -> JSON:
        if action(event) == "MESSAGE":
            # The end of the connection is told while the message is still being served.
            assert disconnected.wait(WAIT_S)
            raise ValueError("to be told to nobody")
        if action(event) == "DISCONNECT":
            disconnected.set()
        return OK

    with serving(function, AWS) as local:
        with local.connect() as client:
            client.send("slow")
            while action(local.event()) != "MESSAGE":
                pass
        assert action(local.event()) == "DISCONNECT"
        told = local.next_told("message")
        assert told.failure is not None
        local.wait_for_records(3)
    kinds = [record[0]["requestContext"]["eventType"] for record in local.records]
    assert sorted(kinds) == ["CONNECT", "DISCONNECT", "MESSAGE"]
    assert {record[4] for record in local.records} == {"aws_websocket"}


def test_100_clients_at_once_are_all_served_and_closed_at_shutdown() -> None:
    def function(event: JSON, local: Local) -> JSON:
        if (body := event.get("body")) is not None:
            return {"statusCode": 200, "body": body}
        return OK

    async def talk(local: Local) -> list[tuple[str, int]]:
        from websockets.asyncio.client import connect as connect_async

        async def one(number: int) -> tuple[str, int]:
            async with connect_async(f"ws://{local.address}/prod", proxy=None) as client:
                await client.send(str(number))
                answer = str(await client.recv())
                if number == 0:
                    # All are there: the gateway goes, and takes them with it.
                    await everyone.wait()
                    await asyncio.to_thread(local.close)
                else:
                    ready.append(number)
                    if len(ready) == 99:
                        everyone.set()
                await client.wait_closed()
                assert client.close_code is not None
                return answer, client.close_code

        everyone = asyncio.Event()
        ready: list[int] = []
        return await asyncio.wait_for(
            asyncio.gather(*[one(number) for number in range(100)]), WAIT_S
        )

    with serving(function, AWS, replies=True) as local:
        answers = asyncio.run(talk(local))
        with pytest.raises(InvalidStatus) as refusal:
            local.connect()
    assert answers == [(str(number), 1001) for number in range(100)]
    assert refusal.value.response.status_code == 503
    events = [local.events.get() for _ in range(local.events.qsize())]
    kinds = [action(event) for event in events]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "CONNECT": 100,
        "MESSAGE": 100,
        "DISCONNECT": 100,
    }
    assert len({event["requestContext"]["connectionId"] for event in events}) == 100


def test_close_does_not_wait_for_a_function_that_hangs() -> None:
    released = threading.Event()

    def function(event: JSON, local: Local) -> JSON:
        if action(event) != "CONNECT":
            assert released.wait(WAIT_S)
        return OK

    with serving(function, AWS) as local, local.connect() as client:
        client.send("hang")
        while action(local.event()) != "MESSAGE":
            pass
        closing = local.sockets.close(wait_s=0.05)
        asyncio.run_coroutine_threadsafe(closing, local.loop).result(WAIT_S)
        assert not released.is_set()
        released.set()


# AWS: @connections


@pytest.mark.parametrize("path", ["/prod", ""], ids=["stage", "custom domain"])
def test_text_is_posted_to_a_connection(echo: Local, path: str) -> None:
    drained(echo)
    with echo.connect() as client:
        connection_id = echo.event()["requestContext"]["connectionId"]
        answer = echo.connections(path).post_to_connection(
            ConnectionId=connection_id, Data="城".encode()
        )
        assert client.recv(timeout=WAIT_S) == "城"
        told = echo.next_told("push")
    metadata = answer["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 200
    assert metadata["HTTPHeaders"]["content-length"] == "0"
    assert metadata["HTTPHeaders"]["content-type"] == "application/json"
    assert re.fullmatch("[0-9a-f-]{36}", metadata["RequestId"])
    assert (told.line, told.status) == ("push /prod", 200)


def test_octets_that_are_no_utf_8_are_posted_as_a_binary_message(echo: Local) -> None:
    drained(echo)
    with echo.connect() as client:
        connection_id = echo.event()["requestContext"]["connectionId"]
        echo.connections().post_to_connection(ConnectionId=connection_id, Data=b"\x00\xff")
        assert client.recv(timeout=WAIT_S) == b"\x00\xff"


def test_connection_is_described_as_api_gateway_writes_it(echo: Local) -> None:
    drained(echo)
    with echo.connect(user_agent_header="chat/1.0"):
        context = echo.event()["requestContext"]
        path = context["connectionId"].replace("=", "%3D")
        url = f"http://{echo.address}/prod/%40connections/{path}"
        with urllib.request.urlopen(url, timeout=WAIT_S) as response:
            text = response.read().decode()
        described = echo.connections().get_connection(ConnectionId=context["connectionId"])
    assert re.fullmatch(
        r'\{\n  "identity" : \{\n    "sourceIp" : "127\.0\.0\.1",\n'
        r'    "userAgent" : "chat/1\.0"\n  \},\n'
        r'  "connectedAt" : "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",\n'
        r'  "lastActiveAt" : "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"\n\}',
        text,
    )
    assert described["ConnectedAt"].timestamp() * 1000 == pytest.approx(context["connectedAt"])
    assert described["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "chat/1.0"}


def test_deleted_connection_is_closed_and_gone(echo: Local) -> None:
    drained(echo)
    with echo.connect() as client:
        connection_id = echo.event()["requestContext"]["connectionId"]
        connections = echo.connections()
        answer = connections.delete_connection(ConnectionId=connection_id)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=WAIT_S)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000
        assert action(echo.event()) == "DISCONNECT"
        for call in (connections.delete_connection, connections.get_connection):
            with pytest.raises(connections.exceptions.GoneException):
                call(ConnectionId=connection_id)


@pytest.mark.parametrize(
    ("path", "connection_id", "data", "status", "kind", "message"),
    [
        pytest.param("/prod", "L0SM9cOFvHcCIhw=", b"a", 410, "GoneException", None, id="gone"),
        pytest.param(
            "/prod",
            "L0SM9cOFvHcCIhw=test",
            b"a",
            400,
            "BadRequestException",
            "Invalid connectionId: L0SM9cOFvHcCIhw=test",
            id="no connection id",
        ),
        pytest.param(
            "/dev", "L0SM9cOFvHcCIhw=", b"a", 403, "ForbiddenException", "Forbidden", id="stage"
        ),
    ],
)
def test_post_that_reaches_nobody_has_api_gateways_error(
    echo: Local,
    path: str,
    connection_id: str,
    data: bytes,
    status: int,
    kind: str,
    message: str | None,
) -> None:
    with pytest.raises(ClientError) as error:
        echo.connections(path).post_to_connection(ConnectionId=connection_id, Data=data)
    answer = error.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == kind
    assert answer["Error"]["Code"] == kind
    if message is None:
        # GoneException alone comes without a body.
        assert answer["ResponseMetadata"]["HTTPHeaders"]["content-length"] == "0"
    else:
        assert answer["Error"]["Message"] == message


def test_post_above_128_kb_is_refused_and_the_connection_stays(echo: Local) -> None:
    drained(echo)
    with echo.connect(max_size=None) as client:
        connection_id = echo.event()["requestContext"]["connectionId"]
        connections = echo.connections()
        with pytest.raises(connections.exceptions.PayloadTooLargeException):
            connections.post_to_connection(ConnectionId=connection_id, Data=b"a" * 131073)
        connections.post_to_connection(ConnectionId=connection_id, Data=b"a" * 131072)
        assert client.recv(timeout=WAIT_S) == "a" * 131072


def test_post_whose_sender_leaves_sends_nothing(echo: Local) -> None:
    drained(echo)
    with echo.connect() as client:
        connection_id = echo.event()["requestContext"]["connectionId"]
        with socket.create_connection(("127.0.0.1", echo.port), WAIT_S) as sender:
            line = f"POST /prod/@connections/{connection_id} HTTP/1.1\r\n"
            sender.sendall(f"{line}Host: a\r\nContent-Length: 9\r\n\r\nhalf".encode())
            sender.shutdown(socket.SHUT_WR)
            while sender.recv(1024):
                pass
        echo.connections().post_to_connection(ConnectionId=connection_id, Data=b"whole")
        assert client.recv(timeout=WAIT_S) == "whole"


def test_post_during_the_handshake_is_gone() -> None:
    errors: list[Any] = []

    def function(event: JSON, local: Local) -> JSON:
        if action(event) == "CONNECT":
            connection_id = event["requestContext"]["connectionId"]
            try:
                local.connections().post_to_connection(ConnectionId=connection_id, Data=b"hi")
            except ClientError as error:
                errors.append(error.response["Error"]["Code"])
        return OK

    with serving(function, AWS) as local, local.connect():
        assert errors == ["GoneException"]


def test_client_that_does_not_read_is_a_limit_exceeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slsadapt.local.connections._PATIENCE_S", 0.05)
    with serving(accepting, AWS) as local, raw_client(local.port):
        connection_id = local.event()["requestContext"]["connectionId"]
        connections = local.connections()

        def fill() -> None:
            for _ in range(1000):
                connections.post_to_connection(ConnectionId=connection_id, Data=b"a" * 131072)

        with pytest.raises(connections.exceptions.LimitExceededException) as error:
            fill()
        local.close()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429


def test_request_that_is_no_push_must_upgrade(echo: Local) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"http://{echo.address}/prod", timeout=WAIT_S)
    assert error.value.code == 426
    error.value.close()


# Tencent


def tencent(event: JSON, local: Local) -> JSON:
    """Push each message back, and fail where it says so."""
    message = event["websocket"]
    if message.get("data") == "fail":
        raise ValueError("out of stock")
    if message["action"] == "data send":
        push(local, {"websocket": {**message}})
    if message["action"] == "connecting" and "secWebSocketProtocol" in message:
        chosen = message["secWebSocketProtocol"].split(",")[-1]
        if chosen == "forbidden":
            return {"errNo": 102, "errMsg": "not found websocket"}
        return {**ACCEPTED, "websocket": {**message, "secWebSocketProtocol": chosen}}
    return ACCEPTED


def push(local: Local, body: JSON | bytes) -> JSON:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(local.sockets.push_url, data, method="POST")
    with urllib.request.urlopen(request, timeout=WAIT_S) as response:
        answer: JSON = json.loads(response.read())
    return answer


@pytest.fixture(scope="module")
def chat() -> Iterator[Local]:
    with serving(tencent, TENCENT) as local:
        yield local


def test_tencent_handshake_offers_and_the_function_chooses(chat: Local) -> None:
    drained(chat)
    offered = [Subprotocol("binary"), Subprotocol("chat")]
    with chat.connect("/any/path", subprotocols=offered, compression=None) as client:
        assert client.subprotocol == "chat"
        event = chat.event()
    assert event["websocket"] == {
        "action": "connecting",
        "secConnectionID": event["websocket"]["secConnectionID"],
        "secWebSocketProtocol": "binary,chat",
    }
    assert len(base64.b64decode(event["websocket"]["secConnectionID"])) == 19
    assert event["requestContext"]["stage"] == TENCENT.stage
    assert event["requestContext"]["sourceIp"] == "127.0.0.1"


def test_tencent_offer_of_extensions_is_told_and_none_is_spoken(chat: Local) -> None:
    drained(chat)
    with chat.connect("/") as client:
        event = chat.event()
        assert client.response is not None
        assert "sec-websocket-extensions" not in client.response.headers
    offered = event["websocket"]["secWebSocketExtensions"]
    assert offered == "permessage-deflate; client_max_window_bits"


def test_tencent_refusal_is_a_403(chat: Local) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        chat.connect("/", subprotocols=[Subprotocol("forbidden")])
    assert refusal.value.response.status_code == 403
    assert refusal.value.response.body == b"not found websocket"


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        pytest.param("城", {"dataType": "text", "data": "城"}, id="text"),
        pytest.param(b"\x00\xff", {"dataType": "binary", "data": "AP8="}, id="binary"),
    ],
)
def test_tencent_message_is_an_event_and_comes_back(
    chat: Local, data: str | bytes, fields: JSON
) -> None:
    drained(chat)
    with chat.connect("/") as client:
        connection_id = chat.event()["websocket"]["secConnectionID"]
        client.send(data)
        assert client.recv(timeout=WAIT_S) == data
        event = chat.event()
    common = {"action": "data send", "secConnectionID": connection_id}
    assert event == {"websocket": {**common, **fields}}


def test_tencent_client_is_closed_when_the_function_fails(chat: Local) -> None:
    drained(chat)
    with chat.connect("/") as client:
        client.send("fail")
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=WAIT_S)
        told = chat.next_told("message")
        ended = chat.next_told("disconnect")
    assert told.failure is not None
    assert told.status == ended.status
    # The gateway closed, which is told to no function.
    assert ended.request_id == ""
    assert [chat.event()["websocket"]["action"] for _ in range(2)] == ["connecting", "data send"]
    assert chat.events.empty()


def test_tencent_client_that_closes_is_told_to_the_function(chat: Local) -> None:
    drained(chat)
    with chat.connect("/"):
        connection_id = chat.event()["websocket"]["secConnectionID"]
    assert chat.event() == {"websocket": {"action": "closing", "secConnectionID": connection_id}}


def test_tencent_function_closes_a_connection_by_a_push(chat: Local) -> None:
    drained(chat)
    with chat.connect("/") as client:
        connection_id = chat.event()["websocket"]["secConnectionID"]
        closing = {"websocket": {"action": "closing", "secConnectionID": connection_id}}
        assert push(chat, closing) == {"errNo": 0, "errMsg": "ok"}
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=WAIT_S)
        chat.next_told("disconnect")
        assert push(chat, closing)["errNo"] == 404
    assert chat.events.empty()


@pytest.mark.parametrize(
    ("body", "number"),
    [
        pytest.param(b"no json", 400, id="no JSON"),
        pytest.param(
            b'{"websocket": {"action": "data send", "secConnectionID": "x", "dataType": "text",'
            b' "data": "\\ud800"}}',
            400,
            id="no text",
        ),
        pytest.param(b"[]", 400, id="no object"),
        pytest.param(b'{"websocket": {"action": "data send"}}', 400, id="no connection"),
        pytest.param(
            b'{"websocket": {"action": "closing", "secConnectionID": "x"}}', 404, id="unknown"
        ),
    ],
)
def test_tencent_push_that_reaches_nobody_has_a_number(
    chat: Local, body: bytes, number: int
) -> None:
    answer = push(chat, body)
    assert answer["errNo"] == number
    assert answer["errMsg"]


# Told


def test_cloud_without_websockets_is_refused() -> None:
    with pytest.raises(LocalError, match="aws_http has no WebSocket gateway"):
        server_options(replace(AWS, dialect="aws_http", sockets=None))


def test_requests_of_functions_are_told_from_those_to_an_application(echo: Local) -> None:
    def takes(method: str, path: str) -> bool:
        return echo.sockets.takes({"method": method, "raw_path": path.encode()})

    assert takes("POST", "/prod/@connections/L0SM9cOFvHcCIhw=")
    assert takes("GET", "/%40connections/L0SM9cOFvHcCIhw%3D")
    assert not takes("GET", "/connections/1")
    assert not takes("POST", "/prod/@connections")
