import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from slsadapt.local import clouds
from slsadapt.local.function import Function
from slsadapt.local.notices import Ended, Line, Notice, Ready, Report, Started
from slsadapt.local.outcome import Outcome
from slsadapt.local.pool import Pool, Rules

# Does what its event tells it.
FUNCTION = """
import ctypes, os, signal, sys, threading, time

print("imported")

def main_handler(event, context):
    for line in event.get("print", ()):
        print(line)
    if "stderr" in event:
        print(event["stderr"], file=sys.stderr)
    if "wait_for" in event:
        while not os.path.exists(event["wait_for"]):
            time.sleep(0.005)
    if "exit" in event:
        os._exit(event["exit"])
    if event.get("segfault"):
        ctypes.string_at(0)
    if "kill" in event:
        os.kill(os.getpid(), event["kill"])
    if event.get("fails"):
        raise LookupError("no such order")
    if "mb" in event:
        global kept
        kept = bytearray(os.urandom(1) * (event["mb"] * 1024 * 1024))
        time.sleep(30)
    if "result_bytes" in event:
        return "x" * event["result_bytes"]
    if event.get("hang"):
        time.sleep(60)
    return {"pid": os.getpid(), "id": context.aws_request_id, "echo": event.get("echo")}
"""

Body = Callable[[], Coroutine[Any, Any, None]]


class Told(list[Notice]):
    """What happened, and a way to wait until something has."""

    async def until(self, kind: type[Notice], count: int = 1, **fields: object) -> Any:
        while True:
            found = [
                each
                for each in self
                if isinstance(each, kind)
                and all(getattr(each, name) == value for name, value in fields.items())
            ]
            if len(found) >= count:
                return found[count - 1]
            await asyncio.sleep(0.005)


@asynccontextmanager
async def pool_of(
    folder: Path,
    source: str = FUNCTION,
    *,
    rules: Rules | None = None,
    result_limit_bytes: int | None = None,
    **configuration: Any,
) -> AsyncIterator[tuple[Pool, Told]]:
    (folder / "index.py").write_text(source)
    values: dict[str, Any] = {"timeout_s": 30.0, "memory_mb": 512} | configuration
    function = Function(
        label="index",
        folder=folder,
        module="index",
        name="main_handler",
        dialect="aws_http",
        **values,
    )
    told = Told()
    pool = Pool(
        function,
        clouds.load("aws_http"),
        rules or Rules(),
        told.append,
        result_limit_bytes=result_limit_bytes,
    )
    await pool.open()
    if pool.rules.cold == "fork":
        await pool.preload()
    try:
        yield pool, told
    finally:
        await pool.close()
        assert pool.instances == {}
        for started in [each for each in told if isinstance(each, Started)]:
            assert not psutil.pid_exists(started.pid)


_made = 0


async def send(pool: Pool, request_id: str = "", **event: Any) -> Outcome:
    global _made
    _made += 1
    payload = json.dumps(event).encode()
    outcome = await pool.invoke(payload, request_id=request_id or f"id-{_made}")
    assert outcome.request_id == request_id or not request_id
    return outcome


def result(outcome: Outcome) -> Any:
    assert outcome.failure is None, outcome.failure
    return json.loads(outcome.payload)


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


@pytest.mark.parametrize("cold", ["spawn", "fork"])
def test_first_invocation_is_cold_and_the_next_is_warm(tmp_path: Path, cold: Any) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, rules=Rules(cold=cold)) as (pool, told):
            first = await send(pool, "first", echo="城")
            second = await send(pool, "second")
            answer = result(first)
            assert (answer["id"], answer["echo"]) == ("first", "城")
            assert result(second) == {"pid": answer["pid"], "id": "second", "echo": None}
            assert first.init_ms is not None
            assert second.init_ms is None
            assert (first.instance, second.instance) == ("1", "1")
            assert 1 < first.used_mb < 512
            started = await told.until(Started)
            assert (started.pid, started.cold) == (answer["pid"], cold)
            report = await told.until(Report, request_id="first")
            # AWS bills the cold start, too.
            assert report.billed_ms >= first.init_ms
            assert (report.memory_mb, report.failure) == (512, None)
            assert await told.until(Ready, instance="1")

    run(body())


def test_longest_idle_instance_is_used_again(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path) as (pool, told):
            go = [tmp_path / f"go{number}" for number in range(3)]
            sent = [asyncio.ensure_future(send(pool, wait_for=str(path))) for path in go]
            await told.until(Ready, 3)
            assert len({each.name for each in pool.instances.values()}) == 3
            # They become idle in the order 2, 3, 1.
            order = []
            for number in (1, 2, 0):
                go[number].touch()
                order.append((await sent[number]).instance)
            again = [(await send(pool)).instance for _ in range(4)]
            assert again == [order[0], order[1], order[2], order[0]]

    run(body())


