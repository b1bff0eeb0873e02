"""Tell the client, whose browser shows it beside the request.

Source: https://www.w3.org/TR/server-timing/
"""

from __future__ import annotations

from .log import span_times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import Timing

__all__ = ["ServerTiming", "server_timing"]

# RFC 9110 5.6.2
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
# Many proxies and gateways refuse more than 8 KB of headers in all.
_MOST_CHARACTERS = 2048
_SHORT = {"initialize": "init", "application": "app"}


class ServerTiming:
    """A hook that adds a ``Server-Timing`` header: phases so far, and spans, summed by name."""

    def __call__(self, timing: Timing) -> None:
        """Do nothing more after the response."""

    def response_headers(self, timing: Timing) -> list[tuple[str, str]]:
        """Write the header.

        The import comes before any client asked, so it is not in there.
        """
        metrics = ["cold"] if timing.cold else []
        times = timing.phases()
        times.pop("import", None)
        metrics += [_metric(_SHORT.get(name, name), took_ms) for name, took_ms in times.items()]
        spans = [_metric(name, took_ms) for name, took_ms in span_times(timing).items()]
        room = _MOST_CHARACTERS - len(", ".join(metrics))
        for number, metric in enumerate(spans):
            room -= len(metric) + 2
            if room < 0:
                metrics.append(f'more;desc="{len(spans) - number} more spans"')
                break
            metrics.append(metric)
        metrics.append(_metric("total", timing.total_ms))
        return [("Server-Timing", ", ".join(metrics))]


server_timing = ServerTiming()


def _metric(name: str, took_ms: float) -> str:
    """Write one; a name that is no token stands in the description."""
    if name and _TOKEN.issuperset(name):
        return f"{name};dur={took_ms:.3f}"
    quoted = "".join(each if " " <= each <= "~" else "?" for each in name)
    quoted = quoted.replace("\\", "\\\\").replace('"', '\\"')
    token = "".join(each if each in _TOKEN else "_" for each in name) or "_"
    return f'{token};desc="{quoted}";dur={took_ms:.3f}'
