"""Test the application with Flask's own test client; nothing here knows about clouds."""

from __future__ import annotations

import hashlib
from io import BytesIO

import pytest
from app import app
from flask.testing import FlaskClient
from picture import draw_png


@pytest.fixture
def client() -> FlaskClient:
    return app.test_client()


def test_the_first_page_links_to_the_others(client: FlaskClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.mimetype == "text/html"
    assert 'href="/form"' in page.text
    assert 'href="/hello/%E4%B8%96%E7%95%8C"' in page.text


@pytest.mark.parametrize("name", ["Ada", "世界", "a b", "50%", "a?b", "a+b"])
def test_a_name_in_the_path(client: FlaskClient, name: str) -> None:
    with app.test_request_context():
        path = app.url_for("greet", name=name)
    assert client.get(path).json == {"hello": name}


def test_query_keys_repeat(client: FlaskClient) -> None:
    answer = client.get("/query", query_string={"tag": ["a", "b"], "q": "中文 & more"})
    assert answer.json == {"query": {"tag": ["a", "b"], "q": ["中文 & more"]}}


def test_a_form_is_echoed(client: FlaskClient) -> None:
    answer = client.post("/form", data={"name": "李雷", "fruit": ["apple", "pear"]})
    assert answer.json == {"form": {"name": ["李雷"], "fruit": ["apple", "pear"]}}


def test_json_is_echoed(client: FlaskClient) -> None:
    assert client.post("/json", json={"city": "北京"}).json == {"json": {"city": "北京"}}


def test_what_is_no_json_is_refused(client: FlaskClient) -> None:
    answer = client.post("/json", data="{", content_type="application/json")
    assert answer.status_code == 400
    assert answer.json
    assert "not JSON" in answer.json["detail"]


def test_a_sentence_is_split_into_words(client: FlaskClient) -> None:
    answer = client.post("/segment", json={"text": "我来到北京清华大学"})
    assert answer.json
    assert answer.json["words"] == ["我", "来到", "北京", "清华大学"]


def test_an_upload_arrives_octet_by_octet(client: FlaskClient) -> None:
    content = bytes(range(256)) * 3
    answer = client.post("/upload", data={"file": (BytesIO(content), "octets.bin", "x/octets")})
    assert answer.json == {
        "name": "octets.bin",
        "content_type": "x/octets",
        "size_bytes": 768,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def test_a_picture_is_downloaded(client: FlaskClient) -> None:
    answer = client.get("/download")
    assert answer.mimetype == "image/png"
    assert answer.headers["Content-Disposition"] == "attachment; filename=gradient.png"
    assert answer.data == draw_png()


def test_two_cookies_are_set_and_come_back(client: FlaskClient) -> None:
    assert client.get("/cookies").json == {"cookies": {}}
    size = client.get_cookie("size")
    assert size
    assert size.http_only
    assert client.get("/cookies").json == {"cookies": {"colour": "green", "size": "large"}}


def test_the_session_counts_visits(client: FlaskClient) -> None:
    assert [client.get("/session").json for _ in range(3)] == [
        {"visits": 1},
        {"visits": 2},
        {"visits": 3},
    ]


def test_the_session_is_ours_to_set(client: FlaskClient) -> None:
    with client.session_transaction() as session:
        session["visits"] = 41
    assert client.get("/session").json == {"visits": 42}


def test_a_redirect_leads_home(client: FlaskClient) -> None:
    answer = client.get("/redirect", follow_redirects=True)
    assert answer.request.path == "/"
    assert [each.status_code for each in answer.history] == [302]


def test_a_stream_arrives_whole(client: FlaskClient) -> None:
    assert client.get("/stream").text == "3\n2\n1\nlift-off from /stream\n"


def test_a_mail_is_handed_over(client: FlaskClient) -> None:
    answer = client.post("/mail", data={"to": "ada@example.org"})
    assert answer.status_code == 202
    assert answer.json
    assert answer.json["request_id"]


def test_an_error_is_raised_in_tests_alone(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/error").status_code == 500
    monkeypatch.setitem(app.config, "TESTING", True)
    with pytest.raises(RuntimeError, match="always fails"):
        client.get("/error")


def test_what_is_not_there_is_told_as_json(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.json
    assert answer.json["error"] == "Not Found"


def test_a_wrong_method_is_told_the_right_one(client: FlaskClient) -> None:
    answer = client.delete("/json")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
