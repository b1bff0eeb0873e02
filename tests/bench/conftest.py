"""A small application and its event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slsadapt import gateways
from slsadapt.bench.target import Target
from slsadapt.message import Request

APP = """
import sys

import helper


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/boom":
        raise RuntimeError("the view failed")
    if path == "/lazy":
        import lazily
    start_response("200 OK", [("Content-Type", "text/plain")])
    print("a line of the application")
    return [b"hello from " + path.encode()]


def plain_handler(event, context):
    return {"statusCode": 200, "body": context.function_name}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with shop.py, its helper, and a module that one route imports."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.py").write_text(APP)
    (folder / "helper.py").write_text("def unused():\n    return 1\n")
    (folder / "lazily.py").write_text("late = True\n")
    return folder


@pytest.fixture
def target(folder: Path) -> Target:
    return Target("shop:app", folder, "shop", "app")


def get(path: str) -> dict[str, Any]:
    """Make the event of a GET."""
    headers = (("host", "localhost"),)
    return gateways.load("aws_http").encode_event(Request("GET", path, "", headers))
