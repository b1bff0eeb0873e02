"""through: frameworks' own test clients, with a gateway and its function in between."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
import threading
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import flask
import httpx
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from werkzeug.test import Client, create_environ

from slsadapt import (
    InterfaceError,
    LifespanError,
    NotCarriedError,
    OptionError,
    Request,
    gateways,
    wrap,
)
from slsadapt.testing import through
from slsadapt.testing.roundtrip import (
    AsgiThrough,
    WsgiThrough,
    arrive_asgi,
    arrive_wsgi,
    is_inside,
    request_of_environ,
    request_of_scope,
)
from tests.testing.apps import OCTETS, echo, echo_asgi

with warnings.catch_warnings():
    # It would rather have httpx's successor.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request as StarletteRequest
    from starlette.websockets import WebSocket

    Environ = dict[str, Any]
    Scope = dict[str, Any]


def shop() -> flask.Flask:
    """Make a Flask application with what its tests like to look at."""
    app = flask.Flask(__name__)
    app.secret_key = "for a test"

    @app.route("/login", methods=["POST"])
    def login() -> dict[str, str]:
        flask.session["user"] = flask.request.form["user"]
        return {"hello": flask.request.form["user"]}

    @app.route("/me")
    def me() -> dict[str, Any]:
        return {"user": flask.session.get("user"), "inside": is_inside()}

    @app.route("/pages")
    def pages() -> Any:
        return (f"page {number}\n" for number in range(3)), {"Content-Type": "text/plain"}

    @app.route("/log")
    def log() -> str:
        print("through wsgi.errors", file=flask.request.environ["wsgi.errors"])
        return "logged"

    @app.route("/fail")
    def fail() -> str:
        raise RuntimeError("the database is gone")

    return app


# WSGI.


@pytest.mark.parametrize("name", gateways.NAMES)
def test_flask_by_werkzeugs_client(name: str) -> None:
    client = Client(through(shop(), name))
    assert client.get("/me").get_json() == {"user": None, "inside": True}
    assert client.post("/login", data={"user": "王"}).get_json() == {"hello": "王"}
    assert client.get("/me").get_json() == {"user": "王", "inside": True}
    missing = client.get("/nowhere")
    assert (missing.status, missing.mimetype) == ("404 NOT FOUND", "text/html")


def test_nobody_is_inside_after_a_call() -> None:
    assert not is_inside()
    Client(through(shop())).get("/me")
    assert not is_inside()


def test_streamed_response_arrives_whole() -> None:
    response = Client(through(shop())).get("/pages")
    assert response.text == "page 0\npage 1\npage 2\n"
    assert response.headers["Content-Type"] == "text/plain"


def test_contexts_are_preserved_for_the_test() -> None:
    app = shop()
    kept: list[Any] = []
    overrides = {"werkzeug.debug.preserve_context": kept.append}
    Client(through(app)).get("/me?x=1", environ_overrides=overrides)
    assert kept[-1].request.args.to_dict() == {"x": "1"}
    assert kept[-1].session == {}


def test_errors_stream_is_the_tests_own() -> None:
    errors = io.StringIO()
    assert Client(through(shop())).get("/log", errors_stream=errors).text == "logged"
    assert errors.getvalue() == "through wsgi.errors\n"


def test_exception_comes_through_to_the_client_unless_it_is_to_be_answered() -> None:
    app = shop()
    app.testing = True
    with pytest.raises(RuntimeError, match="the database is gone"):
        Client(through(app)).get("/fail")
    response = Client(through(app, on_error="respond")).get("/fail")
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    app.testing = False
    assert "Internal Server Error</title>" in Client(through(app)).get("/fail").text


def test_redirected_form_is_sent_again() -> None:
    client = Client(through(echo))
    response = client.post("/redirect?code=307&to=/a", data={"x": "1"}, follow_redirects=True)
    assert response.get_json()["path"] == "/a"
    assert response.get_json()["body"] == "x=1"
    assert [each.status_code for each in response.history] == [307]


def environ(path: str = "/", **changes: Any) -> Environ:
    """Make an environ as werkzeug's client does, and change it."""
    made = create_environ(path, "https://shop.example")
    made.update({key.replace("__", "."): value for key, value in changes.items()})
    return made


