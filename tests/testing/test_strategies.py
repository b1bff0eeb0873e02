"""Hypothesis strategies for requests, responses and events."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

import slsadapt
from slsadapt import OptionError, Request, Response, gateways, wrap
from slsadapt.testing import strategies
from tests.gateways.corpus import claims, through_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

pytestmark = pytest.mark.once

REPEATABLE = settings(
    derandomize=True,
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# To find an example, without making it smaller.
SEARCH = settings(
    max_examples=2000,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)

every_dialect = pytest.mark.parametrize("dialect", gateways.NAMES)


def names_of(value: Request | Response) -> list[str]:
    return [name for name, _ in value.headers]


def is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def check_fields(request: Request) -> None:
    """Hold a request to what the class says of its fields."""
    assert request.method.isupper()
    assert request.path.startswith("/")
    assert request.path.isascii()
    assert not {*request.path} & {*"?# \r\n"}
    assert request.query.isascii()
    assert not {*request.query} & {*"# \r\n"}
    for name, value in request.headers:
        assert name == name.lower()
        assert value == value.strip(" \t")
        assert not {*value} & {*"\r\n\0"}
        value.encode("latin-1")
    lengths = [value for name, value in request.headers if name == "content-length"]
    assert lengths in ([str(len(request.body))], *([[]] if not request.body else []))
    assert request.scheme in ("https", "http")
    assert request.root_path == "" or (request.root_path[0] == "/" != request.root_path[-1])


def test_every_dialect_has_its_traits() -> None:
    assert strategies.GATEWAYS.keys() == {*gateways.NAMES}


@every_dialect
def test_request_goes_to_a_mount_of_its_gateway(dialect: str) -> None:
    @REPEATABLE
    @given(strategies.requests(dialect))
    def check(request: Request) -> None:
        check_fields(request)
        mount = request.server[0], request.stage, request.root_path
        assert mount in strategies.GATEWAYS[dialect].mounts

    check()


@REPEATABLE
@given(strategies.requests())
def test_request_to_no_gateway_is_mounted_nowhere(request: Request) -> None:
    check_fields(request)
    assert request.server[0] in ("api.example.com", "2001:db8::1")
    assert (request.stage, request.root_path) == ("", "")


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param(lambda request: "%2F" in request.path, id="escaped slash"),
        pytest.param(lambda request: request.path.startswith("//"), id="two slashes first"),
        pytest.param(lambda request: "%FF" in request.path, id="octet that is not utf-8"),
        pytest.param(
            lambda request: request.query.startswith("a=") and "&a=" in request.query,
            id="query key that repeats",
        ),
        pytest.param(
            lambda request: len({*names_of(request)}) < len(request.headers),
            id="header that repeats",
        ),
        pytest.param(lambda request: names_of(request).count("cookie") == 2, id="two cookie lines"),
        pytest.param(lambda request: "host" not in names_of(request), id="no host"),
        pytest.param(lambda request: not is_utf8(request.body), id="body that is not utf-8"),
        pytest.param(
            lambda request: ("content-type", "application/json") in request.headers, id="json"
        ),
        pytest.param(lambda request: request.method == "OPTIONS", id="options"),
        pytest.param(lambda request: ":" in request.server[0], id="ipv6 host"),
        pytest.param(lambda request: request.server[1] == 8443, id="port of its own"),
        pytest.param(lambda request: request.scheme == "http", id="http"),
        pytest.param(lambda request: request.client is None, id="client that is not told"),
        pytest.param(lambda request: request.user == "ann", id="authorized caller"),
    ],
)
def test_requests_hold(condition: Callable[[Request], bool]) -> None:
    find(strategies.requests("aws_http"), condition, settings=SEARCH, random=Random(0))


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param(
            lambda response: names_of(response).count("Set-Cookie") == 2, id="two cookies"
        ),
        pytest.param(lambda response: names_of(response).count("Link") == 3, id="three links"),
        pytest.param(lambda response: not is_utf8(response.body), id="body that is not utf-8"),
        pytest.param(lambda response: "Content-Type" not in names_of(response), id="no type"),
        pytest.param(lambda response: response.status == 304, id="not modified"),
        pytest.param(lambda response: response.status == 503, id="server error"),
    ],
)
def test_responses_hold(condition: Callable[[Response], bool]) -> None:
    find(strategies.responses(), condition, settings=SEARCH, random=Random(0))


@REPEATABLE
@given(strategies.responses())
def test_response_could_be_an_application_s(response: Response) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(f"{response.status} Said", [*response.headers])
        return [response.body]

    result = wrap(app, gateway="aws_rest", request_id=False)(EVENT, None)
    assert result["statusCode"] == response.status
    assert bool(result["body"]) == bool(response.body)


EVENT = gateways.load("aws_rest").encode_event(Request("GET", "/"))


@every_dialect
def test_event_is_claimed_by_its_dialect_alone_and_is_what_json_holds(dialect: str) -> None:
    @REPEATABLE
    @given(strategies.events(dialect))
    def check(event: Any) -> None:
        assert claims(event) == [dialect]
        assert through_json(dialect, event) == event

    check()


def served(app: Callable[[Any, Any], Iterable[bytes]], event: Any) -> int:
    status: int = wrap(app, interface="wsgi", gateway="aws_http")(event, None)["statusCode"]
    return status


@validator
def echo(environ: Any, start_response: Any) -> list[bytes]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [body]


def hasty(environ: Any, start_response: Any) -> list[bytes]:
    """Take for granted that a key has a value."""
    pairs = dict(piece.split("=", 1) for piece in environ["QUERY_STRING"].split("&") if piece)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(pairs).encode()]


# PEP 3333 allows any method; the validator knows only some.
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@REPEATABLE
@given(strategies.events("aws_http"))
def test_sound_application_serves_every_event(event: Any) -> None:
    assert served(echo, event) == 200


def test_hasty_application_fails_for_an_event() -> None:
    event = find(
        strategies.events("aws_http"),
        lambda event: served(hasty, event) == 500,
        settings=SEARCH,
        random=Random(0),
    )
    assert any(piece and "=" not in piece for piece in event["rawQueryString"].split("&"))


@pytest.mark.parametrize("strategy", [strategies.requests, strategies.events])
@pytest.mark.parametrize("dialect", ["aws_htp", "aws_websocket", ""])
def test_unknown_dialect_is_refused_at_once(
    strategy: Callable[[str], object], dialect: str
) -> None:
    with pytest.raises(OptionError, match=f"got '{dialect}'"):
        strategy(dialect)


def test_without_hypothesis_the_import_says_what_to_install() -> None:
    code = (
        f"import sys\nsys.path[:] = {[str(Path(slsadapt.__file__).parent.parent), *sys.path]!r}\n"
        "sys.modules['hypothesis'] = None\n"
        "try:\n"
        "    from slsadapt.testing import strategies\n"
        "except ImportError as error:\n"
        "    print(error.name, error)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    said = "hypothesis slsadapt.testing.strategies needs hypothesis: pip install hypothesis\n"
    assert process.stdout == said
