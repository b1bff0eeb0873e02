"""Print for people: consoles that respect their locale and wishes, and requests in one line."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

from ..percent import encode_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from rich.console import Console

    from ..message import Request

__all__ = ["open_console", "request_line"]


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
