"""Whose bytes a package holds: its sizes by distribution, and the limits that they meet."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from zipfile import ZipFile

from ..errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .runtimes import Runtime

__all__ = ["APPLICATION", "PackageSize", "check_limits", "measure", "read_owners", "write_table"]

# What belongs to no distribution.
APPLICATION = "application"

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PackageSize:
    """What one distribution takes in a package, its bytecode included.

    Args:
        name: of the distribution; ``"application"`` and ``"code bundle"`` are none.
        version: its version, empty for these two.
        zip_bytes: compressed.
        unzipped_bytes: extracted.
    """

    name: str
    version: str
    zip_bytes: int
    unzipped_bytes: int


def read_owners(tree: Path) -> dict[str, tuple[str, str]]:
    """Tell of each installed file to which distribution it belongs.

    Returns:
        (name, version) by path, with ``/``, relative to ``tree``.
    """
    owners = {}
    for record in sorted(tree.glob("*.dist-info/RECORD")):
        metadata = record.with_name("METADATA").read_text(encoding="utf-8")
        headers = HeaderParser().parsestr(metadata)
        owner = (headers["Name"], headers["Version"])
        with record.open(encoding="utf-8", newline="") as file:
            owners.update({row[0]: owner for row in csv.reader(file) if row})
        owners[record.relative_to(tree).as_posix()] = owner
    return owners


def measure(
    archives: Mapping[Path, str], owners: Mapping[str, tuple[str, str]]
) -> tuple[PackageSize, ...]:
    """Add up what archives hold, by distribution; largest first.

    Args:
        archives: the package, and its layer if it has one, with the folder that holds its
            modules: ``""`` or ``"python/"``.
        owners: as ``read_owners`` tells.
    """
    totals: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for archive, prefix in archives.items():
        with ZipFile(archive) as opened:
            for entry in opened.infolist():
                path = _source(entry.filename.removeprefix(prefix))
                total = totals[owners.get(path, (APPLICATION, ""))]
                total[0] += entry.compress_size
                total[1] += entry.file_size
    sizes = (PackageSize(*owner, *total) for owner, total in totals.items())
    return tuple(sorted(sizes, key=lambda size: (-size.unzipped_bytes, size.name)))


def _source(path: str) -> str:
    """Give the module that a file of bytecode was compiled from, and other paths as they are."""
    place = PurePosixPath(path)
    if place.suffix == ".pyc" and place.parent.name == "__pycache__":
        return str(place.parent.parent / f"{place.name.split('.')[0]}.py")
    return path


def write_table(sizes: Iterable[PackageSize], rows: int = 10) -> str:
    """Write the largest as lines of text: name, MiB zipped, MiB extracted."""
    lines = [f"{'':30} {'zipped':>10} {'extracted':>10}"]
    for size in list(sizes)[:rows]:
        label = f"{size.name} {size.version}".strip()
        zipped, extracted = size.zip_bytes / _MIB, size.unzipped_bytes / _MIB
        lines.append(f"{label:30} {zipped:6.1f} MiB {extracted:6.1f} MiB")
    return "\n".join(lines)


def check_limits(sizes: Iterable[PackageSize], runtime: Runtime) -> None:
    """Hold the sizes of a package with its layer against what the runtime takes.

    Raises:
        PackageError: they are more; the message has a table of the largest.
    """
    sizes = list(sizes)
    for word, taken, limit in (
        ("extracted", sum(size.unzipped_bytes for size in sizes), runtime.unzipped_limit_bytes),
        ("zipped", sum(size.zip_bytes for size in sizes), runtime.zip_limit_bytes),
    ):
        if taken > limit:
            raise PackageError(
                f"the package takes {taken / _MIB:.1f} MiB {word}, {runtime.name} takes "
                f"{limit / _MIB:.0f} MiB with all layers, so that a layer is no way out. Require "
                f"less, split the function, load models and data from object storage, or deploy "
                f"a container image. The largest are:\n{write_table(sizes)}"
            )
