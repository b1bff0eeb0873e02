"""Snippets of README and docs run as they stand."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slsadapt import gateways, wrap

ROOT = Path(__file__).parent.parent
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
SHOWN = {"dialects": b"told by", "events": b"POST", "invoke": b"200", "replay": b" same"}


@pytest.mark.parametrize("command", commands())
def test_commands_work(command: str) -> None:
    line, _, event_file = command.partition(" < ")
    output = (ROOT / event_file).read_bytes() if event_file else b""
    for part in line.split(" | "):
        words = shlex.split(part)
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=ROOT, input=output, capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
        output = done.stdout
    assert SHOWN[words[1]] in output


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
