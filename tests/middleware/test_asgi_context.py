"""What a server leaves behind in the context, and what the adapter knows, in ASGI."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from typing import Any

import pytest

from slsadapt import logs, timing, wrap
from slsadapt.middleware.asgi import RequestIDMiddleware

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


def http_scope(request_id: str) -> dict[str, Any]:
    return {"type": "http", "path": "/", "headers": [(b"x-request-id", request_id.encode())]}


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def discard(message: dict[str, Any]) -> None:
    pass


@pytest.mark.parametrize("nested", [1, 2], ids=["once", "twice"])
def test_request_begun_in_a_copy_of_anothers_context_has_its_own_id_and_nothing_bound(
    nested: int,
) -> None:
    # uvicorn registers the reader of a connection anew when a large body was slow to be read,
    # from within the request, so that the connection's next request begins with its context.
    seen: list[dict[str, Any]] = []
    left_behind: list[Context] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(logs.context())
        logs.bind(user="ada")
        left_behind.append(copy_context())
        await send({"type": "http.response.start", "status": 200, "headers": []})

    application: Any = app
    for _ in range(nested):
        application = RequestIDMiddleware(application, trust=["X-Request-ID"])

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        await application(http_scope("first"), receive, discard)
        coroutine = application(http_scope("second"), receive, discard)
        await left_behind[0].run(loop.create_task, coroutine)

    asyncio.run(serve())
    assert seen == [{"request_id": "first"}, {"request_id": "second"}]


@pytest.mark.parametrize("nested", [1, 2], ids=["once", "twice"])
def test_adapter_without_request_ids_keeps_its_spans(nested: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            with timing.span("db"):
                pass
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": logs.invocation_id().encode()})

    application: Any = app
    for _ in range(nested):
        application = RequestIDMiddleware(application, trust=["X-Request-ID"])

    class FunctionContext:
        aws_request_id = "invocation-1"

    spans: list[str] = []
    handler = wrap(
        application,
        request_id=False,
        timing=lambda told: spans.extend(span.name for span in told.spans),
        on_error="raise",
    )
    result = handler(EVENT, FunctionContext())
    assert result["body"] == "invocation-1"
    assert spans == ["db"]
    assert len(result["headers"]["x-request-id"]) == 32
