"""Recorded events, sent again: to the same function, by another cloud, to a server."""

from __future__ import annotations

import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from slsadapt import OptionError, gateways, wrap
from slsadapt.gateways import OBJECT_NAMES
from slsadapt.testing import samples
from slsadapt.testing.cassettes import Cassette
from slsadapt.testing.gateway import Gateway
from slsadapt.testing.replay import Outcome, replay, replay_against, replay_as
from slsadapt.testing.samples import load
from slsadapt.testing.telling import lines_of
from tests.testing.apps import echo

EVENTS = Path(__file__).parents[1] / "events"

Start = Callable[..., Any]


def get(path: str, **headers: str) -> dict[str, Any]:
    """Write the event of a Tencent function URL."""
    return {
        "headers": {"host": "1300000000-abc.gz.tencentscf.com", **headers},
        "httpMethod": "GET",
        "path": path,
        "queryString": {},
    }


def result_of(body: str, status: int = 200, **headers: str) -> dict[str, Any]:
    """Write what is returned to Tencent's gateways."""
    return {
        "isBase64Encoded": False,
        "statusCode": status,
        "headers": {"Content-Type": "application/json"} | headers,
        "body": body,
    }


def cassette(event: Any, **rest: Any) -> Cassette:
    return Cassette.of({"slsadapt": 1, "event": event, **rest})


def app(environ: dict[str, Any], start_response: Start) -> list[bytes]:
    """Answer a price, or what the path says."""
    path = environ["PATH_INFO"]
    if path == "/fails":
        raise ValueError("out of stock")
    if path == "/location":
        html = ("Content-Type", "text/html")
        start_response("302 Found", [html, ("Location", environ["SCRIPT_NAME"] + "/price")])
        return [b""]
    if path == "/picture":
        start_response("200 OK", [("Content-Type", "image/png")])
        return [b"\x89PNG\r\n\x1a\n"]
    if path == "/bare":
        start_response("200 OK", [])
        return [b"bare"]
    if path == "/latin":
        start_response("200 OK", [("Content-Type", "text/plain; charset=latin-1")])
        return [b"caf\xe9"]
    if path == "/links":
        links = [("Link", "</a>; rel=prev"), ("Link", "</b>; rel=next")]
        start_response("200 OK", [("Content-Type", "text/plain"), *links])
        return [b"links"]
    headers = [("Content-Type", "application/json"), ("ETag", '"1"')]
    if "sid=" in environ.get("HTTP_COOKIE", ""):
        headers.append(("Set-Cookie", "sid=new; Path=/"))
    start_response("200 OK", headers)
    return [b'{"price": 12, "currency": "EUR"}']


PRICE = result_of('{"currency": "EUR", "price": 12}', ETag='"1"')


def told(outcome: Outcome) -> list[str]:
    return [line for each in outcome.differences for line in lines_of(each)]


# The same function


def test_same_answer() -> None:
    outcome = replay(Gateway(app), cassette(get("/price"), result=PRICE))
    assert (outcome.status, outcome.reason, outcome.differences) == ("same", "", [])
    assert outcome.delivery is not None
    assert outcome.delivery.event == get("/price")
    assert outcome.duration_ms > 0


def test_other_answer() -> None:
    recorded = result_of('{"price": 10, "currency": "EUR"}', 201, ETag='"0"')
    outcome = replay(Gateway(app), cassette(get("/price"), result=recorded))
    assert outcome.status == "different"
    assert told(outcome) == [
        "status: 201 -> 200",
        'headers.etag: "0" -> "1"',
        "body.price: 10 -> 12",
    ]


def test_outcome_tells_itself() -> None:
    recorded = result_of('{"price": 10, "currency": "EUR"}', ETag='"1"')
    outcome = replay(Gateway(app), cassette(get("/price"), result=recorded))
    assert str(outcome) == "different\nbody.price: 10 -> 12"
    failed = str(replay(Gateway(fail), cassette(get("/price"), result=recorded)))
    assert failed.startswith("Traceback (most recent call last):\n")
    assert failed.endswith("\nLookupError: no such order")
    skipped = cassette(get("/"), omitted={"event.body": {"bytes": 4, "sha256": "0" * 64}})
    assert str(replay(Gateway(app), skipped)) == "its body of 4 bytes was not recorded"


def test_other_answer_where_that_is_ignored() -> None:
    recorded = result_of('{"price": 10, "currency": "EUR"}', ETag='"0"')
    outcome = replay(
        Gateway(app), cassette(get("/price"), result=recorded), ignore=["etag", "body.price"]
    )
    assert outcome.status == "same"


