"""Measure slsadapt against apig-wsgi, serverless-wsgi, Mangum and the bare application.

Everything is measured in one run, in random order within rounds, and compared within a round:
what else the machine does meanwhile then slows both sides of a ratio alike. README.md beside
this file says what is measured and how to read the table.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import inspect
import json
import os
import platform
import random
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

Json = dict[str, Any]
Handler = Callable[[Any, Any], Any]
Adapter = Callable[[Any], Handler]
# What was measured, in the order of the rounds: samples[case][contender][round].
Samples = dict[str, dict[str, list[float]]]

# Recorded events with 16 to 22 headers, cookies counted, that every contender serves.
HEADLINE = (
    "aws_rest/go_request",
    "aws_rest/rs_catch_all",
    "aws_rest/rs_sam_rest",
    "aws_rest/rec_with_params_encoding_multi",
    "aws_http/rs_sam_http",
    "aws_http/doc_java_v2",
)
# Captured from live gateways with ten headers: shown, but not part of the headline.
EXTRA = (
    "aws_rest/live_rest_encoded_path_repeated",
    "aws_http/live_httpapi_encoded_path_repeated",
)
# GET /test and GET /dump, which the hello applications route.
HELLO = ("aws_rest/rs_sam_rest", "aws_http/rs_sam_http")

# Dialects whose detection has the smaller target.
CORE = ("tencent_apigw", "tencent_function_url", "aws_rest", "aws_http", "aws_function_url")

# What `import slsadapt` and wrapping a WSGI function may not load.
UNWANTED = (
    "asyncio",
    "werkzeug",
    "mangum",
    "asgiref",
    "inspect",
    "logging",
    "http.server",
    "importlib.metadata",
)

GREETING = b"Hello, world!"
PAYLOAD = random.Random(6).randbytes(6_000_000)
FLOOR = "floor"


class Context:
    """What a platform passes beside the event."""

    aws_request_id = "6f747fa1-7bd8-4d1b-8e0c-0f5f2ac6a8c1"
    function_name = "overhead"

    def __call__(self, status: str, headers: object, exc_info: object = None) -> None:
        """Stand for start_response, which Alibaba FC 2 passes in a context's place."""


CONTEXT = Context()


# Contenders. The source of these functions, and of the applications below, also runs alone in
# child processes, so each imports what it needs.


def slsadapt(app: Any) -> Handler:
    """Wrap as the README says, dialect told by the event."""
    from slsadapt import wrap

    return wrap(app)


def apig_wsgi(app: Any) -> Handler:
    """Wrap with apig-wsgi as it comes."""
    from apig_wsgi import make_lambda_handler

    return make_lambda_handler(app)


def serverless_wsgi(app: Any) -> Handler:
    """Wrap with serverless-wsgi as it comes."""
    from serverless_wsgi import handle_request  # type: ignore[import-untyped]

    return lambda event, context: handle_request(app, event, context)


def mangum_off(app: Any) -> Handler:
    """Wrap with Mangum, without the lifespan protocol."""
    from mangum import Mangum

    return Mangum(app, lifespan="off")


def mangum(app: Any) -> Handler:
    """Wrap with Mangum as it comes, which runs the lifespan protocol around each event."""
    from mangum import Mangum

    return Mangum(app)


def slsadapt_unlimited(app: Any) -> Handler:
    """Wrap without lifespan, and without the platform's limit, which 6 MB in base64 exceed."""
    from slsadapt import wrap

    return wrap(app, lifespan="off", result_limit_bytes=10**9)


WSGI: dict[str, Adapter] = {
    "slsadapt": slsadapt,
    "apig-wsgi": apig_wsgi,
    "serverless-wsgi": serverless_wsgi,
}
ASGI: dict[str, Adapter] = {
    "slsadapt": slsadapt,
    "Mangum, lifespan off": mangum_off,
    "Mangum": mangum,
}


# Applications.


