"""Start-up and shutdown: once per instance, with a timeout, and whatever goes wrong in them."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from slsadapt import Handler, LifespanError, wrap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    Event = Callable[[str], dict[str, Any]]
    Start = Callable[..., Handler]
    Get = Callable[[str], dict[str, Any]]
    Life = Callable[[Receive, Send], Awaitable[None]]

HTTP = "aws_http/rule_get_no_optional_keys"
STARTED = {"type": "lifespan.startup.complete"}
STOPPED = {"type": "lifespan.shutdown.complete"}


@pytest.fixture
def get(event: Event) -> Get:
    """Give the event of a GET of a path."""
    return lambda path: event(HTTP) | {"rawPath": path}


@pytest.fixture
def start() -> Iterator[Start]:
    """Give what wraps an application; what still runs is stopped at the end."""
    with ExitStack() as stack:

        def start(app: Any, **options: Any) -> Handler:
            handler = wrap(app, **options)
            stack.callback(handler.pre_stop)
            return handler

        yield start


def living(life: Life, scopes: list[Scope] | None = None) -> ASGIApp:
    """Make an application that answers "ok" and leaves its lifespan to ``life``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scopes is not None:
            scopes.append(scope)
        if scope["type"] == "lifespan":
            await life(receive, send)
        else:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"ok"})

    return app


