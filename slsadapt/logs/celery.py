"""Carry request IDs and bound fields along with Celery tasks.

>>> from slsadapt.logs.celery import install
>>> install(celery_app)

In a task ``logs.request_id()`` and the bound fields are those of whoever published it,
``logs.invocation_id()`` is the task's ID and ``logs.function_name()`` its name. Chains, groups,
chords and callbacks carry them on, since the worker publishes those from inside the task before
them, with what that one bound; a retry begins with what its first attempt began with. After the
task nothing is left of it.

A task that comes without (from beat, from another program) gets a new request ID. So does a
``link_error`` task that the worker's main process publishes, for one killed at its hard time
limit or lost with its process. A task that runs where it is called (``task_always_eager``,
``apply()``) has its caller's request ID, fields and spans, and gives them back unchanged.

Of Celery's own log lines, those of the process, thread or greenlet that runs the task carry its
context: succeeded, raised, retry, ignored, rejected. Those of the worker's main process do not:
received, revoked, expired, a time limit exceeded. Receivers of ``task_prerun`` that were connected
before ``install``, and of ``task_postrun`` connected after it, run outside too.

What is bound travels through the broker in plain text, in one message header, a JSON object of
at most 4,096 characters. Protocol 2 hands headers it does not know to the task as
``request.headers``, protocol 1 does with all; ``celery.app.trace`` sends ``task_prerun`` and, in a
``finally``, ``task_postrun``. Canvas stamps are headers that callers put on a signature; this one
is put on the message when it is sent, and leaves them alone.

Sources: https://docs.celeryq.dev/en/stable/internals/protocol.html
https://docs.celeryq.dev/en/stable/userguide/signals.html
"""

from __future__ import annotations

import copy
import json
import logging
from contextvars import ContextVar
from math import isfinite

from celery import Celery, signals  # type: ignore[import-untyped]

from ..errors import OptionError
from ..middleware.request_id import is_request_id, new_request_id
from .invocation import _RESERVED, BOUND, CURRENT, Invocation, request_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    # What a task took the place of: (ID of the task, invocation, bound, the same one further out).
    Outer = tuple[str, Invocation | None, Mapping[str, Any], "Outer"] | None

__all__ = ["HEADER", "decode_header", "encode_header", "install"]

HEADER = "slsadapt_context"
_MOST_CHARACTERS = 4096

_log = logging.getLogger("slsadapt")
# Kept in the context rather than on the task: each thread and greenlet then has its own.
_OUTER: ContextVar[Outer] = ContextVar("slsadapt_outer_task", default=None)


def install(app: Celery) -> None:
    """Let tasks carry the context of whoever publishes them; call it where the app is made.

    Both sides need it, the publisher and the worker. Celery's signals belong to the process
    rather than to one app, so the first call serves all apps in it and more calls do no harm.

    Raises:
        OptionError: ``app`` is no Celery application.
    """
    if not isinstance(app, Celery):
        raise OptionError(f"install takes the Celery application, got {type(app).__name__}")
    for signal, receiver in (
        (signals.before_task_publish, _send_along),
        (signals.task_prerun, _enter),
        (signals.task_postrun, _leave),
    ):
        signal.connect(receiver, weak=False, dispatch_uid=f"slsadapt.logs.celery.{signal.name}")


