"""Our dialects in stock Mangum, and Mangum's handler classes in ``wrap``."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from operator import methodcaller
from typing import Any

import azure.functions as func
import flask
import pytest
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES
from mangum.handlers import ALB, APIGateway, HTTPGateway, LambdaAtEdge
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route
from werkzeug.test import EnvironBuilder

from slsadapt import ApplicationError, BadEventError, OptionError, UnknownEventError, gateways, wrap
from slsadapt.interop import mangum as interop
from tests.conftest import EVENTS, load_case
from tests.gateways.corpus import cases
from tests.test_imports import ASGI, WSGI, loaded_by

FOLDERS = sorted(folder.name for folder in EVENTS.iterdir())
RECORDED = [case for folder in FOLDERS for case in cases(folder)]


def dialect_of(case: str) -> str:
    """Name the dialect that claims a recorded event, "" if none does."""
    try:
        return gateways.detect(load_case(case)["event"]).__name__.rpartition(".")[2]
    except UnknownEventError:
        return ""


CLAIMED = {case: name for case in RECORDED if (name := dialect_of(case))}
OBJECTS = {"azure", "gcp"}


@pytest.fixture(autouse=True)
def current_loop() -> Iterator[None]:
    """Mangum runs applications on the thread's current loop."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Any]]:
    """Give a function that serves one event as ``wrap`` does, and shuts down afterwards."""
    handlers = []

    def serve(app: Any, event: Any, context: Any = "context", **options: Any) -> Any:
        handler = wrap(app, request_id=False, **options)
        handlers.append(handler)
        return handler(event, context)

    yield serve
    for handler in handlers:
        handler.pre_stop()


