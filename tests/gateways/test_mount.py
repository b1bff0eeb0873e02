"""Where the application is mounted, and that its links work from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from fastapi import FastAPI
from flask import Flask, redirect, url_for
from flask import request as flask_request
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, RedirectResponse
from starlette.responses import Response as StarletteResponse
from starlette.routing import Mount, Route

from slsadapt import wrap
from slsadapt.handler import Handler
from tests.gateways.corpus import LIVE, changed

REST_HOST = "5h7pqvr9u4.execute-api.us-west-2.amazonaws.com"
TENCENT_HOST = "service-abc-1300000000.gz.apigw.tencentcs.com"


class Wrap(Protocol):
    """``wrap``, with the handler closed after the test."""

    def __call__(self, app: Any, **options: Any) -> Handler: ...


@pytest.fixture
def wrapped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wrap]:
    monkeypatch.delenv("API_GATEWAY_BASE_PATH", raising=False)
    monkeypatch.delenv("STRIP_STAGE_PATH", raising=False)
    handlers: list[Handler] = []

    def wrap_and_remember(app: Any, **options: Any) -> Handler:
        handlers.append(wrap(app, **options))
        return handlers[-1]

    yield wrap_and_remember
    for handler in handlers:
        handler.pre_stop()


def rest(path: str, stage: str = "live") -> dict[str, Any]:
    return changed(
        LIVE["aws_rest"],
        {
            "httpMethod": "GET",
            "body": None,
            "path": path,
            "requestContext.path": f"/{stage}{path}",
            "requestContext.stage": stage,
        },
    )


def rest_domain(path: str, proxy: str) -> dict[str, Any]:
    return changed(
        "aws_rest/rule_base_path_mapping",
        {
            "httpMethod": "GET",
            "body": None,
            "path": path,
            "pathParameters": {"proxy": proxy},
            "requestContext.path": path,
        },
    )


def http(raw_path: str, stage: str, host: str = "") -> dict[str, Any]:
    changes = {
        "requestContext.http.method": "GET",
        "body": None,
        "rawPath": raw_path,
        "requestContext.stage": stage,
    }
    if host:
        changes |= {"headers.host": host, "requestContext.domainName": host}
    return changed(LIVE["aws_http"], changes)


def url(path: str) -> dict[str, Any]:
    changes = {"requestContext.http.method": "GET", "body": None, "rawPath": path}
    return changed(LIVE["aws_function_url"], changes)


def tencent(path: str, host: str) -> dict[str, Any]:
    changes = {"httpMethod": "GET", "body": None, "path": path, "headers.host": host}
    return changed(LIVE["tencent_apigw"], changes | {"headers.x-api-scheme": "https"})


def tencent_url(path: str) -> dict[str, Any]:
    host = "1300000000-abc.ap-guangzhou.tencentscf.com"
    changes = {"httpMethod": "GET", "body": None, "path": path, "headers.host": host}
    return changed(LIVE["tencent_function_url"], changes)


MOUNTS = [
    pytest.param(rest("/shop/a"), "/live", "/shop/a", id="REST, default host"),
    pytest.param(rest("/"), "/live", "/", id="REST, default host, root"),
    pytest.param(
        rest_domain("/orders/shop/a", "shop/a"), "/orders", "/shop/a", id="REST, base path"
    ),
    pytest.param(rest_domain("/shop/a", "shop/a"), "", "/shop/a", id="REST, own domain"),
    pytest.param(rest_domain("/live/a", "a"), "/live", "/a", id="REST, own domain with stage"),
    pytest.param(rest_domain("/%E5%BA%97/a", "a"), "/店", "/a", id="REST, base path beyond ASCII"),
    pytest.param(http("/prod/a", "prod"), "/prod", "/a", id="HTTP API, named stage"),
    pytest.param(http("/a", "$default"), "", "/a", id="HTTP API, $default"),
    pytest.param(http("/prod/a", "prod", "api.example.com"), "", "/a", id="HTTP API, own domain"),
    pytest.param(url("/a"), "", "/a", id="function URL"),
    pytest.param(tencent("/a", TENCENT_HOST), "/release", "/a", id="Tencent, default host"),
    pytest.param(tencent("/a", "blog.example.com"), "", "/a", id="Tencent, own domain"),
    pytest.param(tencent_url("/a"), "", "/a", id="Tencent function URL"),
]


def wsgi_mount(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    mount = [environ[name].encode("latin-1").decode() for name in ("SCRIPT_NAME", "PATH_INFO")]
    return [json.dumps(mount).encode()]


async def asgi_mount(scope: Any, receive: Any, send: Any) -> None:
    mount = [scope["root_path"], scope["path"], scope["raw_path"].decode()]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(mount).encode()})


def mount_of(handler: Handler, event: dict[str, Any]) -> tuple[str, str]:
    script_name, path_info = json.loads(handler(event)["body"])
    return script_name, path_info


@pytest.mark.parametrize(("event", "root_path", "path"), MOUNTS)
def test_wsgi_application_is_mounted_where_the_client_sees_it(
    wrapped: Wrap, event: dict[str, Any], root_path: str, path: str
) -> None:
    assert mount_of(wrapped(wsgi_mount), event) == (root_path, path)


@pytest.mark.parametrize(("event", "root_path", "path"), MOUNTS)
def test_asgi_application_is_mounted_where_the_client_sees_it(
    wrapped: Wrap, event: dict[str, Any], root_path: str, path: str
) -> None:
    found = json.loads(wrapped(asgi_mount, lifespan="off")(event)["body"])
    assert found[:2] == [root_path, root_path + path]
    assert found[2] == found[1].replace("店", "%E5%BA%97")


BASE_PATHS = [
    pytest.param("/orders", http("/a", "$default"), ("/orders", "/a"), id="gateway took it off"),
    pytest.param("/orders", http("/orders/a", "$default"), ("/orders", "/a"), id="gateway left it"),
    pytest.param("/orders", http("/orders", "$default"), ("/orders", "/"), id="the base itself"),
    pytest.param("orders/", http("/orders/a", "$default"), ("/orders", "/a"), id="other slashes"),
    pytest.param("/v1/orders", http("/v1/orders/a", "$default"), ("/v1/orders", "/a"), id="two"),
    pytest.param(
        "/orders", http("/orders/orders", "$default"), ("/orders", "/orders"), id="once only"
    ),
    pytest.param("/a b", http("/a b/c", "$default"), ("/a b", "/c"), id="space"),
    pytest.param("/店", rest_domain("/%E5%BA%97/a", "a"), ("/店", "/a"), id="beyond ASCII"),
    pytest.param(
        "/orders", rest_domain("/orders/a", "a"), ("/orders", "/a"), id="gateway tells too"
    ),
    pytest.param("/orders", rest("/orders/a"), ("/live/orders", "/a"), id="below the stage"),
    pytest.param("/live", rest("/a"), ("/live", "/a"), id="the stage itself"),
    pytest.param("/", rest("/a"), ("/live", "/a"), id="a slash is no base path"),
    pytest.param("", rest("/a"), ("/live", "/a"), id="nothing is no base path"),
    pytest.param(
        "/release", tencent("/release/a", "blog.example.com"), ("/release", "/a"), id="Tencent"
    ),
]


@pytest.mark.parametrize(("base_path", "event", "mount"), BASE_PATHS)
def test_base_path_option_mounts_the_application(
    wrapped: Wrap, base_path: str, event: dict[str, Any], mount: tuple[str, str]
) -> None:
    assert mount_of(wrapped(wsgi_mount, base_path=base_path), event) == mount


@pytest.mark.parametrize(("base_path", "event", "mount"), BASE_PATHS)
def test_base_path_of_the_environment_mounts_the_application(
    wrapped: Wrap,
    monkeypatch: pytest.MonkeyPatch,
    base_path: str,
    event: dict[str, Any],
    mount: tuple[str, str],
) -> None:
    monkeypatch.setenv("API_GATEWAY_BASE_PATH", base_path)
    assert mount_of(wrapped(wsgi_mount), event) == mount


def test_base_path_option_comes_before_the_environment(
    wrapped: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_GATEWAY_BASE_PATH", "/elsewhere")
    handler = wrapped(wsgi_mount, base_path="/orders")
    assert mount_of(handler, http("/orders/a", "$default")) == ("/orders", "/a")


@pytest.mark.parametrize("path", ["/products", "/product", "/prod-2/a", "/prod%2Fa"])
def test_base_path_is_a_whole_segment(wrapped: Wrap, path: str) -> None:
    mount = mount_of(wrapped(wsgi_mount, base_path="/prod"), url(path))
    assert mount[1] == path.replace("%2F", "/")


@pytest.mark.parametrize(
    ("event", "mount"),
    [
        pytest.param(rest("/a"), ("", "/a"), id="REST"),
        pytest.param(http("/prod/a", "prod"), ("", "/a"), id="HTTP API"),
        pytest.param(tencent("/a", TENCENT_HOST), ("", "/a"), id="Tencent"),
        pytest.param(rest_domain("/orders/a", "a"), ("/orders", "/a"), id="a base path stays"),
        pytest.param(http("/a", "$default"), ("", "/a"), id="no stage"),
    ],
)
def test_stage_is_stripped_on_demand(
    wrapped: Wrap, monkeypatch: pytest.MonkeyPatch, event: dict[str, Any], mount: tuple[str, str]
) -> None:
    assert mount_of(wrapped(wsgi_mount, strip_stage=True), event) == mount
    monkeypatch.setenv("STRIP_STAGE_PATH", "yes")
    assert mount_of(wrapped(wsgi_mount), event) == mount


@pytest.mark.parametrize("value", ["", "no", "false", "0", "n"])
def test_stage_stays_where_the_environment_says_no(
    wrapped: Wrap, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("STRIP_STAGE_PATH", value)
    assert mount_of(wrapped(wsgi_mount), rest("/a")) == ("/live", "/a")


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "Yes", " y ", "t"])
def test_stage_goes_where_the_environment_says_yes(
    wrapped: Wrap, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("STRIP_STAGE_PATH", value)
    assert mount_of(wrapped(wsgi_mount), rest("/a")) == ("", "/a")


def test_strip_stage_option_comes_before_the_environment(
    wrapped: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIP_STAGE_PATH", "yes")
    assert mount_of(wrapped(wsgi_mount, strip_stage=False), rest("/a")) == ("/live", "/a")


# Events that ask for one path of the application, and what precedes that path in the client's URL.
LINKS = [
    pytest.param(rest, f"https://{REST_HOST}/live", id="REST, default host"),
    pytest.param(
        lambda path: rest_domain(f"/orders{path}", path.strip("/")),
        "https://api.example.com/orders",
        id="REST, base path",
    ),
    pytest.param(
        lambda path: http(f"/prod{path}", "prod"),
        "https://sjzepsqsu5.execute-api.us-west-2.amazonaws.com/prod",
        id="HTTP API, named stage",
    ),
    pytest.param(
        lambda path: http(path, "$default", "api.example.com"),
        "https://api.example.com",
        id="HTTP API, own domain",
    ),
    pytest.param(
        lambda path: tencent(path, TENCENT_HOST),
        f"https://{TENCENT_HOST}/release",
        id="Tencent, default host",
    ),
]


class Ask(Protocol):
    """Write the event that asks for one path of the application."""

    def __call__(self, path: str) -> dict[str, Any]: ...


def header(result: dict[str, Any], name: str) -> str:
    found = [value for each, value in result["headers"].items() if each.lower() == name]
    assert len(found) == 1
    return str(found[0])


@pytest.mark.parametrize(("ask", "outside"), LINKS)
def test_flask_links_and_redirects_work_from_outside(wrapped: Wrap, ask: Ask, outside: str) -> None:
    app = Flask(__name__)

    @app.get("/item/<name>/")
    def item(name: str) -> str:
        return f"{url_for('item', name=name, _external=True)} {flask_request.url}"

    @app.get("/go")
    def go() -> Any:
        return redirect(url_for("item", name="a b"))

    handler = wrapped(app)
    page = handler(ask("/item/x/"))
    assert page["statusCode"] == 200
    assert page["body"].split()[0] == f"{outside}/item/x/"
    assert page["body"].split()[1].startswith(f"{outside}/item/x/")
    moved = handler(ask("/go"))
    relative = "/" + outside.split("/", 3)[3] if outside.count("/") > 2 else ""
    assert moved["statusCode"] == 302
    assert header(moved, "location") == f"{relative}/item/a%20b/"
    slashed = handler(ask("/item/x"))
    assert slashed["statusCode"] == 308
    assert header(slashed, "location").startswith(f"{outside}/item/x/")


@pytest.mark.parametrize(("ask", "outside"), LINKS)
def test_starlette_links_and_redirects_work_from_outside(
    wrapped: Wrap, ask: Ask, outside: str
) -> None:
    async def item(request: StarletteRequest) -> StarletteResponse:
        return JSONResponse(
            [
                str(request.url_for("item", name=request.path_params["name"])),
                str(request.url_for("admin:users")),
                str(request.url.replace(query="")),
            ]
        )

    async def users(request: StarletteRequest) -> StarletteResponse:
        return RedirectResponse(request.url_for("item", name="x"))

    app = Starlette(
        routes=[
            Route("/item/{name}/", item, name="item"),
            Mount("/admin", routes=[Route("/users", users, name="users")], name="admin"),
        ]
    )
    handler = wrapped(app)
    page = handler(ask("/item/x/"))
    assert json.loads(page["body"]) == [
        f"{outside}/item/x/",
        f"{outside}/admin/users",
        f"{outside}/item/x/",
    ]
    moved = handler(ask("/admin/users"))
    assert moved["statusCode"] == 307
    assert header(moved, "location") == f"{outside}/item/x/"
    slashed = handler(ask("/item/x"))
    assert slashed["statusCode"] == 307
    assert header(slashed, "location").startswith(f"{outside}/item/x/")


@pytest.mark.parametrize(("ask", "outside"), LINKS)
def test_fastapi_documentation_works_from_outside(wrapped: Wrap, ask: Ask, outside: str) -> None:
    app = FastAPI()

    @app.get("/item/{name}")
    def item(name: str) -> dict[str, str]:
        return {"name": name}

    handler = wrapped(app)
    mount = "/" + outside.split("/", 3)[3] if outside.count("/") > 2 else ""
    schema = json.loads(handler(ask("/openapi.json"))["body"])
    assert "/item/{name}" in schema["paths"]
    assert schema.get("servers", [{"url": ""}]) == [{"url": mount}]
    docs = handler(ask("/docs"))
    assert docs["statusCode"] == 200
    assert f"url: '{mount}/openapi.json'" in docs["body"].replace('"', "'")
    assert json.loads(handler(ask("/item/x"))["body"]) == {"name": "x"}


# Django's settings are one to a process, so it has one of its own.
DJANGO = """
import json, sys
import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from slsadapt import wrap

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
)
django.setup()

