"""Text or base64, in both directions."""

from __future__ import annotations

import gzip
from base64 import b64encode

import pytest

from slsadapt import BadEventError
from slsadapt.gateways._body import decode_base64, decode_body, encode_body, is_text

EVERY_OCTET = bytes(range(256))


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "text/plain; charset=utf-8",
        "text/event-stream",
        "TEXT/HTML;CHARSET=UTF-8",
        "  text/css ; x=y",
        "text/x-unheard-of",
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/problem+json",
        "application/vnd.api+json; ext=bulk",
        "application/geo+json",
        "application/ld+json",
        "application/vnd.oai.openapi+json",
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonlines",
        "application/json-seq+json-seq",
        "application/xml",
        "application/atom+xml",
        "application/xhtml+xml",
        "application/soap+XML",
        "image/svg+xml",
        "application/javascript",
        "application/x-javascript",
        "application/ecmascript",
        "application/x-www-form-urlencoded",
        "application/yaml",
        "application/x-yaml",
        "application/vnd.oai.openapi+yaml",
        "application/example+text",
        "application/graphql",
        "application/sql",
        "application/toml",
        "",
    ],
)
def test_readable_type_is_text(content_type: str) -> None:
    assert is_text(content_type)
    assert encode_body("é <b>".encode(), content_type, "", ()) == ("é <b>", False)


@pytest.mark.parametrize(
    "content_type",
    [
        "image/png",
        "image/svg",
        "application/octet-stream",
        "application/pdf",
        "application/zip",
        "application/grpc",
        "application/msgpack",
        "application/cbor",
        "application/vnd.ms-excel",
        "application/jsonp-not",
        "application/json+zip",
        "multipart/form-data; boundary=text/html",
        "video/mp4",
        "font/woff2",
        "textual/html",
        "nonsense",
    ],
)
def test_other_type_is_base64_even_where_it_could_be_read(content_type: str) -> None:
    assert not is_text(content_type)
    assert encode_body(b"abc", content_type, "", ()) == ("YWJj", True)


@pytest.mark.parametrize(
    ("extension", "content_type", "readable"),
    [
        pytest.param("application/x-foo", "application/x-foo", True, id="type"),
        pytest.param("application/x-foo", "Application/X-Foo; a=b", True, id="case and parameters"),
        pytest.param("application/x-foo", "application/x-foobar", False, id="whole types only"),
        pytest.param("model/", "model/gltf", True, id="family"),
        pytest.param("model/", "application/model/x", False, id="family at the start only"),
        pytest.param("+csv", "application/x+csv", True, id="suffix"),
        pytest.param("+csv", "application/csv", False, id="suffix with its plus"),
        pytest.param("image/png", "image/gif", False, id="another"),
    ],
)
def test_text_mime_types_extend_the_list(extension: str, content_type: str, readable: bool) -> None:
    assert not is_text(content_type)
    assert is_text(content_type, (extension,)) is readable
    assert encode_body(b"abc", content_type, "", ("application/other", extension)) == (
        ("abc", False) if readable else ("YWJj", True)
    )


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "deflate", "zstd", "identity, gzip"])
def test_encoded_content_is_base64_though_its_type_is_text(encoding: str) -> None:
    body = gzip.compress(b"abc")
    assert encode_body(body, "text/html", encoding, ()) == (b64encode(body).decode(), True)
    assert encode_body(b"abc", "text/html", encoding, ()) == ("YWJj", True)


@pytest.mark.parametrize("encoding", ["", "identity", "Identity", " identity "])
def test_content_that_is_not_encoded_is_text(encoding: str) -> None:
    assert encode_body(b"abc", "text/html", encoding, ()) == ("abc", False)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("text/html; charset=latin-1", "café".encode("latin-1"), id="latin-1"),
        pytest.param("text/html; charset=gbk", "中文网页".encode("gbk"), id="gbk"),
        pytest.param("text/plain; charset=utf-16", "héllo".encode("utf-16"), id="utf-16"),
        pytest.param("text/plain; charset=utf-8", b"\xe4\xb8", id="cut in a character"),
        pytest.param("application/json", b'"\xed\xa0\x80"', id="surrogate"),
        pytest.param("text/plain; charset=no-such", b"\xff", id="unknown charset"),
        pytest.param("", EVERY_OCTET, id="no type"),
        pytest.param("text/plain", EVERY_OCTET, id="every octet"),
    ],
)
def test_text_that_is_no_utf_8_falls_back_to_base64(content_type: str, body: bytes) -> None:
    # As text the gateway would send it in UTF-8, beside a header that says otherwise.
    assert encode_body(body, content_type, "", ()) == (b64encode(body).decode(), True)


