"""Say which imports are to blame: by package, by line, by what nothing ran of, and against before.

All of it is read from what ``imports.py`` measured, or from a report of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .report import Imported, Imports

__all__ = [
    "Blame",
    "Change",
    "Line",
    "Unused",
    "diff",
    "direct",
    "first_level",
    "idle",
    "in_events",
    "phases",
    "unused",
]


@dataclass(frozen=True, slots=True)
class Blame:
    """What a package costs, with all its modules.

    Attributes:
        package: its top-level name.
        self_us: of its modules, without what these import from elsewhere.
        cumulative_us: of its first import, with all that it was the first to import.
        modules: how many it has.
        runnable: how many of them hold functions.
        ran: of how many of these a function ran.
        own: whether it is the application's.
    """

    package: str
    self_us: int
    cumulative_us: int
    modules: int
    runnable: int
    ran: int
    own: bool


@dataclass(frozen=True, slots=True)
class Line:
    """An import that had to wait.

    Attributes:
        place: ``"module:line"``, ``""`` where it is not known.
        names: the modules that it was the first to import.
        phase: when.
        cumulative_us: how long it took.
        own: whether it stands in the application's code.
    """

    place: str
    names: tuple[str, ...]
    phase: str
    cumulative_us: int
    own: bool


@dataclass(frozen=True, slots=True)
class Unused:
    """A module or package of which nothing ran while the events were answered.

    Attributes:
        name: with all below it.
        self_us: of its modules.
        saved_us: of all modules that nobody else asks for either.
        modules: how many these are.
        brings: packages that are among these only for its sake, the most costly first.
        importers: places that ask for it, the application's first.
        own: whether the application itself asks for it.
        called: whether others called it while they were imported.
    """

    name: str
    self_us: int
    saved_us: int
    modules: int
    brings: tuple[str, ...]
    importers: tuple[str, ...]
    own: bool
    called: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One package in two runs; its times are None where it was not imported."""

    package: str
    base_us: int | None
    new_us: int | None
    added: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def effect_us(self) -> int:
        """Tell how much longer the new run takes."""
        return (self.new_us or 0) - (self.base_us or 0)


def phases(imports: Imports) -> dict[str, tuple[int, int]]:
    """Tell how many modules each phase imported, and in how many µs."""
    totals: dict[str, tuple[int, int]] = {}
    for module in imports["modules"]:
        number, took_us = totals.get(module["phase"], (0, 0))
        totals[module["phase"]] = number + 1, took_us + module["self_us"]
    return totals


def first_level(imports: Imports) -> list[Blame]:
    """Put the times down to packages, those whose own modules take longest first."""
    packages: dict[str, list[Imported]] = defaultdict(list)
    for module in imports["modules"]:
        packages[module["package"]].append(module)
    blames = [
        Blame(
            package=package,
            self_us=sum(module["self_us"] for module in modules),
            cumulative_us=modules[0]["cumulative_us"],
            modules=len(modules),
            runnable=sum(module["used"] is not None for module in modules),
            ran=sum(module["used"] is True for module in modules),
            own=modules[0]["own"],
        )
        for package, modules in packages.items()
    ]
    return sorted(blames, key=lambda blame: -blame.self_us)


def direct(imports: Imports) -> list[Line]:
    """Give the lines of the application that import something of others, the slowest first.

    Only the first to ask for a module waits for it; lines that found everything imported are not
    among these.
    """
    waited = [module for module in imports["modules"] if not module["own"]]
    return [line for line in _lines(imports, waited) if line.own]


def in_events(imports: Imports) -> list[Line]:
    """Give what was imported while events were answered, by event, the slowest first."""
    waited = [
        module
        for module in imports["modules"]
        if module["parent"] < 0 and module["phase"].startswith("event")
    ]
    return sorted(_lines(imports, waited), key=lambda line: int(line.phase.split()[1]))


def idle(imports: Imports) -> list[str]:
    """Give the packages and modules of which, with all below them, nothing ran but could have."""
    busy: set[str] = set()
    lazy: set[str] = set()
    for module in imports["modules"]:
        parts = module["name"].split(".")
        names = {".".join(parts[: end + 1]) for end in range(len(parts))}
        if module["used"]:
            busy |= names
        elif module["used"] is False:
            lazy |= names
    lazy -= busy
    return sorted(name for name in lazy if name.rpartition(".")[0] not in lazy)


