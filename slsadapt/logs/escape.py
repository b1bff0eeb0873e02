"""Keep text on its own line."""

from __future__ import annotations

import re

__all__ = ["escape"]

# C0 but for the tab, DEL, C1, the line and paragraph separators, which str.splitlines and log
# viewers take for line breaks, and surrogates, which no encoding carries.
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def escape(text: str) -> str:
    r"""Write what could end a line, or steer a terminal, as Python writes it: ``\n``, ``\x1b``."""
    if text.isprintable():
        return text
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
