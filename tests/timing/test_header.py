"""The ``Server-Timing`` header, read back by the grammar of its specification."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from slsadapt import wrap
from slsadapt.timing import server_timing, span

Event = Callable[[str], dict[str, Any]]

HTTP = "aws_http/rs_sam_http"
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
PARAMETER = rf'{TOKEN}=(?:{TOKEN}|"(?:[\t !#-\[\]-~]|\\[\t -~])*")'
METRIC = rf"{TOKEN}(?:;{PARAMETER})*"


def metrics(header: str) -> dict[str, dict[str, str]]:
    """Parse a header, strictly."""
    assert re.fullmatch(rf"{METRIC}(?:, {METRIC})*", header), header
    parsed = {}
    for metric in re.findall(METRIC, header):
        name, *rest = re.split(r";(?=[a-z]+=)", metric)
        parsed[name] = dict(each.split("=", 1) for each in rest)
    return parsed


def header_of(names: list[str], event: Event) -> str:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        for name in names:
            with span(name):
                pass
        start_response("200 OK", [])
        return []

    handler = wrap(app, timing=server_timing)
    first = handler(event(HTTP))["headers"]["server-timing"]
    assert "cold" in metrics(first)
    header: str = handler(event(HTTP))["headers"]["server-timing"]
    return header


def test_phases_and_spans_are_metrics(event: Event) -> None:
    parsed = metrics(header_of(["db", "db", "cache"], event))
    assert [*parsed] == ["decode", "app", "db", "cache", "total"]
    assert all(float(each["dur"]) >= 0 for each in parsed.values())
    assert float(parsed["total"]["dur"]) >= float(parsed["app"]["dur"])


@pytest.mark.parametrize(
    ("name", "token", "description"),
    [
        ("db query", "db_query", '"db query"'),
        ('a"b\\c', "a_b_c", r'"a\"b\\c"'),
        ("数据库", "___", '"???"'),
        ("a\r\nX-Evil: 1", "a__X-Evil__1", '"a??X-Evil: 1"'),
        ("", "_", '""'),
        ("a,b;c=d", "a_b_c_d", '"a,b;c=d"'),
    ],
)
def test_name_that_is_no_token_is_described(
    name: str, token: str, description: str, event: Event
) -> None:
    header = header_of([name], event)
    assert f"{token};desc={description};dur=" in header
    assert re.fullmatch(rf"{METRIC}(?:, {METRIC})*", header)


def test_many_spans_do_not_burst_the_header(event: Event) -> None:
    header = header_of([f"span-{number:04d}" for number in range(1000)], event)
    assert len(header) < 2200
    parsed = metrics(header)
    shown = sum(name.startswith("span-") for name in parsed)
    assert parsed["more"]["desc"] == f'"{1000 - shown} more spans"'
    assert 50 < shown < 1000
    assert "total" in parsed
