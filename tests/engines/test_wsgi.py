"""The WSGI engine against PEP 3333, and real frameworks through recorded events.

Every application that is meant to be correct runs under both ``wsgiref.validate`` and
werkzeug's lint.
"""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from threading import Barrier
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import bottle  # type: ignore[import-untyped]
import falcon
import flask
import pytest
from werkzeug.middleware.lint import LintMiddleware

from slsadapt import ApplicationError, Request, Response, wrap
from slsadapt.engines.wsgi import WsgiEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    Event = Callable[[str], dict[str, Any]]

REST = "aws_rest/live_rest_encoded_path_repeated"
HTTP = "aws_http/live_httpapi_encoded_path_repeated"
URL = "aws_function_url/live_url_encoded_path_repeated"
TENCENT = "tencent_apigw/post_form_custom_domain_real"
TENCENT_URL = "tencent_function_url/post_json_doc"
TEXT = ("Content-Type", "text/plain")


def checked(app: WSGIApplication) -> WSGIApplication:
    """Put an application under both checkers."""
    return validator(LintMiddleware(app))


def bare(app: WSGIApplication) -> WSGIApplication:
    return app


def serve(app: WSGIApplication, request: Request | None = None) -> Response:
    """Run one request through the engine alone."""
    request = request or Request("GET", "/")
    engine = WsgiEngine(app)
    return engine.run(engine.prepare(*(getattr(request, name) for name in Request.__slots__)))


def environ_of(request: Request) -> WSGIEnvironment:
    """Return the environ that an application finds."""
    seen: WSGIEnvironment = {}

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        seen.update(environ)
        start_response("200 OK", [TEXT])
        return []

    serve(checked(app), request)
    return seen


class Body:
    """An iterable that yields or raises what it is given, and counts its closings."""

    def __init__(self, *chunks: bytes | str | BaseException) -> None:
        self.chunks = chunks
        self.closings = 0

    def __iter__(self) -> Iterator[Any]:
        for chunk in self.chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    def close(self) -> None:
        self.closings += 1


