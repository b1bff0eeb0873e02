"""The pytest plugin: whole suites, as their users have them, in processes of their own."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from typing import Any

import pytest

from slsadapt import gateways
from tests.testing.suites import grouped, ids, run, skips, suffixed, summary, told

pytestmark = pytest.mark.once

pytest_plugins = ["pytester"]

SHOP = """
from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.get("/")
def home():
    return "home"


@app.get("/tags")
def tags():
    return jsonify(request.args.getlist("tag"))


@app.get("/bare")
def bare():
    answer = Response("bare")
    del answer.headers["Content-Type"]
    return answer


@app.get("/picture")
def picture():
    return Response(bytes(range(256)), mimetype="image/png")


@app.get("/large")
def large():
    return "x" * 7_000_000


@app.get("/served")
def served():
    return {"event": "serverless.event" in request.environ}


@app.get("/nested")
def nested():
    return app.test_client().get("/served").json
"""

SUITE = """
import unittest
from contextlib import suppress

import pytest
from shop import app
from werkzeug.test import Client

client = app.test_client()
HTTP_1_0 = {"SERVER_PROTOCOL": "HTTP/1.0"}


def test_passes():
    assert client.get("/").text == "home"
    assert Client(app).get("/").text == "home"


def test_fails():
    assert client.get("/").text == "elsewhere"


def test_fails_alone():
    assert client.get("/served").json == {"event": False}


def test_fails_alone_whatever_else_is_lost():
    client.get("/bare")
    client.get("/tags?tag=a&tag=b")
    assert client.get("/served").json == {"event": False}


def test_sends_nothing():
    pass


def test_fails_before_it_sends():
    assert False


def test_loses_a_value():
    assert client.get("/tags?tag=a&tag=b").json == ["a", "b"]


def test_gets_a_header_more():
    assert "content-type" not in client.get("/bare").headers


def test_gets_a_header_less():
    assert client.get("/").headers["content-length"] == "4"


def test_gets_octets():
    assert client.get("/picture").data == bytes(range(256))


def test_is_old():
    assert client.get("/", environ_overrides=HTTP_1_0).text == "home"


def test_is_quiet_about_it():
    with suppress(Exception):
        client.get("/", environ_overrides={"shop.user": "Ada"})


@pytest.mark.xfail
def test_is_expected_to_fail_for_it():
    assert client.get("/", environ_overrides=HTTP_1_0).text == "elsewhere"


def test_sends_a_stream():
    def parts():
        yield b"a"

    client.post("/", data=b"a", headers={"Transfer-Encoding": "chunked"})


def test_skips():
    client.get("/")
    pytest.skip("for no reason")


@pytest.mark.skip(reason="not today")
def test_is_skipped():
    client.get("/")


@pytest.mark.xfail
def test_is_expected_to_fail():
    assert client.get("/").text == "elsewhere"


@pytest.mark.xfail(strict=True)
def test_is_strictly_expected_to_fail():
    assert client.get("/").text == "home"


@pytest.fixture
def greeting():
    yield client.get("/").text
    client.get("/")
    raise OSError("teardown")


def test_has_a_bad_teardown(greeting):
    assert greeting == "home"


@pytest.fixture
def broken():
    client.get("/")
    raise OSError("setup")


def test_has_a_bad_setup(broken):
    pass


@pytest.fixture
def old():
    return client.get("/", environ_overrides=HTTP_1_0)


def test_has_an_old_setup(old):
    pass


@pytest.fixture
def late():
    yield
    client.get("/", environ_overrides=HTTP_1_0)


def test_has_an_old_teardown(late):
    pass


@pytest.mark.parametrize("path", ["/", "/tags"])
def test_has_parameters(path):
    assert client.get(path).status_code == 200


class TestOfAClass:
    def test_method(self):
        assert client.get("/").text == "home"


class Case(unittest.TestCase):
    def setUp(self):
        self.client = app.test_client()

    def test_case(self):
        self.assertEqual(self.client.get("/").text, "home")

    @unittest.expectedFailure
    def test_unexpected(self):
        self.assertEqual(self.client.get("/").text, "elsewhere")


def test_asks_itself_directly():
    assert client.get("/nested").json == {"event": False}
