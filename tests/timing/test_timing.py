"""Timing through the handler: phases, what the request was, hooks that fail."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import OptionError, logs, wrap
from slsadapt.timing import Timing

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    Event = Callable[[str], dict[str, Any]]

HTTP = "aws_http/rs_sam_http"
TENCENT = "tencent_apigw/post_form_custom_domain_real"


class Context:
    """AWS's."""

    aws_request_id = "11111111-2222-3333-4444-555555555555"
    function_name = "shop"

    def get_remaining_time_in_millis(self) -> int:
        return 2_500


def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    environ["REQUEST_METHOD"] = environ["PATH_INFO"] = "changed"
    start_response("201 Created", [("Content-Type", "text/plain")])
    time.sleep(0.02)
    return [b"12345"]


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        time.sleep(0.02)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    logs.bind(user="ada")
    await send({"type": "http.response.start", "status": 202, "headers": []})
    await send({"type": "http.response.body", "body": b"123"})


def test_hook_is_told_everything_of_a_wsgi_invocation(event: Event) -> None:
    told: list[Timing] = []
    handler = wrap(app, timing=told.append)
    sent = event(TENCENT)
    sent["path"] = "/%E4%B8%96%0A"
    start = time.perf_counter()
    handler(sent, Context())
    took_ms = (time.perf_counter() - start) * 1000
    (timing,) = told
    assert timing.cold
    assert timing.import_ms is None or timing.import_ms > 0
    assert timing.initialize_ms is None, "WSGI has no start-up"
    assert timing.application_ms is not None
    assert 20 <= timing.application_ms <= timing.total_ms <= took_ms
    assert timing.decode_ms is not None
    assert timing.encode_ms is not None
    assert timing.decode_ms + timing.application_ms + timing.encode_ms <= timing.total_ms
    assert {*timing.phases()} - {"import"} == {"decode", "application", "encode"}
    # As the client sent it, whatever the application does to its environ.
    assert (timing.method, timing.path, timing.status) == ("POST", "/世\n", 201)
    assert timing.request_bytes == len(sent["body"].encode()) > 0
    assert timing.response_bytes == 5
    assert timing.dialect == "tencent_apigw"
    assert timing.route is None
    assert timing.request_id
    assert timing.invocation_id == "11111111-2222-3333-4444-555555555555"
    assert timing.function == "shop"
    assert timing.remaining_ms == 2_500


def test_second_invocation_is_warm(event: Event) -> None:
    told: list[Timing] = []
    handler = wrap(asgi_app, timing=told.append)
    handler(event(HTTP))
    handler(event(HTTP))
    handler.pre_stop()
    assert [each.cold for each in told] == [True, False]
    cold, warm = told
    assert cold.initialize_ms is not None
    assert cold.application_ms is not None
    assert cold.initialize_ms >= 20 > cold.application_ms
    assert {*warm.phases()} == {"decode", "application", "encode"}
    assert (warm.status, warm.response_bytes) == (202, 3)


def test_start_up_before_the_first_event_is_told_with_it(event: Event) -> None:
    told: list[Timing] = []
    handler = wrap(asgi_app, timing=told.append)
    handler.initialize()
    handler(event(HTTP))
    handler(event(HTTP))
    handler.pre_stop()
    assert told[0].initialize_ms is not None
    assert told[0].initialize_ms >= 20
    assert told[0].total_ms < 20
    assert told[1].initialize_ms is None


def test_what_an_asgi_application_binds_is_there_for_the_hook(event: Event) -> None:
    seen: list[dict[str, Any]] = []
    handler = wrap(asgi_app, timing=lambda timing: seen.append(logs.context()), lifespan="off")
    handler(event(HTTP), Context())
    assert [each.get("user") for each in seen] == ["ada"]
    assert logs.context() == {}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when a process began")
