"""``slsadapt doctor``: tell what would go wrong or be slow in a cloud."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import PackageError
from .target import locate
from .terminal import open_console, progress

if TYPE_CHECKING:
    from rich.console import Console

    from ..bench.target import Target
    from ..deploy.doctor import Finding, Severity
    from ..deploy.runtimes import Runtime

__all__ = ["doctor"]

# Of one, of several, and how they look.
_TITLES: dict[Severity, tuple[str, str, str]] = {
    "fails": ("fails in the cloud", "fail in the cloud", "bold red"),
    "risk": ("may fail or leak there", "may fail or leak there", "bold magenta"),
    "slow": ("makes starts slower", "make starts slower", "bold yellow"),
    "costly": ("costs money or memory", "cost money or memory", "bold blue"),
}
_LABEL = "    {:<7}"
_PLACES = 4
_WIDTH = 100


def _find_runtime(
    context: click.Context, option: click.Parameter, value: str | None
) -> Runtime | None:
    if value is None:
        return None
    from ..deploy.runtimes import find_runtime

    try:
        return find_runtime(value)
    except PackageError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("target")
@click.argument(
    "events",
    metavar="[EVENT]...",
    nargs=-1,
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
)
@click.option(
    *("--for", "runtime"),
    metavar="RUNTIME",
    callback=_find_runtime,
    help="Where it shall run: scf-py3.10, lambda-py3.13, fc-py3.12, ...",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def doctor(target: str, events: tuple[Path, ...], runtime: Runtime | None, as_json: bool) -> None:
    """Tell what would go wrong or be slow in a cloud, what it costs, and what to do.

    TARGET is a folder whose index.py has main_handler, a package (.zip), module:name or
    file.py:name.

    EVENT, one or several, is a file of an event or a recorded case, a folder of such files, or -
    for standard input. Without any, GET / and the files in the folder's events/ are answered. The
    application runs here, each event in a process of its own; it may write to the temporary
    directory alone, as in clouds.

    \b
    It looks at
      the entry       index.py and its main_handler, servers that start on import
      requirements    imports that nothing requires
      binaries        built for another Python, processor, system or a newer glibc
      size            over the runtime's limits
      writes          outside of the temporary directory
      threads         that go on after the response
      secrets         keys and .env files that are shipped; debug modes
      bytecode        missing, stale, or so that archives make it stale
      imports         and other work that the first request waits for
      static, uploads files that go through the function

    The exit code is 1 where something fails in the cloud, 2 for a mistake in the use of this
    command.

    \b
    Examples:
      slsadapt doctor samples/flask_app
      slsadapt doctor samples/flask_app events/hello.json --for lambda-py3.13
      slsadapt doctor build/app.zip --for scf-py3.10
    """  # noqa: D301 - click reads the octet \b
    try:
        from ..deploy.doctor import examine
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("slsadapt"):
            raise
        raise click.UsageError(
            f"'slsadapt doctor' needs {error.name}: pip install 'slsadapt[package]'"
        ) from None
    from .replaying import read_cassettes

    cases = [cassette.event for cassette in read_cassettes(events)] if events else []
    notes: list[str] = []
    try:
        with progress() as show:
            findings = examine(_find(target), cases, runtime, show, notes.append)
    except PackageError as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        click.echo(json.dumps(_describe(findings, notes), indent=2, ensure_ascii=False))
    else:
        _print(findings, notes)
    if any(each.severity == "fails" for each in findings):
        sys.exit(1)


def _find(target: str) -> Target | Path:
    path = Path(target)
    if path.is_dir() or path.suffix == ".zip":
        return path
    from ..bench.target import Target

    return Target(target, *locate(target, "TARGET"))


def _describe(findings: list[Finding], notes: list[str]) -> dict[str, Any]:
    counts = Counter(each.severity for each in findings)
    return {
        "findings": [
            {**asdict(each), "cost_ms": round(each.cost_ms, 3), "where": list(each.where)}
            for each in findings
        ],
        "notes": notes,
        "counts": {severity: counts[severity] for severity in _TITLES},
    }


def _print(findings: list[Finding], notes: list[str]) -> None:
    from rich.text import Text

    console = open_console()
    counts = Counter(each.severity for each in findings)
    for severity, (title, _, style) in _TITLES.items():
        chosen = [each for each in findings if each.severity == severity]
        if chosen:
            console.print(Text(f"{title[0].upper()}{title[1:]}", style))
        for finding in chosen:
            _print_finding(console, finding, style)
        if chosen:
            console.print()
    for note in notes:
        console.print(Text(note, "dim"))
    if not findings:
        console.print(Text("nothing found", "bold green"))
        return
    words = []
    for severity, (title, plural, style) in _TITLES.items():
        if n := counts[severity]:
            words.append(Text(f"{n} {title if n == 1 else plural}", style))
    console.print(Text(", ").join(words))


def _print_finding(console: Console, finding: Finding, style: str) -> None:
    """Print where and what, then what it costs and what to do."""
    from rich.text import Text

    places = [*finding.where[:_PLACES]]
    if more := len(finding.where) - len(places):
        places.append(f"{more} more")
    console.print()
    where = f"  {', '.join(places)}" if places else ""
    console.print(Text.assemble("  ", (finding.check, style), (where, "cyan")))
    width = max(min(console.width, _WIDTH) - len(_LABEL.format("")), 20)
    for label, words in (
        ("found", finding.found),
        ("costs", finding.costs),
        ("do", finding.advice),
    ):
        # Sentences are wrapped here; the terminal would break words.
        for line in Text(words).wrap(console, width):
            line.rstrip()
            console.print(Text.assemble((_LABEL.format(label), "dim"), line))
            label = ""
