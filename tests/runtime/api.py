"""A Lambda Runtime API that remembers what it is told, and the processes that use it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

import slsadapt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WAIT_S = 30
DEADLINE_MS = 4_102_444_800_000  # the year 2100
PREFIX = "/2018-06-01/runtime"


class Told(NamedTuple):
    """A request of the instance's, other than for an event."""

    path: str
    headers: dict[str, str]
    body: bytes


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        # A killed instance resets its connections.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # as it came


class Api:
    """Give events to one instance, and keep what it answers, in order."""

    def __init__(self) -> None:
        self._events: SimpleQueue[tuple[dict[str, str], bytes] | None] = SimpleQueue()
        self._told: SimpleQueue[Told] = SimpleQueue()
        # What the next posts are answered with, 202 where nothing is said.
        self.statuses: list[int] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert self.path == f"{PREFIX}/invocation/next"
                event = api._events.get()
                if event is None:
                    self.close_connection = True
                else:
                    self._send(200, *event)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = api.statuses.pop(0) if api.statuses else 202
                self._send(status, {"Content-Type": "application/json"}, b'{"status":"OK"}\n')
                api._told.put(Told(self.path.removeprefix(PREFIX), headers, body))

            def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))

    def give(self, payload: bytes, request_id: str = "id-1", **headers: str) -> None:
        """Have an event ready."""
        event = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(DEADLINE_MS),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:1:function:orders",
        }
        event |= {name.replace("_", "-"): value for name, value in headers.items()}
        self._events.put((event, payload))

    def answer(self) -> Told:
        """Wait for what the instance tells next."""
        return self._told.get(timeout=WAIT_S)

    def end(self, connections: int = 1) -> None:
        """Close connections that ask for an event."""
        for _ in range(connections):
            self._events.put(None)

    def __enter__(self) -> Api:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def started(
    api: Api, command: Sequence[str], folder: Path, **environ: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run an instance in a folder, and kill it at the end if it still runs."""
    names = ("AWS_", "_HANDLER", "LAMBDA_", "SLSADAPT_", "PYTEST_", "COV_", "_X_AMZN")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    kept |= {
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "PYTHONPATH": str(Path(slsadapt.__file__).parent.parent),
    }
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=kept | environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
