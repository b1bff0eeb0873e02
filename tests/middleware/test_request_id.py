"""Request IDs: which are valid, where they come from, and that none forges a log line."""

from __future__ import annotations

import json
import logging
import random
import re
from io import StringIO
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from slsadapt import OptionError, logs, wrap
from slsadapt.logs.invocation import BOUND, CURRENT, Invocation
from slsadapt.middleware.request_id import RequestIDs, is_request_id, new_request_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Event = Callable[[str], dict[str, Any]]

REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=@+-]{0,127}")
GENERATED = re.compile(r"[0-9a-f]{32}")

HTTP = "aws_http/rule_get_no_optional_keys"
HTTP_ID = "ATfSmjLgPHcESJw="
REST = "aws_rest/live_rest_encoded_path_repeated"
TENCENT = "tencent_apigw/get_no_body_minimal"
TIMER = "aws_eventbridge/doc_java_scheduled"

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


# Which are valid


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a", id="one letter"),
        pytest.param("7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0", id="UUID"),
        pytest.param("ATfSmjLgPHcESJw=", id="AWS's"),
        pytest.param("Root=1-67891233-abcdef012345678912345678", id="X-Ray's"),
        pytest.param("A.b_c:d=e@f+g-h", id="all punctuation"),
        pytest.param("a" * 128, id="128 characters"),
        pytest.param("0", id="digit"),
    ],
)
def test_id_of_gateways_and_tracers_is_valid(text: str) -> None:
    assert is_request_id(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 129, id="129 characters"),
        pytest.param("-a", id="option"),
        pytest.param("=cmd", id="formula"),
        pytest.param("a\n", id="line feed last"),
        pytest.param("\na", id="line feed first"),
        pytest.param("a\rb", id="carriage return"),
        pytest.param("a b", id="space"),
        pytest.param("a\x00", id="NUL"),
        pytest.param("{a}", id="braces"),
        pytest.param("a%sb", id="percent"),
        pytest.param("a/b", id="slash"),
        pytest.param("a,b", id="comma"),
        pytest.param("a;b", id="semicolon"),
        pytest.param('a"b', id="quote"),
        pytest.param("a?b", id="question mark"),
        pytest.param("é", id="accent"),
        pytest.param("٣", id="Arabic digit"),
        pytest.param("a\u2028", id="line separator"),
        pytest.param("a\x85", id="next line"),
        pytest.param("a\ud800", id="lone surrogate"),
        pytest.param("\n" + "a" * 31, id="what uuid.UUID takes: line feed"),
        pytest.param("{" * 4000 + "a" * 32, id="what uuid.UUID takes: braces"),
    ],
)
def test_id_of_another_form_is_not_valid(text: str) -> None:
    assert not is_request_id(text)


