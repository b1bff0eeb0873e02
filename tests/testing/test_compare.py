"""Which answers are the same, and how differences are told."""

from __future__ import annotations

import gzip
import json
import zlib
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slsadapt import Response
from slsadapt.testing.compare import (
    ABSENT,
    Difference,
    Digest,
    differences,
    differences_of_values,
)
from slsadapt.testing.telling import describe, lines_of

Pairs = list[tuple[str, str]]
JSON = ("Content-Type", "application/json")
TEXT = ("Content-Type", "text/plain; charset=utf-8")


def of_json(value: Any, *headers: tuple[str, str]) -> Response:
    return Response(200, [JSON, *headers], json.dumps(value).encode())


def of_text(text: str, charset: str = "utf-8") -> Response:
    return Response(200, [("Content-Type", f"text/plain; charset={charset}")], text.encode(charset))


def compared(expected: Response, found: Response, *ignore: str) -> list[tuple[str, Any, Any]]:
    return [
        (each.where, each.expected, each.found)
        for each in differences(expected, found, ignore=ignore)
    ]


# Status and headers


def test_status_differs() -> None:
    assert compared(Response(200), Response(500)) == [("status", 200, 500)]


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        pytest.param([("ETag", "1")], [("etag", "1")], id="case of a name"),
        pytest.param([("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")], id="order of names"),
        pytest.param([("Date", "x")], [("Date", "y")], id="date"),
        pytest.param([("X-Request-ID", "1")], [], id="request ID of one alone"),
        pytest.param([], [("Connection", "close"), ("Server", "a")], id="what servers add"),
        pytest.param([("Content-Length", "4")], [("Content-Length", "5")], id="length"),
        pytest.param(
            [("Set-Cookie", "a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT; Max-Age=60; Path=/")],
            [("Set-Cookie", "a=1; Expires=Fri, 02 Jan 2026 00:00:00 GMT; Max-Age=60; Path=/")],
            id="cookie's Expires beside Max-Age",
        ),
        pytest.param(
            [("Cache-Control", "public, max-age=60"), ("Expires", "x")],
            [("Cache-Control", "public, max-age=60"), ("Expires", "y")],
            id="Expires beside max-age",
        ),
        pytest.param(
            [("Set-Cookie", "sid=[redacted]; Path=/")],
            [("Set-Cookie", "sid=s3cret; Path=/")],
            id="redacted cookie",
        ),
        pytest.param(
            [("Location", "/x?token=[redacted]&page=2")],
            [("Location", "/x?token=a%20b&page=2")],
            id="redacted piece of a URL",
        ),
        pytest.param(
            [("Location", "/login?next=https%3A%2F%2Fa.example%2F%3Ftoken%3D%5Bredacted%5D")],
            [("Location", "/login?next=https%3A%2F%2Fa.example%2F%3Ftoken%3Dabc")],
            id="redacted piece of a URL in a URL",
        ),
        pytest.param(
            [("Set-Cookie", "sid=[redacted]; Path=/; Secure")],
            [("Set-Cookie", "sid=s3cret;Path=/ ;Secure")],
            id="space in a cookie",
        ),
    ],
)
def test_headers_are_the_same(expected: Pairs, found: Pairs) -> None:
    assert compared(Response(200, expected), Response(200, found)) == []


