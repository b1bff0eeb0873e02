"""A real Redis of the tests' own: Debian's, installed where it is missing."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import redis

from tests.debian import find_or_install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_LIMIT_S = 30


@contextmanager
def redis_server(directory: Path) -> Iterator[str]:
    """Run a Redis on a free loopback port that keeps nothing; give its URL."""
    executable = find_or_install("redis-server")
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        log = directory / f"redis-{port}.log"
        # fmt: off
        server = subprocess.Popen([
            executable, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory),
            "--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", str(log),
        ])
        # fmt: on
        try:
            if _answers(server, port):
                yield f"redis://127.0.0.1:{port}/0"
                return
        finally:
            server.kill()
            server.wait()
    raise RuntimeError(f"redis-server did not start; its log:\n{log.read_text()}")


def _answers(server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the server answers; False where it ended, or another has its port."""
    deadline = time.monotonic() + START_LIMIT_S
    with redis.Redis(host="127.0.0.1", port=port) as client:
        while server.poll() is None and time.monotonic() < deadline:
            try:
                return bool(client.info("server")["process_id"] == server.pid)
            except redis.ConnectionError:
                time.sleep(0.02)
    return False
