"""Give requests their IDs in Django.

>>> MIDDLEWARE = ["slsadapt.middleware.django.RequestIDMiddleware", ...]
>>> SLSADAPT_REQUEST_IDS = {"trust": ["X-Request-ID"]}

Source: https://docs.djangoproject.com/en/stable/topics/http/middleware/
"""

from __future__ import annotations

from contextvars import copy_context

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.utils.log import log_response

from ..logs.invocation import BOUND, CURRENT, Invocation
from .request_id import RequestIDs, begin_request, outer_request_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Iterable,
        Iterator,
        Mapping,
    )
    from contextvars import Context
    from typing import Any

__all__ = ["RequestIDMiddleware"]


class RequestIDMiddleware:
    """Put the ID into log context and response, and into ``request.request_id``.

    Stands first in ``MIDDLEWARE``, so that all others log with it and 500s carry it. Streamed
    bodies log with it, too, but for the end of an asynchronous one that nobody reads on, which is
    the garbage collector's. ``SLSADAPT_REQUEST_IDS`` of the settings holds the options of
    ``RequestIDs``. Inside of ``wrap`` the ID that is there stays.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response
        self._ids = RequestIDs(**getattr(settings, "SLSADAPT_REQUEST_IDS", {}))
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """Serve one request."""
        if self._is_async:
            return self._serve_async(request)
        leave = self._enter(request)
        try:
            response = self._with_header(request, self._get_response(request))
            if leave:
                _log_refusal(request, response)
                _keep_context(response)
            return response
        finally:
            if leave:
                leave()

    async def _serve_async(self, request: Any) -> Any:
        leave = self._enter(request)
        try:
            response = self._with_header(request, await self._get_response(request))
            if leave:
                await sync_to_async(_log_refusal, thread_sensitive=False)(request, response)
                _keep_context(response)
            return response
        finally:
            if leave:
                leave()

    def _enter(self, request: Any) -> Callable[[], None] | None:
        """Make the request's ID the current one.

        Returns:
            What brings back what was before, or None where the ID was there already.
        """
        environ = request.scope if hasattr(request, "scope") else request.META
        if outer := outer_request_id(environ):
            request.request_id = outer
            return None
        request.request_id = self._ids.choose(request.headers.get)
        return begin_request(environ, request.request_id)

    def _with_header(self, request: Any, response: Any) -> Any:
        if self._ids.header and not response.has_header(self._ids.header):
            response.headers[self._ids.header] = request.request_id
        return response


def _set(invocation: Invocation | None, bound: Mapping[str, Any]) -> None:
    CURRENT.set(invocation)
    BOUND.set(bound)


def _log_refusal(request: Any, response: Any) -> None:
    """Log as Django does where nobody has yet, but which it does outside of all middleware."""
    if response.status_code >= 400:
        log_response(
            "%s: %s", response.reason_phrase, request.path, response=response, request=request
        )


def _keep_context(response: Any) -> None:
    """Keep the context for what is read and closed when the middleware is long done."""
    context = copy_context()
    # A file runs no code of the application, and servers send it in their own way.
    if response.streaming and getattr(response, "file_to_stream", None) is None:
        parts = response.streaming_content
        response.streaming_content = (
            _astream(parts, CURRENT.get(), BOUND.get())
            if response.is_async
            else _stream(parts, context)
        )

    def close() -> None:
        # The class's own again: response and function would hold each other.
        del response.close
        context.run(response.close)

    response.close = close


def _stream(parts: Iterable[bytes], context: Context) -> Iterator[bytes]:
    """Take each part in the request's context."""
    iterator = context.run(iter, parts)
    while (part := context.run(next, iterator, None)) is not None:
        yield part


async def _astream(
    parts: AsyncIterator[bytes], invocation: Invocation | None, bound: Mapping[str, Any]
) -> AsyncIterator[bytes]:
    """Take each part as the request's, in whichever task asks for it."""

    async def within(step: Awaitable[Any]) -> Any:
        nonlocal bound
        outer, outer_bound = CURRENT.get(), BOUND.get()
        _set(invocation, bound)
        try:
            return await step
        finally:
            bound = BOUND.get()
            _set(outer, outer_bound)

    while (part := await within(anext(parts, None))) is not None:
        yield part
