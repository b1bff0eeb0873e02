"""The values that gateways and engines exchange: a request, a response, a WebSocket message.

Slotted classes rather than dataclasses, whose import costs a cold start about ten milliseconds.
Treat them as values all the same; ``replace`` makes a changed copy.

On the way of an event no Request is made: a dialect's ``decode_into`` hands its fields, in this
order, straight to the engine. What tests, replays or reports has the value.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any, Literal, TypeVar

    from typing_extensions import Self

    T = TypeVar("T")
    Address = tuple[str, int]
    SocketKind = Literal["connect", "message", "disconnect"]
    # (name, value), the name in any case, the value in latin-1 characters.
    Pairs = Collection[tuple[str, str]]
    # Takes what Request takes, in the same order.
    Build = Callable[
        [
            str,
            str,
            str,
            Pairs,
            bytes,
            str,
            Address | None,
            Address,
            str,
            str,
            str,
            str | None,
        ],
        T,
    ]

__all__ = ["Request", "Response", "SocketMessage"]


class _Value:
    """Compare, print and copy by slots."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    __hash__ = None  # type: ignore[assignment]  # equal by value and holding JSON, so not a key

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._fields().items())
        return f"{type(self).__name__}({fields})"

    def replace(self, **changes: Any) -> Self:
        """Return a copy with the named fields changed."""
        # The slots stand in the order of the arguments.
        values = [
            changes.pop(name) if name in changes else getattr(self, name)
            for name in type(self).__slots__
        ]
        if changes:
            raise TypeError(f"{type(self).__name__} has no {', '.join(changes)}")
        return type(self)(*values)

    def _fields(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in type(self).__slots__}
        return fields | {"headers": tuple(fields["headers"])}


class Request(_Value):
    """One request as the client sent it.

    Args:
        method: upper-case token, ``"GET"``.
        path: percent-encoded, leading ``/``, no query, without ``root_path``.
        query: percent-encoded, no ``?``.
        headers: (lower-case name, value) pairs in arrival order; repeats stay. Values hold
            octets as latin-1 characters.
        body: octets, never base64.
        scheme: ``"https"`` or ``"http"``.
        client: (address, port) by the gateway's own word, port 0 where it is not told; or None.
        server: (host, port) the client asked for.
        root_path: stage or base path in front of ``path`` in the client's URL, percent-decoded,
            ``""`` or with a leading and no trailing ``/``.
        stage: the deployment stage the gateway names, ``""`` where it has none.
        request_id: the gateway's id of this request, ``""`` where it gives none.
        user: the authorizer's principal, or None.
    """

    __slots__ = (
        "method",
        "path",
        "query",
        "headers",
        "body",
        "scheme",
        "client",
        "server",
        "root_path",
        "stage",
        "request_id",
        "user",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Pairs = (),
        body: bytes = b"",
        scheme: str = "https",
        client: Address | None = None,
        server: Address = ("localhost", 443),
        root_path: str = "",
        stage: str = "",
        request_id: str = "",
        user: str | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = tuple([(name.lower(), value) for name, value in headers])
        self.body = body
        self.scheme = scheme
        self.client = client
        self.server = server
        self.root_path = root_path
        self.stage = stage
        self.request_id = request_id
        self.user = user


class Response(_Value):
    """One response as the application gave it.

    Args:
        status: 100 to 599.
        headers: pairs in the application's order and case; repeats stay.
        body: octets, never base64.
    """

    __slots__ = ("status", "headers", "body")

    def __init__(
        self, status: int, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class SocketMessage(_Value):
    """One event of a WebSocket connection, as its gateway tells the function.

    The gateway holds the connection and calls the function anew for each event, so what only the
    handshake tells must be kept somewhere if a later message needs it.

    Args:
        kind: ``"connect"``, the handshake, which the function may refuse; ``"message"``; or
            ``"disconnect"``.
        connection_id: the gateway's name of the connection, by which messages find the client.
        data: of a message: str of a text frame, bytes of a binary one (RFC 6455 5.6); or None.
        subprotocols: what the client offers in ``Sec-WebSocket-Protocol``, in its order.
        extensions: the same of ``Sec-WebSocket-Extensions``, each with its parameters.
        path: the handshake's, percent-encoded, ``""`` where the gateway does not tell.
        query: the handshake's, percent-encoded, no ``?``.
        headers: the handshake's (lower-case name, value) pairs, as a Request has them.
        client: (address, port) by the gateway's own word, port 0 where it is not told; or None.
        endpoint: host, and path if any, below which messages to the client are posted,
            ``"abc.execute-api.eu-west-1.amazonaws.com/live"``; ``""`` where not told.
        stage: the deployment stage the gateway names, ``""`` where it has none.
        request_id: the gateway's id of this event, ``""`` where it gives none.
        user: the authorizer's principal, or None.
        connected_at_ms: when the connection began, in ms since 1970, or None.
        code: of a disconnect: the status code (RFC 6455 7.4), or None where not told.
        reason: of a disconnect: the reason in words, ``""`` where not told.
    """

    __slots__ = (
        "kind",
        "connection_id",
        "data",
        "subprotocols",
        "extensions",
        "path",
        "query",
        "headers",
        "client",
        "endpoint",
        "stage",
        "request_id",
        "user",
        "connected_at_ms",
        "code",
        "reason",
    )

    def __init__(
        self,
        kind: SocketKind,
        connection_id: str,
        data: str | bytes | None = None,
        subprotocols: Sequence[str] = (),
        extensions: Sequence[str] = (),
        path: str = "",
        query: str = "",
        headers: Pairs = (),
        client: Address | None = None,
        endpoint: str = "",
        stage: str = "",
        request_id: str = "",
        user: str | None = None,
        connected_at_ms: int | None = None,
        code: int | None = None,
        reason: str = "",
    ) -> None:
        self.kind = kind
        self.connection_id = connection_id
        self.data = data
        self.subprotocols = tuple(subprotocols)
        self.extensions = tuple(extensions)
        self.path = path
        self.query = query
        self.headers = tuple([(name.lower(), value) for name, value in headers])
        self.client = client
        self.endpoint = endpoint
        self.stage = stage
        self.request_id = request_id
        self.user = user
        self.connected_at_ms = connected_at_ms
        self.code = code
        self.reason = reason