def bare_wsgi() -> Any:
    """Make a WSGI function that does next to nothing."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"Hello, world!"]

    return app


def bare_asgi() -> Any:
    """Make an ASGI function that does next to nothing, and knows lifespan."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"Hello, world!"})

    return app


def flask_hello() -> Any:
    """Make a Flask application of one view."""
    from flask import Flask

    app = Flask("hello")

    @app.get("/test")
    @app.get("/dump")
    def hello() -> str:
        return "Hello, world!"

    return app


def django_hello() -> Any:
    """Make a Django application of one view, without middleware."""
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    def hello(request: HttpRequest) -> HttpResponse:
        return HttpResponse("Hello, world!")

    urls = (path("test", hello), path("dump", hello))
    settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="benchmark", ROOT_URLCONF=urls)
    return get_wsgi_application()


def starlette_hello() -> Any:
    """Make a Starlette application of one endpoint."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def hello(request: object) -> PlainTextResponse:
        return PlainTextResponse("Hello, world!")

    return Starlette(routes=[Route("/test", hello), Route("/dump", hello)])


def fastapi_hello() -> Any:
    """Make a FastAPI application of one asynchronous endpoint."""
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    @app.get("/test", response_class=PlainTextResponse)
    @app.get("/dump", response_class=PlainTextResponse)
    async def hello() -> str:
        return "Hello, world!"

    return app


def fingerprint(body: bytes) -> bytes:
    """Tell bodies apart at a cost that does not show beside base64."""
    return b"%d %s" % (len(body), body[::100_003].hex().encode())


def upload_wsgi() -> Any:
    """Make a WSGI application that reads the body."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [fingerprint(environ["wsgi.input"].read())]

    return app


def upload_asgi() -> Any:
    """Make an ASGI application that reads the body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": fingerprint(body)})

    return app


def download_wsgi() -> Any:
    """Make a WSGI application that answers a large body."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return [PAYLOAD]

    return app


