"""wrap and Handler: options, errors and limits that neither engine nor dialect decides."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import BadEventError, OptionError, UnknownEventError, wrap
from slsadapt.testing import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Event = Callable[[str], dict[str, Any]]
    Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

HTTP = "aws_http/rule_get_no_optional_keys"
REST = "aws_rest/live_rest_encoded_path_repeated"
TENCENT = "tencent_apigw/get_no_body_minimal"


def answering(body: bytes, *headers: tuple[str, str]) -> Wsgi:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), *headers])
        return [body]

    return app


def failing(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    raise RuntimeError("the database is gone")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"interface": "wsig"}, "interface must be one of auto, wsgi, asgi", id="kind"),
        pytest.param({"lifespan": True}, "lifespan must be one of auto, on, off", id="lifespan"),
        pytest.param({"on_error": "ignore"}, "on_error must be one of respond, raise", id="error"),
        pytest.param({"gateway": "aws"}, "gateway must be 'auto' or one of aws_http", id="gateway"),
        pytest.param(
            {"events": {"cron": print}},
            "events takes timer, keep_warm, websocket; got cron",
            id="event kind",
        ),
        pytest.param({"events": {"timer": 5}}, "events must hold functions", id="no function"),
        pytest.param({"custom_handlers": [int]}, "LambdaHandler classes", id="no handler class"),
        pytest.param({"base_pth": "/x"}, "base_pth", id="unknown option"),
    ],
)
def test_wrong_option_is_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        wrap(answering(b""), **options)
    assert issubclass(OptionError, TypeError)


@pytest.mark.parametrize("of", [json.dumps, lambda event: json.dumps(event).encode()])
def test_event_may_come_as_json(event: Event, of: Callable[[Any], Any]) -> None:
    assert wrap(answering(b"ok"))(of(event(HTTP)), None)["body"] == "ok"


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        pytest.param(b"{", "must be JSON", id="half an object"),
        pytest.param(b"[" * 100_000, "must be JSON", id="deeper than Python goes"),
        pytest.param("[1]", "must be a JSON object, got list", id="list"),
        pytest.param(None, "must be a JSON object, got NoneType", id="nothing"),
    ],
)
def test_what_is_no_object_is_refused(sent: Any, message: str) -> None:
    with pytest.raises(BadEventError, match=message):
        wrap(answering(b""))(sent, None)


def test_unknown_event_names_keys_and_dialects_but_no_values() -> None:
    with pytest.raises(UnknownEventError, match=r"keys \['Records'\]; tried aws_edge\. ") as caught:
        wrap(answering(b""))({"Records": [{"secret": "hunter2"}]})
    assert "hunter2" not in str(caught.value)


def test_named_gateway_is_not_detected(event: Event) -> None:
    handler = wrap(answering(b"ok"), gateway="tencent_apigw")
    assert handler.dialect is not None
    result = handler(event(HTTP))
    assert result["statusCode"] == 400
    assert result["body"] == (
        "'httpMethod' must be str, got NoneType; "
        "gateway='tencent_apigw' was named, but the event looks like aws_http"
    )


def test_named_gateway_says_when_the_event_is_nobodys(event: Event) -> None:
    handler = wrap(answering(b"ok"), gateway="aws_rest", on_error="raise")
    with pytest.raises(BadEventError, match="was named, but no dialect claims the event"):
        handler({"path": "/"})
    with pytest.raises(BadEventError, match="'path' must be str, got int$"):
        handler(event(REST) | {"path": 5})


def test_named_gateway_wins_over_what_an_event_looks_like(event: Event) -> None:
    sent = event("tencent_function_url/get_minimal")
    named = event(TENCENT) | {"queryString": {}}
    assert wrap(answering(b"ok"), gateway="tencent_function_url")(named)["body"] == "ok"
    assert wrap(answering(b"ok"), gateway="tencent_function_url")(sent)["body"] == "ok"


def test_one_handler_serves_one_gateway_after_another(event: Event) -> None:
    handler = wrap(answering(b"ok"))
    assert handler.dialect is None
    for case, key in ((HTTP, "cookies"), (REST, "multiValueHeaders"), (TENCENT, "headers")):
        assert handler(event(case))["body"] == "ok"
        assert handler.dialect is not None
        assert handler.dialect.__name__.endswith(case.partition("/")[0]), key


TIMERS = [
    "aws_eventbridge/doc_java_scheduled",
    "tencent_timer/timer_doc",
    "alibaba_timer/timer_doc",
    "huawei_timer/timer",
    "volcengine/timer_doc",
]
KEEP_WARM = {"source": "serverless-plugin-warmup"}


@pytest.mark.parametrize("gateway", ["auto", "tencent_apigw"])
@pytest.mark.parametrize("case", TIMERS)
def test_timer_goes_to_its_route_as_the_cloud_sent_it(
    event: Event, case: str, gateway: str
) -> None:
    calls: list[tuple[Any, Any]] = []

    def route(event: Any, context: Any) -> str:
        calls.append((event, context))
        return "done"

    handler = wrap(failing, gateway=gateway, events={"timer": route})
    context = object()
    assert handler(event(case), context) == "done"
    assert handler(json.dumps(event(case)).encode(), context) == "done"
    assert calls == [(event(case), context)] * 2


@pytest.mark.parametrize("sent", [KEEP_WARM, {"Type": "Timer", "TriggerName": "t"}])
def test_keep_warm_without_a_route_starts_nothing(
    caplog: pytest.LogCaptureFixture, sent: dict[str, Any]
) -> None:
    started: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        started.append(scope["type"])

    caplog.set_level(logging.INFO, logger="slsadapt")
    handler = wrap(app, lifespan="on")
    assert handler(sent, None) is None
    assert started == []
    assert "did nothing; route it with wrap(app, events={" in caplog.text


def test_keep_warm_and_timer_are_routed_apart(event: Event) -> None:
    handler = wrap(
        failing,
        events={"timer": lambda event, context: "t", "keep_warm": lambda event, context: "k"},
    )
    assert handler(KEEP_WARM) == "k"
    assert handler(event(TIMERS[0])) == "t"


def test_websocket_event_wants_a_route(event: Event) -> None:
    sent = event("tencent_websocket/connect")
    with pytest.raises(UnknownEventError, match=r"events=\{'websocket'"):
        wrap(failing)(sent)
    assert wrap(failing, events={"websocket": lambda event, context: event})(sent) == sent


def test_what_a_route_raises_fails_the_invocation(event: Event) -> None:
    def route(event: Any, context: Any) -> None:
        raise RuntimeError("the timer's own")

    with pytest.raises(RuntimeError, match="the timer's own"):
        wrap(answering(b""), events={"timer": route})(event(TIMERS[0]))


def test_coroutine_route_runs_on_the_loop_of_an_asgi_application(event: Event) -> None:
    import asyncio

    loops: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        loops.append(asyncio.get_running_loop())
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})

    async def route(event: Any, context: Any) -> str:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return "done"

    handler = wrap(app, lifespan="on", events={"timer": route})
    assert handler(event(TIMERS[0])) == "done"
    handler.pre_stop()
    assert len(loops) == 2
    assert len(set(loops)) == 1


def test_coroutine_route_runs_beside_a_wsgi_application(event: Event) -> None:
    import asyncio

    async def route(event: Any, context: Any) -> str:
        await asyncio.sleep(0)
        return "done"

    handler = wrap(answering(b""), events={"timer": route})
    assert handler(event(TIMERS[0])) == "done"
    # Also where somebody's loop runs already.
    assert asyncio.run(handler.async_call(event(TIMERS[0]))) == "done"


def test_excluded_headers_do_not_leave(event: Event) -> None:
    app = answering(b"ok", ("Server", "gunicorn"), ("X-Powered-By", "love"), ("ETag", "1"))
    result = wrap(app, exclude_headers=["server", "X-POWERED-BY", "x-request-id"])(event(REST))
    assert result["headers"] == {"Content-Type": "text/plain", "ETag": "1"}


AWS_ENVELOPE = (
    '{"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "", '
    '"isBase64Encoded": false}'
)
TENCENT_ENVELOPE = (
    '{"isBase64Encoded": false, "statusCode": 200, "headers": {"Content-Type": "text/plain"}, '
    '"body": ""}'
)


@pytest.mark.parametrize(
    ("case", "body_bytes", "limit"),
    [
        pytest.param(HTTP, 6_291_556 - len(AWS_ENVELOPE), "6,291,556", id="AWS"),
        pytest.param(TENCENT, 6_291_456 - len(TENCENT_ENVELOPE), "6,291,456", id="Tencent"),
    ],
)
def test_result_over_the_platforms_limit_is_a_500(
    event: Event, caplog: pytest.LogCaptureFixture, case: str, body_bytes: int, limit: str
) -> None:
    fits = wrap(answering(b"x" * body_bytes), request_id=False)
    assert fits(event(case))["statusCode"] == 200
    assert not caplog.records
    result = wrap(answering(b"x" * (body_bytes + 1)), request_id=False)(event(case))
    assert result["statusCode"] == 500
    assert f"the platform takes {limit}; answer in parts" in result["body"]
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("body", "characters"),
    [
        pytest.param(b"\xff" * 300_000, 400_000, id="base64"),
        pytest.param("é".encode() * 100_000, 100_000, id="beyond ASCII"),
        pytest.param(b'"' * 200_000, 200_000, id="escapes"),
        pytest.param(b"x" * 900, 900, id="a small limit"),
    ],
)
def test_limit_counts_what_json_makes_of_the_body(
    event: Event, caplog: pytest.LogCaptureFixture, body: bytes, characters: int
) -> None:
    result = wrap(answering(body), result_limit_bytes=10**9)(event(TENCENT))
    assert len(result["body"]) == characters
    size_bytes = len(json.dumps(result))
    fits = wrap(answering(body), result_limit_bytes=size_bytes)
    tight = wrap(answering(body), result_limit_bytes=size_bytes - 1)
    assert fits(event(TENCENT))["statusCode"] == 200
    assert tight(event(TENCENT))["statusCode"] == 500


def test_exception_is_logged_once_with_traceback_and_request(
    event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    result = wrap(failing)(event(REST))
    assert result["statusCode"] == 500
    assert result["body"] == "Internal Server Error"
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0 failed: POST /capture" in record.message
    assert "the database is gone" in (record.exc_text or "")
    # Headers, cookies and bodies stay out of the log.
    assert "abc123" not in caplog.text
    assert "public internet" not in caplog.text


def test_wrong_field_is_a_400_that_is_logged_as_a_warning(
    event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    sent = event(HTTP)
    del sent["rawPath"]
    result = wrap(failing)(sent)
    assert (result["statusCode"], result["body"]) == (
        400,
        "'rawPath' must be str, got NoneType",
    )
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    with pytest.raises(BadEventError, match="rawPath"):
        wrap(failing, on_error="raise")(sent)


def test_debug_shows_the_traceback_and_lints(event: Event) -> None:
    result = wrap(failing, debug=True)(event(HTTP))
    assert "RuntimeError: the database is gone" in result["body"]
    sloppy = wrap(answering(b"x", ("Content-Length", "5")), debug=True)
    with pytest.warns(Warning, match="Content-Length"):
        sloppy(event(HTTP))


def test_length_of_no_body_is_zero(event: Event) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["CONTENT_LENGTH"].encode()]

    sent = event(REST) | {"body": None, "isBase64Encoded": False}
    sent["headers"]["content-length"] = "15"
    sent["multiValueHeaders"]["content-length"] = ["15"]
    assert wrap(app)(sent)["body"] == "0"


def test_event_is_left_as_it_was(event: Event) -> None:
    sent = event(REST)
    wrap(answering(b"ok"), base_path="/capture", strip_stage=True)(sent)
    assert sent == event(REST)


def test_import_string_is_imported_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: Event
) -> None:
    (tmp_path / "ledger_app.py").write_text(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'ledger']\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    handler = wrap("ledger_app:application")
    assert sys.modules.pop("ledger_app")
    assert handler(event(HTTP))["body"] == "ledger"


def test_initialize_leaves_nothing_to_import(event: Event) -> None:
    handler = wrap(answering(b"ok"))
    handler.initialize(None)
    before = set(sys.modules)
    handler(event(HTTP))
    assert set(sys.modules) == before
    handler.pre_stop(None)


@pytest.mark.parametrize("asgi", [False, True])
def test_async_call_leaves_the_loop_free(event: Event, asgi: bool) -> None:
    import asyncio

    async def coroutine(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"ok"})

    handler = wrap(coroutine if asgi else answering(b"ok"), lifespan="off")

    async def main() -> list[str]:
        results = await asyncio.gather(*(handler.async_call(event(HTTP)) for _ in range(5)))
        return [result["body"] for result in results]

    assert asyncio.run(main()) == ["ok"] * 5
    handler.pre_stop()


# Recording


def test_invocations_are_recorded(event: Event, tmp_path: Path) -> None:
    handler = wrap(answering(b"hello"), record=tmp_path / "cassettes")
    sent = event(HTTP)
    result = handler(sent, None)
    handler.pre_stop()
    (file,) = (tmp_path / "cassettes").iterdir()
    cassette = json.loads(file.read_text())
    assert cassette["dialect"] == "aws_http"
    assert cassette["event"]["rawPath"] == sent["rawPath"]
    assert cassette["result"]["statusCode"] == result["statusCode"] == 200
    assert cassette["timing"]["cold"] is True


def test_recorder_of_ones_own_is_taken(event: Event) -> None:
    kept: list[dict[str, Any]] = []
    handler = wrap(
        answering(b"hello"), gateway="aws_http", record=Recorder(kept.append, bodies=True)
    )
    handler(event(HTTP), None)
    handler.pre_stop()
    assert [each["result"]["statusCode"] for each in kept] == [200]


def test_exception_that_fails_the_invocation_is_recorded(event: Event) -> None:
    kept: list[dict[str, Any]] = []
    handler = wrap(failing, on_error="raise", record=kept.append)
    with pytest.raises(RuntimeError, match="the database is gone"):
        handler(event(HTTP), None)
    handler.pre_stop()
    assert kept[0]["error"] == {
        "type": "builtins.RuntimeError",
        "message": "the database is gone",
    }


def test_wrong_sink_is_an_error() -> None:
    with pytest.raises(OptionError, match="sink"):
        wrap(answering(b"hello"), record=7)  # type: ignore[arg-type]
