"""Where every thread and every task is, as text."""

from __future__ import annotations

import _thread
import asyncio
import re
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import slsadapt
from slsadapt import wrap
from slsadapt.middleware.stacks import GUARD_NAME, describe_stacks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    Event = Callable[[str], dict[str, Any]]

TIMEOUT_S = 10  # for what might otherwise wait for ever
HTTP = "aws_http/rule_get_no_optional_keys"
SECRET = "hunter" + "2"  # never a literal, since lines of code are shown


class Gate:
    """Holds threads up until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def hold(self) -> None:
        self.reached.set()
        assert self.opened.wait(TIMEOUT_S)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


@pytest.fixture
def describe_thread(gate: Gate) -> Iterator[Callable[..., str]]:
    """Give what tells of all while a function waits at the gate in another thread."""
    threads: list[threading.Thread] = []

    def describe(function: Callable[[], object], name: str = "worker", daemon: bool = True) -> str:
        threads.append(threading.Thread(target=function, name=name, daemon=daemon))
        threads[0].start()
        assert gate.reached.wait(TIMEOUT_S)
        return describe_stacks()

    yield describe
    gate.opened.set()
    for thread in threads:
        thread.join(TIMEOUT_S)


def describe_task(*functions: Callable[[], Coroutine[Any, Any, Any]]) -> str:
    """Tell of functions, each of which runs as a task of its name until all wait."""

    async def main() -> str:
        tasks = [asyncio.create_task(each(), name=each.__name__) for each in functions]
        for _ in range(10):
            await asyncio.sleep(0)
        told = describe_stacks(asyncio.get_running_loop())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return told

    return asyncio.run(main())


def part(told: str, title: str) -> list[str]:
    """Give the lines below a title, up to the next."""
    lines = told.split("\n")
    below = lines[lines.index(title) + 1 :]
    end = next((i for i, line in enumerate(below) if not line.startswith(" ")), len(below))
    return below[:end]


# Of Gate.hold, and what it calls in threading.
HOLD = ["hold", "wait", "wait"]


def functions_in(lines: list[str]) -> list[str]:
    """Give the names of functions, outermost first."""
    return re.findall(r'File ".*", line \d+, in (.+)', "\n".join(lines))


# Threads


def outer(gate: Gate) -> None:
    inner(gate)


def inner(gate: Gate) -> None:
    password = SECRET
    gate.hold()
    assert password


def test_thread_is_told_down_to_the_call_that_blocks(
    gate: Gate, describe_thread: Callable[..., str]
) -> None:
    told = part(describe_thread(lambda: outer(gate)), "Thread worker, daemon:")
    assert functions_in(told) == ["<lambda>", "outer", "inner", *HOLD]
    assert f'  File "{__file__}", line {inner.__code__.co_firstlineno + 2}, in inner' in told
    assert "    gate.hold()" in told


def test_values_of_variables_are_not_told(gate: Gate, describe_thread: Callable[..., str]) -> None:
    told = describe_thread(lambda: inner(gate))
    assert "in inner" in told
    assert SECRET not in told


def test_thread_that_keeps_the_process_alive_is_not_called_daemon(
    gate: Gate, describe_thread: Callable[..., str]
) -> None:
    told = describe_thread(lambda: outer(gate), "loader", daemon=False)
    assert "inner" in functions_in(part(told, "Thread loader:"))


def test_thread_that_asks_is_told_too() -> None:
    """The guard's name leaves it out; nobody else asks."""
    told = part(describe_stacks(), "Thread MainThread:")
    assert functions_in(told)[-1] == "test_thread_that_asks_is_told_too"


def test_thread_that_threading_does_not_know_is_told(gate: Gate) -> None:
    ident = _thread.start_new_thread(outer, (gate,))
    assert gate.reached.wait(TIMEOUT_S)
    assert functions_in(part(describe_stacks(), f"Thread {ident}:")) == ["outer", "inner", *HOLD]