def download_asgi() -> Any:
    """Make an ASGI application that answers a large body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/octet-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": PAYLOAD})

    return app


# The floor: the least that any adapter has to do for the application.


def wsgi_floor(app: Any, event: Json) -> Handler:
    """Call a WSGI application with a copy of its environ and collect its body."""
    seen: list[Json] = []

    def record(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ.copy())
        start_response("200 OK", [])
        return []

    slsadapt(record)(event, CONTEXT)
    environ = seen[0]

    def call(event: Json, context: object) -> bytes:
        def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
            pass

        body = app(environ.copy(), start_response)
        joined = b"".join(body)
        if close := getattr(body, "close", None):
            close()
        return joined

    return call


def asgi_floor(app: Any, event: Json) -> Handler:
    """Drive an ASGI application with a copy of its scope, without a loop."""
    seen: list[Json] = []

    async def record(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(scope.copy())
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

    slsadapt(record)(event, CONTEXT)
    scope = seen[0]

    def call(event: Json, context: object) -> bytes:
        chunks: list[bytes] = []

        async def receive() -> Json:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Json) -> None:
            chunks.append(message.get("body", b""))

        try:
            app(scope.copy(), receive, send).send(None)
        except StopIteration:
            return b"".join(chunks)
        raise RuntimeError("the application waits, so it has no floor without a loop")

    return call


# Sampling.


class WrongAnswerError(Exception):
    """A contender answered something else than the application did."""


def load(name: str) -> Json:
    """Read a recorded event."""
    loaded = json.loads((ROOT / "tests" / "events" / f"{name}.json").read_text())
    event: Json = loaded["event"]
    if name == "aws_http/doc_java_v2":
        # The recorded body is plain text, whatever its flag says; peers would fail on it.
        event["isBase64Encoded"] = False
    return event


def upload_event() -> Json:
    """Make an event that brings PAYLOAD."""
    event = load("aws_http/rs_sam_http")
    event["requestContext"]["http"]["method"] = "POST"
    event["headers"]["content-type"] = "application/octet-stream"
    event["headers"]["content-length"] = str(len(PAYLOAD))
    return event | {"body": base64.b64encode(PAYLOAD).decode(), "isBase64Encoded": True}


def check(contender: str, result: Any, expected: bytes) -> None:
    """Refuse a result that is not a 200 with this body."""
    status, body = 200, result
    if isinstance(result, dict):
        status, body = result["statusCode"], result["body"].encode()
        if result["isBase64Encoded"]:
            body = base64.b64decode(body)
    if status != 200 or body != expected:
        raise WrongAnswerError(f"{contender} answered {status} with {body[:60]!r}")


def fresh(event: Json) -> Callable[[], Json]:
    """Make an event anew each time, as at a runtime.

    No event was seen before there: none of its strings are the ones that a cache holds or that
    have their hash computed.
    """
    text = json.dumps(event)
    return lambda: json.loads(text)


def measure(
    cases: dict[str, dict[str, Handler]],
    events: dict[str, Callable[[], Any]],
    rounds: int,
    batch: int,
    context: Context = CONTEXT,
) -> Samples:
    """Time each handler of each case once a round, in random order; µs per event."""
    samples: Samples = {case: {name: [] for name in cases[case]} for case in cases}
    for _ in range(rounds):
        for case in random.sample([*cases], len(cases)):
            for name in random.sample([*cases[case]], len(cases[case])):
                handler = cases[case][name]
                batched = [events[case]() for _ in range(batch)]
                start = time.perf_counter_ns()
                for event in batched:
                    handler(event, context)
                elapsed_ns = time.perf_counter_ns() - start
                samples[case][name].append(elapsed_ns / batch / 1000)
    return samples


def measure_app(
    app: Any,
    adapters: dict[str, Adapter],
    floor: Callable[[Any, Json], Handler],
    names: tuple[str, ...],
    rounds: int,
    batch: int,
) -> Samples:
    """Check, warm up and time one application behind each adapter and without one."""
    events = {name: load(name) for name in names}
    handlers = {name: adapter(app) for name, adapter in adapters.items()}
    cases = {name: handlers | {FLOOR: floor(app, events[name])} for name in names}
    for case, contenders in cases.items():
        for contender, handler in contenders.items():
            check(f"{contender} on {case}", handler(events[case], CONTEXT), GREETING)
    makers = {name: fresh(event) for name, event in events.items()}
    measure(cases, makers, 1, batch)
    return measure(cases, makers, rounds, batch)


def dialect_request() -> Any:
    """Make the request that every dialect carries: 16 headers, four query pairs, no body."""
    from slsadapt import Request

    sent = load("aws_http/rs_sam_http")["headers"] | {"host": "api.example.com"}
    extra = {f"x-request-header-{number}": f"value {number}" for number in range(16)}
    headers = [*(sent | extra).items()][:16]
    query = "page=2&tag=red&tag=blue&q=caf%C3%A9%20au%20lait"
    return Request("GET", "/shop/items/42", query, headers, client=("203.0.113.7", 0))


def event_maker(dialect: Any, request: Any) -> Callable[[], Any]:
    """Make a dialect's event anew each time, out of JSON unless it is an object."""
    event = dialect.encode_event(request)
    try:
        return fresh(event)
    except TypeError:
        return lambda: dialect.encode_event(request)


def measure_dialects(rounds: int, batch: int) -> tuple[Samples, Samples]:
    """Time one request in every dialect, served and merely detected; µs per event."""
    from slsadapt import gateways

    app, request = bare_wsgi(), dialect_request()
    serve: dict[str, dict[str, Handler]] = {}
    detect: dict[str, dict[str, Handler]] = {}
    events: dict[str, Callable[[], Any]] = {}
    for name in gateways.NAMES:
        events[name] = event_maker(gateways.load(name), request)
        serve[name] = {"slsadapt": slsadapt(app), FLOOR: wsgi_floor(app, events[name]())}
        detect[name] = {"detection": lambda event, context: gateways.detect(event)}
        result = slsadapt(app)(events[name](), CONTEXT)
        if name != "alibaba_fc2":  # which is called as a WSGI application
            result = gateways.load(name).decode_result(result).body
        check(f"slsadapt on {name}", b"".join(result) if type(result) is list else result, GREETING)
    for cases in (serve, detect):
        measure(cases, events, 1, batch)
    return measure(serve, events, rounds, batch), measure(detect, events, rounds, batch)


