"""Gateway: from a request to its event, the function, its result and the response."""

from __future__ import annotations

import functools
import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import (
    BadEventError,
    InterfaceError,
    NotCarriedError,
    OptionError,
    Request,
    UnknownEventError,
    gateways,
    wrap,
)
from slsadapt.testing import Delivery, Gateway
from slsadapt.testing.gateway import is_function
from tests.conftest import load_case
from tests.testing.apps import echo, echo_asgi

if TYPE_CHECKING:
    from collections.abc import Callable

HTTP = "aws_http/rule_get_no_optional_keys"
GET = Request("GET", "/orders", "page=2", [("host", "shop.example"), ("x-shop", "1")])


def ok(event: Any, context: Any) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "ok"}


def failing(event: Any, context: Any) -> None:
    raise LookupError("no such order")


# Requests.


def test_delivery_has_all_that_came_about() -> None:
    delivery = Gateway(ok).deliver(GET)
    assert delivery.dialect is gateways.load("aws_http")
    assert delivery.request is not None
    assert delivery.request.replace(request_id="") == GET
    assert delivery.event["rawPath"] == "/orders"
    assert delivery.event["headers"]["x-shop"] == "1"
    assert delivery.context.function_name
    assert delivery.result == ok(None, None)
    assert delivery.response is not None
    assert (delivery.response.status, delivery.response.body) == (200, b"ok")
    assert delivery.error is None
    assert delivery.timing.total_ms >= 0


def test_request_keeps_the_id_it_has() -> None:
    gateway = Gateway(ok, "aws_rest")
    given = gateway.deliver(GET.replace(request_id="of-the-client"))
    assert given.event["requestContext"]["requestId"] == "of-the-client"
    made = [gateway.deliver(GET).event["requestContext"]["requestId"] for _ in range(2)]
    assert len({uuid.UUID(each) for each in made}) == 2


def test_function_gets_the_event_as_json_holds_it() -> None:
    events: list[Any] = []

    def function(event: Any, context: Any) -> Any:
        events.append(event)
        return {"statusCode": 200, "body": "ok", 1: ("a", "b")}

    delivery = Gateway(function, "aws_rest").deliver(GET)
    assert events[0] == delivery.event
    assert events[0] is not delivery.event
    assert delivery.result == {"statusCode": 200, "body": "ok", "1": ["a", "b"]}


def test_neither_side_can_change_what_the_other_has() -> None:
    result = {"statusCode": 200, "headers": {}, "body": "ok"}

    def function(event: Any, context: Any) -> Any:
        event.clear()
        return result

    gateway = Gateway(function)
    delivery = gateway.deliver(GET)
    assert delivery.event["rawPath"] == "/orders"
    delivery.result.clear()
    assert result["body"] == "ok"
    recorded = load_case(HTTP)["event"]
    gateway.replay(recorded)
    assert recorded == load_case(HTTP)["event"]


@pytest.mark.parametrize("name", ["alibaba_apigw", "alibaba_fc3"])
def test_function_compute_passes_bytes(name: str) -> None:
    events: list[bytes] = []

    def function(event: bytes, context: Any) -> Any:
        events.append(event)
        return {"statusCode": 204}

    gateway = Gateway(function, name)
    delivery = gateway.deliver(GET)
    assert delivery.event["queryParameters"] == {"page": "2"}
    gateway.replay(delivery.event)
    assert [type(event) for event in events] == [bytes, bytes]
    assert [json.loads(event) for event in events] == [delivery.event] * 2


def request_id_of(context: Any) -> Any:
    """Read the invocation's ID as functions of each platform do."""
    if isinstance(context, dict):
        return context.get("request_id")
    if hasattr(context, "getRequestID"):
        return context.getRequestID()
    names = ("request_id", "aws_request_id", "bce_request_id", "invocation_id", "activation_id")
    return next((getattr(context, name) for name in names if hasattr(context, name)), None)


