"""Events in, results out, as AWS's runtime reads and writes them."""

from __future__ import annotations

import math
import sys
from decimal import Decimal
from typing import Any

import pytest

from slsadapt.runtime.failures import FaultError
from slsadapt.runtime.results import read_event, write_json, write_result

IS_ASCII = sys.version_info < (3, 12)

RESULTS: list[Any] = [
    pytest.param(
        {"a": [1, (2.5, None)], "b": True}, '{"a": [1, [2.5, null]], "b": true}', id="all"
    ),
    pytest.param("é", '"\\u00e9"' if IS_ASCII else '"é"', id="text"),
    pytest.param("\u2028", '"\\u2028"' if IS_ASCII else '"\u2028"', id="line separator"),
    pytest.param("\U0001f600", '"\\ud83d\\ude00"' if IS_ASCII else '"\U0001f600"', id="astral"),
    pytest.param(
        {"body": b"caf\xc3\xa9"},
        '{"body": "%s"}' % ("caf\\u00e9" if IS_ASCII else "café"),
        id="bytes inside",
    ),
    pytest.param({b"key": 1}, '{"key": 1}', id="bytes as a key"),
    pytest.param(math.nan, "NaN", id="not a number"),
    pytest.param([math.inf, -math.inf], "[Infinity, -Infinity]", id="infinities"),
    pytest.param(
        {"price": Decimal("12345678901234567890.10")},
        '{"price": 12345678901234567890.10}',
        id="decimal",
    ),
    pytest.param([Decimal("NaN"), Decimal("-NaN")], "[NaN, NaN]", id="decimal, not a number"),
    pytest.param(
        {2: "a", None: "b", True: "c"}, '{"2": "a", "null": "b", "true": "c"}', id="other keys"
    ),
    pytest.param(
        [Decimal("1"), {}, [], "é"],
        "[1, {}, [], %s]" % ('"\\u00e9"' if IS_ASCII else '"é"'),
        id="empty ones beside a decimal",
    ),
    pytest.param(None, "null", id="nothing"),
]


@pytest.mark.parametrize(("result", "text"), RESULTS)
def test_result_is_written(result: Any, text: str) -> None:
    assert write_result(result) == (text.encode(), "application/json")


@pytest.mark.parametrize(("result", "text"), RESULTS)
def test_result_is_written_so_by_the_real_runtime(
    result: Any, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    marshaller = pytest.importorskip(
        "awslambdaric.lambda_runtime_marshaller", reason="awslambdaric is not installed"
    )
    monkeypatch.setenv(
        "AWS_EXECUTION_ENV", "AWS_Lambda_python3.11" if IS_ASCII else "AWS_Lambda_python3.12"
    )
    assert marshaller.LambdaMarshaller().marshal_response(result) == (text, "application/json")


def test_bytes_are_sent_as_they_are() -> None:
    assert write_result(b"\xff\x00") == (b"\xff\x00", "application/unknown")


def circular() -> Any:
    value: list[Any] = [Decimal("1")]
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("result", "message"),
    [
        pytest.param({1, 2}, "Object of type set is not JSON serializable", id="set"),
        pytest.param({"a": object()}, "Object of type object is not", id="object"),
        pytest.param(bytearray(b"a"), "Object of type bytearray is not", id="bytearray"),
        pytest.param(
            {(1, 2): 3}, "keys must be str, int, float, bool or None, not tuple", id="key"
        ),
        pytest.param(circular(), "Circular reference detected", id="circle"),
        pytest.param({"a": b"\xff"}, "'utf-8' codec can't decode byte 0xff", id="no text"),
    ],
)
def test_what_json_cannot_hold_is_a_marshal_error(result: Any, message: str) -> None:
    with pytest.raises(FaultError, match=f"^Unable to marshal response: {message}") as raised:
        write_result(result)
    assert raised.value.error_type == "Runtime.MarshalError"


def test_lone_surrogate_is_an_escape_or_an_error() -> None:
    if IS_ASCII:
        assert write_json("\ud800") == b'"\\ud800"'
    else:
        with pytest.raises(FaultError, match="surrogates not allowed"):
            write_result("\ud800")


def test_event_is_read() -> None:
    assert read_event(b'{"a": "\xc3\xa9"}') == {"a": "é"}


def test_event_of_another_type_stays_bytes() -> None:
    assert read_event(b"\xff", "application/octet-stream") == b"\xff"


def test_event_that_is_no_json_is_an_unmarshal_error() -> None:
    with pytest.raises(FaultError, match=r"^Unable to unmarshal input: Expecting value") as raised:
        read_event(b"no")
    assert raised.value.error_type == "Runtime.UnmarshalError"
