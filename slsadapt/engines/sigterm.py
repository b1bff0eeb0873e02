"""Shut an application down on SIGTERM, where that was asked for."""

from __future__ import annotations

import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

__all__ = ["exit_on_sigterm"]


def exit_on_sigterm() -> None:
    """Make SIGTERM an orderly exit with status 143, after whatever handler it had before.

    A request in progress unwinds and exit handlers run, the engine's ``close`` among them. The
    signal handler itself closes nothing: the loop may be busy in the very frame below it.

    Raises:
        ValueError: not called in the main thread.
    """
    previous = signal.getsignal(signal.SIGTERM)

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        if callable(previous):
            previous(number, frame)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, on_sigterm)
