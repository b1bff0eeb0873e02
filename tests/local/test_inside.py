"""What an instance of the local cloud runs: contexts, events, objects, lines, and its end."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import gateways
from slsadapt.local.objects import pack_request, unpack_response
from slsadapt.message import Request
from tests.runtime.api import DEADLINE_MS, WAIT_S, Api, started

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

INSIDE = ("-m", "slsadapt.local.inside")


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as api:
        yield api


@contextmanager
def instance(
    api: Api, folder: Path, source: str, name: str = "handler", **fields: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run an instance of a function that is this source."""
    (folder / "index.py").write_text(source)
    environ = fields.pop("environ", {})
    spec = {
        "runtime_api": api.address,
        "instance": "3",
        "folder": str(folder),
        "module": "index",
        "name": name,
        "is_handler": name.endswith("handler"),
        "dialect": "aws_http",
        "function_name": "orders",
        "timeout_s": 2.5,
        "memory_mb": 512,
        "concurrency": 1,
        "base_path": "",
        "debug_port": None,
    } | fields
    environ = {"SLSADAPT_INSTANCE": json.dumps(spec), **environ}
    with started(api, INSIDE, folder, **environ) as process:
        yield process


def request_to(path: str, **fields: Any) -> Request:
    return Request("GET", path, headers=[("host", "shop.example")], **fields)


# Contexts

CONTEXTS = """
import os

def handler(event, context):
    def read(name):
        value = context.get(name) if isinstance(context, dict) else getattr(context, name, None)
        return value() if callable(value) else value
    found = {name: read(name) for name in NAMES}
    function = getattr(context, "function", None)
    if function is not None:
        found["function"] = [function.name, function.memory, function.timeout]
    environ = {name: value for name, value in os.environ.items()
               if name.startswith("__OW_") or name == "SLSADAPT_INSTANCE"}
    return [type(context).__name__, found, environ]
"""


@pytest.mark.parametrize(
    ("dialect", "kind", "found", "environ"),
    [
        pytest.param(
            "aws_rest",
            "LambdaContext",
            {
                "aws_request_id": "id-1",
                "function_name": "orders",
                "memory_limit_in_mb": "512",
                "invoked_function_arn": "arn:aws:lambda:eu-west-1:1:function:orders",
            },
            {},
            id="aws",
        ),
        pytest.param("kong", "LambdaContext", {"aws_request_id": "id-1"}, {}, id="kong"),
        pytest.param(
            "tencent_apigw",
            "dict",
            {
                "request_id": "id-1",
                "function_name": "orders",
                "memory_limit_in_mb": 512,
                "time_limit_in_ms": 2500,
            },
            {},
            id="tencent",
        ),
        pytest.param("tencent_websocket", "dict", {"request_id": "id-1"}, {}, id="websocket"),
        pytest.param(
            "alibaba_fc3",
            "AlibabaContext",
            {"request_id": "id-1", "function": ["orders", 512, 2.5]},
            {},
            id="alibaba",
        ),
        pytest.param(
            "huawei_apig",
            "HuaweiContext",
            {"getRequestID": "id-1", "getFunctionName": "orders", "getRunningTimeInSeconds": 2.5},
            {},
            id="huawei",
        ),
        pytest.param(
            "yandex",
            "YandexContext",
            {"request_id": "id-1", "deadline_ms": DEADLINE_MS, "memory_limit_in_mb": 512},
            {},
            id="yandex",
        ),
        pytest.param(
            "digitalocean",
            "DigitalOceanContext",
            {"request_id": "id-1", "activation_id": "id-1", "deadline": DEADLINE_MS},
            {"__OW_ACTIVATION_ID": "id-1", "__OW_DEADLINE": str(DEADLINE_MS)},
            id="digitalocean",
        ),
        pytest.param(
            "openwhisk",
            "NoneType",
            {},
            {"__OW_ACTIVATION_ID": "id-1", "__OW_DEADLINE": str(DEADLINE_MS)},
            id="openwhisk",
        ),
        pytest.param(
            "volcengine", "VolcengineContext", {"request_id": "id-1"}, {}, id="volcengine"
        ),
        pytest.param(
            "baidu_cfc",
            "BaiduContext",
            {"bce_request_id": "id-1", "memory_limit_in_mb": 512},
            {},
            id="baidu",
        ),
        pytest.param(
            "scaleway",
            "dict",
            {"functionName": "orders", "memoryLimitInMb": 512},
            {},
            id="scaleway",
        ),
    ],
)
def test_context_is_the_platforms(
    api: Api,
    tmp_path: Path,
    dialect: str,
    kind: str,
    found: dict[str, Any],
    environ: dict[str, str],
) -> None:
    names = tuple(name for name in found if name != "function")
    with instance(api, tmp_path, f"NAMES = {names!r}\n{CONTEXTS}", dialect=dialect):
        api.give(b"{}")
        assert json.loads(api.answer().body) == [kind, found, environ]


