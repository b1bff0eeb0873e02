"""``slsadapt dialects``, run as a user does."""

from __future__ import annotations

import json
from importlib import import_module

import pytest
from click.testing import CliRunner, Result

from slsadapt import gateways
from slsadapt.cli.dialects import dialects
from slsadapt.gateways.losses import LOSSES

ALL = (*gateways.NAMES, *gateways.SOCKET_NAMES)


def run(*arguments: str, columns: int = 200) -> Result:
    return CliRunner(env={"COLUMNS": str(columns), "NO_COLOR": "1"}).invoke(
        dialects, arguments, prog_name="slsadapt dialects"
    )


def test_every_dialect_is_listed_with_its_marks_limits_and_losses() -> None:
    done = run("--json")
    assert done.exit_code == 0, done.output
    listed = {each["name"]: each for each in json.loads(done.stdout)}
    assert list(listed) == list(ALL)
    for name, each in listed.items():
        module = import_module(f"slsadapt.gateways.{name}")
        assert each["gateway"] == module.TITLE
        assert each["told_by"] == module.KEYS
        assert each["request_limit_bytes"] == module.REQUEST_LIMIT_BYTES
        assert each["result_limit_bytes"] == module.RESULT_LIMIT_BYTES
        assert each["cannot_carry"] == [LOSSES[loss] for loss in module.LOSES]


def test_text_says_the_same_as_json() -> None:
    text = " ".join(run().stdout.split())
    for each in json.loads(run("--json").stdout):
        assert f"{each['name']} {each['gateway']} told by {each['told_by']} limits" in text
        for loss in each["cannot_carry"]:
            assert " ".join(loss.split()) in text


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("aws_rest", "request 6,291,456 bytes (6 MB), result 6,291,556 bytes (6 MB)"),
        ("aws_websocket", "request 131,072 bytes (128 KB), result 131,072 bytes (128 KB)"),
        ("volcengine", "request not documented, result not documented"),
    ],
)
def test_limits_are_written_for_people(name: str, limits: str) -> None:
    assert limits in run(name).stdout


def test_beginnings_of_names_choose() -> None:
    names = [each["name"] for each in json.loads(run("tencent", "aws_rest", "--json").stdout)]
    assert names == [name for name in ALL if name.startswith("tencent") or name == "aws_rest"]


def test_unknown_name_is_a_usage_error_that_names_the_known() -> None:
    done = run("netlify")
    assert (done.exit_code, done.stdout) == (2, "")
    message = " ".join(done.stderr.split())
    assert "there is no dialect 'netlify'; there are " in message
    assert "tencent_apigw" in message


def test_narrow_terminal_wraps_and_loses_nothing() -> None:
    lines = run("alibaba_fc3", columns=60).stdout.splitlines()
    assert max(map(len, lines)) <= 60
    assert all(line.startswith(" ") for line in lines[1:] if line)


def test_timers_and_keep_warm_calls_are_listed_too() -> None:
    text = " ".join(run().stdout.split())
    assert "timer no request" in text
    assert "Tencent Type 'Timer', TriggerName" in text
    assert "serverless-plugin-warmup source 'serverless-plugin-warmup'" in text
    assert "Tencent Type" not in run("tencent").stdout
