"""What is known of the invocation that runs here: its IDs, and what the application bound to it.

Raw context variables: asyncio tasks see what held where they were started, ``asyncio.to_thread``
and asgiref's ``sync_to_async`` carry it along, and for other threads and for greenlets there is
``slsadapt.logs.wrap_context``. The handler runs each invocation in a context of its own, so
nothing is left for the next one.
"""

from __future__ import annotations

from contextvars import ContextVar

from ..errors import OptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from typing_extensions import Self

    from ..timing import Span

__all__ = [
    "BOUND",
    "CURRENT",
    "Invocation",
    "bind",
    "context",
    "function_name",
    "invocation_id",
    "outgoing_headers",
    "request_id",
    "unbind",
]

_NOTHING: Mapping[str, Any] = {}
_RESERVED = {"request_id", "invocation_id", "function"}


class Invocation:
    """One invocation of the function or, without the adapter, one request or one task.

    What is unknown stands on the class, so that making one costs next to nothing.

    Attributes:
        request_id: names the client's request, valid by ``is_request_id``; ``""`` where request
            IDs are off.
        platform_context: what the platform passes beside the event, or None.
        spans: what ``slsadapt.timing.span`` measured, in the order of their ends; None where
            nobody wants to know.
        bound_before: what was bound around a request that a middleware began.
    """

    request_id: str = ""
    platform_context: Any = None
    spans: list[Span] | None = None
    bound_before: Mapping[str, Any] = _NOTHING
    _invocation_id: str | None = None
    _function: str | None = None

    def copy(self) -> Self:
        """Make another that knows the same, and shares its spans."""
        other = type(self)()
        other.__dict__.update(self.__dict__)
        return other

    # The platform's facts are read when they are asked for: most invocations log nothing.

    @property
    def invocation_id(self) -> str:
        """Name this invocation as the platform does, ``""`` where it has no valid name."""
        if self._invocation_id is None:
            from ..gateways.contexts import invocation_id
            from ..middleware.request_id import is_request_id

            given = invocation_id(self.platform_context)
            self._invocation_id = given if is_request_id(given) else ""
        return self._invocation_id

    @invocation_id.setter
    def invocation_id(self, value: str) -> None:
        self._invocation_id = value

    @property
    def function(self) -> str:
        """Name the function as the platform does, ``""`` where it has no name."""
        if self._function is None:
            from ..gateways.contexts import function_name

            self._function = function_name(self.platform_context)
        return self._function

    @function.setter
    def function(self, value: str) -> None:
        self._function = value


# What runs here; None outside of any invocation.
CURRENT: ContextVar[Invocation | None] = ContextVar("slsadapt_invocation", default=None)
# What the application bound; never changed in place, since contexts share it.
BOUND: ContextVar[Mapping[str, Any]] = ContextVar("slsadapt_bound", default=_NOTHING)


def request_id() -> str:
    """Give the ID of the client's request, ``""`` outside of any."""
    invocation = CURRENT.get()
    return invocation.request_id if invocation is not None else ""


def invocation_id() -> str:
    """Give the platform's ID of this invocation, ``""`` where there is none."""
    invocation = CURRENT.get()
    return invocation.invocation_id if invocation is not None else ""


def function_name() -> str:
    """Give the function's name, ``""`` outside of any."""
    invocation = CURRENT.get()
    return invocation.function if invocation is not None else ""


def bind(**fields: Any) -> None:
    """Add fields to every log record from here to the end of the invocation.

    Raises:
        OptionError: a field has the name of one that is there by itself.
    """
    if taken := sorted(_RESERVED & fields.keys()):
        raise OptionError(f"bind takes any name but {', '.join(taken)}, which slsadapt sets")
    BOUND.set({**BOUND.get(), **fields})


def unbind(*names: str) -> None:
    """Take fields away again; names that are not bound do no harm."""
    BOUND.set({name: value for name, value in BOUND.get().items() if name not in names})


def context() -> dict[str, Any]:
    """Give what log records carry: the IDs and the function where known, and what was bound."""
    fields: dict[str, Any] = {}
    if (invocation := CURRENT.get()) is not None:
        for name in ("request_id", "invocation_id", "function"):
            if value := getattr(invocation, name):
                fields[name] = value
    return {**fields, **BOUND.get()}


def outgoing_headers() -> dict[str, str]:
    """Give the headers that tell another service of this request: ``X-Request-ID``, or none."""
    current = request_id()
    return {"X-Request-ID": current} if current else {}
