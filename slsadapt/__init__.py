"""Run Flask, Django, FastAPI or any WSGI or ASGI application as a cloud function.

>>> from slsadapt import wrap
>>> main_handler = wrap(app)  # main_handler(event, context) -> the gateway's response
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import logs, timing
    from .errors import (
        ApplicationError,
        BadEventError,
        BenchError,
        DeadlineError,
        InterfaceError,
        LifespanError,
        LocalError,
        NotCarriedError,
        OptionError,
        PackageError,
        ResultTooLargeError,
        SlsadaptError,
        UnknownEventError,
    )
    from .handler import Handler, wrap
    from .message import Request, Response, SocketMessage
    from .middleware.deadline import Deadline
    from .middleware.request_id import RequestIDs

__version__ = "0.1.0"

__all__ = [
    "ApplicationError",
    "BadEventError",
    "BenchError",
    "Deadline",
    "DeadlineError",
    "Handler",
    "InterfaceError",
    "LifespanError",
    "LocalError",
    "NotCarriedError",
    "OptionError",
    "PackageError",
    "Request",
    "RequestIDs",
    "Response",
    "ResultTooLargeError",
    "SlsadaptError",
    "SocketMessage",
    "UnknownEventError",
    "__version__",
    "logs",
    "timing",
    "wrap",
]

_ROOMS = {
    "Deadline": "middleware.deadline",
    "Handler": "handler",
    "wrap": "handler",
    "Request": "message",
    "RequestIDs": "middleware.request_id",
    "Response": "message",
    "SocketMessage": "message",
}


def __getattr__(name: str) -> object:
    """Import a public name on its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("logs", "timing"):
        value: object = __import__(f"{__name__}.{name}", fromlist=[name])
    else:
        room = _ROOMS.get(name, "errors")
        value = getattr(__import__(f"{__name__}.{room}", fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
