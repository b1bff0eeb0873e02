"""TextFormatter and JsonFormatter: one record is one record, whatever it holds."""

from __future__ import annotations

import json
import logging
import logging.handlers
import queue
import re
import sys
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import logs
from slsadapt.logs.invocation import BOUND, CURRENT, Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

# C0 but the tab, DEL, C1, the separators, surrogates: first and last of each, and the odd ones.
UNSAFE = [
    *map(chr, [*range(0x09), *range(0x0A, 0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]),
    "\ud800",
    "\udfff",
]
FORMATTERS = [
    pytest.param(logs.TextFormatter(), id="text"),
    pytest.param(logs.JsonFormatter(), id="json"),
]


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


def record_of(message: str = "hello", **attributes: Any) -> logging.LogRecord:
    """Make a record as of a logger, with attributes of choice."""
    return logging.makeLogRecord(
        {"name": "shop", "levelname": "INFO", "msg": message, "created": 1700000000.25} | attributes
    )


def raised(message: str) -> Any:
    """Give what ``exc_info`` holds for an exception that was raised from another."""
    try:
        try:
            raise KeyError("the cause\nin column 0")
        except KeyError as cause:
            raise ValueError(message) from cause
    except ValueError:
        return sys.exc_info()


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    line = logs.JsonFormatter().format(record)
    assert len(line.splitlines()) == 1
    line.encode("utf-8")
    loaded: dict[str, Any] = json.loads(line)
    return loaded


# Text


def test_text_is_time_level_prefix_logger_message() -> None:
    formatter = logs.TextFormatter(datefmt="%Y")
    record = record_of(log_prefix="[req-1]")
    assert re.fullmatch(r"202[34] INFO \[req-1\] shop: hello", formatter.format(record))


def test_text_takes_a_format_of_ones_own() -> None:
    formatter = logs.TextFormatter("%(log_prefix)s|%(levelname)-6s|%(message)s")
    assert formatter.format(record_of(log_prefix="[x]")) == "[x]|INFO  |hello"


def test_text_without_the_filter_has_a_dash() -> None:
    assert logs.TextFormatter("%(log_prefix)s %(message)s").format(record_of()) == "- hello"


@pytest.mark.parametrize("character", UNSAFE, ids=ascii)
def test_text_escapes_what_ends_lines_or_steers_terminals(character: str) -> None:
    formatter = logs.TextFormatter("%(log_prefix)s %(name)s %(message)s")
    written = ascii(character)[1:-1]
    text = f"a{character}b"
    record = record_of("%s", args=(text,), name=text, log_prefix=text)
    assert formatter.format(record) == f"a{written}b a{written}b a{written}b"
    assert formatter.format(record_of(text)) == f"- shop a{written}b"


@pytest.mark.parametrize("text", ["a\tb", "订单", "é😀", "\\n", "\xa0", "\u200b"], ids=ascii)
def test_text_leaves_the_rest_as_it_is(text: str) -> None:
    assert logs.TextFormatter("%(message)s").format(record_of(text)) == text


def test_text_indents_tracebacks_and_stacks() -> None:
    message = "gone\n2023 INFO forged\r\x1b[2K\u2028\x85forged"
    record = record_of("bad", exc_info=raised(message), stack_info="Stack:\n  File\x0b 'x'")
    first, *more = logs.TextFormatter("%(message)s").format(record).split("\n")
    assert first == "bad"
    assert all(line.startswith("    ") for line in more)
    assert more[0] == "    Traceback (most recent call last):"
    assert "    KeyError: 'the cause\\nin column 0'" in more
    assert more[-4:] == [
        "    ValueError: gone",
        r"    2023 INFO forged\r\x1b[2K\u2028\x85forged",
        "    Stack:",
        r"      File\x0b 'x'",
    ]
    assert "\n".join([first, *more]).splitlines() == [first, *more]


def test_message_cannot_pass_for_a_traceback() -> None:
    written = logs.TextFormatter("%(message)s").format(record_of("a\n    Traceback"))
    assert written == r"a\n    Traceback"


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_other_formatters_find_their_own_traceback(formatter: logging.Formatter) -> None:
    record = record_of(exc_info=raised("gone"))
    formatter.format(record)
    assert record.exc_text is None
    plain = logging.Formatter("%(message)s").format(record)
    assert plain.endswith("\nValueError: gone")


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_traceback_that_another_formatter_wrote_is_not_taken(
    formatter: logging.Formatter,
) -> None:
    record = record_of(exc_info=raised("gone"), exc_text="2023 INFO forged")
    written = formatter.format(record)
    assert "forged" not in written
    assert "ValueError: gone" in written
    assert record.exc_text == "2023 INFO forged"


@pytest.mark.parametrize("nothing", [None, (None, None, None), ()], ids=repr)
@pytest.mark.parametrize("formatter", FORMATTERS)
def test_record_without_an_exception_has_none(formatter: logging.Formatter, nothing: Any) -> None:
    assert "exception" not in formatter.format(record_of(exc_info=nothing))
    assert "\n" not in formatter.format(record_of(exc_info=nothing))


def test_traceback_of_a_queue_is_indented() -> None:
    # QueueHandler.prepare may leave a record with the text of a traceback alone.
    record = record_of("bad", exc_text="Traceback:\n2023 INFO forged\x85")
    assert logs.TextFormatter("%(message)s").format(record).split("\n") == [
        "bad",
        "    Traceback:",
        r"    2023 INFO forged\x85",
    ]


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_record_through_a_queue_is_one_line(formatter: logging.Formatter) -> None:
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    logging.handlers.QueueHandler(records).emit(
        record_of("sold %s", args=("a\nb",), exc_info=raised("gone\nforged"))
    )
    first, *more = formatter.format(records.get_nowait()).splitlines()
    assert r"sold a\nb" in first
    assert all(line.startswith("    ") for line in more)


@pytest.mark.parametrize("of", [logs.TextFormatter, logs.JsonFormatter])
def test_terminator_ends_the_record(of: Any) -> None:
    assert not of().format(record_of()).endswith("\n")
    record = record_of(exc_info=raised("gone"))
    assert of(terminator="\n").format(record) == of().format(record) + "\n"


# JSON


def test_json_names_and_orders_its_fields() -> None:
    logs.bind(user="ada")
    record = record_of("sold %d", args=(3,), price=5, exc_info=raised("gone"), stack_info="Stack")
    fields = fields_of(record)
    assert [*fields] == [
        "time",
        "level",
        "logger",
        "message",
        "exception",
        "stack",
        "request_id",
        "invocation_id",
        "function",
        "user",
        "price",
    ]
    traceback = fields.pop("exception")
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert traceback.endswith("\nValueError: gone")
    assert fields == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "INFO",
        "logger": "shop",
        "message": "sold 3",
        "stack": "Stack",
        "request_id": "req-1",
        "invocation_id": "inv-1",
        "function": "shop",
        "user": "ada",
        "price": 5,
    }


