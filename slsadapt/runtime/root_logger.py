"""Set the root logger up as AWS's runtime for Python does, before the function is imported.

Functions rely on it: a level is all that they set, and ``logging.basicConfig`` does nothing there.

Source: https://github.com/aws/aws-lambda-python-runtime-interface-client, bootstrap.py
"""

from __future__ import annotations

import logging
import os
import sys
from time import gmtime

from .loop import REQUEST_ID

__all__ = ["set_up"]

_FORMAT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"


class _Handler(logging.Handler):
    """Writes what its formatter gives, and nothing behind it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stdout.write(self.format(record))
        except Exception:
            self.handleError(record)


def _know_request(record: logging.LogRecord) -> bool:
    record.aws_request_id = REQUEST_ID.get()
    return True


def set_up() -> None:
    """Let the root logger write to standard output, with the invocation's ID."""
    logging.Formatter.converter = gmtime
    handler = _Handler()
    handler.setFormatter(logging.Formatter(_FORMAT, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(_know_request)
    root = logging.getLogger()
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = {"TRACE": "DEBUG", "FATAL": "CRITICAL", "WARN": "WARNING"}.get(level, level)
    if isinstance(logging.getLevelName(level), int):
        root.setLevel(level)
    root.addHandler(handler)