def answering(body: Any, status: str = "200 OK", *headers: tuple[str, str]) -> WSGIApplication:
    """Make the application that starts its response and returns ``body``."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response(status, [*headers] or [TEXT])
        return body

    return app


# Correct applications: each answers 200, "one two".


def write_only(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    write = start_response("200 OK", [TEXT])
    write(b"one")
    write(b" two")
    return []


def write_then_iterable(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [TEXT])(b"one ")
    return [b"two"]


def lazy_generator(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [TEXT])
    yield b"one "
    yield b"two"


class LazyClass:
    def __init__(self, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self.start = start_response

    def __iter__(self) -> Iterator[bytes]:
        self.start("200 OK", [TEXT])
        yield b"one two"


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(answering([b"one two"]), id="list"),
        pytest.param(answering((b"one", b" two")), id="tuple"),
        pytest.param(answering([b"", b"one ", b"", b"two", b""]), id="empty chunks"),
        pytest.param(answering(iter([b"one ", b"two"])), id="iterator"),
        pytest.param(write_only, id="write"),
        pytest.param(write_then_iterable, id="write, then iterable"),
        pytest.param(lazy_generator, id="start in the first iteration"),
        pytest.param(LazyClass, id="class"),
    ],
)
def test_response_is_collected(app: WSGIApplication) -> None:
    response = serve(checked(app))
    assert response.status == 200
    assert [*response.headers] == [TEXT]
    assert response.body == b"one two"


def test_status_without_a_body_is_kept() -> None:
    assert serve(checked(answering([], "404 Not Found"))) == Response(404, [TEXT], b"")


def test_repeated_response_headers_keep_their_order() -> None:
    headers = [TEXT, ("Set-Cookie", "a=1"), ("Vary", "accept"), ("Set-Cookie", "b=2")]
    assert [*serve(checked(answering([], "200 OK", *headers))).headers] == headers


# exc_info


def fail(start_response: StartResponse) -> None:
    """Start an error page from an error handler."""
    try:
        raise LookupError("late")
    except LookupError:
        start_response("503 Service Unavailable", [TEXT, ("Retry-After", "9")], sys.exc_info())


def replace_start(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [TEXT])
    fail(start_response)
    return [b"sorry"]


def replace_after_empty_write(
    environ: WSGIEnvironment, start_response: StartResponse
) -> list[bytes]:
    start_response("200 OK", [TEXT])(b"")
    fail(start_response)
    return [b"sorry"]


def replace_after_empty_chunk(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterator[bytes]:
    start_response("200 OK", [TEXT])
    yield b""
    fail(start_response)
    yield b"sorry"


def start_in_error_handler(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    fail(start_response)
    return [b"sorry"]


@pytest.mark.parametrize(
    "app",
    [
        replace_start,
        replace_after_empty_write,
        replace_after_empty_chunk,
        start_in_error_handler,
    ],
)
def test_exc_info_replaces_what_is_not_sent(app: WSGIApplication) -> None:
    response = serve(checked(app))
    assert response.status == 503
    assert [*response.headers] == [TEXT, ("Retry-After", "9")]
    assert response.body == b"sorry"


def fail_after_write(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [TEXT])(b"o")
    fail(start_response)
    return [b"never"]


def fail_after_chunk(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [TEXT])
    yield b"o"
    fail(start_response)
    yield b"never"


@pytest.mark.parametrize("app", [fail_after_write, fail_after_chunk])
def test_exc_info_after_the_first_octet_raises_the_applications_error(
    app: WSGIApplication,
) -> None:
    with pytest.raises(LookupError, match="late") as caught:
        serve(checked(app))
    assert caught.traceback[-1].name == "fail", "the traceback leads to the cause"


# close()


@pytest.mark.parametrize(
    ("chunks", "error"),
    [
        pytest.param([b"one ", b"two"], None, id="success"),
        pytest.param([], None, id="no chunk"),
        pytest.param([ValueError("first")], ValueError, id="error at once"),
        pytest.param([b"one ", ValueError("later")], ValueError, id="error later"),
        pytest.param([b"one ", KeyboardInterrupt()], KeyboardInterrupt, id="interrupt"),
        pytest.param([b"one ", SystemExit()], SystemExit, id="exit"),
    ],
)
def test_body_is_closed_once(
    chunks: list[bytes | BaseException], error: type[BaseException] | None
) -> None:
    body = Body(*chunks)
    if error is None:
        serve(checked(answering(body)))
    else:
        with pytest.raises(error):
            serve(checked(answering(body)))
    assert body.closings == 1


@pytest.mark.parametrize("chunks", [["text"], [b"one", "text"]], ids=["at once", "later"])
def test_body_of_a_wrong_type_is_closed_once(chunks: list[bytes | str]) -> None:
    body = Body(*chunks)
    with pytest.raises(ApplicationError):
        serve(answering(body))
    assert body.closings == 1


@pytest.mark.parametrize("chunks", [[], [b"one"]], ids=["empty", "octets"])
def test_body_without_a_start_is_closed_once(chunks: list[bytes]) -> None:
    body = Body(*chunks)
    with pytest.raises(ApplicationError, match="start_response"):
        serve(lambda environ, start_response: body)
    assert body.closings == 1


@pytest.mark.parametrize(
    ("method", "status", "headers"),
    [
        pytest.param("HEAD", "200 OK", [TEXT], id="HEAD"),
        pytest.param("GET", "204 No Content", [("X-Tag", "a")], id="204"),
        pytest.param("GET", "304 Not Modified", [("ETag", '"a"')], id="304"),
    ],
)
def test_bodiless_response_loses_its_body_and_is_closed(
    event: Event, method: str, status: str, headers: list[tuple[str, str]]
) -> None:
    body = Body(b"one ", b"two")
    request = event(REST) | {"httpMethod": method}
    # Lint would refuse a 204 and 304 with a body, which is what is tested.
    under = checked if method == "HEAD" else validator
    app = under(answering(body, status, *headers))
    handler = wrap(app, interface="wsgi", request_id=False)
    assert handler(request) == {
        "statusCode": int(status[:3]),
        "headers": dict(headers),
        "body": "",
        "isBase64Encoded": False,
    }
    assert body.closings == 1


def test_head_loses_its_body_although_the_application_changes_environ(event: Event) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ["REQUEST_METHOD"] = "GET"
        start_response("200 OK", [TEXT])
        return [b"one two"]

    handler = wrap(checked(app), interface="wsgi", on_error="raise")
    assert handler(event(REST) | {"httpMethod": "HEAD"})["body"] == ""


# wsgi.file_wrapper. Both checkers put an iterator of their own around it, so the engine's
# short cut shows only without them.


def sending(file: object, *block_size: int) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [TEXT])
        body: Iterable[bytes] = environ["wsgi.file_wrapper"](file, *block_size)
        return body

    return app


@pytest.mark.parametrize("under", [bare, checked])
def test_file_is_sent_from_where_it_stands_and_closed(
    under: Callable[[WSGIApplication], WSGIApplication], tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"skipped" + bytes(range(256)) * 100)
    with path.open("rb") as file:
        file.seek(7)
        assert serve(under(sending(file))).body == bytes(range(256)) * 100
        assert file.closed


@pytest.mark.parametrize("under", [bare, checked])
def test_file_in_memory_is_sent_and_closed(
    under: Callable[[WSGIApplication], WSGIApplication],
) -> None:
    file = io.BytesIO(b"one two")
    assert serve(under(sending(file, 3))).body == b"one two"
    assert file.closed


@pytest.mark.parametrize("under", [bare, checked])
def test_file_without_close_is_sent(
    under: Callable[[WSGIApplication], WSGIApplication],
) -> None:
    class Readable:
        read = io.BytesIO(b"one two").read

    assert serve(under(sending(Readable()))).body == b"one two"


def test_file_wrapper_is_an_iterable_of_blocks() -> None:
    file = io.BytesIO(b"one two")

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [TEXT])
        blocks = [*environ["wsgi.file_wrapper"](file, 3)]
        assert blocks == [b"one", b" tw", b"o"]
        return blocks

    # Lint brings a wrapper of its own.
    assert serve(validator(app)).body == b"one two"


def test_file_of_text_is_refused_and_closed() -> None:
    file = io.StringIO("one two")
    with pytest.raises(ApplicationError, match="bytes, got str"):
        serve(sending(file))
    assert file.closed


# Bodies


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))]


def test_large_body_survives_both_ways() -> None:
    body = bytes(range(256)) * 80_000
    assert serve(checked(echo), Request("POST", "/", body=body)).body == body


def test_body_of_many_tiny_chunks_is_joined() -> None:
    body = bytes(range(256)) * 40
    chunks = (bytes((octet,)) for octet in body)
    assert serve(checked(answering(chunks))).body == body


def test_input_is_iterated_by_lines() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [TEXT])
        return [b"%d" % len([*environ["wsgi.input"]])]

    assert serve(checked(app), Request("POST", "/", body=b"one\ntwo\nthree")).body == b"3"


def test_input_ends_after_the_body() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [TEXT])
        assert environ["wsgi.input_terminated"] is True
        return [environ["wsgi.input"].read(100), b"|", environ["wsgi.input"].read(100)]

    assert serve(checked(app), Request("POST", "/", body=b"one")).body == b"one|"


def test_errors_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ["wsgi.errors"].write("a note\n")
        environ["wsgi.errors"].flush()
        start_response("200 OK", [TEXT])
        return []

    serve(checked(app))
    assert capsys.readouterr().err == "a note\n"


# environ


def test_environ_of_a_recorded_event(event: Event) -> None:
    seen: WSGIEnvironment = {}

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        seen.update(environ)
        return echo(environ, start_response)

    recorded, context = event(REST), object()
    wrap(checked(app), interface="wsgi", on_error="raise")(recorded, context)
    assert {key: value for key, value in seen.items() if "." not in key} == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/live",
        "PATH_INFO": "/capture/space value",
        # The gateway sorts the keys and decodes the values.
        "QUERY_STRING": "empty=&encodedPlus=a%2Bb&literalPlus=a%20b"
        "&redirect=https://example.com/a/b&repeat=one&repeat=two",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "66",
        "SERVER_NAME": "5h7pqvr9u4.execute-api.us-west-2.amazonaws.com",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.18",
        "HTTP_ACCEPT": "*/*",
        "HTTP_COOKIE": "session=abc123; theme=dark",
        "HTTP_HOST": "5h7pqvr9u4.execute-api.us-west-2.amazonaws.com",
        "HTTP_USER_AGENT": "curl/8.7.1",
        "HTTP_X_AMZN_TRACE_ID": "Root=1-6a5145a8-536f3e792f6be9b44c1f46fa",
        "HTTP_X_FORWARDED_FOR": "203.0.113.18",
        "HTTP_X_FORWARDED_PORT": "443",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_X_VOKER_PROBE": "first, second",
    }
    assert seen["wsgi.version"] == (1, 0)
    assert seen["wsgi.url_scheme"] == "https"
    assert seen["serverless.event"] is recorded
    assert seen["serverless.context"] is context


@pytest.mark.parametrize(
    ("path", "path_info"),
    [
        pytest.param("/", "/", id="root"),
        pytest.param("/a/b", "/a/b", id="plain"),
        pytest.param("/caf%E9", "/caf\xe9", id="not UTF-8"),
        pytest.param("/%ff%00", "/\xff\0", id="any octets"),
        pytest.param("/%E6%97%A5", "/\xe6\x97\xa5", id="UTF-8"),
        pytest.param("/a%2Fb", "/a/b", id="escaped slash"),
        pytest.param("/a%252Fb", "/a%2Fb", id="escaped escape"),
        pytest.param("/a+b%20c", "/a+b c", id="plus and space"),
        pytest.param("/100%", "/100%", id="lone percent sign"),
    ],
)
def test_path_info_holds_the_octets_of_the_path(path: str, path_info: str) -> None:
    environ = environ_of(Request("GET", path))
    assert environ["PATH_INFO"] == path_info
    assert environ["SCRIPT_NAME"] == ""


@pytest.mark.parametrize(
    ("root_path", "script_name"),
    [
        pytest.param("/live", "/live", id="ascii"),
        pytest.param("/日", "/\xe6\x97\xa5", id="UTF-8"),
        pytest.param("/é", "/\xc3\xa9", id="latin-1 letter as UTF-8"),
    ],
)
def test_script_name_holds_the_octets_of_the_root_path(root_path: str, script_name: str) -> None:
    environ = environ_of(Request("GET", "/a", root_path=root_path))
    assert environ["SCRIPT_NAME"] == script_name
    assert environ["PATH_INFO"] == "/a"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(
            Request("GET", "/", user="ann", client=("203.0.113.18", 0)),
            {"REMOTE_USER": "ann", "REMOTE_ADDR": "203.0.113.18"},
            id="user and client",
        ),
        pytest.param(
            Request("GET", "/", client=("2001:db8::1", 5000)),
            {"REMOTE_ADDR": "2001:db8::1", "REMOTE_PORT": "5000"},
            id="client port",
        ),
        pytest.param(
            Request("GET", "/", scheme="http", server=("example.com", 80)),
            {"wsgi.url_scheme": "http", "SERVER_NAME": "example.com", "SERVER_PORT": "80"},
            id="http",
        ),
        pytest.param(
            Request("GET", "/", server=("2001:db8::1", 8443)),
            {"wsgi.url_scheme": "https", "SERVER_NAME": "2001:db8::1", "SERVER_PORT": "8443"},
            id="ipv6 host, port",
        ),
        pytest.param(
            Request("DELETE", "/", "a=1&a=%20+"),
            {"REQUEST_METHOD": "DELETE", "QUERY_STRING": "a=1&a=%20+"},
            id="method and query",
        ),
        pytest.param(
            Request("POST", "/", body=b"octets"), {"CONTENT_LENGTH": "6"}, id="body, no length"
        ),
        pytest.param(
            Request("POST", "/", headers=[("content-length", "9")], body=b"octets"),
            {"CONTENT_LENGTH": "6"},
            id="body, wrong length",
        ),
        pytest.param(
            Request("POST", "/", headers=[("content-length", "0")]),
            {"CONTENT_LENGTH": "0"},
            id="no body, length sent",
        ),
    ],
)
def test_environ_of_a_request(request_: Request, expected: dict[str, str]) -> None:
    assert environ_of(request_).items() >= expected.items()


def test_environ_holds_nothing_that_the_client_did_not_send() -> None:
    environ = environ_of(Request("GET", "/"))
    for key in ("CONTENT_LENGTH", "CONTENT_TYPE", "REMOTE_USER", "REMOTE_PORT"):
        assert key not in environ
    assert not any(key.startswith("HTTP_") for key in environ)


def test_environ_is_made_anew_for_every_request() -> None:
    full = Request("POST", "/a", "q", [("x-tag", "a")], b"x", client=("::1", 1), user="ann")
    assert environ_of(full)["HTTP_X_TAG"] == "a"
    assert not {"HTTP_X_TAG", "REMOTE_USER", "REMOTE_PORT", "CONTENT_LENGTH"} & {
        *environ_of(Request("GET", "/"))
    }


def test_repeated_header_is_joined_and_cookies_otherwise() -> None:
    environ = environ_of(
        Request(
            "GET",
            "/",
            headers=[("x-tag", "a"), ("cookie", "a=1"), ("x-tag", "b"), ("cookie", "b=2; c=3")],
        )
    )
    assert environ["HTTP_X_TAG"] == "a, b"
    assert environ["HTTP_COOKIE"] == "a=1; b=2; c=3"


KEPT = [("x-real-ip", "203.0.113.18"), ("proxy-connection", "keep-alive")]
DROPPED = [("x_real_ip", "10.0.0.1"), ("content_length", "9"), ("proxy", "http://evil.example")]


@pytest.mark.parametrize(
    ("headers", "repeats"),
    [
        *(pytest.param([*KEPT, pair], 1, id=pair[0]) for pair in DROPPED),
        pytest.param([*DROPPED, *KEPT], 1, id="all"),
        pytest.param([*DROPPED, *KEPT] * 2, 2, id="repeated"),
    ],
)
def test_header_that_would_pass_for_another_is_dropped(
    headers: list[tuple[str, str]], repeats: int
) -> None:
    # The second time the names are known.
    for _ in range(2):
        environ = environ_of(Request("GET", "/", headers=headers))
        assert {key: value for key, value in environ.items() if "." not in key} == {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/",
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "",
            "HTTP_X_REAL_IP": ", ".join(["203.0.113.18"] * repeats),
            "HTTP_PROXY_CONNECTION": ", ".join(["keep-alive"] * repeats),
        }


def test_header_values_are_latin_1_both_ways() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [TEXT, ("X-Name", environ["HTTP_X_NAME"])])
        return []

    every = "".join(map(chr, range(0x20, 0x100)))
    response = serve(checked(app), Request("GET", "/", headers=[("x-name", every)]))
    assert [*response.headers] == [TEXT, ("X-Name", every)]


# Contexts and threads


def test_context_lasts_for_one_request_and_all_of_it(event: Event) -> None:
    user = ContextVar("user", default="nobody")
    told: list[str] = []

    class Told(Body):
        def __iter__(self) -> Iterator[bytes]:
            told.append(user.get())
            yield b"x"

        def close(self) -> None:
            told.append(user.get())

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        told.append(user.get())
        user.set(environ["HTTP_USER_AGENT"])
        start_response("200 OK", [TEXT])
        return Told()

    handler = wrap(checked(app), interface="wsgi")
    for name in ("ann", "bob"):
        request = event(HTTP)
        request["headers"]["user-agent"] = name
        handler(request)
    assert told == ["nobody", "ann", "ann", "nobody", "bob", "bob"]
    assert user.get() == "nobody"


def test_two_threads_are_served_at_once(event: Event) -> None:
    both = Barrier(2, timeout=30)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        both.wait()
        start_response("200 OK", [TEXT])
        yield environ["PATH_INFO"].encode()
        both.wait()

    handler = wrap(checked(app), interface="wsgi", on_error="raise")
    paths = [f"/{number}" for number in range(6)]
    events = [event(REST) | {"path": path} for path in paths]
    with ThreadPoolExecutor(2) as threads:
        assert [result["body"] for result in threads.map(handler, events)] == paths


# Broken applications


def start_twice(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [TEXT])
    start_response("404 Not Found", [TEXT])
    return []


def write_text(environ: WSGIEnvironment, start_response: Any) -> list[bytes]:
    start_response("200 OK", [TEXT])("text")
    return []


def returning(value: Any) -> WSGIApplication:
    return lambda environ, start_response: value


def starting(status: Any, headers: Any) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response(status, headers)
        return []

    return app


BROKEN = [
    pytest.param(returning([]), "never called start_response", id="no start"),
    pytest.param(returning([b"x"]), "before start_response", id="body before start"),
    pytest.param(returning([b""]), "before start_response", id="empty chunk before start"),
    pytest.param(start_twice, "twice without exc_info", id="two starts"),
    pytest.param(write_text, "bytes, got str", id="str written"),
    pytest.param(answering(["text"]), "bytes, got str", id="str chunk"),
    pytest.param(answering("text"), "bytes, got str", id="str body"),
    pytest.param(answering([bytearray(b"x")]), "bytes, got bytearray", id="bytearray chunk"),
    pytest.param(answering([None]), "bytes, got NoneType", id="None chunk"),
    pytest.param(answering(None), "iterable.*NoneType", id="returns None"),
    pytest.param(returning(None), "iterable.*NoneType", id="returns None without a start"),
    pytest.param(answering(7), "iterable.*int", id="returns an int"),
    *(
        pytest.param(starting(status, [TEXT]), "takes a status", id=f"status {status!r}")
        for status in ("", "OK", "20", "2000 OK", "099 Low", "600 High", "-20 OK")
    ),
    pytest.param(starting(200, [TEXT]), "takes a status", id="int as status"),
    pytest.param(starting(b"200 OK", [TEXT]), "takes a status", id="bytes as status"),
    pytest.param(starting(None, [TEXT]), "takes a status", id="None as status"),
    *(
        pytest.param(starting("200 OK", headers), "list of .* pairs of str", id=name)
        for name, headers in {
            "no headers": None,
            "headers in a dict": {"X-Tag": "a"},
            "headers in one str": "X-Tag: a",
            "header of None": [TEXT, None],
            "header in one str": [TEXT, "X-Tag: a"],
            "header of one part": [TEXT, ("X-Tag",)],
            "header of three parts": [TEXT, ("X-Tag", "a", "b")],
            "header of bytes": [TEXT, (b"X-Tag", b"a")],
            "header with an int": [TEXT, ("Content-Length", 1)],
            "header with None": [TEXT, ("X-Tag", None)],
        }.items()
    ),
    pytest.param(
        starting("200 OK", [TEXT, ("X-Tag", "日本")]), "latin-1", id="header not in latin-1"
    ),
    *(
        pytest.param(starting("200 OK", [TEXT, header]), "CR, LF or NUL", id=name)
        for name, header in {
            "second header in a value": ("X-Tag", "a\r\nSet-Cookie: b=2"),
            "second header in a name": ("X-Tag\r\nSet-Cookie", "b=2"),
            "LF in a value": ("X-Tag", "a\nb"),
            "CR in a value": ("X-Tag", "a\r"),
            "NUL in a value": ("X-Tag", "a\0"),
        }.items()
    ),
]


def first_then_echo(first: WSGIApplication) -> WSGIApplication:
    """Make an application that is broken for its first request only."""
    apps = iter([first])
    return lambda environ, start_response: next(apps, echo)(environ, start_response)


@pytest.mark.parametrize(("app", "message"), BROKEN)
def test_broken_application_is_a_logged_500_and_the_next_event_is_served(
    app: WSGIApplication, message: str, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    handler = wrap(first_then_echo(app), request_id=False)
    assert handler(event(HTTP)) == {
        "statusCode": 500,
        "headers": {"content-type": "text/plain; charset=utf-8"},
        "body": "Internal Server Error",
        "isBase64Encoded": False,
    }
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    with pytest.raises(ApplicationError, match=message):
        raise record.exc_info[1] or AssertionError
    assert handler(event(HTTP))["statusCode"] == 200
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("app", "message"), BROKEN)
def test_broken_application_raises_where_asked(
    app: WSGIApplication, message: str, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    handler = wrap(first_then_echo(app), on_error="raise")
    with pytest.raises(ApplicationError, match=message):
        handler(event(HTTP))
    assert not caplog.records, "who raises does not log as well"
    assert handler(event(HTTP))["statusCode"] == 200


def raising(error: BaseException) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        raise error

    return app


@pytest.mark.parametrize("case", [REST, HTTP, URL, TENCENT, TENCENT_URL])
@pytest.mark.parametrize(
    "app",
    [
        pytest.param(raising(LookupError("secret")), id="in the call"),
        pytest.param(answering(Body(b"one", LookupError("secret"))), id="in the body"),
    ],
)
def test_applications_error_is_a_500_in_the_gateways_shape(
    app: WSGIApplication, case: str, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    result = wrap(checked(app), interface="wsgi", request_id=False)(event(case))
    assert result == {
        "statusCode": 500,
        "headers": {"content-type": "text/plain; charset=utf-8"},
        "body": "Internal Server Error",
        "isBase64Encoded": False,
    }
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
    assert "raise" in str(logging.Formatter().formatException(record.exc_info))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("on_error", ["respond", "raise"])
@pytest.mark.parametrize("place", ["call", "body"])
def test_interrupt_and_exit_pass(
    error: type[BaseException], on_error: Any, place: str, event: Event
) -> None:
    app = raising(error()) if place == "call" else answering(Body(b"one", error()))
    handler = wrap(first_then_echo(checked(app)), on_error=on_error)
    with pytest.raises(error):
        handler(event(HTTP))
    assert handler(event(HTTP))["statusCode"] == 200


# Real frameworks: each application answers 201 with what it saw and two cookies.

SENT = {
    "method": "POST",
    "path": "/capture/space value",
    "query": {
        "repeat": ["one", "two"],
        "redirect": ["https://example.com/a/b"],
        "literalPlus": ["a b"],
        "encodedPlus": ["a+b"],
        "empty": [""],
    },
    "cookies": {"session": "abc123", "theme": "dark"},
    "body": '{"message":"hello from the public internet","unicode":"lambda-λ"}',
}
FRAMEWORK_CASES = [
    (REST, SENT),
    (HTTP, SENT),
    (URL, SENT),
    (
        TENCENT,
        {
            "method": "POST",
            "path": "/admin/tag/new/",
            "query": {"url": ["/admin/tag/"]},
            "cookies": {"a": "1", "b": "2"},
            "body": "name=sdsadasdsadasd&remark=",
        },
    ),
]


def cookies_of(result: dict[str, Any]) -> list[str]:
    """Collect the cookies that a result sets, wherever its dialect puts them."""
    found = [*result.get("cookies", ())]
    for fields in (result["headers"], result.get("multiValueHeaders", {})):
        for name, values in fields.items():
            if name.lower() == "set-cookie":
                found += values if isinstance(values, list) else [values]
    # Django puts a space in front, which is no part of the value (RFC 9110 5.5).
    return [cookie.partition(";")[0].strip(" ") for cookie in found]


def assert_echo(result: dict[str, Any], expected: dict[str, Any]) -> None:
    assert result["statusCode"] == 201, result
    assert result["isBase64Encoded"] is False
    assert json.loads(result["body"]) == expected
    assert cookies_of(result) == ["one=1", "two=2"]


def flask_app() -> Any:
    app = flask.Flask(__name__)

    @app.route("/<path:path>", methods=["POST"])
    def view(path: str) -> flask.Response:
        seen = flask.request
        answer = flask.jsonify(
            method=seen.method,
            path=f"/{path}",
            query=seen.args.to_dict(flat=False),
            cookies=seen.cookies,
            body=seen.get_data(as_text=True),
        )
        answer.status_code = 201
        answer.set_cookie("one", "1")
        answer.set_cookie("two", "2")
        return answer

    return app


def bottle_app() -> Any:
    app = bottle.Bottle()

    @app.post("/<path:path>")  # type: ignore[untyped-decorator]
    def view(path: str) -> dict[str, Any]:
        seen = bottle.request
        bottle.response.status = 201
        bottle.response.set_cookie("one", "1")
        bottle.response.set_cookie("two", "2")
        return {
            "method": seen.method,
            "path": f"/{path}",
            "query": {key: seen.query.getall(key) for key in seen.query},
            "cookies": dict(seen.cookies),
            "body": seen.body.read().decode(),
        }

    return app


def falcon_app() -> Any:
    app = falcon.App()
    app.req_options.keep_blank_qs_values = True

    def view(req: falcon.Request, resp: falcon.Response, **_: Any) -> None:
        resp.status = falcon.HTTP_201
        resp.media = {
            "method": req.method,
            "path": req.path,
            "query": {key: req.get_param_as_list(key) for key in req.params},
            "cookies": req.cookies,
            "body": req.bounded_stream.read().decode(),
        }
        resp.set_cookie("one", "1")
        resp.set_cookie("two", "2")

    app.add_sink(view, "/")
    return app


def without_termination(app: WSGIApplication) -> WSGIApplication:
    """Put a framework under both checkers.

    They refuse to read to the end, as frameworks do only of an input that ``wsgi.input_terminated``
    promises to end.
    """

    def reading_by_length(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        del environ["wsgi.input_terminated"]
        return app(environ, start_response)

    return checked(reading_by_length)


@pytest.mark.parametrize("under", [bare, without_termination])
@pytest.mark.parametrize("make", [flask_app, bottle_app, falcon_app])
@pytest.mark.parametrize(("case", "expected"), FRAMEWORK_CASES)
def test_framework_serves_a_recorded_event(
    make: Callable[[], Any],
    under: Callable[[WSGIApplication], WSGIApplication],
    case: str,
    expected: dict[str, Any],
    event: Event,
) -> None:
    handler = wrap(under(make()), interface="wsgi", on_error="raise")
    assert_echo(handler(event(case)), expected)


# In a process of its own, for Django's settings are the process's.
DJANGO = """
import json
import sys

