"""Alibaba Function Compute 2.0, HTTP triggers: functions called as WSGI applications.

Sources: https://help.aliyun.com/zh/functioncompute/fc-2-0/user-guide/http-handlers-1,
https://github.com/awesome-fc/fc-python-web, and environs that functions have logged

- The event is the environ of PEP 3333, the context ``start_response``; ``call_back`` answers as a
  WSGI application does. ``fc.context`` is the function's context, ``fc.request_uri`` the target of
  the request, percent-encoded with its query. The rest of the environ is the process's own, keys
  of the function's role included: the application gets a new one.
- Path: on the default domain ``fc.request_uri`` begins with
  ``/2016-08-15/proxy/{service}/{function}``, which is the root path, and ``PATH_INFO`` does not. On
  a custom domain both are the whole path. ``PATH_INFO`` itself, decoded, is read only where there
  is no ``fc.request_uri``.
- Query: ``QUERY_STRING``, as the client wrote it.
- Headers: from the environ, repeats joined with ``,``. A request without a type gets one from the
  runtime, application/octet-stream or, in older ones, text/plain. The keys of the function's role
  do not reach the application.
- Body: octets, from ``wsgi.input``. Client: ``REMOTE_ADDR``. Scheme: ``X-Forwarded-Proto``, for
  ``wsgi.url_scheme``, ``SERVER_NAME`` and ``SERVER_PORT`` are those of the runtime's own server.
  Request's id: the context's.
- Response: headers repeat as they are.
- Limits: 32 MB a request.
"""

from __future__ import annotations

from ..errors import BadEventError
from ..message import Request, Response
from ..percent import decode, decode_latin1, encode_path
from ._alibaba import CREDENTIALS
from ._environ import escape_octets, header_fields
from ._fields import (
    OBJECT,
    TEXT,
    TEXT_OR_NONE,
    WRONG,
    address,
    bad_event,
    deliverable,
    header_pairs,
    joined_headers,
    rooted_path,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
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
    "call",
    "call_back",
    "context_of",
    "decode_event",
    "decode_into",
    "decode_result",
    "encode_event",
    "encode_result",
    "matches",
    "result_bytes",
]

TITLE = "Alibaba Function Compute 2.0, HTTP trigger"
KEYS = "REQUEST_METHOD and fc.context or fc.request_uri"
REQUEST_LIMIT_BYTES = 32 * 1024 * 1024
RESULT_LIMIT_BYTES: int | None = None
LOSES = ("header_repeats", "port", "client_port", "stage", "base_path", "user")

_FIELDS = (
    ("REQUEST_METHOD", TEXT),
    ("fc.request_uri", TEXT_OR_NONE),
    ("PATH_INFO", TEXT_OR_NONE),
    ("SCRIPT_NAME", TEXT_OR_NONE),
    ("QUERY_STRING", TEXT_OR_NONE),
    ("REMOTE_ADDR", TEXT_OR_NONE),
    ("CONTENT_LENGTH", TEXT_OR_NONE),
    ("headers", OBJECT, TEXT),
)
_PROXY = "/2016-08-15/proxy/"
_DEFAULT_HOST = ".aliyuncs.com"


def matches(event: Any) -> bool:
    """Claim an environ that has the platform's keys."""
    return (
        isinstance(event, dict)
        and "REQUEST_METHOD" in event
        and ("fc.context" in event or "fc.request_uri" in event)
    )


def decode_event(event: JSON) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    return decode_into(event, Request)