def test_redacted_event_and_result() -> None:
    result = result_of('{"price": 12, "currency": "[redacted]"}', ETag='"1"')
    result["headers"]["Set-Cookie"] = "sid=[redacted]; Path=/"
    event = get("/price", cookie="sid=[redacted]")
    outcome = replay(Gateway(app), cassette(event, result=result))
    assert (outcome.status, told(outcome)) == ("same", [])


def test_body_that_was_not_kept() -> None:
    sha = sha256(b'{"price": 12, "currency": "EUR"}').hexdigest()
    digest = {"bytes": 32, "sha256": sha}
    recorded = PRICE | {"body": ""}
    case = cassette(get("/price"), result=recorded, omitted={"result.body": digest})
    assert told(replay(Gateway(app), case)) == []
    case = cassette(get("/links"), result=recorded, omitted={"result.body": digest})
    assert told(replay(Gateway(app), case))[-3:] == [
        "body",
        "  - 32 bytes, sha256 " + sha[:16],
        "  + 5 bytes, sha256 " + sha256(b"links").hexdigest()[:16],
    ]


def test_event_without_its_body_is_skipped() -> None:
    digest = {"bytes": 4321, "sha256": "0" * 64}
    case = cassette(get("/price"), result=PRICE, omitted={"event.body": digest})
    outcome = replay(Gateway(app), case)
    assert (outcome.status, outcome.delivery) == ("skipped", None)
    assert outcome.reason == "its body of 4,321 bytes was not recorded"


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(replay, id="same function"),
        pytest.param(replay_as, id="another cloud"),
        pytest.param(lambda gateway, case: replay_against("http://a", case), id="server"),
    ],
)
def test_event_that_is_no_json_is_skipped(send: Callable[..., Outcome]) -> None:
    objects = {"event": "azure.functions.HttpRequest"}
    case = cassette(None, dialect="azure", result={"status_code": 200}, objects=objects)
    outcome = send(Gateway(app), case)
    assert outcome.status == "skipped"
    assert outcome.reason == "the event is azure.functions.HttpRequest, which no file holds"


def test_event_alone() -> None:
    outcome = replay(Gateway(app), Cassette.of(get("/price")))
    assert (outcome.status, outcome.reason) == ("same", "nothing is recorded to compare with")


def test_event_alone_that_fails() -> None:
    outcome = replay(Gateway(app), Cassette.of(get("/fails")))
    assert outcome.status == "failed"
    assert outcome.reason == "500, and nothing is recorded to compare with"


def test_trigger() -> None:
    case = load("timer/tencent")

    def count(event: Any, context: Any) -> Any:
        return {"done": 3, "at": event["Time"], "left": ["a"]}

    gateway = Gateway(wrap(app, events={"timer": count}))
    result = {"done": 2, "at": case["event"]["Time"], "left": ["a", "b"]}
    assert told(replay(gateway, cassette(case["event"], result=result))) == [
        "result.done: 2 -> 3",
        'result.left[1]: "b" -> (absent)',
    ]
    assert replay(Gateway(app), cassette(case["event"], result=None)).status == "same"


# Exceptions


def fail(event: Any, context: Any) -> Any:
    raise LookupError("no such order")


def test_recorded_exception_again() -> None:
    error = {"type": "builtins.LookupError", "message": "no such order"}
    outcome = replay(Gateway(fail), cassette(get("/"), error=error))
    assert (outcome.status, outcome.reason, outcome.trace) == ("same", "", "")


@pytest.mark.parametrize(
    ("recorded", "line"),
    [
        pytest.param(
            {"type": "shop.NoOrder", "message": "no such order"},
            'error.type: "shop.NoOrder" -> "builtins.LookupError"',
            id="type",
        ),
        pytest.param(
            {"type": "builtins.LookupError", "message": "no order"},
            'error.message: "no order" -> "no such order"',
            id="message",
        ),
    ],
)
def test_recorded_exception_is_another(recorded: dict[str, str], line: str) -> None:
    outcome = replay(Gateway(fail), cassette(get("/"), error=recorded))
    assert (outcome.status, told(outcome)) == ("different", [line])


def test_recorded_exception_is_none_now() -> None:
    error = {"type": "builtins.LookupError", "message": "no"}
    outcome = replay(Gateway(app), cassette(get("/price"), error=error))
    assert told(outcome) == ['error: "builtins.LookupError: no" -> (absent)']


