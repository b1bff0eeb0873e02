"""Events and results written by a dialect, through JSON, and read again.

What a client may send, any gateway is given. What comes back may differ by what the dialect's
``LOSES`` names, and by nothing else; and whatever it names is lost indeed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slsadapt import ApplicationError, Request, Response, gateways
from slsadapt.gateways.losses import LOSSES
from tests.gateways.corpus import (
    GATEWAYS,
    carried,
    claims,
    grouped,
    split,
    through_json,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Collection

REPEATABLE = settings(
    derandomize=True,
    max_examples=75,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

# RFC 3986: what of a path, and of a query, needs no escape; and escapes, of which one is none.
PLAIN = st.sampled_from("aZ09-._~!$&'()*+,;=:@")
ODD = st.sampled_from(
    [
        "%2F",
        "%2f",
        "%25",
        "%20",
        "+",
        "%3F",
        "%23",
        "%00",
        "%0A",
        "%C3%A9",
        "%E4%BD%A0",
        "%FF",
        "%zz",
    ]
)
SEGMENTS = st.lists(ODD | PLAIN, max_size=5).map("".join)
VALUES_OF_QUERY = st.lists(
    ODD | PLAIN | st.sampled_from(["=", "/", "?", "[", "|", "%"]), max_size=5
).map("".join)
NAMES = st.from_regex(r"x-[a-z0-9.]{1,4}", fullmatch=True) | st.sampled_from(
    ["accept", "authorization", "referer", "user-agent", "x-tag"]
)
# Visible octets as latin-1 characters, and what may stand between them (RFC 9110 5.5).
OCTETS = st.text(st.sampled_from('aZ0,;=" \t\\/%é\x80\xa0\xff'), max_size=6) | st.text(
    st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f")
)
VALUES = OCTETS.map(lambda text: text.strip(" \t"))
COOKIES = st.from_regex(r"[a-z]=[a-zA-Z0-9%]{0,4}", fullmatch=True)
COOKIE_LINES = st.lists(COOKIES, min_size=1, max_size=3).map("; ".join)
TYPES = st.sampled_from(
    [
        "",
        "application/json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "image/png",
        "text/html; charset=gbk",
        "text/plain",
    ]
)
CODINGS = st.sampled_from(["", "gzip", "identity"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
BODIES = (
    st.binary(max_size=64)
    | TEXT.map(str.encode)
    # Octets of all kinds, and texts that some gateways take for base64.
    | st.sampled_from([bytes(range(256)), b"true", b"1234", b"aGVsbG8="])
)
LARGE = [
    pytest.param(b"0123456789abcde\n" * 65536, id="text"),
    pytest.param(bytes(range(256)) * 4096, id="binary"),
]


@st.composite
def queries(draw: st.DrawFn) -> str:
    """Draw a query whose keys are few, so that they repeat, with others in between."""
    keys = ["a", "b", "", "%20", draw(VALUES_OF_QUERY).replace("=", "")]
    pieces = []
    for key in draw(st.lists(st.sampled_from(keys), max_size=5)):
        pieces.append(f"{key}={draw(VALUES_OF_QUERY)}" if draw(st.booleans()) else key)
    return "&".join(pieces)


@st.composite
def requests(draw: st.DrawFn, dialect: str) -> Request:
    """Draw what any client may send, to a host and below a mount that the gateway has."""
    host, stage, root_path = draw(st.sampled_from(GATEWAYS[dialect].mounts))
    scheme = draw(st.sampled_from(["https", "http"]))
    default_port = 443 if scheme == "https" else 80
    port = draw(st.sampled_from([default_port, 8443]))
    name = f"[{host}]" if ":" in host else host
    body = draw(BODIES)
    headers = draw(st.lists(st.tuples(NAMES, VALUES), max_size=6))
    headers += [("cookie", line) for line in draw(st.lists(COOKIE_LINES, max_size=2))]
    headers += [("content-type", each) for each in [draw(TYPES)] if each]
    headers += [("content-encoding", each) for each in [draw(CODINGS)] if each]
    hosts = st.sampled_from([f"{name}:{port}", name, ""])
    headers += [("host", each) for each in [draw(hosts)] if each]
    if body or draw(st.booleans()):
        headers.append(("content-length", str(len(body))))
    segments = draw(st.lists(SEGMENTS, max_size=4))
    addresses = st.sampled_from(["203.0.113.18", "2001:db8::7"])
    clients = st.none() | st.tuples(addresses, st.sampled_from([0, 54321]))
    return Request(
        draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"])),
        "/" + "/".join(segments),
        draw(queries()),
        draw(st.permutations(headers)),
        body,
        scheme,
        draw(clients),
        (host, port),
        root_path,
        stage,
        draw(st.sampled_from(["", "c6af9ac6-7b61-11e6"])),
        draw(st.sampled_from([None, "ann", "zoë"])),
    )


def brought_back(dialect: str, request: Request) -> Request:
    """Send a request through its event; what the gateway adds to the headers is taken off."""
    module = gateways.load(dialect)
    event = through_json(dialect, module.encode_event(request))
    assert claims(event) == [dialect]
    decoded = module.decode_event(event)
    length = str(len(decoded.body))
    assert values(decoded, "content-length") in ([[length]] if decoded.body else [[], ["0"]])
    added = GATEWAYS[dialect].adds | {"host"} - {name for name, _ in request.headers}
    return decoded.replace(headers=[pair for pair in decoded.headers if pair[0] not in added])


@pytest.mark.parametrize("dialect", gateways.NAMES)
def test_event_brings_back_the_request(dialect: str) -> None:
    losses = gateways.load(dialect).LOSES

    @REPEATABLE
    @given(requests(dialect))
    def check(request: Request) -> None:
        assert carried(losses, brought_back(dialect, request)) == carried(losses, request)

    check()


@pytest.mark.parametrize("dialect", gateways.NAMES)
@pytest.mark.parametrize("body", LARGE)
def test_event_brings_back_a_body_of_1_mb(dialect: str, body: bytes) -> None:
    losses = gateways.load(dialect).LOSES
    request = plain(dialect, method="PUT", body=body)
    assert carried(losses, brought_back(dialect, request)) == carried(losses, request)


@pytest.mark.parametrize("dialect", gateways.NAMES)
def test_wrong_length_is_set_right(dialect: str) -> None:
    headers = [("content-length", "15"), ("content-type", "text/plain")]
    request = plain(dialect, method="POST", headers=headers, body=b"hello")
    assert brought_back(dialect, request).body == b"hello"


def plain(dialect: str, **changes: Any) -> Request:
    """Give a request to the gateway's own host, without any header."""
    host, stage, root_path = GATEWAYS[dialect].mounts[0]
    request = Request("GET", "/", server=(host, 443), root_path=root_path, stage=stage)
    return request.replace(**changes)


