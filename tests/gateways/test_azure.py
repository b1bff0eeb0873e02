"""Azure Functions: the library's own objects in and out."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import flask
import pytest
from azure.functions.http import HttpRequestConverter, HttpResponseConverter
from azure.functions.meta import Datum
from fastapi import FastAPI, HTTPException
from fastapi import Request as FastApiRequest
from fastapi.responses import JSONResponse

from slsadapt import BadEventError, Request, Response, gateways, wrap
from slsadapt.gateways import azure
from tests.conftest import load_case
from tests.gateways.corpus import values

# Of a capture of App Service's front end, its addresses replaced.
FRONT_END = {
    "client-ip": "203.0.113.18:46066",
    "disguised-host": "shop.azurewebsites.net",
    "host": "shop.azurewebsites.net",
    "max-forwards": "10",
    "was-default-hostname": "shop.azurewebsites.net",
    "x-arr-log-id": "881073f0-7185-4812-9f17-4db69faf2b68",
    "x-client-ip": "203.0.113.18",
    "x-client-port": "46066",
    "x-forwarded-for": "203.0.113.18:46066",
    "x-forwarded-proto": "https",
    "x-original-url": "/orders",
    "x-waws-unencoded-url": "/orders",
}


def event(
    url: str = "https://shop.azurewebsites.net/orders",
    headers: Any = FRONT_END,
    method: Any = "GET",
    route_params: Any = None,
    body: Any = b"",
) -> func.HttpRequest:
    return func.HttpRequest(method, url, headers=headers, route_params=route_params, body=body)


def from_worker(
    url: str, method: str = "GET", route: str | None = None, body: Any = b"", **headers: str
) -> Any:
    """Make a request in the way that the worker does."""
    http = {
        "method": Datum(method, "string"),
        "url": Datum(url, "string"),
        "headers": {
            name.replace("_", "-"): Datum(value, "string") for name, value in headers.items()
        },
        "query": {},
        "params": {} if route is None else {"route": Datum(route, "string")},
        "body": Datum(body, "bytes" if isinstance(body, bytes) else "string"),
    }
    return HttpRequestConverter.decode(Datum(http, "http"), trigger_metadata=None)


def to_worker(result: Any) -> dict[str, Any]:
    """Read a result in the way that the worker does."""
    value: dict[str, Any] = HttpResponseConverter.encode(result, expected_type=None).value
    return value


def recorded(case: str) -> func.HttpRequest:
    fields = load_case(f"azure/{case}")["event"]
    return func.HttpRequest(**fields | {"body": fields["body"].encode()})


def test_recorded_browser_request_is_read() -> None:
    request = azure.decode_event(recorded("get_browser_real_headers"))
    assert (request.method, request.root_path, request.path) == ("GET", "/api/fn", "/users")
    assert (request.query, request.body) == ("a=1&a=2", b"")
    assert (request.scheme, request.server) == ("https", ("app.azurewebsites.net", 443))
    assert request.client == ("3.3.3.3", 49196)
    assert values(request, "max-forwards") == ["9"]


def test_recorded_request_is_read() -> None:
    assert azure.decode_event(recorded("post_json")) == Request(
        "POST",
        "/api/http",
        "firstname=rt",
        [("content-type", "application/json"), ("content-length", "23")],
        b'{ "lastname": "tsang" }',
        server=("function.azurewebsites.net", 443),
    )


def test_captured_headers_are_read() -> None:
    request = azure.decode_event(event())
    assert request.client == ("203.0.113.18", 46066)
    assert request.request_id == "881073f0-7185-4812-9f17-4db69faf2b68"


@pytest.mark.parametrize(
    "request_object",
    [
        pytest.param(event(), id="library's"),
        pytest.param(from_worker("https://shop.azurewebsites.net/"), id="worker's"),
    ],
)
def test_request_objects_are_claimed(request_object: Any) -> None:
    assert azure.matches(request_object)
    assert gateways.detect(request_object) is gateways.load("azure")


@pytest.mark.parametrize(
    "other",
    [
        None,
        {},
        {"method": "GET", "url": "/"},
        "text",
        5,
        pytest.param(object(), id="object"),
        func.HttpRequest,
        Response(200),
    ],
    ids=repr,
)
def test_other_objects_are_not_claimed(other: object) -> None:
    assert not azure.matches(other)


@pytest.mark.parametrize(
    ("url", "route", "root_path", "path"),
    [
        pytest.param("/api/users/1", "users/1", "/api", "/users/1", id="default prefix"),
        pytest.param("/users/1", "users/1", "", "/users/1", id="no prefix"),
        pytest.param("/api/fn/users", "users", "/api/fn", "/users", id="longer route"),
        pytest.param("/v 2/a".replace(" ", "%20"), "a", "/v 2", "/a", id="escape in the prefix"),
        pytest.param("/api/users/", "users/", "/api", "/users/", id="trailing slash"),
        pytest.param("/api/users/", "users", "/api", "/users/", id="trailing slash not told"),
        pytest.param("/api/api", "api", "/api", "/api", id="like the prefix"),
        pytest.param("/api//a", "/a", "/api", "//a", id="doubled slash"),
        pytest.param("/api/%E4%BD%A0%20x", "你 x", "/api", "/%E4%BD%A0%20x", id="escapes"),
        pytest.param("/api/a%2Fb", "a%2Fb", "/api", "/a%2Fb", id="escaped slash left"),
        pytest.param("/api/100%25", "100%", "/api", "/100%25", id="percent"),
        pytest.param("/api", None, "/api", "/", id="prefix alone"),
        pytest.param("/api/", None, "/api", "/", id="prefix and slash alone"),
        pytest.param("/", None, "", "/", id="root"),
        pytest.param("", None, "", "/", id="empty"),
        pytest.param("/apis", None, "", "/apis", id="longer name"),
        pytest.param("/api/http", None, "", "/api/http", id="no catch-all"),
        pytest.param("/api/x/users", "other", "", "/api/x/users", id="another rest"),
        pytest.param("/xapi/musers", "users", "", "/xapi/musers", id="within a segment"),
        pytest.param("/a", "x/y/z", "", "/a", id="longer than the path"),
    ],
)
def test_route_tells_the_root_path(url: str, route: Any, root_path: str, path: str) -> None:
    route_params = {} if route is None else {"route": route}
    request = azure.decode_event(event(f"https://h{url}", route_params=route_params))
    assert (request.root_path, request.path) == (root_path, path)


def test_parameter_of_another_name_tells_no_root_path() -> None:
    request = azure.decode_event(event("https://h/api/users/7", route_params={"id": "7"}))
    assert (request.root_path, request.path) == ("", "/api/users/7")


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        pytest.param("https://h/a%20b%2Fc", "/a%20b%2Fc", "", id="encoded once"),
        pytest.param("https://h/%25", "/%25", "", id="percent"),
        pytest.param("https://h/é?q=ü", "/%C3%A9", "q=%C3%BC", id="stray letters"),
        pytest.param("https://h/a?b=c?d#e", "/a", "b=c?d", id="question mark and fragment"),
        pytest.param("https://h?a=1", "/", "a=1", id="no path"),
        pytest.param("https://h/a://b", "/a://b", "", id="like a scheme"),
        pytest.param("/api/fn?a=://", "/api/fn", "a=://", id="path alone, as in tests"),
    ],
)
def test_path_and_query_are_the_urls(url: str, path: str, query: str) -> None:
    request = azure.decode_event(event(url))
    assert (request.path, request.query) == (path, query)


@pytest.mark.parametrize(
    ("url", "scheme", "server"),
    [
        ("https://h.example/", "https", ("h.example", 443)),
        ("http://h.example/", "http", ("h.example", 80)),
        ("HTTP://localhost:7071/", "http", ("localhost", 7071)),
        ("https://[2001:db8::1]:8443/", "https", ("2001:db8::1", 8443)),
        ("/path", "https", ("shop.azurewebsites.net", 443)),
    ],
)
def test_scheme_and_server_are_the_urls(url: str, scheme: str, server: tuple[str, int]) -> None:
    request = azure.decode_event(event(url))
    assert (request.scheme, request.server) == (scheme, server)


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        pytest.param("203.0.113.18:46066", ("203.0.113.18", 46066), id="with port"),
        pytest.param("6.6.6.6, 203.0.113.18:46066", ("203.0.113.18", 46066), id="spoofed"),
        pytest.param("6.6.6.6,[2001:db8::7]:443", ("2001:db8::7", 443), id="ipv6 host, port"),
        pytest.param("[2001:db8::7]", ("2001:db8::7", 0), id="ipv6 host in brackets"),
        pytest.param("2001:db8::7", ("2001:db8::7", 0), id="ipv6 host"),
        pytest.param("203.0.113.18", ("203.0.113.18", 0), id="no port"),
        pytest.param("203.0.113.18:", ("203.0.113.18", 0), id="empty port"),
        pytest.param("203.0.113.18:99999", ("203.0.113.18", 0), id="port too high"),
        pytest.param("203.0.113.18:" + "9" * 5000, ("203.0.113.18", 0), id="port too long"),
        pytest.param("", None, id="empty"),
    ],
)
def test_client_is_the_last_hop(hops: str, client: Any) -> None:
    request = azure.decode_event(event(headers={"x-forwarded-for": hops}))
    assert request.client == client


def test_client_is_none_without_a_front_end() -> None:
    headers = {"client-ip": "6.6.6.6", "x-client-ip": "6.6.6.6"}
    assert azure.decode_event(event(headers=headers)).client is None


def test_key_of_the_function_does_not_reach_the_application() -> None:
    request = azure.decode_event(event(headers={"X-Functions-Key": "hunter2", "x-kept": "yes"}))
    assert "hunter2" not in repr(request)
    assert values(request, "x-kept") == ["yes"]


@pytest.mark.parametrize("body", [b"\x00\xff", "text", b"", ""])
def test_body_is_octets(body: Any) -> None:
    request = azure.decode_event(from_worker("https://h/", "POST", body=body))
    assert request.body == (body.encode() if isinstance(body, str) else body)


def test_body_may_be_none_as_in_documented_tests() -> None:
    # https://learn.microsoft.com/azure/azure-functions/functions-reference-python#unit-testing
    documented = func.HttpRequest(method="GET", body=None, url="/api/fn")  # type: ignore[arg-type]
    request = azure.decode_event(documented)
    assert (request.path, request.body) == ("/api/fn", b"")


@pytest.mark.parametrize(("sent", "length"), [("11", "4"), ("0", "4"), (None, "4")])
def test_wrong_content_length_is_set_right(sent: str | None, length: str) -> None:
    headers = {} if sent is None else {"content-length": sent}
    request = azure.decode_event(event(headers=headers, body=b"body"))
    assert values(request, "content-length") == [length]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"method": None}, "'method' must be str, got NoneType"),
        ({"url": 5}, "'url' must be str, got int"),
        ({"url": None}, "'url' must be str, got NoneType"),
        ({"url": "https://h:port/"}, "must end in a port number"),
        ({"headers": {"host": None}}, "'headers.host' must be str, got NoneType"),
        ({"headers": {"x-tag": ["1"]}}, "'headers.x-tag' must be str, got list"),
        ({"route_params": {"route": 5}}, "'route_params.route' must be str, got int"),
        ({"body": "text"}, "'body' must be bytes, got str"),
        ({"body": 5}, "'body' must be bytes, got int"),
    ],
)
def test_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(BadEventError, match=field):
        azure.decode_event(event(**fields))


def test_what_is_no_request_is_named() -> None:
    with pytest.raises(BadEventError, match="'method' must be str, got NoneType"):
        azure.decode_event({"url": "/"})


def test_event_is_the_librarys_request() -> None:
    made = azure.encode_event(
        Request(
            "POST",
            "/a%2Fb c".replace(" ", "%20"),
            "a=1&a=%20",
            [("x-tag", "1"), ("x-tag", "2"), ("cookie", "a=1"), ("cookie", "b=2")],
            b"\xff",
            client=("2001:db8::7", 443),
            server=("shop.azurewebsites.net", 443),
            root_path="/api",
            request_id="881073f0",
        )
    )
    assert type(made) is func.HttpRequest
    assert (made.method, made.get_body()) == ("POST", b"\xff")
    assert made.url == "https://shop.azurewebsites.net/api/a/b%20c?a=1&a=%20"
    assert dict(made.params) == {"a": "1, "}
    assert dict(made.route_params) == {"route": "a/b c"}
    assert dict(made.headers) == {
        "x-tag": "1,2",
        "cookie": "a=1; b=2",
        "host": "shop.azurewebsites.net",
        "x-forwarded-proto": "https",
        "x-forwarded-for": "[2001:db8::7]:443",
        "x-arr-log-id": "881073f0",
    }


def test_result_passes_the_worker() -> None:
    response = Response(
        201,
        [
            ("Content-Type", "text/html; charset=gbk"),
            ("Link", "</a>"),
            ("link", "</b>"),
            ("Set-Cookie", "a=1; Path=/"),
            ("set-cookie", "b=2"),
        ],
        b"\xc4\xe3",
    )
    result = azure.encode_result(response, event())
    assert type(result) is func.HttpResponse
    assert azure.decode_result(result) == Response(
        201,
        [
            ("Content-Type", "text/html; charset=gbk"),
            ("Link", "</a>, </b>"),
            ("Set-Cookie", "a=1; Path=/"),
            ("Set-Cookie", "b=2"),
        ],
        b"\xc4\xe3",
    )
    sent = to_worker(result)
    assert sent["status_code"].value == "201"
    assert sent["body"].value == b"\xc4\xe3"
    headers = {name: datum.value for name, datum in sent["headers"].items()}
    assert headers == {"Content-Type": "text/html; charset=gbk", "Link": "</a>, </b>"}
    assert [{name: morsel.value for name, morsel in each.items()} for each in sent["cookies"]] == [
        {"a": "1"},
        {"b": "2"},
    ]


@pytest.mark.parametrize(
    ("cookie", "attributes"),
    [
        pytest.param(
            "a=1; Domain=x.org; Path=/; Max-Age=5; Secure; HttpOnly; SameSite=None",
            {
                "domain": "x.org",
                "path": "/",
                "max-age": "5",
                "secure": True,
                "httponly": True,
                "samesite": "None",
            },
            id="those that survive",
        ),
        pytest.param(
            "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
            {"expires": "Wed, 21 Oct 2026 07:28:00 GMT"},
            id="date",
        ),
        pytest.param("a=1; Path=/; Partitioned", {"path": "/"}, id="flag that loses the cookie"),
        pytest.param(
            "a=1; Priority=High; path=/;SECURE",
            {"path": "/", "secure": True},
            id="attribute that becomes a cookie",
        ),
        pytest.param("__Host-a=1; Path=/; Secure", {"path": "/", "secure": True}, id="prefix"),
    ],
)
def test_cookie_passes_the_worker(cookie: str, attributes: dict[str, Any]) -> None:
    result = azure.encode_result(Response(200, [("Set-Cookie", cookie)]), event())
    cookies: list[SimpleCookie] = to_worker(result)["cookies"]
    assert [[*each] for each in cookies] == [[cookie.partition("=")[0]]]
    (morsel,) = cookies[0].values()
    assert morsel.value == "1"
    assert {name: value for name, value in morsel.items() if value} == attributes


def test_cookie_whose_value_has_an_equals_sign_is_left_alone() -> None:
    result = azure.encode_result(Response(200, [("Set-Cookie", "a=Zg==;Path=/")]), event())
    assert result.headers["set-cookie"] == "a=Zg==;Path=/"


@pytest.mark.parametrize(
    ("result", "response"),
    [
        pytest.param(
            func.HttpResponse("hé"),
            Response(200, [("content-type", "text/plain; charset=utf-8")], "hé".encode()),
            id="text",
        ),
        pytest.param(
            func.HttpResponse(b"{}", mimetype="application/json", status_code=404),
            Response(404, [("content-type", "application/json")], b"{}"),
            id="type",
        ),
        pytest.param(
            func.HttpResponse("a", headers={"Content-Type": "text/html"}),
            Response(200, [("Content-Type", "text/html")], b"a"),
            id="header",
        ),
        pytest.param(
            "text",
            Response(200, [("content-type", "text/plain; charset=utf-8")], b"text"),
            id="str",
        ),
        pytest.param(None, Response(500), id="nothing"),
        pytest.param({"statusCode": 200}, Response(500), id="another cloud's"),
    ],
)
def test_any_result_is_read(result: Any, response: Response) -> None:
    received = azure.decode_result(result)
    assert (received.status, [*received.headers], received.body) == (
        response.status,
        [*response.headers],
        response.body,
    )


def test_result_is_measured_by_its_body() -> None:
    result = azure.encode_result(Response(200, [], b"12345"), event())
    assert azure.result_bytes(result) == 5
    assert azure.RESULT_LIMIT_BYTES is None


def test_application_finds_event_and_context() -> None:
    environ: dict[str, Any] = {}
    context = SimpleNamespace(invocation_id="123e4567", function_name="http", retry_context=None)
    azure.annotate(environ, "the event", context)
    assert environ == {
        "serverless.event": "the event",
        "serverless.context": context,
        "serverless.authorizer": None,
        "azure_functions.function_directory": None,
        "azure_functions.function_name": "http",
        "azure_functions.invocation_id": "123e4567",
        "azure_functions.thread_local_storage": None,
        "azure_functions.trace_context": None,
        "azure_functions.retry_context": None,
    }


def test_flask_application_may_fail_and_write_to_its_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = flask.Flask("shop")

    @app.get("/users/<path:name>")
    def user(name: str) -> tuple[flask.Response, int]:
        flask.request.environ["wsgi.errors"].write("a note for the log\n")
        response = flask.jsonify(name=name, url=flask.url_for("user", name="x"))
        response.set_cookie("a", "1", httponly=True)
        response.set_cookie("b", "2")
        return response, 503

    handler = wrap(app)
    received = from_worker(
        "https://shop.azurewebsites.net/api/users/100%25%20caf%C3%A9", route="users/100% café"
    )
    sent = to_worker(handler(received, SimpleNamespace(invocation_id="1")))
    assert sent["status_code"].value == "503"
    assert json.loads(sent["body"].value) == {"name": "100% café", "url": "/api/users/x"}
    assert [[*each] for each in sent["cookies"]] == [["a"], ["b"]]
    assert "a note for the log" in capsys.readouterr().err


def test_fastapi_application_is_served() -> None:
    app = FastAPI()

    @app.post("/users/{name}")
    async def user(request: FastApiRequest, name: str) -> JSONResponse:
        body = await request.body()
        return JSONResponse(
            {
                "name": name,
                "query": request.query_params.multi_items(),
                "body": list(body),
                "raw_path": request.scope["raw_path"].decode(),
                "url": str(request.url_for("user", name="x")),
                "client": request.client,
                "invocation": request.scope["azure_functions.invocation_id"],
            }
        )

    @app.get("/broken")
    async def broken() -> None:
        raise HTTPException(502, "upstream")

    handler = wrap(app)
    try:
        received = from_worker(
            "https://shop.azurewebsites.net/api/users/a%20b?q=1&q=%2B",
            "POST",
            "users/a b",
            b"\x00\xff",
            host="shop.azurewebsites.net",
            x_forwarded_for="6.6.6.6, 203.0.113.18:46066",
        )
        sent = to_worker(handler(received, SimpleNamespace(invocation_id="1")))
        assert sent["status_code"].value == "200"
        assert json.loads(sent["body"].value) == {
            "name": "a b",
            "query": [["q", "1"], ["q", "+"]],
            "body": [0, 255],
            "raw_path": "/api/users/a%20b",
            "url": "https://shop.azurewebsites.net/api/users/x",
            "client": ["203.0.113.18", 46066],
            "invocation": "1",
        }
        received = from_worker("https://shop.azurewebsites.net/api/broken", route="broken")
        assert to_worker(handler(received))["status_code"].value == "502"
    finally:
        handler.pre_stop()


def test_failure_of_the_application_is_the_librarys_500() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise RuntimeError("the database is gone")

    result = wrap(app)(event())
    assert isinstance(result, func.HttpResponse)
    assert (result.status_code, result.get_body()) == (500, b"Internal Server Error")


def test_wrong_field_is_the_librarys_400() -> None:
    result = wrap(flask.Flask("shop"))(event(url=5))  # type: ignore[arg-type]
    assert isinstance(result, func.HttpResponse)
    assert (result.status_code, result.get_body()) == (400, b"'url' must be str, got int")


def test_large_result_has_no_limit() -> None:
    app = flask.Flask("shop")
    app.add_url_rule("/orders", view_func=lambda: b"x" * 8_000_000)
    assert len(wrap(app)(event()).get_body()) == 8_000_000
