"""Stand for a cloud's gateway: requests in, events to the function, results out, responses back."""

from __future__ import annotations

import json
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import Parameter, signature
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from werkzeug.utils import import_string

from .. import gateways
from ..errors import NotCarriedError, OptionError, UnknownEventError
from ..gateways.triggers import kind_of
from ..handler import Handler, wrap
from ..timing import Timing
from . import contexts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..gateways import Dialect
    from ..message import Request, Response

    Function = Callable[[Any, Any], Any]

__all__ = ["Delivery", "Gateway"]

STREAMED = "no gateway streams a request's body: functions get it whole"
# Where the hook of the functions that we wrap puts what it is told.
_TIMINGS: ContextVar[list[Timing]] = ContextVar("slsadapt_testing_timings")


@dataclass(slots=True)
class Delivery:
    """One event on its way to the function and back.

    Attributes:
        dialect: reads and writes the event; None for one that is no HTTP request.
        request: what the client sent; None where an event is replayed.
        event: as the function gets it, but read where the platform passes it as JSON in bytes.
        context: as the function gets it.
        timing: all phases where an application was given, else the whole alone.
        result: what the function returned, after its way through JSON.
        response: what the client receives; None for an event that is no HTTP request, and where
            the function failed.
        error: what the function raised.
    """

    dialect: Dialect | None
    request: Request | None
    event: Any
    context: Any
    timing: Timing
    result: Any = None
    response: Response | None = None
    error: BaseException | None = None


class Gateway:
    """Send requests and events to a function, as one cloud does.

    Args:
        target: an application, a function of (event, context), which its parameters' names tell
            from WSGI, or an import string of either.
        dialect: whose gateway it is, one of ``slsadapt.gateways.NAMES``.
        context: makes the context of each call; None makes what the dialect's platform passes.
        told: called with each delivery at its end, however it ended.
        options: those of ``wrap``, for an application.

    Raises:
        OptionError: there is no such dialect, or options are given for a function.
        InterfaceError: ``target`` is neither.
    """

    def __init__(
        self,
        target: Any,
        dialect: str = "aws_http",
        *,
        context: Callable[[], object] | None = None,
        told: Callable[[Delivery], object] | None = None,
        **options: Any,
    ) -> None:
        self.dialect = gateways.load(dialect)
        self.name = dialect
        if isinstance(target, str):
            target = import_string(target)
        if is_function(target):
            if options:
                raise OptionError(
                    f"{', '.join(sorted(options))}: options of wrap() are for applications, and "
                    f"{type(target).__name__} is a function of (event, context) already"
                )
            self.function: Function = target
        else:
            hooks = options.pop("timing", ())
            hooks = (hooks,) if callable(hooks) else tuple(hooks)
            self.function = wrap(target, timing=[*hooks, _keep], **options)
        self._context = context
        self._told = told

    def deliver(self, request: Request) -> Delivery:
        """Send what a client sent.

        Raises:
            NotCarriedError: a streamed body, or one larger than the gateway takes.
            Exception: what the function raises, as ``wrap(on_error="raise")`` lets it.
        """
        if any(name == "transfer-encoding" for name, _ in request.headers):
            raise NotCarriedError(STREAMED)
        limit_bytes = self.dialect.REQUEST_LIMIT_BYTES
        if limit_bytes is not None and len(request.body) > limit_bytes:
            raise NotCarriedError(
                f"{self.name} carries request bodies of {limit_bytes:,} bytes at most, "
                f"got {len(request.body):,}"
            )
        if not request.request_id:
            request = request.replace(request_id=str(uuid4()))
        event = self.dialect.encode_event(request)
        if self._context is None:
            request_id = request.request_id if self.name in contexts.SHARED_IDS else ""
            context = contexts.for_dialect(self.name, request_id)
        else:
            context = self._context()
        return self._send(Delivery(self.dialect, request, event, context, Timing()), self.name)

    def replay(
        self, event: Any, context: Any = None, *, fields: dict[str, Any] | None = None
    ) -> Delivery:
        """Send an event as it was recorded, whichever dialect it speaks.

        Args:
            event: as the function gets it; not changed.
            context: likewise; None makes one of the event's platform.
            fields: of a recorded context, which the one of the platform then has.

        Raises:
            UnknownEventError: neither a gateway's event nor a trigger's.
        """
        try:
            dialect: Dialect | None = gateways.detect(event)
        except UnknownEventError:
            if kind_of(event) is None:
                raise
            dialect = None
        name = self.name if dialect is None else dialect.__name__.rpartition(".")[2]
        if context is None:
            if self._context is None:
                context = _with_fields(contexts.for_dialect(name), fields or {})
            else:
                context = self._context()
        return self._send(Delivery(dialect, None, event, context, Timing()), name)

    def close(self) -> None:
        """Stop the function as the platform does: an application's shutdown runs."""
        getattr(self.function, "pre_stop", bool)()

    def _send(self, delivery: Delivery, name: str) -> Delivery:
        through_json = name not in gateways.OBJECT_NAMES
        timings: list[Timing] = []
        token = _TIMINGS.set(timings)
        timing = delivery.timing
        event = delivery.event
        if name in gateways.BYTES_NAMES:
            event = json.dumps(event).encode()
        elif through_json:
            event = json.loads(json.dumps(event))
        timing.started_ns = perf_counter_ns()
        try:
            if (dialect := delivery.dialect) is not None and hasattr(dialect, "call"):
                caller: Any = dialect
                result = caller.call(self.function, event, delivery.context)
            else:
                result = self.function(event, delivery.context)
            timing.ended_ns = perf_counter_ns()
            delivery.result = json.loads(_serialized(result)) if through_json else result
            if dialect is not None:
                delivery.response = dialect.decode_result(delivery.result)
        except BaseException as error:
            delivery.error = error
            raise
        finally:
            timing.ended_ns = timing.ended_ns or perf_counter_ns()
            _TIMINGS.reset(token)
            if timings:
                delivery.timing = timings[-1]
            if self._told is not None:
                self._told(delivery)
        return delivery


def is_function(target: Any) -> bool:
    """Tell a function of (event, context), as a cloud calls it, from an application."""
    if isinstance(target, Handler):
        return True
    if not callable(target):
        return False
    try:
        parameters = [*signature(target).parameters.values()]
    except (TypeError, ValueError):
        return False
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    names = [each.name.lstrip("_") for each in parameters if each.kind in positional]
    # Both are called with two; WSGI's are environ and start_response, or env.
    return len(names) > 1 and (names[0] in ("event", "evt") or names[1] in ("context", "ctx"))


def _with_fields(context: Any, fields: dict[str, Any]) -> Any:
    """Give a context the values that one had; what counts or is counted stays its own."""
    if isinstance(context, dict):
        return {**context, **fields}
    for name, value in fields.items():
        if not callable(getattr(context, name, None)):
            setattr(context, name, value)
    return context


def _keep(timing: Timing) -> None:
    timings = _TIMINGS.get(None)
    if timings is not None:
        timings.append(timing)


def _serialized(result: Any) -> str:
    """Write a result as the platform does, which takes nothing but JSON."""
    try:
        return json.dumps(result)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the function must return what JSON can hold, got {type(result).__name__}: {error}"
        ) from None
