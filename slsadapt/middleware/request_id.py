"""Give each request one ID that is safe to log.

Source: https://www.w3.org/TR/trace-context/#traceparent-header
"""

from __future__ import annotations

import os

from ..errors import OptionError
from ..logs.invocation import BOUND, CURRENT, Invocation, request_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
    from typing import Any

__all__ = ["RequestIDs", "begin_request", "is_request_id", "new_request_id", "outer_request_id"]

# Holds, in environ or scope, the ID that a middleware gave.
_MARK = "slsadapt.request_id"
_MOST = 128
_PUNCTUATION = "._:=@+-"
_PUNCTUATION_OCTETS = _PUNCTUATION.encode()
_HEX = frozenset("0123456789abcdef")


def is_request_id(text: str) -> bool:
    """Tell whether ``text`` may stand in a header and in a log line.

    1 to 128 ASCII letters, digits and ``._:=@+-``, a letter or digit first: what gateways and
    tracers write, and nothing that ends a line or begins a field. Parsing as a UUID would let
    more through: Python's takes line breaks, braces and digits of any script.
    """
    if not text or len(text) > _MOST or text[0] in _PUNCTUATION:
        return False
    # "?" stands for what is not ASCII, and is not allowed itself.
    return text.encode("ascii", "replace").translate(None, _PUNCTUATION_OCTETS).isalnum()


def outer_request_id(environ: Mapping[str, Any]) -> str:
    """Give the ID that this request has from the adapter or a middleware around, or ``""``.

    In ASGI the context alone cannot tell: a server may begin a connection's next request in a copy
    of the last one's, as uvicorn does after a large body or where requests are pipelined.

    Args:
        environ: WSGI's environ or ASGI's scope.
    """
    outer = request_id()
    if "type" not in environ or "serverless.event" in environ:
        return outer
    return outer if environ.get(_MARK) == outer else ""


def begin_request(environ: MutableMapping[str, Any], new_id: str) -> Callable[[], None]:
    """Make an ID the current one, for a request without the adapter's.

    Returns:
        What brings back what was before.
    """
    outer, bound = CURRENT.get(), BOUND.get()
    if outer is not None and outer.request_id:
        # Left over from another request, and so is what that one bound.
        invocation = Invocation()
        BOUND.set(outer.bound_before)
    else:
        # What wrap(request_id=False) knows of the invocation stays.
        invocation = Invocation() if outer is None else outer.copy()
    invocation.request_id = environ[_MARK] = new_id
    invocation.bound_before = BOUND.get()
    CURRENT.set(invocation)

    # Without tokens, which are of no use where another context ends this.
    def end() -> None:
        CURRENT.set(outer)
        BOUND.set(bound)

    return end


def new_request_id() -> str:
    """Make an ID of 32 hexadecimal digits, as random as a UUID."""
    return os.urandom(16).hex()


class RequestIDs:
    """Say where request IDs come from and where they go.

    The gateway's own ID comes first. Where it gives none: a trusted header, the trace ID of a
    ``traceparent``, a new one. One that is not valid by ``is_request_id`` counts as none.

    Args:
        trust: names of request headers to take an ID from, the first that has one. Clients can
            write any header, so name those which a proxy of your own sets:
            ``["X-Request-ID"]``.
        header: name of the response header, or None to answer without.
        generate: makes an ID, ``uuid.uuid4`` for example.

    Raises:
        OptionError: a name that no header can have.
    """

    def __init__(
        self,
        *,
        trust: Iterable[str] = (),
        header: str | None = "X-Request-ID",
        generate: Callable[[], object] = new_request_id,
    ) -> None:
        if isinstance(trust, str):
            raise OptionError(f"trust takes a list of header names, got the str {trust!r}")
        trust = tuple(trust)
        for name in (*trust, *([] if header is None else [header])):
            if not (isinstance(name, str) and name.isascii() and name.replace("-", "").isalnum()):
                raise OptionError(f"{name!r} is no name of a header")
        self.trust = tuple(name.lower() for name in trust)
        self.header = header
        self.generate = generate
        self._lower_header = header.lower() if header else ""

    def choose(self, get: Callable[[str], str | None], given: str = "") -> str:
        """Find or make the ID of one request.

        Args:
            get: gives the value of a request header by its lower-case name, or None.
            given: the gateway's own ID.
        """
        if given and is_request_id(given):
            return given
        for name in self.trust:
            if (value := get(name)) and is_request_id(value):
                return value
        if trace_id := _trace_id(get("traceparent") or ""):
            return trace_id
        try:
            made = str(self.generate())  # uuid.uuid4 makes no str
        except Exception:
            import logging

            logging.getLogger("slsadapt").exception("generate= of RequestIDs failed")
            made = ""
        return made if is_request_id(made) else new_request_id()

    def with_header(
        self, headers: Sequence[tuple[str, str]], request_id: str
    ) -> Sequence[tuple[str, str]]:
        """Add the ID to a response's headers, unless the application set that header itself."""
        for name, _ in headers:
            if name.lower() == self._lower_header:
                return headers
        return [*headers, (self.header or "", request_id)]


def _trace_id(traceparent: str) -> str:
    """Read the trace ID of ``00-<32 hex>-<16 hex>-<2 hex>``, or give ``""``.

    Versions to come may add fields behind these; ff is none, and zeros are no trace.
    """
    version, trace_id, parent_id, flags, *more = [*traceparent.strip(" \t").split("-"), "", "", ""]
    fields = ((version, 2), (trace_id, 32), (parent_id, 16), (flags, 2))
    if not all(len(field) == length and _HEX.issuperset(field) for field, length in fields):
        return ""
    future = len(more) > 3
    if (
        version == "ff"
        or (version == "00" and future)
        or not (trace_id.strip("0") and parent_id.strip("0"))
    ):
        return ""
    return trace_id