"""

# What becomes of SUITE's tests through any gateway, and directly.
ALWAYS = {
    "test_passes": ["passed"],
    "test_fails": ["failed"],
    "test_skips": ["skipped"],
    "test_is_expected_to_fail": ["xfail"],
    "test_is_strictly_expected_to_fail": ["failed"],
    "test_has_a_bad_teardown": ["passed", "error"],
    "test_has_a_bad_setup": ["error"],
    "test_has_parameters[/]": ["passed"],
    "test_has_parameters[/tags]": ["passed"],
    "TestOfAClass::test_method": ["passed"],
    "Case::test_case": ["passed"],
    "Case::test_unexpected": ["xfail"],
    "test_asks_itself_directly": ["passed"],
}
# The same of those that send nothing, for which one gateway is enough.
ONCE = {
    "test_sends_nothing": ["passed"],
    "test_fails_before_it_sends": ["failed"],
    "test_is_skipped": ["skipped"],
}
# Through any gateway.
NEVER = {
    "test_fails_alone": ["failed"],
    "test_fails_alone_whatever_else_is_lost": ["failed"],
    "test_is_old": ["skipped"],
    "test_is_quiet_about_it": ["skipped"],
    "test_is_expected_to_fail_for_it": ["skipped"],
    "test_sends_a_stream": ["skipped"],
    "test_has_an_old_setup": ["skipped"],
    "test_has_an_old_teardown": ["skipped"],
}
# Through some gateways, and why.
LOSSES = {
    "aws_http": {"test_gets_a_header_more": "adds content-type to answers"},
    "alibaba_apigw": {
        "test_loses_a_value": "cannot carry all but the last value of a query key that repeats"
    },
    "alibaba_fc3": {
        "test_loses_a_value": "cannot carry whether a query key repeated or its value had a comma",
        "test_gets_a_header_more": "adds content-type to answers; "
        "drops content-length from answers",
        "test_gets_a_header_less": "drops content-length from answers",
    },
    "volcengine": {
        "test_loses_a_value": "cannot carry whether a query key repeated or its value had a comma; "
        "whether the client came by http",
        "test_gets_octets": "cannot carry response bodies that are not UTF-8: they are refused",
    },
}
CARRIED = (
    "test_loses_a_value",
    "test_gets_a_header_more",
    "test_gets_a_header_less",
    "test_gets_octets",
)
REFUSALS = [
    "no gateway passes HTTP/1.0 on: functions see 1.1 or later",
    "no request carries the environ's shop.user",
    "no gateway passes HTTP/1.0 on: functions see 1.1 or later",
    "no gateway streams a request's body: functions get it whole",
    "no gateway passes HTTP/1.0 on: functions see 1.1 or later",
    "no gateway passes HTTP/1.0 on: functions see 1.1 or later",
]


def expected(dialect: str) -> dict[str, list[str]]:
    """Tell what becomes of SUITE through one gateway, but for ONCE."""
    own = {name: ["skipped" if name in LOSSES[dialect] else "passed"] for name in CARRIED}
    return {**ALWAYS, **NEVER, **own}


def test_a_suite_runs_through_one_gateway(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop=SHOP, test_shop=SUITE)

    result = run(pytester, "-v", "-rs", "--gateway", "aws_http")

    assert "gateways: aws_http" in result.outlines
    assert grouped(told(result)) == {**expected("aws_http"), **ONCE}
    own = "aws_http adds content-type to answers"
    refusals = sorted({f"aws_http: {each}" for each in REFUSALS})
    assert sorted({*skips(result)}) == sorted([own, *refusals, "for no reason", "not today"])
    assert summary(result) == [
        "aws_http: 9 passed through it, 2 failed through it alone, 4 failed, directly too, "
        "7 skipped for what it cannot carry, 4 skipped by themselves, 2 sent nothing",
        "pass directly, but fail through aws_http:",
        "  test_shop.py::test_fails_alone",
        "  test_shop.py::test_fails_alone_whatever_else_is_lost",
    ]


def test_a_suite_runs_through_several_gateways(pytester: pytest.Pytester) -> None:
    dialects = ["alibaba_apigw", "alibaba_fc3", "volcengine"]
    pytester.makepyfile(shop=SHOP, test_shop=SUITE)

    result = run(pytester, "-v", "-rs", *[f"--gateway={each}" for each in dialects])

    assert f"gateways: {', '.join(dialects)}" in result.outlines
    assert grouped(told(result)) == ONCE | {
        suffixed(name, dialect): outcomes
        for dialect in dialects
        for name, outcomes in expected(dialect).items()
    }
    own = [f"{dialect} {reason}" for dialect in dialects for reason in LOSSES[dialect].values()]
    refusals = [f"{dialect}: {each}" for dialect in dialects for each in REFUSALS]
    assert {*skips(result)} == {*own, *refusals, "for no reason", "not today"}
    # Of all tests that ran, once a gateway, the last one was the last.
    shares = [match[1] for line in result.outlines if (match := re.search(r"(\d+)%\]$", line))]
    assert shares[-1] == "100"
    assert shares.count("100") == 1
    assert summary(result)[:3] == [
        "alibaba_apigw: 9 passed through it, 2 failed through it alone, 4 failed, directly too, "
        "7 skipped for what it cannot carry, 4 skipped by themselves, 2 sent nothing",
        "alibaba_fc3: 7 passed through it, 2 failed through it alone, 4 failed, directly too, "
        "9 skipped for what it cannot carry, 3 skipped by themselves",
        "volcengine: 8 passed through it, 2 failed through it alone, 4 failed, directly too, "
        "8 skipped for what it cannot carry, 3 skipped by themselves",
    ]
    assert summary(result)[-3:] == [
        "pass directly, but fail through volcengine:",
        "  test_shop.py::test_fails_alone[volcengine]",
        "  test_shop.py::test_fails_alone_whatever_else_is_lost[volcengine]",
    ]


def test_the_same_suite_without_gateways(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop=SHOP, test_shop=SUITE)

    result = run(pytester, "-v")

    passed = [*NEVER, *CARRIED]
    assert grouped(told(result)) == {
        **ALWAYS,
        **ONCE,
        **{name: ["passed"] for name in passed},
        "test_is_expected_to_fail_for_it": ["xfail"],
    }
    assert not [line for line in result.outlines if line.strip("= ").startswith("gateways")]


def test_a_failure_shows_the_event_and_the_result(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        shop=SHOP,
        test_shop="""
        from shop import app

        def test_result():
            app.test_client().get("/")
            assert app.test_client().get("/tags?tag=世界").json == []

        def test_error():
            assert app.test_client().get("/large").status_code == 200
        """,
    )

    result = run(pytester, "--gateway", "aws_http")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*_ test_result _*",
            "*- aws_http: event 2 of 2 -*",
            '  "version": "2.0",',
            '  "rawPath": "/tags",',
            '  "rawQueryString": "tag=*",',
            "*- aws_http: result -*",
            '  "statusCode": 200,',
            "*_ test_error _*",
            "*- aws_http: event 1 of 1 -*",
            '  "rawPath": "/large",',
            "*- aws_http: the function raised -*",
            "ResultTooLargeError: the result has 7,000,* bytes as JSON, the platform takes *",
        ]
    )
    assert summary(result) == [
        "aws_http: 1 failed through it alone, 1 failed, directly too",
        "pass directly, but fail through aws_http:",
        "  test_shop.py::test_error",
    ]


def test_all_is_every_gateway(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        shop=SHOP,
        test_shop="""
        from shop import app

        def test_home(gateway):
            assert app.test_client().get("/", environ_base={"REMOTE_ADDR": "1.2.3.4"}).text
        """,
    )

    result = run(pytester, "-v", "--gateway", "aws_http", "--gateway", "all")

    first = ["aws_http", *[name for name in gateways.NAMES if name != "aws_http"]]
    assert told(result) == [(f"test_home[{name}]", "passed") for name in first]
    assert f"gateways: {', '.join(first)}" in result.outlines


def test_there_is_no_such_gateway(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing(): pass")

    result = run(pytester, "--gateway", "aws")

    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: there is no gateway 'aws'; there are aws_http, *, gcp, and 'all'"]
    )


def test_nothing_is_loaded_without_need(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_loaded():
            packages = {name.partition(".")[0] for name in sys.modules}
            assert not packages & {"asgiref", "django", "httpx", "mangum", "starlette", "werkzeug"}
            rooms = {"client", "clients", "gateway", "cassettes"}
            assert not {f"slsadapt.testing.{room}" for room in rooms} & {*sys.modules}
        """
    )

    run(pytester).assert_outcomes(passed=1)


