"""Write a report as one page that loads nothing, and as pictures."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shlex
from dataclasses import dataclass, field, replace
from functools import cache
from html import escape
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import vl_convert
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from ..errors import BenchError
from .charts import PHASES, charts, show_ms, theme
from .compare import paired
from .stats import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .charts import Drawing
    from .report import ColdCell, Report
    from .stats import Summary

__all__ = ["write_page", "write_png"]

_HERE = Path(__file__).parent
# Twice, for screens with small pixels.
_SCALE = 2.0
# Which part of a report each chart shows, by the names of both.
_PARTS = {
    "phases": "cold",
    "latency": "warm",
    "burst": "burst",
    "waterfall": "imports",
    "memory": "memory",
}
# Of the table of imports.
_PACKAGES = 15


@dataclass(frozen=True, slots=True)
class _Table:
    """Text cells in rows; the first ``texts`` columns are words, the others numbers."""

    caption: str
    head: Sequence[str]
    rows: list[list[str]]
    texts: int = 1


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    title: str
    lead: str
    chart: str = ""
    tables: list[_Table] = field(default_factory=list)
    # Of the waterfall: where its filter stands, and how far it goes.
    least_ms: float | None = None
    slider_ms: float = 0.0


def write_page(report: Report, file: Path) -> None:
    """Write one HTML file with charts, tables and the whole report in it.

    It needs no network. It follows its reader's wish for light or dark, and the width of the
    screen.

    Raises:
        BenchError: the report holds no measurement.
    """
    drawn = _drawn(report)
    specs = {name: chart.to_dict() for name, chart in drawn.items()}
    sections = [_section(report, name, spec) for name, spec in specs.items()]
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    packed = gzip.compress(json.dumps(report, ensure_ascii=False).encode(), mtime=0)
    text = environment.get_template("page.html").render(
        version=report["slsadapt"],
        target=report["target"],
        made=_date(report["made"]),
        machine=_machine(report),
        figures=_figures(report),
        sections=[*sections, _conditions(report)],
        commands=_commands(report),
        drawings={"charts": specs, "themes": {"light": theme(), "dark": theme(dark=True)}},
        packed=base64.b64encode(packed).decode(),
        style=_resource("page.css"),
        script=_resource("page.js"),
        vega=_vega(),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def write_png(report: Report, file: Path) -> list[Path]:
    """Write one tall picture of all charts or, where file has no suffix, a folder of pictures.

    Returns:
        The files written.

    Raises:
        BenchError: the report holds no measurement.
    """
    pictures = {name: _svg(chart) for name, chart in _drawn(report).items()}
    if file.suffix:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_png(_stack(report, list(pictures.values()))))
        return [file]
    file.mkdir(parents=True, exist_ok=True)
    written = []
    for name, picture in pictures.items():
        written.append(file / f"{name}.png")
        written[-1].write_bytes(_png(picture))
    return written


def _drawn(report: Report) -> dict[str, Drawing]:
    drawn = charts(report)
    if not drawn:
        raise BenchError(
            "the report must hold a measurement to draw, one of cold, warm, burst, imports and "
            f"memory; it has only {', '.join(sorted(report))}"
        )
    return drawn


def _svg(chart: Drawing) -> str:
    return vl_convert.vegalite_to_svg(chart.to_dict(), config=theme(), allowed_base_urls=[])


def _png(svg: str) -> bytes:
    return vl_convert.svg_to_png(svg, scale=_SCALE)


def _stack(report: Report, pictures: list[str]) -> str:
    """Put pictures below each other, under the name of what was measured."""
    sizes = []
    for picture in pictures:
        found = re.match(r'<svg[^>]*? width="([\d.]+)" height="([\d.]+)"', picture)
        assert found is not None
        sizes.append((float(found[1]), float(found[2])))
    colours, width = theme(), max(width for width, _ in sizes)
    title, style, top = colours["title"], colours["style"]["note"], 84.0
    parts = []
    for number, (picture, (_, height)) in enumerate(zip(pictures, sizes, strict=True)):
        # Each names its clips from 0 on, and in one picture names are shared.
        picture = re.sub(r'(id="|url\(#)((?:clip|gradient)_?\d+)', rf"\1p{number}_\2", picture)
        parts.append(picture.replace("<svg", f'<svg y="{top}"', 1))
        top += height + 12
    font = escape(colours["font"])
    lines = [
        (38, 22, 600, title["color"], report["target"]),
        (62, 12, 400, style["color"], f"{_date(report['made'])} · {_machine(report)}"),
    ]
    words = "".join(
        f'<text x="16" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'font-family="{font}">{escape(line)}</text>'
        for y, size, weight, colour, line in lines
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width}" height="{top}"><rect width="100%" height="100%" '
        f'fill="{colours["background"]}"/>{words}{"".join(parts)}</svg>'
    )


def _section(report: Report, chart: str, spec: dict[str, Any]) -> _Section:
    """Move the words of a chart into the page, where they wrap and can be read aloud."""
    # The page says mode and version itself; a schema's address is an address.
    spec.pop("$schema", None)
    words = spec.pop("title")
    for facet in spec.get("vconcat", ()):
        facet["title"].pop("subtitle", None)
    section = _Section(
        _PARTS[chart], words["text"], " ".join(words["subtitle"]), chart, _TABLES[chart](report)
    )
    if chart != "waterfall":
        return section
    least_ms = next(param["value"] for param in spec["params"] if param["name"] == "least_ms")
    return replace(section, least_ms=least_ms, slider_ms=max(5.0, round(least_ms * 3)))


def _cold_tables(report: Report) -> list[_Table]:
    totals, parts = [], []
    for cell in report["cold"]:
        summary = summarize([sample["total_ms"] for sample in cell["samples"]])
        warm_ms = _warm_ms(cell)
        totals.append(
            [
                cell["name"],
                *_numbers(summary),
                _ratio(report, "cold", report["cold"][0]["name"], cell["name"]),
            ]
        )
        parts.append(
            [
                cell["name"],
                *(show_ms(median(sample[phase] for sample in cell["samples"])) for phase in PHASES),  # type: ignore[literal-required]
                _mib(median(sample["rss_kib"] for sample in cell["samples"])),
                f"{median(sample['modules'] for sample in cell['samples']):.0f}",
                show_ms(warm_ms) if warm_ms else "–",
                f"{summary.median / warm_ms:,.0f} ×" if warm_ms else "–",
            ]
        )
    return [
        _Table(
            "From asking for the process to its first response",
            ["state", "starts", *_NUMBERS, "to the first state"],
            totals,
        ),
        _Table(
            "Medians of the phases, and of what the process is after them",
            ["state", *PHASES.values(), "resident", "modules", "warm call", "cold ÷ warm"],
            parts,
        ),
    ]


def _warm_tables(report: Report) -> list[_Table]:
    rows = []
    for cell in report["warm"]:
        summary = summarize([call / 1000 for calls in cell["rounds"] for call in calls])
        against = _ratio(report, "warm", report["warm"][0]["name"], cell["name"])
        rows.append([cell["name"], *_numbers(summary), against])
    head = ["state", "calls", *_NUMBERS, "to the first state"]
    return [_Table("Single calls, all rounds together", head, rows)]


def _burst_tables(report: Report) -> list[_Table]:
    rows = []
    for part in report["burst"]:
        ended_ms = [ended for one in part["rounds"] for ended in one["ended_ms"]]
        failed = sum(one["failed"] for one in part["rounds"])
        times = (min(ended_ms), median(ended_ms), max(ended_ms)) if ended_ms else ()
        rows.append(
            [
                part["name"],
                "modelled" if part["modelled"] else "measured",
                part["how"],
                str(len(part["rounds"])),
                f"{len(ended_ms):,}",
                f"{failed:,}",
                *(show_ms(time) for time in times or ()),
                *([] if times else ["–"] * 3),
            ]
        )
    head = ["arrangement", "times are", "how", "rounds", "succeeded", "failed"]
    return [_Table("All rounds together", [*head, "fastest", "median", "slowest"], rows, texts=3)]


def _import_tables(report: Report) -> list[_Table]:
    packages: dict[str, list[Any]] = {}
    modules = report["imports"]["modules"]
    for module in modules:
        packages.setdefault(module["package"], []).append(module)
    costs = {name: sum(each["self_us"] for each in found) for name, found in packages.items()}
    whole_us = sum(costs.values()) or 1
    rows = []
    for name in sorted(packages, key=lambda name: -costs[name])[:_PACKAGES]:
        found = packages[name]
        runnable = [each for each in found if each["used"] is not None]
        ran = sum(each["used"] for each in runnable)
        rows.append(
            [
                name,
                show_ms(costs[name] / 1000),
                f"{100 * costs[name] / whole_us:.1f} %",
                show_ms(max(each["cumulative_us"] for each in found) / 1000),
                str(len(found)),
                f"{ran} of {len(runnable)}" if runnable else "–",
            ]
        )
    head = ["package", "its own modules", "of all", "with what it imports", "modules", "ran later"]
    caption = f"Packages that cost most, of {len(packages)} with {len(modules)} modules"
    return [_Table(caption, head, rows)]


def _memory_tables(report: Report) -> list[_Table]:
    loaded_kib = median(report["memory"]["loaded_kib"])
    rows = []
    for route in sorted(report["memory"]["routes"], key=lambda route: -median(route["peak_kib"])):
        peak_kib = median(route["peak_kib"])
        rows.append(
            [
                route["name"],
                str(route["status"]),
                _mib(peak_kib),
                _mib(max(0, peak_kib - loaded_kib)),
                show_ms(median(route["took_ms"])),
                show_ms(median(route["warm_ms"])) if route["warm_ms"] else "–",
            ]
        )
    head = ["route", "status", "peak", "above loaded", "first answer", "later answers"]
    return [_Table("Each route in a fresh process, medians of the rounds", head, rows)]


_TABLES = {
    "phases": _cold_tables,
    "latency": _warm_tables,
    "burst": _burst_tables,
    "waterfall": _import_tables,
    "memory": _memory_tables,
}
_NUMBERS = ("median", "95 % interval", "p95", "p99", "fastest", "slowest")


def _numbers(summary: Summary) -> list[str]:
    """Write a summary under ``_NUMBERS``, with how many samples it has before them."""
    low_ms, high_ms = summary.low, summary.high
    return [
        f"{summary.n:,}",
        show_ms(summary.median),
        "–" if low_ms is None or high_ms is None else f"{show_ms(low_ms)} to {show_ms(high_ms)}",
        show_ms(summary.p95),
        "–" if summary.p99 is None else show_ms(summary.p99),
        show_ms(summary.minimum),
        show_ms(summary.maximum),
    ]


def _ratio(report: Report, part: str, base: str, new: str) -> str:
    """Compare two cells within rounds, ``"2.55 × (2.46 to 2.70)"``."""
    if base == new:
        return "1"
    try:
        comparisons = paired(report, base, new)
    except BenchError:
        # Other rounds, so nothing took turns.
        return "–"
    for one in comparisons:
        if one.name.partition(" ")[0] == part and not one.phase:
            low, high = one.ratio.low, one.ratio.high
            known = low is not None and high is not None
            return f"{one.ratio.value:.2f} ×" + (f" ({low:.2f} to {high:.2f})" if known else "")
    return "–"


def _conditions(report: Report) -> _Section:
    """Say in which states, on what and with which versions all this was measured."""
    cells = [("cold", cell) for cell in report.get("cold", ())]
    cells += [("warm", cell) for cell in report.get("warm", ())]  # type: ignore[misc]
    states = [
        [cell["name"], what, *(cell["state"][name] for name in _STATE)]  # type: ignore[literal-required]
        for what, cell in cells
    ]
    environment = report["environment"]
    machine = [
        ["Python", environment["python"]],
        ["kernel", environment["kernel"]],
        ["processor", f"{environment['processor']}, {environment['cpus']} to run on"],
        ["memory", f"{environment['memory_mib']:,} MiB"],
        ["load before", f"{environment['load']:.2f}"],
        ["target", report["target"]],
        *(["event", event] for event in report["events"]),
    ]
    tables = [_Table("The machine", ["what", "which"], machine, texts=2)]
    if states:
        head = ["cell", "part", *(name.replace("_", " ") for name in _STATE)]
        tables.insert(0, _Table("States", head, states, texts=len(head)))
    if versions := [[name, version] for name, version in environment["versions"].items()]:
        tables.append(_Table("Versions", ["distribution", "version"], versions, texts=2))
    return _Section(
        "conditions",
        "Under which conditions",
        "A number without its state says nothing: each of these moves it.",
        tables=tables,
    )


_STATE = ("process", "bytecode", "page_cache", "gc", "cpu", "adapter")


def _figures(report: Report) -> list[dict[str, str]]:
    """Choose the few numbers that people tell each other."""
    figures = []
    if cold := report.get("cold"):
        samples = cold[0]["samples"]
        total_ms = median(sample["total_ms"] for sample in samples)
        figures.append((f"cold start, {cold[0]['name']}", show_ms(total_ms)))
        if warm_ms := _warm_ms(cold[0]):
            figures.append(("a warm call", show_ms(warm_ms)))
            figures.append(("cold ÷ warm", f"{total_ms / warm_ms:,.0f} ×"))
        modules = median(sample["modules"] for sample in samples)
        figures.append(("modules loaded", f"{modules:,.0f}"))
        resident_kib = median(sample["rss_kib"] for sample in samples)
        figures.append(("resident memory", _mib(resident_kib)))
    elif warm := report.get("warm"):
        calls_us = [call for calls in warm[0]["rounds"] for call in calls]
        figures.append((f"a warm call, {warm[0]['name']}", show_ms(median(calls_us) / 1000)))
    if routes := report.get("memory", {}).get("routes"):
        peak_kib = max(median(route["peak_kib"]) for route in routes)
        figures.append(("most memory of a route", _mib(peak_kib)))
    return [{"what": what, "value": value} for what, value in figures]


def _commands(report: Report) -> str:
    """Say how to measure the same again, and how to compare."""
    parts = [name for name in _PARTS.values() if name in report]
    # Events are told by their requests, which are no files.
    events = ["EVENT" if len(report["events"]) == 1 else "EVENT..."] * (
        report["events"] != ["GET /"]
    )
    return (
        "\n".join(
            shlex.join(["slsadapt", "bench", part, report["target"], *events, "--json", "new.json"])
            for part in (["all"] if len(parts) == len(_PARTS) else parts)
        )
        + "\nslsadapt bench compare report.json new.json --fail-above 5%"
    )


def _machine(report: Report) -> str:
    environment = report["environment"]
    return f"{environment['python']}, {environment['kernel']}, {environment['processor']}"


def _warm_ms(cell: ColdCell) -> float | None:
    calls_us = [call for sample in cell["samples"] for call in sample["warm_us"]]
    return median(calls_us) / 1000 if calls_us else None


def _mib(kib: float) -> str:
    return f"{kib / 1024:,.0f} MiB"


def _date(made: str) -> str:
    """Write a moment shorter, ``"2026-11-21 15:10"``; ISO 8601 begins with it."""
    return made[:16].replace("T", " ")


def _resource(name: str) -> Markup:
    return Markup((_HERE / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


@cache
def _vega() -> Markup:
    """Give the one function that pages call, and Vega with it; nothing in there ends a script."""
    text = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return Markup(re.sub(r"</(?=script)", r"<\\/", text, flags=re.I))  # noqa: S704
