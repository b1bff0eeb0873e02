"""The sample events that come with the package, as gateways sent or vendors print them.

``samples/<dialect>/<case>.json`` holds a case: ``event`` is what the function is given, ``source``
says where it comes from, ``context`` what the function is given beside it, where that is known.
Timers and keep-warm calls have folders of their own. Addresses of the public internet are replaced
by one for documentation (RFC 5737), and what a source had of keys and cookies by placeholders.

A dialect whose events are objects of a running process has no samples.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path

from ..errors import OptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    JSON = dict[str, Any]

__all__ = ["load", "names"]

_FOLDER = Path(__file__).with_name("samples")


def names() -> list[str]:
    """List the samples, ``"aws_http/get"``, sorted."""
    return sorted(f"{path.parent.name}/{path.stem}" for path in _FOLDER.glob("*/*.json"))


def load(name: str) -> JSON:
    """Read one case, fresh each time: its ``source``, ``event`` and perhaps ``context``.

    Raises:
        OptionError: there is no such sample; the message names what is spelled alike.
    """
    known = names()
    if name not in known:
        close = ", ".join(get_close_matches(name, known))
        hint = f"alike are {close}" if close else "'slsadapt events list' lists them"
        raise OptionError(f"there is no sample event {name!r}; {hint}")
    case: JSON = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return case
