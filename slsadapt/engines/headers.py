"""What both engines let through of the headers, in either direction."""

from __future__ import annotations

from ..errors import ApplicationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["check_response_headers", "is_dropped"]


def is_dropped(name: str) -> bool:
    """Tell, by their lower-case names, the request headers that no application may see.

    ``Proxy`` would become ``HTTP_PROXY``, which HTTP clients obey (httpoxy, CVE-2016-5385), and
    ``X_Real_IP`` would pass for ``X-Real-IP`` wherever names are turned into environ keys.
    """
    return name == "proxy" or "_" in name


def check_response_headers(headers: Iterable[tuple[str, str]]) -> None:
    """Refuse what no response may carry (RFC 9110 5.5, PEP 3333).

    Raises:
        ApplicationError: CR, LF or NUL, or a character beyond latin-1.
        TypeError, ValueError, AttributeError: not pairs of str.
    """
    for name, value in headers:
        text = name + value
        # Nearly every header is printable ASCII, which leaves no room for the rest.
        if not (text.isascii() and text.isprintable()):
            if not {"\r", "\n", "\0"}.isdisjoint(text):
                raise ApplicationError(f"response header {name!r} holds a CR, LF or NUL")
            if ord(max(text)) > 255:
                raise ApplicationError(f"response header {name!r} must be latin-1 text")
