"""How each cloud behaves around a function: limits, errors, headers, environment.

A dialect reads and writes events and results. What surrounds them is here, one module a platform:
what its gateway adds to a request and to a response, what it answers where the function does not,
which sizes it refuses, and what the platform puts into the environment of an instance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from ... import gateways
from ...errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ...message import Address, Request, Response
    from ..function import Function
    from ..outcome import Failure

    JSON = dict[str, Any]

__all__ = ["Arrival", "Cloud", "SocketRules", "load"]

_NAMES = (*gateways.NAMES, *gateways.SOCKET_NAMES)


@dataclass(slots=True)
class Arrival:
    """When and where a request reached the gateway; a value, though not frozen, which is slow.

    Args:
        received_ms: Unix time.
        request_id: new, of the form that the gateway gives its requests.
        client: (address, port) of the connection.
        server: (host, port) that the client's ``Host`` names, or that of the listening socket.
        trace_id: 32 hexadecimal digits, new.
    """

    received_ms: int
    request_id: str
    client: Address
    server: Address
    trace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRules:
    """What a gateway keeps to on WebSocket connections; None is no known limit.

    Args:
        message_bytes: of one message, either way; a larger one of the client's closes with 1009.
        frame_bytes: of one frame of the client's.
        idle_s: without a message of either side, until the gateway closes.
        total_s: of a connection, until the gateway closes.
        takes_binary: whether binary frames reach the function.
        binary_code: closes after a binary frame that is not taken.
        idle_code: closes an idle connection.
        total_code: closes one that lasted too long.
        failure_code: closes after a message for which the function failed, None where the
            connection stays and the client is told with ``failure_message``.
        failure_message: writes what the client is sent for a failure:
            (failure, connection id) -> text, or None for nothing.
    """

    message_bytes: int | None
    frame_bytes: int | None
    idle_s: float | None
    total_s: float | None
    takes_binary: bool
    binary_code: int = 1003
    idle_code: int = 1001
    total_code: int = 1001
    failure_code: int | None = None
    failure_message: Callable[[Failure, str], str | None] = lambda failure, connection_id: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One gateway and the platform behind it.

    Args:
        dialect: of its events.
        platform: for people, ``"AWS Lambda"``.
        timeout_s: the time limit that a new function has.
        timeout_limit_s: the highest that may be configured.
        memory_mb: the memory that a new function has.
        bills_init: whether a cold start is billed.
        gateway_timeout_s: how long the gateway waits for the function, None for as long as it
            takes.
        headers_limit_bytes: of all request header lines together, each as ``name: value`` with its
            line end.
        url_limit_bytes: of path and query as the client sent them.
        result_headers_limit_bytes: as ``headers_limit_bytes``, of the response.
        request_id: makes an ID for a request of the form that the gateway gives.
        stage: that requests belong to where the user names none, ``""`` for none.
        is_stage_in_url: whether, on the gateway's own host, a stage begins the URL's path.
        receive: gives the request as the gateway passes it on: with the headers that it adds and
            without those that it keeps.
        respond: gives the response as the client receives it: likewise.
        fail: gives what the client receives where the function does not answer.
        error: gives the platform's own JSON for a failure of the function, as who invokes it
            directly receives it.
        environment: gives what the platform has in an instance's environment, for an instance of
            that name; without credentials.
        sockets: of a WebSocket gateway, else None.
    """

    dialect: str
    platform: str
    timeout_s: float
    timeout_limit_s: float
    memory_mb: int
    bills_init: bool = False
    gateway_timeout_s: float | None = None
    headers_limit_bytes: int | None = None
    url_limit_bytes: int | None = None
    result_headers_limit_bytes: int | None = None
    request_id: Callable[[], str]
    stage: str = ""
    is_stage_in_url: bool = False
    receive: Callable[[Request, Arrival], Request]
    respond: Callable[[Response, Arrival], Response]
    fail: Callable[[Failure], Response]
    error: Callable[[Failure], JSON]
    environment: Callable[[Function, str], Mapping[str, str]]
    sockets: SocketRules | None = field(default=None)


def load(dialect: str) -> Cloud:
    """Give the cloud behind a gateway.

    Args:
        dialect: one of ``gateways.NAMES`` or ``gateways.SOCKET_NAMES``.

    Raises:
        OptionError: there is no such dialect.
    """
    if dialect not in _NAMES:
        raise OptionError(f"dialect must be one of {', '.join(_NAMES)}; got {dialect!r}")
    cloud: Cloud = import_module(f"{__name__}.{gateways.platform_of(dialect)}").CLOUDS[dialect]
    return cloud
