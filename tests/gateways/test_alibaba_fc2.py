"""Alibaba Function Compute 2.0, which calls functions as WSGI applications."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import flask
import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from slsadapt import BadEventError, Request, Response, gateways, wrap
from slsadapt.gateways import alibaba_fc2
from tests.conftest import load_case
from tests.gateways.corpus import claims, values

if TYPE_CHECKING:
    from collections.abc import Callable

    Environ = dict[str, Any]

PROXY = "/2016-08-15/proxy/shop/web"


def environ(body: bytes = b"", **changes: Any) -> Environ:
    """Write an environ as a function has logged it: the process's variables, then the request's.

    Args:
        body: gives ``CONTENT_LENGTH`` too.
        changes: ``fc_context`` stands for ``fc.context``, ``...`` takes a variable out.
    """
    variables: Environ = {
        "FC_QUALIFIER": "LATEST",
        "accessKeyID": "hunter2",
        "accessKeySecret": "hunter2",
        "securityToken": "hunter2",
        "PATH": "/usr/local/bin:/usr/bin",
        "SERVER_NAME": "FCRUNTIME",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_PORT": "9000",
        "REMOTE_HOST": "",
        "CONTENT_LENGTH": str(len(body)),
        "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "WSGIServer/0.2",
        "PATH_INFO": "/orders/\xe4\xbd\xa0 b",
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": "a=1&a=x%2Fy+z&flag",
        "fc.request_uri": f"{PROXY}/orders/%E4%BD%A0%20b?a=1&a=x%2Fy+z&flag",
        "REMOTE_ADDR": "203.0.113.186",
        "CONTENT_TYPE": "text/plain",
        "HTTP_ACCEPT": "*/*",
        "HTTP_HOST": "1234.cn-hangzhou.fc.aliyuncs.com",
        "HTTP_X_FORWARDED_PROTO": "https",
        "fc.context": SimpleNamespace(request_id="a6e1c0b5"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        "wsgi.run_once": False,
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
    }
    variables |= {key.replace("fc_", "fc."): value for key, value in changes.items()}
    return {key: value for key, value in variables.items() if value is not ...}


def decoded(body: bytes = b"", **changes: Any) -> Request:
    return alibaba_fc2.decode_event(environ(body, **changes))


class Server:
    """The platform's side of a call: ``start_response``, counted."""

    def __init__(self) -> None:
        self.started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        assert exc_info is None
        self.started.append((status, headers))
        return io.BytesIO().write

    def call(self, handler: Any, event: Environ) -> tuple[str, dict[str, list[str]], bytes]:
        """Call a handler under the validator; return status, headers by name, and body."""
        self.started.clear()
        parts = validator(handler)(event, self.start_response)
        body = b"".join(parts)
        parts.close()  # type: ignore[attr-defined]
        [(status, pairs)] = self.started
        headers: dict[str, list[str]] = {}
        for name, value in pairs:
            headers.setdefault(name.lower(), []).append(value)
        return status, headers, body


both_ways = pytest.mark.parametrize("gateway", ["auto", "alibaba_fc2"])


def test_environ_is_the_clients_request() -> None:
    assert decoded(b"\xff\x00", REQUEST_METHOD="POST") == Request(
        "POST",
        "/orders/%E4%BD%A0%20b",
        "a=1&a=x%2Fy+z&flag",
        [
            ("accept", "*/*"),
            ("host", "1234.cn-hangzhou.fc.aliyuncs.com"),
            ("x-forwarded-proto", "https"),
            ("content-type", "text/plain"),
            ("content-length", "2"),
        ],
        b"\xff\x00",
        "https",
        ("203.0.113.186", 0),
        ("1234.cn-hangzhou.fc.aliyuncs.com", 443),
        PROXY,
        "",
        "a6e1c0b5",
        None,
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="both keys"),
        pytest.param({"fc_context": ...}, id="no context"),
        pytest.param({"fc_request_uri": ...}, id="no target"),
    ],
)
def test_environ_with_a_key_of_the_platform_is_claimed(changes: Environ) -> None:
    event = environ(**changes)
    assert claims(event) == ["alibaba_fc2"]
    assert gateways.detect(event).TITLE == alibaba_fc2.TITLE


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(environ(fc_context=..., fc_request_uri=...), id="another server's environ"),
        pytest.param(environ(REQUEST_METHOD=...), id="no method"),
        pytest.param({}, id="empty"),
        pytest.param(None, id="null"),
        pytest.param("REQUEST_METHOD fc.context", id="text"),
        pytest.param(["REQUEST_METHOD", "fc.context"], id="list"),
        pytest.param(load_case("alibaba_fc2/http_params_decoded")["event"], id="runtime's header"),
        pytest.param(load_case("alibaba_fc2/custom_runtime_headers")["event"], id="web function"),
    ],
)
def test_what_is_no_environ_of_the_platform_is_not_claimed(event: Any) -> None:
    assert not alibaba_fc2.matches(event)


