"""The benchmark of recording runs, whatever its numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
SINKS = {
    "one in a thousand",
    "folder",
    "JSON Lines",
    "JSON Lines, with bodies",
    "logging",
    "function",
}


def test_every_sink_is_measured(tmp_path: Path) -> None:
    pytest.importorskip("apig_wsgi")  # its version is told
    out = tmp_path / "deep" / "record.json"
    command = [sys.executable, "-m", "benchmarks.record", "--quick", "--json", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    for case in ("usual_us", "1 MB_us"):
        samples = report["samples"][case]
        assert {*samples} == {"median", "every", "mean"}
        for each in samples.values():
            assert {*each} == SINKS | {"nothing"}
            assert all(value > 0 for values in each.values() for value in values)
    assert len(report["table"]) == 6
    for title, rows in report["table"].items():
        assert title in done.stdout
        assert [row["what"] for row in rows] == [*report["samples"]["lost"]]
        for row in rows:
            is_target = title.startswith("usual") and "with pauses" in title
            assert row["target"] == (50.0 if is_target else None)
            assert row["low"] <= row["value"] <= row["high"]
            assert row["reached"] == (row["value"] <= 50 if is_target else None)
    assert {*report["samples"]["lost"]} == SINKS
    assert report["environment"]["quick"] is True
