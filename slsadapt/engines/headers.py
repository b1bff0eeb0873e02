"""What both engines let through of the headers, in either direction."""

from __future__ import annotations

from itertools import chain

from ..errors import ApplicationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["is_dropped", "refuse_control_characters"]


def is_dropped(name: str) -> bool:
    """Tell, by their lower-case names, the request headers that no application may see.

    ``Proxy`` would become ``HTTP_PROXY``, which HTTP clients obey (httpoxy, CVE-2016-5385), and
    ``X_Real_IP`` would pass for ``X-Real-IP`` wherever names are turned into environ keys.
    """
    return name == "proxy" or "_" in name


def refuse_control_characters(headers: Sequence[tuple[str, str]]) -> None:
    """Raise ApplicationError for CR, LF or NUL in a response header (RFC 9110 5.5)."""
    # One call in C joins them all, and finds out that every one is text.
    text = "".join(chain.from_iterable(headers))
    if "\n" in text or "\r" in text or "\0" in text:
        for name, value in headers:
            if not {"\r", "\n", "\0"}.isdisjoint(name + value):
                raise ApplicationError(f"response header {name!r} holds a CR, LF or NUL")
