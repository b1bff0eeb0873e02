"""Broken events from end to end: the quick version of ``make fuzz``, and what that has found."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.fuzz import ENVIRON, Finding, Mutator, Target, load_seeds, minimise
from slsadapt import Request, gateways
from tests.conftest import load_case

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

REPEATABLE = settings(
    derandomize=True,
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    target = Target(everything=False, limit_s=float("inf"))
    yield target
    target.close()


# What the fuzzer makes objects and environs of.
AS_JSON = {
    "azure": load_case("azure/get_browser_real_headers")["event"],
    "gcp": ENVIRON,
    "alibaba_fc2": ENVIRON,
}


@pytest.mark.parametrize("dialect", gateways.NAMES)
def test_event_with_junk_is_served_refused_or_unknown(target: Target, dialect: str) -> None:
    good = AS_JSON.get(dialect) or target.good[dialect]()

    @REPEATABLE
    @given(st.dictionaries(st.sampled_from([*good]), JUNK, min_size=1, max_size=3))
    def check(junk: dict[str, Any]) -> None:
        target.check(json.dumps(good | junk).encode())

    check()


def retyped(value: Any, junk: Any, kept: str) -> Any:
    """Set all texts of an event to ``junk``, but for those under one name."""
    if isinstance(value, dict):
        return {
            name: member if name == kept else retyped(member, junk, kept)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [retyped(member, junk, kept) for member in value]
    return junk if isinstance(value, str) else value


@pytest.mark.parametrize("dialect", gateways.NAMES)
@pytest.mark.parametrize("junk", [5, 1.5, True, ["a"], {"a": "b"}], ids=repr)
def test_event_without_a_text_is_served_refused_or_unknown(
    target: Target, dialect: str, junk: Any
) -> None:
    good = AS_JSON.get(dialect) or target.good[dialect]()
    for kept in ("version", "path", "rawPath", "uri", "method", "httpMethod", "headers"):
        target.check(json.dumps(retyped(good, junk, kept)).encode())


@pytest.mark.parametrize("number", range(10))
def test_mutated_event_is_served_refused_or_unknown(target: Target, number: int) -> None:
    seeds = load_seeds()
    mutator = Mutator(seeds)
    chance = random.Random(number)
    for event in chance.sample(seeds, 20):
        for _ in range(5):
            event = mutator.mutate(event, chance)
            target.check(json.dumps(event).encode())


@pytest.mark.parametrize("event", [None, 5, "text", b"\xff", [], [1], "[]", b'"a"', "{"], ids=repr)
def test_event_that_is_no_object_is_refused(target: Target, event: object) -> None:
    with pytest.raises(ValueError, match="the event must be"):
        target.handlers["wsgi", "auto"](event)


# What the fuzzer has found, mended since: the least event that showed it.
FOUND: dict[str, dict[str, Any]] = {
    "port of 5,000 digits": {
        "requestContext": {},
        "httpMethod": "GET",
        "path": "/",
        "headers": {"host": "localhost", "x-forwarded-port": "9" * 5000},
    },
    "host that is a number": {
        "requestContext": {},
        "headers": {"host": 2**63},
        "httpMethod": "GET",
        "path": "/",
    },
    "claimed without the key to detect it, HTTP API": {
        "version": "2.0",
        "requestContext": {"http": {}},
    },
    "claimed without the key to detect it, function URL": {
        "version": "2.0",
        "requestContext": {"domainName": "a.lambda-url.us-west-2.on.aws", "http": {}},
    },
    "claimed without the key to detect it, Kong": {
        "multiValueQueryStringParameters": {},
        "httpMethod": "GET",
        "resource": "/",
    },
    "claimed without the key to detect it, Baidu": {
        "resource": "/",
        "httpMethod": "GET",
        "headers": {"X-Bce-Request-Id": "1"},
    },
    "path without a slash, payload 1.0": {
        "path": "x",
        "httpMethod": "GET",
        "requestContext": {},
        "headers": {},
        "queryString": {},
    },
    "path without a slash, payload 2.0": {
        "headers": {},
        "rawPath": "x",
        "rawQueryString": "",
        "requestContext": {"http": {"method": "GET"}},
    },
    "path without a slash, CloudFront": {
        "Records": [{"cf": {"request": {"headers": {}, "method": "GET", "uri": "x"}}}]
    },
    "path without a slash, Lattice": {"raw_path": "x", "method": "GET", "headers": {}},
    "path without a slash, Azure": {"method": "GET", "url": "x", "body": ""},
    "path without a slash, environ": {
        "REQUEST_METHOD": "GET",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "PATH_INFO": "x",
    },
    "resource without a slash": {
        "httpMethod": "GET",
        "requestContext": {},
        "resource": "s",
        "path": "orders",
    },
    "numbers that add up": {
        "requestContext": {"http": {"sourceIp": 7, "method": "GET"}, "requestId": 5},
        "rawPath": "/",
    },
    "context where Lattice has none": {
        "raw_path": "/",
        "method": "GET",
        "requestContext": "x",
    },
    "path that is an object": {"httpMethod": "GET", "path": {"a": ""}, "headers": {}},
    "WebSocket event of no kind, AWS": {
        "requestContext": {"connectionId": "a", "eventType": "PING"}
    },
    "WebSocket event of no kind, Tencent": {"websocket": {"action": "ping"}},
    "root path without a slash, FC 2": {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "shop"},
    "root path without a slash": {
        "requestContext": {"path": "x/orders"},
        "httpMethod": "GET",
        "path": "/orders",
    },
}


@pytest.mark.parametrize("event", FOUND.values(), ids=FOUND)
def test_what_the_fuzzer_found_stays_mended(event: dict[str, Any]) -> None:
    target = Target(limit_s=float("inf"))
    try:
        target.check(json.dumps(event).encode())
    finally:
        target.close()


EVENT = {
    "version": "2.0",
    "rawPath": "/",
    "rawQueryString": "",
    "headers": {"host": "api.example.com"},
    "requestContext": {"http": {"method": "GET"}},
}


def raising(*args: Any) -> Any:
    raise KeyError("a fault")


def changing(environ: Any, event: dict[str, Any], context: Any) -> None:
    event["seen"] = True


@pytest.mark.parametrize(
    ("member", "fault", "signature"),
    [
        pytest.param("decode_event", raising, "aws_http.decode_event KeyError", id="exception"),
        pytest.param("annotate", raising, "wsgi auto KeyError", id="exception while serving"),
        pytest.param("encode_result", raising, "wsgi auto KeyError", id="exception afterwards"),
        pytest.param("matches", lambda event: 1, "aws_http.matches", id="claim that is no boolean"),
        pytest.param(
            "decode_event", lambda event: Request("get", "/"), "aws_http method", id="method"
        ),
        pytest.param("decode_event", lambda event: Request("GET", "x"), "aws_http path", id="path"),
        pytest.param("annotate", changing, "mutation", id="changed event"),
        pytest.param(
            "encode_result", lambda *args: {"statusCode": "x"}, "wsgi auto 500", id="result"
        ),
    ],
)
def test_fuzzer_finds_a_fault(
    monkeypatch: pytest.MonkeyPatch, member: str, fault: Any, signature: str
) -> None:
    target = Target(limit_s=float("inf"))
    target.check(json.dumps(EVENT).encode())
    monkeypatch.setattr(target.dialects["aws_http"], member, fault)
    try:
        with pytest.raises(Finding) as caught:
            target.check(json.dumps(EVENT).encode())
    finally:
        target.close()
    assert caught.value.signature.startswith(signature)


def test_fuzzer_finds_what_is_slow() -> None:
    target = Target(limit_s=0)
    with pytest.raises(Finding, match="ms at best"):
        target.timed("nothing", lambda: None)
    target.close()


def test_finding_is_minimised() -> None:
    def check(data: bytes) -> None:
        event = json.loads(data)
        is_it = "x" in event.get("headers", {}).get("host", "")
        raise Finding("x in host" if is_it else "another", "")

    event = EVENT | {"headers": {"host": "a" * 64 + "x", "accept": "*/*"}}
    least = minimise(check, json.dumps(event).encode(), Finding("x in host", ""))
    assert json.loads(least) == {"headers": {"host": "x"}}


def test_finding_that_is_no_json_is_minimised() -> None:
    def check(data: bytes) -> None:
        if b"\xff" in data:
            raise Finding("octet", "")

    assert minimise(check, b"abc" * 50 + b"\xff", Finding("octet", "")) == b"\xff"
