"""``slsadapt doctor`` on small functions: what it prints, and with which code it exits."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner, Result

from slsadapt.cli.doctor import doctor

CLEAN = """
def main_handler(event, context):
    return {"statusCode": 200, "body": "hello"}
"""
WRITING = """
def main_handler(event, context):
    if event["path"] == "/log":
        open("log.txt", "w")
    return {"statusCode": 200, "body": "hello"}
"""
UPLOADING = """
from flask import request
main_handler = lambda event, context: {"statusCode": 200, "body": "hello"}
def save():
    return request.files["picture"]
"""


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "90")


def write(name: str, text: str) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return name


def write_event(name: str, path: str) -> str:
    event = {
        "headers": {"host": "1300000000-abc.gz.tencentscf.com"},
        "httpMethod": "GET",
        "path": path,
        "queryString": {},
    }
    return write(name, json.dumps({"source": "a test", "event": event}))


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(doctor, arguments, input=stdin)


def told(result: Result) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(result.stdout)
    return described


def test_failure_is_told_first() -> None:
    write("shop/index.py", WRITING)
    write("shop/key.pem", "-----BEGIN PRIVATE KEY-----\n")
    result = run("shop", write_event("log.json", "/log"))
    assert result.exit_code == 1
    assert result.stdout.startswith(
        dedent("""\
        Fails in the cloud

          writes  index.py:4
            found  log.txt is written by GET /log
            costs  only /tmp can be written: OSError, Read-only file system; the response is a 500
            do     write below tempfile.gettempdir(), which each instance has for itself and
                   loses; what must last belongs in a database or an object store.

        May fail or leak there

          secrets  key.pem
            found  a private key is shipped
        """)
    )
    assert result.stdout.endswith(
        "GET /log was answered with 500\n1 fails in the cloud, 1 may fail or leak there\n"
    )
    assert not Path("shop/log.txt").exists()


def test_lines_end_where_words_do() -> None:
    write("shop/index.py", UPLOADING)
    result = run("shop", write_event("log.json", "/log"))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert all(line == line.rstrip() for line in lines)
    assert max(map(len, lines)) <= 90


def test_json() -> None:
    write("shop/index.py", UPLOADING)
    result = run("shop", write_event("get.json", "/"), "--for", "scf-py3.10", "--json")
    assert result.exit_code == 0
    (uploads,) = [each for each in told(result)["findings"] if each["check"] == "uploads"]
    assert uploads == {
        "check": "uploads",
        "severity": "costly",
        "where": ["index.py:5"],
        "found": "clients upload files through the function (request.files)",
        "costs": "at most 4.5 MiB (Tencent) per request, and larger files are refused before the "
        "function is called; all of it is in memory, as base64 and as octets",
        "advice": "let clients upload to COS themselves, with a presigned URL that the function "
        "gives them.",
        "cost_ms": 0.0,
        "cost_bytes": 0,
    }
    assert told(result)["counts"] == {"fails": 0, "risk": 0, "slow": 1, "costly": 1}
    assert told(result)["notes"] == []


def test_nothing_found() -> None:
    with zipfile.ZipFile("shop.zip", "w") as package:
        package.writestr("index.py", CLEAN)
        package.writestr("_slsadapt.bundle", "")
    result = run("shop.zip")
    assert (result.exit_code, result.stdout) == (0, "nothing found\n")


def test_events_of_the_folder_are_answered_unless_others_are_named() -> None:
    write("shop/index.py", WRITING)
    assert run("shop").exit_code == 0
    event = write_event("shop/events/log.json", "/log")
    assert run("shop").exit_code == 1
    assert run("shop", write_event("get.json", "/")).exit_code == 0
    assert run("shop", "-", stdin=Path(event).read_text(encoding="utf-8")).exit_code == 1
    assert run("shop", "shop/events").exit_code == 1


def test_application() -> None:
    write(
        "shop.py",
        """
        def app(environ, start_response):
            open("log.txt", "w")
        """,
    )
    result = run("shop:app", "--json")
    assert result.exit_code == 1
    (finding,) = [each for each in told(result)["findings"] if each["check"] == "writes"]
    assert finding["where"] == ["shop.py:3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["nothing"], "TARGET must be a folder, a .py file or", id="no target"),
        pytest.param(["nothing.py:app"], "there is no file 'nothing.py'", id="no file"),
        pytest.param(["nothing.zip"], "nothing.zip must be a folder or a package", id="no package"),
        pytest.param(["shop", "no.json"], "'no.json' does not exist", id="no event"),
        pytest.param(["shop", "shop/index.py"], "no JSON", id="no JSON"),
        pytest.param(
            ["shop", "--for", "lambda-py2"], "no runtime is called 'lambda-py2'", id="no runtime"
        ),
        pytest.param(["linked"], "links to", id="link that leaves the folder"),
    ],
)
def test_mistakes(arguments: list[str], message: str) -> None:
    write("shop/index.py", CLEAN)
    write("linked/index.py", CLEAN)
    Path("linked/shop").symlink_to(Path("shop").resolve())
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_as_a_user_does() -> None:
    write("shop/index.py", WRITING)
    command = [sys.executable, "-m", "slsadapt", "doctor", "shop", write_event("a.json", "/log")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("Fails in the cloud\n\n  writes  index.py:4\n")
    assert done.stderr == ""
