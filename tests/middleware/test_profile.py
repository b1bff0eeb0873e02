"""One request under pyinstrument, for whoever has the key."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from flask import Flask, request
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from slsadapt import OptionError, Response, wrap
from slsadapt.cli.profile_token import profile_token
from slsadapt.middleware.profile import ProfileSwitch, sign_profile

Event = Callable[[str], dict[str, Any]]

HTTP = "aws_http/rs_sam_http"
KEY = "a key for tests"
seen: list[tuple[list[str], list[str]]] = []


def slow_function() -> None:
    time.sleep(0.05)


def flask() -> Flask:
    app = Flask("profiled")

    @app.get("/report/<name>")
    def report(name: str) -> str:
        seen.append(([*request.headers.keys()], [*request.args.keys()]))
        slow_function()
        return "the report"

    return app


async def slow_coroutine() -> None:
    await asyncio.sleep(0.01)
    slow_function()


def starlette() -> Starlette:
    async def report(request: Request) -> PlainTextResponse:
        seen.append(([*request.headers.keys()], [*request.query_params.keys()]))
        await slow_coroutine()
        return PlainTextResponse("the report")

    return Starlette(routes=[Route("/report/{name}", report)])


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLSADAPT_PROFILE_KEY", KEY)
    seen.clear()


def ask(
    app: Any,
    event: Event,
    token: str | None,
    *,
    path: str = "/report/a",
    accept: str = "*/*",
    by: str = "header",
    **options: Any,
) -> Any:
    sent = event(HTTP) | {"rawPath": path, "rawQueryString": "a=1"}
    sent["headers"] = {"host": "example.com", "accept": accept}
    if token is not None and by == "header":
        sent["headers"]["x-profile"] = token
    elif token is not None:
        sent["rawQueryString"] = f"a=1&__profile={token}&b=2"
    handler = wrap(app, profile="pyinstrument", **options)
    result = handler(sent)
    handler.pre_stop()
    return result


@pytest.mark.parametrize("app", [flask, starlette])
@pytest.mark.parametrize("by", ["header", "query"])
def test_signed_request_is_answered_with_its_profile(app: Any, by: str, event: Event) -> None:
    token = sign_profile(KEY, "GET", "/report/a")
    result = ask(app(), event, token, by=by)
    assert result["statusCode"] == 200
    assert result["headers"]["content-type"] == "text/plain; charset=utf-8"
    assert result["headers"]["cache-control"] == "no-store"
    assert "slow_function" in result["body"]
    assert "the report" not in result["body"]
    # The application never saw what switched the profiler on.
    ((headers, parameters),) = seen
    assert not any("profile" in name.lower() for name in headers)
    assert parameters == (["a"] if by == "header" else ["a", "b"])


@pytest.mark.parametrize("app", [flask, starlette])
def test_browsers_get_a_page(app: Any, event: Event) -> None:
    token = sign_profile(KEY, "GET", "/report/a")
    result = ask(app(), event, token, accept="text/html,application/xhtml+xml")
    assert result["headers"]["content-type"] == "text/html; charset=utf-8"
    assert result["body"].lstrip().startswith("<!DOCTYPE html>")
    assert "slow_function" in result["body"]


def test_path_is_signed_as_the_application_sees_it(event: Event) -> None:
    token = sign_profile(KEY, "GET", "/report/世")
    result = ask(flask(), event, token, path="/v1/report/世", base_path="/v1")
    assert "slow_function" in result["body"]


def test_request_without_a_token_is_served_as_usual(event: Event) -> None:
    assert ask(flask(), event, None)["body"] == "the report"


NOW = int(time.time())


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("x", id="no token"),
        pytest.param("9" * 5000, id="long"),
        pytest.param(f"{NOW + 60}.", id="no signature"),
        pytest.param("٣.abc", id="other digits"),
        pytest.param(sign_profile("another key", "GET", "/report/a"), id="another key"),
        pytest.param(sign_profile(KEY, "POST", "/report/a"), id="another method"),
        pytest.param(sign_profile(KEY, "GET", "/report/b"), id="another path"),
        pytest.param(sign_profile(KEY, "GET", "/report/a", 1, now=lambda: NOW - 9), id="expired"),
        pytest.param(
            sign_profile(KEY, "GET", "/report/a", 86_400, now=lambda: NOW + 9000), id="far off"
        ),
    ],
)
@pytest.mark.parametrize("by", ["header", "query"])
@pytest.mark.parametrize("app", [flask, starlette])
def test_wrong_token_is_ignored_and_never_logged(
    app: Any, by: str, token: str, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    text = token if by == "header" and token.isascii() else quote(token)
    result = ask(app(), event, text, by=by)
    assert result["body"] == "the report"
    ((headers, parameters),) = seen
    assert not any("profile" in name.lower() for name in [*headers, *parameters])
    messages = [record.getMessage() for record in caplog.records]
    assert messages in (["a token to profile a request is wrong or expired"], [])
    assert messages or not token


def test_failing_application_is_a_500(event: Event) -> None:
    app = Flask("fails")

    @app.get("/report/a")
    def fails() -> str:
        raise KeyError("the application fails")

    app.testing = True
    token = sign_profile(KEY, "GET", "/report/a")
    assert ask(app, event, token)["statusCode"] == 500


def test_exception_passes_through_and_leaves_the_profiler_free() -> None:
    switch = ProfileSwitch("pyinstrument", KEY)
    environ = {"wsgi.version": (1, 0)}

    def fails() -> Response:
        raise KeyError("the application fails")

    def works() -> Response:
        slow_function()
        return Response(200, (), b"works")

    with pytest.raises(KeyError, match="the application fails"):
        switch.run(fails, environ)
    assert b"slow_function" in switch.run(works, environ).body


def test_second_request_meanwhile_is_served_without() -> None:
    switch = ProfileSwitch("pyinstrument", KEY)
    environ = {"wsgi.version": (1, 0)}
    inside, go_on = threading.Event(), threading.Event()

    def slow() -> Response:
        inside.set()
        assert go_on.wait(30)
        return Response(200, (), b"slow")

    answers: list[Response] = []
    thread = threading.Thread(target=lambda: answers.append(switch.run(slow, environ)))
    thread.start()
    assert inside.wait(30)
    assert switch.run(lambda: Response(200, (), b"quick"), environ).body == b"quick"
    go_on.set()
    thread.join()
    assert b"Samples:" in answers[0].body


def test_wrong_options_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    app = flask()
    with pytest.raises(OptionError, match="profile must be 'pyinstrument' or None, got 'cProfile'"):
        wrap(app, profile="cProfile")
    monkeypatch.delenv("SLSADAPT_PROFILE_KEY")
    with pytest.raises(OptionError, match="set SLSADAPT_PROFILE_KEY"):
        wrap(app, profile="pyinstrument")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"pip install 'slsadapt\[profile\]'"):
        ProfileSwitch("pyinstrument", KEY)


@pytest.mark.parametrize("valid_s", [0, -1, 86_401])
def test_token_holds_for_a_day_at_most(valid_s: int) -> None:
    with pytest.raises(OptionError, match="valid_s must be from 1 to 86400"):
        sign_profile(KEY, "GET", "/", valid_s)


def test_command_prints_a_token_that_works(event: Event) -> None:
    done = CliRunner().invoke(profile_token, ["get", "/report/a", "--valid", "60"])
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1)
    assert "slow_function" in ask(flask(), event, done.stdout.strip())["body"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["GET", "report"], "PATH must begin with /"),
        (["GET", "/report", "--valid", "100000"], "valid_s must be from 1"),
    ],
)
def test_misused_command_says_why(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(profile_token, arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_command_without_a_key_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLSADAPT_PROFILE_KEY")
    done = CliRunner().invoke(profile_token, ["GET", "/report"])
    assert done.exit_code == 2
    assert "set SLSADAPT_PROFILE_KEY" in done.stderr
