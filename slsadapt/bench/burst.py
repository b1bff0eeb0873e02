"""Send n requests at once to a cold pool, to a warm pool and to one server process.

All requests arrive at the same moment, and their times count from there: who waits is seen waiting,
and no slow answer delays the question of the next. One server process is always measured. The pools
need a processor for each instance to show what a cloud does; where there are fewer they are
modelled, each request with a time that was measured on an instance by itself.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from random import Random
from time import monotonic_ns
from typing import TYPE_CHECKING

from ..errors import BenchError
from .processes import Child, run_fresh, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..gateways import JSON
    from .processes import Answer, Conditions, Outcome
    from .report import Burst, BurstRound
    from .target import Target

__all__ = ["LIMIT_S", "count_steps", "draw_pool", "measure_burst", "queue"]

# How long an instance of a measured pool may take until its request counts as failed.
LIMIT_S = 300.0
_COLD_STARTS = 24
# Of each of these processes, after its first response.
_WARM_CALLS = 40
_WARM_LIMIT_S = 2.0
# Before the one server counts as running.
_SERVER_CALLS = 20
# Open files of a child: its input, output and errors, and what starting it takes for a moment.
_FILES = 6
_LIMIT_OBSERVER = Path(__file__).with_name("burst_limit.py")


def queue(services_ms: Sequence[float], failed: Sequence[bool] = ()) -> BurstRound:
    """Let requests that arrived together be answered one at a time, first come, first served.

    Args:
        services_ms: how long each takes once it is its turn.
        failed: which of them failed; these take their time, and are not among the answered.
    """
    ended_ms = list(accumulate(services_ms))
    began_ms = [0.0, *ended_ms[:-1]]
    answered = [at for at in range(len(ended_ms)) if not (failed and failed[at])]
    return {
        "began_ms": [began_ms[at] for at in answered],
        "ended_ms": [ended_ms[at] for at in answered],
        "failed": len(ended_ms) - len(answered),
    }


def draw_pool(samples_ms: Sequence[float], n: int, random: Random) -> BurstRound:
    """Give each of n requests an instance of its own, and a measured time drawn by chance."""
    return {
        "began_ms": [0.0] * n,
        "ended_ms": random.choices(samples_ms, k=n),
        "failed": 0,
    }


def count_steps(rounds: int, *, measured: bool = False) -> int:
    """Tell how often ``measure_burst`` calls ``tell``."""
    return _COLD_STARTS + rounds * (3 if measured else 1)


def measure_burst(
    target: Target,
    event: JSON,
    conditions: Conditions,
    *,
    n: int = 301,
    rounds: int = 3,
    seed: int = 0,
    measured: bool = False,
    limit_s: float = LIMIT_S,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Burst]:
    """Send one event n times at once to a cold pool, a warm pool and one server process.

    A round holds the requests that succeeded; ``failed`` counts the others: an exception, a status
    of 500 or more and, in measured pools, no process or no answer in time.

    Args:
        target: the application or function.
        event: the request; it must succeed by itself.
        conditions: how processes are started; those of measured pools run on any processor.
        n: how many requests arrive together.
        rounds: how many bursts each arrangement sees.
        seed: for the draws of modelled pools.
        measured: start n processes at once instead of modelling pools.
        limit_s: how long an instance of a measured pool may take to be loaded and to answer.
        tell: called before each step with what it is, ``count_steps`` times.

    Raises:
        BenchError: the event fails by itself, a process ended before it answered, or this machine
            cannot hold n processes at once.
    """
    if n < 1 or rounds < 1:
        raise BenchError(f"a burst has at least one request and one round, got {n} and {rounds}")
    if measured and conditions.process == "fork":
        raise BenchError("a measured pool starts interpreters of its own: leave out 'fork'")
    cold = _cold_starts(target, event, conditions, tell)
    if measured:
        pools = _measured_pools(target, event, conditions, cold, n, rounds, limit_s, tell)
    else:
        pools = _modelled_pools(cold, n, rounds, seed)
    server: Burst = {
        "name": "one server",
        "modelled": False,
        "how": f"one warm process answers {n} requests one after another, first come, first served",
        "rounds": [],
    }
    for at in range(rounds):
        tell(f"one server, round {at + 1} of {rounds}")
        server["rounds"].append(_serve(target, event, conditions, n))
    return [*pools, server]


def _cold_starts(
    target: Target, event: JSON, conditions: Conditions, tell: Callable[[str], None]
) -> list[Outcome]:
    """Start instances one at a time, and call each a few times more."""
    outcomes = []
    with ExitStack() as stack:
        if conditions.process == "fork":
            parent = stack.enter_context(Child(target, [event], conditions))
            start = parent.fork
        else:
            start = partial(
                run_fresh, target, [event], conditions, calls=_WARM_CALLS, limit_s=_WARM_LIMIT_S
            )
        for at in range(_COLD_STARTS):
            tell(f"cold start {at + 1} of {_COLD_STARTS}")
            outcome = start()
            answer = outcome.answers[0]
            if _failed(event, answer):
                said = answer.error or "a status of 500 or more"
                raise BenchError(f"a burst needs an event that succeeds by itself; got {said}")
            outcomes.append(outcome)
        if conditions.process == "fork":
            # Copies are gone after their first answer; the parent has yet to give its own.
            parent.call(1)
            warm_us = parent.call(_COLD_STARTS * _WARM_CALLS, _WARM_LIMIT_S)
            outcomes[0] = replace(outcomes[0], warm_us=warm_us)
    return outcomes


def _modelled_pools(cold: Sequence[Outcome], n: int, rounds: int, seed: int) -> list[Burst]:
    random = Random(seed)  # noqa: S311 - no secret is drawn
    cold_ms = [outcome.total_ms for outcome in cold]
    warm_ms = [us / 1000 for outcome in cold for us in outcome.warm_us]
    shared = f"{n} instances would share {os.cpu_count()} processors here, so"
    limits = "none waits for an instance, and none is slower than the slowest of these"
    return [
        {
            "name": "cold pool",
            "modelled": True,
            "how": (
                f"{shared} each request takes as long as one of {len(cold_ms)} processes did that "
                f"were started one at a time; {limits}"
            ),
            "rounds": [draw_pool(cold_ms, n, random) for _ in range(rounds)],
        },
        {
            "name": "warm pool",
            "modelled": True,
            "how": (
                f"{shared} each request takes as long as one of {len(warm_ms)} calls of warm "
                f"processes did that were made one at a time; {limits}"
            ),
            "rounds": [draw_pool(warm_ms, n, random) for _ in range(rounds)],
        },
    ]


def _serve(target: Target, event: JSON, conditions: Conditions, n: int) -> BurstRound:
    """Let one warm process answer n requests."""
    # One event told n times is n events, each answered and judged.
    with Child(target, [event] * n, replace(conditions, process="spawn")) as server:
        server.call(_SERVER_CALLS, _WARM_LIMIT_S)
        answers = server.answer().answers
    return queue([each.took_ms for each in answers], [_failed(event, each) for each in answers])


def _failed(event: JSON, answer: Answer) -> bool:
    return status_of(event, answer) >= 500


# What came of one request to a measured pool: when it began and ended in monotonic ms, or None.
_Span = tuple[float, float]


def _measured_pools(
    target: Target,
    event: JSON,
    conditions: Conditions,
    cold: Sequence[Outcome],
    n: int,
    rounds: int,
    limit_s: float,
    tell: Callable[[str], None],
) -> list[Burst]:
    unpinned = replace(conditions, cpu=None)
    _check_memory(n, max(outcome.answers[0].peak_kib for outcome in cold))
    pools: list[Burst] = [
        {
            "name": "cold pool",
            "modelled": False,
            "how": f"{n} processes are started at once on the {os.cpu_count()} processors here",
            "rounds": [],
        },
        {
            "name": "warm pool",
            "modelled": False,
            "how": f"{n} warm processes are asked at once on the {os.cpu_count()} processors here",
            "rounds": [],
        },
    ]

    def start() -> Child:
        options = ("-X", f"slsadapt_limit_s={limit_s}")
        return Child(target, [event], unpinned, options=options, observer=_LIMIT_OBSERVER)

    for at in range(rounds):
        for pool, ask in zip(pools, (_ask_cold, _ask_warm), strict=True):
            tell(f"{pool['name']}, round {at + 1} of {rounds}")
            with _open_files(n):
                pool["rounds"].append(ask(start, event, n))
    return pools


def _ask_cold(start: Callable[[], Child], event: JSON, n: int) -> BurstRound:
    """Start n processes at once, each of which answers one request."""

    def ask(_: int) -> _Span | None:
        try:
            with start() as child:
                outcome = child.answer()
        except (BenchError, OSError):
            return None
        span = _span(event, outcome.answers[0])
        startup_ms = outcome.total_ms - outcome.response_ms
        return span and (span[0] - startup_ms, span[1])

    with ThreadPoolExecutor(n) as threads:
        arrived_ms = _now_ms()
        return _round(arrived_ms, list(threads.map(ask, range(n))))


def _ask_warm(start: Callable[[], Child], event: JSON, n: int) -> BurstRound:
    """Start n processes and let each answer once; then ask all of them at once."""

    def warm(_: int) -> Child | None:
        try:
            child = stack.enter_context(start())
            child.answer()
        except (BenchError, OSError):
            return None
        return child

    def ask(child: Child) -> _Span | None:
        # All threads stand ready here, so that no request arrives before another.
        gate.wait()
        try:
            return _span(event, child.answer().answers[0])
        except BenchError:
            return None

    with ExitStack() as stack:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            instances = [child for child in threads.map(warm, range(n)) if child]
        # At the gate, the last to come notes the time and lets all of them go.
        arrivals_ms: list[float] = []
        gate = threading.Barrier(max(len(instances), 1), lambda: arrivals_ms.append(_now_ms()))
        with ThreadPoolExecutor(n) as threads:
            spans = list(threads.map(ask, instances))
    return _round(sum(arrivals_ms), [*spans, *[None] * (n - len(instances))])


def _span(event: JSON, answer: Answer) -> _Span | None:
    """Tell when an answer began and ended, None for a failure."""
    began_ms = answer.began_ns / 1e6
    return None if _failed(event, answer) else (began_ms, began_ms + answer.took_ms)


def _round(arrived_ms: float, spans: Sequence[_Span | None]) -> BurstRound:
    answered = sorted((span for span in spans if span), key=itemgetter(1))
    return {
        "began_ms": [began_ms - arrived_ms for began_ms, _ in answered],
        "ended_ms": [ended_ms - arrived_ms for _, ended_ms in answered],
        "failed": len(spans) - len(answered),
    }


def _now_ms() -> float:
    return monotonic_ns() / 1e6


def _check_memory(n: int, peak_kib: int) -> None:
    """Refuse what would end in the kernel's killing of processes, perhaps of others."""
    import psutil

    needed_mib, free_mib = n * peak_kib // 1024, psutil.virtual_memory().available // 1024**2
    if needed_mib > free_mib:
        raise BenchError(
            f"{n} instances of {peak_kib / 1024:.0f} MiB need {needed_mib} MiB, and {free_mib} MiB "
            f"are free here: send at most {free_mib * 1024 // peak_kib} requests at once, or let "
            "the pools be modelled"
        )


@contextmanager
def _open_files(n: int) -> Iterator[None]:
    """Allow as many open files as n children take, where the system lets us."""
    try:
        import resource
    except ModuleNotFoundError:
        # Windows has no such limit.
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = soft + _FILES * n
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