def in_mangum(app: Any, event: Any, context: Any = "context", **options: Any) -> Any:
    """Serve one event as stock Mangum does with our handlers."""
    adapter = Mangum(app, lifespan="off", custom_handlers=interop.handlers(), **options)
    return adapter(event, context)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with all that the application was asked."""
    message = await receive()
    report = {
        name: str(scope[name])
        for name in (
            "type",
            "asgi",
            "http_version",
            "method",
            "scheme",
            "path",
            "raw_path",
            "query_string",
            "root_path",
            "headers",
            "client",
            "server",
            "serverless.event",
            "serverless.context",
            "serverless.authorizer",
        )
    }
    report["body"] = b64encode(message["body"]).decode()
    json_type = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": json_type})
    await send({"type": "http.response.body", "body": json.dumps(report).encode()})


async def report_request(request: Request) -> JSONResponse:
    response = JSONResponse(
        {
            "url": str(request.url),
            "link": str(request.url_for("report", path="café")),
            "query": request.query_params.multi_items(),
            "cookies": request.cookies,
            "headers": request.headers.items(),
            "client": str(request.client),
            "body": b64encode(await request.body()).decode(),
        }
    )
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


starlette_app = Starlette(
    routes=[
        Route(
            "/{path:path}",
            report_request,
            name="report",
            methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        )
    ]
)


# Ours in Mangum


def test_every_dialect_of_json_events_has_one_recorded() -> None:
    assert {*CLAIMED.values()} == {*gateways.NAMES} - OBJECTS - {"alibaba_fc2"}


@pytest.mark.parametrize("app", [echo, starlette_app], ids=["asgi", "starlette"])
@pytest.mark.parametrize("case", CLAIMED)
def test_mangum_serves_every_event_as_wrap_does(
    case: str, app: Any, serve: Callable[..., Any]
) -> None:
    expected = serve(app, load_case(case)["event"])
    answer = gateways.load(CLAIMED[case]).decode_result(expected)
    if answer.status == 200:
        assert in_mangum(app, load_case(case)["event"]) == expected
    else:
        # In Mangum there is nobody to answer it.
        with pytest.raises(BadEventError) as raised:
            in_mangum(app, load_case(case)["event"])
        assert answer.status == raised.value.status_hint
        assert answer.body == str(raised.value).encode()


@pytest.mark.parametrize("case", sorted({*RECORDED} - {*CLAIMED}))
def test_what_no_dialect_claims_is_left_to_other_handlers(case: str) -> None:
    assert not interop.GatewayHandler.infer(load_case(case)["event"], "context", {})


@pytest.mark.parametrize("event", [None, 1, "text", b"\xff", b"[]", [], object()])
def test_what_is_no_event_is_left_to_other_handlers(event: object) -> None:
    assert not interop.GatewayHandler.infer(event, "context", {})


@pytest.mark.parametrize("kind", [str.encode, str], ids=["bytes", "text"])
def test_mangum_serves_events_that_arrive_as_json(
    kind: Callable[[str], Any], serve: Callable[..., Any]
) -> None:
    event = load_case("alibaba_fc3/get_unicode_path")["event"]
    found = in_mangum(echo, kind(json.dumps(event)))
    assert found == serve(echo, event)
    assert found["statusCode"] == 200


def google_request() -> flask.Request:
    builder = EnvironBuilder("/caf%C3%A9", query_string="a=1", method="POST", data=b"\xff")
    return flask.Request(builder.get_environ())


def azure_request() -> func.HttpRequest:
    return func.HttpRequest("POST", "https://shop.example/caf%C3%A9?a=1", body=b"\xff")


@pytest.mark.parametrize(
    ("request_object", "body_of"),
    [
        pytest.param(google_request, methodcaller("get_data"), id="google"),
        pytest.param(azure_request, methodcaller("get_body"), id="azure"),
    ],
)
def test_mangum_serves_request_objects(
    request_object: Callable[[], Any], body_of: Callable[[Any], bytes], serve: Callable[..., Any]
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"] + scope["path"].encode() + scope["query_string"]
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1")]})
        await send({"type": "http.response.body", "body": body})

    for result in (in_mangum(app, request_object()), serve(app, request_object())):
        assert (result.status_code, result.headers["x-a"]) == (201, "1")
        assert body_of(result) == b"\xff" + "/caféa=1".encode()


def test_mangum_serves_functions_that_alibaba_calls_as_wsgi() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        text = f"{scope['root_path']} {scope['path']} {scope['aws.context'] is context}"
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1")]})
        await send({"type": "http.response.body", "body": text.encode()})

    context = object()
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/2016-08-15/proxy/shop/web/cart",
        "QUERY_STRING": "",
        "SERVER_NAME": "1.cn-hangzhou.fc.aliyuncs.com",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.7",
        "HTTP_HOST": "1.cn-hangzhou.fc.aliyuncs.com",
        "wsgi.url_scheme": "https",
        "wsgi.input": None,
        "fc.context": context,
        "fc.request_uri": "/2016-08-15/proxy/shop/web/cart",
    }
    started = []
    body = in_mangum(app, environ, lambda *start: started.append(start))
    assert b"".join(body) == b"/2016-08-15/proxy/shop/web /2016-08-15/proxy/shop/web/cart True"
    assert started[0][0].startswith("201")
    assert ("x-a", "1") in started[0][1]


def test_event_and_context_have_mangums_names_behind_every_gateway() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend([scope["aws.event"], scope["aws.context"]])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    event = load_case("tencent_apigw/get_no_body_minimal")["event"]
    in_mangum(app, event, "context")
    assert seen == [event, "context"]


def test_lifespan_state_reaches_the_scope() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["pool"] = "open"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            seen.append(scope["state"])
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    event = load_case("tencent_apigw/get_no_body_minimal")["event"]
    Mangum(app, lifespan="on", custom_handlers=interop.handlers())(event, None)  # type: ignore[arg-type]
    assert seen == [{"pool": "open"}]


PNG = b"\x89PNG\r\n\x1a\n"
HTML = [(b"content-type", b"text/html; charset=utf-8")]
RESPONSES: dict[str, tuple[int, list[tuple[bytes, bytes]], bytes]] = {
    "text": (200, HTML, "<p>é</p>".encode()),
    "png": (200, [(b"content-type", b"image/png")], PNG),
    "gzip": (200, [*HTML, (b"content-encoding", b"gzip")], gzip.compress(b"<p>", mtime=0)),
    "latin-1 text": (200, [(b"content-type", b"text/html; charset=latin-1")], b"caf\xe9"),
    "two cookies": (200, [*HTML, (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")], b"ok"),
    "repeated header": (200, [*HTML, (b"link", b"</a>"), (b"link", b"</b>")], b"ok"),
    "capitals": (200, [(b"content-type", b"TEXT/HTML")], b"<p>"),
    "problem": (400, [(b"content-type", b"application/problem+json")], b"{}"),
    "latin-1 header": (200, [*HTML, (b"x-name", b"caf\xe9")], b"ok"),
    "no content type": (200, [], b"text"),
    "204": (204, [], b""),
    "304 with a body": (304, HTML, b"<p>"),
}


def answering(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Callable[..., Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


@pytest.mark.parametrize("case", sorted({name: case for case, name in CLAIMED.items()}.values()))
@pytest.mark.parametrize("name", RESPONSES)
def test_mangum_answers_as_wrap_does(name: str, case: str, serve: Callable[..., Any]) -> None:
    app = answering(*RESPONSES[name])
    event = load_case(case)["event"]
    expected = serve(app, event, lifespan="off")
    if gateways.load(CLAIMED[case]).decode_result(expected).status == 500:
        # What the gateway cannot carry fails the invocation: nobody answers it in Mangum.
        with pytest.raises(ApplicationError):
            in_mangum(app, event)
    else:
        assert in_mangum(app, event) == expected


def test_answer_to_head_has_no_body() -> None:
    event = load_case("tencent_apigw/get_no_body_minimal")["event"] | {"httpMethod": "HEAD"}
    assert in_mangum(answering(200, HTML, b"<p>"), event)["body"] == ""


def test_header_that_would_split_the_response_is_refused() -> None:
    event = load_case("tencent_apigw/get_no_body_minimal")["event"]
    with pytest.raises(ApplicationError, match="'x-a' holds a CR, LF or NUL"):
        in_mangum(answering(200, [(b"x-a", b"1\r\nx-b: 2")], b""), event)


@pytest.mark.parametrize("base_path", ["orders", "/orders", "/orders/"])
def test_base_path_of_mangum_is_stripped_and_becomes_the_root_path(base_path: str) -> None:
    event = load_case("aws_http/br_simple")["event"]
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/orders/list"
    report = json.loads(in_mangum(echo, event, api_gateway_base_path=base_path)["body"])
    assert report["root_path"] == "/orders"
    assert report["path"] == "/orders/list"
    assert report["raw_path"] == "b'/orders/list'"


def test_base_path_of_mangum_ends_at_a_segment() -> None:
    event = load_case("aws_http/br_simple")["event"]
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/products/1"
    report = json.loads(in_mangum(echo, event, api_gateway_base_path="/prod")["body"])
    # The gateway has taken /prod off already, as far as one can tell.
    assert (report["root_path"], report["path"]) == ("/prod", "/prod/products/1")


def test_environment_is_not_asked_for_what_mangum_configures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("API_GATEWAY_BASE_PATH", "users")
    event = load_case("aws_http/br_simple")["event"]
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/users/1"
    interop._builder.cache_clear()
    assert json.loads(in_mangum(echo, event)["body"])["root_path"] == ""


def test_headers_that_mangum_excludes_are_left_out() -> None:
    event = load_case("tencent_apigw/get_no_body_minimal")["event"]
    app = answering(200, [(b"X-Secret", b"1"), (b"x-a", b"2")], b"")
    assert in_mangum(app, event, exclude_headers=["x-SECRET"])["headers"] == {"x-a": "2"}


@pytest.mark.parametrize(
    ("text_mime_types", "is_base64"),
    [
        pytest.param(None, True, id="default"),
        pytest.param(["application/x-ledger"], False, id="whole"),
        pytest.param(["application/x-"], False, id="a part, as Mangum looks for it"),
        pytest.param(["application/y-"], True, id="another"),
    ],
)
def test_text_types_of_mangum_count(text_mime_types: list[str] | None, is_base64: bool) -> None:
    event = load_case("tencent_apigw/get_no_body_minimal")["event"]
    app = answering(200, [(b"content-type", b"Application/X-Ledger; v=1")], b"1 2")
    result = in_mangum(app, event, text_mime_types=text_mime_types)
    assert result["isBase64Encoded"] is is_base64


def test_bad_event_raises_what_names_the_field() -> None:
    event = load_case("aws_http/br_simple")["event"] | {"rawQueryString": 1}
    with pytest.raises(BadEventError, match="rawQueryString"):
        in_mangum(echo, event)


# Mangum's in ours

THEIRS = [ALB, HTTPGateway, APIGateway, LambdaAtEdge]
AWS_CASES = [
    case
    for case, name in CLAIMED.items()
    if name in ("aws_rest", "aws_http", "aws_function_url", "aws_alb", "aws_edge")
]


async def echo_theirs(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what Mangum's scopes hold, but for ``raw_path``, which it leaves out."""
    message = await receive()
    report = {
        name: str(scope[name])
        for name in (
            "type",
            "http_version",
            "method",
            "scheme",
            "path",
            "query_string",
            "root_path",
            "aws.event",
            "aws.context",
        )
    }
    report["headers"] = str([[*pair] for pair in scope["headers"]])
    # Mangum writes an empty address where there is none.
    report["client"] = str([*(scope["client"] or ("", 0))])
    report["server"] = str([*scope["server"]])
    report["body"] = b64encode(message["body"]).decode()
    json_type = [(b"content-type", b"application/json"), (b"set-cookie", b"a=1")]
    await send({"type": "http.response.start", "status": 200, "headers": json_type})
    await send({"type": "http.response.body", "body": json.dumps(report).encode()})


