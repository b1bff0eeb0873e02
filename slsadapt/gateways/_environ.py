"""What dialects share whose platforms pass an environ (PEP 3333) instead of an event."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    JSON = dict[str, Any]

__all__ = ["escape_octets", "header_fields"]


def header_fields(environ: JSON) -> JSON:
    """Take the headers out of an environ, by lower-case name."""
    headers = {
        key[5:].replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") and key not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH")
    }
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if value := environ.get(key):
            headers[key.replace("_", "-").lower()] = value
    return headers


def escape_octets(text: str, encoding: str) -> str:
    """Escape what is not ASCII, and nothing else."""
    if text.isascii():
        return text
    octets = text.encode(encoding, "surrogatepass" if encoding == "utf-8" else "replace")
    return "".join([chr(octet) if octet < 128 else f"%{octet:02X}" for octet in octets])
