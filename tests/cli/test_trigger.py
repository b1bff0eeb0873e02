"""``slsadapt trigger`` beside a function that is served."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from slsadapt.cli.trigger import trigger
from slsadapt.local import clouds
from slsadapt.local.function import Function
from slsadapt.local.invoke import InvokeApi
from slsadapt.local.outcome import Failure, FailureKind, Outcome
from tests.local.wire import Wire

pytestmark = pytest.mark.once

TRACE = [
    '  File "/var/task/shop.py", line 3, in main_handler\n    sell()\n',
    "  File \"/var/task/shop.py\", line 9, in sell\n    raise LookupError('sold')\n",
]


class Served:
    """A function that is served, and what it was called with."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.events: list[Any] = []
        self.payload = b'{"sold": 3, "city": "\xe5\x9f\x8e"}'
        self.failure: tuple[FailureKind, dict[str, Any]] | None = None
        self.serve("aws_http")

    def serve(self, dialect: str) -> None:
        function = Function(
            label="shop", folder=Path(), module="shop", name="main_handler", dialect=dialect
        )
        self.wire.app = InvokeApi(function, clouds.load(dialect), self)

    async def invoke(
        self, payload: bytes, *, request_id: str, headers: Mapping[str, str] = {}
    ) -> Outcome:
        self.events.append(json.loads(payload))
        if self.failure is None:
            return Outcome(request_id=request_id, payload=self.payload)
        kind, error = self.failure
        failure = Failure(kind=kind, request_id=request_id, error=error, message="", timeout_s=3.0)
        return Outcome(request_id=request_id, failure=failure)

    def run(self, *arguments: str, stdin: str = "") -> Result:
        return run(*arguments, "--port", str(self.wire.port - 1), stdin=stdin)


def run(*arguments: str, stdin: str = "") -> Result:
    environ = {"NO_COLOR": "1", "http_proxy": "http://127.0.0.1:1"}
    return CliRunner().invoke(
        trigger, arguments, input=stdin, env=environ, prog_name="slsadapt trigger"
    )


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def served(wire: Wire) -> Served:
    return Served(wire)


def test_timer_of_what_is_served(served: Served) -> None:
    served.serve("tencent_apigw")
    done = served.run("timer", "--name", "nightly", "--payload", "orders")
    assert done.exit_code == 0, done.output
    (event,) = served.events
    assert event.pop("Time").endswith("Z")
    assert event == {"Type": "Timer", "TriggerName": "nightly", "Message": "orders"}
    first, *rest = done.stdout.splitlines()
    assert first.startswith("returned  ")
    assert first.endswith(" ms")
    assert rest == ["{", '  "sold": 3,', '  "city": "城"', "}"]


def test_nothing_returned_is_null(served: Served) -> None:
    served.payload = b"null"
    done = served.run("timer")
    assert done.stdout.splitlines()[1:] == ["null"]


def test_timer_of_a_named_dialect(served: Served) -> None:
    assert served.run("timer", "--dialect", "alibaba_fc3").exit_code == 0
    assert [*served.events[0]] == ["triggerTime", "triggerName", "payload"]


def test_payload_for_aws_is_the_event(served: Served) -> None:
    assert served.run("timer", "--payload", '{"table": "orders"}').exit_code == 0
    assert served.events == [{"table": "orders"}]
    done = served.run("timer", "--payload", "orders")
    assert done.exit_code == 2
    assert "a payload for aws_http must be JSON" in done.stderr


def test_platform_without_timers(served: Served) -> None:
    served.serve("yandex")
    done = served.run("timer")
    assert done.exit_code == 2
    assert "there are no timer events of yandex" in done.stderr
    assert served.events == []


def test_event_of_a_file(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text('{"Records": [{"body": "城"}]}', encoding="utf-8")
    assert served.run("event", str(file)).exit_code == 0
    assert served.events == [{"Records": [{"body": "城"}]}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"source": "a page", "event": [1]}', [1], id="recorded case"),
        pytest.param('{"slsadapt": 1, "event": {"a": 1}, "result": 2}', {"a": 1}, id="cassette"),
        pytest.param('{"event": "sold"}', {"event": "sold"}, id="event of that key"),
        pytest.param('"text"', "text", id="no object"),
    ],
)
def test_event_of_standard_input(served: Served, text: str, expected: Any) -> None:
    assert served.run("event", "-", stdin=text).exit_code == 0
    assert served.events == [expected]


def test_result_for_programs_is_as_it_was_sent(served: Served) -> None:
    done = served.run("event", "-", "--json", stdin="{}")
    assert done.stdout == '{"sold": 3, "city": "城"}\n'


def test_result_is_no_command_of_the_terminal(served: Served) -> None:
    served.payload = '{"a": "[bold]\x9b31m"}'.encode()
    done = served.run("event", "-", stdin="{}")
    assert '  "a": "[bold]\\x9b31m"\n' in done.stdout


def test_function_error_is_told_as_python_does(served: Served) -> None:
    told = {"errorMessage": "sold", "errorType": "LookupError", "stackTrace": TRACE}
    served.failure = ("error", told)
    done = served.run("timer")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "Traceback (most recent call last):",
        '  File "/var/task/shop.py", line 3, in main_handler',
        "    sell()",
        '  File "/var/task/shop.py", line 9, in sell',
        "    raise LookupError('sold')",
        "LookupError: sold",
    ]


def test_traceback_that_is_one_text(served: Served) -> None:
    served.serve("tencent_apigw")
    served.failure = (
        "error",
        {"errorType": "LookupError", "errorMessage": "x", "stackTrace": TRACE},
    )
    done = served.run("timer")
    assert done.exit_code == 1
    assert "\n    raise LookupError('sold')\n" in done.stderr


def test_function_error_for_programs(served: Served) -> None:
    told = {"errorMessage": "sold", "errorType": "LookupError", "stackTrace": TRACE}
    served.failure = ("error", told)
    done = served.run("timer", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["errorType"] == "LookupError"


def test_function_that_took_too_long(served: Served) -> None:
    served.failure = ("timeout", {})
    done = served.run("timer")
    assert done.exit_code == 1
    assert "Task timed out after 3.00 seconds" in done.stderr


def test_throttled(served: Served) -> None:
    served.failure = ("throttled", {})
    done = served.run("timer")
    assert done.exit_code == 1
    assert done.stderr == "Error: TooManyRequestsException: Rate Exceeded.\n"


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    done = run("timer", "--port", str(port - 1))
    assert done.exit_code == 1
    assert f"nothing answers at http://127.0.0.1:{port}: " in done.stderr
    assert "\n  slsadapt serve TARGET\n" in done.stderr


@pytest.mark.parametrize("command", [("timer",), ("event", "-")])
def test_something_else_answers(wire: Wire, command: tuple[str, ...]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    wire.app = app
    done = run(*command, "--url", f"http://127.0.0.1:{wire.port}/", stdin="{}")
    assert done.exit_code == 1
    assert "is not where 'slsadapt serve' is invoked" in done.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:9001", "https://a", "http://a:b", "http://a/stage"])
def test_url_that_is_none(url: str) -> None:
    done = run("timer", "--url", url)
    assert done.exit_code == 2
    assert "--url takes one such as http://127.0.0.1:9001" in done.stderr


def test_file_that_holds_no_json() -> None:
    done = run("event", "-", stdin="sold")
    assert done.exit_code == 2
    assert "<stdin> must hold JSON: " in done.stderr