from django.conf import settings

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__")

from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import re_path

from slsadapt import wrap

finished = []
request_finished.connect(lambda **_: finished.append(1), weak=False)


def view(request, path):
    if request.headers.get("x-raise"):
        raise LookupError
    seen = {
        "method": request.method,
        "path": request.path_info,
        "query": dict(request.GET.lists()),
        "cookies": request.COOKIES,
        "body": request.body.decode(),
    }
    answer = JsonResponse(seen, status=201)
    answer.set_cookie("one", "1")
    answer.set_cookie("two", "2")
    return answer


urlpatterns = [re_path("(.*)", view)]
handler = wrap(get_wsgi_application(), on_error="raise")
results = []
for number, event in enumerate(json.load(sys.stdin), 1):
    results.append(handler(event))
    assert len(finished) == number, finished
json.dump(results, sys.stdout)
"""


def test_django_serves_recorded_events_and_learns_of_their_end(event: Event) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", DJANGO],
        input=json.dumps([event(case) for case, _ in FRAMEWORK_CASES]),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    results = json.loads(process.stdout)
    assert len(results) == len(FRAMEWORK_CASES)
    for result, (_, expected) in zip(results, FRAMEWORK_CASES, strict=True):
        assert_echo(result, expected)


def test_names_beyond_ascii_arrive_as_octets(event: Event) -> None:
    sent = event("aws_http/rule_get_no_optional_keys")
    sent["headers"]["host"] = "店.example"
    sent["requestContext"]["authorizer"] = {"lambda": {"principalId": "李雷"}}
    seen: list[bytes] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        seen.extend(environ[key].encode("latin-1") for key in ("SERVER_NAME", "REMOTE_USER"))
        start_response("200 OK", [])
        return []

    assert wrap(app)(sent)["statusCode"] == 200
    assert seen == ["店.example".encode(), "李雷".encode()]
