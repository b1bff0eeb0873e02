"""``slsadapt package``: build what the cloud runs, so that it starts fast."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from ..deploy.package import Package
    from ..deploy.runtimes import Runtime
    from ..deploy.verify import Verification

__all__ = ["package"]

_EVENT = click.Path(exists=True, allow_dash=True, path_type=Path)
# Columns of a bar for the whole package.
_BAR_WIDTH = 30


@click.command()
@click.argument("target", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--for", "runtime_name", required=True, metavar="RUNTIME", help="As lambda-py3.13.")
@click.option(
    *("-o", "--output"),
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/app.zip"),
    show_default=True,
    help="The package.",
)
@click.option("--layer", is_flag=True, help="Put the dependencies into a layer of their own.")
@click.option("--bundle", is_flag=True, help="Start from one file of code, the collector deferred.")
@click.option("--verify", is_flag=True, help="Run the package as the cloud would, and prove it.")
@click.option("--event", "events", type=_EVENT, multiple=True, help="What --verify answers.")
@click.option("--explain-size", is_flag=True, help="Show what every distribution takes.")
@click.option("--name", help="The function's name in the template; by default the folder's.")
@click.option("--memory", "memory_mb", type=click.IntRange(1), metavar="MB", default=256)
@click.option("--timeout", "timeout_s", type=click.IntRange(1), metavar="S", default=30)
def package(
    target: Path,
    runtime_name: str,
    output: Path,
    layer: bool,
    bundle: bool,
    verify: bool,
    events: tuple[Path, ...],
    explain_size: bool,
    name: str | None,
    memory_mb: int,
    timeout_s: int,
) -> None:
    """Build the package of a function: dependencies, application, bytecode that stays valid.

    TARGET is a folder with index.py and requirements.txt or pyproject.toml. Its files land at the
    root of the package, but for what .slsignore names, in the syntax of .gitignore; tests, caches
    and environments stay out by themselves.

    RUNTIME says for which cloud and Python: lambda-py3.13, lambda-py3.13-arm64, scf-py3.10,
    fc-py3.12, ...; an unknown one lists them all. A Python of the same minor version must be on
    this machine, for bytecode is its own.

    Two builds of the same sources are identical, byte for byte. Beside the package a template is
    written for the cloud's own engine, unless one is there: serverless.yml for Tencent, s.yaml for
    Alibaba, template.yaml for AWS.

    \b
    Examples:
      slsadapt package samples/flask_app --for lambda-py3.13
      slsadapt package . --for scf-py3.10 -o build/shop.zip --verify --event event.json
      slsadapt package . --for fc-py3.12 --layer --bundle --explain-size
    """  # noqa: D301 - click reads the octet \b
    if events and not verify:
        raise click.UsageError("--event names what --verify answers; add --verify")
    try:
        from ..deploy.interpreters import find_interpreter
        from ..deploy.package import build_package
        from ..deploy.project import read_project
        from ..deploy.runtimes import find_runtime
        from ..deploy.templates import check_function, write_templates
        from ..deploy.verify import verify as run_package
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("slsadapt"):
            raise
        raise click.UsageError(
            f"'slsadapt package' needs {error.name}: pip install 'slsadapt[package]'"
        ) from None
    from rich.text import Text

    from ..errors import PackageError
    from .measured import read_events
    from .terminal import open_console, progress

    console = open_console()
    began = perf_counter()
    try:
        runtime = find_runtime(runtime_name)
        check_function(runtime, name=name or "", memory_mb=memory_mb, timeout_s=timeout_s)
        project = read_project(target)
        steps = 0

        with progress() as show:

            def tell(step: str) -> None:
                nonlocal steps
                steps += 1
                show(steps, None, step)

            built = build_package(project, runtime, output, layer=layer, bundle=bundle, tell=tell)
            took_s = perf_counter() - began
            verified: Verification | None = None
            if verify:
                tell("running the package")
                cases = read_events(events)
                verified = run_package(
                    built.archive,
                    [event for _, event in cases],
                    find_interpreter(runtime.python),
                    layer=built.layer,
                )
        templates = write_templates(
            project,
            runtime,
            built.archive,
            built.archive.parent,
            name=name or "",
            memory_mb=memory_mb,
            timeout_s=timeout_s,
            layer=built.layer,
        )
    except PackageError as error:
        raise click.ClickException(str(error)) from None
    _print_package(console, built, runtime, took_s)
    for note in built.notes:
        console.print(note, style="yellow", markup=False)
    if explain_size:
        _print_sizes(console, built)
    for file, is_new in templates.items():
        note = "written" if is_new else "kept as it is; it was there already"
        console.print(Text.assemble((f"{file}", "bold"), f"  {note}"))
    if verified is not None:
        _print_verification(console, verified)
        if not verified.ok:
            sys.exit(1)


def _print_package(console: Console, built: Package, runtime: Runtime, took_s: float) -> None:
    """Print what was built, and how much of the limits it takes."""
    from rich.text import Text

    for archive in filter(None, (built.archive, built.layer)):
        console.print(
            Text.assemble((str(archive), "bold green"), f"  {_size(archive.stat().st_size)}")
        )
    share = built.unzipped_bytes / runtime.unzipped_limit_bytes
    console.print(
        f"{runtime.name}: {_size(built.unzipped_bytes)} extracted, {share:.0%} of the "
        f"{_size(runtime.unzipped_limit_bytes)} that it takes; built in {took_s:.1f} s",
        style="dim",
    )


def _print_sizes(console: Console, built: Package) -> None:
    """Print what each distribution takes, largest first, with bars."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    table.add_column("distribution", style="cyan")
    table.add_column("extracted", justify="right")
    table.add_column("zipped", justify="right")
    table.add_column("")
    for each in built.sizes:
        share = each.unzipped_bytes / built.unzipped_bytes
        name = f"{each.name} {each.version}".rstrip()
        bar = "█" * round(share * _BAR_WIDTH)
        table.add_row(name, _size(each.unzipped_bytes), _size(each.zip_bytes), bar)
    console.print()
    console.print(table)
    console.print()


def _print_verification(console: Console, verified: Verification) -> None:
    """Print what the package did when it ran, and what was wrong with that."""
    from rich.text import Text

    if verified.ok:
        counts = [f"{verified.modules} modules"]
        for n, what in (
            (verified.bundled, "from the bundle"),
            (verified.bytecode, "from bytecode"),
            (verified.extensions, "extensions"),
        ):
            if n:
                counts.append(f"{n} {what}")
        answers = ", ".join(str(status) for status in verified.statuses if status) or "answered"
        console.print(
            Text.assemble(
                ("verified", "bold green"),
                f"  {answers} after {verified.started_ms:.0f} ms from a read-only folder; "
                f"{', '.join(counts)}, none compiled from source",
            )
        )
    for problem in verified.problems:
        console.print(Text.assemble(("not verified", "bold red"), f"  {problem}"))


def _size(octets: int) -> str:
    """Write a size, ``"3.4 MB"``; clouds count their limits in powers of 1024."""
    return f"{octets / 1024:.0f} KB" if octets < 1024 * 1024 else f"{octets / 1024**2:.1f} MB"