# What shows each loss of a request, beside ``plain``.
REQUEST_LOSSES: dict[str, dict[str, Any]] = {
    "path_escapes": {"path": "/a%2Fb"},
    "path_slashes": {"path": "//a"},
    "path_octets": {"path": "/%FF"},
    "query_order": {"query": "b=1&a=2&b=3"},
    "query_escapes": {"query": "a=b+c"},
    "query_flags": {"query": "a"},
    "query_semicolons": {"query": "a=1;b=2"},
    "query_last": {"query": "a=1&a=2"},
    "query_commas": {"query": "a=1&a=2"},
    "header_repeats": {"headers": [("x-tag", "1"), ("x-tag", "2")]},
    "header_last": {"headers": [("x-tag", "1"), ("x-tag", "2")]},
    "binary_body": {"headers": [("content-type", "text/plain")], "body": b"\xff"},
    "scheme": {"scheme": "http", "server": ("api.example.com", 80)},
    "port": {"server": ("api.example.com", 8443)},
    "server": {"server": ("api.example.com", 443)},
    "client": {"client": ("203.0.113.18", 0)},
    "client_port": {"client": ("203.0.113.18", 54321)},
    "stage": {"stage": "live"},
    "root_path": {"root_path": "/orders"},
    "base_path": {"root_path": "/orders"},
    "request_id": {"request_id": "c6af9ac6-7b61-11e6"},
    "user": {"user": "ann"},
}
RESPONSE_LOSSES: dict[str, dict[str, Any]] = {
    "response_repeats": {"headers": [("link", "</1>"), ("link", "</2>")]},
    "response_octets": {"headers": [("content-type", "text/plain")], "body": b"\xff"},
    "response_binary": {"headers": [("content-type", "image/png")], "body": b"\xff"},
}
# Of WebSocket messages, which are no HTTP requests.
SOCKET_LOSSES = {"path", "headers", "query", "close_code"}
# In place of an answer that the dialect does not write, the application's failure.
REFUSED = Response(500)


