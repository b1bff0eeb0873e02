"""Prove that a package runs, and starts fast: from its own files alone, compiling nothing.

The package is extracted as clouds do it, read-only and with dates that mean nothing, and answers
events in a fresh interpreter that sees the package, its layer and the standard library.
"""

from __future__ import annotations

import os
import platform
import random
import shutil
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

from ..bench.processes import run_fresh, status_of
from ..bench.target import Target
from ..errors import BenchError, PackageError
from ._start import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..gateways import JSON

__all__ = ["Verification", "verify"]

_OBSERVER = Path(__file__).with_name("verify_observer.py")
# ELF: octets 18 and 19 name the processor, little endian on both of them.
_MACHINES = {62: "x86_64", 183: "aarch64"}
# Below the standard library, but no part of it.
_SITES = {"site-packages", "dist-packages"}
_LOADERS = {"BundledLoader": "bundled", "ExtensionFileLoader": "extensions"}
# 1980 to 2038, what a zip and what every file system can say.
_DATES_S = (315_532_800, 2_145_916_800)
_NAMED = 10
# The process that runs the package, and its name for multiprocessing.
_OURS = {"__main__", "__mp_main__"}


@dataclass(frozen=True, slots=True)
class Verification:
    """What a package did.

    Attributes:
        problems: in words, each on its own; none for a package that is as it should be.
        statuses: of the responses, one an event; 0 where the result is no gateway's.
        started_ms: from spawning the interpreter to the first response; 0 where none came.
        modules: how many the process imported, the standard library's included.
        bundled: how many of them came out of the code bundle,
        bytecode: how many from a file of bytecode in the package,
        extensions: and how many are extension modules of the package.
    """

    problems: list[str] = field(default_factory=list)
    statuses: tuple[int, ...] = ()
    started_ms: float = 0.0
    modules: int = 0
    bundled: int = 0
    bytecode: int = 0
    extensions: int = 0

    @property
    def ok(self) -> bool:
        """Tell whether there is no problem."""
        return not self.problems


def verify(
    archive: Path, events: Sequence[JSON], interpreter: str, *, layer: Path | None = None
) -> Verification:
    """Run a package on events.

    Args:
        archive: with ``index.py`` at its root.
        events: gateway JSON, at least one.
        interpreter: of the minor version that the package was built for.
        layer: the archive of its layer.

    Raises:
        PackageError: it cannot be run here: the archive is none, its binaries are another
            machine's, or the interpreter does not start.
    """
    if shutil.which(interpreter) is None:
        raise PackageError(f"{interpreter} must be a program, to verify {archive} with it")
    with _extracted([archive, *([layer] if layer else [])]) as (root, *layers):
        path = tuple(
            str(folder / "python" if (folder / "python").is_dir() else folder) for folder in layers
        )
        target = Target(f"{archive}: index.main_handler", root, "index", "main_handler", path)
        before = _files(root, *layers)
        try:
            outcome = run_fresh(target, events, observer=_OBSERVER, python=interpreter)
        except BenchError as error:
            return Verification([str(error), *_changes(before, _files(root, *layers))])
        problems = _changes(before, _files(root, *layers))
        inside = (str(root), *path)
        has_bundle = any(Path(folder, NAME).is_file() for folder in inside)
    statuses = []
    for number, (event, answer) in enumerate(zip(events, outcome.answers, strict=True)):
        statuses.append(status_of(event, answer))
        if answer.error:
            problems.append(f"event {number}: the function raised\n{answer.error.rstrip()}")
        elif statuses[-1] >= 500:
            problems.append(f"event {number}: the function answered {statuses[-1]}")
    counts, found = _judge(outcome.observed, inside)
    problems += found
    if has_bundle and not counts["bundled"]:
        problems.append(f"no module came out of {NAME}: the bytecode of index does not install it")
    return Verification(
        problems=problems,
        statuses=tuple(statuses),
        started_ms=outcome.total_ms,
        modules=len(outcome.modules),
        **counts,
    )


