"""Our dialects in Mangum, and Mangum's handler classes in ours.

Source: https://github.com/Kludex/mangum, ``LambdaHandler`` in mangum/types.py: a class whose
``infer`` tells whether an event is its own, and whose instances give a ``scope`` and a ``body``
and turn a response into a result. The protocol asks for no base class, so nothing of Mangum is
imported here.

- ``Mangum(app, custom_handlers=handlers())`` serves every dialect.
- ``wrap(app, custom_handlers=[TheirHandler])`` serves what Mangum's and users' classes read, to
  WSGI applications as well.
"""

from __future__ import annotations

from functools import lru_cache

from .. import gateways
from ..errors import BadEventError, OptionError, UnknownEventError
from ..gateways import _result
from ..gateways._aws import RESULT_LIMIT_BYTES, result_bytes
from ..message import Request, Response
from ..percent import decode, encode_path, encode_stray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from mangum.types import LambdaHandler

    from ..message import Address, Build, T

    JSON = dict[str, Any]

__all__ = ["GatewayHandler", "claims", "handlers"]

# What Mangum takes for text, as parts of a content type, and the structured suffixes beside.
_TEXT_MIME_TYPES = (
    "text/",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/vnd.api+json",
    "application/vnd.oai.openapi",
    "+json",
    "+xml",
)


def handlers() -> list[type[LambdaHandler]]:
    """List the handler classes with which Mangum serves every dialect.

    It is one class, which finds the dialect by the event; what none claims is left to the
    handlers that Mangum asks next.
    """
    return [GatewayHandler]


class GatewayHandler:
    """One event of any dialect, as Mangum asks for it.

    The application's errors, its lifespan and the loop stay Mangum's affair, and a result that is
    too large the platform's.

    Raises:
        BadEventError: names the missing or mistyped field.
    """

    def __init__(self, event: Any, context: Any, config: Any) -> None:
        event = _parsed(event)
        dialect = gateways.detect(event)
        exchange = dialect.decode_into(event, _builder(config["api_gateway_base_path"]))
        self.body: bytes = exchange.body
        self.scope: JSON = exchange.environ
        dialect.annotate(self.scope, event, context)
        # Under these names applications find them behind every handler of Mangum's.
        self.scope["aws.event"] = self.scope["serverless.event"]
        self.scope["aws.context"] = self.scope["serverless.context"]
        self._dialect: Any = dialect
        self._event, self._context, self._config = event, context, config

    @classmethod
    def infer(cls, event: Any, context: Any, config: Any) -> bool:
        """Tell whether a dialect claims the event."""
        try:
            gateways.detect(_parsed(event))
        except (BadEventError, UnknownEventError):
            return False
        return True

    def __call__(self, response: Any) -> Any:
        """Write what the gateway expects back.

        Raises:
            ApplicationError: a header that no response may carry.
        """
        from ..engines.headers import check_response_headers

        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in response["headers"]
        ]
        check_response_headers(headers)
        excluded = self._config["exclude_headers"]
        headers = [pair for pair in headers if pair[0].lower() not in excluded]
        fields = {name.lower(): value.lower() for name, value in headers}
        content_type = fields.get("content-type", "")
        # Mangum looks for its types anywhere in the value.
        is_text = any(each.lower() in content_type for each in self._config["text_mime_types"])
        status = response["status"]
        bodiless = self.scope["method"] == "HEAD" or status in (204, 304)
        result = self._dialect.encode_result(
            Response(status, headers, b"" if bodiless else response["body"]),
            self._event,
            (content_type.partition(";")[0].strip(),) if is_text else (),
        )
        if hasattr(self._dialect, "call_back"):
            # The platform calls functions as WSGI applications, and passes start_response.
            return self._dialect.call_back(result, self._context)
        return result


@lru_cache(maxsize=16)
def _builder(base_path: str) -> Any:
    """Give what makes a scope of a request's fields, as ``wrap`` does."""
    from ..handler import wrap

    return wrap(_unused, base_path=base_path, strip_stage=False, lifespan="off")._prepare


async def _unused(scope: Any, receive: Any, send: Any) -> None:
    """Stand in for the application, which Mangum calls itself."""


def _parsed(event: Any) -> Any:
    """Read an event that the platform passes as JSON, as Alibaba does."""
    if not isinstance(event, (bytes, bytearray, str)):
        return event
    import json

    try:
        return json.loads(event)
    except ValueError as error:
        raise BadEventError(f"the event must be JSON: {error}") from None


