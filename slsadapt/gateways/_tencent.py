"""What the Tencent dialects share: credentials, body, result."""

from __future__ import annotations

from ..message import Response
from ._body import decode_base64, decode_body
from ._fields import NONE
from ._result import encode_lists, is_typed, read_result, result_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    JSON = dict[str, Any]

__all__ = [
    "CREDENTIALS",
    "REQUEST_LIMIT_BYTES",
    "RESULT_LIMIT_BYTES",
    "annotate",
    "decode_result",
    "decode_tolerant_body",
    "encode_result",
    "result_bytes",
]

# 6 MB each way, of the serialized result.
REQUEST_LIMIT_BYTES = RESULT_LIMIT_BYTES = 6 * 1024 * 1024

# Web functions carry the temporary role's keys in headers, and functions can be reconfigured.
CREDENTIALS = ("x-scf-secret-id", "x-scf-secret-key", "x-scf-session-token")

_RESULT_TYPES = {"statusCode": (int,), "headers": (dict, NONE), "body": (str, NONE)}
_MALFORMED = Response(
    403,
    (("Content-Type", "application/json"),),
    b'{"errno":403,"error":"Invalid scf response format. please check your scf response format."}',
)


def annotate(environ: JSON, event: JSON, context: object) -> None:
    """Add event, context and what the gateway found out about the caller."""
    caller = event.get("requestContext") or {}
    environ["serverless.event"] = event
    environ["serverless.context"] = context
    environ["serverless.authorizer"] = caller.get("identity")


def decode_tolerant_body(body: object, is_base64: object) -> bytes:
    """Read a body whose flag may lie: a vendor page prints ``"true"`` beside plain text."""
    if (is_base64 is True or is_base64 == "true") and isinstance(body, str):
        octets = decode_base64(body)
        if octets is not None:
            return octets
        return body.encode("utf-8", "surrogatepass")
    return decode_body(body, is_base64)


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write an integrated response; a header that repeats is a list of strings."""
    return encode_lists(response, text_mime_types)


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive; a malformed result is the gateway's 403."""
    if not isinstance(result, dict) or not is_typed(result, _RESULT_TYPES):
        return _MALFORMED
    return read_result(result, lists=True) or _MALFORMED
