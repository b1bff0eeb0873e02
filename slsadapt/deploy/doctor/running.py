"""Let the application answer events, each in a process of its own, and look at what it does.

Every event is the first one of its instance, whose temporary folder is empty, and then comes once
more, as ``watching.py`` sees it: what it imports, what it does the first time alone, what it tries
to write on what is read-only in clouds, which threads it leaves behind.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from werkzeug.urls import uri_to_iri

from ... import gateways
from ...bench.processes import Conditions, run_fresh, status_of
from ...errors import BenchError, PackageError, SlsadaptError
from ..interpreters import find_interpreter
from .bytecode import package_version
from .finding import Finding
from .requirements import PROVIDED
from .words import some

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...bench.processes import Answer, Outcome
    from ...gateways import JSON
    from .subject import Subject

    Stack = list[tuple[str, int]]

__all__ = [
    "Visit",
    "check_first_requests",
    "check_imports",
    "check_threads",
    "check_writes",
    "loaded_files",
    "visit",
]

_OBSERVER = Path(__file__).with_name("watching.py")
# What is less is not worth a line: what a request imports, what libraries import for it, and what a
# line does once.
_IMPORT_MS = 5.0
_LIBRARY_MS = 10.0
_ONCE_MS = 50.0
_FRAME = re.compile(r'^\s*File "(?P<file>.+?)", line (?P<line>\d+)', re.MULTILINE)
_READ_ONLY = ("Read-only file system", "unable to open database file")
_PLACES = 3


@dataclass(frozen=True, slots=True)
class Visit:
    """One event, answered by a fresh process.

    Args:
        label: ``"GET /segment"``.
        status: of the response; 0 where the function answers no gateway.
        outcome: of the process.
    """

    label: str
    status: int
    outcome: Outcome


def visit(
    subject: Subject,
    events: Sequence[JSON],
    tell: Callable[[int, int | None, str], None],
    note: Callable[[str], None],
) -> tuple[list[Visit], list[Finding]]:
    """Answer events, and tell what kept the application from doing so.

    Args:
        subject: what to run.
        events: what to answer.
        tell: takes how much is done, of how much, and what goes on.
        note: takes a line on what could not be looked at, or was seen beside.

    Returns:
        the visits, and findings on those that did not come about.
    """
    try:
        python = _interpreter(subject)
    except PackageError as error:
        note(f"it was not run, so its imports and writes are unknown: {error}")
        return [], []
    conditions = Conditions(adapter="" if subject.target.is_handler else "slsadapt")
    visits: list[Visit] = []
    findings: list[Finding] = []
    for number, event in enumerate(events):
        label = _label(event)
        tell(number, len(events), f"answering {label}")
        try:
            with _empty_temporary_folder():
                outcome = run_fresh(
                    subject.target, [event, event], conditions, observer=_OBSERVER, python=python
                )
        except BenchError as error:
            text = str(error)
            if "Timeout (" in text:
                findings.append(_hanging(subject, label, text))
                continue
            findings.append(_failed_start(subject, text))
            # What keeps it from starting does so for every event.
            if not visits:
                break
            continue
        status = status_of(event, outcome.answers[0])
        if status >= 500:
            note(f"{label} was answered with {status}")
        visits.append(Visit(label, status, outcome))
    return visits, list(dict.fromkeys(findings))


def loaded_files(subject: Subject, visits: Sequence[Visit]) -> list[str] | None:
    """List the modules that the first event needs, without Python's own; None without a visit."""
    if not visits:
        return None
    standard = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    files = []
    for module in visits[0].outcome.modules:
        path = Path(module.file)
        if path.suffix != ".py" or module.name == "__main__" or not path.is_file():
            continue
        if subject.archive is not None:
            if subject.place(module.file) is not None:
                files.append(module.file)
        elif "site-packages" in path.parts or not standard & set(path.resolve().parents):
            files.append(module.file)
    return files


def check_imports(subject: Subject, visits: Sequence[Visit]) -> Iterator[Finding]:
    """Look for what is imported only when a request asks for it."""
    groups: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for number, each in enumerate(visits):
        files = {module.name: module.file for module in each.outcome.modules}
        for imported in each.outcome.observed["imports"]:
            # What calls the function imports something, too, to report its errors.
            if not any(_is_within(imported["began_ns"], answer) for answer in each.outcome.answers):
                continue
            where = _direct(subject, imported["stack"])
            if not where and (own := subject.own_place(files.get(imported["name"], ""))):
                # A framework imports what settings name: the routes, often.
                where = str(own)
            groups.setdefault(where, {}).setdefault(number, []).append(imported)
    for where, by_visit in groups.items():
        cost_ms = median(sum(each["took_ms"] for each in found) for found in by_visit.values())
        if cost_ms < (_IMPORT_MS if where else _LIBRARY_MS):
            continue
        found = max(by_visit.values(), key=lambda found: sum(each["took_ms"] for each in found))
        found.sort(key=lambda each: -each["took_ms"])
        names = list(dict.fromkeys(each["name"] for each in found))
        labels = [visits[number].label for number in by_visit]
        is_always = _is_always(by_visit, visits)
        yield Finding(
            check="imports",
            severity="slow",
            where=(where,) if where else (),
            found=("" if where else "libraries import ")
            + f"{some(names, _PLACES)}{' is imported' if where else ''} while a request waits "
            f"({sum(each['modules'] for each in found):,} modules)",
            costs=_first_costs(cost_ms, labels, is_always),
            advice=_import_advice(names, is_always or not where),
            cost_ms=cost_ms,
        )


