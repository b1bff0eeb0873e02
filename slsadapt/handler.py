"""The function that a cloud calls: from its event to its result."""

from __future__ import annotations

import os
from contextvars import copy_context

from . import gateways
from .engines import detect_interface
from .errors import (
    BadEventError,
    DeadlineError,
    InterfaceError,
    OptionError,
    ResultTooLargeError,
    UnknownEventError,
)
from .logs.invocation import CURRENT, Invocation
from .message import Request, Response
from .middleware.request_id import RequestIDs, is_request_id
from .percent import encode_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import Context
    from typing import Any, Literal

    from .engines import Interface
    from .engines.asgi import AsgiEngine
    from .engines.asgi import Exchange as AsgiExchange
    from .engines.wsgi import Exchange as WsgiExchange
    from .engines.wsgi import WsgiEngine
    from .gateways import JSON, Dialect
    from .middleware.deadline import Deadline
    from .middleware.observer import Observer
    from .testing.recorder import RecordedFunction, Recorder
    from .testing.sinks import Sink
    from .timing import Timing

    Engine = WsgiEngine | AsgiEngine
    Exchange = WsgiExchange | AsgiExchange
    # Told after each invocation what it took.
    Hook = Callable[[Timing], object]
    # Serves an event that is no HTTP request, as a cloud would call it: (event, context).
    Route = Callable[[Any, Any], Any]
    # Asked before the dialects: gives the dialect that reads this very event, or None.
    Claim = Callable[[Any, Any], Dialect | None]

__all__ = ["Handler", "wrap"]

_YES = {"yes", "y", "true", "t", "1"}
# Octets of a result for each of its body's: JSON may write six characters for one (\u0000),
# and headers take their room. A body too small to reach a limit so needs no measuring.
_WORST_GROWTH = 8
# Too small for the least limit of any platform, the 40 KB of AWS's viewer requests.
_SMALL_BYTES = 40_000 // _WORST_GROWTH


