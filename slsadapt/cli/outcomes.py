"""Tell how replays went: to people what is not the same, to programs all."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.text import Text

from ..testing import telling
from ..testing.replay import request_of
from .terminal import open_console, request_line

if TYPE_CHECKING:
    from rich.console import Console

    from ..testing.cassettes import Cassette
    from ..testing.replay import Outcome

    Pair = tuple[Cassette, Outcome]

__all__ = ["describe", "is_fault", "print_outcomes"]

_STYLES = {
    "different": "bold red",
    "failed": "bold red",
    "skipped": "yellow",
    "where": "cyan",
    "expected": "red",
    "found": "green",
    "note": "dim",
}
# Words for how many, in the order of the summary.
_WORDS = {
    "same": ("same", "green"),
    "explained": ("same but for the gateways", "green"),
    "unrecorded": ("answered, with nothing recorded", "green"),
    "updated": ("updated", "yellow"),
    "different": ("different", "bold red"),
    "failed": ("failed", "bold red"),
    "skipped": ("skipped", "yellow"),
}
# Of the function's traceback, from its end.
_TRACE_LINES = 12


def is_fault(outcome: Outcome) -> bool:
    """Tell whether something is not as it should be."""
    return outcome.status in ("different", "failed")


def _counts(pairs: list[Pair], updated: set[str]) -> dict[str, int]:
    """Count outcomes, by words."""
    counts = dict.fromkeys(_WORDS, 0)
    for cassette, outcome in pairs:
        word: str = outcome.status
        if cassette.origin in updated:
            word = "updated"
        elif word == "same" and outcome.reason:
            word = "unrecorded"
        elif word == "same" and outcome.differences:
            word = "explained"
        counts[word] += 1
    return counts


def describe(pairs: list[Pair], updated: set[str], took_s: float) -> dict[str, Any]:
    """Write everything as JSON."""
    described = []
    for cassette, outcome in pairs:
        request = request_of(cassette)
        described.append(
            {
                "origin": cassette.origin,
                "request": request and f"{request.method} {request.path}",
                "status": outcome.status,
                "reason": outcome.reason,
                "differences": [telling.describe(each) for each in outcome.differences],
                "updated": cassette.origin in updated,
                "duration_ms": round(outcome.duration_ms, 3),
            }
        )
    return {
        "cassettes": described,
        "counts": _counts(pairs, updated),
        "duration_s": round(took_s, 3),
    }


def print_outcomes(pairs: list[Pair], updated: set[str], took_s: float) -> None:
    """Print what is not the same, and a summary."""
    console = open_console()
    for cassette, outcome in pairs:
        if outcome.differences or outcome.status in ("failed", "skipped"):
            _print_outcome(console, cassette, outcome, cassette.origin in updated)
    summary = Text(", ").join(
        Text(f"{count} {_WORDS[each][0]}", _WORDS[each][1])
        for each, count in _counts(pairs, updated).items()
        if count
    )
    console.print(Text.assemble(summary, (f" in {took_s:.1f} s", "dim")))


def _print_outcome(
    console: Console, cassette: Cassette, outcome: Outcome, is_updated: bool
) -> None:
    status = outcome.status
    words = [(cassette.origin, "bold"), ("  ", "")]
    if request := request_of(cassette):
        words += [(request_line(request), ""), ("  ", "")]
    if is_updated:
        words.append(("updated", "yellow"))
    elif status == "same":
        words.append(("same but for the gateways", "green"))
    else:
        words.append((status, _STYLES[status]))
    if status == "skipped":
        words.append((f": {telling.printable(outcome.reason)}", ""))
    console.print(Text.assemble(*words))
    if status == "skipped":
        return
    if outcome.reason and not outcome.trace:
        console.print(Text(f"  {telling.printable(outcome.reason)}"))
    # What is explained comes last, its reason once.
    ordered = sorted(outcome.differences, key=lambda each: each.explained)
    for reason, group in groupby(ordered, key=lambda each: each.explained):
        for difference in group:
            for line in telling.render(difference.because("")):
                pieces = [(text, "dim" if reason else _STYLES.get(role, "")) for text, role in line]
                console.print(Text.assemble("  ", *pieces))
        if reason:
            console.print(Text(f"  {reason}", "italic"))
    secrets = [path for path in cassette.redacted if path.startswith("event.")]
    if secrets and is_fault(outcome) and not is_updated:
        console.print(Text(f"  the event was sent without secrets: {', '.join(secrets)}", "dim"))
    if outcome.trace:
        for row in outcome.trace.rstrip().splitlines()[-_TRACE_LINES:]:
            console.print(Text(f"  {telling.printable(row)}", "dim"))
    console.print()
