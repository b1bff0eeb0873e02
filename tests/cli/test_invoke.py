"""``slsadapt invoke`` on small applications, in this process or, where it matters, its own."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner, Result

from slsadapt.cli.invoke import invoke
from slsadapt.testing import samples

SAMPLES = Path(__file__).parents[2] / "samples"

SHOP = r"""
import gzip, json
from types import SimpleNamespace
from slsadapt import wrap

ANSWERS = {
    "/": ("200 OK", "text/plain", b"hello"),
    "/lines": ("200 OK", "text/plain", b"one\n two\n"),
    "/chinese": ("200 OK", "text/plain; charset=utf-8", "你好，世界".encode()),
    "/gbk": ("200 OK", "text/plain; charset=gbk", "你好，世界".encode("gbk")),
    "/page": ("200 OK", "text/html", b"<p class=a>hi</p>\n"),
    "/json": ("200 OK", "application/json", '{"城": ["北京", 1.50]}'.encode()),
    "/problem": ("400 Bad Request", "application/problem+json", b'{"title":"no"}'),
    "/not-json": ("200 OK", "application/json", b"{not json"),
    "/surrogate": ("200 OK", "application/json", rb'"\ud800"'),
    "/zipped": ("200 OK", "text/plain", gzip.compress(b"unzipped")),
    "/picture": ("200 OK", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(range(92))),
    "/octets": ("200 OK", "application/octet-stream", b"\x00\xffabc"),
    "/charset": ("200 OK", "text/plain; charset=martian", b"abc"),
    "/moved": ("302 Found", "text/plain", b""),
    "/teapot": ("299 Odd", "text/plain", b""),
    "/fails": ("503 Service Unavailable", "text/plain", b"later"),
}

def app(environ, start_response):
    missing = ("404 Not Found", "text/plain", b"no such page")
    status, content_type, body = ANSWERS.get(environ["PATH_INFO"], missing)
    headers = [("Content-Type", content_type), ("X-Words", "a b")]
    if body[:2] == b"\x1f\x8b":
        headers.append(("Content-Encoding", "gzip"))
    start_response(status, headers)
    return [body]

