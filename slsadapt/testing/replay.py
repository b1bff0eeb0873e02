"""Replay recorded events, and tell whether they are answered as before."""

from __future__ import annotations

import traceback
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .. import gateways
from ..errors import BadEventError, NotCarriedError, UnknownEventError
from ..percent import encode_path
from . import contexts
from .compare import ABSENT, Difference, Digest, differences, differences_of_values
from .explanations import explain
from .servers import connect, read_url, relative_to, send
from .telling import lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal

    from ..gateways import Dialect
    from ..message import Request, Response
    from .cassettes import Cassette
    from .gateway import Delivery, Gateway

    Status = Literal["same", "different", "failed", "skipped"]

__all__ = ["Answer", "Outcome", "replay", "replay_against", "replay_as", "request_of"]

NOTHING_RECORDED = "nothing is recorded to compare with"


@dataclass(slots=True)
class Answer:
    """What came of an event, now or when it was recorded.

    Attributes:
        result: what the function returned, or ABSENT.
        response: what the client receives, None for what is no response.
        error: class and message of what the function raised, by ``"type"`` and ``"message"``.
        omitted: what is known of the response's body, where that was not kept.
    """

    result: Any = ABSENT
    response: Response | None = None
    error: dict[str, str] | None = None
    omitted: Digest | None = None


@dataclass(slots=True)
class Outcome:
    """How a replay went.

    Attributes:
        status: ``"same"``, ``"different"``; ``"failed"`` where the function raised what is not
            recorded, or answers 5xx and nothing is recorded; or ``"skipped"``.
        reason: why it failed or was skipped, or that there was nothing to compare with.
        differences: where the answer differs; those explained alone leave it the same.
        answer: the new one, None where the event was not sent.
        delivery: the event on its way to the function, None where that failed or took none.
        duration_ms: what the function, or the server, took.
        trace: where the function failed, as Python prints it.
    """

    status: Status
    reason: str = ""
    differences: list[Difference] = field(default_factory=list)
    answer: Answer | None = None
    delivery: Delivery | None = None
    duration_ms: float = 0.0
    trace: str = ""

    def __str__(self) -> str:
        """Tell all that is not the same, in lines."""
        lines = [line for each in self.differences for line in lines_of(each)]
        return "\n".join([self.trace.rstrip() or self.reason or self.status, *lines])


def replay(gateway: Gateway, cassette: Cassette, *, ignore: Iterable[str] = ()) -> Outcome:
    """Send a recorded event again, and compare the answers.

    Args:
        gateway: that of the function; its dialect does not matter.
        cassette: what was recorded.
        ignore: as for ``compare.differences``.
    """
    if reason := _obstacle(cassette):
        return Outcome("skipped", reason)
    outcome = _run(lambda: _resend(gateway, cassette))
    return _judge(outcome, _recorded(cassette), ignore)


def replay_as(gateway: Gateway, cassette: Cassette, *, ignore: Iterable[str] = ()) -> Outcome:
    """Send the request of a recorded event through another gateway, and compare the answers.

    What one of the gateways does not carry is explained by it. To know, the event is sent as it
    is as well where the answer differs, and where nothing is recorded.

    Args:
        gateway: the other one.
        cassette: what was recorded.
        ignore: as for ``compare.differences``.
    """
    if reason := _obstacle(cassette):
        return Outcome("skipped", reason)
    try:
        source = gateways.detect(cassette.event)
        request = source.decode_event(cassette.event)
    except UnknownEventError:
        return Outcome("skipped", "no HTTP request, and so of no other gateway")
    except BadEventError as error:
        return Outcome("skipped", f"no request can be read from it: {error}")
    expected = _recorded(cassette)
    if expected is None:
        before = _run(lambda: _resend(gateway, cassette))
        if before.status == "failed":
            return before
        expected = before.answer
    outcome = _judge(_run(lambda: gateway.deliver(request)), expected, ignore)
    if outcome.status == "different" and outcome.delivery and expected and expected.response:

        def again() -> Response | None:
            answer = _run(lambda: _resend(gateway, cassette)).answer
            return None if answer is None else answer.response

        outcome.differences = explain(
            outcome.differences,
            source=source,
            request=request,
            recorded=expected.response,
            omitted=expected.omitted,
            delivery=outcome.delivery,
            again=again,
            ignore=ignore,
        )
        if all(each.explained for each in outcome.differences):
            outcome.status = "same"
    return outcome


def replay_against(
    url: str, cassette: Cassette, gateway: Gateway | None = None, *, ignore: Iterable[str] = ()
) -> Outcome:
    """Send the request of a recorded event to a running server, and compare the answers.

    Args:
        url: the server's, with what is in front of the application there.
        cassette: what was recorded.
        gateway: that of a function, whose answer is then compared instead of the recorded one.
        ignore: as for ``compare.differences``.

    Raises:
        OptionError: ``url`` is none of a server.
        OSError: the server cannot be reached.
    """
    if reason := _obstacle(cassette):
        return Outcome("skipped", reason)
    request = request_of(cassette)
    if request is None:
        return Outcome("skipped", "no HTTP request, and so for no server")
    expected = _recorded(cassette)
    if gateway is not None:
        before = _run(lambda: _resend(gateway, cassette))
        if before.status == "failed":
            return before
        expected = before.answer
    with closing(connect(url)) as connection:
        began = perf_counter()
        try:
            response = send(connection, request, url)
        except (OSError, HTTPException, ValueError) as error:
            name = type(error).__name__
            return Outcome("failed", f"the server gives no answer: {name}: {error}")
        outcome = Outcome("same", duration_ms=(perf_counter() - began) * 1000)
    parts = read_url(url)
    path = parts.path.rstrip("/")
    outcome.answer = Answer(
        response=relative_to(response, [f"{parts.scheme}://{parts.netloc}{path}", path])
    )
    if expected is not None and expected.response is not None:
        host = dict(request.headers).get("host", request.server[0])
        mount = encode_path(request.root_path)
        bases = [f"{request.scheme}://{host}{mount}", mount]
        expected.response = relative_to(expected.response, bases)
    return _judge(outcome, expected, ignore)