@pytest.mark.parametrize(
    ("expected", "found", "difference"),
    [
        pytest.param([("ETag", "1")], [("etag", "2")], ("headers.etag", "1", "2"), id="value"),
        pytest.param([("ETag", "1")], [], ("headers.etag", "1", ABSENT), id="missing"),
        pytest.param([], [("ETag", "1")], ("headers.etag", ABSENT, "1"), id="added"),
        pytest.param(
            [("Link", "a"), ("link", "b")],
            [("Link", "b"), ("Link", "a")],
            ("headers.link", ["a", "b"], ["b", "a"]),
            id="order of values",
        ),
        pytest.param(
            [("Link", "a"), ("Link", "b")],
            [("Link", "a, b")],
            ("headers.link", ["a", "b"], "a, b"),
            id="joined",
        ),
        pytest.param(
            [("Set-Cookie", "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT")],
            [("Set-Cookie", "a=1; Expires=Fri, 01 Jan 2100 00:00:00 GMT")],
            (
                "headers.set-cookie",
                "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                "a=1; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
            ),
            id="cookie's Expires alone",
        ),
        pytest.param(
            [("Set-Cookie", "sid=[redacted]; Path=/")],
            [("Set-Cookie", "sid=s3cret; Path=/admin")],
            ("headers.set-cookie", "sid=[redacted]; Path=/", "sid=s3cret; Path=/admin"),
            id="attribute of a redacted cookie",
        ),
        pytest.param(
            [("Authorization", "[redacted]")],
            [],
            ("headers.authorization", "[redacted]", ABSENT),
            id="redacted header missing",
        ),
    ],
)
def test_headers_differ(expected: Pairs, found: Pairs, difference: tuple[str, Any, Any]) -> None:
    assert compared(Response(200, expected), Response(200, found)) == [difference]


# Bodies


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        pytest.param({"a": 1, "b": [2]}, {"b": [2], "a": 1}, id="order of names"),
        pytest.param({"a": 1}, {"a": 1.0}, id="one number written twice"),
        pytest.param({"key": "[redacted]"}, {"key": "k"}, id="redacted text"),
        pytest.param({"key": "[redacted]"}, {"key": [1]}, id="redacted list"),
        pytest.param(["Bearer [redacted]"], ["Bearer abc"], id="redacted piece"),
        pytest.param(
            ['{"token": "[redacted]", "a": 1}'],
            ['{"token":"t","a":1}'],
            id="redacted JSON in a text",
        ),
        pytest.param([float("nan")], [float("nan")], id="not a number"),
    ],
)
def test_json_is_the_same(expected: Any, found: Any) -> None:
    assert compared(of_json(expected), of_json(found)) == []


@pytest.mark.parametrize(
    ("expected", "found", "found_differences"),
    [
        pytest.param(
            {"items": [{"price": 1}, {"price": 10}]},
            {"items": [{"price": 1}, {"price": 12}]},
            [("body.items[1].price", 10, 12)],
            id="number",
        ),
        pytest.param({"a": 1}, {"a": True}, [("body.a", 1, True)], id="1 and true"),
        pytest.param({"a": 0}, {"a": None}, [("body.a", 0, None)], id="0 and null"),
        pytest.param({"a": "1"}, {"a": 1}, [("body.a", "1", 1)], id="text and number"),
        pytest.param({"a": None}, {}, [("body.a", None, ABSENT)], id="null and nothing"),
        pytest.param({}, {"城市": 1}, [("body.城市", ABSENT, 1)], id="added, Chinese"),
        pytest.param({"a b": 1}, {"a b": 2}, [('body["a b"]', 1, 2)], id="name with a space"),
        pytest.param({"x.y": 1}, {"x.y": 2}, [('body["x.y"]', 1, 2)], id="name with a dot"),
        pytest.param([1], {"a": 1}, [("body", [1], {"a": 1})], id="list and object"),
        pytest.param([1, 2, 3, 4], [1, 3, 4], [("body[1]", 2, ABSENT)], id="taken out of a list"),
        pytest.param([1, 2], [0, 1, 2], [("body[0]", ABSENT, 0)], id="put in front of a list"),
        pytest.param(
            [{"id": 1}, {"id": 2}, {"id": 9}],
            [{"id": 1}, {"id": 3}, {"id": 4}, {"id": 9}],
            [("body[1].id", 2, 3), ("body[2]", ABSENT, {"id": 4})],
            id="changed and put in",
        ),
        pytest.param(
            {"key": "[redacted]"}, {}, [("body.key", "[redacted]", ABSENT)], id="redacted missing"
        ),
    ],
)
def test_json_differs(
    expected: Any, found: Any, found_differences: list[tuple[str, Any, Any]]
) -> None:
    assert compared(of_json(expected), of_json(found)) == found_differences


