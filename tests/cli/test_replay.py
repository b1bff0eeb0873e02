"""``slsadapt replay`` on a small shop, in this process or, where it matters, in its own."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from slsadapt.cli.replay import replay
from slsadapt.testing import samples
from slsadapt.testing.cassettes import Cassette, read
from slsadapt.testing.compare import VOLATILE

FLASK_APP = Path(__file__).parents[2] / "samples" / "flask_app"

SHOP = """
import os, shutil, time
from pathlib import Path
from slsadapt import wrap

def app(environ, start_response):
    path = environ["PATH_INFO"]
    print("the shop is asked for", path)
    if path == "/crash":
        os._exit(3)
    if path == "/meet":
        Path(f"met-{os.getpid()}").touch()
        while len([*Path().glob("met-*")]) < 2:
            time.sleep(0.01)
    if path == "/clear":
        shutil.rmtree("cassettes")
    if path == "/fails":
        raise ValueError("out of stock")
    process = ("X-Process", str(os.getpid()))
    start_response("200 OK", [("Content-Type", "application/json"), ("ETag", '"1"'), process])
    return [b'{"price": 12, "currency": "EUR"}']

def failing_handler(event, context):
    raise LookupError("no such order")

def odd_handler(e, c):
    return {"statusCode": 200, "body": c.function_name if hasattr(c, "function_name") else ""}

