"""Which interface an application speaks, by its signature alone."""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import bottle  # type: ignore[import-untyped]
import falcon
import falcon.asgi
import fastapi
import flask
import pytest
import quart
import starlette.applications
from asgiref.compatibility import double_to_single_callable
from asgiref.wsgi import WsgiToAsgi
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from slsadapt import InterfaceError, OptionError, wrap
from slsadapt.engines import detect_interface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Event = Callable[[str], dict[str, Any]]


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"wsgi"]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi"})


def asgi2(scope: Any) -> Any:
    return functools.partial(asgi, scope)


def wsgi_with_options(environ: Any, start_response: Any, debug: bool = False, *, x: int = 1) -> Any:
    return wsgi(environ, start_response)


async def asgi_with_options(scope: Any, receive: Any, send: Any, debug: bool = False) -> None:
    await asgi(scope, receive, send)


def configured_wsgi(settings: Any, environ: Any, start_response: Any) -> Any:
    return wsgi(environ, start_response)


async def configured_asgi(settings: Any, scope: Any, receive: Any, send: Any) -> None:
    await asgi(scope, receive, send)


async def variadic_asgi(*args: Any) -> None:
    await asgi(*args)


def sync_decorated(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def async_decorated(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


def injecting(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(environ: Any, start_response: Any) -> Any:
        return function({}, environ, start_response)

    return wrapper


def injecting_method(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(self: Any, environ: Any, start_response: Any) -> Any:
        return function(self, {}, environ, start_response)

    return wrapper


class Wsgi:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return wsgi(environ, start_response)

    def bound(self, environ: Any, start_response: Any) -> list[bytes]:
        return wsgi(environ, start_response)

    @staticmethod
    def static(environ: Any, start_response: Any) -> list[bytes]:
        return wsgi(environ, start_response)

    @classmethod
    def of_class(cls, environ: Any, start_response: Any) -> list[bytes]:
        return wsgi(environ, start_response)


class Asgi:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asgi(scope, receive, send)

    async def bound(self, scope: Any, receive: Any, send: Any) -> None:
        await asgi(scope, receive, send)


class VariadicAsgi:
    async def __call__(self, *args: Any) -> None:
        await asgi(*args)

    async def bound(self, *args: Any) -> None:
        await asgi(*args)


class StaticWsgi:
    @staticmethod
    def __call__(environ: Any, start_response: Any) -> list[bytes]:
        return wsgi(environ, start_response)


class StaticAsgi:
    @staticmethod
    async def __call__(scope: Any, receive: Any, send: Any) -> None:
        await asgi(scope, receive, send)


class DecoratedWsgi:
    @sync_decorated
    def __call__(self, environ: Any, start_response: Any) -> Any:
        return wsgi(environ, start_response)


class DecoratedAsgi:
    @async_decorated
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asgi(scope, receive, send)


class InjectingWsgi:
    @injecting_method
    def __call__(self, settings: Any, environ: Any, start_response: Any) -> Any:
        return wsgi(environ, start_response)


class LazyWsgi:
    """The class of PEP 3333: its instance is the response."""

    def __init__(self, environ: Any, start_response: Any) -> None:
        self.environ = environ
        self.start_response = start_response

    def __iter__(self) -> Iterator[bytes]:
        self.start_response("200 OK", [])
        yield b"wsgi"


class Asgi2:
    """The class of ASGI 2: its instance is one connection."""

    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await asgi(self.scope, receive, send)


class Inherited(Wsgi):
    pass


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(wsgi, id="function"),
        pytest.param(lambda environ, start_response: [], id="lambda"),
        pytest.param(wsgi_with_options, id="function with options"),
        pytest.param(Wsgi(), id="instance"),
        pytest.param(Inherited(), id="instance of a subclass"),
        pytest.param(StaticWsgi(), id="instance with a static __call__"),
        pytest.param(DecoratedWsgi(), id="instance with a decorated __call__"),
        pytest.param(Wsgi().bound, id="bound method"),
        pytest.param(Wsgi.static, id="static method"),
        pytest.param(Wsgi.of_class, id="class method"),
        pytest.param(LazyWsgi, id="class"),
        pytest.param(sync_decorated(wsgi), id="decorated"),
        pytest.param(sync_decorated(sync_decorated(wsgi)), id="decorated twice"),
        pytest.param(sync_decorated(Wsgi()), id="decorated instance"),
        pytest.param(injecting(configured_wsgi), id="decorator that gives an argument"),
        pytest.param(InjectingWsgi(), id="decorator of __call__ that gives an argument"),
        pytest.param(functools.partial(wsgi), id="partial"),
        pytest.param(functools.partial(wsgi_with_options), id="partial with options"),
        pytest.param(functools.partial(configured_wsgi, {}), id="partial with an argument"),
        pytest.param(functools.partial(wsgi_with_options, debug=True), id="partial with a keyword"),
        pytest.param(functools.partial(Wsgi()), id="partial of an instance"),
        pytest.param(functools.partial(sync_decorated(wsgi)), id="partial of a decorated one"),
        pytest.param(flask.Flask(__name__), id="Flask"),
        pytest.param(flask.Flask(__name__).wsgi_app, id="Flask.wsgi_app"),
        pytest.param(bottle.Bottle(), id="Bottle"),
        pytest.param(falcon.App(), id="Falcon"),
        pytest.param(ProxyFix(wsgi), id="ProxyFix"),
        pytest.param(DispatcherMiddleware(wsgi, {"/a": wsgi}), id="DispatcherMiddleware"),
    ],
)
def test_wsgi_is_told(app: object) -> None:
    assert detect_interface(app) == "wsgi"


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(asgi, id="coroutine function"),
        pytest.param(asgi_with_options, id="coroutine function with options"),
        pytest.param(lambda scope, receive, send: asgi(scope, receive, send), id="lambda"),
        pytest.param(variadic_asgi, id="variadic coroutine function"),
        pytest.param(Asgi(), id="instance"),
        pytest.param(VariadicAsgi(), id="instance with a variadic __call__"),
        pytest.param(StaticAsgi(), id="instance with a static __call__"),
        pytest.param(DecoratedAsgi(), id="instance with a decorated __call__"),
        pytest.param(Asgi().bound, id="bound method"),
        pytest.param(VariadicAsgi().bound, id="variadic bound method"),
        pytest.param(async_decorated(asgi), id="decorated"),
        pytest.param(sync_decorated(asgi), id="decorated by a plain function"),
        pytest.param(async_decorated(variadic_asgi), id="decorated variadic"),
        pytest.param(functools.partial(asgi), id="partial"),
        pytest.param(functools.partial(configured_asgi, {}), id="partial with an argument"),
        pytest.param(functools.partial(asgi_with_options, debug=True), id="partial, keyword"),
        pytest.param(functools.partial(variadic_asgi), id="partial of a variadic one"),
        pytest.param(functools.partial(Asgi()), id="partial of an instance"),
        pytest.param(starlette.applications.Starlette(), id="Starlette"),
        pytest.param(fastapi.FastAPI(), id="FastAPI"),
        pytest.param(quart.Quart(__name__), id="Quart"),
        pytest.param(falcon.asgi.App(), id="Falcon"),
        pytest.param(GZipMiddleware(asgi), id="GZipMiddleware"),
        pytest.param(CORSMiddleware(asgi), id="CORSMiddleware"),
        pytest.param(WsgiToAsgi(wsgi), id="WsgiToAsgi"),  # type: ignore[no-untyped-call]
        pytest.param(double_to_single_callable(Asgi2), id="asgiref"),  # type: ignore[no-untyped-call]
    ],
)
def test_asgi_is_told(app: object) -> None:
    assert detect_interface(app) == "asgi"


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(Asgi2, id="class"),
        pytest.param(asgi2, id="function"),
        pytest.param(lambda scope: asgi2(scope), id="lambda"),
        pytest.param(sync_decorated(asgi2), id="decorated"),
        pytest.param(functools.partial(asgi2), id="partial"),
    ],
)
def test_asgi_2_is_told(app: object) -> None:
    assert detect_interface(app) == "asgi2"


