"""Measure what recording adds to an invocation.

``python -m benchmarks.record``, from the root. Invocations come with pauses, as from a platform,
in which the recorder's thread writes; then without any, to see what the thread takes from
invocations that it competes with.
"""

from __future__ import annotations

import base64
import json
import logging
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks import overhead
from benchmarks.observability import CONTEXT
from benchmarks.overhead import (
    GREETING,
    PAYLOAD,
    Handler,
    Json,
    Row,
    Samples,
    alone,
    bare_wsgi,
    check,
    fresh,
    load,
    progress,
)

NOTHING = "nothing"
LARGE_BYTES = 1_000_000
TARGET_US = 50.0


def contenders(folder: Path) -> dict[str, Handler]:
    """Wrap one application, and record it into each kind of sink."""
    from slsadapt import wrap
    from slsadapt.testing import record

    logger = logging.getLogger("benchmarks.record")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    if not logger.handlers:
        logger.addHandler(logging.FileHandler(folder / "log.txt"))
    handler = wrap(bare_wsgi())
    return {
        NOTHING: handler,
        "one in a thousand": record(handler, folder / "few", sample=0.001),
        "folder": record(handler, folder / "all"),
        "JSON Lines": record(handler, folder / "all.jsonl"),
        "JSON Lines, with bodies": record(handler, folder / "bodies.jsonl", bodies=True),
        "logging": record(handler, logger),
        "function": record(handler, lambda cassette: None),
    }


def cases() -> dict[str, Callable[[], Json]]:
    """Make a usual event, and one with a large body."""
    usual = load("aws_http/rs_sam_http")
    large = json.loads(json.dumps(usual))
    large["requestContext"]["http"]["method"] = "POST"
    large["headers"]["content-type"] = "application/octet-stream"
    large["headers"]["content-length"] = str(LARGE_BYTES)
    large["body"] = base64.b64encode(PAYLOAD[:LARGE_BYTES]).decode()
    large["isBase64Encoded"] = True
    return {"usual": fresh(usual), "1 MB": fresh(large)}


def measure_paced(
    handlers: dict[str, Handler],
    make: Callable[[], Json],
    rounds: int,
    batch: int,
    pause_s: float,
) -> tuple[Samples, Samples]:
    """Time each invocation by itself, in random order, after a pause that ends the one before.

    Returns:
        by contender, µs: each round's median, and each invocation.
    """
    medians: dict[str, list[float]] = {name: [] for name in handlers}
    every: dict[str, list[float]] = {name: [] for name in handlers}
    for _ in range(rounds):
        took_us: dict[str, list[float]] = {name: [] for name in handlers}
        for _ in range(batch):
            for name in random.sample([*handlers], len(handlers)):
                handler, event = handlers[name], make()
                time.sleep(pause_s)
                start_ns = time.perf_counter_ns()
                handler(event, CONTEXT)
                took_us[name].append((time.perf_counter_ns() - start_ns) / 1000)
        for name, each in took_us.items():
            medians[name].append(median(each))
            every[name] += each
    for handler in handlers.values():
        settle(handler)
    return {"median": medians}, {"every": every}


def measure_unpaced(
    handlers: dict[str, Handler], make: Callable[[], Json], rounds: int, batch: int
) -> Samples:
    """Time batches of invocations without pauses; µs each."""
    samples: dict[str, list[float]] = {name: [] for name in handlers}
    for _ in range(rounds):
        for name in random.sample([*handlers], len(handlers)):
            handler = handlers[name]
            events = [make() for _ in range(batch)]
            start_ns = time.perf_counter_ns()
            for event in events:
                handler(event, CONTEXT)
            samples[name].append((time.perf_counter_ns() - start_ns) / batch / 1000)
            settle(handler)
    return {"mean": samples}


def settle(handler: Any) -> None:
    """Wait until everything is written, for the next contender not to be in its way."""
    recorder = getattr(handler, "recorder", None)
    if recorder is not None and not recorder.close(60):
        raise RuntimeError("the recorder does not come to an end")


def p99(values: list[float]) -> float:
    """Give what 99 of 100 stay below."""
    return quantiles(values, n=100)[98]


def added(samples: dict[str, list[float]], name: str) -> list[float]:
    """Subtract, round by round, what the same invocations take unrecorded."""
    pairs = zip(samples[name], samples[NOTHING], strict=True)
    return [recorded - bare for recorded, bare in pairs]


def run(quick: bool) -> tuple[dict[str, list[Row]], Json]:
    """Measure everything; return the table by title, and the raw samples."""
    report: dict[str, list[Row]] = {}
    raw: Json = {}
    with tempfile.TemporaryDirectory() as folder:
        handlers = contenders(Path(folder))
        names = [name for name in handlers if name != NOTHING]
        for case, make in cases().items():
            usual = case == "usual"
            rounds, batch, pause_s = (30, 40, 0.003) if usual else (15, 4, 0.06)
            if quick:
                rounds, batch = 2, 3
            target = TARGET_US if usual else None
            for name, handler in handlers.items():
                check(f"{name} on {case}", handler(make(), CONTEXT), GREETING)
            time.sleep(pause_s)
            progress(f"{case} event, with pauses")
            medians, every = measure_paced(handlers, make, rounds, batch, pause_s)
            progress(f"{case} event, without pauses")
            means = measure_unpaced(handlers, make, rounds, batch)
            raw[f"{case}_us"] = {**medians, **every, **means}
            report[f"{case} event, with pauses: added to the median"] = [
                alone(name, added(medians["median"], name), "µs", target) for name in names
            ]
            tails = {name: p99(each) for name, each in every["every"].items()}
            report[f"{case} event, with pauses: added to the 99th percentile"] = [
                alone(name, [tails[name] - tails[NOTHING]], "µs", target) for name in names
            ]
            report[f"{case} event, without pauses: added to the mean"] = [
                alone(name, added(means["mean"], name), "µs") for name in names
            ]
        recorded: dict[str, Any] = {name: handlers[name] for name in names}
        raw["lost"] = {name: handler.recorder.lost for name, handler in recorded.items()}
        logging.getLogger("benchmarks.record").handlers[0].close()
    return report, raw


if __name__ == "__main__":
    raise SystemExit(overhead.command(__doc__ or "", run))
