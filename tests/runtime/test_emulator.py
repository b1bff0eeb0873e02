"""Our runtime under AWS's own Runtime Interface Emulator."""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

if sys.platform != "linux":
    pytest.skip("the emulator runs on Linux", allow_module_level=True)

from .emulator import Emulator, emulating, find_emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.once

COMMAND = [sys.executable, "-m", "slsadapt.runtime"]
FUNCTION = """
import os
import time

from flask import Flask, request

from slsadapt import wrap

app = Flask(__name__)
served = 0


@app.route("/<path:path>", methods=["GET", "POST"])
def echo(path):
    response = app.make_response(f"{request.method} {path} {request.get_data().decode()}")
    response.set_cookie("a", "1")
    return response


web = wrap(app)


def handler(event, context):
    global served
    served += 1
    kind = event.get("kind")
    if kind == "raise":
        raise ValueError("wrong")
    if kind == "exit":
        os._exit(3)
    if kind == "large":
        return "x" * event["size"]
    if kind == "sleep":
        time.sleep(60)
    if kind == "context":
        left_ms = context.get_remaining_time_in_millis()
        return {
            "name": context.function_name,
            "memory": context.memory_limit_in_mb,
            "arn": context.invoked_function_arn,
            "has_id": len(context.aws_request_id) == 36,
            "is_in_time": 0 < left_ms <= 10_000,
            "client": context.client_context.custom if context.client_context else None,
        }
    return [served, event]
"""


@pytest.fixture(scope="module")
def executable() -> Path:
    return find_emulator()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("function")
    (folder / "index.py").write_text(FUNCTION)
    return folder


@pytest.fixture(scope="module")
def emulator(executable: Path, folder: Path) -> Iterator[Emulator]:
    log = folder.parent / "emulator.log"
    with emulating(executable, [*COMMAND, "index.handler"], folder, log) as emulator:
        yield emulator


def test_application_answers_through_the_adapter(
    executable: Path, folder: Path, tmp_path: Path, event: Callable[[str], Any]
) -> None:
    sent = event("aws_http/live_httpapi_encoded_path_repeated")
    with emulating(executable, [*COMMAND, "index.web"], folder, tmp_path / "log") as emulator:
        answer = emulator.invoke(sent)
    assert answer.status == 200
    assert answer.body["statusCode"] == 200
    assert answer.body["cookies"] == ["a=1; Path=/"]
    assert answer.body["body"].startswith(sent["requestContext"]["http"]["method"] + " ")


def test_event_comes_back_as_often_as_it_is_sent(emulator: Emulator) -> None:
    first = emulator.invoke({"text": "é\U0001f600"})
    again = emulator.invoke({"text": "é\U0001f600"})
    assert (first.status, first.body[1]) == (200, {"text": "é\U0001f600"})
    assert again.body == [first.body[0] + 1, {"text": "é\U0001f600"}]


def test_context_is_told(emulator: Emulator) -> None:
    client = base64.b64encode(json.dumps({"custom": {"a": 1}}).encode()).decode()
    answer = emulator.invoke({"kind": "context"}, **{"X-Amz-Client-Context": client})
    assert answer.body == {
        "name": "orders",
        "memory": "256",
        "arn": "arn:aws:lambda:us-east-1:012345678912:function:orders",
        "has_id": True,
        "is_in_time": True,
        "client": {"a": 1},
    }


def test_exception_is_the_invokers(emulator: Emulator, folder: Path) -> None:
    answer = emulator.invoke({"kind": "raise"})
    line = 1 + FUNCTION[: FUNCTION.index("        raise ValueError")].count("\n")
    where = f'File "{folder}/index.py", line {line}, in handler'
    request_id = answer.body.pop("requestId")
    assert len(request_id) == 36
    assert answer == (
        200,
        {
            "errorMessage": "wrong",
            "errorType": "ValueError",
            "stackTrace": [f'  {where}\n    raise ValueError("wrong")\n'],
        },
    )


def test_process_that_ends_fails_its_invocation_alone(emulator: Emulator) -> None:
    answer = emulator.invoke({"kind": "exit"})
    assert answer.body["errorType"] == "Runtime.ExitError"
    assert answer.body["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
    assert emulator.invoke({}).body == [1, {}]


def test_largest_result_passes(emulator: Emulator) -> None:
    # With its quotes, it is 6,291,556 bytes.
    answer = emulator.invoke({"kind": "large", "size": 6_291_554})
    assert (answer.status, len(answer.body)) == (200, 6_291_554)


def test_larger_result_is_refused_and_the_function_lives_on(emulator: Emulator) -> None:
    before = emulator.invoke({}).body[0]
    answer = emulator.invoke({"kind": "large", "size": 6_291_555})
    assert answer.body["errorType"] == "Function.ResponseSizeTooLarge"
    assert "6291556" in answer.body["errorMessage"]
    assert emulator.invoke({}).body == [before + 2, {}]


def test_timeout_kills_and_the_next_invocation_starts_anew(
    executable: Path, folder: Path, tmp_path: Path
) -> None:
    command = [*COMMAND, "index.handler"]
    environ = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "1"}
    with emulating(executable, command, folder, tmp_path / "log", **environ) as emulator:
        assert emulator.invoke({}).body == [1, {}]
        answer = emulator.invoke({"kind": "sleep"})
        assert answer == (200, "Task timed out after 1.00 seconds")
        assert emulator.invoke({}).body == [1, {}]


def test_function_that_cannot_be_imported_is_told(
    executable: Path, folder: Path, tmp_path: Path
) -> None:
    command = [*COMMAND, "index.missing"]
    with emulating(executable, command, folder, tmp_path / "log") as emulator:
        answer = emulator.invoke({})
    assert answer.body["errorType"] == "Runtime.HandlerNotFound"
    assert answer.body["errorMessage"] == "Handler 'missing' missing on module 'index'"