def wrap(
    app: Any,
    *,
    interface: Literal["auto", "wsgi", "asgi"] = "auto",
    gateway: str = "auto",
    events: Mapping[str, Route] | None = None,
    custom_handlers: Iterable[type] = (),
    base_path: str | None = None,
    strip_stage: bool | None = None,
    lifespan: Literal["auto", "on", "off"] = "auto",
    lifespan_timeout_s: float = 10.0,
    shutdown_on_sigterm: bool = False,
    text_mime_types: Iterable[str] = (),
    exclude_headers: Iterable[str] = (),
    request_id: bool | RequestIDs = True,
    timing: Hook | Iterable[Hook] = (),
    deadline: float | Deadline | None = None,
    profile: str | None = None,
    record: Sink | Recorder | None = None,
    on_error: Literal["respond", "raise"] = "respond",
    result_limit_bytes: int | None = None,
    debug: bool = False,
) -> Handler:
    """Make the handler that a cloud calls out of a WSGI or ASGI application.

    Args:
        app: the application, or an import string such as ``"shop.wsgi:application"``, which is
            imported here and now.
        interface: how ``app`` is called, where its signature does not tell.
        gateway: the dialect of the events, ``"auto"`` to tell by each event.
        events: what serves events that are no HTTP requests, called with (event, context), a
            coroutine function too: ``{"timer": fn, "keep_warm": fn, "websocket": fn}``. Without
            a route a timer or keep-warm event returns None at once and starts nothing.
        custom_handlers: ``LambdaHandler`` classes in Mangum's protocol, asked first.
        base_path: path in front of the application in the client's URL, such as ``"/orders"``;
            None finds it where the gateway tells, and asks ``API_GATEWAY_BASE_PATH``.
        strip_stage: True leaves the stage out of ``SCRIPT_NAME`` and ``root_path``, for a
            default host behind a proxy that adds the stage; None asks ``STRIP_STAGE_PATH``.
        lifespan: whether an ASGI application is started and stopped: ``"auto"`` if it can,
            ``"on"`` or fail, ``"off"``.
        lifespan_timeout_s: seconds that start-up, and shutdown, may take.
        shutdown_on_sigterm: whether SIGTERM runs the application's shutdown and exits. Sets a
            signal handler, so call ``wrap`` in the main thread.
        text_mime_types: further content types to send as text, ``"application/x-foo"``; one
            that ends in ``/`` or starts with ``+`` stands for a family.
        exclude_headers: response headers not to pass on.
        request_id: ``RequestIDs(...)`` says where the ID of each request comes from and which
            response header returns it; True takes the gateway's and returns it as
            ``X-Request-ID``; False neither keeps nor returns one.
        timing: one function, or several, called with a ``Timing`` after each invocation, such
            as ``slsadapt.timing.log_timing``.
        deadline: seconds before the platform's time limit at which the stacks of all threads
            and tasks are logged and an ASGI application is cancelled with a 504;
            ``Deadline(...)`` where the platform does not tell its limit. None is never.
        profile: ``"pyinstrument"`` profiles a request that a token signed with
            ``SLSADAPT_PROFILE_KEY`` asks for, and answers with the report.
        record: where to keep each invocation as a cassette, for ``slsadapt replay``: a folder, a
            file ``"….jsonl"``, ``"logging"``, or a ``slsadapt.testing.Recorder``.
        on_error: what an exception of the application becomes: a logged 500, or an exception
            of the invocation.
        result_limit_bytes: size of result to refuse, where the platform's own has changed.
        debug: whether a 500 shows the traceback and a WSGI application runs under werkzeug's
            lint.

    Raises:
        OptionError: an option has a value it does not take.
        InterfaceError: ``app`` is not recognisably an application.
        ImportError: the import string names no module.
    """
    for name, value, choices in (
        ("interface", interface, ("auto", "wsgi", "asgi")),
        ("lifespan", lifespan, ("auto", "on", "off")),
        ("on_error", on_error, ("respond", "raise")),
    ):
        if value not in choices:
            raise OptionError(f"{name} must be one of {', '.join(choices)}; got {value!r}")
    routes = dict(events or {})
    if routes:
        from .gateways.triggers import KINDS

        if unknown := sorted(routes.keys() - {*KINDS}):
            raise OptionError(f"events takes {', '.join(KINDS)}; got {', '.join(unknown)}")
        if not all(map(callable, routes.values())):
            raise OptionError("events must hold functions of (event, context)")
    claim: Claim | None = None
    if custom_handlers := tuple(custom_handlers):
        from .interop.mangum import claims

        claim = claims(custom_handlers)
    if not isinstance(request_id, (bool, RequestIDs)):
        raise OptionError(
            f"request_id must be True, False or RequestIDs(...), got {type(request_id).__name__}"
        )
    ids = RequestIDs() if request_id is True else request_id or None
    if base_path is None:
        base_path = os.environ.get("API_GATEWAY_BASE_PATH", "")
    if strip_stage is None:
        strip_stage = os.environ.get("STRIP_STAGE_PATH", "").strip().lower() in _YES
    if isinstance(app, str):
        app = _import(app)
    kind: Interface = detect_interface(app) if interface == "auto" else interface
    if kind == "wsgi":
        from .engines.wsgi import WsgiEngine

        if debug:
            from werkzeug.middleware.lint import LintMiddleware

            app = LintMiddleware(app)
        engine: Engine = WsgiEngine(app)
    else:
        from .engines.asgi import AsgiEngine

        if kind == "asgi2":
            from asgiref.compatibility import double_to_single_callable

            app = double_to_single_callable(app)  # type: ignore[no-untyped-call]
        engine = AsgiEngine(app, lifespan, lifespan_timeout_s)
    if shutdown_on_sigterm:
        from .engines.sigterm import exit_on_sigterm

        exit_on_sigterm()
    observer: Observer | None = None
    hooks = (timing,) if callable(timing) else tuple(timing)
    if hooks or deadline is not None or profile is not None:
        from .middleware.observer import Observer

        observer = Observer(engine, hooks, deadline, profile)
    handler = Handler(
        engine,
        None if gateway == "auto" else gateways.load(gateway),
        ids=ids,
        observer=observer,
        routes=routes,
        claim=claim,
        base_path=_normalized(base_path),
        strip_stage=strip_stage,
        text_mime_types=tuple(each.lower() for each in text_mime_types),
        exclude_headers=frozenset(name.lower() for name in exclude_headers),
        raise_errors=on_error == "raise",
        result_limit_bytes=result_limit_bytes,
        debug=debug,
    )
    if record is not None:
        from .testing.recorder import RecordedFunction, Recorder

        recorder = record if isinstance(record, Recorder) else Recorder(record)
        named = None if gateway == "auto" else gateway
        handler.recorded = RecordedFunction(handler.answer, recorder, named)
    return handler