@pytest.mark.parametrize("name", gateways.NAMES)
def test_context_is_one_of_the_platform(name: str) -> None:
    contexts: list[Any] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        contexts.append(environ["serverless.context"])
        start_response("204 No Content", [])
        return []

    gateway = Gateway(app, name)
    deliveries = [gateway.deliver(GET) for _ in range(2)]
    assert contexts == [each.context for each in deliveries]
    first, second = contexts
    if name in ("gcp", "openwhisk", "scaleway"):
        # The first two pass none, and Scaleway's tells no ID.
        assert request_id_of(first) is None
    else:
        assert request_id_of(first)
        assert request_id_of(first) != request_id_of(second)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"headers": [("Transfer-Encoding", "chunked")]}, "no gateway streams", id="t"),
        pytest.param({"body": b"x" * 1_048_577}, "bytes at most, got 1,048,577", id="large body"),
    ],
)
def test_request_that_is_not_carried_reaches_nobody(changes: Any, message: str) -> None:
    told: list[Delivery] = []
    gateway = Gateway(failing, "aws_alb", told=told.append)
    with pytest.raises(NotCarriedError, match=message):
        gateway.deliver(GET.replace(**changes))
    assert told == []


def test_body_of_any_size_where_the_platform_names_no_limit() -> None:
    assert gateways.load("alibaba_apigw").REQUEST_LIMIT_BYTES is None
    delivery = Gateway(ok, "alibaba_apigw").deliver(GET.replace(method="PUT", body=b"x" * 10**7))
    assert delivery.response is not None
    assert delivery.response.status == 200


# Recorded events.


@pytest.mark.parametrize(
    ("case", "name"),
    [
        pytest.param(HTTP, "aws_http", id="its own dialect"),
        pytest.param("tencent_apigw/get_no_body_minimal", "tencent_apigw", id="another"),
    ],
)
def test_replayed_event_finds_its_dialect(case: str, name: str) -> None:
    recorded = load_case(case)["event"]
    delivery = Gateway(echo).replay(recorded)
    assert delivery.dialect is gateways.load(name)
    assert delivery.request is None
    assert delivery.event == recorded
    assert delivery.response is not None
    assert delivery.response.status == 200


def test_replayed_timer_has_a_result_alone() -> None:
    recorded = load_case("tencent_timer/timer_doc")["event"]
    delivery = Gateway(lambda event, context: event["Type"]).replay(recorded)
    assert (delivery.dialect, delivery.response) == (None, None)
    assert delivery.result == "Timer"
    unrouted = Gateway(echo).replay(recorded)
    assert unrouted.result is None


@pytest.mark.parametrize(
    ("event", "error"),
    [
        pytest.param({"hello": "world"}, UnknownEventError, id="nobody's"),
        pytest.param([1], BadEventError, id="no object"),
        pytest.param(None, BadEventError, id="nothing"),
    ],
)
def test_replayed_event_must_be_somebodys(event: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Gateway(ok).replay(event)


def test_fields_of_a_recorded_context_leave_what_counts() -> None:
    recorded = load_case(HTTP)["event"]
    fields = {"aws_request_id": "recorded", "get_remaining_time_in_millis": 5, "log": None}
    context = Gateway(ok).replay(recorded, fields=fields).context
    assert context.aws_request_id == "recorded"
    assert 5 < context.get_remaining_time_in_millis() <= 3000


# Being told.


def test_each_delivery_is_told_at_its_end() -> None:
    told: list[Delivery] = []
    gateway = Gateway(ok, told=told.append)
    delivered = [gateway.deliver(GET), gateway.replay(load_case(HTTP)["event"])]
    assert told == delivered
    assert all(each.response is not None for each in told)


@pytest.mark.parametrize("error", [LookupError("gone"), KeyboardInterrupt(), SystemExit(3)])
def test_failure_is_told_and_raised(error: BaseException) -> None:
    def function(event: Any, context: Any) -> None:
        raise error

    told: list[Delivery] = []
    with pytest.raises(type(error)) as caught:
        Gateway(function, told=told.append).deliver(GET)
    assert caught.value is error
    (delivery,) = told
    assert delivery.error is error
    assert (delivery.result, delivery.response) == (None, None)
    assert delivery.event["rawPath"] == "/orders"
    assert delivery.timing.total_ms >= 0


def test_result_that_is_no_json_is_told_as_an_error() -> None:
    told: list[Delivery] = []
    with pytest.raises(TypeError, match="must return what JSON can hold, got set"):
        Gateway(lambda event, context: {1}, told=told.append).deliver(GET)
    assert isinstance(told[0].error, TypeError)


# Timing.


def test_threads_have_their_own_timings() -> None:
    together = threading.Barrier(8, timeout=30)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        together.wait()
        return echo(environ, start_response)

    gateway = Gateway(app)

    def send(number: int) -> str:
        return gateway.deliver(GET.replace(path=f"/{number}")).timing.path

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(send, range(8))) == [f"/{number}" for number in range(8)]


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_request_inside_of_a_request_has_its_own_timing(interface: str) -> None:
    inner = Gateway(echo)
    timings: list[str] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        timings.append(inner.deliver(GET.replace(path="/inner")).timing.path)
        return echo(environ, start_response)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        timings.append(inner.deliver(GET.replace(path="/inner")).timing.path)
        await echo_asgi(scope, receive, send)

    outer = Gateway(asgi, lifespan="off") if interface == "asgi" else Gateway(app)
    assert outer.deliver(GET.replace(path="/outer")).timing.path == "/outer"
    assert timings == ["/inner"]


