"""What the gateways of several clouds do to headers, and how most of them name a request."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ...message import Address, Pairs

__all__ = ["HOP_BY_HOP", "append_client", "new_uuid", "without"]

# Of one connection, which no gateway passes on (RFC 9110 7.6.1, RFC 2616 13.5.1).
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def new_uuid() -> str:
    """Make a request's ID."""
    return str(uuid4())


def without(
    headers: Iterable[tuple[str, str]], names: Collection[str] = HOP_BY_HOP
) -> list[tuple[str, str]]:
    """Leave headers out by their lower-case names."""
    return [pair for pair in headers if pair[0].lower() not in names]


def append_client(headers: Pairs, client: Address) -> tuple[str, str]:
    """Write ``X-Forwarded-For`` with the client behind what it says itself, in one line.

    Args:
        headers: of the request, names in lower case.
        client: (address, port) of the connection.
    """
    hops = [value for name, value in headers if name == "x-forwarded-for"]
    return "x-forwarded-for", ", ".join([*hops, client[0]])
