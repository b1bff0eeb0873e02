"""Memory by route: measured on small functions and on the Flask sample, advised by hand."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from slsadapt.bench.memory import VENDOR_SIZES_MB, Split, advise, fitting_size, measure_memory
from slsadapt.bench.processes import Conditions
from slsadapt.bench.target import Target
from slsadapt.cli.bench_memory import print_memory
from slsadapt.errors import BenchError

if TYPE_CHECKING:
    from slsadapt.bench.report import Memory, Route

FLASK_APP = Path(__file__).parents[2] / "samples" / "flask_app"
MIB = 1024

# Of 20 MiB each: what is kept, what is given back, and a failure.
HUNGRY = """
kept = []

def main_handler(event, context):
    path = event["path"]
    if path == "/keep":
        kept.append(b"k" * (20 << 20))
    if path == "/pass":
        len(b"p" * (40 << 20))
    if path == "/fail":
        raise ValueError("out of stock")
    return {"statusCode": 404 if path == "/none" else 200, "headers": {}, "body": path}
"""


def event(path: str) -> dict[str, object]:
    """Write what Tencent's gateway sends."""
    return {
        "headerParameters": {},
        "headers": {"host": "shop.example"},
        "httpMethod": "GET",
        "path": path,
        "pathParameters": {},
        "queryString": {},
        "queryStringParameters": {},
        "requestContext": {
            "httpMethod": "ANY",
            "identity": {},
            "path": "/",
            "serviceId": "service-bylee882",
            "sourceIp": "203.0.113.95",
            "stage": "release",
        },
    }


def route(name: str, mib: int, together: int = 0, status: int = 200) -> Route:
    return {
        "name": name,
        "status": status,
        "peak_kib": [mib * MIB - 100, mib * MIB],
        "took_ms": [1000.0, 3000.0, 2000.0],
        "warm_ms": [0.25],
        "together_kib": [together * MIB] if together else [],
    }


def memory_of(*routes: Route, loaded: int = 31) -> Memory:
    return {"loaded_kib": [loaded * MIB], "routes": list(routes)}


@pytest.fixture
def hungry(tmp_path: Path) -> Target:
    (tmp_path / "index.py").write_text(HUNGRY)
    return Target("hungry", tmp_path, "index", "main_handler")


def test_each_route_is_measured_in_a_process_of_its_own(hungry: Target) -> None:
    cases = [(path, event(path)) for path in ("/pass", "/keep", "/none")]
    told: list[str] = []
    memory = measure_memory(hungry, cases, Conditions(), rounds=2, tell=told.append)
    assert [each["name"] for each in memory["routes"]] == ["/pass", "/keep", "/none"]
    assert [each["status"] for each in memory["routes"]] == [200, 200, 404]
    for each in memory["routes"]:
        samples = ("peak_kib", "took_ms", "warm_ms", "together_kib")
        assert [len(each[name]) for name in samples] == [2, 2, 2, 2]  # type: ignore[literal-required]
    given_back, kept, nothing = (max(each["peak_kib"]) for each in memory["routes"])
    assert 38 * MIB < given_back - nothing < 44 * MIB
    assert 18 * MIB < kept - nothing < 24 * MIB
    assert max(memory["loaded_kib"]) <= nothing + MIB
    assert told == ["/pass", "/keep", "/none", "all of them, one after another"] * 2


def test_instances_keep_what_lighter_routes_left(hungry: Target) -> None:
    cases = [(path, event(path)) for path in ("/pass", "/keep", "/none")]
    memory = measure_memory(hungry, cases, Conditions(), rounds=1)
    given_back, kept, nothing = memory["routes"]
    # The lightest comes first, so nothing is left behind for it, and for the heaviest 20 MiB.
    assert abs(nothing["together_kib"][0] - nothing["peak_kib"][0]) < 4 * MIB
    assert abs(kept["together_kib"][0] - kept["peak_kib"][0]) < 4 * MIB
    assert 17 * MIB < given_back["together_kib"][0] - given_back["peak_kib"][0] < 24 * MIB


def test_single_route_has_no_company(hungry: Target) -> None:
    memory = measure_memory(hungry, [("/none", event("/none"))], Conditions(), rounds=1)
    assert memory["routes"][0]["together_kib"] == []
    assert len(memory["routes"][0]["peak_kib"]) == 1


def test_failing_route_is_measured_as_far_as_it_gets(hungry: Target) -> None:
    memory = measure_memory(hungry, [("/fail", event("/fail"))], Conditions(), rounds=1)
    assert memory["routes"][0]["status"] == 500
    assert memory["routes"][0]["warm_ms"] == []
    assert "/fail failed: what it needs in success is not known." in advise(memory).sentences


def test_no_events_are_told() -> None:
    target = Target("shop", Path(), "index", "main_handler")
    with pytest.raises(BenchError, match="give one event or more"):
        measure_memory(target, [], Conditions())


def test_segmentation_of_the_flask_sample_needs_a_function_of_its_own() -> None:
    cases = []
    for name in ("hello", "mail", "segment"):
        stored = json.loads((FLASK_APP / "events" / f"{name}.json").read_text(encoding="utf-8"))
        cases.append((name, stored.get("event", stored)))
    target = Target("samples/flask_app", FLASK_APP, "index", "main_handler")
    memory = measure_memory(target, cases, Conditions(), rounds=1)
    assert [each["status"] for each in memory["routes"]] == [200, 202, 200]
    hello, mail, segment = (each["peak_kib"][0] for each in memory["routes"])
    # jieba's dictionary takes some 70 MiB, Celery a tenth of it.
    assert segment - hello > 40 * MIB
    assert 2 * MIB < mail - hello < 40 * MIB
    split = advise(memory).split
    assert split is not None
    assert split.routes == ("segment",)
    assert split.rest == 2