def _judge(observed: dict[str, Any], inside: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Count the package's modules by their origin, and tell what is wrong with which."""
    counts = {"bundled": 0, "bytecode": 0, "extensions": 0}
    compiled = {file for file in observed["compiled"] if _is_below(file, inside)}
    outside = []
    for name, loader, places in observed["modules"]:
        for place in places:
            if _is_below(place, inside):
                if place not in compiled and place.endswith((".py", ".pyc", ".so")):
                    counts[_LOADERS.get(loader, "bytecode")] += 1
            elif name not in _OURS and not _is_library(place, observed["library"]):
                outside.append(f"{name} ({place})")
    problems = []
    if compiled:
        files = [os.path.relpath(file, inside[0]) for file in sorted(compiled)]
        problems.append(
            f"{len(files)} modules were compiled from source at the start, for want of bytecode "
            f"that this interpreter accepts: {_name(files)}"
        )
    if outside:
        problems.append(
            f"{len(outside)} modules came from outside of the package and the standard library: "
            f"{_name(sorted(outside))}"
        )
    return counts, problems


def _is_below(place: str, folders: Sequence[str]) -> bool:
    return any(place.startswith(f"{folder}{os.sep}") for folder in folders)


def _is_library(place: str, folders: Sequence[str]) -> bool:
    return _is_below(place, folders) and not _SITES.intersection(Path(place).parts)


def _name(what: Sequence[str]) -> str:
    more = f" and {len(what) - _NAMED} more" if len(what) > _NAMED else ""
    return ", ".join(what[:_NAMED]) + more


@contextmanager
def _extracted(archives: Sequence[Path]) -> Iterator[list[Path]]:
    """Extract archives, each to a folder of its own that is read-only, with random dates."""
    # Always the same ones, so that a failure can be repeated.
    dates = random.Random(6)  # noqa: S311 - no secret
    # Resolved, because modules are told apart by where they lie.
    temporary = Path(tempfile.mkdtemp(prefix="slsadapt-")).resolve()
    folders: list[Path] = []
    executables = set()
    try:
        for number, archive in enumerate(archives):
            folders.append(temporary / str(number))
            try:
                with ZipFile(archive) as file:
                    for member in file.infolist():
                        path = Path(file.extract(member, folders[-1]))
                        if member.external_attr >> 16 & stat.S_IXUSR:
                            executables.add(path)
            except (OSError, BadZipFile) as error:
                raise PackageError(f"{archive} must be a zip to verify: {error}") from None
            _check_machine(folders[-1], archive)
        for path in [path for folder in folders for path in (folder, *sorted(folder.rglob("*")))]:
            date_s = dates.randint(*_DATES_S)
            os.utime(path, (date_s, date_s))
            path.chmod(0o555 if path.is_dir() or path in executables else 0o444)
        yield folders
    finally:
        for path in [folder for folder in temporary.rglob("*") if folder.is_dir()]:
            path.chmod(0o755)
        shutil.rmtree(temporary)


def _check_machine(root: Path, archive: Path) -> None:
    """Refuse what another processor runs.

    Raises:
        PackageError: one of the extension modules is no ELF for this machine.
    """
    here = platform.machine() if platform.system() == "Linux" else platform.system()
    for path in sorted(root.rglob("*.so")):
        with path.open("rb") as file:
            head = file.read(20)
        machine = _MACHINES.get(int.from_bytes(head[18:], "little"), "another machine")
        if head[:4] == b"\x7fELF" and machine != here:
            raise PackageError(
                f"{archive} cannot be run on {here} and so not be verified here: "
                f"{path.relative_to(root)} is built for Linux on {machine}; verify it there"
            )


def _files(*roots: Path) -> dict[Path, tuple[int, int, int]]:
    """List what is there, with what changes when it is written to."""
    found = {}
    for root in roots:
        for path in (root, *root.rglob("*")):
            status = path.lstat()
            # Folders change when something comes or goes, even if it is gone again by now.
            size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
            found[path] = (size, status.st_mtime_ns, status.st_ctime_ns)
    return found


def _changes(
    before: dict[Path, tuple[int, int, int]], after: dict[Path, tuple[int, int, int]]
) -> list[str]:
    changed = sorted(path for path in before | after if before.get(path) != after.get(path))
    if not changed:
        return []
    root = min(before)
    files = [os.path.relpath(path, root) for path in changed]
    return [
        f"the function wrote into its own folder, which clouds make read-only: {_name(files)}; "
        f"only the temporary directory takes files there"
    ]
