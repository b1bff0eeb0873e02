"""Every line that Django logs of a request carries its ID.

Each runs in a process of its own, for Django's settings are the process's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import asyncio, io, json, logging, sys, tempfile

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="__main__",
    LOGGING_CONFIG=None,
    MIDDLEWARE=["slsadapt.middleware.django.RequestIDMiddleware"],
    SLSADAPT_REQUEST_IDS={"trust": ["X-Request-ID"]},
)

import django

django.setup()

from django.core.asgi import get_asgi_application
from django.core.cache import caches
from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import path

from slsadapt import logs

told = []


class Contexts(logging.Handler):
    def emit(self, record):
        told.append([record.getMessage(), logs.context()])


logging.getLogger().addHandler(Contexts())
logging.getLogger().setLevel("INFO")
request_finished.connect(lambda **_: logging.info("finished"), weak=False)


def stream(request):
    def parts():
        try:
            for number in "12":
                logging.info("part " + number)
                yield number
        finally:
            logging.info("end of parts")

    logs.bind(user="ada")
    return StreamingHttpResponse(parts())


async def async_stream(request):
    async def parts():
        for number in "12":
            logging.info("part " + number)
            yield number

    logs.bind(user="ada")
    return StreamingHttpResponse(parts())


def file(request):
    file = tempfile.TemporaryFile()
    file.write(b"12")
    file.seek(0)
    return FileResponse(file)


cache_ids = []


def cache(request):
    cache_ids.append(caches["default"])
    return HttpResponse()


urlpatterns = [
    path("stream", stream),
    path("async-stream", async_stream),
    path("file", file),
    path("cache", cache),
]


class Wrapper:
    def __init__(self, file, size):
        self.file, self.close = file, file.close

    def __iter__(self):
        return iter(self.file.read, b"")


def wsgi(name, parts=None):
    body = get_wsgi_application()(
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/" + name,
            "SERVER_NAME": "example.com",
            "SERVER_PORT": "80",
            "HTTP_X_REQUEST_ID": "one",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.file_wrapper": Wrapper,
        },
        lambda *start: None,
    )
    try:
        [part for _, part in zip(range(parts or 9), body)]
    finally:
        body.close()
    return type(body).__name__


async def asgi(name):
    asked = []

    async def receive():
        asked.append(1)
        if len(asked) > 1:
            await asyncio.Event().wait()
        return {"type": "http.request"}

    async def send(message):
        pass

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/" + name,
        "query_string": b"",
        "headers": [(b"x-request-id", b"one")],
    }
    await get_asgi_application()(scope, receive, send)
"""


def run(call: str) -> Any:
    """Run the script and a call; give the log lines with their contexts."""
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{SCRIPT}\n{call}"], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


ID = {"request_id": "one"}
BOUND = {"request_id": "one", "user": "ada"}
PARTS = [["part 1", BOUND], ["part 2", BOUND]]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param(
            "wsgi('stream')",
            [*PARTS, ["end of parts", BOUND], ["finished", BOUND]],
            id="wsgi stream",
        ),
        pytest.param(
            "wsgi('stream', parts=1)",
            [PARTS[0], ["end of parts", BOUND], ["finished", BOUND]],
            id="wsgi stream, closed half-way",
        ),
        pytest.param(
            "asyncio.run(asgi('async-stream'))", [*PARTS, ["finished", BOUND]], id="asgi stream"
        ),
        pytest.param(
            "wsgi('nothing')", [["Not Found: /nothing", ID], ["finished", ID]], id="wsgi 404"
        ),
        pytest.param(
            "asyncio.run(asgi('nothing'))",
            [["Not Found: /nothing", ID], ["finished", ID]],
            id="asgi 404",
        ),
    ],
)
def test_every_line_of_a_request_has_its_id(call: str, expected: Any) -> None:
    assert run(f"{call}; json.dump([*told, logs.context()], sys.stdout)") == [*expected, {}]


def test_server_still_sends_files_in_its_own_way() -> None:
    assert run("json.dump(wsgi('file'), sys.stdout)") == "Wrapper"


def test_next_request_of_the_thread_finds_the_caches_connection() -> None:
    call = "wsgi('cache'); wsgi('cache'); json.dump(cache_ids[0] is cache_ids[1], sys.stdout)"
    assert run(call) is True