def test_json_outside_of_invocations_has_what_logging_has() -> None:
    CURRENT.set(None)
    assert [*fields_of(record_of())] == ["time", "level", "logger", "message"]


def test_json_leaves_the_prefix_and_other_formatters_out() -> None:
    record = record_of()
    logs.LogPrefixFilter().filter(record)
    logging.Formatter("%(asctime)s %(message)s").format(record)
    assert fields_of(record).keys() == {
        "time", "level", "logger", "message", "request_id", "invocation_id", "function",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tenant_id", "expected"),
    [pytest.param("acme", "acme", id="one"), pytest.param(None, "", id="none")],
)
def test_json_has_the_tenant_where_there_is_one(tenant_id: str | None, expected: str) -> None:
    assert fields_of(record_of(tenant_id=tenant_id)).get("tenant_id", "") == expected


def test_json_names_that_collide_get_an_underscore() -> None:
    logs.bind(message="bound", level=5, exception="none", user="bound", user_="own")
    record = record_of("real", user="extra", request_id="extra", time="extra", stack="extra")
    fields = fields_of(record)
    assert fields["message"] == "real"
    assert fields["message_"] == "bound"
    assert (fields["level"], fields["level_"]) == ("INFO", 5)
    assert fields["exception"] == "none"
    assert (fields["user"], fields["user_"], fields["user__"]) == ("bound", "own", "extra")
    assert (fields["request_id"], fields["request_id_"]) == ("req-1", "extra")
    assert fields["time_"] == fields["stack"] == "extra"


