"""Print cold starts and warm calls: where they were measured, in numbers and in bars."""

from __future__ import annotations

from itertools import chain
from statistics import median
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from ..bench.stats import paired_ratio, summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ..bench.report import ColdCell, Report, WarmCell
    from ..bench.stats import Ratio

__all__ = ["new_table", "print_cold", "print_head", "print_states", "print_warm", "show_ratio"]

# Phases in their order, with what marks them: letters too, for who sees no colours.
PHASES = (
    ("interpreter", "bright_black", "░"),
    ("adapter", "yellow", "▓"),
    ("application", "blue", "█"),
    ("response", "green", "▒"),
)
_BAR_WIDTH = 48


def print_head(console: Console, report: Report) -> None:
    """Print what was measured, where, and in which versions."""
    environment = report["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    console.print(Text.assemble((report["target"], "bold"), f"  {report['events'][0]}"))
    console.print(
        f"slsadapt {report['slsadapt']}, {environment['python']}, {versions}\n"
        f"{environment['kernel']}, {environment['cpus']} x {environment['processor']}, "
        f"{environment['memory_mib']:,} MiB, load {environment['load']}",
        style="dim",
    )


def print_states(console: Console, cells: Sequence[ColdCell | WarmCell]) -> None:
    """Print under which conditions the cells were measured: what all share, and what differs."""
    names = {
        "process": "process",
        "bytecode": "bytecode",
        "page_cache": "page cache",
        "gc": "collector",
        "cpu": "processor",
        "adapter": "adapter",
    }
    states: list[dict[str, str]] = [{**cell["state"]} for cell in cells]  # type: ignore[dict-item]
    apart = [name for name in names if len({state[name] for state in states}) > 1]
    shared = [f"{names[name]} {states[0][name]}" for name in names if name not in apart]
    console.print("; ".join(shared), style="cyan")
    if apart:
        table = new_table("state", *(names[name] for name in apart))
        for cell, state in zip(cells, states, strict=True):
            table.add_row(cell["name"], *(state[name] for name in apart))
        console.print(table)
    console.print()


def print_cold(console: Console, report: Report) -> None:
    """Print phases, totals, ratios and what the processes grew to."""
    cells = report["cold"]
    print_head(console, report)
    console.print()
    print_states(console, cells)
    _print_bars(console, cells)
    rounds = len(cells[0]["samples"])
    phases = [name for name, _, _ in PHASES]
    table = new_table("phases, ms", *phases)
    for cell in cells:
        samples = cell["samples"]
        medians = [median([sample[f"{name}_ms"] for sample in samples]) for name in phases]  # type: ignore[literal-required]
        table.add_row(cell["name"], *(f"{value:.1f}" for value in medians))
    console.print(table)
    console.print()
    table = new_table(f"ms, {rounds} rounds", "median", "95 %", "p95", "max", "ratio")
    base = _totals(cells[0])
    for cell in cells:
        totals = _totals(cell)
        summary = summarize(totals)
        table.add_row(
            cell["name"],
            Text(f"{summary.median:.1f}", "bold"),
            _interval(summary.low, summary.high, ".0f"),
            f"{summary.p95:.1f}",
            f"{summary.maximum:.1f}",
            "1" if cell is cells[0] else show_ratio(paired_ratio(base, totals)),
        )
    console.print(table)
    console.print()
    table = new_table("same processes", "warm, µs", "p95", "max", "cold / warm", "MiB", "modules")
    for cell in cells:
        samples = cell["samples"]
        warm_us = list(chain.from_iterable(sample["warm_us"] for sample in samples))
        row = [""] * 4
        if warm_us:
            summary = summarize(warm_us)
            times = median(_totals(cell)) * 1000 / summary.median
            row = [
                f"{summary.median:.1f}",
                f"{summary.p95:.1f}",
                f"{summary.maximum:.1f}",
                f"{times:,.0f} x",
            ]
        rss_kib = median([sample["rss_kib"] for sample in samples])
        modules = median([sample["modules"] for sample in samples])
        table.add_row(cell["name"], *row, f"{rss_kib / 1024:.1f}", f"{modules:.0f}")
    console.print(table)
    console.print(
        "Cold is spawn to first response in this machine's process, warm is a call in it: the way "
        "through a gateway comes on top of both.",
        style="dim",
    )


def print_warm(console: Console, report: Report) -> None:
    """Print what calls take, in µs."""
    cells = report["warm"]
    if "cold" not in report:
        print_head(console, report)
        console.print()
    print_states(console, cells)
    calls = sum(map(len, cells[0]["rounds"]))
    table = new_table(f"µs, n = {calls:,}", "median", "95 %", "p95", "p99", "max", "ratio")
    base = [median(taken) for taken in cells[0]["rounds"]]
    for cell in cells:
        summary = summarize(list(chain.from_iterable(cell["rounds"])))
        # Calls of a round share its load: each round is one sample of the median, not hundreds.
        medians = [median(taken) for taken in cell["rounds"]]
        spread = summarize(medians)
        ratio = paired_ratio(base, medians)
        table.add_row(
            cell["name"],
            Text(f"{summary.median:.1f}", "bold"),
            _interval(spread.low, spread.high, ".1f" if summary.median < 100 else ".0f"),
            _figure(summary.p95),
            "n < 1000" if summary.p99 is None else _figure(summary.p99),
            _figure(summary.maximum),
            "1" if cell is cells[0] else show_ratio(ratio),
        )
    console.print(table)


def show_ratio(ratio: Ratio) -> str:
    """Write a ratio with its interval, ``"2.56 [2.46, 2.70]"``."""
    return f"{ratio.value:.2f} {_interval(ratio.low, ratio.high, '.2f')}".rstrip()


def _print_bars(console: Console, cells: Sequence[ColdCell]) -> None:
    """Print each cell's phases as a bar; the longest fills the width."""
    longest = max(median(_totals(cell)) for cell in cells)
    width = max(len(cell["name"]) for cell in cells)
    legend = Text(" " * width + "  ")
    for name, style, mark in PHASES:
        legend.append(mark, style).append(f" {name}  ")
    console.print(legend)
    for cell in cells:
        line = Text(f"{cell['name']:<{width}}  ")
        drawn = 0
        reached_ms = 0.0
        for name, style, mark in PHASES:
            reached_ms += median([sample[f"{name}_ms"] for sample in cell["samples"]])  # type: ignore[literal-required]
            ends = round(reached_ms / longest * _BAR_WIDTH)
            line.append(mark * (ends - drawn), style)
            drawn = max(drawn, ends)
        console.print(line.append(f" {median(_totals(cell)):.1f} ms", "bold"))
    console.print()


def _totals(cell: ColdCell) -> list[float]:
    return [sample["total_ms"] for sample in cell["samples"]]


def _figure(value: float) -> str:
    """Write a time; of large ones nobody reads the tenths."""
    return f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


def _interval(low: float | None, high: float | None, form: str) -> str:
    """Write an interval; too few samples have none."""
    if low is None or high is None:
        return ""
    return f"[{low:{form}}, {high:{form}}]"


def new_table(first: str, *columns: str) -> Table:
    """Make a table of numbers by name, or of states in words."""
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, style="cyan", min_width=15)
    for column in columns:
        # Words may wrap on a narrow terminal, numbers may not be cut.
        is_text = first == "state"
        table.add_column(column, justify="left" if is_text else "right", no_wrap=not is_text)
    return table
