"""Context for logs: who asked, in which invocation, on whose behalf.

>>> from slsadapt import logs
>>> logs.setup_logging(json=True)
>>> logs.bind(user="ada")
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .formatters import JsonFormatter, TextFormatter
    from .invocation import (
        bind,
        context,
        function_name,
        invocation_id,
        outgoing_headers,
        request_id,
        unbind,
    )
    from .prefix import LogPrefixFilter
    from .setup import setup_logging
    from .structlog import add_context
    from .threads import ContextExecutor, wrap_context

__all__ = [
    "ContextExecutor",
    "JsonFormatter",
    "LogPrefixFilter",
    "TextFormatter",
    "add_context",
    "bind",
    "context",
    "function_name",
    "invocation_id",
    "outgoing_headers",
    "request_id",
    "setup_logging",
    "unbind",
    "wrap_context",
]

_ROOMS = {
    "ContextExecutor": "threads",
    "JsonFormatter": "formatters",
    "LogPrefixFilter": "prefix",
    "TextFormatter": "formatters",
    "add_context": "structlog",
    "setup_logging": "setup",
    "wrap_context": "threads",
}


def __getattr__(name: str) -> object:
    """Import a public name on its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = _ROOMS.get(name, "invocation")
    value: object = getattr(__import__(f"{__name__}.{room}", fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
