"""Run an application in a fresh process, and tell how long each phase took.

Started as ``python -I -S -B child.py`` by ``processes.py``, never imported by an application. It
imports only what the interpreter has built in, so that what it measures pays for itself alone.

Both directions speak marshal: the specification comes first on standard input, commands follow.

==================  ============================================================================
specification       meaning
==================  ============================================================================
``path``            import path in front of the standard library, and behind it
``module, name``    what to import, and what to take of it
``adapter``         whose package to import first, ``""`` for none
``is_handler``      called as it is; otherwise wrapped by the adapter
``events``          what to answer, each a pair of event and context
``gc``              ``"on"``, ``"off"``, or ``"deferred"`` until the application is imported
``observer``        a Python file to execute before anything is imported, or ``""``
``marks``           write the phases to standard error, between the lines of ``-X importtime``
==================  ============================================================================

Commands are ``("answer",)``, all events once; ``("calls", n, limit_s)``, the first event again and
again; ``("fork", spawned_ns)``, answered by a copy of this process. The end of input ends it.
"""

from __future__ import annotations

import gc
import marshal
import os
import sys
from time import monotonic_ns, perf_counter_ns

READY_NS = monotonic_ns()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

    Function = Callable[[Any, Any], Any]
    Command = tuple[Any, ...]

__all__ = ["main"]


class Context(dict):  # type: ignore[type-arg] # no typing here: it would be imported
    """A context to read as a dict or by attributes; what is callable in it gives its value."""

    def __getattr__(self, name: str) -> Any:
        """Read a member as an attribute; private ones only exist where they were set."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the context has no {name!r}") from None


def adapt(adapter: str) -> Callable[[Any], Function]:
    """Import an adapter, and give what makes a function of an application with it."""
    if adapter == "slsadapt":
        from slsadapt import wrap

        return wrap
    if adapter == "mangum":
        from mangum import Mangum

        return Mangum
    if adapter == "serverless-wsgi":
        from serverless_wsgi import handle_request  # type: ignore[import-untyped]

        return lambda app: lambda event, context: handle_request(app, event, context)
    if adapter == "apig-wsgi":
        from apig_wsgi import make_lambda_handler

        return make_lambda_handler
    if adapter == "aws-wsgi":
        from awsgi import response  # type: ignore[import-untyped]

        return lambda app: lambda event, context: response(app, event, context)
    raise ValueError(f"no adapter {adapter!r}")


class Loaded:
    """The function, ready for events, and how long it took to get there."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.events = [(event, _context(context)) for event, context in spec["events"]]
        self.marks = spec["marks"]
        self.observer: dict[str, Any] = {}
        self.spawned_ns = spec["spawned_ns"]
        if spec["gc"] != "on":
            gc.disable()
        if spec["observer"]:
            with open(spec["observer"], "rb") as file:  # noqa: PTH123 - pathlib is not imported
                exec(compile(file.read(), spec["observer"], "exec"), self.observer)  # noqa: S102
            self.observe("before_import")
        before, after = spec["path"]
        sys.path[:0] = before
        sys.path.extend(after)
        self.interpreter_ns = READY_NS - self.spawned_ns
        self.mark("adapter")
        began = monotonic_ns()
        make = adapt(spec["adapter"]) if spec["adapter"] else None
        self.adapter_ns = monotonic_ns() - began
        self.mark("application")
        began = monotonic_ns()
        found: Any = __import__(spec["module"], fromlist=[spec["name"]])
        for name in spec["name"].split("."):
            found = getattr(found, name)
        self.function: Function = found if spec["is_handler"] or make is None else make(found)
        if spec["gc"] == "deferred":
            gc.freeze()
            gc.enable()
        self.application_ns = monotonic_ns() - began
        self.rss_kib = _memory()[0]

    def mark(self, phase: str) -> None:
        """Tell on standard error that a phase begins, where imports are traced there."""
        if self.marks:
            os.write(2, b"\nslsadapt-bench: " + phase.encode() + b"\n")

    def observe(self, name: str) -> None:
        """Call a function of the observer, if it has it."""
        function = self.observer.get(name)
        if function is not None:
            function()

    def answer(self) -> list[dict[str, Any]]:
        """Answer every event once."""
        self.observe("before_events")
        answers: list[dict[str, Any]] = []
        for number, (event, context) in enumerate(self.events):
            self.mark(f"event {number}")
            _reset_peak()
            result, error = None, ""
            began = monotonic_ns()
            try:
                result = self.function(event, context)
            except Exception:
                error = "raised"
                ended = monotonic_ns()
                # The report of an error may import what it likes: nothing is measured any more.
                from traceback import format_exc

                error = format_exc()
            else:
                ended = monotonic_ns()
            rss_kib, peak_kib = _memory()
            answers.append(
                {
                    "result": result,
                    "error": error,
                    "began_ns": began,
                    "ended_ns": ended,
                    "rss_kib": rss_kib,
                    "peak_kib": peak_kib,
                    "modules": len(sys.modules),
                }
            )
        self.mark("done")
        return answers

    def call(self, n: int, limit_s: float) -> list[int]:
        """Answer the first event n times, or until the time is up; give each call's ns."""
        event, context = self.events[0]
        function, clock = self.function, perf_counter_ns
        ends = clock() + int(limit_s * 1e9)
        took = []
        for _ in range(n):
            began = clock()
            function(event, context)
            ended = clock()
            took.append(ended - began)
            if ended > ends:
                break
        return took

    def report(self, answers: list[dict[str, Any]]) -> dict[str, Any]:
        """Tell all that is known; imports json, so only after all is measured."""
        modules = [
            (name, _text(module, "__file__"), _text(module, "__cached__"))
            for name, module in list(sys.modules.items())
        ]
        observed = self.observer["report"]() if "report" in self.observer else {}
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        import json

        for answer in answers:
            try:
                answer["result"] = json.loads(json.dumps(answer["result"]))
            except (TypeError, ValueError) as error:
                answer["error"] = f"the function must return JSON: {error}"
                answer["result"] = None
        return {
            "interpreter_ns": self.interpreter_ns,
            "adapter_ns": self.adapter_ns,
            "application_ns": self.application_ns,
            "loaded_rss_kib": self.rss_kib,
            "answers": answers,
            "modules": modules,
            "observed": observed,
        }


