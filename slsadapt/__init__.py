"""Run Flask, Django, FastAPI or any WSGI or ASGI application as a cloud function.

>>> from slsadapt import wrap
>>> main_handler = wrap(app)  # main_handler(event, context) -> the gateway's response
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import (
        ApplicationError,
        BadEventError,
        InterfaceError,
        LifespanError,
        OptionError,
        ResultTooLargeError,
        SlsadaptError,
        UnknownEventError,
    )
    from .handler import Handler, wrap
    from .message import Request, Response, SocketMessage

__version__ = "0.1.0"

__all__ = [
    "ApplicationError",
    "BadEventError",
    "Handler",
    "InterfaceError",
    "LifespanError",
    "OptionError",
    "Request",
    "Response",
    "ResultTooLargeError",
    "SlsadaptError",
    "SocketMessage",
    "UnknownEventError",
    "__version__",
    "wrap",
]

_ROOMS = {
    "Handler": "handler",
    "wrap": "handler",
    "Request": "message",
    "Response": "message",
    "SocketMessage": "message",
}


def __getattr__(name: str) -> object:
    """Import a public name on its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = _ROOMS.get(name, "errors")
    value: object = getattr(__import__(f"{__name__}.{room}", fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