def large_handlers() -> tuple[dict[str, dict[str, Handler]], dict[str, Json]]:
    """Return what carries PAYLOAD each way, and the events to call it with."""
    large = {"slsadapt, WSGI": slsadapt_unlimited, "apig-wsgi": apig_wsgi}
    wsgi = large | {"serverless-wsgi": serverless_wsgi}
    asgi: dict[str, Adapter] = {"slsadapt, ASGI": slsadapt_unlimited, "Mangum": mangum_off}
    handlers: dict[str, dict[str, Handler]] = {
        "request": {FLOOR: lambda event, context: base64.b64decode(event["body"])},
        "response": {FLOOR: lambda event, context: base64.b64encode(PAYLOAD).decode()},
    }
    for adapters, upload, download in (
        (wsgi, upload_wsgi(), download_wsgi()),
        (asgi, upload_asgi(), download_asgi()),
    ):
        for name, adapter in adapters.items():
            handlers["request"][name] = adapter(upload)
            handlers["response"][name] = adapter(download)
    return handlers, {"request": upload_event(), "response": load("aws_http/rs_sam_http")}


def measure_large(rounds: int) -> Samples:
    """Check and time PAYLOAD each way; ms."""
    handlers, events = large_handlers()
    expected = {"request": fingerprint(PAYLOAD), "response": PAYLOAD}
    for way, contenders in handlers.items():
        for contender, handler in contenders.items():
            if contender != FLOOR:
                check(f"{contender}, {way}", handler(events[way], CONTEXT), expected[way])
    makers = {way: fresh(event) for way, event in events.items()}
    samples = measure(handlers, makers, rounds, 1)
    return {
        way: {name: [us / 1000 for us in each[name]] for name in each}
        for way, each in samples.items()
    }


