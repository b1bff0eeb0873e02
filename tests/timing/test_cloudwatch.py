"""Metric lines, held against CloudWatch's specification of its embedded format.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from slsadapt import OptionError, wrap
from slsadapt.timing import EmbeddedMetrics, emf, span

Event = Callable[[str], dict[str, Any]]

HTTP = "aws_http/rs_sam_http"

app = Flask("timed")


@app.get("/spans/<int:number>")
def spans(number: int) -> str:
    for each in range(number):
        with span(f"span {each}"):
            pass
    return "x"


class Context:
    aws_request_id = "inv-1"
    function_name = "店 shop"


def checked(line: str) -> dict[str, Any]:
    """Read a line, and hold it to the specification."""
    document: dict[str, Any] = json.loads(line)
    metadata = document["_aws"]
    assert isinstance(metadata["Timestamp"], int)
    assert 1_600_000_000_000 < metadata["Timestamp"] < 4_000_000_000_000
    assert metadata["CloudWatchMetrics"]
    for directive in metadata["CloudWatchMetrics"]:
        assert 1 <= len(directive["Namespace"]) <= 255
        assert directive["Dimensions"]
        for dimensions in directive["Dimensions"]:
            assert len(dimensions) <= 30
            for name in dimensions:
                value = document[name]
                assert isinstance(value, str)
                assert value.isascii()
                assert 1 <= len(value) <= 1024
                assert value.strip()
        assert 1 <= len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert metric["Unit"] in {"Milliseconds", "Count", "Bytes"}
            assert type(document[metric["Name"]]) in (int, float)
            assert 1 <= len(metric["Name"]) <= 255
            assert metric["Name"].isascii()
    assert len(line.encode()) < 1_000_000
    return document


def lines(path: str, event: Event, **options: Any) -> list[dict[str, Any]]:
    stream = io.StringIO()
    hook = EmbeddedMetrics(stream=stream, **options)
    handler = wrap(app, timing=hook)
    handler(event(HTTP) | {"rawPath": path}, Context())
    assert stream.getvalue().endswith("\n")
    return [checked(line) for line in stream.getvalue().splitlines()]


def metric_names(document: dict[str, Any]) -> list[str]:
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    return [each["Name"] for each in directive["Metrics"]]


def test_line_holds_metrics_dimensions_and_properties(event: Event) -> None:
    (document,) = lines("/spans/1", event, namespace="shop")
    assert [name for name in metric_names(document) if name != "Import"] == [
        "Total", "Decode", "Application", "Encode", "ColdStart", "Errors", "RequestBytes",
        "ResponseBytes", "span_0",
    ]  # fmt: skip
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "shop"
    assert directive["Dimensions"] == [["Function", "Route"]]
    # Only ASCII may stand in a dimension.
    assert document["Function"] == "? shop"
    assert document["Route"] == "/spans/<int:number>"
    assert document["ColdStart"] == 1
    assert document["Errors"] == 0
    assert document["ResponseBytes"] == 1
    assert document["InvocationId"] == "inv-1"
    assert document["Status"] == 200
    assert document["Dialect"] == "aws_http"


def test_dimension_that_is_not_known_is_left_out(event: Event) -> None:
    (document,) = lines("/nowhere", event)
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Function"]]
    assert "Route" not in document


def test_more_than_a_hundred_metrics_take_several_lines(event: Event) -> None:
    documents = lines("/spans/250", event)
    names = [name for document in documents for name in metric_names(document)]
    assert len(documents) == 3
    assert len(names) == len({*names})
    assert {f"span_{number}" for number in range(250)} <= {*names}
    assert all(document["Route"] == "/spans/<int:number>" for document in documents)


def test_error_is_counted(event: Event) -> None:
    def fails(environ: Any, start_response: Any) -> list[bytes]:
        raise ValueError

    stream = io.StringIO()
    wrap(fails, timing=EmbeddedMetrics(stream=stream))(event(HTTP))
    assert checked(stream.getvalue())["Errors"] == 1


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        pytest.param("db query", "db_query", id="space"),
        pytest.param("a\nb\x7f", "a_b_", id="control characters"),
        pytest.param("数据", "__", id="no ASCII"),
        pytest.param("", "_", id="empty"),
        pytest.param("x" * 1000, "x" * 255, id="long"),
        pytest.param("Total", "Total_", id="metric"),
        pytest.param("Import", "Import_", id="metric of cold ones"),
        pytest.param("RequestId", "RequestId_", id="property"),
        pytest.param("Route", "Route_", id="dimension"),
        pytest.param("_aws", "_aws_", id="metadata"),
    ],
)
def test_span_gives_a_metric_of_its_own(name: str, metric: str, event: Event) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        with span(name):
            pass
        start_response("200 OK", [])
        return []

    stream = io.StringIO()
    wrap(app, timing=EmbeddedMetrics(stream=stream))(event(HTTP), Context())
    document = checked(stream.getvalue())
    assert metric_names(document)[-1] == metric
    assert document["Function"] == "? shop"
    assert isinstance(document["RequestId"], str)


def test_spans_of_one_metric_are_summed(event: Event) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        for name in ("db query", "db_query", "db query"):
            with span(name):
                time.sleep(0.01)
        start_response("200 OK", [])
        return []

    stream = io.StringIO()
    wrap(app, timing=EmbeddedMetrics(stream=stream))(event(HTTP))
    document = checked(stream.getvalue())
    assert metric_names(document).count("db_query") == 1
    assert document["db_query"] >= 30


def test_every_dimension_is_written_as_text(event: Event) -> None:
    names = ["cold", "dialect", "function", "method", "route", "status"]
    (document,) = lines("/spans/1", event, dimensions=names)
    told = {name.lower(): document[name] for name in map(str.capitalize, names)}
    assert told == {
        "cold": "True", "dialect": "aws_http", "function": "? shop", "method": "GET",
        "route": "/spans/<int:number>", "status": "200",
    }  # fmt: skip
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [
        ["Cold", "Dialect", "Function", "Method", "Route", "Status"]
    ]


def test_line_is_out_before_the_platform_has_the_result(event: Event) -> None:
    octets = io.BytesIO()
    wrap(app, timing=EmbeddedMetrics(stream=io.TextIOWrapper(octets)))(event(HTTP))
    checked(octets.getvalue().decode())


def test_lines_are_written_in_one_call(event: Event) -> None:
    written: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    handler = wrap(app, timing=EmbeddedMetrics(stream=Stream()))
    for number in (1, 250):
        handler(event(HTTP) | {"rawPath": f"/spans/{number}"})
    assert [text.count("\n") for text in written] == [1, 3]
    assert all(text.endswith("\n") for text in written)


def test_lines_of_several_threads_stay_whole(
    event: Event, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = wrap(app, timing=emf)

    def work() -> None:
        for _ in range(50):
            handler(event(HTTP) | {"rawPath": "/spans/3"})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 200
    assert sum(checked(line)["ColdStart"] for line in printed) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"namespace": " "}, "namespace must have 1 to 255 ASCII characters"),
        ({"namespace": "x" * 256}, "namespace must have"),
        ({"namespace": "店"}, "namespace must have"),
        ({"namespace": ":shop"}, "not begin with ':'"),
        ({"dimensions": ["route", "colour", "path"]}, "dimensions must be of .*; got colour, path"),
    ],
)
def test_wrong_option_is_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        EmbeddedMetrics(**options)
