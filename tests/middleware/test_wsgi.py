"""Request IDs on any WSGI server, without the adapter and inside of it."""

from __future__ import annotations

import logging
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest

from slsadapt import logs, wrap
from slsadapt.errors import OptionError
from slsadapt.middleware.request_id import RequestIDs
from slsadapt.middleware.wsgi import RequestIDMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
LOGGER = logging.getLogger("tests.middleware.wsgi")


class Records(logging.Handler):
    """Keeps each record's message and what the log context held."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append((record.getMessage(), logs.context()))


@pytest.fixture
def records() -> Iterator[Records]:
    handler = Records()
    loggers = LOGGER, logging.getLogger("slsadapt")
    before = [(each, each.level) for each in loggers]
    for each in loggers:
        each.addHandler(handler)
        each.setLevel(logging.INFO)
    yield handler
    for each, level in before:
        each.removeHandler(handler)
        each.setLevel(level)


class Answer:
    """What a server would send."""

    def __init__(self) -> None:
        self.starts: list[tuple[str, list[tuple[str, str]]]] = []
        self.written: list[bytes] = []

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        self.starts.append((status, headers))
        return self.written.append

    def header(self, name: str) -> list[str]:
        return [value for each, value in self.starts[-1][1] if each.lower() == name.lower()]


def environ_of(path: str = "/", **headers: str) -> dict[str, Any]:
    environ: dict[str, Any] = {"SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    return environ | {f"HTTP_{name.upper()}": value for name, value in headers.items()}


def call(app: Any, environ: dict[str, Any]) -> tuple[Answer, bytes]:
    """Serve one request to its end, as a server would."""
    answer = Answer()
    body = app(environ, answer.start_response)
    try:
        octets = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    return answer, b"".join(answer.written) + octets


def plain(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Answer the ID and log once."""
    LOGGER.info("in the call")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [logs.request_id().encode()]


