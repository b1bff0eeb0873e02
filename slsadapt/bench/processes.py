"""Start fresh processes that answer events, and read what they report.

A child is ``python -I -S -B child.py`` with an explicit import path: neither the user's
environment variables nor the ``.pth`` files of the machine take part in what is measured. Time is
the monotonic clock's, which all processes of a machine share.
"""

from __future__ import annotations

import json
import marshal
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .. import gateways
from ..errors import BenchError, SlsadaptError
from ..testing import contexts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..gateways import JSON
    from .target import Target

__all__ = [
    "Adapter",
    "Answer",
    "Child",
    "Conditions",
    "LoadedModule",
    "Outcome",
    "dialect_name",
    "import_path",
    "run_fresh",
    "status_of",
]

Adapter = Literal["", "slsadapt", "mangum", "serverless-wsgi", "apig-wsgi", "aws-wsgi"]

_CHILD = Path(__file__).with_name("child.py")
_STDERR_LINES = 30
# How long a process may take to end that nobody wants any more.
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a process is started.

    Args:
        process: a new interpreter, or the copy of one that has the application imported.
        bytecode: as it lies there, or as ``stage.py`` arranges it.
        page_cache: whether the files of the application are in memory.
        gc: the collector runs, is off, or is off until the application is imported.
        cpu: the only processor to run on, None for any.
        adapter: what makes the application a function; ``""`` for a function as it is.
    """

    process: Literal["spawn", "fork"] = "spawn"
    bytecode: Literal["found", "valid", "stale", "none"] = "found"
    page_cache: Literal["warm", "cold"] = "warm"
    gc: Literal["on", "off", "deferred"] = "on"
    cpu: int | None = None
    adapter: Adapter = ""


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """A module of ``sys.modules``; ``file`` and ``cached`` are ``""`` where it has none."""

    name: str
    file: str
    cached: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One event, answered.

    Attributes:
        result: JSON that the function returned, None where it raised.
        error: the traceback, ``""`` for none.
        began_ns: monotonic time.
        took_ms: from the call to its return.
        rss_kib: resident after it.
        peak_kib: the most that was resident during it.
        modules: how many were imported after it.
    """

    result: Any
    error: str
    began_ns: int
    took_ms: float
    rss_kib: int
    peak_kib: int
    modules: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one process did; the phases follow each other and stand in ms."""

    interpreter_ms: float
    adapter_ms: float
    application_ms: float
    answers: list[Answer]
    warm_us: list[float]
    loaded_rss_kib: int
    modules: list[LoadedModule]
    stderr: str
    observed: dict[str, Any]

    @property
    def response_ms(self) -> float:
        """Tell how long the first event took."""
        return self.answers[0].took_ms

    @property
    def total_ms(self) -> float:
        """Add up the phases until the first response."""
        return self.interpreter_ms + self.adapter_ms + self.application_ms + self.response_ms


class Child:
    """A process that imports the application, and then does what it is asked.

    Args:
        target: the application or function.
        events: what it answers.
        conditions: how it is started; bytecode and page cache are ``stage.py``'s to arrange.
        options: for the interpreter.
        observer: a file that the process executes first.
        python: the interpreter.

    Each method waits for its answer and raises BenchError, with what the process said, where it
    ended instead.
    """

    def __init__(
        self,
        target: Target,
        events: Sequence[JSON],
        conditions: Conditions,
        *,
        options: Sequence[str] = (),
        observer: Path | None = None,
        python: str = sys.executable,
    ) -> None:
        self._target = target
        self._is_loaded = False
        spec = {
            "path": import_path(target),
            "module": target.module,
            "name": target.name,
            "adapter": conditions.adapter,
            "is_handler": target.is_handler,
            "events": [_function_event(event) for event in events],
            "gc": conditions.gc,
            "observer": str(observer or ""),
            "marks": "importtime" in options,
        }
        command = [python, "-I", "-S", "-B", *options, str(_CHILD)]
        with ExitStack() as stack:
            self._stderr = stack.enter_context(tempfile.TemporaryFile())
            # A new instance finds nothing there that an earlier one left.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="slsadapt-bench-"))
            with _pinned(conditions.cpu):
                spec["spawned_ns"] = time.monotonic_ns()
                self._process = subprocess.Popen(  # noqa: S603 - an interpreter that was asked for
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._stderr,
                    cwd=target.folder,
                    env={**os.environ, "TMPDIR": folder},
                )
            self._rest = stack.pop_all()
        assert self._process.stdin
        assert self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        self._send(spec)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def load(self) -> None:
        """Wait until the application is imported."""
        if not self._is_loaded:
            self._read()
            self._is_loaded = True

    def answer(self) -> Outcome:
        """Answer all events once."""
        self._send(("answer",))
        self.load()
        return self._outcome(self._read())

    def fork(self) -> Outcome:
        """Answer all events once in a copy of the process."""
        self.load()
        self._send(("fork", time.monotonic_ns()))
        return self._outcome(self._read())

    def call(self, n: int, limit_s: float = float("inf")) -> list[float]:
        """Answer the first event n times or until the time is up; give each call's µs."""
        self._send(("calls", n, min(limit_s, 1e6)))
        self.load()
        return [ns / 1000 for ns in self._read()]

    def close(self) -> None:
        """End the process."""
        for stream in (self._input, self._output):
            with suppress(OSError):
                stream.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._rest.close()

    def _send(self, value: Any) -> None:
        # A process that ended is told of when its answer is read.
        with suppress(BrokenPipeError):
            marshal.dump(value, self._input)
            self._input.flush()

    def _read(self) -> Any:
        try:
            value = marshal.load(self._output)  # noqa: S302 - our own child
        except (EOFError, ValueError, TypeError):
            self._process.wait()
            raise BenchError(
                f"{self._target.label} failed: its process ended with code "
                f"{self._process.returncode}\n{self._said()}"
            ) from None
        if isinstance(value, dict) and "died" in value:
            raise BenchError(f"{self._target.label} failed in a forked process\n{self._said()}")
        return value

    def _said(self) -> str:
        """Read the end of what the process wrote to standard error."""
        lines = self._stderr_text().rstrip().splitlines()
        return "\n".join(lines[-_STDERR_LINES:])

    def _stderr_text(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode("utf-8", "replace")

    def _outcome(self, report: dict[str, Any]) -> Outcome:
        return Outcome(
            interpreter_ms=report["interpreter_ns"] / 1e6,
            adapter_ms=report["adapter_ns"] / 1e6,
            application_ms=report["application_ns"] / 1e6,
            answers=[_answer(answer) for answer in report["answers"]],
            warm_us=[],
            loaded_rss_kib=report["loaded_rss_kib"],
            modules=[LoadedModule(*module) for module in report["modules"]],
            stderr=self._stderr_text(),
            observed=report["observed"],
        )


def run_fresh(
    target: Target,
    events: Sequence[JSON],
    conditions: Conditions | None = None,
    *,
    calls: int = 0,
    limit_s: float = 1.0,
    options: Sequence[str] = (),
    observer: Path | None = None,
    python: str = sys.executable,
) -> Outcome:
    """Answer events in one fresh process, each once, and the first one ``calls`` times more.

    Args:
        target: the application or function.
        events: at least one.
        conditions: how to start; ``process`` must be ``"spawn"``.
        calls: warm calls, fewer where ``limit_s`` is over.
        limit_s: how long the warm calls may take in all.
        options: for the interpreter, before ``child.py``.
        observer: a Python file for the child to execute first.
        python: the interpreter.

    Raises:
        BenchError: the process ended before it had answered; an application's exception in an
            event is no such end, but told in its ``Answer``.
    """
    with Child(
        target,
        events,
        conditions or Conditions(),
        options=options,
        observer=observer,
        python=python,
    ) as child:
        outcome = child.answer()
        if not calls or outcome.answers[0].error:
            return outcome
        return replace(outcome, warm_us=child.call(calls, limit_s))


def dialect_name(event: JSON) -> str:
    """Tell whose event it is, ``""`` where it is no gateway's."""
    try:
        return gateways.detect(event).__name__.rpartition(".")[2]
    except SlsadaptError:
        return ""


def status_of(event: JSON, answer: Answer) -> int:
    """Tell the status that the client would see: 500 for an exception, 0 where nothing tells it.

    Functions that answer what is no gateway's event return what they like.
    """
    if answer.error:
        return 500
    name = dialect_name(event)
    if not name:
        return 0
    try:
        return gateways.load(name).decode_result(answer.result).status
    except (SlsadaptError, LookupError, TypeError, ValueError, AttributeError):
        return 500


def import_path(target: Target) -> tuple[list[str], list[str]]:
    """Tell what stands in the import path in front of the standard library, and behind it."""
    if target.path is not None:
        return [str(target.folder)], list(target.path)
    names = ("stdlib", "platstdlib")
    own = {Path(sysconfig.get_path(name)).resolve() for name in names}
    behind = []
    for entry in sys.path:
        folder = Path(entry)
        # The folder of the command itself or of ``python -m`` is nothing that was installed.
        if not entry or not folder.is_dir() or entry == str(Path(sys.argv[0]).parent):
            continue
        if folder.resolve() not in own and folder.name != "lib-dynload" and entry not in behind:
            behind.append(entry)
    return [str(target.folder)], behind


def _function_event(event: JSON) -> tuple[Any, dict[str, Any]]:
    """Give an event as the platform passes it, and its context's members.

    Raises:
        BenchError: the event is no JSON object.
    """
    name = dialect_name(event)
    try:
        octets = json.dumps(event).encode()
    except (TypeError, ValueError) as error:
        raise BenchError(f"an event to measure with must be JSON: {error}") from None
    passed = octets if name in gateways.BYTES_NAMES else json.loads(octets)
    return passed, _members(contexts.for_dialect(name)) if name else {}


def _members(context: object) -> dict[str, Any]:
    """Describe a context so that a process without our package can have one like it."""
    if isinstance(context, dict):
        return dict(context)
    members: dict[str, Any] = {}
    for name in dir(context):
        if name.startswith("_"):
            continue
        value = getattr(context, name)
        if isinstance(value, (str, int, float, type(None))):
            members[name] = value
        elif callable(value):
            # What needs arguments measures nothing, and is left out.
            with suppress(Exception):
                given = value()
                if isinstance(given, (str, int, float, type(None))):
                    members[name] = ("()", given)
    return members


def _answer(told: dict[str, Any]) -> Answer:
    return Answer(
        result=told["result"],
        error=told["error"],
        began_ns=told["began_ns"],
        took_ms=(told["ended_ns"] - told["began_ns"]) / 1e6,
        rss_kib=told["rss_kib"],
        peak_kib=told["peak_kib"],
        modules=told["modules"],
    )


@contextmanager
def _pinned(cpu: int | None) -> Iterator[None]:
    """Run this thread on one processor, so that what it starts stays there."""
    if cpu is None or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError:
        raise BenchError(f"cpu must be one of {sorted(before)}; got {cpu}") from None
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
