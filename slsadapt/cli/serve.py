"""``slsadapt serve``: run a cloud for one function on this machine."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import gateways
from ..errors import LocalError, OptionError
from .target import locate

if TYPE_CHECKING:
    from typing import Any

    from ..local.clouds import Cloud
    from ..local.printing import Banner
    from ..local.serving import LocalCloud, Settings

__all__ = ["serve"]

_NAMES = (*gateways.NAMES, *gateways.SOCKET_NAMES)
_NEEDED = ("uvicorn", "httptools", "watchfiles", "psutil", "websockets", "orjson", "croniter")


@click.command()
@click.argument("target")
@click.option(
    *("-d", "--dialect", "dialects"),
    type=click.Choice(_NAMES),
    multiple=True,
    metavar="NAME",
    help="Be this gateway, aws_http by default; a second one for WebSockets may stand beside.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="0 is any."
)
@click.option("--stage", default="", metavar="NAME", help="Begin the URL with this stage.")
@click.option(
    "--base-path", default="", metavar="PATH", help="Begin the URL as a custom domain does."
)
@click.option(
    *("-n", "--instances"),
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Start no more instances than this.",
)
@click.option(
    *("-c", "--concurrency"),
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Send an instance so many requests at once.",
)
@click.option(
    "--queue",
    "queue_s",
    type=click.FloatRange(0),
    default=0.0,
    metavar="SECONDS",
    help="Let requests wait for an instance, rather than throttle them at once.",
)
@click.option(
    "--idle-ttl",
    "idle_s",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="End instances that have been idle for so long.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Kill what takes longer; the platform's default if not given, 0 is never.",
)
@click.option(
    "--memory",
    "memory_mb",
    type=click.IntRange(0),
    metavar="MB",
    help="Kill what grows larger; the platform's default if not given, 0 is never.",
)
@click.option(
    "--cold",
    type=click.Choice(["spawn", "fork"]),
    default="spawn",
    show_default=True,
    help="spawn: cold starts as they are. fork: in milliseconds, the framework imported before.",
)
@click.option(
    "--freeze", "freezes", is_flag=True, help="Stop instances between requests, as clouds do."
)
@click.option(
    "--reload/--no-reload",
    "reloads",
    default=True,
    show_default=True,
    help="Restart instances when a file of the function changes.",
)
@click.option(
    "--route-responses",
    "replies",
    is_flag=True,
    help="Send WebSocket clients what the function answers, as AWS' route responses do.",
)
@click.option(
    "--debug-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Let a debugger attach to the first instance, which then has no time limit.",
)
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write what passes as cassettes, for 'slsadapt replay'.",
)
@click.option(
    "--timer",
    "timers",
    multiple=True,
    metavar="SCHEDULE",
    help="""Send timer events: "rate(5 minutes)", "cron(0 8 * * ? *)".""",
)
@click.option(
    "--invoke-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Take direct invocations here, by AWS' Invoke API on 127.0.0.1; --port + 1 if not given.",
)
@click.option(
    "--name",
    "function_name",
    default="slsadapt",
    show_default=True,
    help="Tell the function that this is its name.",
)
@click.option(
    "--bootstrap",
    default="",
    metavar="COMMAND",
    help="Run another Lambda runtime client as instance: 'python -m awslambdaric index.handler'.",
)
@click.option("--json-logs", is_flag=True, help="Print one JSON object a line, for programs.")
def serve(target: str, json_logs: bool, **options: Any) -> None:
    """Run a cloud for one function on this machine, with a gateway and real instances.

    TARGET is module:name, file.py:name, or a folder whose index.py has main_handler. A name
    that ends in "handler" is called with (event, context); anything else is taken as a WSGI
    or ASGI application.

    Requests become the events of the gateway, byte for byte, and go to instances: processes that
    start cold, are used again, run out of time or memory, crash, and are replaced. Results are
    checked as strictly as the cloud checks them. Changed files are picked up at once.

    \b
    Examples:
      slsadapt serve samples/flask_app
      slsadapt serve shop:app --dialect tencent_apigw --stage release
      slsadapt serve shop:app --instances 2 --timeout 1 --memory 256 --freeze
      slsadapt serve chat:main_handler -d aws_http -d aws_websocket
      slsadapt serve shop:app --record cassettes/ --timer "rate(1 minute)"
    """  # noqa: D301 - click reads the octet \b
    if sys.platform == "win32":
        raise click.UsageError(
            "slsadapt serve needs processes as Linux and macOS have them; run it in WSL"
        )
    try:
        for name in _NEEDED:
            import_module(name)
    except ModuleNotFoundError as error:
        raise click.UsageError(
            f"slsadapt serve needs {error.name}: pip install 'slsadapt[local]'"
        ) from None
    try:
        settings = _settings(target, **options)
        sys.exit(_run(settings, json_logs))
    except (LocalError, OptionError) as error:
        raise click.UsageError(str(error)) from None


def _settings(
    target: str,
    dialects: tuple[str, ...],
    base_path: str,
    stage: str,
    instances: int,
    concurrency: int,
    queue_s: float,
    idle_s: float,
    timeout_s: float | None,
    memory_mb: int | None,
    cold: Any,
    freezes: bool,
    debug_port: int | None,
    function_name: str,
    bootstrap: str,
    replies: bool,
    **others: Any,
) -> Settings:
    """Read the options, with the platform's defaults for what is not given.

    Raises:
        click.UsageError: they do not go together.
    """
    from ..local import clouds
    from ..local.function import Function
    from ..local.pool import Rules
    from ..local.serving import Settings

    dialect, socket_dialect = _gateways(dialects or ("aws_http",))
    if replies and socket_dialect != "aws_websocket":
        raise click.UsageError("--route-responses is for --dialect aws_websocket")
    cloud = clouds.load(dialect)
    command = _command(bootstrap, dialect, cold, debug_port)
    folder, module, name = locate(target, "TARGET")
    _check(cloud, stage, timeout_s)
    function = Function(
        label=target,
        folder=folder,
        module=module,
        name=name,
        dialect=dialect,
        function_name=function_name,
        timeout_s=cloud.timeout_s if timeout_s is None else timeout_s or None,
        memory_mb=memory_mb or cloud.memory_mb,
        is_memory_limited=memory_mb != 0,
        concurrency=concurrency,
        base_path=_path(base_path),
        bootstrap=command,
        debug_port=debug_port,
    )
    rules = Rules(instances=instances, idle_s=idle_s, queue_s=queue_s, cold=cold, freezes=freezes)
    return Settings(
        function=function,
        rules=rules,
        socket_dialect=socket_dialect,
        stage=stage,
        base_path=function.base_path,
        replies=replies,
        **others,
    )


def _gateways(dialects: tuple[str, ...]) -> tuple[str, str | None]:
    """Tell the gateway of requests, or the only one, and that of WebSockets."""
    sockets = [name for name in dialects if name in gateways.SOCKET_NAMES]
    requests = [name for name in dialects if name not in sockets]
    if len(sockets) > 1 or len(requests) > 1:
        raise click.UsageError(
            "--dialect takes one gateway, and one of WebSockets beside it, got "
            f"{', '.join(dialects)}"
        )
    platforms = {gateways.platform_of(name) for name in dialects}
    if len(platforms) > 1:
        raise click.UsageError(
            f"{' and '.join(dialects)} are of two clouds; one function runs on one of them"
        )
    return (*requests, *sockets)[0], sockets[0] if sockets else None


def _command(bootstrap: str, dialect: str, cold: str, debug_port: int | None) -> tuple[str, ...]:
    try:
        command = tuple(shlex.split(bootstrap))
    except ValueError as error:
        raise click.UsageError(f"--bootstrap is no command: {error}") from None
    if command:
        for option, is_given in (("--cold fork", cold == "fork"), ("--debug-port", debug_port)):
            if is_given:
                raise click.UsageError(
                    f"{option} is for our own runtime client, --bootstrap runs another one"
                )
        if gateways.platform_of(dialect) != "aws":
            raise click.UsageError(
                f"--bootstrap runs a client of AWS Lambda's Runtime API, and {dialect} calls "
                "functions otherwise"
            )
    return command


def _check(cloud: Cloud, stage: str, timeout_s: float | None) -> None:
    if stage and not cloud.is_stage_in_url:
        raise click.UsageError(f"{cloud.dialect} has no stage in its URLs")
    if timeout_s and timeout_s > cloud.timeout_limit_s:
        raise click.UsageError(
            f"{cloud.platform} allows {cloud.timeout_limit_s:g} s at most, got {timeout_s:g}; "
            "--timeout 0 is without limit"
        )


def _path(text: str) -> str:
    """Read a base path: ``""``, or with a leading and no trailing ``/``."""
    trimmed = text.strip("/")
    return f"/{trimmed}" if trimmed else ""


def _run(settings: Settings, json_logs: bool) -> int:
    """Serve until somebody stops it; give the exit code."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(_serve(settings, json_logs))
    return uvloop.run(_serve(settings, json_logs))


