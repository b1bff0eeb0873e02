"""Request IDs on any ASGI server, without the adapter and inside of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from slsadapt import logs, wrap
from slsadapt.errors import OptionError
from slsadapt.middleware.asgi import RequestIDMiddleware

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01".encode()
LOGGER = logging.getLogger("tests.middleware.asgi")

Message = dict[str, Any]
Pairs = list[tuple[bytes, bytes]]


class Records(logging.Handler):
    """Keeps each record's message and what the log context held."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append((record.getMessage(), logs.context()))


@pytest.fixture
def records() -> Iterator[Records]:
    handler = Records()
    loggers = LOGGER, logging.getLogger("slsadapt")
    before = [(each, each.level) for each in loggers]
    for each in loggers:
        each.addHandler(handler)
        each.setLevel(logging.INFO)
    yield handler
    for each, level in before:
        each.removeHandler(handler)
        each.setLevel(level)


class Answer:
    """What a server would send."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Any) -> None:
        await asyncio.sleep(0)
        self.messages.append(message)

    @property
    def start(self) -> Message:
        (start,) = [each for each in self.messages if each["type"] == "http.response.start"]
        return start

    @property
    def body(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.messages)

    def header(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.start["headers"] if each.lower() == name.lower()]


def scope_of(path: str = "/", headers: Pairs | None = None) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers or [],
        "client": ("127.0.0.1", 1234),
        "server": ("127.0.0.1", 80),
    }


def receiver() -> Callable[[], Awaitable[Any]]:
    """Make a ``receive`` that gives the body once, and no word of the client's leaving."""
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        return next(messages, None) or await asyncio.Event().wait()

    return receive


async def ignore(message: Any) -> None:
    """Take what is sent, and do nothing with it."""


async def call(app: Any, path: str = "/", headers: Pairs | None = None) -> Answer:
    """Serve one request in the task that asks, as a server with one task a connection would."""
    answer = Answer()
    await app(scope_of(path, headers), receiver(), answer.send)
    assert logs.context() == {}
    return answer


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """Answer the ID and log once."""
    LOGGER.info("in the call")
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": logs.request_id().encode()})


