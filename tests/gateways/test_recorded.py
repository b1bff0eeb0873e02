"""Every recorded event and result, against what the client sent and received."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from slsadapt import BadEventError, Request, Response, UnknownEventError, gateways
from tests.conftest import EVENTS, load_case
from tests.gateways.corpus import (
    AWS,
    DIALECTS,
    FLAGGED_TEXT,
    TENCENT,
    cases,
    grouped,
    values,
)

FOLDERS = sorted(folder.name for folder in EVENTS.iterdir())
EMULATED = {
    "aws_emulated/so_rest_authorizer": ["aws_rest"],  # of a request that passed an authorizer
    "aws_emulated/so_rest_encoded_path": ["aws_rest"],
    "aws_emulated/so_http_binary": ["aws_http"],
    "aws_emulated/so_http_encoded_path": ["aws_http"],
}
OWN = [case for dialect in DIALECTS for case in cases(dialect)]
FOREIGN = [
    case
    for folder in FOLDERS
    if folder not in gateways.NAMES
    for case in cases(folder)
    if case not in EMULATED
]
RAW_QUERY = ("aws_http", "aws_function_url")


def decoded(case: str) -> Request:
    dialect = gateways.load(case.partition("/")[0])
    return dialect.decode_event(load_case(case)["event"])


def pairs(query: str) -> dict[str, list[str]]:
    return grouped(parse_qsl(query, keep_blank_values=True))


def claims(event: dict[str, Any]) -> list[str]:
    return [name for name in gateways.NAMES if gateways.load(name).matches(event)]


@pytest.mark.parametrize("case", OWN)
def test_recorded_event_is_claimed_by_its_dialect_alone(case: str) -> None:
    event = load_case(case)["event"]
    dialect = case.partition("/")[0]
    assert claims(event) == [dialect]
    assert gateways.detect(event) is gateways.load(dialect)


@pytest.mark.parametrize(("case", "dialects"), EMULATED.items())
def test_emulated_event_is_claimed_as_what_it_emulates(case: str, dialects: list[str]) -> None:
    assert claims(load_case(case)["event"]) == dialects


@pytest.mark.parametrize("case", FOREIGN)
def test_foreign_event_is_claimed_by_none(case: str) -> None:
    event = load_case(case)["event"]
    assert claims(event) == []
    with pytest.raises(UnknownEventError) as caught:
        gateways.detect(event)
    for word in (*event, *gateways.NAMES):
        assert word in str(caught.value)


def test_unknown_event_is_told_by_keys_and_never_by_values() -> None:
    with pytest.raises(UnknownEventError, match="Records") as caught:
        gateways.detect({"Records": [{"body": "hunter2"}], "token": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("case", [case for case in OWN if case not in FLAGGED_TEXT])
def test_recorded_event_is_decoded_and_left_alone(case: str) -> None:
    event = load_case(case)["event"]
    before = json.dumps(event)
    request = gateways.load(case.partition("/")[0]).decode_event(event)
    assert json.dumps(event) == before
    assert request.path.startswith("/")
    assert request.path.isascii()
    assert all(name == name.lower() for name, _ in request.headers)


@pytest.mark.parametrize("case", sorted(FLAGGED_TEXT))
def test_text_flagged_as_base64_is_refused(case: str) -> None:
    with pytest.raises(BadEventError, match="'body'"):
        decoded(case)


@pytest.mark.parametrize("case", [case for dialect in AWS for case in cases(dialect, "sent")])
def test_request_is_what_the_client_sent(case: str) -> None:
    sent = load_case(case)["sent"]
    request = decoded(case)
    assert request.method == sent["method"]
    # With or without the stage, which some files leave out; the next test has it in full.
    assert sent["path"].endswith(request.path)
    assert pairs(request.query) == pairs(sent["query"])
    if case.startswith(RAW_QUERY):
        assert request.query == sent["query"]
    for name, expected in grouped(
        [(name.lower(), value) for name, value in sent["headers"]]
    ).items():
        assert ",".join(values(request, name)) == ",".join(expected)
    assert request.body == (sent["body"] or "").encode()


@pytest.mark.parametrize(
    "case",
    [
        f"{dialect}/{file.name.removesuffix('.request.json')}"
        for dialect in DIALECTS
        for file in sorted((EVENTS / dialect).glob("*.request.json"))
    ],
)
def test_request_has_the_hand_written_fields(case: str) -> None:
    expected = load_case(f"{case}.request")
    request = decoded(case)
    query = expected.pop("query", None)
    if case.startswith(RAW_QUERY):
        assert query in (request.query, None)
    elif query is not None:
        assert pairs(request.query) == pairs(query)
    for name, each in expected.pop("headers", {}).items():
        assert values(request, name) == each, name
    if "body_base64" in expected:
        assert request.body == b64decode(expected.pop("body_base64"))
    if "body" in expected:
        assert request.body == expected.pop("body").encode()
    found = {name: getattr(request, name) for name in expected}
    for name in ("client", "server"):
        if name in expected:
            expected[name] = tuple(expected[name])
    assert found == expected


@pytest.mark.parametrize("case", [case for dialect in TENCENT for case in cases(dialect, "expect")])
def test_tencent_request_is_as_expected(case: str) -> None:
    expect = load_case(case)["expect"]
    request = decoded(case)
    assert request.method == expect["method"]
    assert unquote(request.path) == expect["path"]
    assert pairs(request.query) == grouped([(key, value) for key, value in expect["query"]])
    assert request.body == expect["body"].encode()
    assert request.client == (expect["client"], 0)
    assert request.stage == expect.get("stage", "")
    assert request.request_id == expect.get("request_id", request.request_id)


@pytest.mark.parametrize(
    "case", [case for dialect in AWS for case in cases(f"{dialect}_response", "http")]
)
def test_client_receives_what_the_gateway_made_of_the_result(case: str) -> None:
    recorded = load_case(case)
    dialect = gateways.load(case.partition("/")[0].removesuffix("_response"))
    response = dialect.decode_result(recorded["handler_result"])
    http = recorded["http"]
    assert response.status == http["status"]
    if isinstance(http["body"], str):
        assert response.body == http["body"].encode()
    else:
        assert json.loads(response.body) == http["body"]
    expected = http.get("headers", {})
    length = expected.pop("Content-Length", str(len(response.body)))
    assert length == str(len(response.body))
    found = grouped([*response.headers])
    if case.startswith("aws_rest"):
        # Names in the case that counts; the client joined the repeats.
        assert expected.items() <= {name: ", ".join(each) for name, each in found.items()}.items()
    else:
        assert found == {name.lower(): [value] for name, value in expected.items()}


@pytest.mark.parametrize("case", cases("aws_http_response", "interpreted"))
def test_http_api_infers_the_response_as_documented(case: str) -> None:
    recorded = load_case(case)
    response = gateways.load("aws_http").decode_result(recorded["handler_result"])
    interpreted = recorded["interpreted"]
    assert response.status == interpreted["statusCode"]
    assert dict(response.headers) == interpreted["headers"]
    if isinstance(recorded["handler_result"], str):
        assert response.body == interpreted["body"].encode()
    else:
        # The document prints it with spaces; recordings of function URLs have none.
        assert json.loads(response.body) == json.loads(interpreted["body"])


@pytest.mark.parametrize(
    "case", ["aws_function_url_response/doc_response", "aws_function_url_response/go_response"]
)
def test_documented_function_url_result_sets_both_cookies(case: str) -> None:
    response = gateways.load("aws_function_url").decode_result(load_case(case)["handler_result"])
    assert response.status == 201
    assert sorted(response.headers) == [
        ("content-type", "application/json"),
        ("my-custom-header", "Custom Value"),
        ("set-cookie", "Cookie_1=Value1; Expires=21 Oct 2021 07:48 GMT"),
        ("set-cookie", "Cookie_2=Value2; Max-Age=78000"),
    ]
    assert response.body == b'{ "message": "Hello, world!" }'


HEADING = b"<html><body><h1>Heading</h1><p>Paragraph.</p></body></html>"


@pytest.mark.parametrize(
    ("case", "response"),
    [
        (
            "tencent_apigw/response_html",
            Response(200, [("Content-Type", "text/html")], HEADING),
        ),
        (
            "tencent_apigw/response_multi_value_header",
            Response(
                200,
                [
                    ("Content-Type", "text/html"),
                    ("Key", "value1"),
                    ("Key", "value2"),
                    ("Key", "value3"),
                ],
                HEADING,
            ),
        ),
        (
            "tencent_apigw/response_binary",
            Response(200, [("Content-Type", "image/png")], b"\x89PNG\r\n\x1a\n"),
        ),
        (
            "tencent_function_url/response_json",
            Response(
                200,
                [("Content-Type", "application/json"), ("My-Custom-Header", "Custom Value")],
                b'{ "message": "Hello, world!" }',
            ),
        ),
    ],
)
def test_documented_tencent_result_is_read_and_written(case: str, response: Response) -> None:
    result = load_case(case)["response"]
    dialect = gateways.load(case.partition("/")[0])
    read = dialect.decode_result(result)
    assert (read.status, [*read.headers], read.body) == (
        response.status,
        response.headers,
        response.body,
    )
    # The function URL's page leaves the flag out.
    assert dialect.encode_result(response, {}) == {"isBase64Encoded": False} | result


def test_malformed_tencent_result_is_the_documented_403() -> None:
    http = load_case("tencent_apigw/error_bad_response_shape")["http"]
    response = gateways.load("tencent_apigw").decode_result({"message": "no statusCode"})
    assert response.status == http["status"]
    assert json.loads(response.body) == http["body"]


def test_tencent_function_url_infers_the_response_as_documented() -> None:
    recorded = load_case("tencent_function_url/response_inferred")
    response = gateways.load("tencent_function_url").decode_result(recorded["response"])
    assert response.status == recorded["http"]["status"]
    assert dict(response.headers) == recorded["http"]["headers"]
    assert response.body == b"Hello, world!"
