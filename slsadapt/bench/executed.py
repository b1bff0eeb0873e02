"""Watch who imports what, and of which modules code runs while events are answered.

Runs in the measured process, before anything is imported, in a run of its own since watching
takes time. Functions count, bodies of modules and classes do not: these run for the import's
sake. What runs while something is being imported is kept apart, during events as well.
"""

import _frozen_importlib as bootstrap
import builtins
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType, FrameType, ModuleType
    from typing import Any

# Set in the code of functions, lambdas and comprehensions, not in that of modules and classes.
CO_OPTIMIZED = 1
# One of the numbers of sys.monitoring that are nobody's.
TOOL = 4

# Who imports for others: by name, and codecs.
GO_BETWEENS = ("_frozen_importlib", "importlib", "importlib._bootstrap", "encodings")

# Of each module the places that asked for it, "module:line", the first first.
asked: "dict[str, dict[str, None]]" = {}
# Modules of which functions ran while events were answered, and were called while importing.
ran: "set[str]" = set()
called: "set[str]" = set()
# How many imports each thread is in.
depths: "dict[int, int]" = {}
answering = False

original_import = builtins.__import__
original_named = bootstrap._gcd_import  # type: ignore[attr-defined]


def before_import() -> None:
    """Watch imports and calls from here on, in every thread."""
    builtins.__import__ = watched_import
    bootstrap._gcd_import = watched_named  # type: ignore[attr-defined]
    if sys.version_info >= (3, 12):
        sys.monitoring.use_tool_id(TOOL, "slsadapt bench")
        event = sys.monitoring.events.PY_START
        sys.monitoring.register_callback(TOOL, event, on_start)
        sys.monitoring.set_events(TOOL, event)
    else:
        threading.setprofile(on_profile)
        sys.setprofile(on_profile)


def before_events() -> None:
    """Count what runs from here on."""
    global answering
    answering = True
    if sys.version_info >= (3, 12):
        # Functions that ran for an import may run again.
        sys.monitoring.restart_events()


def report() -> "dict[str, Any]":
    """Stop, and tell the names of modules that ran, were called, or hold functions."""
    builtins.__import__ = original_import
    bootstrap._gcd_import = original_named  # type: ignore[attr-defined]
    if sys.version_info >= (3, 12):
        sys.monitoring.set_events(TOOL, 0)
        sys.monitoring.free_tool_id(TOOL)
    else:
        threading.setprofile(None)
        sys.setprofile(None)
    modules = sys.modules.copy()
    return {
        "importers": {name: [*places] for name, places in asked.items()},
        "ran": sorted(ran),
        "called": sorted(called),
        "runnable": sorted(name for name in modules if holds_functions(modules[name])),
    }


def watched_import(
    name: str,
    globals: "Mapping[str, object] | None" = None,  # noqa: A002 - their names
    locals: "Mapping[str, object] | None" = None,  # noqa: A002
    fromlist: "Sequence[str] | None" = (),
    level: int = 0,
) -> "ModuleType":
    """Note who asks for a module, and import it."""
    place = asking_place(sys._getframe(1))
    whole = name
    if level and globals:
        package = bootstrap._calc___package__(globals)  # type: ignore[attr-defined]
        whole = bootstrap._resolve_name(name, package, level)  # type: ignore[attr-defined]
    ask(whole, place)
    enter(1)
    try:
        module = original_import(name, globals, locals, fromlist, level)
    finally:
        enter(-1)
    for item in fromlist or ():
        items = getattr(module, "__all__", ()) if item == "*" else (item,)
        for attribute in items:
            if f"{whole}.{attribute}" in sys.modules:
                ask(f"{whole}.{attribute}", place)
    return module


def watched_named(name: str, package: "str | None" = None, level: int = 0) -> "ModuleType":
    """Do the same for ``importlib.import_module``."""
    place = asking_place(sys._getframe(1))
    whole = name
    if level and package:
        whole = bootstrap._resolve_name(name, package, level)  # type: ignore[attr-defined]
    ask(whole, place)
    enter(1)
    try:
        module: ModuleType = original_named(name, package, level)
    finally:
        enter(-1)
    return module


def ask(name: str, place: str) -> None:
    """Note that a place asks for a module."""
    asked.setdefault(name, {})[place] = None


def enter(by: int) -> None:
    """Count one import more or less in this thread."""
    thread = threading.get_ident()
    depths[thread] = depths.get(thread, 0) + by
    if sys.version_info < (3, 11):
        # Where a class made on_profile stop, this is the first chance to go on.
        sys.setprofile(on_profile)


def module_of(frame: "FrameType") -> str:
    """Name the module that code was written in."""
    return str(frame.f_globals.get("__name__"))


def asking_place(frame: "FrameType") -> str:
    """Name module and line that ask, past those that import on behalf of others."""
    while frame.f_back and module_of(frame) in GO_BETWEENS:
        frame = frame.f_back
    return f"{module_of(frame)}:{frame.f_lineno}"


def note(frame: "FrameType") -> bool:
    """Put a call down to its module; tell whether the next ones of its code add nothing."""
    if not frame.f_code.co_flags & CO_OPTIMIZED:
        return True
    name = module_of(frame)
    if answering and not depths.get(threading.get_ident()):
        ran.add(name)
        return True
    caller = frame.f_back
    if caller and module_of(caller) != name:
        called.add(name)
        return not answering
    return False


def on_start(code: "CodeType", offset: int) -> object:
    """Take note of a function that begins, from Python 3.12 on."""
    if note(sys._getframe(1)) and sys.version_info >= (3, 12):
        return sys.monitoring.DISABLE
    return None


def on_profile(frame: "FrameType", event: str, argument: object) -> None:
    """Take note of a function that begins, before Python 3.12."""
    if event != "call":
        return
    code = frame.f_code
    if (
        sys.version_info < (3, 11)
        and not code.co_flags & CO_OPTIMIZED
        and "__class__" in code.co_cellvars
    ):
        # Python 3.10 forgets the __class__ that a class defines, Django's LazyObject for one, if
        # somebody watches how its body ends.
        sys.setprofile(None)
        return
    note(frame)


def holds_functions(module: "ModuleType") -> bool:
    """Tell whether anything of a module could run once it is imported."""
    spec = getattr(module, "__spec__", None)
    try:
        return has_functions(spec.loader.get_code(spec.name))  # type: ignore[union-attr]
    except Exception:
        # Extension modules, namespaces, and whatever else poses as a module.
        return False


def has_functions(code: "CodeType") -> bool:
    """Look for functions in code; lambdas are, comprehensions at the top are not."""
    for constant in code.co_consts:
        if not hasattr(constant, "co_flags"):
            continue
        if constant.co_flags & CO_OPTIMIZED:
            if not constant.co_name.startswith("<") or constant.co_name == "<lambda>":
                return True
        elif has_functions(constant):
            return True
    return False
