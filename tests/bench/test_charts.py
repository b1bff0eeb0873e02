"""Charts say what the report says: as specifications, and as pictures with readable labels."""

from __future__ import annotations

import json
import random
from typing import Any, cast

import pytest
import vl_convert

from slsadapt.bench import charts
from slsadapt.bench.report import BurstRound, ColdCell, Imported, Report, State, WarmCell
from slsadapt.errors import BenchError

pytestmark = pytest.mark.once


def make_state(process: str = "spawn", bytecode: str = "valid") -> State:
    return {
        "process": process,
        "bytecode": bytecode,
        "page_cache": "warm",
        "gc": "on",
        "cpu": "any",
        "adapter": "none",
    }


def make_cold(name: str, totals_ms: list[float], warm_us: list[float]) -> ColdCell:
    """Give 10 % to the interpreter, nothing to an adapter, and 20 % to the first response."""
    return {
        "name": name,
        "state": make_state(name),
        "samples": [
            {
                "round": number,
                "interpreter_ms": total * 0.1,
                "adapter_ms": 0.0,
                "application_ms": total * 0.7,
                "response_ms": total * 0.2,
                "total_ms": total,
                "rss_kib": 32 * 1024,
                "modules": 330,
                "warm_us": warm_us,
            }
            for number, total in enumerate(totals_ms)
        ],
    }


def make_module(name: str, parent: int, began: int, own: int, whole: int, **more: Any) -> Imported:
    usual = {"phase": "application", "used": True, "package": name.partition(".")[0]}
    times = {"began_us": began, "self_us": own, "cumulative_us": whole}
    return cast("Imported", {"name": name, "parent": parent, **times, **usual, **more})


def make_head(**parts: Any) -> Report:
    head = {
        "format": 1,
        "slsadapt": "1.2.3",
        "made": "2026-03-04T05:06:07+00:00",
        "target": "shop.wsgi:application",
        "events": ["events/hello.json"],
        "environment": {
            "python": "CPython 3.11.7",
            "kernel": "Linux 6.1",
            "processor": "Abacus 9",
            "cpus": 2,
            "memory_mib": 4096,
            "load": 0.25,
            "versions": {"flask": "3.1.3"},
        },
    }
    return cast("Report", {**head, **parts})


def make_report() -> Report:
    """Make what ``bench all`` gives, with numbers that are easy to know again."""
    chance = random.Random(7)
    warm: list[WarmCell] = [
        {
            "name": name,
            "state": make_state(),
            "rounds": [
                [middle * chance.lognormvariate(0, 0.1) + (chance.random() < 0.01) * 900]
                for _ in range(2000)
            ],
        }
        for name, middle in (("spawn", 48.0), ("mangum, spawn", 95.0))
    ]
    queue: BurstRound = {
        "began_ms": [at * 11.3 for at in range(301)],
        "ended_ms": [(at + 1) * 11.3 for at in range(301)],
        "failed": 0,
    }
    pool: BurstRound = {
        "began_ms": [0.0] * 299,
        "ended_ms": [130.0 + at for at in range(299)],
        "failed": 2,
    }
    modules = [
        make_module("shop", -1, 0, 1_000, 91_000),
        make_module("flask", 0, 500, 30_000, 80_000),
        make_module("flask.cli", 1, 1_000, 50_000, 50_000, used=False),
        make_module("_speedups", 0, 88_000, 500, 500, used=None),
        make_module("json", 0, 88_500, 9_500, 9_500),
        make_module("jieba", -1, 91_000, 60_000, 60_000, phase="event 0"),
    ]
    return make_head(
        cold=[
            make_cold("spawn", [120.0, 128.6, 150.0], [50.0]),
            make_cold("spawn, no bytecode", [330.0, 321.5, 300.0], [50.0]),
            make_cold("fork", [4.4, 4.5, 4.2], []),
        ],
        warm=warm,
        burst=[
            {"name": "cold pool", "modelled": True, "how": "drawn", "rounds": [pool]},
            {"name": "one server", "modelled": False, "how": "in a row", "rounds": [queue] * 3},
        ],
        imports={"modules": modules},
        memory={
            "loaded_kib": [32 * 1024, 33 * 1024, 32 * 1024],
            "routes": [
                {
                    "name": name,
                    "status": 200,
                    "peak_kib": [peak * 1024] * 3,
                    "took_ms": [took] * 3,
                    "warm_ms": [0.5] * 3,
                    "together_kib": [],
                }
                for name, peak, took in (("GET /", 33, 9.0), ("GET /segment", 197, 560.0))
            ],
        },
    )


def draw(chart: charts.Drawing, **params: Any) -> str:
    """Give the SVG, with some parameters set as a page's reader would set them."""
    spec = chart.to_dict()
    for param in spec["params"]:
        if param["name"] in params:
            param["value"] = params[param["name"]]
    return vl_convert.vegalite_to_svg(spec, config=charts.theme(), allowed_base_urls=[])