LATE = """
from pathlib import Path

from shop import app

client = app.test_client()


def test_passes():
    assert client.get("/").text == "home"


def test_fails():
    assert client.get("/served").json == {"event": EVENT}


def test_passes_too():
    assert client.get("/").text == "home"
"""


def test_what_failed_runs_again(pytester: pytest.Pytester) -> None:
    several = ["-v", "--gateway", "aws_http", "--gateway", "gcp"]
    pytester.makepyfile(shop=SHOP, test_shop=LATE.replace("EVENT", "False"))
    fails = [(name, "failed") for name in ids(["test_fails"], "aws_http", "gcp")]
    passes = [(name, "passed") for name in ids(["test_fails"], "aws_http", "gcp")]

    assert [each for each in told(run(pytester, *several)) if each[1] == "failed"] == fails
    assert told(run(pytester, *several, "--lf")) == fails
    pytester.makepyfile(test_shop=LATE.replace("EVENT", "True"))
    assert told(run(pytester, *several, "--lf")) == passes
    run(pytester, *several, "--lf").stdout.fnmatch_lines(["*no previously failed tests*"])


def test_the_first_failure_ends_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop=SHOP, test_shop=LATE.replace("EVENT", "False"))

    result = run(pytester, "-v", "-x", "--gateway", "all", "-k", "fails or too")

    assert told(result) == [("test_fails[aws_http]", "failed")]
    result.stdout.fnmatch_lines(["*stopping after 1 failures*", "*1 failed, 1 deselected*"])