@pytest.mark.parametrize(
    ("dialect", "method"),
    [
        ("aws_http", "get_remaining_time_in_millis"),
        ("huawei_apig", "getRemainingTimeInMilliSeconds"),
        ("yandex", "get_remaining_time_in_millis"),
    ],
)
def test_time_counts_down_to_the_deadline(
    api: Api, tmp_path: Path, dialect: str, method: str
) -> None:
    source = f"""
import time
def handler(event, context):
    return context.{method}() + int(time.time() * 1000)
"""
    with instance(api, tmp_path, source, dialect=dialect):
        api.give(b"{}")
        assert DEADLINE_MS <= int(api.answer().body) <= DEADLINE_MS + 5
        # In the past, nothing is left.
        api.give(b"{}", Lambda_Runtime_Deadline_Ms="1000")
        assert int(api.answer().body) > 1000


def test_no_limit_is_a_day(api: Api, tmp_path: Path) -> None:
    source = "def handler(event, context):\n    return context['time_limit_in_ms']\n"
    with instance(api, tmp_path, source, dialect="tencent_apigw", timeout_s=None):
        api.give(b"{}")
        assert api.answer().body == b"86400000"


# Targets, events and results

APP = """
def app(environ, start_response):
    start_response("200 OK", [("X-Root", environ["SCRIPT_NAME"]), ("Set-Cookie", "a=1"),
                              ("Set-Cookie", "b=2")])
    return [environ["PATH_INFO"].encode(), environ["wsgi.input"].read()]

class Shop:
    web = staticmethod(app)

handlers = [1]
NO_handler = 5
"""


@pytest.mark.parametrize("name", ["app", "Shop.web"])
def test_application_is_wrapped(api: Api, tmp_path: Path, name: str) -> None:
    dialect = gateways.load("tencent_apigw")
    with instance(api, tmp_path, APP, name, dialect="tencent_apigw", base_path="/live"):
        api.give(json.dumps(dialect.encode_event(request_to("/live/orders"))).encode())
        response = dialect.decode_result(json.loads(api.answer().body))
    assert (response.status, response.body) == (200, b"/orders")
    assert dict(response.headers)["X-Root"] == "/live"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("handlers", "'handlers' of module 'index' is no application: "),
        ("NO_handler", "'NO_handler' of module 'index' must be callable, got int"),
        ("missing", "Handler 'missing' missing on module 'index'"),
    ],
)
def test_what_is_no_function_is_told(api: Api, tmp_path: Path, name: str, message: str) -> None:
    with instance(api, tmp_path, APP, name) as process:
        told = api.answer()
        _, err = process.communicate(timeout=WAIT_S)
        assert process.returncode == 1
    assert told.path == "/init/error"
    assert json.loads(told.body)["errorType"] == "Runtime.HandlerNotFound"
    assert json.loads(told.body)["errorMessage"].startswith(message)
    assert err.decode().startswith(f"[ERROR] Runtime.HandlerNotFound: {message}")


def test_exception_is_logged_in_lines(api: Api, tmp_path: Path) -> None:
    source = "def handler(event, context):\n    raise ValueError('wrong')\n"
    with instance(api, tmp_path, source) as process:
        api.give(b"{}")
        assert api.answer().path == "/invocation/id-1/error"
        process.terminate()
        out, err = process.communicate(timeout=WAIT_S)
    assert out == b""
    assert err.decode() == (
        "[ERROR] ValueError: wrong\nTraceback (most recent call last):\n"
        f"  File \"{tmp_path}/index.py\", line 2, in handler\n    raise ValueError('wrong')\n"
    )


ECHO = """
def handler(event, context):
    return [type(event).__name__, event if isinstance(event, dict) else event.decode()]
"""