def event(path: str = "/") -> dict[str, Any]:
    """Write an event of AWS's payload 2.0."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "example.com"},
        "requestContext": {
            "requestId": "from-gateway",
            "stage": "$default",
            "http": {"method": "GET", "path": path, "sourceIp": "203.0.113.1"},
        },
        "isBase64Encoded": False,
    }


def test_application_and_response_have_the_same_new_id(records: Records) -> None:
    async def ask() -> list[Answer]:
        app = RequestIDMiddleware(plain)
        return [await call(app), await call(app)]

    answers = run(ask())
    ids = [value for answer in answers for value in answer.header(b"X-Request-ID")]
    assert [answer.body for answer in answers] == ids
    assert [len(each) for each in ids] == [32, 32]
    assert ids[0] != ids[1]
    assert records.seen == [("in the call", {"request_id": each.decode()}) for each in ids]


@pytest.mark.parametrize(
    ("options", "headers", "expected"),
    [
        pytest.param(
            {"trust": ["X-Request-ID"]}, [(b"x-request-id", b"abc-1")], b"abc-1", id="trusted"
        ),
        pytest.param(
            {"trust": ["X-Request-ID"]}, [(b"X-Request-Id", b"abc-1")], b"abc-1", id="any case"
        ),
        pytest.param(
            {"trust": ["X-One", "X-Two"]},
            [(b"x-one", b"not this one"), (b"x-two", b"two")],
            b"two",
            id="bad one passed over",
        ),
        pytest.param({}, [(b"traceparent", TRACEPARENT)], TRACE_ID.encode(), id="traceparent"),
        pytest.param(
            {"trust": ["X-Request-ID"]},
            [(b"traceparent", TRACEPARENT), (b"x-request-id", b"mine")],
            b"mine",
            id="trusted before traceparent",
        ),
        pytest.param(
            {"generate": lambda: "made"}, [(b"x-request-id", b"abc")], b"made", id="untrusted"
        ),
        pytest.param(
            {"generate": lambda: "made"},
            [(b"traceparent", TRACEPARENT), (b"traceparent", TRACEPARENT)],
            b"made",
            id="two traceparents",
        ),
    ],
)
def test_id_comes_from(options: dict[str, Any], headers: Pairs, expected: bytes) -> None:
    answer = run(call(RequestIDMiddleware(plain, **options), headers=headers))
    assert answer.header(b"X-Request-ID") == [expected]
    assert answer.body == expected


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([b"forged\nline"], id="line feed"),
        pytest.param([b"forged\r\nset-cookie: a=b"], id="header"),
        pytest.param([b"forged\n"], id="line feed at the end"),
        pytest.param([b"forg\xe9d"], id="latin-1"),
        pytest.param("\u0661\u0662\u0663".encode(), id="digits of another script"),
        pytest.param([b"f" * 129], id="129 characters"),
        pytest.param([b"{4bf92f3577b34da6a3ce929d0e0e4736}"], id="braces"),
        pytest.param([b"forged", b"twice"], id="repeated"),
        pytest.param([b"-forged"], id="dash first"),
        pytest.param([b""], id="empty"),
    ],
)
def test_bad_trusted_id_is_replaced_and_never_echoed(
    records: Records, values: list[bytes] | bytes
) -> None:
    app = RequestIDMiddleware(plain, trust=["X-Request-ID"], generate=lambda: "made")
    values = [values] if isinstance(values, bytes) else values
    answer = run(call(app, headers=[(b"x-request-id", value) for value in values]))
    assert answer.start["headers"] == [(b"content-type", b"text/plain"), (b"x-request-id", b"made")]
    assert answer.body == b"made"
    assert records.seen == [("in the call", {"request_id": "made"})]


def test_header_can_be_left_out() -> None:
    answer = run(call(RequestIDMiddleware(plain, header=None)))
    assert answer.start["headers"] == [(b"content-type", b"text/plain")]
    assert len(answer.body) == 32


def test_header_can_have_another_name() -> None:
    answer = run(call(RequestIDMiddleware(plain, header="X-Trace")))
    assert answer.header(b"x-trace") == [answer.body]
    assert answer.header(b"x-request-id") == []


def test_wrong_option_is_refused_at_once() -> None:
    with pytest.raises(OptionError, match="X-Request-ID"):
        RequestIDMiddleware(plain, trust="X-Request-ID")


@pytest.mark.parametrize("name", [b"x-request-id", b"X-Request-ID"])
def test_header_of_the_application_is_kept(name: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(name, b"its own")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    assert run(call(RequestIDMiddleware(app))).start["headers"] == [(name, b"its own")]


def test_start_without_headers_gets_one() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    answer = run(call(RequestIDMiddleware(app, generate=lambda: "made")))
    assert answer.start["headers"] == [(b"x-request-id", b"made")]


def test_message_and_headers_are_not_changed_in_place() -> None:
    shared: Message = {"type": "http.response.start", "status": 204, "headers": ((b"a", b"b"),)}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(shared)
        await send({"type": "http.response.body"})

    answer = run(call(RequestIDMiddleware(app, generate=lambda: "made")))
    assert answer.start["headers"] == [(b"a", b"b"), (b"x-request-id", b"made")]
    assert shared["headers"] == ((b"a", b"b"),)


def test_lifespan_is_left_alone() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send, logs.context()))

    receive, scope = receiver(), {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    run(RequestIDMiddleware(app)(scope, receive, ignore))
    assert seen == [(scope, receive, ignore, {})]
    assert seen[0][0] is scope


def test_exception_passes_and_leaves_nothing() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        logs.bind(user="ada")
        raise LookupError(logs.request_id())

    async def ask() -> dict[str, Any]:
        with pytest.raises(LookupError, match="made"):
            await RequestIDMiddleware(app, generate=lambda: "made")(scope_of(), receiver(), ignore)
        return logs.context()

    assert run(ask()) == {}


def test_bound_fields_are_gone_for_the_next_request_of_the_task(records: Records) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        LOGGER.info("before")
        logs.bind(path=scope["path"])
        await asyncio.sleep(0)
        LOGGER.info("after")

    async def ask() -> None:
        numbers = iter(("first", "second"))
        middleware = RequestIDMiddleware(app, generate=lambda: next(numbers))
        logs.bind(server="here")
        for path in ("/1", "/2"):
            await middleware(scope_of(path), receiver(), ignore)
            assert logs.context() == {"server": "here"}

    run(ask())
    assert records.seen == [
        ("before", {"request_id": "first", "server": "here"}),
        ("after", {"request_id": "first", "server": "here", "path": "/1"}),
        ("before", {"request_id": "second", "server": "here"}),
        ("after", {"request_id": "second", "server": "here", "path": "/2"}),
    ]


def test_nested_twice_gives_one_id_and_one_header(records: Records) -> None:
    inner = RequestIDMiddleware(plain, generate=lambda: "inner")
    answer = run(call(RequestIDMiddleware(inner, generate=lambda: "made")))
    assert answer.header(b"x-request-id") == [b"made"]
    assert answer.body == b"made"
    assert records.seen == [("in the call", {"request_id": "made"})]


def test_inner_one_can_answer_where_the_outer_one_does_not() -> None:
    inner = RequestIDMiddleware(plain, header="X-Inner")
    answer = run(call(RequestIDMiddleware(inner, header=None, generate=lambda: "made")))
    assert answer.header(b"x-inner") == [b"made"]


def test_inside_of_wrap_the_gateways_id_stays(records: Records) -> None:
    handler = wrap(RequestIDMiddleware(plain, generate=lambda: "inner"))
    result = handler(event())
    handler.pre_stop()
    assert result["headers"] == {"content-type": "text/plain", "x-request-id": "from-gateway"}
    assert result["body"] == "from-gateway"
    assert ("in the call", {"request_id": "from-gateway"}) in records.seen


class Context:
    """What AWS passes beside the event."""

    aws_request_id = "from-platform"
    function_name = "shop"
    function_version = "1"


def test_inside_of_wrap_without_ids_it_gives_its_own_and_keeps_the_rest(records: Records) -> None:
    handler = wrap(
        RequestIDMiddleware(plain, generate=lambda: "inner"), request_id=False, lifespan="off"
    )
    result = handler(event(), Context())
    handler.pre_stop()
    assert result["headers"] == {"content-type": "text/plain", "x-request-id": "inner"}
    found = {"request_id": "inner", "invocation_id": "from-platform", "function": "shop"}
    assert records.seen == [("in the call", found)]


def test_inside_of_wrap_bound_fields_stay_for_the_log_line_of_a_500(records: Records) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        logs.bind(user="ada")
        raise LookupError

    told: list[dict[str, Any]] = []
    handler = wrap(
        RequestIDMiddleware(RequestIDMiddleware(app)),
        lifespan="off",
        timing=lambda timing: told.append(logs.context()),
    )
    result = handler(event())
    handler.pre_stop()
    assert result["statusCode"] == 500
    assert result["headers"]["x-request-id"] == "from-gateway"
    message, found = records.seen[-1]
    assert message == "request from-gateway failed: GET /"
    for each in (found, *told):
        assert (each["request_id"], each["user"]) == ("from-gateway", "ada")
    assert len(told) == 1


def communicator(app: Any, scope: dict[str, Any]) -> Any:
    """Talk to a WebSocket's application, in a task of its own."""
    make: Any = ApplicationCommunicator
    return make(app, scope)


