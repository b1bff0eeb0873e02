"""Bursts: the model by hand, the arrangements on a small function."""

from __future__ import annotations

from io import StringIO
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from slsadapt.bench.burst import count_steps, draw_pool, measure_burst, queue
from slsadapt.bench.processes import Conditions
from slsadapt.bench.target import Target
from slsadapt.cli.bench_burst import duration, print_burst
from slsadapt.errors import BenchError

if TYPE_CHECKING:
    from slsadapt.bench.report import Burst

# /some fails every third time. A file in the folder lets one process fail, whichever removes it.
SHOP = """
import os, time

calls = 0

def fault(name):
    try:
        os.unlink(name)
    except OSError:
        return False
    return True

def main_handler(event, context):
    global calls
    calls += 1
    if fault("exits"):
        os._exit(3)
    if fault("hangs"):
        time.sleep(600)
    if fault("raises"):
        raise ValueError("out of stock")
    fails = {"/fail": True, "/some": calls % 3 == 0, "/": fault("fails")}[event["path"]]
    return {"statusCode": 500 if fails else 200, "headers": {}, "body": "hello"}
"""
ADDRESS = {"serviceId": "service-bylee882", "stage": "release", "sourceIp": "203.0.113.95"}


def event(path: str = "/") -> dict[str, object]:
    """Write what Tencent's gateway sends."""
    return {
        "headerParameters": {},
        "headers": {"host": "shop.example"},
        "httpMethod": "GET",
        "path": path,
        "pathParameters": {},
        "queryString": {},
        "queryStringParameters": {},
        "requestContext": {"httpMethod": "ANY", "identity": {}, "path": "/", **ADDRESS},
    }


@pytest.fixture
def shop(tmp_path: Path) -> Target:
    (tmp_path / "index.py").write_text(SHOP)
    return Target("shop", tmp_path, "index", "main_handler")


def test_one_server_lets_requests_wait_for_each_other() -> None:
    assert queue([4.0, 2.0, 1.0]) == {
        "began_ms": [0.0, 4.0, 6.0],
        "ended_ms": [4.0, 6.0, 7.0],
        "failed": 0,
    }


def test_failed_requests_take_their_time() -> None:
    assert queue([4.0, 2.0, 1.0], [False, True, False]) == {
        "began_ms": [0.0, 6.0],
        "ended_ms": [4.0, 7.0],
        "failed": 1,
    }


def test_301_requests_of_11_ms_take_a_server_3_seconds() -> None:
    # The founding measurement: 3.38 to 3.41 s for 301 requests, 11.3 ms each.
    ended_ms = queue([11.3] * 301)["ended_ms"]
    assert max(ended_ms) == pytest.approx(3400, rel=0.02)
    assert min(ended_ms) == pytest.approx(11.3)


def test_pool_takes_as_long_as_its_slowest_draw() -> None:
    drawn = draw_pool([100.0, 120.0, 190.0], 301, Random(1))
    assert drawn["began_ms"] == [0.0] * 301
    assert set(drawn["ended_ms"]) == {100.0, 120.0, 190.0}
    assert max(drawn["ended_ms"]) == 190.0
    assert drawn["failed"] == 0


def test_draws_follow_the_seed() -> None:
    samples = [float(number) for number in range(24)]
    first = draw_pool(samples, 50, Random(7))
    assert draw_pool(samples, 50, Random(7)) == first
    assert draw_pool(samples, 50, Random(8)) != first


def test_pools_are_modelled_and_the_server_is_measured(shop: Target) -> None:
    told: list[str] = []
    bursts = measure_burst(shop, event("/some"), Conditions(), n=6, rounds=2, tell=told.append)
    assert [(each["name"], each["modelled"]) for each in bursts] == [
        ("cold pool", True),
        ("warm pool", True),
        ("one server", False),
    ]
    cold, warm, server = bursts
    assert "6 instances would share" in cold["how"]
    assert "one of 24 processes" in cold["how"]
    assert "one of 960 calls of warm processes" in warm["how"]
    assert "answers 6 requests one after another" in server["how"]
    for pool in (cold, warm):
        assert [len(each["ended_ms"]) for each in pool["rounds"]] == [6, 6]
        assert [each["failed"] for each in pool["rounds"]] == [0, 0]
    # Every cold start takes longer than any warm call of a function that does nothing.
    assert min(cold["rounds"][0]["ended_ms"]) > min(warm["rounds"][0]["ended_ms"])
    # After 20 calls these are the 21st to 26th, of which the 21st and 24th fail.
    assert [each["failed"] for each in server["rounds"]] == [2, 2]
    for each in server["rounds"]:
        assert len(each["began_ms"]) == len(each["ended_ms"]) == 4
        assert all(before < after for before, after in pairwise(each["ended_ms"]))
    assert len(told) == count_steps(2) == 26


def test_forked_instances_are_modelled_too(shop: Target) -> None:
    cold, warm, _ = measure_burst(shop, event(), Conditions(process="fork"), n=3, rounds=1)
    assert len(cold["rounds"][0]["ended_ms"]) == len(warm["rounds"][0]["ended_ms"]) == 3
    with pytest.raises(BenchError, match="leave out 'fork'"):
        measure_burst(shop, event(), Conditions(process="fork"), n=3, rounds=1, measured=True)


