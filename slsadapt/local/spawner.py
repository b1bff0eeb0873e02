"""Start processes for instances, by way of the zygote.

The serving process has an event loop and perhaps threads, and so never forks. A small process of
its own, ``zygote.py``, does; it survives the serving process just long enough to kill all others.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal

    from .function import Function

    JSON = dict[str, Any]

__all__ = ["Preloaded", "Process", "Spawner"]

_ZYGOTE = Path(__file__).with_name("zygote.py")
# Our own client. Its imports must not find the function's modules, and it puts the function's
# folder in front itself: "" stands there for the working directory.
_INSIDE = "import sys; del sys.path[0]; from slsadapt.local.inside import main; main()"
_READ_BYTES = 1 << 18
# How long the zygote may take to kill and bury all others.
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Preloaded:
    """What forked instances find imported.

    Args:
        modules: how many, besides those of a bare interpreter.
        took_ms: until they were.
        left_out: names of installed modules that the function imports and each instance must
            import for itself, as a fork does not copy what they do.
        error: why the function could not be imported, ``""`` where it could; all that it imports
            is then left to the instances.
    """

    modules: int
    took_ms: float
    left_out: tuple[str, ...]
    error: str


class Process:
    """A process that was started for an instance.

    Attributes:
        pid: also that of its process group.
        stdout: the reading end of a pipe, which does not block; whoever has the process closes it.
        stderr: likewise.
        ended: the exit code, or the negative number of a signal.
    """

    __slots__ = ("ended", "pid", "stderr", "stdout")

    def __init__(self, pid: int, stdout: int, stderr: int, ended: asyncio.Future[int]) -> None:
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self.ended = ended

    def signal(self, number: int) -> None:
        """Send a signal to the process and all of its group, unless it has ended."""
        if not self.ended.done():
            # macOS: permission is what a group of the dead denies.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


@dataclass(slots=True)
class _Start:
    """A process that was asked for: the reading ends of its pipes, and who waits for it."""

    stdout: int
    stderr: int
    future: asyncio.Future[Process]
    command: Sequence[str]


class Spawner:
    """Starts processes; to be made with ``open`` and closed with ``close``.

    Attributes:
        cold: ``"spawn"``, a new interpreter for each, or ``"fork"``, a copy of the zygote.
    """

    def __init__(
        self,
        cold: Literal["spawn", "fork"],
        function: Function,
        zygote: subprocess.Popen[bytes],
        control: socket.socket,
    ) -> None:
        self.cold = cold
        self._function = function
        self._folder = str(function.folder)
        self._zygote = zygote
        self._control = control
        self._loop = asyncio.get_running_loop()
        self._ids = 0
        self._received = b""
        self._to_send: deque[tuple[bytes, list[int]]] = deque()
        self._starts: dict[int, _Start] = {}
        self._processes: dict[int, Process] = {}
        self._preloads: dict[int, asyncio.Future[Preloaded]] = {}
        self._gone = asyncio.Event()
        self._loop.add_reader(control.fileno(), self._receive)

    @classmethod
    async def open(cls, cold: Literal["spawn", "fork"], function: Function) -> Spawner:
        """Start the zygote.

        Raises:
            LocalError: there is no fork here.
        """
        if sys.platform == "win32":
            raise LocalError(
                "a local cloud needs processes as Linux and macOS have them, and this is Windows; "
                "run it in WSL"
            )
        control, theirs = socket.socketpair()
        stderr = os.dup(2)
        passed = (theirs.fileno(), stderr)
        try:
            control.setblocking(False)
            zygote = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, str(_ZYGOTE), *map(str, passed)],
                stdin=subprocess.DEVNULL,
                # Until the zygote runs, which takes standard error for that.
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=passed,
                start_new_session=True,
            )
        except OSError as error:
            control.close()
            raise LocalError(f"{sys.executable} cannot be started: {error.strerror}") from None
        finally:
            theirs.close()
            os.close(stderr)
        return cls(cold, function, zygote, control)

    async def start(self, environment: Mapping[str, str], command: Sequence[str] = ()) -> Process:
        """Start a process in the function's folder.

        Args:
            environment: all of it.
            command: of another Lambda runtime client; () is our own, which is forked where
                ``cold`` is ``"fork"``.

        Raises:
            LocalError: there is no such command, or no process can be started.
        """
        if not command and self.cold == "spawn":
            command = (sys.executable, "-c", _INSIDE)
        opened: list[int] = []
        try:
            for _ in range(2):
                opened += os.pipe()
        except OSError as error:
            _close(opened)
            raise LocalError(
                f"no pipe can be opened for another process: {error.strerror}; "
                "raise the limit with 'ulimit -n'"
            ) from None
        stdout, their_stdout, stderr, their_stderr = opened
        for descriptor in (stdout, stderr):
            os.set_blocking(descriptor, False)
        request = {
            "command": list(command),
            "environment": dict(environment),
            "folder": self._folder,
        }
        start = _Start(stdout, stderr, self._loop.create_future(), command)
        try:
            self._starts[self._ask("start", request, [their_stdout, their_stderr])] = start
        except LocalError:
            _close(opened)
            raise
        return await start.future

    async def preload(self, environment: Mapping[str, str] | None = None) -> Preloaded:
        """Import what the function imports from outside of its folder, for forks.

        Args:
            environment: to import it with, None for this process's. Nobody's code runs in this
                process, and the function's only in copies of the zygote.

        Raises:
            LocalError: the zygote is no more.
        """
        future: asyncio.Future[Preloaded] = self._loop.create_future()
        request = {
            "environment": dict(os.environ if environment is None else environment),
            "instance": self._function.described(),
        }
        self._preloads[self._ask("preload", request, [])] = future
        return await future

    async def close(self) -> None:
        """Kill all processes that are left, with their groups, and wait until they are buried."""
        if not self._gone.is_set():
            with suppress(OSError):
                # What is still told comes in.
                self._control.shutdown(socket.SHUT_WR)
            try:
                await asyncio.wait_for(self._gone.wait(), _END_S)
            except asyncio.TimeoutError:
                self._zygote.kill()
                await self._gone.wait()
        # It closed its end of the socket as the last thing it did.
        self._zygote.wait()

    # Talking with the zygote.

    def _ask(self, what: str, request: JSON, descriptors: list[int]) -> int:
        """Send a request, with descriptors that are closed here; give its ID."""
        if self._gone.is_set():
            raise LocalError("the process that starts all others has ended; start anew")
        self._ids += 1
        line = json.dumps({what: self._ids, **request}).encode() + b"\n"
        self._to_send.append((line, descriptors))
        if len(self._to_send) == 1:
            self._send()
        return self._ids

    def _send(self) -> None:
        """Send what waits, as far as the zygote takes it now."""
        while self._to_send:
            line, descriptors = self._to_send[0]
            try:
                if descriptors:
                    sent = socket.send_fds(self._control, [line], descriptors)
                else:
                    sent = self._control.send(line)
            except OSError as error:
                # Linux: so many descriptors are under way as a process may have open.
                if isinstance(error, BlockingIOError) or error.errno == errno.ETOOMANYREFS:
                    self._loop.add_writer(self._control.fileno(), self._send)
                # Otherwise the zygote is no more, which the next read tells.
                return
            _close(descriptors)
            if sent < len(line):
                self._to_send[0] = (line[sent:], [])
            else:
                self._to_send.popleft()
        self._loop.remove_writer(self._control.fileno())

    def _receive(self) -> None:
        try:
            data = self._control.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._give_up()
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, told: JSON) -> None:
        match told:
            case {"started": number, "pid": pid}:
                start = self._starts.pop(number)
                process = Process(pid, start.stdout, start.stderr, self._loop.create_future())
                self._processes[number] = process
                if start.future.cancelled():
                    process.signal(signal.SIGKILL)
                    _close([start.stdout, start.stderr])
                else:
                    start.future.set_result(process)
            case {"failed": number, "error": error}:
                start = self._starts.pop(number)
                self._refuse(start, error)
            case {"ended": number, "status": status}:
                _settle(self._processes.pop(number).ended, status)
            case {"preloaded": number, **preloaded}:
                preloaded["left_out"] = tuple(preloaded["left_out"])
                _settle(self._preloads.pop(number), Preloaded(**preloaded))

    def _refuse(self, start: _Start, why: str) -> None:
        _close([start.stdout, start.stderr])
        if not start.future.cancelled():
            what = start.command[0] if start.command else "a copy of the preloaded process"
            start.future.set_exception(
                LocalError(f"{what} cannot be started in {self._folder}: {why}")
            )

    def _give_up(self) -> None:
        """Leave nobody waiting, and nothing running, where the zygote is no more."""
        self._loop.remove_reader(self._control.fileno())
        self._loop.remove_writer(self._control.fileno())
        self._control.close()
        for _, descriptors in self._to_send:
            _close(descriptors)
        self._to_send.clear()
        why = "the process that starts all others has ended"
        assert self._zygote.stdout
        with self._zygote.stdout as stdout:
            # Nothing, once it has run.
            if said := stdout.read().decode("utf-8", "replace").strip():
                why += f": {said}"
        for start in self._starts.values():
            self._refuse(start, why)
        for process in self._processes.values():
            process.signal(signal.SIGKILL)
            _settle(process.ended, -signal.SIGKILL)
        for future in self._preloads.values():
            if not future.cancelled():
                future.set_exception(LocalError(f"nothing can be preloaded: {why}"))
        self._starts.clear()
        self._processes.clear()
        self._preloads.clear()
        self._gone.set()


def _settle(future: asyncio.Future[Any], result: object) -> None:
    """Give a result to who waits, unless nobody does any more."""
    if not future.done():
        future.set_result(result)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