@pytest.mark.parametrize(
    ("dialect", "kind"),
    [
        ("aws_http", "dict"),
        ("tencent_apigw", "dict"),
        ("alibaba_fc3", "bytes"),
        ("alibaba_apigw", "bytes"),
        ("alibaba_fc2", "bytes"),
        ("azure", "dict"),
    ],
)
def test_event_is_passed_as_the_platform_passes_it(
    api: Api, tmp_path: Path, dialect: str, kind: str
) -> None:
    with instance(api, tmp_path, ECHO, dialect=dialect):
        api.give(b'{"triggerName": "t"}')
        expected = {"triggerName": "t"} if kind == "dict" else '{"triggerName": "t"}'
        assert json.loads(api.answer().body) == [kind, expected]


@pytest.mark.parametrize(
    ("dialect", "path"),
    [("aws_http", "/response"), ("tencent_apigw", "/error"), ("alibaba_fc3", "/error")],
)
def test_bytes_in_results_are_text_on_aws_alone(
    api: Api, tmp_path: Path, dialect: str, path: str
) -> None:
    source = "def handler(event, context):\n    return {'body': b'octets'}\n"
    with instance(api, tmp_path, source, dialect=dialect):
        api.give(b"{}")
        assert api.answer().path == f"/invocation/id-1{path}"


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [("yandex", (b'{"a": 1}', "/response")), ("aws_http", ("coroutine is not JSON", "/error"))],
)
def test_coroutines_run_where_the_platform_awaits(
    api: Api, tmp_path: Path, dialect: str, answer: tuple[Any, str]
) -> None:
    source = "import asyncio\nasync def handler(event, context):\n"
    source += "    await asyncio.sleep(0)\n    return event\n"
    with instance(api, tmp_path, source, dialect=dialect):
        api.give(b'{"a": 1}')
        told = api.answer()
    assert told.path.endswith(answer[1])
    assert answer[0] in (told.body if isinstance(answer[0], bytes) else told.body.decode())


# Objects


@pytest.mark.parametrize("dialect", ["alibaba_fc2", "azure", "gcp"])
def test_application_gets_requests_that_are_objects(api: Api, tmp_path: Path, dialect: str) -> None:
    request = Request(
        "POST", "/a%20b", headers=[("host", "shop.example")], body=b"\xff", client=("192.0.2.1", 0)
    )
    with instance(api, tmp_path, APP, "app", dialect=dialect):
        api.give(pack_request(request))
        response = unpack_response(api.answer().body)
    assert (response.status, response.body) == (200, b"/a b\xff")
    cookies = [value for name, value in response.headers if name.lower() == "set-cookie"]
    assert [each.partition(";")[0] for each in cookies] == ["a=1", "b=2"]


AZURE = """
import azure.functions as func

async def async_handler(req: func.HttpRequest, context):
    return func.HttpResponse(f"{req.method} {context.invocation_id}", status_code=201)

def sync_handler(req):
    return func.HttpResponse(req.get_body(), status_code=201)
"""
GOOGLE = """
def handler(request):
    return f"{request.method} {request.path}", 201
"""
ALIBABA = """
def handler(environ, start_response):
    start_response("201 Created", [])
    return [environ["fc.context"].request_id.encode()]
"""


@pytest.mark.parametrize(
    ("dialect", "source", "name", "body"),
    [
        pytest.param("azure", AZURE, "async_handler", b"POST id-1", id="azure, coroutine"),
        pytest.param("azure", AZURE, "sync_handler", b"octets", id="azure, request alone"),
        pytest.param("gcp", GOOGLE, "handler", b"POST /a", id="google"),
        pytest.param("alibaba_fc2", ALIBABA, "handler", b"id-1", id="alibaba"),
    ],
)
def test_handler_gets_requests_that_are_objects(
    api: Api, tmp_path: Path, dialect: str, source: str, name: str, body: bytes
) -> None:
    with instance(api, tmp_path, source, name, dialect=dialect):
        request = Request("POST", "/a", headers=[("host", "shop.example")], body=b"octets")
        api.give(pack_request(request))
        response = unpack_response(api.answer().body)
    assert (response.status, response.body) == (201, body)


def test_missing_library_of_objects_is_told(api: Api, tmp_path: Path) -> None:
    (tmp_path / "azure").mkdir()
    (tmp_path / "azure" / "__init__.py").write_text("")
    with instance(api, tmp_path, "def handler(request):\n    pass\n", dialect="azure"):
        error = json.loads(api.answer().body)
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "pip install azure-functions" in error["errorMessage"]


# Import path, environment, logging


