"""Compare two reports, or two targets that take turns, and print what differs."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.text import Text

from ..bench.cold import Contender, contenders, measure_cold
from ..bench.compare import caveats, compare, exceeds, paired
from ..bench.report import read_report
from ..errors import BenchError
from .bench_cold import new_table, print_head, print_states, show_ratio
from .benching import Session, choose_adapters
from .measured import open_target
from .terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from ..bench.compare import Comparison

__all__ = ["compare_reports", "compare_targets"]

_STYLES = {"slower": "bold red", "larger": "bold red", "faster": "green", "smaller": "green"}


def compare_reports(base: Path, new: Path, limit: float | None) -> bool:
    """Print how two reports differ.

    Returns:
        whether anything is shown to be above the limit.

    Raises:
        BenchError: one of them is no report.
        click.UsageError: one of them is not there.
    """
    console = open_console()
    before, now = read_report(base), read_report(new)
    for caveat in caveats(before, now):
        console.print(f"! {caveat}", style="yellow", markup=False)
    return _print(console, compare(before, now), limit)


def compare_targets(
    base: str,
    new: str,
    event: Path | None,
    rounds: int,
    options: dict[str, Any],
    limit: float | None,
) -> bool:
    """Measure cold starts of two targets in turns, and print how they differ.

    Returns:
        whether anything is shown to be above the limit.

    Raises:
        BenchError: one of them cannot be measured.
    """
    with ExitStack() as stack:
        session = Session(stack, new, (event,), options)
        other = open_target(base, stack)
        labels = (base, new) if base != new else ("base", "new")
        asked = options["adapters"]
        theirs = choose_adapters(other, session.event, asked)
        pairs = []
        for mine in contenders(session.target, session.cells):
            # A function may bring another adapter than its successor.
            conditions = mine.conditions if asked else replace(mine.conditions, adapter=theirs[0])
            names = [f"{label}, {mine.name}" for label in labels]
            pairs.append(
                (
                    Contender(names[0], other, conditions),
                    Contender(names[1], session.target, mine.conditions),
                )
            )
        session.report["target"] = f"{base} and {new}"
        session.report["cold"] = measure_cold(
            [contender for pair in pairs for contender in pair],
            session.event,
            rounds=rounds,
            seed=options["seed"],
            tell=lambda done, total: session.tell(done, total, "cold starts in turns"),
        )
        comparisons = []
        for before, now in pairs:
            comparisons += paired(session.report, before.name, now.name)

        def show(console: Console, report: Any) -> None:
            print_head(console, report)
            console.print()
            print_states(console, report["cold"])

        session.finish(show)
        return _print(session.console, comparisons, limit)


def _print(console: Console, comparisons: Sequence[Comparison], limit: float | None) -> bool:
    """Print a table; what is above the limit is marked, parts of a start excepted."""
    table = new_table("", "base", "new", "ratio", "")
    exceeded = False
    for comparison in comparisons:
        verdict: str = comparison.verdict
        style = _STYLES.get(verdict, "dim")
        # Each of the parts would be another chance of a false alarm.
        if limit is not None and not comparison.phase and exceeds(comparison, limit):
            exceeded = True
            verdict += f", by more than {limit * 100:g} %"
        name = f"  {comparison.phase}" if comparison.phase else comparison.name
        unit = comparison.unit
        table.add_row(
            name,
            f"{comparison.base:,.1f} {unit}",
            f"{comparison.new:,.1f} {unit}",
            show_ratio(comparison.ratio),
            Text(verdict, style),
        )
    console.print(table)
    if limit is not None and all(each.ratio.low is None for each in comparisons):
        raise BenchError("too few samples to tell anything; measure at least 6 rounds")
    return exceeded
