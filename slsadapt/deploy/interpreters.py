"""Find what builds packages on this machine: interpreters, one for each Python, and uv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_interpreter", "find_uv"]

# What a candidate says of itself. Free-threaded builds load other extension modules.
_ASK = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2] + sys.abiflags)"


def find_interpreter(python: str) -> str:
    """Give the path of a CPython of this minor version, ``"3.11"``.

    It is this very one, or one in PATH, of pyenv or of uv; nothing is installed.

    Raises:
        PackageError: there is none; the message says what to install.
    """
    tried = set()
    for candidate in _candidates(python):
        if candidate not in tried and _is_cpython(candidate, python):
            return candidate
        tried.add(candidate)
    raise PackageError(
        f"no CPython {python} is on this machine: bytecode for this runtime is compiled by the "
        f"same minor version, and no other's is accepted there. Install it, for example with "
        f"'uv python install {python}' or 'pyenv install {python}'"
    )


def find_uv() -> str | None:
    """Give the path of uv: the one that is installed beside this package, else PATH's."""
    try:
        import uv

        return os.fspath(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        return shutil.which("uv")


def _candidates(python: str) -> Iterator[str]:
    yield sys.executable
    if (found := shutil.which(f"python{python}")) is not None:
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(os.fspath, sorted(pyenv.glob(f"versions/{python}.*/bin/python"), reverse=True))
    # Last, for it looks at every interpreter that it comes across.
    if (uv := find_uv()) is not None:
        command = [uv, "python", "find", "--no-project", "--no-python-downloads", python]
        found_by_uv = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
        if found_by_uv.returncode == 0:
            yield found_by_uv.stdout.strip()


def _is_cpython(candidate: str, python: str) -> bool:
    # One that is in PATH may be pyenv's mere promise of another.
    command = [candidate, "-I", "-S", "-c", _ASK]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=60)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.stdout.split() == ["cpython", python]