def check_first_requests(subject: Subject, visits: Sequence[Visit]) -> Iterator[Finding]:
    """Look for work that the first request of an instance does, and the next one does not."""
    spent: dict[str, dict[int, float]] = {}
    libraries: dict[str, Counter[str]] = {}
    for number, each in enumerate(visits):
        for took_ns, at_ns, busy in each.outcome.observed["samples"]:
            where, file = next(
                ((own, file) for file, stack in busy if (own := _own_frame(subject, stack))),
                ("", ""),
            )
            # Counted for the first answer, and taken off again for the second.
            for sign, answer in zip((1, -1), each.outcome.answers, strict=True):
                if where and _is_within(at_ns, answer):
                    by_visit = spent.setdefault(where, {})
                    by_visit[number] = by_visit.get(number, 0) + sign * took_ns / 1e6
                    library = _library_name(subject, file)
                    libraries.setdefault(where, Counter())[library] += sign * took_ns
    for where, by_visit in spent.items():
        by_visit = {number: ms for number, ms in by_visit.items() if ms >= _ONCE_MS / 4}
        cost_ms = median(by_visit.values()) if by_visit else 0
        if cost_ms < _ONCE_MS:
            continue
        is_always = _is_always(by_visit, visits)
        library, _ = libraries[where].most_common(1)[0]
        yield Finding(
            check="first request",
            severity="slow",
            where=(where,),
            found=f"this line takes {cost_ms:,.0f} ms the first time, and next to none after that"
            + (f"; most of it is spent in {library}" if library else ""),
            costs=_first_costs(cost_ms, [visits[number].label for number in by_visit], is_always),
            advice="do it when you deploy, or while index.py is imported: a start has more time "
            "than a request, and on AWS more processor."
            if is_always
            else "do it while index.py is imported if most instances need it, else give these "
            "routes a function of their own.",
            cost_ms=cost_ms,
        )


def check_writes(subject: Subject, visits: Sequence[Visit]) -> Iterator[Finding]:
    """Look for files written where clouds let nobody write."""
    seen: dict[tuple[str, str], tuple[bool, list[str]]] = {}
    for each in visits:
        for write in each.outcome.observed["writes"]:
            where = _own_frame(subject, write["stack"]) or _library(subject, write["stack"])
            failed, labels = seen.setdefault(
                (where, _shown_path(subject, write["path"])), (False, [])
            )
            is_fatal = each.status >= 500 and write["in_event"]
            labels.append(each.label if write["in_event"] else "the start")
            seen[where, _shown_path(subject, write["path"])] = (failed or is_fatal, labels)
    for (where, path), (failed, labels) in seen.items():
        when = some(labels, _PLACES)
        yield Finding(
            check="writes",
            severity="fails" if failed else "risk",
            where=(where,) if where else (),
            found=f"{path} is written by {when}",
            costs="only /tmp can be written: OSError, Read-only file system; "
            + ("the response is a 500" if failed else "here the application went on without it"),
            advice="write below tempfile.gettempdir(), which each instance has for itself and "
            "loses; what must last belongs in a database or an object store.",
        )


def check_threads(subject: Subject, visits: Sequence[Visit]) -> Iterator[Finding]:
    """Look for threads that the application itself leaves running."""
    seen: dict[str, tuple[bool, list[str]]] = {}
    for each in visits:
        for thread in each.outcome.observed["threads"]:
            # A library's own threads are its own affair: many only wait.
            frames = [frame for frame in thread["stack"] if Path(frame[0]).name != "threading.py"]
            where = _direct(subject, frames)
            if where:
                seen.setdefault(where, (thread["in_event"], []))[1].append(each.label)
    for where, (in_event, labels) in seen.items():
        yield Finding(
            check="threads",
            severity="risk",
            where=(where,),
            found=f"a thread is still running after {some(labels, _PLACES)}"
            if in_event
            else "a thread that the start began runs beside the requests",
            costs="clouds freeze an instance as soon as it has answered: the work stands still "
            "until the next request, or is lost with the instance",
            advice="finish the work before answering, or hand it to a queue or another function.",
        )


@contextmanager
def _empty_temporary_folder() -> Iterator[None]:
    """Let processes that are started now have a temporary folder as new instances have it."""
    before = os.environ.get("TMPDIR")
    with TemporaryDirectory(prefix="slsadapt-doctor-", ignore_cleanup_errors=True) as name:
        os.environ["TMPDIR"] = name
        try:
            yield
        finally:
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before


