"""Charts of a report: each is made once, as a Vega-Lite specification, for pages and pictures.

A chart holds no colour and no font of its own: ``theme`` has them, for light and dark.
"""

from __future__ import annotations

import sys
from collections import Counter
from math import ceil, log10
from statistics import median
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import altair as alt

from .memory import COMMON_SIZES_MB, HEADROOM, fitting_size
from .stats import summarize

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .report import Burst, BurstRound, ColdCell, Imported, Report

    Drawing = alt.LayerChart | alt.FacetChart | alt.VConcatChart
    Row = dict[str, Any]

__all__ = [
    "PHASES",
    "burst",
    "charts",
    "latency",
    "memory",
    "phases",
    "show_ms",
    "theme",
    "waterfall",
]

# How a process starts, in order: the member of a sample, and what people call it.
PHASES = {
    "interpreter_ms": "interpreter",
    "adapter_ms": "adapter",
    "application_ms": "application",
    "response_ms": "first response",
}

# Of a picture with its axes and padding, in pixels; pages fit it to their reader's screen.
_WIDTH = 900
_PADDING = 16
# More rows than these nobody reads in a picture.
_ROWS = 40
# More requests than these cannot be told apart.
_REQUESTS = 400
_CURVE_POINTS = 160
# Packages with a colour of their own; the others share the last one.
_GROUPS = 6
_STANDARD_LIBRARY = "standard library"
_OTHERS = "others"
# The ticks of every axis of time are in ms.
_MS_TICKS = (
    "datum.value >= 1000 ? format(datum.value / 1000, '~f') + ' s'"
    " : datum.value >= 1 || datum.value == 0 ? format(datum.value, '~f') + ' ms'"
    " : format(datum.value * 1000, '~f') + ' µs'"
)

_FONT = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', 'DejaVu Sans', sans-serif"
# After Okabe and Ito, whose colours stay apart for colour-blind readers; here with 3:1 against
# the background, and 4.5:1 below dark text.
_LIGHT = ("#2b8ccb", "#d17f00", "#00966d", "#c368a0", "#8278d8", "#e05a1c", "#8a8f98")
_DARK = ("#56b4e9", "#e9a520", "#2cbd93", "#df8fc0", "#a59cf0", "#f2753c", "#9aa1ab")


def theme(dark: bool = False) -> dict[str, Any]:
    """Return the Vega-Lite configuration with the colours and fonts of every chart."""
    ink, quiet, line, ground = (
        ("#e7eaee", "#9fa8b4", "#323943", "#14181d")
        if dark
        else ("#1b2027", "#5d6673", "#dfe3e8", "#ffffff")
    )
    return {
        "background": ground,
        "font": _FONT,
        "padding": _PADDING,
        "view": {"stroke": None},
        "mark": {"color": (_DARK if dark else _LIGHT)[0]},
        "range": {"category": list(_DARK if dark else _LIGHT)},
        "title": {
            "anchor": "start",
            "frame": "bounds",
            "color": ink,
            "fontSize": 16,
            "fontWeight": 600,
            "subtitleColor": quiet,
            "subtitleFontSize": 12,
            "subtitleLineHeight": 16,
            "subtitlePadding": 5,
            "offset": 14,
        },
        "axis": {
            "labelColor": quiet,
            "labelFontSize": 11,
            "titleColor": quiet,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "gridColor": line,
            "domainColor": line,
            "tickColor": line,
        },
        "axisBand": {"domain": False, "ticks": False, "grid": False, "labelColor": ink},
        "legend": {
            "orient": "top",
            "direction": "horizontal",
            "labelColor": ink,
            "labelFontSize": 12,
            "labelLimit": 260,
            "titleColor": quiet,
            "titleOrient": "left",
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "symbolType": "square",
            "symbolSize": 110,
            "columnPadding": 14,
            "offset": 8,
        },
        "style": {
            "value": {"color": ink, "fontSize": 12, "fontWeight": 600},
            "note": {"color": quiet, "fontSize": 11},
            "inside": {"color": "#14181d", "fontSize": 11},
            "failure": {"color": _DARK[5] if dark else _LIGHT[5], "fontWeight": 600},
            "quiet": {"color": quiet, "opacity": 0.25},
            "sample": {"color": ink, "opacity": 0.4},
            "mark": {"color": quiet, "strokeDash": [3, 3]},
            # As wide as the bar below, so that nothing of its colour is left.
            "idle": {"color": ground, "stroke": quiet, "strokeDash": [2, 2], "strokeWidth": 1},
        },
    }