def texts(svg: str) -> list[str]:
    return [part.partition("</text>")[0].rpartition(">")[2] for part in svg.split("<text")[1:]]


def height(svg: str, text: str) -> float:
    """Tell how far below the top of its group a text stands, the first of this wording."""
    part = next(part for part in svg.split("<text")[1:] if f">{text}</text>" in part)
    return float(part.partition("translate(")[2].partition(",")[2].partition(")")[0])


@pytest.mark.parametrize(
    ("value_ms", "words"),
    [
        pytest.param(0.0, "0 ms", id="nothing"),
        pytest.param(0.0481, "48.1 µs", id="microseconds"),
        pytest.param(0.9996, "1 ms", id="rounded up to the next unit"),
        pytest.param(1.234, "1.23 ms", id="one digit"),
        pytest.param(128.6, "129 ms", id="three digits"),
        pytest.param(999.6, "1 s", id="rounded up to a second"),
        pytest.param(3400.0, "3.4 s", id="seconds"),
        pytest.param(1234567.0, "1,235 s", id="many seconds"),
    ],
)
def test_durations_are_written_as_people_say_them(value_ms: float, words: str) -> None:
    assert charts.show_ms(value_ms) == words


def test_only_what_was_measured_is_drawn() -> None:
    report = make_report()
    assert list(charts.charts(report)) == ["phases", "latency", "burst", "waterfall", "memory"]
    assert list(charts.charts(make_head(cold=report["cold"]))) == ["phases"]
    assert charts.charts(make_head(imports={"modules": []}, warm=[], burst=[])) == {}


def test_phases_name_the_total_and_what_it_costs_in_warm_calls() -> None:
    words = texts(draw(charts.phases(make_report())))
    assert {"interpreter", "adapter", "application", "first response"} <= set(words)
    # Medians of three; 128.6 ms are 2572 calls of 50 µs.
    assert {"129 ms", "322 ms", "4.4 ms"} <= set(words)
    assert "spawn  ·  2,572 × a warm call (50 µs)" in [word.replace("\xa0", " ") for word in words]
    assert "fork" in words
    # 70 % of each total, inside the bars that have room for it.
    assert {"90 ms", "225 ms"} <= set(words)


def test_every_start_is_a_dot() -> None:
    svg = draw(charts.phases(make_report()))
    assert svg.count('aria-roledescription="circle"') == 9


@pytest.mark.parametrize(("calls", "is_shown"), [(999, False), (1000, True)])
def test_p99_needs_1000_calls(calls: int, is_shown: bool) -> None:
    cell = {
        "name": "spawn",
        "state": make_state(),
        "rounds": [[float(n + 1) for n in range(calls)]],
    }
    words = texts(draw(charts.latency(make_head(warm=[cell]))))
    assert "500 µs" in words
    assert "950 µs" in words
    assert ("990 µs" in words) is is_shown


def test_latency_holds_quantiles_and_no_samples() -> None:
    report = make_head(
        warm=[
            {"name": "spawn", "state": make_state(), "rounds": [[5.0 + n for n in range(100_000)]]}
        ]
    )
    spec = charts.latency(report).to_dict()
    assert len(json.dumps(spec)) < 30_000
    curve = max(spec["datasets"].values(), key=len)
    # The fastest and the slowest are there.
    assert (curve[0]["ms"], curve[-1]["ms"]) == (0.005, 100.0)


def test_labels_of_one_percentile_do_not_touch() -> None:
    cells = [
        {"name": name, "state": make_state(), "rounds": [[us] * 10, [us * 9] * 2]}
        for name, us in (("a", 110.0), ("b", 111.0), ("c", 112.0))
    ]
    svg = draw(charts.latency(make_head(warm=cells)))
    # Three medians, and as many p95.
    assert {"110 µs", "111 µs", "112 µs", "990 µs", "999 µs", "1.01 ms"} <= set(texts(svg))
    first, second, third = sorted(height(svg, text) for text in ("110 µs", "111 µs", "112 µs"))
    assert second - first >= 10
    assert third - second >= 10


def test_a_burst_names_first_and_last_what_failed_and_what_is_modelled() -> None:
    words = [word.replace("\xa0", " ") for word in texts(draw(charts.burst(make_report())))]
    assert "301 requests at once" in words
    assert "cold pool  ·  modelled" in words
    assert "one server  ·  measured" in words
    assert {"first 130 ms", "last 428 ms", "✕ 2 failed"} <= set(words)
    # 301 times 11.3 ms.
    assert {"first 11.3 ms", "last 3.4 s"} <= set(words)


