"""``slsadapt bench`` on a small application: every command, its files and its mistakes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from slsadapt import gateways
from slsadapt.bench.report import read_report
from slsadapt.cli.bench import bench
from slsadapt.message import Request

pytestmark = pytest.mark.once

SHOP = """
import helper

def app(environ, start_response):
    if environ["PATH_INFO"] == "/boom":
        raise RuntimeError("out of stock")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""
INDEX = """
from shop import app
from slsadapt import wrap

main_handler = wrap(app)
"""

# Long enough to be worth a line.
HELPER = """
import time

time.sleep(0.05)


def unused():
    return 1
"""

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.py").write_text(SHOP)
    (folder / "index.py").write_text(INDEX)
    (folder / "helper.py").write_text(HELPER)
    monkeypatch.chdir(folder)
    write_event(folder / "boom.json", "/boom")
    (folder / "events").mkdir()
    write_event(folder / "events" / "a.json", "/a")
    write_event(folder / "events" / "b.json", "/b", "page=2")
    write_event(folder / "events" / "c.json", "/b", "page=3")
    return folder


def write_event(file: Path, path: str, query: str = "") -> None:
    request = Request("GET", path, query, (("host", "localhost"),))
    file.write_text(json.dumps(gateways.load("aws_http").encode_event(request)))


@pytest.fixture
def run(folder: Path) -> Run:
    def invoke(*arguments: str, code: int = 0) -> Result:
        result = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(bench, arguments)
        assert result.exit_code == code, result.output
        return result

    return invoke


