"""Cassettes: recorded invocations, as files.

A ``.json`` file holds one, a ``.jsonl`` file one a line, each an object::

    {
        "slsadapt": 1,
        "recorded_at": "2026-11-21T10:00:00.123Z",
        "dialect": "aws_http",
        "event": {"version": "2.0", ...},
        "context": {"aws_request_id": "...", "function_name": "shop", ...},
        "result": {"statusCode": 200, ...},
        "timing": {"total_ms": 1.2, "cold": true, "remaining_ms": 2997},
        "redacted": ["event.headers.authorization"],
        "omitted": {"event.body": {"bytes": 123, "sha256": "..."}},
        "objects": {}
    }

==============  ====================================================================================
key             holds
==============  ====================================================================================
``slsadapt``    the version of this format, 1
``recorded_at`` when the invocation ended, in UTC
``dialect``     one of ``slsadapt.gateways.NAMES``, null for what is no HTTP request
``event``       as the function got it; null where that is no JSON
``context``     the public fields of the function's context, by name, or null
``result``      what the function returned; absent where it raised
``error``       what it raised: ``{"type": "builtins.ValueError", "message": "..."}``, or absent
``timing``      milliseconds, whether it was the instance's first invocation, and what was left of
                the platform's time limit, where it counts
``redacted``    where secrets were replaced, as dotted paths; see ``slsadapt.testing.redact``
``omitted``     bodies that were left out, by path: how many octets, and their digest
``objects``     what is no JSON, by path: its class. Null stands in its place. Azure's and Google's
                events are such, and the environs of Alibaba's FC 2
==============  ====================================================================================

But for ``slsadapt`` and ``event`` all may be absent. Read are, besides, an event alone, as a
gateway sends it, and an event under ``"event"`` beside its ``"source"``, as the samples that come
with the package have it; keys of other names are kept.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .. import gateways
from ..errors import BadEventError, OptionError, UnknownEventError
from ..gateways.triggers import kind_of
from .compare import ABSENT, Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Self

    JSON = dict[str, Any]

__all__ = ["ABSENT", "Cassette", "parse", "read", "rewrite", "write"]

VERSION = 1
SUFFIXES = (".json", ".jsonl")

# What each key may hold; NoneType where it may be null.
_NULL = type(None)
_FIELDS: dict[str, tuple[type, ...]] = {
    "slsadapt": (int,),
    "recorded_at": (str,),
    "dialect": (str, _NULL),
    "event": (object,),
    "context": (dict, _NULL),
    "result": (object,),
    "error": (dict, _NULL),
    "timing": (dict,),
    "redacted": (list,),
    "omitted": (dict,),
    "objects": (dict,),
}


@dataclass(frozen=True, slots=True)
class Cassette:
    """One recorded invocation.

    Attributes:
        event: as the function got it, None where that is no JSON.
        context: the public fields of the function's context.
        result: what the function returned, ABSENT where it raised or nothing was recorded.
        error: class and message of what it raised, by ``"type"`` and ``"message"``.
        dialect: the gateway's, None where it was not recorded or there is none.
        recorded_at: in UTC, ``""`` where unknown.
        timing: ``total_ms``, ``cold`` and perhaps ``remaining_ms``.
        redacted: dotted paths of what was replaced.
        omitted: by path, what is known of bodies that were left out.
        objects: by path, the classes of what is no JSON.
        notes: what else the file says of it.
        path: of the file, ``""`` where there is none.
        line: in the file, counted from 1, where it holds one a line; else 0.
    """

    event: Any
    context: JSON | None = None
    result: Any = ABSENT
    error: dict[str, str] | None = None
    dialect: str | None = None
    recorded_at: str = ""
    timing: JSON = field(default_factory=dict)
    redacted: tuple[str, ...] = ()
    omitted: Mapping[str, Digest] = field(default_factory=dict)
    objects: Mapping[str, str] = field(default_factory=dict)
    notes: JSON = field(default_factory=dict)
    path: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)

    @property
    def origin(self) -> str:
        """Say where it comes from: ``"cassettes/shop.jsonl:3"``."""
        return f"{self.path}:{self.line}" if self.line else self.path

    @classmethod
    def of(cls, value: Any, path: str = "", line: int = 0) -> Self:
        """Take a cassette, an event with its source, or an event alone.

        Args:
            value: read from JSON; not changed.
            path: of its file, for messages and ``rewrite``.
            line: in its file.

        Raises:
            BadEventError: none of them; says where, and which key is wrong.
        """
        where = f"{path}:{line}: " if line else f"{path}: " if path else ""
        if not isinstance(value, dict):
            raise BadEventError(
                f"{where}a cassette or an event must be a JSON object, got {type(value).__name__}"
            )
        if "slsadapt" not in value and not (
            "source" in value and isinstance(value.get("event"), dict)
        ):
            if not _is_event(value):
                raise BadEventError(
                    f"{where}neither a cassette nor an event that any dialect claims; "
                    f"it has the keys {sorted(value)}"
                )
            return cls(value, path=path, line=line)
        return cls(**_fields(value, where), path=path, line=line)

    def to_json(self) -> JSON:
        """Write it as a file holds it."""
        written: JSON = {"slsadapt": VERSION}
        if self.recorded_at:
            written["recorded_at"] = self.recorded_at
        written |= {"dialect": self.dialect, "event": self.event, "context": self.context}
        if self.result is not ABSENT:
            written["result"] = self.result
        if self.error is not None:
            written["error"] = self.error
        written["timing"] = self.timing
        written["redacted"] = [*self.redacted]
        written["omitted"] = {
            path: {"bytes": digest.size_bytes, "sha256": digest.sha256}
            for path, digest in self.omitted.items()
        }
        written["objects"] = {**self.objects}
        return {**written, **self.notes}


def _is_event(value: JSON) -> bool:
    try:
        gateways.detect(value)
    except UnknownEventError:
        return kind_of(value) is not None
    return True


def _fields(value: JSON, where: str) -> JSON:
    """Read the fields of a Cassette, each of which is of its type."""
    if value.get("slsadapt", VERSION) != VERSION:
        raise BadEventError(
            f"{where}'slsadapt' must be {VERSION}, the version of the format that this release "
            f"reads, got {json.dumps(value['slsadapt'])[:20]}"
        )
    if "event" not in value:
        raise BadEventError(f"{where}'event' is missing")
    for name, types in _FIELDS.items():
        if name in value and not isinstance(value[name], types):
            expected = " or ".join("null" if kind is _NULL else kind.__name__ for kind in types)
            raise BadEventError(
                f"{where}{name!r} must be {expected}, got {type(value[name]).__name__}"
            )
    fields: JSON = {name: each for name, each in value.items() if name in _FIELDS}
    fields.pop("slsadapt", None)
    fields["notes"] = {name: each for name, each in value.items() if name not in _FIELDS}
    error = fields.get("error")
    told = ("type", "message")
    if error is not None and not all(isinstance(error.get(each), str) for each in told):
        raise BadEventError(f"{where}'error' must hold 'type' and 'message', both str")
    if "redacted" in fields:
        fields["redacted"] = tuple(map(str, fields["redacted"]))
    try:
        fields["omitted"] = {
            path: Digest(each["bytes"], each["sha256"])
            for path, each in fields.get("omitted", {}).items()
        }
    except (TypeError, KeyError):
        raise BadEventError(f"{where}'omitted' must hold 'bytes' and 'sha256' by path") from None
    return fields


def read(path: str | os.PathLike[str]) -> list[Cassette]:
    """Read the cassettes of a file, or of all files below a folder, sorted by path.

    Args:
        path: of a ``.json`` or ``.jsonl`` file, or of a folder.

    Raises:
        OSError: there is none, or it cannot be read.
        BadEventError: a file holds something else; names file and line.
    """
    path = Path(path)
    if not path.is_dir():
        return parse(path.read_bytes(), str(path))
    files = sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file())
    return [cassette for file in files for cassette in parse(file.read_bytes(), str(file))]


def parse(text: bytes | str, path: str = "") -> list[Cassette]:
    """Read one cassette, or several in lines.

    Args:
        text: JSON or JSON Lines, in UTF-8.
        path: of the file it is from.

    Raises:
        BadEventError: something else; names file and line.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadEventError(f"{path}: must be UTF-8: {error.reason}") from None
    if not path.endswith(".jsonl"):
        try:
            return [Cassette.of(json.loads(text), path)] if text.strip() else []
        except json.JSONDecodeError as error:
            # There may be another in the next line.
            if error.msg != "Extra data":
                raise BadEventError(f"{path}:{error.lineno}: no JSON: {error.msg}") from None
        except RecursionError:
            raise BadEventError(f"{path}: nested too deeply") from None
    cassettes: list[Cassette] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
            except json.JSONDecodeError as error:
                raise BadEventError(f"{path}:{number}: no JSON: {error.msg}") from None
            except RecursionError:
                raise BadEventError(f"{path}:{number}: nested too deeply") from None
            cassettes.append(Cassette.of(value, path, number))
    return cassettes


