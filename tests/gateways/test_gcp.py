"""Google Cloud Functions: Flask's request in, Werkzeug's response out."""

from __future__ import annotations

import json
import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any

import flask
import functions_framework
import pytest
import werkzeug
from werkzeug.test import Client, EnvironBuilder

from slsadapt import BadEventError, Request, Response, gateways, wrap
from slsadapt.gateways import gcp
from tests.gateways.corpus import values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What gunicorn, below the framework, makes of a request that Google's front end passes on.
ENVIRON = {
    "REQUEST_METHOD": "POST",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/caf\xc3\xa9/a/b",
    "QUERY_STRING": "a=1&a=%2B",
    "RAW_URI": "/caf%C3%A9/a%2Fb?a=1&a=%2B",
    "SERVER_NAME": "0.0.0.0",
    "SERVER_PORT": "8080",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "169.254.169.126",
    "REMOTE_PORT": "40122",
    "CONTENT_TYPE": "application/octet-stream",
    "CONTENT_LENGTH": "2",
    "HTTP_HOST": "europe-west1-shop.cloudfunctions.net",
    "HTTP_X_FORWARDED_FOR": "6.6.6.6,203.0.113.18",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_CLOUD_TRACE_CONTEXT": "65011637f09e0a5179677a7429456db7/1027871334010811884;o=1",
    "HTTP_FUNCTION_EXECUTION_ID": "i5ipvtkhdfub",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.input_terminated": True,
}


def event(**changes: Any) -> flask.Request:
    """Make a request; ``...`` takes a key out of its environ."""
    environ = {"wsgi.input": BytesIO(b"\x00\xff"), **ENVIRON, **changes}
    return flask.Request({key: value for key, value in environ.items() if value is not ...})


def test_request_is_read() -> None:
    request = gcp.decode_event(event())
    assert request == Request(
        "POST",
        "/caf%C3%A9/a%2Fb",
        "a=1&a=%2B",
        [
            ("host", "europe-west1-shop.cloudfunctions.net"),
            ("x-forwarded-for", "6.6.6.6,203.0.113.18"),
            ("x-forwarded-proto", "https"),
            (
                "x-cloud-trace-context",
                "65011637f09e0a5179677a7429456db7/1027871334010811884;o=1",
            ),
            ("function-execution-id", "i5ipvtkhdfub"),
            ("content-type", "application/octet-stream"),
            ("content-length", "2"),
        ],
        b"\x00\xff",
        "https",
        ("203.0.113.18", 0),
        ("europe-west1-shop.cloudfunctions.net", 443),
        request_id="i5ipvtkhdfub",
    )


def test_request_is_left_alone() -> None:
    made = event()
    assert gcp.decode_event(made) == gcp.decode_event(made)
    assert made.get_data() == b"\x00\xff"


@pytest.mark.parametrize(
    "request_object",
    [
        pytest.param(event(), id="Flask's"),
        pytest.param(werkzeug.Request({}), id="Werkzeug's"),
        pytest.param(type("Own", (flask.Request,), {})({}), id="one's own"),
    ],
)
def test_request_objects_are_claimed(request_object: object) -> None:
    assert gcp.matches(request_object)
    assert gateways.detect(request_object) is gateways.load("gcp")


@pytest.mark.parametrize(
    "other", [None, {}, {"environ": {}}, "text", 5, flask.Request, Response(200)], ids=repr
)
def test_other_objects_are_not_claimed(other: object) -> None:
    assert not gcp.matches(other)


def test_stand_in_for_the_current_request_is_not_claimed() -> None:
    assert not gcp.matches(flask.request)


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        pytest.param({"RAW_URI": "/a%2fb%FF?c"}, "/a%2fb%FF", id="as sent"),
        pytest.param({"RAW_URI": ..., "REQUEST_URI": "/a%2Fb"}, "/a%2Fb", id="REQUEST_URI"),
        pytest.param({"RAW_URI": "//a"}, "//a", id="doubled slash"),
        pytest.param({"RAW_URI": "http://h/a%2Fb?c"}, "/a%2Fb", id="absolute form"),
        pytest.param({"RAW_URI": "http://h"}, "/", id="absolute form without path"),
        pytest.param({"RAW_URI": "/a://b"}, "/a://b", id="like a scheme"),
        pytest.param({"RAW_URI": "/\xc3\xa9"}, "/%C3%A9", id="octets not encoded"),
        pytest.param({"RAW_URI": ...}, "/caf%C3%A9/a/b", id="PATH_INFO"),
        pytest.param({"RAW_URI": "", "PATH_INFO": "/100%?"}, "/100%25%3F", id="encoded again"),
        pytest.param({"RAW_URI": "*", "PATH_INFO": "*"}, "*", id="asterisk form"),
        pytest.param({"RAW_URI": ..., "PATH_INFO": ...}, "/", id="none"),
    ],
)
def test_path_is_the_clients(environ: dict[str, Any], path: str) -> None:
    assert gcp.decode_event(event(**environ)).path == path