HOST = ("host", "shop.example")
SHOP: dict[str, Any] = {"server": ("shop.example", 443)}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param(environ("/a?b=1"), Request("GET", "/a", "b=1", [HOST], **SHOP), id="plain"),
        pytest.param(
            environ("/%E7%BD%91%2f?%2f+%20"),
            Request("GET", "/%E7%BD%91%2f", "%2f+%20", [HOST], **SHOP),
            id="escapes as they were written",
        ),
        pytest.param(
            environ("/a%2Fb", PATH_INFO="/other/b"),
            Request("GET", "/other/b", "", [HOST], **SHOP),
            id="path that was changed since",
        ),
        pytest.param(
            environ(PATH_INFO="/caf\xe9/\xff%", REQUEST_URI="", RAW_URI=""),
            Request("GET", "/caf%E9/%FF%25", "", [HOST], **SHOP),
            id="octets that are no UTF-8",
        ),
        pytest.param(
            environ(PATH_INFO="/\xe7\xbd\x91", REQUEST_URI="/\xe7\xbd\x91", RAW_URI=""),
            Request("GET", "/%E7%BD%91", "", [HOST], **SHOP),
            id="URI that is not escaped",
        ),
        pytest.param(
            environ(PATH_INFO="/a b", REQUEST_URI="https://shop.example/a%20b"),
            Request("GET", "/a%20b", "", [HOST], **SHOP),
            id="URI with a host",
        ),
        pytest.param(
            environ(PATH_INFO="/a", SCRIPT_NAME="/\xe5\xba\x97", REQUEST_URI="/%E5%BA%97/a"),
            Request("GET", "/a", "", [HOST], **SHOP, root_path="/店"),
            id="mount in the URI",
        ),
        pytest.param(
            environ(PATH_INFO="", SCRIPT_NAME="/v1"),
            Request("GET", "/", "", [HOST], **SHOP, root_path="/v1"),
            id="no path",
        ),
        pytest.param(
            environ(QUERY_STRING="q=\xe7\xbd\x91 \xff"),
            Request("GET", "/", "q=%E7%BD%91%20%EF%BF%BD", [HOST], **SHOP),
            id="query that is not escaped",
        ),
        pytest.param(
            environ(HTTP_COOKIE="", HTTP_X_EMPTY="", CONTENT_TYPE="", CONTENT_LENGTH=""),
            Request("GET", "/", "", [HOST, ("x-empty", "")], **SHOP),
            id="empty headers",
        ),
        pytest.param(
            environ(CONTENT_LENGTH="2", CONTENT_TYPE="a/b", wsgi__input=io.BytesIO(b"abc")),
            Request(
                "GET",
                "/",
                "",
                [HOST, ("content-type", "a/b"), ("content-length", "2")],
                b"ab",
                **SHOP,
            ),
            id="no more than the length",
        ),
        pytest.param(
            environ(wsgi__input=io.BytesIO(b"abc"), wsgi__input_terminated=True),
            Request("GET", "/", "", [HOST], b"abc", **SHOP),
            id="to the end, where there is no length",
        ),
        pytest.param(
            environ(wsgi__input=io.BytesIO(b"abc")),
            Request("GET", "/", "", [HOST], b"", **SHOP),
            id="nothing, where the end is not known",
        ),
        pytest.param(
            environ(REMOTE_ADDR="203.0.113.9", REMOTE_PORT="5000", REMOTE_USER="ann"),
            Request(
                "GET", "/", "", [HOST], b"", "https", ("203.0.113.9", 5000), **SHOP, user="ann"
            ),
            id="client and user",
        ),
        pytest.param(
            environ(REMOTE_ADDR="2001:db8::1", REMOTE_PORT="", wsgi__url_scheme="http"),
            Request("GET", "/", "", [HOST], b"", "http", ("2001:db8::1", 0), **SHOP),
            id="client without a port",
        ),
        pytest.param(
            environ(SERVER_PROTOCOL="HTTP/2", SERVER_SOFTWARE="x", GATEWAY_INTERFACE="CGI/1.1"),
            Request("GET", "/", "", [HOST], **SHOP),
            id="what servers tell of themselves",
        ),
    ],
)
def test_request_of_an_environ(environ: Environ, expected: Request) -> None:
    request = request_of_environ(environ)
    assert uuid.UUID(request.request_id)
    assert request.replace(request_id="") == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"SERVER_PROTOCOL": "HTTP/1.0"}, "no gateway passes HTTP/1.0 on", id="1.0"),
        pytest.param({"SERVER_PROTOCOL": "HTTP/0.9"}, "no gateway passes HTTP/0.9 on", id="0.9"),
        pytest.param(
            {"shop__tenant": "a", "AUTH_TYPE": "Basic"},
            "no request carries the environ's AUTH_TYPE, shop.tenant",
            id="variables",
        ),
        pytest.param({"HTTP_TRANSFER_ENCODING": "chunked"}, "no gateway streams", id="streamed"),
    ],
)
def test_environ_that_no_gateway_carries(changes: Environ, message: str) -> None:
    sent = environ(**changes)
    with pytest.raises(NotCarriedError, match=message):
        through(echo)(sent, lambda *_: None)


