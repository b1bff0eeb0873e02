"""Tasks under a real worker of each pool, on a real Redis."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery import Celery, chain, chord, group, signals  # type: ignore[import-untyped]
from celery.app.trace import trace_task  # type: ignore[import-untyped]
from celery.exceptions import (  # type: ignore[import-untyped]
    Ignore,
    Reject,
    TimeLimitExceeded,
)
from celery.result import AsyncResult, EagerResult  # type: ignore[import-untyped]
from flask import Flask

from slsadapt import OptionError, logs, timing, wrap
from slsadapt.logs import celery as carrying
from slsadapt.logs.invocation import CURRENT, Invocation
from tests.logs import celery_app
from tests.redis_server import redis_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.logs.celery_app import Tasks

ROOT = Path(__file__).parents[2]
POOLS = ["prefork", "threads", "solo", "gevent"]
# A machine that runs several suites at once is slow, one that hangs is not waited for.
LIMIT_S = 120
MIXED = 200
WAYS = ["succeed", "fail", "retry", "ignore", "reject", "replace"]


@contextmanager
def installed(app: Celery) -> Iterator[None]:
    """Install for a while: the signals belong to the whole process."""
    theirs = (signals.before_task_publish, signals.task_prerun, signals.task_postrun)
    before = [list(each.receivers) for each in theirs]
    carrying.install(app)
    try:
        yield
    finally:
        for each, receivers in zip(theirs, before, strict=True):
            each.receivers[:] = receivers


def serving(request_id: str, call: Callable[..., Any], /, *args: Any, **bound: Any) -> Any:
    """Call something as an invocation with this ID and these fields would."""

    def run() -> Any:
        invocation = Invocation()
        invocation.request_id = request_id
        invocation.platform_context = {"request_id": "publishers-invocation"}
        CURRENT.set(invocation)
        logs.bind(**bound)
        return call(*args)

    return copy_context().run(run)


# Without a worker


@pytest.fixture
def eager() -> Iterator[Celery]:
    app = Celery("eager", set_as_current=False)
    app.conf.task_always_eager = True
    with installed(app):
        yield app


@pytest.fixture
def task(eager: Celery) -> Tasks:
    tasks: Tasks = eager.task
    return tasks


def test_eager_task_has_its_callers_context_and_gives_it_back(task: Tasks) -> None:
    @task(bind=True, name="eager.work")
    def work(self: Any) -> list[Any]:
        before = logs.context()
        logs.bind(step="inside", user="eve")
        return [before, logs.context(), self.request.id]

    def view() -> list[Any]:
        logs.invocation_id()
        result = work.delay()
        assert isinstance(result, EagerResult)
        return [*result.get(), logs.context()]

    first, last, task_id, after = serving("req-1", view, user="ada")
    ids = {"request_id": "req-1", "invocation_id": task_id, "function": "eager.work"}
    assert first == {**ids, "user": "ada"}
    assert last == {**ids, "user": "eve", "step": "inside"}
    assert after["request_id"] == "req-1"
    assert after["user"] == "ada"
    assert after.keys().isdisjoint({"step"})
    assert after.get("invocation_id") != task_id


@pytest.mark.parametrize("way", ["succeed", "fail", "retry", "ignore", "reject", "exit"])
def test_eager_task_leaves_nothing_however_it_ends(task: Tasks, way: str) -> None:
    @task(bind=True, max_retries=2, name="eager.end")
    def end(self: Any) -> None:
        attempts.append(logs.request_id())
        logs.bind(own=1)
        if way == "fail":
            raise ValueError("as asked")
        if way == "retry":
            raise self.retry()
        if way == "ignore":
            raise Ignore
        if way == "reject":
            raise Reject
        if way == "exit":
            raise SystemExit(3)

    attempts: list[str] = []

    def view() -> dict[str, Any]:
        try:
            end.apply()
        except SystemExit:
            assert way == "exit"
        return logs.context()

    without_task = serving("req-2", logs.context, user="ada")
    assert serving("req-2", view, user="ada") == without_task
    assert attempts == ["req-2"] * (3 if way == "retry" else 1)


def test_eager_task_outside_of_any_invocation_has_an_id_of_its_own(task: Tasks) -> None:
    @task(name="eager.lone")
    def lone() -> list[str]:
        return [logs.request_id(), inner.apply().get(disable_sync_subtasks=False)]

    @task(name="eager.inner")
    def inner() -> str:
        return logs.request_id()

    first, again = lone.delay().get(), lone.delay().get()
    assert first[0] == first[1] != again[0] == again[1]
    assert len(first[0]) == 32
    assert logs.context() == {}


def test_retry_of_an_eager_task_keeps_the_id_it_was_given(task: Tasks) -> None:
    @task(bind=True, max_retries=2, name="eager.stubborn")
    def stubborn(self: Any) -> None:
        attempts.append(logs.context())
        logs.bind(own=1)
        raise self.retry()

    attempts: list[dict[str, Any]] = []
    stubborn.apply()
    first, *others = attempts
    assert len(first["request_id"]) == 32
    assert others == [first, first]


def test_task_in_a_worker_sees_nothing_of_the_process_around_it(eager: Celery, task: Tasks) -> None:
    @task(name="eager.received", ignore_result=True)
    def received() -> None:
        seen.append(logs.context())

    seen: list[dict[str, Any]] = []
    header = json.dumps({"request_id": "req-3", "bound": {"user": "ada"}})
    request = {"id": "task-1", "delivery_info": {}, "slsadapt_context": header}

    def process() -> dict[str, Any]:
        # What a worker calls for a message.
        trace_task(received, "task-1", (), {}, request, app=eager)
        return logs.context()

    around = serving("process", process, host="worker-1")
    ids = {"request_id": "req-3", "invocation_id": "task-1", "function": "eager.received"}
    assert seen == [{**ids, "user": "ada"}]
    assert around["request_id"] == "process"
    assert around["host"] == "worker-1"
    assert "user" not in around


def test_spans_of_an_eager_task_are_its_callers(task: Tasks) -> None:
    @task(name="eager.measured")
    def measured() -> None:
        with timing.span("task"):
            pass

    def view() -> list[str]:
        invocation = CURRENT.get()
        assert invocation is not None
        invocation.spans = []
        measured.delay()
        return [span.name for span in invocation.spans]

    assert serving("req-3", view) == ["task"]


def test_installing_again_and_for_more_apps_changes_nothing(eager: Celery) -> None:
    connected = [len(each.receivers) for each in (signals.task_prerun, signals.task_postrun)]
    other = Celery("other", set_as_current=False)
    other.conf.task_always_eager = True
    for app in (eager, other, other):
        carrying.install(app)
    after = [len(each.receivers) for each in (signals.task_prerun, signals.task_postrun)]
    assert after == connected

    tasks: Tasks = other.task

    @tasks(name="other.work")
    def work() -> str:
        return logs.request_id()

    assert serving("req-4", work.delay).get() == "req-4"


def test_what_is_no_celery_app_is_refused() -> None:
    with pytest.raises(OptionError, match="Celery application, got str"):
        carrying.install("shop")


class Loud:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_fields_travel_as_json_has_them_and_others_as_text() -> None:
    header, left_out = carrying.encode_header(
        "req-5",
        {"user": "åda", "n": 3, "share": 0.5, "on": True, "none": None, "path": Path("/a"),
         "nan": float("nan"), "odd": "\ud800\n"},
    )  # fmt: skip
    assert header.isascii()
    assert left_out == []
    assert json.loads(header) == {
        "request_id": "req-5",
        "bound": {"user": "åda", "n": 3, "share": 0.5, "on": True, "none": None, "path": "/a",
                  "nan": "nan", "odd": "\ud800\n"},
    }  # fmt: skip


def test_fields_without_room_or_text_are_named_and_the_others_go() -> None:
    header, left_out = carrying.encode_header(
        "req-6",
        {"a": 1, "big": "x" * 4096, "loud": Loud(), "huge": 10**5000, "full": "y" * 4000, "z": 2},
    )
    assert left_out == ["big", "loud", "huge"]
    assert json.loads(header)["bound"] == {"a": 1, "full": "y" * 4000, "z": 2}
    assert len(header) <= 4096


def test_header_is_filled_to_the_last_character() -> None:
    frame = len('{"request_id": "req-7", "bound": {"a": ""}}') + len(", ")
    header, left_out = carrying.encode_header("req-7", {"a": "x" * (4096 - frame)})
    assert left_out == []
    assert carrying.encode_header("req-7", {"a": "x" * (4097 - frame)})[1] == ["a"]
    assert carrying.decode_header(header) == ("req-7", {"a": "x" * (4096 - frame)}, [])


INVALID = [
    pytest.param(7, "", {}, ["slsadapt_context"], id="no text"),
    pytest.param({"request_id": "a"}, "", {}, ["slsadapt_context"], id="an object itself"),
    pytest.param("{", "", {}, ["slsadapt_context"], id="no JSON"),
    pytest.param("[1]", "", {}, ["slsadapt_context"], id="no object"),
    pytest.param("[" * 4096, "", {}, ["slsadapt_context"], id="deeply nested"),
    pytest.param(
        json.dumps({"request_id": "a", "bound": {"k": "x" * 4096}}),
        "", {}, ["slsadapt_context"],
        id="too long",
    ),
    pytest.param('{"request_id": "a\\nforged"}', "", {}, ["request_id"], id="line break in the ID"),
    pytest.param('{"request_id": 5, "bound": {"k": 1}}', "", {"k": 1}, ["request_id"], id="number"),
    pytest.param('{"request_id": null}', "", {}, ["request_id"], id="null for an ID"),
    pytest.param('{"request_id": "a", "bound": [1]}', "a", {}, ["bound"], id="bound is a list"),
    pytest.param(
        '{"request_id": "a", "bound": {"k": [], "l": {}, "m": 1, "n": NaN, "o": 1e999}}',
        "a", {"m": 1}, ["bound.k", "bound.l", "bound.n", "bound.o"],
        id="no scalars",
    ),
    pytest.param(
        '{"bound": {"request_id": "b", "invocation_id": "c", "function": "d", "e": 1}}',
        "", {"e": 1}, ["bound.request_id", "bound.invocation_id", "bound.function"],
        id="names that are not bound",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("header", "request_id", "bound", "invalid"), INVALID)
def test_invalid_fields_are_named_and_the_others_read(
    header: object, request_id: str, bound: dict[str, Any], invalid: list[str]
) -> None:
    assert carrying.decode_header(header) == (request_id, bound, invalid)


def test_no_header_is_not_invalid() -> None:
    assert carrying.decode_header(None) == ("", {}, [])


# With workers


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


class Worker:
    """A worker process of one pool, reading from the queue of the same name."""

    def __init__(self, pool: str, url: str, directory: Path) -> None:
        self.pool = pool
        self.log = directory / f"{pool}.log"
        options = ["-P", pool, "-Q", pool, "-n", f"{pool}@localhost"]
        options += ["-c", "2" if pool == "prefork" else "4"]
        if pool == "prefork":
            # Beat is a process of its own beside the pool's two.
            options += ["-B", "-s", str(directory / "schedule")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tests.logs.celery_app", "worker",
                 "--without-gossip", "--without-mingle", "--without-heartbeat", *options],
                cwd=ROOT,
                env={**os.environ, celery_app.URL_VARIABLE: url, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + LIMIT_S
        destination = [f"{self.pool}@localhost"]
        while not celery_app.app.control.ping(destination=destination, timeout=0.5, limit=1):
            ended = self.process.poll()
            if ended is not None or time.monotonic() > deadline:
                pytest.fail(f"the worker is not there ({ended}); its log:\n{self.log.read_text()}")

    def marks(self, text: str, phrase: str, count: int = 1) -> list[str]:
        """Give the request IDs before the log's lines with both, once there are so many."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            lines = [line for line in self.log.read_text().splitlines() if text in line]
            marks = [line.split()[0] for line in lines if phrase in line]
            if len(marks) >= count:
                return marks
            time.sleep(0.05)
        pytest.fail(f"no {count} lines with {text!r} and {phrase!r}:\n{self.log.read_text()}")

    def wait_until_ended(self) -> None:
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="module")
def workers(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Worker]]:
    """Start all workers at once, and let this process publish to them."""
    app = celery_app.app
    app.conf.update(broker_url=url, result_backend=url, task_default_queue="threads")
    directory = tmp_path_factory.mktemp("workers")
    running: dict[str, Worker] = {}
    try:
        for pool in POOLS:
            running[pool] = Worker(pool, url, directory)
        for worker in running.values():
            worker.wait_until_ready()
        with installed(app):
            yield running
    finally:
        for worker in running.values():
            worker.process.terminate()
        for worker in running.values():
            worker.wait_until_ended()
        app.backend.result_consumer.stop()
        app.backend.client.close()
        app.close()


