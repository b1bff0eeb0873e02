"""AWS Lambda's Invoke API, for who calls the function without its gateway: boto3, ``trigger``.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html,
https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html

>>> boto3.client("lambda", endpoint_url="http://127.0.0.1:9001").invoke(FunctionName="function")

The function has its own name here and that of the Runtime Interface Emulator, ``function``. Its
payload is its platform's own event, and so is the error that it answers with. Signatures are not
looked at. There is one version, ``$LATEST``, for which all others and all aliases stand.

A browser must not invoke what another site tells it to: a request of another origin is refused,
and on a loopback address every name that is none of loopback's, which DNS may have been made to
say (https://owasp.org/www-community/attacks/DNS_Rebinding).
"""

from __future__ import annotations

import asyncio
import json
import platform
import re
import time
from base64 import b64decode, b64encode
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from .. import gateways
from .notices import Answered, Line, Report

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any, Protocol

    from .clouds import Cloud
    from .function import Function
    from .notices import Notice, Told
    from .outcome import Failure, Outcome

    JSON = dict[str, Any]
    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

    class Invokes(Protocol):
        """What the pool has for those who invoke."""

        async def invoke(
            self, payload: bytes, *, request_id: str, headers: Mapping[str, str] = ...
        ) -> Outcome:
            """Run one event."""


__all__ = ["InvokeApi", "Invokes"]

_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/(invocations|configuration)")
_METHODS = {"invocations": "POST", "configuration": "GET"}
# The name alone, or after an account and in an ARN; a version or an alias may follow.
_NAME = re.compile(
    r"(?:(?:arn:aws[\w-]*:lambda:[\w-]+:)?\d{12}:(?:function:)?)?([\w-]+)(?::[\w$-]+)?", re.ASCII
)
_EMULATOR_NAME = "function"
_TYPES = ("RequestResponse", "Event", "DryRun")
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_REQUEST_LIMIT_BYTES = 6 * 1024 * 1024
_EVENT_LIMIT_BYTES = 1024 * 1024
_CONTEXT_LIMIT_BYTES = 3583
_TAIL_BYTES = 4096
_ARN = "arn:aws:lambda:us-east-1:123456789012:function:"


