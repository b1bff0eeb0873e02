"""Find what is measured or packaged: targets that stay outside of this process, and events."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import gateways
from ..bench.processes import dialect_name
from ..bench.target import Target
from ..message import Request
from .replaying import read_cassettes
from .target import locate
from .terminal import request_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from ..gateways import JSON

__all__ = ["open_target", "read_events"]


def open_target(label: str, stack: ExitStack) -> Target:
    """Find what is measured; a package is extracted until the stack is left.

    Raises:
        click.UsageError: there is no such target.
    """
    path = Path(label)
    if path.suffix != ".zip" or not path.is_file():
        return Target(label, *locate(label, "TARGET"))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slsadapt-bench-")))
    try:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    except zipfile.BadZipFile as error:
        raise click.UsageError(f"{path} is no zip: {error}") from None
    if not (folder / "index.py").is_file():
        raise click.UsageError(f"{path} has no index.py at its root; it is no function's package")
    return Target(label, folder, "index", "main_handler", path=())


def read_events(paths: tuple[Path, ...]) -> list[tuple[str, JSON]]:
    """Read events with their names, ``"GET /hello"``; without a path GET / is made.

    Raises:
        click.UsageError: a file holds none, or one that was cut when it was recorded.
    """
    if not paths:
        headers = (("host", "localhost"), ("user-agent", "slsadapt bench"))
        event = gateways.load("aws_http").encode_event(Request("GET", "/", "", headers))
        return [("GET /", event)]
    cases: list[tuple[str, JSON]] = []
    for cassette in read_cassettes(paths):
        if not isinstance(cassette.event, dict):
            raise click.UsageError(f"{cassette.origin}: an event to measure with must be JSON")
        names = [name for name, _ in cases]
        for name in (*_names(cassette.event), cassette.origin):
            if name not in names:
                break
        cases.append((name, cassette.event))
    return cases


def _names(event: JSON) -> Iterator[str]:
    """Name a request by its route, ``"GET /segment"``, or with all that its URL has."""
    name = dialect_name(event)
    if not name:
        return
    try:
        request = gateways.load(name).decode_event(event)
    except Exception:
        return  # what is wrong with it, its answer tells
    yield request_line(request.replace(root_path="", query=""))
    yield request_line(request)
