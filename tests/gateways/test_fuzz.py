"""Recorded events with fields broken at random, served from end to end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slsadapt import UnknownEventError, gateways, wrap
from tests.conftest import load_case
from tests.gateways.corpus import DIALECTS, FLAGGED_TEXT, LIVE, cases, changed

REPEATABLE = settings(
    derandomize=True,
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

JUNK = st.one_of(
    st.sampled_from([..., None, True, False, 0, 1, 2**63, 1.5, "", "x", [], [[]], {}, {"": {}}]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
        ),
        max_leaves=4,
    ),
)


def tiny_app(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Answer 200 where the environ is what PEP 3333 promises."""
    for name, value in environ.items():
        if "." not in name:
            assert type(value) is str, name
            value.encode("latin-1")
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served"]


def field_paths(event: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in event.items():
        # A dotted name, as of a recorded query key, would read as two.
        if "." not in name:
            yield prefix + name
            if isinstance(value, dict):
                yield from field_paths(value, f"{prefix}{name}.")


@st.composite
def broken_events(draw: st.DrawFn, paths: dict[str, list[str]]) -> dict[str, Any]:
    case = draw(st.sampled_from([*paths]))
    chosen = draw(st.lists(st.sampled_from(paths[case]), min_size=1, max_size=3, unique=True))
    # Parents last, so that every change finds its place.
    chosen.sort(key=lambda path: -path.count("."))
    return changed(case, {path: draw(JUNK) for path in chosen})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_broken_event_is_served_refused_or_unknown(dialect: str) -> None:
    handler = wrap(tiny_app)
    good = load_case(LIVE[dialect])["event"]
    paths = {
        case: [*field_paths(load_case(case)["event"])]
        for case in cases(dialect)
        if case not in FLAGGED_TEXT
    }

    @REPEATABLE
    @given(broken_events(paths))
    def check(event: dict[str, Any]) -> None:
        result = None
        with suppress(UnknownEventError):
            result = handler(event)
        if result is not None:
            assert result["statusCode"] in (200, 400)
            if result["statusCode"] == 400:
                assert re.match(r"'.+' must ", result["body"], re.DOTALL)
        assert handler(good)["body"] == "served"

    check()


@REPEATABLE
@given(
    st.dictionaries(
        st.sampled_from(
            ["version", "requestContext", "httpMethod", "resource", "queryString", "path", "type"]
        ),
        st.one_of(
            JUNK,
            st.sampled_from(["1.0", "2.0"]),
            st.dictionaries(st.sampled_from(["http", "stage", "serviceId", "domainName"]), JUNK),
        ),
    )
)
def test_any_object_is_claimed_by_one_dialect_at_most(event: dict[str, Any]) -> None:
    claims = [name for name in gateways.NAMES if gateways.load(name).matches(event)]
    # No gateway of AWS sends a "queryString", and none of Tencent's a "resource" or "version".
    if "queryString" not in event or {"resource", "version"}.isdisjoint(event):
        assert len(claims) <= 1


@pytest.mark.parametrize("event", [None, 5, "text", b"\xff", [], [1], "[]", b'"a"', "{"], ids=repr)
def test_event_that_is_no_object_is_refused(event: object) -> None:
    with pytest.raises(ValueError, match="the event must be"):
        wrap(tiny_app)(event)
