"""What runs inside of instances loads little, because each cold start waits for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import slsadapt

HEAVY = {
    "asyncio",
    "dataclasses",
    "email",
    "http",
    "inspect",
    "logging",
    "selectors",
    "socket",
    "subprocess",
    "threading",
    "traceback",
    "typing",
    "urllib",
    "uuid",
}


@pytest.mark.parametrize(
    "modules",
    [
        "slsadapt.runtime.loop, slsadapt.runtime.results, slsadapt.runtime.context, "
        "slsadapt.runtime.target, slsadapt.runtime.streams",
        "slsadapt.local.inside, slsadapt.local.objects",
    ],
)
def test_nothing_heavy_is_loaded(modules: str) -> None:
    folder = str(Path(slsadapt.__file__).parent.parent)
    code = f"""
import sys
sys.path.insert(0, {folder!r})
before = {{*sys.modules}}
import {modules}
print(*{{*sys.modules}} - before)
"""
    process = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {*process.stdout.split()}
    assert "slsadapt" in loaded
    assert loaded & HEAVY == set()
