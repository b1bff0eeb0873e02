"""setup_logging: on a bare root logger, on one of a platform, twice."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import OptionError, logs
from slsadapt.logs.invocation import BOUND, CURRENT, Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def bare_root_logger() -> Iterator[None]:
    """Have the root logger as a new process has it, and put back what it had.

    A decorator rather than a fixture: pytest adds its handlers between fixtures and test.
    """
    root = logging.root
    handlers, filters, level = root.handlers, root.filters, root.level
    root.handlers, root.filters = [], []
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.handlers, root.filters = handlers, filters
        root.setLevel(level)


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


@bare_root_logger()
def test_bare_root_logger_writes_text_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup_logging()
    logging.getLogger("shop.orders").info("sold\n%s", "out")
    logging.getLogger("shop.orders").debug("too fine")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(r" INFO [req-1][shop] shop.orders: sold\nout" + "\n")
    assert err.count("\n") == 1
    assert len(logging.root.handlers) == 1


@bare_root_logger()
def test_bare_root_logger_writes_json_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.setup_logging(json=True)
    logs.bind(user="ada")
    logging.getLogger("shop.orders").info("sold\n%s", "out")
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    fields = json.loads(err)
    del fields["time"]
    assert fields == {
        "level": "INFO",
        "logger": "shop.orders",
        "message": "sold\nout",
        "request_id": "req-1",
        "invocation_id": "inv-1",
        "function": "shop",
        "user": "ada",
    }


@bare_root_logger()
def test_prefix_is_of_choice(capsys: pytest.CaptureFixture[str]) -> None:
    logs.bind(user="ada")
    logs.setup_logging(prefix="<{user}>")
    logging.getLogger("shop").info("sold")
    assert capsys.readouterr().err.endswith(" INFO <ada> shop: sold\n")


@pytest.mark.parametrize("json_lines", [False, True], ids=["text", "json"])
@bare_root_logger()
def test_handlers_that_are_there_are_kept(json_lines: bool) -> None:
    streams = [StringIO(), StringIO()]
    handlers = [logging.StreamHandler(stream) for stream in streams]
    logging.root.handlers = [*handlers]
    logs.setup_logging(json=json_lines)
    assert logging.root.handlers == handlers
    logging.getLogger("shop").info("sold")
    for stream in streams:
        line = stream.getvalue()
        assert line.count("\n") == 1
        assert ("INFO [req-1][shop] shop: sold\n" in line) is not json_lines
        assert line.startswith("{") is json_lines


@bare_root_logger()
def test_other_filters_of_a_handler_stay() -> None:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(lambda record: "secret" not in record.getMessage())
    logging.root.addHandler(handler)
    logs.setup_logging()
    logging.getLogger("shop").info("a secret")
    logging.getLogger("shop").info("sold")
    assert "secret" not in stream.getvalue()
    assert stream.getvalue().endswith("sold\n")


@bare_root_logger()
def test_second_call_replaces_what_the_first_did(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup_logging(json=True, prefix="one {request_id}", level="ERROR")
    logs.setup_logging(prefix="two {request_id}", level="DEBUG")
    logging.getLogger("shop").debug("sold")
    err = capsys.readouterr().err
    assert err.endswith(" DEBUG two req-1 shop: sold\n")
    assert err.count("\n") == 1
    (handler,) = logging.root.handlers
    assert len(handler.filters) == 1


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        pytest.param("DEBUG", logging.DEBUG, id="name"),
        pytest.param(logging.ERROR, logging.ERROR, id="number"),
    ],
)
@bare_root_logger()
def test_level_is_the_root_loggers(level: Any, expected: int) -> None:
    logs.setup_logging(level=level)
    assert logging.root.level == expected


@bare_root_logger()
def test_level_is_info_unless_told() -> None:
    logs.setup_logging()
    assert logging.root.level == logging.INFO


@pytest.mark.parametrize(
    ("options", "error"),
    [
        pytest.param({"prefix": "{"}, OptionError, id="prefix"),
        pytest.param({"level": "LOUD"}, ValueError, id="level"),
    ],
)
@bare_root_logger()
def test_wrong_option_changes_nothing(options: dict[str, Any], error: type[Exception]) -> None:
    handler = logging.StreamHandler(StringIO())
    logging.root.addHandler(handler)
    with pytest.raises(error):
        logs.setup_logging(**options)
    assert logging.root.handlers == [handler]
    assert (handler.formatter, handler.filters) == (None, [])
    assert logging.root.level == logging.WARNING


# AWS's runtime, whose handlers write what the formatter gives and nothing behind it.


def set_up_aws(monkeypatch: pytest.MonkeyPatch, log_format: str, level: str | None) -> None:
    """Set the root logger up as AWS's runtime does.

    Source: https://github.com/aws/aws-lambda-python-runtime-interface-client, bootstrap.py
    """
    bootstrap = pytest.importorskip("awslambdaric.bootstrap", reason="built for Linux alone")
    # It makes all formatters write UTC.
    monkeypatch.setattr(logging.Formatter, "converter", logging.Formatter.converter)
    monkeypatch.setattr(bootstrap, "_GLOBAL_AWS_REQUEST_ID", "inv-1")
    bootstrap._setup_logging(
        bootstrap.LogFormat.from_str(log_format), level, bootstrap.StandardLogSink()
    )
    (handler,) = logging.root.handlers
    assert not hasattr(handler, "terminator")


AWS = pytest.mark.parametrize(
    ("log_format", "level"),
    [
        pytest.param("Text", None, id="text"),
        pytest.param("Text", "INFO", id="text with a level"),
        pytest.param("JSON", "INFO", id="json"),
    ],
)


def log_three() -> None:
    logger = logging.getLogger("shop")
    logger.info("first")
    try:
        raise ValueError("gone\nforged")
    except ValueError:
        logger.exception("second")
    logger.info("third", extra={"price": 5})


@AWS
@bare_root_logger()
def test_aws_runtime_writes_text_line_by_line(
    log_format: str,
    level: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_aws(monkeypatch, log_format, level)
    logs.setup_logging()
    log_three()
    out, err = capsys.readouterr()
    assert err == ""
    assert out.endswith("\n")
    first, second, *indented, third = out.splitlines()
    assert first.endswith(" INFO [req-1][shop] shop: first")
    assert second.endswith(" ERROR [req-1][shop] shop: second")
    assert third.endswith(" INFO [req-1][shop] shop: third")
    assert all(line.startswith("    ") for line in indented)
    assert indented[-2:] == ["    ValueError: gone", "    forged"]


@AWS
@bare_root_logger()
def test_aws_runtime_writes_json_line_by_line(
    log_format: str,
    level: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_aws(monkeypatch, log_format, level)
    logs.setup_logging(json=True)
    log_three()
    out = capsys.readouterr().out
    assert out.endswith("\n")
    first, second, third = map(json.loads, out.splitlines())
    assert [each["message"] for each in (first, second, third)] == ["first", "second", "third"]
    assert second["exception"].endswith("ValueError: gone\nforged")
    assert third["price"] == 5
    # Of what the runtime's filter adds, the ID is there already.
    assert third.keys() == {
        "time", "level", "logger", "message", "request_id", "invocation_id", "function", "price",
    }  # fmt: skip


@bare_root_logger()
def test_platforms_handler_without_a_line_end_gets_one() -> None:
    """As AWS's and Tencent's, here on any system."""

    class Sink(logging.Handler):
        written = ""

        def emit(self, record: logging.LogRecord) -> None:
            self.written += self.format(record)

    sink = Sink()
    logging.root.addHandler(sink)
    logs.setup_logging(json=True)
    log_three()
    assert [json.loads(line)["message"] for line in sink.written.split("\n")[:-1]] == [
        "first",
        "second",
        "third",
    ]
    assert sink.written.endswith("}\n")
