"""Start and stop an ASGI application once per instance.

Source: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import asyncio

from ..errors import LifespanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from .asgi import AsgiApp, Message

    Mode = Literal["auto", "on", "off"]

__all__ = ["Lifespan"]


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

    async def start(self) -> None:
        """Run the application up to ``lifespan.startup.complete``.

        Raises:
            LifespanError: start-up failed or took too long, or ``"on"`` found no support.
        """
        self._task = asyncio.get_running_loop().create_task(self._run())
        answer = await self._ask("startup")
        if answer is None and self._mode == "on":
            raise LifespanError(
                "the application does not support lifespan, which lifespan='on' asks for"
            ) from self._failure()

    async def stop(self) -> None:
        """Run the application from ``lifespan.shutdown`` to its end."""
        if self._task is not None and not self._task.done():
            await self._ask("shutdown")
            await asyncio.wait((self._task,), timeout=self._timeout_s)

    async def _ask(self, phase: str) -> Message | None:
        """Send one message; return the answer, or None where the application just ends."""
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
            return answer
        if self._task.done():
            return None
        self._task.cancel()
        raise LifespanError(f"{phase} took longer than {self._timeout_s:g} s (lifespan_timeout_s)")

    def _failure(self) -> BaseException | None:
        assert self._task is not None
        return None if self._task.cancelled() else self._task.exception()

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        return await self._messages.get()

    async def _send(self, message: Message) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)
