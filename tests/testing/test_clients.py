"""The frameworks' own test clients, whole suites of which go through gateways."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.testing.suites import ids, run, skips, summary, told

pytest_plugins = ["pytester"]

DJANGO = {
    "conftest": """
        import django
        import pytest
        from django.conf import settings
        from django.test import utils

        settings.configure(
            ALLOWED_HOSTS=["*"],
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
            INSTALLED_APPS=[
                "django.contrib.auth",
                "django.contrib.contenttypes",
                "django.contrib.sessions",
            ],
            MIDDLEWARE=[
                "django.middleware.common.CommonMiddleware",
                "django.contrib.sessions.middleware.SessionMiddleware",
            ],
            ROOT_URLCONF="site_urls",
            SECRET_KEY="for tests",
            TEMPLATES=[
                {
                    "BACKEND": "django.template.backends.django.DjangoTemplates",
                    "OPTIONS": {
                        "loaders": [
                            (
                                "django.template.loaders.locmem.Loader",
                                {"page.html": "Hello {{ name }}"},
                            )
                        ]
                    },
                }
            ],
        )
        django.setup()

        @pytest.fixture(scope="session", autouse=True)
        def databases():
            utils.setup_test_environment()
            made = utils.setup_databases(verbosity=0, interactive=False)
            yield
            utils.teardown_databases(made, verbosity=0)
            utils.teardown_test_environment()
        """,
    "site_urls": """
        from django.contrib.auth.models import User
        from django.http import (
            HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
        )
        from django.shortcuts import render
        from django.urls import path

        def page(request):
            return render(request, "page.html", {"name": request.GET.get("name", "")})

        def users(request):
            if request.method == "POST":
                User.objects.create(username=request.POST["name"])
            names = User.objects.order_by("pk").values_list("username", flat=True)
            return JsonResponse({"users": [*names]})

        def visits(request):
            request.session["visits"] = request.session.get("visits", 0) + 1
            answer = JsonResponse({"visits": request.session["visits"]})
            answer.set_cookie("colour", "green", max_age=10, httponly=True)
            answer.set_cookie("size", "large")
            return answer

        def echo(request, rest=""):
            return JsonResponse({
                "method": request.method,
                "path": request.get_full_path(),
                "body": request.body.decode("latin-1"),
                "type": request.content_type,
                "secure": request.is_secure(),
                "host": request.get_host(),
                "address": request.META["REMOTE_ADDR"],
                "header": request.headers.get("x-shop"),
                "event": "serverless.event" in request.META,
            })

        def headers(request):
            return HttpResponse("x", headers={"Vary": "A, B", "X-Shop": "7"})

        def fail(request):
            raise ValueError("the view fails")

        urlpatterns = [
            path("page/", page),
            path("users/", users),
            path("visits/", visits),
            path("echo/<path:rest>", echo),
            path("headers/", headers),
            path("fail/", fail),
            path("go/", lambda request: HttpResponseRedirect("/page/")),
            path("stream/", lambda request: StreamingHttpResponse(iter([b"a", b"b"]))),
        ]
        """,
    "test_site": """
        from django.contrib.auth.models import User
        from django.core.signals import request_finished, request_started
        from django.test import Client, SimpleTestCase, TestCase, TransactionTestCase

        class PageTests(SimpleTestCase):
            def test_template(self):
                answer = self.client.get("/page/", {"name": "世界"})
                self.assertTemplateUsed(answer, "page.html")
                assert answer.context["name"] == "世界"
                assert answer.content.decode() == "Hello 世界"
                assert answer.wsgi_request.GET["name"] == "世界"

            def test_redirect(self):
                answer = self.client.get("/go/", follow=True)
                self.assertRedirects(answer, "/page/")
                assert answer.redirect_chain == [("/page/", 302)]

            def test_head(self):
                answer = self.client.head("/page/")
                assert answer.content == b""
                assert answer.headers["Content-Length"] == "6"

            def test_headers(self):
                assert self.client.get("/headers/").headers == {
                    "Content-Type": "text/html; charset=utf-8",
                    "Content-Length": "1",
                    "Vary": "A, B",
                    "X-Shop": "7",
                }

            def test_stream(self):
                answer = self.client.get("/stream/")
                assert answer.streaming
                assert b"".join(answer.streaming_content) == b"ab"

            def test_exception(self):
                with self.assertRaisesMessage(ValueError, "the view fails"):
                    self.client.get("/fail/")
                answer = Client(raise_request_exception=False).get("/fail/")
                assert answer.status_code == 500
                assert answer.exc_info[0] is ValueError

            def test_signals(self):
                calls = []
                def started(**rest): calls.append("started")
                def finished(**rest): calls.append("finished")
                request_started.connect(started)
                request_finished.connect(finished)
                self.client.get("/page/")
                b"".join(self.client.get("/stream/"))
                request_started.disconnect(started)
                request_finished.disconnect(finished)
                assert calls == ["started", "finished"] * 2

            def test_echo(self):
                answer = self.client.put(
                    "/echo/a%20b/?x=1",
                    data=bytes([255, 65]),
                    content_type="x/y",
                    headers={"x-shop": "7"},
                    secure=True,
                    REMOTE_ADDR="10.1.2.3",
                    SERVER_NAME="shop.example",
                )
                assert answer.json() == {
                    "method": "PUT",
                    "path": "/echo/a%20b/?x=1",
                    "body": bytes([255, 65]).decode("latin-1"),
                    "type": "x/y",
                    "secure": True,
                    "host": "shop.example",
                    "address": "10.1.2.3",
                    "header": "7",
                    "event": EVENT,
                }

            def test_variable(self):
                self.client.get("/page/", SHOP_USER="Ada")

            async def test_async(self):
                assert (await self.async_client.get("/page/")).status_code == 200

        class UserTests(TestCase):
            @classmethod
            def setUpTestData(cls):
                cls.user = User.objects.create(username="ada")

            def test_what_is_written_is_read(self):
                assert self.client.get("/users/").json() == {"users": ["ada"]}
                answer = self.client.post("/users/", {"name": "李雷"})
                assert answer.json() == {"users": ["ada", "李雷"]}

            def test_what_was_written_is_rolled_back(self):
                with self.assertNumQueries(1):
                    assert self.client.get("/users/").json() == {"users": ["ada"]}

            def test_session(self):
                assert [self.client.get("/visits/").json()["visits"] for _ in range(2)] == [1, 2]
                assert self.client.session["visits"] == 2
                assert self.client.cookies["colour"]["max-age"] == 10
                assert self.client.cookies["colour"]["httponly"]
                assert self.client.cookies["size"].value == "large"

            def test_login(self):
                self.client.force_login(self.user)

        class CommittedTests(TransactionTestCase):
            def test_database(self):
                assert self.client.get("/users/").json() == {"users": []}
                assert self.client.post("/users/", {"name": "b"}).json() == {"users": ["b"]}
        """,
}


def test_django(pytester: pytest.Pytester) -> None:
    suite = DJANGO["test_site"]
    pytester.makepyfile(**DJANGO | {"test_site": suite.replace("EVENT", "True")})
    dialects = ["aws_http", "tencent_apigw", "azure", "alibaba_fc2"]

    result = run(pytester, "-rs", *[f"--gateway={each}" for each in dialects])

    # All but the one that shows that it is so are the same directly.
    counts = "12 passed through it, 2 skipped for what it cannot carry"
    once = [f"{counts}, 1 sent nothing", *[counts] * 3]
    result.assert_outcomes(passed=12 * 4 + 1, skipped=2 * 4)
    assert summary(result) == [f"{each}: {told}" for each, told in zip(dialects, once, strict=True)]
    assert skips(result) == sorted(
        f"{dialect}: {reason}"
        for dialect in dialects
        for reason in (
            "no request carries the environ's SHOP_USER",
            "Django's AsyncClient shares its thread's database with the application",
        )
    )
    pytester.makepyfile(test_site=suite.replace("EVENT", "False"))
    run(pytester).assert_outcomes(passed=15)


SITE = """
import warnings
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