def event(path: str = "/") -> dict[str, Any]:
    """Write an event of AWS's payload 2.0."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "example.com"},
        "requestContext": {
            "requestId": "from-gateway",
            "stage": "$default",
            "http": {"method": "GET", "path": path, "sourceIp": "203.0.113.1"},
        },
        "isBase64Encoded": False,
    }


def test_application_and_response_have_the_same_new_id(records: Records) -> None:
    app = validator(RequestIDMiddleware(validator(plain)))
    first, first_body = call(app, environ_of())
    second, second_body = call(app, environ_of())
    ids = [*first.header("X-Request-ID"), *second.header("X-Request-ID")]
    assert [first_body.decode(), second_body.decode()] == ids
    assert [len(each) for each in ids] == [32, 32]
    assert ids[0] != ids[1]
    assert records.seen == [("in the call", {"request_id": each}) for each in ids]
    assert logs.context() == {}


@pytest.mark.parametrize(
    ("options", "headers", "expected"),
    [
        pytest.param({"trust": ["X-Request-ID"]}, {"x_request_id": "abc-1"}, "abc-1", id="trusted"),
        pytest.param(
            {"trust": ["x-request-id"]}, {"x_request_id": "abc-1"}, "abc-1", id="any case"
        ),
        pytest.param(
            {"trust": ["X-Amzn-Trace-Id", "X-Request-ID"]},
            {"x_request_id": "second"},
            "second",
            id="second trusted name",
        ),
        pytest.param(
            {"trust": ["X-One", "X-Two"]},
            {"x_one": "not this one", "x_two": "two"},
            "two",
            id="bad one passed over",
        ),
        pytest.param({}, {"traceparent": TRACEPARENT}, TRACE_ID, id="traceparent"),
        pytest.param(
            {"trust": ["X-Request-ID"]},
            {"x_request_id": "mine", "traceparent": TRACEPARENT},
            "mine",
            id="trusted before traceparent",
        ),
        pytest.param({"generate": lambda: "made"}, {"x_request_id": "x"}, "made", id="untrusted"),
        pytest.param(
            {"generate": lambda: "made"},
            {"traceparent": TRACEPARENT.upper()},
            "made",
            id="upper-case traceparent",
        ),
    ],
)
def test_id_comes_from(options: dict[str, Any], headers: dict[str, str], expected: str) -> None:
    answer, body = call(RequestIDMiddleware(plain, **options), environ_of(**headers))
    assert answer.header("X-Request-ID") == [expected]
    assert body == expected.encode()


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param("forged\nline", id="line feed"),
        pytest.param("forged\r\nSet-Cookie: a=b", id="header"),
        pytest.param("forged\n", id="line feed at the end"),
        pytest.param("forg\xe9d", id="latin-1"),
        pytest.param("\u0661\u0662\u0663\u0664", id="digits of another script"),
        pytest.param("f" * 129, id="129 characters"),
        pytest.param("{4bf92f3577b34da6a3ce929d0e0e4736}", id="braces"),
        pytest.param("forged, twice", id="repeated"),
        pytest.param("-forged", id="dash first"),
        pytest.param("", id="empty"),
    ],
)
def test_bad_trusted_id_is_replaced_and_never_echoed(records: Records, bad: str) -> None:
    app = RequestIDMiddleware(plain, trust=["X-Request-ID"], generate=lambda: "made")
    answer, body = call(app, environ_of(x_request_id=bad))
    assert answer.starts == [("200 OK", [("Content-Type", "text/plain"), ("X-Request-ID", "made")])]
    assert body == b"made"
    assert records.seen == [("in the call", {"request_id": "made"})]


def test_bad_generated_id_is_replaced() -> None:
    answer, _ = call(RequestIDMiddleware(plain, generate=lambda: "line\nbreak"), environ_of())
    (value,) = answer.header("X-Request-ID")
    assert len(value) == 32
    assert value.isalnum()


def test_header_can_be_left_out() -> None:
    answer, body = call(RequestIDMiddleware(plain, header=None), environ_of())
    assert answer.starts == [("200 OK", [("Content-Type", "text/plain")])]
    assert len(body) == 32


def test_header_can_have_another_name() -> None:
    answer, body = call(RequestIDMiddleware(plain, header="X-Trace"), environ_of())
    assert answer.header("X-Trace") == [body.decode()]
    assert answer.header("X-Request-ID") == []


def test_header_of_the_application_is_kept() -> None:
    headers = [("x-request-id", "its own")]

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", headers)
        return []

    answer, _ = call(RequestIDMiddleware(app), environ_of())
    assert answer.starts == [("200 OK", [("x-request-id", "its own")])]


def test_list_of_headers_is_not_changed_in_place() -> None:
    shared = [("Content-Type", "text/plain")]

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", shared)
        return []

    middleware = RequestIDMiddleware(app)
    for _ in range(2):
        answer, _ = call(middleware, environ_of())
        assert len(answer.header("X-Request-ID")) == 1
    assert shared == [("Content-Type", "text/plain")]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"trust": "X-Request-ID"}, id="trust as str"),
        pytest.param({"header": "X Request"}, id="header with a space"),
        pytest.param({"trust": ["X-Id\n"]}, id="trusted name with a line break"),
    ],
)
def test_wrong_option_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        RequestIDMiddleware(plain, **options)


def test_write_and_body_follow_one_header() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"written ")
        return [b"returned"]

    answer, body = call(validator(RequestIDMiddleware(validator(app))), environ_of())
    assert body == b"written returned"
    assert len(answer.header("X-Request-ID")) == 1


def test_second_start_with_exc_info_carries_the_id_too() -> None:
    seen: list[Any] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            raise LookupError("too late")
        except LookupError:
            start_response("500 Oops", [("Content-Type", "text/html")], sys.exc_info())
        return [b"sorry"]

    class Server(Answer):
        def start_response(
            self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
        ) -> Callable[[bytes], object]:
            seen.append(exc_info and exc_info[0])
            return super().start_response(status, headers)

    server = Server()
    middleware = RequestIDMiddleware(app, generate=lambda: "made")
    assert middleware(environ_of(), server.start_response) == [b"sorry"]
    assert server.starts == [
        ("200 OK", [("Content-Type", "text/plain"), ("X-Request-ID", "made")]),
        ("500 Oops", [("Content-Type", "text/html"), ("X-Request-ID", "made")]),
    ]
    assert seen == [None, LookupError]


def test_what_the_server_raises_reaches_the_application() -> None:
    caught: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        try:
            start_response("200 OK", [])
        except AssertionError as error:
            caught.append(str(error))
        return []

    def refusing(status: str, headers: Any, *exc_info: Any) -> Callable[[bytes], object]:
        if started:
            raise AssertionError("called twice")
        started.append(status)
        return lambda data: None

    started: list[str] = []
    assert RequestIDMiddleware(app)(environ_of(), refusing) == []
    assert caught == ["called twice"]


class ListOfBytes(list[bytes]):
    """What an application may return with steps of its own."""

    def __iter__(self) -> Iterator[bytes]:
        LOGGER.info("in a step")
        return super().__iter__()


def test_list_is_passed_through_as_it_is() -> None:
    body = [b"a", b"b"]
    middleware = RequestIDMiddleware(lambda environ, start_response: body)
    assert middleware(environ_of(), Answer().start_response) is body


def test_file_wrapper_is_passed_through_as_it_is() -> None:
    body = FileWrapper(BytesIO(b"a file"))
    environ = environ_of() | {"wsgi.file_wrapper": FileWrapper}
    middleware = RequestIDMiddleware(lambda environ, start_response: body)
    assert middleware(environ, Answer().start_response) is body


def test_file_wrapper_that_is_not_the_servers_is_read_and_closed() -> None:
    file = BytesIO(b"a file")

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return FileWrapper(file)

    _, body = call(validator(RequestIDMiddleware(validator(app))), environ_of())
    assert body == b"a file"
    assert file.closed


def test_subclass_of_list_logs_with_the_id(records: Records) -> None:
    middleware = RequestIDMiddleware(
        lambda environ, start_response: ListOfBytes([b"a"]), generate=lambda: "made"
    )
    assert call(middleware, environ_of())[1] == b"a"
    assert records.seen == [("in a step", {"request_id": "made"})]


class Stream:
    """A body that logs wherever the application's code runs, and binds while it is read."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.breaks = breaks

    def __iter__(self) -> Iterator[bytes]:
        LOGGER.info("step 1")
        yield b"one "
        logs.bind(late=True)
        LOGGER.info("step 2")
        if self.breaks:
            raise LookupError("broken off")
        yield b"two"

    def close(self) -> None:
        LOGGER.info("close")