@pytest.mark.parametrize(
    ("target", "info", "root_path", "path"),
    [
        pytest.param(f"{PROXY}/signin?a=1", "/signin", PROXY, "/signin", id="default domain"),
        pytest.param(f"{PROXY}/", "/", PROXY, "/", id="nothing but a slash"),
        pytest.param(PROXY, "/", PROXY, "/", id="nothing"),
        pytest.param(f"{PROXY}//", "//", PROXY, "//", id="two slashes"),
        pytest.param(f"{PROXY}/a%2Fb%25", "/a/b%", PROXY, "/a%2Fb%25", id="escapes stay"),
        pytest.param(f"{PROXY}/%FF", "/\xff", PROXY, "/%FF", id="octets stay"),
        pytest.param(f"{PROXY}/a", f"{PROXY}/a", PROXY, "/a", id="default host"),
        pytest.param(
            "/2016-08-15/proxy/shop.LATEST/web/a",
            "/a",
            "/2016-08-15/proxy/shop.LATEST/web",
            "/a",
            id="qualifier",
        ),
        pytest.param(
            "/2016-08-15/proxy/caf%C3%A9/web/a",
            "/a",
            "/2016-08-15/proxy/café/web",
            "/a",
            id="root path is decoded",
        ),
        pytest.param("/2016-08-15/proxy/shop/", "/", "/2016-08-15/proxy/shop", "/", id="short"),
        pytest.param("/signin?a=1", "/signin", "", "/signin", id="custom domain"),
        pytest.param(
            "/2016-08-15/proxies", "/2016-08-15/proxies", "", "/2016-08-15/proxies", id="alike"
        ),
        pytest.param("/é[", "/é[", "", "/%C3%A9[", id="stray letter"),
        pytest.param("/\xc3\xa9", "/\xc3\xa9", "", "/%C3%A9", id="stray octets"),
        pytest.param("/你", "/你", "", "/%E4%BD%A0", id="stray character"),
        pytest.param("?a=1", "/", "", "/", id="empty path"),
    ],
)
def test_prefix_of_the_default_domain_is_the_root_path(
    target: str, info: str, root_path: str, path: str
) -> None:
    request = decoded(fc_request_uri=target, PATH_INFO=info)
    assert (request.root_path, request.path) == (root_path, path)


def test_prefix_that_a_client_of_a_custom_domain_invents_is_a_path() -> None:
    path = "/2016-08-15/proxy/a/b/admin"
    request = decoded(fc_request_uri=path, PATH_INFO=path, HTTP_HOST="api.example.com")
    assert (request.root_path, request.path) == ("", path)


@pytest.mark.parametrize(
    ("script", "info", "root_path", "path"),
    [
        pytest.param("", "/\xe4\xbd\xa0 b", "", "/%E4%BD%A0%20b", id="octets"),
        pytest.param("", "/你 b", "", "/%E4%BD%A0%20b", id="text"),
        pytest.param("", "/caf\xe9", "", "/caf%C3%A9", id="text in latin-1"),
        pytest.param("", "/100%25?", "", "/100%2525%3F", id="decoded already"),
        pytest.param(f"{PROXY}/", "/a", PROXY, "/a", id="root path as the vendor's sample sets it"),
        pytest.param("", "", "", "/", id="empty"),
        pytest.param("shop", "a", "/shop", "/a", id="no slashes"),
        pytest.param(..., ..., "", "/", id="absent"),
    ],
)
def test_path_info_is_read_where_there_is_no_target(
    script: Any, info: Any, root_path: str, path: str
) -> None:
    request = decoded(fc_request_uri=..., SCRIPT_NAME=script, PATH_INFO=info)
    assert (request.root_path, request.path) == (root_path, path)


