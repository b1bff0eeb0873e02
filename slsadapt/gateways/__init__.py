"""The dialects of the clouds' gateways, and which of them an event speaks.

A dialect is a module of pure functions, described by ``Dialect``. No two dialects claim one
event, so the order in which they are asked only decides how soon the right one is found.
"""

from __future__ import annotations

from ..errors import OptionError, UnknownEventError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from ..message import Build, Request, Response, T

    JSON = dict[str, Any]

    class Dialect(Protocol):
        """What a dialect module holds."""

        __name__: str
        # Octets of serialized JSON above which the platform refuses a result.
        RESULT_LIMIT_BYTES: int

        @staticmethod
        def matches(event: JSON) -> bool:
            """Claim an event; never raises, whatever the event."""

        @staticmethod
        def decode_event(event: JSON) -> Request:
            """Read the client's request; BadEventError names a missing or wrong field."""

        @staticmethod
        def decode_into(event: JSON, build: Build[T]) -> T:
            """Do as ``decode_event``, giving the fields to ``build`` instead of a Request."""

        @staticmethod
        def encode_result(
            response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()
        ) -> JSON:
            """Write what the gateway expects back; ``event`` selects dialect switches."""

        @staticmethod
        def result_bytes(result: JSON) -> int:
            """Measure a result as the platform does, to compare with its limit."""

        @staticmethod
        def encode_event(request: Request) -> JSON:
            """Invert ``decode_event``, for replay and the local gateway."""

        @staticmethod
        def decode_result(result: Any) -> Response:
            """Invert ``encode_result``: what the client would receive."""

        @staticmethod
        def annotate(environ: JSON, event: JSON, context: object) -> None:
            """Add to an environ or scope what applications find there beside the request."""


__all__ = ["NAMES", "detect", "load"]

NAMES = (
    "aws_http",
    "aws_rest",
    "aws_function_url",
    "tencent_apigw",
    "tencent_function_url",
)


def load(name: str) -> Dialect:
    """Import one dialect by its name.

    Raises:
        OptionError: there is no such dialect.
    """
    if name not in NAMES:
        raise OptionError(f"gateway must be 'auto' or one of {', '.join(NAMES)}; got {name!r}")
    module: Dialect = getattr(__import__(__name__, fromlist=[name]), name)
    return module


def detect(event: JSON) -> Dialect:
    """Find the dialect that claims an event.

    Raises:
        UnknownEventError: none does; the message lists the event's keys, not its values.
    """
    for name in NAMES:
        dialect = load(name)
        if dialect.matches(event):
            return dialect
    raise UnknownEventError(
        f"no dialect claims keys {sorted(event)}; tried {', '.join(NAMES)}. "
        "Name the dialect with gateway=... if the event is an HTTP request all the same"
    )
