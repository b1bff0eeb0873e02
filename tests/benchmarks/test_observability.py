"""The benchmark of IDs, timing and deadline runs, whatever its numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]


def test_everything_is_measured(tmp_path: Path) -> None:
    for peer in ("apig_wsgi", "asgi_correlation_id", "django_guid", "starlette_context"):
        pytest.importorskip(peer)
    out = tmp_path / "deep" / "observability.json"
    command = [sys.executable, "-m", "benchmarks.observability", "--quick", "--json", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert {*report["samples"]} == {
        "adapter_us",
        "filter_us",
        "span_us",
        "asgi_middleware_us",
        "django_middleware_us",
    }
    rows = [row for rows in report["table"].values() for row in rows]
    assert sorted(row["target"] for row in rows if row["target"] is not None) == [
        0.5,
        1,
        1.0,
        2.0,
        2.0,
        2.0,
    ]
    measured = {row["what"] for row in rows}
    assert {"slsadapt", "asgi-correlation-id", "starlette-context", "django-guid"} <= measured
    for row in rows:
        assert row["low"] <= row["value"] <= row["high"]
        assert row["what"] in done.stdout
        assert row["reached"] == (None if row["target"] is None else row["value"] <= row["target"])
    assert report["environment"]["versions"]["asgi-correlation-id"]