@pytest.mark.parametrize(
    ("variable", "target", "query"),
    [
        pytest.param("a=b+c&a=%20&=&x", "/", "a=b+c&a=%20&=&x", id="as sent"),
        pytest.param("a[]=é?", "/", "a[]=%C3%A9?", id="stray letter"),
        pytest.param("a=\xc3\xa9", "/", "a=%C3%A9", id="stray octets"),
        pytest.param(..., "/?a=1?b", "a=1?b", id="target's"),
        pytest.param("", "/", "", id="none"),
    ],
)
def test_query_is_as_the_client_wrote_it(variable: Any, target: str, query: str) -> None:
    assert decoded(QUERY_STRING=variable, fc_request_uri=target).query == query


@pytest.mark.parametrize(
    ("proto", "host", "scheme", "server"),
    [
        pytest.param("https", "a.example", "https", ("a.example", 443), id="https"),
        pytest.param("http", "a.example", "http", ("a.example", 80), id="http"),
        pytest.param("https", "a.example:8443", "https", ("a.example", 8443), id="port"),
        pytest.param("https", "[2001:db8::1]:8443", "https", ("2001:db8::1", 8443), id="ipv6"),
        pytest.param(..., ..., "https", ("localhost", 443), id="untold"),
    ],
)
def test_runtimes_own_scheme_host_and_port_are_not_the_clients(
    proto: Any, host: Any, scheme: str, server: tuple[str, int]
) -> None:
    request = decoded(HTTP_X_FORWARDED_PROTO=proto, HTTP_HOST=host)
    assert (request.scheme, request.server) == (scheme, server)


def test_client_and_request_id_are_the_platforms_word() -> None:
    forged: Environ = {"HTTP_X_FORWARDED_FOR": "192.0.2.66", "HTTP_X_FC_REQUEST_ID": "forged"}
    request = decoded(**forged)
    assert (request.client, request.request_id) == (("203.0.113.186", 0), "a6e1c0b5")
    request = decoded(REMOTE_ADDR="", fc_context=None, **forged)
    assert (request.client, request.request_id) == (None, "")


def test_credentials_of_the_role_do_not_reach_the_application() -> None:
    request = decoded(
        HTTP_X_FC_ACCESS_KEY_ID="hunter2",
        HTTP_X_FC_ACCESS_KEY_SECRET="hunter2",
        HTTP_X_FC_SECURITY_TOKEN="hunter2",
        HTTP_X_FC_REGION="cn-hangzhou",
    )
    assert "hunter2" not in repr(request)
    assert values(request, "x-fc-region") == ["cn-hangzhou"]


def test_process_variables_are_no_headers_and_do_not_reach_the_environ() -> None:
    seen: Environ = {}

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        seen.update(environ)
        start_response("200 OK", [])
        return []

    event = environ(HTTP_CONTENT_LENGTH="99", HTTP_CONTENT_TYPE="text/forged")
    wrap(app)(event, lambda status, headers: None)
    assert seen["serverless.event"] is event
    assert seen["fc.context"] is seen["serverless.context"] is event["fc.context"]
    assert seen["fc.request_uri"] == event["fc.request_uri"]
    assert seen["serverless.authorizer"] is None
    kept = {key: value for key, value in seen.items() if key != "serverless.event"}
    assert "hunter2" not in repr(kept)
    assert seen["CONTENT_TYPE"] == "text/plain"
    assert seen["CONTENT_LENGTH"] == "0"


