"""Run whole suites in processes of their own, and read what pytest tells of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

__all__ = ["grouped", "ids", "run", "skips", "suffixed", "summary", "told"]

# With -v pytest writes a line for each report.
_TOLD = re.compile(r"^(\S+::.+) (PASSED|FAILED|SKIPPED|ERROR|XFAIL|XPASS)\b")


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run the suite that a test has written; warnings are errors.

    Where the tests' coverage is measured, so is that of the process.
    """
    coverage = sys.modules.get("coverage")
    measured = coverage and coverage.Coverage.current()
    if measured is None:
        return pytester.runpytest_subprocess("-W", "error", *arguments)
    # Beside the tests' own, which takes up what lies there when it ends.
    data_file = Path(__file__).parents[2] / measured.get_option("run:data_file")
    return pytester.run(
        *(sys.executable, "-m", "coverage", "run", "--parallel-mode", f"--data-file={data_file}"),
        *("--source=slsadapt", "-m", "pytest", f"--basetemp={pytester.path / 'temporary'}"),
        *("-W", "error", *arguments),
    )


def told(result: pytest.RunResult) -> list[tuple[str, str]]:
    """Read what became of each test, without the name of its file."""
    found = [match for line in result.outlines if (match := _TOLD.match(line))]
    return [(match[1].partition("::")[2], match[2].lower()) for match in found]


def skips(result: pytest.RunResult) -> list[str]:
    """Read the reasons that ``-rs`` lists, in order of the alphabet."""
    lines = [line for line in result.outlines if line.startswith("SKIPPED")]
    return sorted(re.sub(r"^SKIPPED \[\d+\] \S+: ", "", line) for line in lines)


def summary(result: pytest.RunResult) -> list[str]:
    """Read the plugin's own section, without empty lines."""
    lines = iter(result.outlines)
    for line in lines:
        if line.strip("= ") == "gateways":
            break
    found: list[str] = []
    for line in lines:
        if line.startswith(("==", "!!")) or re.match(r"\d+ (passed|failed|skipped)", line):
            break
        found += [line] if line else []
    return found


def ids(names: Iterable[str], *dialects: str) -> list[str]:
    return [f"{name}[{dialect}]" for name in names for dialect in dialects]


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, outcome in pairs:
        groups.setdefault(name, []).append(outcome)
    return groups


def suffixed(name: str, dialect: str) -> str:
    return f"{name[:-1]}-{dialect}]" if name.endswith("]") else f"{name}[{dialect}]"
