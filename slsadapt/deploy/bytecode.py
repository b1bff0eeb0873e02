"""Compile a tree to bytecode that stays valid in a cloud.

Bytecode says from which source it was compiled. By default it names the source's date, which
archives round and clouds reset, so that the interpreter takes it for stale and compiles anew at
each cold start. *Unchecked hashes* (PEP 552) are believed as they are.

Source: https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from ..errors import PackageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["compile_tree"]

# Runs in the runtime's interpreter. One file after the other in one process: how marshal writes a
# constant depends on who else holds it, and so on what was compiled before.
_COMPILE = """\
import sys
del sys.path[0]
import os, py_compile
from importlib.util import cache_from_source
tree, prefix = sys.argv[1:]
for folder, folders, files in os.walk(tree):
    folders.sort()
    for file in sorted(files):
        if file.endswith(".py"):
            path = os.path.join(folder, file)
            place = os.path.relpath(path, tree)
            try:
                py_compile.compile(
                    path,
                    cache_from_source(path, optimization=""),
                    prefix + "/" + place.replace(os.sep, "/"),
                    doraise=True,
                    optimize=0,
                    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                )
            except (py_compile.PyCompileError, ValueError, RecursionError) as error:
                reason = getattr(error, "exc_value", error)
                line = getattr(reason, "lineno", None)
                place += f":{line}" if line else ""
                print(f"{place}: not compiled ({type(reason).__name__})")
"""


def compile_tree(tree: Path, interpreter: str, prefix: str) -> list[str]:
    """Compile each module of a folder; equal folders give equal octets.

    Args:
        tree: the folder; its ``__pycache__`` folders are written.
        interpreter: of the runtime's minor version.
        prefix: where the tree will stand in the cloud, ``"/var/task"``. Code names its source so,
            and need not be changed when it is loaded.

    Returns:
        What could not be compiled and stays source, in words: templates of modules, Python 2.

    Raises:
        PackageError: the interpreter fails.
    """
    done = subprocess.run(  # noqa: S603 - the interpreter that was found for it
        # No -I: it would ignore the seed.
        [interpreter, "-s", "-S", "-B", "-W", "ignore", "-c", _COMPILE, str(tree), prefix],
        env={"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode != 0:
        raise PackageError(f"{interpreter} could not compile the package:\n{done.stderr.strip()}")
    return done.stdout.splitlines()
