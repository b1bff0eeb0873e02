"""Tell differences: to people in lines, to programs as JSON."""

from __future__ import annotations

import json
from difflib import SequenceMatcher
from io import StringIO
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from .compare import ABSENT, REDACTIONS, Digest, matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .compare import Difference

    # Pieces of one line, each with what it shows: "", "where", "expected", "found" or "note".
    Line = list[tuple[str, str]]

__all__ = ["describe", "lines_of", "printable", "render"]

_SHORT_CHARACTERS = 30
_LONG_CHARACTERS = 66
_SHOWN_LINES = 40
# What a diff looks at; further down, one difference has often moved everything.
_COMPARED_LINES = 400


def describe(difference: Difference) -> dict[str, Any]:
    """Write a difference as JSON: without ``expected`` or ``found`` where it is absent."""
    described: dict[str, Any] = {"where": difference.where}
    for name in ("expected", "found"):
        value = getattr(difference, name)
        if isinstance(value, bytes):
            value = Digest.of(value)
        if isinstance(value, Digest):
            value = {"bytes": value.size_bytes, "sha256": value.sha256}
        if value is not ABSENT:
            described[name] = value
    if isinstance(difference.expected, bytes) and isinstance(difference.found, bytes):
        described["offset"] = _common(difference.expected, difference.found)
    if difference.explained:
        described["explained"] = difference.explained
    return described


def lines_of(difference: Difference) -> list[str]:
    """Write a difference as lines for people."""
    return ["".join(text for text, _ in line) for line in render(difference)]


def render(difference: Difference) -> list[Line]:
    """Write a difference for people, as lines of pieces that may be coloured."""
    lines = [*_render(difference)]
    if difference.explained:
        lines[0].append((f"  ({difference.explained})", "note"))
    return lines


def _render(difference: Difference) -> Iterator[Line]:
    where, expected, found = printable(difference.where), difference.expected, difference.found
    if isinstance(expected, bytes) and isinstance(found, bytes):
        yield [(where, "where"), (f": differs from octet {_common(expected, found):,} on", "")]
        expected, found = Digest.of(expected), Digest.of(found)
        yield from _below(_shown(expected), _shown(found))
    elif isinstance(expected, str) and isinstance(found, str) and "\n" in expected + found:
        yield from _render_texts(where, expected, found)
    else:
        # Headers have quotes of their own.
        texts = [
            printable(each)
            if each and where.startswith("headers.") and isinstance(each, str)
            else _shown(each)
            for each in (expected, found)
        ]
        if max(map(len, texts)) <= _SHORT_CHARACTERS:
            yield [
                (where, "where"),
                (": ", ""),
                (texts[0], "expected"),
                (" -> ", ""),
                (texts[1], "found"),
            ]
        else:
            yield [(where, "where")]
            yield from _below(*_cut(*texts))


def _render_texts(where: str, expected: str, found: str) -> Iterator[Line]:
    """Write a diff of texts in lines, from the first one that differs."""
    before = [*StringIO(expected, newline="\n")]
    after = _with_redacted(before, [*StringIO(found, newline="\n")])
    start = _common(before, after)
    yield [(where, "where"), (f": differs from line {start + 1:,} on", "")]
    around = slice(max(0, start - 3), start + _COMPARED_LINES)
    lines = [*_diff(before[around], after[around])]
    yield from lines[:_SHOWN_LINES]
    if len(lines) > _SHOWN_LINES:
        yield [(f"  ... {len(lines) - _SHOWN_LINES:,} lines more", "note")]


def _diff(before: list[str], after: list[str]) -> Iterator[Line]:
    """Write what differs between lines, with three around it."""
    groups = SequenceMatcher(None, before, after).get_grouped_opcodes(3)
    for number, group in enumerate(groups):
        if number:
            yield [("  ...", "note")]
        for tag, start, end, other_start, other_end in group:
            lines, others = before[start:end], after[other_start:other_end]
            if tag == "equal":
                yield from (_diff_line(" ", line) for line in lines)
                continue
            pairs = [*zip_longest(lines, others)]
            yield from (_diff_line("-", *pair) for pair in pairs if pair[0] is not None)
            yield from (_diff_line("+", *pair[::-1]) for pair in pairs if pair[1] is not None)


def _diff_line(mark: str, line: str, other: str | None = None) -> Line:
    texts = [printable(each.removesuffix("\n")) for each in (line, other) if each is not None]
    role = {"-": "expected", "+": "found"}.get(mark, "")
    shown: Line = [(f"  {mark} {_cut(*texts)[0]}", role)]
    if not line.endswith("\n"):
        shown.append((" (no line end)", "note"))
    return shown


def _with_redacted(before: list[str], after: list[str]) -> list[str]:
    """Redact lines that were redacted, so that a diff finds them the same."""
    redacted = [line for line in before if REDACTIONS.search(line)]
    return [next((each for each in redacted if matches(each, line)), line) for line in after]


def _below(expected: str, found: str) -> Iterator[Line]:
    yield [(f"  - {expected}", "expected")]
    yield [(f"  + {found}", "found")]


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "(absent)"
    if isinstance(value, bytes):
        value = Digest.of(value)
    if isinstance(value, Digest):
        return f"{value.size_bytes:,} bytes, sha256 {value.sha256[:16]}"
    return printable(json.dumps(value, ensure_ascii=False))


def printable(text: str) -> str:
    """Escape what a terminal would obey rather than show."""
    if text.isprintable():
        return text
    return "".join(
        each
        if each.isprintable() or each == "\t"
        else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def _cut(*texts: str) -> list[str]:
    """Cut texts that are too long to read down to where they differ."""
    if max(map(len, texts)) <= _LONG_CHARACTERS:
        return [*texts]
    start = max(0, _common(*texts) - _SHORT_CHARACTERS) if len(texts) > 1 else 0
    cut = []
    for text in texts:
        shown = text[start : start + _LONG_CHARACTERS]
        after = "..." if start + _LONG_CHARACTERS < len(text) else ""
        cut.append(f"{'...' if start else ''}{shown}{after}")
    return cut


def _common(*sequences: Any) -> int:
    """Count what sequences have in common from their beginning."""
    for place, each in enumerate(zip(*sequences)):  # noqa: B905
        if each.count(each[0]) < len(each):
            return place
    return min(map(len, sequences))
