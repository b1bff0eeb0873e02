"""Measure what packages do to cold starts, and what measuring does to warm calls.

Each project is packaged for this very Python and machine, extracted, and started from trees that
differ in nothing but what a packager does to them:

=====================  =========================================================================
packaged               the package of ``slsadapt package``, extracted
no bytecode            the same without it, as ``uv pip install --no-compile-bytecode`` leaves it
ideal                  the same with bytecode compiled in place, valid by time
bundle                 the package of ``slsadapt package --bundle``, extracted
sam build              bytecode of pip, whose sources carry the date of the zip's entries
slim                   neither bytecode nor dist-info
=====================  =========================================================================

``sam build`` zips with all dates at 1980, so that no bytecode fits its source any more
(https://github.com/aws/aws-lambda-builders/issues/924); ``slim`` of serverless-python-requirements
removes ``**/*.py[c|o]``, ``**/__pycache__*`` and ``**/*.dist-info*``
(https://github.com/serverless/serverless-python-requirements#slim-package).

All of a project's trees take turns, in random order within rounds; ratios are taken within a
round, and their intervals are bootstrapped.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import shutil
import sys
import tempfile
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from py_compile import PycInvalidationMode
from statistics import mean, median
from time import perf_counter_ns
from typing import Any

from slsadapt import __version__
from slsadapt.bench.child import Loaded
from slsadapt.bench.cold import Contender, measure_cold
from slsadapt.bench.environment import describe_environment
from slsadapt.bench.processes import Conditions
from slsadapt.bench.stats import Ratio, paired_ratio
from slsadapt.bench.target import Target
from slsadapt.deploy.package import build_package
from slsadapt.deploy.project import read_project
from slsadapt.deploy.runtimes import RUNTIMES, Runtime

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = {
    "Flask": (ROOT / "samples/flask_app", ROOT / "samples/flask_app/events/hello.json"),
    "Django with admin": (
        ROOT / "samples/django_app",
        ROOT / "samples/django_app/events/home.json",
    ),
    "FastAPI": (ROOT / "benchmarks/fastapi_app", None),
}
# (cell, base, the most that the ratio's median, or the interval's upper bound, may be)
TARGETS: dict[str, dict[tuple[str, str], float]] = {
    "Flask": {("packaged", "no bytecode"): 0.45, ("bundle", "packaged"): 0.92},
    "Django with admin": {("packaged", "no bytecode"): 0.35, ("bundle", "packaged"): 0.85},
    "FastAPI": {("packaged", "no bytecode"): 0.5},
}
RATIOS = (
    ("packaged", "no bytecode"),
    ("packaged", "ideal"),
    ("bundle", "packaged"),
    ("packaged", "sam build"),
    ("packaged", "slim"),
)
YEAR_1980 = 315532800


def this_runtime() -> Runtime:
    """Find a runtime whose Python is this one, for this machine."""
    wanted = (f"{sys.version_info.major}.{sys.version_info.minor}", platform.machine())
    for runtime in RUNTIMES.values():
        if (runtime.python, runtime.machine) == wanted:
            return runtime
    raise SystemExit(f"no runtime has Python {wanted[0]} on {wanted[1]}; run another one")


def build_trees(project: Path, folder: Path) -> dict[str, Path]:
    """Package a project, and make the trees that other packagers would have made of it."""
    trees = {}
    for name, bundle in (("packaged", False), ("bundle", True)):
        archive = folder / f"{name}.zip"
        trees[name] = folder / name
        # Bytecode names its source where it will stand, and is changed when it stands elsewhere.
        runtime = replace(this_runtime(), code_folder=str(trees[name]))
        tell(f"{project.name}: {name}")
        build_package(read_project(project), runtime, archive, bundle=bundle, tell=lambda _: None)
        with zipfile.ZipFile(archive) as package:
            package.extractall(trees[name])
    for name, change in (
        ("no bytecode", remove_bytecode),
        ("ideal", compile_in_place),
        ("sam build", date_to_1980),
        ("slim", remove_metadata),
    ):
        trees[name] = folder / name.replace(" ", "-")
        shutil.copytree(trees["packaged"], trees[name])
        change(trees[name])
    return trees


def remove_bytecode(tree: Path) -> None:
    """Leave sources alone."""
    for cache in list(tree.rglob("__pycache__")):
        shutil.rmtree(cache)


def compile_in_place(tree: Path) -> None:
    """Compile as an installer does in place: valid while sources keep their times."""
    remove_bytecode(tree)
    compileall.compile_dir(tree, quiet=2, invalidation_mode=PycInvalidationMode.TIMESTAMP)


def date_to_1980(tree: Path) -> None:
    """Give sources the date of a zip's entries, after pip compiled them at another."""
    compile_in_place(tree)
    for source in tree.rglob("*.py"):
        os.utime(source, (YEAR_1980, YEAR_1980))


