"""Take the log context into threads and greenlets, which begin with an empty one.

Source: https://greenlet.readthedocs.io/en/latest/contextvars.html
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Any, ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")

__all__ = ["ContextExecutor", "wrap_context"]


def wrap_context(function: Callable[P, T]) -> Callable[P, T]:
    """Make a function run, each time, in a copy of the context that holds now.

    >>> threading.Thread(target=wrap_context(send_mail)).start()
    >>> gevent.spawn(wrap_context(send_mail))
    """
    context = copy_context()

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        # A context cannot be entered by two threads at once.
        return context.copy().run(function, *args, **kwargs)

    return run


class ContextExecutor(ThreadPoolExecutor):
    """A ``ThreadPoolExecutor`` whose tasks see the context of whoever submits them."""

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Submit a task, as ``ThreadPoolExecutor`` does; ``map`` comes by here, too."""
        return super().submit(copy_context().run, function, *args, **kwargs)
