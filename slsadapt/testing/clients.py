"""Send what the frameworks' own test clients send through a gateway, without their knowing.

While a ``Passage`` is the current one, these go through its gateway: werkzeug's and Flask's
``Client``, Django's ``Client``, Starlette's and FastAPI's ``TestClient``, and httpx's, also its
successor's, ``WSGITransport`` and ``ASGITransport``.
"""

from __future__ import annotations

import sys
import warnings
from copy import copy
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .. import gateways
from ..errors import NotCarriedError
from ..middleware.request_id import RequestIDs
from .gateway import Gateway
from .roundtrip import AsgiThrough, WsgiThrough, arrive_asgi, arrive_wsgi, is_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Self

    from .gateway import Delivery

__all__ = ["Passage", "install"]


class Passage:
    """One run of one test through one gateway; current inside of ``with``.

    Args:
        dialect: whose gateway.
        half: whether applications answer directly what arrives, without function and result.
        as_sent: whether clients get answers as the applications sent them.

    Attributes:
        deliveries: what was sent, in order.
        asked: what ``gateway_client`` sent, which goes through a gateway without a passage too.
        refused: why a request could not be sent, None where all could.
    """

    current: Passage | None = None

    def __init__(self, dialect: str, *, half: bool = False, as_sent: bool = False) -> None:
        self.dialect = dialect
        self._half = half
        self._as_sent = as_sent
        self.deliveries: list[Delivery] = []
        self.asked: list[Delivery] = []
        self.refused: str | None = None
        self._made: dict[int, tuple[Any, WsgiThrough | AsgiThrough]] = {}
        # How often applications that live longer had answered in parts before.
        self._streams: dict[AsgiThrough, int] = {}

    def __enter__(self) -> Self:
        """Send what clients send from now on through the gateway."""
        Passage.current = self
        self._streams = {each: each.streams for each in _living.values()}
        return self

    def __exit__(self, *exception: object) -> None:
        """Send it to applications directly again."""
        Passage.current = None
        for _, made in self._made.values():
            made.gateway.close()

    def wsgi(self, app: Any) -> Callable[..., Iterable[bytes]]:
        """Put the gateway in front of a WSGI application."""
        if self._half:
            return arrive_wsgi(app, gateways.load(self.dialect))
        made = self._through(app, WsgiThrough)

        def call(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            try:
                answer: Iterable[bytes] = made(environ, start_response)
            except NotCarriedError as error:
                self.refused = str(error)
                raise
            return answer

        return call

    def asgi(self, app: Any) -> Any:
        """Put the gateway in front of an ASGI application."""
        if self._half:
            return arrive_asgi(app, gateways.load(self.dialect))
        made = _living.get(id(app)) or self._through(app, AsgiThrough)
        if made.gateway.name != self.dialect:
            # Started by a client that lives longer than one test.
            made.gateway = Gateway(made.gateway.function, self.dialect, told=self._told)

        async def call(scope: Any, receive: Any, send: Any) -> None:
            try:
                await made(scope, receive, send)
            except NotCarriedError as error:
                self.refused = str(error)
                raise

        return call

    def start(self, app: Any) -> AsgiThrough:
        """Put the gateway in front of an ASGI application that lives on after this test."""
        made = _living[id(app)] = AsgiThrough(app, self.dialect, **self._options())
        return made

    @property
    def lives(self) -> bool:
        """Tell whether start-up and shutdown go where the requests go."""
        return not self._half

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing was sent, nor was to be."""
        return not self.deliveries and not self.asked and self.refused is None

    @property
    def streamed(self) -> bool:
        """Tell whether an application answered in parts, which the client got as one."""
        made = [each for _, each in self._made.values()] + [*_living.values()]
        return any(
            isinstance(each, AsgiThrough) and each.streams > self._streams.get(each, 0)
            for each in made
        )

    def _through(self, app: Any, make: type[Any]) -> Any:
        kept = self._made.get(id(app))
        if kept is None:
            # With the application, so that its id stays its own.
            kept = self._made[id(app)] = app, make(app, self.dialect, **self._options())
        return kept[1]

    def _options(self) -> dict[str, Any]:
        # Suites compare all headers of an answer, and know nothing of ours.
        return {"told": self._told, "request_id": RequestIDs(header=None)}

    @staticmethod
    def _told(delivery: Delivery) -> None:
        passage = Passage.current
        if passage is not None:
            passage.deliveries.append(delivery)
            if passage._as_sent and delivery.response is not None:
                delivery.response = delivery.timing.response or delivery.response


# Applications whose lifespan a client runs, by their id.
_living: dict[int, AsgiThrough] = {}


def install() -> None:
    """Teach the test clients of the frameworks that are installed here to ask for a passage."""
    for module, teach in (
        ("werkzeug.test", _teach_werkzeug),
        ("django.test.client", _teach_django),
        ("starlette.testclient", _teach_starlette),
        ("httpx", _teach_httpx),
        ("httpx2", _teach_httpx),
    ):
        if module in sys.modules or _is_installed(module):
            with warnings.catch_warnings():
                # Whether the suite's own imports warn is the suite's affair.
                warnings.simplefilter("ignore")
                imported = import_module(module)
            teach(imported)


def _is_installed(module: str) -> bool:
    package = module.partition(".")[0]
    # Starlette's client needs httpx, or its successor, which its users may have left out.
    needs = ("httpx", "httpx2") if package == "starlette" else (package,)
    return find_spec(package) is not None and any(find_spec(each) for each in needs)


def _replace(owner: Any, name: str) -> Callable[[Callable[..., Any]], None]:
    """Put a function in the place of a method, which it gets first; once."""

    def decorate(function: Callable[..., Any]) -> None:
        original = getattr(owner, name)
        if hasattr(original, "slsadapt_original"):
            return

        @wraps(original)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            # What an application asks of another one, or of itself, has no gateway in between.
            if Passage.current is None or is_inside():
                return original(self, *args, **kwargs)
            return function(original, Passage.current, self, *args, **kwargs)

        method.slsadapt_original = original  # type: ignore[attr-defined]
        setattr(owner, name, method)

    return decorate


def _with_app(client: Any, name: str, app: Any) -> Any:
    """Give a client that asks another application, and shares everything else."""
    other = copy(client)
    setattr(other, name, app)
    return other


def _teach_werkzeug(module: Any) -> None:
    @_replace(module.Client, "run_wsgi_app")
    def run_wsgi_app(original: Any, passage: Passage, client: Any, *args: Any, **kw: Any) -> Any:
        app = client.application
        # GatewayClient goes through its own gateway.
        if not getattr(app, "__module__", "").startswith("slsadapt.testing"):
            client = _with_app(client, "application", passage.wsgi(app))
        return original(client, *args, **kw)


def _teach_httpx(module: Any) -> None:
    @_replace(module.WSGITransport, "handle_request")
    def handle_request(original: Any, passage: Passage, transport: Any, request: Any) -> Any:
        return original(_with_app(transport, "app", passage.wsgi(transport.app)), request)

    @_replace(module.ASGITransport, "handle_async_request")
    def handle_async_request(original: Any, passage: Passage, transport: Any, request: Any) -> Any:
        return original(_with_app(transport, "app", passage.asgi(transport.app)), request)


def _teach_starlette(module: Any) -> None:
    @_replace(module._TestClientTransport, "handle_request")
    def handle_request(original: Any, passage: Passage, transport: Any, request: Any) -> Any:
        return original(_with_app(transport, "app", passage.asgi(transport.app)), request)

    @_replace(module.TestClient, "__enter__")
    def enter(original: Any, passage: Passage, client: Any) -> Any:
        app = client.app
        client.app = passage.start(app) if passage.lives else app
        try:
            return original(client)
        except BaseException:
            _living.pop(id(app), None)
            raise
        finally:
            client.app = app

    leave = module.TestClient.__exit__

    @wraps(leave)
    def exit_(client: Any, *exception: Any) -> Any:
        try:
            return leave(client, *exception)
        finally:
            _living.pop(id(client.app), None)

    if not hasattr(leave, "slsadapt_original"):
        exit_.slsadapt_original = leave  # type: ignore[attr-defined]
        module.TestClient.__exit__ = exit_


def _teach_django(module: Any) -> None:
    @_replace(module.ClientHandler, "__call__")
    def call(original: Any, passage: Passage, handler: Any, environ: dict[str, Any]) -> Any:
        answers: list[Any] = []

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            answers.append(original(handler, environ))
            own = answers[-1]
            start_response(f"{own.status_code} {own.reason_phrase}", _django_headers(own))
            # Without close(), which the handler has seen to.
            parts: Iterable[bytes] = iter(own)
            return parts

        arrived: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            arrived.update(status=int(status[:3]), headers=headers)

        body = b"".join(passage.wsgi(app)(environ, start_response))
        return _django_answer(answers[-1], arrived["status"], arrived["headers"], body)

    @_replace(module.AsyncClientHandler, "__call__")
    def call_async(original: Any, passage: Passage, handler: Any, scope: dict[str, Any]) -> Any:
        passage.refused = "Django's AsyncClient shares its thread's database with the application"
        raise NotCarriedError(passage.refused)


def _django_headers(answer: Any) -> list[tuple[str, str]]:
    cookies = [("Set-Cookie", each.OutputString()) for each in answer.cookies.values()]
    return [*answer.items(), *cookies]


def _django_answer(answer: Any, status: int, headers: list[tuple[str, str]], body: bytes) -> Any:
    """Make the answer that Django's client looks into what came through the gateway."""
    from http.cookies import SimpleCookie

    if answer.status_code != status:
        answer.status_code = status
    cookies = [value for name, value in headers if name.lower() == "set-cookie"]
    if cookies != [each.OutputString() for each in answer.cookies.values()]:
        answer.cookies = SimpleCookie()
        for each in cookies:
            answer.cookies.load(each)
    joined: dict[str, str] = {}
    for name, value in headers:
        if name.lower() != "set-cookie":
            joined[name.lower()] = (
                f"{joined[name.lower()]}, {value}" if name.lower() in joined else value
            )
    own = {name.lower(): value for name, value in answer.items()}
    for name in own.keys() - joined.keys():
        del answer[name]
    for name, value in joined.items():
        if own.get(name) != value:
            answer[name] = value
    if answer.streaming:
        answer.streaming_content = iter([body])
    elif answer.content != body:
        answer.content = body
    return answer
