"""Requests and responses as JSON, for dialects that pass objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slsadapt.local.objects import (
    is_request,
    pack_request,
    pack_response,
    unpack_request,
    unpack_response,
)
from slsadapt.message import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.once

REQUEST = Request(
    "POST",
    "/a%20b",
    "q=1",
    (("x-a", "1"), ("x-a", "\xff")),
    b"\x00\xff",
    "http",
    ("192.0.2.1", 5),
    ("shop.example", 80),
    "/live",
    "live",
    "id-1",
    "ada",
)
_TEXT = st.text(st.characters(exclude_categories=()))
_ADDRESS = st.tuples(_TEXT, st.integers(0, 65535))
_PAIRS = st.lists(st.tuples(_TEXT.map(str.lower), _TEXT))


def test_request_is_json_with_octets_in_base64() -> None:
    assert json.loads(pack_request(REQUEST)) == {
        "slsadapt.request": {
            "method": "POST",
            "path": "/a%20b",
            "query": "q=1",
            "headers": [["x-a", "1"], ["x-a", "\xff"]],
            "body": "AP8=",
            "scheme": "http",
            "client": ["192.0.2.1", 5],
            "server": ["shop.example", 80],
            "root_path": "/live",
            "stage": "live",
            "request_id": "id-1",
            "user": "ada",
        }
    }


def test_response_is_json_with_octets_in_base64() -> None:
    response = Response(201, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], b"\xff")
    assert json.loads(pack_response(response)) == {
        "slsadapt.response": {
            "status": 201,
            "headers": [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]],
            "body": "/w==",
        }
    }


def test_request_comes_back_as_it_was() -> None:
    assert unpack_request(pack_request(REQUEST)) == REQUEST


@given(
    st.builds(
        Request,
        _TEXT,
        _TEXT,
        _TEXT,
        _PAIRS,
        st.binary(),
        _TEXT,
        st.none() | _ADDRESS,
        _ADDRESS,
        _TEXT,
        _TEXT,
        _TEXT,
        st.none() | _TEXT,
    )
)
def test_any_request_comes_back(request: Request) -> None:
    assert unpack_request(pack_request(request)) == request


@given(st.builds(Response, st.integers(100, 599), _PAIRS, st.binary()))
def test_any_response_comes_back(response: Response) -> None:
    assert unpack_response(pack_response(response)) == response


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(pack_request(REQUEST), True, id="request"),
        pytest.param(b'{"triggerTime": "now"}', False, id="timer"),
        pytest.param(pack_response(Response(200)), False, id="response"),
    ],
)
def test_requests_are_told_from_events(payload: bytes, expected: bool) -> None:
    assert is_request(payload) is expected


@pytest.mark.parametrize("unpack", [unpack_request, unpack_response])
@pytest.mark.parametrize("payload", [b"null", b"{}", b'{"slsadapt.request": 1}', b"no"])
def test_anything_else_is_an_error(unpack: Callable[[bytes], object], payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected|Expecting"):
        unpack(payload)
