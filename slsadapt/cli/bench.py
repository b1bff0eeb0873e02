"""``slsadapt bench``: measure cold and warm starts, bursts, imports and memory."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..bench.report import Report

__all__ = ["bench"]

_ADAPTERS = ("slsadapt", "mangum", "serverless-wsgi", "apig-wsgi", "aws-wsgi")
# What the extra brings; the larger ones are imported where something is drawn.
_NEEDED = ("altair", "jinja2", "psutil", "vl_convert")
_FILE = click.Path(dir_okay=False, path_type=Path)
_EVENT = click.Path(exists=True, allow_dash=True, path_type=Path)


def _read_processor(context: click.Context, option: click.Parameter, value: str) -> int | str:
    if value in ("last", "any"):
        return value
    if value.isdecimal():
        return int(value)
    raise click.BadParameter(f"must be a number, 'last' or 'any'; got {value!r}")


_OUTPUTS = [
    click.option("--json", "json_file", type=_FILE, metavar="OUT", help="Write raw samples."),
    click.option("--html", "html_file", type=_FILE, metavar="OUT", help="Write a page."),
    click.option("--png", "png_file", type=_FILE, metavar="OUT", help="Write a picture."),
]
_STATES = [
    click.option(
        "--adapter",
        "adapters",
        type=click.Choice(_ADAPTERS),
        multiple=True,
        help="Run an application through this adapter; repeat it to compare several.",
    ),
    click.option(
        "--gc",
        "collectors",
        type=click.Choice(["on", "off", "deferred"]),
        multiple=True,
        default=["on"],
        help="Garbage collector; deferred: off until the application is imported.",
    ),
    click.option(
        "--cpu",
        callback=_read_processor,
        metavar="N",
        default="last",
        show_default=True,
        help="The processor to run on: a number, last or any.",
    ),
]
_BYTECODE = [
    click.option(
        "--bytecode",
        type=click.Choice(["found", "valid", "stale", "none"]),
        multiple=True,
        default=["found"],
        help="What stands beside the sources; repeat it to compare.",
    ),
]
_SEED = [
    click.option(
        "--seed", type=int, default=1, show_default=True, help="For all that is left to chance."
    ),
]
_COLD_STATES = [
    click.option(
        "--process",
        "processes",
        type=click.Choice(["spawn", "fork"]),
        multiple=True,
        default=["spawn"],
        help="A new interpreter, or a copy of one that has imported all; repeat it to compare.",
    ),
    click.option(
        "--page-cache",
        "page_caches",
        type=click.Choice(["warm", "cold"]),
        multiple=True,
        default=["warm"],
        help="Whether the application's files are in memory; repeat it to compare.",
    ),
]


def _with(*groups: list[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add options, and tell people what is wrong rather than where it was raised."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def command(*arguments: Any, **options: Any) -> None:
            missing = [name for name in _NEEDED if find_spec(name) is None]
            if missing:
                raise click.UsageError(
                    f"'slsadapt bench' needs {', '.join(missing)}: pip install 'slsadapt[bench]'"
                )
            from ..errors import BenchError

            try:
                function(*arguments, **options)
            except BenchError as error:
                raise click.ClickException(str(error)) from None

        for group in reversed(groups):
            for option in reversed(group):
                command = option(command)
        return command

    return decorate


_TARGET = [click.argument("target")]
_ONE_EVENT = [click.argument("event", type=_EVENT, required=False)]
_EVENTS = [click.argument("events", metavar="[EVENT]...", type=_EVENT, nargs=-1)]
_TARGET_HELP = """
    TARGET is module:name, file.py:name, a folder whose index.py has main_handler, or a package
    of 'slsadapt package'. A name that ends in "handler" is called with (event, context).
