"""What OpenWhisk and DigitalOcean, which runs it, share: content types, requests, results.

Sources: https://github.com/apache/openwhisk/blob/master/core/controller/src/main/scala/org/apache/openwhisk/core/controller/WebActions.scala,
https://github.com/apache/pekko-http/blob/main/http-core/src/main/scala/org/apache/pekko/http/scaladsl/model/MediaType.scala
"""

from __future__ import annotations

from binascii import b2a_base64

from ..message import Response
from ..percent import decode, encode_component, encode_path, encode_stray
from ._body import decode_base64
from ._fields import group_headers, scalar_text
from ._query import split
from ._result import read_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    JSON = dict[str, Any]

__all__ = [
    "DROPPED",
    "REQUEST_LIMIT_BYTES",
    "RESULT_LIMIT_BYTES",
    "decode_body",
    "decode_result",
    "encode_base64",
    "encode_path_as_utf8",
    "encode_query",
    "encode_result",
    "essence",
    "is_text",
    "is_web_event",
    "request_path",
    "result_bytes",
]

# 1 MB each way, as JSON.
REQUEST_LIMIT_BYTES = RESULT_LIMIT_BYTES = 1_048_576

# What no application needs to see: the platform's own password for the action, which it has
# checked, and an invitation to compress, since compressed text could not be answered.
DROPPED = ("x-require-whisk-auth", "accept-encoding")

# All that the server's table of types holds as text. Of a type that it does not know, a charset
# makes a text, and anything else is binary.
_TEXT_TYPES = frozenset(
    """
    application/atom+xml application/base64 application/javascript application/json
    application/json-patch+json application/merge-patch+json application/problem+json
    application/problem+xml application/rss+xml application/soap+xml application/vnd.api+json
    application/vnd.google-earth.kml+xml application/x-latex application/x-vrml
    application/x-www-form-urlencoded application/xhtml+xml application/xml application/xml-dtd
    text/asp text/cache-manifest text/calendar text/css text/csv text/event-stream text/html
    text/markdown text/mcf text/plain text/richtext text/tab-separated-values text/uri-list
    text/vnd.wap.wml text/vnd.wap.wmlscript text/x-asm text/x-c text/x-component text/x-h
    text/x-java-source text/x-pascal text/x-script text/x-scriptcsh text/x-scriptelisp
    text/x-scriptksh text/x-scriptlisp text/x-scriptperl text/x-scriptperl-module
    text/x-scriptphyton text/x-scriptrexx text/x-scriptscheme text/x-scriptsh text/x-scripttcl
    text/x-scripttcsh text/x-scriptzsh text/x-server-parsed-html text/x-setext text/x-sgml
    text/x-speech text/x-uuencode text/x-vcalendar text/x-vcard text/xml
    """.split()  # noqa: SIM905 - quoting sixty names would bury them
)
# Java's String.trim takes off all up to the space.
_BLANKS = "".join(map(chr, range(33)))
_JSON = (("Content-Type", "application/json"),)
_MALFORMED = Response(400, _JSON, b'{"error": "Response is not valid \'message/http\'."}')
_MISMATCHED = Response(
    400,
    _JSON,
    b'{"error": "Response type in header did not match generated content type."}',
)


def is_web_event(event: JSON) -> bool:
    """Tell DigitalOcean's own shape of a request, beside which it may keep OpenWhisk's."""
    web = event.get("http")
    return isinstance(web, dict) and "method" in web and "headers" in web


def essence(content_type: str) -> str:
    """Give a type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def is_text(content_type: str) -> bool:
    """Tell whether the server takes a body of this type for text rather than base64."""
    kind = essence(content_type)
    return kind in _TEXT_TYPES or (
        "charset=" in content_type.lower() and kind.startswith(("text/", "application/"))
    )


def _is_json(content_type: str) -> bool:
    kind = essence(content_type)
    return kind == "application/json" or kind.endswith("+json")


def _looks_base64(text: str) -> bool:
    """Tell whether the server takes a JSON text, such as ``true`` or ``1234``, for base64."""
    trimmed = text.strip(_BLANKS)
    return bool(trimmed) and decode_base64(trimmed) is not None


def decode_body(body: object, is_base64: bool) -> bytes:
    """Read a request's body; what should be base64 and is not, is text.

    Raises:
        AttributeError: not a str.
    """
    text: Any = "" if body is None else body
    octets = decode_base64(text) if is_base64 and isinstance(text, str) else None
    if octets is not None:
        return octets
    encoded: bytes = text.encode("utf-8", "surrogatepass")
    return encoded


def request_path(path: str) -> str:
    """Give the rest of the URL after the action's name its leading slash."""
    path = path if path.isascii() else encode_stray(path)
    return path if path.startswith("/") else f"/{path}"


