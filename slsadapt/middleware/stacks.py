"""Tell where every thread and every asyncio task is, for a log line."""

from __future__ import annotations

import gc
import os
import sys
import threading
import traceback
from itertools import chain
from pathlib import Path
from types import AsyncGeneratorType

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator
    from types import FrameType
    from typing import Any

__all__ = ["GUARD_NAME", "describe_stacks"]

# Of the threads that ask, which are left out.
GUARD_NAME = "slsadapt deadline"
_MOST = 100
_MOST_FRAMES = 50
# What stands above the application is the same always.
_PACKAGE = str(Path(__file__).parent.parent) + os.sep


def describe_stacks(loop: asyncio.AbstractEventLoop | None = None) -> str:
    """Write the stacks of all other threads and of all tasks, most recent call last.

    No variables, which may hold secrets. What changes meanwhile may be missing.

    Args:
        loop: whose tasks to tell of besides those of the loops that run in any thread.
    """
    parts: list[str] = []
    try:
        for part in chain(_greenlets() if _is_patched() else _threads(), _tasks(loop)):
            parts.append(part)
    except Exception as error:
        # Subclasses of threads and tasks may do anything; half a picture is better than none.
        parts.append(f"the rest cannot be told: {type(error).__name__}")
    return "\n".join(parts)


def _threads() -> Iterator[str]:
    threads = {each.ident: each for each in threading.enumerate()}
    found = [
        (threads.get(ident, ident), frame)
        for ident, frame in sys._current_frames().items()
        if ident not in threads or threads[ident].name != GUARD_NAME
    ]
    for thread, frame in found[:_MOST]:
        if isinstance(thread, threading.Thread):
            yield f"Thread {thread.name}{', daemon' if thread.daemon else ''}:"
        else:
            # Started past ``threading``, as extension modules do.
            yield f"Thread {thread}:"
        yield _stack([*traceback.walk_stack(frame)][::-1])
    if len(found) > _MOST:
        yield f"{len(found) - _MOST} more threads"


def _is_patched() -> bool:
    """Tell whether gevent made greenlets of all threads, which are one to the interpreter."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")


def _greenlets() -> Iterator[str]:
    from greenlet import greenlet  # type: ignore[import-untyped]

    # One that ended has no frame, nor has the one that runs, which is the guard's.
    found = [
        each for each in gc.get_objects() if issubclass(type(each), greenlet) and each.gr_frame
    ]
    for each in found[:_MOST]:
        yield f"Greenlet {'main' if each.parent is None else getattr(each, 'name', '') or '-'}:"
        yield _stack([*traceback.walk_stack(each.gr_frame)][::-1])
    if len(found) > _MOST:
        yield f"{len(found) - _MOST} more greenlets"


def _running_loops() -> Iterator[asyncio.AbstractEventLoop]:
    """Find loops that others started, such as ``asyncio.run`` in a view, in all threads.

    asyncio keeps a list of all tasks, but each version another.
    """
    import asyncio

    runs = asyncio.BaseEventLoop.run_forever.__code__
    for innermost in sys._current_frames().values():
        for frame, _ in traceback.walk_stack(innermost):
            if frame.f_code is runs:
                yield frame.f_locals["self"]


def _tasks(loop: asyncio.AbstractEventLoop | None) -> Iterator[str]:
    if "asyncio" not in sys.modules:
        return
    import asyncio

    loops = dict.fromkeys([loop] if loop is not None else [])
    loops |= dict.fromkeys(_running_loops())
    tasks: list[asyncio.Task[Any]] = []
    for each in loops:
        try:
            tasks += asyncio.all_tasks(each)
        except RuntimeError:
            yield "the tasks of a loop change too fast to be listed"
    # Lifespan's waits for the shutdown as a rule.
    tasks.sort(key=lambda task: (task.get_name() == "lifespan", task.get_name()))
    for task in tasks[:_MOST]:
        yield f"Task {task.get_name()}:"
        yield _stack(_awaits(task.get_coro()))
        waiter = getattr(task, "_fut_waiter", None)
        if isinstance(waiter, asyncio.Task):
            yield f"  waits for task {waiter.get_name()}"
        elif waiter is not None:
            yield f"  waits for {type(waiter).__qualname__}"
    if len(tasks) > _MOST:
        yield f"{len(tasks) - _MOST} more tasks"


def _awaits(awaited: Any) -> list[tuple[FrameType, int]]:
    """Follow what a coroutine awaits, down to what is no coroutine or generator.

    ``Task.get_stack`` knows only the outermost frame of a task that waits.
    """
    frames: list[tuple[FrameType, int]] = []
    for _ in range(1000):
        if awaited is None:
            break
        for kind, below in (("cr", "await"), ("gi", "yieldfrom"), ("ag", "await")):
            # Asked of its class: what an application awaits may answer any name, or raise.
            if not hasattr(type(awaited), f"{kind}_frame"):
                continue
            frame = getattr(awaited, f"{kind}_frame")
            if frame is not None:
                frames.append((frame, frame.f_lineno))
                awaited = getattr(awaited, f"{kind}_{below}", None)
                break
        else:
            # A step of an async generator (``async for``, ``async with``) does not tell whose.
            generators = (
                each for each in gc.get_referents(awaited) if type(each) is AsyncGeneratorType
            )
            awaited = next(generators, None)
    return frames


def _stack(frames: Iterable[tuple[FrameType, int]]) -> str:
    """Write the innermost frames as tracebacks do, from the application's first on."""
    mine = [*frames]
    own = [each[0].f_code.co_filename.startswith(_PACKAGE) for each in mine]
    # What an application waits for may be ours, too: ``receive`` ends no stack at its caller.
    while own and own[-1]:
        own.pop()
        mine.pop()
    if True in own:
        mine = mine[len(own) - own[::-1].index(True) :]
    while mine and mine[0][0].f_code.co_filename == threading.__file__:
        mine.pop(0)
    head = ""
    if len(mine) > _MOST_FRAMES:
        head = f"  {len(mine) - _MOST_FRAMES} more calls\n"
        mine = mine[-_MOST_FRAMES:]
    return head + "".join(traceback.StackSummary.extract(iter(mine)).format()).rstrip("\n")