class Handler:
    """What ``wrap`` returns: call it with an event and its context."""

    def __init__(
        self,
        engine: Engine,
        dialect: Dialect | None,
        *,
        ids: RequestIDs | None,
        observer: Observer | None,
        routes: dict[str, Route],
        claim: Claim | None,
        base_path: str,
        strip_stage: bool,
        text_mime_types: tuple[str, ...],
        exclude_headers: frozenset[str],
        raise_errors: bool,
        result_limit_bytes: int | None,
        debug: bool,
    ) -> None:
        self._engine = engine
        self._named = dialect
        self._dialect: Dialect | None = None
        self._ids = ids
        self._observer = observer
        self._routes = routes
        self._claim = claim
        self._base_path = base_path
        self._strip_stage = strip_stage
        moves = strip_stage or base_path
        self._prepare: Any = self._prepare_moved if moves else engine.prepare
        self._finishes = bool(exclude_headers or (observer and observer.heads))
        self._run: Any = engine.run
        self._text_mime_types = text_mime_types
        self._exclude_headers = exclude_headers
        self._raise_errors = raise_errors
        self._result_limit_bytes = result_limit_bytes
        self._small_bytes = _SMALL_BYTES
        if result_limit_bytes is not None:
            self._small_bytes = result_limit_bytes // _WORST_GROWTH
        self._debug = debug
        # What records the invocations, if they are.
        self.recorded: RecordedFunction | None = None

    @property
    def dialect(self) -> Dialect | None:
        """Give the dialect of the last event, before any the one that ``wrap`` was told."""
        return self._dialect or self._named

    def __call__(self, event: Any, context: Any = None) -> Any:
        """Serve one event.

        Args:
            event: what the platform passes: a dict, its JSON as bytes or str, or a request
                object (Azure, Google).
            context: the platform's context, which the application finds as
                ``serverless.context``; on Alibaba FC 2, where the event is an environ,
                ``start_response``.

        Returns:
            The gateway's result. An application's exception is a 500, a wrong field a 400.
            For an event that is no HTTP request, what its route in ``events`` returns.

        Raises:
            UnknownEventError: no dialect claims the event.
            Exception: with ``on_error="raise"``, what the application raised.
        """
        if self.recorded is not None:
            return self.recorded(event, context)
        # A context of its own keeps what one invocation sets from the next.
        own = copy_context()
        return own.run(self._invoke, own, event, context)

    def answer(self, event: Any, context: Any = None) -> Any:
        """Serve one event, and record nothing of it."""
        own = copy_context()
        return own.run(self._invoke, own, event, context)

    def _invoke(self, own: Context, event: Any, context: Any) -> Any:
        """Serve one event in ``own``, the context it has for itself."""
        observer = self._observer
        invocation: Any = Invocation() if observer is None else observer.begin(own)
        invocation.platform_context = context
        CURRENT.set(invocation)
        try:
            if type(event) is not dict:
                event = _parsed(event)
            # No two dialects claim one event, so the last one may be asked first.
            dialect = self._dialect
            if dialect is not None and isinstance(event, dict) and dialect.matches(event):
                return self._serve(invocation, dialect, event, context)
            return self._serve_other(invocation, event, context)
        finally:
            if observer is not None:
                observer.end(invocation)

    def _serve(self, invocation: Any, dialect: Dialect, event: Any, context: Any) -> Any:
        """Answer an event as ``dialect`` reads it."""
        exchange: Exchange | None = None
        try:
            exchange = dialect.decode_into(event, self._prepare)
            dialect.annotate(exchange.environ, event, context)
            if (ids := self._ids) is not None:
                request_id = exchange.request_id
                if not is_request_id(request_id):
                    request_id = ids.choose(exchange.header)
                invocation.request_id = request_id
            if self._observer is None:
                response = self._run(exchange)
            else:
                response = self._observer.run(invocation, dialect, exchange)
            if ids is not None and ids.header is not None:
                response.headers = ids.with_header(response.headers, request_id)
            if self._finishes:
                response = self._finish(invocation, response)
            result = dialect.encode_result(response, event, self._text_mime_types)
            if len(response.body) > self._small_bytes:
                self._refuse_too_large(dialect, response, result)
            return result
        except Exception as error:
            if isinstance(error, BadEventError) and dialect is self._named:
                error = _blaming_name(error, dialect, event)
            if self._raise_errors:
                raise error
            if self._ids and not invocation.request_id:
                invocation.request_id = self._ids.choose(_no_header)
            # The application's own context may know more than this one.
            own = (exchange and exchange.context) or copy_context()
            failed = own.run(self._failure, error, dialect, event, invocation.request_id)
            if (ids := self._ids) is not None and ids.header is not None:
                failed.headers = ids.with_header(failed.headers, invocation.request_id)
            failed = self._finish(invocation, failed)
            return dialect.encode_result(failed, event, self._text_mime_types)

    def _finish(self, invocation: Any, response: Response) -> Response:
        """Add and take away headers that are not the application's affair."""
        if self._observer is not None:
            self._observer.answer(invocation, response)
        if self._exclude_headers:
            response = self._without_excluded(response)
        return response

    def _serve_other(self, invocation: Any, event: Any, context: Any) -> Any:
        """Serve an event that the last one's dialect does not claim as it is."""
        if self._claim and (custom := self._claim(event, context)):
            return self._serve(invocation, custom, event, context)
        dialect = self._named
        if dialect is None or not isinstance(event, dict) or not dialect.matches(event):
            try:
                detected = gateways.detect(event)
            except UnknownEventError:
                from .gateways.triggers import kind_of, request_id_of

                if kind := kind_of(event):
                    if self._ids is not None:
                        given = request_id_of(event)
                        invocation.request_id = self._ids.choose(_no_header, given)
                    return self._serve_trigger(invocation, kind, event, context)
                if dialect is None:
                    raise
            else:
                if dialect is None:
                    dialect = detected
                elif not isinstance(event, dict) and detected is not dialect:
                    raise BadEventError(
                        f"gateway={_short_name(dialect)!r} was named, but the event is a "
                        f"{type(event).__name__}, which {_short_name(detected)} reads"
                    )
        if hasattr(dialect, "call_back"):
            # The platform calls its functions as WSGI applications, the context inside.
            caller: Any = dialect
            invocation.platform_context = caller.context_of(event)
            return caller.call_back(self._serve(invocation, dialect, event, event), context)
        if self._claim is None:
            self._dialect = dialect
        return self._serve(invocation, dialect, event, context)

    def _serve_trigger(self, invocation: Any, kind: str, event: Any, context: Any) -> Any:
        """Hand an event that is no HTTP request to its route."""
        route = self._routes.get(kind)
        if route is None:
            import logging

            if kind == "websocket":
                raise UnknownEventError(
                    "a WebSocket event is no HTTP request; route it with "
                    "wrap(app, events={'websocket': function})"
                )
            logging.getLogger("slsadapt").info(
                "a %s event did nothing; route it with wrap(app, events={%r: function})", kind, kind
            )
            return None

        def call() -> Any:
            outcome = route(event, context)
            return self._engine.run_coroutine(outcome) if hasattr(outcome, "__await__") else outcome

        return call() if self._observer is None else self._observer.route(invocation, kind, call)

    async def async_call(self, event: Any, context: Any = None) -> Any:
        """Serve one event from inside a running loop, which stays free meanwhile."""
        import asyncio

        return await asyncio.to_thread(self, event, context)

    def initialize(self, context: Any = None) -> None:
        """Do before the first event what it would wait for: start-up, imports."""
        if self._named is None:
            for name in gateways.NAMES:
                gateways.load(name)
        if self._observer is None:
            self._engine.initialize()
        else:
            self._observer.initialize()

    def pre_stop(self, context: Any = None) -> None:
        """Run the application's shutdown; the platform is about to stop the instance."""
        try:
            self._engine.close()
        finally:
            if self.recorded is not None:
                self.recorded.recorder.close()

    def _refuse_too_large(self, dialect: Dialect, response: Response, result: Any) -> None:
        """Raise ResultTooLargeError for what the platform would refuse without a reason."""
        limit_bytes = self._result_limit_bytes or dialect.RESULT_LIMIT_BYTES
        if limit_bytes is None or len(response.body) * _WORST_GROWTH <= limit_bytes:
            return
        size_bytes = dialect.result_bytes(result)
        if size_bytes > limit_bytes:
            raise ResultTooLargeError(
                f"the result has {size_bytes:,} bytes as JSON, the platform takes "
                f"{limit_bytes:,}; answer in parts, compress, or redirect to object storage"
            )

    def _prepare_moved(self, *fields: Any) -> Any:
        """Mount the application where the options say rather than where the gateway does."""
        request = Request(*fields)
        root_path, path = request.root_path, request.path
        if self._strip_stage and root_path == "/" + request.stage:
            root_path = ""
        if base := self._base_path:
            escaped = encode_path(base)
            whole = encode_path(root_path) + path
            if _is_below(escaped, whole):
                root_path, path = base, whole[len(escaped) :] or "/"
            elif _is_below(escaped, path):
                root_path, path = root_path + base, path[len(escaped) :] or "/"
            elif not root_path:
                # The gateway took the base path off already.
                root_path = base
        moved = request.replace(root_path=root_path, path=path)
        return self._engine.prepare(*(getattr(moved, name) for name in moved.__slots__))

    def _without_excluded(self, response: Response) -> Response:
        headers = [
            pair for pair in response.headers if pair[0].lower() not in self._exclude_headers
        ]
        return response.replace(headers=headers)

    def _failure(
        self, error: Exception, dialect: Dialect, event: JSON, request_id: str
    ) -> Response:
        """Log an exception once and answer it."""
        import logging

        try:
            request = dialect.decode_event(event)
        except Exception:
            request = None
        logger = logging.getLogger("slsadapt")
        status = 500
        if isinstance(error, (BadEventError, DeadlineError)):
            status = error.status_hint
        if status == 504:
            text = str(error)  # the guard has logged it, with all stacks
        elif status < 500:
            logger.warning("refused an event: %s", error)
            text = str(error)
        else:
            logger.error(
                "request %s failed: %s %s",
                request_id or "-",
                request.method if request else "-",
                request.path if request else "-",
                exc_info=error,
            )
            text = "Internal Server Error"
            if isinstance(error, ResultTooLargeError):
                text = str(error)
            if self._debug:
                import traceback

                text = "".join(traceback.format_exception(error))
        headers = (("content-type", "text/plain; charset=utf-8"),)
        body = b"" if request and request.method == "HEAD" else text.encode()
        return Response(status, headers, body)


