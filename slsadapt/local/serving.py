"""The local cloud as a whole: gateway, pool, timers and reload, on addresses of this machine."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from .. import gateways
from ..errors import LocalError
from . import clouds
from .gateway import Gateway
from .invoke import InvokeApi
from .notices import Reloaded
from .page import failure_page
from .pool import Pool
from .recording import Keeper
from .reload import Watcher
from .sockets import Sockets, server_options
from .timers import Timers, schedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import Any

    from .function import Function
    from .notices import Notice, Told
    from .pool import Rules
    from .spawner import Preloaded

    Scope = dict[str, Any]
    App = Callable[[Any, Any, Any], Awaitable[None]]

__all__ = ["LocalCloud", "Settings"]

# Until what runs when the cloud stops is given up.
_DRAIN_S = 5.0
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a local cloud is to be.

    Args:
        function: what runs.
        rules: how many instances of it.
        socket_dialect: the WebSocket gateway's beside ``function.dialect``, None for none; the
            same one where it is the only gateway.
        host: an address of this machine.
        port: of the gateway, 0 for a free one.
        invoke_port: of the Invoke API on the loopback interface, 0 for a free one, None for the
            one after ``port``, or a free one where that is taken.
        stage: that begins the URL's path, ``""`` for none.
        base_path: that a custom domain has in front, ``""`` for none.
        replies: whether WebSocket clients get what the function answers to a message.
        record: the folder of cassettes, or None.
        timers: schedules.
        reloads: whether changed files are picked up.
    """

    function: Function
    rules: Rules
    socket_dialect: str | None = None
    host: str = "127.0.0.1"
    port: int = 9000
    invoke_port: int | None = None
    stage: str = ""
    base_path: str = ""
    replies: bool = False
    record: Path | None = None
    timers: tuple[str, ...] = ()
    reloads: bool = True