class _RefusedError(Exception):
    """A request that the API answers with an error.

    Args:
        status: HTTP's.
        kind: the API's name of the error.
        message: for people.
        failure: the pool's, where it is for that.
        fields: what the error's JSON holds besides.
    """

    def __init__(
        self, status: int, kind: str, message: str, failure: Failure | None = None, **fields: str
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.failure = failure
        # This error alone spells it so.
        key = "Message" if kind == "ResourceNotFoundException" else "message"
        self.body = json.dumps({"Type": "User", **fields, key: message}).encode()


class InvokeApi:
    """Serve the API, an ASGI 3 application that is to have a port of its own.

    Args:
        function: what is invoked.
        cloud: how its platform tells failures.
        pool: whom to ask for it.
        tell: is told of each answer to an invocation, as of the gateway's.
    """

    def __init__(
        self, function: Function, cloud: Cloud, pool: Invokes, tell: Told | None = None
    ) -> None:
        self._function = function
        self._cloud = cloud
        self._pool = pool
        self._tell = tell
        # By request ID, what callers who asked for it are told of the log.
        self._tails: dict[str, _Tail] = {}
        self._running: set[asyncio.Task[Outcome]] = set()

    def told(self, notice: Notice) -> None:
        """Note what invocations log, for callers who want the end of it; to be told everything."""
        if self._tails and isinstance(notice, (Line, Report)):
            tail = self._tails.get(notice.request_id)
            if tail is not None:
                tail.told(notice)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            # This refuses a WebSocket's handshake.
            await send({"type": "websocket.close"})
            return
        began = time.perf_counter()
        # As clients send them, who do not repeat those that count here.
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        request_id = str(uuid4())
        answer = {"x-amzn-RequestId": request_id}
        failure: Failure | None = None
        is_invocation = False
        try:
            _refuse_strangers(scope, headers)
            is_invocation = self._find(scope, answer)
            if is_invocation:
                status, body, failure = await self._invoke(headers, receive, request_id, answer)
            else:
                status, body = 200, json.dumps(self._configuration()).encode()
        except _RefusedError as error:
            status, body, failure = error.status, error.body, error.failure
            answer["x-amzn-ErrorType"] = error.kind
            if status == 413:
                # What was not read stands in the way of a further request.
                answer["Connection"] = "close"
        if status != 204:
            answer["Content-Type"] = "application/json"
            answer["Content-Length"] = str(len(body))
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})
        if is_invocation and self._tell is not None:
            took_ms = (time.perf_counter() - began) * 1000
            now = time.time()
            self._tell(Answered(now, request_id, "invoke", status, len(body), took_ms, failure))

    def _find(self, scope: Scope, answer: dict[str, str]) -> bool:
        """Tell whether the function is invoked; else its configuration is asked for."""
        raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        found = _PATH.fullmatch(raw_path)
        if found is None:
            raise _RefusedError(
                404, "UnknownOperationException", "there is nothing but .../invocations here"
            )
        if scope["method"] != (method := _METHODS[found[2]]):
            answer["Allow"] = method
            raise _RefusedError(405, "MethodNotAllowedException", f"{found[2]} takes {method}")
        self._check_name(unquote(found[1]))
        return found[2] == "invocations"

    async def _invoke(
        self, headers: Mapping[str, str], receive: Receive, request_id: str, answer: dict[str, str]
    ) -> tuple[int, bytes, Failure | None]:
        """Run the function; give status, body and what went wrong, and add to ``answer``."""
        if self._function.dialect in gateways.OBJECT_NAMES:
            raise _RefusedError(
                400,
                "InvalidRequestContentException",
                f"functions of {self._function.dialect} are called with requests, which no JSON "
                "holds: send them to the gateway",
            )
        how = headers.get("x-amz-invocation-type", _TYPES[0])
        if how not in _TYPES:
            raise _RefusedError(
                400,
                "ValidationException",
                f"1 validation error detected: Value '{how}' at 'invocationType' failed to satisfy "
                f"constraint: Member must satisfy enum value set: [{', '.join(_TYPES)}]",
            )
        payload = await _read_payload(headers, receive)
        passed = _passed_on(headers)
        answer["x-amzn-Remapped-Content-Length"] = "0"
        answer["X-Amzn-Trace-Id"] = passed["Lambda-Runtime-Trace-Id"]
        if how == "DryRun":
            return 204, b"", None
        if how == "Event":
            if len(payload) > _EVENT_LIMIT_BYTES:
                raise _RefusedError(
                    413,
                    "RequestEntityTooLargeException",
                    f"{len(payload)} byte payload is too large for the Event invocation type "
                    f"(limit {_EVENT_LIMIT_BYTES} bytes)",
                )
            # Lambda keeps it from functions that nobody waits for.
            passed.pop("Lambda-Runtime-Client-Context", None)
            invocation = self._pool.invoke(payload, request_id=request_id, headers=passed)
            task = asyncio.ensure_future(invocation)
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            return 202, b"", None
        tail = _Tail(request_id) if headers.get("x-amz-log-type") == "Tail" else None
        if tail is not None:
            self._tails[request_id] = tail
        try:
            outcome = await self._pool.invoke(payload, request_id=request_id, headers=passed)
        finally:
            self._tails.pop(request_id, None)
        failure = outcome.failure
        if failure is not None and failure.kind == "throttled":
            raise _RefusedError(
                429,
                "TooManyRequestsException",
                "Rate Exceeded.",
                failure,
                Reason="ReservedFunctionConcurrentInvocationLimitExceeded",
            )
        answer["X-Amz-Executed-Version"] = "$LATEST"
        error = None if failure is None else self._cloud.error(failure)
        if error is not None:
            # Lambda knows Handled, too, which no Python runtime tells any more.
            answer["X-Amz-Function-Error"] = "Unhandled"
        if tail is not None:
            answer["X-Amz-Log-Result"] = b64encode(tail.end(failure, error)).decode("ascii")
        return 200, outcome.payload if error is None else json.dumps(error).encode(), failure

    def _check_name(self, name: str) -> None:
        found = _NAME.fullmatch(name)
        if found is None or found[1] not in (self._function.function_name, _EMULATOR_NAME):
            arn = name if name.startswith("arn:") else _ARN + name
            raise _RefusedError(404, "ResourceNotFoundException", f"Function not found: {arn}")

    def _configuration(self) -> JSON:
        """Tell what is served: AWS's fields, and what AWS has no word for."""
        function = self._function
        python = ".".join(platform.python_version_tuple()[:2])
        return {
            "FunctionName": function.function_name,
            "FunctionArn": _ARN + function.function_name,
            "Runtime": f"python{python}",
            "Handler": f"{function.module}.{function.name}",
            # None is without limit here, and no number of AWS's.
            **({} if function.timeout_s is None else {"Timeout": round(function.timeout_s)}),
            "MemorySize": function.memory_mb,
            "Version": "$LATEST",
            "PackageType": "Zip",
            "State": "Active",
            "Slsadapt": {
                "Dialect": function.dialect,
                "Platform": self._cloud.platform,
                "Label": function.label,
            },
        }


