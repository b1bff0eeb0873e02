"""Measure what request IDs, log context, timing and deadline add to an invocation.

Beside them, in the same run: asgi-correlation-id, starlette-context and django-guid, on the same
applications. ``python -m benchmarks.observability``, from the root; README.md beside this file
says how to read the table.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from io import BytesIO
from statistics import median
from typing import Any

from benchmarks import overhead
from benchmarks.overhead import (
    HEADLINE,
    Handler,
    Json,
    Row,
    Samples,
    alone,
    apig_wsgi,
    bare_asgi,
    bare_wsgi,
    check,
    compare,
    fresh,
    load,
    measure,
    progress,
)

GREETING = overhead.GREETING


class Context(overhead.Context):
    """AWS's context, which counts down."""

    def get_remaining_time_in_millis(self) -> int:
        """Give what is left of a minute that never ends."""
        return 60_000


CONTEXT = Context()


def no_op(timing: object) -> None:
    """Do nothing with a Timing."""


def contenders() -> dict[str, Handler]:
    """Wrap the same application with nothing, with each thing, with all, and with apig-wsgi."""
    from slsadapt import wrap

    app = bare_wsgi()
    return {
        "apig-wsgi": apig_wsgi(app),
        "nothing": wrap(app, request_id=False),
        "request ID": wrap(app),
        "timing": wrap(app, request_id=False, timing=no_op),
        "deadline": wrap(app, request_id=False, deadline=0.5),
        "timing and deadline": wrap(app, request_id=False, timing=no_op, deadline=0.5),
        "all": wrap(app, timing=no_op, deadline=0.5),
    }


def measure_adapter(rounds: int, batch: int) -> Samples:
    """Time the headline's events in each; µs per event."""
    events = {name: load(name) for name in HEADLINE}
    handlers = contenders()
    for name, event in events.items():
        for contender, handler in handlers.items():
            check(f"{contender} on {name}", handler(event, CONTEXT), GREETING)
    makers = {name: fresh(event) for name, event in events.items()}
    cases = dict.fromkeys(HEADLINE, handlers)
    measure(cases, makers, 1, batch, CONTEXT)
    return measure(cases, makers, rounds, batch, CONTEXT)


def added(samples: Samples, ours: str, base: str) -> list[float]:
    """Subtract within each round; mean over the events, µs."""
    pairs = [zip(samples[case][ours], samples[case][base], strict=True) for case in samples]
    return [
        sum(mine - other for mine, other in each) / len(each) for each in zip(*pairs, strict=True)
    ]


# Middleware without the adapter, on one coroutine driven without a loop or server.


def asgi_contenders() -> dict[str, Any]:
    """Put each middleware around the same ASGI application."""
    from asgi_correlation_id import CorrelationIdMiddleware
    from starlette_context.middleware import RawContextMiddleware
    from starlette_context.plugins import RequestIdPlugin

    from slsadapt.middleware.asgi import RequestIDMiddleware

    app = bare_asgi()
    return {
        "nothing": app,
        "slsadapt": RequestIDMiddleware(app, trust=["X-Request-ID"]),
        "asgi-correlation-id": CorrelationIdMiddleware(app),
        "starlette-context": RawContextMiddleware(app, plugins=[RequestIdPlugin()]),
    }


def drive(app: Any) -> Callable[[], Json]:
    """Make a call of an ASGI application that never waits; gives its start message."""
    headers = [
        (b"host", b"example.com"),
        (b"x-request-id", b"6f747fa1-7bd8-4d1b-8e0c-0f5f2ac6a8c1"),
        (b"accept", b"*/*"),
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": None,
        "server": ("example.com", 443),
    }

    def call() -> Json:
        messages: list[Json] = []

        async def receive() -> Json:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Json) -> None:
            messages.append(message)

        try:
            app(scope | {"headers": [*headers]}, receive, send).send(None)
        except StopIteration:
            return messages[0]
        raise RuntimeError("the application waits")

    return call


def django_contenders() -> dict[str, Callable[[], Any]]:
    """Run one Django view under each middleware."""
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    def hello(request: HttpRequest) -> HttpResponse:
        return HttpResponse(GREETING)

    settings.configure(
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="benchmark",
        ROOT_URLCONF=(path("test", hello),),
        INSTALLED_APPS=["django_guid"],
        DJANGO_GUID={"GUID_HEADER_NAME": "X-Request-ID"},
        SLSADAPT_REQUEST_IDS={"trust": ["X-Request-ID"]},
    )
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/test",
        "SERVER_NAME": "example.com",
        "SERVER_PORT": "443",
        "wsgi.url_scheme": "https",
        "wsgi.input": BytesIO(),
        "HTTP_X_REQUEST_ID": "6f747fa17bd84d1b8e0c0f5f2ac6a8c1",
    }
    handlers: dict[str, Any] = {"nothing": get_wsgi_application()}
    for name, middleware in (
        ("slsadapt", "slsadapt.middleware.django.RequestIDMiddleware"),
        ("django-guid", "django_guid.middleware.guid_middleware"),
    ):
        settings.MIDDLEWARE = [middleware]
        handlers[name] = WSGIHandler()

    def caller(handler: Any) -> Callable[[], Any]:
        def call() -> Any:
            seen: list[Any] = []
            response = handler(environ.copy(), lambda status, headers: seen.append(headers))
            b"".join(response)
            response.close()
            return dict(seen[0])

        return call

    return {name: caller(handler) for name, handler in handlers.items()}


