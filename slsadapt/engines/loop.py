"""The event loop of one instance: private, persistent, run only while somebody waits.

Clouds call a handler and freeze the instance when it returns, so the loop turns during calls
and rests between them. A call that never suspends costs no turn at all: its task takes its
first step right here, under the running loop and as the current task, as an eager task would
(which asyncio has only from Python 3.12 on, and only inside a loop that runs already).
"""

from __future__ import annotations

import asyncio
import sys
import threading
from contextvars import copy_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import AsyncGenerator, Callable, Coroutine
    from concurrent.futures import Executor
    from contextvars import Context
    from selectors import BaseSelector
    from typing import Any, TypeVar

    T = TypeVar("T")

__all__ = ["INSIDE", "Expiry", "InstanceLoop", "beside_loops"]

INSIDE = (
    "the handler was called from inside its own application, which would wait for itself; "
    "await handler.async_call(event, context) there"
)


class Expiry:
    """Ends one ``InstanceLoop.run`` from another thread.

    Args:
        grace_s: how long a cancelled coroutine may take to give up before nobody waits for it.
    """

    __slots__ = ("grace_s", "expired", "context", "_end")

    def __init__(self, grace_s: float) -> None:
        self.grace_s = grace_s
        self.expired = False
        # The coroutine's own, where it runs on the thread that called.
        self.context: Context | None = None
        self._end: Callable[[], object] | None = None

    def expire(self) -> None:
        """Cancel the coroutine; from any thread, before it runs, meanwhile or after."""
        self.expired = True
        if self._end is not None:
            self._end()

    def attach(self, end: Callable[[], object]) -> None:
        """Take what cancels, which is called at once where time is over already."""
        self._end = end
        if self.expired:
            end()


