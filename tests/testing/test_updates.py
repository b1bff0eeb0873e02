"""New answers in the place of recorded ones."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from slsadapt.testing.cassettes import ABSENT, Cassette, read, rewrite
from slsadapt.testing.compare import Digest
from slsadapt.testing.replay import Answer
from slsadapt.testing.updates import updated

EVENT = {
    "headers": {"host": "1300000000-abc.gz.tencentscf.com", "authorization": "[redacted]"},
    "httpMethod": "GET",
    "path": "/price",
    "queryString": {},
}


def result_of(body: str, **headers: str) -> dict[str, Any]:
    return {
        "isBase64Encoded": False,
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", **headers},
        "body": body,
    }


def recorded(**fields: Any) -> Cassette:
    return Cassette.of(
        {
            "slsadapt": 1,
            "recorded_at": "2026-11-21T10:00:00.123Z",
            "dialect": "tencent_function_url",
            "event": EVENT,
            "context": {"function_name": "shop"},
            "timing": {"total_ms": 1.5, "cold": True},
            "redacted": ["event.headers.authorization"],
            "ticket": "SHOP-7",
            **fields,
        }
    )


def test_result_takes_the_place_of_a_result() -> None:
    cassette = recorded(result=result_of('{"price": 10}'))
    changed = updated(cassette, Answer(result_of('{"price": 12}')))
    assert changed.to_json() == cassette.to_json() | {"result": result_of('{"price": 12}')}


def test_result_takes_the_place_of_an_exception() -> None:
    error = {"type": "builtins.ValueError", "message": "no price"}
    changed = updated(recorded(error=error), Answer(result_of("{}")))
    assert (changed.result, changed.error) == (result_of("{}"), None)


def test_exception_takes_the_place_of_a_result() -> None:
    error = {"type": "builtins.ValueError", "message": "no price for Bearer abcdefgh12345678"}
    changed = updated(recorded(result=result_of("{}")), Answer(error=error))
    assert changed.result is ABSENT
    assert changed.error == {
        "type": "builtins.ValueError",
        "message": "no price for Bearer [redacted]",
    }
    assert changed.redacted == ("event.headers.authorization", "error.message")


def test_body_that_was_left_out_is_left_out() -> None:
    old = {"result.body": {"bytes": 3, "sha256": "0" * 64}}
    cassette = recorded(result=result_of(""), omitted=old)
    changed = updated(cassette, Answer(result_of('{"price": 12}')))
    digest = Digest(13, sha256(b'{"price": 12}').hexdigest())
    assert changed.omitted == {"result.body": digest}
    assert "12" not in json.dumps(changed.result)


def test_body_of_the_event_stays_left_out() -> None:
    old = {"event.body": {"bytes": 3, "sha256": "0" * 64}}
    changed = updated(recorded(result=result_of("{}"), omitted=old), Answer(result_of("[]")))
    assert changed.omitted == {"event.body": Digest(3, "0" * 64)}
    assert changed.result["body"] == "[]"


def test_new_secrets_are_redacted() -> None:
    cassette = recorded(result=result_of("{}"))
    new = result_of('{"password": "hunter2"}', **{"Set-Cookie": "sid=hunter2; Path=/"})
    changed = updated(cassette, Answer(new))
    assert "hunter2" not in json.dumps(changed.to_json())
    assert changed.result["headers"]["Set-Cookie"] == "sid=[redacted]; Path=/"
    assert [*changed.redacted] == [
        "event.headers.authorization",
        "result.headers.Set-Cookie",
        "result.body.password",
    ]


@pytest.mark.parametrize(
    "old",
    [
        pytest.param(result_of("{}", **{"X-Depot": "[redacted]"}), id="header"),
        pytest.param(result_of('{"x-depot": "[redacted]"}'), id="field of a body"),
        pytest.param({"multiValueHeaders": {"x-depot": ["[redacted]"]}}, id="list of values"),
        pytest.param([{"key": "X-Depot", "value": "[redacted]"}], id="pair"),
    ],
)
def test_names_that_the_recorder_was_told_are_secret_still(old: Any) -> None:
    new = result_of('{"xDepot": "hunter2", "value": 1}', **{"X-Depot": "hunter2"})
    changed = updated(recorded(result=old), Answer(new))
    assert changed.result["headers"]["X-Depot"] == "[redacted]"
    assert json.loads(changed.result["body"]) == {"xDepot": "[redacted]", "value": 1}


def test_updated_cassette_is_written_in_its_line(tmp_path: Path) -> None:
    file = tmp_path / "shop.jsonl"
    lines = [json.dumps(recorded(result=result_of(body)).to_json()) for body in ("1", "2", "3")]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rewrite([updated(read(file)[1], Answer(result_of('"城"')))])
    first, second, third = file.read_text(encoding="utf-8").splitlines()
    assert (first, third) == (lines[0], lines[2])
    assert json.loads(second)["result"] == result_of('"城"')