def _interpreter(subject: Subject) -> str:
    """Find what runs the subject: this Python, or a package's own."""
    if subject.archive is None:
        return sys.executable
    if subject.runtime is not None and subject.runtime.machine != platform.machine():
        raise PackageError(
            f"the package is for {subject.runtime.machine}, this is {platform.machine()}"
        )
    return find_interpreter(package_version(subject))


def _label(event: JSON) -> str:
    try:
        request = gateways.detect(event).decode_event(event)
    except (SlsadaptError, LookupError, TypeError, ValueError):
        return "an event that is no request"
    return uri_to_iri(f"{request.method} {request.path}")


def _hanging(subject: Subject, label: str, text: str) -> Finding:
    _, minutes, seconds = text.partition("Timeout (")[2].partition(")")[0].split(":")
    limit_s = int(minutes) * 60 + float(seconds)
    where = _traced(subject, text, innermost_last=False)
    return Finding(
        check="hangs",
        severity="risk",
        where=(where,) if where else (),
        found=f"{label} is not answered within {limit_s:.0f} s",
        costs="gateways give up after 15 to 30 s, and the time is billed all the same",
        advice="give what it waits for a time limit, or let a queue do it.",
    )


def _failed_start(subject: Subject, text: str) -> Finding:
    last = text.rstrip().splitlines()[-1].strip()
    where = _traced(subject, text)
    places = (where,) if where else ()
    missing = re.search(r"No module named '([\w.]+)'", last)
    top = missing.group(1).partition(".")[0] if missing else ""
    if any(words in last for words in _READ_ONLY):
        return Finding(
            check="writes",
            severity="fails",
            where=places,
            found=f"it does not start where only /tmp can be written: {last}",
            costs="every cold start fails, and with it every request",
            advice="write below tempfile.gettempdir(), and what must last to a database or an "
            "object store.",
        )
    if missing and subject.archive is not None and top not in PROVIDED:
        return Finding(
            check="start",
            severity="fails",
            where=places,
            found=f"the package does not start: {last}",
            costs="every request fails, unless a layer holds it",
            advice=f"name the distribution that has {top!r} in the requirements.",
        )
    return Finding(
        check="start",
        severity="risk",
        where=places,
        found=f"it does not start here: {last}",
        costs="what it imports and writes could not be looked at",
        advice=f"install {top!r} here, so that events can be answered."
        if missing
        else "see the whole traceback with 'slsadapt invoke'; if it needs settings of the cloud, "
        "set them for the doctor, too.",
    )


def _traced(subject: Subject, text: str, *, innermost_last: bool = True) -> str:
    """Find the application's innermost line in a traceback."""
    found = [
        f"{place}:{match['line']}"
        for match in _FRAME.finditer(text)
        if (place := subject.own_place(match["file"])) is not None
    ]
    return found[-1 if innermost_last else 0] if found else ""


def _library_name(subject: Subject, file: str) -> str:
    """Name the top-level package of an installed file, ``""`` for any other file."""
    parts = Path(file).parts
    if "site-packages" in parts[:-1]:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    place = subject.place(file)
    return "" if place is None or subject.is_own(place) else place.parts[0].removesuffix(".py")


def _own_frame(subject: Subject, stack: Stack) -> str:
    for file, line in stack:
        if (place := subject.own_place(file)) is not None:
            return f"{place}:{line}"
    return ""


def _direct(subject: Subject, stack: Stack) -> str:
    """Give the innermost frame where it is the application's own."""
    place = subject.own_place(stack[0][0]) if stack else None
    return f"{place}:{stack[0][1]}" if place is not None else ""


def _library(subject: Subject, stack: Stack) -> str:
    """Name the file of the library that acts, from its package on."""
    for file, line in stack:
        path = PurePosixPath(Path(file).as_posix())
        if "site-packages" in path.parts:
            parts = path.parts[path.parts.index("site-packages") + 1 :]
            return f"{'/'.join(parts)}:{line}"
        if (place := subject.place(file)) is not None:
            return f"{place}:{line}"
    return ""


def _shown_path(subject: Subject, path: str) -> str:
    place = subject.place(path)
    return path if place is None else str(place)


def _is_within(at_ns: int, answer: Answer) -> bool:
    return 0 <= at_ns - answer.began_ns <= answer.took_ms * 1e6


def _is_always(by_visit: dict[int, Any], visits: Sequence[Visit]) -> bool:
    """Tell whether every request is concerned; of one kind of request nobody knows."""
    return len(by_visit) == len(visits) and len({each.label for each in visits}) > 1


def _first_costs(cost_ms: float, labels: list[str], is_always: bool) -> str:
    which = "" if is_always else f" of {some(labels, _PLACES)}"
    return f"the first request{which} in each instance takes {cost_ms:,.0f} ms longer"


def _import_advice(names: list[str], is_always: bool) -> str:
    if is_always:
        return (
            f"import {'it' if len(names) == 1 else 'them'} in index.py: a start has more time than "
            "a request, and on AWS more processor."
            + (" 'slsadapt bench imports' lists them all." if len(names) > _PLACES else "")
        )
    return (
        "leave it where such requests are rare. Otherwise import it at the top, and each start "
        "takes as much longer (which AWS bills, too, since August 2025), or give these routes a "
        "function of their own."
    )
