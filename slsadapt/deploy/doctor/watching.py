"""Watch a function in its own process: what it writes, imports, does once and leaves running.

Executed by ``slsadapt/bench/child.py`` before anything is imported; the standard library alone.

Writing outside of the temporary directory is refused here as the clouds refuse it, with EROFS, so
that an application which copes with that is told from one that fails, and nobody's files change.
What is written through C (databases already there) cannot be refused, and is told afterwards.
"""

from __future__ import annotations

import _thread
import errno
import faulthandler
import os
import sys
from time import monotonic_ns, sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

__all__ = ["before_events", "before_import", "report"]

# A request that takes longer than this is shown as hanging.
LIMIT_S = 30
# How often it is looked where requests are; a busy thread gives way every 5 ms.
_SAMPLE_S = 0.002
_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Audit events that change a file: where their arguments have a path and the descriptor that it is
# relative to, and whether the first path must be there, or must not, for the change to be tried.
# Source: https://docs.python.org/3/library/audit_events.html
_CHANGES: dict[str, tuple[bool, tuple[tuple[int, int], ...]]] = {
    "os.mkdir": (False, ((0, 2),)),
    "os.symlink": (False, ((1, 2),)),
    "os.link": (False, ((1, 3),)),
    "os.rename": (True, ((0, 2), (1, 3))),
    "os.remove": (True, ((0, 1),)),
    "os.rmdir": (True, ((0, 1),)),
    "os.truncate": (True, ((0, -1),)),
    "os.chmod": (True, ((0, 2),)),
    "os.utime": (True, ((0, 3),)),
}
# What threading starts threads with, as it is imported only later; the latter since 3.13.
_STARTS = ("start_new_thread", "start_joinable_thread")
_start_new_thread = _thread.start_new_thread

_in_events = False
_folder = ""
_writable: tuple[str, ...] = ()
_writes: list[dict[str, Any]] = []
_imports: list[dict[str, Any]] = []
_threads: list[tuple[Any, dict[str, Any]]] = []
_databases: dict[str, tuple[Any, dict[str, Any]]] = {}
_importing: set[int] = set()
_samples: list[tuple[int, int, list[tuple[str, list[tuple[str, int]]]]]] = []
_FILE = sys._getframe().f_code.co_filename
# import_module()'s; os stands beside it.
_IMPORTLIB = os.path.join(os.path.dirname(os.__file__), "importlib", "__init__.py")  # noqa: PTH118, PTH120


