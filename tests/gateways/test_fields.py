"""What all dialects do alike: hosts, header values, and fields that are missing or mistyped."""

from __future__ import annotations

from typing import Any

import pytest

from slsadapt import BadEventError, Request, gateways
from tests.gateways.corpus import AWS, DIALECTS, LIVE, TENCENT, changed, values

# What is no object, no text and no list, as JSON has it.
WRONG: dict[str, list[Any]] = {
    "object": ["text", 5, ["text"]],
    "text": [5, ["/"], {"a": "b"}],
    "list": ["text", 5, {"a": "b"}],
}

# The dialects' documented fields, what they hold, and whether they may be null or absent (None:
# no promise either way).
FIELDS: dict[str, list[tuple[str, str, bool | None]]] = {
    "aws_rest": [
        ("requestContext", "object", False),
        ("requestContext.authorizer", "object", True),
        ("requestContext.authorizer.claims", "object", True),
        ("requestContext.domainName", "text", True),
        ("requestContext.identity", "object", True),
        ("requestContext.identity.sourceIp", "text", True),
        ("requestContext.path", "text", True),
        ("requestContext.requestId", "text", True),
        ("requestContext.stage", "text", True),
        ("headers", "object", True),
        ("httpMethod", "text", False),
        ("multiValueHeaders", "object", True),
        ("multiValueQueryStringParameters", "object", True),
        ("path", "text", False),
        ("pathParameters", "object", True),
        ("pathParameters.proxy", "text", None),
        ("queryStringParameters", "object", True),
        ("resource", "text", True),
    ],
    "aws_http": [
        ("cookies", "list", True),
        ("headers", "object", False),
        ("rawPath", "text", False),
        ("rawQueryString", "text", False),
        ("requestContext", "object", False),
        ("requestContext.authorizer", "object", True),
        ("requestContext.authorizer.iam", "object", True),
        ("requestContext.authorizer.jwt", "object", True),
        ("requestContext.authorizer.jwt.claims", "object", True),
        ("requestContext.authorizer.lambda", "object", True),
        ("requestContext.domainName", "text", True),
        ("requestContext.http", "object", False),
        ("requestContext.http.method", "text", False),
        ("requestContext.http.sourceIp", "text", True),
        ("requestContext.requestId", "text", True),
        ("requestContext.stage", "text", True),
    ],
    "tencent_apigw": [
        ("headers", "object", False),
        ("httpMethod", "text", False),
        ("path", "text", False),
        ("queryString", "object", None),
        ("requestContext", "object", False),
        ("requestContext.requestId", "text", True),
        ("requestContext.sourceIp", "text", True),
        ("requestContext.stage", "text", True),
    ],
    "tencent_function_url": [
        ("headers", "object", False),
        ("httpMethod", "text", False),
        ("path", "text", False),
        ("queryString", "object", None),
        ("requestContext", "object", True),
        ("requestContext.requestId", "text", True),
        ("requestContext.sourceIp", "text", True),
    ],
}
FIELDS["aws_function_url"] = [
    field
    for field in FIELDS["aws_http"]
    # Of these two a function URL tells nothing.
    if field[0] not in ("requestContext.domainName", "requestContext.stage")
]


