"""The gateway of a local cloud: HTTP in, a dialect's events to the pool, responses out.

An ASGI application of ``http`` scopes for uvicorn, which is to run with ``server_header=False``,
since what ``Server`` says is the cloud's to choose. Two things remain uvicorn's: it answers 400 to
what is no HTTP/1.1, a target of other octets than ASCII included, and it writes the names of
response headers in lower case.

Sources: https://asgi.readthedocs.io/en/stable/specs/www.html; RFC 9110 8.6 (Content-Length), 9.3.2
(HEAD), 15.4.5 (304); RFC 9112 9.6 (how to close a connection on which a client still sends).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import replace
from functools import lru_cache
from random import getrandbits
from typing import TYPE_CHECKING

import orjson

from .. import gateways
from ..errors import BadEventError
from ..gateways._fields import address
from ..message import Request, Response
from ..percent import encode_path
from ..testing.contexts import SHARED_IDS
from .clouds import Arrival
from .notices import Answered
from .outcome import Failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
    from typing import Any, Protocol

    from ..message import Address
    from .clouds import Cloud
    from .function import Function
    from .notices import Told
    from .outcome import FailureKind, Outcome, Record

    JSON = dict[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

    class Pool(Protocol):
        """Runs events."""

        async def invoke(
            self, payload: bytes, *, request_id: str, headers: Mapping[str, str] = ...
        ) -> Outcome:
            """Run one; see ``pool.Pool``."""


__all__ = ["Gateway"]

# Where the dialect's REQUEST_LIMIT_BYTES is of the body; elsewhere it is of the whole event.
_BODY_LIMITED = frozenset(
    ("alibaba_fc2", "alibaba_fc3", "aws_alb", "azure", "gcp", "huawei_apig", "scaleway")
)
# Where a longer body is not refused: the event holds its beginning, and says so.
_TRUNCATING = frozenset(("aws_edge",))
# Where the function is not passed what is mapped in front of it; elsewhere it is in the path, and
# ``wrap(base_path=...)`` takes it off.
_STRIPPING = frozenset(
    (
        "aws_http",
        "aws_rest",
        "azure",
        "digitalocean",
        "gcp",
        "kong",
        "openwhisk",
        "tencent_apigw",
        "tencent_cloudbase",
    )
)
# How long a client may go on sending a body that was refused, as nginx's lingering_timeout.
_LINGER_S = 5.0
# What the server writes itself, or is of one connection alone (RFC 9110 7.6.1).
_SERVERS_OWN = frozenset(
    ("connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade")
)
# RFC 9110 5.6.2 and 5.5: octets above 0x7F are allowed, as obs-text.
_BAD_NAME = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class _FailedError(Exception):
    """Ends the way of a request where the client will not get the function's answer."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class Gateway:
    """Serve a function through its gateway, as an ASGI 3 application.

    Args:
        function: what runs.
        cloud: how the gateway behaves.
        pool: runs the events.
        told: called with an ``Answered`` after each response.
        stage: begins the URL where the cloud's gateway has it there, ``"release"``; ``""`` is
            ``cloud.stage``, and in no URL, as on a custom domain.
        base_path: what a custom domain has in front of all paths, ``"/orders"``; a stage is in no
            URL then.
        record: called after each invocation, also where the client did not wait for its end; not
            for the dialects of ``gateways.OBJECT_NAMES``, whose events are no JSON.
        failure_page: writes HTML about a function that does not start, which browsers get with the
            cloud's status.
        clock: tells Unix time in seconds.

    Attributes:
        mount: what all URLs' paths begin with, ``"/release"``, or ``""``.
    """

    def __init__(
        self,
        function: Function,
        cloud: Cloud,
        pool: Pool,
        told: Told,
        *,
        stage: str = "",
        base_path: str = "",
        record: Record | None = None,
        failure_page: Callable[[Failure], bytes] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = function.dialect
        self._dialect = gateways.load(self._name)
        self._cloud = cloud
        self._pool = pool
        self._told = told
        self._record = record
        self._failure_page = failure_page
        self._clock = clock
        self._stage = stage or cloud.stage
        if not base_path and stage and cloud.is_stage_in_url:
            base_path = stage
        base_path = base_path.strip("/")
        self.mount = f"/{base_path}" if base_path else ""
        self._mount = encode_path(self.mount).encode()
        self._root_path = self.mount if self._name in _STRIPPING else ""
        self._stripped_bytes = len(self._mount) if self._root_path else 0
        self._has_objects = self._name in gateways.OBJECT_NAMES
        self._is_aws = gateways.platform_of(self._name) == "aws"
        limit_bytes = self._dialect.REQUEST_LIMIT_BYTES
        self._body_limit_bytes = limit_bytes
        self._event_limit_bytes = None if self._name in _BODY_LIMITED | _TRUNCATING else limit_bytes
        # No cloud takes this status, so it shows what the cloud makes of a malformed result.
        self._malformed = (
            Response(500)
            if self._has_objects
            else self._dialect.decode_result({"statusCode": "malformed"})
        )
        if self._malformed.status < 400:
            # Whatever is returned is a body there, but for headers that HTTP cannot carry.
            failure = Failure(kind="error", request_id="", error={}, message="")
            self._malformed = cloud.fail(failure)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method: str = scope["method"]
        scheme: str = scope["scheme"]
        headers = []
        host, length, is_chunked = b"", 0, False
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                is_chunked = True
                continue
            headers.append((name.decode("latin-1"), value.decode("latin-1")))
        received_s = self._clock()
        arrival = Arrival(
            int(received_s * 1000),
            self._cloud.request_id(),
            tuple(scope["client"] or ("127.0.0.1", 0)),
            _server(host, scheme) if host else tuple(scope["server"]),
            # X-Ray's begin with the time, and W3C's may.
            f"{int(received_s):08x}{getrandbits(96):024x}",
        )
        request_id = note = ""
        failure = None
        is_unread = is_chunked or length > 0
        started_s = time.perf_counter()
        try:
            self._check(scope, arrival)
            body = await self._receive_body(receive, length, arrival)
            if body is None:
                return
            is_unread = False
            started_s = time.perf_counter()
            if is_chunked:
                # Gateways pass on whole bodies, and so their length.
                headers.append(("content-length", str(len(body))))
            path = scope["raw_path"][self._stripped_bytes :].decode("latin-1") or "/"
            query = scope["query_string"].decode("latin-1")
            request = self._cloud.receive(
                Request(
                    method,
                    path,
                    query,
                    headers,
                    body,
                    scheme,
                    arrival.client,
                    arrival.server,
                    self._root_path,
                    self._stage,
                    arrival.request_id,
                ),
                arrival,
            )
            event, payload = self._encode(request, arrival)
            request_id = arrival.request_id if self._name in SHARED_IDS else _new_id()
            late: list[asyncio.Task[None]] = []
            outcome = await self._invoke(
                payload,
                request_id,
                self._runtime_headers(request, arrival),
                # To be called where the gateway's patience ends.
                lambda: late.append(
                    asyncio.ensure_future(
                        self._answer_late(scope, send, request_id, started_s, arrival)
                    )
                ),
            )
            if self._record is not None and event is not None:
                took_ms = (time.perf_counter() - started_s) * 1000
                self._record(event, request_id, outcome, took_ms, self._name)
            if late:
                await late[0]
                return
            if outcome.failure is not None:
                raise _FailedError(outcome.failure)
            response, note = self._decode(outcome.payload)
            self._check_result(response, request_id)
            response = self._cloud.respond(response, arrival)
        except _FailedError as failed:
            failure = failed.failure
            response = self._fail(failure, scope["headers"], arrival)
        rest = receive if is_unread else None
        await self._answer(scope, send, response, request_id, started_s, failure, note, rest)

    def _check(self, scope: Message, arrival: Arrival) -> None:
        """Refuse what the gateway refuses before it reads the body."""
        path: bytes = scope["raw_path"]
        query: bytes = scope["query_string"]
        limit = self._cloud.url_limit_bytes
        if limit is not None and (size := len(path) + len(query) + bool(query)) > limit:
            raise self._above("url_too_long", "URL", size, limit, arrival.request_id)
        limit = self._cloud.headers_limit_bytes
        if limit is not None and (size := _lines_bytes(scope["headers"])) > limit:
            raise self._above("headers_too_large", "headers", size, limit, arrival.request_id)
        mount = self._mount
        if mount and path != mount and not path.startswith(mount + b"/"):
            message = f"the URL is outside of {mount.decode()}, with which all begin here"
            raise _failed("not_found", message, arrival.request_id)

    async def _receive_body(self, receive: Receive, length: int, arrival: Arrival) -> bytes | None:
        """Read the body; None where the client left before its end."""
        limit = self._body_limit_bytes
        truncates = self._name in _TRUNCATING
        pieces: list[bytes] = []
        size = 0
        is_whole = False
        while True:
            if limit is not None and max(size, length) > limit and not truncates:
                raise self._above(
                    "request_too_large", "body", max(size, length), limit, arrival.request_id
                )
            if is_whole:
                return b"".join(pieces)
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            piece, is_whole = message["body"], not message["more_body"]
            if limit is not None and truncates:
                # One octet more than fits shows that there was more.
                piece = piece[: max(0, limit + 1 - size)]
            size += len(piece)
            pieces.append(piece)

    def _encode(self, request: Request, arrival: Arrival) -> tuple[JSON | None, bytes]:
        """Write the event, and what the instance is sent; no event where that is an object."""
        if self._has_objects:
            from .objects import pack_request

            return None, pack_request(request)
        event = self._dialect.encode_event(request, received_ms=arrival.received_ms)
        try:
            payload = orjson.dumps(event)
        except TypeError:
            # It does not know lone surrogates, which octets that are no UTF-8 may have become.
            payload = _write(event).encode("utf-8", "surrogatepass")
        limit = self._event_limit_bytes
        if limit is not None and len(payload) > limit:
            raise self._above("request_too_large", "event", len(payload), limit, arrival.request_id)
        return event, payload

    def _runtime_headers(self, request: Request, arrival: Arrival) -> Mapping[str, str]:
        if not self._is_aws:
            return {}
        for name, value in request.headers:
            if name == "x-amzn-trace-id":
                return {"Lambda-Runtime-Trace-Id": value}
        trace_id = arrival.trace_id
        return {"Lambda-Runtime-Trace-Id": f"Root=1-{trace_id[:8]}-{trace_id[8:]}"}

    async def _invoke(
        self,
        payload: bytes,
        request_id: str,
        headers: Mapping[str, str],
        give_up: Callable[[], object],
    ) -> Outcome:
        """Run the event to its end; ``give_up`` is called if that takes too long for the client."""
        invoking = self._pool.invoke(payload, request_id=request_id, headers=headers)
        if (timeout_s := self._cloud.gateway_timeout_s) is None:
            return await invoking
        timer = asyncio.get_running_loop().call_later(timeout_s, give_up)
        try:
            return await invoking
        finally:
            timer.cancel()

    async def _answer_late(
        self, scope: Message, send: Send, request_id: str, started_s: float, arrival: Arrival
    ) -> None:
        failure = Failure(
            kind="gateway_timeout",
            request_id=request_id,
            error={},
            message=f"{self._name} waits {self._cloud.gateway_timeout_s:g} s for a function; "
            "this one goes on without its client",
        )
        response = self._fail(failure, scope["headers"], arrival)
        await self._answer(scope, send, response, request_id, started_s, failure)

    async def _answer(
        self,
        scope: Message,
        send: Send,
        response: Response,
        request_id: str,
        started_s: float,
        failure: Failure | None,
        note: str = "",
        rest: Receive | None = None,
    ) -> None:
        """Send a response and tell of it; ``rest`` gives what was not read of the request."""
        method: str = scope["method"]
        sent_bytes = await _send(response, method, send, rest)
        url: bytes = scope["raw_path"]
        if scope["query_string"]:
            url += b"?" + scope["query_string"]
        self._told(
            Answered(
                self._clock(),
                request_id,
                f"{method} {url.decode('latin-1')}",
                response.status,
                sent_bytes,
                (time.perf_counter() - started_s) * 1000,
                failure,
                note,
            )
        )

    def _decode(self, payload: bytes) -> tuple[Response, str]:
        """Read the result as the cloud does.

        Returns:
            (response, what is wrong with the result, ``""`` if nothing).
        """
        if self._has_objects:
            from .objects import unpack_response

            response = unpack_response(payload)
        else:
            result: Any
            try:
                result = _read(payload)
            except ValueError:
                if self._name not in gateways.BYTES_NAMES:
                    return self._malformed, "the function's result is no JSON"
                # Function Compute takes a body's octets for a result, too.
                result = payload
            response = self._dialect.decode_result(result)
            if response is self._malformed:
                return response, self._explain(result)
        if response.status < 200:
            # RFC 9110 15.2: these come before a response, and are none.
            return self._malformed, f"the result's status is {response.status}, no final one"
        names = [name for name, _ in response.headers]
        values = [value for _, value in response.headers]
        if "" not in names and not _BAD_NAME.search("".join(names)):
            if not _BAD_VALUE.search("".join(values)):
                return response, ""
            name = next(name for name, value in response.headers if _BAD_VALUE.search(value))
            note = f"the result's header {name!r} has a line break or another control character"
        else:
            name = next(name for name in names if not name or _BAD_NAME.search(name))
            note = f"the result has a header {name!r}, which is no name of HTTP's"
        return self._malformed, note

    def _check_result(self, response: Response, request_id: str) -> None:
        limit = self._cloud.result_headers_limit_bytes
        if limit is not None and (size := _lines_bytes(response.headers)) > limit:
            what = "response headers"
            raise self._above("result_headers_too_large", what, size, limit, request_id)

    def _explain(self, result: Any) -> str:
        """Find what makes a result malformed by leaving out one part after the other."""
        if not isinstance(result, dict):
            return f"the function returned {_kind(result)}, and {self._name} takes an object"
        for key in ("statusCode", "status"):
            if key not in result and self._takes({**result, key: 200}):
                return f"the function's result has no {key!r}"
        for key, value in result.items():
            rest = {name: each for name, each in result.items() if name != key}
            if not self._takes(rest) and not self._takes({**rest, key: 200}):
                continue
            if isinstance(value, dict):
                for name, each in value.items():
                    others = {key: {n: v for n, v in value.items() if n != name}}
                    if self._takes({**result, **others}):
                        return f"{self._name} does not take {name!r} in the result's {key!r}: " + (
                            f"it is {_kind(each)}"
                        )
            return f"{self._name} does not take the result's {key!r}: it is {_kind(value)}"
        return (
            f"{self._name} does not take the function's result, for more than one reason; its keys "
            f"are {', '.join(map(repr, result)) or 'none'}"
        )

    def _takes(self, result: JSON) -> bool:
        return self._dialect.decode_result(result) is not self._malformed

    def _fail(
        self, failure: Failure, headers: Iterable[tuple[bytes, bytes]], arrival: Arrival
    ) -> Response:
        # What AWS's gateways answer names the request; elsewhere it is the invocation.
        named = replace(failure, request_id=arrival.request_id) if self._is_aws else failure
        response = self._cloud.fail(named)
        if failure.kind != "init" or self._failure_page is None or not _wants_html(headers):
            return response
        fields = (("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store"))
        return Response(response.status, fields, self._failure_page(failure))

    def _above(
        self, kind: FailureKind, what: str, size: int, limit: int, request_id: str
    ) -> _FailedError:
        message = f"{self._name} takes {limit:,} bytes of {what} at most, got {size:,}"
        return _failed(kind, message, request_id)


def _failed(kind: FailureKind, message: str, request_id: str) -> _FailedError:
    return _FailedError(Failure(kind=kind, request_id=request_id, error={}, message=message))


def _read(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except ValueError:
        # It does not know lone surrogates, NaN and the like, which Python's functions write.
        return json.loads(payload)


def _new_id() -> str:
    """Make an invocation's ID, a UUID (RFC 9562) for which nobody needs a secret number."""
    text = f"{getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


@lru_cache(maxsize=64)
def _server(host: bytes, scheme: str) -> Address:
    """Read what the client's ``Host`` names, with the scheme's port where it names none."""
    text = host.decode("latin-1")
    try:
        return address(text, None, scheme)
    except BadEventError:
        return text, 443 if scheme == "https" else 80


def _lines_bytes(headers: Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]) -> int:
    """Measure header lines as HTTP/1.1 writes them."""
    return sum([len(name) + len(value) + 4 for name, value in headers])


def _kind(value: object) -> str:
    """Name a JSON value's type for people."""
    if value is None:
        return "null"
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", bytes: "octets"}
    return names.get(type(value), "a number")


def _wants_html(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell a browser by what it accepts best."""
    from werkzeug.datastructures import MIMEAccept
    from werkzeug.http import parse_accept_header

    lines = [value.decode("latin-1") for name, value in headers if name == b"accept"]
    accepted = parse_accept_header(", ".join(lines), MIMEAccept)
    return accepted["text/html"] > accepted["application/json"]


async def _send(response: Response, method: str, send: Send, receive: Receive | None) -> int:
    """Write a response, and tell how many octets of a body it had.

    ``receive`` is for a request whose body was not read to its end: the connection closes then,
    but not before the client had time to notice.
    """
    status, body = response.status, response.body
    length = len(body)
    headers = []
    for name, value in response.headers:
        if (lower := name.lower()) not in _SERVERS_OWN:
            try:
                octets = value.encode("latin-1")
            except UnicodeEncodeError:
                octets = value.encode("utf-8", "replace")
            headers.append((lower.encode("ascii"), octets))
        elif lower == "content-length" and method == "HEAD" and not body and value.isdecimal():
            # What a GET would have, which the function alone knows.
            length = int(value)
    if status in (204, 304):
        body = b""
    else:
        headers.append((b"content-length", b"%d" % length))
    if method == "HEAD":
        body = b""
    if receive is not None:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if receive is not None:
        # To close now would take the response from a client that still sends (RFC 9112 9.6).
        await send({"type": "http.response.body", "body": body, "more_body": True})
        try:
            await asyncio.wait_for(_discard(receive), _LINGER_S)
        except asyncio.TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    else:
        await send({"type": "http.response.body", "body": body})
    return len(body)


async def _discard(receive: Receive) -> None:
    while (message := await receive())["type"] == "http.request" and message["more_body"]:
        pass