def test_body_can_be_read_again_where_it_began() -> None:
    stream = io.BytesIO(b"--abc")
    stream.seek(2)
    sent = environ(CONTENT_LENGTH="3", wsgi__input=stream)
    assert request_of_environ(sent).body == b"abc"
    assert request_of_environ(sent).body == b"abc"

    class Socket(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"x" * size

    assert request_of_environ(environ(CONTENT_LENGTH="3", wsgi__input=Socket())).body == b"xxx"


def test_wsgi_application_keeps_to_the_letter() -> None:
    app = validator(through(shop()))
    for method, path in (("GET", "/pages"), ("HEAD", "/pages"), ("GET", "/nowhere")):
        sent = environ(path, REQUEST_METHOD=method, SCRIPT_NAME="")
        sent["QUERY_STRING"] = ""
        statuses: list[str] = []

        def start_response(
            status: str, headers: Any, exc_info: Any = None, into: list[str] = statuses
        ) -> Any:
            into.append(status)
            return lambda octets: None

        body = app(sent, start_response)
        assert bool(b"".join(body)) is (method == "GET")
        body.close()  # type: ignore[attr-defined]
        assert statuses == ["200 OK" if path == "/pages" else "404 NOT FOUND"]


def test_status_without_a_name() -> None:
    def app(environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
        start_response("299 Whatever", [])
        return []

    assert Client(through(app)).get("/").status == "299 UNKNOWN"


def test_httpx_by_its_wsgi_transport() -> None:
    with httpx.Client(
        transport=httpx.WSGITransport(through(echo, "aws_alb")),
        base_url="http://shop.example:8080",
    ) as client:
        arrived = client.post("/a", params={"x": 1}, json={"词": 1}).json()
        assert (arrived["path"], arrived["query"]) == ("/a", "x=1")
        assert json.loads(arrived["body"].encode("latin-1")) == {"词": 1}
        assert arrived["server"] == ["shop.example", 8080]
        assert client.get("/octets").content == OCTETS
        assert client.get("/cookies").cookies == {"sid": "1", "lang": "zh"}
        cookie = client.get("/a").json()["headers"]["cookie"]
        assert sorted(cookie.split("; ")) == ["lang=zh", "sid=1"]


DJANGO = """
import django
from django.conf import settings
settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="for a test",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
)
django.setup()
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

def login(request):
    request.session["user"] = request.POST["user"]
    return HttpResponse("hello", status=201)

def me(request, name):
    return JsonResponse({"user": request.session.get("user"), "name": name})

urlpatterns = [path("login", login), path("me/<str:name>", me)]

from werkzeug.test import Client
from slsadapt.testing import through
for dialect in ("aws_http", "tencent_apigw", "alibaba_fc2"):
    client = Client(through(get_wsgi_application(), dialect))
    assert client.post("/login", data={"user": "王"}).status_code == 201
    assert client.get("/me/网").get_json() == {"user": "王", "name": "网"}

import asyncio
import httpx

async def main():
    app = through(get_asgi_application(), "aws_http")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://shop") as client:
        assert (await client.post("/login", data={"user": "王"})).status_code == 201
        assert (await client.get("/me/网")).json() == {"user": "王", "name": "网"}

asyncio.run(main())
print("done")
"""


def test_django_by_both_interfaces(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(DJANGO, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


# ASGI.


async def pages(request: StarletteRequest) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for number in range(3):
            yield f"page {number}\n"

    return StreamingResponse(parts(), media_type="text/plain")


async def fail(request: StarletteRequest) -> PlainTextResponse:
    raise RuntimeError("the database is gone")


async def work(request: StarletteRequest) -> PlainTextResponse:
    done = request.app.state.done

    async def task() -> None:
        await asyncio.sleep(0.01)
        if "fail" in request.query_params:
            raise RuntimeError("the mail server is gone")
        done.append("work")

    return PlainTextResponse("soon", background=BackgroundTask(task))


async def state(request: StarletteRequest) -> JSONResponse:
    return JSONResponse({"seen": getattr(request.state, "seen", None)})


async def chat(socket: WebSocket) -> None:
    await socket.accept()


def starlette(**options: Any) -> Starlette:
    """Make a Starlette application with what its tests like to look at."""
    app = Starlette(
        routes=[
            Route("/pages", pages),
            Route("/fail", fail),
            Route("/work", work),
            Route("/state", state),
            WebSocketRoute("/chat", chat),
        ],
        **options,
    )
    app.state.done = []
    return app


@pytest.mark.parametrize("name", gateways.NAMES)
def test_asgi_by_starlettes_client(name: str) -> None:
    client = TestClient(through(echo_asgi, name))
    arrived = client.post("/网/a b", params={"x": "价 格"}, json={"词": "网关"}).json()
    assert arrived["interface"] == "asgi"
    assert (arrived["method"], arrived["path"]) == ("POST", "/网/a b")
    assert arrived["query"].replace("%20", "+") == "x=%E4%BB%B7+%E6%A0%BC"
    assert json.loads(arrived["body"].encode("latin-1")) == {"词": "网关"}
    assert client.get("/cookies").cookies == {"sid": "1", "lang": "zh"}
    cookie = client.get("/").json()["headers"]["cookie"]
    assert sorted(cookie.split("; ")) == ["lang=zh", "sid=1"]
    assert client.get("/empty").status_code == 204


def test_fastapi_by_its_own_client() -> None:
    from fastapi import FastAPI

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fastapi.testclient import TestClient as FastAPIClient

    app = FastAPI()

    @app.post("/orders/{shop}", status_code=201)
    def order(shop: str, body: dict[str, int], page: int = 1) -> dict[str, Any]:
        return {"shop": shop, "body": body, "page": page, "inside": is_inside()}

    with FastAPIClient(through(app, "tencent_apigw")) as client:
        answer = client.post("/orders/网?page=2", json={"sku": 7})
        assert answer.status_code == 201
        assert answer.json() == {"shop": "网", "body": {"sku": 7}, "page": 2, "inside": True}
        assert client.post("/orders/a", json={"sku": "x"}).status_code == 422
        assert client.get("/openapi.json").json()["paths"].keys() == {"/orders/{shop}"}


def test_answer_in_parts_arrives_whole_and_is_counted() -> None:
    app = through(starlette())
    assert isinstance(app, AsgiThrough)
    client = TestClient(app)
    assert client.get("/pages").text == "page 0\npage 1\npage 2\n"
    assert app.streams == 1
    assert client.get("/state").json() == {"seen": None}
    assert app.streams == 1


def test_lifespan_runs_around_the_requests_on_their_loop() -> None:
    steps: list[Any] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        steps.append(("start", asyncio.get_running_loop()))
        yield {"seen": "from start-up"}
        steps.append(("stop", asyncio.get_running_loop()))

    async def look(request: StarletteRequest) -> JSONResponse:
        steps.append(("request", asyncio.get_running_loop()))
        return JSONResponse({"seen": request.state.seen})

    client = TestClient(through(Starlette(routes=[Route("/", look)], lifespan=lifespan)))
    for _ in range(2):
        with client:
            assert client.app_state == {"seen": "from start-up"}
            assert client.get("/").json() == {"seen": "from start-up"}
            assert client.get("/").json() == {"seen": "from start-up"}
        names = [name for name, _ in steps]
        assert names == ["start", "request", "request", "stop"]
        assert len({loop for _, loop in steps}) == 1
        steps.clear()


def test_lifespan_does_not_run_by_itself_unless_it_is_asked_for() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        steps.append("start")
        yield {"seen": "from start-up"}
        steps.append("stop")

    app = starlette(lifespan=lifespan)
    assert TestClient(through(app)).get("/state").json() == {"seen": None}
    assert steps == []
    living = through(app, lifespan="on")
    client = TestClient(living)
    assert client.get("/state").json() == {"seen": "from start-up"}
    assert client.get("/state").json() == {"seen": "from start-up"}
    living.gateway.close()
    assert steps == ["start", "stop"]


def test_state_that_a_client_gives_reaches_the_application() -> None:
    async def main() -> Any:
        scope = {**http_scope("/state"), "state": {"seen": "by the client"}}
        return await call_asgi(through(starlette()), scope)

    status, body = asyncio.run(main())
    assert (status, json.loads(body)) == (200, {"seen": "by the client"})


@pytest.mark.parametrize("when", ["start", "stop"])
def test_failure_of_the_lifespan_is_the_clients(when: str) -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if when == "start":
            raise RuntimeError("no database at start")
        yield
        raise RuntimeError("no database at stop")

    client = TestClient(through(starlette(lifespan=lifespan)))
    statuses: list[int] = []
    with pytest.raises(RuntimeError, match=f"no database at {when}"), client:
        statuses.append(client.get("/state").status_code)
    assert statuses == ([200] if when == "stop" else [])


@pytest.mark.parametrize("when", ["startup", "shutdown"])
def test_lifespan_may_fail_by_its_message(when: str) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        for kind in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{kind}"
            if kind == when:
                await send({"type": f"lifespan.{kind}.failed", "message": "no database"})
                return
            await send({"type": f"lifespan.{kind}.complete"})

    sent: list[Any] = []

    async def main() -> None:
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message)

        await through(app)({"type": "lifespan"}, receive, send)

    with pytest.raises(LifespanError, match="no database"):
        asyncio.run(main())
    assert sent[-1]["type"] == f"lifespan.{when}.failed"
    assert "no database" in sent[-1]["message"]


def test_exception_reaches_the_client_or_is_answered_as_the_framework_does() -> None:
    with pytest.raises(RuntimeError, match="the database is gone"):
        TestClient(through(starlette())).get("/fail")
    client = TestClient(through(starlette()), raise_server_exceptions=False)
    response = client.get("/fail")
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    client = TestClient(through(starlette(debug=True)), raise_server_exceptions=False)
    assert "RuntimeError: the database is gone" in client.get("/fail").text


def test_exception_without_an_answer_reaches_the_client() -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        raise RuntimeError("the database is gone")

    with pytest.raises(RuntimeError, match="the database is gone"):
        TestClient(through(app)).get("/")
    client = TestClient(through(app, on_error="respond"))
    assert client.get("/").status_code == 500


def test_background_task_is_done_when_the_client_has_its_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = starlette()
    client = TestClient(through(app))
    assert client.get("/work").text == "soon"
    assert app.state.done == ["work"]
    with pytest.raises(RuntimeError, match="the mail server is gone"):
        client.get("/work?fail")


def test_template_and_its_context_are_shown_to_the_test(tmp_path: Path) -> None:
    from starlette.templating import Jinja2Templates

    (tmp_path / "hello.html").write_text("Hello {{ name }}")
    templates = Jinja2Templates(directory=tmp_path)

    async def hello(request: StarletteRequest) -> Any:
        return templates.TemplateResponse(request, "hello.html", {"name": "王"})

    response: Any = TestClient(through(Starlette(routes=[Route("/", hello)]))).get("/")
    assert response.text == "Hello 王"
    assert response.template.name == "hello.html"
    assert response.context["name"] == "王"


def test_websocket_is_refused() -> None:
    client = TestClient(through(starlette()))
    with (
        pytest.raises(NotCarriedError, match="type 'websocket'"),
        client.websocket_connect("/chat"),
    ):
        pytest.fail("no gateway of HTTP carries a WebSocket")


def test_trio_runs_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trio")
    with TestClient(through(starlette()), backend="trio") as client:
        assert client.get("/pages").text == "page 0\npage 1\npage 2\n"
        with pytest.raises(RuntimeError, match="the database is gone"):
            client.get("/fail")


def http_scope(path: str = "/", **changes: Any) -> Scope:
    """Make a scope as servers do."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"shop.example")],
        "client": ("203.0.113.9", 5000),
        "server": ("shop.example", 443),
        **changes,
    }


async def call_asgi(app: Any, scope: Scope, *messages: Any) -> tuple[int, bytes]:
    """Send one request, of these messages, and give status and body of the answer."""
    waiting = [*messages] or [{"type": "http.request"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert [each["type"] for each in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"], sent[1]["body"]


CLIENT: dict[str, Any] = {"client": ("203.0.113.9", 5000)}


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        pytest.param(http_scope("/a"), Request("GET", "/a", "", [HOST], **CLIENT, **SHOP), id="a"),
        pytest.param(
            http_scope("/a/b", raw_path=b"/a%2fb", query_string=b"x=%20+"),
            Request("GET", "/a%2fb", "x=%20+", [HOST], **CLIENT, **SHOP),
            id="escapes as they were written",
        ),
        pytest.param(
            http_scope("/网 %", raw_path=None),
            Request("GET", "/%E7%BD%91%20%25", "", [HOST], **CLIENT, **SHOP),
            id="no raw path",
        ),
        pytest.param(
            http_scope("/店/a", raw_path=b"/%E5%BA%97/a", root_path="/店"),
            Request("GET", "/a", "", [HOST], **CLIENT, **SHOP, root_path="/店"),
            id="mount in the path",
        ),
        pytest.param(
            http_scope("/a", root_path="/v1/"),
            Request("GET", "/a", "", [HOST], **CLIENT, **SHOP, root_path="/v1"),
            id="mount beside the path",
        ),
        pytest.param(
            http_scope("/v10/a", root_path="/v1"),
            Request("GET", "/v10/a", "", [HOST], **CLIENT, **SHOP, root_path="/v1"),
            id="mount that only looks like the path",
        ),
        pytest.param(
            http_scope(headers=[(b"X-A", b"\xe9"), (b"x-a", b"2")]),
            Request("GET", "/", "", [("x-a", "\xe9"), ("x-a", "2")], **CLIENT, **SHOP),
            id="headers are octets, and may repeat",
        ),
        pytest.param(
            http_scope(client=None, server=None, scheme="http"),
            Request("GET", "/", "", [HOST], b"", "http", server=("localhost", 80)),
            id="neither client nor server",
        ),
        pytest.param(
            http_scope(server=("/run/shop.sock", None)),
            Request("GET", "/", "", [HOST], **CLIENT, server=("/run/shop.sock", 443)),
            id="server without a port",
        ),
        pytest.param(
            {
                "type": "http",
                "http_version": "2",
                "method": "PUT",
                "path": "/a",
                "headers": [],
            },
            Request("PUT", "/a", "", [], b"", "http", server=("localhost", 80)),
            id="no more than a scope must have",
        ),
    ],
)
def test_request_of_a_scope(scope: Scope, expected: Request) -> None:
    request = request_of_scope(scope, b"x")
    assert uuid.UUID(request.request_id)
    assert request.replace(request_id="", body=b"") == expected
    assert request.body == b"x"


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        pytest.param(http_scope(http_version="1.0"), "no gateway passes HTTP/1.0 on", id="1.0"),
        pytest.param({"type": "websocket"}, "type 'websocket'", id="WebSocket"),
        pytest.param(
            http_scope(headers=[(b"transfer-encoding", b"chunked")]), "no gateway streams", id="te"
        ),
    ],
)
def test_scope_that_no_gateway_carries(scope: Scope, message: str) -> None:
    with pytest.raises(NotCarriedError, match=message):
        asyncio.run(call_asgi(through(echo_asgi), scope))


def body_message(body: bytes, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([body_message(b"ab", False)], id="at once"),
        pytest.param([body_message(b"ab", True), body_message(b"", False)], id="an empty end"),
        pytest.param([body_message(b"", True), body_message(b"ab", False)], id="an empty start"),
    ],
)
def test_body_that_came_at_once_is_carried(messages: list[Any]) -> None:
    _, body = asyncio.run(call_asgi(through(echo_asgi), http_scope(), *messages))
    assert json.loads(body)["body"] == "ab"


def test_streamed_body_is_not_carried() -> None:
    parts = [body_message(b"a", True), body_message(b"b", False)]
    with pytest.raises(NotCarriedError, match="no gateway streams"):
        asyncio.run(call_asgi(through(echo_asgi), http_scope(), *parts))

    def content() -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    with pytest.raises(NotCarriedError, match="no gateway streams"):
        TestClient(through(echo_asgi)).post("/", content=content())


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        pytest.param(
            [{"type": "http.response.start", "status": 200, "trailers": True}],
            "no gateway takes trailers",
            id="trailers announced",
        ),
        pytest.param(
            [
                {"type": "http.response.start", "status": 200},
                {"type": "http.response.trailers", "headers": []},
            ],
            "no gateway takes trailers",
            id="trailers",
        ),
        pytest.param(
            [{"type": "http.response.push", "path": "/", "headers": []}],
            "no gateway takes http.response.push",
            id="push",
        ),
    ],
)
def test_answer_that_no_gateway_takes(messages: list[Any], what: str) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    with pytest.raises(NotCarriedError, match=what):
        asyncio.run(call_asgi(through(app), http_scope()))


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        pytest.param([], "sent no response", id="nothing"),
        pytest.param([{"type": "http.response.body"}], "before http.response.start", id="body"),
        pytest.param(
            [{"type": "http.response.body", "more_body": True}],
            "before http.response.start",
            id="part of a body",
        ),
        pytest.param(
            [{"type": "http.response.start", "status": 200}], "did not finish", id="no body"
        ),
    ],
)
def test_answer_that_is_none(messages: list[Any], what: str) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    with pytest.raises(RuntimeError, match=what):
        asyncio.run(call_asgi(through(app), http_scope()))


def test_httpx_by_its_asgi_transport() -> None:
    async def main() -> None:
        transport = httpx.ASGITransport(through(echo_asgi, "aws_rest"))
        base_url = "https://shop.example"
        async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
            arrived = (await client.put("/网", params={"x": 1}, content=OCTETS)).json()
            assert (arrived["path"], arrived["query"]) == ("/网", "x=1")
            assert arrived["body"].encode("latin-1") == OCTETS
            assert (await client.get("/octets")).content == OCTETS
            with pytest.raises(RuntimeError, match="the database is gone"):
                await client.get("/fail")

    asyncio.run(main())


# Either.


def test_interface_is_the_applications_own_unless_it_is_named() -> None:
    assert isinstance(through(echo), WsgiThrough)
    assert isinstance(through(echo_asgi), AsgiThrough)
    assert isinstance(through(wrap(echo_asgi)), WsgiThrough)
    as_wsgi = through(echo_asgi, interface="wsgi", lifespan="off")
    assert Client(as_wsgi).get("/a").get_json()["interface"] == "asgi"
    as_asgi = through(echo, interface="asgi")
    with TestClient(as_asgi) as client:
        assert client.get("/a").json()["interface"] == "wsgi"
        with pytest.raises(RuntimeError, match="the database is gone"):
            client.get("/fail")


def test_function_is_reached_by_either_interface() -> None:
    def function(event: Any, context: Any) -> dict[str, Any]:
        return {"statusCode": 201, "body": event["rawPath"]}

    assert Client(through(function)).get("/a").text == "/a"
    with TestClient(through(function, interface="asgi")) as client:
        assert client.get("/a").text == "/a"


def test_application_of_asgi_2() -> None:
    class Application:
        def __init__(self, scope: Scope) -> None:
            self.scope = scope

        async def __call__(self, receive: Any, send: Any) -> None:
            await echo_asgi(self.scope, receive, send)

    assert TestClient(through(Application)).get("/a").json()["path"] == "/a"


@pytest.mark.parametrize(
    ("target", "options", "error", "message"),
    [
        pytest.param(5, {}, InterfaceError, "got int", id="no application"),
        pytest.param(echo, {"dialect": "aws"}, OptionError, "got 'aws'", id="no dialect"),
        pytest.param(echo, {"interface": "rsgi"}, OptionError, "got 'rsgi'", id="no interface"),
        pytest.param(echo, {"base_pth": "/"}, TypeError, "base_pth", id="no option"),
        pytest.param(wrap(echo), {"debug": True}, OptionError, "debug", id="function's option"),
    ],
)
def test_wrong_argument_is_an_error(
    target: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        through(target, **options)


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_threads_get_their_own_answers_at_the_same_time(interface: str) -> None:
    together = threading.Barrier(8, timeout=30)
    arrived: list[str] = []
    all_there = asyncio.Event()

    def waiting(environ: Environ, start_response: Callable[..., Any]) -> Any:
        together.wait()
        return echo(environ, start_response)

    async def waiting_asgi(scope: Scope, receive: Any, send: Any) -> None:
        arrived.append(scope["path"])
        if len(arrived) == 8:
            all_there.set()
        await asyncio.wait_for(all_there.wait(), 30)
        await echo_asgi(scope, receive, send)

    app = through(waiting_asgi if interface == "asgi" else waiting, interface="wsgi")

    def ask(number: int) -> Any:
        return Client(app).post(f"/{number}", data=str(number)).get_json()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert [each["path"] for each in answers] == [f"/{number}" for number in range(8)]
    assert [each["body"] for each in answers] == [str(number) for number in range(8)]


def test_tasks_get_their_own_answers_at_the_same_time() -> None:
    async def slow(scope: Scope, receive: Any, send: Any) -> None:
        # The later it is asked, the sooner it answers.
        await asyncio.sleep((50 - int(scope["path"][1:])) / 1000)
        await echo_asgi(scope, receive, send)

    async def main() -> list[Any]:
        app = through(slow)
        calls = (call_asgi(app, http_scope(f"/{number}")) for number in range(50))
        return await asyncio.gather(*calls)

    arrived = [json.loads(body) for _, body in asyncio.run(main())]
    assert [each["path"] for each in arrived] == [f"/{number}" for number in range(50)]


# What sees requests as they arrive, and answers directly.


@pytest.mark.parametrize("name", ["aws_rest", "alibaba_fc2", "gcp"])
def test_arrived_environ_is_what_the_gateway_makes_of_it(name: str) -> None:
    errors = io.StringIO()
    seen: list[Environ] = []

    def app(environ: Environ, start_response: Callable[..., Any]) -> Any:
        seen.append(environ)
        return echo(environ, start_response)

    client = Client(arrive_wsgi(app, gateways.load(name)))
    overrides = {"werkzeug.debug.preserve_context": seen.append}
    response = client.put("/a b", data=OCTETS, errors_stream=errors, environ_overrides=overrides)
    assert response.get_json()["path"] == "/a b"
    assert response.get_json()["body"].encode("latin-1") == OCTETS
    assert response.get_json()["headers"]["x-forwarded-proto"] == "http"
    assert "X-Request-ID" not in response.headers
    assert seen[0]["wsgi.errors"] is errors
    assert seen[0]["werkzeug.debug.preserve_context"] == seen.append
    assert "REQUEST_URI" not in seen[0] or name == "alibaba_fc2"


def test_arrived_environ_tells_what_the_gateway_loses() -> None:
    client = Client(arrive_wsgi(echo, gateways.load("alibaba_apigw")))
    assert client.get("/?a=1&a=2").get_json()["query"] == "a=2"
    with pytest.raises(NotCarriedError, match="HTTP/1.0"):
        client.get("/", environ_overrides={"SERVER_PROTOCOL": "HTTP/1.0"})


def test_arrived_scope_is_what_the_gateway_makes_of_it() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        scopes.append(scope)
        if scope["type"] == "http":
            await echo_asgi(scope, receive, send)
            assert (await receive())["type"] == "http.disconnect"

    made = arrive_asgi(app, gateways.load("alibaba_apigw"))
    scope = http_scope("/a", query_string=b"a=1&a=2", state={"x": 1}, extensions={"y": {}})
    _, body = asyncio.run(call_asgi(made, scope, body_message(b"abc", False)))
    arrived = json.loads(body)
    assert (arrived["path"], arrived["query"], arrived["body"]) == ("/a", "a=2", "abc")
    assert scopes[0]["state"] == {"x": 1}
    assert scopes[0]["extensions"] == {"y": {}}
    lifespan = {"type": "lifespan"}
    asyncio.run(made(lifespan, None, None))
    assert scopes[1] is lifespan


def test_log_of_an_application_is_what_it_is_directly(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert Client(through(shop())).get("/pages").status_code == 200
    assert caplog.records == []
