"""SIGTERM as a shutdown, where that was asked for."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import wrap
from slsadapt.engines.sigterm import exit_on_sigterm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from starlette.types import Receive, Scope, Send

    Event = Callable[[str], dict[str, Any]]

HTTP = "aws_http/rule_get_no_optional_keys"


@pytest.fixture
def restored() -> Iterator[None]:
    """Put this process's own handler back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"ok"})


def wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [])
    return [b"ok"]


# In this process


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN])
def test_signal_becomes_an_exit_with_status_143(restored: None, before: signal.Handlers) -> None:
    signal.signal(signal.SIGTERM, before)
    exit_on_sigterm()
    with pytest.raises(SystemExit) as caught:
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 143


def test_previous_handler_is_called_once_before_the_exit(restored: None) -> None:
    seen: list[object] = []

    def previous(number: int, frame: FrameType | None) -> None:
        seen.append((number, frame is not None))

    signal.signal(signal.SIGTERM, previous)
    for _ in range(2):
        exit_on_sigterm()
    with pytest.raises(SystemExit) as caught:
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 143
    assert seen == [(signal.SIGTERM, True)]


def test_previous_handler_may_exit_its_own_way(restored: None) -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(5))
    exit_on_sigterm()
    with pytest.raises(SystemExit) as caught:
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 5


@pytest.mark.parametrize("app", [asgi, wsgi])
def test_signal_is_left_alone_unless_asked_for(event: Event, app: Callable[..., Any]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    handler = wrap(app)
    assert handler(event(HTTP))["body"] == "ok"
    handler.pre_stop()
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_can_be_asked_for_in_the_main_thread_only(restored: None) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(wrap, asgi, shutdown_on_sigterm=True)
        with pytest.raises(ValueError, match="main thread"):
            asked.result()


# In a process that it ends

SCRIPT = """
import asyncio, json, signal, sys
from slsadapt import wrap

def previous(number, frame):
    print("previous", flush=True)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if WHEN == "start-up":
            signal.raise_signal(signal.SIGTERM)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(0)
        print("down", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    if WHEN == "suspended request":
        await asyncio.sleep(0)
    if WHEN.endswith("request"):
        signal.raise_signal(signal.SIGTERM)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"ok"})

def wsgi(environ, start_response):
    if WHEN.endswith("request"):
        signal.raise_signal(signal.SIGTERM)
    start_response("200 OK", [])
    return [b"ok"]

if PREVIOUS:
    signal.signal(signal.SIGTERM, previous)
handler = wrap(APP, shutdown_on_sigterm=True)
print(handler(json.load(sys.stdin))["body"], flush=True)
signal.raise_signal(signal.SIGTERM)
print("still here")
"""


@pytest.mark.parametrize(
    ("app", "when", "served", "stopped"),
    [
        pytest.param("app", "idle", ["ok"], ["down"], id="idle"),
        pytest.param("app", "request", [], ["down"], id="in a request"),
        pytest.param("app", "suspended request", [], ["down"], id="in a request that suspended"),
        pytest.param("app", "start-up", [], [], id="in the start-up"),
        pytest.param("wsgi", "idle", ["ok"], [], id="wsgi, idle"),
        pytest.param("wsgi", "request", [], [], id="wsgi, in a request"),
    ],
)
@pytest.mark.parametrize("previous", [[], ["previous"]], ids=["default", "previous handler"])
def test_process_shuts_down_and_exits(
    event: Event, app: str, when: str, served: list[str], stopped: list[str], previous: list[str]
) -> None:
    script = f"WHEN, PREVIOUS = {when!r}, {previous}" + SCRIPT.replace("APP", app)
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        input=json.dumps(event(HTTP)),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert child.stdout.split() == served + previous + stopped
    assert child.stderr == ""
    assert child.returncode == 143