async def chat(socket: WebSocket) -> None:
    await socket.accept(headers=[(b"x-own", b"1")])
    logs.bind(user="ada")
    async for text in socket.iter_text():
        LOGGER.info("took %s", text)
        await socket.send_text(logs.request_id())


def websocket_scope(headers: Pairs) -> dict[str, Any]:
    return {**scope_of("/chat", headers), "type": "websocket", "scheme": "ws", "subprotocols": []}


def test_websocket_has_its_id_from_handshake_to_end(records: Records) -> None:
    app = Starlette(routes=[WebSocketRoute("/chat", chat)])
    app.add_middleware(RequestIDMiddleware, trust=["X-Request-ID"])

    async def talk() -> list[Any]:
        socket = communicator(app, websocket_scope([(b"x-request-id", b"abc")]))
        await socket.send_input({"type": "websocket.connect"})
        said = [await socket.receive_output(10)]
        for text in ("one", "two"):
            await socket.send_input({"type": "websocket.receive", "text": text})
            said.append(await socket.receive_output(10))
        await socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await socket.wait(10)
        return said

    accept, *texts = run(talk())
    assert accept["type"] == "websocket.accept"
    assert accept["headers"] == [(b"x-own", b"1"), (b"x-request-id", b"abc")]
    assert texts == [{"type": "websocket.send", "text": "abc"}] * 2
    bound = {"request_id": "abc", "user": "ada"}
    assert records.seen == [("took one", bound), ("took two", bound)]


def test_refused_handshake_carries_the_id() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})

    async def ask() -> list[Any]:
        answer = Answer()
        middleware = RequestIDMiddleware(app, generate=lambda: "made")
        await middleware(websocket_scope([]), receiver(), answer.send)
        return answer.messages

    assert run(ask())[0]["headers"] == [(b"x-request-id", b"made")]


