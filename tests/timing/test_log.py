"""The log line of an invocation."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from slsadapt import logs, wrap
from slsadapt.timing import log_timing, span

Event = Callable[[str], dict[str, Any]]

HTTP = "aws_http/rs_sam_http"

app = Flask("timed")


@app.get("/orders/<int:number>")
def order(number: int) -> str:
    for _ in range(2):
        with span("db"):
            pass
    logs.bind(user="ada")
    return "x" * number


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "slsadapt.timing"):
        yield caplog


def ask(path: str, event: Event) -> None:
    handler = wrap(app, timing=log_timing)
    handler(event(HTTP) | {"rawPath": "/warm-up"})
    handler(event(HTTP) | {"rawPath": path})


def test_line_tells_people(event: Event, log: pytest.LogCaptureFixture) -> None:
    ask("/orders/7", event)
    cold, warm = (record.getMessage() for record in log.records)
    number = r"\d+\.\d"
    assert re.fullmatch(
        rf"GET /warm-up 404 in {number} ms, cold \((import {number}, )?decode {number}, "
        rf"application {number}, encode {number}\), 0 B in, \d+ B out, aws_http",
        cold,
    )
    assert re.fullmatch(
        rf"GET /orders/<int:number> 200 in {number} ms \(decode {number}, application {number}, "
        rf"encode {number}, db {number}\), 0 B in, 7 B out, aws_http",
        warm,
    )


def test_record_tells_programs(event: Event, log: pytest.LogCaptureFixture) -> None:
    ask("/orders/7", event)
    told = log.records[1].__dict__["timing"]
    assert {*told} == {
        "method", "route", "status", "total_ms", "cold", "phases_ms", "spans_ms",
        "request_bytes", "response_bytes", "dialect",
    }  # fmt: skip
    assert told["route"] == "/orders/<int:number>"
    assert (told["status"], told["cold"], told["response_bytes"]) == (200, False, 7)
    assert {*told["phases_ms"]} == {"decode", "application", "encode"}
    assert {*told["spans_ms"]} == {"db"}


def test_path_without_a_route_forges_nothing(event: Event, log: pytest.LogCaptureFixture) -> None:
    ask("/a\nb\u2028c", event)
    assert "GET /a%0Ab%E2%80%A8c 404" in log.records[1].getMessage()
    assert log.records[1].__dict__["timing"]["path"] == "/a%0Ab%E2%80%A8c"


def test_span_and_method_forge_nothing(event: Event, log: pytest.LogCaptureFixture) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        with span("db\nERROR forged"):
            pass
        start_response("200 OK", [])
        return []

    sent = event(HTTP)
    sent["requestContext"]["http"]["method"] = "GET\nX"
    wrap(app, timing=log_timing)(sent)
    (message,) = (record.getMessage() for record in log.records)
    assert "db\\nERROR forged " in message
    assert message.startswith("GET\\nX /")
    assert len(message.splitlines()) == 1


def test_json_line_carries_context_and_timing(event: Event) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logger = logging.getLogger("slsadapt.timing")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        ask("/orders/3", event)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    line = json.loads(stream.getvalue().splitlines()[1])
    assert line["user"] == "ada"
    assert line["request_id"] == event(HTTP)["requestContext"]["requestId"]
    assert line["timing"]["response_bytes"] == 3


def test_nothing_is_worked_out_where_nobody_listens(event: Event) -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    logger = logging.getLogger("slsadapt.timing")
    logger.setLevel(logging.WARNING)
    try:
        log_timing(Untouchable())  # type: ignore[arg-type]
    finally:
        logger.setLevel(logging.NOTSET)