def counted(log: list[str], fail: Callable[[], None] = lambda: None) -> Starlette:
    """Make an application that logs its start-ups and shutdowns; ``fail`` may break one."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
        log.append("up")
        fail()
        yield {"names": [], "tenant": "nobody"}
        await asyncio.sleep(0)
        log.append("down")

    async def endpoint(request: Request) -> PlainTextResponse:
        request.state.names.append(request.path_params["name"])
        text = f"{request.state.tenant} {''.join(request.state.names)}"
        request.state.tenant = "somebody"
        return PlainTextResponse(text)

    return Starlette(lifespan=lifespan, routes=[Route("/{name}", endpoint)])


# Once per instance


@pytest.mark.parametrize("lifespan", ["auto", "on"])
def test_five_events_are_one_startup_and_one_shutdown(
    start: Start, get: Get, lifespan: str
) -> None:
    log: list[str] = []
    handler = start(counted(log), lifespan=lifespan)
    assert log == []
    for name in "abcde":
        assert handler(get(f"/{name}"))["statusCode"] == 200
    assert log == ["up"]
    handler.pre_stop()
    handler.pre_stop()
    assert log == ["up", "down"]


def test_initialize_starts_before_the_first_event(start: Start, get: Get) -> None:
    log: list[str] = []
    handler = start(counted(log), lifespan="on")
    handler.initialize()
    handler.initialize()
    assert log == ["up"]
    handler(get("/a"))
    assert log == ["up"]


def test_first_events_of_several_threads_share_one_startup(start: Start, get: Get) -> None:
    log: list[str] = []
    handler = start(counted(log), lifespan="on")
    together = threading.Barrier(8, timeout=20)
    statuses: list[int] = []

    def ask() -> None:
        together.wait()
        statuses.append(handler(get("/a"))["statusCode"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8
    assert log == ["up"]


def test_state_is_shared_and_each_request_has_its_own_copy_of_the_names(
    start: Start, get: Get
) -> None:
    handler = start(counted([]), lifespan="on")
    assert [handler(get(f"/{name}"))["body"] for name in "abc"] == [
        "nobody a",
        "nobody ab",
        "nobody abc",
    ]


def test_handler_starts_anew_after_pre_stop(start: Start, get: Get) -> None:
    log: list[str] = []
    handler = start(counted(log), lifespan="on")
    assert handler(get("/a"))["body"] == "nobody a"
    handler.pre_stop()
    assert handler(get("/b"))["body"] == "nobody b"
    handler.pre_stop()
    assert log == ["up", "down", "up", "down"]


def test_lifespan_scope_is_as_specified(start: Start) -> None:
    scopes: list[Scope] = []
    messages: list[object] = []

    async def life(receive: Receive, send: Send) -> None:
        messages.append(await receive())
        await send(STARTED)
        messages.append(await receive())
        await send(STOPPED)

    handler = start(living(life, scopes), lifespan="on")
    handler.initialize()
    handler.pre_stop()
    assert scopes == [
        {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    ]
    assert messages == [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]


def test_pre_stop_of_what_never_started_does_nothing(start: Start) -> None:
    log: list[str] = []
    start(counted(log), lifespan="on").pre_stop()
    assert log == []


# Applications without lifespan


async def raises(receive: Receive, send: Send) -> None:
    raise ValueError("only http here")


async def raises_later(receive: Receive, send: Send) -> None:
    await receive()
    raise ValueError("only http here")


async def returns(receive: Receive, send: Send) -> None:
    pass


async def answers_http(receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"ok"})


WITHOUT_LIFESPAN = [raises, raises_later, returns, answers_http]


@pytest.mark.parametrize("life", WITHOUT_LIFESPAN)
def test_auto_does_without_lifespan(
    start: Start, get: Get, caplog: pytest.LogCaptureFixture, life: Life
) -> None:
    scopes: list[Scope] = []
    handler = start(living(life, scopes))
    for _ in range(2):
        assert handler(get("/"))["body"] == "ok"
    handler.pre_stop()
    assert [scope["type"] for scope in scopes] == ["lifespan", "http", "http"]
    gc.collect()  # a task whose exception nobody asked for would complain now
    assert caplog.records == []


@pytest.mark.parametrize("life", WITHOUT_LIFESPAN)
def test_on_insists_on_lifespan(start: Start, get: Get, life: Life) -> None:
    handler = start(living(life), lifespan="on", on_error="raise")
    for _ in range(2):
        with pytest.raises(LifespanError, match="does not support lifespan") as caught:
            handler(get("/"))
    assert isinstance(caught.value.__cause__, ValueError) is (life in (raises, raises_later))


def test_off_never_starts(start: Start, get: Get) -> None:
    log: list[str] = []
    scopes: list[Scope] = []

    async def life(receive: Receive, send: Send) -> None:
        log.append("up")

    handler = start(living(life, scopes), lifespan="off")
    handler.initialize()
    handler(get("/"))
    handler.pre_stop()
    assert log == []
    assert "state" not in scopes[0]


# Failures


def test_failed_startup_is_a_500_and_the_next_event_tries_again(
    start: Start, get: Get, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []

    def fail_once() -> None:
        if log == ["up"]:
            raise ConnectionError("no database yet")

    handler = start(counted(log, fail_once))
    result = handler(get("/a"))
    assert (result["statusCode"], result["body"]) == (500, "Internal Server Error")
    gc.collect()
    [record] = caplog.records
    assert "ConnectionError: no database yet" in (record.exc_text or "")
    assert handler(get("/a"))["body"] == "nobody a"
    handler.pre_stop()
    assert log == ["up", "up", "down"]


@pytest.mark.parametrize("way", ["event", "initialize"])
def test_failed_startup_says_why(start: Start, get: Get, way: str) -> None:
    async def life(receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    handler = start(living(life), on_error="raise")
    with pytest.raises(LifespanError, match=r"^startup failed: no database$"):
        handler.initialize() if way == "initialize" else handler(get("/"))


def test_failed_shutdown_says_why_and_the_instance_starts_anew(start: Start, get: Get) -> None:
    outcomes = [{"type": "lifespan.shutdown.failed", "message": "queue not empty"}, STOPPED]

    async def life(receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTED)
        await receive()
        await send(outcomes.pop(0))

    handler = start(living(life), lifespan="on")
    handler.initialize()
    with pytest.raises(LifespanError, match=r"^shutdown failed: queue not empty$"):
        handler.pre_stop()
    assert handler(get("/"))["body"] == "ok"


def test_exception_in_the_shutdown_is_not_lost(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    async def life(receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTED)
        await receive()
        raise ValueError("queue not empty")

    handler = start(living(life), lifespan="on")
    handler.initialize()
    with pytest.raises(LifespanError) as caught:
        handler.pre_stop()
    assert isinstance(caught.value.__cause__, ValueError)
    gc.collect()
    assert caplog.records == []


def test_startup_that_takes_too_long_is_given_up(start: Start, get: Get) -> None:
    ended: list[str] = []

    async def life(receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    handler = start(living(life), lifespan_timeout_s=0.05, on_error="raise")
    with pytest.raises(LifespanError, match=r"startup took longer than 0\.05 s"):
        handler(get("/"))
    assert ended == ["cancelled"]


@pytest.mark.parametrize("answered", [False, True], ids=["no answer", "no end"])
def test_shutdown_that_takes_too_long_is_given_up(start: Start, get: Get, answered: bool) -> None:
    ended: list[str] = []

    async def life(receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTED)
        await receive()
        if answered:
            await send(STOPPED)
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    handler = start(living(life), lifespan_timeout_s=0.05)
    handler(get("/"))
    if answered:
        handler.pre_stop()
    else:
        with pytest.raises(LifespanError, match=r"shutdown took longer than 0\.05 s"):
            handler.pre_stop()
    assert ended == ["cancelled"]


def test_application_may_end_after_it_answered_the_shutdown(start: Start) -> None:
    ended: list[str] = []

    async def life(receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTED)
        await receive()
        await send(STOPPED)
        await asyncio.sleep(0.01)
        ended.append("returned")

    handler = start(living(life), lifespan="on")
    handler.initialize()
    handler.pre_stop()
    assert ended == ["returned"]


def test_application_that_ends_early_has_no_shutdown(start: Start, get: Get) -> None:
    async def life(receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTED)

    handler = start(living(life), lifespan="on")
    assert handler(get("/"))["body"] == "ok"
    handler.pre_stop()
    assert handler(get("/"))["body"] == "ok"


# What else ends with the instance


def test_tasks_left_over_are_cancelled_and_awaited(start: Start, get: Get) -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append("task")

    tasks: list[asyncio.Task[None]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(asyncio.create_task(wait()))
        await answers_http(receive, send)

    handler = start(app, lifespan="off")
    # The first never gets to its first step before the second event gives it a turn.
    for _ in range(2):
        handler(get("/"))
    handler.pre_stop()
    assert ended[0] == "task"
    assert all(task.cancelled() for task in tasks)


def test_generators_left_over_are_closed(start: Start, get: Get) -> None:
    closed: list[str] = []
    kept: list[AsyncIterator[int]] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(9):
                yield number
        finally:
            await asyncio.sleep(0)
            closed.append("generator")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        kept.append(numbers())
        await kept[-1].__anext__()
        await answers_http(receive, send)

    handler = start(app, lifespan="off")
    handler(get("/"))
    assert closed == []
    handler.pre_stop()
    assert closed == ["generator"]


# In a process of its own

SCRIPT = """
import asyncio, json, sys, time
from concurrent.futures import ThreadPoolExecutor
from slsadapt import wrap

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        STARTUP
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(0)
        SHUTDOWN
        await send({"type": "lifespan.shutdown.complete"})
    else:
        SERVE
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"ok"})

