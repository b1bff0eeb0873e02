"""Carry requests and responses as JSON where the platform passes objects of its own process.

Azure, Google and Alibaba's FC 2.0 call functions with objects, which no Runtime API can carry. What
goes between gateway and instance instead is ``{"slsadapt.request": {...}}``; the instance makes the
object of it, and gives back ``{"slsadapt.response": {...}}`` of what the function returned. Nothing
is lost on either way; octets are base64.
"""

from __future__ import annotations

import json
from binascii import a2b_base64, b2a_base64

from ..message import Request, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["is_request", "pack_request", "pack_response", "unpack_request", "unpack_response"]

_REQUEST = "slsadapt.request"
_RESPONSE = "slsadapt.response"


def pack_request(request: Request) -> bytes:
    """Write a request as the payload of an invocation."""
    return _pack(_REQUEST, request)


def is_request(payload: bytes) -> bool:
    """Tell a payload that ``pack_request`` wrote from an event, such as a timer's."""
    return payload.startswith(b'{"%b":' % _REQUEST.encode())


def unpack_request(payload: bytes) -> Request:
    """Read what ``pack_request`` wrote."""
    fields = _unpack(_REQUEST, payload)
    for name in ("client", "server"):
        if fields[name] is not None:
            fields[name] = tuple(fields[name])
    return Request(**fields)


def pack_response(response: Response) -> bytes:
    """Write a response as the result of an invocation."""
    return _pack(_RESPONSE, response)


def unpack_response(payload: bytes) -> Response:
    """Read what ``pack_response`` wrote.

    Raises:
        ValueError: it is something else.
    """
    return Response(**_unpack(_RESPONSE, payload))


def _pack(kind: str, value: Request | Response) -> bytes:
    fields: dict[str, Any] = {name: getattr(value, name) for name in value.__slots__}
    fields["headers"] = [*map(list, value.headers)]
    fields["body"] = b2a_base64(value.body, newline=False).decode()
    # Escapes alone carry lone surrogates, which text in UTF-8 cannot hold.
    return json.dumps({kind: fields}, separators=(",", ":")).encode()


def _unpack(kind: str, payload: bytes) -> dict[str, Any]:
    value = json.loads(payload)
    if not isinstance(value, dict) or not isinstance(value.get(kind), dict):
        raise ValueError(f"a payload of {kind!r} was expected")
    fields: dict[str, Any] = value[kind]
    fields["headers"] = [(name, text) for name, text in fields["headers"]]
    fields["body"] = a2b_base64(fields["body"])
    return fields
