"""Record what a deployed function is called with and answers, to replay it.

>>> from slsadapt.testing import record
>>> main_handler = record(main_handler, sink="/tmp/events", sample=0.01)

``wrap(app, record="/tmp/events")`` does the same within the handler. ``slsadapt.testing.cassettes``
tells what is written, ``slsadapt.testing.redact`` what is replaced in it.

An invocation hands over what there is to record and goes on. A thread, one a recorder, takes
secrets out, makes JSON of it and writes that. What a platform freezes meanwhile is written after
the thaw, and lost where none comes.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading

# Both of them here: under gevent both are patched or neither, since a thread that is a greenlet
# must not wait in a queue that is not.
from _thread import start_new_thread
from queue import SimpleQueue
from random import SystemRandom
from time import monotonic, perf_counter_ns, sleep, time
from weakref import WeakSet

from .. import gateways
from ..errors import OptionError
from ..gateways.contexts import remaining_ms
from .recorded import Recorded, class_of, copied
from .sinks import open_sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random
    from typing import Any

    from .sinks import Sink

    Function = Callable[[Any, Any], Any]

__all__ = ["RecordedFunction", "Recorder", "record"]

# How many invocations may wait to be written; each may hold an event of several megabytes.
_MOST_WAITING = 100
# How long the end of the process may wait for what is not written yet.
_EXIT_S = 2.0
_FOLDER = "/tmp/events"  # noqa: S108 - where functions may write
_log = logging.getLogger("slsadapt")


def record(
    handler: Function,
    sink: Sink = _FOLDER,
    sample: float = 1.0,
    *,
    bodies: bool = False,
    redact: Iterable[str] = (),
    dialect: str | None = None,
    chance: Random | None = None,
) -> RecordedFunction:
    """Record the invocations of a function, and change nothing about it.

    Args:
        handler: function of (event, context), such as ``wrap`` makes.
        sink: where to, as ``Recorder`` takes it.
        sample: share of the invocations to record, 0 to 1.
        bodies: whether to keep bodies, as ``Recorder`` does.
        redact: names of further headers, parameters and fields that are secret.
        dialect: the gateway's, where its events do not tell.
        chance: decides which invocations are recorded.

    Returns:
        a function of (event, context) that returns and raises what ``handler`` does, and has its
        attributes.

    Raises:
        OptionError: no function, no such dialect, or an option has a value it does not take.
    """
    if not callable(handler):
        raise OptionError(
            f"record takes a function of (event, context), got {type(handler).__name__}"
        )
    if dialect is not None:
        gateways.load(dialect)
    recorder = Recorder(sink, sample=sample, bodies=bodies, redact=redact, chance=chance)
    return RecordedFunction(handler, recorder, dialect)


class RecordedFunction:
    """A function of (event, context) whose invocations are recorded; see ``record``."""

    def __init__(self, handler: Function, recorder: Recorder, dialect: str | None = None) -> None:
        self.recorder = recorder
        self._handler = handler
        self._named = dialect
        self._is_cold = True

    def __call__(self, event: Any, context: Any = None) -> Any:
        """Call the function, and hand over what it was called with and what came of it."""
        is_cold, self._is_cold = self._is_cold, False
        recorder = self.recorder
        taken = recorder.take(event)
        if taken is None:
            return self._handler(event, context)
        started_ns = perf_counter_ns()
        try:
            result = self._handler(event, context)
        except BaseException as error:
            total_ms = (perf_counter_ns() - started_ns) / 1e6
            recorder.keep(taken, context, None, error, total_ms, self._named, is_cold)
            raise
        total_ms = (perf_counter_ns() - started_ns) / 1e6
        recorder.keep(taken, context, result, None, total_ms, self._named, is_cold)
        return result

    async def async_call(self, event: Any, context: Any = None) -> Any:
        """Serve one event from inside a running loop, which stays free meanwhile."""
        import asyncio

        return await asyncio.to_thread(self, event, context)

    def pre_stop(self, context: Any = None) -> None:
        """Do what the function does before its instance stops, and write what is left."""
        stop = getattr(self._handler, "pre_stop", None)
        try:
            if stop is not None:
                stop(context)
        finally:
            self.recorder.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._handler, name)


class Taken:
    """An event as it was before the function got it, which may change it."""

    __slots__ = ("event",)

    def __init__(self, event: Any) -> None:
        self.event = event


class Recorder:
    """Keeps invocations as cassettes.

    Args:
        sink: a folder, which gets one file an invocation; a file whose name ends in ``.jsonl``,
            which gets one line; a logger, or ``"logging"`` for that of the name
            ``slsadapt.record``, which gets one line of JSON at INFO; or a function of the
            cassette's JSON, called in the recorder's thread.
        sample: share of the invocations to record, 0 to 1.
        bodies: whether to keep the bodies of requests and responses, without their secrets where
            they are text. Compressed ones, and those above 256 KiB, are left out all the same.
        redact: names of further headers, parameters and fields that are secret.
        chance: decides which invocations are recorded.

    Attributes:
        lost: how many invocations should have been recorded, and were not.

    Raises:
        OptionError: an option has a value it does not take.
    """

    def __init__(
        self,
        sink: Sink = _FOLDER,
        *,
        sample: float = 1.0,
        bodies: bool = False,
        redact: Iterable[str] = (),
        chance: Random | None = None,
    ) -> None:
        if isinstance(sample, bool) or not isinstance(sample, (int, float)) or not 0 <= sample <= 1:
            raise OptionError(f"sample must be a number from 0 to 1, got {sample!r}")
        if not isinstance(bodies, bool):
            raise OptionError(f"bodies must be True or False, got {type(bodies).__name__}")
        self._names = () if isinstance(redact, str) else tuple(redact)
        if isinstance(redact, str) or not all(isinstance(name, str) for name in self._names):
            raise OptionError(f"redact takes a list of names, got {redact!r}")
        self._write = open_sink(sink)
        self._sample = sample
        self._bodies = bodies
        # The system's own, which forked processes and restored snapshots do not share.
        self._chance = chance or SystemRandom()
        self.lost = 0
        self._told: set[str] = set()
        self.begin_anew()
        _recorders.add(self)

    def take(self, event: Any) -> Taken | None:
        """Copy an event before the function gets it, or give None if it is not to be recorded.

        Args:
            event: as the platform passes it.
        """
        sample = self._sample
        if sample < 1 and self._chance.random() >= sample:
            return None
        try:
            return Taken(copied(event))
        except Exception as error:
            # Nested in itself, or too deeply.
            self._lose("an event cannot be copied", error)
            return None

    def keep(
        self,
        event: Any,
        context: Any,
        result: Any,
        error: BaseException | None,
        total_ms: float,
        dialect: str | None,
        cold: bool,
    ) -> None:
        """Record an invocation that has ended; never raises.

        Args:
            event: what ``take`` gave before, or the event itself, which may be left out yet.
            context: the function's.
            result: what the function returned.
            error: what it raised instead.
            total_ms: what that took.
            dialect: the gateway's, None to tell by the event.
            cold: whether this was the first invocation of the instance.
        """
        try:
            taken = event if type(event) is Taken else self.take(event)
            if taken is None:
                return
            if self._queue.qsize() >= _MOST_WAITING:
                self._lose(f"{_MOST_WAITING} others wait to be written")
                return
            # The exception itself would keep its frames, with all that they hold.
            told = None if error is None else {"type": class_of(error), "message": _text(error)}
            recorded = Recorded(
                time(),
                taken.event,
                context.copy() if type(context) is dict else context,
                copied(result),
                told,
                total_ms,
                dialect,
                cold,
                remaining_ms(context),
            )
            self._queue.put(recorded)
            if not self._is_running:
                self._start()
        except Exception as failure:
            self._lose("an invocation cannot be handed over", failure)

    def close(self, timeout_s: float = _EXIT_S) -> bool:
        """Write what waits, and end the thread; recording again starts another.

        Args:
            timeout_s: how long that may take.

        Returns:
            whether all is written.
        """
        if not self._is_running:
            return True
        done = threading.Event()
        self._queue.put(done)
        return done.wait(timeout_s)

    def begin_anew(self) -> None:
        """Forget the thread and what waits, which a forked process leaves to its parent."""
        self._queue: SimpleQueue[Recorded | threading.Event] = SimpleQueue()
        self._changing = threading.Lock()
        self._is_running = False

    def _start(self) -> None:
        with self._changing:
            if not self._is_running:
                # threading.Thread would wait until the thread has begun.
                start_new_thread(self._begin, ())
                self._is_running = True

    def _begin(self) -> None:
        """Do as threading.Thread does, for debuggers, coverage and who lists threads."""
        sys.settrace(threading.gettrace())
        threading.current_thread().name = "slsadapt recorder"
        self._run()

    def _run(self) -> None:
        """Write what comes, until somebody waits for the end and nothing is left."""
        queue = self._queue
        while True:
            item = queue.get()
            if isinstance(item, Recorded):
                try:
                    self._write(*item.cassette(self._bodies, self._names))
                except (Exception, SystemExit) as error:
                    self._lose("an invocation cannot be written", error)
                # Waiting for the next one, hold nothing of this; and let go first who waits for the
                # interpreter, who would have it only after the switch interval, 5 ms.
                del item
                sleep(0)
                continue
            with self._changing:
                # Who puts something in from here on finds no thread, and waits to start one.
                self._is_running = False
                self._is_running = not queue.empty()
                is_over = not self._is_running
            item.set()
            if is_over:
                return

    def _lose(self, reason: str, error: BaseException | None = None) -> None:
        """Count an invocation that is not recorded, and say so once for each reason."""
        self.lost += 1
        if reason not in self._told:
            self._told.add(reason)
            try:
                _log.warning("not recorded: %s; this is logged once", reason, exc_info=error)
            except Exception:  # noqa: S110 - the log itself is what fails
                pass


_recorders: WeakSet[Recorder] = WeakSet()


def _begin_all_anew() -> None:
    for recorder in _recorders:
        recorder.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_all_anew)


@atexit.register
def _close_all() -> None:
    until = monotonic() + _EXIT_S
    for recorder in [*_recorders]:
        recorder.close(max(0.0, until - monotonic()))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""
