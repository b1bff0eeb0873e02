"""The page about a function that does not start, read as HTML and looked at in a browser."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from slsadapt.local.function import Function
from slsadapt.local.outcome import Failure
from slsadapt.local.page import failure_page
from tests.debian import find_or_install

pytestmark = pytest.mark.once

WORKING = b'<link rel="icon" href="data:,"><p>it works again'


class Page(HTMLParser):
    """What a browser would make of the page: text by tag and class."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.text = ""
        self.parts: dict[str, list[str]] = {}
        self.metas: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(document.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = {name: value or "" for name, value in attrs}
        if tag == "meta":
            self.metas[fields.get("http-equiv", fields.get("name", "charset"))] = fields.get(
                "content", ""
            )
        if tag not in ("meta", "link"):
            name = f"{tag}.{fields['class']}" if "class" in fields else tag
            self._open.append(name)
            self.parts.setdefault(name, []).append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().partition(".")[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & {*self._open}:
            self.text += data
        for name in self._open:
            self.parts[name][-1] += data


@pytest.fixture
def function(tmp_path: Path) -> Function:
    folder = tmp_path / "shop"
    folder.mkdir()
    return Function(label="shop/app:app", folder=folder, module="app", name="app", dialect="azure")


def write(function: Function, name: str, text: str) -> Path:
    file = function.folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def page_of(function: Function, error_type: str, message: str, trace: Any) -> bytes:
    error = {"errorType": error_type, "errorMessage": message, "stackTrace": trace}
    failure = Failure(
        kind="init", request_id="r-1", error=error, message=f"{error_type}: {message}"
    )
    return failure_page(failure, function)


def syntax_error(function: Function) -> bytes:
    file = write(function, "app.py", "import os\n\ndef home(:\n    return 1\n")
    return page_of(
        function,
        "Runtime.UserCodeSyntaxError",
        "Syntax error in module 'app': invalid syntax (app.py, line 3)",
        [f'  File "{file}" Line 3\n    def home(:\n'],
    )


def test_syntax_error_is_marked_in_its_line(function: Function) -> None:
    page = Page(syntax_error(function))
    assert page.parts["h1"] == ["A syntax error"]
    assert page.parts["title"] == ["app.py: A syntax error"]
    assert page.parts["h2"] == ["app.py, line 3"]
    assert page.parts["span.here"] == ["3def home(:"]
    assert page.parts["span.caret"] == ["def home(^"]
    assert page.parts["code.source"] == ["1import os23def home(:def home(^4    return 1"]
    assert page.parts["pre.message"] == [
        "Runtime.UserCodeSyntaxError: Syntax error in module 'app': invalid syntax (app.py, line 3)"
    ]
    assert "ol.card" not in page.parts


def test_error_is_shown_where_the_functions_own_code_stands(function: Function) -> None:
    file = write(function, "prices.py", "import json\n\n\nPRICES = json.loads('{')\n")
    library = write(function, "lib/site-packages/json/decoder.py", "raise ValueError\n")
    trace = [
        f'  File "{function.folder / "app.py"}", line 1, in <module>\n    import prices\n',
        '  File "<frozen importlib._bootstrap>", line 1027, in _find_and_load\n',
        f"  File \"{file}\", line 4, in <module>\n    PRICES = json.loads('{{')\n    ^^^^^^^\n",
        f'  File "{library}", line 1, in decode\n    raise ValueError\n',
    ]
    page = Page(page_of(function, "ValueError", "no price", trace))
    assert page.parts["h1"] == ["The function does not start"]
    assert page.parts["h2"][0] == "prices.py, line 4"
    assert page.parts["span.here"] == ["4PRICES = json.loads('{')"]
    assert "span.caret" not in page.parts
    assert page.parts["li.own"] == [
        "app.py, line 1, in <module>import prices",
        "prices.py, line 4, in <module>PRICES = json.loads('{')",
    ]
    assert page.parts["li"] == [
        "<frozen importlib._bootstrap>, line 1027, in _find_and_load",
        "lib/site-packages/json/decoder.py, line 1, in decoderaise ValueError",
    ]


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("import os\nimport flaskk\n", "No module named 'flaskk'", "2import flaskk"),
        ("import os\n\nimport a.b.c\n", "No module named 'a.b'", "3import a.b.c"),
        ("from a.b import c\n", "No module named 'a.b'", "1from a.b import c"),
        ("from os import pat\n", "cannot import name 'pat' from 'os'", "1from os import pat"),
    ],
)
def test_failed_import_is_found_without_a_traceback(
    function: Function, source: str, message: str, line: str
) -> None:
    write(function, "app.py", source)
    told = f"Unable to import module 'app': {message}"
    page = Page(page_of(function, "Runtime.ImportModuleError", told, []))
    assert page.parts["span.here"] == [line]