def event_with(dialect: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Change an event that has every field and that needs them all."""
    every: dict[str, dict[str, Any]] = {
        # Nothing but requestContext.domainName tells the stage from a base path here.
        "aws_rest": {
            "requestContext.path": "/orders/capture/space%20value",
            "requestContext.domainName": "api.example.com",
            "requestContext.authorizer": {"claims": {"sub": "ann"}},
            "path": "/orders/capture/space%20value",
            # The single maps count only where there are no lists.
            "multiValueHeaders": ...,
            "multiValueQueryStringParameters": ...,
        },
        "aws_http": {
            "rawPath": "/prod/capture/space value",
            "requestContext.stage": "prod",
            "requestContext.authorizer.lambda": {"principalId": ""},
        },
        "aws_function_url": {
            "headers.cookie": ...,
            "requestContext.authorizer.lambda": {"principalId": ""},
        },
        "tencent_apigw": {"requestContext.requestId": "1"},
        "tencent_function_url": {"requestContext": {"sourceIp": "203.0.113.18", "requestId": "1"}},
    }
    prepared = every[dialect]
    if any(path.startswith("multiValue") for path in changes):
        prepared = {path: each for path, each in prepared.items() if each is not ...}
    return changed(LIVE[dialect], prepared | changes)


def decoded(dialect: str, changes: dict[str, Any]) -> Request:
    return gateways.load(dialect).decode_event(event_with(dialect, changes))


def host_header(dialect: str) -> str:
    return "headers.Host" if dialect == "aws_rest" else "headers.host"


@pytest.mark.parametrize(
    ("dialect", "field", "wrong"),
    [
        pytest.param(dialect, field, wrong, id=f"{dialect}-{field}-{wrong}")
        for dialect, fields in FIELDS.items()
        for field, kind, _ in fields
        for wrong in WRONG[kind]
    ],
)
def test_field_of_a_wrong_type_is_named(dialect: str, field: str, wrong: Any) -> None:
    with pytest.raises(BadEventError, match=f"'{field}' must be ") as caught:
        decoded(dialect, {field: wrong})
    assert f"got {type(wrong).__name__}" in str(caught.value)


@pytest.mark.parametrize(
    ("dialect", "field"),
    [
        pytest.param("aws_http", "rawPath", id="aws_http"),
        pytest.param("aws_function_url", "rawPath", id="aws_function_url"),
        *[pytest.param(each, "path", id=each) for each in ("aws_rest", *TENCENT)],
    ],
)
@pytest.mark.parametrize("wrong", [[], ["/"], {}, {"/": 1}, False, 0], ids=str)
def test_path_that_is_no_text_is_no_path(dialect: str, field: str, wrong: Any) -> None:
    event = changed(LIVE[dialect], {field: wrong})
    with pytest.raises(BadEventError, match=f"'{field}' must be str"):
        gateways.load(dialect).decode_event(event)


@pytest.mark.parametrize("wrong", [None, ...], ids=["null", "absent"])
@pytest.mark.parametrize(
    ("dialect", "field"),
    [
        (dialect, field)
        for dialect, fields in FIELDS.items()
        for field, _, optional in fields
        if optional is False
    ],
)
def test_required_field_that_is_missing_is_named(dialect: str, field: str, wrong: Any) -> None:
    with pytest.raises(BadEventError, match=f"'{field}' must be .*, got NoneType"):
        decoded(dialect, {field: wrong})


@pytest.mark.parametrize("wrong", [None, ...], ids=["null", "absent"])
@pytest.mark.parametrize(
    ("dialect", "field"),
    [
        (dialect, field)
        for dialect, fields in FIELDS.items()
        for field, _, optional in fields
        if optional
    ],
)
def test_optional_field_may_be_missing(dialect: str, field: str, wrong: Any) -> None:
    whole = decoded(dialect, {})
    request = decoded(dialect, {field: wrong})
    assert (request.method, request.server) == (whole.method, whole.server) or field == "headers"
    assert request.path.endswith(whole.path)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("wrong", [None, {"a": "b"}, [None], {}], ids=str)
def test_header_value_of_a_wrong_type_is_named(dialect: str, wrong: Any) -> None:
    with pytest.raises(BadEventError, match=r"'headers\.x-tag' must be str"):
        decoded(dialect, {"headers.x-tag": wrong})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_list_of_header_values_where_the_gateway_sends_text_is_named(dialect: str) -> None:
    with pytest.raises(BadEventError, match=r"'headers\.x-tag' must be str, got list"):
        decoded(dialect, {"headers.x-tag": ["a", "b"]})


@pytest.mark.parametrize("wrong", ["text", None, 5, {"a": "b"}, [None], [["a"]]], ids=str)
def test_multi_value_header_of_a_wrong_type_is_named(wrong: Any) -> None:
    with pytest.raises(BadEventError, match=r"'multiValueHeaders\.x-tag' must be "):
        decoded("aws_rest", {"multiValueHeaders.x-tag": wrong})


@pytest.mark.parametrize("wrong", ["text", None, 5, {"a": "b"}, [None], [["a"]]], ids=str)
def test_multi_value_query_parameter_of_a_wrong_type_is_named(wrong: Any) -> None:
    field = "multiValueQueryStringParameters.repeat"
    with pytest.raises(BadEventError, match=rf"'{field}' must be "):
        decoded("aws_rest", {field: wrong})


@pytest.mark.parametrize(
    ("dialect", "field"),
    [
        ("aws_rest", "queryStringParameters.repeat"),
        ("tencent_apigw", "queryString.url"),
        ("tencent_function_url", "queryString.a"),
    ],
)
@pytest.mark.parametrize("wrong", [None, {"a": "b"}, [None], [["a"]]], ids=str)
def test_query_value_of_a_wrong_type_is_named(dialect: str, field: str, wrong: Any) -> None:
    with pytest.raises(BadEventError, match=rf"'{field}' must be "):
        decoded(dialect, {field: wrong})


@pytest.mark.parametrize("dialect", ["aws_http", "aws_function_url"])
@pytest.mark.parametrize("wrong", [[None], [5], [["a=1"]]], ids=str)
def test_cookie_of_a_wrong_type_is_named(dialect: str, wrong: Any) -> None:
    with pytest.raises(BadEventError, match="'cookies"):
        decoded(dialect, {"cookies": wrong})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_message_names_the_type_and_never_the_value(dialect: str) -> None:
    with pytest.raises(BadEventError) as caught:
        decoded(dialect, {"headers.x-tag": {"token": "hunter2"}})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param(15, "15", id="number"),
        pytest.param(1.5, "1.5", id="fraction"),
        pytest.param(True, "true", id="boolean"),
        pytest.param("", "", id="empty"),
        pytest.param("caf\xe9", "caf\xe9", id="latin-1 octet"),
        pytest.param("日本", "\xe6\x97\xa5\xe6\x9c\xac", id="decoded as UTF-8 by the gateway"),
        pytest.param("\ud800", "\xed\xa0\x80", id="lone surrogate"),
    ],
)
def test_header_value_becomes_octets(dialect: str, written: Any, read: str) -> None:
    request = decoded(dialect, {"headers.x-tag": written})
    assert values(request, "x-tag") == [read]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_header_names_are_lower_case_whatever_the_gateway_sends(dialect: str) -> None:
    request = decoded(dialect, {"headers.X-TaG": "a"})
    assert values(request, "x-tag") == ["a"]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("host", "server"),
    [
        pytest.param("example.com", ("example.com", 443), id="name"),
        pytest.param("example.com:8443", ("example.com", 8443), id="name, port"),
        pytest.param("example.com:", ("example.com", 443), id="name, empty port"),
        pytest.param("192.0.2.7:80", ("192.0.2.7", 80), id="ipv4 host, port"),
        pytest.param("[2001:db8::1]", ("2001:db8::1", 443), id="ipv6 host"),
        pytest.param("[2001:db8::1]:8443", ("2001:db8::1", 8443), id="ipv6 host, port"),
        pytest.param("", ("localhost", 443), id="empty"),
        pytest.param(..., ("localhost", 443), id="absent"),
    ],
)
def test_server_is_the_host_asked_for(dialect: str, host: Any, server: tuple[str, int]) -> None:
    changes: dict[str, Any] = {host_header(dialect): host}
    if host is ... and dialect == "tencent_function_url":
        changes = {}  # the document's sample has none
    assert decoded(dialect, changes).server == server


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "host",
    [
        "example.com:http",
        "example.com:65536",
        "example.com:-1",
        "example.com:٣",
        "[::1]:x",
        "x:1 2",
    ],
)
def test_host_with_a_wrong_port_is_refused(dialect: str, host: str) -> None:
    with pytest.raises(BadEventError, match=r"'headers\.host' must end in a port number"):
        decoded(dialect, {host_header(dialect): host})


@pytest.mark.parametrize("dialect", AWS)
@pytest.mark.parametrize(
    ("proto", "port", "address"),
    [
        pytest.param("https", "443", ("https", 443), id="https"),
        pytest.param("http", "80", ("http", 80), id="http"),
        pytest.param("http", "3000", ("http", 3000), id="emulator"),
        pytest.param("https", "8443", ("https", 8443), id="other port"),
        pytest.param("https", 443, ("https", 443), id="port as number"),
        pytest.param("https", ..., ("https", 443), id="https without port"),
        pytest.param("http", ..., ("http", 80), id="http without port"),
    ],
)
def test_scheme_and_port_are_the_gateways(
    dialect: str, proto: str, port: Any, address: tuple[str, int]
) -> None:
    names = ("X-Forwarded-Proto", "X-Forwarded-Port")
    if dialect != "aws_rest":
        names = (names[0].lower(), names[1].lower())
    request = decoded(dialect, {f"headers.{names[0]}": proto, f"headers.{names[1]}": port})
    assert (request.scheme, request.server[1]) == address


@pytest.mark.parametrize("dialect", AWS)
def test_forwarded_port_that_is_no_number_is_refused(dialect: str) -> None:
    name = "X-Forwarded-Port" if dialect == "aws_rest" else "x-forwarded-port"
    with pytest.raises(BadEventError, match=r"'headers\.x-forwarded-port'"):
        decoded(dialect, {f"headers.{name}": "https"})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_client_is_the_gateways_word_and_not_a_header(dialect: str) -> None:
    field = {
        "aws_rest": "requestContext.identity.sourceIp",
        "aws_http": "requestContext.http.sourceIp",
        "aws_function_url": "requestContext.http.sourceIp",
        "tencent_apigw": "requestContext.sourceIp",
        "tencent_function_url": "requestContext.sourceIp",
    }[dialect]
    forged = {"headers.X-Forwarded-For": "6.6.6.6", "headers.x-forwarded-for": "6.6.6.6"}
    request = decoded(dialect, forged | {field: "2001:db8::7"})
    assert request.client == ("2001:db8::7", 0)
    assert decoded(dialect, forged | {field: None}).client in (None, ("111.206.96.145", 0))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_method_is_upper_case(dialect: str) -> None:
    field = "httpMethod" if dialect in ("aws_rest", *TENCENT) else "requestContext.http.method"
    assert decoded(dialect, {field: "patch"}).method == "PATCH"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("body", "flag", "octets"),
    [
        pytest.param("Zm9v", True, b"foo", id="base64"),
        pytest.param("Zm9v", "true", b"foo", id="base64, flag as text"),
        pytest.param("Zm9v", False, b"Zm9v", id="text of the base64 alphabet"),
        pytest.param("Zm9v", "false", b"Zm9v", id="text, flag as text"),
        pytest.param("Zm9v", None, b"Zm9v", id="text, flag null"),
        pytest.param("λ", False, b"\xce\xbb", id="text beyond ASCII"),
        pytest.param("\ud800", False, b"\xed\xa0\x80", id="lone surrogate"),
        pytest.param("//8A", True, b"\xff\xff\x00", id="binary"),
        pytest.param("", True, b"", id="empty, flagged all the same"),
        pytest.param(None, True, b"", id="null, flagged all the same"),
        pytest.param(None, False, b"", id="null"),
    ],
)
def test_body_is_octets(dialect: str, body: Any, flag: Any, octets: bytes) -> None:
    event = event_with(dialect, {}) | {"body": body, "isBase64Encoded": flag}
    assert gateways.load(dialect).decode_event(event).body == octets


@pytest.mark.parametrize("dialect", DIALECTS)
def test_body_and_flag_may_be_absent(dialect: str) -> None:
    event = event_with(dialect, {})
    del event["body"]
    event.pop("isBase64Encoded", None)
    assert gateways.load(dialect).decode_event(event).body == b""


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("body", [5, False, [], {}, ["a"], {"a": "b"}], ids=str)
@pytest.mark.parametrize("flag", [True, False])
def test_body_of_a_wrong_type_is_named(dialect: str, body: Any, flag: bool) -> None:
    event = event_with(dialect, {}) | {"body": body, "isBase64Encoded": flag}
    with pytest.raises(BadEventError, match="'body' must be str"):
        gateways.load(dialect).decode_event(event)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("flag", ["yes", 5, ["true"], {"a": "b"}], ids=str)
def test_flag_of_a_wrong_type_is_named(dialect: str, flag: Any) -> None:
    event = event_with(dialect, {}) | {"body": "Zm9v", "isBase64Encoded": flag}
    with pytest.raises(BadEventError, match="'isBase64Encoded' must be bool"):
        gateways.load(dialect).decode_event(event)


@pytest.mark.parametrize("dialect", AWS)
def test_body_that_is_no_base64_is_refused(dialect: str) -> None:
    event = event_with(dialect, {}) | {"body": "Hello from Lambda!", "isBase64Encoded": True}
    with pytest.raises(BadEventError, match="'body' must be base64"):
        gateways.load(dialect).decode_event(event)
