"""What hangs is told of, and ended where it can be, before the platform ends it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from fastapi import FastAPI

from slsadapt import DeadlineError, Handler, OptionError, logs, wrap
from slsadapt.middleware.deadline import Alarm, Deadline, Guard
from slsadapt.middleware.stacks import GUARD_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from starlette.types import Receive, Scope, Send

    Event = Callable[[str], dict[str, Any]]
    Get = Callable[..., dict[str, Any]]
    Start = Callable[..., Handler]

TIMEOUT_S = 10  # for what might otherwise wait for ever
HTTP = "aws_http/rule_get_no_optional_keys"
TENCENT = "tencent_apigw/get_api_path_prefix"
TIMER = "tencent_timer/timer_doc"
REQUEST_ID = "deadline-test=1"
POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes as POSIX has them")


class Countdown:
    """Counts down from its beginning, as AWS's context does."""

    aws_request_id = "invocation-1"
    function_name = "orders"

    def __init__(self, limit_s: float) -> None:
        self.ends_at = time.monotonic() + limit_s

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.ends_at - time.monotonic()) * 1000))


class Told(NamedTuple):
    record: logging.LogRecord
    context: dict[str, Any]

    @property
    def stacks(self) -> str:
        return self.record.stack_info or ""


class Log(logging.Handler):
    """Keeps records with what the context adds at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Told] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append(Told(record, logs.context()))

    @property
    def texts(self) -> list[str]:
        return [each.record.getMessage() for each in self.all]

    def one(self) -> Told:
        assert len(self.all) == 1, self.texts
        return self.all[0]


@pytest.fixture
def log() -> Iterator[Log]:
    kept = Log()
    logger = logging.getLogger("slsadapt")
    logger.addHandler(kept)
    yield kept
    logger.removeHandler(kept)


@pytest.fixture
def start() -> Iterator[Start]:
    """Give what wraps an application; all are stopped at the end."""
    handlers: list[Handler] = []

    def start(app: Any, deadline: Any = 0.3, **options: Any) -> Handler:
        handlers.append(wrap(app, deadline=deadline, **options))
        return handlers[-1]

    yield start
    for handler in handlers:
        handler.pre_stop()


@pytest.fixture
def get(event: Event) -> Get:
    """Give a GET of a path, in AWS's payload 2.0."""

    def make(path: str = "/orders", request_id: str = REQUEST_ID) -> dict[str, Any]:
        made = event(HTTP)
        context = made["requestContext"] | {"requestId": request_id}
        return made | {"rawPath": path, "requestContext": context}

    return make


# Options


@pytest.mark.parametrize(
    "value",
    [
        0,
        0.0,
        -1,
        float("nan"),
        float("inf"),
        pytest.param(10**400, id="beyond float"),
        True,
        "1",
        b"1",
        1j,
        [1],
    ],
    ids=repr,
)
@pytest.mark.parametrize("option", ["before_s", "limit_s"])
def test_seconds_are_numbers_above_0(option: str, value: Any) -> None:
    with pytest.raises(
        OptionError, match=f"{option} must be seconds above 0, a year at most; got "
    ):
        Deadline(**{"before_s": 0.5, option: value})


@pytest.mark.parametrize("value", [0, -0.5, float("nan"), True, "0.5"], ids=repr)
def test_wrong_seconds_are_refused_by_wrap(value: Any) -> None:
    with pytest.raises(OptionError, match="before_s must be seconds above 0"):
        wrap(wsgi_hello, deadline=value)


@pytest.mark.parametrize("limit_s", [0.5, 0.4])
def test_limit_is_more_than_the_margin(limit_s: float) -> None:
    with pytest.raises(OptionError, match=rf"limit_s \({limit_s}\) must be more than before_s"):
        Deadline(0.5, limit_s=limit_s)


def test_none_is_no_limit() -> None:
    assert Deadline(1, limit_s=None).limit_s is None


# The guard by itself


class Bell(Alarm):
    """Notes when it sounds."""

    def __init__(self, in_s: float) -> None:
        self.at = time.monotonic() + in_s
        self.sounded_at: list[float] = []
        self.rung = threading.Event()

    def sound(self) -> None:
        self.sounded_at.append(time.monotonic())
        self.rung.set()


def guards() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == GUARD_NAME]


def passed(guard: Guard, in_s: float = 0.05) -> None:
    """Return when the guard has been through all that was due before this moment."""
    last = Bell(in_s)
    guard.arm(last)
    assert last.rung.wait(TIMEOUT_S)


