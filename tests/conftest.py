"""Shared by all tests: the recorded events of ``tests/events``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

EVENTS = Path(__file__).parent / "events"


def load_case(case: str) -> dict[str, Any]:
    """Read one recorded file, named ``"aws_rest/live_rest_encoded_path_repeated"``."""
    loaded: dict[str, Any] = json.loads((EVENTS / f"{case}.json").read_text())
    return loaded


@pytest.fixture
def event() -> Any:
    """Give a function that reads one recorded event, a fresh copy each time."""
    return lambda case: load_case(case)["event"]
