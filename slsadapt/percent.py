"""Percent-encoding, RFC 3986 section 2, in the three forms an adapter needs.

``urllib.parse`` would do, but its import costs a cold start more than this whole package.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = [
    "decode",
    "decode_latin1",
    "encode_component",
    "encode_pair",
    "encode_path",
    "encode_stray",
]

_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PATH_SAFE = frozenset(_UNRESERVED + "!$&'()*+,;=:@/")
_ENCODED_PATH_SAFE = _PATH_SAFE | {"%"}
# Of a query, less what separates its pairs or stands for a space in forms.
_COMPONENT_SAFE = frozenset(_UNRESERVED + "!$'()*,:@/?")


@lru_cache(maxsize=2)
def _escapes(safe: frozenset[str]) -> list[str]:
    """Tell for every octet what it becomes; made at first use, most paths never need it."""
    return [chr(octet) if chr(octet) in safe else f"%{octet:02X}" for octet in range(256)]


@lru_cache(maxsize=1)
def _characters() -> dict[str, str]:
    """Map two hexadecimal digits, in either case, to the character of that octet."""
    digits = "0123456789abcdefABCDEF"
    return {high + low: chr(int(high + low, 16)) for high in digits for low in digits}


def encode_component(text: str) -> str:
    """Escape a key or value of a query; a space becomes ``%20``."""
    if _COMPONENT_SAFE.issuperset(text):
        return text
    escapes = _escapes(_COMPONENT_SAFE)
    return "".join([escapes[octet] for octet in text.encode("utf-8", "surrogatepass")])


def encode_pair(key: str, value: str) -> str:
    """Write one pair of a query."""
    if _COMPONENT_SAFE.issuperset(key + value):
        return f"{key}={value}"
    return f"{encode_component(key)}={encode_component(value)}"


def encode_path(text: str) -> str:
    """Escape a decoded path, ``%`` included; ``/`` and the other path characters stay."""
    if _PATH_SAFE.issuperset(text):
        return text
    # Most paths that need an escape at all need one of these two.
    text = text.replace("%", "%25").replace(" ", "%20")
    if _ENCODED_PATH_SAFE.issuperset(text):
        return text
    escapes = _escapes(_ENCODED_PATH_SAFE)
    return "".join([escapes[octet] for octet in text.encode("utf-8", "surrogatepass")])


def encode_stray(path: str) -> str:
    """Escape what may not stand in a path that is percent-encoded already: ``%`` stays.

    For gateways that hand the path over as sent: a stray ``é`` or space becomes its escape.
    """
    return encode_path(path).replace("%25", "%")


def decode(text: str) -> bytes:
    """Resolve escapes once; an incomplete or wrong one (``%zz``) stays as it is."""
    if not text.isascii():
        text = encode_stray(text)
    return decode_latin1(text).encode("latin-1")


def decode_latin1(text: str) -> str:
    """Resolve the escapes of ASCII text to characters that stand for one octet each."""
    head, *pieces = text.split("%")
    characters = _characters()
    try:
        return head + "".join([characters[piece[:2]] + piece[2:] for piece in pieces])
    except KeyError:
        pieces = [
            characters[piece[:2]] + piece[2:] if piece[:2] in characters else f"%{piece}"
            for piece in pieces
        ]
        return head + "".join(pieces)
