"""What the doctor looks at: a folder or a package, and which files of it are the application's."""

from __future__ import annotations

import ast
import sys
import tempfile
import warnings
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ...bench.target import Target
from ...errors import PackageError
from .. import project
from ..rules import choose_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..runtimes import Runtime

__all__ = ["ENTRY", "HANDLER", "Source", "Subject", "open_subject"]

ENTRY = PurePosixPath(project.ENTRY)
HANDLER = "main_handler"


@dataclass(frozen=True, slots=True)
class Source:
    """A module of the application's own; ``path`` is relative to the subject's folder."""

    path: PurePosixPath
    tree: ast.Module

    def at(self, node: ast.AST) -> str:
        """Name the place of a node, ``"shop/views.py:12"``."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


@dataclass(frozen=True)
class Subject:
    """What is examined.

    Args:
        target: what to run.
        folder: the tree; of a package, what it extracts to.
        files: what is or would be shipped, relative to the folder, sorted.
        archive: the package, None for a tree.
        runtime: where it shall run, None if that was not said.
        is_function: clouds are pointed at its ``index.main_handler``; else it is an application
            that was named, in no form to ship.
        members: of a package, by file: the archive, the function's or its layer's, and the name
            in there.
    """

    target: Target
    folder: Path
    files: tuple[PurePosixPath, ...]
    archive: Path | None
    runtime: Runtime | None
    is_function: bool = True
    members: dict[PurePosixPath, tuple[Path, str]] = field(default_factory=dict)

    @cached_property
    def vendored(self) -> frozenset[str]:
        """Name the top-level modules and folders that installers put into the tree."""
        names: set[str] = set()
        for path in self.files:
            top = path.parts[0]
            if top.endswith(".dist-info"):
                names.add(top)
                if path.name == "RECORD":
                    names |= _recorded(self.folder / path)
                elif path.name == "METADATA":
                    # RECORD may be dropped; most modules are named like their distribution.
                    names.add(top.split("-")[0].lower().replace(".", "_"))
                elif path.name == "top_level.txt":
                    names |= set((self.folder / path).read_text("utf-8", "replace").split())
        if self.archive is not None and not names:
            # Some packagers drop what tells of distributions. What is installed here does not
            # belong to the application either.
            names |= set(packages_distributions())
        return frozenset(names)

    def is_own(self, path: PurePosixPath) -> bool:
        """Tell the application's own files from those of its dependencies."""
        top = path.parts[0]
        return not (
            {top, path.stem if len(path.parts) == 1 else top} & self.vendored
            or top.lower().replace(".", "_") in self.vendored
            or "site-packages" in path.parts
            or path.name.startswith("_slsadapt")
        )

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """Parse the application's own modules; what this Python cannot parse is left out."""
        sources = []
        for path in self.files:
            if path.suffix == ".py" and self.is_own(path):
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        tree = ast.parse((self.folder / path).read_bytes())
                except (SyntaxError, ValueError, RecursionError):
                    continue
                sources.append(Source(path, tree))
        return tuple(sources)

    def place(self, file: str) -> PurePosixPath | None:
        """Give a file's place in the tree, None where it stands elsewhere."""
        path = Path(file)
        # A virtual environment may stand in the tree, and is no part of it.
        if self.archive is None and path.is_relative_to(sys.prefix):
            return None
        try:
            return PurePosixPath(path.resolve().relative_to(self.folder).as_posix())
        except ValueError:
            return None

    def own_place(self, file: str) -> PurePosixPath | None:
        """Give a file's place in the application's own code, None where it is none of it."""
        place = self.place(file)
        return place if place is not None and place.parts and self.is_own(place) else None

    def size_bytes(self, path: PurePosixPath) -> int:
        """Tell the size of one file."""
        return (self.folder / path).stat().st_size


@contextmanager
def open_subject(target: Target | Path, runtime: Runtime | None) -> Iterator[Subject]:
    """Make ready what a command names: a folder, a package, or an application.

    A package is extracted into a temporary folder for as long as it is looked at, together with
    its layer, ``NAME-layer.zip`` beside ``NAME.zip``.

    Raises:
        PackageError: there is no such folder, or the file is no zip.
    """
    if isinstance(target, Target):
        files = choose_files(target.folder.resolve())
        yield Subject(target, target.folder.resolve(), files, None, runtime, is_function=False)
    elif target.is_dir():
        folder = target.resolve()
        yield Subject(_function(target, folder), folder, choose_files(folder), None, runtime)
    elif not zipfile.is_zipfile(target):
        raise PackageError(f"{target} must be a folder or a package (.zip), and is neither")
    else:
        with tempfile.TemporaryDirectory(prefix="slsadapt-doctor-") as name:
            folder = Path(name).resolve()
            members: dict[PurePosixPath, tuple[Path, str]] = {}
            # What stands in both is the function's own.
            layer = target.with_name(f"{target.stem}-layer{target.suffix}")
            for file in (layer, target):
                if file.is_file():
                    members |= _extract(file, folder)
            files = tuple(sorted(members))
            function = _function(target, folder, ())
            yield Subject(function, folder, files, target, runtime, members=members)


def _extract(file: Path, folder: Path) -> dict[PurePosixPath, tuple[Path, str]]:
    """Extract an archive; tell which file is which member of it."""
    members = {}
    with zipfile.ZipFile(file) as archive:
        names = [each.filename for each in archive.infolist() if not each.is_dir()]
        # Layers of most clouds have their modules in a folder of this name.
        prefix = "python/" if all(name.startswith("python/") for name in names) else ""
        for name in names:
            path = PurePosixPath(name.removeprefix(prefix))
            if path.is_absolute() or ".." in path.parts:
                raise PackageError(f"{file} holds {name!r}, which would land outside of its folder")
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(archive.read(name))
            members[path] = (file, name)
    return members


def _function(label: Path, folder: Path, path: tuple[str, ...] | None = None) -> Target:
    return Target(str(label), folder, ENTRY.stem, HANDLER, path)


def _recorded(record: Path) -> set[str]:
    """Name what stands at the top of what a distribution installed."""
    names = set()
    for line in record.read_text("utf-8", "replace").splitlines():
        top, _, rest = line.split(",")[0].strip('"').partition("/")
        if top not in ("..", "__pycache__", ""):
            names.add(top if rest else PurePosixPath(top).stem)
    return names