def claims(custom_handlers: Iterable[Any]) -> Callable[[Any, Any], Any]:
    """Make of Mangum handler classes what a ``Handler`` asks before it looks for a dialect.

    Returns:
        A function of (event, context), which gives a dialect for this very event if one of the
        classes claims it, asked in their order, and None otherwise.

    Raises:
        OptionError: not a handler class.
    """
    classes = tuple(custom_handlers)
    for each in classes:
        if not callable(getattr(each, "infer", None)):
            raise OptionError(
                "custom_handlers takes Mangum's LambdaHandler classes, which have 'infer'; "
                f"got {each!r}"
            )

    def claim(event: Any, context: Any) -> _Claim | None:
        # Base path and headers to leave out are the Handler's work, for every dialect alike.
        config = {
            "api_gateway_base_path": "/",
            "text_mime_types": [*_TEXT_MIME_TYPES],
            "exclude_headers": [],
        }
        for each in classes:
            if each.infer(event, context, config):
                return _Claim(each, each(event, context, config), config)
        return None

    return claim


class _Claim:
    """An event with the instance of Mangum's handler that reads it: a dialect of one event.

    The size limit is Lambda's, since Lambda is what Mangum's handlers are for.
    """

    RESULT_LIMIT_BYTES = RESULT_LIMIT_BYTES

    def __init__(self, kind: Any, handler: LambdaHandler, config: JSON) -> None:
        self.__name__ = f"{kind.__module__}.{kind.__qualname__}"
        self._handler: Any = handler
        self._config = config
        self._scope: JSON = {}

    def decode_event(self, event: Any) -> Request:
        """Read the client's request out of the handler's scope and body."""
        return self.decode_into(event, Request)

    def decode_into(self, event: Any, build: Build[T]) -> T:
        """Do as ``decode_event``, giving the fields to ``build``."""
        self._scope = scope = self._handler.scope
        scheme = scope.get("scheme", "https")
        root_path = scope.get("root_path", "").rstrip("/")
        query = scope["query_string"].decode("utf-8", "replace")
        client = scope.get("client")
        host, port = scope.get("server") or ("localhost", None)
        return build(
            scope["method"].upper(),
            _path(scope, root_path) or "/",
            query if query.isascii() else encode_stray(query),
            [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in scope.get("headers", ())
            ],
            self._handler.body or b"",
            scheme,
            _address(client[0], client[1], 0) if client and client[0] else None,
            _address(host, port, 80 if scheme == "http" else 443),
            root_path,
            "",
            "",
            None,
        )

    def annotate(self, environ: JSON, event: Any, context: Any) -> None:
        """Add what the handler's scope holds beside the request, such as ``aws.event``."""
        for key, value in self._scope.items():
            # The engine has written what a scope always holds; an environ may not hold objects
            # but under names with a dot (PEP 3333).
            if "." in key or "wsgi.version" not in environ:
                environ.setdefault(key, value)
        _result.annotate(environ, event, context)

    def encode_result(
        self, response: Response, event: Any, text_mime_types: tuple[str, ...] = ()
    ) -> Any:
        """Let the handler write the result."""
        self._config["text_mime_types"][:] = [*_TEXT_MIME_TYPES, *text_mime_types]
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in response.headers
        ]
        return self._handler({"status": response.status, "headers": headers, "body": response.body})

    def result_bytes(self, result: JSON) -> int:
        """Measure a result as Lambda's runtime writes it."""
        return result_bytes({"isBase64Encoded": False, **result})


def _path(scope: JSON, root_path: str) -> str:
    """Find the percent-encoded path below ``root_path``.

    ``path``, by which applications route, counts: ``raw_path`` is taken only where it says the
    same. Some write the root path in front of them, others do not.
    """
    path: str = scope["path"]
    if path == root_path or path.startswith(root_path + "/"):
        path = path[len(root_path) :]
    raw_path = (scope.get("raw_path") or b"").decode("latin-1")
    for raw in (raw_path, raw_path.removeprefix(encode_path(root_path))):
        if raw and decode(raw).decode("utf-8", "replace") == path:
            return raw
    return encode_path(path)


def _address(host: str, port: int | None, default: int) -> Address:
    return host, default if port is None else port