with warnings.catch_warnings():
    # It would rather have httpx's successor.
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

calls = []


@asynccontextmanager
async def lifespan(app):
    calls.append("start")
    yield {"database": "open"}
    calls.append("stop")


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def home(request: Request):
    return {
        "event": "serverless.event" in request.scope,
        "database": getattr(request.state, "database", None),
    }


@app.post("/length")
async def length(request: Request):
    return len(await request.body())


@app.get("/stream")
async def stream():
    async def parts():
        yield b"a"
        yield b"b"

    return StreamingResponse(parts())


@app.get("/nested")
async def nested():
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://shop.example"
    ) as client:
        return (await client.get("/")).json()


@app.get("/fail")
async def fail():
    raise ValueError("the route fails")


@app.websocket("/socket")
async def socket(socket: WebSocket):
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


@pytest.fixture(scope="module")
def living():
    with TestClient(app) as client:
        yield client
"""

ASGI = """
def test_client():
    client = TestClient(app)
    assert client.get("/").json() == {"event": EVENT, "database": None}
    assert calls == []


def test_lifespan():
    with TestClient(app) as client:
        assert calls == ["start"]
        assert client.get("/").json() == {"event": EVENT, "database": "open"}
    assert calls == ["start", "stop"]
    calls.clear()


def test_living(living):
    assert living.get("/").json() == {"event": EVENT, "database": "open"}


