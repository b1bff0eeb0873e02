"""Put new answers in the place of recorded ones, with as little of their secrets."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .cassettes import Cassette
from .recorder import Recorder
from .redact import REDACTED, redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .replay import Answer

__all__ = ["updated"]


def updated(cassette: Cassette, answer: Answer) -> Cassette:
    """Record another answer to an event.

    What was redacted under a name is under this name, and the body is left out if it was.

    Args:
        cassette: what was recorded.
        answer: the new one.
    """
    names = tuple({*_secret_names(cassette.to_json())})
    if answer.error is None:
        has_bodies = not any(path.startswith("result") for path in cassette.omitted)
        written: list[dict[str, Any]] = []
        recorder = Recorder(written.append, bodies=has_bodies, redact=names)
        recorder.keep(cassette.event, None, answer.result, None, 0.0, cassette.dialect, False)
        recorder.close()
        new = Cassette.of(written[0])
    else:
        error, paths = redacted(answer.error, names, "error")
        new = Cassette(cassette.event, error=error, redacted=tuple(paths))
    return replace(
        cassette,
        result=new.result,
        error=new.error,
        redacted=(*_of_event(cassette.redacted), *_of_answer(new.redacted)),
        omitted=_picked(cassette.omitted, new.omitted),
        objects=_picked(cassette.objects, new.objects),
    )


def _of_event(paths: Any) -> Iterator[str]:
    return (path for path in paths if path.startswith(("event", "context")))


def _of_answer(paths: Any) -> Iterator[str]:
    return (path for path in paths if path.startswith(("result", "error")))


def _picked(old: Any, new: Any) -> dict[str, Any]:
    kept = {path: old[path] for path in _of_event(old)}
    return kept | {path: new[path] for path in _of_answer(new)}


def _secret_names(value: Any) -> Iterator[str]:
    """Name the fields whose values were redacted, also in JSON that stands in a text."""
    if isinstance(value, dict):
        # {"key": "x-my-secret", "value": "[redacted]"}, as some write headers.
        called = value.get("key", value.get("name"))
        for name, each in value.items():
            if each == REDACTED or (isinstance(each, list) and REDACTED in each):
                yield called if name == "value" and isinstance(called, str) else name
            yield from _secret_names(each)
    elif isinstance(value, list):
        for each in value:
            yield from _secret_names(each)
    elif isinstance(value, str) and REDACTED in value and value[0] in "{[":
        with suppress(ValueError, RecursionError):
            yield from _secret_names(json.loads(value))
