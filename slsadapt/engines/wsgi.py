"""Run a WSGI application, PEP 3333 to the letter.

Source: https://peps.python.org/pep-3333/
"""

from __future__ import annotations

import sys
from functools import lru_cache
from io import BytesIO

from ..errors import ApplicationError
from ..message import Response
from ..percent import decode_latin1
from .headers import check_response_headers, is_dropped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
    from contextvars import Context
    from types import TracebackType
    from typing import Any, BinaryIO

    from ..message import Address, Pairs, T

    Environ = dict[str, Any]
    ExcInfo = tuple[type[BaseException], BaseException, TracebackType]
    StartResponse = Callable[..., Callable[[bytes], None]]
    WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

__all__ = ["FileWrapper", "WsgiEngine"]


class FileWrapper:
    """Hand a file over as ``wsgi.file_wrapper`` does, for the engine to read in one go."""

    def __init__(self, file: BinaryIO, block_size: int = 8192) -> None:
        self.file = file
        self.block_size = block_size
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        while block := self.file.read(self.block_size):
            yield block


# What every environ begins with; a copy also has room for as many headers, and a dict that
# grows is half of the cost.
_TEMPLATE: Environ = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "443",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "https",
    "wsgi.input": None,
    "wsgi.errors": None,
    # Other threads may call the handler meanwhile.
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
    "wsgi.file_wrapper": FileWrapper,
}
_TEMPLATE_ENTRIES = len(_TEMPLATE)

# From a header's name, as gateways spell it, to its environ key, "" for what no application
# may see. Clients choose the names, so the memory is bounded.
_environ_keys: dict[str, str] = {}
_REMEMBERED_NAMES = 512


def _environ_key(name: str) -> str:
    key = _environ_keys.get(name)
    if key is None:
        key = name.upper().replace("-", "_")
        if is_dropped(name.lower()):
            key = ""
        elif key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        if len(_environ_keys) < _REMEMBERED_NAMES:
            _environ_keys[name] = key
    return key


def _join_headers(headers: Pairs) -> Environ:
    """Write headers as environ variables, repeats joined and the unseen left out."""
    environ: Environ = {}
    for name, value in headers:
        key = _environ_keys.get(name) or _environ_key(name)
        if key in environ:
            # RFC 9110 5.3 and, for cookies, RFC 6265 5.4.
            separator = "; " if key == "HTTP_COOKIE" else ", "
            value = f"{environ[key]}{separator}{value}"
        environ[key] = value
    environ.pop("", None)
    return environ


