"""Cassettes of the local gateway: what they hold, and that they replay."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from slsadapt.cli.replay import replay
from slsadapt.errors import LocalError
from slsadapt.local.function import Function
from slsadapt.local.outcome import Failure, FailureKind, Outcome
from slsadapt.local.recording import Keeper
from slsadapt.testing.cassettes import ABSENT, Cassette, read

pytestmark = pytest.mark.once

SHOP = """
from slsadapt import wrap

def app(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    headers = [("Content-Type", "text/plain"), ("Set-Cookie", "session=s3cret")]
    start_response("200 OK", headers)
    return [environ["PATH_INFO"].encode("latin-1"), b" ", body]

def failing_handler(event, context):
    raise LookupError("no such order")

main_handler = wrap(app)
"""
POST = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/orders",
    "rawQueryString": "",
    "headers": {
        "host": "127.0.0.1:9000",
        "content-type": "application/json",
        "authorization": "Bearer abc",
    },
    "requestContext": {
        "domainName": "127.0.0.1",
        "http": {"method": "POST", "path": "/orders", "protocol": "HTTP/1.1", "sourceIp": "::1"},
        "requestId": "JKJaXmPLvHcESHA=",
        "stage": "$default",
    },
    "body": '{"item": 7, "password": "hunter2"}',
    "isBase64Encoded": False,
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Work where a shop is, and forget it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    Path("shop.py").write_text(SHOP)
    import shop  # type: ignore[import-not-found]

    yield shop
    del sys.modules["shop"]


def function(dialect: str = "aws_http", **values: Any) -> Function:
    return Function(
        label="shop", folder=Path(), module="shop", name="main_handler", dialect=dialect, **values
    )


def served(handler: Callable[[Any, Any], Any], event: Any, init_ms: float | None = None) -> Outcome:
    """Call the function as an instance does."""
    payload = json.dumps(handler(json.loads(json.dumps(event)), None)).encode()
    return Outcome(request_id="id-1", payload=payload, duration_ms=20.0, init_ms=init_ms)


def failed(kind: FailureKind, message: str = "", **error: Any) -> Outcome:
    failure = Failure(kind=kind, request_id="id-1", error=error, message=message)
    return Outcome(request_id="id-1", failure=failure, duration_ms=20.0)


def kept(*outcomes: Outcome, event: Any = POST, **values: Any) -> list[Cassette]:
    keeper = Keeper(Path("cassettes"), function(**values))
    for outcome in outcomes:
        keeper.record(event, outcome.request_id, outcome, 21.5, values.get("dialect", "aws_http"))
    keeper.close()
    return read(Path("cassettes"))


def test_what_is_recorded_replays_the_same(shop: Any) -> None:
    kept(served(shop.main_handler, POST), served(shop.main_handler, POST, init_ms=200.0))
    run = CliRunner().invoke(replay, ["cassettes", "--app", "shop:app"])
    assert run.stdout.startswith("2 same in ")
    assert run.exit_code == 0


def test_other_answer_does_not_replay_the_same(shop: Any) -> None:
    outcome = served(shop.main_handler, POST)
    outcome.payload = outcome.payload.replace(b"/orders", b"/order")
    kept(outcome)
    run = CliRunner().invoke(replay, ["cassettes", "--app", "shop:app"])
    assert run.exit_code == 1


def test_cassette(shop: Any) -> None:
    values = {"function_name": "shop", "memory_mb": 256, "timeout_s": 3.0}
    (cassette,) = kept(served(shop.main_handler, POST, init_ms=200.0), **values)
    assert cassette.dialect == "aws_http"
    assert cassette.context is not None
    assert cassette.context["aws_request_id"] == "id-1"
    assert cassette.context["function_name"] == "shop"
    assert cassette.context["memory_limit_in_mb"] == "256"
    assert cassette.timing["total_ms"] == 20.0
    assert cassette.timing["cold"] is True
    # What was left at the end, not at the writing.
    assert cassette.timing["remaining_ms"] <= 2980
    assert cassette.error is None
    assert Path(cassette.path).stat().st_mode & 0o777 == 0o600


def test_secrets_are_taken_out_of_bodies_and_headers(shop: Any) -> None:
    (cassette,) = kept(served(shop.main_handler, POST))
    text = Path(cassette.path).read_text()
    for secret in ("hunter2", "Bearer abc", "s3cret"):
        assert secret not in text
    assert json.loads(cassette.event["body"])["item"] == 7
    assert "event.headers.authorization" in cassette.redacted


def test_function_error_replays_the_same(shop: Any) -> None:
    outcome = failed("error", errorType="LookupError", errorMessage="no such order", stackTrace=[])
    (cassette,) = kept(outcome)
    assert cassette.error == {"type": "builtins.LookupError", "message": "no such order"}
    assert cassette.result is ABSENT
    run = CliRunner().invoke(replay, ["cassettes", "--app", "shop:failing_handler"])
    assert run.stdout.startswith("1 same in ")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        pytest.param(
            failed("error", errorType="shop.SoldError", errorMessage="sold"),
            {"type": "shop.SoldError", "message": "sold"},
            id="class of the function's",
        ),
        pytest.param(
            failed("timeout", "took longer than 3 s"),
            {"type": "timeout", "message": "took longer than 3 s"},
            id="killed",
        ),
    ],
)
def test_error(shop: Any, outcome: Outcome, expected: dict[str, str]) -> None:
    (cassette,) = kept(outcome)
    assert cassette.error == expected


def test_what_the_function_knows_nothing_of_is_not_recorded(shop: Any) -> None:
    own = failed("error", errorType="ValueError", errorMessage="")
    cassettes = kept(failed("throttled"), own, failed("gateway_timeout"))
    assert [each.error for each in cassettes] == [{"type": "builtins.ValueError", "message": ""}]


def test_result_that_is_no_json(shop: Any) -> None:
    (cassette,) = kept(Outcome(request_id="id-1", payload=b"\xff{"))
    assert cassette.result == "\\xff{"
    # The instance's own time is not known.
    assert cassette.timing["total_ms"] == 21.5


def test_context_is_the_platforms(shop: Any) -> None:
    event = {
        "headers": {"host": "1300000000-abc.gz.tencentscf.com"},
        "httpMethod": "GET",
        "path": "/",
        "queryString": {},
    }
    (cassette,) = kept(
        served(shop.main_handler, event),
        event=event,
        dialect="tencent_function_url",
        timeout_s=None,
        memory_mb=64,
    )
    assert cassette.dialect == "tencent_function_url"
    assert cassette.context is not None
    assert cassette.context["request_id"] == "id-1"
    assert cassette.context["memory_limit_in_mb"] == 64
    assert "remaining_ms" not in cassette.timing


def test_a_burst_is_recorded_whole(shop: Any) -> None:
    outcome = served(shop.main_handler, POST)
    assert len(kept(*[outcome] * 500)) == 500


@pytest.mark.parametrize("dialect", ["azure", "gcp", "alibaba_fc2"])
def test_events_that_are_objects_are_refused(tmp_path: Path, dialect: str) -> None:
    with pytest.raises(LocalError, match=f"events of {dialect} are objects"):
        Keeper(tmp_path / "cassettes", function(dialect))
    assert not (tmp_path / "cassettes").exists()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalError, match="cannot make .*/file/cassettes: Not a directory"):
        Keeper(tmp_path / "file" / "cassettes", function())


def test_what_cannot_be_written_is_logged_once(shop: Any, caplog: pytest.LogCaptureFixture) -> None:
    keeper = Keeper(Path("cassettes"), function())
    Path("cassettes").rmdir()
    Path("cassettes").touch()
    outcome = served(shop.main_handler, POST)
    with caplog.at_level(logging.WARNING, "slsadapt"):
        for _ in range(3):
            keeper.record(POST, "id-1", outcome, 21.5, "aws_http")
        keeper.close()
    assert [each.getMessage().partition(":")[0] for each in caplog.records] == ["not recorded"]