"""


@click.group()
def bench() -> None:
    """Measure cold and warm starts, bursts, imports and memory.

    TARGET is module:name, file.py:name, a folder whose index.py has main_handler, or a package
    (.zip) of 'slsadapt package', which then runs with nothing but itself. A name that ends in
    "handler" is called with (event, context).

    EVENT is a file of an event or a cassette, or - for standard input; without one, GET / comes
    from an AWS HTTP API.

    Processes start as 'python -I -S', so that the machine's own .pth files do not count. What is
    compared takes turns in random order, and ratios are taken within a round.

    \b
    Examples:
      slsadapt bench cold shop:app --bytecode found --bytecode none
      slsadapt bench warm shop:app event.json --adapter slsadapt --adapter mangum
      slsadapt bench imports shop:app event.json --html imports.html
      slsadapt bench all . events/ --json now.json --html now.html
      slsadapt bench compare before.json now.json --fail-above 5%
    """  # noqa: D301 - click reads the octet \b


@bench.command()
@_with(
    _TARGET,
    _ONE_EVENT,
    [click.option("--rounds", type=click.IntRange(1), default=30, show_default=True)],
    _COLD_STATES,
    _STATES,
    _BYTECODE,
    _SEED,
    _OUTPUTS,
)
def cold(target: str, event: Path | None, rounds: int, **options: Any) -> None:
    """Measure fresh processes from spawn to their first response.

    The phases are the interpreter's start, the import of the adapter, the import of the
    application, and the first response. Beside them stand the warm calls of the same processes.

    \b
    Examples:
      slsadapt bench cold samples/flask_app samples/flask_app/events/hello.json
      slsadapt bench cold build/app.zip event.json --page-cache warm --page-cache cold
    """  # noqa: D301
    from .bench_cold import print_cold
    from .benching import Session

    with ExitStack() as stack:
        session = Session(stack, target, (event,) if event else (), options)
        session.measure_cold(rounds)
        session.finish(print_cold)


@bench.command()
@_with(
    _TARGET,
    _ONE_EVENT,
    [
        click.option(*("-n", "--calls"), type=click.IntRange(1), default=10_000, show_default=True),
        click.option("--rounds", type=click.IntRange(1), default=20, show_default=True),
    ],
    _STATES,
    _BYTECODE,
    _SEED,
    _OUTPUTS,
)
def warm(target: str, event: Path | None, calls: int, rounds: int, **options: Any) -> None:
    """Measure calls of instances that have answered before.

    \b
    Examples:
      slsadapt bench warm shop:app event.json
      slsadapt bench warm shop:app event.json --adapter slsadapt --adapter mangum
    """  # noqa: D301
    from .bench_cold import print_warm
    from .benching import Session

    with ExitStack() as stack:
        session = Session(stack, target, (event,) if event else (), options)
        session.measure_warm(calls, rounds)
        session.finish(print_warm)


@bench.command()
@_with(
    _TARGET,
    _ONE_EVENT,
    [
        click.option(*("-n", "--requests"), type=click.IntRange(1), default=301, show_default=True),
        click.option("--rounds", type=click.IntRange(1), default=3, show_default=True),
        click.option(
            "--measured", is_flag=True, help="Start real pools, however few processors there are."
        ),
    ],
    _STATES,
    _SEED,
    _OUTPUTS,
)
def burst(
    target: str, event: Path | None, requests: int, rounds: int, measured: bool, **options: Any
) -> None:
    """Send many requests at once to a cold pool, a warm pool and one server process.

    In a pool each request has an instance of its own, as in a cloud; the server's requests wait
    for each other. A few processors cannot show how a cloud grows: there the pools are modelled
    from measured times, and that is said.

    \b
    Examples:
      slsadapt bench burst shop:app event.json
      slsadapt bench burst shop:app event.json -n 50 --measured --html burst.html
    """  # noqa: D301
    from .bench_burst import print_burst
    from .benching import Session

    with ExitStack() as stack:
        session = Session(stack, target, (event,) if event else (), options)
        session.measure_burst(requests, rounds, measured)
        session.finish(lambda console, report: print_burst(console, report["burst"]))


@bench.command()
@_with(
    _TARGET,
    _EVENTS,
    [
        click.option("--rounds", type=click.IntRange(1), default=5, show_default=True),
        click.option(
            *("--diff", "base"), type=_FILE, metavar="BASE", help="A report to compare with."
        ),
    ],
    _STATES,
    _BYTECODE,
    _OUTPUTS,
)
def imports(
    target: str, events: tuple[Path, ...], rounds: int, base: Path | None, **options: Any
) -> None:
    """Show which imports cost most, and which of them nothing used.

    Nothing used: no code of theirs ran while the events were answered.

    \b
    Examples:
      slsadapt bench imports shop:app events/ --html imports.html
      slsadapt bench imports shop:app --json now.json --diff before.json
    """  # noqa: D301
    from ..bench.blame import diff
    from ..bench.report import read_report
    from .bench_imports import print_diff, print_imports
    from .benching import Session

    before = read_report(base) if base else None
    if before is not None and "imports" not in before:
        raise click.UsageError(f"--diff: {base} has no imports; make it with 'bench imports'")
    with ExitStack() as stack:
        session = Session(stack, target, events, options)
        session.measure_imports(rounds)
        session.finish(
            lambda console, report: print_imports(console, report["imports"], report["events"])
        )
        if base and before is not None:
            changes = diff(before["imports"], session.report["imports"])
            print_diff(session.console, changes, base.name, "now")


@bench.command()
@_with(
    _TARGET,
    _EVENTS,
    [click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)],
    _STATES,
    _OUTPUTS,
)
def memory(target: str, events: tuple[Path, ...], rounds: int, **options: Any) -> None:
    """Measure what memory and time each route needs, and say which to split off.

    \b
    Examples:
      slsadapt bench memory samples/flask_app samples/flask_app/events
    """  # noqa: D301
    from .bench_memory import print_memory
    from .benching import Session

    with ExitStack() as stack:
        session = Session(stack, target, events, options)
        session.measure_memory(rounds)
        session.finish(lambda console, report: print_memory(console, report["memory"]))


@bench.command("all")
@_with(
    _TARGET,
    _EVENTS,
    [
        click.option(
            "--rounds",
            type=click.IntRange(1),
            default=30,
            show_default=True,
            help="Of cold starts; all else takes as many at most.",
        )
    ],
    _OUTPUTS,
)
def everything(target: str, events: tuple[Path, ...], rounds: int, **options: Any) -> None:
    """Measure everything, in the states that matter, and draw it.

    Cold starts of a new interpreter with the bytecode that was found, with valid bytecode and with
    none, and of a forked process; warm calls; bursts; imports and memory over all events.

    \b
    Examples:
      slsadapt bench all samples/flask_app samples/flask_app/events --html flask.html
    """  # noqa: D301
    from .bench_burst import print_burst
    from .bench_cold import print_cold, print_warm
    from .bench_imports import print_imports
    from .bench_memory import print_memory
    from .benching import Session

    def print_all(console: Any, report: Report) -> None:
        print_cold(console, report)
        print_warm(console, report)
        print_burst(console, report["burst"])
        print_imports(console, report["imports"], report["events"])
        print_memory(console, report["memory"])

    with ExitStack() as stack:
        session = Session(stack, target, events, options)
        session.measure_cold(rounds, matrix=True)
        session.measure_warm(min(rounds, 20) * 500, min(rounds, 20))
        session.measure_burst(301, min(rounds, 3), measured=False)
        session.measure_imports(min(rounds, 5))
        session.measure_memory(min(rounds, 5))
        session.finish(print_all)


@bench.command()
@_with(
    [click.argument("base"), click.argument("new")],
    [
        click.option("--fail-above", metavar="PERCENT", help="Exit with 1 above it, as in 5%."),
        click.option("--event", type=_EVENT, help="What the two targets answer."),
        click.option("--rounds", type=click.IntRange(6), default=30, show_default=True),
    ],
    _COLD_STATES,
    _STATES,
    _BYTECODE,
    _SEED,
    _OUTPUTS,
)
def compare(
    base: str,
    new: str,
    fail_above: str | None,
    event: Path | None,
    rounds: int,
    **options: Any,
) -> None:
    """Compare two reports, or two targets that take turns.

    BASE and NEW are both reports of --json, or both targets. Targets are measured here and now, in
    turns, so that the machine slows both alike; reports of different times cannot know that, and
    want a quiet machine.

    With --fail-above the exit code is 1 where a time grew by more, surely: the lower bound of the
    95 % interval of its ratio lies above.

    \b
    Examples:
      slsadapt bench compare before.json now.json --fail-above 5%
      slsadapt bench compare old.zip new.zip --event event.json --fail-above 5%
      slsadapt bench compare ../release/shop shop --event event.json
    """  # noqa: D301
    from ..bench.compare import parse_limit
    from .bench_compare import compare_reports, compare_targets

    limit = parse_limit(fail_above) if fail_above else None
    are_reports = [name.endswith(".json") for name in (base, new)]
    if any(are_reports) and not all(are_reports):
        raise click.UsageError("BASE and NEW must both be reports (.json), or both be targets")
    if all(are_reports):
        for name, given in {"event": event, **options}.items():
            if given is not None and name in ("event", "json_file", "html_file", "png_file"):
                option = name.removesuffix("_file")
                raise click.UsageError(f"--{option} is for targets; reports are measured already")
        exceeded = compare_reports(Path(base), Path(new), limit)
    else:
        exceeded = compare_targets(base, new, event, rounds, options, limit)
    if exceeded:
        sys.exit(1)