@pytest.fixture
def store(workers: dict[str, Worker], url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url, decode_responses=True, socket_timeout=2 * LIMIT_S) as client:
        yield client


def pop(store: redis.Redis, key: str, count: int) -> list[Any]:
    """Take what tasks have stored, waiting for it."""
    taken: list[Any] = []
    for _ in range(count):
        popped: Any = store.blpop([key], timeout=LIMIT_S)
        assert popped is not None, f"{len(taken)} of {count} entries came"
        taken.append(json.loads(popped[1]))
    return taken


def result(published: AsyncResult) -> Any:
    return published.get(timeout=LIMIT_S)


@pytest.mark.parametrize("pool", POOLS)
def test_task_has_its_publishers_context(workers: dict[str, Worker], pool: str) -> None:
    def view() -> AsyncResult:
        return celery_app.look.apply_async(queue=pool)

    published = serving("req-10", view, user="ada", cart=Path("c/1"), n=1, none=None)
    assert isinstance(published, AsyncResult)
    (seen,) = result(published)
    assert seen == {
        "request_id": "req-10",
        "invocation_id": published.id,
        "function": "shop.look",
        "ids": ["req-10", published.id, "shop.look"],
        "user": "ada",
        "cart": "c/1",
        "n": 1,
        "none": None,
    }


