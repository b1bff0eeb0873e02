"""LogPrefixFilter: what stands in front of a line is of the request that logs it, always."""

from __future__ import annotations

import logging
import sys
import threading
from contextvars import copy_context
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import OptionError, logs
from slsadapt.logs.invocation import BOUND, CURRENT, Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def invocation() -> Iterator[Invocation]:
    """Run each test in an invocation of its own, and take it away again."""
    current = Invocation()
    current.request_id = "req-1"
    current.invocation_id = "inv-1"
    current.function = "shop"
    token, bound = CURRENT.set(current), BOUND.set({})
    yield current
    BOUND.reset(bound)
    CURRENT.reset(token)


def prefix_of(log_prefix: logs.LogPrefixFilter) -> str:
    record = logging.makeLogRecord({"msg": "hello"})
    assert log_prefix.filter(record) is True
    prefix: str = record.__dict__["log_prefix"]
    return prefix


class Place:
    title = "Prague"

    def __getitem__(self, number: int) -> str:
        return ("first", "second")[number]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param("[{request_id}][{function}]", "[req-1][shop]", id="request and function"),
        pytest.param("{invocation_id}", "inv-1", id="invocation"),
        pytest.param("{user}@{tenant}", "ada@-", id="bound and not bound"),
        pytest.param("{request_id:.3}", "req", id="shortened"),
        pytest.param("{user:>6}|", "   ada|", id="aligned"),
        pytest.param("{tenant:>3}|", "  -|", id="unknown, aligned"),
        pytest.param("{user!r}", "'ada'", id="conversion"),
        pytest.param("{part:.1f}|{whole:03d}", "0.2|-", id="numbers"),
        pytest.param("{place.title}|{place[0]}|{no.title[0]}", "Prague|first|-", id="parts"),
        pytest.param("{{{user}}}", "{ada}", id="braces"),
        pytest.param("{empty}|{none}|{zero}", "|None|0", id="bound to what is false"),
        pytest.param("shop", "shop", id="no names"),
        pytest.param("", "", id="nothing"),
        pytest.param("订单 {user}", "订单 ada", id="not ASCII"),
    ],
)
def test_prefix_names_what_is_known(template: str, expected: str) -> None:
    logs.bind(user="ada", empty="", none=None, zero=0, part=0.25, place=Place())
    assert prefix_of(logs.LogPrefixFilter(template)) == expected


def test_default_prefix_is_request_and_function() -> None:
    assert prefix_of(logs.LogPrefixFilter()) == "[req-1][shop]"


def test_empty_ids_are_dashes(invocation: Invocation) -> None:
    invocation.request_id = invocation.invocation_id = invocation.function = ""
    template = "[{request_id}][{invocation_id}][{function}]"
    assert prefix_of(logs.LogPrefixFilter(template)) == "[-][-][-]"


@pytest.mark.parametrize("name", ["AWS_LAMBDA_FUNCTION_NAME", "__OW_ACTIVATION_ID"])
def test_outside_of_invocations_there_are_dashes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As logs.context() gives nothing there; OpenWhisk's variable is of the latest invocation.
    monkeypatch.setenv(name, "of the environment")
    CURRENT.set(None)
    log_prefix = logs.LogPrefixFilter("[{request_id}][{invocation_id}][{function}][{user}]")
    assert prefix_of(log_prefix) == "[-][-][-][-]"
    logs.bind(user="ada")
    assert prefix_of(log_prefix) == "[-][-][-][ada]"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a\nb", r"a\nb", id="line feed"),
        pytest.param("a\r\nb", r"a\r\nb", id="carriage return"),
        pytest.param("\x1b[31m", r"\x1b[31m", id="terminal"),
        pytest.param("\x00\x7f\x85", r"\x00\x7f\x85", id="NUL, DEL, NEL"),
        pytest.param("\u2028\u2029", r"\u2028\u2029", id="separators"),
        pytest.param("\ud800", r"\ud800", id="lone surrogate"),
        pytest.param("a\tb", "a\tb", id="tab stays"),
    ],
)
def test_bound_control_characters_are_escaped(value: str, expected: str) -> None:
    logs.bind(user=value)
    assert prefix_of(logs.LogPrefixFilter("[{user}]")) == f"[{expected}]"


def test_control_characters_of_the_platform_are_escaped(invocation: Invocation) -> None:
    invocation.invocation_id = "x\nINFO forged"
    assert prefix_of(logs.LogPrefixFilter("[{invocation_id}]")) == r"[x\nINFO forged]"


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("{", id="opened"),
        pytest.param("}", id="closed"),
        pytest.param("{request_id", id="never closed"),
        pytest.param("{}", id="no name"),
        pytest.param("{0}", id="number"),
        pytest.param("{user name}", id="space"),
        pytest.param("{request-id}", id="dash"),
        pytest.param("{user.}", id="no attribute"),
        pytest.param("{user[name}", id="key never closed"),
        pytest.param("{user!x}", id="no such conversion"),
        pytest.param("{user:{width}}", id="name in a format"),
        pytest.param(None, id="None"),
        pytest.param(5, id="int"),
    ],
)
def test_malformed_template_is_refused(template: Any) -> None:
    with pytest.raises(OptionError, match="prefix must be a format string such as") as caught:
        logs.LogPrefixFilter(template)
    assert repr(template) in str(caught.value)


