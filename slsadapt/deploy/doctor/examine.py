"""Examine a folder, a package or an application: run every check, sort what they find."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...gateways import load
from ...message import Request
from .bytecode import check_package, check_tree
from .contents import check_baggage, check_binaries, check_secrets, check_sizes
from .finding import Finding, ordered
from .requirements import check_requirements, read_installed
from .running import (
    check_first_requests,
    check_imports,
    check_threads,
    check_writes,
    loaded_files,
    visit,
)
from .sources import check_debug, check_entry, check_servers, check_static, check_uploads
from .subject import open_subject
from .words import some

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ...bench.target import Target
    from ...gateways import JSON
    from ..runtimes import Runtime
    from .running import Visit
    from .subject import Subject

__all__ = ["examine", "find_events"]

# Of a folder's own events; more would take their time without anybody having asked for them.
_EVENTS = 20


def examine(
    target: Target | Path,
    events: Sequence[JSON] = (),
    runtime: Runtime | None = None,
    tell: Callable[[int, int | None, str], None] = lambda done, total, what: None,
    note: Callable[[str], None] = lambda line: None,
) -> list[Finding]:
    """Look for what would go wrong or be slow in a cloud, and tell what each costs.

    The application runs here, once for each event, and may write nowhere but to the temporary
    directory; databases that are there already are the exception.

    Args:
        target: a folder with ``index.py``, a package (.zip), or an application.
        events: to answer; without any, those that ``find_events`` gives.
        runtime: where it shall run, None if that is open.
        tell: takes how much is done, of how much, and what goes on.
        note: takes a line on what could not be looked at, or was seen beside.

    Returns:
        findings, the worst first.

    Raises:
        PackageError: the target is nothing to look at.
    """
    with open_subject(target, runtime) as subject:
        tell(0, None, "reading the files")
        findings: list[Finding] = []
        installed = read_installed(subject)
        for check in (
            check_entry,
            check_servers,
            check_static,
            check_uploads,
            check_debug,
            check_binaries,
            check_secrets,
            check_baggage,
        ):
            findings += check(subject)
        if installed is not None and installed.missing:
            note(
                f"{some(sorted(installed.missing), 3)} of {installed.file.name}: not installed here"
            )
        findings += check_requirements(subject, installed)
        findings += check_sizes(subject, installed)
        # What has no function, starts a server or cannot be loaded here is not run.
        if any(each.check in ("entry", "server", "binaries") for each in findings):
            note("it was not run, so its imports and writes are unknown")
            visits: list[Visit] = []
        else:
            chosen = events or find_events(subject.folder)
            visits, failures = visit(subject, chosen, tell, note)
            findings += failures
        findings += check_imports(subject, visits)
        findings += check_first_requests(subject, visits)
        findings += check_writes(subject, visits)
        findings += check_threads(subject, visits)
        tell(0, None, "looking at the bytecode")
        findings += _check_bytecode(subject, loaded_files(subject, visits))
    return ordered(findings)


def find_events(folder: Path) -> list[JSON]:
    """Give events to answer: ``GET /``, and those in a folder's ``events/*.json``.

    A file holds an event, or a recorded case with the event under ``"event"``; others are left.
    """
    found: list[JSON] = [load("aws_http").encode_event(Request("GET", "/"))]
    for file in sorted((folder / "events").glob("*.json"))[:_EVENTS]:
        try:
            event = json.loads(file.read_bytes())
        except ValueError:
            continue
        if isinstance(event, dict):
            inner = event.get("event")
            found.append(inner if isinstance(inner, dict) else event)
    return found


def _check_bytecode(subject: Subject, loaded: list[str] | None) -> list[Finding]:
    if subject.archive is not None:
        return list(check_package(subject, loaded))
    return list(check_tree(subject, loaded)) if loaded else []