def is_utf8(octets: bytes) -> bool:
    return octets.decode("utf-8", "replace").encode() == octets


def test_every_loss_is_shown() -> None:
    assert REQUEST_LOSSES.keys() | RESPONSE_LOSSES.keys() | SOCKET_LOSSES == LOSSES.keys()
    lost = {loss for dialect in gateways.NAMES for loss in gateways.load(dialect).LOSES}
    assert SOCKET_LOSSES.isdisjoint(lost)


@pytest.mark.parametrize(
    ("dialect", "loss"),
    [(name, loss) for name in gateways.NAMES for loss in gateways.load(name).LOSES],
)
def test_declared_loss_is_a_loss(dialect: str, loss: str) -> None:
    others = set(gateways.load(dialect).LOSES) - {loss}
    if loss in RESPONSE_LOSSES:
        response = Response(200, **RESPONSE_LOSSES[loss])
        assert received(others, answered(dialect, response)) != received(others, response)
    else:
        request = plain(dialect, **REQUEST_LOSSES[loss])
        assert carried(others, brought_back(dialect, request)) != carried(others, request)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    """Draw what any application may answer."""
    headers = draw(st.lists(st.tuples(NAMES.map(str.title), VALUES), max_size=4))
    headers += [("Link", f"</{number}>") for number in range(draw(st.integers(0, 3)))]
    headers += [("Set-Cookie", f"{each}; Path=/") for each in draw(st.lists(COOKIES, max_size=3))]
    headers += [("Content-Type", each) for each in [draw(TYPES)] if each]
    headers += [("Content-Encoding", each) for each in [draw(CODINGS)] if each]
    status = draw(st.sampled_from([200, 201, 204, 302, 304, 404, 418, 500, 503]))
    # Of these the engines make no response with a body.
    body = b"" if status in (204, 304) else draw(BODIES)
    return Response(status, draw(st.permutations(headers)), body)


def received(losses: Collection[str], response: Response) -> dict[str, Any]:
    """Write down what of a response a client receives from a gateway with these losses alone."""
    if "response_binary" in losses and not is_utf8(response.body):
        response = REFUSED
    headers = grouped([(name.lower(), value) for name, value in response.headers])
    body: bytes | str = response.body
    if "response_repeats" in losses:
        for name in headers.keys() - {"set-cookie"}:
            headers[name] = split(headers[name])
    if "response_octets" in losses:
        body = response.body.decode("utf-8", "replace")
    return {"status": response.status, "headers": headers, "body": body}


def answered(dialect: str, response: Response) -> Response:
    """Send a response through its result; what the gateway adds to the headers is taken off."""
    module = gateways.load(dialect)
    event = module.encode_event(plain(dialect))
    if "response_binary" in module.LOSES and not is_utf8(response.body):
        with pytest.raises(ApplicationError, match="UTF-8"):
            module.encode_result(response, event)
        return REFUSED
    result = module.encode_result(response, event)
    read = module.decode_result(through_json(dialect, result))
    if any(name.lower() == "content-type" for name, _ in response.headers):
        return read
    added = ("content-type", GATEWAYS[dialect].content_type)
    headers = [(name, value) for name, value in read.headers if (name.lower(), value) != added]
    return read.replace(headers=headers)


@pytest.mark.parametrize("dialect", gateways.NAMES)
def test_result_brings_back_the_response(dialect: str) -> None:
    losses = gateways.load(dialect).LOSES

    @REPEATABLE
    @given(responses())
    def check(response: Response) -> None:
        assert received(losses, answered(dialect, response)) == received(losses, response)

    check()


@pytest.mark.parametrize("dialect", gateways.NAMES)
@pytest.mark.parametrize("body", LARGE)
def test_result_brings_back_a_body_of_1_mb(dialect: str, body: bytes) -> None:
    losses = gateways.load(dialect).LOSES
    response = Response(200, [("content-type", "image/png")], body)
    assert received(losses, answered(dialect, response)) == received(losses, response)