@pytest.mark.parametrize("case", AWS_CASES)
def test_mangums_own_handlers_work_in_wrap_as_in_mangum(
    case: str, serve: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    event = load_case(case)["event"]
    try:
        expected = Mangum(echo_theirs, lifespan="off")(event, "context")  # type: ignore[arg-type]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # What raises out of Mangum is an answer here, if the class can write one at all.
        with pytest.raises(type(error)):
            serve(echo_theirs, event, custom_handlers=THEIRS, on_error="raise")
    else:
        assert serve(echo_theirs, event, custom_handlers=THEIRS) == expected


flask_app = flask.Flask("shop")


@flask_app.route("/<path:path>", methods=["GET", "POST"])
def show(path: str) -> flask.Response:
    environ = flask.request.environ
    response = flask.jsonify(
        path=path,
        script_name=environ["SCRIPT_NAME"],
        query=flask.request.query_string.decode(),
        words=flask.request.args.getlist("word"),
        header=flask.request.headers.get("x-test"),
        remote=environ["REMOTE_ADDR"],
        server=f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}",
        event_is_there=environ["aws.event"] == environ["serverless.event"],
        context=environ["aws.context"],
        body=flask.request.get_data(as_text=True),
    )
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


REST = {
    "resource": "/{proxy+}",
    "path": "/shop/caf%C3%A9",
    "httpMethod": "POST",
    "headers": {"Host": "shop.example", "X-Forwarded-Port": "443", "x-test": "1"},
    "multiValueHeaders": None,
    "queryStringParameters": {"word": "b"},
    "multiValueQueryStringParameters": {"word": ["a b", "b"]},
    "requestContext": {"identity": {"sourceIp": "203.0.113.7"}, "stage": "prod"},
    "body": "aGk=",
    "isBase64Encoded": True,
}
HTTP = {
    "version": "2.0",
    "rawPath": "/shop/café",
    "rawQueryString": "word=a+b&word=b",
    "cookies": ["c=3"],
    "headers": {"host": "shop.example", "x-forwarded-port": "443", "x-test": "1"},
    "requestContext": {"http": {"method": "POST", "path": "/shop/café", "sourceIp": "203.0.113.7"}},
    "body": "hi",
    "isBase64Encoded": False,
}
BALANCED = {
    "requestContext": {"elb": {"targetGroupArn": "arn"}},
    "httpMethod": "POST",
    "path": "/shop/caf%C3%A9",
    "multiValueQueryStringParameters": {"word": ["a+b", "b"]},
    "multiValueHeaders": {
        "host": ["shop.example"],
        "x-forwarded-port": ["443"],
        "x-forwarded-for": ["203.0.113.7"],
        "x-test": ["1"],
    },
    "body": "hi",
    "isBase64Encoded": False,
}
EDGE = {
    "Records": [
        {
            "cf": {
                "request": {
                    "clientIp": "203.0.113.7",
                    "method": "POST",
                    "uri": "/shop/café",
                    "querystring": "word=a+b&word=b",
                    "headers": {
                        "host": [{"key": "Host", "value": "shop.example"}],
                        "x-forwarded-port": [{"key": "X-Forwarded-Port", "value": "443"}],
                        "x-test": [{"key": "X-Test", "value": "1"}],
                    },
                    "body": {"data": "aGk=", "encoding": "base64"},
                }
            }
        }
    ]
}