def test_task_has_the_request_id_of_the_view_that_publishes_it(
    workers: dict[str, Worker], event: Callable[[str], dict[str, Any]]
) -> None:
    published = []
    app = Flask("shop")

    @app.get("/<path:rest>")
    def view(rest: str) -> str:
        logs.bind(user="ada")
        published.append(celery_app.look.apply_async(queue="prefork"))
        return "ok"

    got = wrap(app)(event("aws_http/rule_get_no_optional_keys"))
    (seen,) = result(published[0])
    assert got["headers"]["x-request-id"] == seen["request_id"] == "ATfSmjLgPHcESJw="
    assert seen["user"] == "ada"


def test_delay_returns_its_result(workers: dict[str, Worker]) -> None:
    published = serving("req-11", celery_app.look.delay)
    assert isinstance(published, AsyncResult)
    assert result(published)[0]["request_id"] == "req-11"


@pytest.mark.parametrize("pool", POOLS)
def test_retries_keep_the_context_of_the_publisher(workers: dict[str, Worker], pool: str) -> None:
    published = serving("req-12", lambda: celery_app.look_later.apply_async(queue=pool), user="ada")
    attempts = result(published)
    assert [each["ids"] for each in attempts] == [["req-12", published.id, "shop.look_later"]] * 3
    # What an attempt binds is gone at its end.
    assert [each.get("attempt") for each in attempts] == [None] * 3
    assert [each["user"] for each in attempts] == ["ada"] * 3