@pytest.mark.parametrize("recorded", [{"result": PRICE}, {}], ids=["result", "nothing"])
def test_exception_where_none_is_recorded(recorded: dict[str, Any]) -> None:
    outcome = replay(Gateway(fail), cassette(get("/"), **recorded))
    assert (outcome.status, outcome.reason) == ("failed", "LookupError: no such order")
    first, second = outcome.trace.splitlines()[:2]
    assert first == "Traceback (most recent call last):"
    assert __file__ in second
    assert second.endswith("in fail")


def test_exit_is_an_exception() -> None:
    def leave(event: Any, context: Any) -> Any:
        raise SystemExit(3)

    outcome = replay(Gateway(leave), cassette(get("/"), result=PRICE))
    assert (outcome.status, outcome.reason) == ("failed", "SystemExit: 3")


# Context


@pytest.mark.parametrize(
    ("case", "context", "attribute", "value"),
    [
        pytest.param(
            "aws_http/get", {"function_name": "orders"}, "function_name", "orders", id="aws"
        ),
        pytest.param("aws_http/get", {}, "function_name", "slsadapt", id="aws, nothing recorded"),
        pytest.param(
            "tencent_apigw/form", {"function_name": "orders"}, "function_name", "orders", id="dict"
        ),
    ],
)
def test_context(case: str, context: dict[str, Any], attribute: str, value: str) -> None:
    seen = []

    def remember(event: Any, context: Any) -> Any:
        seen.append(context)
        return {"statusCode": 200}

    outcome = replay(Gateway(remember), cassette(load(case)["event"], context=context))
    assert outcome.status == "same"
    (platform,) = seen
    if isinstance(platform, dict):
        assert platform[attribute] == value
        assert "time_limit_in_ms" in platform
    else:
        assert getattr(platform, attribute) == value
        assert platform.get_remaining_time_in_millis() > 0


# Another cloud


def recorded_at(name: str, path: str, function: Any = app, **rest: Any) -> Cassette:
    """Record what a function answers at a gateway."""
    dialect = gateways.load(name)
    event = dialect.encode_event(
        dialect.decode_event(load(f"{name}/get")["event"]).replace(path=path)
    )
    delivery = Gateway(function, name).replay(event)
    return cassette(event, **{"result": delivery.result, **rest})


def test_same_answer_at_another_cloud() -> None:
    case = recorded_at("aws_http", "/price")
    outcome = replay_as(Gateway(app, "tencent_apigw"), case)
    assert (outcome.status, told(outcome)) == ("same", [])
    assert outcome.delivery is not None
    assert "requestContext" in outcome.delivery.event
    assert outcome.delivery.event["httpMethod"] == "GET"


@pytest.mark.parametrize(
    ("name", "path", "other", "lines"),
    [
        pytest.param(
            "aws_rest",
            "/links",
            "aws_http",
            [
                "headers.link",
                '  - ["</a>; rel=prev", "</b>; rel=next"]',
                "  + </a>; rel=prev, </b>; rel=next",
                "(not carried: response headers that repeat: they are joined with commas)",
            ],
            id="other gateway joins",
        ),
        pytest.param(
            "aws_http",
            "/links",
            "aws_rest",
            [
                "headers.link",
                "  - </a>; rel=prev, </b>; rel=next",
                '  + ["</a>; rel=prev", "</b>; rel=next"]',
                "(not carried: response headers that repeat: they are joined with commas)",
            ],
            id="recorded gateway joined",
        ),
        pytest.param(
            "aws_http",
            "/picture",
            "volcengine",
            [
                "status: 200 -> 500",
                "(not carried: response bodies that are not UTF-8: they are refused)",
            ],
            id="other gateway refuses",
        ),
    ],
)
def test_what_a_gateway_does_not_carry_is_no_difference(
    name: str, path: str, other: str, lines: list[str]
) -> None:
    outcome = replay_as(Gateway(app, other), recorded_at(name, path))
    assert outcome.status == "same"
    explained = outcome.differences[0]
    assert [*lines_of(replace(explained, explained="")), f"({explained.explained})"] == lines


def test_header_that_a_gateway_adds_is_no_difference() -> None:
    outcome = replay_as(Gateway(app, "tencent_apigw"), recorded_at("aws_http", "/bare"))
    assert outcome.status == "same"
    assert told(outcome) == [
        "headers.content-type: application/json -> (absent)  (aws_http or tencent_apigw adds it)"
    ]