def test_living_on(living):
    assert living.get("/").json() == {"event": EVENT, "database": "open"}
    assert calls == ["start"]


def test_whole():
    assert TestClient(app).get("/stream").content == b"ab"


def test_exception():
    with pytest.raises(ValueError, match="the route fails"):
        TestClient(app).get("/fail")
    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/fail").status_code == 500


def test_nested():
    assert TestClient(app).get("/nested").json()["event"] == False


def test_socket():
    with TestClient(app).websocket_connect("/socket") as socket:
        assert socket.receive_text() == "hello"


def test_streamed_body():
    assert TestClient(app).post("/length", content=iter([b"a", b"b"])).json() == 2


def test_starlette():
    site = Starlette(routes=[Route("/", lambda request: PlainTextResponse("home"))])
    assert TestClient(site).get("/").text == "home"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_async_httpx():
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://shop.example"
    ) as client:
        assert (await client.get("/")).json()["event"] == EVENT


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str("serverless.event" in environ).encode()]


def test_sync_httpx():
    transport = httpx.WSGITransport(app=wsgi)
    with httpx.Client(transport=transport, base_url="http://shop.example") as client:
        assert client.get("/").text == "EVENT"
"""


def test_starlette_fastapi_and_httpx(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_site=SITE + ASGI.replace("EVENT", "True"))

    result = run(pytester, "-rs", "-v", "--gateway", "aws_http", "--gateway", "tencent_apigw")

    skipped = [name for name, outcome in told(result) if outcome != "passed"]
    assert skipped == ids(["test_socket", "test_streamed_body"], "aws_http", "tencent_apigw")
    assert skips(result) == [
        f"{dialect}: {reason}"
        for dialect in ("aws_http", "tencent_apigw")
        for reason in (
            "no event of HTTP carries a connection of type 'websocket'",
            "no gateway streams a request's body: functions get it whole",
        )
    ]
    counts = "10 passed through it, 2 skipped for what it cannot carry"
    assert summary(result) == [f"aws_http: {counts}", f"tencent_apigw: {counts}"]
    pytester.makepyfile(test_site=SITE + ASGI.replace("EVENT", "False"))
    run(pytester).assert_outcomes(passed=12)


PARTS = """
def test_parts():
    with TestClient(app).stream("GET", "/stream") as answer:
        assert [*answer.iter_raw()] == [b"a", b"b"]


def test_living_parts(living):
    with living.stream("GET", "/stream") as answer:
        assert [*answer.iter_raw()] == [b"a", b"b"]


def test_fails_after_parts(living):
    assert not living.get("/").json()["event"]
"""


@pytest.mark.skipif(
    [*map(int, version("starlette").split(".")[:2])] < [1, 9],
    reason="Starlette's client gives answers whole before 1.9",
)
def test_answers_in_parts(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_site=SITE + PARTS)

    result = run(pytester, "-rs", "-v", "--gateway", "aws_http", "--gateway", "tencent_apigw")

    dialects = ["aws_http", "tencent_apigw"]
    assert told(result) == [
        *[(name, "skipped") for name in ids(["test_parts", "test_living_parts"], *dialects)],
        *[(name, "failed") for name in ids(["test_fails_after_parts"], *dialects)],
    ]
    assert {*skips(result)} == {
        f"{dialect} answers as a whole, and the application answers in parts"
        for dialect in dialects
    }
    counts = "1 failed through it alone, 2 skipped for what it cannot carry"
    assert summary(result)[:2] == [f"{dialect}: {counts}" for dialect in dialects]
    run(pytester).assert_outcomes(passed=3)


def test_the_frameworks_learn_once(pytester: pytest.Pytester) -> None:
    script = pytester.makepyfile(
        """
        import warnings
        warnings.simplefilter("error")

        from slsadapt.testing.clients import Passage, install

        install()
        import werkzeug.test
        from django.test.client import ClientHandler
        from starlette.testclient import TestClient
        import httpx

        def taught():
            return [
                werkzeug.test.Client.run_wsgi_app,
                ClientHandler.__call__,
                TestClient.__enter__,
                TestClient.__exit__,
                httpx.WSGITransport.handle_request,
                httpx.ASGITransport.handle_async_request,
            ]

        before = taught()
        install()
        assert taught() == before
        assert all(each.slsadapt_original for each in before)
        assert not any(hasattr(each.slsadapt_original, "slsadapt_original") for each in before)

        def app(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [str("serverless.event" in environ).encode()]

        client = werkzeug.test.Client(app)
        assert client.get("/").text == "False"
        with Passage("aws_http") as passage:
            assert client.get("/").text == "True"
        assert [delivery.event["rawPath"] for delivery in passage.deliveries] == ["/"]
        assert client.get("/").text == "False"
        """
    )

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
