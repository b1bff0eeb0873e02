"""``slsadapt trigger``: send a function that ``slsadapt serve`` runs an event of no client's."""

from __future__ import annotations

import json
import sys
from time import perf_counter, time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from .. import gateways
from ..errors import LocalError
from ..testing.telling import printable
from .terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPResponse
    from typing import Any, BinaryIO, NoReturn, TypeVar

    F = TypeVar("F", bound=Callable[..., object])

__all__ = ["trigger"]

_FUNCTION = "/2015-03-31/functions/function"
_TIMEOUT_S = 5.0
_DIALECTS = [
    name for name in (*gateways.NAMES, *gateways.SOCKET_NAMES) if name not in gateways.OBJECT_NAMES
]


@click.group()
def trigger() -> None:
    """Send a function that 'slsadapt serve' runs an event of no client's.

    \b
    Examples:
      slsadapt trigger timer
      slsadapt trigger timer --name nightly --payload '{"table": "orders"}'
      slsadapt trigger event queue-message.json
    """  # noqa: D301 - click reads the octet \b


def _shared(command: F) -> F:
    """Add what all events have in common."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON alone, for programs."),
        click.option("--url", metavar="URL", help="Where it is invoked, instead of --port."),
        click.option(
            "--port",
            type=click.IntRange(1, 65534),
            default=9000,
            show_default=True,
            help="That of 'slsadapt serve', which is invoked at the next one.",
        ),
    ):
        command = option(command)
    return command


@trigger.command("timer")
@_shared
@click.option(
    "--dialect",
    type=click.Choice(_DIALECTS),
    metavar="NAME",
    help="Send what this dialect's platform does; else what is served says which.",
)
@click.option("--name", default="slsadapt", show_default=True, help="The timer's name.")
@click.option(
    "--payload", default="", metavar="TEXT", help="What the timer tells; for AWS the whole event."
)
def send_timer(
    port: int, url: str | None, as_json: bool, dialect: str | None, name: str, payload: str
) -> None:
    """Send what a timer of the cloud sends, and print what the function returns.

    The exit code is 1 where the function fails, 2 for a mistake in the use of this command.

    \b
    Examples:
      slsadapt trigger timer
      slsadapt trigger timer --port 8000 --name nightly --payload '{"table": "orders"}'
    """  # noqa: D301 - click reads the octet \b
    # Only now: other commands pass by here, too.
    from ..local.timers import timer_event

    server = _Server(url or f"http://127.0.0.1:{port + 1}")
    try:
        event = timer_event(dialect or server.dialect(), time(), name, payload)
    except LocalError as error:
        raise click.UsageError(str(error)) from None
    server.send(event, as_json)


@trigger.command("event")
@click.argument("file", type=click.File("rb"))
@_shared
def send_event(file: BinaryIO, port: int, url: str | None, as_json: bool) -> None:
    """Send the event in FILE, - for standard input, and print what the function returns.

    FILE holds any JSON: the event itself, or a recorded one under "event" beside its "source".

    The exit code is 1 where the function fails, 2 for a mistake in the use of this command.

    \b
    Examples:
      slsadapt trigger event queue-message.json
      slsadapt events show tencent_apigw/get | slsadapt trigger event - --json | jq .statusCode
    """  # noqa: D301 - click reads the octet \b
    try:
        event = json.loads(file.read())
    except ValueError as error:
        name = getattr(file, "name", "<stdin>")
        raise click.UsageError(f"{name} must hold JSON: {error}") from None
    if isinstance(event, dict) and "event" in event and event.keys() & {"source", "slsadapt"}:
        event = event["event"]
    _Server(url or f"http://127.0.0.1:{port + 1}").send(event, as_json)


class _Server:
    """The Invoke API of a running ``slsadapt serve``.

    Args:
        url: of its root.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        try:
            parts = urlsplit(self._url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            self._host = ""
        if not self._host or parts.scheme != "http" or parts.path:
            raise click.UsageError(f"--url takes one such as http://127.0.0.1:9001, got {url!r}")

    def dialect(self) -> str:
        """Ask which dialect is served."""
        response, body = self._ask("GET", "configuration")
        try:
            dialect: str = json.loads(body)["Slsadapt"]["Dialect"]
        except (ValueError, KeyError, TypeError):
            self._fail(response, body)
        return dialect

    def send(self, event: Any, as_json: bool) -> None:
        """Invoke, print what comes of it, and exit where that is a failure."""
        began = perf_counter()
        response, body = self._ask("POST", "invocations", json.dumps(event).encode())
        took_ms = (perf_counter() - began) * 1000
        if response.status != 200 or response.getheader("x-amz-executed-version") is None:
            self._fail(response, body)
        is_failure = response.getheader("x-amz-function-error") is not None
        text = body.decode("utf-8", "backslashreplace")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if as_json:
            click.echo(text)
        elif is_failure and isinstance(value, dict):
            _print_failure(value)
        else:
            _print_result(value, took_ms)
        if is_failure:
            sys.exit(1)

    def _ask(self, method: str, what: str, body: bytes | None = None) -> tuple[HTTPResponse, bytes]:
        from http.client import HTTPConnection, HTTPException

        connection = HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.connect()
            # Functions take their time.
            connection.sock.settimeout(None)
            connection.request(method, f"{_FUNCTION}/{what}", body)
            response = connection.getresponse()
            return response, response.read()
        except (OSError, HTTPException) as error:
            raise click.ClickException(
                f"nothing answers at {self._url}: {error or type(error).__name__}\n"
                "Start it in another terminal, and name its port with --port if it is not 9000:\n"
                "  slsadapt serve TARGET"
            ) from None
        finally:
            connection.close()

    def _fail(self, response: HTTPResponse, body: bytes) -> NoReturn:
        """Tell why there is no result."""
        kind = response.getheader("x-amzn-errortype")
        if kind is None:
            raise click.ClickException(
                f"{self._url} is not where 'slsadapt serve' is invoked, which is the port after "
                f"the gateway's; it answers {response.status}"
            )
        fields = json.loads(body)
        message = fields.get("message") or fields.get("Message")
        raise click.ClickException(f"{kind}: {message}")


def _print_result(value: Any, took_ms: float) -> None:
    from rich.text import Text

    console = open_console()
    console.print(Text.assemble(("returned", "bold"), (f"  {took_ms:.1f} ms", "dim")))
    _print_lines(json.dumps(value, indent=2, ensure_ascii=False).split("\n"))


def _print_failure(error: dict[str, Any]) -> None:
    """Print what the runtime told, as Python prints it, else the platform's JSON."""
    from rich.text import Text

    trace = error.get("stackTrace") or []
    if isinstance(trace, list) and trace:
        # Each has the lines of one frame, with or without the last one's end.
        frames = [str(frame).rstrip("\n") for frame in trace]
        trace = "\n".join(["Traceback (most recent call last):", *frames])
    if trace:
        _print_lines(str(trace).rstrip("\n").split("\n"), stderr=True)
    if "errorMessage" not in error:
        _print_lines(json.dumps(error, indent=2, ensure_ascii=False).split("\n"), stderr=True)
        return
    words = [str(error[key]) for key in ("errorType", "errorMessage") if error.get(key)]
    text = printable(": ".join(words))
    open_console(stderr=True).print(Text(text, "bold red"))


def _print_lines(lines: list[str], *, stderr: bool = False) -> None:
    """Print what a function made, none of which the terminal may obey."""
    from rich.text import Text

    console = open_console(stderr=stderr)
    for line in lines:
        console.print(Text(printable(line)))
