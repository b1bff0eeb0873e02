"""Run a function inside of an instance of the local cloud.

``main()``, in a new interpreter or in a forked process. The environment variable
``SLSADAPT_INSTANCE`` tells what to run, in JSON, and is taken out of the environment:

=================  ===============================================================================
field              meaning
=================  ===============================================================================
``runtime_api``    where the pool speaks the Lambda Runtime API, ``"127.0.0.1:9001"``
``instance``       the name of the instance
``folder``         first in the import path
``module, name``   what to import, and what to take of it, perhaps with dots
``is_handler``     whether it is called with (event, context), or wrapped
``dialect``        the gateway's, from which the platform follows
``function_name``  for contexts
``timeout_s``      the same, in seconds; null for no limit
``memory_mb``      the same, in MiB
``concurrency``    how many invocations to serve at once
``base_path``      what a custom domain has in front of the application, or ``""``
``debug_port``     where debugpy listens, or null
=================  ===============================================================================
"""

from __future__ import annotations

import json
import os
import signal
import sys

from .. import gateways
from ..runtime import streams, target
from ..runtime.failures import FaultError, log_lines
from ..runtime.loop import Loop
from ..runtime.results import read_event, write_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from typing import Any, NoReturn

    from ..runtime.client import Invocation

    JSON = dict[str, Any]
    Function = Callable[..., Any]
    MakeContext = Callable[[Invocation], Any]
    Answer = Callable[[Invocation], tuple[bytes, str]]

__all__ = ["main"]

_VARIABLE = "SLSADAPT_INSTANCE"
# What contexts tell of a function without a time limit, a day: more than any platform allows.
_NO_LIMIT_S = 86_400
# Platforms that pass functions the event alone where they take no more, or have no context at all.
_EVENT_ALONE = ("azure", "digitalocean", "gcp", "openwhisk")
# Platforms that await what functions return.
_AWAITING = ("azure", "yandex")
# Launchers that tell of each activation in the environment.
_TOLD_BY_ENVIRONMENT = ("digitalocean", "openwhisk")
_LIBRARIES = {"azure": "azure-functions", "gcp": "flask"}


def main() -> NoReturn:
    """Serve the pool until it is gone, or SIGTERM comes, and exit."""
    spec: JSON = json.loads(os.environ.pop(_VARIABLE))
    streams.set_up(is_tagged=spec["concurrency"] > 1)
    # Ctrl-C reaches the whole terminal, and what is under way here is to be finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop = Loop(spec["runtime_api"], _log, asks_ahead=True)
    function, answer = loop.load(lambda: _load(spec))
    sys.exit(
        loop.run(
            answer,
            concurrency=spec["concurrency"],
            pre_stop=getattr(function, "pre_stop", None),
            ended=streams.finish if spec["concurrency"] > 1 else None,
        )
    )


def _log(described: JSON) -> None:
    sys.stderr.write("\n".join(log_lines(described)) + "\n")


def _load(spec: JSON) -> tuple[Function, Answer]:
    """Import the function, and give it with what answers invocations by it."""
    dialect: str = spec["dialect"]
    platform = gateways.platform_of(dialect)
    folder: str = spec["folder"]
    # Nothing of how this process was started, as with any other command.
    own = {"", folder, os.path.realpath(folder), os.path.realpath(".")}
    sys.path[:] = [folder, *[entry for entry in sys.path if entry not in own]]
    if spec["debug_port"] is not None:
        _listen_for_debugger(spec["debug_port"])
    make_context = _aws_contexts(spec) if platform == "aws" else _contexts(spec, platform)
    found = target.find(spec["module"], spec["name"])
    if platform != "aws" and "logging" in sys.modules:
        import logging

        # Only now, so that an application which configures logging itself goes first.
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    function = _function(found, spec)
    call = _caller(function, platform)
    if dialect in gateways.OBJECT_NAMES:
        return function, _answering_objects(call, function, dialect, make_context)
    if platform == "alibaba":
        return function, lambda each: _written(call(each.payload, make_context(each)))
    write = write_result if platform == "aws" else _written
    return function, lambda each: write(call(read_event(each.payload), make_context(each)))


def _listen_for_debugger(port: int) -> None:
    try:
        import debugpy
    except ImportError:
        raise FaultError(
            "Runtime.ImportModuleError",
            "debugpy is not installed, and --debug-port needs it: pip install 'slsadapt[local]'",
        ) from None
    # In this process, for an adapter of its own would outlive it.
    debugpy.listen(("127.0.0.1", port), in_process_debug_adapter=True)