def test_new_ids_are_valid_and_differ() -> None:
    made = {new_request_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(map(GENERATED.fullmatch, made))
    assert all(map(is_request_id, made))


VALID = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:=@+-"
UNSAFE = [
    *"\n\r\t\x00\x0b\x0c\x1b\x1c\x1d\x1e\x1f\x7f\x80\x85\x9f\xa0\u2028\u2029\ufeff\ud800",
    *" {}[]()<>%$\\/'\"`,;?*!#&|^~",
    *"٣४५６Ａéßſİ",
    *("\r\n", "\nINFO forged: ", "urn:uuid:", "0x", "{request_id}", "%(message)s", "\x1b[2K"),
]


def fuzzed_ids(count: int, seed: int) -> Iterator[str]:
    """Give texts of all kinds, by slices of long random ones: a million have to be quick."""
    choices = random.Random(seed)
    pick, size = choices.random, 1 << 16

    def text_of(characters: list[str]) -> str:
        return "".join(choices.choices(characters, k=size + 200))

    valid = text_of([*VALID])
    hexadecimal = text_of([*"0123456789abcdef"])
    any_script = text_of([chr(choices.randrange(0x110000)) for _ in range(size)])
    narrow = text_of([chr(number) for number in range(0x100)])
    digits = text_of([chr(n) for n in range(0x20000) if chr(n).isdigit()])
    nearly = text_of([*VALID * 3, *UNSAFE])
    pools = (any_script, narrow, digits, nearly)
    for number in range(count):
        start, kind = int(pick() * size), number & 15
        if number & 31 == 0:
            yield valid[start : start + 126 + int(pick() * 5)]
        elif kind < 5:
            # One bad character anywhere, the ends above all.
            text = valid[start : start + int(pick() * 130)]
            place = (0, len(text), int(pick() * (len(text) + 1)))[number % 3]
            yield text[:place] + UNSAFE[int(pick() * len(UNSAFE))] + text[place:]
        elif kind < 9:
            h = hexadecimal[start : start + 32]
            text = f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
            place, bad = int(pick() * 37), UNSAFE[int(pick() * len(UNSAFE))]
            yield (text if number % 50 == 0 else text[:place] + bad + text[place + number % 2 :])
        else:
            yield pools[number % 4][start : start + int(pick() * (140 if kind == 15 else 12))]


@pytest.mark.once
def test_a_million_fuzzed_ids_forge_no_line() -> None:
    valid: list[str] = []
    invalid: list[str] = []
    fullmatch = REFERENCE.fullmatch
    for text in fuzzed_ids(1_000_000, seed=4):
        if is_request_id(text):
            assert fullmatch(text), ascii(text)
            valid.append(text)
        else:
            assert not fullmatch(text), ascii(text)
            invalid.append(text)
    # Enough of either, or the fuzz would prove nothing.
    assert len(valid) > 25_000
    assert len(invalid) > 900_000
    log_requests([*valid, *invalid[:: len(invalid) // 20_000]])


def log_requests(texts: list[str]) -> None:
    """Log a record for each ID that a client sends, as text and as JSON, and read them back."""
    plain, structured = StringIO(), StringIO()
    logger = logging.Logger("shop")
    for stream, formatter in (
        (plain, logs.TextFormatter("%(log_prefix)s %(message)s")),
        (structured, logs.JsonFormatter()),
    ):
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        handler.addFilter(logs.LogPrefixFilter("[{request_id}] [{sent}]"))
        logger.addHandler(handler)
    ids = RequestIDs(trust=["X-Request-ID"])
    current, chosen = Invocation(), []
    current.invocation_id = current.function = ""
    token, bound = CURRENT.set(current), BOUND.set({})
    try:
        for text in texts:
            current.request_id = ids.choose({"x-request-id": text}.get)
            chosen.append(current.request_id)
            # What was sent is logged as well: that is for the formatters to make harmless.
            logs.bind(sent=text)
            logger.warning("sent %s", text)
    finally:
        BOUND.reset(bound)
        CURRENT.reset(token)
    lines, objects = plain.getvalue(), structured.getvalue()
    assert lines.splitlines() == lines.split("\n")[:-1]
    assert objects.splitlines() == objects.split("\n")[:-1]
    for text, request_id, line, each in zip(
        texts, chosen, lines.splitlines(), objects.splitlines(), strict=True
    ):
        assert (request_id == text) or GENERATED.fullmatch(request_id)
        assert (request_id == text) == bool(REFERENCE.fullmatch(text))
        assert line.startswith(f"[{request_id}] [")
        fields = json.loads(each)
        assert fields["request_id"] == request_id
        assert fields["message"] == f"sent {text}"
        assert fields["sent"] == text


# Where they come from


def choose(ids: RequestIDs, given: str = "", **headers: str) -> str:
    """Choose as of a request with these headers, ``_`` for ``-``."""
    return ids.choose({name.replace("_", "-"): each for name, each in headers.items()}.get, given)


def numbered() -> str:
    return "made"


@pytest.mark.parametrize(
    ("trust", "given", "headers", "expected"),
    [
        pytest.param(["X-Request-ID"], "gw", {"x_request_id": "in"}, "gw", id="gateway first"),
        pytest.param(["X-Request-ID"], "", {"x_request_id": "in"}, "in", id="then the header"),
        pytest.param(["X-Request-ID"], "g\n", {"x_request_id": "in"}, "in", id="bad gateway"),
        pytest.param([], "", {"x_request_id": "in"}, "made", id="header that is not trusted"),
        pytest.param(["x-REQUEST-id"], "", {"x_request_id": "in"}, "in", id="name in any case"),
        pytest.param(
            ["X-Request-ID"],
            "",
            {"x_request_id": "in", "traceparent": TRACEPARENT},
            "in",
            id="header before trace",
        ),
        pytest.param(
            ["X-Request-ID"],
            "",
            {"x_request_id": "i n", "traceparent": TRACEPARENT},
            TRACE,
            id="trace for a bad header",
        ),
        pytest.param([], "", {"traceparent": TRACEPARENT}, TRACE, id="trace alone"),
        pytest.param([], "gw", {"traceparent": TRACEPARENT}, "gw", id="gateway before trace"),
        pytest.param(["X-Request-ID"], "", {"x_request_id": ""}, "made", id="empty header"),
        pytest.param(["X-Request-ID"], "", {"x_request_id": "a,b"}, "made", id="two of one name"),
        pytest.param(
            ["X-Trace", "X-Request-ID"],
            "",
            {"x_request_id": "second", "x_trace": "first"},
            "first",
            id="first of two names",
        ),
        pytest.param(
            ["X-Trace", "X-Request-ID"], "", {"x_request_id": "second"}, "second", id="one there"
        ),
        pytest.param(
            ["X-Trace", "X-Request-ID"],
            "",
            {"x_request_id": "second", "x_trace": "ba\nd"},
            "second",
            id="one valid",
        ),
        pytest.param([], "", {}, "made", id="nothing"),
        pytest.param([], "g" * 129, {}, "made", id="gateway's too long"),
    ],
)
def test_first_valid_source_gives_the_id(
    trust: list[str], given: str, headers: dict[str, str], expected: str
) -> None:
    ids = RequestIDs(trust=trust, generate=numbered)
    assert choose(ids, given, **headers) == expected


@pytest.mark.parametrize(
    ("traceparent", "expected"),
    [
        pytest.param(TRACEPARENT, TRACE, id="version 0"),
        pytest.param(f"00-{TRACE}-00f067aa0ba902b7-00", TRACE, id="not sampled"),
        pytest.param(f" {TRACEPARENT}\t", TRACE, id="spaces around"),
        pytest.param(f"01-{TRACE}-00f067aa0ba902b7-01", TRACE, id="future version"),
        pytest.param(f"cc-{TRACE}-00f067aa0ba902b7-01-what-not", TRACE, id="future fields"),
        pytest.param(f"01-{TRACE}-00f067aa0ba902b7-01-", TRACE, id="future, empty field"),
        pytest.param(f"01-{TRACE}-00f067aa0ba902b7-01.x", "made", id="future, no dash"),
        pytest.param(f"ff-{TRACE}-00f067aa0ba902b7-01", "made", id="version ff"),
        pytest.param(f"{TRACEPARENT}-more", "made", id="version 0, more fields"),
        pytest.param(f"{TRACEPARENT}-", "made", id="version 0, a dash more"),
        pytest.param(f"00-{'0' * 32}-00f067aa0ba902b7-01", "made", id="trace of zeros"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", "made", id="parent of zeros"),
        pytest.param(TRACEPARENT.upper(), "made", id="upper case"),
        pytest.param(f"00-{TRACE[:-1]}-00f067aa0ba902b7-01", "made", id="trace too short"),
        pytest.param(f"00-{TRACE}0-00f067aa0ba902b7-01", "made", id="trace too long"),
        pytest.param(f"00-{TRACE}-00f067aa0ba902b-01", "made", id="parent too short"),
        pytest.param(f"00-{TRACE}-00f067aa0ba902b7-1", "made", id="flags too short"),
        pytest.param(f"00-{TRACE}-00f067aa0ba902b7", "made", id="no flags"),
        pytest.param(f"0-{TRACE}-00f067aa0ba902b7-01", "made", id="version too short"),
        pytest.param(f"00-{TRACE[:-1]}g-00f067aa0ba902b7-01", "made", id="not hexadecimal"),
        pytest.param(f"00-{TRACE[:-1]}٣-00f067aa0ba902b7-01", "made", id="Arabic digit"),
        pytest.param(f"00-{TRACE[:-1]}\n-00f067aa0ba902b7-01", "made", id="line feed"),
        pytest.param(f"{TRACEPARENT}\n", "made", id="line feed last"),
        pytest.param(f"00 -{TRACE}-00f067aa0ba902b7-01", "made", id="space inside"),
        pytest.param(f"{TRACEPARENT}, {TRACEPARENT}", "made", id="twice"),
        pytest.param("", "made", id="empty"),
        pytest.param("-", "made", id="dash"),
        pytest.param("-" * 5000, "made", id="dashes"),
    ],
)
def test_traceparent_gives_its_trace_id(traceparent: str, expected: str) -> None:
    """As https://www.w3.org/TR/trace-context/#traceparent-header has it."""
    assert choose(RequestIDs(generate=numbered), traceparent=traceparent) == expected


def test_websocket_event_has_the_gateways_id(event: Callable[[str], dict[str, Any]]) -> None:
    seen: list[str] = []

    def serve(event: object, context: object) -> None:
        seen.append(logs.request_id())

    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise AssertionError

    handler = wrap(app, events={"websocket": serve})
    for case in ("aws_websocket/pt_connect", "tencent_websocket/connect"):
        handler(event(case))
    assert seen == ["BFHPhFe3IAMF95g=", "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"]


@pytest.mark.parametrize(
    "made",
    [
        pytest.param("x\nINFO forged", id="line break"),
        pytest.param("", id="empty"),
        pytest.param(b"abc", id="bytes"),
        pytest.param(None.__class__, id="type"),
    ],
)
def test_generated_id_that_is_not_valid_is_replaced(made: Any) -> None:
    assert GENERATED.fullmatch(choose(RequestIDs(generate=lambda: made)))


def test_generated_uuid_is_written_as_text() -> None:
    made = UUID("6f747fa1-7bd8-4d1b-8e0c-0f5f2ac6a8c1")
    assert choose(RequestIDs(generate=lambda: made)) == "6f747fa1-7bd8-4d1b-8e0c-0f5f2ac6a8c1"


def test_generator_that_fails_is_logged_and_replaced(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> str:
        raise LookupError("no ID to be had")

    assert GENERATED.fullmatch(choose(RequestIDs(generate=fails)))
    (record,) = caplog.records
    assert record.getMessage() == "generate= of RequestIDs failed"
    assert record.exc_info is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"trust": "X-Request-ID"}, "got the str 'X-Request-ID'", id="no list"),
        pytest.param({"trust": [""]}, "'' is no name of a header", id="empty"),
        pytest.param({"trust": ["X-Good", "X Bad"]}, "'X Bad' is no name", id="space"),
        pytest.param({"trust": ["X-Bad:"]}, "'X-Bad:' is no name", id="colon"),
        pytest.param({"trust": ["X_Bad"]}, "'X_Bad' is no name", id="underscore"),
        pytest.param({"header": ""}, "'' is no name of a header", id="empty answer"),
        pytest.param({"header": "X-Bad\r\nSet-Cookie"}, "is no name of a header", id="line break"),
        pytest.param({"header": "X-É"}, "'X-É' is no name of a header", id="not ASCII"),
        pytest.param({"header": "--"}, "'--' is no name of a header", id="dashes"),
        pytest.param({"header": True}, "True is no name of a header", id="no str"),
        pytest.param({"trust": [5]}, "5 is no name of a header", id="no str in the list"),
        pytest.param({"trust": [b"X-Bad"]}, "b'X-Bad' is no name of a header", id="bytes"),
    ],
)
def test_name_that_no_header_can_have_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        RequestIDs(**options)


# Where they go


def test_answer_has_the_header_behind_the_applications() -> None:
    headers = [("Content-Type", "text/plain")]
    assert RequestIDs().with_header(headers, "req-1") == [*headers, ("X-Request-ID", "req-1")]
    assert headers == [("Content-Type", "text/plain")]
    assert RequestIDs(header="X-Trace").with_header((), "req-1") == [("X-Trace", "req-1")]


@pytest.mark.parametrize("name", ["X-Request-ID", "x-request-id", "X-REQUEST-ID"])
def test_header_that_the_application_sets_stays(name: str) -> None:
    headers = [(name, "mine"), ("Content-Type", "text/plain")]
    assert RequestIDs().with_header(headers, "req-1") == headers


# Through the handler


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    if "fail" in environ["PATH_INFO"]:
        raise RuntimeError("the database is gone")
    own = [("x-request-id", "mine")] if "own" in environ["PATH_INFO"] else []
    start_response("200 OK", [("Content-Type", "text/plain"), *own])
    return [json.dumps(logs.context()).encode()]


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    if "fail" in scope["path"]:
        raise RuntimeError("the database is gone")
    own = [(b"x-request-id", b"mine")] if "own" in scope["path"] else []
    headers = [(b"content-type", b"text/plain"), *own]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(logs.context()).encode()})