def charts(report: Report) -> dict[str, Drawing]:
    """Draw what the report has measured: phases, latency, burst, waterfall and memory, by name."""
    drawn: dict[str, Drawing] = {}
    if report.get("cold"):
        drawn["phases"] = phases(report)
    if report.get("warm"):
        drawn["latency"] = latency(report)
    if report.get("burst"):
        drawn["burst"] = burst(report)
    if "imports" in report and report["imports"]["modules"]:
        drawn["waterfall"] = waterfall(report)
    if "memory" in report and report["memory"]["routes"]:
        drawn["memory"] = memory(report)
    return drawn


def show_ms(value_ms: float) -> str:
    """Write a duration as people say it: ``"48.1 µs"``, ``"129 ms"``, ``"3.4 s"``."""
    for unit, size_ms in (("s", 1000.0), ("ms", 1.0)):
        if value_ms >= size_ms * 0.9995:
            return f"{_three_digits(value_ms / size_ms)} {unit}"
    return f"{_three_digits(value_ms * 1000)} µs" if value_ms else "0 ms"


def phases(report: Report) -> Drawing:
    """Draw the medians of the phases of each cold cell, its totals as dots, its first call's price.

    The price is how often a warm call fits into the cold one; cells without warm calls have none.
    """
    bars: list[Row] = []
    dots: list[Row] = []
    ends: list[Row] = []
    for cell in report["cold"]:
        totals = [sample["total_ms"] for sample in cell["samples"]]
        at = 0.0
        for order, (member, phase) in enumerate(PHASES.items()):
            took_ms = median(sample[member] for sample in cell["samples"])  # type: ignore[literal-required]
            bars.append(
                {
                    "cell": cell["name"],
                    "phase": phase,
                    "order": order,
                    "from": _short(at),
                    "to": _short(at + took_ms),
                    "took": show_ms(took_ms),
                }
            )
            at += took_ms
        dots += [{"cell": cell["name"], "total": _short(total)} for total in totals]
        ends.append(
            {
                "cell": cell["name"],
                "total": show_ms(median(totals)),
                "warm": _price(cell),
            }
        )
    widest = max(max(row["to"] for row in bars), max(row["total"] for row in dots))
    for row in bars:
        row["fits"] = row["to"] - row["from"] > widest * 0.085
    # Names stand above the bars, which leaves these the whole width of a small screen.
    y = alt.Y("cell:N", sort=None, axis=None)
    base = alt.Chart(_data(bars), width=_WIDTH, height=alt.Step(80)).encode(y=y)
    bar = base.mark_bar(height=24, yOffset=4).encode(
        x=alt.X("from:Q", title="since the process was asked for", axis=_ms_axis()).scale(
            domainMin=0, domainMax=_short(widest * 1.02), nice=False
        ),
        x2="to:Q",
        color=alt.Color("phase:N", sort=None, title=None, legend=_legend()).scale(
            domain=list(PHASES.values())
        ),
        tooltip=[alt.Tooltip("cell:N"), alt.Tooltip("phase:N"), alt.Tooltip("took:N")],
    )
    inside = (
        base.transform_filter("datum.fits && !narrow")
        .transform_calculate(middle="(datum.from + datum.to) / 2")
        .mark_text(style="inside", yOffset=4, baseline="middle")
        .encode(x="middle:Q", text="took:N")
    )
    spread = (
        alt.Chart(_data(dots))
        .mark_circle(style="sample", size=26, yOffset=25)
        .encode(y=y, x="total:Q", tooltip=[alt.Tooltip("cell:N"), alt.Tooltip("total:Q")])
    )
    words = alt.Chart(_data(ends)).encode(y=y, x=alt.value(0))
    total = words.mark_text(style="value", align="left", yOffset=-19).encode(text="total:N")
    name = words.mark_text(style="note", align="left", yOffset=-19, dx=62, fontSize=12).encode(
        text=alt.Text("line:N")
    )
    name = name.transform_calculate(
        line="datum.cell + (datum.warm && !narrow ? '  ·  ' + datum.warm : '')"
    )
    return _titled(
        alt.layer(bar, inside, spread, total, name),
        "Where a cold start spends its time",
        "Bars: the median of each phase. Dots: whole starts, one a round.",
        "Stacked bars of the phases of a cold start: "
        + "; ".join(f"{row['cell']}: {row['total']}" for row in ends),
    )


