"""Where cassettes go: a folder, a file of lines, a log, a function."""

from __future__ import annotations

import json
import logging
import os
import re
from errno import ENOSPC
from pathlib import Path

from ..errors import OptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    JSON = dict[str, Any]
    Sink: TypeAlias = str | os.PathLike[str] | logging.Logger | Callable[[JSON], object]
    # Keeps a cassette's JSON, beside the ID of its request, ``""`` where unknown.
    Write = Callable[[JSON, str], object]

__all__ = ["open_sink"]

_LOGGER = "slsadapt.record"
_UNSAFE = re.compile("[^A-Za-z0-9._-]+")
_MOST_ID = 64


def open_sink(sink: Sink) -> Write:
    """Make what writes to a sink, as ``Recorder`` takes it; nothing is opened yet.

    Raises:
        OptionError: no sink.
    """
    if isinstance(sink, logging.Logger):
        return _Log(sink)
    if sink == "logging":
        return _Log(logging.getLogger(_LOGGER))
    if isinstance(sink, (str, os.PathLike)) and sink:
        path = Path(sink)
        return _Lines(path) if path.suffix == ".jsonl" else _Folder(path)
    if callable(sink):
        return _Function(sink)
    raise OptionError(
        "sink must be a folder, a file that ends in .jsonl, 'logging', a logger or a function, "
        f"got {sink!r}"
    )


class _Folder:
    """One file a cassette; its name begins with the time, and none comes twice."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, cassette: JSON, request_id: str) -> None:
        time = cassette["recorded_at"].replace("-", "").replace(":", "")
        known = _UNSAFE.sub("-", request_id)[:_MOST_ID]
        name = "-".join([each for each in (time, known, os.urandom(4).hex()) if each])
        path = self._path / f"{name}.json"
        try:
            _write(path, os.O_EXCL, _dumps(cassette))
        except OSError:
            # Half a file would be in everybody's way.
            path.unlink(missing_ok=True)
            raise


class _Lines:
    """One line a cassette, at the end of a file that others may write to as well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_torn = False

    def __call__(self, cassette: JSON, request_id: str) -> None:
        # In one piece, so that no other process's line comes between.
        line = b"\n" * self._is_torn + _dumps(cassette)
        self._is_torn = True
        _write(self._path, os.O_APPEND, line)
        self._is_torn = False


class _Log:
    """One record a cassette, at INFO."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def __call__(self, cassette: JSON, request_id: str) -> None:
        if not self._logger.isEnabledFor(logging.INFO):
            raise OptionError(
                f"the logger {self._logger.name!r} lets no INFO through; set its level, "
                f"logging.getLogger({self._logger.name!r}).setLevel(logging.INFO)"
            )
        self._logger.info("%s", _dumps(cassette).decode("ascii").rstrip())


class _Function:
    def __init__(self, function: Callable[[JSON], object]) -> None:
        self._function = function

    def __call__(self, cassette: JSON, request_id: str) -> None:
        self._function(cassette)


def _write(path: Path, flags: int, octets: bytes) -> None:
    """Write to a file at once, for this user alone: what is recorded is about people."""
    flags |= os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
    try:
        file = os.open(path, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        file = os.open(path, flags, 0o600)
    try:
        written = os.write(file, octets)
    finally:
        os.close(file)
    if written < len(octets):
        raise OSError(ENOSPC, os.strerror(ENOSPC), str(path))


def _dumps(cassette: JSON) -> bytes:
    return json.dumps(cassette, separators=(",", ":")).encode("ascii") + b"\n"
