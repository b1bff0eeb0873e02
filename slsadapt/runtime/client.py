"""Speak AWS's Lambda Runtime API: ask for invocations, tell what came of them.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

HTTP/1.1 on one kept connection, each request in one piece. What a server sends back is read by
RFC 9112: a length, chunks, or up to the end of the connection.
"""

from __future__ import annotations

from _socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_TCP,
    MSG_DONTWAIT,
    MSG_PEEK,
    SOCK_STREAM,
    TCP_NODELAY,
    socket,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Client", "Invocation"]

_API = "/2018-06-01/runtime"
_RECEIVED_BYTES = 65_536
# Below any limit, so that a server does not refuse it.
_SMALL_BYTES = 32_768
# A head larger than this is no Runtime API's.
_HEAD_LIMIT_BYTES = 4 * 1024 * 1024


class Invocation:
    """One invocation that the function is to answer.

    Args:
        headers: what came beside it, by lower-case name.
        payload: the event, JSON.
    """

    __slots__ = ("deadline_ms", "headers", "payload", "request_id")

    def __init__(self, headers: Mapping[str, str], payload: bytes) -> None:
        self.headers = headers
        self.payload = payload
        self.request_id = headers["lambda-runtime-aws-request-id"]
        # Unix time.
        self.deadline_ms = int(headers.get("lambda-runtime-deadline-ms") or 0)


