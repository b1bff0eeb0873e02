"""Cassettes of what passes through the local gateway, for ``slsadapt replay`` and as test cases.

They are what ``slsadapt.testing.recorder`` writes of a deployed function, and secrets are taken out
likewise. Bodies are kept, for what is served on this machine is whose it is; and none is dropped
for others that wait, for nobody waits for the disk.
"""

from __future__ import annotations

import builtins
import json
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .. import gateways
from ..errors import LocalError
from ..gateways.contexts import remaining_ms
from ..testing import contexts
from ..testing.recorded import Recorded
from ..testing.sinks import open_sink

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from .function import Function
    from .outcome import Failure, Outcome

    JSON = dict[str, Any]

__all__ = ["Keeper"]

# What happened in the function; of the rest it knows nothing, and no replay could tell.
_ITS_OWN = ("error", "exit", "timeout", "memory", "init", "result_too_large")
_log = logging.getLogger("slsadapt")


class Keeper:
    """Records invocations into a folder, one file each.

    Args:
        folder: made if it is not there.
        function: what is invoked.

    Raises:
        LocalError: its events are objects that no file holds, or files cannot be written there.
    """

    def __init__(self, folder: Path, function: Function) -> None:
        if function.dialect in gateways.OBJECT_NAMES:
            raise LocalError(
                f"--record: events of {function.dialect} are objects of a running process, which "
                "no file holds; choose another dialect"
            )
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LocalError(f"--record: cannot make {folder}: {error.strerror}") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise LocalError(f"--record: nothing can be written into {folder}")
        self._function = function
        self._write = open_sink(folder)
        self._thread = ThreadPoolExecutor(1, "slsadapt recording")
        self._is_told = False

    def record(
        self, event: JSON, request_id: str, outcome: Outcome, took_ms: float, dialect: str
    ) -> None:
        """Record an invocation that has ended, unless the function knows nothing of it.

        Args:
            event: as the function got it; not to be changed any more.
            request_id: the invocation's.
            outcome: how it ended.
            took_ms: from the request to the response, where the instance's own time is unknown.
            dialect: the gateway's.
        """
        failure = outcome.failure
        if failure is None or failure.kind in _ITS_OWN:
            now = time.time()
            self._thread.submit(self._keep, now, event, request_id, outcome, took_ms, dialect)

    def close(self) -> None:
        """Write what waits."""
        self._thread.shutdown()

    def _keep(
        self,
        ended_s: float,
        event: JSON,
        request_id: str,
        outcome: Outcome,
        took_ms: float,
        dialect: str,
    ) -> None:
        try:
            failure = outcome.failure
            took_ms = outcome.duration_ms or took_ms
            context = self._context(request_id, took_ms, dialect)
            recorded = Recorded(
                ended_s,
                event,
                context,
                None if failure else _result(outcome.payload),
                _error(failure) if failure else None,
                took_ms,
                dialect,
                outcome.init_ms is not None,
                remaining_ms(context),
            )
            self._write(*recorded.cassette(True, ()))
        except Exception as error:
            if not self._is_told:
                self._is_told = True
                _log.warning("not recorded: %s; this is logged once", error, exc_info=error)

    def _context(self, request_id: str, took_ms: float, dialect: str) -> object:
        """Make what the function was told, with the time that is left at its end."""
        function = self._function
        values: dict[str, Any] = {
            "function_name": function.function_name,
            "memory_mb": function.memory_mb,
        }
        if (timeout_s := function.timeout_s) is None:
            return contexts.for_dialect(dialect, request_id, **values)
        values["timeout_s"] = timeout_s
        # Cut off, as the context cuts off the time: never more than there was.
        deadline_ms = int(time.time() * 1000 - took_ms + timeout_s * 1000)
        return contexts.for_dialect(dialect, request_id, deadline_ms=deadline_ms, **values)


def _result(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        # A runtime of somebody else's may send any octets, which no gateway takes either.
        return payload.decode("utf-8", "backslashreplace")


def _error(failure: Failure) -> dict[str, str]:
    """Name class and message, as cassettes do; runtimes tell no class's module."""
    kind = str(failure.error.get("errorType") or failure.kind)
    known = getattr(builtins, kind, None)
    if isinstance(known, type) and issubclass(known, BaseException):
        kind = f"builtins.{kind}"
    return {"type": kind, "message": str(failure.error.get("errorMessage") or failure.message)}