def test_a_burst_shows_the_round_of_the_median_last_answer() -> None:
    rounds = [{"began_ms": [0.0], "ended_ms": [end], "failed": 0} for end in (30.0, 10.0, 20.0)]
    part = {"name": "pool", "modelled": False, "how": "", "rounds": rounds}
    words = texts(draw(charts.burst(make_head(burst=[part]))))
    assert "last 20 ms" in words


def test_a_burst_that_only_failed_is_drawn() -> None:
    part = {
        "name": "pool",
        "modelled": False,
        "how": "",
        "rounds": [{"began_ms": [], "ended_ms": [], "failed": 301}],
    }
    assert "✕ 301 failed" in texts(draw(charts.burst(make_head(burst=[part]))))


def test_a_large_burst_is_thinned_but_keeps_its_slowest() -> None:
    ended_ms = [float(n + 1) for n in range(5000)]
    one = {"began_ms": [0.0] * 5000, "ended_ms": ended_ms, "failed": 0}
    part = {"name": "pool", "modelled": True, "how": "", "rounds": [one]}
    rows = charts.burst(make_head(burst=[part])).to_dict()["datasets"]["requests"]
    assert len(rows) <= 400
    assert max(row["to"] for row in rows) == 5000.0


def test_the_waterfall_is_in_order_of_time_with_phases() -> None:
    svg = draw(charts.waterfall(make_report()))
    words = texts(svg)
    names = ["shop", "flask", "flask.cli", "_speedups", "json", "jieba"]
    # The legend, which names packages too, comes behind the axis.
    assert sorted(names, key=lambda name: height(svg, name)) == names
    assert {"application", "event 0", "standard library"} <= set(words)
    assert {"91 ms", "80 ms", "50 ms", "9.5 ms", "60 ms"} <= set(words)


def waterfall_rows(*modules: Imported) -> list[dict[str, Any]]:
    chart = charts.waterfall(make_head(imports={"modules": list(modules)}))
    rows: list[dict[str, Any]] = chart.to_dict()["datasets"]["modules"]
    return rows


def test_a_module_that_is_imported_again_has_its_own_row() -> None:
    rows = waterfall_rows(make_module("a", -1, 0, 5, 5), make_module("a", -1, 9, 5, 5))
    assert [row["row"] for row in rows] == ["a", "a (2)"]


def test_hollow_is_what_did_not_run_and_not_what_cannot() -> None:
    rows = waterfall_rows(
        make_module("ran", -1, 0, 5, 5),
        make_module("idle", -1, 5, 5, 5, used=False),
        make_module("extension", -1, 10, 5, 5, used=None),
    )
    assert [row["idle"] for row in rows] == [False, True, False]
    assert [row["used"] for row in rows] == ["yes", "no", "not known"]


def test_a_picture_has_the_longest_rows_and_a_search_finds_the_others() -> None:
    modules = [make_module("app", -1, 0, 0, 5_000_000)]
    modules += [
        make_module(f"lib.part{n:03}", 0, n * 10_000, 1000 + n * 100, 1000 + n * 100)
        for n in range(300)
    ]
    chart = charts.waterfall(make_head(imports={"modules": modules}))
    shown = {word for word in texts(draw(chart)) if word.startswith("lib.")}
    assert 35 <= len(shown) <= 60
    assert "lib.part299" in shown
    found = {word for word in texts(draw(chart, find="PART00")) if word.startswith("lib.")}
    assert found == {f"lib.part{n:03}" for n in range(10)}


def test_folded_the_waterfall_has_a_row_where_a_package_begins() -> None:
    words = texts(draw(charts.waterfall(make_report()), fold=True))
    assert "flask" in words
    assert "flask.cli" not in words
    assert "jieba" in words


def test_memory_names_peaks_and_the_sizes_that_hold_them() -> None:
    words = texts(draw(charts.memory(make_report())))
    assert {"GET /", "GET /segment", "33 MiB", "197 MiB"} <= set(words)
    # As lines and in the legend; the larger sizes would only squeeze the bars.
    assert words.count("64 MB") == 2
    assert words.count("256 MB") == 2
    assert words.count("128 MB") == 1
    assert "512 MB" not in words


def test_charts_have_descriptions_for_those_who_cannot_see_them() -> None:
    for name, chart in charts.charts(make_report()).items():
        assert len(chart.to_dict()["description"]) > 20, name


def luminance(colour: str) -> float:
    """Follow https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_colours_can_be_seen_and_read_on(dark: bool) -> None:
    theme = charts.theme(dark)
    ground, style = theme["background"], theme["style"]
    for colour in theme["range"]["category"]:
        assert contrast(colour, ground) >= 3, colour
        assert contrast(style["inside"]["color"], colour) >= 4.5, colour
    for name in ("value", "note"):
        assert contrast(style[name]["color"], ground) >= 4.5, name


def test_a_cell_without_calls_is_refused() -> None:
    with pytest.raises(BenchError):
        charts.latency(make_head(warm=[{"name": "spawn", "state": make_state(), "rounds": []}]))