def latency(report: Report) -> Drawing:
    """Draw the quantiles of warm calls, 90, 99 and 99.9 % at equal steps to show their tail."""
    curve: list[Row] = []
    marks: list[Row] = []
    for cell in report["warm"]:
        calls_ms = sorted(call / 1000 for calls in cell["rounds"] for call in calls)
        summary = summarize(calls_ms)
        for rank in _tail_ranks(len(calls_ms)):
            slower = len(calls_ms) / (len(calls_ms) - rank)
            curve.append({"cell": cell["name"], "x": _short(slower), "ms": _short(calls_ms[rank])})
        for share, value in ((50, summary.p50), (95, summary.p95), (99, summary.p99)):
            if value is not None:
                mark = {"x": 100 / (100 - share), "ms": _short(value), "p": f"p{share}"}
                marks.append({"cell": cell["name"], **mark, "label": show_ms(value)})
    most = max(row["x"] for row in curve)
    ticks = [1, 2, *(10.0**power for power in range(1, ceil(log10(max(most, 10))) + 1))]
    x = alt.X("x:Q", title="of all calls").scale(type="log", domain=[1, most], nice=False)
    x = x.axis(
        values=[tick for tick in ticks if tick <= most],
        labelExpr="datum.value == 1 ? 'fastest' : format(100 - 100 / datum.value, '~f') + ' %'",
        labelFlush=True,
        tickCount=len(ticks),
    )
    least_ms, most_ms = min(row["ms"] for row in curve), max(row["ms"] for row in curve)
    _spread_labels(marks, least_ms, most_ms)
    steps = (step * 10.0**power for power in range(-4, 6) for step in (1, 2, 5))
    y = alt.Y("ms:Q", title="answered within").scale(
        type="log", nice=False, domain=[_short(least_ms * 0.85), _short(most_ms * 1.15)]
    )
    y = y.axis(
        labelExpr=_MS_TICKS,
        values=[_short(ms) for ms in steps if least_ms * 0.85 <= ms <= most_ms * 1.15],
    )
    color = alt.Color("cell:N", sort=None, title=None, legend=_legend(1))
    line = (
        alt.Chart(_data(curve), width=_WIDTH, height=300)
        .mark_line(strokeWidth=2.2, interpolate="monotone", clip=True)
        .encode(x=x, y=y, color=color)
    )
    point = (
        alt.Chart(_data(marks))
        .mark_circle(size=64, opacity=1)
        .encode(x="x:Q", y="ms:Q", color=color, tooltip=["cell:N", "p:N", "label:N"])
    )
    # The curves rise: free are the places above the highest, and to the right below the others.
    labels = alt.Chart(_data(marks)).encode(x="x:Q", y="label_ms:Q", text="label:N", color=color)
    above = labels.transform_filter("datum.highest").mark_text(align="right", dx=-7, dy=-9)
    below = labels.transform_filter("!datum.highest").mark_text(align="left", dx=9, dy=9)
    return _titled(
        alt.layer(line, point, above, below),
        "How long warm calls take",
        "Every call counts, none is trimmed; further right are the slowest. "
        + "Marked: p50, p95 and, from 1000 calls on, p99.",
        "Quantile curves of warm calls: "
        + "; ".join(f"{row['cell']}: {row['p']} {row['label']}" for row in marks),
    )


def burst(report: Report) -> Drawing:
    """Draw the requests of a burst as lines, from their arrival to their answer, sorted.

    Of each arrangement it is the round whose last answer is the median one.
    """
    drawn = [(part, _middle_round(part)) for part in report["burst"]]
    last_ms = max((max(one["ended_ms"], default=0.0) for _, one in drawn), default=0.0)
    facets = [
        _burst_facet(part, one, last_ms or 1.0, is_last=part is drawn[-1][0]) for part, one in drawn
    ]
    requests = [row for part, one in drawn for row in _request_rows(part["name"], one)]
    return _titled(
        alt.vconcat(*facets, spacing=26).resolve_scale(x="shared"),
        f"{max(len(one['ended_ms']) + one['failed'] for _, one in drawn)} requests at once",
        "A line is a request: faint while it waits for its turn, full until its answer. "
        + "Of all rounds, the median one.",
        "Timelines of bursts: "
        + "; ".join(
            f"{part['name']}: last answer after {show_ms(max(one['ended_ms'], default=0.0))}"
            for part, one in drawn
        ),
        requests=requests,
    )


