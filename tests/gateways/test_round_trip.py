"""Events and results written by a dialect, through JSON, and read again.

Requests are drawn from what the dialect's docstring says it carries; what is lost on the way is
named in the tests of that dialect.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, quote, quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slsadapt import Request, Response, gateways
from tests.gateways.corpus import AWS, DIALECTS, grouped

REPEATABLE = settings(
    derandomize=True,
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

# RFC 3986: what of a path needs no escape.
PATH_SAFE = "!$&'()*+,;=:@/"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
# Much of what has a meaning in URLs, and a little of all else.
ODD_TEXT = st.text(st.sampled_from('aZ0 %+&=;/?#[]:@~é中\0\n"'), max_size=8) | TEXT
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
# Visible octets as latin-1 characters, inner spaces, no comma: gateways join with commas.
VALUES = st.text(
    st.characters(codec="latin-1", exclude_categories=["Cc"], exclude_characters=",;\x7f"),
    max_size=12,
).map(str.strip)
COOKIES = st.from_regex(r"[a-z]=[a-zA-Z0-9%]{0,4}", fullmatch=True)
COOKIE_LINES = st.lists(st.lists(COOKIES, min_size=1, max_size=3).map("; ".join), max_size=2)
TYPES = st.sampled_from(
    ["", "text/plain", "application/json", "image/png", "text/html; charset=gbk"]
)
BODIES = st.binary(max_size=64) | TEXT.map(str.encode) | st.just(bytes(range(256)))

STAGE_HOSTS = {
    "aws_rest": "abcdef1234.execute-api.eu-west-1.amazonaws.com",
    "aws_http": "abcdef1234.execute-api.eu-west-1.amazonaws.com",
    "tencent_apigw": "service-abc-1300000000.gz.apigw.tencentcs.com",
}
OWN_HOSTS = ["api.example.com", "2001:db8::1"]
URL_HOSTS = {
    "aws_function_url": "abc.lambda-url.eu-west-1.on.aws",
    "tencent_function_url": "1300000000-abc.ap-guangzhou.tencentscf.com",
}


@st.composite
def encoded_paths(draw: st.DrawFn, octets: bool) -> str:
    """Draw an encoded path; ``octets`` allows escapes that a decoding gateway loses."""
    segments = draw(st.lists(ODD_TEXT.filter(bool), max_size=3))
    encoded = [quote(text, safe=PATH_SAFE.replace("/", "")) for text in segments]
    if octets:
        encoded += [quote_from_bytes(draw(st.binary(max_size=3)), safe="") or "%2f%FF%00"]
    else:
        encoded = [each.replace("%2F", "").replace("%3F", "") or "-" for each in encoded]
    return "/" + "/".join(encoded) + draw(st.sampled_from(["", "/"])) if encoded else "/"


@st.composite
def queries(draw: st.DrawFn, dialect: str) -> str:
    if dialect in ("aws_http", "aws_function_url"):
        # Carried as it is.
        return draw(st.text(st.sampled_from("ab1=&;+%2F%ff[]|.~"), max_size=20))
    pairs = draw(st.lists(st.tuples(ODD_TEXT, ODD_TEXT), max_size=4))
    pieces = [f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in pairs]
    if draw(st.booleans()) and pieces:
        pieces.append(pieces[0])
    if dialect.startswith("tencent") and draw(st.booleans()):
        pieces.append("flag")
    return "&".join(pieces)


@st.composite
def requests(draw: st.DrawFn, dialect: str) -> Request:
    stage = root_path = ""
    if dialect in URL_HOSTS:
        host = URL_HOSTS[dialect]
    elif draw(st.booleans()):
        host, stage = STAGE_HOSTS[dialect], draw(st.sampled_from(["live", "$default", "v-1_a"]))
        root_path = f"/{stage}"
        if stage == "$default" and dialect.startswith("aws"):
            stage = root_path = ""
    else:
        host, stage = draw(st.sampled_from(OWN_HOSTS)), "live"
        if dialect == "aws_rest":
            root_path = draw(st.sampled_from(["", "/orders", "/orders/v 2", "/注%文", "/live"]))
    scheme, port = "https", 443
    if dialect not in URL_HOSTS:
        scheme = draw(st.sampled_from(["https", "http"]))
        port = draw(st.sampled_from([443 if scheme == "https" else 80, 8443]))
    body = draw(BODIES)
    if dialect == "tencent_function_url":
        body = body.decode("utf-8", "replace").encode()
    headers = draw(st.lists(st.tuples(NAMES.map("x-{}".format), VALUES), max_size=4))
    headers += [("x-tag", "first"), ("x-tag", "second")]
    headers += [("cookie", line) for line in draw(COOKIE_LINES)]
    headers += [("content-type", each) for each in [draw(TYPES)] if each]
    name = f"[{host}]" if ":" in host else host
    headers.append(("host", name if port in (80, 443) else f"{name}:{port}"))
    if dialect in AWS:
        headers += [("x-forwarded-proto", scheme), ("x-forwarded-port", str(port))]
    if body:
        headers.append(("content-length", str(len(body))))
    request_id = draw(st.sampled_from(["", "c6af9ac6-7b61-11e6"]))
    if dialect == "tencent_apigw":
        headers += [("x-api-scheme", scheme), ("x-api-requestid", request_id)]
    address = draw(st.sampled_from(["203.0.113.18", "2001:db8::7", ""]))
    if dialect == "tencent_function_url":
        request_id = ""
        headers += [("x-scf-remote-addr", address)] if address else []
    return Request(
        draw(st.sampled_from(["GET", "POST", "PROPFIND"])),
        draw(encoded_paths(octets=dialect != "aws_http")),
        draw(queries(dialect)),
        headers,
        body,
        scheme,
        (address, 0) if address else None,
        (host, port),
        root_path,
        stage,
        request_id,
        draw(st.sampled_from([None, "ann"])) if dialect in AWS else None,
    )


def carried(dialect: str, request: Request) -> dict[str, Any]:
    """Write a request down as far as the dialect's docstring says that it is carried."""
    headers = grouped([*request.headers])
    headers["cookie"] = ["; ".join(headers.get("cookie", []))]
    query: Any = request.query
    if dialect in ("aws_rest", "tencent_apigw", "tencent_function_url"):
        # Keys lose their order among each other, and their escapes their spelling.
        query = grouped(parse_qsl(query, keep_blank_values=True))
        if dialect.startswith("tencent"):
            query["flag is bare"] = ["flag" in request.query.split("&")]
    if dialect != "aws_rest":
        headers = {name: [",".join(each)] for name, each in headers.items()}
    fields = {name: getattr(request, name) for name in Request.__slots__}
    return fields | {"headers": headers, "query": query}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_event_brings_back_the_request(dialect: str) -> None:
    module = gateways.load(dialect)

    @REPEATABLE
    @given(requests(dialect))
    def check(request: Request) -> None:
        event = json.loads(json.dumps(module.encode_event(request)))
        assert [name for name in gateways.NAMES if gateways.load(name).matches(event)] == [dialect]
        assert carried(dialect, module.decode_event(event)) == carried(dialect, request)

    check()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_event_brings_back_a_large_body(dialect: str) -> None:
    module = gateways.load(dialect)
    body = b"0123456789abcdef" * 65536
    if dialect != "tencent_function_url":
        body = bytes(range(256)) * 4096
    request = Request("PUT", "/", headers=[("content-type", "image/png")], body=body)
    event = json.loads(json.dumps(module.encode_event(request)))
    assert module.decode_event(event).body == body


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "server", [("example.com", 443), ("2001:db8::1", 443)], ids=["name", "ipv6 host"]
)
def test_event_names_the_server_where_no_host_header_does(
    dialect: str, server: tuple[str, int]
) -> None:
    module = gateways.load(dialect)
    request = Request("GET", "/", server=server)
    decoded = module.decode_event(module.encode_event(request))
    if dialect == "aws_function_url":
        # Its events name the URL's own host.
        assert decoded.server[0].endswith(".lambda-url.us-east-1.on.aws")
    else:
        assert decoded.server == server


