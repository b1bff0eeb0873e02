"""Summarize samples, and compare two lots of them without trusting a quiet machine.

Nothing is trimmed from a summary: the tail is what people wait for. Ratios come with an interval,
because without one nobody can tell a slowdown from noise.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from ..errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Ratio", "Summary", "paired_ratio", "summarize", "unpaired_ratio"]

_CONFIDENCE = 0.95
_RESAMPLES = 2000

# Of fewer, ten at most lie above the 99th percentile, and chance alone picks it.
_ENOUGH_FOR_P99 = 1000

# Five pairs agree by chance in 2 of 2 ** 5 cases, which is more than an interval may miss. Two
# lots need five samples each: in simulations, intervals of four miss in 7 % of the cases.
_FEWEST_PAIRS = 6
_FEWEST_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Summary:
    """What samples say, in their own unit.

    Args:
        n: how many there are.
        minimum: the smallest.
        median: the middle one, or the mean of the middle two.
        low: lower end of the median's interval, itself a sample; None for fewer than six.
        high: upper end.
        coverage: how likely such intervals hold the true median: the next value above 0.95 that
            the number of samples allows; None without interval.
        p95: the smallest sample that at least 95 % of the samples do not exceed.
        p99: the same with 99 %; None for fewer than 1000, whose percentile would be a guess from
            the few largest.
        maximum: the largest.
    """

    n: int
    minimum: float
    median: float
    low: float | None
    high: float | None
    coverage: float | None
    p95: float
    p99: float | None
    maximum: float

    @property
    def p50(self) -> float:
        """Return the median under its other name."""
        return self.median


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as much the new one takes.

    Args:
        n: how many pairs it comes from, or how many samples the smaller lot has.
        value: the ratio; 1.05 is 5 % more.
        low: lower end of its interval; None where there are too few to give one.
        high: upper end.
    """

    n: int
    value: float
    low: float | None
    high: float | None


def summarize(samples: Sequence[float]) -> Summary:
    """Summarize samples of one unit.

    The interval is made of order statistics, so that it holds for every distribution, as long as
    the samples don't depend on each other.

    Raises:
        BenchError: there are none.
    """
    if not samples:
        raise BenchError("a summary needs at least one sample, got none")
    ordered = sorted(samples)
    n = len(ordered)
    rank, coverage = _median_rank(n)
    return Summary(
        n=n,
        minimum=ordered[0],
        median=median(ordered),
        low=ordered[rank - 1] if rank else None,
        high=ordered[n - rank] if rank else None,
        coverage=coverage if rank else None,
        p95=_percentile(ordered, 95),
        p99=_percentile(ordered, 99) if n >= _ENOUGH_FOR_P99 else None,
        maximum=ordered[-1],
    )