def waterfall(report: Report) -> Drawing:
    """Draw when each module was imported and for how long, those that nothing ran of hollow.

    The parameters are for pages: ``least_ms`` hides what is shorter, ``find`` shows the names that
    hold it, ``fold`` leaves one row a package, until a click opens it. A picture has the
    longest ones, some 40.
    """
    rows, groups = _import_rows(report["imports"]["modules"])
    shortest_ms = sorted(row["cumulative_ms"] for row in rows)[-_ROWS:][0]
    least_ms = float(f"{shortest_ms * 0.95:.2g}")
    shown = "find ? indexof(lower(datum.name), lower(find)) >= 0 : datum.cumulative_ms >= least_ms"
    opened = alt.selection_point(name="opened", fields=["package"], toggle="true")
    zoom = alt.selection_interval(
        name="zoom",
        bind="scales",
        encodings=["x"],
        # A bare wheel scrolls the page; trackpads' pinches come with this key.
        zoom="wheel![event.ctrlKey || event.metaKey]",
    )
    end_ms = max(row["end"] for row in rows)
    base = (
        alt.Chart(alt.NamedData("modules"), width=_WIDTH, height=alt.Step(16))
        .transform_filter(shown)
        .transform_filter(
            {"or": ["!fold || find || datum.top", {"param": "opened", "empty": False}]}
        )
        .encode(
            y=alt.Y("row:N", title=None, axis=_names_axis()).sort(field="order", op="min"),
            x=alt.X("began:Q", title=None, axis=_ms_axis(orient="top")).scale(
                domainMin=0, domainMax=_room(end_ms), nice=False
            ),
            tooltip=[
                alt.Tooltip("name:N"),
                alt.Tooltip("cumulative:N", title="with what it imports"),
                alt.Tooltip("self:N", title="itself"),
                alt.Tooltip("parent:N", title="imported by"),
                alt.Tooltip("phase:N"),
                alt.Tooltip("used:N", title="ran later"),
            ],
        )
    )
    # The names of the phases stand between the axis and this legend.
    legend = _legend(symbolOpacity=1, offset=40)
    color = alt.Color("group:N", title=None, legend=legend).scale(domain=groups)
    whole = base.mark_bar(height=11, opacity=0.38, clip=True).encode(x2="end:Q", color=color)
    own = base.mark_bar(height=11, clip=True).encode(x2="own:Q", color=color)
    idle = base.transform_filter("datum.idle")
    hollow = idle.mark_bar(height=11, style="idle", clip=True).encode(x2="end:Q")
    length = base.mark_text(style="note", align="left", dx=4, clip=True).encode(
        x="end:Q", text="cumulative:N"
    )
    return _titled(
        alt.layer(
            *_phase_marks(report["imports"]["modules"], end_ms),
            whole.add_params(opened, zoom),
            own,
            hollow,
            length,
        )
        .resolve_scale(y="shared")
        .add_params(
            alt.param(name="least_ms", value=least_ms),
            alt.param(name="find", value=""),
            alt.param(name="fold", value=False),
        ),
        "What is imported, and when",
        "Full: the module itself. Faint: what it imports. "
        + "Hollow: nothing of it ran while the events were answered.",
        f"Waterfall of {len(rows)} imports that take {show_ms(end_ms)} in all",
        modules=rows,
    )