# What may be given.


class Callables:
    def method(self, event: Any, context: Any) -> None: ...

    def __call__(self, event: Any, context: Any) -> None: ...


class Application:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


@functools.wraps(ok)
def wrapped(*args: Any, **kwargs: Any) -> Any: ...


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(ok, True, id="function"),
        pytest.param(wrap(echo), True, id="handler"),
        pytest.param(lambda event, context: None, True, id="lambda"),
        pytest.param(lambda event, context=None: None, True, id="context left out"),
        pytest.param(lambda event, context, extra=1: None, True, id="more with a default"),
        pytest.param(lambda _event, _context: None, True, id="names that are not used"),
        pytest.param(lambda event, /, context: None, True, id="positions alone"),
        pytest.param(Callables().method, True, id="method"),
        pytest.param(Callables(), True, id="object"),
        pytest.param(wrapped, True, id="decorated"),
        pytest.param(functools.partial(ok), True, id="partial"),
        pytest.param(functools.partial(lambda shop, event, context: None, 1), True, id="bound"),
        pytest.param(echo, False, id="WSGI"),
        pytest.param(Application(), False, id="WSGI object"),
        pytest.param(echo_asgi, False, id="ASGI"),
        pytest.param(lambda context, event: None, False, id="the wrong way round"),
        pytest.param(lambda *, event, context: None, False, id="names alone"),
        pytest.param(lambda event: None, False, id="event alone"),
        pytest.param(dict.get, False, id="built-in"),
        pytest.param(type, False, id="no signature"),
        pytest.param(5, False, id="not callable"),
    ],
)
def test_function_of_event_and_context_is_told_by_its_names(target: Any, expected: bool) -> None:
    assert is_function(target) is expected


def test_wrong_arguments_are_errors() -> None:
    with pytest.raises(OptionError, match="got 'aws'"):
        Gateway(ok, "aws")
    with pytest.raises(OptionError, match=r"debug: options of wrap\(\) are for applications"):
        Gateway(ok, debug=True)
    with pytest.raises(TypeError, match="base_pth"):
        Gateway(echo, base_pth="/")
    with pytest.raises(InterfaceError):
        Gateway(5)
    with pytest.raises(ImportError, match="no_such_module"):
        Gateway("no_such_module:app")


def test_close_stops_an_application_and_leaves_functions_alone() -> None:
    stopped: list[str] = []

    class Function:
        def __call__(self, event: Any, context: Any) -> Any:
            return ok(event, context)

        def pre_stop(self) -> None:
            stopped.append("function")

    for target in (ok, echo, wrap(echo)):
        gateway = Gateway(target)
        gateway.deliver(GET)
        gateway.close()
        gateway.close()
    Gateway(Function()).close()
    assert stopped == ["function"]


# Environs of Alibaba's FC 2.0, whose functions are WSGI applications.


def test_context_comes_inside_of_an_environ() -> None:
    contexts: list[Any] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        contexts.append(environ["fc.context"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"a", b"b"]

    delivery = Gateway(app, "alibaba_fc2").deliver(GET)
    assert contexts == [delivery.context]
    assert delivery.context.request_id
    assert delivery.response is not None
    assert (delivery.response.status, delivery.response.body) == (200, b"ab")
    assert delivery.response.headers[0] == ("Content-Type", "text/plain")
    own = object()
    assert Gateway(app, "alibaba_fc2", context=lambda: own).deliver(GET).context is own
    assert contexts[-1] is own


def test_exception_in_an_environs_function_is_raised() -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        raise LookupError("no such order")

    told: list[Delivery] = []
    gateway = Gateway(app, "alibaba_fc2", on_error="raise", told=told.append)
    with pytest.raises(LookupError, match="no such order"):
        gateway.deliver(GET)
    assert isinstance(told[0].error, LookupError)
    answered = Gateway(app, "alibaba_fc2").deliver(GET)
    assert answered.response is not None
    assert answered.response.status == 500
