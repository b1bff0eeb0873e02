"""The client of the Runtime API, octet by octet."""

from __future__ import annotations

import select
import socket
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import pytest

import slsadapt
from slsadapt.runtime.client import Client, Invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Script = Callable[[socket.socket], None]

pytestmark = pytest.mark.once

WAIT_S = 30
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"Lambda-Runtime-Aws-Request-Id: id-1\r\nLambda-Runtime-Deadline-Ms: 1700000000123\r\n"
)
NEXT = HEAD + b'Content-Length: 8\r\n\r\n{"n": 1}'
ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Length: 15\r\n\r\n{"status":"OK"}'


class Server:
    """Speaks by scripts, one a connection; keeps what it got."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(WAIT_S)
        self.address = "{}:{}".format(*self._listener.getsockname())
        self.error: BaseException | None = None
        self._thread = Thread(target=self._serve)

    def _serve(self) -> None:
        try:
            for script in self._scripts:
                connection, _ = self._listener.accept()
                with connection:
                    connection.settimeout(WAIT_S)
                    script(connection)
        except BaseException as error:
            self.error = error

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join()
        self._listener.close()
        if self.error is not None and error[0] is None:
            raise self.error


@contextmanager
def client_of(server: Server) -> Iterator[Client]:
    client = Client(server.address)
    try:
        yield client
    finally:
        client.close()


def read_request(connection: socket.socket) -> bytes:
    """Read one request, with its body."""
    octets = b""
    while b"\r\n\r\n" not in octets:
        received = connection.recv(65536)
        if not received:
            return octets
        octets += received
    head, _, body = octets.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.startswith(b"Content-Length: "):
            while len(body) < int(line[16:]):
                body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def sending(*answers: bytes) -> Script:
    """Give a script that answers requests one after the other, and closes then."""

    def script(connection: socket.socket) -> None:
        for answer in answers:
            assert read_request(connection)
            connection.sendall(answer)

    return script


def invocation(**headers: str) -> Invocation:
    return Invocation({"lambda-runtime-aws-request-id": "id-1", **headers}, b"")


def test_requests_are_as_the_api_has_them() -> None:
    seen = []

    def script(connection: socket.socket) -> None:
        for answer in (NEXT, ACCEPTED, ACCEPTED, ACCEPTED):
            seen.append(read_request(connection))
            connection.sendall(answer)

    with Server(script) as server, client_of(server) as client:
        given = client.next()
        assert client.respond(given, b'"\xc3\xa9"') == 202
        assert client.fail(given, b"{}", "Runtime.MarshalError") == 202
        assert client.fail_init(b"{}", "ValueError") == 202
    assert (given.payload, given.request_id) == (b'{"n": 1}', "id-1")
    assert given.deadline_ms == 1700000000123
    common = (
        f"HTTP/1.1\r\nHost: {server.address}\r\nUser-Agent: slsadapt/{slsadapt.__version__}\r\n"
    )
    assert [each.decode() for each in seen] == [
        f"GET /2018-06-01/runtime/invocation/next {common}\r\n",
        f"POST /2018-06-01/runtime/invocation/id-1/response {common}"
        'Content-Type: application/json\r\nContent-Length: 4\r\n\r\n"é"',
        f"POST /2018-06-01/runtime/invocation/id-1/error {common}"
        "Content-Type: application/json\r\n"
        "Lambda-Runtime-Function-Error-Type: Runtime.MarshalError\r\nContent-Length: 2\r\n\r\n{}",
        f"POST /2018-06-01/runtime/init/error {common}"
        "Content-Type: application/json\r\n"
        "Lambda-Runtime-Function-Error-Type: ValueError\r\nContent-Length: 2\r\n\r\n{}",
    ]


def test_invocation_id_of_managed_instances_comes_back() -> None:
    seen = []

    def script(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(ACCEPTED)

    with Server(script) as server, client_of(server) as client:
        client.respond(invocation(**{"lambda-runtime-invocation-id": "inv-9"}), b"1")
    assert b"\r\nLambda-Runtime-Invocation-Id: inv-9\r\n" in seen[0]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(NEXT, id="length"),
        pytest.param(
            HEAD + b'Transfer-Encoding: chunked\r\n\r\n3\r\n{"n\r\n5;a=b\r\n": 1}\r\n0\r\n\r\n',
            id="chunks",
        ),
        pytest.param(
            HEAD + b'Transfer-Encoding: Chunked\r\n\r\n8\r\n{"n": 1}\r\n0\r\nX-Sum: 1\r\n\r\n',
            id="chunks with trailers",
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + NEXT, id="interim answer"),
        pytest.param(HEAD + b'\r\n{"n": 1}', id="up to the end"),
        pytest.param(HEAD.lower().replace(b"http", b"HTTP") + NEXT[len(HEAD) :], id="lower case"),
    ],
)
@pytest.mark.parametrize("piece_bytes", [1, 7, 10_000])
def test_answer_is_read_whatever_its_framing(answer: bytes, piece_bytes: int) -> None:
    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        read_request(connection)
        for start in range(0, len(answer), piece_bytes):
            connection.sendall(answer[start : start + piece_bytes])

    with Server(script) as server, client_of(server) as client:
        given = client.next()
    assert given.payload == b'{"n": 1}'
    assert given.headers["content-type"] == "application/json"


def test_large_event_arrives_whole() -> None:
    body = bytes(range(256)) * 40_000
    answer = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with Server(sending(answer, NEXT)) as server, client_of(server) as client:
        assert client.next().payload == body
        assert client.next().payload == b'{"n": 1}'


@pytest.mark.parametrize("status", [403, 500, 204])
def test_next_that_is_not_200_is_an_error(status: int) -> None:
    refusal = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status
    with (
        Server(sending(refusal)) as server,
        client_of(server) as client,
        pytest.raises(ConnectionError, match=f"invocation/next: expected 200, got {status}"),
    ):
        client.next()


def test_nobody_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "{}:{}".format(*listener.getsockname())
    with pytest.raises(ConnectionRefusedError):
        Client(address).next()


def test_what_is_no_http_is_an_error() -> None:
    with (
        Server(sending(b"SSH-2.0-OpenSSH\r\n\r\n")) as server,
        client_of(server) as client,
        pytest.raises(ConnectionError, match="does not answer in HTTP"),
    ):
        client.next()


def test_next_is_asked_again_where_an_idle_connection_was_closed() -> None:
    with Server(sending(NEXT), sending(NEXT)) as server, client_of(server) as client:
        assert client.next().request_id == "id-1"
        assert client.next().request_id == "id-1"


def test_connection_that_the_server_ends_is_not_used_again() -> None:
    closing = ACCEPTED.replace(b"Content-Length", b"Connection: Close\r\nContent-Length")
    with Server(sending(closing), sending(NEXT)) as server, client_of(server) as client:
        client.respond(invocation(), b"1")
        assert client.next().request_id == "id-1"


def test_response_goes_to_a_new_connection_where_the_idle_one_was_closed() -> None:
    with Server(sending(NEXT), sending(ACCEPTED)) as server, client_of(server) as client:
        given = client.next()
        # Readable as soon as its end has come.
        assert client._socket is not None
        assert select.select([client._socket], [], [], WAIT_S)[0]
        assert client.respond(given, b"1") == 202


def test_response_that_may_have_arrived_is_not_sent_twice() -> None:
    seen = []

    def swallow(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(NEXT)
        seen.append(read_request(connection))

    with Server(swallow) as server, client_of(server) as client:
        given = client.next()
        with pytest.raises(OSError, match=r"closed the connection|reset"):
            client.respond(given, b"1")
        # A second connection would be waiting to be accepted.
        server._listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            server._listener.accept()
    assert len(seen) == 1


def test_address_may_be_a_name_or_of_the_sixth_version() -> None:
    with Server(sending(NEXT)) as server:
        client = Client(server.address.replace("127.0.0.1", "localhost"))
        assert client.next().request_id == "id-1"
        client.close()
    assert Client("[::1]:9001")._address == ("::1", 9001)
