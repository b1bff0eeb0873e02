"""Request IDs in Django.

In a process beside the tests', since Django takes settings but once; it runs what each test sends.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"

SETUP = """
import asyncio, json, logging, sys, tempfile, threading
from io import BytesIO
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import django
from asgiref.testing import ApplicationCommunicator
from django.conf import settings

ID = "slsadapt.middleware.django.RequestIDMiddleware"
settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, LOGGING_CONFIG=None, MIDDLEWARE=[ID],
    SLSADAPT_REQUEST_IDS={"trust": ["X-Request-ID"]},
)
django.setup()

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from django.utils.decorators import async_only_middleware, sync_only_middleware

from slsadapt import logs, wrap

seen = []

class Records(logging.Handler):
    def emit(self, record):
        seen.append([record.getMessage(), logs.context()])

logging.getLogger().addHandler(Records())
logging.getLogger("asyncio").setLevel(logging.CRITICAL)
LOGGER = logging.getLogger("shop")
LOGGER.setLevel(logging.INFO)

def page(request):
    LOGGER.info("begin")
    logs.bind(user="ada")
    LOGGER.info("view")
    return HttpResponse(request.request_id)

async def apage(request):
    LOGGER.info("begin")
    logs.bind(user="ada")
    await asyncio.sleep(0)
    LOGGER.info("view")
    return HttpResponse(request.request_id)

def own(request):
    return HttpResponse("", headers={"x-request-id": "its own"})

def fails(request):
    logs.bind(user="ada")
    raise LookupError("a fault of the application")

def parts():
    try:
        LOGGER.info("one")
        yield "one "
        logs.bind(late=True)
        LOGGER.info("two")
        yield b"two"
    finally:
        LOGGER.info("end")

async def aparts():
    for part in parts():
        await asyncio.sleep(0)
        yield part

async def endless():
    try:
        LOGGER.info("part")
        while True:
            yield b"part"
            await asyncio.sleep(0)
    finally:
        LOGGER.info("end")

class Broken:
    def __iter__(self):
        yield b"one"
        LOGGER.info("breaks")
        raise LookupError("broken off")

    def close(self):
        LOGGER.info("close")

def stream(request):
    logs.bind(user="ada")
    return StreamingHttpResponse(parts())

async def astream(request):
    logs.bind(user="ada")
    return StreamingHttpResponse(aparts())

async def aendless(request):
    return StreamingHttpResponse(endless())

def broken(request):
    logs.bind(user="ada")
    return StreamingHttpResponse(Broken())

def file(request):
    return FileResponse(BytesIO(b"a file"), filename="a.txt")

urlpatterns = [path(each.__name__, each) for each in
    (page, apage, own, fails, stream, astream, aendless, broken, file)]

@sync_only_middleware
def sync_only(get_response):
    def middleware(request):
        LOGGER.info("sync before")
        response = get_response(request)
        LOGGER.info("sync after")
        return response
    return middleware

@async_only_middleware
def async_only(get_response):
    async def middleware(request):
        LOGGER.info("async before")
        response = await get_response(request)
        LOGGER.info("async after")
        return response
    return middleware

def event(path):
    return {
        "version": "2.0", "rawPath": path, "rawQueryString": "", "headers": {"host": "a.example"},
        "requestContext": {"requestId": "from-gateway", "stage": "$default",
            "http": {"method": "GET", "path": path, "sourceIp": "203.0.113.1"}},
        "isBase64Encoded": False,
    }

