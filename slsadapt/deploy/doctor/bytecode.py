"""Look for modules that are compiled at each start, for want of bytecode that survives shipping.

Source: https://peps.python.org/pep-0552/ (what a .pyc's header says),
https://docs.python.org/3/library/zipfile.html#zipfile.ZipInfo.date_time
"""

from __future__ import annotations

import calendar
import importlib.util
import sys
import time
import warnings
import zipfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from .._start import NAME
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .subject import Subject

__all__ = ["check_package", "check_tree"]

State = Literal["good", "missing", "stale", "dated", "another"]
_WORDS: dict[State, str] = {
    "missing": "have none",
    "stale": "have some that does not fit the source's date, size or content",
    "dated": "have it tied to the file's date",
    "another": "have another Python's",
}
# Source: CPython's Lib/importlib/_bootstrap_external.py (3.10 to 3.13),
# Include/internal/pycore_magic_number.h (3.14).
_MAGIC = {"3.10": 3439, "3.11": 3495, "3.12": 3531, "3.13": 3571, "3.14": 3627}
_HASHED, _CHECKED = 0b01, 0b10
THIS_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
_BUNDLE = PurePosixPath(NAME)
# What compiles faster is not worth a line.
_NOTABLE_MS = 2.0
# How many modules are compiled where it is not known which ones the application imports.
_SAMPLE = 60
_HOW = "slsadapt package compiles for the cloud's Python, and so that no date matters"


def check_tree(subject: Subject, loaded: Iterable[str]) -> Iterator[Finding]:
    """Look at the modules that the application of a folder imports, wherever they are installed.

    What is beside them here is what most packagers start from; an archive changes the dates.

    Args:
        subject: with a tree.
        loaded: the files of these modules, without those of Python itself.
    """
    files = [Path(name) for name in loaded]
    version = subject.runtime.python if subject.runtime else THIS_PYTHON
    states: dict[Path, State] = {}
    for file in files:
        compiled = file.with_name("__pycache__") / _cached_name(file.name, version)
        octets = compiled.read_bytes() if compiled.is_file() else None
        state = _state(octets, file.read_bytes(), version, None)
        states[file] = state
    bad = [file for file, state in states.items() if state != "good"]
    cost_ms = _compile_ms(bad)
    if cost_ms < _NOTABLE_MS:
        return
    yield Finding(
        check="bytecode",
        severity="slow",
        where=(),
        found=f"of {len(files):,} modules that it imports {len(bad):,} have no bytecode that "
        f"survives an archive: {_counted(states.values())}",
        costs=f"zipped like this, each cold start compiles them: {cost_ms:,.0f} ms here",
        advice=f"{_HOW}.",
        cost_ms=cost_ms,
    )


def check_package(subject: Subject, loaded: Iterable[str] | None) -> Iterator[Finding]:
    """Look at the modules of a package, as they are when it was extracted.

    Args:
        subject: with a package.
        loaded: the files of the modules that it imports, None where it could not be run.
    """
    assert subject.archive
    if _BUNDLE in subject.files:
        return
    version = package_version(subject)
    names = set(subject.files)
    states: dict[PurePosixPath, State] = {}
    with ExitStack() as stack:
        archives = {
            file: stack.enter_context(zipfile.ZipFile(file))
            for file in {file for file, _ in subject.members.values()}
        }
        for path in subject.files:
            if path.suffix != ".py":
                continue
            compiled = path.with_name("__pycache__") / _cached_name(path.name, version)
            octets = (subject.folder / compiled).read_bytes() if compiled in names else None
            if octets is None and any(
                each.parent == compiled.parent and each.name.startswith(f"{path.stem}.cpython-")
                for each in _caches(subject).get(compiled.parent, ())
            ):
                states[path] = "another"
                continue
            file, name = subject.members[path]
            dates = _dates(archives[file].getinfo(name))
            states[path] = _state(octets, (subject.folder / path).read_bytes(), version, dates)
    wanted = set(states)
    if loaded is not None:
        relative = (subject.place(name) for name in loaded)
        wanted = {path for path in relative if path in states}
    bad = sorted(path for path in wanted if states[path] != "good")
    files = [subject.folder / path for path in bad]
    if loaded is not None:
        cost_ms, how = _compile_ms(files), "measured here"
    else:
        cost_ms, how = _estimated_ms(files), "estimated from some of them, if it imports all"
    if cost_ms < _NOTABLE_MS:
        return
    which = "modules that it imports" if loaded is not None else "modules in it"
    yield Finding(
        check="bytecode",
        severity="slow",
        where=tuple(map(str, bad)),
        found=f"of {len(wanted):,} {which} {len(bad):,} have no bytecode that Python {version} "
        f"takes: {_counted(states[path] for path in wanted)}",
        costs=f"each cold start compiles them: {cost_ms:,.0f} ms ({how})",
        advice=f"{_HOW}.",
        cost_ms=cost_ms,
    )