def test_above_the_most_instances_it_throttles(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, rules=Rules(instances=1)) as (pool, _):
            go = tmp_path / "go"
            first = asyncio.ensure_future(send(pool, wait_for=str(go)))
            await asyncio.sleep(0)
            second = await send(pool)
            assert second.failure is not None
            assert second.failure.kind == "throttled"
            assert "all 1 instances are busy; --instances" in second.failure.message
            assert second.instance == ""
            go.touch()
            assert result(await first)
            assert pool.counts.failed == {"throttled": 1}

    run(body())


def test_queue_lets_requests_wait_and_gives_up(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, rules=Rules(instances=1, queue_s=30.0)) as (pool, _):
            go = tmp_path / "go"
            sent = [asyncio.ensure_future(send(pool, wait_for=str(go)))]
            sent += [asyncio.ensure_future(send(pool, echo=number)) for number in range(5)]
            await asyncio.sleep(0)
            go.touch()
            outcomes = await asyncio.gather(*sent)
            assert [result(each)["echo"] for each in outcomes] == [None, 0, 1, 2, 3, 4]
            assert {each.instance for each in outcomes} == {"1"}
        async with pool_of(tmp_path, rules=Rules(instances=1, queue_s=0.05)) as (pool, _):
            busy = asyncio.ensure_future(send(pool, hang=True))
            await asyncio.sleep(0)
            failed = await send(pool)
            assert failed.failure is not None
            assert "none came free within 0.05 s" in failed.failure.message
            busy.cancel()

    run(body())


def test_what_waits_gets_the_place_of_what_dies(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, rules=Rules(instances=1, queue_s=30.0)) as (pool, _):
            dying = asyncio.ensure_future(send(pool, exit=3))
            await asyncio.sleep(0)
            outcome = await send(pool, echo="after")
            assert result(outcome)["echo"] == "after"
            assert outcome.instance == "2"
            failure = (await dying).failure
            assert failure is not None
            assert failure.kind == "exit"

    run(body())


def test_idle_instances_end(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, rules=Rules(idle_s=0.05)) as (pool, told):
            first = await send(pool)
            ended = await told.until(Ended)
            assert (ended.instance, ended.why) == ("1", "idle")
            second = await send(pool)
            assert result(second)["pid"] != result(first)["pid"]

    run(body())


def test_timeout_kills_and_the_next_starts_cold(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, timeout_s=0.3) as (pool, told):
            outcome = await send(pool, hang=True)
            assert outcome.failure is not None
            assert outcome.failure.kind == "timeout"
            assert outcome.failure.message == (
                "timed out after 0.3 s, and was killed; --timeout allows more"
            )
            ended = await told.until(Ended)
            assert (ended.why, ended.status) == ("timeout", -signal.SIGKILL)
            after = await send(pool)
            assert result(after)
            assert after.instance == "2"
            assert after.init_ms is not None

    run(body())


def test_memory_above_the_limit_kills(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, memory_mb=64) as (pool, told):
            outcome = await send(pool, mb=100)
            assert outcome.failure is not None
            assert outcome.failure.kind == "memory"
            assert "over its limit of 64 MB" in outcome.failure.message
            assert outcome.used_mb > 64
            assert (await told.until(Ended)).why == "memory"
            assert result(await send(pool))

    run(body())


def test_memory_above_the_limit_fails_an_answer_too(tmp_path: Path) -> None:
    source = "kept = []\ndef main_handler(event, context):\n"
    source += "    if event.get('mb'): kept.append(bytearray(b'x' * (event['mb'] * 1024 * 1024)))\n"

    async def body() -> None:
        async with pool_of(tmp_path, source, memory_mb=64) as (pool, told):
            failure = (await send(pool, mb=100)).failure
            assert failure is not None
            assert failure.kind == "memory"
            assert (await told.until(Ended)).why == "memory"
            assert (await send(pool)).failure is None

    run(body())