def paired_ratio(
    base: Sequence[float],
    new: Sequence[float],
    *,
    confidence: float = _CONFIDENCE,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> Ratio:
    """Compare two that took turns: ``new[i]`` and ``base[i]`` are of one round.

    Load that lasts slows both of a pair alike, and falls out of their ratio. The value is the
    biweight mean of the ratios' logarithms, the interval its percentile bootstrap. In simulations
    of 30 pairs whose runs jitter by 5 %, it misses one slowdown of 5 % in twenty; the plain median
    misses one in seven, and the mean every second one as soon as a few runs take twice as long.
    Jitter of 10 % takes four times as many pairs.

    Args:
        base: positive, in any unit.
        new: as many, in the same unit and order.
        confidence: how often such intervals hold the true ratio.
        resamples: how many times the rounds are drawn anew.
        seed: of these draws; one seed, one interval.

    Raises:
        BenchError: the two differ in length, are empty, or hold what is not positive.
    """
    if len(base) != len(new):
        raise BenchError(f"pairs need a new sample for each base, got {len(base)} and {len(new)}")
    _check(base, new)
    ratios = [math.log(after / before) for before, after in zip(base, new, strict=True)]
    draw = random.Random(seed).choices  # noqa: S311 - no secret
    low, high = _interval(
        lambda: _biweight(draw(ratios, k=len(ratios))),
        resamples if len(ratios) >= _FEWEST_PAIRS else 0,
        confidence,
    )
    return Ratio(
        len(ratios),
        math.exp(_biweight(ratios)),
        None if low is None else math.exp(low),
        None if high is None else math.exp(high),
    )


def unpaired_ratio(
    base: Sequence[float],
    new: Sequence[float],
    *,
    confidence: float = _CONFIDENCE,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> Ratio:
    """Compare two that were measured at different times, by the ratio of their medians.

    The interval, a percentile bootstrap too, knows how the samples scatter; it cannot know
    whether the machine itself was slower the second time.

    Args:
        base: positive, in any unit.
        new: in the same unit, not necessarily as many.
        confidence: how often such intervals hold the true ratio of that day.
        resamples: how many times both lots are drawn anew.
        seed: of these draws; one seed, one interval.

    Raises:
        BenchError: one is empty, or holds what is not positive.
    """
    _check(base, new)
    draw = random.Random(seed).choices  # noqa: S311 - no secret
    fewest = min(len(base), len(new))
    low, high = _interval(
        lambda: median(draw(new, k=len(new))) / median(draw(base, k=len(base))),
        resamples if fewest >= _FEWEST_SAMPLES else 0,
        confidence,
    )
    return Ratio(fewest, median(new) / median(base), low, high)


def _check(base: Sequence[float], new: Sequence[float]) -> None:
    for name, samples in (("base", base), ("new", new)):
        if not samples or not all(0 < sample < math.inf for sample in samples):
            what = "none" if not samples else "some that are not"
            raise BenchError(f"ratios need positive samples, got {what} as {name}")


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the nearest rank: a sample that was measured, no mixture of two."""
    return ordered[-(-percent * len(ordered) // 100) - 1]


def _median_rank(n: int) -> tuple[int, float]:
    """Find the narrowest interval of order statistics that holds the median often enough.

    From the sample of this rank to that of the same rank from above, it holds the median unless
    fewer than ``rank`` samples lie on one side of it; that is heads or tails, n times.

    Returns:
        the rank, counted from 1, and the coverage; rank 0 where the samples are too few.
    """
    rank = n // 2
    # The middle term of the binomial distribution, without numbers of n digits.
    share = math.exp(
        math.lgamma(n + 1) - math.lgamma(rank + 1) - math.lgamma(n - rank + 1) - n * math.log(2)
    )
    coverage = share if 2 * rank == n else 2 * share
    while rank and coverage < _CONFIDENCE:
        share *= rank / (n - rank + 1)
        coverage += 2 * share
        rank -= 1
    return rank, coverage


def _biweight(values: list[float]) -> float:
    """Return Tukey's biweight mean, one step from the median.

    The farther from the median, the less a value counts, and nothing beyond nine times the median
    distance. Source: Mosteller and Tukey, Data Analysis and Regression, 1977, chapter 10.
    """
    middle = _middle(sorted(values))
    distances = [abs(value - middle) for value in values]
    reach = 9 * _middle(sorted(distances))
    if not reach:  # more than half are the same
        return middle
    # Products, since powers take several times as long, thousands of times.
    unit = 1 / (reach * reach)
    weights = [(near := 1 - far * far * unit) * near if far < reach else 0.0 for far in distances]
    return sum(map(float.__mul__, weights, values)) / sum(weights)


def _middle(ordered: Sequence[float]) -> float:
    """Return the median of what is sorted; ``statistics.median`` would sort and check anew."""
    half = len(ordered) // 2
    return (ordered[half] + ordered[~half]) / 2


def _interval(
    estimate: Callable[[], float], resamples: int, confidence: float
) -> tuple[float | None, float | None]:
    """Return the middle part of many estimates, each of samples drawn anew."""
    if not resamples:
        return None, None
    estimates = sorted(estimate() for _ in range(resamples))
    outside = int(resamples * (1 - confidence) / 2)
    return estimates[outside], estimates[-outside - 1]
