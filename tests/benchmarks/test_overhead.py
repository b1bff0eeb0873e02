"""The benchmark against peers runs, whatever its numbers, and refuses wrong answers."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slsadapt import gateways

pytestmark = pytest.mark.once

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "overhead.py"

WSGI = {"slsadapt", "apig-wsgi", "serverless-wsgi"}
ASGI = {"slsadapt", "Mangum, lifespan off", "Mangum"}
LARGE = {"slsadapt, WSGI", "apig-wsgi", "serverless-wsgi", "slsadapt, ASGI", "Mangum", "floor"}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("apig_wsgi")
    pytest.importorskip("serverless_wsgi")
    path = tmp_path_factory.mktemp("results") / "deep" / "overhead.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text()) | {"printed": done.stdout}


@pytest.mark.parametrize(
    ("part", "cases", "contenders"),
    [
        ("wsgi_us", 8, WSGI | {"floor"}),
        ("asgi_us", 8, ASGI | {"floor"}),
        ("dialect_us", len(gateways.NAMES), {"slsadapt", "floor"}),
        ("detection_us", len(gateways.NAMES), {"detection"}),
        ("flask_us", 2, WSGI | {"floor"}),
        ("django_us", 2, WSGI | {"floor"}),
        ("starlette_us", 2, ASGI | {"floor"}),
        ("fastapi_us", 2, ASGI | {"floor"}),
        ("large_ms", 2, LARGE),
        ("large_peak_ratio", 2, LARGE),
    ],
)
def test_every_contender_answers_every_event(
    report: Any, part: str, cases: int, contenders: set[str]
) -> None:
    samples = report["samples"][part]
    assert len(samples) == cases
    for each in samples.values():
        assert set(each) == contenders
        assert {len(values) for values in each.values()} == {1 if "peak" in part else 2}
        assert all(value > 0 for values in each.values() for value in values)


@pytest.mark.parametrize("part", ["import_ms", "import_and_first_event_ms"])
def test_every_contender_is_imported_in_fresh_interpreters(report: Any, part: str) -> None:
    contenders = {base: set(each) for base, each in report["samples"][part].items()}
    assert contenders == {
        "WSGI function": WSGI,
        "Flask": WSGI,
        "Django": WSGI,
        "ASGI function": {"slsadapt", "Mangum"},
        "FastAPI": {"slsadapt", "Mangum"},
    }
    assert "slsadapt" in report["samples"]["loaded_modules"]["WSGI function"]
    assert "asyncio" in report["samples"]["loaded_modules"]["ASGI function"]


def test_table_holds_every_target(report: Any) -> None:
    rows = [row for rows in report["table"].values() for row in rows]
    targets = sorted((row["against"], row["target"]) for row in rows if row["target"] is not None)
    assert targets == sorted(
        [
            ("apig-wsgi", 0.7),
            ("serverless-wsgi", 0.15),
            ("Mangum, lifespan off", 0.45),
            ("Mangum", 0.16),
            ("", 12.0),  # ms, alone
            *[("", 1.5)] * 3,  # ms, on Flask, Django and FastAPI
            ("", 0),  # unwanted modules
            *[("", 1.0)] * 5,  # µs, detection of the core dialects
            *[("", 3.0)] * (len(gateways.NAMES) - 5),  # and of the rest
            *[("floor", 1.25)] * 4,  # 6 MB each way, WSGI and ASGI
            *[("", 3)] * 4,  # its peak memory
        ]
    )
    for row in rows:
        assert row["low"] <= row["value"] <= row["high"]
        assert row["what"] in report["printed"]
        assert row["reached"] == (None if row["target"] is None else row["value"] <= row["target"])


def test_report_records_what_the_numbers_depend_on(report: Any) -> None:
    assert report["environment"]["python"] == sys.version
    assert report["environment"]["quick"] is True
    assert {"slsadapt", "apig-wsgi", "serverless-wsgi", "mangum"} <= set(
        report["environment"]["versions"]
    )
    assert len(report["events"]["headline"]) == 6


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"statusCode": 500, "body": "hello", "isBase64Encoded": False}, id="status"),
        pytest.param({"statusCode": 200, "body": "aGVsbG8=", "isBase64Encoded": False}, id="flag"),
        pytest.param({"statusCode": 200, "body": "aGVsbA==", "isBase64Encoded": True}, id="body"),
    ],
)
def test_wrong_answer_is_an_error(result: dict[str, Any]) -> None:
    script = runpy.run_path(str(SCRIPT))
    check = script["check"]
    check("peer", {"statusCode": 200, "body": "aGVsbG8=", "isBase64Encoded": True}, b"hello")
    with pytest.raises(script["WrongAnswerError"], match="peer answered"):
        check("peer", result, b"hello")
