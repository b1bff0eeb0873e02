"""Fresh processes: what they answer, what they tell, and how they fail."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from slsadapt import gateways
from slsadapt.bench.processes import (
    Adapter,
    Child,
    Conditions,
    dialect_name,
    import_path,
    run_fresh,
    status_of,
)
from slsadapt.bench.target import Target
from slsadapt.errors import BenchError
from slsadapt.message import Request

OWN = Conditions(adapter="slsadapt")


def get(path: str, dialect: str = "aws_http") -> dict[str, Any]:
    headers = (("host", "localhost"),)
    return gateways.load(dialect).encode_event(Request("GET", path, "", headers))


def test_events_are_answered_in_order_by_one_process(target: Target) -> None:
    outcome = run_fresh(target, [get("/a"), get("/b")], OWN)
    assert [answer.result["body"] for answer in outcome.answers] == [
        "hello from /a",
        "hello from /b",
    ]
    assert [answer.error for answer in outcome.answers] == ["", ""]


def test_phases_add_up_and_memory_and_modules_are_told(target: Target) -> None:
    outcome = run_fresh(target, [get("/a")], OWN)
    phases = (outcome.interpreter_ms, outcome.adapter_ms, outcome.application_ms)
    assert all(phase > 0 for phase in phases)
    assert outcome.response_ms == outcome.answers[0].took_ms > 0
    assert outcome.total_ms == pytest.approx(sum(phases) + outcome.response_ms)
    # An interpreter alone has 6 MiB and more.
    assert 4_000 < outcome.loaded_rss_kib <= outcome.answers[0].peak_kib
    assert outcome.answers[0].modules <= len(outcome.modules)
    files = {module.name: module.file for module in outcome.modules}
    assert files["helper"] == str(target.folder / "helper.py")


def test_what_a_view_imports_counts_after_it_only(target: Target) -> None:
    outcome = run_fresh(target, [get("/a"), get("/lazy")], OWN)
    first, second = outcome.answers
    assert second.modules > first.modules


def test_the_first_event_is_called_again(target: Target) -> None:
    assert len(run_fresh(target, [get("/a")], OWN, calls=7).warm_us) == 7


def test_warm_calls_end_when_their_time_is_up(target: Target) -> None:
    assert len(run_fresh(target, [get("/a")], OWN, calls=10**9, limit_s=0.05).warm_us) < 10**7


def test_what_the_application_prints_is_no_reply(target: Target) -> None:
    assert "a line of the application" in run_fresh(target, [get("/a")], OWN).stderr


def test_an_error_response_is_an_answer_with_its_status(target: Target) -> None:
    event = get("/boom")
    (answer,) = run_fresh(target, [event], OWN).answers
    assert answer.error == ""
    assert status_of(event, answer) == 500


def test_an_exception_of_a_function_is_told_with_its_traceback(folder: Path) -> None:
    (folder / "bad.py").write_text("def handler(event, context):\n    raise KeyError('x')\n")
    target = Target("bad:handler", folder, "bad", "handler")
    (answer,) = run_fresh(target, [get("/")]).answers
    assert answer.result is None
    assert "KeyError: 'x'" in answer.error
    assert status_of(get("/"), answer) == 500


def test_a_result_that_is_no_json_is_an_error(folder: Path) -> None:
    (folder / "bad.py").write_text("def handler(event, context):\n    return {1, 2}\n")
    (answer,) = run_fresh(Target("x", folder, "bad", "handler"), [get("/")]).answers
    assert "must return JSON" in answer.error


def test_a_process_that_ends_is_told_with_its_last_words(folder: Path) -> None:
    (folder / "bad.py").write_text(
        "import os, sys\nprint('farewell', file=sys.stderr)\nos._exit(7)"
    )
    with pytest.raises(BenchError, match=r"bad:app failed.*code 7\nfarewell"):
        run_fresh(Target("bad:app", folder, "bad", "app"), [get("/")], OWN)


def test_a_module_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(BenchError, match="No module named 'nothing'"):
        run_fresh(Target("nothing:app", folder, "nothing", "app"), [get("/")], OWN)


def test_a_function_gets_its_platforms_context(folder: Path) -> None:
    target = Target("shop:plain_handler", folder, "shop", "plain_handler")
    (answer,) = run_fresh(target, [get("/")]).answers
    assert answer.result == {"statusCode": 200, "body": "slsadapt"}


def test_a_context_has_methods_and_is_a_dict_where_its_platform_has_one(folder: Path) -> None:
    (folder / "told.py").write_text(
        "def handler(event, context):\n"
        "    left = getattr(context, 'get_remaining_time_in_millis', None)\n"
        "    return [left and left() > 0, context['request_id'] if 'request_id' in context else '',"
        " hasattr(context, 'nonsense')]\n"
    )
    target = Target("told", folder, "told", "handler")
    aws, tencent = (
        run_fresh(target, [get("/", dialect)]).answers[0].result
        for dialect in ("aws_http", "tencent_apigw")
    )
    assert aws == [True, "", False]
    assert tencent[0] is None
    assert len(tencent[1]) == 36


def test_function_compute_gets_octets(folder: Path) -> None:
    (folder / "told.py").write_text(
        "def handler(event, context):\n    return type(event).__name__\n"
    )
    target = Target("told", folder, "told", "handler")
    assert run_fresh(target, [get("/", "alibaba_fc3")]).answers[0].result == "bytes"


@pytest.mark.parametrize("adapter", ["slsadapt", "serverless-wsgi", "apig-wsgi", "aws-wsgi"])
def test_wsgi_adapters_answer_the_same(target: Target, adapter: Adapter) -> None:
    name = {"serverless-wsgi": "serverless_wsgi", "aws-wsgi": "awsgi"}.get(adapter, adapter)
    pytest.importorskip(name.replace("-", "_"))
    event = get("/a", "aws_rest")
    (answer,) = run_fresh(target, [event], Conditions(adapter=adapter)).answers
    assert (answer.result["statusCode"], answer.result["body"]) in {
        (200, "hello from /a"),
        ("200", "hello from /a"),
    }


def test_mangum_answers_asgi(folder: Path) -> None:
    (folder / "asgi.py").write_text(
        "async def app(scope, receive, send):\n"
        "    if scope['type'] == 'lifespan':\n"
        "        await receive(); await send({'type': 'lifespan.startup.complete'})\n"
        "        await receive(); await send({'type': 'lifespan.shutdown.complete'}); return\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'hello'})\n"
    )
    target = Target("asgi:app", folder, "asgi", "app")
    outcome = run_fresh(target, [get("/")], Conditions(adapter="mangum"))
    assert outcome.answers[0].result["statusCode"] == 200
    assert "slsadapt" not in {module.name for module in outcome.modules}


def test_copies_of_a_process_answer_each_for_themselves(folder: Path) -> None:
    (folder / "count.py").write_text(
        "calls = 0\n"
        "def handler(event, context):\n    global calls\n    calls += 1\n    return calls\n"
    )
    target = Target("count", folder, "count", "handler")
    with Child(target, [get("/")], Conditions(process="fork")) as child:
        first, second = child.fork(), child.fork()
    assert first.answers[0].result == second.answers[0].result == 1
    assert first.application_ms == 0
    assert first.interpreter_ms > 0


def test_a_copy_that_dies_is_told_of(folder: Path) -> None:
    (folder / "bad.py").write_text("import os\ndef handler(event, context):\n    os._exit(3)\n")
    target = Target("bad:handler", folder, "bad", "handler")
    with (
        Child(target, [get("/")], Conditions(process="fork")) as child,
        pytest.raises(BenchError, match="bad:handler failed in a forked process"),
    ):
        child.fork()


def test_the_collector_is_off_or_comes_back(folder: Path) -> None:
    (folder / "told.py").write_text(
        "import gc\nat_import = gc.isenabled()\n"
        "def handler(event, context):\n    return [at_import, gc.isenabled()]\n"
    )
    target = Target("told", folder, "told", "handler")
    states = [
        run_fresh(target, [get("/")], Conditions(gc=gc)).answers[0].result
        for gc in ("on", "off", "deferred")
    ]
    assert states == [[True, True], [False, False], [False, True]]


def test_an_observer_runs_before_imports_and_before_events(folder: Path, tmp_path: Path) -> None:
    observer = tmp_path / "observer.py"
    observer.write_text(
        "import sys\nseen = []\n"
        "def before_import():\n    seen.append('shop' in sys.modules)\n"
        "def before_events():\n    seen.append('shop' in sys.modules)\n"
        "def report():\n    return {'seen': seen}\n"
    )
    target = Target("shop:app", folder, "shop", "app")
    outcome = run_fresh(target, [get("/")], OWN, observer=observer)
    assert outcome.observed == {"seen": [False, True]}


def test_phases_are_marked_among_traced_imports(target: Target) -> None:
    text = run_fresh(target, [get("/lazy")], OWN, options=["-X", "importtime"]).stderr
    marks = ["adapter", "application", "event 0", "done"]
    places = [text.index(f"\nslsadapt-bench: {mark}\n") for mark in marks]
    assert places == sorted(places)
    helper, lazily = (re.search(rf"\| +{name}\n", text) for name in ("helper", "lazily"))
    assert helper
    assert lazily
    assert places[1] < helper.start() < places[2] < lazily.start() < places[3]


def test_a_wrong_processor_is_named() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux pins processes")
    target = Target("x", Path(), "x", "x")
    with pytest.raises(BenchError, match="cpu must be one of .* got 4096"):
        run_fresh(target, [get("/")], Conditions(cpu=4096))


def test_this_process_is_pinned_no_longer_than_it_takes_to_start_another(target: Target) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux pins processes")
    before = os.sched_getaffinity(0)
    with Child(target, [get("/")], Conditions(adapter="slsadapt", cpu=max(before))):
        assert os.sched_getaffinity(0) == before


def test_an_interpreter_that_is_not_there_leaves_nothing_open(target: Target) -> None:
    with pytest.raises(FileNotFoundError):
        run_fresh(target, [get("/")], python="/nowhere/python3")


def test_an_event_that_is_no_json_is_refused(target: Target) -> None:
    with pytest.raises(BenchError, match="an event to measure with must be JSON"):
        run_fresh(target, [{"body": object()}])


def test_what_is_no_gateways_event_has_no_status(folder: Path) -> None:
    (folder / "told.py").write_text("def handler(event, context):\n    return event\n")
    event = {"Records": [1]}
    (answer,) = run_fresh(Target("told", folder, "told", "handler"), [event]).answers
    assert answer.result == event
    assert dialect_name(event) == ""
    assert status_of(event, answer) == 0


def test_the_import_path_is_the_targets_alone_where_it_has_one(tmp_path: Path) -> None:
    assert import_path(Target("x", tmp_path, "x", "x", path=())) == ([str(tmp_path)], [])


def test_the_import_path_ends_with_what_is_installed(tmp_path: Path) -> None:
    before, behind = import_path(Target("x", tmp_path, "x", "x"))
    assert before == [str(tmp_path)]
    assert str(Path(pytest.__file__).parent.parent) in behind
    assert str(Path(json.__file__).parent.parent) not in behind
