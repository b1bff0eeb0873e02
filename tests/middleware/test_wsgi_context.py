"""What the adapter knows stays, and nothing is left behind, in WSGI."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from slsadapt import logs, timing, wrap
from slsadapt.middleware.wsgi import RequestIDMiddleware

EVENT: dict[str, Any] = {
    "version": "2.0",
    "rawPath": "/",
    "rawQueryString": "",
    "headers": {"host": "example.com"},
    "requestContext": {
        "requestId": "gateway-1",
        "stage": "$default",
        "http": {"method": "GET", "path": "/", "sourceIp": "203.0.113.1"},
    },
    "isBase64Encoded": False,
}


class Contexts(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(logs.context())


def test_what_is_bound_inside_stays_for_the_adapters_500_line() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        logs.bind(user="ada")
        raise ValueError

    contexts = Contexts()
    logger = logging.getLogger("slsadapt")
    logger.addHandler(contexts)
    try:
        result = wrap(RequestIDMiddleware(app))(EVENT)
    finally:
        logger.removeHandler(contexts)
    assert result["statusCode"] == 500
    assert contexts.seen == [{"request_id": "gateway-1", "user": "ada"}]


def test_adapter_without_request_ids_keeps_its_spans() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        with timing.span("db"):
            start_response("200 OK", [])
        return []

    spans: list[str] = []
    handler = wrap(
        RequestIDMiddleware(app),
        request_id=False,
        timing=lambda told: spans.extend(span.name for span in told.spans),
    )
    assert len(handler(EVENT)["headers"]["x-request-id"]) == 32
    assert spans == ["db"]


def test_error_after_the_headers_leaves_no_cycle_behind() -> None:
    import gc
    import sys
    import weakref

    class FailedError(Exception):
        pass

    died: list[weakref.ref[FailedError]] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            raise FailedError
        except FailedError as error:
            died.append(weakref.ref(error))
            start_response("500 Internal Server Error", [], sys.exc_info())
        return []

    def headers_are_sent(status: str, headers: Any, exc_info: Any = None) -> Any:
        try:
            raise exc_info[1].with_traceback(exc_info[2])
        finally:
            exc_info = None

    gc.disable()
    try:
        with pytest.raises(FailedError):
            RequestIDMiddleware(app)({}, headers_are_sent)
        assert died[0]() is None
    finally:
        gc.enable()
