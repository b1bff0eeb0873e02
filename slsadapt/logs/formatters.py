"""Write log records so that nothing in them passes for another record."""

from __future__ import annotations

import json
import logging
import math
import re
import time

from ..gateways.contexts import LOGGED_IDS, LOGGED_IF_KNOWN
from .escape import escape
from .invocation import context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["JsonFormatter", "TextFormatter"]

_INDENT = "    "
_TEXT = "%(asctime)s %(levelname)s %(log_prefix)s %(name)s: %(message)s"

# What a record has without ``extra``: from logging itself, from our filter, and from platforms'.
_STANDARD = {
    *logging.makeLogRecord({}).__dict__,
    *("message", "asctime", "log_prefix"),
    *LOGGED_IDS,
}
# Valid in JSON strings and yet line breaks for many who read the log, or no valid UTF-8.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=repr).encode


class TextFormatter(logging.Formatter):
    """Write one line a record, in which control characters are escaped.

    Tracebacks and stacks keep their lines, indented: only a record begins in the first column.

    Args:
        fmt: as of ``logging.Formatter``; it may hold ``%(log_prefix)s``.
        datefmt: likewise.
        terminator: what ends a record, for handlers that add nothing themselves (AWS's).
    """

    def __init__(
        self, fmt: str | None = None, datefmt: str | None = None, *, terminator: str = ""
    ) -> None:
        # A record that the filter has not seen has no prefix.
        super().__init__(fmt or _TEXT, datefmt, defaults={"log_prefix": "-"})
        self._terminator = terminator

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        record.message = record.getMessage()
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        lines = [escape(self.formatMessage(record))]
        for text in (_exception(self, record), record.stack_info):
            if text:
                lines += [_INDENT + escape(line) for line in text.split("\n")]
        return "\n".join(lines) + self._terminator


class JsonFormatter(logging.Formatter):
    """Write each record as one line of JSON.

    ``time`` (UTC), ``level``, ``logger`` and ``message``; the IDs and the function where known;
    what the application bound; what ``extra=`` added; ``exception`` and ``stack`` as one string.
    A name that would come twice gets a ``_`` behind it. What JSON cannot write is written as
    ``repr`` does.

    Args:
        terminator: what ends a record, for handlers that add nothing themselves (AWS's).
    """

    def __init__(self, *, terminator: str = "") -> None:
        super().__init__()
        self._terminator = terminator

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, Any] = {
            "time": f"{seconds}.{int(record.created % 1 * 1000):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if exception := _exception(self, record):
            fields["exception"] = exception
        if record.stack_info:
            fields["stack"] = record.stack_info
        extra = {
            str(name): each
            for name, each in record.__dict__.items()
            if name not in _STANDARD and not (each is None and name in LOGGED_IF_KNOWN)
        }
        for more in (context(), extra):
            for name, value in more.items():
                while name in fields:
                    name += "_"
                fields[name] = value
        return _dump(fields) + self._terminator


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Write a record's traceback, which comes as text where a queue lay in between."""
    if record.exc_info and record.exc_info[0]:
        return formatter.formatException(record.exc_info)
    return record.exc_text or ""


def _dump(fields: dict[str, Any]) -> str:
    try:
        line = _encode(fields)
    except Exception:
        line = json.dumps({name: _plain(each) for name, each in fields.items()}, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def _plain(value: Any) -> Any:
    """Write what JSON cannot as ``repr`` does, and what ``repr`` cannot by its type."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    try:
        json.dumps(value, allow_nan=False)
    except Exception:
        try:
            return repr(value)
        except Exception:
            return f"<{type(value).__name__}>"
    return value
