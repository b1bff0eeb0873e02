"""What is handed over of an invocation, and the cassette that is made of it."""

from __future__ import annotations

import json
from binascii import b2a_base64
from hashlib import sha256
from importlib import import_module
from time import gmtime, strftime
from types import ModuleType

from .. import gateways
from ..errors import BadEventError, UnknownEventError
from ..gateways.contexts import invocation_id
from ..gateways.triggers import kind_of
from ..message import SocketMessage
from .bodies import find_body, replaced
from .redact import redacted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..message import Pairs
    from .bodies import Body, Read

    JSON = dict[str, Any]

__all__ = ["Recorded", "class_of", "copied"]

# Looking through a larger body for secrets takes tens of milliseconds, of which invocations that
# run meanwhile would have to wait for some.
_MOST_BODY_BYTES = 262_144
_SCALARS = (str, int, float, bool)
_CONTAINERS = (dict, list)


def copied(value: Any) -> Any:
    """Copy what can change of JSON: objects and lists, but no texts, however long.

    Raises:
        RecursionError: nested in itself, or too deeply.
    """
    if type(value) is dict:
        copy = value.copy()
        for key, each in value.items():
            if type(each) in _CONTAINERS:
                copy[key] = copied(each)
        return copy
    if type(value) is list:
        return [copied(each) if type(each) in _CONTAINERS else each for each in value]
    return value


def class_of(value: object) -> str:
    """Name the class of a value, ``"builtins.ValueError"``."""
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


