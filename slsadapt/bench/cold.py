"""Measure cold starts: fresh processes from spawn to first response, in states that take turns.

Each contender has one turn a round, in random order, so that whatever else the machine does slows
all of them alike, and ratios are taken within a round.
"""

from __future__ import annotations

import random
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BenchError
from .processes import Child, run_fresh, status_of
from .stage import Prefixes, count_bytecode, evict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..gateways import JSON
    from .processes import Conditions, Outcome
    from .report import ColdCell, ColdSample, State
    from .target import Target

__all__ = [
    "Contender",
    "Prepared",
    "contenders",
    "measure_cold",
    "prepare",
    "scout",
    "turns",
]

# Warm calls of each process, for the ratio of cold to warm: as many as fit.
_WARM_CALLS = 100
_WARM_LIMIT_S = 0.2


@dataclass(frozen=True, slots=True)
class Contender:
    """What takes its turn in each round: a target under some conditions, by its name."""

    name: str
    target: Target
    conditions: Conditions


def contenders(target: Target, cells: Sequence[Conditions]) -> list[Contender]:
    """Name the states of one target."""
    with_adapter = len({conditions.adapter for conditions in cells}) > 1
    return [Contender(_name(conditions, with_adapter), target, conditions) for conditions in cells]


class Prepared:
    """A contender that was scouted, and the bytecode that its state asks for."""

    def __init__(self, contender: Contender, event: JSON, folder: Path, python: str) -> None:
        self.contender, self.event, self.python = contender, event, python
        self.scouted = scout(contender.target, event, contender.conditions, python=python)
        prefixes = Prefixes(self.scouted.modules, folder, python)
        self.options = prefixes.options(contender.conditions.bytecode)
        self.state = describe_state(contender.conditions, self.scouted)

    def child(self) -> Child:
        """Start a process."""
        contender = self.contender
        return Child(
            contender.target,
            [self.event],
            contender.conditions,
            options=self.options,
            python=self.python,
        )

    def run(self) -> Outcome:
        """Start a process, answer, and answer some more."""
        with self.child() as child:
            outcome = child.answer()
            return replace(outcome, warm_us=child.call(_WARM_CALLS, _WARM_LIMIT_S))


def measure_cold(
    contenders: Sequence[Contender],
    event: JSON,
    *,
    rounds: int,
    seed: int,
    tell: Callable[[int, int], None],
    python: str = sys.executable,
) -> list[ColdCell]:
    """Measure each contender once a round.

    Args:
        contenders: what to compare, the first one being the base.
        event: what is answered.
        rounds: how many samples of each.
        seed: for the order.
        tell: called with what is done and what is to do.
        python: the interpreter.

    Raises:
        BenchError: an application cannot be imported, or answers with a 5xx.
    """
    with ExitStack() as stack:
        prepared = prepare(contenders, event, stack, python)
        zygotes = {
            number: stack.enter_context(each.child())
            for number, each in enumerate(prepared)
            if each.contender.conditions.process == "fork"
        }
        samples: list[list[ColdSample]] = [[] for _ in prepared]
        for done, (number, cell) in enumerate(turns(len(prepared), rounds, seed)):
            each = prepared[cell]
            if each.contender.conditions.page_cache == "cold":
                evict(each.scouted.modules)
            outcome = zygotes[cell].fork() if cell in zygotes else each.run()
            samples[cell].append(_sample(number, outcome))
            tell(done + 1, rounds * len(prepared))
        return [
            {"name": each.contender.name, "state": each.state, "samples": taken}
            for each, taken in zip(prepared, samples, strict=True)
        ]


def prepare(
    contenders: Sequence[Contender], event: JSON, stack: ExitStack, python: str
) -> list[Prepared]:
    """Scout every contender, and arrange its bytecode until the stack is left."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slsadapt-bench-")))
    return [
        Prepared(contender, event, folder / str(number), python)
        for number, contender in enumerate(contenders)
    ]


def turns(contenders: int, rounds: int, seed: int) -> Iterator[tuple[int, int]]:
    """Give (round, contender), each contender once a round, in an order of its own."""
    order = list(range(contenders))
    shuffle = random.Random(seed).shuffle  # noqa: S311 - an order, not a secret
    for number in range(rounds):
        shuffle(order)
        for contender in order:
            yield number, contender


def scout(
    target: Target, event: JSON, conditions: Conditions, *, python: str = sys.executable
) -> Outcome:
    """Answer an event once, unmeasured: what fails, fails here, and files come into memory.

    Raises:
        BenchError: the application cannot be imported, or answers with a 5xx.
    """
    outcome = run_fresh(target, [event], replace(conditions, process="spawn"), python=python)
    answer = outcome.answers[0]
    status = status_of(event, answer)
    if status >= 500:
        said = answer.error or outcome.stderr or str(answer.result)
        raise BenchError(
            f"{target.label} answered the event with {status}; what fails is not measured\n"
            + said.strip()
        )
    return outcome


def describe_state(conditions: Conditions, scouted: Outcome) -> State:
    """Say the whole state, with what bytecode was found."""
    bytecode: str = conditions.bytecode
    if bytecode == "found":
        bytecode = f"as found: {count_bytecode(scouted.modules)}"
    return {
        "process": conditions.process,
        "bytecode": bytecode,
        "page_cache": conditions.page_cache,
        "gc": conditions.gc,
        "cpu": "any" if conditions.cpu is None else f"pinned to {conditions.cpu}",
        "adapter": conditions.adapter or "none",
    }


def _name(conditions: Conditions, with_adapter: bool) -> str:
    """Name a state by what is not usual in it, ``"spawn, no bytecode"``."""
    words: list[str] = [conditions.adapter or "function"] if with_adapter else []
    words.append(conditions.process)
    if conditions.bytecode != "found":
        words.append(f"{'no' if conditions.bytecode == 'none' else conditions.bytecode} bytecode")
    if conditions.page_cache != "warm":
        words.append("cold page cache")
    if conditions.gc != "on":
        words.append(f"collector {conditions.gc}")
    return ", ".join(words)


def _sample(number: int, outcome: Outcome) -> ColdSample:
    answer = outcome.answers[0]
    if answer.error:
        raise BenchError(f"the first event failed in round {number + 1}\n{answer.error}")
    return {
        "round": number,
        "interpreter_ms": outcome.interpreter_ms,
        "adapter_ms": outcome.adapter_ms,
        "application_ms": outcome.application_ms,
        "response_ms": outcome.response_ms,
        "total_ms": outcome.total_ms,
        "rss_kib": answer.rss_kib,
        "modules": answer.modules,
        "warm_us": outcome.warm_us,
    }