def trace_large() -> None:
    """Print peak extra memory over the size of PAYLOAD, for each way and contender."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    handlers, events = large_handlers()
    peaks: dict[str, dict[str, float]] = {}
    for way, contenders in handlers.items():
        for contender, handler in contenders.items():
            handler(events[way], CONTEXT)  # what is imported or cached for good is no peak
            tracemalloc.start()
            handler(events[way], CONTEXT)
            peak_bytes = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            peaks.setdefault(way, {})[contender] = peak_bytes / len(PAYLOAD)
    print(json.dumps(peaks))


def measure_memory() -> Samples:
    """Run ``trace_large`` in a process of its own, which tracing slows."""
    command = [sys.executable, __file__, "--trace-large"]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    peaks: dict[str, dict[str, float]] = json.loads(printed)
    return {way: {name: [peak] for name, peak in each.items()} for way, each in peaks.items()}


# Imports.

CHILD = """\
from __future__ import annotations
import sys
from time import perf_counter_ns
sys.path[:] = {path!r}
{app_source}
{adapter_source}
app = {app_name}()
event = {event!r}
modules = {{*sys.modules}}
start = perf_counter_ns()
handler = {adapter_name}(app)
wrapped = perf_counter_ns()
loaded = {{*sys.modules}} - modules
start_event = perf_counter_ns()
result = handler(event, None)
served = perf_counter_ns()
import json
print(json.dumps({{
    "wrap_ms": (wrapped - start) / 1e6,
    "first_event_ms": (served - start_event) / 1e6,
    "loaded": sorted(loaded),
    "result": result,
}}))
"""

IMPORTS: dict[str, tuple[Callable[[], Any], dict[str, Adapter]]] = {
    "WSGI function": (bare_wsgi, WSGI),
    "ASGI function": (bare_asgi, {"slsadapt": slsadapt, "Mangum": mangum}),
    "Flask": (flask_hello, WSGI),
    "Django": (django_hello, WSGI),
    "FastAPI": (fastapi_hello, {"slsadapt": slsadapt, "Mangum": mangum}),
}


def spawn(make_app: Callable[[], Any], adapter: Adapter) -> Json:
    """Import, wrap and serve one event in a fresh interpreter that imports nothing else."""
    code = CHILD.format(
        path=[str(ROOT)]
        + [each for each in sys.path if each not in ("", str(Path(__file__).parent))],
        app_source=inspect.getsource(make_app),
        app_name=make_app.__name__,
        adapter_source=inspect.getsource(adapter),
        adapter_name=adapter.__name__,
        event=load("aws_http/rs_sam_http"),
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    measured: Json = json.loads(printed)
    check(f"{adapter.__name__}, first event", measured.pop("result"), GREETING)
    return measured


def measure_imports(rounds: int) -> tuple[Samples, Samples, dict[str, list[str]]]:
    """Time imports once a round, in random order.

    Returns:
        ms to import and wrap, ms to the end of the first event, and the modules that slsadapt
        loaded on top of each application.
    """
    cells = [(base, name) for base, (_, adapters) in IMPORTS.items() for name in adapters]
    wrap: Samples = {base: {name: [] for name in each} for base, (_, each) in IMPORTS.items()}
    first: Samples = {base: {name: [] for name in each} for base, (_, each) in IMPORTS.items()}
    loaded: dict[str, list[str]] = {}
    for warm_up in (True, *[False] * rounds) if rounds > 1 else (False,):
        for base, name in random.sample(cells, len(cells)):
            make_app, adapters = IMPORTS[base]
            measured = spawn(make_app, adapters[name])
            if name == "slsadapt":
                loaded[base] = measured["loaded"]
            if not warm_up:  # which writes bytecode and fills the page cache
                wrap[base][name].append(measured["wrap_ms"])
                first[base][name].append(measured["wrap_ms"] + measured["first_event_ms"])
    return wrap, first, loaded


# Reporting.


@dataclass
class Row:
    """One line of the table: a ratio, or a measured value itself."""

    what: str
    takes: str
    against: str
    against_takes: str
    value: float
    low: float
    high: float
    unit: str = ""
    target: float | None = None

    @property
    def reached(self) -> bool | None:
        """Tell whether the value is at most the target; None without one."""
        return None if self.target is None else self.value <= self.target


def interval(values: list[float]) -> tuple[float, float, float]:
    """Return the median and its 95 % bootstrap interval; the range of one or two values."""
    if len(values) < 3:
        return median(values), min(values), max(values)
    chance = random.Random(0)
    medians = sorted(median(chance.choices(values, k=len(values))) for _ in range(1000))
    return median(values), medians[25], medians[974]


def ratios(samples: Samples, cases: tuple[str, ...], ours: str, theirs: str) -> list[float]:
    """Compare within each round; geometric mean over the cases."""
    pairs = [zip(samples[case][ours], samples[case][theirs], strict=True) for case in cases]
    return [
        geometric_mean([mine / other for mine, other in each]) for each in zip(*pairs, strict=True)
    ]


def compare(
    what: str,
    samples: Samples,
    cases: tuple[str, ...],
    theirs: str,
    *,
    ours: str = "slsadapt",
    target: float | None = None,
    unit: str = "µs",
) -> Row:
    """Make a row of ratios."""
    mine, other = (
        geometric_mean([median(samples[case][name]) for case in cases]) for name in (ours, theirs)
    )
    value, low, high = interval(ratios(samples, cases, ours, theirs))
    return Row(
        what, f"{mine:.4g} {unit}", theirs, f"{other:.4g} {unit}", value, low, high, "", target
    )


def alone(what: str, values: list[float], unit: str = "", target: float | None = None) -> Row:
    """Make a row of a measured value itself."""
    value, low, high = interval(values)
    return Row(what, f"{value:.4g} {unit}".rstrip(), "", "", value, low, high, unit, target)


def event_rows(
    samples: Samples, adapters: dict[str, Adapter], targets: dict[str, float]
) -> list[Row]:
    """Make the rows of the no-op application: the headline ratios, then event by event."""
    peers = [name for name in adapters if name != "slsadapt"]
    what = f"geometric mean of {len(HEADLINE)} real events"
    rows = [
        compare(what, samples, HEADLINE, each, target=targets.get(each)) for each in (*peers, FLOOR)
    ]
    return rows + [compare(case, samples, (case,), each) for case in samples for each in peers]


def dialect_rows(serve: Samples, detect: Samples) -> list[Row]:
    """Make the rows of one request in every dialect."""
    rows = [compare(name, serve, (name,), FLOOR) for name in serve]
    for name, samples in detect.items():
        target = 1.0 if name in CORE else 3.0
        rows.append(alone(f"{name}, detection", samples["detection"], "µs", target))
    return rows


def import_rows(wrap: Samples, first: Samples, loaded: dict[str, list[str]]) -> list[Row]:
    """Make the rows of imports."""
    unwanted = [name for name in UNWANTED if name in loaded["WSGI function"]]
    what = f"unwanted modules loaded: {', '.join(unwanted) or 'none'}"
    rows = [alone(what, [len(unwanted)], target=0)]
    for base, contenders in wrap.items():
        target = {"WSGI function": 12.0, "ASGI function": None}.get(base, 1.5)
        rows.append(alone(base, contenders["slsadapt"], "ms", target))
        for samples, what in ((wrap, base), (first, f"{base}, with the first event")):
            rows += [
                compare(what, samples, (base,), each, unit="ms")
                for each in contenders
                if each != "slsadapt"
            ]
    return rows


def large_rows(large: Samples, memory: Samples) -> list[Row]:
    """Make the rows of large bodies."""
    rows: list[Row] = []
    for way, contenders in large.items():
        for name in contenders:
            if name != FLOOR:
                what = f"{way}, {name}"
                limit, limit_peak = (1.25, 3) if name.startswith("slsadapt") else (None, None)
                row = compare(what, large, (way,), FLOOR, ours=name, target=limit, unit="ms")
                peak = alone(f"{what}, peak memory / body", memory[way][name], target=limit_peak)
                rows += [row, peak]
    return rows


def tabulate(report: dict[str, list[Row]]) -> str:
    """Write titled rows as aligned columns; a label is not repeated."""
    lines = [["", "takes", "against", "takes", "ratio", "95 % interval", "target", "reached"]]
    for title, rows in report.items():
        lines += [[""] * 8, [title, *[""] * 7]]
        previous = ""
        for row in rows:
            lines.append(
                [
                    f"  {row.what}" if row.what != previous else "",
                    row.takes,
                    row.against,
                    row.against_takes,
                    f"{row.value:.3f}" if row.against else "",
                    f"{row.low:.3f} .. {row.high:.3f}" if row.low < row.high else "",
                    "" if row.target is None else f"<= {row.target:g} {row.unit}".rstrip(),
                    {None: "", True: "yes", False: "NO"}[row.reached],
                ]
            )
            previous = row.what
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def environment() -> Json:
    """Describe what the numbers depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (cpuinfo.read_text().splitlines() if cpuinfo.exists() else [])
        if line.startswith("model name")
    ]
    packages = (
        "slsadapt apig-wsgi serverless-wsgi mangum asgi-correlation-id django-guid "
        "starlette-context werkzeug flask django starlette fastapi"
    )
    return {
        "python": sys.version,
        "platform": platform.platform(),
        "cpu": models[0] if models else platform.processor(),
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": {name: metadata.version(name) for name in packages.split()},
    }


