"""Call every route of the Flask sample with events of four gateways."""

from __future__ import annotations

import hashlib
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.samples.conftest import Reply, Sample

SAMPLES = Path(__file__).parents[2] / "samples"


def get(sample: Sample, path: str, **headers: str) -> Reply:
    """Send a GET through Tencent's API gateway."""
    event: dict[str, Any] = sample.event("hello")
    event["path"] = path
    event["headers"] |= headers
    return sample.invoke(event)


def post(sample: Sample, path: str, body: str, content_type: str) -> Reply:
    """Send a POST through Tencent's API gateway."""
    event: dict[str, Any] = sample.event("form")
    event |= {"path": path, "body": body}
    event["headers"] |= {"content-type": content_type, "content-length": str(len(body.encode()))}
    return sample.invoke(event)


def test_links_carry_the_stage(flask_sample: Sample) -> None:
    reply = flask_sample.invoke(flask_sample.event("hello"))
    assert reply.status == 200
    assert reply.header("content-type") == "text/html; charset=utf-8"
    assert 'href="/release/hello/%E4%B8%96%E7%95%8C"' in reply.text
    assert 'href="/release/session"' in reply.text


def test_unicode_path_reaches_the_view(flask_sample: Sample) -> None:
    reply = flask_sample.invoke(flask_sample.event("hello_unicode"))
    assert reply.json == {"hello": "世界"}


def test_repeated_query_keys_are_all_seen(flask_sample: Sample) -> None:
    reply = flask_sample.invoke(flask_sample.event("query"))
    assert reply.json == {"query": {"tag": ["a", "b"], "q": ["中文 & more"], "flag": [""]}}


def test_form_posts_to_below_the_stage(flask_sample: Sample) -> None:
    reply = get(flask_sample, "/form")
    assert '<form method="post" action="/release/form">' in reply.text


def test_repeated_form_fields_are_all_seen(flask_sample: Sample) -> None:
    reply = flask_sample.invoke(flask_sample.event("form"))
    assert reply.json == {"form": {"name": ["李雷"], "fruit": ["apple", "pear"]}}


def test_json_is_echoed(flask_sample: Sample) -> None:
    reply = flask_sample.invoke(flask_sample.event("json"))
    assert reply.header("content-type") == "application/json"
    assert reply.json == {"json": {"city": "北京", "tags": ["a", "b"]}}


def test_bad_json_is_named(flask_sample: Sample) -> None:
    reply = post(flask_sample, "/json", '{"city": ', "application/json")
    assert reply.status == 400
    assert reply.json["detail"].startswith("the body is not JSON: Expecting value")


def test_sentence_is_segmented(flask_sample: Sample) -> None:
    reply = flask_sample.invoke(flask_sample.event("segment"))
    assert reply.json["words"] == ["我", "来到", "北京", "清华大学"]
    assert reply.json["took_ms"] >= 0


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param("text=北京大学", "application/x-www-form-urlencoded", id="form"),
        pytest.param('{"text": "北京大学"}', "application/json", id="json"),
    ],
)
def test_posted_sentence_is_segmented(flask_sample: Sample, body: str, content_type: str) -> None:
    assert post(flask_sample, "/segment", body, content_type).json["words"] == ["北京大学"]


def test_missing_sentence_is_named(flask_sample: Sample) -> None:
    reply = get(flask_sample, "/segment")
    assert reply.status == 400
    assert reply.json == {"error": "Bad Request", "detail": "send the sentence as 'text'"}


def test_every_octet_of_an_upload_arrives(flask_sample: Sample) -> None:
    reply = flask_sample.invoke(flask_sample.event("upload"))
    assert reply.json == {
        "name": "octets.bin",
        "content_type": "application/octet-stream",
        "size_bytes": 256,
        "sha256": hashlib.sha256(bytes(range(256))).hexdigest(),
    }


