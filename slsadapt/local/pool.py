"""The pool: instances that start when they are needed, are used again, and end.

An invocation goes to an instance that is free; of several busy ones that can take more, to the
busiest, else to the one that has been idle for the longest. Where none is free, another one is
started for it, up to the most that are allowed; then it waits, as long as it may, or is throttled.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import LocalError
from .instance import Instance, Invocation
from .notices import Report
from .outcome import Failure, Outcome
from .spawner import Spawner

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any, Literal

    from .clouds import Cloud
    from .function import Function
    from .notices import Told
    from .spawner import Preloaded

__all__ = ["Counts", "Pool", "Rules"]

# How often busy instances are measured.
_MEASURE_S = 0.05
_NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How many instances there may be, and for how long.

    Args:
        instances: the most at a time.
        idle_s: how long one may have nothing to do.
        queue_s: how long an invocation may wait for an instance where the most are busy; 0
            throttles it at once.
        cold: how instances are started.
        freezes: whether they are stopped between invocations.
    """

    instances: int = 10
    idle_s: float = 300.0
    queue_s: float = 0.0
    cold: Literal["spawn", "fork"] = "spawn"
    freezes: bool = False


@dataclass(slots=True)
class Counts:
    """What has happened so far; ``failed`` by the kind of failure."""

    started: int = 0
    answered: int = 0
    failed: dict[str, int] = field(default_factory=dict)