@pytest.mark.parametrize(
    ("event", "message", "status"),
    [
        pytest.param({"exit": 3}, "its process exited with status 3", 3, id="os._exit"),
        pytest.param({"kill": 9}, "its process was ended by SIGKILL", -9, id="kill -9"),
        pytest.param({"segfault": True}, "its process was ended by SIGSEGV", -11, id="segfault"),
    ],
)
@pytest.mark.parametrize("cold", ["spawn", "fork"])
def test_crash_fails_its_own_request_alone(
    tmp_path: Path, cold: Any, event: dict[str, Any], message: str, status: int
) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, rules=Rules(cold=cold)) as (pool, told):
            go = tmp_path / "go"
            other = asyncio.ensure_future(send(pool, wait_for=str(go)))
            await told.until(Ready)
            crashed = await send(pool, print=["last words"], **event)
            assert crashed.failure is not None
            assert (crashed.failure.kind, crashed.failure.message) == ("exit", message)
            ended = await told.until(Ended)
            assert (ended.instance, ended.why, ended.status) == ("2", "exit", status)
            line = await told.until(Line, text="last words")
            assert line.request_id == crashed.request_id
            go.touch()
            assert result(await other)
            assert pool.counts.failed == {"exit": 1}

    run(body())


def test_exception_comes_with_its_trace(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path) as (pool, _):
            outcome = await send(pool, fails=True)
            assert outcome.failure is not None
            assert outcome.failure.kind == "error"
            assert outcome.failure.error["errorType"] == "LookupError"
            assert outcome.failure.error["errorMessage"] == "no such order"
            assert any("main_handler" in each for each in outcome.failure.error["stackTrace"])
            # The instance lives on.
            assert (await send(pool)).instance == "1"

    run(body())


@pytest.mark.parametrize("cold", ["spawn", "fork"])
def test_mistake_in_the_module_is_an_init_failure(tmp_path: Path, cold: Any) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, "def main_handler(:\n", rules=Rules(cold=cold)) as both:
            pool, told = both
            outcome = await send(pool)
            assert outcome.failure is not None
            assert outcome.failure.kind == "init"
            assert "Syntax" in outcome.failure.error["errorType"]
            assert (await told.until(Ended)).why == "init"
            assert pool.counts.started == 1
            # Who mends it is served.
            (tmp_path / "index.py").write_text("def main_handler(event, context): return 1")
            assert result(await send(pool)) == 1

    run(body())


def test_process_that_ends_before_it_is_ready_is_an_init_failure(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, "import os\nprint('bye')\nos._exit(7)\n") as (pool, told):
            outcome = await send(pool)
            assert outcome.failure is not None
            assert outcome.failure.kind == "init"
            assert outcome.failure.message == (
                "its process exited with status 7 before it was ready"
            )
            assert await told.until(Line, text="bye")

    run(body())


def test_result_above_the_limit_is_refused(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, result_limit_bytes=1000) as (pool, _):
            # Quotes make it two longer.
            assert len(result(await send(pool, result_bytes=998))) == 998
            outcome = await send(pool, result_bytes=999)
            assert outcome.failure is not None
            assert outcome.failure.kind == "result_too_large"
            assert "1,001 bytes, and 1,000 are allowed" in outcome.failure.message
            assert result(await send(pool))

    run(body())


def test_lines_come_with_their_invocation_before_its_report(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path) as (pool, told):
            await send(pool, "a", print=["one", "two"], stderr="three")
            await send(pool, "b", print=["four"])
            seen = [
                (each.request_id, each.text) if isinstance(each, Line) else each.request_id
                for each in told
                if isinstance(each, (Line, Report))
            ]
            assert seen[0] == ("", "imported")
            assert sorted(map(str, seen[1:4])) == [
                "('a', 'one')",
                "('a', 'three')",
                "('a', 'two')",
            ]
            assert seen[4:] == ["a", ("b", "four"), "b"]

    run(body())


def test_several_at_once_in_one_instance(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, concurrency=3) as (pool, told):
            go = tmp_path / "go"
            sent = [
                asyncio.ensure_future(
                    send(pool, f"r{number}", print=[f"line {number}"], wait_for=str(go))
                )
                for number in range(4)
            ]
            for number in range(4):
                line = await told.until(Line, text=f"line {number}")
                assert line.request_id == f"r{number}"
            go.touch()
            outcomes = await asyncio.gather(*sent)
            assert [result(each)["id"] for each in outcomes] == ["r0", "r1", "r2", "r3"]
            assert [each.instance for each in outcomes] == ["1", "1", "1", "2"]

    run(body())


def test_timeout_of_one_lets_others_finish(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, concurrency=2, timeout_s=1.5) as (pool, told):
            slow = asyncio.ensure_future(send(pool, print=["slow"], hang=True))
            await told.until(Line, text="slow")
            await asyncio.sleep(1.0)
            go = tmp_path / "go"
            other = asyncio.ensure_future(send(pool, wait_for=str(go)))
            failure = (await slow).failure
            assert failure is not None
            assert failure.kind == "timeout"
            go.touch()
            assert (await other).instance == "1"
            assert result(await other)
            assert (await told.until(Ended)).why == "timeout"

    run(body())