def unused(imports: Imports) -> list[Unused]:
    """Give packages and modules of which nothing ran while the events were answered.

    A package is one entry where nothing of all of it ran, otherwise its largest unused parts are.
    What one entry alone brings stands in it and not beside it, so that savings can be added. The
    most costly come first.
    """
    graph = _Graph(imports["modules"])
    found = []
    for prefix in idle(imports):
        gone = graph.without(prefix)
        if gone:
            found.append((prefix, gone))
    entries: list[Unused] = []
    covered: set[str] = set()
    for prefix, gone in sorted(found, key=lambda entry: -graph.time_us(entry[1])):
        gone -= covered
        if not any(_is_below(name, prefix) for name in gone):
            continue
        covered |= gone
        below = {name for name in gone if _is_below(name, prefix)}
        brings: Counter[str] = Counter()
        for name in gone - below:
            brings[name.partition(".")[0]] += graph.self_us[name]
        brings.pop(prefix.partition(".")[0], None)
        places = dict.fromkeys(
            place
            for name in sorted(below)
            for place in graph.modules[name]["importers"]
            if not _is_below(_module_of(place), prefix)
        )
        importers = sorted(places, key=lambda place: not graph.is_own(_module_of(place)))
        entries.append(
            Unused(
                name=prefix,
                self_us=graph.time_us(below),
                saved_us=graph.time_us(gone),
                modules=len(gone),
                brings=tuple(name for name, _ in brings.most_common()),
                importers=tuple(importers),
                own=any(graph.is_own(_module_of(place)) for place in importers),
                called=any(graph.modules[name]["called"] for name in below),
            )
        )
    return sorted(entries, key=lambda entry: (-entry.saved_us, entry.name))


def diff(base: Imports, new: Imports) -> list[Change]:
    """Compare two runs by package, the greatest effect first; the sum of all is the total's."""
    packages: dict[str, tuple[Counter[str], Counter[str]]] = {}
    for number, imports in enumerate((base, new)):
        for module in imports["modules"]:
            pair = packages.setdefault(module["package"], (Counter(), Counter()))
            pair[number][module["name"]] += module["self_us"]
    changes = [
        Change(
            package=package,
            base_us=sum(before.values()) if before else None,
            new_us=sum(after.values()) if after else None,
            added=tuple(sorted(after.keys() - before.keys())),
            removed=tuple(sorted(before.keys() - after.keys())),
        )
        for package, (before, after) in packages.items()
    ]
    return sorted(changes, key=lambda change: (-abs(change.effect_us), change.package))


class _Graph:
    """Who asks for whom, for the question what would not be imported without somebody."""

    def __init__(self, modules: list[Imported]) -> None:
        self.modules = {module["name"]: module for module in reversed(modules)}
        self.self_us: Counter[str] = Counter()
        for module in modules:
            self.self_us[module["name"]] += module["self_us"]
        self._wants: dict[str, set[str]] = defaultdict(set)
        wanted = set()
        for name, module in self.modules.items():
            # Who has a module has the packages around it.
            if (parent := name.rpartition(".")[0]) in self.modules:
                self._wants[name].add(parent)
                wanted.add(parent)
            importers = {_module_of(place) for place in module["importers"]}
            if module["parent"] >= 0:
                importers.add(modules[module["parent"]]["name"])
            for importer in importers:
                self._wants[importer].add(name)
                wanted.add(name)
        # What nobody asked for, and who was there before the application: who runs it, above all.
        self._unasked = self.modules.keys() - wanted
        self._others = self._wants.keys() - self.modules.keys()

    def is_own(self, name: str) -> bool:
        """Tell the application's modules."""
        return name in self.modules and self.modules[name]["own"]

    def time_us(self, names: Iterable[str]) -> int:
        """Add up the time that modules take themselves."""
        return sum(self.self_us[name] for name in names)

    def without(self, prefix: str) -> set[str]:
        """Give what falls away with a module and all below it; nothing if that is not possible."""
        others = {other for other in self._others if not _is_below(other, prefix)}
        reached = self._unasked.union(*(self._wants[other] for other in others))
        if any(_is_below(name, prefix) for name in reached):
            return set()
        ahead = list(reached)
        while ahead:
            for name in self._wants[ahead.pop()]:
                if name not in reached and not _is_below(name, prefix):
                    reached.add(name)
                    ahead.append(name)
        return self.modules.keys() - reached


def _lines(imports: Imports, waited: list[Imported]) -> list[Line]:
    """Put imports together that the same line asked for first."""
    own = {module["name"] for module in imports["modules"] if module["own"]}
    places: dict[tuple[str, str], list[Imported]] = defaultdict(list)
    for module in waited:
        place = module["importers"][0] if module["importers"] else ""
        places[module["phase"], place].append(module)
    lines = [
        Line(
            place=place,
            names=tuple(module["name"] for module in modules),
            phase=phase,
            cumulative_us=sum(module["cumulative_us"] for module in modules),
            own=_module_of(place) in own,
        )
        for (phase, place), modules in places.items()
    ]
    return sorted(lines, key=lambda line: -line.cumulative_us)


def _is_below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def _module_of(place: str) -> str:
    return place.rpartition(":")[0]