def test_what_a_gateway_does_not_carry_of_a_body_left_out() -> None:
    result = recorded_at("aws_http", "/latin").result | {"body": ""}
    digest = {"bytes": 4, "sha256": sha256(b"caf\xe9").hexdigest()}
    case = recorded_at("aws_http", "/latin", omitted={"result.body": digest}, result=result)
    assert replay_as(Gateway(app, "openwhisk"), case).status == "same"
    digest["sha256"] = "0" * 64
    case = recorded_at("aws_http", "/latin", omitted={"result.body": digest}, result=result)
    outcome = replay_as(Gateway(app, "openwhisk"), case)
    assert [each.where for each in outcome.differences if not each.explained] == ["body"]


def test_other_answer_at_another_cloud() -> None:
    case = recorded_at("aws_rest", "/links")
    headers = {"Link": ["</a>; rel=prev"]}
    changed = cassette(case.event, result=case.result | {"multiValueHeaders": headers})
    outcome = replay_as(Gateway(app, "aws_http"), changed)
    assert outcome.status == "different"
    assert told(outcome) == [
        "headers.link: </a>; rel=prev -> </a>; rel=prev, </b>; rel=next",
    ]


def test_other_answer_is_none_for_what_a_gateway_makes_of_the_request() -> None:
    """The request changes on the way, but the answer would have changed without."""
    case = recorded_at("aws_rest", "/price?a=1&b=2")
    result = case.result | {"body": '{"price": 10, "currency": "EUR"}'}
    outcome = replay_as(Gateway(app, "tencent_apigw"), cassette(case.event, result=result))
    assert (outcome.status, told(outcome)) == ("different", ["body.price: 10 -> 12"])


def test_request_that_a_gateway_changes_explains_its_answer() -> None:
    case = recorded_at("aws_http", "/", echo)
    outcome = replay_as(Gateway(echo, "openwhisk"), case)
    assert outcome.status == "same"
    reasons = {each.where: each.explained for each in outcome.differences}
    assert reasons["body.client"].startswith("not carried: ")
    assert "the client's address" in reasons["body.client"]


def test_event_alone_at_another_cloud_is_compared_with_its_own() -> None:
    calls = []

    def number(event: Any, context: Any) -> Any:
        calls.append(event)
        return {"statusCode": 200, "body": str(len(calls))}

    case = Cassette.of(load("aws_rest/get")["event"])
    outcome = replay_as(Gateway(number, "tencent_apigw"), case)
    assert [each.where for each in outcome.differences if not each.explained] == ["body"]
    assert replay_as(Gateway(app, "aws_alb"), Cassette.of(get("/price"))).status == "same"
    outcome = replay_as(Gateway(fail, "aws_alb"), Cassette.of(get("/price")))
    assert (outcome.status, outcome.reason) == ("failed", "LookupError: no such order")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        pytest.param(
            load("timer/tencent")["event"],
            "no HTTP request, and so of no other gateway",
            id="timer",
        ),
        pytest.param(
            get("/") | {"queryString": 3}, "no request can be read from it: ", id="wrong field"
        ),
    ],
)
def test_event_that_is_no_request_has_no_other_cloud(event: Any, reason: str) -> None:
    outcome = replay_as(Gateway(app, "aws_http"), cassette(event, result=None))
    assert outcome.status == "skipped"
    assert outcome.reason.startswith(reason)


def test_request_that_the_other_cloud_does_not_take_is_skipped() -> None:
    event = gateways.load("aws_function_url").encode_event(
        gateways.load("tencent_function_url")
        .decode_event(get("/price"))
        .replace(method="POST", body=b"x" * 1_100_000)
    )
    outcome = replay_as(Gateway(app, "aws_edge"), Cassette.of(event))
    assert outcome.status == "skipped"
    assert outcome.reason.startswith("aws_edge carries request bodies of ")


@pytest.mark.parametrize("name", [each for each in gateways.NAMES if each not in OBJECT_NAMES])
def test_every_event_at_every_cloud(name: str) -> None:
    """What arrives, and so all of the answer, is as the gateways tell it: nothing is left over."""
    gateway = Gateway(echo, name)
    for case in samples.names():
        recorded = samples.load(case)
        outcome = replay_as(gateway, cassette(recorded["event"]))
        is_request = case.partition("/")[0] in gateways.NAMES
        assert (outcome.status, case) == ("same" if is_request else "skipped", case)


# Every recorded event


def test_every_recorded_event() -> None:
    """An event that a dialect claims is answered, the same once more; no other one harms."""
    gateway = Gateway(echo)
    statuses = set()
    for file in sorted(EVENTS.glob("*/*.json")):
        case = json.loads(file.read_text(encoding="utf-8"))
        if "event" not in case:
            continue
        first = replay(gateway, cassette(case["event"], context=case.get("context")))
        statuses.add(first.status)
        pickle.loads(pickle.dumps(replace(first, delivery=None)))
        if first.answer is not None and first.answer.error is None:
            answer = json.loads(json.dumps(first.answer.result))
            again = replay(gateway, cassette(case["event"], result=answer))
            assert (told(again), file.name) == ([], file.name)
    assert statuses == {"same", "failed"}


