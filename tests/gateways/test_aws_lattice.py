"""VPC Lattice, event structures 1 and 2."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, request
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from slsadapt import BadEventError, Request, Response, wrap
from slsadapt.gateways import aws_lattice
from tests.conftest import load_case
from tests.gateways.corpus import changed, values

FIRST = "aws_lattice_v1/rule_query_on_path"
SECOND = "aws_lattice_v2/rule_query_on_path"
PATHS = {FIRST: "raw_path", SECOND: "path"}
QUERIES = {FIRST: "query_string_parameters", SECOND: "queryStringParameters"}

both = pytest.mark.parametrize("case", [FIRST, SECOND])


def decoded(case: str, changes: dict[str, Any]) -> Request:
    return aws_lattice.decode_event(changed(case, changes))


def header(case: str, name: str, text: str) -> dict[str, Any]:
    return {f"headers.{name}": text if case == FIRST else [text]}


@both
@pytest.mark.parametrize(
    ("raw", "path", "query"),
    [
        pytest.param("/a%2Fb%3Fc?d=%20+;&e", "/a%2Fb%3Fc", "d=%20+;&e", id="as sent"),
        pytest.param("/100%2525", "/100%2525", "depot=leeds", id="double decode trap, no query"),
        pytest.param("/a?", "/a", "", id="empty query"),
        pytest.param("/a?b?c", "/a", "b?c", id="question mark in the query"),
        pytest.param("/é?é", "/%C3%A9", "%C3%A9", id="stray letters"),
        pytest.param("?a", "/", "a", id="empty path"),
        pytest.param("", "/", "depot=leeds", id="empty"),
    ],
)
def test_query_follows_the_path(case: str, raw: str, path: str, query: str) -> None:
    found = decoded(case, {PATHS[case]: raw, QUERIES[case]: {"depot": "leeds"}})
    assert (found.path, found.query) == (path, query)


@both
@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param({"a": "b c", "d": ""}, "a=b%20c&d=", id="texts"),
        pytest.param({"a": ["b", "c"]}, "a=b&a=c", id="lists"),
        pytest.param({"n": 5}, "n=5", id="number"),
        pytest.param({}, "", id="empty"),
        pytest.param(None, "", id="null"),
        pytest.param(..., "", id="absent"),
    ],
)
def test_map_is_read_where_no_query_follows_the_path(case: str, fields: Any, query: str) -> None:
    assert decoded(case, {PATHS[case]: "/", QUERIES[case]: fields}).query == query


def test_header_is_text_or_list() -> None:
    request = decoded(SECOND, {"headers.x-tag": ["a,b", "c"], "headers.x-one": "a,b"})
    assert values(request, "x-tag") == ["a,b", "c"]
    assert values(request, "x-one") == ["a,b"]


@both
@pytest.mark.parametrize("headers", [{}, None, ...], ids=["empty", "null", "absent"])
def test_event_may_have_no_headers(case: str, headers: Any) -> None:
    request = decoded(case, {"headers": headers})
    assert (request.headers, request.client, request.server) == ((), None, ("localhost", 443))


@both
def test_client_is_the_last_hop(case: str) -> None:
    request = decoded(case, header(case, "x-forwarded-for", "192.0.2.66, 10.0.0.24"))
    assert request.client == ("10.0.0.24", 0)


@pytest.mark.parametrize(
    ("identity", "user"),
    [
        pytest.param(
            "Principal=arn:aws:iam::1:user/ann; Type=AWS_IAM", "arn:aws:iam::1:user/ann", id="named"
        ),
        pytest.param("PrincipalOrgID=o-1;Principal=ann", "ann", id="later"),
        pytest.param("Principal=; PrincipalOrgID=; Type=NONE", None, id="nobody"),
        pytest.param("", None, id="empty"),
        pytest.param(..., None, id="absent"),
    ],
)
def test_user_of_version_1_is_in_a_header(identity: Any, user: str | None) -> None:
    assert decoded(FIRST, {"headers.x-amzn-lattice-identity": identity}).user == user


@pytest.mark.parametrize(
    ("identity", "user"),
    [
        pytest.param({"principal": "ann"}, "ann", id="named"),
        pytest.param({"principal": ""}, None, id="nobody"),
        pytest.param({"type": "NONE"}, None, id="not told"),
        pytest.param(None, None, id="null"),
        pytest.param(..., None, id="absent"),
    ],
)
def test_user_of_version_2_is_in_the_context(identity: Any, user: str | None) -> None:
    request = decoded(
        SECOND,
        {
            "requestContext.identity": identity,
            "headers.x-amzn-lattice-identity": ["Principal=root"],
        },
    )
    assert request.user == user


@pytest.mark.parametrize(
    ("case", "field", "wrong"),
    [
        (FIRST, "raw_path", 5),
        (FIRST, "raw_path", None),
        (FIRST, "method", 5),
        (FIRST, "method", ...),
        (FIRST, "headers", "text"),
        (FIRST, "headers.accept", {}),
        (FIRST, "headers.accept", None),
        (FIRST, "body", 5),
        (SECOND, "requestContext", "text"),
        (SECOND, "requestContext", ...),
        (SECOND, "requestContext.identity", "ann"),
        (SECOND, "requestContext.identity.principal", 5),
        (SECOND, "path", ["/"]),
        (SECOND, "path", ...),
        (SECOND, "method", {}),
        (SECOND, "headers", ["text"]),
        (SECOND, "headers.accept", [{}]),
        (SECOND, "headers.accept", [None]),
        (SECOND, "body", {}),
    ],
)
def test_wrong_field_is_named(case: str, field: str, wrong: Any) -> None:
    with pytest.raises(BadEventError, match=f"'{field}' must be "):
        decoded(case, {field: wrong})


@both
@pytest.mark.parametrize("wrong", ["a=b", {"a": {}}, {"a": [{}]}], ids=str)
def test_wrong_query_is_named(case: str, wrong: Any) -> None:
    with pytest.raises(BadEventError, match=f"'{QUERIES[case]}(.a)?' must be "):
        decoded(case, {PATHS[case]: "/", QUERIES[case]: wrong})


@pytest.mark.parametrize(
    ("case", "flag"), [(FIRST, "is_base64_encoded"), (SECOND, "isBase64Encoded")]
)
def test_flag_has_a_name_in_each_version(case: str, flag: str) -> None:
    assert decoded(case, {"body": "YWJj", flag: True}).body == b"abc"
    assert decoded(case, {"body": "YWJj", flag: False}).body == b"YWJj"
    with pytest.raises(BadEventError, match=f"'{flag}' must be bool"):
        decoded(case, {"body": "YWJj", flag: 5})
    with pytest.raises(BadEventError, match=f"'body' must be base64, since '{flag}' is true"):
        decoded(case, {"body": "YWJ", flag: True})


@both
def test_port_that_is_none_is_named(case: str) -> None:
    with pytest.raises(BadEventError, match="headers.host"):
        decoded(case, header(case, "host", "example.org:x"))


@pytest.mark.parametrize(
    "event",
    [
        {"raw_path": "/"},
        {"raw_path": "/", "method": "GET", "requestContext": {"serviceArn": ""}},
        {"method": "GET", "path": "/", "requestContext": {}},
        {"method": "GET", "path": "/", "requestContext": "serviceArn"},
        {"method": "GET", "requestContext": {"serviceArn": ""}},
        {"path": "/", "requestContext": {"targetGroupArn": ""}},
        [],
        None,
    ],
    ids=str,
)
def test_other_events_are_not_claimed(event: Any) -> None:
    assert not aws_lattice.matches(event)


@both
def test_result_is_the_same_for_both_versions(case: str) -> None:
    response = Response(
        200,
        [("Link", "</1>"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("link", "</2>")],
        b"\xff",
    )
    assert aws_lattice.encode_result(response, load_case(case)["event"]) == {
        "statusCode": 200,
        "statusDescription": "200 OK",
        "headers": {"Link": "</1>, </2>", "set-cookie": "a=1", "Set-cookie": "b=2"},
        "body": "/w==",
        "isBase64Encoded": True,
    }


def test_documented_result_is_read_and_written() -> None:
    result = load_case("aws_lattice_response/doc_shape")["handler_result"]
    response = Response(
        200,
        [("Set-Cookie", "cookies"), ("Content-Type", "application/json")],
        b"Hello from Lambda (optional)",
    )
    assert aws_lattice.decode_result(result) == response
    assert aws_lattice.encode_result(response, {}) == result


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param({"body": "a"}, id="no status"),
        pytest.param({"statusCode": 99}, id="status too low"),
        pytest.param({"statusCode": 200, "headers": {"a": ["b"]}}, id="list"),
        pytest.param({"statusCode": 200, "body": 5}, id="body no text"),
        pytest.param({"statusCode": 200, "body": "AAE", "isBase64Encoded": True}, id="base64"),
    ],
)
def test_malformed_result_is_a_502(result: object) -> None:
    assert aws_lattice.decode_result(result).status == 502


@pytest.mark.parametrize(
    ("case", "args", "probe"),
    [
        (FIRST, {"page": ["2"], "depot": ["leeds", "hull"]}, "leeds,hull"),
        (SECOND, {"page": ["2"], "depot": ["leeds", "hull"]}, "leeds, hull"),
    ],
)
def test_flask_is_served(case: str, args: dict[str, list[str]], probe: str) -> None:
    app = Flask("inventory")

    @app.get("/stock/<sku>")
    def stock(sku: str) -> Any:
        return {
            "sku": sku,
            "args": request.args.to_dict(flat=False),
            "depots": request.headers["X-Depot"],
            "client": request.remote_addr,
            "user": request.remote_user,
            "scheme": request.scheme,
        }

    answer = aws_lattice.decode_result(wrap(app)(load_case(case)["event"]))
    assert answer.status == 200
    assert app.json.loads(answer.body) == {
        "sku": "brk-9",
        "args": args,
        "depots": probe,
        "client": "10.0.0.24",
        "user": "arn:aws:sts::123456789012:assumed-role/Ordering/session",
        "scheme": "http",
    }


@pytest.mark.parametrize(
    ("case", "identity"),
    [
        ("aws_lattice_v1/pt_v1", None),
        (
            "aws_lattice_v2/pt_v2",
            load_case("aws_lattice_v2/pt_v2")["event"]["requestContext"]["identity"],
        ),
    ],
)
def test_starlette_finds_event_and_identity(case: str, identity: Any) -> None:
    event, context = load_case(case)["event"], object()
    found: dict[str, Any] = {}

    async def test(request: StarletteRequest) -> JSONResponse:
        found.update(request.scope)
        return JSONResponse(request.query_params.multi_items())

    app = Starlette(routes=[Route("/testpath", test), Route("/newpath", test)])
    assert wrap(app)(event, context)["body"] == '[["order-id","1"]]'
    assert found["serverless.event"] is found["aws.event"] is event
    assert found["serverless.context"] is found["aws.context"] is context
    assert found["serverless.authorizer"] == identity
