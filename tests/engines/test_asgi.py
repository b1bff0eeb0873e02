"""HTTP through ASGI applications: what they see, what they may do, and what they do wrong."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import subprocess
import sys
from base64 import b64decode
from contextlib import ExitStack, asynccontextmanager
from contextvars import ContextVar
from functools import partial, wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import falcon.asgi
import httpx
import pytest
from fastapi import Depends, FastAPI
from quart import Quart
from quart import request as quart_request
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from slsadapt import ApplicationError, Request, wrap
from slsadapt.engines.asgi import AsgiEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
    from pathlib import Path

    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    import slsadapt

    Event = Callable[[str], dict[str, Any]]
    Client = Callable[..., dict[str, Any]]
    Start = Callable[..., Client]

HTTP = "aws_http/rule_get_no_optional_keys"
URL = "aws_function_url/live_url_encoded_path_repeated"
START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
END: dict[str, Any] = {"type": "http.response.body", "body": b"late"}
DISCONNECT = {"type": "http.disconnect"}


@pytest.fixture
def start(event: Event) -> Iterator[Start]:
    """Give what starts an application and returns its client; all are stopped at the end."""
    with ExitStack() as stack:

        def start(app: Any, lifespan: Any = "off", **options: Any) -> Client:
            handler = wrap(app, lifespan=lifespan, **options)
            stack.callback(handler.pre_stop)

            def client(path: str = "/", method: str = "GET", body: str = "") -> dict[str, Any]:
                sent = event(HTTP) | {"rawPath": path, "body": body}
                sent["requestContext"]["http"]["method"] = method
                result: dict[str, Any] = handler(sent)
                return result

            return client

        yield start


def serve(app: Any, request: Request) -> slsadapt.Response:
    """Run one request through the engine alone."""
    engine = AsgiEngine(app, "off", 10.0)
    try:
        return engine.run(engine.prepare(*(getattr(request, name) for name in Request.__slots__)))
    finally:
        engine.close()


def noting(seen: dict[str, Any]) -> ASGIApp:
    """Make the application that answers "ok" and notes its scope."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.update(scope)
        await answer(send)

    return app


def scope_of(request: Request) -> Scope:
    """Return the scope that an application finds for a request."""
    seen: dict[str, Any] = {}
    serve(noting(seen), request)
    return seen


def scope_of_event(sent: dict[str, Any], context: object = None) -> Scope:
    """Return the scope that an application finds for an event."""
    seen: dict[str, Any] = {}
    handler = wrap(noting(seen), lifespan="off")
    handler(sent, context)
    handler.pre_stop()
    return seen


async def answer(send: Send, body: bytes = b"ok") -> None:
    await send(START)
    await send({"type": "http.response.body", "body": body})


