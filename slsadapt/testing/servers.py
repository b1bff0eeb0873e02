"""Send requests to a running server, as their client did.

``http.client`` leaves path, query and headers as they are, where other clients normalise, join
and add.
"""

from __future__ import annotations

from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import OptionError
from ..message import Response
from .compare import OF_CONNECTION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from urllib.parse import SplitResult

    from ..message import Request

__all__ = ["connect", "read_url", "relative_to", "send"]

_TIMEOUT_S = 30.0


def read_url(url: str) -> SplitResult:
    """Split the URL of a server, below which all paths are.

    Raises:
        OptionError: it is none.
    """
    try:
        parts = urlsplit(url)
        is_server = parts.scheme in ("http", "https") and bool(parts.hostname)
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError:
        is_server = False
    if not is_server or "@" in parts.netloc or parts.query or parts.fragment or not url.isascii():
        raise OptionError(
            f"a server's URL is http:// or https://, a host and perhaps a path, got {url!r}"
        )
    return parts


def connect(url: str) -> HTTPConnection:
    """Connect to a server.

    Raises:
        OptionError: ``url`` is none of a server.
        OSError: it cannot be reached.
    """
    parts = read_url(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    connection.connect()
    return connection


def send(connection: HTTPConnection, request: Request, url: str) -> Response:
    """Send a request and receive what is answered; redirects are not followed.

    The path goes below that of the URL, in the place of what the gateway had in front of it.

    Raises:
        OSError: the connection broke.
        HTTPException: the answer is no HTTP, or the request would not be.
    """
    parts = read_url(url)
    target = parts.path.rstrip("/") + request.path
    if request.query:
        target += f"?{request.query}"
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    # Gateways and servers choose the site by its name, so it must be this one's.
    connection.putheader("Host", parts.netloc)
    for name, value in request.headers:
        if name != "host" and name not in OF_CONNECTION:
            connection.putheader(name, value.encode("latin-1"))
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", str(len(request.body)))
    connection.endheaders(request.body or None)
    answer = connection.getresponse()
    body = answer.read()
    return Response(answer.status, answer.getheaders(), body)


def relative_to(response: Response, bases: Sequence[str]) -> Response:
    """Write where a response leads to without what is in front of the application there.

    Args:
        response: its ``Location`` and ``Content-Location`` are changed.
        bases: URLs and paths, without ``/`` at the end, the longer ones first.
    """
    headers = [
        (name, _below(value, bases) if name.lower() in ("location", "content-location") else value)
        for name, value in response.headers
    ]
    return response.replace(headers=headers)


def _below(location: str, bases: Sequence[str]) -> str:
    for base in bases:
        if f"{location}/".startswith(f"{base}/"):
            return location[len(base) :] or "/"
    return location
