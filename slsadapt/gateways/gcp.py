"""Google Cloud Functions: a ``flask.Request`` in, what Flask makes a response of out.

Sources: https://github.com/GoogleCloudPlatform/functions-framework-python,
https://cloud.google.com/functions/docs/reference/headers,
https://cloud.google.com/functions/quotas

- Path: as the client sent it, from the server's ``RAW_URI`` or ``REQUEST_URI``; where there is
  neither, ``PATH_INFO`` encoded again. The function's name, which the URL has in front of it on
  ``cloudfunctions.net``, is not told.
- Query: as the client wrote it.
- Headers: from the environ, repeats joined with commas. The framework itself answers
  ``/robots.txt`` and ``/favicon.ico`` with 404.
- Body: octets.
- Client: the last entry of ``x-forwarded-for``, which Google's front end appends (behind a load
  balancer of one's own, that one's address); the server's peer where there is none, on one's own
  machine. ``x-forwarded-proto`` tells the scheme, for the server behind the front end speaks
  http. ``function-execution-id``, or else the trace of ``x-cloud-trace-context``, is the id.
- Nothing tells the caller whom IAM let pass: the token's signature is removed from
  ``Authorization``.
- Response: a ``werkzeug.Response``, so that repeated headers stay. What Flask makes no response
  of is the framework's 500.
- The framework wants a plain function: ``def main(request): return handler(request)``.
- Limits: 32 MB each way, 10 MB in the first generation.
"""

from __future__ import annotations

from ..errors import BadEventError
from ..message import Request, Response
from ..percent import decode_latin1, encode_path
from ._environ import escape_octets, header_fields
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
    last_forwarded,
    rooted_path,
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

TITLE = "Google Cloud Functions"
KEYS = "a flask.Request"
REQUEST_LIMIT_BYTES = RESULT_LIMIT_BYTES = 32 * 1024 * 1024
LOSES = (
    "header_repeats",
    "port",
    "client_port",
    "stage",
    "root_path",
    "user",
)

_FIELDS = (
    ("environ", OBJECT),
    ("environ.REQUEST_METHOD", TEXT),
    ("environ.PATH_INFO", TEXT_OR_NONE),
    ("environ.QUERY_STRING", TEXT_OR_NONE),
    ("environ.RAW_URI", TEXT_OR_NONE),
    ("environ.REQUEST_URI", TEXT_OR_NONE),
    ("environ.REMOTE_ADDR", TEXT_OR_NONE),
    ("headers", OBJECT, SCALARS),
)


def matches(event: object) -> bool:
    """Claim Flask's request, which derives from Werkzeug's, and Werkzeug's own."""
    return any(
        base.__name__ == "Request" and str(base.__module__).startswith("werkzeug.wrappers")
        for base in type(event).__mro__
    )


def decode_event(event: Any) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    return decode_into(event, Request)


def decode_into(event: Any, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    headers: JSON = {}
    try:
        environ = event.environ
        headers = header_fields(environ)
        pairs = header_pairs(headers)
        fields = dict(pairs)
        scheme = fields.get("x-forwarded-proto") or environ.get("wsgi.url_scheme")
        scheme = "http" if scheme == "http" else "https"
        client = last_forwarded(fields.get("x-forwarded-for", ""))
        if client is None and (peer := environ.get("REMOTE_ADDR")):
            client = "" + peer, 0
        trace = fields.get("x-cloud-trace-context", "").partition("/")[0]
        query = environ.get("QUERY_STRING") or ""
        environ["REQUEST_METHOD"] + query  # raises where one is no text
        body = _body(event)
        return build(
            environ["REQUEST_METHOD"].upper(),
            _path(environ),
            escape_octets(query, "latin-1"),
            deliverable(pairs, fields, body),
            body,
            scheme,
            client,
            address(fields.get("host"), None, scheme),
            "",
            "",
            fields.get("function-execution-id") or trace,
            None,
        )
    except WRONG as error:
        seen = {"environ": getattr(event, "environ", None), "headers": headers}
        raise bad_event(seen, _FIELDS, error) from None


def _path(environ: JSON) -> str:
    """Find the path as the client encoded it."""
    path: str = (environ.get("RAW_URI") or environ.get("REQUEST_URI") or "").partition("?")[0]
    if "://" in path and not path.startswith("/"):
        # A proxy's request names the whole URL (RFC 9112 3.2.2).
        path = "/" + path.partition("://")[2].partition("/")[2]
    if path.startswith("/"):
        return escape_octets(path, "latin-1")
    octets: bytes = (environ.get("PATH_INFO") or "/").encode("latin-1", "replace")
    return rooted_path(encode_path(octets.decode("utf-8", "replace")))


def _body(event: Any) -> bytes:
    try:
        body: bytes = event.get_data()
    except Exception as error:
        # Werkzeug's own exceptions are HTTP responses: the stream broke off, or is too long.
        raise BadEventError(f"the body cannot be read: {type(error).__name__}") from error
    return body


def encode_result(response: Response, event: Any, text_mime_types: tuple[str, ...] = ()) -> Any:
    """Make the ``werkzeug.Response``; its body is octets, so no type makes a text."""
    from werkzeug.datastructures import Headers
    from werkzeug.wrappers import Response as HttpResponse

    # A list, for of plain octets Werkzeug would write the length, which a HEAD's is not.
    result = HttpResponse([response.body], response.status)
    # Without the type that Werkzeug adds.
    result.headers = Headers([*response.headers])
    return result


def result_bytes(result: Any) -> int:
    """Measure a result's body."""
    return len(result.get_data())


def encode_event(request: Request, *, received_ms: int = 0) -> Any:
    """Make the ``flask.Request`` that the framework's server would."""
    import sys
    from io import BytesIO

    import flask

    target = request.path + (f"?{request.query}" if request.query else "")
    environ: JSON = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": decode_latin1(request.path),
        "QUERY_STRING": request.query,
        "RAW_URI": target,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    headers = joined_headers(request)
    if request.body:
        headers["content-length"] = str(len(request.body))
    headers["x-forwarded-proto"] = request.scheme
    if request.client:
        headers["x-forwarded-for"] = request.client[0]
    if request.request_id:
        headers["function-execution-id"] = request.request_id
    for name, value in headers.items():
        key = name.replace("-", "_").upper()
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return flask.Request(environ)


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive, of anything that Flask takes."""
    from werkzeug.wrappers import Response as HttpResponse

    if not isinstance(result, HttpResponse):
        import flask

        app = flask.Flask("slsadapt")
        try:
            with app.test_request_context():
                result = app.make_response(result)
        except TypeError as error:
            return Response(500, (("X-Google-Status", "crash"),), str(error).encode())
    return Response(result.status_code, list(result.headers.items()), result.get_data())