@pytest.mark.parametrize("pool", POOLS)
def test_canvas_carries_the_context_to_every_task(workers: dict[str, Worker], pool: str) -> None:
    look, look_later, flatten = (
        task.s().set(queue=pool)
        for task in (celery_app.look, celery_app.look_later, celery_app.flatten)
    )
    canvas = chain(look, look, look_later, chord(group([look] * 3), flatten))
    seen = result(serving("req-13", canvas.apply_async, user="ada"))
    # Each of the three in the chord's head returns what it was handed and what it sees.
    assert len(seen) == 3 * (2 + 3 + 1) + 1
    assert {each["request_id"] for each in seen} == {"req-13"}
    assert {each["user"] for each in seen} == {"ada"}
    assert {each["function"] for each in seen} == {"shop.look", "shop.look_later", "shop.flatten"}
    assert len({each["invocation_id"] for each in seen}) == 2 + 1 + 3 + 1


def test_group_carries_the_context_to_every_task(workers: dict[str, Worker]) -> None:
    signatures = [celery_app.look.si().set(queue=pool) for pool in POOLS]
    seen = result(serving("req-14", group(signatures).apply_async, user="ada"))
    assert [each[0]["ids"][0] for each in seen] == ["req-14"] * len(POOLS)
    assert [each[0]["user"] for each in seen] == ["ada"] * len(POOLS)


@pytest.mark.parametrize(
    ("task", "key"), [("look", "link"), ("fail", "link_error")], ids=["link", "link_error"]
)
def test_callbacks_have_the_context_too(
    workers: dict[str, Worker], store: redis.Redis, task: str, key: str
) -> None:
    after = celery_app.note.s(key=key).set(queue="threads")

    def view() -> AsyncResult:
        return getattr(celery_app, task).apply_async(queue="threads", **{key: after})

    serving("req-15", view, user="ada")
    (seen,) = pop(store, key, 1)
    assert (seen["request_id"], seen["user"]) == ("req-15", "ada")