def test_wider_fixtures_are_made_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        shop=SHOP,
        test_shop="""
        import unittest
        from pathlib import Path

        import pytest
        from shop import app

        def note(word):
            with Path("notes").open("a") as notes:
                notes.write(f"{word} ")

        @pytest.fixture(scope="session", autouse=True)
        def session():
            note("session")
            yield
            note("end")

        @pytest.fixture(scope="module")
        def client():
            note("module")
            yield app.test_client()
            note("over")
            raise OSError("at the end")

        @pytest.fixture
        def call():
            note("test")

        def test_first(client, call):
            assert client.get("/").text == "home"

        class Case(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                note("class")

            def test_case(self):
                assert app.test_client().get("/").text == "home"

            @classmethod
            def tearDownClass(cls):
                note("done")

        def test_sends_nothing(client, call):
            pass
        """,
        test_site="""
        from shop import app

        def test_last():
            assert app.test_client().get("/").text == "home"
        """,
    )

    result = run(
        pytester, "-v", "test_shop.py", "test_site.py", "--gateway=gcp", "--gateway=aws_rest"
    )

    notes = (pytester.path / "notes").read_text().split()
    assert notes == ["session", "module", "test", "test", "class", "done", "test", "over", "end"]
    assert told(result) == [
        *[(name, "passed") for name in ids(["test_first"], "gcp", "aws_rest")],
        *[(name, "passed") for name in ids(["Case::test_case"], "gcp", "aws_rest")],
        ("test_sends_nothing", "passed"),
        ("test_sends_nothing", "error"),
        *[(name, "passed") for name in ids(["test_last"], "gcp", "aws_rest")],
    ]
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_sends_nothing*", "*at the end*"])


@pytest.mark.skipif(find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_a_suite_runs_in_several_processes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop=SHOP, test_shop=LATE.replace("EVENT", "False"))

    several = ["-n2", "--gateway", "aws_http", "--gateway", "gcp"]
    result = run(pytester, *several)

    result.assert_outcomes(passed=4, failed=2)
    assert sorted(summary(result)) == [
        "  test_shop.py::test_fails[aws_http]",
        "  test_shop.py::test_fails[gcp]",
        "aws_http: 2 passed through it, 1 failed through it alone",
        "gcp: 2 passed through it, 1 failed through it alone",
        "pass directly, but fail through aws_http:",
        "pass directly, but fail through gcp:",
    ]
    run(pytester, *several, "--lf").assert_outcomes(failed=2)