@st.composite
def responses(draw: st.DrawFn) -> Response:
    headers = draw(st.lists(st.tuples(NAMES.map("X-{}".format), VALUES), max_size=4))
    headers += [("Link", f"</{number}>") for number in range(draw(st.integers(0, 3)))]
    headers += [("Set-Cookie", f"{each}; Path=/") for each in draw(st.lists(COOKIES, max_size=3))]
    headers += [("Content-Type", each) for each in [draw(TYPES)] if each]
    if draw(st.booleans()):
        headers.append(("Content-Encoding", draw(st.sampled_from(["gzip", "identity"]))))
    status = draw(st.sampled_from([100, 200, 201, 204, 304, 404, 500, 599]))
    return Response(status, draw(st.permutations(headers)), draw(BODIES))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_result_brings_back_the_response(dialect: str) -> None:
    module = gateways.load(dialect)

    @REPEATABLE
    @given(responses())
    def check(response: Response) -> None:
        result = json.loads(json.dumps(module.encode_result(response, {})))
        received = module.decode_result(result)
        assert (received.status, received.body) == (response.status, response.body)
        expected = grouped([(name.lower(), value) for name, value in response.headers])
        if dialect in AWS:
            expected.setdefault("content-type", ["application/json"])
        if dialect in ("aws_http", "aws_function_url"):
            expected = {
                name: each if name == "set-cookie" else [", ".join(each)]
                for name, each in expected.items()
            }
        assert grouped([(name.lower(), value) for name, value in received.headers]) == expected

    check()
