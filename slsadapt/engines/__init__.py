"""How an application runs: one module an engine, and here what tells WSGI from ASGI."""

from __future__ import annotations

from ..errors import InterfaceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    Interface = Literal["wsgi", "asgi", "asgi2"]

__all__ = ["detect_interface"]

_COROUTINE = 0x80  # inspect.CO_COROUTINE
_VARIADIC = 0x04  # inspect.CO_VARARGS
_BY_POSITIONS: dict[int, Interface] = {1: "asgi2", 2: "wsgi", 3: "asgi"}


def detect_interface(app: object) -> Interface:
    """Tell how ``app`` is called: (environ, start_response), (scope, receive, send), or, as
    ASGI 2 has it, (scope) and then (receive, send).

    Raises:
        InterfaceError: not callable, or its signature does not tell.
    """
    if not callable(app):
        raise InterfaceError(
            f"app must be a WSGI or ASGI application or an import string such as "
            f"'shop.wsgi:application', got {type(app).__name__}"
        )
    positions = _positions(app)
    interface = _BY_POSITIONS.get(positions)
    if interface is None:
        raise InterfaceError(
            f"cannot tell whether {type(app).__name__} {getattr(app, '__name__', '')!r} is WSGI "
            "or ASGI, since its signature does not say; name it: interface='wsgi' or 'asgi'"
        )
    return interface


def _is_coroutine_function(app: Any) -> bool:
    """Tell whether a plain function or an instance's ``__call__`` is ``async def``."""
    function = app if hasattr(app, "__code__") else type(app).__call__
    code = getattr(function, "__code__", None)
    return code is not None and bool(code.co_flags & _COROUTINE)


def _positions(app: Any) -> int:
    """Count the positional parameters without a default, 0 where that cannot be told."""
    # Plain functions and methods tell by their code; importing inspect for them would cost a
    # cold start more than all the rest.
    is_function = hasattr(app, "__code__")
    function = app if is_function else type(app).__call__
    code = getattr(function, "__code__", None)
    if (
        code is None
        or code.co_flags & _VARIADIC
        or isinstance(app, type)
        or hasattr(app, "__func__")
    ):
        return _positions_by_signature(app)
    count: int = code.co_argcount - len(function.__defaults__ or ())
    # A static __call__ takes no self.
    return count if is_function or function is app.__call__ else count - 1


def _positions_by_signature(app: Any) -> int:
    """Count as ``_positions``, through decorators, ``functools.partial`` and classes."""
    import inspect

    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return 0
    parameters = signature.parameters.values()
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        # Whatever it takes, only ASGI 3 is called once and awaited.
        return 3 if _is_coroutine_function(app) or inspect.iscoroutinefunction(app) else 0
    return sum(
        each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        and each.default is each.empty
        for each in parameters
    )