def _native(text: str) -> str:
    """Write text as PEP 3333's native string: its UTF-8 octets as latin-1 characters."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")


class WsgiEngine:
    """Run one WSGI application; safe to call from several threads."""

    # As of the ASGI engine, for those who look at either.
    loop = None

    def __init__(self, app: WsgiApp) -> None:
        self._app = app

    def prepare(
        self,
        method: str,
        path: str,
        query: str,
        headers: Pairs,
        body: bytes,
        scheme: str,
        client: Address | None,
        server: Address,
        root_path: str,
        stage: str,
        request_id: str,
        user: str | None,
    ) -> Exchange:
        """Write a request's fields as an environ; octets become latin-1 characters."""
        environ = _TEMPLATE.copy()
        try:
            for name, value in headers:
                environ[_environ_keys[name]] = value
        except KeyError:
            pass
        if len(environ) != _TEMPLATE_ENTRIES + len(headers) or "" in environ:
            # A new name, a repeat or a header that no application may see.
            environ = _TEMPLATE | _join_headers(headers)
        name, port = server
        address = client[0] if client else ""
        if not (method + name + address).isascii():
            method, name, address = _native(method), _native(name), _native(address)
        environ["REQUEST_METHOD"] = method
        environ["PATH_INFO"] = decode_latin1(path) if "%" in path else path
        environ["QUERY_STRING"] = query
        environ["SERVER_NAME"] = name
        environ["REMOTE_ADDR"] = address
        environ["wsgi.url_scheme"] = scheme
        environ["wsgi.input"] = BytesIO(body)
        environ["wsgi.errors"] = sys.stderr
        if root_path:
            environ["SCRIPT_NAME"] = _native(root_path)
        if port != 443:
            environ["SERVER_PORT"] = str(port)
        if client and client[1]:
            environ["REMOTE_PORT"] = str(client[1])
        if body or "CONTENT_LENGTH" in environ:
            environ["CONTENT_LENGTH"] = str(len(body))
        if user is not None:
            environ["REMOTE_USER"] = _native(user)
        exchange = Exchange()
        exchange.environ = environ
        exchange.method = method
        exchange.path = path
        exchange.body_bytes = len(body)
        exchange.request_id = request_id
        return exchange

    def run(self, exchange: Exchange) -> Response:
        """Run the application once, in the caller's context.

        Raises:
            ApplicationError: the application breaks PEP 3333.
            Exception: whatever the application raises.
        """
        return exchange.run(self._app)

    def run_coroutine(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run what is asynchronous beside the application, on a loop of its own."""
        import asyncio

        from .loop import beside_loops

        return beside_loops(lambda: asyncio.run(coroutine))

    def initialize(self) -> None:
        """Do nothing: WSGI has no start-up."""

    def close(self) -> None:
        """Do nothing: WSGI has no shutdown."""


class Exchange:
    """One environ, and what the application answers through ``start_response``."""

    __slots__ = (
        "environ",
        "method",
        "path",
        "body_bytes",
        "request_id",
        "request",
        "status",
        "headers",
        "chunks",
    )

    # The context of the application, where it is not the caller's own.
    context: Context | None = None
    # No thread can end a call in another.
    expirable = expiry = None

    environ: Environ
    # Of the request, since the application may change its environ as it likes.
    method: str
    path: str
    body_bytes: int
    request_id: str
    # The framework's, for those who ask about the route.
    request: object
    status: str | None
    headers: Sequence[tuple[str, str]]
    chunks: list[bytes]

    def header(self, name: str) -> str | None:
        """Give a request header by its lower-case name, repeats joined."""
        value: str | None = self.environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        return value

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: ExcInfo | None = None,
    ) -> Callable[[bytes], None]:
        """Take status and headers; PEP 3333 says when a second time is allowed."""
        if exc_info is not None:
            try:
                # From its first octet on the body counts as sent, and the start as irrevocable.
                if self.chunks:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a traceback that refers to its own frame never goes away
        elif self.status is not None:
            raise ApplicationError("start_response was called twice without exc_info")
        if type(status) is not str:
            raise ApplicationError("start_response takes a status such as '200 OK'")
        self.status = status
        self.headers = headers
        # Flask takes it away again with the end of the request.
        self.request = self.environ.get("werkzeug.request")
        return self.write

    def write(self, data: bytes) -> None:
        """Take a part of the body, before any that the application returns."""
        if type(data) is not bytes:
            raise ApplicationError(f"the body must be bytes, got {type(data).__name__}")
        if data:
            self.chunks.append(data)

    def run(self, app: WsgiApp) -> Response:
        """Call the application, collect its body and close its iterable."""
        self.status = self.request = None
        chunks: list[bytes] = []
        self.chunks = chunks
        body = app(self.environ, self.start_response)
        try:
            if type(body) is FileWrapper:
                self.write(body.file.read())
            else:
                try:
                    parts = iter(body)
                except TypeError:
                    raise ApplicationError(
                        "the application must return an iterable of bytes, "
                        f"got {type(body).__name__}"
                    ) from None
                for chunk in parts:
                    if self.status is None:
                        raise ApplicationError("the body began before start_response was called")
                    if type(chunk) is not bytes:
                        self.write(chunk)  # says what is wrong
                    if chunk:
                        chunks.append(chunk)
        finally:
            if (close := getattr(body, "close", None)) is not None:
                close()
        if self.status is None:
            raise ApplicationError("the application never called start_response")
        status = _status_code(self.status)
        headers = self.headers
        try:
            check_response_headers(headers)
        except (TypeError, ValueError, AttributeError):
            raise ApplicationError(
                "start_response takes headers as a list of (name, value) pairs of str"
            ) from None
        if status != 204 and status != 304 and self.method != "HEAD":
            return Response(status, headers, chunks[0] if len(chunks) == 1 else b"".join(chunks))
        return Response(status, headers)


@lru_cache(maxsize=256)
def _status_code(status: str) -> int:
    """Read ``"200 OK"``."""
    if (
        not status[:3].isdecimal()
        or status[3:4] not in ("", " ")
        or not 100 <= int(status[:3]) <= 599
    ):
        raise ApplicationError("start_response takes a status such as '200 OK'")
    return int(status[:3])
