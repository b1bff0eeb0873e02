"""What people and programs read, for notices as a pool and its gateways tell them."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import time
from collections.abc import Callable
from typing import Any

import pytest

from slsadapt.local.notices import (
    Answered,
    Ended,
    Line,
    Notice,
    Ready,
    Reloaded,
    Report,
    Started,
)
from slsadapt.local.outcome import Failure, FailureKind
from slsadapt.local.printing import Banner, Printer

pytestmark = pytest.mark.once

# 17:59:01.123 UTC on 21 November 2025.
AT = 1763747941.123
ID = "0d1f0a52-3f0c-4c3e-9f5c-1a2b3c4d5e6f"
TRACE = ['  File "/shop/app.py", line 3, in buy\n    raise ValueError("out of stock")\n']
ERROR = {"errorType": "ValueError", "errorMessage": "out of stock", "stackTrace": TRACE}


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Paper(io.StringIO):
    """A stream that counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


def printed(*notices: Notice, json_logs: bool = False, colour: bool = False) -> str:
    """Give what is printed of notices of one turn of the loop, and at the end."""
    paper = Paper()

    async def tell() -> None:
        printer = Printer(paper, json_logs=json_logs, colour=colour)
        for notice in notices:
            printer(notice)
        printer.flush()

    asyncio.run(tell())
    return paper.getvalue()


def line(text: str, stream: Any = "stdout", request_id: str = ID) -> Line:
    return Line(AT, "1", request_id, stream, text)


def report(failure: Failure | None = None, init_ms: float | None = None) -> Report:
    return Report(AT, "1", ID, 12.34, 13, init_ms, 128, 44.6, failure)


def answered(status: int = 200, took_ms: float = 14.0, failure: Failure | None = None) -> Answered:
    return Answered(AT, ID, "GET /hello?page=2", status, 1234, took_ms, failure)


def failed(kind: FailureKind, message: str, error: dict[str, Any] | None = None) -> Failure:
    return Failure(kind=kind, request_id=ID, error=error or {}, message=message)


@pytest.mark.parametrize(
    ("notices", "expected"),
    [
        pytest.param(
            [report(), answered()],
            "17:59:01.123  #1   3c4d5e6f  200  GET /hello?page=2          12.3 ms  billed 13 ms  "
            "  45/128 MB   1.2 kB\n",
            id="warm invocation",
        ),
        pytest.param(
            [report(init_ms=231.24), answered(took_ms=250.0)],
            "17:59:01.123  #1   3c4d5e6f  200  GET /hello?page=2          12.3 ms  billed 13 ms  "
            "  45/128 MB   1.2 kB  cold start 231.2 ms\n",
            id="cold invocation",
        ),
        pytest.param(
            [report(), answered(took_ms=2012.34)],
            "17:59:01.123  #1   3c4d5e6f  200  GET /hello?page=2          12.3 ms  billed 13 ms  "
            "  45/128 MB   1.2 kB  waited 2000.0 ms\n",
            id="invocation that waited for an instance",
        ),
        pytest.param(
            [report()],
            "17:59:01.123  #1   3c4d5e6f       invoked                    12.3 ms  billed 13 ms  "
            "  45/128 MB\n",
            id="without a gateway",
        ),
        pytest.param(
            [Started(AT, "12", "fork", 4711), Ready(AT, "12", 8.25)],
            "17:59:01.123  #12            cold start 8.2 ms (fork, process 4711)\n",
            id="start",
        ),
        pytest.param(
            [line("价格 of\titem 7"), line("careful", "stderr"), line("who?", request_id="")],
            "17:59:01.123  #1   3c4d5e6f  | 价格 of\titem 7\n"
            "17:59:01.123  #1   3c4d5e6f  ! careful\n"
            "17:59:01.123  #1             | who?\n",
            id="lines",
        ),
        pytest.param(
            [report(failed("error", "ValueError: out of stock", ERROR)), answered(502)],
            "17:59:01.123  #1   3c4d5e6f  502  GET /hello?page=2          12.3 ms  billed 13 ms  "
            "  45/128 MB   1.2 kB\n"
            "                             x ValueError: out of stock\n"
            '                                 File "/shop/app.py", line 3, in buy\n'
            '                                   raise ValueError("out of stock")\n',
            id="error",
        ),
        pytest.param(
            [
                line("[ERROR] ValueError: out of stock"),
                report(failed("error", "ValueError: out of stock", ERROR)),
                Ended(AT, "1", "idle", 0),
                answered(502),
            ],
            "17:59:01.123  #1   3c4d5e6f  | [ERROR] ValueError: out of stock\n"
            "17:59:01.123  #1             ended, idle for too long\n"
            "17:59:01.123  #1   3c4d5e6f  502  GET /hello?page=2          12.3 ms  billed 13 ms  "
            "  45/128 MB   1.2 kB\n"
            "                             x ValueError: out of stock\n",
            id="error that was logged",
        ),
        pytest.param(
            [answered(429, 0.3, failed("throttled", "all 10 instances are busy"))],
            "17:59:01.123       3c4d5e6f  429  GET /hello?page=2           0.3 ms   1.2 kB\n"
            "                             x all 10 instances are busy\n",
            id="throttled",
        ),
        pytest.param(
            [Answered(AT, ID, "GET /", 502, 0, 1.0, None, "the result has no statusCode")],
            "17:59:01.123       3c4d5e6f  502  GET /                       1.0 ms\n"
            "                             x the result has no statusCode\n",
            id="malformed result",
        ),
        pytest.param(
            [Answered(AT, "", "close /chat", 1000, 0, 0.25)],
            "17:59:01.123                 1000 close /chat                 0.2 ms\n",
            id="websocket",
        ),
        pytest.param(
            [Reloaded(AT, ("a.py", "b.html", "c.json", "d.env", "e.py"))],
            "17:59:01.123                 reload: a.py, b.html, c.json and 2 more\n",
            id="reload",
        ),
    ],
)
def test_people_read(notices: list[Notice], expected: str) -> None:
    assert printed(*notices) == expected