def test_alarm_sounds_once_and_not_too_early() -> None:
    guard = Guard()
    bell = Bell(0.05)
    guard.arm(bell)
    assert bell.rung.wait(TIMEOUT_S)
    passed(guard)
    assert len(bell.sounded_at) == 1
    assert bell.sounded_at[0] >= bell.at


def test_disarmed_alarm_does_not_sound() -> None:
    guard = Guard()
    bell = Bell(0.05)
    guard.arm(bell)
    guard.disarm(bell)
    guard.disarm(bell)
    passed(guard, 0.1)
    assert bell.sounded_at == []


def test_alarm_of_the_past_sounds_at_once() -> None:
    guard = Guard()
    guard.arm(Bell(60))
    bell = Bell(-1)
    guard.arm(bell)
    assert bell.rung.wait(TIMEOUT_S)


def test_earlier_alarm_armed_later_wakes_the_guard() -> None:
    guard = Guard()
    late, early = Bell(60), Bell(0.05)
    guard.arm(late)
    guard.arm(early)
    assert early.rung.wait(TIMEOUT_S)
    assert late.sounded_at == []


def test_alarms_sound_in_their_own_time() -> None:
    guard = Guard()
    bells = [Bell(in_s) for in_s in (0.15, 0.05, 0.1)]
    for bell in bells:
        guard.arm(bell)
    assert all(bell.rung.wait(TIMEOUT_S) for bell in bells)
    assert all(bell.sounded_at[0] >= bell.at for bell in bells)
    third, first, second = (bell.sounded_at[0] for bell in bells)
    assert first < second < third


def test_guard_sleeps_for_good_and_wakes_again() -> None:
    guard = Guard()
    for _ in range(3):
        passed(guard, 0.01)
    assert len(guard._armed) == 0


def test_alarms_from_many_threads_all_sound_or_stay_silent() -> None:
    guard = Guard()
    kept: list[Bell] = []
    forgotten: list[Bell] = []

    def work() -> None:
        for _ in range(100):
            stays, goes = Bell(0.05), Bell(60)
            guard.arm(stays)
            guard.arm(goes)
            kept.append(stays)
            guard.disarm(goes)
            forgotten.append(goes)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(bell.rung.wait(TIMEOUT_S) for bell in kept)
    passed(guard)
    assert [len(bell.sounded_at) for bell in kept] == [1] * 800
    assert not any(bell.sounded_at for bell in forgotten)
    assert not guard._armed


def test_100_000_invocations_start_one_thread() -> None:
    before = len(guards())
    guard = Guard()
    assert len(guards()) == before
    bell = Bell(60)
    for _ in range(100_000):
        guard.arm(bell)
        guard.disarm(bell)
    assert len(guards()) == before + 1
    assert guards()[-1].daemon
    assert not guard._armed


def test_alarm_beyond_what_a_wait_can_take_does_no_harm() -> None:
    """Stand-ins for a platform's context tell of such times."""
    guard = Guard()
    never = Bell(float(sys.maxsize))
    guard.arm(never)
    passed(guard, 0.1)
    assert never.sounded_at == []
    # It waits for the far one again, and for whatever comes before.
    passed(guard)


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(1)], ids=repr)
def test_alarm_that_raises_is_logged_and_others_go_on(log: Log, error: BaseException) -> None:
    class Broken(Bell):
        def sound(self) -> None:
            super().sound()
            raise error

    guard = Guard()
    broken, sound = Broken(0.02), Bell(0.05)
    guard.arm(broken)
    guard.arm(sound)
    assert sound.rung.wait(TIMEOUT_S)
    passed(guard)
    assert len(broken.sounded_at) == 1
    assert log.texts == ["the deadline guard failed"]
    assert log.one().record.levelname == "ERROR"