def environ_of(path, request_id="abc"):
    environ = {"PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    return environ | {"HTTP_X_REQUEST_ID": request_id}

def call_wsgi(app, path, request_id="abc"):
    starts = []
    def start_response(status, headers, exc_info=None):
        starts.append((status, headers))
        return print
    body = app(environ_of(path, request_id), start_response)
    try:
        text = b"".join(body).decode()
    finally:
        body.close()
    (status, headers), = starts
    return [int(status[:3]), [v for n, v in headers if n == "X-Request-ID"], text]

def scope_of(path, request_id=b"abc"):
    return {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": [(b"x-request-id", request_id), (b"host", b"a.example")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}

async def call_asgi(app, path, request_id=b"abc"):
    talk = ApplicationCommunicator(app, scope_of(path, request_id))
    await talk.send_input({"type": "http.request", "body": b""})
    start = await talk.receive_output(30)
    body = b""
    while True:
        message = await talk.receive_output(30)
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await talk.wait(30)
    ids = [value.decode() for name, value in start["headers"] if name.lower() == b"x-request-id"]
    return [start["status"], ids, body.decode()]
"""


SERVE = """
from contextvars import copy_context
from traceback import format_exc

def evaluate(code):
    *before, last = code.strip().splitlines()
    names = dict(globals())
    try:
        exec("\\n".join(before), names)
        return {"value": eval(last, names)}
    except BaseException:
        return {"error": format_exc()}

for line in sys.stdin:
    seen.clear()
    with override_settings():
        print(json.dumps(copy_context().run(evaluate, json.loads(line))), flush=True)
"""

Run = Callable[[str], Any]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Give what runs code in the other process; its last line is the value it gives."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SETUP + SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    asked, answers = process.stdin, process.stdout

    def ask(code: str) -> Any:
        deadline = threading.Timer(60, process.kill)
        deadline.start()
        asked.write(json.dumps(code) + "\n")
        asked.flush()
        line = answers.readline()
        deadline.cancel()
        assert line, "the process with Django ended, or took more than a minute"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    with process:
        yield ask
        asked.close()
        assert process.wait(60) == 0


ID = {"request_id": "abc"}
BOUND = {"request_id": "abc", "user": "ada"}
LATE = BOUND | {"late": True}


@pytest.mark.parametrize("view", ["page", "apage"])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("call_wsgi(validator(WSGIHandler()), '/{view}')", id="wsgi"),
        pytest.param("asyncio.run(call_asgi(ASGIHandler(), '/{view}'))", id="asgi"),
    ],
)
def test_view_log_and_response_have_one_id(run: Run, answer: str, view: str) -> None:
    found, seen, left = run(f"""
answer = {answer.format(view=view)}
[answer, seen, logs.context()]
""")
    assert found == [200, ["abc"], "abc"]
    assert seen == [["begin", ID], ["view", BOUND]]
    assert left == {}


def test_clients_find_it_and_the_next_request_finds_nothing_of_it(run: Run) -> None:
    answers, seen, left = run("""
client, aclient = Client(), AsyncClient()
first = client.get("/page", headers={"x-request-id": "first"})
second = client.get("/page", headers={"x-request-id": "second"})
async def ask():
    answers = [await aclient.get("/apage", headers={"x-request-id": each}) for each in "34"]
    assert logs.context() == {}
    return answers
answers = [first, second, *asyncio.run(ask())]
[[[a.headers["x-request-id"], a.content.decode()] for a in answers], seen, logs.context()]
""")
    ids = ["first", "second", "3", "4"]
    assert answers == [[each, each] for each in ids]
    expected: list[Any] = []
    for each in ids:
        expected += [
            ["begin", {"request_id": each}],
            ["view", {"request_id": each, "user": "ada"}],
        ]
    assert seen == expected
    assert left == {}


def test_id_comes_from_where_the_settings_say(run: Run) -> None:
    got = run(f"""
def own(answer):
    return {{n: v for n, v in answer.headers.items() if n[:2] == "X-"}}
def ask(ids, **headers):
    with override_settings(SLSADAPT_REQUEST_IDS=ids):
        answer = Client().get("/page", headers=headers)
        return [answer.content.decode(), own(answer)]
made = {{"generate": lambda: "made"}}
trust = {{"trust": ["X-Request-ID"], **made}}
got = {{
    "untrusted": ask(made, x_request_id="abc"),
    "trusted": ask(trust, x_request_id="abc"),
    "traceparent": ask(made, traceparent="{TRACEPARENT}"),
    "no header": ask({{"header": None, **made}}),
    "other header": ask({{"header": "X-Trace", **made}}),
}}
got
""")
    assert got == {
        "untrusted": ["made", {"X-Request-ID": "made"}],
        "trusted": ["abc", {"X-Request-ID": "abc"}],
        "traceparent": [TRACE_ID, {"X-Request-ID": TRACE_ID}],
        "no header": ["made", {}],
        "other header": ["made", {"X-Trace": "made"}],
    }


def test_without_settings_nothing_is_trusted(run: Run) -> None:
    answer = run("""
del settings.SLSADAPT_REQUEST_IDS
answer = Client().get("/page", headers={"x-request-id": "abc"})
[answer.content.decode(), answer.headers["x-request-id"]]
""")
    assert answer[0] == answer[1]
    assert len(answer[0]) == 32


def test_unknown_setting_is_refused_when_the_application_is_made(run: Run) -> None:
    message = run("""
got = "served"
try:
    with override_settings(SLSADAPT_REQUEST_IDS={"trusted": []}):
        WSGIHandler()
except TypeError as error:
    got = str(error)
got
""")
    assert "unexpected keyword argument 'trusted'" in message


def test_bad_trusted_id_is_replaced_and_never_echoed(run: Run) -> None:
    bad = ["a\nforged", "a\r\nx: y", "forg\xe9d", "f" * 129, "{abc}", "a, b", "", "-a", "a\n"]
    answers, seen = run(f"""
settings.SLSADAPT_REQUEST_IDS = {{"trust": ["X-Request-ID"], "generate": lambda: "made"}}
app = WSGIHandler()
answers = [call_wsgi(app, "/page", each) for each in {bad!r}]
[answers, seen]
""")
    assert answers == [[200, ["made"], "made"]] * len(bad)
    assert {found["request_id"] for _, found in seen} == {"made"}
    assert {message for message, _ in seen} == {"begin", "view"}


def test_header_of_the_view_is_kept(run: Run) -> None:
    # Django keeps one value a name, spelled as the view did.
    assert run("""
answer = Client().get("/own", headers={"x-request-id": "abc"})
[[n, v] for n, v in answer.headers.items() if n.lower() == "x-request-id"]
""") == [["x-request-id", "its own"]]


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param("call_wsgi(WSGIHandler(), path)", id="wsgi"),
        pytest.param("asyncio.run(call_asgi(ASGIHandler(), path))", id="asgi"),
    ],
)
def test_404_and_500_carry_the_id_and_are_logged_with_it(run: Run, ask: str) -> None:
    answers, seen, left = run(f"""
answers = [{ask}[:2] for path in ("/nowhere", "/fails")]
[answers, seen, logs.context()]
""")
    assert answers == [[404, ["abc"]], [500, ["abc"]]]
    assert seen == [["Not Found: /nowhere", ID], ["Internal Server Error: /fails", BOUND]]
    assert left == {}


def test_exception_that_the_client_raises_leaves_nothing(run: Run) -> None:
    raised, left = run("""
raised = []
async def ask():
    try:
        await AsyncClient().get("/fails")
    except LookupError as error:
        raised.append([str(error), logs.context()])
try:
    Client().get("/fails")
except LookupError as error:
    raised.append([str(error), logs.context()])
asyncio.run(ask())
[raised, logs.context()]
""")
    assert raised == [["a fault of the application", {}]] * 2
    assert left == {}


@pytest.mark.parametrize(
    ("layout", "order"),
    [
        pytest.param("ID, S, A", ["sync", "async"], id="id sync async"),
        pytest.param("ID, A, S", ["async", "sync"], id="id async sync"),
        pytest.param("ID, S, A, S", ["sync", "async", "sync"], id="id sync async sync"),
    ],
)
@pytest.mark.parametrize("view", ["page", "apage"])
def test_mixed_middleware_logs_with_the_context(
    run: Run, layout: str, order: list[str], view: str
) -> None:
    seen, answers, left = run(f"""
S, A = f"{{__name__}}.sync_only", f"{{__name__}}.async_only"
with override_settings(MIDDLEWARE=[{layout}]):
    answers = [call_wsgi(WSGIHandler(), "/{view}")]
    of_wsgi = seen[:]
    seen.clear()
    answers.append(asyncio.run(call_asgi(ASGIHandler(), "/{view}")))
[[of_wsgi, seen], answers, logs.context()]
""")
    expected = [
        *([f"{each} before", ID] for each in order),
        ["begin", ID],
        ["view", BOUND],
        *([f"{each} after", BOUND] for each in reversed(order)),
    ]
    assert seen == [expected, expected]
    assert answers == [[200, ["abc"], "abc"]] * 2
    assert left == {}


@pytest.mark.parametrize("layout", ["S, ID", "A, ID", "S, ID, A", "A, ID, S"])
def test_what_stands_outside_of_it_finds_nothing_left(run: Run, layout: str) -> None:
    seen, answers = run(f"""
S, A = f"{{__name__}}.sync_only", f"{{__name__}}.async_only"
with override_settings(MIDDLEWARE=[{layout}]):
    answers = [call_wsgi(WSGIHandler(), "/page"), asyncio.run(call_asgi(ASGIHandler(), "/apage"))]
[seen, answers]
""")
    assert answers == [[200, ["abc"], "abc"]] * 2
    half = len(seen) // 2
    assert seen[:half] == seen[half:]
    assert [seen[0][1], seen[half - 1][1]] == [{}, {}]
    assert ["view", BOUND] in seen[:half]


def test_sync_stream_logs_with_the_context_to_its_end(run: Run) -> None:
    of_wsgi, of_client, answers = run("""
answers = [call_wsgi(validator(WSGIHandler()), "/stream")]
of_wsgi = seen[:]
seen.clear()
answer = Client().get("/stream", headers={"x-request-id": "abc"})
answers.append([200, [answer.headers["x-request-id"]], b"".join(answer.streaming_content).decode()])
[of_wsgi, seen, answers]
""")
    assert of_wsgi == of_client == [["one", BOUND], ["two", LATE], ["end", LATE]]
    assert answers == [[200, ["abc"], "one two"]] * 2


def test_async_stream_logs_with_the_context_to_its_end(run: Run) -> None:
    of_asgi, of_client, answers = run("""
answers = [asyncio.run(call_asgi(ASGIHandler(), "/astream"))]
of_asgi = seen[:]
seen.clear()
async def ask():
    answer = await AsyncClient().get("/astream", headers={"x-request-id": "abc"})
    text = b"".join([part async for part in answer.streaming_content]).decode()
    assert logs.context() == {}
    return [200, [answer.headers["x-request-id"]], text]
answers.append(asyncio.run(ask()))
[of_asgi, seen, answers]
""")
    assert of_asgi == of_client == [["one", BOUND], ["two", LATE], ["end", LATE]]
    assert answers == [[200, ["abc"], "one two"]] * 2


def test_two_async_streams_read_in_turns_in_one_task_keep_their_contexts(run: Run) -> None:
    seen, left = run("""
async def ask():
    client = AsyncClient()
    answers = [await client.get("/astream", headers={"x-request-id": each}) for each in "12"]
    first, second = (aiter(each.streaming_content) for each in answers)
    left = []
    for each in (first, second, first, second):
        await anext(each)
        left.append(logs.context())
    for each in (second, first):
        assert await anext(each, None) is None
    return left
left = asyncio.run(ask())
[seen, left]
""")
    assert [found["request_id"] for _, found in seen] == ["1", "2", "1", "2", "2", "1"]
    assert left == [{}] * 4


def test_stream_that_nobody_reads_is_closed_in_its_context(run: Run) -> None:
    seen = run("""
body = WSGIHandler()(environ_of("/broken"), lambda *args: None)
body.close()
body = WSGIHandler()(environ_of("/stream"), lambda *args: None)
next(iter(body))
body.close()
seen
""")
    assert seen == [["close", BOUND], ["one", BOUND], ["end", BOUND]]


def test_broken_stream_is_closed_once_and_leaves_nothing(run: Run) -> None:
    seen, left = run("""
left = ["no error"]
try:
    call_wsgi(WSGIHandler(), "/broken")
except LookupError:
    left = logs.context()
[seen, left]
""")
    assert seen == [["breaks", BOUND], ["close", BOUND]]
    assert left == {}


def test_async_stream_that_the_client_leaves_ends_in_its_context(run: Run) -> None:
    seen, left = run("""
async def ask():
    talk = ApplicationCommunicator(ASGIHandler(), scope_of("/aendless"))
    await talk.send_input({"type": "http.request", "body": b""})
    for _ in range(3):
        await talk.receive_output(30)
    await talk.send_input({"type": "http.disconnect"})
    await talk.wait(30)
    await asyncio.get_running_loop().shutdown_asyncgens()
    return logs.context()
left = asyncio.run(ask())
[seen, left]
""")
    assert seen == [["part", ID], ["end", ID]]
    assert left == {}


def test_file_is_left_to_the_server(run: Run) -> None:
    # Django hands a file to the server's own wsgi.file_wrapper, which may send it in the kernel.
    kind, ids, text = run("""
starts = []
environ = environ_of("/file") | {"wsgi.file_wrapper": FileWrapper}
body = WSGIHandler()(environ, lambda status, headers: starts.append(headers))
ids = [value for name, value in starts[0] if name == "X-Request-ID"]
text = b"".join(body).decode()
body.close()
[type(body).__name__, ids, text]
""")
    assert (kind, ids, text) == ("FileWrapper", ["abc"], "a file")


def test_nested_twice_gives_one_id_and_one_header(run: Run) -> None:
    answers, seen = run("""
settings.MIDDLEWARE = [ID, ID]
answers = [call_wsgi(WSGIHandler(), "/stream"), asyncio.run(call_asgi(ASGIHandler(), "/astream"))]
[answers, seen]
""")
    assert answers == [[200, ["abc"], "one two"]] * 2
    assert seen == [["one", BOUND], ["two", LATE], ["end", LATE]] * 2


@pytest.mark.parametrize(
    ("application", "stream"), [("WSGIHandler()", "/stream"), ("ASGIHandler()", "/astream")]
)
def test_inside_of_wrap_the_gateways_id_and_bound_fields_stay(
    run: Run, application: str, stream: str
) -> None:
    results, seen, told = run(f"""
told = []
handler = wrap({application}, timing=lambda timing: told.append(logs.context()))
results = [handler(event(path)) for path in ("/page", "{stream}", "/fails")]
handler.pre_stop()
[[[each["statusCode"], each["headers"]["x-request-id"]] for each in results], seen, told]
""")
    bound = {"request_id": "from-gateway", "user": "ada"}
    late = bound | {"late": True}
    assert results == [[200, "from-gateway"], [200, "from-gateway"], [500, "from-gateway"]]
    assert seen == [
        ["begin", {"request_id": "from-gateway"}],
        ["view", bound],
        ["one", bound],
        ["two", late],
        ["end", late],
        ["Internal Server Error: /fails", bound],
    ]
    # Django serves ASGI in a task of its own, what is bound in which shows nowhere else.
    if application == "WSGIHandler()":
        assert told == [bound, late, bound]


def test_requests_of_many_threads_mix_nothing_up(run: Run) -> None:
    wrong, checks = run("""
from concurrent.futures import ThreadPoolExecutor
app = validator(WSGIHandler())
views = ["page", "stream", "fails", "apage", "nowhere"]
def ask(number):
    before = logs.context()
    status, ids, text = call_wsgi(app, "/" + views[number % 5], f"id-{number}")
    return [before, ids, logs.context()]
with ThreadPoolExecutor(8) as pool:
    answers = [*pool.map(ask, range(300))]
wrong = [(n, a) for n, a in enumerate(answers) if a != [{}, [f"id-{n}"], {}]]
from collections import Counter
checks = Counter(found["request_id"] for _, found in seen)
[wrong, checks]
""")
    assert wrong == []
    # Two lines of a page, three of a stream, one of a failure.
    assert checks == {f"id-{each}": (2, 3, 1, 2, 1)[each % 5] for each in range(300)}


def test_concurrent_async_requests_mix_nothing_up(run: Run) -> None:
    wrong, checks = run("""
from collections import Counter
app = ASGIHandler()
views = ["apage", "astream", "nowhere"]
async def ask(number):
    status, ids, text = await call_asgi(app, "/" + views[number % 3], b"id-%d" % number)
    return [ids, logs.context()]
async def ask_all():
    return await asyncio.gather(*(ask(number) for number in range(150)))
answers = asyncio.run(ask_all())
wrong = [(n, a) for n, a in enumerate(answers) if a != [[f"id-{n}"], {}]]
checks = Counter(found["request_id"] for _, found in seen)
[wrong, checks]
""")
    assert wrong == []
    assert checks == {f"id-{each}": (2, 3, 1)[each % 3] for each in range(150)}
