"""Start and stop an ASGI application once per instance.

Source: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import asyncio

from ..errors import ApplicationError, LifespanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from .asgi import AsgiApp, Message

    Mode = Literal["auto", "on", "off"]

__all__ = ["Lifespan"]


_ANSWERS = {
    f"lifespan.{phase}.{outcome}"
    for phase in ("startup", "shutdown")
    for outcome in ("complete", "failed")
}


class Lifespan:
    """One start-up and one shutdown, in a task of its own.

    Args:
        app: an ASGI 3 application.
        mode: ``"on"`` fails where the application does not support lifespan, ``"auto"`` does
            without it.
        timeout_s: how long start-up, and shutdown, may take.
    """

    def __init__(self, app: AsgiApp, mode: Mode, timeout_s: float) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._mode = mode
        self._timeout_s = timeout_s
        self._task: asyncio.Task[None] | None = None
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._answer: asyncio.Future[Message] | None = None
        self._failure: Exception | None = None

    async def start(self) -> None:
        """Run the application up to ``lifespan.startup.complete``.

        Raises:
            LifespanError: start-up failed or took too long, or ``"on"`` found no support.
        """
        self._task = asyncio.get_running_loop().create_task(self._run(), name="lifespan")
        # An exit that passes through is the caller's to see; nothing shall complain of it later.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        # Raising on the lifespan scope is how an application says that it has no use for it.
        if not await self._ask("startup") and self._mode == "on":
            raise LifespanError(
                "the application does not support lifespan, which lifespan='on' asks for"
            ) from self._failure

    async def stop(self) -> None:
        """Run the application from ``lifespan.shutdown`` to its end.

        Raises:
            LifespanError: shutdown failed or took too long.
        """
        if self._task is not None and not self._task.done():
            if not await self._ask("shutdown") and self._failure:
                raise LifespanError("shutdown failed") from self._failure
            await asyncio.wait((self._task,), timeout=self._timeout_s)

    async def _ask(self, phase: str) -> bool:
        """Send one message; tell whether an answer came rather than the application's end."""
        assert self._task is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._messages.put_nowait({"type": f"lifespan.{phase}"})
        await asyncio.wait(
            (self._task, self._answer),
            timeout=self._timeout_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if self._answer.done():
            answer = self._answer.result()
            if answer["type"] == f"lifespan.{phase}.failed":
                raise LifespanError(f"{phase} failed: {answer.get('message') or 'no message'}")
            return True
        if self._task.done():
            return False
        self._task.cancel()
        raise LifespanError(f"{phase} took longer than {self._timeout_s:g} s (lifespan_timeout_s)")

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:
            self._failure = error

    async def _receive(self) -> Message:
        return await self._messages.get()

    async def _send(self, message: Message) -> None:
        if message["type"] not in _ANSWERS:
            raise ApplicationError(f"no such message in lifespan: {message['type']!r}")
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)