def main() -> None:
    """Load what the specification says, then obey until the input ends."""
    # The application may print and read; what is said here goes beside it.
    commands = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    loaded = Loaded(marshal.load(commands))  # noqa: S302 - from the process that started us
    _reply(replies, {"loaded_ns": monotonic_ns()})
    while True:
        try:
            command: Command = marshal.load(commands)  # noqa: S302
        except EOFError:
            break
        if command[0] == "answer":
            _reply(replies, loaded.report(loaded.answer()))
        elif command[0] == "calls":
            _reply(replies, loaded.call(*command[1:]))
        else:
            _fork(loaded, command[1], replies)
    # Threads and exit handlers of the application have nothing to do with what was measured.
    os._exit(0)


def _fork(loaded: Loaded, spawned_ns: int, replies: BinaryIO) -> None:
    """Answer in a copy of this process, which begins its life when it is forked."""
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        if status:
            _reply(replies, {"died": status})
        return
    try:
        loaded.interpreter_ns = monotonic_ns() - spawned_ns
        loaded.adapter_ns = loaded.application_ns = 0
        loaded.rss_kib = _memory()[0]
        _reply(replies, loaded.report(loaded.answer()))
    except BaseException:
        os._exit(1)
    os._exit(0)


def _reply(replies: BinaryIO, value: Any) -> None:
    replies.write(marshal.dumps(value))
    replies.flush()


def _context(values: dict[str, Any]) -> Context:
    """Make the context; what its platform has as methods are pairs of ``"()"`` and the value."""
    members: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, tuple):
            members[name] = _giver(value[1])
        else:
            members[name] = value
    return Context(members)


def _giver(value: object) -> Callable[[], object]:
    return lambda: value


def _text(module: object, name: str) -> str:
    value = getattr(module, name, None)
    return value if isinstance(value, str) else ""


def _memory() -> tuple[int, int]:
    """Tell what is resident now, and the most that was, in KiB; 0 where nothing tells."""
    now = most = 0
    try:
        with open("/proc/self/status", "rb") as file:  # noqa: PTH123 - as above
            for line in file:
                if line.startswith(b"VmHWM:"):
                    most = int(line.split()[1])
                elif line.startswith(b"VmRSS:"):
                    now = int(line.split()[1])
    except OSError:
        # Elsewhere only the most is told, of the whole life, in bytes on macOS.
        from resource import RUSAGE_SELF, getrusage

        most = getrusage(RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
        now = most
    return now, most


def _reset_peak() -> None:
    """Let the most that is resident be counted from here on, where the kernel can."""
    # Source: https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html, value 5.
    try:
        descriptor = os.open("/proc/self/clear_refs", os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(descriptor, b"5")
    except OSError:
        pass
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
