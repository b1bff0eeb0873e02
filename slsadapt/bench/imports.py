"""Measure what imports cost, who asks for them, and whether anything of them runs.

Times are ``-X importtime``'s, of several fresh processes; who imports what and which code runs is
watched in a process of its own by ``executed.py``. What the interpreter imports before the
application's turn is left out: no application can change it.

Source: https://docs.python.org/3/using/cmdline.html#cmdoption-X.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, TypedDict, cast

from ..errors import BenchError
from .processes import Conditions, run_fresh, status_of
from .stage import Prefixes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..gateways import JSON
    from .processes import Outcome
    from .report import Imported, Imports
    from .target import Target

__all__ = [
    "Loaded",
    "Observed",
    "measure_imports",
    "read_importtime",
]

_EXECUTED = Path(__file__).with_name("executed.py")
_VISIBLE = Path(__file__).with_name("visible.py")
# Not anchored in front: a line that the application began may stand there.
_LINE = re.compile(r"import time:\s+(-?\d+) \|\s+-?\d+ \| ( *)(\S.*)$")
_MARK = re.compile(r"slsadapt-bench: (adapter|application|event \d+|done)$")


class Observed(TypedDict):
    """What ``executed.py`` reports; names are those of modules."""

    importers: dict[str, list[str]]
    ran: list[str]
    called: list[str]
    runnable: list[str]


@dataclass(slots=True)
class Loaded:
    """A timed import, and those made during it."""

    name: str
    phase: str
    self_us: int
    children: list[Loaded] = field(default_factory=list)

    @property
    def cumulative_us(self) -> int:
        """Add up the time of the import and of those made during it."""
        return self.self_us + sum(child.cumulative_us for child in self.children)


def measure_imports(
    target: Target,
    events: Sequence[JSON],
    conditions: Conditions | None = None,
    *,
    runs: int = 5,
    tell: Callable[[int, int], None],
    python: str = sys.executable,
) -> Imports:
    """Import an application in fresh processes, and answer events there.

    Args:
        target: the application or function.
        events: answered in order, each once.
        conditions: how to start; ``process`` must be ``"spawn"``.
        runs: how many processes are timed; each module has the median of its times, in the tree
            of the run that took the median time.
        tell: called with what is done and what is to do.
        python: the interpreter.

    Raises:
        BenchError: the application cannot be imported, or raises in an event, or answers all
            events with a 5xx.
    """
    conditions = conditions or Conditions()
    outcome = run_fresh(target, events, conditions, observer=_EXECUTED, python=python)
    _check(target, events, outcome)
    tell(1, runs + 1)
    trees = []
    with tempfile.TemporaryDirectory(prefix="slsadapt-bench-") as folder:
        prefixes = Prefixes(outcome.modules, Path(folder), python)
        options = ("-X", "importtime", *prefixes.options(conditions.bytecode))
        for number in range(runs):
            timed = run_fresh(
                target, events, conditions, options=options, observer=_VISIBLE, python=python
            )
            trees.append(read_importtime(timed.stderr))
            tell(number + 2, runs + 1)
    observed = cast("Observed", outcome.observed)
    modules = _flatten(_merge(trees), observed, _own_modules(target, outcome))
    return {"modules": modules}


def read_importtime(text: str) -> list[Loaded]:
    """Read what ``-X importtime`` wrote between the marks of ``child.py``.

    Gives the imports that no other import made, in order. What the application wrote in between
    is passed over. Threads that import at the same time are told apart by nothing; their imports
    then may stand below a wrong one.
    """
    roots: list[Loaded] = []
    # Imports whose parent is still to come, with their depth: a parent's line follows them.
    waiting: list[tuple[int, Loaded]] = []
    phase = ""
    for line in text.split("\n"):
        if mark := _MARK.search(line):
            roots += [loaded for _, loaded in waiting]
            waiting.clear()
            phase = "" if mark[1] == "done" else mark[1]
        elif phase and (match := _LINE.search(line)):
            depth = len(match[2])
            loaded = Loaded(match[3], phase, max(int(match[1]), 0))
            while waiting and waiting[-1][0] > depth:
                loaded.children.append(waiting.pop()[1])
            loaded.children.reverse()
            waiting.append((depth, loaded))
    return roots + [loaded for _, loaded in waiting]


def _check(target: Target, events: Sequence[JSON], outcome: Outcome) -> None:
    """Refuse to tell unused what only failed to be used."""
    statuses = [status_of(*pair) for pair in zip(events, outcome.answers, strict=True)]
    for number, answer in enumerate(outcome.answers):
        if answer.error:
            raise BenchError(f"{target.label} raised in event {number}\n{answer.error}")
    if min(statuses) >= 500:
        raise BenchError(
            f"{target.label} must answer one event at least; its statuses are "
            f"{', '.join(map(str, statuses))}\n{outcome.stderr}".rstrip()
        )


def _merge(trees: list[list[Loaded]]) -> list[Loaded]:
    """Take the tree of the median total, and for each import the median of all runs."""
    totals = [sum(root.cumulative_us for root in roots) for roots in trees]
    chosen = trees[sorted(range(len(trees)), key=totals.__getitem__)[len(trees) // 2]]
    times: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for roots in trees:
        for key, loaded in _numbered(roots):
            times[key].append(loaded.self_us)
    # All are read before the first is changed, as the chosen tree is one of them.
    for key, loaded in list(_numbered(chosen)):
        loaded.self_us = round(median(times[key]))
    return chosen


def _numbered(roots: list[Loaded]) -> Iterable[tuple[tuple[str, str, int], Loaded]]:
    """Name each import by phase, module, and how often it was imported before."""
    seen: Counter[tuple[str, str]] = Counter()
    for loaded, _ in _walk(roots):
        seen[loaded.phase, loaded.name] += 1
        yield (loaded.phase, loaded.name, seen[loaded.phase, loaded.name]), loaded


def _walk(roots: Iterable[Loaded], parent: int = -1) -> Iterable[tuple[Loaded, int]]:
    """Give each import and its parent's number, parents before children."""
    number = -1
    ahead = [(loaded, parent) for loaded in reversed(list(roots))]
    while ahead:
        loaded, parent = ahead.pop()
        number += 1
        yield loaded, parent
        ahead += [(child, number) for child in reversed(loaded.children)]