def test_import_path_is_the_functions(api: Api, tmp_path: Path) -> None:
    source = """
import os, sys
def handler(event, context):
    return [sys.path[0], sys.path.count(sys.path[0]), "" in sys.path, __name__, os.getcwd(),
            "SLSADAPT_INSTANCE" in os.environ]
"""
    with instance(api, tmp_path, source):
        api.give(b"{}")
        assert json.loads(api.answer().body) == [
            str(tmp_path), 1, False, "index", str(tmp_path), False,
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("dialect", "out", "err"),
    [
        ("aws_http", "\tid-1\tcareful\n", ""),
        ("tencent_apigw", "", "WARNING root: careful\n"),
    ],
)
def test_logging_is_seen(api: Api, tmp_path: Path, dialect: str, out: str, err: str) -> None:
    source = "import logging\ndef handler(event, context):\n    logging.warning('careful')\n"
    with instance(api, tmp_path, source, dialect=dialect) as process:
        api.give(b"{}")
        api.answer()
        process.terminate()
        told = process.communicate(timeout=WAIT_S)
    assert told[0].decode().endswith(out)
    assert told[1].decode() == err


# Lines


def test_text_leaves_at_once(api: Api, tmp_path: Path) -> None:
    source = """
import os, sys
def handler(event, context):
    print("whole")
    print("part", end="")
    sys.stderr.write("é")
    os._exit(3)
"""
    with instance(api, tmp_path, source) as process:
        api.give(b"{}")
        out, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, out, err) == (3, b"whole\npart", "é".encode())


def test_lines_of_several_invocations_are_told_apart(api: Api, tmp_path: Path) -> None:
    source = """
import sys
from threading import Barrier, Thread

print("imported")
barrier = Barrier(2)

def handler(event, context):
    print("begun", end=" ")
    barrier.wait(20)
    print("by", event["n"])
    sys.stderr.write("one\\n\\ntwo\\nend")
    barrier.wait(20)
    thread = Thread(target=print, args=("of a thread",))
    thread.start()
    thread.join()
"""
    with instance(api, tmp_path, source, concurrency=2) as process:
        api.give(b'{"n": 1}', "id-1")
        api.give(b'{"n": 2}', "id-2")
        api.answer()
        api.answer()
        process.terminate()
        out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
    assert sorted(out.split(b"\n")[:-1]) == [
        b"\0\0imported",
        b"\0\0of a thread",
        b"\0\0of a thread",
        b"\0id-1\0begun by 1",
        b"\0id-2\0begun by 2",
    ]
    lines = err.split(b"\n")[:-1]
    for tag in (b"\0id-1\0", b"\0id-2\0"):
        assert [each for each in lines if each.startswith(tag)] == [
            tag + b"one", tag, tag + b"two", tag + b"end"
        ]  # fmt: skip
    assert len(lines) == 8


# The end


@pytest.mark.parametrize("concurrency", [1, 2])
def test_instance_ends_with_its_pool(api: Api, tmp_path: Path, concurrency: int) -> None:
    with instance(api, tmp_path, ECHO, concurrency=concurrency) as process:
        api.give(b"{}")
        api.answer()
        api.end(6)
        assert process.communicate(timeout=WAIT_S) == (b"", b"")
        assert process.returncode == 1


def test_ctrl_c_lets_an_invocation_finish(api: Api, tmp_path: Path) -> None:
    source = """
import os, signal
def handler(event, context):
    os.kill(os.getpid(), signal.SIGINT)
    return "done"
"""
    with instance(api, tmp_path, source) as process:
        api.give(b"{}")
        assert api.answer().body == b'"done"'
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0


# Debugging


@pytest.mark.once
def test_debugger_listens_inside_of_the_process(api: Api, tmp_path: Path) -> None:
    pytest.importorskip("debugpy", reason="debugpy is not installed")
    source = "import os\ndef handler(event, context):\n    return os.getpid()\n"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with instance(api, tmp_path, source, debug_port=port) as process:
        api.give(b"{}")
        assert json.loads(api.answer().body) == process.pid
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as client:
            asked = json.dumps(
                {
                    "seq": 1,
                    "type": "request",
                    "command": "initialize",
                    "arguments": {"adapterID": "test"},
                }
            ).encode()
            client.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(asked), asked))
            assert client.recv(15) == b"Content-Length:"
        # No process of the debugger's, which would outlive this one.
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        assert not children.exists() or children.read_text() == ""


def test_missing_debugger_is_told(api: Api, tmp_path: Path) -> None:
    (tmp_path / "debugpy.py").write_text("raise ImportError('no')")
    with instance(api, tmp_path, ECHO, debug_port=1):
        error = json.loads(api.answer().body)
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "pip install 'slsadapt[local]'" in error["errorMessage"]