@pytest.mark.parametrize(
    ("raw", "query"), [("a=+%20&&b", "a=+%20&&b"), ("q=\xc3\xa9", "q=%C3%A9"), (..., ""), ("", "")]
)
def test_query_is_the_clients(raw: Any, query: str) -> None:
    assert gcp.decode_event(event(QUERY_STRING=raw)).query == query


@pytest.mark.parametrize(
    ("environ", "client"),
    [
        pytest.param({}, ("203.0.113.18", 0), id="spoofed"),
        pytest.param({"HTTP_X_FORWARDED_FOR": "2001:db8::7"}, ("2001:db8::7", 0), id="ipv6"),
        pytest.param({"HTTP_X_FORWARDED_FOR": ...}, ("169.254.169.126", 0), id="peer"),
        pytest.param({"HTTP_X_FORWARDED_FOR": ..., "REMOTE_ADDR": ...}, None, id="none"),
    ],
)
def test_client_is_the_last_hop(environ: dict[str, Any], client: Any) -> None:
    assert gcp.decode_event(event(**environ)).client == client


@pytest.mark.parametrize(
    ("environ", "scheme", "port"),
    [
        pytest.param({}, "https", 443, id="front end"),
        pytest.param({"HTTP_X_FORWARDED_PROTO": "http"}, "http", 80, id="front end, http"),
        pytest.param({"HTTP_X_FORWARDED_PROTO": ...}, "http", 80, id="server"),
        pytest.param(
            {"HTTP_X_FORWARDED_PROTO": ..., "wsgi.url_scheme": ...}, "https", 443, id="none"
        ),
    ],
)
def test_scheme_is_the_front_ends(environ: dict[str, Any], scheme: str, port: int) -> None:
    request = gcp.decode_event(event(**environ))
    assert (request.scheme, request.server[1]) == (scheme, port)


@pytest.mark.parametrize(
    ("environ", "request_id"),
    [
        ({}, "i5ipvtkhdfub"),
        ({"HTTP_FUNCTION_EXECUTION_ID": ...}, "65011637f09e0a5179677a7429456db7"),
        ({"HTTP_FUNCTION_EXECUTION_ID": ..., "HTTP_X_CLOUD_TRACE_CONTEXT": ...}, ""),
    ],
)
def test_request_id(environ: dict[str, Any], request_id: str) -> None:
    assert gcp.decode_event(event(**environ)).request_id == request_id


def test_headers_come_from_the_environ() -> None:
    request = gcp.decode_event(
        event(HTTP_X_TAG="caf\xc3\xa9", HTTP_CONTENT_TYPE="text/spoofed", CONTENT_TYPE="")
    )
    assert values(request, "x-tag") == ["caf\xc3\xa9"]
    assert values(request, "content-type") == []


def test_length_of_a_body_in_chunks_is_added() -> None:
    request = gcp.decode_event(event(CONTENT_LENGTH=..., HTTP_TRANSFER_ENCODING="chunked"))
    assert request.body == b"\x00\xff"
    assert values(request, "content-length") == ["2"]