def test_log_that_raises_does_not_end_the_guard(capsys: pytest.CaptureFixture[str]) -> None:
    class BrokenLog(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("the log is full")

    class Logging(Bell):
        def sound(self) -> None:
            super().sound()
            logging.getLogger("slsadapt").error("late")

    guard = Guard()
    logger = logging.getLogger("slsadapt")
    broken = BrokenLog()
    logger.addHandler(broken)
    try:
        guard.arm(bell := Logging(0.02))
        passed(guard)
    finally:
        logger.removeHandler(broken)
    passed(guard)
    assert len(bell.sounded_at) == 1
    assert "RuntimeError: the log is full" in capsys.readouterr().err


def test_alarm_that_cannot_be_postponed_is_given_up(log: Log) -> None:
    class Broken(Bell):
        def postponed_to(self) -> float | None:
            raise RuntimeError("broken")

    guard = Guard()
    broken = Broken(0.02)
    guard.arm(broken)
    passed(guard)
    assert broken.sounded_at == []
    assert log.texts == ["the deadline guard failed"]
    assert not guard._armed


def test_postponed_alarm_sounds_later() -> None:
    class Later(Bell):
        to_come = 2

        def postponed_to(self) -> float | None:
            if not self.to_come:
                return None
            self.to_come -= 1
            return time.monotonic() + 0.05

    guard = Guard()
    bell = Later(0.02)
    first = bell.at
    guard.arm(bell)
    assert bell.rung.wait(TIMEOUT_S)
    assert bell.to_come == 0
    assert bell.sounded_at[0] >= first + 0.1
    passed(guard)
    assert len(bell.sounded_at) == 1


# Processes


def run_script(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


# Forks in a process of its own, which has no threads but the guard's.
FORKS = """
import os, sys, threading, time, warnings
from slsadapt.middleware.deadline import Alarm, Guard

class Bell(Alarm):
    def __init__(self, in_s):
        self.at = time.monotonic() + in_s
        self.rung = threading.Event()
    def sound(self):
        self.rung.set()

guard = Guard()
inherited = Bell(0.2)
guard.arm(inherited)
# Python 3.12 and later warn of a fork beside threads, which is what is tried here.
warnings.simplefilter("ignore", DeprecationWarning)
child = os.fork()
own = Bell(0.05)
guard.arm(own)
rung = own.rung.wait(8)
if not child:
    # What the parent watches is the parent's affair.
    os._exit(0 if rung and not inherited.rung.wait(0.3) else 1)
_, status = os.waitpid(child, 0)
print(rung, inherited.rung.wait(8), os.waitstatus_to_exitcode(status))
"""


@POSIX
def test_forked_process_has_a_guard_of_its_own() -> None:
    done = run_script(FORKS)
    assert (done.stdout, done.stderr) == ("True True 0\n", "")


EXITS = """
import time
from slsadapt.middleware.deadline import Alarm, Guard
alarm = Alarm()
alarm.at = time.monotonic() + 60
guard = Guard()
guard.arm(alarm)
print("end")
"""


def test_interpreter_exits_silently_while_armed() -> None:
    done = run_script(EXITS)  # would take longer than TIMEOUT_S if the thread were waited for
    assert (done.stdout, done.stderr, done.returncode) == ("end\n", "", 0)


# Under gevent all threads are greenlets, the guard's too.
GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, json, logging, sys, threading, time
from slsadapt import logs, wrap

class Log(logging.Handler):
    def emit(self, record):
        print(record.getMessage().split()[1], sorted(logs.context().items()))
        print("slow_query" in record.stack_info, "_watch" in record.stack_info)
logging.getLogger("slsadapt").addHandler(Log())

def slow_query(for_s):
    time.sleep(for_s)

def app(environ, start_response):
    logs.bind(path=environ["PATH_INFO"])
    gevent.spawn(slow_query, 0.45 if environ["PATH_INFO"] == "/late" else 0).join()
    start_response("200 OK", [])
    return [b"ok"]

handler = wrap(app, deadline=0.3, interface="wsgi", request_id=False)
event = json.loads(sys.argv[1])
jobs = [
    gevent.spawn(handler, event | {"rawPath": path}, {"time_limit_in_ms": 600})
    for path in ("/early", "/late", "/early")
]
print([job.get()["statusCode"] for job in jobs])
"""


def test_greenlet_is_told_of_under_gevent(get: Get) -> None:
    done = run_script(GREENLETS, json.dumps(get()))
    assert done.stderr == ""
    assert done.stdout == "-: [('path', '/late')]\nTrue False\n[200, 200, 200]\n"


# Answers lines of its standard input, each by one invocation of 0.6 s at most, and says what was
# logged meanwhile. "work" takes 0.25 s of processor time.
FREEZES = """
import json, logging, sys, threading, time
from slsadapt import wrap

class Context:
    function_name = "orders"
    def __init__(self):
        self.started = CLOCK()
    def get_remaining_time_in_millis(self):
        return max(0, int((0.6 - (CLOCK() - self.started)) * 1000))

logged = []
class Log(logging.Handler):
    def emit(self, record):
        logged.append(record.levelname)
logging.getLogger("slsadapt").addHandler(Log())

def app(environ, start_response):
    if environ["PATH_INFO"] == "/work":
        began = time.process_time()
        print("working", flush=True)
        while time.process_time() - began < 0.25:
            pass
    start_response("200 OK", [])
    return [b"ok"]

CLOCK = getattr(time, sys.argv[2])
handler = wrap(app, deadline=0.2)
event = json.loads(sys.argv[1])
for line in sys.stdin:
    result = handler(event | {"rawPath": line.strip()}, Context())
    print(result["statusCode"], *logged, flush=True)
"""


class Frozen:
    """A process that can be stopped and continued, as platforms do with instances."""

    def __init__(self, event: dict[str, Any], clock: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", FREEZES, json.dumps(event), clock],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def freeze(self, for_s: float) -> None:
        self.process.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        time.sleep(for_s)  # the time for which the instance is frozen
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> str:
        _, errors = self.process.communicate(timeout=TIMEOUT_S)
        return errors


@pytest.fixture
def frozen(get: Get) -> Iterator[Callable[[str], Frozen]]:
    made: list[Frozen] = []

    def make(clock: str) -> Frozen:
        made.append(Frozen(get(), clock))
        return made[-1]

    yield make
    for each in made:
        each.process.kill()
        each.process.communicate()


@POSIX
def test_freeze_between_two_invocations_is_no_alarm(frozen: Callable[[str], Frozen]) -> None:
    instance = frozen("monotonic")
    instance.write("/")
    assert instance.read() == "200"
    instance.freeze(0.9)
    for _ in range(3):
        instance.write("/")
        assert instance.read() == "200"
    assert instance.end() == ""


@POSIX
def test_freeze_in_an_invocation_is_no_alarm_where_the_platform_stops_counting(
    frozen: Callable[[str], Frozen],
) -> None:
    instance = frozen("process_time")
    instance.write("/work")
    assert instance.read() == "working"
    instance.freeze(0.9)
    assert instance.read() == "200"
    assert instance.end() == ""


@POSIX
def test_freeze_in_an_invocation_is_an_alarm_where_the_platform_counts_on(
    frozen: Callable[[str], Frozen],
) -> None:
    instance = frozen("monotonic")
    instance.write("/work")
    assert instance.read() == "working"
    instance.freeze(0.9)
    assert instance.read() == "200 ERROR"


# WSGI


def wsgi_hello(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


def slow_query() -> None:
    time.sleep(0.45)  # what hangs


def wsgi_slow(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    if environ["PATH_INFO"].startswith("/orders"):
        logs.bind(user="alice")
        slow_query()
    start_response("200 OK", [])
    return [b"late"]


def test_late_wsgi_application_is_told_of_and_still_answers(
    log: Log, start: Start, get: Get
) -> None:
    handler = start(wsgi_slow)
    result = handler(get("/orders\n"), Countdown(0.6))
    assert (result["statusCode"], result["body"]) == (200, "late")
    told = log.one()
    assert told.record.levelname == "ERROR"
    assert told.record.name == "slsadapt"
    assert told.context == {
        "request_id": REQUEST_ID,
        "invocation_id": "invocation-1",
        "function": "orders",
        "user": "alice",
    }
    assert re.fullmatch(
        rf"request {REQUEST_ID}: GET /orders%0A has 0\.30 s left after \d\.\d\d s; so far: "
        r"(import \d+\.\d ms, )?decode \d+\.\d ms, application \d+\.\d ms",
        told.record.getMessage(),
    )
    assert "in slow_query" in told.stacks
    assert "in wsgi_slow" in told.stacks
    assert GUARD_NAME not in told.stacks


def test_record_carries_no_source_line_of_the_application(log: Log, start: Start, get: Get) -> None:
    """Formatters that print the place print the guard's."""
    start(wsgi_slow)(get(), Countdown(0.6))
    assert log.one().record.filename == "deadline.py"


def test_what_the_guard_binds_in_no_way_reaches_the_next_invocation(
    log: Log, start: Start, get: Get
) -> None:
    handler = start(wsgi_slow)
    handler(get(), Countdown(0.6))
    handler(get(), Countdown(0.6))
    assert [each.context["user"] for each in log.all] == ["alice", "alice"]
    assert logs.context() == {}


def test_application_in_time_is_not_told_of(log: Log, start: Start, get: Get) -> None:
    handler = start(wsgi_slow)
    for _ in range(3):
        assert handler(get("/"), Countdown(0.6))["body"] == "late"
    # Long after all of their times the guard looks, for another.
    handler(get(), Countdown(0.6))
    assert "GET /orders" in log.one().record.getMessage()


def test_logger_that_is_off_is_not_written_to(log: Log, start: Start, get: Get) -> None:
    logger = logging.getLogger("slsadapt")
    logger.setLevel(logging.CRITICAL)
    try:
        start(wsgi_slow)(get(), Countdown(0.6))
    finally:
        logger.setLevel(logging.NOTSET)
    assert log.all == []


# Where the limit comes from


def after_s(told: Told) -> float:
    """Give how long the invocation had run, by the record."""
    found = re.search(r" s left after (\d+\.\d\d) s; ", told.record.getMessage())
    assert found
    return float(found[1])


@pytest.mark.parametrize(
    ("deadline", "context"),
    [
        pytest.param(0.3, {"time_limit_in_ms": 600, "function_name": "a"}, id="tencent"),
        pytest.param(
            0.3, SimpleNamespace(function=SimpleNamespace(name="a", timeout=0.6)), id="alibaba"
        ),
        pytest.param(Deadline(0.3, limit_s=0.6), None, id="option"),
        pytest.param(Deadline(0.3, limit_s=60), Countdown, id="platform before option"),
    ],
)
def test_limit_comes_from_platform_or_option(
    log: Log, start: Start, get: Get, deadline: Any, context: Any
) -> None:
    if context is Countdown:
        context = Countdown(0.6)
    start(wsgi_slow, deadline)(get(), context)
    assert "has 0.30 s left" in log.one().record.getMessage()
    assert after_s(log.one()) >= 0.29


@pytest.mark.parametrize("context", [None, SimpleNamespace(request_id="1")], ids=["none", "silent"])
def test_without_any_limit_one_warning_says_so(
    log: Log, start: Start, get: Get, context: Any
) -> None:
    handler = start(wsgi_slow, 0.25)
    for path in ("/", "/", "/orders"):
        assert handler(get(path), context)["statusCode"] == 200
    assert log.one().record.levelname == "WARNING"
    assert log.texts == [
        "deadline: the platform tells no time limit; give it: Deadline(0.25, limit_s=...)"
    ]


def test_margin_above_half_of_the_limit_is_half_of_it(log: Log, start: Start, get: Get) -> None:
    start(wsgi_slow, 5)(get(), {"time_limit_in_ms": 600})
    assert "has 0.30 s left" in log.one().record.getMessage()
    assert after_s(log.one()) >= 0.29


def test_start_up_takes_its_part_of_a_limit_that_is_not_counted_down(
    log: Log, start: Start, get: Get
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await asyncio.sleep(0.4)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await asyncio.sleep(TIMEOUT_S)

    handler = start(app, 0.4)
    assert handler(get(), {"time_limit_in_ms": 1200})["statusCode"] == 504
    # 0.8 s after the event, half of which were the start-up's, and not 1.2.
    assert 0.79 <= after_s(log.one()) < 1.15


def test_start_up_that_hangs_is_told_and_the_request_gets_no_more_time(
    log: Log, start: Start, get: Get
) -> None:
    served: list[str] = []

    async def starts_slowly() -> None:
        await asyncio.sleep(0.6)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await starts_slowly()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            served.append("begun")
            await asyncio.sleep(TIMEOUT_S)

    handler = start(app, 0.4)
    # Late is 0.4 s after the event, when the start-up goes on for 0.2 more.
    assert handler(get(), {"time_limit_in_ms": 800})["statusCode"] == 504
    told = log.one()
    assert "initialize" in told.record.getMessage()
    assert "application" not in told.record.getMessage()
    assert ", in starts_slowly" in told.stacks
    assert served == ["begun"]


# ASGI


class Late:
    """An application that hangs below ``/orders``, and notes how that ends."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "orders" in scope["path"]:
            logs.bind(user="alice")
            await self.hang()
        await answer(send, 200, b"hello")

    async def hang(self) -> None:
        try:
            await asyncio.sleep(TIMEOUT_S)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        finally:
            self.ended.append("finally")


async def answer(send: Send, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status})
    await send({"type": "http.response.body", "body": body})


def test_late_asgi_application_is_cancelled_and_answered_for(
    log: Log, start: Start, get: Get
) -> None:
    app = Late()
    handler = start(app, lifespan="off")
    began = time.monotonic()
    result = handler(get(), Countdown(0.6))
    assert time.monotonic() - began < TIMEOUT_S / 2
    assert result == {
        "statusCode": 504,
        "headers": {
            "content-type": "text/plain; charset=utf-8",
            "x-request-id": REQUEST_ID,
        },
        "body": "the application had no time left to answer",
        "isBase64Encoded": False,
    }
    assert app.ended == ["cancelled", "finally"]
    told = log.one()
    assert told.context["request_id"] == REQUEST_ID
    assert told.context["user"] == "alice"
    assert "\nTask " in told.stacks
    assert "in hang" in told.stacks.split("\nTask ")[1]
    assert handler(get("/"), Countdown(0.6))["body"] == "hello"
    assert len(log.all) == 1


def test_answer_is_in_the_shape_of_the_dialect(log: Log, start: Start, event: Event) -> None:
    made = event(TENCENT)
    handler = start(Late(), lifespan="off", request_id=False)
    result = handler(made | {"path": "/orders"}, {"time_limit_in_ms": 600, "request_id": "i-1"})
    assert result == {
        "isBase64Encoded": False,
        "statusCode": 504,
        "headers": {"content-type": "text/plain; charset=utf-8"},
        "body": "the application had no time left to answer",
    }
    assert log.one().context["invocation_id"] == "i-1"


def test_head_has_no_body(start: Start, get: Get) -> None:
    made = get()
    made["requestContext"]["http"]["method"] = "HEAD"
    result = start(Late(), lifespan="off")(made, Countdown(0.6))
    assert (result["statusCode"], result["body"]) == (504, "")


def test_deadline_can_fail_the_invocation(log: Log, start: Start, get: Get) -> None:
    handler = start(Late(), lifespan="off", on_error="raise")
    with pytest.raises(DeadlineError, match="had no time left to answer") as caught:
        handler(get(), Countdown(0.6))
    assert isinstance(caught.value, TimeoutError)
    assert len(log.all) == 1
    assert handler(get("/"), Countdown(0.6))["body"] == "hello"


def test_application_that_swallows_the_cancellation_is_left(
    log: Log, start: Start, get: Get
) -> None:
    cancelled: list[int] = []
    may_end = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while scope["path"] == "/orders" and not may_end.is_set():
            try:
                await asyncio.wait_for(may_end.wait(), TIMEOUT_S)
            except asyncio.CancelledError:
                cancelled.append(1)
        may_end.set()
        await answer(send, 200, b"hello")

    handler = start(app, lifespan="off")
    began = time.monotonic()
    assert handler(get(), Countdown(0.6))["statusCode"] == 504
    assert time.monotonic() - began < TIMEOUT_S / 2
    assert cancelled
    assert handler(get("/"), Countdown(0.6))["body"] == "hello"
    assert len(log.all) == 1


def test_endpoint_in_a_thread_is_told_of_and_left(log: Log, start: Start, get: Get) -> None:
    app = FastAPI()
    may_end = threading.Event()

    @app.get("/orders")
    def slow_endpoint() -> str:
        may_end.wait(TIMEOUT_S)
        return "late"

    @app.get("/")
    def hello() -> str:
        return "hello"

    handler = start(app)
    try:
        began = time.monotonic()
        assert handler(get(), Countdown(0.6))["statusCode"] == 504
        assert time.monotonic() - began < TIMEOUT_S / 2
        assert "in slow_endpoint" in log.one().stacks
        assert handler(get("/"), Countdown(0.6))["body"] == '"hello"'
    finally:
        may_end.set()


def test_answer_of_the_application_itself_is_kept(log: Log, start: Start, get: Get) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(TIMEOUT_S)
        except asyncio.CancelledError:
            await answer(send, 503, b"try again")

    result = start(app, lifespan="off")(get(), Countdown(0.6))
    assert (result["statusCode"], result["body"]) == (503, "try again")
    assert len(log.all) == 1


def test_complete_response_is_kept_when_work_behind_it_is_late(
    log: Log, start: Start, get: Get
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 202, b"accepted")
        await asyncio.sleep(TIMEOUT_S)

    began = time.monotonic()
    result = start(app, lifespan="off")(get(), Countdown(0.6))
    assert (result["statusCode"], result["body"]) == (202, "accepted")
    assert time.monotonic() - began < TIMEOUT_S / 2
    assert len(log.all) == 1


def test_half_a_response_is_dropped(log: Log, start: Start, get: Get) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await asyncio.sleep(TIMEOUT_S)

    result = start(app, lifespan="off")(get(), Countdown(0.6))
    assert result["statusCode"] == 504
    assert "half" not in result["body"]


def test_application_that_fails_when_cancelled_is_late_all_the_same(
    log: Log, start: Start, get: Get
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(TIMEOUT_S)
        except asyncio.CancelledError:
            raise RuntimeError("while cleaning up") from None

    handler = start(app, lifespan="off", on_error="raise")
    with pytest.raises(DeadlineError) as caught:
        handler(get(), Countdown(0.6))
    assert isinstance(caught.value.__cause__, RuntimeError)


async def blocks() -> None:
    time.sleep(0.45)  # blocks the loop


@pytest.mark.parametrize("turns", [0, 1], ids=["in its first step", "later"])
def test_blocked_loop_is_told_of(log: Log, start: Start, get: Get, turns: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/orders":
            logs.bind(user="alice")
            for _ in range(turns):
                await asyncio.sleep(0)
            await blocks()
        await answer(send, 200, b"late")

    handler = start(app, lifespan="off")
    result = handler(get(), Countdown(0.6))
    assert (result["statusCode"], result["body"]) == (200, "late")
    told = log.one()
    assert told.context["user"] == "alice"
    assert "in blocks" in told.stacks
    assert handler(get("/"), Countdown(0.6))["body"] == "late"


@pytest.mark.parametrize("late", [0, 1, 2])
def test_of_concurrent_invocations_only_the_late_one_ends(
    log: Log, start: Start, get: Get, late: int
) -> None:
    """Whichever of them drives the loop: the first does."""
    arrived = threading.Semaphore(0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        arrived.release()
        if scope["path"] == "/hangs":
            await asyncio.sleep(TIMEOUT_S)
        await asyncio.sleep(0.45)
        await answer(send, 200, scope["path"].encode())

    handler = start(app, lifespan="off")
    paths = ["/hangs" if number == late else f"/{number}" for number in range(3)]
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        served = []
        for path in paths:
            limit_s = 0.6 if path == "/hangs" else 60
            event = get(path, f"id-{path[1:]}")
            served.append(pool.submit(handler, event, Countdown(limit_s)))
            assert arrived.acquire(timeout=TIMEOUT_S)
        results = [each.result(TIMEOUT_S) for each in served]
    assert time.monotonic() - began < TIMEOUT_S / 2
    for path, result in zip(paths, results, strict=True):
        if path == "/hangs":
            assert result["statusCode"] == 504
        else:
            assert (result["statusCode"], result["body"]) == (200, path)
    assert log.one().context["request_id"] == "id-hangs"


def test_invocation_inside_a_running_loop_ends_too(log: Log, start: Start, get: Get) -> None:
    app = Late()
    handler = start(app, lifespan="off")
    result = asyncio.run(handler.async_call(get(), Countdown(0.6)))
    assert result["statusCode"] == 504
    assert app.ended == ["cancelled", "finally"]


# Routes of events that are no requests


@pytest.mark.parametrize("app", [wsgi_hello, Late()], ids=["wsgi", "asgi"])
def test_late_coroutine_of_a_timer_is_told_of(
    log: Log, start: Start, event: Event, app: Any
) -> None:
    async def nightly_report() -> str:
        logs.bind(job="report")
        await asyncio.sleep(0.45)
        return "done"

    handler = start(app, events={"timer": lambda event, context: nightly_report()})
    assert handler(event(TIMER), {"time_limit_in_ms": 600, "function_name": "jobs"}) == "done"
    told = log.one()
    assert re.match(
        r"request [0-9a-f]{32}: timer has 0\.30 s left after ", told.record.getMessage()
    )
    assert told.context["function"] == "jobs"


def test_late_function_of_a_timer_is_told_of(log: Log, start: Start, event: Event) -> None:
    def route(event: Any, context: Any) -> str:
        slow_query()
        return "done"

    handler = start(wsgi_hello, events={"timer": route})
    assert handler(event(TIMER), {"time_limit_in_ms": 600}) == "done"
    assert "in slow_query" in log.one().stacks
