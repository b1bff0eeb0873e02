"""Give requests their IDs on any WSGI server (PEP 3333).

>>> application = RequestIDMiddleware(application, trust=["X-Request-ID"])
"""

from __future__ import annotations

from contextvars import copy_context

from .request_id import RequestIDs, begin_request, outer_request_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextvars import Context
    from types import TracebackType
    from typing import Any

    Environ = dict[str, Any]
    ExcInfo = tuple[type[BaseException], BaseException, TracebackType]
    StartResponse = Callable[..., Callable[[bytes], object]]
    WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

__all__ = ["RequestIDMiddleware"]


class RequestIDMiddleware:
    """Put a request's ID into the log context, and into the response.

    Call, body and ``close()`` run in a context of their own, so that streams log with the ID and
    the thread's next request finds nothing. Put it outermost: an exception that passes through
    becomes the server's own 500, which has no ID. Inside of ``wrap``, or of another one, the ID
    that is there stays.

    Args:
        app: a WSGI application.
        options: as ``RequestIDs`` takes them: ``trust``, ``header``, ``generate``.
    """

    def __init__(self, app: WsgiApp, **options: Any) -> None:
        self._app = app
        self._ids = RequestIDs(**options)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if outer := outer_request_id(environ):
            # In the context that is there, so that its owner sees what the application binds.
            return self._app(environ, self._starting(start_response, outer))
        context = copy_context()
        body = context.run(self._serve, environ, start_response)
        # Neither runs any code of the application; servers tell the length of the one and send
        # the other in their own way.
        if type(body) is list or type(body) is environ.get("wsgi.file_wrapper"):
            return body
        return _Body(body, context)

    def _serve(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request_id = self._ids.choose(
            lambda name: environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        )
        begin_request(environ, request_id)
        return self._app(environ, self._starting(start_response, request_id))

    def _starting(self, start_response: StartResponse, request_id: str) -> StartResponse:
        """Make a ``start_response`` that adds the header."""
        if not self._ids.header:
            return start_response

        def start(
            status: str, headers: Any, exc_info: ExcInfo | None = None
        ) -> Callable[[bytes], object]:
            headers = self._ids.with_header(headers, request_id)
            if exc_info is None:
                return start_response(status, headers)
            try:
                return start_response(status, headers, exc_info)
            finally:
                exc_info = None  # a traceback that refers to its own frame never goes away

        return start


class _Body:
    """A response's body, each step of which runs in the request's context."""

    def __init__(self, body: Iterable[bytes], context: Context) -> None:
        self._context = context
        self._body = body
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._parts is None:
            self._parts = self._context.run(iter, self._body)
        return self._context.run(next, self._parts)

    def close(self) -> None:
        if (close := getattr(self._body, "close", None)) is not None:
            self._context.run(close)