class Socket(io.BytesIO):
    """A stream that would block where there is no more."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        assert size is not None
        assert size == len(data), "blocked"
        return data


@pytest.mark.parametrize(
    ("length", "octets"),
    [
        pytest.param("2", b"ab", id="told"),
        pytest.param("0", b"", id="zero"),
        pytest.param("00", b"", id="zeros"),
        pytest.param("", b"", id="empty"),
        pytest.param(..., b"", id="absent"),
    ],
)
def test_body_is_as_long_as_it_says(length: Any, octets: bytes) -> None:
    changes = {"wsgi.input": Socket(b"abc"), "CONTENT_LENGTH": length}
    assert decoded(**changes).body == octets


def test_body_that_breaks_off_has_the_length_it_has() -> None:
    request = decoded(b"abc", CONTENT_LENGTH="9")
    assert (request.body, values(request, "content-length")) == (b"abc", ["3"])


def closed() -> io.BytesIO:
    stream = io.BytesIO()
    stream.close()
    return stream


@pytest.mark.parametrize(
    ("field", "wrong", "message"),
    [
        ("REQUEST_METHOD", 5, "'REQUEST_METHOD' must be str, got int"),
        ("REQUEST_METHOD", ..., "'REQUEST_METHOD' must be str, got NoneType"),
        ("REQUEST_METHOD", b"GET", "'REQUEST_METHOD' must be str, got bytes"),
        ("fc.request_uri", 5, "'fc.request_uri' must be str, got int"),
        ("fc.request_uri", {"a": 1}, "'fc.request_uri' must be str, got dict"),
        ("PATH_INFO", b"/", "'PATH_INFO' must be str, got bytes"),
        ("SCRIPT_NAME", 5, "'SCRIPT_NAME' must be str, got int"),
        ("QUERY_STRING", ["a"], "'QUERY_STRING' must be str, got list"),
        ("REMOTE_ADDR", 5, "'REMOTE_ADDR' must be str, got int"),
        ("CONTENT_LENGTH", 5, "'CONTENT_LENGTH' must be str, got int"),
        ("CONTENT_LENGTH", "-1", "'CONTENT_LENGTH' must be a decimal number"),
        ("CONTENT_LENGTH", "٣", "'CONTENT_LENGTH' must be a decimal number"),
        ("CONTENT_LENGTH", "9" * 5000, "'CONTENT_LENGTH' must be a decimal number"),
        ("CONTENT_TYPE", 5, "'headers.content-type' must be str, got int"),
        ("HTTP_X_TAG", 5, "'headers.x-tag' must be str, got int"),
        ("HTTP_X_TAG", None, "'headers.x-tag' must be str, got NoneType"),
        ("HTTP_X.TAG", True, "'headers.x.tag' must be str, got bool"),
        ("HTTP_HOST", "a:b", "'headers.host' must end in a port"),
        ("wsgi.input", ..., "'wsgi.input' cannot be read: KeyError"),
        ("wsgi.input", "text", "'wsgi.input' cannot be read: AttributeError"),
        ("wsgi.input", closed(), "'wsgi.input' cannot be read: ValueError"),
        ("wsgi.input", io.StringIO("text"), "'wsgi.input' must give bytes, got str"),
    ],
)
def test_wrong_field_is_named(field: str, wrong: Any, message: str) -> None:
    # The root path counts only where there is no target.
    changes = {"fc_request_uri": ...} if field == "SCRIPT_NAME" else {}
    with pytest.raises(BadEventError, match=message):
        decoded(b"body", **changes, **{field: wrong})


@pytest.mark.parametrize("event", [[], None, "text", b"text"], ids=repr)
def test_event_that_is_no_object_is_refused(event: Any) -> None:
    with pytest.raises(BadEventError, match="the event must be a JSON object"):
        alibaba_fc2.decode_event(event)


def flask_app() -> flask.Flask:
    app = flask.Flask("shop")

    @app.route("/orders/<name>", methods=["GET", "POST"])
    def order(name: str) -> flask.Response:
        sent = flask.request
        seen = {
            "name": name,
            "args": sent.args.to_dict(flat=False),
            "root": [sent.environ["SCRIPT_NAME"], sent.environ["PATH_INFO"]],
            "link": flask.url_for("order", name="x", _external=True),
            "client": sent.remote_addr,
            "body": list(sent.data),
        }
        response = flask.make_response(seen, 201)
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    @app.get("/fail")
    def fail() -> str:
        raise LookupError("hunter2")

    return app


@both_ways
def test_flask_is_served_call_after_call(gateway: str) -> None:
    handler, server = wrap(flask_app(), gateway=gateway), Server()
    host = "https://1234.cn-hangzhou.fc.aliyuncs.com"
    for body in (b"", b"\x00\xff", b""):
        event = environ(body, REQUEST_METHOD="POST")
        status, headers, answer = server.call(handler, event)
        assert status == "201 Created"
        assert headers["set-cookie"] == ["a=1; Path=/", "b=2; Path=/"]
        assert json.loads(answer) == {
            "name": "你 b",
            "args": {"a": ["1", "x/y z"], "flag": [""]},
            "root": [PROXY, "/orders/\xe4\xbd\xa0 b"],
            "link": f"{host}{PROXY}/orders/x",
            "client": "203.0.113.186",
            "body": list(body),
        }


@both_ways
def test_flask_on_a_custom_domain_is_mounted_nowhere(gateway: str) -> None:
    handler = wrap(flask_app(), gateway=gateway)
    event = environ(
        HTTP_HOST="api.example.com", PATH_INFO="/orders/a", fc_request_uri="/orders/a?a=1"
    )
    seen = json.loads(Server().call(handler, event)[2])
    assert seen["root"] == ["", "/orders/a"]
    assert seen["link"] == "https://api.example.com/orders/x"


@both_ways
def test_failure_is_a_500_and_the_next_call_is_served(gateway: str) -> None:
    app = flask_app()

    def failing(environ: Environ, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/raise":
            raise LookupError("hunter2")
        return app(environ, start_response)

    handler, server = wrap(failing, gateway=gateway), Server()
    for path in ("/raise", "/fail"):
        event = environ(fc_request_uri=f"{PROXY}{path}", PATH_INFO=path)
        status, headers, body = server.call(handler, event)
        assert status == "500 Internal Server Error"
        assert headers["content-type"][0].startswith("text/")
        assert b"Internal Server Error" in body
        assert b"hunter2" not in body
    assert server.call(handler, environ())[0] == "201 Created"


def test_failure_is_raised_on_demand() -> None:
    def app(environ: Environ, start_response: Any) -> Any:
        raise LookupError("unwell")

    server = Server()
    with pytest.raises(LookupError, match="unwell"):
        wrap(app, interface="wsgi", on_error="raise")(environ(), server.start_response)
    assert not server.started


@both_ways
def test_wrong_field_is_a_400(gateway: str) -> None:
    status, _, body = Server().call(wrap(flask_app(), gateway=gateway), environ(HTTP_HOST="a:b"))
    assert status == "400 Bad Request"
    assert body.startswith(b"'headers.host' must end in a port number")


@both_ways
def test_starlette_is_served_call_after_call(gateway: str) -> None:
    async def order(request: StarletteRequest) -> PlainTextResponse:
        assert request.client
        body = await request.body()
        event = request.scope["serverless.event"]
        assert request.scope["fc.context"] is event["fc.context"]
        text = f"{request.client.host} {body!r} {request.url} {request.path_params['name']}"
        response = PlainTextResponse(text)
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    app = Starlette(routes=[Route("/orders/{name}", order, methods=["GET", "POST"])])
    handler, server = wrap(app, gateway=gateway), Server()
    for body in (b"\xff", b"", b"more"):
        event = environ(body, REQUEST_METHOD="POST", PATH_INFO="/orders/a")
        event["fc.request_uri"] = f"{PROXY}/orders/a?a=1"
        event["QUERY_STRING"] = "a=1"
        status, headers, answer = server.call(handler, event)
        assert status == "200 OK"
        assert len(headers["set-cookie"]) == 2
        url = f"https://1234.cn-hangzhou.fc.aliyuncs.com{PROXY}/orders/a?a=1"
        assert answer.decode() == f"203.0.113.186 {body!r} {url} a"
    handler.pre_stop()


# Django's settings are one to a process, so it has one of its own.
DJANGO = """
import json
import sys
from io import BytesIO, StringIO
from wsgiref.validate import validator

