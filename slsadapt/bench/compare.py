"""Compare what was measured: two reports, or two cells of one.

Two reports are of two times, and a machine is rarely twice the same; ``caveats`` tells what
differs but for the application. Cells of one report took turns, so that they can be trusted with
smaller differences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING, Literal, cast

from ..errors import BenchError
from .stats import Ratio, paired_ratio, unpaired_ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .report import Report, State

__all__ = ["Comparison", "Verdict", "caveats", "compare", "exceeds", "paired", "parse_limit"]

Verdict = Literal["slower", "faster", "larger", "smaller", "no difference shown", "too few to tell"]
Part = Literal["cold", "warm", "memory"]
Unit = Literal["ms", "µs", "KiB"]

_PHASES = ("interpreter", "adapter", "application", "response")
_UNITS: dict[Part, Unit] = {"cold": "ms", "warm": "µs", "memory": "KiB"}

# By how much a bare interpreter's start may differ before the machine is said to differ.
_SAME_MACHINE = 0.02


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure, before and after.

    Args:
        name: what was measured, ``"cold (spawn, no bytecode)"``.
        phase: which part of it, ``"application"``; empty for all of it.
        unit: of the medians.
        base: median before.
        new: median after.
        ratio: of new to base. That of cells which took turns is taken within rounds, and need not
            be the ratio of the medians.
    """

    name: str
    phase: str
    unit: Unit
    base: float
    new: float
    ratio: Ratio

    @property
    def verdict(self) -> Verdict:
        """Say what the interval shows."""
        if self.ratio.low is None or self.ratio.high is None:
            return "too few to tell"
        if self.ratio.low > 1:
            return "larger" if self.unit == "KiB" else "slower"
        if self.ratio.high < 1:
            return "smaller" if self.unit == "KiB" else "faster"
        return "no difference shown"


def compare(base: Report, new: Report) -> list[Comparison]:
    """Compare what both reports measured under one name: cold starts, warm calls and memory.

    Their samples are not paired. What is zero in one of them, as the adapter where there is none,
    has no ratio and is left out; ``caveats`` names what only one of them has.

    Raises:
        BenchError: they have nothing in common, so that no difference could ever be found.
    """
    comparisons = list(_common(base, new))
    if not comparisons:
        before, after = (", ".join(sorted(_names(each))) or "nothing" for each in (base, new))
        raise BenchError(
            "two reports must have something in common to be compared; the base has "
            f"{before}, the new one {after}"
        )
    return comparisons


def paired(report: Report, base: str, new: str) -> list[Comparison]:
    """Compare two cells of one report, which took turns: its cold starts, warm calls, or both.

    Args:
        report: where they are.
        base: name of the one.
        new: name of the other.

    Returns:
        comparisons under the name of the new one.

    Raises:
        BenchError: no part of the report has both, or they have no round in common.
    """
    figures = _figures(report)
    comparisons: list[Comparison] = []
    for (part, cell, phase), before in figures.items():
        after = figures.get((part, new, phase))
        if cell == base and after and part != "memory":
            rounds = sorted(before.keys() & after.keys())
            pair = [before[number] for number in rounds], [after[number] for number in rounds]
            comparisons += _compared(_name(part, new), phase, _UNITS[part], *pair, paired_ratio)
    if not comparisons:
        names = dict.fromkeys(cell for part, cell, _ in figures if part != "memory")
        raise BenchError(
            f"{base!r} and {new!r} must be measured in the same rounds of one report; it has "
            f"{', '.join(map(repr, names)) or 'no such cells'}"
        )
    return comparisons


def exceeds(comparison: Comparison, limit: float) -> bool:
    """Tell whether it is shown to be more than ``limit`` above the base; 0.05 is 5 %.

    A ratio above the limit is not enough: its whole interval has to be.
    """
    return comparison.ratio.low is not None and comparison.ratio.low > 1 + limit