class Pool:
    """Runs a function in instances.

    Args:
        told: called with what happens, in the event loop.
        result_limit_bytes: above which a result is refused, None for no limit.

    Attributes:
        instances: all that there are, those too that are ending, by name.
        counts: what has happened.
        environment: what instances have besides the platform's variables and the user's.
        spawner: starts the processes; there once the pool is open.
    """

    spawner: Spawner

    def __init__(
        self,
        function: Function,
        cloud: Cloud,
        rules: Rules,
        told: Told,
        *,
        result_limit_bytes: int | None = None,
    ) -> None:
        self.function = function
        self.rules = rules
        self.instances: dict[str, Instance] = {}
        self.counts = Counts()
        self.environment: Mapping[str, str] = {}
        self._cloud = cloud
        self._told = told
        self._result_limit_bytes = result_limit_bytes
        # Those that take events, and of these the ones without any, the longest idle first.
        self._current: dict[str, Instance] = {}
        self._idle: dict[str, asyncio.TimerHandle | None] = {}
        self._waiting: deque[Invocation] = deque()
        self._busy = 0
        self._measuring: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False

    async def open(self) -> None:
        """Make ready to start instances.

        Raises:
            LocalError: no process can be started here as the rules want it.
        """
        self._loop = asyncio.get_running_loop()
        self.spawner = await Spawner.open(self.rules.cold, self.function)

    async def preload(self) -> Preloaded:
        """Import what forks are to find imported; again where that could not be learned before."""
        given = self._cloud.environment(self.function, "0")
        return await self.spawner.preload({**given, **os.environ, **self.environment})

    async def invoke(
        self, payload: bytes, *, request_id: str, headers: Mapping[str, str] = _NO_HEADERS
    ) -> Outcome:
        """Run one event.

        Args:
            payload: the event's JSON.
            request_id: names the invocation, new.
            headers: go to the instance with it, as ``Lambda-Runtime-Client-Context`` does.
        """
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._place(Invocation(request_id, payload, headers, future, time.monotonic()))
        return await future

    def start_one(self) -> None:
        """Start an instance in advance of any event."""
        if len(self._current) < self.rules.instances and not self._is_closing:
            self._idle[self._start().name] = None

    def reload(self) -> None:
        """Let what is running end, and what comes run in new instances.

        One is started at once where there ever was any, so that a mistake is told at once.
        """
        old = [*self._current.values()]
        debugged = [each for each in old if each.has_debugger]
        for instance in old:
            instance.retire("reload")
        if not self.counts.started:
            return
        if debugged:
            # Its port must be free again.
            self._spawn_task(self._start_after(debugged[0]))
        else:
            self.start_one()

    async def close(self, drain_s: float = 5.0) -> None:
        """Finish what is running, throttle what waits, and end every instance.

        Args:
            drain_s: how long what is running may take.
        """
        self._is_closing = True
        while self._waiting:
            self._throttle(self._waiting.popleft())
        for instance in [*self._current.values()]:
            instance.retire("close")
        ends = [asyncio.ensure_future(each.over.wait()) for each in self.instances.values()]
        if ends:
            await asyncio.wait(ends, timeout=drain_s)
        for instance in [*self.instances.values()]:
            instance.kill("close")
        if ends:
            await asyncio.wait(ends, timeout=drain_s)
        for task in [*ends, *self._tasks]:
            task.cancel()
        if self._measuring is not None:
            self._measuring.cancel()
        await self.spawner.close()

    # Where invocations go.

    def _place(self, invocation: Invocation) -> None:
        if self._is_closing:
            self._throttle(invocation)
        elif (instance := self._free()) is not None:
            self._give(instance, invocation)
        elif len(self._current) < self.rules.instances:
            self._give(self._start(), invocation)
        elif self.rules.queue_s > 0:
            self._waiting.append(invocation)
            if invocation.waiter is None:
                left_s = invocation.queued_at + self.rules.queue_s - time.monotonic()
                invocation.waiter = self._loop.call_later(
                    max(0.0, left_s), self._give_up, invocation
                )
        else:
            self._throttle(invocation)

    def _free(self) -> Instance | None:
        most = self.function.concurrency
        if most > 1:
            open_ones = [each for each in self._current.values() if 0 < len(each.in_flight) < most]
            if open_ones:
                return max(open_ones, key=lambda each: len(each.in_flight))
        # Those first that are ready, then those that were started in advance.
        for name in self._idle:
            if self._current[name].is_ready:
                return self._current[name]
        return next((self._current[name] for name in self._idle), None)

    def _give(self, instance: Instance, invocation: Invocation) -> None:
        if invocation.waiter is not None:
            invocation.waiter.cancel()
        if (timer := self._idle.pop(instance.name, None)) is not None:
            timer.cancel()
        instance.give(invocation)

    def _give_up(self, invocation: Invocation) -> None:
        self._waiting.remove(invocation)
        self._throttle(invocation)

    def _throttle(self, invocation: Invocation) -> None:
        rules = self.rules
        if self._is_closing:
            message = "the local cloud is stopping"
        else:
            waited = f", and none came free within {rules.queue_s:g} s" if rules.queue_s else ""
            message = (
                f"all {rules.instances} instances are busy{waited}; --instances allows more, "
                "--queue lets requests wait"
            )
        failure = Failure(
            kind="throttled",
            request_id=invocation.request_id,
            error={},
            message=message,
            timeout_s=self.function.timeout_s,
            memory_mb=self.function.memory_mb,
        )
        self._count(failure)
        outcome = Outcome(
            request_id=invocation.request_id,
            failure=failure,
            queued_ms=(time.monotonic() - invocation.queued_at) * 1000,
        )
        if not invocation.future.done():
            invocation.future.set_result(outcome)

    # How instances start.

    def _start(self) -> Instance:
        self.counts.started += 1
        has_debugger = self.function.debug_port is not None and not any(
            each.has_debugger for each in self.instances.values()
        )
        instance = Instance(
            str(self.counts.started),
            self.function,
            self._cloud,
            self,
            self._told,
            environment=self.environment,
            result_limit_bytes=self._result_limit_bytes,
            # A debugger could not attach to what stands still.
            freezes=self.rules.freezes and not has_debugger,
            has_debugger=has_debugger,
        )
        self.instances[instance.name] = self._current[instance.name] = instance
        self._spawn_task(self._bring_up(instance))
        return instance

    async def _bring_up(self, instance: Instance) -> None:
        try:
            await instance.start(self.spawner)
        except (LocalError, OSError) as error:
            instance.lose(str(error))

    async def _start_after(self, instance: Instance) -> None:
        await instance.over.wait()
        self.start_one()

    def _spawn_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What instances tell.

    def came_ready(self, instance: Instance) -> None:
        """Let an instance that was started in advance be idle."""
        if instance.name in self._idle:
            self._rest(instance)

    def took(self, instance: Instance) -> None:
        """Measure as long as anything runs."""
        self._busy += 1
        if self._measuring is None:
            self._measuring = self._loop.call_later(_MEASURE_S, self._measure)

    def finished(self, instance: Instance, invocation: Invocation, outcome: Outcome) -> None:
        """Tell the outcome, and give the instance what waits."""
        if invocation.delivered_at is not None:
            self._busy -= 1
        failure = outcome.failure
        self._count(failure)
        billed_ms = math.ceil(outcome.duration_ms)
        if self._cloud.bills_init and outcome.init_ms is not None:
            billed_ms = math.ceil(outcome.duration_ms + outcome.init_ms)
        self._told(
            Report(
                time.time(),
                instance.name,
                outcome.request_id,
                outcome.duration_ms,
                billed_ms,
                outcome.init_ms,
                self.function.memory_mb,
                outcome.used_mb,
                failure,
            )
        )
        if not invocation.future.done():
            invocation.future.set_result(outcome)
        if not instance.is_ending:
            if self._waiting:
                self._give(instance, self._waiting.popleft())
            elif not instance.in_flight:
                self._rest(instance)

    def came_back(self, instance: Instance, invocation: Invocation) -> None:
        """Give to another instance what never reached this one."""
        self._place(invocation)

    def broke(self, instance: Instance) -> None:
        """Give an instance no more, and what waits to another one in its place."""
        self._current.pop(instance.name, None)
        if (timer := self._idle.pop(instance.name, None)) is not None:
            timer.cancel()
        if self._waiting and not self._is_closing:
            self._loop.call_soon(self._serve_waiting)

    def ended(self, instance: Instance) -> None:
        """Forget an instance."""
        self.instances.pop(instance.name, None)

    def _serve_waiting(self) -> None:
        while self._waiting:
            instance = self._free()
            if instance is None and len(self._current) < self.rules.instances:
                instance = self._start()
            if instance is None:
                break
            self._give(instance, self._waiting.popleft())

    def _rest(self, instance: Instance) -> None:
        """Let an instance be idle from now on, as the last that is used again."""
        if (timer := self._idle.pop(instance.name, None)) is not None:
            timer.cancel()
        self._idle[instance.name] = self._loop.call_later(
            self.rules.idle_s, instance.retire, "idle"
        )

    def _measure(self) -> None:
        self._measuring = None
        for instance in [*self.instances.values()]:
            if instance.in_flight:
                instance.measure()
        if self._busy:
            self._measuring = self._loop.call_later(_MEASURE_S, self._measure)

    def _count(self, failure: Failure | None) -> None:
        if failure is None:
            self.counts.answered += 1
        else:
            self.counts.failed[failure.kind] = self.counts.failed.get(failure.kind, 0) + 1
