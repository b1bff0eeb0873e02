"""Compare what a function answers with what was recorded of it.

Two answers are the same where their clients would not see a difference:

- Headers are compared by name, in any case and order; several of one name are a list.
- ``VOLATILE`` headers are not compared. Where there is a Max-Age, Expires is not either, since
  it says the same by the clock (RFC 6265 4.1.2.2, RFC 9111 5.3).
- JSON bodies are compared as values, others as text if they are text. Compressed ones are
  compared as what they hold.
- ``[redacted]``, which a recorder wrote in the place of a secret, stands for anything.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from werkzeug.http import parse_options_header

from .losses import grouped
from .redact import REDACTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..message import Response

__all__ = [
    "ABSENT",
    "OF_CONNECTION",
    "REDACTIONS",
    "VOLATILE",
    "Difference",
    "Digest",
    "differences",
    "differences_of_values",
    "matches",
]

# Headers of one connection (RFC 9110 7.6.1), and what frames the body, which is looked at itself.
OF_CONNECTION = (
    *("connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"),
    *("content-length", "transfer-encoding"),
)
# With those that differ from one answer to the next without anything having changed, or that
# servers and proxies add.
VOLATILE = (*OF_CONNECTION, "age", "date", "server", "server-timing", "via", "x-request-id")
_PARTS = ("status", "headers", "body", "result", "error")
# What no text holds; tabs, line ends and the escapes that colour are left.
_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_EXPIRES = re.compile(r"; expires=[^;]*", re.IGNORECASE)
# The second one is within a URL in a query.
REDACTIONS = re.compile(f"{re.escape(REDACTED)}|{re.escape(quote(REDACTED))}", re.IGNORECASE)

_TOO_DEEP = "nested too deeply to show"


class _Absent(Enum):
    ABSENT = "absent"


# In the place of a value that one of the two answers has not.
ABSENT = _Absent.ABSENT


class Digest(NamedTuple):
    """What is known of octets that were not kept."""

    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, octets: bytes) -> Digest:
        """Make the digest of octets."""
        return cls(len(octets), sha256(octets).hexdigest())


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two answers differ.

    Attributes:
        where: ``"status"``, ``"headers.etag"``, ``"body"`` or ``"body.items[2].price"``, the
            same with ``"result"`` for what is no response, ``"error.type"``.
        expected: what was recorded: a JSON value, octets, their Digest, or ABSENT.
        found: the same of the new answer.
        explained: why it is no fault, ``""`` where nothing tells.
    """

    where: str
    expected: Any
    found: Any
    explained: str = ""

    @property
    def field(self) -> str:
        """Tell the part of the answer: ``"body"`` for all places in the body."""
        if self.where.startswith("headers."):
            return self.where
        return re.split(r"[.\[]", self.where, maxsplit=1)[0]

    def because(self, reason: str) -> Difference:
        """Return it explained."""
        return replace(self, explained=reason)


def differences(
    expected: Response,
    found: Response,
    *,
    ignore: Iterable[str] = (),
    omitted: Digest | None = None,
) -> list[Difference]:
    """Compare two responses.

    Args:
        expected: what was recorded.
        found: the new one.
        ignore: beside ``VOLATILE``, names of headers, and places as ``Difference.where`` names
            them, with all below; ``[*]`` is any place in a list, ``.*`` any name.
        omitted: the recorded body's, where that was not kept.
    """
    return _kept(_differences(expected, found, omitted), ignore)


def differences_of_values(
    expected: Any, found: Any, where: str = "result", *, ignore: Iterable[str] = ()
) -> list[Difference]:
    """Compare two JSON values.

    Args:
        expected: what was recorded.
        found: the new one.
        where: what to call them.
        ignore: as for ``differences``.
    """
    try:
        return _kept(_walk(expected, found, where), ignore)
    except RecursionError:
        # Nobody would read the way down either.
        return [] if _same(expected, found) else [Difference(where, _TOO_DEEP, _TOO_DEEP)]


def _kept(found: Iterable[Difference], ignore: Iterable[str]) -> list[Difference]:
    ignored = _ignored((*VOLATILE, *ignore))
    return [each for each in found if not ignored.match(each.where)]


@lru_cache
def _ignored(names: tuple[str, ...]) -> re.Pattern[str]:
    """Write names of headers and places as one pattern of ``Difference.where``."""
    patterns = []
    for name in names:
        is_place = re.split(r"[.\[]", name, maxsplit=1)[0] in _PARTS
        place = re.escape(name if is_place else f"headers.{name.lower()}")
        place = place.replace(r"\[\*\]", r"\[\d+\]").replace(r"\.\*", r"\.[^.\[]+")
        patterns.append(rf"{place}(?![^.\[])")
    return re.compile("|".join(patterns))


def _differences(
    expected: Response, found: Response, omitted: Digest | None
) -> Iterator[Difference]:
    if expected.status != found.status:
        yield Difference("status", expected.status, found.status)
    headers, others = _headers(expected), _headers(found)
    for name in dict.fromkeys([*headers, *others]):
        values, other_values = headers.get(name, []), others.get(name, [])
        if not _same(values, other_values):
            yield Difference(f"headers.{name}", _one_or_all(values), _one_or_all(other_values))
    if omitted is not None:
        if (digest := Digest.of(found.body)) != omitted:
            yield Difference("body", omitted, digest)
    elif expected.body != found.body:
        yield from _differences_of_bodies(expected, found)