MARKS = """
import unittest

import pytest
from shop import app


@pytest.mark.gateway("tencent_apigw", "aws_rest")
def test_function(gateway, gateway_client, gateway_event):
    answer = gateway_client(app).post("/served", json={"sku": 7})
    assert answer.status_code == 405
    assert "resource" in answer.event or gateway == "tencent_apigw"
    event = gateway_event("GET", "/tags", params={"tag": "a"})
    assert event["httpMethod"] == "GET"
    assert event["path"] == "/tags"
    assert event["requestContext"].keys() == answer.event["requestContext"].keys()


@pytest.mark.gateway("yandex")
class TestOfAClass:
    def test_method(self, gateway):
        assert gateway == "yandex"
        assert app.test_client().get("/").text == "home"

    @pytest.mark.gateway("azure")
    def test_with_its_own(self, gateway):
        assert gateway == "azure"


@pytest.mark.gateway("aws_rest", "gcp")
class Case(unittest.TestCase):
    def test_case(self):
        assert app.test_client().get("/served").json == {"event": True}


@pytest.mark.gateway("kong", "volcengine")
@pytest.mark.parametrize("path", ["/", "/tags"])
def test_has_parameters(path):
    assert app.test_client().get(path).status_code == 200


@pytest.mark.gateway("aws_rest")
def test_fails():
    assert app.test_client().get("/served").json == {"event": False}


@pytest.mark.gateway("aws_rest")
def test_fails_by_its_client(gateway_client):
    assert gateway_client(app).get("/").text == "elsewhere"


def test_without(gateway, gateway_event):
    assert gateway == "aws_http"
    assert gateway_event()["version"] == "2.0"
    assert gateway_event(dialect="tencent_apigw", stage="test")["requestContext"]["stage"] == "test"
    assert app.test_client().get("/served").json == {"event": False}
"""
MODULE = """
import pytest
from shop import app

pytestmark = pytest.mark.gateway("aws_alb")


def test_whole_module(gateway):
    assert gateway == "aws_alb"
    assert app.test_client().get("/served").json == {"event": True}
"""


def test_marks_name_gateways(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop=SHOP, test_marks=MARKS, test_module=MODULE)

    result = run(pytester, "-v", "--strict-markers")

    assert told(result) == [
        ("test_function[tencent_apigw]", "passed"),
        ("test_function[aws_rest]", "passed"),
        ("TestOfAClass::test_method[yandex]", "passed"),
        ("TestOfAClass::test_with_its_own[azure]", "passed"),
        ("Case::test_case[aws_rest]", "passed"),
        ("Case::test_case[gcp]", "passed"),
        ("test_has_parameters[kong-/]", "passed"),
        ("test_has_parameters[kong-/tags]", "passed"),
        ("test_has_parameters[volcengine-/]", "passed"),
        ("test_has_parameters[volcengine-/tags]", "passed"),
        ("test_fails[aws_rest]", "failed"),
        ("test_fails_by_its_client[aws_rest]", "failed"),
        ("test_without", "passed"),
        ("test_whole_module[aws_alb]", "passed"),
    ]
    result.stdout.fnmatch_lines(["*_ test_fails_by_its_client* _*", "*aws_rest: event 1 of 1*"])
    assert {
        "aws_rest: 2 passed through it, 1 failed through it alone, 1 failed",
        "pass directly, but fail through aws_rest:",
        "  test_marks.py::test_fails[aws_rest]",
    } < {*summary(result)}


def test_marks_outrank_the_option(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop=SHOP, test_marks=MARKS, test_module=MODULE)

    chosen = ["TestOfAClass", "test_has_parameters[kong-/]", "test_without", "Case::test_case"]
    result = run(
        pytester, "-v", "--gateway=aws_lattice", *[f"test_marks.py::{each}" for each in chosen]
    )

    assert told(result) == [
        ("TestOfAClass::test_method[yandex]", "passed"),
        ("TestOfAClass::test_with_its_own[azure]", "passed"),
        ("test_has_parameters[kong-/]", "passed"),
        ("test_without", "failed"),
        ("Case::test_case[aws_rest]", "passed"),
        ("Case::test_case[gcp]", "passed"),
    ]