def test_two_websockets_keep_their_contexts_while_they_take_turns() -> None:
    app = RequestIDMiddleware(
        Starlette(routes=[WebSocketRoute("/chat", chat)]), trust=["X-Request-ID"]
    )

    async def talk() -> list[Any]:
        sockets = [
            communicator(app, websocket_scope([(b"x-request-id", name)]))
            for name in (b"first", b"second")
        ]
        said = []
        for socket in sockets:
            await socket.send_input({"type": "websocket.connect"})
            await socket.receive_output(10)
        for _ in range(2):
            for socket in sockets:
                await socket.send_input({"type": "websocket.receive", "text": "?"})
                said.append((await socket.receive_output(10))["text"])
        for socket in sockets:
            await socket.send_input({"type": "websocket.disconnect", "code": 1000})
            await socket.wait(10)
        return said

    assert run(talk()) == ["first", "second"] * 2


async def page(request: Request) -> Response:
    LOGGER.info("endpoint")
    return PlainTextResponse(logs.request_id())


def sync_page(request: Request) -> Response:
    LOGGER.info("endpoint")
    return PlainTextResponse(logs.request_id())


async def parts() -> AsyncIterator[bytes]:
    try:
        for _ in range(2):
            LOGGER.info("part")
            yield logs.request_id().encode()
    finally:
        LOGGER.info("end")


async def stream(request: Request) -> Response:
    logs.bind(user="ada")
    return StreamingResponse(parts())


def later() -> None:
    LOGGER.info("background")


async def background(request: Request) -> Response:
    logs.bind(user="ada")
    return PlainTextResponse("done", background=BackgroundTask(later))


async def failing(request: Request) -> Response:
    raise LookupError("a fault of the application")


ROUTES = [
    Route("/", page),
    Route("/sync", sync_page),
    Route("/stream", stream),
    Route("/background", background),
    Route("/failing", failing),
]
MINE: Pairs = [(b"x-request-id", b"abc")]
BOUND = {"request_id": "abc", "user": "ada"}


def starlette() -> Starlette:
    app = Starlette(routes=ROUTES)
    app.add_middleware(RequestIDMiddleware, trust=["X-Request-ID"])
    return app


def fastapi() -> FastAPI:
    app = FastAPI()
    app.router.routes.extend(ROUTES)
    app.add_middleware(RequestIDMiddleware, trust=["X-Request-ID"])
    return app


@pytest.mark.parametrize("make", [starlette, fastapi])
@pytest.mark.parametrize(
    ("path", "body", "seen"),
    [
        pytest.param("/", b"abc", [("endpoint", {"request_id": "abc"})], id="coroutine"),
        pytest.param("/sync", b"abc", [("endpoint", {"request_id": "abc"})], id="in a thread"),
        pytest.param(
            "/stream",
            b"abcabc",
            [("part", BOUND), ("part", BOUND), ("end", BOUND)],
            id="stream",
        ),
        pytest.param("/background", b"done", [("background", BOUND)], id="background task"),
    ],
)
def test_add_middleware_serves(
    records: Records, make: Callable[[], Any], path: str, body: bytes, seen: list[Any]
) -> None:
    answer = run(call(make(), path, MINE))
    assert answer.header(b"x-request-id") == [b"abc"]
    assert answer.body == body
    assert records.seen == seen


@pytest.mark.parametrize("make", [starlette, fastapi])
def test_404_carries_the_id(make: Callable[[], Any]) -> None:
    answer = run(call(make(), "/nowhere", MINE))
    assert answer.start["status"] == 404
    assert answer.header(b"x-request-id") == [b"abc"]


def test_frameworks_own_500_carries_the_id_where_the_middleware_is_outermost() -> None:
    async def ask() -> tuple[Answer, dict[str, Any]]:
        answer = Answer()
        app = RequestIDMiddleware(Starlette(routes=ROUTES), trust=["X-Request-ID"])
        with pytest.raises(LookupError, match="a fault of the application"):
            await app(scope_of("/failing", MINE), receiver(), answer.send)
        return answer, logs.context()

    answer, left = run(ask())
    assert answer.start["status"] == 500
    assert answer.header(b"x-request-id") == [b"abc"]
    assert left == {}


def test_fastapi_dependency_and_endpoint_share_the_context(records: Records) -> None:
    from fastapi import Depends

    app = FastAPI()
    app.add_middleware(RequestIDMiddleware, trust=["X-Request-ID"])

    async def user() -> str:
        logs.bind(user="ada")
        return "ada"

    async def order(name: str = Depends(user)) -> dict[str, str]:
        LOGGER.info("endpoint")
        return {"id": logs.request_id()}

    app.get("/order")(order)
    answer = run(call(app, "/order", MINE))
    assert answer.body == b'{"id":"abc"}'
    assert records.seen == [("endpoint", BOUND)]