def before_import() -> None:
    """Begin to watch; the working directory is the function's folder."""
    global _folder, _writable
    _folder = os.path.realpath(os.getcwd())  # noqa: PTH109 - pathlib is not imported
    temporary = [os.environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP")]
    _writable = tuple(
        os.path.realpath(each)
        for each in ("/tmp", "/dev", "/proc", *temporary)  # noqa: S108 - what clouds let write
        if each
    )
    bootstrap: Any = sys.modules["_frozen_importlib"]
    find_and_load = bootstrap._find_and_load

    def watch_import(name: str, import_: object) -> object:
        thread = _thread.get_ident()
        if not _in_events or name in sys.modules or thread in _importing:
            return find_and_load(name, import_)
        # Only what request handling itself imports is timed, with all that comes along.
        _importing.add(thread)
        known = len(sys.modules)
        stack = _stack()
        began_ns = monotonic_ns()
        try:
            return find_and_load(name, import_)
        finally:
            took_ms = (monotonic_ns() - began_ns) / 1e6
            _importing.discard(thread)
            _imports.append(
                {
                    "name": name,
                    "began_ns": began_ns,
                    "took_ms": took_ms,
                    "modules": len(sys.modules) - known,
                    "stack": stack,
                }
            )

    # Both import statements and importlib.import_module come through here; -X importtime shows
    # the former alone.
    bootstrap._find_and_load = watch_import
    for name in _STARTS:
        if hasattr(_thread, name):
            setattr(_thread, name, _watched_start(getattr(_thread, name)))
    sys.addaudithook(_audit)
    faulthandler.dump_traceback_later(LIMIT_S, exit=True)


def before_events() -> None:
    """Tell the import of the application from requests."""
    global _in_events
    _in_events = True
    _start_new_thread(_sample, (_thread.get_ident(),))


def report() -> dict[str, Any]:
    """Give what was seen; stacks are lists of (file, line), innermost first.

    Each sample is the ns since the one before, the time, and for each thread that has to do with
    the function's folder the file that ran and the lines of the folder that led there.
    """
    global _in_events
    _in_events = False
    faulthandler.cancel_dump_traceback_later()
    for path, (before, seen) in _databases.items():
        if _state(path) != before:
            _writes.append(seen)
    return {
        "writes": _writes,
        "imports": _imports,
        "samples": _samples,
        "threads": [seen for thread, seen in _threads if thread.is_alive()],
    }


def _watched_start(start: Callable[..., Any]) -> Callable[..., Any]:
    """Note which threads are started; no Python before 3.12 tells audit hooks of them."""

    def watched(function: Any, *arguments: Any, **options: Any) -> Any:
        thread = getattr(function, "__self__", None)
        if thread is not None and hasattr(thread, "is_alive"):
            _threads.append((thread, {"in_event": _in_events, "stack": _stack()}))
        return start(function, *arguments, **options)

    return watched


def _sample(main: int) -> None:
    """Note again and again where the function's own folder is at work, imports aside."""
    me, before_ns = _thread.get_ident(), monotonic_ns()
    while _in_events:
        sleep(_SAMPLE_S)
        frames = sys._current_frames()
        busy = []
        # The thread that was called comes first; others may wait for something all the time.
        for thread in sorted(frames, key=lambda each: each != main):
            stack = [each for each in _frames(frames[thread]) if each[0].startswith(_folder)]
            if thread != me and thread not in _importing and stack:
                busy.append((frames[thread].f_code.co_filename, stack))
        now_ns = monotonic_ns()
        _samples.append((now_ns - before_ns, now_ns, busy))
        before_ns = now_ns


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = arguments
        if flags & _WRITING_FLAGS:
            _refuse("open", path)
    elif event in _CHANGES:
        must_exist, places = _CHANGES[event]
        paths = [_joined(arguments, *place) for place in places]
        # Where it would fail anyhow, a read-only file system answers the same.
        if not isinstance(paths[0], int) and os.path.lexists(paths[0]) == must_exist:
            for path in paths:
                _refuse(event, path)
    elif event == "sqlite3.connect":
        _watch_database(arguments[0])


def _joined(arguments: tuple[Any, ...], path: int, descriptor: int) -> Any:
    """Give a path that may be relative to an open folder, an int for what is open itself."""
    name = arguments[path]
    folder = arguments[descriptor] if 0 <= descriptor < len(arguments) else -1
    if isinstance(name, int) or folder == -1:
        return name
    return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(name))  # noqa: PTH115, PTH118


def _refuse(action: str, path: Any) -> None:
    """Refuse to change what clouds do not let change."""
    place = _place(path)
    if place is None:
        return
    seen = {"action": action, "path": place, "in_event": _in_events, "stack": _stack()}
    _writes.append(seen)
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)


def _watch_database(path: Any) -> None:
    place = None if path in ("", b"", ":memory:", b":memory:") else _place(path)
    if place is None or os.fsdecode(path).startswith("file:"):
        return
    seen = {"action": "sqlite3", "path": place, "in_event": _in_events, "stack": _stack()}
    if os.path.exists(place):  # noqa: PTH110
        # A database may be read there; whether it was written is seen in the end.
        _databases.setdefault(place, (_state(place), seen))
    else:
        _writes.append(seen)
        raise sys.modules["_sqlite3"].OperationalError("unable to open database file")


def _place(path: Any) -> str | None:
    """Give the absolute path of a file that clouds do not let change, None for others."""
    if isinstance(path, int):
        return None
    place: str = os.path.realpath(os.fsdecode(path))
    # The folder itself may stand in the temporary directory here.
    if not _is_below(place, _folder) and any(_is_below(place, each) for each in _writable):
        return None
    return place


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _state(path: str) -> object:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _stack() -> list[tuple[str, int]]:
    """Give the frames that led here."""
    return _frames(sys._getframe(2))


def _frames(frame: FrameType | None) -> list[tuple[str, int]]:
    """Give a frame and those around it, without ours and importlib's."""
    frames = []
    while frame is not None:
        name = frame.f_code.co_filename
        if name != _FILE and not name.startswith("<frozen importlib") and name != _IMPORTLIB:
            frames.append((name, frame.f_lineno))
        frame = frame.f_back
    return frames
