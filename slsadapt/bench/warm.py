"""Measure warm calls: instances that have answered before, and take turns.

Each contender has one process, all alive at once; each round every process answers its share of
the calls, in random order.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from .cold import prepare, turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..gateways import JSON
    from .cold import Contender
    from .report import WarmCell

__all__ = ["measure_warm"]

# What the processor and the application learn from their first calls is not measured.
_REHEARSALS = 200
_REHEARSAL_LIMIT_S = 1.0


def measure_warm(
    contenders: Sequence[Contender],
    event: JSON,
    *,
    calls: int,
    rounds: int,
    seed: int,
    tell: Callable[[int, int], None],
    python: str = sys.executable,
) -> list[WarmCell]:
    """Measure calls of each contender, spread over the rounds.

    Args:
        contenders: what to compare, the first one being the base.
        event: what is answered.
        calls: how many of each, in all; rounded up to fill the rounds.
        rounds: into how many turns they are split.
        seed: for the order.
        tell: called with what is done and what is to do.
        python: the interpreter.

    Raises:
        BenchError: an application cannot be imported, or answers with a 5xx.
    """
    share = -(-calls // rounds)
    with ExitStack() as stack:
        prepared = prepare(contenders, event, stack, python)
        children = [stack.enter_context(each.child()) for each in prepared]
        for child in children:
            child.call(_REHEARSALS, _REHEARSAL_LIMIT_S)
        taken: list[list[list[float]]] = [[] for _ in prepared]
        for done, (_, cell) in enumerate(turns(len(prepared), rounds, seed)):
            taken[cell].append(children[cell].call(share))
            tell(done + 1, rounds * len(prepared))
        return [
            {"name": each.contender.name, "state": each.state, "rounds": taken_us}
            for each, taken_us in zip(prepared, taken, strict=True)
        ]
