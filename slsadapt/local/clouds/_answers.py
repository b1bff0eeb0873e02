"""What the clouds' modules share: JSON as Go's encoder writes it, headers set, errors told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...message import Response
from ._headers import HOP_BY_HOP, without

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from ...message import Request
    from ..outcome import Failure, FailureKind

    JSON = dict[str, Any]

__all__ = [
    "FUNCTIONS_OWN",
    "TRANSPORT",
    "answer",
    "told",
    "traceback_text",
    "with_headers",
    "write",
]

# In which the function itself is at fault, so that it, not the gateway, is reported.
FUNCTIONS_OWN: tuple[FailureKind, ...] = (
    "error",
    "exit",
    "timeout",
    "memory",
    "init",
    "result_too_large",
)
# What the server in front of the client writes itself.
TRANSPORT = frozenset({*HOP_BY_HOP, "content-length", "date"}) - {"proxy-authenticate"}


def write(value: JSON) -> bytes:
    """Write JSON without spaces, text as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def answer(status: int, value: JSON, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """Make a response of JSON, its type before other headers."""
    return Response(status, (("Content-Type", "application/json"), *headers), write(value))


def told(failure: Failure, kind: str, message: str) -> JSON:
    """Write what the function's runtime told, or what the platform says in its place."""
    error = failure.error or {"errorMessage": message, "errorType": kind}
    order = ("errorMessage", "errorType", "stackTrace")
    return {name: error[name] for name in order if name in error}


def traceback_text(error: JSON) -> str:
    """Write a traceback as Python prints it, from its lines and the error's type and message."""
    lines = "".join([line if line.endswith("\n") else f"{line}\n" for line in error["stackTrace"]])
    kind, message = error.get("errorType", ""), error.get("errorMessage", "")
    return f"Traceback (most recent call last):\n{lines}{kind}: {message}"


def with_headers(
    request: Request, added: Mapping[str, str], dropped: Collection[str] = HOP_BY_HOP
) -> Request:
    """Set headers, whatever the client sent by these names, and leave others out.

    Args:
        request: as the client sent it.
        added: by lower-case name.
        dropped: lower-case names.
    """
    kept = without(request.headers, {*dropped, *added})
    return request.replace(headers=[*kept, *added.items()])
