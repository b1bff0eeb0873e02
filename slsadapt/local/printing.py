"""Print what happens in a local cloud, for people or for programs.

For people each invocation is one line, as clouds report it, below what the function wrote. Colours
are for terminals whose user did not set ``NO_COLOR`` (https://no-color.org/). What the function
writes may be coloured, and cannot move the cursor or change the window.

For programs each notice is one JSON object on a line, with ``kind`` (``"started"``, ``"ready"``,
``"line"``, ``"report"``, ``"answered"``, ``"ended"``, ``"reloaded"``, and first ``"serving"``),
``at`` (ISO 8601 in UTC) and the notice's own fields, see ``slsadapt.local.notices``; a ``failure``
has ``kind``, ``message`` and ``error``. The text is ASCII and has no control characters.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections import deque
from dataclasses import asdict, dataclass, fields
from io import TextIOWrapper
from typing import TYPE_CHECKING

import click

from ..logs.escape import escape
from .notices import Answered, Ended, Line, Ready, Reloaded, Report, Started

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Literal, TextIO

    from .notices import Notice
    from .outcome import Failure

    JSON = dict[str, Any]

__all__ = ["Banner", "Printer"]

# Select Graphic Rendition, colours and such: ECMA-48, 8.3.117.
_SGR = re.compile(r"(\x1b\[[0-9;:]*m)")
_RESET = "\x1b[0m"
_STYLES: Mapping[str, JSON] = {
    "dim": {"dim": True},
    "bold": {"bold": True},
    **{name: {"fg": name} for name in ("red", "green", "yellow", "bright_blue", "magenta", "cyan")},
}
_INSTANCE_STYLES = ("cyan", "magenta", "bright_blue", "green")
# What is printed within it is one write.
_GATHER_S = 0.01
# How long a report waits for the gateway's answer, which is on the same line.
_ANSWER_S = 0.05
# Above which an answer's time is told that neither the function nor its start took.
_WAIT_MS = 20.0
# Of what an instance wrote last, to know a traceback that is there already.
_KEPT_LINES = 200
_KEPT_CHARACTERS = 500
# The last ones, which are random where the first ones are the time.
_ID_CHARACTERS = 8
_URL_CHARACTERS = 120
_MORE_PATHS = 3
# As wide as "12:34:56.789  #1   12345678  ", after which everything stands.
_MARGIN = " " * 29
_ENDS = {
    "idle": "ended, idle for too long",
    "exit": "ended by itself",
    "init": "ended before it was ready",
}
_encode = json.JSONEncoder(default=str).encode
_HINTS = {
    "SIGSEGV": "a fault in native code; PYTHONFAULTHANDLER=1 shows where",
    "SIGABRT": "a fault in native code; PYTHONFAULTHANDLER=1 shows where",
    "SIGKILL": "killed by somebody else, perhaps for want of memory",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """What is served, where, and how: the first lines.

    Args:
        target: as the user named it.
        dialect: of the gateway, its name.
        title: of the gateway, for people.
        platform: likewise, ``"AWS Lambda"``.
        url: to open.
        instances: the most.
        concurrency: how many invocations each serves at once.
        cold: how instances start.
        preloaded: how many modules a fork begins with.
        left_out: modules that each fork imports for itself, for they would not survive one.
        mistake: why the function could not be imported to learn what forks are to begin with.
        timeout_s: None is without limit.
        memory_mb: None is without limit.
        idle_s: until an instance ends that has nothing to do.
        queue_s: how long a request waits for an instance.
        freezes: whether instances stand still between invocations.
        reload: the watched folder, or ``""``.
        invoke: the address of the Invoke API, or ``""``.
        push: the URL by which a function sends to WebSocket connections, or ``""``.
        record: the folder of cassettes, or ``""``.
        timers: their schedules.
        debug_port: where debugpy listens.
    """

    target: str
    dialect: str
    title: str
    platform: str
    url: str
    instances: int
    concurrency: int
    cold: Literal["spawn", "fork"]
    timeout_s: float | None
    memory_mb: int | None
    idle_s: float
    preloaded: int = 0
    left_out: tuple[str, ...] = ()
    mistake: str = ""
    queue_s: float = 0.0
    freezes: bool = False
    reload: str = ""
    invoke: str = ""
    push: str = ""
    record: str = ""
    timers: tuple[str, ...] = ()
    debug_port: int | None = None


class Printer:
    r"""Prints notices, all of a hundredth of a second at once.

    Args:
        stream: takes text; what its encoding lacks is written as ``\u57ce``.
        json_logs: whether programs read it.
        colour: None is for terminals only.
    """

    def __init__(self, stream: TextIO, *, json_logs: bool, colour: bool | None = None) -> None:
        if colour is None:
            is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
            colour = stream.isatty() and not is_plain
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        self._stream: TextIO | None = stream
        self._json_logs = json_logs
        self._colour = colour and not json_logs
        # What stands before and after a text of each style.
        self._styles = {
            name: click.style("|", **style).split("|") if self._colour else ("", "")
            for name, style in _STYLES.items()
        }
        self._out: list[str] = []
        # The second that was last, and how it is written.
        self._second = 0
        self._clock = ""
        # Reports whose invocation the gateway may still answer, the oldest first, with whether
        # the instance has written their traceback, and when they came.
        self._reports: dict[str, tuple[Report, bool, float]] = {}
        self._late: asyncio.TimerHandle | None = None
        # By instance.
        self._started: dict[str, Started] = {}
        self._written: dict[str, deque[str]] = {}
        self._width = 24
        self._print: dict[type[Notice], Callable[[Any], None]] = {
            Started: self._print_started,
            Ready: self._print_ready,
            Line: self._print_line,
            Report: self._print_report,
            Answered: self._print_answered,
            Ended: self._print_ended,
            Reloaded: self._print_reloaded,
        }

    def __call__(self, notice: Notice) -> None:
        """Print a notice, in the event loop."""
        if self._json_logs:
            self._emit(_to_json(notice, self._stamp(notice.at)))
        else:
            self._print[type(notice)](notice)

    def banner(self, banner: Banner) -> None:
        """Write the first lines."""
        if self._json_logs:
            serving = {"kind": "serving", "at": self._stamp(time.time()), **asdict(banner)}
            self._out.append(_dump(serving))
        else:
            self._out.append(self._describe(banner))
        self._write()

    def flush(self) -> None:
        """Write what is not written yet, with reports that wait for their answer."""
        if self._late is not None:
            self._late.cancel()
            self._late = None
        for request_id in [*self._reports]:
            self._print_invocation(self._reports.pop(request_id), None)
        self._write()

    def _emit(self, text: str) -> None:
        if not self._out:
            asyncio.get_running_loop().call_later(_GATHER_S, self._write)
        self._out.append(text)

    def _write(self) -> None:
        text = "".join(self._out)
        self._out.clear()
        if not text or self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            # Nobody reads any more, as after `| head`; requests are served all the same.
            self._stream = None

    def _paint(self, text: str, style: str) -> str:
        before, after = self._styles[style]
        return before + text + after

    def _stamp(self, at: float) -> str:
        second, ms = divmod(int(at * 1000), 1000)
        if second != self._second:
            self._second = second
            if self._json_logs:
                self._clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            else:
                self._clock = time.strftime("%H:%M:%S", time.localtime(second))
        return f"{self._clock}.{ms:03d}Z" if self._json_logs else f"{self._clock}.{ms:03d}"

    def _begin(self, at: float, instance: str, request_id: str) -> str:
        label = ""
        if instance:
            style = _INSTANCE_STYLES[int(instance) % len(_INSTANCE_STYLES)]
            label = self._paint(f"#{instance}".ljust(4), style)
        begin, end = self._styles["dim"]
        short_id = request_id[-_ID_CHARACTERS:]
        if not short_id.isprintable():
            short_id = escape(short_id)
        return (
            f"{begin}{self._stamp(at)}{end}  {label or '    '} "
            f"{begin}{short_id:<{_ID_CHARACTERS}}{end}  "
        )

    def _clean(self, text: str) -> str:
        """Let through what is text or colour."""
        if "\x1b[" not in text:
            return escape(text)
        parts = _SGR.split(text)
        if not self._colour:
            return "".join(map(escape, parts[::2]))
        parts[::2] = map(escape, parts[::2])
        return "".join(parts) + _RESET

    # What the notices look like to people.

    def _print_started(self, started: Started) -> None:
        # Told once it is ready, or has failed.
        self._started[started.instance] = started

    def _print_ready(self, ready: Ready) -> None:
        started = self._started.get(ready.instance)
        how = f" ({started.cold}, process {started.pid})" if started else ""
        text = self._paint(f"cold start {_show_ms(ready.init_ms)}", "cyan")
        self._emit(f"{self._begin(ready.at, ready.instance, '')}{text}{how}\n")

    def _print_line(self, line: Line) -> None:
        written = self._written.get(line.instance)
        if written is None:
            written = self._written[line.instance] = deque(maxlen=_KEPT_LINES)
        written.append(line.text[:_KEPT_CHARACTERS])
        mark = self._paint("|", "dim") if line.stream == "stdout" else self._paint("!", "yellow")
        begin = self._begin(line.at, line.instance, line.request_id)
        self._emit(f"{begin}{mark} {self._clean(line.text)}\n")

    def _print_report(self, report: Report) -> None:
        if earlier := self._reports.pop(report.request_id, None):
            self._print_invocation(earlier, None)
        is_written = report.failure is not None and self._is_written(report)
        loop = asyncio.get_running_loop()
        self._reports[report.request_id] = (report, is_written, loop.time())
        if self._late is None:
            self._late = loop.call_later(_ANSWER_S, self._print_late)

    def _print_late(self) -> None:
        """Print the reports that no answer came for."""
        self._late = None
        loop = asyncio.get_running_loop()
        for request_id, waiting in [*self._reports.items()]:
            left_s = waiting[2] + _ANSWER_S - loop.time()
            if left_s > 0:
                self._late = loop.call_later(left_s, self._print_late)
                break
            del self._reports[request_id]
            self._print_invocation(waiting, None)

    def _print_answered(self, answered: Answered) -> None:
        self._print_invocation(self._reports.pop(answered.request_id, None), answered)

    def _print_invocation(
        self, waiting: tuple[Report, bool, float] | None, answered: Answered | None
    ) -> None:
        report, is_written = waiting[:2] if waiting else (None, False)
        failure = (answered and answered.failure) or (report and report.failure)
        notice = answered or report
        assert notice is not None
        parts = [self._begin(notice.at, report.instance if report else "", notice.request_id)]
        line, status, took_ms = "invoked", "    ", 0.0
        if answered is not None:
            line, took_ms = escape(answered.line), answered.took_ms
            if len(line) > _URL_CHARACTERS:
                line = f"{line[: _URL_CHARACTERS - 3]}..."
            if answered.status is not None:
                status = self._paint(f"{answered.status:<4}", _style_of(answered.status))
        if len(line) > self._width:
            # As wide as most lines need it.
            self._width = min(len(line), 40)
        parts.append(f"{status} {line:<{self._width}}")
        if report is not None:
            used = f"{report.used_mb:.0f}/{report.memory_mb} MB"
            parts.append(
                f"  {_show_ms(report.duration_ms):>8}  billed {report.billed_ms} ms".ljust(25)
                + f"  {used:>10}"
            )
        else:
            parts.append(f"  {_show_ms(took_ms):>8}")
        if answered is not None and answered.body_bytes:
            parts.append(f"  {_show_bytes(answered.body_bytes):>7}")
        if report is not None:
            init_ms = report.init_ms or 0.0
            if report.init_ms is not None:
                parts.append("  " + self._paint(f"cold start {_show_ms(init_ms)}", "cyan"))
            waited_ms = took_ms - report.duration_ms - init_ms
            if waited_ms > _WAIT_MS and not (failure and failure.kind == "init"):
                parts.append("  " + self._paint(f"waited {_show_ms(waited_ms)}", "yellow"))
        parts.append("\n")
        if answered is not None and answered.note:
            parts.append(self._explain(answered.note, "red"))
        if failure:
            style = "yellow" if failure.kind == "throttled" else "red"
            parts.append(self._explain(failure.message, style))
            if not is_written:
                parts += [f"{_MARGIN}  {line}\n" for line in _trace(failure)]
        self._emit("".join(parts))

    def _explain(self, message: str, style: str) -> str:
        lines = [escape(line) for line in message.splitlines()]
        text = f"\n{_MARGIN}  ".join(lines)
        return f"{_MARGIN}{self._paint('x ' + text, style)}\n"

    def _is_written(self, report: Report) -> bool:
        """Tell whether the instance wrote the last line of the failure's traceback."""
        assert report.failure is not None
        error = report.failure.error
        name = str(error.get("errorType") or "\0")
        message = str(error.get("errorMessage") or "").partition("\n")[0]
        message = message[: _KEPT_CHARACTERS // 2]
        written = self._written.get(report.instance, ())
        return any(name in text and message in text for text in written)

    def _print_ended(self, ended: Ended) -> None:
        self._started.pop(ended.instance, None)
        self._written.pop(ended.instance, None)
        text = _ENDS.get(ended.why)
        if text is None:  # as somebody wished, or as the line of its invocation tells
            return
        style = "dim"
        if ended.why in ("exit", "init"):
            text, style = f"{text}: {_show_status(ended.status)}", "red"
        begin = self._begin(ended.at, ended.instance, "")
        self._emit(f"{begin}{self._paint(text, style)}\n")

    def _print_reloaded(self, reloaded: Reloaded) -> None:
        paths = [escape(path) for path in reloaded.paths]
        more = f" and {len(paths) - _MORE_PATHS} more" if len(paths) > _MORE_PATHS else ""
        text = self._paint(f"reload: {', '.join(paths[:_MORE_PATHS])}{more}", "cyan")
        self._emit(f"{self._begin(reloaded.at, '', '')}{text}\n")

    def _describe(self, banner: Banner) -> str:
        each = "1 request" if banner.concurrency == 1 else f"{banner.concurrency} requests"
        cold = "spawn: honest cold starts"
        if banner.cold == "fork":
            cold = f"fork: cold starts in ms, {banner.preloaded} modules preloaded"
            if banner.left_out:
                cold += f", {len(banner.left_out)} cannot be"
        limits = [
            "no time limit" if banner.timeout_s is None else f"{banner.timeout_s:g} s",
            "no memory limit" if banner.memory_mb is None else f"{banner.memory_mb} MB",
            f"{banner.idle_s:g} s idle",
        ]
        if banner.queue_s:
            limits.append(f"{banner.queue_s:g} s in the queue")
        if banner.freezes:
            limits.append("frozen between requests")
        port = banner.debug_port
        lines = {
            "open": self._paint(banner.url, "bold"),
            "gateway": f"{banner.title} ({banner.dialect}); {banner.platform}",
            "instances": f"up to {banner.instances}, {each} at a time in each; {cold}",
            "mistake": banner.mistake and self._paint(escape(banner.mistake), "red"),
            "limits": ", ".join(limits),
            "invoke": banner.invoke,
            "push": banner.push,
            "reload": banner.reload and f"on changes in {banner.reload}",
            "record": banner.record and f"cassettes into {banner.record}",
            "timers": ", ".join(banner.timers),
            "debugger": port and f"debugpy at 127.0.0.1:{port}, in the first instance",
            "stop": "Ctrl-C",
        }
        shown = [
            f"  {self._paint(name.ljust(9), 'dim')}  {text}\n"
            for name, text in lines.items()
            if text
        ]
        title = self._paint("slsadapt serve", "bold")
        return f"{title} {banner.target}\n{''.join(shown)}\n"


def _to_json(notice: Notice, at: str) -> str:
    kind, names = _FIELDS[type(notice)]
    written: JSON = {"kind": kind, "at": at}
    for name in names:
        written[name] = getattr(notice, name)
    if failure := written.get("failure"):
        written["failure"] = {
            "kind": failure.kind,
            "message": failure.message,
            "error": failure.error,
        }
    return _dump(written)


_FIELDS: dict[type[Notice], tuple[str, list[str]]] = {
    notice: (notice.__name__.lower(), [each.name for each in fields(notice) if each.name != "at"])
    for notice in (Started, Ready, Line, Report, Answered, Ended, Reloaded)
}


def _dump(written: JSON) -> str:
    # ASCII, but DEL is left as it is.
    return _encode(written).replace("\x7f", "\\u007f") + "\n"


def _style_of(status: int) -> str:
    if status >= 1000:  # that closed a WebSocket connection
        return "dim" if status <= 1001 else "yellow"
    return "red" if status >= 500 else "yellow" if status >= 400 else "green"


def _show_ms(ms: float) -> str:
    return f"{ms:.1f} ms" if ms < 10_000 else f"{ms / 1000:.1f} s"


def _show_bytes(size: int) -> str:
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def _show_status(status: int | None) -> str:
    if status is None:
        return "it could not be started"
    if status >= 0:
        return f"exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
    return f"{name} ({_HINTS[name]})" if name in _HINTS else name


def _trace(failure: Failure) -> list[str]:
    """Give the lines of a traceback, whatever a runtime sends for one."""
    entries = failure.error.get("stackTrace")
    if not isinstance(entries, list):
        return []
    return [escape(line) for entry in entries for line in str(entry).splitlines()]
