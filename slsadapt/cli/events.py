"""``slsadapt events``: show recorded events of every gateway, and make new ones."""

from __future__ import annotations

import codecs
import json
import os
import sys
from difflib import get_close_matches
from importlib import import_module
from urllib.parse import quote
from uuid import uuid4

import click

from .. import gateways
from ..errors import OptionError, SlsadaptError
from ..gateways.losses import LOSSES
from ..gateways.triggers import KINDS
from ..message import Request
from ..testing import samples
from ..testing.losses import lost_in_request
from . import curl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Literal

    from ..gateways import Dialect
    from ..message import Address

    JSON = dict[str, Any]
    Pairs = tuple[tuple[str, str], ...]

__all__ = ["events"]


@click.group()
def events() -> None:
    """Show recorded events of every gateway, and make new ones.

    \b
    Examples:
      slsadapt events list
      slsadapt events show aws_http/post_json
      slsadapt events new aws_http GET / | slsadapt invoke shop:app -
    """  # noqa: D301 - click reads the octet \b


@events.command("list")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def list_events(names: tuple[str, ...], as_json: bool) -> None:
    """List the sample events, by dialect.

    NAME, one or several, shows these alone; the beginning of a name stands for all that begin
    so.

    \b
    Examples:
      slsadapt events list
      slsadapt events list tencent aws_rest
      slsadapt events list --json | jq -r '.[].name'
    """  # noqa: D301 - click reads the octet \b
    # What is no request comes last.
    known = sorted(samples.names(), key=lambda name: name.partition("/")[0] in KINDS)
    known += gateways.OBJECT_NAMES
    for name in names:
        if not any(each.startswith(name) for each in known):
            folders = dict.fromkeys(each.partition("/")[0] for each in known)
            raise click.UsageError(
                f"there is no sample event of {name!r}; there are those of {', '.join(folders)}"
            )
    chosen = [name for name in known if not names or name.startswith(names)]
    objects = [name for name in chosen if name in gateways.OBJECT_NAMES]
    described = [_describe(name) for name in chosen if name not in objects]
    if as_json:
        click.echo(json.dumps(described, indent=2))
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text
    from werkzeug.urls import uri_to_iri

    console = Console(highlight=False)
    for dialect in dict.fromkeys(each["dialect"] for each in described):
        console.print(Text.assemble((dialect, "bold cyan"), "  ", (_title(dialect), "bold")))
        rows = Table.grid(padding=(0, 2))
        rows.add_column(no_wrap=True)
        rows.add_column(overflow="fold")
        rows.add_column(overflow="fold", style="dim")
        for each in described:
            if each["dialect"] == dialect:
                line = f"{each['method'] or ''} {uri_to_iri(each['path'] or '')}"
                case = each["name"].partition("/")[2]
                rows.add_row(case, Text(line.strip()), Text(", ".join(_marks(each))))
        console.print(Padding(rows, (0, 0, 1, 2)))
    if objects:
        note = "an object of a running process, no JSON; slsadapt.testing.GatewayClient makes one"
        console.print(Text(f"{', '.join(objects)}: {note}", "dim"))


@events.command()
@click.argument("name")
@click.option("--context", "part", flag_value="context", help="Print the context that came along.")
@click.option("--case", "part", flag_value="case", help="Print all, with the source.")
def show(name: str, part: str | None) -> None:
    """Print a sample event as JSON.

    NAME is the dialect and the case, as "slsadapt events list" shows them: aws_http/post_json.

    \b
    Examples:
      slsadapt events show tencent_apigw/form
      slsadapt events show aws_http/get | slsadapt invoke shop:app -
    """  # noqa: D301 - click reads the octet \b
    try:
        case = samples.load(name)
    except OptionError as error:
        raise click.UsageError(str(error)) from None
    if part == "context" and "context" not in case:
        raise click.UsageError(f"no context is recorded with {name}")
    _print_json(case if part == "case" else case[part or "event"])


def _read_dialect(name: str) -> Dialect:
    if name in gateways.OBJECT_NAMES:
        wrong = (
            f"the platform of {name} passes an object of the running process, which no JSON holds; "
            "send requests with slsadapt.testing.GatewayClient instead"
        )
    elif name in gateways.SOCKET_NAMES:
        wrong = (
            f"{name} passes WebSocket messages, no requests; "
            f"'slsadapt events list {name}' shows recorded ones"
        )
    elif name not in gateways.NAMES:
        close = get_close_matches(name, gateways.NAMES) or gateways.NAMES
        wrong = f"there is no dialect {name!r}; there are {', '.join(close)}"
    else:
        return gateways.load(name)
    raise click.BadParameter(wrong)