@pytest.fixture(params=[wsgi_app, asgi_app], ids=["wsgi", "asgi"])
def serving(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Give ``wrap`` for the application of either kind."""
    handlers = []

    def make(**options: Any) -> Any:
        handlers.append(wrap(request.param, lifespan="off", **options))
        return handlers[-1]

    yield make
    for handler in handlers:
        handler.pre_stop()


class Lambda:
    aws_request_id = "inv-1"
    function_name = "shop"


def header_of(result: dict[str, Any], name: str = "x-request-id") -> str | None:
    """Give a header of a result, which has it at most once."""
    found = [value for key, value in result["headers"].items() if key.lower() == name]
    assert len(found) <= 1
    return found[0] if found else None


def at(event: dict[str, Any], path: str = "/", request_id: object = None, **headers: str) -> Any:
    """Change an HTTP API's event."""
    event["rawPath"] = path
    event["requestContext"]["requestId"] = request_id
    event["headers"].update({name.replace("_", "-"): each for name, each in headers.items()})
    return event


def test_gateways_id_is_known_and_returned(serving: Any, event: Event) -> None:
    result = serving(request_id=RequestIDs(trust=["X-Request-ID"]))(
        at(event(HTTP), request_id=HTTP_ID, x_request_id="in", traceparent=TRACEPARENT), Lambda()
    )
    assert header_of(result) == HTTP_ID
    assert json.loads(result["body"]) == {
        "request_id": HTTP_ID,
        "invocation_id": "inv-1",
        "function": "shop",
    }


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(HTTP, HTTP_ID, id="aws_http"),
        pytest.param(
            "huawei_apig/get_text_body", "11cdcdcf33949dc6d722640a13091c77", id="huawei_apig"
        ),
        pytest.param(
            "aws_alb/doc_single_value",
            "1-5c536348-3d683b8b04734faae651f476",
            id="aws_alb, the root of its trace",
        ),
        pytest.param(TENCENT, None, id="tencent_apigw, where it is left out"),
        pytest.param("alibaba_fc3/get_query_doc", None, id="alibaba_fc3, masked with asterisks"),
    ],
)
def test_recorded_events_have_their_id_or_a_new_one(
    event: Event, case: str, expected: str | None
) -> None:
    result = wrap(wsgi_app)(event(case))
    returned = header_of(result)
    assert returned is not None
    if expected is None:
        assert GENERATED.fullmatch(returned)
    else:
        assert returned == expected


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("x\nINFO forged", id="line feed"),
        pytest.param("x\r\nSet-Cookie: a=b", id="header"),
        pytest.param("", id="empty"),
        pytest.param(None, id="none"),
        pytest.param("é", id="not ASCII"),
        pytest.param("a" * 129, id="too long"),
    ],
)
def test_gateways_id_that_is_not_valid_is_replaced(
    serving: Any, event: Event, sent: str | None
) -> None:
    result = serving()(at(event(HTTP), request_id=sent))
    returned = header_of(result) or ""
    assert GENERATED.fullmatch(returned)
    assert json.loads(result["body"])["request_id"] == returned


