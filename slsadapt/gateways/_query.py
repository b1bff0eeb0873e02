"""Queries that a gateway hands over decoded, as maps: written as a query again, and back."""

from __future__ import annotations

from ..percent import decode, encode_component, encode_pair
from ._fields import scalar_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    JSON = dict[str, Any]


def encode_map(fields: JSON) -> str:
    """Encode a map of decoded values: a list repeats its key, true is a key without ``=``."""
    pieces = []
    for key, values in fields.items():
        key = encode_component(key)
        for value in values if isinstance(values, list) else (values,):
            pieces.append(key if value is True else f"{key}={encode_component(scalar_text(value))}")
    return "&".join(pieces)


def encode_lists(fields: JSON) -> str:
    """Encode a map of lists of decoded values.

    Raises:
        TypeError: a value is no list.
    """
    pieces = []
    for key, values in fields.items():
        if type(values) is not list:
            raise TypeError("the values must be lists")
        for value in values:
            pieces.append(encode_pair(key, scalar_text(value)))
    return "&".join(pieces)


def join_map(fields: JSON) -> str:
    """Join a map of values that are escaped as the client wrote them; a list repeats its key."""
    return "&".join(
        [
            f"{key}={scalar_text(value)}"
            for key, values in fields.items()
            for value in (values if isinstance(values, list) else (values,))
        ]
    )


def split_lists(query: str) -> dict[str, list[str]]:
    """Invert ``join_map``: a key without ``=`` has an empty value."""
    lists: dict[str, list[str]] = {}
    for piece in query.split("&"):
        if piece:
            key, _, value = piece.partition("=")
            lists.setdefault(key, []).append(value)
    return lists


def split(query: str) -> list[tuple[str, str | None]]:
    """Decode a query into pairs, None standing for the value of a key without ``=``."""
    pairs: list[tuple[str, str | None]] = []
    for piece in query.split("&"):
        if piece:
            key, equals, value = (
                decode(part.replace("+", " ")).decode("utf-8", "replace")
                for part in piece.partition("=")
            )
            pairs.append((key, value if equals else None))
    return pairs


def decode_lists(query: str) -> dict[str, list[str]]:
    """Invert ``encode_lists``; a key without ``=`` has an empty value."""
    lists: dict[str, list[str]] = {}
    for key, value in split(query):
        lists.setdefault(key, []).append(value or "")
    return lists


def decode_map(query: str) -> JSON:
    """Invert ``encode_map``: one value stays alone, several become a list."""
    lists: dict[str, list[str | bool]] = {}
    for key, value in split(query):
        lists.setdefault(key, []).append(True if value is None else value)
    return {key: values[0] if len(values) == 1 else values for key, values in lists.items()}
