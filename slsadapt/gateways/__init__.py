"""The dialects of the clouds' gateways, and which of them an event speaks.

A dialect is a module of pure functions, described by ``Dialect``. No two dialects claim one
event, so the order in which they are asked only decides how soon the right one is found.
"""

from __future__ import annotations

from ..errors import BadEventError, OptionError, UnknownEventError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from ..message import Build, Request, Response, T

    JSON = dict[str, Any]
    Look = tuple[tuple[str, tuple[str, ...]], ...]

    class Dialect(Protocol):
        """What a dialect module holds."""

        __name__: str
        # The gateway's name for people, as the vendor writes it.
        TITLE: str
        # What ``matches`` looks at, for people: "requestContext.elb".
        KEYS: str
        # Octets of a request's body, or of the whole event where the vendor counts that, above
        # which the platform refuses it; None where the vendor names no limit.
        REQUEST_LIMIT_BYTES: int | None
        # Octets of a serialized result above which the platform refuses it, or None.
        RESULT_LIMIT_BYTES: int | None
        # What the gateway cannot carry: keys of losses.LOSSES.
        LOSES: tuple[str, ...]

        @staticmethod
        def matches(event: Any) -> bool:
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
        def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
            """Invert ``decode_event``, for replay and the local gateway.

            ``received_ms`` is Unix time, which such events tell as have a time.
            """

        @staticmethod
        def decode_result(result: Any) -> Response:
            """Invert ``encode_result``: what the client would receive."""

        @staticmethod
        def annotate(environ: JSON, event: JSON, context: object) -> None:
            """Add to an environ or scope what applications find there beside the request."""


__all__ = ["BYTES_NAMES", "NAMES", "OBJECT_NAMES", "SOCKET_NAMES", "detect", "load", "platform_of"]

# For a first look: a key that all events of some dialects have in their requestContext, or at
# their top, and the dialects, asked in this order, which decides nothing but how soon the right
# one is found. Dialects that need no asking are not even imported.
_CONTEXT_LOOK: Look = (
    ("http", ("aws_http", "aws_function_url", "alibaba_fc3")),
    ("serviceId", ("tencent_apigw",)),
    ("stage", ("aws_rest", "huawei_apig", "scaleway")),
    ("elb", ("aws_alb",)),
    ("envId", ("tencent_cloudbase",)),
    ("serviceArn", ("aws_lattice",)),
    ("targetGroupArn", ("aws_lattice",)),
    ("identity", ("yandex",)),
    ("resourcePath", ("kong",)),
)
_EVENT_LOOK: Look = (
    ("queryString", ("tencent_function_url",)),
    ("queryParameters", ("alibaba_apigw",)),
    ("__ow_method", ("openwhisk", "digitalocean")),
    ("http", ("digitalocean",)),
    ("Records", ("aws_edge",)),
    ("raw_path", ("aws_lattice",)),
    ("resource", ("kong", "baidu_cfc")),
    ("httpMethod", ("volcengine",)),
    ("REQUEST_METHOD", ("alibaba_fc2",)),
)
# The same for events that are objects: the first part of their class's module.
_OBJECTS = {"azure": "azure", "flask": "gcp", "werkzeug": "gcp"}

NAMES = tuple(
    dict.fromkeys(
        [name for _, names in _CONTEXT_LOOK + _EVENT_LOOK for name in names] + [*_OBJECTS.values()]
    )
)

# Of these, what passes objects of a running process to the function, which no file can hold.
OBJECT_NAMES = ("alibaba_fc2", "azure", "gcp")
# What leaves it to functions to read the event, as Function Compute's own runtime does.
BYTES_NAMES = ("alibaba_apigw", "alibaba_fc3")
# Modules that read and write WebSocket events, which are no requests.
SOCKET_NAMES = ("aws_websocket", "tencent_websocket")

_loaded: dict[str, Dialect] = {}


def load(name: str) -> Dialect:
    """Import one dialect by its name.

    Raises:
        OptionError: there is no such dialect.
    """
    dialect = _loaded.get(name)
    if dialect is None:
        if name not in NAMES:
            raise OptionError(f"gateway must be 'auto' or one of {', '.join(NAMES)}; got {name!r}")
        dialect = _loaded[name] = getattr(__import__(__name__, fromlist=[name]), name)
    return dialect


def platform_of(name: str) -> str:
    """Name the platform behind a dialect's gateway, ``"tencent"``; Kong's plugin invokes AWS's."""
    return "aws" if name == "kong" else name.partition("_")[0]


def detect(event: Any) -> Dialect:
    """Find the dialect that claims an event.

    Raises:
        UnknownEventError: none does; the message lists the event's keys, not its values.
    """
    if type(event) is not dict:
        return _detect_object(event)
    context = event.get("requestContext")
    if type(context) is dict:
        for key, names in _CONTEXT_LOOK:
            if key in context:
                for name in names:
                    if (dialect := _loaded.get(name) or load(name)).matches(event):
                        return dialect
    for key, names in _EVENT_LOOK:
        if key in event:
            for name in names:
                if (dialect := _loaded.get(name) or load(name)).matches(event):
                    return dialect
    looks = [
        (key, names) for key, names in _CONTEXT_LOOK if type(context) is dict and key in context
    ]
    looks += [(key, names) for key, names in _EVENT_LOOK if key in event]
    tried = [name for _, names in looks for name in names]
    raise UnknownEventError(
        f"no dialect claims keys {sorted(map(str, event))}; tried "
        f"{', '.join(dict.fromkeys(tried)) or 'none, since no key is known'}. "
        "Name the dialect with gateway=... if the event is an HTTP request all the same"
    )


def _detect_object(event: object) -> Dialect:
    """Tell a request object by its class, or one of its bases."""
    for base in type(event).__mro__:
        name = _OBJECTS.get(base.__module__.partition(".")[0])
        if name and load(name).matches(event):
            return load(name)
    raise BadEventError(f"the event must be a JSON object, got {type(event).__name__}")