class LocalCloud:
    """A gateway and what is behind it.

    >>> async with LocalCloud(settings, print) as cloud:
    ...     print(cloud.url)

    Args:
        told: called with what happens, in the event loop.

    Attributes:
        url: of the gateway, with the stage or base path, without ``/`` at the end.
        push_url: where functions post what WebSocket clients shall receive, or ``""``.
        invoke_url: of the Invoke API.
        pool: the instances.
        preloaded: what forks find imported; None where there are none.

    Raises:
        LocalError: settings that do not go together.
    """

    url: str
    push_url: str = ""
    invoke_url: str
    preloaded: Preloaded | None = None

    def __init__(self, settings: Settings, told: Told) -> None:
        self.settings = settings
        self.cloud = clouds.load(settings.function.dialect)
        self._listeners: list[Callable[[Notice], object]] = [told]
        function = settings.function
        is_http = function.dialect in gateways.NAMES
        dialect = gateways.load(function.dialect) if is_http else None
        self.pool = Pool(
            function,
            self.cloud,
            settings.rules,
            self._tell,
            result_limit_bytes=dialect.RESULT_LIMIT_BYTES if dialect else None,
        )
        self._schedules = [schedule(text) for text in settings.timers]
        self._bound: list[socket.socket] = []
        self._servers: list[tuple[_Server, asyncio.Task[None]]] = []
        self._keeper: Keeper | None = None
        self._watcher: Watcher | None = None
        self._timers: Timers | None = None
        self._sockets: Sockets | None = None
        self._gateway: Gateway | None = None

    def _tell(self, notice: Notice) -> None:
        for listener in self._listeners:
            listener(notice)

    async def __aenter__(self) -> LocalCloud:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Start all of it.

        Raises:
            LocalError: says what cannot be started, and what to do.
        """
        settings, function = self.settings, self.settings.function
        gateway_socket = _listen(settings.host, settings.port, "--port")
        self._bound.append(gateway_socket)
        host, port = gateway_socket.getsockname()[:2]
        invoke_socket = _listen_beside(settings, port)
        self._bound.append(invoke_socket)
        # Where somebody on this machine finds what listens on all its addresses.
        host = {"0.0.0.0": _LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        address = f"{host}:{port}"
        self.invoke_url = f"http://{_LOOPBACK}:{invoke_socket.getsockname()[1]}"
        if settings.record is not None:
            self._keeper = Keeper(settings.record, function)
        await self.pool.open()
        if settings.rules.cold == "fork":
            self.preloaded = await self.pool.preload()
        _allow_descriptors()
        record = self._keeper.record if self._keeper else None
        if function.dialect in gateways.NAMES:
            self._gateway = Gateway(
                function,
                self.cloud,
                self.pool,
                self._tell,
                stage=settings.stage,
                base_path=settings.base_path,
                record=record,
                failure_page=lambda failure: failure_page(failure, function),
            )
        if settings.socket_dialect is not None:
            self._sockets = Sockets(
                clouds.load(settings.socket_dialect),
                self.pool,
                self._tell,
                stage=settings.stage,
                base_path=settings.base_path,
                endpoint=address,
                replies=settings.replies,
                record=record,
            )
            self.push_url = self._sockets.push_url
            self.pool.environment = self._sockets.environment
        mount = self._gateway.mount if self._gateway is not None else ""
        self.url = f"http://{address}{mount}"
        invoke_api = InvokeApi(function, self.cloud, self.pool, self._tell)
        self._listeners.append(invoke_api.told)
        socket_options = {}
        if settings.socket_dialect is not None:
            socket_options = server_options(clouds.load(settings.socket_dialect))
        await self._serve(self._route, gateway_socket, **socket_options)
        await self._serve(invoke_api, invoke_socket)
        if self._schedules:
            self._timers = Timers(self._schedules, function, self.pool)
            self._timers.start()
        if settings.reloads:
            written = [settings.record] if settings.record is not None else []
            self._watcher = Watcher(function.folder, self._reload, ignored=written)
            self._watcher.start()

    async def close(self) -> None:
        """Finish what is running and stop all of it; nothing is left behind."""
        if self._timers is not None:
            await self._timers.stop()
        if self._watcher is not None:
            await self._watcher.stop()
        if self._sockets is not None:
            await self._sockets.close()
        for server, _ in self._servers:
            server.should_exit = True
        if hasattr(self.pool, "spawner"):
            await self.pool.close(_DRAIN_S)
        for _, task in self._servers:
            await task
        for bound in self._bound:
            bound.close()
        if self._keeper is not None:
            self._keeper.close()

    def give_up(self) -> None:
        """End at once what is still running, for who does not want to wait."""
        for instance in [*self.pool.instances.values()]:
            instance.kill("close")
        for server, _ in self._servers:
            server.force_exit = True

    async def _route(self, scope: Scope, receive: Any, send: Any) -> None:
        """Give a connection to the gateway that is meant."""
        sockets = self._sockets
        if scope["type"] == "websocket":
            if sockets is not None:
                await sockets(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1000})
        elif sockets is not None and (self._gateway is None or sockets.takes(scope)):
            await sockets.push(scope, receive, send)
        elif self._gateway is not None:
            await self._gateway(scope, receive, send)

    async def _serve(self, app: App, listening: socket.socket, **options: Any) -> None:
        server = _Server(
            uvicorn.Config(
                app,
                interface="asgi3",
                http="httptools",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=60,
                # By then every invocation has ended, or was killed.
                timeout_graceful_shutdown=int(_DRAIN_S) + 3,
                backlog=2048,
                **{"ws": "none", **options},
            )
        )
        task = asyncio.ensure_future(server.serve([listening]))
        self._servers.append((server, task))
        while not server.started:
            if task.done():
                await task
                raise LocalError("the server did not start")
            await asyncio.sleep(0.001)

    async def _reload(self, paths: tuple[str, ...]) -> None:
        _forget_bytecode(self.settings.function.folder, paths)
        if self.preloaded is not None and self.preloaded.error:
            # A mistake in the function, mended perhaps, kept from learning what it imports.
            self.preloaded = await self.pool.preload()
        self._tell(Reloaded(time.time(), paths))
        self.pool.reload()


def _forget_bytecode(folder: Path, paths: tuple[str, ...]) -> None:
    """Remove bytecode that Python would take for that of a changed file.

    It tells files by whole seconds and size (PEP 552), in which two saves may be alike.
    """
    for path in paths:
        if path.endswith(".py"):
            with suppress(OSError):
                Path(cache_from_source(str(folder / path))).unlink()


class _Server(uvicorn.Server):
    """Leaves signals to the command."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int, option: str) -> socket.socket:
    """Bind an address.

    Raises:
        LocalError: it is taken, or none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OverflowError:
        raise LocalError(f"{option} must be from 0 to 65535, got {port}") from None
    except OSError as error:
        raise LocalError(
            f"cannot listen on {host}, port {port}: {error.strerror}; {option} 0 takes a free port"
        ) from None


def _listen_beside(settings: Settings, port: int) -> socket.socket:
    """Bind the Invoke API's address, where only this machine may forge events."""
    if settings.invoke_port is not None:
        return _listen(_LOOPBACK, settings.invoke_port, "--invoke-port")
    try:
        return _listen(_LOOPBACK, port + 1, "--invoke-port")
    except LocalError:
        return _listen(_LOOPBACK, 0, "--invoke-port")


def _allow_descriptors() -> None:
    """Raise the limit of open files as far as it goes: an instance takes four."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and (hard == resource.RLIM_INFINITY or soft < hard):
        wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