main_handler = wrap(app)
"""


def get(path: str, **headers: str) -> dict[str, Any]:
    """Write the event of a Tencent function URL."""
    return {
        "headers": {"host": "1300000000-abc.gz.tencentscf.com", **headers},
        "httpMethod": "GET",
        "path": path,
        "queryString": {},
    }


def cassette(path: str, price: int = 12, status: int = 200, **rest: Any) -> dict[str, Any]:
    result = {
        "isBase64Encoded": False,
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "ETag": '"1"'},
        "body": json.dumps({"price": price, "currency": "EUR"}),
    }
    return {"slsadapt": 1, "event": get(path), "result": result, **rest}


SAME = cassette("/same")
DEARER = cassette("/dearer", price=10)
LEFT_OUT = cassette("/left-out", omitted={"event.body": {"bytes": 1234, "sha256": "0" * 64}})
DEARER_TOLD = "shop.jsonl:2  GET /dearer  different\n  body.price: 10 -> 12\n"
IGNORE = ("--ignore", "x-process")


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a folder with a shop in it, and forget what was imported from there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    for name in ("NO_COLOR", "FORCE_COLOR", "API_GATEWAY_BASE_PATH", "STRIP_STAGE_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    Path("shop.py").write_text(SHOP, encoding="utf-8")
    yield
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def write(path: str, *values: Any) -> str:
    """Write one value as a file, or several as lines."""
    file = Path(path)
    file.parent.mkdir(exist_ok=True)
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(replay, arguments, input=stdin, prog_name="slsadapt replay")


def run_process(
    *arguments: str, stdin: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "slsadapt", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environ},
        timeout=60,
    )


def summary(result: Result) -> str:
    """Give the last line, without the time."""
    return re.sub(r" in [0-9.]+ s$", "", result.stdout.splitlines()[-1])


# What is told


def test_same_answers_are_counted() -> None:
    write("cassettes/a.json", SAME)
    write("cassettes/b.jsonl", SAME, get("/alone"))
    result = run("cassettes", "--app", "shop:app", *IGNORE)
    assert result.exit_code == 0
    assert re.fullmatch(
        r"2 same, 1 answered, with nothing recorded in [0-9]+\.[0-9] s\n", result.stdout
    )


def test_differences_are_told() -> None:
    file = write("shop.jsonl", SAME, cassette("/城", price=10, status=201), LEFT_OUT)
    result = run(file, "--app", "shop:app", *IGNORE)
    assert result.exit_code == 1
    assert result.stdout.startswith(
        dedent("""\
        shop.jsonl:2  GET /城  different
          status: 201 -> 200
          body.price: 10 -> 12

        shop.jsonl:3  GET /left-out  skipped: its body of 1,234 bytes was not recorded
        1 same, 1 different, 1 skipped in """)
    )


def test_failure_is_told_with_its_place() -> None:
    file = write("shop.json", SAME)
    result = run(file, "--app", "shop:failing_handler")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[:2] == [
        "shop.json  GET /same  failed",
        "  Traceback (most recent call last):",
    ]
    assert re.fullmatch(r'    File ".*shop.py", line \d+, in failing_handler', lines[2])
    assert "  LookupError: no such order" in lines
    assert summary(result) == "1 failed"


def test_event_alone_fails_with_a_5xx() -> None:
    result = run(write("event.json", get("/fails")), "--app", "shop:app")
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "event.json  GET /fails  failed\n  500, and nothing is recorded to compare with\n\n1 failed"
    )


def test_secrets_that_the_event_lacks_are_told() -> None:
    recorded = cassette("/dearer", price=10, redacted=["event.headers.cookie", "result.body.token"])
    result = run(write("shop.json", recorded), "--app", "shop:app", *IGNORE)
    assert "\n  the event was sent without secrets: event.headers.cookie\n" in result.stdout


def test_recorded_text_is_no_markup_and_no_command_of_the_terminal() -> None:
    recorded = cassette("/a[bold]")
    recorded["result"]["headers"]["X-A"] = "[red]\x1b[31m\x9b"
    result = run(write("shop.json", recorded), "--app", "shop:app", *IGNORE)
    assert "GET /a[bold]  different\n" in result.stdout
    assert "  headers.x-a: [red]\\x1b[31m\\x9b -> (absent)\n" in result.stdout


def test_json_tells_all() -> None:
    file = write("shop.jsonl", SAME, cassette("/dearer", price=10), LEFT_OUT)
    result = run(file, "--app", "shop:app", "--json", *IGNORE)
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["duration_s"] >= 0
    assert told["counts"] == {
        "same": 1,
        "explained": 0,
        "unrecorded": 0,
        "updated": 0,
        "different": 1,
        "failed": 0,
        "skipped": 1,
    }
    same, different, skipped = told["cassettes"]
    assert same.pop("duration_ms") > 0
    assert different.pop("duration_ms") > 0
    assert same == {
        "origin": "shop.jsonl:1",
        "request": "GET /same",
        "status": "same",
        "reason": "",
        "differences": [],
        "updated": False,
    }
    assert different == {
        "origin": "shop.jsonl:2",
        "request": "GET /dearer",
        "status": "different",
        "reason": "",
        "differences": [{"where": "body.price", "expected": 10, "found": 12}],
        "updated": False,
    }
    assert skipped == {
        "origin": "shop.jsonl:3",
        "request": "GET /left-out",
        "status": "skipped",
        "reason": "its body of 1,234 bytes was not recorded",
        "differences": [],
        "updated": False,
        "duration_ms": 0.0,
    }


def test_what_the_application_prints_goes_to_stderr() -> None:
    result = run_process("replay", write("shop.json", SAME), "--app", "shop:app", *IGNORE)
    assert result.stderr == "the shop is asked for /same\n"
    assert result.stdout.startswith("1 same in ")


def test_log_goes_to_stderr() -> None:
    result = run_process("replay", write("event.json", get("/fails")), "--app", "shop:app")
    assert result.stderr.startswith("the shop is asked for /fails\nERROR slsadapt: request ")
    assert result.stderr.endswith("ValueError: out of stock\n")


def test_help_names_the_headers_that_are_not_compared() -> None:
    words = re.sub(r"-\n *", "-", run("--help").stdout).split()
    assert {name for name in VOLATILE if name not in "".join(words)} == set()


# What is replayed


def test_standard_input() -> None:
    lines = "".join(json.dumps(each) + "\n" for each in (SAME, DEARER))
    result = run("-", "--app", "shop:app", *IGNORE, stdin=lines)
    assert result.stdout.startswith("<stdin>:2  GET /dearer  different\n")
    assert summary(result) == "1 same, 1 different"


@pytest.mark.parametrize("target", ["shop:app", "shop.py:main_handler", "shop:odd_handler"])
def test_targets(target: str) -> None:
    result = run(write("event.json", get("/")), "--app", target)
    assert (result.exit_code, summary(result)) == (0, "1 answered, with nothing recorded")


def test_handler_gets_the_recorded_context() -> None:
    recorded = {
        "slsadapt": 1,
        "event": samples.load("aws_http/get")["event"],
        "context": {"function_name": "orders"},
        "result": {"statusCode": 200, "body": "orders"},
    }
    file = write("event.json", recorded)
    assert summary(run(file, "--app", "shop:odd_handler")) == "1 same"


def test_places_and_headers_are_ignored() -> None:
    recorded = cassette("/dearer", price=10)
    recorded["result"]["headers"]["ETag"] = '"0"'
    file = write("shop.json", recorded)
    assert run(file, "--app", "shop:app", *IGNORE).exit_code == 1
    result = run(file, "--app", "shop:app", "--ignore", "x-process, ETag,body.price")
    assert (result.exit_code, summary(result)) == (0, "1 same")


def test_first_difference_is_the_last_with_exitfirst() -> None:
    file = write("shop.jsonl", SAME, DEARER, DEARER, SAME)
    assert summary(run(file, "--app", "shop:app", "-x", *IGNORE)) == "1 same, 1 different"


# Another cloud


def test_another_cloud() -> None:
    file = write("shop.jsonl", SAME, DEARER)
    result = run(file, "--app", "shop:app", "--as", "aws_http", *IGNORE)
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "shop.jsonl:2  GET /dearer  different\n  body.price: 10 -> 12\n"
    )
    assert summary(result) == "1 same, 1 different"


def test_what_another_cloud_does_not_carry_is_told_and_no_difference() -> None:
    Path("links.py").write_text(
        dedent("""
        def app(environ, start_response):
            links = [("Link", "</1>"), ("Link", "</2>"), ("Vary", "a"), ("Vary", "b")]
            start_response("200 OK", [("Content-Type", "text/plain"), *links])
            return [b"links"]
        """),
        encoding="utf-8",
    )
    file = write("event.json", samples.load("aws_rest/get")["event"])
    result = run(file, "--app", "links:app", "--as", "aws_http")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        dedent("""\
        event.json  GET /stage/proxy-value?urlparam=test  same but for the gateways
          headers.link: ["</1>", "</2>"] -> </1>, </2>
          headers.vary: ["a", "b"] -> a, b
          not carried: response headers that repeat: they are joined with commas

        1 same but for the gateways in """)
    )


# A server


@pytest.fixture
def server() -> Iterator[str]:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json"), ("ETag", '"1"')])
        return [b'{"currency":"EUR","price":12}']

    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_server(server: str, jobs: str) -> None:
    file = write("shop.jsonl", SAME, DEARER, SAME)
    result = run(file, "--against", server, "-j", jobs)
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "shop.jsonl:2  GET /dearer  different\n  body.price: 10 -> 12\n"
    )
    assert summary(result) == "2 same, 1 different"


def test_server_and_application(server: str) -> None:
    result = run(write("shop.json", DEARER), "--against", server, "--app", "shop:app", *IGNORE)
    assert (result.exit_code, summary(result)) == (0, "1 same")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_server_that_is_not_there(jobs: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    file = write("shop.jsonl", SAME, SAME)
    result = run(file, "--against", url, "-j", jobs)
    assert result.exit_code == 2
    assert f"Error: cannot reach {url}: " in result.stderr
    assert "Connection refused" in result.stderr


# Updating


def test_update_writes_what_differs_alone() -> None:
    write("cassettes/same.json", SAME)
    write("cassettes/shop.jsonl", SAME, DEARER)
    write("cassettes/alone.json", get("/alone"))
    before = {path: path.read_bytes() for path in Path("cassettes").iterdir()}
    result = run("cassettes", "--app", "shop:app", "--update", *IGNORE)
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "cassettes/shop.jsonl:2  GET /dearer  updated\n  body.price: 10 -> 12\n\n"
    )
    assert summary(result) == "2 same, 1 answered, with nothing recorded, 1 updated"
    changed = [path for path, octets in before.items() if path.read_bytes() != octets]
    assert changed == [Path("cassettes/shop.jsonl")]
    first, second = read("cassettes/shop.jsonl")
    assert first == Cassette.of(SAME)
    assert json.loads(second.result["body"]) == {"price": 12, "currency": "EUR"}
    assert summary(run("cassettes", "--app", "shop:app", *IGNORE)).startswith("3 same, ")


def test_update_tells_programs() -> None:
    file = write("shop.json", DEARER)
    told = json.loads(run(file, "--app", "shop:app", "--update", "--json", *IGNORE).stdout)
    assert told["cassettes"][0]["updated"] is True
    assert told["counts"]["updated"] == 1


def test_failure_is_not_written() -> None:
    file = write("shop.json", SAME)
    before = Path(file).read_bytes()
    result = run(file, "--app", "shop:failing_handler", "--update")
    assert (result.exit_code, summary(result)) == (1, "1 failed")
    assert Path(file).read_bytes() == before


def test_update_of_a_file_that_is_gone() -> None:
    write("cassettes/shop.json", cassette("/clear", price=10))
    result = run("cassettes/shop.json", "--app", "shop:app", "--update", *IGNORE)
    assert result.exit_code == 1
    assert "Error: [Errno 2] No such file or directory" in result.stderr


# Several processes


def test_processes_replay_in_order() -> None:
    cassettes = [cassette(f"/{number}", price=10 + number % 3) for number in range(30)]
    file = write("shop.jsonl", *cassettes)
    result = run_process("replay", file, "--app", "shop:app", "-j", "3", "--json")
    assert result.returncode == 1
    told = json.loads(result.stdout)["cassettes"]
    assert [each["origin"] for each in told] == [f"shop.jsonl:{line}" for line in range(1, 31)]
    prices = [
        [place["expected"] for place in each["differences"] if place["where"] == "body.price"]
        for each in told
    ]
    assert prices == [[10], [11], []] * 10


def test_processes_replay_at_once() -> None:
    """The first event is answered when the second one arrives in another process."""
    file = write("shop.jsonl", cassette("/meet"), cassette("/meet"))
    result = run_process("replay", file, "--app", "shop:app", "-j", "2", *IGNORE)
    assert result.stdout.startswith("2 same in ")


def test_process_that_ends() -> None:
    file = write("shop.jsonl", SAME, get("/crash"), SAME)
    result = run_process("replay", file, "--app", "shop:app", "-j", "2")
    assert result.returncode == 1
    assert "Error: a process of the application ended by itself; with -j 1" in result.stderr


# On a terminal


def run_on_terminal(*arguments: str) -> str:
    """Run the command on a terminal of 80 columns, where patience has an end at once."""
    code = (
        "import slsadapt.cli.terminal as terminal, slsadapt.cli\n"
        "terminal._PATIENCE_S = 0\n"
        "slsadapt.cli.main()"
    )
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code, "replay", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "COLUMNS": "80"},
    ):
        os.close(slave)
        shown = b""
        while True:
            try:
                octets = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not octets:
                break
            shown += octets
    os.close(master)
    return shown.decode().replace("\r\n", "\n")


def test_terminal_shows_colours_and_a_passing_bar() -> None:
    file = write("shop.jsonl", *[cassette(f"/{n}") for n in range(5)], cassette("/城", price=10))
    shown = run_on_terminal(file, "--app", "shop:app", *IGNORE)
    assert "1/6" in shown
    assert "the shop is asked for /0\n" in shown
    assert "\x1b[36mbody.price\x1b[0m: \x1b[31m10\x1b[0m -> \x1b[32m12\x1b[0m\n" in shown
    # The bar is wiped before the differences are told.
    *_, end = shown.split("\x1b[2K")
    assert re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", end).splitlines()[:2] == [
        "shop.jsonl:6  GET /城  different",
        "  body.price: 10 -> 12",
    ]


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = run_on_terminal(write("shop.json", DEARER), "--app", "shop:app", *IGNORE)
    assert "  body.price: 10 -> 12\n" in shown
    assert "\x1b[31m" not in shown


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "name what answers: --app TARGET, or --against URL", id="nothing"),
        pytest.param(
            ["--against", "http://localhost", "--as", "aws_http"],
            "--against takes neither --as nor --update",
            id="server and cloud",
        ),
        pytest.param(
            ["--against", "http://localhost", "--update"],
            "--against takes neither --as nor --update",
            id="server and update",
        ),
        pytest.param(
            ["--app", "shop:app", "--update", "--as", "aws_http"],
            "--update and --as: cassettes keep what the event itself got",
            id="cloud and update",
        ),
        pytest.param(
            ["-", "--app", "shop:app", "--update"],
            "--update writes to files, and - is none",
            id="update of standard input",
        ),
        pytest.param(
            ["--against", "localhost:8000"],
            "--against: a server's URL is http:// or https://",
            id="no URL",
        ),
        pytest.param(["--app", "shop"], "--app must be a folder, a .py file or", id="no target"),
        pytest.param(["--app", "shop:nothing"], "shop.py has no 'nothing'", id="no such name"),
        pytest.param(["--app", "nomod:app"], "there is no module 'nomod'", id="no module"),
        pytest.param(["--app", "nomod:app", "-j", "2"], "there is no module 'nomod'", id="-j"),
        pytest.param(["--app", "shop:SHOP"], "shop.py has no 'SHOP'", id="no application"),
        pytest.param(["--app", "shop:os"], "os is no application", id="module as application"),
        pytest.param(["--app", "shop:app", "--as", "azure"], "'azure' is not one of", id="objects"),
        pytest.param(["--app", "shop:app", "-j", "0"], "0 is not in the range", id="no process"),
        pytest.param(["no.json", "--app", "shop:app"], "'no.json' does not exist", id="no file"),
    ],
)
def test_mistakes(arguments: list[str], message: str) -> None:
    write("shop.json", SAME)
    result = run("shop.json", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "events.json:1: no JSON", id="no JSON"),
        pytest.param("[]", "events.json: a cassette or an event must be a JSON object", id="list"),
        pytest.param('{"a": 1}', "neither a cassette nor an event", id="no event"),
        pytest.param("", "there is no event in events.json", id="empty"),
    ],
)
def test_file_of_something_else(text: str, message: str) -> None:
    Path("events.json").write_text(text, encoding="utf-8")
    result = run("events.json", "--app", "shop:app")
    assert result.exit_code == 2
    assert message in result.stderr


# As a user does


def test_recorded_flask_application_is_replayed(tmp_path: Path) -> None:
    """What the sample answers is recorded, replayed, replayed elsewhere, and found to differ."""
    code = """
    import json, sys
    from pathlib import Path
    from slsadapt.testing import record
    from index import main_handler

    handler = record(main_handler, sys.argv[1], bodies=True)
    for name in ("hello", "hello_unicode", "query", "form", "json", "cookies", "download", "error"):
        handler(json.loads(Path(f"events/{name}.json").read_text(encoding="utf-8")))
    handler.pre_stop()
    """
    folder = tmp_path / "cassettes"
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-c", dedent(code), str(folder)],
        cwd=FLASK_APP,
        check=True,
        capture_output=True,
        timeout=60,
    )
    app = ("--app", str(FLASK_APP))
    done = run_process("replay", str(folder), *app)
    assert done.stdout.startswith("8 same in "), done.stdout
    assert done.returncode == 0
    done = run_process("replay", str(folder), "--app", f"{FLASK_APP}/app.py:app", "--as", "yandex")
    assert "different" not in done.stdout, done.stdout
    assert done.returncode == 0
    (greeting,) = [each for each in read(folder) if "/hello/" in json.dumps(each.event)]
    changed = greeting.to_json()
    changed["result"]["body"] = '{"hello": "nobody"}'
    write(greeting.path, changed)
    done = run_process("replay", str(folder), *app)
    assert done.returncode == 1
    assert '\n  body.hello: "nobody" -> ' in done.stdout
    assert "7 same, 1 different in " in done.stdout