def test_import_is_counted_from_the_start_of_the_process(event: Event) -> None:
    code = f"""
import time
time.sleep(0.3)
from slsadapt import wrap
def app(environ, start_response):
    start_response("200 OK", [])
    return []
handler = wrap(app, timing=lambda timing: print(timing.import_ms))
time.sleep(0.3)
handler({event(HTTP)!r})
handler({event(HTTP)!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    first, second = done.stdout.split()
    assert second == "None"
    # The clock ticks every 10 ms, and waiting after ``wrap`` is no import.
    assert float(first) >= 290
    assert Path("/proc/self/stat").exists()


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_failed_invocation_is_told_with_its_500(interface: str, event: Event) -> None:
    def fails(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        raise ValueError("the application fails")

    async def asgi_fails(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("the application fails")

    told: list[Timing] = []
    failing: Any = fails if interface == "wsgi" else asgi_fails
    handler = wrap(failing, timing=told.append, lifespan="off")
    handler(event(HTTP))
    handler({**event(HTTP), "rawPath": None})
    assert [each.status for each in told] == [500, 400]
    assert told[0].application_ms is not None
    assert {*told[1].phases()} <= {"import"}
    assert (told[1].method, told[1].path, told[1].route) == ("", "", None)
    raising = wrap(failing, timing=told.append, lifespan="off", on_error="raise")
    with pytest.raises(ValueError, match="the application fails"):
        raising(event(HTTP))
    assert told[2].status is None
    assert told[2].application_ms is not None


def test_event_that_is_no_request_is_told_by_its_kind() -> None:
    told: list[Timing] = []
    timer = {"Type": "Timer", "TriggerName": "nightly", "Time": "", "Message": ""}
    seen: list[str] = []

    def clean_up(event: object, context: object) -> str:
        seen.append(logs.request_id())
        time.sleep(0.01)
        return "cleaned"

    handler = wrap(app, timing=told.append, events={"timer": clean_up})
    assert handler(timer, {"request_id": "r-1", "time_limit_in_ms": 3000}) == "cleaned"
    (timing,) = told
    assert (timing.dialect, timing.method, timing.status) == ("timer", "", None)
    assert timing.application_ms is not None
    assert timing.application_ms >= 10
    assert timing.invocation_id == "r-1"
    assert timing.request_id == seen[0] != ""
    assert timing.remaining_ms is not None
    assert 0 < timing.remaining_ms < 3000


def test_every_hook_is_called_and_a_broken_one_is_logged_once(
    event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def broken(timing: Timing) -> None:
        told.append("broken")
        raise RuntimeError("the hook fails")

    class BrokenHead:
        def __call__(self, timing: Timing) -> None:
            told.append("head")

        def response_headers(self, timing: Timing) -> list[tuple[str, str]]:
            raise RuntimeError("the header fails")

    handler = wrap(app, timing=[broken, BrokenHead(), lambda timing: told.append("last")])
    for _ in range(3):
        assert handler(event(HTTP))["statusCode"] == 201
    assert told == ["broken", "head", "last"] * 3
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "BrokenHead failed" in messages[0]
    assert "broken failed; further failures of it are not logged" in messages[1]
    assert all(record.levelno == logging.ERROR and record.exc_info for record in caplog.records)


def test_hooks_may_add_headers(event: Event) -> None:
    class Head:
        def __call__(self, timing: Timing) -> None: ...

        def response_headers(self, timing: Timing) -> list[tuple[str, str]]:
            return [("X-Status", str(timing.status)), ("Server", "hidden")]

    result = wrap(app, timing=Head(), exclude_headers=["server"])(event(HTTP))
    assert result["headers"]["x-status"] == "201"
    assert "server" not in result["headers"]


@pytest.mark.parametrize("timing", ["log_timing", [print, "log_timing"]])
def test_what_cannot_be_called_is_no_hook(timing: Any) -> None:
    with pytest.raises(OptionError, match="timing takes functions of one Timing, got str"):
        wrap(app, timing=timing)


def test_large_request_has_its_size(event: Event) -> None:
    told: list[Timing] = []
    sent = event(HTTP) | {"body": json.dumps("x" * 1000)}
    for application in (app, asgi_app):
        handler: Any = wrap(application, timing=told.append, lifespan="off")
        handler(sent)
    assert [each.request_bytes for each in told] == [1002, 1002]
