"""Every recorded event and result, against what the client sent and received."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slsadapt import BadEventError, Request, Response, UnknownEventError, gateways
from slsadapt.testing.losses import grouped
from tests.conftest import EVENTS, load_case
from tests.gateways.corpus import AWS, FLAGGED_TEXT, cases, claims, recorded, values

# Folders of requests that are not named for their dialect.
DIALECTS = {name: name for name in gateways.NAMES} | {
    "aws_lattice_v1": "aws_lattice",
    "aws_lattice_v2": "aws_lattice",
}
EMULATED = {
    "aws_emulated/so_rest_authorizer": "aws_rest",  # of a request that passed an authorizer
    "aws_emulated/so_rest_encoded_path": "aws_rest",
    "aws_emulated/so_http_binary": "aws_http",
    "aws_emulated/so_http_encoded_path": "aws_http",
}
# What no dialect may claim: a folder, or one file of it, and why.
FOREIGN = {
    "alibaba_fc2/custom_runtime_headers": "an HTTP request to a custom runtime, no event",
    "alibaba_fc2/http_params_decoded": "a header of the custom runtimes' API, no event",
    "alibaba_timer": "a timer",
    "aws_emulated/so_schedule": "a timer",
    "aws_emulated/so_ws_disconnect": "a WebSocket message",
    "aws_emulated/so_ws_message": "a WebSocket message",
    "aws_emulated/so_ws_message_default": "a WebSocket message",
    "aws_eventbridge": "timers and other happenings of a bus",
    "aws_other": "queues, storage, authorizers' input, CloudFront's responses",
    "aws_websocket": "WebSocket messages",
    "cloudevents": "HTTP requests to a server, no events",
    "huawei_timer": "a timer",
    "kong/forward_request_binary": "the plugin's own format; awsgateway_compatible is off",
    "netlify": "a platform without Python",
    "oracle_fn": "a platform that we do not serve: the request is in the context, not an event",
    "tencent_clb": "a gateway that we do not serve: it tells neither method nor path for sure",
    "tencent_other": "queues and storage",
    "tencent_timer": "timers",
    "tencent_web": "HTTP requests to a server, no events",
    "tencent_websocket": "WebSocket messages",
    "vercel_legacy": "a platform that we do not serve: it runs applications by itself",
    "volcengine/timer_doc": "a timer",
}
# Requests without what an application needs, which their dialects claim in order to say so.
REFUSED = {
    "aws_edge/rule_body_truncated": "truncated",
    "openwhisk/parsed_get": "raw",
    "openwhisk/parsed_post_form": "raw",
    "openwhisk/parsed_post_text": "raw",
} | dict.fromkeys(sorted(FLAGGED_TEXT), "'body'")
# Where the files count the first address of X-Forwarded-For, which any client may write, we
# count the last one.
CLIENTS = {
    "tencent_cloudbase/get_repeated_query": "198.51.100.43",
    "tencent_cloudbase/get_with_base64_body": "198.51.100.43",
}

EVERY = sorted(case for folder in EVENTS.iterdir() for case in cases(folder.name))
FOREIGN_CASES = [case for case in EVERY if {case, case.partition("/")[0]} & FOREIGN.keys()]
OWN = {
    case: EMULATED.get(case) or DIALECTS[case.partition("/")[0]]
    for case in EVERY
    if case not in FOREIGN_CASES and (case in EMULATED or case.partition("/")[0] in DIALECTS)
}
READ = [case for case in OWN if case not in REFUSED]


def decoded(case: str) -> Request:
    return gateways.load(OWN[case]).decode_event(recorded(case))


def pairs(query: str) -> dict[str, list[str]]:
    return grouped(parse_qsl(query, keep_blank_values=True))


def is_raw(case: str) -> bool:
    """Tell whether the dialect promises the query as the client wrote it."""
    return not any(loss.startswith("query") for loss in gateways.load(OWN[case]).LOSES)


def test_every_recorded_event_is_a_dialects_or_nobodys() -> None:
    assert {case for case in EVERY if case not in OWN} == {*FOREIGN_CASES}
    assert not [key for key in FOREIGN if not (EVENTS / key).is_dir() and key not in EVERY]
    assert {*OWN} >= REFUSED.keys()


@pytest.mark.parametrize("case", OWN)
def test_recorded_event_is_claimed_by_its_dialect_alone(case: str) -> None:
    event = recorded(case)
    assert claims(event) == [OWN[case]]
    assert gateways.detect(event) is gateways.load(OWN[case])


@pytest.mark.parametrize("case", FOREIGN_CASES)
def test_foreign_event_is_claimed_by_none(case: str) -> None:
    event = recorded(case)
    assert claims(event) == []
    with pytest.raises(UnknownEventError) as caught:
        gateways.detect(event)
    assert all(key in str(caught.value) for key in event)


@pytest.mark.parametrize("case", [case for case in EVERY if isinstance(recorded(case), dict)])
def test_event_with_a_broken_field_is_claimed_by_one_dialect_at_most(case: str) -> None:
    event = recorded(case)
    for holder in [event, *event.values()]:
        for name in [*holder] if isinstance(holder, dict) else []:
            whole = holder.pop(name)
            assert len(claims(event)) <= 1, name
            junk: Any
            for junk in (None, "", "x", 1, [], {}):
                holder[name] = junk
                assert len(claims(event)) <= 1, name
            holder[name] = whole


def test_unknown_event_is_told_by_keys_and_never_by_values() -> None:
    with pytest.raises(UnknownEventError, match="Records") as caught:
        gateways.detect({"Records": [{"body": "hunter2"}], "token": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_unknown_event_names_the_dialects_tried() -> None:
    with pytest.raises(UnknownEventError, match="tried kong, baidu_cfc, volcengine. "):
        gateways.detect({"httpMethod": "GET", "resource": "/"})
    with pytest.raises(UnknownEventError, match="tried none"):
        gateways.detect({"detail-type": "Scheduled Event"})


def test_detection_does_not_depend_on_order() -> None:
    events = [(recorded(case), gateways.load(OWN[case])) for case in OWN]
    foreign = [recorded(case) for case in FOREIGN_CASES]

    @settings(derandomize=True, max_examples=25, deadline=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for look in ("_CONTEXT_LOOK", "_EVENT_LOOK"):
                drawn = data.draw(st.permutations(getattr(gateways, look)))
                shuffled = [(key, data.draw(st.permutations(names))) for key, names in drawn]
                patch.setattr(gateways, look, tuple(shuffled))
            for event, dialect in events:
                assert gateways.detect(event) is dialect
            for event in foreign:
                with pytest.raises(UnknownEventError):
                    gateways.detect(event)

    check()


@pytest.mark.parametrize("case", READ)
def test_recorded_event_is_decoded_and_left_alone(case: str) -> None:
    event = recorded(case)
    before = repr(event)
    request = gateways.load(OWN[case]).decode_event(event)
    assert repr(event) == before
    assert request.path.startswith("/")
    assert (request.path + request.query).isascii()
    assert all(name == name.lower() for name, _ in request.headers)


@pytest.mark.parametrize(("case", "message"), REFUSED.items())
def test_request_without_what_an_application_needs_is_refused(case: str, message: str) -> None:
    with pytest.raises(BadEventError, match=message):
        decoded(case)


@pytest.mark.parametrize("case", [case for case in READ if "sent" in load_case(case)])
def test_request_is_what_the_client_sent(case: str) -> None:
    sent = load_case(case)["sent"]
    request = decoded(case)
    assert request.method == sent["method"]
    # With or without the stage, which some files leave out; the next test has it in full.
    assert sent["path"].endswith(request.path)
    assert pairs(request.query) == pairs(sent["query"])
    if is_raw(case):
        assert request.query == sent["query"]
    for name, expected in grouped(
        [(name.lower(), value) for name, value in sent["headers"]]
    ).items():
        assert ",".join(values(request, name)) == ",".join(expected)
    assert request.body == (sent["body"] or "").encode()


@pytest.mark.parametrize(
    "case", [case for case in OWN if (EVENTS / f"{case}.request.json").exists()]
)
def test_request_has_the_hand_written_fields(case: str) -> None:
    expected = load_case(f"{case}.request")
    request = decoded(case)
    query = expected.pop("query", None)
    if is_raw(case):
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
        if expected.get(name):
            expected[name] = tuple(expected[name])
    assert found == expected


@pytest.mark.parametrize("case", [case for case in READ if "expect" in load_case(case)])
def test_request_is_as_expected(case: str) -> None:
    expect = load_case(case)["expect"]
    request = decoded(case)
    assert request.method == expect["method"]
    path = unquote(request.path)
    # Some files count what is mounted.
    assert (expect["path"] or "/") in (path, request.root_path + path)
    assert request.path == expect.get("raw_path", request.path)
    assert pairs(request.query) == grouped([(key, value) for key, value in expect["query"]])
    body = b64decode(expect["body_base64"]) if "body_base64" in expect else expect["body"].encode()
    assert request.body == body
    if "client" in expect:
        assert request.client is not None
        assert request.client[0] == CLIENTS.get(case, expect["client"])
    for name in ("scheme", "stage", "request_id"):
        assert getattr(request, name) == expect.get(name, getattr(request, name))


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
