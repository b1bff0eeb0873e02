"""One run of ``slsadapt bench``: what is measured, what is shown meanwhile, where it is written."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import datetime, timezone
from itertools import product
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..bench.burst import count_steps, measure_burst
from ..bench.cold import contenders, measure_cold, scout
from ..bench.environment import describe_environment
from ..bench.imports import measure_imports
from ..bench.memory import measure_memory
from ..bench.processes import Conditions
from ..bench.report import FORMAT, write_report
from ..bench.warm import measure_warm
from .measured import open_target, read_events
from .terminal import open_console, progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from pathlib import Path

    from rich.console import Console

    from ..bench.processes import Adapter
    from ..bench.report import Report
    from ..bench.target import Target
    from ..gateways import JSON

    Tell = Callable[[int, int | None, str], None]

__all__ = ["Session", "choose_adapters"]

_STATES = {"processes": "spawn", "bytecode": "found", "page_caches": "warm", "collectors": "on"}


class Session:
    """A report in the making.

    Args:
        stack: what lives until the end of the run.
        target: as the command was told it.
        events: files of events, none for GET /.
        options: of the command: states, outputs and seed, as far as it has them.
    """

    def __init__(
        self, stack: ExitStack, target: str, events: tuple[Path | None, ...], options: Any
    ) -> None:
        self.console = open_console()
        self._options = options
        self._seed = options.get("seed", 1)
        self.tell: Tell = stack.enter_context(progress())
        self._stack = stack
        self.target = open_target(target, stack)
        self._cases = read_events(tuple(event for event in events if event))
        self.tell(0, None, "trying the event")
        self.cells = self._read_cells()
        scouted = scout(self.target, self.event, self.cells[0])
        self.report: Report = {
            "format": FORMAT,
            "slsadapt": __version__,
            "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "target": target,
            "events": [name for name, _ in self._cases],
            "environment": describe_environment(scouted.modules),
        }

    @property
    def event(self) -> JSON:
        """The event that is answered where only one is."""
        return self._cases[0][1]

    def measure_cold(self, rounds: int, *, matrix: bool = False) -> None:
        """Measure cold starts; with ``matrix``, in the states that matter most."""
        cells = self.cells
        if matrix:
            states: list[dict[str, Any]] = [
                {},
                {"bytecode": "valid"},
                {"bytecode": "none"},
                {"process": "fork"},
            ]
            cells = [replace(self.cells[0], **state) for state in states]
        self.report["cold"] = measure_cold(
            contenders(self.target, cells),
            self.event,
            rounds=rounds,
            seed=self._seed,
            tell=lambda done, total: self.tell(done, total, "cold starts"),
        )

    def measure_warm(self, calls: int, rounds: int) -> None:
        """Measure warm calls."""
        self.report["warm"] = measure_warm(
            contenders(self.target, self.cells),
            self.event,
            calls=calls,
            rounds=min(rounds, calls),
            seed=self._seed,
            tell=lambda done, total: self.tell(done, total, "warm calls"),
        )

    def measure_burst(self, requests: int, rounds: int, measured: bool) -> None:
        """Measure bursts."""
        self.report["burst"] = measure_burst(
            self.target,
            self.event,
            self._only_cell("burst"),
            n=requests,
            rounds=rounds,
            seed=self._seed,
            measured=measured,
            tell=self._steps(count_steps(rounds, measured=measured)),
        )

    def measure_imports(self, rounds: int) -> None:
        """Measure the import tree."""
        self.report["imports"] = measure_imports(
            self.target,
            [event for _, event in self._cases],
            self._only_cell("imports"),
            runs=rounds,
            tell=lambda done, total: self.tell(done, total, "imports"),
        )

    def measure_memory(self, rounds: int) -> None:
        """Measure memory by route."""
        self.report["memory"] = measure_memory(
            self.target,
            self._cases,
            self._only_cell("memory"),
            rounds=rounds,
            tell=self._steps(rounds * (len(self._cases) + (len(self._cases) > 1))),
        )

    def finish(self, show: Callable[[Console, Report], None]) -> None:
        """Write what was asked for, and print the rest.

        Raises:
            click.ClickException: a file cannot be written.
        """
        files: dict[str, Path | None] = {
            kind: self._options.get(f"{kind}_file") for kind in ("json", "html", "png")
        }
        self.tell(0, None, "writing")
        try:
            if files["json"]:
                write_report(self.report, files["json"])
            if files["html"] or files["png"]:
                # They take a second to import.
                from ..bench.page import write_page, write_png

                if files["html"]:
                    write_page(self.report, files["html"])
                if files["png"]:
                    write_png(self.report, files["png"])
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}") from None
        # The bar must be gone before anything is printed below it.
        self._stack.close()
        show(self.console, self.report)

    def _read_cells(self) -> list[Conditions]:
        """Read which states to compare, the first of each option being the base."""
        cpu = _processor(self._options.get("cpu", "last"))
        fields = [self._options.get(name) or (usual,) for name, usual in _STATES.items()]
        adapters = choose_adapters(self.target, self.event, self._options.get("adapters") or ())
        return [
            Conditions(process, bytecode, page_cache, gc, cpu, adapter)
            for adapter, process, bytecode, page_cache, gc in product(adapters, *fields)
        ]

    def _only_cell(self, command: str) -> Conditions:
        if len({replace(cell, process="spawn") for cell in self.cells}) > 1:
            raise click.UsageError(f"'bench {command}' measures one state; name one of each option")
        return replace(self.cells[0], process="spawn")

    def _steps(self, total: int) -> Callable[[str], None]:
        """Count calls as steps."""
        done = -1

        def step(description: str) -> None:
            nonlocal done
            done += 1
            self.tell(done, total, description)

        return step


def choose_adapters(target: Target, event: JSON, asked: tuple[Adapter, ...]) -> tuple[Adapter, ...]:
    """Choose the adapter where none is asked for: our own, where anything uses it.

    Raises:
        BenchError: the target does not answer the event.
        click.UsageError: an adapter is asked for, and the target is a function already.
    """
    if asked and target.is_handler:
        raise click.UsageError(
            f"--adapter wraps applications, and {target.name} is a function already; "
            "name the application itself, as in app.py:app"
        )
    if asked or not target.is_handler:
        return asked or ("slsadapt",)
    loaded = {module.name for module in scout(target, event, Conditions()).modules}
    return ("slsadapt" if "slsadapt" in loaded else "",)


def _processor(asked: int | str) -> int | None:
    """Choose the processor; the last one has the least to do besides."""
    if asked == "any" or sys.platform != "linux":
        return None
    allowed = sorted(os.sched_getaffinity(0))
    if isinstance(asked, int):
        return asked
    return allowed[-1] if len(allowed) > 1 else None
