"""How an invocation ended, and what went wrong where the function did not answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    JSON = dict[str, Any]
    # Keeps an invocation that has ended: (event, its ID, how it ended, ms that it took, dialect).
    Record = Callable[[JSON, str, "Outcome", float, str], object]

__all__ = ["Failure", "FailureKind", "Outcome"]

FailureKind = Literal[
    # The function's own.
    "error",  # it raised
    "exit",  # its process ended: os._exit, a signal
    "timeout",  # it took longer than its time limit, and was killed
    "memory",  # it grew above its memory limit, and was killed
    "init",  # its module could not be imported, or its process ended before it was ready
    "result_too_large",  # the runtime refused its result for the size
    # The platform's.
    "throttled",  # no instance was free, and no further one allowed
    # The gateway's.
    "gateway_timeout",  # the function takes longer than the gateway waits; it goes on
    "request_too_large",  # the body, or the event made of it
    "headers_too_large",  # all of the request's header lines
    "url_too_long",
    "result_headers_too_large",  # all of the response's header lines
    "not_found",  # the URL is outside of the stage or base path
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the client does not get what the function would answer.

    Args:
        kind: what happened.
        request_id: the invocation's.
        error: what the function's runtime told: ``errorMessage``, ``errorType``, ``stackTrace``
            (a list of text) as the Lambda Runtime API has them; {} where the process could not
            tell any more.
        message: one sentence for people at the terminal, which names sizes, limits, signals.
        timeout_s: the function's time limit.
        memory_mb: its memory limit.
        status: how its process ended, its exit code or the negative number of a signal; None
            where it did not.
    """

    kind: FailureKind
    request_id: str
    error: JSON
    message: str
    timeout_s: float | None = None
    memory_mb: int | None = None
    status: int | None = None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """An invocation that has ended.

    Attributes:
        payload: the function's result as the runtime sent it, JSON; b"" where it failed.
        failure: None where there is a result.
        instance: the name of the instance that served it, ``""`` where none did.
        init_ms: how long the instance took to start, where this was its first invocation.
        queued_ms: how long the invocation waited for an instance.
        duration_ms: from the delivery to the instance until its answer or end.
        used_mb: the largest resident size of the instance that was seen so far, in MiB.
    """

    request_id: str
    payload: bytes = b""
    failure: Failure | None = None
    instance: str = ""
    init_ms: float | None = None
    queued_ms: float = 0.0
    duration_ms: float = 0.0
    used_mb: float = 0.0
