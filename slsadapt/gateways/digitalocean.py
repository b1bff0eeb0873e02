"""DigitalOcean Functions, raw web events.

Sources: https://docs.digitalocean.com/products/functions/reference/parameters-responses/,
https://docs.digitalocean.com/products/functions/reference/http-headers/; the platform runs
OpenWhisk, whose source was followed where the pages are silent.

- Only ``web: raw`` in project.yml gives the request as it is; with ``web: true`` query and body
  are mixed into the event's top level, and the call is refused.
- The request stands in ``http``. Of old, and beside it still, its parts were ``__ow_method`` and
  so on, with ``__ow_isBase64Encoded``; they are read where there is no ``http``. Parameters of
  project.yml stand at the top level and are not read.
- Method: ``http.method`` in upper case, ``__ow_method`` in lower case.
- Path: what follows the function's name in the URL, percent-encoded, ``""`` where nothing does.
  Octets that are not UTF-8 arrive as U+FFFD. What precedes it is not told.
- Query: written anew from its decoded pairs, as OpenWhisk does.
- Headers: one string a name, lower-case, repeats joined. ``Host`` names a machine inside the
  platform. ``x-forwarded-for`` ends in the client, ``x-forwarded-proto`` is the scheme,
  ``x-request-id`` an id of the request.
- Body: base64 where the flag, which a GET may lack, says so: for binary types, JSON not among
  them. Octets of a text type that are not UTF-8 arrive as U+FFFD.
- ``X-Require-Whisk-Auth``, the function's password, is dropped, and so is ``Accept-Encoding``,
  which is always gzip.
- Response: as ``openwhisk``, binary bodies in base64 by the type alone.
- Limits: 1 MB each way, 15 minutes.
"""

from __future__ import annotations

from ..errors import BadEventError
from ..message import Request
from ._fields import (
    NONE,
    OBJECT,
    SCALARS,
    TEXT,
    TEXT_OR_NONE,
    WRONG,
    address,
    bad_event,
    deliverable,
    header_pairs,
    joined_headers,
    last_forwarded,
    scalar_text,
)
from ._openwhisk import (
    DROPPED,
    REQUEST_LIMIT_BYTES,
    RESULT_LIMIT_BYTES,
    decode_body,
    decode_result,
    encode_base64,
    encode_path_as_utf8,
    encode_query,
    encode_result,
    is_text,
    is_web_event,
    request_path,
    result_bytes,
)
from ._result import annotate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..message import Build, T

    JSON = dict[str, Any]

__all__ = [
    "KEYS",
    "LOSES",
    "REQUEST_LIMIT_BYTES",
    "RESULT_LIMIT_BYTES",
    "TITLE",
    "annotate",
    "decode_event",
    "decode_into",
    "decode_result",
    "encode_event",
    "encode_result",
    "matches",
    "result_bytes",
]

TITLE = "DigitalOcean Functions, web: raw"
KEYS = "http.method and http.headers, or __ow_isBase64Encoded"
LOSES = (
    "path_octets",
    "query_escapes",
    "header_repeats",
    "binary_body",
    "port",
    "client_port",
    "stage",
    "root_path",
    "user",
    "response_octets",
)

_FLAG = (bool, str, NONE)
_FIELDS = (
    ("http", OBJECT),
    ("http.method", TEXT),
    ("http.path", TEXT),
    ("http.queryString", TEXT),
    ("http.headers", OBJECT, SCALARS),
    ("http.body", TEXT_OR_NONE),
    ("http.isBase64Encoded", _FLAG),
)
_OLD_NAMES = {
    "method": "__ow_method",
    "path": "__ow_path",
    "queryString": "__ow_query",
    "headers": "__ow_headers",
    "body": "__ow_body",
    "isBase64Encoded": "__ow_isBase64Encoded",
}
_OLD_FIELDS = (
    ("__ow_method", TEXT),
    ("__ow_path", TEXT),
    ("__ow_query", TEXT),
    ("__ow_headers", OBJECT, SCALARS),
    ("__ow_body", TEXT_OR_NONE),
    ("__ow_isBase64Encoded", _FLAG),
)


def matches(event: Any) -> bool:
    """Claim web events, raw or not, in either shape."""
    return isinstance(event, dict) and (is_web_event(event) or _is_old(event))


def _is_old(event: JSON) -> bool:
    return "__ow_method" in event and "__ow_isBase64Encoded" in event and not is_web_event(event)


def decode_event(event: JSON) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field, or the switch to set where the
            function is not raw.
    """
    return decode_into(event, Request)


def decode_into(event: JSON, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    is_old = False
    try:
        is_old = _is_old(event)
        web: JSON = (
            {name: event.get(old) for name, old in _OLD_NAMES.items()} if is_old else event["http"]
        )
        query = web.get("queryString")
        if query is None:
            name = "__ow_query" if is_old else "http.queryString"
            raise BadEventError(
                f"{name!r} is missing, since the function is not raw; make it so with `web: raw` "
                "in project.yml"
            )
        flag = web.get("isBase64Encoded")
        if not isinstance(flag, _FLAG):
            raise TypeError("the flag is none")
        headers = header_pairs(web["headers"])
        fields = {name.lower(): value for name, value in headers}
        body = decode_body(web.get("body"), flag is True or flag == "true")
        scheme = "http" if fields.get("x-forwarded-proto") == "http" else "https"
        return build(
            web["method"].upper(),
            request_path(web["path"]),
            query if query.isascii() else encode_query(query),
            deliverable(headers, fields, body, DROPPED),
            body,
            scheme,
            last_forwarded(scalar_text(fields.get("x-forwarded-for", ""))),
            address(fields.get("host"), None, scheme),
            "",
            "",
            scalar_text(fields.get("x-request-id", "")),
            None,
        )
    except WRONG as error:
        raise bad_event(event, _OLD_FIELDS if is_old else _FIELDS, error) from None


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that a raw function would receive."""
    headers = joined_headers(request)
    # The server keeps the length to itself.
    headers.pop("content-length", None)
    headers["x-forwarded-proto"] = request.scheme
    if request.client:
        headers["x-forwarded-for"] = request.client[0]
    if request.request_id:
        headers["x-request-id"] = request.request_id
    content_type = headers.get("content-type", "")
    is_base64 = bool(request.body) and not is_text(content_type)
    return {
        "http": {
            "body": encode_base64(request.body)
            if is_base64
            else request.body.decode("utf-8", "replace"),
            "headers": headers,
            "isBase64Encoded": is_base64,
            "method": request.method,
            "path": "" if request.path == "/" else encode_path_as_utf8(request.path),
            "queryString": encode_query(request.query),
        }
    }
