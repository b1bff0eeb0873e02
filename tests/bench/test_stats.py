"""Summaries by hand; intervals on simulated machines, which drift, stall and jitter."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest

from slsadapt.bench.stats import Ratio, paired_ratio, summarize, unpaired_ratio
from slsadapt.errors import BenchError

pytestmark = pytest.mark.once

REPEATS = 100
PAIRS = 30


def jitter(chance: Random) -> float:
    """Vary a run by 4 %, so that the ratio of two varies by 6 %."""
    return chance.lognormvariate(0, 0.04)


def delays(chance: Random) -> float:
    """Delay a run: never faster than it can be, by 5 % on average, sometimes by much more."""
    return 1 + chance.expovariate(1 / 0.05)


def measure(
    chance: Random, noise: Callable[[Random], float], slowdown: float = 1
) -> tuple[list[float], list[float]]:
    """Simulate rounds of two runs: drift and spells of load they share, outliers they don't."""
    base: list[float] = []
    new: list[float] = []
    phase, pace, spell = chance.uniform(0, 6), chance.uniform(0.02, 0.2), 1.0
    for number in range(PAIRS):
        if chance.random() < 0.25:
            spell = chance.uniform(1.1, 1.6) if chance.random() < 0.3 else 1.0
        shared_ms = 100 * spell * (1 + 0.2 * math.sin(phase + pace * number))
        for lot, factor in ((base, 1.0), (new, slowdown)):
            outlier = chance.uniform(1.2, 3) if chance.random() < 0.02 else 1.0
            lot.append(shared_ms * factor * noise(chance) * outlier)
    return base, new


def alarms(noise: Callable[[Random], float], slowdown: float) -> int:
    """Count how often the interval says "slower"."""
    count = 0
    for seed in range(REPEATS):
        base, new = measure(Random(seed), noise, slowdown)
        ratio = paired_ratio(base, new, resamples=300, seed=seed)
        count += ratio.low is not None and ratio.low > 1
    return count


def test_summary_of_ten() -> None:
    summary = summarize([30.0, 10.0, 20.0, 40.0, 90.0, 50.0, 100.0, 60.0, 80.0, 70.0])
    assert (summary.n, summary.minimum, summary.maximum) == (10, 10, 100)
    assert summary.median == summary.p50 == 55
    # The median is missed if at most one of ten lies on one side of it: 2 * (1 + 10) / 2 ** 10.
    assert (summary.low, summary.high) == (20, 90)
    assert summary.coverage == pytest.approx(1 - 22 / 1024)
    assert summary.p95 == 100
    assert summary.p99 is None


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [
        pytest.param(6, 1, 6, id="the fewest"),
        pytest.param(7, 1, 7, id="odd"),
        pytest.param(9, 2, 8, id="next step"),
        pytest.param(30, 10, 21, id="usual"),
        pytest.param(100, 40, 61, id="hundred"),
        pytest.param(1000, 469, 532, id="thousand"),
    ],
)
def test_interval_of_median_has_the_ranks_of_printed_tables(n: int, low: int, high: int) -> None:
    summary = summarize([float(rank) for rank in range(1, n + 1)])
    assert (summary.low, summary.high) == (low, high)
    assert summary.coverage is not None
    assert 0.95 <= summary.coverage < 1


