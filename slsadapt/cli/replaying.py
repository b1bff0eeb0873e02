"""Replay many cassettes, in one process or in several."""

from __future__ import annotations

import logging
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import click

from ..errors import InterfaceError, OptionError
from ..handler import Handler
from ..testing.cassettes import parse, read, rewrite
from ..testing.gateway import Gateway
from ..testing.replay import replay, replay_against, replay_as
from ..testing.servers import read_url
from ..testing.updates import updated
from .target import at_work, find, is_called_handler, stdout_kept
from .terminal import progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from ..testing.cassettes import Cassette
    from ..testing.replay import Outcome

    Pair = tuple[Cassette, Outcome]

__all__ = ["Work", "read_cassettes", "replayed", "rewritten", "watched"]


@dataclass(frozen=True)
class Work:
    """What to do with each cassette, as worker processes are told."""

    app: str | None
    dialect: str | None
    url: str | None
    ignore: tuple[str, ...]

    def gateway(self) -> Gateway | None:
        """Import the application."""
        if self.app is None:
            return None
        with at_work():
            found, name = find(self.app, "--app")
            if is_called_handler(name) and not isinstance(found, Handler) and callable(found):
                function = found

                def found(event: Any, context: Any) -> Any:
                    return function(event, context)

            try:
                gateway = Gateway(found, self.dialect or "aws_http")
            except InterfaceError as error:
                raise click.UsageError(f"{name} is no application: {error}") from None
        # Only now, so that an application which configures logging itself goes first.
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
        return gateway

    def do(self, gateway: Gateway | None, cassette: Cassette) -> Outcome:
        """Replay one cassette."""
        if self.url is not None:
            outcome = replay_against(self.url, cassette, gateway, ignore=self.ignore)
        else:
            assert gateway is not None
            send = replay if self.dialect is None else replay_as
            outcome = send(gateway, cassette, ignore=self.ignore)
        # It holds modules and the application's exceptions, which not all can be pickled.
        return replace(outcome, delivery=None)


def read_cassettes(paths: tuple[Path, ...]) -> list[Cassette]:
    """Read all cassettes, ``-`` from standard input."""
    cassettes: list[Cassette] = []
    for path in paths:
        try:
            if str(path) == "-":
                cassettes += parse(sys.stdin.buffer.read(), "<stdin>")
            else:
                cassettes += read(path)
        except (OptionError, OSError, ValueError) as error:
            raise click.UsageError(str(error)) from None
    if not cassettes:
        raise click.UsageError(f"there is no event in {', '.join(map(str, paths))}")
    return cassettes


@contextmanager
def replayed(work: Work, cassettes: list[Cassette], jobs: int) -> Iterator[Iterator[Outcome]]:
    """Replay in this process or several, in order."""
    if work.url is not None:
        try:
            read_url(work.url)
        except OptionError as error:
            raise click.UsageError(f"--against: {error}") from None
    # Here too before others try, for it to be told once where it does not work.
    gateway = work.gateway()
    jobs = min(jobs, len(cassettes))
    executor: Executor | None = None
    try:
        with stdout_kept():
            if jobs == 1:
                yield (work.do(gateway, cassette) for cassette in cassettes)
            elif gateway is None:
                # The work is waiting for a server.
                executor = ThreadPoolExecutor(jobs)
                yield executor.map(lambda cassette: work.do(None, cassette), cassettes)
            else:
                # Not threads, which not every application takes, and which share one core.
                executor = ProcessPoolExecutor(jobs, get_context("spawn"), _start, (work,))
                chunk = max(1, min(32, len(cassettes) // (jobs * 4)))
                yield executor.map(_do, cassettes, chunksize=chunk)
    except OSError as error:
        if work.url is None:
            raise
        raise click.UsageError(f"cannot reach {work.url}: {error}") from None
    except BrokenProcessPool:
        raise click.ClickException(
            "a process of the application ended by itself; with -j 1 it is seen at which event"
        ) from None
    finally:
        if executor is not None:
            executor.shutdown(cancel_futures=True)
        if gateway is not None:
            with stdout_kept():
                gateway.close()


# What a worker process replays with.
_worker: tuple[Work, Gateway | None]


def _start(work: Work) -> None:
    """Begin a worker process."""
    global _worker
    # The first process is told, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    _worker = work, work.gateway()


def _do(cassette: Cassette) -> Outcome:
    work, gateway = _worker
    return work.do(gateway, cassette)


def watched(pairs: Iterable[Pair], total: int) -> Iterator[Pair]:
    """Pass what comes on, and show how far it is where somebody looks and it takes its time."""
    faults = 0
    with progress() as tell:
        for done, pair in enumerate(pairs, 1):
            faults += pair[1].status in ("different", "failed")
            wrong = f", [red]{faults} not the same[/]" if faults else ""
            tell(done, total, f"replaying{wrong}")
            yield pair


def rewritten(pairs: Iterable[Pair]) -> set[str]:
    """Write new answers that differ into the files of the cassettes, and name their origins."""
    changed = [
        updated(cassette, outcome.answer)
        for cassette, outcome in pairs
        if outcome.status == "different" and outcome.answer is not None
    ]
    try:
        rewrite(changed)
    except OSError as error:
        raise click.ClickException(str(error)) from None
    return {cassette.origin for cassette in changed}