def sending(*messages: Message) -> ASGIApp:
    """Make the application that sends ``messages``, but answers "ok" at ``/good``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/good":
            await answer(send)
            return
        for message in messages:
            await send(message)

    return app


def octets(result: dict[str, Any]) -> bytes:
    body: str = result["body"]
    return b64decode(body) if result["isBase64Encoded"] else body.encode()


# The scope


def test_scope_holds_the_request() -> None:
    request = Request(
        "POST",
        "/caf%C3%A9/a%2Fb",
        query="q=%E9&q=1+2",
        headers=[("x-name", "one"), ("accept", "*/*"), ("x-name", "two"), ("x-latin", "\xe9")],
        scheme="http",
        client=("192.0.2.7", 4711),
        server=("shop.example", 8080),
        root_path="/my stage",
    )
    assert scope_of(request) == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/my stage/café/a/b",
        "raw_path": b"/my%20stage/caf%C3%A9/a%2Fb",
        "query_string": b"q=%E9&q=1+2",
        "root_path": "/my stage",
        "headers": [
            (b"x-name", b"one"),
            (b"accept", b"*/*"),
            (b"x-name", b"two"),
            (b"x-latin", b"\xe9"),
        ],
        "client": ("192.0.2.7", 4711),
        "server": ("shop.example", 8080),
    }


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        pytest.param("/a%2Fb", "/a/b", id="escaped slash"),
        pytest.param("/%e4%bd%A0", "/你", id="escapes in either case"),
        pytest.param("/caf%E9", "/caf\N{REPLACEMENT CHARACTER}", id="not UTF-8"),
        pytest.param("/a%252Fb", "/a%2Fb", id="escaped percent sign"),
        pytest.param("/100%/%zz", "/100%/%zz", id="stray percent signs"),
        pytest.param("//a//b/", "//a//b/", id="doubled slashes"),
    ],
)
def test_raw_path_stays_as_sent(sent: str, path: str) -> None:
    scope = scope_of(Request("GET", sent))
    assert (scope["raw_path"], scope["path"]) == (sent.encode(), path)


def test_absent_client_is_none() -> None:
    assert scope_of(Request("GET", "/"))["client"] is None


def test_scope_of_a_real_event(event: Event) -> None:
    sent, context = event(URL), object()
    scope = scope_of_event(sent, context)
    expected = {
        "method": "POST",
        "scheme": "https",
        "path": "/capture/space value",
        "raw_path": b"/capture/space%20value",
        "query_string": b"repeat=one&repeat=two&redirect=https%3A%2F%2Fexample.com%2Fa%2Fb"
        b"&literalPlus=a+b&encodedPlus=a%2Bb&empty=",
        "root_path": "",
        "client": ("203.0.113.18", 0),
        "server": ("2cxn22odiwguak4feg4jtt7cwm0ziblr.lambda-url.us-west-2.on.aws", 443),
    }
    assert {key: scope[key] for key in expected} == expected
    assert (b"x-voker-probe", b"first,second") in scope["headers"]
    assert [value for name, value in scope["headers"] if name == b"cookie"] == [
        b"session=abc123; theme=dark"
    ]
    assert scope["serverless.event"] is scope["aws.event"] is sent
    assert scope["serverless.context"] is scope["aws.context"] is context
    assert scope["serverless.authorizer"]["jwt"] == {"claims": None, "scopes": None}


def test_scope_of_a_tencent_event_has_nothing_of_aws(event: Event) -> None:
    sent = event("tencent_apigw/post_json_doc")
    scope = scope_of_event(sent)
    assert scope["serverless.event"] is sent
    assert not [key for key in scope if key.startswith("aws.")]


@pytest.mark.parametrize("name", ["Proxy", "proxy", "X_Real_IP", "x-real_ip"])
def test_header_that_could_pass_for_another_is_dropped(event: Event, name: str) -> None:
    sent = event(HTTP)
    sent["headers"] = {"Host": "shop.example", name: "10.0.0.1", "X-Mine": "yes"}
    # Twice, as names are remembered.
    for _ in range(2):
        headers = scope_of_event(sent)["headers"]
        assert headers == [(b"host", b"shop.example"), (b"x-mine", b"yes")]


# Request and response bodies


def test_body_comes_once_and_then_receive_waits_for_the_end_of_the_response() -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())
        listeners = [asyncio.ensure_future(receive()) for _ in range(2)]
        await asyncio.sleep(0.01)
        await send(START)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await asyncio.sleep(0.01)
        seen.append([listener.done() for listener in listeners])
        await send({"type": "http.response.body", "body": b""})
        seen.extend(await asyncio.gather(*listeners))
        seen.append(await receive())

    assert serve(app, Request("POST", "/", body=b"hello")).body == b"first"
    assert seen == [
        {"type": "http.request", "body": b"hello", "more_body": False},
        [False, False],
        DISCONNECT,
        DISCONNECT,
        DISCONNECT,
    ]


def test_receive_that_was_given_up_leaves_the_response_alone() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(receive(), 0.01)
        await answer(send)

    assert serve(app, Request("GET", "/")).body == b"ok"


def test_absent_body_is_empty() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, repr(await receive()).encode())

    body = serve(app, Request("GET", "/")).body
    assert body == b"{'type': 'http.request', 'body': b'', 'more_body': False}"


@pytest.mark.parametrize(
    ("chunks", "body"),
    [
        pytest.param([b"one"], b"one", id="one chunk"),
        pytest.param([b"one ", b"", b"two"], b"one two", id="several, one empty"),
        pytest.param([bytearray(b"\x00\xff")], b"\x00\xff", id="bytearray"),
        pytest.param([memoryview(b"-one-")[1:-1], b" two"], b"one two", id="memoryview"),
        pytest.param([b""], b"", id="nothing"),
    ],
)
def test_chunks_are_joined(chunks: list[Any], body: bytes) -> None:
    last = len(chunks) - 1
    messages = [
        {"type": "http.response.body", "body": chunk, "more_body": number < last}
        for number, chunk in enumerate(chunks)
    ]
    response = serve(sending(START, *messages), Request("GET", "/"))
    assert response.body == body
    assert type(response.body) is bytes


def test_chunk_may_be_changed_after_it_was_sent() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        buffer = bytearray(b"one ")
        await send(START)
        await send({"type": "http.response.body", "body": buffer, "more_body": True})
        buffer[:] = b"two "
        await send({"type": "http.response.body", "body": buffer})

    assert serve(app, Request("GET", "/")).body == b"one two "


def test_headers_and_body_may_be_left_out() -> None:
    response = serve(
        sending(
            {"type": "http.response.start", "status": HTTPStatus.ACCEPTED},
            {"type": "http.response.body"},
        ),
        Request("GET", "/"),
    )
    assert (response.status, list(response.headers), response.body) == (202, [], b"")


def test_response_headers_keep_octets_case_order_and_repeats() -> None:
    headers = [(b"X-Name", b"caf\xe9"), (b"link", b"<a>"), (b"x-name", b"2"), (b"Link", b"<b>")]
    response = serve(sending(START | {"headers": iter(headers)}, END), Request("GET", "/"))
    assert list(response.headers) == [
        ("X-Name", "caf\xe9"),
        ("link", "<a>"),
        ("x-name", "2"),
        ("Link", "<b>"),
    ]


def test_20_megabytes_pass_both_ways() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        await send(START)
        for position in range(0, len(body), 1 << 16):
            chunk = body[position : position + (1 << 16)]
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    body = bytes(range(256)) * (20 * 4096)
    assert serve(app, Request("POST", "/", body=body)).body == body


@pytest.mark.parametrize(
    ("method", "status"),
    [
        pytest.param("HEAD", 200, id="HEAD"),
        pytest.param("GET", 204, id="204"),
        pytest.param("GET", 304, id="304"),
    ],
)
def test_response_that_may_have_no_body_has_none(start: Start, method: str, status: int) -> None:
    length = [(b"content-length", b"4")]
    client = start(sending(START | {"status": status, "headers": length}, END))
    result = client("/", method)
    assert (result["statusCode"], result["body"]) == (status, "")
    assert result["headers"]["content-length"] == "4"


# Forms that an application may take


class Asgi2:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, receive: Receive, send: Send) -> None:
        await answer(send, self.scope["method"].encode())


class Instance:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, scope["method"].encode())


async def configured(prefix: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, prefix + scope["method"].encode())


def synchronous(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    return answer(send, scope["method"].encode())


def scheduling(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    return asyncio.ensure_future(answer(send, scope["method"].encode()))


def decorator(app: ASGIApp) -> ASGIApp:
    @wraps(app)
    async def decorated(*args: Any) -> None:
        await app(*args)

    return decorated


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(Asgi2, id="ASGI 2 class"),
        pytest.param(Instance(), id="instance"),
        pytest.param(Instance().__call__, id="bound method"),
        pytest.param(partial(configured, b""), id="partial"),
        pytest.param(decorator(Instance().__call__), id="decorated"),
        pytest.param(synchronous, id="function that returns a coroutine"),
        pytest.param(scheduling, id="function that returns a task"),
    ],
)
def test_application_may_take_many_forms(start: Start, app: Any) -> None:
    assert start(app)()["body"] == "GET"


# Frameworks


def test_quart_echoes(start: Start) -> None:
    app = Quart("shop")

    @app.post("/echo")
    async def echo() -> str | bytes:
        return await quart_request.get_data()

    client = start(app, lifespan="on")
    assert [client("/echo", "POST", text)["body"] for text in ("one", "two")] == ["one", "two"]


def test_falcon_echoes(start: Start) -> None:
    class Echo:
        async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
            resp.content_type = "text/plain"
            resp.data = await req.bounded_stream.read()

    app: Any = falcon.asgi.App()
    app.add_route("/echo", Echo())
    client = start(app, lifespan="on")
    assert [client("/echo", "POST", text)["body"] for text in ("one", "two")] == ["one", "two"]


DJANGO = """
import asyncio, json, sys
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from slsadapt import wrap

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])

