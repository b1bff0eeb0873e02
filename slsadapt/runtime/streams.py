"""Let what the function prints leave its process at once, and tell whose it is.

A process may be killed at any time, or end without a word. What stands in a buffer is lost then.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from io import TextIOWrapper

from .loop import REQUEST_ID

__all__ = ["finish", "set_up"]


class _Unbuffered(TextIOWrapper):
    """Keeps nothing back."""

    def write(self, text: str) -> int:
        """Write text at once."""
        count = super().write(text)
        self.flush()
        return count


class _Tagged(TextIOWrapper):
    """Writes whole lines, each behind the ID of the invocation that it belongs to.

    A line is ``NUL, request ID, NUL, text``. One that is not ended waits for its end, or for the
    end of its invocation.
    """

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type] # as it is called below
        self._begun: dict[str, str] = {}
        self._lock = allocate_lock()

    def write(self, text: str) -> int:
        """Write the lines that text ends, at once and in one piece."""
        request_id = REQUEST_ID.get()
        with self._lock:
            whole, end, rest = (self._begun.pop(request_id, "") + text).rpartition("\n")
            if rest:
                self._begun[request_id] = rest
            if end:
                self._put(request_id, whole)
        return len(text)

    def finish(self, request_id: str) -> None:
        """Write what an invocation left without an end."""
        with self._lock:
            if rest := self._begun.pop(request_id, ""):
                self._put(request_id, rest)

    def _put(self, request_id: str, lines: str) -> None:
        tag = f"\0{request_id}\0"
        super().write(tag + lines.replace("\n", f"\n{tag}") + "\n")
        super().flush()


def set_up(*, is_tagged: bool = False) -> None:
    """Replace standard output and standard error, which then write UTF-8."""
    make = _Tagged if is_tagged else _Unbuffered
    for name in ("stdout", "stderr"):
        old = getattr(sys, name)
        errors = old.errors
        stream = make(old.detach(), "utf-8", errors, newline="\n")
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def finish(request_id: str) -> None:
    """Write what an invocation left without the end of its line, where lines are tagged."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if isinstance(stream, _Tagged):
            stream.finish(request_id)