def package_version(subject: Subject) -> str:
    """Tell the Python that a package is for: as it was said, or as most of its bytecode is."""
    if subject.runtime is not None:
        return subject.runtime.python
    tags = Counter(
        path.suffixes[-2].removeprefix(".cpython-")
        for path in subject.files
        if path.suffix == ".pyc" and len(path.suffixes) > 1 and ".cpython-" in path.name
    )
    for tag, _ in tags.most_common(1):
        if tag.isdigit():
            return f"{tag[0]}.{tag[1:]}"
    return THIS_PYTHON


def _caches(subject: Subject) -> dict[PurePosixPath, list[PurePosixPath]]:
    caches: dict[PurePosixPath, list[PurePosixPath]] = {}
    for path in subject.files:
        if path.parent.name == "__pycache__":
            caches.setdefault(path.parent, []).append(path)
    return caches


def _cached_name(name: str, version: str) -> str:
    return f"{name.removesuffix('.py')}.cpython-{version.replace('.', '')}.pyc"


def _state(
    octets: bytes | None, source: bytes, version: str, dates: tuple[int, ...] | None
) -> State:
    """Judge bytecode; without ``dates`` its source stands in a tree that will be archived."""
    if octets is None:
        return "missing"
    if len(octets) < 16 or int.from_bytes(octets[:2], "little") != _MAGIC.get(version):
        return "another"
    flags = int.from_bytes(octets[4:8], "little")
    if flags & _HASHED:
        # A comparison with the source costs next to nothing.
        is_good = not flags & _CHECKED or octets[8:16] == importlib.util.source_hash(source)
        return "good" if is_good else "stale"
    if dates is None:
        return "dated"
    date = int.from_bytes(octets[8:12], "little")
    size = int.from_bytes(octets[12:16], "little")
    return "good" if date in dates and size == len(source) & 0xFFFFFFFF else "stale"


def _dates(member: zipfile.ZipInfo) -> tuple[int, ...]:
    """Tell the dates that extracting may give a file: of the archive's own field, as UTC, and of
    the extension that Info-ZIP writes (extra field 0x5455, "UT").
    """
    dates = [calendar.timegm((*member.date_time, 0, 0, 0))]
    extra = member.extra
    while len(extra) >= 4:
        kind, size = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
        if kind == 0x5455 and size >= 5 and extra[4] & 1:
            dates.append(int.from_bytes(extra[5:9], "little"))
        extra = extra[4 + size :]
    return tuple(dates)


def _counted(states: Iterable[State]) -> str:
    counts = Counter(states)
    return ", ".join(
        f"{counts[state]:,} {words}" for state, words in _WORDS.items() if counts[state]
    )


def _compile_ms(files: Iterable[Path]) -> float:
    """Compile modules as the import system would; tell how long that took."""
    total_ns = 0
    for file in files:
        source = file.read_bytes()
        began = time.perf_counter_ns()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(source, str(file), "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue  # never imported by this Python
        total_ns += time.perf_counter_ns() - began
    return total_ns / 1e6


def _estimated_ms(files: list[Path]) -> float:
    chosen = files[:: max(1, len(files) // _SAMPLE)]
    chosen_bytes = sum(file.stat().st_size for file in chosen)
    all_bytes = sum(file.stat().st_size for file in files)
    return _compile_ms(chosen) * all_bytes / max(chosen_bytes, 1)