def blocking(request):
    return HttpResponse(b"blocking " + request.body)

async def asynchronous(request):
    await asyncio.sleep(0)
    return HttpResponse(b"asynchronous " + request.body)

async def chunks():
    for chunk in (b"stream", b"ing"):
        await asyncio.sleep(0)
        yield chunk

async def streaming(request):
    return StreamingHttpResponse(chunks())

def failing(request):
    raise ValueError("no such luck")

urlpatterns = [path(view.__name__, view) for view in (blocking, asynchronous, streaming, failing)]
handler = wrap(get_asgi_application())
event = json.load(sys.stdin)
event["requestContext"]["http"]["method"] = "POST"
for name in ("blocking", "asynchronous", "failing", "streaming", "blocking"):
    result = handler(event | {"rawPath": "/" + name, "body": "body"})
    print(result["statusCode"], result["body"].strip().partition("\\n")[0])
"""


def test_django_serves_every_kind_of_view(event: Event) -> None:
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", DJANGO],
        input=json.dumps(event(HTTP)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert child.stdout.splitlines() == [
        "200 blocking body",
        "200 asynchronous body",
        "500 <!doctype html>",
        "200 streaming",
        "200 blocking body",
    ], child.stderr


async def async_chunks() -> AsyncIterator[bytes]:
    for number in range(5):
        yield b"%d" % number
        await asyncio.sleep(0.001)


def sync_chunks() -> Iterator[bytes]:
    for number in range(5):
        yield b"%d" % number


class Tagged(BaseHTTPMiddleware):
    """Reads nothing and adds a header, over task groups and streams of anyio."""

    async def dispatch(
        self, request: StarletteRequest, call_next: RequestResponseEndpoint
    ) -> Response:
        response = await call_next(request)
        response.headers["x-tag"] = "tagged"
        return response


@pytest.mark.parametrize("middleware", [[], [Middleware(Tagged)]], ids=["bare", "middleware"])
@pytest.mark.parametrize("chunks", [async_chunks, sync_chunks])
def test_starlette_streams(
    start: Start, chunks: Callable[[], Any], middleware: list[Middleware]
) -> None:
    async def stream(request: StarletteRequest) -> Response:
        return StreamingResponse(chunks(), media_type="text/plain")

    client = start(Starlette(routes=[Route("/", stream)], middleware=middleware))
    for _ in range(2):
        result = client()
        assert result["body"] == "01234"
        assert result["headers"].get("x-tag") == ("tagged" if middleware else None)


@pytest.mark.parametrize("middleware", [[], [Middleware(Tagged)]], ids=["bare", "middleware"])
def test_background_work_is_done_before_the_handler_returns(
    start: Start, middleware: list[Middleware]
) -> None:
    done: list[str] = []

    def work() -> None:
        done.append("work")

    async def async_work() -> None:
        await asyncio.sleep(0.001)
        done.append("async work")

    def endpoint(request: StarletteRequest) -> Response:
        task = BackgroundTask(async_work if request.url.path == "/async" else work)
        return PlainTextResponse("ok", background=task)

    client = start(Starlette(routes=[Route("/{way}", endpoint)], middleware=middleware))
    assert client("/async")["body"] == "ok"
    assert done == ["async work"]
    assert client("/sync")["body"] == "ok"
    assert done == ["async work", "work"]


def test_failed_background_work_is_logged_behind_a_good_response(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("no mail today")

    def endpoint(request: StarletteRequest) -> Response:
        return PlainTextResponse("sent", background=BackgroundTask(work))

    client = start(Starlette(routes=[Route("/", endpoint)]))
    result = client()
    assert (result["statusCode"], result["body"]) == (200, "sent")
    [record] = caplog.records
    assert "ValueError: no mail today" in (record.exc_text or "")


def test_file_is_sent(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(bytes(range(256)) * 1000)
    client = start(Starlette(routes=[Route("/", lambda request: FileResponse(file))]))
    result = client()
    assert result["headers"]["content-type"] == "image/png"
    assert octets(result) == file.read_bytes()


def test_client_is_connected_while_its_request_is_served(start: Start) -> None:
    async def endpoint(request: StarletteRequest) -> Response:
        body = await request.body()
        return PlainTextResponse(f"{body.decode()} {await request.is_disconnected()}")

    app = Starlette(
        routes=[Route("/", endpoint, methods=["POST"])], middleware=[Middleware(Tagged)]
    )
    assert start(app)("/", "POST", "body")["body"] == "body False"


TENANT: ContextVar[str] = ContextVar("tenant", default="nobody")


def test_fastapi_runs_functions_dependencies_and_context(start: Start) -> None:
    app = FastAPI()
    steps: list[str] = []

    def session() -> Iterator[str]:
        steps.append("open")
        yield "session"
        steps.append("close")

    @app.middleware("http")
    async def tenant(request: StarletteRequest, call_next: RequestResponseEndpoint) -> Response:
        if name := request.url.path.rpartition("/")[2]:
            TENANT.set(name)
        return await call_next(request)

    @app.get("/blocking/{name}")
    def blocking(session: str = Depends(session)) -> str:
        steps.append("use")
        return f"{session} of {TENANT.get()}"

    @app.get("/asynchronous/{name:path}")
    async def asynchronous() -> str:
        return f"{await run_in_threadpool(TENANT.get)} and {TENANT.get()}"

    client = start(app, lifespan="on")
    assert client("/blocking/ann")["body"] == '"session of ann"'
    assert steps == ["open", "use", "close"]
    assert client("/asynchronous/bob")["body"] == '"bob and bob"'
    assert client("/asynchronous/")["body"] == '"nobody and nobody"'
    assert TENANT.get() == "nobody"


def test_http_client_lives_from_event_to_event(start: Start) -> None:
    inner = Starlette(routes=[Route("/{name}", lambda r: PlainTextResponse(r.path_params["name"]))])

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
        transport = httpx.ASGITransport(inner)
        async with httpx.AsyncClient(transport=transport, base_url="http://inner") as client:
            yield {"client": client}

    async def endpoint(request: StarletteRequest) -> Response:
        reply = await request.state.client.get(request.url.path)
        return PlainTextResponse(reply.text)

    client = start(Starlette(lifespan=lifespan, routes=[Route("/{name}", endpoint)]), lifespan="on")
    assert [client(f"/{name}")["body"] for name in "abc"] == ["a", "b", "c"]


# What asyncio and anyio promise inside a request


async def anyio_task_group() -> object:
    found: list[int] = []

    async def child(number: int) -> None:
        await anyio.sleep(0)
        found.append(number)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(child, number)
    return sorted(found) == [0, 1, 2]


async def anyio_deadline() -> object:
    with anyio.move_on_after(0.01) as deadline:
        await anyio.sleep_forever()
    return deadline.cancelled_caught


async def anyio_thread() -> object:
    return await anyio.to_thread.run_sync(lambda: True)


async def asyncio_thread() -> object:
    return await asyncio.to_thread(lambda: True)


async def asyncio_gather() -> object:
    return await asyncio.gather(*(asyncio.sleep(0.001, number) for number in range(3))) == [0, 1, 2]


async def wait_for_in_time() -> object:
    return await asyncio.wait_for(asyncio.sleep(0, True), 10)


async def wait_for_too_late() -> object:
    try:
        return await asyncio.wait_for(asyncio.sleep(60, False), 0.01)
    except asyncio.TimeoutError:
        return True


async def running_loop() -> object:
    loop = asyncio.get_running_loop()
    return loop.is_running() and loop.time() > 0


async def same_task_after_a_suspension() -> object:
    task = asyncio.current_task()
    await asyncio.sleep(0)
    return task is not None and task is asyncio.current_task()


FEATS = [
    anyio_task_group,
    anyio_deadline,
    anyio_thread,
    asyncio_thread,
    asyncio_gather,
    wait_for_in_time,
    wait_for_too_late,
    running_loop,
    same_task_after_a_suspension,
]
if sys.version_info >= (3, 11):

    async def asyncio_timeout() -> object:
        try:
            async with asyncio.timeout(0.01):
                return await asyncio.sleep(60, False)
        except TimeoutError:
            return True

    async def asyncio_task_group() -> object:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0, number)) for number in range(3)]
        return [task.result() for task in tasks] == [0, 1, 2]

    FEATS += [asyncio_timeout, asyncio_task_group]


@pytest.mark.parametrize("suspended", [False, True], ids=["first step", "after a suspension"])
@pytest.mark.parametrize("feat", FEATS)
def test_asyncio_works(
    start: Start, feat: Callable[[], Coroutine[Any, Any, object]], suspended: bool
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if suspended:
            await asyncio.sleep(0)
        assert await feat() is True
        await answer(send)

    client = start(app, on_error="raise")
    assert [client()["body"] for _ in range(2)] == ["ok", "ok"]


@pytest.mark.parametrize("suspends", [False, True], ids=["first step", "suspended"])
def test_every_request_has_its_own_task_on_the_one_loop(start: Start, suspends: bool) -> None:
    tasks: list[object] = []
    loops: set[object] = set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if suspends:
            await asyncio.sleep(0)
        tasks.append(asyncio.current_task())
        loops.add(asyncio.get_running_loop())
        await answer(send)

    client = start(app)
    for _ in range(5):
        client()
    assert None not in tasks
    assert len({id(task) for task in tasks}) == 5
    assert len(loops) == 1


@pytest.mark.parametrize("suspends", [False, True], ids=["first step", "suspended"])
def test_context_variable_does_not_leak_into_the_next_request(start: Start, suspends: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        before = TENANT.get()
        TENANT.set(scope["path"])
        if suspends:
            await asyncio.sleep(0)
        await answer(send, f"{before} {TENANT.get()}".encode())

    client = start(app)
    assert [client(path)["body"] for path in ("/a", "/b")] == ["nobody /a", "nobody /b"]
    assert TENANT.get() == "nobody"


def test_task_goes_on_with_the_next_events(start: Start) -> None:
    steps: list[int] = []
    tasks: list[asyncio.Task[None]] = []

    async def count() -> None:
        for number in range(3):
            await asyncio.sleep(0)
            steps.append(number)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not tasks:
            tasks.append(asyncio.create_task(count()))
        await answer(send)

    client = start(app)
    for _ in range(5):
        client()
    assert steps == [0, 1, 2]


@pytest.mark.parametrize("kind", [asyncio.Lock, asyncio.Queue, asyncio.Event])
def test_primitive_of_one_request_serves_a_later_one(start: Start, kind: Callable[[], Any]) -> None:
    kept: list[Any] = []

    async def use(primitive: Any) -> None:
        if isinstance(primitive, asyncio.Lock):
            async with primitive:
                await asyncio.sleep(0)
        elif isinstance(primitive, asyncio.Queue):
            asyncio.get_running_loop().call_later(0.001, primitive.put_nowait, "item")
            await primitive.get()
        else:
            asyncio.get_running_loop().call_later(0.001, primitive.set)
            await primitive.wait()
            primitive.clear()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not kept:
            kept.append(kind())
        await asyncio.gather(use(kept[0]), asyncio.sleep(0))
        await answer(send)

    client = start(app, on_error="raise")
    assert [client()["body"] for _ in range(3)] == ["ok"] * 3


@pytest.mark.parametrize("suspends", [False, True], ids=["first step", "suspended"])
def test_unfinished_generator_is_closed_on_the_loop(start: Start, suspends: bool) -> None:
    closed: list[bool] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(9):
                yield number
        finally:
            await asyncio.sleep(0)
            closed.append(asyncio.current_task() is not None)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if suspends:
            await asyncio.sleep(0)
        async for _ in numbers():
            break
        await answer(send)

    client = start(app)
    for _ in range(5):
        client()
    assert closed
    assert all(closed)


# What applications do wrong


def shown(caplog: pytest.LogCaptureFixture) -> list[BaseException | None]:
    """Return the exceptions logged, by whomever, once nothing unfinished is left."""
    gc.collect()
    return [record.exc_info[1] if record.exc_info else None for record in caplog.records]


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        pytest.param([], "sent no response", id="nothing"),
        pytest.param([START], "did not finish", id="a start alone"),
        pytest.param([START, END | {"more_body": True}], "did not finish", id="no last chunk"),
        pytest.param([START, START, END], "twice", id="two starts"),
        pytest.param([END], "before http.response.start", id="body first"),
        pytest.param([{"type": "websocket.accept"}], "websocket.accept", id="unknown type"),
        pytest.param([START | {"status": "OK"}, END], "status", id="status is text"),
        pytest.param([START | {"status": "200"}, END], "status", id="status is digits"),
        pytest.param([START | {"status": None}, END], "status", id="status is None"),
        pytest.param([{"type": "http.response.start"}, END], "status", id="no status"),
        pytest.param([START | {"status": 99}, END], "99", id="status too low"),
        pytest.param([START | {"status": 600}, END], "600", id="status too high"),
        pytest.param([START | {"headers": [("x-a", "1")]}, END], "headers", id="headers are text"),
        pytest.param([START | {"headers": [b"x-a"]}, END], "headers", id="headers are no pairs"),
        pytest.param([START | {"headers": None}, END], "headers", id="headers are None"),
        pytest.param([START | {"headers": [(b"x-a", b"1\r\nb: 2")]}, END], "x-a", id="CR and LF"),
        pytest.param([START | {"headers": [(b"x\na", b"1")]}, END], "CR, LF", id="LF in a name"),
        pytest.param([START | {"headers": [(b"x-a", b"\0")]}, END], "x-a", id="NUL"),
        pytest.param([START, END | {"body": "text"}], "body", id="body is text"),
        pytest.param([START, END | {"body": None}], "body", id="body is None"),
    ],
)
def test_breach_of_asgi_is_a_500_and_the_next_event_is_served(
    start: Start, caplog: pytest.LogCaptureFixture, messages: list[Message], complaint: str
) -> None:
    client = start(sending(*messages))
    result = client("/bad")
    assert result["statusCode"] == 500
    assert result["body"] == "Internal Server Error"
    [error] = shown(caplog)
    assert isinstance(error, ApplicationError)
    assert complaint in str(error)
    assert client("/good")["body"] == "ok"


def cancel_own_task() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


def fail() -> None:
    raise ValueError("no such luck")


@pytest.mark.parametrize("suspends", [False, True], ids=["first step", "suspended"])
@pytest.mark.parametrize("started", [False, True], ids=["not started", "started"])
@pytest.mark.parametrize(
    ("mishap", "expected"),
    [
        pytest.param(fail, ValueError, id="exception"),
        pytest.param(cancel_own_task, ApplicationError, id="cancelled"),
    ],
)
def test_failure_is_a_500_and_the_next_event_is_served(
    start: Start,
    caplog: pytest.LogCaptureFixture,
    mishap: Callable[[], None],
    expected: type[Exception],
    started: bool,
    suspends: bool,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/bad":
            if started:
                await send(START)
            if suspends:
                await asyncio.sleep(0)
            mishap()
            await asyncio.sleep(0)
        await answer(send)

    client = start(app)
    assert client("/bad")["statusCode"] == 500
    [error] = shown(caplog)
    assert isinstance(error, expected)
    assert client("/good")["body"] == "ok"


@pytest.mark.parametrize(
    "mishap",
    [
        pytest.param(lambda send: send(START), id="another start"),
        pytest.param(lambda send: send(END), id="another body"),
        pytest.param(lambda send: send(END | {"more_body": True}), id="another chunk"),
        pytest.param(lambda send: send({"type": "http.response.trailers"}), id="unknown type"),
        pytest.param(lambda send: asyncio.to_thread(fail), id="exception"),
    ],
)
def test_complete_response_counts_and_what_fails_behind_it_is_logged(
    start: Start, caplog: pytest.LogCaptureFixture, mishap: Callable[[Send], Awaitable[None]]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"first")
        if scope["path"] == "/bad":
            await mishap(send)

    client = start(app)
    result = client("/bad")
    assert (result["statusCode"], result["body"]) == (200, "first")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert client("/good")["body"] == "first"


def test_complete_response_counts_though_its_task_is_cancelled(start: Start) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send)
        cancel_own_task()
        await asyncio.sleep(0)

    client = start(app)
    assert [client()["body"] for _ in range(2)] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("app", "error", "message"),
    [
        pytest.param(sending(), ApplicationError, "sent no response", id="breach of ASGI"),
        pytest.param(
            lambda scope, receive, send: fail(), ValueError, "no such luck", id="exception"
        ),
    ],
)
def test_failure_is_raised_where_asked_for(
    start: Start,
    caplog: pytest.LogCaptureFixture,
    app: ASGIApp,
    error: type[Exception],
    message: str,
) -> None:
    client = start(app, interface="asgi", on_error="raise")
    for _ in range(2):
        with pytest.raises(error, match=message):
            client()
    assert shown(caplog) == []


@pytest.mark.parametrize("suspends", [False, True], ids=["first step", "suspended"])
@pytest.mark.parametrize("on_error", ["respond", "raise"])
@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_interrupt_passes_and_the_next_event_is_served(
    start: Start,
    caplog: pytest.LogCaptureFixture,
    signal: type[BaseException],
    on_error: str,
    suspends: bool,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/bad":
            if suspends:
                await asyncio.sleep(0)
            raise signal
        await answer(send)

    client = start(app, on_error=on_error)
    with pytest.raises(signal):
        client("/bad")
    assert shown(caplog) == []
    assert client("/good")["body"] == "ok"


def test_interrupted_request_does_not_go_on_with_the_next_event(start: Start) -> None:
    ended: list[str] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/bad":
            asyncio.get_running_loop().call_soon(interrupt)
            try:
                await asyncio.sleep(0.001)
                ended.append("served")
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise
        await asyncio.sleep(0.01)
        await answer(send)

    client = start(app)
    with pytest.raises(KeyboardInterrupt):
        client("/bad")
    assert client("/good")["body"] == "ok"
    assert ended == ["cancelled"]