def test_task_of_unknown_origin_gets_an_id_and_hands_it_on(workers: dict[str, Worker]) -> None:
    def work() -> AsyncResult:
        first, second = (celery_app.look_later.s(), celery_app.look.s())
        return chain(first.set(queue="solo"), second.set(queue="solo")).apply_async()

    seen, others = result(work()), result(work())
    assert len(seen) == len(others) == 4
    (request_id,) = {each["request_id"] for each in seen}
    (other_id,) = {each["request_id"] for each in others}
    assert request_id != other_id
    assert len(request_id) == 32
    # What a task binds goes along with those it publishes, and not with its own retries.
    assert [each.get("attempt") for each in seen] == [None, None, None, 2]
    assert "user" not in seen[0]


def test_beat_gives_each_run_an_id_of_its_own(
    workers: dict[str, Worker], store: redis.Redis
) -> None:
    # Each run notes what it sees, and publishes a task that does.
    seen = pop(store, "ticks", 6)
    by_request: dict[str, list[str]] = {}
    for each in seen:
        by_request.setdefault(each["request_id"], []).append(each["function"])
    assert len(by_request) >= 2
    assert ["shop.tick", "shop.note"] in by_request.values()
    assert all(len(functions) <= 2 for functions in by_request.values())
    assert "" not in by_request


def test_message_of_protocol_1_carries_the_context(workers: dict[str, Worker], url: str) -> None:
    with Celery("older", broker=url, backend=url, set_as_current=False) as older:
        older.conf.task_protocol = 1
        published = serving(
            "req-16", lambda: older.send_task("shop.look", queue="prefork"), user="ada"
        )
        (seen,) = result(published)
        assert seen["ids"] == ["req-16", published.id, "shop.look"]
        assert seen["user"] == "ada"
        older.backend.result_consumer.stop()
        older.backend.client.close()


def test_invalid_header_is_dropped_with_one_warning_and_retries_still_hang_together(
    workers: dict[str, Worker],
) -> None:
    header = json.dumps({"request_id": "forged\nline", "bound": {"list": ["hidden"], "kept": 1}})
    published = celery_app.look_later.apply_async(
        queue="solo", headers={"slsadapt_context": header}
    )
    attempts = result(published)
    (request_id,) = {each["request_id"] for each in attempts}
    assert len(request_id) == 32
    assert [each["kept"] for each in attempts] == [1] * 3
    assert "list" not in attempts[0]
    worker = workers["solo"]
    assert worker.marks("WARNING slsadapt", "'request_id', 'bound.list'") == [f"<{request_id}>"]
    text = worker.log.read_text()
    assert "hidden" not in text
    assert "forged" not in text


def test_header_that_the_publisher_sets_itself_stays(workers: dict[str, Worker]) -> None:
    header = json.dumps({"request_id": "mine"})
    published = serving(
        "req-17",
        lambda: celery_app.look.apply_async(queue="solo", headers={"slsadapt_context": header}),
    )
    assert result(published)[0]["request_id"] == "mine"


def test_fields_too_large_are_left_out_with_a_warning(
    workers: dict[str, Worker], caplog: pytest.LogCaptureFixture
) -> None:
    def view() -> AsyncResult:
        return celery_app.look.apply_async(queue="solo")

    with caplog.at_level(logging.WARNING, "slsadapt"):
        (seen,) = result(serving("req-18", view, user="ada", page="secret" * 1000))
    assert (seen["request_id"], seen["user"]) == ("req-18", "ada")
    assert "page" not in seen
    (message,) = [each.getMessage() for each in caplog.records if each.name == "slsadapt"]
    assert "'page'" in message
    assert "secret" not in message


@pytest.mark.parametrize("pool", POOLS)
def test_nested_tasks_see_the_context_they_run_in(workers: dict[str, Worker], pool: str) -> None:
    published = serving("req-19", lambda: celery_app.nest.apply_async(queue=pool), user="ada")
    called, applied, after = result(published)
    outer = ["req-19", published.id, "shop.nest"]
    assert called["ids"] == after["ids"] == outer
    assert applied["ids"][0] == "req-19"
    assert applied["ids"][1] != published.id
    assert applied["ids"][2] == "shop.look"
    assert [each["nested"] for each in (called, applied, after)] == [True] * 3
    assert [each["user"] for each in (called, applied, after)] == ["ada"] * 3


