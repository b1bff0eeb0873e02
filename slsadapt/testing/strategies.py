"""Hypothesis strategies for requests, responses and events, for fuzz tests of an application.

They need hypothesis: ``pip install hypothesis``.

>>> from hypothesis import given
>>> from slsadapt.testing import contexts, strategies
>>> from shop import main_handler
>>> @given(strategies.events("aws_http"))
... def test_no_request_is_a_server_error(event):
...     assert main_handler(event, contexts.aws())["statusCode"] < 500

Such tests want few pages and all the rest odd: ``requests()`` can be changed before it is sent,
``.map(lambda request: request.replace(path="/orders"))``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

from .. import gateways
from ..message import Request, Response

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["GATEWAYS", "GatewayTraits", "events", "requests", "responses"]

# (host, stage, root_path) that occur together.
Mounts = tuple[tuple[str, str, str], ...]

_OWN_DOMAINS: Mounts = (("api.example.com", "", ""), ("2001:db8::1", "", ""))


class GatewayTraits(NamedTuple):
    """What the losses of a dialect do not tell of its gateway.

    Args:
        mounts: (host, stage, root_path) that occur together.
        adds: request headers that the gateway writes itself, whatever the client sent.
        content_type: of a response that has none.
    """

    mounts: Mounts = _OWN_DOMAINS
    adds: frozenset[str] = frozenset()
    content_type: str | None = None


_AWS_HOST = "abcdef1234.execute-api.eu-west-1.amazonaws.com"
_AWS_ADDS = frozenset({"x-forwarded-proto", "x-forwarded-port"})
_TENCENT_HOST = "service-abc-1300000000.gz.apigw.tencentcs.com"

GATEWAYS = {
    "aws_rest": GatewayTraits(
        (
            (_AWS_HOST, "live", "/live"),
            (_AWS_HOST, "v-1_a", "/v-1_a"),
            (_AWS_HOST, "", ""),
            ("api.example.com", "live", ""),
            ("api.example.com", "live", "/orders"),
            ("api.example.com", "live", "/orders/v 2"),
            ("api.example.com", "live", "/live"),
            ("2001:db8::1", "live", "/注%文"),
        ),
        _AWS_ADDS,
        "application/json",
    ),
    "aws_http": GatewayTraits(
        (
            (_AWS_HOST, "live", "/live"),
            (_AWS_HOST, "v-1_a", "/v-1_a"),
            (_AWS_HOST, "", ""),
            ("api.example.com", "live", ""),
            ("api.example.com", "", ""),
            ("api.example.com", "live", "/orders"),
            ("2001:db8::1", "", "/live"),
        ),
        _AWS_ADDS,
        "application/json",
    ),
    "aws_function_url": GatewayTraits(
        (("abc.lambda-url.eu-west-1.on.aws", "", ""), *_OWN_DOMAINS),
        _AWS_ADDS,
        "application/json",
    ),
    "tencent_apigw": GatewayTraits(
        (
            (_TENCENT_HOST, "release", "/release"),
            (_TENCENT_HOST, "$default", "/$default"),
            ("api.example.com", "release", ""),
            ("2001:db8::1", "test", "/orders"),
        ),
        frozenset({"x-api-scheme", "x-api-requestid"}),
    ),
    "tencent_function_url": GatewayTraits(
        (("1300000000-abc.ap-guangzhou.tencentscf.com", "", ""), *_OWN_DOMAINS),
        frozenset({"x-scf-remote-addr"}),
    ),
    "aws_alb": GatewayTraits(
        adds=_AWS_ADDS | {"x-forwarded-for", "x-amzn-trace-id"},
    ),
    "aws_lattice": GatewayTraits(adds=_AWS_ADDS | {"x-forwarded-for"}),
    "aws_edge": GatewayTraits(adds=frozenset({"cloudfront-forwarded-proto"})),
    "kong": GatewayTraits(),
    "huawei_apig": GatewayTraits(
        (
            ("abc.apig.cn-north-4.huaweicloudapis.com", "RELEASE", ""),
            ("api.example.com", "test", ""),
            ("2001:db8::1", "", ""),
        ),
        frozenset({"x-forwarded-proto", "x-forwarded-port", "x-real-ip"}),
    ),
    "volcengine": GatewayTraits(
        adds=frozenset({"x-faas-event-type", "x-faas-request-id", "x-real-ip", "x-real-port"}),
    ),
    "baidu_cfc": GatewayTraits(adds=frozenset({"app", "x-bce-request-id"})),
    "yandex": GatewayTraits(
        (("d5dabc.apigw.yandexcloud.net", "", ""), *_OWN_DOMAINS),
        frozenset({"x-forwarded-proto"}),
    ),
    "alibaba_fc3": GatewayTraits(
        (("web-shop-abc.cn-hangzhou.fcapp.run", "", ""), *_OWN_DOMAINS),
        frozenset({"x-forwarded-proto"}),
        "application/json",
    ),
    "alibaba_fc2": GatewayTraits(
        (("1234.cn-hangzhou.fc.aliyuncs.com", "", "/2016-08-15/proxy/shop/web"), *_OWN_DOMAINS),
        frozenset({"x-forwarded-proto"}),
    ),
    "alibaba_apigw": GatewayTraits(
        (("abc-cn-hangzhou.alicloudapi.com", "RELEASE", ""), *_OWN_DOMAINS),
        frozenset({"x-forwarded-for", "x-forwarded-proto", "x-ca-request-id", "x-ca-stage"}),
    ),
    "tencent_cloudbase": GatewayTraits(
        (("shop-0g.service.tcloudbase.com", "", ""), *_OWN_DOMAINS),
        frozenset({"x-forwarded-for", "x-forwarded-proto"}),
    ),
    "scaleway": GatewayTraits(
        (("ns.functions.fnc.fr-par.scw.cloud", "", ""), *_OWN_DOMAINS),
        frozenset({"x-envoy-external-address", "x-forwarded-proto", "x-request-id"}),
    ),
    "azure": GatewayTraits(
        (
            ("app.azurewebsites.net", "", "/api"),
            ("2001:db8::1", "", "/api"),
            ("api.example.com", "", ""),
        ),
        frozenset({"x-forwarded-for", "x-forwarded-proto", "x-arr-log-id"}),
        "text/plain; charset=utf-8",
    ),
    "gcp": GatewayTraits(
        (("fn-abc-ew.a.run.app", "", ""), *_OWN_DOMAINS),
        frozenset({"x-forwarded-for", "x-forwarded-proto", "function-execution-id"}),
    ),
    "openwhisk": GatewayTraits(
        adds=frozenset({"x-request-id"}), content_type="application/octet-stream"
    ),
    "digitalocean": GatewayTraits(
        adds=frozenset({"x-forwarded-for", "x-forwarded-proto", "x-request-id"}),
        content_type="application/octet-stream",
    ),
}


_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]
# RFC 3986: what of a path, and of a query, needs no escape; and escapes, of which one is none.
_PLAIN = st.sampled_from("aZ09-._~!$&'()*+,;=:@")
_ODD = st.sampled_from(
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
_SEGMENTS = st.lists(_ODD | _PLAIN, max_size=5).map("".join)
_VALUES_OF_QUERY = st.lists(
    _ODD | _PLAIN | st.sampled_from(["=", "/", "?", "[", "|", "%"]), max_size=5
).map("".join)
_NAMES = st.from_regex(r"x-[a-z0-9.]{1,4}", fullmatch=True) | st.sampled_from(
    ["accept", "authorization", "referer", "user-agent", "x-tag"]
)
# Visible octets as latin-1 characters, and what may stand between them (RFC 9110 5.5).
_OCTETS = st.text(st.sampled_from('aZ0,;=" \t\\/%é\x80\xa0\xff'), max_size=6) | st.text(
    st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f")
)
_VALUES = _OCTETS.map(lambda text: text.strip(" \t"))
_COOKIES = st.from_regex(r"[a-z]=[a-zA-Z0-9%]{0,4}", fullmatch=True)
_COOKIE_LINES = st.lists(_COOKIES, min_size=1, max_size=3).map("; ".join)
_TYPES = st.sampled_from(
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
_CODINGS = st.sampled_from(["", "gzip", "identity"])
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_BODIES = (
    st.binary(max_size=64)
    | _TEXT.map(str.encode)
    # Octets of all kinds, and texts that some gateways take for base64.
    | st.sampled_from([bytes(range(256)), b"true", b"1234", b"aGVsbG8="])
)


def requests(dialect: str | None = None) -> SearchStrategy[Request]:
    """Draw what any client may send, however odd: escapes, repeats, octets of all kinds.

    Args:
        dialect: sends it to a host and below a mount that this gateway has, one of
            ``slsadapt.gateways.NAMES``; None to a domain of one's own, mounted nowhere.

    Raises:
        OptionError: there is no such dialect.
    """
    if dialect is None:
        return _requests(_OWN_DOMAINS)
    gateways.load(dialect)
    return _requests(GATEWAYS[dialect].mounts)


def events(dialect: str) -> SearchStrategy[Any]:
    """Draw what a gateway hands to the function for any request: JSON, or its own object.

    Args:
        dialect: one of ``slsadapt.gateways.NAMES``.

    Raises:
        OptionError: there is no such dialect.
    """
    encode_event = gateways.load(dialect).encode_event
    drawn: SearchStrategy[Any] = requests(dialect).map(encode_event)
    if dialect in gateways.OBJECT_NAMES:
        return drawn
    # A function gets what is read from JSON: no tuples, nothing shared.
    return drawn.map(json.dumps).map(json.loads)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    """Draw what any application may answer: a ``Response``."""
    headers = draw(st.lists(st.tuples(_NAMES.map(str.title), _VALUES), max_size=4))
    headers += [("Link", f"</{number}>") for number in range(draw(st.integers(0, 3)))]
    headers += [("Set-Cookie", f"{each}; Path=/") for each in draw(st.lists(_COOKIES, max_size=3))]
    headers += [("Content-Type", each) for each in [draw(_TYPES)] if each]
    headers += [("Content-Encoding", each) for each in [draw(_CODINGS)] if each]
    status = draw(st.sampled_from([200, 201, 204, 302, 304, 404, 418, 500, 503]))
    # Of these the engines make no response with a body.
    body = b"" if status in (204, 304) else draw(_BODIES)
    return Response(status, draw(st.permutations(headers)), body)


@st.composite
def _queries(draw: st.DrawFn) -> str:
    """Draw a query whose keys are few, so that they repeat, with others in between."""
    keys = ["a", "b", "", "%20", draw(_VALUES_OF_QUERY).replace("=", "")]
    pieces = []
    for key in draw(st.lists(st.sampled_from(keys), max_size=5)):
        pieces.append(f"{key}={draw(_VALUES_OF_QUERY)}" if draw(st.booleans()) else key)
    return "&".join(pieces)


@st.composite
def _requests(draw: st.DrawFn, mounts: Mounts) -> Request:
    host, stage, root_path = draw(st.sampled_from(mounts))
    scheme = draw(st.sampled_from(["https", "http"]))
    default_port = 443 if scheme == "https" else 80
    port = draw(st.sampled_from([default_port, 8443]))
    name = f"[{host}]" if ":" in host else host
    body = draw(_BODIES)
    headers = draw(st.lists(st.tuples(_NAMES, _VALUES), max_size=6))
    headers += [("cookie", line) for line in draw(st.lists(_COOKIE_LINES, max_size=2))]
    headers += [("content-type", each) for each in [draw(_TYPES)] if each]
    headers += [("content-encoding", each) for each in [draw(_CODINGS)] if each]
    hosts = st.sampled_from([f"{name}:{port}", name, ""])
    headers += [("host", each) for each in [draw(hosts)] if each]
    if body or draw(st.booleans()):
        headers.append(("content-length", str(len(body))))
    segments = draw(st.lists(_SEGMENTS, max_size=4))
    addresses = st.sampled_from(["203.0.113.18", "2001:db8::7"])
    clients = st.none() | st.tuples(addresses, st.sampled_from([0, 54321]))
    return Request(
        draw(st.sampled_from(_METHODS)),
        "/" + "/".join(segments),
        draw(_queries()),
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