def test_frozen_between_invocations(tmp_path: Path) -> None:
    async def until(process: psutil.Process, status: str) -> None:
        while process.status() != status:
            await asyncio.sleep(0.005)

    async def body() -> None:
        async with pool_of(tmp_path, rules=Rules(freezes=True)) as (pool, _):
            first = result(await send(pool))
            process = psutil.Process(first["pid"])
            await until(process, psutil.STATUS_STOPPED)
            go = tmp_path / "go"
            sent = asyncio.ensure_future(send(pool, wait_for=str(go)))
            await until(process, psutil.STATUS_SLEEPING)
            go.touch()
            assert result(await sent)["pid"] == first["pid"]
            await until(process, psutil.STATUS_STOPPED)

    run(body())


@pytest.mark.parametrize("cold", ["spawn", "fork"])
def test_reload_runs_what_is_written_now(tmp_path: Path, cold: Any) -> None:
    async def body() -> None:
        source = "import time, os\ndef main_handler(event, context):\n"
        slow = "    while not os.path.exists(event['go']): time.sleep(0.005)\n"
        async with pool_of(tmp_path, f"{source}{slow}    return 1", rules=Rules(cold=cold)) as both:
            pool, told = both
            go = tmp_path / "go"
            old = asyncio.ensure_future(send(pool, go=str(go)))
            await told.until(Ready)
            (tmp_path / "index.py").write_text(f"{source}    return 22")
            pool.reload()
            assert result(await send(pool)) == 22
            # What runs on the old code ends there.
            go.touch()
            assert result(await old) == 1
            assert (await told.until(Ended, instance="1")).why == "reload"

    run(body())


def test_close_lets_what_runs_finish(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path) as (pool, told):
            go = tmp_path / "go"
            sent = asyncio.ensure_future(send(pool, print=["running"], wait_for=str(go)))
            await told.until(Line, text="running")
            closing = asyncio.ensure_future(pool.close())
            await asyncio.sleep(0)
            refused = await send(pool)
            assert refused.failure is not None
            assert "stopping" in refused.failure.message
            go.touch()
            await closing
            assert result(await sent)

    run(body())


def test_missing_command_is_told(tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(tmp_path, bootstrap=("no-such-command", "index")) as (pool, _):
            outcome = await send(pool)
            assert outcome.failure is not None
            assert outcome.failure.kind == "init"
            assert "no-such-command" in outcome.failure.message

    run(body())


@pytest.mark.once
def test_debugger_listens_in_one_instance_that_no_time_limit_ends(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def attach() -> None:
        socket.create_connection(("127.0.0.1", port), timeout=30).close()

    async def body() -> None:
        source = "import time\ndef main_handler(event, context):\n    time.sleep({})\n    return 1"
        slow, quick = source.format(1.0), source.format(0.0)
        async with pool_of(tmp_path, slow, timeout_s=0.2, debug_port=port) as (pool, told):
            debugged, other = await asyncio.gather(send(pool), send(pool))
            await asyncio.to_thread(attach)
            assert result(debugged) == 1
            assert other.failure is not None
            assert other.failure.kind == "timeout"
            (tmp_path / "index.py").write_text(quick)
            pool.reload()
            # The port is the new one's, which starts when the old one has let go of it.
            await told.until(Ended, instance="1")
            ready = await told.until(Ready, instance="3")
            assert ready.instance == "3"
            await asyncio.to_thread(attach)
            assert result(await send(pool)) == 1

    run(body())


@pytest.mark.once
def test_aws_own_client_is_an_instance(tmp_path: Path) -> None:
    async def body() -> None:
        command = (sys.executable, "-m", "awslambdaric", "index.main_handler")
        async with pool_of(tmp_path, bootstrap=command) as (pool, told):
            first = await send(pool, "first", print=["hello"])
            assert result(first)["id"] == "first"
            assert first.init_ms is not None
            assert (await told.until(Line, text="hello")).request_id == "first"
            assert result(await send(pool, "second"))["id"] == "second"
            failed = (await send(pool, fails=True)).failure
            assert failed is not None
            assert failed.error["errorType"] == "LookupError"
            crashed = (await send(pool, exit=3)).failure
            assert crashed is not None
            assert crashed.message == "its process exited with status 3"
            large = await send(pool, result_bytes=7_000_000)
            assert large.failure is None

    run(body())
