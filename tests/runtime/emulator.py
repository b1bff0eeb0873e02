"""AWS's own Runtime Interface Emulator, out of the package that carries it on PyPI."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import slsadapt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGE = "aws-sam-cli==1.170.0"
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}
INVOKE = "/2015-03-31/functions/function/invocations"
WAIT_S = 60


class Answer(NamedTuple):
    """What the emulator answers whoever invokes."""

    status: int
    body: Any


def find_emulator() -> Path:
    """Give the executable, downloaded once for all tests of this machine."""
    name = f"aws-lambda-rie-{ARCHITECTURES[platform.machine()]}"
    folder = Path(tempfile.gettempdir()) / f"slsadapt-tests-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    executable = folder / f"{PACKAGE.replace('==', '-')}-{name}"
    with (folder / "emulator.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not executable.exists():
            with tempfile.TemporaryDirectory(dir=folder) as download:
                pip = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", download]
                subprocess.run([*pip, PACKAGE], check=True, capture_output=True)
                (wheel,) = Path(download).glob("*.whl")
                whole = Path(download) / name
                with zipfile.ZipFile(wheel) as archive:
                    whole.write_bytes(archive.read(f"samcli/local/rapid/{name}"))
                whole.chmod(0o755)
                whole.rename(executable)
    return executable


class Emulator:
    """A running emulator."""

    def __init__(self, address: str) -> None:
        self._address = address

    def invoke(self, event: object, **headers: str) -> Answer:
        """Send an event; give status and body, which is decoded where it is JSON."""
        request = urllib.request.Request(
            f"http://{self._address}{INVOKE}", json.dumps(event).encode(), headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as response:
                status, body = response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                status, body = error.code, error.read()
        try:
            return Answer(status, json.loads(body))
        except ValueError:
            return Answer(status, body.decode())


@contextmanager
def emulating(
    executable: Path, command: Sequence[str], folder: Path, log: Path, **environ: str
) -> Iterator[Emulator]:
    """Run a runtime under the emulator, on free ports of the loopback interface."""
    addresses = []
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        addresses = ["{}:{}".format(*each.getsockname()) for each in (one, other)]
    own = {
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "10",
        "PYTHONPATH": str(Path(slsadapt.__file__).parent.parent),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with log.open("wb") as written:
        process = subprocess.Popen(
            [
                executable,
                "--runtime-interface-emulator-address",
                addresses[0],
                "--runtime-api-address",
                addresses[1],
                *command,
            ],
            cwd=folder,
            env=kept | own | environ,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(process, addresses[0])
            yield Emulator(addresses[0])
        finally:
            # It ends its runtime, which a kill would leave behind.
            process.terminate()
            try:
                process.wait(WAIT_S)
            finally:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], address: str) -> None:
    host, port = address.split(":")
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the emulator ended with {process.returncode}")
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("the emulator did not start")
