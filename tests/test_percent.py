"""Percent-encoding against ``urllib.parse``."""

from __future__ import annotations

from urllib.parse import quote, unquote, unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slsadapt.percent import decode, encode_component, encode_path, encode_stray

# RFC 3986: pchar and "/" for a path; a query's pair less "&", "=", "+" and ";".
PATH_SAFE = "!$&'()*+,;=:@/"
COMPONENT_SAFE = "!$'()*,:@/?"

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SURROGATES = st.text(st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010), min_size=1)
# Dense in escapes, whole and broken.
ESCAPED = st.text(st.sampled_from("%%%0123456789abcdefABCDEFgz/ ~")) | st.text(
    st.characters(max_codepoint=127)
)


@given(ESCAPED)
@example("%")
@example("%4")
@example("%zz%41%")
@example("%%41")
@example("a%2Fb%2fc%25%32%46")
def test_decode_resolves_escapes_once(text: str) -> None:
    assert decode(text) == unquote_to_bytes(text)


@given(TEXT)
def test_decode_takes_unescaped_text_as_utf_8(text: str) -> None:
    assert decode(text) == unquote_to_bytes(text)


@given(TEXT)
@example("a b%c%20")
@example("/café/%2F/日本?#[]")
def test_encode_path_escapes_all_but_path_characters(text: str) -> None:
    assert encode_path(text) == quote(text, safe=PATH_SAFE)


@given(TEXT)
@example("a=b&c+d;e f%")
@example("中文 & more")
def test_encode_component_escapes_all_but_query_characters(text: str) -> None:
    assert encode_component(text) == quote(text, safe=COMPONENT_SAFE)


@given(TEXT)
def test_encoded_text_comes_back(text: str) -> None:
    assert unquote(encode_path(text)) == text
    assert unquote(encode_component(text)) == text
    assert decode(encode_path(text)).decode() == text
    assert decode(encode_component(text)).decode() == text


@pytest.mark.parametrize(
    ("path", "escaped"),
    [
        pytest.param("/a%20b%2Fc", "/a%20b%2Fc", id="escapes stay"),
        pytest.param("/caf%C3%A9/é", "/caf%C3%A9/%C3%A9", id="escape beside a stray letter"),
        pytest.param("/a b%20c", "/a%20b%20c", id="stray space"),
        pytest.param("/100%", "/100%", id="lone percent sign"),
        pytest.param("/%zz%", "/%zz%", id="broken escape"),
        pytest.param("/a?b#c", "/a%3Fb%23c", id="delimiters"),
        pytest.param("/%e9", "/%e9", id="lower-case escape"),
    ],
)
def test_encode_stray_keeps_escapes(path: str, escaped: str) -> None:
    assert encode_stray(path) == escaped


@given(TEXT | ESCAPED)
def test_encode_stray_leaves_only_path_characters_and_percent_signs(text: str) -> None:
    assert encode_stray(text) == quote(text, safe=PATH_SAFE + "%")
    assert encode_stray(encode_stray(text)) == encode_stray(text)


@given(SURROGATES)
@example("\ud800")
@example("/a\udcffb")
@example("%\udfff41")
def test_lone_surrogate_travels_as_octets(text: str) -> None:
    octets = text.encode("utf-8", "surrogatepass")
    assert unquote_to_bytes(encode_path(text)) == octets
    assert unquote_to_bytes(encode_component(text)) == octets
    assert encode_stray(text).isascii()
    assert decode(text) == unquote_to_bytes(octets)