@pytest.mark.parametrize(
    "content_type",
    ["application/problem+json", "application/json; charset=utf-8", "Application/JSON"],
)
def test_json_is_told_by_its_type(content_type: str) -> None:
    expected = Response(200, [("Content-Type", content_type)], b'{"a": 1}')
    found = Response(200, [("Content-Type", content_type)], b'{"a":2}')
    assert compared(expected, found) == [("body.a", 1, 2)]


def test_json_that_became_something_else_is_compared_as_text() -> None:
    found = Response(200, [JSON], b"{1")
    assert compared(of_json(1), found) == [("body", "1", "{1")]


def test_text_that_looks_like_json_is_text() -> None:
    assert compared(of_text('{"a": 1}'), of_text('{"a":1}')) == [("body", '{"a": 1}', '{"a":1}')]


def test_json_too_deep_to_walk_is_compared_as_text() -> None:
    expected, found = (
        Response(200, [JSON], b"[" * 100_000 + each + b"]" * 100_000) for each in (b"1", b"2")
    )
    assert [each.where for each in differences(expected, found)] == ["body"]
    assert differences(expected, expected) == []


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        pytest.param("hello [redacted]!\n", "hello Bob!\n", id="piece"),
        pytest.param("[redacted]", "", id="all of it, nothing"),
        pytest.param("[redacted]", "a\nb", id="all of it, lines"),
        pytest.param("a[redacted]b[redacted]a", "a1b2b3a", id="two pieces"),
        pytest.param("{a: [redacted]}", "{a: 1}", id="nearly JSON"),
    ],
)
def test_redacted_text_matches(expected: str, found: str) -> None:
    assert compared(of_text(expected), of_text(found)) == []


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        pytest.param("hello [redacted]!", "hello Bob", id="end"),
        pytest.param("hello [redacted]!", "Hello Bob!", id="beginning"),
        pytest.param("a[redacted]b[redacted]c", "a1c", id="middle"),
        pytest.param("aa[redacted]aa", "aaa", id="end overlaps the beginning"),
    ],
)
def test_redacted_text_differs(expected: str, found: str) -> None:
    assert compared(of_text(expected), of_text(found)) == [("body", expected, found)]


def test_text_is_decoded_by_its_charset() -> None:
    assert compared(of_text("你好", "gbk"), of_text("你们", "gbk")) == [("body", "你好", "你们")]


@pytest.mark.parametrize("charset", ["martian", "ascii", "undefined"])
def test_what_its_charset_does_not_decode_is_octets(charset: str) -> None:
    headers = [("Content-Type", f"text/plain; charset={charset}")]
    expected, found = Response(200, headers, b"\xe4a"), Response(200, headers, b"\xe4b")
    assert compared(expected, found) == [("body", b"\xe4a", b"\xe4b")]


def test_picture_differs() -> None:
    headers = [("Content-Type", "image/png")]
    expected, found = (Response(200, headers, b"\x89PNG\0" + each) for each in (b"aaa", b"aba"))
    (difference,) = differences(expected, found)
    assert lines_of(difference) == [
        "body: differs from octet 6 on",
        f"  - 8 bytes, sha256 {sha256(expected.body).hexdigest()[:16]}",
        f"  + 8 bytes, sha256 {sha256(found.body).hexdigest()[:16]}",
    ]
    assert describe(difference) == {
        "where": "body",
        "expected": {"bytes": 8, "sha256": sha256(expected.body).hexdigest()},
        "found": {"bytes": 8, "sha256": sha256(found.body).hexdigest()},
        "offset": 6,
    }


@pytest.mark.parametrize(
    ("coding", "one", "other"),
    [
        pytest.param(
            "gzip", gzip.compress(b"{}", mtime=1), gzip.compress(b"{ }", mtime=2), id="gzip"
        ),
        pytest.param("deflate", zlib.compress(b"{}", 0), zlib.compress(b"{}", 9), id="deflate"),
    ],
)
def test_compressed_bodies_are_compared_as_what_they_hold(
    coding: str, one: bytes, other: bytes
) -> None:
    headers = [JSON, ("Content-Encoding", coding)]
    assert one != other
    assert compared(Response(200, headers, one), Response(200, headers, other)) == []


