"""Print for people: consoles that respect their locale and wishes, and requests in one line."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from io import TextIOWrapper
from time import perf_counter

from ..percent import encode_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal

    from rich.console import Console

    from ..message import Request

__all__ = ["open_console", "progress", "request_line"]

# Until a progress bar is worth its flicker.
_PATIENCE_S = 1.0


def open_console(*, stderr: bool = False) -> Console:
    """Make a console that leaves long lines to the terminal, and has colours where wanted."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, TextIOWrapper):
        # Chinese text in a locale that has none must not end in a traceback.
        stream.reconfigure(errors="backslashreplace")
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return Console(stderr=stderr, color_system=colours, highlight=False, soft_wrap=True)


def request_line(request: Request) -> str:
    """Write method and URL, ``"GET /城?page=2"``."""
    from werkzeug.urls import uri_to_iri

    query = f"?{request.query}" if request.query else ""
    mount = encode_path(request.root_path)
    return uri_to_iri(f"{request.method} {mount}{request.path}{query}")


@contextmanager
def progress() -> Iterator[Callable[[int, int | None, str], None]]:
    """Show how far long work is, on stderr, where somebody looks and it takes its time.

    Returns:
        a function of (done, total or None where nobody knows, description), to be called often.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Left

    console = open_console(stderr=True)
    text = TextColumn("{task.description}")
    bar = Progress(text, BarColumn(), MofNCompleteColumn(), Left(), console=console, transient=True)
    task = bar.add_task("")
    began = perf_counter()
    is_shown = False

    def tell(done: int, total: int | None, description: str) -> None:
        nonlocal is_shown
        bar.update(task, completed=done, total=total, description=description)
        if not is_shown and console.is_interactive and perf_counter() - began > _PATIENCE_S:
            is_shown = True
            bar.start()

    try:
        yield tell
    finally:
        if is_shown:
            bar.stop()
