"""Let HTTP clients ask a function through a gateway: httpx, without and with await.

>>> client = httpx.Client(transport=GatewayTransport(app, "aws_rest"), base_url="https://shop")
>>> client.get("/orders").json()

Whatever is built upon httpx, a generated API client or Schemathesis for example, goes through the
gateway so. For requests there is ``slsadapt.testing.GatewayAdapter``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import httpx

from ..message import Request
from ..percent import encode_stray
from .gateway import Gateway

if TYPE_CHECKING:
    from .gateway import Delivery

__all__ = ["AsyncGatewayTransport", "GatewayTransport"]


class GatewayTransport(httpx.BaseTransport):
    """Carry the requests of an ``httpx.Client`` through one cloud's gateway to a function.

    A response's ``extensions["delivery"]`` has the event and the result.

    Args:
        target: an application, a function of (event, context), or an import string of either.
        dialect: whose gateway it is, one of ``slsadapt.gateways.NAMES``.
        options: of ``Gateway``, and those of ``wrap`` for an application.
    """

    def __init__(self, target: Any, dialect: str = "aws_http", **options: Any) -> None:
        self.gateway = Gateway(target, dialect, **options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as httpx asks its transports to."""
        return _response(self.gateway.deliver(_request(request, request.read())))

    def close(self) -> None:
        """Stop the function as the platform does."""
        self.gateway.close()


class AsyncGatewayTransport(httpx.AsyncBaseTransport):
    """Carry the requests of an ``httpx.AsyncClient``; as ``GatewayTransport``.

    The function runs in a thread, so that the client's loop stays free.
    """

    def __init__(self, target: Any, dialect: str = "aws_http", **options: Any) -> None:
        self.gateway = Gateway(target, dialect, **options)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as httpx asks its transports to."""
        sent = _request(request, await request.aread())
        return _response(await anyio.to_thread.run_sync(partial(self.gateway.deliver, sent)))

    async def aclose(self) -> None:
        """Stop the function as the platform does."""
        await anyio.to_thread.run_sync(self.gateway.close)


def _request(request: httpx.Request, body: bytes) -> Request:
    url = request.url
    path, _, query = url.raw_path.decode("ascii").partition("?")
    return Request(
        request.method.upper(),
        path,
        encode_stray(query),
        [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
        body,
        url.scheme,
        ("127.0.0.1", 0),
        (url.host, url.port or (443 if url.scheme == "https" else 80)),
    )


def _response(delivery: Delivery) -> httpx.Response:
    response = delivery.response
    assert response is not None, "a request is always answered"
    return httpx.Response(
        response.status,
        headers=[
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers
        ],
        stream=httpx.ByteStream(response.body),
        extensions={"delivery": delivery},
    )
