"""Nothing that one invocation binds shows in another, on a warm instance of any kind.

Each invocation has an ID of its own, finds nothing bound at its beginning, binds its number and
finds it wherever it goes: in its streams, threads, tasks and clean-up. They are of every kind in
random order, 60 % of WSGI, 30 % of ASGI and 10 % in gevent; ``make leaks`` runs 100,000.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import logs, wrap

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TENTH = int(os.environ.get("SLSADAPT_INVOCATIONS", "10000")) // 10
WSGI_KINDS = ("plain", "stream", "broken stream", "raise", "bind often", "thread", "nested")
ASGI_KINDS = (
    "plain",
    "stream",
    "raise",
    "children",
    "cancelled child",
    "cancelled",
    "to_thread",
    "left behind",
)


def event(number: int, kind: str) -> dict[str, Any]:
    """Write an event of AWS's payload 2.0 with an ID of its own."""
    return {
        "version": "2.0",
        "rawPath": "/" + kind.replace(" ", "_"),
        "rawQueryString": str(number),
        "headers": {"host": "example.com"},
        "requestContext": {
            "requestId": f"id-{number}",
            "stage": "$default",
            "http": {"method": "GET", "path": "/", "sourceIp": "203.0.113.1"},
        },
        "isBase64Encoded": False,
    }


class Watch:
    """Compares what the context should be with what it is, from any thread."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []

    def check(self, place: str, number: int, /, **bound: object) -> None:
        self.seen[place] += 1
        found, expected = logs.context(), {"request_id": f"id-{number}", **bound}
        if found != expected and len(self.wrong) < 10:
            self.wrong.append(f"{place}: {found} instead of {expected}")


def wsgi_application(watch: Watch, pool: ThreadPoolExecutor) -> Any:
    class Stream:
        def __init__(self, number: int, *, breaks: bool) -> None:
            self.number, self.breaks = number, breaks

        def __iter__(self) -> Iterator[bytes]:
            for step in range(3):
                watch.check("stream", self.number, number=self.number)
                if self.breaks and step == 2:
                    raise ValueError("the stream breaks")
                yield b"x"

        def close(self) -> None:
            watch.check("close", self.number, number=self.number)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        number, kind = int(environ["QUERY_STRING"]), environ["PATH_INFO"][1:]
        watch.check("start", number)
        logs.bind(number=number)
        if kind == "raise":
            raise ValueError("the application fails")
        if kind == "bind_often":
            for each in range(3):
                logs.bind(each=each)
            watch.check("bound often", number, number=number, each=2)
        if kind == "thread":
            seen = logs.wrap_context(watch.check)
            pool.submit(seen, "thread", number, number=number).result()
            pool.submit(check_bare_thread, watch).result()
        if kind == "nested":
            inner(event(number + 10**6, "inner"))
            watch.check("after another invocation", number, number=number)
        start_response("200 OK", [("Content-Type", "text/plain")])
        if kind.endswith("stream"):
            return Stream(number, breaks=kind == "broken_stream")
        return [b"ok"]

    def inner_app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # What holds around the call of a handler holds in it as well.
        number = int(environ["QUERY_STRING"])
        watch.check("inner", number, number=number - 10**6)
        logs.bind(number=number)
        start_response("200 OK", [])
        return []

    inner = wrap(inner_app)
    return app


def check_bare_thread(watch: Watch) -> None:
    """A thread that nobody gave the context to has none, whatever ran in it before."""
    watch.seen["bare thread"] += 1
    if logs.context() and len(watch.wrong) < 10:
        watch.wrong.append(f"bare thread: {logs.context()}")


def asgi_application(watch: Watch) -> Any:
    behind: set[asyncio.Task[None]] = set()

    async def child(number: int, name: int) -> None:
        watch.check("child", number, number=number)
        logs.bind(name=name)
        await asyncio.sleep(0)
        watch.check("child, later", number, number=number, name=name)

    async def waiting(number: int) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            watch.check("cancelled child", number, number=number)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        number, kind = int(scope["query_string"]), scope["path"][1:]
        watch.check("start", number)
        logs.bind(number=number)
        if kind == "raise":
            raise ValueError("the application fails")
        if kind == "children":
            await asyncio.gather(child(number, 1), child(number, 2))
        elif kind == "cancelled_child":
            task = asyncio.create_task(waiting(number))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        elif kind == "cancelled":
            current = asyncio.current_task()
            assert current is not None
            current.cancel()
            try:
                await asyncio.sleep(0)
            finally:
                watch.check("cancelled", number, number=number)
        elif kind == "to_thread":
            await asyncio.to_thread(watch.check, "to_thread", number, number=number)
        elif kind == "left_behind":
            task = asyncio.create_task(child(number, 3))
            behind.add(task)
            task.add_done_callback(behind.discard)
        watch.check("end", number, number=number)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if kind == "stream":
            for _ in range(3):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                await asyncio.sleep(0)
                watch.check("stream", number, number=number)
        await send({"type": "http.response.body", "body": b"ok"})

    return app


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Collect message and context of each record, where and when it is logged."""
    records: list[tuple[str, dict[str, Any]]] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append((record.getMessage(), logs.context()))

    logger, handler = logging.getLogger("slsadapt"), Collect()
    logger.addHandler(handler)
    logger.propagate = False
    yield records
    logger.propagate = True
    logger.removeHandler(handler)