@pytest.mark.parametrize(
    ("theirs", "event", "status", "cookies"),
    [
        pytest.param(
            APIGateway,
            REST,
            "statusCode",
            lambda result: result["multiValueHeaders"]["set-cookie"],
            id="APIGateway",
        ),
        pytest.param(
            HTTPGateway, HTTP, "statusCode", lambda result: result["cookies"], id="HTTPGateway"
        ),
        pytest.param(
            ALB,
            BALANCED,
            "statusCode",
            lambda result: result["multiValueHeaders"]["set-cookie"],
            id="ALB",
        ),
        pytest.param(
            LambdaAtEdge,
            EDGE,
            "status",
            # Mangum keeps the last alone.
            lambda result: ["a=1; Path=/", result["headers"]["set-cookie"][0]["value"]],
            id="LambdaAtEdge",
        ),
    ],
)
def test_mangums_own_handlers_serve_flask(
    theirs: type, event: Any, status: str, cookies: Any, serve: Callable[..., Any]
) -> None:
    result = serve(flask_app, event, custom_handlers=[theirs])
    assert result[status] == 200
    assert not result["isBase64Encoded"]
    assert cookies(result) == ["a=1; Path=/", "b=2; Path=/"]
    assert json.loads(result["body"]) == {
        "path": "shop/café",
        "script_name": "",
        "query": "word=a+b&word=b",
        "words": ["a b", "b"],
        "header": "1",
        "remote": "203.0.113.7",
        "server": "shop.example:443",
        "event_is_there": True,
        "context": "context",
        "body": "hi",
    }


