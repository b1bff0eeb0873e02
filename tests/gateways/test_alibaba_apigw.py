"""Alibaba API Gateway in front of Function Compute."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import flask
import pytest

from slsadapt import BadEventError, Request, Response, gateways, wrap
from slsadapt.gateways import alibaba_apigw
from tests.conftest import load_case
from tests.gateways.corpus import cases, changed, claims, values

JSON_POST = "alibaba_apigw/post_json_base64"
FORM = "alibaba_apigw/post_form_text"


def decoded(changes: dict[str, Any], case: str = JSON_POST) -> Request:
    return alibaba_apigw.decode_event(changed(case, changes))


@pytest.mark.parametrize("case", cases("alibaba_apigw"))
def test_recorded_event_is_the_clients_request(case: str) -> None:
    recorded = load_case(case)
    expect = recorded["expect"]
    request = alibaba_apigw.decode_event(recorded["event"])
    assert (request.method, request.path) == (expect["method"], expect["path"])
    assert parse_qsl(request.query) == [tuple(pair) for pair in expect["query"]]
    assert request.body == expect["body"].encode()
    assert values(request, "content-length") == [str(len(request.body))]
    assert request.client == (("203.0.113.5", 0) if case == JSON_POST else None)
    assert (request.scheme, request.server) == ("https", ("localhost", 443))
    assert (request.root_path, request.stage, request.request_id, request.user) == (
        "",
        "",
        "",
        None,
    )


@pytest.mark.parametrize("case", cases("alibaba_apigw"))
def test_event_is_claimed_by_this_dialect_alone(case: str) -> None:
    event = load_case(case)["event"]
    assert claims(event) == ["alibaba_apigw"]
    assert gateways.detect(event).TITLE == alibaba_apigw.TITLE


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"httpMethod": ...}, id="no method"),
        pytest.param({"queryParameters": ...}, id="query of another name"),
        pytest.param({"requestContext": {}}, id="context"),
        pytest.param({"requestContext": None}, id="context null"),
    ],
)
def test_what_only_looks_alike_is_not_claimed(changes: dict[str, Any]) -> None:
    assert not alibaba_apigw.matches(changed(JSON_POST, changes))


@pytest.mark.parametrize(
    "thing", [None, 5, "httpMethod queryParameters", ["httpMethod", "queryParameters"]], ids=repr
)
def test_what_is_no_object_is_not_claimed(thing: object) -> None:
    assert not alibaba_apigw.matches(thing)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("/%E4%BD%A0/a%20b%2Fc", "/%E4%BD%A0/a%20b%2Fc", id="encoded"),
        pytest.param("/你/a b", "/%E4%BD%A0/a%20b", id="decoded"),
        pytest.param("", "/", id="empty"),
        pytest.param("a", "/a", id="no slash"),
    ],
)
def test_path_is_taken_as_encoded(raw: str, path: str) -> None:
    assert decoded({"path": raw}).path == path


def test_path_parameters_are_not_read() -> None:
    assert decoded({"pathParameters": 5}).path == "/web/api"


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param({"q": "a b&c=d+e%"}, "q=a%20b%26c%3Dd%2Be%25", id="decoded"),
        pytest.param({"": "x", "flag": ""}, "=x&flag=", id="empty key and value"),
        pytest.param({"page": 2}, "page=2", id="number"),
        pytest.param({}, "", id="none"),
        pytest.param(None, "", id="null"),
    ],
)
def test_query_is_encoded_again(fields: Any, query: str) -> None:
    assert decoded({"queryParameters": fields}).query == query


@pytest.mark.parametrize(
    ("body", "flag", "octets"),
    [
        pytest.param("/wA=", True, b"\xff\x00", id="octets"),
        pytest.param("/wA=", "true", b"\xff\x00", id="flag as text"),
        pytest.param("YT0x", "false", b"YT0x", id="no flag as text"),
        pytest.param("YT0x", False, b"YT0x", id="form that looks like base64"),
        pytest.param("", True, b"", id="flag beside nothing"),
        pytest.param(None, True, b"", id="flag beside null"),
        pytest.param(..., ..., b"", id="neither"),
    ],
)
def test_body_is_what_the_flag_says(body: Any, flag: Any, octets: bytes) -> None:
    assert decoded({"body": body, "isBase64Encoded": flag}).body == octets


@pytest.mark.parametrize("sent", [..., "12", "9"], ids=["absent", "of the base64", "right"])
def test_length_is_that_of_the_octets(sent: Any) -> None:
    request = decoded({"body": "eyJhIjoxfSAg", "headers.content-length": sent})
    assert values(request, "content-length") == ["9"]


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        pytest.param("203.0.113.5", ("203.0.113.5", 0), id="one"),
        pytest.param("10.0.0.1, 203.0.113.5", ("203.0.113.5", 0), id="the first is forged"),
        pytest.param("", None, id="empty"),
        pytest.param(..., None, id="none"),
    ],
)
def test_client_is_the_address_that_the_gateway_saw(
    hops: Any, client: tuple[str, int] | None
) -> None:
    assert decoded({"headers.x-forwarded-for": hops}).client == client


def test_headers_of_the_gateway_tell_the_rest() -> None:
    request = decoded(
        {
            "headers": {
                "X-Ca-Stage": "TEST",
                "X-Ca-Request-Id": "7AD052CB-EE8B-4DFD-BBAF-EFB340E0A5AF",
                "X-Forwarded-Proto": "http",
                "CA-Host": "api.example.com",
            }
        }
    )
    assert (request.stage, request.scheme) == ("TEST", "http")
    assert request.request_id == "7AD052CB-EE8B-4DFD-BBAF-EFB340E0A5AF"
    assert request.server == ("api.example.com", 80)
    assert request.root_path == ""


def test_host_counts_before_ca_host() -> None:
    headers = {"Host": "a.example:8443", "CA-Host": "b.example"}
    assert decoded({"headers": headers}).server == ("a.example", 8443)


def test_credentials_of_the_role_do_not_reach_the_application() -> None:
    names = ["X-Fc-Access-Key-Id", "x-fc-access-key-secret", "X-Fc-Security-Token"]
    request = decoded({f"headers.{name}": "hunter2" for name in names})
    assert "hunter2" not in repr(request)
    assert values(decoded({"headers.X-Ca-Key": "1"}), "x-ca-key") == ["1"]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("httpMethod", None),
        ("httpMethod", 5),
        ("path", ...),
        ("path", ["/"]),
        ("queryParameters", "q=1"),
        ("queryParameters.q", None),
        ("queryParameters.q", {}),
        ("queryParameters.q", [{}]),
        ("headers", ["accept"]),
        ("headers.user-agent", None),
        ("headers.user-agent", {}),
        ("body", 5),
        ("body", "!"),
        ("isBase64Encoded", 2),
        ("isBase64Encoded", "yes"),
    ],
)
def test_wrong_field_is_named(field: str, wrong: Any) -> None:
    with pytest.raises(BadEventError, match=f"'{field}' must be "):
        decoded({field: wrong})


def test_wrong_port_is_refused() -> None:
    with pytest.raises(BadEventError, match="'headers.host' must end in a port"):
        decoded({"headers.host": "a:b"})


@pytest.mark.parametrize("event", [[], None, "text"], ids=repr)
def test_event_that_is_no_object_is_refused(event: Any) -> None:
    with pytest.raises(BadEventError, match="the event must be a JSON object"):
        alibaba_apigw.decode_event(event)


@pytest.mark.parametrize("write", [dict, json.dumps, lambda result: json.dumps(result).encode()])
def test_recorded_result_is_read(write: Any) -> None:
    result = load_case("alibaba_apigw/response_json")["response"]
    response = alibaba_apigw.decode_result(write(result))
    assert response == Response(200, [("x-custom-header", "no")], b"...")


def test_result_has_a_flag_and_a_status_of_their_own_types() -> None:
    # The sample writes both as text.
    result = load_case("alibaba_apigw/response_json")["response"]
    response = Response(200, [("x-custom-header", "no")], b"...")
    own = {"isBase64Encoded": False, "statusCode": 200}
    assert alibaba_apigw.encode_result(response, {}) == result | own


def test_result_joins_what_repeats_and_spells_each_cookie_anew() -> None:
    headers = [
        ("Content-Type", "image/png"),
        ("Link", "</1>"),
        ("Link", "</2>"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ]
    result = alibaba_apigw.encode_result(Response(200, headers, b"\x89PNG"), {})
    assert result == {
        "statusCode": 200,
        "headers": {
            "Content-Type": "image/png",
            "Link": "</1>, </2>",
            "set-cookie": "a=1",
            "Set-cookie": "b=2",
        },
        "body": "iVBORw==",
        "isBase64Encoded": True,
    }
    assert alibaba_apigw.result_bytes(result) == len(json.dumps(result))


@pytest.mark.parametrize(
    ("result", "body"),
    [
        pytest.param({"body": "/wA=", "isBase64Encoded": "true"}, b"\xff\x00", id="flag as text"),
        pytest.param({"body": {"path": "é"}}, '{"path": "é"}'.encode(), id="object, as in samples"),
        pytest.param({"body": None}, b"", id="null"),
        pytest.param({}, b"", id="none"),
    ],
)
def test_body_of_a_result_is_read(result: dict[str, Any], body: bytes) -> None:
    assert alibaba_apigw.decode_result({"statusCode": 200, **result}) == Response(200, [], body)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param(b"\xff", id="octets"),
        pytest.param("[]", id="list"),
        pytest.param({"body": "a"}, id="no status"),
        pytest.param({"statusCode": "ok"}, id="status no number"),
        pytest.param({"statusCode": 600}, id="status too high"),
        pytest.param({"statusCode": 200, "headers": "a"}, id="headers no object"),
        pytest.param({"statusCode": 200, "headers": {"A": ["1"]}}, id="header list"),
        pytest.param({"statusCode": 200, "body": "!", "isBase64Encoded": True}, id="no base64"),
    ],
)
def test_malformed_result_is_a_502(result: object) -> None:
    assert alibaba_apigw.decode_result(result) == Response(502)


@pytest.mark.parametrize(
    ("content_type", "body", "text", "flag"),
    [
        pytest.param("application/x-www-form-urlencoded", b"a=1", "a=1", False, id="form"),
        pytest.param("application/x-www-form-urlencoded", b"\xff", "/w==", True, id="no text"),
        pytest.param("application/json", b"{}", "e30=", True, id="JSON"),
        pytest.param("", b"a=1", "YT0x", True, id="no type"),
    ],
)
def test_forms_alone_are_written_as_text(
    content_type: str, body: bytes, text: str, flag: bool
) -> None:
    headers = [("content-type", content_type)] if content_type else []
    event = alibaba_apigw.encode_event(Request("POST", "/", "", headers, body))
    assert (event["body"], event["isBase64Encoded"]) == (text, flag)


def test_event_is_written_as_the_gateway_does() -> None:
    request = Request(
        "PUT",
        "/a%2Fb",
        "k=1&z&k=2&b=%2C+",
        [("x-tag", "1"), ("x-tag", "2")],
        client=("203.0.113.7", 4711),
        server=("abc-cn-hangzhou.alicloudapi.com", 443),
        stage="RELEASE",
        request_id="7AD052CB",
    )
    event = alibaba_apigw.encode_event(request)
    assert event.keys() == load_case(JSON_POST)["event"].keys()
    assert (event["httpMethod"], event["path"]) == ("PUT", "/a%2Fb")
    assert event["queryParameters"] == {"b": ", ", "k": "2", "z": ""}
    assert event["headers"] == {
        "host": "abc-cn-hangzhou.alicloudapi.com",
        "x-tag": "1,2",
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-proto": "https",
        "x-ca-request-id": "7AD052CB",
        "x-ca-stage": "RELEASE",
    }


@pytest.mark.parametrize("gateway", ["auto", "alibaba_apigw"])
def test_flask_is_served_of_octets(gateway: str) -> None:
    app = flask.Flask(__name__)

    @app.post("/f")
    def answer() -> flask.Response:
        sent = flask.request
        assert sent.environ["serverless.event"] == load_case(FORM)["event"]
        assert sent.environ["serverless.context"] == "context"
        assert sent.environ["serverless.authorizer"] is None
        response = flask.Response(f"{sent.form['a']} {sent.form['b']} é")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    handler = wrap(app, gateway=gateway, request_id=False)
    result = handler(json.dumps(load_case(FORM)["event"]).encode(), "context")
    assert result == {
        "statusCode": 200,
        "headers": {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Length": "6",
            "set-cookie": "a=1; Path=/",
            "Set-cookie": "b=2; Path=/",
        },
        "body": "1 2 é",
        "isBase64Encoded": False,
    }
