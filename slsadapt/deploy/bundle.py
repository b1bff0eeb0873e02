"""Put the code of a package into one file, from which it starts faster.

Importing a module from its file takes several system calls: its folders are searched, its source
looked at, its bytecode opened and read. A bundle holds the bytecode of all of them, and is mapped
once. The files stay: subprocesses, tracebacks and ``importlib.resources`` read them.

The entry module's source stays what it was. Its bytecode becomes that of::

    try:
        __import__("_slsadapt_start").begin(__file__)
        ...  # the entry module
    finally:
        __import__("_slsadapt_start").end()

with every line where it was. Where that bytecode is not accepted, as by another Python, the
package starts from its source as if there were no bundle.
"""

from __future__ import annotations

import marshal
import shutil
import subprocess
from pathlib import Path

from ..errors import PackageError
from . import _start

__all__ = ["write_bundle"]

_START = "_slsadapt_start"
# PEP 552: the magic number in 4 octets, flags in 4, the hash in 8, then the code. Bit 0 of the
# flags says that there is a hash, bit 1 that it is checked.
_HEAD_BYTES = 16
_UNCHECKED = (1).to_bytes(4, "little")
_EXTENSIONS = (".so", ".pyd")

_ASK = "import sys, importlib.util as u; print(sys.implementation.cache_tag, u.MAGIC_NUMBER.hex())"

# Runs in the runtime's interpreter, which alone compiles for it.
_COMPILE_ENTRY = """\
import sys
del sys.path[0]
import ast, marshal, os, py_compile
source, bytecode, start, start_bytecode = sys.argv[1:]
with open(bytecode, "rb") as file:
    head, code = file.read(16), marshal.load(file)
with open(source, "rb") as file:
    module = ast.parse(file.read(), code.co_filename)
places = [
    place
    for place, node in enumerate(module.body)
    if isinstance(node, ast.ImportFrom) and node.module == "__future__" and not node.level
]
if places:
    first = places[-1] + 1
else:
    first = int(ast.get_docstring(module, clean=False) is not None)
begin, end = ast.parse(
    "__import__('_slsadapt_start').begin(__file__)\\n__import__('_slsadapt_start').end()"
).body
body = module.body[first:]
for node in ast.walk(begin):
    ast.copy_location(node, body[0] if body else node)
for node in ast.walk(end):
    ast.copy_location(node, body[-1] if body else node)
whole = ast.Try(body=[begin, *body], handlers=[], orelse=[], finalbody=[end])
module.body[first:] = [ast.copy_location(whole, begin)]
with open(bytecode, "wb") as file:
    file.write(head + marshal.dumps(compile(module, code.co_filename, "exec", dont_inherit=True)))
py_compile.compile(
    start,
    start_bytecode,
    os.path.join(os.path.dirname(code.co_filename), os.path.basename(start)),
    doraise=True,
    optimize=0,
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
)
"""


def write_bundle(tree: Path, interpreter: str, entry: str = "index") -> None:
    """Add a bundle to a folder whose modules are compiled; equal folders give equal octets.

    Modules without unchecked bytecode of this interpreter stay out of it, and so do those that an
    extension module stands in front of.

    Args:
        tree: the folder, as it will stand in ``sys.path``.
        interpreter: of the runtime's minor version.
        entry: the module that is imported first and installs the bundle. ``""`` for a layer,
            whose bundle is installed by the function's entry.

    Raises:
        PackageError: the entry has no bytecode, or the interpreter fails.
    """
    tag, magic = _run(interpreter, _ASK).split()
    _write(tree, tag, bytes.fromhex(magic))
    if not entry:
        return
    source, bytecode = _files(tree, entry, tag)
    if not bytecode.is_file():
        raise PackageError(
            f"{source} must have been compiled by {interpreter} before it is bundled; "
            f"there is no {bytecode.relative_to(tree)}"
        )
    start, start_bytecode = _files(tree, _START, tag)
    shutil.copyfile(_start.__file__, start)
    _run(interpreter, _COMPILE_ENTRY, source, bytecode, start, start_bytecode)


def _files(folder: Path, module: str, tag: str) -> tuple[Path, Path]:
    return folder / f"{module}.py", folder / "__pycache__" / f"{module}.{tag}.pyc"


def _write(tree: Path, tag: str, magic: bytes) -> None:
    """Write the bundle: the modules sorted, each folder's after another."""
    head = magic + _UNCHECKED
    folders: dict[str, dict[str, int]] = {}
    codes: list[bytes] = []
    place = 1
    for source in sorted(tree.rglob("*.py")):
        _, bytecode = _files(source.parent, source.stem, tag)
        is_package = source.stem == "__init__"
        stands_at = source.parent if is_package else source.with_suffix("")
        if stands_at == tree or not bytecode.is_file() or _is_covered(source, stands_at):
            continue
        octets = bytecode.read_bytes()
        if not octets.startswith(head):
            continue
        folder = stands_at.parent.relative_to(tree).as_posix()
        modules = folders.setdefault("" if folder == "." else folder, {})
        modules[stands_at.name] = -place if is_package else place
        codes.append(octets[_HEAD_BYTES:])
        place += len(codes[-1])
    for folder, modules in folders.items():
        for beside in sorted(path.name.partition(".")[0] for path in (tree / folder).iterdir()):
            if beside.isidentifier():
                modules.setdefault(beside, 0)
    # Version 2 writes the same octets whoever else holds a string.
    index = marshal.dumps(folders, 2)
    with (tree / _start.NAME).open("wb") as file:
        file.writelines([magic, len(index).to_bytes(4, "little"), index, *codes])


def _is_covered(source: Path, stands_at: Path) -> bool:
    """Tell whether importing this name gives another file than the source.

    In one folder a package goes before extension modules, and these before source.
    """
    beside = source.parent.glob(f"{source.stem}.*")
    if any(file.name.endswith(_EXTENSIONS) for file in beside):
        return True
    return stands_at != source.parent and any(stands_at.glob("__init__.*"))


def _run(interpreter: str, code: str, *arguments: Path) -> str:
    done = subprocess.run(  # noqa: S603 - the interpreter that was found for the package
        # No -I: it would ignore the seed.
        [interpreter, "-s", "-S", "-B", "-W", "ignore", "-c", code, *map(str, arguments)],
        env={"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode != 0:
        raise PackageError(f"{interpreter} could not bundle the package:\n{done.stderr.strip()}")
    return done.stdout
