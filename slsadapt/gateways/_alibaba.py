"""What the Alibaba dialects share: credentials of a request, the body of a result."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    JSON = dict[str, Any]

__all__ = ["CREDENTIALS", "with_text_body"]

# The temporary role's keys, which web functions get as headers, and functions can be reconfigured.
CREDENTIALS = ("x-fc-access-key-id", "x-fc-access-key-secret", "x-fc-security-token")


def with_text_body(result: JSON) -> JSON:
    """Write a result's body as JSON where it is no text, as in the vendor's samples."""
    body = result.get("body")
    if body is None or isinstance(body, str):
        return result
    import json

    return {**result, "body": json.dumps(body, ensure_ascii=False)}