# In a process of its own, for Django's settings are the process's.
DJANGO = """
from django.conf import settings

settings.configure()

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

from slsadapt.engines import detect_interface

print(detect_interface(get_wsgi_application()), detect_interface(get_asgi_application()))
"""


def test_django_is_told() -> None:
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", DJANGO], capture_output=True, text=True
    )
    assert process.stdout.split() == ["wsgi", "asgi"], process.stderr


class VariadicWsgi:
    def __call__(self, *args: Any) -> list[bytes]:
        return wsgi(*args)


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(lambda *args: wsgi(*args), id="variadic function"),
        pytest.param(VariadicWsgi(), id="variadic instance"),
        pytest.param(functools.partial(lambda *args: wsgi(*args)), id="variadic partial"),
        pytest.param(lambda: None, id="no parameters"),
        pytest.param(configured_asgi, id="four parameters"),
        pytest.param(dict, id="builtin class"),
    ],
)
def test_signature_that_does_not_tell_is_refused(app: object) -> None:
    with pytest.raises(InterfaceError, match="interface='wsgi' or 'asgi'"):
        wrap(app)


@pytest.mark.parametrize("app", [None, 7, b"shop:app", {"app": wsgi}, object()])
def test_what_is_not_callable_is_refused(app: object) -> None:
    with pytest.raises(InterfaceError, match=rf"application.*'.+:.+', got {type(app).__name__}"):
        wrap(app)


