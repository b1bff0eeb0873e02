"""``python -m slsadapt.runtime``, and the real awslambdaric beside it on the same functions."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from .api import WAIT_S, Api, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OWN = ("-m", "slsadapt.runtime")
REAL = ("-m", "awslambdaric")
PREFIX = "/invocation/id-1"


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as api:
        yield api


@pytest.fixture(params=[OWN, REAL], ids=["slsadapt.runtime", "awslambdaric"])
def runtime(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Give the command of a runtime, ours and AWS's."""
    if request.param == REAL:
        pytest.importorskip("awslambdaric", reason="awslambdaric is not installed")
    command: tuple[str, ...] = request.param
    return command


FUNCTION = """\
import logging, os, sys
from decimal import Decimal

logging.getLogger().setLevel("INFO")

def handler(event, context):
    kind = event.get("kind") if isinstance(event, dict) else None
    if kind == "context":
        client = context.client_context
        return {
            "names": [context.function_name, context.function_version, context.memory_limit_in_mb],
            "logs": [context.log_group_name, context.log_stream_name],
            "id": context.aws_request_id,
            "arn": context.invoked_function_arn,
            "tenant": context.tenant_id,
            "left": context.get_remaining_time_in_millis() > 10**12,
            "trace": os.environ.get("_X_AMZN_TRACE_ID"),
            "client": [client.client.app_title, client.client.installation_id, client.custom,
                       client.env] if client else None,
            "identity": [context.identity.cognito_identity_id,
                         context.identity.cognito_identity_pool_id],
            "w3c": context.w3c(),
            "repr": repr(context),
        }
    if kind == "raise":
        raise KeyError("one\\ntwo")
    if kind == "chain":
        try:
            nested({})
        except KeyError as error:
            raise LookupError("é") from error
    if kind == "log":
        logging.warning("careful %s", 1)
        print("printed")
        context.log("said\\n")
    if kind == "decimal":
        return {"d": Decimal("1.10"), "t": (1, 2)}
    if kind == "bytes":
        return b"\\xff"
    if kind == "set":
        return {1}
    return event

def nested(values):
    return values["missing"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.py").write_text(FUNCTION)
    return tmp_path


def events(api: Api, runtime: tuple[str, ...], folder: Path, *payloads: bytes) -> list[Any]:
    """Run a function on events; give (path, content type, body) of each answer, and stdout."""
    answers: list[Any] = []
    with started(api, (*runtime, "index.handler"), folder) as process:
        for payload in payloads:
            api.give(payload)
            told = api.answer()
            answers.append((told.path, told.headers["content-type"], told.body))
        process.terminate()
        out, _ = process.communicate(timeout=WAIT_S)
    return [*answers, out.decode()]


def test_event_comes_back(api: Api, runtime: tuple[str, ...], folder: Path) -> None:
    first, second, _ = events(api, runtime, folder, b'{"a": [1.5, "\xc3\xa9"]}', b"null")
    assert first[:2] == (f"{PREFIX}/response", "application/json")
    assert json.loads(first[2]) == {"a": [1.5, "é"]}
    assert second == (f"{PREFIX}/response", "application/json", b"null")


def test_results_are_written_alike(api: Api, runtime: tuple[str, ...], folder: Path) -> None:
    kinds = [b'{"kind": "%b"}' % kind for kind in (b"decimal", b"bytes", b"set")]
    decimal, octets, failed, _ = events(api, runtime, folder, *kinds)
    assert decimal == (f"{PREFIX}/response", "application/json", b'{"d": 1.10, "t": [1, 2]}')
    assert octets == (f"{PREFIX}/response", "application/unknown", b"\xff")
    assert failed[0] == f"{PREFIX}/error"
    assert json.loads(failed[2]) == {
        "errorMessage": "Unable to marshal response: Object of type set is not JSON serializable",
        "errorType": "Runtime.MarshalError",
        "requestId": "id-1",
        "stackTrace": [],
    }


def test_event_that_is_no_json_is_an_error(
    api: Api, runtime: tuple[str, ...], folder: Path
) -> None:
    failed, out = events(api, runtime, folder, b"no")
    assert failed[0] == f"{PREFIX}/error"
    assert json.loads(failed[2]) == {
        "errorMessage": "Unable to unmarshal input: Expecting value: line 1 column 1 (char 0)",
        "errorType": "Runtime.UnmarshalError",
        "requestId": "id-1",
        "stackTrace": [],
    }
    assert out == (
        "[ERROR] Runtime.UnmarshalError: Unable to unmarshal input: Expecting value: line 1 "
        "column 1 (char 0)\rTraceback (most recent call last):\n"
    )


def test_exception_is_told_from_the_functions_own_frames(
    api: Api, runtime: tuple[str, ...], folder: Path
) -> None:
    failed, out = events(api, runtime, folder, b'{"kind": "raise"}')
    line = 2 + FUNCTION[: FUNCTION.index('    if kind == "raise"')].count("\n")
    where = f'File "{folder}/index.py", line {line}, in handler'
    assert json.loads(failed[2]) == {
        "errorMessage": "'one\\ntwo'",
        "errorType": "KeyError",
        "requestId": "id-1",
        "stackTrace": [f'  {where}\n    raise KeyError("one\\ntwo")\n'],
    }
    assert out == (
        "[ERROR] KeyError: 'one\\ntwo'\rTraceback (most recent call last):\r"
        f'\u00a0\u00a0{where}\r\u00a0\u00a0\u00a0\u00a0raise KeyError("one\\ntwo")\n'
    )


def test_cause_of_an_exception_is_left_out(
    api: Api, runtime: tuple[str, ...], folder: Path
) -> None:
    failed, _ = events(api, runtime, folder, b'{"kind": "chain"}')
    told = json.loads(failed[2])
    assert (told["errorMessage"], told["errorType"]) == ("é", "LookupError")
    assert [entry.split(", ")[-1] for entry in told["stackTrace"]] == [
        'in handler\n    raise LookupError("é") from error\n'
    ]


def test_logging_carries_the_invocations_id(
    api: Api, runtime: tuple[str, ...], folder: Path
) -> None:
    _, out = events(api, runtime, folder, b'{"kind": "log"}')
    assert re.fullmatch(
        r"\[WARNING\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\tid-1\tcareful 1\nprinted\nsaid\n",
        out,
    )


CLIENT = {
    "client": {"app_title": "shop", "installation_id": "i-1"},
    "custom": {"a": 1},
    "env": None,
    "w3c": {"traceparent": "00-1-2-01", "tracestate": 3, "other": "x"},
}
IDENTITY = {"cognitoIdentityId": "c-1", "cognitoIdentityPoolId": "p-1"}
ENVIRON = {
    "AWS_LAMBDA_FUNCTION_NAME": "orders",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders",
    "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
}


def test_context_tells_all_that_came(api: Api, runtime: tuple[str, ...], folder: Path) -> None:
    with started(api, (*runtime, "index.handler"), folder, **ENVIRON):
        api.give(
            b'{"kind": "context"}',
            Lambda_Runtime_Trace_Id="Root=1-5759e988",
            Lambda_Runtime_Client_Context=json.dumps(CLIENT),
            Lambda_Runtime_Cognito_Identity=json.dumps(IDENTITY),
            Lambda_Runtime_Aws_Tenant_Id="blue",
        )
        full = json.loads(api.answer().body)
        api.give(b'{"kind": "context"}', "id-2")
        bare = json.loads(api.answer().body)
    assert full == {
        "names": ["orders", "$LATEST", "256"],
        "logs": ["/aws/lambda/orders", "stream"],
        "id": "id-1",
        "arn": "arn:aws:lambda:eu-west-1:1:function:orders",
        "tenant": "blue",
        "left": True,
        "trace": "Root=1-5759e988",
        "client": ["shop", "i-1", {"a": 1}, None],
        "identity": ["c-1", "p-1"],
        "w3c": {"traceparent": "00-1-2-01"},
        "repr": (
            "LambdaContext([aws_request_id=id-1,log_group_name=/aws/lambda/orders,"
            "log_stream_name=stream,function_name=orders,memory_limit_in_mb=256,"
            "function_version=$LATEST,"
            "invoked_function_arn=arn:aws:lambda:eu-west-1:1:function:orders,"
            "client_context=ClientContext([custom={'a': 1},env=None,"
            "client=Client([installation_id=i-1,app_title=shop,app_version_name=None,"
            "app_version_code=None,app_package_name=None])]),"
            "identity=CognitoIdentity([cognito_identity_id=c-1,cognito_identity_pool_id=p-1]),"
            "tenant_id=blue])"
        ),
    }
    assert bare["id"] == "id-2"
    assert bare["identity"] == [None, None]
    assert [bare[name] for name in ("trace", "tenant", "client")] == [None, None, None]
    assert bare["w3c"] == {}


def test_client_context_that_is_no_json_is_an_error(
    api: Api, runtime: tuple[str, ...], folder: Path
) -> None:
    with started(api, (*runtime, "index.handler"), folder):
        api.give(b"{}", Lambda_Runtime_Client_Context="no")
        told = json.loads(api.answer().body)
    assert told["errorType"] == "Runtime.LambdaContextUnmarshalError"
    assert told["errorMessage"].startswith("Unable to parse Client Context JSON: Expecting value")


@pytest.mark.parametrize(
    ("source", "handler", "kind", "message"),
    [
        pytest.param(
            "",
            "index.missing",
            "Runtime.HandlerNotFound",
            "Handler 'missing' missing on module 'index'",
            id="no such name",
        ),
        pytest.param(
            "",
            "nowhere.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'nowhere': No module named 'nowhere'",
            id="no such module",
        ),
        pytest.param(
            "import nobody_has_this",
            "index.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'index': No module named 'nobody_has_this'",
            id="missing dependency",
        ),
        pytest.param(
            "def handler(:",
            "index.handler",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'index': ",
            id="syntax",
        ),
        pytest.param("1 / 0", "index.handler", "ZeroDivisionError", "division by zero", id="raise"),
        pytest.param(
            "",
            "sys.handler",
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module sys as a handler module",
            id="built in",
        ),
        pytest.param(
            "", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler': ", id="no dot"
        ),
    ],
)
def test_function_that_cannot_be_imported_is_told(
    api: Api, runtime: tuple[str, ...], tmp_path: Path, source: str, handler: str, kind: str,
    message: str,
) -> None:  # fmt: skip
    (tmp_path / "index.py").write_text(source)
    with started(api, (*runtime, handler), tmp_path) as process:
        told = api.answer()
        assert process.wait(WAIT_S) == 1
        assert process.stdout is not None
        out = process.stdout.read().decode()
    assert told.path == "/init/error"
    assert told.headers["lambda-runtime-function-error-type"] == kind
    error = json.loads(told.body)
    assert (error["errorType"], error["requestId"]) == (kind, "")
    assert error["errorMessage"].startswith(message)
    assert f"[ERROR] {kind}: {message}" in out
    if kind == "Runtime.UserCodeSyntaxError":
        assert error["stackTrace"] == [f'  File "{tmp_path}/index.py" Line 1\n    def handler(:']
    if kind == "ZeroDivisionError":
        assert error["stackTrace"][-1] == (
            f'  File "{tmp_path}/index.py", line 1, in <module>\n    1 / 0\n'
        )


# Ours alone


def test_trace_of_a_failed_import_begins_with_the_module(api: Api, tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("1 / 0")
    with started(api, (*OWN, "index.handler"), tmp_path):
        trace = json.loads(api.answer().body)["stackTrace"]
    assert trace == [f'  File "{tmp_path}/index.py", line 1, in <module>\n    1 / 0\n']


def test_handler_and_folder_come_from_the_environment(api: Api, folder: Path) -> None:
    package = folder / "pkg"
    package.mkdir()
    (package / "web.py").write_text("def main(event, context):\n    return 'web'\n")
    environ = {"_HANDLER": "pkg/web.main", "LAMBDA_TASK_ROOT": str(folder)}
    with started(api, OWN, package, **environ):
        api.give(b"{}")
        assert api.answer().body == b'"web"'


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        pytest.param([], {}, id="no handler"),
        pytest.param(["index.handler"], {"AWS_LAMBDA_RUNTIME_API": ""}, id="no address"),
    ],
)
def test_what_is_missing_is_said(
    api: Api, folder: Path, arguments: list[str], environ: dict[str, str]
) -> None:
    with started(api, (*OWN, *arguments), folder, **environ) as process:
        _, err = process.communicate(timeout=WAIT_S)
        assert process.returncode == 2
    assert "name the handler" in err.decode()


def test_result_that_is_too_large_becomes_an_error(api: Api, folder: Path) -> None:
    api.statuses = [413]
    with started(api, (*OWN, "index.handler"), folder):
        api.give(b'"large"')
        assert api.answer().path == f"{PREFIX}/response"
        told = api.answer()
        api.give(b"1", "id-2")
        assert api.answer()[0::2] == ("/invocation/id-2/response", b"1")
    assert told.path == f"{PREFIX}/error"
    error = json.loads(told.body)
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert error["errorMessage"] == "Response payload size (7 bytes) exceeded maximum allowed."


@pytest.mark.parametrize("concurrency", ["1", "3"])
def test_process_ends_with_its_server(api: Api, folder: Path, concurrency: str) -> None:
    environ = {"AWS_LAMBDA_MAX_CONCURRENCY": concurrency}
    with started(api, (*OWN, "index.handler"), folder, **environ) as process:
        api.give(b"1")
        api.answer()
        # One that asks again is let down again; the others are told as they are.
        api.end(6)
        _, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, err) == (1, b"")


STOPPED = """
import sys, time
from slsadapt import wrap

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]