def memory(report: Report) -> Drawing:
    """Draw the peak memory of each route over what importing leaves, beside the sizes on sale."""
    loaded_mib = median(report["memory"]["loaded_kib"]) / 1024
    rows: list[Row] = []
    for route in report["memory"]["routes"]:
        # The highest of all rounds, as the advice takes it.
        peak_mib = max(route["peak_kib"]) / 1024
        size = fitting_size(max(route["peak_kib"]), COMMON_SIZES_MB)
        rows.append(
            {
                "route": route["name"],
                "loaded": _short(min(loaded_mib, peak_mib)),
                "peak": _short(peak_mib),
                "label": f"{peak_mib:.0f} MiB",
                "took": show_ms(median(route["took_ms"])),
                "fits": f"{size} MB" if size else "no size",
            }
        )
    rows.sort(key=lambda row: -row["peak"])
    most_mib = max(row["peak"] for row in rows)
    # Up to the size that holds everything, if that leaves the bars long enough to compare.
    end_mib = max([most_mib * 1.15, *(s * 1.04 for s in COMMON_SIZES_MB if s <= most_mib * 1.6)])
    sizes = [{"size": size, "label": f"{size} MB"} for size in COMMON_SIZES_MB if size <= end_mib]
    y = alt.Y("route:N", sort=None, title=None, axis=_names_axis())
    found = {row["fits"] for row in rows}
    fits = [name for name in (f"{size} MB" for size in COMMON_SIZES_MB) if name in found]
    fits += ["no size"] * ("no size" in found)
    base = alt.Chart(_data(rows), width=_WIDTH, height=alt.Step(30)).encode(
        y=y,
        tooltip=[
            alt.Tooltip("route:N"),
            alt.Tooltip("label:N", title="peak"),
            alt.Tooltip("took:N", title="first answer"),
        ],
    )
    axis = alt.Axis(labelExpr="format(datum.value, '~f') + ' MiB'", tickCount=6, grid=False)
    x = alt.X("from:Q", title="resident memory", axis=axis).scale(
        domain=[0, _short(end_mib)], nice=False
    )
    before = base.transform_calculate(**{"from": "0"}).mark_bar(height=18, style="quiet")
    during = base.transform_calculate(**{"from": "datum.loaded"}).mark_bar(height=18)
    label = base.transform_calculate(**{"from": "datum.peak"}).mark_text(
        style="value", align="left", dx=5
    )
    size = alt.Chart(_data(sizes)).encode(x=alt.X("size:Q"))
    return _titled(
        alt.layer(
            size.mark_rule(style="mark"),
            size.mark_text(style="note", align="right", dx=-4, dy=-7).encode(
                y=alt.value(0), text="label:N"
            ),
            before.encode(x=x, x2="loaded:Q"),
            during.encode(
                x="from:Q",
                x2="peak:Q",
                color=alt.Color(
                    "fits:N", sort=None, legend=_legend(4, title="needs a size of", offset=20)
                ).scale(domain=fits),
            ),
            label.encode(x="from:Q", text="label:N"),
        ),
        "What each route needs",
        f"Grey: {loaded_mib:.0f} MiB resident before the first event. Colour: what the route adds "
        f"at its peak. Lines: memory sizes on sale; {HEADROOM - 1:.0%} stays in reserve.",
        "Bars of peak memory: " + "; ".join(f"{row['route']}: {row['label']}" for row in rows),
    )


def _burst_facet(part: Burst, one: BurstRound, last_ms: float, *, is_last: bool) -> alt.LayerChart:
    """Draw one arrangement."""
    ended_ms = sorted(one["ended_ms"])
    x = alt.X("from:Q").scale(domainMin=0, domainMax=_room(last_ms), nice=False)
    x = x.axis(
        _ms_axis(labels=is_last, ticks=is_last, title="after all arrived" if is_last else None)
    )
    # With room above the first request for its label.
    whole = len(ended_ms) or 1
    y = alt.Y("order:Q", axis=None).scale(
        reverse=True, domain=[-0.12 * whole, whole], nice=False, zero=False
    )
    lines = (
        alt.Chart(alt.NamedData("requests"))
        .transform_filter(alt.FieldEqualPredicate(field="part", equal=part["name"]))
        .encode(x=x, x2="to:Q", y=y, y2="next:Q")
    )
    answered = lines.transform_filter("!datum.waits").mark_rect(clip=True, opacity=1)
    waiting = lines.transform_filter("datum.waits").mark_rect(style="quiet", clip=True)
    words: list[Row] = []
    if ended_ms:
        first, last = ended_ms[0], ended_ms[-1]
        words = [
            {"at": _short(first), "order": 0, "text": f"first {show_ms(first)}", "top": True},
            {"at": _short(last), "order": whole, "text": f"last {show_ms(last)}", "top": False},
        ]
    labels = alt.Chart(_data(words)).encode(x="at:Q", y="order:Q", text="text:N")
    layers = [
        answered,
        waiting,
        labels.transform_filter("datum.top").mark_text(
            style="value", align="left", baseline="bottom", dx=2, dy=-2
        ),
        labels.transform_filter("!datum.top").mark_text(
            style="value", align="left", baseline="bottom", dx=6
        ),
    ]
    if one["failed"]:
        layers.append(
            alt.Chart(_data([{"text": f"✕ {one['failed']} failed"}]))
            .mark_text(style="failure", align="right", baseline="top")
            .encode(x=alt.value("width"), y=alt.value(4), text="text:N")
        )
    facet: alt.LayerChart = alt.layer(*layers).properties(
        width=_WIDTH - 2 * _PADDING,
        height=150,
        title=alt.TitleParams(
            f"{part['name']}  ·  {'modelled' if part['modelled'] else 'measured'}",
            subtitle=wrap(part["how"], 130),
            fontSize=13,
            offset=8,
        ),
    )
    return facet


