"""Azure Functions, HTTP triggers: ``azure.functions.HttpRequest`` in, ``HttpResponse`` out.

Sources: https://learn.microsoft.com/en-us/azure/azure-functions/functions-reference-python,
https://github.com/Azure/azure-functions-python-library (http.py, _http_wsgi.py),
https://github.com/Azure/azure-functions-python-worker (datumdef.py),
https://github.com/Azure/azure-functions-host (GrpcMessageConversionExtensions.cs,
RawScriptResult.cs)

- Path: in ``url``, percent-encoded by the host from a decoded path: ``%2F`` arrives as ``/``, and
  ``%2541`` as ``%41``.
- Route prefix: with a function of the route ``{*route}``, as ``AsgiFunctionApp`` and the vendor's
  samples name it, ``route_params["route"]`` is the application's path and what precedes it in the
  URL (``/api``) is the root path. An empty rest is not told: ``/api`` alone is taken for the
  default prefix, and ``base_path`` names any other. Without ``route`` the path is the URL's.
- Query: in ``url``, as the client wrote it; ``params`` is not read.
- Headers: lower-case, repeats joined with commas.
- Body: octets; a request without Content-Length arrives without its body.
- Client: the last entry of ``x-forwarded-for``, which the front end appends, with its port.
  ``url`` tells scheme and server, ``x-arr-log-id`` is the front end's id of the request, and the
  context has the invocation's.
- ``X-Functions-Key``, which the host has checked, is dropped.
- Response: one value a header, so repeats are joined. The worker takes ``Set-Cookie`` apart: each
  cookie goes through ``http.cookies`` and the host's own type, and comes back with Domain, Path,
  Expires, Max-Age, Secure, HttpOnly and SameSite. Any other attribute would lose the whole cookie
  (``Partitioned``, before Python 3.14) or become one itself (``Priority=High``), so others are
  left out; a value that ``http.cookies`` does not read, such as JSON, still loses the cookie. The
  host percent-encodes a cookie's value and writes an empty ``domain=``, which browsers refuse
  beside a ``__Host-`` name. Without a type a response is ``text/plain``. What is neither
  ``HttpResponse`` nor text is a 500.
- Unlike the library's middleware, a response of 500 or text in ``wsgi.errors`` raises nothing.
- Limits: 100 MB a request, 230 s; none is documented for responses.
"""

from __future__ import annotations

from ..message import Request, Response
from ..percent import decode, encode_path, encode_stray
from . import _result
from ._fields import (
    NONE,
    OBJECT,
    OBJECT_OR_NONE,
    SCALARS,
    TEXT,
    WRONG,
    address,
    bad_event,
    deliverable,
    group_headers,
    header_pairs,
    host_of,
    joined_headers,
    last_forwarded,
    rooted_path,
    scalar_text,
)
from ._query import decode_lists

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

TITLE = "Azure Functions"
KEYS = "an azure.functions.HttpRequest"
REQUEST_LIMIT_BYTES = 104_857_600
RESULT_LIMIT_BYTES: int | None = None
LOSES = (
    "path_escapes",
    "header_repeats",
    "port",
    "stage",
    "user",
    "response_repeats",
)

_FIELDS = (
    ("method", TEXT),
    ("url", TEXT),
    ("headers", OBJECT, SCALARS),
    ("route_params", OBJECT_OR_NONE, TEXT),
    ("body", (bytes, NONE)),
)
_DROPPED = ("x-functions-key",)
_DEFAULT_PREFIX = "/api"
_COOKIE_ATTRIBUTES = {"domain", "path", "expires", "max-age", "secure", "httponly", "samesite"}
# What the library's middleware puts into environ and scope, of its context.
_CONTEXT = (
    "function_directory",
    "function_name",
    "invocation_id",
    "thread_local_storage",
    "trace_context",
    "retry_context",
)


def matches(event: object) -> bool:
    """Claim the library's request and what derives from it."""
    return any(
        base.__name__ == "HttpRequest" and str(base.__module__).startswith("azure.functions")
        for base in type(event).__mro__
    )


def annotate(environ: JSON, event: Any, context: object) -> None:
    """Add event and context, also under the names of the library's middleware."""
    _result.annotate(environ, event, context)
    for name in _CONTEXT:
        environ[f"azure_functions.{name}"] = getattr(context, name, None)


def decode_event(event: Any) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    return decode_into(event, Request)