class Recorded:
    """An invocation, as it is handed over.

    Args:
        ended_s: when it ended, in seconds since 1970.
        event: as the function got it.
        context: the function's.
        result: what it returned, None where it raised.
        error: class and message of what it raised, by ``"type"`` and ``"message"``.
        total_ms: what it took.
        dialect: the gateway's, None to tell by the event.
        is_cold: whether it was the instance's first.
        remaining_ms: what was left of the platform's time limit, where it counts.
    """

    __slots__ = (
        "ended_s",
        "event",
        "context",
        "result",
        "error",
        "total_ms",
        "dialect",
        "is_cold",
        "remaining_ms",
    )

    def __init__(
        self,
        ended_s: float,
        event: Any,
        context: Any,
        result: Any,
        error: dict[str, str] | None,
        total_ms: float,
        dialect: str | None,
        is_cold: bool,
        remaining_ms: float | None,
    ) -> None:
        self.ended_s = ended_s
        self.event = event
        self.context = context
        self.result = result
        self.error = error
        self.total_ms = total_ms
        self.dialect = dialect
        self.is_cold = is_cold
        self.remaining_ms = remaining_ms

    def cassette(self, bodies: bool, names: tuple[str, ...]) -> tuple[JSON, str]:
        """Make the cassette's JSON, as ``slsadapt.testing.cassettes`` describes it.

        Args:
            bodies: whether to keep bodies.
            names: of further secrets.

        Returns:
            (the JSON, the ID of the invocation, or else of the request, or ``""``).
        """
        event, context = _parsed(self.event), self.context
        module, is_http = _module_of(event, self.dialect)
        name = None if module is None else module.__name__.rpartition(".")[2]
        if hasattr(module, "context_of"):
            # What the platform passes as the context is something else.
            context = module.context_of(event)
        parts = _Parts(bodies, names)
        milliseconds = int(self.ended_s * 1000)
        seconds = strftime("%Y-%m-%dT%H:%M:%S", gmtime(milliseconds // 1000))
        cassette: JSON = {
            "slsadapt": 1,
            "recorded_at": f"{seconds}.{milliseconds % 1000:03}Z",
            "dialect": name if name in gateways.NAMES else None,
        }
        request_id = invocation_id(context)
        if name in gateways.OBJECT_NAMES:
            # Not to be read here: its body may be that of the connection's next request by now.
            cassette["event"] = None
            parts.objects["event"] = _public_class_of(event)
        else:
            request_id = request_id or _request_id_of(module, event)
            reader = _reader(module, "decode_event") if is_http else None
            cassette["event"] = parts.add("event", event, reader)
        cassette["context"] = parts.add("context", _facts_of(context))
        if self.error is None:
            reader = _reader(module, "decode_result") if is_http else None
            cassette["result"] = parts.add("result", self.result, reader)
        else:
            cassette["error"] = parts.add("error", self.error)
        cassette["timing"] = {"total_ms": round(self.total_ms, 3), "cold": self.is_cold}
        if self.remaining_ms is not None:
            cassette["timing"]["remaining_ms"] = round(self.remaining_ms)
        cassette["redacted"] = parts.redacted
        cassette["omitted"] = parts.omitted
        cassette["objects"] = parts.objects
        return cassette, request_id


class _Parts:
    """The parts of one cassette, and what was changed in them."""

    def __init__(self, bodies: bool, names: tuple[str, ...]) -> None:
        self.redacted: list[str] = []
        self.omitted: JSON = {}
        self.objects: dict[str, str] = {}
        self._bodies = bodies
        self._names = names

    def add(self, at: str, value: Any, read: Read | None = None) -> Any:
        """Make JSON without secrets, and without the body unless bodies are kept.

        Args:
            at: where it will stand.
            value: anything.
            read: tells its body; None for what has none.
        """
        value = self._plain(value, at)
        body = None if read is None or value is None else find_body(value, read)
        if body is None:
            return self._redact(value, at)
        place = ".".join([at, *map(str, body.path)])
        rest = self._redact(replaced(value, body.path, "" if body.path else None), at)
        if self._bodies and not body.is_encoded and len(body.octets) <= _MOST_BODY_BYTES:
            return replaced(rest, body.path, self._kept(value, body, place))
        self.omitted[place] = {
            "bytes": len(body.octets),
            "sha256": sha256(body.octets).hexdigest(),
        }
        return rest

    def _plain(self, value: Any, at: str) -> Any:
        """Copy as JSON, with null for what is none."""
        if value is None or isinstance(value, _SCALARS):
            return value
        if isinstance(value, dict):
            return {str(key): self._plain(each, f"{at}.{key}") for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._plain(each, f"{at}.{index}") for index, each in enumerate(value)]
        self.objects[at] = _public_class_of(value)
        return None

    def _redact(self, value: Any, at: str) -> Any:
        copy, paths = redacted(value, self._names, at)
        self.redacted += paths
        return copy

    def _kept(self, value: Any, body: Body, place: str) -> Any:
        """Take the secrets out of a body, and leave it in its spelling."""
        for step in body.path:
            value = value[step]
        if not isinstance(value, str):
            return self._redact(value, place)
        # Any octets are text of one character each; names and most secrets are ASCII.
        encoding = "utf-8"
        try:
            text = body.octets.decode()
        except UnicodeDecodeError:
            encoding = "latin-1"
            text = body.octets.decode(encoding)
        changed = self._redact(text, place)
        if changed == text:
            return value
        if value == text:
            return changed
        return b2a_base64(changed.encode(encoding), newline=False).decode("ascii")


def _parsed(event: Any) -> Any:
    """Read an event that the platform passes as JSON, as Alibaba does."""
    if isinstance(event, (bytes, bytearray, str)):
        try:
            return json.loads(event)
        except (ValueError, RecursionError):
            pass
    return event


def _module_of(event: Any, named: str | None) -> tuple[Any, bool]:
    """Find the dialect of an event, of requests or of WebSocket messages.

    Args:
        event: of whatever origin.
        named: the dialect that somebody named, perhaps one of his own.

    Returns:
        (the dialect or None, whether event and result may have bodies).
    """
    try:
        return gateways.detect(event), True
    except (UnknownEventError, BadEventError):
        pass
    kind = kind_of(event)
    if kind == "websocket":
        for name in gateways.SOCKET_NAMES:
            module = import_module(f"{gateways.__name__}.{name}")
            if module.matches(event):
                return module, True
    if kind is not None:
        return None, False
    if named in gateways.NAMES:
        return gateways.load(named), True
    # A gateway that somebody else reads, or nobody yet.
    return None, named is not None or (isinstance(event, dict) and "body" in event)


def _reader(module: Any, function: str) -> Read:
    """Make what tells the body of an event, or of a result; it raises for one of no dialect."""

    def read(value: Any) -> tuple[bytes, Pairs]:
        message = getattr(module, function)(value)
        body = message.data if isinstance(message, SocketMessage) else message.body
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        return body or b"", message.headers

    return read


def _request_id_of(module: Any, event: Any) -> str:
    try:
        request_id: str = module.decode_event(event).request_id
    except Exception:
        return ""
    return request_id


def _facts_of(context: Any) -> Any:
    """Read the public fields of a context, and of the objects that it holds."""
    if context is None or isinstance(context, dict):
        return context
    facts: JSON = {}
    for name, value in _fields_of(context):
        if value is None or isinstance(value, (*_SCALARS, *_CONTAINERS)):
            facts[name] = value
        elif not callable(value) and not isinstance(value, ModuleType):
            inner = {name: each for name, each in _fields_of(value) if isinstance(each, _SCALARS)}
            if inner:
                facts[name] = inner
    return facts


def _fields_of(value: object) -> Iterator[tuple[str, Any]]:
    for name in dir(value):
        if not name.startswith("_"):
            try:
                yield name, getattr(value, name)
            except Exception:  # noqa: S112 - a field that cannot be read is none
                continue


def _public_class_of(value: object) -> str:
    """Name a class as it is imported, ``"azure.functions.HttpRequest"``."""
    parts = class_of(value).split(".")
    return ".".join([part for part in parts if not part.startswith("_")])