def item(request, name):
    return HttpResponse(request.build_absolute_uri(reverse("item", args=[name])))

urlpatterns = [
    path("item/<name>/", item, name="item"),
    path("go/", lambda request: redirect("item", "x")),
]

for app in (WSGIHandler(), ASGIHandler()):
    handler = wrap(app)
    for event in json.load(open(sys.argv[1])):
        result = handler(event)
        headers = {name.lower(): value for name, value in result["headers"].items()}
        print(json.dumps([result["statusCode"], headers.get("location", result["body"])]))
    handler.pre_stop()
"""


def test_django_reverse_and_redirects_work_from_outside(tmp_path: Any) -> None:
    asked: list[dict[str, Any]] = []
    expected: list[Any] = []
    for link in LINKS:
        ask, outside = link.values
        assert callable(ask)
        mount = "/" + str(outside).split("/", 3)[3] if str(outside).count("/") > 2 else ""
        asked += [ask("/item/x/"), ask("/go/"), ask("/item/x")]
        expected += [
            [200, f"{outside}/item/x/"],
            [302, f"{mount}/item/x/"],
            [301, f"{mount}/item/x/"],
        ]
    events = tmp_path / "events.json"
    events.write_text(json.dumps(asked))
    child = subprocess.run(
        [sys.executable, "-Werror", "-c", DJANGO, str(events)], capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr
    found = [json.loads(line) for line in child.stdout.splitlines()]
    # The query of the redirect that appends a slash is the events' own.
    found = [[status, text.partition("?")[0]] for status, text in found]
    assert found == expected * 2
