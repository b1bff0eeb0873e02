"""Write archives that are the same octets whenever and wherever their tree is the same."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_archive"]

# The first day that zip archives can tell.
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
# Of zlib. 9 takes four times as long, and less than 1 % off.
_LEVEL = 6
# MS-DOS's own mark of a folder, which some readers look at.
_FOLDER_MARK = 0x10


def write_archive(tree: Path, archive: Path, prefix: str = "") -> None:
    """Zip a folder.

    Entries are sorted, of 1980, readable by all, and executable where their owner may execute
    them. Folders have entries of their own: without them ``zipimport`` finds no namespace
    packages. Links are followed.

    Args:
        tree: what lands at the root of the archive.
        archive: the file to write.
        prefix: a folder that holds the tree in the archive, ``"python/"``.
    """
    with ZipFile(archive, "w") as opened:
        if prefix:
            opened.writestr(_describe(prefix, is_folder=True), b"")
        for name, path in sorted((_name(path, tree), path) for path in tree.rglob("*")):
            is_folder = path.is_dir()
            executable = path.stat().st_mode & stat.S_IXUSR != 0
            entry = _describe(prefix + name, is_folder=is_folder, executable=executable)
            content = b"" if is_folder else path.read_bytes()
            opened.writestr(entry, content, compresslevel=_LEVEL)


def _name(path: Path, tree: Path) -> str:
    return path.relative_to(tree).as_posix() + "/" * path.is_dir()


def _describe(name: str, *, is_folder: bool, executable: bool = False) -> ZipInfo:
    entry = ZipInfo(name, _DATE)
    entry.create_system = _UNIX
    kind = stat.S_IFDIR if is_folder else stat.S_IFREG
    mode = 0o755 if is_folder or executable else 0o644
    entry.external_attr = (kind | mode) << 16 | (_FOLDER_MARK if is_folder else 0)
    entry.compress_type = ZIP_STORED if is_folder else ZIP_DEFLATED
    return entry
