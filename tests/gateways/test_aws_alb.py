"""Application Load Balancers, with multi-value headers on and off."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, request, session

from slsadapt import BadEventError, Request, Response, wrap
from slsadapt.gateways import aws_alb
from tests.conftest import load_case
from tests.gateways.corpus import changed, values

MULTI = "aws_alb/live_multivalue_encoded"
SINGLE = "aws_alb/rule_single_of_live"
HEALTH = "aws_alb/rs_no_host"

_COOKIES = [("Set-Cookie", f"{name}=1; Path=/") for name in "abc"]


def decoded(case: str, changes: dict[str, Any]) -> Request:
    return aws_alb.decode_event(changed(case, changes))


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("/a%2Fb%3Fc%23", "/a%2Fb%3Fc%23", id="escaped delimiters"),
        pytest.param("/100%2525", "/100%2525", id="double decode trap"),
        pytest.param("/%FF%00", "/%FF%00", id="octets that are no UTF-8"),
        pytest.param("/a+b//", "/a+b//", id="plus and slashes"),
        pytest.param("/é%20", "/%C3%A9%20", id="stray letter"),
        pytest.param("", "/", id="empty"),
    ],
)
def test_path_is_encoded_already(raw: str, path: str) -> None:
    assert decoded(MULTI, {"path": raw}).path == path


@pytest.mark.parametrize(
    ("lists", "query"),
    [
        pytest.param({"a": ["%20", "b+c"]}, "a=%20&a=b+c", id="escapes stay"),
        pytest.param({"date%5Bfrom%5D": ["1"]}, "date%5Bfrom%5D=1", id="escaped key stays"),
        pytest.param({"a[]": ["1", "2"]}, "a[]=1&a[]=2", id="unescaped key stays"),
        pytest.param({"a": ["="]}, "a==", id="equals sign"),
        pytest.param({"flag": [""]}, "flag=", id="empty"),
        pytest.param({"": ["x"]}, "=x", id="empty key"),
        pytest.param({"n": [5]}, "n=5", id="number"),
        pytest.param({"é": ["日"]}, "%C3%A9=%E6%97%A5", id="stray letters"),
        pytest.param({}, "", id="none"),
        pytest.param(None, "", id="null"),
    ],
)
def test_query_is_joined_and_not_encoded_again(lists: Any, query: str) -> None:
    changes = {"queryStringParameters": None, "multiValueQueryStringParameters": lists}
    assert decoded(MULTI, changes).query == query


def test_single_mode_has_the_last_value_of_each_key() -> None:
    assert decoded(SINGLE, {"queryStringParameters": {"a": "%2B", "b": ""}}).query == "a=%2B&b="


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        pytest.param("203.0.113.18", ("203.0.113.18", 0), id="one"),
        pytest.param("192.0.2.66, 203.0.113.18", ("203.0.113.18", 0), id="behind a forged one"),
        pytest.param("203.0.113.18:49196", ("203.0.113.18", 49196), id="port"),
        pytest.param("192.0.2.66,[2001:db8::7]:49196", ("2001:db8::7", 49196), id="ipv6, port"),
        pytest.param("2001:db8::7", ("2001:db8::7", 0), id="ipv6"),
        pytest.param("", None, id="empty"),
        pytest.param(..., None, id="removed"),
    ],
)
@pytest.mark.parametrize("case", [MULTI, SINGLE])
def test_client_is_who_the_load_balancer_appended(
    case: str, hops: Any, client: tuple[str, int] | None
) -> None:
    name = "multiValueHeaders" if case == MULTI else "headers"
    value = [hops] if case == MULTI and hops is not ... else hops
    assert decoded(case, {f"{name}.x-forwarded-for": value}).client == client


@pytest.mark.parametrize(
    ("header", "request_id"),
    [
        pytest.param(
            "Root=1-67891233-abcdef012345678912345678",
            "1-67891233-abcdef012345678912345678",
            id="root",
        ),
        pytest.param("Self=1-5-a;Root=1-6-b", "1-5-a", id="the client had one of its own"),
        pytest.param("Root=1-6-b; Self=1-5-a; Sampled=1", "1-5-a", id="spaces, other order"),
        pytest.param("Sampled=1", "", id="neither"),
        pytest.param("", "", id="empty"),
    ],
)
def test_request_id_is_of_the_trace(header: str, request_id: str) -> None:
    assert decoded(SINGLE, {"headers.x-amzn-trace-id": header}).request_id == request_id


def test_identity_that_a_client_may_forge_is_no_user() -> None:
    request = decoded(SINGLE, {"headers.x-amzn-oidc-identity": "root"})
    assert request.user is None
    assert values(request, "x-amzn-oidc-identity") == ["root"]


@pytest.mark.parametrize(
    ("body", "sent", "length"),
    [
        pytest.param("é", ["2"], ["2"], id="right"),
        pytest.param("é", ["1"], ["2"], id="wrong"),
        pytest.param("é", ..., ["2"], id="absent"),
        pytest.param("", ["2"], ["0"], id="wrong, no body"),
        pytest.param("", ..., [], id="absent, no body"),
    ],
)
def test_content_length_is_the_bodys(body: str, sent: Any, length: list[str]) -> None:
    request = decoded(MULTI, {"body": body, "multiValueHeaders.content-length": sent})
    assert values(request, "content-length") == length


def test_doubled_header_and_cookie_stay_apart() -> None:
    lists = {"multiValueHeaders.cookie": ["a=1", "b=2"], "multiValueHeaders.x-tag": ["a,b", "c"]}
    request = decoded(MULTI, lists)
    assert values(request, "cookie") == ["a=1", "b=2"]
    assert values(request, "x-tag") == ["a,b", "c"]


@pytest.mark.parametrize(
    ("case", "field", "wrong"),
    [
        (MULTI, "requestContext", "text"),
        (MULTI, "requestContext", None),
        (MULTI, "httpMethod", 5),
        (MULTI, "httpMethod", ...),
        (MULTI, "path", ["/"]),
        (MULTI, "path", ...),
        (SINGLE, "headers", "text"),
        (SINGLE, "headers.x-voker-probe", ["a"]),
        (MULTI, "multiValueHeaders", ["a"]),
        (MULTI, "multiValueHeaders.x-voker-probe", "second"),
        (MULTI, "multiValueHeaders.x-voker-probe", [{}]),
        (SINGLE, "queryStringParameters", "a=b"),
        (SINGLE, "queryStringParameters.empty", {}),
        (MULTI, "multiValueQueryStringParameters", "a=b"),
        (MULTI, "multiValueQueryStringParameters.empty", [{}]),
        (MULTI, "body", 5),
        (MULTI, "isBase64Encoded", 5),
    ],
)
def test_wrong_field_is_named(case: str, field: str, wrong: Any) -> None:
    with pytest.raises(BadEventError, match=f"'{field}' must be "):
        decoded(case, {field: wrong})


def test_wrong_base64_is_named() -> None:
    with pytest.raises(BadEventError, match="'body' must be base64"):
        decoded("aws_alb/rule_binary_body", {"body": "AAE"})


@pytest.mark.parametrize("port", ["65536", "x", "44 3"])
def test_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(BadEventError, match="headers.host"):
        decoded(SINGLE, {"headers.host": f"example.com:{port}"})


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"requestContext": {"elb": {}}},
        {"httpMethod": "GET", "requestContext": "elb"},
        {"httpMethod": "GET", "requestContext": {"stage": "elb"}},
        {"httpMethod": "GET", "requestContext": None},
        [],
        None,
        5,
    ],
    ids=str,
)
def test_other_events_are_not_claimed(event: Any) -> None:
    assert not aws_alb.matches(event)


def test_single_mode_result_takes_one_value_a_header() -> None:
    response = Response(
        201, [("Vary", "a"), *_COOKIES, ("vary", "b"), ("Content-Type", "text/plain")], b"made"
    )
    assert aws_alb.encode_result(response, load_case(SINGLE)["event"]) == {
        "statusCode": 201,
        "statusDescription": "201 Created",
        "headers": {
            "Vary": "a, b",
            "set-cookie": "a=1; Path=/",
            "Set-cookie": "b=1; Path=/",
            "sEt-cookie": "c=1; Path=/",
            "Content-Type": "text/plain",
        },
        "body": "made",
        "isBase64Encoded": False,
    }


def test_multi_mode_result_has_lists_alone() -> None:
    response = Response(404, [("Vary", "a"), *_COOKIES, ("vary", "b")], b"\xff")
    assert aws_alb.encode_result(response, load_case(MULTI)["event"]) == {
        "statusCode": 404,
        "statusDescription": "404 Not Found",
        "multiValueHeaders": {
            "Vary": ["a", "b"],
            "Set-Cookie": ["a=1; Path=/", "b=1; Path=/", "c=1; Path=/"],
        },
        "body": "/w==",
        "isBase64Encoded": True,
    }


@pytest.mark.parametrize(
    ("changes", "multi"),
    [
        pytest.param({}, True, id="on"),
        pytest.param({"multiValueHeaders": {}}, True, id="on, no header"),
        pytest.param({"multiValueHeaders": None, "headers": {}}, False, id="off, null"),
        pytest.param({"multiValueHeaders": ..., "headers": {}}, False, id="off, absent"),
    ],
)
def test_result_is_in_the_mode_of_the_event(changes: dict[str, Any], multi: bool) -> None:
    result = aws_alb.encode_result(Response(200, [("A", "1")]), changed(MULTI, changes))
    assert ("multiValueHeaders" in result, "headers" in result) == (multi, not multi)


def test_result_of_a_status_without_phrase_has_a_description_all_the_same() -> None:
    assert aws_alb.encode_result(Response(599), {})["statusDescription"] == "599 Unknown"


_JSON = [("Set-cookie", "cookies"), ("Content-Type", "application/json")]


@pytest.mark.parametrize(
    ("name", "mode", "response"),
    [
        (
            "doc_elb_response",
            SINGLE,
            Response(200, _JSON, b"Hello from Lambda (optional)"),
        ),
        (
            "doc_response",
            SINGLE,
            Response(200, [("Content-Type", "text/html")], b"<h1>Hello from Lambda!</h1>"),
        ),
        (
            "go_response",
            MULTI,
            Response(
                200,
                [
                    ("Set-cookie", "cookie-name=cookie-value;Domain=myweb.com;Secure;HttpOnly"),
                    ("Set-cookie", "cookie-name=cookie-value;Expires=May 8, 2019"),
                    ("Content-Type", "application/json"),
                ],
                b"Hello from Lambda",
            ),
        ),
    ],
)
def test_recorded_result_is_read_and_written(name: str, mode: str, response: Response) -> None:
    result = load_case(f"aws_alb_response/{name}")["handler_result"]
    assert aws_alb.decode_result(result) == response
    if mode == MULTI:
        # The file holds both maps, of which a load balancer reads one.
        del result["headers"]
    assert aws_alb.encode_result(response, load_case(mode)["event"]) == result


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param({"body": "a"}, id="no status"),
        pytest.param({"statusCode": "ok"}, id="status no number"),
        pytest.param({"statusCode": 600}, id="status too high"),
        pytest.param({"statusCode": 200, "headers": {"a": True}}, id="boolean"),
        pytest.param({"statusCode": 200, "headers": {"a": ["b"]}}, id="list in single mode"),
        pytest.param({"statusCode": 200, "headers": ["a"]}, id="headers no object"),
        pytest.param({"statusCode": 200, "multiValueHeaders": {"a": "b"}}, id="no list"),
        pytest.param({"statusCode": 200, "multiValueHeaders": {"a": [1]}}, id="number"),
        pytest.param({"statusCode": 200, "body": 5}, id="body no text"),
        pytest.param({"statusCode": 200, "body": "AAE", "isBase64Encoded": True}, id="base64"),
    ],
)
def test_malformed_result_is_a_502(result: object) -> None:
    response = aws_alb.decode_result(result)
    assert (response.status, b"502 Bad Gateway" in response.body) == (502, True)


def test_result_over_1_mb_is_refused_with_its_size() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return [bytes(800_000)]

    result = wrap(app)(load_case(MULTI)["event"])
    assert result["statusCode"] == 500
    assert result["statusDescription"] == "500 Internal Server Error"
    assert "1,048,576" in result["body"]


def flask_app() -> Flask:
    app = Flask("shop")
    app.secret_key = "no secret"

    @app.post("/capture/<path:name>")
    def capture(name: str) -> Any:
        session["seen"] = name
        answer = app.json.response(
            name=name,
            args=request.args.to_dict(flat=False),
            probe=request.headers["X-Voker-Probe"],
            theme=request.cookies["theme"],
            url=request.base_url,
            client=request.remote_addr,
            sent=request.get_json(),
        )
        answer.set_cookie("theme", "light")
        return answer

    @app.get("/v1/health/")
    def health() -> str:
        return f"well, {request.user_agent}"

    return app


@pytest.mark.parametrize(
    ("case", "probe", "repeat"),
    [(MULTI, "first, second", ["one", "two"]), (SINGLE, "second", ["two"])],
)
def test_flask_is_served(case: str, probe: str, repeat: list[str]) -> None:
    app = flask_app()
    result = wrap(app)(load_case(case)["event"])
    answer = aws_alb.decode_result(result)
    assert answer.status == 200
    assert app.json.loads(answer.body) == {
        "name": "space value",
        "args": {
            "empty": [""],
            "encodedPlus": ["a+b"],
            "literalPlus": ["a b"],
            "redirect": ["https://example.com/a/b"],
            "repeat": repeat,
        },
        "probe": probe,
        "theme": "dark",
        "url": "http://vokerhtt-alb-4xf8jcvdrjg4-1316758055.us-west-2.elb.amazonaws.com"
        "/capture/space%20value",
        "client": "203.0.113.18",
        "sent": {"message": "hello from the public internet", "unicode": "lambda-λ"},
    }
    cookies = [value for name, value in answer.headers if name.lower() == "set-cookie"]
    assert [cookie.partition("=")[0] for cookie in cookies] == ["theme", "session"]


def test_health_check_is_a_request_like_any_other() -> None:
    result = wrap(flask_app())(load_case(HEALTH)["event"])
    assert (result["statusCode"], result["body"]) == (200, "well, ELB-HealthChecker/2.0")


def test_application_finds_event_and_context() -> None:
    event, context = load_case(MULTI)["event"], object()
    environ: dict[str, Any] = {}
    aws_alb.annotate(environ, event, context)
    assert environ == {
        "serverless.event": event,
        "serverless.context": context,
        "serverless.authorizer": None,
        "aws.event": event,
        "aws.context": context,
    }
