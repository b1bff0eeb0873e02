"""Route templates, as each framework writes them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from flask import Blueprint, Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from slsadapt import wrap
from slsadapt.timing import Timing
from slsadapt.timing.routes import route_of

Event = Callable[[str], dict[str, Any]]

HTTP = "aws_http/rs_sam_http"


def route(app: Any, path: str, event: Event, **options: Any) -> str | None:
    told: list[Timing] = []
    handler = wrap(app, timing=told.append, **options)
    handler(event(HTTP) | {"rawPath": path})
    found = told[0].route
    handler.pre_stop()
    return found


def flask() -> Flask:
    app, shop = Flask("app"), Blueprint("shop", "shop", url_prefix="/shop")

    @shop.get("/orders/<int:number>")
    def order(number: int) -> str:
        return "order"

    @app.get("/fails/<name>")
    def fails(name: str) -> str:
        raise ValueError

    app.register_blueprint(shop)
    return app


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/shop/orders/7", "/shop/orders/<int:number>"),
        pytest.param("/fails/x", "/fails/<name>", id="500"),
        pytest.param("/nowhere", None, id="404"),
    ],
)
def test_flask(path: str, expected: str | None, event: Event) -> None:
    assert route(flask(), path, event) == expected


def test_flask_below_a_mount(event: Event) -> None:
    assert route(flask(), "/v1/shop/orders/7", event, base_path="/v1") == (
        "/shop/orders/<int:number>"
    )


def test_wsgi_application_without_a_framework_has_none(event: Event) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    assert route(app, "/shop", event) is None
    assert route(DispatcherMiddleware(app, {}), "/shop", event, interface="wsgi") is None


async def endpoint(request: Request) -> PlainTextResponse:
    return PlainTextResponse("x")


class Passing(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Any:
        return await call_next(request)


async def bare(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("x")(scope, receive, send)


ROUTES = [
    Route("/a/{b}", endpoint),
    Route("/only", endpoint, methods=["POST"]),
    Mount("/m", routes=[Route("/c/{d:int}", endpoint)]),
    Mount("/{tenant}/in", routes=[Mount("/{year}", routes=[Route("/x/{y}", endpoint)])]),
    Mount("/files", app=bare),
]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/1", "/a/{b}"),
        ("/m/c/2", "/m/c/{d:int}"),
        pytest.param("/acme/in/2026/x/1", "/{tenant}/in/{year}/x/{y}", id="mount with parameters"),
        pytest.param("/files/a/b.css", "/files", id="mount without routes"),
        pytest.param("/only", "/only", id="405"),
        pytest.param("/nowhere", None, id="404"),
        pytest.param("/m/nowhere", None, id="404 in a mount"),
    ],
)
@pytest.mark.parametrize("base_path", ["", "/v1"])
@pytest.mark.parametrize("middleware", [[], [Middleware(Passing)]])
@pytest.mark.parametrize("keeps", [pytest.param(True, id="1.7"), pytest.param(False, id="before")])
def test_starlette(
    keeps: bool,
    middleware: list[Middleware],
    base_path: str,
    path: str,
    expected: str | None,
    event: Event,
) -> None:
    starlette = Starlette(routes=ROUTES, middleware=middleware)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await starlette(scope, receive, send)
        if not keeps:
            scope.pop("route", None)

    assert route(app, base_path + path, event, base_path=base_path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/plain/a", "/plain/{x}"),
        ("/api/inner/items/3", "/api/inner/items/{id}"),
        ("/sub/s/1", "/sub/s/{y}"),
        ("/acme/sub/s/1", "/{tenant}/sub/s/{y}"),
        ("/starlette/m/c/3", "/starlette/m/c/{d:int}"),
        pytest.param("/docs", "/docs", id="Starlette's own route"),
        pytest.param("/api/inner/items/x", "/api/inner/items/{id}", id="422"),
        pytest.param("/nowhere", None, id="404"),
        pytest.param("/sub/nowhere", None, id="404 in a mount"),
    ],
)
@pytest.mark.parametrize("base_path", ["", "/v1"])
def test_fastapi(path: str, expected: str | None, base_path: str, event: Event) -> None:
    app, sub, router = FastAPI(), FastAPI(), APIRouter(prefix="/inner")

    @app.get("/plain/{x}")
    async def plain(x: str) -> str:
        return x

    @router.get("/items/{id}")
    def item(id: int) -> int:  # noqa: A002
        return id

    @sub.get("/s/{y}")
    async def below(y: str) -> str:
        return y

    app.include_router(router, prefix="/api")
    app.mount("/sub", sub)
    app.mount("/{tenant}/sub", sub)
    app.mount("/starlette", Starlette(routes=ROUTES))
    assert route(app, base_path + path, event, base_path=base_path) == expected


DJANGO = """
from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.urls import include, path, re_path
from slsadapt import wrap

def view(request, **kwargs):
    return HttpResponse("x")

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="test",
    LANGUAGE_CODE="en",
    MIDDLEWARE=["django.middleware.locale.LocaleMiddleware"],
)
urlpatterns = [
    *i18n_patterns(path("news/<slug:of>/", view), prefix_default_language=False),
    path("", view),
    path("entries/<int:pk>/", view),
    path("shop/", include([re_path(r"^(?P<year>[0-9]{4})/$", view), path("店/<name>/", view)])),
]
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

for app in (get_wsgi_application(), get_asgi_application()):
    for base_path in ("", "/v1"):
        handler = wrap(
            app, timing=lambda timing: print(timing.status, timing.route), base_path=base_path
        )
        for each in PATHS:
            handler(EVENT | {"rawPath": base_path + each})
        handler.pre_stop()
"""


def test_django(event: Event) -> None:
    expected = {
        "/": "200 /",
        "/entries/7/": "200 /entries/<int:pk>/",
        "/shop/2026/": "200 /shop/(?P<year>[0-9]{4})/$",
        "/shop/店/x/": "200 /shop/店/<name>/",
        "/de/news/a/": "200 /de/news/<slug:of>/",
        "/news/a/": "200 /news/<slug:of>/",
        "/nowhere/": "404 None",
    }
    code = f"EVENT = {event(HTTP)!r}\nPATHS = {[*expected]!r}\n{DJANGO}"
    command = [sys.executable, "-X", "utf8", "-c", code]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    # WSGI and ASGI, without and with a base path.
    assert done.stdout.splitlines() == 4 * [*expected.values()]


def test_odd_scope_has_no_route() -> None:
    class Broken:
        @property
        def path(self) -> str:
            raise RuntimeError

    assert route_of({"type": "http", "route": Broken(), "router": None}, "/") is None
    assert route_of({"type": "http", "route": "text", "fastapi": None}, "/") is None
    assert route_of({"wsgi.version": (1, 0)}, "/", Broken()) is None
