"""Put what is known of the request in front of every log line."""

from __future__ import annotations

import logging
from string import Formatter

from ..errors import OptionError
from .escape import escape
from .invocation import BOUND, CURRENT, Invocation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["LogPrefixFilter"]

# Outside of invocations nothing is known; the environment may still tell of the latest one.
_NOBODY = Invocation()
_NOBODY.invocation_id = _NOBODY.function = ""


class _Unknown(str):
    """A dash, whatever a template asks of it."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> object:
        return self

    def __getitem__(self, key: object) -> str:
        return self

    def __format__(self, spec: str) -> str:
        try:
            return str.__format__(self, spec)
        except ValueError:
            return "-"


_UNKNOWN = _Unknown("-")


class LogPrefixFilter(logging.Filter):
    """Set ``record.log_prefix``; put it on handlers, whose filters see every logger's records.

    Args:
        prefix: a format string that may name ``request_id``, ``invocation_id``, ``function`` and
            whatever the application binds, ``"[{request_id:.8}][{user}]"``. What is not known
            is written as ``-``.

    Raises:
        OptionError: ``prefix`` is no format string of names.
    """

    def __init__(self, prefix: str = "[{request_id}][{function}]") -> None:
        super().__init__()
        self._prefix = prefix
        try:
            self._names = [
                field.partition(".")[0].partition("[")[0]
                for _, field, _, _ in Formatter().parse(prefix)
                if field is not None
            ]
            # Numbers and empty fields would be arguments, of which there are none.
            if not all(name.isidentifier() for name in self._names):
                raise ValueError("fields are names")
            prefix.format_map(dict.fromkeys(self._names, _UNKNOWN))
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise OptionError(
                f"prefix must be a format string such as '[{{request_id}}]'; in {prefix!r}: {error}"
            ) from None
        # What the last record's prefix was made of, and that prefix.
        self._last: tuple[object, str, object, str] = (None, "", None, "")

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the record's prefix; every record passes."""
        invocation = CURRENT.get() or _NOBODY
        bound = BOUND.get()
        last = self._last
        # Neither changes in place but for the ID, which is empty until it is known.
        if last[0] is invocation and last[2] is bound and last[1] == invocation.request_id:
            record.log_prefix = last[3]
            return True
        # Read before the rest: were it set meanwhile, the next record would find another.
        request_id = invocation.request_id
        rendered = self._render(invocation, bound)
        self._last = invocation, request_id, bound, rendered
        record.log_prefix = rendered
        return True

    def _render(self, invocation: Invocation, bound: Mapping[str, Any]) -> str:
        fields: dict[str, object] = {}
        for name in self._names:
            if name in ("request_id", "invocation_id", "function"):
                fields[name] = getattr(invocation, name) or _UNKNOWN
            else:
                fields[name] = bound.get(name, _UNKNOWN)
        try:
            return escape(self._prefix.format_map(fields))
        except Exception:
            # A value that fails, or does not suit its format: a log line is worth more than that.
            return escape("".join(f"[{_text(each)}]" for each in fields.values()))


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"
