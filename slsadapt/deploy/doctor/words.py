"""Write sizes and lists for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["size", "some"]


def size(octets: float) -> str:
    """Write a number of bytes, ``"4.5 MiB"``."""
    if octets < 1024:
        return f"{octets:.0f} bytes"
    if octets < 1024 * 1024:
        return f"{octets / 1024:.1f} KiB"
    return f"{octets / 1024 / 1024:,.1f} MiB"


def some(words: Iterable[str], most: int) -> str:
    """Join different words, and count those that are too many."""
    chosen = list(dict.fromkeys(words))
    if len(chosen) <= most:
        return " and ".join(chosen) if len(chosen) < 3 else ", ".join(chosen)
    return f"{', '.join(chosen[:most])} and {len(chosen) - most} more"