class InstanceLoop(asyncio.SelectorEventLoop):
    """An event loop that any thread may run coroutines on, several at once.

    The first thread to come drives the loop until its own coroutine is done; threads that come
    meanwhile hand theirs to that loop, and one of them drives on when the first leaves.
    """

    if TYPE_CHECKING:
        # What asyncio's loops hold, from Python 3.4 to 3.14, and its types leave out.
        _ready: deque[asyncio.Handle]
        _scheduled: list[asyncio.TimerHandle]
        _selector: BaseSelector
        _thread_id: int | None
        _asyncgen_firstiter_hook: Callable[[AsyncGenerator[Any, Any]], None]
        _asyncgen_finalizer_hook: Callable[[AsyncGenerator[Any, Any]], None]

    def __init__(self) -> None:
        super().__init__()
        self._starting = False
        self._first_step: tuple[Callable[[], object], Context] | None = None
        self._driver = threading.Lock()
        self._waiting: list[threading.Event] = []

    def run(self, coroutine: Coroutine[Any, Any, T], expiry: Expiry | None = None) -> T:
        """Run a coroutine to its end, or until ``expiry``, in a copy of the caller's context.

        Background tasks go on meanwhile, by at least one turn of the loop where any is due.

        Raises:
            RuntimeError: called from inside the application, whose loop would wait for itself.
            asyncio.CancelledError: time was over; a coroutine that does not give up goes on as
                a background task.
        """
        running = asyncio._get_running_loop()
        if running is self:
            coroutine.close()
            raise RuntimeError(INSIDE)
        if running is not None:
            return beside_loops(lambda: self.run(coroutine, expiry))
        if not self._driver.acquire(blocking=False):
            return self._follow(coroutine, expiry)
        try:
            task = self._start(coroutine, expiry)
            if not task.done():
                try:
                    self.run_until_complete(self._released(task, expiry) if expiry else task)
                except (KeyboardInterrupt, SystemExit):
                    _leave(task)
                    raise
            elif self._ready or self._scheduled or len(self._selector.get_map()) > 1:
                # Callbacks, timers or sockets beside the wake-up pipe wait for a turn.
                self.call_soon(self.stop)
                self.run_forever()
        finally:
            self._driver.release()
            if self._waiting:
                self._wake()
        if not task.done():
            _leave(task)
            raise asyncio.CancelledError
        return task.result()

    def _released(self, task: asyncio.Task[Any], expiry: Expiry) -> asyncio.Future[None]:
        """Make a future that is done with the task, or when nobody waits for it any longer."""
        released: asyncio.Future[None] = self.create_future()

        def release(_: object = None) -> None:
            if not released.done():
                released.set_result(None)

        task.add_done_callback(release)
        self._end_with(expiry, task, release)
        return released

    def _end_with(
        self, expiry: Expiry, task: asyncio.Task[Any], release: Callable[[], object]
    ) -> None:
        """Make ``expiry`` cancel the task and, a while later, release who waits for it."""

        def end() -> None:
            task.cancel()
            self.call_later(expiry.grace_s, release)

        expiry.attach(lambda: self.call_soon_threadsafe(end))

    def shut_down(self) -> None:
        """Cancel what still runs, finish generators and threads, and close the loop."""
        with self._driver:
            tasks = asyncio.all_tasks(self)
            for task in tasks:
                task.cancel()
            if tasks:
                self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self.run_until_complete(self.shutdown_asyncgens())
            if threading.main_thread().is_alive():
                self.run_until_complete(self.shutdown_default_executor())
            self.close()

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Work right here at interpreter exit, when no thread is left and none can be had."""
        if executor is not None or threading.main_thread().is_alive():
            return super().run_in_executor(executor, func, *args)
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle | None:
        """Catch the first step that a new task asks for, so that ``_start`` can take it."""
        if self._starting:
            self._starting = False
            assert context is not None
            self._first_step = callback, context
            return None
        return super().call_soon(callback, *args, context=context)

    def _start(self, coroutine: Coroutine[Any, Any, T], expiry: Expiry | None) -> asyncio.Task[T]:
        """Make a task and take its first step at once."""
        self._starting = True
        task = asyncio.Task(coroutine, loop=self)
        assert self._first_step is not None
        step, context = self._first_step
        self._first_step = None
        if expiry is not None:
            expiry.context = context
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)
        self._thread_id = threading.get_ident()
        asyncio._set_running_loop(self)
        try:
            context.run(step)
        except (KeyboardInterrupt, SystemExit):
            _leave(task)
            raise
        finally:
            asyncio._set_running_loop(None)
            self._thread_id = None
            sys.set_asyncgen_hooks(*hooks)
        return task

    def _follow(self, coroutine: Coroutine[Any, Any, T], expiry: Expiry | None) -> T:
        """Let the thread that drives the loop run the coroutine, and drive when it leaves."""

        async def outcome() -> tuple[list[T], BaseException | None]:
            # Keeps an exit or a cancellation from the thread that happens to drive the loop.
            task = asyncio.current_task()
            assert task is not None
            if expiry is not None:
                self._end_with(expiry, task, lambda: future.cancel())
            try:
                return [await coroutine], None
            except BaseException as error:
                return [], error

        future = asyncio.run_coroutine_threadsafe(outcome(), self)
        wake = threading.Event()
        future.add_done_callback(lambda _: wake.set())
        self._waiting.append(wake)
        try:
            while not future.done():
                if self._driver.acquire(blocking=False):
                    try:
                        self.run_until_complete(asyncio.wrap_future(future, loop=self))
                    finally:
                        self._driver.release()
                        self._wake()
                else:
                    wake.wait()
                    wake.clear()
        finally:
            self._waiting.remove(wake)
        if future.cancelled():
            raise asyncio.CancelledError
        result, error = future.result()
        if error is not None:
            raise error
        return result[0]

    def _wake(self) -> None:
        """Let whoever waits try to drive."""
        for wake in self._waiting.copy():
            wake.set()


def _leave(task: asyncio.Task[Any]) -> None:
    """Let go of a task that nobody waits for, so that nothing complains of it later."""
    if task.done():
        task.exception()
    else:
        task.cancel()
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


def beside_loops(function: Callable[[], T]) -> T:
    """Call a function that runs a loop: here, or in a thread beside a loop that runs here."""
    if asyncio._get_running_loop() is None:
        return function()
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=copy_context().run, args=(work,))
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