# A server


@contextmanager
def served(application: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, application)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_server_that_answers_so() -> None:
    with served(app) as url:
        outcome = replay_against(url, cassette(get("/price"), result=PRICE))
    assert (outcome.status, told(outcome), outcome.delivery) == ("same", [], None)
    assert outcome.duration_ms > 0


def test_server_that_answers_otherwise() -> None:
    recorded = result_of('{"price": 10, "currency": "EUR"}', ETag='"1"')
    with served(app) as url:
        outcome = replay_against(url, cassette(get("/price"), result=recorded))
    assert (outcome.status, told(outcome)) == ("different", ["body.price: 10 -> 12"])


def test_server_and_function_are_compared() -> None:
    def other(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        start_response("404 Not Found", [("Content-Type", "application/json")])
        return [b'{"price": null}']

    case = cassette(get("/price"), result=PRICE)
    with served(other) as url:
        outcome = replay_against(url, case, Gateway(other))
        assert (outcome.status, told(outcome)) == ("same", [])
        assert replay_against(url, case, Gateway(app)).status == "different"
        assert replay_against(url, case, Gateway(fail)).status == "failed"


def test_server_gets_the_request_as_it_was() -> None:
    seen: list[dict[str, Any]] = []

    def remember(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        seen.append({**environ, "body": environ["wsgi.input"].read(4)})
        start_response("204 No Content", [])
        return []

    event = load("aws_rest/post_json")["event"] | {
        "path": "/a%2Fb/\u57ce",
        "httpMethod": "POST",
        "body": "\u57ce!",
        "multiValueQueryStringParameters": {"a": ["1", "2"], "b": ["c d"]},
        "multiValueHeaders": {
            "Host": ["example.execute-api.eu-west-1.amazonaws.com"],
            "X-Name": ["one", "two"],
            "Connection": ["keep-alive"],
            "Content-Type": ["text/plain"],
        },
    }
    with served(remember) as url:
        outcome = replay_against(f"{url}/base/", cassette(event))
        host = url.removeprefix("http://")
    assert outcome.reason == "nothing is recorded to compare with"
    (environ,) = seen
    request = gateways.load("aws_rest").decode_event(event)
    assert environ["REQUEST_METHOD"] == "POST"
    assert environ["REQUEST_URI"] == f"/base{request.path}?{request.query}"
    assert environ["HTTP_HOST"] == host
    assert environ["HTTP_X_NAME"] == "one,two"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["CONTENT_LENGTH"] == "4"
    assert environ["body"] == "\u57ce!".encode()
    assert "HTTP_CONNECTION" not in environ


def test_redirect_below_another_mount_is_the_same() -> None:
    case = recorded_at("aws_rest", "/location")
    assert case.result["headers"]["Location"] == "/stage/price"
    with served(app) as url:
        assert told(replay_against(url, case)) == []

    def elsewhere(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        location = f"http://{environ['HTTP_HOST']}/v2/prices"
        start_response("302 Found", [("Content-Type", "text/html"), ("Location", location)])
        return [b""]

    with served(elsewhere) as url:
        outcome = replay_against(f"{url}/v2", case)
        assert told(outcome) == ["headers.location: /price -> /prices"]


def test_event_that_is_no_request_is_for_no_server() -> None:
    case = cassette(load("timer/tencent")["event"], result=None)
    outcome = replay_against("http://127.0.0.1:9", case)
    assert (outcome.status, outcome.reason) == ("skipped", "no HTTP request, and so for no server")


def test_server_that_breaks_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        outcome = replay_against(url, cassette(get("/"), result=PRICE))
        thread.join()
    assert outcome.status == "failed"
    assert outcome.reason.startswith("the server gives no answer: RemoteDisconnected: ")


def test_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(ConnectionRefusedError):
        replay_against(url, cassette(get("/"), result=PRICE))


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "ftp://localhost",
        "http://",
        "http://localhost:port",
        "http://localhost:99999",
        "http://me:secret@localhost",
        "http://localhost/?a=1",
        "http://localhost/\u57ce",
    ],
)
def test_url_that_is_none_of_a_server(url: str) -> None:
    with pytest.raises(OptionError, match="a server's URL is http:// or https://"):
        replay_against(url, cassette(get("/"), result=PRICE))