from django.conf import settings

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__")

from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path, reverse

from slsadapt import wrap


def order(request, name):
    seen = [name, request.build_absolute_uri(reverse("order", args=["x"])), request.path_info]
    answer = JsonResponse(seen + [request.GET.getlist("a"), request.body.decode()], safe=False)
    answer.set_cookie("one", "1")
    answer.set_cookie("two", "2")
    return answer


urlpatterns = [path("orders/<name>", order, name="order")]
variables, body = json.load(sys.stdin)
for gateway in ("auto", "alibaba_fc2"):
    handler = validator(wrap(get_wsgi_application(), gateway=gateway))
    for _ in range(2):
        started = []
        event = variables | {"wsgi.input": BytesIO(body.encode()), "wsgi.errors": StringIO()}
        event |= {"fc.context": object(), "wsgi.version": (1, 0)}
        parts = handler(event, lambda *args: started.append(args) or print)
        answer = b"".join(parts)
        parts.close()
        print(json.dumps([started, json.loads(answer)]))
"""


def test_django_is_served_call_after_call() -> None:
    event = environ(b"hello", REQUEST_METHOD="POST")
    variables = {key: value for key, value in event.items() if isinstance(value, (str, bool))}
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", DJANGO],
        input=json.dumps([variables, "hello"]),
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    assert len(lines) == 4
    for started, seen in lines:
        [(status, headers, *_)] = started
        assert status == "200 OK"
        assert sum(name == "Set-Cookie" for name, _ in headers) == 2
        link = f"https://1234.cn-hangzhou.fc.aliyuncs.com{PROXY}/orders/x"
        # Django sees the scheme in wsgi.url_scheme, which is the client's.
        assert seen == ["你 b", link, "/orders/你 b", ["1", "x/y z"], "hello"]


@pytest.mark.parametrize("context", [None, {}, SimpleNamespace(request_id="1")], ids=repr)
def test_call_without_start_response_is_refused(context: Any) -> None:
    with pytest.raises(BadEventError, match="the context must be start_response, got "):
        wrap(flask_app())(environ(), context)


@pytest.mark.parametrize(
    ("status", "line"),
    [
        pytest.param(200, "200 OK", id="known"),
        pytest.param(404, "404 Not Found", id="not found"),
        pytest.param(299, "299 Unknown", id="of the application's own"),
    ],
)
def test_status_has_a_reason(status: int, line: str) -> None:
    server = Server()
    headers = [("Link", "</1>"), ("Link", "</2>")]
    result = alibaba_fc2.encode_result(Response(status, headers, b"\xff"), {})
    assert alibaba_fc2.call_back(result, server.start_response) == [b"\xff"]
    assert server.started == [(line, headers)]
    assert alibaba_fc2.result_bytes(result) == 1
    assert alibaba_fc2.decode_result(result) == Response(status, headers, b"\xff")


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="null"),
        pytest.param({"status": 200, "headers": []}, id="no body"),
        pytest.param({"status": 200, "headers": [], "body": 5}, id="body no octets"),
        pytest.param({"status": 200, "headers": [("a", 5)], "body": b""}, id="header no text"),
        pytest.param({"status": 200, "headers": [("a",)], "body": b""}, id="header no pair"),
        pytest.param({"status": "ok", "headers": [], "body": b""}, id="status no number"),
    ],
)
def test_malformed_result_is_a_502(result: object) -> None:
    assert alibaba_fc2.decode_result(result).status == 502


def test_environ_is_written_as_the_runtime_does() -> None:
    request = Request(
        "PUT",
        "/a%2Fb%C3%A9",
        "k=1&k=2",
        [("x-tag", "1"), ("x-tag", "2"), ("content-type", "image/png")],
        b"\xff",
        client=("203.0.113.7", 4711),
        server=("1234.cn-hangzhou.fc.aliyuncs.com", 443),
        root_path=PROXY,
        request_id="a31d3d70",
    )
    event = alibaba_fc2.encode_event(request)
    assert event["wsgi.input"].read() == b"\xff"
    assert event["fc.context"].request_id == "a31d3d70"
    wanted = {
        "REQUEST_METHOD": "PUT",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/b\xc3\xa9",
        "QUERY_STRING": "k=1&k=2",
        "fc.request_uri": f"{PROXY}/a%2Fb%C3%A9?k=1&k=2",
        "CONTENT_TYPE": "image/png",
        "CONTENT_LENGTH": "1",
        "REMOTE_ADDR": "203.0.113.7",
        "HTTP_HOST": "1234.cn-hangzhou.fc.aliyuncs.com",
        "HTTP_X_TAG": "1,2",
        "HTTP_X_FORWARDED_PROTO": "https",
        "SERVER_NAME": "FCRUNTIME",
        "SERVER_PORT": "9000",
        "wsgi.url_scheme": "http",
    }
    assert {key: event[key] for key in wanted} == wanted
    # What is written is an environ by PEP 3333.
    status, _, _ = Server().call(wrap(flask_app()), alibaba_fc2.encode_event(request))
    assert status == "404 Not Found"
