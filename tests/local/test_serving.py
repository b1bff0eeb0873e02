"""The whole local cloud, from a client's request to an instance and back, for every gateway."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from slsadapt import gateways
from slsadapt.local import clouds
from slsadapt.local.function import Function
from slsadapt.local.notices import Answered, Ended, Notice, Reloaded, Report, Started
from slsadapt.local.pool import Rules
from slsadapt.local.serving import LocalCloud, Settings

pytestmark = pytest.mark.once

APP = """
import json

from slsadapt import wrap
from slsadapt.gateways.contexts import invocation_id

def app(environ, start_response):
    body = environ["wsgi.input"].read()
    told = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "cookie": environ.get("HTTP_COOKIE"),
        "body": body.decode("latin-1"),
        "invocation": invocation_id(environ["serverless.context"]),
    }
    start_response("201 Created", [("Content-Type", "application/json"), ("Set-Cookie", "a=1")])
    return [json.dumps(told).encode()]

main_handler = wrap(app)
"""

Body = Callable[[LocalCloud, httpx.AsyncClient, list[Notice]], Awaitable[None]]


def serve(
    folder: Path, body: Body, dialect: str = "aws_http", rules: Rules | None = None, **more: Any
) -> None:
    async def run() -> None:
        notices: list[Notice] = []
        function = Function(
            label="index",
            folder=folder,
            module="index",
            name="main_handler",
            dialect=dialect,
            timeout_s=30.0,
            memory_mb=512,
            concurrency=more.pop("concurrency", 1),
        )
        settings = Settings(
            function=function,
            rules=rules or Rules(cold="fork"),
            port=0,
            invoke_port=0,
            **{"reloads": False, **more},
        )
        async with (
            LocalCloud(settings, notices.append) as cloud,
            httpx.AsyncClient(base_url=cloud.url, timeout=30) as client,
        ):
            await body(cloud, client, notices)

    asyncio.run(asyncio.wait_for(run(), 120))


@pytest.mark.parametrize("dialect", gateways.NAMES)
def test_request_reaches_an_application_behind_every_gateway(tmp_path: Path, dialect: str) -> None:
    (tmp_path / "index.py").write_text(APP)

    async def body(cloud: LocalCloud, client: httpx.AsyncClient, notices: list[Notice]) -> None:
        answer = await client.post(
            "/orders/7?a=1&b=x", content=b'{"n": 1}', headers=[("cookie", "theme=dark")]
        )
        assert answer.status_code == 201, answer.text
        assert answer.headers["set-cookie"] == "a=1"
        told = answer.json()
        assert (told["method"], told["query"], told["body"]) == ("POST", "a=1&b=x", '{"n": 1}')
        assert told["path"] == "/orders/7"
        assert told["cookie"] == "theme=dark"
        [report] = [each for each in notices if isinstance(each, Report)]
        assert report.failure is None
        if told["invocation"]:
            assert told["invocation"] == report.request_id
        [answered] = [each for each in notices if isinstance(each, Answered)]
        assert (answered.status, answered.line) == (201, "POST /orders/7?a=1&b=x")

    serve(tmp_path, body, dialect)


@pytest.mark.parametrize("dialect", gateways.NAMES)
def test_crash_gets_the_gateways_own_answer(tmp_path: Path, dialect: str) -> None:
    source = "import os\nfrom slsadapt import wrap\n"
    source += "main_handler = wrap(lambda environ, start_response: os._exit(3), interface='wsgi')\n"
    (tmp_path / "index.py").write_text(source)

    async def body(cloud: LocalCloud, client: httpx.AsyncClient, notices: list[Notice]) -> None:
        answer = await client.get("/")
        [report] = [each for each in notices if isinstance(each, Report)]
        assert report.failure is not None
        assert (report.failure.kind, report.failure.status) == ("exit", 3)
        expected = clouds.load(dialect).fail(report.failure)
        assert answer.status_code == expected.status
        assert answer.status_code >= 400 or dialect == "tencent_apigw"

    serve(tmp_path, body, dialect)


def test_throttled_requests_get_429_of_a_function_url(tmp_path: Path) -> None:
    go = tmp_path / "go"
    (tmp_path / "index.py").write_text(
        f"import os, time\ndef main_handler(event, context):\n"
        f"    while not os.path.exists({str(go)!r}): time.sleep(0.01)\n    return 'late'\n"
    )

    async def body(cloud: LocalCloud, client: httpx.AsyncClient, notices: list[Notice]) -> None:
        slow = asyncio.ensure_future(client.get("/"))
        while not cloud.pool.instances:
            await asyncio.sleep(0.005)
        assert (await client.get("/")).status_code == 429
        go.touch()
        assert (await slow).text == "late"

    serve(tmp_path, body, "aws_function_url", Rules(instances=1, cold="fork"))


def test_saved_file_is_served(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("def main_handler(event, context): return 'old'\n")

    async def body(cloud: LocalCloud, client: httpx.AsyncClient, notices: list[Notice]) -> None:
        assert (await client.get("/")).text == "old"
        (tmp_path / "index.py").write_text("def main_handler(event, context): return 'newer'\n")
        while not any(isinstance(each, Reloaded) for each in notices):
            await asyncio.sleep(0.005)
        assert (await client.get("/")).text == "newer"
        # It was there before anybody asked, and is the one that answered.
        assert len([each for each in notices if isinstance(each, Started)]) == 2
        [ended] = [each for each in notices if isinstance(each, Ended)]
        assert (ended.instance, ended.why) == ("1", "reload")

    serve(tmp_path, body, reloads=True)


def test_saves_within_a_second_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    index = tmp_path / "index.py"
    source = "def main_handler(event, context): return '{}'\n"

    def save(text: str) -> None:
        # Of one size and, as bytecode knows files, of one time.
        index.write_text(source.format(text))
        os.utime(index, (1_000_000_000, 1_000_000_000))

    save("one")

    async def body(cloud: LocalCloud, client: httpx.AsyncClient, notices: list[Notice]) -> None:
        assert (await client.get("/")).text == "one"
        for count, text in enumerate(("two", "six"), 1):
            save(text)
            while len([each for each in notices if isinstance(each, Reloaded)]) < count:
                await asyncio.sleep(0.005)
            assert (await client.get("/")).text == text

    serve(tmp_path, body, reloads=True)


def test_mistake_at_first_is_preloaded_when_mended(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("def main_handler(:\n")

    async def body(cloud: LocalCloud, client: httpx.AsyncClient, notices: list[Notice]) -> None:
        assert cloud.preloaded is not None
        assert "SyntaxError" in cloud.preloaded.error
        assert (await client.get("/")).status_code == 500
        (tmp_path / "index.py").write_text(
            "import sqlite3\ndef main_handler(event, context): return 'mended'\n"
        )
        while not any(isinstance(each, Reloaded) for each in notices):
            await asyncio.sleep(0.005)
        assert cloud.preloaded.error == ""
        assert (await client.get("/")).text == "mended"

    serve(tmp_path, body, reloads=True)


def test_many_at_once_all_start_cold(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text(
        "import time\ndef main_handler(event, context):\n"
        "    time.sleep(0.5)\n    return event['rawQueryString']\n"
    )

    async def body(cloud: LocalCloud, client: httpx.AsyncClient, notices: list[Notice]) -> None:
        answers = await asyncio.gather(*(client.get(f"/?{number}") for number in range(60)))
        assert [answer.text for answer in answers] == [str(number) for number in range(60)]
        assert cloud.pool.counts.started == 60

    serve(tmp_path, body, rules=Rules(instances=60, cold="fork"))


def test_invoke_api_and_gateway_share_the_instances(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("def main_handler(event, context): return event\n")

    async def body(cloud: LocalCloud, client: httpx.AsyncClient, notices: list[Notice]) -> None:
        path = "/2015-03-31/functions/slsadapt/invocations"
        direct = await client.post(f"{cloud.invoke_url}{path}", content=b'{"x": 1}')
        assert direct.json() == {"x": 1}
        event = json.loads((await client.get("/a")).text)
        assert event["rawPath"] == "/a"
        assert cloud.pool.counts.started == 1

    serve(tmp_path, body)
