"""The Invoke API, called by boto3 and over sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.config import Config  # type: ignore[import-untyped]

from slsadapt.local import clouds
from slsadapt.local.function import Function
from slsadapt.local.invoke import InvokeApi
from slsadapt.local.notices import Answered, Line, Notice, Report
from slsadapt.local.outcome import Failure, FailureKind, Outcome
from tests.local.wire import Reply, Wire, write_request

pytestmark = pytest.mark.once

FUNCTION = Function(
    label="shop:app",
    folder=Path(),
    module="shop",
    name="main_handler",
    dialect="aws_http",
    function_name="shop",
    timeout_s=3.0,
    memory_mb=256,
)
INVOCATIONS = "/2015-03-31/functions/function/invocations"
TRACE = ["  File \"/var/task/shop.py\", line 3, in main_handler\n    raise LookupError('sold')\n"]


class Pool:
    """Does what events ask for, as instances would be seen to."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.told: list[Notice] = []
        self.api: InvokeApi | None = None
        self.is_done = threading.Event()

    async def invoke(
        self, payload: bytes, *, request_id: str, headers: Mapping[str, str] = {}
    ) -> Outcome:
        assert self.api is not None
        self.payloads.append(payload)
        self.headers.append(dict(headers))
        event = json.loads(payload)
        asked = event if isinstance(event, dict) else {}
        outcome = Outcome(request_id=request_id, instance="1")
        if kind := asked.get("fails"):
            outcome.failure = failure(kind, request_id, asked.get("error", {}))
        else:
            outcome.payload = json.dumps({"echo": event}).encode()
        await asyncio.sleep(0.01)
        for text in asked.get("prints", ()):
            self.api.told(Line(0.0, "1", request_id, "stdout", text))
            self.api.told(Line(0.0, "2", "another", "stdout", "another's"))
        init_ms = 231.5 if asked.get("cold") else None
        report = Report(0.0, "1", request_id, 12.345, 13, init_ms, 256, 44.6, outcome.failure)
        self.api.told(report)
        self.is_done.set()
        return outcome


def failure(kind: FailureKind, request_id: str, error: dict[str, Any]) -> Failure:
    return Failure(
        kind=kind, request_id=request_id, error=error, message="", timeout_s=3.0, memory_mb=256
    )


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def pool(wire: Wire) -> Pool:
    pool = Pool()
    wire.app = pool.api = InvokeApi(FUNCTION, clouds.load("aws_http"), pool, pool.told.append)
    return pool


@pytest.fixture
def client(wire: Wire, pool: Pool) -> Any:
    """Give boto3's client; its credentials are made up."""
    return boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{wire.port}",
        region_name="us-east-1",
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


def post(wire: Wire, body: bytes = b"{}", path: str = INVOCATIONS, **headers: str) -> Reply:
    """Send one request; an underscore in a name stands for a hyphen."""
    fields = {"Host": f"127.0.0.1:{wire.port}"}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    return wire.send(write_request("POST", path, [*fields.items()], body))


def error_of(reply: Reply) -> tuple[int, list[str], Any]:
    return reply.status, reply.values("x-amzn-errortype"), json.loads(reply.body)


# boto3


def test_result(client: Any, pool: Pool) -> None:
    answer = client.invoke(FunctionName="shop", Payload=b'{"sum": 1.50}')
    assert json.load(answer["Payload"]) == {"echo": {"sum": 1.5}}
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert "LogResult" not in answer
    metadata = answer["ResponseMetadata"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["RequestId"])
    assert metadata["HTTPHeaders"]["content-type"] == "application/json"
    # As it was written, for the function to read.
    assert pool.payloads == [b'{"sum": 1.50}']


def test_without_payload_the_event_is_empty(client: Any, pool: Pool) -> None:
    client.invoke(FunctionName="function")
    assert pool.payloads == [b"{}"]


@pytest.mark.parametrize("payload", ["[1]", '"text"', "null", "12"])
def test_event_is_any_json(client: Any, payload: str) -> None:
    answer = client.invoke(FunctionName="shop", Payload=payload)
    assert json.load(answer["Payload"]) == {"echo": json.loads(payload)}