def test_text_in_a_charset_that_agrees_with_utf_8_is_text() -> None:
    assert encode_body(b"plain", "text/html; charset=gbk", "", ()) == ("plain", False)


@pytest.mark.parametrize("content_type", ["image/png", "text/html", ""])
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_empty_body_is_empty_text(content_type: str, encoding: str) -> None:
    assert encode_body(b"", content_type, encoding, ()) == ("", False)


def test_what_applications_send_does_not_fill_the_memory() -> None:
    for number in range(1000):
        is_text(f"application/x-{number}")
    info = is_text.cache_info()
    assert info.maxsize is not None
    assert info.currsize <= info.maxsize <= 1000


@pytest.mark.parametrize(
    ("body", "flag", "octets"),
    [
        pytest.param(None, None, b"", id="nothing"),
        pytest.param("", True, b"", id="empty"),
        pytest.param("a\u0000é", False, b"a\x00\xc3\xa9", id="text"),
        pytest.param("\udcff", None, b"\xed\xb3\xbf", id="lone surrogate"),
        pytest.param("AP8=", True, b"\x00\xff", id="base64"),
        pytest.param("AP8=", "true", b"\x00\xff", id="flag as text"),
        pytest.param("AP8=", "false", b"AP8=", id="flag as text, false"),
        pytest.param("AP8=", 0, b"AP8=", id="flag as number, false"),
    ],
)
def test_body_is_read(body: object, flag: object, octets: bytes) -> None:
    assert decode_body(body, flag) == octets


@pytest.mark.parametrize(
    ("body", "flag", "field"),
    [
        pytest.param(5, False, "'body' must be str, got int", id="number"),
        pytest.param(b"a", False, "'body' must be str, got bytes", id="octets"),
        pytest.param({"a": 1}, True, "'body' must be str, got dict", id="object"),
        pytest.param("AP8=", "yes", "'isBase64Encoded' must be bool, got str", id="flag"),
        pytest.param("AP8=", 1, "'isBase64Encoded' must be bool, got int", id="flag as number"),
        pytest.param("AP8", True, "'body' must be base64", id="base64"),
    ],
)
def test_wrong_body_is_named(body: object, flag: object, field: str) -> None:
    with pytest.raises(BadEventError, match=field):
        decode_body(body, flag)


def test_wrong_body_is_not_quoted() -> None:
    with pytest.raises(BadEventError) as caught:
        decode_body("hunter2", True)
    assert "hunter2" not in str(caught.value)


def test_every_octet_comes_back() -> None:
    assert decode_base64(b64encode(EVERY_OCTET).decode()) == EVERY_OCTET


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Zm9", id="no padding"),
        pytest.param("Zg=", id="half a padding"),
        pytest.param("Zm9v====", id="too much padding"),
        pytest.param("====", id="padding alone"),
        pytest.param("Zg==Zg==", id="two in one"),
        pytest.param("Zm=v", id="padding within"),
        pytest.param("Z m9v", id="space"),
        pytest.param("Zm9v\n", id="end of line"),
        pytest.param("Zm9vZm9v\r\n\r\n", id="ends of line that fill a quantum"),
        pytest.param("Zm9!", id="not of the alphabet"),
        pytest.param("-_-_", id="URL alphabet"),
        pytest.param("Zm9é", id="beyond ASCII"),
        pytest.param("Hello from Lambda!", id="text"),
        pytest.param("Hello world!", id="text of a whole number of quanta"),
    ],
)
def test_base64_is_strict(text: str) -> None:
    assert decode_base64(text) is None
