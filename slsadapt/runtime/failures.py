"""Tell what went wrong as AWS's runtime for Python does: to the Runtime API, and in the log.

Source: https://github.com/aws/aws-lambda-python-runtime-interface-client, bootstrap.py
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    JSON = dict[str, Any]

__all__ = ["FaultError", "describe", "log_line", "log_lines"]

# Frames of these modules are ours or the import system's, not the function's.
_OURS = ("slsadapt.runtime", "slsadapt.local.inside", "importlib", "__main__")
_NO_BREAK_SPACE = "\u00a0"


class FaultError(Exception):
    """A failure between the platform and the function, such as a result that is no JSON.

    Args:
        error_type: ``"Runtime.MarshalError"`` and the like.
        message: for people.
        trace: lines as ``traceback`` writes them.
    """

    def __init__(self, error_type: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.trace = trace or []


def describe(error: BaseException, request_id: str = "") -> JSON:
    """Give what the Runtime API is told of an exception.

    Returns:
        ``errorMessage``, ``errorType``, ``requestId`` and ``stackTrace``, a list of entries as
        ``traceback`` writes them, which begins with the function's own frames.
    """
    if isinstance(error, FaultError):
        error_type, trace = error.error_type, error.trace
    else:
        from traceback import extract_tb, format_list

        error_type = type(error).__name__
        # Of four fields: newer Pythons would mark the columns, which the platform does not.
        frames = [
            (each.filename, each.lineno or 0, each.name, each.line)
            for each in extract_tb(_functions_own(error.__traceback__))
        ]
        trace = format_list(frames)
    return {
        "errorMessage": _message(error),
        "errorType": error_type,
        "requestId": request_id,
        "stackTrace": trace,
    }


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"<{type(error).__name__} cannot be written as text>"


def _functions_own(trace: TracebackType | None) -> TracebackType | None:
    """Leave out the frames that led to the function."""
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if not name.startswith(_OURS):
            break
        trace = trace.tb_next
    return trace


def log_lines(described: JSON) -> list[str]:
    """Write a description as lines of a log."""
    lines = [f"[ERROR] {described['errorType']}"]
    if message := described["errorMessage"]:
        lines[0] += f": {message}"
    lines.append("Traceback (most recent call last):")
    for entry in described["stackTrace"]:
        lines += entry.splitlines()
    return lines


def log_line(described: JSON) -> str:
    """Write a description as CloudWatch takes it for one event: no line feeds, kept indents."""
    kept = []
    for line in log_lines(described):
        text = line.lstrip(" ")
        kept.append(_NO_BREAK_SPACE * (len(line) - len(text)) + text)
    return "\r".join(kept)