def _headers(response: Response) -> dict[str, list[str]]:
    """Group headers by lower-case names, without what only says again what another does."""
    headers = grouped((name.lower(), value) for name, value in response.headers)
    if any("max-age=" in value.lower() for value in headers.get("cache-control", [])):
        headers.pop("expires", None)
    if "set-cookie" in headers:
        # Space between attributes means nothing (RFC 6265 5.2).
        cookies = [re.sub(r"\s*;\s*", "; ", value) for value in headers["set-cookie"]]
        headers["set-cookie"] = [
            _EXPIRES.sub("", value) if "max-age=" in value.lower() else value for value in cookies
        ]
    return headers


def _one_or_all(values: list[str]) -> Any:
    return values if len(values) > 1 else values[0] if values else ABSENT


def _differences_of_bodies(expected: Response, found: Response) -> Iterator[Difference]:
    body, other = _unpacked(expected), _unpacked(found)
    if body == other:
        return
    essence, _ = _content_type(expected)
    if re.search(r"[/+]json$", essence):
        try:
            yield from [*_walk(json.loads(body), json.loads(other), "body")]
        except (ValueError, RecursionError):
            pass  # text, or not even that
        else:
            return
    text, other_text = _text(body, expected), _text(other, found)
    if text is None or other_text is None:
        yield Difference("body", body, other)
    elif not matches(text, other_text):
        yield Difference("body", text, other_text)


def _content_type(response: Response) -> tuple[str, dict[str, str]]:
    fields = {name.lower(): value for name, value in response.headers}
    essence, options = parse_options_header(fields.get("content-type", ""))
    return essence.lower(), options


def _unpacked(response: Response) -> bytes:
    """Give the body without its compression, whose octets may hold the time."""
    fields = {name.lower(): value.lower() for name, value in response.headers}
    try:
        if fields.get("content-encoding") == "gzip":
            return gzip.decompress(response.body)
        if fields.get("content-encoding") == "deflate":
            return zlib.decompress(response.body)
    except (OSError, EOFError, zlib.error):
        pass
    return response.body


def _text(body: bytes, response: Response) -> str | None:
    _, options = _content_type(response)
    try:
        text = body.decode(options.get("charset", "utf-8"))
    except (LookupError, UnicodeError):
        return None
    return None if _CONTROL_CHARACTERS.search(text) else text


def _walk(expected: Any, found: Any, where: str) -> Iterator[Difference]:
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in dict.fromkeys([*expected, *found]):
            is_word = re.fullmatch(r"[\w-]+", key)
            place = f".{key}" if is_word else f"[{json.dumps(key, ensure_ascii=False)}]"
            yield from _walk(expected.get(key, ABSENT), found.get(key, ABSENT), where + place)
    elif isinstance(expected, list) and isinstance(found, list):
        start = end = 0
        if len(expected) != len(found):
            # What was put in or taken out should not make all that follows differ.
            shorter = min(len(expected), len(found))
            while start < shorter and _same(expected[start], found[start]):
                start += 1
            while end < shorter - start and _same(expected[-1 - end], found[-1 - end]):
                end += 1
        pairs = zip_longest(
            expected[start : len(expected) - end],
            found[start : len(found) - end],
            fillvalue=ABSENT,
        )
        for index, (value, other) in enumerate(pairs, start):
            yield from _walk(value, other, f"{where}[{index}]")
    elif not _same(expected, found):
        yield Difference(where, expected, found)


def _same(expected: Any, found: Any) -> bool:
    """Tell whether a value is the recorded one, or may be the one that was redacted."""
    # No recursion, which has an end sooner than what JSON may hold.
    pairs = [(expected, found)]
    while pairs:
        value, other = pairs.pop()
        if value == REDACTED and other is not ABSENT:
            continue
        if isinstance(value, dict) and isinstance(other, dict):
            if value.keys() != other.keys():
                return False
            pairs += [(each, other[key]) for key, each in value.items()]
        elif isinstance(value, list) and isinstance(other, list):
            if len(value) != len(other):
                return False
            pairs += zip(value, other)  # noqa: B905
        elif not _same_scalar(value, other):
            return False
    return True


def _same_scalar(expected: Any, found: Any) -> bool:
    if isinstance(expected, str) and isinstance(found, str):
        return matches(expected, found)
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, (dict, list)):
        return False
    # A NaN, which is no JSON but written as such, is not equal to itself.
    return bool(expected == found) or (expected != expected and found != found)


def matches(expected: str, found: str) -> bool:
    """Tell whether a text is the recorded one, which may have redacted pieces."""
    first, *others = REDACTIONS.split(expected)
    if not others:
        return expected == found
    if expected.lstrip()[:1] in ("{", "["):
        # JSON was written anew, with other space.
        with suppress(ValueError, RecursionError):
            return _same(json.loads(expected), json.loads(found))
    *middle, last = others
    if not found.startswith(first):
        return False
    place = len(first)
    for piece in middle:
        place = found.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return found.endswith(last) and len(found) - len(last) >= place