def test_body_that_is_not_compressed_as_it_says_is_octets() -> None:
    headers = [TEXT, ("Content-Encoding", "gzip")]
    found = Response(200, headers, b"\x1f\x8bno")
    assert compared(Response(200, headers, gzip.compress(b"a", mtime=0)), found)[0][0] == "body"


def test_body_that_was_not_kept_is_compared_by_its_digest() -> None:
    omitted = Digest(5, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
    kept = Response(200, [TEXT])
    assert differences(kept, of_text("hello"), omitted=omitted) == []
    (difference,) = differences(kept, of_text("hallo"), omitted=omitted)
    assert lines_of(difference) == [
        "body",
        "  - 5 bytes, sha256 2cf24dba5fb0a30e",
        "  + 5 bytes, sha256 d3751d33f9cd5049",
    ]


# Ignoring


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        pytest.param("etag", {"headers.etag"}, id="header"),
        pytest.param("ETag", {"headers.etag"}, id="header in capitals"),
        pytest.param("headers.etag", {"headers.etag"}, id="header as a place"),
        pytest.param("status", {"status"}, id="status"),
        pytest.param("body", {"body.a", "body.items[0].id", "body.items[1].id"}, id="body"),
        pytest.param("body.a", {"body.a"}, id="place"),
        pytest.param("body.items", {"body.items[0].id", "body.items[1].id"}, id="all below"),
        pytest.param(
            "body.items[*].id", {"body.items[0].id", "body.items[1].id"}, id="any of a list"
        ),
        pytest.param("body.*[0]", {"body.items[0].id"}, id="any name"),
        pytest.param("body.item", set(), id="beginning of a name"),
        pytest.param("tag", set(), id="end of a name"),
    ],
)
def test_ignored(name: str, gone: set[str]) -> None:
    expected = of_json({"a": 1, "items": [{"id": 1}, {"id": 2}]}, ("ETag", "1"))
    found = of_json({"a": 2, "items": [{"id": 3}, {"id": 4}]}, ("ETag", "2"))
    found.status = 201
    everywhere = {"status", "headers.etag", "body.a", "body.items[0].id", "body.items[1].id"}
    assert {each[0] for each in compared(expected, found)} == everywhere
    assert {each[0] for each in compared(expected, found, name)} == everywhere - gone


# Values


def test_values_differ_below_their_name() -> None:
    assert differences_of_values({"ok": True}, {"ok": False}) == [
        Difference("result.ok", True, False)
    ]
    assert differences_of_values(None, None) == []
    assert differences_of_values({"ok": 1}, {"ok": 2}, ignore=["result.ok"]) == []


def nested(value: Any) -> Any:
    for _ in range(5000):
        value = [value]
    return value


def test_values_too_deep_to_walk_are_told_apart_as_a_whole() -> None:
    assert differences_of_values(nested(1), nested(1)) == []
    (difference,) = differences_of_values(nested(1), nested(2))
    assert lines_of(difference) == [
        'result: "nested too deeply to show" -> "nested too deeply to show"'
    ]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def canonical(value: Any) -> str:
    """Write a value so that what is one in JSON is one text."""

    def number(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: number(each) for key, each in value.items()}
        if isinstance(value, list):
            return [number(each) for each in value]
        is_whole = isinstance(value, float) and value.is_integer()
        return int(value) if is_whole else value

    return json.dumps(number(value), sort_keys=True)


@given(VALUES, VALUES)
def test_only_different_values_differ(expected: Any, found: Any) -> None:
    is_same = canonical(expected) == canonical(found)
    assert (differences_of_values(expected, found) == []) is is_same
    assert differences_of_values(found, json.loads(json.dumps(found))) == []