site = SimpleNamespace(app=app)
main_handler = wrap(app)
not_a_handler = 3
async def four(a, b, c, d): ...
"""

TENCENT = "tencent_function_url"
# The gateway gives no request ID of its own.
REQUEST_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACE = f"00-{REQUEST_ID}-00f067aa0ba902b7-01"


def get(path: str) -> dict[str, Any]:
    """Write the event of a Tencent function URL."""
    return {
        "headers": {"host": "1300000000-abc.gz.tencentscf.com", "traceparent": TRACE},
        "httpMethod": "GET",
        "path": path,
        "queryString": {},
    }


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a folder with a shop in it, and forget what was imported from there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    for name in ("NO_COLOR", "FORCE_COLOR", "API_GATEWAY_BASE_PATH", "STRIP_STAGE_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    write("shop.py", SHOP)
    yield
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def write(path: str, content: str | dict[str, Any]) -> str:
    text = dedent(content) if isinstance(content, str) else json.dumps(content)
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")
    return path


def run(*arguments: str, event: dict[str, Any] | str = "") -> Result:
    """Run the command in this process, the event on its standard input."""
    text = event if isinstance(event, str) else json.dumps(event)
    return CliRunner().invoke(invoke, arguments, input=text, prog_name="slsadapt invoke")


def run_process(
    *arguments: str, event: dict[str, Any] | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "slsadapt", *arguments],
        input=json.dumps(event or {}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environ},
        timeout=60,
    )


def shown_body(result: Result) -> str:
    assert result.exit_code in (0, 1), result.output
    return result.stdout.partition("\n\n")[2]


# What to run


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("shop:app", id="application"),
        pytest.param("shop:site.app", id="attribute of an attribute"),
        pytest.param("shop:main_handler", id="handler"),
        pytest.param("shop.py", id="file"),
        pytest.param("shop.py:app", id="name in a file"),
        pytest.param("function", id="folder"),
        pytest.param("function/index.py", id="file in a folder"),
    ],
)
def test_target_answers(target: str) -> None:
    # The folder's modules see each other, as they do in a cloud.
    write("function/index.py", "from neighbour import app\nfrom slsadapt import wrap\n")
    write("function/neighbour.py", SHOP)
    with Path("function/index.py").open("a") as index:
        index.write("main_handler = wrap(app)\n")
    result = run(target, event=get("/"))
    status, *rest = result.stdout.splitlines()
    timing = r"\d+\.\d ms, \d+\.\d ms of it import"
    assert re.fullmatch(f"200 OK  GET /  {TENCENT}  {timing}", status)
    assert rest == [
        "Content-Type  text/plain",
        "X-Words       a b",
        f"X-Request-ID  {REQUEST_ID}",
        "",
        "hello",
    ]
    assert (result.exit_code, result.stderr) == (0, "")


def test_function_named_handler_is_called_with_event_and_context() -> None:
    write(
        "plain.py",
        """
        def LambdaHandler(event, context):
            ids = (context["request_id"], context.request_id, len(context))
            return {"statusCode": 201, "headers": {}, "body": f"{event['path']} {ids}"}
        """,
    )
    context = write("context.json", {"request_id": "r-1"})
    result = run("plain:LambdaHandler", "--context", context, event=get("/here"))
    assert result.stdout.startswith(f"201 Created  GET /here  {TENCENT}  ")
    assert result.stdout.endswith("\n\n/here ('r-1', 'r-1', 1)\n")


def test_function_may_serve_what_is_no_request() -> None:
    write("jobs.py", "def main_handler(event, context):\n    return {'done': event['Type']}\n")
    result = run("jobs.py", event={"Type": "Timer"})
    assert re.fullmatch(r'returned  \d.*import\n\n\{\n  "done": "Timer"\n\}\n', result.stdout)
    assert json.loads(run("jobs.py", "--json", event={"Type": "Timer"}).stdout) == {"done": "Timer"}


def test_gateway_is_named_for_an_application() -> None:
    # Neither Tencent's nor, without a request context, AWS's own; read as a REST API's.
    event = {"httpMethod": "GET", "path": "/", "headers": {}, "requestContext": {}}
    assert run("shop:app", event=event).exit_code == 2
    result = run("shop:app", "--gateway", "aws_rest", event=event)
    assert result.stdout.startswith("200 OK  GET /  aws_rest  ")


def test_gateway_is_named_for_a_function() -> None:
    write("jobs.py", "def main_handler(event, context):\n    return {'statusCode': 404}\n")
    result = run("jobs.py", "--gateway", "aws_http", event={"Type": "Timer"})
    assert result.stdout.startswith("404 Not Found  aws_http  ")


# The event


@pytest.mark.parametrize("arguments", [[], ["-"]], ids=["piped", "dash"])
def test_event_comes_from_standard_input(arguments: list[str]) -> None:
    assert shown_body(run("shop:app", *arguments, event=get("/"))) == "hello\n"


def test_event_comes_from_a_file() -> None:
    assert shown_body(run("shop:app", write("event.json", get("/")))) == "hello\n"


def test_case_file_holds_event_and_context() -> None:
    write(
        "plain.py",
        "def main_handler(event, context):\n    return {'statusCode': 200, 'body': context.name}\n",
    )
    case = {"source": "a capture", "event": get("/"), "context": {"name": "recorded"}}
    file = write("case.json", case)
    assert run("plain.py", file).stdout.endswith("\nrecorded\n")
    context = write("context.json", {"name": "given"})
    assert run("plain.py", file, "--context", context).stdout.endswith("\ngiven\n")


def test_request_line_is_that_of_the_client(event: Any) -> None:
    result = run("shop:app", event=event("aws_rest/live_rest_encoded_path_repeated"))
    line = "404 Not Found  POST /live/capture/space%20value?empty=&encodedPlus=a%2Bb&"
    assert result.stdout.startswith(line)
    chinese = get("/%E4%BD%A0%E5%A5%BD%0A")
    chinese["queryString"] = {"q": "a b"}
    result = run("shop:app", event=chinese)
    assert result.stdout.startswith("404 Not Found  GET /你好%0A?q=a%20b  ")


def test_bad_event_is_answered_by_the_gateway() -> None:
    result = run("shop:app", event={**get("/"), "path": 7})
    assert result.stdout.startswith(f"400 Bad Request  {TENCENT}  ")
    assert shown_body(result) == "'path' must be str, got int\n"


# The output


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/lines", "one\n two\n", id="text as it is"),
        pytest.param("/chinese", "你好，世界\n", id="chinese"),
        pytest.param("/gbk", "你好，世界\n", id="charset"),
        pytest.param("/page", "<p class=a>hi</p>\n", id="html"),
        pytest.param("/json", '{\n  "城": [\n    "北京",\n    1.5\n  ]\n}\n', id="json"),
        pytest.param("/problem", '{\n  "title": "no"\n}\n', id="json by suffix"),
        pytest.param("/not-json", "{not json\n", id="json that is none"),
        pytest.param("/surrogate", '"\\ud800"\n', id="json with half a character"),
        pytest.param("/zipped", "unzipped\n", id="gzip"),
        pytest.param("/moved", "", id="no body"),
        pytest.param(
            "/octets",
            "application/octet-stream, 5 bytes\n"
            "00000000  00 ff 61 62 63                                   |..abc|\n",
            id="few octets",
        ),
        pytest.param(
            "/picture",
            "image/png, 100 bytes\n"
            "00000000  89 50 4e 47 0d 0a 1a 0a 00 01 02 03 04 05 06 07  |.PNG............|\n"
            "00000010  08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17  |................|\n"
            "00000020  18 19 1a 1b 1c 1d 1e 1f 20 21 22 23 24 25 26 27  |........ !\"#$%&'|\n"
            "00000030  28 29 2a 2b 2c 2d 2e 2f 30 31 32 33 34 35 36 37  |()*+,-./01234567|\n"
            "...\n",
            id="many octets",
        ),
        pytest.param(
            "/charset",
            "text/plain, 3 bytes\n"
            "00000000  61 62 63                                         |abc|\n",
            id="unknown charset",
        ),
    ],
)
def test_body_is_decoded(path: str, expected: str) -> None:
    assert shown_body(run("shop:app", event=get(path))) == expected


@pytest.mark.parametrize(
    ("path", "line", "style", "exit_code"),
    [
        pytest.param("/", "200 OK", "1;32", 0, id="2xx green"),
        pytest.param("/teapot", "299", "1;32", 0, id="no reason known"),
        pytest.param("/moved", "302 Found", "1;36", 0, id="3xx cyan"),
        pytest.param("/absent", "404 Not Found", "1;33", 0, id="4xx yellow"),
        pytest.param("/fails", "503 Service Unavailable", "1;31", 1, id="5xx red"),
    ],
)
def test_status_has_colour_and_exit_code(
    path: str, line: str, style: str, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = run("shop:app", event=get(path))
    assert coloured.stdout.startswith(f"\x1b[{style}m{line}\x1b[0m  GET {path}  \x1b[2m")
    assert coloured.exit_code == exit_code
    monkeypatch.setenv("NO_COLOR", "1")
    plain = run("shop:app", event=get(path))
    assert plain.stdout.startswith(f"{line}  GET {path}  {TENCENT}  ")
    assert plain.exit_code == exit_code


@pytest.mark.parametrize("path", ["/json", "/page", "/lines", "/moved", "/picture", "/chinese"])
def test_colours_change_no_character(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run("shop:app", event=get(path)).stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = run("shop:app", event=get(path)).stdout
    assert "\x1b" not in plain
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert bare.partition("\n")[2] == plain.partition("\n")[2]


def test_json_and_html_bodies_are_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" in shown_body(run("shop:app", event=get("/json")))
    assert "\x1b" in shown_body(run("shop:app", event=get("/page")))


def test_json_is_the_result_alone_while_the_application_prints() -> None:
    write(
        "loud.py",
        """
        import os, sys
        from slsadapt import wrap
        print("at import")

        def app(environ, start_response):
            print("at work")
            sys.__stdout__.write("past the redirection\\n")
            os.system("echo from a child")
            start_response("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
            return ["你好".encode()]

        main_handler = wrap(app)
        main_handler.pre_stop = lambda: print("at the end")
        """,
    )
    done = run_process("invoke", "loud.py", "--json", event=get("/"))
    assert json.loads(done.stdout) == {
        "isBase64Encoded": False,
        "statusCode": 200,
        "headers": {"Set-Cookie": ["a=1", "b=2"], "X-Request-ID": REQUEST_ID},
        "body": "你好",
    }
    assert done.stdout.count("\n") == 1
    assert sorted(done.stderr.splitlines()) == [
        "at import",
        "at the end",
        "at work",
        "from a child",
        "past the redirection",
    ]


def test_json_of_a_failure_exits_1() -> None:
    result = run("shop:app", "--json", event=get("/fails"))
    assert (json.loads(result.stdout)["statusCode"], result.exit_code) == (503, 1)


def test_chinese_survives_a_locale_without_it() -> None:
    done = run_process("invoke", "shop:app", event=get("/chinese"), PYTHONIOENCODING="ascii")
    assert done.stdout.endswith("\n\\u4f60\\u597d\\uff0c\\u4e16\\u754c\n")
    assert (done.stderr, done.returncode) == ("", 0)


# Failures of the application


def test_traceback_of_an_application_is_on_stderr() -> None:
    write("broken.py", "def app(environ, start_response):\n    raise KeyError('stock')\n")
    done = run_process("invoke", "broken:app", event=get("/"))
    assert done.stdout.startswith("500 Internal Server Error  GET /  ")
    assert re.match(r"ERROR slsadapt: .*GET /\nTraceback \(most", done.stderr)
    assert done.stderr.endswith("KeyError: 'stock'\n")
    assert done.returncode == 1


def test_level_of_the_root_logger_is_the_applications() -> None:
    write(
        "chatty.py",
        """
        import logging
        logging.getLogger().setLevel(logging.INFO)

        def main_handler(event, context):
            logging.info("worked")
            logging.debug("hidden")
        """,
    )
    assert run_process("invoke", "chatty.py", event={"a": 1}).stderr == "INFO root: worked\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(
            "def main_handler(event, context):\n    1 / 0", "ZeroDivisionError", id="call"
        ),
        pytest.param("def main_handler(event, context):\n    exit(0)", "SystemExit: 0", id="exit"),
        pytest.param("import absent_module", "No module named 'absent_module'", id="import"),
    ],
)
def test_traceback_of_a_handler_starts_with_its_own_frame(code: str, expected: str) -> None:
    write("broken.py", code)
    result = run("broken.py", event=get("/"))
    assert result.stdout == ""
    first = result.stderr.splitlines()[1]
    assert first.startswith(f'  File "{Path.cwd() / "broken.py"}", line ')
    assert expected in result.stderr
    assert result.exit_code == 1


def test_context_says_what_it_lacks() -> None:
    write("plain.py", "def main_handler(event, context):\n    return context.request_id\n")
    context = write("context.json", {"name": "given"})
    result = run("plain.py", "--context", context, event=get("/"))
    assert "the context has no 'request_id'; give one with --context" in result.stderr


@pytest.mark.parametrize(
    ("case", "expression"),
    [
        pytest.param("aws_http", "context.get_remaining_time_in_millis() > 2000", id="aws"),
        pytest.param("tencent_apigw", "context['time_limit_in_ms'] == 3000", id="tencent"),
    ],
)
def test_context_is_the_platforms(case: str, expression: str) -> None:
    write(
        "plain.py",
        "def main_handler(event, context):\n"
        f"    return {{'statusCode': 200 if {expression} else 500, 'body': 'x'}}\n",
    )
    assert run("plain.py", event=samples.load(f"{case}/get")["event"]).exit_code == 0


def test_result_must_be_json() -> None:
    write("plain.py", "def main_handler(event, context):\n    return {'body': b''}\n")
    result = run("plain.py", event=get("/"))
    expected = "Error: the handler must return JSON: Object of type bytes is not JSON serializable"
    assert expected in result.stderr
    assert (result.stdout, result.exit_code) == ("", 1)


# The end


LIFESPAN = """
import sys

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shutting down")
        await send({"type": "lifespan.shutdown.%s"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"from asgi"})
"""


def test_lifespan_is_shut_down() -> None:
    write("live.py", LIFESPAN % "complete")
    result = run("live:app", event=get("/"))
    assert result.stdout.startswith("200 OK  ")
    assert result.stdout.endswith("from asgi\n")
    assert (result.stderr, result.exit_code) == ("shutting down\n", 0)


def test_failing_shutdown_keeps_the_response_and_exits_1() -> None:
    write("live.py", LIFESPAN % "failed")
    result = run("live:app", event=get("/"))
    assert result.stdout.endswith("from asgi\n")
    assert "LifespanError: shutdown failed" in result.stderr
    assert result.exit_code == 1


def test_handler_that_raises_is_stopped_too() -> None:
    write(
        "stops.py",
        """
        class Stops:
            def __call__(self, event, context):
                raise ValueError("no")

            def pre_stop(self):
                print("stopped")

        main_handler = Stops()
        """,
    )
    result = run("stops.py", event=get("/"))
    assert result.stderr.endswith("ValueError: no\nstopped\n")
    assert result.exit_code == 1


# Mistakes in the use


@pytest.mark.parametrize(
    ("arguments", "event", "message"),
    [
        pytest.param(
            ["nowhere"],
            get("/"),
            "TARGET must be a folder, a .py file or module:name, got 'nowhere'",
            id="neither module nor folder",
        ),
        pytest.param(
            ["shop.main_handler"], get("/"), "; did you mean shop:main_handler?", id="with a dot"
        ),
        pytest.param(["absent:app"], get("/"), "there is no module 'absent' in ", id="no module"),
        pytest.param(
            ["json.absent:app"], get("/"), "there is no module 'json.absent' in ", id="submodule"
        ),
        pytest.param(["absent.py"], get("/"), "there is no file 'absent.py'; ", id="no file"),
        pytest.param(
            ["empty"],
            get("/"),
            f"there is no file '{Path('empty/index.py')}'; a folder must hold index.py",
            id="folder without index.py",
        ),
        pytest.param(
            ["shop:shop"],
            get("/"),
            "shop.py has no 'shop'; name what it has: shop:NAME",
            id="no such name",
        ),
        pytest.param(
            ["shop:not_a_handler"],
            get("/"),
            "not_a_handler must be callable, got int",
            id="handler not callable",
        ),
        pytest.param(
            ["shop:ANSWERS"],
            get("/"),
            "ANSWERS is no application: app must be a WSGI or ASGI application",
            id="application not callable",
        ),
        pytest.param(
            ["shop:four"], get("/"), "four is no application: cannot tell whether", id="signature"
        ),
        pytest.param(
            ["shop:app", "absent.json"],
            "",
            "'absent.json': No such file or directory",
            id="no event file",
        ),
        pytest.param(
            ["shop:app"], "", "<stdin> must hold a JSON object, got nothing", id="empty event"
        ),
        pytest.param(
            ["shop:app"],
            "{,}",
            "<stdin> must hold a JSON object, got no JSON: Expecting property name",
            id="event not JSON",
        ),
        pytest.param(
            ["shop:app", "list.json"],
            "",
            "list.json must hold a JSON object, got list",
            id="event a list",
        ),
        pytest.param(
            ["shop:app", "--context", "list.json"],
            get("/"),
            "list.json must hold a JSON object, got list",
            id="context a list",
        ),
        pytest.param(
            ["shop:app", "--gateway", "netlify"],
            get("/"),
            "'netlify' is not one of 'aws_http', ",
            id="unknown dialect",
        ),
        pytest.param(
            ["shop:app", "--gateway", "azure"],
            get("/"),
            "'azure' is not one of 'aws_http', ",
            id="dialect of objects",
        ),
        pytest.param(
            ["shop:main_handler", "--gateway", "aws_http"],
            get("/"),
            "--gateway is for applications, and main_handler is a handler already",
            id="dialect for a handler",
        ),
        pytest.param(
            ["shop:app"],
            {"Type": "Timer"},
            "no dialect claims keys ['Type']; tried none, since no key is known",
            id="event of no dialect",
        ),
    ],
)
def test_usage_error_says_what_to_do(
    arguments: list[str], event: dict[str, Any] | str, message: str
) -> None:
    Path("empty").mkdir()
    Path("list.json").write_text("[]")
    result = run(*arguments, event=event)
    assert result.stderr.startswith("Usage: slsadapt invoke [OPTIONS] TARGET [EVENT]\n")
    assert message in " ".join(result.stderr.split())
    assert (result.stdout, result.exit_code) == ("", 2)


def test_event_is_not_awaited_at_a_terminal() -> None:
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-m", "slsadapt", "invoke", "shop:app"]
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert "EVENT is missing: name a file, or pipe an event in" in done.stderr
    assert done.returncode == 2


# The command itself


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_missing_extra_is_named(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from slsadapt.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr == ("the slsadapt command needs its extra: pip install 'slsadapt[cli]'\n")
    assert (done.stdout, done.returncode) == ("", 2)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--version"], r"slsadapt \d+\.\d+\.\d+\n", id="version"),
        pytest.param(["-h"], r"(?s).*\n    slsadapt invoke shop:app event.json\n.*", id="help"),
        pytest.param(
            ["invoke", "--help"],
            r"(?s).*\n    slsadapt invoke shop:app event.json\n.*",
            id="help on invoke",
        ),
    ],
)
def test_module_is_the_command(arguments: list[str], expected: str) -> None:
    command = [sys.executable, "-m", "slsadapt", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(expected, done.stdout)


@pytest.mark.parametrize(
    ("sample", "event", "expected"),
    [
        ("flask_app", "hello", "200 OK  GET /release/  tencent_apigw  "),
        ("flask_app", "download", "200 OK  GET /release/download  tencent_apigw  "),
        ("django_app", "home", "200 OK  GET /live/  aws_rest  "),
    ],
)
def test_sample_answers(sample: str, event: str, expected: str, tmp_path: Path) -> None:
    folder = SAMPLES / sample
    file = folder / "events" / f"{event}.json"
    done = run_process("invoke", str(folder), str(file), GUESTBOOK_DIR=str(tmp_path))
    assert done.stdout.startswith(expected)
    assert done.returncode == 0
