"""Request IDs as a Flask extension."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Blueprint, Flask, abort, g, request, stream_with_context
from werkzeug.test import Client

from slsadapt import logs, wrap
from slsadapt.middleware.flask import RequestID

LOGGER = logging.getLogger("tests.middleware.flask")
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
MINE = {"X-Request-ID": "abc"}
ID = {"request_id": "abc"}
BOUND = {"request_id": "abc", "user": "ada"}


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
    # "shop" is the name of the applications, and so of Flask's loggers.
    loggers = LOGGER, logging.getLogger("slsadapt"), logging.getLogger("shop")
    before = [(each, each.level) for each in loggers]
    for each in loggers:
        each.addHandler(handler)
        each.setLevel(logging.INFO)
    yield handler
    for each, level in before:
        each.removeHandler(handler)
        each.setLevel(level)


def shop() -> Flask:
    """Make an application that has no request IDs yet."""
    app = Flask("shop")

    @app.before_request
    def first() -> None:
        LOGGER.info("before")
        g.request_id = logs.request_id()
        logs.bind(user="ada")

    @app.after_request
    def last(response: Any) -> Any:
        LOGGER.info("after")
        return response

    @app.teardown_request
    def clean_up(error: BaseException | None) -> None:
        LOGGER.info("teardown")

    @app.get("/")
    def page() -> str:
        return f"{logs.request_id()} {g.request_id}"

    @app.get("/stream")
    def stream() -> Any:
        def parts() -> Iterator[str]:
            LOGGER.info("one of %s", request.path)
            yield "one "
            logs.bind(late=True)
            LOGGER.info("two of %s", request.path)
            yield "two"

        response = app.response_class(stream_with_context(parts()))
        response.call_on_close(lambda: LOGGER.info("close"))
        return response

    @app.get("/own")
    def own() -> Any:
        return "", {"x-request-id": "its own"}

    @app.get("/missing")
    def missing() -> Any:
        abort(404)

    @app.get("/fails")
    def fails() -> Any:
        raise LookupError("a fault of the application")

    return app


def by_constructor(app: Flask) -> None:
    RequestID(app, trust=["X-Request-ID"])


def by_init_app(app: Flask) -> None:
    RequestID(trust=["X-Request-ID"]).init_app(app)


def twice(app: Flask) -> None:
    extension = RequestID(app, trust=["X-Request-ID"])
    extension.init_app(app)
    RequestID(app, header="X-Second")


def around_another(app: Flask) -> None:
    RequestID(app, header=None)
    del app.extensions["slsadapt_request_id"]
    RequestID(app, trust=["X-Request-ID"])


@pytest.mark.parametrize("install", [by_constructor, by_init_app, twice, around_another])
def test_hooks_view_and_response_have_one_id(records: Records, install: Any) -> None:
    app = shop()
    install(app)
    answer = app.test_client().get("/", headers=MINE)
    assert answer.text == "abc abc"
    assert answer.headers.getlist("X-Request-ID") == ["abc"]
    assert "X-Second" not in answer.headers
    assert records.seen == [("before", ID), ("after", BOUND), ("teardown", BOUND)]
    assert logs.context() == {}


@pytest.mark.parametrize(
    ("options", "headers", "expected"),
    [
        pytest.param({"generate": lambda: "made"}, MINE, "made", id="untrusted"),
        pytest.param({}, {"traceparent": TRACEPARENT}, TRACE_ID, id="traceparent"),
        pytest.param(
            {"trust": ["X-Request-ID"], "generate": lambda: "made"},
            {"X-Request-ID": "{abc}"},
            "made",
            id="bad",
        ),
    ],
)
def test_id_comes_from(options: dict[str, Any], headers: dict[str, str], expected: str) -> None:
    app = shop()
    RequestID(app, **options)
    answer = app.test_client().get("/", headers=headers)
    assert answer.text == f"{expected} {expected}"
    assert answer.headers.getlist("X-Request-ID") == [expected]


@pytest.mark.parametrize(
    ("header", "ids"),
    [pytest.param(None, {}, id="none"), pytest.param("X-Trace", {"X-Trace": "made"}, id="other")],
)
def test_response_header_is_what_the_options_say(header: str | None, ids: dict[str, str]) -> None:
    app = shop()
    RequestID(app, header=header, generate=lambda: "made")
    answer = app.test_client().get("/")
    assert {name: value for name, value in answer.headers if name.startswith("X-")} == ids
    assert answer.text == "made made"


def test_header_of_the_view_is_kept() -> None:
    app = shop()
    RequestID(app)
    assert app.test_client().get("/own").headers.getlist("X-Request-ID") == ["its own"]


def test_stream_with_context_logs_with_the_context_to_its_end(records: Records) -> None:
    app = shop()
    by_constructor(app)
    answer = app.test_client().get("/stream", headers=MINE)
    assert answer.text == "one two"
    answer.close()
    late = BOUND | {"late": True}
    found = dict(records.seen)
    assert found["one of /stream"] == BOUND
    assert found["two of /stream"] == found["close"] == found["teardown"] == late
    assert logs.context() == {}


def test_stream_that_is_abandoned_is_closed_in_its_context(records: Records) -> None:
    app = shop()
    by_constructor(app)
    body, _, _ = Client(app).run_wsgi_app(_environ("/stream"))
    assert next(iter(body)) == b"one "
    body.close()  # type: ignore[attr-defined]
    assert ("close", BOUND) in records.seen
    assert {found.get("request_id") for _, found in records.seen} == {"abc"}


def _environ(path: str) -> dict[str, Any]:
    from werkzeug.test import EnvironBuilder

    return EnvironBuilder(path, headers=[*MINE.items()]).get_environ()


@pytest.mark.parametrize(
    ("path", "status"), [("/missing", 404), ("/nowhere", 404), ("/fails", 500)]
)
def test_errors_carry_the_id(records: Records, path: str, status: int) -> None:
    app = shop()
    by_constructor(app)
    answer = app.test_client().get(path, headers=MINE)
    assert answer.status_code == status
    assert answer.headers.getlist("X-Request-ID") == ["abc"]
    if status == 500:
        assert ("Exception on /fails [GET]", BOUND) in records.seen


@pytest.mark.parametrize("path", ["/missing", "/fails"])
def test_errorhandler_sees_the_context(path: str) -> None:
    app = shop()
    by_constructor(app)
    app.register_error_handler(404, lambda error: (logs.context(), 404))
    app.register_error_handler(LookupError, lambda error: (logs.context(), 500))
    answer = app.test_client().get(path, headers=MINE)
    assert answer.json == BOUND
    assert answer.headers.getlist("X-Request-ID") == ["abc"]


def test_exception_that_propagates_leaves_nothing() -> None:
    app = shop()
    app.testing = True
    by_constructor(app)
    with pytest.raises(LookupError, match="a fault of the application"):
        app.test_client().get("/fails", headers=MINE)
    assert logs.context() == {}


def test_one_extension_serves_several_applications_from_a_factory() -> None:
    numbers = iter(range(9))
    extension = RequestID(generate=lambda: f"made-{next(numbers)}")

    def create_app(name: str) -> Flask:
        app = Flask(name)
        extension.init_app(app)
        orders = Blueprint("orders", __name__)
        orders.add_url_rule("/", view_func=lambda: f"{name} {logs.request_id()}")
        app.register_blueprint(orders)
        return app

    clients = [create_app(name).test_client() for name in ("one", "two")]
    answers = [client.get("/") for client in (*clients, *clients)]
    assert [answer.text for answer in answers] == [
        "one made-0",
        "two made-1",
        "one made-2",
        "two made-3",
    ]
    assert [answer.headers["X-Request-ID"] for answer in answers] == [
        f"made-{number}" for number in range(4)
    ]


def test_applications_keep_options_of_their_own() -> None:
    one, two = shop(), shop()
    RequestID(one, header="X-One", generate=lambda: "of-one")
    RequestID(two, header="X-Two", generate=lambda: "of-two")
    assert one.test_client().get("/").headers["X-One"] == "of-one"
    assert two.test_client().get("/").headers["X-Two"] == "of-two"


def test_view_that_calls_another_application_keeps_its_id() -> None:
    outer, inner = Flask("outer"), Flask("inner")
    RequestID(outer, trust=["X-Request-ID"])
    RequestID(inner, generate=lambda: "inner")
    inner.add_url_rule("/", view_func=lambda: logs.request_id())
    outer.add_url_rule("/", view_func=lambda: Client(inner).get("/").text)
    assert outer.test_client().get("/", headers=MINE).text == "abc"


def test_context_that_the_test_client_keeps_open_is_let_go() -> None:
    app = shop()
    by_constructor(app)
    with app.test_client() as client:
        for number in range(3):
            answer = client.get("/", headers={"X-Request-ID": f"id-{number}"})
            assert answer.text == f"id-{number} id-{number}"
            assert g.request_id == f"id-{number}"
            assert logs.context() == {}


def test_inside_of_wrap_the_gateways_id_and_bound_fields_stay(records: Records) -> None:
    app = shop()
    RequestID(app, generate=lambda: "inner")
    told: list[dict[str, Any]] = []
    handler = wrap(app, timing=lambda timing: told.append(logs.context()))

    def event(path: str) -> dict[str, Any]:
        http = {"method": "GET", "path": path, "sourceIp": "203.0.113.1"}
        return {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"host": "example.com"},
            "requestContext": {"requestId": "from-gateway", "stage": "$default", "http": http},
            "isBase64Encoded": False,
        }

    results = [handler(event(path)) for path in ("/", "/stream", "/fails")]
    assert [result["statusCode"] for result in results] == [200, 200, 500]
    assert [result["headers"]["x-request-id"] for result in results] == ["from-gateway"] * 3
    assert [result["body"] for result in results[:2]] == ["from-gateway from-gateway", "one two"]
    bound = {"request_id": "from-gateway", "user": "ada"}
    assert told == [bound, bound | {"late": True}, bound]
    assert {found["request_id"] for _, found in records.seen} == {"from-gateway"}
    assert logs.context() == {}


def test_requests_of_many_threads_mix_nothing_up(records: Records) -> None:
    app = shop()
    by_constructor(app)
    paths = "/", "/stream", "/missing", "/fails"

    def ask(number: int) -> tuple[list[str], dict[str, Any]]:
        answer = app.test_client().get(
            paths[number % 4], headers={"X-Request-ID": f"id-{number}"}, buffered=True
        )
        return answer.headers.getlist("X-Request-ID"), logs.context()

    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(ask, range(400))]
    assert answers == [([f"id-{number}"], {}) for number in range(400)]
    begun = [found for message, found in records.seen if message == "before"]
    assert sorted(found["request_id"] for found in begun) == sorted(f"id-{n}" for n in range(400))
    assert all(found.keys() == {"request_id"} for found in begun)
    assert all("request_id" in found for _, found in records.seen)
