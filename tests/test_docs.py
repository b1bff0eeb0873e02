"""Snippets of README and docs run as they stand."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from slsadapt import gateways, wrap
from slsadapt.message import Request

ROOT = Path(__file__).parent.parent
RUNTIME = f"lambda-py3.{sys.version_info.minor}"
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    return [
        line.removeprefix("$ ").partition("  #")[0]
        for page in PAGES
        for block in blocks(page, "console")
        for line in block.splitlines()
        if line.startswith("$ slsadapt ")
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_snippets_run(page: Path) -> None:
    # In a process of its own: some set up logging, or connect signals.
    code = "\n".join(blocks(page, "python"))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_first_snippet_answers_an_event(event: Any) -> None:
    namespace: dict[str, Any] = {"__name__": "snippet"}
    exec(blocks(ROOT / "README.md", "python")[0], namespace)
    sent = event("tencent_function_url/get_minimal") | {"path": "/hello/%E4%B8%96%E7%95%8C"}
    sent["queryString"] = {"word": ["a", "b"]}
    result = namespace["main_handler"](sent, {})
    assert result["statusCode"] == 200
    assert result["body"] == '{"hello":"\\u4e16\\u754c","words":["a","b"]}\n'


# What stands in the output of each subcommand that works.
SHOWN = {
    "bench all": b"one server",
    "bench burst": b"one server",
    "bench cold": b"interpreter",
    "bench compare": b"application",
    "bench imports": b"ran",
    "bench memory": b"MiB",
    "bench warm": b"p99",
    "dialects": b"told by",
    "doctor": b"costs",
    "events": b"POST",
    "invoke": b"200",
    "package": b"extracted",
    "replay": b" same",
}
# What makes measurements short; the last of two equal options counts.
SHORT = {
    "bench all": ["--rounds", "1"],
    "bench burst": ["-n", "5", "--rounds", "1"],
    "bench cold": ["--rounds", "1"],
    "bench compare": ["--rounds", "6", "--fail-above", "900%"],
    "bench imports": ["--rounds", "1"],
    "bench memory": ["--rounds", "1"],
    "bench warm": ["-n", "50", "--rounds", "1"],
    # A page of the docs has it on the port that everybody has.
    "serve": ["--port", "0", "--invoke-port", "0"],
}
CHAT = "def main_handler(event, context):\n    return {'statusCode': 200}\n"
INDEX = "from shop import app\n\nfrom slsadapt import wrap\n\nmain_handler = wrap(app)\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as readers may have it: the samples, and a shop of their own."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "samples", folder / "samples")
    (folder / "shop.py").write_text(blocks(ROOT / "README.md", "python")[0])
    (folder / "index.py").write_text(INDEX)
    (folder / "chat.py").write_text(CHAT)
    (folder / "requirements.txt").write_text("slsadapt\nflask\n")
    request = Request("GET", "/hello/Ada", "", (("host", "localhost"),))
    event = json.dumps(gateways.load("aws_http").encode_event(request))
    (folder / "events").mkdir()
    for name in ("event.json", "events/hello.json"):
        (folder / name).write_text(event)
    for name in ("old.zip", "new.zip"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("index.py", "def main_handler(event, context):\n    return 'hello'\n")
    cold = ["bench", "cold", "shop:app", "event.json", "--rounds", "6", "--json", "before.json"]
    bench = ["bench", "imports", "shop:app", "events", "--rounds", "1", "--json", "imports.json"]
    for words in (cold, bench):
        subprocess.run([sys.executable, "-m", "slsadapt", *words], cwd=folder, check=True)
    before = json.loads((folder / "before.json").read_text())
    before["imports"] = json.loads((folder / "imports.json").read_text())["imports"]
    (folder / "before.json").write_text(json.dumps(before))
    shutil.copy(folder / "before.json", folder / "now.json")
    (folder / "cassettes").mkdir()
    record = ["serve", "shop:app", "--record", "cassettes"]
    with serving(folder, [sys.executable, "-m", "slsadapt", *record, *SHORT["serve"]]) as told:
        urlopen(told["url"].rstrip("/") + "/hello/Ada").close()
    (folder / "build").mkdir()
    shutil.copy(folder / "new.zip", folder / "build" / "app.zip")
    return folder


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


@contextmanager
def serving(folder: Path, words: list[str]) -> Iterator[dict[str, Any]]:
    """Run a command that serves until it is told to stop, and tell where it does."""
    with subprocess.Popen(
        [*words, "--json-logs"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield json.loads(line)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
    assert process.returncode == 0, line.decode()


@pytest.mark.once
@pytest.mark.parametrize("command", dict.fromkeys(commands()))
def test_commands_work(command: str, project: Path) -> None:
    words = shlex.split(command)
    if words[1] == "serve":
        words = [sys.executable, "-m", *words, *SHORT["serve"]]
        if "--debug-port" in words:
            words[words.index("--debug-port") + 1] = free_port()
        with serving(project, words) as told:
            assert told["url"].startswith("http://127.0.0.1:")
        return
    if words[1] == "trigger":
        target = ["serve", "chat.py:main_handler", *SHORT["serve"]]
        with serving(project, [sys.executable, "-m", "slsadapt", *target]) as told:
            words = [sys.executable, "-m", *words, "--url", told["invoke"]]
            done = subprocess.run(words, cwd=project, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        assert b"200" in done.stdout
        return
    line, _, event_file = command.partition(" < ")
    output = (project / event_file).read_bytes() if event_file else b""
    name = ""
    for part in line.split(" | "):
        # Packages are compiled by the Python that is here.
        words = shlex.split(re.sub(r"--for \S+", f"--for {RUNTIME}", part))
        name = " ".join(words[1:3]) if words[1] == "bench" else words[1]
        done = subprocess.run(
            [sys.executable, "-m", *words, *SHORT.get(name, ())],
            cwd=project,
            input=output,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode()
        output = done.stdout
    assert SHOWN[name] in output


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_readme_lists_what_the_command_lists(page: str) -> None:
    command = [sys.executable, "-m", "slsadapt", "dialects", "--json"]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / page).read_text(), re.MULTILINE)
    assert sorted(rows) == sorted((each["name"], each["gateway"]) for each in listed)
    assert {name for name, _ in rows} >= {*gateways.NAMES}


@pytest.mark.parametrize("language", ["python", "console"])
def test_readme_in_chinese_has_the_same_code(language: str) -> None:
    english, chinese = (blocks(ROOT / page, language) for page in ("README.md", "README.zh-CN.md"))
    assert english
    assert chinese == english


def test_guide_lists_every_option() -> None:
    section = (ROOT / "docs" / "guide.md").read_text().partition("## What the")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert rows == list(wrap.__kwdefaults__ or ())


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