class Client:
    """Hold one connection to a Runtime API; a thread needs its own.

    Args:
        address: ``"127.0.0.1:9001"``, as ``AWS_LAMBDA_RUNTIME_API`` has it.
        asks_ahead: whether to ask for the next invocation together with a small result
            (RFC 9112 9.3.2), so that both sides wake up once; for servers that never fail one of
            either. The status of such a result is not waited for, and taken to be 202.
    """

    def __init__(self, address: str, *, asks_ahead: bool = False) -> None:
        from .. import __version__

        host, _, port = address.rpartition(":")
        self._address = (host.strip("[]"), int(port))
        self._socket: socket | None = None
        self._rest = b""
        self._asks_ahead = asks_ahead
        self._has_asked = False
        self._common = f"HTTP/1.1\r\nHost: {address}\r\nUser-Agent: slsadapt/{__version__}\r\n"
        self._next = f"GET {_API}/invocation/next {self._common}\r\n".encode("latin-1")

    def next(self) -> Invocation:
        """Wait for an invocation, for as long as it takes.

        Raises:
            OSError: there is none to come: the server is gone, or answers anything but 200.
        """
        if self._has_asked:
            self._has_asked = False
            self._answer()
            status, headers, body = self._answer()
        else:
            status, headers, body = self._exchange(self._next, is_repeatable=True)
        if status != 200:
            self.close()
            raise ConnectionError(f"GET {_API}/invocation/next: expected 200, got {status}")
        return Invocation(headers, body)

    def respond(
        self, invocation: Invocation, result: bytes, content_type: str = "application/json"
    ) -> int:
        """Send the function's result, and give the server's status: 202, or 413 if too large.

        Raises:
            OSError: the server is gone. The result may have arrived.
        """
        fields = f"Content-Type: {content_type}"
        request = self._answer_to(invocation, "response", result, fields)
        if self._asks_ahead and self._socket is not None and len(result) <= _SMALL_BYTES:
            self._socket.sendall(request + self._next)
            self._has_asked = True
            return 202
        return self._post(request)

    def fail(self, invocation: Invocation, error: bytes, error_type: str) -> int:
        """Send instead what went wrong, JSON, and give the server's status.

        Raises:
            OSError: the server is gone.
        """
        return self._post(self._answer_to(invocation, "error", error, _described_as(error_type)))

    def fail_init(self, error: bytes, error_type: str) -> int:
        """Tell that there is no function to run, and give the server's status.

        Raises:
            OSError: the server is gone.
        """
        return self._post(self._request("/init/error", error, _described_as(error_type)))

    def close(self) -> None:
        """End the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._rest = b""

    def _answer_to(self, invocation: Invocation, what: str, body: bytes, fields: str) -> bytes:
        # Managed Instances tell invocations of one request apart by it.
        if (invocation_id := invocation.headers.get("lambda-runtime-invocation-id")) is not None:
            fields += f"\r\nLambda-Runtime-Invocation-Id: {invocation_id}"
        return self._request(f"/invocation/{invocation.request_id}/{what}", body, fields)

    def _request(self, path: str, body: bytes, fields: str) -> bytes:
        """Write a request in one piece, so that the server wakes up once."""
        head = f"POST {_API}{path} {self._common}{fields}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode("latin-1", "replace") + body

    def _post(self, request: bytes) -> int:
        return self._exchange(request, is_repeatable=False)[0]

    def _exchange(self, octets: bytes, *, is_repeatable: bool) -> tuple[int, dict[str, str], bytes]:
        """Send a request and read its answer.

        A server may close a connection on which nothing happens. Before a request that must not
        arrive twice, that is looked for; any other is sent again.
        """
        if self._socket is not None and (is_repeatable or not self._is_closed()):
            try:
                self._socket.sendall(octets)
                return self._answer()
            except OSError:
                if not is_repeatable:
                    self.close()
                    raise
        self.close()
        self._connect().sendall(octets)
        return self._answer()

    def _connect(self) -> socket:
        family = AF_INET6 if ":" in self._address[0] else AF_INET
        connection = self._socket = socket(family, SOCK_STREAM)
        try:
            connection.connect(self._address)
            connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        except OSError:
            self.close()
            raise
        return connection

    def _is_closed(self) -> bool:
        """Tell whether the server has closed the connection, or speaks out of turn."""
        assert self._socket is not None
        try:
            self._socket.recv(1, MSG_PEEK | MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def _answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read status, headers and body.

        Raises:
            OSError: the connection ended before they were whole.
        """
        status = 100
        while status < 200:
            head = self._until(b"\r\n\r\n", _HEAD_LIMIT_BYTES).decode("latin-1")
            first, *lines = head.split("\r\n")
            try:
                status = int(first[9:12])
            except ValueError:
                raise ConnectionError("the Runtime API does not answer in HTTP") from None
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip(" \t")
        if headers.get("transfer-encoding", "").lower().endswith("chunked"):
            body = self._chunks()
        elif "content-length" in headers:
            body = self._exactly(int(headers["content-length"]))
        elif status == 204:
            body = b""
        else:
            body = self._everything()
        if headers.get("connection", "").lower() == "close":
            self.close()
        return status, headers, body

    def _receive(self) -> bytes:
        assert self._socket is not None
        octets = self._socket.recv(_RECEIVED_BYTES)
        if not octets:
            raise ConnectionResetError("the Runtime API closed the connection")
        return octets

    def _until(self, end: bytes, limit_bytes: int) -> bytes:
        """Read up to an end, which is taken off."""
        rest = self._rest
        while (at := rest.find(end)) < 0:
            if len(rest) > limit_bytes:
                raise ConnectionError("the Runtime API sent a line without an end")
            rest += self._receive()
        self._rest = rest[at + len(end) :]
        return rest[:at]

    def _exactly(self, size_bytes: int) -> bytes:
        rest = self._rest
        if len(rest) >= size_bytes:
            self._rest = rest[size_bytes:]
            return rest[:size_bytes]
        assert self._socket is not None
        body = bytearray(size_bytes)
        body[: len(rest)] = rest
        self._rest = b""
        filled = len(rest)
        with memoryview(body) as view:
            while filled < size_bytes:
                count = self._socket.recv_into(view[filled:])
                if not count:
                    raise ConnectionResetError("the Runtime API closed the connection")
                filled += count
        return bytes(body)

    def _chunks(self) -> bytes:
        chunks = []
        while size_bytes := int(self._until(b"\r\n", _RECEIVED_BYTES).partition(b";")[0], 16):
            chunks.append(self._exactly(size_bytes))
            self._until(b"\r\n", 2)
        # Trailers, which nobody needs, up to an empty line.
        while self._until(b"\r\n", _RECEIVED_BYTES):
            pass
        return b"".join(chunks)

    def _everything(self) -> bytes:
        chunks = [self._rest]
        assert self._socket is not None
        while octets := self._socket.recv(_RECEIVED_BYTES):
            chunks.append(octets)
        self.close()
        return b"".join(chunks)


def _described_as(error_type: str) -> str:
    return f"Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: {error_type}"