def test_client_is_not_believed_unless_trusted(serving: Any, event: Event) -> None:
    result = serving()(at(event(HTTP), x_request_id="in"))
    assert GENERATED.fullmatch(header_of(result) or "")
    trusting = serving(request_id=RequestIDs(trust=["X-Other", "X-Request-ID"]))
    assert header_of(trusting(at(event(HTTP), x_request_id="in"))) == "in"
    assert header_of(trusting(at(event(HTTP), x_request_id="in", x_other="o"))) == "o"
    assert GENERATED.fullmatch(header_of(trusting(at(event(HTTP), x_request_id="i\nn"))) or "")


def test_trace_id_is_taken_where_the_gateway_gives_none(serving: Any, event: Event) -> None:
    result = serving()(at(event(HTTP), traceparent=TRACEPARENT))
    assert header_of(result) == TRACE
    assert json.loads(result["body"])["request_id"] == TRACE


def test_every_request_has_another_id(serving: Any, event: Event) -> None:
    handler = serving()
    assert len({header_of(handler(at(event(HTTP)))) for _ in range(100)}) == 100


def test_header_is_named_by_choice(serving: Any, event: Event) -> None:
    result = serving(request_id=RequestIDs(header="X-Trace"))(at(event(HTTP), request_id="gw"))
    assert header_of(result, "x-trace") == "gw"
    assert header_of(result) is None