def test_refusal_names_the_function() -> None:
    def shop(*args: Any) -> None:
        pass

    with pytest.raises(InterfaceError, match="function 'shop'"):
        detect_interface(shop)


@pytest.mark.parametrize(
    ("app", "interface", "body"),
    [
        pytest.param(lambda *args: wsgi(*args), "wsgi", "wsgi", id="variadic as wsgi"),
        pytest.param(lambda *args: asgi(*args), "asgi", "asgi", id="variadic as asgi"),
        pytest.param(
            lambda environ, start_response, unused=None: wsgi(environ, start_response),
            "wsgi",
            "wsgi",
            id="same as detected",
        ),
        pytest.param(
            lambda scope, receive, *send: asgi(scope, receive, *send), "asgi", "asgi", id="odd one"
        ),
    ],
)
def test_forced_interface_wins(app: Any, interface: Any, body: str, event: Event) -> None:
    handler = wrap(app, interface=interface, on_error="raise")
    assert handler(event("aws_http/br_simple"))["body"] == body


@pytest.mark.parametrize(
    ("app", "body"),
    [(wsgi, "wsgi"), (asgi, "asgi"), (asgi2, "asgi"), (Asgi2, "asgi"), (LazyWsgi, "wsgi")],
)
def test_detected_interface_serves(app: Any, body: str, event: Event) -> None:
    assert wrap(app, on_error="raise")(event("aws_http/br_simple"))["body"] == body


# Import strings


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Put a package with an application on the path."""
    name = "slsadapt_test_shop"
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "web.py").write_text(
        textwrap.dedent(
            """
            class Factory:
                def app(self, environ, start_response):
                    start_response("200 OK", [("Content-Type", "text/plain")])
                    return [b"imported"]

            factory = Factory()
            app = factory.app
            number = 7
            """
        )
    )
    (package / "broken.py").write_text("import slsadapt_test_no_such_module")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    for module in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[module]


@pytest.mark.parametrize("path", ["app", "factory.app"])
def test_import_string_is_imported_at_once(shop: str, path: str, event: Event) -> None:
    handler = wrap(f"{shop}.web:{path}")
    assert f"{shop}.web" in sys.modules
    assert handler(event("aws_http/br_simple"))["body"] == "imported"


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        pytest.param("shop.nothing:app", ImportError, "nothing", id="missing module"),
        pytest.param("slsadapt_test_nothing:app", ImportError, "nothing", id="missing package"),
        pytest.param("shop.broken:app", ImportError, "no_such_module", id="module that fails"),
        pytest.param("shop.web:nothing", InterfaceError, "web.*nothing", id="missing attribute"),
        pytest.param("shop.web:factory.nothing", InterfaceError, "nothing", id="nested missing"),
        pytest.param("shop.web:number", InterfaceError, "got int", id="no application"),
        pytest.param("shop.web", OptionError, "module:attribute", id="no colon"),
        pytest.param("shop.web:", OptionError, "module:attribute", id="no attribute"),
        pytest.param(":app", OptionError, "module:attribute", id="no module"),
        pytest.param(".web:app", OptionError, "module:attribute", id="relative module"),
        pytest.param("", OptionError, "module:attribute", id="empty"),
    ],
)
def test_wrong_import_string_says_what_is_wrong(
    shop: str, target: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        wrap(target.replace("shop", shop, 1) if target.startswith("shop") else target)


def test_application_is_imported_once(shop: str) -> None:
    wrap(f"{shop}.web:app")
    first = sys.modules[f"{shop}.web"]
    wrap(f"{shop}.web:factory.app")
    assert sys.modules[f"{shop}.web"] is first
