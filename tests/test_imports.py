"""What loads when, and the public names.

Every import is watched in a fresh process without ``site``, which would load things itself.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import slsadapt
from slsadapt import gateways
from slsadapt.gateways.losses import LOSSES

if TYPE_CHECKING:
    from collections.abc import Callable

    Event = Callable[[str], dict[str, Any]]

PACKAGE = Path(slsadapt.__file__).parent
HEAVY = {
    "asgiref",
    "asyncio",
    "dataclasses",
    "email",
    "http.server",
    "importlib.metadata",
    "inspect",
    "json",
    "logging",
    "mangum",
    "re",
    "typing",
    "urllib.parse",
    "werkzeug",
}

WSGI = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]
"""
ASGI = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})
"""


def loaded_by(code: str, **names: object) -> set[str]:
    """Run code in a fresh process and return the modules that it loads."""
    path = [str(PACKAGE.parent), *sys.path]
    lines = [
        "import sys",
        f"sys.path[:] = {path!r}",
        *(f"{name} = {value!r}" for name, value in names.items()),
        "before = {*sys.modules}",
        code,
        "print(*sorted({*sys.modules} - before))",
    ]
    process = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "\n".join(lines)], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return {*process.stdout.split()}


def test_bare_process_has_nothing_heavy_that_would_hide_an_import() -> None:
    assert loaded_by("before = set()") & HEAVY == set()


def test_import_loads_the_package_alone() -> None:
    # Every ``from __future__ import annotations`` loads that module.
    assert loaded_by("import slsadapt") - {"__future__"} == {"slsadapt"}


def test_wrapping_a_wsgi_function_loads_nothing_heavy() -> None:
    loaded = loaded_by(f"import slsadapt\n{WSGI}\nslsadapt.wrap(app)")
    assert "slsadapt.engines.wsgi" in loaded
    assert "slsadapt.engines.asgi" not in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize(
    "case",
    [
        "aws_http/live_httpapi_encoded_path_repeated",
        "aws_rest/live_rest_encoded_path_repeated",
        "aws_rest/rule_binary_body",
        "aws_function_url/live_url_encoded_path_repeated",
        "tencent_apigw/post_form_custom_domain_real",
        "tencent_function_url/post_json_doc",
    ],
)
def test_serving_an_event_loads_nothing_heavy(case: str, event: Event) -> None:
    loaded = loaded_by(
        f"from slsadapt import wrap\n{WSGI}\nassert wrap(app)(event)['statusCode'] == 200",
        event=event(case),
    )
    assert f"slsadapt.gateways.{case.partition('/')[0]}" in loaded
    assert loaded & HEAVY == set()


def test_context_timing_and_spans_load_nothing_heavy(event: Event) -> None:
    loaded = loaded_by(
        f"""
from slsadapt import logs, timing, wrap
{WSGI}
def wrapped(environ, start_response):
    logs.bind(user="ada")
    with timing.span("db"):
        return app(environ, start_response)
