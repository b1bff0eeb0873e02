"""The AWS dialects beside Mangum, on every recorded event: each deviation has its reason."""

from __future__ import annotations

import asyncio
import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from mangum import Mangum

from slsadapt import wrap
from slsadapt.handler import Handler
from slsadapt.testing.losses import grouped
from tests.conftest import load_case
from tests.gateways.corpus import AWS, FLAGGED_TEXT, LIVE, cases

EVENTS = [case for dialect in AWS for case in cases(dialect)]

# What the two report differently, why, and for which events: no more and no less.
REQUEST_DEVIATIONS = [
    (
        "outcome",
        "Mangum raises on a number as header value",
        "aws_rest/br_body_form aws_rest/br_body_json aws_rest/br_content_type_lower_case "
        "aws_http/br_body_form aws_http/br_body_form_content_type "
        "aws_http/br_content_type_lower_case",
    ),
    (
        "outcome",
        "Mangum raises where isBase64Encoded stands beside plain text; a client gets a 400 here",
        "aws_rest/pt_another_path aws_rest/pt_trailing_slash aws_http/doc_java_v2",
    ),
    (
        "path",
        "Mangum decodes twice what HTTP APIs and requestContext.http.path have decoded already",
        "aws_http/rule_double_decode_trap aws_function_url/rule_double_decode_trap",
    ),
    (
        "path",
        "Mangum reads requestContext.http.path, which these samples print without the slash",
        "aws_http/pt_v2_trailing_slash aws_function_url/pt_trailing_slash",
    ),
    (
        "path",
        "Mangum leaves the base path or the named stage in front of the application's path",
        "aws_rest/rule_base_path_mapping aws_rest/rule_domain_no_base_no_stage "
        "aws_http/rule_named_stage",
    ),
    (
        "root_path",
        "Mangum knows no root_path, so that links lack the stage or base path",
        "aws_rest/br_path_parameters aws_rest/br_stage_prefix aws_rest/doc_java_v1 "
        "aws_rest/go_openapi_request aws_rest/go_request "
        "aws_rest/live_rest_encoded_path_repeated aws_rest/rec_invocation_hardcoded "
        "aws_rest/rec_with_params_encoding aws_rest/rec_with_params_encoding_multi "
        "aws_rest/rec_with_path_encoded_email aws_rest/rec_with_prepended_slash "
        "aws_rest/rec_with_prepended_slash_to_stage aws_rest/rec_with_trailing_slash "
        "aws_rest/rec_with_trailing_slash_and_query_params "
        "aws_rest/rec_without_trailing_slash "
        "aws_rest/rec_without_trailing_slash_and_query_params aws_rest/rs_catch_all "
        "aws_rest/rs_console aws_rest/rs_multi_params aws_rest/rs_multi_value aws_rest/rs_proxy "
        "aws_rest/rule_base_path_mapping aws_rest/rule_binary_body "
        "aws_rest/rule_domain_no_base_no_stage aws_rest/rule_root_nulls "
        "aws_http/rule_named_stage",
    ),
    (
        "repeated",
        "Mangum joins repeated headers, which the gateway kept apart",
        "aws_rest/br_header_custom_multivalue aws_rest/doc_httpapi_1_0 "
        "aws_rest/doc_rest_input_format aws_rest/live_rest_encoded_path_repeated "
        "aws_rest/pt_no_origin aws_rest/pt_other aws_rest/pt_proxy aws_rest/pt_schema_valid "
        "aws_rest/rs_multi_params aws_rest/rule_base_path_mapping aws_rest/rule_binary_body "
        "aws_rest/rule_domain_no_base_no_stage aws_rest/rule_root_nulls",
    ),
    (
        "content_length",
        "Mangum adds none, and the gateway takes it off",
        "aws_rest/br_body_base64 aws_rest/br_body_form_content_type "
        "aws_rest/br_body_form_multipart aws_rest/br_body_form_multipart_arrays "
        "aws_rest/br_body_form_multipart_arrays_malformed aws_rest/br_body_form_multipart_files "
        "aws_rest/br_body_utf8 aws_rest/br_missing_content_length_PATCH "
        "aws_rest/br_missing_content_length_PUT aws_rest/doc_httpapi_1_0 aws_rest/doc_java_v1 "
        "aws_rest/doc_rest_input_format aws_rest/go_openapi_request aws_rest/go_request "
        "aws_rest/live_rest_encoded_path_repeated aws_rest/pt_no_origin aws_rest/pt_other "
        "aws_rest/pt_proxy aws_rest/pt_schema_valid aws_rest/rec_with_params_encoding_multi "
        "aws_rest/rs_catch_all aws_rest/rs_console aws_rest/rs_multi_params "
        "aws_rest/rs_multi_value aws_rest/rule_base_path_mapping aws_rest/rule_binary_body "
        "aws_rest/rule_domain_no_base_no_stage",
    ),
    (
        "content_length",
        "the same, of made-up events alone, since these gateways pass it on",
        "aws_http/br_body_form_multipart aws_http/br_body_form_multipart_arrays "
        "aws_http/br_body_form_multipart_arrays_malformed "
        "aws_http/br_body_form_multipart_files aws_http/br_body_utf8 "
        "aws_http/br_missing_content_length_PATCH aws_http/doc_httpapi_2_0 "
        "aws_http/go_iam aws_http/go_jwt aws_http/go_lambda_authorizer aws_http/pt_v2 "
        "aws_http/pt_v2_schema aws_http/pt_v2_trailing_slash aws_http/rs_path_with_space "
        "aws_http/rs_v2 aws_http/rs_v2_multi aws_http/sam_http_api "
        "aws_function_url/pt_iam aws_function_url/pt_trailing_slash",
    ),
    (
        "server",
        "without a Host header, as in documents, Mangum says ('mangum', 80) of an https request",
        "aws_rest/doc_httpapi_1_0 aws_rest/doc_rest_input_format aws_rest/pt_no_origin "
        "aws_rest/pt_other aws_rest/pt_proxy aws_rest/pt_schema_valid aws_http/doc_httpapi_2_0 "
        "aws_http/go_iam aws_http/go_jwt aws_http/go_lambda_authorizer aws_http/pt_v2 "
        "aws_http/pt_v2_get aws_http/pt_v2_other_get aws_http/pt_v2_schema "
        "aws_http/pt_v2_trailing_slash aws_http/rs_path_with_space aws_http/rs_v2 "
        "aws_http/rs_v2_multi aws_http/sam_http_api aws_function_url/pt_iam "
        "aws_function_url/pt_trailing_slash",
    ),
    (
        "headers",
        "in these samples headers and multiValueHeaders disagree; Mangum takes the sum of both",
        "aws_rest/br_path_parameters aws_rest/doc_java_v1 aws_rest/pt_other "
        "aws_rest/pt_schema_valid",
    ),
    (
        "server",
        "the same, of the Host header",
        "aws_rest/br_path_parameters aws_rest/doc_java_v1",
    ),
]
DEVIATING = {(case, field) for field, _, names in REQUEST_DEVIATIONS for case in names.split()}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what the application was asked."""
    message = await receive()
    headers = [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]]
    lists = grouped(headers)
    report = {
        "method": scope["method"],
        "root_path": scope["root_path"],
        "path": scope["path"].removeprefix(scope["root_path"]),
        "query": parse_qsl(scope["query_string"].decode(), keep_blank_values=True),
        "content_length": lists.pop("content-length", []),
        "headers": {name: ", ".join(values) for name, values in lists.items()},
        "repeated": sorted(name for name, values in lists.items() if len(values) > 1),
        "body": b64encode(message["body"]).decode(),
        "client": scope["client"],
        "server": scope["server"],
        "scheme": scope["scheme"],
        "event": scope["aws.event"],
        "context": scope["aws.context"],
    }
    json_type = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": json_type})
    await send({"type": "http.response.body", "body": json.dumps(report).encode()})


@pytest.fixture(autouse=True)
def current_loop() -> Iterator[None]:
    """Mangum runs applications on the thread's current loop."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(scope="module")