def test_a_mark_names_no_gateway(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MODULE.replace("aws_alb", "elb"), shop=SHOP)

    result = run(pytester)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["there is no gateway 'elb'; there are aws_http, *, and 'all'"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_option_reaches_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        shop=SHOP,
        test_shop="""
        from shop import app

        def test_name(gateway):
            assert gateway in ("gcp", "aws_alb")

        def test_client(gateway_client, gateway):
            client = gateway_client(app)
            assert client.get("/served").json() == {"event": True}
            assert client.gateway.name == gateway

        def test_event(gateway_event):
            assert "elb" in gateway_event()["requestContext"]

        def test_nothing():
            pass
        """,
    )

    result = run(pytester, "-v", "--gateway", "aws_alb", "--gateway", "gcp")

    assert told(result) == [
        *[(name, "passed") for name in ids(["test_name", "test_client"], "aws_alb", "gcp")],
        ("test_event[aws_alb]", "passed"),
        ("test_event[gcp]", "failed"),
        ("test_nothing", "passed"),
    ]


CASSETTES: dict[str, list[dict[str, Any]]] = {
    "hello.json": [{"path": "/", "body": "home"}],
    "more.jsonl": [
        {"path": "/", "body": "elsewhere"},
        {"path": "/", "omitted": {"event.body": {"bytes": 9, "sha256": "0" * 64}}},
        {"path": "/tags", "mime_type": "application/json", "body": "[]\n"},
        {"path": "/tags", "mime_type": "application/json", "body": '["a"]'},
    ],
}


def _cassette(path: str, mime_type: str = "text/html; charset=utf-8", **rest: Any) -> str:
    """Write a cassette as slsadapt/testing/cassettes.py says."""
    event = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "shop.example"},
        "requestContext": {
            "domainName": "shop.example",
            "http": {"method": "GET", "path": path, "sourceIp": "192.0.2.1"},
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "$default",
        },
        "body": None,
        "isBase64Encoded": False,
    }
    cassette: dict[str, Any] = {"slsadapt": 1, "dialect": "aws_http", "event": event}
    if "body" in rest:
        cassette["result"] = {
            "statusCode": 200,
            "headers": {"content-type": mime_type},
            "body": rest["body"],
            "isBase64Encoded": False,
        }
    return json.dumps(cassette | {"omitted": rest.get("omitted", {})})


def test_cassettes_are_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop=SHOP)
    (pytester.path / "site" / "cassettes").mkdir(parents=True)
    for name, cassettes in CASSETTES.items():
        lines = [_cassette(**cassette) for cassette in cassettes]
        (pytester.path / "site" / "cassettes" / name).write_text("\n".join(lines))
    (pytester.path / "site" / "other.json").write_text("{}")

    assert run(pytester).ret is pytest.ExitCode.NO_TESTS_COLLECTED
    pytester.makeini("[pytest]\ngateway_app = shop:app")
    # They have gateways of their own.
    result = run(pytester, "-v", "-rs", "--gateway", "azure", "--gateway", "gcp")

    assert told(result) == [
        ("event 1", "passed"),
        ("event 1", "failed"),
        ("event 2", "skipped"),
        ("event 3", "passed"),
        ("event 4", "failed"),
    ]
    assert skips(result) == ["its body of 9 bytes was not recorded"]
    result.stdout.fnmatch_lines(
        [
            "*_ more.jsonl: event 1 _*",
            'body: "elsewhere" -> "home"',
            "*_ more.jsonl: event 4 _*",
            'body[[]0]: "a" -> (absent)',
            "SKIPPED [[]1] site/cassettes/more.jsonl:2: its body *",
        ]
    )
    result.stdout.no_fnmatch_line("*Error*")


def test_a_cassette_is_broken(pytester: pytest.Pytester) -> None:
    (pytester.path / "cassettes").mkdir()
    (pytester.path / "cassettes" / "half.json").write_text('{"slsadapt": 1,')
    pytester.makeini("[pytest]\ngateway_app = shop:app")

    result = run(pytester)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*/cassettes/half.json:1: no JSON: *"])
    result.stdout.no_fnmatch_line("*plugin.py*")
