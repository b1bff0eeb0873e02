"""Shut an application down on SIGTERM, where that was asked for."""

from __future__ import annotations

import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["close_on_sigterm"]


def close_on_sigterm(close: Callable[[], None]) -> None:
    """Run ``close`` on SIGTERM, then do what SIGTERM did before.

    The default was to die; it becomes an orderly exit with status 143, so that a request in
    progress unwinds and exit handlers run.

    Raises:
        ValueError: not called in the main thread.
    """
    previous = signal.getsignal(signal.SIGTERM)

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        if callable(previous):
            close()
            previous(number, frame)
        else:
            # Exit handlers close; the loop may be busy below this very frame.
            sys.exit(128 + number)

    signal.signal(signal.SIGTERM, on_sigterm)
