"""Where the milliseconds of an invocation go.

>>> from slsadapt import timing, wrap
>>> main_handler = wrap(app, timing=[timing.log_timing, timing.server_timing])
>>> with timing.span("db"):
...     rows = query()

A hook is any function of one ``Timing``, called after each invocation, before the platform gets
the result. One with a method ``response_headers(timing)`` is also asked, before the result is
written, for headers to add.
"""

from __future__ import annotations

from time import perf_counter_ns

from ..logs.invocation import CURRENT, Invocation
from ..percent import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Context
    from types import TracebackType

    from ..engines.asgi import Exchange as AsgiExchange
    from ..engines.wsgi import Exchange as WsgiExchange
    from ..gateways import Dialect
    from ..message import Response
    from .cloudwatch import EmbeddedMetrics, emf
    from .header import server_timing
    from .log import log_timing

__all__ = [
    "EmbeddedMetrics",
    "Span",
    "Timing",
    "emf",
    "log_timing",
    "server_timing",
    "span",
]


class Span:
    """Measure a piece of application code and add it to the invocation's spans at its end.

    Args:
        name: what to call it, ``"db"``; the same name may come again.

    Outside of an invocation, and where no hook wants to know, nothing is kept.
    """

    __slots__ = ("name", "start_ns", "end_ns")

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self.start_ns = perf_counter_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end_ns = perf_counter_ns()
        invocation = CURRENT.get()
        if invocation is not None and (spans := invocation.spans) is not None:
            spans.append(self)

    @property
    def duration_ms(self) -> float:
        """Give the time between beginning and end."""
        return (self.end_ns - self.start_ns) / 1e6


span = Span


class Timing(Invocation):
    """An invocation that is watched: what it took, and what it was about.

    Times are in milliseconds, None for what did not take place: an event that could not be read
    has no ``application_ms``. All but the readings of the clock is worked out when asked for, so
    that a hook pays for what it uses.

    Attributes:
        cold: whether this is the first invocation of the instance.
        import_ms: on a cold one, from the start of the process to the end of ``wrap``, where the
            system tells when the process began (Linux); else None.
        initialize_ms: the application's start-up, loop and lifespan, with the first request.
    """

    # Somebody wants to know, so there is always a list.
    spans: list[Span]
    cold: bool = False
    import_ms: float | None = None
    initialize_ms: float | None = None
    # The dialect, or the kind of an event that is no request.
    source: Dialect | str = ""
    exchange: WsgiExchange | AsgiExchange | None = None
    response: Response | None = None
    # What the deadline guard leaves before the limit, where that is less than it was told.
    margin_s: float | None = None
    # The context in which it runs, while it runs.
    own: Context | None = None

    # By perf_counter_ns; 0 for what has not come.
    started_ns: int = 0
    decoded_ns: int = 0
    called_ns: int = 0
    answered_ns: int = 0
    ended_ns: int = 0

    @property
    def decode_ms(self) -> float | None:
        """Time from the event to environ or scope."""
        return _between(self.started_ns, self.decoded_ns)

    @property
    def application_ms(self) -> float | None:
        """Time in the application, start-up left out."""
        return _between(self.called_ns, self.answered_ns)

    @property
    def encode_ms(self) -> float | None:
        """Time from the response to the result."""
        return _between(self.answered_ns, self.ended_ns)

    @property
    def total_ms(self) -> float:
        """Time from event to result, up to now where there is none yet."""
        return ((self.ended_ns or perf_counter_ns()) - self.started_ns) / 1e6

    @property
    def dialect(self) -> str:
        """Name the gateway's dialect, or the kind of an event that is no request."""
        source = self.source
        return source if isinstance(source, str) else source.__name__.rpartition(".")[2]

    @property
    def method(self) -> str:
        """Give the request's method, ``""`` where none was read."""
        return self.exchange.method if self.exchange else ""

    @property
    def path(self) -> str:
        """Give the request's path below its mount, percent-decoded, ``""`` where none was read."""
        if self.exchange is None:
            return ""
        return decode(self.exchange.path).decode("utf-8", "replace")

    @property
    def request_bytes(self) -> int:
        """Give the size of the request's body."""
        return self.exchange.body_bytes if self.exchange else 0

    @property
    def status(self) -> int | None:
        """Give the response's status, or None where the invocation failed or was no request."""
        return self.response.status if self.response else None

    @property
    def response_bytes(self) -> int:
        """Give the size of the response's body."""
        return len(self.response.body) if self.response else 0

    @property
    def route(self) -> str | None:
        """Give the template of the route, ``"/users/<id>"`` as the framework writes it.

        None where no framework tells: Flask, Django, Starlette and FastAPI do.
        """
        if self.exchange is None:
            return None
        from .routes import route_of

        return route_of(self.exchange.environ, self.path, self.exchange.request)

    @property
    def remaining_ms(self) -> float | None:
        """Give what is left of the platform's limit, or None where it tells none."""
        from ..gateways.contexts import limit_ms, remaining_ms

        context = self.platform_context
        left_ms = remaining_ms(context)
        if left_ms is None and (whole_ms := limit_ms(context)) is not None:
            left_ms = whole_ms - self.total_ms
        return left_ms

    def phases(self) -> dict[str, float]:
        """Give the phases that took place, by name, in their order, in milliseconds."""
        times = {
            "import": self.import_ms,
            "initialize": self.initialize_ms,
            "decode": self.decode_ms,
            "application": self.application_ms,
            "encode": self.encode_ms,
        }
        return {name: took_ms for name, took_ms in times.items() if took_ms is not None}


def _between(start_ns: int, end_ns: int) -> float | None:
    return (end_ns - start_ns) / 1e6 if start_ns and end_ns else None


_ROOMS = {
    "EmbeddedMetrics": "cloudwatch",
    "emf": "cloudwatch",
    "log_timing": "log",
    "server_timing": "header",
}


def __getattr__(name: str) -> object:
    """Import a ready hook on its first use (PEP 562)."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(__import__(f"{__name__}.{_ROOMS[name]}", fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