handler = wrap(app, lifespan="on")
event = json.load(sys.stdin)
print(handler(event)["body"], flush=True)
"""


def run(
    event: dict[str, Any], startup: str = "pass", serve: str = "pass", shutdown: str = "pass"
) -> subprocess.CompletedProcess[str]:
    """Serve one event in a process that then ends."""
    script = SCRIPT
    for name, step in (("STARTUP", startup), ("SERVE", serve), ("SHUTDOWN", shutdown)):
        script = script.replace(name, step)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        timeout=20,
    )


@pytest.mark.parametrize("serve", ["pass", "await asyncio.to_thread(print, 'work')"])
@pytest.mark.parametrize("shutdown", ["print('down')", "await asyncio.to_thread(print, 'down')"])
def test_interpreter_exit_shuts_down(get: Get, serve: str, shutdown: str) -> None:
    child = run(get("/"), serve=serve, shutdown=shutdown)
    assert child.stdout.split() == (["ok", "down"] if serve == "pass" else ["work", "ok", "down"])
    assert child.stderr == ""
    assert child.returncode == 0


def test_failed_shutdown_shows_at_interpreter_exit_and_stops_nothing_else(get: Get) -> None:
    message = "{'type': 'lifespan.shutdown.failed', 'message': 'queue not empty'}"
    work = "lambda: (time.sleep(0.2), print('work'))"
    child = run(
        get("/"), serve=f"ThreadPoolExecutor().submit({work})", shutdown=f"await send({message})"
    )
    assert child.stdout.split() == ["ok", "work"]
    assert "LifespanError: shutdown failed: queue not empty" in child.stderr


@pytest.mark.parametrize(
    "call", ["handler(event)", "await handler.async_call(event)", "handler.initialize()"]
)
def test_startup_cannot_hang_on_its_own_handler(get: Get, call: str) -> None:
    child = run(get("/"), startup=call)
    assert child.stdout.strip() in ("ok", "Internal Server Error")
    assert child.returncode == 0
