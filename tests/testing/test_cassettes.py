"""Cassettes are read, in each of their forms, and written."""

from __future__ import annotations

import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slsadapt.errors import BadEventError, OptionError
from slsadapt.testing.cassettes import ABSENT, Cassette, parse, read, rewrite, write
from slsadapt.testing.compare import Digest
from tests.conftest import EVENTS, load_case

SAMPLES = Path(__file__).parents[2] / "slsadapt" / "testing" / "samples"
EVENT = load_case("aws_http/rs_sam_http")["event"]
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
WHOLE: dict[str, Any] = {
    "slsadapt": 1,
    "recorded_at": "2026-11-21T10:00:00.123Z",
    "dialect": "aws_http",
    "event": EVENT,
    "context": {"aws_request_id": "id-1", "memory_limit_in_mb": "128"},
    "result": {"statusCode": 200, "body": "你好"},
    "timing": {"total_ms": 1.2, "cold": True},
    "redacted": ["event.headers.authorization"],
    "omitted": {"event.body": {"bytes": 4, "sha256": SHA}},
    "objects": {"result.when": "datetime.datetime"},
}


def test_whole_cassette() -> None:
    cassette = Cassette.of(WHOLE)
    assert cassette == Cassette(
        EVENT,
        {"aws_request_id": "id-1", "memory_limit_in_mb": "128"},
        {"statusCode": 200, "body": "你好"},
        None,
        "aws_http",
        "2026-11-21T10:00:00.123Z",
        {"total_ms": 1.2, "cold": True},
        ("event.headers.authorization",),
        {"event.body": Digest(4, SHA)},
        {"result.when": "datetime.datetime"},
    )
    assert cassette.to_json() == WHOLE
    assert list(cassette.to_json()) == list(WHOLE)
    assert cassette.origin == ""
    assert pickle.loads(pickle.dumps(cassette)) == cassette


@pytest.mark.parametrize(
    ("value", "result", "error"),
    [
        ({"slsadapt": 1, "event": None}, ABSENT, None),
        ({"slsadapt": 1, "event": [], "result": None}, None, None),
        (
            {"slsadapt": 1, "event": {}, "error": {"type": "builtins.ValueError", "message": "no"}},
            ABSENT,
            {"type": "builtins.ValueError", "message": "no"},
        ),
        ({"source": "a page", "event": {"a": 1}, "result": 5}, 5, None),
        ({"source": "a page", "event": {"a": 1}}, ABSENT, None),
        (EVENT, ABSENT, None),
        (load_case("aws_eventbridge/doc_java_scheduled")["event"], ABSENT, None),
    ],
    ids=["nothing", "null returned", "raised", "case with result", "case", "event", "timer"],
)
def test_what_was_recorded_of_the_answer(value: Any, result: Any, error: Any) -> None:
    cassette = Cassette.of(value)
    assert cassette.result == result
    assert cassette.error == error
    assert Cassette.of(cassette.to_json()) == cassette


def test_event_alone_is_the_event() -> None:
    assert Cassette.of(EVENT) == Cassette(EVENT)


def test_other_keys_of_a_case_are_kept() -> None:
    case = {"source": "a page", "note": "shortened", "event": {"a": 1}, "context": {"id": "b"}}
    cassette = Cassette.of(case)
    assert cassette.context == {"id": "b"}
    assert cassette.notes == {"source": "a page", "note": "shortened"}
    assert cassette.to_json().items() >= case.items()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "^x.json: a cassette or an event must be a JSON object, got list$"),
        ('{"b": 1, "a": 2}', r"^x.json: neither a cassette nor an event .* keys \['a', 'b'\]$"),
        ('{\n"a":\n', "^x.json:3: no JSON: Expecting value$"),
        ("[" * 100_000, "^x.json: nested too deeply$"),
        (b'{"a": "\xff"}', "^x.json: must be UTF-8: invalid start byte$"),
        ('{"slsadapt": 1}', "^x.json: 'event' is missing$"),
        ('{"slsadapt": 2, "event": {}}', "^x.json: 'slsadapt' must be 1, .* got 2$"),
        ('{"slsadapt": 1, "event": {}, "context": 5}', "'context' must be dict or null, got int$"),
        ('{"slsadapt": 1, "event": {}, "timing": null}', "'timing' must be dict, got NoneType$"),
        ('{"slsadapt": 1, "event": {}, "error": {}}', "'error' must hold 'type' and 'message'"),
        ('{"slsadapt": 1, "event": {}, "omitted": {"a": 1}}', "'omitted' must hold 'bytes' and"),
        ('{"slsadapt": 1, "event": {}}\n\n{"a"', "^x.json:3: no JSON: Expecting ':' delimiter$"),
        ('{"slsadapt": 1, "event": {}}\n5', "^x.json:2: a cassette or .* got int$"),
        ('{"slsadapt": 1, "event": {}}\n' + "[" * 100_000, "^x.json:2: nested too deeply$"),
    ],
)
def test_message_names_file_and_line(text: bytes | str, message: str) -> None:
    with pytest.raises(BadEventError, match=message):
        parse(text, "x.json")


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    one, two = ({"slsadapt": 1, "event": {"n": number}} for number in (1, 2))
    path.write_text(f"{json.dumps(one)}\n\n{json.dumps(two)}\r\n", encoding="utf-8")
    cassettes = read(str(path))
    assert [each.event for each in cassettes] == [{"n": 1}, {"n": 2}]
    assert [each.origin for each in cassettes] == [f"{path}:1", f"{path}:3"]
    # As they come in a pipe, which has no name that tells.
    assert [each.line for each in parse(path.read_text(), "<stdin>")] == [1, 3]