def encode_base64(body: bytes) -> str:
    """Write octets as base64 in one line."""
    return b2a_base64(body, newline=False).decode("ascii")


def encode_path_as_utf8(path: str) -> str:
    """Replace by U+FFFD the octets of an encoded path that are not UTF-8, as the server does."""
    import re

    def replace(escapes: re.Match[str]) -> str:
        text = decode(escapes[0]).decode("utf-8", "replace")
        return encode_path(text).replace("/", "%2F") if "\ufffd" in text else escapes[0]

    return re.sub("(?:%[0-9A-Fa-f]{2})+", replace, path)


def encode_query(query: str) -> str:
    """Write a query anew from its decoded pairs, as the server does."""
    return "&".join(
        [
            encode_component(key) + ("" if value is None else f"={encode_component(value)}")
            for key, value in split(query)
        ]
    )


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a result of ``statusCode``, ``headers`` and ``body``; repeats become lists.

    The server's table of types alone decides what is text, so ``text_mime_types`` has no say.
    """
    headers: JSON = {}
    type_name, content_type = "Content-Type", ""
    for name, values in group_headers(response.headers).items():
        headers[name] = values[0] if len(values) == 1 else values
        if name.lower() == "content-type":
            type_name, content_type = name, values[0]
    body, kind = _encode_body(response.body, content_type)
    if kind != content_type:
        headers[type_name] = kind
    # Without it, an empty body would be a 204.
    return {"statusCode": response.status, "headers": headers, "body": body}


def _encode_body(body: bytes, content_type: str) -> tuple[str, str]:
    """Write a body in the way that the server will read it.

    Returns:
        (text or base64, the type to announce).
    """
    if not body:
        return "", content_type
    content_type = _settled(content_type)
    if is_text(content_type) and not _is_json(content_type):
        return body.decode("utf-8", "replace"), content_type
    if is_text(content_type) or not content_type:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            pass
        else:
            if not (content_type and _looks_base64(text)):
                return text, content_type
    return encode_base64(body), content_type or "application/octet-stream"


def _settled(content_type: str) -> str:
    """Take off a charset that makes a text of the type only if the table does not know it."""
    kind = essence(content_type)
    if kind in _TEXT_TYPES or kind.startswith("text/") or kind.endswith(("+json", "+xml")):
        return content_type
    parts = content_type.split(";")
    return ";".join([part for part in parts if not part.strip().lower().startswith("charset=")])


def result_bytes(result: JSON) -> int:
    """Measure a result as the runtime writes it, in UTF-8."""
    import json

    return len(json.dumps(result, ensure_ascii=False).encode())


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive; a malformed result is the server's 400."""
    if isinstance(result, dict) and "error" in result:
        # An application error: what it holds is the answer.
        result = result["error"]
    try:
        headers = result.get("headers") or {}
        body = result.get("body")
        status = result.get("statusCode", 204 if body in (None, "") else 200)
        types = [value for name, value in headers.items() if name.lower() == "content-type"]
        first = types[0] if types else ""
        content_type = scalar_text((*first, "")[0] if isinstance(first, list) else first)
        is_json, is_base64 = _is_json(content_type), False
        if isinstance(body, str):
            is_base64 = bool(content_type) and not is_text(content_type)
            is_base64 = is_base64 or (is_json and _looks_base64(body))
        elif body is not None:
            import json

            if content_type and not is_json:
                return _MISMATCHED
            body = json.dumps(body, ensure_ascii=False)
            headers = headers if content_type else {**headers, "Content-Type": "application/json"}
    except (AttributeError, TypeError):
        return _MALFORMED
    if isinstance(status, bool):
        return _MALFORMED
    if is_base64 and decode_base64(body) is None:
        return _MISMATCHED
    read = {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": is_base64}
    return read_result(read, lists=True) or _MALFORMED
