"""Apache OpenWhisk web actions, raw.

Sources: https://github.com/apache/openwhisk/blob/master/docs/webactions.md,
https://github.com/apache/openwhisk/blob/master/core/controller/src/main/scala/org/apache/openwhisk/core/controller/WebActions.scala

- Only a raw action gets the request as it is; any other has query and body mixed into the
  event's top level, where no request can be told from parameters, and is refused.
- Path: what follows the action's name in the URL, percent-encoded, ``""`` where nothing does.
  Octets that are not UTF-8 arrive as U+FFFD. What precedes it is not told.
- Query: ``__ow_query``, written anew from its decoded pairs: order, repeats and bare keys stay,
  the spelling of escapes and octets that are not UTF-8 do not.
- Headers: one string a name, lower-case, the last of several. ``Host`` names a machine inside
  the platform. ``Content-Length`` does not come.
- Body: base64, without a flag, if the type is binary or ``application/json``; "for legacy", as
  the source has it of JSON, so JSON that is no base64 is text. Octets of a text type that are
  not UTF-8 arrive as U+FFFD.
- ``__ow_user`` is the caller's namespace where the action asks for authentication;
  ``x-request-id`` is set by the platform. Nothing tells client or scheme: the edge router
  redirects http, and passes on the ``X-Forwarded-For`` that a client wrote.
- The action's name, the activation's id and the deadline stand in environment variables.
- ``X-Require-Whisk-Auth``, the action's password, is dropped, and so is ``Accept-Encoding``.
- Response: a header that repeats is a list. The type alone decides: a binary one's body is base64,
  a text is announced as UTF-8, whatever charset the application names, and what is not UTF-8 in
  it becomes U+FFFD. JSON that looks like base64 (``true``, ``1234``) would be decoded, so it is
  sent as base64. Without a type a text is ``text/html``. An empty body loses its type, and is a
  204 unless there is a status. A malformed result is a 400.
- Limits: 1 MB each way, 60 s unless the action sets up to 5 minutes; the methods GET, HEAD,
  POST, PUT, PATCH, DELETE and OPTIONS, of which the last needs the annotation
  ``web-custom-options``.
"""

from __future__ import annotations

from ..errors import BadEventError
from ..message import Request
from ._fields import (
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
    essence,
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

TITLE = "Apache OpenWhisk web action, raw"
KEYS = "__ow_method, no __ow_isBase64Encoded and no http.method"
LOSES = (
    "path_octets",
    "query_escapes",
    "header_last",
    "binary_body",
    "scheme",
    "port",
    "client",
    "stage",
    "root_path",
    "response_octets",
)

_FIELDS = (
    ("__ow_method", TEXT),
    ("__ow_path", TEXT),
    ("__ow_query", TEXT),
    ("__ow_headers", OBJECT, SCALARS),
    ("__ow_body", TEXT_OR_NONE),
    ("__ow_user", TEXT_OR_NONE),
)


def matches(event: Any) -> bool:
    """Claim web actions, raw or not, but DigitalOcean's, which have a flag or a web event."""
    return (
        isinstance(event, dict)
        and "__ow_method" in event
        and "__ow_isBase64Encoded" not in event
        and not is_web_event(event)
    )


def decode_event(event: JSON) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field, or the switch to set where the
            action is not raw.
    """
    return decode_into(event, Request)


def decode_into(event: JSON, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    try:
        if "__ow_query" not in event and "__ow_method" in event:
            raise BadEventError(
                "'__ow_query' is missing, since the action is not raw; make it so with "
                "`wsk action update NAME --web raw` (DigitalOcean: `web: raw` in project.yml)"
            )
        query = event["__ow_query"]
        headers = header_pairs(event["__ow_headers"])
        fields = {name.lower(): value for name, value in headers}
        content_type = fields.get("content-type", "")
        body = decode_body(
            event.get("__ow_body"),
            essence(content_type) == "application/json" or not is_text(content_type),
        )
        user = event.get("__ow_user")
        user is None or user + ""  # raises where it is no text
        return build(
            event["__ow_method"].upper(),
            request_path(event["__ow_path"]),
            query if query.isascii() else encode_query(query),
            deliverable(headers, fields, body, DROPPED),
            body,
            "https",
            None,
            address(fields.get("host"), None, "https"),
            "",
            "",
            scalar_text(fields.get("x-request-id", "")),
            user,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that a raw action would receive."""
    joined = joined_headers(request)
    headers = {**joined, **dict(request.headers)}
    if "cookie" in joined:
        headers["cookie"] = joined["cookie"]
    # The server keeps the length to itself.
    headers.pop("content-length", None)
    if request.request_id:
        headers["x-request-id"] = request.request_id
    content_type = headers.get("content-type", "")
    is_plain = is_text(content_type) and essence(content_type) != "application/json"
    event: JSON = {
        "__ow_method": request.method.lower(),
        "__ow_query": encode_query(request.query),
        "__ow_body": request.body.decode("utf-8", "replace")
        if is_plain
        else encode_base64(request.body),
        "__ow_headers": headers,
        "__ow_path": "" if request.path == "/" else encode_path_as_utf8(request.path),
    }
    if request.user:
        event["__ow_user"] = request.user
    return event