def progress(what: str) -> None:
    """Say on standard error what is being measured."""
    print(f"measuring {what} ...", file=sys.stderr, flush=True)


def run(quick: bool) -> tuple[dict[str, list[Row]], Json]:
    """Measure everything; return the table by title, and the raw samples."""
    asyncio.set_event_loop(asyncio.new_event_loop())  # Mangum's
    rounds, batch = (2, 5) if quick else (60, 50)
    report: dict[str, list[Row]] = {}
    raw: Json = {}

    names = HEADLINE + EXTRA
    progress("WSGI, no-op application")
    raw["wsgi_us"] = samples = measure_app(bare_wsgi(), WSGI, wsgi_floor, names, rounds, batch)
    targets = {"apig-wsgi": 0.7, "serverless-wsgi": 0.15}
    report["WSGI, time per event, no-op application"] = event_rows(samples, WSGI, targets)

    progress("ASGI, no-op application")
    raw["asgi_us"] = samples = measure_app(bare_asgi(), ASGI, asgi_floor, names, rounds, batch)
    targets = {"Mangum, lifespan off": 0.45, "Mangum": 0.16}
    report["ASGI, time per event, no-op application"] = event_rows(samples, ASGI, targets)

    progress("every dialect")
    raw["dialect_us"], raw["detection_us"] = measure_dialects(rounds, batch)
    report["The same request in every dialect, WSGI no-op application"] = dialect_rows(
        raw["dialect_us"], raw["detection_us"]
    )

    report["Time per event, hello applications"] = rows = []
    for what, make_app, adapters, floor in (
        ("Flask", flask_hello, WSGI, wsgi_floor),
        ("Django", django_hello, WSGI, wsgi_floor),
        ("Starlette", starlette_hello, ASGI, asgi_floor),
        ("FastAPI", fastapi_hello, ASGI, asgi_floor),
    ):
        progress(f"{what} hello")
        samples = measure_app(make_app(), adapters, floor, HELLO, rounds, batch)
        raw[f"{what.lower()}_us"] = samples
        peers = [name for name in adapters if name != "slsadapt"]
        rows += [compare(what, samples, HELLO, each) for each in (*peers, FLOOR)]

    progress("imports")
    wrap, first, loaded = measure_imports(1 if quick else 15)
    raw |= {"import_ms": wrap, "import_and_first_event_ms": first, "loaded_modules": loaded}
    report["Import and wrap, alone and on top of a framework"] = import_rows(wrap, first, loaded)

    progress("6 MB bodies")
    raw["large_ms"] = large = measure_large(2 if quick else 30)
    raw["large_peak_ratio"] = memory = measure_memory()
    report["6 MB binary body each way, floor: bare base64"] = large_rows(large, memory)
    return report, raw


