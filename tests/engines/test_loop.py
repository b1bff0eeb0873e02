"""The instance's private loop: called from any thread, beside any other loop, and from within."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from fastapi import FastAPI

from slsadapt import ApplicationError, Handler, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from starlette.types import Receive, Scope, Send

    Event = Callable[[str], dict[str, Any]]
    Get = Callable[[str], dict[str, Any]]
    Start = Callable[..., Handler]
    T = TypeVar("T")

HTTP = "aws_http/rule_get_no_optional_keys"
TIMEOUT_S = 10  # for what might otherwise wait for ever
USER: ContextVar[str] = ContextVar("user", default="nobody")


@pytest.fixture
def get(event: Event) -> Get:
    """Give the event of a GET of a path."""
    return lambda path: event(HTTP) | {"rawPath": path}


def in_thread(call: Callable[..., T], *arguments: Any) -> Future[T]:
    """Call in a thread that cannot keep a failing test from its end."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


@pytest.fixture
def start() -> Iterator[Start]:
    """Give what starts an application; all are stopped at the end."""
    handlers: list[Handler] = []

    def start(app: Any, **options: Any) -> Handler:
        handlers.append(wrap(app, lifespan="off", **options))
        return handlers[-1]

    yield start
    for handler in handlers:
        in_thread(handler.pre_stop).result(TIMEOUT_S)


async def answer(send: Send, text: str) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": text.encode()})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer path and caller, by way of a suspension below ``/slow``."""
    if scope["path"].startswith("/slow"):
        await asyncio.sleep(0.001)
    await answer(send, f"{scope['path']} {USER.get()}")


def echo_wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [])
    return [f"{environ['PATH_INFO']} {USER.get()}".encode()]


