"""Put a gateway and its function between a test client and an application.

>>> from slsadapt.testing import through
>>> client = werkzeug.test.Client(through(app, "aws_http"))
>>> client = starlette.testclient.TestClient(through(app, "tencent_apigw"))

Each request goes through its event, the function and the result. What only a test tool puts into
an environ or a scope for itself, as werkzeug's ``preserve_context`` or Starlette's debug
extension, is handed over beside the event: it is no part of the request.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes
from uuid import uuid4

from werkzeug.http import HTTP_STATUS_CODES

from ..engines import detect_interface
from ..engines.asgi import AsgiEngine
from ..engines.wsgi import WsgiEngine
from ..errors import LifespanError, NotCarriedError, OptionError
from ..gateways import OBJECT_NAMES
from ..message import Request
from ..percent import encode_stray
from .gateway import STREAMED, Gateway, is_function

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping
    from typing import Literal

    from ..gateways import Dialect
    from ..message import Pairs
    from .gateway import Delivery

    Environ = dict[str, Any]
    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

__all__ = [
    "AsgiThrough",
    "WsgiThrough",
    "arrive_asgi",
    "arrive_wsgi",
    "is_inside",
    "request_of_environ",
    "request_of_scope",
    "respond",
    "through",
]

# Of RFC 3986's path characters, what urllib would escape.
_PATH_SAFE = "/!$&'()*+,;=:@~"
# What CGI and servers tell of a request, all of which its Request has or a gateway tells anew.
_CARRIED_KEYS = {
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "GATEWAY_INTERFACE",
    "PATH_INFO",
    "QUERY_STRING",
    "RAW_URI",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REMOTE_USER",
    "REQUEST_METHOD",
    "REQUEST_URI",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
}
_OF_TOOLS = "werkzeug."
_DEBUG = "http.response.debug"
_ANSWERS = ("http.response.start", "http.response.body")
# What a test tool wants of the application's own environ or scope.
_TOOLS: ContextVar[dict[str, Any]] = ContextVar("slsadapt_testing_tools")


def through(
    target: Any,
    dialect: str = "aws_http",
    *,
    interface: Literal["auto", "wsgi", "asgi"] = "auto",
    **options: Any,
) -> Any:
    """Make an application of what a cloud makes of one.

    Args:
        target: an application, or a function of (event, context).
        dialect: whose gateway is in between.
        interface: of what is returned: ``"auto"`` is the application's own, WSGI for functions.
        options: of ``Gateway``, and those of ``wrap`` for an application. What the application
            raises goes through to the client, unless ``on_error="respond"``.

    Raises:
        InterfaceError: ``target`` is neither.
        OptionError: there is no such dialect, or a wrong option.
    """
    if interface not in ("auto", "wsgi", "asgi"):
        raise OptionError(f"interface must be one of auto, wsgi, asgi; got {interface!r}")
    if interface == "auto":
        own = "wsgi" if is_function(target) else detect_interface(target)
        interface = "wsgi" if own == "wsgi" else "asgi"
    made = WsgiThrough if interface == "wsgi" else AsgiThrough
    return made(target, dialect, **options)


class WsgiThrough:
    """A WSGI application that sends its requests through a gateway; see ``through``."""

    def __init__(self, target: Any, dialect: str = "aws_http", **options: Any) -> None:
        if not is_function(target):
            options.setdefault("on_error", "raise")
            target = partial(_run_wsgi, target) if _is_wsgi(target) else target
        self.gateway = Gateway(target, dialect, **options)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer as the client would see it.

        Raises:
            NotCarriedError: no gateway carries such a request.
        """
        request = request_of_environ(environ)
        token = _TOOLS.set({key: environ[key] for key in environ if _is_of_tool(key)})
        try:
            return respond(self.gateway.deliver(request), start_response)
        finally:
            _TOOLS.reset(token)


