"""What both engines let through of the headers, in either direction."""

from __future__ import annotations

from itertools import chain

from ..errors import ApplicationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_response_headers", "is_dropped"]


def is_dropped(name: str) -> bool:
    """Tell, by their lower-case names, the request headers that no application may see.

    ``Proxy`` would become ``HTTP_PROXY``, which HTTP clients obey (httpoxy, CVE-2016-5385), and
    ``X_Real_IP`` would pass for ``X-Real-IP`` wherever names are turned into environ keys.
    """
    return name == "proxy" or "_" in name


def check_response_headers(headers: Sequence[tuple[str, str]]) -> None:
    """Refuse what no response may carry (RFC 9110 5.5, PEP 3333).

    Raises:
        ApplicationError: CR, LF or NUL, or a character beyond latin-1.
        TypeError, ValueError: not pairs of str.
    """
    # Calls in C join them all, and find out on the way that every one is text.
    pieces = [*chain.from_iterable(headers)]
    text = "".join(pieces)
    if len(pieces) != 2 * len(headers) or isinstance(headers, dict):
        raise ValueError("not pairs")
    if "\n" in text or "\r" in text or "\0" in text or not text.isascii():
        for name, value in headers:
            if not {"\r", "\n", "\0"}.isdisjoint(name + value):
                raise ApplicationError(f"response header {name!r} holds a CR, LF or NUL")
            if ord(max(name + value, default=" ")) > 255:
                raise ApplicationError(f"response header {name!r} must be latin-1 text")
