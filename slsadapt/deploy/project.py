"""A project to package: a folder with a function, what it requires and what it consists of."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import PackageError
from .rules import choose_files

if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath

__all__ = ["ENTRY", "Project", "read_project", "read_toml"]

# The module whose ``main_handler`` every cloud is pointed at.
ENTRY = "index.py"


@dataclass(frozen=True, slots=True)
class Project:
    """One application and what it requires.

    Args:
        folder: holds ``index.py``.
        requirements: its ``requirements.txt``, else a ``pyproject.toml`` with a ``[project]``
            table, else None.
        files: of the application, that land in the package; sorted, relative to ``folder``.
    """

    folder: Path
    requirements: Path | None
    files: tuple[PurePosixPath, ...]


def read_project(folder: Path) -> Project:
    """Read what a folder would be packaged of; nothing of it is imported.

    Raises:
        PackageError: it has no ``index.py``, or files that no archive can hold.
    """
    if not (folder / ENTRY).is_file():
        raise PackageError(
            f"{folder} has no {ENTRY}: clouds are pointed at {ENTRY.removesuffix('.py')}."
            f"main_handler, so write one with 'main_handler = slsadapt.wrap(app)'"
        )
    files = choose_files(folder)
    if not any(str(file) == ENTRY for file in files):
        raise PackageError(f"{folder / '.slsignore'} leaves out {ENTRY}, which the cloud imports")
    return Project(folder, _find_requirements(folder), files)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        PackageError: it is none; the message gives the line.
    """
    # The standard library's since 3.11, and the same under another name before.
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        table: dict[str, Any] = toml.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PackageError(f"{path} cannot be read: {error}") from error
    return table


def _find_requirements(folder: Path) -> Path | None:
    if (requirements := folder / "requirements.txt").is_file():
        return requirements
    pyproject = folder / "pyproject.toml"
    # Without [project] it configures tools, ruff's for example.
    if pyproject.is_file() and "project" in read_toml(pyproject):
        return pyproject
    return None