@pytest.mark.parametrize(
    ("mib", "sizes", "expected"),
    [
        pytest.param(51, (64, 128), 64, id="a quarter more just fits"),
        pytest.param(52, (64, 128), 128, id="a quarter more does not fit"),
        pytest.param(103, (64, 128), None, id="larger than all"),
        pytest.param(197, VENDOR_SIZES_MB["Tencent SCF"], 256, id="Tencent, in steps of 128"),
        pytest.param(40, VENDOR_SIZES_MB["Tencent SCF"], 64, id="Tencent, the small one"),
        pytest.param(140, VENDOR_SIZES_MB["AWS Lambda"], 175, id="AWS, in steps of 1"),
        pytest.param(40, VENDOR_SIZES_MB["AWS Lambda"], 128, id="AWS, the smallest"),
        pytest.param(140, VENDOR_SIZES_MB["Alibaba FC"], 192, id="Alibaba, in steps of 64"),
        pytest.param(3000, VENDOR_SIZES_MB["Tencent SCF"], None, id="more than Tencent sells"),
    ],
)
def test_smallest_size_with_headroom(mib: int, sizes: range, expected: int | None) -> None:
    assert fitting_size(mib * MIB, sizes) == expected


def test_one_hungry_route_is_split_off() -> None:
    advice = advise(memory_of(route("GET /", 32), route("GET /segment", 197), route("GET /a", 40)))
    assert advice.needed_kib == 197 * MIB
    assert advice.size_mb == 256
    assert advice.vendor_mb == {"Tencent SCF": 256, "AWS Lambda": 247, "Alibaba FC": 256}
    assert advice.split == Split(("GET /segment",), 2, 40 * MIB, 64, 0.75)
    assert advice.sentences == (
        "The function needs 256 MB: its hungriest route takes 197 MiB at its peak, and a quarter "
        "more is in reserve for the cloud's own runtime and for larger requests.",
        "Only GET /segment needs that much: in a function of its own it leaves the other 2 routes "
        "with 40 MiB, for which 64 MB are enough. Each of their requests then costs 75% fewer "
        "GB-seconds, if it takes as long as now.",
        "Some clouds, AWS Lambda among them, give processor time in proportion to memory: compare "
        "durations at both sizes before you rely on it.",
    )


@pytest.mark.parametrize(
    "routes",
    [
        pytest.param([route("a", 197)], id="a single route"),
        pytest.param([route("a", 197), route("b", 197)], id="all of them are hungry"),
        pytest.param([route("a", 197), route("b", 190), route("c", 30)], id="most are hungry"),
        pytest.param([route("a", 50), route("b", 31), route("c", 31)], id="the same size fits all"),
        pytest.param([route("a", 9000), route("b", 31), route("c", 31)], id="no size fits at all"),
    ],
)
def test_nothing_is_split_off_where_it_saves_nothing(routes: list[Route]) -> None:
    assert advise(memory_of(*routes)).split is None


def test_the_split_that_saves_most_is_taken() -> None:
    small = [route(f"GET /{number}", 32) for number in range(8)]
    advice = advise(memory_of(*small, route("b", 90), route("a", 197)))
    # Without a alone 9 routes save half, without b too 8 routes save three quarters.
    assert advice.split == Split(("a", "b"), 8, 32 * MIB, 64, 0.75)
    assert "Only a and b need that much: in a function of their own they leave" in "\n".join(
        advice.sentences
    )


def test_what_routes_leave_behind_counts() -> None:
    advice = advise(memory_of(route("a", 48, 48), route("b", 49, 70), route("c", 50, 120)))
    assert advice.needed_kib == 120 * MIB
    assert advice.size_mb == 256
    # c in a process of its own leaves 70 MiB for the others, and would itself fit there.
    assert advice.split is None
    assert advice.sentences[0] == (
        "The function needs 256 MB: an instance that answered all routes in turn, and kept what "
        "each of them left in memory, took 120 MiB at its peak, and a quarter more is in reserve "
        "for the cloud's own runtime and for larger requests."
    )


def test_too_much_for_every_size_is_told() -> None:
    advice = advise(memory_of(route("GET /all", 3000)))
    assert advice.size_mb is None
    assert advice.vendor_mb == {"Tencent SCF": None, "AWS Lambda": 3750, "Alibaba FC": 3776}
    assert advice.sentences == (
        "No size up to 3072 MB is enough with a quarter more in reserve: its hungriest route takes "
        "3000 MiB at its peak. Process less at once, or look for a larger size.",
    )


def test_no_routes_are_told() -> None:
    with pytest.raises(BenchError, match="no routes to advise on"):
        advise({"loaded_kib": [], "routes": []})


def test_table_shows_the_hungriest_route_first() -> None:
    stream = StringIO()
    console = Console(file=stream, width=80, soft_wrap=True)
    memory = memory_of(
        route("GET /", 32), route("GET /\x1b[2J", 197), route("GET /fail", 40, status=500)
    )
    print_memory(console, memory)
    rows = [line.split() for line in stream.getvalue().splitlines()]
    assert rows[2] == [
        *("GET", "/\\x1b[2J", "200", "197", "MiB", "━━━━━━━━━━"),
        *("2.00", "s", "250", "µs", "256", "MB"),
    ]
    assert rows[3][:6] == ["GET", "/fail", "500", "40", "MiB", "━━"]
    assert rows[4][-2:] == ["64", "MB"]
    assert "31 MiB were taken before its first event" in stream.getvalue()
    assert "Only GET /\\x1b[2J needs that much" in stream.getvalue()
    assert "Tencent SCF 256 MB, AWS Lambda 247 MB, Alibaba FC 256 MB" in stream.getvalue()
