"""``slsadapt dialects``: what slsadapt reads, by which marks, and what each gateway loses."""

from __future__ import annotations

import json
from importlib import import_module

import click

from .. import gateways
from ..gateways.losses import LOSSES
from ..gateways.triggers import MARKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    JSON = dict[str, Any]

__all__ = ["dialects"]

_LABEL_WIDTH = 14


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def dialects(names: tuple[str, ...], as_json: bool) -> None:
    """List the dialects: whose gateway, told by what, its limits and what it cannot carry.

    Below them stand the timers and keep-warm calls that are told from requests.

    NAME, one or several, shows these alone; the beginning of a name stands for all that begin
    so.

    \b
    Examples:
      slsadapt dialects
      slsadapt dialects tencent aws_rest
      slsadapt dialects --json | jq 'map(.name)'
    """  # noqa: D301 - click reads the octet \b
    known = (*gateways.NAMES, *gateways.SOCKET_NAMES)
    for name in names:
        if not any(each.startswith(name) for each in known):
            raise click.UsageError(f"there is no dialect {name!r}; there are {', '.join(known)}")
    chosen = [_describe(name) for name in known if not names or name.startswith(names)]
    if as_json:
        click.echo(json.dumps(chosen, indent=2))
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for each in chosen:
        console.print(Text.assemble((each["name"], "bold cyan"), "  ", (each["gateway"], "bold")))
        rows = Table.grid(padding=(0, 1))
        rows.add_column(style="dim", width=_LABEL_WIDTH)
        rows.add_column(overflow="fold")
        rows.add_row("told by", Text(each["told_by"]))
        request, result = (_size(each[f"{what}_limit_bytes"]) for what in ("request", "result"))
        rows.add_row("limits", f"request {request}, result {result}")
        rows.add_row("cannot carry", Text("; ".join(each["cannot_carry"]) or "nothing is lost"))
        console.print(Padding(rows, (0, 0, 1, 2)))
    if names:
        return
    for kind, senders in MARKS.items():
        console.print(Text.assemble((kind, "bold cyan"), "  no request, routed by events={...}"))
        rows = Table.grid(padding=(0, 1))
        rows.add_column(style="dim")
        rows.add_column(overflow="fold")
        for whose, marks in senders:
            told_by = [key if value is ... else f"{key} {value!r}" for key, value in marks.items()]
            rows.add_row(whose, Text(", ".join(told_by)))
        console.print(Padding(rows, (0, 0, 1, 2)))


def _describe(name: str) -> JSON:
    dialect = import_module(f"{gateways.__name__}.{name}")
    return {
        "name": name,
        "gateway": dialect.TITLE,
        "told_by": dialect.KEYS,
        "request_limit_bytes": dialect.REQUEST_LIMIT_BYTES,
        "result_limit_bytes": dialect.RESULT_LIMIT_BYTES,
        "cannot_carry": [LOSSES[loss] for loss in dialect.LOSES],
    }


def _size(limit_bytes: int | None) -> str:
    """Write a limit for people, ``6,291,556 bytes (6 MB)``."""
    if limit_bytes is None:
        return "not documented"
    for unit, size in (("MB", 1024 * 1024), ("KB", 1024)):
        if limit_bytes >= size:
            return f"{limit_bytes:,} bytes ({limit_bytes / size:.3g} {unit})"
    return f"{limit_bytes:,} bytes"