@pytest.mark.parametrize(
    ("why", "status", "expected"),
    [
        ("idle", 0, "ended, idle for too long"),
        ("exit", 3, "ended by itself: exit code 3"),
        (
            "exit",
            -11,
            "ended by itself: SIGSEGV (a fault in native code; PYTHONFAULTHANDLER=1 shows where)",
        ),
        ("exit", -15, "ended by itself: SIGTERM"),
        ("exit", -250, "ended by itself: signal 250"),
        ("init", 1, "ended before it was ready: exit code 1"),
        ("init", None, "ended before it was ready: it could not be started"),
    ],
)
def test_end_says_what_happened(why: Any, status: int | None, expected: str) -> None:
    assert printed(Ended(AT, "1", why, status)) == f"17:59:01.123  #1             {expected}\n"


@pytest.mark.parametrize("why", ["close", "reload", "timeout", "memory"])
def test_ends_that_are_known_are_no_news(why: Any) -> None:
    assert printed(Ended(AT, "1", why, 0)) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("\x1b]0;title\x07", "\\x1b]0;title\\x07", id="window title"),
        pytest.param("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H", id="cursor"),
        pytest.param("\x9b2J", "\\x9b2J", id="cursor by an 8-bit control"),
        pytest.param("\x1b[1;32mgreen\x1b[0m", "green", id="colour"),
        pytest.param("a\rb\x08\x00", "a\\rb\\x08\\x00", id="overwriting"),
    ],
)
def test_output_cannot_steer_the_terminal(text: str, shown: str) -> None:
    assert printed(line(text)) == f"17:59:01.123  #1   3c4d5e6f  | {shown}\n"


def test_colours_of_the_function_end_with_its_line() -> None:
    text = printed(line("\x1b[32mgreen\x1b[2K"), colour=True)
    assert "\x1b[32mgreen\\x1b[2K\x1b[0m\n" in text


@pytest.mark.parametrize(
    "notice",
    [
        Answered(AT, "\x1b[2J\x1b[H", "GET /\x1b[2J\x07", 200, 0, 1.0),
        answered(502, failure=failed("error", "\x1b[2J\x07", {"stackTrace": ["\x1b[2J"]})),
        Reloaded(AT, ("\x1b[2J.py",)),
    ],
    ids=["url", "failure", "file name"],
)
def test_nothing_else_steers_the_terminal(notice: Notice) -> None:
    text = printed(notice)
    assert text.replace("\n", "").isprintable()
    assert "\\x1b[2J" in text or "1b[H" in text


def test_failed_start_is_no_wait() -> None:
    failure = failed("init", "No module named 'shop'")
    assert "waited" not in printed(report(failure), answered(500, 900.0, failure))


def test_long_url_is_cut() -> None:
    text = printed(Answered(AT, "", "GET /" + "x" * 9000, 200, 0, 1.0))
    assert f" GET /{'x' * 112}...  " in text


