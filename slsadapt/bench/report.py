"""The shape of a report: what ``--json`` writes, what pages and comparisons read.

A report holds raw samples, never only their summary, and the environment that they were taken in.
Each measurement is one part of it; what was not measured is not there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, TypedDict, cast

from ..errors import BenchError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "FORMAT",
    "Burst",
    "BurstRound",
    "ColdCell",
    "ColdSample",
    "Environment",
    "Imported",
    "Imports",
    "Memory",
    "Report",
    "Route",
    "State",
    "WarmCell",
    "read_report",
    "write_report",
]

# Raised by one when a reader of older reports would misread newer ones.
FORMAT = 1


class State(TypedDict):
    """Under which conditions a cell was measured; each member is text to print."""

    process: str
    bytecode: str
    page_cache: str
    gc: str
    cpu: str
    adapter: str


class Environment(TypedDict):
    """Where a report was made."""

    python: str
    kernel: str
    processor: str
    cpus: int
    memory_mib: int
    load: float
    versions: dict[str, str]


class ColdSample(TypedDict):
    """One process from spawn to its first response; phases in ms add up to ``total_ms``."""

    round: int
    interpreter_ms: float
    adapter_ms: float
    application_ms: float
    response_ms: float
    total_ms: float
    rss_kib: int
    modules: int
    warm_us: list[float]


class ColdCell(TypedDict):
    """The samples of one state, one a round."""

    name: str
    state: State
    samples: list[ColdSample]


class WarmCell(TypedDict):
    """The calls of one state in µs, by round."""

    name: str
    state: State
    rounds: list[list[float]]


class BurstRound(TypedDict):
    """One burst: when each request was answered, in ms after all of them arrived."""

    began_ms: list[float]
    ended_ms: list[float]
    failed: int


class Burst(TypedDict):
    """One arrangement under bursts; ``how`` says in a sentence where its times come from."""

    name: str
    modelled: bool
    how: str
    rounds: list[BurstRound]


class Imported(TypedDict):
    """One module of the import tree, parents before their children.

    ``parent`` is an index into the list, -1 at the top. ``phase`` is ``"adapter"``,
    ``"application"`` or ``"event N"``. ``began_us`` counts from the first import of all.
    ``used`` tells whether code of it ran while the events were answered; None where there is no
    code to run, as in extension modules; ``called``, whether others called it while something was
    imported. ``importers`` are the places that ask for it, ``"module:line"``, the one that had to
    wait for it first. ``own`` are the application's modules.
    """

    name: str
    parent: int
    phase: str
    began_us: int
    self_us: int
    cumulative_us: int
    package: str
    used: bool | None
    called: bool
    importers: list[str]
    own: bool


class Imports(TypedDict):
    """The import tree of one run."""

    modules: list[Imported]


class Route(TypedDict):
    """What one event needs of a fresh process, by round.

    ``together_kib`` is the peak in a process that answered the lighter routes before, as
    instances do; it is empty for a single route.
    """

    name: str
    status: int
    peak_kib: list[int]
    took_ms: list[float]
    warm_ms: list[float]
    together_kib: list[int]


class Memory(TypedDict):
    """What each route needs; ``loaded_kib`` is resident before the first event, by round."""

    loaded_kib: list[int]
    routes: list[Route]


class _Head(TypedDict):
    format: int
    slsadapt: str
    made: str
    target: str
    events: list[str]
    environment: Environment


class Report(_Head, total=False):
    """One run of ``slsadapt bench``."""

    cold: list[ColdCell]
    warm: list[WarmCell]
    burst: list[Burst]
    imports: Imports
    memory: Memory


Part = Literal["cold", "warm", "burst", "imports", "memory"]


def write_report(report: Report, file: Path) -> None:
    """Write a report as JSON, one line a member so that it can be read and diffed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_report(file: Path) -> Report:
    """Read what ``write_report`` wrote.

    Raises:
        BenchError: the file holds no report, or one of a newer slsadapt.
    """
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        form = report["format"]
    except OSError as error:
        raise BenchError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"{file} must hold a report of 'slsadapt bench --json'; got {type(error).__name__}: "
            f"{error}"
        ) from None
    if form != FORMAT:
        raise BenchError(f"{file} has format {form!r}, and this slsadapt reads {FORMAT}")
    return cast("Report", report)