def test_every_octet_of_a_download_arrives(flask_sample: Sample) -> None:
    reply = flask_sample.invoke(flask_sample.event("download"))
    picture = runpy.run_path(str(flask_sample.folder / "picture.py"))["draw_png"]()
    assert reply.body == picture
    assert reply.header("content-type") == "image/png"
    assert reply.header("content-disposition") == "attachment; filename=gradient.png"


def test_cookies_come_and_go(flask_sample: Sample) -> None:
    reply = flask_sample.invoke(flask_sample.event("cookies"))
    assert reply.json == {"cookies": {"session": "abc123", "theme": "dark"}}
    assert reply.cookies == {"colour": "green", "size": "large"}


def test_several_cookies_survive_tencents_headers(flask_sample: Sample) -> None:
    assert get(flask_sample, "/cookies").cookies == {"colour": "green", "size": "large"}


def test_session_counts_visits(flask_sample: Sample) -> None:
    first = get(flask_sample, "/session")
    second = get(flask_sample, "/session", cookie=f"session={first.cookies['session']}")
    assert (first.json, second.json) == ({"visits": 1}, {"visits": 2})


def test_redirect_stays_below_the_stage(flask_sample: Sample) -> None:
    reply = get(flask_sample, "/redirect")
    assert reply.status == 302
    assert reply.header("location") == "/release/"


def test_stream_is_joined(flask_sample: Sample) -> None:
    reply = get(flask_sample, "/stream")
    assert reply.text == "3\n2\n1\nlift-off from /stream\n"


def test_error_hides_its_message(flask_sample: Sample) -> None:
    reply = flask_sample.invoke(flask_sample.event("error"))
    assert reply.status == 500
    assert reply.json["error"] == "Internal Server Error"
    assert "always fails" not in reply.text


def test_unknown_path_is_json_too(flask_sample: Sample) -> None:
    reply = get(flask_sample, "/nowhere")
    assert reply.status == 404
    assert reply.json["error"] == "Not Found"


def test_wrong_method_keeps_its_allow_header(flask_sample: Sample) -> None:
    reply = post(flask_sample, "/redirect", "", "text/plain")
    assert reply.status == 405
    assert set(reply.header("allow").split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_nothing_is_written_beside_the_sample(flask_sample: Sample) -> None:
    flask_sample.invoke(flask_sample.event("segment"))
    assert set(flask_sample.folder.rglob("*")) == flask_sample.files


def log_of(sample: str, event: str, cwd: Path) -> tuple[str, list[str]]:
    """Answer an event with the command; give the response and the lines of the log."""
    command = [sys.executable, "-m", "slsadapt", "invoke", str(SAMPLES / sample)]
    command.append(str(SAMPLES / sample / "events" / f"{event}.json"))
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(cwd)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.splitlines()


def test_view_task_and_timing_log_one_id(tmp_path: Path) -> None:
    shown, lines = log_of("flask_app", "mail", tmp_path)
    request_id = "dd07d1c3558237a8881322d5f8109e04"
    assert "X-Request-ID    " + request_id in shown
    for text in (
        f"[{request_id}][flask_sample] app: a mail shall go to ada@example.com",
        f"[{request_id}][tasks.send_mail] tasks: sent a mail to ada@example.com",
        f"[{request_id}][flask_sample] slsadapt.timing: POST /mail 202 in ",
    ):
        assert any(text in line for line in lines), lines


def test_log_shows_what_runs_out_of_time(tmp_path: Path) -> None:
    shown, lines = log_of("flask_app", "slow", tmp_path)
    assert shown.startswith("200 OK")
    (at,) = [number for number, line in enumerate(lines) if " ERROR " in line]
    assert "GET /slow has 0.50 s left after 0.7" in lines[at]
    dump = lines[at + 1 :]
    assert dump[0] == "    Thread MainThread:"
    assert any(line.endswith(", in slow") for line in dump)
    assert any("time.sleep(" in line for line in dump)
