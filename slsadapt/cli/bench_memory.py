"""Print what memory each route needs, and the advice that follows."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from ..bench.memory import COMMON_SIZES_MB, HEADROOM, advise, fitting_size
from ..testing.telling import printable
from .bench_burst import duration

if TYPE_CHECKING:
    from rich.console import Console

    from ..bench.memory import Advice
    from ..bench.report import Memory, Route

__all__ = ["print_memory"]

_WIDE = 100


def print_memory(console: Console, memory: Memory, advice: Advice | None = None) -> None:
    """Print a table of routes, hungriest first, and the advice in sentences.

    Peaks are the highest of all rounds, times their medians. The dim part of a bar is what was
    taken before the first event.

    Raises:
        BenchError: there are no routes.
    """
    advice = advice or advise(memory)
    loaded_kib = round(median(memory["loaded_kib"]))
    routes = sorted(memory["routes"], key=lambda route: max(route["peak_kib"]), reverse=True)
    highest_kib = max(routes[0]["peak_kib"])
    split = advice.split.routes if advice.split else ()
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    table.add_column("route", style="cyan", overflow="fold")
    for header in ("status", "peak"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for header in ("first", "later", "size"):
        table.add_column(header, justify="right", no_wrap=True)
    for route in routes:
        peak_kib = max(route["peak_kib"])
        fits_mb = fitting_size(peak_kib, COMMON_SIZES_MB)
        is_split = route["name"] in split
        table.add_row(
            Text(printable(route["name"]), "bold yellow" if is_split else ""),
            _status(route),
            f"{peak_kib / 1024:.0f} MiB",
            _bar(console, loaded_kib, peak_kib, highest_kib, is_split),
            duration(median(route["took_ms"])),
            duration(median(route["warm_ms"])) if route["warm_ms"] else "",
            Text(f"{fits_mb} MB" if fits_mb else "none", "yellow" if is_split else ""),
        )
    console.print(table)
    console.print(
        Text(
            f"In a fresh process a route: {loaded_kib / 1024:.0f} MiB were taken before its first "
            f"event, and its size has {HEADROOM - 1:.0%} more than its peak.",
            "dim",
        )
    )
    console.print()
    for sentence in advice.sentences:
        console.print(Text(printable(sentence)))
    if advice.size_mb:
        sizes = ", ".join(
            f"{vendor} {size_mb} MB" if size_mb else f"{vendor} has none"
            for vendor, size_mb in advice.vendor_mb.items()
        )
        console.print(Text(f"The smallest size of each: {sizes}.", "dim"))


def _status(route: Route) -> Text:
    status = route["status"]
    return Text(str(status) if status else "", "red" if status >= 500 else "")


def _bar(
    console: Console, loaded_kib: int, peak_kib: int, highest_kib: int, is_split: bool
) -> Text:
    """Draw what was taken already dim, and what the route takes bright."""
    mark = "#" if console.options.ascii_only else "━"
    width = 24 if console.width >= _WIDE else 10
    whole = max(1, round(width * peak_kib / highest_kib))
    base = min(whole, round(width * loaded_kib / highest_kib))
    style = "yellow" if is_split else "green"
    return Text.assemble((mark * base, "bright_black"), (mark * (whole - base), style))