def test_without_a_header_the_id_is_still_known(serving: Any, event: Event) -> None:
    handler = serving(request_id=RequestIDs(header=None))
    result = handler(at(event(HTTP), request_id="gw"))
    assert header_of(result) is None
    assert json.loads(result["body"]) == {"request_id": "gw"}
    failed = handler(at(event(HTTP), "/fail", request_id="gw"))
    assert (failed["statusCode"], header_of(failed)) == (500, None)


def test_switched_off_there_is_no_id(
    serving: Any, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    handler = serving(request_id=False)
    result = handler(at(event(HTTP), request_id="gw"), Lambda())
    assert header_of(result) is None
    assert json.loads(result["body"]) == {"invocation_id": "inv-1", "function": "shop"}
    failed = handler(at(event(HTTP), "/fail", request_id="gw"))
    assert (failed["statusCode"], header_of(failed)) == (500, None)
    assert caplog.messages == ["request - failed: GET /fail"]


@pytest.mark.parametrize("wrong", ["X-Request-ID", None, 1, ["X-Request-ID"]], ids=repr)
def test_option_takes_a_switch_or_request_ids(wrong: Any) -> None:
    with pytest.raises(
        OptionError,
        match=r"request_id must be True, False or RequestIDs\(\.\.\.\), got "
        + type(wrong).__name__,
    ):
        wrap(wsgi_app, request_id=wrong)


def test_applications_own_header_stays(serving: Any, event: Event) -> None:
    result = serving()(at(event(HTTP), "/own", request_id="gw"))
    assert header_of(result) == "mine"
    assert json.loads(result["body"]) == {"request_id": "gw"}


def test_failure_is_answered_and_logged_with_the_id(
    serving: Any, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(logs.TextFormatter("%(log_prefix)s %(levelname)s %(message)s"))
    prefix = logs.LogPrefixFilter("[{request_id}][{invocation_id}]")
    caplog.handler.addFilter(prefix)
    try:
        failed = serving()(at(event(HTTP), "/fail", request_id="gw"), Lambda())
    finally:
        caplog.handler.removeFilter(prefix)
    assert (failed["statusCode"], header_of(failed)) == (500, "gw")
    assert caplog.text.startswith("[gw][inv-1] ERROR request gw failed: GET /fail\n    Traceback")
    assert len(caplog.records) == 1


def test_failure_without_a_gateways_id_has_the_same_one_everywhere(
    serving: Any, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    failed = serving()(at(event(HTTP), "/fail"))
    returned = header_of(failed) or ""
    assert GENERATED.fullmatch(returned)
    assert caplog.messages == [f"request {returned} failed: GET /fail"]


def test_refused_event_is_answered_with_an_id(
    serving: Any, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    broken = event(HTTP) | {"rawPath": 5}
    refused = serving()(broken)
    assert refused["statusCode"] == 400
    assert GENERATED.fullmatch(header_of(refused) or "")
    assert len(caplog.messages) == 1


def test_result_that_is_too_large_is_answered_with_the_id(serving: Any, event: Event) -> None:
    refused = serving(result_limit_bytes=50)(at(event(HTTP), request_id="gw"))
    assert refused["body"].startswith("the result has ")
    assert (refused["statusCode"], header_of(refused)) == (500, "gw")


def test_timer_has_an_id_of_its_own(
    serving: Any, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    handler = serving(events={"timer": lambda event, context: logs.context()})
    first, second = (handler(event(TIMER), Lambda()) for _ in range(2))
    assert first.keys() == {"request_id", "invocation_id", "function"}
    assert GENERATED.fullmatch(first["request_id"])
    assert first["request_id"] != second["request_id"]
    assert first["invocation_id"] == "inv-1"
    off = serving(request_id=False, events={"timer": lambda event, context: logs.context()})
    assert off(event(TIMER), Lambda()) == {"invocation_id": "inv-1", "function": "shop"}


def test_handlers_do_not_share_their_options(serving: Any, event: Event) -> None:
    one = serving(request_id=RequestIDs(header="X-One", generate=lambda: "one"))
    two = serving(request_id=RequestIDs(header="X-Two", generate=lambda: "two"))
    for _ in range(2):
        first, second = one(at(event(HTTP))), two(at(event(HTTP)))
        assert (header_of(first, "x-one"), header_of(first, "x-two")) == ("one", None)
        assert (header_of(second, "x-one"), header_of(second, "x-two")) == (None, "two")
        assert json.loads(first["body"])["request_id"] == "one"
        assert json.loads(second["body"])["request_id"] == "two"


def test_nothing_is_left_after_an_invocation(serving: Any, event: Event) -> None:
    serving()(at(event(HTTP), request_id="gw"))
    assert logs.context() == {}
