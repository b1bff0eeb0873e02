"""The benchmark of requests through a gateway runs, whatever its numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]


def test_everything_is_measured(tmp_path: Path) -> None:
    pytest.importorskip("apig_wsgi")  # its version is told
    out = tmp_path / "deep" / "replay.json"
    command = [sys.executable, "-m", "benchmarks.replay", "--quick", "--json", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert {*report["samples"]} == {"flask_us", "starlette_us"}
    rows = [row for rows in report["table"].values() for row in rows]
    assert len(rows) == 8
    for row in rows:
        assert row["against"] in ("werkzeug Client", "Starlette TestClient")
        assert row["what"] in done.stdout
        assert row["reached"] == (row["value"] <= 2)
