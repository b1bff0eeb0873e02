"""What happens in a local cloud, told as it happens: to the terminal, to programs, to a dashboard.

Whoever wants to know passes a function of one notice, which is called in the event loop and must
not take long. ``at`` is Unix time in seconds. They are values, and not frozen only because that
would make them four times as slow to create, a few for every request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .outcome import Failure

    Told = Callable[["Notice"], object]

__all__ = ["Answered", "Ended", "Line", "Notice", "Ready", "Reloaded", "Report", "Started"]


@dataclass(slots=True)
class Notice:
    """Something that happened."""

    at: float


@dataclass(slots=True)
class Started(Notice):
    """A process was started for an instance.

    Args:
        instance: its name, ``"1"``, ``"2"`` and so on.
        cold: how.
    """

    instance: str
    cold: Literal["spawn", "fork"]
    pid: int


@dataclass(slots=True)
class Ready(Notice):
    """An instance has imported the function and asks for events."""

    instance: str
    init_ms: float


@dataclass(slots=True)
class Line(Notice):
    """An instance wrote a line.

    Args:
        request_id: of the invocation that it belongs to, ``""`` where to none that is known.
        text: without its end.
    """

    instance: str
    request_id: str
    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(slots=True)
class Report(Notice):
    """An invocation ended, as clouds log it.

    Args:
        init_ms: the cold start's, None where the instance was warm.
        billed_ms: in whole ms, with the cold start where the platform bills it.
        memory_mb: the limit.
        used_mb: the largest resident size seen of the instance.
        failure: None where the function answered.
    """

    instance: str
    request_id: str
    duration_ms: float
    billed_ms: int
    init_ms: float | None
    memory_mb: int
    used_mb: float
    failure: Failure | None


@dataclass(slots=True)
class Answered(Notice):
    """The gateway answered a client.

    Args:
        request_id: the invocation's, ``""`` where there was none.
        line: method and URL, ``"GET /hello?page=2"``, or what happened to a WebSocket connection,
            ``"message /chat"``.
        status: of HTTP, or the code that closed a connection, None for neither.
        body_bytes: of the response.
        took_ms: from the whole request to the whole response.
        failure: where the answer is not the function's.
        note: what was wrong with a result that the gateway refused, ``""`` for nothing.
    """

    request_id: str
    line: str
    status: int | None
    body_bytes: int
    took_ms: float
    failure: Failure | None = None
    note: str = ""


@dataclass(slots=True)
class Ended(Notice):
    """An instance is no more.

    Args:
        why: ``"idle"`` for too long; ``"reload"``; ``"timeout"``, ``"memory"``, killed for it;
            ``"exit"``, of itself; ``"init"``, before it was ready; ``"close"``, with the cloud.
        status: of the process: its exit code, or the negative number of a signal.
    """

    instance: str
    why: Literal["idle", "reload", "timeout", "memory", "exit", "init", "close"]
    status: int | None


@dataclass(slots=True)
class Reloaded(Notice):
    """Files changed, and what runs from now on is new.

    Args:
        paths: of them, relative to the function's folder where they are below it.
    """

    paths: tuple[str, ...]