@pytest.mark.parametrize(
    "trace",
    [
        pytest.param(None, id="none"),
        pytest.param("text", id="text"),
        pytest.param([{"file": "app.js"}, 7], id="objects"),
        pytest.param(['  File "/dev/zero", line 1, in x\n'], id="device"),
        pytest.param(['  File "/no/such.py", line 1, in x\n'], id="missing file"),
        pytest.param(['  File "", line 1\n', "  File"], id="incomplete"),
        pytest.param(['  File "nul\0.py", line 1\n'], id="nul"),
        pytest.param(['  File "<string>", line 99999999999999999999\n'], id="large number"),
    ],
)
def test_traceback_of_any_shape_gives_a_page(function: Function, trace: Any) -> None:
    for error_type in ("ValueError", "SyntaxError"):
        page = Page(page_of(function, error_type, "broken", trace))
        assert page.parts["pre.message"] == [f"{error_type}: broken"]
        assert "code.source" not in page.parts


def test_nothing_of_the_function_is_markup(function: Function) -> None:
    evil = "<script>alert(1)</script>&amp;$title\"'"
    file = write(function, "<b>.py", f"x = 1 # {evil}\n")
    trace = [f'  File "{file}", line 1, in {evil}\n    {evil}\n']
    document = page_of(function, evil, evil, trace)
    assert document.count(b"<script") == 1
    assert b"<b>.py" not in document
    page = Page(document)
    assert page.parts["pre.message"] == [f"{evil}: {evil}"]
    assert page.parts["span.here"] == [f"1x = 1 # {evil}"]


def test_policy_allows_what_the_page_has_and_nothing_else(function: Function) -> None:
    page = Page(syntax_error(function))
    policy = dict(
        part.strip().split(" ", 1) for part in page.metas["Content-Security-Policy"].split(";")
    )
    hashes = {}
    for tag in ("script", "style"):
        [text] = page.parts[tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        hashes[f"{tag}-src"] = f"'sha256-{digest}'"
    assert policy == {
        "default-src": "'none'",
        **hashes,
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_page_is_another_one_once_the_source_is(function: Function) -> None:
    def digest(document: bytes) -> bytes:
        found = re.search(rb'"([0-9a-f]{64})"', document)
        assert found is not None
        return found[1]

    file = write(function, "app.py", "a = 1\nb = c\n")

    def page(message: str) -> bytes:
        return digest(page_of(function, "NameError", message, [f'  File "{file}", line 2\n']))

    before = page("<object at 0x7f0001>")
    # Addresses are others in each process.
    assert page("<object at 0x7f0002>") == before
    assert page("another") != before
    write(function, "app.py", "a = 2\nb = c\n")
    assert page("<object at 0x7f0001>") != before


@pytest.fixture
def site(function: Function) -> Iterator[Any]:
    """Serve the page until it was asked for twice, then what the function answers."""
    broken = syntax_error(function)
    asked: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            is_broken = len(asked) <= 2
            self.send_response(502 if is_broken else 200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(broken if is_broken else WORKING)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server, asked
        server.shutdown()
        thread.join()


def test_page_reloads_by_itself_in_a_browser(site: Any, tmp_path: Path) -> None:
    server, asked = site
    browser = find_or_install("chromium", "chromium", "chromium-browser", "google-chrome")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=10000", "--dump-dom",
        f"http://127.0.0.1:{server.server_port}/hello?page=2",
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "it works again" in shown.stdout
    # The page, two looks of which the second one is another answer, and the reload.
    assert asked == ["/hello?page=2"] * 4