assert wrap(wrapped, timing=lambda timing: timing.phases())(event)['statusCode'] == 200
assert logs.context() == {{}}
""",
        event=event("aws_http/live_httpapi_encoded_path_repeated"),
    )
    assert {"slsadapt.middleware.observer", "slsadapt.logs.invocation"} <= loaded
    assert loaded & HEAVY == set()


def test_public_log_names_load_neither_celery_nor_structlog() -> None:
    names = "from slsadapt.logs import *\nfrom slsadapt.timing import *"
    assert loaded_by(names) & {"celery", "structlog", "asyncio", "gevent"} == set()


def test_wrapping_an_asgi_application_loads_asyncio_and_no_dependency() -> None:
    loaded = loaded_by(
        f"from slsadapt import wrap\n{ASGI}\nassert wrap(app)(event)['statusCode'] == 200",
        event=json.loads((PACKAGE.parent / "tests/events/aws_http/br_simple.json").read_text())[
            "event"
        ],
    )
    assert "asyncio" in loaded
    assert loaded & {"asgiref", "mangum", "werkzeug", "http.server", "importlib.metadata"} == set()


def test_public_names_resolve() -> None:
    for name in slsadapt.__all__:
        value = getattr(slsadapt, name)
        if name in ("logs", "timing"):
            assert value.__name__ == f"slsadapt.{name}"
        elif name != "__version__":
            assert value.__name__ == name
            assert value.__module__.startswith("slsadapt.")


def test_errors_share_one_base_and_all_are_public() -> None:
    from slsadapt import errors

    for name in errors.__all__:
        assert name in slsadapt.__all__
        assert issubclass(getattr(slsadapt, name), slsadapt.SlsadaptError)


def test_star_import_brings_all_names() -> None:
    names: dict[str, Any] = {}
    exec("from slsadapt import *", names)
    assert {*slsadapt.__all__} <= {*names}


def test_names_are_listed_before_their_first_use() -> None:
    loaded_by("import slsadapt\nassert {*slsadapt.__all__} <= {*dir(slsadapt)}")


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'slsadapt' has no attribute 'Wrap'"):
        slsadapt.Wrap  # noqa: B018
    with pytest.raises(ImportError, match="Wrap"):
        from slsadapt import Wrap  # noqa: F401


def test_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


# Dialects


def protocol_parameters(name: str, file: str) -> dict[str, list[str]]:
    """Read the functions of a protocol, which exists for type checkers alone."""
    tree = ast.parse((PACKAGE / "gateways" / file).read_text())
    (protocol,) = (
        node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name
    )
    return {
        node.name: [
            argument.arg
            for argument in node.args.args + node.args.kwonlyargs
            if argument.arg != "self"
        ]
        for node in protocol.body
        if isinstance(node, ast.FunctionDef)
    }


def test_every_dialect_module_is_registered() -> None:
    modules = {path.stem for path in (PACKAGE / "gateways").glob("[!_]*.py")}
    assert modules - {"contexts", "losses", "timers", "triggers"} == {
        *gateways.NAMES,
        *gateways.SOCKET_NAMES,
    }


@pytest.mark.parametrize("name", gateways.NAMES)
def test_dialect_holds_what_the_protocol_asks(name: str) -> None:
    dialect: Any = gateways.load(name)
    assert dialect is importlib.import_module(f"slsadapt.gateways.{name}")
    assert dialect.RESULT_LIMIT_BYTES is None or dialect.RESULT_LIMIT_BYTES > 0
    functions = protocol_parameters("Dialect", "__init__.py")
    assert functions.keys() >= {
        "matches",
        "decode_event",
        "encode_result",
        "encode_event",
        "decode_result",
    }
    for function, parameters in functions.items():
        assert [*inspect.signature(getattr(dialect, function)).parameters] == parameters
        assert function in dialect.__all__
    assert "http" in (dialect.__doc__ or ""), "the module docstring links its source"


@pytest.mark.parametrize("name", gateways.SOCKET_NAMES)
def test_websocket_dialect_holds_what_its_protocol_asks(name: str) -> None:
    dialect: Any = importlib.import_module(f"slsadapt.gateways.{name}")
    functions = protocol_parameters("SocketDialect", "triggers.py")
    assert [*functions] == [
        "matches",
        "decode_event",
        "encode_result",
        "encode_event",
        "decode_result",
    ]
    for function, parameters in functions.items():
        # A gateway's own parameters may follow.
        found = [*inspect.signature(getattr(dialect, function)).parameters]
        assert found[: len(parameters)] == parameters
    for member in (*functions, "TITLE", "KEYS", "REQUEST_LIMIT_BYTES", "RESULT_LIMIT_BYTES"):
        assert member in dialect.__all__
    assert {*dialect.LOSES} <= {*LOSSES}
    assert "http" in (dialect.__doc__ or ""), "the module docstring links its source"


def test_reading_a_websocket_event_loads_nothing_heavy(event: Event) -> None:
    loaded = loaded_by(
        "from slsadapt.gateways.aws_websocket import decode_event\n"
        "from slsadapt.gateways.triggers import kind_of\n"
        "assert kind_of(event) == 'websocket'\n"
        "assert decode_event(event).kind == 'connect'",
        event=event("aws_websocket/pt_connect"),
    )
    assert "slsadapt.gateways.triggers" in loaded
    assert loaded & HEAVY == set()
