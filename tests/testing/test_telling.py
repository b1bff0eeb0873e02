"""How differences are told, in lines and as JSON."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slsadapt import Response
from slsadapt.testing.compare import (
    ABSENT,
    Difference,
    Digest,
    differences,
    differences_of_values,
)
from slsadapt.testing.telling import describe, lines_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def told(expected: str, found: str) -> list[str]:
    """Tell how one text differs from another."""
    headers = [("Content-Type", "text/plain; charset=utf-8")]
    bodies = (Response(200, headers, text.encode()) for text in (expected, found))
    (difference,) = differences(*bodies)
    return lines_of(difference)


@pytest.mark.parametrize(
    ("difference", "lines"),
    [
        pytest.param(Difference("status", 200, 500), ["status: 200 -> 500"], id="short"),
        pytest.param(
            Difference("headers.etag", "1", ABSENT), ["headers.etag: 1 -> (absent)"], id="absent"
        ),
        pytest.param(Difference("body.a", None, "北京"), ['body.a: null -> "北京"'], id="Chinese"),
        pytest.param(
            Difference("headers.link", "a" * 40, ["b"]),
            ["headers.link", f"  - {'a' * 40}", '  + ["b"]'],
            id="long",
        ),
        pytest.param(
            Difference("body.a", "x" * 100 + "1", "x" * 100 + "2"),
            ["body.a", f'  - ...{"x" * 30}1"', f'  + ...{"x" * 30}2"'],
            id="too long, cut where it differs",
        ),
        pytest.param(
            Difference("body.a", "\x1b[31m\u202ex", "\x9b"),
            ['body.a: "\\u001b[31m\\u202ex" -> "\\x9b"'],
            id="what a terminal would obey",
        ),
        pytest.param(
            Difference("status", 200, 302, "why"), ["status: 200 -> 302  (why)"], id="explained"
        ),
    ],
)
def test_lines(difference: Difference, lines: list[str]) -> None:
    assert lines_of(difference) == lines


def test_description_leaves_out_what_is_absent() -> None:
    assert describe(Difference("body.a", None, ABSENT)) == {"where": "body.a", "expected": None}
    assert describe(Difference("body", Digest(1, "ab"), Digest(2, "cd"), "why")) == {
        "where": "body",
        "expected": {"bytes": 1, "sha256": "ab"},
        "found": {"bytes": 2, "sha256": "cd"},
        "explained": "why",
    }


def test_diff_of_lines() -> None:
    before = "".join(f"{number}\n" for number in range(1, 21))
    assert told(before, before.replace("7\n", "seven\n", 1).replace("16\n", "16\x1b\r\n")) == [
        "body: differs from line 7 on",
        "    4",
        "    5",
        "    6",
        "  - 7",
        "  + seven",
        "    8",
        "    9",
        "    10",
        "  ...",
        "    13",
        "    14",
        "    15",
        "  - 16",
        "  + 16\\x1b\\r",
        "    17",
        "    18",
        "    19",
    ]


def test_diff_tells_of_a_last_line_without_end() -> None:
    assert told("a\nb\n", "a\nb") == [
        "body: differs from line 2 on",
        "    a",
        "  - b",
        "  + b (no line end)",
    ]


def test_diff_does_not_show_what_was_redacted() -> None:
    assert told("a\nkey [redacted]\nb\n", "a\nkey k\nc\n") == [
        "body: differs from line 3 on",
        "    a",
        "    key [redacted]",
        "  - b",
        "  + c",
    ]


def test_long_diff_is_cut() -> None:
    before, after = ("".join(f"{word} {n}\n" for n in range(5000)) for word in ("a", "b"))
    lines = told(before, after)
    assert lines[0] == "body: differs from line 1 on"
    assert lines[1] == "  - a 0"
    assert len(lines) == 42
    assert lines[-1] == "  ... 760 lines more"


def test_lines_of_a_diff_are_cut_where_they_differ() -> None:
    before = "a\n" + "x" * 500 + "1\n"
    assert told(before, before.replace("1", "2")) == [
        "body: differs from line 2 on",
        "    a",
        f"  - ...{'x' * 30}1",
        f"  + ...{'x' * 30}2",
    ]


@given(VALUES, VALUES)
def test_every_difference_can_be_told(expected: Any, found: Any) -> None:
    for each in differences_of_values(expected, found):
        assert pickle.loads(pickle.dumps(each)) == each
        assert json.loads(json.dumps(describe(each)))["where"] == each.where
        assert all(line.isprintable() for line in lines_of(each))