def _no_header(name: str) -> None:
    """Stand for the headers of an event that has none, or whose could not be read."""


def _blaming_name(error: BadEventError, dialect: Dialect, event: JSON) -> BadEventError:
    """Say that the gateway which ``wrap`` was told is not the event's, where that is so."""
    if dialect.matches(event):
        return error
    try:
        found = f"the event looks like {_short_name(gateways.detect(event))}"
    except UnknownEventError:
        found = "no dialect claims the event"
    return BadEventError(f"{error}; gateway={_short_name(dialect)!r} was named, but {found}")


def _short_name(dialect: Dialect) -> str:
    return dialect.__name__.rpartition(".")[2]


def _is_below(base: str, path: str) -> bool:
    return path == base or path.startswith(base + "/")


def _normalized(base_path: str) -> str:
    """Write ``"orders/"`` and ``"/orders"`` alike; ``"/"`` is no base path."""
    trimmed = base_path.strip("/")
    return f"/{trimmed}" if trimmed else ""


def _parsed(event: object) -> Any:
    """Read an event that the platform passes as JSON, as Alibaba does; objects stay."""
    if not isinstance(event, (bytes, bytearray, str)):
        return event
    import json

    try:
        parsed = json.loads(event)
    except (ValueError, RecursionError) as error:
        raise BadEventError(f"the event must be JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise BadEventError(f"the event must be a JSON object, got {type(parsed).__name__}")
    return parsed


def _import(target: str) -> Any:
    """Import ``"module:attribute"``."""
    from importlib import import_module

    module_name, _, path = target.partition(":")
    if not module_name or not path or module_name.startswith("."):
        raise OptionError(f"an import string looks like 'module:attribute', got {target!r}")
    found: Any = import_module(module_name)
    for name in path.split("."):
        if not hasattr(found, name):
            raise InterfaceError(f"module {module_name!r} has no {path!r}")
        found = getattr(found, name)
    return found
