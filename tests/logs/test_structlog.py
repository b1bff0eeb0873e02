"""add_context: structlog's events have the same fields as log records."""

from __future__ import annotations

import json
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from slsadapt import logs
from slsadapt.logs.invocation import BOUND, CURRENT, Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def invocation() -> Iterator[Invocation]:
    """Run each test in an invocation of its own, and take it away again."""
    current = Invocation()
    current.request_id = "req-1"
    current.invocation_id = "inv-1"
    current.function = "shop"
    token, bound = CURRENT.set(current), BOUND.set({})
    yield current
    BOUND.reset(bound)
    CURRENT.reset(token)


@pytest.fixture
def stream() -> Iterator[StringIO]:
    """Configure structlog as its users do, and put back what it had."""
    before = structlog.get_config()
    written = StringIO()
    structlog.configure(
        processors=[
            logs.add_context,
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.BoundLogger,
        logger_factory=structlog.WriteLoggerFactory(file=written),
        cache_logger_on_first_use=False,
    )
    yield written
    structlog.configure(**before)


def events_of(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_event_has_ids_function_and_what_was_bound(stream: StringIO) -> None:
    logs.bind(user="ada")
    structlog.get_logger().info("sold", price=5)
    assert events_of(stream) == [
        {
            "event": "sold",
            "level": "info",
            "price": 5,
            "request_id": "req-1",
            "invocation_id": "inv-1",
            "function": "shop",
            "user": "ada",
        }
    ]


def test_events_own_keys_win(stream: StringIO) -> None:
    logs.bind(user="ada", event="forged", price=1)
    structlog.get_logger().bind(user="bob").info("sold", price=None, request_id="mine")
    (event,) = events_of(stream)
    assert event["event"] == "sold"
    assert event["user"] == "bob"
    assert event["price"] is None
    assert event["request_id"] == "mine"


def test_context_is_read_when_the_event_is_logged(stream: StringIO) -> None:
    logger = structlog.get_logger().bind(item="hat")
    logs.bind(user="ada")
    logger.info("first")
    logs.unbind("user")
    logger.info("second")
    first, second = events_of(stream)
    assert (first["user"], first["item"]) == ("ada", "hat")
    assert "user" not in second


def test_outside_of_invocations_nothing_is_added(stream: StringIO) -> None:
    CURRENT.set(None)
    structlog.get_logger().info("sold")
    assert events_of(stream) == [{"event": "sold", "level": "info"}]