@events.command()
@click.argument("dialect", type=_read_dialect)
@click.argument("method", type=curl.read_method)
@click.argument("url")
@click.option(
    *("-H", "--header", "headers"),
    type=curl.read_header,
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Send a header.",
)
@click.option("--json", "json_text", metavar="TEXT", help="Send JSON, which is checked.")
@click.option("-d", "--data", multiple=True, metavar="TEXT", help="Send a form's text as it is.")
@click.option(
    *("-F", "--form"),
    type=curl.read_pair,
    multiple=True,
    metavar="NAME=VALUE",
    help="Send a field of a multipart form.",
)
@click.option(
    "--body-file", type=click.File("rb"), metavar="FILE", help="Send a file, octet by octet."
)
@click.option(
    *("-q", "--query"),
    type=curl.read_pair,
    multiple=True,
    metavar="NAME=VALUE",
    help="Add to the URL's query, escaped.",
)
@click.option(
    *("-b", "--cookie", "cookies"),
    type=curl.read_pair,
    multiple=True,
    metavar="NAME=VALUE",
    help="Send a cookie.",
)
@click.option("--client", type=curl.read_address, metavar="IP", help="Come from this address.")
@click.option("--stage", default="", metavar="NAME", help="Call this stage of the API.")
@click.option("--user", metavar="NAME", help="Be the caller that the gateway authorized.")
@click.option("--request-id", metavar="ID", help="Have this ID; by default a new one.")
@click.option("--compact", is_flag=True, help="Print one line.")
def new(
    dialect: Dialect,
    method: str,
    url: str,
    headers: Pairs,
    json_text: str | None,
    data: tuple[str, ...],
    form: Pairs,
    body_file: BinaryIO | None,
    query: Pairs,
    cookies: Pairs,
    client: Address | None,
    stage: str,
    user: str | None,
    request_id: str | None,
    compact: bool,
) -> None:
    """Print the event that a gateway makes of a request.

    The request is written as for curl: URL is a path or begins with http:// or https://, several
    -d are joined with &, and the value of --json, -d and -F may be @FILE. FILE may be - for
    standard input. Where the URL's path begins with the stage, the gateway takes it off.

    What the gateway cannot carry of the request is told on stderr.

    \b
    Examples:
      slsadapt events new aws_http POST /hello --json '{"a": 1}'
      slsadapt events new aws_rest GET 'https://example.com/q?a=1&a=2' -b theme=dark
      slsadapt events new tencent_apigw POST /form -d a=1 | slsadapt invoke shop:app -
    """  # noqa: D301 - click reads the octet \b
    name = dialect.__name__.rpartition(".")[2]
    if cookies:
        headers = (*headers, curl.write_cookies(cookies))
    given = dict(headers)
    usual, scheme, server, path, url_query = curl.read_url(url, given.get("host"))
    content_type, body = curl.read_body(json_text, data, form, body_file)
    if content_type is not None:
        usual |= {"content-type": content_type, "content-length": str(len(body))}
    if json_text is not None:
        usual["accept"] = "application/json"
    limit_bytes = dialect.REQUEST_LIMIT_BYTES
    if limit_bytes is not None and len(body) > limit_bytes:
        raise click.UsageError(
            f"{name} takes bodies of {limit_bytes:,} bytes at most, got {len(body):,}"
        )
    root_path, mount = "", f"/{quote(stage)}"
    # Some gateways have no stages, and some have none in the URL.
    is_in_url = not {"stage", "root_path"}.intersection(dialect.LOSES)
    if stage and is_in_url and f"{path}/".startswith(f"{mount}/"):
        root_path, path = f"/{stage}", path[len(mount) :] or "/"
    if request_id is None:
        request_id = "" if "request_id" in dialect.LOSES else str(uuid4())
    request = Request(
        method,
        path,
        "&".join(filter(None, (url_query, curl.write_query(query)))),
        [*((key, value) for key, value in usual.items() if key not in given), *headers],
        body,
        scheme,
        client,
        server,
        root_path,
        stage,
        request_id,
        user,
    )
    try:
        event = json.loads(json.dumps(dialect.encode_event(request)))
        arrived = dialect.decode_event(event)
    except SlsadaptError as error:
        raise click.UsageError(f"{name} takes no such request: {error}") from None
    colours = False if os.environ.get("NO_COLOR") else None
    for loss in lost_in_request(dialect, request, arrived):
        warning = f"Warning: {name} cannot carry {LOSSES[loss]}"
        click.secho(warning, err=True, color=colours, fg="yellow")
    _print_json(event, compact)


def _describe(name: str) -> JSON:
    """Tell what a sample event is; None, false or 0 is what it has not."""
    dialect = name.partition("/")[0]
    case = samples.load(name)
    described: JSON = {"name": name, "dialect": dialect, "source": case["source"]}
    described |= dict.fromkeys(("method", "path", "query", "content_type"))
    described |= {"body_bytes": 0, "binary": False, "cookies": False}
    if dialect in KINDS:
        return described
    message = import_module(f"{gateways.__name__}.{dialect}").decode_event(case["event"])
    if dialect in gateways.SOCKET_NAMES:
        method, body = message.kind, message.data or ""
        binary = isinstance(body, bytes)
    else:
        method, body = message.method, message.body
        binary = "\ufffd" in body.decode(errors="replace")
    headers = dict(message.headers)
    return described | {
        "method": method,
        "path": message.path,
        "query": message.query,
        "content_type": headers.get("content-type"),
        "body_bytes": len(body if isinstance(body, bytes) else curl.octets(body)),
        "binary": binary,
        "cookies": "cookie" in headers,
    }


def _title(dialect: str) -> str:
    if dialect in KINDS:
        return "no request, routed by events={...}"
    title: str = import_module(f"{gateways.__name__}.{dialect}").TITLE
    return title


def _marks(described: JSON) -> list[str]:
    """Name what is special about a described event."""
    marks = [described["content_type"].partition(";")[0]] if described["content_type"] else []
    if described["body_bytes"]:
        marks.append(f"{described['body_bytes']} bytes{' binary' * described['binary']}")
    return marks + [name for name in ("query", "cookies") if described[name]]


def _print_json(value: JSON, compact: bool = False) -> None:
    """Print JSON for people, coloured on a terminal, or for a pipe."""
    from rich.console import Console

    indent = None if compact else 2
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    console = Console(color_system=colours)
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        # JSON is UTF-8 (RFC 8259 8.1); what stdout writes otherwise has to be ASCII.
        if codecs.lookup(sys.stdout.encoding).name != "utf-8":
            text.encode("ascii")
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent)
    if console.color_system:
        console.print_json(text, indent=indent, ensure_ascii=text.isascii())
    else:
        click.echo(text)