class AsgiThrough:
    """An ASGI application that sends its requests through a gateway; see ``through``.

    Start-up and shutdown run with the lifespan of the client or server around, on the loop that
    also runs the requests; without one they do not run, unless ``lifespan=`` says so.

    Attributes:
        streams: how often the application answered in parts, which clients get as one, or has
            begun an answer that it has not ended.
    """

    streams = 0

    def __init__(self, target: Any, dialect: str = "aws_http", **options: Any) -> None:
        self._started: dict[str, Any] | None = None
        self._failure: BaseException | None = None
        if not is_function(target):
            options.setdefault("on_error", "raise")
            if not _is_wsgi(target):
                options.setdefault("lifespan", "off")
                # Whatever is given, what is run takes (scope, receive, send).
                if detect_interface(target) == "asgi2":
                    from asgiref.compatibility import double_to_single_callable

                    target = double_to_single_callable(target)  # type: ignore[no-untyped-call]
                target = partial(self._run_asgi, target)
                options["interface"] = "asgi"
        self._raises = options.get("on_error") == "raise"
        self._make = partial(Gateway, target, dialect, **options)
        self._takes_lifespan = "lifespan" in options
        self.gateway = self._make()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the client would see it.

        Raises:
            NotCarriedError: no gateway carries such a request.
        """
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        request = request_of_scope(scope, await _body(receive) if scope["type"] == "http" else b"")
        debug: list[Message] = []
        tools: dict[str, Any] = {"debug": debug, "state": scope.get("state")}
        if _DEBUG in (scope.get("extensions") or {}):
            tools["extensions"] = {_DEBUG: {}}
        token = _TOOLS.set(tools)
        try:
            delivery: Delivery = await _in_thread(self.gateway.deliver, request)
        finally:
            _TOOLS.reset(token)
            for message in debug:
                await send(message)
        response = delivery.response
        assert response is not None, "a request is always answered"
        headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})
        # It answered, and raised afterwards, as Starlette's ServerErrorMiddleware does.
        if (error := tools.get("error")) is not None:
            raise error

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start the function up and stop it as its surroundings say."""
        await receive()
        if self._takes_lifespan:
            self.gateway = await _in_thread(partial(self._make, lifespan="on"))
        try:
            await _in_thread(getattr(self.gateway.function, "initialize", bool))
        except LifespanError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise (self._failure or error.__cause__ or error) from None
        if self._started is not None and "state" in scope:
            scope["state"].update(self._started)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._failure = None
        try:
            await _in_thread(self.gateway.close)
        except LifespanError as error:
            await send({"type": "lifespan.shutdown.failed", "message": str(error)})
            raise (self._failure or error.__cause__ or error) from None
        finally:
            self.gateway = await _in_thread(self._make)
        await send({"type": "lifespan.shutdown.complete"})

    async def _run_asgi(self, app: Any, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application where the function's engine does, with the tools' own things."""
        if scope["type"] == "lifespan":
            self._started = scope.get("state")
            try:
                await app(scope, receive, send)
            except BaseException as error:
                self._failure = error
                raise
            return
        tools = _TOOLS.get()
        tools["parts"] = 0
        if tools.get("state") is not None:
            scope.setdefault("state", tools["state"])
        if "extensions" in tools:
            scope["extensions"] = {**scope.get("extensions", {}), **tools["extensions"]}

        async def send_or_keep(message: Message) -> None:
            kind = message["type"]
            if kind == _DEBUG:
                tools["debug"].append(message)
                return
            if message.get("trailers") or kind not in _ANSWERS:
                what = "trailers" if "trailers" in (*message, kind.rpartition(".")[2]) else kind
                raise NotCarriedError(f"no gateway takes {what} of a function")
            if kind == "http.response.start":
                self.streams += 1
                tools["parts"] = 1
            elif message.get("more_body"):
                tools["parts"] += 1
            elif tools["parts"] == 1:
                self.streams -= 1
            await send(message)

        try:
            await app(scope, receive, send_or_keep)
        except Exception as error:
            if self._raises:
                tools["error"] = error
            raise


def respond(delivery: Delivery, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a WSGI client or server with what the gateway answers."""
    response = delivery.response
    assert response is not None, "a request is always answered"
    # Gateways write the reasons they know.
    reason = HTTP_STATUS_CODES.get(response.status, "Unknown").upper()
    start_response(f"{response.status} {reason}", [*response.headers])
    return [response.body] if response.body else []


def request_of_environ(environ: Environ, more_headers: Pairs = (), stage: str = "") -> Request:
    """Read the request that a WSGI client or server means, and give it an ID.

    Args:
        environ: the client's or server's.
        more_headers: beside those that the environ has.
        stage: of the gateway, which no environ has.

    Raises:
        NotCarriedError: HTTP/1.0, or variables that no request has.
    """
    _check_version(environ.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/"))
    if foreign := sorted(
        key
        for key in environ
        if key not in _CARRIED_KEYS and not key.startswith(("HTTP_", "wsgi.", _OF_TOOLS))
    ):
        raise NotCarriedError(f"no request carries the environ's {', '.join(foreign)}")
    body = _read(environ)
    headers = [
        (key[5:].replace("_", "-").lower(), value)
        for key, value in environ.items()
        # Django's client always has a Cookie, which is empty where it has none.
        if key.startswith("HTTP_") and (value or key != "HTTP_COOKIE")
    ]
    headers += [
        (key.replace("_", "-").lower(), environ[key])
        for key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        if environ.get(key)
    ]
    headers += more_headers
    root_path = environ.get("SCRIPT_NAME", "").rstrip("/")
    address = environ.get("REMOTE_ADDR")
    return Request(
        environ["REQUEST_METHOD"],
        _path_of(environ),
        encode_stray(environ.get("QUERY_STRING", "").encode("latin-1").decode("utf-8", "replace")),
        headers,
        body,
        environ.get("wsgi.url_scheme", "https"),
        (address, int(environ.get("REMOTE_PORT") or 0)) if address else None,
        (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
        root_path.encode("latin-1").decode("utf-8", "replace"),
        stage,
        str(uuid4()),
        environ.get("REMOTE_USER"),
    )


def _read(environ: Environ) -> bytes:
    """Read the body, and leave it for a client that sends it again when it is redirected."""
    length = environ.get("CONTENT_LENGTH") or ""
    if not length and not environ.get("wsgi.input_terminated"):
        return b""
    stream = environ["wsgi.input"]
    start = stream.tell() if hasattr(stream, "seek") and stream.seekable() else None
    body: bytes = stream.read(int(length)) if length else stream.read()
    if start is not None:
        stream.seek(start)
    return body


def request_of_scope(scope: Scope, body: bytes) -> Request:
    """Read the request that an ASGI client or server means, and give it an ID.

    Raises:
        NotCarriedError: HTTP/1.0, or a WebSocket connection.
    """
    if scope["type"] != "http":
        raise NotCarriedError(f"no event of HTTP carries a connection of type {scope['type']!r}")
    _check_version(scope.get("http_version", "1.1"))
    path: str = scope["path"]
    encoded = (scope.get("raw_path") or b"").decode("latin-1")
    encoded = encode_stray(encoded) if encoded else quote(path, safe=_PATH_SAFE)
    root_path: str = scope.get("root_path", "").rstrip("/")
    mount = quote(root_path, safe=_PATH_SAFE)
    # Servers put what is in front of the application into the path as well, some clients don't.
    if encoded.startswith(f"{mount}/"):
        encoded = encoded[len(mount) :]
    scheme = scope.get("scheme", "http")
    host, port = scope.get("server") or ("localhost", None)
    return Request(
        scope["method"],
        encoded,
        encode_stray(scope.get("query_string", b"").decode("utf-8", "replace")),
        [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        body,
        scheme,
        tuple(scope["client"]) if scope.get("client") else None,
        (host, port or (443 if scheme == "https" else 80)),
        root_path,
        request_id=str(uuid4()),
    )


def arrive_wsgi(app: Any, dialect: Dialect) -> Callable[..., Iterable[bytes]]:
    """Make a WSGI application that sees requests as they arrive, and answers directly."""
    prepare: Any = WsgiEngine(app).prepare

    def call(environ: Environ, start_response: Any) -> Iterable[bytes]:
        arrived: Environ = _arrived(request_of_environ(environ), dialect, prepare).environ
        tools = {key: environ[key] for key in environ if _is_of_tool(key)}
        answer: Iterable[bytes] = app({**arrived, **tools}, start_response)
        return answer

    return call


def arrive_asgi(app: Any, dialect: Dialect) -> Any:
    """Make an ASGI application that sees requests as they arrive, and answers directly."""
    prepare: Any = AsgiEngine(app, "off", 0).prepare

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            body = await _body(receive)
            arrived = _arrived(request_of_scope(scope, body), dialect, prepare)
            messages = [{"type": "http.request", "body": arrived.body, "more_body": False}]
            own = {key: scope[key] for key in scope if key in ("state", "extensions")}
            scope = {**arrived.environ, **own}

            async def receive_again() -> Message:
                return messages.pop() if messages else await receive()

            await app(scope, receive_again, send)
        else:
            await app(scope, receive, send)

    return call


def _arrived(request: Request, dialect: Dialect, prepare: Any) -> Any:
    event = dialect.encode_event(request)
    if dialect.__name__.rpartition(".")[2] not in OBJECT_NAMES:
        event = json.loads(json.dumps(event))
    return dialect.decode_into(event, prepare)


def _run_wsgi(app: Any, environ: Environ, start_response: Any) -> Any:
    """Run the application with the tools' own things in its environ."""
    environ.update(_TOOLS.get({}))
    return app(environ, start_response)


def _is_wsgi(app: Any) -> bool:
    return detect_interface(app) == "wsgi"


def _is_of_tool(key: str) -> bool:
    return key.startswith(_OF_TOOLS) or key == "wsgi.errors"


def _path_of(environ: Environ) -> str:
    """Write the path below the mount as the client did, where the environ tells that."""
    path: str = environ.get("PATH_INFO", "")
    given = (environ.get("REQUEST_URI") or environ.get("RAW_URI") or "").partition("?")[0]
    if given != path or "%" in path or not path.isascii():
        octets = path.encode("latin-1")
        path = encode_stray(given.encode("latin-1").decode("utf-8", "replace"))
        # Some have a host in front, or the mount; an environ may be changed since it was made.
        if not path.startswith("/") or unquote_to_bytes(path) != octets:
            path = quote(octets, safe=_PATH_SAFE)
    path = encode_stray(path)
    return path if path.startswith("/") else f"/{path}"


def _check_version(version: str) -> None:
    if version in ("0.9", "1.0"):
        raise NotCarriedError(f"no gateway passes HTTP/{version} on: functions see 1.1 or later")


def is_inside() -> bool:
    """Tell whether this runs in an application that is served through a gateway."""
    return _TOOLS.get(None) is not None


async def _body(receive: Receive) -> bytes:
    """Collect a body that came at once; an empty end may follow."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        chunk: bytes = message.get("body", b"")
        if body and chunk:
            raise NotCarriedError(STREAMED)
        body += chunk
        if not message.get("more_body"):
            return body


async def _in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call what blocks beside the running loop, asyncio's or Trio's."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if "trio" not in sys.modules:
            raise
        import anyio.to_thread

        return await anyio.to_thread.run_sync(partial(function, *arguments))
    return await asyncio.to_thread(function, *arguments)