def handler() -> Iterator[Handler]:
    handler = wrap(echo, lifespan="off", request_id=False)
    yield handler
    handler.pre_stop()


def test_every_listed_event_is_recorded() -> None:
    assert {case for case, _ in DEVIATING} <= {*EVENTS}


@pytest.mark.parametrize("case", EVENTS)
def test_application_is_asked_the_same_but_for_what_is_listed(case: str, handler: Handler) -> None:
    ours = handler(load_case(case)["event"], "context")
    try:
        theirs = Mangum(echo, lifespan="off")(load_case(case)["event"], "context")  # type: ignore[arg-type]
    except (AttributeError, ValueError):
        assert {field for each, field in DEVIATING if each == case} == {"outcome"}
        assert ours["statusCode"] == (400 if case in FLAGGED_TEXT else 200)
        return
    found, expected = (json.loads(each["body"]) for each in (ours, theirs))
    assert found.keys() == expected.keys()
    deviating = {name for name in found if found[name] != expected[name]}
    assert deviating == {field for each, field in DEVIATING if each == case}


PNG = b"\x89PNG\r\n\x1a\n"
HTML = [(b"content-type", b"text/html; charset=utf-8")]
RESPONSES: dict[str, tuple[int, list[tuple[bytes, bytes]], bytes]] = {
    "text": (200, HTML, "<p>é</p>".encode()),
    "json": (201, [(b"content-type", b"application/json")], b'{"a": 1}'),
    "png": (200, [(b"content-type", b"image/png")], PNG),
    "gzip": (200, [*HTML, (b"content-encoding", b"gzip")], gzip.compress(b"<p>", mtime=0)),
    "latin-1 text": (200, [(b"content-type", b"text/html; charset=latin-1")], b"caf\xe9"),
    "two cookies": (200, [*HTML, (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")], b"ok"),
    "one cookie": (200, [*HTML, (b"set-cookie", b"a=1; Path=/")], b"ok"),
    "repeated header": (200, [*HTML, (b"link", b"</a>"), (b"link", b"</b>")], b"ok"),
    "redirect": (302, [(b"location", b"/live/a"), (b"content-type", b"text/plain")], b""),
    "capitals": (200, [(b"content-type", b"TEXT/HTML")], b"<p>"),
    "svg": (200, [(b"content-type", b"image/svg+xml")], b"<svg/>"),
    "problem": (400, [(b"content-type", b"application/problem+json")], b"{}"),
    "latin-1 header": (200, [*HTML, (b"x-name", b"caf\xe9")], b"ok"),
    "no content type": (200, [], b"text"),
    "204": (204, [], b""),
}
RESULT_DEVIATIONS = [
    ("capitals", AWS, "Mangum tells text by case, and sends base64", {"body", "isBase64Encoded"}),
    ("svg", AWS, "Mangum takes SVG for binary", {"body", "isBase64Encoded"}),
    ("problem", AWS, "Mangum knows no structured suffixes", {"body", "isBase64Encoded"}),
    ("latin-1 header", AWS, "Mangum raises on a header that is no UTF-8", {"outcome"}),
    (
        "no content type",
        ("aws_rest",),
        "Mangum sends base64, which a REST API shows as it is",
        {"body", "isBase64Encoded"},
    ),
    (
        "no content type",
        ("aws_http", "aws_function_url"),
        "Mangum says JSON of whatever it is; the gateway would, too, but that is its affair",
        {"headers"},
    ),
    ("204", ("aws_http", "aws_function_url"), "Mangum says JSON of an empty body", {"headers"}),
    (
        "repeated header",
        ("aws_http", "aws_function_url"),
        "Mangum joins with a comma and no space",
        {"headers"},
    ),
]


@pytest.mark.parametrize("dialect", AWS)
@pytest.mark.parametrize("name", RESPONSES)
def test_result_is_the_same_but_for_what_is_listed(name: str, dialect: str) -> None:
    status, headers, body = RESPONSES[name]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    listed: set[str] = set()
    for each, dialects, _, fields in RESULT_DEVIATIONS:
        if each == name and dialect in dialects:
            listed |= fields
    event = load_case(LIVE[dialect])["event"]
    handler = wrap(app, lifespan="off", request_id=False)
    ours = handler(event)
    handler.pre_stop()
    try:
        theirs = Mangum(app, lifespan="off")(event, None)  # type: ignore[arg-type]
    except UnicodeDecodeError:
        assert listed == {"outcome"}
        return
    # Mangum writes empty maps where we write none.
    empty: dict[str, Any] = {"headers": {}, "multiValueHeaders": {}, "cookies": []}
    found, expected = empty | ours, empty | theirs
    assert found.keys() == expected.keys()
    assert {field for field in found if found[field] != expected[field]} == listed
