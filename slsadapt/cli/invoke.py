"""``slsadapt invoke``: answer one event and print the gateway's response."""

from __future__ import annotations

import json
import logging
import re
import sys
import zlib
from contextlib import suppress
from http import HTTPStatus
from time import perf_counter
from typing import cast

import click

from .. import gateways
from ..errors import InterfaceError, UnknownEventError
from ..handler import Handler, wrap
from .target import at_work, find, is_called_handler
from .terminal import open_console, request_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, BinaryIO

    from ..gateways import JSON, Dialect
    from ..message import Response

    EventHandler = Callable[[JSON, object], Any]
    Pairs = Sequence[tuple[str, str]]

__all__ = ["invoke"]

_STYLES = {2: "bold green", 3: "bold cyan", 4: "bold yellow", 5: "bold red"}
# What no text holds; tabs, line ends and the escapes that colour are left.
_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_PREVIEW_BYTES = 64
_ROW_BYTES = 16


@click.command()
@click.argument("target")
@click.argument("event", type=click.File("rb"), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for programs.")
@click.option("--context", type=click.File("rb"), metavar="FILE", help="Pass it, as JSON.")
@click.option(
    "--gateway",
    type=click.Choice([name for name in gateways.NAMES if name not in gateways.OBJECT_NAMES]),
    metavar="NAME",
    help="Read the event as this dialect's; 'slsadapt dialects' lists them.",
)
def invoke(
    target: str,
    event: BinaryIO | None,
    as_json: bool,
    context: BinaryIO | None,
    gateway: str | None,
) -> None:
    """Answer one EVENT and print the gateway's response.

    TARGET is module:name, file.py:name, or a folder whose index.py has main_handler. A name
    that ends in "handler" is called with (event, context); anything else is taken as a WSGI
    or ASGI application.

    EVENT is a JSON file, or - for standard input. It holds the event itself or a recorded
    case: the event under "event" beside its "source", perhaps with the "context".

    The exit code is 1 for a 5xx or an exception of the handler, 2 for a mistake in the use
    of this command.

    \b
    Examples:
      slsadapt invoke shop:app event.json
      slsadapt invoke samples/flask_app samples/flask_app/events/hello.json
      slsadapt invoke index:main_handler --json < event.json | jq .headers
    """  # noqa: D301 - click reads the octet \b
    if event is None:
        event = sys.stdin.buffer
        if event.isatty():
            raise click.UsageError("EVENT is missing: name a file, or pipe an event in")
    message, caller = _read_event(event)
    if context is not None:
        caller = _read_object(context)
    began = perf_counter()
    with at_work():
        handler = _load(target, gateway)
    import_s = perf_counter() - began
    # Only now, so that an application which configures logging itself goes first; the root's
    # level, WARNING by default, is the application's to choose.
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        with at_work():
            returned = handler(message, _context(message, gateway, caller))
        total_s = perf_counter() - began
        try:
            result = json.dumps(returned)
        except (TypeError, ValueError) as error:
            raise click.ClickException(f"the handler must return JSON: {error}") from None
        dialect = _dialect(handler, message, gateway)
        response = dialect.decode_result(json.loads(result)) if dialect else None
        if as_json:
            click.echo(result)
        else:
            timing = f"{total_s * 1000:.1f} ms, {import_s * 1000:.1f} ms of it import"
            if dialect and response:
                name = dialect.__name__.rpartition(".")[2]
                _print_response(response, _request_line(dialect, message), f"{name}  {timing}")
            else:
                # A function may serve events that are no requests, and return what it likes.
                _print([("returned", "bold"), (timing, "dim")], (), _pretty(result), "json")
    finally:
        with at_work():
            getattr(handler, "pre_stop", bool)()
    if response and response.status >= 500:
        sys.exit(1)


class _Context(dict[str, object]):
    """A context to read as Tencent's, which is a dict, or as AWS's, which is an object."""

    def __getattr__(self, name: str) -> object:
        if name not in self:
            raise AttributeError(f"the context has no {name!r}; give one with --context")
        return self[name]


def _context(event: JSON, gateway: str | None, given: JSON | None) -> object:
    """Make the context of the event's platform, unless one is given."""
    if given is not None:
        return _Context(given)
    try:
        name = gateway or gateways.detect(event).__name__.rpartition(".")[2]
    except UnknownEventError:
        return _Context()
    from ..testing import contexts

    return contexts.for_dialect(name)


def _read_event(file: BinaryIO) -> tuple[JSON, JSON | None]:
    """Read an event and its context, out of the case that records them if it is one."""
    event = _read_object(file)
    if "source" in event and isinstance(event.get("event"), dict):
        return event["event"], event.get("context")
    return event, None


def _read_object(file: BinaryIO) -> JSON:
    octets = file.read()
    found = "nothing"
    if octets.strip():
        try:
            value = json.loads(octets)
        except ValueError as error:
            found = f"no JSON: {error}"
        else:
            if isinstance(value, dict):
                return value
            found = type(value).__name__
    name = getattr(file, "name", "<stdin>")
    raise click.UsageError(f"{name} must hold a JSON object, got {found}")


def _load(target: str, gateway: str | None) -> EventHandler:
    """Import the target, and wrap it unless it is a handler."""
    found, name = find(target)
    if isinstance(found, Handler):
        if gateway:
            raise click.UsageError(
                f"--gateway is for applications, and {name} is a handler already; "
                "it takes its gateway from wrap(app, gateway=...)"
            )
        return found
    if is_called_handler(name):
        if not callable(found):
            raise click.UsageError(f"{name} must be callable, got {type(found).__name__}")
        return cast("EventHandler", found)
    try:
        return wrap(found, gateway=gateway or "auto")
    except InterfaceError as error:
        raise click.UsageError(f"{name} is no application: {error}") from None


def _dialect(handler: EventHandler, event: JSON, gateway: str | None) -> Dialect | None:
    """Find the dialect that reads the result, None where the event is no gateway's."""
    if isinstance(handler, Handler):
        return handler.dialect
    try:
        return gateways.load(gateway) if gateway else gateways.detect(event)
    except UnknownEventError:
        return None


def _request_line(dialect: Dialect, event: JSON) -> str:
    try:
        return request_line(dialect.decode_event(event))
    except Exception:
        return ""  # the response says what is wrong with the event


def _print_response(response: Response, request_line: str, note: str) -> None:
    try:
        status = f"{response.status} {HTTPStatus(response.status).phrase}"
    except ValueError:
        status = str(response.status)
    fields = {name.lower(): value for name, value in response.headers}
    text, syntax = _readable(
        response.body, fields.get("content-type", ""), fields.get("content-encoding", "")
    )
    style = _STYLES.get(response.status // 100, "bold")
    summary = [(status, style), (request_line, ""), (note, "dim")]
    _print(summary, response.headers, text, syntax)


def _readable(body: bytes, content_type: str, content_encoding: str) -> tuple[str, str]:
    """Decode a body for people; tell the text and how to highlight it."""
    from werkzeug.http import parse_options_header

    essence, options = parse_options_header(content_type)
    if content_encoding == "gzip":
        with suppress(zlib.error):
            body = zlib.decompress(body, wbits=31)
    try:
        text = body.decode(options.get("charset", "utf-8"))
    except (LookupError, UnicodeDecodeError):
        text = "\0"
    if not _CONTROL_CHARACTERS.search(text):
        # What is between "/" or "+" and the end: html, xml, json, css.
        syntax = re.split("[/+]", essence)[-1]
        return _pretty(text) if syntax == "json" else text, syntax
    rows = [f"{essence or 'no type'}, {len(body):,} bytes"]
    for offset in range(0, min(len(body), _PREVIEW_BYTES), _ROW_BYTES):
        row = body[offset : offset + _ROW_BYTES]
        shown = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in row)
        rows.append(f"{offset:08x}  {row.hex(' '):<{_ROW_BYTES * 3 - 1}}  |{shown}|")
    if len(body) > _PREVIEW_BYTES:
        rows.append("...")
    return "\n".join(rows), ""


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _print(summary: list[tuple[str, str]], headers: Pairs, text: str, syntax: str) -> None:
    """Print styled words, aligned headers and a text; without colours where none are wanted."""
    from rich.syntax import Syntax
    from rich.text import Text

    console = open_console()
    console.print(Text("  ").join(Text(*words) for words in summary if words[0]))
    width = max((len(name) for name, _ in headers), default=0)
    for name, value in headers:
        console.print(Text.assemble((f"{name:<{width}}", "cyan"), "  ", value))
    if not text:
        return
    console.print()
    if not text.endswith("\n"):
        text += "\n"
    if console.color_system:
        code = Syntax(text, syntax, theme="ansi_dark", background_color="default")
        console.print(code.highlight(text), end="")
    else:
        console.file.write(text)
