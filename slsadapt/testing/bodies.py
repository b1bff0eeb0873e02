"""Find where an event or a result holds its body, whichever gateway's it is.

Only its dialect knows the fields of an event, but a dialect tells the body and not its place. So
the place is tried out: it is where another text makes another body.
"""

from __future__ import annotations

import json
from binascii import b2a_base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..message import Pairs

    Path = tuple[str | int, ...]
    # Tells of an event or result (octets of its body, headers).
    Read = Callable[[Any], tuple[bytes, Pairs]]

__all__ = ["Body", "find_body", "replaced"]

# Text, and base64 of something else; no body that anybody sends.
_PROBE = "c2xzYWRhcHQgcHJvYmU="
_PROBED = (_PROBE.encode(), b"slsadapt probe")
# Of a longer body, spelling it out would take longer than trying.
_MANY_BYTES = 16_384


class Body:
    """A body, and where it stands.

    Attributes:
        octets: decoded.
        path: keys and indices that lead there, none where the whole value is the body.
        is_encoded: whether the octets have a ``Content-Encoding``, so that nobody can look inside.
    """

    __slots__ = ("octets", "path", "is_encoded")

    def __init__(self, octets: bytes, path: Path, is_encoded: bool) -> None:
        self.octets = octets
        self.path = path
        self.is_encoded = is_encoded


def find_body(value: Any, read: Read) -> Body | None:
    """Find the body of an event or result, None where it has none.

    Args:
        value: the event or result; not changed.
        read: tells of one, or raises.

    Returns:
        The body in the place where ``read`` finds it. Of a value in which it finds none, because
        it cannot read it or answers something else instead: what is called a body.
    """
    try:
        octets, headers = read(value)
    except Exception:
        return _called_body(value)
    if not octets:
        return None
    for path in _likely_places(value, octets):
        if not path and not _spells(value, octets):
            continue
        try:
            found, _ = read(replaced(value, path, _PROBE))
        except Exception:  # noqa: S112 - a value that must not be this text is no body
            continue
        if found in _PROBED:
            encodings = [each for name, each in headers if name.lower() == "content-encoding"]
            return Body(octets, path, bool(encodings) and encodings != ["identity"])
    return _called_body(value)


def _called_body(value: Any) -> Body | None:
    for path, each in _places(value, ()):
        if each and path and str(path[-1]).lower().endswith("body"):
            text = each if isinstance(each, str) else json.dumps(each, default=str)
            return Body(text.encode("utf-8", "surrogatepass"), path, False)
    return None


def _spells(value: Any, octets: bytes) -> bool:
    """Tell whether a whole value is the body: as it is, or as JSON."""
    try:
        return isinstance(value, str) or bool(json.loads(octets) == value)
    except ValueError:
        return False


def _likely_places(value: Any, octets: bytes) -> list[Path]:
    """List the places of texts and objects, the likely ones first."""
    places = list(_places(value, ()))
    if len(octets) > _MANY_BYTES:
        # No other text will be as long.
        return [path for path, each in sorted(places, key=_length, reverse=True)]
    spellings = {octets.decode("utf-8", "replace"), b2a_base64(octets, newline=False).decode()}
    spelled = [path for path, each in places if isinstance(each, str) and each in spellings]
    # Base64 has several spellings, and a body that is JSON may stand there as an object.
    return spelled + [path for path, each in places if path not in spelled]


def _length(place: tuple[Path, Any]) -> int:
    return len(place[1]) if isinstance(place[1], str) else 0


def _places(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Walk over texts and objects, what is inside first."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _places(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _places(each, (*path, index))
    elif not isinstance(value, str):
        return
    yield path, value


def replaced(value: Any, path: Path, new: Any) -> Any:
    """Copy a value with another in one place; what is not on the way there is shared."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy
