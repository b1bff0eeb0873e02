"""What a local cloud runs, as somebody would configure it in a console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    JSON = dict[str, Any]

__all__ = ["Function"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function and its configuration.

    Args:
        label: as the user named the target.
        folder: first in the import path, and the working directory, as in clouds; made absolute.
        module: what to import.
        name: what to take of it, perhaps dotted.
        dialect: the gateway's, one of ``gateways.NAMES`` or ``gateways.SOCKET_NAMES``; which
            platform calls the function follows from it.
        function_name: what the platform calls it.
        timeout_s: how long an invocation may take; None is without limit.
        memory_mb: how large an instance may grow in MiB, by its resident size.
        is_memory_limited: whether an instance that is larger is killed; contexts tell
            ``memory_mb`` all the same.
        concurrency: how many invocations an instance serves at once.
        base_path: what a custom domain has in front of the application, ``""`` or ``"/orders"``.
        bootstrap: the command of another Lambda runtime client, () for our own.
        debug_port: where debugpy listens in the first instance, or None.
    """

    label: str
    folder: Path
    module: str
    name: str
    dialect: str
    function_name: str = "slsadapt"
    timeout_s: float | None = 3.0
    memory_mb: int = 128
    is_memory_limited: bool = True
    concurrency: int = 1
    base_path: str = ""
    bootstrap: tuple[str, ...] = ()
    debug_port: int | None = None

    def __post_init__(self) -> None:
        # Instances start in it, where what is relative to this process leads elsewhere.
        object.__setattr__(self, "folder", self.folder.absolute())

    def described(self) -> JSON:
        """Give what a process must know to import and call it, as ``inside`` reads it."""
        return {
            "folder": str(self.folder),
            "module": self.module,
            "name": self.name,
            "is_handler": self.is_handler,
            "dialect": self.dialect,
            "function_name": self.function_name,
            "timeout_s": self.timeout_s,
            "memory_mb": self.memory_mb,
            "concurrency": self.concurrency,
            "base_path": self.base_path,
            "debug_port": None,
        }

    @property
    def is_handler(self) -> bool:
        """Tell by its name whether it is called with (event, context)."""
        return self.name.lower().endswith("handler")
