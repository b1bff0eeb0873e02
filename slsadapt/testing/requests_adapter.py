"""Let requests ask a function through a gateway.

>>> session = requests.Session()
>>> session.mount("https://shop", GatewayAdapter(app, "aws_rest"))
>>> session.get("https://shop/orders").json()
"""

from __future__ import annotations

from email.message import Message
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse
from werkzeug.http import HTTP_STATUS_CODES

from ..message import Request
from ..percent import encode_stray
from .gateway import Gateway

if TYPE_CHECKING:
    import requests

__all__ = ["GatewayAdapter"]


class GatewayAdapter(HTTPAdapter):
    """Carry the requests of a ``requests.Session`` through one cloud's gateway to a function.

    A response's ``raw.delivery`` has the event and the result.

    Args:
        target: an application, a function of (event, context), or an import string of either.
        dialect: whose gateway it is, one of ``slsadapt.gateways.NAMES``.
        options: of ``Gateway``, and those of ``wrap`` for an application.
    """

    def __init__(self, target: Any, dialect: str = "aws_http", **options: Any) -> None:
        super().__init__()
        self.gateway = Gateway(target, dialect, **options)

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Answer as requests asks its adapters to; time limits and certificates do not count."""
        url = urlsplit(request.url or "")
        body = request.body or b""
        if hasattr(body, "read"):
            body = body.read()
        elif not isinstance(body, (bytes, str)):
            body = b"".join(body)
        headers = [(name, _text(value)) for name, value in request.headers.items()]
        if "host" not in request.headers:
            headers.insert(0, ("host", url.netloc.rpartition("@")[2]))
        delivery = self.gateway.deliver(
            Request(
                (request.method or "GET").upper(),
                url.path or "/",
                encode_stray(url.query),
                headers,
                body.encode() if isinstance(body, str) else body,
                url.scheme,
                ("127.0.0.1", 0),
                (url.hostname or "", url.port or (443 if url.scheme == "https" else 80)),
            )
        )
        response = delivery.response
        assert response is not None, "a request is always answered"
        # From this, as http.client leaves it, requests reads the cookies.
        message = Message()
        for name, value in response.headers:
            message[name] = value
        original: Any = SimpleNamespace(msg=message, isclosed=lambda: True, close=lambda: None)
        raw = HTTPResponse(
            BytesIO(response.body),
            HTTPHeaderDict(response.headers),
            response.status,
            reason=HTTP_STATUS_CODES.get(response.status),
            preload_content=False,
            original_response=original,
            request_method=request.method,
        )
        raw.delivery = delivery  # type: ignore[attr-defined]
        return self.build_response(request, raw)

    def close(self) -> None:
        """Stop the function as the platform does."""
        self.gateway.close()
        super().close()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
