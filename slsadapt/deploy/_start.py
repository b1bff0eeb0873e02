"""Start a bundled package: its modules come out of one mapped file, and the collector waits.

This file lands in the package as ``_slsadapt_start.py``; the bytecode of the entry module calls
``begin`` before the code of that module, and ``end`` after it.

The bundle answers for the folder that it lies in as that folder was when it was packaged; changes
to source go unnoticed, as they do with unchecked bytecode. It answers in ``sys.path_hooks``, for
one folder at a time, so that ``sys.path`` and each package's ``__path__`` decide, as ever, which
folder is asked and in what order. What it does not hold, such as extension modules, namespace
packages and modules that came later, the folder's ordinary finder looks for; but for a module of
the standard library only where the folder had one of that name.

A bundle is the interpreter's magic number, the length of the index in 4 octets (little endian),
the index, and the code of the modules, marshalled, one after the other. The index is marshalled
too: ``{folder: {module: place}}``. Places count from 1 behind the index; a package's is negative,
and 0 is what the folder holds beside the bundle.
"""

from __future__ import annotations

import gc
import marshal
import sys
from _imp import _fix_co_filename  # type: ignore[attr-defined]  # what SourceFileLoader calls
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap
    from types import CodeType, ModuleType

__all__ = ["NAME", "BundledFinder", "BundledLoader", "begin", "end", "install"]

NAME = "_slsadapt.bundle"

_LOADERS = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)
# Never reached. Not 0, which an application may set itself to turn the collector off.
_WAITING = 0x7FFF_FFFF

_maps: list[mmap] = []
_thresholds: tuple[int, int, int] | None = None


class BundledLoader(SourceFileLoader):
    """Load a module's code out of the bundle, and all else from its file."""

    def __init__(self, fullname: str, path: str, octets: memoryview) -> None:
        super().__init__(fullname, path)
        self._octets = octets

    def get_code(self, fullname: str) -> CodeType | None:
        """Give the code, which names its source where it stands now."""
        try:
            code: CodeType = marshal.loads(self._octets)  # noqa: S302 - as trusted as bytecode
            _fix_co_filename(code, self.path)
        except (EOFError, TypeError, ValueError) as error:
            _warn(f"the code bundle holds no code for {fullname} ({error}); its file is loaded")
            return super().get_code(fullname)
        return code


class BundledFinder(FileFinder):
    """Find the modules of one folder; pkgutil and others know it for the FileFinder it is."""

    def __init__(self, path: str, places: dict[str, int], octets: memoryview) -> None:
        super().__init__(path, *_LOADERS)
        self._places = places
        self._octets = octets

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module in the bundle, else in the folder."""
        name = fullname.rpartition(".")[2]
        place = self._places.get(name)
        if not place:
            # Most of what is imported at a start is the library's, and asked for here first.
            if place is None and fullname in sys.stdlib_module_names:
                return None
            return super().find_spec(fullname, target)
        folder = self.path
        is_package = place < 0
        if is_package:
            folder, name, place = f"{folder}/{name}", "__init__", -place
        path = f"{folder}/{name}.py"
        loader = BundledLoader(fullname, path, self._octets[place - 1 :])
        spec = ModuleSpec(fullname, loader, origin=path)
        spec.has_location = True
        # Set here, because importlib takes longer to work it out.
        spec.cached = f"{folder}/__pycache__/{name}.{sys.implementation.cache_tag}.pyc"
        if is_package:
            spec.submodule_search_locations = [folder]
        return spec


def install(root: str) -> None:
    """Let the bundle of a folder answer for it and for all folders below.

    Args:
        root: absolute, as it stands in ``sys.path``, without a slash at its end.

    Raises:
        OSError: there is no bundle.
        ValueError: it is another interpreter's, or broken.
    """
    # Here, so that the collector runs again even where they cannot be imported.
    from importlib.util import MAGIC_NUMBER
    from mmap import ACCESS_READ, mmap

    with open(f"{root}/{NAME}", "rb") as file:  # noqa: PTH123 - pathlib takes 5 ms to import
        mapped = mmap(file.fileno(), 0, access=ACCESS_READ)
    if mapped[:4] != MAGIC_NUMBER:
        raise ValueError(f"{root}/{NAME} is for another Python")
    code_begins = 8 + int.from_bytes(mapped[4:8], "little")
    folders: dict[str, dict[str, int]] = marshal.loads(mapped[8:code_begins])  # noqa: S302
    if not isinstance(folders, dict):
        raise ValueError(f"{root}/{NAME} has no index")
    octets = memoryview(mapped)[code_begins:]
    top = f"{root}/"

    def find_folder(path: str) -> BundledFinder:
        path = path.rstrip("/")
        if f"{path}/".startswith(top) and (places := folders.get(path[len(top) :])) is not None:
            return BundledFinder(path, places, octets)
        raise ImportError(f"{path!r} is not in the bundle", path=path)

    _maps.append(mapped)
    sys.path_hooks.insert(0, find_folder)
    # Finders that are there already: the entry module was found by one.
    for path in list(sys.path_importer_cache):
        if f"{path}/".startswith(top):
            del sys.path_importer_cache[path]


def begin(file: str) -> None:
    """Let the collector wait, and install the bundles of the import path.

    Args:
        file: the entry module's.
    """
    global _thresholds
    if gc.get_threshold()[0] != _WAITING:
        _thresholds = gc.get_threshold()
        gc.set_threshold(_WAITING)
    # A layer brings its own.
    roots = [file.rpartition("/")[0], *sys.path]
    found = False
    for root in dict.fromkeys(path.rstrip("/") for path in roots if path.startswith("/")):
        try:
            install(root)
        except (FileNotFoundError, NotADirectoryError):
            continue  # a folder without one, or an archive
        except Exception as error:
            _warn(f"no code bundle: {error}; modules are loaded from their files")
        found = True
    if not found:
        _warn(f"no {NAME} in sys.path; modules are loaded from their files")


def end() -> None:
    """Let the collector run, but not over what is there by now: it stays.

    An application that set a threshold of its own keeps it.
    """
    if _thresholds is not None and gc.get_threshold()[0] == _WAITING:
        gc.freeze()
        gc.set_threshold(*_thresholds)
    if sys.platform == "linux" and _maps:
        from mmap import MADV_DONTNEED

        # Pages that were read count as the function's memory until they are given back.
        for mapped in _maps:
            mapped.madvise(MADV_DONTNEED)


def _warn(text: str) -> None:
    print(f"slsadapt: {text}", file=sys.stderr)  # noqa: T201 - logging is not imported yet
