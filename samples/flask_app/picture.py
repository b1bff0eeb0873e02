"""Draw a PNG with the standard library.

Source: https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import struct
import zlib


def draw_png(size: int = 64) -> bytes:
    """Draw a square of ``size`` pixels a side: red grows rightwards, green downwards."""
    # Each row starts with its filter type; 0 means the octets are the colours themselves.
    rows = b"".join(
        b"\0" + b"".join(bytes((x * 255 // size, y * 255 // size, 128)) for x in range(size))
        for y in range(size)
    )
    # Eight bits a channel, colour type 2 (RGB), no interlacing.
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(pack_chunk(name, data) for name, data in chunks)


def pack_chunk(name: bytes, data: bytes) -> bytes:
    """Frame ``data`` with its length, name and checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