async def _serve(settings: Settings, json_logs: bool) -> int:
    from ..local.printing import Printer
    from ..local.serving import LocalCloud

    printer = Printer(sys.stdout, json_logs=json_logs)
    cloud = LocalCloud(settings, printer)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        if stopped.is_set():
            cloud.give_up()
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    if settings.rules.cold == "fork" and sys.stderr.isatty():
        click.echo("learning what the function imports, so that forks begin with it", err=True)
    try:
        async with cloud:
            printer.banner(_banner(cloud))
            await stopped.wait()
    finally:
        printer.flush()
    return 0


def _banner(cloud: LocalCloud) -> Banner:
    """Tell what is served."""
    from ..local.printing import Banner

    settings = cloud.settings
    function, rules = settings.function, settings.rules
    dialects = dict.fromkeys(filter(None, (function.dialect, settings.socket_dialect)))
    titles = [import_module(f"{gateways.__name__}.{name}").TITLE for name in dialects]
    return Banner(
        target=function.label,
        dialect=" and ".join(dialects),
        title=" and ".join(titles),
        platform=cloud.cloud.platform,
        url=f"{cloud.url}/",
        instances=rules.instances,
        concurrency=function.concurrency,
        cold=rules.cold,
        preloaded=cloud.preloaded.modules if cloud.preloaded else 0,
        left_out=cloud.preloaded.left_out if cloud.preloaded else (),
        mistake=cloud.preloaded.error if cloud.preloaded else "",
        timeout_s=function.timeout_s,
        memory_mb=function.memory_mb if function.is_memory_limited else None,
        idle_s=rules.idle_s,
        queue_s=rules.queue_s,
        freezes=rules.freezes,
        reload=_shown(function.folder) if settings.reloads else "",
        invoke=cloud.invoke_url,
        push=cloud.push_url,
        record=_shown(settings.record) if settings.record else "",
        timers=settings.timers,
        debug_port=function.debug_port,
    )


def _shown(path: Path) -> str:
    """Write a path as short as people would."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
