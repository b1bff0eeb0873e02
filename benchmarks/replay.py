"""Measure what a request through a gateway costs a test, beside the frameworks' own test clients.

``python -m benchmarks.replay``, from the root; README.md beside this file says how to read the
table. What a whole suite takes is told by ``make conformance``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import overhead
from benchmarks.observability import measure_calls
from benchmarks.overhead import GREETING, Json, Row, compare, progress

TARGET = 2.0
DIALECTS = ("aws_http", "tencent_apigw")


def flask_calls() -> dict[str, Callable[[], Any]]:
    """Send one GET to one Flask application."""
    from flask import Flask
    from werkzeug.test import Client

    from slsadapt.testing import GatewayClient, through

    app = Flask(__name__)
    app.add_url_rule("/hello", "hello", lambda: GREETING)
    clients: dict[str, Any] = {"werkzeug Client": Client(app)}
    for dialect in DIALECTS:
        clients[f"GatewayClient, {dialect}"] = GatewayClient(app, dialect)
        clients[f"werkzeug Client through {dialect}"] = Client(through(app, dialect))
    return {name: partial(client.get, "/hello") for name, client in clients.items()}


def starlette_calls() -> dict[str, Callable[[], Any]]:
    """Send one GET to one Starlette application."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    with warnings.catch_warnings():
        # It would rather have httpx's successor.
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient

    from slsadapt.testing import GatewayClient, through

    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse(GREETING)

    app = Starlette(routes=[Route("/hello", hello)])
    clients: dict[str, Any] = {"Starlette TestClient": TestClient(app)}
    for dialect in DIALECTS:
        clients[f"GatewayClient, {dialect}"] = GatewayClient(app, dialect)
        clients[f"Starlette TestClient through {dialect}"] = TestClient(through(app, dialect))
    return {name: partial(client.get, "/hello") for name, client in clients.items()}


def run(quick: bool) -> tuple[dict[str, list[Row]], Json]:
    """Measure everything; return the table by title, and the raw samples."""
    rounds, batch = (2, 2) if quick else (100, 20)
    report: dict[str, list[Row]] = {}
    raw: Json = {}
    for what, calls in (("Flask", flask_calls()), ("Starlette", starlette_calls())):
        progress(what)
        for name, call in calls.items():
            answer = call()
            if answer.status_code != 200 or answer.text.encode() != GREETING:
                raise overhead.WrongAnswerError(f"{name} on {what}: {answer.status_code}")
        raw[f"{what.lower()}_us"] = samples = measure_calls(calls, rounds, batch)
        base, *others = calls
        report[f"A GET of {what}'s hello"] = [
            compare(name, samples, ("calls",), base, ours=name, target=TARGET) for name in others
        ]
    return report, raw


if __name__ == "__main__":
    raise SystemExit(overhead.command(__doc__ or "", run))
