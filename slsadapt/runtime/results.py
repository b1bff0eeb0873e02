"""Read events and write results as AWS's runtime for Python does.

Source: https://github.com/aws/aws-lambda-python-runtime-interface-client,
lambda_runtime_marshaller.py

- Bytes are sent as they are; bytes inside of a result are text in UTF-8, ``Decimal`` is a number
  with all of its digits, and NaN and infinities are written, though JSON has none.
- Text is ASCII with escapes and, from Python 3.12 on, UTF-8.

One thing differs: a named tuple becomes an array, not an object.
"""

from __future__ import annotations

import json
import sys

from .failures import FaultError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["read_event", "write_json", "write_result"]

_IS_ASCII = sys.version_info < (3, 12)
# Made once: another than the default one would be made anew for each result.
_encode = json.JSONEncoder(ensure_ascii=_IS_ASCII).encode


def read_event(payload: bytes, content_type: str = "application/json") -> Any:
    """Read an event; what is not called JSON stays bytes.

    Raises:
        FaultError: it is no JSON.
    """
    if content_type != "application/json":
        return payload
    try:
        return json.loads(payload.decode())
    except (ValueError, RecursionError) as error:
        raise FaultError("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


def write_result(result: Any) -> tuple[bytes, str]:
    """Give the octets of a result and their content type.

    Raises:
        FaultError: JSON cannot hold it.
    """
    if isinstance(result, bytes):
        return result, "application/unknown"
    try:
        return write_json(result), "application/json"
    except Exception as error:
        raise FaultError("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def write_json(value: Any) -> bytes:
    """Write JSON as the runtime does, in its encoding.

    Raises:
        TypeError: there is something that is no JSON; ValueError: it contains itself, or text
            that is not Unicode.
    """
    try:
        text = _encode(value)
    except TypeError:
        # Bytes, or numbers that float cannot hold: rare, so that the rest need not be looked at.
        text = _Writer().write(value)
    return text.encode()


class _Writer:
    """Write what the JSON of the standard library does not take."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def write(self, value: Any) -> str:
        """Write a value with all that is in it."""
        if isinstance(value, bytes):
            return _encode(value.decode())
        if isinstance(value, (dict, list, tuple)):
            if id(value) in self._open:
                raise ValueError("Circular reference detected")
            self._open.add(id(value))
            try:
                if isinstance(value, dict):
                    pairs = [f"{self._key(key)}: {self.write(each)}" for key, each in value.items()]
                    return f"{{{', '.join(pairs)}}}"
                return f"[{', '.join([self.write(each) for each in value])}]"
            finally:
                self._open.discard(id(value))
        # Whoever has a Decimal has imported it.
        decimal = sys.modules.get("decimal")
        if decimal is not None and isinstance(value, decimal.Decimal):
            return "NaN" if value.is_nan() else str(value)
        return _encode(value)

    def _key(self, key: Any) -> str:
        if isinstance(key, bytes):
            key = key.decode()
        # {"a": 0} without braces and value.
        return _encode({key: 0})[1:-4]
