"""Spans: kept with the invocation, whoever measures, and nowhere else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from slsadapt import logs
from slsadapt.logs.invocation import CURRENT, Invocation
from slsadapt.timing import Span, span


@pytest.fixture
def invocation() -> Iterator[Invocation]:
    current = Invocation()
    current.spans = []
    token = CURRENT.set(current)
    yield current
    CURRENT.reset(token)


def names(invocation: Invocation) -> list[str]:
    assert invocation.spans is not None
    return [each.name for each in invocation.spans]


def test_span_measures_its_block(invocation: Invocation) -> None:
    before_ns = time.perf_counter_ns()
    with span("db"):
        time.sleep(0.01)
    after_ns = time.perf_counter_ns()
    assert invocation.spans is not None
    (kept,) = invocation.spans
    assert isinstance(kept, Span)
    assert before_ns <= kept.start_ns < kept.end_ns <= after_ns
    assert kept.duration_ms == (kept.end_ns - kept.start_ns) / 1e6 >= 10


def test_nested_and_repeated_spans_are_all_kept(invocation: Invocation) -> None:
    with span("page"):
        for _ in range(2):
            with span("db"):
                pass
    assert names(invocation) == ["db", "db", "page"]
    assert invocation.spans is not None
    first, second, page = invocation.spans
    assert page.start_ns <= first.start_ns <= first.end_ns <= second.start_ns
    assert second.end_ns <= page.end_ns


def test_span_ends_with_an_exception(invocation: Invocation) -> None:
    with pytest.raises(KeyError), span("db"):
        raise KeyError
    assert names(invocation) == ["db"]


def measure(name: str) -> None:
    with span(name):
        pass


def test_threads_add_theirs_where_they_have_the_context(invocation: Invocation) -> None:
    for target in (logs.wrap_context(measure), measure):
        thread = threading.Thread(target=target, args=("thread",))
        thread.start()
        thread.join()
    assert names(invocation) == ["thread"]


def test_tasks_add_theirs(invocation: Invocation) -> None:
    async def task(name: str, turns: int) -> None:
        with span(name):
            for _ in range(turns):
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(task("long", 5), task("short", 1))

    asyncio.run(main())
    assert names(invocation) == ["short", "long"]


def test_nothing_is_kept_where_nobody_wants_to_know() -> None:
    measure("outside")
    current = Invocation()

    def inside() -> None:
        CURRENT.set(current)
        measure("inside")

    copy_context().run(inside)
    assert current.spans is None
    assert CURRENT.get() is None
