"""What the doctor found, in words for people and numbers to sort by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["SEVERITIES", "Finding", "Severity", "ordered"]

Severity = Literal["fails", "risk", "slow", "costly"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Args:
        check: what was looked at, one word: ``"bytecode"``.
        severity: it fails in the cloud; it may fail there or give something away; it makes
            starts slower; it costs money or memory.
        where: places, the first one first: ``"app.py:12"``, a path, a distribution; may be empty.
        found: what there is.
        costs: what comes of it.
        advice: what to do.
        cost_ms: what it adds to a start or a first request, as measured here; 0 for nothing known.
        cost_bytes: what it adds to the package or to each answer.
    """

    check: str
    severity: Severity
    where: tuple[str, ...]
    found: str
    costs: str
    advice: str
    cost_ms: float = 0.0
    cost_bytes: int = 0


def ordered(findings: list[Finding]) -> list[Finding]:
    """Sort by severity, and within one by what it costs, most first."""
    return sorted(
        findings,
        key=lambda each: (
            SEVERITIES.index(each.severity),
            -each.cost_ms,
            -each.cost_bytes,
            each.check,
            each.where,
        ),
    )