@pytest.mark.parametrize(
    "name",
    [
        "shop:$LATEST",
        "shop:live",
        "123456789012:function:shop",
        "arn:aws:lambda:eu-west-1:123456789012:function:shop",
        "arn:aws-cn:lambda:cn-north-1:123456789012:function:shop:7",
    ],
)
def test_name(client: Any, name: str) -> None:
    assert client.invoke(FunctionName=name)["StatusCode"] == 200


def test_event_type_does_not_wait(client: Any, pool: Pool) -> None:
    answer = client.invoke(
        FunctionName="shop",
        InvocationType="Event",
        ClientContext=base64.b64encode(b"{}").decode(),
        Payload=b'{"n": 1}',
    )
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    assert "ExecutedVersion" not in answer
    assert pool.is_done.wait(10)
    assert pool.payloads == [b'{"n": 1}']
    # Which only those get who wait.
    assert [*pool.headers[0]] == ["Lambda-Runtime-Trace-Id"]


def test_dry_run_does_nothing(client: Any, pool: Pool) -> None:
    assert client.invoke(FunctionName="shop", InvocationType="DryRun")["StatusCode"] == 204
    assert pool.payloads == []


def test_client_context(client: Any, pool: Pool) -> None:
    context = base64.b64encode('{"custom": {"city": "城"}}'.encode()).decode()
    client.invoke(FunctionName="shop", ClientContext=context)
    assert pool.headers[0]["Lambda-Runtime-Client-Context"] == ('{"custom": {"city": "\\u57ce"}}')


def test_function_error(client: Any) -> None:
    error = {"errorMessage": "sold", "errorType": "LookupError", "stackTrace": TRACE}
    event = json.dumps({"fails": "error", "error": error})
    answer = client.invoke(FunctionName="shop", Payload=event)
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    told = json.load(answer["Payload"])
    assert told["errorMessage"] == "sold"
    assert told["errorType"] == "LookupError"
    assert told["stackTrace"] == TRACE


