r"""Read what a process writes, line by line, as it is written.

A pipe is read in the event loop, a little at a time: a process that writes without end waits for
its reader, and nothing else does. An instance that serves several invocations at once tells whose
a line is: ``"\x00" + request ID + "\x00" + text``.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LineReader"]

# One turn of the loop reads no more, so that thousands of short lines do not hold up requests.
_TURN_BYTES = 8 * 1024
_LINE_LIMIT_BYTES = 64 * 1024
# A prompt has no end; a line of which the rest is still on its way has one soon.
_SILENCE_S = 0.2


class LineReader:
    r"""Reads lines from a non-blocking descriptor until its end.

    Lines end with ``\n`` or ``\r\n``; what progress bars write over with a lone ``\r`` is a line,
    too. What is not UTF-8 is told as ``\xff``; a line above 64 KiB in pieces; an unfinished one
    after 0.2 s of silence. Needs a running event loop.

    Args:
        fd: is closed at its end, or by ``close``.
        tell: is called with (request ID or ``""``, text without its end).

    Attributes:
        rest: what was read of a line that has not ended.
    """

    def __init__(self, fd: int, tell: Callable[[str, str], None]) -> None:
        self._fd = fd
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self.rest = b""
        # Of the line that has not ended: whose it is, and whether some of it was told.
        self._tag = ""
        self._is_begun = False
        self._read_at = 0.0
        self._silence: asyncio.TimerHandle | None = None
        self._loop.add_reader(fd, self._read)

    def drain(self) -> None:
        """Tell what is written already, with an unfinished line that nobody's name is on."""
        self._take_all()
        # Of several invocations each has lines of its own, which the others must not cut.
        if self.rest and not self._tag and self.rest[0]:
            self._tell_rest()

    def close(self) -> None:
        """Tell what is written already, and read no more; does nothing the second time."""
        self._take_all()
        self._end()

    def _take_all(self) -> None:
        # No more than there is now: whoever writes may go on.
        left = self._waiting_bytes()
        while left > 0 and (count := self._read()):
            left -= count

    def _waiting_bytes(self) -> int:
        if self._fd < 0:
            return 0
        size = bytearray(4)
        try:
            fcntl.ioctl(self._fd, termios.FIONREAD, size)
        except OSError:
            return 0
        return int.from_bytes(size, sys.byteorder)

    def _read(self) -> int:
        try:
            data = os.read(self._fd, _TURN_BYTES)
        except BlockingIOError:
            return 0
        except OSError:  # a terminal whose other side is closed
            data = b""
        if not data:
            self._end()
            return 0
        self._split(self.rest + data if self.rest else data)
        if self.rest:
            self._read_at = self._loop.time()
            if self._silence is None:
                self._silence = self._loop.call_later(_SILENCE_S, self._check_silence)
        return len(data)

    def _end(self) -> None:
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        with suppress(OSError):
            os.close(self._fd)
        self._fd = -1
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        if self.rest:
            self._tell_rest()

    def _check_silence(self) -> None:
        self._silence = None
        if not self.rest:
            return
        left_s = self._read_at + _SILENCE_S - self._loop.time()
        if left_s > 0:
            self._silence = self._loop.call_later(left_s, self._check_silence)
        else:
            self._tell_rest()

    def _split(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            if b"\r" in line:
                line = self._tell_overwritten(line)
            # The end of a line that was told already is no line.
            if line or not self._is_begun:
                self._tell_part(line)
            self._tag = ""
            self._is_begun = False
        if b"\r" in rest:
            rest = self._tell_overwritten(rest)
        if len(rest) > _LINE_LIMIT_BYTES:
            size = _boundary(rest)
            self._tell_part(rest[:size])
            rest = rest[size:]
        self.rest = rest

    def _tell_overwritten(self, line: bytes) -> bytes:
        *parts, last = line.split(b"\r")
        for part in parts:
            if part:
                self._tell_part(part)
        return last

    def _tell_rest(self) -> None:
        rest, self.rest = self.rest, b""
        self._tell_part(rest)

    def _tell_part(self, part: bytes) -> None:
        if part[:1] == b"\0":
            tag, end, text = part[1:].partition(b"\0")
            if end:
                self._tag, part = tag.decode("utf-8", "backslashreplace"), text
        self._is_begun = True
        if len(part) > _LINE_LIMIT_BYTES:
            size = _boundary(part)
            self._tell(self._tag, part[:size].decode("utf-8", "backslashreplace"))
            part = part[size:]
        self._tell(self._tag, part.decode("utf-8", "backslashreplace"))


def _boundary(data: bytes) -> int:
    """Give how much of it to tell, without cutting a character in two."""
    size = _LINE_LIMIT_BYTES
    while size > _LINE_LIMIT_BYTES - 4 and data[size] & 0xC0 == 0x80:
        size -= 1
    return size