def _function(found: Any, spec: JSON) -> Function:
    """Give what is called with (event, context)."""
    name = f"'{spec['name']}' of module '{spec['module']}'"
    # Whoever has one of ours has imported it.
    ours: Any = sys.modules.get("slsadapt.handler")
    if spec["is_handler"] or (ours is not None and isinstance(found, ours.Handler)):
        if not callable(found):
            raise FaultError(
                "Runtime.HandlerNotFound", f"{name} must be callable, got {type(found).__name__}"
            )
        return found  # type: ignore[no-any-return] # whatever the module has
    from ..errors import InterfaceError
    from ..handler import wrap

    try:
        return wrap(found, base_path=spec["base_path"] or None)
    except InterfaceError as error:
        raise FaultError("Runtime.HandlerNotFound", f"{name} is no application: {error}") from None


def _caller(function: Function, platform: str) -> Function:
    """Give what calls a function with (event, context) as its platform does."""
    code = getattr(function, "__code__", None)
    if platform in _EVENT_ALONE and code is not None and code.co_argcount == 1:
        return lambda event, context: function(event)
    if platform not in _AWAITING:
        return function

    loops: dict[int, AbstractEventLoop] = {}

    def call(event: Any, context: Any) -> Any:
        result = function(event, context)
        if not hasattr(result, "__await__"):
            return result
        import asyncio
        from _thread import get_ident

        # One a thread, which stays, for what functions keep may belong to it.
        thread = get_ident()
        if thread not in loops:
            loops[thread] = asyncio.new_event_loop()
        return loops[thread].run_until_complete(result)

    return call


def _aws_contexts(spec: JSON) -> MakeContext:
    from ..runtime import root_logger
    from ..runtime.context import LambdaContext

    # Whatever the developer's shell has of these, contexts tell what is configured.
    os.environ["AWS_LAMBDA_FUNCTION_NAME"] = spec["function_name"]
    os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = str(spec["memory_mb"])
    root_logger.set_up()
    return LambdaContext


def _contexts(spec: JSON, platform: str) -> MakeContext:
    from ..testing.contexts import for_dialect

    dialect: str = spec["dialect"]
    values = {
        "function_name": spec["function_name"],
        "timeout_s": _NO_LIMIT_S if spec["timeout_s"] is None else spec["timeout_s"],
        "memory_mb": spec["memory_mb"],
    }

    def make(invocation: Invocation) -> Any:
        request_id, deadline_ms = invocation.request_id, invocation.deadline_ms
        ids = {"activation_id": request_id} if platform == "digitalocean" else {}
        if platform in _TOLD_BY_ENVIRONMENT:
            os.environ["__OW_ACTIVATION_ID"] = request_id
            os.environ["__OW_DEADLINE"] = str(deadline_ms)
        return for_dialect(dialect, request_id, deadline_ms=deadline_ms, **ids, **values)

    return make


def _written(result: Any) -> tuple[bytes, str]:
    """Write a result as platforms other than AWS do.

    Raises:
        FaultError: JSON cannot hold it.
    """
    try:
        return json.dumps(result).encode(), "application/json"
    except (TypeError, ValueError, RecursionError) as error:
        raise FaultError("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def _answering_objects(
    call: Function, function: Function, name: str, make_context: MakeContext
) -> Answer:
    """Give what answers invocations with requests and responses that are objects."""
    from .objects import is_request, pack_response, unpack_request

    dialect: Any = gateways.load(name)
    try:
        dialect.encode_event(_no_request())
    except ImportError as error:
        library = _LIBRARIES[name]
        raise FaultError(
            "Runtime.ImportModuleError",
            f"functions of {dialect.TITLE} need {library}: pip install {library} ({error})",
        ) from None

    def answer(invocation: Invocation) -> tuple[bytes, str]:
        context = make_context(invocation)
        payload = invocation.payload
        if not is_request(payload):
            # A timer's.
            event = payload if name == "alibaba_fc2" else read_event(payload)
            return _written(call(event, context))
        event = dialect.encode_event(unpack_request(payload))
        if hasattr(dialect, "call"):
            result = dialect.call(function, event, context)
        else:
            result = call(event, context)
        return pack_response(dialect.decode_result(result)), "application/json"

    return answer


def _no_request() -> Any:
    from ..message import Request

    return Request("GET", "/")


if __name__ == "__main__":
    main()