def test_cold_compares_states_and_writes_all_three_files(run: Run, folder: Path) -> None:
    result = run(
        *("cold", ".", "events/a.json", "--rounds", "2"),
        *("--bytecode", "found", "--bytecode", "none", "--cpu", "any"),
        *("--json", "out/cold.json", "--html", "cold.html", "--png", "cold.png"),
    )
    assert "GET /a" in result.output
    for word in ("interpreter", "adapter", "application", "response", "cold / warm", "modules"):
        assert word in result.output
    # The state matrix: found bytecode is counted, the rest is said.
    assert "as found:" in result.output
    assert "page cache" in result.output
    report = read_report(folder / "out" / "cold.json")
    assert [cell["name"] for cell in report["cold"]] == ["spawn", "spawn, no bytecode"]
    assert [len(cell["samples"]) for cell in report["cold"]] == [2, 2]
    assert report["cold"][0]["state"]["adapter"] == "slsadapt"
    assert report["target"] == "."
    assert report["events"] == ["GET /a"]
    assert "<html" in (folder / "cold.html").read_text()
    assert (folder / "cold.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("columns", [80, 120])
def test_no_number_is_cut_on_a_narrow_terminal(folder: Path, columns: int) -> None:
    arguments = ["cold", "shop:app", "--rounds", "6", "--gc", "on", "--gc", "deferred"]
    environment = {"COLUMNS": str(columns), "NO_COLOR": "1"}
    output = CliRunner(env=environment).invoke(bench, arguments).output
    assert "interpreter" in output
    assert "cold / warm" in output
    assert "…" not in output


def test_without_an_event_the_first_page_is_asked_for(run: Run) -> None:
    assert "GET /" in run("cold", "shop:app", "--rounds", "1").output


def test_warm_compares_adapters(run: Run) -> None:
    result = run(
        *("warm", "shop:app", "-n", "40", "--rounds", "2"),
        *("--adapter", "slsadapt", "--adapter", "slsadapt", "--gc", "on", "--gc", "off"),
    )
    assert "µs, n = 40" in result.output
    # p99 of forty calls would be their maximum.
    assert "n < 1000" in result.output


def test_an_adapter_takes_applications_only(run: Run) -> None:
    result = run("warm", ".", "--adapter", "mangum", code=2)
    assert "--adapter wraps applications, and main_handler is a function already" in result.output


def test_burst_tells_three_arrangements(run: Run) -> None:
    output = run("burst", "shop:app", "-n", "5", "--rounds", "1").output
    for arrangement in ("cold pool", "warm pool", "one server"):
        assert arrangement in output
    assert "modelled" in output


def test_imports_tell_what_nothing_used(run: Run, folder: Path) -> None:
    output = run("imports", "shop:app", "events", "--rounds", "1", "--json", "now.json").output
    assert "helper" in output
    modules = {
        each["name"]: each for each in read_report(folder / "now.json")["imports"]["modules"]
    }
    assert modules["helper"]["used"] is False
    assert modules["shop"]["used"] is True


def test_imports_are_compared_with_a_report(run: Run, folder: Path) -> None:
    run("imports", "shop:app", "--rounds", "1", "--json", "before.json")
    (folder / "extra.py").write_text("x = 1\n")
    (folder / "shop.py").write_text("import extra\n" + SHOP)
    output = run("imports", "shop:app", "--rounds", "1", "--diff", "before.json").output
    assert "extra" in output
    assert "1 added" in output


def test_a_report_without_imports_is_no_base(run: Run) -> None:
    run("cold", "shop:app", "--rounds", "1", "--json", "cold.json")
    result = run("imports", "shop:app", "--diff", "cold.json", code=2)
    assert "cold.json has no imports" in result.output


def test_memory_is_told_by_route(run: Run, folder: Path) -> None:
    run("memory", "shop:app", "events", "--rounds", "1", "--json", "now.json")
    memory = read_report(folder / "now.json")["memory"]
    names = [route["name"] for route in memory["routes"]]
    # Two events of one route are told apart by their queries.
    assert names == ["GET /a", "GET /b", "GET /b?page=3"]
    assert all(len(route["together_kib"]) == 1 for route in memory["routes"])


def test_all_measures_everything(run: Run, folder: Path) -> None:
    run("all", "shop:app", "events", "--rounds", "1", "--json", "all.json", "--html", "all.html")
    report = read_report(folder / "all.json")
    assert {"cold", "warm", "burst", "imports", "memory"} <= report.keys()
    assert [cell["name"] for cell in report["cold"]] == [
        "spawn",
        "spawn, valid bytecode",
        "spawn, no bytecode",
        "fork",
    ]


def test_a_package_runs_with_nothing_but_itself(run: Run, folder: Path) -> None:
    with zipfile.ZipFile("app.zip", "w") as archive:
        archive.writestr(
            "index.py", "import flask\ndef main_handler(event, context):\n    return 1\n"
        )
    # Flask is installed here, and not in the package.
    result = run("cold", "app.zip", "--rounds", "1", code=1)
    assert "No module named 'flask'" in result.output


def test_a_zip_without_an_entry_is_no_package(run: Run) -> None:
    with zipfile.ZipFile("app.zip", "w") as archive:
        archive.writestr("other.py", "")
    assert "app.zip has no index.py at its root" in run("cold", "app.zip", code=2).output


def test_what_fails_is_told_and_not_measured(run: Run) -> None:
    result = run("cold", "shop:app", "boom.json", code=1)
    assert "shop:app answered the event with 500" in result.output
    assert "RuntimeError: out of stock" in result.output


def test_one_state_is_enough_for_a_burst(run: Run) -> None:
    result = run("burst", "shop:app", "--gc", "on", "--gc", "off", code=2)
    assert "'bench burst' measures one state" in result.output


@pytest.mark.parametrize("command", ["burst", "memory"])
def test_bytecode_is_no_option_where_it_would_be_ignored(run: Run, command: str) -> None:
    assert "No such option" in run(command, "shop:app", "--bytecode", "none", code=2).output


def test_a_report_that_cannot_be_written_is_named(run: Run, folder: Path) -> None:
    (folder / "taken").write_text("")
    result = run("cold", "shop:app", "--rounds", "1", "--json", "taken/cold.json", code=1)
    assert "taken" in result.output


def test_a_wrong_processor_is_refused(run: Run) -> None:
    assert (
        "'last' or 'any'; got 'first'" in run("cold", "shop:app", "--cpu", "first", code=2).output
    )


def test_reports_are_compared(run: Run) -> None:
    run("cold", "shop:app", "--rounds", "6", "--json", "a.json")
    output = run("compare", "a.json", "a.json", "--fail-above", "0%").output
    assert "no difference shown" in output


def test_a_slower_report_exits_with_1_only_above_the_limit(run: Run, folder: Path) -> None:
    run("cold", "shop:app", "--rounds", "6", "--json", "a.json")
    report = json.loads((folder / "a.json").read_text())
    for cell in report["cold"]:
        for sample in cell["samples"]:
            for phase in ("interpreter", "adapter", "application", "response", "total"):
                sample[f"{phase}_ms"] *= 3
    (folder / "b.json").write_text(json.dumps(report))
    assert "slower" in run("compare", "a.json", "b.json", "--fail-above", "10%", code=1).output
    run("compare", "a.json", "b.json")
    run("compare", "a.json", "b.json", "--fail-above", "900%")
    run("compare", "b.json", "a.json", "--fail-above", "0%")


def test_each_function_starts_with_the_adapter_that_it_uses(run: Run, folder: Path) -> None:
    (folder / "bare.py").write_text(
        "def main_handler(event, context):\n    return {'statusCode': 200, 'body': 'hello'}\n"
    )
    functions = ("bare.py:main_handler", "index.py:main_handler")
    run("compare", *functions, "--rounds", "6", "--json", "pair.json")
    cells = read_report(folder / "pair.json")["cold"]
    assert [cell["state"]["adapter"] for cell in cells] == ["none", "slsadapt"]


def test_too_few_rounds_are_no_proof(run: Run) -> None:
    run("cold", "shop:app", "--rounds", "2", "--json", "a.json")
    run("compare", "a.json", "a.json")
    result = run("compare", "a.json", "a.json", "--fail-above", "5%", code=1)
    assert "too few samples to tell anything" in result.output


def test_targets_are_compared_in_turns(run: Run, folder: Path) -> None:
    (folder / "slow.py").write_text("import time\ntime.sleep(0.3)\nfrom shop import app\n")
    arguments = ("compare", "shop:app", "slow:app", "--rounds", "6", "--fail-above", "5%")
    output = run(*arguments, code=1).output
    assert "shop:app" in output
    assert "slow:app" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("a.json", "shop:app"), "both be reports", id="mixed"),
        pytest.param(
            ("a.json", "b.json", "--html", "c.html"), "--html is for targets", id="nothing to draw"
        ),
        pytest.param(("none.json", "none.json"), "none.json", id="no such report"),
        pytest.param(("shop:app", "shop:app", "--fail-above", "much"), "much", id="no number"),
    ],
)
def test_comparisons_that_make_no_sense_are_refused(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    result = CliRunner().invoke(bench, ("compare", *arguments))
    assert result.exit_code in (1, 2)
    assert message in result.output
