"""``slsadapt replay``: send recorded events again, and show what is answered otherwise."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter

import click

from .. import gateways

__all__ = ["replay"]


def _read_names(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


@click.command()
@click.argument(
    "paths",
    metavar="PATH...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
)
@click.option("--app", metavar="TARGET", help="The application or function, as for 'invoke'.")
@click.option(
    *("--as", "dialect"),
    type=click.Choice([name for name in gateways.NAMES if name not in gateways.OBJECT_NAMES]),
    metavar="DIALECT",
    help="Send the requests through this gateway, whichever they were recorded at.",
)
@click.option("--against", "url", metavar="URL", help="Send the requests to a running server.")
@click.option(
    "--ignore",
    default="",
    callback=_read_names,
    metavar="NAMES",
    help="Do not compare these, joined with commas: etag, body.items[*].id, ...",
)
@click.option("--update", is_flag=True, help="Write what is answered now into the cassettes.")
@click.option(
    *("-j", "--jobs"),
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Replay in N processes, each with an application of its own.",
)
@click.option("-x", "--exitfirst", is_flag=True, help="Stop at the first difference.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def replay(
    paths: tuple[Path, ...],
    app: str | None,
    dialect: str | None,
    url: str | None,
    ignore: tuple[str, ...],
    update: bool,
    jobs: int,
    exitfirst: bool,
    as_json: bool,
) -> None:
    """Send recorded events again, and show what is answered otherwise.

    PATH, one or several, is a file of an event or a cassette, one of several in lines (.jsonl),
    a folder of such files, or - for standard input. Of an event without anything recorded it is
    only told whether it fails.

    TARGET is module:name, file.py:name, or a folder whose index.py has main_handler. A name that
    ends in "handler" is called with (event, context).

    Status, headers and body are compared, JSON as values. Headers are not that change by
    themselves or tell of the connection: age, connection, content-length, date, keep-alive,
    proxy-connection, server, server-timing, te, trailer, transfer-encoding, upgrade, via and
    x-request-id; nor is Expires beside a Max-Age. NAMES adds headers and places, as the
    differences name them; [*] stands for any place in a list. What was redacted matches
    anything.

    With --as, differences that the gateways explain are told, but are none. With --against the
    answers of a server are compared with the recorded ones or, with --app, with the function's.

    The exit code is 1 where anything differs or fails, 2 for a mistake in the use of this
    command.

    \b
    Examples:
      slsadapt replay cassettes/ --app shop:app
      slsadapt replay cassettes/ --app shop:app --as tencent_apigw --ignore etag
      slsadapt replay events.jsonl --against http://localhost:8000
      slsadapt events show aws_http/get | slsadapt replay - --app shop:app
    """  # noqa: D301 - click reads the octet \b
    if app is None and url is None:
        raise click.UsageError("name what answers: --app TARGET, or --against URL")
    if url is not None and (dialect is not None or update):
        raise click.UsageError("--against takes neither --as nor --update: no function answers")
    if update and dialect is not None:
        raise click.UsageError("--update and --as: cassettes keep what the event itself got")
    if update and Path("-") in paths:
        raise click.UsageError("--update writes to files, and - is none")
    # Imported here so that other commands need not wait for it.
    from .outcomes import describe, is_fault, print_outcomes
    from .replaying import Work, read_cassettes, replayed, rewritten, watched

    cassettes = read_cassettes(paths)
    began = perf_counter()
    pairs = []
    with replayed(Work(app, dialect, url, ignore), cassettes, jobs) as outcomes:
        for pair in watched(zip(cassettes, outcomes), len(cassettes)):  # noqa: B905
            pairs.append(pair)
            if exitfirst and is_fault(pair[1]):
                break
    took_s = perf_counter() - began
    updated = rewritten(pairs) if update else set()
    if as_json:
        click.echo(json.dumps(describe(pairs, updated, took_s), indent=2))
    else:
        print_outcomes(pairs, updated, took_s)
    if any(is_fault(outcome) and cassette.origin not in updated for cassette, outcome in pairs):
        sys.exit(1)