def encode_header(request_id: str, bound: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Write the message header.

    Args:
        request_id: as in ``Invocation.request_id``, ``""`` for none.
        bound: fields by name; those that JSON has no scalar for go as their ``str``.

    Returns:
        The header, in ASCII, and the names of the fields for which it has no room, or which
        have no ``str``.
    """
    carried: dict[str, Any] = {}
    left_out = []
    length = len(json.dumps({"request_id": request_id, "bound": carried}))
    for name, value in bound.items():
        try:
            sent = value if _is_scalar(value) else str(value)
            added = len(json.dumps({name: sent}))
        except Exception:
            # Whatever the application's __str__ raises: its log field must not fail its task.
            left_out.append(name)
            continue
        # Braces here, comma and space there: the entry takes as much of the whole.
        if length + added > _MOST_CHARACTERS:
            left_out.append(name)
            continue
        length += added
        carried[name] = sent
    return json.dumps({"request_id": request_id, "bound": carried}), left_out


def decode_header(header: object) -> tuple[str, dict[str, Any], list[str]]:
    """Read what ``encode_header`` wrote, or anybody else: whoever reaches the broker can write it.

    Returns:
        The request ID, ``""`` for none; the bound fields; and the names of what was invalid and
        is therefore not among them.
    """
    if header is None:
        return "", {}, []
    try:
        if not isinstance(header, str) or len(header) > _MOST_CHARACTERS:
            return "", {}, [HEADER]
        loaded = json.loads(header)
    except (ValueError, RecursionError):
        return "", {}, [HEADER]
    if not isinstance(loaded, dict):
        return "", {}, [HEADER]
    invalid = []
    carried_id = loaded.get("request_id", "")
    if carried_id != "" and not (isinstance(carried_id, str) and is_request_id(carried_id)):
        carried_id = ""
        invalid.append("request_id")
    fields = loaded.get("bound", {})
    if not isinstance(fields, dict):
        fields = {}
        invalid.append("bound")
    bound = {
        name: value for name, value in fields.items() if name not in _RESERVED and _is_scalar(value)
    }
    invalid += [f"bound.{name}" for name in fields if name not in bound]
    return carried_id, bound, invalid


def _is_scalar(value: object) -> bool:
    """Tell what JSON has a form for; it has none for NaN and the infinities."""
    if isinstance(value, float):
        return isfinite(value)
    return value is None or isinstance(value, str | int)


# Signals call these by keyword, and swallow and log what they raise.


def _send_along(*, headers: dict[str, Any], **_: Any) -> None:
    """Give a message the context that it is published in."""
    current, bound = request_id(), BOUND.get()
    if not (current or bound):
        return
    header, left_out = encode_header(current, bound)
    # What is there stays: a retry is sent with the headers of its first attempt.
    if headers.setdefault(HEADER, header) is header and left_out:
        _log.warning(
            "bound fields left out of a task's header, which takes %s characters of JSON: %r",
            f"{_MOST_CHARACTERS:,}",
            left_out,
        )


def _enter(*, task_id: str, task: Any, **_: Any) -> None:
    """Put a task's context in place of what is there."""
    outer = CURRENT.get()
    _OUTER.set((task_id, outer, BOUND.get(), _OUTER.get()))
    request = task.request
    headers = request.headers or {}
    carried_id, bound, invalid = decode_header(headers.get(HEADER))
    if request.is_eager:
        # A copy, so that its caller's spans are the task's as well.
        invocation = Invocation() if outer is None else copy.copy(outer)
    else:
        invocation = Invocation()
        BOUND.set(bound)
    invocation.request_id = invocation.request_id or carried_id or new_request_id()
    if invalid or HEADER not in headers:
        # A retry is sent with these, and so begins with what this attempt begins with.
        header, _ignored = encode_header(invocation.request_id, BOUND.get())
        request.headers = {**headers, HEADER: header}
    invocation.invocation_id = task_id
    invocation.function = task.name
    CURRENT.set(invocation)
    if invalid:
        _log.warning("dropped what is invalid in a task's header %s: %r", HEADER, invalid)


def _leave(*, task_id: str, **_: Any) -> None:
    """Put back what was there before the task."""
    outer = _OUTER.get()
    while outer is not None:
        ended, invocation, bound, further = outer
        if ended == task_id:
            CURRENT.set(invocation)
            BOUND.set(bound)
            _OUTER.set(further)
            return
        # One whose end was never told, such as a task interrupted in its last step.
        outer = further