@pytest.mark.parametrize(
    "trace",
    [None, "no list", [{"file": "app.js"}, 7], []],
    ids=["none", "text", "objects", "empty"],
)
def test_traceback_of_any_shape_is_printed(trace: Any) -> None:
    error = {"errorType": 5, "errorMessage": None, "stackTrace": trace}
    assert "x it broke\n" in printed(report(failed("error", "it broke", error)), answered(502))


def test_message_of_several_lines_stays_legible() -> None:
    text = printed(answered(502, failure=failed("error", "ValueError: one\ntwo")))
    assert text.endswith(
        "                             x ValueError: one\n                               two\n"
    )


def test_retried_invocation_is_printed_each_time() -> None:
    assert printed(report(), report()).count("invoked") == 2


def test_report_waits_for_the_answer_of_its_request() -> None:
    paper = Paper()

    async def tell() -> None:
        printer = Printer(paper, json_logs=False, colour=False)
        printer(report())
        for _ in range(3):
            await asyncio.sleep(0)
        assert paper.getvalue() == ""
        printer(answered())
        while not paper.getvalue():
            await asyncio.sleep(0.001)
        assert "GET /hello?page=2" in paper.getvalue()
        printer(report())
        while "invoked" not in paper.getvalue():
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(tell(), 20))
    assert paper.getvalue().count("\n") == 2


def test_what_comes_together_is_one_write() -> None:
    paper = Paper()

    async def tell() -> None:
        printer = Printer(paper, json_logs=False, colour=False)
        for number in range(100):
            printer(line(f"line {number}"))
        assert paper.writes == 0
        while not paper.writes:
            await asyncio.sleep(0.001)
        assert paper.getvalue().count("\n") == 100
        printer(line("another"))
        while paper.getvalue().count("\n") == 100:
            await asyncio.sleep(0.001)
        assert paper.writes == 2

    asyncio.run(tell())


def test_programs_read_one_object_per_notice() -> None:
    failure = failed("error", "ValueError: out of stock", ERROR)
    text = printed(
        Started(AT, "1", "spawn", 4711),
        Ready(AT, "1", 231.2),
        line("价格\x1b[2J\x7f\u2028"),
        report(failure, 231.2),
        answered(502, failure=failure),
        Ended(AT, "1", "exit", -9),
        Reloaded(AT, ("app.py",)),
        json_logs=True,
        colour=True,
    )
    at = "2025-11-21T17:59:01.123Z"
    told = {"kind": "error", "message": "ValueError: out of stock", "error": ERROR}
    assert [json.loads(each) for each in text.splitlines()] == [
        {"kind": "started", "at": at, "instance": "1", "cold": "spawn", "pid": 4711},
        {"kind": "ready", "at": at, "instance": "1", "init_ms": 231.2},
        {
            "kind": "line",
            "at": at,
            "instance": "1",
            "request_id": ID,
            "stream": "stdout",
            "text": "价格\x1b[2J\x7f\u2028",
        },
        {
            "kind": "report",
            "at": at,
            "instance": "1",
            "request_id": ID,
            "duration_ms": 12.34,
            "billed_ms": 13,
            "init_ms": 231.2,
            "memory_mb": 128,
            "used_mb": 44.6,
            "failure": told,
        },
        {
            "kind": "answered",
            "at": at,
            "request_id": ID,
            "line": "GET /hello?page=2",
            "status": 502,
            "body_bytes": 1234,
            "took_ms": 14.0,
            "failure": told,
            "note": "",
        },
        {"kind": "ended", "at": at, "instance": "1", "why": "exit", "status": -9},
        {"kind": "reloaded", "at": at, "paths": ["app.py"]},
    ]
    assert text.replace("\n", "").isprintable()
    assert text.isascii()


BANNER = Banner(
    target="samples/flask_app",
    dialect="aws_http",
    title="AWS HTTP API, payload 2.0",
    platform="AWS Lambda",
    url="http://127.0.0.1:9000/",
    instances=10,
    concurrency=1,
    cold="spawn",
    timeout_s=3.0,
    memory_mb=128,
    idle_s=300.0,
)


def shown(banner: Banner, *, json_logs: bool = False) -> str:
    paper = Paper()
    Printer(paper, json_logs=json_logs, colour=False).banner(banner)
    return paper.getvalue()


def test_banner_says_what_is_served_and_how() -> None:
    assert shown(BANNER) == (
        "slsadapt serve samples/flask_app\n"
        "  open       http://127.0.0.1:9000/\n"
        "  gateway    AWS HTTP API, payload 2.0 (aws_http); AWS Lambda\n"
        "  instances  up to 10, 1 request at a time in each; spawn: honest cold starts\n"
        "  limits     3 s, 128 MB, 300 s idle\n"
        "  stop       Ctrl-C\n\n"
    )