def request_of(cassette: Cassette) -> Request | None:
    """Read the request of a recorded event, None where there is none to read."""
    with suppress(UnknownEventError, BadEventError):
        return gateways.detect(cassette.event).decode_event(cassette.event)
    return None


def _obstacle(cassette: Cassette) -> str:
    """Tell why a recorded event cannot be sent again, ``""`` where it can."""
    if cassette.event is None:
        kind = cassette.objects.get("event", "no JSON")
        return f"the event is {kind}, which no file holds"
    for place, digest in cassette.omitted.items():
        if place.startswith("event"):
            return f"its body of {digest.size_bytes:,} bytes was not recorded"
    return ""


def _dialect_of(event: Any) -> Dialect | None:
    try:
        return gateways.detect(event)
    except (UnknownEventError, BadEventError):
        return None


def _recorded(cassette: Cassette) -> Answer | None:
    """Read what was recorded of the answer, None where nothing was."""
    if cassette.error is not None:
        return Answer(error=dict(cassette.error))
    if cassette.result is ABSENT:
        return None
    answer = Answer(cassette.result)
    if (dialect := _dialect_of(cassette.event)) is not None:
        # A result that the gateway cannot read is compared as JSON.
        with suppress(Exception):
            answer.response = dialect.decode_result(cassette.result)
    digests = [each for place, each in cassette.omitted.items() if place.startswith("result")]
    answer.omitted = digests[0] if digests else None
    return answer


def _resend(gateway: Gateway, cassette: Cassette) -> Delivery:
    dialect = _dialect_of(cassette.event)
    name = gateway.name if dialect is None else _name(dialect)
    context: Any = None
    if cassette.context:
        context = contexts.for_dialect(name)
        if isinstance(context, dict):
            context.update(cassette.context)
        elif context is not None:
            for key, value in cassette.context.items():
                if not callable(getattr(context, key, None)):
                    setattr(context, key, value)
    return gateway.replay(cassette.event, context)


def _name(dialect: Dialect) -> str:
    return dialect.__name__.rpartition(".")[2]


def _run(send: Callable[[], Delivery]) -> Outcome:
    """Call the function, and note what it answers."""
    began = perf_counter()
    try:
        delivery = send()
    except NotCarriedError as error:
        return Outcome("skipped", str(error))
    except (Exception, SystemExit) as error:
        kind = type(error)
        told = {"type": f"{kind.__module__}.{kind.__qualname__}", "message": str(error)}
        return Outcome(
            "failed",
            f"{kind.__qualname__}: {error}".rstrip(": "),
            answer=Answer(error=told),
            duration_ms=(perf_counter() - began) * 1000,
            trace=_trace(error),
        )
    answer = Answer(delivery.result, delivery.response)
    return Outcome("same", answer=answer, delivery=delivery, duration_ms=delivery.timing.total_ms)


def _trace(error: BaseException) -> str:
    """Print a traceback from the function's own frames on."""
    trace = error.__traceback__
    ours = f"{__package__.partition('.')[0]}."
    while trace and trace.tb_frame.f_globals.get("__name__", "").startswith(ours):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _judge(outcome: Outcome, expected: Answer | None, ignore: Iterable[str]) -> Outcome:
    """Compare the answer of a run with the recorded one, and note what differs."""
    found = outcome.answer
    if found is None:
        return outcome
    if expected is None:
        if outcome.status == "same":
            outcome.reason = NOTHING_RECORDED
            if found.response is not None and found.response.status >= 500:
                outcome.status = "failed"
                outcome.reason = f"{found.response.status}, and {NOTHING_RECORDED}"
        return outcome
    if found.error is not None and expected.error is None:
        return outcome
    outcome.reason = outcome.trace = ""
    outcome.differences = _compare(expected, found, ignore)
    outcome.status = "different" if outcome.differences else "same"
    return outcome


def _compare(expected: Answer, found: Answer, ignore: Iterable[str]) -> list[Difference]:
    if expected.error is not None or found.error is not None:
        if found.error is None and expected.error is not None:
            error = f"{expected.error['type']}: {expected.error['message']}"
            return [Difference("error", error, ABSENT)]
        return differences_of_values(expected.error, found.error, "error", ignore=ignore)
    if expected.response is not None and found.response is not None:
        return differences(
            expected.response, found.response, ignore=ignore, omitted=expected.omitted
        )
    return differences_of_values(expected.result, found.result, ignore=ignore)