def test_json_keeps_other_alphabets_readable() -> None:
    logs.bind(city="北京")
    line = logs.JsonFormatter().format(record_of("é 订单 😀"))
    assert '"message": "é 订单 😀"' in line
    assert '"city": "北京"' in line


@pytest.mark.parametrize("character", [*UNSAFE, '"', "\\"], ids=ascii)
def test_json_is_one_line_and_gives_the_text_back(character: str) -> None:
    text = f"a{character}b"
    logs.bind(**{text: text, "user": text})
    line = logs.JsonFormatter().format(record_of(text, name=text, extra_=[text], stack_info=text))
    assert line.isprintable()
    fields = json.loads(line)
    assert fields["message"] == fields["logger"] == fields["stack"] == fields["user"] == text
    assert fields[text] == text
    assert fields["extra_"] == [text]


class Lazy:
    """As of an object-relational mapper whose connection is gone."""

    def __repr__(self) -> str:
        raise RuntimeError("the database is gone")


def circular() -> list[object]:
    mine: list[object] = []
    mine.append(mine)
    return mine


def deep() -> list[object]:
    mine: list[object] = []
    for _ in range(100_000):
        mine = [mine]
    return mine


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param(float("nan"), "nan", id="NaN"),
        pytest.param(float("-inf"), "-inf", id="infinity"),
        pytest.param([1, float("nan")], "[1, nan]", id="NaN inside"),
        pytest.param(b"a\nb", r"b'a\nb'", id="bytes"),
        pytest.param({5}, "{5}", id="set"),
        pytest.param(1j, "1j", id="complex"),
        pytest.param({"at": {5}}, {"at": "{5}"}, id="set inside"),
        pytest.param((1, None, True), [1, None, True], id="tuple"),
        pytest.param({1: 2}, {"1": 2}, id="int as a key"),
        pytest.param({(1, 2): 3}, "{(1, 2): 3}", id="tuple as a key"),
        pytest.param(circular(), "[[...]]", id="circular"),
        pytest.param(Lazy(), "<Lazy>", id="repr raises"),
        pytest.param([Lazy()], "<list>", id="repr inside raises"),
        pytest.param({"at": "a\u2028\ud800"}, {"at": "a\u2028\ud800"}, id="separator inside"),
    ],
)
@pytest.mark.parametrize("place", ["bound", "extra"])
def test_json_keeps_the_record_of_any_value(value: Any, written: Any, place: str) -> None:
    record = record_of(item="fine")
    if place == "bound":
        logs.bind(value=value)
    else:
        record.__dict__["value"] = value
    fields = fields_of(record)
    assert fields["value"] == written
    # What else is in the record stays as it is.
    assert (fields["message"], fields["item"]) == ("hello", "fine")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(deep(), id="deeper than Python goes"),
        pytest.param(10**5000, id="more digits than Python writes"),
    ],
)
def test_json_keeps_the_record_of_a_value_too_large(value: Any) -> None:
    fields = fields_of(record_of(value=value))
    assert fields["message"] == "hello"
    assert "value" in fields


@pytest.mark.parametrize(
    ("name", "written"),
    [
        pytest.param(5, "5", id="int"),
        pytest.param((1, "\n"), r"(1, '\n')", id="tuple"),
        pytest.param(None, "None", id="None"),
    ],
)
def test_json_keeps_the_record_of_any_name(name: Any, written: str) -> None:
    logger, stream = logging.Logger("shop"), StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logger.addHandler(handler)
    logger.warning("hello", extra={name: "x", "more": {5}})
    fields = json.loads(stream.getvalue())
    assert fields["message"] == "hello"
    assert fields[written] == "x"
    assert fields["more"] == "{5}"


def test_json_without_arguments_takes_the_message_as_it_is() -> None:
    assert fields_of(record_of("100 %"))["message"] == "100 %"
    assert fields_of(record_of(msg=ValueError("an object")))["message"] == "an object"