class Gates:
    """An application whose ``/wait/x`` is answered once somebody asks for ``/open/x``."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Event] = {}
        self.waiting: dict[str, threading.Event] = {name: threading.Event() for name in "ab"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.loop = asyncio.get_running_loop()
        _, verb, name = scope["path"].split("/")
        gate = self.gates.setdefault(name, asyncio.Event())
        if verb == "wait":
            self.waiting[name].set()
            await gate.wait()
        elif verb == "open":
            gate.set()
        elif verb == "exit":
            await asyncio.sleep(0)
            raise SystemExit
        elif verb == "cancel":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        await answer(send, scope["path"])

    def open_all(self) -> None:
        """Open every gate at once, from another thread and without a request."""

        def open_all() -> None:
            for gate in self.gates.values():
                gate.set()

        self.loop.call_soon_threadsafe(open_all)


# Several threads


def test_every_thread_gets_the_answers_to_its_questions(start: Start, get: Get) -> None:
    app = FastAPI()

    @app.get("/direct/{name}")
    async def direct(name: str) -> str:
        return name

    @app.get("/suspended/{name}")
    async def suspended(name: str) -> str:
        for _ in range(3):
            await asyncio.sleep(0)
        return name

    @app.get("/delayed/{name}")
    async def delayed(name: str) -> str:
        await asyncio.sleep(0.001)
        return name

    @app.get("/blocking/{name}")
    def blocking(name: str) -> str:
        return name

    handler = start(app)
    together = threading.Barrier(16, timeout=TIMEOUT_S)
    ways = ["direct", "suspended", "delayed", "blocking"]

    def ask(thread: int) -> list[str]:
        together.wait()
        return [
            json.loads(handler(get(f"/{ways[(thread + number) % 4]}/{thread}-{number}"))["body"])
            for number in range(20)
        ]

    threads = [in_thread(ask, thread) for thread in range(16)]
    assert [thread.result(TIMEOUT_S) for thread in threads] == [
        [f"{thread}-{number}" for number in range(20)] for thread in range(16)
    ]


def test_slow_request_lets_others_pass(start: Start, get: Get) -> None:
    app = Gates()
    handler = start(app)
    # The first to come drives the loop, the second waits for it, then drives on.
    slow = {}
    for name in "ab":
        slow[name] = in_thread(handler, get(f"/wait/{name}"))
        assert app.waiting[name].wait(TIMEOUT_S)
    for name in "ab":
        assert handler(get(f"/open/{name}"))["body"] == f"/open/{name}"
        assert slow[name].result(TIMEOUT_S)["body"] == f"/wait/{name}"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        pytest.param("/cancel/x", ApplicationError, id="cancelled"),
        pytest.param("/exit/x", SystemExit, id="SystemExit"),
    ],
)
def test_failure_stays_with_the_thread_that_asked(
    start: Start, get: Get, path: str, error: type[BaseException]
) -> None:
    app = Gates()
    handler = start(app, on_error="raise")
    slow = in_thread(handler, get("/wait/a"))
    assert app.waiting["a"].wait(TIMEOUT_S)
    failed = in_thread(handler, get(path))
    try:
        with pytest.raises(error):
            failed.result(TIMEOUT_S)
        assert not slow.done()
    finally:
        handler(get("/open/a"))
    assert slow.result(TIMEOUT_S)["body"] == "/wait/a"


def test_stop_while_requests_run_leaves_nobody_waiting(start: Start, get: Get) -> None:
    app = Gates()
    handler = start(app)
    slow = {}
    for name in "ab":
        slow[name] = in_thread(handler, get(f"/wait/{name}"))
        assert app.waiting[name].wait(TIMEOUT_S)
    stop = in_thread(handler.pre_stop)
    app.open_all()
    assert slow["a"].result(TIMEOUT_S)["statusCode"] == 200
    # Stopped or served, as the threads happen to run.
    assert slow["b"].result(TIMEOUT_S)["statusCode"] in (200, 500)
    stop.result(TIMEOUT_S)
    assert handler(get("/open/c"))["body"] == "/open/c"


# Other loops


@pytest.mark.parametrize("path", ["/fast", "/slow"])
def test_event_after_and_between_foreign_runs(start: Start, get: Get, path: str) -> None:
    handler = start(echo)
    for _ in range(3):
        asyncio.run(asyncio.sleep(0))
        assert handler(get(path))["body"] == f"{path} nobody"


@pytest.mark.parametrize("path", ["/fast", "/slow"])
@pytest.mark.parametrize("warm", [False, True], ids=["first event", "later event"])
def test_event_inside_a_foreign_loop(start: Start, get: Get, path: str, warm: bool) -> None:
    handler = start(echo)
    if warm:
        handler(get(path))

    async def main() -> str:
        task = asyncio.current_task()
        body: str = handler(get(path))["body"]
        assert asyncio.current_task() is task
        return body

    assert asyncio.run(main()) == f"{path} nobody"
    assert handler(get(path))["body"] == f"{path} nobody"


def test_application_may_call_another_handler(start: Start, get: Get) -> None:
    inner = start(echo)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, "outer " + inner(get(scope["path"]))["body"])

    handler = start(app)
    assert handler(get("/fast"))["body"] == "outer /fast nobody"
    assert handler(get("/slow"))["body"] == "outer /slow nobody"


def test_failure_inside_a_foreign_loop_is_raised(start: Start, get: Get) -> None:
    handler = start(Gates(), on_error="raise")
    handler(get("/open/a"))

    async def main() -> None:
        with pytest.raises(ApplicationError, match="cancelled"):
            handler(get("/cancel/a"))
        # In the thread that asked, not in the one that works.
        with pytest.raises(SystemExit):
            handler(get("/exit/a"))

    asyncio.run(main())


@pytest.mark.parametrize("app", [echo, echo_wsgi], ids=["asgi", "wsgi"])
def test_handler_is_awaited_inside_a_running_loop(
    start: Start, get: Get, app: Callable[..., Any]
) -> None:
    handler = start(app)
    paths = ["/fast/1", "/slow/2", "/fast/3", "/slow/4"]

    async def main() -> list[str]:
        results = await asyncio.gather(*(handler.async_call(get(path)) for path in paths))
        return [result["body"] for result in results]

    assert asyncio.run(main()) == [f"{path} nobody" for path in paths]


def test_awaited_events_are_served_at_the_same_time(start: Start, get: Get) -> None:
    handler = start(Gates())

    async def main() -> list[str]:
        calls = (handler.async_call(get(path)) for path in ("/wait/a", "/open/a"))
        results = await asyncio.wait_for(asyncio.gather(*calls), TIMEOUT_S)
        return [result["body"] for result in results]

    assert asyncio.run(main()) == ["/wait/a", "/open/a"]


# From inside the application


@pytest.mark.parametrize("way", ["await", "thread"])
def test_application_may_await_its_own_handler(start: Start, get: Get, way: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await echo(scope, receive, send)
        elif way == "await":
            await answer(send, "outer " + (await handler.async_call(get("/slow")))["body"])
        else:
            result = await asyncio.to_thread(handler, get("/slow"))
            await answer(send, "outer " + result["body"])

    handler = start(app)
    assert handler(get("/outer"))["body"] == "outer /slow nobody"


@pytest.mark.parametrize("on_error", ["respond", "raise"])
def test_application_that_calls_its_own_handler_is_told_to_await_it(
    start: Start, get: Get, caplog: pytest.LogCaptureFixture, on_error: str
) -> None:
    advice = "await handler.async_call(event, context) there"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await echo(scope, receive, send)
        else:
            await answer(send, "outer " + handler(get("/slow"))["body"])

    handler = start(app, on_error=on_error)
    if on_error == "raise":
        with pytest.raises(RuntimeError, match=re.escape(advice)):
            handler(get("/outer"))
    else:
        assert handler(get("/outer"))["body"] == "outer Internal Server Error"
        [record] = caplog.records
        assert advice in (record.exc_text or "")
    assert handler(get("/slow"))["body"] == "/slow nobody"


@pytest.mark.parametrize(("lifecycle", "status"), [("pre_stop", 500), ("initialize", 200)])
def test_application_cannot_hang_on_its_own_lifecycle(
    start: Start, get: Get, lifecycle: str, status: int
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/lifecycle":
            getattr(handler, lifecycle)()
        await answer(send, scope["path"])

    handler = start(app)
    assert in_thread(handler, get("/lifecycle")).result(TIMEOUT_S)["statusCode"] == status
    assert handler(get("/next"))["body"] == "/next"


# What it leaves alone


@pytest.mark.parametrize("path", ["/fast", "/slow"])
@pytest.mark.parametrize("way", ["direct", "follow", "foreign", "await"])
def test_application_sees_the_context_of_its_caller(
    start: Start, get: Get, way: str, path: str
) -> None:
    gates = Gates()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in ("/fast", "/slow"):
            await echo(scope, receive, send)
            USER.set("the application")
        else:
            await gates(scope, receive, send)

    handler = start(app)
    handler(get("/open/b"))

    async def inside() -> Any:
        return handler(get(path))

    def ask() -> Any:
        USER.set("ann")
        if way == "foreign":
            return asyncio.run(inside())
        if way == "await":
            return asyncio.run(handler.async_call(get(path)))
        return handler(get(path))

    if way == "follow":
        slow = in_thread(handler, get("/wait/a"))
        assert gates.waiting["a"].wait(TIMEOUT_S)
    context = copy_context()
    assert context.run(ask)["body"] == f"{path} ann"
    assert context[USER] == "ann"
    if way == "follow":
        handler(get("/open/a"))
        slow.result(TIMEOUT_S)


@pytest.mark.parametrize("path", ["/fast", "/slow"])
def test_loop_and_hooks_of_the_thread_stay_as_they_were(start: Start, get: Get, path: str) -> None:
    handler = start(echo)
    hooks: tuple[Any, Any] = (lambda generator: None, lambda generator: None)

    def work() -> None:
        handler(get(path))
        with pytest.raises(RuntimeError, match=r"no .*event loop"):
            asyncio.get_event_loop()
        mine = asyncio.new_event_loop()
        asyncio.set_event_loop(mine)
        sys.set_asyncgen_hooks(*hooks)
        handler(get(path))
        assert tuple(sys.get_asyncgen_hooks()) == hooks
        assert asyncio.get_event_loop() is mine
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        mine.close()

    in_thread(work).result(TIMEOUT_S)


DEBUG = """
import asyncio, json, sys
from contextlib import asynccontextmanager
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from slsadapt import wrap

@asynccontextmanager
async def lifespan(app):
    assert asyncio.get_running_loop().get_debug()
    yield

app = FastAPI(lifespan=lifespan)

@app.get("/direct")
async def direct():
    return "direct"

@app.get("/blocking")
def blocking():
    return "blocking"

@app.get("/streaming")
async def streaming():
    async def chunks():
        yield '"stream'
        await asyncio.sleep(0)
        yield 'ing"'
    return StreamingResponse(chunks(), media_type="text/plain")

handler = wrap(app, lifespan="on", on_error="raise")
event = json.load(sys.stdin)
for name in ("direct", "blocking", "streaming", "direct"):
    print(handler(event | {"rawPath": "/" + name})["body"])
handler.pre_stop()
"""


def test_debug_mode_of_asyncio_finds_no_fault(event: Event) -> None:
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", DEBUG],
        input=json.dumps(event(HTTP)),
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONASYNCIODEBUG": "1"},
    )
    expected = ['"direct"', '"blocking"', '"streaming"', '"direct"']
    assert child.stdout.splitlines() == expected, child.stderr
