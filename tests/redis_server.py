"""A real Redis of the tests' own: Debian's, installed where it is missing."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import redis

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "redis-server"
START_LIMIT_S = 30


class RedisMissingError(RuntimeError):
    """There is no Redis here, and none could be installed."""


def find_or_install() -> str:
    """Give the path of redis-server, after installing Debian's package if need be.

    Raises:
        RedisMissingError: says what to do by hand.
    """
    if found := shutil.which(PACKAGE):
        return found
    # Several test runs may begin at once, and apt-get update does not wait for another.
    with Path(tempfile.gettempdir(), f"install-{PACKAGE}-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shutil.which(PACKAGE):
            _install()
    if found := shutil.which(PACKAGE):
        return found
    raise RedisMissingError(f"{PACKAGE} was installed but is not on PATH")


def _install() -> None:
    if not shutil.which("apt-get"):
        raise RedisMissingError(
            f"the Celery tests need {PACKAGE} and install it with apt-get, which is not here; "
            f"install Redis another way, so that {PACKAGE} is on PATH"
        )
    install = ["apt-get", "install", "-y", "--no-install-recommends", PACKAGE]
    by_hand = f"run: sudo {' '.join(install)}"
    become = []
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise RedisMissingError(f"the Celery tests need {PACKAGE}; as root {by_hand}")
        become = ["sudo", "-n"]
    for command in (["apt-get", "update"], install):
        done = subprocess.run(
            [*become, "env", "DEBIAN_FRONTEND=noninteractive", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise RedisMissingError(
                f"the Celery tests need {PACKAGE}; {by_hand}\n"
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}"
            )
    if shutil.which("systemctl"):
        # The package starts a service on Redis's own port; the tests start theirs elsewhere.
        subprocess.run(
            [*become, "systemctl", "disable", "--now", PACKAGE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )


@contextmanager
def redis_server(directory: Path) -> Iterator[str]:
    """Run a Redis on a free loopback port that keeps nothing; give its URL."""
    executable = find_or_install()
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
