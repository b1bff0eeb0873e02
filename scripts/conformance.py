"""Run the test suites of Flask and Starlette themselves through the core gateways.

Their source distributions are downloaded, unchanged; each gets an environment of its own with what
its suite needs. Every test that passes directly must pass through each gateway, or be skipped for
what the gateway cannot carry: the reasons are listed. Exits 1 where one fails.

    make conformance
    .venv/bin/python scripts/conformance.py flask --gateway aws_http --gateway aws_alb
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import time
import venv
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".conformance"
CORE = ("aws_rest", "aws_http", "aws_function_url", "tencent_apigw", "tencent_function_url")


@dataclass
class Suite:
    """A framework's own tests.

    Args:
        requirement: what to download, at the version that the reasons below were looked at.
        needs: what the suite needs beside it.
        own: tests of the test client itself, which no gateway has a part in; with the reason.
    """

    requirement: str
    needs: tuple[str, ...]
    own: dict[str, str] = field(default_factory=dict)


SUITES = {
    "flask": Suite("flask==3.1.3", ("pytest<9", "python-dotenv", "asgiref", "greenlet")),
    "starlette": Suite(
        "starlette==1.10.0",
        (
            "starlette[full]==1.10.0",
            "httpx2[zstd]>=2",
            "pytest>=9.1",
            "blockbuster",
            "trio",
            "opentelemetry-sdk",
            "importlib-metadata",
            "pytest-codspeed",
        ),
        {
            "test_use_testclient_as_contextmanager": "asks which loop of the client's it runs on",
            "test_closing_client_cancels_unclosed_response": "leaves before a background task "
            "ends, for which functions wait",
            "test_capture_trailers": "asks the client for trailers that it offers itself",
            "test_invalid_trailer_sequence": "asks the client to check trailers",
        },
    ),
}


@dataclass
class Run:
    """One suite through one gateway, or directly.

    Attributes:
        passed: how many tests.
        skipped: how many by reason.
        failed: names.
        took_s: without the start of the interpreter.
    """

    suite: str
    gateway: str
    passed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    took_s: float = 0.0


def prepare(name: str) -> Path:
    """Download and unpack a suite, and make its environment; give its folder."""
    suite = SUITES[name]
    folder = FOLDER / name
    python = folder / "venv" / "bin" / "python"
    stamp = folder / suite.requirement
    if not stamp.exists():
        venv.create(folder / "venv", with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run(
            [*pip, "install", "--editable", str(ROOT), suite.requirement, *suite.needs], check=True
        )
        subprocess.run(
            [*pip, "download", "--no-binary=:all:", "--no-deps", suite.requirement],
            check=True,
            cwd=folder,
        )
        (archive,) = folder.glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(folder / "source", filter="data")
        stamp.touch()
    (source,) = (folder / "source").iterdir()
    return source


def run(name: str, gateway: str) -> Run:
    """Run a suite once."""
    source = prepare(name)
    report = FOLDER / name / f"{gateway}.xml"
    own = " and ".join(f"not {test}" for test in SUITES[name].own)
    options = [] if gateway == "directly" else ["--gateway", gateway]
    started_s = time.monotonic()
    done = subprocess.run(
        [
            *(str(FOLDER / name / "venv" / "bin" / "python"), "-m", "pytest", "--quiet"),
            *("-p", "no:cacheprovider", "--tb=short", f"--junit-xml={report}"),
            *(["-k", own] if own else []),
            *options,
        ],
        cwd=source,
        capture_output=True,
        text=True,
    )
    took_s = time.monotonic() - started_s
    (FOLDER / name / f"{gateway}.log").write_text(done.stdout + done.stderr)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{name} through {gateway}: pytest failed\n{done.stdout}{done.stderr}")
    result = Run(name, gateway, took_s=took_s)
    reasons: Counter[str] = Counter()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        test = f"{case.get('classname')}::{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.failed.append(test)
        elif skipped is not None:
            reason = (skipped.get("message") or skipped.get("type") or "").strip()
            reasons[reason.removeprefix(f"{gateway}: ").removeprefix(f"{gateway} ")] += 1
        else:
            result.passed += 1
    result.skipped = dict(reasons)
    return result


def main() -> int:
    """Run what is asked for, two at a time, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("suites", nargs="*", default=[*SUITES], help=f"of {', '.join(SUITES)}")
    parser.add_argument("--gateway", action="append", help=f"instead of {', '.join(CORE)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results here")
    parser.add_argument(
        "-j", "--jobs", type=int, default=2, help="how many at a time (%(default)s)"
    )
    options = parser.parse_args()
    if unknown := sorted({*options.suites} - SUITES.keys()):
        parser.error(f"there is no suite {', '.join(unknown)}; there are {', '.join(SUITES)}")
    gateways = options.gateway or CORE
    runs: list[Run] = []
    for name in options.suites:
        print(f"{name}: preparing {SUITES[name].requirement}", file=sys.stderr)
        prepare(name)
    with ThreadPoolExecutor(options.jobs) as pool:
        jobs = [(name, gateway) for name in options.suites for gateway in ("directly", *gateways)]
        for result in pool.map(lambda job: run(*job), jobs):
            runs.append(result)
            print(f"{result.suite} {result.gateway}: {result.took_s:.0f} s", file=sys.stderr)
    failed = report(runs)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in runs], indent=1) + "\n")
    return 1 if failed else 0


def report(runs: list[Run]) -> int:
    """Print what came of it; tell how many tests fail through a gateway alone."""
    failed = 0
    for name in dict.fromkeys(each.suite for each in runs):
        own = [each for each in runs if each.suite == name]
        directly = next(each for each in own if each.gateway == "directly")
        print(f"\n{SUITES[name].requirement}")
        for each in own:
            only = sorted({*each.failed} - {*directly.failed})
            failed += len(only)
            skipped = sum(each.skipped.values())
            print(
                f"  {each.gateway:22} {each.passed:5} passed {skipped:5} skipped "
                f"{len(each.failed):3} failed ({len(only)} not directly) {each.took_s:6.1f} s"
            )
            for test in only:
                print(f"      {test}")
        for test, reason in SUITES[name].own.items():
            print(f"  left out everywhere: {test}, which {reason}")
        reasons: dict[str, dict[str, int]] = {}
        for each in own:
            for reason, count in each.skipped.items():
                if reason not in directly.skipped:
                    reasons.setdefault(reason, {})[each.gateway] = count
        print("  skipped for:")
        for reason, counts in sorted(reasons.items()):
            told = ", ".join(f"{gateway} {count}" for gateway, count in counts.items())
            print(f"    {reason}\n      {told}")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