def _request_rows(name: str, one: BurstRound) -> list[Row]:
    """Make rows of the requests of one arrangement, the fastest first."""
    pairs = sorted(zip(one["ended_ms"], one["began_ms"], strict=True))
    # Every k-th where they would be thinner than a pixel, the slowest always.
    step = ceil(len(pairs) / _REQUESTS) or 1
    kept = [(order, *pairs[order]) for order in range(len(pairs) - 1, -1, -step)]
    rows: list[Row] = []
    for order, ended_ms, began_ms in reversed(kept):
        for waits, start, stop in ((True, 0.0, began_ms), (False, began_ms, ended_ms)):
            if stop > start:
                rows.append(
                    {
                        "part": name,
                        "order": order,
                        "next": order + step,
                        "waits": waits,
                        "from": _short(start),
                        "to": _short(stop),
                    }
                )
    return rows


def _middle_round(part: Burst) -> BurstRound:
    rounds = sorted(part["rounds"], key=lambda one: max(one["ended_ms"], default=0.0))
    return rounds[len(rounds) // 2]


def _price(cell: ColdCell) -> str:
    """Say how many warm calls a cold start is worth."""
    warm_us = [call for sample in cell["samples"] for call in sample["warm_us"]]
    if not warm_us:
        return ""
    total_ms = median(sample["total_ms"] for sample in cell["samples"])
    warm_ms = median(warm_us) / 1000
    return f"{_three_digits(total_ms / warm_ms)} × a warm call ({show_ms(warm_ms)})"


def _tail_ranks(count: int) -> list[int]:
    """Choose ranks of a sorted list that are even on the stretched axis."""
    ranks = {
        min(count - 1, int(count - count ** (1 - step / _CURVE_POINTS)))
        for step in range(_CURVE_POINTS + 1)
    }
    return sorted(ranks)


def _spread_labels(marks: list[Row], least_ms: float, most_ms: float) -> None:
    """Find places, ``label_ms``, where the labels of one percentile do not touch."""
    # Some 280 pixels show the whole range, and a line of text needs 14 of them.
    apart = (most_ms / least_ms) ** (14 / 280)
    for share in {mark["p"] for mark in marks}:
        column = sorted((m for m in marks if m["p"] == share), key=lambda m: -m["ms"])
        ceiling = float("inf")
        for mark in column:
            mark["highest"] = mark is column[0]
            mark["label_ms"] = mark["ms"] if mark["highest"] else min(mark["ms"], ceiling)
            if not mark["highest"]:
                ceiling = mark["label_ms"] / apart


def _import_rows(modules: Sequence[Imported]) -> tuple[list[Row], list[str]]:
    """Make rows of a waterfall, in order of time, and name the groups that have a colour."""
    # A colour is for packages that are seen often: among the rows that a picture shows.
    longest = sorted(modules, key=lambda module: -module["cumulative_us"])[:_ROWS]
    groups = [
        name
        for name, _ in Counter(_group(module["package"]) for module in longest).most_common(_GROUPS)
    ]
    seen: Counter[str] = Counter()
    rows: list[Row] = []
    for module in modules:
        seen[module["name"]] += 1
        parent = modules[module["parent"]] if module["parent"] >= 0 else None
        began_ms, group = module["began_us"] / 1000, _group(module["package"])
        self_ms, cumulative_ms = module["self_us"] / 1000, module["cumulative_us"] / 1000
        again = f" ({seen[module['name']]})" if seen[module["name"]] > 1 else ""
        rows.append(
            {
                "name": module["name"],
                # A name that is imported again has a row of its own.
                "row": module["name"] + again,
                "package": module["package"],
                "group": group if group in groups else _OTHERS,
                "began": _short(began_ms),
                "own": _short(began_ms + self_ms),
                "end": _short(began_ms + cumulative_ms),
                "cumulative_ms": _short(cumulative_ms),
                "cumulative": show_ms(cumulative_ms),
                "self": show_ms(self_ms),
                "parent": parent["name"] if parent else module["phase"],
                "phase": module["phase"],
                "used": {True: "yes", False: "no", None: "not known"}[module["used"]],
                "idle": module["used"] is False,
            }
        )
    rows.sort(key=lambda row: row["began"])
    entered: set[str] = set()
    for order, row in enumerate(rows):
        row["order"] = order
        # Folded, a package is one row: the first of it.
        row["top"] = row["package"] not in entered
        entered.add(row["package"])
    return rows, [*groups, *([_OTHERS] if any(row["group"] == _OTHERS for row in rows) else [])]


def _group(package: str) -> str:
    return _STANDARD_LIBRARY if package in sys.stdlib_module_names else package


def _phase_marks(modules: Iterable[Imported], end_ms: float) -> list[alt.Chart]:
    """Mark where the application's imports end and those of the first events begin."""
    starts: dict[str, int] = {}
    for module in modules:
        starts.setdefault(module["phase"], module["began_us"])
    if len(starts) < 2:
        return []
    rows: list[Row] = []
    for phase, began_us in starts.items():
        before = rows[-1] if rows else None
        close = before and began_us / 1000 - before["began"] < end_ms * 0.09
        rows.append(
            {
                "phase": phase,
                "began": _short(began_us / 1000),
                # Names that would touch stand on top of each other.
                "line": -22 - 13 * ((rows[-1]["line"] == -22) if close else 0),
            }
        )
    base = alt.Chart(_data(rows)).encode(x="began:Q")
    names = [
        base.transform_filter(f"datum.line == {line}")
        # Charts that can be zoomed cut everything at their edges, unless told otherwise.
        .mark_text(style="note", align="left", fontWeight=600, dx=3, clip=False)
        .encode(y=alt.value(line), text="phase:N")
        for line in sorted({row["line"] for row in rows})
    ]
    return [base.mark_rule(style="mark"), *names]


def _titled(
    chart: Drawing, title: str, subtitle: str, description: str, **datasets: list[Row]
) -> Drawing:
    """Give a chart its words; ``narrow`` is true on small screens.

    Long lists of rows come here as data sets: those that a chart holds itself are copied whole by
    each step of making it.
    """
    words = alt.TitleParams(title, subtitle=wrap(subtitle, 130))
    if isinstance(chart, alt.LayerChart):
        # What stands beside the plot is part of its width. Vega knows no such thing for several.
        chart = chart.properties(autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    chart = chart.properties(title=words, description=description).add_params(
        alt.param(name="narrow", value=False)
    )
    return chart.properties(datasets=datasets) if datasets else chart


def _room(last_ms: float) -> Any:
    """Let an axis end where the label of the last bar does, which is far on small screens."""
    return alt.expr(f"{_short(last_ms)} * (narrow ? 1.4 : 1.14)")


def _names_axis() -> alt.Axis:
    return alt.Axis(labelFontSize=12, labelLimit=alt.expr("narrow ? 104 : 250"), labelPadding=8)


def _legend(narrow_columns: int = 2, **options: Any) -> alt.Legend:
    return alt.Legend(columns=alt.expr(f"narrow ? {narrow_columns} : 0"), **options)


def _ms_axis(**options: Any) -> alt.Axis:
    return alt.Axis(labelExpr=_MS_TICKS, tickCount=alt.expr("narrow ? 4 : 8"), **options)


def _data(rows: list[Row]) -> alt.InlineData:
    return alt.InlineData(values=rows)


def _short(value: float) -> float:
    """Leave what a picture cannot show out of its data."""
    return float(f"{value:.5g}")


def _three_digits(value: float) -> str:
    if value >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}"
