"""Applications that answer what arrived, the same by WSGI and by ASGI."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    Headers = list[tuple[str, str]]
    Message = MutableMapping[str, Any]

__all__ = ["OCTETS", "echo", "echo_asgi"]

OCTETS = bytes(range(256))


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer by WSGI; see ``_answer``."""
    headers = {
        key.removeprefix("HTTP_").replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") or (key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
    }
    status, fields, body = _answer(
        {
            "interface": "wsgi",
            "method": environ["REQUEST_METHOD"],
            "scheme": environ["wsgi.url_scheme"],
            "server": [environ["SERVER_NAME"], int(environ["SERVER_PORT"])],
            "root_path": environ["SCRIPT_NAME"],
            "path": environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"),
            "query": environ["QUERY_STRING"],
            "client": environ.get("REMOTE_ADDR"),
            "user": environ.get("REMOTE_USER"),
            "headers": headers,
            "body": environ["wsgi.input"].read().decode("latin-1"),
        }
    )
    start_response(f"{status} {HTTPStatus(status).phrase}", fields)
    return [body]


async def echo_asgi(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer by ASGI; see ``_answer``. There is no lifespan."""
    assert scope["type"] == "http"
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    headers: dict[str, str] = {}
    for octets, value in scope["headers"]:
        name = octets.decode("latin-1")
        text = value.decode("latin-1")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    status, fields, content = _answer(
        {
            "interface": "asgi",
            "method": scope["method"],
            "scheme": scope["scheme"],
            "server": scope["server"],
            "root_path": scope["root_path"],
            "path": scope["path"].removeprefix(scope["root_path"]),
            "query": scope["query_string"].decode("ascii"),
            "client": scope["client"] and scope["client"][0],
            "user": None,
            "headers": headers,
            "body": body.decode("latin-1"),
        }
    )
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in fields],
        }
    )
    await send({"type": "http.response.body", "body": content})


def _answer(arrived: dict[str, Any]) -> tuple[int, Headers, bytes]:
    """Answer what arrived as JSON, or what the path says.

    ``/octets`` is a body that is no text, ``/empty`` none, ``/fail`` raises, ``/cookies`` sets two,
    ``/redirect?code=302&to=/x`` sends on, and ``?set=a%3D1`` sets whatever cookies.
    """
    asked = parse_qs(arrived["query"])
    cookies = [("Set-Cookie", value) for value in asked.get("set", [])]
    if arrived["path"] == "/cookies":
        cookies = [("Set-Cookie", "sid=1; Path=/; HttpOnly"), ("Set-Cookie", "lang=zh; Path=/")]
    if arrived["path"] == "/octets":
        return 200, [("Content-Type", "application/octet-stream"), *cookies], OCTETS
    if arrived["path"] == "/empty":
        return 204, cookies, b""
    if arrived["path"] == "/fail":
        raise RuntimeError("the database is gone")
    if arrived["path"].endswith("/redirect"):
        return int(asked["code"][0]), [("Location", asked["to"][0]), *cookies], b""
    body = json.dumps(arrived).encode()
    return 200, [("Content-Type", "application/json"), *cookies], body
