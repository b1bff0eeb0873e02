"""One instance: a process that runs the function, and what is on its way to it and back."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING

import psutil

from .lines import LineReader
from .notices import Ended, Line, Ready, Started
from .outcome import Failure, Outcome
from .runtime_api import RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Literal, Protocol

    from .clouds import Cloud
    from .function import Function
    from .notices import Told
    from .outcome import FailureKind
    from .spawner import Process, Spawner

    JSON = dict[str, Any]
    Why = Literal["idle", "reload", "timeout", "memory", "exit", "init", "close"]

    class Keeper(Protocol):
        """Whoever keeps the instances, and learns what becomes of them."""

        def came_ready(self, instance: Instance) -> None:
            """Learn that an instance asks for its first event."""

        def took(self, instance: Instance) -> None:
            """Learn that an event was sent to an instance."""

        def finished(self, instance: Instance, invocation: Invocation, outcome: Outcome) -> None:
            """Learn that an invocation has ended."""

        def came_back(self, instance: Instance, invocation: Invocation) -> None:
            """Take back an invocation that never reached the instance."""

        def broke(self, instance: Instance) -> None:
            """Learn that an instance takes no more events."""

        def ended(self, instance: Instance) -> None:
            """Learn that the process of an instance is no more."""


__all__ = ["Instance", "Invocation"]

# How long a process may take to end after SIGTERM, as clouds give shutdown hooks.
_GRACE_S = 2.0
# A resident size that was read so long ago is read again at the end of an invocation.
_STALE_S = 0.1
_MIB = 1024 * 1024
# Whose end the cloud brought about, and by which failure what was on its way ends then.
_FAILURES: dict[Why, FailureKind] = {"timeout": "timeout", "memory": "memory"}


class Invocation:
    """An event, and who waits for its outcome."""

    __slots__ = (
        "alarm",
        "delivered_at",
        "future",
        "headers",
        "payload",
        "queued_at",
        "request_id",
        "waiter",
    )

    def __init__(
        self,
        request_id: str,
        payload: bytes,
        headers: Mapping[str, str],
        future: asyncio.Future[Outcome],
        queued_at: float,
    ) -> None:
        self.request_id = request_id
        self.payload = payload
        self.headers = headers
        self.future = future
        self.queued_at = queued_at
        self.delivered_at: float | None = None
        # Rings at the function's time limit.
        self.alarm: asyncio.TimerHandle | None = None
        # Rings when it has waited long enough for an instance.
        self.waiter: asyncio.TimerHandle | None = None


class Instance:
    """A process that runs the function.

    Args:
        name: ``"1"``, ``"2"`` and so on.
        keeper: learns what becomes of it; its methods are called in the event loop.
        environment: what its process has besides the platform's variables and the user's.
        freezes: whether it is stopped whenever it has nothing to do.
        has_debugger: whether debugpy listens in it, which time limits would interrupt.

    Attributes:
        in_flight: invocations that were given to it, delivered or not, by their ID.
        is_ready: whether it has asked for an event.
        is_ending: whether it takes no more events.
        pid: of its process, 0 before there is one.
        init_ms: how long it took to start, None until it is ready.
        used_mb: the largest resident size that was seen, in MiB.
        served: how many invocations it has answered.
    """

    def __init__(
        self,
        name: str,
        function: Function,
        cloud: Cloud,
        keeper: Keeper,
        told: Told,
        *,
        environment: Mapping[str, str],
        result_limit_bytes: int | None,
        freezes: bool = False,
        has_debugger: bool = False,
    ) -> None:
        self.name = name
        self.has_debugger = has_debugger
        self.in_flight: dict[str, Invocation] = {}
        self.is_ready = self.is_ending = False
        self.pid = 0
        self.init_ms: float | None = None
        self.used_mb = 0.0
        self.served = 0
        self.over = asyncio.Event()
        self._function = function
        self._cloud = cloud
        self._keeper = keeper
        self._told = told
        self._variables = environment
        self._freezes = freezes
        self._is_frozen = False
        self._timeout_s = None if has_debugger else function.timeout_s
        self._api = RuntimeApi(self, function.function_name, self._timeout_s, result_limit_bytes)
        self._process: Process | None = None
        self._readers: list[LineReader] = []
        # Asked before each is, for mostly there is nothing.
        self._written = select.poll()
        self._measured: psutil.Process | None = None
        self._measured_at = 0.0
        self._why: Why = "exit"
        self._init_error: JSON | None = None
        self._is_cold = True
        self._began = time.monotonic()
        # The only invocation that is delivered, whose lines are; of several each line tells.
        self._current_id = ""

    async def start(self, spawner: Spawner) -> None:
        """Start the process; that it is ready comes later.

        Raises:
            LocalError: it cannot be started.
        """
        address = await self._api.open()
        process = await spawner.start(self._environment(address), self._function.bootstrap)
        self._process, self.pid = process, process.pid
        self._told(Started(time.time(), self.name, spawner.cold, process.pid))
        for descriptor in (process.stdout, process.stderr):
            self._written.register(descriptor, select.POLLIN)
        self._readers = [
            LineReader(process.stdout, self._teller("stdout")),
            LineReader(process.stderr, self._teller("stderr")),
        ]
        process.ended.add_done_callback(self._end)
        self._api.release()
        if self.is_ending and not self.in_flight:
            # It was retired meanwhile.
            self._kill_left()

    def give(self, invocation: Invocation) -> None:
        """Take an invocation, which the process gets as soon as it asks."""
        self.in_flight[invocation.request_id] = invocation
        if self._is_frozen and self._process is not None:
            self._is_frozen = False
            self._process.signal(signal.SIGCONT)
        self._api.give(invocation)

    def retire(self, why: Why) -> None:
        """End the process as soon as nothing is on its way to it, gently."""
        self._stop_taking(why)
        if not self.in_flight:
            self._terminate()

    def kill(self, why: Why) -> None:
        """End the process at once."""
        self._stop_taking(why)
        if self._process is not None:
            self._process.signal(signal.SIGKILL)

    def measure(self) -> None:
        """Read the resident size, and kill the process where it is above the limit."""
        if not self.pid or self.over.is_set():
            return
        self._measured_at = time.monotonic()
        try:
            if self._measured is None:
                self._measured = psutil.Process(self.pid)
            size_mb = self._measured.memory_info().rss / _MIB
        except psutil.Error:
            return  # it has just ended
        self.used_mb = max(self.used_mb, size_mb)
        limit_mb = self._function.memory_mb
        if self._function.is_memory_limited and size_mb > limit_mb and not self.is_ending:
            self.kill("memory")
            for invocation in [*self.in_flight.values()]:
                self._fail(invocation, "memory")

    # What the Runtime API tells.

    def asked(self) -> None:
        """Be ready, and be frozen where nothing is to do."""
        self._come_ready()
        if self._freezes and not self.in_flight and not self.is_ending and self._process:
            self._drain()
            self._is_frozen = True
            self._process.signal(signal.SIGSTOP)

    def delivering(self, event: Invocation) -> None:
        """Let the event's time begin."""
        # What was written before belongs to no invocation, or to the one before.
        self._drain()
        self._come_ready()
        event.delivered_at = time.monotonic()
        self._current_id = event.request_id
        if self._timeout_s is not None:
            loop = asyncio.get_running_loop()
            event.alarm = loop.call_later(self._timeout_s, self._time_out, event)
        self._keeper.took(self)

    def answered(self, request_id: str, payload: bytes) -> bool:
        """Take a result."""
        invocation = self._delivered(request_id)
        if invocation is None:
            return False
        self._look()
        # Unless it has just been killed for its size.
        if request_id in self.in_flight:
            self._finish(invocation, payload, None)
        return True

    def failed(self, request_id: str, error: JSON, *, too_large_bytes: int = 0) -> bool:
        """Take an error."""
        invocation = self._delivered(request_id)
        if invocation is None:
            return False
        self._look()
        if request_id not in self.in_flight:
            pass  # it has just been killed for its size
        elif too_large_bytes:
            limit_bytes = self._api.result_limit_bytes
            message = f"the result has {too_large_bytes:,} bytes, and {limit_bytes:,} are allowed"
            self._finish(invocation, b"", self._failure("result_too_large", invocation, message))
        else:
            message = f"{error.get('errorType', 'Error')}: {error.get('errorMessage', '')}"
            self._finish(invocation, b"", self._failure("error", invocation, message, error))
        return True

    def init_failed(self, error: JSON) -> None:
        """Take the error for which the function cannot be started; the process ends after that."""
        self._init_error = error
        self._stop_taking("init")
        self._drain()
        for invocation in [*self.in_flight.values()]:
            self._fail(invocation, "init")
        asyncio.get_running_loop().call_later(_GRACE_S, self._kill_left)

    def _look(self) -> None:
        """Measure what nobody has measured for some time."""
        if time.monotonic() - self._measured_at > _STALE_S:
            self.measure()

    def _come_ready(self) -> None:
        if not self.is_ready:
            self.is_ready = True
            self.init_ms = (time.monotonic() - self._began) * 1000
            self._told(Ready(time.time(), self.name, self.init_ms))
            self._keeper.came_ready(self)

    # What ends.

    def _delivered(self, request_id: str) -> Invocation | None:
        invocation = self.in_flight.get(request_id)
        return None if invocation is None or invocation.delivered_at is None else invocation

    def _time_out(self, invocation: Invocation) -> None:
        if invocation.request_id not in self.in_flight:
            return
        self._drain()
        self._stop_taking("timeout")
        self._fail(invocation, "timeout")
        # Others that it serves have their own time, and get it.
        if not any(each.delivered_at is not None for each in self.in_flight.values()):
            self.kill("timeout")

    def _fail(
        self,
        invocation: Invocation,
        kind: FailureKind,
        message: str = "",
        status: int | None = None,
    ) -> None:
        function = self._function
        error: JSON = {}
        if kind == "timeout":
            message = f"timed out after {function.timeout_s:g} s, and was killed; "
            message += "--timeout allows more"
        elif kind == "memory":
            message = (
                f"used {self.used_mb:.0f} MB, over its limit of {function.memory_mb} MB, and was "
                "killed; --memory allows more"
            )
        elif kind == "init" and self._init_error is not None:
            error = self._init_error
            message = f"{error.get('errorType', 'Error')}: {error.get('errorMessage', '')}"
        self._finish(invocation, b"", self._failure(kind, invocation, message, error, status))

    def _failure(
        self,
        kind: FailureKind,
        invocation: Invocation,
        message: str,
        error: JSON | None = None,
        status: int | None = None,
    ) -> Failure:
        return Failure(
            kind=kind,
            request_id=invocation.request_id,
            error=error or {},
            message=message,
            timeout_s=self._function.timeout_s,
            memory_mb=self._function.memory_mb,
            status=status,
        )

    def _finish(self, invocation: Invocation, payload: bytes, failure: Failure | None) -> None:
        now = time.monotonic()
        del self.in_flight[invocation.request_id]
        if invocation.alarm is not None:
            invocation.alarm.cancel()
        self._drain()
        if self._current_id == invocation.request_id:
            self._current_id = ""
        self.served += 1
        began = now if invocation.delivered_at is None else invocation.delivered_at
        outcome = Outcome(
            request_id=invocation.request_id,
            payload=payload,
            failure=failure,
            instance=self.name,
            init_ms=self.init_ms if self._is_cold else None,
            queued_ms=(began - invocation.queued_at) * 1000,
            duration_ms=(now - began) * 1000,
            used_mb=self.used_mb,
        )
        self._is_cold = False
        self._keeper.finished(self, invocation, outcome)
        if self.is_ending and not self.in_flight and not self.over.is_set():
            if self._why in ("timeout", "memory"):
                self._kill_left()
            elif self._why != "init":
                self._terminate()

    def _stop_taking(self, why: Why) -> None:
        if not self.is_ending:
            self.is_ending = True
            self._why = why
            self._keeper.broke(self)

    def _terminate(self) -> None:
        if self._process is None:
            return
        self._process.signal(signal.SIGTERM)
        if self._is_frozen:
            self._process.signal(signal.SIGCONT)
        asyncio.get_running_loop().call_later(_GRACE_S, self._kill_left)

    def _kill_left(self) -> None:
        if self._process is not None and not self.over.is_set():
            self._process.signal(signal.SIGKILL)

    def lose(self, message: str) -> None:
        """End an instance whose process could not be started."""
        self._stop_taking("init")
        for invocation in [*self.in_flight.values()]:
            self._finish(invocation, b"", self._failure("init", invocation, message))
        self._bury(None)

    def _end(self, ended: asyncio.Future[int]) -> None:
        """Fail what the process did not answer, after its last lines."""
        if ended.cancelled():
            return
        status = ended.result()
        self.over.set()
        is_expected = self.is_ending
        self._stop_taking("exit" if self.is_ready else "init")
        self._drain()
        for invocation in [*self.in_flight.values()]:
            if invocation.delivered_at is not None:
                kind = _FAILURES.get(self._why, "exit") if is_expected else "exit"
                self._fail(invocation, kind, _how(status), status)
            elif self.is_ready:
                del self.in_flight[invocation.request_id]
                self._keeper.came_back(self, invocation)
            else:
                self._fail(invocation, "init", f"{_how(status)} before it was ready", status)
        self._bury(status)

    def _bury(self, status: int | None) -> None:
        self.over.set()
        for reader in self._readers:
            reader.close()
        self._api.close()
        self._told(Ended(time.time(), self.name, self._why, status))
        self._keeper.ended(self)

    def _drain(self) -> None:
        if not self._readers:
            return
        stdout, stderr = self._readers
        if stdout.rest or stderr.rest or self._written.poll(0):
            stdout.drain()
            stderr.drain()

    def _teller(self, stream: Literal["stdout", "stderr"]) -> Callable[[str, str], None]:
        def tell(tag: str, text: str) -> None:
            request_id = tag or (self._current_id if self._function.concurrency == 1 else "")
            self._told(Line(time.time(), self.name, request_id, stream, text))

        return tell

    def _environment(self, address: str) -> dict[str, str]:
        """Give the platform's variables below the user's own, and where the Runtime API is."""
        function = self._function
        given = self._cloud.environment(function, self.name)
        environment = {**given, **os.environ, **self._variables}
        if function.bootstrap:
            environment |= {
                "AWS_LAMBDA_RUNTIME_API": address,
                "AWS_LAMBDA_MAX_CONCURRENCY": str(function.concurrency),
                "LAMBDA_TASK_ROOT": str(function.folder),
                "_HANDLER": f"{function.module}.{function.name}",
                "PYTHONUNBUFFERED": "1",
            }
            if function.concurrency == 1:
                del environment["AWS_LAMBDA_MAX_CONCURRENCY"]
            return environment
        inside = function.described() | {"runtime_api": address, "instance": self.name}
        if self.has_debugger:
            inside |= {"timeout_s": None, "debug_port": function.debug_port}
        environment["SLSADAPT_INSTANCE"] = json.dumps(inside)
        return environment


def _how(status: int) -> str:
    """Say how a process ended."""
    if status < 0:
        try:
            return f"its process was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"its process was ended by signal {-status}"
    return f"its process exited with status {status}"
