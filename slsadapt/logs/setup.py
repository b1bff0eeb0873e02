"""Set logging up with one call."""

from __future__ import annotations

import logging

from .formatters import JsonFormatter, TextFormatter
from .prefix import LogPrefixFilter

__all__ = ["setup_logging"]


def setup_logging(
    *, json: bool = False, prefix: str = "[{request_id}][{function}]", level: int | str = "INFO"
) -> None:
    """Make the root logger write lines that carry the request, as text or as JSON.

    The handlers that are there, such as those of AWS's and Tencent's runtimes, get formatter and
    filter; where none is, one that writes to standard error is added. A second call replaces what
    the first one did.

    Args:
        json: one JSON object a line rather than text.
        prefix: what ``LogPrefixFilter`` writes in front of text.
        level: of the root logger.

    Raises:
        OptionError: ``prefix`` is no format string of names.
        ValueError: no such level.
    """
    log_prefix = LogPrefixFilter(prefix)
    root = logging.getLogger()
    root.setLevel(level)
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    for handler in root.handlers:
        # AWS's handlers write what the formatter gives and nothing behind it.
        terminator = "" if hasattr(handler, "terminator") else "\n"
        handler.setFormatter(
            JsonFormatter(terminator=terminator) if json else TextFormatter(terminator=terminator)
        )
        for old in [each for each in handler.filters if isinstance(each, LogPrefixFilter)]:
            handler.removeFilter(old)
        handler.addFilter(log_prefix)