def test_thread_that_cannot_be_told_of_leaves_half_a_picture(gate: Gate) -> None:
    class Nameless(threading.Thread):
        @property
        def name(self) -> str:
            if gate.reached.is_set():
                raise RuntimeError("no name")
            return "nameless"

        @name.setter
        def name(self, value: str) -> None:
            pass

    thread = Nameless(target=gate.hold)
    thread.start()
    assert gate.reached.wait(TIMEOUT_S)
    told = describe_stacks()
    gate.opened.set()
    thread.join(TIMEOUT_S)
    assert told.split("\n")[-1] == "the rest cannot be told: RuntimeError"


def test_guard_itself_is_left_out(gate: Gate, describe_thread: Callable[..., str]) -> None:
    told = describe_thread(lambda: outer(gate), GUARD_NAME)
    assert "Thread MainThread:" in told
    assert GUARD_NAME not in told
    assert "in outer" not in told


def test_recursion_is_told_from_its_innermost_50_calls(
    gate: Gate, describe_thread: Callable[..., str]
) -> None:
    def ping(depth: int) -> None:
        pong(depth - 1) if depth else gate.hold()

    def pong(depth: int) -> None:
        ping(depth - 1) if depth else gate.hold()

    # The thread's function, depths 200 to 0, and the gate.
    told = part(describe_thread(lambda: ping(200)), "Thread worker, daemon:")
    assert told[0] == "  155 more calls"
    names = functions_in(told)
    assert len(names) == 50
    assert names[-5:] == ["pong", "ping", *HOLD]


def test_calls_of_one_line_are_folded(gate: Gate, describe_thread: Callable[..., str]) -> None:
    def sink(depth: int) -> None:
        sink(depth - 1) if depth else gate.hold()

    told = part(describe_thread(lambda: sink(30)), "Thread worker, daemon:")
    assert functions_in(told)[-6:] == ["sink", "sink", "sink", *HOLD]
    assert "more calls" not in told[0]
    assert any("Previous line repeated 28 more times" in line for line in told)


def test_beyond_100_threads_the_rest_is_counted() -> None:
    reached = threading.Semaphore(0)
    opened = threading.Event()

    def wait() -> None:
        reached.release()
        assert opened.wait(TIMEOUT_S)

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(120)]
    try:
        for thread in threads:
            thread.start()
        for _ in threads:
            assert reached.acquire(timeout=TIMEOUT_S)
        # Not threading's own list: who runs the tests may have threads that it knows nothing of.
        guards = [each for each in threading.enumerate() if each.name == GUARD_NAME]
        total = len(sys._current_frames()) - len(guards)
        told = describe_stacks().split("\n")
    finally:
        opened.set()
        for thread in threads:
            thread.join(TIMEOUT_S)
    assert len([line for line in told if line.startswith("Thread ")]) == 100
    assert told[-1] == f"{total - 100} more threads"


VIEW = """
def view(environ, start_response):
    gate.hold()
    start_response("200 OK", [])
    return []
"""


def test_adapter_is_left_out_and_a_package_of_a_like_name_is_not(
    gate: Gate, describe_thread: Callable[..., str], event: Event
) -> None:
    beside = Path(slsadapt.__file__).parent.parent / "slsadapt_shop" / "views.py"
    views = ModuleType("slsadapt_shop")
    vars(views)["gate"] = gate
    exec(compile(VIEW, beside, "exec"), vars(views))
    handler = wrap(vars(views)["view"], interface="wsgi")
    told = part(describe_thread(lambda: handler(event(HTTP))), "Thread worker, daemon:")
    assert functions_in(told) == ["view", *HOLD]


# Tasks


async def innermost() -> None:
    password = SECRET
    await asyncio.Event().wait()
    assert password


async def middle() -> None:
    await innermost()


async def outermost() -> None:
    await middle()


def test_task_is_told_through_all_that_it_awaits() -> None:
    told = describe_task(outermost)
    lines = part(told, "Task outermost:")
    assert functions_in(lines) == ["outermost", "middle", "innermost", "wait"]
    assert lines[-1] == "  waits for Future"
    assert "    await innermost()" in lines
    assert SECRET not in told


async def gathers() -> None:
    await asyncio.gather(middle(), outermost())