def measure_calls(calls: dict[str, Callable[[], Any]], rounds: int, batch: int) -> Samples:
    """Time calls, in random order within rounds; µs each."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for warm_up in (True, *[False] * rounds):
        for name in random.sample([*calls], len(calls)):
            call = calls[name]
            start_ns = time.perf_counter_ns()
            for _ in range(batch):
                call()
            if not warm_up:
                samples[name].append((time.perf_counter_ns() - start_ns) / batch / 1000)
    return {"calls": samples}


# Log records.


def filters() -> dict[str, Callable[[], Any]]:
    """Pass one record through each filter, inside of a request."""
    from asgi_correlation_id import CorrelationIdFilter, correlation_id
    from django_guid.log_filters import CorrelationId as GuidFilter

    from slsadapt import logs
    from slsadapt.logs.invocation import CURRENT, Invocation

    invocation = Invocation()
    invocation.request_id = "6f747fa1-7bd8-4d1b-8e0c-0f5f2ac6a8c1"
    invocation.platform_context = CONTEXT
    CURRENT.set(invocation)
    correlation_id.set(invocation.request_id)
    record = logging.makeLogRecord({"msg": "one"})
    ours, theirs, guid = logs.LogPrefixFilter(), CorrelationIdFilter(), GuidFilter()
    return {
        "slsadapt": lambda: ours.filter(record),
        "asgi-correlation-id": lambda: theirs.filter(record),
        "django-guid": lambda: guid.filter(record),
        "nothing": lambda: None,
    }


def spans() -> dict[str, Callable[[], Any]]:
    """Measure nothing in a span, in a batch that forgets what it kept."""
    from slsadapt import timing
    from slsadapt.logs.invocation import CURRENT, Invocation

    invocation = Invocation()
    CURRENT.set(invocation)

    def measured() -> None:
        invocation.spans = []
        for _ in range(100):
            with timing.span("db"):
                pass

    def empty() -> None:
        invocation.spans = []
        for _ in range(100):
            pass

    return {"span": measured, "nothing": empty}


def run(quick: bool) -> tuple[dict[str, list[Row]], Json]:
    """Measure everything; return the table by title, and the raw samples."""
    rounds, batch = (2, 5) if quick else (120, 50)
    report: dict[str, list[Row]] = {}
    raw: Json = {}

    progress("what each part adds")
    raw["adapter_us"] = samples = measure_adapter(rounds, batch)
    report["What each part adds to a WSGI event"] = [
        alone("request ID", added(samples, "request ID", "nothing"), "µs", 2.0),
        alone("timing, a hook that does nothing", added(samples, "timing", "nothing"), "µs", 2.0),
        alone("deadline guard alone", added(samples, "deadline", "nothing"), "µs", 2.0),
        alone(
            "deadline guard beside timing", added(samples, "timing and deadline", "timing"), "µs"
        ),
        *[
            compare(f"with {name}", samples, HEADLINE, "apig-wsgi", ours=name, target=target)
            for name, target in (("nothing", None), ("request ID", None), ("all", 1.0))
        ],
    ]

    progress("log records and spans")
    raw["filter_us"] = samples = measure_calls(filters(), rounds, 40 * batch)
    bare = median(samples["calls"].pop("nothing"))
    rows = report["A log record through the filter, a span"] = [
        alone(name, [each - bare for each in values], "µs", 0.5 if name == "slsadapt" else None)
        for name, values in samples["calls"].items()
    ]
    raw["span_us"] = samples = measure_calls(spans(), rounds, batch)
    rows.append(alone("span", [each / 100 for each in added(samples, "span", "nothing")], "µs", 1))

    progress("middleware without the adapter")
    asgi = {name: drive(app) for name, app in asgi_contenders().items()}
    django = django_contenders()
    for name in asgi:
        if name != "nothing" and b"x-request-id" not in {
            key.lower() for key, _ in asgi[name]()["headers"]
        }:
            raise overhead.WrongAnswerError(f"{name} returned no ID")
    for what, calls in (("ASGI", asgi), ("Django", django)):
        raw[f"{what.lower()}_middleware_us"] = samples = measure_calls(calls, rounds, batch)
        report[f"Request ID middleware, {what}: what it adds"] = [
            alone(name, added(samples, name, "nothing"), "µs")
            for name in calls
            if name != "nothing"
        ]
    return report, raw


if __name__ == "__main__":
    raise SystemExit(overhead.command(__doc__ or "", run))
