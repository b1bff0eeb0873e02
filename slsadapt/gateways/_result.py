"""Results of ``statusCode``, ``headers``, ``body`` and ``isBase64Encoded``, which many clouds take.

They differ in how a header repeats: as a list, in a map of lists, or not at all.
"""

from __future__ import annotations

from ..errors import ApplicationError
from ..message import Response
from ._body import decode_base64, encode_body, serialized_bytes
from ._fields import group_headers, header_members, scalar_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    JSON = dict[str, Any]


def annotate(environ: JSON, event: Any, context: object) -> None:
    """Add event and context, for gateways that authorize nobody."""
    environ["serverless.event"] = event
    environ["serverless.context"] = context
    environ["serverless.authorizer"] = None


def result_bytes(result: JSON) -> int:
    """Measure a result as JSON in ASCII, the json module's default."""
    return serialized_bytes(result, ascii_only=True)


def encode_flat(response: Response, text_mime_types: tuple[str, ...]) -> tuple[JSON, bool]:
    """Write a result whose headers are a map of single values.

    Returns:
        (result, whether a header repeats, so that its last value alone is in the map).
    """
    fields = {}
    for name, value in response.headers:
        fields[name.lower()] = value
    text, is_base64 = encode_body(
        response.body,
        fields.get("content-type", ""),
        fields.get("content-encoding", ""),
        text_mime_types,
    )
    result = {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "body": text,
        "isBase64Encoded": is_base64,
    }
    return result, len(fields) != len(response.headers)


def encode_lists(response: Response, text_mime_types: tuple[str, ...]) -> JSON:
    """Write a result where a header that repeats is a list of strings."""
    result, repeats = encode_flat(response, text_mime_types)
    if repeats:
        result["headers"] = {
            name: values[0] if len(values) == 1 else values
            for name, values in group_headers(response.headers).items()
        }
    return result


def encode_multi(response: Response, text_mime_types: tuple[str, ...]) -> JSON:
    """Write a result where headers that repeat go to ``multiValueHeaders``."""
    result, repeats = encode_flat(response, text_mime_types)
    if repeats:
        groups = group_headers(response.headers)
        result["headers"] = {n: values[0] for n, values in groups.items() if len(values) == 1}
        result["multiValueHeaders"] = {n: values for n, values in groups.items() if len(values) > 1}
    return result


def encode_joined(response: Response, text_mime_types: tuple[str, ...]) -> JSON:
    """Write a result of one string a header, repeats joined (RFC 9110 5.3).

    ``Set-Cookie`` cannot be joined, so each goes under a spelling of its own: ``set-cookie``,
    ``Set-cookie``, ``sEt-cookie`` and so on.
    """
    result, repeats = encode_flat(response, text_mime_types)
    if repeats:
        headers: dict[str, str] = {}
        for name, values in group_headers(response.headers).items():
            if name.lower() == "set-cookie":
                headers.update(zip(_spellings(name.lower(), len(values)), values, strict=True))
            else:
                headers[name] = ", ".join(values)
        result["headers"] = headers
    return result


def _spellings(name: str, count: int) -> list[str]:
    """Spell a name in ``count`` ways, by the bits of a number: 1 for upper case."""
    letters = [index for index, letter in enumerate(name) if letter.isalpha()]
    found = []
    for number in range(count):
        spelled = [*name]
        for bit, index in enumerate(letters):
            if number >> bit & 1:
                spelled[index] = name[index].upper()
        found.append("".join(spelled))
    return found


def chosen(response: Response, name: str) -> str | None:
    """Read what a response chooses of a client's offer: the one member of a header, or None.

    Args:
        response: the answer to a WebSocket handshake.
        name: the header's, lower-case.

    Raises:
        ApplicationError: several members, where RFC 6455 4.2.2 or the gateway wants one.
    """
    members = header_members(response.headers, name)
    if len(members) > 1:
        raise ApplicationError(f"{name!r} must choose one of what is offered, got {len(members)}")
    return members[0] if members else None


def is_typed(result: JSON, types: Mapping[str, tuple[type, ...]]) -> bool:
    """Tell whether fields have the JSON types that a vendor names, of which a flag is no number.

    Args:
        result: what the function returned.
        types: by field; one that may be missing has ``type(None)`` among them.
    """
    return all(type(result.get(name)) in kinds for name, kinds in types.items())


def read_result(result: Any, lists: bool = False) -> Response | None:
    """Read the response that the client would receive, None where the result is malformed.

    A name in both maps is merged, ``multiValueHeaders`` first, whose case then counts.
    Transport headers (date, content length) are left to the transport.

    Args:
        result: what the function returned.
        lists: whether a value in ``headers`` may be a list.
    """
    if not isinstance(result, dict):
        return None
    try:
        status = result.get("statusCode", 200)
        if status != int(status) and not isinstance(status, str):
            return None
        status = int(status)
        merged: dict[str, list[tuple[str, str]]] = {}
        for name, values in (result.get("multiValueHeaders") or {}).items():
            if not isinstance(values, list):
                return None
            merged[name.lower()] = [(name, scalar_text(value)) for value in values]
        for name, value in (result.get("headers") or {}).items():
            pairs = merged.setdefault(name.lower(), [])
            for each in value if lists and isinstance(value, list) else (value,):
                pairs.append((pairs[0][0] if pairs else name, scalar_text(each)))
        body = result.get("body")
        body = "" if body is None else body
        octets: bytes | None = body.encode("utf-8", "surrogatepass")
        if result.get("isBase64Encoded") in (True, "true"):
            octets = decode_base64(body)
    except (TypeError, ValueError, AttributeError):
        return None
    if octets is None or not 100 <= status <= 599:
        return None
    return Response(status, [pair for pairs in merged.values() for pair in pairs], octets)