handler = wrap(app)
handler.pre_stop = lambda context=None: print("stopped")

def slow(event, context):
    print("begun")
    while event["wait"]:
        try:
            open("go").close()
            break
        except FileNotFoundError:
            time.sleep(0.01)
    return "done"

slow.pre_stop = lambda: print("stopped")
"""


@pytest.mark.parametrize("concurrency", ["1", "2"])
def test_sigterm_stops_an_idle_function(api: Api, tmp_path: Path, concurrency: str) -> None:
    (tmp_path / "index.py").write_text(STOPPED)
    environ = {"AWS_LAMBDA_MAX_CONCURRENCY": concurrency}
    with started(api, (*OWN, "index.handler"), tmp_path, **environ) as process:
        api.give(b'{"source": "aws.events", "detail-type": "Scheduled Event"}')
        assert api.answer().body == b"null"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, out, err) == (0, b"stopped\n", b"")


@pytest.mark.parametrize("concurrency", ["1", "2"])
def test_sigterm_lets_an_invocation_finish(api: Api, tmp_path: Path, concurrency: str) -> None:
    (tmp_path / "index.py").write_text(STOPPED)
    environ = {"AWS_LAMBDA_MAX_CONCURRENCY": concurrency}
    with started(api, (*OWN, "index.slow"), tmp_path, **environ) as process:
        assert process.stdout is not None
        api.give(b'{"wait": true}')
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGTERM)
        (tmp_path / "go").touch()
        assert api.answer().body == b'"done"'
        out, _ = process.communicate(timeout=WAIT_S)
        assert (process.returncode, out) == (0, b"stopped\n")


def test_sigterm_ends_an_import(api: Api, tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("import time\nprint('importing')\ntime.sleep(60)\n")
    with started(api, (*OWN, "index.handler"), tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"importing\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0


@pytest.mark.parametrize("concurrency", ["1", "2"])
@pytest.mark.parametrize(
    ("leave", "status"),
    [("sys.exit(3)", 3), ("sys.exit()", 0), ("os._exit(4)", 4)],
)
def test_function_may_end_its_process(
    api: Api, tmp_path: Path, concurrency: str, leave: str, status: int
) -> None:
    source = f"import os, sys\ndef handler(event, context):\n    print('x', end='')\n    {leave}\n"
    (tmp_path / "index.py").write_text(source)
    environ = {"AWS_LAMBDA_MAX_CONCURRENCY": concurrency}
    with started(api, (*OWN, "index.handler"), tmp_path, **environ) as process:
        api.give(b"1")
        out, _ = process.communicate(timeout=WAIT_S)
        assert (process.returncode, out) == (status, b"x")


def test_invocations_are_served_at_once(api: Api, tmp_path: Path) -> None:
    # Each waits for all three.
    (tmp_path / "index.py").write_text(
        "from threading import Barrier\nbarrier = Barrier(3)\n"
        "def handler(event, context):\n"
        "    barrier.wait(20)\n    return [event, context.aws_request_id]\n"
    )
    with started(api, (*OWN, "index.handler"), tmp_path, AWS_LAMBDA_MAX_CONCURRENCY="3"):
        for number in (b"1", b"2", b"3"):
            api.give(number, f"id-{number.decode()}")
        answers = sorted((told.path, told.body) for told in (api.answer() for _ in range(3)))
    assert answers == [
        ("/invocation/id-1/response", b'[1, "id-1"]'),
        ("/invocation/id-2/response", b'[2, "id-2"]'),
        ("/invocation/id-3/response", b'[3, "id-3"]'),
    ]


def test_application_is_a_function(api: Api, tmp_path: Path, event: Callable[[str], Any]) -> None:
    (tmp_path / "index.py").write_text(STOPPED)
    with started(api, (*OWN, "index.handler"), tmp_path):
        api.give(json.dumps(event("aws_http/live_httpapi_encoded_path_repeated")).encode())
        result = json.loads(api.answer().body)
    assert (result["statusCode"], result["body"]) == (200, "hello")
