"""The log context in threads, tasks and greenlets: what carries it, and what has to be told."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from slsadapt import logs
from slsadapt.logs.invocation import BOUND, CURRENT, Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = {"request_id": "req-1", "user": "ada"}


@pytest.fixture(autouse=True)
def invocation() -> Iterator[Invocation]:
    """Run each test in an invocation of its own, and take it away again."""
    current = Invocation()
    current.request_id = "req-1"
    current.invocation_id = current.function = ""
    token, bound = CURRENT.set(current), BOUND.set({"user": "ada"})
    yield current
    BOUND.reset(bound)
    CURRENT.reset(token)


def bound_now(step: int) -> dict[str, object]:
    """Give the context as found, and leave something behind."""
    found = logs.context()
    logs.bind(**{f"step_{step}": True})
    return found


# wrap_context


@pytest.mark.skipif(
    bool(getattr(sys.flags, "thread_inherit_context", 0)), reason="threads inherit the context"
)
def test_bare_thread_begins_with_nothing() -> None:
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(logs.context()))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        seen.append(pool.submit(logs.context).result())
    assert seen == [{}, {}]


def test_wrapped_function_sees_the_context_in_a_thread() -> None:
    seen: list[object] = []

    def look() -> None:
        seen.append(logs.context())

    thread = threading.Thread(target=logs.wrap_context(look))
    thread.start()
    thread.join()
    assert seen == [HERE]


def test_wrapped_function_sees_the_context_of_its_wrapping() -> None:
    wrapped = logs.wrap_context(logs.context)
    logs.bind(user="bob")
    CURRENT.set(None)
    assert wrapped() == HERE
    assert logs.context() == {"user": "bob"}


def test_what_a_wrapped_function_binds_is_gone_after_it() -> None:
    wrapped = logs.wrap_context(bound_now)
    assert [wrapped(1), wrapped(2)] == [HERE, HERE]
    assert logs.context() == HERE


def test_wrapped_function_runs_in_several_threads_at_once() -> None:
    together = threading.Barrier(3)

    @logs.wrap_context
    def meet(step: int) -> dict[str, object]:
        together.wait(10)
        found = bound_now(step)
        together.wait(10)
        return found

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(meet, range(3))) == [HERE] * 3


def test_wrapped_function_keeps_name_arguments_result_and_error() -> None:
    @logs.wrap_context
    def divide(dividend: int, /, *, by: int) -> float:
        """Divide."""
        return dividend / by

    assert divide(6, by=4) == 1.5
    assert (divide.__name__, divide.__doc__) == ("divide", "Divide.")
    with pytest.raises(ZeroDivisionError):
        divide(6, by=0)
    assert logs.wrap_context(partial(max, 3))(5) == 5


# ContextExecutor


def test_executor_tasks_see_the_context_of_their_submission() -> None:
    with logs.ContextExecutor(1) as pool:
        first = pool.submit(bound_now, 1)
        logs.bind(user="bob")
        second = pool.submit(bound_now, step=2)
        logs.unbind("user")
        third = pool.submit(logs.context)
    assert first.result() == HERE
    assert second.result() == {"request_id": "req-1", "user": "bob"}
    assert third.result() == {"request_id": "req-1"}
    assert logs.context() == {"request_id": "req-1"}


def test_executor_maps_in_the_context() -> None:
    with logs.ContextExecutor(2) as pool:
        assert list(pool.map(bound_now, range(5), timeout=10)) == [HERE] * 5


def test_executor_hands_on_arguments_results_and_errors() -> None:
    def describe(*args: object, **kwargs: object) -> object:
        return args, kwargs

    with logs.ContextExecutor(1) as pool:
        # Names that the executor's own parameters have.
        done = pool.submit(describe, 1, 2, function=3, fn=4, self=5, callable=6)
        assert done.result() == ((1, 2), {"function": 3, "fn": 4, "self": 5, "callable": 6})
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(logs.context)


def test_executor_takes_what_its_base_takes() -> None:
    names: list[str] = []

    def initialize(name: str) -> None:
        names.append(f"{name} {threading.current_thread().name}")

    with logs.ContextExecutor(
        max_workers=1, thread_name_prefix="mail", initializer=initialize, initargs=("hello",)
    ) as pool:
        assert isinstance(pool, ThreadPoolExecutor)
        assert pool.submit(logs.context).result() == HERE
    assert names == ["hello mail_0"]


# What needs nothing


def test_asyncio_tasks_see_the_context_of_their_start() -> None:
    async def main() -> list[object]:
        logs.bind(user="bob")
        tasks = [asyncio.create_task(step(number)) for number in range(2)]
        logs.bind(user="eve")
        return [*await asyncio.gather(*tasks), logs.context()]

    async def step(number: int) -> object:
        found = bound_now(number)
        await asyncio.sleep(0)
        return found, logs.context().keys() - found.keys()

    bob = {"request_id": "req-1", "user": "bob"}
    assert asyncio.run(main()) == [
        (bob, {"step_0"}),
        (bob, {"step_1"}),
        {"request_id": "req-1", "user": "eve"},
    ]


def test_asyncio_to_thread_carries_the_context() -> None:
    async def main() -> list[object]:
        return [await asyncio.to_thread(bound_now, 1), logs.context()]

    assert asyncio.run(main()) == [HERE, HERE]


def test_executor_serves_run_in_executor() -> None:
    async def main() -> object:
        with logs.ContextExecutor(1) as pool:
            return await asyncio.get_running_loop().run_in_executor(pool, bound_now, 1)

    assert asyncio.run(main()) == HERE


@pytest.mark.parametrize("thread_sensitive", [True, False])
def test_asgiref_carries_the_context_there_and_back(thread_sensitive: bool) -> None:
    async def main() -> list[object]:
        found = await sync_to_async(bound_now, thread_sensitive=thread_sensitive)(1)
        # asgiref also brings back what was bound there.
        return [found, logs.context()]

    assert async_to_sync(main)() == [HERE, HERE | {"step_1": True}]


# Greenlets begin with nothing, as threads do.

GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, gevent.pool, json, threading
from contextvars import copy_context
from slsadapt import logs
from slsadapt.logs.invocation import CURRENT, Invocation

seen = {}

def main():
    CURRENT.set(Invocation())
    CURRENT.get().request_id = "req-1"
    logs.bind(user="ada")
    pool = gevent.pool.Pool(2)
    wrapped = logs.wrap_context(look)
    gevent.joinall([
        gevent.spawn(look, "spawn"),
        gevent.spawn_later(0, look, "spawn_later"),
        pool.spawn(look, "pool"),
        gevent.spawn(wrapped, "wrapped spawn"),
        gevent.spawn_later(0, wrapped, "wrapped spawn_later"),
        pool.spawn(wrapped, "wrapped pool"),
    ], raise_error=True)
    threads = [
        threading.Thread(target=look, args=["thread"]),
        threading.Thread(target=wrapped, args=["wrapped thread"]),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with logs.ContextExecutor(2) as executor:
        list(executor.map(look, ["executor"]))
    seen["here"] = logs.context()

def look(name):
    before = logs.context()
    logs.bind(mine=name)
    gevent.sleep(0)
    assert logs.context() == before | {"mine": name}
    seen[name] = before

copy_context().run(main)
seen["outside"] = logs.context()
print(json.dumps(seen))
"""


def test_greenlets_see_the_context_where_their_function_is_wrapped() -> None:
    done = subprocess.run([sys.executable, "-c", GREENLETS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == {
        "spawn": {},
        "spawn_later": {},
        "pool": {},
        "thread": {},
        "wrapped spawn": HERE,
        "wrapped spawn_later": HERE,
        "wrapped pool": HERE,
        "wrapped thread": HERE,
        "executor": HERE,
        "here": HERE,
        "outside": {},
    }
