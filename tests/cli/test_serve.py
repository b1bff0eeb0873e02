"""``slsadapt serve`` as its users run it: a process, requests from outside, Ctrl-C."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from slsadapt.cli.serve import serve

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0
APP = """
import json
import os

from slsadapt import wrap

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    print("asked for", environ["PATH_INFO"])
    told = {name: environ[name] for name in ("SCRIPT_NAME", "PATH_INFO")}
    event = environ["serverless.event"]
    told["stage"] = event.get("requestContext", {}).get("stage")
    told["function"] = os.environ.get("SCF_FUNCTIONNAME")
    told["context"] = str(environ["serverless.context"])
    return [json.dumps(told).encode()]

def timer(event, context):
    print("timer", json.dumps(event))
    return "done"

main_handler = wrap(app, events={"timer": timer})
"""


class Served:
    """A running ``slsadapt serve`` and the JSON lines that it prints."""

    def __init__(self, arguments: tuple[str, ...], folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "slsadapt", "serve", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def line(self, has: Callable[[str], bool]) -> str:
        until = time.monotonic() + WAIT_S
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError("".join(self.said)) from None
            self.said.append(line)
            if has(line):
                return line

    def notice(self, kind: str, **fields: object) -> Any:
        def has(line: str) -> bool:
            told = json.loads(line)
            return bool(told["kind"] == kind and fields.items() <= told.items())

        return json.loads(self.line(has))

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)


Start = Callable[..., Served]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "index.py").write_text(APP)
    running: list[Served] = []

    def begin(*arguments: str, target: str = "index:main_handler") -> Served:
        # It takes the second of two equal options.
        words = (target, "--port", "0", "--memory", "512", "--timeout", "30", *arguments)
        running.append(Served(words, tmp_path))
        return running[-1]

    yield begin
    for served in running:
        if served.process.poll() is None:
            children = psutil.Process(served.process.pid).children(recursive=True)
            served.process.kill()
            served.process.wait()
            psutil.wait_procs(children, WAIT_S)
        assert served.process.stdout is not None
        served.process.stdout.close()


def get(url: str, path: str = "/", **headers: str) -> tuple[int, str]:
    host, _, mount = url.removeprefix("http://").partition("/")
    connection = HTTPConnection(host, timeout=WAIT_S)
    connection.request("GET", f"/{mount}".rstrip("/") + path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_newcomer_serves_a_sample_and_stops_it(start: Start) -> None:
    served = start(target=str(ROOT / "samples" / "flask_app"))
    url = served.line(lambda line: "open" in line).split()[-1]
    assert served.line(lambda line: "gateway" in line).split()[1:4] == ["AWS", "HTTP", "API,"]
    served.line(lambda line: "Ctrl-C" in line)
    assert get(url)[0] == 200
    assert get(url, "/hello/Ada")[0] == 200
    line = served.line(lambda line: "GET /hello/Ada  " in line)
    assert "  200  " in line
    assert "billed" in line
    children = psutil.Process(served.process.pid).children(recursive=True)
    # The process that starts the others, and one instance.
    assert len(children) == 2
    assert served.stop() == 0
    assert not any(child.is_running() for child in children)


def test_tencent_has_its_stage_and_context(start: Start) -> None:
    served = start("-d", "tencent_apigw", "--stage", "release", "--name", "shop", "--json-logs")
    url = served.notice("serving")["url"]
    assert url.endswith("/release/")
    status, text = get(url, "/orders")
    told = json.loads(text)
    assert status == 200
    assert (told["PATH_INFO"], told["stage"], told["function"]) == ("/orders", "release", "shop")
    assert "'memory_limit_in_mb': 512, 'time_limit_in_ms': 30000" in told["context"]
    line = served.notice("line", text="asked for /orders")
    assert (line["instance"], line["stream"]) == ("1", "stdout")
    report = served.notice("report", request_id=line["request_id"])
    assert report["failure"] is None
    assert report["init_ms"] > 0
    assert get(url.removesuffix("release/"), "/orders")[0] == 404


def test_base_path_is_a_custom_domains(start: Start) -> None:
    served = start("-d", "aws_rest", "--base-path", "orders/", "--json-logs")
    url = served.notice("serving")["url"]
    assert url.endswith("/orders/")
    told = json.loads(get(url, "/7")[1])
    assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/orders", "/7")


def test_mistake_is_shown_and_mended_while_it_runs(start: Start, tmp_path: Path) -> None:
    served = start("--json-logs")
    url = served.notice("serving")["url"]
    assert get(url)[0] == 200
    (tmp_path / "index.py").write_text("def main_handler(:\n")
    assert served.notice("reloaded")["paths"] == ["index.py"]
    # It is told at once, before anybody asks.
    assert served.notice("ended", why="init")["status"] == 1
    status, page = get(url, Accept="text/html")
    assert status == 500
    assert "<!doctype html>" in page.lower()
    assert "def main_handler(:" in page
    assert get(url) == (500, '{"message":"Internal Server Error"}')
    (tmp_path / "index.py").write_text("def main_handler(event, context): return 'mended'\n")
    served.notice("reloaded")
    assert get(url)[1] == "mended"


def test_mistake_is_told_where_forks_cannot_learn(start: Start, tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("import no_such_module\n")
    served = start("--cold", "fork")
    line = served.line(lambda line: "mistake" in line)
    assert "no_such_module" in line


def test_timer_comes_by_itself(start: Start) -> None:
    served = start("-d", "tencent_apigw", "--timer", "rate(1 second)", "--json-logs")
    line = served.notice("line", stream="stdout")
    assert line["text"].startswith("timer ")
    assert json.loads(line["text"][6:])["Type"] == "Timer"
    assert served.notice("report", request_id=line["request_id"])["failure"] is None


def test_what_was_recorded_is_replayed(start: Start, tmp_path: Path) -> None:
    served = start("-d", "aws_rest", "--record", "cassettes", "--json-logs")
    url = served.notice("serving")["url"]
    for path in ("/a", "/b%2Fc?x=1"):
        assert get(url, path)[0] == 200
    assert served.stop() == 0
    assert len([*(tmp_path / "cassettes").iterdir()]) == 2
    replay = ["replay", "cassettes", "--app", "index:main_handler", "--ignore", "body"]
    done = subprocess.run(
        [sys.executable, "-m", "slsadapt", *replay], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_survives_kill_9(start: Start) -> None:
    served = start("--json-logs", "--cold", "fork")
    url = served.notice("serving")["url"]
    assert get(url)[0] == 200
    children = psutil.Process(served.process.pid).children(recursive=True)
    assert len(children) == 2
    served.process.kill()
    served.process.wait()
    psutil.wait_procs(children, WAIT_S)
    assert not any(child.is_running() for child in children)


def test_second_ctrl_c_does_not_wait(start: Start, tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text(
        "import time\ndef main_handler(event, context):\n    print('busy')\n    time.sleep(50)\n"
    )
    served = start("--json-logs")
    url = served.notice("serving")["url"]
    asking = threading.Thread(target=lambda: get(url), daemon=True)
    asking.start()
    served.notice("line", text="busy")
    served.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    while get_refused(url):
        time.sleep(0.01)
    assert served.stop() == 0
    # The time that what runs would have had.
    assert time.monotonic() - began < 50
    asking.join(WAIT_S)


def get_refused(url: str) -> bool:
    """Tell whether the server still takes connections."""
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def test_another_runtime_client_is_an_instance(start: Start) -> None:
    command = f"{sys.executable} -m awslambdaric index.main_handler"
    served = start("--bootstrap", command, "--json-logs")
    url = served.notice("serving")["url"]
    status, text = get(url, "/x")
    assert status == 200
    assert "aws_request_id" in json.loads(text)["context"]
    assert served.notice("line", text="asked for /x")["request_id"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("-d", "aws_http", "-d", "aws_rest"), "one gateway, and one", id="two"),
        pytest.param(("-d", "aws_http", "-d", "tencent_websocket"), "two clouds", id="clouds"),
        pytest.param(("-d", "aws_alb", "--stage", "x"), "no stage in its URLs", id="stage"),
        pytest.param(("--timeout", "1000"), "allows 900 s at most, got 1000", id="timeout"),
        pytest.param(("--bootstrap", "x", "--cold", "fork"), "--cold fork is for our", id="fork"),
        pytest.param(("--bootstrap", "x", "--debug-port", "9"), "--debug-port is for", id="debug"),
        pytest.param(("--bootstrap", "x", "-d", "gcp"), "calls functions otherwise", id="gcp"),
        pytest.param(("--route-responses",), "is for --dialect aws_websocket", id="replies"),
        pytest.param(("--bootstrap", "'x"), "--bootstrap is no command", id="quote"),
        pytest.param(("--timer", "rate(5)"), "rate", id="timer"),
        pytest.param(("-d", "gcp", "--record", "x"), "gcp", id="record"),
        pytest.param(("-d", "azure", "--timer", "rate(1 minute)"), "azure", id="no timers"),
        pytest.param(("--host", "192.0.2.1"), "cannot listen on 192.0.2.1", id="host"),
    ],
)
def test_mistakes_in_the_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "index.py").write_text(APP)
    # A process of its own, for asyncio would keep a loop of this one.
    done = subprocess.run(
        [sys.executable, "-m", "slsadapt", "serve", ".", "--port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr


def test_taken_port_is_told(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(serve, [str(tmp_path), "--port", port])
    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in result.output
    assert "--port 0 takes a free port" in result.output
