"""Measure what memory each route needs, and tell which size to buy and what to split off.

Clouds sell memory in sizes and bill size times duration, so a function is as dear as its hungriest
route. The sizes:

- Tencent SCF: https://cloud.tencent.com/document/product/583/11637
- AWS Lambda: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
- Alibaba FC: https://www.alibabacloud.com/help/en/fc/instance-types-and-instance-modes
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from ..errors import BenchError
from .processes import run_fresh, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..gateways import JSON
    from .processes import Conditions
    from .report import Memory, Route
    from .target import Target

__all__ = [
    "COMMON_SIZES_MB",
    "HEADROOM",
    "VENDOR_SIZES_MB",
    "Advice",
    "Split",
    "advise",
    "fitting_size",
    "measure_memory",
]

# Vendors' MB are 1024 KiB each. 64 MB is sold by Tencent alone, and 3072 MB the most that it sells.
COMMON_SIZES_MB = (64, 128, 256, 512, 1024, 2048, 3072)
VENDOR_SIZES_MB: dict[str, Sequence[int]] = {
    "Tencent SCF": (64, *range(128, 3073, 128)),
    "AWS Lambda": range(128, 10241),
    "Alibaba FC": range(128, 32769, 64),
}
# For the vendor's own runtime, for larger requests, and for what grows in an instance's life.
HEADROOM = 1.25
_WARM_CALLS = 5


def measure_memory(
    target: Target,
    cases: Sequence[tuple[str, JSON]],
    conditions: Conditions,
    *,
    rounds: int = 3,
    tell: Callable[[str], None] = lambda line: None,
) -> Memory:
    """Answer each case in a fresh process, then all of them in one, the lightest first.

    Instances serve all routes, and keep what each of them leaves in memory: ``together_kib`` of a
    route is its peak in the process that answered all lighter ones before.

    Args:
        target: the application or function.
        cases: routes, ``"GET /segment?text=..."``, each with its event.
        conditions: how the processes are started; ``process`` must be ``"spawn"``.
        rounds: how often all this is done.
        tell: called before each process with what it answers, ``rounds * (len(cases) + 1)`` times,
            or ``rounds`` times for a single case.

    Returns:
        Routes in the order of the cases; ``warm_ms`` are medians of a few calls, one a process.

    Raises:
        BenchError: there are no cases, or a process ended before it answered.
    """
    if not cases:
        raise BenchError("memory is measured by route: give one event or more")
    loaded_kib = []
    routes: list[Route] = [
        {
            "name": name,
            "status": 0,
            "peak_kib": [],
            "took_ms": [],
            "warm_ms": [],
            "together_kib": [],
        }
        for name, _ in cases
    ]
    for _ in range(rounds):
        loaded = []
        for route, (name, event) in zip(routes, cases, strict=True):
            tell(name)
            outcome = run_fresh(target, [event], conditions, calls=_WARM_CALLS)
            (answer,) = outcome.answers
            loaded.append(outcome.loaded_rss_kib)
            route["status"] = max(route["status"], status_of(event, answer))
            route["peak_kib"].append(answer.peak_kib)
            route["took_ms"].append(answer.took_ms)
            if outcome.warm_us:
                route["warm_ms"].append(median(outcome.warm_us) / 1000)
        loaded_kib.append(round(median(loaded)))
        if len(cases) > 1:
            tell("all of them, one after another")
            order = sorted(range(len(cases)), key=lambda at: routes[at]["peak_kib"][-1])
            outcome = run_fresh(target, [cases[at][1] for at in order], conditions)
            for at, answer in zip(order, outcome.answers, strict=True):
                routes[at]["together_kib"].append(answer.peak_kib)
    return {"loaded_kib": loaded_kib, "routes": routes}


@dataclass(frozen=True, slots=True)
class Split:
    """Two functions instead of one.

    Attributes:
        routes: those for a function of their own, hungriest first.
        rest: how many routes stay.
        needed_kib: what these need.
        size_mb: the size that they fit.
        saved: share of the GB-seconds of each of their requests that the smaller size saves.
    """

    routes: tuple[str, ...]
    rest: int
    needed_kib: int
    size_mb: int
    saved: float


@dataclass(frozen=True, slots=True)
class Advice:
    """Which size a function needs as a whole, and what to split off.

    Attributes:
        needed_kib: the highest peak, of any route or of all in one instance.
        size_mb: the smallest size with headroom over it, None where none is large enough.
        vendor_mb: the same among all that each vendor sells.
        split: None where nothing is to be gained.
        sentences: all of it in words.
    """

    needed_kib: int
    size_mb: int | None
    vendor_mb: dict[str, int | None]
    split: Split | None
    sentences: tuple[str, ...]


def advise(memory: Memory, sizes: Sequence[int] = COMMON_SIZES_MB) -> Advice:
    """Tell which memory size the function needs, and which routes alone need it.

    Routes are split off where fewer than half of them keep the others from a smaller size. Of
    several ways, that one is taken which saves most if all routes are asked for equally often.

    Args:
        memory: as measured.
        sizes: to choose from, in MB.

    Raises:
        BenchError: there are no routes.
    """
    routes = memory["routes"]
    if not routes:
        raise BenchError("the report holds no routes to advise on")
    needed_kib = _together(routes)
    size_mb = fitting_size(needed_kib, sizes)
    split = _best_split(routes, size_mb, sizes) if size_mb else None
    vendor_mb = {vendor: fitting_size(needed_kib, sold) for vendor, sold in VENDOR_SIZES_MB.items()}
    return Advice(
        needed_kib,
        size_mb,
        vendor_mb,
        split,
        tuple(_sentences(routes, needed_kib, size_mb, max(sizes), split)),
    )


def fitting_size(needed_kib: int, sizes_mb: Sequence[int]) -> int | None:
    """Tell the smallest size with ``HEADROOM`` over a need, None where none is large enough."""
    fitting = [size for size in sizes_mb if size * 1024 >= needed_kib * HEADROOM]
    return min(fitting, default=None)


def _alone(route: Route) -> int:
    return max(route["peak_kib"])


def _together(routes: Sequence[Route]) -> int:
    """Tell what an instance needs that serves these routes and none that is heavier."""
    return max(peak for each in routes for peak in each["peak_kib"] + each["together_kib"])


def _best_split(routes: Sequence[Route], size_mb: int, sizes: Sequence[int]) -> Split | None:
    ordered = sorted(routes, key=_alone, reverse=True)
    best, best_saved = None, 0.0
    for count in range(1, (len(ordered) + 1) // 2):
        heavy, rest = ordered[:count], ordered[count:]
        needed_kib = _together(rest)
        small_mb = fitting_size(needed_kib, sizes)
        # Nothing is heavy that would fit the smaller size itself.
        if not small_mb or (fitting_size(_alone(heavy[-1]), sizes) or size_mb) <= small_mb:
            continue
        saved = 1 - small_mb / size_mb
        if saved * len(rest) > best_saved:
            best_saved = saved * len(rest)
            names = tuple(route["name"] for route in heavy)
            best = Split(names, len(rest), needed_kib, small_mb, saved)
    return best


def _sentences(
    routes: Sequence[Route],
    needed_kib: int,
    size_mb: int | None,
    largest_mb: int,
    split: Split | None,
) -> list[str]:
    if needed_kib > max(map(_alone, routes)):
        peak = (
            "an instance that answered all routes in turn, and kept what each of them left in "
            f"memory, took {_mib(needed_kib)} at its peak"
        )
    else:
        peak = f"its hungriest route takes {_mib(needed_kib)} at its peak"
    if size_mb is None:
        told = [
            f"No size up to {largest_mb} MB is enough with a quarter more in reserve: {peak}. "
            "Process less at once, or look for a larger size."
        ]
    else:
        told = [
            f"The function needs {size_mb} MB: {peak}, and a quarter more is in reserve for the "
            "cloud's own runtime and for larger requests."
        ]
    if split:
        one = len(split.routes) == 1
        rest = "the other route" if split.rest == 1 else f"the other {split.rest} routes"
        told.append(
            f"Only {_listed(split.routes)} {'needs' if one else 'need'} that much: in a function "
            f"of {'its' if one else 'their'} own {'it leaves' if one else 'they leave'} {rest} with"
            f" {_mib(split.needed_kib)}, for which {split.size_mb} MB are enough. Each of their "
            f"requests then costs {split.saved:.0%} fewer GB-seconds, if it takes as long as now."
        )
        told.append(
            "Some clouds, AWS Lambda among them, give processor time in proportion to memory: "
            "compare durations at both sizes before you rely on it."
        )
    if failed := [route["name"] for route in routes if route["status"] >= 500]:
        told.append(
            f"{_listed(failed)} failed: what {'it needs' if len(failed) == 1 else 'they need'} "
            "in success is not known."
        )
    return told


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _mib(kib: int) -> str:
    return f"{kib / 1024:.0f} MiB"
