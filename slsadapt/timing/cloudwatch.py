"""Print metrics that CloudWatch reads out of the log.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import sys
import time

from .log import span_times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TextIO

    from . import Timing

__all__ = ["EmbeddedMetrics", "emf"]

_MOST_METRICS = 100
# Of a dimension's value, and of the names of metrics and namespaces:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Metric.html
_MOST_CHARACTERS = 1024
_LONGEST_NAME = 255
# What a Timing tells that does not take a new value with each request.
_DIMENSIONS = ("cold", "dialect", "function", "method", "route", "status")
# What a span must not pass for.
_TAKEN = {
    "_aws", "Total", "Import", "Initialize", "Decode", "Application", "Encode", "ColdStart",
    "Errors", "RequestBytes", "ResponseBytes", "RequestId", "InvocationId", "Cold", "Dialect",
    "Function", "Method", "Route", "Status",
}  # fmt: skip


class EmbeddedMetrics:
    """A hook that prints one line an invocation in CloudWatch's embedded metric format.

    Metrics: ``Total`` and a phase each in milliseconds, ``ColdStart`` (0 or 1), ``RequestBytes``,
    ``ResponseBytes``, ``Errors`` (1 for a 5xx or no response), and each span under its own name.
    Properties: request ID, invocation ID, method, status, dialect.

    Args:
        namespace: of the metrics, 1 to 255 ASCII characters, the first none of ``:``.
        dimensions: what to tell metrics apart by, of ``function``, ``route``, ``method``,
            ``status``, ``dialect`` and ``cold``; those that an invocation does not have are left
            out. Each combination of values is a metric of its own, and is billed as one.
        stream: where to print, None for what is ``sys.stdout`` at that moment.
        clock: gives seconds since 1970.

    Raises:
        OptionError: a wrong namespace, or another dimension.
    """

    def __init__(
        self,
        namespace: str = "slsadapt",
        dimensions: Iterable[str] = ("function", "route"),
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from ..errors import OptionError

        self._namespace = namespace
        self._dimensions = tuple(dimensions)
        self._stream = stream
        self._clock = clock
        if not (
            namespace.strip()
            and len(namespace) <= _LONGEST_NAME
            and all(" " <= each <= "~" for each in namespace)
            and namespace[0] != ":"
        ):
            raise OptionError(
                f"namespace must have 1 to {_LONGEST_NAME} ASCII characters and not begin with ':'"
            )
        if unknown := [name for name in self._dimensions if name not in _DIMENSIONS]:
            raise OptionError(
                f"dimensions must be of {', '.join(_DIMENSIONS)}; got {', '.join(unknown)}"
            )

    def __call__(self, timing: Timing) -> None:
        """Print what an invocation took."""
        values = _values(timing)
        dimensions = {
            _capital(name): text
            for name in self._dimensions
            if (text := _dimension(getattr(timing, name)))
        }
        properties = {
            "RequestId": timing.request_id,
            "InvocationId": timing.invocation_id,
            "Method": timing.method,
            "Status": timing.status,
            "Dialect": timing.dialect,
        }
        names = [*values]
        lines = []
        # A line holds so many metrics at most.
        for start in range(0, len(names), _MOST_METRICS):
            some = names[start : start + _MOST_METRICS]
            directive = {
                "Namespace": self._namespace,
                "Dimensions": [[*dimensions]],
                "Metrics": [{"Name": name, "Unit": values[name][1]} for name in some],
            }
            line = {
                "_aws": {
                    "Timestamp": int(self._clock() * 1000),
                    "CloudWatchMetrics": [directive],
                },
                **{name: value for name, value in properties.items() if value not in ("", None)},
                **dimensions,
                **{name: values[name][0] for name in some},
            }
            lines.append(json.dumps(line, separators=(",", ":")) + "\n")
        stream = self._stream or sys.stdout
        # One call, so that threads do not write into each other's lines.
        stream.write("".join(lines))
        # The platform may freeze the instance as soon as it has the result.
        stream.flush()


emf = EmbeddedMetrics()


def _values(timing: Timing) -> dict[str, tuple[float, str]]:
    """Give value and unit of each metric by its name."""
    failed = timing.status is None and bool(timing.method)
    values: dict[str, tuple[float, str]] = {
        "Total": (round(timing.total_ms, 3), "Milliseconds"),
        **{
            _capital(name): (round(took_ms, 3), "Milliseconds")
            for name, took_ms in timing.phases().items()
        },
        "ColdStart": (int(timing.cold), "Count"),
        "Errors": (int(failed or (timing.status or 0) >= 500), "Count"),
        "RequestBytes": (timing.request_bytes, "Bytes"),
        "ResponseBytes": (timing.response_bytes, "Bytes"),
    }
    spans: dict[str, float] = {}
    for name, took_ms in span_times(timing).items():
        metric = "".join(each if " " < each <= "~" else "_" for each in name) or "_"
        metric = f"{metric}_" if metric in _TAKEN else metric[:_LONGEST_NAME]
        # Two names may become one.
        spans[metric] = spans.get(metric, 0.0) + took_ms
    for metric, took_ms in spans.items():
        values[metric] = (round(took_ms, 3), "Milliseconds")
    return values


def _dimension(value: Any) -> str:
    """Write a value as a dimension may be, ``""`` where there is none."""
    text = "" if value is None else str(value)
    ascii_text = "".join(each if " " <= each <= "~" else "?" for each in text)
    return ascii_text.strip()[:_MOST_CHARACTERS]


def _capital(name: str) -> str:
    """Write ``request_bytes`` as ``RequestBytes``."""
    return "".join(part.capitalize() for part in name.split("_"))
