"""Print how bursts went: a table, where its times come from, and when answers came."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from ..bench.stats import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ..bench.report import Burst

__all__ = ["duration", "print_burst"]

_LEVELS = " ▁▂▃▄▅▆▇█"
_ASCII_LEVELS = " .:-=+*#@"
_NAME_WIDTH = 12
_LINE_WIDTH = 60
_WIDE = 100


def print_burst(console: Console, bursts: Sequence[Burst]) -> None:
    """Print each arrangement in a row, its answers over time, and how its times were got.

    Times count from the arrival of all requests. They, and the counts, are of all rounds.
    """
    gap = 1 if console.width >= _WIDE else 0
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False, padding=(0, gap, 0, 0))
    table.add_column("at once", style="cyan", no_wrap=True)
    table.add_column("times", no_wrap=True)
    for header in ("ok", "failed", "min", "median", "p95", "max", "last after"):
        table.add_column(header, justify="right", no_wrap=True)
    for burst in bursts:
        table.add_row(*_row(burst))
    console.print(table)
    console.print()
    _print_timeline(console, bursts)
    console.print()
    for burst in bursts:
        kind = "modelled" if burst["modelled"] else "measured"
        console.print(Text.assemble((burst["name"], "bold"), f", {kind}: {burst['how']}."))
    if any(burst["modelled"] for burst in bursts):
        console.print(
            Text(
                "A model has no failures: whether a cloud starts as many instances at once as "
                "requests arrive, only the cloud can tell.",
                "dim",
            )
        )


def duration(ms: float) -> str:
    """Write ms with three digits, in a unit that suits: ``"45.1 µs"``, ``"3.41 s"``."""
    return " ".join(_scaled(ms))


def _scaled(ms: float) -> tuple[str, str]:
    value, unit = (ms * 1000, "µs") if ms < 0.9995 else (ms, "ms")
    if ms >= 999.5:
        return f"{ms / 1000:.2f}", "s"
    decimals = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{decimals}f}", unit


def _span(low_ms: float, high_ms: float) -> str:
    """Write a range with its unit once, ``"3.38-3.41 s"``, or one duration for two alike."""
    (low, low_unit), (high, unit) = _scaled(low_ms), _scaled(high_ms)
    if low_unit != unit:
        return f"{low} {low_unit}-{high} {unit}"
    return f"{high} {unit}" if low == high else f"{low}-{high} {unit}"


def _row(burst: Burst) -> list[Text | str]:
    ended_ms = _ended_ms(burst)
    failed = sum(each["failed"] for each in burst["rounds"])
    row: list[Text | str] = [
        burst["name"],
        Text("modelled", "italic yellow") if burst["modelled"] else Text("measured", "green"),
        str(len(ended_ms)),
        Text(str(failed), "bold red" if failed else ""),
    ]
    if not ended_ms:
        return row
    summary = summarize(ended_ms)
    times = (summary.minimum, summary.median, summary.p95, summary.maximum)
    lasts = [max(each["ended_ms"]) for each in burst["rounds"] if each["ended_ms"]]
    return [*row, *map(duration, times), _span(min(lasts), max(lasts))]


def _ended_ms(burst: Burst) -> list[float]:
    return sorted(ms for each in burst["rounds"] for ms in each["ended_ms"])


def _print_timeline(console: Console, bursts: Sequence[Burst]) -> None:
    """Draw which share of the requests was answered by when, all on one axis."""
    end_ms = max((ms for burst in bursts for ms in _ended_ms(burst)), default=0.0)
    if not end_ms:
        return
    levels = _ASCII_LEVELS if console.options.ascii_only else _LEVELS
    width = max(10, min(_LINE_WIDTH, console.width - _NAME_WIDTH - 2))
    for burst in bursts:
        ended_ms = _ended_ms(burst)
        total = len(ended_ms) + sum(each["failed"] for each in burst["rounds"])
        line = ""
        for column in range(1, width + 1):
            answered = bisect_right(ended_ms, end_ms * column / width)
            # Even a single answer is seen, and only when all have come the line is full.
            height = answered * (len(levels) - 1) // total
            line += levels[max(height, 1) if answered else 0]
        console.print(
            Text.assemble(f"{burst['name']:<{_NAME_WIDTH}}", (line, "cyan")), no_wrap=True
        )
    right = f"answered by {duration(end_ms)}"
    console.print(Text(f"{'':<{_NAME_WIDTH}}0{right:>{width - 1}}", "dim"))
