"""The benchmark of cold starts runs: its trees differ as they should, and all are measured."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="packages are for Linux, and run here")
def test_every_tree_is_measured(tmp_path: Path) -> None:
    output = tmp_path / "cold.json"
    command = [sys.executable, "-m", "benchmarks.cold", "--json", str(output)]
    done = subprocess.run(
        [*command, "--rounds", "1", "--only", "FastAPI"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    cells = {cell["name"]: cell for cell in report["projects"]["FastAPI"]["cells"]}
    found = {name: cell["state"]["bytecode"] for name, cell in cells.items()}
    # What each packager leaves, as the interpreter finds it.
    for name in ("packaged", "bundle", "ideal"):
        assert found[name].endswith(" valid"), found
    assert found["sam build"].endswith(" stale"), found
    for name in ("no bytecode", "slim"):
        assert found[name].endswith(" none"), found
    assert len(report["overhead"]["timed_us"]) == 1
    assert platform.python_version() in report["environment"]["python"]
