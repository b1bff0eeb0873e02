"""Log one line an invocation."""

from __future__ import annotations

import logging

from ..logs.escape import escape
from ..percent import encode_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import Timing

__all__ = ["log_timing", "span_times"]

_log = logging.getLogger("slsadapt.timing")


def log_timing(timing: Timing) -> None:
    """Log what an invocation took, at INFO, to the logger ``slsadapt.timing``.

    The message is for people; the record's attribute ``timing`` holds the same as a dict, which
    ``slsadapt.logs.JsonFormatter`` writes as an object. A path stands there percent-encoded, and
    only where no route is known.
    """
    if not _log.isEnabledFor(logging.INFO):
        return
    where = timing.route or encode_path(timing.path) or timing.dialect or "an unknown event"
    phases = {name: round(took_ms, 3) for name, took_ms in timing.phases().items()}
    spans = {name: round(took_ms, 3) for name, took_ms in span_times(timing).items()}
    remaining_ms = timing.remaining_ms
    fields: dict[str, Any] = {
        "method": timing.method or None,
        "route": timing.route,
        "path": None if timing.route else encode_path(timing.path) or None,
        "status": timing.status,
        "total_ms": round(timing.total_ms, 3),
        "cold": timing.cold,
        "phases_ms": phases,
        "spans_ms": spans or None,
        "request_bytes": timing.request_bytes,
        "response_bytes": timing.response_bytes,
        "remaining_ms": None if remaining_ms is None else round(remaining_ms),
        "dialect": timing.dialect,
    }
    times = ", ".join(f"{name} {took_ms:.1f}" for name, took_ms in {**phases, **spans}.items())
    _log.info(
        "%s in %.1f ms%s (%s), %d B in, %d B out%s",
        # Clients choose methods, and whoever names a span may take what they sent.
        escape(" ".join(str(each) for each in (timing.method, where, timing.status) if each)),
        timing.total_ms,
        ", cold" if timing.cold else "",
        escape(times),
        timing.request_bytes,
        timing.response_bytes,
        f", {timing.dialect}" if timing.method else "",
        extra={"timing": {name: each for name, each in fields.items() if each is not None}},
    )


def span_times(timing: Timing) -> dict[str, float]:
    """Add up the spans of each name, in milliseconds, in the order of their first ends."""
    times: dict[str, float] = {}
    for span in timing.spans:
        times[span.name] = times.get(span.name, 0.0) + span.duration_ms
    return times