def write(path: str | os.PathLike[str], cassettes: Iterable[Cassette]) -> None:
    """Write a file of cassettes, whole or not at all.

    Args:
        path: ends in ``.jsonl`` for one a line; any other file holds one.
        cassettes: to write; where they were read from does not matter.

    Raises:
        OptionError: several for a file of one, or none.
        OSError: the file cannot be written.
    """
    path = Path(path)
    values = [cassette.to_json() for cassette in cassettes]
    if path.suffix == ".jsonl":
        _write_whole(path, "".join([_dumps(value) + "\n" for value in values]))
    elif len(values) == 1:
        _write_whole(path, _dumps(values[0], indent=2) + "\n")
    else:
        raise OptionError(f"{path} takes one cassette, got {len(values)}; name it .jsonl")


def rewrite(cassettes: Iterable[Cassette]) -> None:
    """Write changed cassettes to where they were read from; what else a file holds stays.

    Raises:
        OptionError: one was not read from a file.
        OSError: a file cannot be written.
    """
    files: dict[str, list[Cassette]] = {}
    for cassette in cassettes:
        if not cassette.path:
            raise OptionError("a cassette that was not read from a file cannot be written to it")
        files.setdefault(cassette.path, []).append(cassette)
    for path, changed in files.items():
        if not changed[0].line:
            write(path, changed)
            continue
        lines = Path(path).read_text(encoding="utf-8").split("\n")
        for cassette in changed:
            lines[cassette.line - 1] = _dumps(cassette.to_json())
        _write_whole(Path(path), "\n".join(lines))


def _dumps(value: JSON, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which a gateway may let through, has no UTF-8.
        text = json.dumps(value, indent=indent)
    return text


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees half of it."""
    new = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        new.write_text(text, encoding="utf-8", newline="\n")
        if path.exists():
            new.chmod(path.stat().st_mode)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