@pytest.mark.parametrize(
    ("environ", "field"),
    [
        ({"REQUEST_METHOD": b"GET"}, "'environ.REQUEST_METHOD' must be str, got bytes"),
        ({"REQUEST_METHOD": ...}, "'environ.REQUEST_METHOD' must be str, got NoneType"),
        ({"RAW_URI": 5}, "'environ.RAW_URI' must be str, got int"),
        ({"RAW_URI": ..., "REQUEST_URI": 5}, "'environ.REQUEST_URI' must be str, got int"),
        ({"RAW_URI": ..., "PATH_INFO": 5}, "'environ.PATH_INFO' must be str, got int"),
        ({"QUERY_STRING": b"a"}, "'environ.QUERY_STRING' must be str, got bytes"),
        (
            {"HTTP_X_FORWARDED_FOR": ..., "REMOTE_ADDR": 5},
            "'environ.REMOTE_ADDR' must be str, got int",
        ),
        ({"HTTP_X_TAG": ["a"]}, "'headers.x-tag' must be str, got list"),
        ({"HTTP_HOST": "h:port"}, "'headers.host' must end in a port number"),
        ({"CONTENT_LENGTH": "9"}, "the body cannot be read: ClientDisconnected"),
    ],
)
def test_wrong_field_is_named(environ: dict[str, Any], field: str) -> None:
    made = event()
    # Of some Flask would make no request, so they are broken afterwards. Without the end of the
    # input marked, a body that breaks off is told by its length.
    for key, value in {**environ, "wsgi.input_terminated": ...}.items():
        made.environ[key] = value
        if value is ...:
            del made.environ[key]
    with pytest.raises(BadEventError, match=field):
        gcp.decode_event(made)


def test_what_is_no_request_is_named() -> None:
    with pytest.raises(BadEventError, match="'environ' must be dict, got NoneType"):
        gcp.decode_event({"environ": {}})


def test_event_is_flasks_request() -> None:
    made = gcp.encode_event(
        Request(
            "POST",
            "/caf%C3%A9/a%2Fb",
            "a=1&a=%2B",
            [("x-tag", "1"), ("x-tag", "2"), ("content-type", "text/plain")],
            b"body",
            client=("203.0.113.18", 54321),
            server=("shop.example", 443),
            request_id="i5ipvtkhdfub",
        )
    )
    assert type(made) is flask.Request
    assert made.url == "http://shop.example/café/a/b?a=1&a=%2B"
    assert (made.method, made.path, made.args.getlist("a")) == ("POST", "/café/a/b", ["1", "+"])
    assert made.environ["RAW_URI"] == "/caf%C3%A9/a%2Fb?a=1&a=%2B"
    assert dict(made.headers) == {
        "Host": "shop.example",
        "X-Tag": "1,2",
        "Content-Type": "text/plain",
        "Content-Length": "4",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "203.0.113.18",
        "Function-Execution-Id": "i5ipvtkhdfub",
    }
    assert made.get_data() == b"body"


def test_result_keeps_repeats_and_octets() -> None:
    headers = [("Link", "</a>"), ("Set-Cookie", "a=1"), ("Link", "</b>"), ("Set-Cookie", "b=2")]
    response = Response(418, headers, b"\x00\xff")
    result = gcp.encode_result(response, event())
    assert type(result) is werkzeug.Response
    assert gcp.decode_result(result) == response
    assert gcp.result_bytes(result) == 2


def test_length_that_a_head_answer_tells_stays() -> None:
    response = Response(200, [("Content-Length", "700"), ("Content-Type", "text/html")])
    result = gcp.encode_result(response, event(REQUEST_METHOD="HEAD"))
    assert result.get_wsgi_headers({}).getlist("content-length") == ["700"]


@pytest.mark.parametrize(
    ("result", "response"),
    [
        pytest.param(
            "hé",
            Response(200, [("Content-Type", "text/html; charset=utf-8")], "hé".encode()),
            id="str",
        ),
        pytest.param(
            ({"a": 1}, 201, {"X-Tag": "b"}),
            Response(201, [("Content-Type", "application/json"), ("X-Tag", "b")], b'{"a":1}\n'),
            id="tuple",
        ),
        pytest.param(
            werkzeug.Response("a", mimetype="text/plain"),
            Response(200, [("Content-Type", "text/plain; charset=utf-8")], b"a"),
            id="response",
        ),
    ],
)
def test_anything_that_flask_takes_is_read(result: Any, response: Response) -> None:
    received = gcp.decode_result(result)
    headers = [pair for pair in received.headers if pair[0] != "Content-Length"]
    assert (received.status, headers, received.body) == (
        response.status,
        [*response.headers],
        response.body,
    )


@pytest.mark.parametrize("result", [None, 5, object()])
def test_malformed_result_is_the_frameworks_crash(result: object) -> None:
    response = gcp.decode_result(result)
    assert response.status == 500
    assert [*response.headers] == [("X-Google-Status", "crash")]