def command(
    doc: str, run: Callable[[bool], tuple[dict[str, list[Row]], Json]], **described: Any
) -> int:
    """Be a benchmark's command: measure, print the table, write the JSON.

    Args:
        doc: says what it does.
        run: measures, roughly if its argument is true; gives the table by title and raw samples.
        described: what stands in the JSON besides.

    Returns:
        the exit code: 1 on a wrong answer.
    """
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write raw samples here")
    parser.add_argument("--quick", action="store_true", help="a few rounds, to see that it runs")
    options = parser.parse_args()
    surroundings = environment() | {"quick": options.quick}
    try:
        report, raw = run(options.quick)
    except WrongAnswerError as error:
        print(f"wrong answer: {error}", file=sys.stderr)
        return 1
    print(tabulate(report))
    if options.json:
        table = {
            title: [asdict(row) | {"reached": row.reached} for row in rows]
            for title, rows in report.items()
        }
        whole = {"environment": surroundings, **described, "table": table, "samples": raw}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 0


def main() -> int:
    """Measure the adapters, or what a large body takes in a process of its own."""
    if "--trace-large" in sys.argv:
        trace_large()
        return 0
    events = {"headline": HEADLINE, "extra": EXTRA, "hello": HELLO}
    return command(__doc__ or "", run, events=events)


if __name__ == "__main__":
    sys.exit(main())
