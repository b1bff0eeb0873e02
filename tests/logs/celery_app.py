"""The tasks that the workers of test_celery.py run."""

from __future__ import annotations

import json
import logging
import os
import sys
from itertools import chain
from typing import TYPE_CHECKING, Any

import redis
from celery import Celery, signals  # type: ignore[import-untyped]
from celery.exceptions import (  # type: ignore[import-untyped]
    Ignore,
    Reject,
    SoftTimeLimitExceeded,
)

from slsadapt import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    # What ``app.task`` is: called with options, it makes a task of a function.
    Tasks = Callable[..., Callable[[Callable[..., Any]], Any]]

# Set for the workers alone: the tests install into their own process only for a while.
URL_VARIABLE = "CELERY_TEST_REDIS"

app = Celery("shop", set_as_current=False)
app.conf.update(task_ignore_result=False, broker_connection_retry_on_startup=True)
task: Tasks = app.task
log = logging.getLogger("shop")


def store() -> redis.Redis:
    client: redis.Redis = app.backend.client
    return client


def seen() -> dict[str, Any]:
    return {
        **logs.context(),
        "ids": [logs.request_id(), logs.invocation_id(), logs.function_name()],
    }


@task(name="shop.look", bind=True)
def look(self: Any, earlier: list[Any] | None = None) -> list[Any]:
    """Return what the tasks so far saw and, at the end of the list, what this one sees."""
    log.info("looking in %s", self.request.id)
    return [*(earlier or []), seen()]


@task(name="shop.flatten")
def flatten(parts: list[list[Any]]) -> list[Any]:
    return [*chain.from_iterable(parts), seen()]


@task(name="shop.look_later", bind=True, max_retries=2)
def look_later(self: Any, earlier: list[Any] | None = None) -> list[Any]:
    """Return what each of three attempts saw."""
    so_far = [*(earlier or []), seen()]
    logs.bind(attempt=self.request.retries)
    if self.request.retries < 2:
        raise self.retry(args=[so_far], countdown=0)
    return so_far


@task(name="shop.fail")
def fail() -> None:
    raise ValueError("as asked")


@task(name="shop.note")
def note(earlier: Any = None, *, key: str) -> None:
    """Store what this sees, for tasks whose result nobody gets."""
    store().rpush(key, json.dumps(seen()))


@task(name="shop.tick")
def tick() -> None:
    """Store what a task that beat publishes sees, and what one sees that it publishes."""
    note(key="ticks")
    note.apply_async(kwargs={"key": "ticks"}, queue="prefork")


@task(name="shop.nest")
def nest() -> list[Any]:
    """Call another task as a function, then as a task in place, then look again."""
    logs.bind(nested=True)
    called = look()
    applied = look.apply().get(disable_sync_subtasks=False)
    return [*called, *applied, seen()]


@task(name="shop.overrun", soft_time_limit=1)
def overrun() -> list[Any]:
    """Wait until the soft limit interrupts it."""
    try:
        store().blpop(["never"], timeout=60)
    except SoftTimeLimitExceeded:
        return [seen()]
    raise AssertionError("no soft time limit came")


@task(name="shop.hang", time_limit=1)
def hang() -> None:
    """Wait until the hard limit kills its process."""
    store().blpop(["never"], timeout=60)


@task(name="shop.mix", bind=True, max_retries=1)
def mix(self: Any, way: str, number: int, key: str) -> int:
    """Look, let others run, look again, store both and end in the way asked for."""
    first = seen()
    logs.bind(number=number, own=number)
    store().ping()
    called = look()
    entry = {"way": way, "number": number, "first": first, "last": called[-1]}
    store().rpush(key, json.dumps(entry))
    if way == "fail":
        raise ValueError("as asked")
    if way == "retry":
        raise self.retry(countdown=0)
    if way == "ignore":
        raise Ignore
    if way == "reject":
        raise Reject(requeue=False)
    if way == "replace":
        queue = self.request.delivery_info["routing_key"]
        raise self.replace(note.si(key=key).set(queue=queue))
    return number


def look_around(where: str, request: Any) -> None:
    """Store what is there outside of any task, where nothing may be."""
    if request.is_eager:
        return
    store().incr(f"looked {where} {request.delivery_info['routing_key']}")
    if context := logs.context():
        store().rpush("leaks", json.dumps([where, context]))


def configure_logging(**_: Any) -> None:
    """Let each line of the worker's say its request ID, process by process."""

    class Formatter(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return f"<{logs.request_id()}> {super().format(record)}"

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


if url := os.environ.get(URL_VARIABLE):
    from slsadapt.logs.celery import install

    app.conf.update(broker_url=url, result_backend=url)
    app.conf.beat_schedule = {
        "tick": {"task": "shop.tick", "schedule": 1.0, "options": {"queue": "prefork"}}
    }
    signals.setup_logging.connect(configure_logging, weak=False)
    # Before and after the signals' other receivers, so around each task.
    signals.task_prerun.connect(lambda task, **_: look_around("before", task.request), weak=False)
    install(app)
    signals.task_postrun.connect(lambda task, **_: look_around("after", task.request), weak=False)