def test_value_that_does_not_fit_its_format_costs_no_line() -> None:
    log_prefix = logs.LogPrefixFilter("<{request_id}|{user:>5}>")
    logs.bind(user=ValueError("a\nb"))  # exceptions take no alignment
    assert prefix_of(log_prefix) == r"[req-1][a\nb]"


class Lazy:
    """As of an object-relational mapper whose connection is gone."""

    def __str__(self) -> str:
        raise RuntimeError("the database is gone")


def test_value_that_raises_costs_no_line() -> None:
    logs.bind(user=Lazy())
    assert prefix_of(logs.LogPrefixFilter("{request_id} {user} {no}")) == "[req-1][<Lazy>][-]"


def test_request_id_known_later_shows() -> None:
    later = Invocation()
    CURRENT.set(later)
    log_prefix = logs.LogPrefixFilter("{request_id}")
    assert prefix_of(log_prefix) == "-"
    later.request_id = "req-2"
    assert prefix_of(log_prefix) == "req-2"
    later.request_id = "req-3"
    assert prefix_of(log_prefix) == "req-3"


def test_request_id_set_while_a_record_is_written_shows_on_the_next() -> None:
    later = Invocation()
    CURRENT.set(later)

    class Sets:
        def __str__(self) -> str:
            later.request_id = "req-2"
            return "ada"

    logs.bind(user=Sets())
    log_prefix = logs.LogPrefixFilter("{request_id} {user!s}")
    assert prefix_of(log_prefix) == "- ada"
    assert prefix_of(log_prefix) == "req-2 ada"


def test_bind_and_unbind_show_at_once() -> None:
    log_prefix = logs.LogPrefixFilter("{user}")
    seen = [prefix_of(log_prefix)]
    logs.bind(user="ada")
    seen.append(prefix_of(log_prefix))
    logs.bind(user="bob")
    seen.append(prefix_of(log_prefix))
    logs.bind(tenant="x")
    seen.append(prefix_of(log_prefix))
    logs.unbind("user")
    seen.append(prefix_of(log_prefix))
    assert seen == ["-", "ada", "bob", "bob", "-"]


def test_each_context_has_its_own_prefix() -> None:
    log_prefix = logs.LogPrefixFilter("{request_id} {user}")

    def enter(number: int) -> None:
        current = Invocation()
        current.request_id = f"req-{number}"
        CURRENT.set(current)
        logs.bind(user=number)

    contexts = [copy_context() for _ in range(3)]
    for number, context in enumerate(contexts):
        context.run(enter, number)
    for _ in range(3):
        for number, context in enumerate(contexts):
            assert context.run(prefix_of, log_prefix) == f"req-{number} {number}"
    assert prefix_of(log_prefix) == "req-1 -"


def test_next_attempt_of_a_request_has_its_own_prefix(invocation: Invocation) -> None:
    log_prefix = logs.LogPrefixFilter("{request_id} {invocation_id} {function}")
    assert prefix_of(log_prefix) == "req-1 inv-1 shop"
    retry = Invocation()
    retry.request_id, retry.invocation_id, retry.function = "req-1", "inv-2", "mail"
    CURRENT.set(retry)
    assert prefix_of(log_prefix) == "req-1 inv-2 mail"
    CURRENT.set(invocation)
    assert prefix_of(log_prefix) == "req-1 inv-1 shop"


@pytest.fixture
def often() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often")
def test_threads_that_share_a_filter_keep_apart() -> None:
    log_prefix = logs.LogPrefixFilter("{request_id} {step}")
    start = threading.Barrier(4)
    wrong: list[tuple[str, str]] = []
    done: list[int] = []

    def work(number: int) -> None:
        start.wait(10)
        for step in range(3000):
            # Each way in which the prefix may change: the invocation, its ID, the bound fields.
            if step % 7 == 0:
                CURRENT.set(Invocation())
            current = CURRENT.get()
            assert current is not None
            if step % 3 == 0:
                current.request_id = f"{number}-{step}"
            logs.bind(step=step)
            expected = f"{current.request_id or '-'} {step}"
            for _ in range(2):
                if (found := prefix_of(log_prefix)) != expected:
                    wrong.append((found, expected))
        done.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sorted(done) == [0, 1, 2, 3]


class Platform:
    """A platform's context that counts how often it is asked for its function."""

    aws_request_id = "inv-2"
    asked = 0

    @property
    def function_name(self) -> str:
        Platform.asked += 1
        return "lazy"


def test_only_what_the_template_names_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Platform, "asked", 0)
    current = Invocation()
    current.platform_context = Platform()
    CURRENT.set(current)
    assert prefix_of(logs.LogPrefixFilter("{request_id} {invocation_id}")) == "- inv-2"
    assert Platform.asked == 0
    log_prefix = logs.LogPrefixFilter("{function}")
    assert [prefix_of(log_prefix) for _ in range(3)] == ["lazy"] * 3
    assert Platform.asked == 1


@pytest.mark.parametrize("place", ["logger", "handler"])
def test_filter_serves_loggers_and_handlers(place: str) -> None:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(log_prefix)s %(message)s"))
    logger = logging.Logger("shop.orders")
    logger.addHandler(handler)
    {"logger": logger, "handler": handler}[place].addFilter(logs.LogPrefixFilter())
    logger.warning("sold %s", "out")
    assert stream.getvalue() == "[req-1][shop] sold out\n"
