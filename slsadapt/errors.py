"""Every exception slsadapt raises.

Messages name fields and types, never values: headers and bodies hold secrets.
"""

from __future__ import annotations

__all__ = [
    "ApplicationError",
    "BadEventError",
    "BenchError",
    "DeadlineError",
    "InterfaceError",
    "LifespanError",
    "LocalError",
    "NotCarriedError",
    "OptionError",
    "PackageError",
    "ResultTooLargeError",
    "SlsadaptError",
    "UnknownEventError",
]


class SlsadaptError(Exception):
    """Base of all; ``status_hint`` is the HTTP status that answers it."""

    status_hint = 500


class BadEventError(SlsadaptError, ValueError):
    """An HTTP event with a missing or wrong field; the message names it."""

    status_hint = 400


class UnknownEventError(SlsadaptError, LookupError):
    """An event that no dialect claims."""


class OptionError(SlsadaptError, TypeError):
    """An unknown option of ``wrap``, or a value it does not take."""


class InterfaceError(SlsadaptError, TypeError):
    """An object that is not, or not recognisably, a WSGI or ASGI application."""


class ApplicationError(SlsadaptError, RuntimeError):
    """An application that breaks WSGI or ASGI: no response, two responses, a wrong type."""


class LifespanError(ApplicationError):
    """An ASGI application whose start-up or shutdown failed or took too long."""


class DeadlineError(SlsadaptError, TimeoutError):
    """An application that was cancelled shortly before the platform's time limit."""

    status_hint = 504


class NotCarriedError(SlsadaptError, ValueError):
    """A request that a gateway does not carry as it is; the message says what of it."""


class ResultTooLargeError(SlsadaptError, ValueError):
    """A response that the platform would refuse for its size."""


class BenchError(SlsadaptError, RuntimeError):
    """A measurement that cannot be made, or a report that cannot be read."""


class LocalError(SlsadaptError, RuntimeError):
    """A local cloud that cannot be started, or told what to do."""


class PackageError(SlsadaptError, RuntimeError):
    """A package that cannot be built, or would not run where it is meant for."""