def decode_into(event: JSON, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    headers: JSON = {}
    try:
        headers = header_fields(event)
        "".join(headers.values())  # raises where one is no text
        pairs = header_pairs(headers)
        fields = dict(pairs)
        scheme = "http" if fields.get("x-forwarded-proto") == "http" else "https"
        server = address(fields.get("host"), None, scheme)
        root_path, path, query = _target(event, server[0])
        source = event.get("REMOTE_ADDR") or ""
        method = event["REQUEST_METHOD"]
        "" + method + source  # raises where one is no text
        body = _body(event)
        return build(
            method.upper(),
            path,
            query,
            deliverable(pairs, fields, body, CREDENTIALS),
            body,
            scheme,
            (source, 0) if source else None,
            server,
            root_path,
            "",
            str(getattr(event.get("fc.context"), "request_id", None) or ""),
            None,
        )
    except WRONG as error:
        seen = event
        if isinstance(event, dict):
            # As fields are looked up: headers together, and what has a dot in its name nested.
            target = {"request_uri": event.get("fc.request_uri")}
            seen = {**event, "headers": headers, "fc": target}
        raise bad_event(seen, _FIELDS, error) from None


def _target(event: JSON, host: str) -> tuple[str, str, str]:
    """Split what was requested.

    Args:
        event: the environ.
        host: tells, where ``PATH_INFO`` begins as ``fc.request_uri`` does, whose prefix it is.

    Returns:
        (root path, decoded; path, percent-encoded; query).
    """
    target, info, query = (
        _text(event.get(name) or "") for name in ("fc.request_uri", "PATH_INFO", "QUERY_STRING")
    )
    if not target:
        root = _text(event.get("SCRIPT_NAME") or "").strip("/")
        return root and f"/{root}", rooted_path(encode_path(info)), escape_octets(query, "utf-8")
    path, _, own_query = escape_octets(target, "utf-8").partition("?")
    path = rooted_path(path)
    root = ""
    # On a custom domain the prefix is the client's invention.
    is_default = not info.startswith(_PROXY) or host.lower().endswith(_DEFAULT_HOST)
    if path.startswith(_PROXY) and is_default:
        root = "/".join(path.split("/")[:5]).rstrip("/")
        path = path[len(root) :] or "/"
    return decode(root).decode("utf-8", "replace"), path, escape_octets(query, "utf-8") or own_query


def _text(native: str) -> str:
    """Read text that may be octets as latin-1 characters (PEP 3333), or text after all."""
    try:
        return native.encode("latin-1").decode()
    except UnicodeError:
        return native


def _body(event: JSON) -> bytes:
    """Read no more than there is, for older runtimes' stream is a socket."""
    length = event.get("CONTENT_LENGTH") or "0"
    if not (len(length) < 16 and length.isascii() and length.isdigit()):
        raise BadEventError("'CONTENT_LENGTH' must be a decimal number")
    if int(length) == 0:
        return b""
    try:
        body = event["wsgi.input"].read(int(length))
    except Exception as error:
        raise BadEventError(f"'wsgi.input' cannot be read: {type(error).__name__}") from error
    if not isinstance(body, bytes):
        raise BadEventError(f"'wsgi.input' must give bytes, got {type(body).__name__}")
    return body


def annotate(environ: JSON, event: JSON, context: object) -> None:
    """Add the event, the function's context and the platform's keys as they were."""
    environ["serverless.event"] = event
    environ["serverless.context"] = event.get("fc.context")
    environ["serverless.authorizer"] = None
    for key in ("fc.context", "fc.request_uri"):
        if key in event:
            environ[key] = event[key]


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write what ``start_response`` and the server take; the body stays octets."""
    return {
        "status": response.status,
        "headers": [(name, value) for name, value in response.headers],
        "body": response.body,
    }


def context_of(event: JSON) -> Any:
    """Give the function's context, which comes inside of the event."""
    return event.get("fc.context")


def call_back(result: JSON, start_response: Callable[..., Any]) -> list[bytes]:
    """Answer as a WSGI application does.

    Raises:
        BadEventError: what the platform passes beside the environ is no function.
    """
    from http import HTTPStatus

    if not callable(start_response):
        raise BadEventError(
            f"the context must be start_response, got {type(start_response).__name__}"
        )
    try:
        reason = HTTPStatus(result["status"]).phrase
    except ValueError:
        reason = "Unknown"
    start_response(f"{result['status']} {reason}", result["headers"])
    return [result["body"]]


def call(function: Callable[..., Any], event: JSON, context: Any) -> JSON:
    """Call a function as the platform's server does, and collect what it answers."""
    started: JSON = {}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        started.update(status=int(status[:3]), headers=headers)

    chunks = function({**event, "fc.context": context}, start_response)
    return {"body": b"".join(chunks), **started}


def result_bytes(result: JSON) -> int:
    """Measure a result's body."""
    return len(result["body"])


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the environ that the platform would pass, from a custom domain or the default one."""
    import sys
    from io import BytesIO
    from types import SimpleNamespace

    target = encode_path(request.root_path) + request.path
    environ: JSON = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": decode_latin1(request.path),
        "QUERY_STRING": request.query,
        "REMOTE_ADDR": request.client[0] if request.client else "",
        "SERVER_NAME": "FCRUNTIME",
        "SERVER_PORT": "9000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "fc.context": SimpleNamespace(request_id=request.request_id),
        "fc.request_uri": f"{target}?{request.query}" if request.query else target,
    }
    headers = joined_headers(request)
    headers["x-forwarded-proto"] = request.scheme
    headers["content-length"] = str(len(request.body))
    for name, value in headers.items():
        key = name.replace("-", "_").upper()
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive; a malformed one is a 502."""
    try:
        headers = [(name + "", value + "") for name, value in result["headers"]]
        return Response(int(result["status"]), headers, result["body"] + b"")
    except (TypeError, ValueError, KeyError):
        return Response(502)