def parse_limit(text: str) -> float:
    """Read a percentage: ``"5%"`` is 0.05.

    The sign is not optional, since 5 might be meant as 5 % and 0.05 as well.

    Raises:
        BenchError: it is something else.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?%", text.strip())
    if not found:
        raise BenchError(f"a limit must be a percentage such as '5%' or '2.5%', got {text!r}")
    return float(found[1]) / 100


def caveats(base: Report, new: Report) -> list[str]:
    """Say, a sentence each, what else differs between two reports, or is only in one of them."""
    return [
        *_conditions(base, new),
        *_load("base", base),
        *_load("new one", new),
        *_machine(base, new),
        *_missing(base, new),
    ]


def _common(base: Report, new: Report) -> Iterator[Comparison]:
    figures = _figures(new)
    for (part, cell, phase), before in _figures(base).items():
        if after := figures.get((part, cell, phase)):
            pair = [*before.values()], [*after.values()]
            yield from _compared(_name(part, cell), phase, _UNITS[part], *pair, unpaired_ratio)


def _compared(
    name: str,
    phase: str,
    unit: Unit,
    before: list[float],
    after: list[float],
    measure: Callable[[list[float], list[float]], Ratio],
) -> Iterator[Comparison]:
    """Compare one figure, unless there is nothing to divide by, or nothing to divide."""
    if before and after and min(*before, *after) > 0:
        ratio = measure(before, after)
        yield Comparison(name, phase, unit, median(before), median(after), ratio)


def _figures(report: Report) -> dict[tuple[Part, str, str], dict[int, float]]:
    """Collect a report's figures in its order: by part, cell and phase, one sample a round."""
    figures: dict[tuple[Part, str, str], dict[int, float]] = {}
    for cold in report.get("cold", ()):
        for phase in ("", *_PHASES):
            figures["cold", cold["name"], phase] = {
                sample["round"]: cast("dict[str, float]", sample)[f"{phase or 'total'}_ms"]
                for sample in cold["samples"]
            }
    for warm in report.get("warm", ()):
        # The calls of a round have its load in common; they are one sample of it, not hundreds.
        medians = {number: median(calls) for number, calls in enumerate(warm["rounds"]) if calls}
        figures["warm", warm["name"], ""] = medians
    if memory := report.get("memory"):
        figures["memory", "loaded", ""] = dict(enumerate(memory["loaded_kib"]))
        for route in memory["routes"]:
            figures["memory", route["name"], ""] = dict(enumerate(route["peak_kib"]))
    return figures


def _name(part: Part, cell: str) -> str:
    return f"{part} ({cell})"


def _names(report: Report) -> set[str]:
    return {_name(part, cell) for part, cell, _ in _figures(report)}


def _states(report: Report) -> dict[str, State]:
    """Collect the states of a report's cells, by the names that comparisons have."""
    return {
        **{_name("cold", cell["name"]): cell["state"] for cell in report.get("cold", ())},
        **{_name("warm", cell["name"]): cell["state"] for cell in report.get("warm", ())},
    }


def _conditions(base: Report, new: Report) -> Iterator[str]:
    """Compare target, events, environment, versions, and the states of cells."""
    yield from _differing("target", base["target"], new["target"])
    yield from _differing("events", ", ".join(base["events"]), ", ".join(new["events"]))
    then, now = base["environment"], new["environment"]
    yield from _differing("Python", then["python"], now["python"])
    yield from _differing("kernel", then["kernel"], now["kernel"])
    yield from _differing("processor", then["processor"], now["processor"])
    yield from _differing("number of CPUs", then["cpus"], now["cpus"])
    yield from _differing("memory in MiB", then["memory_mib"], now["memory_mib"])
    for name in sorted(then["versions"].keys() | now["versions"].keys()):
        yield from _differing(
            f"version of {name}",
            then["versions"].get(name, "none"),
            now["versions"].get(name, "none"),
        )
    before, after = _states(base), _states(new)
    for name in sorted(before.keys() & after.keys()):
        state = cast("dict[str, object]", after[name])
        for member, value in before[name].items():
            what = f"{member.replace('_', ' ')} of {name}"
            yield from _differing(what, value, state[member])


def _differing(what: str, then: object, now: object) -> Iterator[str]:
    if then != now:
        yield f"{what}: {then}, now {now}"


def _load(which: str, report: Report) -> Iterator[str]:
    environment = report["environment"]
    if environment["load"] >= environment["cpus"]:
        yield (
            f"the machine was busy when the {which} was made: load {environment['load']:g} on "
            f"{environment['cpus']} CPUs"
        )


def _machine(base: Report, new: Report) -> Iterator[str]:
    """Compare how long the bare interpreter took to start: an application has no part in it."""
    if base["environment"]["python"] != new["environment"]["python"]:
        return
    starts = (each for each in _common(base, new) if each.phase == "interpreter")
    # One is enough: the cells of a report share the machine.
    for start in islice(starts, 1):
        ratio = start.ratio
        if (ratio.low or 0) > 1 + _SAME_MACHINE or (ratio.high or 1) < 1 - _SAME_MACHINE:
            yield (
                f"the bare interpreter took {ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] "
                f"times as long to start in {start.name}: the machine differed, not only the "
                "application; measure both in one run"
            )


def _missing(base: Report, new: Report) -> Iterator[str]:
    before, after = _names(base), _names(new)
    yield from (f"only the base has {name}" for name in sorted(before - after))
    yield from (f"only the new one has {name}" for name in sorted(after - before))
