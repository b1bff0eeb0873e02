"""``slsadapt events``, in this process or, where it matters, piped as a user does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from base64 import b64decode
from contextlib import closing
from io import BytesIO
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from werkzeug.formparser import parse_form_data

from slsadapt import gateways
from slsadapt.cli.events import events

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "slsadapt" / "testing" / "samples"
FLASK_APP = str(ROOT / "samples" / "flask_app")
NAMES = sorted(f"{path.parent.name}/{path.stem}" for path in SAMPLES.glob("*/*.json"))
JSON_DIALECTS = [name for name in gateways.NAMES if name not in gateways.OBJECT_NAMES]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(events, arguments, input=stdin, prog_name="slsadapt events")


def run_process(
    *arguments: str, stdin: bytes = b"", **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the whole command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "slsadapt", *arguments],
        input=stdin,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environ},
        timeout=60,
    )


def new(*arguments: str, stdin: bytes = b"") -> Any:
    """Make an event of which nothing is lost."""
    done = run("new", *arguments, stdin=stdin)
    assert (done.exit_code, done.stderr) == (0, "")
    return json.loads(done.stdout)


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


# list


def test_every_sample_is_listed() -> None:
    done = run("list", "--json")
    assert done.exit_code == 0
    assert sorted(each["name"] for each in json.loads(done.stdout)) == NAMES


def test_description_for_programs() -> None:
    listed = {each["name"]: each for each in json.loads(run("list", "--json").stdout)}
    assert listed["tencent_apigw/form"] == {
        "name": "tencent_apigw/form",
        "dialect": "tencent_apigw",
        "source": sample("tencent_apigw/form")["source"],
        "method": "POST",
        "path": "/admin/tag/new/",
        "query": "url=/admin/tag/",
        "content_type": "application/x-www-form-urlencoded",
        "body_bytes": 27,
        "binary": False,
        "cookies": True,
    }
    assert listed["tencent_websocket/binary"] == {
        "name": "tencent_websocket/binary",
        "dialect": "tencent_websocket",
        "source": sample("tencent_websocket/binary")["source"],
        "method": "message",
        "path": "",
        "query": "",
        "content_type": None,
        "body_bytes": 4,
        "binary": True,
        "cookies": False,
    }
    assert listed["timer/tencent"] == {
        "name": "timer/tencent",
        "dialect": "timer",
        "source": "public GitHub doc, third-party doc of a live run",
        "method": None,
        "path": None,
        "query": None,
        "content_type": None,
        "body_bytes": 0,
        "binary": False,
        "cookies": False,
    }


def test_list_for_people() -> None:
    done = run("list", "tencent_websocket", "openwhisk", "aws_http/p", "keep", "az", "alibaba_fc2")
    assert done.exit_code == 0
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        "aws_http  AWS HTTP API, payload 2.0",
        "  post_json  POST /capture/space%20value  application/json, 66 bytes, query,",
        "                                          cookies",
        "",
        "openwhisk  Apache OpenWhisk web action, raw",
        "  binary  PUT /up     application/octet-stream, 2 bytes binary",
        "  form    POST /form  application/x-www-form-urlencoded, 7 bytes",
        "  get     GET /x/你   query",
        "",
        "tencent_websocket  Tencent API Gateway WebSocket API",
        "  binary      message     4 bytes binary",
        "  connect     connect",
        "  disconnect  disconnect",
        "  message     message     3 bytes",
        "",
        "keep_warm  no request, routed by events={...}",
        "  zappa",
        "",
        "alibaba_fc2, azure: an object of a running process, no JSON;",
        "slsadapt.testing.GatewayClient makes one",
    ]


def test_list_has_every_case_below_its_dialect() -> None:
    folder, found = "", []
    for line in run("list").stdout.splitlines():
        words = line.split()
        if words and not line.startswith(" "):
            folder = words[0]
        elif re.match(r"  \w", line):
            found.append(f"{folder}/{words[0]}")
    assert sorted(found) == NAMES
    assert "alibaba_fc2, azure, gcp: an object" in run("list").stdout


def test_beginnings_of_names_choose() -> None:
    listed = json.loads(run("list", "aws_al", "kong/g", "--json").stdout)
    names = [each["name"] for each in listed]
    assert names == ["aws_alb/binary", "aws_alb/get", "aws_alb/post_json", "kong/get"]


def test_list_of_objects_alone_is_empty_for_programs() -> None:
    assert json.loads(run("list", "azure", "--json").stdout) == []


def test_narrow_terminal_wraps_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    text = run("list", "aws_lattice", "timer").stdout
    assert max(map(len, text.splitlines())) <= 44
    for word in ("get_version_1", "aws_rule_java", "/stock/brk-", "binary, query"):
        assert word in text
    assert "…" not in text


# show


@pytest.mark.parametrize("name", NAMES)
def test_show_prints_the_event(name: str) -> None:
    done = run("show", name)
    assert json.loads(done.stdout) == sample(name)["event"]
    assert (done.exit_code, done.stderr) == (0, "")


def test_show_prints_for_people() -> None:
    assert run("show", "openwhisk/get").stdout == dedent("""\
        {
          "__ow_method": "get",
          "__ow_query": "a=1&a=2&q=%E4%BD%A0",
          "__ow_body": "",
          "__ow_headers": {
            "accept": "*/*",
            "connection": "close",
            "host": "172.17.0.1",
            "user-agent": "curl/7.43.0"
          },
          "__ow_path": "/x/%E4%BD%A0"
        }
        """)
    assert "lambda-λ" in run("show", "aws_http/post_json").stdout


def test_show_prints_the_context_or_the_whole_case() -> None:
    name = "tencent_apigw/post_json"
    assert json.loads(run("show", name, "--context").stdout) == sample(name)["context"]
    assert json.loads(run("show", name, "--case").stdout) == sample(name)


def test_colours_are_for_terminals_and_change_no_character(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run("show", "aws_http/post_json").stdout
    assert "\x1b" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = run("show", "aws_http/post_json").stdout
    assert "\x1b[32m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert run("show", "aws_http/post_json").stdout == plain


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "latin-1"])
def test_json_is_ascii_where_stdout_is_not_utf_8(encoding: str) -> None:
    done = run_process("events", "show", "aws_http/post_json", PYTHONIOENCODING=encoding)
    assert b"lambda-\\u03bb" in done.stdout
    assert json.loads(done.stdout.decode("ascii")) == sample("aws_http/post_json")["event"]
    assert done.stderr == b""


# new


def test_new_event_of_an_http_api() -> None:
    event = new(
        *("aws_http", "post", "/shop/héllo?a=1&b=x+y&a=%32"),
        *("--json", '{"a": "é"}', "--client", "203.0.113.5", "--user", "ada"),
        *("-H", "X-Trace:  t-1 ", "-b", "theme=dark", "--cookie", "id=a=b", "--request-id", "r-1"),
        *("-q", "c=1 2&", "--query", "ß="),
    )
    assert event["version"] == "2.0"
    assert event["rawPath"] == "/shop/héllo"
    assert event["rawQueryString"] == "a=1&b=x+y&a=%32&c=1%202%26&%C3%9F="
    assert event["cookies"] == ["theme=dark", "id=a=b"]
    assert event["headers"] == {
        "host": "localhost",
        "content-type": "application/json",
        "content-length": "11",
        "accept": "application/json",
        "x-trace": "t-1",
        "x-forwarded-proto": "https",
        "x-forwarded-port": "443",
    }
    assert (event["body"], event["isBase64Encoded"]) == ('{"a": "é"}', False)
    context = event["requestContext"]
    assert context["http"]["method"] == "POST"
    assert context["http"]["sourceIp"] == "203.0.113.5"
    assert context["requestId"] == "r-1"
    assert context["authorizer"] == {"lambda": {"principalId": "ada"}}
    assert context["stage"] == "$default"


def test_new_event_of_tencents_gateway() -> None:
    event = new("tencent_apigw", "POST", "/form?a=1&a=2&b", "-d", "x=1", "--data", "y=ü")
    assert event["path"] == "/form"
    assert event["queryString"] == {"a": ["1", "2"], "b": True}
    assert event["body"] == "x=1&y=ü"
    assert event["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert event["headers"]["content-length"] == "8"
    assert UUID(event["headers"]["x-api-requestid"]).version == 4


@pytest.mark.parametrize(
    ("url", "host", "port", "scheme", "path"),
    [
        pytest.param("http://shop.test/a", "shop.test", "80", "http", "/a", id="http"),
        pytest.param("https://shop.test", "shop.test", "443", "https", "/", id="no path"),
        pytest.param("https://Shop.test:443/", "shop.test", "443", "https", "/", id="its port"),
        pytest.param("http://shop.test:8080/", "shop.test:8080", "8080", "http", "/", id="port"),
        pytest.param("https://[::1]:8443/", "[::1]:8443", "8443", "https", "/", id="ipv6"),
        pytest.param("https://bücher.test/", "xn--bcher-kva.test", "443", "https", "/", id="idna"),
        pytest.param("//a//b", "localhost", "443", "https", "//a//b", id="slashes of a path"),
        pytest.param("/a%2Fb%zz", "localhost", "443", "https", "/a%2Fb%zz", id="escapes stay"),
        pytest.param("/a b\"<[é]>'", "localhost", "443", "https", "/a%20b%22%3C%5B%C3%A9%5D%3E'",
            id="what a path cannot hold"),
        pytest.param("/\udcff", "localhost", "443", "https", "/%FF", id="octet that is no text"),
        pytest.param("/a#b?c", "localhost", "443", "https", "/a", id="fragment"),
    ],
)  # fmt: skip
def test_url_is_read(url: str, host: str, port: str, scheme: str, path: str) -> None:
    event = new("aws_function_url", "GET", url)
    assert event["rawPath"] == path
    assert event["rawQueryString"] == ""
    assert event["headers"] == {
        "host": host,
        "x-forwarded-proto": scheme,
        "x-forwarded-port": port,
    }


@pytest.mark.parametrize(
    ("url", "query"),
    [
        pytest.param("/?a=1&a=2;b&&=", "a=1&a=2;b&&=", id="verbatim"),
        pytest.param("/?a[]=x|{y}\\^`", "a[]=x|{y}\\^`", id="what clients leave"),
        pytest.param("/?q=a b+c&é='\"<>", "q=a%20b+c&%C3%A9='%22%3C%3E", id="what they escape"),
        pytest.param("/?q=%e4%BD%A0%", "q=%e4%BD%A0%", id="escapes stay"),
    ],
)
def test_query_is_kept(url: str, query: str) -> None:
    assert new("aws_function_url", "GET", url)["rawQueryString"] == query


def test_header_counts_for_more_than_what_follows_from_url_and_body() -> None:
    event = new(
        *("aws_http", "POST", "http://ada:b%20c@127.0.0.1:5000/", "-d", "<a/>"),
        *("-H", "Host: shop.test:81", "-H", "CONTENT-TYPE: text/xml"),
    )
    assert event["headers"] == {
        "host": "shop.test:81",
        "content-type": "text/xml",
        "content-length": "4",
        "authorization": "Basic YWRhOmIgYw==",
        "x-forwarded-proto": "http",
        "x-forwarded-port": "81",
    }
    assert event["requestContext"]["domainName"] == "shop.test"


def test_header_is_octets() -> None:
    event = new("aws_rest", "GET", "/", "-H", "X-A: é", "-H", "X-A: \udcff", "-H", "X-B:")
    assert event["multiValueHeaders"]["x-a"] == ["Ã©", "ÿ"]
    assert event["headers"]["x-b"] == ""


@pytest.mark.parametrize(
    ("dialect", "path", "root_path"),
    [
        pytest.param("aws_rest", "/live/hello", "/live", id="begins with it"),
        pytest.param("aws_rest", "/live", "/live", id="is it"),
        pytest.param("aws_rest", "/lively/hello", "", id="begins alike"),
        pytest.param("aws_rest", "/hello", "", id="custom domain"),
        pytest.param("huawei_apig", "/live/hello", "", id="stage in no url"),
    ],
)
def test_stage_is_taken_off_the_url(dialect: str, path: str, root_path: str) -> None:
    event = new(dialect, "GET", f"https://abc.test{path}", "--stage", "live")
    assert event["requestContext"]["stage"] == "live"
    assert event["path"] == (path.removeprefix(root_path) or "/")
    if dialect == "aws_rest":
        assert event["requestContext"]["path"] == (path if path != "/live" else "/live/")


def test_stage_is_compared_as_it_is_escaped() -> None:
    event = new("aws_rest", "GET", "/v%201/a", "--stage", "v 1")
    assert (event["path"], event["requestContext"]["path"]) == ("/a", "/v%201/a")


def test_form_is_multipart_with_files() -> None:
    Path("räum.png").write_bytes(b"\x89PNG\r\n\x00")
    event = new("aws_http", "POST", "/", "-F", "a=1", "-F", "a=@räum.png", "--form", "b=x=ü\n")
    assert event["isBase64Encoded"] is True
    body = b64decode(event["body"])
    _, fields, files = parse_form_data(
        {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": event["headers"]["content-type"],
            "CONTENT_LENGTH": event["headers"]["content-length"],
            "wsgi.input": BytesIO(body),
        }
    )
    assert [*fields.items(multi=True)] == [("a", "1"), ("b", "x=ü\n")]
    with closing(files["a"]) as file:
        assert (file.filename, file.mimetype) == ("räum.png", "image/png")
        assert file.read() == b"\x89PNG\r\n\x00"


@pytest.mark.parametrize(
    ("arguments", "content_type", "body"),
    [
        pytest.param(
            ["-d", "@form.txt", "-d", "c=3\n"],
            "application/x-www-form-urlencoded",
            "a=1&b=2&c=3\n",
            id="form's file without line ends",
        ),
        pytest.param(["--json", "@data.json"], "application/json", "[1]\n", id="json's file"),
        pytest.param(["--json", "@-"], "application/json", '"in"', id="json on stdin"),
        pytest.param(["--body-file", "a.csv"], "text/csv", "a,b\r\n", id="type by name"),
        pytest.param(["--body-file", "-"], "application/octet-stream", '"in"', id="stdin"),
        pytest.param(["--body-file", "odd"], "application/octet-stream", "@", id="unknown type"),
        pytest.param(["-d", ""], "application/x-www-form-urlencoded", "", id="empty form"),
    ],
)
def test_body_comes_from_a_file(arguments: list[str], content_type: str, body: str) -> None:
    Path("form.txt").write_bytes(b"a=1&\r\nb=2\n\0")
    Path("data.json").write_bytes(b"[1]\n")
    Path("a.csv").write_bytes(b"a,b\r\n")
    Path("odd").write_bytes(b"@")
    # This gateway encodes every body that is there.
    event = new("kong", "POST", "/", *arguments, stdin=b'"in"')
    assert b64decode(event["body"] or "") == body.encode()
    assert event["headers"]["content-type"] == content_type
    assert event["headers"]["content-length"] == str(len(body))


def test_method_says_nothing_of_a_body() -> None:
    event = new("aws_http", "DELETE", "/")
    assert "body" not in event
    assert event["headers"].keys() == {"host", "x-forwarded-proto", "x-forwarded-port"}


def test_octets_that_are_no_text_are_escaped() -> None:
    done = run("new", "aws_http", "GET", "/", "--user", "é\udcff", "--compact")
    assert '{"principalId": "\\u00e9\\udcff"}' in done.stdout


def test_compact_is_one_line() -> None:
    done = run("new", "openwhisk", "GET", "/a", "--compact", "--request-id", "r-1")
    assert done.stdout == (
        '{"__ow_method": "get", "__ow_query": "", "__ow_body": "", "__ow_headers": '
        '{"host": "localhost", "x-request-id": "r-1"}, "__ow_path": "/a"}\n'
    )


@pytest.mark.parametrize("dialect", JSON_DIALECTS)
def test_plain_request_loses_nothing(dialect: str) -> None:
    event = new(dialect, "GET", "/")
    assert gateways.detect(event) is gateways.load(dialect)
    assert gateways.load(dialect).decode_event(event).method == "GET"


@pytest.mark.parametrize(
    ("dialect", "arguments", "lost"),
    [
        pytest.param("aws_http", ["-H", "A: 1", "-H", "A: 2"], [
            "whether a header repeated or its value had a comma",
        ], id="header"),
        pytest.param("scaleway", ["-q", "a=1", "-q", "a=2", "--user", "ada", "--stage", "live"], [
            "all but the last value of a query key that repeats",
            "the stage",
            "the caller that the gateway authorized",
        ], id="query, stage, user"),
        pytest.param("tencent_apigw", ["-q", "a=1", "-q", "b=1", "-q", "a=2"], [
            "the order of different query keys",
        ], id="order"),
        pytest.param("baidu_cfc", ["--client", "203.0.113.5"], [
            "the client's address",
        ], id="client"),
    ],
)  # fmt: skip
def test_what_the_gateway_loses_is_told(
    dialect: str, arguments: list[str], lost: list[str]
) -> None:
    done = run("new", dialect, "GET", "/", *arguments)
    assert done.stderr == "".join(f"Warning: {dialect} cannot carry {each}\n" for each in lost)
    assert done.exit_code == 0
    assert gateways.detect(json.loads(done.stdout)) is gateways.load(dialect)


# Pipes


@pytest.mark.parametrize(
    ("arguments", "status", "body"),
    [
        pytest.param(
            ["aws_http", "POST", "/json", "--json", '{"a":"é"}'],
            "200 OK  POST /json  aws_http  ",
            {"json": {"a": "é"}},
            id="json",
        ),
        pytest.param(
            [
                *("tencent_apigw", "POST", "https://gz.apigw.tencentcs.com/release/form"),
                *("--stage", "release", "-d", "a=1&a=2"),
            ],
            "200 OK  POST /release/form  tencent_apigw  ",
            {"form": {"a": ["1", "2"]}},
            id="form below a stage",
        ),
        pytest.param(
            ["aws_alb", "GET", "/query?a=1&a=ü"],
            "200 OK  GET /query?a=1&a=ü  aws_alb  ",
            {"query": {"a": ["1", "ü"]}},
            id="query",
        ),
    ],
)
def test_new_event_goes_through_a_pipe_to_invoke(
    arguments: list[str], status: str, body: object
) -> None:
    made = run_process("events", "new", *arguments)
    assert (made.returncode, made.stderr) == (0, b"")
    done = run_process("invoke", FLASK_APP, "-", stdin=made.stdout)
    assert done.returncode == 0, done.stderr
    head, _, shown = done.stdout.decode().partition("\n\n")
    assert head.startswith(status)
    assert json.loads(shown) == body


def test_sample_goes_through_a_pipe_to_invoke() -> None:
    shown = run_process("events", "show", "aws_http/get")
    done = run_process("invoke", FLASK_APP, stdin=shown.stdout)
    assert done.stdout.startswith(b"200 OK  GET /  aws_http  ")


# Mistakes in the use


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["list", "netlify"],
            "there is no sample event of 'netlify'; there are those of alibaba_apigw, ",
            id="list of unknown",
        ),
        pytest.param(
            ["show", "aws_http/pots_json"],
            "there is no sample event 'aws_http/pots_json'; alike are aws_http/post_json",
            id="unknown sample",
        ),
        pytest.param(
            ["show", "aws_http/get", "--context"],
            "no context is recorded with aws_http/get",
            id="no context",
        ),
        pytest.param(
            ["new", "azure", "GET", "/"],
            "the platform of azure passes an object of the running process, which no JSON holds; "
            "send requests with slsadapt.testing.GatewayClient instead",
            id="dialect of objects",
        ),
        pytest.param(
            ["new", "aws_websocket", "GET", "/"],
            "passes WebSocket messages, no requests; 'slsadapt events list aws_websocket' shows",
            id="websocket",
        ),
        pytest.param(
            ["new", "aws_htpp", "GET", "/"],
            "Invalid value for 'DIALECT': there is no dialect 'aws_htpp'; there are aws_http",
            id="misspelt dialect",
        ),
        pytest.param(
            ["new", "netlify.json", "GET", "/"],
            "there is no dialect 'netlify.json'; there are aws_http, aws_function_url, ",
            id="unknown dialect",
        ),
        pytest.param(
            ["new", "aws_http", "/hello", "/"],
            "'METHOD': must be a word such as GET, got '/hello'",
            id="no method",
        ),
        pytest.param(
            ["new", "aws_http", "GET", "hello"],
            "URL must begin with /, http:// or https:// and name a host",
            id="relative url",
        ),
        pytest.param(
            ["new", "aws_http", "GET", "ftp://shop.test/"], "URL must begin with /", id="ftp"
        ),
        pytest.param(
            ["new", "aws_http", "GET", "http:///hello"], "and name a host", id="url without host"
        ),
        pytest.param(
            ["new", "aws_http", "GET", "http://shop.test:99999/"],
            "URL or Host is none: Port out of range 0-65535",
            id="port",
        ),
        pytest.param(
            ["new", "aws_http", "GET", "/", "-H", "Host: a..b"], "URL or Host is none: ", id="host"
        ),
        pytest.param(
            ["new", "aws_http", "GET", "/", "-H", "Authorization secret"],
            "'-H' / '--header': must be 'Name: value', on one line",
            id="header without colon",
        ),
        pytest.param(
            ["new", "aws_http", "GET", "/", "-H", "X-A: secret\r\nX-B: 2"],
            "must be 'Name: value', on one line",
            id="header of two lines",
        ),
        pytest.param(
            ["new", "aws_http", "GET", "/", "-b", "a=secret\nX-B: 2"],
            "must be 'Name: value', on one line",
            id="cookie of two lines",
        ),
        pytest.param(
            ["new", "aws_http", "GET", "/", "-b", "secret"],
            "'-b' / '--cookie': must be NAME=VALUE",
            id="cookie without name",
        ),
        pytest.param(
            ["new", "aws_http", "GET", "/", "-q", "=secret"],
            "'-q' / '--query': must be NAME=VALUE",
            id="query without name",
        ),
        pytest.param(
            ["new", "aws_http", "GET", "/", "--client", "shop.test"],
            "'--client': 'shop.test' does not appear to be an IPv4 or IPv6 address",
            id="client",
        ),
        pytest.param(
            ["new", "aws_http", "POST", "/", "--json", "{secret}"],
            "--json must be JSON: Expecting property name enclosed in double quotes: line 1",
            id="json",
        ),
        pytest.param(
            ["new", "aws_http", "POST", "/", "--json", "@absent.json"],
            "cannot read 'absent.json': No such file or directory",
            id="absent file",
        ),
        pytest.param(
            ["new", "aws_http", "POST", "/", "-F", "a=@."],
            "cannot read '.': Is a directory",
            id="folder",
        ),
        pytest.param(
            ["new", "aws_http", "POST", "/", "--body-file", "absent.bin"],
            "'absent.bin': No such file or directory",
            id="absent body",
        ),
        pytest.param(
            ["new", "aws_http", "POST", "/", "--json", "1", "-d", "a=1", "-F", "a=1"],
            "a request has one body, and --json and --data and --form each make one",
            id="three bodies",
        ),
        pytest.param(
            ["new", "aws_alb", "POST", "/", "--body-file", "big"],
            "aws_alb takes bodies of 1,048,576 bytes at most, got 1,048,577",
            id="body over the limit",
        ),
        pytest.param(
            ["new", "tencent_apigw", "GET", "/", "-H", "X-Forwarded-Port: http"],
            "tencent_apigw takes no such request: 'headers.x-forwarded-port' must end in a port",
            id="request that is refused",
        ),
    ],
)
def test_usage_error_says_what_to_do(arguments: list[str], message: str) -> None:
    Path("big").write_bytes(bytes(1_048_577))
    done = run(*arguments)
    assert done.stderr.startswith(f"Usage: slsadapt events {arguments[0]} ")
    assert message in " ".join(done.stderr.split())
    assert "secret" not in done.stderr
    assert (done.stdout, done.exit_code) == ("", 2)


# Help


@pytest.mark.parametrize(
    ("arguments", "example"),
    [
        pytest.param([], "slsadapt events new aws_http GET / | slsadapt invoke", id="group"),
        pytest.param(["list"], "slsadapt events list tencent aws_rest", id="list"),
        pytest.param(["show"], "slsadapt events show tencent_apigw/form", id="show"),
        pytest.param(["new"], "slsadapt events new aws_http POST /hello --json", id="new"),
    ],
)
def test_help_has_examples(arguments: list[str], example: str) -> None:
    done = run_process("events", *arguments, "-h")
    assert done.returncode == 0
    assert f"\n    {example}" in done.stdout.decode()
    assert max(map(len, done.stdout.decode().splitlines())) <= 88


def test_command_is_known_to_the_whole() -> None:
    done = run_process("--help")
    assert re.search(rb"\n  events +Show recorded events of every gateway", done.stdout)
    assert b"slsadapt events new aws_http GET / | slsadapt invoke shop:app -\n" in done.stdout
