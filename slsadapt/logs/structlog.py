"""Give structlog's events the same context.

>>> structlog.configure(processors=[slsadapt.logs.add_context, ...])
"""

from __future__ import annotations

from .invocation import context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

__all__ = ["add_context"]


def add_context(
    logger: object, method_name: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the IDs, the function and what was bound to an event, whose own keys win."""
    for name, value in context().items():
        event_dict.setdefault(name, value)
    return event_dict