def test_gathered_tasks_are_told_each() -> None:
    told = describe_task(gathers)
    lines = part(told, "Task gathers:")
    assert functions_in(lines) == ["gathers"]
    assert lines[-1] == "  waits for _GatheringFuture"
    stacks = [functions_in(block.split("\n")) for block in told.split("\nTask ")]
    assert ["middle", "innermost", "wait"] in stacks
    assert ["outermost", "middle", "innermost", "wait"] in stacks


async def numbers() -> AsyncIterator[int]:
    yield 1
    await innermost()
    yield 2


async def iterates() -> None:
    async for _ in numbers():
        pass


@asynccontextmanager
async def resource() -> AsyncIterator[int]:
    await innermost()
    yield 1


async def enters() -> None:
    async with resource():
        pass


@pytest.mark.parametrize(
    ("function", "names"),
    [
        pytest.param(
            iterates, ["iterates", "numbers", "innermost", "wait"], id="asynchronous generator"
        ),
        pytest.param(
            enters,
            ["enters", "__aenter__", "resource", "innermost", "wait"],
            id="asynchronous context manager",
        ),
    ],
)
def test_task_is_told_through_asynchronous_generators(
    function: Callable[[], Coroutine[Any, Any, None]], names: list[str]
) -> None:
    assert functions_in(part(describe_task(function), f"Task {function.__name__}:")) == names


class Awaits:
    def __await__(self) -> Generator[Any, Any, None]:
        yield from innermost().__await__()


async def awaits() -> None:
    await Awaits()


def test_task_is_told_through_what_can_be_awaited() -> None:
    lines = part(describe_task(awaits), "Task awaits:")
    assert functions_in(lines)[:2] == ["awaits", "__await__"]


async def waits_for_another() -> None:
    await asyncio.create_task(middle(), name="report of today")


def test_task_that_waits_for_another_names_it() -> None:
    told = describe_task(waits_for_another)
    assert part(told, "Task waits_for_another:")[-1] == "  waits for task report of today"
    assert functions_in(part(told, "Task report of today:")) == ["middle", "innermost", "wait"]


async def sleeps() -> None:
    await asyncio.sleep(TIMEOUT_S)


