"""Turns of contenders, and what they are called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slsadapt.bench.cold import contenders, measure_cold, turns
from slsadapt.bench.processes import Conditions
from slsadapt.bench.target import Target
from slsadapt.bench.warm import measure_warm
from slsadapt.errors import BenchError

from .test_processes import get

OWN = Conditions(adapter="slsadapt")


def test_each_contender_has_one_turn_a_round_in_changing_order() -> None:
    taken = list(turns(3, 20, seed=1))
    rounds = [[cell for number, cell in taken if number == wanted] for wanted in range(20)]
    assert all(sorted(cells) == [0, 1, 2] for cells in rounds)
    assert len({tuple(cells) for cells in rounds}) > 1
    assert taken == list(turns(3, 20, seed=1)) != list(turns(3, 20, seed=2))


def test_contenders_are_named_by_what_is_not_usual(target: Target) -> None:
    cells = [
        OWN,
        Conditions(adapter="slsadapt", bytecode="none"),
        Conditions(adapter="slsadapt", process="fork", page_cache="cold", gc="deferred"),
        Conditions(adapter="slsadapt", bytecode="stale"),
    ]
    assert [contender.name for contender in contenders(target, cells)] == [
        "spawn",
        "spawn, no bytecode",
        "fork, cold page cache, collector deferred",
        "spawn, stale bytecode",
    ]


def test_adapters_are_named_where_they_differ(target: Target) -> None:
    cells = [OWN, Conditions(adapter="apig-wsgi"), Conditions()]
    names = [contender.name for contender in contenders(target, cells)]
    assert names == ["slsadapt, spawn", "apig-wsgi, spawn", "function, spawn"]


def test_every_state_is_sampled_once_a_round(target: Target) -> None:
    told = []
    cells = measure_cold(
        contenders(target, [OWN, Conditions(adapter="slsadapt", process="fork")]),
        get("/"),
        rounds=3,
        seed=1,
        tell=lambda done, total: told.append((done, total)),
    )
    assert [cell["name"] for cell in cells] == ["spawn", "fork"]
    assert [sample["round"] for sample in cells[0]["samples"]] == [0, 1, 2]
    assert told == [(done, 6) for done in range(1, 7)]
    spawned, forked = cells[0]["samples"][0], cells[1]["samples"][0]
    assert spawned["application_ms"] > 0 == forked["application_ms"]
    assert len(spawned["warm_us"]) == 100
    phases = ("interpreter_ms", "adapter_ms", "application_ms", "response_ms")
    assert spawned["total_ms"] == pytest.approx(sum(spawned[phase] for phase in phases))  # type: ignore[literal-required]


def test_the_state_says_what_bytecode_was_found(target: Target) -> None:
    (cell,) = measure_cold(
        contenders(target, [OWN]), get("/"), rounds=1, seed=1, tell=lambda done, total: None
    )
    found = re.fullmatch(r"as found: (?:\d+ \w+, )*(\d+) none", cell["state"]["bytecode"])
    assert found
    # shop.py and helper.py, which nobody compiled, and of slsadapt what nobody imported yet.
    assert int(found[1]) >= 2
    assert cell["state"]["cpu"] == "any"


def test_what_fails_is_not_measured(target: Target) -> None:
    with pytest.raises(BenchError, match=r"shop:app answered the event with 500"):
        measure_cold(
            contenders(target, [OWN]), get("/boom"), rounds=1, seed=1, tell=lambda done, total: None
        )


def test_two_targets_take_turns(target: Target, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "shop.py").write_text(
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n"
    )
    pair = [
        *contenders(target, [OWN]),
        *contenders(Target("other", other, "shop", "app"), [OWN]),
    ]
    cells = measure_cold(pair, get("/"), rounds=2, seed=1, tell=lambda done, total: None)
    assert [len(cell["samples"]) for cell in cells] == [2, 2]


def test_warm_calls_are_spread_over_the_rounds(target: Target) -> None:
    told = []
    cells = measure_warm(
        contenders(target, [OWN, Conditions(adapter="slsadapt", gc="off")]),
        get("/"),
        calls=50,
        rounds=4,
        seed=1,
        tell=lambda done, total: told.append((done, total)),
    )
    assert [cell["name"] for cell in cells] == ["spawn", "spawn, collector off"]
    # Rounded up to fill each of them.
    assert [len(taken) for taken in cells[0]["rounds"]] == [13] * 4
    assert told[-1] == (8, 8)
