"""Arrange what a cold start finds: bytecode valid, stale or missing, files in memory or not.

Nothing of the user's is touched. Bytecode is arranged in a folder of its own, which
``-X pycache_prefix`` lets the interpreter read instead of ``__pycache__``; that of the standard
library is valid there in every state, as it is in every cloud. Files leave the page cache by
``posix_fadvise``, which needs no rights; the interpreter's and the standard library's stay.
"""

from __future__ import annotations

import importlib.util
import os
import struct
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .processes import LoadedModule

__all__ = ["Bytecode", "Prefixes", "bytecode_of", "count_bytecode", "evict"]

Bytecode = Literal["valid", "stale", "none"]

# Python's own compiler, told of (source, destination) in lines; the last modification of a
# source is part of what it writes.
_COMPILE = """
import py_compile, sys
for line in sys.stdin:
    source, target = line.rstrip("\\n").split("\\0")
    try:
        py_compile.compile(source, target, doraise=True)
    except (OSError, py_compile.PyCompileError):
        pass
"""
_HEADER_BYTES = 16
_HASH_BASED, _CHECK_SOURCE = 1, 2


@dataclass(frozen=True, slots=True)
class Counted:
    """How many modules of an application have which bytecode."""

    valid: int
    stale: int
    none: int

    def __str__(self) -> str:
        """Say it, ``"213 valid, 2 none"``; what is 0 is left out."""
        counts = {"valid": self.valid, "stale": self.stale, "none": self.none}
        return ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "none at all"


class Prefixes:
    """Folders of arranged bytecode, one a state.

    Args:
        modules: all that the measured processes will import.
        folder: where to put them; the caller removes it.
        python: the interpreter that will read them.
    """

    def __init__(self, modules: Sequence[LoadedModule], folder: Path, python: str) -> None:
        self._modules = _with_source(modules)
        self._folder = folder
        self._python = python
        self._made: set[str] = set()

    def options(self, state: Literal["found", "valid", "stale", "none"]) -> list[str]:
        """Give the interpreter's options for a state, arranging it if it is asked for first."""
        if state == "found":
            return []
        prefix = self._folder / state
        if state not in self._made:
            self._arrange(state, prefix)
            self._made.add(state)
        return ["-X", f"pycache_prefix={prefix}"]

    def _arrange(self, state: Bytecode, prefix: Path) -> None:
        wanted, stale = [], []
        for module in self._modules:
            target = cached_below(prefix, module)
            if is_standard(module.file):
                wanted.append((module.file, target))
            elif state != "none":
                wanted.append((module.file, target))
                stale.append(target)
        prefix.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{source}\0{target}\n" for source, target in wanted)
        done = subprocess.run(  # noqa: S603 - the interpreter that is measured
            [self._python, "-I", "-S", "-c", _COMPILE],
            input=lines,
            text=True,
            capture_output=True,
        )
        if done.returncode:
            raise BenchError(f"bytecode for {state!r} could not be compiled: {done.stderr}")
        if state == "stale":
            for target in stale:
                if target.exists():
                    _age(target)


def cached_below(prefix: Path, module: LoadedModule) -> Path:
    """Tell where the interpreter looks for a module's bytecode with ``-X pycache_prefix``."""
    # As importlib.util.cache_from_source does it; the name is told by the interpreter measured.
    source = Path(module.file)
    return prefix.joinpath(*source.parent.parts[1:]) / Path(module.cached).name


def evict(modules: Iterable[LoadedModule]) -> None:
    """Let the kernel forget the files of an application's modules.

    Raises:
        BenchError: this system has no such call.
    """
    if not hasattr(os, "posix_fadvise"):
        raise BenchError("a cold page cache needs posix_fadvise, which this system does not have")
    for module in modules:
        if is_standard(module.file):
            continue
        for name in (module.file, module.cached):
            try:
                descriptor = os.open(name, os.O_RDONLY)
            except OSError:
                continue
            try:
                # Only clean pages leave; what was just written is written back first.
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def count_bytecode(modules: Sequence[LoadedModule]) -> Counted:
    """Count which bytecode the modules outside of the standard library have."""
    states = [bytecode_of(m) for m in _with_source(modules) if not is_standard(m.file)]
    return Counted(states.count("valid"), states.count("stale"), states.count("none"))


def bytecode_of(module: LoadedModule) -> Bytecode:
    """Tell what a module's bytecode is worth to this interpreter.

    Source: https://docs.python.org/3/reference/import.html#pyc-invalidation.
    """
    try:
        with Path(module.cached).open("rb") as file:
            header = file.read(_HEADER_BYTES)
        source = Path(module.file).stat()
    except OSError:
        return "none"
    if len(header) < _HEADER_BYTES or header[:4] != importlib.util.MAGIC_NUMBER:
        return "stale"
    flags, modified, size = struct.unpack("<III", header[4:])
    if flags & _HASH_BASED:
        if not flags & _CHECK_SOURCE:
            return "valid"
        digest = importlib.util.source_hash(Path(module.file).read_bytes())
        return "valid" if digest == header[8:] else "stale"
    # The header holds the low 32 bits of both.
    fresh = (modified, size) == (int(source.st_mtime) & 2**32 - 1, source.st_size & 2**32 - 1)
    return "valid" if fresh else "stale"


def is_standard(file: str) -> bool:
    """Tell whether a file is the standard library's."""
    if "site-packages" in file or "dist-packages" in file:
        return False
    return any(file.startswith(folder) for folder in _STANDARD)


def _with_source(modules: Iterable[LoadedModule]) -> list[LoadedModule]:
    return [module for module in modules if module.file.endswith(".py") and module.cached]


def _age(target: Path) -> None:
    """Make bytecode look as if its source had been changed since."""
    octets = bytearray(target.read_bytes())
    octets[8:12] = struct.pack("<I", (struct.unpack("<I", octets[8:12])[0] - 1) & 2**32 - 1)
    target.write_bytes(octets)


_STANDARD = tuple(
    f"{folder}{os.sep}"
    for folder in {
        str(path)
        for name in ("stdlib", "platstdlib")
        for path in (Path(sysconfig.get_path(name)), Path(sysconfig.get_path(name)).resolve())
    }
)