def test_application_finds_the_event() -> None:
    environ: dict[str, Any] = {}
    gcp.annotate(environ, "the event", None)
    assert environ == {
        "serverless.event": "the event",
        "serverless.context": None,
        "serverless.authorizer": None,
    }


def test_result_over_the_limit_is_refused() -> None:
    app = flask.Flask("shop")
    app.add_url_rule("/<path:rest>", view_func=lambda rest: b"x" * (32 * 1024 * 1024 + 1))
    made = event(RAW_URI="/big", REQUEST_METHOD="GET")
    result = wrap(app)(made)
    assert isinstance(result, werkzeug.Response)
    assert result.status_code == 500
    assert b"33,554,432" in result.get_data()


def test_failure_of_the_application_is_a_response() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise RuntimeError("the database is gone")

    result = wrap(app)(event())
    assert isinstance(result, werkzeug.Response)
    assert (result.status_code, result.get_data()) == (500, b"Internal Server Error")


FLASK_SOURCE = """
import flask
from slsadapt import wrap

app = flask.Flask("shop")

@app.route("/users/<path:name>", methods=["GET", "POST"])
def user(name):
    got = flask.request
    response = flask.jsonify(
        name=name,
        query=got.args.getlist("q"),
        body=list(got.get_data()),
        client=got.remote_addr,
        url=got.url_root,
    )
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response

@app.route("/broken")
def broken():
    raise RuntimeError("the database is gone")

handler = wrap(app)

def main(request):
    return handler(request)
"""

FASTAPI_SOURCE = """
from fastapi import FastAPI, Request, Response
from slsadapt import wrap

app = FastAPI()

@app.post("/users/{name:path}")
async def user(request: Request, response: Response, name: str):
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    body = await request.body()
    return {
        "name": name,
        "raw_path": request.scope["raw_path"].decode(),
        "query": request.query_params.getlist("q"),
        "body": list(body),
        "client": request.client.host,
        "url": str(request.base_url),
    }

handler = wrap(app)

def main(request):
    return handler(request)
"""


@pytest.fixture
def framework(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a function that deploys a source file; what the framework changes is set back."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("FUNCTION_TARGET", "main")
    monkeypatch.setenv("FUNCTION_SIGNATURE_TYPE", "http")
    deployed: list[Any] = []

    def deploy(source: str) -> Client:
        file = tmp_path / "deployed_function.py"
        file.write_text(source)
        app = functions_framework.create_app(  # type: ignore[no-untyped-call]
            "main", str(file)
        )
        deployed.append(sys.modules["deployed_function"])
        return Client(app)

    yield deploy
    for module in deployed:
        module.handler.pre_stop()
        monkeypatch.delitem(sys.modules, "deployed_function")


@pytest.mark.parametrize(
    ("source", "more"),
    [
        pytest.param(FLASK_SOURCE, {}, id="flask"),
        pytest.param(FASTAPI_SOURCE, {"raw_path": "/users/caf%C3%A9/a%2Fb"}, id="fastapi"),
    ],
)
def test_application_is_served_by_the_framework(
    framework: Any, source: str, more: dict[str, Any]
) -> None:
    builder = EnvironBuilder(
        "/users/caf%C3%A9/a%2Fb",
        method="POST",
        query_string="q=1&q=%2B",
        data=b"\x00\xff",
        headers=[
            ("Host", "shop.cloudfunctions.net"),
            ("X-Forwarded-For", "6.6.6.6, 203.0.113.18"),
            ("X-Forwarded-Proto", "https"),
        ],
    )
    response = framework(source).open(builder)
    assert response.status_code == 200
    assert json.loads(response.get_data()) == {
        "name": "café/a/b",
        "query": ["1", "+"],
        "body": [0, 255],
        "client": "203.0.113.18",
        "url": "https://shop.cloudfunctions.net/",
        **more,
    }
    assert response.headers.getlist("Set-Cookie")[0].startswith("a=1; ")
    assert response.headers.getlist("Set-Cookie")[1].startswith("b=2; ")


def test_failure_is_answered_through_the_framework(framework: Any) -> None:
    response = framework(FLASK_SOURCE).get("/broken")
    assert response.status_code == 500
    assert response.headers.get("X-Google-Status") is None