def test_time_limits_leave_nothing(workers: dict[str, Worker], store: redis.Redis) -> None:
    after = celery_app.note.s(key="killed").set(queue="prefork")

    def view() -> tuple[AsyncResult, AsyncResult]:
        return (
            celery_app.overrun.apply_async(queue="prefork"),
            celery_app.hang.apply_async(queue="prefork", link_error=after),
        )

    overrun, hang = serving("req-20", view, user="ada")
    assert result(overrun)[0]["ids"] == ["req-20", overrun.id, "shop.overrun"]
    with pytest.raises(TimeLimitExceeded):
        result(hang)
    # Published by the main process, which is in no task.
    (seen,) = pop(store, "killed", 1)
    assert seen["request_id"] != "req-20"
    for _ in range(4):
        (seen,) = result(celery_app.look.apply_async(queue="prefork"))
        assert seen["request_id"] != "req-20"
        assert "user" not in seen


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_lines_of_celery_carry_the_id_from_inside_the_task(
    workers: dict[str, Worker], pool: str
) -> None:
    worker = workers[pool]
    published = serving("req-21", lambda: celery_app.look_later.apply_async(queue=pool))
    result(published)
    # A retry is published before its line is written, so another process may be ahead.
    assert worker.marks(published.id, "retry: Retry", 2) == ["<req-21>"] * 2
    assert worker.marks(published.id, "succeeded in") == ["<req-21>"]
    assert worker.marks(published.id, "received", 3) == ["<>"] * 3
    failed = serving("req-22", lambda: celery_app.fail.apply_async(queue=pool))
    assert worker.marks(failed.id, "raised unexpected") == ["<req-22>"]


def test_revoked_task_leaves_nothing(workers: dict[str, Worker]) -> None:
    celery_app.app.control.revoke(
        "revoked-before-it-came", destination=["solo@localhost"], reply=True, timeout=5
    )

    def view() -> AsyncResult:
        return celery_app.look.apply_async(queue="solo", task_id="revoked-before-it-came")

    serving("req-23", view)
    worker = workers["solo"]
    assert worker.marks("revoked-before-it-came", "Discarding revoked task") == ["<>"]
    assert result(celery_app.look.apply_async(queue="solo"))[0]["request_id"] != "req-23"


@pytest.mark.parametrize("pool", POOLS)
def test_nothing_leaks_between_mixed_tasks(
    workers: dict[str, Worker], store: redis.Redis, pool: str
) -> None:
    key = f"mix {pool}"
    chosen = random.Random(pool)
    ways = [chosen.choice(WAYS) for _ in range(MIXED)]
    mix = celery_app.mix

    def view(number: int) -> AsyncResult:
        return mix.apply_async((ways[number], number, key), queue=pool)

    published = {}
    for number in range(MIXED):
        # Every third comes from nowhere.
        if number % 3 == 0:
            published[number] = view(number).id
        else:
            published[number] = serving(f"mix-{number}", view, number, tag=number).id
    # A retried task runs twice, one that is replaced is followed by another.
    runs = MIXED + sum(way in ("retry", "replace") for way in ways)
    entries = pop(store, key, runs)
    own_ids = set()
    counts: dict[int, int] = {}
    notes = 0
    for entry in entries:
        if "way" not in entry:
            notes += 1
            continue
        number, first, last = entry["number"], entry["first"], entry["last"]
        counts[number] = counts.get(number, 0) + 1
        bound = {} if number % 3 == 0 else {"tag": number}
        request_id = first["request_id"]
        if number % 3 == 0:
            own_ids.add(request_id)
        else:
            assert request_id == f"mix-{number}"
        ids = [request_id, published[number], "shop.mix"]
        named = dict(zip(("request_id", "invocation_id", "function"), ids, strict=True))
        assert first == {**named, **bound, "ids": ids}
        assert last == {**named, **bound, "number": number, "own": number, "ids": ids}
    assert counts == {number: 1 + (way == "retry") for number, way in enumerate(ways)}
    assert notes == ways.count("replace")
    # One ID each, the same one again on a retry.
    assert len(own_ids) == len(range(0, MIXED, 3))
    assert int(store.get(f"looked before {pool}") or 0) >= runs
    assert int(store.get(f"looked after {pool}") or 0) >= MIXED
    assert store.lrange("leaks", 0, -1) == []