class Queue:
    """A handler as users write them: an HTTP request inside a message of a queue."""

    @classmethod
    def infer(cls, event: Any, context: Any, config: Any) -> bool:
        return "my-custom-key" in event

    def __init__(self, event: Any, context: Any, config: Any) -> None:
        self.event = event
        self.context = context
        self.config = config
        self.scope_changes = event["my-custom-key"]

    @property
    def body(self) -> bytes:
        return b"My request body"

    @property
    def scope(self) -> dict[str, Any]:
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "headers": [[b"x-test", b"1"], [b"x_forged", b"1"]],
            "path": "/hello",
            "raw_path": None,
            "root_path": "",
            "scheme": "https",
            "query_string": b"",
            "server": ("mangum", 8080),
            "client": ("127.0.0.1", 0),
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "aws.event": self.event,
            "aws.context": self.context,
            "extensions": {"queue": {}},
            "queue.name": "orders",
        }
        scope.update(self.scope_changes)
        return scope

    def __call__(self, response: Any) -> dict[str, Any]:
        return {
            "code": response["status"],
            "headers": response["headers"],
            "text": response["body"].decode(),
            "config": self.config,
        }


def message(**changes: Any) -> dict[str, Any]:
    return {"my-custom-key": changes}


def wsgi_report(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with the environ, its body and what is in no environ."""
    start_response("201 Created", [("X-Answer", "café"), ("Content-Type", "text/plain")])
    report = {key: value for key, value in environ.items() if isinstance(value, str)}
    report["body"] = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH", 0))).decode()
    return [json.dumps(report).encode()]


def test_custom_handler_serves_a_wsgi_application(serve: Callable[..., Any]) -> None:
    result = serve(wsgi_report, message(), custom_handlers=[Queue], debug=True)
    assert result["code"] == 201
    assert result["headers"] == [(b"x-answer", b"caf\xe9"), (b"content-type", b"text/plain")]
    environ = json.loads(result["text"])
    assert environ["body"] == "My request body"
    assert environ["REQUEST_METHOD"] == "POST"
    assert environ["PATH_INFO"] == "/hello"
    assert environ["SERVER_NAME"] == "mangum"
    assert environ["SERVER_PORT"] == "8080"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["CONTENT_LENGTH"] == "15"
    assert environ["HTTP_X_TEST"] == "1"
    assert environ["queue.name"] == "orders"
    assert "HTTP_X_FORGED" not in environ


def test_custom_handler_serves_an_asgi_application(serve: Callable[..., Any]) -> None:
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope, body=(await receive())["body"])
        await PlainTextResponse("ok")(scope, receive, send)

    event = message()
    result = serve(app, event, custom_handlers=[Queue], lifespan="off")
    assert result["text"] == "ok"
    assert seen["body"] == b"My request body"
    assert seen["raw_path"] == b"/hello"
    assert seen["headers"] == [(b"x-test", b"1")]
    assert seen["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert seen["extensions"] == {"queue": {}}
    assert seen["queue.name"] == "orders"
    assert seen["aws.event"] is seen["serverless.event"] is event
    assert seen["aws.context"] == seen["serverless.context"] == "context"
    assert seen["serverless.authorizer"] is None


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        pytest.param({"path": "/a b/é"}, {"path": "/a%20b/%C3%A9"}, id="decoded path"),
        pytest.param({"path": "/50%25"}, {"path": "/50%2525"}, id="a path is not decoded twice"),
        pytest.param({"path": ""}, {"path": "/"}, id="empty path"),
        pytest.param({"path": "/a/b", "raw_path": b"/a%2Fb"}, {"path": "/a%2Fb"}, id="raw path"),
        pytest.param(
            {"path": "/b", "raw_path": b"/a/b"}, {"path": "/b"}, id="raw path of another path"
        ),
        pytest.param(
            {"path": "/caf\ufffd", "raw_path": b"/caf%E9"}, {"path": "/caf%E9"}, id="octets"
        ),
        pytest.param(
            {"path": "/é", "raw_path": "/é".encode()}, {"path": "/%C3%A9"}, id="raw path not ASCII"
        ),
        pytest.param(
            {"path": "/x y", "root_path": "/shop/"},
            {"path": "/x%20y", "root_path": "/shop"},
            id="root path beside the path",
        ),
        pytest.param(
            {"path": "/shop/x/y", "raw_path": b"/shop/x%2Fy", "root_path": "/shop"},
            {"path": "/x%2Fy", "root_path": "/shop"},
            id="root path in front of the path",
        ),
        pytest.param(
            {"path": "/shop", "root_path": "/shop"},
            {"path": "/", "root_path": "/shop"},
            id="root path alone",
        ),
        pytest.param(
            {"path": "/shopping", "root_path": "/shop"},
            {"path": "/shopping", "root_path": "/shop"},
            id="root path is no segment",
        ),
        pytest.param(
            {"query_string": b"a[]=1&b=%20+?/\"'"}, {"query": "a[]=1&b=%20+?/\"'"}, id="query"
        ),
        pytest.param({"query_string": "q=é".encode()}, {"query": "q=%C3%A9"}, id="query not ASCII"),
        pytest.param({"method": "get"}, {"method": "GET"}, id="method"),
        pytest.param({"client": None}, {"client": None}, id="no client"),
        pytest.param({"client": (None, 0)}, {"client": None}, id="client without an address"),
        pytest.param({"client": ["::1", 5]}, {"client": ("::1", 5)}, id="client as a list"),
        pytest.param({"client": ("::1", None)}, {"client": ("::1", 0)}, id="client without port"),
        pytest.param({"server": None}, {"server": ("localhost", 443)}, id="no server"),
        pytest.param(
            {"server": ["a", None], "scheme": "http"},
            {"server": ("a", 80), "scheme": "http"},
            id="server without port",
        ),
        pytest.param(
            {"headers": [(b"X-A", b"caf\xe9")]}, {"headers": (("x-a", "café"),)}, id="headers"
        ),
    ],
)
def test_fields_of_a_scope(changes: dict[str, Any], fields: dict[str, Any]) -> None:
    event = message(**changes)
    claim = interop.claims([Queue])(event, None)
    plain = interop.claims([Queue])(message(), None).decode_event(message())
    assert claim.decode_event(event) == plain.replace(**fields)


@pytest.mark.parametrize("body", [None, b""])
def test_handler_without_a_body(body: bytes | None) -> None:
    class Empty(Queue):
        @property
        def body(self) -> Any:
            return body

    assert interop.claims([Empty])(message(), None).decode_event(message()).body == b""


def test_first_class_that_infers_reads_the_event(serve: Callable[..., Any]) -> None:
    class Never(Queue):
        @classmethod
        def infer(cls, event: Any, context: Any, config: Any) -> bool:
            return False

        def __call__(self, response: Any) -> Any:
            raise AssertionError

    class Later(Queue):
        def __call__(self, response: Any) -> Any:
            raise AssertionError

    custom_handlers = (each for each in [Never, Queue, Later])
    assert serve(wsgi_report, message(), custom_handlers=custom_handlers)["code"] == 201


def test_class_may_ask_the_context(serve: Callable[..., Any]) -> None:
    class Called(Queue):
        @classmethod
        def infer(cls, event: Any, context: Any, config: Any) -> bool:
            return bool(context == "mine")

    event = load_case("aws_http/br_simple")["event"] | message()
    assert "code" in serve(wsgi_report, event, "mine", custom_handlers=[Called])
    assert "statusCode" in serve(wsgi_report, event, "another", custom_handlers=[Called])


def test_one_handler_serves_custom_and_known_events_in_turn() -> None:
    handler = wrap(wsgi_report, custom_handlers=[Queue], request_id=False)
    known = load_case("aws_http/br_simple")["event"]
    for _ in range(2):
        assert handler(message(), None)["code"] == 201
        assert handler(known, None)["statusCode"] == 201


def test_custom_handler_is_asked_before_the_dialects(serve: Callable[..., Any]) -> None:
    event = load_case("tencent_apigw/get_no_body_minimal")["event"] | message()
    assert serve(wsgi_report, event, custom_handlers=[Queue])["code"] == 201


def test_custom_handlers_have_mangums_configuration(serve: Callable[..., Any]) -> None:
    config = serve(
        wsgi_report, message(), custom_handlers=[Queue], text_mime_types=["application/x-a"]
    )["config"]
    assert config["api_gateway_base_path"] == "/"
    assert config["exclude_headers"] == []
    assert {*DEFAULT_TEXT_MIME_TYPES, "application/x-a"} <= {*config["text_mime_types"]}


def test_base_path_holds_for_custom_handlers(serve: Callable[..., Any]) -> None:
    event = message(path="/shop/a%b")
    result = serve(wsgi_report, event, custom_handlers=[Queue], base_path="/shop")
    environ = json.loads(result["text"])
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/a%b")


def test_excluded_headers_hold_for_custom_handlers(serve: Callable[..., Any]) -> None:
    result = serve(wsgi_report, message(), custom_handlers=[Queue], exclude_headers=["x-answer"])
    assert result["headers"] == [(b"content-type", b"text/plain")]


@pytest.mark.parametrize(
    ("content_type", "is_base64"),
    [
        ("text/html", False),
        ("application/problem+json", False),
        ("application/x-ledger", False),
        ("application/x-other", True),
        ("image/png", True),
    ],
)
def test_text_types_hold_for_mangums_handlers(
    content_type: str, is_base64: bool, serve: Callable[..., Any]
) -> None:
    app = answering(200, [(b"content-type", content_type.encode())], b"1 2")
    result = serve(
        app,
        HTTP,
        custom_handlers=[HTTPGateway],
        text_mime_types=["application/x-ledger"],
        lifespan="off",
    )
    assert result["isBase64Encoded"] is is_base64


def test_exception_of_the_application_is_a_500_of_their_making(
    serve: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise RuntimeError("out of stock")

    result = serve(app, message(), custom_handlers=[Queue])
    assert (result["code"], result["text"]) == (500, "Internal Server Error")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.message.endswith("failed: POST /hello")


def test_scope_that_cannot_be_made_is_a_500_of_their_making(
    serve: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    result = serve(wsgi_report, message(headers=[1]), custom_handlers=[Queue])
    assert (result["code"], result["text"]) == (500, "Internal Server Error")
    assert caplog.records[0].message == "request - failed: - -"


def test_result_over_lambdas_limit_is_refused(
    serve: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = answering(200, HTML, b"x" * 6_300_000)
    result = serve(app, HTTP, custom_handlers=[HTTPGateway], lifespan="off")
    assert result["statusCode"] == 500
    assert "the platform takes 6,291,556" in result["body"]


def test_result_without_a_flag_is_measured(
    serve: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Plain(Queue):
        def __call__(self, response: Any) -> Any:
            return {"text": response["body"].decode()}

    app = answering(200, HTML, b"x" * 50)
    event = message()
    result = serve(app, event, custom_handlers=[Plain], result_limit_bytes=100, lifespan="off")
    assert result == {"text": "x" * 50}
    result = serve(app, event, custom_handlers=[Plain], result_limit_bytes=60, lifespan="off")
    assert "the platform takes 60" in result["text"]


def test_streaming_response_reaches_their_handler_whole(serve: Callable[..., Any]) -> None:
    async def stream(request: Request) -> StarletteResponse:
        async def parts() -> Any:
            for part in ("c0", "c1", "c2"):
                await asyncio.sleep(0)
                yield part

        return StreamingResponse(parts(), media_type="text/plain")

    app = Starlette(routes=[Route("/shop/{name}", stream, methods=["POST"])])
    result = serve(app, HTTP, custom_handlers=[HTTPGateway])
    assert (result["statusCode"], result["body"]) == (200, "c0c1c2")


@pytest.mark.parametrize("custom_handlers", [[object()], ["mangum.handlers.ALB"], [Queue, dict]])
def test_what_is_no_handler_class_is_refused(custom_handlers: list[Any]) -> None:
    with pytest.raises(OptionError, match="LambdaHandler classes"):
        wrap(wsgi_report, custom_handlers=custom_handlers)


@pytest.mark.parametrize("case", sorted({name: case for case, name in CLAIMED.items()}.values()))
def test_our_handlers_in_wrap_change_nothing(case: str, serve: Callable[..., Any]) -> None:
    event = load_case(case)["event"]
    found = serve(starlette_app, event, custom_handlers=interop.handlers())
    assert found == serve(starlette_app, event)


# What loads when


def test_nothing_of_mangum_is_loaded_by_its_interop() -> None:
    loaded = loaded_by("from slsadapt.interop.mangum import handlers\nhandlers()")
    assert "slsadapt.interop.mangum" in loaded
    assert not {name for name in loaded if name.partition(".")[0] in ("mangum", "asyncio")}
    assert not {name for name in loaded if name.startswith("slsadapt.engines")}


def test_custom_handler_loads_nothing_of_mangum() -> None:
    code = """
from slsadapt import wrap

class Theirs:
    def __init__(self, event, context, config):
        self.body = b""
        self.scope = {"type": "http", "method": "GET", "path": "/a", "query_string": b""}

    @classmethod
    def infer(cls, event, context, config):
        return "mine" in event

    def __call__(self, response):
        return response["body"]

assert wrap(app, custom_handlers=[Theirs])({"mine": 1}) == b"/a"
"""
    loaded = loaded_by(WSGI + code)
    assert not {name for name in loaded if name.partition(".")[0] in ("mangum", "asyncio", "json")}


def test_our_handler_loads_the_dialect_that_it_needs() -> None:
    loaded = loaded_by(
        f"{ASGI}\nfrom slsadapt.interop.mangum import handlers\n"
        "(kind,) = handlers()\n"
        "config = {'api_gateway_base_path': '/', 'text_mime_types': [], 'exclude_headers': []}\n"
        "assert kind.infer(event, None, config)\n"
        "assert kind(event, None, config).scope['path'] == '/'",
        event=load_case("tencent_function_url/get_minimal")["event"] | {"path": "/"},
    )
    dialects = {name.rpartition(".")[2] for name in loaded} & {*gateways.NAMES}
    assert dialects == {"tencent_function_url"}
    assert not {name for name in loaded if name.partition(".")[0] == "mangum"}
