"""Watch a packaged function from within its process: what is compiled, what comes from where.

Executed by ``slsadapt/bench/child.py`` in the package's interpreter before anything is imported;
the standard library alone.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["before_import", "report"]

_compiled: list[str] = []
_library: list[str] = []


def before_import() -> None:
    """Begin to watch; the import path is still the standard library's alone."""
    _library.extend(sys.path)
    # What an audit hook sees, nothing that runs later can hide or undo.
    sys.addaudithook(_note)


def report() -> dict[str, Any]:
    """Tell the standard library's folders, and of all modules their loader's name and places.

    ``compiled`` are the files of modules that were compiled from source.
    """
    modules = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        places = [file] if file else getattr(module, "__path__", ())
        loader = type(getattr(module, "__loader__", None)).__name__
        modules.append([name, loader, [place for place in places if isinstance(place, str)]])
    return {"library": _library, "compiled": _compiled, "modules": modules}


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "compile" or not isinstance(arguments[1], str):
        return
    # Templates, dataclasses and settings are compiled too, but not by the import system.
    if sys._getframe(1).f_code.co_filename.startswith("<frozen importlib"):
        _compiled.append(arguments[1])