def remove_metadata(tree: Path) -> None:
    """Remove what ``slim`` removes."""
    remove_bytecode(tree)
    for folder in tree.glob("*.dist-info"):
        shutil.rmtree(folder)


def measure_project(name: str, rounds: int, folder: Path) -> dict[str, Any]:
    """Measure all trees of a project, and compare those that say something."""
    project, event_file = PROJECTS[name]
    trees = build_trees(project, folder)
    event = read_event(event_file)
    contenders = [
        Contender(tree, Target(tree, path, "index", "main_handler", path=()), conditions())
        for tree, path in trees.items()
    ]
    cells = measure_cold(
        contenders,
        event,
        rounds=rounds,
        seed=1,
        tell=lambda done, total: tell(f"{name}: {done} of {total} starts"),
    )
    totals = {cell["name"]: [sample["total_ms"] for sample in cell["samples"]] for cell in cells}
    ratios = {f"{new} / {base}": paired_ratio(totals[base], totals[new]) for new, base in RATIOS}
    print(f"\n{name}, {rounds} rounds")
    for tree, taken in totals.items():
        print(f"  {tree:<14}{median(taken):8.1f} ms")
    for pair, ratio in ratios.items():
        new, _, base = pair.partition(" / ")
        limit = TARGETS[name].get((new, base))
        wanted = "" if limit is None else f"   target {limit}"
        if pair == "packaged / ideal":
            wanted = "   target: within 1.05"
        print(f"  {pair:<24}{show(ratio)}{wanted}")
    sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("*.zip"))}
    return {
        "cells": cells,
        "ratios": {pair: asdict(ratio) for pair, ratio in ratios.items()},
        "zip_bytes": sizes,
    }


def measure_overhead(rounds: int, calls: int = 500) -> dict[str, Any]:
    """Compare calls as ``bench warm`` times them with a loop that does nothing but call."""
    spec = {
        "path": ([str(ROOT / "samples/flask_app"), str(ROOT)], []),
        "module": "app",
        "name": "app",
        "adapter": "slsadapt",
        "is_handler": False,
        "events": [(read_event(PROJECTS["Flask"][1]), {})],
        "gc": "on",
        "observer": "",
        "marks": False,
        "spawned_ns": perf_counter_ns(),
    }
    loaded = Loaded(spec)
    bare: list[float] = []
    timed: list[float] = []
    for turn in range(rounds + 1):
        for is_timed in (True, False) if turn % 2 else (False, True):
            if is_timed:
                figure = mean(loaded.call(calls, float("1e6"))) / 1000
            else:
                figure = time_bare(loaded, calls)
            # The first turn is the rehearsal.
            if turn:
                (timed if is_timed else bare).append(figure)
    ratio = paired_ratio(bare, timed)
    print(f"\nbench's warm figure / bare loop, {rounds} rounds of {calls} calls")
    print(f"  bare loop     {median(bare):8.2f} µs")
    print(f"  ratio         {show(ratio)}   target: within 1.03")
    return {"bare_us": bare, "timed_us": timed, "ratio": asdict(ratio)}


def time_bare(loaded: Loaded, calls: int) -> float:
    """Call without a clock in between; give the µs of one."""
    event, context = loaded.events[0]
    function = loaded.function
    began = perf_counter_ns()
    for _ in range(calls):
        function(event, context)
    return (perf_counter_ns() - began) / calls / 1000


def conditions() -> Conditions:
    """Pin to the last processor, which has the least to do besides."""
    cpu = max(os.sched_getaffinity(0)) if sys.platform == "linux" else None
    return Conditions(cpu=cpu, adapter="slsadapt")


def read_event(file: Path | None) -> dict[str, Any]:
    """Read an event; without a file, GET / comes from an AWS HTTP API."""
    if file is None:
        from slsadapt.gateways import load
        from slsadapt.message import Request

        return load("aws_http").encode_event(Request("GET", "/", "", (("host", "localhost"),)))
    event = json.loads(file.read_text(encoding="utf-8"))
    return event.get("event", event)  # type: ignore[no-any-return]


def show(ratio: Ratio) -> str:
    """Write a ratio; fewer than six rounds have no interval."""
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3f}"
    return f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"


def tell(line: str) -> None:
    """Show how far it is where somebody looks."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print ratios, write JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--only", choices=PROJECTS, action="append", help="measure these projects")
    options = parser.parse_args()
    report: dict[str, Any] = {"slsadapt": __version__, "projects": {}}
    with tempfile.TemporaryDirectory(prefix="slsadapt-cold-") as temporary:
        # A database that is there already, as a server's is; a new one would be migrated first.
        os.environ["GUESTBOOK_DIR"] = str(Path(temporary, "guestbook"))
        for name in options.only or PROJECTS:
            folder = Path(temporary) / name.replace(" ", "-")
            folder.mkdir()
            report["projects"][name] = measure_project(name, options.rounds, folder)
    report["overhead"] = measure_overhead(options.rounds)
    report["environment"] = describe_environment([])
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