@pytest.mark.parametrize("text", ["", " \n", b"\xef\xbb\xbf"])
def test_nothing_is_no_cassette(text: bytes | str) -> None:
    assert parse(text, "a.json") == parse(text, "a.jsonl") == []


def test_byte_order_mark_is_no_part_of_it() -> None:
    assert parse(b"\xef\xbb\xbf" + json.dumps(WHOLE).encode()) == [Cassette.of(WHOLE)]


def test_folder_is_read_with_what_is_below_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for number, name in enumerate(["c.json", "b/a.jsonl", "a.json"]):
        (tmp_path / name).write_text(json.dumps({"slsadapt": 1, "event": number}))
    (tmp_path / "README.md").write_text("no cassette")
    (tmp_path / "d.json").mkdir()
    cassettes = read(tmp_path)
    assert [each.event for each in cassettes] == [2, 1, 0]
    assert [each.origin for each in cassettes] == [
        str(tmp_path / "a.json"),
        f"{tmp_path / 'b' / 'a.jsonl'}:1",
        str(tmp_path / "c.json"),
    ]


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent.json"):
        read(tmp_path / "absent.json")


def test_every_recorded_event_is_a_cassette() -> None:
    count = 0
    for path in EVENTS.glob("*/*.json"):
        case = json.loads(path.read_text())
        if "event" in case and "source" in case:
            count += 1
            (cassette,) = read(path)
            assert cassette.event == case["event"]
            assert cassette.context == case.get("context")
    assert count > 250


def test_every_sample_is_a_cassette() -> None:
    cassettes = read(SAMPLES)
    assert len(cassettes) == len([*SAMPLES.glob("*/*.json")])
    assert all(isinstance(each.event, dict) for each in cassettes)


def test_written_files_are_read_again(tmp_path: Path) -> None:
    cassettes = [Cassette.of(WHOLE), Cassette({"path": "/\ud83d"}, result=None)]
    write(tmp_path / "a.jsonl", cassettes)
    assert read(tmp_path / "a.jsonl") == cassettes
    for number, cassette in enumerate(cassettes):
        write(tmp_path / f"{number}.json", [cassette])
        assert read(tmp_path / f"{number}.json") == [cassette]
    # For people: indented, in their own script.
    assert '    "body": "你好"\n' in (tmp_path / "0.json").read_text(encoding="utf-8")
    assert len((tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_file_of_one_takes_one(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="takes one cassette, got 2"):
        write(tmp_path / "a.json", [Cassette({}), Cassette({})])
    assert not [*tmp_path.iterdir()]


def test_file_that_cannot_be_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write(path, [Cassette.of(WHOLE)])
    with pytest.raises(TypeError):
        write(path, [Cassette(object())])
    assert read(path) == [Cassette.of(WHOLE)]
    assert [*tmp_path.iterdir()] == [path]


def test_rewriting_changes_what_changed(tmp_path: Path) -> None:
    lines, whole = tmp_path / "a.jsonl", tmp_path / "b.json"
    case = {"source": "a page", "event": {"a": 1}, "result": 1}
    lines.write_text('{"slsadapt":1,  "event":1}\n\n{"slsadapt":1,"event":2}\n')
    whole.write_text(json.dumps(case))
    whole.chmod(0o640)
    first, second, third = read(tmp_path)
    rewrite([replace(third, result="new"), replace(second, result="neu")])
    assert read(tmp_path) == [first, replace(second, result="neu"), replace(third, result="new")]
    assert lines.read_text().startswith('{"slsadapt":1,  "event":1}\n\n{"slsadapt": 1, ')
    assert lines.read_text().count("\n") == 3
    assert json.loads(whole.read_text())["source"] == "a page"
    if sys.platform != "win32":
        assert whole.stat().st_mode & 0o777 == 0o640
    assert len([*tmp_path.iterdir()]) == 2


def test_cassette_from_nowhere_cannot_be_rewritten() -> None:
    with pytest.raises(OptionError, match="not read from a file"):
        rewrite([Cassette({})])