def test_loop_of_another_thread_is_told() -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loop")
    thread.start()
    try:
        sleeping = asyncio.run_coroutine_threadsafe(sleeps(), loop)
        # What is submitted later has its turn later.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(TIMEOUT_S)
        told = describe_stacks(loop)
        sleeping.cancel()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(TIMEOUT_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(TIMEOUT_S)
        loop.close()
    assert "run_forever" in functions_in(part(told, "Thread loop:"))
    assert re.search(r"\nTask Task-\d+:\n  File .*, in sleeps\n", told)


def test_task_of_a_loop_that_the_application_runs_is_told() -> None:
    # As ``asyncio.run`` in a WSGI view does.
    async def main() -> str:
        return await asyncio.to_thread(describe_stacks)

    told = asyncio.run(main())
    assert "Task Task-" in told
    assert ", in main" in told


class Evasive:
    """What is awaited need not be a coroutine, nor answer to every name."""

    def __await__(self) -> Evasive:
        return self

    def __iter__(self) -> Evasive:
        return self

    def __next__(self) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        # The interpreter itself asks for throw() and close().
        raise AttributeError(name) if name in ("throw", "close") else RuntimeError(name)


async def evades() -> None:
    await Evasive()


def test_what_is_awaited_is_asked_for_nothing_that_it_may_not_have() -> None:
    told = describe_task(evades, middle)
    assert functions_in(part(told, "Task evades:")) == ["evades"]
    assert functions_in(part(told, "Task middle:")) == ["middle", "innermost", "wait"]


def test_without_a_loop_no_task_is_told() -> None:
    assert "Task" not in [line.split(" ")[0] for line in describe_stacks().split("\n")]


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import threading, time, gevent
from slsadapt.middleware.stacks import describe_stacks

def waits_in_a_greenlet():
    time.sleep(60)

def asks():
    print(describe_stacks())

job = gevent.spawn(waits_in_a_greenlet)
time.sleep(0)
thread = threading.Thread(target=asks)
thread.start()
thread.join()
"""


def test_greenlets_are_told_where_threads_are_such() -> None:
    done = subprocess.run([sys.executable, "-c", GREENLETS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Greenlet" in done.stdout
    assert ", in waits_in_a_greenlet" in done.stdout


def test_beyond_100_tasks_the_rest_is_counted() -> None:
    async def main() -> str:
        tasks = [asyncio.create_task(sleeps()) for _ in range(129)]
        await asyncio.sleep(0)
        told = describe_stacks(asyncio.get_running_loop())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return told

    told = asyncio.run(main()).split("\n")
    assert len([line for line in told if line.startswith("Task ")]) == 100
    assert told[-1] == "30 more tasks"


def test_lifespan_stands_last() -> None:
    async def lifespan() -> None:
        await sleeps()

    async def request() -> None:
        await sleeps()

    titles = [
        line for line in describe_task(lifespan, request).split("\n") if line.startswith("Task ")
    ]
    assert titles[1:] == ["Task request:", "Task lifespan:"]


def test_deep_recursion_of_coroutines_is_told_from_its_innermost_50_calls() -> None:
    async def ping(depth: int) -> None:
        await pong(depth - 1) if depth else await innermost()

    async def pong(depth: int) -> None:
        await ping(depth - 1) if depth else await innermost()

    async def recurses() -> None:
        await ping(200)

    lines = part(describe_task(recurses), "Task recurses:")
    # recurses, depths 200 to 0, innermost and Event.wait.
    assert lines[0] == "  154 more calls"
    names = functions_in(lines)
    assert len(names) == 50
    assert names[-3:] == ["ping", "innermost", "wait"]


def test_endpoint_in_the_thread_pool_is_told(gate: Gate, event: Event) -> None:
    def endpoint(request: Request) -> PlainTextResponse:
        gate.hold()
        return PlainTextResponse("done")

    handler = wrap(Starlette(routes=[Route("/{rest:path}", endpoint)]))
    served: Future[Any]
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(handler, event(HTTP))
        assert gate.reached.wait(TIMEOUT_S)
        told = describe_stacks(handler._engine.loop)
        gate.opened.set()
        assert served.result(TIMEOUT_S)["body"] == "done"
    handler.pre_stop()
    worker = next(
        each for each in f"\n{told}".split("\nThread ") if each.startswith("AnyIO worker")
    )
    assert functions_in(worker.split("\nTask ")[0].split("\n"))[-4:] == ["endpoint", *HOLD]
    # And the request that waits for it, without the adapter around it.
    assert "in run_in_threadpool" in told
    assert f"{Path(slsadapt.__file__).parent}/" not in told


def test_wait_in_the_adapter_is_told_where_the_application_calls_it(
    gate: Gate, event: Event
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        listener = asyncio.create_task(listen(), name="listener")
        await asyncio.to_thread(gate.hold)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"done"})
        await listener

    handler = wrap(app, lifespan="off")
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(handler, event(HTTP))
        assert gate.reached.wait(TIMEOUT_S)
        told = describe_stacks(handler._engine.loop)
        gate.opened.set()
        assert served.result(TIMEOUT_S)["body"] == "done"
    handler.pre_stop()
    assert functions_in(part(told, "Task listener:")) == ["listen"]


def test_telling_goes_on_while_threads_and_tasks_come_and_go() -> None:
    """Nothing is asserted of the text, which differs each time; it must only come."""
    stop = threading.Event()
    interval = sys.getswitchinterval()

    async def child() -> None:
        await asyncio.sleep(0)

    async def tasks() -> None:
        while not stop.is_set():
            await asyncio.gather(*[child() for _ in range(20)])

    def threads() -> None:
        while not stop.is_set():
            thread = threading.Thread(target=str)
            thread.start()
            thread.join()

    loop = asyncio.new_event_loop()
    workers = [
        threading.Thread(target=lambda: loop.run_until_complete(tasks())),
        threading.Thread(target=threads),
    ]
    sys.setswitchinterval(1e-5)
    try:
        for worker in workers:
            worker.start()
        told = [describe_stacks(loop) for _ in range(30)]
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        for worker in workers:
            worker.join(TIMEOUT_S)
        loop.close()
    assert any("Task " in each for each in told)


def test_loop_that_is_closed_tells_no_tasks() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    assert "\nTask " not in describe_stacks(loop)
