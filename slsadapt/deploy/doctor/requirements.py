"""Hold what the application imports against what it requires.

Source: https://packaging.python.org/en/latest/specifications/core-metadata/#requires-dist-multiple-use
"""

from __future__ import annotations

import ast
import importlib.metadata
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ...errors import PackageError
from ..project import read_project, read_toml
from ..sizes import PackageSize
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .subject import Subject

__all__ = ["PROVIDED", "Installed", "check_requirements", "installed_sizes", "read_installed"]

# What runtimes bring along, and packages therefore leave out.
PROVIDED = {"awslambdaric", "boto3", "botocore"}


@dataclass(frozen=True, slots=True)
class Installed:
    """What a project requires, with all that comes along.

    Args:
        file: where it says so.
        names: of the distributions, canonical.
        missing: of those that are not installed here.
    """

    file: Path
    names: frozenset[str]
    missing: frozenset[str]


def read_installed(subject: Subject) -> Installed | None:
    """Follow a folder's requirements through what is installed here.

    None for what is no folder with requirements, and where requirements are told in a way that
    names no distribution (a URL, another folder).
    """
    if subject.archive is not None or not subject.is_function:
        return None
    try:
        file = read_project(subject.folder).requirements
    except PackageError:
        return None
    if file is None:
        return None
    wanted = _read_requirements(file)
    if wanted is None:
        return None
    names: set[str] = set()
    missing: set[str] = set()
    seen: set[tuple[str, str]] = set()
    while wanted:
        requirement, extra = wanted.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        try:
            needs = importlib.metadata.distribution(name).requires or ()
        except importlib.metadata.PackageNotFoundError:
            missing.add(name)
            needs = ()
        names.add(name)
        for each in ("", *requirement.extras):
            if (name, each) not in seen:
                seen.add((name, each))
                wanted.extend((Requirement(need), each) for need in needs)
    return Installed(file, frozenset(names), frozenset(missing))


def installed_sizes(installed: Installed) -> Iterator[PackageSize]:
    """Measure what is installed of it, without bytecode and tests, which are not shipped so."""
    for name in installed.names - installed.missing:
        distribution = importlib.metadata.distribution(name)
        octets = 0
        for file in distribution.files or ():
            if file.suffix == ".pyc" or "tests" in file.parts or ".." in file.parts:
                continue
            path = Path(str(distribution.locate_file(file)))
            if path.is_file():
                octets += path.stat().st_size
        yield PackageSize(name, distribution.version, 0, octets)


def check_requirements(subject: Subject, installed: Installed | None) -> Iterator[Finding]:
    """Look for imports that work here alone, because something else had them installed."""
    # Of what is not installed here nobody knows what would come along.
    if installed is None or installed.missing:
        return
    providers = importlib.metadata.packages_distributions()
    own = {path.parts[0].removesuffix(".py") for path in subject.files}
    known = {*sys.stdlib_module_names, *own, *PROVIDED}
    found: dict[str, list[str]] = {}
    for source in subject.sources:
        for statement in _imports_at_start(source.tree.body):
            for top in _tops(statement):
                names = {canonicalize_name(each) for each in providers.get(top, ())}
                if top not in known and names and not names & installed.names:
                    found.setdefault(sorted(names)[0], []).append(source.at(statement))
    for name, places in found.items():
        yield Finding(
            check="requirements",
            severity="fails",
            where=tuple(places),
            found=f"{name} is imported, and {installed.file.name} neither requires it nor anything "
            "that does",
            costs="it is not in the package: ModuleNotFoundError at the start",
            advice=f"add {name} to {installed.file.name}.",
        )


def _read_requirements(file: Path) -> list[tuple[Requirement, str]] | None:
    """Read the requirements of a file; None where some name no distribution."""
    if file.name == "pyproject.toml":
        table: dict[str, Any] = read_toml(file)["project"]
        if "dependencies" in table.get("dynamic", ()):
            return None
        lines = [str(line) for line in table.get("dependencies", ())]
    else:
        text = file.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [line.split(" #")[0].split(" --hash")[0].strip() for line in text.splitlines()]
    requirements: list[tuple[Requirement, str]] = []
    for line in lines:
        if not line or line.startswith("#"):
            continue
        if line.startswith(("-r ", "--requirement ")):
            more = _read_requirements(file.parent / line.split(maxsplit=1)[1])
            if more is None:
                return None
            requirements += more
        elif line.startswith(("--index-url", "--extra-index-url", "-i ", "--find-links")):
            continue
        else:
            try:
                requirements.append((Requirement(line), ""))
            except InvalidRequirement:
                return None
    return requirements


def _imports_at_start(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Give the imports that a module's start does; what is in if and try may be optional."""
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.With):
            yield from _imports_at_start(node.body)


def _tops(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif node.module and not node.level:
        yield node.module.partition(".")[0]