def _flatten(roots: list[Loaded], observed: Observed, own: set[str]) -> list[Imported]:
    """Make the report's list. Of an import the modules that it imports are taken to come first."""
    ran, called = set(observed["ran"]), set(observed["called"])
    runnable = set(observed["runnable"])
    modules: list[Imported] = []
    # By module, when the next one below it begins; -1 is the top.
    next_us = {-1: 0}
    for number, (loaded, parent) in enumerate(_walk(roots)):
        name, began_us, cumulative_us = loaded.name, next_us[parent], loaded.cumulative_us
        next_us[parent] += cumulative_us
        next_us[number] = began_us
        # Of each importer the first line is enough.
        importers: dict[str, str] = {}
        for place in observed["importers"].get(name, []):
            importers.setdefault(place.rpartition(":")[0], place)
        modules.append(
            {
                "name": name,
                "parent": parent,
                "phase": loaded.phase,
                "began_us": began_us,
                "self_us": loaded.self_us,
                "cumulative_us": cumulative_us,
                "package": name.partition(".")[0],
                "used": name in ran if name in runnable or name in ran else None,
                "importers": [*importers.values()],
                "own": name in own,
                "called": name in called,
            }
        )
    return modules


def _own_modules(target: Target, outcome: Outcome) -> set[str]:
    """Tell the application's modules from those that are installed, in the same folder perhaps."""
    folder = target.folder.resolve()
    installed = {
        file.parts[0]
        for distribution in distributions(path=[str(folder)])
        for file in distribution.files or ()
    }
    own = set()
    for module in outcome.modules:
        file = Path(module.file)
        if not module.file or not file.is_relative_to(folder):
            continue
        parts = file.relative_to(folder).parts
        if parts[0] not in installed and not {"site-packages", "dist-packages"} & set(parts):
            own.add(module.name)
    return own