def serve_all(
    handler: Any, kinds: tuple[str, ...], count: int, threads: int, watch: Watch
) -> Counter[int]:
    """Serve ``count`` events of random kinds from several threads at once."""
    statuses: Counter[int] = Counter()
    numbers = iter(range(count))
    lock = threading.Lock()

    def work(seed: int) -> None:
        choices = random.Random(seed)
        mine: Counter[int] = Counter()
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            mine[handler(event(number, choices.choice(kinds)))["statusCode"]] += 1
            check_bare_thread(watch)
        with lock:
            statuses.update(mine)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return statuses


@pytest.mark.parametrize(("threads", "count"), [(1, 3 * TENTH), (8, 3 * TENTH)])
def test_wsgi_invocations_leave_nothing(
    threads: int, count: int, log: list[tuple[str, dict[str, Any]]]
) -> None:
    watch = Watch()
    with ThreadPoolExecutor(2) as pool:
        handler = wrap(wsgi_application(watch, pool))
        statuses = serve_all(handler, WSGI_KINDS, count, threads, watch)
    assert watch.wrong == []
    assert statuses.keys() == {200, 500}
    assert statuses.total() == count
    places = {
        "start",
        "stream",
        "close",
        "thread",
        "bare thread",
        "inner",
        "after another invocation",
    }
    assert places <= watch.seen.keys()
    check_failures_of(log, statuses[500])


@pytest.mark.parametrize(("threads", "count"), [(1, 2 * TENTH), (8, TENTH)])
def test_asgi_invocations_leave_nothing(
    threads: int, count: int, log: list[tuple[str, dict[str, Any]]]
) -> None:
    watch = Watch()
    handler = wrap(asgi_application(watch), lifespan="off")
    statuses = serve_all(handler, ASGI_KINDS, count, threads, watch)
    handler.pre_stop()
    assert watch.wrong == []
    assert statuses.keys() == {200, 500}
    assert statuses.total() == count
    places = {"child, later", "cancelled child", "cancelled", "to_thread", "stream", "end"}
    assert places <= watch.seen.keys()
    check_failures_of(log, statuses[500])


def check_failures_of(log: list[tuple[str, dict[str, Any]]], failed: int) -> None:
    """Each 500 is one record, which has the ID and what was bound before."""
    assert len(log) == failed > 0
    for message, context in log:
        # One that cancels itself ends outside of its own context.
        assert context.keys() in ({"request_id", "number"}, {"request_id"})
        assert f"request {context['request_id']} failed" in message
        assert context.get("number", context["request_id"][3:]) in (
            context["request_id"][3:],
            int(context["request_id"][3:]),
        )


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, gevent.pool, random, time
from slsadapt import logs, wrap

def app(environ, start_response):
    number = environ["QUERY_STRING"]
    assert logs.context() == {"request_id": "id-" + number}, logs.context()
    logs.bind(number=number)
    mine = {"request_id": "id-" + number, "number": number}
    time.sleep(0)
    if int(number) % 5 == 0:
        raise ValueError("the application fails")
    assert logs.context() == mine, logs.context()
    start_response("200 OK", [])
    def stream():
        for _ in range(2):
            time.sleep(0)
            assert logs.context() == mine, logs.context()
            yield b"x"
    return stream()

import logging
logging.getLogger("slsadapt").addHandler(logging.NullHandler())
handler = wrap(app)
def one(number):
    event = EVENT | {"rawQueryString": str(number)}
    event["requestContext"] = EVENT["requestContext"] | {"requestId": "id-%d" % number}
    status = handler(event)["statusCode"]
    assert status == (500 if number % 5 == 0 else 200), (number, status)
    assert logs.context() == {}
pool = gevent.pool.Pool(50)
jobs = [pool.spawn(one, number) for number in range(COUNT)]
gevent.joinall(jobs, raise_error=True)
print("served", sum(job.successful() for job in jobs))
"""


def test_greenlets_leave_nothing() -> None:
    script = f"EVENT, COUNT = {event(0, 'plain')!r}, {TENTH}\n{GREENLETS}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == f"served {TENTH}\n"