class _Tail:
    """The end of an invocation's log, as Lambda writes it."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._lines: list[str] = []
        self._bytes = 0
        self._report: Report | None = None

    def told(self, notice: Line | Report) -> None:
        """Add a line, or keep the report for the end."""
        if isinstance(notice, Report):
            self._report = notice
            return
        # Whoever writes for hours is cut now and then, not at every line.
        self._lines.append(notice.text)
        self._bytes += len(notice.text) + 1
        if self._bytes > 16 * _TAIL_BYTES:
            kept = "\n".join(self._lines)[-_TAIL_BYTES:]
            self._lines, self._bytes = [kept], len(kept)

    def end(self, failure: Failure | None, error: JSON | None) -> bytes:
        """Give the last 4 KB."""
        lines = [f"START RequestId: {self._request_id} Version: $LATEST", *self._lines]
        lines.append(f"END RequestId: {self._request_id}")
        if (report := self._report) is not None:
            words = [
                f"REPORT RequestId: {self._request_id}",
                f"Duration: {report.duration_ms:.2f} ms",
                f"Billed Duration: {report.billed_ms} ms",
                f"Memory Size: {report.memory_mb} MB",
                f"Max Memory Used: {report.used_mb:.0f} MB",
            ]
            if report.init_ms is not None:
                words.append(f"Init Duration: {report.init_ms:.2f} ms")
            if failure is not None and failure.kind == "timeout":
                words.append("Status: timeout")
            elif failure is not None and failure.kind != "error":
                kind = (error or {}).get("errorType", failure.kind)
                words += ["Status: error", f"Error Type: {kind}"]
            lines.append("\t".join(words) + "\t")
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")[-_TAIL_BYTES:]


def _refuse_strangers(scope: Scope, headers: Mapping[str, str]) -> None:
    host = headers.get("host", "")
    server = (scope.get("server") or ("",))[0]
    if _is_loopback(server) and not _is_loopback(urlsplit(f"//{host}").hostname or ""):
        raise _RefusedError(
            403,
            "AccessDeniedException",
            "this is a loopback address: call it 127.0.0.1, [::1] or localhost",
        )
    origin = headers.get("origin")
    is_foreign = origin is not None and urlsplit(origin).netloc != host
    if is_foreign or headers.get("sec-fetch-site") == "cross-site":
        raise _RefusedError(
            403, "AccessDeniedException", "other sites' pages may not invoke functions here"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def _read_payload(headers: Mapping[str, str], receive: Receive) -> bytes:
    """Read the event, ``{}`` where there is none."""
    length = headers.get("content-length", "0")
    parts = []
    size_bytes = int(length) if length.isdecimal() else 0
    if size_bytes <= _REQUEST_LIMIT_BYTES:
        size_bytes = 0
        more = True
        while more and size_bytes <= _REQUEST_LIMIT_BYTES:
            message = await receive()
            parts.append(message.get("body", b""))
            size_bytes += len(parts[-1])
            more = message.get("more_body", False)
    if size_bytes > _REQUEST_LIMIT_BYTES:
        raise _RefusedError(
            413,
            "RequestEntityTooLargeException",
            f"Request must be smaller than {_REQUEST_LIMIT_BYTES} bytes for the InvokeFunction "
            "operation",
        )
    payload = b"".join(parts) or b"{}"
    try:
        # NaN and Infinity are Python's.
        json.loads(payload.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _RefusedError(
            400,
            "InvalidRequestContentException",
            f"Could not parse request body into json: Could not parse payload into json: {error}",
        ) from None
    return payload


def _refuse_constant(name: str) -> None:
    raise ValueError(f"Unrecognized token '{name}'")


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Give what goes to the function as headers of the Runtime API."""
    trace = headers.get("x-amzn-trace-id")
    if trace is None:
        seconds = int(time.time())
        trace = f"Root=1-{seconds:08x}-{uuid4().hex[:24]};Sampled=0"
    passed = {"Lambda-Runtime-Trace-Id": trace}
    if encoded := headers.get("x-amz-client-context"):
        try:
            if len(encoded) > _CONTEXT_LIMIT_BYTES:
                raise ValueError
            value = json.loads(b64decode(encoded, validate=True))
        except ValueError:
            raise _RefusedError(
                400,
                "InvalidRequestContentException",
                "Client context must be a valid Base64-encoded JSON object of at most "
                f"{_CONTEXT_LIMIT_BYTES} bytes.",
            ) from None
        passed["Lambda-Runtime-Client-Context"] = json.dumps(value)
    return passed
