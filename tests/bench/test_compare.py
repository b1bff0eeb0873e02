"""Reports of round numbers, so that every ratio is known before."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt.bench.compare import caveats, compare, exceeds, paired, parse_limit
from slsadapt.errors import BenchError

if TYPE_CHECKING:
    from slsadapt.bench.report import ColdCell, Report, State, WarmCell

pytestmark = pytest.mark.once

STATE: State = {
    "process": "spawn",
    "bytecode": "valid",
    "page_cache": "warm",
    "gc": "on",
    "cpu": "any",
    "adapter": "none",
}


def cold(
    name: str,
    application_ms: Sequence[float],
    interpreter_ms: float = 10,
    rounds: Sequence[int] = (),
    **state: str,
) -> ColdCell:
    """Make a cell whose adapter takes no time and whose response takes 5 ms."""
    return {
        "name": name,
        "state": {**STATE, **state},  # type: ignore[typeddict-item]
        "samples": [
            {
                "round": number,
                "interpreter_ms": interpreter_ms,
                "adapter_ms": 0,
                "application_ms": each,
                "response_ms": 5,
                "total_ms": interpreter_ms + each + 5,
                "rss_kib": 30_000,
                "modules": 300,
                "warm_us": [],
            }
            for number, each in zip(rounds or count(), application_ms, strict=False)
        ],
    }


def warm(name: str, *rounds: list[float]) -> WarmCell:
    return {"name": name, "state": STATE, "rounds": [*rounds]}


def route(name: str, *peak_kib: int) -> dict[str, Any]:
    return {"name": name, "peak_kib": [*peak_kib]}


def make(**parts: Any) -> Report:
    """Make a report of these parts; ``environment`` changes that of a quiet machine."""
    environment = {
        "python": "CPython 3.12.1",
        "kernel": "Linux 6.1.0",
        "processor": "Example 9000",
        "cpus": 2,
        "memory_mib": 4000,
        "load": 0.25,
        "versions": {"flask": "3.1.0"},
        **parts.pop("environment", {}),
    }
    report: Any = {
        "format": 1,
        "slsadapt": "1.0",
        "made": "2026-11-21T10:00:00Z",
        "target": "app:app",
        "events": ["GET /"],
        "environment": environment,
        **parts,
    }
    return report  # type: ignore[no-any-return]


def rows(comparisons: Any) -> list[tuple[str, str, str, float, float, str]]:
    return [
        (each.name, each.phase, each.unit, each.base, each.new, each.verdict)
        for each in comparisons
    ]


def test_cold_starts_of_two_reports() -> None:
    base = make(cold=[cold("spawn", [85] * 6), cold("fork", [1] * 6)])
    new = make(cold=[cold("spawn", [185] * 9)])
    comparisons = compare(base, new)
    assert rows(comparisons) == [
        ("cold (spawn)", "", "ms", 100, 200, "slower"),
        ("cold (spawn)", "interpreter", "ms", 10, 10, "no difference shown"),
        ("cold (spawn)", "application", "ms", 85, 185, "slower"),
        ("cold (spawn)", "response", "ms", 5, 5, "no difference shown"),
    ]
    ratio = comparisons[0].ratio
    assert (ratio.n, ratio.value, ratio.low, ratio.high) == (6, 2, 2, 2)


def test_samples_of_two_reports_are_no_pairs() -> None:
    base = make(cold=[cold("spawn", [85, 185, 285, 85, 185, 285])])
    new = make(cold=[cold("spawn", [105, 225, 345, 105, 225, 345])])
    total = compare(base, new)[0]
    assert (total.base, total.new, total.ratio.value) == (200, 240, 1.2)
    # Each pair is slower by a fifth, but the samples overlap.
    assert total.verdict == "no difference shown"


def test_warm_calls_count_once_a_round() -> None:
    # Two thirds of the calls take 40 µs, but only in two rounds of six.
    base = make(warm=[warm("spawn", *[[20.0, 20.0, 99.0]] * 6)])
    new = make(warm=[warm("spawn", *[[10.0, 10.0, 10.0]] * 4, *[[40.0] * 20] * 2)])
    assert rows(compare(base, new)) == [("warm (spawn)", "", "µs", 20, 10, "no difference shown")]


def test_rounds_without_calls_are_no_samples() -> None:
    base = make(warm=[warm("spawn", [], *[[20.0]] * 5)])
    new = make(warm=[warm("spawn", *[[10.0]] * 5)])
    assert rows(compare(base, new)) == [("warm (spawn)", "", "µs", 20, 10, "faster")]


def test_memory_is_larger_or_smaller() -> None:
    base = make(
        memory={
            "loaded_kib": [20_000] * 5,
            "routes": [route("GET /", *[30_000] * 5), route("GET /old", *[1000] * 5)],
        }
    )
    new = make(
        memory={
            "loaded_kib": [10_000] * 5,
            "routes": [route("GET /new", *[1000] * 5), route("GET /", *[60_000] * 5)],
        }
    )
    assert rows(compare(base, new)) == [
        ("memory (loaded)", "", "KiB", 20_000, 10_000, "smaller"),
        ("memory (GET /)", "", "KiB", 30_000, 60_000, "larger"),
    ]


def test_four_samples_are_too_few_to_tell() -> None:
    base = make(warm=[warm("spawn", *[[10.0]] * 4)])
    new = make(warm=[warm("spawn", *[[99.0]] * 40)])
    (comparison,) = compare(base, new)
    assert comparison.verdict == "too few to tell"
    assert not exceeds(comparison, 0)


def test_reports_with_nothing_in_common() -> None:
    base = make(cold=[cold("spawn", [85] * 6), cold("fork", [1] * 6)])
    message = r"the base has cold \(fork\), cold \(spawn\), the new one warm \(spawn\)$"
    with pytest.raises(BenchError, match=message):
        compare(base, make(warm=[warm("spawn", [1.0])]))
    with pytest.raises(BenchError, match="the new one nothing$"):
        compare(base, make())


def test_cells_that_took_turns_are_compared_within_rounds() -> None:
    # The machine gets slower and slower; the new cell lacks round 2 and was written backwards.
    base = cold("function", [85, 185, 285, 385, 485, 585, 685])
    new = cold("packaged", [685, 585, 485, 385, 185, 85], rounds=[6, 5, 4, 3, 1, 0])
    new["samples"] = [{**each, "total_ms": each["total_ms"] * 1.2} for each in new["samples"]]
    total, *phases = paired(make(cold=[base, new]), "function", "packaged")
    assert (total.name, total.phase, total.verdict) == ("cold (packaged)", "", "slower")
    # Of 100, 200, 400, ... 700: the third round of the base is left out.
    assert (total.base, total.new) == (450, 540)
    assert total.ratio.n == 6
    assert [total.ratio.value, total.ratio.low, total.ratio.high] == pytest.approx([1.2] * 3)
    assert rows(phases) == [
        ("cold (packaged)", "interpreter", "ms", 10, 10, "no difference shown"),
        ("cold (packaged)", "application", "ms", 435, 435, "no difference shown"),
        ("cold (packaged)", "response", "ms", 5, 5, "no difference shown"),
    ]


def test_warm_cells_that_took_turns() -> None:
    base = warm("slsadapt", *[[float(load)] * 3 for load in range(10, 70, 10)])
    new = warm("mangum", *[[load / 2] * 3 for load in range(10, 70, 10)])
    (comparison,) = paired(make(warm=[base, new]), "slsadapt", "mangum")
    assert (comparison.name, comparison.verdict) == ("warm (mangum)", "faster")
    assert comparison.ratio.value == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        pytest.param(
            [cold("fork", [1] * 6), cold("spawn", [1] * 6)], "it has 'fork', 'spawn'$", id="name"
        ),
        pytest.param([], "it has no such cells", id="none"),
        pytest.param(
            [cold("spawn", [1], rounds=[3]), cold("packed", [1], rounds=[4])],
            "same rounds",
            id="round",
        ),
    ],
)
def test_cells_that_cannot_be_paired(cells: list[ColdCell], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        paired(make(cold=cells), "spawn", "packed")


def test_routes_are_no_cells() -> None:
    routes = [route("spawn", *[1000] * 6), route("packed", *[2000] * 6)]
    with pytest.raises(BenchError, match="no such cells"):
        paired(make(memory={"loaded_kib": [900] * 6, "routes": routes}), "spawn", "packed")


@pytest.mark.parametrize(
    ("new_ms", "expected"),
    [
        pytest.param([91.0] * 6, True, id="6 % slower"),
        pytest.param([90.0] * 6, False, id="at the limit"),
        pytest.param([84.0] * 6, False, id="faster"),
        pytest.param([80.0, 85.0, 91.0, 91.0, 91.0, 99.0], False, id="6 % slower, perhaps"),
    ],
)
def test_limit_is_exceeded_only_by_the_whole_interval(new_ms: list[float], expected: bool) -> None:
    total, *_ = compare(make(cold=[cold("spawn", [85.0] * 6)]), make(cold=[cold("spawn", new_ms)]))
    assert exceeds(total, 0.05) is expected


@pytest.mark.parametrize(
    ("text", "limit"), [("5%", 0.05), ("2.5 %", 0.025), (" 0% ", 0), ("150%", 1.5)]
)
def test_limits(text: str, limit: float) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", ["", "5", "0.05", "%", "-5%", "five%", "nan%", "٥%", "5%%", ".%"])
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(BenchError, match=r"percentage such as '5%' or '2\.5%', got "):
        parse_limit(text)


def test_reports_of_one_machine_need_no_caveat() -> None:
    base = make(cold=[cold("spawn", [85] * 6)], warm=[warm("spawn", [1.0])])
    new = make(cold=[cold("spawn", [185] * 6)], warm=[warm("spawn", [9.0])])
    assert caveats(base, new) == []


def test_caveats_name_what_differs() -> None:
    base = make(cold=[cold("spawn", [85] * 6)], warm=[warm("old", [1.0])])
    new = make(
        target="other:app",
        events=["GET /", "GET /new"],
        cold=[cold("spawn", [85] * 6, interpreter_ms=99, bytecode="stale", page_cache="cold")],
        memory={"loaded_kib": [1], "routes": []},
        environment={
            "python": "CPython 3.13.0",
            "kernel": "Linux 6.2.0",
            "processor": "Example 1",
            "cpus": 4,
            "memory_mib": 8000,
            "load": 4.0,
            "versions": {"flask": "3.1.1", "jieba": "0.42"},
        },
    )
    assert caveats(base, new) == [
        "target: app:app, now other:app",
        "events: GET /, now GET /, GET /new",
        "Python: CPython 3.12.1, now CPython 3.13.0",
        "kernel: Linux 6.1.0, now Linux 6.2.0",
        "processor: Example 9000, now Example 1",
        "number of CPUs: 2, now 4",
        "memory in MiB: 4000, now 8000",
        "version of flask: 3.1.0, now 3.1.1",
        "version of jieba: none, now 0.42",
        "bytecode of cold (spawn): valid, now stale",
        "page cache of cold (spawn): warm, now cold",
        "the machine was busy when the new one was made: load 4 on 4 CPUs",
        "only the base has warm (old)",
        "only the new one has memory (loaded)",
    ]


@pytest.mark.parametrize(
    ("interpreter_ms", "expected"),
    [
        pytest.param(10.1, [], id="1 %"),
        pytest.param(12, ["1.20 [1.20, 1.20]"], id="slower machine"),
        pytest.param(8, ["0.80 [0.80, 0.80]"], id="faster machine"),
    ],
)
def test_interpreter_tells_one_machine_from_another(
    interpreter_ms: float, expected: list[str]
) -> None:
    base = make(cold=[cold("spawn", [85] * 6), cold("forked", [85] * 6)])
    cells = [cold(name, [85] * 6, interpreter_ms) for name in ("spawn", "forked")]
    assert caveats(base, make(cold=cells)) == [
        f"the bare interpreter took {ratio} times as long to start in cold (spawn): the machine "
        "differed, not only the application; measure both in one run"
        for ratio in expected
    ]