def test_measured_pools_count_their_failures(shop: Target) -> None:
    faults = ("exits", "hangs", "raises", "fails")
    told: list[str] = []

    def tell(step: str) -> None:
        told.append(step)
        if step.startswith("cold pool"):
            for name in faults:
                (shop.folder / name).touch()

    bursts = measure_burst(
        shop, event(), Conditions(), n=7, rounds=1, measured=True, limit_s=6, tell=tell
    )
    cold, warm, server = (each["rounds"][0] for each in bursts)
    assert [each["modelled"] for each in bursts] == [False, False, False]
    assert (len(cold["ended_ms"]), cold["failed"]) == (3, 4)
    assert (len(warm["ended_ms"]), warm["failed"]) == (7, 0)
    assert (len(server["ended_ms"]), server["failed"]) == (7, 0)
    for pool in (cold, warm):
        assert pool["ended_ms"] == sorted(pool["ended_ms"])
        spans = zip(pool["began_ms"], pool["ended_ms"], strict=True)
        assert all(0 <= began < ended for began, ended in spans)
    assert told[-3:] == [
        "cold pool, round 1 of 1",
        "warm pool, round 1 of 1",
        "one server, round 1 of 1",
    ]
    assert len(told) == count_steps(1, measured=True) == 27


def test_warm_instances_that_never_get_warm_have_failed(shop: Target) -> None:
    def tell(step: str) -> None:
        if step.startswith("warm pool"):
            (shop.folder / "exits").touch()
            (shop.folder / "raises").touch()

    bursts = measure_burst(shop, event(), Conditions(), n=4, rounds=1, measured=True, tell=tell)
    warm = bursts[1]["rounds"][0]
    # One process ended; another's first answer, which nobody waits for, was an exception.
    assert (len(warm["ended_ms"]), warm["failed"]) == (3, 1)


def test_pools_that_do_not_fit_the_memory_are_refused(shop: Target) -> None:
    with pytest.raises(BenchError, match=r"MiB are free here: send at most \d+ requests at once"):
        measure_burst(shop, event(), Conditions(), n=100_000_000, measured=True)


def test_event_that_fails_by_itself_is_told(shop: Target) -> None:
    with pytest.raises(BenchError, match="succeeds by itself; got a status of 500 or more"):
        measure_burst(shop, event("/fail"), Conditions(), n=2)


@pytest.mark.parametrize(("n", "rounds"), [(0, 1), (1, 0)])
def test_burst_of_nothing_is_told(shop: Target, n: int, rounds: int) -> None:
    with pytest.raises(BenchError, match=f"at least one request and one round, got {n} and"):
        measure_burst(shop, event(), Conditions(), n=n, rounds=rounds)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        pytest.param(0.0451, "45.1 µs", id="microseconds"),
        pytest.param(0.9996, "1.00 ms", id="nearly a millisecond"),
        pytest.param(11.3, "11.3 ms", id="milliseconds"),
        pytest.param(234.8, "235 ms", id="hundreds"),
        pytest.param(999.6, "1.00 s", id="nearly a second"),
        pytest.param(3401.3, "3.40 s", id="seconds"),
    ],
)
def test_durations_have_three_digits(ms: float, text: str) -> None:
    assert duration(ms) == text


BURSTS: list[Burst] = [
    {
        "name": "cold pool",
        "modelled": True,
        "how": "drawn from 24 processes",
        "rounds": [
            {"began_ms": [0.0, 0.0], "ended_ms": [200.0, 100.0], "failed": 0},
            {"began_ms": [0.0, 0.0], "ended_ms": [200.0, 200.0], "failed": 0},
        ],
    },
    {
        "name": "one server",
        "modelled": False,
        "how": "one warm process",
        "rounds": [
            {"began_ms": [0.0, 200.0], "ended_ms": [200.0, 400.0], "failed": 0},
            {"began_ms": [0.0], "ended_ms": [300.0], "failed": 1},
        ],
    },
]


@pytest.mark.parametrize("width", [80, 120])
def test_table_and_timeline(width: int) -> None:
    stream = StringIO()
    print_burst(Console(file=stream, width=width, soft_wrap=True), BURSTS)
    lines = stream.getvalue().splitlines()
    assert all(len(line) <= width for line in lines[:8])
    rows = [line.split() for line in lines]
    assert rows[2][:5] == ["cold", "pool", "modelled", "4", "0"]
    assert rows[2][5:7] == ["100", "ms"]
    assert rows[2][-4:] == ["200", "ms", "200", "ms"]
    assert rows[3][:5] == ["one", "server", "measured", "3", "1"]
    assert rows[3][-4:] == ["400", "ms", "300-400", "ms"]
    # Of the pool one in four was answered after a quarter of the time, all after the half.
    pool, server = (line[12:] for line in lines[5:7])
    assert (pool[13], pool[14], pool[28], pool[29], pool[59]) == (" ", "▂", "▂", "█", "█")
    # One in four of the server's failed, so its line is never full.
    assert (server[28], server[29], server[44], server[59]) == (" ", "▂", "▄", "▆")
    assert lines[7].split() == ["0", "answered", "by", "400", "ms"]
    assert "cold pool, modelled: drawn from 24 processes." in lines
    assert "one server, measured: one warm process." in lines
    assert lines[-1].startswith("A model has no failures")


def test_burst_of_failures_has_no_times() -> None:
    stream = StringIO()
    failed: Burst = {
        "name": "cold pool",
        "modelled": False,
        "how": "none was answered",
        "rounds": [{"began_ms": [], "ended_ms": [], "failed": 5}],
    }
    print_burst(Console(file=stream, width=80), [failed])
    assert stream.getvalue().splitlines()[2].split() == ["cold", "pool", "measured", "0", "5"]
    assert "answered by" not in stream.getvalue()