def test_five_samples_have_no_interval() -> None:
    summary = summarize([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (summary.median, summary.low, summary.high, summary.coverage) == (3, None, None, None)


def test_interval_of_many_samples() -> None:
    summary = summarize([0.0] * 600_000 + [1.0] * 600_000)
    assert (summary.median, summary.low, summary.high) == (0.5, 0, 1)
    assert summary.coverage == pytest.approx(0.95, abs=0.001)


def test_percentiles_are_samples() -> None:
    thousand = summarize([float(rank) for rank in range(1000, 0, -1)])
    assert (thousand.p95, thousand.p99) == (950, 990)
    assert summarize([float(rank) for rank in range(1, 22)]).p95 == 20


def test_fewer_than_a_thousand_have_no_p99() -> None:
    assert summarize([1.0] * 999).p99 is None
    assert summarize([1.0] * 1000).p99 == 1


def test_one_sample() -> None:
    summary = summarize([7.0])
    assert (summary.median, summary.p95, summary.low) == (7, 7, None)


def test_no_samples() -> None:
    with pytest.raises(BenchError, match="at least one sample"):
        summarize([])


def test_paired_ratio_is_a_biweight_mean() -> None:
    # Logarithms 0, .1, .2, .3 and 1: median .2, median distance .1, so that weights end .9 away:
    # (1 - (d / .9) ** 2) ** 2 = .903673, .975461, 1, .975461, .044048. Mean .634232 / 3.898643.
    new = [math.exp(0.1), math.exp(1.0), 1.0, math.exp(0.3), math.exp(0.2)]
    ratio = paired_ratio([1.0] * 5, new)
    assert math.log(ratio.value) == pytest.approx(0.162680, abs=2e-6)
    assert (ratio.n, ratio.low, ratio.high) == (5, None, None)


def test_even_number_of_pairs_has_its_middle_between_two() -> None:
    new = [math.exp(each) for each in (0.4, 0.0, 0.3, 0.1)]
    assert math.log(paired_ratio([1.0] * 4, new).value) == pytest.approx(0.2)


def test_what_lies_far_off_counts_nothing() -> None:
    new = [99.0, 100.0, 101.0] * 10
    stalled = [*new[:27], 9900.0, 10_000.0, 10_100.0]
    ratio = paired_ratio([100.0] * 30, stalled)
    assert ratio.value == pytest.approx(1, abs=0.001)
    assert ratio.high is not None
    assert ratio.high < 1.01


def test_equal_pairs_leave_no_doubt() -> None:
    ratio = paired_ratio([2.0] * 6, [3.0] * 6)
    assert ratio.n == 6
    assert [ratio.value, ratio.low, ratio.high] == pytest.approx([1.5, 1.5, 1.5])


def test_load_shared_by_a_pair_cancels() -> None:
    base, new = measure(Random(1), jitter)
    load = [1 + number % 7 for number in range(PAIRS)]
    quiet = paired_ratio(base, new)
    loaded = paired_ratio(
        [a * b for a, b in zip(base, load, strict=True)],
        [a * b for a, b in zip(new, load, strict=True)],
    )
    assert [loaded.value, loaded.low] == pytest.approx([quiet.value, quiet.low])


@pytest.mark.parametrize("ratio_of", [paired_ratio, unpaired_ratio])
def test_one_seed_gives_one_interval(ratio_of: Callable[..., Ratio]) -> None:
    base, new = measure(Random(2), jitter)
    assert ratio_of(base, new, seed=3) == ratio_of(base, new, seed=3)
    assert ratio_of(base, new, seed=3).low != ratio_of(base, new, seed=4).low


@pytest.mark.parametrize("ratio_of", [paired_ratio, unpaired_ratio])
def test_less_confidence_gives_a_narrower_interval(ratio_of: Callable[..., Ratio]) -> None:
    base, new = measure(Random(2), jitter)
    wide, narrow = (ratio_of(base, new, confidence=each) for each in (0.95, 0.5))
    assert None not in (wide.low, wide.high, narrow.low, narrow.high)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high  # type: ignore[operator]


@pytest.mark.parametrize("noise", [jitter, delays])
def test_a_against_a_raises_few_alarms(noise: Callable[[Random], float]) -> None:
    assert alarms(noise, 1) <= 5


@pytest.mark.parametrize("noise", [jitter, delays])
def test_slowdown_of_five_percent_is_found(noise: Callable[[Random], float]) -> None:
    assert alarms(noise, 1.05) >= 95


def test_unpaired_ratio_is_that_of_the_medians() -> None:
    ratio = unpaired_ratio([10.0, 20.0, 30.0], [22.0, 99.0, 1.0, 22.0])
    assert ratio == Ratio(3, 1.1, None, None)


def test_unpaired_lots_may_differ_in_size() -> None:
    ratio = unpaired_ratio([10.0, 10.0, 10.0, 10.0, 10.0], [15.0] * 9)
    assert ratio == Ratio(5, 1.5, 1.5, 1.5)


def test_unpaired_a_against_a_raises_few_alarms() -> None:
    count = 0
    for seed in range(REPEATS):
        chance = Random(seed)
        base, new = ([jitter(chance) for _ in range(PAIRS)] for _ in "ab")
        low = unpaired_ratio(base, new, resamples=300, seed=seed).low
        count += low is not None and low > 1
    assert count <= 5


@pytest.mark.parametrize(
    ("base", "new", "message"),
    [
        pytest.param([1.0], [1.0, 2.0], "got 1 and 2", id="lengths"),
        pytest.param([], [], "none as base", id="empty"),
        pytest.param([1.0, 1.0], [1.0, 0.0], "positive.*as new", id="zero"),
        pytest.param([1.0, math.nan], [1.0, 1.0], "positive.*as base", id="no number"),
        pytest.param([1.0, 1.0], [1.0, math.inf], "positive.*as new", id="infinite"),
    ],
)
def test_what_has_no_ratio(base: list[float], new: list[float], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        paired_ratio(base, new)


def test_what_has_no_unpaired_ratio() -> None:
    with pytest.raises(BenchError, match="none as new"):
        unpaired_ratio([1.0], [])