def test_timeout_is_the_functions_error(client: Any) -> None:
    answer = client.invoke(FunctionName="shop", Payload=b'{"fails": "timeout"}', LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    assert "Task timed out after 3.00 seconds" in json.load(answer["Payload"])["errorMessage"]
    log = base64.b64decode(answer["LogResult"]).decode()
    assert log.endswith("\tMax Memory Used: 45 MB\tStatus: timeout\t\n")


def test_throttled(client: Any, pool: Pool) -> None:
    with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
        client.invoke(FunctionName="shop", Payload=b'{"fails": "throttled"}')
    assert caught.value.response["Error"] == {
        "Message": "Rate Exceeded.",
        "Code": "TooManyRequestsException",
    }
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    (notice,) = pool.told
    assert isinstance(notice, Answered)
    assert notice.status == 429
    assert notice.failure is not None
    assert notice.failure.kind == "throttled"


def test_unknown_function(client: Any, pool: Pool) -> None:
    with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
        client.invoke(FunctionName="shops")
    assert caught.value.response["Error"] == {
        "Message": "Function not found: arn:aws:lambda:us-east-1:123456789012:function:shops",
        "Code": "ResourceNotFoundException",
    }
    assert pool.payloads == []


def test_payload_that_is_no_json(client: Any, pool: Pool) -> None:
    with pytest.raises(client.exceptions.InvalidRequestContentException) as caught:
        client.invoke(FunctionName="shop", Payload=b"{'a': 1}")
    assert "Could not parse request body into json: " in str(caught.value)
    assert pool.payloads == []


def test_configuration(client: Any) -> None:
    told = client.get_function_configuration(FunctionName="function")
    assert told["FunctionName"] == "shop"
    assert told["FunctionArn"] == "arn:aws:lambda:us-east-1:123456789012:function:shop"
    assert told["Handler"] == "shop.main_handler"
    assert told["Timeout"] == 3
    assert told["MemorySize"] == 256
    assert told["Version"] == "$LATEST"
    assert told["State"] == "Active"


# The log


def test_tail_of_a_cold_start(client: Any) -> None:
    event = b'{"cold": true, "prints": ["first", "second"]}'
    answer = client.invoke(FunctionName="shop", Payload=event, LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert base64.b64decode(answer["LogResult"]).decode() == (
        f"START RequestId: {request_id} Version: $LATEST\n"
        "first\n"
        "second\n"
        f"END RequestId: {request_id}\n"
        f"REPORT RequestId: {request_id}\tDuration: 12.35 ms\tBilled Duration: 13 ms\t"
        "Memory Size: 256 MB\tMax Memory Used: 45 MB\tInit Duration: 231.50 ms\t\n"
    )


def test_tail_tells_how_a_process_ended(client: Any) -> None:
    answer = client.invoke(FunctionName="shop", Payload=b'{"fails": "exit"}', LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    assert log.endswith("\tStatus: error\tError Type: Runtime.ExitError\t\n")


@pytest.mark.parametrize("count", [100, 5000])
def test_tail_is_the_last_4_kb(client: Any, count: int) -> None:
    prints = [f"line {number:04} of the 城" for number in range(count)]
    event = json.dumps({"prints": prints})
    answer = client.invoke(FunctionName="shop", Payload=event, LogType="Tail")
    octets = base64.b64decode(answer["LogResult"])
    assert len(octets) == (4096 if count > 100 else len(octets))
    kept = octets.decode(errors="ignore").split("\n")
    assert kept[-5:-3] == prints[-2:]
    assert len([each for each in kept if each in prints]) >= min(count, 150)


# Over sockets


def test_headers_of_a_result(wire: Wire, pool: Pool) -> None:
    reply = post(wire, X_Amzn_Trace_Id="Root=1-5759e988-bd862e3fe1be46a994272793")
    assert (reply.status, reply.body) == (200, b'{"echo": {}}')
    fields = dict(reply.headers)
    assert fields.pop("date")
    assert fields.pop("x-amzn-requestid")
    assert fields == {
        "content-type": "application/json",
        "content-length": "12",
        "x-amz-executed-version": "$LATEST",
        "x-amzn-remapped-content-length": "0",
        "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793",
    }
    assert pool.headers == [{"Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793"}]


def test_answers_are_told(wire: Wire, pool: Pool) -> None:
    began_s = time.time()
    request_id = post(wire).values("x-amzn-requestid")[0]
    deadline_s = began_s + 10
    while not pool.told and time.time() < deadline_s:
        time.sleep(0.001)
    (notice,) = pool.told
    assert isinstance(notice, Answered)
    assert (notice.request_id, notice.line, notice.status) == (request_id, "invoke", 200)
    assert (notice.body_bytes, notice.failure) == (12, None)


def test_invocation_type_is_checked(wire: Wire, pool: Pool) -> None:
    assert error_of(post(wire, X_Amz_Invocation_Type="Later")) == (
        400,
        ["ValidationException"],
        {
            "Type": "User",
            "message": "1 validation error detected: Value 'Later' at 'invocationType' failed to "
            "satisfy constraint: Member must satisfy enum value set: "
            "[RequestResponse, Event, DryRun]",
        },
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="cut off"),
        pytest.param(b"NaN", id="Python's NaN"),
        pytest.param(b'{"a": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"a": 1}'.replace(b"a", b"a\n"), id="line end in a text"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"[" * 100_000, id="nested too deeply"),
    ],
)
def test_no_json(wire: Wire, pool: Pool, body: bytes) -> None:
    status, kinds, told = error_of(post(wire, body))
    assert (status, kinds) == (400, ["InvalidRequestContentException"])
    assert told["message"].startswith("Could not parse request body into json: ")
    assert pool.payloads == []


@pytest.mark.parametrize("context", ["no base64!", "e30", base64.b64encode(b"{").decode()])
def test_client_context_that_is_none(wire: Wire, pool: Pool, context: str) -> None:
    status, kinds, told = error_of(post(wire, X_Amz_Client_Context=context))
    assert (status, kinds) == (400, ["InvalidRequestContentException"])
    assert "must be a valid Base64-encoded JSON object" in told["message"]


def test_client_context_that_is_too_long(wire: Wire, pool: Pool) -> None:
    context = base64.b64encode(b'"' + b"a" * 2700 + b'"').decode()
    assert error_of(post(wire, X_Amz_Client_Context=context))[0] == 400


def test_limit_of_a_payload(wire: Wire, pool: Pool) -> None:
    limit_bytes = 6_291_456
    assert post(wire, b'"' + b"a" * (limit_bytes - 2) + b'"').status == 200
    reply = post(wire, b"{}", Content_Length=str(limit_bytes + 1))
    assert error_of(reply) == (
        413,
        ["RequestEntityTooLargeException"],
        {
            "Type": "User",
            "message": "Request must be smaller than 6291456 bytes for the InvokeFunction "
            "operation",
        },
    )
    assert reply.values("connection") == ["close"]
    assert len(pool.payloads) == 1


def test_limit_of_a_payload_without_a_length(wire: Wire, pool: Pool) -> None:
    connection = HTTPConnection("127.0.0.1", wire.port, timeout=30)
    connection.putrequest("POST", INVOCATIONS)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    # One octet too many is what is missing of the last chunk.
    for _ in range(6):
        connection.send(b"100000\r\n" + b" " * 1048576 + b"\r\n")
    connection.send(b"1\r\n \r\n")
    assert connection.getresponse().status == 413
    connection.close()


def test_limit_of_a_payload_that_nobody_waits_for(wire: Wire, pool: Pool) -> None:
    body = b'"' + b"a" * 1_048_575 + b'"'
    assert error_of(post(wire, body, X_Amz_Invocation_Type="Event")) == (
        413,
        ["RequestEntityTooLargeException"],
        {
            "Type": "User",
            "message": "1048577 byte payload is too large for the Event invocation type "
            "(limit 1048576 bytes)",
        },
    )
    assert post(wire, body).status == 200


def test_other_method(wire: Wire, pool: Pool) -> None:
    host = ("Host", f"127.0.0.1:{wire.port}")
    reply = wire.send(write_request("GET", INVOCATIONS, [host]))
    assert reply.status == 405
    assert reply.values("allow") == ["POST"]
    reply = wire.send(write_request("PUT", INVOCATIONS.replace("invocations", "code"), [host]))
    assert error_of(reply)[:2] == (404, ["UnknownOperationException"])


# Browsers


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "https://evil.example"}, id="other site"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, id="other port"),
        pytest.param({"Origin": "null"}, id="no site"),
        pytest.param({"Sec_Fetch_Site": "cross-site"}, id="other site, by fetch metadata"),
        pytest.param({"Host": "evil.example"}, id="DNS rebinding"),
        pytest.param({"Host": "127.0.0.1.evil.example"}, id="DNS rebinding, alike"),
        pytest.param({"Host": ""}, id="no host"),
    ],
)
def test_strangers_are_refused(wire: Wire, pool: Pool, headers: dict[str, str]) -> None:
    status, kinds, _ = error_of(post(wire, b"{}", INVOCATIONS, **headers))
    assert (status, kinds) == (403, ["AccessDeniedException"])
    assert pool.payloads == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "app.localhost", "127.9.9.9"])
def test_own_pages_are_served(wire: Wire, pool: Pool, host: str) -> None:
    place = f"{host}:{wire.port}"
    assert post(wire, Host=place, Origin=f"http://{place}").status == 200


# Other platforms


def test_error_is_the_platforms_own(wire: Wire, pool: Pool) -> None:
    cloud = replace(clouds.load("aws_http"), error=lambda failure: {"errorCode": -1})
    wire.app = pool.api = InvokeApi(replace(FUNCTION, dialect="tencent_apigw"), cloud, pool)
    reply = post(wire, b'{"fails": "error"}')
    assert (reply.status, reply.body) == (200, b'{"errorCode": -1}')


def test_functions_of_objects_are_not_invoked(wire: Wire, pool: Pool) -> None:
    function = replace(FUNCTION, dialect="azure")
    wire.app = pool.api = InvokeApi(function, clouds.load("aws_http"), pool)
    status, kinds, told = error_of(post(wire))
    assert (status, kinds) == (400, ["InvalidRequestContentException"])
    assert "send them to the gateway" in told["message"]
    assert pool.payloads == []
