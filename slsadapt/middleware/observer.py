"""Watch invocations: read the clock between the phases, tell the hooks, arm the deadline guard."""

from __future__ import annotations

import os
import time
from time import perf_counter_ns

from ..errors import OptionError
from ..timing import Timing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Context
    from typing import Any, TypeVar

    from ..engines.asgi import AsgiEngine
    from ..engines.asgi import Exchange as AsgiExchange
    from ..engines.wsgi import Exchange as WsgiExchange
    from ..engines.wsgi import WsgiEngine
    from ..gateways import Dialect
    from ..message import Response
    from .deadline import Deadline, InvocationGuard
    from .profile import ProfileSwitch

    T = TypeVar("T")
    Exchange = WsgiExchange | AsgiExchange
    Hook = Callable[[Timing], object]

__all__ = ["Observer"]


class Observer:
    """What ``wrap`` makes of ``timing``, ``deadline`` and ``profile``: one a handler.

    Made at the end of ``wrap``, so that what ran before counts as import.

    Raises:
        OptionError: a hook that cannot be called, or a wrong deadline or profiler.
    """

    def __init__(
        self,
        engine: WsgiEngine | AsgiEngine,
        hooks: Iterable[Hook],
        deadline: float | Deadline | None,
        profile: str | None,
    ) -> None:
        self._engine: Any = engine
        self._hooks = tuple(hooks)
        for hook in self._hooks:
            if not callable(hook):
                raise OptionError(
                    f"timing takes functions of one Timing, got {type(hook).__name__}"
                )
        # Asked before the result is written, for headers to add.
        self.heads: list[Any] = [each for each in self._hooks if hasattr(each, "response_headers")]
        self._failed: set[int] = set()
        self._guard: InvocationGuard | None = None
        self._switch: ProfileSwitch | None = None
        if deadline is not None:
            from .deadline import InvocationGuard

            self._guard = InvocationGuard(deadline, engine)
        if profile is not None:
            from .profile import ProfileSwitch

            self._switch = ProfileSwitch(profile, os.environ.get("SLSADAPT_PROFILE_KEY"))
        self._cold = True
        self._import_ms = _process_age_ms()
        self._is_started = False
        self._initialize_ms: float | None = None

    def initialize(self) -> None:
        """Start the application up, and keep what that took for the first request's timing."""
        start_ns = perf_counter_ns()
        self._engine.initialize()
        # WSGI has no start-up, so none is told.
        if not self._is_started and self._engine.loop is not None:
            self._initialize_ms = (perf_counter_ns() - start_ns) / 1e6
        self._is_started = True

    def begin(self, own: Context) -> Timing:
        """Start the clock of an invocation, which runs in the context ``own``."""
        timing = Timing()
        timing.started_ns = perf_counter_ns()
        timing.spans = []
        timing.own = own
        if self._cold:
            self._cold = False
            timing.cold = True
            timing.import_ms = self._import_ms
        return timing

    def run(self, timing: Timing, dialect: Dialect, exchange: Exchange) -> Response:
        """Run the application once, under guard, and profiled where that is asked for."""
        timing.decoded_ns = perf_counter_ns()
        timing.source = dialect
        timing.exchange = exchange
        run: Callable[[Exchange], Response] = self._engine.run
        if self._switch is not None and self._switch.wants(
            exchange.environ, timing.method, timing.path
        ):
            run = self._profiled
        if (guard := self._guard) is not None:
            guard.watch(timing, exchange)
        try:
            if self._is_started:
                timing.called_ns = timing.decoded_ns
            else:
                self.initialize()
                timing.called_ns = perf_counter_ns()
            if self._initialize_ms is not None:
                timing.initialize_ms, self._initialize_ms = self._initialize_ms, None
            timing.response = response = run(exchange)
            return response
        finally:
            timing.answered_ns = perf_counter_ns()
            if guard is not None:
                guard.disarm(timing)

    def route(self, timing: Timing, kind: str, function: Callable[[], T]) -> T:
        """Call what serves an event that is no request, under guard."""
        timing.called_ns = timing.decoded_ns = perf_counter_ns()
        timing.source = kind
        if (guard := self._guard) is not None:
            guard.watch(timing)
        try:
            return function()
        finally:
            timing.answered_ns = perf_counter_ns()
            if guard is not None:
                guard.disarm(timing)

    def answer(self, timing: Timing, response: Response) -> None:
        """Note a response, and add the headers that hooks have for it."""
        timing.response = response
        for hook in self.heads:
            try:
                response.headers = [*response.headers, *hook.response_headers(timing)]
            except Exception as error:
                self._log_once(hook, error)

    def end(self, timing: Timing) -> None:
        """Stop the clock, and tell the hooks."""
        timing.ended_ns = perf_counter_ns()
        exchange = timing.exchange
        context = None if exchange is None else exchange.context
        for hook in self._hooks:
            try:
                # An ASGI application binds what it binds in its task's context.
                if context is None:
                    hook(timing)
                else:
                    context.run(hook, timing)
            except Exception as error:
                self._log_once(hook, error)
        # Both contexts hold what holds them, which only the garbage collector would free.
        timing.own = None
        if exchange is not None and context is not None:
            exchange.context = None

    def _profiled(self, exchange: Exchange) -> Response:
        """Run the application under the profiler, and answer with its report."""
        assert self._switch is not None
        return self._switch.run(lambda: self._engine.run(exchange), exchange.environ)

    def _log_once(self, hook: Hook, error: Exception) -> None:
        """Log that a hook failed, the first time that it does."""
        if id(hook) not in self._failed:
            self._failed.add(id(hook))
            import logging

            logging.getLogger("slsadapt").error(
                "the timing hook %s failed; further failures of it are not logged",
                getattr(hook, "__qualname__", type(hook).__qualname__),
                exc_info=error,
            )


def _process_age_ms() -> float | None:
    """Tell how long ago this process began, where the system does (Linux, to 10 ms).

    Source: proc_pid_stat(5), field 22
    """
    try:
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123  pathlib is a costly import
            # The second field, in brackets, may hold spaces and brackets itself.
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        started_s = ticks / os.sysconf("SC_CLK_TCK")
        return max(0.0, (time.clock_gettime(time.CLOCK_BOOTTIME) - started_s) * 1000)
    except (OSError, AttributeError, ValueError, IndexError):
        return None
