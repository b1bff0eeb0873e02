"""Octets to the text or base64 that JSON carries, and back."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from functools import lru_cache

from ..errors import BadEventError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    JSON = dict[str, Any]

# Beside text/*: types whose octets people expect to read in a log. RFC 6839 and the IANA
# registry name the suffixes.
_TEXT_TYPES = frozenset(
    {
        "application/ecmascript",
        "application/graphql",
        "application/javascript",
        "application/json",
        "application/json5",
        "application/jsonlines",
        "application/ld+json",
        "application/ndjson",
        "application/rtf",
        "application/sql",
        "application/toml",
        "application/x-javascript",
        "application/x-jsonlines",
        "application/x-ndjson",
        "application/x-sh",
        "application/x-www-form-urlencoded",
        "application/x-yaml",
        "application/xhtml+xml",
        "application/xml",
        "application/xml-dtd",
        "application/yaml",
        "image/svg+xml",
    }
)
_TEXT_SUFFIXES = ("+json", "+xml", "+text", "+yaml", "+json-seq")


@lru_cache(maxsize=256)
def is_text(content_type: str, text_mime_types: tuple[str, ...] = ()) -> bool:
    """Tell whether a body of this ``Content-Type`` is meant to be read as text.

    Args:
        content_type: the header's value, in any case and with any parameters; ``""`` where the
            application set none, which counts as text.
        text_mime_types: further types, lower-case; one that ends in ``/`` or starts with ``+``
            stands for all it begins or ends.
    """
    essence = content_type.partition(";")[0].strip().lower()
    return (
        essence == ""
        or essence.startswith("text/")
        or essence in _TEXT_TYPES
        or essence.endswith(_TEXT_SUFFIXES)
        or any(
            essence == text_type
            or (text_type.endswith("/") and essence.startswith(text_type))
            or (text_type.startswith("+") and essence.endswith(text_type))
            for text_type in text_mime_types
        )
    )


def encode_body(
    body: bytes, content_type: str, content_encoding: str, text_mime_types: tuple[str, ...]
) -> tuple[str, bool]:
    """Write a body as (text, False) or as (base64, True).

    Text travels as UTF-8, whatever charset the type names, so a body is text when its octets
    are UTF-8: the client then gets the very same octets. Anything else is base64.
    """
    if not body:
        return "", False
    if is_text(content_type, text_mime_types) and (
        content_encoding == "" or content_encoding.strip().lower() == "identity"
    ):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return b2a_base64(body, newline=False).decode("ascii"), True


def decode_body(body: object, is_base64: object, flag: str = "isBase64Encoded") -> bytes:
    """Read a body that came as text or as base64.

    Args:
        body: what the event holds.
        is_base64: tells which.
        flag: the field that holds ``is_base64``, for messages.

    Raises:
        BadEventError: neither text nor None, a flag that is no boolean, or wrong base64.
    """
    if not isinstance(body, str):
        if body is None:
            return b""
        raise BadEventError(f"'body' must be str, got {type(body).__name__}")
    if not is_base64 or is_base64 == "false" or not body:
        return body.encode() if body.isascii() else body.encode("utf-8", "surrogatepass")
    if is_base64 is not True and is_base64 != "true":
        raise BadEventError(f"{flag!r} must be bool, got {type(is_base64).__name__}")
    octets = decode_base64(body)
    if octets is None:
        raise BadEventError(f"'body' must be base64, since {flag!r} is true")
    return octets


def decode_base64(text: str) -> bytes | None:
    """Decode strict base64 (RFC 4648 section 4), or return None.

    a2b_base64 skips what is not of the alphabet, and its strict mode came with Python 3.11;
    that nothing was skipped shows in the length.
    """
    try:
        octets = a2b_base64(text)
    except (Base64Error, ValueError):
        return None
    padding = 2 if text.endswith("==") else 1 if text.endswith("=") else 0
    return octets if len(octets) == len(text) // 4 * 3 - padding and len(text) % 4 == 0 else None


def serialized_bytes(result: JSON, ascii_only: bool) -> int:
    """Measure a result as the runtime writes it: JSON in UTF-8, or in ASCII with escapes."""
    import json

    if result["isBase64Encoded"]:
        # Needs no escapes, so needs no walk over megabytes.
        return len(result["body"]) + len(json.dumps({**result, "body": ""}))
    return len(json.dumps(result, ensure_ascii=ascii_only).encode())