def decode_into(event: Any, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    try:
        scheme, host, path, query = _split(event.url)
        root_path, path = _mount(path, event.route_params or {})
        headers = header_pairs(dict(event.headers))
        fields = {name.lower(): value for name, value in headers}
        body = event.get_body() or b""
        if not isinstance(body, bytes):
            raise TypeError("no octets")
        return build(
            event.method.upper(),
            rooted_path(path),
            query,
            deliverable(headers, fields, body, _DROPPED),
            body,
            scheme,
            last_forwarded(scalar_text(fields.get("x-forwarded-for", ""))),
            address(host or fields.get("host"), None, scheme),
            root_path,
            "",
            scalar_text(fields.get("x-arr-log-id", "")),
            None,
        )
    except WRONG as error:
        raise bad_event(_fields(event), _FIELDS, error) from None


def _fields(event: Any) -> JSON:
    """Write down what was read of a request, for a message that names the wrong field."""
    fields: JSON = {name: getattr(event, name, None) for name, *_ in _FIELDS[:-1]}
    for name in ("headers", "route_params"):
        if hasattr(fields[name], "items"):
            fields[name] = dict(fields[name])
    fields["body"] = event.get_body() if hasattr(event, "get_body") else "none"
    return fields


def _split(url: str) -> tuple[str, str, str, str]:
    """Split a URL into scheme, host with port, path and query; tests give the path alone."""
    whole, _, query = url.partition("#")[0].partition("?")
    scheme, host, path = "https", "", whole
    if "://" in whole and not whole.startswith("/"):
        scheme, _, rest = whole.partition("://")
        host, slash, path = rest.partition("/")
        path = slash + path
    if not (path.isascii() and query.isascii()):
        path, query = encode_stray(path), encode_stray(query)
    return "http" if scheme.lower() == "http" else "https", host, path, query


def _mount(path: str, route_params: JSON) -> tuple[str, str]:
    """Split the URL's path at the rest that a function with the route ``{*route}`` is given.

    Returns:
        (root path, path), the first decoded.
    """
    route = route_params.get("route")
    if route is None:
        if path.rstrip("/") == _DEFAULT_PREFIX:
            return _DEFAULT_PREFIX, path[len(_DEFAULT_PREFIX) :]
        return "", path
    if path.endswith("/") and not route.endswith("/"):
        route += "/"
    root = path.rsplit("/", route.count("/") + 1)[0]
    # The host leaves escapes in a route that it could not resolve.
    if decode(path[len(root) + 1 :]) in (route.encode("utf-8", "surrogatepass"), decode(route)):
        return decode(root).decode("utf-8", "replace"), path[len(root) :]
    return "", path


def encode_result(response: Response, event: Any, text_mime_types: tuple[str, ...] = ()) -> Any:
    """Make the ``azure.functions.HttpResponse``; its body is octets, so no type makes a text."""
    from azure.functions import HttpResponse

    result = HttpResponse(response.body, status_code=response.status)
    for name, values in group_headers(response.headers).items():
        if name.lower() == "set-cookie":
            for value in values:
                result.headers.add(name, _known_cookie(value))
        else:
            result.headers.add(name, ", ".join(values))
    return result


def _known_cookie(cookie: str) -> str:
    """Leave out the attributes that the worker takes for faults or for further cookies."""
    pair, *attributes = cookie.split(";")
    known = [each for each in attributes if _attribute(each) in _COOKIE_ATTRIBUTES]
    return ";".join([pair, *known])


def _attribute(text: str) -> str:
    return text.partition("=")[0].strip().lower()


def result_bytes(result: Any) -> int:
    """Measure a result's body."""
    return len(result.get_body())


def encode_event(request: Request, *, received_ms: int = 0) -> Any:
    """Make the ``azure.functions.HttpRequest`` of a function with the route ``{*route}``."""
    from azure.functions import HttpRequest

    headers = joined_headers(request)
    headers["x-forwarded-proto"] = request.scheme
    if request.client:
        name, port = host_of(request.client), request.client[1]
        headers["x-forwarded-for"] = f"{name}:{port}" if port else request.client[0]
    if request.request_id:
        headers["x-arr-log-id"] = request.request_id
    path = decode(request.path).decode("utf-8", "replace")
    url = f"{request.scheme}://{headers['host']}{encode_path(request.root_path + path)}"
    return HttpRequest(
        request.method,
        f"{url}?{request.query}" if request.query else url,
        headers=headers,
        params={key: ",".join(values) for key, values in decode_lists(request.query).items()},
        route_params={"route": path[1:]} if path != "/" else {},
        body=request.body,
    )


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive, but for what happens to cookies."""
    from azure.functions import HttpResponse

    if isinstance(result, str):
        result = HttpResponse(result)
    if not isinstance(result, HttpResponse):
        return Response(500)
    headers = list(result.headers.items())
    if "content-type" not in result.headers:
        charset = f"; charset={result.charset}" if result.mimetype.startswith("text/") else ""
        headers.append(("content-type", f"{result.mimetype}{charset}"))
    return Response(result.status_code, headers, result.get_body())