def streaming(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    logs.bind(user="ada")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Stream(breaks=environ["PATH_INFO"] == "/breaks")


BEFORE = {"request_id": "made", "user": "ada"}


def test_each_step_and_close_log_with_the_context(records: Records) -> None:
    app = validator(RequestIDMiddleware(validator(streaming), generate=lambda: "made"))
    assert call(app, environ_of())[1] == b"one two"
    late = BEFORE | {"late": True}
    assert records.seen == [("step 1", BEFORE), ("step 2", late), ("close", late)]
    assert logs.context() == {}


def test_close_without_reading_logs_with_the_context(records: Records) -> None:
    body: Any = RequestIDMiddleware(streaming, generate=lambda: "made")(
        environ_of(), Answer().start_response
    )
    body.close()
    assert records.seen == [("close", BEFORE)]


def test_two_streams_read_in_turns_keep_their_contexts(records: Records) -> None:
    numbers = iter(("first", "second"))
    middleware = RequestIDMiddleware(streaming, generate=lambda: next(numbers))
    bodies: list[Any] = [middleware(environ_of(), Answer().start_response) for _ in range(2)]
    parts = [iter(body) for body in bodies]
    assert [next(each) for each in (*parts, *parts)] == [b"one ", b"one ", b"two", b"two"]
    bodies[1].close()
    bodies[0].close()
    assert [found["request_id"] for _, found in records.seen] == ["first", "second"] * 2 + [
        "second",
        "first",
    ]


def test_broken_stream_is_closed_once_and_leaves_nothing(records: Records) -> None:
    middleware = RequestIDMiddleware(streaming, generate=lambda: "made")
    with pytest.raises(LookupError, match="broken off"):
        call(middleware, environ_of("/breaks"))
    assert [message for message, _ in records.seen] == ["step 1", "step 2", "close"]
    assert logs.context() == {}


def test_generator_starts_with_the_first_part(records: Records) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        logs.bind(user="ada")
        LOGGER.info("started")
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            yield b"one"
            yield b"two"
        finally:
            LOGGER.info("ended")

    answer = Answer()
    body: Any = RequestIDMiddleware(app, generate=lambda: "made")(
        environ_of(), answer.start_response
    )
    assert answer.starts == []
    assert next(iter(body)) == b"one"
    assert answer.header("X-Request-ID") == ["made"]
    body.close()
    assert records.seen == [("started", BEFORE), ("ended", BEFORE)]
    assert logs.context() == {}


def test_exception_passes_and_leaves_nothing() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        logs.bind(user="ada")
        raise LookupError(logs.request_id())

    with pytest.raises(LookupError, match="made"):
        call(RequestIDMiddleware(app, generate=lambda: "made"), environ_of())
    assert logs.context() == {}


def test_bound_fields_are_gone_for_the_next_request_of_the_thread(records: Records) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        LOGGER.info("before")
        logs.bind(path=environ["PATH_INFO"])
        LOGGER.info("after")
        start_response("200 OK", [])
        return []

    numbers = iter(("first", "second"))
    middleware = RequestIDMiddleware(app, generate=lambda: next(numbers))
    call(middleware, environ_of("/1"))
    call(middleware, environ_of("/2"))
    assert records.seen == [
        ("before", {"request_id": "first"}),
        ("after", {"request_id": "first", "path": "/1"}),
        ("before", {"request_id": "second"}),
        ("after", {"request_id": "second", "path": "/2"}),
    ]


def test_nested_twice_gives_one_id_and_one_header(records: Records) -> None:
    inner = RequestIDMiddleware(streaming, generate=lambda: "inner")
    app = validator(RequestIDMiddleware(validator(inner), generate=lambda: "made"))
    answer, body = call(app, environ_of())
    assert body == b"one two"
    assert answer.header("X-Request-ID") == ["made"]
    assert {found["request_id"] for _, found in records.seen} == {"made"}
    assert len(records.seen) == 3


def test_inside_of_wrap_the_gateways_id_stays(records: Records) -> None:
    handler = wrap(RequestIDMiddleware(streaming, generate=lambda: "inner"))
    result = handler(event())
    assert result["headers"] == {"content-type": "text/plain", "x-request-id": "from-gateway"}
    assert result["body"] == "one two"
    assert {found["request_id"] for _, found in records.seen} == {"from-gateway"}
    assert len(records.seen) == 3


def test_inside_of_wrap_without_ids_it_gives_its_own() -> None:
    handler = wrap(RequestIDMiddleware(plain, generate=lambda: "inner"), request_id=False)
    result = handler(event())
    assert result["headers"] == {"content-type": "text/plain", "x-request-id": "inner"}
    assert result["body"] == "inner"


@pytest.mark.parametrize("path", ["/raises", "/breaks"])
def test_inside_of_wrap_bound_fields_stay_for_the_log_line_of_a_500(
    records: Records, path: str
) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/raises":
            logs.bind(user="ada")
            raise LookupError
        return streaming(environ, start_response)

    told: list[dict[str, Any]] = []
    nested = RequestIDMiddleware(RequestIDMiddleware(app))
    handler = wrap(nested, timing=lambda timing: told.append(logs.context()))
    result = handler(event(path))
    assert result["statusCode"] == 500
    assert result["headers"]["x-request-id"] == "from-gateway"
    message, found = records.seen[-1]
    assert message == f"request from-gateway failed: GET {path}"
    for each in (found, *told):
        assert (each["request_id"], each["user"]) == ("from-gateway", "ada")
    assert len(told) == 1
    assert logs.context() == {}


def test_adapter_and_middleware_can_share_options() -> None:
    ids = RequestIDs(header="X-Trace")
    handler = wrap(RequestIDMiddleware(plain, header="X-Trace"), request_id=ids)
    assert handler(event())["headers"] == {"content-type": "text/plain", "x-trace": "from-gateway"}


class ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = False


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Write nothing to standard error."""


def mixed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer in one of four ways, each of which logs the request's number."""
    number = environ["PATH_INFO"][1:]
    LOGGER.info("%s begins", number)
    logs.bind(number=number)
    LOGGER.info("%s bound", number)
    kind = int(number) % 4

    def stream() -> Iterator[bytes]:
        try:
            for part in range(3):
                LOGGER.info("%s bound", number)
                logs.bind(**{f"part_{part}": part})
                yield logs.request_id().encode() if part == 2 else b""
        finally:
            LOGGER.info("%s bound", number)

    if kind == 3:
        start_response("500 Oops", [("Content-Type", "text/plain")])
        try:
            raise LookupError
        except LookupError:
            headers = [("Content-Type", "text/plain")]
            start_response("503 Oops", headers, sys.exc_info())
        return (logs.request_id().encode(),)
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    if kind == 0:
        return [logs.request_id().encode()]
    if kind == 1:
        write(logs.request_id().encode())
        return []
    return stream()


def test_threaded_server_mixes_nothing_up(records: Records) -> None:
    app = validator(RequestIDMiddleware(validator(mixed), trust=["X-Request-ID"]))
    server = make_server("127.0.0.1", 0, app, ThreadingServer, Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Calm())

    def ask(number: int) -> tuple[int, list[str], str]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.server_port}/{number}",
            headers={"X-Request-ID": f"id-{number}"},
        )
        with opener.open(request, timeout=30) as response:
            return number, response.headers.get_all("X-Request-ID"), response.read().decode()

    try:
        with ThreadPoolExecutor(8) as pool:
            answers = [*pool.map(ask, range(400))]
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()
    assert answers == [(each, [f"id-{each}"], f"id-{each}") for each in range(400)]
    wrong = []
    for message, found in records.seen:
        number, what = message.split()
        expected = {"request_id": f"id-{number}"}
        if what == "bound":
            expected["number"] = number
        if {name: found[name] for name in found if not name.startswith("part_")} != expected:
            wrong.append((message, found))
    assert wrong == []
    # Two of each request, and four more of each of the hundred streams.
    assert len(records.seen) == 400 * 2 + 100 * 4


class _Calm(urllib.request.HTTPErrorProcessor):
    """Takes a 503 as an answer."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response
