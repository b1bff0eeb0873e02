"""``slsadapt package`` on a small project, built, verified, explained and refused."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from slsadapt import gateways
from slsadapt.cli.package import package
from slsadapt.message import Request

pytestmark = pytest.mark.once

RUNTIME = f"lambda-py3.{sys.version_info.minor}"
INDEX = """
from slsadapt import wrap

def app(environ, start_response):
    if environ["PATH_INFO"] == "/boom":
        raise RuntimeError("out of stock")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]

main_handler = wrap(app)
"""

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("shop").mkdir()
    Path("shop/index.py").write_text(INDEX)
    Path("shop/requirements.txt").write_text("slsadapt\nitsdangerous\n")
    for name in ("fine", "boom"):
        event = gateways.load("aws_http").encode_event(Request("GET", f"/{name}"))
        Path(f"{name}.json").write_text(json.dumps(event))

    def invoke(*arguments: str, code: int = 0) -> Result:
        result = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(package, arguments)
        assert result.exit_code == code, result.output
        return result

    return invoke


def test_a_package_is_built_beside_its_template_and_proved(run: Run) -> None:
    result = run("shop", "--for", RUNTIME, "--verify", "--explain-size")
    with zipfile.ZipFile("build/app.zip") as archive:
        names = archive.namelist()
    assert {"index.py", "slsadapt/handler.py", "itsdangerous/__init__.py"} <= {*names}
    assert "Handler: index.main_handler" in Path("build/template.yaml").read_text()
    assert "template.yaml  written" in result.output
    assert "verified  200 after" in result.output
    assert "none compiled from source" in result.output
    assert "itsdangerous 2" in result.output


def test_a_second_build_is_the_same_and_keeps_the_template(run: Run) -> None:
    run("shop", "--for", RUNTIME)
    first = Path("build/app.zip").read_bytes()
    Path("build/template.yaml").write_text("# mine\n")
    result = run("shop", "--for", RUNTIME)
    assert Path("build/app.zip").read_bytes() == first
    assert Path("build/template.yaml").read_text() == "# mine\n"
    assert "template.yaml  kept as it is" in result.output


def test_a_bundle_and_a_layer_run_together(run: Run) -> None:
    words = ("--layer", "--bundle", "--verify", "--event", "fine.json", "-o", "out/shop.zip")
    result = run("shop", "--for", RUNTIME, *words)
    assert Path("out/shop-layer.zip").is_file()
    assert "from the bundle" in result.output


def test_a_package_that_fails_is_not_verified(run: Run) -> None:
    result = run("shop", "--for", RUNTIME, "--verify", "--event", "boom.json", code=1)
    assert "not verified  event 0: the function answered 500" in result.output


def test_name_memory_and_timeout_land_in_the_template(run: Run) -> None:
    run("shop", "--for", RUNTIME, "--name", "orders", "--memory", "512", "--timeout", "7")
    template = Path("build/template.yaml").read_text()
    assert "Description: orders" in template
    assert "MemorySize: 512" in template
    assert "Timeout: 7" in template


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(("shop", "--for", "lambda-py2.7"), 1, "no runtime is called", id="runtime"),
        pytest.param((".", "--for", RUNTIME), 1, "index.py", id="no entry"),
        pytest.param(("shop", "--for", RUNTIME, "--memory", "64"), 1, "memory from", id="memory"),
        pytest.param(
            ("shop", "--for", RUNTIME, "--event", "fine.json"), 2, "add --verify", id="event"
        ),
        pytest.param(("shop",), 2, "--for", id="no runtime"),
    ],
)
def test_mistakes_are_told(run: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    assert message in run(*arguments, code=code).output