def test_banner_with_everything_has_12_lines() -> None:
    text = shown(
        Banner(
            target="chat",
            dialect="aws_websocket",
            title="AWS WebSocket API",
            platform="AWS Lambda",
            url="ws://127.0.0.1:9000/",
            instances=3,
            concurrency=5,
            cold="fork",
            preloaded=312,
            left_out=("grpc", "torch"),
            timeout_s=None,
            memory_mb=None,
            idle_s=60.0,
            queue_s=2.5,
            freezes=True,
            reload="chat",
            invoke="http://127.0.0.1:9001",
            push="http://127.0.0.1:9000/@connections/",
            record="cassettes",
            timers=("rate(5 minutes)", "cron(0 3 * * ? *)"),
            debug_port=5678,
        )
    )
    assert text == (
        "slsadapt serve chat\n"
        "  open       ws://127.0.0.1:9000/\n"
        "  gateway    AWS WebSocket API (aws_websocket); AWS Lambda\n"
        "  instances  up to 3, 5 requests at a time in each; "
        "fork: cold starts in ms, 312 modules preloaded, 2 cannot be\n"
        "  limits     no time limit, no memory limit, 60 s idle, 2.5 s in the queue, "
        "frozen between requests\n"
        "  invoke     http://127.0.0.1:9001\n"
        "  push       http://127.0.0.1:9000/@connections/\n"
        "  reload     on changes in chat\n"
        "  record     cassettes into cassettes\n"
        "  timers     rate(5 minutes), cron(0 3 * * ? *)\n"
        "  debugger   debugpy at 127.0.0.1:5678, in the first instance\n"
        "  stop       Ctrl-C\n\n"
    )


def test_banner_tells_programs_the_address() -> None:
    told = json.loads(shown(BANNER, json_logs=True))
    assert (told["kind"], told["url"], told["timers"]) == ("serving", "http://127.0.0.1:9000/", [])


@pytest.mark.parametrize(
    ("environment", "json_logs", "colour", "is_coloured"),
    [
        pytest.param({}, False, None, True, id="terminal"),
        pytest.param({"NO_COLOR": "1"}, False, None, False, id="NO_COLOR"),
        pytest.param({"TERM": "dumb"}, False, None, False, id="dumb terminal"),
        pytest.param({"NO_COLOR": "1"}, False, True, True, id="forced"),
        pytest.param({}, False, False, False, id="forbidden"),
        pytest.param({}, True, True, False, id="programs"),
    ],
)
def test_colours_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    json_logs: bool,
    colour: bool | None,
    is_coloured: bool,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    theirs, ours = pty.openpty()
    try:
        with os.fdopen(ours, "w", encoding="utf-8") as stream:
            Printer(stream, json_logs=json_logs, colour=colour).banner(BANNER)
            text = os.read(theirs, 4096)
        assert (b"\x1b[" in text) is is_coloured
    finally:
        os.close(theirs)


def test_no_colours_in_a_file() -> None:
    paper = Paper()
    Printer(paper, json_logs=False).banner(BANNER)
    assert "\x1b" not in paper.getvalue()


def write_through(stream: io.TextIOWrapper, *notices: Notice) -> None:
    async def tell() -> None:
        printer = Printer(stream, json_logs=False, colour=False)
        for notice in notices:
            printer(notice)
            printer.flush()

    asyncio.run(tell())


def test_locale_without_chinese_gets_escapes() -> None:
    octets = io.BytesIO()
    write_through(io.TextIOWrapper(octets, encoding="ascii"), line("城"))
    assert octets.getvalue().endswith(b"| \\u57ce\n")


def test_serving_goes_on_when_nobody_reads_any_more() -> None:
    failures: list[dict[str, Any]] = []
    read, write = os.pipe()
    os.close(read)
    stream = os.fdopen(write, "w", encoding="utf-8")

    async def tell() -> None:
        keep: Callable[..., None] = lambda loop, context: failures.append(context)  # noqa: E731
        asyncio.get_running_loop().set_exception_handler(keep)
        printer = Printer(stream, json_logs=False, colour=False)
        for _ in range(3):
            printer(line("anybody?"))
            printer.flush()

    asyncio.run(tell())
    assert failures == []
    with pytest.raises(BrokenPipeError):
        stream.close()
