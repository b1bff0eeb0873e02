"""Run each sample as a cloud does: in a process of its own, events in, results out.

A child process also keeps Django's one-time settings away from other tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest

import slsadapt

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "samples"

# The samples themselves run without warnings. jieba 0.42 has loose escapes, which warn
# differently from Python to Python, and imports pkg_resources.
IGNORED = ["ignore:invalid escape sequence", "ignore::SyntaxWarning", "ignore:::jieba._compat"]
WARNINGS = [f"-W{action}" for action in ["error", *IGNORED]]


class Reply(NamedTuple):
    """What the client receives for a result, by the vendors' documentation."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def of(cls, result: dict[str, Any]) -> Reply:
        """Read a result of Tencent's API gateway or of AWS."""
        fields = (result.get("headers") or {}) | (result.get("multiValueHeaders") or {})
        headers = [
            (name.lower(), each)
            for name, value in fields.items()
            for each in (value if isinstance(value, list) else [value])
        ]
        headers += [("set-cookie", cookie) for cookie in result.get("cookies") or []]
        body = result["body"]
        octets = b64decode(body) if result["isBase64Encoded"] else body.encode()
        return cls(result["statusCode"], headers, octets)

    def header(self, name: str) -> str:
        """Return the value of a header that came exactly once."""
        [value] = [value for key, value in self.headers if key == name]
        return value

    @property
    def cookies(self) -> dict[str, str]:
        """Return the cookies that were set."""
        jar = SimpleCookie()
        for name, value in self.headers:
            if name == "set-cookie":
                jar.load(value)
        return {name: morsel.value for name, morsel in jar.items()}

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """Return the body parsed as JSON."""
        return json.loads(self.body)


class Sample(NamedTuple):
    """A running sample."""

    folder: Path
    temporary: Path
    files: set[Path]
    events: IO[str]
    results: IO[str]

    def event(self, name: str) -> Any:
        """Read one of the sample's own events."""
        return json.loads((self.folder / "events" / f"{name}.json").read_text(encoding="utf-8"))

    def invoke(self, event: dict[str, Any]) -> Reply:
        """Send ``event`` to the handler."""
        print(json.dumps(event), file=self.events, flush=True)
        return Reply.of(json.loads(self.results.readline()))


@contextmanager
def run_sample(name: str, temporary: Path) -> Iterator[Sample]:
    """Start the sample ``name``, which finds its temporary directory at ``temporary``."""
    folder = SAMPLES / name
    files = set(folder.rglob("*"))
    environment = os.environ | {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(Path(slsadapt.__file__).parents[1]),
        "TMPDIR": str(temporary),
    }
    with subprocess.Popen(
        [sys.executable, *WARNINGS, HERE / "host.py", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=temporary,
        env=environment,
        text=True,
    ) as child:
        assert child.stdin
        assert child.stdout
        yield Sample(folder, temporary, files, child.stdin, child.stdout)


@pytest.fixture(scope="session")
def flask_sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    """Run the Flask sample."""
    with run_sample("flask_app", tmp_path_factory.mktemp("flask")) as sample:
        yield sample


@pytest.fixture(scope="session")
def django_sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    """Run the Django sample, with an empty temporary directory to begin with."""
    with run_sample("django_app", tmp_path_factory.mktemp("django")) as sample:
        yield sample
