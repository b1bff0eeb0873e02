"""What is measured: an application or a function, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """An application or a function.

    Args:
        label: as the user named it.
        folder: first in the import path, and the working directory, as in clouds.
        module: what to import.
        name: what to take of it, perhaps dotted.
        path: what stands in the import path behind the standard library; None for what this
            interpreter has there.
    """

    label: str
    folder: Path
    module: str
    name: str
    path: tuple[str, ...] | None = None

    @property
    def is_handler(self) -> bool:
        """Tell by its name whether it is called with (event, context)."""
        return self.name.lower().endswith("handler")
