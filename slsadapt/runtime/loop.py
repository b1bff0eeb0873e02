"""Ask for invocations and answer them, one after the other or several at once.

As many threads as the instance may serve invocations at once each ask for their own, as Lambda
Managed Instances expect of a runtime; an instance of one at a time does it in its main thread.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html
"""

from __future__ import annotations

import os
import signal
import sys

# Taken before the function is imported, which may replace them: gevent does.
from _queue import Empty, SimpleQueue
from _thread import allocate_lock, start_new_thread
from contextvars import ContextVar

from .client import Client
from .failures import FaultError, describe
from .results import write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from .client import Invocation

    # Gives the octets of a result and their content type.
    Answer = Callable[[Invocation], tuple[bytes, str]]

__all__ = ["REQUEST_ID", "Loop"]

# Of the invocation that runs here, "" outside of any.
REQUEST_ID: ContextVar[str] = ContextVar("slsadapt_runtime_request_id", default="")
_TOO_LARGE = 413
_LOOK_S = 0.5


class Loop:
    """Serve one Runtime API until it is gone, or SIGTERM comes.

    Make it in the main thread, and before the function is imported. SIGTERM ends the process at
    once where it waits or still starts, and otherwise as soon as it has answered.

    Args:
        address: ``"127.0.0.1:9001"``, as ``AWS_LAMBDA_RUNTIME_API`` has it.
        log: writes what ``failures.describe`` gives where people look for it.
        asks_ahead: as ``Client`` has it.
    """

    def __init__(
        self,
        address: str,
        log: Callable[[dict[str, Any]], object],
        *,
        asks_ahead: bool = False,
    ) -> None:
        self._address = address
        self._asks_ahead = asks_ahead
        self._log = log
        self._is_idle = True
        self._is_stopping = False
        self._ended: Callable[[str], object] = bool
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def load(self, make: Callable[[], Any]) -> Any:
        """Call what imports the function.

        Raises:
            SystemExit: it raised, which the Runtime API was told.
        """
        try:
            return make()
        except Exception as error:
            described = describe(error)
            self._log(described)
            client = Client(self._address)
            try:
                client.fail_init(write_json(described), described["errorType"])
            except OSError:
                pass  # nobody is there to be told
            finally:
                client.close()
            sys.exit(1)

    def run(
        self,
        answer: Answer,
        *,
        concurrency: int = 1,
        pre_stop: Callable[[], object] | None = None,
        ended: Callable[[str], object] | None = None,
    ) -> int:
        """Serve invocations until there are no more.

        Args:
            answer: calls the function; what it raises is told as the function's error.
            concurrency: how many at once.
            pre_stop: called at the end, in the main thread.
            ended: called with the ID of each invocation before it is answered.

        Returns:
            the exit status: 0 after SIGTERM, 1 where the Runtime API is gone.
        """
        if ended is not None:
            self._ended = ended
        try:
            if concurrency > 1:
                return self._run_threads(answer, concurrency)
            self._serve(answer)
            return 1
        except SystemExit as leaving:
            if self._is_stopping and leaving.code == 0:
                return 0
            raise
        finally:
            # A further SIGTERM must not cut the shutdown short.
            self._is_idle = False
            if pre_stop is not None:
                pre_stop()

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self._is_stopping = True
        if self._is_idle:
            sys.exit(0)

    def _serve(self, answer: Answer) -> None:
        """Serve in the main thread, which gets the signals."""
        client = Client(self._address, asks_ahead=self._asks_ahead)
        environ = os.environ
        trace_id = environ.get("_X_AMZN_TRACE_ID", "")
        while True:
            # In this order: a signal between the two lines ends it, too.
            self._is_idle = True
            if self._is_stopping:
                sys.exit(0)
            invocation = _next(client)
            self._is_idle = False
            if invocation is None:
                return
            # Where AWS's X-Ray SDK looks for it; several at once have no such place.
            told = invocation.headers.get("lambda-runtime-trace-id", "")
            if told != trace_id:
                trace_id = environ["_X_AMZN_TRACE_ID"] = told
                if not told:
                    del environ["_X_AMZN_TRACE_ID"]
            if not self._handle(client, invocation, answer):
                return

    def _run_threads(self, answer: Answer, concurrency: int) -> int:
        # Each is held while its thread has an invocation.
        busy = [allocate_lock() for _ in range(concurrency)]
        statuses: SimpleQueue[int] = SimpleQueue()
        for lock in busy:
            start_new_thread(self._serve_in_thread, (answer, lock, statuses))
        try:
            self._is_idle = True
            if self._is_stopping:
                sys.exit(0)
            while True:
                try:
                    return statuses.get(timeout=_LOOK_S)
                except Empty:
                    # A signal that came just before this waited is handled only now.
                    continue
        finally:
            self._is_idle = False
            if self._is_stopping:
                for lock in busy:
                    lock.acquire()

    def _serve_in_thread(self, answer: Answer, busy: LockType, statuses: SimpleQueue[int]) -> None:
        client = Client(self._address, asks_ahead=self._asks_ahead)
        status = 1
        try:
            while (invocation := _next(client)) is not None:
                with busy:
                    if not self._handle(client, invocation, answer):
                        break
        except SystemExit as leaving:
            # The function ends its process.
            status = leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code))
        finally:
            statuses.put(status)

    def _handle(self, client: Client, invocation: Invocation, answer: Answer) -> bool:
        """Answer one invocation; tell whether the server is still there."""
        token = REQUEST_ID.set(invocation.request_id)
        try:
            try:
                result, content_type = answer(invocation)
            except Exception as error:
                self._fail(client, invocation, error)
                return True
            self._ended(invocation.request_id)
            if client.respond(invocation, result, content_type) == _TOO_LARGE:
                message = f"Response payload size ({len(result)} bytes) exceeded maximum allowed."
                self._fail(client, invocation, FaultError("Function.ResponseSizeTooLarge", message))
        except OSError as error:
            _gone(error)
            return False
        finally:
            REQUEST_ID.reset(token)
        return True

    def _fail(self, client: Client, invocation: Invocation, error: Exception) -> None:
        described = describe(error, invocation.request_id)
        self._log(described)
        self._ended(invocation.request_id)
        client.fail(invocation, write_json(described), described["errorType"])


def _next(client: Client) -> Invocation | None:
    """Wait for an invocation; None where there are no more to come."""
    try:
        return client.next()
    except OSError as error:
        _gone(error)
        return None


def _gone(error: OSError) -> None:
    """Say why the process ends, unless its server has simply ended before it."""
    if type(error) is ConnectionError:
        sys.stderr.write(f"slsadapt.runtime: {error}\n")
