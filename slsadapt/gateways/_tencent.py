"""What the Tencent dialects share: query, body, result."""

from __future__ import annotations

from ..message import Response
from ..percent import decode, encode_component
from ._body import decode_base64, decode_body, encode_body, serialized_bytes
from ._fields import group_headers, host_of, scalar_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..message import Pairs, Request

    JSON = dict[str, Any]

# 6 MB each way, of the serialized result.
RESULT_LIMIT_BYTES = 6 * 1024 * 1024

# Web functions carry the temporary role's keys in headers, and functions can be reconfigured.
_CREDENTIALS = ("x-scf-secret-id", "x-scf-secret-key", "x-scf-session-token")

_RESULT_TYPE = "application/json"
_MALFORMED = Response(
    403,
    (("Content-Type", _RESULT_TYPE),),
    b'{"errno":403,"error":"Invalid scf response format. please check your scf response format."}',
)


def annotate(environ: JSON, event: JSON, context: object) -> None:
    """Add event, context and what the gateway found out about the caller."""
    caller = event.get("requestContext") or {}
    environ["serverless.event"] = event
    environ["serverless.context"] = context
    environ["serverless.authorizer"] = caller.get("identity")


def result_bytes(result: JSON) -> int:
    """Measure a result as JSON in ASCII, the json module's default."""
    return serialized_bytes(result, ascii_only=True)


def decode_query(fields: JSON) -> str:
    """Encode the decoded ``queryString`` again: a list repeats its key, true is a bare key."""
    pieces = []
    for key, values in fields.items():
        key = encode_component(key)
        for value in values if isinstance(values, list) else (values,):
            pieces.append(key if value is True else f"{key}={encode_component(scalar_text(value))}")
    return "&".join(pieces)


def encode_query(query: str) -> JSON:
    """Invert ``decode_query``; the order among different keys is lost."""
    fields: dict[str, Any] = {}
    for piece in query.split("&"):
        if piece:
            key, equals, text = (
                decode(part.replace("+", " ")).decode("utf-8", "replace")
                for part in piece.partition("=")
            )
            value: str | bool = text if equals else True
            if key not in fields:
                fields[key] = value
            elif isinstance(fields[key], list):
                fields[key].append(value)
            else:
                fields[key] = [fields[key], value]
    return fields


def decode_tolerant_body(body: object, is_base64: object) -> bytes:
    """Read a body whose flag may lie: a vendor page prints ``"true"`` beside plain text."""
    if (is_base64 is True or is_base64 == "true") and isinstance(body, str):
        octets = decode_base64(body)
        if octets is not None:
            return octets
        return body.encode("utf-8", "surrogatepass")
    return decode_body(body, is_base64)


def trusted(headers: Pairs, fields: dict[str, str], body: bytes) -> Pairs:
    """Drop the platform's credentials and set right the length, which captures show wrong.

    Args:
        headers: as the event holds them.
        fields: the same by lower-case name.
        body: gives the length.
    """
    dropped = set(_CREDENTIALS)
    added = []
    length = str(len(body))
    if fields.get("content-length", length if not body else "") != length:
        dropped.add("content-length")
        added.append(("content-length", length))
    if added or not dropped.isdisjoint(fields):
        return [pair for pair in headers if pair[0].lower() not in dropped] + added
    return headers


def encode_headers(request: Request) -> JSON:
    """Write one string a header; how the gateway writes repeats is undocumented, so joined."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        separator = "; " if name == "cookie" else ","
        headers[name] = f"{headers[name]}{separator}{value}" if name in headers else value
    headers.setdefault("host", host_of(request.server))
    return headers


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write an integrated response; a header that repeats is a list of strings."""
    fields = {}
    for name, value in response.headers:
        fields[name.lower()] = value
    text, is_base64 = encode_body(
        response.body,
        fields.get("content-type", ""),
        fields.get("content-encoding", ""),
        text_mime_types,
    )
    headers: JSON = dict(response.headers)
    if len(fields) != len(response.headers):
        headers = {
            name: values[0] if len(values) == 1 else values
            for name, values in group_headers(response.headers).items()
        }
    return {
        "isBase64Encoded": is_base64,
        "statusCode": response.status,
        "headers": headers,
        "body": text,
    }


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive; a malformed result is the gateway's 403.

    Transport headers (date, content length) are left to the transport.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        return _MALFORMED
    try:
        status = int(result["statusCode"])
        headers = [
            (name, scalar_text(value))
            for name, values in (result.get("headers") or {}).items()
            for value in (values if isinstance(values, list) else (values,))
        ]
        body = result.get("body") or ""
        octets: bytes | None = body.encode("utf-8", "surrogatepass")
        if result.get("isBase64Encoded") in (True, "true"):
            octets = decode_base64(body)
    except (TypeError, ValueError, AttributeError):
        return _MALFORMED
    if octets is None or not 100 <= status <= 599:
        return _MALFORMED
    return Response(status, tuple(headers), octets)