def test_base_http_middleware_inside_logs_with_the_id(records: Records) -> None:
    async def dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
        logs.bind(user="ada")
        LOGGER.info("before")
        response = await call_next(request)
        LOGGER.info("after")
        return response

    app = Starlette(
        routes=ROUTES,
        middleware=[
            Middleware(RequestIDMiddleware, trust=["X-Request-ID"]),
            Middleware(BaseHTTPMiddleware, dispatch=dispatch),
        ],
    )
    answer = run(call(app, "/stream", MINE))
    assert answer.header(b"x-request-id") == [b"abc"]
    assert answer.body == b"abcabc"
    assert sorted(message for message, _ in records.seen) == sorted(
        ["before", "after", "part", "part", "end"]
    )
    assert [found for _, found in records.seen] == [BOUND] * 5


def test_task_that_outlives_the_request_keeps_its_id(records: Records) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def outlive(served: asyncio.Event) -> None:
        await served.wait()
        LOGGER.info("left behind")

    async def ask() -> None:
        served = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            logs.bind(user="ada")
            tasks.append(asyncio.create_task(outlive(served)))

        await RequestIDMiddleware(app, generate=lambda: "abc")(scope_of(), receiver(), ignore)
        assert logs.context() == {}
        served.set()
        await tasks[0]

    run(ask())
    assert records.seen == [("left behind", BOUND)]


REQUESTS = 600


def test_concurrent_requests_and_cancellations_mix_nothing_up() -> None:
    """Every third request is cancelled while it waits, every third raises."""
    wrong: list[Any] = []
    checks = 0

    def check(place: str, found: dict[str, Any], expected: dict[str, Any]) -> None:
        nonlocal checks
        checks += 1
        if found != expected:
            wrong.append((place, found, expected))

    async def all_at_once() -> list[Any]:
        waiting: list[int] = []
        never = asyncio.Event()

        async def child(expected: dict[str, Any]) -> None:
            await asyncio.sleep(0)
            logs.bind(child=True)
            check("child", logs.context(), expected | {"child": True})

        async def app(scope: Any, receive: Any, send: Any) -> None:
            number = int(scope["path"][1:])
            mine: dict[str, Any] = {"request_id": f"id-{number}"}
            check("begin", logs.context(), mine)
            logs.bind(number=number)
            mine["number"] = number
            for _ in range(number % 5):
                await asyncio.sleep(0)
                check("step", logs.context(), mine)
            await asyncio.gather(child(mine), asyncio.to_thread(lambda: None))
            if number % 3 == 1:
                raise LookupError(logs.request_id())
            if number % 3 == 2:
                waiting.append(number)
                try:
                    await never.wait()
                finally:
                    check("cancelled", logs.context(), mine)
            await plain(scope, receive, send)

        middleware = RequestIDMiddleware(app, trust=["X-Request-ID"])

        async def one(number: int) -> str:
            answer = Answer()
            headers = [(b"x-request-id", b"id-%d" % number)]
            outcome = ""
            try:
                await middleware(scope_of(f"/{number}", headers), receiver(), answer.send)
                outcome = f"answered {answer.header(b'x-request-id')[0].decode()}"
            except LookupError as error:
                outcome = f"raised {error}"
            except asyncio.CancelledError:
                outcome = "cancelled"
            check("left", logs.context(), {})
            return outcome

        tasks = [asyncio.create_task(one(number)) for number in range(REQUESTS)]
        while len(waiting) < REQUESTS // 3:
            await asyncio.sleep(0)
        for number in waiting:
            tasks[number].cancel()
        return await asyncio.gather(*tasks)

    outcomes = run(all_at_once())
    assert wrong == []
    for number, outcome in enumerate(outcomes):
        assert outcome == (f"answered id-{number}", f"raised id-{number}", "cancelled")[number % 3]
    # Begin, child and end of each, on average two steps, and a third of them cancelled.
    assert checks == REQUESTS * 3 + REQUESTS * 2 + REQUESTS // 3


def test_stream_abandoned_by_the_server_leaves_nothing() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        logs.bind(user="ada")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise AssertionError("the server should have refused this")

    async def refuse(message: Any) -> None:
        raise ConnectionResetError("gone")

    async def ask() -> dict[str, Any]:
        serving: Awaitable[None] = RequestIDMiddleware(app)(scope_of(), receiver(), refuse)
        with pytest.raises(ConnectionResetError):
            await serving
        return logs.context()

    assert run(ask()) == {}
