"""Browse the Django sample through an AWS REST API, stage and all."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

if TYPE_CHECKING:
    from tests.samples.conftest import Reply, Sample

ORIGIN = "https://5h7pqvr9u4.execute-api.us-west-2.amazonaws.com"


class Browser:
    """Visit the sample and keep its cookies."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> Reply:
        """Fetch a page."""
        return self.send("GET", path)

    def submit(self, path: str, **fields: str | FileStorage) -> Reply:
        """Fetch a page, fill in its last form and submit it."""
        token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(path).text)[-1]
        boundary, body = encode_multipart({"csrfmiddlewaretoken": token, **fields})
        content_type = f"multipart/form-data; boundary={boundary}"
        # Over https Django also wants to know which page the form was on.
        headers = {"content-type": content_type, "referer": f"{ORIGIN}/live{path}"}
        return self.send("POST", path, headers, body)

    def send(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Reply:
        """Write the event as the gateway does, with a base64 body."""
        event: dict[str, Any] = self.sample.event("login")
        event |= {"httpMethod": method, "path": path, "pathParameters": {"proxy": path.strip("/")}}
        event["requestContext"] |= {"httpMethod": method, "path": f"/live{path}"}
        headers = dict(headers or {})
        if self.cookies:
            headers["cookie"] = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        event["headers"] |= headers
        event["multiValueHeaders"] |= {name: [value] for name, value in headers.items()}
        if body:
            event |= {"body": b64encode(body).decode(), "isBase64Encoded": True}
        reply = self.sample.invoke(event)
        self.cookies |= reply.cookies
        return reply


@pytest.fixture
def browser(django_sample: Sample) -> Browser:
    """Open a browser without cookies."""
    return Browser(django_sample)


@pytest.mark.parametrize("name", ["home", "sign", "login", "admin_login", "static_css", "http_api"])
def test_event_is_answered(django_sample: Sample, name: str) -> None:
    assert django_sample.invoke(django_sample.event(name)).status == 200


def test_links_follow_each_request_s_own_stage(django_sample: Sample) -> None:
    staged = django_sample.invoke(django_sample.event("home")).text
    plain = django_sample.invoke(django_sample.event("http_api")).text
    assert 'href="/live/sign/"' in staged
    assert 'href="/live/static/entries/style.css"' in staged
    assert 'href="/sign/"' in plain
    assert 'href="/static/entries/style.css"' in plain


def test_missing_slash_is_added_below_the_stage(browser: Browser) -> None:
    reply = browser.get("/sign")
    assert reply.status == 301
    assert reply.header("location") == "/live/sign/"


def test_static_file_arrives_whole(django_sample: Sample) -> None:
    spec = importlib.util.find_spec("django")
    assert spec
    assert spec.origin
    source = Path(spec.origin).with_name("contrib") / "admin/static/admin/css/base.css"
    reply = django_sample.invoke(django_sample.event("static_css"))
    assert reply.header("content-type").partition(";")[0] == "text/css"
    assert reply.body == source.read_bytes()


def test_unknown_static_file_is_not_found(browser: Browser) -> None:
    assert browser.get("/static/entries/none.css").status == 404


def test_entry_is_listed(browser: Browser) -> None:
    reply = browser.submit("/sign/", name="李雷", message="Nice & tidy")
    assert reply.status == 302
    assert reply.header("location") == "/live/"
    home = browser.get("/").text
    assert "Thank you for signing." in home
    assert "<h2>李雷</h2>" in home
    assert "<p>Nice &amp; tidy</p>" in home


def test_incomplete_entry_is_explained(browser: Browser) -> None:
    reply = browser.submit("/sign/", name="", message="Who am I?")
    assert reply.status == 200
    assert "This field is required." in reply.text


def test_every_octet_of_an_attachment_survives(browser: Browser) -> None:
    octets = bytes(range(256))
    file = FileStorage(io.BytesIO(octets), "octets.bin", content_type="application/octet-stream")
    browser.submit("/sign/", name="Ada", message="Look", attachment=file)
    home = browser.get("/").text
    assert f"256 bytes, SHA-256 <code>{hashlib.sha256(octets).hexdigest()}</code>" in home
    [path] = re.findall(r'href="/live(/attachments/\d+/)">octets.bin<', home)
    download = browser.get(path)
    assert download.body == octets
    assert download.header("content-disposition") == 'attachment; filename="octets.bin"'


def test_form_without_token_is_refused(browser: Browser) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": ORIGIN}
    assert browser.send("POST", "/sign/", headers, b"name=Eve&message=Hi").status == 403


def test_login_page_sends_onwards_below_the_stage(browser: Browser) -> None:
    reply = browser.get("/admin/")
    assert reply.status == 302
    assert reply.header("location") == "/live/admin/login/?next=/live/admin/"


def test_demo_user_logs_in_and_opens_the_admin(browser: Browser) -> None:
    reply = browser.submit("/login/", username="demo", password="demo")
    assert reply.status == 302
    assert reply.header("location") == "/live/"
    assert {"csrftoken", "sessionid"} <= browser.cookies.keys()
    assert "Log out demo" in browser.get("/").text
    admin = browser.get("/admin/")
    assert admin.status == 200
    assert "Site administration" in admin.text
    assert 'href="/live/static/admin/css/base.css"' in admin.text
    assert browser.get("/admin/entries/entry/").status == 200


def test_wrong_password_stays_outside(browser: Browser) -> None:
    reply = browser.submit("/login/", username="demo", password="omed")
    assert reply.status == 200
    assert "sessionid" not in browser.cookies


def test_files_are_written_below_the_temporary_directory(browser: Browser) -> None:
    file = FileStorage(io.BytesIO(b"kept"), "kept.txt")
    browser.submit("/sign/", name="Grace", message="Kept", attachment=file)
    sample = browser.sample
    assert (sample.temporary / "guestbook" / "db.sqlite3").is_file()
    assert (sample.temporary / "guestbook" / "media" / "kept.txt").read_bytes() == b"kept"
    assert set(sample.folder.rglob("*")) == sample.files


FIRST_REQUESTS = """
from concurrent.futures import ThreadPoolExecutor
from wsgiref.util import setup_testing_defaults
from guestbook.settings import DATABASES
from guestbook.wsgi import application

def visit(number):
    environ = {}
    setup_testing_defaults(environ)
    answers = []
    application(environ, lambda status, headers: answers.append(status)).close()
    return answers

assert not DATABASES["default"]["NAME"].exists(), "importing must not migrate"
with ThreadPoolExecutor(8) as pool:
    print(*{status for answers in pool.map(visit, range(8)) for status in answers}, sep=", ")
"""


def test_simultaneous_first_requests_migrate_once(django_sample: Sample, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "GUESTBOOK_DIR": str(tmp_path)}
    child = subprocess.run(
        [sys.executable, "-c", FIRST_REQUESTS],
        cwd=django_sample.folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (child.stdout, child.stderr) == ("200 OK\n", "")
